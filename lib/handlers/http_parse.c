/*
 * The request parser: see http_parse.h for what it promises. Ours, as no well-kept one is packaged.
 *
 * How strict it is. Whatever two readers of one stream could take for two different things is
 * refused with 400: white space before a colon, folded lines, a lone CR, control characters, two
 * Content-Lengths, Content-Length beside Transfer-Encoding, a Transfer-Encoding in HTTP/1.0. Two
 * leniencies of RFC 9112 section 2.2 are granted: a line of a head or a trailer section may end in
 * LF alone, and empty lines before a request line are skipped. Chunk framing must use CRLF.
 *
 * Every state has a step function, which reads a byte or leaves the state, and returns where it stopped.
 * Of names and words the first byte picks the only candidate. What is usual (HTTP/1.1, CRLF) one step takes.
 */
#include "http_parse_priv.h"

#include <string.h>

#define METHOD_MAX 32 /* a longer one is not a method we could know: 501 (RFC 9112 section 3) */

/* The first two are known to http_parse_begins. */
enum state {
	S_START, S_DONE, S_START_LF, S_METHOD,
	S_TARGET, S_SCHEME, S_SLASH1, S_SLASH2, S_AUTHORITY, S_TARGET_REST,
	S_VERSION, S_VERSION_END, S_VERSION_LF,
	S_FIELD, S_NAME, S_VALUE, S_VALUE_LF, S_END_LF,
	S_CHUNK, S_CHUNK_SIZE, S_CHUNK_BWS, S_CHUNK_EXT, S_CHUNK_LF, S_CHUNK_CR, S_CHUNK_END_LF,
	S_CHUNK_DATA, S_BODY, /* bytes that are only counted */
	S_FAILED,
};

/* FORM_OTHER is that of CONNECT and of OPTIONS *: not for GET and HEAD. */
enum form { FORM_OTHER, FORM_ORIGIN, FORM_ABSOLUTE };

static const char *const field_name[] = {
	[F_OTHER] = "",
	[F_HOST] = "host",
	[F_CONNECTION] = "connection",
	[F_LENGTH] = "content-length",
	[F_CODING] = "transfer-encoding",
	[F_EXPECT] = "expect",
	[F_RANGE] = "range",
	[F_IF_RANGE] = "if-range",
	[F_IF_MATCH] = "if-match",
	[F_IF_NONE_MATCH] = "if-none-match",
	[F_IF_MODIFIED] = "if-modified-since",
	[F_IF_UNMODIFIED] = "if-unmodified-since",
};

static const char *const method_text[] = {
	[HTTP_OTHER] = "",
	[HTTP_GET] = "GET",
	[HTTP_HEAD] = "HEAD",
	[HTTP_POST] = "POST",
	[HTTP_PUT] = "PUT",
};

/* What the steps need beside the parser. */
struct scan {
	struct http_query *q;
	const struct http_rules *rules;
	enum http_event *event;
};

static const uint8_t *fail(struct http_parser *p, uint16_t status, const uint8_t *at)
{
	p->state = S_FAILED;
	p->status = status;
	return at;
}

static const uint8_t *move(struct http_parser *p, enum state state, const uint8_t *at)
{
	p->state = state;
	return at;
}

/* The first byte below limit (at most 0x80), or DEL, or end. Eight bytes at a time. */
static const uint8_t *find_below(const uint8_t *at, const uint8_t *end, uint8_t limit)
{
	const uint64_t ones = 0x0101010101010101, tops = ones << 7;
	uint64_t w, del;

	for (; end - at >= 8; at += 8) {
		memcpy(&w, at, 8);
		del = w ^ ones * 0x7f;
		if ((((w - ones * limit) & ~w) | ((del - ones) & ~del)) & tops)
			break;
	}
	while (at < end && *at >= limit && *at != 0x7f)
		at++;
	return at;
}

/* The end of a line that may end in CRLF or LF. */
static const uint8_t *want_eol(struct http_parser *p, enum state lf, enum state next,
			       const uint8_t *at, const uint8_t *end)
{
	if (*at == '\r' && end - at >= 2 && at[1] == '\n')
		return move(p, next, at + 2);
	if (*at == '\r')
		return move(p, lf, at + 1);
	return *at == '\n' ? move(p, next, at + 1) : fail(p, 400, at);
}

