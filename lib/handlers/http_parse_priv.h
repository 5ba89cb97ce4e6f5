/*
 * Within the request parser: what its two files share.
 */
#ifndef HANDLERS_HTTP_PARSE_PRIV_H
#define HANDLERS_HTTP_PARSE_PRIV_H

#include "handlers/http_parse.h"

/* The parser's own flags, beside HTTP_HAS_. */
#define HAS_HOST     0x0004
#define HAS_LENGTH   0x0008
#define HAS_CODING   0x0010 /* Transfer-Encoding */
#define HAS_CONTINUE 0x0020 /* Expect: 100-continue */
#define TE_CHUNKED   0x0040 /* chunked was seen, */
#define TE_LAST      0x0080 /* and is the last so far */
#define TE_OTHER     0x0100
#define TE_TWICE     0x0200
#define IN_TRAILER   0x0400
#define HAS_OTHER    0x1000 /* Expect: something else */

/* From F_RANGE on in the order of enum http_condition. */
enum field {
	F_OTHER, F_HOST, F_CONNECTION, F_LENGTH, F_CODING, F_EXPECT,
	F_RANGE, F_IF_RANGE, F_IF_MATCH, F_IF_NONE_MATCH, F_IF_MODIFIED, F_IF_UNMODIFIED,
};

enum word { W_NONE, W_OTHER, W_CLOSE, W_KEEP_ALIVE, W_CHUNKED, W_CONTINUE };

/* In values being read: where the one item of the value is. */
enum { ITEM_BEFORE, ITEM_IN, ITEM_AFTER };

#define TOKEN  1 /* RFC 9110 section 5.6.2 */
#define HOST   2 /* uri-host and port, RFC 3986 section 3.2 */
#define SCHEME 4 /* RFC 3986 section 3.1 */
extern const uint8_t http_class[256];

static inline bool is_class(uint8_t c, uint8_t which)
{
	return http_class[c] & which;
}

static inline bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static inline bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* Only for bytes that are no control characters, against words of letters, digits and '-'. */
static inline uint8_t lower(uint8_t c)
{
	return c | 0x20;
}

/* One byte of a list of words, and the end of one of its elements. */
void http_list_byte(struct http_parser *p, uint8_t c);
void http_list_end(struct http_parser *p);

/* One byte of Host or Content-Length: a single item. Returns false if it cannot be there. */
bool http_item_byte(struct http_parser *p, uint8_t c);

#endif
