/*
 * Servers as text, and the walk over tuples.
 */
#include "kit.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "target.h"

static struct target *list;
static char err[256];

static int parse(const char *text)
{
	free(list);
	list = NULL;
	return targets_parse(text, 80, &list, err, sizeof(err));
}

static int tear_down(void **state)
{
	free(list);
	list = NULL;
	return 0;
}

static void is(unsigned int i, const char *addr, uint16_t port)
{
	char text[INET_ADDRSTRLEN];

	assert_string_equal(inet_ntop(AF_INET, &list[i].addr, text, sizeof(text)), addr);
	assert_int_equal(list[i].port, port);
}

static void one(void **state)
{
	assert_int_equal(parse("198.18.0.2"), 1);
	is(0, "198.18.0.2", 80);
	assert_int_equal(parse("198.18.0.2:8080"), 1);
	is(0, "198.18.0.2", 8080);
}

static void ranges(void **state)
{
	assert_int_equal(parse("198.18.0.254-198.18.1.1:7-8, 10.0.0.1:443"), 9);
	is(0, "198.18.0.254", 7);
	is(2, "198.18.1.0", 7);
	is(3, "198.18.1.1", 7);
	is(4, "198.18.0.254", 8);
	is(8, "10.0.0.1", 443);
	assert_int_equal(targets_addresses(list, 9), 4);
	assert_int_equal(targets_addresses(list, 1), 1);
	assert_int_equal(parse("0.0.0.1-255.255.255.255"), -1);
	assert_int_equal(parse("10.0.0.0-10.0.0.255:1-256"), 65536);
	assert_int_equal(parse("10.0.0.0-10.0.0.255:1-257"), -1);
	assert_non_null(strstr(err, "at most 65536"));
}

static void refused(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{"", "expected a server"},
		{" , ", "expected a server"},
		{"localhost", "IPv4 addresses"},
		{"198.18.0.2/24", "IPv4 addresses"},
		{"198.18.0.2:0", "port from 1 to 65535"},
		{"198.18.0.2:", "port from 1 to 65535"},
		{"198.18.0.2:65536", "port from 1 to 65535"},
		{"198.18.0.2:80-", "port from 1 to 65535"},
		{"198.18.0.2:90-80", "lower end"},
		{"198.18.0.9-198.18.0.2", "lower end"},
		{"fd00::1", "no IPv6 here yet"},
		{"[fd00::1]:80", "no IPv6 here yet"},
		{"198.18.0.2:80,fd00::1", "no IPv6 here yet"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(parse(bad[i].text), -1);
		if (!strstr(err, bad[i].says))
			fail_msg("%s: %s", bad[i].text, err);
	}
}

/* Every tuple once before one comes again, the server changing fastest. */
static void walk(void **state)
{
	static unsigned char seen[3][2][5];
	struct walk w;
	struct tuple first, t;

	walk_init(&w, 3, 2, 1001, 1005, 4);
	first = w.next;
	assert_int_equal(first.port, 1005);
	for (unsigned int i = 0; i < 30; i++) {
		t = walk_next(&w);
		assert_int_equal(t.target, i % 3);
		assert_int_equal(seen[t.target][t.source][t.port - 1001]++, 0);
	}
	t = walk_next(&w);
	assert_int_equal(t.target, first.target);
	assert_int_equal(t.source, first.source);
	assert_int_equal(t.port, first.port);
}

/* The whole range of ports, up to the last. */
static void all_ports(void **state)
{
	struct walk w;

	walk_init(&w, 1, 1, 65534, 65535, UINT64_MAX);
	for (unsigned int i = 0; i < 5; i++)
		assert_in_range(walk_next(&w).port, 65534, 65535);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(one, tear_down), cmocka_unit_test_teardown(ranges, tear_down),
		cmocka_unit_test_teardown(refused, tear_down), cmocka_unit_test(walk),
		cmocka_unit_test(all_ports),
	};

	return cmocka_run_group_tests_name("load_target", tests, NULL, NULL);
}
