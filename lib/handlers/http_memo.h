/*
 * What a worker remembers because clients repeat themselves: the last request, byte for byte, with what
 * parsing it gave, and the last response as it went out, date and body included. Both are caches and not
 * state: what is sent does not depend on what they hold.
 *
 * Per thread; bounded by the bytes looked at.
 */
#ifndef HANDLERS_HTTP_MEMO_H
#define HANDLERS_HTTP_MEMO_H

#include "handlers/http_parse.h"
#include "http_reply.h"

#define HTTP_MEMO_MAX 1024 /* bytes of a request, and of a response, that are remembered */

/* As http_parse, but a request that lies there in one piece and is the last one again is not parsed. */
size_t http_parse_again(struct http_parser *p, struct http_query *q, const struct http_rules *rules,
			const void *data, size_t len, enum http_event *event);

/*
 * The whole response r of these settings with its body, dated sec, whose text is date; NULL if it is
 * too long to be remembered. *len: its bytes, *sum: for pier_send_summed. Valid until the next call.
 */
const char *http_rendered(const struct http_settings *set, const struct http_reply *r, uint32_t sec,
			  const char *date, size_t *len, uint32_t **sum);

#endif
