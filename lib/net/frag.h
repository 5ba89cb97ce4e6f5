/*
 * What reassembly of both families shares: the store is frag.c's, what a header says and how the
 * whole one is written is known in frag4.c and frag6.c.
 */
#ifndef PIER_NET_FRAG_H
#define PIER_NET_FRAG_H

#include "internal.h"

#define FRAG_IP_MAX 65535u /* what a length field can say */

/* What a fragment's header says. */
struct frag_hdr {
	uint8_t saddr[16], daddr[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint32_t id;    /* network order */
	uint16_t port;
	uint16_t off;   /* of the payload in the datagram's, bytes */
	uint16_t len;   /* of the payload */
	uint16_t hlen;  /* from the IP header to the payload; of IPv6 with the Fragment header */
	uint16_t fixed; /* of the headers what the datagram's length field counts */
	uint8_t proto;  /* of IPv4; of IPv6, where fragments may differ in it, 0 */
	uint8_t ecn;
	bool more;
};

/* A datagram whose fragments are all there. */
struct frag_whole {
	uint16_t hlen;  /* as of the first fragment's header */
	uint16_t total; /* payload */
	bool ce;        /* some fragment met congestion */
};

/* False: it cannot be one. f: of a PKT_FRAGMENT; what it says is in f or the frame. */
bool frag4_read(const struct rte_mbuf *m, const struct pkt_facts *f, struct frag_hdr *h);
bool frag6_read(const struct rte_mbuf *m, const struct pkt_facts *f, struct frag_hdr *h);

/* Make the header in m, of the first fragment, that of the datagram. */
void frag4_finish(struct rte_mbuf *m, const struct frag_whole *w);
void frag6_finish(struct rte_mbuf *m, const struct frag_whole *w);

/* Tell the source of m, a first fragment, that the others did not come; takes m. */
void frag4_tell(struct net *n, struct rte_mbuf *m, uint16_t port, uint64_t now);
void frag6_tell(struct net *n, struct rte_mbuf *m, uint16_t port, uint64_t now);

#endif
