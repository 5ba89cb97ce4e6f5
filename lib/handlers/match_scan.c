/*
 * Scanning for the match handler: see match_conn.h. What a match does is in match_act.c.
 *
 * Bounds keep one turn of the loop short whatever comes. A core scans at most scan-turn bytes in a turn,
 * and for scan-time at most; the rest waits for the next. A connection whose matches in one scan
 * reach matches-turn is not scanned any further. What a rule set costs is not known before: by the
 * most that bytes have cost lately, what is scanned at a time is kept small enough for the time that
 * is left, so that scan-time is passed by what cost more than any before, once.
 */
#include "match/clock.h"
#include "match_conn.h"

#define NOBODY UINT64_MAX
#define LOOK   1024u /* bytes after which the clock is read */
#define LEAST  256u  /* bytes scanned at a time, however dear they are */
#define CHEAP  (100ull * LOOK) /* ticks for LOOK bytes: less is not believed to last */

/*
 * What this core has scanned in this turn. A turn ends when time has moved, or when the connection comes
 * again that was the first to wait: each has its turn once in a pass over those with news.
 */
static __thread struct {
	uint64_t now, bytes, matches, first;
	uint64_t read, deadline; /* ticks: when the clock was read, and until when to scan; 0: not read */
	uint32_t unread;         /* bytes scanned since */
} turn;

static __thread uint64_t cost = CHEAP; /* ticks for LOOK bytes: the most, which fades */

void match_turn_begin(const struct pier_conn *c)
{
	if (turn.now == c->now && turn.first != c->id)
		return;
	turn.now = c->now;
	turn.bytes = turn.matches = turn.deadline = 0;
	turn.unread = 0;
	turn.first = NOBODY;
}

/* Of len bytes those for which the time will do; LEAST when it is over. */
static uint64_t in_time(const struct match_settings *set, uint64_t len)
{
	uint64_t left;

	if (!set->scan_ticks)
		return len;
	if (unlikely(!turn.deadline)) {
		turn.read = match_ticks();
		turn.deadline = turn.read + set->scan_ticks;
	}
	left = turn.read < turn.deadline ? turn.deadline - turn.read : 0;
	if (likely(cost * len <= left * LOOK))
		return len;
	left = max_of(left * LOOK / cost, (uint64_t)LEAST);
	return min_of(len, left);
}

static bool time_is_over(void)
{
	return turn.deadline && turn.read >= turn.deadline;
}

static void look_at_clock(const struct match_settings *set, uint32_t scanned)
{
	uint64_t then = turn.read, each;

	turn.unread += scanned;
	if (turn.unread < LOOK || !set->scan_ticks)
		return;
	turn.read = match_ticks();
	each = (turn.read - then) * LOOK;
	if (unlikely(each > cost * turn.unread))
		cost = each / turn.unread;
	else if (unlikely(cost > CHEAP))
		cost = max_of(cost - cost / 64, (uint64_t)CHEAP);
	turn.unread = 0;
}

static uint64_t room(const struct match_settings *set)
{
	if (turn.matches >= set->matches_turn || time_is_over())
		return 0;
	return turn.bytes < set->scan_turn ? set->scan_turn - turn.bytes : 0;
}

/* The connection waits for its next turn. */
static void wait_turn(const struct pier_conn *c)
{
	if (turn.first == NOBODY)
		turn.first = c->id;
}

uint64_t match_turn_room(const struct pier_conn *c)
{
	const uint64_t bytes = room(c->settings);

	if (bytes)
		return in_time(c->settings, bytes);
	wait_turn(c);
	return 0;
}

/* How many bytes to scan at a time; what was sent cannot wait. 0: the rest waits. */
static uint32_t allowed(struct pier_conn *c, struct match_pass *s, uint64_t scanned, uint32_t len)
{
	uint64_t n = len;

	if (s->set->depth)
		n = min_of(n, s->set->depth - scanned);
	if (likely(s->dir == DIR_IN))
		n = min_of(n, room(s->set));
	if (likely(n))
		return (uint32_t)in_time(s->set, n);
	++*match_extra(s, EXTRA_DEFERRED);
	wait_turn(c);
	return 0;
}

/* One slice, or a part of it. Returns the bytes that were scanned. */
static uint32_t scan(struct pier_conn *c, struct match_pass *s, const char *data, uint32_t len)
{
	struct match_stream *stream = &s->m->stream[s->dir];
	uint32_t done = 0, n;

	do {
		n = allowed(c, s, stream->scanned, len - done);
		if (!n)
			break;
		s->start = stream->scanned;
		s->end = s->start + n;
		s->matches = 0;
		if (unlikely(match_scan(s->core, stream, data + done, n, match_found, s) ==
			     MATCH_NO_MEMORY)) {
			++*match_extra(s, EXTRA_SKIPPED);
			s->m->over[s->dir] = true;
		}
		done += n;
		turn.bytes += n;
		turn.matches += s->matches;
		look_at_clock(s->set, n);
		if (unlikely(s->set->depth && stream->scanned >= s->set->depth))
			s->m->over[s->dir] = true;
	} while (unlikely(done < len) && !s->m->over[s->dir]);
	return done;
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
