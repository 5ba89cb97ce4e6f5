/*
 * Neither of two workers writes what the other touches, but through the rings and pools that are made
 * for it: built for ThreadSanitizer (tests/run race) this proves it. test_race_seen.c proves that it
 * would be seen.
 */
#include "race_kit.h"

/* Without sleep: waking by a descriptor is an edge of its own, and would hide one that is missing. */
static void two_queues(void **state)
{
	race_converse(&(const struct team_kit_config){.idle = WORKER_POLL});
}

/* Who sleeps is woken when something is handed over. */
static void asleep(void **state)
{
	race_converse(&(const struct team_kit_config){.idle = WORKER_SLEEP});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEAM_TEST(two_queues),
		TEAM_TEST(asleep),
	};

	return cmocka_run_group_tests(tests, race_eal, team_eal_end);
}
