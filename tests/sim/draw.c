/*
 * A run drawn from a seed: path, events on it, engines, options, applications. Wide on purpose: what
 * cannot be on a real path is drawn too, as long as both ends must still get everything across.
 */
#include "host.h"

#define PICK(w, list) ((list)[wire_range(w, 0, ARRAY_SIZE(list) - 1)])
#define MS            US_PER_MS
#define SEC           US_PER_SEC

/* A probability up to most, in nine of ten cases below a third of it. */
static double small(struct wire *w, double most)
{
	double p = (double)wire_range(w, 0, 1000) / 1000 * most;

	return wire_chance(w, 0.1) ? p : p / 3;
}

static void draw_trouble(struct wire *w, struct link_conf *c)
{
	if (wire_chance(w, 0.6))
		c->loss = small(w, 0.1);
	if (wire_chance(w, 0.2)) {
		c->to_bad = small(w, 0.01);
		c->to_good = 0.4 + small(w, 0.4);
		c->bad_loss = 0.5 + small(w, 0.5);
	}
	if (wire_chance(w, 0.15))
		c->ack_loss = small(w, 0.2);
	if (wire_chance(w, 0.4)) {
		c->reorder = small(w, 0.2);
		c->late = wire_range(w, 1, 2 * c->delay + 1000);
	}
	if (wire_chance(w, 0.3))
		c->duplicate = small(w, 0.1);
	if (wire_chance(w, 0.3))
		c->corrupt = small(w, 0.03);
	if (wire_chance(w, 0.4)) {
		c->jitter = c->delay / wire_range(w, 1, 8);
		c->exponential = wire_chance(w, 0.3);
	}
	if (!c->ack_loss && wire_chance(w, 0.1))
		c->thin = (uint32_t)wire_range(w, 2, 16);
	if (wire_chance(w, 0.1))
		c->clump = wire_range(w, 1, 20) * MS;
}

static void draw_link(struct wire *w, struct link_conf *c)
{
	static const double rates[] = {1e6, 1e7, 1e7, 1e8, 1e8, 1e9, 1e10};
	static const uint64_t delays[] = {20, 500, 5000, 20000, 100000};
	static const double depths[] = {0.1, 0.5, 1, 1, 4};
	double bdp;

	*c = (struct link_conf){.bits_per_s = PICK(w, rates), .delay = PICK(w, delays)};
	bdp = c->bits_per_s / 8 * 2 * (double)c->delay / SEC;
	c->queue = (uint32_t)max_of(bdp * PICK(w, depths), 16000.0);
	if (wire_chance(w, 0.3))
		c->mark = c->queue / 4;
	if (wire_chance(w, 0.5))
		c->poll = wire_range(w, 1, 500);
	if (wire_chance(w, 0.7))
		draw_trouble(w, c);
}

/* ---- events ---- */

static void set_down(struct sim *s, uint64_t down)
{
	s->wire.link[0].conf.down = s->wire.link[1].conf.down = down;
	s->link_up_at = s->wire.now;
}

static void step_rate(struct sim *s, uint64_t to)
{
	struct link_conf c = s->wire.link[to].conf;

	c.bits_per_s = max_of(c.bits_per_s / (double)wire_range(&s->wire, 2, 20), 1e6);
	link_change(&s->wire, (unsigned int)to, &c);
}

static void step_delay(struct sim *s, uint64_t to)
{
	struct link_conf c = s->wire.link[to].conf;

	c.delay = wire_range(&s->wire, 20, 200 * MS);
	link_change(&s->wire, (unsigned int)to, &c);
}

/* 0: as long as any link carries. */
static void set_mtu(struct sim *s, uint64_t mtu)
{
	for (unsigned int i = 0; i < 2; i++)
		s->wire.link[i].conf.mtu = (uint32_t)mtu;
}

static void set_pressure(struct sim *s, uint64_t on)
{
	engine_pressure(s->host[SERVER].e, on, 0);
}

