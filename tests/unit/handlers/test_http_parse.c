/*
 * The HTTP request parser: what is accepted, what is refused and how, whatever the split.
 *
 * A stream's outcome is written as a string: a request is its method (G, H, O for other), minor
 * version and k (keep) or c (close); C is a wait for 100; !400 an error, which ends the stream.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "handlers/http_parse.h"

#define MAX_HEAD 200
#define HOST     "Host: a\r\n"

struct run {
	struct http_parser p;
	struct http_query q;
	char *text;
	size_t len;
};

/* Feed a copy of exact size, so that ASan sees an overrun. */
static void feed(struct run *r, const char *data, size_t len, uint32_t max_head)
{
	const struct http_rules rules = { .max_head = max_head };
	char *copy = malloc(len ? len : 1);
	enum http_event event;
	size_t at = 0;

	memcpy(copy, data, len);
	do {
		at += http_parse(&r->p, &r->q, &rules, copy + at, len - at, &event);
		assert_true(at <= len);
		assert_true(event != HTTP_MORE || at == len);
		if (event == HTTP_REQUEST)
			r->len += (size_t)sprintf(r->text + r->len, "%c%u%c",
						  "OGHPU"[r->p.method], r->p.minor,
						  http_keeps(&r->p) ? 'k' : 'c');
		else if (event == HTTP_CONTINUE)
			r->len += (size_t)sprintf(r->text + r->len, "C");
	} while (at < len && event != HTTP_ERROR);
	free(copy);
}

static void end(struct run *r)
{
	if (r->p.status)
		sprintf(r->text + r->len, "!%u", r->p.status);
}

/* Whole, byte by byte, and in two pieces at every place: the outcome is the same. */
static void expect_max(const char *data, size_t len, const char *want, uint32_t max_head)
{
	for (size_t cut = 0; cut <= len + 1; cut++) {
		char text[400] = "";
		struct run r = { .text = text };

		if (cut == len + 1) {
			for (size_t i = 0; i < len; i++)
				feed(&r, data + i, 1, max_head);
		} else {
			feed(&r, data, cut, max_head);
			feed(&r, data + cut, len - cut, max_head);
		}
		end(&r);
		if (strcmp(text, want))
			fail_msg("cut at %zu: %s, not %s, of <<%s>>", cut, text, want, data);
	}
}

struct row {
	const char *in, *want;
};

static void expect_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		expect_max(rows[i].in, strlen(rows[i].in), rows[i].want, MAX_HEAD);
}
#define EXPECT_ROWS(rows) expect_rows(rows, sizeof(rows) / sizeof((rows)[0]))

