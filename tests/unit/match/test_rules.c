/*
 * Rule files: what is a rule, and where an error is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <hs.h>

#include "match/rules.h"

static struct match_rules take(const char *text)
{
	struct match_rules r;
	char err[200] = "";

	if (!match_rules_parse(&r, text, strlen(text), "f", err, sizeof(err)))
		fail_msg("%s", err);
	return r;
}

static void refuse(const char *text, size_t len, const char *want)
{
	struct match_rules r;
	char err[200] = "";

	assert_false(match_rules_parse(&r, text, len, "f", err, sizeof(err)));
	assert_string_equal(err, want);
	assert_null(r.rule);
	match_rules_free(&r);
}

#define REFUSE(text, want) refuse(text, sizeof(text) - 1, want)

static void test_rules(void **state)
{
	struct match_rules r = take("# a comment\n\n  \n3:/abc/\n\t7:/a\\/b/c/is\r\n"
				    "4294967295:/x{2}/smHV8WPL \n1:/3 & !7/CQ");

	assert_int_equal(r.n, 4);
	assert_int_equal(r.rule[0].id, 3);
	assert_string_equal(r.rule[0].expr, "abc");
	assert_int_equal(r.rule[0].flags, 0);
	assert_int_equal(r.rule[0].line, 4);
	assert_int_equal(r.rule[0].column, 4);
	assert_string_equal(r.rule[1].expr, "a\\/b/c");
	assert_int_equal(r.rule[1].flags, HS_FLAG_CASELESS | HS_FLAG_DOTALL);
	assert_int_equal(r.rule[1].line, 5);
	assert_int_equal(r.rule[1].column, 5);
	assert_int_equal(r.rule[2].id, 4294967295u);
	assert_int_equal(r.rule[2].flags, HS_FLAG_DOTALL | HS_FLAG_MULTILINE | HS_FLAG_SINGLEMATCH |
						  HS_FLAG_ALLOWEMPTY | HS_FLAG_UTF8 | HS_FLAG_UCP |
						  HS_FLAG_PREFILTER | HS_FLAG_SOM_LEFTMOST);
	assert_int_equal(r.rule[3].flags, HS_FLAG_COMBINATION | HS_FLAG_QUIET);
	assert_int_equal(match_rules_find(&r, 3), 0);
	assert_int_equal(match_rules_find(&r, 7), 1);
	assert_int_equal(match_rules_find(&r, 4294967295u), 2);
	assert_int_equal(match_rules_find(&r, 1), 3);
	assert_int_equal(match_rules_find(&r, 2), -1);
	assert_int_equal(match_rules_find(&r, 0), -1);
	match_rules_free(&r);
}

static void test_bounds(void **state)
{
	struct match_rules r = take("1:/a/i{min_offset=1, max_offset=20,min_length=3,edit_distance=4}\n"
				    "2:/b/{hamming_distance=5}\n");

	assert_int_equal(r.rule[0].bounds, HS_EXT_FLAG_MIN_OFFSET | HS_EXT_FLAG_MAX_OFFSET |
						   HS_EXT_FLAG_MIN_LENGTH | HS_EXT_FLAG_EDIT_DISTANCE);
	assert_int_equal(r.rule[0].min_offset, 1);
	assert_int_equal(r.rule[0].max_offset, 20);
	assert_int_equal(r.rule[0].min_length, 3);
	assert_int_equal(r.rule[0].edit_distance, 4);
	assert_int_equal(r.rule[1].bounds, HS_EXT_FLAG_HAMMING_DISTANCE);
	assert_int_equal(r.rule[1].hamming_distance, 5);
	match_rules_free(&r);
}

/* As some editors begin a file; anywhere else it is a mistake. */
static void test_byte_order_mark(void **state)
{
	struct match_rules r = take("\xef\xbb\xbf" "1:/a/\r\n2:/b/\n");

	assert_int_equal(r.n, 2);
	assert_int_equal(r.rule[0].id, 1);
	match_rules_free(&r);
	REFUSE("\xef\xbb\xbf" "1:a/", "f:1:6: expected / before the expression");
	REFUSE("1:/a/\n\xef\xbb\xbf" "2:/b/",
	       "f:2:1: expected a rule, ID:/REGEX/FLAGS, its ID a number up to 4294967295");
}

