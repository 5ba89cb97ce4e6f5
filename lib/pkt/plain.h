/*
 * The usual frame, whose headers are read, and their facts written, in wide words: for us, whole, a segment of TCP right
 * behind an IPv4 header without options, or behind an IPv6 header. parse.c has it for the one, parse6.c for the other, each
 * with a constant for v6.
 *
 * Each piece has two forms that agree: of vectors, where the machine has those, and of plain words.
 */
#ifndef PIER_PKT_PLAIN_H
#define PIER_PKT_PLAIN_H

#include <rte_mbuf.h>

#include "segment.h"
#include "pkt/cap.h"
#include "pkt/facts.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/sum.h"
#include "wire/tcp.h"

static inline unsigned plain_l3_len(bool v6)
{
	return v6 ? IP6_HDR_LEN : IP4_HDR_LEN;
}

/* Ethernet, IP and TCP, all without options: what is there of a segment at least. */
#define PLAIN_LEN (ETH_HDR_LEN + IP4_HDR_LEN + TCP_HDR_LEN)
#define PLAIN6_LEN (ETH_HDR_LEN + IP6_HDR_LEN + TCP_HDR_LEN)

/* A word of 8 octets as it lies in memory, in the order in which they are written here. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define PLAIN_WORD(hi, lo) ((uint64_t)BE32(lo) << 32 | BE32(hi))
#else
#define PLAIN_WORD(hi, lo) ((uint64_t)(hi) << 32 | (lo))
#endif

/* Of the first three words which bits count: address; type, version and length; fragment and protocol. */
#define PLAIN_MASK0 PLAIN_WORD(0xffffffff, 0xffff0000)
#define PLAIN_MASK1 PLAIN_WORD(0, 0xffffff00)
#define PLAIN_MASK2 PLAIN_WORD(0, (uint32_t)(IP4_MF | IP4_OFFSET_MASK) << 16 | 0xff)

/* And what they are, but for the address. */
#define PLAIN_WANT1 PLAIN_WORD(0, (uint32_t)ETH_TYPE_IP4 << 16 | IP4_VER_IHL << 8)
#define PLAIN_WANT2 PLAIN_WORD(0, IP_PROTO_TCP)

/* The same of IPv6: type and version; next header. */
#define PLAIN6_MASK1 PLAIN_WORD(0, 0xfffff000)
#define PLAIN6_MASK2 PLAIN_WORD(0, 0xff000000)
#define PLAIN6_WANT1 PLAIN_WORD(0, (uint32_t)ETH_TYPE_IP6 << 16 | (uint32_t)IP6_VERSION << 12)
#define PLAIN6_WANT2 PLAIN_WORD(0, (uint32_t)IP_PROTO_TCP << 24)

/*
 * What the frames of a burst are compared with, as of IPv4: of IPv6 only constants differ. Not a vector: the stack would
 * have to be aligned for it.
 */
struct plain {
	uint64_t want[4];
	const struct pkt_port *pp;
};

/* So many frames are asked for before their turn. */
#define PLAIN_AHEAD 4

/* ahead: of packets before it there are so many behind them. */
static inline void plain_ahead(struct rte_mbuf *const *pkts, struct rte_mbuf *const *ahead)
{
	if (pkts < ahead)
		prefetch(rte_pktmbuf_mtod(pkts[PLAIN_AHEAD], const void *));
}

static inline void plain_begin(struct plain *p, const struct pkt_port *pp)
{
	p->want[0] = PLAIN_WORD(load_be32(pp->mac), (uint32_t)load_be16(pp->mac + 4) << 16);
	p->want[1] = PLAIN_WANT1;
	p->want[2] = PLAIN_WANT2;
	p->want[3] = 0;
	p->pp = pp;
}

