/*
 * The short way of a request and its answer, which is most of a server's traffic: data in order that
 * acknowledges everything, on an open connection with nothing unusual about it; and then one segment that
 * carries all that is queued. And of segments without payload: a FIN, and what acknowledges everything.
 *
 * Each is one guard and the steps of the full path (input.c, acked.c, receive.c; output.c, flight.c,
 * timer.c) that remain behind it. Where the guard does not hold nothing has been touched, and the full
 * path, which is right alone, does all of it. Whoever adds a state to a connection that the full path
 * looks at adds it to a guard here. That both ways give the same, tests/twin shows.
 */
#include "fast.h"
#include "lend.h"
#include "pmtu.h"
#include "push.h"
#include "rcv.h"
#include "tcp/sndq.h"
#include "timer.h"
#include "base/shortcut.h"
#include "tcp/deadline.h"
#include "tcp/ecn.h"
#include "tcp/policy.h"
#include "tcp/window.h"

/* The connection is closing, marked, misbehaves on purpose, or wants something. */
#define UNUSUAL                                                                                    \
	(TCP_F_ORPHAN | TCP_F_FIN_QUEUED | TCP_F_FIN_SENT | TCP_F_FIN_RECEIVED | TCP_F_SLOW |      \
	 TCP_F_TS_STALE | TCP_F_ECN_ECHO | TCP_F_ECN_CWR | TCP_F_OWN | TCP_F_STALLED |             \
	 TCP_F_LINGERS | TCP_F_WANT_WRITABLE | TCP_F_FRAGMENT)

/* Of these, what a connection has that ends as it should. */
#define ENDING                                                                                     \
	(TCP_F_ORPHAN | TCP_F_FIN_QUEUED | TCP_F_FIN_SENT | TCP_F_FIN_RECEIVED | TCP_F_LINGERS)

/* The receive queue has at most what this burst brought, in line. */
static inline bool queue_fine(const struct tcp_work *w)
{
	return w->rcvq.head + w->rcvq.n < WORK_SLICES && !w->rcv_more.head && !w->rcvq.mem;
}

/* RFC 7323: agreed and there, not older, and an echo that can be true. */
static inline bool timestamps_fine(const struct tcp *t, const struct tcp_conn *c,
				   const struct tcp_work *w, const struct pkt_facts *f,
				   uint32_t oldest_us)
{
	uint64_t echoed;

	if (!(c->flags & TCP_AGREED_TS))
		return true;
	echoed = (uint64_t)(tcp_ts_now(t, w->ts_offset) - f->tsecr) * US_PER_MS;
	return seq_geq(f->tsval, c->ts_recent) && (!oldest_us || echoed <= oldest_us + US_PER_MS) &&
	       t->now_ms - c->last_rx < TCP_STALE_MS;
}

/* The one range in flight, or NULL if there is none; *ok: there is no more, and f acknowledges it. */
static inline struct tcp_flight *flight_acked(const struct tcp_conn *c, struct tcp_work *w,
					      const struct pkt_facts *f, bool *ok)
{
	struct tcp_flight *r = NULL;

	*ok = f->ack == c->snd_nxt && w->snd_max == c->snd_nxt && w->flight.n <= 1 && !w->flight.mem &&
	      f->ack - w->snd_una <= 2u * c->snd_mss;
	if (*ok && w->flight.n) {
		r = w->flight_inline + w->flight.head;
		*ok = !r->flags;
	}
	return r;
}

/* The options that were agreed on, and nothing that asks for thought. */
static inline bool options_fine(const struct pkt_facts *f, const struct tcp_conn *c)
{
	const uint32_t options = PKT_F_TS | PKT_F_SACK | PKT_F_BAD_OPT | PKT_F_CE;

	return (f->flags & options) == (c->flags & TCP_AGREED_TS ? PKT_F_TS : 0);
}

