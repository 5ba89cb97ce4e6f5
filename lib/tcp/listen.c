/*
 * LISTEN and SYN-RECEIVED (RFC 9293 sections 3.10.7.2 and 3.10.7.4): from a SYN to a connection.
 *
 * A half-open connection is a 64-byte record and a timer; the SYN-ACK is built in the packet that
 * asked. It becomes a connection with the first acceptable segment that acknowledges the SYN-ACK,
 * and that segment is then processed as any other, payload, FIN and all.
 *
 * Records are capped, for each listener and for all. Past seven eighths of a cap, and while the
 * worker is overloaded, SYNs are answered by cookie (cookie.c). Open callbacks run at the end of the
 * burst, so nothing is ever queued to be accepted: what stands for a full accept queue is a complete
 * handshake for which there is no connection record, block or context. It stays half-open, held, and
 * the repeated SYN-ACK makes the peer try again.
 *
 * A SYN that replaces a TIME-WAIT entry gets a record that stands beside the entry, which keeps its
 * place in the table and its time to expire, until the handshake is complete; if it is not, the
 * entry is as it was.
 */
#include <string.h>

#include "algo/isn.h"
#include "tcp/deadline.h"
#include "tcp/ecn.h"
#include "tcp/share.h"
#include "open.h"
#include "pmtu.h"
#include "push.h"

void listener_prepare(struct listener *l)
{
	l->rcv_wscale = 0;
	while (l->rcv_wscale < TCP_WSCALE_MAX && l->tcp.rcvbuf >> l->rcv_wscale > 0xffff)
		l->rcv_wscale++;
	l->conn_flags = (l->tcp.keepalive ? TCP_F_KEEPALIVE : 0) |
			(l->tcp.nagle || l->handler->nagle ? TCP_F_NAGLE : 0) |
			(l->chaos ? TCP_F_SLOW : 0);
}

int tcp_listener_find(const struct tcp *t, uint32_t local, uint16_t port)
{
	for (uint32_t i = 0; i < t->n_specific; i++) {
		const struct listener *l = t->version[t->specific[i]].listener;

		if (l->local == local && port >= l->port_lo && port <= l->port_hi)
			return t->specific[i];
	}
	return (int)t->any_port[port] - 1;
}

static uint32_t half_ts(const struct tcp *t, const struct tcp_half *h)
{
	return h->agreed & TCP_AGREED_TS ? tcp_ts_now(t, tcp_ts_offset(t, &h->tuple)) : 0;
}

static uint8_t half_ttl(const struct tcp *t, const struct tcp_half *h)
{
	return (uint8_t)t->version[h->version].listener->tcp.ttl;
}

/* A SYN-ACK that tcp_seg_push_syn does not know. */
static __attribute__((noinline)) void synack_any(struct tcp *t, const struct tcp_half *h, struct rte_mbuf *m)
{
	const uint32_t ts = half_ts(t, h);
	const struct tcp_opts syn = tcp_synack_opts(h, tcp_path_mss(&t->net->paths[h->path]), ts);
	struct tcp_seg seg = tcp_synack_seg(h, ts);

	seg.syn = &syn;
	tcp_seg_emit(t, m, &h->tuple, h->path, &seg, half_ttl(t, h));
}

/* Build the SYN-ACK of a half-open record in m, which is consumed. */
static void half_send(struct tcp *t, const struct tcp_half *h, struct rte_mbuf *m)
{
	const uint32_t ts = half_ts(t, h);
	const struct tcp_opts syn = tcp_synack_opts(h, tcp_path_mss(&t->net->paths[h->path]), ts);
	const struct tcp_seg seg = tcp_synack_seg(h, ts);

	count(t->ctr, CTR_TX_SYNACKS);
	if (likely(tcp_seg_push_syn(t, m, &h->tuple, h->path, &seg, half_ttl(t, h), &syn)))
		tcp_seg_leave(t, m, h->path);
	else
		synack_any(t, h, m);
}

/* The same of an ACK. */
static void half_ack(struct tcp *t, const struct tcp_half *h, struct rte_mbuf *m)
{
	struct tcp_seg seg = tcp_synack_seg(h, half_ts(t, h));

	seg.seq++;
	seg.flags = TCP_ACK;
	seg.window = h->rcv_wnd >> h->rcv_wscale;
	count(t->ctr, CTR_TX_CHALLENGE_ACKS);
	tcp_seg_emit(t, m, &h->tuple, h->path, &seg, half_ttl(t, h));
}

