/*
 * The usual frame's headers, read and written in wide words: for us, of IPv4 without options, whole, and TCP's.
 *
 * Each piece has two forms that agree: of vectors, where the machine has those, and of plain words.
 */
#ifndef PIER_PKT_PLAIN_H
#define PIER_PKT_PLAIN_H

#include <rte_mbuf.h>

#include "pkt/cap.h"
#include "pkt/facts.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/tcp.h"

/* Ethernet, IPv4 and TCP, all without options: what is there of a segment at least. */
#define PLAIN_LEN (ETH_HDR_LEN + IP4_HDR_LEN + TCP_HDR_LEN)

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

/* What the frames of a burst are compared with. Not a vector: the stack would have to be aligned for it. */
struct plain {
	uint64_t want[4];
};

static inline void plain_begin(struct plain *p, const struct pkt_port *pp)
{
	p->want[0] = PLAIN_WORD(load_be32(pp->mac), (uint32_t)load_be16(pp->mac + 4) << 16);
	p->want[1] = PLAIN_WANT1;
	p->want[2] = PLAIN_WANT2;
	p->want[3] = 0;
}

/* Whether the PLAIN_LEN octets at h, and more, begin so. */
static inline bool plain_headers(const struct plain *p, const uint8_t *h)
{
#ifdef __AVX2__
	const __m256i mask = _mm256_set_epi64x(0, (long long)PLAIN_MASK2, (long long)PLAIN_MASK1,
					       (long long)PLAIN_MASK0);

	static_assert(PLAIN_LEN >= sizeof(mask), "what is read is there");
	return _mm256_testz_si256(_mm256_xor_si256(_mm256_loadu_si256((const void *)h),
						   _mm256_loadu_si256((const void *)p->want)), mask);
#else
	return !(((load64(h) ^ p->want[0]) & PLAIN_MASK0) | ((load64(h + 8) ^ p->want[1]) & PLAIN_MASK1) |
		 ((load64(h + 16) ^ p->want[2]) & PLAIN_MASK2));
#endif
}

/* The frame is one piece, nobody has seen to its sums, and its headers are usual. */
static inline bool is_plain(const struct plain *p, const struct rte_mbuf *m, const uint8_t *h)
{
	const uint64_t said = RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK;

	return m->data_len == m->pkt_len && m->pkt_len >= PLAIN_LEN && !(m->ol_flags & said) && plain_headers(p, h);
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

/* What nearly all segments have alike; with timestamps alone, or without options. */
static inline void plain_usual(struct pkt_facts *f, bool ts)
{
	static const struct pkt_facts usual[] = {
		{.kind = PKT_TCP, .proto = IP_PROTO_TCP, .flags = PKT_F_SUM, .l3_off = ETH_HDR_LEN,
		 .l4_off = ETH_HDR_LEN + IP4_HDR_LEN, .payload_off = PLAIN_LEN},
		{.kind = PKT_TCP, .proto = IP_PROTO_TCP, .flags = PKT_F_SUM | PKT_F_TS, .l3_off = ETH_HDR_LEN,
		 .l4_off = ETH_HDR_LEN + IP4_HDR_LEN, .payload_off = PLAIN_LEN + 12},
	};

	static_assert(offsetof(struct pkt_facts, seq) == 32, "one store, up to the numbers");
#ifdef __AVX2__
	_mm256_store_si256((void *)f, _mm256_load_si256((const void *)&usual[ts]));
#else
	memcpy(f, &usual[ts], offsetof(struct pkt_facts, seq));
#endif
}

#endif