static inline bool may_take(const struct tcp *t, const struct rte_mbuf *m, const struct pkt_facts *f,
			    const struct tcp_conn *c, const struct tcp_work *w)
{
	return c->state == TCP_ESTABLISHED && !(c->flags & UNUSUAL) &&
	       (f->tcp_flags & ~TCP_PSH) == TCP_ACK && options_fine(f, c) &&
	       f->seq == c->rcv_nxt && f->payload_len && f->payload_len <= c->rcv_mss &&
	       seq_leq(f->seq + f->payload_len, w->rcv_adv) && m->nb_segs == 1 && tcp_is_calm(w) &&
	       queue_fine(w) && t->held < t->held_open &&
	       w->timer <= TCP_TIMER_REO && seq_geq(f->seq, c->snd_wl1) &&
	       f->ack - w->marks < TCP_MARKS_AGE;
}

/* What was queued has arrived. It is one slice, a copy of ours, as nearly always. */
static inline void sndq_acked(struct tcp *t, struct tcp_work *w, uint32_t una)
{
	const struct slice *s = NULL;

	if (likely(w->sndq.n == 1 && !w->sndq.mem))
		s = w->sndq_inline + w->sndq.head; /* elsewhere head counts other storage's */
	if (unlikely(!s || s->kind < SLICE_COPY || seq_gt(s->seq + s->len, una))) {
		tcp_sndq_acked(t, w, una);
		return;
	}
	tcp_copy_free(t, s);
	w->sndq.head = w->sndq.n = 0;
}

/* What it means for cwnd that all in flight has arrived. */
static __attribute__((noinline)) void ack_congestion(const struct tcp *t, struct tcp_work *w,
						     const struct tcp_options *o, uint32_t flight,
						     uint32_t sample, bool limited)
{
	const struct cc_ack ack = {
		.acked = flight,
		.rtt_us = sample,
		.una = w->snd_una,
		.nxt = w->snd_una,
		.flight_before = flight,
		.cwnd_limited = limited,
		.now = t->now,
		.srtt_us = w->rtt.srtt_us,
		.min_rtt_us = w->rtt.min_rtt_us,
	};

	cc_algorithms[o->congestion]->on_ack(&w->cc, &ack);
}

/* Everything in flight has arrived: acked.c's advance() and tcp_loss_detect() of a calm connection. */
static inline __attribute__((always_inline)) void
take_ack(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, const struct tcp_options *o,
	 const struct pkt_facts *f, const struct tcp_flight *r)
{
	const uint32_t una = w->snd_una, flight = f->ack - una, now = (uint32_t)t->now;
	const struct rack_range range = {.sent = r->sent, .end = r->end};
	const uint32_t sample = rack_age(r->sent, now);
	const bool limited = seq_lt(una, w->limited_end);

	rack_delivered(&w->rack, &range, now, w->rtt.min_rtt_us);
	w->flight.head = w->flight.n = 0;
	w->snd_una = f->ack;
	sndq_acked(t, w, f->ack);
	tcp_pmtu_progress(t, c, w);
	w->tlp_spent = 0;
	rtt_sample(&w->rtt, sample, 1);
	if (unlikely(limited || !SHORTCUT(CC) ||
		     !cc_ack_alone(&w->cc, flight, sample, f->ack, now, w->rtt.min_rtt_us)))
		ack_congestion(t, w, o, flight, sample, limited);
	if (unlikely(c->backoff)) /* a store of one octet, and the word it is in is read next */
		c->backoff = 0;
	w->progress = t->now_ms;
	w->sack_arrivals = 0;
	net_confirm(t->net, c->path, t->now_ms);
	w->timer = TCP_TIMER_NONE;
	w->timer_restart = 1;
}

