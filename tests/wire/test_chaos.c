/*
 * Misbehaviour on purpose: each chaos-... key, segment by segment, and what is drawn.
 */
#include "kit.h"

#define PORT 81

static struct chaos sets[8];

/* Read pairs of key and value up to NULL; false: *key is wrong. */
static bool read_keys(struct chaos *set, va_list ap, const char **key, char *err, size_t errlen)
{
	struct chaos_text text = {0};
	const char *name;
	bool ok;

	option_defaults(&chaos_option_table, &text);
	while ((name = va_arg(ap, const char *))) {
		const struct option *o = option_find(&chaos_option_table, name);

		assert_non_null(o);
		assert_true(option_parse(o, &text, va_arg(ap, const char *), err, errlen));
	}
	ok = chaos_parse(&text, set, key, err, errlen);
	option_free(&chaos_option_table, &text);
	return ok;
}

static bool parse(struct chaos *set, ...)
{
	const char *key = NULL;
	char err[200] = "";
	va_list ap;
	bool ok;

	va_start(ap, set);
	ok = read_keys(set, ap, &key, err, sizeof(err));
	va_end(ap);
	assert_true(ok || (key && !strncmp(err, "expected ", 9)));
	return ok;
}

/* A listener with these keys, on PORT, and a peer of it, not open yet. */
static struct kit_peer *peer_with(struct kit *k, ...)
{
	struct kit_peer *p = kit_peer(k);
	struct listener *l = &k->listeners[k->n_listeners];
	struct chaos *set = &sets[k->n_listeners];
	const char *key;
	char err[200];
	va_list ap;

	va_start(ap, k);
	assert_true(read_keys(set, ap, &key, err, sizeof(err)));
	va_end(ap);
	*l = (struct listener){.handler = &kit_handler, .settings = k, .tcp = k->tcp, .chaos = set,
			       .local = LISTENER_ANY, .port_lo = PORT, .port_hi = PORT};
	engine_misbehave(l);
	listener_prepare(l);
	k->versions[k->n_listeners] = engine_listen(k->e, l);
	assert_true(k->versions[k->n_listeners++] >= 0);
	p->dport = PORT;
	return p;
}

/* ---- the handshake ---- */

static void refuses_by_rst(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-refuse", "rst", NULL);

	kit_syn(p);
	expect(p, .flags = RST | ACK, .seq = 0, .ack = 1);
	kit_silence(k, 60 * SEC);
	assert_int_equal(kit_ctr(k, CTR_CHAOS_REFUSED_RST), 1);
	assert_int_equal(kit_ctr(k, CTR_RX_CHAOS_REFUSED), 1);
	assert_int_equal(kit_usage(k).half_open, 0);
}

static void refuses_by_silence(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-refuse", "drop", NULL);

	for (unsigned int i = 1; i < 4; i++) {
		kit_syn(p);
		kit_silence(k, 10 * SEC);
		assert_int_equal(kit_ctr(k, CTR_CHAOS_REFUSED_DROP), i);
		assert_int_equal(kit_ctr(k, CTR_RX_CHAOS_REFUSED), i);
	}
}

/* Under overload too its faults come first; who is spared by them is refused as any other. */
static void refuses_on_purpose_before_overload_does(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-refuse", "rst", NULL);

	engine_pressure(k->e, true, ENGINE_REFUSE_ALL);
	for (int i = 1; i <= 2; i++) {
		kit_syn(p);
		expect(p, .flags = RST | ACK, .seq = 0, .ack = 1);
		assert_int_equal(kit_ctr(k, CTR_RX_CHAOS_REFUSED), i);
		assert_int_equal(kit_ctr(k, CTR_RX_SYN_PRESSURE), 0);
		k->glance = true;
	}
	engine_unlisten(k->e, k->versions[k->n_listeners - 1]);
	kit_syn(peer_with(k, "chaos-window", "100", NULL));
	kit_silence(k, 10 * SEC);
	assert_int_equal(kit_ctr(k, CTR_RX_SYN_PRESSURE), 1);
}

