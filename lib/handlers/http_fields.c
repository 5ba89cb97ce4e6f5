/*
 * The fields on ranges and conditions, byte by byte: see handlers/http_query.h.
 *
 * One range is served. A request for several gets the whole, as RFC 9110 section 14.2 allows: no
 * client needs several, and answering them is a known way to make a server do a lot of work. What is
 * not a byte range, or not a date, is as if it were not there.
 */
#include "handlers/http_query.h"

#include <string.h>

#include "date.h"

enum range { R_UNIT = 0, R_EQUALS = 5, R_FIRST, R_IN_FIRST, R_OPEN, R_IN_LAST, R_SUFFIX, R_IN_SUFFIX,
	     R_AFTER, R_BAD };
enum tag { E_BEFORE, E_WEAK, E_QUOTE, E_IN, E_AFTER, E_DATE, E_BAD };
#define NO_MATCH 0xff

/* A date's three forms, behind the name of the day (RFC 9110 section 5.6.7). */
enum { DAY_NAME, IMF, RFC850, ASCTIME, NO_DATE };
static const char *const date_form[] = {
	[IMF] = " dd nnn YYYY hh:mm:ss GMT",
	[RFC850] = " dd-nnn-YY hh:mm:ss GMT",
	[ASCTIME] = "nnn Dd hh:mm:ss YYYY",
};

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static const struct http_validators *validators(const struct http_query *q, const struct http_site *s)
{
	static const struct http_validators none;
	const struct http_validators *v = NULL;

	if (s && q->what == HTTP_FILE)
		v = s->keys[q->lo].valid;
	else if (s && q->what == HTTP_PLAIN)
		v = s->valid;
	return v ? v : &none;
}

static void holds(struct http_query *q, enum http_condition field)
{
	q->holds |= (uint8_t)(1u << field);
}

/* ---- Range ---- */

static uint64_t add_digit(uint64_t to, uint8_t c)
{
	return to > (UINT64_MAX - 9) / 10 ? UINT64_MAX : to * 10 + (uint64_t)(c - '0');
}

static enum range range_first(struct http_query *q, uint8_t c)
{
	if (is_blank(c) && q->pos == R_FIRST)
		return R_FIRST;
	if (c == '-') {
		q->suffix = q->pos == R_FIRST;
		q->last = UINT64_MAX;
		return q->suffix ? R_SUFFIX : R_OPEN;
	}
	if (!is_digit(c))
		return R_BAD;
	q->first = add_digit(q->first, c);
	return R_IN_FIRST;
}

static enum range range_last(struct http_query *q, uint8_t c)
{
	const bool suffix = q->pos == R_SUFFIX || q->pos == R_IN_SUFFIX;

	if (is_blank(c))
		return q->pos == R_SUFFIX ? R_BAD : R_AFTER;
	if (!is_digit(c))
		return R_BAD;
	if (suffix)
		q->first = add_digit(q->first, c);
	else
		q->last = add_digit(q->pos == R_OPEN ? 0 : q->last, c);
	return suffix ? R_IN_SUFFIX : R_IN_LAST;
}

static enum range range_byte(struct http_query *q, uint8_t c)
{
	switch (q->pos) {
	case R_EQUALS: return c == '=' ? R_FIRST : R_BAD;
	case R_FIRST:
	case R_IN_FIRST: return range_first(q, c);
	case R_OPEN:
	case R_IN_LAST:
	case R_SUFFIX:
	case R_IN_SUFFIX: return range_last(q, c);
	case R_AFTER: return is_blank(c) ? R_AFTER : R_BAD;
	case R_BAD: return R_BAD;
	default: break;
	}
	if (q->pos == R_UNIT && is_blank(c))
		return R_UNIT;
	return (c | 0x20) == (uint8_t)"bytes"[q->pos] ? (enum range)(q->pos + 1) : R_BAD;
}

static bool range_ends(const struct http_query *q)
{
	if (q->pos != R_OPEN && q->pos != R_IN_LAST && q->pos != R_IN_SUFFIX && q->pos != R_AFTER)
		return false;
	return q->suffix || q->first <= q->last;
}

/* ---- entity tags ---- */

static void tag_ends(struct http_query *q, const struct http_validators *v,
		     enum http_condition field)
{
	q->pos = E_AFTER;
	if (v->etag_len && q->match == v->etag_len && (field == HTTP_IF_NONE_MATCH || !q->weak))
		holds(q, field);
	q->weak = false;
}

static void tag_begins(struct http_query *q, enum http_condition field, uint8_t c)
{
	if (is_blank(c) || c == ',')
		return;
	q->match = 0;
	q->pos = c == '"' ? E_IN : c == 'W' ? E_WEAK : E_BAD;
	if (c == '*') {
		holds(q, field);
		q->pos = E_AFTER;
	}
}

static void tag_byte(struct http_query *q, const struct http_validators *v,
		     enum http_condition field, uint8_t c)
{
	switch ((enum tag)q->pos) {
	case E_BEFORE: tag_begins(q, field, c); break;
	case E_WEAK:
		q->weak = true;
		q->pos = c == '/' ? E_QUOTE : E_BAD;
		break;
	case E_QUOTE: q->pos = c == '"' ? E_IN : E_BAD; break;
	case E_IN:
		if (c == '"')
			tag_ends(q, v, field);
		else if (q->match < v->etag_len && c == (uint8_t)v->etag[q->match])
			q->match++;
		else
			q->match = NO_MATCH;
		break;
	case E_AFTER:
		if (!is_blank(c))
			q->pos = c == ',' && field != HTTP_IF_RANGE ? E_BEFORE : E_BAD;
		break;
	case E_DATE:
	case E_BAD: break;
	}
}

