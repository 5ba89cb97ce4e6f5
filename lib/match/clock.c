/*
 * The time-stamp counter, and how fast it runs: measured once against the system's clock, to a few parts
 * in a thousand.
 */
#include "match/clock.h"

#include <time.h>

#define MEASURE_NS 2000000
#define READINGS   1000000 /* of a clock that stands still; then it is taken for one of 1 GHz */

uint64_t match_ticks(void)
{
	return __builtin_ia32_rdtsc();
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

uint64_t match_ticks_per_us(void)
{
	static uint64_t known;
	uint64_t value = __atomic_load_n(&known, __ATOMIC_RELAXED), from;
	int64_t start, took = 0;

	if (value)
		return value;
	start = now_ns();
	from = match_ticks();
	for (unsigned int i = 0; i < READINGS && took < MEASURE_NS; i++)
		took = now_ns() - start;
	value = took > 0 ? (match_ticks() - from) * 1000 / (uint64_t)took : 1000;
	value = value ? value : 1;
	__atomic_store_n(&known, value, __ATOMIC_RELAXED);
	return value;
}
