/*
 * The http handler: what it answers to which request, and when it keeps or ends a connection.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/option.h"
#include "handlers/handlers.h"
#include "http_kit.h"

static void test_get(void **state)
{
	struct fake_host *f;
	struct response r = http_ask(&f, NULL, GET);

	assert_int_equal(r.status, 200);
	assert_memory_equal(r.head, "HTTP/1.1 200 OK\r\n", 17);
	assert_true(http_has(&r, "Content-Type: text/plain"));
	assert_true(http_has(&r, "Content-Length: 64"));
	assert_true(http_has(&r, "Server: pier"));
	assert_null(http_value(&r, "Connection"));
	assert_int_equal(r.body[63], '\n');
	assert_int_equal(f->sends, 1); /* head and body as one piece */
	assert_int_equal(f->datas, 1);
	assert_int_equal(f->closes, 0);
	fake_free(f);
}

/* Ask at that time of the worker, and compare the date. */
static void expect_date(uint64_t now, const char *want)
{
	struct fake_host *f = fake_new(&handler_http, NULL);
	struct response r;
	const char *at;

	f->conn.now = now;
	http_say(f, GET);
	at = f->out;
	r = http_next(&at, false);
	assert_non_null(http_value(&r, "Date"));
	assert_string_equal(http_value(&r, "Date"), want);
	fake_free(f);
}

/* The clock is read ten times a second at most. */
static void test_date(void **state)
{
	int64_t was = fake_clock;

	expect_date(1000000, "Sun, 06 Nov 1994 08:49:37 GMT");
	fake_clock++;
	expect_date(1000001, "Sun, 06 Nov 1994 08:49:37 GMT");
	expect_date(1100000, "Sun, 06 Nov 1994 08:49:38 GMT");
	fake_clock = 1709251199;
	expect_date(2000000, "Thu, 29 Feb 2024 23:59:59 GMT");
	fake_clock = was;
	expect_date(3000000, "Sun, 06 Nov 1994 08:49:37 GMT");
}

/*
 * What was asked or answered before, of this listener or another, must not show: the same request again
 * is recognised, one that differs in a byte, is cut short or too long for its listener is not.
 */
static void test_memory(void **state)
{
	static const struct {
		const char *config, *request;
		int status;
		size_t body;
	} asks[] = {
		{ NULL, GET, 200, 64 },
		{ NULL, GET, 200, 64 },
		{ "body-size=10", GET, 200, 10 },
		{ "status=404", GET, 404, 64 },
		{ NULL, "GET / HTTP/1.1\r\nHost:\x01 a\r\n\r\n", 400, 16 },
		{ NULL, "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 200, 64 },
		{ "max-head=64", "GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nHost: a\r\n\r\n", 431, 36 },
		{ NULL, "GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nHost: a\r\n\r\n", 200, 64 },
		{ "max-head=64", "GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nHost: a\r\n\r\n", 431, 36 },
		{ NULL, "PUT / HTTP/1.1\r\nHost: a\r\n\r\n", 200, 17 },
		{ "uploads=no", "PUT / HTTP/1.1\r\nHost: a\r\n\r\n", 405, 23 },
		{ NULL, "GET /bytes/5 HTTP/1.1\r\nHost: a\r\n\r\n", 200, 5 },
		{ "test-paths=no", "GET /bytes/5 HTTP/1.1\r\nHost: a\r\n\r\n", 200, 64 },
		{ NULL, "GET /bytes/5 HTTP/1.1\r\nHost: a\r\n\r\n", 200, 5 },
		{ NULL, GET, 200, 64 },
	};

	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		struct fake_host *f;
		struct response r = http_ask(&f, asks[i].config, asks[i].request);

		assert_int_equal(r.status, asks[i].status);
		assert_int_equal(r.body_len, asks[i].body);
		fake_free(f);
	}
}

/* One more GET: its answer is all right. Returns how much of it was sent by reference. */
static unsigned int get_again(struct fake_host *f, size_t body)
{
	const size_t from = f->out_len, runs = f->runs_n;
	const char *at;
	struct response r;

	http_say(f, GET);
	at = f->out + from;
	r = http_next(&at, false);
	assert_int_equal(r.status, 200);
	assert_int_equal(r.body_len, body);
	assert_int_equal(r.body[body - 1], '\n');
	assert_ptr_equal(at, f->out + f->out_len);
	return (unsigned int)(f->runs_n - runs);
}

