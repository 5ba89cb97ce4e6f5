/*
 * What queue.c, whose the send queue is, shares with the short way: the memory of what was copied into it.
 */
#ifndef PIER_TCP_SNDQ_H
#define PIER_TCP_SNDQ_H

#include "tcp/tcp.h"

#define TCP_SUM_KNOWN     (1u << 16) /* of tcp_send_summed */
#define TCP_COPY_MEM_BITS 28 /* of a SLICE_COPY's mem: slab index, its order above */
#define TCP_COPY_MEM      ((1u << TCP_COPY_MEM_BITS) - 1)

/* The memory of a SLICE_COPY. */
static inline void tcp_copy_free(struct tcp *t, const struct slice *s)
{
	slab_free(&t->slab, s->mem & TCP_COPY_MEM, s->mem >> TCP_COPY_MEM_BITS);
}

#endif