/* receive.c's take_in_order() and ack_policy(). */
static inline void take_data(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
			     const struct tcp_options *o, struct rte_mbuf *m, const struct pkt_facts *f)
{
	struct slice *s = w->rcvq_inline + w->rcvq.head + w->rcvq.n;

	s->data = rte_pktmbuf_mtod_offset(m, const uint8_t *, f->payload_off);
	s->owner = m;
	s->seq = f->seq;
	s->len = f->payload_len;
	s->sum = (uint16_t)f->payload_sum;
	s->kind = SLICE_MBUF;
	s->flags = f->flags & PKT_F_SUM ? SLICE_SUM : 0;
	s->mem = 0;
	w->rcvq.n++;
	rcv_hold(t, w, m);
	c->rcv_nxt += f->payload_len;
	count_add(t->ctr, CTR_RX_PAYLOAD_BYTES, f->payload_len);
	if (w->growing && f->flags & PKT_F_TS)
		tcp_rcv_rtt(t, w, f->tsecr);
	if (++w->segs_unacked >= 2) {
		w->ack_now = 1;
	} else if (!w->delack) {
		w->delack = 1;
		w->delack_at = t->now_ms + ms_of(o->delack);
	}
}

/* What every acceptable segment tells: input.c, and acked.c's update_window(). */
static inline void take_header(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
			       const struct tcp_options *o, const struct pkt_facts *f)
{
	const uint32_t wnd = f->window << c->snd_wscale;

	if (c->flags & TCP_AGREED_TS && seq_leq(f->seq, w->last_ack_sent))
		c->ts_recent = f->tsval;
	c->last_rx = t->now_ms;
	c->rx_dscp = f->dscp;
	c->probes = 0;
	w->burst_left = max_of((uint32_t)w->burst_left, o->burst);
	c->snd_wl1 = f->seq;
	w->snd_wl2 = f->ack;
	w->snd_wnd = wnd;
	w->max_snd_wnd = max_of(w->max_snd_wnd, wnd);
}

/* tcp_conn_input of a usual segment. False: nothing was done, m is still the caller's. */
static inline __attribute__((always_inline)) bool
fast_input(struct tcp *t, struct rte_mbuf *m, const struct pkt_facts *f, struct tcp_conn *c,
	   struct tcp_work *w)
{
	const struct tcp_options *o = tcp_opts_of(t, c);
	struct tcp_flight *r;
	bool ok;

	if (!SHORTCUT(INPUT) || !may_take(t, m, f, c, w))
		return false;
	r = flight_acked(c, w, f, &ok);
	if (!ok || !timestamps_fine(t, c, w, f, r ? rack_age(r->sent, (uint32_t)t->now) : 0))
		return false;
	tcp_ready(t, c, w, TCP_EV_DATA);
	take_header(t, c, w, o, f);
	if (r)
		take_ack(t, c, w, o, f, r);
	take_data(t, c, w, o, m, f);
	return true;
}

/*
 * Everything we sent has arrived, our FIN at last, and nobody is there to read what may come: no round trip and no
 * window will be asked for.
 */
#define OVER (TCP_F_FIN_SENT | TCP_F_ORPHAN)

static inline void take_last_ack(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
				 const struct pkt_facts *f)
{
	w->flight.head = w->flight.n = 0;
	w->snd_una = f->ack;
	sndq_acked(t, w, f->ack);
	if (unlikely(c->backoff))
		c->backoff = 0;
	w->progress = t->now_ms;
	net_confirm(t->net, c->path, t->now_ms);
	w->timer = TCP_TIMER_NONE;
	w->timer_restart = 1;
}

/* receive.c's fin_input(). */
static inline void take_fin(struct tcp_conn *c, struct tcp_work *w)
{
	c->rcv_nxt++;
	c->flags |= TCP_F_FIN_RECEIVED;
	w->ack_now = 1;
}

/* The state that comes next, TCP_CLOSED: the full path is to say. ours: our FIN is acknowledged. */
static inline enum tcp_state next_state(enum tcp_state state, bool fin, bool ours)
{
	switch (state) {
	case TCP_ESTABLISHED:
		return fin ? TCP_CLOSE_WAIT : TCP_ESTABLISHED;
	case TCP_CLOSE_WAIT:
		return fin ? TCP_CLOSED : TCP_CLOSE_WAIT;
	case TCP_FIN_WAIT_1:
		return !ours ? TCP_CLOSED : fin ? TCP_TIME_WAIT : TCP_FIN_WAIT_2;
	case TCP_FIN_WAIT_2:
		return fin ? TCP_TIME_WAIT : TCP_CLOSED;
	case TCP_CLOSING:
		return ours && !fin ? TCP_TIME_WAIT : TCP_CLOSED;
	case TCP_LAST_ACK:
		return ours && !fin ? TCP_LAST_ACK : TCP_CLOSED;
	default:
		return TCP_CLOSED;
	}
}

