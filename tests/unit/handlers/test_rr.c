/*
 * rr: framing, bounds, the order of pipelined answers, and the times between.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/units.h"
#include "fake_host.h"
#include "handlers/handlers.h"

static uint64_t stat_of(const struct fake_host *f, const char *name)
{
	return fake_stat(f->handler, f->settings, name);
}

static void put32(char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (char)(v >> (24 - 8 * i));
}

/* A request of framing = ask. */
static void ask(struct fake_host *f, uint32_t len, uint32_t answer)
{
	char *p = calloc(1, 8 + len);

	assert_non_null(p);
	put32(p, len);
	put32(p + 4, answer);
	fake_input(f, p, 8 + len);
	free(p);
}

static void test_fixed(void **state)
{
	struct fake_host *f = fake_new(&handler_rr, "request-size=10\nresponse-size=3");

	fake_input(f, "123456789", 9);
	fake_run(f);
	assert_int_equal(f->out_len, 0);
	fake_input(f, "0abcdefghij12", 13);
	fake_run(f);
	assert_string_equal(f->out, "abcabc");
	assert_int_equal(f->taken, 22);
	assert_int_equal(stat_of(f, "requests"), 2);
	assert_int_equal(stat_of(f, "responses"), 2);
	assert_int_equal(stat_of(f, "request_bytes"), 22);
	assert_int_equal(stat_of(f, "response_bytes"), 6);
	fake_fin(f);
	fake_run(f);
	assert_int_equal(f->closes, 1);
	assert_false(f->rst);
	fake_free(f);
}

/* However the bytes come and whatever room there is, the answers are the same. */
static void test_length_split_anywhere(void **state)
{
	char in[3000], out[5000];
	size_t n = 0, len = 0;

	for (uint32_t i = 0; i < 20; i++) {
		put32(in + n, i * 11);
		memset(in + n + 4, 0xff, i * 11);
		n += 4 + i * 11;
		put32(out + len, 70);
		for (uint32_t j = 0; j < 70; j++)
			out[len + 4 + j] = (char)('a' + j % 26);
		len += 74;
	}
	for (size_t piece = 1; piece < 200; piece += piece < 20 ? 1 : 37) {
		struct fake_host *f = fake_new_limited(
			&handler_rr, "framing=length\nresponse-size=70", piece * 3 % 97 + 1, piece);

		for (size_t at = 0; at < n; at += piece) {
			fake_input(f, in + at, min_of(piece, n - at));
			fake_run(f);
		}
		assert_int_equal(f->out_len, len);
		assert_memory_equal(f->out, out, len);
		fake_free(f);
	}
}

static void test_ask(void **state)
{
	struct fake_host *f = fake_new(&handler_rr, "framing=ask");

	ask(f, 0, 0);
	ask(f, 5, 4);
	ask(f, 1000, 200000);
	ask(f, 0, 2);
	fake_run(f);
	assert_int_equal(f->out_len, 4 + 200000 + 2);
	assert_memory_equal(f->out, "abcdabcdef", 10);
	assert_string_equal(f->out + 200004, "ab");
	assert_int_equal(stat_of(f, "responses"), 4);
	fake_free(f);
}

static void expect_refused(const char *config, uint32_t len, uint32_t answer)
{
	struct fake_host *f = fake_new(&handler_rr, config);

	ask(f, 1, 1);
	fake_run(f);
	assert_false(f->rst);
	ask(f, len, answer);
	fake_run(f);
	assert_true(f->rst);
	assert_int_equal(f->closes, 1);
	assert_int_equal(stat_of(f, "bad_lengths"), 1);
	fake_free(f);
}

static void test_bounds(void **state)
{
	struct fake_host *f = fake_new(&handler_rr, "framing=ask\nmax-request=100\nmax-response=50");

	ask(f, 100, 50);
	fake_run(f);
	assert_int_equal(f->out_len, 50);
	fake_free(f);
	expect_refused("framing=ask\nmax-request=100\nmax-response=50", 101, 1);
	expect_refused("framing=ask\nmax-request=100\nmax-response=50", 1, 51);
	expect_refused("framing=ask", 5, 0xffffffff);
}

