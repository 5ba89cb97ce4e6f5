/*
 * What queue.c, whose the send queue is, shares with the short way: the memory of what was copied into it.
 */
#ifndef PIER_TCP_SNDQ_H
#define PIER_TCP_SNDQ_H

#include "tcp/tcp.h"

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

#endif
