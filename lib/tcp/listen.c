/*
 * LISTEN and SYN-RECEIVED (RFC 9293 sections 3.10.7.2 and 3.10.7.4): from a SYN to a connection.
 *
 * A half-open connection is a 64-byte record and a timer; the SYN-ACK is built in the packet that
 * asked. It becomes a connection with the first acceptable segment that acknowledges the SYN-ACK,
 * and that segment is then processed as any other, payload, FIN and all.
 */
#include <string.h>

#include "algo/isn.h"
#include "tcp/tcp.h"
#include "wire/tcp_opt.h"

void listener_prepare(struct listener *l)
{
	l->rcv_wscale = 0;
	while (l->rcv_wscale < TCP_WSCALE_MAX && l->tcp.rcvbuf >> l->rcv_wscale > 0xffff)
		l->rcv_wscale++;
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

/* Build SYN-ACK or, with ack_only, an ACK for a half-open record in m; m is consumed. */
static void half_send(struct tcp *t, struct tcp_half *h, struct rte_mbuf *m, bool ack_only)
{
	const struct listener *l = t->version[h->version].listener;
	uint32_t ts = h->agreed & TCP_AGREED_TS ?
		tcp_ts_now(t, tcp_ts_offset(t, &h->tuple)) : 0;
	struct tcp_opts syn = {.tsval = ts, .tsecr = h->ts_recent, .flags = TCP_OPTS_MSS,
			       .wscale = h->rcv_wscale,
			       .mss = t->net->paths[h->path].mtu - 40};
	struct tcp_seg seg = {.seq = h->iss, .ack = h->irs + 1, .window = h->rcv_wnd,
			      .flags = TCP_SYN | TCP_ACK, .dscp = h->dscp, .tsval = ts,
			      .tsecr = h->ts_recent, .agreed = h->agreed, .syn = &syn};

	if (h->agreed & TCP_AGREED_TS)
		syn.flags |= TCP_OPTS_TS;
	if (h->agreed & TCP_AGREED_SACK)
		syn.flags |= TCP_OPTS_SACK_OK;
	if (h->agreed & TCP_AGREED_WS)
		syn.flags |= TCP_OPTS_WSCALE;
	if (h->agreed & TCP_AGREED_ECN)
		seg.flags |= TCP_ECE;
	if (ack_only) {
		seg.seq++;
		seg.flags = TCP_ACK;
		seg.window = h->rcv_wnd >> h->rcv_wscale;
		seg.syn = NULL;
		count(t->ctr, CTR_TX_CHALLENGE_ACKS);
	} else {
		count(t->ctr, CTR_TX_SYNACKS);
	}
	tcp_seg_emit(t, m, &h->tuple, h->path, &seg, l->tcp.ttl);
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
		half_send(t, h, m, true);
}

void tcp_half_free(struct tcp *t, struct tcp_half *h)
{
	struct tcp_version *v = &t->version[h->version];

	flow_table_remove(&t->table, flow_hash(&t->flow_key, &h->tuple),
			  flow_entry(FLOW_HALF_OPEN, tcp_small_index(t, h)));
	net_path_put(t->net, h->path);
	v->half_open--;
	t->half_open--;
	tcp_version_put(t, h->version);
	tcp_small_free(t, (union tcp_small *)h);
}

/* What both sides offer; the peer's MSS turned into payload of a full segment. */
static void negotiate(struct tcp *t, struct tcp_half *h, const struct pkt_facts *f,
		      const struct listener *l)
{
	uint32_t mss = f->flags & PKT_F_MSS ? f->mss : TCP_MSS_DEFAULT_V4;

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
	mss = max_of(mss, l->tcp.min_snd_mss);
	mss = min_of(mss, t->net->paths[h->path].mtu - 40u);
	h->snd_mss = mss - (h->agreed & TCP_AGREED_TS ? TCP_OPT_TS_SPACE : 0);
	h->rcv_wnd = tcp_first_window(l, h->rcv_wscale);
	h->dscp = l->tcp.dscp;
}

static void half_open(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, int version,
		      uint32_t path, uint32_t isn_above, bool reuse)
{
	struct tcp_version *v = &t->version[version];
	union tcp_small *s = tcp_small_alloc(t);
	struct tcp_half *h = &s->half;
	uint32_t entry;

	if (unlikely(!s)) {
		tcp_drop(t, m, CTR_RX_SYN_BACKLOG);
		return;
	}
	h->kind = FLOW_HALF_OPEN;
	tcp_tuple_of(f, &h->tuple);
	entry = flow_entry(FLOW_HALF_OPEN, tcp_small_index(t, s));
	if (unlikely(flow_table_insert(&t->table, f->hash, entry))) {
		tcp_small_free(t, s);
		tcp_drop(t, m, CTR_RX_TABLE_FULL);
		return;
	}
	net_path_get(t->net, path);
	h->path = path;
	h->version = version;
	h->irs = f->seq;
	h->iss = isn_make(&t->isn_key, &h->tuple, sizeof(h->tuple), t->now);
	if (reuse && seq_leq(h->iss, isn_above))
		h->iss = isn_above + 1 + (h->iss & 0xffff);
	h->sent = (uint32_t)t->now;
	negotiate(t, h, f, v->listener);
	v->users++;
	v->half_open++;
	t->half_open++;
	h->deadline = t->now_ms + ms_of(v->listener->tcp.rto_initial);
	h->wheel_slot = tcp_wheel_insert(t, entry, h->deadline);
	count(t->ctr, CTR_SYN_RECEIVED);
	m = tcp_reuse(t, m);
	if (m)
		half_send(t, h, m, false);
}

void tcp_listen_input(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, int version,
		      uint32_t isn_above, bool reuse)
{
	struct tcp_version *v = &t->version[version];
	const struct tcp_options *o = &v->listener->tcp;
	int32_t path;

	if (f->tcp_flags & TCP_RST) {
		tcp_drop(t, m, CTR_RX_LISTEN_RST);
	} else if (f->tcp_flags & TCP_ACK) {
		tcp_reset_reply_as(t, m, f, CTR_RX_LISTEN_ACK, (uint8_t)o->dscp, (uint8_t)o->ttl);
	} else if (!(f->tcp_flags & TCP_SYN) || f->tcp_flags & TCP_FIN) {
		tcp_drop(t, m, CTR_RX_LISTEN_FLAGS);
	} else if (t->draining || !v->open) {
		tcp_reset_reply_as(t, m, f, CTR_RX_SYN_DRAIN, (uint8_t)o->dscp, (uint8_t)o->ttl);
	} else if (t->pressure) {
		tcp_drop(t, m, CTR_RX_SYN_PRESSURE);
	} else if (t->half_open >= t->max_half_open ||
		   (v->listener->backlog && v->half_open >= v->listener->backlog)) {
		tcp_drop(t, m, CTR_RX_SYN_BACKLOG);
	} else if (t->conn_pool.used + t->half_open >= t->conn_pool.max) {
		tcp_drop(t, m, CTR_RX_SYN_NO_CONN);
	} else {
		path = net_path_for(t->net, f->port, f->local, f->saddr,
				    rte_pktmbuf_mtod_offset(m, uint8_t *, 6), t->now);
		if (unlikely(path < 0))
			tcp_drop(t, m, CTR_RX_SYN_NO_PATH);
		else
			half_open(t, m, f, version, path, isn_above, reuse);
	}
}

static void conn_from_half(struct tcp *t, struct tcp_conn *c, const struct tcp_half *h,
			   const struct pkt_facts *f)
{
	const struct listener *l = t->version[h->version].listener;

	c->tuple = h->tuple;
	c->path = h->path;
	c->state = TCP_ESTABLISHED;
	c->flags = h->agreed | (l->tcp.keepalive ? TCP_F_KEEPALIVE : 0) |
		   (l->tcp.nagle || l->handler->nagle ? TCP_F_NAGLE : 0) |
		   (h->retries ? TCP_F_RTO_3S : 0);
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
	c->rcv_mss = t->net->paths[h->path].mtu - 40;
	c->dscp = h->dscp;
	c->version = h->version;
	c->last_rx = t->now_ms;
}

/* The numbers of a fresh connection: RFC 6298 (2.2), RFC 6928 section 2. */
static void start_numbers(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
			  const struct tcp_half *h)
{
	uint32_t iw = cc_initial_window(c->snd_mss);

	if (h->retries > 1)
		iw = c->snd_mss;
	tcp_cc(t, c)->init(&w->cc, c->snd_mss, iw);
	w->rcv_adv = c->rcv_nxt + h->rcv_wnd;
	w->last_ack_sent = c->rcv_nxt;
	if (h->retries == 0)
		rtt_sample(&w->rtt, (uint32_t)t->now - h->sent, 1);
}

/* The handshake is complete: a connection takes the half-open record's place, then the segment. */
static void establish(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, struct tcp_half *h)
{
	struct tcp_version *v = &t->version[h->version];
	struct tcp_conn *c = tcp_conn_alloc(t);
	struct tcp_work *w;

	if (unlikely(!c)) {
		tcp_drop(t, m, CTR_RX_SYN_NO_CONN);
		return;
	}
	conn_from_half(t, c, h, f);
	w = tcp_attach(t, c);
	if (unlikely(!w || !tcp_ctx_alloc(t, c))) {
		/* The half-open record stays and the peer tries again. */
		net_path_get(t->net, c->path);
		v->users++;
		tcp_conn_free(t, c);
		tcp_drop(t, m, CTR_RX_NO_BLOCK);
		return;
	}
	start_numbers(t, c, w, h);
	flow_table_replace(&t->table, f->hash, flow_entry(FLOW_HALF_OPEN, tcp_small_index(t, h)),
			   flow_entry(FLOW_CONN, tcp_index(t, c)));
	v->half_open--;
	t->half_open--;
	tcp_small_free(t, (union tcp_small *)h);
	count(t->ctr, CTR_CONN_OPENED);
	tcp_ready(t, c, w, TCP_EV_OPEN);
	tcp_conn_input(t, m, f, c);
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
	if (f->seq == h->irs && !(f->tcp_flags & TCP_ACK)) {
		if (!tcp_ecn_asked(f)) /* it gave ECN up: RFC 3168 section 6.1.1.1 */
			h->agreed &= ~(unsigned int)TCP_AGREED_ECN;
		m = tcp_reuse(t, m);
		if (m)
			half_send(t, h, m, false);
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
	uint32_t nxt = h->irs + 1, last = f->seq + f->payload_len;
	bool in_window = seq_geq(f->seq, nxt) && seq_lt(f->seq, nxt + h->rcv_wnd);
	bool acceptable = in_window ||
		(f->payload_len && seq_gt(last, nxt) && seq_leq(last, nxt + h->rcv_wnd)) ||
		(!f->payload_len && f->seq == nxt + h->rcv_wnd);

	if (!half_rst_syn(t, m, f, h, in_window))
		return;
	if (h->agreed & TCP_AGREED_TS && !(f->flags & PKT_F_TS)) {
		tcp_drop(t, m, CTR_RX_NO_TS);
	} else if (h->agreed & TCP_AGREED_TS && seq_lt(f->tsval, h->ts_recent)) {
		count(t->ctr, CTR_RX_PAWS);
		half_challenge(t, h, m, true);
	} else if (!acceptable) {
		count(t->ctr, CTR_RX_OUT_OF_WINDOW);
		half_challenge(t, h, m, !f->payload_len);
	} else if (!(f->tcp_flags & TCP_ACK)) {
		tcp_drop(t, m, CTR_RX_NO_ACK);
	} else if (f->ack != h->iss + 1) {
		tcp_reset_reply_as(t, m, f, CTR_RX_BAD_ACK, h->dscp,
				   (uint8_t)t->version[h->version].listener->tcp.ttl);
	} else {
		establish(t, m, f, h);
	}
}

void tcp_half_timer(struct tcp *t, struct tcp_half *h)
{
	const struct tcp_options *o = &t->version[h->version].listener->tcp;
	uint32_t entry = flow_entry(FLOW_HALF_OPEN, tcp_small_index(t, h));
	struct rte_mbuf *m;

	if (h->retries >= o->synack_retries) {
		count(t->ctr, CTR_HALF_OPEN_EXPIRED);
		tcp_half_free(t, h);
		return;
	}
	h->retries++;
	h->deadline = t->now_ms +
		ms_of(rtt_backoff(o->rto_initial, h->retries, o->rto_max));
	h->wheel_slot = tcp_wheel_insert(t, entry, h->deadline);
	m = pkt_alloc(t->pool);
	if (!m) {
		count(t->ctr, CTR_TX_NO_MBUF);
		return;
	}
	count(t->ctr, CTR_SYNACK_RETRANSMITS);
	half_send(t, h, m, false);
}
