/*
 * What must hold of a connection whenever no call is running: the invariants that the rest of this
 * room relies on and keeps. For tests; a walk over everything the connection has.
 *
 * Each function returns NULL, or what is wrong.
 */
#include "tcp/deadline.h"
#include "tcp/policy.h"

/* Slices without gaps from *from on; *from is then their end. */
static const char *check_run(const struct tcp *t, const struct vec *q, struct slice *inl,
			     uint32_t *from, const char *wrong)
{
	for (uint32_t i = 0; i < q->n; i++) {
		const struct slice *s = vec_at(q, &t->slab, inl, sizeof(*s), i);

		if (!s->len || s->seq != *from)
			return wrong;
		*from += s->len;
	}
	return NULL;
}

static const char *check_send_queue(const struct tcp *t, const struct tcp_conn *c,
				    struct tcp_work *w)
{
	uint32_t at = w->snd_una + w->syn, end = w->snd_end;
	const char *wrong;

	if (c->flags & TCP_F_FIN_SENT && !(c->flags & TCP_F_FIN_QUEUED))
		return "FIN sent that was never queued";
	if (c->flags & TCP_F_FIN_SENT && c->snd_nxt != end + 1)
		return "FIN sent, and SND.NXT is not behind it";
	if (!(c->flags & TCP_F_FIN_SENT) && seq_gt(c->snd_nxt, end))
		return "SND.NXT is beyond what was queued";
	if (!w->sndq.n)
		return seq_lt(at, end) ? "the send queue is empty, but not all is acknowledged" : NULL;
	wrong = check_run(t, &w->sndq, w->sndq_inline, &at, "the send queue has a gap");
	if (!wrong && at != end)
		wrong = "the send queue does not end at its end";
	return wrong;
}

static const char *check_flight(const struct tcp *t, const struct tcp_conn *c, struct tcp_work *w)
{
	uint32_t at = w->snd_una + w->syn, sacked = 0, lost = 0;

	if (seq_gt(w->snd_una, c->snd_nxt) || seq_gt(c->snd_nxt, w->snd_max))
		return "SND.UNA <= SND.NXT <= SND.MAX does not hold";
	for (uint32_t i = 0; i < w->flight.n; i++) {
		const struct tcp_flight *f = vec_at(&w->flight, &t->slab, w->flight_inline,
						    sizeof(*f), i);

		if (f->seq != at || !seq_lt(f->seq, f->end))
			return "in-flight ranges have a gap or overlap";
		if (f->flags & FLIGHT_SACKED && f->flags & FLIGHT_LOST)
			return "a range is both delivered and lost";
		sacked += f->flags & FLIGHT_SACKED ? f->end - f->seq : 0;
		lost += f->flags & FLIGHT_LOST ? f->end - f->seq : 0;
		at = f->end;
	}
	if (at != c->snd_nxt)
		return "in-flight ranges do not end at SND.NXT";
	if (sacked != w->sacked)
		return "the count of delivered bytes is wrong";
	if (lost != w->lost)
		return "the count of lost bytes is wrong";
	return sacked + lost > c->snd_nxt - w->snd_una ? "the pipe is negative" : NULL;
}

static const char *check_receive(const struct tcp *t, const struct tcp_conn *c, struct tcp_work *w)
{
	bool fin = c->flags & TCP_F_FIN_RECEIVED;
	uint32_t at = w->rcv_read, end = c->rcv_nxt - fin;
	const char *wrong = check_run(t, &w->rcvq, w->rcvq_inline, &at,
				      "the receive queue has a gap");

	if (wrong)
		return wrong;
	for (const struct rte_mbuf *m = w->rcv_more.head; m; m = m->next) {
		if (!m->data_len || (!m->next && m != w->rcv_more.tail))
			return "the receive queue's chain is broken";
		at += m->data_len;
	}
	if (w->rcv_more.head && !w->rcvq.n)
		return "received data that the handler cannot see";
	/* A block attached after the FIN starts behind it. */
	if (at != end && !(fin && !w->rcvq.n && at == c->rcv_nxt))
		return "the receive queue does not end at RCV.NXT";
	if (seq_gt(w->last_ack_sent, c->rcv_nxt))
		return "more was acknowledged than received";
	return seq_gt(end, w->rcv_adv) ? "more was received than the window allowed" : NULL;
}

static const char *check_ooo(const struct tcp *t, const struct tcp_conn *c, struct tcp_work *w)
{
	uint32_t links = 0, at = c->rcv_nxt;

	if (w->ooo.n > TCP_RANGES_MAX)
		return "too many out-of-order ranges";
	for (uint32_t i = 0; i < w->ooo.n; i++) {
		const struct tcp_run *r = vec_at(&w->ooo, &t->slab, w->ooo_inline, sizeof(*r), i);
		uint32_t end = r->seq, n = 0;

		if (!seq_gt(r->seq, at))
			return "out-of-order ranges touch or are out of order";
		for (const struct rte_mbuf *m = r->chain.head; m; m = m->next, n++)
			end += m->data_len;
		if (end != r->end || n != r->links || r->end == r->seq)
			return "an out-of-order range is not what its chain holds";
		links += n;
		at = r->end;
	}
	if (links != w->ooo_held || (links != 0) != (w->fat_list != 0))
		return "the count of out-of-order buffers is wrong";
	return w->ooo.n && seq_gt(at, w->rcv_adv) ? "out-of-order data beyond the window" : NULL;
}

