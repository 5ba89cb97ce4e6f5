/*
 * Servers as text, and the walk over tuples.
 */
#include "kit.h"

#include <stdio.h>

#include "base/address.h"
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
	char text[ADDRESS_TEXT];

	assert_string_equal(address_format(list[i].addr, text), addr);
	assert_int_equal(list[i].v6, !!strchr(addr, ':'));
	assert_int_equal(list[i].port, port);
}

static void one(void **state)
{
	assert_int_equal(parse("198.18.0.2"), 1);
	is(0, "198.18.0.2", 80);
	assert_int_equal(parse("198.18.0.2:8080"), 1);
	is(0, "198.18.0.2", 8080);
	assert_int_equal(parse("fd00:18::2"), 1);
	is(0, "fd00:18::2", 80);
	assert_int_equal(parse("[fd00:18::2]"), 1);
	is(0, "fd00:18::2", 80);
	assert_int_equal(parse("[fd00:18::2]:8080"), 1);
	is(0, "fd00:18::2", 8080);
	assert_int_equal(parse("fe80::1"), 1);
	is(0, "fe80::1", 80);
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

static void ranges_of_both_families(void **state)
{
	assert_int_equal(parse("[fd00:18::2]-[fd00:18::9]:80-89"), 80);
	is(0, "fd00:18::2", 80);
	is(7, "fd00:18::9", 80);
	is(79, "fd00:18::9", 89);
	assert_int_equal(targets_addresses(list, 80), 8);
	assert_int_equal(parse("fd00::ffff:ffff:ffff:ffff-fd00:0:0:1::"), 2);
	is(1, "fd00:0:0:1::", 80);
	assert_int_equal(parse("198.18.0.2:7,[fd00:18::2]:7,fd00:18::3-fd00:18::4"), 4);
	is(0, "198.18.0.2", 7);
	is(1, "fd00:18::2", 7);
	is(2, "fd00:18::3", 80);
	assert_int_equal(targets_addresses(list, 4), 2);
	assert_int_equal(parse("[fd00::]-[fd00::ffff]"), 65536);
	assert_int_equal(parse("[fd00::]-[fd00::1:0]"), -1);
	assert_non_null(strstr(err, "at most 65536"));
	assert_int_equal(parse("::2-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), -1);
	assert_non_null(strstr(err, "at most 65536"));
}

static void refused(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{"", "expected a server"},
		{" , ", "expected a server"},
		{"localhost", "expected ADDRESS[-ADDRESS]"},
		{"198.18.0.2/24", "expected ADDRESS[-ADDRESS]"},
		{"198.18.0.2:0", "port from 1 to 65535"},
		{"198.18.0.2:", "port from 1 to 65535"},
		{"198.18.0.2:65536", "port from 1 to 65535"},
		{"198.18.0.2:80-", "port from 1 to 65535"},
		{"198.18.0.2:90-80", "lower end"},
		{"198.18.0.9-198.18.0.2", "lower end"},
		{"[fd00::1]:0", "port from 1 to 65535"},
		{"[fd00::1", "expected ] behind the address"},
		{"fd00::1]:80", "expected ADDRESS[-ADDRESS]"},
		{"[fd00::1]80", "expected ADDRESS[-ADDRESS]"},
		{"[fd00::1]-fd00::2:80", "IPv6 address in brackets"},
		{"fd00::1-[fd00::2]:80", "IPv6 address in brackets"},
		{"[198.18.0.2]:80", "IPv4 without brackets"},
		{"fd00::2-fd00::1", "lower end"},
		{"fd00::1-198.18.0.2", "range of one family"},
		{"198.18.0.2-[fd00::1]:80", "range of one family"},
		{"fe80::1%eth0", "without a zone"},
		{"[::ffff:198.18.0.2]:80", "IPv4 written as 198.18.0.2"},
		{"ff02::1", "address of another host"},
		{"::1", "address of another host"},
		{"::", "address of another host"},
		{"198.18.0.2:80,fd00::g", "expected ADDRESS[-ADDRESS]"},
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
	static const uint32_t own[] = {0, 1};
	const struct target servers[3] = {0};
	struct tuple first, t;
	struct walk w;

	walk_init(&w, servers, 3, (const uint32_t *const[]){own, NULL}, (const uint32_t[]){2, 0}, 1001, 1005, 4);
	first = (struct tuple){0, 0, 1005};
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

/* A server is asked from sources of its own family, and of these every tuple comes once, too. */
static void families_apart(void **state)
{
	static unsigned char seen[4][10][5];
	static const uint32_t four[] = {0, 2, 3}, six[] = {1, 9};
	const struct target servers[4] = {{.v6 = false}, {.v6 = true}, {.v6 = true}, {.v6 = false}};
	struct walk w;

	walk_init(&w, servers, 4, (const uint32_t *const[]){four, six}, (const uint32_t[]){3, 2}, 1001, 1005, 2);
	for (unsigned int i = 0; i < 4 * 15; i++) {
		const struct tuple t = walk_next(&w);
		const bool v6 = t.source == 1 || t.source == 9;

		assert_int_equal(t.target, i % 4);
		assert_int_equal(v6, servers[t.target].v6);
		if (!v6 || i < 4 * 10)
			assert_int_equal(seen[t.target][t.source][t.port - 1001]++, 0);
	}
	for (unsigned int port = 0; port < 5; port++)
		assert_true(seen[0][0][port] && seen[3][2][port] && seen[0][3][port] && seen[1][1][port] &&
			    seen[2][9][port]);
}

/* The whole range of ports, up to the last. */
static void all_ports(void **state)
{
	static const uint32_t own[] = {0};
	const struct target server = {0};
	struct walk w;

	walk_init(&w, &server, 1, (const uint32_t *const[]){own, NULL}, (const uint32_t[]){1, 0}, 65534, 65535,
		  UINT64_MAX);
	for (unsigned int i = 0; i < 5; i++)
		assert_in_range(walk_next(&w).port, 65534, 65535);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(one, tear_down), cmocka_unit_test_teardown(ranges, tear_down),
		cmocka_unit_test_teardown(ranges_of_both_families, tear_down),
		cmocka_unit_test_teardown(refused, tear_down), cmocka_unit_test(walk), cmocka_unit_test(families_apart),
		cmocka_unit_test(all_ports),
	};

	return cmocka_run_group_tests_name("load_target", tests, NULL, NULL);
}