static const uint8_t *want_lf(struct http_parser *p, enum state next, const uint8_t *at)
{
	return *at == '\n' ? move(p, next, at + 1) : fail(p, 400, at);
}

static uint8_t method_candidate(uint8_t c)
{
	switch (c) {
	case 'G': return HTTP_GET;
	case 'H': return HTTP_HEAD;
	case 'P': return HTTP_POST; /* or HTTP_PUT: the second byte tells */
	default: return HTTP_OTHER;
	}
}

static const uint8_t *step_start(struct http_parser *p, const uint8_t *at, const uint8_t *end)
{
	if (!is_class(*at, TOKEN))
		return want_eol(p, S_START_LF, S_START, at, end);
	p->method = method_candidate(*at);
	p->pos = 1;
	return move(p, S_METHOD, at + 1);
}

static const uint8_t *step_method(struct http_parser *p, const uint8_t *at, const uint8_t *end)
{
	for (; at < end && is_class(*at, TOKEN); at++, p->pos++) {
		if (p->pos == METHOD_MAX)
			return fail(p, 501, at);
		if (p->method == HTTP_POST && p->pos == 1 && *at == 'U')
			p->method = HTTP_PUT;
		if (p->method != HTTP_OTHER && (uint8_t)method_text[p->method][p->pos] != *at)
			p->method = HTTP_OTHER;
	}
	if (at == end)
		return at;
	if (*at != ' ')
		return fail(p, 400, at);
	if (method_text[p->method][p->method == HTTP_OTHER ? 0 : p->pos])
		p->method = HTTP_OTHER;
	return move(p, S_TARGET, at + 1);
}

/* The target's form is in its first bytes (RFC 9112 section 3.2); the rest is the site's to read. */
static const uint8_t *step_target(struct http_parser *p, const struct scan *x, const uint8_t *at)
{
	uint8_t c = *at;

	if (c <= ' ' || c == 0x7f)
		return fail(p, 400, at);
	p->form = c == '/' ? FORM_ORIGIN : FORM_OTHER;
	if (x->rules->site)
		http_target_begin(x->q, x->rules->site, p->form != FORM_ORIGIN);
	if (!is_class(c, SCHEME) || lower(c) < 'a')
		return move(p, S_TARGET_REST, at + 1);
	return move(p, S_SCHEME, at + 1);
}

static const uint8_t *step_absolute(struct http_parser *p, const uint8_t *at)
{
	uint8_t c = *at;

	if (p->state == S_SCHEME && is_class(c, SCHEME))
		return at + 1;
	if (p->state == S_SCHEME && c == ':')
		return move(p, S_SLASH1, at + 1);
	if (p->state == S_SLASH1 && c == '/')
		return move(p, S_SLASH2, at + 1);
	if (p->state == S_SLASH2 && c == '/')
		return move(p, S_AUTHORITY, at + 1);
	if (p->state == S_AUTHORITY && is_class(c, HOST))
		p->form = FORM_ABSOLUTE;
	return move(p, S_TARGET_REST, at);
}

static bool end_target(struct http_parser *p, const struct scan *x)
{
	if (!x->rules->site || p->form == FORM_OTHER)
		return true;
	if (!http_target_end(x->q, x->rules->site))
		return false;
	if (x->q->what != HTTP_PLAIN || x->q->delay)
		p->flags |= HTTP_HAS_QUERY;
	return true;
}

static const uint8_t *step_target_rest(struct http_parser *p, const struct scan *x,
				       const uint8_t *at, const uint8_t *end)
{
	const uint8_t *from = at;

	at = find_below(at, end, ' ' + 1);
	if (x->rules->site && p->form != FORM_OTHER)
		http_target_bytes(x->q, x->rules->site, from, (size_t)(at - from));
	if (at == end)
		return at;
	if (*at != ' ' || !end_target(p, x))
		return fail(p, 400, at);
	p->pos = 0;
	return move(p, S_VERSION, at + 1);
}

static const uint8_t *step_version(struct http_parser *p, const uint8_t *at, const uint8_t *end)
{
	static const char text[] = "HTTP/d.d";
	uint8_t want = (uint8_t)text[p->pos];

	if (p->pos == 0 && end - at >= 8 && !memcmp(at, "HTTP/1.1", 8)) {
		p->minor = 1;
		p->pos = 8;
		return move(p, S_VERSION_END, at + 8);
	}
	if (want == 'd' ? !is_digit(*at) : *at != want)
		return fail(p, 400, at);
	if (p->pos == 5)
		p->minor = *at - '0'; /* the major version, until the minor one comes */
	if (++p->pos < sizeof(text) - 1)
		return at + 1;
	if (p->minor != 1)
		return fail(p, 505, at);
	p->minor = *at - '0';
	return move(p, S_VERSION_END, at + 1);
}

