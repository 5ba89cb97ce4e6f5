/*
 * RACK (RFC 8985): a segment is lost when one that was sent later has arrived and a reordering
 * window has passed.
 *
 * This is the clockwork without the scoreboard: it is told of each delivered range and answers by
 * time; which ranges there are and what is done about them is TCP's business. Times of transmission
 * are the low 32 bits of a clock in us. No clock, no I/O, any thread, each call O(1).
 */
#ifndef PIER_ALGO_RACK_H
#define PIER_ALGO_RACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/seq.h"

#define RACK_MULT_MAX 7 /* what a connection at rest can remember */

struct rack {
	uint32_t xmit;        /* when the latest-sent of the delivered segments was sent */
	uint32_t end;         /* and the sequence number behind it */
	uint32_t rtt_us;      /* of that segment, 0: none yet */
	uint32_t fack;        /* the highest sequence number delivered */
	uint32_t dsack_round; /* SND.NXT when a D-SACK last widened the window */
	uint8_t mult;         /* the reordering window is that many quarters of the least RTT */
	uint8_t persist;      /* recoveries until mult falls back to 1 */
	bool reordering;      /* some was seen */
	bool in_dsack_round;
};

/* Nothing is known; what was seen before a rest may be put into reordering and mult afterwards. */
void rack_init(struct rack *r, uint32_t snd_una);

/* A range as the scoreboard has it. */
struct rack_range {
	uint32_t sent, end;
	bool again;      /* sent more than once */
	bool echo_older; /* the ACK echoes a timestamp from before sent: it is for an earlier copy */
};

/* us since then, 1 at least: what left behind a higher range is noted as sent a little later than
 * it was. */
static inline uint32_t rack_age(uint32_t sent, uint32_t now)
{
	return (uint32_t)max_of((int32_t)(now - sent), 1);
}

/* It is the latest delivery, if it was sent last of those delivered. */
static inline void rack_update(struct rack *r, const struct rack_range *d, uint32_t now, uint32_t min_rtt_us)
{
	const uint32_t rtt = rack_age(d->sent, now);

	/* An ACK of a retransmission may be for the first copy: RTTs too short to be true. */
	if (d->again && (d->echo_older || rtt < min_rtt_us))
		return;
	if (r->rtt_us && !seq_gt(d->sent, r->xmit) &&
	    !(d->sent == r->xmit && seq_gt(d->end, r->end)))
		return;
	r->rtt_us = rtt;
	r->xmit = d->sent;
	r->end = d->end;
}

/* A range was delivered, cumulatively or selectively. Section 6.2, steps 2 and 3. */
static inline void rack_delivered(struct rack *r, const struct rack_range *d, uint32_t now, uint32_t min_rtt_us)
{
	rack_update(r, d, now, min_rtt_us);
	if (seq_gt(d->end, r->fack))
		r->fack = d->end;
	else if (seq_lt(d->end, r->fack) && !d->again)
		r->reordering = true;
}

/*
 * An ACK carried a D-SACK for a retransmission: packets are late on this path, and at most once a round
 * the window gets wider. Section 6.2, step 4.
 */
void rack_dsack(struct rack *r, uint32_t snd_una, uint32_t snd_nxt);

/* A loss recovery is over. */
void rack_recovered(struct rack *r);

/* What the reordering window depends on. */
struct rack_now {
	uint32_t min_rtt_us, srtt_us;
	bool recovery;   /* fast or after a timeout */
	bool dup_thresh; /* three segments were SACKed */
};

/* The reordering window in us. Section 6.2, step 4; section 3.3.2. */
uint32_t rack_reo_wnd(const struct rack *r, const struct rack_now *n);

/* Whether a range that was sent then, and ends there, left before the latest one delivered. */
static inline bool rack_before(const struct rack *r, uint32_t sent, uint32_t end)
{
	return r->rtt_us && ((int32_t)(r->xmit - sent) > 0 ||
			     (r->xmit == sent && (int32_t)(r->end - end) > 0));
}

/* For such a range: us until it is lost, 0: it is. Section 6.2, step 5. */
static inline uint32_t rack_left(const struct rack *r, uint32_t sent, uint32_t reo_wnd,
				 uint32_t now)
{
	int64_t age = (int32_t)(now - sent), limit = (int64_t)r->rtt_us + reo_wnd;

	return age >= limit ? 0 : (uint32_t)(limit - age);
}

#endif
