/*
 * Connections that ask: HTTP, echo, request and response. Requests are slices of one static buffer,
 * so that asking formats and copies nothing; what comes back is read in place.
 *
 * Also the handler of connections that are only held.
 */
#include "gen.h"

#include <string.h>

#include "base/compiler.h"

static bool is_http(const struct gen *g)
{
	return g->plan->o->mode == LOAD_HTTP || g->plan->o->mode == LOAD_SHORT;
}

/* Hand what was asked to TCP, as far as it takes it; writable goes on. */
static void push(struct gen *g, struct pier_conn *pc, struct slot *s)
{
	const size_t len = g->plan->request_len, all = len * g->plan->copies;

	while (s->tx_left) {
		const size_t part = s->tx_left % len, at = part ? len - part : 0;
		const size_t want = min_of(s->tx_left, all - at);
		const size_t n = pier_send_static(pc, g->plan->request + at, want);

		s->tx_left -= n;
		g->c.tx_bytes += n;
		if (n < want)
			return;
	}
}

static void make_ready(struct gen *g, struct slot *s)
{
	if (s->ready || s->state != SLOT_OPEN || s->asked >= g->plan->requests)
		return;
	s->ready = true;
	ring_push(&g->ready, g->n_slots, (uint32_t)(s - g->slots));
}

void client_ask(struct gen *g, struct pier_conn *pc, struct slot *s, unsigned int n, uint64_t due)
{
	const uint32_t under_way = s->asked - s->answered;

	n = min_of(n, g->plan->o->depth - under_way);
	n = min_of(n, g->plan->requests - s->asked);
	if (!n)
		return;
	if (!under_way)
		s->since = gen_now(g);
	for (unsigned int i = 0; i < n; i++)
		*gen_due(g, s, s->asked++) = due;
	s->tx_left += n * g->plan->request_len;
	g->in_flight += n;
	g->c.requests += n;
	push(g, pc, s);
	if (g->asks.interval > 0 && s->asked - s->answered < g->plan->o->depth)
		make_ready(g, s);
}

static void open(struct pier_conn *pc)
{
	struct gen *g;
	struct slot *s = gen_opened(pc, &g);

	if (!gen_going(g) && g->plan->o->mode != LOAD_SHORT)
		return;
	if (g->plan->o->mode == LOAD_SHORT)
		client_ask(g, pc, s, 1, s->start);
	else if (g->plan->o->mode == LOAD_HOLD)
		return;
	else if (g->plan->o->rps)
		make_ready(g, s);
	else
		client_ask(g, pc, s, g->plan->o->depth, gen_now(g));
}

/* The first byte of an answer is there. */
static void note_first(struct gen *g, struct slot *s, uint64_t now)
{
	const uint64_t due = *gen_due(g, s, s->answered);

	s->first = true;
	if (gen_counts(g, due))
		hist_add(&g->t.first, now - due);
}

/* The oldest request is done with. */
static void leave(struct gen *g, struct slot *s, uint64_t now)
{
	s->answered++;
	s->first = false;
	s->since = now;
	g->in_flight--;
}

static void complete(struct gen *g, struct slot *s, uint64_t now)
{
	const uint64_t due = *gen_due(g, s, s->answered);

	leave(g, s, now);
	g->c.responses++;
	if (gen_counts(g, due))
		hist_add(&g->t.complete, now - due);
}

/* ---- HTTP ---- */

static bool status_ok(const struct gen *g, uint16_t status)
{
	return g->plan->o->status ? status == g->plan->o->status : status >= 200 && status < 300;
}

/* An answer is whole. One of another status has failed, alone: its connection is asked on. */
static void answered(struct gen *g, struct slot *s, uint64_t now)
{
	if (likely(status_ok(g, s->response.status))) {
		complete(g, s, now);
		return;
	}
	g->c.error[LOAD_ERR_status]++;
	g->c.failed++;
	leave(g, s, now);
}

/*
 * Read from one piece. *more: the head is not complete. False: the connection was given up.
 */
static bool read_piece(struct gen *g, struct pier_conn *pc, struct slot *s, const char *data,
		       size_t len, size_t *used, bool *more)
{
	const uint64_t now = gen_now(g);
	enum response_result result = RESPONSE_MORE;
	size_t n;

	for (*used = 0; *used < len; *used += n) {
		if (unlikely(s->asked == s->answered)) {
			gen_fail(g, pc, s, LOAD_ERR_wrong);
			return false;
		}
		if (!s->first)
			note_first(g, s, now);
		result = response_read(&s->response, &g->heads, data + *used, len - *used, &n);
		if (result == RESPONSE_MORE) {
			*used += n;
			break;
		}
		if (unlikely(result == RESPONSE_BAD)) {
			gen_fail(g, pc, s, LOAD_ERR_wrong);
			return false;
		}
		answered(g, s, now);
	}
	*more = *used < len;
	return true;
}

/* A head in several slices: join what there is from slice i, offset at on. */
static size_t join(struct gen *g, const struct pier_slice *v, unsigned int i, unsigned int n,
		   size_t at)
{
	size_t len = 0;

	for (; i < n && len < RESPONSE_HEAD_MAX; i++, at = 0) {
		const size_t part = min_of(v[i].len - at, (size_t)RESPONSE_HEAD_MAX - len);

		memcpy(g->heads.split + len, (const char *)v[i].data + at, part);
		len += part;
	}
	return len;
}