/* A long answer is put together when it is wanted again: not where two take turns, and not one that is too long. */
static void test_memory_of_long_answers(void **state)
{
	struct fake_host *a = fake_new(&handler_http, "body-size=1400");
	struct fake_host *b = fake_new(&handler_http, "body-size=1536");
	struct fake_host *c = fake_new(&handler_http, "body-size=1537");
	const int64_t was = fake_clock;

	assert_int_equal(get_again(a, 1400), 1);
	assert_int_equal(get_again(a, 1400), 0);
	assert_int_equal(get_again(a, 1400), 0);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(get_again(b, 1536), 1);
		assert_int_equal(get_again(a, 1400), 1);
	}
	assert_int_equal(get_again(b, 1536), 1);
	assert_int_equal(get_again(b, 1536), 0);
	fake_clock++;
	fake_wait(b, 1000000);
	assert_int_equal(get_again(b, 1536), 1);
	assert_int_equal(get_again(b, 1536), 0);
	fake_clock = was;
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(get_again(c, 1537), 1);
	fake_free(c);
	fake_free(b);
	fake_free(a);
}

/* Recognised as a whole only: the second half is another one's. */
static void test_memory_split(void **state)
{
	struct fake_host *f = fake_new(&handler_http, NULL);
	const char *at = NULL;

	http_say(f, GET);
	http_say(f, "GET / HTTP/1.1\r\nHost: a\r\n");
	assert_int_equal(f->datas, 2);
	at = f->out;
	http_next(&at, false);
	assert_int_equal(*at, 0);
	http_say(f, GET); /* a field without a colon */
	assert_int_equal(http_next(&at, false).status, 400);
	fake_free(f);
}

/* The head of a HEAD is that of the GET. */
static void test_head(void **state)
{
	static const char *const configs[] = { NULL, "body-size=0", "body-size=100k", "status=404",
					       "status=204", "status=304" };

	for (size_t i = 0; i < sizeof(configs) / sizeof(configs[0]); i++) {
		struct fake_host *f, *g;
		struct response r = http_ask(&f, configs[i], GET), h = http_ask(&g, configs[i], HEAD);

		http_mask_dates(f->out);
		http_mask_dates(g->out);
		assert_int_equal(r.head_len, h.head_len);
		assert_memory_equal(r.head, h.head, r.head_len);
		assert_int_equal(g->out_len, h.head_len);
		fake_free(f);
		fake_free(g);
	}
}

static void test_body_size(void **state)
{
	static const size_t sizes[] = { 0, 1, 2, 63, 64, 65, 1000, 100000 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char config[40];
		struct fake_host *f;
		struct response r;

		snprintf(config, sizeof(config), "body-size=%zu", sizes[i]);
		r = http_ask(&f, config, GET);
		assert_int_equal(r.status, 200);
		assert_non_null(http_value(&r, "Content-Length"));
		assert_int_equal(r.body_len, sizes[i]);
		assert_true(!sizes[i] || r.body[sizes[i] - 1] == '\n');
		fake_free(f);
	}
}

static void test_settings(void **state)
{
	struct fake_host *f;
	struct response r = http_ask(&f, "status=503\ncontent-type=text/html\nserver=no", GET);

	assert_memory_equal(r.head, "HTTP/1.1 503 Service Unavailable\r\n", 34);
	assert_true(http_has(&r, "Content-Type: text/html"));
	assert_null(http_value(&r, "Server"));
	fake_free(f);
	r = http_ask(&f, "content-type=", GET);
	assert_null(http_value(&r, "Content-Type"));
	fake_free(f);
	r = http_ask(&f, "status=299", GET);
	assert_memory_equal(r.head, "HTTP/1.1 299 \r\n", 15);
	fake_free(f);
	r = http_ask(&f, "status=204", GET);
	assert_int_equal(r.status, 204);
	assert_null(http_value(&r, "Content-Length"));
	assert_null(http_value(&r, "Content-Type"));
	assert_int_equal(r.body_len, 0);
	fake_free(f);
}

static void write_file(char *path, const char *data, size_t len)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static void test_file(void **state)
{
	char path[] = "/tmp/pier-test-XXXXXX", config[60];
	struct fake_host *f;
	struct response r;

	write_file(path, "one\0two", 7);
	snprintf(config, sizeof(config), "file=%s\nbody-size=99", path);
	r = http_ask(&f, config, GET);
	unlink(path);
	assert_int_equal(r.body_len, 7);
	assert_memory_equal(r.body, "one\0two", 7);
	fake_free(f);
}