static void refuses_by_icmp(void **s)
{
	static const struct {
		const char *word;
		uint8_t code, type6, code6;
	} ways[] = {{"icmp-net", 0, ICMP6_UNREACHABLE, ICMP6_UNREACH_ROUTE},
		    {"icmp-host", 1, ICMP6_UNREACHABLE, ICMP6_UNREACH_ADDR},
		    {"icmp-proto", 2, ICMP6_PARAM_PROBLEM, ICMP6_PROBLEM_NEXT},
		    {"icmp-port", 3, ICMP6_UNREACHABLE, ICMP6_UNREACH_PORT},
		    {"icmp-admin", 13, ICMP6_UNREACHABLE, ICMP6_UNREACH_ADMIN}};
	struct kit *k = *s;

	for (unsigned int i = 0; i < ARRAY_SIZE(ways); i++) {
		struct kit_peer *p = peer_with(k, "chaos-refuse", ways[i].word, NULL);
		struct kit_frame *f;
		struct kit_ip ip;

		kit_syn(p);
		f = kit_frame_next(k);
		assert_non_null(f);
		assert_true(kit_take_ip(f->bytes, &ip));
		assert_int_equal(ip.proto, kit_v6() ? IP_PROTO_ICMPV6 : IP_PROTO_ICMP);
		assert_int_equal(ip.l4[0], kit_v6() ? ways[i].type6 : ICMP_UNREACHABLE);
		assert_int_equal(ip.l4[1], kit_v6() ? ways[i].code6 : ways[i].code);
		/* It quotes the SYN, by which the client knows what it is about. */
		assert_int_equal(load_be16(ip.l4 + ICMP_HDR_LEN + kit_l3_len()), p->port);
		kit_quiet(k);
		assert_int_equal(kit_ctr(k, CTR_CHAOS_REFUSED_ICMP), i + 1);
		engine_unlisten(k->e, k->versions[k->n_listeners - 1]);
	}
}

static void delays_the_syn_ack(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-synack-delay", "3s", NULL);
	uint64_t from = k->now;
	struct seg g;

	kit_syn(p);
	kit_silence(k, 1 * SEC);
	kit_syn(p); /* the client's own retransmission: not answered either */
	kit_silence(k, 1900 * MS);
	assert_int_equal(kit_ctr(k, CTR_RX_CHAOS_EARLY), 1);
	kit_advance(k, 200 * MS);
	g = kit_synack(p);
	assert_in_range(g.at - from, 3 * SEC, 3 * SEC + 2 * MS);
	assert_int_equal(kit_ctr(k, CTR_CHAOS_SYNACKS_DELAYED), 1);
	kit_advance(k, 1100 * MS); /* from then on it is repeated as any other */
	expect(p, .flags = SYN | ACK, .seq = 0, .ack = 1);
	assert_int_equal(kit_ctr(k, CTR_SYNACK_RETRANSMITS), 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.opens, 1);
	kit_quiet(k);
}

/* As many as may be half-open, and no more, wait for theirs; none is answered by cookie instead. */
static void delayed_handshakes_are_capped(void **s)
{
	struct kit *k = *s;

	peer_with(k, "chaos-synack-delay", "60s", NULL);
	for (unsigned int i = 0; i < 40; i++) {
		struct kit_peer *p = kit_peer(k);

		p->dport = PORT;
		kit_syn(p);
	}
	kit_quiet(k);
	assert_int_equal(kit_usage(k).half_open, 16);
	assert_int_equal(kit_ctr(k, CTR_RX_SYN_BACKLOG), 24);
	assert_int_equal(kit_ctr(k, CTR_COOKIES_SENT), 0);
}

/* ---- reading ---- */

static void is_silent(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-silent", "yes", NULL);
	uint32_t at = 1;

	p->app.on_open = 100;
	kit_syn(p);
	kit_synack(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_quiet(k);
	for (unsigned int i = 0; i < 200; i++, at += 1000) { /* three times the window: it stays open */
		send_seg(p, .flags = ACK, .seq = at, .ack = 1, .len = 1000);
		if (kit_has(k))
			expect(p, .flags = ACK, .seq = 1, .ack = at + 1000);
	}
	kit_advance(k, 10 * SEC);
	assert_int_equal(p->app.opens, 0);
	send_seg(p, .flags = FIN | ACK, .seq = at, .ack = 1);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = at + 1);
	assert_int_equal(kit_ctr(k, CTR_CHAOS_SILENT), 1);
}