/*
 * RFC 9110 section 13.1.5: one strong tag, or the very date that was given out. A weak tag never
 * agrees, and here is a date that differs in its second byte.
 */
static void if_range_byte(struct http_query *q, const struct http_validators *v, uint8_t c)
{
	if (q->pos == E_BEFORE && is_blank(c))
		return;
	if (q->pos == E_BEFORE && c != '"')
		q->pos = E_DATE;
	if (q->pos != E_DATE) {
		tag_byte(q, v, HTTP_IF_RANGE, c);
		return;
	}
	if (is_blank(c) && q->match == DATE_HTTP_LEN)
		return;
	if (v->etag_len && q->match < DATE_HTTP_LEN && c == (uint8_t)v->modified[q->match])
		q->match++;
	else
		q->match = NO_MATCH;
}

static void if_range_ends(struct http_query *q)
{
	if (q->pos == E_DATE && q->match == DATE_HTTP_LEN)
		holds(q, HTTP_IF_RANGE);
	else if (q->pos != E_AFTER)
		q->holds &= (uint8_t)~(1u << HTTP_IF_RANGE);
}

/* ---- dates ---- */

static uint8_t two_digits(uint8_t was, uint8_t c)
{
	return (uint8_t)(was % 10 * 10 + (c - '0'));
}

/* A digit of whatever the form has here. */
static bool date_digit(struct http_query *q, char what, uint8_t c)
{
	if (what == 'D' && c == ' ')
		c = '0';
	if (!is_digit(c))
		return false;
	switch (what) {
	case 'D':
	case 'd': q->day = two_digits(q->day, c); break;
	case 'h': q->hour = two_digits(q->hour, c); break;
	case 'm': q->min = two_digits(q->min, c); break;
	case 's': q->sec = two_digits(q->sec, c); break;
	default: q->year = (uint16_t)(q->year * 10 + (c - '0')); break;
	}
	return true;
}

static void day_name_byte(struct http_query *q, uint8_t c)
{
	const bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

	if (q->pos == 0 && is_blank(c))
		return;
	if (letter && q->pos < 9) {
		q->pos++;
		return;
	}
	q->form = NO_DATE;
	if (c == ',' && q->pos >= 3)
		q->form = q->pos == 3 ? IMF : RFC850;
	else if (c == ' ' && q->pos == 3)
		q->form = ASCTIME;
	q->pos = 0;
}

static void date_byte(struct http_query *q, uint8_t c)
{
	char what;
	bool fits;

	if (q->form == DAY_NAME) {
		day_name_byte(q, c);
		return;
	}
	if (q->form == NO_DATE)
		return;
	what = date_form[q->form][q->pos];
	if (!what && is_blank(c))
		return;
	if (what == 'n') {
		q->word = q->word << 8 | (c | 0x20u);
		fits = true;
	} else if (what && strchr("DdhmsY", what)) {
		fits = date_digit(q, what, c);
	} else {
		fits = what && c == (uint8_t)what;
	}
	if (fits)
		q->pos++;
	else
		q->form = NO_DATE;
}

static bool date_is(const struct http_query *q, int64_t *sec)
{
	struct date_parts d = { q->year, 0, q->day, q->hour, q->min, q->sec };

	if (q->form == DAY_NAME || q->form == NO_DATE || date_form[q->form][q->pos])
		return false;
	if (q->form == RFC850)
		d.year += d.year < 70 ? 2000 : 1900;
	d.month = date_month(q->word);
	return date_seconds(&d, sec);
}

/* RFC 9110 sections 13.1.3 and 13.1.4: what is no date is as if it were not there. */
static void date_ends(struct http_query *q, const struct http_validators *v,
		      enum http_condition field)
{
	int64_t sec;

	if (!v->etag_len || !date_is(q, &sec))
		q->seen &= (uint8_t)~(1u << field);
	else if (v->mtime <= sec)
		holds(q, field);
}

/* ---- all of them ---- */

void http_field_begin(struct http_query *q, enum http_condition field)
{
	const bool again = http_saw(q, field);

	q->seen |= (uint8_t)(1u << field);
	q->pos = q->match = 0;
	q->weak = false;
	q->form = DAY_NAME;
	q->word = 0;
	q->year = 0;
	q->day = q->hour = q->min = q->sec = 0;
	if (field == HTTP_RANGE) {
		q->first = q->last = 0;
		q->suffix = false;
		q->pos = again ? R_BAD : R_UNIT;
	}
	if (again && field != HTTP_IF_MATCH && field != HTTP_IF_NONE_MATCH)
		q->holds &= (uint8_t)~(1u << field);
}

void http_field_byte(struct http_query *q, const struct http_site *s, enum http_condition field,
		     uint8_t c)
{
	if (field == HTTP_RANGE)
		q->pos = (uint8_t)range_byte(q, c);
	else if (field == HTTP_IF_RANGE)
		if_range_byte(q, validators(q, s), c);
	else if (field == HTTP_IF_MATCH || field == HTTP_IF_NONE_MATCH)
		tag_byte(q, validators(q, s), field, c);
	else
		date_byte(q, c);
}

void http_field_end(struct http_query *q, const struct http_site *s, enum http_condition field)
{
	if (field == HTTP_RANGE && range_ends(q))
		holds(q, field);
	else if (field == HTTP_IF_RANGE)
		if_range_ends(q);
	else if (field == HTTP_IF_MODIFIED_SINCE || field == HTTP_IF_UNMODIFIED_SINCE)
		date_ends(q, validators(q, s), field);
}
