/*
 * What is in flight, what of it is lost, and what the congestion window makes of that.
 *
 * In-flight records are byte ranges in sequence order. A selective acknowledgment splits and marks
 * them; loss marks them LOST, and output sends LOST ranges again before anything new, as long as the
 * pipe is smaller than the congestion window. SND.NXT is never rewound, so an ACK of old data after
 * a timeout is never an ACK of unsent data.
 *
 * The pipe is what is outstanding less what was SACKed, less what is lost, less one segment for each
 * duplicate ACK of a peer without SACK: that is RFC 5681's window inflation and RFC 3042's limited
 * transmit in one number (RFC 5681, 6582, 6675).
 */
#include "tcp/tcp.h"

#define DUP_THRESH 3

static struct tcp_flight *flight_at(const struct tcp *t, struct tcp_work *w, uint32_t i)
{
	return vec_at(&w->flight, &t->slab, w->flight_inline, sizeof(struct tcp_flight), i);
}

uint32_t tcp_pipe(const struct tcp_conn *c, const struct tcp_work *w)
{
	uint32_t out = c->snd_nxt - w->snd_una;
	uint32_t gone = w->sacked + w->lost + w->dup_credit;

	return out > gone ? out - gone : 0;
}

/* Index of the first range that ends above seq. */
static uint32_t flight_find(const struct tcp *t, struct tcp_work *w, uint32_t seq)
{
	uint32_t lo = 0, hi = w->flight.n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (seq_leq(flight_at(t, w, mid)->end, seq))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Make seq the start of a range, if it lies inside of one. False: no memory, nothing changed. */
static bool flight_split(struct tcp *t, struct tcp_work *w, uint32_t seq)
{
	uint32_t i = flight_find(t, w, seq);
	struct tcp_flight *f, old;

	if (i == w->flight.n)
		return true;
	old = *flight_at(t, w, i);
	if (seq_leq(seq, old.seq))
		return true;
	f = vec_insert(&w->flight, &t->slab, w->flight_inline, WORK_FLIGHTS, sizeof(*f), i);
	if (!f)
		return false;
	*f = old;
	f->end = seq;
	flight_at(t, w, i + 1)->seq = seq;
	return true;
}

static void flight_again(struct tcp *t, struct tcp_work *w, uint32_t seq, uint32_t end)
{
	flight_split(t, w, end);
	flight_split(t, w, seq);
	for (uint32_t i = flight_find(t, w, seq); i < w->flight.n; i++) {
		struct tcp_flight *f = flight_at(t, w, i);

		if (seq_geq(f->seq, end))
			break;
		if (f->flags & FLIGHT_LOST)
			w->lost -= f->end - f->seq;
		f->flags = (f->flags & ~FLIGHT_LOST) | FLIGHT_RETX;
		f->sent = (uint32_t)t->now;
		if (f->count < UINT8_MAX)
			f->count++;
	}
}

void tcp_flight_sent(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, uint32_t seq,
		     uint32_t end, bool again)
{
	struct tcp_flight *f = NULL;

	if (again) {
		flight_again(t, w, seq, end);
		return;
	}
	if (w->flight.n) {
		f = flight_at(t, w, w->flight.n - 1);
		if (f->end == seq && f->sent == (uint32_t)t->now && !f->flags) {
			f->end = end;
			return;
		}
	}
	f = vec_push(&w->flight, &t->slab, w->flight_inline, WORK_FLIGHTS, sizeof(*f));
	if (unlikely(!f)) {
		/* Out of memory: the last range grows and shares its fate. */
		f = flight_at(t, w, w->flight.n - 1);
		if (f->flags & FLIGHT_SACKED)
			w->sacked += end - seq;
		if (f->flags & FLIGHT_LOST)
			w->lost += end - seq;
		f->end = end;
		return;
	}
	*f = (struct tcp_flight){.seq = seq, .end = end, .sent = (uint32_t)t->now};
}

static void unmark(struct tcp_work *w, const struct tcp_flight *f, uint32_t len)
{
	if (f->flags & FLIGHT_SACKED)
		w->sacked -= len;
	if (f->flags & FLIGHT_LOST)
		w->lost -= len;
}

uint32_t tcp_flight_acked(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, uint32_t ack)
{
	uint32_t gone = 0, sample = 0;
	bool again = false;

	while (gone < w->flight.n) {
		struct tcp_flight *f = flight_at(t, w, gone);

		if (seq_geq(f->seq, ack))
			break;
		again |= f->flags & FLIGHT_RETX;
		sample = f->flags & FLIGHT_SACKED ? 0 : max_of((uint32_t)t->now - f->sent, 1u);
		if (seq_gt(f->end, ack)) {
			unmark(w, f, ack - f->seq);
			f->seq = ack;
			break;
		}
		unmark(w, f, f->end - f->seq);
		gone++;
	}
	if (gone)
		vec_pop_front(&w->flight, &t->slab, gone);
	return again ? 0 : sample;
}

/* Join neighbours that the peer has, so that marking costs no memory in the end. */
static void merge_sacked(struct tcp *t, struct tcp_work *w, uint32_t from, uint32_t to)
{
	uint32_t i = from ? from - 1 : 0;

	while (i + 1 < w->flight.n && i <= to) {
		struct tcp_flight *a = flight_at(t, w, i), *b = flight_at(t, w, i + 1);

		if (a->flags & b->flags & FLIGHT_SACKED) {
			a->end = b->end;
			a->flags |= b->flags;
			vec_remove(&w->flight, &t->slab, w->flight_inline, sizeof(*a), i + 1, 1);
			if (to)
				to--;
		} else {
			i++;
		}
	}
}

static uint32_t sack_block(struct tcp *t, struct tcp_work *w, uint32_t left, uint32_t right)
{
	uint32_t fresh = 0, first, i;

	if (!flight_split(t, w, left) || !flight_split(t, w, right))
		return 0;
	first = flight_find(t, w, left);
	for (i = first; i < w->flight.n; i++) {
		struct tcp_flight *f = flight_at(t, w, i);
		uint32_t len = f->end - f->seq;

		if (seq_geq(f->seq, right))
			break;
		if (f->flags & FLIGHT_SACKED)
			continue;
		if (f->flags & FLIGHT_LOST)
			w->lost -= len;
		f->flags = (f->flags & ~FLIGHT_LOST) | FLIGHT_SACKED;
		w->sacked += len;
		fresh += len;
	}
	if (fresh)
		merge_sacked(t, w, first, i);
	return fresh;
}

uint32_t tcp_flight_sack(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
			 const struct tcp_sack_block *b, unsigned int n, uint32_t ack)
{
	uint32_t fresh = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (seq_gt(b[i].left, w->snd_una) && seq_lt(b[i].left, b[i].right) &&
		    seq_leq(b[i].right, c->snd_nxt) && seq_gt(b[i].left, ack))
			fresh += sack_block(t, w, b[i].left, b[i].right);
	}
	return fresh;
}

