/*
 * CUBIC (RFC 9438) against a path reduced to its arithmetic: each ACK takes the part of a round trip
 * that its bytes are of the window. Rows: CC-05, CC-15 to CC-18, ECN-08 and T-24 are shown in full;
 * of CC-20 what is left to congestion control.
 */
#include "kit.h"

#include <fenv.h>

#include "algo/cc.h"

#define MSS 1448u
#define SEC 1000000ull

struct path {
	const struct cc_ops *ops;
	struct cc c;
	uint64_t now, start, area; /* us; bytes * us of cwnd since start */
	uint32_t rtt, una;
	bool drained; /* the next ACK leaves nothing in flight */
};

static struct path path_of(const struct cc_ops *ops, uint32_t mss, uint32_t cwnd, uint32_t rtt)
{
	struct path p = {.ops = ops, .now = 1000 * SEC, .rtt = rtt, .una = 0xfff00000};

	ops->init(&p.c, mss, cwnd);
	p.start = p.now;
	return p;
}

/* bytes are acknowledged after us; the window is in use or not. */
static void ack_after(struct path *p, uint64_t us, uint32_t bytes, bool limited)
{
	struct cc_ack a = {.acked = bytes, .rtt_us = p->rtt, .srtt_us = p->rtt, .min_rtt_us = p->rtt,
			   .cwnd_limited = limited, .flight_before = p->c.cwnd};

	p->area += us * p->c.cwnd;
	p->now += us;
	p->una += bytes;
	a.una = p->una;
	a.nxt = p->drained ? p->una : p->una + p->c.cwnd;
	a.now = p->now;
	p->ops->on_ack(&p->c, &a);
}

static void ack(struct path *p)
{
	uint32_t bytes = min_of(2 * p->c.mss, p->c.cwnd);

	ack_after(p, (uint64_t)p->rtt * bytes / p->c.cwnd, bytes, true);
}

static void run_until(struct path *p, uint64_t at)
{
	while (p->now < at) {
		uint32_t before = p->c.cwnd;

		ack(p);
		assert_true(p->c.cwnd >= before);
	}
}

static double segments(const struct path *p)
{
	return (double)p->c.cwnd / p->c.mss;
}

#define assert_between(v, lo, hi) assert_true((v) >= (lo) && (v) <= (hi))

/* A loss with 100 segments in flight, and the end of its recovery. */
static struct path lost_at_100(uint32_t rtt)
{
	struct path p = path_of(&cc_cubic, MSS, 100 * MSS, rtt);

	p.c.ssthresh = 50 * MSS;
	p.ops->on_loss(&p.c, 100 * MSS, p.now);
	assert_int_equal(p.c.cwnd, 70 * MSS);
	p.ops->on_exit_recovery(&p.c, p.now);
	assert_int_equal(p.c.cwnd, 70 * MSS);
	assert_int_equal(p.c.ssthresh, 70 * MSS);
	assert_int_equal(p.c.w_max, 100 * MSS);
	return p;
}

static void CC_15_the_curve(void **state)
{
	struct path p = lost_at_100(100000);
	uint64_t t0 = p.now;

	run_until(&p, t0 + SEC);
	assert_between(p.c.cubic.k, 4.2171, 4.2173); /* the cube root of 30 / 0.4 */
	assert_between(segments(&p), 85, 89);
	run_until(&p, t0 + 42 * SEC / 10);
	assert_between(segments(&p), 98, 101);
	run_until(&p, t0 + 10 * SEC); /* 100 + 0.4 * 5.78^3 = 177 */
	assert_between(segments(&p), 170, 181);
}

/* Ten seconds in which the application limits, with ACKs or in silence, at one second. */
static void paused(bool acks)
{
	struct path p = lost_at_100(100000);
	uint64_t t0 = p.now;
	uint32_t at_pause;

	run_until(&p, t0 + SEC);
	at_pause = p.c.cwnd;
	if (acks) {
		for (int i = 0; i < 100; i++)
			ack_after(&p, p.rtt, 2 * MSS, false);
	} else {
		p.drained = true;
		ack(&p);
		p.drained = false;
		ack_after(&p, 10 * SEC + p.rtt, 2 * MSS, true);
	}
	assert_between(p.c.cwnd, at_pause, at_pause + MSS);
	run_until(&p, t0 + 142 * SEC / 10);
	assert_between(segments(&p), 98, 101);
	run_until(&p, t0 + 20 * SEC);
	assert_between(segments(&p), 170, 181);
}

static void CC_15_a_pause_shifts_the_curve(void **state)
{
	paused(true);
}

static void CC_15_silence_shifts_the_curve(void **state)
{
	paused(false);
}

