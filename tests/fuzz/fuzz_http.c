/*
 * Fuzzes the HTTP request parser (lib/handlers/http_parse.c).
 *
 * The first byte of an input chooses the limit of a head, whether targets are looked up and bodies
 * limited, and how the rest is cut; the rest is a
 * stream of requests. Oracle: what the stream parses to, event by event and where in the stream,
 * is the same whole, byte by byte and cut; so is what it asks for, and that names nothing but what there
 * is. Every call makes progress and keeps its contract.
 *
 * The same file is a libFuzzer target, and in every build a test that replays the corpus.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "handlers/http_parse.h"

#define EVENTS_MAX 4096

struct seen {
	size_t at; /* bytes of the stream read when it came */
	enum http_event event;
	uint16_t status;
	uint8_t method, minor;
	bool keeps, asks;
	struct http_query query;
};

/* Sorted. */
static const struct http_validators valid = {
	.etag = "0123456789abcdef", .etag_len = 16, .modified = "Sun, 06 Nov 1994 08:49:37 GMT",
	.mtime = 784111777,
};
#define KEY(p, k) { .path = p, .len = sizeof(p) - 1, .kind = k, .valid = &valid }
static const struct http_key keys[] = {
	KEY("", HTTP_FILE), KEY("a", HTTP_MOVED), KEY("a/", HTTP_FILE), KEY("a/b.txt", HTTP_FILE),
	KEY("a/bc", HTTP_FILE), KEY("bytes/", HTTP_BYTES), KEY("delay/", HTTP_DELAY),
	KEY("e\xc3\xa9 x", HTTP_FILE), KEY("index.html", HTTP_FILE), KEY("status/", HTTP_STATUS),
};
static const struct http_site sites[2] = {
	{ keys, sizeof(keys) / sizeof(keys[0]), true, NULL },
	{ keys, sizeof(keys) / sizeof(keys[0]), false, &valid },
};

struct trace {
	struct http_parser parser;
	struct http_query query;
	struct http_rules rules;
	struct seen seen[EVENTS_MAX];
	size_t n, at;
};

/* What the handler relies on. */
static void check_query(const struct trace *t)
{
	const struct http_query *q = &t->query;

	if (!(t->parser.flags & HTTP_HAS_QUERY))
		return;
	CHECK(q->delay <= HTTP_DELAY_MAX);
	CHECK(!t->rules.max_body || q->body <= t->rules.max_body);
	CHECK(!http_holds(q, HTTP_RANGE) || q->suffix || q->first <= q->last);
	CHECK((q->holds & ~q->seen) == 0);
	if (!t->rules.site)
		return;
	CHECK(q->what < HTTP_DELAY);
	CHECK(q->what != HTTP_STATUS || (q->number >= 200 && q->number <= 599));
	CHECK(q->what != HTTP_PLAIN || !t->rules.site->only || t->parser.method == HTTP_OTHER);
	if (q->what == HTTP_FILE || q->what == HTTP_MOVED)
		CHECK(q->lo < t->rules.site->n && keys[q->lo].kind == q->what &&
		      keys[q->lo].len == q->at);
}

static void record(struct trace *t, enum http_event event)
{
	const struct http_parser *p = &t->parser;
	struct seen *s = &t->seen[t->n];

	CHECK(p->status == 0 || event == HTTP_ERROR);
	if (event == HTTP_REQUEST)
		check_query(t);
	if (t->n == EVENTS_MAX)
		return;
	*s = (struct seen){ .at = t->at, .event = event };
	if (event == HTTP_ERROR)
		s->status = p->status;
	else if (event == HTTP_REQUEST || event == HTTP_CONTINUE)
		*s = (struct seen){ t->at, event, 0, p->method, p->minor, http_keeps(p), false, { 0 } };
	if (event == HTTP_REQUEST && p->flags & HTTP_HAS_QUERY) {
		s->asks = true;
		s->query = t->query;
	}
	t->n++;
}

/* Feed one piece from memory of its exact size. Returns whether the stream goes on. */
static bool feed(struct trace *t, const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	enum http_event event = HTTP_MORE;
	size_t at = 0, got;

	memcpy(copy, data, len);
	while (at < len && event != HTTP_ERROR) {
		got = http_parse(&t->parser, &t->query, &t->rules, copy + at, len - at, &event);
		CHECK(got <= len - at);
		CHECK(event != HTTP_MORE || got == len - at);
		CHECK(event == HTTP_ERROR || got > 0);
		at += got;
		t->at += got;
		if (event != HTTP_MORE)
			record(t, event);
	}
	if (event == HTTP_ERROR) {
		CHECK(http_parse(&t->parser, &t->query, &t->rules, copy, len, &event) == 0);
		CHECK(event == HTTP_ERROR && t->parser.status >= 400);
	}
	free(copy);
	return event != HTTP_ERROR;
}

/* Parse the stream in pieces: of size piece, or if that is 0 of sizes drawn from seed. */
static struct trace *parse(const uint8_t *data, size_t len, size_t piece, uint32_t seed,
			   const struct http_rules *rules)
{
	struct trace *t = calloc(1, sizeof(*t));
	size_t n;

	CHECK(t);
	t->rules = *rules;
	for (size_t at = 0; at < len; at += n) {
		seed = seed * 1664525 + 1013904223;
		n = piece ? piece : 1 + (seed >> 24) % 40;
		if (n > len - at)
			n = len - at;
		if (!feed(t, data + at, n))
			break;
	}
	return t;
}

static void compare(const struct trace *a, struct trace *b)
{
	CHECK(a->n == b->n);
	CHECK(a->at == b->at);
	for (size_t i = 0; i < a->n; i++) {
		CHECK(a->seen[i].at == b->seen[i].at);
		CHECK(a->seen[i].event == b->seen[i].event);
		CHECK(a->seen[i].status == b->seen[i].status);
		CHECK(a->seen[i].method == b->seen[i].method);
		CHECK(a->seen[i].minor == b->seen[i].minor);
		CHECK(a->seen[i].keeps == b->seen[i].keeps);
		CHECK(a->seen[i].asks == b->seen[i].asks);
		CHECK(!memcmp(&a->seen[i].query, &b->seen[i].query, sizeof(a->seen[i].query)));
	}
	CHECK(!memcmp(&a->parser, &b->parser, sizeof(a->parser)));
	free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_rules rules = { 0 };
	struct trace *whole;

	if (!size)
		return 0;
	rules.max_head = data[0] & 0x80 ? 8192 : 64 + data[0];
	if (data[0] & 3)
		rules.site = &sites[data[0] & 1];
	rules.max_body = data[0] & 4 ? 1000 : 0;
	whole = parse(data + 1, size - 1, size, 0, &rules);
	compare(whole, parse(data + 1, size - 1, 1, 0, &rules));
	compare(whole, parse(data + 1, size - 1, 2 + data[0] % 13, 0, &rules));
	for (uint32_t seed = 0; seed < 4; seed++)
		compare(whole, parse(data + 1, size - 1, 0, data[0] * 4u + seed, &rules));
	free(whole);
	return 0;
}
