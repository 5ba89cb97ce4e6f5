/*
 * One line of a rule file. Errors carry the column, counted from 1 in bytes.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hs.h>

#include "room.h"

static bool fail(struct match_line *l, const char *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static bool fail(struct match_line *l, const char *at, const char *fmt, ...)
{
	va_list ap;

	l->column = (uint32_t)(at - l->text) + 1;
	va_start(ap, fmt);
	vsnprintf(l->error, sizeof(l->error), fmt, ap);
	va_end(ap);
	return false;
}

/* A decimal number that ends before end; *at is moved behind it. */
static bool number(const char **at, const char *end, uint64_t max, uint64_t *value)
{
	const char *start = *at;
	uint64_t v = 0;

	for (; *at < end && **at >= '0' && **at <= '9'; ++*at) {
		unsigned int digit = (unsigned int)(**at - '0');

		if (v > (max - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*value = v;
	return *at > start;
}

static bool take_flags(struct match_line *l, const char **at, const char *end)
{
	static const struct {
		char letter;
		uint32_t flag;
	} known[] = {
		{'i', HS_FLAG_CASELESS}, {'s', HS_FLAG_DOTALL}, {'m', HS_FLAG_MULTILINE},
		{'H', HS_FLAG_SINGLEMATCH}, {'V', HS_FLAG_ALLOWEMPTY}, {'8', HS_FLAG_UTF8},
		{'W', HS_FLAG_UCP}, {'P', HS_FLAG_PREFILTER}, {'L', HS_FLAG_SOM_LEFTMOST},
		{'C', HS_FLAG_COMBINATION}, {'Q', HS_FLAG_QUIET},
	};

	for (; *at < end && **at != '{'; ++*at) {
		size_t i = 0;

		while (i < sizeof(known) / sizeof(known[0]) && known[i].letter != **at)
			i++;
		if (i == sizeof(known) / sizeof(known[0]))
			return fail(l, *at, "unknown flag '%c': expected letters of ismHV8WPLCQ", **at);
		l->rule.flags |= known[i].flag;
	}
	return true;
}

/* One KEY=VALUE between the braces. */
static bool take_bound(struct match_line *l, const char **at, const char *end)
{
	static const struct {
		const char *name;
		uint64_t flag, max;
	} known[] = {
		{"min_offset=", HS_EXT_FLAG_MIN_OFFSET, INT64_MAX},
		{"max_offset=", HS_EXT_FLAG_MAX_OFFSET, INT64_MAX},
		{"min_length=", HS_EXT_FLAG_MIN_LENGTH, INT64_MAX},
		{"edit_distance=", HS_EXT_FLAG_EDIT_DISTANCE, UINT32_MAX},
		{"hamming_distance=", HS_EXT_FLAG_HAMMING_DISTANCE, UINT32_MAX},
	};
	uint64_t value[5] = {l->rule.min_offset, l->rule.max_offset, l->rule.min_length,
			     l->rule.edit_distance, l->rule.hamming_distance};
	size_t i = 0, len = 0;

	for (; i < 5; i++) {
		len = strlen(known[i].name);
		if ((size_t)(end - *at) > len && !memcmp(*at, known[i].name, len))
			break;
	}
	if (i == 5)
		return fail(l, *at, "expected min_offset=, max_offset=, min_length=, "
			    "edit_distance= or hamming_distance=");
	*at += len;
	if (!number(at, end, known[i].max, &value[i]))
		return fail(l, *at, "expected a number");
	l->rule.bounds |= known[i].flag;
	l->rule.min_offset = value[0];
	l->rule.max_offset = value[1];
	l->rule.min_length = value[2];
	l->rule.edit_distance = (uint32_t)value[3];
	l->rule.hamming_distance = (uint32_t)value[4];
	return true;
}

static bool take_bounds(struct match_line *l, const char **at, const char *end)
{
	if (*at == end)
		return true;
	do {
		++*at; /* the brace, or a comma */
		while (*at < end && **at == ' ')
			++*at;
		if (!take_bound(l, at, end))
			return false;
	} while (*at < end && **at == ',');
	if (*at == end || **at != '}')
		return fail(l, *at, "expected , or }");
	++*at;
	return *at == end || fail(l, *at, "expected the line's end after }");
}

bool match_line_parse(struct match_line *l)
{
	const char *at = l->text, *end = l->text + l->len, *slash;
	uint64_t id;

	l->rule = (struct match_rule){0};
	if (memchr(at, 0, l->len))
		return fail(l, memchr(at, 0, l->len), "a NUL byte: not a rule file");
	if (!number(&at, end, UINT32_MAX, &id))
		return fail(l, at, "expected a rule, ID:/REGEX/FLAGS, its ID a number up to %u",
			    UINT32_MAX);
	if (at == end || *at++ != ':')
		return fail(l, at - (at > l->text + 1 && at[-1] != ':'), "expected : after the rule's ID");
	if (at == end || *at++ != '/')
		return fail(l, at - 1, "expected / before the expression");
	slash = memrchr(at, '/', (size_t)(end - at));
	if (!slash)
		return fail(l, end, "expected / after the expression");
	l->rule.id = (uint32_t)id;
	l->rule.column = (uint32_t)(at - l->text) + 1;
	l->expr_len = (size_t)(slash - at);
	slash++;
	return take_flags(l, &slash, end) && take_bounds(l, &slash, end);
}
