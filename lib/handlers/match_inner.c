/*
 * The handler behind match: it sees a connection of its own, whose calls lead here. Most go straight
 * on. Those that send are looked at, the timer is shared with match, and what pier_connect and pier_get
 * give is wrapped like the connection itself.
 *
 * What the handler holds in its hands is a struct pier_conn whose ctx lies in a struct match_inner;
 * from there everything else is found, also from one that pier_get filled in.
 */
#include <errno.h>
#include <string.h>

#include "match/pool.h"
#include "match_conn.h"

static struct match_inner *inner_of(const struct pier_conn *c)
{
	return (struct match_inner *)((uint8_t *)c->ctx - offsetof(struct match_inner, ctx));
}

/* The connection as pier knows it. */
static struct pier_conn outer_of(const struct pier_conn *c)
{
	const struct match_inner *in = inner_of(c);
	struct pier_conn o = *c;

	o.calls = in->calls;
	o.ctx = in->outer_ctx;
	o.settings = in->settings;
	return o;
}

static size_t inner_send(struct pier_conn *c, const void *data, size_t len)
{
	struct pier_conn o = outer_of(c);

	return match_emit(&o, inner_of(c)->m, data, len, false);
}

/* What is looked at is not sent as a whole. */
static size_t inner_send_summed(struct pier_conn *c, const void *data, size_t len, uint32_t *sum)
{
	struct pier_conn o = outer_of(c);

	if (!match_looks(o.settings, DIR_OUT) || inner_of(c)->m->over[DIR_OUT])
		return pier_send_summed(&o, data, len, sum);
	return match_emit(&o, inner_of(c)->m, data, len, false);
}

static size_t inner_send_static(struct pier_conn *c, const void *data, size_t len)
{
	struct pier_conn o = outer_of(c);

	return match_emit(&o, inner_of(c)->m, data, len, true);
}

static size_t inner_send_slices(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	struct pier_conn o = outer_of(c);
	struct match_conn *m = inner_of(c)->m;
	bool looks = match_looks(o.settings, DIR_OUT) && !m->over[DIR_OUT];
	size_t done = 0, took;

	if (!looks)
		return pier_send_slices(&o, s, n);
	for (unsigned int i = 0; i < n; i++) {
		struct pier_slice one = s[i];

		one.len = (uint32_t)min_of((uint64_t)one.len, match_turn_room(&o));
		took = one.len ? pier_send_slices(&o, &one, 1) : 0;
		one.len = (uint32_t)took;
		match_look(&o, m, DIR_OUT, &one, 1, 0);
		done += took;
		if (took < s[i].len) {
			pier_want_writable(&o);
			break;
		}
	}
	return done;
}

static size_t inner_send_urgent(struct pier_conn *c, const void *data, size_t len)
{
	struct pier_conn o = outer_of(c);
	size_t n = pier_send_urgent(&o, data, len);

	match_look(&o, inner_of(c)->m, DIR_OUT, &(struct pier_slice){data, (uint32_t)n, NULL}, 1, 0);
	return n;
}

static void inner_set_timer(struct pier_conn *c, uint64_t delay_us)
{
	struct pier_conn o = outer_of(c);

	inner_of(c)->due = delay_us ? c->now + delay_us : 0;
	match_arm(&o, inner_of(c)->m);
}

/* Only a connection that the same handler serves can be handed to it. */
static bool inner_get(struct pier_conn *from, uint64_t id, struct pier_conn *c)
{
	struct pier_conn o = outer_of(from);
	struct match_conn *m;

	if (!pier_get(&o, id, c) || c->settings != o.settings)
		return false;
	m = c->ctx;
	if (!m->inner)
		return false;
	*c = match_wrap(c, m->inner);
	return true;
}

static struct match_inner *inner_new(const struct match_settings *set, const struct pier_calls *calls)
{
	size_t size = sizeof(struct match_inner) + set->inner->ctx_size;
	struct match_inner *in = match_pool_alloc(size);

	if (!in)
		return NULL;
	memset(in, 0, size);
	in->settings = set;
	in->calls = calls;
	return in;
}

/* The new connection is match's, with its handler from the beginning; ctx names what is behind it. */
static int inner_connect(struct pier_conn *from, const struct pier_connect *to, uint64_t *id)
{
	const struct match_settings *set = inner_of(from)->settings;
	struct pier_conn o = outer_of(from), n;
	struct match_inner *in = inner_new(set, o.calls);
	struct pier_connect own = *to;
	int err;

	if (!in)
		return -ENOMEM;
	memcpy(in->ctx, &to->ctx, min_of((size_t)set->inner->ctx_size, sizeof(to->ctx)));
	own.ctx = (uintptr_t)in;
	err = pier_connect(&o, &own, id);
	if (err) {
		match_pool_free(in);
		return err;
	}
	if (pier_get(&o, *id, &n)) {
		in->m = in->outer_ctx = n.ctx;
		in->m->phase = PHASE_INNER;
	}
	return 0;
}

/* pier's calls with those above in their place; made once a thread, and again for another host. */
static const struct pier_calls *wrapped(const struct pier_calls *calls)
{
	static __thread const struct pier_calls *base;
	static __thread struct pier_calls own;

	if (likely(base == calls))
		return &own;
	base = calls;
	own = *calls;
	own.send = inner_send;
	own.send_summed = inner_send_summed;
	own.send_static = inner_send_static;
	own.send_slices = inner_send_slices;
	own.send_urgent = inner_send_urgent;
	own.set_timer = inner_set_timer;
	own.get = inner_get;
	own.connect = inner_connect;
	return &own;
}

struct pier_conn match_wrap(const struct pier_conn *c, struct match_inner *in)
{
	struct pier_conn w = *c;

	w.calls = wrapped(in->calls);
	w.ctx = in->ctx;
	w.settings = in->settings->inner_settings;
	return w;
}

bool match_inner_open(struct pier_conn *c, struct match_conn *m)
{
	const struct match_settings *set = c->settings;
	struct pier_conn w;

	if (!m->inner)
		m->inner = inner_new(set, c->calls);
	if (!m->inner)
		return false;
	m->inner->m = m;
	m->inner->outer_ctx = c->ctx;
	m->inner->opened = true;
	m->phase = PHASE_INNER;
	w = match_wrap(c, m->inner);
	if (set->inner->nagle)
		pier_set_nodelay(c, false);
	if (set->inner->open)
		set->inner->open(&w);
	return true;
}

void match_inner_close(struct pier_conn *c, struct match_conn *m, enum pier_close_reason why)
{
	const struct match_settings *set = c->settings;
	struct pier_conn w;

	if (!m->inner)
		return;
	w = match_wrap(c, m->inner);
	if (set->inner->close)
		set->inner->close(&w, why);
	match_pool_free(m->inner);
	m->inner = NULL;
}
