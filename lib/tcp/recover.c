/*
 * Recovery: what a loss does to the congestion window, when it is over, and how it is taken back if
 * there was none.
 *
 * With SACK, RACK says what is lost and Proportional Rate Reduction how much may leave (RFC 8985,
 * RFC 9937). Without, three duplicate ACKs mean that SND.UNA is lost and each partial ACK that the
 * next hole is (RFC 5681, RFC 6582). A timeout begins again from one segment (RFC 6298, RFC 5681).
 *
 * The window is reduced once for all that was sent before the reduction; a loss of what was sent
 * after it, a retransmission too, is another one. A loss event is undone when it shows that nothing
 * was lost: the ACK echoes a timestamp from before the retransmission (RFC 4015), everything sent
 * again is reported as duplicate (RFC 3708), or after a timeout the ACKs of the first copies come in
 * (F-RTO, RFC 5682).
 */
#include "tcp/ecn.h"
#include "tcp/loss.h"

#define DUP_THRESH 3

/* The segment at SND.UNA. */
static void mark_head(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	tcp_flight_split(t, w, w->snd_una + c->snd_mss);
	if (w->flight.n)
		tcp_flight_mark_lost(w, tcp_flight_at(t, w, 0));
}

/* From here on a loss event can be taken back. */
static void undo_begin(struct tcp *t, struct tcp_work *w)
{
	w->cc_before = w->cc;
	w->undo = 1;
	w->undo_una = w->snd_una;
	w->undo_bytes = 0;
}

static void undo(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	count(t->ctr, CTR_SPURIOUS_RECOVERIES);
	tcp_cc(t, c)->on_undo(&w->cc, &w->cc_before, t->now);
	tcp_flight_unmark_lost(t, w);
	w->undo = 0;
	w->undo_bytes = 0;
	w->recovery = w->rto_recovery = 0;
	w->frto = 0;
	w->rack.rtt_us = 0; /* what was taken for the delivery of a retransmission was not */
	w->force_retx = 0;
	w->dup_credit = 0;
	if (c->flags & TCP_AGREED_SACK)
		w->recover = w->snd_una; /* without, it still guards against old duplicates */
	c->backoff = 0;
}

/*
 * RFC 4015 section 3.2: the first ACK after the event is for what was sent before it. Not where it may
 * be that of the retransmission, those of all before being lost: then so may be the data behind it.
 */
static bool eifel_says_spurious(const struct tcp_work *w, const struct tcp_acked *a)
{
	return w->undo && w->undo_bytes && a->acked && a->echo && !a->ambiguous &&
	       w->snd_una - a->acked == w->undo_una && seq_lt(a->echo_ms, w->undo_ms);
}

/* Bytes reported as duplicates; true if that is all that was sent again. */
static bool dsack_says_spurious(struct tcp_work *w, const struct tcp_acked *a)
{
	uint32_t len = a->dsack_block.right - a->dsack_block.left;

	if (!a->dsack || !w->undo || !w->undo_bytes || seq_lt(a->dsack_block.left, w->undo_una))
		return false;
	if (w->tlp_out && a->dsack_block.right == w->tlp_end)
		return false;
	w->undo_bytes -= min_of(w->undo_bytes, len);
	return w->undo_bytes == 0;
}

/* The window shrinks for a loss among what was sent before now. */
static void reduce(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	uint32_t flight = c->snd_nxt - w->snd_una;

	tcp_ecn_loss(c);
	w->recover = c->snd_nxt;
	w->reduced = (uint32_t)t->now;
	/* An echo has shrunk it for the same data. With SACK that was looked at: tcp_loss_is_new. */
	if (!(c->flags & TCP_AGREED_SACK) && tcp_ecn_reduced(w))
		return;
	if (w->recovery)
		w->cc.cwnd = w->cc.ssthresh; /* a loss of what this recovery sent */
	else if (!w->rto_recovery)
		undo_begin(t, w);
	/* What is beyond cwnd was sent by limited transmit: it does not count (RFC 5681 section 3.2). */
	tcp_cc(t, c)->on_loss(&w->cc, min_of(flight, w->cc.cwnd), t->now);
}

