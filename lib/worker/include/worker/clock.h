/*
 * The loop's clock: the time-stamp counter in microseconds, by one 128-bit multiplication and no
 * division. A step back (the counters of two sockets may differ a little) is no step.
 *
 * Owner's thread only; constant time.
 */
#ifndef PIER_WORKER_CLOCK_H
#define PIER_WORKER_CLOCK_H

#include "base/compiler.h"

struct worker_clock {
	uint64_t start;	 /* counter value at 0 */
	uint64_t factor; /* microseconds a tick, in units of 2^-64 */
	uint64_t last;	 /* what was returned last */
};

/* hz: ticks a second, above 1 MHz. tsc: the counter now, which becomes time 0. */
static inline void worker_clock_init(struct worker_clock *c, uint64_t hz, uint64_t tsc)
{
	c->start = tsc;
	c->factor = (uint64_t)(((unsigned __int128)1000000 << 64) / hz);
	c->last = 0;
}

/* Microseconds since worker_clock_init; never less than the last call's. */
static inline uint64_t worker_clock_us(struct worker_clock *c, uint64_t tsc)
{
	uint64_t us;

	if (unlikely((int64_t)(tsc - c->start) < 0))
		return c->last;
	us = (uint64_t)((unsigned __int128)(tsc - c->start) * c->factor >> 64);
	if (likely(us > c->last))
		c->last = us;
	return c->last;
}

#endif