/* Whether the PLAIN_LEN or PLAIN6_LEN octets at h, and more, begin so. */
static inline bool plain_headers(const struct plain *p, const uint8_t *h, bool v6)
{
	const uint64_t mask1 = v6 ? PLAIN6_MASK1 : PLAIN_MASK1, mask2 = v6 ? PLAIN6_MASK2 : PLAIN_MASK2;
#ifdef __AVX2__
	const __m256i mask = _mm256_set_epi64x(0, (long long)mask2, (long long)mask1, (long long)PLAIN_MASK0);
	const __m256i other = _mm256_set_epi64x(0, (long long)(PLAIN_WANT2 ^ PLAIN6_WANT2),
						(long long)(PLAIN_WANT1 ^ PLAIN6_WANT1), 0);
	__m256i differs = _mm256_xor_si256(_mm256_loadu_si256((const void *)h),
					   _mm256_loadu_si256((const void *)p->want));

	static_assert(PLAIN_LEN >= sizeof(mask), "what is read is there");
	if (v6)
		differs = _mm256_xor_si256(differs, other);
	return _mm256_testz_si256(differs, mask);
#else
	return !(((load64(h) ^ p->want[0]) & PLAIN_MASK0) |
		 ((load64(h + 8) ^ (v6 ? PLAIN6_WANT1 : p->want[1])) & mask1) |
		 ((load64(h + 16) ^ (v6 ? PLAIN6_WANT2 : p->want[2])) & mask2));
#endif
}

/* The frame is one piece, nobody has seen to its sums, and its headers are usual. */
static inline bool is_plain(const struct plain *p, const struct rte_mbuf *m, const uint8_t *h, bool v6)
{
	const uint64_t said = RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK;

	return m->data_len == m->pkt_len && m->pkt_len >= (v6 ? PLAIN6_LEN : PLAIN_LEN) && !(m->ol_flags & said) &&
	       plain_headers(p, h, v6);
}

/* Sequence numbers, window, urgent pointer and flags. */
static inline void plain_numbers(struct pkt_facts *f, const struct tcp_hdr *th)
{
#ifdef __SSSE3__
	const __m128i pick = _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, -1, -1, 15, 14, 9, -1);
	const __m128i from = _mm_loadu_si128((const void *)&th->seq);

	static_assert(sizeof(*th) - offsetof(struct tcp_hdr, seq) == sizeof(from), "the header's rest");
	static_assert(offsetof(struct pkt_facts, seq) % sizeof(from) == 0 &&
		      offsetof(struct pkt_facts, ack) == offsetof(struct pkt_facts, seq) + 4 &&
		      offsetof(struct pkt_facts, window) == offsetof(struct pkt_facts, seq) + 8 &&
		      offsetof(struct pkt_facts, urg) == offsetof(struct pkt_facts, seq) + 12 &&
		      offsetof(struct pkt_facts, tcp_flags) == offsetof(struct pkt_facts, seq) + 14,
		      "in the order in which they are picked");
	_mm_store_si128((void *)&f->seq, _mm_shuffle_epi8(from, pick));
#else
	f->seq = be32(th->seq);
	f->ack = be32(th->ack);
	f->window = be16(th->window);
	f->urg = be16(th->urg);
	f->tcp_flags = th->flags;
	f->unused2 = 0;
#endif
}

/* Both are written as one word, the echo first. */
static inline void plain_timestamps(struct pkt_facts *f, const uint8_t *opt)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	static_assert(offsetof(struct pkt_facts, tsval) == offsetof(struct pkt_facts, tsecr) + 4, "one word");
	store64(&f->tsecr, __builtin_bswap64(load64(opt + 4)));
#else
	f->tsval = load_be32(opt + 4);
	f->tsecr = load_be32(opt + 8);
#endif
}

/* As they lie in the header, and no address of ours yet. */
static inline void plain_ports(struct pkt_facts *f, uint32_t ports)
{
	static_assert(offsetof(struct pkt_facts, dport) == offsetof(struct pkt_facts, sport) + 2 &&
		      offsetof(struct pkt_facts, local) == offsetof(struct pkt_facts, sport) + 4, "one word");
	store64(&f->sport, PLAIN_WORD(be32(ports), 0));
}

/* An IPv4 address as ::ffff:a.b.c.d. */
static inline void plain_map(uint8_t to[16], uint32_t addr)
{
	const uint32_t w[4] = {0, 0, BE32(0xffff), addr};

	memcpy(to, w, sizeof(w));
}

