/*
 * Regular expressions over the stream, by Hyperscan: rules with actions, alone or in front of another
 * handler.
 *
 * The stream is scanned slice by slice where it lies, as it comes; a pattern may be spread over any
 * number of segments. Bytes are scanned once, then go to whoever serves: match itself, which throws
 * them away or echoes them, or the handler named by then. What could not be scanned in this turn stays
 * unconsumed, so it closes the window, and is scanned in the next.
 *
 * A stream's state exists from the first byte on. When nothing came for rest-after, it is compressed or
 * given up. Where a handler may take over from the stream's start, bytes are left unconsumed until a
 * rule has decided, for HOLD_MAX bytes or then-wait at most.
 */
#include "match_conn.h"

static const struct match_settings *settings(const struct pier_conn *c)
{
	return c->settings;
}

static void gone(struct pier_conn *c, struct match_conn *m)
{
	m->phase = PHASE_GONE;
	pier_close(c);
}

/* FIN goes, and what comes is read until the peer's: a RST would overtake the answer. */
static void linger(struct pier_conn *c, struct match_conn *m)
{
	if (m->eof) {
		gone(c, m);
		return;
	}
	m->phase = PHASE_LINGER;
	pier_shutdown(c);
	m->hold_until = c->now + LINGER_US;
	match_arm(c, m);
}

/* Carry out what a rule decided. Returns whether the connection goes on as before. */
static bool settle(struct pier_conn *c, struct match_conn *m)
{
	const uint8_t verdict = m->verdict;

	if (likely(!verdict))
		return true;
	m->verdict = 0;
	if (verdict == ACT_RESET || (verdict == ACT_THEN && !match_inner_open(c, m))) {
		m->phase = PHASE_GONE;
		pier_abort(c);
	} else if (verdict == ACT_CLOSE) {
		linger(c, m);
	}
	return verdict == ACT_THEN;
}

void match_arm(struct pier_conn *c, struct match_conn *m)
{
	const struct match_settings *set = settings(c);
	uint64_t due = UINT64_MAX;

	if (m->phase == PHASE_INNER && m->inner->due)
		due = m->inner->due;
	if (m->phase == PHASE_HOLD || m->phase == PHASE_LINGER)
		due = min_of(due, m->hold_until);
	if (set->rest != REST_KEEP && m->armed)
		due = min_of(due, m->used_at + set->rest_after);
	if (due == UINT64_MAX)
		pier_set_timer(c, 0);
	else
		pier_set_timer(c, due > c->now ? due - c->now : 1);
}

/* One timer does for any number of scans: it looks when the last one was. */
static void expect_rest(struct pier_conn *c, struct match_conn *m)
{
	if (m->armed || (!m->stream[DIR_IN].state && !m->stream[DIR_OUT].state))
		return;
	m->armed = true;
	match_arm(c, m);
}

static void rest(struct pier_conn *c, struct match_conn *m)
{
	const struct match_settings *set = settings(c);
	struct match_core *core = match_core(set->db);

	m->armed = false;
	for (int dir = DIR_IN; core && dir <= DIR_OUT; dir++) {
		if (set->rest == REST_COMPRESS)
			match_pack(core, &m->stream[dir]);
		else if (set->rest == REST_DROP)
			match_drop(core, &m->stream[dir]);
	}
}

static void match_open(struct pier_conn *c)
{
	const struct match_settings *set = settings(c);
	struct match_conn *m = c->ctx;

	match_turn_begin(c);
	m->used_at = c->now;
	if (m->inner || (set->inner && set->then_from == FROM_OPEN)) {
		if (!match_inner_open(c, m)) {
			m->phase = PHASE_GONE;
			pier_abort(c);
			return;
		}
		settle(c, m);
		expect_rest(c, m);
	} else if (set->inner && set->then_from == FROM_START) {
		m->phase = PHASE_HOLD;
		m->hold_until = c->now + set->then_wait;
		match_arm(c, m);
	}
}

/* The first len bytes of the slices, as slices; returns how many those are. */
static unsigned int cut(const struct pier_slice *s, unsigned int n, size_t from, size_t to,
			struct pier_slice *out)
{
	unsigned int k = 0;
	size_t at = 0;

