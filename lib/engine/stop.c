/*
 * Stopping, and the books: drain, abort, destroy, usage, audit. None of this is on the data path.
 *
 * Drain and abort go over the records that were ever used, some at a time: what they have to say to a
 * hundred million peers has to find blocks, mbufs and room in the ports' queues, and it waits for them. The
 * books are a walk in one go.
 */
#include "engine_priv.h"
#include "tcp/deadline.h"

#define DRAIN_STEP 1024 /* records a tick */
#define DRAIN_FIRST 65536 /* records at once: a server of ordinary size is done with that */

/* A RST finds room in its port's queue, of which half is left to those who are still served. */
static bool room_to_tell(const struct engine *e, uint32_t path)
{
	const struct engine_queue *q = e->queue[e->net.paths[path].port];

	return q->tail - q->head < ENGINE_QUEUE / 2;
}

/* The half-open from where the walk stands: they are told at once, whichever way the others end. */
static bool walk_half_open(struct engine *e, unsigned int *max)
{
	struct tcp *t = &e->tcp;
	struct engine_walk *at = &e->walk;

	for (; at->small <= t->small_pool.fresh; at->small++) {
		struct tcp_half *h = &t->small[at->small].half;

		if (!(*max)--)
			return false;
		if (h->kind != FLOW_HALF_OPEN)
			continue;
		if (!room_to_tell(e, h->path) || !tcp_half_reset(t, h))
			return false;
		tcp_half_free(t, h);
	}
	return true;
}

static bool block_to_be_had(struct tcp *t, const struct tcp_conn *c)
{
	const uint32_t block = c->block ? 0 : slab_alloc(&t->slab, TCP_BLOCK_ORDER);

	if (block)
		slab_free(&t->slab, block, TCP_BLOCK_ORDER);
	return block || c->block;
}

/*
 * Up to max records from where the walk stands, and one for each connection: false, it has to wait. True: that
 * was the last.
 */
static bool walk(struct engine *e, unsigned int max, bool (*one)(struct engine *, struct tcp_conn *))
{
	struct tcp *t = &e->tcp;
	struct engine_walk *at = &e->walk;

	if (!walk_half_open(e, &max))
		return false;
	for (; at->conn <= t->conn_pool.fresh; at->conn++) {
		if (!max--)
			return false;
		if (t->conn[at->conn].state != TCP_CLOSED && !one(e, &t->conn[at->conn]))
			return false;
	}
	return true;
}

static bool drain_one(struct engine *e, struct tcp_conn *c)
{
	if (!block_to_be_had(&e->tcp, c))
		return false;
	engine_drain_conn(e, c);
	return true;
}

static void drain(struct engine *e, unsigned int max)
{
	const struct engine_walk before = e->walk;

	e->walk.on = !walk(e, max, drain_one);
	e->walk.stuck = e->walk.small == before.small && e->walk.conn == before.conn;
	engine_run_ready(e);
}

void engine_drain(struct engine *e, uint64_t now)
{
	engine_set_time(e, now);
	if (e->tcp.draining)
		return;
	e->tcp.draining = true;
	e->walk = (struct engine_walk){.small = 1, .conn = 1};
	drain(e, DRAIN_FIRST);
}

void engine_drain_on(struct engine *e)
{
	drain(e, DRAIN_STEP);
}

static bool tell(struct engine *e, struct tcp_conn *c)
{
	struct tcp *t = &e->tcp;

	if (!room_to_tell(e, c->path))
		return false;
	return c->block ? tcp_send_reset(t, c, tcp_work_of(t, c)) : tcp_reset_at_rest(t, c);
}

/* A connection at rest needs no block for this. */
static void abort_one(struct engine *e, struct tcp_conn *c)
{
	struct tcp *t = &e->tcp;

	if (c->block) {
		tcp_close_now(t, c, PIER_CLOSE_SHUTDOWN);
		return;
	}
	tcp_unhash(t, c);
	c->state = TCP_CLOSED;
	engine_detach_handler(e, c, PIER_CLOSE_SHUTDOWN);
	tcp_conn_free(t, c);
}

static bool tell_and_abort(struct engine *e, struct tcp_conn *c)
{
	if (!tell(e, c))
		return false;
	abort_one(e, c);
	return true;
}

/* All that is left at once, without a word. Returns how many peers were not told. */
static uint64_t abandon(struct engine *e)
{
	struct tcp *t = &e->tcp;
	uint64_t n = t->half_open;

	t->draining = true;
	e->walk.on = false;
	for (uint32_t i = 1; i <= t->small_pool.fresh && t->half_open; i++)
		if (t->small[i].half.kind == FLOW_HALF_OPEN)
			tcp_half_free(t, &t->small[i].half);
	for (uint32_t i = 1; i <= t->conn_pool.fresh && t->conn_pool.used; i++) {
		if (t->conn[i].state == TCP_CLOSED)
			continue;
		n += tcp_reset_due(&t->conn[i]);
		abort_one(e, &t->conn[i]);
	}
	engine_run_ready(e);
	return n;
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

bool engine_abort(struct engine *e, uint64_t now, unsigned int max)
{
	bool done;

	engine_set_time(e, now);
	if (!e->aborting) {
		e->aborting = e->tcp.draining = true;
		e->walk = (struct engine_walk){.small = 1, .conn = 1};
	}
	e->walk.on = false;
	done = walk(e, max, tell_and_abort);
	engine_run_ready(e);
	empty_output(e);
	return done;
}

uint64_t engine_abandon(struct engine *e, uint64_t now)
{
	uint64_t n;

	engine_set_time(e, now);
	n = abandon(e);
	empty_output(e);
	return n;
}

void engine_destroy(struct engine *e, uint64_t now)
{
	struct tcp *t = &e->tcp;

	engine_set_time(e, now);
	abandon(e);
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

struct engine_left engine_left(const struct engine *e)
{
	const struct tcp *t = &e->tcp;
	struct engine_left left = {.connections = t->conn_pool.used, .half_open = t->half_open};

	for (unsigned int p = 0; p < ENGINE_PORTS_MAX; p++)
		if (e->queue[p])
			left.packets += e->queue[p]->tail - e->queue[p]->head;
	return left;
}

static bool is_opening(const struct tcp_conn *c)
{
	return c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED;
}

/* Records with a deadline that is kept; dead entries of the wheel run out by themselves. */
static uint64_t live_timers(const struct tcp *t)
{
	uint64_t n = 0;

	for (uint32_t i = 1; i <= t->conn_pool.fresh; i++)
		n += t->conn[i].state != TCP_CLOSED && t->conn[i].flags & TCP_F_WHEEL &&
		     (t->conn[i].wheel_slot || t->conn[i].block);
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
	return wrong ? wrong : tcp_check_grace(t);
}

const struct tcp *engine_tcp(const struct engine *e)
{
	return &e->tcp;
}
