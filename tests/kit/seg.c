/*
 * Segments: from numbers to frames and back. Written with wire/ only, so that what pkt/ and tcp/ make
 * is read by other code than theirs.
 */
#include "kit.h"

#define L3 ETH_HDR_LEN
#define L4 (L3 + IP4_HDR_LEN)

uint8_t kit_pattern(uint64_t offset)
{
	return (uint8_t)((offset * 0x9e3779b97f4a7c15ull + 0x1234567) >> 56);
}

struct kit_peer *kit_peer(struct kit *k)
{
	struct kit_peer *p = calloc(1, sizeof(*p));
	uint32_t own;

	kit_start(k);
	assert_true(k->n_peers < KIT_PEERS);
	memcpy(&own, k->addrs[0].addr + 12, 4);
	*p = (struct kit_peer){
		.k = k,
		.addr = KIT_CLIENT,
		.server = own,
		.port = (uint16_t)(40000 + k->n_peers),
		.dport = KIT_PORT,
		.isn = 0xfffffc00u + 0x01000000u * k->n_peers,
		.mss = 1460,
		.ws = 7,
		.win = 65535,
		.ts_base = 0xffff0000u,
	};
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

void kit_sums(uint8_t *frame)
{
	struct ip4_hdr *ip = (struct ip4_hdr *)(frame + L3);
	unsigned int ihl = ip4_hdr_len(ip), len = be16(ip->total_len) - ihl;
	uint8_t *th = frame + L3 + ihl;

	ip->cksum = 0;
	ip->cksum = sum_finish(sum_partial(ip, ihl, 0));
	memset(th + 16, 0, 2);
	store_be16(th + 16, be16(sum_finish(sum_partial(
				    th, len, sum_pseudo4(ip->saddr, ip->daddr, IP_PROTO_TCP,
							 (uint16_t)len)))));
}

uint32_t kit_build(struct kit_peer *p, const struct seg *s, uint8_t *buf)
{
	struct eth_hdr *eth = (struct eth_hdr *)buf;
	struct ip4_hdr *ip = (struct ip4_hdr *)(buf + L3);
	struct tcp_hdr *th = (struct tcp_hdr *)(buf + L4);
	unsigned int opt = put_options(p, s, buf + L4 + TCP_HDR_LEN);
	uint8_t *data = buf + L4 + TCP_HDR_LEN + opt;
	uint64_t at = s->flags & SYN ? 0 : (uint64_t)(s->seq - 1);

	eth_copy(eth->dst, p->k->cap[0].mac);
	eth_copy(eth->src, kit_peer_mac);
	eth->type = BE16(ETH_TYPE_IP4);
	*ip = (struct ip4_hdr){
		.ver_ihl = IP4_VER_IHL,
		.total_len = be16((uint16_t)(IP4_HDR_LEN + TCP_HDR_LEN + opt + s->len)),
		.frag = BE16(IP4_DF),
		.tos = s->tos,
		.ttl = s->ttl ? s->ttl : 64,
		.proto = IP_PROTO_TCP,
		.saddr = p->addr,
		.daddr = p->server,
	};
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
	return L4 + TCP_HDR_LEN + opt + s->len;
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

/* RFC 791 and 894: nothing is cut, nothing follows but zeros. */
static void check_ip(const struct kit_peer *p, const struct kit_frame *f)
{
	const struct eth_hdr *eth = (const struct eth_hdr *)f->bytes;
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(f->bytes + L3);
	uint32_t len = be16(ip->total_len);

	assert_true(f->len >= ETH_MIN_FRAME);
	assert_memory_equal(eth->dst, kit_peer_mac, 6);
	assert_memory_equal(eth->src, p->k->cap[f->port].mac, 6);
	assert_int_equal(eth->type, BE16(ETH_TYPE_IP4));
	assert_int_equal(ip->ver_ihl, IP4_VER_IHL);
	if (!p->may_fragment || ip->frag)
		assert_int_equal(ip->frag, BE16(IP4_DF));
	assert_int_equal(ip->proto, IP_PROTO_TCP);
	assert_int_equal(sum_fold(sum_partial(ip, IP4_HDR_LEN, 0)), 0xffff);
	assert_true(len <= p->k->cap[f->port].mtu);
	assert_true(L3 + len <= f->len);
	assert_true(L3 + len == f->len || f->len == ETH_MIN_FRAME);
	for (uint32_t i = L3 + len; i < f->len; i++)
		assert_int_equal(f->bytes[i], 0);
	assert_int_equal(ip->saddr, p->server);
	assert_int_equal(ip->daddr, p->addr);
}

struct seg kit_parse(struct kit_peer *p, const struct kit_frame *f)
{
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(f->bytes + L3);
	const struct tcp_hdr *th = (const struct tcp_hdr *)(f->bytes + L4);
	uint16_t l4_len = (uint16_t)(be16(ip->total_len) - IP4_HDR_LEN);
	const uint8_t *data = (const uint8_t *)th + tcp_hdr_len(th);
	struct seg s = {.flags = th->flags, .at = f->at, .tos = ip->tos, .ttl = ip->ttl,
			.ip_id = be16(ip->id), .ip_frag = be16(ip->frag), .saddr = ip->saddr};

	check_ip(p, f);
	assert_int_equal(sum_fold(sum_partial(th, l4_len, sum_pseudo4(ip->saddr, ip->daddr,
								      IP_PROTO_TCP, l4_len))),
			 0xffff);
	assert_int_equal(be16(th->sport), p->dport);
	assert_int_equal(be16(th->dport), p->port);
	assert_int_equal(th->doff & 0x0f, 0);
	assert_true(tcp_hdr_len(th) >= TCP_HDR_LEN && tcp_hdr_len(th) <= l4_len);
	if (th->flags & SYN && !p->iss_known) {
		p->iss = be32(th->seq);
		p->iss_known = true;
	}
	if (ip->tos & IP_ECN_MASK || (th->flags & (CWR | SYN)) == CWR) /* RFC 3168 sections 6.1.1 to 6.1.6 */
		assert_true(l4_len > tcp_hdr_len(th) && (ip->tos & IP_ECN_MASK) == IP_ECN_ECT0);
	s.seq = be32(th->seq) - p->iss;
	s.ack = th->flags & ACK ? be32(th->ack) - p->isn : 0;
	s.win = be16(th->window);
	s.urg = be16(th->urg);
	s.len = l4_len - tcp_hdr_len(th);
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
