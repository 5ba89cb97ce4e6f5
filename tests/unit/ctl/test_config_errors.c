/*
 * What is said about a configuration's mistakes: each one found, with its place and what was
 * expected, and nothing said twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "sample.h"

static struct config config;
static struct config_errors errors;

static bool read_bytes(const char *text, size_t len)
{
	FILE *f = fmemopen((void *)(uintptr_t)text, len, "r");
	bool ok;

	assert_non_null(f);
	config_free(&config);
	memset(&errors, 0, sizeof(errors));
	ok = config_read_stream(&config, f, "t.ini", sample_kinds, ARRAY_SIZE(sample_kinds),
				&errors);
	fclose(f);
	assert_true(ok == !errors.n);
	return ok;
}

static void expect_errors(const char *const *expected, unsigned int n)
{
	for (unsigned int i = 0; i < n && i < errors.n; i++)
		assert_string_equal(errors.text[i], expected[i]);
	assert_int_equal(errors.n, n);
}

static void expect_error(const char *text, const char *expected)
{
	assert_false(read_bytes(text, strlen(text)));
	expect_errors(&expected, 1);
}

static void expect_set_error(const char *assignment, const char *expected)
{
	memset(&errors, 0, sizeof(errors));
	assert_false(config_set(&config, assignment, sample_kinds, ARRAY_SIZE(sample_kinds),
				&errors));
	expect_errors(&expected, 1);
}

static int forget(void **state)
{
	config_free(&config);
	return 0;
}

static void test_lines(void **state)
{
	expect_error("[tcp]\nidle\n", "t.ini:2: expected key = value or [section]");
	expect_error("[tcp]\n= 5\n", "t.ini:2: expected key = value");
	expect_error("idle = 1s\n[tcp]\n", "t.ini:1: idle: expected a [section] before the first key");
	expect_error("[tcp\nidle = 1s\n", "t.ini:1: expected [section] or [section argument]");
	expect_error("\n[ ]\n", "t.ini:2: expected [section] or [section argument]");
	expect_error("[tcp] idle = 1s\n", "t.ini:1: expected [section] or [section argument]");
}

static void test_not_text(void **state)
{
	static const char nul[] = "[tcp]\nid\0le = 1s\n";
	const char *const expected = "t.ini:2: a NUL byte: this is not a text file";
	char text[512] = "[tcp]\n";
	const char *const too_long = "t.ini:2: line longer than 197 characters; --set takes longer values";

	assert_false(read_bytes(nul, sizeof(nul) - 1));
	expect_errors(&expected, 1);
	memset(text + 6, 'x', 198);
	text[10] = '=';
	assert_false(read_bytes(text, strlen(text)));
	expect_errors(&too_long, 1);
	text[6] = '#';
	assert_true(read_bytes(text, strlen(text)));
	text[6] = ' ';
	text[7] = ';';
	assert_true(read_bytes(text, strlen(text)));
}

static void test_sections(void **state)
{
	expect_error("[tpc]\nidle = 1s\n", "t.ini:1: unknown section [tpc]; did you mean [tcp]?");
	expect_error("[wholly]\nx = 1\n",
		     "t.ini:1: unknown section [wholly]; the reference lists them");
	expect_error("[listen]\nx = 1\n",
		     "t.ini:1: [listen]: expected an argument, as in [listen PORT]");
	expect_error("[tcp 1]\nx = 1\n", "t.ini:1: [tcp 1]: expected [tcp], without argument");
	expect_error("[listen 80]\n[listen 81]\n\n[listen  80]\nx = 1\n",
		     "t.ini:4: [listen 80]: given before, at line 1");
	assert_int_equal(config.n, 2);
}

static void test_no_file(void **state)
{
	memset(&errors, 0, sizeof(errors));
	assert_false(config_read(&config, "/nonexistent/x.ini", sample_kinds, 3, &errors));
	assert_string_equal(errors.text[0],
			    "/nonexistent/x.ini: cannot open: No such file or directory");
	memset(&errors, 0, sizeof(errors));
	assert_false(config_read(&config, "/", sample_kinds, 3, &errors));
	assert_string_equal(errors.text[0], "/: cannot read: Is a directory");
}

static void test_keys(void **state)
{
	static const char text[] = "[tcp]\nmin-rot = 1s\nmin-rto = 20\nsack = maybe\nzzzz = 1\n"
				   "idle = 1s\nidle = 2s\nports = \033[1m\n";
	static const char *const expected[] = {
		"t.ini:2: min-rot: unknown key in [tcp]; did you mean min-rto?",
		"t.ini:3: min-rto: expected a duration from 5ms to 1s, such as 200ms, not \"20\"",
		"t.ini:4: sack: expected yes or no, not \"maybe\"",
		"t.ini:5: zzzz: unknown key in [tcp]; the reference lists them",
		"t.ini:7: idle: given before, at line 6",
		"t.ini:8: ports: expected a number, such as 16, not \"?[1m\"",
	};
	const struct option_table *const tables[] = {&sample_tcp};
	struct sample_tcp tcp = {0};
	void *const bases[] = {&tcp};

	assert_true(read_bytes(text, sizeof(text) - 1));
	assert_false(config_apply(&config.sections[0], tables, bases, 1, &errors));
	expect_errors(expected, ARRAY_SIZE(expected));
	assert_int_equal(tcp.idle, US_PER_SEC);
	assert_int_equal(tcp.min_rto, 0);
}

static void test_set(void **state)
{
	static const char *const expected[] = {
		"--set listen 10.0.0.1:80.body-size: expected a size from 1 to 1m, such as 1k, "
		"not \"2m\"",
		"--set listen 10.0.0.1:80.body: unknown key in [listen 10.0.0.1:80]; "
		"the reference lists them",
	};
	const struct option_table *const tables[] = {&sample_listen};
	struct sample_listen listen = {0};
	void *const bases[] = {&listen};

	expect_set_error("idle=5", "--set idle=5: expected SECTION.KEY=VALUE");
	expect_set_error("tcp.idle", "--set tcp.idle: expected SECTION.KEY=VALUE");
	expect_set_error(".idle=5", "--set .idle=5: expected SECTION.KEY=VALUE");
	expect_set_error("tcp.=5", "--set tcp.=5: expected SECTION.KEY=VALUE");
	expect_set_error("tcpp.idle=5",
			 "--set tcpp.idle=5: unknown section [tcpp]; did you mean [tcp]?");
	expect_set_error("listen.handler=x",
			 "--set listen.handler=x: [listen]: expected an argument, as in "
			 "[listen PORT]");
	assert_int_equal(config.n, 0);

	memset(&errors, 0, sizeof(errors));
	assert_true(config_set(&config, "listen 10.0.0.1:80.body-size=2m", sample_kinds, 3, &errors));
	assert_true(config_set(&config, "listen 10.0.0.1:80.body=1", sample_kinds, 3, &errors));
	assert_false(config_apply(&config.sections[0], tables, bases, 1, &errors));
	expect_errors(expected, ARRAY_SIZE(expected));
}

/* Errors that the caller finds get the same places. */
static void test_caller(void **state)
{
	static const char text[] = "[listen 80]\nhandler = x\n";
	static const char *const expected[] = {
		"t.ini:2: handler: no such handler",
		"t.ini:1: body-size: is missing",
		"t.ini:1: [listen 80]: overlaps",
		"--set tcp.idle: 5",
		"--set listen 81: late",
		"--set listen 81: handler: is missing",
		"nowhere",
	};

	assert_true(read_bytes(text, sizeof(text) - 1));
	assert_true(config_set(&config, "tcp.idle=5", sample_kinds, 3, &errors));
	assert_true(config_set(&config, "listen 81.body-size=5", sample_kinds, 3, &errors));
	config_error(&errors, &config.sections[0], "handler", "no such %s", "handler");
	config_error(&errors, &config.sections[0], "body-size", "is missing");
	config_error(&errors, &config.sections[0], NULL, "overlaps");
	config_error(&errors, &config.sections[1], "idle", "%d", 5);
	config_error(&errors, &config.sections[2], NULL, "late");
	config_error(&errors, &config.sections[2], "handler", "is missing");
	config_error(&errors, NULL, NULL, "nowhere");
	expect_errors(expected, ARRAY_SIZE(expected));
}

