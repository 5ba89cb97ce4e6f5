/*
 * Listener arguments, CPU lists, addresses: what is taken, what is refused and why.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/compiler.h"
#include "ctl/listen_spec.h"
#include "ctl/parse.h"

static char err[256];

static struct listen_spec spec_of(const char *text)
{
	struct listen_spec s;

	if (!listen_spec_parse(text, &s, err, sizeof(err)))
		fail_msg("%s: %s", text, err);
	return s;
}

static void test_listen_spec(void **state)
{
	static const struct {
		const char *text, *formatted;
		const char *addr;
		uint16_t first, last;
	} good[] = {
		{"80", "80", "::", 80, 80},
		{"1-65535", "1-65535", "::", 1, 65535},
		{"8000-8999", "8000-8999", "::", 8000, 8999},
		{"80-80", "80", "::", 80, 80},
		{"198.18.0.2:80", "198.18.0.2:80", "198.18.0.2", 80, 80},
		{"198.18.0.2:8000-8010", "198.18.0.2:8000-8010", "198.18.0.2", 8000, 8010},
		{"0.0.0.0:7", "7", "::", 7, 7},
		{"[::]:7", "7", "::", 7, 7},
		{"[fd00:18::2]:80", "[fd00:18::2]:80", "fd00:18::2", 80, 80},
		{"[FD00:18:0::2]:8000-8999", "[fd00:18::2]:8000-8999", "fd00:18::2", 8000, 8999},
		{"[fe80::1]:1", "[fe80::1]:1", "fe80::1", 1, 1},
		{"[2001:db8:1111:2222:3333:4444:5555:6666]:10000-65535",
		 "[2001:db8:1111:2222:3333:4444:5555:6666]:10000-65535",
		 "2001:db8:1111:2222:3333:4444:5555:6666", 10000, 65535},
		{"223.255.255.255:65535-65535", "223.255.255.255:65535", "223.255.255.255", 65535, 65535},
	};
	char buf[LISTEN_SPEC_LEN], addr[ADDRESS_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct listen_spec s = spec_of(good[i].text);

		assert_string_equal(address_format(s.addr, addr), good[i].addr);
		assert_int_equal(listen_spec_any(&s), !strcmp(good[i].addr, "::"));
		assert_int_equal(s.first, good[i].first);
		assert_int_equal(s.last, good[i].last);
		assert_string_equal(listen_spec_format(&s, buf, sizeof(buf)), good[i].formatted);
	}
}

static void test_listen_spec_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"", "expected [ADDRESS:]PORT"},
		{"http", "expected [ADDRESS:]PORT"},
		{"65536", "expected [ADDRESS:]PORT"},
		{"99999999999999999999999", "expected [ADDRESS:]PORT"},
		{"80 ", "expected [ADDRESS:]PORT"},
		{"80-", "expected [ADDRESS:]PORT"},
		{"-80", "expected [ADDRESS:]PORT"},
		{"80-81-82", "expected [ADDRESS:]PORT"},
		{"198.18.0.2", "expected [ADDRESS:]PORT"},
		{"198.18.0:80", "expected [ADDRESS:]PORT"},
		{":80", "expected [ADDRESS:]PORT"},
		{"198.18.0.2:", "expected [ADDRESS:]PORT"},
		{"1111.2222.3333.4444.5555:80", "expected [ADDRESS:]PORT"},
		{"90-80", "the range ends before it begins"},
		{"0", "port 0 is reserved (RFC 6335)"},
		{"0-10", "port 0 is reserved (RFC 6335)"},
		{"224.0.0.1:80", "TCP listens on unicast addresses only"},
		{"255.255.255.255:80", "TCP listens on unicast addresses only"},
		{"0.0.0.1:80", "TCP listens on unicast addresses only"},
		{"fd00:18::2", "expected an IPv6 address in brackets, as in [fd00:18::2]:80"},
		{"fd00:18::2:80", "expected an IPv6 address in brackets"},
		{"fd00:18::2]:80", "expected an IPv6 address in brackets"},
		{"[fd00:18::2:80", "expected ] behind the address"},
		{"[fd00:18::2]", "expected [ADDRESS:]PORT"},
		{"[fd00:18::2]80", "expected [ADDRESS:]PORT"},
		{"[fd00:18::2]:", "expected [ADDRESS:]PORT"},
		{"[fd00:18::2]:0", "port 0 is reserved (RFC 6335)"},
		{"[fd00:18::2]:90-80", "the range ends before it begins"},
		{"[fd00:18:2]:80", "expected [ADDRESS:]PORT"},
		{"[80]", "expected [ADDRESS:]PORT"},
		{"[198.18.0.2]:80", "expected IPv4 without brackets"},
		{"[fe80::1%eth0]:80", "expected an address without a zone"},
		{"[::ffff:198.18.0.2]:80", "expected IPv4 written as 198.18.0.2"},
		{"[ff02::1]:80", "TCP listens on unicast addresses only"},
	};
	struct listen_spec s = {.addr = {1}, .first = 2, .last = 3};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_false(listen_spec_parse(bad[i].text, &s, err, sizeof(err)));
		assert_memory_equal(err, bad[i].why, strlen(bad[i].why));
		assert_true(s.addr[0] == 1 && !s.addr[15] && s.first == 2 && s.last == 3);
	}
}

static void test_overlap(void **state)
{
	static const struct {
		const char *a, *b;
		bool overlap;
	} cases[] = {
		{"80", "80", true},
		{"80", "81", false},
		{"80-90", "90", true},
		{"80-90", "91-100", false},
		{"1-65535", "500-600", true},
		{"198.18.0.2:80", "198.18.0.2:79-81", true},
		{"198.18.0.2:80", "198.18.0.3:80", false},
		{"198.18.0.2:80", "80", false},
		{"0.0.0.0:80", "80", true},
		{"[::]:80", "0.0.0.0:80", true},
		{"[fd00::2]:80", "[fd00:0::2]:80-81", true},
		{"[fd00::2]:80", "[fd00::3]:80", false},
		{"[fd00::2]:80", "80", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct listen_spec a = spec_of(cases[i].a), b = spec_of(cases[i].b);

		assert_int_equal(listen_spec_overlap(&a, &b), cases[i].overlap);
		assert_int_equal(listen_spec_overlap(&b, &a), cases[i].overlap);
	}
}

static void test_cpu_list(void **state)
{
	static const unsigned int expected[] = {0, 1, 2, 3, 8, 6};
	static const char *const bad[] = {"", ",", "0,", "0-", "3-1", "a", "0 1", "1024", "-1", "0x1",
					  "99999999999999999999", "0,,1"};
	unsigned int cpus[6];

	assert_int_equal(cpu_list_parse("0-3,8 , 6", cpus, 6, err, sizeof(err)), 6);
	assert_memory_equal(cpus, expected, sizeof(expected));
	assert_int_equal(cpu_list_parse("1023", cpus, 6, err, sizeof(err)), 1);
	assert_int_equal(cpus[0], CPU_ID_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(cpu_list_parse(bad[i], cpus, 6, err, sizeof(err)), -1);
		assert_string_equal(err, "expected CPU numbers from 0 to 1023 and ranges, "
					 "such as 0-3,8");
	}
	assert_int_equal(cpu_list_parse("0-3,2", cpus, 6, err, sizeof(err)), -1);
	assert_string_equal(err, "CPU 2 is named twice");
	assert_int_equal(cpu_list_parse("0-6", cpus, 6, err, sizeof(err)), -1);
	assert_string_equal(err, "expected at most 6 CPUs");
}

static void is(const uint8_t addr[16], const char *text)
{
	char buf[ADDRESS_TEXT];

	assert_string_equal(address_format(addr, buf), text);
}

static void test_address(void **state)
{
	uint8_t addr[16] = {0};

	assert_true(ip_parse("198.18.0.1", addr, err, sizeof(err)));
	is(addr, "198.18.0.1");
	assert_false(ip_parse("198.18.0.1/24", addr, err, sizeof(err)));
	assert_string_equal(err, "expected an address, such as 198.18.0.1 or fd00:18::1, not \"198.18.0.1/24\"");
	is(addr, "198.18.0.1");
	assert_true(ip_parse("fd00::1", addr, err, sizeof(err)));
	is(addr, "fd00::1");
	assert_false(ip_parse("fe80::1%eth0", addr, err, sizeof(err)));
	assert_string_equal(err, "expected an address without a zone, such as fe80::1, "
				 "not \"fe80::1%eth0\"");
}

static void test_prefixes(void **state)
{
	static const char *const bad[] = {"", "198.18.0.2", "198.18.0.2/", "198.18.0.2/33", "/24",
					  "198.18.0.2/24x", "198.18.0.2/-1", "198.18.0/24",
					  "111111111111111111111111/24", "fd00::1", "fd00::1/129", "fd00::/", "fd00::g/64",
					  "fd00::1/64/64"};
	struct ip_prefix p[3] = {0};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_false(ip_prefix_parse(bad[i], &p[0], err, sizeof(err)));
		assert_int_equal(p[0].addr[15], 0);
		assert_non_null(strstr(err, "such as 198.18.0.2/24 or fd00:18::2/64"));
		assert_int_equal(ip_prefix_list_parse(bad[i], p, 3, err, sizeof(err)), -1);
	}
	assert_int_equal(ip_prefix_list_parse(" 198.18.0.2/24, fd00::1/128\n1.2.3.4/32\n", p, 3,
					      err, sizeof(err)), 3);
	is(p[0].addr, "198.18.0.2");
	assert_int_equal(p[0].len, 24);
	is(p[1].addr, "fd00::1");
	assert_int_equal(p[1].len, 128);
	assert_int_equal(p[2].len, 32);
	assert_int_equal(ip_prefix_list_parse("1.1.1.1/8 1.1.1.2/8 1.1.1.3/8 1.1.1.4/8", p, 3, err,
					      sizeof(err)), -1);
	assert_string_equal(err, "expected at most 3 addresses");
	assert_int_equal(ip_prefix_list_parse("fd00::1/64,fe80::1%eth0/64", p, 3, err, sizeof(err)), -1);
	assert_non_null(strstr(err, "without a zone, such as fe80::1, not \"fe80::1%eth0/64\""));
	assert_int_equal(ip_prefix_list_parse("::ffff:1.2.3.4/120", p, 3, err, sizeof(err)), -1);
	assert_non_null(strstr(err, "expected IPv4 written as 198.18.0.2"));
}

static void test_holds(void **state)
{
	static const struct {
		const char *prefix, *addr;
		bool holds;
	} cases[] = {
		{"198.18.0.2/24", "198.18.0.255", true}, {"198.18.0.2/24", "198.18.1.1", false},
		{"198.18.0.2/0", "1.2.3.4", true},	 {"198.18.0.2/0", "fd00::1", false},
		{"fd00::1/0", "1.2.3.4", false},	 {"fd00::1/64", "fd00::ffff:0:0:1", true},
		{"fd00::1/64", "fd00:0:0:1::1", false},	 {"fd00::1/128", "fd00::1", true},
		{"fd00::1/127", "fd00::2", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ip_prefix p;
		uint8_t addr[16];

		assert_true(ip_prefix_parse(cases[i].prefix, &p, err, sizeof(err)));
		assert_true(ip_parse(cases[i].addr, addr, err, sizeof(err)));
		if (ip_prefix_holds(&p, addr) != cases[i].holds)
			fail_msg("%s %s", cases[i].prefix, cases[i].addr);
	}
}

static void test_addresses(void **state)
{
	uint8_t a[2][16];

	assert_int_equal(ip_list_parse("198.18.0.1, fe80::1\n", a, 2, err, sizeof(err)), 2);
	is(a[0], "198.18.0.1");
	is(a[1], "fe80::1");
	assert_int_equal(ip_list_parse("fd00::1", a, 2, err, sizeof(err)), 1);
	assert_int_equal(ip_list_parse("fd00::1 fd00::2 fd00::3", a, 2, err, sizeof(err)), -1);
	assert_string_equal(err, "expected at most 2 addresses");
	assert_int_equal(ip_list_parse("fd00::1,", a, 2, err, sizeof(err)), -1);
	assert_string_equal(err, "expected an address before and behind each comma");
	assert_int_equal(ip_list_parse("", a, 2, err, sizeof(err)), -1);
	assert_int_equal(ip_list_parse("fd00::1-fd00::2", a, 2, err, sizeof(err)), -1);
}

/* Between commas there is an address; the end of a line beside a comma is no entry. */
static void test_empty_prefixes(void **state)
{
	static const char *const bad[] = {"1.1.1.1/8,,1.1.1.2/8", ",1.1.1.1/8", "1.1.1.1/8,", "1.1.1.1/8 , ,1.1.1.2/8",
					  "1.1.1.1/8,\n", ","};
	struct ip_prefix p[3];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(ip_prefix_list_parse(bad[i], p, 3, err, sizeof(err)), -1);
		assert_string_equal(err, "expected an address before and behind each comma");
	}
	assert_int_equal(ip_prefix_list_parse("1.1.1.1/8,\n1.1.1.2/8 ,1.1.1.3/8", p, 3, err, sizeof(err)), 3);
}

