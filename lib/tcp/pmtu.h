/*
 * The size of a connection's segments, as its path has it (pmtu.c). For the one thread of the worker;
 * every call is bounded.
 */
#ifndef PIER_TCP_PMTU_H
#define PIER_TCP_PMTU_H

#include "tcp/tcp.h"

/* Of IP, by the path p of c, and TCP, with what every segment of the connection has. */
static inline uint32_t tcp_headers(const struct tcp_conn *c, const struct net_path *p)
{
	return p->l3_len + TCP_HDR_LEN + (c->flags & TCP_AGREED_TS ? TCP_OPT_TS_SPACE : 0);
}

/* A connection starts: snd_mss is what both ends can; the path may be known to need less. */
void tcp_pmtu_start(struct tcp *t, struct tcp_conn *c);

/* Packet too big, about a segment in flight. RFC 1191, RFC 5927 section 7.2. */
void tcp_pmtu_report(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
		     const struct net_icmp_error *err);

/* The retransmission timer expired and all in flight is marked: RFC 4821 section 7.7. */
void tcp_pmtu_timeout(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

/* A tail loss probe of len bytes left that puts the timer off: it counts as a timeout. */
void tcp_pmtu_probed(const struct tcp_conn *c, struct tcp_work *w, uint32_t len);

/* SND.UNA moved, while sizes were on their way to be proved. */
void tcp_pmtu_proved(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

/* SND.UNA moved. */
static inline void tcp_pmtu_progress(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	w->full_timeouts = 0;
	w->doubted = 0;
	if (unlikely(w->size_sent | w->ptb_mtu))
		tcp_pmtu_proved(t, c, w);
}

/*
 * A size above snd_mss that the next segment of new data shall have, to find out whether the path
 * takes it after all; 0: none. For connections whose snd_mss is a guess.
 */
uint32_t tcp_pmtu_larger(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

/* It left. */
void tcp_pmtu_tried(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

/* About to send over a path that is, or has become, smaller than the connection could use. */
void tcp_pmtu_review(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

/* To be called within hours, again and again: when the path got smaller must not become a time not
 * long ago. */
void tcp_pmtu_age(const struct tcp *t, struct tcp_conn *c);

static inline bool tcp_pmtu_due(const struct tcp *t, const struct tcp_conn *c)
{
	const struct net_path *p = &t->net->paths[c->path];

	return c->snd_mss < c->mss_max || c->flags & TCP_F_FRAGMENT || c->mss_max + tcp_headers(c, p) > p->mtu;
}

/* New data of that length left, up to end: its acknowledgment proves the size. */
static inline void tcp_pmtu_sent(struct tcp_work *w, uint32_t len, uint32_t end)
{
	if (unlikely(len > w->size_acked) && !w->size_sent) {
		w->size_sent = (uint16_t)len;
		w->size_end = end;
	}
}

/* Some of it left again, in a smaller segment: its acknowledgment proves nothing. */
static inline void tcp_pmtu_again(struct tcp_work *w, uint32_t seq, uint32_t end)
{
	if (w->size_sent > end - seq && seq_lt(seq, w->size_end) &&
	    seq_gt(end, w->size_end - w->size_sent))
		w->size_sent = 0;
}

#endif
