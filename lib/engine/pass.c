/*
 * The packet passes: a burst in, a burst out, and the timers between.
 *
 * Input goes over the whole burst several times, each time touching what the time before prefetched:
 * addresses and hash; the table's bucket; the record; its hot block; then TCP. A lookup result is a
 * hint, TCP compares the tuple again: an earlier packet of the burst may have changed the table.
 */
#include "engine_priv.h"
#include "base/shortcut.h"
#include "pkt/parse.h"
#include "tcp/deadline.h"
#include "tcp/policy.h"
#include "tcp/share.h"

/* Not TCP, or not for us. True if it became a TCP segment after all (the last fragment). */
static bool other_input(struct engine *e, struct rte_mbuf **m, struct pkt_facts *f)
{
	struct tcp *t = &e->tcp;
	uint16_t port = f->port;

	if (f->kind == PKT_FRAGMENT) {
		*m = net_reassemble(&e->net, *m, f, t->now);
		if (!*m)
			return false;
		pkt_parse_one(*m, f, port, t->port[port]);
		if (f->flags & PKT_F_V6)
			f->flags |= PKT_F_FRAGMENTED;
		if (f->kind == PKT_FRAGMENT) { /* of IPv6, which may have a Fragment header in a fragment */
			f->kind = PKT_DROP;
			f->reason = CTR_RX_FRAG_BAD;
		}
		if (f->kind != PKT_DROP && !net_accept(&e->net, f))
			f->kind = PKT_DROP;
		if (e->peers && f->kind == PKT_TCP && e->peers->pass_segment(e->peers->arg, *m, f))
			return false;
	}
	if (f->kind == PKT_TCP)
		return true;
	if (f->kind == PKT_DROP) {
		count(t->ctr, f->reason);
		pkt_recycle(&e->pool, *m);
	} else {
		net_input(&e->net, *m, f, t->now);
	}
	return false;
}

/* A packet that is not simply the next segment for the same address. True: it is a TCP segment, for us. */
static __attribute__((noinline)) bool sort_any(struct engine *e, struct rte_mbuf **m, struct pkt_facts *f)
{
	if ((f->kind == PKT_TCP || f->kind == PKT_FRAGMENT) && unlikely(!net_accept(&e->net, f)))
		f->kind = PKT_DROP; /* of the others net_input knows */
	if (unlikely(f->kind != PKT_TCP) && !other_input(e, m, f))
		return false;
	net_remember(&e->net, f);
	return true;
}

/* Under pressure, before its record is looked for. Of its source nothing is known yet. */
static __attribute__((noinline)) bool refuse(struct engine *e, struct rte_mbuf *m, const struct pkt_facts *f)
{
	struct tcp *t = &e->tcp;

	if (e->refused || !net_source_ok(&e->net, f) || !tcp_syn_refused(t, f))
		return false;
	tcp_drop(t, m, CTR_RX_SYN_PRESSURE);
	return true;
}

/* The TCP segments of a burst, and where in the table each belongs. */
struct segments {
	unsigned int n;
	struct pkt_facts *facts[ENGINE_BURST_MAX];
	const struct flow_bucket *line[ENGINE_BURST_MAX];
};

/* Pass one: who it is for. Compacts the burst to its TCP segments. */
static inline void sort_out(struct engine *e, struct rte_mbuf **pkts, struct pkt_facts *facts,
			    struct segments *seg, unsigned int n)
{
	struct tcp *t = &e->tcp;
	unsigned int k = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct pkt_facts *f = &facts[i];
		struct rte_mbuf *m = pkts[i];
		struct flow_tuple tuple;
		uint32_t local;

		if (unlikely(!SHORTCUT(AGAIN) || f->kind != PKT_TCP || !net_again(&e->net, f, &local))) {
			if (!sort_any(e, &m, f))
				continue;
			local = f->local;
		}
		tcp_tuple_make(f, local, &tuple);
		if (unlikely(t->refused) && refuse(e, m, f))
			continue;
		f->hash = flow_hash(&t->flow_key, &tuple);
		pkts[k] = m;
		seg->line[k] = flow_table_line(&t->table, f->hash);
		seg->facts[k++] = f;
	}
	seg->n = k;
}

