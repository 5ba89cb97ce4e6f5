/*
 * Building packets: payload from slices into an mbuf (chain), then checksums and padding.
 *
 * The order for a segment: pkt_build; pkt_push_tcp; IP and Ethernet header (the first segment has
 * RTE_PKTMBUF_HEADROOM for them); pkt_offload; pkt_pad.
 *
 * Payload is copied or referenced, whichever costs less: a part shorter than the port's copy_below
 * is copied, a longer one that lies in an mbuf is attached as an indirect mbuf. Static bytes are
 * always copied: they lie in ordinary memory, which a device may not reach. Everything is copied
 * when the port sends no chains, gives its mbufs away, or the pool has no indirect mbufs.
 *
 * Sums come from the slices where those know them, else from the copy itself: payload is never read
 * only to sum it, except when it is referenced and its slice brings no sum.
 *
 * Worker thread; bounded by the segment's bytes.
 */
#ifndef PIER_PKT_BUILD_H
#define PIER_PKT_BUILD_H

#include <string.h>

#include <rte_mbuf.h>

#include "pkt/cap.h"
#include "pkt/pool.h"
#include "pkt/slice.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/sum.h"
#include "wire/tcp.h"

/* Whatever copy_below says, less than this is copied: pkt_pad never has to pad what is shared. */
#define PKT_COPY_ALWAYS 64

/*
 * An mbuf with len bytes of payload: those that follow the first `skip` bytes of slices[0..n), which
 * must hold skip + len bytes, skip < slices[0].len. len 0 gives an empty mbuf. The slices are not
 * changed; references are taken for what is attached. If sum is not NULL, *sum becomes the folded
 * partial sum of the payload. A slice's own sum is used when the whole slice is.
 *
 * NULL when mbufs ran out, or when the packet has to be linear and is longer than an mbuf: nothing is
 * leaked and *sum is undefined.
 */
struct rte_mbuf *pkt_build(struct pkt_pool *pool, const struct pkt_port *pp,
			   const struct slice *slices, unsigned n, uint32_t skip, uint32_t len,
			   uint16_t *sum);

#define PKT_OPT_WORDS 10 /* of options, at most */
#define PKT_TSO_BYTES (UINT16_MAX - IP6_HDR_LEN - TCP_HDR_LEN - 4 * PKT_OPT_WORDS) /* of payload, at most */

/*
 * Of the len bytes that pkt_build would be asked for, how many it takes no more than the port's tso_mbufs for, as long
 * as there are indirect mbufs. O(slices).
 */
uint32_t pkt_chain_fit(const struct pkt_pool *pool, const struct pkt_port *pp, const struct slice *slices,
		       unsigned n, uint32_t skip, uint32_t len);

/* Whether pkt_push_tcp will want the payload's sum for this port. */
static inline bool pkt_needs_sum(const struct pkt_port *pp)
{
	return !(pp->flags & PKT_TX_TCP_CSUM);
}

/*
 * What a TCP header says: ports as on the wire, the rest in host order. pseudo: the addresses of the pseudo-header, all
 * their words of 32 bits, as on the wire, added up; of IPv4 or IPv6.
 */
struct pkt_tcp {
	uint64_t pseudo;
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint16_t window, urg;
	uint8_t flags;
	uint16_t payload_sum; /* pkt_build's; read only if pkt_needs_sum */
};

/*
 * Write the header at p; l4_len is its length with options and payload. Its checksum is complete, or that of
 * the pseudo-header where the port does the rest (pkt_offload then). Each word is summed as it is written.
 * opt: options in words as on the wire; where the caller knows how many, so does the compiler.
 * RFC 9293 section 3.1.
 */
