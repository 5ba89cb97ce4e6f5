/*
 * Streams: opened, scanned, packed, ended. The memory bound is kept here: hs_open_stream takes
 * stream_size and a small head from the pool.
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

	if (!may_take(core, core->stream_size) ||
	    hs_open_stream(core->db, 0, &stream) != HS_SUCCESS) {
		core->no_memory++;
		return false;
	}
	took(core, (int64_t)core->stream_size, 1);
	s->base = s->scanned;
	s->state = stream;
	return true;
}

static bool unpack(struct match_core *core, struct match_stream *s)
{
	hs_stream_t *stream;

	if (!may_take(core, core->stream_size) ||
	    hs_expand_stream(core->db, &stream, s->state, s->packed) != HS_SUCCESS) {
		core->no_memory++;
		return false;
	}
	match_pool_free(s->state);
	took(core, (int64_t)core->stream_size - s->packed, 1);
	s->state = stream;
	s->packed = 0;
	return true;
}

static bool ready(struct match_core *core, struct match_stream *s)
{
	if (likely(s->state && !s->packed))
		return true;
	return s->state ? unpack(core, s) : open_stream(core, s);
}

enum match_result match_scan(struct match_core *core, struct match_stream *s, const void *data,
			     uint32_t len, match_event_handler on_match, void *arg)
{
	hs_error_t e;

	if (!ready(core, s))
		return MATCH_NO_MEMORY;
	e = hs_scan_stream(s->state, data, len, 0, core->scratch, on_match, arg);
	s->scanned += len;
	return e == HS_SUCCESS ? MATCH_SCANNED : MATCH_STOPPED;
}

static void close_stream(struct match_core *core, struct match_stream *s,
			 match_event_handler on_match, void *arg)
{
	hs_close_stream(s->state, on_match ? core->scratch : NULL, on_match, arg);
	took(core, -(int64_t)core->stream_size, -1);
	s->state = NULL;
}

void match_end(struct match_core *core, struct match_stream *s, match_event_handler on_match,
	       void *arg)
{
	if (!s->state)
		return;
	if (s->packed && (!on_match || !unpack(core, s))) {
		match_pool_free(s->state);
		took(core, -(int64_t)s->packed, 0);
		s->packed = 0;
		s->state = NULL;
		return;
	}
	close_stream(core, s, on_match, arg);
}

void match_pack(struct match_core *core, struct match_stream *s)
{
	size_t used = 0;
	void *packed;

	if (!s->state || s->packed)
		return;
	if (hs_compress_stream(s->state, core->packed, core->packed_size, &used) != HS_SUCCESS)
		return;
	packed = match_pool_alloc(used);
	if (!packed)
		return;
	memcpy(packed, core->packed, used);
	close_stream(core, s, NULL, NULL);
	took(core, (int64_t)used, 0);
	s->state = packed;
	s->packed = (uint32_t)used;
}

void match_drop(struct match_core *core, struct match_stream *s)
{
	match_end(core, s, NULL, NULL);
}
