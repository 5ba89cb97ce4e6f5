/*
 * Peers that keep memory and give nothing for it.
 *
 * Stalled: the peer's window is closed, and something waits for it to open. A stalled connection lives as
 * long as its probes are answered (RFC 9293 section 3.8.6.1), so a peer can keep any number of them for
 * nothing. All are counted, in the order in which they stalled. While the worker is short of records or
 * blocks, those that have stalled longest are reset (RFC 6429 section 4); while it is not, none is, but for
 * a listener's persist-timeout. That many mbufs are held is no reason: what comes is copied to blocks then. It is
 * one where the reserve behind their share ends, and nothing comes in for anybody (tcp/share.h).
 *
 * Slow: with min-progress, a connection whose peer acknowledges less than that in 60 s, although there was
 * more, is reset.
 *
 * Orphans: the handler has closed, and our FIN, or data before it, is not acknowledged. They are counted
 * in the order in which they were closed; one beyond the cap resets the oldest.
 *
 * Both orders are lists through the hot blocks, so that nothing here depends on how many there are.
 */
#include "tcp/policy.h"
#include "tcp/share.h"

#define ABORT_MAX   64           /* connections in one tick */
#define WATCH_MS    (60u * 1000)
#define FAR_US      (0x7fffffffull * US_PER_MS) /* beyond it a time in ms wraps: never */
/* Short: less than one in so many is left. Of blocks' memory, before sending stops for want of it. */
#define CONNS_LEFT  16
#define BLOCKS_LEFT 8
/* Of the share of mbufs, before its reserve ends. */
#define MBUFS_LEFT  32

static struct tcp_work *work_at(const struct tcp *t, uint32_t conn)
{
	return tcp_work_of(t, &t->conn[conn]);
}

/* tcp_link n of the block: 0 for the stalled, 1 for the orphans. */
static void line_append(struct tcp *t, struct tcp_line *l, struct tcp_work *w, unsigned int n)
{
	w->line[n] = (struct tcp_link){.prev = l->tail};
	if (l->tail)
		work_at(t, l->tail)->line[n].next = w->conn;
	else
		l->head = w->conn;
	l->tail = w->conn;
	l->n++;
}

static void line_remove(struct tcp *t, struct tcp_line *l, struct tcp_work *w, unsigned int n)
{
	const struct tcp_link *k = &w->line[n];

	if (k->prev)
		work_at(t, k->prev)->line[n].next = k->next;
	else
		l->head = k->next;
	if (k->next)
		work_at(t, k->next)->line[n].prev = k->prev;
	else
		l->tail = k->prev;
	l->n--;
}

static void expel(struct tcp *t, struct tcp_conn *c, enum pier_close_reason why, enum counter ctr)
{
	struct tcp_work *w = tcp_work_of(t, c);

	count(t->ctr, ctr);
	tcp_send_reset_always(t, c, w);
	tcp_close_now(t, c, why);
}

static bool is_orphan(const struct tcp_conn *c)
{
	return c->flags & TCP_F_ORPHAN &&
	       (c->state == TCP_FIN_WAIT_1 || c->state == TCP_CLOSING || c->state == TCP_LAST_ACK);
}

static void note_stall(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	bool stalled = tcp_is_stalled(c, w);

	if (stalled == !!(c->flags & TCP_F_STALLED))
		return;
	c->flags ^= TCP_F_STALLED;
	if (!stalled) {
		line_remove(t, &t->policy.stalled, w, 0);
		return;
	}
	line_append(t, &t->policy.stalled, w, 0);
	w->stall_end = tcp_timer_due(t, tcp_opts_of(t, c)->persist_timeout);
	tcp_timer_update(t, c, w);
}

static void note_orphan(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	bool orphan = is_orphan(c);

	if (orphan == !!(c->flags & TCP_F_LINGERS))
		return;
	c->flags ^= TCP_F_LINGERS;
	if (!orphan) {
		line_remove(t, &t->policy.orphans, w, 1);
		return;
	}
	line_append(t, &t->policy.orphans, w, 1);
	if (unlikely(t->policy.max_orphans && t->policy.orphans.n > t->policy.max_orphans))
		expel(t, &t->conn[t->policy.orphans.head], PIER_CLOSE_PRESSURE, CTR_ORPHANS_RESET);
}

