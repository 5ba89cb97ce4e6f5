/*
 * Streams: opened, scanned, packed, ended. The memory bound is kept here, in what the pool's blocks take
 * and not in what was asked for.
 */
#include "match/stream.h"

#include <string.h>

#include "base/compiler.h"
#include "match/pool.h"
#include "room.h"

/* The limit is the database's; bytes are the core's. Reached through the core's own copy. */
static bool may_take(const struct match_core *core, size_t bytes)
{
	return !core->memory || core->bytes + bytes <= core->memory;
}

static void took(struct match_core *core, int64_t bytes, int64_t streams)
{
	core->bytes += (uint64_t)bytes;
	core->streams += (uint64_t)streams;
}

static bool open_stream(struct match_core *core, struct match_stream *s)
{
	hs_stream_t *stream;

	if (!may_take(core, core->stream_bytes) ||
	    hs_open_stream(core->db, 0, &stream) != HS_SUCCESS) {
		core->no_memory++;
		return false;
	}
	took(core, (int64_t)core->stream_bytes, 1);
	s->base = s->scanned;
	s->state = (uintptr_t)stream;
	return true;
}

/* The compressed form begins with its own size. */
struct packed {
	uint32_t len; /* of bytes */
	char bytes[];
};

static struct packed *packed_of(const struct match_stream *s)
{
	return (struct packed *)(s->state & ~(uintptr_t)MATCH_PACKED);
}

static void free_packed(struct match_core *core, struct packed *p)
{
	match_give(core, p, sizeof(*p) + p->len);
}

static bool unpack(struct match_core *core, struct match_stream *s)
{
	struct packed *p = packed_of(s);
	hs_stream_t *stream;

	if (!may_take(core, core->stream_bytes) ||
	    hs_expand_stream(core->db, &stream, p->bytes, p->len) != HS_SUCCESS) {
		core->no_memory++;
		return false;
	}
	free_packed(core, p);
	took(core, (int64_t)core->stream_bytes, 1);
	s->state = (uintptr_t)stream;
	return true;
}

bool match_make_ready(struct match_core *core, struct match_stream *s)
{
	if (!s->state)
		return open_stream(core, s);
	return !(s->state & MATCH_PACKED) || unpack(core, s);
}

static void close_stream(struct match_core *core, struct match_stream *s,
			 match_event_handler on_match, void *arg)
{
	hs_close_stream((hs_stream_t *)s->state, on_match ? core->scratch : NULL, on_match, arg);
	took(core, -(int64_t)core->stream_bytes, -1);
	s->state = 0;
}

void match_end(struct match_core *core, struct match_stream *s, match_event_handler on_match,
	       void *arg)
{
	if (!s->state)
		return;
	if (s->state & MATCH_PACKED && (!on_match || !unpack(core, s))) {
		free_packed(core, packed_of(s));
		s->state = 0;
		return;
	}
	close_stream(core, s, on_match, arg);
}

void match_pack(struct match_core *core, struct match_stream *s)
{
	struct packed *p;
	size_t used = 0;

	if (!s->state || s->state & MATCH_PACKED)
		return;
	if (hs_compress_stream((hs_stream_t *)s->state, core->packed, core->packed_size, &used) !=
	    HS_SUCCESS)
		return;
	if (match_pool_bytes(sizeof(*p) + used) >= core->stream_bytes)
		return; /* it is small as it is */
	p = match_pool_alloc(sizeof(*p) + used);
	if (!p)
		return;
	p->len = (uint32_t)used;
	memcpy(p->bytes, core->packed, used);
	close_stream(core, s, NULL, NULL);
	took(core, (int64_t)match_pool_bytes(sizeof(*p) + used), 0);
	s->state = (uintptr_t)p | MATCH_PACKED;
}

void match_drop(struct match_core *core, struct match_stream *s)
{
	match_end(core, s, NULL, NULL);
}

void *match_take(struct match_core *core, size_t size)
{
	void *block = may_take(core, match_pool_bytes(size)) ? match_pool_alloc(size) : NULL;

	if (block)
		took(core, (int64_t)match_pool_bytes(size), 0);
	else
		core->no_memory++;
	return block;
}

void match_give(struct match_core *core, void *block, size_t size)
{
	if (!block)
		return;
	match_pool_free(block);
	took(core, -(int64_t)match_pool_bytes(size), 0);
}