	for (unsigned int i = 0; i < n && at < to; at += s[i++].len) {
		size_t skip = from > at ? from - at : 0;
		size_t len = min_of((size_t)s[i].len, to - at);

		if (skip < len)
			out[k++] = (struct pier_slice){(const char *)s[i].data + skip,
						       (uint32_t)(len - skip), s[i].owner};
	}
	return k;
}

#define SLICES 64 /* handed on at a time */

static size_t to_inner(struct pier_conn *c, struct match_conn *m, const struct pier_slice *s,
		       unsigned int n, size_t from, size_t to)
{
	const struct pier_handler *h = settings(c)->inner;
	struct pier_conn w = match_wrap(c, m->inner);
	struct pier_slice part[SLICES];
	unsigned int k = cut(s, min_of(n, (unsigned int)SLICES), from, to, part);
	size_t shown = 0, used;

	for (unsigned int i = 0; i < k; i++)
		shown += part[i].len;
	if (!shown)
		return from;
	used = h->data ? min_of(h->data(&w, part, k), shown) : shown;
	if (used == shown && from + used < to)
		pier_resume(c);
	settle(c, m);
	return from + used;
}

/* match itself: what was scanned is read. */
static size_t to_self(struct pier_conn *c, struct match_conn *m, const struct pier_slice *s,
		      unsigned int n, size_t to)
{
	struct pier_slice part[SLICES];
	size_t done = 0, took;
	unsigned int k;

	if (settings(c)->reply == REPLY_NOTHING)
		return to;
	k = cut(s, min_of(n, (unsigned int)SLICES), 0, to, part);
	for (unsigned int i = 0; i < k; i++) {
		if (!match_looks(settings(c), DIR_OUT))
			took = pier_send_slices(c, &part[i], 1);
		else
			took = match_emit(c, m, part[i].data, part[i].len, false);
		done += took;
		if (took < part[i].len)
			break;
	}
	return done;
}

/* Give the first to bytes, scanned, to whoever serves. Returns the bytes that are consumed. */
static size_t serve(struct pier_conn *c, struct match_conn *m, const struct pier_slice *s,
		    unsigned int n, size_t to, size_t total)
{
	size_t from = 0;

	if (m->phase == PHASE_HOLD && !m->over[DIR_IN] && to < HOLD_MAX && !m->verdict) {
		match_flush(c, m);
		return 0;
	}
	if (m->verdict == ACT_THEN && settings(c)->then_from == FROM_MATCH)
		from = m->verdict_at > m->consumed ? (size_t)(m->verdict_at - m->consumed) : 0;
	if (m->phase == PHASE_HOLD)
		m->phase = PHASE_PLAIN;
	if (m->verdict && m->verdict != ACT_RESET && !match_flush(c, m))
		return m->verdict == ACT_THEN ? from : total; /* the answers before it first */
	settle(c, m);
	if (m->phase == PHASE_INNER)
		return to_inner(c, m, s, n, from, to);
	if (m->phase != PHASE_PLAIN)
		return total;
	to = to_self(c, m, s, n, to);
	match_flush(c, m);
	settle(c, m);
	return to;
}

static size_t match_data(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	struct match_conn *m = c->ctx;
	size_t total = 0, looked, used;

	match_turn_begin(c);
	for (unsigned int i = 0; i < n; i++)
		total += s[i].len;
	if (m->phase >= PHASE_LINGER)
		return total;
	if (match_waits(m) && !match_flush(c, m))
		return 0; /* the peer does not read its answers */
	looked = m->over[DIR_IN] ? total : match_look(c, m, DIR_IN, s, n, m->ahead);
	used = serve(c, m, s, n, looked, total);
	if (m->phase < PHASE_LINGER) {
		m->consumed += used;
		m->ahead = (uint32_t)(looked > used ? looked - used : 0);
		if (looked < total && !match_waits(m))
			pier_resume(c);
	}
	expect_rest(c, m);
	return used;
}

static void match_writable(struct pier_conn *c, size_t room)
{
	const struct pier_handler *h = settings(c)->inner;
	struct match_conn *m = c->ctx;
	struct pier_conn w;

	match_turn_begin(c);
	if (m->phase == PHASE_INNER) {
		w = match_wrap(c, m->inner);
		if (h->writable)
			h->writable(&w, room);
		settle(c, m);
		expect_rest(c, m);
		return;
	}
	if (m->phase >= PHASE_LINGER || !match_flush(c, m) || !settle(c, m))
		return;
	if (m->eof)
		gone(c, m);
	else
		pier_resume(c);
}

