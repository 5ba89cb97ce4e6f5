/*
 * The scoreboard: what is in flight and what is known of it.
 *
 * Records are byte ranges in sequence order without gaps from SND.UNA to SND.NXT. They own no
 * packets: a retransmission is built from the send queue again, whatever its size is by then. What
 * was sent in one turn is one range, but for segments that are smaller than a SACK block may cut out,
 * until a selective acknowledgment or a loss splits it; neighbours that the peer has are joined again. SND.NXT is never rewound, so an ACK of old data after a timeout
 * is never an ACK of unsent data.
 *
 * The pipe is what is outstanding less what was SACKed, less what is lost, less one segment for each
 * duplicate ACK of a peer without SACK: that is RFC 5681's window inflation and RFC 3042's limited
 * transmit in one number (RFC 5681, 6582, 6675).
 */
#include "tcp/loss.h"

#define STAMP_AHEAD 65536 /* us; further ahead is long ago: the clock has wrapped */

uint32_t tcp_pipe(const struct tcp_conn *c, const struct tcp_work *w)
{
	uint32_t out = c->snd_nxt - w->snd_una;
	uint32_t gone = w->sacked + w->lost + w->dup_credit;

	return out > gone ? out - gone : 0;
}

uint32_t tcp_flight_find(const struct tcp *t, struct tcp_work *w, uint32_t seq)
{
	uint32_t lo = 0, hi = w->flight.n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (seq_leq(tcp_flight_at(t, w, mid)->end, seq))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool tcp_flight_split(struct tcp *t, struct tcp_work *w, uint32_t seq)
{
	uint32_t i = tcp_flight_find(t, w, seq);
	struct tcp_flight *f, old;

	if (i == w->flight.n)
		return true;
	old = *tcp_flight_at(t, w, i);
	if (seq_leq(seq, old.seq))
		return true;
	f = vec_insert(&w->flight, &t->slab, w->flight_inline, WORK_FLIGHTS, sizeof(*f), i);
	if (!f)
		return false;
	*f = old;
	f->end = seq;
	tcp_flight_at(t, w, i + 1)->seq = seq;
	return true;
}

/*
 * The time to note for a range that leaves now. RFC 8985 breaks ties by sequence number; a turn is one
 * instant, so what leaves in it behind a higher range is noted a microsecond later.
 */
static uint32_t stamp(const struct tcp *t, struct tcp_work *w, uint32_t end)
{
	uint32_t now = (uint32_t)t->now, after = w->stamp + seq_lt(end, w->stamp_end);

	if (after - now < STAMP_AHEAD)
		now = after;
	w->stamp = now;
	w->stamp_end = end;
	return now;
}

/* Below that a piece of a range is not worth a record to a SACK block (CVE-2019-11478). */
static uint32_t least_piece(const struct tcp *t, const struct tcp_conn *c)
{
	return min_of((uint32_t)tcp_opts_of(t, c)->min_snd_mss, (uint32_t)c->snd_mss);
}

/*
 * Join range i to the one before it, if both were sent in one turn and equally often. Not where one is
 * a small segment, which no SACK block could cut out again.
 */
static void join_back(struct tcp *t, const struct tcp_conn *c, struct tcp_work *w, uint32_t i)
{
	const uint32_t least = least_piece(t, c);
	struct tcp_flight *f, *prev;

	if (i == 0 || i >= w->flight.n)
		return;
	prev = tcp_flight_at(t, w, i - 1);
	f = tcp_flight_at(t, w, i);
	if (prev->sent != f->sent || prev->flags != f->flags || prev->count != f->count ||
	    prev->end - prev->seq < least || f->end - f->seq < least)
		return;
	prev->end = f->end;
	vec_remove(&w->flight, &t->slab, w->flight_inline, sizeof(*f), i, 1);
}

/* Ranges from first on and before last left in one segment: they share its fate. */
static void unite(struct tcp *t, struct tcp_work *w, uint32_t first, uint32_t last)
{
	struct tcp_flight *f;

	if (last - first < 2)
		return;
	f = tcp_flight_at(t, w, first);
	for (uint32_t i = first + 1; i < last; i++) {
		const struct tcp_flight *next = tcp_flight_at(t, w, i);

		f->flags |= next->flags;
		f->count = max_of(f->count, next->count);
		f->end = next->end;
	}
	vec_remove(&w->flight, &t->slab, w->flight_inline, sizeof(*f), first + 1,
		   last - first - 1);
}

void tcp_flight_again(struct tcp *t, const struct tcp_conn *c, struct tcp_work *w, uint32_t seq,
		      uint32_t end)
{
	uint32_t now = stamp(t, w, end), first, last;

	if (unlikely(seq_lt(now, w->reduced)))
		w->reduced = now; /* half the clock's range ago: nothing was sent before it */
	tcp_flight_split(t, w, end);
	tcp_flight_split(t, w, seq);
	first = last = tcp_flight_find(t, w, seq);
	for (; last < w->flight.n; last++) {
		struct tcp_flight *f = tcp_flight_at(t, w, last);

		if (seq_geq(f->seq, end))
			break;
		if (f->flags & FLIGHT_LOST)
			w->lost -= f->end - f->seq;
		f->flags = (f->flags & ~FLIGHT_LOST) | FLIGHT_RETX;
		f->sent = now;
		if (f->count < UINT8_MAX)
			f->count++;
	}
	unite(t, w, first, last);
	join_back(t, c, w, first);
}

void tcp_flight_sent(struct tcp *t, const struct tcp_conn *c, struct tcp_work *w, uint32_t seq,
		     uint32_t end)
{
	uint32_t now = stamp(t, w, end), least;
	struct tcp_flight *f = NULL;

	if (w->flight.n) {
		f = tcp_flight_at(t, w, w->flight.n - 1);
		least = least_piece(t, c);
		if (f->end == seq && f->sent == now && !f->flags && end - seq >= least &&
		    seq - f->seq >= least) {
			f->end = end;
			return;
		}
	}
	f = vec_push(&w->flight, &t->slab, w->flight_inline, WORK_FLIGHTS, sizeof(*f));
	if (unlikely(!f)) {
		/* Out of memory: the last range grows and shares its fate. */
		f = tcp_flight_at(t, w, w->flight.n - 1);
		if (f->flags & FLIGHT_SACKED)
			w->sacked += end - seq;
		if (f->flags & FLIGHT_LOST)
			w->lost += end - seq;
		f->end = end;
		return;
	}
	*f = (struct tcp_flight){.seq = seq, .end = end, .sent = now};
}

uint32_t tcp_flight_age(const struct tcp *t, const struct tcp_flight *f)
{
	return f->sent - (uint32_t)t->now < STAMP_AHEAD ? 0 : (uint32_t)t->now - f->sent;
}

/* Clock in ms when the range was last sent. */
static uint32_t sent_ms(const struct tcp *t, const struct tcp_flight *f)
{
	return ms_of(t->now - tcp_flight_age(t, f));
}

/*
 * Whether an ACK that echoes the first copy was sent for the second: it then reports a duplicate, and
 * where there is no SACK it may do so if it did not come too soon.
 */
static bool answers_copy(const struct tcp *t, const struct tcp_work *w, const struct tcp_flight *f,
			 const struct tcp_acked *a)
{
	return a->sack ? a->dsack : tcp_flight_age(t, f) >= w->rtt.min_rtt_us;
}

/*
 * A range, up to end, has arrived. What an ACK echoes tells copies apart only for data in order: for
 * the others it is an older timestamp whichever copy it was (RFC 7323 section 4.3).
 */
static void delivered(const struct tcp *t, struct tcp_work *w, const struct tcp_flight *f,
		      uint32_t end, bool in_order, struct tcp_acked *a)
{
	const struct rack_range r = {
		.sent = f->sent,
		.end = end,
		.again = f->flags & FLIGHT_RETX,
		.echo_older = in_order && a->echo && seq_lt(a->echo_ms, sent_ms(t, f)),
	};

	a->delivered += end - f->seq;
	if (unlikely(r.again && r.echo_older))
		a->ambiguous |= answers_copy(t, w, f, a);
	a->first_copy |= !r.again && seq_lt(f->seq, w->recover);
	rack_delivered(&w->rack, &r, (uint32_t)t->now, w->rtt.min_rtt_us);
}

static void unmark(struct tcp_work *w, const struct tcp_flight *f, uint32_t len)
{
	if (f->flags & FLIGHT_SACKED)
		w->sacked -= len;
	if (f->flags & FLIGHT_LOST)
		w->lost -= len;
}

void tcp_flight_acked(struct tcp *t, struct tcp_work *w, uint32_t ack, struct tcp_acked *a)
{
	uint32_t gone = 0, sample = 0;
	bool again = false;

	while (gone < w->flight.n) {
		struct tcp_flight *f = tcp_flight_at(t, w, gone);
		uint32_t end = seq_min(f->end, ack);

		if (seq_geq(f->seq, ack))
			break;
		again |= f->flags & FLIGHT_RETX;
		sample = f->flags & FLIGHT_SACKED ? 0 : rack_age(f->sent, (uint32_t)t->now);
		if (!(f->flags & FLIGHT_SACKED))
			delivered(t, w, f, end, true, a);
		unmark(w, f, end - f->seq);
		f->seq = end;
		if (seq_gt(f->end, ack))
			break;
		gone++;
	}
	if (gone)
		vec_pop_front(&w->flight, &t->slab, gone);
	a->sample_us = again ? 0 : sample;
}

/*
 * Join neighbours that the peer has among the ranges from - 1 to to, so that marking costs no memory in
 * the end. One pass and one move, whatever their number.
 */
static void merge_sacked(struct tcp *t, struct tcp_work *w, uint32_t from, uint32_t to)
{
	uint32_t last = min_of(to + 1, w->flight.n), kept = from ? from - 1 : 0;

	for (uint32_t i = kept + 1; i < last; i++) {
		struct tcp_flight *f = tcp_flight_at(t, w, kept), *next = tcp_flight_at(t, w, i);

		if (f->flags & next->flags & FLIGHT_SACKED) {
			f->end = next->end;
			f->flags |= next->flags;
		} else {
			*tcp_flight_at(t, w, ++kept) = *next;
		}
	}
	if (kept + 1 < last)
		vec_remove(&w->flight, &t->slab, w->flight_inline, sizeof(struct tcp_flight),
			   kept + 1, last - kept - 1);
}

/*
 * Whether marking a block leaves a range, or the block itself, in a piece too small to be worth a record.
 * A block that begins and ends where segments do never does: a small one is a range of its own.
 */
static bool splinters(const struct tcp *t, struct tcp_work *w, uint32_t left, uint32_t right,
		      uint32_t least)
{
	const struct tcp_flight *l = tcp_flight_at(t, w, tcp_flight_find(t, w, left));
	const struct tcp_flight *r = tcp_flight_at(t, w, tcp_flight_find(t, w, right - 1));
	uint32_t within = seq_max(left, r->seq); /* where the block's part of r begins */

	if (seq_gt(left, l->seq) &&
	    (left - l->seq < least || seq_min(l->end, right) - left < least))
		return true;
	return seq_gt(r->end, right) && (r->end - right < least || right - within < least);
}

/* Make a block reach to the ends of what the peer is known to have around it: nothing is split there. */
static void widen(const struct tcp *t, struct tcp_work *w, uint32_t *left, uint32_t *right)
{
	const struct tcp_flight *l = tcp_flight_at(t, w, tcp_flight_find(t, w, *left));
	const struct tcp_flight *r = tcp_flight_at(t, w, tcp_flight_find(t, w, *right - 1));

	if (l->flags & FLIGHT_SACKED)
		*left = l->seq;
	if (r->flags & FLIGHT_SACKED)
		*right = r->end;
}

/* Ranges from UNA to SND.NXT have no gaps: the block, inside of them, meets at least one. */
static uint32_t sack_block(struct tcp *t, struct tcp_work *w, uint32_t left, uint32_t right,
			   uint32_t least, struct tcp_acked *a)
{
	uint32_t fresh = 0, first, i;

	widen(t, w, &left, &right);
	if (splinters(t, w, left, right, least) || !tcp_flight_split(t, w, left) ||
	    !tcp_flight_split(t, w, right))
		return 0;
	first = tcp_flight_find(t, w, left);
	for (i = first; i < w->flight.n; i++) {
		struct tcp_flight *f = tcp_flight_at(t, w, i);
		uint32_t len = f->end - f->seq;

		if (seq_geq(f->seq, right))
			break;
		if (f->flags & FLIGHT_SACKED)
			continue;
		if (f->flags & FLIGHT_LOST)
			w->lost -= len;
		delivered(t, w, f, f->end, false, a);
		f->flags = (f->flags & ~FLIGHT_LOST) | FLIGHT_SACKED;
		w->sacked += len;
		fresh += len;
	}
	if (fresh)
		merge_sacked(t, w, first, i);
	return fresh;
}

void tcp_flight_sack(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
		     const struct tcp_sack_block *b, unsigned int n, uint32_t ack,
		     struct tcp_acked *a)
{
	uint32_t least = least_piece(t, c), fresh = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (seq_gt(b[i].left, w->snd_una) && seq_lt(b[i].left, b[i].right) &&
		    seq_leq(b[i].right, c->snd_nxt) && seq_gt(b[i].left, ack))
			fresh += sack_block(t, w, b[i].left, b[i].right, least, a);
	}
	a->sacked = fresh;
	if (fresh && w->sack_arrivals < UINT8_MAX)
		w->sack_arrivals++;
}

