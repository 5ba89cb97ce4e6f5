/*
 * Addresses of both families: their kinds, networks, ranges and text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/address.h"
#include "base/compiler.h"

static const uint8_t *of(const char *text)
{
	static uint8_t addr[4][16];
	static unsigned int n;
	const char *why;
	uint8_t *a = addr[n++ % 4];

	if (!address_parse(text, strlen(text), a, &why))
		fail_msg("%s: %s", text, why ? why : "no address");
	return a;
}

static void kinds(void **state)
{
	static const struct {
		const char *text;
		enum address_kind kind;
	} cases[] = {
		{"0.0.0.0", ADDRESS_UNSPECIFIED},  {"0.1.2.3", ADDRESS_UNSPECIFIED},
		{"127.0.0.1", ADDRESS_LOOPBACK},   {"127.255.0.9", ADDRESS_LOOPBACK},
		{"224.0.0.1", ADDRESS_MULTICAST},  {"255.255.255.255", ADDRESS_MULTICAST},
		{"198.18.0.2", ADDRESS_UNICAST},   {"169.254.1.1", ADDRESS_UNICAST},
		{"::", ADDRESS_UNSPECIFIED},	   {"::1", ADDRESS_LOOPBACK},
		{"::2", ADDRESS_UNICAST},	   {"1::1", ADDRESS_UNICAST},
		{"ff02::1", ADDRESS_MULTICAST},	   {"fe80::1", ADDRESS_LINK_LOCAL},
		{"febf:ffff::1", ADDRESS_LINK_LOCAL}, {"fec0::1", ADDRESS_UNICAST},
		{"fd00:18::2", ADDRESS_UNICAST},   {"2001:db8::", ADDRESS_UNICAST},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (address_kind(of(cases[i].text)) != cases[i].kind)
			fail_msg("%s", cases[i].text);
}

static void families(void **state)
{
	uint8_t a[16];

	address_from_v4(a, address_v4(of("198.18.0.2")));
	assert_true(address_equal(a, of("198.18.0.2")));
	assert_true(address_is_v4(a));
	assert_int_equal(address_bits_before(a), 96);
	assert_false(address_is_v4(of("::198.18.0.2")));
	assert_false(address_is_v4(of("fd00:18::2")));
	assert_int_equal(address_bits_before(of("fd00:18::2")), 0);
}

static void networks(void **state)
{
	assert_true(address_same_net(of("198.18.0.2"), of("198.18.0.255"), 96 + 24));
	assert_false(address_same_net(of("198.18.0.2"), of("198.18.1.2"), 96 + 24));
	assert_true(address_same_net(of("198.18.0.2"), of("198.18.1.2"), 96 + 23));
	assert_true(address_same_net(of("fd00:18::2"), of("fd00:18::ffff:0:0:1"), 64));
	assert_false(address_same_net(of("fd00:18::2"), of("fd00:18::3"), 128));
	assert_true(address_same_net(of("fd00:18::2"), of("fd00:18::3"), 127));
	assert_true(address_same_net(of("::"), of("ffff::"), 0));
	assert_true(address_rest_is(of("fd00:18::"), 64, 0));
	assert_false(address_rest_is(of("fd00:18::2"), 64, 0));
	assert_true(address_rest_is(of("fd00:18::2"), 127, 0));
	assert_true(address_rest_is(of("198.18.0.255"), 96 + 24, 1));
	assert_false(address_rest_is(of("198.18.0.254"), 96 + 24, 1));
	assert_true(address_rest_is(of("fd00::1"), 128, 0) && address_rest_is(of("fd00::1"), 128, 1));
}

static void numbers(void **state)
{
	uint8_t a[16];

	assert_int_equal(address_distance(of("fd00::1"), of("fd00::1")), 0);
	assert_int_equal(address_distance(of("198.18.0.254"), of("198.18.1.1")), 3);
	assert_int_equal(address_distance(of("fd00::ffff:ffff:ffff:fffe"), of("fd00:0:0:1::1")), 3);
	assert_true(address_distance(of("fd00::"), of("fd00:0:0:1::")) == UINT64_MAX);
	assert_true(address_distance(of("::"), of("ffff::")) == UINT64_MAX);
	memcpy(a, of("fd00::ffff:ffff:ffff:fffe"), 16);
	address_add(a, 3);
	assert_true(address_equal(a, of("fd00:0:0:1::1")));
	memcpy(a, of("198.18.0.254"), 16);
	address_add(a, 3);
	assert_true(address_equal(a, of("198.18.1.1")));
	address_add(a, 0);
	assert_true(address_equal(a, of("198.18.1.1")));
}

/* As RFC 5952 says, whatever was typed. */
static void text(void **state)
{
	static const char *const cases[][2] = {
		{"198.18.0.2", "198.18.0.2"},
		{"fd00:18::2", "fd00:18::2"},
		{"FD00:0018:0000:0:0:0:0:2", "fd00:18::2"},
		{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
		{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
		{"::", "::"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	};
	char buf[ADDRESS_TEXT], both[ADDRESS_PORT_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(address_format(of(cases[i][0]), buf), cases[i][1]);
	assert_string_equal(address_host_format(of("198.18.0.2"), both), "198.18.0.2");
	assert_string_equal(address_host_format(of("fd00:18::2"), both), "[fd00:18::2]");
	assert_string_equal(address_port_format(of("198.18.0.2"), 80, both), "198.18.0.2:80");
	assert_string_equal(address_port_format(of("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 65535, both),
			    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
}

static void text_refused(void **state)
{
	static const struct {
		const char *text, *why; /* NULL: nothing special to say */
	} cases[] = {
		{"", NULL}, {"198.18.0", NULL}, {"198.18.0.256", NULL}, {"198.18.0.2/24", NULL}, {"fd00::1::2", NULL},
		{"fd00:18", NULL}, {"fd00::18.0.2", NULL}, {"12345::1", NULL}, {"localhost", NULL}, {"fd00::2 ", NULL},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
		{"fe80::1%eth0", "without a zone"}, {"198.18.0.2%eth0", "without a zone"},
		{"::ffff:198.18.0.2", "IPv4 written as 198.18.0.2"}, {"::ffff:c612:2", "IPv4 written as 198.18.0.2"},
		{"[fd00::2]", "without brackets"},
	};
	uint8_t a[16] = {1, 2, 3};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *why = "";

		assert_false(address_parse(cases[i].text, strlen(cases[i].text), a, &why));
		if (!why != !cases[i].why || (why && !strstr(why, cases[i].why)))
			fail_msg("%s: %s", cases[i].text, why ? why : "");
		assert_true(a[0] == 1 && a[1] == 2 && a[2] == 3);
	}
	assert_false(address_parse("1.2.3.4\0.5", 9, a, &(const char *){NULL}));
	assert_true(address_parse("1.2.3.4:80", 7, a, &(const char *){NULL}));
}

static void with_port(void **state)
{
	static const struct {
		const char *text, *addr, *why; /* addr NULL: refused */
		uint16_t port;
	} cases[] = {
		{"198.18.0.2:80", "198.18.0.2", NULL, 80},
		{"[fd00:18::2]:65535", "fd00:18::2", NULL, 65535},
		{"[fe80::1]:1", "fe80::1", NULL, 1},
		{"198.18.0.2", NULL, NULL, 0},
		{"198.18.0.2:", NULL, NULL, 0},
		{"198.18.0.2:0", NULL, NULL, 0},
		{"198.18.0.2:65536", NULL, NULL, 0},
		{"198.18.0.2:99999999999999999999", NULL, NULL, 0},
		{"198.18.0.2:80x", NULL, NULL, 0},
		{"198.18.0.2:-1", NULL, NULL, 0},
		{":80", NULL, NULL, 0},
		{"name:80", NULL, NULL, 0},
		{"[fd00:18::2]", NULL, NULL, 0},
		{"[fd00:18::2]80", NULL, NULL, 0},
		{"[fd00:18::2:80", NULL, "expected ] behind the address", 0},
		{"fd00:18::2]:80", NULL, "IPv6 address in brackets", 0},
		{"fd00:18::2:80", NULL, "IPv6 address in brackets", 0},
		{"[198.18.0.2]:80", NULL, "IPv4 without brackets", 0},
		{"[fe80::1%eth0]:80", NULL, "without a zone", 0},
		{"[::ffff:1.2.3.4]:80", NULL, "IPv4 written as 198.18.0.2", 0},
		{"[]:80", NULL, NULL, 0},
		{"[[fd00::1]]:80", NULL, "without brackets", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *why = "";
		uint16_t port = 7;
		uint8_t a[16];
		bool ok = address_port_parse(cases[i].text, a, &port, &why);

		if (ok != !!cases[i].addr || (!ok && (!why != !cases[i].why || (why && !strstr(why, cases[i].why)))))
			fail_msg("%s: %s", cases[i].text, why ? why : "");
		assert_int_equal(port, ok ? cases[i].port : 7);
		if (ok)
			assert_true(address_equal(a, of(cases[i].addr)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds),   cmocka_unit_test(families), cmocka_unit_test(networks),
		cmocka_unit_test(numbers), cmocka_unit_test(text),     cmocka_unit_test(text_refused),
		cmocka_unit_test(with_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
