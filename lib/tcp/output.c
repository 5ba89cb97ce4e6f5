/*
 * What leaves: retransmissions, new data, FIN, probes, ACKs. One segment is built at a time, from
 * whatever the state is at that moment, and only when the port has room for it; so an ACK always
 * carries the newest numbers and what was not pulled was never sent.
 */
#include "fast.h"
#include "out.h"
#include "pmtu.h"
#include "tcp/connect.h"
#include "tcp/ecn.h"
#include "tcp/loss.h"
#include "tcp/policy.h"
#include "tcp/window.h"
#include "wire/tcp_opt.h"

#define PAYLOAD_MIN 8 /* what SACK blocks leave of a segment */

/* RFC 9293 appendix A.2: a peer whose window is closed takes a SEQ inside of it. */
static uint32_t ack_seq(const struct tcp_conn *c, const struct tcp_work *w)
{
	return seq_min(c->snd_nxt, w->snd_una + w->snd_wnd);
}

bool tcp_ack_now(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	struct rte_mbuf *m = pkt_alloc_last(t->pool);
	struct tcp_seg seg;

	if (unlikely(!m)) {
		count(t->ctr, CTR_TX_NO_MBUF);
		return false;
	}
	count(t->ctr, CTR_TX_ACKS);
	if (likely(tcp_fast_ack(t, c, w, m)))
		return true;
	seg_common(t, c, w, &seg);
	seg.seq = ack_seq(c, w);
	if (unlikely(w->urgent_out))
		tcp_urgent_mark(w, &seg);
	ack_sent(c, w);
	tcp_seg_emit(t, m, &c->tuple, c->path, &seg, ttl_of(t, c));
	return true;
}

/* One of each kind in an interval, which begins with the first; kind is TCP_F_CHALLENGED or TCP_F_KEPT. */
static bool challenge_spent(const struct tcp *t, struct tcp_conn *c, uint32_t kind)
{
	const uint32_t both = TCP_F_CHALLENGED | TCP_F_KEPT;

	if (!(c->flags & both) ||
	    t->now_ms - c->challenge >= ms_of(tcp_opts_of(t, c)->challenge_ack)) {
		c->flags &= ~both;
		c->challenge = t->now_ms;
	}
	if (c->flags & kind)
		return true;
	c->flags |= kind;
	return false;
}

static void challenge(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m, uint32_t kind)
{
	struct tcp_work *w = tcp_work_of(t, c);

	pkt_recycle(t->pool, m);
	if (kind && challenge_spent(t, c, kind)) {
		count(t->ctr, CTR_TX_CHALLENGE_RATE);
		return;
	}
	count(t->ctr, CTR_TX_CHALLENGE_ACKS);
	if (!tcp_ack_now(t, c, w)) {
		w->ack_now = 1;
		tcp_want_output(t, c, w);
	}
}

void tcp_challenge_ack(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m, bool throttle)
{
	challenge(t, c, m, throttle ? TCP_F_CHALLENGED : 0);
}

void tcp_keepalive_ack(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m)
{
	challenge(t, c, m, TCP_F_KEPT);
}

bool tcp_send_reset_always(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	struct rte_mbuf *m = pkt_alloc_last(t->pool);
	struct tcp_seg seg;

	if (!m) {
		count(t->ctr, CTR_TX_NO_MBUF);
		return false;
	}
	seg_common(t, c, w, &seg);
	seg.sack_n = 0;
	tcp_reset_emit(t, c, m, &seg);
	return true;
}

bool tcp_send_reset(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	return !tcp_reset_due(c) || tcp_send_reset_always(t, c, w);
}

/* What output decided to send. */
struct plan {
	uint32_t seq, len; /* payload */
	bool fin, again, probe, tlp;
	bool larger; /* than snd_mss: tcp_pmtu_larger() */
};

static bool fin_unsent(const struct tcp_conn *c)
{
	return (c->flags & (TCP_F_FIN_QUEUED | TCP_F_FIN_SENT)) == TCP_F_FIN_QUEUED;
}