static void half_challenge(struct tcp *t, struct tcp_half *h, struct rte_mbuf *m, bool throttle)
{
	const struct tcp_options *o = &t->version[h->version].listener->tcp;
	uint16_t ms = (uint16_t)t->now_ms | 1;

	if (throttle && h->challenge && (uint16_t)(ms - h->challenge) < ms_of(o->challenge_ack)) {
		tcp_drop(t, m, CTR_TX_CHALLENGE_RATE);
		return;
	}
	h->challenge = ms;
	m = tcp_reuse(t, m);
	if (m)
		half_ack(t, h, m);
}

bool tcp_half_reset(struct tcp *t, const struct tcp_half *h)
{
	struct rte_mbuf *m = h->late ? NULL : pkt_alloc_last(t->pool);
	struct tcp_seg seg = {.seq = h->iss + 1, .ack = h->irs + 1, .flags = TCP_RST | TCP_ACK,
			      .dscp = h->dscp, .agreed = h->agreed, .tsecr = h->ts_recent};

	if (!m) {
		count_add(t->ctr, CTR_TX_NO_MBUF, !h->late);
		return h->late;
	}
	if (seg.agreed & TCP_AGREED_TS)
		seg.tsval = tcp_ts_now(t, tcp_ts_offset(t, &h->tuple));
	count(t->ctr, CTR_TX_RSTS);
	tcp_seg_emit(t, m, &h->tuple, h->path, &seg, t->version[h->version].listener->tcp.ttl);
	return true;
}

/* The record alone; what the table says of the tuple is the caller's. */
static void half_release(struct tcp *t, struct tcp_half *h)
{
	net_path_put(t->net, h->path);
	t->version[h->version].half_open--;
	t->half_open--;
	tcp_version_put(t, h->version);
	tcp_small_free(t, (union tcp_small *)h);
}

void tcp_half_free(struct tcp *t, struct tcp_half *h)
{
	uint64_t hash = flow_hash(&t->flow_key, &h->tuple);

	if (h->reused)
		tcp_time_wait_resume(tcp_time_wait_of(t, &h->tuple, hash));
	else
		flow_table_remove(&t->table, hash,
				  flow_entry(FLOW_HALF_OPEN, tcp_small_index(t, h)));
	half_release(t, h);
}

uint32_t tcp_half_agree(struct tcp_half *h, const struct pkt_facts *f, const struct listener *l)
{
	if (f->flags & PKT_F_TS && l->tcp.timestamps) {
		h->agreed |= TCP_AGREED_TS;
		h->ts_recent = f->tsval;
	}
	if (f->flags & PKT_F_SACK_OK && l->tcp.sack)
		h->agreed |= TCP_AGREED_SACK;
	if (f->flags & PKT_F_WSCALE && l->tcp.window_scale) {
		h->agreed |= TCP_AGREED_WS;
		h->snd_wscale = min_of(f->wscale, TCP_WSCALE_MAX);
		h->rcv_wscale = l->rcv_wscale;
	}
	if (tcp_ecn_asked(f) && l->tcp.ecn)
		h->agreed |= TCP_AGREED_ECN;
	return tcp_peer_mss(f);
}

void tcp_half_size(struct tcp_half *h, const struct listener *l, uint32_t mss, uint32_t room)
{
	mss = max_of(mss, l->tcp.min_snd_mss);
	mss = min_of(mss, room);
	h->snd_mss = (uint16_t)(mss - (h->agreed & TCP_AGREED_TS ? TCP_OPT_TS_SPACE : 0));
	h->rcv_wnd = tcp_first_window(l, h->rcv_wscale);
	h->dscp = (uint8_t)l->tcp.dscp;
}

/* A record for one more, of which only deadline and wheel_slot are set: half_enter is to follow. NULL: none is left. */
static struct tcp_half *half_take(struct tcp *t, const struct tcp_version *v)
{
	const uint32_t backlog = v->listener->backlog;
	const uint32_t due = tcp_timer_due(t, v->listener->tcp.rto_initial);
	union tcp_small *s = NULL;