static void keeps_the_window_closed(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-window", "0", NULL);

	p->offer = OFFER_ALL;
	kit_syn(p);
	assert_int_equal(kit_synack(p).win, 0);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.opens, 1);
	for (unsigned int i = 0; i < 3; i++) {
		kit_silence(k, 5 * SEC);
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1); /* a probe: refused */
		assert_int_equal(expect(p, .flags = ACK, .seq = 1, .ack = 1).win, 0);
	}
	assert_int_equal(p->app.rx, 0);
	assert_int_equal(kit_ctr(k, CTR_CHAOS_WINDOWS), 1);
}

static void offers_a_tiny_window(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-window", "100", NULL);

	p->offer = OFFER_ALL;
	kit_syn(p);
	assert_int_equal(kit_synack(p).win, 100);
	assert_int_equal(p->peer_ws, 0);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	for (uint32_t at = 1; at < 1000; at += 100) {
		send_seg(p, .flags = ACK, .seq = at, .ack = 1, .len = 100);
		assert_int_equal(expect(p, .flags = ACK, .seq = 1, .ack = at + 100).win, 100);
		kit_quiet(k);
	}
	assert_int_equal(p->app.rx, 1000);
}

static void reads_slowly(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-slow-read", "1k/1s", NULL);
	struct seg g = {0};
	uint32_t at = 1;

	kit_open(p);
	for (; at + 1000 <= 65536; at += 1000)
		send_seg(p, .flags = ACK, .seq = at, .ack = 1, .len = 1000);
	kit_advance(k, 100 * MS);
	while (kit_has(k))
		g = kit_take(p);
	assert_int_equal(p->app.rx, 1024);
	assert_int_equal(g.ack, at);
	assert_true(g.win < 2100); /* it closes: what is not read fills it */
	for (unsigned int i = 1; i < 10; i++) {
		kit_advance(k, 1 * SEC);
		assert_int_equal(p->app.rx, 1024 * (i + 1));
	}
	kit_drain(k);
	assert_int_equal(kit_ctr(k, CTR_CHAOS_SLOW_READERS), 1);
}

/* ---- sending ---- */

static void writes_an_octet_a_second(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-slow-write", "1/1s", NULL);
	uint64_t last = 0;

	p->app.on_open = 5;
	p->app.echo = true;
	kit_open(p);
	for (uint32_t at = 1; at < 6; at++) {
		struct seg g = expect(p, .flags = ACK, .seq = at, .ack = 1, .len = 1);

		if (at > 1)
			assert_in_range(g.at - last, 1 * SEC - 1 * MS, 1 * SEC + 2 * MS);
		last = g.at;
		send_seg(p, .flags = ACK, .seq = 1, .ack = at + 1);
		kit_silence(k, 900 * MS);
		kit_advance(k, 110 * MS);
	}
	kit_silence(k, 5 * SEC);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 6);
	expect(p, .flags = FIN | ACK, .seq = 6, .ack = 2);
	assert_int_equal(kit_ctr(k, CTR_CHAOS_SLOW_WRITERS), 1);
}

static void resets_after_octets_sent(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-reset-after", "2000", NULL);

	p->app.on_open = 100000;
	kit_open(p);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1460);
	expect(p, .flags = ACK, .seq = 1461, .ack = 1, .len = 540);
	expect(p, .flags = RST | ACK, .seq = 2001, .ack = 1);
	kit_silence(k, 5 * SEC);
	assert_int_equal(p->app.why, PIER_CLOSE_ABORT);
	assert_int_equal(kit_ctr(k, CTR_CHAOS_RESETS_OCTETS), 1);
	assert_int_equal(kit_usage(k).connections, 0);
}

static void resets_after_octets_received(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-reset-after", "1000", NULL);

	kit_open(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 999);
	kit_advance(k, 1 * SEC);
	expect(p, .flags = ACK, .seq = 1, .ack = 1000);
	send_seg(p, .flags = ACK, .seq = 1000, .ack = 1, .len = 1);
	expect(p, .flags = RST | ACK, .seq = 1, .ack = 1001);
	assert_int_equal(p->app.closes, 1);
	kit_quiet(k);
}

static void resets_right_after_the_handshake(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-reset-after", "0", NULL);

	kit_syn(p);
	kit_synack(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	expect(p, .flags = RST | ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.opens, 0);
	kit_quiet(k);
}

static void resets_after_a_time(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-reset-time", "2s", NULL);

	kit_open(p);
	kit_silence(k, 1990 * MS);
	kit_advance(k, 20 * MS);
	expect(p, .flags = RST | ACK, .seq = 1, .ack = 1);
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_CHAOS_RESETS_TIME), 1);
}

