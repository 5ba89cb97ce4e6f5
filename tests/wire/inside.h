/*
 * For the few things that no segment shows: the state of a connection inside the engine.
 */
#ifndef PIER_TESTS_INSIDE_H
#define PIER_TESTS_INSIDE_H

#include "loss.h"
#include "tcp/loss.h"

/* The connection's hot block; NULL: it is at rest. */
static inline struct tcp_work *inside(const struct flow *f, struct tcp_conn **conn)
{
	const struct tcp *t = engine_tcp(f->k->e);

	for (uint32_t i = 1; i <= t->conn_pool.fresh; i++) {
		struct tcp_conn *c = &t->conn[i];

		if (c->state != TCP_CLOSED && c->tuple.remote_port == be16(f->p->port)) {
			*conn = c;
			return c->block ? tcp_work_of(t, c) : NULL;
		}
	}
	fail_msg("no connection");
	*conn = NULL;
	return NULL;
}

/* cwnd in segments. */
static inline uint32_t inside_cwnd(const struct flow *f)
{
	struct tcp_conn *c = NULL;
	const struct tcp_work *w = inside(f, &c);

	return w ? (w->cc.cwnd + f->mss / 2) / f->mss : (uint32_t)c->cwnd;
}

#endif
