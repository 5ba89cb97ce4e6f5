/*
 * Each state, and each segment that may come in it: against RFC 9293 section 3.10.7, with what RFC 5961
 * says of RST, SYN and ACK, written down here a second time and from the text alone (predict()).
 *
 * A case is a state, flags, a place relative to the receive window, a length, an acknowledgment and
 * a window. It has a connection of its own, on which the one segment arrives. What is compared is all
 * that leaves at once and within a delayed ACK's time, the state afterwards, octets, opens, ends and
 * closes that the handler was told of; and at last that a RST at the RCV.NXT that was predicted ends it.
 *
 * No timestamps: their checks come before and have tests of their own.
 */
#include "inside.h"

#define NONE    0xff /* no state: LISTEN, or a closed port */
#define FLIGHT  100  /* octets, in the state that has some */
#define SMALL   1024 /* receive buffer, in the state where it is full */
#define DELACK  (60 * MS)
#define ANY_ACK 777u

/* What RFC 9293 calls RCV.NXT, RCV.WND, SND.UNA, SND.NXT, SND.WND, SND.WL1; numbers as the kit has them. */
struct world {
	uint8_t state; /* enum tcp_state or NONE */
	bool closed_port, passive;
	uint32_t nxt, wnd, una, snd, snd_wnd, wl1, max_wnd;
};

/* What shall be seen. */
struct want {
	struct world after;
	uint8_t reply; /* flags of the segment sent at once, 0: none */
	uint32_t seq, ack;
	bool absolute; /* a RST to no connection: SEQ 0 */
	bool late;     /* an ACK of everything, delayed */
	uint32_t octets;
	unsigned int opens, eofs, closes;
};

/* ---- the RFC ---- */

static void answer(struct want *v, uint8_t flags, uint32_t seq, uint32_t ack)
{
	v->reply = flags;
	v->seq = seq;
	v->ack = ack;
}

/* SND.NXT, but for a peer whose window is closed or smaller than what is in flight: appendix A.2. */
static void answer_ack(struct want *v)
{
	const struct world *w = &v->after;

	answer(v, ACK, seq_min(w->snd, w->una + w->snd_wnd), w->nxt);
}

static uint32_t length(const struct seg *g)
{
	return g->len + !!(g->flags & SYN) + !!(g->flags & FIN);
}

/* 3.10.7.1, and the resets of 3.5.2. */
static void reset(struct want *v, const struct seg *g)
{
	if (g->flags & RST)
		return;
	if (g->flags & ACK) {
		answer(v, RST, g->ack, 0);
	} else {
		answer(v, RST | ACK, 0, g->seq + length(g));
		v->absolute = true;
	}
}

static void gone(struct want *v, bool told)
{
	v->after.state = NONE;
	v->closes = told;
}

/* 3.10.7.2. */
static void in_listen(struct want *v, const struct seg *g)
{
	if (g->flags & RST)
		return;
	if (g->flags & ACK) {
		reset(v, g);
	} else if ((g->flags & (SYN | FIN)) == SYN) {
		v->after.state = TCP_SYN_RECEIVED;
		v->after.passive = true;
		v->after.nxt = g->seq + 1;
		answer(v, SYN | ACK, 0, g->seq + 1);
	}
}

/* 3.10.7.4, eighth: true if the FIN is the next. */
static void fin(struct want *v)
{
	struct world *w = &v->after;

	w->nxt++;
	v->eofs = 1;
	w->state = w->state == TCP_ESTABLISHED ? TCP_CLOSE_WAIT :
		   w->state == TCP_FIN_WAIT_1 ? TCP_CLOSING : TCP_TIME_WAIT;
	if (w->state == TCP_TIME_WAIT)
		v->closes = 1;
	answer_ack(v);
}

/* 3.10.7.4, seventh and eighth: text and FIN, in the window at least in part. */
static void text(struct want *v, const struct seg *g)
{
	struct world *w = &v->after;
	uint32_t end = g->seq + g->len, edge = w->nxt + w->wnd;
	bool whole = seq_geq(g->seq, w->nxt) && seq_leq(end, edge);

	if (!g->len && !(g->flags & FIN))
		return;
	if (w->state > TCP_FIN_WAIT_2) { /* after the peer's FIN */
		answer_ack(v);
		return;
	}
	if (seq_gt(g->seq, w->nxt)) { /* kept for later, told at once */
		answer_ack(v);
		return;
	}
	if (seq_gt(end, w->nxt)) {
		v->octets = seq_min(end, edge) - w->nxt;
		w->nxt += v->octets;
		w->wnd -= v->octets;
		v->late = whole && g->len;
		if (!whole)
			answer_ack(v);
	}
	if (g->flags & FIN && end == w->nxt) {
		v->late = false;
		fin(v);
	}
}