static void test_prefix_ranges(void **state)
{
	static const char *const bad[] = {"198.18.0.2-", "-198.18.0.2/24", "198.18.0.2-3/24",
					  "198.18.0.2-198.18.0.3", "198.18.0.2/24-198.18.0.3/24"};
	struct ip_prefix p[5];

	assert_int_equal(ip_prefix_list_parse("198.18.0.254-198.18.1.1/16 1.1.1.1-1.1.1.1/8", p, 5,
						err, sizeof(err)), 5);
	is(p[0].addr, "198.18.0.254");
	is(p[3].addr, "198.18.1.1");
	assert_int_equal(p[3].len, 16);
	is(p[4].addr, "1.1.1.1");
	assert_int_equal(p[4].len, 8);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(ip_prefix_list_parse(bad[i], p, 5, err, sizeof(err)), -1);
		assert_non_null(strstr(err, "such as 198.18.0.2/24"));
	}
	assert_int_equal(ip_prefix_list_parse("1.1.1.2-1.1.1.1/8", p, 5, err, sizeof(err)), -1);
	assert_non_null(strstr(err, "begins with the lowest"));
	assert_int_equal(ip_prefix_list_parse("0.0.0.0-255.255.255.255/8", p, 5, err, sizeof(err)),
			 -1);
	assert_string_equal(err, "expected at most 5 addresses");
	assert_int_equal(ip_prefix_list_parse("fd00::ffff:ffff:ffff:fffe-fd00:0:0:1::1/48", p, 5, err,
					      sizeof(err)), 4);
	is(p[0].addr, "fd00::ffff:ffff:ffff:fffe");
	is(p[2].addr, "fd00:0:0:1::");
	is(p[3].addr, "fd00:0:0:1::1");
	assert_int_equal(p[3].len, 48);
	assert_int_equal(ip_prefix_list_parse("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/8", p, 5, err,
					      sizeof(err)), -1);
	assert_string_equal(err, "expected at most 5 addresses");
	assert_int_equal(ip_prefix_list_parse("fd00::2-fd00::1/64", p, 5, err, sizeof(err)), -1);
	assert_non_null(strstr(err, "begins with the lowest, not \"fd00::2-fd00::1/64\""));
	assert_int_equal(ip_prefix_list_parse("1.1.1.1-fd00::1/24", p, 5, err, sizeof(err)), -1);
	assert_non_null(strstr(err, "a range of one family"));
}

