/*
 * The http handler over time: errors and draining, request bodies, pipelines cut anywhere and
 * answered into any room.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "handlers/handlers.h"
#include "http_kit.h"

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* Each error: its status, the end announced, and FIN without RST while input is drained. */
static void test_errors(void **state)
{
	static const struct {
		const char *request;
		int status;
	} rows[] = {
		{ "nonsense\r\n", 400 },
		{ "\x16\x03\x01", 400 },
		{ "GET / HTTP/1.1\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400 },
		{ POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400 },
		{ POST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501 },
		{ POST "Transfer-Encoding: chunked\r\n\r\nx\r\n", 400 },
		{ "GET / HTTP/2.0\r\n\r\n", 505 },
		{ "GET /" A64 A64, 414 },
		{ "GET / HTTP/1.1\r\nX: " A64 A64, 431 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fake_host *f;
		struct response r = http_ask(&f, "max-head=128", rows[i].request);

		if (rows[i].status != r.status)
			fail_msg("%d, not %d, for %s", r.status, rows[i].status, rows[i].request);
		assert_true(http_has(&r, "Connection: close"));
		assert_true(r.body_len > 4);
		assert_int_equal(atoi(r.body), r.status);
		assert_non_null(http_value(&r, "Date"));
		assert_true(f->shut);
		assert_int_equal(f->closes, 0);
		assert_int_equal(f->rx_len, 0);
		fake_fin(f);
		fake_run(f);
		assert_int_equal(f->closes, 1);
		assert_false(f->rst);
		fake_free(f);
	}
}

/* An error in a HEAD has no body either. */
static void test_head_error(void **state)
{
	struct fake_host *f;
	struct response r = http_ask(&f, NULL, "HEAD / HTTP/1.1\r\n\r\n");

	assert_int_equal(r.status, 400);
	fake_free(f);
}

/* RFC 9112 section 9.6: 200 kB of head are drained; the peer's FIN ends it; nobody sends RST. */
static void CLS_19_drain(void **state)
{
	struct fake_host *f = fake_new(&handler_http, NULL);
	char *junk = malloc(200000);
	const char *at;

	memset(junk, 'x', 200000);
	http_say(f, "GET / HTTP/1.1\r\nX: ");
	for (size_t i = 0; i < 200000; i += 1000) {
		fake_input(f, junk + i, 1000);
		fake_run(f);
	}
	at = f->out;
	assert_int_equal(http_next(&at, false).status, 431);
	assert_ptr_equal(at, f->out + f->out_len);
	assert_int_equal(f->closes, 0);
	assert_true(f->timer > f->conn.now);
	fake_fin(f);
	fake_run(f);
	assert_int_equal(f->closes, 1);
	assert_false(f->rst);
	fake_free(f);
	free(junk);
}

static void CLS_19_drain_is_bounded_in_bytes(void **state)
{
	struct fake_host *f = fake_new(&handler_http, NULL);
	static char junk[1024];

	http_say(f, "{"); /* which is not read, but drained */
	for (int i = 0; i < 255; i++) {
		fake_input(f, junk, sizeof(junk));
		fake_run(f);
	}
	fake_input(f, junk, sizeof(junk) - 1); /* 256k in all */
	fake_run(f);
	assert_int_equal(f->closes, 0);
	http_say(f, "x");
	assert_int_equal(f->closes, 1);
	fake_free(f);
}

static void CLS_19_drain_is_bounded_in_time(void **state)
{
	struct fake_host *f = fake_new(&handler_http, NULL);

	http_say(f, "nonsense\r\n");
	fake_wait(f, 1999999);
	http_say(f, "more"); /* does not prolong it */
	assert_int_equal(f->closes, 0);
	fake_wait(f, 1);
	assert_int_equal(f->closes, 1);
	fake_free(f);
}

/* While an error waits for room nothing is drained; then it is, and nothing is lost. */
static void test_error_under_back_pressure(void **state)
{
	for (size_t cap = 1; cap < 300; cap += 7) {
		struct fake_host *f = fake_new_limited(&handler_http, NULL, cap, 5);
		const char *at;

		fake_input(f, "nonsense\r\nand more of it\r\n", 26);
		fake_run(f);
		at = f->out;
		assert_int_equal(http_next(&at, false).status, 400);
		assert_ptr_equal(at, f->out + f->out_len);
		assert_int_equal(f->rx_len, 0);
		assert_true(f->shut && !f->closes && f->timer);
		fake_free(f);
	}
}

static void test_request_bodies(void **state)
{
	static const char *const bodies[] = {
		"Content-Length: 27\r\n\r\n" "GET / HTTP/1.1\r\nHost: b\r\n\r\n",
		"Transfer-Encoding: chunked\r\n\r\n1b;x=y\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n"
		"\r\n0\r\nX: y\r\n\r\n",
		"Content-Length: 0\r\n\r\n",
	};

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct fake_host *f = fake_new(&handler_http, NULL);
		const char *at;
		char in[300];

		snprintf(in, sizeof(in), POST "%s" "GET / HTTP/1.1\r\nHost: c\r\n%s" GET, bodies[i],
			 bodies[i]);
		http_say(f, in);
		at = f->out;
		assert_int_equal(http_next(&at, false).status, 200);
		assert_int_equal(http_next(&at, false).status, 200);
		assert_int_equal(http_next(&at, false).status, 200);
		assert_ptr_equal(at, f->out + f->out_len);
		fake_free(f);
	}
}

/* Nothing of a large body is kept or held back. */
static void test_large_request_body(void **state)
{
	struct fake_host *f = fake_new(&handler_http, NULL);
	static char junk[10000];

	http_say(f, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
	for (int i = 0; i < 100; i++) {
		assert_int_equal(f->out_len, 0);
		fake_input(f, junk, sizeof(junk));
		fake_run(f);
		assert_int_equal(f->rx_len, 0);
	}
	assert_memory_equal(f->out, "HTTP/1.1 200", 12);
	fake_free(f);
}

#define EXPECT_GET "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
#define INTERIM    "HTTP/1.1 100 Continue\r\n\r\n"

static void test_continue(void **state)
{
	struct fake_host *f = fake_new(&handler_http, NULL);
	const char *at;

	http_say(f, EXPECT_GET);
	assert_string_equal(f->out, INTERIM);
	http_say(f, "abc" GET);
	at = f->out + strlen(INTERIM);
	assert_int_equal(http_next(&at, false).status, 200);
	assert_int_equal(http_next(&at, false).status, 200);
	assert_ptr_equal(at, f->out + f->out_len);
	assert_int_equal(f->closes, 0);
	fake_free(f);
}

/* A refused method is refused before the body, and the connection ends. */
static void test_continue_refused(void **state)
{
	struct fake_host *f;
	struct response r = http_ask(&f, "uploads=no", POST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");

	assert_int_equal(r.status, 405);
	assert_true(http_has(&r, "Connection: close"));
	http_say(f, "abc");
	assert_ptr_equal(r.body + r.body_len, f->out + f->out_len);
	fake_fin(f);
	fake_run(f);
	assert_false(f->rst);
	fake_free(f);
}

/* A client that closes before it has read the refusal is not waited for. */
static void test_continue_refused_after_eof(void **state)
{
	struct fake_host *f = fake_new_limited(&handler_http, "uploads=no", 1, 1460);

	fake_input(f, POST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n",
		   strlen(POST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"));
	fake_turn(f);
	fake_fin(f);
	fake_run(f);
	assert_int_equal(f->closes, 1);
	assert_non_null(strstr(f->out, "405 Method Not Allowed\n"));
	fake_free(f);
}

static const char stream[] =
	GET HEAD POST "Content-Length: 5\r\n\r\nhello" GET
	POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
	EXPECT_GET "abc" "GET http://a/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
	"\r\nGET / HTTP/1.1\nHost: a\n\n" HEAD
	"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=10-29\r\n\r\n"
	"GET /bytes/70000?x HTTP/1.1\r\nRange: Bytes=-69999\r\nHost: a\r\n\r\n"
	"HEAD /bytes/12 HTTP/1.1\r\nHost: a\r\n\r\n"
	"PUT /status/404 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"
	"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n"
	"GET /bytes/3 HTTP/1.0\r\nConnection: keep-alive\r\nRange: bytes=3-\r\n\r\n"
	"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/* What the stream gives when there is room for everything. */
static char *whole_output(const char *in, size_t *len)
{
	struct fake_host *f = fake_new(&handler_http, "body-size=100");
	char *out;

	http_say(f, in);
	http_mask_dates(f->out);
	out = strdup(f->out);
	*len = f->out_len;
	fake_free(f);
	return out;
}

static void expect_output(struct fake_host *f, const char *want, size_t len)
{
	http_mask_dates(f->out);
	assert_int_equal(f->out_len, len);
	assert_memory_equal(f->out, want, len);
	assert_int_equal(f->closes, 1);
	assert_false(f->rst);
}

static void test_stream(void **state)
{
	static const struct {
		int status;
		bool head;
	} rows[] = { { 200 }, { 200, true }, { 200 }, { 200 }, { 200 }, { 100 }, { 200 }, { 200 },
		     { 200 }, { 200, true }, { 206 }, { 206 }, { 200, true }, { 404 }, { 501 }, { 416 },
		     { 200 } };
	size_t len;
	char *out = whole_output(stream, &len);
	const char *at = out;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(http_next(&at, rows[i].head).status, rows[i].status);
	assert_ptr_equal(at, out + len);
	free(out);
}

static void test_split_anywhere(void **state)
{
	size_t len, n = sizeof(stream) - 1;
	char *want = whole_output(stream, &len);

	for (size_t cut = 0; cut <= n; cut++) {
		struct fake_host *f = fake_new(&handler_http, "body-size=100");

		fake_input(f, stream, cut);
		fake_run(f);
		fake_input(f, stream + cut, n - cut);
		fake_run(f);
		expect_output(f, want, len);
		fake_free(f);
	}
	free(want);
}

static void test_slices_of_any_size(void **state)
{
	size_t len, n = sizeof(stream) - 1;
	char *want = whole_output(stream, &len);

	for (size_t slice = 1; slice <= n; slice++) {
		struct fake_host *f = fake_new_limited(&handler_http, "body-size=100", 1 << 20,
						       slice);

		http_say(f, stream);
		expect_output(f, want, len);
		fake_free(f);
	}
	free(want);
}

/* Every room from one byte on: the same bytes, and what there is no room for is not read. */
static void test_pipeline_in_any_room(void **state)
{
	size_t len, n = sizeof(stream) - 1;
	char *want = whole_output(stream, &len);

	for (size_t cap = 1; cap <= len + 1; cap += cap < 400 ? 1 : 37) {
		struct fake_host *f = fake_new_limited(&handler_http, "body-size=100", cap, 50);

		f->rate = 0;
		http_say(f, stream);
		assert_int_equal(f->out_len, cap < len ? cap : len);
		if (cap < 200)
			assert_true(f->taken < n);
		f->rate = cap;
		fake_run(f);
		expect_output(f, want, len);
		fake_free(f);
	}
	free(want);
}

static void test_one_byte_in_one_byte_out(void **state)
{
	size_t len, n = sizeof(stream) - 1;
	char *want = whole_output(stream, &len);
	struct fake_host *f = fake_new_limited(&handler_http, "body-size=100", 1, 1);

	for (size_t i = 0; i < n; i++) {
		fake_input(f, stream + i, 1);
		fake_turn(f);
	}
	fake_run(f);
	expect_output(f, want, len);
	fake_free(f);
	free(want);
}

/* A long pipeline is answered over several turns, also when there is room for all of it. */
static void test_bounded_work(void **state)
{
	struct fake_host *f = fake_new(&handler_http, "body-size=0");
	const char *at;

	for (int i = 0; i < 1000; i++)
		fake_input(f, GET, strlen(GET));
	for (unsigned int sends = 0; fake_turn(f); sends = f->sends)
		assert_true(f->sends - sends <= 2 * 64);
	assert_int_equal(f->rx_len, 0);
	at = f->out;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(http_next(&at, false).status, 200);
	assert_ptr_equal(at, f->out + f->out_len);
	fake_free(f);
}

/* A head sent in pieces carries one date, though others of this worker send a later one. */
static void test_date_does_not_tear(void **state)
{
	struct fake_host *f = fake_new_limited(&handler_http, NULL, 1, 1460), *g;
	struct response r;
	const char *at;

	fake_input(f, GET, strlen(GET));
	while (f->out_len < strlen("HTTP/1.1 200 OK\r\nServer: pier\r\nDate: Sun, 0"))
		fake_turn(f);
	f->conn.now += 86400000000;
	fake_clock += 86400;
	g = fake_new(&handler_http, NULL);
	g->conn.now = f->conn.now;
	http_say(g, GET);
	assert_non_null(strstr(g->out, "Date: Mon, 07 Nov 1994 08:49:37 GMT\r\n"));
	fake_run(f);
	fake_clock -= 86400;
	at = f->out;
	r = http_next(&at, false);
	assert_true(http_has(&r, "Date: Sun, 06 Nov 1994 08:49:37 GMT"));
	assert_int_equal(r.body_len, 64);
	fake_free(f);
	fake_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_head_error),
		cmocka_unit_test(CLS_19_drain),
		cmocka_unit_test(CLS_19_drain_is_bounded_in_bytes),
		cmocka_unit_test(CLS_19_drain_is_bounded_in_time),
		cmocka_unit_test(test_error_under_back_pressure),
		cmocka_unit_test(test_request_bodies),
		cmocka_unit_test(test_large_request_body),
		cmocka_unit_test(test_continue),
		cmocka_unit_test(test_continue_refused),
		cmocka_unit_test(test_continue_refused_after_eof),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_split_anywhere),
		cmocka_unit_test(test_slices_of_any_size),
		cmocka_unit_test(test_pipeline_in_any_room),
		cmocka_unit_test(test_one_byte_in_one_byte_out),
		cmocka_unit_test(test_bounded_work),
		cmocka_unit_test(test_date_does_not_tear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
