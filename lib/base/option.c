/*
 * Options as text: parsing, printing, and saying what was expected. The type decides the grammar,
 * the option's range decides what of it is accepted, and both are put into words in one place
 * (option_expect), so that a message, --help and the reference never disagree.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/option.h"
#include "base/units.h"

struct unit {
	const char *suffix;
	uint64_t factor;
};

/* From the largest down; formatting takes the first that divides the value. */
static const struct unit duration_units[] = {
	{"d", 86400 * US_PER_SEC}, {"h", 3600 * US_PER_SEC}, {"m", 60 * US_PER_SEC},
	{"s", US_PER_SEC},         {"ms", US_PER_MS},        {"us", 1},
};
static const struct unit count_units[] = {{"g", 1000000000}, {"m", 1000000}, {"k", 1000}, {"", 1}};
static const struct unit size_units[] = {{"g", GIB}, {"m", MIB}, {"k", KIB}, {"", 1}};

static void *value_of(const struct option *o, void *base)
{
	return (char *)base + o->offset;
}

static const void *value_of_const(const struct option *o, const void *base)
{
	return (const char *)base + o->offset;
}

static bool owns_memory(const struct option *o)
{
	return o->type == OPTION_STRING || o->type == OPTION_LIST;
}

/* The largest value the option takes; the smallest is always o->min. */
static uint64_t upper_bound(const struct option *o)
{
	if (o->min || o->max)
		return o->max;
	return o->type == OPTION_U32 ? UINT32_MAX : UINT64_MAX;
}

/* Digits at the start of text, hexadecimal behind 0x where hex is set. Sets *end behind them. */
static bool parse_digits(const char *text, bool hex, uint64_t *value, const char **end)
{
	unsigned int base = 10, digit;
	uint64_t v = 0;
	const char *p = text;

	if (hex && p[0] == '0' && (p[1] == 'x' || p[1] == 'X') && isxdigit((unsigned char)p[2])) {
		base = 16;
		p += 2;
	}
	for (text = p; base == 16 ? isxdigit((unsigned char)*p) : isdigit((unsigned char)*p); p++) {
		digit = isdigit((unsigned char)*p) ? (unsigned int)(*p - '0')
						   : (unsigned int)(tolower(*p) - 'a' + 10);
		if (v > (UINT64_MAX - digit) / base)
			return false;
		v = v * base + digit;
	}
	*end = p;
	*value = v;
	return p != text;
}

static bool parse_with_unit(const char *text, const struct unit *units, size_t n, uint64_t *value)
{
	const char *suffix;

	if (!parse_digits(text, false, value, &suffix))
		return false;
	if (!*suffix && !*value)
		return true;
	for (size_t i = 0; i < n; i++) {
		if (strcasecmp(suffix, units[i].suffix))
			continue;
		if (*value > UINT64_MAX / units[i].factor)
			return false;
		*value *= units[i].factor;
		return true;
	}
	return false;
}

static bool parse_number(const struct option *o, const char *text, uint64_t *value)
{
	const char *end;
	bool ok;

	if (o->type == OPTION_SIZE) {
		ok = parse_with_unit(text, size_units, ARRAY_SIZE(size_units), value);
	} else if (o->type == OPTION_COUNT) {
		ok = parse_with_unit(text, count_units, ARRAY_SIZE(count_units), value);
	} else if (o->type == OPTION_DURATION && !strcmp(text, "inf")) {
		*value = DURATION_INF;
		ok = true;
	} else if (o->type == OPTION_DURATION) {
		ok = parse_with_unit(text, duration_units, ARRAY_SIZE(duration_units), value) &&
		     *value != DURATION_INF;
	} else {
		ok = parse_digits(text, true, value, &end) && !*end;
	}
	return ok && *value >= o->min && *value <= upper_bound(o);
}

static bool parse_bool(const char *text, bool *value)
{
	static const char *const words[] = {"no", "yes", "off", "on", "false", "true", "0", "1"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcasecmp(text, words[i])) {
			*value = i & 1;
			return true;
		}
	return false;
}

static bool parse_enum(const struct option *o, const char *text, uint32_t *value)
{
	for (uint32_t i = 0; o->names[i]; i++)
		if (!strcmp(text, o->names[i])) {
			*value = i;
			return true;
		}
	return false;
}

