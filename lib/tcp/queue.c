/*
 * The send queue: payload as slices, in sequence order, without gaps.
 *
 * Sending, a small piece is copied behind the last one if that is a copy of ours with room left, so
 * that a queue of tiny writes does not become a queue of tiny buffers; a large received slice is
 * referenced. Bytes that come again and again, on whichever connection, are copied once and counted.
 * Slices that keep an mbuf are counted in t->held; when the worker's share is spent,
 * large ones are copied too, because the receive pool must not drain into slow peers.
 */
#include <string.h>

#include "rcv.h"
#include "tcp/sndq.h"
#include "base/shortcut.h"
#include "wire/sum.h"

#define COPY_NEXT     1024

/* An mbuf is held no more: with the last one the window is not counted as being filled, see
 * share.c. */
static void let_go(struct tcp *t, struct tcp_work *w)
{
	t->held--;
	if (--w->held || w->measuring)
		return;
	t->promised -= w->promised;
	w->promised = 0;
}

static void slice_drop(struct tcp *t, struct tcp_work *w, struct slice *s)
{
	if (s->kind >= SLICE_COPY)
		tcp_copy_free(t, s);
	if (s->owner)
		let_go(t, w);
	slice_put(s);
}

static struct slice *sndq_at(const struct tcp *t, struct tcp_work *w, uint32_t i)
{
	return vec_at(&w->sndq, &t->slab, w->sndq_inline, sizeof(struct slice), i);
}

static struct slice *sndq_push(struct tcp *t, struct tcp_work *w)
{
	return vec_push(&w->sndq, &t->slab, w->sndq_inline, WORK_SLICES, sizeof(struct slice));
}

static inline size_t send_room(const struct tcp *t, const struct tcp_conn *c, const struct tcp_work *w)
{
	uint64_t buf = tcp_sndbuf(t, c);
	uint64_t spare = slab_available(&t->slab);
	uint32_t queued = w->snd_end - w->snd_una;

	if (unlikely(c->flags & TCP_F_FIN_QUEUED || c->state == TCP_CLOSED || !spare))
		return 0;
	/* Of what is left of the slab none gets more than the rest, and blocks have a reserve. */
	if (w->sndq.n) {
		const uint64_t reserve = (uint64_t)(t->slab.n_pages / 8) << SLAB_PAGE_SHIFT;

		buf = min_of(buf, spare > reserve ? spare - reserve : 0);
	}
	return queued >= buf ? 0 : buf - queued;
}

size_t tcp_send_room(const struct tcp *t, const struct tcp_conn *c, const struct tcp_work *w)
{
	return send_room(t, c, w);
}

void tcp_send_flush(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	uint32_t keep = seq_max(c->snd_nxt, w->snd_max), n = w->sndq.n;

	if (!seq_gt(w->snd_end, keep))
		return;
	while (n) {
		struct slice *s = sndq_at(t, w, n - 1);

		if (seq_lt(s->seq, keep)) {
			slice_trim_back(s, keep - s->seq);
			break;
		}
		slice_drop(t, w, s);
		n--;
	}
	if (n < w->sndq.n)
		vec_remove(&w->sndq, &t->slab, w->sndq_inline, sizeof(struct slice), n,
			   w->sndq.n - n);
	w->snd_end = keep;
	if (w->urgent_out)
		w->snd_up = seq_min(w->snd_up, keep);
}

/* Append to the last slice, where there is one, if it is a copy with room behind its end. */
static size_t append_copy(struct tcp *t, struct tcp_work *w, const uint8_t *p, size_t len)
{
	struct slice *s;
	uint8_t *end, *limit;
	size_t n;

	s = sndq_at(t, w, w->sndq.n - 1);
	if (s->kind != SLICE_COPY)
		return 0;
	limit = (uint8_t *)slab_ptr(&t->slab, s->mem & TCP_COPY_MEM) +
		(SLAB_UNIT << (s->mem >> TCP_COPY_MEM_BITS));
	end = (uint8_t *)(uintptr_t)s->data + s->len;
	n = min_of(len, (size_t)(limit - end));
	memcpy(end, p, n);
	s->len += n;
	s->flags = 0;
	return n;
}

/*
 * A new copy slice. The first of a queue is as large as what it holds, for most are all there is;
 * behind another one there will be more.
 */
static inline size_t push_copy(struct tcp *t, struct tcp_work *w, const uint8_t *p, size_t len, uint32_t *sum)
{
	size_t least = w->sndq.n ? COPY_NEXT : 0, want = max_of(len, least);
	unsigned int order = slab_order(min_of(want, (size_t)TCP_COPY_MAX));
	uint32_t mem = slab_alloc(&t->slab, order);
	const bool whole = len <= (size_t)SLAB_UNIT << order;
	struct slice *s;
	uint8_t *to;

	if (unlikely(!mem))
		return 0;
	s = sndq_push(t, w);
	if (unlikely(!s)) {
		slab_free(&t->slab, mem, order);
		return 0;
	}
	if (unlikely(!whole))
		len = (size_t)SLAB_UNIT << order;
	to = slab_ptr(&t->slab, mem);
	*s = (struct slice){.data = to, .mem = order << TCP_COPY_MEM_BITS | mem, .seq = w->snd_end,
			    .len = len, .kind = SLICE_COPY, .flags = SLICE_SUM};
	if (likely(sum && *sum && whole)) {
		memcpy(to, p, len);
		s->sum = (uint16_t)*sum;
	} else {
		s->sum = sum_fold(sum_copy(to, p, len));
		if (sum && whole)
			*sum = TCP_SUM_KNOWN | s->sum;
	}
	return len;
}

