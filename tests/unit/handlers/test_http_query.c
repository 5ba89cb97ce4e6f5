/*
 * What a request asks for: targets, ranges, conditions, whatever the split.
 *
 * An outcome is written as a string: the path found and its kind, or what else the target is; r and the
 * range as it was read; m n a b for If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since and
 * i for If-Range, + or - for whether it holds; d and the delay; !400 for a request that is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "handlers/http_parse.h"

static const struct http_validators valid = {
	.etag = "abcd", .etag_len = 4, .modified = "Sun, 06 Nov 1994 08:49:37 GMT",
	.mtime = 784111777,
};
#define KEY(p, k) { .path = p, .len = sizeof(p) - 1, .kind = k, .valid = &valid }
static struct http_key keys[] = {
	KEY("", HTTP_FILE), KEY("d", HTTP_MOVED), KEY("d/", HTTP_FILE), KEY("d/index.html", HTTP_FILE),
	KEY("a", HTTP_FILE), KEY("ab", HTTP_FILE), KEY("abc", HTTP_FILE), KEY("b/c/d", HTTP_FILE),
	KEY("h\xc3\xa9", HTTP_FILE), KEY("s p", HTTP_FILE), KEY("100%", HTTP_FILE),
	KEY("bytes/", HTTP_BYTES), KEY("status/", HTTP_STATUS), KEY("delay/", HTTP_DELAY),
	KEY("bytes/5", HTTP_FILE), KEY("status", HTTP_FILE), KEY("delay/", HTTP_FILE),
};
static struct http_site site = { keys, sizeof(keys) / sizeof(keys[0]), true, NULL };

static int sort_keys(void **state)
{
	qsort(keys, site.n, sizeof(keys[0]), http_key_order);
	return 0;
}

static void describe(const struct http_parser *p, const struct http_query *q, char *to)
{
	static const char names[HTTP_CONDITIONS] = { 'r', 'i', 'm', 'n', 'a', 'b' };

	*to = 0;
	if (!(p->flags & HTTP_HAS_QUERY)) {
		strcpy(to, "plain");
		return;
	}
	switch ((enum http_what)q->what) {
	case HTTP_PLAIN: to += sprintf(to, "plain"); break;
	case HTTP_FILE: to += sprintf(to, "/%s", site.keys[q->lo].path); break;
	case HTTP_MOVED: to += sprintf(to, ">%s", site.keys[q->lo].path); break;
	case HTTP_NONE: to += sprintf(to, "none"); break;
	case HTTP_BYTES: to += sprintf(to, "bytes %llu", (unsigned long long)q->number); break;
	case HTTP_STATUS: to += sprintf(to, "status %llu", (unsigned long long)q->number); break;
	case HTTP_DELAY: to += sprintf(to, "delay?"); break;
	}
	if (q->delay)
		to += sprintf(to, " d%u", q->delay);
	if (http_holds(q, HTTP_RANGE))
		to += sprintf(to, q->suffix ? " r-%llu" : q->last == UINT64_MAX ? " r%llu-" : " r%llu-%llu",
			      (unsigned long long)q->first, (unsigned long long)q->last);
	for (int i = HTTP_IF_RANGE; i < HTTP_CONDITIONS; i++) {
		if (http_saw(q, (enum http_condition)i))
			to += sprintf(to, " %c%c", names[i], http_holds(q, (enum http_condition)i) ? '+' : '-');
	}
}

/* In two pieces at every place, each of exact size, so that ASan sees an overrun. */
static void expect(const char *in, size_t len, const char *want)
{
	const struct http_rules rules = { .max_head = 4000, .site = &site };

	for (size_t cut = 0; cut <= len; cut++) {
		struct http_parser p = { 0 };
		struct http_query q = { 0 };
		enum http_event event = HTTP_MORE;
		char *one = malloc(cut + 1), *two = malloc(len - cut + 1), got[200] = "";

		one = realloc(one, cut ? cut : 1);
		two = realloc(two, len > cut ? len - cut : 1);
		memcpy(one, in, cut);
		memcpy(two, in + cut, len - cut);
		http_parse(&p, &q, &rules, one, cut, &event);
		if (event == HTTP_MORE)
			http_parse(&p, &q, &rules, two, len - cut, &event);
		if (event == HTTP_ERROR)
			sprintf(got, "!%u", p.status);
		else if (event == HTTP_REQUEST)
			describe(&p, &q, got);
		if (strcmp(got, want))
			fail_msg("cut at %zu: %s, not %s, of <<%s>>", cut, got, want, in);
		free(one);
		free(two);
	}
}

