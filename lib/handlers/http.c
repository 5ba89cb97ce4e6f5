/*
 * HTTP/1.1 server (RFC 9110, RFC 9112): one response, made at setup, for every GET and HEAD; or the
 * files of a directory, read at setup; and paths for testers.
 *
 * A request is parsed as it comes, never stored (handlers/http_parse.h), or recognised as the last one
 * again (http_memo.h). A prepared response (http_reply.h) is a
 * head, with the date put in, and a body sent by reference; both go into the send queue in one
 * callback, so they leave together. Others are made when they are asked for (http_answer.h). At most one
 * response per connection is not yet accepted: while
 * it waits for room, or for its delay, nothing more is read, and the rest of a pipeline stays in pier.
 *
 * Request bodies are read and thrown away. POST and PUT get the number of bytes, or 405; methods that are not
 * implemented get 501 (RFC 9110 section 9.1).
 * What cannot be parsed gets its error, and the connection ends.
 *
 * Ending. Where nothing more is to be expected (the client announced the end, or it waits for each
 * response) the response and FIN go at once. Where more may be coming (after an error, or from a
 * client that pipelines) closing at once would bring a RST over the response (RFC 9112 section
 * 9.6), so the sending side is shut down and what comes is drained: up to LINGER_BYTES, for up to
 * LINGER_US, or to the client's FIN.
 */
#include <assert.h>
#include <string.h>

#include "date.h"
#include "handlers/handlers.h"
#include "handlers/http_parse.h"
#include "http_answer.h"
#include "http_memo.h"
#include "http_store.h"

#define LINGER_BYTES (256u << 10)
#define LINGER_US    (2 * 1000 * 1000)
#define BATCH        64     /* requests answered in one callback */
#define DATE_US      100000 /* how long a date is used without a look at the clock */

enum phase { SERVING, DELAYED, LINGERING, CLOSED };

/* The first line is that of a plain request. */
struct http_conn {
	struct http_parser parser;
	uint64_t sent;     /* bytes of the reply, head and body */
	const struct http_reply *reply; /* what is being sent; &made: http_answer.h makes it */
	union {
		uint32_t sec;     /* the date in its head */
		uint32_t drained; /* LINGERING */
	};
	uint32_t requests;
	uint8_t phase;
	bool head_only;    /* the reply is to a HEAD */
	bool last;         /* the connection ends after the reply */
	bool more;         /* bytes follow the request that is being answered */
	bool pipelines;    /* bytes followed one before its answer */
	bool eof;
	struct http_query query;
};
static_assert(offsetof(struct http_conn, query) <= 64, "one cache line");
static_assert(sizeof(struct http_conn) <= 128, "state of one connection");

static const struct http_reply made;

/*
 * The date as text. One per worker: each thread formats its own, at most once a second, so workers
 * share nothing. It is a cache, not state: what is sent does not depend on what it holds.
 */
static __thread struct {
	uint64_t read_at; /* pier_conn.now when the clock was read */
	uint32_t sec;     /* 0: nothing yet */
	char text[DATE_HTTP_LEN];
} date;

static uint32_t date_sec(uint64_t now)
{
	uint32_t sec;

	if (date.sec && now - date.read_at < DATE_US)
		return date.sec;
	date.read_at = now;
	sec = (uint32_t)date_now();
	if (sec != date.sec)
		date_http(date.text, sec);
	date.sec = sec;
	return sec;
}

/* A head that went out in part is completed with the date it began with. */
static void put_date(char *to, uint32_t sec)
{
	if (sec == date.sec)
		memcpy(to, date.text, DATE_HTTP_LEN);
	else
		date_http(to, sec);
}

static bool send_head(struct pier_conn *c, struct http_conn *h, const struct http_reply *r)
{
	char head[HTTP_HEAD_MAX];
	size_t left = r->head_len - h->sent, n;

	memcpy(head, r->head, r->head_len);
	if (r->date_at)
		put_date(head + r->date_at, h->sec);
	n = pier_send(c, head + h->sent, left);
	h->sent += n;
	return n == left;
}

static bool send_body(struct pier_conn *c, struct http_conn *h, const struct http_reply *r)
{
	uint64_t at = h->sent - r->head_len, left = r->body_len - at;
	size_t n;

	if (h->head_only || !left)
		return true;
	n = pier_send_static(c, r->body + at, left);
	h->sent += n;
	return n == left;
}

/* Nothing more is sent after what was accepted. */
static void finish(struct pier_conn *c, struct http_conn *h)
{
	if (h->more && !h->eof) {
		h->phase = LINGERING;
		h->drained = 0;
		pier_shutdown(c);
		pier_set_timer(c, LINGER_US);
	} else {
		h->phase = CLOSED;
		pier_close(c);
	}
}

static enum http_mode mode_of(const struct http_conn *h)
{
	return h->last ? HTTP_CLOSE : h->parser.minor == 0 ? HTTP_KEEP_10 : HTTP_KEEP;
}