/* However far the curve is above: half a window more for each window acknowledged. */
static void CC_15_the_target_is_clamped(void **state)
{
	struct path p = path_of(&cc_cubic, MSS, 1000 * MSS, 100000);
	uint32_t cwnd;

	p.c.ssthresh = MSS;
	p.ops->on_loss(&p.c, 10 * MSS, p.now); /* 7 of 1000 */
	ack(&p);
	p.now += 20 * SEC;
	for (int i = 0; i < 5; i++) {
		cwnd = p.c.cwnd;
		ack_after(&p, p.rtt, cwnd, true);
		assert_between(p.c.cwnd, cwnd * 149ull / 100, cwnd * 3ull / 2 + 1);
	}
	/* Below the curve's value by nothing: a window above the target stays. */
	p = path_of(&cc_cubic, MSS, 100 * MSS, 100000);
	p.c.ssthresh = MSS;
	ack(&p);
	p.c.cwnd = 200 * MSS;
	p.c.cubic.w_est = MSS;
	run_until(&p, p.now + SEC);
	assert_int_equal(p.c.cwnd, 200 * MSS);
}

/* RTT 5 ms: the curve is still near 71 and 77 when Reno's window would be larger. */
static void CC_16_reno_friendly(void **state)
{
	struct path p = lost_at_100(5000);
	uint32_t cwnd;

	run_until(&p, p.now + 10 * 5000);
	assert_between(segments(&p), 70 + 10 * 0.50, 70 + 10 * 0.55);
	while (p.c.cwnd < 100 * MSS)
		ack(&p);
	assert_between((p.now - p.start) / 5000, 52, 62); /* 30 / alpha round trips */
	cwnd = p.c.cwnd;
	run_until(&p, p.now + 10 * 5000);
	assert_between(segments(&p) - (double)cwnd / MSS, 9.5, 10.5); /* alpha is 1 now */
}

/* The mean window in segments, with a loss for each 1/p packets, or as a die falls. */
static double mean_window(const struct cc_ops *ops, uint32_t rtt, uint32_t every, bool random)
{
	struct path p = path_of(ops, MSS, 10 * MSS, rtt);
	uint64_t seed = 1, sent = 0, next = every;

	p.c.ssthresh = 10 * MSS;
	for (int losses = 0; losses < 400;) {
		ack(&p);
		sent += 2;
		if (sent < next)
			continue;
		p.ops->on_loss(&p.c, p.c.cwnd, p.now);
		p.ops->on_exit_recovery(&p.c, p.now);
		p.area += (uint64_t)p.rtt * p.c.cwnd; /* of recovery */
		p.now += p.rtt;
		next += random ? 1 + rnd_below(&seed, 2 * every) : every;
		if (++losses == 20) {
			p.start = p.now;
			p.area = 0;
		}
	}
	return (double)p.area / (double)(p.now - p.start) / MSS;
}

static void CC_16_no_less_than_reno(void **state)
{
	for (int random = 0; random < 2; random++) {
		double reno = mean_window(&cc_newreno, 5000, 1000, random);
		double cubic = mean_window(&cc_cubic, 5000, 1000, random);

		assert_between(reno, 30, 50); /* the square root of 1.5 / p is 39 */
		assert_true(cubic >= 0.95 * reno);
	}
}

static void CC_17_reductions(void **state)
{
	struct path p = path_of(&cc_cubic, MSS, 100 * MSS, 100000);

	p.ops->on_loss(&p.c, 10 * MSS, p.now); /* the flight counts, not cwnd */
	assert_int_equal(p.c.ssthresh, 7 * MSS);
	assert_int_equal(p.c.cwnd, 7 * MSS);
	p.ops->init(&p.c, MSS, 2 * MSS);
	p.ops->on_loss(&p.c, 2 * MSS, p.now);
	assert_int_equal(p.c.cwnd, 2 * MSS);
	assert_int_equal(p.c.ssthresh, 2 * MSS);
	p.ops->on_ecn(&p.c, 2 * MSS, p.now);
	assert_int_equal(p.c.cwnd, MSS);
	assert_int_equal(p.c.ssthresh, 2 * MSS);
	p.ops->on_ecn(&p.c, MSS, p.now);
	assert_int_equal(p.c.cwnd, MSS);
	p.ops->init(&p.c, MSS, 100 * MSS);
	p.ops->on_ecn(&p.c, 100 * MSS, p.now);
	assert_int_equal(p.c.cwnd, 70 * MSS);
	assert_int_equal(p.c.ssthresh, 70 * MSS);
}

