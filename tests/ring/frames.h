/*
 * Frames that a peer of a ring port could have sent, and what comes back.
 */
#ifndef TEST_RING_FRAMES_H
#define TEST_RING_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "wire/tcp.h"

#define SERVER_ADDR BE32(0xc6120002u) /* 198.18.0.2 */
#define SERVER_ADDR6 ((const uint8_t[16]){0xfd, 0, 0, 0x18, [15] = 2})

/* A peer's end of one connection. */
struct frames_flow {
	uint32_t addr;		/* network order */
	uint16_t port, to_port; /* host order; the peer's and the server's */
	uint8_t mac[6], to_mac[6];
	uint32_t seq, ack;	/* next to send, next expected */
};

/* A TCP segment from the peer; its payload, if any, begins at payload. */
struct rte_mbuf *frames_tcp(struct rte_mempool *mp, const struct frames_flow *f, uint8_t flags,
			    const void *payload, uint16_t len);

/* The same by IPv6, from frames_addr6(f) to SERVER_ADDR6, without payload; ext: behind Destination Options. */
struct rte_mbuf *frames_tcp6(struct rte_mempool *mp, const struct frames_flow *f, uint8_t flags, bool ext);
void frames_addr6(uint8_t to[16], const struct frames_flow *f);

/* "Who has SERVER_ADDR6?" of the peer, to that address. */
struct rte_mbuf *frames_solicit(struct rte_mempool *mp, const struct frames_flow *f);

/* Bytes [from, to) of m's IPv4 payload as a fragment; m stays. */
struct rte_mbuf *frames_fragment(struct rte_mempool *mp, const struct rte_mbuf *m, uint16_t id,
				 uint16_t from, uint16_t to);

/* An ICMP error "fragmentation needed" about seq of a segment of len bytes that the server sent to f. */
struct rte_mbuf *frames_too_big(struct rte_mempool *mp, const struct frames_flow *f, uint32_t seq,
				uint16_t len, uint16_t mtu);

/* The same by ICMPv6, "packet too big", about what was sent from SERVER_ADDR6. */
struct rte_mbuf *frames_too_big6(struct rte_mempool *mp, const struct frames_flow *f, uint32_t seq, uint16_t len,
				 uint16_t mtu);

/* ARP: the peer asks for the server's address, or answers it (op: ARP_OP_*). */
struct rte_mbuf *frames_arp(struct rte_mempool *mp, const struct frames_flow *f, uint16_t op);

/* The TCP header of a frame of the server's, its sums right; NULL: it is no TCP. */
const struct tcp_hdr *frames_tcp_of(const struct rte_mbuf *m, uint16_t *payload);

#endif
