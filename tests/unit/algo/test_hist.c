/*
 * Histograms: where a value goes, what is read back of it, and merging.
 */
#include "kit.h"

#include <string.h>

#include "algo/hist.h"

static struct hist h, other;

static int clear(void **state)
{
	memset(&h, 0, sizeof(h));
	memset(&other, 0, sizeof(other));
	return 0;
}

/* Buckets follow each other without a gap, and each is narrower than 1/HIST_SUB of its values. */
static void buckets_are_narrow_and_in_order(void **state)
{
	unsigned int last = 0;

	for (uint64_t v = 1; v < HIST_MAX / 2; v += v / 1000 + 1) {
		unsigned int i = hist_bucket(v);

		assert_in_range(i, last, HIST_BUCKETS - 1);
		assert_in_range(i, last, v < 1000 * HIST_SUB ? last + 1 : HIST_BUCKETS);
		last = i;
		assert_int_not_equal(hist_bucket(v + v / (HIST_SUB / 2) + 1), i);
	}
	assert_int_equal(hist_bucket(HIST_MAX), HIST_BUCKETS - 1);
}

/* A value read back is not smaller, and larger by less than one part in HIST_SUB. */
static void one_value_comes_back(void **state)
{
	for (uint64_t v = 1; v < HIST_MAX / 4; v = v * 9 / 7 + 1) {
		uint64_t got;

		clear(NULL);
		hist_add(&h, v);
		hist_add(&h, HIST_MAX); /* else max would say it */
		got = hist_quantile(&h, 0.5);
		assert_in_range(got, v, v + v / HIST_SUB);
	}
}

static void quantiles(void **state)
{
	for (uint64_t v = 1; v <= 100; v++)
		hist_add(&h, v);
	assert_int_equal(hist_quantile(&h, 0), 1);
	assert_int_equal(hist_quantile(&h, 0.01), 1);
	assert_int_equal(hist_quantile(&h, 0.5), 50);
	assert_int_equal(hist_quantile(&h, 0.501), 51);
	assert_int_equal(hist_quantile(&h, 0.99), 99);
	assert_int_equal(hist_quantile(&h, 1), 100);
	assert_true(hist_mean(&h) == 50.5);
}

static void nothing_in_it(void **state)
{
	assert_int_equal(hist_quantile(&h, 0.99), 0);
	assert_true(hist_mean(&h) == 0);
}

/* The highest quantile is the very largest value, not its bucket's end. */
static void max_is_exact(void **state)
{
	hist_add(&h, 1000003);
	assert_int_equal(hist_quantile(&h, 1), 1000003);
	hist_add(&h, UINT64_MAX);
	assert_int_equal(hist_quantile(&h, 1), HIST_MAX);
}

static void merged(void **state)
{
	hist_add_n(&h, 10, 90);
	hist_add_n(&other, 5000, 10);
	hist_merge(&h, &other);
	assert_int_equal(h.n, 100);
	assert_int_equal(hist_quantile(&h, 0.90), 10);
	assert_int_equal(hist_quantile(&h, 0.91), 5000);
	assert_true(hist_mean(&h) == 509);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(buckets_are_narrow_and_in_order, clear),
		cmocka_unit_test_setup(one_value_comes_back, clear),
		cmocka_unit_test_setup(quantiles, clear),
		cmocka_unit_test_setup(nothing_in_it, clear),
		cmocka_unit_test_setup(max_is_exact, clear),
		cmocka_unit_test_setup(merged, clear),
	};

	return cmocka_run_group_tests_name("hist", tests, NULL, NULL);
}
