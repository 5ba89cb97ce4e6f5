/*
 * Active opens (RFC 9293 sections 3.5 and 3.10.7.3): SYN-SENT, SYN-RECEIVED after SYNs that crossed,
 * and the SYN until it is acknowledged.
 *
 * Such a connection is a struct tcp_conn with its block from the first SYN on. As long as w->syn is
 * set, SND.UNA is the ISN and the SYN stands between it and everything else: it is no range in
 * flight, has the timer TCP_TIMER_SYN of its own, and leaves through tcp_output, as SYN or, once the
 * peer's SYN is known, as SYN-ACK with the same sequence number. With the acknowledgment of the SYN
 * the connection becomes one like any other, and the segment is then processed as any other. c->backoff
 * counts how often the timer expired.
 *
 * What the handler queues before that waits for ESTABLISHED, FIN included. A connection closed in
 * SYN-RECEIVED with nothing queued is in FIN-WAIT-1 while its SYN is still unacknowledged (section
 * 3.10.4): both are then sent until they are acknowledged.
 */
#include "algo/isn.h"
#include "mss.h"
#include "pmtu.h"
#include "tcp/connect.h"
#include "tcp/ecn.h"

static const struct listener *listener_of(const struct tcp *t, const struct tcp_conn *c)
{
	return t->version[c->version].listener;
}

/*
 * R2 for SYN segments (RFC 9293 section 3.8.3) or the user timeout, in ms; a started millisecond is a
 * whole one.
 */
static uint32_t give_up_after(const struct tcp *t, const struct tcp_conn *c)
{
	return ms_of(min_of(tcp_opts_of(t, c)->syn_r2, tcp_setting(t, c, user_timeout))) + 1;
}

static void arm(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	const struct tcp_options *o = tcp_opts_of(t, c);
	uint64_t wait = rtt_backoff(o->rto_initial, c->backoff, o->rto_max);
	uint32_t gone = t->now_ms - w->progress, limit = give_up_after(t, c);
	uint64_t left = limit > gone ? (uint64_t)(limit - gone) * US_PER_MS : 0;

	tcp_timer_arm(t, c, w, TCP_TIMER_SYN, min_of(wait, left));
}

static void init_conn(struct tcp *t, struct tcp_conn *c, const struct flow_tuple *tuple,
		      uint32_t path, int version, uint32_t iss)
{
	const struct listener *l = t->version[version].listener;

	c->tuple = *tuple;
	c->path = path;
	c->version = (uint16_t)version;
	net_path_get(t->net, path);
	t->version[version].users++;
	c->state = TCP_SYN_SENT;
	c->flags = TCP_F_ACTIVE | TCP_F_OPEN | (l->conn_flags & ~(uint32_t)TCP_F_SLOW);
	c->snd_nxt = iss;
	c->snd_mss = c->mss_max = t->net->paths[path].v6 ? TCP_MSS_DEFAULT_V6 : TCP_MSS_DEFAULT_V4;
	c->rcv_mss = (uint16_t)tcp_path_mss(&t->net->paths[path]);
	c->dscp = l->tcp.dscp;
	c->last_rx = t->now_ms;
}

/* The SYN takes one sequence number; what is queued stands behind it. */
static void init_work(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	c->snd_nxt++;
	w->snd_max = w->snd_end = w->limited_end = c->snd_nxt;
	w->ts_offset = tcp_ts_offset(t, &c->tuple);
	tcp_cc(t, c)->init(&w->cc, c->snd_mss, c->snd_mss);
	w->syn = w->syn_due = 1;
	arm(t, c, w);
	tcp_want_output(t, c, w);
}

struct tcp_conn *tcp_connect(struct tcp *t, const struct flow_tuple *tuple, uint32_t path,
			     int version, uint32_t isn_above, bool reuse)
{
	uint32_t iss = isn_make(&t->isn_key, tuple, sizeof(*tuple), t->now);
	struct tcp_conn *c = NULL;
	struct tcp_work *w;

	if (t->conn_pool.used + t->half_open < t->conn_pool.max)
		c = tcp_conn_alloc(t);
	if (!c)
		return NULL;
	if (reuse && seq_leq(iss, isn_above))
		iss = isn_above + 1 + (iss & 0xffff);
	init_conn(t, c, tuple, path, version, iss);
	w = tcp_attach(t, c);
	if (!w || !tcp_ctx_alloc(t, c) ||
	    flow_table_insert(&t->table, flow_hash(&t->flow_key, tuple),
			      flow_entry(FLOW_CONN, tcp_index(t, c)))) {
		tcp_conn_free(t, c);
		return NULL;
	}
	init_work(t, c, w);
	count(t->ctr, CTR_SYN_SENT);
	return c;
}