/* What is at work beside the record: the block's hot lines and the handler's context. */
static inline void prefetch_conn(const struct tcp *t, const struct tcp_conn *c)
{
	char *block;

	if (c->block) {
		block = slab_ptr(&t->slab, c->block);
		for (unsigned int line = 0; line < TCP_HOT_LINES; line++)
			if (TCP_HOT >> line & 1)
				prefetch_write(block + line * CACHE_LINE);
	}
	if (t->version[c->version].apart)
		prefetch_write(slab_ptr(&t->slab, (uint32_t)c->ctx));
}

/* The records that a burst will touch, first candidates and what may stand beside them. */
struct records {
	unsigned int conns, smalls;
	struct tcp_conn *conn[2 * ENGINE_BURST_MAX];
	union tcp_small *small[2 * ENGINE_BURST_MAX];
};

static inline void add_record(struct records *r, const struct tcp *t, uint32_t entry)
{
	const uint32_t at = flow_entry_index(entry);

	if (flow_entry_type(entry) == FLOW_CONN)
		r->conn[r->conns++] = &t->conn[at];
	else if (entry != FLOW_NONE)
		r->small[r->smalls++] = &t->small[at];
}

/* From these on. */
static inline void prefetch_records(const struct records *r, unsigned int conns, unsigned int smalls)
{
	for (; conns < r->conns; conns++) {
		prefetch_write(r->conn[conns]);
		prefetch_write((char *)r->conn[conns] + CACHE_LINE);
	}
	for (; smalls < r->smalls; smalls++)
		prefetch_write(r->small[smalls]);
}

/*
 * Passes two to five: the bucket; the first candidate's record, where need be by the second bucket; its block.
 * Buckets and records are asked for in loops of their own. A prefetch does not retire before its address is
 * translated, and where connections are many, that is a walk through page tables: as many walks go on at
 * once as there are prefetches in the window of the core, and the work for a packet between two leaves room for few.
 */
static inline void look_ahead(struct engine *e, const struct segments *seg)
{
	struct tcp *t = &e->tcp;
	struct flow_cursor cur, late_cur[ENGINE_BURST_MAX];
	struct pkt_facts *late[ENGINE_BURST_MAX];
	unsigned int k = 0, conns, smalls;
	struct records r;

	for (unsigned int i = 0; i < seg->n; i++)
		prefetch(seg->line[i]);
	r.conns = r.smalls = 0;
	for (unsigned int i = 0; i < seg->n; i++) {
		struct pkt_facts *f = seg->facts[i];

		if (unlikely(!flow_table_begin(&t->table, seg->line[i], f->hash, &cur, &f->entry))) {
			late_cur[k] = cur;
			late[k++] = f;
			continue;
		}
		add_record(&r, t, f->entry);
		/* Where another's tag is met first its own record is not to be waited for. */
		if (unlikely(cur.mask))
			add_record(&r, t, flow_table_peek(&t->table, &cur));
	}
	prefetch_records(&r, 0, 0);
	conns = r.conns;
	smalls = r.smalls;
	for (unsigned int i = 0; i < k; i++) {
		late[i]->entry = flow_table_next(&t->table, &late_cur[i]);
		add_record(&r, t, late[i]->entry);
	}
	prefetch_records(&r, conns, smalls);
	for (unsigned int i = 0; i < r.conns; i++)
		prefetch_conn(t, r.conn[i]);
}

void engine_input(struct engine *e, struct rte_mbuf **pkts, struct pkt_facts *facts,
		  unsigned int n, uint64_t now)
{
	struct segments seg;

	engine_set_time(e, now);
	sort_out(e, pkts, facts, &seg, n);
	e->refused = false;
	look_ahead(e, &seg);
	for (unsigned int i = 0; i < seg.n; i++)
		tcp_input(&e->tcp, pkts[i], seg.facts[i]);
	engine_run_ready(e);
}

static unsigned int queue_pull(struct engine_queue *q, struct rte_mbuf **pkts, unsigned int max)
{
	unsigned int n = 0;

	while (n < max && q->head != q->tail)
		pkts[n++] = q->pkt[q->head++ & (ENGINE_QUEUE - 1)];
	return n;
}

/* Back to the list's end if it could go on; otherwise at rest, or gone. */
static void after_output(struct engine *e, struct tcp_conn *c, bool more)
{
	struct tcp *t = &e->tcp;
	struct tcp_work *w = tcp_work_of(t, c);

	if (more)
		tcp_want_output(t, c, w);
	else if (c->state == TCP_TIME_WAIT && !w->on_ready)
		tcp_ready(t, c, w, 0);
	else if (w->snd_una == c->snd_nxt) /* else it is not at rest */
		tcp_settle(t, c);
}

