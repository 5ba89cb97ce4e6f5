/*
 * One transfer over paths that lose, reorder, double, damage and delay.
 */
#include "rows.h"

#ifdef SIM_FEWER
#define SEEDS 2
#else
#define SEEDS 20
#endif

static void set_wide(struct sim *s, const struct row *r)
{
	if (r->n)
		row_wide(s);
}

/*
 * 100 MB each way, then both at once; there is no chance in it, so one seed. One way, nothing is
 * sent again, whether the queue holds one product or is never full.
 */
static void SIM_01_clean_path(void **state)
{
	static const uint64_t bytes[][2] = {{100 * MB, 0}, {0, 100 * MB}, {100 * MB, 100 * MB}};
	double limit = 1.05 * 100 * MB * 8 / RATE + 12.0 * RTT / SEC;

	for (unsigned int i = 0; i < 4 * ARRAY_SIZE(bytes); i++) {
		struct row r = {.setup = set_wide, .n = i & 1};
		unsigned int from = i / 2 % 2;
		struct figures f;

		memcpy(r.bytes, bytes[i / 4], sizeof(r.bytes));
		if (!r.bytes[from])
			continue;
		f = row_run(&r, 1, from);
		print_message("clean, %u+%u MB, %s queue: %.2f s of %.2f, %" PRIu64
			      " retransmissions\n", (unsigned int)(r.bytes[0] / MB), (unsigned int)(r.bytes[1] / MB),
			      r.n ? "wide" : "plain", f.seconds, limit, f.retransmits);
		/* Both at once, a loss empties one's queue while the other's ACKs wait in it. */
		assert_true(f.seconds <= (i < 8 ? limit : 1.4 * limit));
		assert_int_equal(f.rtos, 0);
		if (r.n || i < 8)
			assert_int_equal(f.retransmits, 0);
	}
}

#ifndef SIM_FEWER
/* Windows of so many segments: what the peer offers. NewReno leaves its slow start for nothing less. */
static void set_windows(struct sim *s, const struct row *r)
{
	for (unsigned int i = 0; i < 2; i++) {
		s->host[i].tcp.congestion = 1;
		s->host[i].tcp.rcvbuf = (i ? r->us : r->n) * MSS;
		s->host[i].tcp.rcvbuf_initial = s->host[i].tcp.rcvbuf;
	}
}

/*
 * What SIM-01 asks of 100 MB both ways at once, an ideal sender of a constant window can do, if the other's
 * is the same: ACKs wait in the queue of the other direction's data. With less than 1.4 products, or with
 * 40 segments less than the other has, it cannot, though nothing is lost. So of two that look for their
 * window each for itself one is too late.
 */
static void constant_windows_both_ways(void **state)
{
	static const struct { uint64_t window[2]; bool in_time; } cases[] = {
		{{500, 500}, true}, {{600, 600}, true}, {{440, 440}, false}, {{520, 560}, false},
	};
	double limit = 1.05 * 100 * MB * 8 / RATE + 12.0 * RTT / SEC;

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct row r = {.bytes = {100 * MB, 100 * MB}, .setup = set_windows,
				.n = cases[i].window[0], .us = cases[i].window[1]};
		struct figures f = row_run(&r, 1, CLIENT);
		double slowest = max_of(f.seconds, row_run(&r, 1, SERVER).seconds);

		print_message("constant windows of %u and %u segments: %.2f s of %.2f, %" PRIu64 " lost\n",
			      (unsigned int)r.n, (unsigned int)r.us, slowest, limit, f.lost);
		assert_int_equal(f.lost, 0);
		assert_int_equal(slowest <= limit, cases[i].in_time);
	}
}
#endif

static void set_loss(struct sim *s, const struct row *r)
{
	s->wire.link[0].conf.loss = s->wire.link[1].conf.loss = r->p;
}

static void set_corrupt(struct sim *s, const struct row *r)
{
	s->wire.link[0].conf.corrupt = s->wire.link[1].conf.corrupt = r->p;
}