/* 3.10.7.3. */
static void in_syn_sent(struct want *v, const struct seg *g)
{
	struct world *w = &v->after;
	bool ack = g->flags & ACK;

	if (ack && g->ack != w->snd) {
		reset(v, g);
	} else if (g->flags & RST) {
		if (ack)
			gone(v, true);
	} else if (g->flags & SYN) {
		w->nxt = g->seq + 1;
		w->state = ack ? TCP_ESTABLISHED : TCP_SYN_RECEIVED;
		w->snd_wnd = w->max_wnd = g->win;
		if (!ack) {
			answer(v, SYN | ACK, w->una, w->nxt);
			return;
		}
		v->opens = 1;
		w->una = g->ack;
		text(v, &(struct seg){.flags = g->flags & FIN, .seq = w->nxt, .len = g->len});
		v->late = false;
		answer_ack(v);
	}
}

/* RFC 1337, RFC 5961, RFC 6191 and section 3.10.7.4: what TIME-WAIT still does. */
static void in_time_wait(struct want *v, const struct seg *g)
{
	struct world *w = &v->after;
	bool again = g->flags & FIN && g->seq + g->len + 1 == w->nxt;

	if (g->flags & RST)
		return;
	if ((g->flags & (SYN | ACK | FIN)) == SYN && seq_gt(g->seq, w->nxt)) {
		w->state = TCP_SYN_RECEIVED;
		w->passive = true;
		w->nxt = g->seq + 1;
		answer(v, SYN | ACK, 0, g->seq + 1);
	} else if (g->flags & SYN || again) {
		answer_ack(v);
	} else if (g->flags & ACK && (g->seq != w->nxt || seq_gt(g->ack, w->snd) || length(g))) {
		answer_ack(v);
	}
}

/* Table 6. */
static bool acceptable(const struct world *w, const struct seg *g)
{
	uint32_t len = length(g), last = g->seq + len - 1, edge = w->nxt + w->wnd;

	if (!len && !w->wnd)
		return g->seq == w->nxt;
	if (!len)
		return seq_geq(g->seq, w->nxt) && seq_leq(g->seq, edge);
	return w->wnd && ((seq_geq(g->seq, w->nxt) && seq_lt(g->seq, edge)) ||
			  (seq_geq(last, w->nxt) && seq_lt(last, edge)));
}

/* RFC 5961 section 3.2. */
static void rst(struct want *v, const struct seg *g)
{
	const struct world *w = &v->after;

	if (g->seq == w->nxt)
		gone(v, !w->passive || w->state != TCP_SYN_RECEIVED);
	else if (seq_gt(g->seq, w->nxt) && seq_lt(g->seq, w->nxt + w->wnd))
		answer_ack(v);
}

/* RFC 5961 section 4.2, and in SYN-RECEIVED section 3.10.7.4, fourth. False: it goes on. */
static void syn(struct want *v, const struct seg *g)
{
	struct world *w = &v->after;
	bool same = g->seq == w->nxt - 1;
	bool inside = seq_geq(g->seq, w->nxt) && seq_lt(g->seq, w->nxt + w->wnd);

	if (w->state == TCP_SYN_RECEIVED && same && !(g->flags & ACK)) {
		answer(v, SYN | ACK, w->una, w->nxt);
	} else if (w->state == TCP_SYN_RECEIVED && w->passive && inside) {
		gone(v, false);
	} else if (w->state == TCP_SYN_RECEIVED && !w->passive && same && g->ack == w->snd) {
		/* Figure 7: the SYN-ACK of crossing SYNs. */
		v->opens = 1;
		w->state = TCP_ESTABLISHED;
		w->una = g->ack;
		w->snd_wnd = g->win;
		text(v, &(struct seg){.flags = g->flags & FIN, .seq = w->nxt, .len = g->len});
		v->late = false;
		answer_ack(v);
	} else {
		answer_ack(v);
	}
}

