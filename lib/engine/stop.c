/*
 * Stopping, and the books: drain, abort, destroy, usage, audit. None of this is on the data path;
 * the walks are over the records that were ever used.
 */
#include "engine_priv.h"

static void free_half_open(struct tcp *t)
{
	for (uint32_t i = 1; i <= t->small_pool.fresh; i++)
		if (t->small[i].half.kind == FLOW_HALF_OPEN)
			tcp_half_free(t, &t->small[i].half);
}

void engine_drain(struct engine *e, uint64_t now)
{
	struct tcp *t = &e->tcp;

	engine_set_time(e, now);
	t->draining = true;
	free_half_open(t);
	for (uint32_t i = 1; i <= t->conn_pool.fresh; i++)
		if (t->conn[i].state != TCP_CLOSED)
			engine_drain_conn(e, &t->conn[i]);
	engine_run_ready(e);
}

/* Without a block there is nothing to send from: the record just goes. */
static void abort_one(struct engine *e, struct tcp_conn *c, bool send)
{
	struct tcp *t = &e->tcp;
	struct tcp_work *w = tcp_attach(t, c);

	if (!w) {
		tcp_unhash(t, c);
		engine_detach_handler(e, c, PIER_CLOSE_SHUTDOWN);
		tcp_conn_free(t, c);
		return;
	}
	if (send)
		tcp_send_reset(t, c, w);
	tcp_close_now(t, c, PIER_CLOSE_SHUTDOWN);
}

static void abort_all(struct engine *e, bool send)
{
	struct tcp *t = &e->tcp;

	t->draining = true;
	free_half_open(t);
	for (uint32_t i = 1; i <= t->conn_pool.fresh; i++)
		if (t->conn[i].state != TCP_CLOSED)
			abort_one(e, &t->conn[i], send);
	engine_run_ready(e);
}

/* Closed connections that still stand on an output list. */
static void empty_output(struct engine *e)
{
	struct tcp *t = &e->tcp;
	struct tcp_conn *c;

	for (unsigned int p = 0; p < TCP_PORTS_MAX; p++)
		while ((c = tcp_list_pop(t, &t->out[p], false)))
			if (c->state == TCP_CLOSED && !tcp_work_of(t, c)->on_ready)
				engine_reap(e, c);
}

void engine_abort_all(struct engine *e, uint64_t now)
{
	engine_set_time(e, now);
	abort_all(e, true);
	empty_output(e);
}

void engine_destroy(struct engine *e, uint64_t now)
{
	struct tcp *t = &e->tcp;

	engine_set_time(e, now);
	abort_all(e, false);
	empty_output(e);
	engine_run_ready(e);
	while (t->tw_head)
		tcp_time_wait_free(t, &t->small[t->tw_head].tw);
	for (unsigned int p = 0; p < ENGINE_PORTS_MAX; p++)
		while (e->queue[p] && e->queue[p]->head != e->queue[p]->tail)
			rte_pktmbuf_free(e->queue[p]->pkt[e->queue[p]->head++ &
							  (ENGINE_QUEUE - 1)]);
	net_fini(&e->net);
	pkt_pool_drain(&e->pool);
}

static bool is_opening(const struct tcp_conn *c)
{
	return c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED;
}

/* Records whose entry in the wheel is the valid one; dead entries run out by themselves. */
static uint64_t live_timers(const struct tcp *t)
{
	uint64_t n = 0;

	for (uint32_t i = 1; i <= t->conn_pool.fresh; i++)
		n += t->conn[i].state != TCP_CLOSED && t->conn[i].wheel_slot;
	for (uint32_t i = 1; i <= t->small_pool.fresh; i++)
		n += t->small[i].half.kind == FLOW_HALF_OPEN;
	return n;
}

void engine_usage(const struct engine *e, struct engine_usage *out)
{
	const struct tcp *t = &e->tcp;

	*out = (struct engine_usage){
		.connections = t->conn_pool.used,
		.half_open = t->half_open,
		.time_wait = t->time_wait,
		.block_bytes = slab_used(&t->slab),
		.timers = live_timers(t),
		.mbufs_held = t->held,
		.stalled = t->policy.stalled.n,
		.orphans = t->policy.orphans.n,
	};
	for (uint32_t i = 1; i <= t->conn_pool.fresh; i++)
		out->opening += is_opening(&t->conn[i]);
	for (uint32_t v = 0; v < t->n_versions; v++)
		out->listeners += t->version[v].listener != NULL;
}

/* What is shared out, against what each has of it. */
static const char *audit_shares(const struct tcp *t)
{
	uint64_t held = 0, promised = 0, grown = 0, ooo = 0;

	for (uint32_t i = 1; i <= t->conn_pool.fresh; i++) {
		const struct tcp_conn *c = &t->conn[i];
		const struct tcp_work *w = c->block ? tcp_work_of(t, c) : NULL;

		held += w ? w->held : 0;
		promised += w ? w->promised : 0;
		ooo += w ? w->ooo_held : 0;
		if (c->state != TCP_CLOSED || w)
			grown += tcp_rcvbuf_grown(t, c);
	}
	if (held != t->held || ooo != t->ooo_held)
		return "the count of mbufs that queues keep is wrong";
	if (promised != t->promised)
		return "the count of octets in open windows is wrong";
	return grown != t->rcv_grown ? "the count of what receive buffers grew is wrong" : NULL;
}

const char *engine_audit(const struct engine *e)
{
	const struct tcp *t = &e->tcp;
	uint64_t conns = 0, hashed = 0, blocks = 0, half = 0, tw = 0, beside = 0;
	uint64_t stalled = 0, orphans = 0;
	const char *wrong = audit_shares(t);

	for (uint32_t i = 1; i <= t->conn_pool.fresh; i++) {
		hashed += t->conn[i].state != TCP_CLOSED;
		blocks += t->conn[i].block != 0;
		conns += t->conn[i].state != TCP_CLOSED || t->conn[i].block;
		stalled += !!(t->conn[i].flags & TCP_F_STALLED);
		orphans += !!(t->conn[i].flags & TCP_F_LINGERS);
	}
	for (uint32_t i = 1; i <= t->small_pool.fresh; i++) {
		half += t->small[i].half.kind == FLOW_HALF_OPEN;
		tw += t->small[i].half.kind == FLOW_TIME_WAIT;
		beside += t->small[i].half.kind == FLOW_HALF_OPEN && t->small[i].half.reused;
	}
	if (wrong)
		return wrong;
	if (conns != t->conn_pool.used)
		return "connection records lost";
	if (blocks != t->working)
		return "hot blocks lost";
	if (stalled != t->policy.stalled.n || orphans != t->policy.orphans.n)
		return "connections of a policy lost";
	if (half != t->half_open)
		return "half-open records lost";
	if (tw != t->time_wait)
		return "TIME-WAIT records lost";
	if (half + tw != t->small_pool.used)
		return "small records lost";
	if (hashed + half - beside + tw != flow_table_count(&t->table))
		return "the connection table and the records differ";
	return NULL;
}

const char *engine_check(const struct engine *e)
{
	const struct tcp *t = &e->tcp;
	const char *wrong = engine_audit(e);

	for (uint32_t i = 1; i <= t->conn_pool.fresh && !wrong; i++)
		wrong = tcp_check(t, &t->conn[i]);
	return wrong;
}

const struct tcp *engine_tcp(const struct engine *e)
{
	return &e->tcp;
}