	if (t->half_open < t->max_half_open && (!backlog || v->half_open < backlog))
		s = tcp_small_alloc(t, FLOW_HALF_OPEN);
	if (unlikely(!s))
		return NULL;
	/* What its last user left in the wheel is good for any later deadline. */
	if (s->half.wheel_slot && seq_lt(due, s->half.deadline))
		s->half.wheel_slot = 0;
	s->half.deadline = due;
	return &s->half;
}

/* It is filled in. False: the table is full, and the record given back. */
static bool half_enter(struct tcp *t, struct tcp_half *h, uint64_t hash)
{
	const uint32_t entry = flow_entry(FLOW_HALF_OPEN, tcp_small_index(t, h));
	struct tcp_version *v = &t->version[h->version];

	h->kind = FLOW_HALF_OPEN;
	if (unlikely(!h->reused && flow_table_insert(&t->table, hash, entry))) {
		tcp_small_free(t, (union tcp_small *)h);
		return false;
	}
	net_path_get(t->net, h->path);
	v->users++;
	v->half_open++;
	t->half_open++;
	h->sent = (uint32_t)t->now;
	if (!h->wheel_slot)
		h->wheel_slot = tcp_wheel_insert(t, entry, h->deadline);
	return true;
}

struct tcp_half *tcp_half_keep(struct tcp *t, const struct tcp_half *half, uint64_t hash)
{
	struct tcp_half *h = half_take(t, &t->version[half->version]);
	uint32_t due, slot;

	if (unlikely(!h))
		return NULL;
	due = h->deadline;
	slot = h->wheel_slot;
	*h = *half;
	h->deadline = due;
	h->wheel_slot = slot;
	return half_enter(t, h, hash) ? h : NULL;
}

/*
 * What the SYN says, in the record itself: built elsewhere and copied it would be read before its stores are through.
 * tw as in half_open.
 */
static void half_fill(struct tcp *t, struct tcp_half *h, const struct pkt_facts *f, int version,
		      uint32_t path, const struct tcp_time_wait *tw)
{
	const struct listener *l = t->version[version].listener;
	const uint32_t due = h->deadline, slot = h->wheel_slot;

	*h = (struct tcp_half){.path = path, .version = (uint16_t)version, .irs = f->seq,
			       .reused = tw != NULL, .deadline = due, .wheel_slot = slot};
	tcp_tuple_of(f, &h->tuple);
	h->iss = isn_make(&t->isn_key, &h->tuple, sizeof(h->tuple), t->now);
	if (tw && seq_leq(h->iss, tw->snd_nxt))
		h->iss = tw->snd_nxt + 1 + (h->iss & 0xffff);
	tcp_half_size(h, l, tcp_half_agree(h, f, l), tcp_path_mss(&t->net->paths[path]));
	/* A cookie cannot say so: what it offers is the same at all times. */
	if (t->held_max && unlikely(tcp_share_fair(t, h->rcv_wscale) < h->rcv_wnd))
		h->rcv_wnd = (uint16_t)tcp_share_fair(t, h->rcv_wscale);
}

/* A record for the SYN; tw is what stands under its tuple in TIME-WAIT, NULL: nothing. */
static void half_open(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, int version,
		      uint32_t path, struct tcp_time_wait *tw)
{
	const struct listener *l = t->version[version].listener;
	struct tcp_half *h = half_take(t, &t->version[version]);

	if (f->flags & PKT_F_WSCALE && unlikely(f->wscale > TCP_WSCALE_MAX) && l->tcp.window_scale)
		count(t->ctr, CTR_RX_WSCALE_HIGH);
	if (unlikely(!h)) {
		tcp_drop(t, m, CTR_RX_SYN_BACKLOG);
		return;
	}
	half_fill(t, h, f, version, path, tw);
	if (unlikely(!half_enter(t, h, f->hash))) {
		tcp_drop(t, m, CTR_RX_TABLE_FULL);
		return;
	}
	if (tw) {
		tw->replacing = 1;
		tw->half = tcp_small_index(t, h);
	}
	count(t->ctr, CTR_SYN_RECEIVED);
	if (unlikely(l->chaos) && tcp_chaos_half(t, h, l)) {
		pkt_recycle(t->pool, m);
		return;
	}
	m = tcp_reuse(t, m);
	if (m)
		half_send(t, h, m);
}

/* An eighth of the records is for SYNs that a cookie may not answer: those in TIME-WAIT. */
static bool past_mark(uint32_t used, uint32_t limit)
{
	uint32_t reserve = limit > 1 ? max_of(limit / 8, 1u) : 0;

	return used >= limit - reserve;
}

