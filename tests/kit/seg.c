/*
 * Segments: from numbers to frames and back. Written with wire/ only, so that what pkt/ and tcp/ make
 * is read by other code than theirs.
 */
#include "kit.h"

uint8_t kit_pattern(uint64_t offset)
{
	return (uint8_t)((offset * 0x9e3779b97f4a7c15ull + 0x1234567) >> 56);
}

struct kit_peer *kit_peer(struct kit *k)
{
	struct kit_peer *p = calloc(1, sizeof(*p));

	kit_start(k);
	assert_true(k->n_peers < KIT_PEERS);
	*p = (struct kit_peer){
		.k = k,
		.port = (uint16_t)(40000 + k->n_peers),
		.dport = KIT_PORT,
		.isn = 0xfffffc00u + 0x01000000u * k->n_peers,
		.mss = 1460,
		.ws = 7,
		.win = 65535,
		.ts_base = 0xffff0000u,
	};
	kit_host(p->addr, KIT_CLIENT_HOST);
	memcpy(p->server, k->addrs[0].addr, 16);
	kit_app_init(&p->app, k);
	k->peers[k->n_peers++] = p;
	return p;
}

static unsigned int put_ts(struct kit_peer *p, const struct seg *s, uint8_t *opt)
{
	uint32_t val = s->tsval ? s->tsval : p->ts_base + ms_of(p->k->now);

	return tcp_opt_emit_ts(opt, val, s->tsecr ? s->tsecr : p->ts_recent);
}

static unsigned int put_options(struct kit_peer *p, const struct seg *s, uint8_t *opt)
{
	struct tcp_sack_block b[TCP_SACK_MAX];
	unsigned int n = 0;

	if (s->raw) {
		memcpy(opt, s->raw, s->raw_len);
		return s->raw_len;
	}
	if (s->flags & SYN)
		return tcp_opt_emit_syn(opt, &s->opts);
	if (p->ts && !s->no_ts)
		n += put_ts(p, s, opt);
	else if (s->tsval)
		n += put_ts(p, s, opt);
	for (unsigned int i = 0; i < s->opts.sack_n; i++)
		b[i] = (struct tcp_sack_block){s->sack[i].left + p->iss, s->sack[i].right + p->iss};
	if (s->opts.sack_n)
		n += tcp_opt_emit_sack(opt + n, b, s->opts.sack_n);
	return n;
}

uint32_t kit_build(struct kit_peer *p, const struct seg *s, uint8_t *buf)
{
	struct eth_hdr *eth = (struct eth_hdr *)buf;
	const bool v4 = kit_is_v4(p->server);
	const unsigned int l3_len = v4 ? IP4_HDR_LEN : IP6_HDR_LEN;
	struct tcp_hdr *th = (struct tcp_hdr *)(buf + ETH_HDR_LEN + l3_len);
	unsigned int opt = put_options(p, s, (uint8_t *)(th + 1));
	uint8_t *data = (uint8_t *)(th + 1) + opt;
	uint64_t at = s->flags & SYN ? 0 : (uint64_t)(s->seq - 1);
	struct kit_ip ip = {.l4_len = TCP_HDR_LEN + opt + s->len, .label = p->port, .frag = IP4_DF,
			    .proto = IP_PROTO_TCP, .tos = s->tos, .ttl = s->ttl ? s->ttl : 64};

	eth_copy(eth->dst, p->k->cap[0].mac);
	eth_copy(eth->src, kit_peer_mac);
	eth->type = v4 ? BE16(ETH_TYPE_IP4) : BE16(ETH_TYPE_IP6);
	memcpy(ip.saddr, p->addr, 16);
	memcpy(ip.daddr, p->server, 16);
	kit_put_ip(buf + ETH_HDR_LEN, &ip);
	*th = (struct tcp_hdr){
		.sport = be16(p->port),
		.dport = be16(p->dport),
		.seq = be32(p->isn + s->seq),
		.ack = s->flags & ACK ? be32(p->iss + s->ack) : 0,
		.doff = (uint8_t)(tcp_doff(TCP_HDR_LEN + opt) | s->reserved),
		.flags = s->flags,
		.window = be16(p->win),
		.urg = be16(s->urg),
	};
	for (uint32_t i = 0; i < s->len; i++)
		data[i] = s->data ? ((const uint8_t *)s->data)[i] : kit_pattern(at + i);
	kit_sums(buf);
	if (s->bad_sum)
		th->cksum ^= BE16(0x0100);
	return ETH_HDR_LEN + l3_len + TCP_HDR_LEN + opt + s->len;
}

void kit_send_seg(struct kit_peer *p, const struct seg *s)
{
	static uint8_t buf[10000];

	kit_inject(p->k, buf, kit_build(p, s, buf));
}

/* Options of a received segment: well-formed, and only where they may be. */
static void parse_options(struct kit_peer *p, const struct tcp_hdr *th, struct seg *s)
{
	const uint8_t *opt = (const uint8_t *)(th + 1);
	unsigned int len = tcp_hdr_len(th) - TCP_HDR_LEN;

	tcp_opt_parse_full(opt, len, th->flags & SYN, &s->opts);
	assert_false(s->opts.flags & TCP_OPTS_BAD);
	for (unsigned int i = 0; i < len && !(th->flags & SYN);) {
		assert_true(opt[i] == TCP_OPT_NOP || opt[i] == TCP_OPT_TS ||
			    opt[i] == TCP_OPT_SACK);
		i += opt[i] == TCP_OPT_NOP ? 1 : opt[i + 1];
	}
	s->mss = s->opts.mss;
	if (s->opts.flags & TCP_OPTS_TS)
		p->ts_recent = s->opts.tsval;
	for (unsigned int i = 0; i < s->opts.sack_n; i++) {
		struct tcp_sack_block b = tcp_sack_load(opt + s->opts.sack_off, i);

		s->sack[i].left = b.left - p->isn;
		s->sack[i].right = b.right - p->isn;
	}
}