/* 70 + 0.4 t^3 from the begin of congestion avoidance, Reno's 5.3 a second while that is more. */
static void CC_17_convex_after_a_timeout(void **state)
{
	struct path p = path_of(&cc_cubic, MSS, 100 * MSS, 100000);
	double last, grown = 0;
	uint64_t t0;

	p.c.w_max = 200 * MSS;
	p.ops->on_rto(&p.c, 100 * MSS, true, p.now);
	assert_int_equal(p.c.cwnd, MSS);
	while (cc_in_slow_start(&p.c)) {
		last = segments(&p);
		ack(&p);
		assert_true(segments(&p) - last <= 1); /* L = 1 */
	}
	assert_int_equal(p.c.cwnd, 70 * MSS);
	t0 = p.now;
	last = 70;
	for (unsigned int s = 1; s <= 6; s++) {
		run_until(&p, t0 + s * SEC);
		assert_true(segments(&p) - last >= grown - 0.3);
		grown = segments(&p) - last;
		last = segments(&p);
	}
	assert_between(last, 70 + 80, 70 + 89); /* 0.4 * 6^3 = 86 */
	assert_int_equal(p.c.w_max, 70 * MSS);
}

static void CC_05_timeouts(void **state)
{
	struct path p = path_of(&cc_cubic, MSS, 20 * MSS, 100000);

	for (int i = 0; i < 3; i++) {
		p.ops->on_rto(&p.c, i ? MSS : 20 * MSS, i == 0, p.now += SEC);
		assert_int_equal(p.c.ssthresh, 14 * MSS);
		assert_int_equal(p.c.cwnd, MSS);
	}
	p.ops->on_rto(&p.c, 2 * MSS, true, p.now);
	assert_int_equal(p.c.ssthresh, 2 * MSS);
	p = path_of(&cc_cubic, MSS, 100 * MSS, 100000);
	p.ops->on_loss(&p.c, 10 * MSS, p.now);
	assert_int_equal(p.c.cwnd, 7 * MSS);
}

static void CC_18_fast_convergence(void **state)
{
	struct path p = path_of(&cc_cubic, MSS, 100 * MSS, 100000);

	p.ops->on_loss(&p.c, 100 * MSS, p.now);
	assert_int_equal(p.c.w_max, 100 * MSS);
	p.c.cwnd = 80 * MSS;
	p.ops->on_loss(&p.c, 80 * MSS, p.now);
	assert_int_equal(p.c.w_max, 68 * MSS);
	assert_int_equal(p.c.cwnd, 56 * MSS);
	p.c.cwnd = 80 * MSS;
	p.ops->on_ecn(&p.c, 80 * MSS, p.now);
	assert_int_equal(p.c.w_max, 80 * MSS);
	/* The epoch aims at the lower one. */
	p.c.w_max = 68 * MSS;
	p.c.cwnd = p.c.ssthresh = 56 * MSS;
	ack(&p);
	assert_between(p.c.cubic.k, 3.106, 3.108); /* the cube root of 12 / 0.4 */
}

/* CC-20: after a loss and after a timeout everything is as it was, and the curve goes on. */
static void test_undo(void **state)
{
	for (int rto = 0; rto < 2; rto++) {
		struct path p = lost_at_100(100000);
		uint64_t t0 = p.now;
		struct cc before;

		run_until(&p, t0 + SEC);
		before = p.c;
		if (rto)
			p.ops->on_rto(&p.c, p.c.cwnd, true, p.now);
		else
			p.ops->on_loss(&p.c, p.c.cwnd, p.now);
		assert_true(p.c.cwnd < before.cwnd);
		p.now += p.rtt;
		p.ops->on_undo(&p.c, &before, p.now);
		assert_memory_equal(&p.c, &before, sizeof(before));
		run_until(&p, t0 + 42 * SEC / 10);
		assert_between(segments(&p), 97, 101);
	}
}

/* Nothing gets smaller; the rest comes back also where the window has outgrown what it was. */
static void test_undo_of_the_outgrown(void **state)
{
	struct path p = lost_at_100(100000);
	struct cc before = p.c;

	p.ops->on_loss(&p.c, p.c.cwnd, p.now);
	p.c.cwnd = 90 * MSS;
	p.ops->on_undo(&p.c, &before, p.now);
	assert_int_equal(p.c.cwnd, 90 * MSS);
	assert_int_equal(p.c.w_max, before.w_max);
	assert_true(p.c.ssthresh >= before.ssthresh);
	p.c.cwnd = 20 * MSS;
	p.c.ssthresh = 80 * MSS;
	p.ops->on_undo(&p.c, &before, p.now);
	assert_int_equal(p.c.cwnd, 70 * MSS);
	assert_int_equal(p.c.ssthresh, 80 * MSS);
	assert_int_equal(p.c.w_max, 100 * MSS);
}

