/*
 * Responses that depend on the request: files under a condition or in part, the tester's paths, the
 * count of an upload. Heads are written anew for each packet they go out in, so that they need no
 * memory: with the same arguments they are the same.
 */
#ifndef HANDLERS_HTTP_ANSWER_H
#define HANDLERS_HTTP_ANSWER_H

#include "http_reply.h"

#define HTTP_INLINE_MAX 1024 /* bytes that http_answer_head writes */

/*
 * Decide on the answer (RFC 9110 section 13.2.2). Returns a prepared one; or NULL, and then
 * status, first and last (exclusive) of the query say what the two below make.
 */
const struct http_reply *http_answer(const struct http_settings *set, const struct http_parser *p,
				     struct http_query *q, enum http_mode mode);

/* The head, dated date, and a body that is only words, which a HEAD does not get. Returns the bytes. */
size_t http_answer_head(const struct http_settings *set, const struct http_parser *p,
			const struct http_query *q, enum http_mode mode, const char *date, char *to);

/* The piece of the body at byte at behind that; *len: its bytes, 0 at the end. It is static. */
const char *http_answer_body(const struct http_settings *set, const struct http_parser *p,
			     const struct http_query *q, uint64_t at, uint64_t *len);

#endif
