/*
 * The one deadline that a record has, and what sees to it that it is not missed: its entry in the timing wheel,
 * one at most that is valid, or a place in the grace line.
 *
 * In the wheel a later deadline changes the record only: the entry fires early and is put in again. An earlier one
 * puts a new entry in and thereby kills the old.
 *
 * Most deadlines never come: they guard what was sent, and are over with its ACK. So one that is not near, of a
 * connection at work whose peer is, stands in the grace line first, where all wait equally long, and gets an entry if
 * it still waits when its turn has come. The block knows the place, and takes it back when it goes: what was
 * acknowledged by then costs a store. Meanwhile the entry for what the record waited for before, as a rule the
 * keep-alive of a connection at rest, stays valid, and is good again when the ACK is there. If the line is full,
 * the first one's turn comes early.
 *
 * A far deadline is approached in hops that double with the connection's idleness: where the peer is further away
 * than the grace, a connection that works has many near deadlines, and each would leave a dead entry at the far one.
 */
#include "tcp/deadline.h"

#define SWEEP_MAX   1024 /* records in one tick */
#define FAR_MS      1000u
#define HOP_MIN_MS  64u
#define HOP_MAX_MS  (1u << 30) /* so that now and then can be compared */
#define BRING_AHEAD 8u

uint32_t tcp_wheel_insert(struct tcp *t, uint32_t entry, uint32_t deadline)
{
	uint32_t slot = wheel_insert(&t->wheel, entry, deadline);

	if (unlikely(!slot)) {
		count(t->ctr, CTR_WHEEL_FULL);
		t->rescue = true;
	}
	return slot;
}

static void wheel_put(struct tcp *t, struct tcp_conn *c, uint32_t at)
{
	uint32_t idle = min_of(t->now_ms - c->last_rx, HOP_MAX_MS / 2);
	uint32_t hop = t->now_ms + max_of(HOP_MIN_MS, 2 * idle);

	if (seq_gt(at, t->now_ms + FAR_MS))
		at = seq_min(at, hop);
	c->wheel_at = at;
	c->wheel_slot = tcp_wheel_insert(t, flow_entry(FLOW_CONN, tcp_index(t, c)), at);
}

static inline void bring_conn(const struct tcp_conn *c)
{
	prefetch_write(c);
	prefetch_write((const char *)c + CACHE_LINE);
}

/* The turn of the first in the grace line. Its block may be cold, and need not know. */
static void end_grace(struct tcp *t)
{
	const uint32_t i = delay_take(&t->grace);
	struct tcp_conn *c = &t->conn[i];

	if (!i)
		return;
	if (delay_count(&t->grace) > BRING_AHEAD)
		bring_conn(&t->conn[delay_at(&t->grace, BRING_AHEAD)->number]);
	if (c->flags & TCP_F_WHEEL && !tcp_on_wheel(c, c->deadline))
		wheel_put(t, c, c->deadline);
}

void tcp_grace_tick(struct tcp *t, unsigned int budget)
{
	while (budget-- && delay_due(&t->grace, t->now_ms))
		end_grace(t);
}

void tcp_deadline_keep(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, uint32_t at)
{
	if (!tcp_grace_fits(t, w, at)) {
		wheel_put(t, c, at);
	} else {
		end_grace(t);
		tcp_deadline_set(t, c, w, at);
	}
}

static void rescue_conn(struct tcp *t, struct tcp_conn *c)
{
	if (c->state != TCP_CLOSED && c->flags & TCP_F_WHEEL && !c->wheel_slot)
		wheel_put(t, c, c->deadline);
}

static void rescue_half(struct tcp *t, struct tcp_half *h)
{
	if (h->kind == FLOW_HALF_OPEN && !h->wheel_slot)
		h->wheel_slot = tcp_wheel_insert(t, flow_entry(FLOW_HALF_OPEN,
							       tcp_small_index(t, h)),
						 h->deadline);
}

void tcp_timer_rescue(struct tcp *t)
{
	uint32_t n = t->conn_pool.fresh;

	if (t->rescue_pos == 0 && likely(!t->rescue))
		return;
	if (t->rescue_pos == 0)
		t->rescue = false; /* until the walk fails too */
	for (unsigned int i = 0; i < SWEEP_MAX; i++) {
		uint32_t pos = ++t->rescue_pos;

		if (pos <= n) {
			rescue_conn(t, &t->conn[pos]);
		} else if (pos - n <= t->small_pool.fresh) {
			rescue_half(t, &t->small[pos - n].half);
		} else {
			t->rescue_pos = 0;
			return;
		}
	}
}

static void fire_conn(struct tcp *t, struct tcp_conn *c, uint32_t slot)
{
	if (c->wheel_slot != slot)
		return;
	c->wheel_slot = 0;
	if (!(c->flags & TCP_F_WHEEL))
		return;
	if (seq_gt(c->deadline, t->now_ms)) { /* in grace or not: the block may be cold, and is not asked */
		wheel_put(t, c, c->deadline);
		return;
	}
	c->flags &= ~(uint32_t)TCP_F_WHEEL;
	tcp_timer_expire(t, c);
}

static void fire_half(struct tcp *t, struct tcp_half *h, uint32_t entry, uint32_t slot)
{
	if (h->kind == FLOW_TIME_WAIT || h->wheel_slot != slot)
		return;
	h->wheel_slot = 0;
	if (!h->kind)
		return;
	if (seq_gt(h->deadline, t->now_ms))
		h->wheel_slot = tcp_wheel_insert(t, entry, h->deadline);
	else
		tcp_half_timer(t, h);
}

void tcp_timer_bring(void *arg, uint32_t entry)
{
	struct tcp *t = arg;
	uint32_t i = flow_entry_index(entry);

	if (flow_entry_type(entry) == FLOW_CONN)
		bring_conn(&t->conn[i]);
	else
		prefetch_write(&t->small[i]);
}

void tcp_timer_fire(void *arg, uint32_t entry, uint32_t slot)
{
	struct tcp *t = arg;
	uint32_t i = flow_entry_index(entry);

	if (flow_entry_type(entry) == FLOW_CONN)
		fire_conn(t, &t->conn[i], slot);
	else
		fire_half(t, &t->small[i].half, entry, slot);
}
