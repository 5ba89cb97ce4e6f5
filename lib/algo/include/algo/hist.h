/*
 * A histogram of values over many orders of magnitude, as HdrHistogram has it: each power of two is
 * divided into HIST_SUB buckets of equal width, so that a value is known to better than one part in
 * HIST_SUB, and what is larger than HIST_MAX is counted as HIST_MAX.
 *
 * One writer, no allocation, a count costs a handful of instructions. Several are added up by
 * hist_merge; another thread may merge from one that is being written: each bucket is then right by
 * itself. The unit is the caller's.
 */
#ifndef PIER_ALGO_HIST_H
#define PIER_ALGO_HIST_H

#include "base/compiler.h"

#define HIST_SUB_BITS 7
#define HIST_SUB      (1u << HIST_SUB_BITS)
#define HIST_BITS     44 /* of the largest value: 2 hours of a 2.4 GHz counter */
#define HIST_MAX      ((1ull << HIST_BITS) - 1)
#define HIST_BUCKETS  ((HIST_BITS - HIST_SUB_BITS + 1) * HIST_SUB)

/* Zeroed before use. */
struct hist {
	uint64_t n, sum, max; /* sum and max of the values as they were, up to HIST_MAX */
	uint64_t bucket[HIST_BUCKETS];
};

/* The bucket of v <= HIST_MAX: below HIST_SUB the value itself. */
static inline unsigned int hist_bucket(uint64_t v)
{
	unsigned int shift;

	if (v < HIST_SUB)
		return (unsigned int)v;
	shift = 63 - (unsigned int)__builtin_clzll(v) - HIST_SUB_BITS;
	return shift * HIST_SUB + (unsigned int)(v >> shift);
}

static inline void hist_add_n(struct hist *h, uint64_t v, uint64_t n)
{
	if (unlikely(v > HIST_MAX))
		v = HIST_MAX;
	h->n += n;
	h->sum += v * n;
	if (unlikely(v > h->max))
		h->max = v;
	h->bucket[hist_bucket(v)] += n;
}

static inline void hist_add(struct hist *h, uint64_t v)
{
	hist_add_n(h, v, 1);
}

/* Add from's counts to to's; time in proportion to HIST_BUCKETS. */
void hist_merge(struct hist *to, const struct hist *from);

/*
 * The smallest v such that the fraction q (0 to 1) of all values is not larger: the upper end of its
 * bucket, or max if that is smaller. 0 if there is no value.
 */
uint64_t hist_quantile(const struct hist *h, double q);

/* 0 if there is no value. */
double hist_mean(const struct hist *h);

#endif
