/*
 * The short way (fast.c). For the worker's thread; a connection has its block. Bounded.
 */
#ifndef PIER_TCP_FAST_H
#define PIER_TCP_FAST_H

#include "tcp/tcp.h"

/* tcp_conn_input of a usual segment. False: nothing was done, m is still the caller's. */
bool tcp_fast_input(struct tcp *t, struct rte_mbuf *m, const struct pkt_facts *f, struct tcp_conn *c,
		    struct tcp_work *w);

/* The same of one without payload: a FIN, or what acknowledges all that was in flight. */
bool tcp_fast_bare(struct tcp *t, struct rte_mbuf *m, const struct pkt_facts *f, struct tcp_conn *c,
		  struct tcp_work *w);

#endif