static void refuse_settings(const char *config, const char *why)
{
	void *settings = fake_settings(&handler_rr, config);
	char err[100] = "";

	assert_false(handler_rr.setup(settings, err, sizeof(err)));
	assert_non_null(strstr(err, why));
	fake_settings_free(&handler_rr, settings);
}

static void test_settings_that_do_not_fit(void **state)
{
	refuse_settings("request-size=2m", "max-request");
	refuse_settings("response-size=17m", "max-response");
	refuse_settings("delay-distribution=uniform\ndelay=2s", "delay-max");
}

static void test_fixed_delay(void **state)
{
	struct fake_host *f = fake_new(&handler_rr, "delay=20ms");

	fake_input(f, "1", 1);
	fake_run(f);
	fake_wait(f, 10 * US_PER_MS);
	fake_input(f, "2", 1);
	fake_run(f);
	assert_int_equal(f->taken, 2); /* read while the first waits */
	assert_int_equal(f->out_len, 0);
	fake_wait(f, 9999);
	assert_int_equal(f->out_len, 0);
	fake_wait(f, 1);
	assert_int_equal(f->out_len, 1);
	fake_wait(f, 10 * US_PER_MS);
	assert_int_equal(f->out_len, 2);
	fake_free(f);
}

/* A response is as long as it was asked for, whatever the delays: their lengths show the order. */
static void test_pipelined_in_order(void **state)
{
	struct fake_host *f = fake_new(
		&handler_rr, "framing=ask\ndelay-distribution=uniform\ndelay=0\ndelay-max=50ms");
	size_t before = 0, expected = 1;

	for (uint32_t i = 1; i <= 20; i++)
		ask(f, i, i);
	fake_run(f);
	for (unsigned int ms = 0; ms < 60; ms++) {
		fake_wait(f, US_PER_MS);
		fake_run(f);
		while (before + expected <= f->out_len)
			before += expected++;
		assert_int_equal(before, f->out_len);
	}
	assert_int_equal(expected, 21);
	fake_free(f);
}

static void test_outstanding(void **state)
{
	struct fake_host *f = fake_new(&handler_rr, "delay=10ms\noutstanding=3");

	fake_input(f, "12345678", 8);
	fake_run(f);
	assert_int_equal(f->taken, 3);
	fake_wait(f, 10 * US_PER_MS);
	fake_run(f);
	assert_int_equal(f->out_len, 3);
	assert_int_equal(f->taken, 6);
	fake_wait(f, 20 * US_PER_MS);
	fake_run(f);
	fake_wait(f, 20 * US_PER_MS);
	fake_run(f);
	assert_int_equal(f->out_len, 8);
	fake_fin(f);
	fake_run(f);
	assert_int_equal(f->closes, 1);
	fake_free(f);
}

/* The peer's FIN does not stop answers that are due later. */
static void test_eof_before_the_answer(void **state)
{
	struct fake_host *f = fake_new(&handler_rr, "delay=10ms");

	fake_input(f, "12", 2);
	fake_fin(f);
	fake_run(f);
	assert_int_equal(f->eofs, 1);
	assert_int_equal(f->closes, 0);
	fake_wait(f, 10 * US_PER_MS);
	assert_int_equal(f->out_len, 2);
	assert_int_equal(f->closes, 1);
	fake_free(f);
}

static void test_requests(void **state)
{
	struct fake_host *f = fake_new(&handler_rr, "requests=2");

	fake_input(f, "123", 3);
	fake_run(f);
	assert_int_equal(f->out_len, 2);
	assert_true(f->shut);
	assert_int_equal(f->closes, 0);
	assert_int_equal(f->rx_len, 0); /* the third is read, so that no RST overtakes the answers */
	fake_wait(f, 3 * US_PER_SEC);
	assert_int_equal(f->closes, 1);
	assert_false(f->rst);
	fake_free(f);
}

