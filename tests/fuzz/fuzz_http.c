/*
 * Fuzzes the HTTP request parser (lib/handlers/http_parse.c).
 *
 * The first byte of an input chooses the limit of a head and how the rest is cut; the rest is a
 * stream of requests. Oracle: what the stream parses to, event by event and where in the stream,
 * is the same whole, byte by byte and cut. Every call makes progress and keeps its contract.
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
	bool keeps;
};

struct trace {
	struct http_parser parser;
	struct seen seen[EVENTS_MAX];
	size_t n, at;
};

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

static void record(struct trace *t, enum http_event event)
{
	const struct http_parser *p = &t->parser;
	struct seen *s = &t->seen[t->n];

	CHECK(p->status == 0 || event == HTTP_ERROR);
	if (t->n == EVENTS_MAX)
		return;
	*s = (struct seen){ .at = t->at, .event = event };
	if (event == HTTP_ERROR)
		s->status = p->status;
	else if (event == HTTP_REQUEST || event == HTTP_CONTINUE)
		*s = (struct seen){ t->at, event, 0, p->method, p->minor, http_keeps(p) };
	t->n++;
}

/* Feed one piece from memory of its exact size. Returns whether the stream goes on. */
static bool feed(struct trace *t, const uint8_t *data, size_t len, uint32_t max_head)
{
	uint8_t *copy = malloc(len ? len : 1);
	enum http_event event = HTTP_MORE;
	size_t at = 0, got;

	memcpy(copy, data, len);
	while (at < len && event != HTTP_ERROR) {
		got = http_parse(&t->parser, copy + at, len - at, max_head, &event);
		CHECK(got <= len - at);
		CHECK(event != HTTP_MORE || got == len - at);
		CHECK(event == HTTP_ERROR || got > 0);
		at += got;
		t->at += got;
		if (event != HTTP_MORE)
			record(t, event);
	}
	if (event == HTTP_ERROR) {
		CHECK(http_parse(&t->parser, copy, len, max_head, &event) == 0);
		CHECK(event == HTTP_ERROR && t->parser.status >= 400);
	}
	free(copy);
	return event != HTTP_ERROR;
}

/* Parse the stream in pieces: of size piece, or if that is 0 of sizes drawn from seed. */
static struct trace *parse(const uint8_t *data, size_t len, size_t piece, uint32_t seed,
			   uint32_t max_head)
{
	struct trace *t = calloc(1, sizeof(*t));
	size_t n;

	CHECK(t);
	for (size_t at = 0; at < len; at += n) {
		seed = seed * 1664525 + 1013904223;
		n = piece ? piece : 1 + (seed >> 24) % 40;
		if (n > len - at)
			n = len - at;
		if (!feed(t, data + at, n, max_head))
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
	}
	CHECK(!memcmp(&a->parser, &b->parser, sizeof(a->parser)));
	free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t max_head;
	struct trace *whole;

	if (!size)
		return 0;
	max_head = data[0] & 0x80 ? 8192 : 64 + data[0];
	whole = parse(data + 1, size - 1, size, 0, max_head);
	compare(whole, parse(data + 1, size - 1, 1, 0, max_head));
	compare(whole, parse(data + 1, size - 1, 2 + data[0] % 13, 0, max_head));
	for (uint32_t seed = 0; seed < 4; seed++)
		compare(whole, parse(data + 1, size - 1, 0, data[0] * 4u + seed, max_head));
	free(whole);
	return 0;
}