/* On a SYN all that is configured; on a SYN-ACK what the peer's SYN had as well. */
static struct tcp_opts syn_options(const struct tcp *t, const struct tcp_conn *c,
				   const struct tcp_work *w)
{
	const struct listener *l = listener_of(t, c);
	bool ack = c->state != TCP_SYN_SENT;
	struct tcp_opts o = {
		.flags = TCP_OPTS_MSS,
		.mss = (uint16_t)tcp_path_mss(&t->net->paths[c->path]),
		.wscale = l->rcv_wscale,
		.tsval = tcp_ts_now(t, w->ts_offset),
		.tsecr = c->ts_recent,
	};

	if (ack ? c->flags & TCP_AGREED_TS : l->tcp.timestamps)
		o.flags |= TCP_OPTS_TS;
	if (ack ? c->flags & TCP_AGREED_SACK : l->tcp.sack)
		o.flags |= TCP_OPTS_SACK_OK;
	if (ack ? c->flags & TCP_AGREED_WS : l->tcp.window_scale)
		o.flags |= TCP_OPTS_WSCALE;
	return o;
}

/* It left: what a sample and R2 are counted from. Behind an unknown next hop it leaves some time. */
static void syn_left(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	bool first = !w->syn_times;

	w->syn_due = 0;
	w->syn_sent = (uint32_t)t->now;
	w->syn_times = first && net_path_ready(t->net, c->path) ? 1 : 2;
	if (!first)
		return;
	w->progress = t->now_ms;
	arm(t, c, w);
}

/* Asked for once: a SYN that was lost may have been because of it (RFC 3168 section 6.1.1.1). */
static uint8_t ecn_flags(const struct tcp *t, const struct tcp_conn *c, struct tcp_work *w)
{
	if (c->state != TCP_SYN_SENT)
		return c->flags & TCP_AGREED_ECN ? TCP_ECE : 0;
	w->ecn_asked = listener_of(t, c)->tcp.ecn_connect && !w->syn_times;
	return w->ecn_asked ? TCP_ECN_SETUP : 0;
}

/* A SYN-ACK that answers our question, or the peer's SYN that asks; the question echoed is none. */
static bool ecn_agreed(const struct tcp *t, const struct tcp_conn *c, const struct pkt_facts *f)
{
	if (f->tcp_flags & TCP_ACK)
		return tcp_work_of(t, c)->ecn_asked && (f->tcp_flags & TCP_ECN_SETUP) == TCP_ECE;
	return listener_of(t, c)->tcp.ecn && tcp_ecn_asked(f);
}

struct rte_mbuf *tcp_syn_build(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	const struct listener *l = listener_of(t, c);
	bool ack = c->state != TCP_SYN_SENT;
	struct tcp_opts o = syn_options(t, c, w);
	struct tcp_seg seg = {
		.seq = w->snd_una,
		.ack = ack ? c->rcv_nxt : 0,
		.window = tcp_first_window(l, l->rcv_wscale),
		.flags = TCP_SYN | (ack ? TCP_ACK : 0),
		.dscp = c->dscp,
		.syn = &o,
	};
	struct rte_mbuf *m = pkt_alloc_last(t->pool);

	if (unlikely(!m)) {
		count(t->ctr, CTR_TX_NO_MBUF);
		return NULL;
	}
	seg.flags |= ecn_flags(t, c, w);
	tcp_seg_finish(t, m, &c->tuple, c->path, &seg, tcp_setting(t, c, ttl), 0);
	if (ack) {
		count(t->ctr, CTR_TX_SYNACKS);
		w->ack_now = 0;
	}
	syn_left(t, c, w);
	return m;
}

