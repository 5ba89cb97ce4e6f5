/*
 * The counter list: every counter has a name and a help text fit for telemetry, the ranges of the
 * enum hold what their names say, and only received drops are summed as such.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/counter.h"

static void test_names(void **state)
{
	for (unsigned int i = 0; i < CTR_MAX; i++) {
		const char *name = counter_info[i].name;

		assert_non_null(name);
		assert_true(strlen(name) > 0 && strlen(name) < 64);
		for (const char *p = name; *p; p++)
			assert_true(islower((unsigned char)*p) || isdigit((unsigned char)*p) ||
				    *p == '_');
		for (unsigned int j = 0; j < i; j++)
			assert_string_not_equal(name, counter_info[j].name);
	}
}

static void test_help(void **state)
{
	for (unsigned int i = 0; i < CTR_MAX; i++) {
		const char *help = counter_info[i].help;

		assert_non_null(help);
		assert_true(strlen(help) > 8);
		assert_int_not_equal(help[strlen(help) - 1], '.');
		for (const char *p = help; *p; p++)
			assert_true(isprint((unsigned char)*p) && *p != '"' && *p != '\\');
	}
}

static void test_ranges(void **state)
{
	for (unsigned int i = 0; i < CTR_TX_DROPS_END; i++)
		assert_memory_equal(counter_info[i].name, i < CTR_RX_DROPS_END ? "rx_" : "tx_", 3);
	assert_string_equal(counter_info[CTR_RX_PACKETS].name, "rx_packets");
	assert_string_equal(counter_info[CTR_TX_NO_MBUF].name, "tx_no_mbuf");
}

static void test_rx_dropped(void **state)
{
	struct counters c = {0};
	uint64_t expected = 0;

	for (unsigned int i = 0; i < CTR_MAX; i++)
		count_add(&c, i, 1000 + i);
	for (unsigned int i = 0; i < CTR_RX_DROPS_END; i++)
		expected += 1000 + i;
	assert_int_equal(counter_rx_dropped(&c), expected);
	count(&c, CTR_RX_PACKETS);
	count(&c, CTR_TX_REFUSED);
	assert_int_equal(counter_rx_dropped(&c), expected);
	count(&c, CTR_RX_RUNT);
	count(&c, CTR_RX_HANDOVER_FULL);
	assert_int_equal(counter_rx_dropped(&c), expected + 2);
}

static void test_layout(void **state)
{
	static_assert(alignof(struct counters) == CACHE_LINE, "no two workers share a line");
	static_assert(sizeof(struct counters) % CACHE_LINE == 0, "nor does an array of them");
	assert_true(CTR_MAX <= 256); /* entries of a telemetry reply */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),      cmocka_unit_test(test_help),
		cmocka_unit_test(test_ranges),     cmocka_unit_test(test_rx_dropped),
		cmocka_unit_test(test_layout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