/*
 * Whether cwnd has room for len bytes more, all of them: RFC 5681 section 2 allows nothing to be sent
 * that reaches beyond it. In recovery cwnd is pipe and what may be sent now, of which a part of a segment
 * counts as one.
 */
static bool window_open(const struct tcp_conn *c, const struct tcp_work *w, uint32_t len)
{
	uint32_t pipe = tcp_pipe(c, w);

	if (w->recovery)
		return pipe < w->cc.cwnd;
	return !pipe || pipe + len <= w->cc.cwnd;
}

/* Where the lost data that fits into one segment with f ends, f included; not behind edge for it. */
static uint32_t lost_end(const struct tcp *t, struct tcp_work *w, const struct tcp_flight *f,
			 uint32_t mss, uint32_t edge)
{
	uint32_t end = f->end;

	if (likely(end - f->seq >= mss))
		return end;
	for (uint32_t i = tcp_flight_find(t, w, end); i < w->flight.n && end - f->seq < mss; i++) {
		const struct tcp_flight *next = tcp_flight_at(t, w, i);

		if (!(next->flags & FLIGHT_LOST) || seq_gt(next->end, edge))
			break;
		end = next->end;
	}
	return end;
}

/* Lost data that may go again now: RFC 9293 section 3.8.6 for the window. */
static bool plan_retransmission(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
				uint32_t mss, struct plan *p)
{
	struct tcp_flight *f = tcp_flight_lost(t, w);
	uint32_t edge = w->snd_una + w->snd_wnd, end;

	if (!f)
		return false;
	end = lost_end(t, w, f, mss, edge);
	if (!w->force_retx && (!window_open(c, w, min_of(end - f->seq, mss)) || w->frto == 2))
		return false;
	if (f->seq != w->snd_una && seq_geq(f->seq, edge))
		return false;
	p->seq = f->seq;
	p->len = min_of(end - f->seq, mss);
	if (unlikely(f->count && seq_gt(p->seq + p->len, edge))) /* beyond it only once */
		p->len = seq_gt(edge, p->seq) ? edge - p->seq : 1;
	p->again = true;
	if (c->flags & TCP_F_FIN_SENT && seq_gt(p->seq + p->len, w->snd_end)) {
		p->fin = true;
		p->len--;
	} else if (c->flags & TCP_F_FIN_SENT && p->seq + p->len == w->snd_end &&
		   end == w->snd_end + 1) {
		p->fin = true; /* one more segment just for the FIN would be waste */
	}
	return true;
}

/* Sender's silly-window avoidance and Nagle: RFC 9293 sections 3.8.6.2.1 and 3.7.4. */
static bool worth_sending(const struct tcp_conn *c, const struct tcp_work *w, uint32_t len,
			  uint32_t queued, uint32_t mss)
{
	if (len >= mss || w->override)
		return true;
	if (len == queued)
		return fin_unsent(c) || (!(c->flags & TCP_F_CORK) &&
					 (!(c->flags & TCP_F_NAGLE) || c->snd_nxt == w->snd_una));
	return len >= w->max_snd_wnd / 2;
}

/* What is lost goes first, but for the two segments by which RFC 5682 tells a true timeout. */
static bool may_send_new(const struct tcp_conn *c, const struct tcp_work *w, uint32_t len)
{
	if (w->tlp_send)
		return true;
	if (w->frto == 2)
		return seq_lt(c->snd_nxt, w->frto_end);
	return !w->lost && window_open(c, w, len);
}

static bool plan_new(struct tcp_conn *c, struct tcp_work *w, uint32_t mss, struct plan *p)
{
	uint32_t queued = seq_lt(c->snd_nxt, w->snd_end) ? w->snd_end - c->snd_nxt : 0;
	uint32_t edge = w->snd_una + w->snd_wnd;
	uint32_t room = seq_gt(edge, c->snd_nxt) ? edge - c->snd_nxt : 0;
	uint32_t fits = min_of(queued, room), len = min_of(fits, mss);

	if (c->flags & TCP_F_FIN_SENT || (!queued && !fin_unsent(c)) || c->state < TCP_ESTABLISHED)
		return false;
	if (room == 0 || w->ecn_wait || !may_send_new(c, w, len))
		return false;
	if (queued && !worth_sending(c, w, len, queued, mss))
		return false;
	p->seq = c->snd_nxt;
	p->len = len;
	p->fin = fin_unsent(c) && len == queued && len < room;
	return len || p->fin;
}

