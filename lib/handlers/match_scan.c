/*
 * Scanning for the match handler: see match_conn.h. What a match does is in match_act.c.
 *
 * Two bounds keep one turn of the loop short whatever comes: a core scans at most scan-turn bytes in a
 * turn, the rest waits for the next, and a connection whose matches in one scan reach matches-turn is
 * not scanned any further.
 */
#include "match_conn.h"

#define NOBODY UINT64_MAX

/*
 * What this core has scanned in this turn. A turn ends when time has moved, or when the connection comes
 * again that was the first to wait: each has its turn once in a pass over those with news.
 */
static __thread struct {
	uint64_t now, bytes, matches, first;
} turn;

void match_turn_begin(const struct pier_conn *c)
{
	if (turn.now == c->now && turn.first != c->id)
		return;
	turn.now = c->now;
	turn.bytes = turn.matches = 0;
	turn.first = NOBODY;
}

uint64_t match_turn_room(const struct pier_conn *c)
{
	const struct match_settings *set = c->settings;

	if (turn.matches >= set->matches_turn)
		return 0;
	return turn.bytes < set->scan_turn ? set->scan_turn - turn.bytes : 0;
}

/* Not more than waits for nothing: the depth, and what is left of the turn. */
static uint32_t allowed(struct pier_conn *c, struct match_pass *s, uint64_t scanned, uint32_t len)
{
	const uint64_t depth = s->set->depth, room = match_turn_room(c);

	if (depth)
		len = (uint32_t)min_of((uint64_t)len, depth - scanned);
	if (likely(room >= len))
		return len;
	++*match_extra(s, EXTRA_DEFERRED);
	if (turn.first == NOBODY)
		turn.first = c->id;
	return (uint32_t)room;
}

/* One slice, or a part of it. Returns the bytes that were scanned. */
static uint32_t scan(struct pier_conn *c, struct match_pass *s, const char *data, uint32_t len)
{
	struct match_stream *stream = &s->m->stream[s->dir];
	const uint32_t n = allowed(c, s, stream->scanned, len);

	if (likely(n)) {
		s->start = stream->scanned;
		s->end = s->start + n;
		s->matches = 0;
		if (unlikely(match_scan(s->core, stream, data, n, match_found, s) == MATCH_NO_MEMORY)) {
			++*match_extra(s, EXTRA_SKIPPED);
			s->m->over[s->dir] = true;
		}
		turn.bytes += n;
		turn.matches += s->matches;
	}
	if (unlikely(s->set->depth && stream->scanned >= s->set->depth))
		s->m->over[s->dir] = true;
	return n;
}

static size_t total(const struct pier_slice *s, unsigned int n)
{
	size_t sum = 0;

	for (unsigned int i = 0; i < n; i++)
		sum += s[i].len;
	return sum;
}

/* Not to be scanned any more: its stream is of no use. */
static size_t retire(struct match_pass *p, const struct pier_slice *s, unsigned int n)
{
	p->m->over[p->dir] = true;
	if (p->core)
		match_end(p->core, &p->m->stream[p->dir], NULL, NULL);
	return total(s, n);
}

size_t match_look(struct pier_conn *c, struct match_conn *m, enum match_dir dir,
		  const struct pier_slice *s, unsigned int n, size_t skip)
{
	const struct match_settings *set = c->settings;
	struct match_pass p = {.set = set, .m = m, .dir = dir};
	size_t at = 0;

	if (m->over[dir] || !match_looks(set, dir))
		return total(s, n);
	p.core = match_core(set->db);
	if (unlikely(!p.core))
		return retire(&p, s, n);
	p.base = m->stream[dir].state ? m->stream[dir].base : m->stream[dir].scanned;
	m->used_at = c->now;
	for (unsigned int i = 0; i < n; at += s[i++].len) {
		const uint32_t from = skip > at ? (uint32_t)(skip - at) : 0;
		uint32_t took;

		if (from >= s[i].len)
			continue;
		took = scan(c, &p, (const char *)s[i].data + from, s[i].len - from);
		if (unlikely(m->over[dir]))
			return retire(&p, s, n);
		if (from + took < s[i].len || unlikely(match_waits(m)))
			return at + from + took;
	}
	return at;
}

void match_look_end(struct pier_conn *c, struct match_conn *m, enum match_dir dir)
{
	const struct match_settings *set = c->settings;
	struct match_stream *stream = &m->stream[dir];
	struct match_pass s = {.set = set, .m = m, .dir = dir};

	if (m->over[dir] || !stream->state)
		return;
	m->over[dir] = true;
	s.core = match_core(set->db);
	s.base = stream->base;
	s.start = s.end = stream->scanned;
	match_end(s.core, stream, match_found, &s);
	turn.matches += s.matches;
}

size_t match_emit(struct pier_conn *c, struct match_conn *m, const void *data, size_t len, bool fixed)
{
	const struct match_settings *set = c->settings;
	size_t want = len, n;

	if (match_looks(set, DIR_OUT) && !m->over[DIR_OUT])
		want = min_of(len, (size_t)match_turn_room(c));
	n = fixed ? pier_send_static(c, data, want) : pier_send(c, data, want);
	if (n)
		match_look(c, m, DIR_OUT, &(struct pier_slice){data, (uint32_t)n, NULL}, 1, 0);
	if (n == want && want < len)
		pier_want_writable(c);
	return n;
}