/* Send on what is made for this request. Returns whether all of it was accepted. */
static bool flush_made(struct pier_conn *c, struct http_conn *h)
{
	char head[HTTP_INLINE_MAX], text[DATE_HTTP_LEN];
	const char *body;
	uint64_t len;
	size_t head_len, n;

	put_date(text, h->sec);
	head_len = http_answer_head(c->settings, &h->parser, &h->query, mode_of(h), text, head);
	if (h->sent < head_len) {
		h->sent += pier_send(c, head + h->sent, head_len - h->sent);
		if (h->sent < head_len)
			return false;
	}
	for (;;) {
		body = http_answer_body(c->settings, &h->parser, &h->query, h->sent - head_len, &len);
		if (!len)
			return true;
		n = pier_send_static(c, body, len);
		h->sent += n;
		if (n < len)
			return false;
	}
}

/* All of the reply was accepted. */
static bool replied(struct pier_conn *c, struct http_conn *h)
{
	h->reply = NULL;
	if (h->last || h->eof)
		finish(c, h);
	return true;
}

static bool flush_prepared(struct pier_conn *c, struct http_conn *h, const struct http_reply *r)
{
	if (h->sent < r->head_len && !send_head(c, h, r))
		return false;
	return send_body(c, h, r) && replied(c, h);
}

/* Go on with the reply. Returns whether all of it was accepted. */
static bool flush(struct pier_conn *c, struct http_conn *h)
{
	if (h->reply == &made)
		return flush_made(c, h) && replied(c, h);
	return flush_prepared(c, h, h->reply);
}

/* A short response goes as one piece. Returns whether it did, and all of it was accepted. */
static inline bool send_short(struct pier_conn *c, struct http_conn *h, const struct http_reply *r)
{
	struct http_response_memo *text = NULL;

	h->sent = 0;
	if (likely(!h->head_only && h->sec == date.sec))
		text = http_rendered(c->settings, r, h->sec, date.text);
	if (unlikely(!text))
		return false;
	h->sent = pier_send_summed(c, text->bytes, text->len, &text->sum);
	return h->sent == text->len;
}

static inline __attribute__((always_inline)) void
reply_at_once(struct pier_conn *c, struct http_conn *h, const struct http_reply *r)
{
	h->sec = date_sec(c->now);
	if (likely(send_short(c, h, r))) {
		replied(c, h);
		return;
	}
	h->reply = r;
	flush_prepared(c, h, r);
}

static __attribute__((noinline)) void reply(struct pier_conn *c, struct http_conn *h, const struct http_reply *r)
{
	reply_at_once(c, h, r);
}

static void reply_query(struct pier_conn *c, struct http_conn *h)
{
	const struct http_reply *r = http_answer(c->settings, &h->parser, &h->query, mode_of(h));

	if (r) {
		reply(c, h, r);
		return;
	}
	h->reply = &made;
	h->sent = 0;
	h->sec = date_sec(c->now);
	flush(c, h);
}

/* The answers, a mode each, to a method that is not there (RFC 9110 section 9.1); NULL: it is. */
static const struct http_reply *refusals(const struct http_settings *set, const struct http_parser *p)
{
	if (p->method == HTTP_OTHER)
		return set->unknown;
	return p->method >= HTTP_POST && !set->uploads ? set->refused : NULL;
}

/* What is not the one response of all: by target, method or condition, at once or later. */
static void answer_query(struct pier_conn *c, struct http_conn *h)
{
	const struct http_reply *refused = refusals(c->settings, &h->parser);

	if (refused) {
		reply(c, h, &refused[mode_of(h)]);
	} else if (h->query.delay) {
		h->phase = DELAYED;
		pier_set_timer(c, (uint64_t)h->query.delay * 1000);
	} else {
		reply_query(c, h);
	}
}

static inline void answer_request(struct pier_conn *c, struct http_conn *h)
{
	const struct http_settings *set = c->settings;
	const struct http_parser *p = &h->parser;

	h->requests++;
	h->head_only = p->method == HTTP_HEAD;
	h->last = !http_keeps(p);
	if (set->requests && h->requests >= set->requests) {
		h->last = true;
		h->more |= h->pipelines; /* this client has not announced the end */
	}
	if (p->flags & HTTP_HAS_QUERY)
		answer_query(c, h);
	else
		reply_at_once(c, h, &set->plain.whole[mode_of(h)]);
}

/*
 * RFC 9110 section 10.1.1. A method that is refused is refused before its body: whether the client
 * then sends the body is open, so the connection cannot be kept.
 */
static void answer_continue(struct pier_conn *c, struct http_conn *h)
{
	const struct http_settings *set = c->settings;
	const struct http_reply *refused = refusals(set, &h->parser);

	h->head_only = false;
	if (!refused) {
		reply(c, h, &set->go_on);
		return;
	}
	h->last = h->more = true;
	reply(c, h, &refused[HTTP_CLOSE]);
}

