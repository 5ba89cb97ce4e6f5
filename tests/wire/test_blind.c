/*
 * Blind attacks (RFC 5961): which RST, SYN and ACK count, and what is answered how often.
 * Rows: BLD-01..BLD-05 T-04 T-28.
 */
#include "kit.h"

/* A challenge ACK tells what RCV.WND is: it and RCV.NXT are what the edges are about. */
static uint32_t window_now(struct kit_peer *p, uint32_t seq, uint32_t ack)
{
	struct seg g;

	send_seg(p, .flags = RST, .seq = ack + 1);
	g = expect(p, .flags = ACK, .seq = seq, .ack = ack);
	kit_quiet(p->k);
	kit_advance(p->k, SEC);
	kit_drain(p->k);
	return g.win;
}

/* RST at each edge, the one that resets last. ack: of the segment, if it has one. */
static void rst_sweep(struct kit_peer *p, uint8_t flags, uint32_t seq, uint32_t nxt, uint32_t ack)
{
	uint32_t wnd = window_now(p, seq, nxt);
	const struct {
		uint32_t off;
		bool challenged;
	} cases[] = {{-1u, false}, {1, true}, {wnd - 1, true}, {wnd, false}, {0, false}};

	assert_true(wnd > 60000);
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		send_seg(p, .flags = flags, .seq = nxt + cases[i].off, .ack = ack);
		if (cases[i].challenged)
			expect(p, .flags = ACK, .seq = seq, .ack = nxt);
		kit_quiet(p->k);
		kit_advance(p->k, SEC);
		kit_drain(p->k);
	}
}

/* Without ACK, and with a good and with bad ones: the sequence number alone decides. */
static const struct {
	uint8_t flags;
	uint32_t ack_off;
} rsts[] = {{RST, 0}, {RST | ACK, 0}, {RST | ACK, 5000}, {RST | ACK, 0x80000000u}};

static void BLD_01_reset_by_sequence(void **s)
{
	struct kit *k = *s;

	for (unsigned int i = 0; i < KIT_CONN_STATES; i++)
		for (unsigned int f = 0; f < ARRAY_SIZE(rsts); f++) {
			const struct kit_state *st = &kit_states[i];
			struct kit_peer *p = kit_in_state(k, st);
			uint64_t before = kit_usage(k).connections;

			rst_sweep(p, rsts[f].flags, st->seq, st->ack, st->seq + rsts[f].ack_off);
			assert_int_equal(p->app.closes, 1);
			assert_int_equal(kit_usage(k).connections, before - 1);
		}
}

static void BLD_01_reset_in_syn_received(void **s)
{
	struct kit *k = *s;

	for (unsigned int f = 0; f < ARRAY_SIZE(rsts); f++) {
		struct kit_peer *p = kit_peer(k);

		kit_syn(p);
		kit_synack(p);
		rst_sweep(p, rsts[f].flags, 1, 1, 1 + rsts[f].ack_off);
		assert_int_equal(kit_usage(k).half_open, 0);
		assert_int_equal(kit_ctr(k, CTR_HALF_OPEN_RESET), f + 1);
		assert_int_equal(p->app.opens, 0);
	}
}

static void BLD_01_reset_in_time_wait(void **s)
{
	static const uint32_t off[] = {-1u, 0, 1, 65533, 65534, 65535};
	struct kit *k = *s;
	struct kit_peer *p = kit_in_state(k, &kit_states[KIT_STATES - 1]);

	for (unsigned int f = 0; f < ARRAY_SIZE(rsts); f++)
		for (unsigned int i = 0; i < ARRAY_SIZE(off); i++)
			send_seg(p, .flags = rsts[f].flags, .seq = 2 + off[i],
				 .ack = 2 + rsts[f].ack_off);
	kit_silence(k, 3 * SEC);
	assert_int_equal(kit_usage(k).time_wait, 1);
}

