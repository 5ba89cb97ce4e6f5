/*
 * Congestion control over whole rounds, without SACK: Reno's growth, NewReno's recovery.
 * Rows: CC-04 CC-05 CC-08 CC-13 WND-01.
 */
#include "kit.h"

#define MSS 1460u
#define RTT (10 * MS)

/* A connection and how far it is: all below end was sent, all below una acknowledged. */
struct flow {
	struct kit *k;
	struct kit_peer *p;
	uint32_t una, end;
};

/* Take what waits, which must be new data; how many segments. */
static unsigned int take_new(struct flow *f)
{
	unsigned int n = 0;

	for (; kit_has(f->k); n++) {
		struct seg g = kit_take(f->p);

		assert_int_equal(g.seq, f->end);
		f->end += g.len;
	}
	return n;
}

static struct flow start(struct kit *k, uint16_t win, uint64_t bytes)
{
	struct flow f = {.k = k, .p = kit_peer(k), .una = 1, .end = 1};

	f.p->win = win;
	kit_syn(f.p);
	kit_synack(f.p);
	kit_advance(k, RTT);
	send_seg(f.p, .flags = ACK, .seq = 1, .ack = 1);
	kit_app_send(f.p, bytes);
	return f;
}

static void ack(struct flow *f, uint32_t to)
{
	send_seg(f->p, .flags = ACK, .seq = 1, .ack = f->una = to);
}

/* An RTT later, ACKs of step bytes each for all that is in flight; the segments that follow. */
static unsigned int round_of(struct flow *f, uint32_t step)
{
	uint32_t end = f->end;
	unsigned int n = 0;

	kit_advance(f->k, RTT);
	while (f->una != end) {
		ack(f, min_of(f->una + step, end));
		n += take_new(f);
	}
	return n;
}

static void dup_acks(struct flow *f, unsigned int n)
{
	while (n--)
		send_seg(f->p, .flags = ACK, .seq = 1, .ack = f->una);
}

#define expect_at(f, at, n) \
	expect((f)->p, .flags = ACK, .seq = (at), .ack = 1, .len = (n))

/*
 * 40 segments in flight, as many as the peer's window has, so that a duplicate ACK releases no new
 * data; the first is lost. Then cwnd = ssthresh = 20.
 */
static struct flow avoiding(struct kit *k)
{
	struct flow f = start(k, 40 * MSS, 1 << 20);

	assert_int_equal(take_new(&f), 10);
	assert_int_equal(round_of(&f, MSS), 20);
	assert_int_equal(round_of(&f, MSS), 40);
	kit_advance(k, RTT);
	dup_acks(&f, 3);
	expect_at(&f, f.una, MSS);
	kit_quiet(k);
	kit_advance(k, RTT);
	ack(&f, f.end);
	assert_int_equal(take_new(&f), 20);
	return f;
}

static void CC_04_one_segment_a_round(void **s)
{
	static const uint32_t steps[] = {2 * MSS, MSS, MSS / 10, 100};

	for (unsigned int i = 0; i < ARRAY_SIZE(steps); i++) {
		struct kit *k = kit_new();
		unsigned int n = 20, before;
		struct flow f;

		kit_congestion(k, "newreno");
		f = avoiding(k);
		for (int j = 0; j < 10; j++) {
			before = n;
			n = round_of(&f, steps[i]);
			assert_in_range(n, before, before + 1);
		}
		assert_in_range(n, 29, 31);
		kit_close(k);
	}
}