/* New data in a segment larger than snd_mss, if that shall be tried and there is enough. */
static bool plan_larger(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, uint32_t mss,
			struct plan *p)
{
	uint32_t size;

	if (likely(!w->guesses))
		return false;
	size = tcp_pmtu_larger(t, c, w);
	if (!size || !plan_new(c, w, size - (c->snd_mss - mss), p))
		return false;
	p->larger = p->len > c->snd_mss;
	return true;
}

/* RFC 8985 section 7.3: new data if there is some, else the last segment again. */
static bool plan_tlp(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, uint32_t mss,
		     struct plan *p)
{
	struct tcp_flight *f;

	p->tlp = true;
	if (c->snd_nxt == w->snd_una || plan_new(c, w, mss, p)) {
		w->tlp_send = 0;
		return p->len || p->fin;
	}
	w->tlp_send = 0;
	f = tcp_flight_at(t, w, w->flight.n - 1);
	if (f->flags & FLIGHT_SACKED)
		return false;
	p->again = true;
	p->fin = c->flags & TCP_F_FIN_SENT;
	p->seq = seq_max(f->seq, c->snd_nxt - p->fin - min_of(mss, c->snd_nxt - w->snd_una - p->fin));
	p->len = c->snd_nxt - p->fin - p->seq;
	return true;
}

/* One octet, or the FIN, beyond a closed window: RFC 9293 section 3.8.6.1. */
static bool plan_probe(struct tcp_conn *c, struct tcp_work *w, struct plan *p)
{
	w->probe = 0;
	if (seq_lt(w->snd_una + w->snd_wnd, c->snd_nxt + 1)) {
		p->seq = c->snd_nxt;
		p->len = seq_lt(c->snd_nxt, w->snd_end);
		p->fin = !p->len && fin_unsent(c);
		p->probe = true;
		return p->len || p->fin;
	}
	return false;
}

/* RFC 5682 section 3.1: where no new data can leave, the timeout is taken for a true one. */
static bool frto_stuck(const struct tcp_conn *c, struct tcp_work *w)
{
	if (likely(w->frto != 2) || c->snd_nxt + 2 * c->snd_mss != w->frto_end)
		return false;
	w->frto = 0;
	return w->lost;
}

static bool make_plan(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, uint32_t mss,
		      struct plan *p)
{
	*p = (struct plan){0};
	if (unlikely(w->tlp_send)) {
		if (plan_tlp(t, c, w, mss, p))
			return true;
		*p = (struct plan){0};
	}
	if (unlikely(w->probe) && plan_probe(c, w, p))
		return true;
	if (!(w->lost && plan_retransmission(t, c, w, mss, p)) &&
	    !plan_larger(t, c, w, mss, p) && !plan_new(c, w, mss, p) &&
	    !(frto_stuck(c, w) && plan_retransmission(t, c, w, mss, p)))
		return false;
	w->burst_wait = burst_spent(t, c, w);
	return !w->burst_wait;
}

/* Whether next_segment would build anything now. */
static bool output_due(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	struct plan p;

	if (w->ack_now || w->keepalive_probe || w->probe || w->tlp_send || w->syn_due)
		return true;
	return make_plan(t, c, w, c->snd_mss, &p);
}

static void plan_sent_new(struct tcp_conn *c, struct tcp_work *w, const struct plan *p,
			  uint32_t end, struct tcp *t)
{
	if (c->snd_nxt == w->snd_una)
		first_in_flight(t, c, w);
	tcp_flight_sent(t, c, w, p->seq, end);
	tcp_pmtu_sent(w, p->len, end);
	if (unlikely(p->larger))
		tcp_pmtu_tried(t, c, w);
	c->snd_nxt = end;
	w->snd_max = seq_max(w->snd_max, end);
	w->override = 0;
	if (p->fin)
		c->flags |= TCP_F_FIN_SENT;
	if (cc_is_limited(&w->cc, c->snd_nxt - w->snd_una))
		w->limited_end = c->snd_nxt;
}

