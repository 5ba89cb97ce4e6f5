/*
 * A run: generators on the workers of a started server (which listens on nothing), watched by the
 * control thread.
 */
#ifndef PIER_LOAD_RUN_H
#define PIER_LOAD_RUN_H

#include <signal.h>

#include "plan.h"
#include "server.h"

#define LOAD_WORKERS_MAX 64

struct load_run {
	struct load_plan *plan;
	struct gen *gens[LOAD_WORKERS_MAX];
	unsigned int n;
	bool no_link; /* a port's link did not come up: nothing was begun */
	bool early;   /* a signal ended it */
	FILE *out;    /* for people */
	struct load_result result;
};

/* The signals that end a run; SIGHUP, of a terminal that goes, unless it is ignored (nohup). */
void load_run_signals(sigset_t *set);

/* Generators for all workers of s, which must not run yet. False after saying why on stderr. */
bool load_run_prepare(struct load_run *r, struct server *s);

/* Run to the end: on the control thread, as server.supervise; s->program is the run. */
void load_run_supervise(struct server *s);

/* Fill r->result from the generators. After the workers have ended. */
void load_run_collect(struct load_run *r);
void load_run_free(struct load_run *r);

#endif