/* Median and worst of the completion times over T_ref. */
static void over_reference(struct row r, unsigned int quick, double most)
{
	unsigned int n = rows_seeds(quick), k = 0;
	double v[40], worst = 0, ref = t_ref(r.bytes[CLIENT], r.p);

	for (unsigned int seed = 1; seed <= n; seed++) {
		for (unsigned int from = 0; from < 2; from++) {
			struct row one = r;

			if (!rows_full() && from != seed % 2)
				continue;
			one.bytes[!from] = 0;
			one.bytes[from] = r.bytes[CLIENT];
			v[k] = row_run(&one, seed, from).seconds / ref;
			worst = max_of(worst, v[k]);
			k++;
		}
	}
	print_message("p = %g: median %.2f, worst %.2f times T_ref (limits %.1f, %.1f)\n", r.p,
		      median(v, k), worst, most, 2 * most);
	assert_true(median(v, k) <= most);
	assert_true(worst <= 2 * most);
}

/* 20 MB and 20 seeds, by default every other one in either direction; in full all in both. */
static void SIM_02_random_loss(void **state)
{
	static const double p[] = {0.0001, 0.001, 0.01, 0.05}, most[] = {1.5, 1.5, 2, 4};

	for (unsigned int i = 0; i < ARRAY_SIZE(p); i++) {
		struct row r = {.bytes = {20 * MB}, .setup = set_loss, .p = p[i]};

		over_reference(r, SEEDS, most[i]);
	}
}

static void set_reorder(struct sim *s, const struct row *r)
{
	row_wide(s);
	for (int i = 0; i < 2; i++) {
		s->wire.link[i].conf.reorder = r->p;
		s->wire.link[i].conf.late = r->us;
	}
}

static struct figures clean(bool wide)
{
	const struct row r = {.bytes = {20 * MB, 0}, .setup = set_wide, .n = wide};

	return row_run(&r, 1, CLIENT);
}

/*
 * By default 2 seeds, from the client; in full 20. 20 MB.
 */
static void SIM_03_reordering(void **state)
{
	static const struct { double p; uint64_t late; double least; } cases[] = {
		{0.01, RTT / 4, 0.9}, {0.1, RTT / 4, 0.9}, {0.01, RTT, 0.5}, {0.1, RTT, 0.5},
	};
	double whole = clean(true).goodput;

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct row r = {.bytes = {20 * MB, 0}, .setup = set_reorder, .p = cases[i].p,
				.us = cases[i].late};

		for (unsigned int seed = 1; seed <= rows_seeds(2); seed++) {
			struct figures f = row_run(&r, seed, CLIENT);
			double again = ((double)f.retransmits - (double)f.lost) / (double)f.segments;

			print_message("%.0f %% late by %" PRIu64 " ms: goodput %.2f of clean, %.2f %% "
				      "resent, %" PRIu64 " timeouts, %" PRIu64 " recoveries, %" PRIu64
				      " undone\n", r.p * 100, (uint64_t)(r.us / MS), f.goodput / whole,
				      again * 100, f.rtos, f.recoveries, f.undone);
			assert_true(f.goodput >= cases[i].least * whole);
			assert_int_equal(f.rtos, 0);
			if (r.us == RTT / 4)
				assert_true(again <= 0.01);
		}
	}
}

static void set_duplicate(struct sim *s, const struct row *r)
{
	row_wide(s);
	s->wire.link[0].conf.duplicate = s->wire.link[1].conf.duplicate = r->p;
}

/* By default 2 seeds of the doubled; in full 20, both directions of the damaged too. 20 MB. */
static void SIM_04_duplicates_and_damage(void **state)
{
	const struct row twice = {.bytes = {20 * MB, 0}, .setup = set_duplicate, .p = 0.1};
	const struct row damaged = {.bytes = {20 * MB}, .setup = set_corrupt, .p = 0.001};
	double whole = clean(true).goodput;

	for (unsigned int seed = 1; seed <= rows_seeds(2); seed++) {
		struct figures f = row_run(&twice, seed, CLIENT);

		print_message("10 %% twice: goodput %.3f of clean, %" PRIu64 " recoveries\n",
			      f.goodput / whole, f.recoveries);
		assert_true(f.goodput >= 0.95 * whole);
		assert_int_equal(f.recoveries + f.rtos, 0);
	}
	over_reference(damaged, SEEDS, 1.5);
}