static void answer_error(struct pier_conn *c, struct http_conn *h)
{
	static const uint16_t known[HTTP_ERRORS] = {
		[HTTP_400] = 400, [HTTP_413] = 413, [HTTP_414] = 414, [HTTP_417] = 417,
		[HTTP_431] = 431, [HTTP_501] = 501, [HTTP_505] = 505,
	};
	const struct http_settings *set = c->settings;
	int id = HTTP_ERRORS - 1;

	while (id > HTTP_400 && known[id] != h->parser.status)
		id--;
	h->head_only = h->parser.method == HTTP_HEAD;
	h->last = h->more = true;
	reply(c, h, &set->error[id]);
}

static void answer(struct pier_conn *c, struct http_conn *h, enum http_event event)
{
	if (event == HTTP_REQUEST)
		answer_request(c, h);
	else if (event == HTTP_CONTINUE)
		answer_continue(c, h);
	else if (event == HTTP_ERROR)
		answer_error(c, h);
}

/* Take n bytes that nobody reads. */
static size_t drain(struct pier_conn *c, struct http_conn *h, size_t n)
{
	if (n > LINGER_BYTES - h->drained) {
		h->phase = CLOSED;
		pier_close(c);
		return n;
	}
	h->drained += (uint32_t)n;
	return n;
}

/* Read one slice, of which behind bytes follow in others. Returns the bytes read. */
static inline size_t read_slice(struct pier_conn *c, struct http_conn *h, const struct pier_slice *s,
			 size_t behind, unsigned int *batch)
{
	const struct http_settings *set = c->settings;
	const char *data = s->data;
	enum http_event event;
	size_t at = 0;

	while (h->phase == SERVING && !h->reply && *batch) {
		at += http_parse_again(&h->parser, &h->query, &set->rules, data + at, s->len - at,
				       &event);
		if (event == HTTP_MORE)
			break;
		h->more = behind || at < s->len;
		h->pipelines |= h->more && event == HTTP_REQUEST;
		answer(c, h, event);
		--*batch;
		if (likely(at == s->len))
			break;
	}
	return at;
}

/* Not everything was taken. Returns how much of it was after all. */
static size_t leave_some(struct pier_conn *c, struct http_conn *h, size_t left)
{
	if (h->phase == LINGERING)
		return drain(c, h, left);
	h->more = true;
	if (h->phase == SERVING && !h->reply)
		pier_resume(c);
	return 0;
}

/* The slice is the last plain request again, and nothing else: it is answered. */
static inline bool answered_again(struct pier_conn *c, struct http_conn *h, const struct pier_slice *s)
{
	const struct http_settings *set = c->settings;

	if (h->phase != SERVING || h->reply || !http_is_last(&h->parser, &set->rules, s->data, s->len))
		return false;
	h->parser = http_request_memo.after;
	h->more = false;
	answer_request(c, h);
	return true;
}

static __attribute__((noinline)) size_t read_slices(struct pier_conn *c, struct http_conn *h,
						    const struct pier_slice *s, unsigned int n)
{
	size_t total = s->len, taken = 0, got;
	unsigned int batch = BATCH, i = 0;

	for (unsigned int k = 1; unlikely(k < n); k++)
		total += s[k].len;
	do {
		got = read_slice(c, h, &s[i], total - taken - s[i].len, &batch);
		taken += got;
	} while (unlikely(got == s[i].len && ++i < n));
	if (likely(taken == total))
		return taken;
	return taken + leave_some(c, h, total - taken);
}

static size_t http_data(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	if (likely(n == 1 && answered_again(c, c->ctx, s)))
		return s->len;
	return read_slices(c, c->ctx, s, n);
}

static void http_writable(struct pier_conn *c, size_t room)
{
	struct http_conn *h = c->ctx;

	if (h->reply && flush(c, h) && h->phase != CLOSED)
		pier_resume(c);
}

/* The client sends no more. It may still be reading the reply. */
static void http_eof(struct pier_conn *c)
{
	struct http_conn *h = c->ctx;

	h->eof = true;
	if (h->reply || h->phase == DELAYED || h->phase == CLOSED)
		return;
	h->phase = CLOSED;
	pier_close(c);
}

/* The delay of an answer is over; or the lingering: the client had its time to close. */
static void http_timer(struct pier_conn *c)
{
	struct http_conn *h = c->ctx;

	if (h->phase == DELAYED) {
		h->phase = SERVING;
		reply_query(c, h);
		if (h->phase != CLOSED && !h->reply)
			pier_resume(c);
	} else {
		h->phase = CLOSED;
		pier_close(c);
	}
}

static void http_stats(const void *settings, pier_stat *add, void *arg)
{
	const struct http_settings *set = settings;

	if (!set->root)
		return;
	add(arg, "files", set->store->n_files);
	add(arg, "file_bytes", set->store->used);
	add(arg, "files_skipped", set->store->skipped);
}

const struct pier_handler handler_http = {
	.abi = PIER_HANDLER_ABI,
	.size = sizeof(struct pier_handler),
	.name = "http",
	.summary = "HTTP/1.1 server: one response for every request, or files (RFC 9110, RFC 9112)",
	.ctx_size = sizeof(struct http_conn),
	.options = &http_options,
	.setup = http_setup,
	.teardown = http_teardown,
	.data = http_data,
	.writable = http_writable,
	.eof = http_eof,
	.timer = http_timer,
	.stats = http_stats,
};
