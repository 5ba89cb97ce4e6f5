/*
 * What of the receive queue (rcvq.c) each message asks for: inline, and short where the handler takes all of
 * the one slice that came.
 *
 * For the worker's thread. Bounded.
 */
#ifndef PIER_TCP_RCVQ_H
#define PIER_TCP_RCVQ_H

#include "tcp/tcp.h"

/* m belongs to a receive queue of the connection from here on, or no more. */
static inline void rcv_hold(struct tcp *t, struct tcp_work *w, const struct rte_mbuf *m)
{
	t->held++;
	w->held++;
	w->rcv_charge += m->buf_len;
}

static inline void rcv_release(struct tcp *t, struct tcp_work *w, const struct rte_mbuf *m)
{
	t->held--;
	w->held--;
	w->rcv_charge -= m->buf_len;
}

/* There is one slice, inside the block, and nothing behind it, as nearly always. */
static inline bool tcp_rcvq_is_alone(const struct tcp_work *w)
{
	return w->rcvq.n == 1 && !w->rcvq.mem && !w->rcv_left && !w->rcv_more.head && !w->urgent_in;
}

/* And it has n octets. */
static inline bool tcp_rcvq_is_one(const struct tcp_work *w, uint32_t n)
{
	return tcp_rcvq_is_alone(w) && w->rcvq_inline[w->rcvq.head].len == n;
}

/* tcp_rcvq_consume of anything. */
void tcp_rcvq_consume_any(struct tcp *t, struct tcp_work *w, uint32_t n);

/* The handler consumed n bytes from the front of the receive queue; they are all there is, and in one slice. */
static inline __attribute__((always_inline)) void tcp_rcvq_consume_one(struct tcp *t, struct tcp_work *w, uint32_t n)
{
	struct rte_mbuf *m = w->rcvq_inline[w->rcvq.head].owner;

	w->rcv_read += n;
	w->rcvq.head = w->rcvq.n = 0;
	rcv_release(t, w, m);
	/* The mbuf that brought the payload takes the answer back, if nobody kept it. */
	pkt_recycle(t->pool, m);
}

/* The same of any queue. */
static inline void tcp_rcvq_consume(struct tcp *t, struct tcp_work *w, uint32_t n)
{
	if (likely(tcp_rcvq_is_one(w, n)))
		tcp_rcvq_consume_one(t, w, n);
	else
		tcp_rcvq_consume_any(t, w, n);
}

#endif
