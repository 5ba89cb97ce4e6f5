/*
 * Options as text: what parses to what, what is refused with which words, and that whatever is
 * printed reads back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/compiler.h"
#include "base/option.h"
#include "base/units.h"

struct values {
	bool flag;
	uint32_t u32, bounded, mode;
	uint64_t u64, many, size, big, delay, any_delay, delay_min;
	char *string, *list;
	int untouched;
};

static const char *const modes[] = {"poll", "sleep", "auto", NULL};

#define AT(field) offsetof(struct values, field)
static const struct option options[] = {
	{"flag", OPTION_BOOL, AT(flag), .def = "yes", .help = "a flag"},
	{"u32", OPTION_U32, AT(u32), .help = "any number"},
	{"bounded", OPTION_U32, AT(bounded), 1, 65535, .def = "80", .help = "a port"},
	{"mode", OPTION_ENUM, AT(mode), .names = modes, .def = "sleep", .help = "a mode"},
	{"u64", OPTION_U64, AT(u64), .help = "any number"},
	{"many", OPTION_COUNT, AT(many), 0, 2000000, .def = "100k", .help = "how many"},
	{"size", OPTION_SIZE, AT(size), KIB, 64 * MIB, .def = "64k", .help = "a size"},
	{"big", OPTION_SIZE, AT(big), 1, UINT64_MAX, .def = "1g", .help = "a size"},
	{"delay", OPTION_DURATION, AT(delay), 5 * US_PER_MS, US_PER_SEC, .def = "200ms"},
	{"any-delay", OPTION_DURATION, AT(any_delay), .def = "inf", .help = "a delay"},
	{"delay-min", OPTION_DURATION, AT(delay_min), US_PER_SEC, DURATION_INF, .def = "1h"},
	{"string", OPTION_STRING, AT(string), .def = "/var/www", .help = "a path"},
	{"list", OPTION_LIST, AT(list), .help = "some texts"},
};
static const struct option_table table = {
	"test", "for tests", options, ARRAY_SIZE(options), sizeof(struct values),
};

static const char *parse_error(struct values *v, const char *key, const char *text)
{
	static char err[256];
	struct values before = *v;

	assert_false(option_parse(option_find(&table, key), v, text, err, sizeof(err)));
	assert_memory_equal(v, &before, sizeof(before));
	return err;
}

static void parse_ok(struct values *v, const char *key, const char *text)
{
	char err[256];

	if (!option_parse(option_find(&table, key), v, text, err, sizeof(err)))
		fail_msg("%s = %s: %s", key, text, err);
}

static void test_defaults(void **state)
{
	struct values v;

	memset(&v, 0xa5, sizeof(v));
	option_defaults(&table, &v);
	assert_true(v.flag);
	assert_int_equal(v.u32, 0);
	assert_int_equal(v.bounded, 80);
	assert_int_equal(v.mode, 1);
	assert_int_equal(v.u64, 0);
	assert_int_equal(v.size, 64 * KIB);
	assert_int_equal(v.big, GIB);
	assert_int_equal(v.delay, 200 * US_PER_MS);
	assert_true(v.any_delay == DURATION_INF);
	assert_int_equal(v.delay_min, 3600 * US_PER_SEC);
	assert_string_equal(v.string, "/var/www");
	assert_null(v.list);
	assert_int_equal(v.untouched, (int)0xa5a5a5a5);
	option_free(&table, &v);
	assert_null(v.string);
}

static void test_bool(void **state)
{
	static const char *const yes[] = {"yes", "on", "true", "1", "YES", "True"};
	static const char *const no[] = {"no", "off", "false", "0", "Off"};
	static const char *const bad[] = {"", "y", "2", "yes ", "enable"};
	struct values v = {0};

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		v.flag = false;
		parse_ok(&v, "flag", yes[i]);
		assert_true(v.flag);
	}
	for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
		v.flag = true;
		parse_ok(&v, "flag", no[i]);
		assert_false(v.flag);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_string_equal(parse_error(&v, "flag", bad[i]), "expected yes or no");
}

static void test_numbers(void **state)
{
	static const char *const bad[] = {"", "-1", "+1", "1 ", " 1", "1k", "0x", "0xg", "1.5", "ten",
					  "18446744073709551616", "0x10000000000000000"};
	struct values v = {0};

	parse_ok(&v, "u64", "18446744073709551615");
	assert_true(v.u64 == UINT64_MAX);
	parse_ok(&v, "u64", "0xFFffFFffFFffFFff");
	assert_true(v.u64 == UINT64_MAX);
	parse_ok(&v, "u64", "0x1aB");
	assert_int_equal(v.u64, 0x1ab);
	parse_ok(&v, "u32", "4294967295");
	assert_int_equal(v.u32, UINT32_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_string_equal(parse_error(&v, "u64", bad[i]), "expected a number, such as 16");
		parse_error(&v, "u32", bad[i]);
	}
	parse_error(&v, "u32", "4294967296");
}

static void test_range(void **state)
{
	struct values v = {0};

	parse_ok(&v, "bounded", "1");
	parse_ok(&v, "bounded", "65535");
	assert_int_equal(v.bounded, 65535);
	assert_string_equal(parse_error(&v, "bounded", "0"),
			    "expected a number from 1 to 65535, such as 80");
	parse_error(&v, "bounded", "65536");
	parse_error(&v, "bounded", "4294967297"); /* 1, if it were cut to 32 bits first */
}