/* The same of one without payload: a FIN, or what acknowledges all that was in flight. */
static __attribute__((noinline)) bool fast_bare(struct tcp *t, struct rte_mbuf *m,
						const struct pkt_facts *f, struct tcp_conn *c,
						struct tcp_work *w)
{
	const bool fin = f->tcp_flags & TCP_FIN;
	const struct tcp_options *o = tcp_opts_of(t, c);
	enum tcp_state next = next_state(c->state, fin, c->flags & TCP_F_FIN_SENT);
	struct tcp_flight *r;
	bool ok;

	if (!SHORTCUT(BARE) || next == TCP_CLOSED || c->flags & (UNUSUAL & ~ENDING) || f->payload_len ||
	    (f->tcp_flags & ~(TCP_PSH | TCP_FIN)) != TCP_ACK || !options_fine(f, c) ||
	    f->seq != c->rcv_nxt || !seq_geq(f->seq, c->snd_wl1) || !seq_lt(f->seq, w->rcv_adv) ||
	    !tcp_is_calm(w) || !queue_fine(w) ||
	    w->timer > TCP_TIMER_REO || f->ack - w->marks >= TCP_MARKS_AGE)
		return false;
	r = flight_acked(c, w, f, &ok);
	if (!ok || (!r && !fin) ||
	    !timestamps_fine(t, c, w, f, r ? rack_age(r->sent, (uint32_t)t->now) : 0))
		return false;
	tcp_ready(t, c, w, fin ? TCP_EV_EOF : 0);
	take_header(t, c, w, o, f);
	if (r && (c->flags & OVER) == OVER)
		take_last_ack(t, c, w, f);
	else if (r)
		take_ack(t, c, w, o, f, r);
	if (fin)
		take_fin(c, w);
	c->state = next;
	pkt_recycle(t->pool, m);
	return true;
}

void tcp_conn_input(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, struct tcp_conn *c)
{
	struct tcp_work *w = tcp_attach(t, c);

	if (unlikely(!w))
		tcp_drop(t, m, CTR_RX_NO_BLOCK);
	else if (!(f->payload_len ? fast_input(t, m, f, c, w) : fast_bare(t, m, f, c, w)))
		tcp_conn_input_any(t, m, f, c, w);
}

void tcp_input(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f)
{
	struct tcp_conn *c = &t->conn[flow_entry_index(f->entry)];

	if (unlikely(f->flags & PKT_F_BAD_OPT))
		count(t->ctr, CTR_RX_BAD_OPT);
	if (likely(SHORTCUT(HINT) && flow_entry_type(f->entry) == FLOW_CONN && tcp_tuple_is(f, &c->tuple) &&
		   c->state != TCP_CLOSED))
		tcp_conn_input(t, m, f, c);
	else
		tcp_input_any(t, m, f);
}

/*
 * All that is queued is one slice, of a segment at most, and the peer, the window and the path take it.
 */
static inline bool may_send(const struct tcp *t, const struct tcp_conn *c, struct tcp_work *w,
			    const struct slice *s, const struct net_path *p)
{
	const uint32_t len = w->snd_end - c->snd_nxt;

	return c->snd_nxt == w->snd_una && w->snd_max == c->snd_nxt && w->flight.n == 0 && tcp_is_calm(w) &&
	       s->seq == c->snd_nxt && s->len == len && len <= c->snd_mss && len < w->snd_wnd &&
	       (!s->owner || may_lend(c, p, s)) && w->timer == TCP_TIMER_NONE && !c->backoff &&
	       !tcp_pmtu_due(t, c) && p->state >= NET_PATH_RESOLVED &&
	       w->dsack_start == w->dsack_end && w->flight.head < WORK_FLIGHTS && !w->flight.mem &&
	       !(c->flags & (TCP_F_FRAGMENT | TCP_F_CORK | TCP_F_OWN | TCP_F_SLOW | TCP_F_STALLED |
			     TCP_F_FIN_SENT)) &&
	       (c->state == TCP_ESTABLISHED || c->state == TCP_CLOSE_WAIT ||
		(c->flags & TCP_F_FIN_QUEUED && c->state <= TCP_LAST_ACK &&
		 c->state > TCP_ESTABLISHED));
}

