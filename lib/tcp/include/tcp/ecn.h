/*
 * Explicit congestion notification (ecn.c): RFC 3168. For the worker's thread.
 */
#ifndef PIER_TCP_ECN_H
#define PIER_TCP_ECN_H

#include "tcp/tcp.h"

#define TCP_ECN_SETUP (TCP_ECE | TCP_CWR)

/* A SYN that asks for ECN: section 6.1.1. */
static inline bool tcp_ecn_asked(const struct pkt_facts *f)
{
	return (f->tcp_flags & TCP_ECN_SETUP) == TCP_ECN_SETUP;
}

/* An acceptable segment has something to say about congestion. */
static inline bool tcp_ecn_news(const struct tcp_conn *c, const struct pkt_facts *f)
{
	return (f->tcp_flags & TCP_CWR || f->flags & PKT_F_CE) && c->flags & TCP_AGREED_ECN;
}

static inline bool tcp_ecn_echoed(const struct tcp_conn *c, const struct pkt_facts *f)
{
	return f->tcp_flags & TCP_ECE && c->flags & TCP_AGREED_ECN;
}

/* Remember CE, forget it at CWR; before anything is sent for the segment. */
void tcp_ecn_received(struct tcp *t, struct tcp_conn *c, const struct pkt_facts *f);

/* An ACK with ECE was processed; flight: bytes outstanding before it. */
void tcp_ecn_echo(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, uint32_t flight);

/* What is at SND.UNA was sent before an echo reduced cwnd: its loss does not reduce it again. */
static inline bool tcp_ecn_reduced(const struct tcp_work *w)
{
	return seq_lt(w->snd_una, w->ecn_end);
}

/* cwnd was reduced because of loss: the peer is told (section 6.1.2). */
static inline void tcp_ecn_loss(struct tcp_conn *c)
{
	if (c->flags & TCP_AGREED_ECN)
		c->flags |= TCP_F_ECN_CWR;
}

/* seg carries data that was never sent before: ECT(0), and CWR if it is owed. */
void tcp_ecn_mark(struct tcp_conn *c, struct tcp_seg *seg);

#endif
