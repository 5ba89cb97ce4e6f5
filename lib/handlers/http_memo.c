/*
 * See http_memo.h. A load tester sends the same request a million times a second: comparing it costs a
 * tenth of parsing it.
 */
#include "http_memo.h"

#include <string.h>

#include "date.h"

static __thread struct {
	uint32_t len; /* 0: nothing yet */
	uint64_t key; /* of the rules */
	struct http_parser after;
	struct http_query query; /* if the parser's flags say so */
	char bytes[HTTP_MEMO_MAX];
} request;

static __thread struct {
	uint64_t settings; /* their serial number, 0: nothing yet */
	const struct http_reply *reply;
	uint32_t sec;
	uint32_t len;
	uint32_t sum; /* pier_send_summed's */
	char bytes[HTTP_MEMO_MAX];
} response;

size_t http_parse_again(struct http_parser *p, struct http_query *q, const struct http_rules *rules,
			const void *data, size_t len, enum http_event *event)
{
	const bool begins = http_parse_begins(p);
	size_t n;

	/* Shorter than max_head in all, no part of it can be too long. */
	if (begins && request.len && request.len <= len && request.len <= rules->max_head &&
	    request.key == rules->key && !memcmp(request.bytes, data, request.len)) {
		*p = request.after;
		if (p->flags & HTTP_HAS_QUERY)
			*q = request.query;
		*event = HTTP_REQUEST;
		return request.len;
	}
	n = http_parse(p, q, rules, data, len, event);
	if (begins && *event == HTTP_REQUEST && n <= HTTP_MEMO_MAX) {
		memcpy(request.bytes, data, n);
		request.len = (uint32_t)n;
		request.key = rules->key;
		request.after = *p;
		request.query = *q;
	}
	return n;
}

static void render(const struct http_settings *set, const struct http_reply *r, uint32_t sec,
		   const char *date)
{
	memcpy(response.bytes, r->head, r->head_len);
	if (r->date_at)
		memcpy(response.bytes + r->date_at, date, DATE_HTTP_LEN);
	if (r->body_len)
		memcpy(response.bytes + r->head_len, r->body, r->body_len);
	response.settings = set->serial;
	response.reply = r;
	response.sec = sec;
	response.len = (uint32_t)(r->head_len + r->body_len);
	response.sum = 0;
}

const char *http_rendered(const struct http_settings *set, const struct http_reply *r, uint32_t sec,
			  const char *date, size_t *len, uint32_t **sum)
{
	if (r->body_len > HTTP_MEMO_MAX - HTTP_HEAD_MAX)
		return NULL;
	if (response.reply != r || response.settings != set->serial || response.sec != sec)
		render(set, r, sec, date);
	*len = response.len;
	*sum = &response.sum;
	return response.bytes;
}
