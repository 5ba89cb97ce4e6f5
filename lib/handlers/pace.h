/*
 * A pace in bytes a second: a token bucket, kept as the time at which it was, or will be, empty of
 * debts. Whoever wants to pass bytes reserves them, and is told when they may go. Reservations queue:
 * connections that share a pace get their turns in the order in which they asked, however late
 * their timers are, and none of them can take more than it waited for.
 *
 * What is reserved has to be used: reserve only what is there to be sent or read.
 */
#ifndef HANDLERS_PACE_H
#define HANDLERS_PACE_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/units.h"
#include "pier/handler.h"

#define PACE_PIECE_MAX (64u << 10) /* reserved at a time */
#define PACE_MAX       (1ull << 40) /* bytes a second */
#define PACE_LEAST     1460

/* The options of a paced handler; 0: no limit. */
struct pace_options {
	uint64_t rate, core_rate; /* bytes a second, of a connection and of all on one worker */
	uint64_t burst;           /* that may pass at once after a pause; 0: pace_burst's */
};

/* A connection's own. */
struct pace_conn {
	uint64_t next;    /* ns: when all that was reserved so far will have passed at the rate */
	uint32_t granted; /* bytes that were reserved and not used yet */
	uint32_t waits;   /* not to be used before the timer has come */
};

/* A hundredth of a second's bytes, which also makes up for timers that are late. */
static inline uint64_t pace_burst(uint64_t rate, uint64_t asked)
{
	return asked ? asked : max_of(rate / 100, (uint64_t)PACE_LEAST);
}

static inline uint64_t pace_time(uint64_t rate, uint64_t bytes)
{
	return (bytes * 1000000000u + rate - 1) / rate; /* bytes: up to PACE_MAX / 100, and it fits */
}

/* Reserve bytes at a rate. Returns in how many microseconds they may pass; 0: now. */
static inline uint64_t pace_reserve(uint64_t *next, uint64_t rate, uint64_t burst, uint64_t now_us,
				    uint64_t bytes)
{
	uint64_t now = now_us * 1000, credit = pace_time(rate, pace_burst(rate, burst));
	uint64_t start = max_of(*next, now > credit ? now - credit : 0) + pace_time(rate, bytes);

	*next = start;
	return start <= now ? 0 : (start - now + 999) / 1000;
}

static inline uint32_t pace_piece(uint64_t rate, uint64_t want)
{
	uint64_t piece = min_of(want, (uint64_t)PACE_PIECE_MAX);

	return (uint32_t)(rate ? min_of(piece, rate / 100 + 1) : piece);
}

/*
 * How many of want bytes may pass now. 0: none before the timer, which is set; then pace_due is to be
 * called. core_next is the worker's. What passes is to be told by pace_used.
 */
static inline uint64_t pace_ask(struct pier_conn *c, struct pace_conn *p, uint64_t *core_next,
				const struct pace_options *o, uint64_t want)
{
	uint64_t wait = 0;

	if (!o->rate && !o->core_rate)
		return want;
	if (p->waits)
		return 0;
	if (p->granted || !want)
		return min_of(want, (uint64_t)p->granted);
	p->granted = pace_piece(o->rate, pace_piece(o->core_rate, want));
	if (o->rate)
		wait = pace_reserve(&p->next, o->rate, o->burst, c->now, p->granted);
	if (o->core_rate)
		wait = max_of(wait, pace_reserve(core_next, o->core_rate, o->burst, c->now,
						 p->granted));
	if (!wait)
		return p->granted;
	p->waits = 1;
	pier_set_timer(c, wait);
	return 0;
}

static inline void pace_used(struct pace_conn *p, uint64_t bytes)
{
	p->granted -= (uint32_t)min_of(bytes, (uint64_t)p->granted);
}

static inline void pace_due(struct pace_conn *p)
{
	p->waits = 0;
}

/* For an option table whose struct has a struct pace_options of that name. */
#define PACE_OPTIONS(type, field)                                                                  \
	{"pace", OPTION_SIZE, offsetof(struct type, field.rate), 0, PACE_MAX, NULL, "0",           \
	 "bytes a second on each connection; 0: no limit"},                                        \
	{"pace-core", OPTION_SIZE, offsetof(struct type, field.core_rate), 0, PACE_MAX, NULL, "0", \
	 "bytes a second on all connections of a worker together, which share them evenly; 0: no " \
	 "limit"},                                                                                 \
	{"pace-burst", OPTION_SIZE, offsetof(struct type, field.burst), 0, 1u << 30, NULL, "0",    \
	 "bytes that may pass at once after a pause; 0: a hundredth of a second's, 1460 at least"}

#endif
