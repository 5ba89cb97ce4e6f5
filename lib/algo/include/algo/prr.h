/*
 * Proportional Rate Reduction (RFC 9937, RFC 6937): how much may leave during fast recovery, so that
 * the window shrinks evenly over a round trip instead of by a silence.
 *
 * Bytes throughout. Pure, any thread, O(1).
 */
#ifndef PIER_ALGO_PRR_H
#define PIER_ALGO_PRR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct prr {
	uint32_t recover_fs; /* RecoverFS: in flight when recovery began */
	uint32_t delivered;  /* prr_delivered */
	uint32_t out;        /* prr_out */
};

/* Recovery begins; flight excludes what had been SACKed before the ACK that begins it. */
static inline void prr_start(struct prr *p, uint32_t flight)
{
	*p = (struct prr){ .recover_fs = max_of(flight, 1u) };
}

/* Data left, first time or again. */
static inline void prr_sent(struct prr *p, uint32_t bytes)
{
	p->out += bytes;
}

/*
 * An ACK delivered bytes; pipe is what is in flight after it. safe: SND.UNA advanced and no further
 * loss was found. Returns SndCnt: what may be sent now. Section 6.2.
 */
static inline uint32_t prr_ack(struct prr *p, uint32_t delivered, uint32_t pipe, uint32_t ssthresh,
			       uint32_t mss, bool safe)
{
	uint64_t count;

	p->delivered += delivered;
	if (pipe > ssthresh) {
		count = ((uint64_t)p->delivered * ssthresh + p->recover_fs - 1) / p->recover_fs;
		count = count > p->out ? count - p->out : 0;
	} else {
		uint32_t behind = p->delivered > p->out ? p->delivered - p->out : 0;

		count = (uint64_t)max_of(behind, delivered) + (safe ? mss : 0);
		count = min_of(count, (uint64_t)(ssthresh - pipe));
	}
	if (p->out == 0 && count == 0)
		count = mss; /* the fast retransmit */
	return (uint32_t)count;
}

#endif