static bool cookie_wanted(const struct tcp *t, const struct tcp_version *v)
{
	const struct listener *l = v->listener;

	if (l->tcp.syn_cookies != TCP_COOKIES_AUTO)
		return l->tcp.syn_cookies == TCP_COOKIES_ALWAYS;
	return t->pressure || past_mark(t->half_open, t->max_half_open) ||
	       (l->backlog && past_mark(v->half_open, l->backlog)) ||
	       t->conn_pool.used + t->half_open >= t->conn_pool.max;
}

/* Evenly so many of TCP_REFUSE_ALL. */
static bool is_refused(struct tcp *t)
{
	t->refusing += t->refused;
	if (t->refusing < TCP_REFUSE_ALL)
		return false;
	t->refusing -= TCP_REFUSE_ALL;
	return true;
}

bool tcp_refuses(struct tcp *t, uint32_t local, uint16_t port)
{
	const int version = t->draining ? -1 : tcp_listener_find(t, local, port);

	return version >= 0 && !t->version[version].listener->chaos && is_refused(t);
}

/* A server that stops or misbehaves; one that does comes to its refusals late. True: m was consumed. */
static bool syn_unusual(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, const struct listener *l)
{
	if (t->draining)
		tcp_listen_reset(t, m, f, l, CTR_RX_SYN_DRAIN);
	else if (!l->chaos)
		return false;
	else if (tcp_chaos_syn(t, m, f, l))
		return true;
	else if (t->pressure && is_refused(t))
		tcp_drop(t, m, CTR_RX_SYN_PRESSURE);
	else
		return false;
	return true;
}

void tcp_syn_input(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, int version,
		   struct tcp_time_wait *tw)
{
	const struct tcp_version *v = &t->version[version];
	int32_t path;

	if (unlikely(t->unusual) && syn_unusual(t, m, f, v->listener)) {
		return;
	} else if (t->conn_pool.used >= t->conn_pool.max) {
		tcp_drop(t, m, CTR_RX_SYN_NO_CONN);
	} else if (unlikely(!tw && cookie_wanted(t, v))) {
		tcp_cookie_syn(t, m, f, version);
	} else if (unlikely(!tw && t->pressure)) {
		tcp_drop(t, m, CTR_RX_SYN_PRESSURE);
	} else if (unlikely(!tw && t->conn_pool.used + t->half_open >= t->conn_pool.max)) {
		tcp_drop(t, m, CTR_RX_SYN_NO_CONN);
	} else {
		path = net_path_for(t->net, f->port, f->local, f->saddr,
				    rte_pktmbuf_mtod_offset(m, uint8_t *, 6), t->now);
		if (unlikely(path < 0))
			tcp_drop(t, m, CTR_RX_SYN_NO_PATH);
		else
			half_open(t, m, f, version, (uint32_t)path, tw);
	}
}

void tcp_listen_input(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, int version)
{
	if (f->tcp_flags & TCP_RST) {
		tcp_drop(t, m, CTR_RX_LISTEN_RST);
	} else if (f->tcp_flags & TCP_ACK) {
		if (!(f->tcp_flags & TCP_SYN) && !t->draining &&
		    unlikely(cookie_awaited(&t->cookies, t->now)))
			tcp_cookie_ack(t, m, f, version);
		else
			tcp_listen_reset(t, m, f, t->version[version].listener,
					 CTR_RX_LISTEN_ACK);
	} else if (!(f->tcp_flags & TCP_SYN) || f->tcp_flags & TCP_FIN) {
		tcp_drop(t, m, CTR_RX_LISTEN_FLAGS);
	} else {
		tcp_syn_input(t, m, f, version, NULL);
	}
}