/* The payload, with its sum. */
static inline uint16_t copy_out(uint8_t *to, const struct slice *s)
{
	if (unlikely(!(s->flags & SLICE_SUM)))
		return sum_fold(sum_copy(to, s->data, s->len));
	memcpy(to, s->data, s->len);
	return s->sum;
}

/* timer.c's tcp_timer_sent() and tcp_timer_rearm() of the one range in flight, of which nothing was lost. */
static inline void guard(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
			 const struct tcp_options *o)
{
	w->rto_at = tcp_due(t, rtt_backoff(tcp_rto_by(o, c, w), 0, o->rto_max));
	w->timer_restart = 0;
	if (likely(tcp_tlp_if_calm(c, w))) {
		w->tlp_at = tcp_due(t, tcp_tlp_after(c, w));
		tcp_timer_earliest(w, true);
	} else {
		w->tlp_at = t->now_ms;
		tcp_timer_earliest(w, false);
	}
	if (likely(!(w->measuring | w->watched) && !(c->flags & TCP_F_TIMER)))
		tcp_deadline_set(t, c, w, w->timer_at);
	else
		tcp_timer_update(t, c, w);
	tcp_policy_by(t, c, w, o);
}

/* It left: output.c's plan_sent_new(), flight.c's tcp_flight_sent(), timer.c's rearm() of new data. */
static inline void sent(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
			const struct tcp_options *o, uint32_t len, bool fin)
{
	const uint32_t seq = c->snd_nxt, end = seq + len + fin;

	count_add(t->ctr, CTR_TX_PAYLOAD_BYTES, len);
	w->last_sent = w->progress = t->now_ms;
	w->burst_left--;
	w->rack.rtt_us = 0;
	w->stamp = (uint32_t)t->now;
	w->stamp_end = end;
	w->flight.head = 0;
	w->flight.n = 1;
	w->flight_inline[0] = (struct tcp_flight){.seq = seq, .end = end, .sent = w->stamp};
	tcp_pmtu_sent(w, len, end);
	c->snd_nxt = w->snd_max = end;
	if (fin) {
		count(t->ctr, CTR_TX_FINS);
		c->flags |= TCP_F_FIN_SENT;
	}
	if (cc_is_limited(&w->cc, end - seq))
		w->limited_end = end;
	w->last_ack_sent = c->rcv_nxt;
	w->ack_now = w->delack = 0;
	w->segs_unacked = 0;
	guard(t, c, w, o);
}

/* What the headers say. */
static inline struct tcp_seg seg_of(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, bool fin)
{
	return (struct tcp_seg){
		.seq = c->snd_nxt,
		.ack = c->rcv_nxt,
		.window = tcp_advertise(t, c, w),
		.flags = TCP_ACK | TCP_PSH | (fin ? TCP_FIN : 0) |
			 (c->flags & TCP_F_ECN_ECHO ? TCP_ECE : 0),
		.dscp = c->dscp,
		.agreed = c->flags & TCP_F_AGREED,
		.tsval = tcp_ts_now(t, w->ts_offset),
		.tsecr = c->ts_recent,
	};
}

/* Headers and payload of a connection that agreed on ECN. */
static __attribute__((noinline)) void build_ecn(struct tcp *t, struct rte_mbuf *m, struct tcp_conn *c,
						struct tcp_work *w, const struct slice *s, bool fin)
{
	struct tcp_seg seg = seg_of(t, c, w, fin);
	uint16_t sum;