/* ---- closing ---- */

static void closes_one_half_first(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-half-close", "500ms", NULL);

	p->app.on_data = 10;
	kit_open(p);
	kit_silence(k, 490 * MS);
	kit_advance(k, 20 * MS);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 2);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 2, .len = 100);
	kit_advance(k, 100 * MS);
	expect(p, .flags = ACK, .seq = 2, .ack = 101); /* it reads, and cannot answer */
	assert_int_equal(p->app.rx, 100);
	send_seg(p, .flags = FIN | ACK, .seq = 101, .ack = 2);
	expect(p, .flags = ACK, .seq = 2, .ack = 102);
	assert_int_equal(p->app.closes, 1);
	assert_int_equal(kit_ctr(k, CTR_CHAOS_HALF_CLOSES), 1);
}

static void never_closes(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-never-close", "inf", NULL);

	p->app.close_on_data = true;
	kit_open(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	assert_int_equal(p->app.closes, 1); /* for the handler it is over */
	kit_advance(k, 100 * MS);
	expect(p, .flags = ACK, .seq = 1, .ack = 11);
	send_seg(p, .flags = ACK, .seq = 11, .ack = 1, .len = 10);
	send_seg(p, .flags = FIN | ACK, .seq = 21, .ack = 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 22);
	kit_silence(k, 600 * SEC);
	assert_int_equal(p->app.datas, 1);
	assert_int_equal(kit_usage(k).connections, 1);
	assert_int_equal(kit_ctr(k, CTR_CHAOS_CLOSES_HELD), 1);
}

static void never_closes_for_a_time(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-never-close", "10s", NULL);

	kit_open(p);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 1); /* the handler closes at EOF */
	expect(p, .flags = ACK, .seq = 1, .ack = 2);
	assert_int_equal(p->app.closes, 1);
	kit_silence(k, 9900 * MS);
	kit_advance(k, 200 * MS);
	expect(p, .flags = RST | ACK, .seq = 1, .ack = 2);
	assert_int_equal(kit_usage(k).connections, 0);
}

static void op_close_other(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	struct pier_conn again;

	pier_close(c);
	assert_false(pier_get(c, c->id, &again) && again.ctx == NULL);
}

/* Closed from another connection's callback, it hears so, and no id reaches it any more. */
static void never_closes_when_another_asks(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-never-close", "yes", NULL);
	struct engine *e = k->e;
	struct pier_conn c;

	kit_open(p);
	kit_app_call(p, op_close_other, 0);
	assert_int_equal(p->app.closes, 1);
	assert_false(engine_get(e, p->app.id, k->now, &c));
	kit_silence(k, 10 * SEC);
}

/* Stopping ends it in order all the same. */
static void drains_although_it_never_closes(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-never-close", "yes", NULL);

	kit_open(p);
	engine_drain(k->e, k->now);
	kit_turn(k);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.closes, 1);
}

static void ignores_fin(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-ignore-fin", "yes", NULL);

	p->app.on_data = 3;
	kit_open(p);
	for (unsigned int i = 1; i < 4; i++) {
		send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
		kit_silence(k, 10 * SEC);
		assert_int_equal(kit_ctr(k, CTR_CHAOS_FINS_IGNORED), i);
		assert_int_equal(kit_ctr(k, CTR_RX_CHAOS_FIN), i);
	}
	/* Data before it is heard and acknowledged, but not the FIN. */
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 10);
	expect(p, .flags = ACK, .seq = 1, .ack = 11, .len = 3);
	assert_int_equal(p->app.rx, 10);
	assert_int_equal(p->app.eofs, 0);
}

static void sends_garbage_behind_its_fin(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-garbage", "33", NULL);
	const struct tcp_hdr *th;
	struct kit_frame *f;

	p->app.close_on_data = true;
	p->app.on_data = 7;
	kit_open(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 11, .len = 7);
	f = kit_frame_next(k);
	assert_non_null(f);
	th = kit_tcp(f->bytes);
	assert_int_equal(th->flags, ACK | PSH);
	assert_int_equal(be32(th->seq) - p->iss, 9); /* behind the FIN */
	assert_int_equal(f->len, kit_l4() + TCP_HDR_LEN + 33);
	assert_true(kit_sum_ok(f->bytes));
	send_seg(p, .flags = FIN | ACK, .seq = 11, .ack = 9);
	expect(p, .flags = ACK, .seq = 9, .ack = 12);
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_CHAOS_GARBAGE), 1);
}