static void test_request_line(void **state)
{
	static const struct row rows[] = {
		{ "GET / HTTP/1.1\r\n" HOST "\r\n", "G1k" },
		{ "HEAD /a?b=c&d HTTP/1.1\r\n" HOST "\r\n", "H1k" },
		{ "GET / HTTP/1.0\r\n\r\n", "G0c" },
		{ "GET / HTTP/1.9\r\n" HOST "\r\n", "G9k" },
		{ "\r\n\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", "G1k" },
		{ "GET / HTTP/1.1\nHost: a\n\n", "G1k" },
		{ "get / HTTP/1.1\r\n" HOST "\r\n", "O1k" },
		{ "GE / HTTP/1.1\r\n" HOST "\r\n", "O1k" },
		{ "GETS / HTTP/1.1\r\n" HOST "\r\n", "O1k" },
		{ "G / HTTP/1.1\r\n" HOST "\r\n", "O1k" },
		{ "HEADER / HTTP/1.1\r\n" HOST "\r\n", "O1k" },
		{ "POST / HTTP/1.1\r\n" HOST "\r\n", "P1k" },
		{ "PUT / HTTP/1.1\r\n" HOST "\r\n", "U1k" },
		{ "PUTS / HTTP/1.1\r\n" HOST "\r\n", "O1k" },
		{ "PATCH / HTTP/1.1\r\n" HOST "\r\n", "O1k" },
		{ "POT / HTTP/1.1\r\n" HOST "\r\n", "O1k" },
		{ "PU / HTTP/1.1\r\n" HOST "\r\n", "O1k" },
		{ "M-SEARCH * HTTP/1.1\r\n" HOST "\r\n", "O1k" },
		{ "GET / HTTP/2.0\r\n", "!505" },
		{ "GET / HTTP/0.9\r\n", "!505" },
		{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "!505" },
		{ "GET /\r\n", "!400" },
		{ "GET\r\n", "!400" },
		{ "GET  / HTTP/1.1\r\n", "!400" },
		{ "GET /  HTTP/1.1\r\n", "!400" },
		{ "GET / HTTP/1.1 \r\n", "!400" },
		{ "GET / HTTP/11\r\n", "!400" },
		{ "GET / HTTP/1.10\r\n", "!400" },
		{ "GET / HTTP/1.x\r\n", "!400" },
		{ "GET / http/1.1\r\n", "!400" },
		{ "GET / HTTP/1.1\rX", "!400" },
		{ "\rX", "!400" },
		{ " GET / HTTP/1.1\r\n", "!400" },
		{ "GET\t/ HTTP/1.1\r\n", "!400" },
		{ "GET /\x01 HTTP/1.1\r\n", "!400" },
		{ "GET /\x7f HTTP/1.1\r\n", "!400" },
		{ "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", "G1k" },
		{ "G{T / HTTP/1.1\r\n", "!400" },
		{ "\x16\x03\x01\x02", "!400" }, /* TLS */
		{ "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1\r\n" HOST "\r\n", "O1k" },
		{ "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG", "!501" },
		{ "", "" },
		{ "GET / HTTP/1.1\r\n" HOST, "" },
	};

	EXPECT_ROWS(rows);
	expect_max("GET /\0 HTTP/1.1\r\n", 17, "!400", MAX_HEAD);
}

