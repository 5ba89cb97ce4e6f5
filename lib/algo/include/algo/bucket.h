/*
 * A token bucket: limits what is sent in answer to strangers (RST, ICMP errors) to a rate with
 * bursts, so that nobody can use this host to flood another.
 *
 * Tokens come in at rate_per_s a second up to burst; each packet takes one. One thread, O(1), exact
 * to the microsecond. A clock that stands still or goes back brings nothing.
 */
#ifndef PIER_ALGO_BUCKET_H
#define PIER_ALGO_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/units.h"

struct bucket {
	uint64_t level; /* tokens, in millionths */
	uint64_t last;  /* us: level is of this time */
	uint32_t rate;  /* tokens a second */
	uint32_t burst; /* tokens */
};

/*
 * A full bucket. rate_per_s 0 or burst 0: nothing is ever let through.
 */
static inline void bucket_init(struct bucket *b, uint32_t rate_per_s, uint32_t burst)
{
	b->rate = rate_per_s;
	b->burst = rate_per_s ? burst : 0;
	b->level = b->burst * US_PER_SEC;
	b->last = 0;
}

/* Take one token at time now_us; false if there is none. */
static inline bool bucket_take(struct bucket *b, uint64_t now_us)
{
	uint64_t full = b->burst * US_PER_SEC;

	if (now_us > b->last) {
		uint64_t gone = now_us - b->last;

		/* No overflow: the product is below full. */
		if (b->rate == 0 || gone >= (full - b->level) / b->rate + 1)
			b->level = full;
		else
			b->level += gone * b->rate;
		b->last = now_us;
	}
	if (b->level < US_PER_SEC)
		return false;
	b->level -= US_PER_SEC;
	return true;
}

#endif
