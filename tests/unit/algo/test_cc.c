/*
 * NewReno's windows, and the moves of cwnd during fast recovery (CC-06, CC-08). Rows shown in full:
 * CC-03, CC-04, CC-05; of CC-01, CC-12 and CC-13 what is left to congestion control.
 */
#include "kit.h"

#include "algo/cc.h"

#define MSS 1448u

static const struct cc_ops *ops = &cc_newreno;

static struct cc fresh(uint32_t cwnd, uint32_t ssthresh)
{
	struct cc c;

	memset(&c, 0xa5, sizeof(c));
	c.set = (struct cc_settings){.abc_limit = 1};
	ops->init(&c, MSS, cwnd);
	assert_int_equal(c.cwnd, cwnd);
	assert_int_equal(c.ssthresh, CC_SSTHRESH_NONE);
	assert_int_equal(c.mss, MSS);
	assert_int_equal(c.acked, 0);
	c.ssthresh = ssthresh;
	return c;
}

static void ack(struct cc *c, uint32_t bytes, bool limited)
{
	struct cc_ack a = { .acked = bytes, .flight_before = c->cwnd, .cwnd_limited = limited };

	ops->on_ack(c, &a);
}

static void test_initial_window(void **state)
{
	assert_int_equal(cc_initial_window(1460), 14600);
	assert_int_equal(cc_initial_window(1448), 14480);
	assert_int_equal(cc_initial_window(536), 5360);
	assert_int_equal(cc_initial_window(8960), 2 * 8960);
	assert_int_equal(cc_initial_window(4380), 14600);
	assert_int_equal(cc_initial_window(64), 640);
}

/* L SMSS an ACK at most, and acknowledged bytes at most. */
static void slow_start(const struct cc_ops *alg, uint8_t limit, uint32_t grows)
{
	struct cc c = {.set = {.abc_limit = limit}};
	struct cc_ack a = {.acked = 4 * MSS, .cwnd_limited = true, .after_rto_slow_start = true};

	alg->init(&c, MSS, 10 * MSS);
	ops = alg;
	ack(&c, 16 * MSS, true);
	assert_int_equal(c.cwnd, (10 + grows) * MSS);
	ack(&c, 4 * MSS, true);
	assert_int_equal(c.cwnd, (10 + grows + min_of(grows, 4u)) * MSS);
	ops->init(&c, MSS, 10 * MSS);
	for (uint32_t i = 0; i < MSS; i++)
		ack(&c, 1, true);
	assert_int_equal(c.cwnd, 11 * MSS);
	ops->on_rto(&c, 11 * MSS, true, 1);
	ack(&c, 4 * MSS, true);
	assert_int_equal(c.cwnd, 2 * MSS);
	ops->on_ack(&c, &a);
	assert_int_equal(c.cwnd, 3 * MSS);
	for (uint32_t i = 0; i < MSS; i++)
		ack(&c, 1, true);
	assert_int_equal(c.cwnd, 4 * MSS);
	ops = &cc_newreno;
}

static void CC_03_slow_start(void **state)
{
	slow_start(&cc_newreno, 0, 1);
	slow_start(&cc_newreno, 1, 1);
	slow_start(&cc_newreno, 2, 2);
	slow_start(&cc_cubic, 1, 8);
	slow_start(&cc_cubic, 2, 8);
}

/* A slow start after an idle time has the same L; one that a loss has cut short, too. */
static void test_slow_start_after_a_timeout_is_over(void **state)
{
	struct cc c = fresh(20 * MSS, CC_SSTHRESH_NONE);

	c.set.abc_limit = 2;
	ops->on_rto(&c, 20 * MSS, true, 1);
	while (cc_in_slow_start(&c))
		ack(&c, 2 * MSS, true);
	ack(&c, 2 * MSS, true);
	ops->on_idle(&c, 4 * MSS);
	ack(&c, 2 * MSS, true);
	assert_int_equal(c.cwnd, 6 * MSS);
}

static void test_slow_start_ends(void **state)
{
	struct cc c = fresh(4 * MSS, 6 * MSS);

	ack(&c, MSS, true);
	ack(&c, MSS, true);
	assert_int_equal(c.cwnd, 6 * MSS);
	assert_false(cc_in_slow_start(&c));
	ack(&c, MSS, true);
	assert_int_equal(c.cwnd, 6 * MSS);
}

/* Ten round trips of cwnd bytes each, acknowledged by portions of chunk bytes. */
static uint32_t ten_rtts(uint32_t chunk)
{
	struct cc c = fresh(20 * MSS, 20 * MSS);

	for (int rtt = 0; rtt < 10; rtt++) {
		uint32_t window = c.cwnd, before = c.cwnd;

		for (; window; window -= min_of(chunk, window))
			ack(&c, min_of(chunk, window), true);
		assert_true(c.cwnd - before <= MSS);
	}
	return c.cwnd;
}