static inline void plain_addresses(struct pkt_facts *f, const struct ip4_hdr *ip)
{
#ifdef __AVX2__
	const __m256i pick = _mm256_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 12, 13, 14, 15,
					      -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 8, 9, 10, 11);
	const __m256i mapped = _mm256_setr_epi32(0, 0, (int)BE32(0xffff), 0, 0, 0, (int)BE32(0xffff), 0);
	const __m128i from = _mm_loadu_si128((const void *)&ip->id);

	static_assert(sizeof(*ip) - offsetof(struct ip4_hdr, id) == sizeof(from), "the header's rest");
	static_assert(offsetof(struct pkt_facts, saddr) == offsetof(struct pkt_facts, daddr) + 16 &&
		      offsetof(struct pkt_facts, daddr) % sizeof(pick) == 0, "both are one store");
	_mm256_store_si256((void *)f->daddr,
			   _mm256_or_si256(_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(from), pick), mapped));
#else
	plain_map(f->daddr, ip->daddr);
	plain_map(f->saddr, ip->saddr);
#endif
}

/* Both of IPv6, which the facts have the other way round. */
static inline void plain_addresses6(struct pkt_facts *f, const struct ipv6_hdr *ip)
{
	static_assert(offsetof(struct ipv6_hdr, daddr) == offsetof(struct ipv6_hdr, saddr) + IP6_ADDR_LEN, "together");
#ifdef __AVX2__
	const __m256i from = _mm256_loadu_si256((const void *)ip->saddr);

	_mm256_store_si256((void *)f->daddr, _mm256_permute4x64_epi64(from, 0x4e));
#else
	ip6_copy(f->daddr, ip->daddr);
	ip6_copy(f->saddr, ip->saddr);
#endif
}

#define PLAIN_USUAL(options, l3_len, hlen)                                                                             \
	{.kind = PKT_TCP, .proto = IP_PROTO_TCP, .flags = PKT_F_SUM | (options), .l3_off = ETH_HDR_LEN,                \
	 .l4_off = ETH_HDR_LEN + (l3_len), .payload_off = ETH_HDR_LEN + (l3_len) + (hlen)}

/* What nearly all segments have alike; with timestamps alone, or without options. */
static inline void plain_usual(struct pkt_facts *f, bool v6, bool ts)
{
	static const struct pkt_facts usual[2][2] = {
		{PLAIN_USUAL(0, IP4_HDR_LEN, TCP_HDR_LEN),
		 PLAIN_USUAL(PKT_F_TS, IP4_HDR_LEN, TCP_HDR_LEN + TCP_OPT_TS_SPACE)},
		{PLAIN_USUAL(PKT_F_V6, IP6_HDR_LEN, TCP_HDR_LEN),
		 PLAIN_USUAL(PKT_F_V6 | PKT_F_TS, IP6_HDR_LEN, TCP_HDR_LEN + TCP_OPT_TS_SPACE)},
	};

	static_assert(offsetof(struct pkt_facts, seq) == 32, "one store, up to the numbers");
#ifdef __AVX2__
	_mm256_store_si256((void *)f, _mm256_load_si256((const void *)&usual[v6][ts]));
#else
	memcpy(f, &usual[v6][ts], offsetof(struct pkt_facts, seq));
#endif
}

/*
 * Of the pseudo-header, addresses and TCP header, which lie together, and a payload. l4_len: TCP's length, as that is
 * in memory where its byte order is the network's.
 */
static inline __attribute__((always_inline)) uint64_t
plain_sum(const uint8_t *l3, bool v6, unsigned hlen, uint64_t l4_len, uint32_t payload)
{
	const uint8_t *addrs = l3 + (v6 ? offsetof(struct ipv6_hdr, saddr) : offsetof(struct ip4_hdr, saddr));
	uint64_t sum = payload + l4_len + BE16(IP_PROTO_TCP);

	if (hlen & 4)
		sum += load32(l3 + plain_l3_len(v6) + hlen - 4);
	return sum_words(sum, addrs, (v6 ? 4 : 1) + hlen / 8);
}

/* Of IPv4 that length is the packet's less 20, which the other byte order does not change, but for multiples of 0xffff. */
static inline uint64_t plain_l4_len(const uint8_t *l3, bool v6)
{
	if (v6)
		return ((const struct ipv6_hdr *)l3)->payload_len;
	return ((const struct ip4_hdr *)l3)->total_len + 0xffffu - BE16(IP4_HDR_LEN);
}