static void BLD_02_syn_in_each_state(void **s)
{
	static const uint32_t off[] = {0, 100, 0x40000000, -1u, 0x80000000u};
	struct kit *k = *s;

	for (unsigned int i = 0; i < KIT_STATES; i++) {
		const struct kit_state *st = &kit_states[i];
		struct kit_peer *p = kit_in_state(k, st);
		struct engine_usage before = kit_usage(k), after;
		bool tw = i == KIT_STATES - 1; /* a SYN there may open anew: other rows */

		for (unsigned int j = 0; j < 2 * ARRAY_SIZE(off); j++) {
			uint8_t flags = j & 1 || tw ? SYN | ACK : SYN;

			kit_advance(k, 600 * MS);
			kit_drain(k);
			send_seg(p, .flags = flags, .seq = st->ack + off[j / 2], .ack = st->seq);
			expect(p, .flags = ACK, .seq = st->seq, .ack = st->ack);
			kit_quiet(k);
		}
		after = kit_usage(k);
		assert_int_equal(after.connections, before.connections);
		assert_int_equal(after.half_open, before.half_open);
		assert_int_equal(after.time_wait, before.time_wait);
		assert_int_equal(p->app.closes, tw);
		assert_int_equal(p->app.opens, 1);
		send_seg(p, .flags = RST, .seq = st->ack);
		assert_int_equal(p->app.closes, 1);
	}
}

static void BLD_03_old_acknowledgment(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	p->win = 2000;
	kit_open(p);
	kit_app_send(p, 8000);
	for (uint32_t una = 1; una < 8001;) {
		una += kit_take(p).len;
		send_seg(p, .flags = ACK, .seq = 1, .ack = una);
	}
	kit_quiet(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 8001 - 2000 - 1, .len = 10);
	expect(p, .flags = ACK, .seq = 8001, .ack = 1);
	assert_int_equal(p->app.rx, 0);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 8001 - 2000, .len = 10);
	assert_int_equal(p->app.rx, 10);
}

/* A megabyte of window once, 1 KiB now: what is 512 KiB old may still come. */
static void BLD_04_largest_window_counts(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	const uint32_t size = 600 * KIB;
	uint32_t una = 1;

	p->offer = OFFER_ALL;
	p->win = 8192; /* << 7 */
	kit_open(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1); /* a SYN's window is not scaled */
	kit_app_send(p, size);
	while (una < 1 + size) {
		kit_advance(k, 10 * MS);
		while (kit_has(k)) {
			struct seg g = kit_take(p);

			una = max_of(una, g.seq + g.len);
		}
		if (una == 1 + size)
			p->win = 8;
		send_seg(p, .flags = ACK, .seq = 1, .ack = una);
	}
	send_seg(p, .flags = ACK, .seq = 1, .ack = una - 512 * KIB, .len = 10);
	assert_int_equal(p->app.rx, 10);
	kit_advance(k, 100 * MS);
	expect(p, .flags = ACK, .seq = una, .ack = 11);
	/* The bound is that megabyte. */
	send_seg(p, .flags = ACK, .seq = 11, .ack = una - MIB, .len = 10);
	assert_int_equal(p->app.rx, 20);
	kit_advance(k, SEC);
	kit_drain(k);
	send_seg(p, .flags = ACK, .seq = 21, .ack = una - MIB - 1, .len = 10);
	expect(p, .flags = ACK, .seq = una, .ack = 21);
	assert_int_equal(p->app.rx, 20);
}

static void BLD_05_challenges_are_throttled(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k), *q = kit_plain(k);
	unsigned int n = 0;

	for (int i = 0; i < 10000; i++) {
		send_seg(p, .flags = RST, .seq = 100);
		kit_advance(k, 100);
		while (kit_has(k)) {
			expect(p, .flags = ACK, .seq = 1, .ack = 1);
			n++;
		}
	}
	assert_in_range(n, 1, 3);
	assert_int_equal(kit_ctr(k, CTR_TX_CHALLENGE_RATE), 10000 - n);
	send_seg(q, .flags = RST, .seq = 100);
	expect(q, .flags = ACK, .seq = 1, .ack = 1);
	/* Neither do SYNs get more, nor empty segments outside the window. */
	n = 0;
	for (int i = 0; i < 1000; i++) {
		send_seg(q, .flags = SYN, .seq = 500);
		send_seg(q, .flags = ACK, .seq = 0x20000000, .ack = 1);
		kit_advance(k, MS);
		while (kit_has(k)) {
			expect(q, .flags = ACK, .seq = 1, .ack = 1);
			n++;
		}
	}
	assert_in_range(n, 1, 3);
}