/* 20 to 30 segments in ten round trips, however the bytes are acknowledged. */
static void CC_04_congestion_avoidance(void **state)
{
	assert_int_equal(ten_rtts(2 * MSS), 30 * MSS);
	assert_int_equal(ten_rtts(MSS), 30 * MSS);
	assert_int_equal(ten_rtts(1), 30 * MSS);
	assert_int_equal(ten_rtts(1000 * MSS), 30 * MSS);
}

/* Bytes beyond one cwnd count for the next. */
static void test_remainder(void **state)
{
	struct cc c = fresh(20 * MSS, 20 * MSS);

	for (int i = 0; i < 7; i++)
		ack(&c, 3 * MSS, true);
	assert_int_equal(c.cwnd, 21 * MSS);
	for (int i = 0; i < 20; i++)
		ack(&c, MSS, true);
	assert_int_equal(c.cwnd, 22 * MSS);
}

/* One ACK of far more than cwnd grows it by one SMSS, and leaves less than a second one's worth. */
static void test_huge_ack(void **state)
{
	struct cc c = fresh(20 * MSS, 20 * MSS);

	ack(&c, 4000000000u, true);
	assert_int_equal(c.cwnd, 21 * MSS);
	ack(&c, 4000000000u, true);
	assert_int_equal(c.cwnd, 22 * MSS);
	assert_true(c.acked < c.cwnd);
}

static void CC_05_timeouts(void **state)
{
	struct cc c = fresh(20 * MSS, CC_SSTHRESH_NONE);

	ops->on_rto(&c, 20 * MSS, true, 1);
	assert_int_equal(c.ssthresh, 10 * MSS);
	assert_int_equal(c.cwnd, MSS);
	for (int i = 0; i < 2; i++) {
		ops->on_rto(&c, MSS, false, 2);
		assert_int_equal(c.ssthresh, 10 * MSS);
		assert_int_equal(c.cwnd, MSS);
	}
	/* Then slow start up to ssthresh, one SMSS an ACK. */
	for (uint32_t i = 2; i <= 10; i++) {
		struct cc_ack a = { .acked = 3 * MSS, .cwnd_limited = true,
				    .after_rto_slow_start = true };

		ops->on_ack(&c, &a);
		assert_int_equal(c.cwnd, i * MSS);
	}
	ack(&c, MSS, true);
	assert_int_equal(c.cwnd, 10 * MSS);
	/* The next segment's first timeout reduces again, never below two. */
	ops->on_rto(&c, 3 * MSS, true, 3);
	assert_int_equal(c.ssthresh, 2 * MSS);
}

/* FlightSize counts, not cwnd. */
static void CC_05_loss(void **state)
{
	struct cc c = fresh(100 * MSS, 50 * MSS);

	c.acked = 7;
	ops->on_loss(&c, 10 * MSS, 1);
	assert_int_equal(c.ssthresh, 5 * MSS);
	assert_int_equal(c.cwnd, 5 * MSS);
	assert_int_equal(c.w_max, 100 * MSS);
	assert_int_equal(c.acked, 0);
	ops->on_loss(&c, 2 * MSS, 2);
	assert_int_equal(c.ssthresh, 2 * MSS);
}

/* RFC 3168 6.1.2: as loss, of the flight, but down to one segment and never up. */
static void test_ecn(void **state)
{
	static const uint32_t cases[][4] = { /* cwnd, flight, then: cwnd, ssthresh; in half segments */
		{200, 200, 100, 100}, {200, 20, 10, 10}, {4, 4, 2, 4}, {6, 6, 2, 4}, {2, 2, 2, 4},
		{20, 100, 20, 20}, {8, 8, 4, 4}, {10, 10, 5, 5},
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cc c = fresh(cases[i][0] * MSS / 2, CC_SSTHRESH_NONE);

		c.acked = 7;
		ops->on_ecn(&c, cases[i][1] * MSS / 2, 1);
		assert_int_equal(c.cwnd, cases[i][2] * MSS / 2);
		assert_int_equal(c.ssthresh, cases[i][3] * MSS / 2);
		assert_int_equal(c.w_max, cases[i][0] * MSS / 2);
		assert_int_equal(c.acked, 0);
	}
}

/* 20 in flight, three duplicates, two more, a partial ACK of 4, one below SMSS, and out. */
static void test_recovery(void **state)
{
	struct cc c = fresh(20 * MSS, CC_SSTHRESH_NONE);

	ops->on_loss(&c, 20 * MSS, 1);
	cc_enter_recovery(&c);
	assert_int_equal(c.cwnd, 13 * MSS);
	cc_inflate(&c);
	cc_inflate(&c);
	assert_int_equal(c.cwnd, 15 * MSS);
	cc_deflate(&c, 4 * MSS);
	assert_int_equal(c.cwnd, 12 * MSS);
	cc_deflate(&c, 100);
	assert_int_equal(c.cwnd, 12 * MSS - 100);
	cc_deflate(&c, 50 * MSS);
	assert_int_equal(c.cwnd, MSS);
	ops->on_exit_recovery(&c, 2);
	assert_int_equal(c.cwnd, 10 * MSS);
	assert_int_equal(c.ssthresh, 10 * MSS);
}