static void enter_recovery(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
			   uint32_t delivered)
{
	uint32_t out = c->snd_nxt - w->snd_una;

	if (!w->recovery)
		count(t->ctr, CTR_FAST_RECOVERIES);
	reduce(t, c, w);
	prr_start(&w->prr, out - w->sacked + delivered);
	w->tlp_out = 0;
	w->partial = 0;
	w->recovery = 1;
	w->rto_recovery = 0;
	w->frto = 0;
	w->force_retx = 1;
}

static void exit_recovery(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	w->recovery = 0;
	w->dup_credit = 0;
	rack_recovered(&w->rack);
	tcp_cc(t, c)->on_exit_recovery(&w->cc, t->now);
}

/* An ACK that moved SND.UNA while in recovery without SACK: RFC 6582 section 3.2 step 3. */
static void partial_ack(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, uint32_t acked)
{
	mark_head(t, c, w);
	w->dup_credit -= min_of(w->dup_credit, acked);
	w->force_retx = 1;
}

/* RFC 5681 section 3.2, RFC 6582: three duplicate ACKs. */
static void count_duplicates(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
			     const struct tcp_acked *a)
{
	if (a->acked && w->recovery)
		partial_ack(t, c, w, a->acked);
	else if (a->acked)
		w->dup_credit = 0;
	if (!a->dup)
		return;
	w->dup_credit = min_of(w->dup_credit + c->snd_mss, c->snd_nxt - w->snd_una);
	if (w->dup_acks < DUP_THRESH && !w->recovery)
		count(t->ctr, CTR_LIMITED_TRANSMITS);
	if (w->dup_acks == DUP_THRESH && !w->recovery && seq_gt(w->snd_una, w->recover)) {
		enter_recovery(t, c, w, a->delivered);
		mark_head(t, c, w);
	}
}

static void prr_window(struct tcp_conn *c, struct tcp_work *w, const struct tcp_acked *a,
		       uint32_t lost_before)
{
	uint32_t pipe = tcp_pipe(c, w);
	bool safe = a->acked && w->lost <= lost_before;

	if (a->delivered)
		w->cc.cwnd = pipe + prr_ack(&w->prr, a->delivered, pipe, w->cc.ssthresh, c->snd_mss,
					    safe);
}

static void use_rack(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
		     const struct tcp_acked *a)
{
	uint32_t lost = w->lost;

	if (tcp_rack_detect(t, c, w))
		enter_recovery(t, c, w, a->delivered);
	if (w->recovery)
		prr_window(c, w, a, lost);
}

/* RFC 5682 section 3.1. The window of a real timeout opens again by slow start. */
static void frto_ack(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
		     const struct tcp_acked *a)
{
	uint32_t edge = w->snd_una + w->snd_wnd;

	if (w->frto == 2 && a->first_copy) {
		undo(t, c, w);
	} else if (w->frto == 1 && a->acked && seq_lt(c->snd_nxt, w->snd_end) &&
		   seq_lt(c->snd_nxt, edge)) {
		w->frto = 2;
		w->frto_end = c->snd_nxt + 2 * c->snd_mss;
	} else if (a->acked || a->dup || a->sacked) {
		if (w->frto == 2)
			w->cc.cwnd = min_of(w->cc.cwnd, 3 * (uint32_t)c->snd_mss);
		w->frto = 0;
	}
}

/* What the ACK ends: a timeout's slow start, a recovery, a probe, an event that was none. */
static void ack_ends(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
		     const struct tcp_acked *a)
{
	bool over = seq_geq(w->snd_una, w->recover);

	if (a->dsack && !(w->tlp_out && a->dsack_block.right == w->tlp_end))
		rack_dsack(&w->rack, w->snd_una, c->snd_nxt);
	if (tcp_tlp_acked(t, w, a) && !w->recovery && !w->rto_recovery) {
		tcp_cc(t, c)->on_loss(&w->cc, w->cc.cwnd, t->now);
		w->undo = 0;
		tcp_ecn_loss(c);
		w->recover = c->snd_nxt;
		w->reduced = (uint32_t)t->now;
		tcp_cc(t, c)->on_exit_recovery(&w->cc, t->now);
	}
	if (eifel_says_spurious(w, a) || dsack_says_spurious(w, a))
		undo(t, c, w);
	if (w->rto_recovery && over) {
		w->rto_recovery = 0;
		w->frto = 0;
		rack_recovered(&w->rack);
	}
	if (w->recovery && over)
		exit_recovery(t, c, w);
	if (w->rto_recovery && w->frto)
		frto_ack(t, c, w, a);
}

