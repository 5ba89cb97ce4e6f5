/*
 * A worker's memory: large regions on its NUMA node, in huge pages where there are any, and the
 * contract that says before the start whether a configuration fits.
 */
#ifndef PIER_WORKER_MEMORY_H
#define PIER_WORKER_MEMORY_H

#include <stdio.h>

#include "engine/engine.h"
#include "port/port.h"

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

/*
 * The memory contract of one worker: bytes per connection, what there is room for, and what its
 * packets take; pools is what was asked for on the worker's node, for that worker alone.
 */
void worker_contract_print(FILE *f, const struct engine_config *cfg,
			   const struct port_pools_config *pools, int node);

/*
 * Whether n workers of this configuration fit into available bytes, 0 being unknown and enough. If
 * not, err names the figures and the fix. Pure.
 */
bool worker_contract_fits(const struct engine_config *cfg, unsigned int n, uint64_t available,
			  char *err, size_t errlen);

/*
 * The most connections, up to the limit that the engine has, with which a worker of this configuration,
 * whose max_connections is not looked at, takes no more than bytes; 0: not even one fits. Pure.
 */
uint32_t worker_contract_room(const struct engine_config *cfg, uint64_t bytes);

#endif
