/*
 * A hierarchical timing wheel: one worker's timers, at a tick of 1 ms.
 *
 * Four levels of 256 slots; a slot of level i spans 256^i ticks, so that the wheel spans all of the
 * 32-bit tick clock, which wraps. A deadline lies in the lowest level at which it and the wheel's
 * tick share all higher digits (base 256). Hence at any tick at most one slot becomes due, the
 * slot of the tick's lowest digit that is not zero, and the next slot due is the first non-empty
 * one of the lowest non-empty level: bitmaps find it, and idle time costs nothing.
 *
 * An entry is a number of the user's, {type, index}, not a pointer, and there is no deletion: a
 * record keeps the handle of the slot that its one valid entry lies in, and an entry that is found
 * in another slot is dead. The wheel never looks at records. When a slot becomes due, all its
 * entries are handed to fire, those of the upper levels at the start of the slot's span; fire looks
 * at the record and
 *   - drops the entry if the record's slot is not the one passed (dead),
 *   - inserts it again if the record's deadline is not reached (upper level, or moved later),
 *   - else runs the timer.
 * In the last two cases the record's slot must be rewritten (0: none). The slot passed to fire is
 * never the slot that an insertion within fire returns, so an entry is not fired twice.
 *
 * Entries lie in chunks of 30 (128 bytes) from a region given by the caller, which may be sparse:
 * chunks never used are never touched, those used last are used again first. Within one tick the
 * order is undefined.
 *
 * Deadlines and advances must lie less than 2^31 ticks (24.8 days) after the wheel's tick. A clock
 * that stands still or goes back is ignored. One thread.
 */
#ifndef PIER_ALGO_WHEEL_H
#define PIER_ALGO_WHEEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define WHEEL_LEVELS        4u
#define WHEEL_SLOTS         256u
#define WHEEL_CHUNK_ENTRIES 30u
#define WHEEL_NONE          UINT64_MAX

struct wheel_chunk {
	uint32_t next; /* chunk of the same slot, or free chunk; 0: none */
	uint32_t count;
	uint32_t entry[WHEEL_CHUNK_ENTRIES];
};
static_assert(sizeof(struct wheel_chunk) == 128, "two lines");

/*
 * An entry of a slot that is due. slot is the handle that wheel_insert returned for it. May insert,
 * must not advance.
 */
typedef void wheel_fire_fn(void *arg, uint32_t entry, uint32_t slot);

/* entry will be fired soon: bring its record. Called with the arg of wheel_advance. */
typedef void wheel_prefetch_fn(void *arg, uint32_t entry);

/* A place in a chain of chunks. Chunks are numbered from 1; 0: the end. */
struct wheel_cursor {
	uint32_t chunk;
	uint32_t pos;
};

struct wheel {
	struct wheel_chunk *chunks;
	wheel_prefetch_fn *bring;  /* NULL: no prefetching */
	uint32_t tick;             /* slots up to this tick have been taken out */
	uint32_t slot;             /* handle of the slot being fired */
	struct wheel_cursor cur;   /* next entry to fire of that slot; chunk 0: none is left */
	struct wheel_cursor ahead; /* next entry to prefetch */
	uint64_t count;            /* entries, dead ones included */
	uint32_t free;             /* LIFO list of used chunks */
	uint32_t fresh;            /* first chunk never used */
	uint32_t end;              /* number after the last chunk */
	uint64_t busy[WHEEL_LEVELS][WHEEL_SLOTS / 64]; /* bit: the slot has entries */
	uint32_t head[WHEEL_LEVELS][WHEEL_SLOTS];      /* newest chunk of the slot */
};

/* Bytes of chunk memory with which that many entries, dead ones included, always find room. */
size_t wheel_bytes(size_t entries);

/*
 * An empty wheel at tick now, over bytes of chunk memory at mem (aligned to CACHE_LINE), which it
 * does not touch. The caller owns mem and frees it when the wheel is no longer used.
 */
void wheel_init(struct wheel *w, void *mem, size_t bytes, uint32_t now);

/* Call fn for entries a few positions before they are fired; NULL: do not. */
void wheel_set_prefetch(struct wheel *w, wheel_prefetch_fn *fn);

/*
 * Put entry where it is fired at deadline (in ticks), or at the next tick if that is past or now.
 * Returns the handle of its slot (24 bits, not 0), which the record must remember, or 0 if there is
 * no chunk left. O(1).
 */
uint32_t wheel_insert(struct wheel *w, uint32_t entry, uint32_t deadline);

/*
 * Fire the entries of the slots that became due up to the tick now, in the order of their ticks, at
 * most budget of them; the next call goes on where this one stopped. Entries that fire inserts for
 * ticks up to now are fired too. Returns the number fired: less than budget means none is late.
 */
unsigned int wheel_advance(struct wheel *w, uint32_t now, unsigned int budget, wheel_fire_fn *fire,
			   void *arg);

/*
 * The tick at which the next slot becomes due (never later than its entries' deadlines); the
 * wheel's present tick if the last advance left entries over; WHEEL_NONE if the wheel is empty.
 */
uint64_t wheel_next(const struct wheel *w);

/*
 * The tick up to which slots have been taken out; within fire, that of the slot being fired. Behind
 * the clock while entries are late.
 */
static inline uint32_t wheel_tick(const struct wheel *w)
{
	return w->tick;
}

/* Entries in the wheel, dead ones included. */
static inline uint64_t wheel_count(const struct wheel *w)
{
	return w->count;
}

#endif