/* Smaller, by word of a router or in silence; later perhaps as before. */
static void draw_mtu(struct sim *s, uint64_t at)
{
	struct wire *w = &s->wire;

	s->wire.link[0].conf.icmp = s->wire.link[1].conf.icmp = wire_chance(w, 0.6);
	sim_at(s, at, set_mtu, max_of(wire_range(w, 576, 1450), s->v6 ? IP6_MTU_MIN : 0ull));
	if (wire_chance(w, 0.3))
		sim_at(s, at + wire_range(w, 1, 5 * SEC), set_mtu, 0);
}

/*
 * A connection by cookie is refused if the handshake's last ACK is lost or overtaken: what comes then
 * proves nothing (RFC 4987 section 3.6). So only where that does not happen.
 */
static bool draw_pressure(struct sim *s)
{
	const struct link_conf *c = &s->wire.link[SERVER].conf;

	if (c->loss + c->to_bad + c->ack_loss + c->reorder + c->corrupt > 0 ||
	    c->thin || !wire_chance(&s->wire, 0.3))
		return false;
	s->wire.link[SERVER].conf.queue = 0; /* nor is lost for want of room */
	sim_at(s, 0, set_pressure, 1);
	sim_at(s, wire_range(&s->wire, 1, 500 * MS), set_pressure, 0);
	return true;
}

static void draw_events(struct sim *s)
{
	struct wire *w = &s->wire;
	uint64_t at = wire_range(w, 500 * MS, 3 * SEC);

	if (draw_pressure(s))
		return;
	if (wire_chance(w, 0.15)) {
		sim_at(s, at, set_down, 1);
		at += wire_range(w, MS, 8 * SEC);
		sim_at(s, at, set_down, 0);
	}
	if (wire_chance(w, 0.15))
		sim_at(s, at += wire_range(w, 1, SEC), step_rate, wire_range(w, 0, 1));
	if (wire_chance(w, 0.15))
		sim_at(s, at += wire_range(w, 1, SEC), step_delay, wire_range(w, 0, 1));
	if (wire_chance(w, 0.2))
		draw_mtu(s, at);
}

/* ---- hosts ---- */

static void draw_host(struct wire *w, struct host *h)
{
	static const uint16_t mtus[] = {1500, 1500, 1500, 1400, 1280, 576, 296};
	static const uint64_t buffers[] = {2048, 4096, 16384, 65535, 65535, 262144, 1048576};
	struct tcp_options *o = &h->tcp;

	o->rcvbuf = PICK(w, buffers) + wire_range(w, 0, 1000);
	o->sndbuf = PICK(w, buffers) + wire_range(w, 0, 1000);
	o->timestamps = wire_chance(w, 0.75);
	o->sack = wire_chance(w, 0.75);
	o->ecn = wire_chance(w, 0.75);
	o->ecn_connect = wire_chance(w, 0.5);
	o->window_scale = wire_chance(w, 0.75);
	o->nagle = wire_chance(w, 0.4);
	o->delack = wire_range(w, 1, 200) * MS;
	o->r2 = 1000 * SEC; /* nobody gives up because chance was against him */
	o->user_timeout = 2000 * SEC;
	for (o->congestion = 0; cc_names[o->congestion + 1] && wire_chance(w, 0.5);)
		o->congestion++;
	h->cap.mtu = PICK(w, mtus);
	if (h->s->v6)
		h->cap.mtu = max_of(h->cap.mtu, (uint16_t)IP6_MTU_MIN);
	h->cap.copy_below = (uint16_t)wire_range(w, 0, 2000);
	h->cap.flags = (uint8_t)wire_range(w, 0, 7);
	if ((h->cap.flags & PKT_TX_TCP_CSUM) && (h->cap.flags & PKT_TX_MULTI_SEG) && wire_chance(w, 0.7)) {
		h->cap.flags |= PKT_TX_TSO;
		h->cap.tso_mbufs = (uint16_t)wire_range(w, 4, 64);
	}
	h->cap.tx_mode = (uint8_t)wire_range(w, PKT_TX_COPIES, PKT_TX_GIVES_AWAY);
	h->rx_vouched = wire_chance(w, 0.3);
	if (wire_chance(w, 0.05))
		h->conf.mbuf_share = (uint32_t)wire_range(w, 64, 1000);
	if (wire_chance(w, 0.05))
		h->conf.block_bytes = wire_range(w, 2, 8) * MIB;
}

