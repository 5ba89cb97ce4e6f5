/*
 * What a run has to have come to, as text: METRIC OPERATOR VALUE.
 *
 *	errors=0   connect.p99<5ms   rps>=100k   rx.bps>1g   busy<=90%   complete.p99.9<2ms
 *
 * Operators: = != < <= > >=. A value is a number, with a fraction or not, and a suffix of the metric's
 * kind: k m g (thousands) for counts and rates, ns us ms s for latencies, % for shares.
 */
#ifndef PIER_LOAD_EXPECT_H
#define PIER_LOAD_EXPECT_H

#include <stdbool.h>
#include <stddef.h>

#include "result.h"

enum expect_op {
	EXPECT_EQ,
	EXPECT_NE,
	EXPECT_LT,
	EXPECT_LE,
	EXPECT_GT,
	EXPECT_GE,
};

struct expect {
	struct metric metric;
	enum expect_op op;
	double value;
	const char *text; /* as it was given; the caller's */
};

/* On failure returns false and writes to err what was expected. */
bool expect_parse(const char *text, struct expect *e, char *err, size_t errlen);

/* Whether it holds; *is: what the metric is. Of a latency that nothing had, nothing holds. */
bool expect_holds(const struct expect *e, const struct load_result *r, double *is);

#endif
