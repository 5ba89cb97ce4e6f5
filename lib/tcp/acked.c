/*
 * The acknowledgment field (RFC 9293 section 3.10.7.4, step 5): what the peer has, how long that
 * took, how much it will take next, and what our FIN's acknowledgment does to the state.
 */
#include "pkt/parse.h"
#include "pmtu.h"
#include "tcp/ecn.h"
#include "tcp/loss.h"

/* RFC 7323 section 4.1: a sample from TSecr, if the peer's echo can be true. */
static uint32_t timestamp_sample(const struct tcp *t, const struct tcp_work *w,
				 const struct pkt_facts *f, uint32_t oldest_us)
{
	uint64_t us = (uint64_t)(tcp_ts_now(t, w->ts_offset) - f->tsecr) * US_PER_MS;

	if (us > (uint64_t)oldest_us + US_PER_MS)
		return 0;
	return max_of((uint32_t)us, 1u);
}

/*
 * What the TSecr of a first copy tells, if a second one was sent: the ACK of the second may tell it too,
 * where that of the first was lost, for a receiver notes no timestamp of what it has already (RFC 7323
 * section 5.3, R2). The time in between would then count as round trip.
 */
static uint32_t echo_sample(const struct tcp *t, const struct tcp_work *w,
			    const struct pkt_facts *f, uint32_t oldest_us, const struct tcp_acked *a)
{
	return a->ambiguous ? 0 : timestamp_sample(t, w, f, oldest_us);
}

/*
 * Our own measurement is the finer one, but an ACK whose echo cannot be true says nothing of the round
 * trip; that it acknowledged what was sent once ends the backoff all the same.
 */
static void check_sample(struct tcp_conn *c, uint32_t echoed_us, struct tcp_acked *a)
{
	if (likely(a->sample_us && echoed_us))
		return;
	if (a->sample_us)
		c->backoff = 0;
	a->sample_us = echoed_us;
}

static void take_sample(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, uint32_t us,
			uint32_t flight)
{
	w->tlp_spent = 0;
	rtt_sample(&w->rtt, us, (flight + 2 * c->snd_mss - 1) / (2 * c->snd_mss));
	c->backoff = 0;
}

/* How long ago the oldest byte in flight was first or last sent, in us. */
static uint32_t oldest_flight(const struct tcp *t, struct tcp_work *w)
{
	struct tcp_flight *f;

	if (!w->flight.n)
		return 0;
	f = vec_at(&w->flight, &t->slab, w->flight_inline, sizeof(*f), 0);
	return f->flags & FLIGHT_RETX ? (t->now_ms - w->progress + 1) * US_PER_MS
				      : rack_age(f->sent, (uint32_t)t->now);
}

/*
 * Slow start ended with less than what a loss would leave. So what is lost of the flight that overran the
 * path reduces the window no second time; it is sent again, as after an echo.
 */
static void slow_start_ended(struct tcp *t, const struct tcp_conn *c, struct tcp_work *w,
			     uint32_t flight)
{
	if ((uint64_t)w->cc.cwnd * 100 > (uint64_t)flight * CC_BETA_MOST)
		return;
	w->ecn_end = c->snd_nxt;
	w->reduced = (uint32_t)t->now;
}

/*
 * Outside of recovery, and of its last ACK, the window grows by what is acknowledged. What was SACKed
 * counts then too, and not before: duplicate ACKs do not open the window (RFC 3042 section 2).
 */
static void grow_window(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
			const struct tcp_acked *a, uint32_t flight, uint32_t una)
{
	const struct cc_ack ack = {
		.acked = a->acked,
		.rtt_us = a->sample_us,
		.una = w->snd_una,
		.nxt = c->snd_nxt,
		.flight_before = flight,
		.cwnd_limited = seq_lt(una, w->limited_end),
		.now = t->now,
		.srtt_us = w->rtt.srtt_us,
		.min_rtt_us = w->rtt.min_rtt_us,
		.after_rto_slow_start = w->rto_recovery,
	};
	const uint32_t before = w->cc.cwnd;

	if (w->recovery || !a->acked)
		return;
	tcp_cc(t, c)->on_ack(&w->cc, &ack);
	if (unlikely(w->cc.cwnd < before))
		slow_start_ended(t, c, w, flight);
}

/* LAST-ACK and TIME-WAIT are left in tcp_finish, when the handler has read everything. */
static void fin_acked(struct tcp_conn *c)
{
	switch (c->state) {
	case TCP_FIN_WAIT_1:
		c->state = TCP_FIN_WAIT_2;
		break;
	case TCP_CLOSING:
		c->state = TCP_TIME_WAIT; /* what follows is tcp_finish's */
		break;
	default:
		break;
	}
}

static void tell_writable(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	uint64_t buf = tcp_sndbuf(t, c);

	if (c->flags & TCP_F_WANT_WRITABLE && tcp_send_room(t, c, w) >= buf / 2)
		tcp_ready(t, c, w, TCP_EV_WRITABLE);
}

/*
 * Sequence numbers of past events are compared with those of now. Long before they would be half the
 * space behind, and look like the future, they are brought along.
 */
static void bring_marks(struct tcp_work *w)
{
	uint32_t una = w->snd_una;

	w->marks = una;
	if (seq_lt(w->recover, una))
		w->recover = una - 1;
	if (seq_lt(w->ecn_end, una))
		w->ecn_end = una - 1;
	if (seq_lt(w->limited_end, una))
		w->limited_end = una;
	if (seq_leq(w->rack.dsack_round, una))
		w->rack.in_dsack_round = false;
	if (!w->recovery && !w->rto_recovery)
		w->undo = 0;
}

