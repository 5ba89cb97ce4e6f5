/*
 * The token bucket: burst, rate over any interval, idle time, odd clocks.
 */
#include "kit.h"

#include "algo/bucket.h"

static uint32_t drain(struct bucket *b, uint64_t now)
{
	uint32_t n = 0;

	while (bucket_take(b, now))
		n++;
	return n;
}

static void test_burst_then_rate(void **state)
{
	struct bucket b;

	bucket_init(&b, 1000, 50);
	assert_int_equal(drain(&b, 1000000), 50);
	assert_int_equal(drain(&b, 1000999), 0);
	assert_int_equal(drain(&b, 1001000), 1);
	assert_int_equal(drain(&b, 1011000), 10);
	assert_int_equal(drain(&b, 1061500), 50);
	assert_int_equal(drain(&b, 1062000), 0);
	assert_int_equal(drain(&b, UINT64_MAX), 50);
	/* A seventh of a second is 142,857.1 us. */
	bucket_init(&b, 7, 1);
	assert_int_equal(drain(&b, 1), 1);
	assert_int_equal(drain(&b, 1 + 142857), 0);
	assert_int_equal(drain(&b, 1 + 142858), 1);
}

/* Asked at every microsecond for ten seconds: burst + rate * time, whatever the rate's divisors. */
static void test_exact(void **state)
{
	static const uint32_t rates[] = { 1, 3, 7, 1000, 999999, 1000000 };

	for (unsigned int i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		uint64_t got = 0;
		struct bucket b;

		bucket_init(&b, rates[i], 5);
		assert_int_equal(drain(&b, 7), 5);
		for (uint64_t t = 8; t <= 7 + 10 * US_PER_SEC; t++)
			got += bucket_take(&b, t);
		assert_int_equal(got, 10 * (uint64_t)rates[i]);
	}
}

/* In no interval more than burst + rate * interval + 1, however it is asked. */
static void test_bound(void **state)
{
	uint64_t seed = 3, now = 1, got = 0;
	struct bucket b;

	bucket_init(&b, 100, 50);
	while (now < 100 * US_PER_SEC) {
		now += rnd_below(&seed, 1u << rnd_below(&seed, 20));
		for (uint32_t k = rnd_below(&seed, 4); k; k--)
			got += bucket_take(&b, now);
		assert_true(got <= 50 + now / 10000);
	}
	assert_true(got > 100);
}

static void test_clock_back(void **state)
{
	struct bucket b;

	bucket_init(&b, 1000000, 2);
	assert_int_equal(drain(&b, 5000), 2);
	assert_int_equal(drain(&b, 4999), 0);
	assert_int_equal(drain(&b, 5000), 0);
	assert_int_equal(drain(&b, 5001), 1);
	assert_int_equal(drain(&b, 0), 0);
}

static void test_off_and_extremes(void **state)
{
	struct bucket b;

	bucket_init(&b, 0, 10);
	assert_false(bucket_take(&b, 1));
	assert_false(bucket_take(&b, UINT64_MAX));
	bucket_init(&b, 10, 0);
	assert_false(bucket_take(&b, 1));
	assert_false(bucket_take(&b, UINT64_MAX));
	bucket_init(&b, UINT32_MAX, UINT32_MAX);
	assert_true(bucket_take(&b, 1));
	assert_true(bucket_take(&b, UINT64_MAX));
	assert_int_equal(b.level, (UINT32_MAX - 1) * US_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_then_rate), cmocka_unit_test(test_exact),
		cmocka_unit_test(test_bound),           cmocka_unit_test(test_clock_back),
		cmocka_unit_test(test_off_and_extremes),
	};

	return cmocka_run_group_tests_name("bucket", tests, NULL, NULL);
}
