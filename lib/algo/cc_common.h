/*
 * What the algorithms have in common: the beginning, slow start without HyStart++, the windows after
 * a reduction, timeouts, idle times, a new SMSS.
 */
#ifndef PIER_ALGO_CC_COMMON_H
#define PIER_ALGO_CC_COMMON_H

#include "algo/cc.h"

/* init of struct cc_ops. */
void cc_start(struct cc *c, uint32_t mss, uint32_t iw);

/* RFC 5681 3.1 equation 2 with RFC 3465's L: set.abc_limit, but 1 after a timeout. */
void cc_slow_start(struct cc *c, const struct cc_ack *ack);

/* The first slow start, in which HyStart++ watches: no loss, no ECE and no timeout yet. */
static inline bool cc_is_initial(const struct cc *c)
{
	return c->ssthresh == CC_SSTHRESH_NONE;
}

/* Of rounds and epochs: neither has begun. The larger of the two is both. */
static inline void cc_forget(struct cc *c)
{
	static_assert(sizeof(c->hystart) >= sizeof(c->cubic), "all of it is zero then");
	c->hystart = (struct cc_hystart){0};
}

/* That many percent of flight become ssthresh, at least two SMSS, and cwnd (RFC 5681 3.1 equation 4). */
void cc_reduce(struct cc *c, uint32_t flight, unsigned int percent);

/* The same for ECE: cwnd goes down to one SMSS, and never up (RFC 3168 6.1.2, RFC 8511 3). */
void cc_reduce_ecn(struct cc *c, uint32_t flight, unsigned int percent);

/* RFC 5681 3.1: one SMSS; ssthresh only at the segment's first timeout. */
void cc_reduce_rto(struct cc *c, uint32_t flight, unsigned int percent, bool first);

/* on_idle and on_mss of struct cc_ops. */
void cc_idle(struct cc *c, uint32_t iw);
void cc_resize(struct cc *c, uint32_t mss);

/* HyStart++ (cc_hystart.c): one ACK of the initial slow start; may end it by setting ssthresh. */
void cc_hystart_ack(struct cc *c, const struct cc_ack *ack);

#endif