/* SND.UNA moves. */
static void advance(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
		    const struct pkt_facts *f, struct tcp_acked *a)
{
	uint32_t flight = c->snd_nxt - w->snd_una, oldest = oldest_flight(t, w);

	a->acked = f->ack - w->snd_una;
	tcp_flight_acked(t, w, f->ack, a);

	if (seq_gt(f->ack, c->snd_nxt)) {
		/* The peer took a window probe's octet, or a FIN sent as one. */
		c->snd_nxt = f->ack;
		if (c->flags & TCP_F_FIN_QUEUED && f->ack == w->snd_end + 1)
			c->flags |= TCP_F_FIN_SENT;
	}
	w->snd_una = f->ack;
	if (unlikely(f->ack - w->marks >= TCP_MARKS_AGE))
		bring_marks(w);
	tcp_sndq_acked(t, w, f->ack);
	tcp_pmtu_progress(t, c, w);
	if (f->flags & PKT_F_TS && c->flags & TCP_AGREED_TS)
		check_sample(c, echo_sample(t, w, f, oldest, a), a);
	if (a->sample_us)
		take_sample(t, c, w, a->sample_us, flight);
	w->dup_acks = 0;
	w->progress = t->now_ms;
	net_confirm(t->net, c->path, t->now_ms);
	tell_writable(t, c, w);
}

/*
 * RFC 9293 section 3.10.7.4: only from a segment newer than the last that set it. Of an older one (a
 * retransmission) the acknowledgment counts, but the right edge stays where it was.
 */
static void update_window(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
			  const struct pkt_facts *f, uint32_t acked)
{
	uint32_t wnd = f->window << c->snd_wscale;

	if (!seq_lt(c->snd_wl1, f->seq) &&
	    !(c->snd_wl1 == f->seq && seq_leq(w->snd_wl2, f->ack))) {
		w->snd_wnd -= min_of(w->snd_wnd, acked);
		return;
	}
	c->snd_wl1 = f->seq;
	w->snd_wl2 = f->ack;
	if (seq_lt(w->snd_una + wnd, c->snd_nxt))
		w->progress = t->now_ms; /* shrunk, but alive: RFC 9293 section 3.8.6 */
	w->snd_wnd = wnd;
	w->max_snd_wnd = max_of(w->max_snd_wnd, wnd);
}

static bool is_duplicate(const struct tcp_conn *c, const struct tcp_work *w,
			 const struct pkt_facts *f)
{
	return f->ack == w->snd_una && c->snd_nxt != w->snd_una && !f->payload_len &&
	       !(f->tcp_flags & (TCP_SYN | TCP_FIN)) &&
	       f->window << c->snd_wscale == w->snd_wnd;
}

/*
 * RFC 2883 section 5: the first block is a D-SACK if it lies below the acknowledgment of the same
 * segment, or within the second block.
 */
static bool is_dsack(const struct tcp_sack_block *b, unsigned int n, uint32_t ack)
{
	if (!n || !seq_lt(b[0].left, b[0].right))
		return false;
	return seq_leq(b[0].right, ack) ||
	       (n > 1 && seq_geq(b[0].left, b[1].left) && seq_leq(b[0].right, b[1].right));
}

/* The SACK blocks of a segment; returns how many. */
static unsigned int read_sack(const struct tcp_conn *c, struct rte_mbuf *m,
			      const struct pkt_facts *f, struct tcp_sack_block *blocks,
			      struct tcp_acked *a)
{
	unsigned int n;

	if (!(f->flags & PKT_F_SACK) || !(c->flags & TCP_AGREED_SACK))
		return 0;
	n = pkt_sack_blocks(m, f, blocks);
	a->dsack = is_dsack(blocks, n, f->ack);
	if (a->dsack)
		a->dsack_block = blocks[0];
	return n;
}

void tcp_ack_input(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, struct rte_mbuf *m,
		   const struct pkt_facts *f)
{
	bool forward = seq_gt(f->ack, w->snd_una), recovery = w->recovery;
	uint32_t una = w->snd_una, flight = c->snd_nxt - una;
	struct tcp_acked a = {.dup = is_duplicate(c, w, f), .sack = c->flags & TCP_AGREED_SACK};
	struct tcp_sack_block blocks[TCP_SACK_MAX];
	unsigned int n = read_sack(c, m, f, blocks, &a);

	if (f->flags & PKT_F_TS && c->flags & TCP_AGREED_TS) {
		a.echo = true;
		a.echo_ms = f->tsecr - w->ts_offset;
	}
	if (forward)
		advance(t, c, w, f, &a);
	if (n && c->snd_nxt != w->snd_una)
		tcp_flight_sack(t, c, w, blocks, n, f->ack, &a);
	if (a.dup && w->dup_acks < UINT8_MAX)
		w->dup_acks++;
	if (forward || a.sacked || a.dup || a.dsack)
		tcp_loss_detect(t, c, w, &a);
	if (unlikely(tcp_ecn_echoed(c, f))) {
		if (f->ack == w->snd_una)
			tcp_ecn_echo(t, c, w, flight);
	} else {
		w->ecn_wait &= !forward;
		if (!recovery)
			grow_window(t, c, w, &a, flight, una);
	}
	w->burst_left = max_of(w->burst_left, tcp_opts_of(t, c)->burst);
	w->burst_wait = 0;
	if (seq_geq(f->ack, w->snd_una))
		update_window(t, c, w, f, w->snd_una - una);
	if (forward && c->flags & TCP_F_FIN_SENT && w->snd_una == c->snd_nxt)
		fin_acked(c);
	/* Of partial ACKs only the first restarts the timer: RFC 6582 section 3.2. */
	tcp_timer_acked(c, w, forward && !(w->recovery && w->partial));
	w->partial |= forward && w->recovery && !(c->flags & TCP_AGREED_SACK);
}
