/*
 * What a connection remembers as a time or a sequence number, when the time is long ago or the
 * number half the space behind: 36 minutes with its block, 2 GiB sent without an event, 13 days of
 * silence, 40 days of nothing but signs of life.
 */
#include "inside.h"

#define RTT (10 * MS)
#define DAY (86400 * SEC)

/* The block stays for a setting of the connection's own; then all rests but the block. */
static void keep_block(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	pier_set_timeouts(c, 90 * SEC, 200 * SEC);
}

static void finish_round(struct flow *f)
{
	while (f->una < f->sent)
		flow_ack(f, f->una + 1);
}

/*
 * After so long, on a path that has become slower, the first ACK of a flight says nothing about the
 * rest: what was delivered long ago is no measure of what is late.
 */
static void a_delivery_of_long_ago(void **s)
{
	static const uint64_t gap[] = {10, 36, 50, 71, 72, 100, 143, 180, 2000};

	for (unsigned int i = 0; i < ARRAY_SIZE(gap); i++) {
		struct kit *k = kit_new();
		struct flow f = flow_open(k, OFFER_SACK | OFFER_WS, RTT);

		kit_app_call(f.p, keep_block, 0);
		kit_app_send(f.p, 10 * f.mss);
		assert_int_equal(flow_new(&f), 10);
		kit_advance(k, RTT);
		finish_round(&f);
		kit_advance(k, gap[i] * 60 * SEC);
		kit_app_send(f.p, 10 * f.mss);
		assert_int_equal(flow_new(&f), 10);
		kit_advance(k, RTT);
		flow_ack(&f, f.una + 1);
		kit_silence(k, 15 * MS);
		finish_round(&f);
		kit_silence(k, SEC);
		assert_int_equal(kit_ctr(k, CTR_FAST_RECOVERIES), 0);
		kit_close(k);
	}
}

/* Pretend that so many bytes went by since the marks were made. */
static void age_marks(const struct flow *f, uint32_t bytes)
{
	struct tcp_conn *c;
	struct tcp_work *w = inside(f, &c);

	w->recover -= bytes;
	w->ecn_end -= bytes;
	w->limited_end -= bytes;
	w->marks -= bytes;
}

/* One of 20 is lost: the window must shrink, however much was sent since the last event. */
static void a_reduction_2_gib_after_the_last(void **s)
{
	for (int sack = 0; sack < 2; sack++) {
		struct kit *k = kit_new();
		struct flow f = flow_of_20(k, (sack ? OFFER_SACK : 0) | OFFER_WS, RTT, 100);
		uint32_t before;

		age_marks(&f, 0x60000000);
		kit_advance(k, RTT);
		flow_ack(&f, f.una + 1);
		age_marks(&f, 0x30000000);
		before = inside_cwnd(&f);
		for (uint32_t i = f.una + 2; i < 30; i++)
			if (sack)
				flow_sack(&f, f.una, f.una + 1, i);
			else
				flow_ack(&f, f.una);
		assert_int_equal(kit_ctr(k, CTR_FAST_RECOVERIES), 1);
		assert_true(inside_cwnd(&f) < before);
		kit_close(k);
	}
}

/* The window fell for a loss, then for an echo: that the loss was none says nothing of the echo. */
static void no_undo_across_an_echo(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	struct flow f;
	unsigned int again;
	uint32_t low;

	k->tcp.ecn = true;
	f = flow_of_20(k, OFFER_SACK | OFFER_WS | OFFER_ECN, RTT, 60);
	p = f.p;
	kit_advance(k, RTT);
	flow_sack(&f, 10, 11, 15);
	flow_any(&f, &again);
	assert_int_equal(kit_ctr(k, CTR_FAST_RECOVERIES), 1);
	kit_advance(k, RTT);
	flow_ack(&f, f.sent);
	flow_any(&f, &again);
	kit_advance(k, RTT);
	send_seg(p, .flags = ACK | ECE, .seq = 1, .ack = at(&f, f.una + 1));
	f.una++;
	assert_int_equal(kit_ctr(k, CTR_ECN_REDUCTIONS), 1);
	low = inside_cwnd(&f);
	flow_sack(&f, f.una, 10, 11); /* below the ACK: a D-SACK */
	assert_int_equal(inside_cwnd(&f), low);
	assert_int_equal(kit_ctr(k, CTR_SPURIOUS_RECOVERIES), 0);
}

/*
 * Both sides probe a window that has just opened, so that both probes are taken and both sides' own
 * segments lie one octet before what the other expects. The ACK field counts for the probe's octet.
 */
static void both_probes_are_taken(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	struct seg g;

	p->win = 0;
	kit_open(p);
	kit_app_send(p, 3000);
	kit_advance(k, 290 * MS);
	while (!kit_has(k))
		kit_advance(k, 100 * MS);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1);
	/* The peer's probe, sent before it took ours: taken. */
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1);
	kit_advance(k, 50 * MS);
	kit_drain(k);
	/* The peer took ours in the same moment; its SND.NXT does not count its own probe. */
	p->win = 65535;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 2);
	g = kit_take(p);
	assert_int_equal(g.ack, 2);
	assert_int_equal(g.seq, 2);
	while (kit_has(k))
		g = kit_take(p);
	assert_int_equal(g.seq + g.len, 3001);
	send_seg(p, .flags = ACK, .seq = 2, .ack = 3001);
	kit_silence(k, SEC);
	assert_int_equal(p->app.rx, 1);
}

