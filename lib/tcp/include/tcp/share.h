/*
 * The worker's mbufs, shared by its connections: what each may hold and offer (share.c).
 *
 * For the worker's thread; no function takes longer for more connections.
 */
#ifndef PIER_TCP_SHARE_H
#define PIER_TCP_SHARE_H

#include "tcp/tcp.h"

#define TCP_PASSING    64 /* mbufs of a burst, of a connection whose handler reads */
#define TCP_HELD_LEAST 8  /* mbufs of a connection that a spent share leaves alone */

/* The out-of-order queue changed: keep the connection among those of its size. O(1). */
void tcp_fatness(struct tcp *t, struct tcp_work *w);
/* The connection with the most out-of-order mbufs, or one of nearly as many; NULL: none has any. */
struct tcp_work *tcp_fattest(const struct tcp *t);

/*
 * mbufs that the connection may hold beyond those it has. Each may have as many as are left of the
 * share, so that many slow ones leave room for the one that reads.
 */
static inline uint64_t tcp_share_left(const struct tcp *t, const struct tcp_work *w)
{
	uint64_t left = t->held_max > t->held ? t->held_max - t->held : 0;

	if (!t->held_max)
		return UINT32_MAX;
	left = left > w->held ? left - w->held : 0;
	if (left < TCP_HELD_LEAST && w->held < TCP_HELD_LEAST &&
	    t->held < t->held_max + t->held_max / 8)
		left = TCP_HELD_LEAST - w->held; /* out of the reserve behind the share */
	return left;
}

/* The share keeps this connection's window small: tell the peer when that is over. */
void tcp_pinch(struct tcp *t, struct tcp_work *w);
void tcp_unpinch(struct tcp *t, struct tcp_work *w);
/* Whether there are such, and room for them again. */
static inline bool tcp_share_eased(const struct tcp *t)
{
	return unlikely(t->pinched) && slab_available(&t->slab) &&
	       (!t->held_max || t->held * t->mbuf_octets + t->promised <
					(t->held_max - t->held_max / 4) * t->mbuf_octets);
}
/* Octets that may be on their way to the connection, if what all have is to fit. */
uint64_t tcp_share_window(const struct tcp *t, const struct tcp_work *w);
/*
 * Much comes in, or something is kept: the open window is part of the sum. Other connections are offered
 * no more than the fair window.
 */
static inline bool tcp_share_counts(const struct tcp_work *w)
{
	return w->measuring || w->held;
}

/* The fair window for the number of connections there are now. */
void tcp_share_divide(struct tcp *t);
/* A port has that MTU: from now on the fair window has room for two segments of it. RFC 9293 section 3.8.6.2.2. */
void tcp_share_mtu(struct tcp *t, uint32_t mtu);
/* The same as a window field can say it that is scaled by shift. */
static inline uint32_t tcp_share_fair(const struct tcp *t, unsigned int shift)
{
	return (t->fair_window + (1u << shift) - 1) >> shift << shift;
}
/* The connection's window, or whether it is being filled, has changed: bring the sum up to date. */
static inline void tcp_share_promise(struct tcp *t, const struct tcp_conn *c, struct tcp_work *w)
{
	uint32_t open = 0;

	if (likely(!tcp_share_counts(w) && !w->promised))
		return;
	if (tcp_share_counts(w) && seq_gt(w->rcv_adv, c->rcv_nxt) &&
	    !(c->flags & TCP_F_FIN_RECEIVED))
		open = w->rcv_adv - c->rcv_nxt;
	t->promised += (uint64_t)open - w->promised;
	w->promised = open;
}
/* Open windows again, of a bounded number of connections. */
void tcp_share_tick(struct tcp *t);

/* The handler takes what comes, or nothing has come for it: what the connection holds is gone with the burst. */
static inline bool tcp_share_passes(const struct tcp_work *w)
{
	return !w->rcv_left && w->held < TCP_PASSING;
}

/* Behind this many only they have mbufs, and where the reserve ends nobody has. */
static inline uint64_t tcp_share_narrow(const struct tcp *t)
{
	return t->held_open + t->held_max / 8;
}

static inline uint64_t tcp_share_end(const struct tcp *t)
{
	return t->held_max + t->held_max / 8 + t->held_max / 16;
}

/* No more for this connection, although its window allowed it: more has come at once than was counted on. */
static inline bool tcp_share_refuses(const struct tcp *t, const struct tcp_work *w)
{
	if (likely(t->held < t->held_open) || t->held < tcp_share_narrow(t))
		return false;
	return !tcp_share_passes(w) || t->held >= tcp_share_end(t);
}

#endif
