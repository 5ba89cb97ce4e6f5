/*
 * The handler API's calls, on top of TCP's queues. A handle is valid while a callback runs; the
 * connection behind it may already be CLOSED (an abort earlier in the same callback), in which case
 * the calls do nothing.
 */
#include <string.h>

#include "engine_priv.h"
#include "tcp/share.h"
#include "tcp/sndq.h"

#define TIMER_MAX_US (24 * 86400 * US_PER_SEC) /* less than half of what a record's clock counts */

static struct engine *engine_of(const struct pier_conn *pc)
{
	return pc->host;
}

static struct tcp_conn *conn_of(const struct pier_conn *pc)
{
	return &engine_of(pc)->tcp.conn[(uint32_t)pc->id];
}

/* The connection and its block if it can still send; NULL otherwise. */
static struct tcp_work *sender(struct pier_conn *pc, struct tcp_conn **c)
{
	*c = conn_of(pc);
	if ((*c)->state == TCP_CLOSED || (*c)->flags & TCP_F_FIN_QUEUED)
		return NULL;
	return tcp_attach(&engine_of(pc)->tcp, *c);
}

/* After a send: room may be short, and the connection has something to do. */
static size_t sent(struct pier_conn *pc, struct tcp_conn *c, struct tcp_work *w, size_t done,
		   size_t asked)
{
	if (done < asked) {
		c->flags |= TCP_F_WANT_WRITABLE;
		if (unlikely(!w->sndq.n))
			tcp_pinch(&engine_of(pc)->tcp, w);
	}
	if (done)
		tcp_ready(&engine_of(pc)->tcp, c, w, 0);
	return done;
}

static size_t call_send(struct pier_conn *pc, const void *data, size_t len)
{
	struct tcp_conn *c;
	struct tcp_work *w = sender(pc, &c);

	return w ? sent(pc, c, w, tcp_send_copy(&engine_of(pc)->tcp, c, w, data, len), len) : 0;
}

static size_t call_send_summed(struct pier_conn *pc, const void *data, size_t len, uint32_t *sum)
{
	struct tcp_conn *c;
	struct tcp_work *w = sender(pc, &c);

	if (likely(w && tcp_send_again(&engine_of(pc)->tcp, c, w, data, len, *sum)))
		return sent(pc, c, w, len, len);
	return w ? sent(pc, c, w, tcp_send_summed(&engine_of(pc)->tcp, c, w, data, len, sum), len) : 0;
}

static size_t call_send_static(struct pier_conn *pc, const void *data, size_t len)
{
	struct tcp_conn *c;
	struct tcp_work *w = sender(pc, &c);

	return w ? sent(pc, c, w, tcp_send_static(&engine_of(pc)->tcp, c, w, data, len), len) : 0;
}

/* A handler's slice as one of ours: if it is exactly one that was received, that one, which knows its sum; else *own. */
static inline const struct slice *own_slice(const struct engine *e, const struct pier_slice *s,
					    struct slice *own)
{
	for (unsigned int i = 0; i < e->n_shown; i++) {
		const struct slice *q = &e->shown[i];

		if (likely(q->data == s->data && q->len == s->len && q->owner == s->owner))
			return q;
	}
	*own = (struct slice){.data = s->data, .len = s->len, .owner = s->owner, .kind = SLICE_MBUF};
	return own;
}

static size_t call_send_slices(struct pier_conn *pc, const struct pier_slice *s, unsigned int n)
{
	struct engine *e = engine_of(pc);
	struct tcp_conn *c;
	struct tcp_work *w = sender(pc, &c);
	size_t done = 0, took;
	struct slice own;

	if (!w)
		return 0;
	if (likely(n == 1 && tcp_send_first(&e->tcp, c, w, own_slice(e, s, &own))))
		return sent(pc, c, w, s->len, s->len);
	for (unsigned int i = 0; i < n; i++) {
		took = tcp_send_slice(&e->tcp, c, w, own_slice(e, &s[i], &own));
		done += took;
		if (took < s[i].len) {
			c->flags |= TCP_F_WANT_WRITABLE;
			break;
		}
	}
	return sent(pc, c, w, done, done);
}

static size_t call_room(struct pier_conn *pc)
{
	struct tcp_conn *c;
	struct tcp_work *w = sender(pc, &c);

	return w ? tcp_send_room(&engine_of(pc)->tcp, c, w) : 0;
}

static void call_want_writable(struct pier_conn *pc)
{
	struct tcp_conn *c;
	struct tcp_work *w = sender(pc, &c);

	if (!w)
		return;
	c->flags |= TCP_F_WANT_WRITABLE;
	if (tcp_send_room(&engine_of(pc)->tcp, c, w))
		tcp_ready(&engine_of(pc)->tcp, c, w, TCP_EV_WRITABLE);
	else if (!w->sndq.n)
		tcp_pinch(&engine_of(pc)->tcp, w); /* memory is out: no ACK will say when */
}

static void call_resume(struct pier_conn *pc)
{
	struct tcp_conn *c = conn_of(pc);
	struct tcp_work *w = c->state == TCP_CLOSED ? NULL : tcp_attach(&engine_of(pc)->tcp, c);

	if (w)
		tcp_ready(&engine_of(pc)->tcp, c, w, TCP_EV_DATA);
}

/* RFC 9293 section 3.10.4: FIN behind everything that was accepted. */
static void call_shutdown(struct pier_conn *pc)
{
	struct tcp_conn *c;
	struct tcp_work *w = sender(pc, &c);

	if (w && (likely(!(c->flags & TCP_F_SLOW)) ||
		  !tcp_chaos_holds_fin(&engine_of(pc)->tcp, c, w)))
		tcp_shutdown(&engine_of(pc)->tcp, c, w);
}

