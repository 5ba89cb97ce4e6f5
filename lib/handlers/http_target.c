/*
 * The target of a request, byte by byte: see handlers/http_query.h.
 */
#include "handlers/http_query.h"

#include <string.h>

enum target { T_PATH, T_AUTHORITY, T_PERCENT, T_PERCENT_2, T_NUMBER, T_REST, T_BAD };

int http_key_order(const void *a, const void *b)
{
	const struct http_key *x = a, *y = b;
	size_t n = x->len < y->len ? x->len : y->len;
	int order = memcmp(x->path, y->path, n);

	if (order)
		return order;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return (x->kind < y->kind) - (x->kind > y->kind);
}

/* The byte of key i behind what matched, or -1 at its end. */
static int next_byte(const struct http_site *s, uint32_t i, uint16_t at)
{
	return at < s->keys[i].len ? (uint8_t)s->keys[i].path[at] : -1;
}

/* The first of keys lo to hi-1, which agree in at bytes, whose next byte is not below c; or hi. */
static uint32_t first_from(const struct http_site *s, uint32_t lo, uint32_t hi, uint16_t at, int c)
{
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (next_byte(s, mid, at) < c)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void restart(struct http_query *q, const struct http_site *s)
{
	q->lo = 0;
	q->hi = s->n;
	q->at = 0;
	q->what = HTTP_PLAIN;
	q->target = T_PATH;
}

static void nothing(struct http_query *q)
{
	q->what = HTTP_NONE;
	q->target = T_REST;
}

/* The target goes on with this byte. */
static void narrow(struct http_query *q, const struct http_site *s, uint8_t c)
{
	if (q->lo == q->hi)
		return;
	q->lo = first_from(s, q->lo, q->hi, q->at, c);
	q->hi = first_from(s, q->lo, q->hi, q->at, c + 1);
	q->at++;
	if (q->lo < q->hi && s->keys[q->lo].len == q->at && s->keys[q->lo].kind >= HTTP_BYTES) {
		q->what = s->keys[q->lo].kind;
		q->target = T_NUMBER;
		q->number = 0;
		q->digits = 0;
	}
}

static void end_delay(struct http_query *q, const struct http_site *s)
{
	if (!q->digits || q->number > HTTP_DELAY_MAX - q->delay) {
		nothing(q);
		return;
	}
	q->delay += (uint32_t)q->number;
	restart(q, s);
}

static void number_byte(struct http_query *q, const struct http_site *s, uint8_t c)
{
	if (c >= '0' && c <= '9' && q->number <= (UINT64_MAX / 2 - 9) / 10) {
		q->number = q->number * 10 + (uint64_t)(c - '0');
		q->digits = 1;
	} else if (c == '?') {
		q->target = T_REST;
	} else if (c == '/' && q->what == HTTP_DELAY) {
		end_delay(q, s);
	} else {
		nothing(q);
	}
}

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void percent_byte(struct http_query *q, const struct http_site *s, uint8_t c)
{
	int v = hex_value(c);

	if (v < 0) {
		q->target = T_BAD;
	} else if (q->target == T_PERCENT) {
		q->digits = (uint8_t)v;
		q->target = T_PERCENT_2;
	} else {
		c = (uint8_t)(q->digits << 4 | v);
		q->target = c ? T_PATH : T_BAD;
		if (c == '/')
			q->hi = q->lo; /* it is a part of a name, and no name has one */
		else
			narrow(q, s, c);
	}
}

static void path_byte(struct http_query *q, const struct http_site *s, uint8_t c)
{
	if (c == '?')
		q->target = T_REST;
	else if (c == '%')
		q->target = T_PERCENT;
	else
		narrow(q, s, c);
}

void http_target_begin(struct http_query *q, const struct http_site *s, bool absolute)
{
	restart(q, s);
	if (absolute)
		q->target = T_AUTHORITY;
}

void http_target_bytes(struct http_query *q, const struct http_site *s, const uint8_t *p, size_t n)
{
	for (const uint8_t *end = p + n; p < end; p++) {
		switch ((enum target)q->target) {
		case T_AUTHORITY:
			if (*p == '/' || *p == '?')
				q->target = *p == '/' ? T_PATH : T_REST;
			break;
		case T_PATH: path_byte(q, s, *p); break;
		case T_PERCENT:
		case T_PERCENT_2: percent_byte(q, s, *p); break;
		case T_NUMBER: number_byte(q, s, *p); break;
		case T_REST:
		case T_BAD: return;
		}
	}
}

static void end_number(struct http_query *q)
{
	if (!q->digits || (q->what == HTTP_STATUS && (q->number < 200 || q->number > 599)))
		nothing(q);
}

bool http_target_end(struct http_query *q, const struct http_site *s)
{
	if (q->target == T_PERCENT || q->target == T_PERCENT_2 || q->target == T_BAD) {
		q->what = HTTP_PLAIN;
		return !s->only;
	}
	if (q->what == HTTP_DELAY)
		end_delay(q, s);
	if (q->what >= HTTP_BYTES)
		end_number(q);
	else if (q->what == HTTP_PLAIN && q->lo < q->hi && s->keys[q->lo].len == q->at)
		q->what = s->keys[q->lo].kind;
	else if (s->only)
		q->what = HTTP_NONE;
	return true;
}