static void BLD_05_old_data_is_always_answered(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	kit_advance(k, SEC);
	kit_drain(k);
	for (int i = 0; i < 100; i++) {
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
		expect(p, .flags = ACK, .seq = 1, .ack = 11);
	}
}

static const struct pier_handler silent = {
	.abi = PIER_HANDLER_ABI, .size = sizeof(struct pier_handler), .name = "silent",
	.summary = "takes everything",
};

static void discard(void *arg, struct kit_frame *f)
{
	++*(unsigned int *)arg;
}

/* As many keep-alives as there are connections, all in one second: nothing they share runs out. */
static void BLD_05_each_connection_for_itself(void **s)
{
	enum { N = 100000 };
	struct kit *k = kit_new();
	static uint32_t iss[N];
	struct listener l;
	struct kit_peer *p;
	unsigned int frames = 0;
	int version;

	k->unchecked = true;
	k->conf.max_connections = N + 1;
	p = kit_peer(k);
	l = k->listeners[0];
	l.handler = &silent;
	l.port_lo = l.port_hi = p->dport = 81;
	version = engine_listen(k->e, &l);
	for (unsigned int i = 0; i < N; i++) {
		kit_far(p->addr, i);
		kit_syn(p);
		kit_synack(p);
		iss[i] = p->iss;
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	}
	kit_quiet(k);
	assert_int_equal(kit_usage(k).connections, N);
	for (unsigned int i = 0; i < N; i++) {
		k->now = KIT_T0 + i * SEC / N;
		kit_far(p->addr, i);
		p->iss = iss[i];
		send_seg(p, .flags = ACK, .seq = 0, .ack = 1, .len = i & 1);
		expect(p, .flags = ACK, .seq = 1, .ack = 1);
	}
	kit_quiet(k);
	k->sink = discard;
	k->sink_arg = &frames;
	engine_unlisten(k->e, version);
	kit_close(k);
}

/* RST at the edges of a window of 0, 1 and 65,535. */
static void T_04_edges_of_small_windows(void **s)
{
	static const uint32_t windows[] = {0, 1, 65535};
	struct kit *k = *s;

	for (unsigned int w = 0; w < ARRAY_SIZE(windows); w++) {
		const uint32_t wnd = windows[w], edges[] = {-1u, 0, 1, wnd - 1, wnd};

		for (unsigned int i = 0; i < ARRAY_SIZE(edges); i++) {
			struct kit_peer *p = kit_peer(k);
			uint32_t nxt = 1;

			p->app.take = 0;
			kit_open(p);
			while (nxt < 1 + 65535 - wnd) {
				uint32_t n = min_of(1460u, 1 + 65535 - wnd - nxt);

				send_seg(p, .flags = ACK, .seq = nxt, .ack = 1, .len = n);
				nxt += n;
			}
			kit_advance(k, SEC);
			if (wnd < 65535)
				while (kit_has(k))
					if (kit_take(p).ack == nxt)
						break;
			kit_drain(k);
			/* The window is what we think: its last byte is taken, the next is not. */
			send_seg(p, .flags = RST, .seq = nxt + edges[i]);
			if (edges[i] && edges[i] < wnd)
				expect(p, .flags = ACK, .seq = 1, .ack = nxt);
			kit_quiet(k);
			assert_int_equal(p->app.closes, edges[i] == 0);
			if (!p->app.closes) {
				struct seg g;

				kit_advance(k, SEC);
				send_seg(p, .flags = ACK, .seq = nxt - 1, .ack = 1, .len = 1);
				g = expect(p, .flags = ACK, .seq = 1, .ack = nxt);
				assert_int_equal(g.win, wnd);
				send_seg(p, .flags = RST, .seq = nxt);
			}
			kit_quiet(k);
		}
	}
}

