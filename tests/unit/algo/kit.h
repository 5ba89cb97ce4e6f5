/*
 * What the tests of this room share: cmocka with what it needs before it, seeded numbers (a failing
 * run repeats exactly), and memory that shows whether it was touched.
 */
#ifndef PIER_TEST_ALGO_KIT_H
#define PIER_TEST_ALGO_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/mman.h>
#include <unistd.h>

/* xorshift64*; the seed is not 0. */
static inline uint32_t rnd(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return (uint32_t)(*seed * 0x2545f4914f6cdd1dull >> 32);
}

/* Below n. */
static inline uint32_t rnd_below(uint64_t *seed, uint32_t n)
{
	return (uint32_t)((uint64_t)rnd(seed) * n >> 32);
}

static inline void *sparse_map(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

/* Pages of memory behind the first bytes of a sparse_map. */
static inline size_t sparse_touched(void *p, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = (bytes + page - 1) / page, sum = 0;
	unsigned char *in = malloc(n);

	assert_non_null(in);
	assert_int_equal(mincore(p, bytes, in), 0);
	for (size_t i = 0; i < n; i++)
		sum += in[i] & 1;
	free(in);
	return sum;
}

#endif