/* Returns bytes consumed; ok: the connection goes on. */
static size_t read_http(struct gen *g, struct pier_conn *pc, struct slot *s,
			const struct pier_slice *v, unsigned int n, bool *ok)
{
	size_t total = 0, at = 0, used, len;
	bool more;

	*ok = true;
	for (unsigned int i = 0; i < n;) {
		*ok = read_piece(g, pc, s, (const char *)v[i].data + at, v[i].len - at, &used,
				 &more);
		total += used;
		at += used;
		if (!*ok)
			break;
		if (more) {
			len = join(g, v, i, n, at);
			*ok = read_piece(g, pc, s, g->heads.split, len, &used, &more);
			total += used;
			at += used;
			if (!*ok || more)
				break; /* it is shown again with what comes */
		}
		while (i < n && at >= v[i].len)
			at -= v[i++].len;
	}
	return total;
}

/* ---- messages ---- */

static bool verified(const struct gen *g, const struct slot *s, const char *data, size_t len)
{
	return !g->plan->o->verify || g->plan->o->mode != LOAD_ECHO ||
	       !memcmp(data, g->plan->request + s->rx, len);
}

static bool read_messages(struct gen *g, struct pier_conn *pc, struct slot *s, const char *data,
			  size_t len)
{
	const uint64_t now = gen_now(g);

	while (len) {
		const size_t n = min_of(len, g->plan->response_len - s->rx);

		if (unlikely(s->asked == s->answered || !verified(g, s, data, n))) {
			gen_fail(g, pc, s, s->asked == s->answered ? LOAD_ERR_wrong
								  : LOAD_ERR_mismatch);
			return false;
		}
		if (!s->first)
			note_first(g, s, now);
		s->rx += n;
		data += n;
		len -= n;
		if (s->rx == g->plan->response_len) {
			s->rx = 0;
			complete(g, s, now);
		}
	}
	return true;
}

/* ---- the handler ---- */

/* All that this connection was for is done. */
static void end(struct gen *g, struct pier_conn *pc, struct slot *s)
{
	s->state = SLOT_CLOSING;
	s->since = gen_now(g);
	if (g->plan->o->mode != LOAD_SHORT || g->plan->o->close == LOAD_CLOSE_CLIENT)
		pier_close(pc);
	else if (g->plan->o->close == LOAD_CLOSE_RESET)
		pier_abort(pc);
}

/* Answers have come: ask again, or end. */
static void go_on(struct gen *g, struct pier_conn *pc, struct slot *s)
{
	const uint32_t under_way = s->asked - s->answered;

	if (s->state != SLOT_OPEN)
		return;
	if (unlikely(s->response.close) && is_http(g)) {
		if (g->plan->o->mode == LOAD_SHORT && !under_way)
			end(g, pc, s);
		else
			s->state = SLOT_CLOSING; /* the server need not answer what is behind it */
		return;
	}
	if (!under_way && s->asked >= g->plan->requests)
		end(g, pc, s);
	else if (!gen_going(g))
		return;
	else if (g->plan->o->rps && g->plan->o->mode != LOAD_SHORT)
		make_ready(g, s);
	else
		client_ask(g, pc, s, g->plan->o->depth, gen_now(g));
}

static size_t data(struct pier_conn *pc, const struct pier_slice *v, unsigned int n)
{
	struct gen *g;
	struct slot *s = slot_of(pc, &g);
	const uint32_t before = s->answered;
	size_t total = 0;
	bool ok = true;

	if (unlikely(g->phase == GEN_DONE))
		return SIZE_MAX;
	s->since = gen_now(g);
	if (is_http(g)) {
		total = read_http(g, pc, s, v, n, &ok);
	} else {
		for (unsigned int i = 0; i < n && ok; i++) {
			ok = read_messages(g, pc, s, v[i].data, v[i].len);
			total += v[i].len;
		}
	}
	g->c.rx_bytes += total;
	if (ok && s->answered != before)
		go_on(g, pc, s);
	return total;
}

static void writable(struct pier_conn *pc, size_t room)
{
	struct gen *g;
	struct slot *s = slot_of(pc, &g);

	push(g, pc, s);
}

/* The server ends it; with nothing under way it may, unless the connection is to be held. */
static void eof(struct pier_conn *pc)
{
	struct gen *g;
	struct slot *s = slot_of(pc, &g);

	if (s->asked - s->answered == 1 && is_http(g) && response_ends(&s->response) && s->first) {
		answered(g, s, gen_now(g));
	}
	if ((s->asked != s->answered && g->phase != GEN_DONE && !gen_leaves(s)) ||
	    (gen_going(g) && g->plan->o->mode == LOAD_HOLD))
		gen_error(g, s, LOAD_ERR_short);
	pier_close(pc);
}

const struct pier_handler client_handler = {
	.abi = PIER_HANDLER_ABI,
	.size = sizeof(struct pier_handler),
	.name = "load",
	.summary = "asks and reads answers",
	.ctx_size = sizeof(uint64_t),
	.open = open,
	.data = data,
	.writable = writable,
	.eof = eof,
	.close = gen_closed,
	.trouble = gen_trouble,
};
