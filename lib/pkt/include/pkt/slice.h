/*
 * A slice: a run of payload bytes and who owns them. Send queues, receive queues and out-of-order
 * queues hold slices, never packets, so that payload is referenced, split and summed once.
 *
 * Four kinds: STATIC bytes outlive every connection that uses them; MBUF bytes lie in an mbuf and
 * the slice holds one reference to it; COPY bytes lie in memory of whoever owns the queue, who
 * frees them and may append to the last slice; SHARED bytes too, but others may have them in their queues: they
 * are counted, and stay as they are. Only MBUF has an owner; without one bytes are always
 * copied into the packets that carry them.
 *
 * Worker thread only. Everything bounded.
 */
#ifndef PIER_PKT_SLICE_H
#define PIER_PKT_SLICE_H

#include <rte_mbuf.h>

#include "base/compiler.h"

enum slice_kind {
	SLICE_STATIC,
	SLICE_MBUF,
	SLICE_COPY,
	SLICE_SHARED,
};

enum slice_flag {
	SLICE_SUM = 1 << 0, /* sum is valid for exactly these bytes */
};

struct slice {
	const uint8_t *data;
	struct rte_mbuf *owner; /* one segment, for MBUF */
	uint32_t seq;           /* sequence number of data[0] */
	uint32_t len;
	uint16_t sum;           /* folded partial checksum, as if data began at an even offset */
	uint8_t kind, flags;
	uint32_t mem;           /* for COPY and SHARED: what the queue's owner calls the memory */
};

static_assert(sizeof(struct slice) == 32, "two slices a cache line");

/* Give up the slice's reference. */
static inline void slice_put(struct slice *s)
{
	if (s->owner)
		rte_pktmbuf_free_seg(s->owner);
	s->owner = NULL;
}

/* Cut n bytes from the front, n < len: a sum no longer holds. */
static inline void slice_trim_front(struct slice *s, uint32_t n)
{
	s->data += n;
	s->seq += n;
	s->len -= n;
	s->flags &= ~SLICE_SUM;
}

/* Cut to len bytes. */
static inline void slice_trim_back(struct slice *s, uint32_t len)
{
	if (len < s->len) {
		s->len = len;
		s->flags &= ~SLICE_SUM;
	}
}

#endif
