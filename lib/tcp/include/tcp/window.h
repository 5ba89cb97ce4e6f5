/*
 * What of the receive window (window.c) is asked for each message: inline, and short where the window is
 * open so wide that nothing could move it.
 *
 * For the worker's thread; a connection has its block. Bounded.
 */
#ifndef PIER_TCP_WINDOW_H
#define PIER_TCP_WINDOW_H

#include "tcp/share.h"

/* What the edge must gain to be moved: RFC 9293 section 3.8.6.2.2. */
static inline uint32_t tcp_least_gain(const struct tcp_conn *c, const struct tcp_work *w)
{
	return min_of(w->rcvbuf / 2, (uint32_t)c->rcv_mss);
}

/*
 * If all of the buffer were free, as far as the field can say so and the share of mbufs goes, the edge would not gain
 * what is worth it: it stays where it is.
 */
static inline bool tcp_window_wide(const struct tcp *t, const struct tcp_conn *c, const struct tcp_work *w)
{
	uint32_t most = min_of(w->rcvbuf, 0xffffu << c->rcv_wscale);

	if (t->held_max && !tcp_share_counts(w))
		most = min_of(most, tcp_share_fair(t, c->rcv_wscale));
	return (int32_t)(most - (w->rcv_adv - c->rcv_nxt)) < (int32_t)tcp_least_gain(c, w);
}

/* tcp_advertise of a window that may have to move. */
uint16_t tcp_advertise_edge(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

/* The window field of a segment that leaves now; moves rcv_adv, which never moves back. */
static inline uint16_t tcp_advertise(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	if (unlikely(!tcp_window_wide(t, c, w)))
		return tcp_advertise_edge(t, c, w);
	tcp_share_promise(t, c, w);
	return (uint16_t)min_of((w->rcv_adv - c->rcv_nxt) >> c->rcv_wscale, 0xffffu);
}

#define TCP_RCV_RTT_GUESS_US (100u * 1000)

/* Without timestamps a round trip is over when what was the right edge has been reached: then this is called. */
void tcp_window_time(const struct tcp *t, const struct tcp_conn *c, struct tcp_work *w);

/* More came in this round of rtt than one segment, or than the buffer has room for in so short a time. */
void tcp_window_much(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, uint32_t got, uint32_t rtt);

/* Of tcp_window_update: how much came in this round trip, and whether the buffer is to grow by it. */
static inline void tcp_window_measure(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	const uint32_t now = (uint32_t)t->now, got = w->rcv_read - w->round_read;
	uint32_t rtt = w->rcv_rtt ? w->rcv_rtt : w->rtt.srtt_us;

	rtt = rtt ? rtt : TCP_RCV_RTT_GUESS_US;
	if (!(c->flags & TCP_AGREED_TS) && unlikely(!w->edge_at || !seq_lt(c->rcv_nxt, w->edge_seq)))
		tcp_window_time(t, c, w);
	if (unlikely(got > min_of(w->rcvbuf / 4, (uint32_t)c->rcv_mss)))
		tcp_window_much(t, c, w, got, rtt);
	if (now - w->round_at >= rtt) {
		w->round_at = now;
		w->round_read = w->rcv_read;
	}
}

/* And: silly-window avoidance decides whether a segment says that the window is open again. */
void tcp_window_open(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

/* The handler took data: advance the window if silly-window avoidance allows, and say so. */
static inline void tcp_window_update(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	if (w->growing || t->held_max)
		tcp_window_measure(t, c, w);
	tcp_share_promise(t, c, w);
	if (unlikely(!tcp_window_wide(t, c, w)))
		tcp_window_open(t, c, w);
}

#define TCP_RCV_RTT_MAX_US (10u * 1000 * 1000) /* longer is an idle sender */
#define TCP_RCV_RTT_MIN_US 1000u               /* the timestamp clock's tick */

/* The receiver's round trip: the shortest, or slowly longer. */
static inline void tcp_rcv_rtt_take(struct tcp_work *w, uint32_t us)
{
	us = max_of(us, TCP_RCV_RTT_MIN_US);
	if (!w->rcv_rtt || us < w->rcv_rtt)
		w->rcv_rtt = us;
	else
		w->rcv_rtt += (us - w->rcv_rtt) / 8;
}

/* A segment in order echoes TSval tsecr: how long a round trip takes. */
static inline void tcp_rcv_rtt(struct tcp *t, struct tcp_work *w, uint32_t tsecr)
{
	uint32_t ms = tcp_ts_now(t, w->ts_offset) - tsecr;

	if (tsecr && ms <= TCP_RCV_RTT_MAX_US / US_PER_MS)
		tcp_rcv_rtt_take(w, ms * (uint32_t)US_PER_MS);
}

#endif