/* ---- segments ---- */

/* Which of the sums of the next frame is wrong: 1 IP, 2 TCP. */
static unsigned int wrong_sums(struct kit *k, const struct kit_peer *p)
{
	struct kit_frame *f = kit_frame_next(k);
	unsigned int wrong = 0;

	assert_non_null(f);
	if (!kit_v6() && sum_fold(sum_partial(f->bytes + ETH_HDR_LEN, IP4_HDR_LEN, 0)) != 0xffff)
		wrong |= 1;
	kit_set_l4_len(f->bytes, (uint16_t)(f->len - kit_l4())); /* its own sum is right now */
	if (!kit_sum_ok(f->bytes))
		wrong |= 2;
	return wrong;
}

static void sends_wrong_sums(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	for (unsigned int offload = 0; offload < 2; offload++) {
		if (offload)
			k->cap[0].flags |= kit_v6() ? PKT_TX_TCP_CSUM : PKT_TX_TCP_CSUM | PKT_TX_IP_CSUM;
		p = peer_with(k, "chaos-bad-tcp-sum", "2", "chaos-bad-ip-sum", "3", NULL);
		p->app.on_open = 6 * 1460;
		kit_open(p);
		for (unsigned int i = 1; i <= 6; i++)
			assert_int_equal(wrong_sums(k, p), (i % 3 || kit_v6() ? 0 : 1) | (i % 2 ? 0 : 2));
		kit_quiet(k);
		assert_int_equal(kit_ctr(k, CTR_CHAOS_BAD_TCP_SUMS), 3 * (offload + 1));
		/* IPv6 has none in its header. */
		assert_int_equal(kit_ctr(k, CTR_CHAOS_BAD_IP_SUMS), kit_v6() ? 0 : 2 * (offload + 1));
		send_seg(p, .flags = RST, .seq = 1);
		engine_unlisten(k->e, k->versions[k->n_listeners - 1]);
	}
}

/* What a wrong sum costs is sent again, as after any loss. */
static void wrong_sums_are_repaired(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-bad-tcp-sum", "2", NULL);

	p->app.on_open = 2000;
	kit_open(p);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1460);
	assert_int_equal(wrong_sums(k, p), 2);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1461);
	kit_advance(k, 1 * SEC);
	expect(p, .flags = ACK, .seq = 1461, .ack = 1, .len = 540);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 2001);
	kit_drain(k);
}

static void duplicates(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-duplicate", "2", NULL);

	p->app.on_open = 4 * 1460;
	kit_open(p);
	for (unsigned int i = 0; i < 4; i++) {
		expect(p, .flags = ACK, .seq = 1 + 1460 * i, .ack = 1, .len = 1460);
		if (i % 2)
			expect(p, .flags = ACK, .seq = 1 + 1460 * i, .ack = 1, .len = 1460);
	}
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_CHAOS_DUPLICATES), 2);
	assert_int_equal(kit_ctr(k, CTR_TX_RETRANSMITS), 0);
}

/* All of them, and more than one burst of the port holds. */
static void duplicates_all(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	k->tcp.burst = 64;
	p = peer_with(k, "chaos-duplicate", "1", NULL);
	p->mss = 500;
	p->app.on_open = 10 * 500;
	kit_open(p);
	for (unsigned int i = 0; i < 20; i++)
		expect(p, .flags = ACK, .seq = 1 + 500 * (i / 2), .ack = 1, .len = 500);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 5001);
	kit_app_send(p, 18 * 500); /* 36 with their copies, and the port takes 32 */
	for (unsigned int i = 20; i < 56; i++)
		expect(p, .flags = ACK, .seq = 1 + 500 * (i / 2), .ack = 1, .len = 500);
	kit_quiet(k);
}