/* 3.10.7.4, fifth; RFC 5961 section 5.2. False: the segment is used up. */
static bool acknowledgment(struct want *v, const struct seg *g)
{
	struct world *w = &v->after;

	if (w->state == TCP_SYN_RECEIVED) {
		if (g->ack != w->snd) {
			reset(v, g);
			return false;
		}
		w->state = TCP_ESTABLISHED;
		w->una = g->ack;
		v->opens = 1;
		w->snd_wnd = g->win;
	}
	if (seq_gt(g->ack, w->snd) || seq_lt(g->ack, w->una - w->max_wnd)) {
		answer_ack(v);
		return false;
	}
	/* SND.WL2 is SND.UNA here. An older segment leaves the right edge where it was. */
	if (seq_geq(g->ack, w->una) && seq_geq(g->seq, w->wl1))
		w->snd_wnd = g->win;
	else if (seq_gt(g->ack, w->una))
		w->snd_wnd -= min_of(w->snd_wnd, g->ack - w->una);
	w->una = seq_max(w->una, g->ack);
	if (w->una != w->snd)
		return true;
	if (w->state == TCP_FIN_WAIT_1)
		w->state = TCP_FIN_WAIT_2;
	if (w->state == TCP_LAST_ACK) {
		gone(v, true);
		return false;
	}
	if (w->state == TCP_CLOSING) {
		w->state = TCP_TIME_WAIT;
		v->closes = 1;
	}
	return true;
}

static struct want predict(const struct world *w, const struct seg *g)
{
	struct want v = {.after = *w};

	if (w->closed_port) {
		reset(&v, g);
	} else if (w->state == NONE) {
		in_listen(&v, g);
	} else if (w->state == TCP_SYN_SENT) {
		in_syn_sent(&v, g);
	} else if (w->state == TCP_TIME_WAIT) {
		in_time_wait(&v, g);
	} else if (g->flags & RST) {
		rst(&v, g);
	} else if (g->flags & SYN) {
		syn(&v, g);
	} else if (!acceptable(w, g)) {
		/* 3.10.7.4: at a closed window valid ACKs count all the same. */
		if (g->seq != w->nxt || !(g->flags & ACK) || acknowledgment(&v, g))
			answer_ack(&v);
	} else if (g->flags & ACK && acknowledgment(&v, g)) {
		text(&v, g);
	}
	return v;
}

/* ---- the engine ---- */

struct state {
	const char *name;
	void (*go)(struct kit_peer *p, struct world *w);
};

static void to_closed_port(struct kit_peer *p, struct world *w)
{
	p->dport = 4444;
	w->state = NONE;
	w->closed_port = true;
	w->nxt = 1;
}

static void to_listen(struct kit_peer *p, struct world *w)
{
	w->state = NONE;
	w->nxt = 1;
}

static void to_syn_sent(struct kit_peer *p, struct world *w)
{
	kit_connect(p);
	w->state = TCP_SYN_SENT;
	w->nxt = 1; /* it does not know */
}

static void to_syn_received(struct kit_peer *p, struct world *w)
{
	kit_syn(p);
	kit_synack(p);
	w->state = TCP_SYN_RECEIVED;
	w->passive = true;
	w->nxt = 1;
}

static void to_crossed(struct kit_peer *p, struct world *w)
{
	kit_connect(p);
	send_seg(p, .flags = SYN, .seq = 0, .opts = kit_answer_opts(p));
	expect(p, .flags = SYN | ACK, .seq = 0, .ack = 1);
	w->state = TCP_SYN_RECEIVED;
	w->nxt = 1;
}

static void to_open(struct kit_peer *p, struct world *w)
{
	kit_open(p);
	w->state = TCP_ESTABLISHED;
	w->nxt = w->una = 1;
}

static void to_flight(struct kit_peer *p, struct world *w)
{
	to_open(p, w);
	kit_app_send(p, FLIGHT);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = FLIGHT);
	w->snd = 1 + FLIGHT;
}

static void to_full(struct kit_peer *p, struct world *w)
{
	to_flight(p, w);
	p->app.take = 0;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = w->wnd);
	kit_advance(p->k, DELACK);
	assert_int_equal(kit_take(p).win, 0);
	w->nxt += w->wnd;
	w->wnd = 0;
}

/* Those of the kit, in its order. */
static void to_kit(struct kit_peer *p, struct world *w, unsigned int i)
{
	static const uint8_t state[] = {TCP_ESTABLISHED, TCP_FIN_WAIT_1, TCP_FIN_WAIT_2, TCP_CLOSE_WAIT,
					TCP_CLOSING, TCP_LAST_ACK, TCP_TIME_WAIT};

	kit_open(p);
	kit_states[i].go(p);
	p->app.half_open_on_eof = true;
	w->state = state[i];
	w->nxt = kit_states[i].ack;
	w->snd = kit_states[i].seq;
	w->una = w->state == TCP_FIN_WAIT_1 || w->state == TCP_CLOSING || w->state == TCP_LAST_ACK ?
		 w->snd - 1 : w->snd;
	w->wnd -= w->nxt - 1 && w->state != TCP_TIME_WAIT; /* the edge stays when a FIN is taken */
	w->wnd -= w->state == TCP_TIME_WAIT;
}