/* RTT 40 ms in the mean: the jitter is in the direction of the data. */
static void set_jitter(struct sim *s, const struct row *r)
{
	struct link_conf *c = &s->wire.link[SERVER].conf;

	c->exponential = r->n;
	c->jitter = r->us;
	c->delay -= r->n ? c->delay : r->us / 2;
}

/* 20 seeds of the uniform jitter; of the exponential by default 2, in full 20. 20 MB from the client. */
static void SIM_05_jitter(void **state)
{
	const struct row uniform = {.bytes = {20 * MB, 0}, .setup = set_jitter, .us = 20 * MS};
	const struct row exponential = {.bytes = {20 * MB, 0}, .setup = set_jitter, .us = 20 * MS,
					.n = true};
	double whole = clean(false).goodput, v[SEEDS], worst = 1;
	uint64_t rtos = 0, segments = 0;

	for (unsigned int seed = 1; seed <= SEEDS; seed++) {
		struct figures f = row_run(&uniform, seed, CLIENT);

		assert_int_equal(f.rtos, 0);
		assert_true(f.goodput >= 0.95 * whole);
		v[seed - 1] = f.goodput / whole;
		worst = min_of(worst, v[seed - 1]);
	}
	print_message("+-10 ms: goodput %.3f of clean in the median, %.3f in the worst, no timeouts\n",
		      median(v, SEEDS), worst);
	for (unsigned int seed = 1; seed <= rows_seeds(2); seed++) {
		struct figures f = row_run(&exponential, seed, CLIENT);

		rtos += f.rtos;
		segments += f.segments;
	}
	print_message("exponential: %" PRIu64 " timeouts in %" PRIu64 " segments\n", rtos, segments);
	assert_true(rtos * 10000 <= segments);
}

static void set_acks(struct sim *s, const struct row *r)
{
	struct link_conf *c = &s->wire.link[CLIENT].conf;

	c->ack_loss = r->p;
	c->thin = (uint32_t)r->n;
	c->clump = r->us;
}

/* By default 2 seeds; in full 20. 20 MB from the client. */
static void SIM_07_ack_path(void **state)
{
	static const struct row rows[] = {
		{.bytes = {20 * MB, 0}, .setup = set_acks, .p = 0.3},
		{.bytes = {20 * MB, 0}, .setup = set_acks, .n = 8}, /* of ACKs for two: 1 in 16 */
		{.bytes = {20 * MB, 0}, .setup = set_acks, .us = 20 * MS},
	};
	double whole = clean(false).goodput;

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		for (unsigned int seed = 1; seed <= rows_seeds(2); seed++) {
			struct figures f = row_run(&rows[i], seed, CLIENT);

			print_message("ACKs, case %u: goodput %.3f of clean, burst %" PRIu64
				      ", resent %" PRIu64 "\n", i, f.goodput / whole, f.burst,
				      f.retransmits);
			assert_true(f.goodput >= 0.9 * whole);
			assert_true(f.burst <= 64 + 1); /* and an ACK of the other host */
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW_TEST(SIM_01_clean_path),
#ifndef SIM_FEWER
		ROW_TEST(constant_windows_both_ways),
#endif
		ROW_TEST(SIM_02_random_loss),
		ROW_TEST(SIM_03_reordering),
		ROW_TEST(SIM_04_duplicates_and_damage),
		ROW_TEST(SIM_05_jitter),
		ROW_TEST(SIM_07_ack_path),
	};

	return cmocka_run_group_tests(tests, rows_setup, NULL);
}
