/*
 * See expect.h.
 */
#include "expect.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

static const char *const ops[] = {
	[EXPECT_EQ] = "=",  [EXPECT_NE] = "!=", [EXPECT_LT] = "<",
	[EXPECT_LE] = "<=", [EXPECT_GT] = ">",  [EXPECT_GE] = ">=",
};

static const struct {
	enum metric_kind kind;
	const char *suffix;
	double factor;
} suffixes[] = {
	{METRIC_COUNT, "", 1},    {METRIC_COUNT, "k", 1e3}, {METRIC_COUNT, "m", 1e6},
	{METRIC_COUNT, "g", 1e9}, {METRIC_RATE, "", 1},     {METRIC_RATE, "k", 1e3},
	{METRIC_RATE, "m", 1e6},  {METRIC_RATE, "g", 1e9},  {METRIC_TIME, "ns", 1e-9},
	{METRIC_TIME, "us", 1e-6},{METRIC_TIME, "ms", 1e-3},{METRIC_TIME, "s", 1},
	{METRIC_SHARE, "%", 1e-2},{METRIC_SHARE, "", 1},
};

static const char *const values[] = {
	[METRIC_COUNT] = "a number, such as 1000 or 1k",
	[METRIC_RATE] = "a number a second, such as 100k",
	[METRIC_TIME] = "a time with its unit, such as 500us or 5ms",
	[METRIC_SHARE] = "a share, such as 90%",
};

static const char *skip(const char *p)
{
	return p + strspn(p, " \t");
}

/* The longest operator at p. */
static bool parse_op(const char **p, enum expect_op *op)
{
	size_t best = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		const size_t n = strlen(ops[i]);

		if (n <= best || strncmp(*p, ops[i], n))
			continue;
		best = n;
		*op = (enum expect_op)i;
	}
	*p += best;
	*p += best && *op == EXPECT_EQ && **p == '='; /* as many write it */
	return best;
}

static bool parse_value(const char *p, enum metric_kind kind, double *value)
{
	char *end;

	if (*p < '0' || *p > '9' || (p[0] == '0' && (p[1] == 'x' || p[1] == 'X')))
		return false;
	*value = strtod(p, &end);
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		const size_t n = strlen(suffixes[i].suffix);

		if (suffixes[i].kind != kind || strncmp(end, suffixes[i].suffix, n) ||
		    *skip(end + n))
			continue;
		*value *= suffixes[i].factor;
		return true;
	}
	return false;
}

bool expect_parse(const char *text, struct expect *e, char *err, size_t errlen)
{
	const char *name = skip(text), *p = name + strcspn(name, "=!<> \t");
	const size_t len = (size_t)(p - name);

	*e = (struct expect){.text = text};
	if (!len || !metric_find(name, len, &e->metric)) {
		snprintf(err, errlen, "expected METRIC OPERATOR VALUE, METRIC one of %s, not \"%s\"",
			 metric_names(), text);
		return false;
	}
	p = skip(p);
	if (!parse_op(&p, &e->op)) {
		snprintf(err, errlen, "expected = != < <= > or >= behind the metric, in \"%s\"",
			 text);
		return false;
	}
	if (!parse_value(skip(p), e->metric.kind, &e->value)) {
		snprintf(err, errlen, "expected %s, in \"%s\"", values[e->metric.kind], text);
		return false;
	}
	return true;
}

bool expect_holds(const struct expect *e, const struct load_result *r, double *is)
{
	const double v = *is = metric_value(&e->metric, r);

	if (isnan(v))
		return false;
	switch (e->op) {
	case EXPECT_EQ:
		return !(v < e->value || v > e->value);
	case EXPECT_NE:
		return v < e->value || v > e->value;
	case EXPECT_LT:
		return v < e->value;
	case EXPECT_LE:
		return v <= e->value;
	case EXPECT_GT:
		return v > e->value;
	default:
		return v >= e->value;
	}
}
