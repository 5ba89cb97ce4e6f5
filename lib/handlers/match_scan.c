/*
 * Scanning for the match handler, and what a match does: see match_conn.h.
 *
 * Nothing is sent or closed from within Hyperscan's callback. A match counts, marks, or joins a queue
 * of answers; one that decides over the connection (close, reset, then) ends the scanning at that byte
 * and is carried out by whoever called.
 *
 * Two bounds keep one turn of the loop short whatever comes: a core scans at most scan-turn bytes in a
 * turn, the rest waits for the next, and a connection whose matches in one scan reach matches-turn is
 * not scanned any further.
 */
#include <stdio.h>
#include <string.h>

#include "match/pool.h"
#include "match_conn.h"

#define NOBODY UINT64_MAX

/*
 * What this core has scanned in this turn. A turn ends when time has moved, or when the connection comes
 * again that was the first to wait: each has its turn once in a pass over those with news.
 */
static __thread struct {
	uint64_t now, bytes, matches, first;
} turn;

/* One call of Hyperscan. */
struct scan {
	const struct match_settings *set;
	struct match_core *core;
	struct match_conn *m;
	uint64_t base;
	uint32_t matches;
	enum match_dir dir;
};

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

static uint64_t *extra(const struct scan *s, unsigned int which)
{
	return &s->core->count[s->set->db->rules.n + which];
}

/* The queue is full, or cannot grow: the connection is not answered any more. */
static int overflow(struct scan *s)
{
	++*extra(s, EXTRA_OVERFLOW);
	s->m->over[DIR_IN] = s->m->over[DIR_OUT] = true;
	s->m->verdict = ACT_RESET;
	return 1;
}

static bool queue_grow(struct match_conn *m)
{
	struct match_queue *old = m->queue, *q;
	uint32_t room = old ? 2 * old->room : 8;

	q = room > QUEUE_MAX ? NULL : match_pool_alloc(sizeof(*q) + room * sizeof(q->e[0]));
	if (!q)
		return false;
	*q = (struct match_queue){.room = room};
	if (old) {
		q->n = old->n;
		q->at = old->at;
		q->sent = old->sent;
		memcpy(q->e, old->e, old->n * sizeof(q->e[0]));
		match_pool_free(old);
	}
	m->queue = q;
	return true;
}

static int enqueue(struct scan *s, uint32_t rule, uint64_t to)
{
	struct match_conn *m = s->m;

	if (m->ending)
		return 0;
	if ((!m->queue || m->queue->n == m->queue->room) && !queue_grow(m))
		return overflow(s);
	m->queue->e[m->queue->n++] = (struct match_pending){rule, to};
	return 0;
}

static void mark(struct scan *s, uint8_t tag)
{
	if (s->m->tags >> tag & 1)
		return;
	s->m->tags |= 1ull << tag;
	++*extra(s, EXTRA_TAGS + tag);
}

static int act(struct scan *s, uint32_t rule, uint64_t to)
{
	const struct match_rule_act *a = &s->set->act[rule];

	switch ((enum match_action)a->action) {
	case ACT_COUNT:
		return 0;
	case ACT_TAG:
		mark(s, a->tag);
		return 0;
	case ACT_REPORT:
	case ACT_ANSWER:
		return s->m->phase == PHASE_INNER || s->dir == DIR_OUT ? 0 : enqueue(s, rule, to);
	case ACT_THEN:
		if (s->dir == DIR_OUT || s->m->phase == PHASE_INNER)
			return 0;
		break;
	case ACT_CLOSE:
	case ACT_RESET:
		break;
	}
	s->m->verdict = a->action;
	s->m->verdict_at = to;
	s->m->over[DIR_IN] = s->m->over[DIR_OUT] = true;
	return 1;
}

/* Whether a rule that has bounds on each connection may match once more. */
static bool within(struct scan *s, const struct match_rule_act *a)
{
	struct match_conn *m = s->m;

	if (!a->max)
		return true;
	if (!m->slots) {
		m->slots = match_pool_alloc(s->set->n_slots * sizeof(*m->slots));
		if (!m->slots)
			return false;
		memset(m->slots, 0, s->set->n_slots * sizeof(*m->slots));
	}
	if (m->slots[a->slot] >= a->max)
		return false;
	m->slots[a->slot]++;
	return true;
}