/* A handler's timer far ahead on a connection that has been silent for so long. */
static void a_far_timer_after_days(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);
	uint64_t day = 24ull * 3600 * SEC, before;

	for (unsigned int d = 1; d < 60; d += 3) {
		kit_advance(k, 3 * day);
		kit_app_timer(p, 10 * SEC);
		kit_advance(k, SEC + 500 * MS); /* beyond what served to set it */
		before = k->now;
		if (engine_next(k->e, k->now) < before + 100 * MS)
			fail_msg("day %u: %lu", d, engine_next(k->e, k->now) - before);
	}
}

/* A timer beyond what a clock of 32 bits can tell from the past is not one of now. */
static void a_timer_beyond_the_clock(void **s)
{
	static const uint64_t days[] = {1, 24, 25, 30, 49, 50, 75, 1000};
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);

	for (unsigned int i = 0; i <= ARRAY_SIZE(days); i++) {
		const uint64_t delay = i < ARRAY_SIZE(days) ? days[i] * DAY : UINT64_MAX;
		const uint64_t due = min_of(delay, 24 * DAY);

		p->app.timers = 0;
		kit_app_timer(p, delay);
		kit_advance(k, due - SEC);
		assert_int_equal(p->app.timers, 0);
		kit_advance(k, 2 * SEC);
		assert_int_equal(p->app.timers, 1);
	}
	kit_drain(k);
}

/* The wheel is full of entries that have long been dead: timers come late, but they come. */
static void a_full_wheel(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k), *half;
	struct tcp *t = (struct tcp *)(uintptr_t)engine_tcp(k->e);
	uint32_t last = k->conf.max_connections; /* a record never used: the entries are dead */

	kit_advance(k, SEC);
	for (uint32_t i = 0; wheel_insert(&t->wheel, flow_entry(FLOW_CONN, last), t->now_ms +
					  20000 + i % 64);
	     i++)
		;
	kit_app_send(p, 100);
	kit_drain(k);
	half = kit_peer(k);
	kit_syn(half);
	kit_synack(half);
	assert_true(kit_ctr(k, CTR_WHEEL_FULL) > 0);
	kit_advance(k, 21 * SEC);
	assert_true(kit_has(k));
	assert_true(kit_ctr(k, CTR_RTO_FIRED) + kit_ctr(k, CTR_TLP_PROBES) > 0);
	assert_true(kit_ctr(k, CTR_SYNACK_RETRANSMITS) > 0);
	kit_drain(k);
}

/* The peer's data is taken, although its timestamps have gone half around. */
static void still_heard(struct kit_peer *p, uint32_t seq)
{
	const uint64_t rx = p->app.rx;

	kit_drain(p->k);
	send_seg(p, .flags = ACK, .seq = seq, .ack = 1, .len = 10);
	assert_int_equal(p->app.rx, rx + 10);
	kit_advance(p->k, SEC);
	assert_int_equal(expect(p, .flags = ACK, .seq = 1, .ack = seq + 10).opts.tsecr,
			 p->ts_base + ms_of(p->k->now - SEC));
}

/*
 * The peer says every other hour that it is there, and from these segments no timestamp is taken.
 * RFC 7323 section 5.5: what was taken last is then as old as without them.
 */
static void kept_alive_by_the_peer_for_weeks(void **s)
{
	static const unsigned int days[] = {1, 24, 25, 26, 40};

	for (unsigned int i = 0; i < ARRAY_SIZE(days); i++) {
		struct kit *k = kit_new();
		struct kit_peer *p = kit_est(k);

		for (unsigned int n = 0; n < 12 * days[i]; n++) {
			kit_advance(k, DAY / 12);
			send_seg(p, .flags = ACK, .seq = 0, .ack = 1);
			expect(p, .flags = ACK, .seq = 1, .ack = 1);
		}
		still_heard(p, 1);
		kit_close(k);
	}
}

/* A window closed for as long: what probes it says what time it is. */
static void probed_for_weeks(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);
	uint32_t end = 1;

	p->app.take = 0;
	while (p->app.waiting < 65535) {
		send_seg(p, .flags = ACK, .seq = end, .ack = 1, .len = min_of(1000u, 65536 - end));
		end += min_of(1000u, 65536 - end);
	}
	kit_advance(k, SEC);
	kit_drain(k);
	for (unsigned int n = 0; n < 40 * 12; n++) {
		kit_advance(k, DAY / 12);
		send_seg(p, .flags = ACK, .seq = end, .ack = 1, .len = 1);
		assert_int_equal(expect(p, .flags = ACK, .seq = 1, .ack = end).opts.tsecr,
				 p->ts_base + ms_of(k->now));
	}
	kit_app_read(p, 1000000);
	still_heard(p, end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(kept_alive_by_the_peer_for_weeks),
		KIT_TEST(probed_for_weeks),
		cmocka_unit_test(a_delivery_of_long_ago),
		cmocka_unit_test(a_reduction_2_gib_after_the_last),
		KIT_TEST(no_undo_across_an_echo),
		KIT_TEST(both_probes_are_taken),
		KIT_TEST(a_far_timer_after_days),
		KIT_TEST(a_timer_beyond_the_clock),
		KIT_TEST(a_full_wheel),
	};

	return KIT_RUN("stale", tests);
}
