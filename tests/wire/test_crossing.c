/*
 * SYN-RECEIVED of an active open: SYNs that cross, resets and closes before ESTABLISHED, and the
 * connection with itself. What every order and loss of the segments does is in test_orders.c.
 */
#include "kit.h"

static struct tcp_opts syn_opts(const struct kit_peer *p)
{
	struct tcp_opts o = {.flags = TCP_OPTS_MSS, .mss = p->mss, .wscale = p->ws,
			     .tsval = p->ts_base + ms_of(p->k->now)};

	if (p->offer & OFFER_TS)
		o.flags |= TCP_OPTS_TS;
	if (p->offer & OFFER_SACK)
		o.flags |= TCP_OPTS_SACK_OK;
	if (p->offer & OFFER_WS)
		o.flags |= TCP_OPTS_WSCALE;
	return o;
}

/* Both SYNs are out; the engine's SYN-ACK is returned. */
static struct seg cross(struct kit_peer *p)
{
	struct seg g;

	kit_connect(p);
	send_seg(p, .flags = SYN, .seq = 0, .opts = syn_opts(p));
	g = expect(p, .flags = SYN | ACK, .seq = 0, .ack = 1);
	kit_quiet(p->k);
	return g;
}

static struct kit_peer *crossed(struct kit *k)
{
	struct kit_peer *p = kit_peer(k);

	cross(p);
	return p;
}

static void one_connection(struct kit_peer *p)
{
	assert_int_equal(p->app.opens, 1);
	assert_int_equal(kit_usage(p->k).connections, 1);
	assert_int_equal(kit_usage(p->k).half_open, 0);
	assert_int_equal(kit_ctr(p->k, CTR_CONN_OPENED), 1);
}

static void OPN_03_crossing_syns_by_synack(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	struct seg g;

	p->offer = OFFER_ALL;
	p->isn = 300;
	g = cross(p); /* the same ISS: seq is relative to the first SYN's */
	assert_int_equal(g.opts.flags & (TCP_OPTS_TS | TCP_OPTS_SACK_OK | TCP_OPTS_WSCALE),
			 TCP_OPTS_TS | TCP_OPTS_SACK_OK | TCP_OPTS_WSCALE);
	assert_int_equal(p->app.opens, 0);
	send_seg(p, .flags = SYN | ACK, .seq = 0, .ack = 1, .opts = kit_answer_opts(p));
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	one_connection(p);
	kit_silence(k, 3 * SEC);
	one_connection(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
	assert_int_equal(p->app.rx, 1000);
}

static void OPN_03_crossing_syns_by_ack(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = crossed(k);

	p->win = 3000; /* SND.WND is then this, not the SYN's */
	p->app.on_open = 5000;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	one_connection(p);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1460);
	expect(p, .flags = ACK, .seq = 1461, .ack = 1, .len = 1460);
	kit_quiet(k);
}

/* What one side did not offer is not in the SYN-ACK either. */
static void OPN_03_options_of_crossing_syns(void **s)
{
	struct kit *k = *s;

	for (unsigned int offer = 0; offer <= OFFER_ALL; offer++) {
		struct kit_peer *p = kit_peer(k);
		struct seg g;

		p->offer = offer;
		g = cross(p);
		assert_int_equal(!!(g.opts.flags & TCP_OPTS_TS), !!(offer & OFFER_TS));
		assert_int_equal(!!(g.opts.flags & TCP_OPTS_SACK_OK), !!(offer & OFFER_SACK));
		assert_int_equal(!!(g.opts.flags & TCP_OPTS_WSCALE), !!(offer & OFFER_WS));
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
		assert_int_equal(p->app.opens, 1);
		kit_app_send(p, 3000);
		g = expect(p, .flags = ACK, .seq = 1, .ack = 1,
			   .len = offer & OFFER_TS ? 1448 : 1460);
		assert_int_equal(!!(g.opts.flags & TCP_OPTS_TS), !!(offer & OFFER_TS));
		kit_drain(k);
		send_seg(p, .flags = RST, .seq = 1);
	}
}

static void OPN_04_reset_of_an_active_open(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = crossed(k), *q = kit_peer(k);

	send_seg(p, .flags = RST, .seq = 1);
	kit_silence(k, 3 * SEC);
	assert_int_equal(p->app.opens, 0);
	assert_int_equal(p->app.failed, 1);
	assert_int_equal(p->app.why, PIER_CLOSE_REFUSED);
	assert_int_equal(kit_usage(k).connections, 0);
	/* The passive one goes back to LISTEN, and nobody hears of it. */
	kit_syn(q);
	kit_synack(q);
	send_seg(q, .flags = RST, .seq = 1);
	kit_silence(k, 3 * SEC);
	assert_int_equal(q->app.opens + q->app.closes + q->app.failed, 0);
	kit_open(q);
}