static void test_size(void **state)
{
	static const char *const bad[] = {"", "k", "4kb", "4 k", "1023", "65m", "-4k", "0x4k", "1.5k"};
	struct values v = {0};

	parse_ok(&v, "size", "1024");
	assert_int_equal(v.size, 1024);
	parse_ok(&v, "size", "4k");
	assert_int_equal(v.size, 4096);
	parse_ok(&v, "size", "64M");
	assert_int_equal(v.size, 64 * MIB);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_string_equal(parse_error(&v, "size", bad[i]),
				    "expected a size from 1k to 64m, such as 64k");
	parse_ok(&v, "big", "17179869183g");
	assert_true(v.big == 17179869183 * GIB);
	assert_string_equal(parse_error(&v, "big", "17179869184g"),
			    "expected a size of at least 1, such as 1g");
}

static void test_duration(void **state)
{
	static const struct {
		const char *text;
		uint64_t us;
	} good[] = {{"0", 0}, {"0us", 0}, {"7us", 7}, {"200ms", 200000}, {"3s", 3000000},
		    {"2m", 120000000}, {"1h", 3600000000}, {"2d", 172800000000},
		    {"inf", DURATION_INF}, {"10MS", 10000}};
	static const char *const bad[] = {"", "1", "200", "ms", "5 ms", "1w", "-1s", "infinite",
					  "18446744073709551615us", "99999999999999d"};
	struct values v = {0};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		parse_ok(&v, "any-delay", good[i].text);
		assert_true(v.any_delay == good[i].us);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_string_equal(parse_error(&v, "any-delay", bad[i]),
				    "expected a duration or inf, such as 200ms");
	parse_ok(&v, "delay", "5ms");
	parse_ok(&v, "delay", "1s");
	assert_string_equal(parse_error(&v, "delay", "inf"),
			    "expected a duration from 5ms to 1s, such as 200ms");
	parse_error(&v, "delay", "4999us");
	parse_error(&v, "delay", "1001ms");
	parse_error(&v, "delay", "0");
	assert_string_equal(parse_error(&v, "delay-min", "1"),
			    "expected a duration from 1s to inf, such as 1h");
	parse_ok(&v, "delay-min", "inf");
}

static void test_enum(void **state)
{
	struct values v = {0};

	parse_ok(&v, "mode", "auto");
	assert_int_equal(v.mode, 2);
	parse_ok(&v, "mode", "poll");
	assert_int_equal(v.mode, 0);
	assert_string_equal(parse_error(&v, "mode", "pol"), "expected poll, sleep or auto");
	parse_error(&v, "mode", "");
}

static void test_strings(void **state)
{
	struct values v = {0};

	parse_ok(&v, "string", "one");
	parse_ok(&v, "string", "two = 2");
	assert_string_equal(v.string, "two = 2");
	parse_ok(&v, "string", "");
	assert_null(v.string);
	parse_ok(&v, "list", "one");
	parse_ok(&v, "list", "two");
	parse_ok(&v, "list", "three");
	assert_string_equal(v.list, "one\ntwo\nthree");
	parse_ok(&v, "list", "");
	assert_null(v.list);
	option_free(&table, &v);
}

static void test_copy(void **state)
{
	struct values a, b;

	memset(&a, 0, sizeof(a));
	option_defaults(&table, &a);
	parse_ok(&a, "list", "x");
	option_copy(&table, &b, &a);
	assert_string_equal(b.string, a.string);
	assert_ptr_not_equal(b.string, a.string);
	assert_ptr_not_equal(b.list, a.list);
	assert_int_equal(b.bounded, 80);
	parse_ok(&b, "list", "y");
	assert_string_equal(a.list, "x");
	assert_string_equal(b.list, "x\ny");
	option_free(&table, &a);
	option_free(&table, &b);
}