static void inner_eof(struct pier_conn *c, struct match_conn *m)
{
	const struct pier_handler *h = settings(c)->inner;
	struct pier_conn w = match_wrap(c, m->inner);

	if (h->eof)
		h->eof(&w);
	else
		pier_close(&w);
	settle(c, m);
}

static void match_eof(struct pier_conn *c)
{
	struct match_conn *m = c->ctx;

	match_turn_begin(c);
	m->eof = true;
	match_look_end(c, m, DIR_IN);
	if (m->phase == PHASE_GONE)
		return;
	if (m->verdict && !settle(c, m))
		return;
	if (m->phase == PHASE_INNER)
		inner_eof(c, m);
	else if (match_flush(c, m))
		gone(c, m);
}

static void match_timer(struct pier_conn *c)
{
	const struct match_settings *set = settings(c);
	struct match_conn *m = c->ctx;
	struct pier_conn w;

	match_turn_begin(c);
	if (m->phase == PHASE_LINGER && m->hold_until <= c->now) {
		gone(c, m);
		return;
	}
	if (m->phase == PHASE_HOLD && m->hold_until <= c->now) {
		m->phase = PHASE_PLAIN;
		pier_resume(c);
	}
	if (m->armed && m->used_at + set->rest_after <= c->now)
		rest(c, m);
	if (m->phase == PHASE_INNER && m->inner->due && m->inner->due <= c->now) {
		m->inner->due = 0;
		w = match_wrap(c, m->inner);
		if (set->inner->timer)
			set->inner->timer(&w);
		settle(c, m);
		expect_rest(c, m);
	}
	if (m->phase != PHASE_GONE)
		match_arm(c, m);
}

static void match_urgent(struct pier_conn *c)
{
	const struct pier_handler *h = settings(c)->inner;
	struct match_conn *m = c->ctx;
	struct pier_conn w;

	if (m->phase != PHASE_INNER || !h->urgent)
		return;
	w = match_wrap(c, m->inner);
	h->urgent(&w);
}

static void match_trouble(struct pier_conn *c, enum pier_trouble what)
{
	const struct pier_handler *h = settings(c)->inner;
	struct match_conn *m = c->ctx;
	struct pier_conn w;

	if (m->phase != PHASE_INNER || !m->inner || !h->trouble)
		return;
	w = match_wrap(c, m->inner);
	h->trouble(&w, what);
}

static void match_close(struct pier_conn *c, enum pier_close_reason why)
{
	struct match_conn *m = c->ctx;

	match_turn_begin(c);
	m->ending = true;
	if (why == PIER_CLOSE_NORMAL)
		match_look_end(c, m, DIR_OUT);
	match_inner_close(c, m, why);
	match_release(c, m);
}

static bool match_drain(struct pier_conn *c)
{
	const struct pier_handler *h = settings(c)->inner;
	struct match_conn *m = c->ctx;
	struct pier_conn w;
	bool goes_on;

	if (m->phase != PHASE_INNER || !h->drain)
		return false;
	match_turn_begin(c);
	w = match_wrap(c, m->inner);
	goes_on = h->drain(&w);
	return !settle(c, m) || goes_on; /* a rule may have found its last words */
}

/* The handler behind it opens connections, by its own settings. */
static bool match_target(const void *arg, unsigned int i, struct pier_target *t)
{
	const struct match_settings *set = arg;

	if (!set->inner || !set->inner->target || !set->inner->target(set->inner_settings, i, t))
		return false;
	t->key = "then-option";
	return true;
}

const struct pier_handler handler_match = {
	.abi = PIER_HANDLER_ABI,
	.size = sizeof(struct pier_handler),
	.name = "match",
	.summary = "find regular expressions in the stream (Hyperscan), and act on them",
	.ctx_size = sizeof(struct match_conn),
	.options = &match_options,
	.setup = match_setup,
	.teardown = match_teardown,
	.open = match_open,
	.data = match_data,
	.writable = match_writable,
	.eof = match_eof,
	.close = match_close,
	.timer = match_timer,
	.urgent = match_urgent,
	.trouble = match_trouble,
	.stats = match_stats,
	.drain = match_drain,
	.target = match_target,
};
