/*
 * The memory contract: what a configuration takes, on each NUMA node, and whether it is there. Decided before
 * anything is started.
 *
 * A worker's records, tables and blocks, and its packets, lie on its node (worker/place.h). What does not fit there
 * would lie on another, and every touch of it cost as much as the node's distance: so it is refused, naming the node.
 * What memory there is, is an argument: machines that nobody here has can be tried. Pure but for
 * contract_supply_read; control thread.
 */
#ifndef PIER_WORKER_CONTRACT_H
#define PIER_WORKER_CONTRACT_H

#include <stdio.h>

#include "engine/engine.h"
#include "port/port.h"
#include "worker/place.h"

/* Bytes that can be had. Both 0: nobody knows, and it is taken to be enough. */
struct contract_memory {
	uint64_t pages; /* of ordinary size */
	uint64_t huge;	/* in free huge pages of 2 MB */
	uint64_t giant; /* in those of 1 GB, which only EAL takes */
};

struct contract_supply {
	struct contract_memory all; /* of the machine, with what no node is known of */
	unsigned int n_nodes;
	struct contract_memory node[PLACE_NODES_MAX];
};

/* What EAL takes for each worker's packets, and whether in huge pages. */
struct contract_eal {
	uint64_t each;
	bool huge;
};

/* This machine, now. */
void contract_supply_read(struct contract_supply *s);

/*
 * Whether the workers of p fit, each with an engine as cfg says: those of each node into what that node has, and
 * all into the machine. A worker whose node is not known (-1) counts for the machine only. If not, err says where,
 * what is needed and what there is, and the fix.
 */
bool contract_fits(const struct contract_supply *s, const struct place_plan *p, const struct engine_config *cfg,
		   const struct contract_eal *eal, char *err, size_t errlen);

/*
 * What each worker may take for its connections so that they fit, all of them as much: the node that has the
 * least for each of its workers decides. UINT64_MAX: nothing is known.
 */
uint64_t contract_share(const struct contract_supply *s, const struct place_plan *p,
			const struct contract_eal *eal);

/* Whether each node has the huge pages that EAL takes there. If not, *node is the first that has not. */
bool contract_huge_fits(const struct contract_supply *s, const struct place_plan *p,
			const struct contract_eal *eal, unsigned int *node);

/*
 * The most connections, up to the limit that the engine has, with which a worker of this configuration,
 * whose max_connections is not looked at, takes no more than bytes; 0: not even one fits.
 */
uint32_t contract_room(const struct engine_config *cfg, uint64_t bytes);

/*
 * The contract of one worker: bytes per connection, what there is room for, and what its packets take; pools is
 * what was asked for on the worker's node, for that worker alone.
 */
void contract_print(FILE *f, const struct engine_config *cfg, const struct port_pools_config *pools, int node);

/* For each node that workers are on: how much of its memory they take. */
void contract_print_nodes(FILE *f, const struct contract_supply *s, const struct place_plan *p,
			  const struct engine_config *cfg, const struct contract_eal *eal);

#endif
