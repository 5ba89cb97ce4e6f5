/*
 * See http_memo.h. A load tester sends the same request a million times a second: comparing it costs a
 * tenth of parsing it.
 */
#include "http_memo.h"

#include "date.h"

__thread struct http_request_memo http_request_memo;
__thread struct http_response_memo http_response_memo;

size_t http_parse_new(struct http_parser *p, struct http_query *q, const struct http_rules *rules,
		      const void *data, size_t len, enum http_event *event)
{
	struct http_request_memo *last = &http_request_memo;
	const bool begins = http_parse_begins(p);
	size_t n = http_parse(p, q, rules, data, len, event);

	if (begins && *event == HTTP_REQUEST && n <= HTTP_MEMO_MAX) {
		memcpy(last->bytes, data, n);
		last->len = (uint32_t)n;
		last->key = rules->key;
		last->after = *p;
		last->query = *q;
	}
	return n;
}

/* A body that costs less to refer to than to copy is copied when it is wanted again: files that take turns are not. */
#define SHORT_BODY 512

struct http_response_memo *http_render(const struct http_settings *set, const struct http_reply *r, uint32_t sec,
				       const char *date)
{
	struct http_response_memo *last = &http_response_memo;
	const bool again = last->reply == r && last->settings == set->serial && last->sec == sec;

	if (r->body_len > HTTP_RENDERED_MAX - HTTP_HEAD_MAX)
		return NULL;
	last->settings = set->serial;
	last->reply = r;
	last->sec = sec;
	last->len = 0;
	last->sum = 0;
	if (!again && r->body_len > SHORT_BODY)
		return NULL;
	memcpy(last->bytes, r->head, r->head_len);
	if (r->date_at)
		memcpy(last->bytes + r->date_at, date, DATE_HTTP_LEN);
	if (r->body_len)
		memcpy(last->bytes + r->head_len, r->body, r->body_len);
	last->len = (uint32_t)(r->head_len + r->body_len);
	return last;
}