/* A good text with a few octets others: the same in each run. */
static void mutated(char *to, const char *from, uint64_t *seed)
{
	static const char letters[] = "0123456789abcdefFx:::...[]]-/%, \n";
	size_t len = strlen(from);

	memcpy(to, from, len + 1);
	for (unsigned int i = 0; i < 3; i++) {
		*seed = *seed * 6364136223846793005u + 1442695040888963407u;
		if (len && *seed >> 61)
			to[(*seed >> 33) % len] = letters[(*seed >> 16) % (sizeof(letters) - 1)];
	}
}

/* Whatever is read is printed so that it is read as the same again; what is refused is told, and changes nothing. */
static void test_any_text(void **state)
{
	static const char *const seeds[] = {"[fd00:18::2]:8000-8999", "198.18.0.2:80", "8000-8999", "[fe80::1%eth0]:80",
					    "[::ffff:1.2.3.4]:80", "[::]:1"};
	static const char *const lists[] = {"fd00::2-fd00::9/64, 198.18.0.2/24", "198.18.0.2-198.18.0.9/24,fd00::/127",
					    "fd00::fffe-fd00::1:1/48"};
	static const struct listen_spec none;
	char text[64], again[LISTEN_SPEC_LEN];
	struct listen_spec a, b;
	struct ip_prefix p[16];
	unsigned int good = 0;
	uint64_t seed = 1;

	for (unsigned int i = 0; i < 100000; i++) {
		mutated(text, seeds[i % ARRAY_SIZE(seeds)], &seed);
		a = none;
		err[0] = '\0';
		if (!listen_spec_parse(text, &a, err, sizeof(err))) {
			assert_true(*err && !memcmp(&a, &none, sizeof(a)));
			continue;
		}
		good++;
		listen_spec_format(&a, again, sizeof(again));
		assert_true(listen_spec_parse(again, &b, err, sizeof(err)));
		assert_memory_equal(&a, &b, sizeof(a));
	}
	assert_in_range(good, 1000, 99000);
	for (unsigned int i = 0; i < 100000; i++) {
		int n;

		mutated(text, lists[i % ARRAY_SIZE(lists)], &seed);
		n = ip_prefix_list_parse(text, p, ARRAY_SIZE(p), err, sizeof(err));
		assert_in_range(n + 1, 0, ARRAY_SIZE(p) + 1);
		for (int k = 0; k < n; k++)
			assert_true(p[k].len <= (address_is_v4(p[k].addr) ? 32 : 128));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listen_spec), cmocka_unit_test(test_listen_spec_refused),
		cmocka_unit_test(test_overlap),     cmocka_unit_test(test_cpu_list),
		cmocka_unit_test(test_address), cmocka_unit_test(test_holds), cmocka_unit_test(test_addresses),       cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_empty_prefixes),
		cmocka_unit_test(test_prefix_ranges), cmocka_unit_test(test_any_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
