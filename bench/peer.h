/*
 * The other side of an echo: a small client that keeps many TCP connections in which one message is
 * always on its way. It is as cheap as a client can be that still checks everything it gets back,
 * because it shares the measurement with the server.
 *
 * Like the engine it does no I/O: packets in, packets out, in the same mbufs. It expects a link that
 * loses and reorders nothing, and calls whatever else it sees an error. Its segments carry
 * timestamps and its SYN offers MSS, window scale and SACK, as a kernel's does.
 *
 * Connection i comes from 10.1.0.0 + i / PEER_PORTS, port PEER_PORT_LOW + i % PEER_PORTS, so that an
 * answer names its connection and there is no table to look it up in. One thread.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <rte_mbuf.h>

#include "base/compiler.h"

#define PEER_SERVER    0x0a000001u /* 10.0.0.1/8, host order */
#define PEER_CLIENTS   0x0a010000u
#define PEER_PORT_LOW  1024u
#define PEER_PORTS     60000u
#define PEER_MESSAGE   64 /* bytes */
#define PEER_HEADERS   66 /* Ethernet, IPv4, TCP with timestamps */

struct peer_conn {
	uint32_t snd_nxt, rcv_nxt;
	uint32_t ts_recent;
	uint32_t open;
};

struct peer {
	struct peer_conn *conns;
	uint32_t n;
	uint16_t port;     /* the server's, host order */
	bool talk;         /* answer with the next message, else with an ACK alone */
	uint32_t tick;     /* ms, for timestamps; the caller moves it */
	uint64_t established, echoed, errors;
	uint32_t ip_sum, tcp_sum; /* of what is the same in all packets */
	uint32_t message_sum;
	uint8_t headers[PEER_HEADERS];
	uint8_t message[PEER_MESSAGE]; /* its first 8 bytes differ from one to the next */
};

/* n connections to server_mac's port. Ends the program if there is no memory. */
void peer_init(struct peer *p, uint32_t n, uint16_t port, const uint8_t mac[6],
	       const uint8_t server_mac[6]);
void peer_free(struct peer *p);

/* Write the SYN of connection i into m, whose content is lost. */
void peer_syn(struct peer *p, uint32_t i, struct rte_mbuf *m);

/* Write the next message of connection i into m. The one before must have come back. */
void peer_message(struct peer *p, uint32_t i, struct rte_mbuf *m);

/*
 * Take a packet of the server. True: m now is the answer, to be sent. False: m is the caller's to
 * free; nothing is to be sent, or it was an error.
 */
bool peer_input(struct peer *p, struct rte_mbuf *m);

/* Payload bytes of a packet of the server to this peer. */
uint16_t peer_payload(struct rte_mbuf *m);

#endif