/* Something comes no later than the deadline: the entry in the wheel, or the end of grace. w: NULL at rest. */
static const char *check_deadline(const struct tcp *t, const struct tcp_conn *c,
				  const struct tcp_work *w)
{
	const bool grace = w && delay_holds(&t->grace, w->grace, tcp_index(t, c));

	if (!(c->flags & TCP_F_WHEEL) || t->rescue || t->rescue_pos)
		return NULL;
	if (c->wheel_slot && seq_leq(c->wheel_at, c->deadline))
		return NULL;
	if (!grace)
		return "a deadline without an entry in the wheel, or with one that comes after it";
	return seq_gt(t->grace.place[w->grace - 1].due, c->deadline) ?
		"grace ends after the deadline" : NULL;
}

/*
 * Of the retransmission, probe and window timers one field holds the kind, so never two are armed
 * (RFC 8985 section 8). That one is armed while anything depends on the peer is checked here.
 */
static const char *check_timer(const struct tcp *t, const struct tcp_conn *c,
			       const struct tcp_work *w)
{
	bool waits = c->snd_nxt != w->snd_una || tcp_unsent(c, w);

	if (w->on_ready || w->on_out)
		return NULL;
	if (waits && w->timer == TCP_TIMER_NONE)
		return "something is to be sent or acknowledged, and no timer guards it";
	if (w->timer != TCP_TIMER_NONE &&
	    (!(c->flags & TCP_F_WHEEL) || seq_gt(c->deadline, w->timer_at)))
		return "a timer is armed, and the deadline does not cover it";
	if (w->measuring && (!(c->flags & TCP_F_WHEEL) || seq_gt(c->deadline, w->round_ms)))
		return "a round trip is measured, and the deadline does not cover its end";
	if (w->delack && (!(c->flags & TCP_F_WHEEL) || seq_gt(c->deadline, w->delack_at)))
		return "an acknowledgment is owed, and the deadline does not cover it";
	return w->ack_now ? "an acknowledgment is owed at once, and no list has it" : NULL;
}

/* Between turns the counts of those that keep memory are what the states say. */
static const char *check_policy(const struct tcp_conn *c, const struct tcp_work *w)
{
	if (w->on_ready || w->on_out)
		return NULL;
	return tcp_is_stalled(c, w) == !!(c->flags & TCP_F_STALLED) ?
		NULL : "it is stalled and not counted as that, or the reverse";
}

static const char *check_rest(const struct tcp *t, const struct tcp_conn *c)
{
	if ((c->flags & (TCP_F_FIN_QUEUED | TCP_F_FIN_SENT)) == TCP_F_FIN_QUEUED)
		return "at rest with a FIN to send";
	if (!c->cwnd || !c->ssthresh)
		return "at rest without a congestion window";
	if (c->flags & TCP_F_TIMER && !(c->flags & TCP_F_WHEEL))
		return "at rest, and the handler's timer is not armed";
	return check_deadline(t, c, NULL);
}

const char *tcp_check(const struct tcp *t, const struct tcp_conn *c)
{
	struct tcp_work *w;
	const char *wrong;

	if (c->state == TCP_CLOSED)
		return NULL;
	if (!c->snd_mss || c->snd_mss > c->mss_max)
		return "no segment size, or one that the handshake did not allow";
	if ((c->state == TCP_LAST_ACK || c->state == TCP_TIME_WAIT) && !(c->flags & TCP_F_FIN_RECEIVED))
		return "a state behind the peer's FIN, which no flag knows of";
	if (!c->block)
		return c->state < TCP_ESTABLISHED ? "no block before ESTABLISHED" : check_rest(t, c);
	w = tcp_work_of(t, c);
	if (w->syn ? w->timer != TCP_TIMER_SYN || c->snd_nxt == w->snd_una :
		     c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED)
		return "a SYN that nothing waits for, or that nothing sends again";
	if (w->conn != tcp_index(t, c))
		return "the hot block belongs to another connection";
	wrong = check_flight(t, c, w);
	if (!wrong)
		wrong = check_send_queue(t, c, w);
	if (!wrong)
		wrong = check_receive(t, c, w);
	if (!wrong)
		wrong = check_ooo(t, c, w);
	if (!wrong)
		wrong = check_policy(c, w);
	if (!wrong)
		wrong = check_deadline(t, c, w);
	return wrong ? wrong : check_timer(t, c, w);
}

const char *tcp_check_grace(const struct tcp *t)
{
	for (uint32_t n = 0; n < delay_count(&t->grace); n++) {
		const struct delay_place *p = delay_at(&t->grace, n);
		const struct tcp_conn *c = &t->conn[p->number];

		if (!p->number)
			continue;
		if (!c->block || tcp_work_of(t, c)->grace != (uint32_t)(p - t->grace.place) + 1)
			return "a connection is in the grace line and does not know";
	}
	return NULL;
}