/* A response that waits for room for longer than 32 bits of microseconds can compare. */
static void test_stalled_for_long(void **state)
{
	struct fake_host *f = fake_new_limited(&handler_rr, "response-size=10\ndelay=1ms", 4, 1460);

	f->rate = 0;
	fake_input(f, "12", 2);
	fake_run(f);
	fake_wait(f, 2 * US_PER_MS);
	assert_int_equal(f->out_len, 4);
	fake_wait(f, 3000 * US_PER_SEC);
	f->rate = 4;
	fake_run(f);
	assert_int_equal(f->out_len, 20);
	fake_free(f);
}

/* The delays of n requests, one after the other, in ms; on the connection that f is. */
static void measure(struct fake_host *f, unsigned int *ms, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		const size_t before = f->out_len;

		fake_input(f, "x", 1);
		fake_run(f);
		for (ms[i] = 0; f->out_len == before; ms[i]++)
			fake_wait(f, US_PER_MS);
		assert_true(ms[i] < 100000);
	}
}

#define DRAWS 4000

static double mean(const unsigned int *ms)
{
	double sum = 0;

	for (unsigned int i = 0; i < DRAWS; i++)
		sum += ms[i];
	return sum / DRAWS;
}

static double share_above(const unsigned int *ms, unsigned int limit)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < DRAWS; i++)
		n += ms[i] > limit;
	return (double)n / DRAWS;
}

static void near(double is, double expected, double by)
{
	if (is < expected - by || is > expected + by)
		fail_msg("%f, expected %f", is, expected);
}

/* Seeds are fixed, so these are facts, not chances. A response comes up to a millisecond late. */
static void test_distributions(void **state)
{
	static unsigned int ms[DRAWS];
	struct fake_host *f;

	f = fake_new(&handler_rr, "delay-distribution=uniform\ndelay=100ms\ndelay-max=300ms");
	measure(f, ms, DRAWS);
	near(mean(ms), 200.5, 3);
	near(share_above(ms, 99), 1, 0);
	near(share_above(ms, 301), 0, 0);
	near(share_above(ms, 250), 0.25, 0.03);
	fake_free(f);

	f = fake_new(&handler_rr, "delay-distribution=exponential\ndelay=100ms\ndelay-max=60s");
	measure(f, ms, DRAWS);
	near(mean(ms), 100.5, 4);
	near(share_above(ms, 100), 0.368, 0.03);
	near(share_above(ms, 300), 0.0498, 0.02);
	fake_free(f);

	f = fake_new(&handler_rr,
		     "delay-distribution=pareto\ndelay=50ms\ndelay-shape=200\ndelay-max=2s");
	measure(f, ms, DRAWS);
	near(share_above(ms, 49), 1, 0);
	near(share_above(ms, 100), 0.25, 0.03);
	near(share_above(ms, 500), 0.01, 0.006);
	near(share_above(ms, 2001), 0, 0);
	fake_free(f);
}

/* The nth connection has the same times under the same seed, and others than its neighbours. */
static void test_seed_repeats(void **state)
{
	static const char *const config =
		"delay-distribution=uniform\ndelay=0\ndelay-max=10s\nseed=%u";
	unsigned int ms[3][2][20];

	for (unsigned int i = 0; i < 3; i++) {
		char text[200];
		struct fake_host *f, *g;

		snprintf(text, sizeof(text), config, i == 2 ? 8u : 7u);
		f = fake_new(&handler_rr, text);
		g = fake_beside(f);
		measure(f, ms[i][0], 20);
		measure(g, ms[i][1], 20);
		fake_free(g);
		fake_free(f);
	}
	assert_memory_equal(ms[0], ms[1], sizeof(ms[0]));
	assert_memory_not_equal(ms[0][0], ms[0][1], sizeof(ms[0][0]));
	assert_memory_not_equal(ms[0][0], ms[2][0], sizeof(ms[0][0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_length_split_anywhere),
		cmocka_unit_test(test_ask),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_settings_that_do_not_fit),
		cmocka_unit_test(test_fixed_delay),
		cmocka_unit_test(test_pipelined_in_order),
		cmocka_unit_test(test_outstanding),
		cmocka_unit_test(test_eof_before_the_answer),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_stalled_for_long),
		cmocka_unit_test(test_distributions),
		cmocka_unit_test(test_seed_repeats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