void tcp_loss_detect(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, struct tcp_acked *a)
{
	ack_ends(t, c, w, a);
	if (!w->sacked)
		w->sack_arrivals = 0;
	if (!(c->flags & TCP_AGREED_SACK))
		count_duplicates(t, c, w, a);
	else if (w->flight.n && (w->sacked || w->rack.rtt_us))
		use_rack(t, c, w, a);
}

/*
 * What the timer found may take the room that there was, or to begin with two segments: the
 * retransmission that PRR always lets go, and one for what was delivered.
 */
void tcp_reo_expired(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	uint32_t pipe = tcp_pipe(c, w), budget = w->cc.cwnd > pipe ? w->cc.cwnd - pipe : 0;

	if (tcp_rack_detect(t, c, w)) {
		enter_recovery(t, c, w, 0);
		budget = min_of(w->sacked, (uint32_t)c->snd_mss) + c->snd_mss;
	}
	if (w->recovery)
		w->cc.cwnd = tcp_pipe(c, w) + max_of(budget, (uint32_t)c->snd_mss);
}

/* FlightSize for RFC 5681 equation 4, and whether the segment times out for the first time. */
static uint32_t timed_out_flight(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, bool *first)
{
	uint32_t flight = c->snd_nxt - w->snd_una;
	struct tcp_flight *head = w->flight.n ? tcp_flight_at(t, w, 0) : NULL;

	*first = !head || !(head->flags & FLIGHT_TIMED);
	if (w->recovery)
		flight = min_of(flight, w->cc.ssthresh);
	else if (!w->rto_recovery)
		flight = min_of(flight, w->cc.cwnd);
	return flight;
}

void tcp_rto_expired(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	bool underway = w->recovery || w->rto_recovery, first;
	uint32_t flight;

	if (w->flight.n && tcp_flight_at(t, w, 0)->flags & FLIGHT_SACKED)
		tcp_flight_reneged(t, w);
	flight = timed_out_flight(t, c, w, &first);
	if (!underway)
		undo_begin(t, w);
	tcp_cc(t, c)->on_rto(&w->cc, flight, first, t->now);
	tcp_ecn_loss(c);
	w->ecn_wait = 0;
	w->frto = !underway && first;
	w->rto_recovery = 1;
	w->recovery = 0;
	if (c->flags & TCP_AGREED_SACK)
		tcp_rack_timeout(t, c, w);
	else
		for (uint32_t i = 0; i < w->flight.n; i++)
			tcp_flight_mark_lost(w, tcp_flight_at(t, w, i));
	mark_head(t, c, w);
	if (w->flight.n)
		tcp_flight_at(t, w, 0)->flags |= FLIGHT_TIMED;
	w->recover = c->snd_nxt;
	w->reduced = (uint32_t)t->now;
	w->dup_credit = 0;
	w->dup_acks = 0;
	w->reo_pending = 0;
	w->tlp_out = 0;
	w->force_retx = 1;
}

void tcp_flight_resend(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	for (uint32_t i = 0; i < w->flight.n; i++)
		tcp_flight_mark_lost(w, tcp_flight_at(t, w, i));
	w->undo = 0;
	w->frto = 0;
	w->tlp_out = 0;
	w->dup_credit = 0;
	w->dup_acks = 0;
	w->force_retx = w->lost != 0;
	if (!(c->flags & TCP_AGREED_SACK))
		w->recover = c->snd_nxt; /* what went through in spite of it is acknowledged twice */
}

void tcp_recovery_sent(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, uint32_t len,
		       bool again)
{
	if (w->recovery && c->flags & TCP_AGREED_SACK)
		prr_sent(&w->prr, len);
	if (!again)
		return;
	if (w->undo && !w->undo_bytes)
		w->undo_ms = t->now_ms;
	if (w->undo)
		w->undo_bytes += len;
	/* A report that it was for nothing may come as late as this, and may need the hot block. */
	w->linger_at = t->now_ms + ms_of(2ull * w->rtt.srtt_us) + 2;
}
