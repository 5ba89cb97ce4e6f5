/*
 * RTO-01..04 and RTO-07's doubling (RFC 6298), and the 16-bit form of a time.
 */
#include "kit.h"

#include "algo/rtt.h"
#include "base/compiler.h"
#include "base/units.h"

static const struct rtt_limits limits = {
	.rto_initial = 1 * US_PER_SEC,
	.rto_min = 200 * US_PER_MS,
	.rto_max = 60 * US_PER_SEC,
};
static const struct rtt_limits literal = {
	.rto_initial = 1 * US_PER_SEC,
	.rto_min = 200 * US_PER_MS,
	.rto_max = 60 * US_PER_SEC,
	.literal = true,
};

static void test_first_sample(void **state)
{
	struct rtt r = { 0 };

	assert_int_equal(rtt_rto(&r, &limits), 1000000);
	assert_int_equal(rtt_rto(&r, &literal), 1000000);
	rtt_sample(&r, 500000, 7);
	assert_int_equal(r.srtt_us, 500000);
	assert_int_equal(r.rttvar_us, 250000);
	assert_int_equal(r.min_rtt_us, 500000);
	assert_int_equal(rtt_rto(&r, &limits), 1500000);
	assert_int_equal(rtt_rto(&r, &literal), 1500000);
}

/* By hand: SRTT 500, RTTVAR 250; R' = 700: RTTVAR 237.5, SRTT 525; R' = 100: 284.375, 471.875. */
static void test_later_samples(void **state)
{
	struct rtt r = { 0 };

	rtt_sample(&r, 500000, 1);
	rtt_sample(&r, 700000, 1);
	assert_int_equal(r.rttvar_us, 237500);
	assert_int_equal(r.srtt_us, 525000);
	rtt_sample(&r, 100000, 1);
	assert_int_equal(r.rttvar_us, 284375);
	assert_int_equal(r.srtt_us, 471875);
	assert_int_equal(r.min_rtt_us, 100000);
	assert_int_equal(rtt_rto(&r, &limits), 471875 + 4 * 284375);
}

/* 1,000 samples against the formulas in floating point: within 1 ms, for divided gains too. */
static void RTO_03_vector(void **state)
{
	static const uint32_t ks[] = { 0, 1, 2, 5, 20 };

	for (unsigned int i = 0; i < ARRAY_SIZE(ks); i++) {
		double srtt = 0, var = 0, k = ks[i] ? ks[i] : 1;
		struct rtt r = { 0 };
		uint64_t seed = 99 + i;

		for (int n = 0; n < 1000; n++) {
			uint32_t s = 20000 + rnd_below(&seed, 80000) + (n % 50 == 0) * 300000;
			double err = srtt > s ? srtt - s : s - srtt;

			if (n == 0) {
				srtt = s;
				var = s / 2.0;
			} else {
				var += (err - var) / (4 * k);
				srtt += (s - srtt) / (8 * k);
			}
			rtt_sample(&r, s, ks[i]);
			assert_true(r.srtt_us > srtt - 1000 && r.srtt_us < srtt + 1000);
			assert_true(r.rttvar_us > var - 1000 && r.rttvar_us < var + 1000);
		}
	}
}

static uint64_t steady(uint32_t rtt_us, uint32_t k, const struct rtt_limits *l)
{
	struct rtt r = { 0 };

	for (int i = 0; i < 1000; i++)
		rtt_sample(&r, rtt_us, k);
	assert_int_equal(r.srtt_us, rtt_us ? rtt_us : 1);
	return rtt_rto(&r, l);
}

static void RTO_04_floor_and_ceiling(void **state)
{
	struct rtt r = { 0 };

	assert_int_equal(steady(10000, 1, &limits), 210000);
	assert_int_equal(steady(300000, 1, &limits), 500000);
	assert_int_equal(steady(10000, 1, &literal), 1000000);
	assert_int_equal(steady(1500000, 1, &literal), 1501000);
	assert_int_equal(steady(0, 1, &limits), 200001);
	rtt_sample(&r, 50 * US_PER_SEC, 1);
	assert_int_equal(rtt_rto(&r, &limits), 60 * US_PER_SEC);
	rtt_sample(&r, UINT32_MAX, 1);
	assert_int_equal(rtt_rto(&r, &limits), 60 * US_PER_SEC);
}

/* A tiny gain still follows: 1,000 samples per round trip, 50 round trips at the new time. */
static void test_large_gain_divisor(void **state)
{
	struct rtt r = { 0 };

	for (int i = 0; i < 1000; i++)
		rtt_sample(&r, 10000, 1);
	for (int i = 0; i < 50 * 1000; i++)
		rtt_sample(&r, 12000, 1000);
	assert_int_equal(r.srtt_us, 12000);
	assert_true(r.rttvar_us <= 1);
	assert_int_equal(r.min_rtt_us, 10000);
}

static void test_backoff(void **state)
{
	uint64_t max = 60 * US_PER_SEC;

	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(rtt_backoff(1000000, i, max), 1000000u << i);
	assert_int_equal(rtt_backoff(1000000, 5, max), 32000000);
	assert_int_equal(rtt_backoff(1000000, 6, max), max);
	assert_int_equal(rtt_backoff(1000000, 63, max), max);
	assert_int_equal(rtt_backoff(1000000, 64, max), max);
	assert_int_equal(rtt_backoff(1000000, 4000000000u, max), max);
	assert_int_equal(rtt_backoff(max, 0, max), max);
	assert_int_equal(rtt_backoff(max + 1, 0, max), max);
	assert_int_equal(rtt_backoff(15, 2, 61), 60);
	assert_int_equal(rtt_backoff(1, 20, max), 1 << 20);
}

static void test_pack_exact(void **state)
{
	for (uint32_t us = 0; us < 4096; us++)
		assert_int_equal(rtt_unpack(rtt_pack(us)), us);
}

/* Every value in use comes back as itself, and larger floats mean larger times. */
static void test_pack_roundtrip(void **state)
{
	uint32_t last = rtt_pack(UINT32_MAX);

	assert_true(rtt_unpack((uint16_t)last) > 4290000000u);
	for (uint32_t f = 0; f <= last; f++) {
		assert_int_equal(rtt_pack(rtt_unpack((uint16_t)f)), f);
		assert_true(f == 0 || rtt_unpack((uint16_t)f) > rtt_unpack((uint16_t)(f - 1)));
	}
}

static void test_pack_error(void **state)
{
	uint64_t seed = 5;

	for (int i = 0; i < 2000000; i++) {
		uint32_t us = rnd(&seed) >> rnd_below(&seed, 32);
		int64_t err = (int64_t)rtt_unpack(rtt_pack(us)) - us;

		err = err < 0 ? -err : err;
		if (us > 4294000000u)
			continue;
		assert_true((uint64_t)err * 4000 <= us); /* 0.025 % */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_sample),   cmocka_unit_test(test_later_samples),
		cmocka_unit_test(RTO_03_vector),         cmocka_unit_test(RTO_04_floor_and_ceiling),
		cmocka_unit_test(test_large_gain_divisor), cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_pack_exact),     cmocka_unit_test(test_pack_roundtrip),
		cmocka_unit_test(test_pack_error),
	};

	return cmocka_run_group_tests_name("rtt", tests, NULL, NULL);
}