	pkt_begin(m, RTE_PKTMBUF_HEADROOM, (uint16_t)s->len);
	sum = copy_out(rte_pktmbuf_mtod(m, uint8_t *), s);
	tcp_ecn_mark(c, &seg);
	tcp_seg_finish(t, m, &c->tuple, c->path, &seg, tcp_opts_of(t, c)->ttl, sum);
}

/* The same of any other. m is as pkt_take gives it, or the slice's own. */
static inline void build(struct tcp *t, struct rte_mbuf *m, struct tcp_conn *c, struct tcp_work *w,
			 struct net_path *p, const struct slice *s, uint8_t ttl, bool fin)
{
	const struct tcp_seg seg = seg_of(t, c, w, fin);
	const uint32_t ts[] = TCP_TS_WORDS(&seg);
	unsigned int head, off = RTE_PKTMBUF_HEADROOM;
	uint8_t *to = (uint8_t *)m->buf_addr + off;
	uint16_t sum;

	if (unlikely(s->owner)) {
		to = (uint8_t *)(uintptr_t)s->data;
		off = (unsigned int)(to - (uint8_t *)m->buf_addr);
		sum = sum_of(p->pp, s);
	} else {
		sum = copy_out(to, s);
	}

	if (likely(seg.agreed & TCP_AGREED_TS))
		head = tcp_seg_write(t, p, to, s->len, &c->tuple, &seg, ttl, sum, ts, ARRAY_SIZE(ts));
	else
		head = tcp_seg_write(t, p, to, s->len, &c->tuple, &seg, ttl, sum, NULL, 0);
	pkt_begin(m, (uint16_t)(off - head), (uint16_t)(head + s->len));
	tcp_seg_done(m, p, seg.agreed & TCP_AGREED_TS ? ARRAY_SIZE(ts) : 0);
}

struct rte_mbuf *tcp_fast_output(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	const bool fin = c->flags & TCP_F_FIN_QUEUED;
	struct net_path *p = &t->net->paths[c->path];
	const struct tcp_options *o;
	const struct slice *s;
	struct rte_mbuf *m;

	if (!SHORTCUT(OUTPUT) || w->sndq.n != 1 || w->sndq.mem)
		return NULL;
	s = w->sndq_inline + w->sndq.head; /* elsewhere head counts other storage's */
	if (!may_send(t, c, w, s, p))
		return NULL;
	o = tcp_opts_of(t, c);
	if (w->burst_ms != t->now_ms) {
		w->burst_ms = t->now_ms;
		w->burst_left = o->burst;
	}
	if (unlikely(!w->burst_left))
		return NULL;
	m = unlikely(s->owner != NULL) ? s->owner : pkt_take(t->pool);
	if (unlikely(!m))
		return NULL;
	if (unlikely(s->owner))
		rte_mbuf_refcnt_set(m, 2);
	if (unlikely((uint64_t)(t->now_ms - w->last_sent) * US_PER_MS > o->rto_min))
		tcp_check_idle(t, c, w);
	if (unlikely(c->flags & TCP_AGREED_ECN))
		build_ecn(t, m, c, w, s, fin);
	else
		build(t, m, c, w, p, s, o->ttl, fin);
	sent(t, c, w, o, s->len, fin);
	return m;
}

bool tcp_fast_ack(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, struct rte_mbuf *m)
{
	struct tcp_seg seg;

	if (unlikely(!SHORTCUT(ACK) || c->flags & (TCP_F_ECN_ECHO | TCP_F_FRAGMENT | TCP_F_OWN) || w->ooo.n || w->fin_held ||
		     w->dsack_start != w->dsack_end || w->urgent_out ||
		     seq_lt(w->snd_una + w->snd_wnd, c->snd_nxt)))
		return false;
	seg = seg_of(t, c, w, false);
	seg.flags = TCP_ACK;
	tcp_seg_push(t, m, &c->tuple, c->path, &seg, (uint8_t)tcp_opts_of(t, c)->ttl, 0);
	w->last_ack_sent = c->rcv_nxt;
	w->ack_now = w->delack = 0;
	w->segs_unacked = 0;
	tcp_seg_leave(t, m, c->path);
	return true;
}
