/*
 * What a match does, for the match handler: see match_conn.h.
 *
 * Nothing is sent or closed from within Hyperscan's callback. A match counts, marks, or joins a queue
 * of answers; one that decides over the connection (close, reset, then) ends the scanning at that byte
 * and is carried out by whoever called.
 */
#include <stdio.h>
#include <string.h>

#include "match_conn.h"

/* The queue is full, or cannot grow: the connection is not answered any more. */
static int overflow(struct match_pass *s)
{
	++*match_extra(s, EXTRA_OVERFLOW);
	s->m->over[DIR_IN] = s->m->over[DIR_OUT] = true;
	s->m->verdict = ACT_RESET;
	return 1;
}

static struct match_more *more(struct match_pass *s)
{
	struct match_more *p = s->m->more;

	if (likely(p))
		return p;
	p = match_take(s->core, sizeof(*p));
	if (p)
		*p = (struct match_more){0};
	return s->m->more = p;
}

static size_t queue_bytes(uint32_t room)
{
	return sizeof(struct match_queue) + room * sizeof(struct match_pending);
}

/* Room for another answer. */
static struct match_queue *queue_of(struct match_pass *s)
{
	struct match_more *p = more(s);
	struct match_queue *old = p ? p->queue : NULL, *q;
	const uint32_t room = old ? 2 * old->room : 8;

	if (!p || (old && old->n < old->room))
		return old;
	q = room > QUEUE_MAX ? NULL : match_take(s->core, queue_bytes(room));
	if (!q)
		return NULL;
	*q = (struct match_queue){.room = room};
	if (old) {
		q->n = old->n;
		q->at = old->at;
		q->sent = old->sent;
		memcpy(q->e, old->e, old->n * sizeof(q->e[0]));
		match_give(s->core, old, queue_bytes(old->room));
	}
	return p->queue = q;
}

static int enqueue(struct match_pass *s, uint32_t rule, uint64_t to)
{
	struct match_queue *q;

	if (s->m->ending)
		return 0;
	q = queue_of(s);
	if (!q)
		return overflow(s);
	q->e[q->n++] = (struct match_pending){rule, to};
	return 0;
}

static void mark(struct match_pass *s, uint8_t tag)
{
	if (s->m->tags >> tag & 1)
		return;
	s->m->tags |= 1ull << tag;
	++*match_extra(s, EXTRA_TAGS + tag);
}

static int act(struct match_pass *s, uint32_t rule, uint64_t to)
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
static bool within(struct match_pass *s, const struct match_rule_act *a)
{
	const size_t size = s->set->n_slots * sizeof(uint32_t);
	struct match_more *p = more(s);

	if (p && !p->slots) {
		p->slots = match_take(s->core, size);
		if (p->slots)
			memset(p->slots, 0, size);
	}
	if (!p || !p->slots || p->slots[a->slot] >= a->max)
		return false;
	p->slots[a->slot]++;
	return true;
}

static size_t late_bytes(uint32_t room)
{
	return sizeof(struct match_late) + room * sizeof(((struct match_late *)NULL)->e[0]);
}

/* Room for another; those before to, which were reported in order, cannot come again. */
static struct match_late *late_of(struct match_pass *s, uint64_t to)
{
	struct match_more *p = more(s);
	struct match_late *l = p ? p->late : NULL, *old = l;
	uint32_t n = 0;

	for (uint32_t i = 0; l && i < l->n; i++)
		if (l->e[i].dir != s->dir || l->e[i].to >= min_of(to, s->end - 1))
			l->e[n++] = l->e[i];
	if (l)
		l->n = n;
	if (!p || (l && n < l->room))
		return l;
	l = match_take(s->core, late_bytes(n ? 2 * n : 4));
	if (!l)
		return NULL;
	l->n = n;
	l->room = n ? 2 * n : 4;
	if (old) {
		memcpy(l->e, old->e, n * sizeof(l->e[0]));
		match_give(s->core, old, late_bytes(old->room));
	}
	return p->late = l;
}

/*
 * A rule that looks ahead matches before the bytes of this scan, or at the end of data: it may have matched
 * there already, in another way. Hyperscan knows within one scan only. Without memory it is told twice.
 */
static bool known(struct match_pass *s, uint32_t rule, uint64_t to)
{
	struct match_late *l = s->m->more ? s->m->more->late : NULL;

	for (uint32_t i = 0; l && to <= s->start && i < l->n; i++)
		if (l->e[i].rule == rule && l->e[i].to == to && l->e[i].dir == s->dir)
			return true;
	if (to + 1 < s->end || s->start == s->end)
		return false;
	l = late_of(s, to);
	if (!l)
		return false;
	l->e[l->n].to = to;
	l->e[l->n].rule = rule;
	l->e[l->n++].dir = (uint8_t)s->dir;
	return false;
}

int match_found(unsigned int rule, unsigned long long from, unsigned long long to,
		unsigned int flags, void *arg)
{
	struct match_pass *s = arg;
	const struct match_rule_act *a = &s->set->act[rule];
	struct match_conn *m = s->m;

	/* Before anything else, so that rules whose matches do not count are bounded too. */
	if (unlikely(++s->matches >= s->set->matches_turn)) {
		++*match_extra(s, EXTRA_STOPPED);
		m->over[s->dir] = true;
		return 1;
	}
	to += s->base;
	if (!(a->dirs >> s->dir & 1) || (a->depth && to > a->depth))
		return 0;
	if ((unlikely(a->looks_ahead) && known(s, rule, to)) || (a->max && !within(s, a)))
		return 0;
	s->core->count[rule]++;
	if (act(s, rule, to))
		return 1;
	if (unlikely(s->set->max_matches && ++m->matches >= s->set->max_matches)) {
		m->over[DIR_IN] = m->over[DIR_OUT] = true;
		return 1;
	}
	return 0;
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
	struct match_queue *q = match_waits(m) ? m->more->queue : NULL;

	while (q && q->at < q->n) {
		const struct match_pending *p = &q->e[q->at];
		bool fixed = set->act[p->rule].action == ACT_ANSWER;
		const struct match_body *b = fixed ? set->bodies + set->act[p->rule].body : NULL;
		char line[48];
		size_t len = fixed ? b->len : report(set, p, line, sizeof(line));

		q->sent += match_emit(c, m, (fixed ? b->text : line) + q->sent, len - q->sent, fixed);
		if (q->sent < len)
			return false;
		q->sent = 0;
		q->at++;
	}
	if (q) {
		match_give(match_core(set->db), q, queue_bytes(q->room));
		m->more->queue = NULL;
	}
	return true;
}

void match_release(const struct pier_conn *c, struct match_conn *m)
{
	const struct match_settings *set = c->settings;
	struct match_more *p = m->more;
	struct match_core *core;

	if (!p && !m->stream[DIR_IN].state && !m->stream[DIR_OUT].state)
		return;
	core = match_core(set->db);
	match_drop(core, &m->stream[DIR_IN]);
	match_drop(core, &m->stream[DIR_OUT]);
	if (!p)
		return;
	if (p->queue)
		match_give(core, p->queue, queue_bytes(p->queue->room));
	if (p->late)
		match_give(core, p->late, late_bytes(p->late->room));
	match_give(core, p->slots, set->n_slots * sizeof(uint32_t));
	match_give(core, p, sizeof(*p));
	m->more = NULL;
}