/* Format, parse into other values, format again: the same text and the same value. */
static void round_trip(const char *key, const char *text, const char *expected)
{
	const struct option *o = option_find(&table, key);
	struct values a = {0}, b = {0};
	char first[64], second[64];

	parse_ok(&a, key, text);
	assert_ptr_equal(option_format(o, &a, first, sizeof(first)), first);
	assert_string_equal(first, expected);
	parse_ok(&b, key, first);
	option_format(o, &b, second, sizeof(second));
	assert_string_equal(second, expected);
	option_free(&table, &a);
	option_free(&table, &b);
}

static void test_format(void **state)
{
	round_trip("flag", "on", "yes");
	round_trip("flag", "0", "no");
	round_trip("u32", "0x10", "16");
	round_trip("u64", "18446744073709551615", "18446744073709551615");
	round_trip("mode", "auto", "auto");
	round_trip("size", "1024k", "1m");
	round_trip("size", "1025", "1025");
	round_trip("big", "2048m", "2g");
	round_trip("any-delay", "0", "0");
	round_trip("any-delay", "1500ms", "1500ms");
	round_trip("any-delay", "90s", "90s");
	round_trip("any-delay", "120s", "2m");
	round_trip("any-delay", "48h", "2d");
	round_trip("any-delay", "1001us", "1001us");
	round_trip("any-delay", "inf", "inf");
	round_trip("string", "a b", "a b");
	round_trip("string", "", "");
	round_trip("list", "a", "a");
}

/* A buffer too small gets a cut string, never more than its size. */
static void test_small_buffers(void **state)
{
	const struct option *o = option_find(&table, "delay");
	struct values v = {.delay = 200 * US_PER_MS};
	char buf[8];

	memset(buf, 'x', sizeof(buf));
	option_expect(o, buf, 5);
	assert_string_equal(buf, "a du");
	assert_int_equal(buf[5], 'x');
	option_format(o, &v, buf, 4);
	assert_string_equal(buf, "200");
	assert_false(option_parse(o, &v, "x", buf, 3));
	assert_string_equal(buf, "ex");
	assert_null(option_find(&table, "dela"));
	assert_null(option_find(&table, "delays"));
}

/*
 * Without a default that shows anything, the example is a usual value, or the smallest where that is
 * out of range; a range of numbers has none.
 */
static void test_examples(void **state)
{
	const struct option usual = {"o", OPTION_DURATION, 0, US_PER_MS, US_PER_SEC};
	const struct option number = {"o", OPTION_U32, 0, 0, 9600, .def = "0"};
	const struct option unusual = {"o", OPTION_SIZE, 0, MIB, 2 * MIB};
	char buf[128];

	assert_string_equal(option_expect(&usual, buf, sizeof(buf)),
			    "a duration from 1ms to 1s, such as 200ms");
	assert_string_equal(option_expect(&number, buf, sizeof(buf)), "a number from 0 to 9600");
	assert_string_equal(option_expect(&unusual, buf, sizeof(buf)),
			    "a size from 1m to 2m, such as 1m");
	assert_string_equal(option_expect(option_find(&table, "string"), buf, sizeof(buf)), "text");
	assert_string_equal(option_expect(option_find(&table, "list"), buf, sizeof(buf)),
			    "text; the key may be repeated");
}

static void test_count(void **state)
{
	struct values v = {0};

	option_defaults(&table, &v);
	assert_int_equal(v.many, 100000);
	parse_ok(&v, "many", "17");
	assert_int_equal(v.many, 17);
	parse_ok(&v, "many", "2M");
	assert_int_equal(v.many, 2000000);
	assert_string_equal(parse_error(&v, "many", "1ki"), "expected a number from 0 to 2m, such as 100k");
	assert_string_equal(parse_error(&v, "many", "0x10"), "expected a number from 0 to 2m, such as 100k");
	parse_error(&v, "many", "2001k");
	round_trip("many", "1500000", "1500k");
	option_free(&table, &v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),      cmocka_unit_test(test_bool),
		cmocka_unit_test(test_numbers),       cmocka_unit_test(test_range),
		cmocka_unit_test(test_size),          cmocka_unit_test(test_duration),
		cmocka_unit_test(test_enum),          cmocka_unit_test(test_strings),
		cmocka_unit_test(test_copy),          cmocka_unit_test(test_format),
		cmocka_unit_test(test_small_buffers), cmocka_unit_test(test_examples),
		cmocka_unit_test(test_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
