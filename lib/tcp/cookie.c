/*
 * SYN cookies in TCP (RFC 4987 section 3.6): how a listener goes on opening connections when it can
 * remember no more of them.
 *
 * A SYN is answered from its own packet and forgotten; nothing of it is kept, not even a path. With
 * timestamps the SYN-ACK offers all that an ordinary one does; without them there is nowhere to
 * keep scale, SACK and ECN, and they are not offered. The ACK that comes back is tested only if
 * cookies were sent lately, and makes the connection alone: IRS and ISS are its numbers less one,
 * and its payload and FIN are processed. It gives no round-trip sample, as TSval was not the clock.
 *
 * A connection that ends while cookies are out spends those of its flow, so that what its peer sent before it
 * knew does not open it again; a new SYN makes them good.
 *
 * An ACK with a good cookie that finds no room for a connection becomes a half-open record, whose
 * SYN-ACK is sent again, or, if there is no room for that either, is dropped; with
 * overflow = reset it is answered by RST.
 */
#include "open.h"

static_assert(sizeof(struct flow_tuple) == COOKIE_FLOW_LEN, "a cookie names a flow by its tuple");

static uint8_t cookie_options(const struct tcp_half *h)
{
	uint8_t o = h->agreed & TCP_AGREED_WS ? h->snd_wscale : COOKIE_WS_NONE;

	if (h->agreed & TCP_AGREED_SACK)
		o |= COOKIE_SACK;
	if (h->agreed & TCP_AGREED_ECN)
		o |= COOKIE_ECN;
	return o;
}

static void take_options(struct tcp_half *h, uint8_t options, const struct listener *l)
{
	if ((options & COOKIE_WS_MASK) != COOKIE_WS_NONE) {
		h->agreed |= TCP_AGREED_WS;
		h->snd_wscale = options & COOKIE_WS_MASK;
		h->rcv_wscale = l->rcv_wscale;
	}
	if (options & COOKIE_SACK)
		h->agreed |= TCP_AGREED_SACK;
	if (options & COOKIE_ECN)
		h->agreed |= TCP_AGREED_ECN;
}

static void start_facts(struct cookie_facts *cf, const struct tcp_half *h,
			const struct listener *l)
{
	memcpy(cf->flow, &h->tuple, sizeof(cf->flow));
	cf->isn = h->irs;
	cf->scale = l->rcv_wscale;
}

void tcp_cookie_syn(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, int version)
{
	const struct listener *l = t->version[version].listener;
	const uint32_t mtu = pkt_port_mtu(t->port[f->port]);
	const uint32_t room = mtu - (f->flags & PKT_F_V6 ? IP6_HDR_LEN : IP4_HDR_LEN) - TCP_HDR_LEN;
	uint32_t ts = 0;
	struct tcp_half h = {.irs = f->seq};
	struct cookie_facts cf = {0};
	struct tcp_opts syn;
	struct tcp_seg seg;

	tcp_tuple_of(f, &h.tuple);
	cf.mss = (uint16_t)min_of(tcp_half_agree(&h, f, l), room);
	if (!(h.agreed & TCP_AGREED_TS))
		h.agreed = h.snd_wscale = h.rcv_wscale = 0;
	tcp_half_size(&h, l, cf.mss, room);
	start_facts(&cf, &h, l);
	if (h.agreed & TCP_AGREED_TS) {
		cf.ts = true;
		cf.options = cookie_options(&h);
		ts = cookie_tsval(tcp_ts_now(t, tcp_ts_offset(t, &h.tuple)), cf.options);
	}
	h.iss = cookie_make(&t->cookies, &cf, t->now);
	cookie_renew(&t->cookies, f->hash);
	syn = tcp_synack_opts(&h, room, ts);
	seg = tcp_synack_seg(&h, ts);
	seg.syn = &syn;
	if (tcp_seg_answer(t, m, f, &seg, (uint8_t)l->tcp.ttl)) {
		count(t->ctr, CTR_TX_SYNACKS);
		count(t->ctr, CTR_COOKIES_SENT);
	}
}

/* What the cookie in f says, as a half-open record; false: it is none, counted. */
static bool read_cookie(struct tcp *t, const struct pkt_facts *f, const struct listener *l,
			struct tcp_half *h, uint32_t *mss)
{
	struct cookie_facts cf = {0};

	tcp_tuple_of(f, &h->tuple);
	h->irs = f->seq - 1;
	h->iss = f->ack - 1;
	start_facts(&cf, h, l);
	if (f->flags & PKT_F_TS)
		cf.options = f->tsecr & COOKIE_TSVAL_MASK;
	switch (cookie_check(&t->cookies, h->iss, &cf, t->now)) {
	case COOKIE_GOOD:
		break;
	case COOKIE_EXPIRED:
		count(t->ctr, CTR_COOKIES_EXPIRED);
		return false;
	case COOKIE_BAD:
		count(t->ctr, CTR_COOKIES_REJECTED);
		return false;
	}
	if (cf.ts) {
		h->agreed |= TCP_AGREED_TS;
		h->ts_recent = f->tsval;
		take_options(h, cf.options, l);
	}
	*mss = cf.mss;
	return true;
}

/* A good cookie, and no connection for it. */
static void no_room(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f,
		    const struct tcp_half *h, enum counter why)
{
	const struct listener *l = t->version[h->version].listener;

	if (l->tcp.overflow == TCP_OVERFLOW_RESET) {
		tcp_listen_reset(t, m, f, l, why);
		return;
	}
	if (tcp_half_keep(t, h, f->hash))
		count(t->ctr, CTR_HANDSHAKES_HELD);
	tcp_drop(t, m, why);
}

static void open_conn(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f,
		      const struct tcp_half *h)
{
	enum counter why;
	struct tcp_conn *c = tcp_conn_of_half(t, h, f, 0, &why);

	if (unlikely(!c)) {
		no_room(t, m, f, h, why);
		return;
	}
	if (unlikely(flow_table_insert(&t->table, f->hash, flow_entry(FLOW_CONN,
								      tcp_index(t, c))))) {
		tcp_conn_free(t, c);
		no_room(t, m, f, h, CTR_RX_TABLE_FULL);
		return;
	}
	count(t->ctr, CTR_COOKIES_ACCEPTED);
	tcp_opened(t, c, m, f);
}

void tcp_cookie_ack(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, int version)
{
	const struct listener *l = t->version[version].listener;
	struct tcp_half h = {.version = (uint16_t)version};
	uint32_t mss;
	int32_t path;

	if (cookie_spent(&t->cookies, f->hash) || !read_cookie(t, f, l, &h, &mss)) {
		tcp_listen_reset(t, m, f, l, CTR_RX_LISTEN_ACK);
		return;
	}
	if (unlikely(h.agreed & TCP_AGREED_TS && !(f->flags & PKT_F_TS))) {
		tcp_drop(t, m, CTR_RX_NO_TS);
		return;
	}
	path = net_path_for(t->net, f->port, f->local, f->saddr,
			    rte_pktmbuf_mtod_offset(m, uint8_t *, 6), t->now);
	if (unlikely(path < 0)) {
		tcp_drop(t, m, CTR_RX_SYN_NO_PATH);
		return;
	}
	h.path = (uint32_t)path;
	tcp_half_size(&h, l, mss, tcp_path_mss(&t->net->paths[path]));
	open_conn(t, m, f, &h);
}
