/*
 * The application at both ends of every flow: writes the flow's pattern in pieces, with pauses or
 * without, reads and checks the other side's in pieces, closes by halves or at once, or resets.
 */
#include "sim.h"

#define PERIOD 1048573u /* a prime: no segment or buffer size divides it */
#define CHUNK  65536u

static uint8_t pattern[PERIOD + CHUNK];

void app_start(void)
{
	struct wire rng = {.rng = 1};

	for (unsigned int i = 0; i < PERIOD; i++)
		pattern[i] = (uint8_t)wire_rnd(&rng);
	memcpy(pattern + PERIOD, pattern, CHUNK);
}

/* The bytes that a side sends from offset on; CHUNK of them. */
static const uint8_t *bytes_at(const struct flow *f, unsigned int side, uint64_t offset)
{
	return pattern + (f->salt % PERIOD + side * (PERIOD / 2) + offset) % PERIOD;
}

static struct sim *sim_of(const struct end *e)
{
	return e->flow->s;
}

static struct end *end_of(struct pier_conn *c)
{
	return *(struct end **)c->ctx;
}

bool end_over(const struct end *e)
{
	return e->closes > 0;
}

struct tcp_conn *end_conn(const struct end *e)
{
	const struct host *h = &sim_of(e)->host[e->side];

	return e->opens > e->closes || (e->side == CLIENT && e->flow->connecting && !e->closes) ?
		tcp_conn_of_id(engine_tcp(h->e), e->id) : NULL;
}

static void arm(struct pier_conn *c, struct end *e)
{
	uint64_t now = sim_of(e)->wire.now, at = UINT64_MAX;

	if (e->write_gap && e->tx < e->total && e->write_at > now)
		at = e->write_at;
	if (e->read_gap && e->read_at > now)
		at = min_of(at, e->read_at);
	if (at != UINT64_MAX)
		pier_set_timer(c, at - now);
}

static void finish(struct pier_conn *c, struct end *e)
{
	if (e->eof) {
		e->shut = true;
		pier_close(c);
	} else if (e->fin == FIN_WHEN_SENT && !e->shut) {
		e->shut = true;
		pier_shutdown(c);
	}
}

static void write_some(struct pier_conn *c, struct end *e)
{
	struct sim *s = sim_of(e);

	while (e->tx < e->total) {
		uint64_t n = min_of(wire_range(&s->wire, e->write_lo, e->write_hi), e->total - e->tx);
		const uint8_t *p = bytes_at(e->flow, e->side, e->tx);
		size_t took;

		if (e->write_gap && e->write_at > s->wire.now)
			return;
		took = e->copies ? pier_send(c, p, n) : pier_send_static(c, p, n);
		e->tx += took;
		if (took < n)
			return;
		e->write_at = s->wire.now + e->write_gap;
	}
	finish(c, e);
}

static void on_open(struct pier_conn *c)
{
	const struct host *h = (const struct host *)c->settings;
	struct pier_info info;
	struct end *e;
	unsigned int i;

	pier_get_info(c, &info);
	i = (h->id == CLIENT ? info.local_port : info.remote_port) - SIM_LOCAL;
	if (i >= h->s->n_flows)
		sim_fail(h->s, "host %u: a connection nobody asked for", h->id);
	e = &h->s->flow[i].end[h->id];
	if (e->opens++)
		sim_fail(h->s, "flow %u: open twice", i);
	*(struct end **)c->ctx = e;
	e->id = c->id;
	e->opened_at = e->progress = h->s->wire.now;
	if (e->nodelay)
		pier_set_nodelay(c, true);
	write_some(c, e);
	arm(c, e);
}

static void check_bytes(const struct end *e, const struct pier_slice *s, unsigned int n)
{
	uint64_t at = e->rx;

	for (unsigned int i = 0; i < n; i++) {
		for (uint32_t done = 0; done < s[i].len;) {
			uint32_t len = min_of(s[i].len - done, CHUNK);

			if (memcmp((const uint8_t *)s[i].data + done,
				   bytes_at(e->flow, !e->side, at), len) != 0)
				sim_fail(sim_of(e), "flow %u: host %u got wrong bytes behind %" PRIu64,
					 e->flow->index, e->side, at);
			done += len;
			at += len;
		}
	}
}

static size_t on_data(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	struct end *e = end_of(c);
	struct sim *sim = sim_of(e);
	size_t total = 0, took;

	for (unsigned int i = 0; i < n; i++)
		total += s[i].len;
	check_bytes(e, s, n);
	took = total;
	if (e->read_gap && e->read_at > sim->wire.now)
		return 0;
	if (e->read_hi)
		took = min_of(took, wire_range(&sim->wire, e->read_lo, e->read_hi));
	e->rx += took;
	e->last_rx_at = sim->wire.now;
	e->read_at = sim->wire.now + e->read_gap;
	if (e->rx >= e->abort_at) {
		e->aborted = true;
		pier_abort(c);
		return took;
	}
	if (took < total && !e->read_gap)
		pier_resume(c);
	arm(c, e);
	return took;
}

static void on_writable(struct pier_conn *c, size_t room)
{
	struct end *e = end_of(c);

	write_some(c, e);
	arm(c, e);
}

static void on_timer(struct pier_conn *c)
{
	struct end *e = end_of(c);

	write_some(c, e);
	pier_resume(c);
	arm(c, e);
}

static void on_eof(struct pier_conn *c)
{
	struct end *e = end_of(c);

	if (e->eof)
		sim_fail(sim_of(e), "flow %u: EOF twice", e->flow->index);
	e->eof = true;
	if (e->tx == e->total)
		finish(c, e);
}

static void on_close(struct pier_conn *c, enum pier_close_reason why)
{
	struct end *e = end_of(c);

	e->why = why;
	e->closed_at = sim_of(e)->wire.now;
	if (e->closes++)
		sim_fail(sim_of(e), "flow %u: close twice", e->flow->index);
}

const struct pier_handler sim_handler = {
	.abi = PIER_HANDLER_ABI,
	.size = sizeof(struct pier_handler),
	.name = "flow",
	.summary = "one end of a flow",
	.ctx_size = sizeof(struct end *),
	.open = on_open,
	.data = on_data,
	.writable = on_writable,
	.eof = on_eof,
	.close = on_close,
	.timer = on_timer,
};