static void reorders(void **s)
{
	static const uint32_t order[] = {0, 2, 1, 4, 3};
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-reorder", "2", NULL);

	p->app.on_open = 6 * 1460;
	kit_open(p);
	for (unsigned int i = 0; i < 5; i++)
		expect(p, .flags = ACK, .seq = 1 + 1460 * order[i], .ack = 1, .len = 1460);
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_CHAOS_REORDERED), 2);
	kit_app_send(p, 100); /* the sixth waits for what comes in a later turn */
	expect(p, .flags = ACK, .seq = 1 + 1460 * 6, .ack = 1, .len = 100);
	expect(p, .flags = ACK, .seq = 1 + 1460 * 5, .ack = 1, .len = 1460);
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_CHAOS_REORDERED), 3);
	assert_int_equal(kit_ctr(k, CTR_TX_RETRANSMITS), 0);
}

/* Every one: in pairs, whatever the turns. */
static void reorders_from_turn_to_turn(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-reorder", "1", NULL);

	kit_open(p);
	for (uint32_t at = 1; at < 400; at += 200) {
		kit_app_send(p, 100);
		kit_quiet(k);
		kit_app_send(p, 100);
		expect(p, .flags = ACK, .seq = at + 100, .ack = 1, .len = 100);
		expect(p, .flags = ACK, .seq = at, .ack = 1, .len = 100);
		kit_quiet(k);
	}
	assert_int_equal(kit_ctr(k, CTR_CHAOS_REORDERED), 2);
}

/* None follows: 10 ms later it leaves alone, the FIN too. */
static void what_none_follows_is_late(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-reorder", "1", NULL);

	kit_open(p);
	kit_app_send(p, 100);
	kit_advance(k, 9 * MS);
	kit_quiet(k);
	kit_advance(k, 2 * MS);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	kit_quiet(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 101);
	kit_app_close(p);
	kit_quiet(k);
	kit_advance(k, 11 * MS);
	expect(p, .flags = FIN | ACK, .seq = 101, .ack = 1);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 102);
	kit_drain(k);
	assert_int_equal(kit_ctr(k, CTR_CHAOS_REORDERED), 0);
	assert_int_equal(kit_ctr(k, CTR_TX_RETRANSMITS), 0);
}

/* One that is held back when its connection ends goes back to the pool: the kit looks. */
static void what_is_held_back_is_not_lost(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-reorder", "1", NULL);

	kit_open(p);
	kit_app_send(p, 100);
	kit_quiet(k);
	send_seg(p, .flags = RST, .seq = 1);
	assert_int_equal(kit_ctr(k, CTR_CONN_RESET_RX), 1);
	kit_advance(k, 20 * MS);
	kit_quiet(k);
}

