/*
 * What keeps a record's deadline: the timing wheel, and the grace line before it (deadline.c).
 */
#ifndef PIER_TCP_DEADLINE_H
#define PIER_TCP_DEADLINE_H

#include "tcp/tcp.h"

/*
 * How long the deadline of a connection at work waits before it gets an entry in the wheel. The ACK of what was
 * sent to a peer nearby comes sooner, even if it delays its ACKs by the 40 ms of common stacks.
 */
#define TCP_GRACE_MS 64u

/* The record's entry in the wheel is fired at that time or before. */
static inline bool tcp_on_wheel(const struct tcp_conn *c, uint32_t at)
{
	return c->wheel_slot && !seq_lt(at, c->wheel_at);
}

/* Something looks at the record at that time or before: that entry, or its place in the grace line. */
static inline bool tcp_deadline_kept(const struct tcp *t, const struct tcp_conn *c,
				     const struct tcp_work *w, uint32_t at)
{
	return tcp_on_wheel(c, at) || (w && seq_gt(at, t->now_ms + TCP_GRACE_MS) &&
				       delay_holds(&t->grace, w->grace, tcp_index(t, c)));
}

/* A deadline gets grace if it lies behind it and is likely to be over by then. */
static inline bool tcp_grace_fits(const struct tcp *t, const struct tcp_work *w, uint32_t at)
{
	return w && seq_gt(at, t->now_ms + TCP_GRACE_MS) && w->rtt.srtt_us < TCP_GRACE_MS * US_PER_MS;
}

/* See to it that something does: no grace, or there is no room in the line. w: NULL at rest. */
void tcp_deadline_keep(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, uint32_t at);

/* w: NULL at rest. */
static inline void tcp_deadline_set(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
				    uint32_t at)
{
	c->deadline = at;
	c->flags |= TCP_F_WHEEL;
	if (tcp_deadline_kept(t, c, w, at))
		return;
	if (unlikely(!tcp_grace_fits(t, w, at) || delay_full(&t->grace)))
		tcp_deadline_keep(t, c, w, at);
	else
		w->grace = delay_put(&t->grace, tcp_index(t, c), t->now_ms + TCP_GRACE_MS);
}

/* The block goes back, and its place in the grace line with it. */
static inline void tcp_grace_over(struct tcp *t, const struct tcp_conn *c, const struct tcp_work *w)
{
	if (delay_holds(&t->grace, w->grace, tcp_index(t, c)))
		delay_take_back(&t->grace, w->grace);
}

/* The deadline has come, and is no longer set. (timer.c) */
void tcp_timer_expire(struct tcp *t, struct tcp_conn *c);

uint32_t tcp_wheel_insert(struct tcp *t, uint32_t entry, uint32_t deadline);
/* For the wheel: an entry is due; it will be soon. arg is the struct tcp. */
void tcp_timer_fire(void *arg, uint32_t entry, uint32_t slot);
void tcp_timer_bring(void *arg, uint32_t entry);

/* Before the wheel: what has waited long enough for its grace gets an entry, at most budget of them. */
void tcp_grace_tick(struct tcp *t, unsigned int budget);

/*
 * After the wheel had no room: find the records that wait without an entry, some in each tick, and put
 * them in. Such a timer is late, and counted, but not lost.
 */
void tcp_timer_rescue(struct tcp *t);

/* As tcp_check, of the grace line: NULL, or what is wrong. */
const char *tcp_check_grace(const struct tcp *t);

#endif