/* Mbufs ran out, and none has come back: to build packets is tried again a little later. */
static bool starved(const struct engine *e)
{
	return unlikely(e->tcp.retry_at > e->tcp.now) && !e->pool.n;
}

unsigned int engine_output(struct engine *e, uint16_t port, struct rte_mbuf **pkts,
			   unsigned int max, uint64_t now)
{
	struct tcp *t = &e->tcp;
	unsigned int n = queue_pull(e->queue[port], pkts, max);
	const struct tcp_work *last = t->out[port].last;
	struct tcp_work *w;
	struct tcp_conn *c;
	struct rte_mbuf *m;
	bool more, end = false;

	engine_set_time(e, now);
	if (unlikely(starved(e)))
		return n;
	while (n < max && !end && !starved(e) && (c = tcp_list_pop(t, &t->out[port], false))) {
		w = tcp_work_of(t, c);
		end = w == last;
		if (c->state == TCP_CLOSED) {
			if (!w->on_ready)
				engine_reap(e, c);
			continue;
		}
		m = tcp_fast_output(t, c, w);
		if (likely(m)) {
			pkts[n++] = m;
			continue;
		}
		n += tcp_output(t, c, w, pkts + n, max - n, &more);
		after_output(e, c, more);
	}
	return n;
}

void engine_tick(struct engine *e, uint64_t now, unsigned int budget)
{
	struct tcp *t = &e->tcp;

	engine_set_time(e, now);
	if (net_next(&e->net) <= t->now)
		net_tick(&e->net, t->now);
	tcp_grace_tick(t, budget);
	wheel_advance(&t->wheel, t->now_ms, budget, tcp_timer_fire, t);
	tcp_time_wait_tick(t, budget);
	tcp_stale_sweep(t);
	tcp_timer_rescue(t);
	if (unlikely(t->policy.stalled.n))
		tcp_policy_tick(t);
	if (t->held_max)
		tcp_share_divide(t);
	if (unlikely(tcp_share_eased(t)))
		tcp_share_tick(t);
	if (unlikely(e->walk.on))
		engine_drain_on(e);
	if (t->ready.head != TCP_LIST_END)
		engine_run_ready(e);
	pkt_pool_trim(&e->pool);
	count_set(t->ctr, CTR_CONN_OPEN, t->conn_pool.used);
}

/* The clock at a tick that is not more than half a wrap away. */
static uint64_t at_tick(uint64_t now, uint32_t now_ms, uint32_t tick)
{
	if (seq_leq(tick, now_ms))
		return now;
	return now - now % US_PER_MS + (uint64_t)(tick - now_ms) * US_PER_MS;
}

uint64_t engine_next(const struct engine *e, uint64_t now)
{
	const struct tcp *t = &e->tcp;
	uint64_t next = net_next(&e->net), tick = wheel_next(&t->wheel);
	uint64_t sweep = now + TCP_SWEEP_MS * US_PER_MS;

	if (t->ready.head != TCP_LIST_END)
		return now;
	for (unsigned int p = 0; p < ENGINE_PORTS_MAX; p++) {
		if (!e->queue[p])
			continue;
		if (e->queue[p]->head != e->queue[p]->tail)
			return now;
		if (t->out[p].head != TCP_LIST_END)
			next = min_of(next, starved(e) ? t->retry_at : now);
	}
	if (unlikely(e->walk.on))
		next = min_of(next, e->walk.stuck ? now + US_PER_MS : now);
	if (next <= now)
		return now;
	if (unlikely(t->rescue || t->rescue_pos))
		next = min_of(next, now + US_PER_MS);
	if (t->conn_pool.used)
		next = min_of(next, sweep);
	if (tick != WHEEL_NONE)
		next = min_of(next, at_tick(now, ms_of(now), (uint32_t)tick));
	if (delay_count(&t->grace))
		next = min_of(next, at_tick(now, ms_of(now), delay_at(&t->grace, 0)->due));
	if (t->tw_head)
		next = min_of(next, at_tick(now, ms_of(now), t->small[t->tw_head].tw.expiry));
	return next;
}

static_assert(ENGINE_REFUSE_ALL == TCP_REFUSE_ALL, "two names of one number");

void engine_pressure(struct engine *e, bool on, unsigned int refused)
{
	e->tcp.pressure = on;
	e->tcp.refused = (uint16_t)(on ? refused : 0);
}