struct seg kit_parse(struct kit_peer *p, const struct kit_frame *f)
{
	const struct tcp_hdr *th;
	const uint8_t *data;
	struct kit_ip ip;
	struct seg s;

	assert_true(kit_take_ip(f->bytes, &ip));
	kit_check_ip(p, f, &ip);
	th = (const struct tcp_hdr *)ip.l4;
	data = ip.l4 + tcp_hdr_len(th);
	s = (struct seg){.flags = th->flags, .at = f->at, .tos = ip.tos, .ttl = ip.ttl, .ip_id = ip.id,
			 .ip_frag = ip.frag, .label = ip.label};
	assert_int_equal(be16(th->sport), p->dport);
	assert_int_equal(be16(th->dport), p->port);
	assert_int_equal(th->doff & 0x0f, 0);
	assert_true(tcp_hdr_len(th) >= TCP_HDR_LEN && tcp_hdr_len(th) <= ip.l4_len);
	if (th->flags & SYN && !p->iss_known) {
		p->iss = be32(th->seq);
		p->iss_known = true;
	}
	if (ip.tos & IP_ECN_MASK || (th->flags & (CWR | SYN)) == CWR) /* RFC 3168 sections 6.1.1 to 6.1.6 */
		assert_true(ip.l4_len > tcp_hdr_len(th) && (ip.tos & IP_ECN_MASK) == IP_ECN_ECT0);
	s.seq = be32(th->seq) - p->iss;
	s.ack = th->flags & ACK ? be32(th->ack) - p->isn : 0;
	s.win = be16(th->window);
	s.urg = be16(th->urg);
	s.len = ip.l4_len - tcp_hdr_len(th);
	parse_options(p, th, &s);
	for (uint32_t i = 0; i < s.len; i++)
		if (data[i] != kit_pattern((uint64_t)(s.seq - 1) + i))
			fail_msg("payload byte %u of seq %u is wrong", i, s.seq);
	return s;
}

static struct kit_frame *must_have(struct kit_peer *p, const char *file, int line)
{
	struct kit_frame *f = kit_frame_next(p->k);

	if (!f)
		_fail(file, line);
	return f;
}

struct seg kit_take(struct kit_peer *p)
{
	struct kit_frame *f = kit_frame_next(p->k);

	assert_non_null(f);
	return kit_parse(p, f);
}

static const char *flags_text(uint8_t flags)
{
	static char text[2][9];
	static int turn;
	char *out = text[turn ^= 1];

	for (int i = 0; i < 8; i++)
		out[i] = flags & 1 << i ? "FSRPAUEC"[i] : '.';
	return out;
}

struct seg kit_expect_seg(struct kit_peer *p, const struct seg *want, const char *file, int line)
{
	struct kit_frame *f = kit_frame_next(p->k);
	struct seg s;
	uint8_t mask = want->flags & PSH ? 0xff : (uint8_t)~PSH;

	if (!f) {
		print_error("expected %s seq %u ack %u len %u, but nothing was sent\n",
			    flags_text(want->flags), want->seq, want->ack, want->len);
		f = must_have(p, file, line);
	}
	s = kit_parse(p, f);
	if ((s.flags & mask) != want->flags || s.seq != want->seq || s.ack != want->ack ||
	    s.len != want->len) {
		print_error("expected %s seq %u ack %u len %u\n", flags_text(want->flags), want->seq,
			    want->ack, want->len);
		print_error("but sent %s seq %u ack %u len %u\n", flags_text(s.flags), s.seq, s.ack,
			    s.len);
		_fail(file, line);
	}
	return s;
}

void kit_syn(struct kit_peer *p)
{
	struct tcp_opts o = {.mss = p->mss, .wscale = p->ws,
			     .tsval = p->ts_base + ms_of(p->k->now)};

	if (!(p->offer & OFFER_NO_MSS))
		o.flags |= TCP_OPTS_MSS;
	if (p->offer & OFFER_TS)
		o.flags |= TCP_OPTS_TS;
	if (p->offer & OFFER_SACK)
		o.flags |= TCP_OPTS_SACK_OK;
	if (p->offer & OFFER_WS)
		o.flags |= TCP_OPTS_WSCALE;
	send_seg(p, .flags = p->offer & OFFER_ECN ? SYN | ECE | CWR : SYN, .opts = o);
}

struct seg kit_synack(struct kit_peer *p)
{
	bool ecn = p->offer & OFFER_ECN && p->k->tcp.ecn;
	struct seg s;

	p->iss_known = false;
	s = expect(p, .flags = ecn ? SYN | ACK | ECE : SYN | ACK, .seq = 0, .ack = 1);
	assert_true(s.opts.flags & TCP_OPTS_MSS);
	p->ts = s.opts.flags & TCP_OPTS_TS;
	p->sack_agreed = s.opts.flags & TCP_OPTS_SACK_OK;
	p->ws_agreed = s.opts.flags & TCP_OPTS_WSCALE;
	p->peer_ws = p->ws_agreed ? s.opts.wscale : 0;
	return s;
}

void kit_open(struct kit_peer *p)
{
	unsigned int opens = p->app.opens;

	kit_syn(p);
	kit_synack(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.opens, opens + 1);
}

struct kit_peer *kit_plain(struct kit *k)
{
	struct kit_peer *p = kit_peer(k);

	kit_open(p);
	return p;
}

struct kit_peer *kit_est(struct kit *k)
{
	struct kit_peer *p = kit_peer(k);

	p->offer = OFFER_ALL;
	kit_open(p);
	return p;
}