/* More errors than are kept: all counted, the first ones printed. */
static void test_many(void **state)
{
	char text[64 * CONFIG_ERRORS_MAX] = "", *printed = NULL, expected[64];
	const char *line;
	size_t len;
	FILE *f = open_memstream(&printed, &len);

	for (unsigned int i = 0; i < CONFIG_ERRORS_MAX + 3; i++)
		strcat(text, "[zzzzz]\n");
	assert_false(read_bytes(text, strlen(text)));
	assert_int_equal(errors.n, CONFIG_ERRORS_MAX + 3);
	config_errors_print(&errors, f);
	fclose(f);
	line = printed;
	for (unsigned int i = 0; i < CONFIG_ERRORS_MAX; i++) {
		snprintf(expected, sizeof(expected), "t.ini:%u: unknown section", i + 1);
		assert_memory_equal(line, expected, strlen(expected));
		line = strchr(line, '\n') + 1;
	}
	assert_string_equal(line, "and 3 more\n");
	free(printed);
}

/* Texts longer than a message holds are cut, wherever they stand. */
static void test_long_words(void **state)
{
	char word[2 * CONFIG_ERROR_LEN], assignment[7 * CONFIG_ERROR_LEN];

	memset(word, 'w', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	snprintf(assignment, sizeof(assignment), "%s.%s=%s", word, "k", word);
	memset(&errors, 0, sizeof(errors));
	assert_false(config_set(&config, assignment, sample_kinds, 3, &errors));
	snprintf(assignment, sizeof(assignment), "listen %s.%s=%s", word, word, word);
	assert_true(config_set(&config, assignment, sample_kinds, 3, &errors));
	config_error(&errors, &config.sections[0], word, "%s", word);
	assert_int_equal(errors.n, 2);
	assert_true(strlen(errors.text[1]) < CONFIG_ERROR_LEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_lines, forget),
		cmocka_unit_test_teardown(test_not_text, forget),
		cmocka_unit_test_teardown(test_sections, forget),
		cmocka_unit_test_teardown(test_no_file, forget),
		cmocka_unit_test_teardown(test_keys, forget),
		cmocka_unit_test_teardown(test_set, forget),
		cmocka_unit_test_teardown(test_caller, forget),
		cmocka_unit_test_teardown(test_many, forget),
		cmocka_unit_test_teardown(test_long_words, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