static void to_fin_wait_1(struct kit_peer *p, struct world *w) { to_kit(p, w, 1); }
static void to_fin_wait_2(struct kit_peer *p, struct world *w) { to_kit(p, w, 2); }
static void to_close_wait(struct kit_peer *p, struct world *w) { to_kit(p, w, 3); }
static void to_closing(struct kit_peer *p, struct world *w) { to_kit(p, w, 4); }
static void to_last_ack(struct kit_peer *p, struct world *w) { to_kit(p, w, 5); }
static void to_time_wait(struct kit_peer *p, struct world *w) { to_kit(p, w, 6); }

static const struct state states[] = {
	{"closed port", to_closed_port},
	{"LISTEN", to_listen},
	{"SYN-SENT", to_syn_sent},
	{"SYN-RECEIVED", to_syn_received},
	{"SYN-RECEIVED after crossing SYNs", to_crossed},
	{"ESTABLISHED", to_open},
	{"ESTABLISHED with data in flight", to_flight},
	{"ESTABLISHED with a full buffer", to_full},
	{"FIN-WAIT-1", to_fin_wait_1},
	{"FIN-WAIT-2", to_fin_wait_2},
	{"CLOSE-WAIT", to_close_wait},
	{"CLOSING", to_closing},
	{"LAST-ACK", to_last_ack},
	{"TIME-WAIT", to_time_wait},
};

/* The state of what the engine has for that peer. */
static uint8_t state_of(const struct kit_peer *p)
{
	const struct tcp *t = engine_tcp(p->k->e);

	for (uint32_t i = 1; i <= t->conn_pool.fresh; i++)
		if (t->conn[i].state != TCP_CLOSED &&
		    t->conn[i].tuple.remote_port == be16(p->port))
			return (uint8_t)t->conn[i].state;
	for (uint32_t i = 1; i <= t->small_pool.fresh; i++) {
		const struct tcp_half *h = &t->small[i].half;

		if (h->kind == FLOW_HALF_OPEN && h->tuple.remote_port == be16(p->port))
			return TCP_SYN_RECEIVED;
		if (h->kind == FLOW_TIME_WAIT && h->tuple.remote_port == be16(p->port) &&
		    !t->small[i].tw.replacing)
			return TCP_TIME_WAIT;
	}
	return NONE;
}

static bool is_reply(const struct seg *g, const struct want *v, const struct kit_peer *p)
{
	uint32_t seq = v->absolute ? -p->iss : v->seq;

	return (g->flags & ~PSH) == v->reply && g->seq == seq && !g->len &&
	       (!(v->reply & ACK) || g->ack == v->ack);
}

/* What was seen instead of what was predicted; NULL: the same. */
static const char *differs(struct kit_peer *p, const struct want *v, const struct kit_app *before,
			   struct seg *got)
{
	struct kit *k = p->k;

	kit_arp(k);
	if (kit_has(k))
		*got = kit_take(p);
	if (v->reply ? !is_reply(got, v, p) : got->flags != 0)
		return "the answer";
	if (kit_has(k))
		return "a second answer";
	kit_advance(k, DELACK);
	kit_arp(k);
	*got = kit_has(k) ? kit_take(p) : (struct seg){0};
	if (kit_has(k) || (v->late ? got->flags != ACK || got->ack != v->after.nxt : got->flags != 0))
		return "the delayed ACK";
	if (state_of(p) != v->after.state)
		return "the state";
	if (p->app.rx - before->rx != v->octets && p->app.take)
		return "the octets delivered";
	if (p->app.opens - before->opens != v->opens || p->app.eofs - before->eofs != v->eofs ||
	    p->app.closes + p->app.failed - before->closes - before->failed != v->closes)
		return "what the handler was told";
	return NULL;
}

/* Only a RST at RCV.NXT ends it. */
static bool ends_at(struct kit_peer *p, const struct want *v)
{
	uint8_t s = v->after.state;

	if (s == TCP_SYN_SENT)
		kit_app_abort(p);
	if (s == NONE || s == TCP_TIME_WAIT || s == TCP_SYN_SENT)
		return true;
	send_seg(p, .flags = RST, .seq = v->after.nxt);
	s = state_of(p);
	kit_drain(p->k);
	return s == NONE || s == TCP_TIME_WAIT;
}

