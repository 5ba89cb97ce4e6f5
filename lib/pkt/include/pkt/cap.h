/*
 * What the packet code has to know of a port: its address, what it computes for us, and what happens
 * to an mbuf that was given to it. Filled once at start from the capability plan; read only after.
 */
#ifndef PIER_PKT_CAP_H
#define PIER_PKT_CAP_H

#include "base/compiler.h"

enum pkt_port_flag {
	PKT_TX_IP_CSUM = 1 << 0,   /* the port fills the IPv4 header checksum */
	PKT_TX_TCP_CSUM = 1 << 1,  /* and the TCP checksum, given the pseudo-header's sum */
	PKT_TX_MULTI_SEG = 1 << 2, /* it sends chained mbufs; without, packets are built linear */
	PKT_RX_ANY_MAC = 1 << 3,   /* take unicast frames whatever their destination address */
	PKT_TX_TSO = 1 << 4,       /* it cuts a packet into TCP segments; with PKT_TX_TCP_CSUM and
				    * PKT_TX_MULTI_SEG only */
};

/* What transmission does with an mbuf. */
enum pkt_tx_mode {
	PKT_TX_COPIES,     /* the bytes are copied out before tx_burst returns; headers of an mbuf that
			    * nobody else refers to may then be written again */
	PKT_TX_HOLDS,      /* the mbuf is held until sent, then freed */
	PKT_TX_GIVES_AWAY, /* the peer receives this very mbuf and may write to it: nothing that
			    * somebody still refers to may be in it, payload is always copied */
};

#define PKT_COPY_BELOW 900 /* default of copy_below: where copy and reference cost the same */

struct pkt_port {
	uint8_t mac[6];
	uint16_t mtu;        /* IP packet, bytes; may change: read by pkt_port_mtu() */
	uint16_t id;         /* the ethdev port */
	uint16_t copy_below; /* slices shorter than this are copied into the packet */
	uint8_t flags;       /* enum pkt_port_flag */
	uint8_t tx_mode;     /* enum pkt_tx_mode */
	uint16_t tso_mbufs;  /* PKT_TX_TSO: a packet that it cuts has no more */
};

/* The MTU now: another thread writes it, when somebody sets the device's. Any thread. */
static inline uint16_t pkt_port_mtu(const struct pkt_port *p)
{
	return __atomic_load_n(&p->mtu, __ATOMIC_RELAXED);
}

#endif
