/*
 * What a configuration means: sections and keys in order, values in structs, --set on top. Its
 * mistakes are test_config_errors.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "sample.h"

static struct config config;
static struct config_errors errors;

static void read_text(const char *text, size_t len)
{
	FILE *f = fmemopen((void *)(uintptr_t)text, len, "r");

	assert_non_null(f);
	memset(&errors, 0, sizeof(errors));
	config_read_stream(&config, f, "t.ini", sample_kinds, ARRAY_SIZE(sample_kinds), &errors);
	fclose(f);
	if (errors.n)
		fail_msg("%s", errors.text[0]);
}

static void set(const char *assignment)
{
	if (!config_set(&config, assignment, sample_kinds, ARRAY_SIZE(sample_kinds), &errors))
		fail_msg("%s", errors.text[0]);
}

static int forget(void **state)
{
	config_free(&config);
	assert_null(config.sections);
	return 0;
}

static void expect_text(const char *name, const char *argument, const char *key,
			 const char *expected)
{
	const struct config_section *s = config_find(&config, name, argument);

	assert_non_null(s);
	if (expected)
		assert_string_equal(config_value(s, key), expected);
	else
		assert_null(config_value(s, key));
}

static void test_order(void **state)
{
	static const char text[] = "# first\n"
				   "\n"
				   "[listen 8000-8999]\n"
				   "handler = echo\n"
				   "[tcp]\n"
				   "[listen \t 80 ]\n"
				   "  handler=http ; fast\r\n"
				   "\tbody-size : 4k\r\n"
				   "; last";

	read_text(text, sizeof(text) - 1);
	assert_int_equal(config.n, 3);
	assert_string_equal(config.sections[0].name, "listen");
	assert_string_equal(config.sections[0].argument, "8000-8999");
	assert_string_equal(config.sections[0].file, "t.ini");
	assert_int_equal(config.sections[0].line, 3);
	assert_string_equal(config.sections[1].name, "tcp");
	assert_null(config.sections[1].argument);
	assert_int_equal(config.sections[1].n, 0);
	assert_string_equal(config.sections[2].argument, "80");
	assert_int_equal(config.sections[2].n, 2);
	assert_string_equal(config.sections[2].keys[0].value, "http");
	assert_int_equal(config.sections[2].keys[0].line, 7);
	assert_string_equal(config.sections[2].keys[1].key, "body-size");
	assert_string_equal(config.sections[2].keys[1].value, "4k");
	assert_int_equal(config.sections[2].keys[1].line, 8);
}

static void test_text_forms(void **state)
{
	static const char bom[] = "\xef\xbb\xbf[tcp] ; all\nidle = 5m";
	static const char v6[] = "[listen [fd00:18::2]:80] # later\nhandler = a=b;c\n[tcp] # [x]\n";

	read_text(bom, sizeof(bom) - 1);
	expect_text("tcp", NULL, "idle", "5m");
	config_free(&config);
	read_text(v6, sizeof(v6) - 1);
	expect_text("listen", "[fd00:18::2]:80", "handler", "a=b;c");
	expect_text("tcp", NULL, "idle", NULL);
	config_free(&config);
	read_text("\n", 1);
	assert_int_equal(config.n, 0);
}

/* The longest line that is allowed arrives whole. */
static void test_long_line(void **state)
{
	char text[256] = "[tcp]\nidle = ";
	size_t start = strlen(text), end = 6 + 197;

	memset(text + start, 'x', end - start);
	text[end] = '\n';
	read_text(text, end + 1);
	assert_int_equal(strlen(config_value(config_find(&config, "tcp", NULL), "idle")),
			 end - start);
}

static void test_file(void **state)
{
	char path[] = "/tmp/test_config.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "[tcp]\nidle = 1s\n", 16), 16);
	close(fd);
	memset(&errors, 0, sizeof(errors));
	assert_true(config_read(&config, path, sample_kinds, ARRAY_SIZE(sample_kinds), &errors));
	unlink(path);
	assert_string_equal(config.sections[0].file, path);
	expect_text("tcp", NULL, "idle", "1s");
}

static void test_set(void **state)
{
	static const char text[] = "[tcp]\nidle = 5m\n[listen 198.18.0.2:80]\nhandler = http\n";

	read_text(text, sizeof(text) - 1);
	set("tcp.idle=7m");
	set("listen 198.18.0.2:80.body-size = 1k");
	set("listen 81.handler=a.b=c");
	set("tcp.min-rto=");
	assert_int_equal(config.n, 3);
	expect_text("tcp", NULL, "idle", "7m");
	expect_text("listen", "198.18.0.2:80", "body-size", "1k");
	expect_text("listen", "198.18.0.2:80", "handler", "http");
	expect_text("listen", "81", "handler", "a.b=c");
	expect_text("tcp", NULL, "min-rto", "");
	assert_int_equal(config_find(&config, "listen", "81")->line, 0);
	assert_null(config_find(&config, "listen", NULL));
	assert_null(config_find(&config, "tcp", "80"));
}

/* A listener composes tables: each key finds the struct of its table. */
static void test_apply(void **state)
{
	static const char text[] = "[listen 80]\nhandler = http\nmin-rto = 10ms\nbody-size = 4k\n"
				   "mode = sleep\naddress = x\naddress = y\nsack = off\n";
	const struct option_table *const tables[] = {&sample_listen, &sample_tcp};
	struct sample_listen listen;
	struct sample_tcp tcp;
	void *const bases[] = {&listen, &tcp};

	read_text(text, sizeof(text) - 1);
	set("listen 80.body-size=8k");
	set("listen 80.body-size=16k");
	option_defaults(&sample_listen, &listen);
	option_defaults(&sample_tcp, &tcp);
	assert_true(config_apply(config_find(&config, "listen", "80"), tables, bases, 2, &errors));
	assert_string_equal(listen.handler, "http");
	assert_string_equal(listen.address, "x\ny"); /* the default is replaced, not added to */
	assert_int_equal(listen.body, 16384);
	assert_int_equal(listen.idle_mode, 1);
	assert_int_equal(tcp.min_rto, 10000);
	assert_true(tcp.idle == DURATION_INF);
	assert_false(tcp.sack);

	set("listen 80.address=z1");
	set("listen 80.address=z2");
	assert_true(config_apply(config_find(&config, "listen", "80"), tables, bases, 2, &errors));
	assert_string_equal(listen.address, "z1\nz2");
	option_free(&sample_listen, &listen);
	option_free(&sample_tcp, &tcp);
}

/* A section without keys changes nothing. */
static void test_apply_empty(void **state)
{
	const struct option_table *const tables[] = {&sample_tcp};
	struct sample_tcp tcp = {.min_rto = 1, .ports = 2};
	void *const bases[] = {&tcp};

	read_text("[tcp]\n", 6);
	assert_true(config_apply(&config.sections[0], tables, bases, 1, &errors));
	assert_int_equal(tcp.min_rto, 1);
	assert_int_equal(tcp.ports, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_order, forget),
		cmocka_unit_test_teardown(test_text_forms, forget),
		cmocka_unit_test_teardown(test_long_line, forget),
		cmocka_unit_test_teardown(test_file, forget),
		cmocka_unit_test_teardown(test_set, forget),
		cmocka_unit_test_teardown(test_apply, forget),
		cmocka_unit_test_teardown(test_apply_empty, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
