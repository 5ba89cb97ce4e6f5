/*
 * From options to what the generators share. Control thread.
 */
#ifndef PIER_LOAD_PLAN_H
#define PIER_LOAD_PLAN_H

#include "config.h"
#include "expect.h"
#include "gen.h"

#define LOAD_FILE_PREFIX "pier-load-" /* and the process's id; other runs may be under way */

struct load_plan {
	struct load_options o;
	struct gen_plan gen;
	struct expect *expects;
	unsigned int n_expects;
};

/*
 * Check o against the configuration and itself, and make the rest of p of it, where the configuration
 * leaves open what depends on it (local ports, limits, memory). Errors are recorded.
 */
void load_plan_make(struct load_plan *p, struct pier_config *c, struct config_errors *errors);
void load_plan_free(struct load_plan *p);

#endif
