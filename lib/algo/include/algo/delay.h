/*
 * A delay line: numbers that all wait equally long, first in, first out, unless they are taken back.
 *
 * Beside the timing wheel (algo/wheel.h) it is what costs next to nothing: a store to put a number in,
 * a store to take it back, a load when its turn has come, all where the cache has been before. It is bounded: who
 * finds it full takes the first out before its time. Places that were never used are not touched. Times
 * are on a clock that wraps, and those put in must not go back. One thread, O(1) a number.
 */
#ifndef PIER_ALGO_DELAY_H
#define PIER_ALGO_DELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/seq.h"

#define DELAY_PLACES 16384u

struct delay_place {
	uint32_t number; /* 0: taken back, or out */
	uint32_t due;
};

struct delay {
	uint32_t first, end; /* free running; empty if equal. All zero: an empty line */
	struct delay_place place[DELAY_PLACES];
};

/* Places in use, by numbers taken back too. */
static inline uint32_t delay_count(const struct delay *d)
{
	return d->end - d->first;
}

/* The nth from the front, 0 to delay_count() - 1. */
static inline const struct delay_place *delay_at(const struct delay *d, uint32_t n)
{
	return &d->place[(d->first + n) % DELAY_PLACES];
}

static inline bool delay_full(const struct delay *d)
{
	return delay_count(d) == DELAY_PLACES;
}

/*
 * Behind all others; the line is not full, number is not 0, and due is not before theirs. Returns the handle of
 * its place, not 0, by which delay_holds says at any time whether it still waits.
 */
static inline uint32_t delay_put(struct delay *d, uint32_t number, uint32_t due)
{
	const uint32_t at = d->end++ % DELAY_PLACES;

	d->place[at] = (struct delay_place){number, due};
	return at + 1;
}

/* The number that was put in with this handle, 0: with none, is in the line. */
static inline bool delay_holds(const struct delay *d, uint32_t handle, uint32_t number)
{
	return handle && d->place[handle - 1].number == number;
}

/*
 * Of one that the line holds. The first, as a rule: those behind it that were taken back before go with it, each
 * place once.
 */
static inline void delay_take_back(struct delay *d, uint32_t handle)
{
	d->place[handle - 1].number = 0;
	if (handle - 1 != d->first % DELAY_PLACES)
		return;
	do
		d->first++;
	while (unlikely(d->first != d->end && !d->place[d->first % DELAY_PLACES].number));
}

/* Whether there is a first one and it has nothing to wait for: its time has come, or it was taken back. */
static inline bool delay_due(const struct delay *d, uint32_t now)
{
	const struct delay_place *p = delay_at(d, 0);

	return delay_count(d) && (!p->number || !seq_gt(p->due, now));
}

/* The first number, due or not, or 0: it was taken back. The line is not empty. */
static inline uint32_t delay_take(struct delay *d)
{
	struct delay_place *p = &d->place[d->first++ % DELAY_PLACES];
	const uint32_t number = p->number;

	p->number = 0;
	return number;
}

#endif
