/*
 * The PROXY protocol before any handler: see handlers/proxy_front.h.
 *
 * The context is this file's, with the inner handler's in line behind it. What the inner handler holds in
 * its hands is a struct pier_conn with that context and calls that lead here where they have to: info
 * gives other addresses, get and connect have contexts to shift, close and abort are remembered. All
 * others are pier's own. The timer is the header's until the header is complete, then the inner handler's.
 */
#include <errno.h>
#include <string.h>

#include "base/compiler.h"
#include "handlers/proxy_front.h"
#include "handlers/proxy_header.h"
#include "per_core.h"

#define FRONT_COUNTS(X) \
	X(proxy_headers) X(proxy_local) X(proxy_none) X(proxy_bad) X(proxy_missing) X(proxy_timeouts)

struct front_core {
	CORE_FIELDS(FRONT_COUNTS)
};

struct proxy_front {
	struct pier_handler handler; /* as the engine has it */
	const struct pier_handler *inner;
	const void *settings; /* the inner handler's */
	enum proxy_front_mode mode;
	uint64_t timeout;
	struct front_core *core;
};

enum front_phase {
	PHASE_HEADER, /* the inner handler knows of nothing */
	PHASE_INNER,  /* it serves */
	PHASE_GONE,   /* closed or reset: nothing more is to be told but close */
};

struct front_conn {
	struct proxy_header header;
	uint8_t phase; /* enum front_phase */
	bool told;     /* the inner handler is owed a close */
	alignas(16) uint8_t ctx[];
};
static_assert(sizeof(struct front_conn) == 64, "what it adds to a context");

static struct front_conn *conn_of(const struct pier_conn *inner)
{
	return (struct front_conn *)((uint8_t *)inner->ctx - offsetof(struct front_conn, ctx));
}

static const struct proxy_front *front_of(const struct pier_conn *outer)
{
	return outer->settings;
}

static struct front_core *core_of(const struct pier_conn *outer)
{
	return per_core(front_of(outer)->core, outer);
}

/* ---- what the inner handler calls ---- */

/* pier's calls on this thread, those with this file's in their place, and whose handler was called last. */
static __thread const struct pier_calls *pier;
static __thread struct pier_calls own;
static __thread const struct proxy_front *running;

static void inner_info(struct pier_conn *c, struct pier_info *info)
{
	const struct front_conn *k = conn_of(c);

	pier->info(c, info);
	if (!k->header.addresses)
		return;
	memcpy(info->remote_addr, k->header.source, sizeof(info->remote_addr));
	memcpy(info->local_addr, k->header.destination, sizeof(info->local_addr));
	info->remote_port = k->header.source_port;
	info->local_port = k->header.destination_port;
}

static void inner_close(struct pier_conn *c)
{
	conn_of(c)->phase = PHASE_GONE;
	pier->close(c);
}

static void inner_abort(struct pier_conn *c)
{
	conn_of(c)->phase = PHASE_GONE;
	pier->abort(c);
}

static struct pier_conn wrap(const struct pier_conn *outer);

/*
 * Only a connection that the same handler serves can be handed to it, and one that it knows of. What asks
 * may be in its close, where pier does not give it away any more.
 */
static bool inner_get(struct pier_conn *from, uint64_t id, struct pier_conn *c)
{
	struct pier_conn other;

	if (!pier->get(from, id, &other) || other.settings != running ||
	    !((struct front_conn *)other.ctx)->told)
		return false;
	*c = wrap(&other);
	return true;
}

/* The new connection is the inner handler's from the beginning: no header is to come on it. */
static int inner_connect(struct pier_conn *from, const struct pier_connect *to, uint64_t *id)
{
	const struct pier_handler *inner;
	struct front_conn *k;
	struct pier_conn o;
	int err = pier->connect(from, to, id);

	if (err)
		return err;
	if (!pier->get(from, *id, &o))
		return -ENOMEM;
	inner = front_of(&o)->inner;
	k = o.ctx;
	memset(k, 0, sizeof(*k)); /* pier has put to->ctx there */
	k->phase = PHASE_INNER;
	k->told = true;
	memcpy(k->ctx, &to->ctx, min_of((size_t)inner->ctx_size, sizeof(to->ctx)));
	return 0;
}

/* The connection as the inner handler sees it. */
static struct pier_conn wrap(const struct pier_conn *outer)
{
	struct pier_conn w = *outer;

