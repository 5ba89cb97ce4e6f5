/*
 * Active opens: how one begins, and what stands in the way of a segment until the SYN is acknowledged
 * (connect.c).
 */
#ifndef PIER_TCP_CONNECT_H
#define PIER_TCP_CONNECT_H

#include "tcp/tcp.h"

/*
 * Open a connection to tuple (complete, in no use) by a version's handler and options, over path: in
 * SYN-SENT, with its block, in the table; its SYN leaves with the next output. isn_above: the ISN is
 * beyond this if reuse, the last number of the tuple's connection in TIME-WAIT (RFC 9293 section
 * 3.4.1). NULL: a record, a block, the context or the table has no room; nothing is left behind.
 */
struct tcp_conn *tcp_connect(struct tcp *t, const struct flow_tuple *tuple, uint32_t path,
			     int version, uint32_t isn_above, bool reuse);

/* A segment for a connection in SYN-SENT; consumes m. RFC 9293 section 3.10.7.3. */
void tcp_syn_sent_input(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, struct tcp_conn *c,
			struct tcp_work *w);

/* The next two: while the SYN of an active open is not acknowledged (w->syn), after crossing SYNs. */

/* A SYN or SYN-ACK; consumes m. */
void tcp_crossing_input(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, struct tcp_conn *c,
			struct tcp_work *w);

/* Does the ACK field acknowledge our SYN? Then the connection is open. Else m is used up. */
bool tcp_syn_acked(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, struct tcp_conn *c,
		   struct tcp_work *w);

/* The SYN, or SYN-ACK, that is due; NULL: no mbuf. */
struct rte_mbuf *tcp_syn_build(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

/* TCP_TIMER_SYN has expired: once more, or the end. */
void tcp_syn_timer(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

#endif