static void OPN_10_bad_ack_after_crossing_syns(void **s)
{
	static const uint32_t bad[] = {5, 0, 2, 0x80000000u};
	struct kit *k = *s;
	struct kit_peer *p = crossed(k);

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		send_seg(p, .flags = ACK, .seq = 1, .ack = bad[i]);
		expect(p, .flags = RST, .seq = bad[i]);
		kit_quiet(k);
		assert_int_equal(p->app.opens + p->app.failed, 0);
	}
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	one_connection(p);
}

static void BLD_01_reset_after_crossing_syns(void **s)
{
	static const struct {
		int64_t off;
		bool challenged, resets;
	} cases[] = {{-1, false, false}, {1, true, false}, {65534, true, false},
		     {65535, false, false}, {0, false, true}};
	struct kit *k = *s;

	for (unsigned int f = 0; f < 3; f++) { /* RST; RST,ACK with a good ACK, and a bad one */
		struct kit_peer *p = crossed(k);

		for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
			kit_advance(k, 600 * MS);
			kit_drain(k); /* SYN-ACKs */
			send_seg(p, .flags = f ? RST | ACK : RST,
				 .seq = (uint32_t)(1 + cases[i].off), .ack = f == 2 ? 99 : 1);
			if (cases[i].challenged)
				expect(p, .flags = ACK, .seq = 1, .ack = 1);
			kit_quiet(k);
			assert_int_equal(p->app.failed, cases[i].resets);
		}
	}
}

static void BLD_02_syn_after_crossing_syns(void **s)
{
	static const uint32_t off[] = {1, 100, 0x40000000};
	struct kit *k = *s;
	struct kit_peer *p = crossed(k);

	for (unsigned int i = 0; i < ARRAY_SIZE(off); i++) {
		kit_advance(k, 600 * MS);
		kit_drain(k);
		send_seg(p, .flags = SYN, .seq = off[i]);
		expect(p, .flags = ACK, .seq = 1, .ack = 1);
		kit_advance(k, 600 * MS);
		kit_drain(k);
		send_seg(p, .flags = SYN | ACK, .seq = off[i], .ack = 1);
		expect(p, .flags = ACK, .seq = 1, .ack = 1);
	}
	/* The SYN it has already: the same SYN-ACK. */
	kit_advance(k, 600 * MS);
	kit_drain(k);
	send_seg(p, .flags = SYN, .seq = 0, .opts = syn_opts(p));
	expect(p, .flags = SYN | ACK, .seq = 0, .ack = 1);
	assert_int_equal(p->app.opens + p->app.failed, 0);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	one_connection(p);
}

/* The count goes on where the SYN's was, and so does R2. */
static void RTX_06_synack_of_an_active_open(void **s)
{
	static const unsigned int at[] = {1, 3, 7, 15, 31, 63, 123};
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	uint64_t t0;

	t0 = kit_connect(p).at;
	kit_advance(k, 10 * MS);
	send_seg(p, .flags = SYN, .seq = 0, .opts = syn_opts(p));
	expect(p, .flags = SYN | ACK, .seq = 0, .ack = 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(at); i++) {
		kit_advance_to(k, t0 + at[i] * SEC - MS);
		kit_arp(k);
		kit_quiet(k);
		kit_advance(k, 4 * MS);
		kit_arp(k);
		expect(p, .flags = SYN | ACK, .seq = 0, .ack = 1);
		kit_drain(k);
	}
	kit_advance_to(k, t0 + 180 * SEC - 1);
	assert_int_equal(p->app.failed, 0);
	kit_advance(k, 10 * MS);
	assert_int_equal(p->app.failed, 1);
	assert_int_equal(p->app.why, PIER_CLOSE_TIMEOUT);
}

static void CLS_09_close_in_syn_received(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = crossed(k);

	kit_app_close(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	kit_quiet(k);
	assert_int_equal(p->app.failed, 1); /* the handler is rid of it; FIN-WAIT-1 */
	assert_int_equal(p->app.why, PIER_CLOSE_NORMAL);
	/* Both the SYN and the FIN are outstanding until the peer has them. */
	kit_advance(k, SEC + 3 * MS);
	expect(p, .flags = SYN | ACK, .seq = 0, .ack = 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_advance(k, 4 * SEC);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	kit_drain(k);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p, .flags = ACK, .seq = 2, .ack = 2);
	assert_int_equal(kit_usage(k).time_wait, 1);
	assert_int_equal(kit_usage(k).connections, 1); /* the control connection */
}

/* With something queued the FIN waits for ESTABLISHED and stands behind it. */
static void CLS_09_close_with_data_queued(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k), *q = crossed(k);

	kit_connect(p);
	kit_app_send(p, 10);
	kit_app_shutdown(p);
	kit_quiet(k);
	kit_accept(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 10);
	kit_app_send(q, 10);
	kit_app_close(q);
	kit_quiet(k);
	send_seg(q, .flags = ACK, .seq = 1, .ack = 1);
	expect(q, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 10);
	assert_int_equal(p->app.opens, 1);
	assert_int_equal(q->app.opens, 0); /* closed before it came to that */
}