	if (unlikely(pier != outer->calls)) {
		pier = outer->calls;
		own = *pier;
		own.info = inner_info;
		own.close = inner_close;
		own.abort = inner_abort;
		own.get = inner_get;
		own.connect = inner_connect;
	}
	running = front_of(outer);
	w.calls = &own;
	w.ctx = ((struct front_conn *)outer->ctx)->ctx;
	w.settings = running->settings;
	return w;
}

/* ---- the header ---- */

static void serve(struct pier_conn *c, struct front_conn *k)
{
	const struct pier_handler *h = front_of(c)->inner;
	struct pier_conn w;

	pier_set_timer(c, 0);
	k->phase = PHASE_INNER;
	k->told = true;
	w = wrap(c);
	if (h->open)
		h->open(&w);
}

static void reset(struct pier_conn *c, struct front_conn *k, uint64_t *count)
{
	core_count(count, 1);
	k->phase = PHASE_GONE;
	pier_abort(c);
}

/* There is no header. */
static void without(struct pier_conn *c, struct front_conn *k, uint64_t *count)
{
	if (front_of(c)->mode == PROXY_FRONT_REQUIRE) {
		reset(c, k, count);
		return;
	}
	core_count(&core_of(c)->proxy_none, 1);
	k->header = (struct proxy_header){0};
	serve(c, k);
}

static void judge(struct pier_conn *c, struct front_conn *k, enum proxy_event event)
{
	struct front_core *core = core_of(c);

	switch (event) {
	case PROXY_MORE:
		break;
	case PROXY_DONE:
		core_count(k->header.addresses ? &core->proxy_headers : &core->proxy_local, 1);
		serve(c, k);
		break;
	case PROXY_NONE:
		without(c, k, &core->proxy_missing);
		break;
	case PROXY_BAD:
		reset(c, k, &core->proxy_bad);
		break;
	}
}

/* The first bytes that lie in the slices, in one piece. */
static size_t gather(const struct pier_slice *s, unsigned int n, uint8_t to[PROXY_HEAD_MAX])
{
	size_t len = 0;

	for (unsigned int i = 0; i < n && len < PROXY_HEAD_MAX; i++) {
		size_t part = min_of((size_t)s[i].len, PROXY_HEAD_MAX - len);

		memcpy(to + len, s[i].data, part);
		len += part;
	}
	return len;
}

/* Returns the bytes read. */
static size_t read_header(struct pier_conn *c, struct front_conn *k, const struct pier_slice *s,
			  unsigned int n)
{
	enum proxy_event event = PROXY_MORE;
	uint8_t head[PROXY_HEAD_MAX];
	size_t read = 0, at = 0;

	if (!k->header.in_tlvs)
		read = proxy_header_read(&k->header, head, gather(s, n, head), &event);
	for (unsigned int i = 0; i < n && event == PROXY_MORE && k->header.in_tlvs; at += s[i++].len)
		if (at + s[i].len > read)
			read += proxy_header_read(&k->header,
						  (const uint8_t *)s[i].data + (read - at),
						  s[i].len - (read - at), &event);
	judge(c, k, event);
	return read;
}

/* ---- what pier calls ---- */

static void front_open(struct pier_conn *c)
{
	const struct proxy_front *f = front_of(c);
	struct front_conn *k = c->ctx;
	struct pier_conn w;

	if (k->phase == PHASE_INNER) { /* an active open */
		w = wrap(c);
		if (f->inner->open)
			f->inner->open(&w);
		return;
	}
	if (f->timeout)
		pier_set_timer(c, f->timeout);
}

static size_t front_data(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	const struct pier_handler *h = front_of(c)->inner;
	struct front_conn *k = c->ctx;
	size_t total = 0, read;
	struct pier_conn w;

	if (likely(k->phase == PHASE_INNER && h->data)) {
		w = wrap(c);
		return h->data(&w, s, n);
	}
	for (unsigned int i = 0; i < n; i++)
		total += s[i].len;
	if (k->phase != PHASE_HEADER)
		return total;
	read = read_header(c, k, s, n);
	if (k->phase == PHASE_INNER && read < total)
		pier_resume(c); /* what follows is the inner handler's */
	return read;
}

static void front_writable(struct pier_conn *c, size_t room)
{
	const struct pier_handler *h = front_of(c)->inner;
	struct front_conn *k = c->ctx;
	struct pier_conn w = wrap(c);

	if (k->phase == PHASE_INNER && h->writable)
		h->writable(&w, room);
}