/* Two stacks that answer each other's ACKs for ever: here it ends after two a second. */
static void T_28_no_ack_storm(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);
	unsigned int n = 0;

	send_seg(p, .flags = ACK, .seq = 0x10000000, .ack = 1);
	for (unsigned int ms = 0; ms < 10000; ms++) {
		bool answered = kit_has(k);

		while (kit_has(k)) {
			expect(p, .flags = ACK, .seq = 1, .ack = 1);
			n++;
		}
		if (answered || ms % 10 == 0)
			send_seg(p, .flags = ACK, .seq = 0x10000000, .ack = 1);
		kit_advance(k, MS);
	}
	assert_in_range(n, 10, 2 * 10 + 1);
}

/* The same where each ACK lies one octet before what is expected, as a keep-alive does. */
static void T_28_no_storm_of_keepalives(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);
	unsigned int n = 0;

	for (unsigned int ms = 0; ms < 10000; ms++) {
		send_seg(p, .flags = ACK, .seq = 0, .ack = 1);
		while (kit_has(k)) {
			expect(p, .flags = ACK, .seq = 1, .ack = 1);
			n++;
		}
		kit_advance(k, MS);
	}
	assert_in_range(n, 10, 2 * 10 + 1);
}

/* Who makes us spend the challenge ACK has not silenced the answer to a keep-alive, nor the other way. */
static void BLD_05_KA_05_keepalives_beside_challenges(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	send_seg(p, .flags = RST, .seq = 100);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = RST, .seq = 100);
	kit_quiet(k);
	send_seg(p, .flags = ACK, .seq = 0, .ack = 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_advance(k, SEC);
	send_seg(p, .flags = ACK, .seq = 0, .ack = 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = SYN, .seq = 100);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = ACK, .seq = 0, .ack = 1);
	send_seg(p, .flags = SYN, .seq = 100);
	kit_quiet(k);
}

/* Does B's number of answers tell whether A was attacked? It must not: it is the same each time. */
static void T_28_nothing_shared_to_count(void **s)
{
	struct kit *k = *s;
	struct kit_peer *a = kit_plain(k), *b = kit_plain(k);
	unsigned int first = 0;

	for (unsigned int run = 0; run < 100; run++) {
		unsigned int n = 0;

		for (unsigned int i = 0; i < 200; i++) {
			if (run * 7 % 3 == 0) {
				send_seg(a, .flags = RST, .seq = 100);
				kit_drain(k);
			}
			send_seg(b, .flags = RST, .seq = 100);
			while (kit_has(k)) {
				expect(b, .flags = ACK, .seq = 1, .ack = 1);
				n++;
			}
			kit_advance(k, 5 * MS);
			kit_drain(k);
		}
		first = run ? first : n;
		assert_int_equal(n, first);
		kit_advance(k, SEC);
		kit_drain(k);
	}
	assert_true(first >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(BLD_01_reset_by_sequence),
		KIT_TEST(BLD_01_reset_in_syn_received),
		KIT_TEST(BLD_01_reset_in_time_wait),
		KIT_TEST(BLD_02_syn_in_each_state),
		KIT_TEST(BLD_03_old_acknowledgment),
		KIT_TEST(BLD_04_largest_window_counts),
		KIT_TEST(BLD_05_challenges_are_throttled),
		KIT_TEST(BLD_05_old_data_is_always_answered),
		cmocka_unit_test(BLD_05_each_connection_for_itself),
		KIT_TEST(T_04_edges_of_small_windows),
		KIT_TEST(BLD_05_KA_05_keepalives_beside_challenges),
		KIT_TEST(T_28_no_ack_storm),
		KIT_TEST(T_28_no_storm_of_keepalives),
		KIT_TEST(T_28_nothing_shared_to_count),
	};

	return KIT_RUN("blind", tests);
}
