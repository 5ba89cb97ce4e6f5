/*
 * The life of a connection's record: allocation, the hot block's coming and going.
 *
 * A record is given back only at the end of a ready pass, when its handler has seen close; before
 * that it may be CLOSED, out of the table, and unreachable for the peer. Blocks go back in
 * tcp_settle, never inside input.
 */
#include <string.h>

#include "tcp/deadline.h"
#include "tcp/policy.h"
#include "tcp/share.h"

#define SEGMENTS_MAX ((1u << 20) - 1)

static uint32_t pool_take(struct tcp_pool *p)
{
	if (p->used >= p->max)
		return 0;
	p->used++;
	return ++p->fresh;
}

struct tcp_conn *tcp_conn_of_id(const struct tcp *t, uint64_t id)
{
	uint32_t index = (uint32_t)id;
	struct tcp_conn *c;

	if (id >> 48 != t->worker || index == 0 || index > t->conn_pool.fresh)
		return NULL;
	c = &t->conn[index];
	if (c->generation != (uint16_t)(id >> 32) || !(c->flags & TCP_F_OPEN) ||
	    (unlikely(c->flags & TCP_F_SLOW) && tcp_chaos_gone(t, c)))
		return NULL;
	return c;
}

struct tcp_conn *tcp_conn_alloc(struct tcp *t)
{
	struct tcp_pool *p = &t->conn_pool;
	struct tcp_conn *c;
	uint32_t i = p->free, slot = 0, at = 0;
	uint16_t gen;

	if (i) {
		p->free = t->conn[i].next_free;
		p->used++;
		slot = t->conn[i].wheel_slot;
		at = t->conn[i].wheel_at;
	} else {
		i = pool_take(p);
		if (!i)
			return NULL;
	}
	c = &t->conn[i];
	gen = c->generation + 1;
	memset(c, 0, CACHE_LINE); /* line by line: "rep stos" takes longer to begin */
	memset((char *)c + CACHE_LINE, 0, CACHE_LINE);
	c->generation = gen;
	c->wheel_slot = slot; /* what its last user left in the wheel: good for any later deadline */
	c->wheel_at = at;
	return c;
}

bool tcp_ctx_alloc(struct tcp *t, struct tcp_conn *c)
{
	const struct tcp_version *v = &t->version[c->version];

	c->ctx = 0;
	if (!v->apart)
		return true;
	c->ctx = slab_alloc(&t->slab, v->ctx_order);
	if (!c->ctx)
		return false;
	memset(slab_ptr(&t->slab, (uint32_t)c->ctx), 0, v->listener->handler->ctx_size);
	return true;
}

static void block_free(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_work *w = tcp_work_of(t, c);

	tcp_policy_forget(t, c, w);
	tcp_grace_over(t, c, w);
	t->promised -= w->promised;
	slab_free(&t->slab, c->block, TCP_BLOCK_ORDER);
	c->block = 0;
	t->working--;
}

void tcp_conn_free(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_version *v = &t->version[c->version];

	if (unlikely(c->rcvbuf_shift || c->flags & TCP_F_OWN))
		t->rcv_grown -= tcp_rcvbuf_grown(t, c);
	if (c->block) {
		if (unlikely(tcp_work_of(t, c)->pinched))
			tcp_unpinch(t, tcp_work_of(t, c));
		tcp_queues_drop(t, tcp_work_of(t, c));
		if (unlikely(c->flags & TCP_F_SLOW))
			tcp_chaos_end(t, c);
		block_free(t, c);
	}
	if (v->apart && c->ctx)
		slab_free(&t->slab, (uint32_t)c->ctx, v->ctx_order);
	net_path_put(t->net, c->path);
	tcp_version_put(t, c->version);
	c->flags = 0;
	c->state = TCP_CLOSED;
	c->next_free = t->conn_pool.free;
	t->conn_pool.free = tcp_index(t, c);
	t->conn_pool.used--;
}

static struct cc_settings cc_settings_of(const struct tcp_options *o)
{
	return (struct cc_settings){.abc_limit = (uint8_t)o->abc_limit, .abe = o->abe};
}

