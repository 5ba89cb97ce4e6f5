/*
 * RACK and PRR by numbers alone.
 */
#include "algo/prr.h"
#include "algo/rack.h"
#include "kit.h"

#define RTT 40000u

static struct rack fresh(void)
{
	struct rack r;

	rack_init(&r, 1000);
	return r;
}

static void deliver(struct rack *r, uint32_t sent, uint32_t end, bool again, bool older,
		    uint32_t now)
{
	const struct rack_range d = {.sent = sent, .end = end, .again = again, .echo_older = older};

	rack_delivered(r, &d, now, RTT);
}

static void the_latest_sent_counts(void **s)
{
	struct rack r = fresh();

	assert_false(rack_before(&r, 0, 2000)); /* nothing was delivered */
	deliver(&r, 100, 3000, false, false, 100 + RTT);
	assert_int_equal(r.rtt_us, RTT);
	assert_true(rack_before(&r, 99, 9000));
	assert_true(rack_before(&r, 100, 2000)); /* a tie goes by the sequence number */
	assert_false(rack_before(&r, 100, 3000));
	assert_false(rack_before(&r, 101, 2000));
	deliver(&r, 50, 4000, false, false, 100 + RTT); /* sent earlier: nothing changes */
	assert_int_equal(r.xmit, 100);
	deliver(&r, 100, 5000, false, false, 100 + RTT);
	assert_int_equal(r.end, 5000);
}

/* Times and sequence numbers at their wraps. */
static void across_the_wrap(void **s)
{
	struct rack r;

	rack_init(&r, 0xfffffff0u);
	deliver(&r, 0xffffff00u, 16, false, false, 0xffffff00u + RTT);
	assert_true(rack_before(&r, 0xfffffeffu, 100));
	assert_false(rack_before(&r, 5, 8));
	assert_true(rack_before(&r, 0xffffff00u, 0xfffffff8u));
	assert_int_equal(r.fack, 16);
	assert_int_equal(rack_left(&r, 0xffffff00u, 0, 0xffffff00u + RTT - 7), 7);
	assert_int_equal(rack_left(&r, 0xffffff00u, 0, 0xffffff00u + RTT), 0);
}

static void RK_07_an_ack_for_the_first_copy(void **s)
{
	struct rack r = fresh();

	deliver(&r, 100, 2000, true, false, 101); /* too quick to be true */
	assert_int_equal(r.rtt_us, 0);
	deliver(&r, 100, 2000, true, true, 100 + 2 * RTT); /* echoes what was sent before */
	assert_int_equal(r.rtt_us, 0);
	deliver(&r, 100, 2000, true, false, 100 + 2 * RTT);
	assert_int_equal(r.rtt_us, 2 * RTT);
}

static void reordering_is_seen(void **s)
{
	struct rack r = fresh();

	deliver(&r, 100, 5000, false, false, 100 + RTT);
	deliver(&r, 90, 3000, true, false, 100 + 3 * RTT); /* sent again: no proof */
	assert_false(r.reordering);
	deliver(&r, 90, 4000, false, false, 100 + RTT);
	assert_true(r.reordering);
}

static void RK_03_RK_04_the_window(void **s)
{
	struct rack r = fresh();
	struct rack_now n = {.min_rtt_us = RTT, .srtt_us = 2 * RTT};

	assert_int_equal(rack_reo_wnd(&r, &n), RTT / 4);
	n.dup_thresh = true;
	assert_int_equal(rack_reo_wnd(&r, &n), 0);
	n.dup_thresh = false;
	n.recovery = true;
	assert_int_equal(rack_reo_wnd(&r, &n), 0);
	r.reordering = true;
	assert_int_equal(rack_reo_wnd(&r, &n), RTT / 4);
	for (uint32_t i = 2; i <= RACK_MULT_MAX; i++) {
		rack_dsack(&r, 1000 * i, 1000 * i + 500);
		rack_dsack(&r, 1000 * i + 100, 1000 * i + 600); /* the same round */
		assert_int_equal(r.mult, i);
		assert_int_equal(rack_reo_wnd(&r, &n), i * RTT / 4);
	}
	n.srtt_us = RTT;
	assert_int_equal(rack_reo_wnd(&r, &n), RTT); /* never more than a round trip */
	for (int i = 0; i < 15; i++)
		rack_recovered(&r);
	assert_int_equal(r.mult, RACK_MULT_MAX);
	rack_recovered(&r);
	assert_int_equal(r.mult, 1);
}

/* RFC 9937: 20 in flight, one lost, ssthresh 10; then everything but a few lost. */
static void CC_10_CC_11_how_much_may_leave(void **s)
{
	struct prr p;
	uint32_t out = 0, pipe;

	prr_start(&p, 19 * 1000);
	pipe = 19 * 1000;
	for (uint32_t d = 1; pipe > 10 * 1000; d++) {
		uint32_t n;

		pipe -= 1000;
		n = prr_ack(&p, 1000, pipe, 10 * 1000, 1000, false);
		if (pipe <= 10 * 1000)
			break;
		assert_int_equal(out + n, (d * 1000 * 10 + 18) / 19);
		prr_sent(&p, n);
		out += n;
		pipe += n;
	}
	prr_start(&p, 20 * 1000);
	assert_int_equal(prr_ack(&p, 1000, 2000, 10 * 1000, 1000, false), 1000);
	prr_sent(&p, 1000);
	assert_int_equal(prr_ack(&p, 1000, 2000, 10 * 1000, 1000, true), 2000);
	prr_sent(&p, 2000);
	assert_int_equal(prr_ack(&p, 4000, 9500, 10 * 1000, 1000, true), 500);
	prr_start(&p, 20 * 1000);
	assert_int_equal(prr_ack(&p, 0, 10 * 1000, 10 * 1000, 1000, false), 1000); /* always one */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_latest_sent_counts),
		cmocka_unit_test(across_the_wrap),
		cmocka_unit_test(RK_07_an_ack_for_the_first_copy),
		cmocka_unit_test(reordering_is_seen),
		cmocka_unit_test(RK_03_RK_04_the_window),
		cmocka_unit_test(CC_10_CC_11_how_much_may_leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
