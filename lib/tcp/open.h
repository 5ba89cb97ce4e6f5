/*
 * What the ways of opening share: LISTEN and SYN-RECEIVED (listen.c) and SYN cookies (cookie.c). A
 * cookie's SYN-ACK and the connection that its ACK makes go through a struct tcp_half too, one that
 * stands on the stack.
 */
#ifndef TCP_OPEN_H
#define TCP_OPEN_H

#include "mss.h"

/* What the SYN in f asks for and l grants: h->agreed, ts_recent, both scales. Returns its MSS. */
uint32_t tcp_half_agree(struct tcp_half *h, const struct pkt_facts *f, const struct listener *l);

/* What follows from h->agreed, the scales, the peer's MSS and that of the way to it. */
void tcp_half_size(struct tcp_half *h, const struct listener *l, uint32_t mss, uint32_t room);

/* The options of h's SYN-ACK, sent to a path of that MSS; ts is its TSval. */
static inline struct tcp_opts tcp_synack_opts(const struct tcp_half *h, uint32_t room, uint32_t ts)
{
	struct tcp_opts o = {.tsval = ts, .tsecr = h->ts_recent, .flags = TCP_OPTS_MSS,
			     .wscale = h->rcv_wscale, .mss = (uint16_t)room};

	if (h->agreed & TCP_AGREED_TS)
		o.flags |= TCP_OPTS_TS;
	if (h->agreed & TCP_AGREED_SACK)
		o.flags |= TCP_OPTS_SACK_OK;
	if (h->agreed & TCP_AGREED_WS)
		o.flags |= TCP_OPTS_WSCALE;
	return o;
}

/* The SYN-ACK itself, but for syn, which is to point to its options. */
static inline struct tcp_seg tcp_synack_seg(const struct tcp_half *h, uint32_t ts)
{
	return (struct tcp_seg){
		.seq = h->iss,
		.ack = h->irs + 1,
		.window = h->rcv_wnd,
		.flags = TCP_SYN | TCP_ACK | (h->agreed & TCP_AGREED_ECN ? TCP_ECE : 0),
		.dscp = h->dscp,
		.tsval = ts,
		.tsecr = h->ts_recent,
		.agreed = h->agreed,
	};
}

/*
 * A connection, ready for its first segment but in no table, with references of its own to path and
 * version; rtt_us: the handshake's round trip, 0: not measured. NULL, and *why, if there is no
 * record, block or context for it.
 */
struct tcp_conn *tcp_conn_of_half(struct tcp *t, const struct tcp_half *h,
				  const struct pkt_facts *f, uint32_t rtt_us, enum counter *why);

/* Its handshake is complete and it is in the table: tell the handler, process the segment. */
void tcp_opened(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m, struct pkt_facts *f);

/*
 * Keep half as a record, its SYN-ACK sent again in rto-initial; takes references to path and
 * version. NULL if there is no room for it.
 */
struct tcp_half *tcp_half_keep(struct tcp *t, const struct tcp_half *half, uint64_t hash);

/*
 * A SYN that may open a connection, to an open version; tw is its tuple's entry in TIME-WAIT, which
 * it is allowed to replace, or NULL. Consumes m.
 */
void tcp_syn_input(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, int version,
		   struct tcp_time_wait *tw);

/* RST from a listener. */
static inline void tcp_listen_reset(struct tcp *t, struct rte_mbuf *m, const struct pkt_facts *f,
				    const struct listener *l, enum counter why)
{
	tcp_reset_reply_as(t, m, f, why, (uint8_t)l->tcp.dscp, (uint8_t)l->tcp.ttl);
}

/* The handshake that was to replace the entry is over; it answers again, and expires as before. */
static inline void tcp_time_wait_resume(struct tcp_time_wait *tw)
{
	tw->replacing = 0;
	tw->challenged = 0;
}

/* The TIME-WAIT entry of a tuple that has one. */
static inline struct tcp_time_wait *tcp_time_wait_of(const struct tcp *t,
						     const struct flow_tuple *tuple, uint64_t hash)
{
	return &t->small[flow_entry_index(tcp_entry_of(t, tuple, hash))].tw;
}

/* The same of h that is to replace it, by its segment f: what stands in the table is the entry, by which it was found. */
static inline struct tcp_time_wait *tcp_time_wait_under(const struct tcp *t, const struct tcp_half *h,
							const struct pkt_facts *f)
{
	struct tcp_time_wait *tw = &t->small[flow_entry_index(f->entry)].tw;

	assert(tw->kind == FLOW_TIME_WAIT && tw->replacing && tw->half == tcp_small_index(t, h));
	return tw;
}

/* Free tw, whose tuple has that hash; entry takes its place in the table, FLOW_NONE: nothing does. */
void tcp_time_wait_replace(struct tcp *t, struct tcp_time_wait *tw, uint64_t hash, uint32_t entry);

/* Answer a SYN by cookie: no memory is kept. Consumes m. */
void tcp_cookie_syn(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, int version);

/* An ACK that a listener saw: open a connection if it carries a good cookie. Consumes m. */
void tcp_cookie_ack(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, int version);

#endif