/* The folded sum of a payload that some header is before. */
static inline uint32_t plain_payload(const uint8_t *p, unsigned len)
{
	return sum_fold(likely(len < SUM_SHORT) ? sum_fold64(sum_short64(p, len)) : sum_partial(p, len, 0));
}

/* TOS, or traffic class. */
static inline void plain_class(struct pkt_facts *f, uint8_t class)
{
	if (unlikely(class)) {
		f->dscp = class >> 2;
		f->flags |= (class & IP_ECN_MASK) == IP_ECN_CE ? PKT_F_CE : 0;
	}
}

/*
 * The facts of a segment that is_plain and whose lengths, ports, IP header and addresses are right; hlen: of TCP's header,
 * with options; ts: they are timestamps alone. False, and nothing done, if its sum is wrong.
 */
static inline __attribute__((always_inline)) bool
plain_facts(struct pkt_facts *f, const uint8_t *l3, bool v6, uint16_t port, unsigned hlen, bool ts, unsigned len,
	    uint32_t payload)
{
	const struct tcp_hdr *th = (const struct tcp_hdr *)(l3 + plain_l3_len(v6));

	if (unlikely(!sum_is_good(plain_sum(l3, v6, hlen, plain_l4_len(l3, v6), payload))))
		return false;
	plain_usual(f, v6, ts);
	if (ts)
		plain_timestamps(f, (const uint8_t *)(th + 1));
	f->port = port;
	plain_numbers(f, th);
	f->payload_sum = payload;
	f->payload_len = (uint16_t)len;
	f->l4_len = (uint16_t)(len + hlen);
	if (v6)
		plain_addresses6(f, (const struct ipv6_hdr *)l3);
	else
		plain_addresses(f, (const struct ip4_hdr *)l3);
	plain_ports(f, load32(th));
	plain_class(f, v6 ? ip6_class((const struct ipv6_hdr *)l3) : ((const struct ip4_hdr *)l3)->tos);
	return true;
}

/* The same with any options. */
static __attribute__((noinline)) bool
plain_facts_options(struct pkt_facts *f, const uint8_t *l3, bool v6, uint16_t port, unsigned hlen, unsigned len,
		    uint32_t payload)
{
	const struct tcp_hdr *th = (const struct tcp_hdr *)(l3 + plain_l3_len(v6));

	if (hlen < TCP_HDR_LEN || !plain_facts(f, l3, v6, port, hlen, false, len, payload))
		return false;
	f->payload_off = (uint16_t)(ETH_HDR_LEN + plain_l3_len(v6) + hlen);
	parse_options((const uint8_t *)(th + 1), hlen - TCP_HDR_LEN, th->flags & TCP_SYN, f);
	return true;
}

/*
 * The segment of a frame that is_plain, if its IP header and addresses are right; total: the packet's length, as that
 * header says. False, and nothing done: the long way says what it is.
 */
static inline __attribute__((always_inline)) bool
plain_segment(const struct rte_mbuf *m, const uint8_t *l3, bool v6, unsigned total, struct pkt_facts *f, uint16_t port)
{
	const struct tcp_hdr *th = (const struct tcp_hdr *)(l3 + plain_l3_len(v6));
	const unsigned hlen = (th->doff & 0xf0u) >> 2, len = total - plain_l3_len(v6) - hlen; /* of the payload */
	uint32_t payload = 0;

	if (unlikely(total > m->pkt_len - ETH_HDR_LEN || (int)len < 0 || !th->sport || !th->dport ||
		     (!v6 && !sum_is_good(sum_header64(l3, IP4_HDR_LEN)))))
		return false;
	if (len)
		payload = plain_payload((const uint8_t *)th + hlen, len);
	if (likely(hlen == TCP_HDR_LEN + TCP_OPT_TS_SPACE &&
		   tcp_opt_only_ts((const uint8_t *)(th + 1), TCP_OPT_TS_SPACE)))
		return plain_facts(f, l3, v6, port, TCP_HDR_LEN + TCP_OPT_TS_SPACE, true, len, payload);
	if (hlen == TCP_HDR_LEN)
		return plain_facts(f, l3, v6, port, TCP_HDR_LEN, false, len, payload);
	return plain_facts_options(f, l3, v6, port, hlen, len, payload);
}

#endif