static void shrinks_the_window(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-shrink-window", "2", NULL);
	struct seg a, b;

	p->app.on_data = 1;
	kit_open(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	a = expect(p, .flags = ACK, .seq = 1, .ack = 11, .len = 1);
	send_seg(p, .flags = ACK, .seq = 11, .ack = 2, .len = 10);
	b = expect(p, .flags = ACK, .seq = 2, .ack = 21, .len = 1);
	assert_true(a.ack + a.win > b.ack + b.win); /* the right edge moved left */
	assert_in_range(b.win, a.win / 2 - 20, a.win / 2);
	/* What was sent before the client heard of it is taken. */
	send_seg(p, .flags = ACK, .seq = 21, .ack = 3, .len = 1460);
	expect(p, .flags = ACK, .seq = 3, .ack = 1481, .len = 1);
	assert_int_equal(kit_ctr(k, CTR_CHAOS_SHRUNK), 1);
}

/* ---- what is drawn ---- */

static struct flow_tuple tuple_at(uint32_t i)
{
	struct flow_tuple t = {.remote = {[10] = 0xff, 0xff, 198, 18, 0, 1},
			       .remote_port = be16((uint16_t)(1024 + i % 60000)),
			       .local_port = BE16(PORT)};

	t.remote[14] = (uint8_t)(i / 60000);
	return t;
}

static void fates_are_shares(void **s)
{
	static const uint32_t n = 200000;
	struct chaos set, other;
	uint32_t hits[3] = {0}, both = 0, same = 0;

	assert_true(parse(&set, "chaos-silent", "30%", "chaos-window", "10 50%", "chaos-duplicate", "0.1%",
			  "chaos-refuse", "0%", "chaos-seed", "7", NULL));
	assert_true(parse(&other, "chaos-silent", "30%", "chaos-seed", "8", NULL));
	assert_int_equal(set.kinds, 1u << CHAOS_SILENT | 1u << CHAOS_WINDOW | 1u << CHAOS_DUPLICATE);
	for (uint32_t i = 0; i < n; i++) {
		struct flow_tuple t = tuple_at(i);
		uint32_t hit = chaos_draw(&set, &t, KIT_SERVER);
		bool silent = hit & 1u << CHAOS_SILENT, window = hit & 1u << CHAOS_WINDOW;

		assert_int_equal(hit, chaos_draw(&set, &t, KIT_SERVER));
		hits[0] += silent;
		hits[1] += window;
		hits[2] += !!(hit & 1u << CHAOS_DUPLICATE);
		both += silent && window;
		same += silent == !!(chaos_draw(&other, &t, KIT_SERVER) & 1u << CHAOS_SILENT);
	}
	/* Five standard deviations of a binomial distribution, and a little. */
	assert_in_range(hits[0], n * 0.3 - 1100, n * 0.3 + 1100);
	assert_in_range(hits[1], n * 0.5 - 1200, n * 0.5 + 1200);
	assert_in_range(hits[2], 200 - 80, 200 + 80);
	assert_in_range(both, n * 0.15 - 900, n * 0.15 + 900); /* independent of each other */
	assert_in_range(same, n * 0.58 - 1200, n * 0.58 + 1200); /* and of another seed's */
}

/* The same client port again, after others and at another time, has the same fate; the counts say so. */
static void a_fate_is_reproduced(void **s)
{
	enum { PEERS = 60 };
	struct kit *k = *s;
	struct kit_peer *p[PEERS];
	bool refused[2][PEERS];
	unsigned int n = 0;

	peer_with(k, "chaos-refuse", "rst 40%", "chaos-seed", "99", NULL);
	for (unsigned int i = 0; i < PEERS; i++) {
		p[i] = kit_peer(k);
		p[i]->dport = PORT;
	}
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < PEERS; i++) {
			unsigned int at = round ? PEERS - 1 - i : i;

			p[at]->iss_known = false;
			kit_syn(p[at]);
			refused[round][at] = kit_take(p[at]).flags & RST;
			n += refused[round][at];
			if (!refused[round][at])
				send_seg(p[at], .flags = RST, .seq = 1);
			kit_advance(k, 1 * SEC);
		}
	}
	assert_memory_equal(refused[0], refused[1], sizeof(refused[0]));
	assert_in_range(n, 20, 80);
	assert_int_equal(kit_ctr(k, CTR_CHAOS_REFUSED_RST), n);
}