static void CC_08_three_holes(void **s)
{
	struct kit *k = *s;
	struct flow f;
	uint32_t base;

	kit_congestion(k, "newreno");
	f = start(k, 65535, 30 * MSS);
	take_new(&f);
	assert_int_equal(round_of(&f, MSS), 20);
	base = f.una; /* lost: the 1st, 6th and 11th of 20 */
	kit_advance(k, RTT);
	dup_acks(&f, 17);
	for (uint32_t i = 0; i < 3; i++) {
		expect_at(&f, base + 5 * i * MSS, MSS);
		kit_quiet(k);
		kit_advance(k, RTT);
		ack(&f, i < 2 ? base + 5 * (i + 1) * MSS : f.end);
	}
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_FAST_RECOVERIES), 1);
	assert_int_equal(kit_ctr(k, CTR_TX_RETRANSMITS), 3);
	assert_int_equal(kit_ctr(k, CTR_RTO_FIRED), 0);
	kit_app_send(f.p, 1 << 20);
	assert_int_equal(take_new(&f), 10); /* half of 20, once */
}

/* After a timeout: the 10 segments of before are acknowledged, and 4 others are in flight. */
static struct flow after_a_timeout(struct kit *k)
{
	struct flow f = start(k, 65535, 14 * MSS);

	assert_int_equal(take_new(&f), 10);
	kit_advance(k, 215 * MS);
	expect_at(&f, 1, MSS);
	kit_quiet(k);
	while (f.una != f.end)
		ack(&f, f.una + MSS);
	kit_drain(k);
	f.end += 4 * MSS;
	return f;
}

static void CC_08_duplicates_of_the_time_before_a_timeout(void **s)
{
	struct kit *k = *s;
	struct flow f = after_a_timeout(k);

	dup_acks(&f, 5); /* ack - 1 = recover */
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_FAST_RECOVERIES), 0);
}

static void CC_08_loss_after_a_timeout(void **s)
{
	struct kit *k = *s;
	struct flow f = after_a_timeout(k);

	ack(&f, f.una + 1);
	dup_acks(&f, 3);
	assert_int_equal(kit_take(f.p).seq, f.una);
	assert_int_equal(kit_ctr(k, CTR_FAST_RECOVERIES), 1);
}

static void CC_08_only_the_first_partial_ack_restarts_the_timer(void **s)
{
	struct kit *k = *s;
	struct flow f = start(k, 65535, 30 * MSS);
	uint32_t base;
	uint64_t t;

	take_new(&f);
	assert_int_equal(round_of(&f, MSS), 20);
	base = f.una;
	kit_advance(k, RTT);
	dup_acks(&f, 16);
	kit_advance(k, RTT);
	ack(&f, base + 5 * MSS);
	t = k->now;
	kit_advance(k, 150 * MS);
	ack(&f, base + 10 * MSS);
	kit_drain(k);
	kit_advance_to(k, t + 200 * MS);
	kit_quiet(k);
	kit_advance_to(k, t + 230 * MS);
	assert_int_equal(kit_take(f.p).seq, f.una);
	assert_int_equal(kit_ctr(k, CTR_RTO_FIRED), 1);
}

/* CC-05, CC-06: what limited transmit sent is no part of the flight that is halved. */
static void CC_05_limited_transmit_does_not_count(void **s)
{
	struct kit *k = *s;
	struct flow f;
	uint32_t sent;

	kit_congestion(k, "newreno");
	f = start(k, 65535, 1 << 20);
	take_new(&f);
	assert_int_equal(round_of(&f, MSS), 20);
	kit_advance(k, RTT);
	dup_acks(&f, 2);
	assert_int_equal(take_new(&f), 2);
	dup_acks(&f, 1);
	expect_at(&f, f.una, MSS);
	kit_quiet(k);
	sent = f.end;
	kit_advance(k, RTT);
	ack(&f, sent);
	assert_int_equal(take_new(&f), 10);
}

/* Ten in flight, ACKs of two each, each answered before the next: grow by step segments each. */
static void spread_acks(struct kit *k, unsigned int step)
{
	struct flow f = start(k, 65535, 1 << 20);

	assert_int_equal(take_new(&f), 10);
	kit_advance(k, RTT);
	for (uint32_t i = 1; i <= 5; i++) {
		ack(&f, f.una + 2 * MSS);
		assert_int_equal(take_new(&f), 2 + step);
		assert_int_equal(f.end - f.una, (10 + i * step) * MSS);
	}
}