static void RST_07_abort_in_syn_received(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	struct seg g;

	p->offer = OFFER_ALL;
	cross(p);
	kit_app_send(p, 100); /* queued, flushed */
	kit_quiet(k);
	kit_app_abort(p);
	g = expect(p, .flags = RST | ACK, .seq = 1, .ack = 1);
	assert_true(g.opts.flags & TCP_OPTS_TS);
	kit_silence(k, 3 * SEC);
	assert_int_equal(p->app.why, PIER_CLOSE_ABORT);
	assert_int_equal(p->app.failed, 1);
}

static uint32_t rnd(uint64_t *seed, uint32_t n)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*seed >> 33) % n;
}

/* A segment of anything near the edges that matter. */
static void send_anything(struct kit_peer *p, uint64_t *seed)
{
	static const uint8_t flags[] = {SYN, SYN | ACK, ACK, RST, RST | ACK, FIN | ACK, FIN,
					SYN | FIN | ACK, SYN | RST, 0, ACK | PSH, SYN | ACK | PSH};
	static const uint32_t near[] = {0xffffffffu, 0, 1, 2, 3, 65535, 65536, 0x80000000u};
	struct seg g = {.flags = flags[rnd(seed, ARRAY_SIZE(flags))],
			.seq = near[rnd(seed, ARRAY_SIZE(near))],
			.ack = near[rnd(seed, ARRAY_SIZE(near))],
			.len = rnd(seed, 3) ? 0 : 1 + rnd(seed, 20), .opts = syn_opts(p)};
	uint8_t data[20];

	if (g.flags & SYN)
		g.seq = 0; /* one stream */
	for (uint32_t i = 0; i < g.len; i++)
		data[i] = kit_pattern((uint32_t)((g.flags & SYN ? 0 : g.seq - 1) + i));
	g.data = data;
	p->ts = rnd(seed, 2);
	p->win = rnd(seed, 3) ? 65535 : 0;
	kit_send_seg(p, &g);
}

/* Whatever the answers are: the kit checks all invariants after each, and the pairs of callbacks. */
static void any_segments_before_established(void **s)
{
	struct kit *k = *s;
	struct kit_peer *first = kit_peer(k), *p = kit_peer(k);
	uint64_t seed = 1;

	kit_active(first);
	for (unsigned int run = 0; run < 2000; run++) {
		kit_app_init(&p->app, k);
		p->port = (uint16_t)(2000 + run);
		p->offer = rnd(&seed, OFFER_ALL + 1);
		p->app.half_open_on_eof = rnd(&seed, 2);
		p->app.on_open = rnd(&seed, 2) * 100;
		assert_int_equal(kit_connect_from(p, LISTENER_ANY, 0), 0);
		kit_arp(k);
		kit_take_syn(p);
		for (unsigned int i = 0; i < 6; i++) {
			if (!rnd(&seed, 8) && p->app.pending)
				kit_app_shutdown(p);
			send_anything(p, &seed);
			if (!rnd(&seed, 4))
				kit_advance(k, rnd(&seed, 3000) * MS);
		}
		if (p->app.pending)
			kit_app_abort(p);
		assert_int_equal(p->app.opens + p->app.failed, 1);
		kit_drain(k);
		kit_advance(k, SEC);
		kit_arp(k); /* the next hop may have been lost meanwhile */
		kit_drain(k);
	}
}

/* ---- a connection with itself: what it sends comes back ---- */

struct mirror {
	struct kit *k;
	struct kit_peer *p;
	uint8_t frame[64][2048];
	uint32_t len[64];
	unsigned int head, tail, syns, resets, fins;
};

static void reflect(void *arg, struct kit_frame *f)
{
	struct mirror *mi = arg;
	uint8_t *b = mi->frame[mi->tail % 64];
	const struct tcp_hdr *th;

	memcpy(b, f->bytes, f->len);
	th = kit_tcp(b);
	if (!th)
		return;
	assert_true(mi->tail - mi->head < 64);
	eth_copy(b, kit_mac);
	eth_copy(b + 6, kit_peer_mac);
	kit_set_addrs(b, mi->p->addr, mi->p->server);
	kit_sums(b);
	mi->syns += !!(th->flags & SYN);
	mi->resets += !!(th->flags & RST);
	mi->fins += !!(th->flags & FIN);
	mi->len[mi->tail++ % 64] = f->len;
}