static unsigned int one(struct kit *k, const struct state *st, struct seg g, uint32_t seq_off,
			uint32_t edge_off, uint32_t ack_off)
{
	struct kit_peer *p = kit_peer(k);
	struct world w = {.wnd = k->tcp.rcvbuf, .snd = 1, .wl1 = 1, .snd_wnd = 65535, .max_wnd = 65535};
	struct kit_app before;
	struct want v;
	const char *what;
	struct seg got = {0};

	p->app.half_open_on_eof = true;
	st->go(p, &w);
	kit_arp(k);
	kit_quiet(k);
	if (w.state == NONE)
		p->iss = 0; /* a RST's number is then what was acknowledged */
	g.seq = w.nxt + seq_off + (edge_off ? w.wnd + edge_off - 2 : 0);
	g.ack = g.flags & ACK ? w.una + ack_off : 0;
	if (ack_off == ANY_ACK)
		g.ack = w.snd;
	p->win = g.win;
	if (g.flags & SYN)
		p->iss_known = w.state != NONE && w.state != TCP_TIME_WAIT;
	v = predict(&w, &g);
	before = p->app;
	p->app.any = true; /* places are numbers only */
	send_seg(p, .flags = g.flags, .seq = g.seq, .ack = g.ack, .len = g.len, .urg = g.urg);
	what = differs(p, &v, &before, &got);
	if (!what && !ends_at(p, &v))
		what = "RCV.NXT";
	if (what)
		print_error("%s, flags 0x%02x seq %d (window %u from %u) len %u ack %d (%u to %u) win %u: "
			    "%s; flags 0x%02x seq %u ack %u, state %u; predicted 0x%02x %u %u%s, state %u\n",
			    st->name, g.flags, (int)g.seq, w.wnd, w.nxt, g.len, (int)g.ack, w.una,
			    w.snd, g.win, what, got.flags, got.seq, got.ack, state_of(p), v.reply,
			    v.seq, v.ack, v.late ? " delayed" : "", v.after.state);
	return !!what;
}

static const uint8_t all_flags[] = {
	0, PSH, FIN, ACK, ACK | PSH, FIN | ACK, FIN | ACK | PSH | URG, URG | ACK, ECE | CWR | ACK,
	SYN, SYN | ACK, SYN | FIN, SYN | FIN | ACK, SYN | ECE | CWR, RST, RST | ACK, RST | SYN, RST | FIN | ACK,
};
static const uint32_t lens[] = {0, 1, 50};
/* From RCV.NXT; from the right edge, as two more than it. */
static const struct { uint32_t seq, edge; } places[] = {
	{0x80000001u, 0}, {-1000u, 0}, {-2u, 0}, {-1u, 0}, {0, 0}, {1, 0}, {100, 0},
	{0, 1}, {0, 2}, {0, 3}, {0x40000000, 0},
};
/* From SND.UNA; ANY_ACK: SND.NXT. */
static const uint32_t acks[] = {ANY_ACK, 0, -1u, -65535u, -65536u, 2 + FLIGHT, 0x40000000, 50};

static struct kit *fresh(const struct state *st)
{
	struct kit *k = kit_new();

	k->conf.max_connections = k->conf.max_half_open = k->conf.max_time_wait = KIT_PEERS;
	k->conf.rst_rate = 1000000;
	k->tcp.ecn = k->tcp.ecn_connect = false;
	if (st->go == to_full)
		k->tcp.rcvbuf = k->tcp.rcvbuf_initial = SMALL;
	k->unchecked = true;
	return k;
}

static unsigned int one_flags(const struct state *st, uint8_t flags)
{
	unsigned int n_acks = flags & ACK ? ARRAY_SIZE(acks) : 1, wrong = 0;
	struct kit *k = fresh(st);

	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++)
		for (unsigned int l = 0; l < ARRAY_SIZE(lens); l++)
			for (unsigned int a = 0; a < n_acks; a++)
				for (unsigned int closed = 0; closed < 2; closed++) {
					struct seg g = {.flags = flags, .len = lens[l],
							.win = closed ? 0 : 65535, .urg = flags & URG ? 1 : 0};

					wrong += one(k, st, g, places[i].seq, places[i].edge, acks[a]);
				}
	kit_close(k);
	return wrong;
}

static void each_segment_in_each_state(void **s)
{
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(states); i++)
		for (unsigned int f = 0; f < ARRAY_SIZE(all_flags); f++)
			wrong += one_flags(&states[i], all_flags[f]);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_segment_in_each_state),
	};

	return KIT_RUN("states", tests);
}
