/*
 * What the short way (fast.c) leaves to others. For the worker's thread; a connection has its block. Bounded.
 */
#ifndef PIER_TCP_FAST_H
#define PIER_TCP_FAST_H

#include "tcp/tcp.h"

/* tcp_input of what the hint of the lookup pass does not lead to, or not to a connection. (input.c) */
void tcp_input_any(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f);

/* The full path of a segment for a connection. (input.c) */
void tcp_conn_input_any(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, struct tcp_conn *c,
			struct tcp_work *w);

/*
 * Send m, which is empty, as an ACK, if it has nothing to say but that: it is not owed then. False: nothing was done.
 * (fast.c)
 */
bool tcp_fast_ack(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, struct rte_mbuf *m);

#endif
