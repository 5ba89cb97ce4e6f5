/*
 * Sequence arithmetic at its edges: equality, the wrap, and two numbers exactly 2^31 apart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/compiler.h"
#include "base/seq.h"
#include "base/units.h"

static const uint32_t origins[] = {0, 1, 1000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};

static void test_before(void **state)
{
	static const uint32_t distances[] = {1, 2, 1460, 0x40000000, 0x7ffffffe, 0x7fffffff};

	for (size_t i = 0; i < ARRAY_SIZE(origins); i++)
		for (size_t j = 0; j < ARRAY_SIZE(distances); j++) {
			uint32_t a = origins[i], b = a + distances[j];

			assert_true(seq_lt(a, b) && seq_leq(a, b) && seq_gt(b, a) && seq_geq(b, a));
			assert_false(seq_lt(b, a) || seq_leq(b, a) || seq_gt(a, b) || seq_geq(a, b));
			assert_int_equal(seq_max(a, b), b);
			assert_int_equal(seq_max(b, a), b);
			assert_int_equal(seq_min(a, b), a);
			assert_int_equal(seq_min(b, a), a);
		}
}

static void test_equal(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(origins); i++) {
		uint32_t a = origins[i];

		assert_false(seq_lt(a, a) || seq_gt(a, a));
		assert_true(seq_leq(a, a) && seq_geq(a, a));
		assert_int_equal(seq_max(a, a), a);
		assert_int_equal(seq_min(a, a), a);
	}
}

/* Half the circle apart, neither comes before the other. */
static void test_opposite(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(origins); i++) {
		uint32_t a = origins[i], b = a + 0x80000000u;

		assert_false(seq_lt(a, b) || seq_lt(b, a) || seq_gt(a, b) || seq_gt(b, a));
		assert_false(seq_leq(a, b) || seq_geq(a, b));
	}
}

/* a, b, and whether a comes before b: around zero, around 2^31, and exactly 2^31 apart. */
static void SEQ_01_T_03_sixteen_pairs(void **state)
{
	static const struct {
		uint32_t a, b;
		bool before;
	} pairs[] = {
		{0, 1, true},
		{1, 0, false},
		{0, 0, false},
		{0xffffffff, 0, true},
		{0, 0xffffffff, false},
		{0xfffffff0, 0x10, true},
		{0x10, 0xfffffff0, false},
		{0x7fffffff, 0x80000000, true},
		{0x80000000, 0x7fffffff, false},
		{0x7ffffff0, 0x80000010, true},
		{0, 0x7fffffff, true},
		{0x7fffffff, 0, false},
		{0, 0x80000000, false},
		{0x80000000, 0, false},
		{0x80000001, 0, true},
		{0xc0000000, 0x3fffffff, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		uint32_t a = pairs[i].a, b = pairs[i].b;

		assert_int_equal(seq_lt(a, b), pairs[i].before);
		assert_int_equal(seq_gt(b, a), pairs[i].before);
		assert_int_equal(seq_leq(a, b), pairs[i].before || a == b);
		assert_int_equal(seq_geq(b, a), pairs[i].before || a == b);
	}
}

static void test_ms_wraps(void **state)
{
	uint64_t before = (uint64_t)UINT32_MAX * US_PER_MS, after = before + 2 * US_PER_MS;

	assert_int_equal(ms_of(before), UINT32_MAX);
	assert_int_equal(ms_of(after), 1);
	assert_true(seq_lt(ms_of(before), ms_of(after)));
	assert_int_equal(ms_of(1999), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_opposite),
		cmocka_unit_test(SEQ_01_T_03_sixteen_pairs),
		cmocka_unit_test(test_ms_wraps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
