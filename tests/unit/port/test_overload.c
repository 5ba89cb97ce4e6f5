/*
 * Overload: when it begins, how much it refuses, that it finds the share that is too much, and when it ends.
 */
#include "kit.h"

#include "base/units.h"
#include "worker/overload.h"

static struct overload o;
static uint64_t now, packets, repeats;

static int set_up(void **state)
{
	o = (struct overload){0};
	now = 12345;
	packets = repeats = 0;
	return 0;
}

/* A millisecond of four turns, in which 1,024 packets came. Whether it changed anything. */
static bool ms(bool standing, unsigned int again)
{
	const struct overload was = o;

	packets += 1024;
	repeats += again;
	now += US_PER_MS;
	for (int i = 0; i < 4; i++)
		overload_turn(&o, now, standing || i != 2);
	overload_look(&o, now, packets, repeats);
	return o.on != was.on || o.refused != was.refused;
}

static void begins_with_losses_only(void **state)
{
	for (int i = 0; i < 2000; i++)
		assert_false(ms(true, i % 2)); /* one packet in 2,048 */
	assert_false(o.on);
	for (int i = 0; i < 2000 && !o.on; i++)
		ms(true, 4);
	assert_true(o.on);
	assert_int_equal(o.refused, OVERLOAD_ALL / 4);
}

static void begins_where_the_queue_stands_only(void **state)
{
	for (int i = 0; i < 100 * OVERLOAD_ENTER_MS; i++)
		assert_false(ms(i % OVERLOAD_ENTER_MS != 0, 100));
	assert_false(ms(false, 100));
	for (int i = 1; i < OVERLOAD_ENTER_MS; i++)
		assert_false(ms(true, 100));
	assert_true(ms(true, 100));
	assert_true(o.on);
}

static void old_losses_do_not_count(void **state)
{
	for (int i = 0; i < 10; i++)
		ms(false, 1000);
	for (int i = 0; i < 600; i++)
		ms(false, 0);
	for (int i = 0; i < 600; i++)
		ms(true, 0);
	assert_false(o.on);
}

static void looks_once_a_millisecond(void **state)
{
	ms(false, 0);
	assert_false(overload_turn(&o, now + US_PER_MS - 1, true));
	assert_true(overload_turn(&o, now + US_PER_MS, true));
}

static void begin(void)
{
	while (!o.on)
		ms(true, 100);
}

static void refuses_nearly_all_if_it_must(void **state)
{
	begin();
	for (int i = 0; i < 100; i++)
		ms(true, 100);
	assert_int_equal(o.refused, OVERLOAD_MOST);
}

/* Behind so many full bursts is a queue; a client's batch is not. */
static void a_run_of_full_bursts_refuses_at_once(void **state)
{
	begin();
	for (int i = 0; i < 60; i++)
		ms(false, 0);
	overload_turn(&o, now, false);
	for (int i = 1; i < OVERLOAD_RUN; i++) {
		overload_turn(&o, now, true);
		assert_int_equal(overload_refused(&o), o.refused);
	}
	overload_turn(&o, now, true);
	assert_int_equal(overload_refused(&o), OVERLOAD_MOST);
	assert_true(o.refused < OVERLOAD_ALL / 4);
	overload_turn(&o, now, false);
	assert_int_equal(overload_refused(&o), o.refused);
}

/* A worker at work again, whose clients wait for it: the queue stands, nothing is lost. */
static void lets_in_slowly_what_it_can_carry(void **state)
{
	uint32_t last;

	begin();
	for (int i = 0; i < 600; i++)
		ms(true, 0); /* the losses grow old */
	last = o.refused;
	for (int i = 0; i < 100; i++)
		ms(true, 0);
	assert_true(o.refused < last);
	assert_true(o.refused > last / 2);
	for (int i = 0; i < 10000 && o.on; i++)
		ms(true, 0);
	assert_false(o.on);
}

static void ends_after_a_calm(void **state)
{
	int n = 0;

	begin();
	while (o.refused)
		ms(false, 0);
	while (o.on) {
		ms(false, 0);
		n++;
	}
	assert_true(n == OVERLOAD_LEAVE_MS || n == OVERLOAD_LEAVE_MS - 1);
	ms(true, 0);
	assert_false(o.on);
}

/* Offered twice what can be carried: half has to be refused; the queue is to stand now and then only. */
static void finds_the_share(void **state)
{
	double queue = 0, share = 0;
	unsigned int standing = 0;

	begin();
	for (int i = 0; i < 20000; i++) {
		const double in = 2.0 * (1 - (double)o.refused / OVERLOAD_ALL);
		bool stands;

		queue += in - 1;
		stands = queue > 0;
		queue = queue < 0 ? 0 : queue > 1 ? 1 : queue; /* a millisecond's worth fits */
		ms(stands, 100);
		if (i >= 10000) {
			share += in / 10000;
			standing += stands;
		}
	}
	assert_true(share > 0.9 && share < 1.1);
	assert_true(standing < 10000 / 2);
}

#define TEST(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(begins_with_losses_only),
		TEST(begins_where_the_queue_stands_only),
		TEST(old_losses_do_not_count),
		TEST(looks_once_a_millisecond),
		TEST(refuses_nearly_all_if_it_must),
		TEST(a_run_of_full_bursts_refuses_at_once),
		TEST(lets_in_slowly_what_it_can_carry),
		TEST(ends_after_a_calm),
		TEST(finds_the_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
