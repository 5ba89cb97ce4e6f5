/*
 * A worker's memory: large regions on its NUMA node, in huge pages where there are any. Whether it is there is
 * asked before the start: worker/contract.h.
 */
#ifndef PIER_WORKER_MEMORY_H
#define PIER_WORKER_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORKER_REGIONS_MAX 32

struct worker_region {
	void *start;
	size_t bytes;
};

/* Zeroed but for node and prefault before the first use. */
struct worker_memory {
	int node; /* NUMA node, or -1 */
	bool prefault; /* commit regions when they are taken, not as they are touched */
	unsigned int n;
	uint64_t bytes, huge; /* mapped, and of that in reserved huge pages */
	struct worker_region regions[WORKER_REGIONS_MAX];
};

/*
 * Zeroed memory, page aligned, not in core dumps, committed page by page as it is touched unless it
 * comes from reserved huge pages. arg is a struct worker_memory; fits engine_config.alloc. NULL: no
 * memory, or too many regions. Control thread.
 */
void *worker_alloc(void *arg, size_t bytes, const char *what);

/* Release all of it. */
void worker_memory_free(struct worker_memory *m);

/* Bytes that can be had now: available memory and free huge pages. 0: unknown. */
uint64_t worker_memory_available(void);

#endif