/* RFC 9112 section 6.1 and 6.3. Returns the status that refuses the request, or 0. */
static uint16_t check_coding(const struct http_parser *p)
{
	if (p->minor == 0 || (p->flags & HAS_LENGTH))
		return 400;
	if (!(p->flags & TE_LAST) || (p->flags & TE_TWICE))
		return 400;
	return p->flags & TE_OTHER ? 501 : 0;
}

/* The status that refuses a request whose head is complete, or 0. */
static uint16_t check_head(const struct http_parser *p, const struct http_rules *rules)
{
	uint16_t status = p->flags & HAS_CODING ? check_coding(p) : 0;

	if (status)
		return status;
	if (p->minor >= 1 && !(p->flags & HAS_HOST))
		return 400;
	if (p->method != HTTP_OTHER && p->form == FORM_OTHER)
		return 400;
	if (p->minor >= 1 && (p->flags & HAS_OTHER))
		return 417;
	return rules->max_body && p->left > rules->max_body ? 413 : 0;
}

static const uint8_t *end_head(struct http_parser *p, const struct scan *x, const uint8_t *at)
{
	uint16_t status = check_head(p, x->rules);

	if (status)
		return fail(p, status, at);
	x->q->body = p->left;
	if ((p->flags & HAS_CODING) || (p->method != HTTP_GET && p->method != HTTP_HEAD))
		p->flags |= HTTP_HAS_QUERY;
	p->line = 0;
	if (p->flags & HAS_CODING)
		p->state = S_CHUNK;
	else if (p->left)
		p->state = S_BODY;
	else
		p->state = S_DONE;
	if (p->state == S_DONE)
		*x->event = HTTP_REQUEST;
	else if (p->minor >= 1 && (p->flags & HAS_CONTINUE))
		*x->event = HTTP_CONTINUE;
	return at + 1;
}

/* The LF of the empty line after the fields. */
static const uint8_t *end_fields(struct http_parser *p, const struct scan *x, const uint8_t *at)
{
	if (*at != '\n')
		return fail(p, 400, at);
	if (!(p->flags & IN_TRAILER))
		return end_head(p, x, at);
	*x->event = HTTP_REQUEST;
	return move(p, S_DONE, at + 1);
}

static uint8_t field_candidate(uint8_t c)
{
	switch (lower(c)) {
	case 'h': return F_HOST;
	case 'c': return F_CONNECTION; /* or F_LENGTH: the fourth byte tells */
	case 't': return F_CODING;
	case 'e': return F_EXPECT;
	case 'r': return F_RANGE;
	case 'i': return F_IF_RANGE; /* or another condition: see condition_candidate */
	default: return F_OTHER;
	}
}

/* Of names that begin with "if-" the fourth and fifth byte tell. */
static uint8_t condition_candidate(uint8_t field, uint8_t pos, uint8_t c)
{
	if (field == F_IF_RANGE && pos == 3)
		return c == 'm' ? F_IF_MATCH : c == 'n' ? F_IF_NONE_MATCH :
		       c == 'u' ? F_IF_UNMODIFIED : F_IF_RANGE;
	return field == F_IF_MATCH && pos == 4 && c == 'o' ? F_IF_MODIFIED : field;
}

static const uint8_t *step_field(struct http_parser *p, const struct scan *x, const uint8_t *at)
{
	if (*at == '\r')
		return move(p, S_END_LF, at + 1);
	if (*at == '\n')
		return end_fields(p, x, at);
	if (!is_class(*at, TOKEN))
		return fail(p, 400, at); /* a folded line, or no name */
	p->field = p->flags & IN_TRAILER ? F_OTHER : field_candidate(*at);
	p->pos = 1;
	return move(p, S_NAME, at + 1);
}