/* Once more, now. */
static void syn_again(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	w->syn_due = 1;
	w->syn_times = 2;
	tcp_want_output(t, c, w);
}

void tcp_syn_timer(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	if (t->now_ms - w->progress >= give_up_after(t, c)) {
		bool user = tcp_setting(t, c, user_timeout) < tcp_opts_of(t, c)->syn_r2;

		count(t->ctr, CTR_CONN_TIMEOUT);
		tcp_close_now(t, c, user ? PIER_CLOSE_USER_TIMEOUT : PIER_CLOSE_TIMEOUT);
		return;
	}
	count(t->ctr, CTR_RTO_FIRED);
	count(t->ctr, CTR_SYN_RETRANSMITS);
	if (c->backoff < 15)
		c->backoff++;
	if (c->backoff == tcp_opts_of(t, c)->r1)
		tcp_r1_reached(t, c, w);
	arm(t, c, w);
	syn_again(t, c, w);
}

/* What both sides offer; the peer's MSS turned into payload of a full segment. */
static void negotiate(struct tcp *t, struct tcp_conn *c, const struct pkt_facts *f)
{
	const struct listener *l = listener_of(t, c);
	uint32_t mss = tcp_peer_mss(f);

	if (f->flags & PKT_F_TS && l->tcp.timestamps) {
		c->flags |= TCP_AGREED_TS;
		c->ts_recent = f->tsval;
	}
	if (f->flags & PKT_F_SACK_OK && l->tcp.sack)
		c->flags |= TCP_AGREED_SACK;
	if (f->flags & PKT_F_WSCALE && l->tcp.window_scale) {
		c->flags |= TCP_AGREED_WS;
		c->snd_wscale = min_of(f->wscale, TCP_WSCALE_MAX);
		count_add(t->ctr, CTR_RX_WSCALE_HIGH, f->wscale > TCP_WSCALE_MAX);
		c->rcv_wscale = l->rcv_wscale;
	}
	if (ecn_agreed(t, c, f))
		c->flags |= TCP_AGREED_ECN;
	mss = max_of(mss, l->tcp.min_snd_mss);
	mss = min_of(mss, tcp_path_mss(&t->net->paths[c->path]));
	c->snd_mss = mss - (c->flags & TCP_AGREED_TS ? TCP_OPT_TS_SPACE : 0);
	tcp_pmtu_start(t, c);
}

/* The window of a SYN or SYN-ACK, which is never scaled. */
static void syn_window(struct tcp_conn *c, struct tcp_work *w, const struct pkt_facts *f)
{
	w->snd_wnd = f->window;
	w->max_snd_wnd = max_of(w->max_snd_wnd, f->window);
	c->snd_wl1 = f->seq;
	w->snd_wl2 = f->tcp_flags & TCP_ACK ? f->ack : w->snd_una;
}

/* The peer's SYN: IRS, and the window that ours offered. */
static void peer_syn(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
		     const struct pkt_facts *f)
{
	const struct listener *l = listener_of(t, c);

	negotiate(t, c, f);
	syn_window(c, w, f);
	c->rcv_nxt = f->seq + 1;
	w->rcv_read = w->last_ack_sent = c->rcv_nxt;
	w->rcv_adv = c->rcv_nxt + tcp_first_window(l, l->rcv_wscale);
	c->last_rx = t->now_ms;
}

/* RFC 6928 section 2, RFC 6298 (2.2) and (5.7), Karn. */
static void start_numbers(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	uint32_t iw = c->backoff > 1 ? c->snd_mss : cc_initial_window(c->snd_mss);

	tcp_cc(t, c)->init(&w->cc, c->snd_mss, iw);
	if (w->syn_times == 1)
		rtt_sample(&w->rtt, max_of((uint32_t)t->now - w->syn_sent, 1u), 1);
	if (c->backoff)
		c->flags |= TCP_F_RTO_3S;
	c->backoff = 0;
	w->progress = w->last_sent = t->now_ms;
}