static void test_targets(void **state)
{
	static const struct row rows[] = {
		{ "GET http://a/ HTTP/1.1\r\n" HOST "\r\n", "G1k" },
		{ "GET http://a HTTP/1.1\r\n" HOST "\r\n", "G1k" },
		{ "GET HTTPS://[::1]:8/x HTTP/1.1\r\n" HOST "\r\n", "G1k" },
		{ "GET x+y.z-1://a HTTP/1.1\r\n" HOST "\r\n", "G1k" },
		{ "GET http:///x HTTP/1.1\r\n" HOST "\r\n", "!400" },
		{ "GET http:// HTTP/1.1\r\n" HOST "\r\n", "!400" },
		{ "GET http:/a HTTP/1.1\r\n" HOST "\r\n", "!400" },
		{ "GET http:a HTTP/1.1\r\n" HOST "\r\n", "!400" },
		{ "GET http HTTP/1.1\r\n" HOST "\r\n", "!400" },
		{ "GET a:80 HTTP/1.1\r\n" HOST "\r\n", "!400" },
		{ "GET 1http://a HTTP/1.1\r\n" HOST "\r\n", "!400" },
		{ "GET ?x HTTP/1.1\r\n" HOST "\r\n", "!400" },
		{ "GET * HTTP/1.1\r\n" HOST "\r\n", "!400" },
		{ "HEAD * HTTP/1.1\r\n" HOST "\r\n", "!400" },
		{ "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "O1k" },
		{ "OPTIONS \x7f HTTP/1.1\r\n" HOST "\r\n", "!400" },
		{ "OPTIONS *x HTTP/1.1\r\n" HOST "\r\n", "O1k" },
		{ "CONNECT a:443 HTTP/1.1\r\n" HOST "\r\n", "O1k" },
	};

	EXPECT_ROWS(rows);
}

static void test_fields(void **state)
{
	static const struct row rows[] = {
		{ "GET / HTTP/1.1\r\n\r\n", "!400" }, /* no Host */
		{ "GET / HTTP/1.1\r\n" HOST HOST "\r\n", "!400" },
		{ "GET / HTTP/1.0\r\n" HOST HOST "\r\n", "!400" },
		{ "GET / HTTP/1.1\r\nHost:\r\n\r\n", "G1k" },
		{ "GET / HTTP/1.1\r\nhOsT:\t[2001:db8::1%25e]:80 \t\r\n\r\n", "G1k" },
		{ "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "!400" },
		{ "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "!400" },
		{ "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "!400" },
		{ "GET / HTTP/1.1\r\nHosts: a\r\n\r\n", "!400" }, /* not Host */
		{ "GET / HTTP/1.1\r\nHos: a\r\n\r\n", "!400" },
		{ "GET / HTTP/1.1\r\nXHost: a\r\n\r\n", "!400" },
		{ "GET / HTTP/1.1\r\n" HOST "X-long-one: a,b c\t\"d\" \xff e=f;g\r\n\r\n", "G1k" },
		{ "GET / HTTP/1.1\r\n" HOST "X:\r\nY:  \r\n\r\n", "G1k" },
		{ "GET / HTTP/1.1\r\n" HOST "X : a\r\n\r\n", "!400" },
		{ "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "!400" },
		{ "GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", "!400" }, /* folded */
		{ "GET / HTTP/1.1\r\n" HOST "X: a\n\tb\r\n\r\n", "!400" },
		{ "GET / HTTP/1.1\r\n" HOST " X: a\r\n\r\n", "!400" },
		{ "GET / HTTP/1.1\r\n" HOST ": a\r\n\r\n", "!400" },
		{ "GET / HTTP/1.1\r\n" HOST "X\r\n\r\n", "!400" },
		{ "GET / HTTP/1.1\r\n" HOST "X(y): a\r\n\r\n", "!400" },
		{ "GET / HTTP/1.1\r\n" HOST "X: a\x01\r\n\r\n", "!400" },
		{ "GET / HTTP/1.1\r\n" HOST "X: 12345678\x7f\r\n\r\n", "!400" },
		{ "GET / HTTP/1.1\r\n" HOST "X: 1234\x7f" "5678901234567890\r\n\r\n", "!400" },
		{ "GET / HTTP/1.1\r\n" HOST "X: a\rY: b\r\n\r\n", "!400" },
		{ "GET / HTTP/1.1\r\n" HOST "\rX", "!400" },
		{ "GET / HTTP/1.1\r\n" HOST "Connection: close\x0b\r\n\r\n", "!400" },
		{ "GET / HTTP/1.1\r\nHost: a\x0b\r\n\r\n", "!400" },
	};

	EXPECT_ROWS(rows);
	expect_max("GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n", 35, "!400", MAX_HEAD);
}

static void test_connection(void **state)
{
	static const struct row rows[] = {
		{ "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", "G1c" },
		{ "GET / HTTP/1.1\r\n" HOST "connection:CLOSE \r\n\r\n", "G1c" },
		{ "GET / HTTP/1.1\r\n" HOST "Connection: x, close\t,, y\r\n\r\n", "G1c" },
		{ "GET / HTTP/1.1\r\n" HOST "Connection: closed\r\n\r\n", "G1k" },
		{ "GET / HTTP/1.1\r\n" HOST "Connection: clos\r\n\r\n", "G1k" },
		{ "GET / HTTP/1.1\r\n" HOST "Connection: xclose\r\n\r\n", "G1k" },
		{ "GET / HTTP/1.1\r\n" HOST "Connection: close x\r\n\r\n", "G1k" },
		{ "GET / HTTP/1.1\r\n" HOST "Connection: clo se\r\n\r\n", "G1k" },
		{ "GET / HTTP/1.1\r\n" HOST "Connections: close\r\n\r\n", "G1k" },
		{ "GET / HTTP/1.1\r\n" HOST "X-Connection: close\r\n\r\n", "G1k" },
		{ "GET / HTTP/1.1\r\n" HOST "Connection: keep-alive\r\n\r\n", "G1k" },
		{ "GET / HTTP/1.1\r\n" HOST "Connection: a\r\nConnection: close\r\n\r\n", "G1c" },
		{ "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "G0k" },
		{ "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", "G0c" },
		{ "GET / HTTP/1.0\r\nConnection: keep\r\n\r\n", "G0c" },
	};

	EXPECT_ROWS(rows);
}

#define POST    "POST / HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define NEXT    "GET / HTTP/1.0\r\n\r\n"

static void test_content_length(void **state)
{
	static const struct row rows[] = {
		{ POST "Content-Length: 5\r\n\r\nhello" NEXT, "P1kG0c" },
		{ POST "content-LENGTH:\t05 \r\n\r\nGET /" NEXT, "P1kG0c" },
		{ POST "Content-Length: 0\r\n\r\n" NEXT, "P1kG0c" },
		{ POST "Content-Length: 6\r\n\r\nhello", "" },
		{ "GET / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nab" NEXT, "G1kG0c" },
		{ POST "Content-Length: \r\n\r\n", "!400" },
		{ POST "Content-Length: +5\r\n\r\n", "!400" },
		{ POST "Content-Length: -5\r\n\r\n", "!400" },
		{ POST "Content-Length: 5 5\r\n\r\n", "!400" },
		{ POST "Content-Length: 5, 5\r\n\r\n", "!400" },
		{ POST "Content-Length: 5x\r\n\r\n", "!400" },
		{ POST "Content-Length: 0x5\r\n\r\n", "!400" },
		{ POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", "!400" },
		{ POST "Content-Length: 9223372036854775799\r\n\r\n", "" },
		{ POST "Content-Length: 9223372036854775800\r\n\r\n", "!400" },
		{ POST "Content-Length: 18446744073709551621\r\n\r\n", "!400" },
		{ POST "Content-Lengt: 5\r\n\r\n" NEXT, "P1kG0c" },
		{ POST "Content-Lengthy: 5\r\n\r\n" NEXT, "P1kG0c" },
		{ POST "Content-Type: 5\r\n\r\n" NEXT, "P1kG0c" },
	};

	EXPECT_ROWS(rows);
}

static void test_transfer_encoding(void **state)
{
	static const struct row rows[] = {
		{ POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", "!400" },
		{ POST "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", "!400" },
		{ "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "!400" },
		{ POST "Transfer-Encoding: gzip, chunked\r\n\r\n", "!501" },
		{ POST "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", "!501" },
		{ POST "Transfer-Encoding: gzip\r\n\r\n", "!400" },
		{ POST "Transfer-Encoding: chunked, gzip\r\n\r\n", "!400" },
		{ POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n", "!400" },
		{ POST "Transfer-Encoding: chunked, chunked\r\n\r\n", "!400" },
		{ POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "!400" },
		{ POST "Transfer-Encoding: identity\r\n\r\n", "!400" },
		{ POST "Transfer-Encoding: xchunked\r\n\r\n", "!400" },
		{ POST "Transfer-Encoding: chunked x\r\n\r\n", "!400" },
		{ POST "Transfer-Encoding: chun ked\r\n\r\n", "!400" },
		{ POST "Transfer-Encoding: chunkedx\r\n\r\n", "!400" },
		{ POST "Transfer-Encoding: chunk\r\n\r\n", "!400" },
		{ POST "Transfer-Encoding: chunked;a=b\r\n\r\n", "!400" },
		{ POST "Transfer-Encoding: x;a=\", chunked\"\r\n\r\n", "!400" },
		{ POST "Transfer-Encoding:\r\n\r\n", "!400" },
		{ POST "Transfer-Encoding: \x0b" "chunked\r\n\r\n", "!400" },
		{ POST "Transfer-Encoding : chunked\r\n\r\n", "!400" },
		{ POST "transfer-encoding:CHUNKED\t\r\n\r\n0\r\n\r\n" NEXT, "P1kG0c" },
		{ POST "Transfer-Encoding: , chunked,\r\n\r\n0\r\n\r\n" NEXT, "P1kG0c" },
		{ POST "Transfer-Encodings: chunked\r\n\r\n" NEXT, "P1kG0c" },
	};

	EXPECT_ROWS(rows);
}

static void test_chunks(void **state)
{
	static const struct row rows[] = {
		{ CHUNKED "0\r\n\r\n" NEXT, "P1kG0c" },
		{ CHUNKED "5\r\nhello\r\n0\r\n\r\n" NEXT, "P1kG0c" },
		{ CHUNKED "1\r\na\r\n01\r\nb\r\n000\r\n\r\n" NEXT, "P1kG0c" },
		{ CHUNKED "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n" NEXT, "P1kG0c" },
		{ CHUNKED "5;x=y;z=\"q\tr\"\r\nhello\r\n0 ;a\r\n\r\n" NEXT, "P1kG0c" },
		{ CHUNKED "0\r\nX-Sum: a b\r\nContent-Length: 9\r\nHost: b\r\n\r\n" NEXT, "P1kG0c" },
		{ CHUNKED "0\r\nConnection: close\n\n" NEXT, "P1kG0c" },
		{ CHUNKED "0\r\nTransfer-Encoding: gzip\r\n\r\n" NEXT, "P1kG0c" },
		{ CHUNKED "\r\n", "!400" },
		{ CHUNKED "g\r\n", "!400" },
		{ CHUNKED "-1\r\n", "!400" },
		{ CHUNKED "0x5\r\n", "!400" },
		{ CHUNKED "5 \r\n", "!400" },
		{ CHUNKED " 5\r\n", "!400" },
		{ CHUNKED "5\nhello", "!400" },
		{ CHUNKED "5\rhello", "!400" },
		{ CHUNKED "5;a\nhello", "!400" },
		{ CHUNKED "5;a\x01", "!400" },
		{ CHUNKED "5 a", "!400" },
		{ CHUNKED "5\r\nhelloo\r\n", "!400" },
		{ CHUNKED "5\r\nhello\n0\r\n\r\n", "!400" },
		{ CHUNKED "5\r\nhello\rx", "!400" },
		{ CHUNKED "0\r\n X: a\r\n\r\n", "!400" },
		{ CHUNKED "0\r\nX : a\r\n\r\n", "!400" },
		{ CHUNKED "0\r\nX: a\r\n b\r\n\r\n", "!400" },
		{ CHUNKED "fffffffffffffff\r\n", "" },
		{ CHUNKED "ffffffffffffffff\r\n", "!400" },
		{ CHUNKED "10000000000000005\r\n", "!400" },
	};

	EXPECT_ROWS(rows);
}

#define EXPECT_100 "Expect: 100-continue\r\n"

static void test_expect(void **state)
{
	static const struct row rows[] = {
		{ POST EXPECT_100 "Content-Length: 2\r\n\r\nab" NEXT, "CP1kG0c" },
		{ POST EXPECT_100 "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "CP1k" },
		{ POST "expect:\t100-Continue \r\nContent-Length: 2\r\n\r\n", "C" },
		{ POST EXPECT_100 "\r\n" NEXT, "P1kG0c" }, /* no body to wait with */
		{ POST EXPECT_100 "Content-Length: 0\r\n\r\n" NEXT, "P1kG0c" },
		{ "POST / HTTP/1.0\r\n" EXPECT_100 "Content-Length: 2\r\n\r\nab", "P0c" },
		{ POST "Expect: 100-continued\r\nContent-Length: 2\r\n\r\nab", "!417" },
		{ POST "Expect: 200-ok\r\nContent-Length: 2\r\n\r\nab", "!417" },
		{ POST "Expect: 100-continue, more\r\nContent-Length: 2\r\n\r\nab", "!417" },
		{ "POST / HTTP/1.0\r\nExpect: 200-ok\r\n\r\n", "P0c" },
	};

	EXPECT_ROWS(rows);
}

static void test_pipeline(void **state)
{
	expect_max("GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n" POST
		   "Content-Length: 3\r\n\r\nabcHEAD / HTTP/1.1\nHost: b\n\n\r\nGET / HTTP/1.0\r\n\r\n"
		   "nonsense\r\nGET / HTTP/1.0\r\n\r\n",
		   strlen("GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n" POST
			  "Content-Length: 3\r\n\r\nabcHEAD / HTTP/1.1\nHost: b\n\n\r\n"
			  "GET / HTTP/1.0\r\n\r\nnonsense\r\nGET / HTTP/1.0\r\n\r\n"),
		   "G1cP1kH1kG0c!400", MAX_HEAD);
}

/* The limit is exact: a head of that size passes, one byte more does not. */
static void test_limits(void **state)
{
	static const struct {
		const char *before, *after, *status;
	} rows[] = {
		{ "GET /", " HTTP/1.1\r\n" HOST "\r\n", "!414" },
		{ "GET / HTTP/1.1\r\n" HOST "X: ", "\r\n\r\n", "!431" },
		{ "GET / HTTP/1.1\r\n" HOST "X", ": y\r\n\r\n", "!431" },
		{ "GET / HTTP/1.1\r\n" HOST "Connection: ", "\r\n\r\n", "!431" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t size = 99; size <= 300; size += size < 101 ? 1 : 199) {
			size_t fill = size - strlen(rows[i].before) - strlen(rows[i].after);
			char in[400];

			strcpy(in, rows[i].before);
			memset(in + strlen(in), 'x', fill);
			strcpy(in + strlen(rows[i].before) + fill, rows[i].after);
			expect_max(in, size, size <= 100 ? "G1k" : size == 101 ? "!431" :
				   rows[i].status, 100);
		}
	}
}

static void test_limits_of_chunks(void **state)
{
	char in[600] = CHUNKED "5;";
	size_t len = strlen(in);

	memset(in + len, 'x', 200);
	expect_max(in, len + 200, "!400", MAX_HEAD);
	strcpy(in, CHUNKED "0\r\nX: ");
	len = strlen(in);
	memset(in + len, 'x', 200);
	expect_max(in, len + 200, "!431", MAX_HEAD);
	strcpy(in, CHUNKED);
	while (strlen(in) < 3 * MAX_HEAD - 50) /* each by itself is short */
		strcat(in, "1;x\r\na\r\n");
	strcat(in, "0\r\n\r\n");
	expect_max(in, strlen(in), "P1k", MAX_HEAD);
	memset(in, '\n', 201);
	expect_max(in, 201, "!400", MAX_HEAD);
}

/* An error is final. */
static void test_error_stays(void **state)
{
	const struct http_rules rules = { .max_head = 100 };
	struct http_parser p = { 0 };
	struct http_query q = { 0 };
	enum http_event event;

	assert_int_equal(http_parse(&p, &q, &rules, "GET /\r", 6, &event), 5);
	assert_int_equal(event, HTTP_ERROR);
	assert_int_equal(http_parse(&p, &q, &rules, NEXT, strlen(NEXT), &event), 0);
	assert_int_equal(event, HTTP_ERROR);
	assert_int_equal(p.status, 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request_line),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_connection),
		cmocka_unit_test(test_content_length),
		cmocka_unit_test(test_transfer_encoding),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_expect),
		cmocka_unit_test(test_pipeline),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_limits_of_chunks),
		cmocka_unit_test(test_error_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
