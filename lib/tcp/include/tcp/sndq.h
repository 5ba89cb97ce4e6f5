/*
 * What of the send queue (queue.c) each answer asks for: inline, and short where it is the first and only slice of
 * the queue. And the memory of what was copied into it.
 *
 * For the worker's thread; a connection has its block. Bounded.
 */
#ifndef PIER_TCP_SNDQ_H
#define PIER_TCP_SNDQ_H

#include "base/shortcut.h"
#include "tcp/tcp.h"

#define TCP_COPY_MAX      4096 /* bytes in one piece of slab memory */
#define TCP_SUM_KNOWN     (1u << 16) /* of tcp_send_summed */
#define TCP_SHARED_SHIFT  17 /* of the same: above is a shared piece's number, 0: none */
#define TCP_COPY_MEM_BITS 28 /* of a SLICE_COPY's mem: slab index, its order above */
#define TCP_COPY_MEM      ((1u << TCP_COPY_MEM_BITS) - 1)

/* Before the bytes of a SLICE_SHARED. */
struct tcp_piece {
	alignas(16) uint32_t users; /* slices */
};

static inline struct tcp_piece *tcp_piece_at(const struct tcp *t, uint32_t mem)
{
	return slab_ptr(&t->slab, mem & TCP_COPY_MEM);
}

/* The memory of a SLICE_COPY, or one use less of that of a SLICE_SHARED. */
static inline void tcp_copy_free(struct tcp *t, const struct slice *s)
{
	if (s->kind == SLICE_SHARED) {
		if (--tcp_piece_at(t, s->mem)->users)
			return;
		if (t->shared.mem == s->mem)
			t->shared.mem = 0;
	}
	slab_free(&t->slab, s->mem & TCP_COPY_MEM, s->mem >> TCP_COPY_MEM_BITS);
}

/* Whether len bytes may be the first slice of an empty queue, all of them. */
static inline bool tcp_may_be_first(const struct tcp *t, const struct tcp_conn *c, const struct tcp_work *w,
				    size_t len)
{
	return !(w->sndq.n | w->sndq.mem) && len - 1 < TCP_COPY_MAX &&
	       w->snd_end - w->snd_una + len <= tcp_opts_of(t, c)->sndbuf &&
	       !(c->flags & (TCP_F_FIN_QUEUED | TCP_F_OWN)) && c->state != TCP_CLOSED && slab_available(&t->slab);
}

static inline void tcp_put_first(struct tcp_work *w, const void *data, uint32_t len, uint32_t mem,
				 enum slice_kind kind, uint32_t sum)
{
	w->sndq_inline[0] = (struct slice){.data = data, .mem = mem, .seq = w->snd_end, .len = len,
					   .kind = (uint8_t)kind, .flags = SLICE_SUM, .sum = (uint16_t)sum};
	w->sndq.head = 0;
	w->sndq.n = 1;
	w->snd_end += len;
}

/* tcp_send_summed's piece is the one that is shared. */
static inline bool tcp_is_shared(const struct tcp *t, const void *data, size_t len, uint32_t sum)
{
	const struct tcp_shared *sh = &t->shared;

	return sh->mem && sh->word == sum && sh->from == data && sh->len == len;
}

/* It, as the first slice of an empty queue. */
static inline void tcp_put_shared(struct tcp *t, struct tcp_work *w)
{
	struct tcp_piece *p = tcp_piece_at(t, t->shared.mem);

	p->users++;
	tcp_put_first(w, p + 1, t->shared.len, t->shared.mem, SLICE_SHARED, t->shared.word);
}

/* tcp_send_summed of what was sent before, into an empty queue. False: it is not that, and nothing was done. */
static inline bool tcp_send_again(struct tcp *t, const struct tcp_conn *c, struct tcp_work *w, const void *data,
				  size_t len, uint32_t sum)
{
	if (!SHORTCUT(SHARED) || !tcp_is_shared(t, data, len, sum) || !tcp_may_be_first(t, c, w, len))
		return false;
	tcp_put_shared(t, w);
	return true;
}

/* tcp_send_slice keeps the slice's mbuf if there is a share left, and does not copy. */
static inline bool tcp_may_keep(const struct tcp *t, const struct tcp_conn *c, const struct slice *s)
{
	const struct pkt_port *pp = net_path_port(t->net, c->path);

	return s->owner && s->len >= pp->copy_below && pp->tx_mode != PKT_TX_GIVES_AWAY;
}

/* tcp_send_slice of one that is copied, its sum known, into an empty queue. False as above. */
static inline bool tcp_send_first(struct tcp *t, const struct tcp_conn *c, struct tcp_work *w,
				  const struct slice *from)
{
	unsigned int order;
	uint32_t mem;

	if (!SHORTCUT(FIRST) || !(from->flags & SLICE_SUM) || tcp_may_keep(t, c, from) ||
	    !tcp_may_be_first(t, c, w, from->len))
		return false;
	order = slab_order(from->len);
	mem = slab_alloc(&t->slab, order);
	if (unlikely(!mem))
		return false;
	memcpy(slab_ptr(&t->slab, mem), from->data, from->len);
	tcp_put_first(w, slab_ptr(&t->slab, mem), from->len, order << TCP_COPY_MEM_BITS | mem, SLICE_COPY,
		      from->sum);
	return true;
}

#endif