/* The same ACKs in one burst, no segment between them. */
static void burst_acks(struct kit *k, unsigned int step)
{
	struct flow f = start(k, 65535, 1 << 20);

	assert_int_equal(take_new(&f), 10);
	kit_advance(k, RTT);
	kit_burst_begin(k);
	for (uint32_t i = 1; i <= 5; i++)
		ack(&f, f.una + 2 * MSS);
	kit_burst_end(k);
	assert_int_equal(take_new(&f), 10 + 5 * step);
}

/* 12, 14, 16, 18, 20 with CUBIC (L = 8) and Reno with L = 2; 11 to 15 with L = 1. */
static void CC_13_acks_spread_or_in_a_burst(void **s)
{
	static const struct {
		const char *name;
		uint32_t limit;
		unsigned int step;
	} cases[] = {{"cubic", 1, 2}, {"newreno", 2, 2}, {"newreno", 1, 1}};

	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		struct kit *k = kit_new();

		kit_congestion(k, cases[i / 2].name);
		k->tcp.abc_limit = cases[i / 2].limit;
		(i % 2 ? burst_acks : spread_acks)(k, cases[i / 2].step);
		kit_close(k);
	}
}

static void CC_13_an_unused_window_does_not_grow(void **s)
{
	struct kit *k = *s;
	struct flow f = start(k, 65535, 2 * MSS);

	for (int i = 0; i < 1000; i++) {
		assert_int_equal(take_new(&f), 2);
		kit_advance(k, RTT);
		ack(&f, f.end);
		kit_app_send(f.p, i < 999 ? 2 * MSS : 1 << 20);
	}
	assert_int_equal(take_new(&f), 10);
}

/* recover covers what was sent before the timeout: one octet more, and duplicates count again. */
static void enters_above_recover(struct kit *k, uint32_t n)
{
	struct flow f = after_a_timeout(k);

	ack(&f, f.una + n);
	dup_acks(&f, 3);
	assert_int_equal(kit_ctr(k, CTR_FAST_RECOVERIES), 1);
}

static void CC_08_one_octet_above_recover(void **s)
{
	enters_above_recover(*s, 1);
}

static void CC_08_two_octets_above_recover(void **s)
{
	enters_above_recover(*s, 2);
}

/* A handler that reads nothing, segments of 1 byte: the right edge must stay. */
static void WND_01_edge_with_tiny_segments(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	uint32_t edge = 0, seq = 1;
	struct seg g;

	k->tcp.rcvbuf = 4 * MIB;
	p = kit_peer(k);
	p->offer = OFFER_WS | OFFER_SACK;
	p->app.take = 0;
	kit_syn(p);
	kit_synack(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	for (; seq < 20000; seq++) {
		send_seg(p, .flags = ACK, .seq = seq, .ack = 1, .len = 1);
		for (; kit_has(k); edge = max_of(edge, g.ack + ((uint32_t)g.win << 7)))
			g = kit_take(p);
	}
	assert_true(edge <= 1 + 4 * MIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(CC_04_one_segment_a_round),
		KIT_TEST(CC_05_limited_transmit_does_not_count),
		KIT_TEST(CC_08_three_holes),
		KIT_TEST(CC_08_duplicates_of_the_time_before_a_timeout),
		KIT_TEST(CC_08_loss_after_a_timeout),
		KIT_TEST(CC_08_one_octet_above_recover),
		KIT_TEST(CC_08_two_octets_above_recover),
		cmocka_unit_test(CC_13_acks_spread_or_in_a_burst),
		KIT_TEST(CC_13_an_unused_window_does_not_grow),
		KIT_TEST(CC_08_only_the_first_partial_ack_restarts_the_timer),
		KIT_TEST(WND_01_edge_with_tiny_segments),
	};

	return KIT_RUN("cc", tests);
}
