/*
 * The http handler with a directory, and what it answers to ranges, conditions, uploads and the tester's
 * paths; waiting answers; bodies larger than any memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/option.h"
#include "handlers/handlers.h"
#include "http_kit.h"

#define FIELDS(target, fields) "GET " target " HTTP/1.1\r\nHost: a\r\n" fields "\r\n"
#define GET_OF(target) FIELDS(target, "")

static char root[] = "/tmp/pier-test-XXXXXX";
static char config[100];

static void write_file(const char *name, const char *data, size_t len)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	fclose(f);
}

static void make(const char *name)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static int make_root(void **state)
{
	char path[300];

	assert_non_null(mkdtemp(root));
	snprintf(config, sizeof(config), "root=%s\nroot-memory=1m", root);
	make("sub");
	make("sub/more");
	make("no index");
	write_file("index.html", "top", 3);
	write_file("sub/index.html", "sub", 3);
	write_file("sub/more/a.TXT", "deep", 4);
	write_file("no index/x", "x", 1);
	write_file("ten", "0123456789", 10);
	write_file("empty", "", 0);
	write_file("\xc3\xa9 %.css", "css", 3);
	write_file(".hidden", "hidden", 6);
	snprintf(path, sizeof(path), "%s/link", root);
	assert_int_equal(symlink("ten", path), 0);
	snprintf(path, sizeof(path), "%s/fifo", root);
	assert_int_equal(mkfifo(path, 0600), 0);
	return 0;
}

static int remove_root(void **state)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command);
}

struct row {
	const char *request;
	int status;
	const char *body; /* NULL: whatever it is */
	const char *line; /* of the head */
};

static void expect_rows(const char *conf, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct fake_host *f;
		struct response r = http_ask(&f, conf, rows[i].request);

		if (r.status != rows[i].status)
			fail_msg("%d, not %d, for %s", r.status, rows[i].status, rows[i].request);
		if (rows[i].body && (r.body_len != strlen(rows[i].body) ||
				     memcmp(r.body, rows[i].body, r.body_len)))
			fail_msg("%.*s, not %s, for %s", (int)r.body_len, r.body, rows[i].body,
				 rows[i].request);
		if (rows[i].line && !http_has(&r, rows[i].line))
			fail_msg("no %s in %.*s for %s", rows[i].line, (int)r.head_len, r.head,
				 rows[i].request);
		assert_int_equal(f->closes, 0);
		http_say(f, GET_OF("/bytes/2")); /* the connection goes on */
		assert_memory_equal(f->out + f->out_len - 2, "pi", 2);
		fake_free(f);
	}
}
#define EXPECT_ROWS(conf, rows) expect_rows(conf, rows, sizeof(rows) / sizeof((rows)[0]))

static void test_files(void **state)
{
	static const struct row rows[] = {
		{ GET_OF("/ten"), 200, "0123456789", "Content-Type: application/octet-stream" },
		{ GET_OF("/ten"), 200, "0123456789", "Accept-Ranges: bytes" },
		{ GET_OF("/"), 200, "top", "Content-Type: text/html" },
		{ GET_OF("/index.html"), 200, "top", NULL },
		{ GET_OF("/sub/"), 200, "sub", NULL },
		{ GET_OF("/sub"), 301, NULL, "Location: /sub/" },
		{ GET_OF("/sub/more/a.TXT"), 200, "deep", "Content-Type: text/plain" },
		{ GET_OF("/sub/more"), 404, "404 Not Found\n", NULL },
		{ GET_OF("/sub/more/"), 404, NULL, NULL },
		{ GET_OF("/no%20index/x"), 200, "x", NULL },
		{ GET_OF("/empty"), 200, "", "Content-Length: 0" },
		{ GET_OF("/%c3%a9%20%25.css"), 200, "css", "Content-Type: text/css" },
		{ GET_OF("/.hidden"), 404, NULL, NULL },
		{ GET_OF("/link"), 404, NULL, NULL },
		{ GET_OF("/fifo"), 404, NULL, NULL },
		{ GET_OF("/sub/../ten"), 404, NULL, NULL },
	};

	EXPECT_ROWS(config, rows);
}