static void expect_setup_error(const char *config, const char *words)
{
	void *settings = fake_settings(&handler_http, config);
	char err[200] = "";

	assert_false(handler_http.setup(settings, err, sizeof(err)));
	if (!strstr(err, words))
		fail_msg("\"%s\" does not say \"%s\"", err, words);
	fake_settings_free(&handler_http, settings);
}

static void test_setup_errors(void **state)
{
	char config[700] = "content-type=";

	expect_setup_error("file=/nonexistent/pier", "/nonexistent/pier: No such file");
	expect_setup_error("file=/tmp", "/tmp is not a regular file");
	expect_setup_error("file=/dev/null", "/dev/null is not a regular file");
	expect_setup_error("content-type=a\rb", "control character");
	memset(config + strlen(config), 'x', 600);
	expect_setup_error(config, "too long");
}

/* Version and Connection against what the answer says and whether the connection is kept. */
static void test_keep_alive_matrix(void **state)
{
	static const struct {
		const char *request, *connection;
		bool closes;
	} rows[] = {
		{ GET, NULL, false },
		{ HEAD, NULL, false },
		{ POST "\r\n", NULL, false },
		{ "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", NULL, false },
		{ "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "close", true },
		{ "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "close", true },
		{ POST "Connection: close\r\n\r\n", "close", true },
		{ "GET / HTTP/1.0\r\n\r\n", "close", true },
		{ "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "keep-alive", false },
		{ "PUT / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "keep-alive", false },
		{ "PUT / HTTP/1.0\r\n\r\n", "close", true },
		{ "GET / HTTP/1.2\r\nHost: a\r\n\r\n", NULL, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fake_host *f;
		struct response r = http_ask(&f, NULL, rows[i].request);
		const char *connection = http_value(&r, "Connection");

		assert_int_equal(r.status, 200);
		assert_int_equal(!connection, !rows[i].connection);
		if (connection)
			assert_string_equal(connection, rows[i].connection);
		assert_int_equal(f->closes, rows[i].closes);
		assert_false(f->rst);
		assert_int_equal(f->timer, 0); /* nothing is under way: no lingering */
		fake_free(f);
	}
}

static void test_eof_closes(void **state)
{
	struct fake_host *f;

	http_ask(&f, NULL, GET);
	fake_fin(f);
	fake_run(f);
	assert_int_equal(f->closes, 1);
	fake_free(f);
	f = fake_new(&handler_http, NULL);
	http_say(f, "GET / HT");
	fake_fin(f);
	fake_run(f);
	assert_int_equal(f->closes, 1);
	assert_int_equal(f->out_len, 0);
	fake_free(f);
}

/* A client that closes its side still gets all of a large response. */
static void test_eof_during_reply(void **state)
{
	struct fake_host *f = fake_new_limited(&handler_http, "body-size=50000", 700, 1460);
	const char *at;

	fake_input(f, GET, strlen(GET));
	fake_turn(f);
	fake_fin(f);
	fake_turn(f);
	assert_int_equal(f->eofs, 1);
	assert_int_equal(f->closes, 0);
	fake_run(f);
	assert_int_equal(f->closes, 1);
	assert_false(f->rst);
	at = f->out;
	assert_int_equal(http_next(&at, false).body_len, 50000);
	assert_ptr_equal(at, f->out + f->out_len);
	fake_free(f);
}

static void test_requests_limit(void **state)
{
	struct fake_host *f = fake_new(&handler_http, "requests=3");
	const char *at;

	http_say(f, GET);
	http_say(f, GET);
	assert_int_equal(f->closes, 0);
	http_say(f, GET);
	assert_int_equal(f->closes, 1); /* FIN with the third */
	assert_false(f->rst);
	at = f->out;
	assert_null(http_value(&(struct response){ http_next(&at, false).status, f->out, NULL,
			  (size_t)(at - f->out), 0 }, "Connection"));
	http_next(&at, false);
	assert_true(http_has(&(struct response){ 0, at, NULL, strlen(at), 0 }, "Connection: close"));
	fake_free(f);
}

/* With a pipeline behind the last request there is no RST over the response. */
static void test_requests_limit_in_pipeline(void **state)
{
	struct fake_host *f = fake_new(&handler_http, "requests=2");
	const char *at = f->out;

	http_say(f, GET GET GET GET);
	at = f->out;
	http_next(&at, false);
	http_next(&at, false);
	assert_ptr_equal(at, f->out + f->out_len);
	assert_true(f->shut);
	assert_int_equal(f->closes, 0);
	http_say(f, GET);
	assert_int_equal(f->rx_len, 0);
	fake_fin(f);
	fake_run(f);
	assert_int_equal(f->closes, 1);
	assert_false(f->rst);
	fake_free(f);
}

/* A client that pipelined before may have more under way, though nothing is there yet. */
static void test_requests_limit_after_pipeline(void **state)
{
	struct fake_host *f = fake_new(&handler_http, "requests=3");

	http_say(f, GET GET);
	http_say(f, GET);
	assert_true(f->shut);
	assert_int_equal(f->closes, 0);
	http_say(f, GET);
	fake_wait(f, 2000000);
	assert_int_equal(f->closes, 1);
	assert_false(f->rst);
	fake_free(f);
}

static void test_requests_limit_between_slices(void **state)
{
	struct fake_host *f = fake_new_limited(&handler_http, "requests=1", 1 << 20, strlen(GET));

	http_say(f, GET GET);
	assert_true(f->shut);
	assert_int_equal(f->closes, 0);
	assert_int_equal(f->rx_len, 0);
	fake_free(f);
}

/* More arrives while the last response waits for room. */
static void test_input_behind_the_last_reply(void **state)
{
	struct fake_host *f = fake_new_limited(&handler_http, NULL, 10, 1460);
	const char *at;

	fake_input(f, "GET / HTTP/1.0\r\n\r\n", 18);
	fake_turn(f);
	http_say(f, "and more");
	at = f->out;
	assert_int_equal(http_next(&at, false).body_len, 64);
	assert_ptr_equal(at, f->out + f->out_len);
	assert_int_equal(f->closes, 0);
	assert_int_equal(f->rx_len, 0);
	fake_fin(f);
	fake_run(f);
	assert_int_equal(f->closes, 1);
	assert_false(f->rst);
	fake_free(f);
}

/* RFC 9110 section 9.1: 501 for what is not implemented, 405 for what is and is not allowed. */
static void test_methods(void **state)
{
	static const char *const requests[] = {
		"PATCH / HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
		"DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n", "get / HTTP/1.1\r\nHost: a\r\n\r\n",
		"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
	};

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct fake_host *f;
		struct response r = http_ask(&f, NULL, requests[i]);

		assert_int_equal(r.status, 501);
		assert_null(http_value(&r, "Allow"));
		assert_int_equal(f->closes, 0);
		http_say(f, GET); /* the connection goes on */
		assert_non_null(strstr(f->out + 10, "HTTP/1.1 200 OK"));
		fake_free(f);
	}
}

static void test_method_not_allowed(void **state)
{
	struct fake_host *f;
	struct response r = http_ask(&f, "uploads=no", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");

	assert_int_equal(r.status, 405);
	assert_string_equal(http_value(&r, "Allow"), "GET, HEAD");
	assert_int_equal(f->closes, 0);
	fake_free(f);
}

static void test_options(void **state)
{
	static const char *const bad[][2] = {
		{ "status", "199" }, { "status", "600" }, { "max-head", "63" }, { "max-head", "2m" },
		{ "body-size", "2g" }, { "requests", "-1" }, { "server", "maybe" },
	};
	void *settings = fake_settings(&handler_http, NULL);
	char err[200];

	assert_string_equal(handler_http.options->section, "listen");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct option *o = option_find(handler_http.options, bad[i][0]);

		assert_non_null(o);
		assert_false(option_parse(o, settings, bad[i][1], err, sizeof(err)));
	}
	fake_settings_free(&handler_http, settings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_date),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_memory_split),
		cmocka_unit_test(test_memory_of_long_answers),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_body_size),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_setup_errors),
		cmocka_unit_test(test_keep_alive_matrix),
		cmocka_unit_test(test_eof_closes),
		cmocka_unit_test(test_eof_during_reply),
		cmocka_unit_test(test_requests_limit),
		cmocka_unit_test(test_requests_limit_in_pipeline),
		cmocka_unit_test(test_requests_limit_after_pipeline),
		cmocka_unit_test(test_requests_limit_between_slices),
		cmocka_unit_test(test_input_behind_the_last_reply),
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_method_not_allowed),
		cmocka_unit_test(test_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
