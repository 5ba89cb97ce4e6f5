/*
 * Reading histograms; see hist.h. n is summed up from the buckets on the way, so that a histogram merged
 * while it was written is consistent in itself.
 */
#include "algo/hist.h"

static uint64_t read_relaxed(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

void hist_merge(struct hist *to, const struct hist *from)
{
	for (unsigned int i = 0; i < HIST_BUCKETS; i++) {
		const uint64_t n = read_relaxed(&from->bucket[i]);

		to->bucket[i] += n;
		to->n += n;
	}
	to->sum += read_relaxed(&from->sum);
	to->max = max_of(to->max, read_relaxed(&from->max));
}

/* The largest value of bucket i. */
static uint64_t upper_end(unsigned int i)
{
	unsigned int shift;

	if (i < 2 * HIST_SUB)
		return i;
	shift = i / HIST_SUB - 1;
	return ((uint64_t)(i - shift * HIST_SUB + 1) << shift) - 1;
}

uint64_t hist_quantile(const struct hist *h, double q)
{
	double rank = q * (double)h->n;
	uint64_t wanted = (uint64_t)rank, seen = 0;

	if (!h->n)
		return 0;
	wanted += (double)wanted < rank; /* up */
	wanted = max_of(wanted, (uint64_t)1);
	for (unsigned int i = 0; i < HIST_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen >= wanted)
			return min_of(upper_end(i), h->max);
	}
	return h->max;
}

double hist_mean(const struct hist *h)
{
	return h->n ? (double)h->sum / (double)h->n : 0;
}
