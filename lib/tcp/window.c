/*
 * The receive window (RFC 9293 section 3.8.6): how much is offered to the peer, and when a change of it is
 * worth a segment of its own.
 *
 * The right edge advances only by what is worth it (section 3.8.6.2.2) and never moves back: what
 * scaling rounds away is still accepted up to rcv_adv (RFC 7323 section 2.4).
 *
 * The buffer begins at rcvbuf-initial and doubles, up to rcvbuf, while the handler takes more than a
 * quarter of it in one round trip: the window is then more than twice what the path delivers, however
 * the rounds are cut, and does not limit a sender that doubles its own. What buffers grew is bounded by
 * the worker's budget. How long a round trip is timestamps say, or without them the time it takes to
 * fill one window. While much comes in, the hot block stays for the round's length, or the measure
 * would be lost with it; and so long the window counts as one that is being filled (share.c).
 */
#include "tcp/window.h"

#define PINCHED_MSS 2
#define SHIFT_ALL   7

uint32_t tcp_rcvbuf(const struct tcp *t, const struct tcp_conn *c)
{
	const struct tcp_options *o = tcp_opts_of(t, c);

	if (unlikely(c->flags & TCP_F_OWN) && tcp_work_of(t, c)->own.rcvbuf)
		return tcp_work_of(t, c)->own.rcvbuf;
	if (c->rcvbuf_shift == SHIFT_ALL)
		return (uint32_t)o->rcvbuf;
	return (uint32_t)min_of(o->rcvbuf_initial << c->rcvbuf_shift, o->rcvbuf);
}

/* Where the window could end: behind the free part of the buffer, if the field can say so. */
static uint32_t free_edge(const struct tcp *t, const struct tcp_conn *c, const struct tcp_work *w)
{
	uint32_t unread = c->rcv_nxt - w->rcv_read;
	uint32_t room = w->rcvbuf > unread ? w->rcvbuf - unread : 0;

	return c->rcv_nxt + min_of(room, 0xffffu << c->rcv_wscale);
}

/*
 * The room as the field can say it. Less than one unit of a large scale is one, where it is worth
 * offering and the handler reads: rounded to none it would wait for others, who may never read.
 */
static uint64_t in_units(const struct tcp_conn *c, const struct tcp_work *w, uint64_t room)
{
	const uint64_t unit = 1ull << c->rcv_wscale;

	if (unlikely(room < unit) && room >= tcp_least_gain(c, w) && tcp_share_passes(w))
		return unit;
	return room >> c->rcv_wscale << c->rcv_wscale;
}

/* The same, as far as the worker's mbufs reach. */
static uint32_t share_edge(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	uint32_t edge = free_edge(t, c, w);
	uint64_t room;

	if (likely(!t->held_max))
		return edge;
	room = tcp_share_window(t, w);
	if (!tcp_share_counts(w))
		room = min_of(room, tcp_share_fair(t, c->rcv_wscale));
	if (edge - c->rcv_nxt <= room)
		return edge;
	room = min_of(in_units(c, w, room), (uint64_t)(edge - c->rcv_nxt));
	if (room < PINCHED_MSS * c->rcv_mss && !w->rcvq.n)
		tcp_pinch(t, w); /* no reading of its own will open it */
	return c->rcv_nxt + (uint32_t)room;
}

uint16_t tcp_advertise_edge(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	uint32_t edge = share_edge(t, c, w), field;

	if (!seq_gt(edge, w->rcv_adv) || edge - w->rcv_adv < tcp_least_gain(c, w))
		edge = w->rcv_adv;
	field = seq_gt(edge, c->rcv_nxt) ? (edge - c->rcv_nxt) >> c->rcv_wscale : 0;
	field = min_of(field, 0xffffu);
	w->rcv_adv = seq_max(w->rcv_adv, c->rcv_nxt + (field << c->rcv_wscale));
	tcp_share_promise(t, c, w);
	return field;
}

void tcp_window_time(const struct tcp *t, const struct tcp_conn *c, struct tcp_work *w)
{
	const uint32_t now = (uint32_t)t->now;

	if (w->edge_at && now - w->edge_at <= TCP_RCV_RTT_MAX_US)
		tcp_rcv_rtt_take(w, now - w->edge_at);
	w->edge_seq = w->rcv_adv;
	w->edge_at = now ? now : 1;
}

uint32_t tcp_rcvbuf_grown(const struct tcp *t, const struct tcp_conn *c)
{
	const struct tcp_options *o = tcp_opts_of(t, c);
	const uint32_t buf = tcp_rcvbuf(t, c), initial = (uint32_t)min_of(o->rcvbuf_initial, o->rcvbuf);

	return buf > initial ? buf - initial : 0; /* a connection's own may be smaller */
}

bool tcp_set_buffers(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, uint32_t rcv, uint32_t snd)
{
	const struct tcp_options *o = tcp_opts_of(t, c);
	const uint64_t initial = min_of(o->rcvbuf_initial, o->rcvbuf);
	const uint32_t before = tcp_rcvbuf_grown(t, c);
	struct tcp_own own = tcp_own_get(t, c);

	if (rcv > initial && t->rcv_grown - before + (rcv - initial) > t->rcv_budget)
		return false;
	own.rcvbuf = rcv;
	own.sndbuf = snd;
	if (rcv)
		c->rcvbuf_shift = 0; /* if it goes back, it grows from the beginning */
	tcp_own_set(t, c, w, &own);
	t->rcv_grown += (uint64_t)tcp_rcvbuf_grown(t, c) - before; /* which may be less */
	w->rcvbuf = tcp_rcvbuf(t, c);
	w->growing = !rcv && w->rcvbuf < o->rcvbuf;
	tcp_window_update(t, c, w);
	return true;
}

/* One doubling, if the budget has it. */
static bool grow(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	const uint64_t max = tcp_opts_of(t, c)->rcvbuf;
	uint64_t next = min_of(2 * (uint64_t)w->rcvbuf, max);

	if (c->rcvbuf_shift == SHIFT_ALL - 1)
		next = max;
	if (t->rcv_grown + (next - w->rcvbuf) > t->rcv_budget)
		return false;
	t->rcv_grown += next - w->rcvbuf;
	c->rcvbuf_shift++;
	w->rcvbuf = (uint32_t)next;
	w->growing = next < max;
	return true;
}

void tcp_window_much(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, uint32_t got, uint32_t rtt)
{
	while (w->growing && got > w->rcvbuf / 4 && grow(t, c, w))
		;
	if (got <= c->rcv_mss)
		return;
	w->measuring = 1;
	w->round_ms = t->now_ms + rtt / (uint32_t)US_PER_MS + 1;
	tcp_timer_update(t, c, w);
}

void tcp_window_open(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	const uint32_t edge = share_edge(t, c, w);
	uint32_t open, gain;

	open = seq_gt(w->rcv_adv, c->rcv_nxt) ? w->rcv_adv - c->rcv_nxt : 0;
	gain = seq_gt(edge, w->rcv_adv) ? edge - w->rcv_adv : 0;
	if (c->flags & TCP_F_FIN_RECEIVED || gain < tcp_least_gain(c, w))
		return;
	if (open < c->rcv_mss || gain >= w->rcvbuf / 2) {
		w->ack_now = 1;
		tcp_want_output(t, c, w);
	}
}