static void test_ranges(void **state)
{
	static const struct row rows[] = {
		{ FIELDS("/ten", "Range: bytes=2-4\r\n"), 206, "234", "Content-Range: bytes 2-4/10" },
		{ FIELDS("/ten", "Range: bytes=9-\r\n"), 206, "9", "Content-Range: bytes 9-9/10" },
		{ FIELDS("/ten", "Range: bytes=0-99\r\n"), 206, "0123456789", "Content-Range: bytes 0-9/10" },
		{ FIELDS("/ten", "Range: bytes=-3\r\n"), 206, "789", "Content-Range: bytes 7-9/10" },
		{ FIELDS("/ten", "Range: bytes=-99\r\n"), 206, "0123456789", "Content-Range: bytes 0-9/10" },
		{ FIELDS("/ten", "Range: bytes=10-\r\n"), 416, "416 Range Not Satisfiable\n",
		  "Content-Range: bytes */10" },
		{ FIELDS("/ten", "Range: bytes=-0\r\n"), 416, NULL, "Content-Range: bytes */10" },
		{ FIELDS("/empty", "Range: bytes=0-\r\n"), 416, NULL, "Content-Range: bytes */0" },
		{ FIELDS("/empty", "Range: bytes=-1\r\n"), 416, NULL, NULL },
		{ FIELDS("/ten", "Range: bytes=4-2\r\n"), 200, "0123456789", NULL },
		{ FIELDS("/ten", "Range: bytes=0-0,5-6\r\n"), 200, "0123456789", NULL },
		{ FIELDS("/ten", "Range: bytes=1-2\r\nIf-Range: \"no\"\r\n"), 200, "0123456789", NULL },
		{ FIELDS("/", "Range: bytes=1-\r\n"), 206, "op", "Content-Type: text/html" },
		{ FIELDS("/bytes/100", "Range: bytes=5-8\r\n"), 206, "0000", "Content-Range: bytes 5-8/100" },
		{ FIELDS("/bytes/100", "Range: bytes=100-\r\n"), 416, NULL, "Content-Range: bytes */100" },
		{ FIELDS("/no", "Range: bytes=0-1\r\n"), 404, NULL, NULL },
		{ FIELDS("/status/201", "Range: bytes=0-1\r\n"), 201, "201 Created\n", NULL },
	};

	EXPECT_ROWS(config, rows);
}

/* HEAD has no ranges (RFC 9110 section 14.2), and the head of the GET. */
static void test_head(void **state)
{
	static const char *const targets[] = { "/ten", "/sub", "/no", "/bytes/70000", "/status/404" };
	struct fake_host *f, *g;
	struct response r, h;
	char get[100], head[100];

	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		snprintf(get, sizeof(get), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", targets[i]);
		snprintf(head, sizeof(head), "HEAD %s HTTP/1.1\r\nHost: a\r\n\r\n", targets[i]);
		r = http_ask(&f, config, get);
		h = http_ask(&g, config, head);
		assert_int_equal(r.head_len, h.head_len);
		assert_memory_equal(r.head, h.head, h.head_len);
		assert_int_equal(g->out_len, h.head_len);
		fake_free(f);
		fake_free(g);
	}
	r = http_ask(&f, config, "HEAD /ten HTTP/1.1\r\nHost: a\r\nRange: bytes=1-2\r\n\r\n");
	assert_int_equal(r.status, 200);
	fake_free(f);
}