static void call_close(struct pier_conn *pc)
{
	struct tcp_conn *c = conn_of(pc);
	struct tcp_work *w;

	if (c->state == TCP_CLOSED)
		return;
	if (unlikely(c->flags & (TCP_F_ORPHAN | TCP_F_SLOW)) &&
	    (c->flags & TCP_F_ORPHAN || engine_chaos_stays(engine_of(pc), c)))
		return;
	if (c->state == TCP_SYN_SENT) {
		tcp_close_now(&engine_of(pc)->tcp, c, PIER_CLOSE_NORMAL);
		return;
	}
	w = sender(pc, &c);
	if (w)
		tcp_shutdown(&engine_of(pc)->tcp, c, w);
	c->flags |= TCP_F_ORPHAN;
	c->flags &= ~(uint32_t)TCP_F_TIMER;
	w = tcp_attach(&engine_of(pc)->tcp, c);
	if (w)
		tcp_ready(&engine_of(pc)->tcp, c, w, 0);
}

static void call_abort(struct pier_conn *pc)
{
	struct tcp *t = &engine_of(pc)->tcp;
	struct tcp_conn *c = conn_of(pc);
	struct tcp_work *w = c->state == TCP_CLOSED ? NULL : tcp_attach(t, c);

	if (!w)
		return;
	count(t->ctr, CTR_HANDLER_ERRORS);
	tcp_send_reset(t, c, w);
	tcp_close_now(t, c, PIER_CLOSE_ABORT);
}

static void call_set_timer(struct pier_conn *pc, uint64_t delay_us)
{
	struct tcp *t = &engine_of(pc)->tcp;
	struct tcp_conn *c = conn_of(pc);

	if (c->state == TCP_CLOSED || c->flags & TCP_F_ORPHAN)
		return;
	c->flags &= ~(uint32_t)TCP_F_TIMER;
	if (delay_us) {
		c->flags |= TCP_F_TIMER;
		c->handler_deadline = t->now_ms + 1 + ms_of(min_of(delay_us, TIMER_MAX_US));
	}
	tcp_timer_update(t, c, c->block ? tcp_work_of(t, c) : NULL);
}

static void call_hold(void *owner)
{
	if (owner)
		rte_mbuf_refcnt_update(owner, 1);
}

static void call_release(void *owner)
{
	if (owner)
		rte_pktmbuf_free_seg(owner);
}

static void call_info(struct pier_conn *pc, struct pier_info *info)
{
	struct engine *e = engine_of(pc);
	const struct tcp_conn *c = conn_of(pc);

	memcpy(info->remote_addr, c->tuple.remote, 16);
	memcpy(info->local_addr, e->net.addrs[c->tuple.local].ip, 16);
	info->remote_port = be16(c->tuple.remote_port);
	info->local_port = be16(c->tuple.local_port);
	info->srtt_us = c->block ? tcp_work_of(&e->tcp, c)->rtt.srtt_us : rtt_unpack(c->srtt);
}

static bool call_get(struct pier_conn *from, uint64_t id, struct pier_conn *pc)
{
	struct engine *e = engine_of(from);
	struct tcp_conn *c = tcp_conn_of_id(&e->tcp, id);

	if (!c)
		return false;
	engine_conn_handle(e, c, pc);
	return true;
}

bool engine_get(struct engine *e, uint64_t id, uint64_t now, struct pier_conn *pc)
{
	struct tcp_conn *c;

	engine_set_time(e, now);
	c = tcp_conn_of_id(&e->tcp, id);
	if (!c)
		return false;
	engine_conn_handle(e, c, pc);
	return true;
}

void engine_settle(struct engine *e, uint64_t now)
{
	engine_set_time(e, now);
	engine_run_ready(e);
}

static void call_set_nodelay(struct pier_conn *pc, bool on)
{
	struct tcp_conn *c;
	struct tcp_work *w = sender(pc, &c);

	if (!w)
		return;
	if (on)
		c->flags &= ~(uint32_t)TCP_F_NAGLE;
	else
		c->flags |= TCP_F_NAGLE;
	tcp_ready(&engine_of(pc)->tcp, c, w, 0);
}

static void call_set_trouble(struct pier_conn *pc, bool on)
{
	struct tcp_conn *c = conn_of(pc);

	if (on)
		c->flags &= ~(uint32_t)TCP_F_NO_TROUBLE;
	else
		c->flags |= TCP_F_NO_TROUBLE;
}

const struct pier_calls engine_calls = {
	.send = call_send,
	.send_summed = call_send_summed,
	.send_static = call_send_static,
	.send_slices = call_send_slices,
	.room = call_room,
	.want_writable = call_want_writable,
	.resume = call_resume,
	.shutdown = call_shutdown,
	.close = call_close,
	.abort = call_abort,
	.set_timer = call_set_timer,
	.hold = call_hold,
	.release = call_release,
	.info = call_info,
	.get = call_get,
	.set_nodelay = call_set_nodelay,
	.set_dscp = engine_set_dscp,
	.received_dscp = engine_received_dscp,
	.set_ttl = engine_set_ttl,
	.set_keepalive = engine_set_keepalive,
	.get_keepalive = engine_get_keepalive,
	.set_timeouts = engine_set_timeouts,
	.connect = engine_call_connect,
	.send_urgent = engine_send_urgent,
	.urgent_left = engine_urgent_left,
	.cork = engine_cork,
	.flush = engine_flush,
	.set_trouble = call_set_trouble,
	.tcp_info = engine_tcp_info,
	.set_buffers = engine_set_buffers,
	.set_mss = engine_set_mss,
};