/* Our SYN is acknowledged: ESTABLISHED, or FIN-WAIT-1 if the handler has closed already. */
static void opened(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	w->snd_una++;
	w->syn = w->syn_due = 0;
	w->timer = TCP_TIMER_NONE;
	start_numbers(t, c, w);
	if (c->state < TCP_ESTABLISHED)
		c->state = c->flags & TCP_F_FIN_QUEUED ? TCP_FIN_WAIT_1 : TCP_ESTABLISHED;
	count(t->ctr, CTR_CONN_OPENED);
	net_confirm(t->net, c->path, t->now_ms);
	if (c->flags & TCP_F_OPEN)
		tcp_ready(t, c, w, TCP_EV_OPEN | (c->flags & TCP_F_WANT_WRITABLE ?
						  TCP_EV_WRITABLE : 0));
}

/* Payload and FIN behind the SYN of a SYN-ACK, as of any segment; and the ACK. */
static void rest_of_synack(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f,
			   struct tcp_conn *c, struct tcp_work *w)
{
	w->ack_now = 1;
	f->tcp_flags &= ~TCP_SYN;
	f->seq++;
	if (f->payload_len || f->tcp_flags & TCP_FIN)
		tcp_data_input(t, c, w, m, f);
	else
		pkt_recycle(t->pool, m);
	if (c->state != TCP_CLOSED)
		tcp_want_output(t, c, w);
}

static void refused(struct tcp *t, struct rte_mbuf *m, struct tcp_conn *c)
{
	count(t->ctr, CTR_CONN_REFUSED);
	pkt_recycle(t->pool, m);
	tcp_close_now(t, c, PIER_CLOSE_REFUSED);
}

/* A RST may be what some old box has to say to the ECN bits (RFC 3168 section 6.1.1.1). */
static void ask_without_ecn(struct tcp *t, struct rte_mbuf *m, struct tcp_conn *c,
			    struct tcp_work *w)
{
	pkt_recycle(t->pool, m);
	syn_again(t, c, w);
}

void tcp_syn_sent_input(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, struct tcp_conn *c,
			struct tcp_work *w)
{
	bool ack = f->tcp_flags & TCP_ACK;

	if (ack && f->ack != c->snd_nxt) {
		tcp_reset_reply(t, m, f, CTR_RX_BAD_ACK);
	} else if (f->tcp_flags & TCP_RST) {
		if (!ack)
			tcp_drop(t, m, CTR_RX_RST_IGNORED);
		else if (w->ecn_asked)
			ask_without_ecn(t, m, c, w);
		else
			refused(t, m, c);
	} else if (!(f->tcp_flags & TCP_SYN)) {
		tcp_drop(t, m, CTR_RX_SYN_SENT);
	} else if (ack) {
		peer_syn(t, c, w, f);
		opened(t, c, w);
		rest_of_synack(t, m, f, c, w);
	} else {
		/* Crossing SYNs; what this one carries behind it will be sent again. */
		peer_syn(t, c, w, f);
		c->state = TCP_SYN_RECEIVED;
		pkt_recycle(t->pool, m);
		syn_again(t, c, w);
	}
}

static bool acks_syn(const struct tcp_work *w, const struct pkt_facts *f)
{
	return f->tcp_flags & TCP_ACK && seq_gt(f->ack, w->snd_una) && seq_leq(f->ack, w->snd_max);
}

void tcp_crossing_input(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, struct tcp_conn *c,
			struct tcp_work *w)
{
	bool same = f->seq == c->rcv_nxt - 1;

	if (same && !(f->tcp_flags & TCP_ACK)) {
		pkt_recycle(t->pool, m);
		syn_again(t, c, w);
	} else if (same && acks_syn(w, f)) {
		syn_window(c, w, f);
		if (c->flags & TCP_AGREED_TS && f->flags & PKT_F_TS &&
		    seq_geq(f->tsval, c->ts_recent))
			c->ts_recent = f->tsval;
		c->last_rx = t->now_ms;
		opened(t, c, w);
		rest_of_synack(t, m, f, c, w);
	} else {
		count(t->ctr, CTR_RX_SYN_IN_CONN);
		tcp_challenge_ack(t, c, m, true);
	}
}

bool tcp_syn_acked(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, struct tcp_conn *c,
		   struct tcp_work *w)
{
	if (!acks_syn(w, f)) {
		tcp_reset_reply(t, m, f, CTR_RX_BAD_ACK);
		return false;
	}
	opened(t, c, w);
	return true;
}
