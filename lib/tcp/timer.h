/*
 * What timer.c shares with the short way, which sets the timers of each segment it sends: inline.
 */
#ifndef PIER_TCP_TIMER_H
#define PIER_TCP_TIMER_H

#include "tcp/loss.h"

#define TCP_RTO_AFTER_SYN_US (3 * US_PER_SEC) /* RFC 6298 (5.7) */

/* tcp_rto by the options o, which are the connection's. */
static inline uint64_t tcp_rto_by(const struct tcp_options *o, const struct tcp_conn *c,
				  const struct tcp_work *w)
{
	const struct rtt_limits limits = {o->rto_initial, o->rto_min, o->rto_max, o->rto_literal};
	const uint64_t rto = rtt_rto(&w->rtt, &limits);

	return c->flags & TCP_F_RTO_3S && !w->rtt.srtt_us ? max_of(rto, TCP_RTO_AFTER_SYN_US) : rto;
}

/* A millisecond more than asked: the present one has already begun. */
static inline uint32_t tcp_due(const struct tcp *t, uint64_t delay_us)
{
	return t->now_ms + (uint32_t)((delay_us + US_PER_MS - 1) / US_PER_MS) +
	       (delay_us && t->within_ms);
}

/*
 * The earliest of what can happen to data in flight (RFC 8985 sections 6.2, 7.2 and 8); probe: TLP
 * may. What was waited for by reo_at is over where nothing of this flight has been delivered.
 */
static inline void tcp_timer_earliest(struct tcp_work *w, bool probe)
{
	const bool reo = w->rack.rtt_us && w->reo_pending;

	w->timer = TCP_TIMER_RTO;
	w->timer_at = w->rto_at;
	if (reo && seq_leq(w->reo_at, w->rto_at)) {
		w->timer = TCP_TIMER_REO;
		w->timer_at = w->reo_at;
	} else if (!reo && probe) {
		w->timer = TCP_TIMER_TLP;
		w->timer_at = seq_min(w->tlp_at, w->rto_at);
	}
}

#endif