static void mark_lost(struct tcp_work *w, struct tcp_flight *f)
{
	if (f->flags & (FLIGHT_LOST | FLIGHT_SACKED))
		return;
	f->flags |= FLIGHT_LOST;
	w->lost += f->end - f->seq;
}

/* The segment at SND.UNA. */
static void mark_head(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	flight_split(t, w, w->snd_una + c->snd_mss);
	if (w->flight.n)
		mark_lost(w, flight_at(t, w, 0));
}

/*
 * RFC 6675 IsLost: more than two segments' worth of bytes above were SACKed. What was sent again is
 * left to the timer. Returns whether anything was marked.
 */
static bool mark_by_sack(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	uint32_t above = 0;
	bool marked = false;

	if (w->sacked <= (DUP_THRESH - 1) * (uint32_t)c->snd_mss)
		return false;
	for (uint32_t i = w->flight.n; i-- > 0;) {
		struct tcp_flight *f = flight_at(t, w, i);

		if (f->flags & FLIGHT_SACKED) {
			above += f->end - f->seq;
		} else if (above > (DUP_THRESH - 1) * (uint32_t)c->snd_mss &&
			   !(f->flags & (FLIGHT_LOST | FLIGHT_RETX))) {
			mark_lost(w, f);
			marked = true;
		}
	}
	return marked;
}