static void test_undo(void **state)
{
	struct cc c = fresh(20 * MSS, 10 * MSS), before = c;

	ops->on_rto(&c, 20 * MSS, true, 1);
	ops->on_undo(&c, &before, 2);
	assert_int_equal(c.cwnd, 20 * MSS);
	assert_int_equal(c.ssthresh, 10 * MSS);
	assert_false(c.after_rto);
	ops->on_loss(&c, 20 * MSS, 3);
	c.cwnd = 30 * MSS;
	ops->on_undo(&c, &before, 4);
	assert_int_equal(c.cwnd, 30 * MSS);
}

static void test_idle(void **state)
{
	struct cc c = fresh(100 * MSS, 50 * MSS);

	ops->on_idle(&c, 10 * MSS);
	assert_int_equal(c.cwnd, 10 * MSS);
	assert_int_equal(c.ssthresh, 50 * MSS);
	c = fresh(3 * MSS, 50 * MSS);
	ops->on_idle(&c, 10 * MSS);
	assert_int_equal(c.cwnd, 3 * MSS);
}

/* CC-13: two segments a round trip at cwnd 10 never grow it; ten sent, then acknowledged, do. */
static void test_limited(void **state)
{
	struct cc c = fresh(10 * MSS, CC_SSTHRESH_NONE);

	for (int rtt = 0; rtt < 1000; rtt++)
		ack(&c, 2 * MSS, cc_is_limited(&c, 2 * MSS));
	assert_int_equal(c.cwnd, 10 * MSS);
	for (int i = 0; i < 5; i++)
		ack(&c, 2 * MSS, cc_is_limited(&c, 10 * MSS));
	assert_int_equal(c.cwnd, 15 * MSS);
}

static void test_limited_threshold(void **state)
{
	struct cc c = fresh(10 * MSS, CC_SSTHRESH_NONE);

	assert_true(cc_is_limited(&c, 5 * MSS));
	assert_false(cc_is_limited(&c, 5 * MSS - 1));
	c.ssthresh = 10 * MSS;
	assert_true(cc_is_limited(&c, 9 * MSS));
	assert_false(cc_is_limited(&c, 9 * MSS - 1));
	for (int rtt = 0; rtt < 100; rtt++)
		ack(&c, 8 * MSS, cc_is_limited(&c, 8 * MSS));
	assert_int_equal(c.cwnd, 10 * MSS);
}

static void test_ceiling(void **state)
{
	struct cc c = fresh(CC_CWND_MAX - 10, CC_SSTHRESH_NONE);

	for (int i = 0; i < 3; i++)
		ack(&c, MSS, true);
	assert_int_equal(c.cwnd, CC_CWND_MAX);
	cc_inflate(&c);
	assert_int_equal(c.cwnd, CC_CWND_MAX);
	c.ssthresh = MSS;
	ack(&c, CC_CWND_MAX, true);
	assert_int_equal(c.cwnd, CC_CWND_MAX);
}

static void test_mss(void **state)
{
	struct cc c = fresh(20 * MSS, 4 * MSS);

	ops->on_mss(&c, MSS / 2);
	assert_int_equal(c.mss, MSS / 2);
	assert_int_equal(c.cwnd, 20 * (MSS / 2));
	assert_int_equal(c.ssthresh, 4 * MSS);
	ops->on_mss(&c, MSS);
	assert_int_equal(c.cwnd, 10 * MSS);
	ops->on_mss(&c, 11 * MSS);
	assert_int_equal(c.cwnd, 11 * MSS);
	assert_int_equal(c.ssthresh, 22 * MSS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_initial_window),
		cmocka_unit_test(CC_03_slow_start),
		cmocka_unit_test(test_slow_start_after_a_timeout_is_over),
		cmocka_unit_test(test_slow_start_ends),
		cmocka_unit_test(CC_04_congestion_avoidance),
		cmocka_unit_test(test_remainder),
		cmocka_unit_test(test_huge_ack),
		cmocka_unit_test(CC_05_timeouts),
		cmocka_unit_test(CC_05_loss),
		cmocka_unit_test(test_ecn),
		cmocka_unit_test(test_recovery),
		cmocka_unit_test(test_undo),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_limited),
		cmocka_unit_test(test_limited_threshold),
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_mss),
	};

	return cmocka_run_group_tests_name("cc", tests, NULL, NULL);
}
