/*
 * Urgent data (RFC 9293 section 3.8.5). A pointer into the stream and no more: every octet is delivered
 * in line. The pointer designates the octet that follows the urgent data (RFC 6093).
 *
 * A handler that has no urgent callback is told nothing, and for its connections nothing is kept.
 */
#include "tcp/tcp.h"

void tcp_urgent_input(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
		      const struct pkt_facts *f)
{
	uint32_t up = f->seq + f->urg;

	if (!t->version[c->version].listener->handler->urgent || c->flags & TCP_F_FIN_RECEIVED)
		return;
	if (w->fin_held)
		up = seq_min(up, w->fin_seq);
	/* Only forward, and only if it is ahead of what was consumed. */
	if (seq_leq(up, w->urgent_in ? w->rcv_up : w->rcv_read))
		return;
	w->urgent_in = 1;
	w->rcv_up = up;
	tcp_ready(t, c, w, TCP_EV_URGENT);
}

uint32_t tcp_urgent_left(const struct tcp_work *w)
{
	return w->urgent_in ? w->rcv_up - w->rcv_read : 0;
}

void tcp_urgent_fin(struct tcp_work *w, uint32_t seq)
{
	w->rcv_up = seq_min(w->rcv_up, seq);
	if (seq_leq(w->rcv_up, w->rcv_read))
		w->urgent_in = 0;
}

void tcp_urgent_queued(struct tcp_work *w)
{
	w->urgent_out = 1;
	w->snd_up = w->snd_end;
}

void tcp_urgent_mark(struct tcp_work *w, struct tcp_seg *seg)
{
	if (seq_geq(w->snd_una, w->snd_up)) {
		w->urgent_out = 0;
	} else if (seq_gt(w->snd_up, seg->seq)) {
		seg->flags |= TCP_URG;
		seg->urg = (uint16_t)min_of(w->snd_up - seg->seq, 0xffffu);
	}
}