/* After a segment left: states, records, timers. */
static void plan_sent(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, const struct plan *p)
{
	uint32_t end = p->seq + p->len + p->fin;

	count_add(t->ctr, CTR_TX_PAYLOAD_BYTES, p->len);
	w->last_sent = t->now_ms;
	if (p->fin)
		count(t->ctr, CTR_TX_FINS);
	if (p->probe) {
		count(t->ctr, CTR_TX_WINDOW_PROBES);
		w->snd_max = seq_max(w->snd_max, end);
		return;
	}
	w->burst_left -= w->burst_left > 0;
	tcp_recovery_sent(t, c, w, end - p->seq, p->again);
	if (p->again) {
		count(t->ctr, CTR_TX_RETRANSMITS);
		w->sent_again++;
		w->force_retx = 0;
		tcp_flight_again(t, c, w, p->seq, end);
		tcp_pmtu_again(w, p->seq, p->seq + p->len);
	} else {
		plan_sent_new(c, w, p, end, t);
	}
	if (p->tlp) {
		tcp_tlp_sent(t, c, w, p->again);
		if (w->tlp_late || p->seq == w->snd_una)
			tcp_pmtu_probed(c, w, p->len);
	}
	tcp_timer_sent(t, c, w, p->again && p->seq == w->snd_una);
}

/* Payload from the send queue; an empty packet if there is none. */
static struct rte_mbuf *plan_build(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
				   const struct plan *p, uint16_t *sum)
{
	const struct pkt_port *pp = t->port[t->net->paths[c->path].port];
	const struct slice *s;
	struct rte_mbuf *m;
	uint32_t i;

	*sum = 0;
	if (!p->len)
		return pkt_alloc_last(t->pool);
	i = tcp_queue_find(t, &w->sndq, w->sndq_inline, p->seq);
	s = vec_at(&w->sndq, &t->slab, w->sndq_inline, sizeof(*s), i);
	m = pkt_build(t->pool, pp, s, w->sndq.n - i, p->seq - s->seq, p->len,
		      pkt_needs_sum(pp) ? sum : NULL);
	if (unlikely(!m) && (p->again || p->probe) && pkt_pool_dip(t->pool))
		m = pkt_build(t->pool, pp, s, w->sndq.n - i, p->seq - s->seq, p->len,
			      pkt_needs_sum(pp) ? sum : NULL);
	return m;
}

static struct rte_mbuf *send_plan(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
				  struct plan *p, struct tcp_seg *seg)
{
	uint16_t sum;
	struct rte_mbuf *m = plan_build(t, c, w, p, &sum);

	if (unlikely(!m)) {
		count(t->ctr, CTR_TX_NO_MBUF);
		return NULL;
	}
	seg->seq = p->seq;
	if (p->fin)
		seg->flags |= TCP_FIN;
	if (p->len && p->seq + p->len == w->snd_end &&
	    (!(c->flags & TCP_F_CORK) || w->override || p->fin))
		seg->flags |= TCP_PSH;
	if (unlikely(w->urgent_out))
		tcp_urgent_mark(w, seg);
	if (c->flags & TCP_AGREED_ECN && p->len && !p->again && !p->probe &&
	    seq_geq(p->seq, w->snd_max))
		tcp_ecn_mark(c, seg);
	tcp_seg_finish(t, m, &c->tuple, c->path, seg, ttl_of(t, c), sum);
	plan_sent(t, c, w, p);
	return m;
}

/* SACK blocks take room from the payload (RFC 9293 section 3.7.1), but not all of it. */
static uint32_t payload_room(const struct tcp_conn *c, struct tcp_seg *seg)
{
	while (seg->sack_n && c->snd_mss < 4 + 8 * seg->sack_n + PAYLOAD_MIN)
		seg->sack_n--;
	return seg->sack_n ? c->snd_mss - (4 + 8 * seg->sack_n) : c->snd_mss;
}