static inline __attribute__((always_inline)) void
pkt_write_tcp(uint8_t *p, const struct pkt_port *pp, const struct pkt_tcp *h, const uint32_t *opt,
	      unsigned opt_words, uint16_t l4_len)
{
	const uint32_t w[5] = {
		(uint32_t)h->dport << 16 | h->sport, be32(h->seq), be32(h->ack),
		be32((uint32_t)tcp_doff(TCP_HDR_LEN + 4 * opt_words) << 24 |
		     (uint32_t)h->flags << 16 | h->window),
		(uint32_t)be16(h->urg) << 16,
	};
	const uint64_t pseudo = h->pseudo + BE16(IP_PROTO_TCP) + be16(l4_len);
	const bool whole = pkt_needs_sum(pp);
	uint64_t sum = pseudo;

	if (likely(whole)) {
		sum += (uint64_t)w[0] + w[1] + w[2] + w[3] + w[4] + h->payload_sum;
		for (unsigned i = 0; i < opt_words; i++)
			sum += opt[i];
		sum = sum_finish64(sum);
	} else {
		sum = sum_fold(sum_fold64(pseudo));
	}
	store64(p, (uint64_t)w[1] << 32 | w[0]);
	store64(p + 8, (uint64_t)w[3] << 32 | w[2]);
	store32(p + 16, w[4] | (uint32_t)sum);
	for (unsigned i = 0; i < opt_words; i++)
		memcpy(p + TCP_HDR_LEN + 4 * i, &opt[i], 4);
}

/* The same before what m holds, the payload. Returns the header's length. */
static inline __attribute__((always_inline)) unsigned
pkt_push_tcp(struct rte_mbuf *m, const struct pkt_port *pp, const struct pkt_tcp *h,
	     const uint32_t *opt, unsigned opt_words)
{
	const unsigned len = TCP_HDR_LEN + 4 * opt_words;

	m->data_off -= len;
	m->data_len += len;
	m->pkt_len += len;
	pkt_write_tcp(rte_pktmbuf_mtod(m, uint8_t *), pp, h, opt, opt_words, (uint16_t)m->pkt_len);
	return len;
}

/*
 * Tell the port what it has to fill in, if anything; m is a complete frame of l2_len bytes of link
 * header, l3_len of IPv4 (20) or IPv6 (40), l4_len of TCP header.
 */
static inline void pkt_offload(struct rte_mbuf *m, const struct pkt_port *pp, unsigned l2_len,
			       unsigned l3_len, unsigned l4_len)
{
	if (likely(!(pp->flags & (PKT_TX_TCP_CSUM | PKT_TX_IP_CSUM))))
		return;
	m->ol_flags |= l3_len == IP4_HDR_LEN ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
	if (pp->flags & PKT_TX_TCP_CSUM)
		m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
	if (pp->flags & PKT_TX_IP_CSUM && l3_len == IP4_HDR_LEN) {
		m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
		rte_pktmbuf_mtod_offset(m, struct ip4_hdr *, l2_len)->cksum = 0;
	}
	m->l2_len = l2_len;
	m->l3_len = l3_len;
	m->l4_len = l4_len;
}

/*
 * The port is to cut m, complete and after pkt_offload, into segments of mss bytes of payload: each has m's headers,
 * with its own lengths, SEQ and checksums; PSH and FIN are the last one's. The pseudo-header's sum is then
 * without the length, as RTE_MBUF_F_TX_TCP_SEG has it.
 */
static inline void pkt_segmented(struct rte_mbuf *m, uint16_t mss)
{
	const unsigned at = m->l2_len + m->l3_len;
	struct tcp_hdr *th = rte_pktmbuf_mtod_offset(m, struct tcp_hdr *, at);

	th->cksum = sum_fold((uint32_t)th->cksum + (uint16_t)~be16((uint16_t)(m->pkt_len - at)));
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	m->tso_segsz = mss;
}

/*
 * Fill the IPv4 header checksum only, in software: for ICMP and what else is rare. ip_off is the
 * header's offset in the first segment, which holds it entirely, options included.
 */
void pkt_ip_finish(struct rte_mbuf *m, unsigned ip_off);

/*
 * Pad a frame with zeros to 60 bytes (RFC 894). The last segment must be our own; false, and m as it
 * was, when it has no room.
 */
static inline bool pkt_pad(struct rte_mbuf *m)
{
	uint32_t pad;
	char *p;

	if (likely(m->pkt_len >= ETH_MIN_FRAME))
		return true;
	pad = ETH_MIN_FRAME - m->pkt_len;
	p = rte_pktmbuf_append(m, (uint16_t)pad);
	if (unlikely(!p))
		return false;
	if (likely(pad == 6)) /* TCP without payload and options, or with one word of them: no loop */
		memset(p, 0, 6);
	else if (likely(pad == 2))
		memset(p, 0, 2);
	else
		memset(p, 0, pad);
	return true;
}

#endif