static void test_errors(void **state)
{
	REFUSE("1:/a/\nx:/b/\n", "f:2:1: expected a rule, ID:/REGEX/FLAGS, its ID a number up to 4294967295");
	REFUSE("4294967296:/b/", "f:1:10: expected a rule, ID:/REGEX/FLAGS, its ID a number up to 4294967295");
	REFUSE("1", "f:1:2: expected : after the rule's ID");
	REFUSE("1 :/a/", "f:1:2: expected : after the rule's ID");
	REFUSE("1:", "f:1:2: expected / before the expression");
	REFUSE("1:a/", "f:1:3: expected / before the expression");
	REFUSE("  1:/abc", "f:1:9: expected / after the expression");
	REFUSE("1:/abc/iz", "f:1:9: unknown flag 'z': expected letters of ismHV8WPLCQ");
	REFUSE("1:/abc/{", "f:1:9: expected min_offset=, max_offset=, min_length=, edit_distance= or hamming_distance=");
	REFUSE("1:/abc/{min_offset=}", "f:1:20: expected a number");
	REFUSE("1:/abc/{min_offset=1", "f:1:21: expected , or }");
	REFUSE("1:/abc/{min_offset=1}i", "f:1:22: expected the line's end after }");
	REFUSE("1:/a\0b/", "f:1:5: a NUL byte: not a rule file");
	REFUSE("7:/a/\n8:/b/\n7:/c/", "f:3:1: rule 7 exists already, at line 1");
	REFUSE("# nothing\n", "f: expected a rule, ID:/REGEX/FLAGS: there is none");
	REFUSE("", "f: expected a rule, ID:/REGEX/FLAGS: there is none");
}

static void test_looks_ahead(void **state)
{
	static const struct {
		const char *expr;
		bool yes;
	} is[] = {
		{"abc", false}, {"^abc", false}, {"a$", true}, {"\\bab", true}, {"ab\\B", true},
		{"a|b\\z", true}, {"ab\\Z", true}, {"\\\\b", false}, {"\\d\\x62", false}, {"", false},
	};
	struct match_rule r = {0};

	for (size_t i = 0; i < sizeof(is) / sizeof(is[0]); i++) {
		char *expr = strdup(is[i].expr);

		r.expr = expr;
		if (match_rule_looks_ahead(&r) != is[i].yes)
			fail_msg("%s", expr);
		free(expr);
	}
	r = (struct match_rule){.expr = strdup("1 & 2"), .flags = HS_FLAG_COMBINATION};
	assert_true(match_rule_looks_ahead(&r));
	free(r.expr);
}

static void test_file(void **state)
{
	char path[] = "/tmp/pier_rules_XXXXXX", err[200];
	int fd = mkstemp(path);
	struct match_rules r;

	assert_true(fd >= 0);
	for (int i = 0; i < 2000; i++)
		dprintf(fd, "%d:/word%d/\n", 2000 - i, i);
	close(fd);
	assert_true(match_rules_load(&r, path, err, sizeof(err)));
	assert_int_equal(r.n, 2000);
	assert_int_equal(match_rules_find(&r, 1), 1999);
	assert_int_equal(match_rules_find(&r, 2000), 0);
	match_rules_free(&r);
	unlink(path);
	assert_false(match_rules_load(&r, path, err, sizeof(err)));
	assert_non_null(strstr(err, "No such file"));
	assert_false(match_rules_load(&r, "/tmp", err, sizeof(err)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_byte_order_mark),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_looks_ahead),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
