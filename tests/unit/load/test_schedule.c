/*
 * The schedule: when starts are due, in the ramp and after it, and what is behind.
 */
#include "kit.h"

#include "schedule.h"

#define HZ 1e9

/* A thousand a second: one each millisecond, however late they are taken. */
static void even(void **state)
{
	struct schedule s;
	uint64_t due;

	schedule_init(&s, 1000, 0, 0, HZ);
	assert_true(schedule_take(&s, 0, &due));
	assert_int_equal(due, 0);
	assert_false(schedule_take(&s, 999999, &due));
	assert_true(schedule_take(&s, 5000000, &due));
	assert_int_equal(due, 1000000);
	assert_int_equal(schedule_backlog(&s, 5000000), 4);
	assert_true(schedule_take(&s, 5000000, &due));
	assert_int_equal(due, 2000000);
	assert_int_equal(schedule_backlog(&s, 5000000), 3);
	assert_int_equal(s.taken, 3);
}

static void no_rate(void **state)
{
	struct schedule s;
	uint64_t due;

	schedule_init(&s, 0, 5, 0, HZ);
	assert_false(schedule_take(&s, UINT64_MAX - 1, &due));
	assert_int_equal(schedule_backlog(&s, UINT64_MAX - 1), 0);
}

/* Starts by time t, counted by taking them. */
static uint64_t by(double rate, double ramp, double phase, uint64_t t)
{
	struct schedule s;
	uint64_t due, last = 0;

	schedule_init(&s, rate, ramp, phase, HZ);
	while (schedule_take(&s, t, &due)) {
		assert_true(due >= last && due <= t);
		last = due;
	}
	return s.taken;
}

/* The rate grows evenly: a quarter of the ramp's starts in its first half, and half of R T in all. */
static void ramp(void **state)
{
	assert_in_range(by(10000, 2, 0, 1000000000), 2499, 2501);
	assert_in_range(by(10000, 2, 0, 2000000000), 9999, 10001);
	assert_in_range(by(10000, 2, 0, 3000000000), 19999, 20001);
}

/* Of two workers with half the rate each, one starts between the other's. */
static void phases(void **state)
{
	struct schedule a, b;

	schedule_init(&a, 500, 0, 0, HZ);
	schedule_init(&b, 500, 0, 0.5, HZ);
	for (uint64_t n = 0; n < 100; n++) {
		assert_int_equal(schedule_due(&a, n), n * 2000000);
		assert_int_equal(schedule_due(&b, n), n * 2000000 + 1000000);
	}
}

/* The backlog is what taking would take, anywhere in the ramp and after it. */
static void backlog_is_exact(void **state)
{
	for (unsigned int i = 0; i < 400; i++) {
		const uint64_t t = (uint64_t)i * 7654321 + 1;
		struct schedule s;
		uint64_t due, n = 0, told;

		schedule_init(&s, 777, 1.5, 0.25, HZ);
		for (unsigned int k = 0; k < i % 7; k++)
			schedule_take(&s, t, &due);
		told = schedule_backlog(&s, t);
		while (schedule_take(&s, t, &due))
			n++;
		assert_int_equal(told, n);
	}
}

/* After a day at a million a second a start is still due to the nanosecond. */
static void keeps_time(void **state)
{
	struct schedule s;

	schedule_init(&s, 1e6, 0, 0, HZ);
	assert_int_equal(schedule_due(&s, 86400ull * 1000000 + 1), 86400ull * 1000000000 + 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(even),		    cmocka_unit_test(no_rate),
		cmocka_unit_test(ramp),		    cmocka_unit_test(phases),
		cmocka_unit_test(backlog_is_exact), cmocka_unit_test(keeps_time),
	};

	return cmocka_run_group_tests_name("load_schedule", tests, NULL, NULL);
}
