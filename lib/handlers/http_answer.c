/*
 * See http_answer.h.
 */
#include "http_answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "date.h"

static bool is_upload(const struct http_parser *p)
{
	return p->method == HTTP_POST || p->method == HTTP_PUT;
}

static const struct http_file *file_of(const struct http_settings *set, const struct http_query *q)
{
	if (q->what == HTTP_FILE || q->what == HTTP_MOVED)
		return set->site.keys[q->lo].file;
	return q->what == HTTP_PLAIN ? &set->plain : NULL;
}

/* The status that conditions make of a 200. */
static uint16_t condition(const struct http_query *q)
{
	if (http_saw(q, HTTP_IF_MATCH)) {
		if (!http_holds(q, HTTP_IF_MATCH))
			return 412;
	} else if (http_saw(q, HTTP_IF_UNMODIFIED_SINCE) && !http_holds(q, HTTP_IF_UNMODIFIED_SINCE)) {
		return 412;
	}
	if (http_saw(q, HTTP_IF_NONE_MATCH))
		return http_holds(q, HTTP_IF_NONE_MATCH) ? 304 : 200;
	return http_holds(q, HTTP_IF_MODIFIED_SINCE) ? 304 : 200;
}

/* RFC 9110 section 14.1.2, of len bytes. Makes last exclusive. Returns the status. */
static uint16_t cut(struct http_query *q, uint64_t len)
{
	if (q->suffix) {
		if (!q->first || !len)
			return 416;
		q->first = q->first < len ? len - q->first : 0;
		q->last = len;
		return 206;
	}
	if (q->first >= len)
		return 416;
	q->last = q->last < len ? q->last + 1 : len;
	return 206;
}

/* Of what could be sent whole; only a GET has ranges (RFC 9110 section 14.2). */
static uint16_t part(const struct http_parser *p, struct http_query *q, uint64_t len)
{
	if (p->method == HTTP_GET && http_holds(q, HTTP_RANGE) &&
	    (!http_saw(q, HTTP_IF_RANGE) || http_holds(q, HTTP_IF_RANGE)))
		return cut(q, len);
	q->first = 0;
	q->last = len;
	return 200;
}

const struct http_reply *http_answer(const struct http_settings *set, const struct http_parser *p,
				     struct http_query *q, enum http_mode mode)
{
	const struct http_file *f = file_of(set, q);

	if (q->what == HTTP_STATUS) {
		q->status = (uint16_t)q->number;
	} else if (is_upload(p)) {
		q->status = set->root ? 200 : (uint16_t)set->status;
	} else if (q->what == HTTP_BYTES) {
		q->status = part(p, q, q->number);
	} else if (!f) {
		q->status = 404;
	} else {
		if (q->what == HTTP_MOVED || (q->what == HTTP_PLAIN && set->status != 200))
			return &f->whole[mode];
		q->status = condition(q);
		if (q->status == 200)
			q->status = part(p, q, f->len);
		if (q->status == 200)
			return &f->whole[mode];
	}
	return NULL;
}

struct text {
	char *to;
	size_t len;
};

static void __attribute__((format(printf, 2, 3))) add(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->to + t->len, HTTP_INLINE_MAX - t->len, format, args);
	va_end(args);
	if (n > 0)
		t->len += (size_t)n;
	if (t->len >= HTTP_INLINE_MAX)
		t->len = HTTP_INLINE_MAX - 1; /* cannot be: each part is bounded well below */
}

static void add_validators(struct text *t, const struct http_validators *v)
{
	if (v->etag_len)
		add(t, "Last-Modified: %s\r\nETag: \"%s\"\r\n", v->modified, v->etag);
}

/* What a status cannot be without (RFC 9110 section 15), where a tester asks for it. */
static const char *fields_of(uint32_t status)
{
	switch (status) {
	case 301:
	case 302:
	case 303:
	case 307:
	case 308: return "Location: /\r\n";
	case 401: return "WWW-Authenticate: Basic realm=\"pier\"\r\n";
	case 405: return "Allow: GET, HEAD\r\n";
	case 407: return "Proxy-Authenticate: Basic realm=\"pier\"\r\n";
	case 426: return "Upgrade: HTTP/1.1\r\nConnection: upgrade\r\n"; /* section 7.8 */
	default: return "";
	}
}

