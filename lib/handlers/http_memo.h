/*
 * What a worker remembers because clients repeat themselves: the last request, byte for byte, with what
 * parsing it gave, and the last response as it went out, date and body included. Both are caches and not
 * state: what is sent does not depend on what they hold.
 *
 * Per thread; bounded by the bytes looked at.
 */
#ifndef HANDLERS_HTTP_MEMO_H
#define HANDLERS_HTTP_MEMO_H

#include <string.h>

#include "base/compiler.h"
#include "base/shortcut.h"
#include "handlers/http_parse.h"
#include "http_reply.h"

#define HTTP_MEMO_MAX     1024 /* bytes of a request that are remembered */
#define HTTP_RENDERED_MAX 2048 /* of a response: what fits in one segment, or nearly so */

struct http_request_memo {
	uint32_t len; /* 0: nothing yet */
	uint64_t key; /* of the rules */
	struct http_parser after;
	struct http_query query; /* if the parser's flags say so */
	char bytes[HTTP_MEMO_MAX];
};

struct http_response_memo {
	uint64_t settings; /* their serial number, 0: nothing yet */
	const struct http_reply *reply;
	uint32_t sec;
	uint32_t len; /* 0: it was asked for once, and is not here */
	uint32_t sum; /* pier_send_summed's */
	char bytes[HTTP_RENDERED_MAX];
};

extern __thread struct http_request_memo http_request_memo;
extern __thread struct http_response_memo http_response_memo;

/* http_parse, which remembers what it read. */
size_t http_parse_new(struct http_parser *p, struct http_query *q, const struct http_rules *rules,
		      const void *data, size_t len, enum http_event *event);

/* http_rendered of what is not in the memo. */
struct http_response_memo *http_render(const struct http_settings *set, const struct http_reply *r, uint32_t sec,
				       const char *date);

/* The bytes are the last request again, and it has no query. Shorter than max_head in all, no part of it can be too long. */
static inline bool http_is_last(const struct http_parser *p, const struct http_rules *rules, const void *data,
				size_t len)
{
	const struct http_request_memo *last = &http_request_memo;

	return SHORTCUT(MEMO) && last->len == len && last->key == rules->key && len <= rules->max_head && http_parse_begins(p) &&
	       !(last->after.flags & HTTP_HAS_QUERY) && !memcmp(last->bytes, data, len);
}

/* As http_parse, but a request that lies there in one piece and is the last one again is not parsed. */
static inline size_t http_parse_again(struct http_parser *p, struct http_query *q,
				      const struct http_rules *rules, const void *data, size_t len,
				      enum http_event *event)
{
	const struct http_request_memo *last = &http_request_memo;

	/* Shorter than max_head in all, no part of it can be too long. */
	if (unlikely(!SHORTCUT(MEMO) || !http_parse_begins(p) || !last->len || last->len > len ||
		     last->len > rules->max_head || last->key != rules->key ||
		     memcmp(last->bytes, data, last->len)))
		return http_parse_new(p, q, rules, data, len, event);
	*p = last->after;
	if (unlikely(p->flags & HTTP_HAS_QUERY))
		*q = last->query;
	*event = HTTP_REQUEST;
	return last->len;
}

/*
 * The whole response r of these settings with its body, dated sec, whose text is date, as the memo has it;
 * NULL if it is too long to be remembered, or long and not the one asked for before. Its sum is for
 * pier_send_summed. Valid until the next call.
 */
static inline struct http_response_memo *http_rendered(const struct http_settings *set,
						       const struct http_reply *r, uint32_t sec,
						       const char *date)
{
	struct http_response_memo *last = &http_response_memo;

	if (unlikely(last->reply != r || last->settings != set->serial || last->sec != sec || !last->len))
		return http_render(set, r, sec, date);
	return last;
}

#endif