static void conn_from_half(struct tcp *t, struct tcp_conn *c, const struct tcp_half *h,
			   const struct pkt_facts *f)
{
	const struct listener *l = t->version[h->version].listener;

	c->tuple = h->tuple;
	c->path = h->path;
	c->state = TCP_ESTABLISHED;
	c->flags = h->agreed | l->conn_flags | (h->retries ? TCP_F_RTO_3S : 0);
	c->snd_nxt = h->iss + 1;
	c->rcv_nxt = h->irs + 1;
	c->snd_wl1 = f->seq;
	c->ts_recent = h->ts_recent;
	c->snd_wscale = h->snd_wscale;
	c->rcv_wscale = h->rcv_wscale;
	c->snd_wnd = f->window;
	c->max_snd_wnd = f->window;
	c->rcv_wnd = h->rcv_wnd >> h->rcv_wscale;
	c->snd_mss = h->snd_mss;
	c->rcv_mss = (uint16_t)tcp_path_mss(&t->net->paths[h->path]);
	c->dscp = h->dscp;
	c->version = h->version;
	c->last_rx = t->now_ms;
	tcp_pmtu_start(t, c);
}

/* The numbers of a fresh connection: RFC 6298 (2.2), RFC 6928 section 2. */
static void start_numbers(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
			  const struct tcp_half *h, uint32_t rtt_us)
{
	uint32_t iw = cc_initial_window(c->snd_mss);

	if (h->retries > 1)
		iw = c->snd_mss;
	tcp_cc(t, c)->init(&w->cc, c->snd_mss, iw);
	w->rcv_adv = c->rcv_nxt + h->rcv_wnd;
	w->last_ack_sent = c->rcv_nxt;
	if (rtt_us)
		rtt_sample(&w->rtt, rtt_us, 1);
}

struct tcp_conn *tcp_conn_of_half(struct tcp *t, const struct tcp_half *h,
				  const struct pkt_facts *f, uint32_t rtt_us, enum counter *why)
{
	struct tcp_conn *c = tcp_conn_alloc(t);
	struct tcp_work *w;

	*why = CTR_RX_SYN_NO_CONN;
	if (unlikely(!c))
		return NULL;
	conn_from_half(t, c, h, f);
	net_path_get(t->net, c->path);
	t->version[c->version].users++;
	w = SHORTCUT(ATTACH) ? tcp_attach_first(t, c) : tcp_attach_block(t, c);
	if (unlikely(!w || !tcp_ctx_alloc(t, c))) {
		tcp_conn_free(t, c);
		*why = CTR_RX_NO_BLOCK;
		return NULL;
	}
	start_numbers(t, c, w, h, rtt_us);
	if (unlikely(c->flags & TCP_F_SLOW) && !tcp_chaos_begin(t, c, w)) {
		tcp_conn_free(t, c);
		*why = CTR_RX_NO_BLOCK;
		return NULL;
	}
	return c;
}

void tcp_opened(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m, struct pkt_facts *f)
{
	if (unlikely(f->flags & PKT_F_V6)) /* its next hop may have been used for the first time in long */
		net_confirm(t->net, c->path, t->now_ms);
	count(t->ctr, CTR_CONN_OPENED);
	tcp_ready(t, c, tcp_work_of(t, c), TCP_EV_OPEN);
	tcp_conn_input(t, m, f, c);
}

/* The handshake is complete, and there is no room: the peer hears of it by the next SYN-ACK. */
static void hold(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, struct tcp_half *h,
		 enum counter why)
{
	const struct listener *l = t->version[h->version].listener;

	if (l->tcp.overflow == TCP_OVERFLOW_RESET) {
		tcp_listen_reset(t, m, f, l, why);
		tcp_half_free(t, h);
		return;
	}
	if (!h->held)
		count(t->ctr, CTR_HANDSHAKES_HELD);
	h->held = 1;
	tcp_drop(t, m, why);
}

/* The handshake is complete: a connection takes the half-open record's place, then the segment. */
static void establish(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, struct tcp_half *h)
{
	bool once = !h->retries && !h->held && !h->again;
	uint32_t rtt = once ? max_of((uint32_t)t->now - h->sent, 1u) : 0;
	enum counter why;
	struct tcp_conn *c = tcp_conn_of_half(t, h, f, rtt, &why);
	uint32_t entry;

	if (unlikely(!c)) {
		hold(t, m, f, h, why);
		return;
	}
	entry = flow_entry(FLOW_CONN, tcp_index(t, c));
	if (unlikely(h->reused)) {
		count(t->ctr, CTR_TIME_WAIT_REUSED);
		tcp_time_wait_replace(t, tcp_time_wait_under(t, h, f), f->hash, entry);
	} else {
		flow_table_replace(&t->table, f->hash,
				   flow_entry(FLOW_HALF_OPEN, tcp_small_index(t, h)), entry);
	}
	half_release(t, h);
	tcp_opened(t, c, m, f);
}

