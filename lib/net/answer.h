/*
 * ICMP messages that go back to where a packet came from, by IPv4 and IPv6: the headers before
 * them. Shared by echo.c, icmp.c and icmp6.c.
 */
#ifndef PIER_NET_ANSWER_H
#define PIER_NET_ANSWER_H

#include "internal.h"

/* Who an answer goes to, read before the packet is overwritten. */
struct answer {
	const struct pkt_port *pp;
	uint8_t mac[ETH_ADDR_LEN];
	bool v6;
	uint8_t class; /* of the packet: the former TOS octet, or the traffic class */
	uint32_t id;   /* network order: of the fragments of the answer */
	uint8_t saddr[16], daddr[16]; /* of the answer; IPv4 as ::ffff:a.b.c.d */
};

/* Bytes of an answer's Ethernet and IP headers, of one that is a fragment too. */
static inline uint16_t answer_head(const struct answer *a, bool fragment)
{
	if (!a->v6)
		return ETH_HDR_LEN + IP4_HDR_LEN;
	return ETH_HDR_LEN + IP6_HDR_LEN + (fragment ? IP6_FRAGMENT_LEN : 0);
}

/* False: m cannot be answered. */
bool answer_read(struct net *n, const struct rte_mbuf *m, uint16_t l3_off, uint16_t port,
		 struct answer *a);

/* Prepend the headers to m, which begins with ICMP and has answer_head() bytes of headroom. */
void answer_push(const struct answer *a, struct rte_mbuf *m, uint8_t class);

/* The same of a fragment, off bytes behind the beginning of the ICMP message. */
void answer_push_fragment(const struct answer *a, struct rte_mbuf *m, uint32_t off, bool more);

#endif