/* The SMSS became smaller in between: the window has as many segments as before. */
static void test_undo_with_another_mss(void **state)
{
	struct path p = lost_at_100(100000);
	struct cc before = p.c;

	p.ops->on_loss(&p.c, p.c.cwnd, p.now);
	p.ops->on_mss(&p.c, MSS / 2);
	p.ops->on_undo(&p.c, &before, p.now);
	assert_int_equal(p.c.mss, MSS / 2);
	assert_int_equal(p.c.cwnd, 70 * (MSS / 2));
	assert_int_equal(p.c.w_max, 100 * (MSS / 2));
}

/* What a record keeps is enough: the epoch begins anew, towards the same W_max. */
static void test_after_a_rest(void **state)
{
	struct path p = lost_at_100(100000);
	uint64_t t0;

	run_until(&p, p.now + 5 * SEC);
	p.c = (struct cc){.cwnd = 70 * MSS, .ssthresh = 70 * MSS, .w_max = 100 * MSS, .mss = MSS};
	p.now += 3600 * SEC;
	t0 = p.now;
	run_until(&p, t0 + SEC);
	assert_between(segments(&p), 85, 89);
	run_until(&p, t0 + 42 * SEC / 10);
	assert_between(segments(&p), 98, 101);
}

static void test_idle(void **state)
{
	struct path p = lost_at_100(100000);

	run_until(&p, p.now + SEC);
	p.ops->on_idle(&p.c, 10 * MSS);
	assert_int_equal(p.c.cwnd, 10 * MSS);
	assert_int_equal(p.c.ssthresh, 70 * MSS);
	assert_int_equal(p.c.w_max, 100 * MSS);
	p.now += 60 * SEC;
	while (cc_in_slow_start(&p.c))
		ack(&p);
	run_until(&p, p.now + SEC); /* a new epoch, not one that is a minute old */
	assert_between(segments(&p), 84, 89);
}

/* ACKs of one octet grow the window as ACKs of two segments do. */
static void test_ack_division(void **state)
{
	struct path a = lost_at_100(100000), b = lost_at_100(100000);

	run_until(&a, a.now + SEC);
	for (uint64_t end = b.now + SEC; b.now < end;) {
		uint32_t window = b.c.cwnd;

		for (uint32_t i = 0; i < window; i++)
			ack_after(&b, i == 0 ? b.rtt : 0, 1, true);
	}
	assert_between(segments(&b), segments(&a) - 2, segments(&a) + 2);
}

static void ECN_08_abe(void **state)
{
	static const struct {
		const struct cc_ops *ops;
		uint32_t ece, abe, loss;
	} cases[] = {{&cc_newreno, 50, 80, 50}, {&cc_cubic, 70, 85, 70}};

	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		const struct cc_ops *ops = cases[i / 2].ops;
		bool abe = i % 2;
		uint32_t want = (abe ? cases[i / 2].abe : cases[i / 2].ece) * MSS;
		struct cc c = {.set = {.abe = abe}};

		ops->init(&c, MSS, 100 * MSS);
		ops->on_ecn(&c, 100 * MSS, 1);
		assert_int_equal(c.ssthresh, want);
		assert_int_equal(c.cwnd, want);
		ops->init(&c, MSS, 100 * MSS);
		ops->on_loss(&c, 100 * MSS, 1);
		assert_int_equal(c.cwnd, cases[i / 2].loss * MSS);
		assert_int_equal(c.set.abe, abe);
		/* Never up: more is in flight than cwnd. */
		for (uint32_t cwnd = 1; cwnd < 5; cwnd++) {
			ops->init(&c, MSS, cwnd * MSS);
			ops->on_ecn(&c, 20 * MSS, 1);
			assert_true(c.cwnd <= cwnd * MSS && c.cwnd >= MSS);
			assert_true(c.ssthresh >= 2 * MSS && c.ssthresh <= max_of(cwnd, 2u) * MSS);
		}
	}
}

static void sane(const struct cc *c)
{
	assert_between(c->cwnd, c->mss, CC_CWND_MAX);
	assert_true(c->ssthresh >= 2 * c->mss);
}