static void test_conditions(void **state)
{
	static const struct {
		const char *fields; /* with the file's tag for @, its date for # */
		int status;
	} rows[] = {
		{ "If-None-Match: @\r\n", 304 }, { "If-None-Match: \"x\"\r\n", 200 },
		{ "If-Modified-Since: #\r\n", 304 },
		{ "If-Modified-Since: Sun, 06 Nov 1984 08:49:37 GMT\r\n", 200 },
		{ "If-None-Match: \"x\"\r\nIf-Modified-Since: #\r\n", 200 },
		{ "If-Match: @\r\n", 200 }, { "If-Match: \"x\"\r\n", 412 },
		{ "If-Match: @\r\nIf-None-Match: @\r\n", 304 },
		{ "If-Match: @\r\nIf-Unmodified-Since: Sun, 06 Nov 1984 08:49:37 GMT\r\n", 200 },
		{ "If-Unmodified-Since: Sun, 06 Nov 1984 08:49:37 GMT\r\n", 412 },
		{ "If-Unmodified-Since: #\r\nRange: bytes=1-1\r\n", 206 },
		{ "If-None-Match: @\r\nRange: bytes=1-1\r\n", 304 },
		{ "If-Range: @\r\nRange: bytes=1-1\r\n", 206 },
		{ "If-Range: #\r\nRange: bytes=1-1\r\n", 206 },
		{ "If-Range: \"x\"\r\nRange: bytes=1-1\r\n", 200 },
	};
	struct fake_host *f;
	struct response r = http_ask(&f, config, GET_OF("/ten"));
	char tag[40], date[40], request[300];

	strcpy(tag, http_value(&r, "ETag"));
	strcpy(date, http_value(&r, "Last-Modified"));
	fake_free(f);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = (size_t)sprintf(request, "GET /ten HTTP/1.1\r\nHost: a\r\n");

		for (const char *c = rows[i].fields; *c; c++) {
			if (*c == '@' || *c == '#')
				len += (size_t)sprintf(request + len, "%s", *c == '@' ? tag : date);
			else
				request[len++] = *c;
		}
		strcpy(request + len, "\r\n");
		r = http_ask(&f, config, request);
		if (r.status != rows[i].status)
			fail_msg("%d, not %d, for %s", r.status, rows[i].status, request);
		if (r.status == 304) {
			assert_string_equal(http_value(&r, "ETag"), tag);
			assert_null(http_value(&r, "Content-Length"));
			assert_int_equal(f->out_len, r.head_len);
		}
		fake_free(f);
	}
}

static void test_status_paths(void **state)
{
	for (int status = 200; status < 600; status++) {
		char request[100], words[100];
		struct fake_host *f;
		struct response r;

		snprintf(request, sizeof(request), GET_OF("/status/%d"), status);
		r = http_ask(&f, NULL, request);
		assert_int_equal(r.status, status);
		assert_int_equal(f->closes, 0);
		snprintf(words, sizeof(words), "%d ", status);
		if (status == 204 || status == 304)
			assert_null(http_value(&r, "Content-Length"));
		else if (status == 205)
			assert_string_equal(http_value(&r, "Content-Length"), "0");
		else
			assert_memory_equal(r.body, words, 4);
		assert_int_equal(status == 401, http_value(&r, "WWW-Authenticate") != NULL);
		assert_int_equal(status == 405, http_value(&r, "Allow") != NULL);
		assert_int_equal(status == 426, http_has(&r, "Upgrade: HTTP/1.1"));
		assert_int_equal(status == 426, http_has(&r, "Connection: upgrade"));
		assert_int_equal(status == 302, status == 302 && http_has(&r, "Location: /"));
		fake_free(f);
	}
}