/* The name is complete. Returns false if this field may not be here again. */
static bool begin_value(struct http_parser *p, const struct scan *x)
{
	static const uint16_t flag[F_IF_UNMODIFIED + 1] = {
		[F_HOST] = HAS_HOST, [F_LENGTH] = HAS_LENGTH, [F_CODING] = HAS_CODING,
		[F_RANGE ... F_IF_UNMODIFIED] = HTTP_HAS_QUERY,
	};

	if (p->field != F_OTHER && field_name[p->field][p->pos])
		p->field = F_OTHER;
	if (p->field < F_RANGE && p->field != F_CODING && (p->flags & flag[p->field]))
		return false;
	p->flags |= flag[p->field];
	if (p->field >= F_RANGE)
		http_field_begin(x->q, (enum http_condition)(p->field - F_RANGE));
	p->pos = ITEM_BEFORE;
	p->word = W_NONE;
	p->gap = 0;
	return true;
}

static const uint8_t *step_name(struct http_parser *p, const struct scan *x, const uint8_t *at,
				const uint8_t *end)
{
	for (; at < end && p->field != F_OTHER && is_class(*at, TOKEN); at++, p->pos++) {
		if (p->field == F_CONNECTION && p->pos == 3 && lower(*at) == 't')
			p->field = F_LENGTH;
		if (p->field >= F_IF_RANGE)
			p->field = condition_candidate(p->field, p->pos, lower(*at));
		if ((uint8_t)field_name[p->field][p->pos] != lower(*at))
			p->field = F_OTHER;
	}
	while (at < end && is_class(*at, TOKEN))
		at++;
	if (at == end)
		return at;
	if (*at != ':' || !begin_value(p, x))
		return fail(p, 400, at);
	return move(p, S_VALUE, at + 1);
}

/* Read a run of the value; returns its end, or the byte that cannot be there. */
static const uint8_t *value_run(struct http_parser *p, const struct scan *x, const uint8_t *at,
				const uint8_t *end)
{
	for (; at < end; at++) {
		if (p->field == F_OTHER)
			at = find_below(at, end, ' ');
		if (at == end || (*at < ' ' && *at != '\t') || *at == 0x7f)
			return at;
		if (p->field == F_HOST || p->field == F_LENGTH) {
			if (!http_item_byte(p, *at))
				return at;
		} else if (p->field >= F_RANGE) {
			http_field_byte(x->q, x->rules->site,
					(enum http_condition)(p->field - F_RANGE), *at);
		} else if (p->field != F_OTHER) {
			http_list_byte(p, *at);
		}
	}
	return at;
}

static const uint8_t *step_value(struct http_parser *p, const struct scan *x, const uint8_t *at,
				 const uint8_t *end)
{
	at = value_run(p, x, at, end);
	if (at == end)
		return at;
	if (p->field == F_LENGTH && p->pos == ITEM_BEFORE)
		return fail(p, 400, at);
	if (p->field >= F_RANGE)
		http_field_end(x->q, x->rules->site, (enum http_condition)(p->field - F_RANGE));
	else
		http_list_end(p);
	return want_eol(p, S_VALUE_LF, S_FIELD, at, end);
}

static int hex_value(uint8_t c)
{
	if (is_digit(c))
		return c - '0';
	return lower(c) >= 'a' && lower(c) <= 'f' ? lower(c) - 'a' + 10 : -1;
}

/* RFC 9112 section 7.1. The first digit, then the rest of the size and what may follow it. */
static const uint8_t *step_chunk_size(struct http_parser *p, const uint8_t *at)
{
	int digit = hex_value(*at);

	if (p->state == S_CHUNK && digit < 0)
		return fail(p, 400, at);
	if (digit >= 0) {
		if (p->left >> 59)
			return fail(p, 400, at);
		p->left = p->left << 4 | (unsigned int)digit;
		return move(p, S_CHUNK_SIZE, at + 1);
	}
	if (*at == '\r')
		return move(p, S_CHUNK_LF, at + 1);
	if (is_blank(*at))
		return move(p, S_CHUNK_BWS, at + 1);
	return *at == ';' ? move(p, S_CHUNK_EXT, at + 1) : fail(p, 400, at);
}

static const uint8_t *step_chunk_bws(struct http_parser *p, const uint8_t *at)
{
	if (is_blank(*at))
		return at + 1;
	return *at == ';' ? move(p, S_CHUNK_EXT, at + 1) : fail(p, 400, at);
}

static const uint8_t *step_chunk_ext(struct http_parser *p, const uint8_t *at, const uint8_t *end)
{
	at = find_below(at, end, ' ');
	if (at == end)
		return at;
	if (*at == '\t')
		return at + 1;
	return *at == '\r' ? move(p, S_CHUNK_LF, at + 1) : fail(p, 400, at);
}