/* Whatever comes, with a clock that stands or goes back: every number stays a number. */
static void storm(const struct cc_ops *ops, uint32_t mss, uint32_t rtt, uint64_t seed)
{
	struct cc c = {.set = {.abc_limit = (uint8_t)rnd_below(&seed, 3)}}, before;
	uint64_t now = rnd_below(&seed, 2) ? 0 : 1ull << 60;

	ops->init(&c, mss, cc_initial_window(mss));
	before = c;
	for (int i = 0; i < 3000; i++) {
		struct cc_ack a = {.acked = rnd_below(&seed, 4) ? rnd_below(&seed, 3 * mss) :
								   rnd(&seed),
				   .rtt_us = rtt ? rnd_below(&seed, rtt + 1) : 0, .srtt_us = rtt,
				   .una = rnd(&seed), .nxt = rnd(&seed), .now = now,
				   .cwnd_limited = rnd_below(&seed, 8) != 0};

		now += rnd_below(&seed, 50) ? rnd_below(&seed, 100) : rnd(&seed) * 1000ull;
		switch (rnd_below(&seed, 200)) {
		case 0: before = c; ops->on_loss(&c, rnd_below(&seed, CC_CWND_MAX), now); break;
		case 1: before = c; ops->on_rto(&c, rnd_below(&seed, c.cwnd + 1), i % 2, now); break;
		case 2: before = c; ops->on_ecn(&c, rnd_below(&seed, c.cwnd + 1), now); break;
		case 3: ops->on_undo(&c, &before, now); break;
		case 4: ops->on_idle(&c, cc_initial_window(c.mss)); break;
		case 5: ops->on_exit_recovery(&c, now); c.cwnd = min_of(c.cwnd, CC_CWND_MAX); break;
		case 6: ops->on_mss(&c, rnd_below(&seed, 2) ? 48 : 8960); break;
		case 7: c.w_max = rnd_below(&seed, c.cwnd); c.cubic.running = false; break;
		case 8: now -= min_of(now, rnd_below(&seed, 1000)); break;
		default: ops->on_ack(&c, &a); break;
		}
		sane(&c);
	}
}

static void T_24_no_division_by_zero(void **state)
{
	static const uint32_t mss[] = {48, 1448, 8960}, rtt[] = {0, 1, 20, 100000, UINT32_MAX};

	feclearexcept(FE_ALL_EXCEPT);
	for (unsigned int i = 0; i < ARRAY_SIZE(mss); i++) {
		for (unsigned int j = 0; j < ARRAY_SIZE(rtt); j++) {
			storm(&cc_cubic, mss[i], rtt[j], 1 + i * 10 + j);
			storm(&cc_newreno, mss[i], rtt[j], 1 + i * 10 + j);
		}
	}
	assert_int_equal(fetestexcept(FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW), 0);
}

/* A round trip of 0 to 20 us, and a loss with cwnd above W_max. */
static void T_24_loss_above_w_max(void **state)
{
	feclearexcept(FE_ALL_EXCEPT);
	for (uint32_t mss = 48; mss <= 8960; mss += 8960 - 48) {
		for (uint32_t rtt = 0; rtt <= 20; rtt++) {
			struct path p = path_of(&cc_cubic, mss, 100 * mss, rtt);

			p.c.w_max = 50 * mss;
			p.c.ssthresh = 100 * mss;
			for (int i = 0; i < 1000; i++)
				ack(&p);
			assert_true(p.c.cwnd > 100 * mss);
			p.ops->on_loss(&p.c, p.c.cwnd, p.now);
			p.c.cwnd = 2 * p.c.w_max;
			for (int i = 0; i < 1000; i++)
				ack(&p);
			sane(&p.c);
			assert_true(p.c.cwnd > p.c.w_max / 2);
		}
	}
	assert_int_equal(fetestexcept(FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(CC_15_the_curve),
		cmocka_unit_test(CC_15_a_pause_shifts_the_curve),
		cmocka_unit_test(CC_15_silence_shifts_the_curve),
		cmocka_unit_test(CC_15_the_target_is_clamped),
		cmocka_unit_test(CC_16_reno_friendly),
		cmocka_unit_test(CC_16_no_less_than_reno),
		cmocka_unit_test(CC_17_reductions),
		cmocka_unit_test(CC_17_convex_after_a_timeout),
		cmocka_unit_test(CC_05_timeouts),
		cmocka_unit_test(CC_18_fast_convergence),
		cmocka_unit_test(test_undo),
		cmocka_unit_test(test_undo_of_the_outgrown),
		cmocka_unit_test(test_undo_with_another_mss),
		cmocka_unit_test(test_after_a_rest),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_ack_division),
		cmocka_unit_test(ECN_08_abe),
		cmocka_unit_test(T_24_no_division_by_zero),
		cmocka_unit_test(T_24_loss_above_w_max),
	};

	return cmocka_run_group_tests_name("cc_cubic", tests, NULL, NULL);
}