static void note_progress(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	bool waits = tcp_opts_of(t, c)->min_progress && w->snd_una != c->snd_nxt + tcp_unsent(c, w);

	if (waits == w->watched)
		return;
	w->watched = waits;
	if (!waits)
		return;
	w->watch_end = t->now_ms + WATCH_MS + 1;
	w->watch_una = w->snd_una;
	tcp_timer_update(t, c, w);
}

void tcp_policy_note(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	if (c->state == TCP_CLOSED)
		return;
	note_progress(t, c, w);
	note_stall(t, c, w);
	note_orphan(t, c, w);
}

void tcp_policy_leave(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	if (c->flags & TCP_F_STALLED)
		line_remove(t, &t->policy.stalled, w, 0);
	if (c->flags & TCP_F_LINGERS)
		line_remove(t, &t->policy.orphans, w, 1);
	c->flags &= ~(uint32_t)(TCP_F_STALLED | TCP_F_LINGERS);
}

static bool stall_limited(const struct tcp *t, const struct tcp_conn *c)
{
	return c->flags & TCP_F_STALLED && tcp_opts_of(t, c)->persist_timeout < FAR_US;
}

bool tcp_policy_at(const struct tcp *t, const struct tcp_conn *c, const struct tcp_work *w,
		   uint32_t *at)
{
	bool limited = stall_limited(t, c);

	if (limited)
		*at = w->stall_end;
	if (w->watched)
		*at = limited ? seq_min(*at, w->watch_end) : w->watch_end;
	return limited || w->watched;
}

void tcp_policy_due(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	if (stall_limited(t, c) && seq_leq(w->stall_end, t->now_ms)) {
		expel(t, c, PIER_CLOSE_STALLED, CTR_CONN_STALLED);
		return;
	}
	if (!w->watched || seq_gt(w->watch_end, t->now_ms))
		return;
	if (w->snd_una - w->watch_una < tcp_opts_of(t, c)->min_progress) {
		expel(t, c, PIER_CLOSE_SLOW, CTR_CONN_SLOW);
		return;
	}
	w->watch_end = t->now_ms + WATCH_MS;
	w->watch_una = w->snd_una;
}

/* By how many connections the worker has too little left, or how many blocks it lacked since asked last. */
static uint64_t shortage(struct tcp *t)
{
	uint64_t lacked = t->ctr->v[CTR_BLOCKS_EXHAUSTED];
	uint64_t conns = t->conn_pool.max - t->conn_pool.max / CONNS_LEFT;
	uint64_t bytes = (uint64_t)(t->slab.n_pages - 1) << SLAB_PAGE_SHIFT, over = 0;

	bytes -= bytes / BLOCKS_LEFT;
	if (t->conn_pool.used > conns)
		over = t->conn_pool.used - conns;
	if (slab_used(&t->slab) > bytes)
		over = max_of(over, (slab_used(&t->slab) - bytes) / TCP_BLOCK_BYTES + 1);
	over = max_of(over, lacked - t->policy.blocks_lacked);
	t->policy.blocks_lacked = lacked;
	return over;
}

/* How many mbufs are held too many for those whose handlers read, too. */
static uint64_t mbufs_over(const struct tcp *t)
{
	uint64_t most = tcp_share_end(t) - t->held_max / MBUFS_LEFT;

	return t->held_max && t->held > most ? t->held - most : 0;
}

void tcp_policy_tick(struct tcp *t)
{
	uint64_t over = shortage(t), mbufs = mbufs_over(t), freed = 0;

	for (unsigned int i = 0; i < ABORT_MAX && (i < over || freed < mbufs); i++) {
		struct tcp_conn *c = &t->conn[t->policy.stalled.head];

		if (!t->policy.stalled.head)
			break;
		freed += tcp_work_of(t, c)->held;
		expel(t, c, PIER_CLOSE_PRESSURE, CTR_STALLED_RESET);
	}
}
