/*
 * Reading and writing TCP options: see wire/tcp_opt.h for what is promised about malformed ones.
 */
#include "wire/tcp_opt.h"

/*
 * One option of kind p[0] and length len (2 or more, all of it readable), at offset off of the
 * options. Options of unknown kinds are none of our business (RFC 9293 section 3.1, MUST-6).
 */
static void opt_read(const uint8_t *p, unsigned len, unsigned off, bool syn, struct tcp_opts *out)
{
	unsigned right_len, flag;

	switch (p[0]) {
	case TCP_OPT_MSS:
		right_len = TCP_OPT_MSS_LEN;
		flag = syn ? TCP_OPTS_MSS : 0;
		break;
	case TCP_OPT_WSCALE:
		right_len = TCP_OPT_WSCALE_LEN;
		flag = syn ? TCP_OPTS_WSCALE : 0;
		break;
	case TCP_OPT_SACK_OK:
		right_len = TCP_OPT_SACK_OK_LEN;
		flag = syn ? TCP_OPTS_SACK_OK : 0;
		break;
	case TCP_OPT_SACK:
		right_len = len >= 10 && len % 8 == 2 ? len : 0;
		flag = syn ? 0 : TCP_OPTS_SACK;
		break;
	case TCP_OPT_TS:
		right_len = TCP_OPT_TS_LEN;
		flag = TCP_OPTS_TS;
		break;
	default:
		return;
	}
	if (len != right_len) {
		out->flags |= TCP_OPTS_BAD;
		return;
	}
	out->flags |= flag;
	if (flag == TCP_OPTS_MSS) {
		out->mss = load_be16(p + 2);
	} else if (flag == TCP_OPTS_WSCALE) {
		out->wscale = p[2];
	} else if (flag == TCP_OPTS_SACK) {
		out->sack_n = (uint8_t)((len - 2) / 8);
		out->sack_off = (uint8_t)(off + 2);
	} else if (flag == TCP_OPTS_TS) {
		out->tsval = load_be32(p + 2);
		out->tsecr = load_be32(p + 6);
	}
}

void tcp_opt_parse_full(const uint8_t *opt, unsigned len, bool syn, struct tcp_opts *out)
{
	unsigned i = 0;

	*out = (struct tcp_opts){0};
	while (i < len) {
		unsigned olen;

		if (opt[i] == TCP_OPT_EOL)
			return;
		if (opt[i] == TCP_OPT_NOP) {
			i++;
			continue;
		}
		if (len - i < 2 || (olen = opt[i + 1]) < 2 || olen > len - i) {
			out->flags |= TCP_OPTS_BAD;
			return;
		}
		opt_read(opt + i, olen, i, syn, out);
		i += olen;
	}
}

/*
 * The options of a SYN in the order of Linux and of the BSDs' descendants that follow it: MSS; SACK_OK
 * and TS; NOP and WSCALE. And, of simple clients, MSS alone or with NOP and WSCALE.
 */
void tcp_opt_parse_syn(const uint8_t *opt, unsigned len, struct tcp_opts *out)
{
	const uint16_t mss_head = BE16(TCP_OPT_MSS << 8 | TCP_OPT_MSS_LEN);
	const uint32_t ts_head = BE32(TCP_OPT_SACK_OK << 24 | TCP_OPT_SACK_OK_LEN << 16 |
				      TCP_OPT_TS << 8 | TCP_OPT_TS_LEN);
	const uint32_t ws_head = BE32(TCP_OPT_NOP << 24 | TCP_OPT_WSCALE << 16 |
				      TCP_OPT_WSCALE_LEN << 8);
	const uint32_t ws_mask = BE32(0xffffff00);
	bool scaled;

	if ((len != 20 && len != 8 && len != 4) || load16(opt) != mss_head) {
		tcp_opt_parse_full(opt, len, true, out);
		return;
	}
	scaled = len == 4 || (load32(opt + len - 4) & ws_mask) == ws_head;
	if (unlikely(!scaled || (len == 20 && load32(opt + 4) != ts_head))) {
		tcp_opt_parse_full(opt, len, true, out);
		return;
	}
	*out = (struct tcp_opts){.flags = TCP_OPTS_MSS, .mss = load_be16(opt + 2)};
	if (len > 4) {
		out->flags |= TCP_OPTS_WSCALE;
		out->wscale = opt[len - 1];
	}
	if (len == 20) {
		out->flags |= TCP_OPTS_SACK_OK | TCP_OPTS_TS;
		out->tsval = load_be32(opt + 8);
		out->tsecr = load_be32(opt + 12);
	}
}

unsigned tcp_opt_emit_syn(uint8_t *p, const struct tcp_opts *o)
{
	const uint8_t *start = p;

	if (o->flags & TCP_OPTS_MSS) {
		store_be32(p, TCP_OPT_MSS << 24 | TCP_OPT_MSS_LEN << 16 | o->mss);
		p += 4;
	}
	if (o->flags & TCP_OPTS_TS) {
		p += tcp_opt_emit_ts(p, o->tsval, o->tsecr);
		if (o->flags & TCP_OPTS_SACK_OK) /* in place of the two NOPs */
			store_be16(p - TCP_OPT_TS_SPACE,
				   TCP_OPT_SACK_OK << 8 | TCP_OPT_SACK_OK_LEN);
	} else if (o->flags & TCP_OPTS_SACK_OK) {
		store_be32(p, TCP_OPT_NOP << 24 | TCP_OPT_NOP << 16 | TCP_OPT_SACK_OK << 8 |
				      TCP_OPT_SACK_OK_LEN);
		p += 4;
	}
	if (o->flags & TCP_OPTS_WSCALE) {
		store_be32(p, TCP_OPT_NOP << 24 | TCP_OPT_WSCALE << 16 | TCP_OPT_WSCALE_LEN << 8 |
				      o->wscale);
		p += 4;
	}
	return (unsigned)(p - start);
}
