/*
 * A TCP segment, whatever IP header it came behind: header, options and checksum. In each of the files that parse, so
 * that the compiler knows where a segment lies.
 *
 * addrs is the sum of both addresses, of the pseudo-header: of words that were added up in 64 bits, below 2^48.
 */
#ifndef PIER_PKT_SEGMENT_H
#define PIER_PKT_SEGMENT_H

#include <rte_mbuf.h>

#include "base/counter.h"
#include "pkt/facts.h"
#include "pkt/parse.h"
#include "wire/ip4.h"
#include "wire/sum.h"
#include "wire/tcp.h"
#include "wire/tcp_opt.h"

/* facts and options name the same things: one shift carries the flags over. */
#define OPTS_SHIFT 2
static_assert(TCP_OPTS_TS << OPTS_SHIFT == PKT_F_TS, "flag order");
static_assert(TCP_OPTS_MSS << OPTS_SHIFT == PKT_F_MSS, "flag order");
static_assert(TCP_OPTS_WSCALE << OPTS_SHIFT == PKT_F_WSCALE, "flag order");
static_assert(TCP_OPTS_SACK_OK << OPTS_SHIFT == PKT_F_SACK_OK, "flag order");
static_assert(TCP_OPTS_SACK << OPTS_SHIFT == PKT_F_SACK, "flag order");
static_assert(TCP_OPTS_BAD << OPTS_SHIFT == PKT_F_BAD_OPT, "flag order");

static inline void drop(struct pkt_facts *f, enum counter reason)
{
	f->kind = PKT_DROP;
	f->reason = (uint16_t)reason;
}

/* Only the pseudo-header's sum is there: the sender's device was to do the rest. */
static __attribute__((noinline)) void bad_sum(const struct tcp_hdr *th, uint64_t addrs, struct pkt_facts *f)
{
	uint32_t pseudo = sum_fold64(addrs + BE16(IP_PROTO_TCP) + be16(f->l4_len));

	drop(f, th->cksum == sum_fold(pseudo) ? CTR_RX_CSUM_PARTIAL : CTR_RX_CSUM_BAD);
}

/*
 * Decide by the receive flags, or verify: false and the reason when the segment is to be dropped.
 * Verified, the payload's part of the sum stays in the facts. hlen: of the TCP header; flags: the facts' new ones.
 */
static inline bool tcp_check_sum(const struct rte_mbuf *m, const struct tcp_hdr *th, unsigned hlen,
				 uint64_t addrs, unsigned l4_off, unsigned l4_len,
				 struct pkt_facts *f, uint16_t *flags)
{
	const uint64_t state = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	const unsigned off = l4_off + hlen, len = l4_len - hlen;
	uint32_t payload = 0;
	uint64_t sum;

	if (unlikely(state != RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN)) {
		if (state == RTE_MBUF_F_RX_L4_CKSUM_NONE)
			*flags |= PKT_F_CSUM_NONE;
		if (state == RTE_MBUF_F_RX_L4_CKSUM_BAD)
			drop(f, CTR_RX_CSUM_BAD);
		return state != RTE_MBUF_F_RX_L4_CKSUM_BAD;
	}
	if (len && likely(m->data_len >= off + len)) /* then th's bytes, m's or a copy, go as far */
		payload = sum_fold(sum_partial((const uint8_t *)th + hlen, len, 0));
	else if (len)
		payload = pkt_sum(m, off, len);
	f->payload_sum = payload;
	sum = addrs + BE16(IP_PROTO_TCP) + be16((uint16_t)l4_len) + payload;
	if (unlikely(!sum_is_good(sum_add64(sum, sum_header64(th, hlen))))) {
		bad_sum(th, addrs, f);
		return false;
	}
	*flags |= PKT_F_SUM;
	return true;
}

/* Options other than a timestamp alone. */
static __attribute__((noinline)) void parse_options(const uint8_t *opt, unsigned len, bool syn,
						    struct pkt_facts *f)
{
	struct tcp_opts o;

	tcp_opt_parse(opt, len, syn, &o);
	f->flags |= (uint16_t)(o.flags << OPTS_SHIFT);
	f->tsval = o.tsval;
	f->tsecr = o.tsecr;
	f->mss = o.mss;
	f->wscale = o.wscale;
	f->sack_n = o.sack_n;
	f->sack_off = (uint16_t)(f->l4_off + TCP_HDR_LEN + o.sack_off);
}

/* The rest of a segment whose header, with options, is hlen long; l4_off: where it begins. */
static inline __attribute__((always_inline)) void
parse_segment(const struct rte_mbuf *m, const struct tcp_hdr *th, uint64_t addrs,
	      struct pkt_facts *f, unsigned l4_off, unsigned l4_len, unsigned hlen)
{
	const uint8_t *opt = (const uint8_t *)(th + 1);
	const uint32_t ports = load32(th), word = load_be32(&th->doff);
	uint16_t flags = f->flags;

	f->payload_off = (uint16_t)(l4_off + hlen);
	f->payload_len = (uint16_t)(l4_len - hlen);
	if (unlikely(!tcp_check_sum(m, th, hlen, addrs, l4_off, l4_len, f, &flags)))
		return;
	if (unlikely(!(ports & 0xffff) || !(ports >> 16))) {
		drop(f, CTR_RX_PORT_ZERO);
		return;
	}
	f->kind = PKT_TCP;
	memcpy(&f->sport, &ports, sizeof(f->sport) + sizeof(f->dport));
	f->seq = be32(th->seq);
	f->ack = be32(th->ack);
	f->tcp_flags = (uint8_t)(word >> 16);
	f->window = word & 0xffff;
	f->urg = be16(th->urg);
	if (likely(tcp_opt_only_ts(opt, hlen - TCP_HDR_LEN))) {
		f->flags = flags | PKT_F_TS;
		f->tsval = load_be32(opt + 4);
		f->tsecr = load_be32(opt + 8);
		return;
	}
	f->flags = flags;
	if (hlen != TCP_HDR_LEN)
		parse_options(opt, hlen - TCP_HDR_LEN, th->flags & TCP_SYN, f);
}

/* With options that are not timestamps alone, or wrong. */
static __attribute__((noinline)) void parse_any_segment(const struct rte_mbuf *m, const struct tcp_hdr *th,
							uint64_t addrs, struct pkt_facts *f)
{
	unsigned hlen;

	if (f->l4_len < TCP_HDR_LEN || (hlen = tcp_hdr_len(th)) < TCP_HDR_LEN || hlen > f->l4_len)
		drop(f, CTR_RX_BAD_HDR);
	else
		parse_segment(m, th, addrs, f, f->l4_off, f->l4_len, hlen);
}

/* The same of any length; that of timestamps alone, and of none, the compiler knows. */
static inline __attribute__((always_inline)) void
parse_tcp(const struct rte_mbuf *m, const struct tcp_hdr *th, uint64_t addrs,
	  struct pkt_facts *f, unsigned l4_off, unsigned l4_len)
{
	const unsigned ts_len = TCP_HDR_LEN + TCP_OPT_TS_SPACE;

	if (likely(l4_len >= ts_len && tcp_hdr_len(th) == ts_len))
		parse_segment(m, th, addrs, f, l4_off, l4_len, ts_len);
	else if (l4_len >= TCP_HDR_LEN && tcp_hdr_len(th) == TCP_HDR_LEN)
		parse_segment(m, th, addrs, f, l4_off, l4_len, TCP_HDR_LEN);
	else
		parse_any_segment(m, th, addrs, f);
}

#endif