/* Replace *value by text, or for a list that has values already, add it as one more. */
static bool take_string(const struct option *o, const char *text, char **value)
{
	char *s = NULL;

	if (*text && o->type == OPTION_LIST && *value) {
		if (asprintf(&s, "%s\n%s", *value, text) < 0)
			return false;
	} else if (*text) {
		s = strdup(text);
		if (!s)
			return false;
	}
	free(*value);
	*value = s;
	return true;
}

static bool parse_value(const struct option *o, void *value, const char *text)
{
	uint64_t number;
	uint32_t number32;

	switch (o->type) {
	case OPTION_BOOL:
		return parse_bool(text, value);
	case OPTION_ENUM:
		return parse_enum(o, text, value);
	case OPTION_U32:
		if (!parse_number(o, text, &number))
			return false;
		number32 = (uint32_t)number;
		memcpy(value, &number32, sizeof(number32));
		return true;
	case OPTION_U64:
	case OPTION_COUNT:
	case OPTION_SIZE:
	case OPTION_DURATION:
		if (!parse_number(o, text, &number))
			return false;
		memcpy(value, &number, sizeof(number));
		return true;
	case OPTION_STRING:
	case OPTION_LIST:
		break;
	}
	return take_string(o, text, value);
}

bool option_parse(const struct option *o, void *base, const char *text, char *err, size_t errlen)
{
	char expect[512];

	if (parse_value(o, value_of(o, base), text))
		return true;
	if (owns_memory(o))
		snprintf(err, errlen, "out of memory");
	else
		snprintf(err, errlen, "expected %s", option_expect(o, expect, sizeof(expect)));
	return false;
}

static void format_with_unit(uint64_t v, const struct unit *units, size_t n, char *buf, size_t len)
{
	size_t i = 0;

	while (i + 1 < n && v % units[i].factor)
		i++;
	snprintf(buf, len, "%" PRIu64 "%s", v / units[i].factor, units[i].suffix);
}

static void format_number(const struct option *o, uint64_t v, char *buf, size_t len)
{
	if (o->type == OPTION_DURATION && v == DURATION_INF)
		snprintf(buf, len, "inf");
	else if (v && o->type == OPTION_DURATION)
		format_with_unit(v, duration_units, ARRAY_SIZE(duration_units), buf, len);
	else if (v && o->type == OPTION_COUNT)
		format_with_unit(v, count_units, ARRAY_SIZE(count_units), buf, len);
	else if (v && o->type == OPTION_SIZE)
		format_with_unit(v, size_units, ARRAY_SIZE(size_units), buf, len);
	else
		snprintf(buf, len, "%" PRIu64, v);
}

const char *option_format(const struct option *o, const void *base, char *buf, size_t len)
{
	const void *value = value_of_const(o, base);
	const char *string;
	uint64_t number;
	uint32_t number32;

	switch (o->type) {
	case OPTION_BOOL:
		snprintf(buf, len, "%s", *(const bool *)value ? "yes" : "no");
		break;
	case OPTION_ENUM:
		memcpy(&number32, value, sizeof(number32));
		snprintf(buf, len, "%s", o->names[number32]);
		break;
	case OPTION_U32:
		memcpy(&number32, value, sizeof(number32));
		format_number(o, number32, buf, len);
		break;
	case OPTION_U64:
	case OPTION_COUNT:
	case OPTION_SIZE:
	case OPTION_DURATION:
		memcpy(&number, value, sizeof(number));
		format_number(o, number, buf, len);
		break;
	case OPTION_STRING:
	case OPTION_LIST:
		memcpy(&string, value, sizeof(string));
		snprintf(buf, len, "%s", string ? string : "");
		break;
	}
	return buf;
}

/* Append to buf, which holds a string; what does not fit is cut. */
static __attribute__((format(printf, 3, 4))) void append(char *buf, size_t len, const char *fmt, ...)
{
	size_t used = strlen(buf);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf + used, len - used, fmt, ap);
	va_end(ap);
}

static void expect_range(const struct option *o, char *buf, size_t len)
{
	char bound[32];

	if (!o->min && !o->max) {
		if (o->type == OPTION_DURATION)
			append(buf, len, " or inf");
		return;
	}
	format_number(o, o->min, bound, sizeof(bound));
	if (o->max == UINT64_MAX && o->type != OPTION_DURATION) {
		append(buf, len, " of at least %s", bound);
		return;
	}
	append(buf, len, " from %s", bound);
	format_number(o, o->max, bound, sizeof(bound));
	append(buf, len, " to %s", bound);
}