/* RFC 5961 for RST and SYN; false if the segment was used up. */
static bool half_rst_syn(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f,
			 struct tcp_half *h, bool in_window)
{
	if (f->tcp_flags & TCP_RST) {
		if (f->seq == h->irs + 1) {
			count(t->ctr, CTR_HALF_OPEN_RESET);
			tcp_half_free(t, h);
			pkt_recycle(t->pool, m);
		} else if (in_window) {
			count(t->ctr, CTR_RX_RST_IN_WINDOW);
			half_challenge(t, h, m, true);
		} else {
			tcp_drop(t, m, CTR_RX_RST_IGNORED);
		}
		return false;
	}
	if (!(f->tcp_flags & TCP_SYN))
		return true;
	if (f->seq == h->irs && !(f->tcp_flags & TCP_ACK) && unlikely(h->late)) {
		tcp_drop(t, m, CTR_RX_CHAOS_EARLY);
	} else if (f->seq == h->irs && !(f->tcp_flags & TCP_ACK)) {
		if (!tcp_ecn_asked(f)) /* it gave ECN up: RFC 3168 section 6.1.1.1 */
			h->agreed &= ~(unsigned int)TCP_AGREED_ECN;
		h->again = 1;
		count(t->ctr, CTR_SYN_REPEATED);
		m = tcp_reuse(t, m);
		if (m)
			half_send(t, h, m);
	} else if (in_window) {
		tcp_half_free(t, h);
		tcp_drop(t, m, CTR_RX_SYN_IN_CONN);
	} else {
		count(t->ctr, CTR_RX_SYN_IN_CONN);
		half_challenge(t, h, m, true);
	}
	return false;
}

void tcp_half_input(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, struct tcp_half *h)
{
	uint32_t len = f->payload_len + !!(f->tcp_flags & TCP_FIN);
	uint32_t nxt = h->irs + 1, end = f->seq + len;
	bool in_window = seq_geq(f->seq, nxt) && seq_lt(f->seq, nxt + h->rcv_wnd);
	bool acceptable = in_window ||
		(len && seq_gt(end, nxt) && seq_leq(end, nxt + h->rcv_wnd)) ||
		(!len && f->seq == nxt + h->rcv_wnd);

	if (!half_rst_syn(t, m, f, h, in_window))
		return;
	if (h->agreed & TCP_AGREED_TS && !(f->flags & PKT_F_TS)) {
		tcp_drop(t, m, CTR_RX_NO_TS);
	} else if (h->agreed & TCP_AGREED_TS && seq_lt(f->tsval, h->ts_recent)) {
		count(t->ctr, CTR_RX_PAWS);
		half_challenge(t, h, m, true);
	} else if (!acceptable) {
		count(t->ctr, CTR_RX_OUT_OF_WINDOW);
		half_challenge(t, h, m, !len);
	} else if (!(f->tcp_flags & TCP_ACK)) {
		tcp_drop(t, m, CTR_RX_NO_ACK);
	} else if (f->ack != h->iss + 1) {
		tcp_listen_reset(t, m, f, t->version[h->version].listener, CTR_RX_BAD_ACK);
	} else {
		establish(t, m, f, h);
	}
}

void tcp_half_timer(struct tcp *t, struct tcp_half *h)
{
	const struct tcp_options *o = &t->version[h->version].listener->tcp;
	uint32_t entry = flow_entry(FLOW_HALF_OPEN, tcp_small_index(t, h));
	struct rte_mbuf *m;
	bool again = false;

	if (unlikely(h->late)) {
		h->late = 0;
		h->sent = (uint32_t)t->now;
	} else if (h->retries >= o->synack_retries) {
		count(t->ctr, CTR_HALF_OPEN_EXPIRED);
		tcp_half_free(t, h);
		return;
	} else {
		h->retries++;
		again = true;
	}
	h->deadline = tcp_timer_due(t, rtt_backoff(o->rto_initial, h->retries, o->rto_max));
	h->wheel_slot = tcp_wheel_insert(t, entry, h->deadline);
	m = pkt_alloc_last(t->pool);
	if (!m) {
		count(t->ctr, CTR_TX_NO_MBUF);
		return;
	}
	if (again)
		count(t->ctr, CTR_SYNACK_RETRANSMITS);
	half_send(t, h, m);
}