static int on_match(unsigned int rule, unsigned long long from, unsigned long long to,
		    unsigned int flags, void *arg)
{
	struct scan *s = arg;
	const struct match_rule_act *a = &s->set->act[rule];
	struct match_conn *m = s->m;

	/* Before anything else, so that rules whose matches do not count are bounded too. */
	if (unlikely(++s->matches >= s->set->matches_turn)) {
		++*extra(s, EXTRA_STOPPED);
		m->over[s->dir] = true;
		return 1;
	}
	to += s->base;
	if (!(a->dirs >> s->dir & 1) || (a->depth && to > a->depth) || !within(s, a))
		return 0;
	s->core->count[rule]++;
	m->matches++;
	if (act(s, rule, to))
		return 1;
	if (unlikely(s->set->max_matches && m->matches >= s->set->max_matches)) {
		m->over[DIR_IN] = m->over[DIR_OUT] = true;
		return 1;
	}
	return 0;
}

static void scan(struct scan *s, const void *data, uint32_t len)
{
	struct match_stream *stream = &s->m->stream[s->dir];
	enum match_result r;

	s->base = stream->state ? stream->base : stream->scanned;
	r = match_scan(s->core, stream, data, len, on_match, s);
	turn.bytes += len;
	turn.matches += s->matches;
	if (r == MATCH_NO_MEMORY) {
		++*extra(s, EXTRA_SKIPPED);
		s->m->over[s->dir] = true;
	}
}

/* Not to be scanned any more: its stream is of no use. */
static void retire(struct scan *s)
{
	match_end(s->core, &s->m->stream[s->dir], NULL, NULL);
}

uint32_t match_look(struct pier_conn *c, struct match_conn *m, enum match_dir dir, const void *data,
		    uint32_t len)
{
	const struct match_settings *set = c->settings;
	struct scan s = {.set = set, .m = m, .dir = dir};
	struct match_stream *stream = &m->stream[dir];
	uint32_t n = len;

	if (m->over[dir] || !match_looks(set, dir) || !len)
		return len;
	s.core = match_core(set->db);
	if (!s.core) {
		m->over[dir] = true;
		return len;
	}
	if (set->depth)
		n = (uint32_t)min_of((uint64_t)n, set->depth - stream->scanned);
	if (match_turn_room(c) < n)
		n = (uint32_t)match_turn_room(c);
	if (n < len && (!set->depth || stream->scanned + n < set->depth)) {
		++*extra(&s, EXTRA_DEFERRED);
		if (turn.first == NOBODY)
			turn.first = c->id;
	}
	m->used_at = c->now;
	if (n)
		scan(&s, data, n);
	if (set->depth && stream->scanned >= set->depth)
		m->over[dir] = true;
	if (!m->over[dir])
		return n;
	retire(&s);
	return len;
}

void match_look_end(struct pier_conn *c, struct match_conn *m, enum match_dir dir)
{
	const struct match_settings *set = c->settings;
	struct scan s = {.set = set, .m = m, .dir = dir};

	if (m->over[dir] || !m->stream[dir].state)
		return;
	m->over[dir] = true;
	s.core = match_core(set->db);
	s.base = m->stream[dir].base;
	match_end(s.core, &m->stream[dir], on_match, &s);
}

size_t match_emit(struct pier_conn *c, struct match_conn *m, const void *data, size_t len, bool fixed)
{
	const struct match_settings *set = c->settings;
	size_t want = len, n;

	if (match_looks(set, DIR_OUT) && !m->over[DIR_OUT])
		want = min_of(len, (size_t)match_turn_room(c));
	n = fixed ? pier_send_static(c, data, want) : pier_send(c, data, want);
	if (n)
		match_look(c, m, DIR_OUT, data, (uint32_t)n);
	if (n == want && want < len)
		pier_want_writable(c);
	return n;
}

/* "ID OFFSET" and a line feed. */
static size_t report(const struct match_settings *set, const struct match_pending *p, char *to,
		     size_t len)
{
	return (size_t)snprintf(to, len, "%u %llu\n", set->db->rules.rule[p->rule].id,
				(unsigned long long)p->to);
}

bool match_flush(struct pier_conn *c, struct match_conn *m)
{
	const struct match_settings *set = c->settings;
	struct match_queue *q = m->queue;

	while (q && q->at < q->n) {
		const struct match_pending *p = &q->e[q->at];
		const struct match_body *b = &set->bodies[set->act[p->rule].body];
		bool fixed = set->act[p->rule].action == ACT_ANSWER;
		char line[48];
		size_t len = fixed ? b->len : report(set, p, line, sizeof(line));

		q->sent += match_emit(c, m, (fixed ? b->text : line) + q->sent, len - q->sent, fixed);
		if (q->sent < len)
			return false;
		q->sent = 0;
		q->at++;
	}
	match_pool_free(q);
	m->queue = NULL;
	return true;
}