/*
 * The default, unless it is one of the ends; else what is usual for the type, if in range. A range of
 * plain numbers explains itself.
 */
static void expect_example(const struct option *o, const char *usual, char *buf, size_t len)
{
	char smallest[32];
	uint64_t ignored;

	if (o->def && strcmp(o->def, "0") && strcmp(o->def, "inf")) {
		append(buf, len, ", such as %s", o->def);
		return;
	}
	if (o->max && (o->type == OPTION_U32 || o->type == OPTION_U64))
		return;
	format_number(o, o->min, smallest, sizeof(smallest));
	append(buf, len, ", such as %s", parse_number(o, usual, &ignored) ? usual : smallest);
}

static void expect_words(const struct option *o, char *buf, size_t len)
{
	size_t n = 0;

	while (o->names[n])
		n++;
	for (size_t i = 0; i < n; i++)
		append(buf, len, "%s%s", !i ? "" : i + 1 == n ? " or " : ", ", o->names[i]);
}

const char *option_expect(const struct option *o, char *buf, size_t len)
{
	static const struct {
		const char *what, *usual;
	} numeric[] = {
		[OPTION_U32] = {"a number", "16"},
		[OPTION_U64] = {"a number", "16"},
		[OPTION_COUNT] = {"a number", "100k"},
		[OPTION_SIZE] = {"a size", "64k"},
		[OPTION_DURATION] = {"a duration", "200ms"},
	};

	if (!len)
		return buf;
	*buf = '\0';
	switch (o->type) {
	case OPTION_BOOL:
		append(buf, len, "yes or no");
		break;
	case OPTION_ENUM:
		expect_words(o, buf, len);
		break;
	case OPTION_STRING:
		append(buf, len, "text");
		break;
	case OPTION_LIST:
		append(buf, len, "text; the key may be repeated");
		break;
	case OPTION_U32:
	case OPTION_U64:
	case OPTION_COUNT:
	case OPTION_SIZE:
	case OPTION_DURATION:
		append(buf, len, "%s", numeric[o->type].what);
		expect_range(o, buf, len);
		expect_example(o, numeric[o->type].usual, buf, len);
		break;
	}
	return buf;
}

void option_defaults(const struct option_table *t, void *base)
{
	static const size_t size_of[] = {
		[OPTION_BOOL] = sizeof(bool),         [OPTION_U32] = sizeof(uint32_t),
		[OPTION_U64] = sizeof(uint64_t),      [OPTION_SIZE] = sizeof(uint64_t),
		[OPTION_DURATION] = sizeof(uint64_t), [OPTION_ENUM] = sizeof(uint32_t),
		[OPTION_COUNT] = sizeof(uint64_t),
		[OPTION_STRING] = sizeof(char *),     [OPTION_LIST] = sizeof(char *),
	};
	char err[528]; /* "expected" and what option_expect says */

	for (size_t i = 0; i < t->n; i++) {
		const struct option *o = &t->options[i];

		memset(value_of(o, base), 0, size_of[o->type]);
		if (!o->def || option_parse(o, base, o->def, err, sizeof(err)))
			continue;
		fprintf(stderr, "[%s] %s: default %s: %s\n", t->section, o->key, o->def, err);
		abort();
	}
}

const struct option *option_find(const struct option_table *t, const char *key)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->options[i].key, key))
			return &t->options[i];
	return NULL;
}

void option_free(const struct option_table *t, void *base)
{
	for (size_t i = 0; i < t->n; i++) {
		char **value = value_of(&t->options[i], base);

		if (!owns_memory(&t->options[i]))
			continue;
		free(*value);
		*value = NULL;
	}
}

void option_copy(const struct option_table *t, void *to, const void *from)
{
	memcpy(to, from, t->size);
	for (size_t i = 0; i < t->n; i++) {
		char **value = value_of(&t->options[i], to);

		if (!owns_memory(&t->options[i]) || !*value)
			continue;
		*value = strdup(*value);
		if (!*value)
			abort();
	}
}
