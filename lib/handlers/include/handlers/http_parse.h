/*
 * HTTP/1.x requests, byte by byte (RFC 9112), for a server that answers every target alike.
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

enum http_event {
	HTTP_MORE,     /* everything was read; the request goes on */
	HTTP_CONTINUE, /* the head is complete, and the client waits for a 100 before the body */
	HTTP_REQUEST,  /* the request is complete, with its body */
	HTTP_ERROR,    /* not a request to go on after: answer status, read no further */
};

enum http_method { HTTP_OTHER, HTTP_GET, HTTP_HEAD };

/* In flags; what the server may want to know of a request. */
#define HTTP_HAS_CLOSE      0x0001 /* Connection: close */
#define HTTP_HAS_KEEP_ALIVE 0x0002 /* Connection: keep-alive */

/* Zeroed before the first call. */
struct http_parser {
	uint64_t left;   /* body or chunk bytes to come */
	uint32_t line;   /* bytes of this head, chunk line or trailer section so far */
	uint16_t status; /* with HTTP_ERROR: 400, 414, 431, 501 or 505 */
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
 * method, minor and flags hold until then. After HTTP_ERROR every call returns 0 and HTTP_ERROR.
 *
 * max_head bounds the bytes of a head, and of a chunk's line and of the trailer section: beyond it
 * the request line fails with 414 (RFC 9112 section 3), fields with 431 (RFC 6585 section 5).
 */
size_t http_parse(struct http_parser *p, const void *data, size_t len, uint32_t max_head,
		  enum http_event *event);

/* Whether the next byte is the first of a request, whatever was before it. */
bool http_parse_begins(const struct http_parser *p);

/* Whether the request allows the connection to be kept (RFC 9112 section 9.3). */
static inline bool http_keeps(const struct http_parser *p)
{
	if (p->flags & HTTP_HAS_CLOSE)
		return false;
	return p->minor >= 1 || (p->flags & HTTP_HAS_KEEP_ALIVE);
}

#endif
