/* The delay line: first in, first out, when the time has come; its room, and numbers and clocks that wrap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "algo/delay.h"

static struct delay *line;

static int setup(void **state)
{
	line = calloc(1, sizeof(*line));
	return line ? 0 : -1;
}

static int teardown(void **state)
{
	free(line);
	return 0;
}

static void in_order_when_due(void **state)
{
	assert_false(delay_due(line, 0));
	delay_put(line, 7, 10);
	delay_put(line, 5, 10);
	delay_put(line, 7, 12);
	assert_int_equal(delay_count(line), 3);
	assert_int_equal(delay_at(line, 0)->due, 10);
	assert_int_equal(delay_at(line, 2)->due, 12);
	assert_false(delay_due(line, 9));
	assert_true(delay_due(line, 10));
	assert_int_equal(delay_take(line), 7);
	assert_true(delay_due(line, 11));
	assert_int_equal(delay_take(line), 5);
	assert_false(delay_due(line, 11));
	assert_int_equal(delay_take(line), 7); /* before its time, if it must be */
	assert_int_equal(delay_count(line), 0);
	assert_false(delay_due(line, 100));
}

static void the_clock_wraps(void **state)
{
	delay_put(line, 1, UINT32_MAX);
	delay_put(line, 2, 3);
	assert_false(delay_due(line, UINT32_MAX - 1));
	assert_true(delay_due(line, 1));
	assert_int_equal(delay_take(line), 1);
	assert_false(delay_due(line, 1));
	assert_true(delay_due(line, 3));
}

/* Taken back: its place stays until it is the first, and then there is nothing to wait for. */
static void taken_back(void **state)
{
	const uint32_t a = delay_put(line, 7, 10);
	const uint32_t b = delay_put(line, 8, 10);
	const uint32_t c = delay_put(line, 9, 11);

	delay_take_back(line, b);
	assert_int_equal(delay_count(line), 3);
	assert_false(delay_due(line, 9));
	assert_true(delay_holds(line, a, 7));
	assert_false(delay_holds(line, a, 8));
	assert_false(delay_holds(line, b, 8));
	assert_false(delay_holds(line, 0, 7));
	assert_int_equal(delay_take(line), 7);
	assert_true(delay_due(line, 9));
	assert_int_equal(delay_take(line), 0);
	assert_false(delay_due(line, 9));
	assert_true(delay_holds(line, c, 9));
	assert_int_equal(delay_take(line), 9);
	assert_false(delay_holds(line, c, 9));
}

/* In any order: with the first one go all behind it that went before. */
static void taken_back_in_any_order(void **state)
{
	uint32_t at[5];

	for (uint32_t i = 0; i < ARRAY_SIZE(at); i++)
		at[i] = delay_put(line, 7 + i, 10 + i);
	delay_take_back(line, at[2]);
	delay_take_back(line, at[1]);
	assert_int_equal(delay_count(line), 5);
	delay_take_back(line, at[0]);
	assert_false(delay_holds(line, at[0], 7));
	assert_int_equal(delay_count(line), 2);
	assert_int_equal(delay_at(line, 0)->number, 10);
	delay_take_back(line, at[4]);
	delay_take_back(line, at[3]);
	assert_int_equal(delay_count(line), 0);
	assert_false(delay_due(line, 100));
}

/* Round and round, at all fillings, over the wrap of the places' numbers. */
static void full_and_round(void **state)
{
	uint32_t in = 1, out = 1;

	line->first = line->end = UINT32_MAX - 2 * DELAY_PLACES;
	for (unsigned int round = 0; round < 10; round++) {
		while (!delay_full(line)) {
			assert_int_not_equal(delay_put(line, in, in), 0);
			in++;
		}
		assert_int_equal(delay_count(line), DELAY_PLACES);
		assert_int_equal(delay_at(line, DELAY_PLACES - 1)->number, in - 1);
		for (uint32_t n = DELAY_PLACES - round * 1000; n; n--) {
			assert_int_equal(delay_at(line, 0)->due, out);
			assert_int_equal(delay_take(line), out);
			out++;
		}
		assert_int_equal(delay_count(line), in - out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_order_when_due, setup, teardown),
		cmocka_unit_test_setup_teardown(the_clock_wraps, setup, teardown),
		cmocka_unit_test_setup_teardown(taken_back, setup, teardown),
		cmocka_unit_test_setup_teardown(taken_back_in_any_order, setup, teardown),
		cmocka_unit_test_setup_teardown(full_and_round, setup, teardown),
	};

	return cmocka_run_group_tests_name("delay", tests, NULL, NULL);
}
