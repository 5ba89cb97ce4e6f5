/*
 * The receive window (RFC 9293 section 3.8.6): how much of the buffer is offered to the peer, and
 * when a change of it is worth a segment of its own.
 *
 * The right edge advances only by what is worth it (section 3.8.6.2.2) and never moves back: what
 * scaling rounds away is still accepted up to rcv_adv (RFC 7323 section 2.4).
 */
#include "tcp/tcp.h"

/* Where the window could end: behind the free part of the buffer, if the field can say so. */
static uint32_t free_edge(const struct tcp *t, const struct tcp_conn *c, const struct tcp_work *w)
{
	uint32_t buf = tcp_opts_of(t, c)->rcvbuf, unread = c->rcv_nxt - w->rcv_read;
	uint32_t room = buf > unread ? buf - unread : 0;

	return c->rcv_nxt + min_of(room, 0xffffu << c->rcv_wscale);
}

uint16_t tcp_advertise(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	uint32_t buf = tcp_opts_of(t, c)->rcvbuf, edge = free_edge(t, c, w), field;

	if (!seq_gt(edge, w->rcv_adv) || edge - w->rcv_adv < min_of(buf / 2, (uint32_t)c->rcv_mss))
		edge = w->rcv_adv;
	field = seq_gt(edge, c->rcv_nxt) ? (edge - c->rcv_nxt) >> c->rcv_wscale : 0;
	field = min_of(field, 0xffffu);
	w->rcv_adv = seq_max(w->rcv_adv, c->rcv_nxt + (field << c->rcv_wscale));
	return field;
}

void tcp_window_update(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	uint32_t buf = tcp_opts_of(t, c)->rcvbuf, edge = free_edge(t, c, w);
	uint32_t open = seq_gt(w->rcv_adv, c->rcv_nxt) ? w->rcv_adv - c->rcv_nxt : 0;
	uint32_t gain = seq_gt(edge, w->rcv_adv) ? edge - w->rcv_adv : 0;

	if (c->flags & TCP_F_FIN_RECEIVED || gain < min_of(buf / 2, (uint32_t)c->rcv_mss))
		return;
	if (open < c->rcv_mss || gain >= buf / 2) {
		w->ack_now = 1;
		tcp_want_output(t, c, w);
	}
}
