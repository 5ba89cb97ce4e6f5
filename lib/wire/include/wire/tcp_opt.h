/*
 * TCP options: reading and writing (RFC 9293 section 3.2, RFC 7323, RFC 2018).
 *
 * The reader takes whatever arrives: it never reads beyond the given length, always ends, and says
 * with TCP_OPTS_BAD that something was malformed while keeping what was well-formed before it. An
 * option of a known kind with a wrong length is ignored; a length of 0, 1 or beyond the header ends
 * the reading. What is allowed on SYN only is ignored elsewhere, and SACK blocks are ignored on SYN.
 * Of an option that is there twice the last one counts.
 *
 * Pure; any thread; any alignment; bounded by 40 bytes of options.
 */
#ifndef PIER_WIRE_TCP_OPT_H
#define PIER_WIRE_TCP_OPT_H

#include "base/compiler.h"
#include "wire/tcp.h"

/* Kinds. */
#define TCP_OPT_EOL     0
#define TCP_OPT_NOP     1
#define TCP_OPT_MSS     2
#define TCP_OPT_WSCALE  3
#define TCP_OPT_SACK_OK 4
#define TCP_OPT_SACK    5
#define TCP_OPT_TS      8

/* NOP NOP TS, as a number. */
#define TCP_OPT_TS_HEAD 0x0101080a

/* Lengths, the two octets of kind and length included. */
#define TCP_OPT_MSS_LEN     4
#define TCP_OPT_WSCALE_LEN  3
#define TCP_OPT_SACK_OK_LEN 2
#define TCP_OPT_TS_LEN      10

/* What the writers use, padding included. */
#define TCP_OPT_SYN_MAX  20
#define TCP_OPT_TS_SPACE 12
#define TCP_SACK_MAX     4 /* blocks; 3 beside timestamps */
#define TCP_WSCALE_MAX   14 /* RFC 7323 section 2.3 */

enum tcp_opts_flag {
	TCP_OPTS_TS = 1 << 0,
	TCP_OPTS_MSS = 1 << 1,
	TCP_OPTS_WSCALE = 1 << 2,
	TCP_OPTS_SACK_OK = 1 << 3,
	TCP_OPTS_SACK = 1 << 4,
	TCP_OPTS_BAD = 1 << 5,
};

/* Host order; a field counts only when its flag is set. */
struct tcp_opts {
	uint32_t tsval, tsecr;
	uint16_t mss;
	uint8_t flags;
	uint8_t wscale;   /* as received: may exceed TCP_WSCALE_MAX */
	uint8_t sack_n;   /* blocks */
	uint8_t sack_off; /* of the first block's left edge, from the start of the options */
};

/* One SACK block: [left, right), host order. */
struct tcp_sack_block {
	uint32_t left, right;
};

/* Read len bytes of options of a segment with or without SYN; out is written entirely. */
void tcp_opt_parse_full(const uint8_t *opt, unsigned len, bool syn, struct tcp_opts *out);

/* The same for a SYN, with a short way for what nearly all of them carry. */
void tcp_opt_parse_syn(const uint8_t *opt, unsigned len, struct tcp_opts *out);

/* NOP NOP TS and nothing else. */
static inline bool tcp_opt_only_ts(const uint8_t *opt, unsigned len)
{
	return len == TCP_OPT_TS_SPACE && load32(opt) == BE32(TCP_OPT_TS_HEAD);
}

/* As above, with short ways for the usual. */
static inline void tcp_opt_parse(const uint8_t *opt, unsigned len, bool syn, struct tcp_opts *out)
{
	if (likely(tcp_opt_only_ts(opt, len))) {
		*out = (struct tcp_opts){.tsval = load_be32(opt + 4),
					 .tsecr = load_be32(opt + 8),
					 .flags = TCP_OPTS_TS};
	} else if (len == 0) {
		*out = (struct tcp_opts){0};
	} else if (syn) {
		tcp_opt_parse_syn(opt, len, out);
	} else {
		tcp_opt_parse_full(opt, len, false, out);
	}
}

/* Block i of the n that start at p, anywhere in memory. */
static inline struct tcp_sack_block tcp_sack_load(const uint8_t *p, unsigned i)
{
	return (struct tcp_sack_block){load_be32(p + 8 * i), load_be32(p + 8 * i + 4)};
}

/*
 * Write the options of a SYN or SYN-ACK: those of MSS, WSCALE, SACK_OK and TS that are set in
 * o->flags, each padded with NOPs to a multiple of 4. Returns the length, at most TCP_OPT_SYN_MAX.
 */
unsigned tcp_opt_emit_syn(uint8_t *p, const struct tcp_opts *o);

/* NOP NOP TS. Returns TCP_OPT_TS_SPACE. */
static inline unsigned tcp_opt_emit_ts(uint8_t *p, uint32_t tsval, uint32_t tsecr)
{
	store_be32(p, TCP_OPT_TS_HEAD);
	store_be32(p + 4, tsval);
	store_be32(p + 8, tsecr);
	return TCP_OPT_TS_SPACE;
}

/* NOP NOP SACK with n blocks, 1 to TCP_SACK_MAX. Returns the length, 4 + 8n. */
static inline unsigned tcp_opt_emit_sack(uint8_t *p, const struct tcp_sack_block *blocks,
					 unsigned n)
{
	p[0] = TCP_OPT_NOP;
	p[1] = TCP_OPT_NOP;
	p[2] = TCP_OPT_SACK;
	p[3] = (uint8_t)(2 + 8 * n);
	for (unsigned i = 0; i < n; i++) {
		store_be32(p + 4 + 8 * i, blocks[i].left);
		store_be32(p + 8 + 8 * i, blocks[i].right);
	}
	return 4 + 8 * n;
}

#endif