static void expect_target(const char *target, const char *want)
{
	char in[300];
	int len = snprintf(in, sizeof(in), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", target);

	expect(in, (size_t)len, want);
}

static void expect_field(const char *field, const char *want)
{
	char in[300];
	int len = snprintf(in, sizeof(in), "GET /a HTTP/1.1\r\n%s\r\nHost: a\r\n\r\n", field);

	expect(in, (size_t)len, want);
}

static void test_paths(void **state)
{
	static const char *const rows[][2] = {
		{ "/", "/" }, { "/?q", "/" }, { "/a", "/a" }, { "/ab", "/ab" }, { "/abc", "/abc" },
		{ "/abcd", "none" }, { "/b", "none" }, { "/b/c/d", "/b/c/d" }, { "/b/c/", "none" },
		{ "/d", ">d" }, { "/d/", "/d/" }, { "/d/index.html", "/d/index.html" }, { "/d/?x", "/d/" },
		{ "/a?b=/c%", "/a" }, { "/a#b", "none" }, { "/A", "none" },
		{ "http://host:1/ab?x", "/ab" }, { "http://host", "/" }, { "http://host?/a", "/" },
		{ "http://host/", "/" }, { "HTTP://[::1]/b/c/d", "/b/c/d" },
		{ "/%61%62", "/ab" }, { "/h%C3%a9", "/h\xc3\xa9" }, { "/h\xc3\xa9", "/h\xc3\xa9" },
		{ "/s%20p", "/s p" }, { "/100%25", "/100%" }, { "/s+p", "none" },
		{ "/%3f", "none" }, { "/a%3Fb", "none" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_target(rows[i][0], rows[i][1]);
}

/* There is no way to what is not in the list. */
static void test_no_way_out(void **state)
{
	static const char *const rows[][2] = {
		{ "/../a", "none" }, { "/b/../a", "none" }, { "/./a", "none" }, { "/b/./c/d", "none" },
		{ "//a", "none" }, { "/b//c/d", "none" }, { "/b%2fc/d", "none" }, { "/b%2Fc%2fd", "none" },
		{ "/%2e%2e/a", "none" }, { "/..%2fa", "none" }, { "/.%2e", "none" }, { "/a/", "none" },
		{ "/\\a", "none" }, { "/a%00", "!400" }, { "/%00", "!400" }, { "/a%0", "!400" },
		{ "/a%", "!400" }, { "/%zz", "!400" }, { "/%4g?", "!400" }, { "/a%?", "!400" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_target(rows[i][0], rows[i][1]);
}

static void test_tester_paths(void **state)
{
	static const char *const rows[][2] = {
		{ "/bytes/0", "bytes 0" }, { "/bytes/5", "bytes 5" }, { "/bytes/12345?x=7", "bytes 12345" },
		{ "/b%79tes/7", "bytes 7" }, { "/bytes/1000000000000000", "bytes 1000000000000000" },
		{ "/bytes/99999999999999999999", "none" }, { "/bytes/", "none" }, { "/bytes", "none" },
		{ "/bytes/5x", "none" }, { "/bytes/-1", "none" }, { "/bytes/5/", "none" },
		{ "/bytes/5/6", "none" }, { "/bytes/%35", "none" }, { "/bytes/?5", "none" },
		{ "/status/200", "status 200" }, { "/status/599", "status 599" }, { "/status/199", "none" },
		{ "/status/600", "none" }, { "/status/0", "none" }, { "/status/", "none" },
		{ "/status", "/status" },
		{ "/delay/5", "/ d5" }, { "/delay/5?6", "/ d5" }, { "/delay/0/a", "/a" },
		{ "/delay/250/a", "/a d250" }, { "/delay/1/", "/ d1" },
		{ "/delay/7/bytes/9", "bytes 9 d7" }, { "/delay/7/status/503", "status 503 d7" },
		{ "/delay/1/delay/2/ab", "/ab d3" }, { "/delay/3600000/d", ">d d3600000" },
		{ "/delay/3600001/d", "none" }, { "/delay/3600000/delay/1", "none d3600000" },
		{ "/delay/", "none" }, { "/delay//a", "none" }, { "/delay/x", "none" },
		{ "/delay/4/nothing", "none d4" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_target(rows[i][0], rows[i][1]);
}

/* Where there is no directory, every other target is the one response, strange ones too. */
static void test_not_only(void **state)
{
	static const char *const rows[][2] = {
		{ "/nothing", "plain" }, { "/..", "plain" }, { "/%zz", "plain" }, { "/a%00", "plain" },
		{ "/bytes/3", "bytes 3" }, { "/bytes/x", "none" }, { "/delay/4/x", "plain d4" },
	};

	site.only = false;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_target(rows[i][0], rows[i][1]);
	site.only = true;
}

static void test_ranges(void **state)
{
	static const char *const rows[][2] = {
		{ "Range: bytes=0-0", "/a r0-0" }, { "range:BYTES=10-99", "/a r10-99" },
		{ "Range: bytes=5-", "/a r5-" }, { "Range: bytes=-7", "/a r-7" },
		{ "Range: \tbytes= 1-2 \t", "/a r1-2" }, { "Range: bytes=-0", "/a r-0" },
		{ "Range: bytes=3- ", "/a r3-" },
		{ "Range: bytes=99999999999999999999-", "/a r18446744073709551615-" },
		{ "Range: bytes=5-99999999999999999999", "/a r5-" },
		{ "Range: bytes=5-4", "/a" }, { "Range: bytes=", "/a" }, { "Range: bytes", "/a" },
		{ "Range:", "/a" }, { "Range: bytes=-", "/a" }, { "Range: bytes=- 5", "/a" },
		{ "Range: bytes=a-b", "/a" }, { "Range: bytes=1", "/a" }, { "Range: bytes=1-2-3", "/a" },
		{ "Range: bytes=1 -2", "/a" }, { "Range: bytes =1-2", "/a" }, { "Range: lines=1-2", "/a" },
		{ "Range: bytes=0-0,2-3", "/a" }, { "Range: bytes=0-0 , -1", "/a" },
		{ "Range: bytes=1-2 x", "/a" }, { "Range: bytesize=1-2", "/a" },
		{ "Range: bytes=1-2\r\nRange: bytes=3-4", "/a" },
		{ "X-Range: bytes=1-2", "/a" }, { "Rang: bytes=1-2", "/a" }, { "Ranges: bytes=1-2", "/a" },
		{ "Referer: bytes=1-2", "/a" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_field(rows[i][0], rows[i][1]);
}

static void test_tags(void **state)
{
	static const char *const rows[][2] = {
		{ "If-None-Match: \"abcd\"", "/a n+" }, { "if-none-match:W/\"abcd\"", "/a n+" },
		{ "If-None-Match: *", "/a n+" }, { "If-None-Match: \"x\", \"abcd\" ", "/a n+" },
		{ "If-None-Match: ,\"x,\" ,, W/\"abcd\"", "/a n+" },
		{ "If-None-Match: \"abcd\", \"x\"", "/a n+" },
		{ "If-None-Match: \"x\"\r\nIf-None-Match: \"abcd\"", "/a n+" },
		{ "If-None-Match: \"abc\"", "/a n-" }, { "If-None-Match: \"abcde\"", "/a n-" },
		{ "If-None-Match: abcd", "/a n-" }, { "If-None-Match: \"abcd", "/a n-" },
		{ "If-None-Match: \"\"", "/a n-" }, { "If-None-Match:", "/a n-" },
		{ "If-None-Match: w/\"abcd\"", "/a n-" }, { "If-None-Match: W\"abcd\"", "/a n-" },
		{ "If-None-Match: \"x\" \"abcd\"", "/a n-" },
		{ "If-Match: \"abcd\"", "/a m+" }, { "If-Match: W/\"abcd\"", "/a m-" },
		{ "If-Match: W/\"abcd\", \"abcd\"", "/a m+" }, { "If-Match: *", "/a m+" },
		{ "If-Match: \"x\"", "/a m-" }, { "If-Match: \"x\"\r\nIf-None-Match: \"abcd\"", "/a m- n+" },
		{ "If-Range: \"abcd\"", "/a i+" }, { "If-Range: \"abcd\" ", "/a i+" },
		{ "If-Range: W/\"abcd\"", "/a i-" }, { "If-Range: \"abcd\", \"x\"", "/a i-" },
		{ "If-Range: \"abcd", "/a i-" }, { "If-Range: *", "/a i-" }, { "If-Range:", "/a i-" },
		{ "If-Range: Sun, 06 Nov 1994 08:49:37 GMT", "/a i+" },
		{ "If-Range: Sun, 06 Nov 1994 08:49:37 GMT ", "/a i+" },
		{ "If-Range: Sun, 06 Nov 1994 08:49:38 GMT", "/a i-" },
		{ "If-Range: Sun, 06 Nov 1994 08:49:37 GMTx", "/a i-" },
		{ "If-Mach: \"abcd\"", "/a" }, { "If-None: \"abcd\"", "/a" }, { "If-Matched: *", "/a" },
		{ "If-: *", "/a" }, { "If: *", "/a" }, { "If-Unmodified: *", "/a" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_field(rows[i][0], rows[i][1]);
}

static void test_dates(void **state)
{
	static const char *const rows[][2] = {
		{ "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "/a a+" },
		{ "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT", "/a a-" },
		{ "If-Modified-Since: Sun, 06 Nov 1994 08:49:38 GMT ", "/a a+" },
		{ "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT", "/a a+" },
		{ "If-Modified-Since: Sunday, 06-Nov-94 08:49:36 GMT", "/a a-" },
		{ "If-Modified-Since: Sun Nov  6 08:49:37 1994", "/a a+" },
		{ "If-Modified-Since: Sun Nov  6 08:49:36 1994", "/a a-" },
		{ "If-Modified-Since: Sat Nov 26 08:49:36 1994", "/a a+" },
		{ "If-Modified-Since: Wednesday, 01-Jan-69 00:00:00 GMT", "/a a+" },
		{ "If-Modified-Since: Thu, 29 Feb 2024 23:59:60 GMT", "/a a+" },
		{ "If-Modified-Since: Wed, 29 Feb 2023 23:59:59 GMT", "/a" },
		{ "If-Modified-Since: Sun, 31 Nov 1994 08:49:37 GMT", "/a" },
		{ "If-Modified-Since: Sun, 00 Nov 1994 08:49:37 GMT", "/a" },
		{ "If-Modified-Since: Sun, 06 Nov 1994 24:49:37 GMT", "/a" },
		{ "If-Modified-Since: Sun, 06 Nov 1994 08:60:37 GMT", "/a" },
		{ "If-Modified-Since: Sun, 06 Foo 1994 08:49:37 GMT", "/a" },
		{ "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 CET", "/a" },
		{ "If-Modified-Since: Sun, 6 Nov 1994 08:49:37 GMT", "/a" },
		{ "If-Modified-Since: Sun, 06 Nov 1994 08:49:37", "/a" },
		{ "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT x", "/a" },
		{ "If-Modified-Since: 1994-11-06", "/a" }, { "If-Modified-Since: Sun", "/a" },
		{ "If-Modified-Since:", "/a" }, { "If-Modified-Since: Wednesdayyyyyyyy, 06", "/a" },
		{ "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "/a b+" },
		{ "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT", "/a b-" },
		{ "If-Unmodified-Since: yesterday", "/a" },
		{ "Range: bytes=1-2\r\nIf-Range: \"abcd\"\r\nIf-Modified-Since: Sun Nov  6 08:49:36 1994",
		  "/a r1-2 i+ a-" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_field(rows[i][0], rows[i][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_no_way_out),
		cmocka_unit_test(test_tester_paths),
		cmocka_unit_test(test_not_only),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_dates),
	};

	return cmocka_run_group_tests(tests, sort_keys, NULL);
}
