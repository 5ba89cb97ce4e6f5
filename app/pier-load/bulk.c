/*
 * Connections that move bytes: to the server, from it, or there and back. What is sent is a pattern
 * that lies in memory twice, so that a run of any length up to its own begins anywhere in it.
 *
 * A connection that has moved the bytes it is for counts as a response; its latency is the transfer's.
 */
#include "gen.h"

#include <string.h>

#include "base/compiler.h"

static uint64_t limit_of(const struct gen *g)
{
	return g->plan->o->bytes ? g->plan->o->bytes : UINT64_MAX;
}

static void pump(struct gen *g, struct pier_conn *pc, struct slot *s)
{
	const size_t len = g->plan->request_len;

	if (g->plan->o->mode == LOAD_DOWN || !gen_going(g))
		return;
	while (s->tx_left < limit_of(g)) {
		const size_t want = min_of(limit_of(g) - s->tx_left, len);
		const size_t n = pier_send_static(pc, g->plan->request + s->tx_left % len, want);

		s->tx_left += n;
		g->c.tx_bytes += n;
		s->since = gen_now(g);
		if (n < want)
			return;
	}
	if (g->plan->o->mode == LOAD_UP && s->state == SLOT_OPEN)
		pier_shutdown(pc);
}

static void open(struct pier_conn *pc)
{
	struct gen *g;
	struct slot *s = gen_opened(pc, &g);

	s->asked = 1;
	g->in_flight++;
	g->c.requests++;
	pump(g, pc, s);
}

static void complete(struct gen *g, struct slot *s)
{
	s->answered = 1;
	g->in_flight--;
	g->c.responses++;
	if (gen_counts(g, s->start))
		hist_add(&g->t.complete, gen_now(g) - s->start);
}

/* Whether the bytes are those sent at this place of the stream. */
static bool verified(const struct gen *g, uint64_t at, const char *data, size_t len)
{
	const size_t all = g->plan->request_len;

	while (len) {
		const size_t n = min_of(len, all);

		if (memcmp(data, g->plan->request + at % all, n))
			return false;
		data += n;
		at += n;
		len -= n;
	}
	return true;
}

static bool check(struct gen *g, struct pier_conn *pc, struct slot *s, const char *data, size_t len)
{
	if (g->plan->o->mode != LOAD_BOTH)
		return true;
	if (unlikely(s->rx + len > s->tx_left)) {
		gen_fail(g, pc, s, LOAD_ERR_wrong);
		return false;
	}
	if (unlikely(g->plan->o->verify && !verified(g, s->rx, data, len))) {
		gen_fail(g, pc, s, LOAD_ERR_mismatch);
		return false;
	}
	return true;
}

static size_t data(struct pier_conn *pc, const struct pier_slice *v, unsigned int n)
{
	struct gen *g;
	struct slot *s = slot_of(pc, &g);
	size_t total = 0;

	if (unlikely(g->phase == GEN_DONE))
		return SIZE_MAX;
	s->since = gen_now(g);
	if (!s->rx && gen_counts(g, s->start))
		hist_add(&g->t.first, s->since - s->start);
	for (unsigned int i = 0; i < n; i++) {
		if (!check(g, pc, s, v[i].data, v[i].len))
			return total;
		s->rx += v[i].len;
		total += v[i].len;
	}
	g->c.rx_bytes += total;
	if (g->plan->o->mode != LOAD_UP && s->rx >= limit_of(g) && s->asked != s->answered) {
		complete(g, s);
		s->state = SLOT_CLOSING;
		pier_close(pc);
	}
	return total;
}

static void writable(struct pier_conn *pc, size_t room)
{
	struct gen *g;
	struct slot *s = slot_of(pc, &g);

	pump(g, pc, s);
}

/* In order where everything was sent up, or where the server decides how much comes down. */
static void eof(struct pier_conn *pc)
{
	struct gen *g;
	struct slot *s = slot_of(pc, &g);
	const bool whole = g->plan->o->mode == LOAD_UP ? s->tx_left == limit_of(g)
			 : g->plan->o->mode == LOAD_DOWN && !g->plan->o->bytes;

	if (s->asked != s->answered && whole)
		complete(g, s);
	else if (s->asked != s->answered && gen_going(g))
		gen_error(g, s, LOAD_ERR_short);
	pier_close(pc);
}

const struct pier_handler bulk_handler = {
	.abi = PIER_HANDLER_ABI,
	.size = sizeof(struct pier_handler),
	.name = "load-bulk",
	.summary = "moves bytes",
	.ctx_size = sizeof(uint64_t),
	.open = open,
	.data = data,
	.writable = writable,
	.eof = eof,
	.close = gen_closed,
	.trouble = gen_trouble,
};