static void inner_eof(struct pier_conn *c, struct front_conn *k)
{
	const struct pier_handler *h = front_of(c)->inner;
	struct pier_conn w = wrap(c);

	if (k->phase != PHASE_INNER)
		return;
	if (h->eof)
		h->eof(&w);
	else
		pier_close(c);
}

/* Every byte was read: of a header there may have been the TLVs' beginning, or nothing. */
static void front_eof(struct pier_conn *c)
{
	struct front_conn *k = c->ctx;

	if (k->phase == PHASE_HEADER) {
		if (k->header.in_tlvs)
			reset(c, k, &core_of(c)->proxy_bad);
		else
			without(c, k, &core_of(c)->proxy_missing);
	}
	inner_eof(c, k);
}

/* A header that stops half way is waited for as long as one that never comes. */
static void front_timer(struct pier_conn *c)
{
	const struct pier_handler *h = front_of(c)->inner;
	struct front_conn *k = c->ctx;
	struct pier_conn w = wrap(c);

	if (k->phase == PHASE_INNER) {
		if (h->timer)
			h->timer(&w);
	} else if (k->phase == PHASE_HEADER && k->header.in_tlvs) {
		reset(c, k, &core_of(c)->proxy_timeouts);
	} else if (k->phase == PHASE_HEADER) {
		without(c, k, &core_of(c)->proxy_timeouts);
		if (k->phase == PHASE_INNER)
			pier_resume(c);
	}
}

static void front_urgent(struct pier_conn *c)
{
	const struct pier_handler *h = front_of(c)->inner;
	const struct front_conn *k = c->ctx;
	struct pier_conn w = wrap(c);

	if (k->phase == PHASE_INNER && h->urgent)
		h->urgent(&w);
}

static void front_trouble(struct pier_conn *c, enum pier_trouble what)
{
	const struct pier_handler *h = front_of(c)->inner;
	const struct front_conn *k = c->ctx;
	struct pier_conn w = wrap(c);

	if (k->phase == PHASE_INNER && h->trouble)
		h->trouble(&w, what);
}

static void front_close(struct pier_conn *c, enum pier_close_reason why)
{
	const struct pier_handler *h = front_of(c)->inner;
	const struct front_conn *k = c->ctx;
	struct pier_conn w = wrap(c);

	if (k->told && h->close)
		h->close(&w, why);
}

static bool front_drain(struct pier_conn *c)
{
	const struct pier_handler *h = front_of(c)->inner;
	const struct front_conn *k = c->ctx;
	struct pier_conn w = wrap(c);

	return k->phase == PHASE_INNER && h->drain && h->drain(&w);
}

static void front_stats(const void *settings, pier_stat *add, void *arg)
{
	const struct proxy_front *f = settings;

	CORE_STATS(FRONT_COUNTS, f->core, add, arg);
	if (f->inner->stats)
		f->inner->stats(f->settings, add, arg);
}

static const struct pier_handler front_handler = {
	.abi = PIER_HANDLER_ABI,
	.size = sizeof(struct pier_handler),
	.open = front_open,
	.data = front_data,
	.writable = front_writable,
	.eof = front_eof,
	.close = front_close,
	.timer = front_timer,
	.urgent = front_urgent,
	.trouble = front_trouble,
	.stats = front_stats,
	.drain = front_drain,
};

struct proxy_front *proxy_front_new(const struct pier_handler *inner, const void *settings,
				    enum proxy_front_mode mode, uint64_t timeout_us)
{
	struct proxy_front *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->core = per_core_new(sizeof(*f->core));
	if (!f->core) {
		free(f);
		return NULL;
	}
	f->handler = front_handler;
	f->handler.name = inner->name;
	f->handler.summary = inner->summary;
	f->handler.nagle = inner->nagle;
	f->handler.ctx_size = (uint32_t)sizeof(struct front_conn) + inner->ctx_size;
	f->inner = inner;
	f->settings = settings;
	f->mode = mode;
	f->timeout = timeout_us;
	return f;
}

void proxy_front_free(struct proxy_front *f)
{
	if (!f)
		return;
	free(f->core);
	free(f);
}

const struct pier_handler *proxy_front_handler(const struct proxy_front *f)
{
	return &f->handler;
}