/* sum: as tcp_send_summed has it, or NULL. */
static inline size_t send_copy(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
			       const uint8_t *p, size_t len, uint32_t *sum)
{
	const size_t room = send_room(t, c, w);
	size_t done = 0, n;

	if (unlikely(room < len)) {
		len = room;
		sum = NULL;
	}
	if (unlikely(!len))
		return 0;
	do {
		n = unlikely(w->sndq.n) ? append_copy(t, w, p + done, len - done) : 0;
		if (likely(!n))
			n = push_copy(t, w, p + done, len - done, done ? NULL : sum);
		done += n;
		w->snd_end += n;
	} while (unlikely(n && done < len));
	return done;
}

size_t tcp_send_copy(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, const void *data,
		     size_t len)
{
	return send_copy(t, c, w, data, len, NULL);
}

/* From now on these bytes are the ones that are shared; sum as in tcp_send_summed. False: no memory. */
static __attribute__((noinline)) bool share(struct tcp *t, const void *data, uint32_t len, uint32_t *sum)
{
	const unsigned int order = slab_order(sizeof(struct tcp_piece) + len);
	const uint32_t mem = slab_alloc(&t->slab, order);
	const uint32_t number = t->shared.number % (UINT32_MAX >> TCP_SHARED_SHIFT) + 1;
	struct tcp_piece *p;

	if (unlikely(!mem))
		return false;
	p = tcp_piece_at(t, mem);
	p->users = 0;
	if (*sum)
		memcpy(p + 1, data, len);
	else
		*sum = TCP_SUM_KNOWN | sum_fold(sum_copy(p + 1, data, len));
	*sum = (*sum & (TCP_SUM_KNOWN | UINT16_MAX)) | number << TCP_SHARED_SHIFT;
	t->shared = (struct tcp_shared){.from = data, .len = len, .word = *sum, .number = number,
					.mem = order << TCP_COPY_MEM_BITS | mem};
	return true;
}

size_t tcp_send_summed(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, const void *data,
		       size_t len, uint32_t *sum)
{
	if (unlikely(!SHORTCUT(SHARED) || !tcp_may_be_first(t, c, w, len) ||
		     len > TCP_COPY_MAX - sizeof(struct tcp_piece)))
		return send_copy(t, c, w, data, len, sum);
	if (!tcp_is_shared(t, data, len, *sum) && !share(t, data, (uint32_t)len, sum))
		return send_copy(t, c, w, data, len, sum);
	tcp_put_shared(t, w);
	return len;
}

size_t tcp_send_static(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, const void *data,
		       size_t len)
{
	struct slice *s;

	len = min_of(len, send_room(t, c, w));
	if (!len)
		return 0;
	s = sndq_push(t, w);
	if (unlikely(!s))
		return 0;
	*s = (struct slice){.data = data, .seq = w->snd_end, .len = len, .kind = SLICE_STATIC};
	w->snd_end += len;
	return len;
}

size_t tcp_send_slice(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
		      const struct slice *from)
{
	uint32_t sum = from->flags & SLICE_SUM ? TCP_SUM_KNOWN | from->sum : 0;
	struct slice *s;
	size_t len;

	if (!tcp_may_keep(t, c, from) || (!tcp_share_left(t, w) && w->sndq.n >= TCP_HELD_LEAST))
		return send_copy(t, c, w, from->data, from->len, &sum);
	len = min_of((size_t)from->len, send_room(t, c, w));
	if (!len)
		return 0;
	s = sndq_push(t, w);
	if (unlikely(!s))
		return 0;
	*s = *from;
	s->kind = SLICE_MBUF;
	s->seq = w->snd_end;
	slice_trim_back(s, len);
	rte_mbuf_refcnt_update(s->owner, 1);
	t->held++;
	w->held++;
	w->snd_end += len;
	return len;
}

void tcp_sndq_acked(struct tcp *t, struct tcp_work *w, uint32_t una)
{
	uint32_t gone = 0;

	while (gone < w->sndq.n) {
		struct slice *s = sndq_at(t, w, gone);

		if (seq_gt(s->seq + s->len, una)) {
			if (seq_lt(s->seq, una))
				slice_trim_front(s, una - s->seq);
			break;
		}
		slice_drop(t, w, s);
		gone++;
	}
	if (gone)
		vec_pop_front(&w->sndq, &t->slab, gone);
}

uint32_t tcp_queue_find(const struct tcp *t, const struct vec *q, const struct slice *inl,
			uint32_t seq)
{
	const struct slice *s = (const struct slice *)(const void *)vec_base(
				q, &t->slab, (void *)(uintptr_t)inl) + q->head;
	uint32_t lo = 0, hi = q->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (seq_leq(s[mid].seq + s[mid].len, seq))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void tcp_queues_drop_any(struct tcp *t, struct tcp_work *w)
{
	for (uint32_t i = 0; i < w->sndq.n; i++)
		slice_drop(t, w, sndq_at(t, w, i));
	vec_clear(&w->sndq, &t->slab);
	rcvq_drop(t, w);
	ooo_drop(t, w);
	vec_clear(&w->flight, &t->slab);
	w->sacked = w->lost = 0;
}