/* The next segment of the connection, or NULL; *failed if mbufs are what is missing. */
static struct rte_mbuf *next_segment(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
				     bool *failed)
{
	const bool sacks = sack_due(c, w);
	uint32_t room = c->snd_mss;
	struct rte_mbuf *m;
	struct tcp_seg seg;
	struct plan p;
	bool planned;

	if (unlikely(w->syn_due)) {
		m = tcp_syn_build(t, c, w);
		*failed = !m;
		return m;
	}
	if (unlikely(sacks)) {
		if (!output_due(t, c, w))
			return NULL;
		seg_common(t, c, w, &seg);
		room = payload_room(c, &seg);
	}
	planned = make_plan(t, c, w, room, &p);
	if (!planned && !w->ack_now && !w->keepalive_probe)
		return NULL;
	if (likely(!sacks))
		seg_common(t, c, w, &seg);
	if (planned) {
		m = send_plan(t, c, w, &p, &seg);
		*failed |= !m;
		if (m)
			ack_sent(c, w);
		if (m || !w->ack_now)
			return m; /* else an ACK, which needs no more than the reserve has */
	}
	m = pkt_alloc_last(t->pool);
	if (unlikely(!m)) {
		count(t->ctr, CTR_TX_NO_MBUF);
		*failed = true;
		return NULL;
	}
	seg.seq = w->keepalive_probe ? c->snd_nxt - 1 : ack_seq(c, w);
	if (unlikely(w->urgent_out))
		tcp_urgent_mark(w, &seg);
	if (unlikely(w->keepalive_probe) && tcp_setting(t, c, keepalive_garbage))
		*rte_pktmbuf_append(m, 1) = 0;
	count(t->ctr, w->keepalive_probe ? CTR_TX_KEEPALIVES : CTR_TX_ACKS);
	w->keepalive_probe = 0;
	ack_sent(c, w);
	tcp_seg_finish(t, m, &c->tuple, c->path, &seg, ttl_of(t, c), 0);
	return m;
}

static void after_idle(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	tcp_cc(t, c)->on_idle(&w->cc, cc_initial_window(c->snd_mss));
	w->undo = 0;
}

void tcp_check_idle(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	uint64_t idle = (uint64_t)(t->now_ms - w->last_sent) * US_PER_MS;

	if (c->snd_nxt != w->snd_una || w->snd_end == c->snd_nxt)
		return;
	if (unlikely(idle > tcp_opts_of(t, c)->rto_min) && idle > tcp_rto(t, c))
		after_idle(t, c, w);
}

/*
 * Data in order that is not acknowledged yet: what we sent before arrived, and the next hop is alive (RFC 4861
 * section 7.3.1).
 */
static void doubt_less(struct tcp *t, const struct tcp_conn *c, const struct tcp_work *w)
{
	if (c->rcv_nxt != w->last_ack_sent)
		net_confirm(t->net, c->path, t->now_ms);
}

unsigned int tcp_output(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
			struct rte_mbuf **pkts, unsigned int max, bool *more)
{
	bool ready = net_path_ready(t->net, c->path), failed = false;
	const unsigned int room = max;
	struct tcp_chaos_turn chaos;
	unsigned int n = 0;
	bool full;

	*more = false;
	if (unlikely(tcp_pmtu_due(t, c)))
		tcp_pmtu_review(t, c, w);
	tcp_check_idle(t, c, w);
	if (unlikely(c->flags & TCP_F_SLOW))
		tcp_chaos_before(t, c, w, &chaos, &max);
	if (likely(ready))
		n = tcp_run_output(t, c, w, pkts, max);
	else
		doubt_less(t, c, w);
	while (n < max) {
		struct rte_mbuf *m = next_segment(t, c, w, &failed);

		if (!m)
			break;
		if (likely(ready))
			pkts[n++] = m;
		else
			net_hold(t->net, c->path, m, t->now);
	}
	if (unlikely(failed))
		t->retry_at = t->now + US_PER_MS;
	full = n == max;
	if (unlikely(c->flags & TCP_F_SLOW)) {
		n = tcp_chaos_after(t, c, w, &chaos, pkts, n, room);
		if (c->state == TCP_CLOSED)
			return n;
	}
	*more = failed || (full && output_due(t, c, w));
	tcp_timer_rearm(t, c, w, false);
	return n;
}
