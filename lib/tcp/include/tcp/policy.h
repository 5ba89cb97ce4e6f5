/*
 * Limits for peers that keep memory and give nothing for it: closed windows, slow readers, orphans. See
 * policy.c. For the worker's thread; connections have their blocks.
 */
#ifndef PIER_TCP_POLICY_H
#define PIER_TCP_POLICY_H

#include "tcp/tcp.h"

/* Data or FIN that was not sent yet. */
static inline bool tcp_unsent(const struct tcp_conn *c, const struct tcp_work *w)
{
	return seq_lt(c->snd_nxt, w->snd_end) ||
	       (c->flags & (TCP_F_FIN_QUEUED | TCP_F_FIN_SENT)) == TCP_F_FIN_QUEUED;
}

/* Something waits, sent or not, and the peer's window is closed. */
static inline bool tcp_is_stalled(const struct tcp_conn *c, const struct tcp_work *w)
{
	return !w->snd_wnd && !w->syn && (w->snd_una != c->snd_nxt || tcp_unsent(c, w));
}

void tcp_policy_note(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

/* State, window or what is queued may have changed. O(1); may reset another connection. o: its options. */
static inline void tcp_policy_by(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
				 const struct tcp_options *o)
{
	if (unlikely(!w->snd_wnd || c->flags & (TCP_F_ORPHAN | TCP_F_STALLED) || w->watched ||
		     o->min_progress))
		tcp_policy_note(t, c, w);
}

static inline void tcp_policy(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	tcp_policy_by(t, c, w, tcp_opts_of(t, c));
}

/* tcp_policy_forget of one that is in a list. */
void tcp_policy_leave(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

/* The connection is over, or rests. */
static inline void tcp_policy_forget(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	if (c->flags & (TCP_F_STALLED | TCP_F_LINGERS))
		tcp_policy_leave(t, c, w);
	w->watched = 0;
}

/* Whether a limit has its time, and when (ms). */
bool tcp_policy_at(const struct tcp *t, const struct tcp_conn *c, const struct tcp_work *w,
		   uint32_t *at);
/* That time may have come. */
void tcp_policy_due(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);
/* Reset what has stalled longest while memory is short: 64 connections at most. */
void tcp_policy_tick(struct tcp *t);

/* As tcp_send_reset, in any state that has a peer: the connection is taken from it. (output.c) */
bool tcp_send_reset_always(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

#endif
