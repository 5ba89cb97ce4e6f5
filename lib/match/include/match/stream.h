/*
 * One direction of one connection, as Hyperscan sees it: a stream that is opened at the first byte, and
 * at rest is compressed or given up. All calls on the thread that owns the connection, with its
 * match_core of the same database each time.
 */
#ifndef PIER_MATCH_STREAM_H
#define PIER_MATCH_STREAM_H

#include "base/compiler.h"
#include "match/db.h"

/* Zeroed before use. */
struct match_stream {
	uintptr_t state;   /* 0: not open. hs_stream_t; or with MATCH_PACKED, its compressed form */
	uint64_t base;     /* bytes before the stream's first: those scanned before it was given up */
	uint64_t scanned;  /* bytes in all */
};

#define MATCH_PACKED 1u

enum match_result {
	MATCH_SCANNED,
	MATCH_STOPPED,   /* the callback said so; the stream finds nothing more */
	MATCH_NO_MEMORY, /* nothing was scanned */
};

/* Open the stream, or expand it. False: no memory. */
bool match_make_ready(struct match_core *core, struct match_stream *s);

/*
 * Scan the next len bytes. on_match gets the rule's place in the rules, and offsets to which base is
 * to be added. Bounded by len and by what on_match does.
 */
static inline enum match_result match_scan(struct match_core *core, struct match_stream *s,
					   const void *data, uint32_t len,
					   match_event_handler on_match, void *arg)
{
	hs_error_t e;

	if (unlikely(!s->state || s->state & MATCH_PACKED) && !match_make_ready(core, s))
		return MATCH_NO_MEMORY;
	e = hs_scan_stream((hs_stream_t *)s->state, data, len, 0, core->scratch, on_match, arg);
	s->scanned += len;
	return likely(e == HS_SUCCESS) ? MATCH_SCANNED : MATCH_STOPPED;
}

/* The stream's end: on_match (NULL: not wanted) hears of what matches there. Frees all of it. */
void match_end(struct match_core *core, struct match_stream *s, match_event_handler on_match,
	       void *arg);

/* The connection rests: keep the stream in as few bytes as possible. */
void match_pack(struct match_core *core, struct match_stream *s);

/* The same by giving it up: what begins before now and ends later is not found. */
void match_drop(struct match_core *core, struct match_stream *s);

/*
 * Other memory of a connection, within the limit for streams and counted with them; not zeroed. NULL: no
 * memory, or the limit is reached. It is given back with its size.
 */
void *match_take(struct match_core *core, size_t size);
void match_give(struct match_core *core, void *block, size_t size);

#endif