static void test_uploads(void **state)
{
	static const struct row rows[] = {
		{ POST "Content-Length: 3\r\n\r\nabc", 200, "3 bytes received\n", NULL },
		{ POST "\r\n", 200, "0 bytes received\n", NULL },
		{ "PUT /x/y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "3;a=\"b\"\r\nabc\r\n0a\r\n0123456789\r\n000\r\nX: y\r\n\r\n", 200, "13 bytes received\n", NULL },
		{ "PUT /status/507 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 507, "507 \n", NULL },
		{ "PUT /bytes/9 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 200, "1 bytes received\n", NULL },
		{ FIELDS("/bytes/3", "Content-Length: 2\r\n") "xy", 200, "pie", NULL },
		{ FIELDS("/bytes/3", "Transfer-Encoding: chunked\r\n") "1\r\nx\r\n0\r\n\r\n", 200, "pie", NULL },
	};

	EXPECT_ROWS(NULL, rows);
	EXPECT_ROWS(config, rows);
}

/* Ends after the error, and what follows is not a request. */
static void expect_end(const char *conf, const char *request, int status)
{
	struct fake_host *f;
	struct response r = http_ask(&f, conf, request);

	assert_int_equal(r.status, status);
	assert_true(http_has(&r, "Connection: close"));
	assert_true(f->shut);
	http_say(f, GET);
	assert_ptr_equal(r.body + r.body_len, f->out + f->out_len);
	fake_fin(f);
	fake_run(f);
	assert_false(f->rst);
	fake_free(f);
}

static void test_limits_of_uploads(void **state)
{
	static const char chunked[] = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
	struct fake_host *f;
	char text[200];

	expect_end("max-body=10", POST "Content-Length: 11\r\n\r\n", 413);
	expect_end("max-body=10", POST "Content-Length: 11\r\nExpect: 100-continue\r\n\r\n", 413);
	snprintf(text, sizeof(text), "%s5\r\nabcde\r\n6\r\n", chunked);
	expect_end("max-body=10", text, 413);
	expect_end(NULL, POST "Expect: the-unexpected\r\n\r\n", 417);
	assert_int_equal(http_ask(&f, "max-body=10", POST "Content-Length: 10\r\n\r\n0123456789").status, 200);
	fake_free(f);
	snprintf(text, sizeof(text), "%s5\r\nabcde\r\n5\r\nabcde\r\n0\r\n\r\n", chunked);
	assert_int_equal(http_ask(&f, "max-body=10", text).status, 200);
	fake_free(f);
}

/* A delayed answer: nothing before its time, and those behind it in their order. */
static void test_delay(void **state)
{
	struct fake_host *f = fake_new(&handler_http, config);
	const char *at;

	http_say(f, GET_OF("/delay/100/ten") GET_OF("/") POST "Content-Length: 2\r\n\r\nxy");
	assert_int_equal(f->out_len, 0);
	http_say(f, GET_OF("/bytes/1"));
	fake_wait(f, 99999);
	fake_run(f);
	assert_int_equal(f->out_len, 0);
	fake_wait(f, 1);
	fake_run(f);
	at = f->out;
	assert_int_equal(http_next(&at, false).body_len, 10);
	assert_int_equal(http_next(&at, false).body_len, 3);
	assert_int_equal(http_next(&at, false).body_len, 17);
	assert_int_equal(http_next(&at, false).body_len, 1);
	assert_ptr_equal(at, f->out + f->out_len);
	assert_int_equal(f->closes, 0);
	fake_free(f);
}

/* The client has closed its side meanwhile, or wants the end: it gets the answer first. */
static void test_delay_and_end(void **state)
{
	struct fake_host *f = fake_new(&handler_http, NULL);

	http_say(f, GET_OF("/delay/100"));
	fake_fin(f);
	fake_run(f);
	assert_int_equal(f->eofs, 1);
	assert_int_equal(f->closes, 0);
	fake_wait(f, 100000);
	fake_run(f);
	assert_memory_equal(f->out, "HTTP/1.1 200", 12);
	assert_int_equal(f->closes, 1);
	assert_false(f->rst);
	fake_free(f);

	f = fake_new(&handler_http, "requests=1");
	http_say(f, GET_OF("/delay/7/status/202"));
	http_say(f, GET);
	fake_wait(f, 7000);
	fake_run(f);
	assert_memory_equal(f->out, "HTTP/1.1 202", 12);
	assert_true(f->shut && !f->rst);
	assert_int_equal(f->rx_len, 0);
	fake_free(f);

	f = fake_new(&handler_http, NULL); /* ends while it waits */
	http_say(f, GET_OF("/delay/100"));
	fake_free(f);
}

/* Five gigabytes: in pieces of a page that lies there once, never more than there is room for. */
static void test_bytes_without_memory(void **state)
{
	struct fake_host *f = fake_new_limited(&handler_http, NULL, 1 << 20, 1460);
	const uint64_t len = 5ull << 30;
	uint64_t total = 0;
	char *head_end;

	http_say(f, "");
	fake_input(f, GET_OF("/bytes/5368709120"), strlen(GET_OF("/bytes/5368709120")));
	fake_turn(f);
	head_end = strstr(f->out, "\r\n\r\n");
	assert_non_null(head_end);
	assert_non_null(strstr(f->out, "Content-Length: 5368709120\r\n"));
	total = f->out_len - (size_t)(head_end + 4 - f->out);
	do {
		for (size_t i = 0; i < f->runs_n; i++)
			assert_memory_equal(f->runs[i].data, f->out + f->runs[i].at, f->runs[i].len);
		f->runs_n = f->out_len = 0;
		fake_turn(f);
		total += f->out_len;
		assert_true(f->queued <= f->capacity);
	} while (f->out_len || f->queued);
	assert_true(total == len);
	fake_free(f);
}

/* Every byte of a part over the edge of the page, whatever room there is. */
static void test_bytes_pattern(void **state)
{
	struct fake_host *whole, *f;
	struct response r = http_ask(&whole, NULL, GET_OF("/bytes/200000")), p;
	const char *at;

	assert_int_equal(r.body_len, 200000);
	assert_memory_equal(r.body, "pier 0000 ", 10);
	assert_memory_equal(r.body + 65536 - 64, "pier 1023 ", 10);
	assert_memory_equal(r.body, r.body + 65536, 65536);
	for (size_t cap = 1; cap < 100000; cap = cap * 3 + 1) {
		f = fake_new_limited(&handler_http, NULL, cap, 1460);
		http_say(f, FIELDS("/bytes/200000", "Range: bytes=65000-140000\r\n"));
		at = f->out;
		p = http_next(&at, false);
		assert_int_equal(p.body_len, 75001);
		assert_memory_equal(p.body, r.body + 65000, 75001);
		assert_ptr_equal(at, f->out + f->out_len);
		fake_free(f);
	}
	fake_free(whole);
}

static void expect_setup_error(const char *conf, const char *words)
{
	void *settings = fake_settings(&handler_http, conf);
	char err[300] = "";

	assert_false(handler_http.setup(settings, err, sizeof(err)));
	if (!strstr(err, words))
		fail_msg("\"%s\" does not say \"%s\"", err, words);
	fake_settings_free(&handler_http, settings);
}

static void test_setup_errors(void **state)
{
	static char big[8192];
	char conf[200];

	expect_setup_error("root=/nonexistent/pier", "/nonexistent/pier: No such file");
	expect_setup_error("root=/etc/passwd", "Not a directory");
	snprintf(conf, sizeof(conf), "%s\nfile=/etc/passwd", config);
	expect_setup_error(conf, "root and file");
	write_file("sub/more/big", big, sizeof(big));
	snprintf(conf, sizeof(conf), "root=%s\nroot-memory=4k", root);
	expect_setup_error(conf, "root-memory");
	expect_setup_error(conf, "sub/more/big");
}

static void take_stat(void *arg, const char *name, uint64_t value)
{
	char *text = arg;

	sprintf(text + strlen(text), "%s %llu\n", name, (unsigned long long)value);
}

/* A name for each thing that is not served; what was read stays when the files go. */
static void test_stats_and_snapshot(void **state)
{
	struct fake_host *f = fake_new(&handler_http, config);
	char path[300], text[300] = "";
	const char *at;

	handler_http.stats(f->settings, take_stat, text);
	assert_non_null(strstr(text, "files_skipped 3\n"));
	snprintf(path, sizeof(path), "%s/ten", root);
	assert_int_equal(truncate(path, 0), 0);
	http_say(f, GET_OF("/ten"));
	at = f->out;
	assert_memory_equal(http_next(&at, false).body, "0123456789", 10);
	fake_free(f);
	write_file("ten", "9876543210", 10);
	f = fake_new(&handler_http, config); /* as a reload does */
	http_say(f, GET_OF("/ten"));
	at = f->out;
	assert_memory_equal(http_next(&at, false).body, "9876543210", 10);
	fake_free(f);
}

/* A file as the one response has ranges and conditions, too. */
static void test_file_option(void **state)
{
	char conf[100];
	const struct row rows[] = {
		{ GET_OF("/any"), 200, "top", "Accept-Ranges: bytes" },
		{ FIELDS("/", "Range: bytes=1-1\r\n"), 206, "o", "Content-Range: bytes 1-1/3" },
		{ FIELDS("/", "If-Match: \"x\"\r\n"), 412, NULL, NULL },
		{ FIELDS("/", "If-None-Match: *\r\n"), 304, NULL, NULL },
	};

	snprintf(conf, sizeof(conf), "file=%s/index.html", root);
	EXPECT_ROWS(conf, rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_status_paths),
		cmocka_unit_test(test_uploads),
		cmocka_unit_test(test_limits_of_uploads),
		cmocka_unit_test(test_delay),
		cmocka_unit_test(test_delay_and_end),
		cmocka_unit_test(test_bytes_without_memory),
		cmocka_unit_test(test_bytes_pattern),
		cmocka_unit_test(test_file_option),
		cmocka_unit_test(test_stats_and_snapshot),
		cmocka_unit_test(test_setup_errors),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