/* The clock, or one of the numbers that follow from it, is about to wrap. */
static void draw_clock(struct sim *s)
{
	struct wire *w = &s->wire;
	uint64_t before = wire_range(w, 0, 2 * SEC);
	unsigned int side = (unsigned int)wire_range(w, 0, 1);

	switch (wire_range(w, 0, 3)) {
	case 0:
		sim_wrap_isn(s, side, (uint32_t)wire_range(w, 0, 200000));
		break;
	case 1:
		w->now = (1ull << 32) - before;
		break;
	case 2:
		w->now = (1ull << 32) * US_PER_MS - before;
		break;
	}
}

/* ---- applications ---- */

/* Sizes and pause of writes or reads, such that the whole takes no longer than ten seconds. */
static uint64_t draw_pace(struct wire *w, uint64_t total, uint32_t *lo, uint32_t *hi)
{
	static const uint32_t most[] = {1, 10, 1000, 1460, 10000, 65536, 65536};
	uint64_t gap = 0, pieces;

	*hi = PICK(w, most);
	*lo = wire_chance(w, 0.5) ? *hi : 1;
	pieces = 2 * total / (*lo + *hi) + 1;
	if (wire_chance(w, 0.3))
		gap = min_of(wire_range(w, 1, 50) * MS, 10 * SEC / pieces);
	return gap < 2 * MS ? 0 : gap; /* a timer's grain is a millisecond */
}

static void draw_end(struct wire *w, struct end *e)
{
	static const uint64_t sizes[] = {0, 1, 100, 3000, 50000, 50000, 300000, 1000000};

	e->total = PICK(w, sizes);
	if (e->total > 1)
		e->total = wire_range(w, 1, e->total);
	e->write_gap = draw_pace(w, e->total, &e->write_lo, &e->write_hi);
	e->copies = wire_chance(w, 0.5);
	e->nodelay = wire_chance(w, 0.3);
}

static void draw_flow(struct sim *s)
{
	struct wire *w = &s->wire;
	struct flow *f = sim_flow(s);

	f->start = wire_chance(w, 0.5) ? 0 : wire_range(w, 0, 300 * MS);
	for (unsigned int side = 0; side < 2; side++)
		draw_end(w, &f->end[side]);
	for (unsigned int side = 0; side < 2; side++) {
		struct end *e = &f->end[side];

		if (wire_chance(w, 0.5))
			e->read_gap = draw_pace(w, f->end[!side].total, &e->read_lo, &e->read_hi);
	}
	if (wire_chance(w, 0.5))
		f->end[wire_range(w, 0, 1)].fin = FIN_AT_EOF;
}

/* One end resets; keep-alive tells the other if that is lost. */
static void draw_reset(struct sim *s)
{
	struct wire *w = &s->wire;
	struct flow *f = &s->flow[wire_range(w, 0, s->n_flows - 1)];
	unsigned int side = (unsigned int)wire_range(w, 0, 1);

	if (!f->end[!side].total)
		return;
	f->end[side].abort_at = wire_range(w, 1, f->end[!side].total);
	for (unsigned int i = 0; i < 2; i++) {
		s->host[i].tcp.keepalive = true;
		s->host[i].tcp.keepalive_idle = 20 * SEC;
		s->host[i].tcp.keepalive_intvl = SEC;
	}
}

void sim_draw(struct sim *s, uint64_t seed)
{
	unsigned int flows;

	sim_init(s, seed);
	s->v6 = seed % 2;
	for (unsigned int i = 0; i < 2 && s->v6; i++)
		host_v6(&s->host[i]);
	s->check_every = 4;
	draw_link(&s->wire, &s->wire.link[0].conf);
	if (wire_chance(&s->wire, 0.7))
		s->wire.link[1].conf = s->wire.link[0].conf;
	else
		draw_link(&s->wire, &s->wire.link[1].conf);
	for (unsigned int i = 0; i < 2; i++)
		draw_host(&s->wire, &s->host[i]);
	draw_clock(s);
	draw_events(s);
	flows = (unsigned int)wire_range(&s->wire, 1, 4);
	while (s->n_flows < flows)
		draw_flow(s);
	if (wire_chance(&s->wire, 0.1))
		draw_reset(s);
}
