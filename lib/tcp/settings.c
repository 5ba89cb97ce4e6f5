/*
 * What a connection sets for itself beyond its listener. The values lie in its hot block, all of them
 * together, and keep it attached as long as one differs from the listener's.
 */
#include "tcp/tcp.h"

static struct tcp_own of_listener(const struct tcp_options *o)
{
	return (struct tcp_own){
		.r2 = o->r2,
		.user_timeout = o->user_timeout,
		.keepalive_idle = o->keepalive_idle,
		.keepalive_intvl = o->keepalive_intvl,
		.keepalive_count = o->keepalive_count,
		.keepalive_garbage = o->keepalive_garbage,
		.ttl = (uint8_t)o->ttl,
	};
}

static bool same(const struct tcp_own *a, const struct tcp_own *b)
{
	return a->r2 == b->r2 && a->user_timeout == b->user_timeout &&
	       a->keepalive_idle == b->keepalive_idle &&
	       a->keepalive_intvl == b->keepalive_intvl &&
	       a->keepalive_count == b->keepalive_count &&
	       a->keepalive_garbage == b->keepalive_garbage && !a->keepalive_late &&
	       a->ttl == b->ttl && a->rcvbuf == b->rcvbuf && a->sndbuf == b->sndbuf;
}

struct tcp_own tcp_own_get(const struct tcp *t, const struct tcp_conn *c)
{
	return c->flags & TCP_F_OWN ? tcp_work_of(t, c)->own : of_listener(tcp_opts_of(t, c));
}

void tcp_own_set(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, const struct tcp_own *own)
{
	const struct tcp_own listener = of_listener(tcp_opts_of(t, c));

	w->own = *own;
	if (same(own, &listener))
		c->flags &= ~(uint32_t)TCP_F_OWN;
	else
		c->flags |= TCP_F_OWN;
	tcp_timer_update(t, c, w);
	tcp_ready(t, c, w, 0); /* if it rests now, the block goes back at the end of the turn */
}
