/*
 * What a handler keeps for each worker: counts, and a pace that connections share. A worker writes
 * nobody's but its own; statistics read all of them meanwhile. Each worker's part has cache lines of
 * its own.
 */
#ifndef HANDLERS_PER_CORE_H
#define HANDLERS_PER_CORE_H

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "pier/handler.h"

#define CORES_MAX   64 /* as many as [server] workers allows */
#define CORE_APART  (2 * CACHE_LINE) /* prefetchers take lines in pairs */

/* Zeroed parts of size bytes for each worker; NULL: no memory. Released by free. */
static inline void *per_core_new(size_t size)
{
	size_t apart = (size + CORE_APART - 1) / CORE_APART * CORE_APART;
	void *all = aligned_alloc(CORE_APART, CORES_MAX * apart);

	return all ? memset(all, 0, CORES_MAX * apart) : NULL;
}

static inline void *per_core_at(void *all, size_t size, unsigned int core)
{
	return (uint8_t *)all + (size + CORE_APART - 1) / CORE_APART * CORE_APART * core;
}

/* The part of the worker that the connection belongs to. */
#define per_core(all, c) \
	((__typeof__(all))per_core_at((all), sizeof(*(all)), pier_worker(c) % CORES_MAX))

/* The worker is the only writer. */
static inline void core_count(uint64_t *count, uint64_t n)
{
	__atomic_store_n(count, *count + n, __ATOMIC_RELAXED);
}

/* The sum over all workers of a count at that offset in parts of that size; any thread. */
static inline uint64_t per_core_sum(const void *all, size_t size, size_t offset)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < CORES_MAX; i++) {
		const uint8_t *part = per_core_at((void *)(uintptr_t)all, size, i);

		sum += __atomic_load_n((const uint64_t *)(const void *)(part + offset),
				       __ATOMIC_RELAXED);
	}
	return sum;
}

/*
 * Counts as an X-macro, X(name): the fields of a struct, and the statistics of it.
 *
 *	#define SINK_COUNTS(X) X(connections) X(bytes)
 *	struct sink_core { CORE_FIELDS(SINK_COUNTS) };
 *	... CORE_STATS(SINK_COUNTS, all, add, arg);
 */
#define CORE_FIELD(name) uint64_t name;
#define CORE_FIELDS(list) list(CORE_FIELD)
#define CORE_STAT(name)                                                                            \
	add_(arg_, #name, per_core_sum(all_, sizeof(*all_), offsetof(__typeof__(*all_), name)));
#define CORE_STATS(list, all, add, arg)                                                            \
	do {                                                                                       \
		__typeof__(all) all_ = (all);                                                      \
		pier_stat *add_ = (add);                                                           \
		void *arg_ = (arg);                                                                \
		list(CORE_STAT)                                                                    \
	} while (0)

#endif