static void enter_recovery(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	uint32_t flight = c->snd_nxt - w->snd_una;

	count(t->ctr, CTR_FAST_RECOVERIES);
	/* What is beyond cwnd was sent by limited transmit: it does not count (RFC 5681 section 3.2). */
	if (!tcp_ecn_reduced(w))
		tcp_cc(t, c)->on_loss(&w->cc, min_of(flight, w->cc.cwnd), t->now);
	tcp_ecn_loss(c);
	w->partial = 0;
	w->recovery = 1;
	w->recover = c->snd_nxt;
	w->force_retx = 1;
}

/* An ACK that moved SND.UNA while in recovery: RFC 6582 section 3.2 step 3. */
static void recovery_ack(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, uint32_t acked)
{
	if (seq_geq(w->snd_una, w->recover)) {
		w->recovery = 0;
		w->dup_credit = 0;
		tcp_cc(t, c)->on_exit_recovery(&w->cc, t->now);
		return;
	}
	if (c->flags & TCP_AGREED_SACK) {
		mark_by_sack(t, c, w);
		return;
	}
	mark_head(t, c, w);
	w->dup_credit -= min_of(w->dup_credit, acked);
	w->force_retx = 1;
}

void tcp_loss_detect(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, uint32_t acked,
		     bool dup)
{
	bool sack = c->flags & TCP_AGREED_SACK;

	if (acked) {
		if (w->rto_recovery && seq_geq(w->snd_una, w->recover))
			w->rto_recovery = 0;
		if (!w->recovery)
			w->dup_credit = 0;
		else
			recovery_ack(t, c, w, acked);
	}
	if (dup && !sack) {
		w->dup_credit = min_of(w->dup_credit + c->snd_mss, c->snd_nxt - w->snd_una);
		if (w->dup_acks < DUP_THRESH && !w->recovery)
			count(t->ctr, CTR_LIMITED_TRANSMITS);
		if (w->dup_acks == DUP_THRESH && !w->recovery &&
		    seq_gt(w->snd_una, w->recover)) {
			enter_recovery(t, c, w);
			mark_head(t, c, w);
		}
	}
	if (sack && w->sacked && mark_by_sack(t, c, w) && !w->recovery && !w->rto_recovery)
		enter_recovery(t, c, w);
}

/* RFC 2018 section 8: SACKed data at SND.UNA at a timeout means the peer dropped it. */
static void check_reneging(struct tcp *t, struct tcp_work *w)
{
	if (!w->flight.n || !(flight_at(t, w, 0)->flags & FLIGHT_SACKED))
		return;
	for (uint32_t i = 0; i < w->flight.n; i++)
		flight_at(t, w, i)->flags &= ~FLIGHT_SACKED;
	w->sacked = 0;
}

void tcp_rto_expired(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	check_reneging(t, w);
	tcp_cc(t, c)->on_rto(&w->cc, c->snd_nxt - w->snd_una, c->backoff == 0, t->now);
	for (uint32_t i = 0; i < w->flight.n; i++)
		mark_lost(w, flight_at(t, w, i));
	tcp_ecn_loss(c);
	w->ecn_wait = 0;
	w->recovery = 0;
	w->rto_recovery = 1;
	w->recover = c->snd_nxt;
	w->dup_credit = 0;
	w->dup_acks = 0;
	w->force_retx = 1;
}

struct tcp_flight *tcp_flight_lost(struct tcp *t, struct tcp_work *w)
{
	if (!w->lost)
		return NULL;
	for (uint32_t i = 0; i < w->flight.n; i++) {
		struct tcp_flight *f = flight_at(t, w, i);

		if (f->flags & FLIGHT_LOST)
			return f;
	}
	return NULL;
}
