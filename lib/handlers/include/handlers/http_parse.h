/*
 * HTTP/1.x requests, byte by byte (RFC 9112).
 *
 * The parser keeps no byte of what it read: its whole state is one small struct, so a connection in
 * the middle of a request costs no buffer and a request may be split anywhere. Each byte is looked
 * at once. What a stream parses to does not depend on how it was split: tests/fuzz checks it.
 *
 * Pure: no allocation, no clock, no globals; any thread, one at a time per struct.
 */
#ifndef HANDLERS_HTTP_PARSE_H
#define HANDLERS_HTTP_PARSE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "handlers/http_query.h"

enum http_event {
	HTTP_MORE,     /* everything was read; the request goes on */
	HTTP_CONTINUE, /* the head is complete, and the client waits for a 100 before the body */
	HTTP_REQUEST,  /* the request is complete, with its body */
	HTTP_ERROR,    /* not a request to go on after: answer status, read no further */
};

enum http_method { HTTP_OTHER, HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT };

/* In flags; what the server may want to know of a request. */
#define HTTP_HAS_CLOSE      0x0001 /* Connection: close */
#define HTTP_HAS_KEEP_ALIVE 0x0002 /* Connection: keep-alive */

/* Not a plain GET or HEAD: see struct http_query, which without this is not up to date. */
#define HTTP_HAS_QUERY      0x0800

/* What a listener lays down for its requests. Not changed while requests are read by it. */
struct http_rules {
	/*
	 * Bounds the bytes of a head, and of a chunk's line and of the trailer section: beyond it the
	 * request line fails with 414 (RFC 9112 section 3), fields with 431 (RFC 6585 section 5).
	 */
	uint32_t max_head;
	uint64_t max_body; /* beyond it 413; 0: no limit */
	uint64_t key;      /* two rules of the same key take the same request for the same */
	const struct http_site *site; /* NULL: targets are not interpreted */
};

/* Zeroed before the first call. */
struct http_parser {
	uint64_t left;   /* body or chunk bytes to come */
	uint32_t line;   /* bytes of this head, chunk line or trailer section so far */
	uint16_t status; /* with HTTP_ERROR: 400, 413, 414, 417, 431, 501 or 505 */
	uint16_t flags;  /* HTTP_HAS_ and the parser's own */
	uint8_t state;
	uint8_t method;  /* enum http_method */
	uint8_t minor;   /* of HTTP/1.minor */
	uint8_t form;    /* of the target */
	uint8_t field;   /* which field the name may be, then is */
	uint8_t word;    /* which word the list element may be */
	uint8_t pos;     /* matched so far of whatever is being matched */
	uint8_t gap;     /* white space followed the list element */
};
static_assert(sizeof(struct http_parser) == 24, "leaves room in the handler's context");

/*
 * Read up to len bytes, up to and with the byte that completes an event. Returns the bytes read,
 * which are all of them with HTTP_MORE. After HTTP_REQUEST the next call starts the next request;
 * method, minor, flags and the query hold until then. After HTTP_ERROR every call returns 0 and
 * HTTP_ERROR. q is the same for all calls of a parser.
 */
size_t http_parse(struct http_parser *p, struct http_query *q, const struct http_rules *rules,
		  const void *data, size_t len, enum http_event *event);

/* Whether the next byte is the first of a request, whatever was before it. */
static inline bool http_parse_begins(const struct http_parser *p)
{
	return p->state == 1 || (p->state == 0 && !p->line);
}

/* Whether the request allows the connection to be kept (RFC 9112 section 9.3). */
static inline bool http_keeps(const struct http_parser *p)
{
	if (p->flags & HTTP_HAS_CLOSE)
		return false;
	return p->minor >= 1 || (p->flags & HTTP_HAS_KEEP_ALIVE);
}

#endif