/* Whether the body is bytes first to last of something. */
static bool is_part(const struct http_parser *p, const struct http_query *q)
{
	return q->what != HTTP_STATUS && !is_upload(p) && (q->status == 200 || q->status == 206);
}

static uint64_t whole_len(const struct http_settings *set, const struct http_query *q)
{
	const struct http_file *f = file_of(set, q);

	return f ? f->len : q->number;
}

static void add_part(struct text *t, const struct http_settings *set, const struct http_query *q)
{
	const struct http_file *f = file_of(set, q);
	const char *type = f ? f->type : "text/plain";

	if (type)
		add(t, "Content-Type: %s\r\n", type);
	if (f)
		add_validators(t, &f->valid);
	add(t, "Accept-Ranges: bytes\r\n");
	if (q->status == 206)
		add(t, "Content-Range: bytes %llu-%llu/%llu\r\n", (unsigned long long)q->first,
		    (unsigned long long)q->last - 1, (unsigned long long)whole_len(set, q));
	add(t, "Content-Length: %llu\r\n", (unsigned long long)(q->last - q->first));
}

static void words_of(const struct http_parser *p, const struct http_query *q, char *to, size_t len)
{
	if (q->what != HTTP_STATUS && is_upload(p))
		snprintf(to, len, "%llu bytes received\n", (unsigned long long)q->body);
	else if (q->status == 205)
		*to = 0; /* RFC 9110 section 15.3.6 */
	else
		snprintf(to, len, "%u %s\n", q->status, http_reason(q->status));
}

static void add_fields(struct text *t, const struct http_settings *set, const struct http_parser *p,
		       const struct http_query *q, const char *words)
{
	const struct http_file *f = file_of(set, q);

	if (is_part(p, q)) {
		add_part(t, set, q);
		return;
	}
	if (q->status == 416)
		add(t, "Content-Range: bytes */%llu\r\n",
		    (unsigned long long)(q->what == HTTP_STATUS ? 0 : whole_len(set, q)));
	if (q->status == 304 && f && q->what != HTTP_STATUS)
		add_validators(t, &f->valid);
	if (q->what == HTTP_STATUS)
		add(t, "%s", fields_of(q->status));
	if (http_has_body(q->status))
		add(t, "Content-Type: text/plain\r\nContent-Length: %zu\r\n", strlen(words));
}

size_t http_answer_head(const struct http_settings *set, const struct http_parser *p,
			const struct http_query *q, enum http_mode mode, const char *date, char *to)
{
	static const char *const connection[HTTP_MODES] = {
		"", "Connection: keep-alive\r\n", "Connection: close\r\n",
	};
	struct text t = { .to = to };
	char words[64];

	words_of(p, q, words, sizeof(words));
	add(&t, "HTTP/1.1 %u %s\r\n%sDate: %.*s\r\n", q->status, http_reason(q->status),
	    set->server ? "Server: pier\r\n" : "", DATE_HTTP_LEN, date);
	add_fields(&t, set, p, q, words);
	add(&t, "%s\r\n", connection[mode]);
	if (p->method != HTTP_HEAD && !is_part(p, q) && http_has_body(q->status))
		add(&t, "%s", words);
	return t.len;
}

const char *http_answer_body(const struct http_settings *set, const struct http_parser *p,
			     const struct http_query *q, uint64_t at, uint64_t *len)
{
	uint64_t from = q->first + at;

	*len = 0;
	if (p->method == HTTP_HEAD || !is_part(p, q) || from >= q->last)
		return NULL;
	*len = q->last - from;
	if (q->what != HTTP_BYTES)
		return file_of(set, q)->body + from;
	from %= HTTP_PAGE;
	if (*len > HTTP_PAGE - from)
		*len = HTTP_PAGE - from;
	return set->page + from;
}
