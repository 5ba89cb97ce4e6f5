/*
 * echo, discard, chargen and daytime (RFC 862, 863, 864, 867), and the list of built-in handlers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_host.h"
#include "handlers/handlers.h"
#include "pier/registry.h"

static char *pattern(size_t len)
{
	char *p = malloc(len);

	assert_non_null(p);
	for (size_t i = 0; i < len; i++)
		p[i] = (char)(i * 31 + i / 251);
	return p;
}

static void test_registered(void **state)
{
	static const char *const names[] = { "echo", "discard", "chargen", "daytime", "http" };

	assert_null(handlers_register());
	for (size_t i = 0; i < 5; i++) {
		assert_non_null(handler_find(names[i]));
		assert_ptr_equal(handler_find(names[i]), handler_at((unsigned int)i));
	}
	assert_ptr_equal(handler_find("http")->data, handler_http.data);
	assert_non_null(handlers_register()); /* the names are taken */
	assert_true(handler_chargen.ctx_size <= 8);
	assert_true(handler_daytime.ctx_size <= 8);
	assert_true(handler_http.ctx_size <= 128);
}

static unsigned int old_troubles;

static void old_trouble(struct pier_conn *c, enum pier_trouble what)
{
	old_troubles++;
}

/* A table from before urgent and trouble were in it: what lies behind its end is nobody's callback. */
static void test_older_table(void **state)
{
	static struct pier_handler old;
	const struct pier_handler *h;

	old = handler_echo;
	old.name = "older";
	old.size = offsetof(struct pier_handler, urgent);
	old.trouble = old_trouble;
	assert_null(handler_register(&old));
	h = handler_find("older");
	assert_non_null(h);
	assert_ptr_equal(h->data, handler_echo.data);
	assert_ptr_equal(h->timer, handler_echo.timer);
	assert_null(h->trouble);
	old.name = "short";
	old.size--;
	assert_non_null(handler_register(&old));
	old.name = "newer";
	old.size = sizeof(old) + 8;
	assert_non_null(handler_register(&old));
	assert_null(handler_find("newer"));
	assert_int_equal(old_troubles, 0);
}

static void test_echo_is_exact(void **state)
{
	static const size_t caps[] = { 1, 2, 7, 100, 1459, 5000, 1 << 20 };
	char *sent = pattern(4000);

	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		for (size_t cut = 1; cut < 4000; cut += 997) {
			struct fake_host *f = fake_new_limited(&handler_echo, NULL, caps[i], cut);

			fake_input(f, sent, cut);
			fake_run(f);
			fake_input(f, sent + cut, 4000 - cut);
			fake_run(f);
			assert_int_equal(f->out_len, 4000);
			assert_memory_equal(f->out, sent, 4000);
			fake_free(f);
		}
	}
	free(sent);
}

static void test_echo_back_pressure(void **state)
{
	struct fake_host *f = fake_new_limited(&handler_echo, NULL, 100, 1460);
	char *sent = pattern(1000);

	f->rate = 0; /* the peer reads nothing */
	fake_input(f, sent, 1000);
	fake_run(f);
	assert_int_equal(f->taken, 100);
	assert_int_equal(f->rx_len, 900);
	f->rate = 10;
	fake_run(f);
	assert_int_equal(f->taken, 1000);
	assert_memory_equal(f->out, sent, 1000);
	fake_free(f);
	free(sent);
}

static void test_echo_closes_after_everything(void **state)
{
	struct fake_host *f = fake_new_limited(&handler_echo, NULL, 10, 7);
	char *sent = pattern(1000);

	fake_input(f, sent, 1000);
	fake_fin(f);
	fake_turn(f);
	assert_int_equal(f->closes, 0);
	fake_run(f);
	assert_int_equal(f->closes, 1);
	assert_int_equal(f->out_len, 1000);
	assert_false(f->rst);
	fake_free(f);
	free(sent);
}

static void test_discard(void **state)
{
	struct fake_host *f = fake_new(&handler_discard, NULL);
	char *sent = pattern(10000);

	fake_input(f, sent, 10000);
	fake_run(f);
	assert_int_equal(f->taken, 10000);
	assert_int_equal(f->closes, 0);
	fake_fin(f);
	fake_run(f);
	assert_int_equal(f->closes, 1);
	assert_int_equal(f->out_len, 0);
	assert_false(f->rst);
	fake_free(f);
	free(sent);
}

/* Line k of RFC 864's pattern. */
static void check_line(const char *line, size_t k)
{
	for (size_t i = 0; i < 72; i++)
		assert_int_equal(line[i], ' ' + (k + i) % 95);
	assert_memory_equal(line + 72, "\r\n", 2);
}

static void test_chargen(void **state)
{
	static const size_t caps[] = { 1, 13, 74, 7030, 7031, 100000, 1 << 20 };

	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		struct fake_host *f = fake_new_limited(&handler_chargen, NULL, caps[i], 1460);

		fake_input(f, "ignored", 7);
		do {
			size_t sends = f->sends;

			fake_turn(f);
			assert_true(f->sends - sends <= 16);
		} while (f->out_len < 3 * 7030 || f->out_len < 2 * caps[i]);
		assert_int_equal(f->taken, 7);
		for (size_t k = 0; k < 3 * 95; k++)
			check_line(f->out + k * 74, k);
		fake_free(f);
	}
}

static void test_chargen_ends_with_the_peer(void **state)
{
	struct fake_host *f = fake_new_limited(&handler_chargen, NULL, 1000, 1460);

	fake_turn(f);
	assert_int_equal(f->closes, 0);
	fake_fin(f);
	fake_turn(f);
	assert_int_equal(f->closes, 1);
	fake_free(f);
}

static void test_daytime(void **state)
{
	for (size_t cap = 1; cap < 60; cap++) {
		struct fake_host *f = fake_new_limited(&handler_daytime, NULL, cap, 1460);

		fake_input(f, "what time is it?", 16);
		fake_turn(f);
		fake_clock++; /* does not show in the rest of the line */
		fake_fin(f);  /* does not cut the line off */
		fake_run(f);
		fake_clock--;
		assert_int_equal(f->closes, 1);
		assert_false(f->rst && cap < 10); /* with more room it closed before the input */
		assert_string_equal(f->out, "Sunday, November 6, 1994 08:49:37-UTC\r\n");
		fake_free(f);
	}
}

static void test_daytime_longest(void **state)
{
	struct fake_host *f;

	fake_clock -= 39 * 86400;
	f = fake_new(&handler_daytime, NULL);
	fake_clock += 39 * 86400;
	assert_string_equal(f->out, "Wednesday, September 28, 1994 08:49:37-UTC\r\n");
	fake_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registered),
		cmocka_unit_test(test_older_table),
		cmocka_unit_test(test_echo_is_exact),
		cmocka_unit_test(test_echo_back_pressure),
		cmocka_unit_test(test_echo_closes_after_everything),
		cmocka_unit_test(test_discard),
		cmocka_unit_test(test_chargen),
		cmocka_unit_test(test_chargen_ends_with_the_peer),
		cmocka_unit_test(test_daytime),
		cmocka_unit_test(test_daytime_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