static const uint8_t *step_chunk_lf(struct http_parser *p, const struct scan *x, const uint8_t *at)
{
	if (*at != '\n')
		return fail(p, 400, at);
	x->q->body += p->left;
	if (x->rules->max_body && x->q->body > x->rules->max_body)
		return fail(p, 413, at);
	if (p->left)
		return move(p, S_CHUNK_DATA, at + 1);
	p->flags |= IN_TRAILER;
	return move(p, S_FIELD, at + 1);
}

/* Read from at, which is before end; returns where it stopped. */
static const uint8_t *step(struct http_parser *p, const struct scan *x, const uint8_t *at,
			   const uint8_t *end)
{
	switch ((enum state)p->state) {
	case S_START: return step_start(p, at, end);
	case S_START_LF: return want_lf(p, S_START, at);
	case S_METHOD: return step_method(p, at, end);
	case S_TARGET: return step_target(p, x, at);
	case S_SCHEME:
	case S_SLASH1:
	case S_SLASH2:
	case S_AUTHORITY: return step_absolute(p, at);
	case S_TARGET_REST: return step_target_rest(p, x, at, end);
	case S_VERSION: return step_version(p, at, end);
	case S_VERSION_END: return want_eol(p, S_VERSION_LF, S_FIELD, at, end);
	case S_VERSION_LF: return want_lf(p, S_FIELD, at);
	case S_FIELD: return step_field(p, x, at);
	case S_NAME: return step_name(p, x, at, end);
	case S_VALUE: return step_value(p, x, at, end);
	case S_VALUE_LF: return want_lf(p, S_FIELD, at);
	case S_END_LF: return end_fields(p, x, at);
	case S_CHUNK:
	case S_CHUNK_SIZE: return step_chunk_size(p, at);
	case S_CHUNK_BWS: return step_chunk_bws(p, at);
	case S_CHUNK_EXT: return step_chunk_ext(p, at, end);
	case S_CHUNK_LF: return step_chunk_lf(p, x, at);
	case S_CHUNK_CR: return *at == '\r' ? move(p, S_CHUNK_END_LF, at + 1) : fail(p, 400, at);
	case S_CHUNK_END_LF: return want_lf(p, S_CHUNK, at);
	case S_CHUNK_DATA:
	case S_BODY:
	case S_DONE:
	case S_FAILED: break; /* not here: see http_parse */
	}
	return at;
}

/* Count bytes of a body or chunk. */
static const uint8_t *skip(struct http_parser *p, const uint8_t *at, const uint8_t *end,
			   enum http_event *event)
{
	size_t n = (size_t)(end - at);

	if (n > p->left)
		n = (size_t)p->left;
	p->left -= n;
	if (p->left)
		return at + n;
	if (p->state == S_CHUNK_DATA) {
		p->line = 0;
		return move(p, S_CHUNK_CR, at + n);
	}
	*event = HTTP_REQUEST;
	return move(p, S_DONE, at + n);
}

static uint16_t too_long(const struct http_parser *p)
{
	if (p->state >= S_METHOD && p->state <= S_VERSION_LF)
		return 414;
	return p->state >= S_FIELD && p->state <= S_END_LF ? 431 : 400;
}

size_t http_parse(struct http_parser *p, struct http_query *q, const struct http_rules *rules,
		  const void *data, size_t len, enum http_event *event)
{
	const struct scan x = { q, rules, event };
	const uint32_t max_head = rules->max_head;
	const uint8_t *from = data, *at = from, *end = from + len;

	if (p->state == S_DONE) {
		memset(p, 0, sizeof(*p));
		memset(q, 0, sizeof(*q));
	}
	*event = HTTP_MORE;
	while (at < end && *event == HTTP_MORE && p->state != S_FAILED) {
		const uint8_t *was = at, *stop = end;

		if (p->state == S_BODY || p->state == S_CHUNK_DATA) {
			at = skip(p, at, end, event);
			continue;
		}
		if (p->line == max_head) {
			fail(p, too_long(p), at);
			break;
		}
		if ((size_t)(end - at) > max_head - p->line)
			stop = at + (max_head - p->line);
		at = step(p, &x, at, stop);
		p->line += (uint32_t)(at - was);
	}
	if (p->state == S_FAILED)
		*event = HTTP_ERROR;
	return (size_t)(at - from);
}