/* What any record without block implies, spelled out. */
static inline void work_begin(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	memset(w, 0, offsetof(struct tcp_work, ooo_inline));
	w->conn = tcp_index(t, c);
	w->snd_una = w->snd_max = w->snd_end = c->snd_nxt;
	if (c->flags & TCP_F_FIN_SENT)
		w->snd_end--;
	w->snd_wl2 = c->snd_nxt;
	w->snd_wnd = (uint32_t)c->snd_wnd << c->snd_wscale;
	w->max_snd_wnd = (uint32_t)c->max_snd_wnd << c->snd_wscale;
	w->last_ack_sent = c->rcv_nxt;
	w->rcv_adv = c->rcv_nxt + ((uint32_t)c->rcv_wnd << c->rcv_wscale);
	w->rcv_read = w->round_read = c->rcv_nxt;
	w->round_at = (uint32_t)t->now;
	w->rcvbuf = tcp_rcvbuf(t, c);
	w->growing = w->rcvbuf < tcp_opts_of(t, c)->rcvbuf;
	w->progress = t->now_ms;
	w->burst_ms = t->now_ms - 1;
	w->recover = w->ecn_end = c->snd_nxt - 1;
	w->limited_end = w->marks = c->snd_nxt;
	w->size_acked = c->mss_acked ? c->snd_mss : 0;
	w->linger_at = t->now_ms;
	w->stamp = w->reduced = (uint32_t)t->now;
	w->stamp_end = c->snd_nxt;
	rack_init(&w->rack, c->snd_nxt);
	if (c->flags & TCP_AGREED_TS)
		w->ts_offset = tcp_ts_offset(t, &c->tuple);
	w->cc.set = cc_settings_of(tcp_opts_of(t, c));
}

/* And what one at rest remembers. */
static inline void work_from_rest(struct tcp_conn *c, struct tcp_work *w)
{
	w->rack.reordering = c->reordering;
	w->rack.mult = max_of((uint32_t)c->reo_mult, 1u);
	w->rack.persist = c->reo_persist;
	w->last_sent = c->last_sent;
	w->rtt = (struct rtt){rtt_unpack(c->srtt), rtt_unpack(c->rttvar), rtt_unpack(c->min_rtt)};
	w->cc.mss = c->snd_mss;
	w->cc.cwnd = (uint32_t)c->cwnd * c->snd_mss;
	w->cc.ssthresh = c->ssthresh == SEGMENTS_MAX ? CC_SSTHRESH_NONE :
						       (uint32_t)c->ssthresh * c->snd_mss;
	w->cc.w_max = (uint32_t)c->w_max * c->snd_mss;
}

struct tcp_work *tcp_attach_first(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_work *w;

	c->block = slab_alloc(&t->slab, TCP_BLOCK_ORDER);
	if (unlikely(!c->block)) {
		count(t->ctr, CTR_BLOCKS_EXHAUSTED);
		return NULL;
	}
	t->working++;
	w = tcp_work_of(t, c);
	work_begin(t, c, w);
	return w;
}

struct tcp_work *tcp_attach_block(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_work *w = tcp_attach_first(t, c);

	if (likely(w))
		work_from_rest(c, w);
	return w;
}

/* For two round trips the peer may still say that what was sent again had not been lost. */
static bool lingers(const struct tcp *t, const struct tcp_work *w)
{
	return seq_gt(w->linger_at, t->now_ms) && ((w->undo && w->undo_bytes) || w->tlp_out);
}

/*
 * The receive window in the record's units. Rounded up: a few bytes more than were announced are
 * taken, but the right edge does not move left (RFC 9293 section 3.8.6).
 */
static uint32_t rest_window(const struct tcp_conn *c, const struct tcp_work *w)
{
	return (w->rcv_adv - c->rcv_nxt + (1u << c->rcv_wscale) - 1) >> c->rcv_wscale;
}

/* Nothing queued, nothing in flight, nothing owed, no event: the record can stand for it all. */
static bool at_rest(const struct tcp *t, const struct tcp_conn *c, const struct tcp_work *w)
{
	return !w->on_ready && !w->on_out && !w->events && !w->ack_now && !w->delack &&
	       w->snd_una == c->snd_nxt && w->snd_max == c->snd_nxt && w->sndq.n == 0 &&
	       w->rcvq.n == 0 && w->ooo.n == 0 && !w->fin_held && w->timer == TCP_TIMER_NONE &&
	       !w->segs_unacked && !w->recovery && !lingers(t, w) && w->last_ack_sent == c->rcv_nxt &&
	       rest_window(c, w) <= 0xffff && !w->pinched &&
	       !w->measuring && !w->urgent_in && !w->dup_acks &&
	       !(c->flags & (TCP_F_OWN | TCP_F_COUNTS | TCP_F_SLOW));
}

