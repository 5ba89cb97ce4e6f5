/*
 * A path: everything output has to know about the way to a next hop. A connection chooses one when
 * its SYN arrives and keeps its index; output copies the path's header and looks at nothing else.
 *
 * There is one path for each (port, next hop), and one for each (port, family, MAC address) that is answered
 * by reflection. The table is bounded. Paths with users stay; the others are kept while there is
 * room and the longest unused goes first. The gateways' paths are never evicted.
 */
#ifndef PIER_NET_PATH_H
#define PIER_NET_PATH_H

#include <rte_mbuf.h>

#include "base/compiler.h"
#include "pkt/cap.h"

struct net;

#define NET_PATH_MAX (1u << 24) /* records keep 24 bits of an index; the last means none */
#define NET_L2_MAX   24

enum net_path_state {
	NET_PATH_FREE,
	NET_PATH_INCOMPLETE, /* the next hop's MAC address is not known: net_hold, not output */
	NET_PATH_STALE,      /* of IPv6: known, but for long not confirmed: by net_hold, which notes that it is used */
	NET_PATH_RESOLVED,
	NET_PATH_REFLECT,    /* the header answers to the MAC address the SYN came from */
};

struct net_path {
	alignas(CACHE_LINE) uint8_t l2[NET_L2_MAX]; /* l2_len bytes: destination, source, type */
	const struct pkt_port *pp; /* for pkt_build, pkt_push_tcp and pkt_offload */
	uint8_t l2_len;
	uint8_t l3_len;     /* of the IP header: 20, 40 of IPv6 */
	uint8_t state : 4;  /* enum net_path_state */
	uint8_t pinned : 1; /* a gateway */
	uint8_t v6 : 1;     /* next hop and remote addresses are IPv6 */
	uint8_t used;       /* set by output, cleared by ageing */
	uint16_t port;
	uint16_t mtu;       /* of the IP packet */
	uint8_t next_hop[16]; /* IPv4 as ::ffff:a.b.c.d; all 0 for REFLECT */
	uint32_t users;
	uint32_t confirmed; /* ms; when the next hop was last known to be alive */
};

static_assert(sizeof(struct net_path) == CACHE_LINE, "output touches one line of a path");

/*
 * The path to remote (IPv4 as ::ffff:a.b.c.d) from local address index local on port; now in us.
 * RFC 1122 section 3.3.1: on-link by prefix, else by the port's gateway. On a REFLECT port src_mac,
 * the frame's source address, is the next hop; without src_mac the port resolves as any other.
 * Returns an index, valid until the next call of net_path_for, net_input or net_tick unless
 * net_path_get takes a reference; -1 when there is no route or all paths have users.
 * Worker thread; O(1).
 */
int32_t net_path_for(struct net *n, uint16_t port, uint32_t local, const uint8_t remote[16],
		     const uint8_t src_mac[6], uint64_t now);

/* The path has its first user, or lost its last one: for net_path_get and net_path_put (net.h). O(1). */
void net_path_used(struct net *n, uint32_t path);
void net_path_unused(struct net *n, uint32_t path);

/*
 * Hold m until path is resolved; net takes m. m is a complete frame, so that only the
 * Ethernet destination is missing. The latest packet of each path is held, an older one is dropped
 * and counted tx_no_neighbor, as is m beyond the cap over all paths. Asks for the next hop at most
 * once a second (RFC 1122 section 2.3.2.1); after three requests without a reply the packet is
 * dropped, and the next one asks again. If the path is ready m is emitted at once. O(1).
 */
void net_hold(struct net *n, uint32_t path, struct rte_mbuf *m, uint64_t now);

/*
 * The transport doubts the path (RFC 9293 section 3.8.3, R1): asks the next hop by unicast, then by
 * broadcast, once a second, while the path stays in use as it is; one of IPv6 that is to be asked soon is asked then, and
 * what was confirmed before the doubt does not count. Nothing for REFLECT. O(1).
 */
void net_advise(struct net *n, uint32_t path, uint64_t now);

/*
 * The MTU of a port, its pkt_port.mtu, is another now: its paths follow, and with them the MSS of
 * the next SYN or SYN-ACK and the segments of connections (RFC 9293 section 3.7.3). O(paths).
 */
void net_port_mtu(struct net *n, uint16_t port);

#endif