bool tcp_flight_mark_lost(struct tcp_work *w, struct tcp_flight *f)
{
	if (f->flags & (FLIGHT_LOST | FLIGHT_SACKED))
		return false;
	w->lost_from = w->lost ? seq_min(w->lost_from, f->seq) : f->seq;
	w->lost += f->end - f->seq;
	f->flags |= FLIGHT_LOST;
	return true;
}

void tcp_flight_unmark_lost(struct tcp *t, struct tcp_work *w)
{
	for (uint32_t i = 0; i < w->flight.n; i++)
		tcp_flight_at(t, w, i)->flags &= ~FLIGHT_LOST;
	w->lost = 0;
}

/* RFC 2018 section 8: the peer dropped what it had SACKed. */
void tcp_flight_reneged(struct tcp *t, struct tcp_work *w)
{
	for (uint32_t i = 0; i < w->flight.n; i++)
		tcp_flight_at(t, w, i)->flags &= ~FLIGHT_SACKED;
	w->sacked = 0;
	w->sack_arrivals = 0;
}

struct tcp_flight *tcp_flight_lost(struct tcp *t, struct tcp_work *w)
{
	if (!w->lost)
		return NULL;
	for (uint32_t i = tcp_flight_find(t, w, w->lost_from); i < w->flight.n; i++) {
		struct tcp_flight *f = tcp_flight_at(t, w, i);

		if (f->flags & FLIGHT_LOST) {
			w->lost_from = f->seq;
			return f;
		}
	}
	return NULL;
}