static uint32_t segments(uint32_t bytes, uint32_t mss)
{
	uint32_t n = bytes / mss;

	return n == 0 ? 1 : min_of(n, SEGMENTS_MAX - 1);
}

void tcp_settle(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_work *w;

	if (!c->block)
		return;
	w = tcp_work_of(t, c);
	if (!at_rest(t, c, w))
		return;
	c->snd_wnd = (uint16_t)min_of(w->snd_wnd >> c->snd_wscale, 0xffffu);
	c->max_snd_wnd = (uint16_t)min_of(w->max_snd_wnd >> c->snd_wscale, 0xffffu);
	c->rcv_wnd = (uint16_t)rest_window(c, w);
	c->srtt = rtt_pack(w->rtt.srtt_us);
	c->rttvar = rtt_pack(w->rtt.rttvar_us);
	c->min_rtt = rtt_pack(w->rtt.min_rtt_us);
	c->cwnd = segments(w->cc.cwnd, c->snd_mss);
	c->ssthresh = w->cc.ssthresh == CC_SSTHRESH_NONE ? SEGMENTS_MAX :
							   segments(w->cc.ssthresh, c->snd_mss);
	c->mss_acked = w->size_acked >= c->snd_mss;
	c->w_max = w->cc.w_max ? segments(w->cc.w_max, c->snd_mss) : 0;
	c->reordering = w->rack.reordering;
	c->reo_mult = w->rack.mult;
	c->reo_persist = w->rack.persist;
	c->last_sent = w->last_sent;
	tcp_queues_drop(t, w);
	block_free(t, c);
	tcp_timer_update(t, c, NULL);
}

void tcp_unhash(struct tcp *t, struct tcp_conn *c)
{
	const uint64_t hash = flow_hash(&t->flow_key, &c->tuple);

	flow_table_remove(&t->table, hash, flow_entry(FLOW_CONN, tcp_index(t, c)));
	if (unlikely(cookie_awaited(&t->cookies, t->now)))
		cookie_spend(&t->cookies, hash);
}

void tcp_close_now(struct tcp *t, struct tcp_conn *c, enum pier_close_reason why)
{
	if (c->state == TCP_CLOSED)
		return;
	tcp_unhash(t, c);
	tcp_close_unhashed(t, c, why);
}

void tcp_close_unhashed(struct tcp *t, struct tcp_conn *c, enum pier_close_reason why)
{
	struct tcp_work *w = tcp_work_of(t, c);

	c->state = TCP_CLOSED;
	c->flags &= ~(uint32_t)(TCP_F_WHEEL | TCP_F_TIMER);
	w->timer = TCP_TIMER_NONE;
	w->ack_now = w->delack = 0;
	w->close_reason = why;
	tcp_policy_forget(t, c, w);
	tcp_ready(t, c, w, TCP_EV_CLOSE);
}

void tcp_finish(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	if (c->flags & TCP_F_OPEN && !(c->flags & TCP_F_EOF_TOLD))
		return;
	if (c->state == TCP_TIME_WAIT && (!w->ack_now || tcp_ack_now(t, c, w))) {
		tcp_enter_time_wait(t, c, w);
	} else if (c->state == TCP_LAST_ACK && c->flags & TCP_F_FIN_SENT &&
		   w->snd_una == c->snd_nxt) {
		count(t->ctr, CTR_CONN_CLOSED);
		tcp_close_now(t, c, PIER_CLOSE_NORMAL);
	}
}

/*
 * What was half-open last is half-open next, for the sake of its entry in the wheel. A pool holds as many as
 * both kinds may have together: so neither ever lacks one that the other keeps.
 */
union tcp_small *tcp_small_alloc(struct tcp *t, enum flow_type kind)
{
	struct tcp_pool *p = &t->small_pool;
	const bool half = kind == FLOW_HALF_OPEN;
	uint32_t i = half ? t->half_free : 0;

	if (likely(i)) {
		t->half_free = t->small[i].free.next;
		p->used++;
		return &t->small[i];
	}
	i = p->free;
	if (i) {
		p->free = t->small[i].free.next;
		p->used++;
	} else {
		i = pool_take(p);
		if (!i)
			return NULL;
	}
	t->small[i].half.wheel_slot = 0;
	return &t->small[i];
}

void tcp_small_free(struct tcp *t, union tcp_small *s)
{
	uint32_t *list = s->half.kind == FLOW_HALF_OPEN ? &t->half_free : &t->small_pool.free;

	s->half.kind = 0;
	s->free.next = *list;
	*list = tcp_small_index(t, s);
	t->small_pool.used--;
}