/* A connection that nothing hits is as if the keys were not there: it rests without a block. */
static void the_others_are_left_alone(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-silent", "0.0001%", "chaos-garbage", "0.0001%", NULL);

	p->app.echo = true;
	kit_open(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	expect(p, .flags = ACK, .seq = 1, .ack = 11, .len = 10);
	send_seg(p, .flags = ACK, .seq = 11, .ack = 11);
	kit_advance(k, 1 * SEC);
	assert_int_equal(kit_usage(k).block_bytes, 0);
	kit_quiet(k);
}

static void no_memory_no_connection(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(k, "chaos-silent", "yes", NULL);

	kit_syn(p);
	kit_synack(p);
	kit_fail_slab = 2; /* the block is there, the state is not */
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_fail_slab = 0;
	assert_true(kit_ctr(k, CTR_RX_NO_BLOCK) > 0);
	assert_int_equal(kit_usage(k).connections, 0);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(kit_usage(k).connections, 1);
	kit_drain(k);
}

/* All at once, against a peer that goes on: nothing breaks, and it ends by the first thing that ends it. */
static void everything_at_once(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = peer_with(
		k, "chaos-slow-read", "100/10ms", "chaos-slow-write", "50/10ms", "chaos-reset-time", "3s",
		"chaos-never-close", "yes", "chaos-ignore-fin", "yes", "chaos-garbage", "yes",
		"chaos-duplicate", "3", "chaos-reorder", "2", "chaos-shrink-window", "2",
		"chaos-window", "200", NULL);

	p->app.echo = true;
	kit_open(p);
	for (unsigned int i = 0; i < 20; i++) {
		send_seg(p, .flags = ACK, .seq = 1 + 100 * i, .ack = 1, .len = 100);
		kit_advance(k, 50 * MS);
		while (kit_has(k))
			kit_take(p);
	}
	assert_int_equal(p->app.rx, 2000);
	send_seg(p, .flags = FIN | ACK, .seq = 2001, .ack = 1);
	kit_advance(k, 3 * SEC);
	assert_int_equal(kit_usage(k).connections, 0);
	kit_drain(k);
	k->acks = 0; /* duplicates are more than one ACK a segment, on purpose */
}

/* ---- the keys ---- */

static void values_are_checked(void **s)
{
	static const char *const good[][2] = {
		{"chaos-refuse", "10%"}, {"chaos-refuse", "icmp-port 0.5%"}, {"chaos-refuse", "no"},
		{"chaos-silent", "yes"}, {"chaos-silent", "yes 3%"}, {"chaos-silent", "off"},
		{"chaos-slow-write", "1/1s"}, {"chaos-slow-write", "1k/20ms 100%"},
		{"chaos-never-close", "inf 1%"}, {"chaos-half-close", "0"},
	};
	static const char *const bad[][2] = {
		{"chaos-refuse", "syn"}, {"chaos-refuse", "rst rst"}, {"chaos-refuse", "10% rst"},
		{"chaos-refuse", "rst 101%"}, {"chaos-refuse", "-1%"}, {"chaos-refuse", "rst 10% 5%"},
		{"chaos-silent", "7"}, {"chaos-silent", "%"}, {"chaos-slow-read", "1"},
		{"chaos-slow-read", "0/1s"}, {"chaos-slow-read", "1/0"}, {"chaos-slow-read", "1/1"},
		{"chaos-window", "64k"}, {"chaos-duplicate", "0"}, {"chaos-synack-delay", "inf"},
		{"chaos-reset-after", "2g"}, {"chaos-reset-time", "5"}, {"chaos-garbage", "0"},
	};
	struct chaos set;

	for (unsigned int i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(parse(&set, good[i][0], good[i][1], NULL));
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(parse(&set, bad[i][0], bad[i][1], NULL));
	assert_true(parse(&set, "chaos-refuse", "10%", NULL));
	assert_int_equal(set.fault[CHAOS_REFUSE].value, CHAOS_RST);
	assert_int_equal(set.fault[CHAOS_REFUSE].share, CHAOS_MILLION / 10);
}

static int setup(void **state)
{
	kit_setup(state);
	kit_start(*state);
	return 0;
}

#define CHAOS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, kit_teardown)

static const struct CMUnitTest tests[] = {
	CHAOS_TEST(refuses_by_rst),
	CHAOS_TEST(refuses_by_silence),
	CHAOS_TEST(refuses_on_purpose_before_overload_does),
	CHAOS_TEST(refuses_by_icmp),
	CHAOS_TEST(delays_the_syn_ack),
	CHAOS_TEST(delayed_handshakes_are_capped),
	CHAOS_TEST(is_silent),
	CHAOS_TEST(keeps_the_window_closed),
	CHAOS_TEST(offers_a_tiny_window),
	CHAOS_TEST(reads_slowly),
	CHAOS_TEST(writes_an_octet_a_second),
	CHAOS_TEST(resets_after_octets_sent),
	CHAOS_TEST(resets_after_octets_received),
	CHAOS_TEST(resets_right_after_the_handshake),
	CHAOS_TEST(resets_after_a_time),
	CHAOS_TEST(closes_one_half_first),
	CHAOS_TEST(never_closes),
	CHAOS_TEST(never_closes_for_a_time),
	CHAOS_TEST(never_closes_when_another_asks),
	CHAOS_TEST(drains_although_it_never_closes),
	CHAOS_TEST(ignores_fin),
	CHAOS_TEST(sends_garbage_behind_its_fin),
	CHAOS_TEST(sends_wrong_sums),
	CHAOS_TEST(wrong_sums_are_repaired),
	CHAOS_TEST(duplicates),
	CHAOS_TEST(duplicates_all),
	CHAOS_TEST(reorders),
	CHAOS_TEST(reorders_from_turn_to_turn),
	CHAOS_TEST(what_none_follows_is_late),
	CHAOS_TEST(what_is_held_back_is_not_lost),
	CHAOS_TEST(shrinks_the_window),
	CHAOS_TEST(fates_are_shares),
	CHAOS_TEST(a_fate_is_reproduced),
	CHAOS_TEST(the_others_are_left_alone),
	CHAOS_TEST(no_memory_no_connection),
	CHAOS_TEST(everything_at_once),
	CHAOS_TEST(values_are_checked),
};

KIT_MAIN(tests)