static void bounce(struct mirror *mi)
{
	for (unsigned int n = 0; mi->head != mi->tail; n++) {
		unsigned int i = mi->head++ % 64;

		assert_true(n < 1000);
		kit_inject(mi->k, mi->frame[i], mi->len[i]);
	}
}

/* The peer's address stands for the own one; ports and all numbers are the same both ways. */
static void SEQ_08_self_connect(void **s)
{
	struct kit *k = *s;
	struct kit_peer *first = kit_peer(k), *p = kit_peer(k);
	struct mirror *mi = calloc(1, sizeof(*mi));

	kit_active(first); /* the next hop is known */
	*mi = (struct mirror){.k = k, .p = p};
	p->app.half_open_on_eof = true;
	p->app.on_open = 5000;
	k->sink = reflect;
	k->sink_arg = mi;
	assert_int_equal(kit_connect_from(p, LISTENER_ANY, p->port), 0);
	bounce(mi);
	assert_int_equal(p->app.opens, 1);
	assert_int_equal(mi->syns, 2);
	kit_advance(k, SEC);
	bounce(mi);
	assert_int_equal(p->app.rx, 5000);
	/* A simultaneous close with itself: FIN-WAIT-1, CLOSING, TIME-WAIT. */
	kit_app_shutdown(p);
	bounce(mi);
	assert_int_equal(p->app.eofs, 1);
	assert_int_equal(p->app.closes, 1);
	assert_int_equal(mi->fins, 1);
	assert_int_equal(mi->resets, 0);
	assert_int_equal(kit_usage(k).time_wait, 1);
	k->sink = NULL;
	free(mi);
}

/*
 * Both windows closed, both sides with data and probing: each probe, one octet out of the window, gets
 * one ACK, and with both windows open all of it arrives.
 */
static void SEQ_08_both_sides_probe(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	uint32_t una = 1, nxt;
	struct seg g;

	kit_start(k);
	k->tcp.rcvbuf = 4096;
	kit_listen(k, 81, LISTENER_ANY);
	p->dport = 81;
	p->app.take = 0;
	p->win = 0;
	kit_open(p);
	kit_app_send(p, 3000);
	for (nxt = 1; nxt < 4097; nxt += 1024) {
		send_seg(p, .flags = ACK, .seq = nxt, .ack = 1, .len = 1024);
		kit_advance(k, 50 * MS);
	}
	kit_drain(k);
	for (int i = 0; i < 6; i++) {
		/* The peer's probe: not taken, one ACK. */
		send_seg(p, .flags = ACK, .seq = 4097, .ack = una, .len = 1);
		g = expect(p, .flags = ACK, .seq = una, .ack = 4097);
		assert_int_equal(g.win, 0);
		kit_quiet(k);
		/* Its own probe: not taken either, answered from outside of its window. */
		while (!kit_has(k))
			kit_advance(k, 100 * MS);
		expect(p, .flags = ACK, .seq = una, .ack = 4097, .len = 1);
		kit_quiet(k);
		send_seg(p, .flags = ACK, .seq = 4097, .ack = una);
		kit_quiet(k);
	}
	assert_int_equal(p->app.closes, 0);
	p->win = 65535;
	kit_app_read(p, UINT64_MAX);
	g = expect(p, .flags = ACK, .seq = una, .ack = 4097);
	assert_true(g.win >= 2048);
	send_seg(p, .flags = ACK, .seq = 4097, .ack = una, .len = 100);
	while (una < 3001) {
		if (!kit_has(k))
			kit_advance(k, 10 * MS);
		if (!kit_has(k))
			continue;
		g = kit_take(p);
		if (g.len && g.seq == una) {
			una += g.len;
			send_seg(p, .flags = ACK, .seq = 4197, .ack = una);
		}
	}
	assert_int_equal(p->app.rx, 4196);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(OPN_03_crossing_syns_by_synack),
		KIT_TEST(OPN_03_crossing_syns_by_ack),
		KIT_TEST(OPN_03_options_of_crossing_syns),
		KIT_TEST(OPN_04_reset_of_an_active_open),
		KIT_TEST(OPN_10_bad_ack_after_crossing_syns),
		KIT_TEST(BLD_01_reset_after_crossing_syns),
		KIT_TEST(BLD_02_syn_after_crossing_syns),
		KIT_TEST(RTX_06_synack_of_an_active_open),
		KIT_TEST(CLS_09_close_in_syn_received),
		KIT_TEST(CLS_09_close_with_data_queued),
		KIT_TEST(RST_07_abort_in_syn_received),
		KIT_TEST(any_segments_before_established),
		KIT_TEST(SEQ_08_self_connect),
		KIT_TEST(SEQ_08_both_sides_probe),
	};

	return KIT_RUN("crossing", tests);
}
