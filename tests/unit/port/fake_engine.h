/*
 * An engine that only counts, so that the worker's loop can be tested for what it does itself.
 */
#ifndef TEST_FAKE_ENGINE_H
#define TEST_FAKE_ENGINE_H

#include "engine/engine.h"

struct fake_engine {
	struct engine_config cfg;
	uint64_t received, ticks, now;
	uint64_t to_send;	    /* packets it would like to send */
	uint64_t sent;		    /* packets it has given away */
	unsigned int max;	    /* the last engine_output's room */
	bool pressure;
	unsigned int refused, pressures; /* with it, and how often it was set */
	unsigned int glances; /* bursts that were shown to engine_refuse */
	unsigned int listens, drains, aborts, destroyed;
	unsigned int mtus; /* how often a port's changed */
	int unlistened;
	bool went_back; /* now did */
	uint64_t next;
	uint64_t left; /* connections */
	uint64_t size, each; /* of all memory: what engine_size answers, and for each connection */
};

extern struct fake_engine fake;

#endif
