/*
 * The receive queue: payload in order that the handler has not taken.
 *
 * Its first slices, as many as one data callback is shown, are what the handler sees; they keep the
 * sums that were verified on arrival. What comes behind them waits in a chain, which takes no memory
 * of its own: appending never fails, and a range that was out of order joins it whatever its length.
 *
 * While the handler keeps up nothing is copied. What it leaves is packed, and so is what arrives
 * behind it (see rcv.h).
 */
#include <string.h>

#include "rcv.h"

static struct slice *rcvq_at(const struct tcp *t, struct tcp_work *w, uint32_t i)
{
	return vec_at(&w->rcvq, &t->slab, w->rcvq_inline, sizeof(struct slice), i);
}

/* s follows last: copy it into last's buffer and give its own back. It is held. */
static bool merge(struct tcp *t, struct tcp_work *w, struct slice *last, const struct slice *s)
{
	uint8_t *data = rcv_absorb(last->owner, (uint8_t *)(uintptr_t)last->data, last->len,
				   s->data, s->len);

	if (!data)
		return false;
	last->data = data;
	last->len += s->len;
	last->flags &= ~SLICE_SUM;
	rcv_release(t, w, s->owner);
	pkt_recycle(t->pool, s->owner);
	return true;
}

/* Behind the last slice, if few enough are shown; s is held. */
static bool push(struct tcp *t, struct tcp_work *w, const struct slice *s)
{
	struct slice *q;

	if (unlikely(w->rcv_left && w->rcvq.n &&
		     merge(t, w, rcvq_at(t, w, w->rcvq.n - 1), s)))
		return true;
	if (w->rcvq.n >= TCP_SHOWN_MAX)
		return false;
	q = vec_push(&w->rcvq, &t->slab, w->rcvq_inline, WORK_SLICES, sizeof(*q));
	if (unlikely(!q))
		return false;
	*q = *s;
	return true;
}

void rcvq_append(struct tcp *t, struct tcp_work *w, const struct slice *s)
{
	struct rte_mbuf *m = s->owner;
	uint32_t links = 0;

	rcv_hold(t, w, m);
	if (likely(!w->rcv_more.head) && likely(push(t, w, s)))
		return;
	m->data_off = (uint16_t)(s->data - (const uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)s->len;
	rcv_chain_append(t, w, &w->rcv_more, m, &links);
}

/* Show what the chain has, as far as there is room. */
static void refill(struct tcp *t, struct tcp_work *w)
{
	uint32_t seq = w->rcv_read;

	if (w->rcvq.n) {
		const struct slice *last = rcvq_at(t, w, w->rcvq.n - 1);

		seq = last->seq + last->len;
	}
	while (w->rcv_more.head) {
		struct rte_mbuf *m = w->rcv_more.head;
		const struct slice s = {.data = rte_pktmbuf_mtod(m, const uint8_t *), .owner = m,
					.seq = seq, .len = m->data_len, .kind = SLICE_MBUF};
		struct rte_mbuf *next = m->next;

		m->next = NULL; /* push may give it back */
		if (!push(t, w, &s)) {
			m->next = next;
			break;
		}
		w->rcv_more.head = next;
		seq += s.len;
	}
	if (!w->rcv_more.head)
		w->rcv_more.tail = NULL;
}

void rcvq_append_chain(struct tcp *t, struct tcp_work *w, struct tcp_chain *chain)
{
	uint32_t links = 0;

	rcv_chain_join(t, w, &w->rcv_more, chain, &links);
	refill(t, w);
}

/* Join neighbours that fit into one buffer; O(slices shown), once for each time data is left. */
static void pack(struct tcp *t, struct tcp_work *w)
{
	uint32_t kept = 0;

	for (uint32_t i = 1; i < w->rcvq.n; i++) {
		struct slice *last = rcvq_at(t, w, kept), s = *rcvq_at(t, w, i);

		if (merge(t, w, last, &s))
			continue;
		*rcvq_at(t, w, ++kept) = s;
	}
	w->rcvq.n = kept + 1;
}

void tcp_rcvq_left(struct tcp *t, struct tcp_work *w)
{
	if (!w->rcvq.n || w->rcv_left)
		return;
	w->rcv_left = 1;
	pack(t, w);
}

/* The first slice shrank: it may now fit into one buffer with the second. */
static void pack_front(struct tcp *t, struct tcp_work *w)
{
	struct slice second;

	if (w->rcvq.n < 2)
		return;
	second = *rcvq_at(t, w, 1);
	if (merge(t, w, rcvq_at(t, w, 0), &second))
		vec_remove(&w->rcvq, &t->slab, w->rcvq_inline, sizeof(second), 1, 1);
}

void tcp_rcvq_consume_any(struct tcp *t, struct tcp_work *w, uint32_t n)
{
	uint32_t gone = 0;

	w->rcv_read += n;
	while (gone < w->rcvq.n && n) {
		struct slice *s = rcvq_at(t, w, gone);

		if (s->len > n) {
			slice_trim_front(s, n);
			break;
		}
		n -= s->len;
		rcv_release(t, w, s->owner);
		pkt_recycle(t->pool, s->owner);
		gone++;
	}
	if (gone)
		vec_pop_front(&w->rcvq, &t->slab, gone);
	if (unlikely(w->rcv_left))
		pack_front(t, w);
	if (unlikely(w->rcv_more.head))
		refill(t, w);
	if (!w->rcvq.n)
		w->rcv_left = 0;
	if (unlikely(w->urgent_in) && seq_geq(w->rcv_read, w->rcv_up))
		w->urgent_in = 0;
}

void rcvq_drop(struct tcp *t, struct tcp_work *w)
{
	for (uint32_t i = 0; i < w->rcvq.n; i++) {
		struct rte_mbuf *m = rcvq_at(t, w, i)->owner;

		rcv_release(t, w, m);
		pkt_recycle(t->pool, m);
	}
	vec_clear(&w->rcvq, &t->slab);
	rcv_chain_drop(t, w, &w->rcv_more);
	w->rcv_left = 0;
}
