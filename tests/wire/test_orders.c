/*
 * Simultaneous open and close in every order, and with every single loss: two engines, and between
 * them two queues of frames. A run is a list of choices, each of them "deliver the first frame this
 * way", "deliver it that way", "lose it", or "the application acts now"; the next run changes the last
 * choice that can still be changed, until there is none. Time passes only when nothing else is left
 * to do. After each delivery both states are held against a model of RFC 9293's figure 5.
 * Row: T-19.
 */
#include "kit.h"
#include "tcp/tcp.h"

#define FRAMES 64
#define DEPTH  96
#define DATA   3 /* bytes that a side sends before it closes */

#define RIGHT 5

/* What one side has had delivered; enough to say its state. */
struct model {
	enum tcp_state state;
	bool closed;       /* its application has closed */
	bool closed_first; /* before the peer's FIN was in order */
	bool data, fin;    /* delivered, in whatever order */
	bool fin_acked;
	uint32_t iss, len; /* of what it sends: len bytes */
	bool iss_known;
};

struct side {
	struct kit *k;
	struct kit_peer *p;
	struct kit_frame q[FRAMES]; /* sent by it */
	unsigned int head, tail;
	struct kit_frame arp[4];    /* the same, never lost or late */
	unsigned int n_arp;
	struct model m;
};

struct world {
	struct side s[2];
	unsigned int choice[DEPTH], options[DEPTH], depth, steps;
	unsigned int runs;
	bool lost, unmodelled;
	void (*act)(struct world *w); /* still to happen; NULL: has */
};

static const struct tcp_hdr *tcp_of(const struct kit_frame *f)
{
	return kit_tcp(f->bytes);
}

static void capture(void *arg, struct kit_frame *f)
{
	struct side *s = arg;
	const struct tcp_hdr *th = tcp_of(f);
	bool arp = !th; /* or Neighbor Discovery */
	struct kit_frame *to = arp ? &s->arp[s->n_arp++] : &s->q[s->tail++ % FRAMES];

	assert_true(s->tail - s->head < FRAMES && s->n_arp <= ARRAY_SIZE(s->arp));
	*to = *f;
	to->bytes = malloc(f->len);
	memcpy(to->bytes, f->bytes, f->len);
	if (arp)
		return;
	assert_false(th->flags & RST);
	if (!(th->flags & SYN))
		return;
	if (!s->m.iss_known)
		s->m.iss = be32(th->seq);
	s->m.iss_known = true;
	assert_int_equal(be32(th->seq), s->m.iss);
}

/* The state as the engine has it. */
static enum tcp_state state_of(const struct side *s)
{
	const struct tcp *t = engine_tcp(s->k->e);
	uint16_t local = be16(s->p->dport), remote = be16(s->p->port);

	for (uint32_t i = 1; i <= t->conn_pool.fresh; i++)
		if (t->conn[i].state != TCP_CLOSED && t->conn[i].tuple.local_port == local &&
		    t->conn[i].tuple.remote_port == remote)
			return t->conn[i].state;
	for (uint32_t i = 1; i <= t->small_pool.fresh; i++)
		if (t->small[i].half.kind == FLOW_TIME_WAIT &&
		    t->small[i].tuple.local_port == local &&
		    t->small[i].tuple.remote_port == remote)
			return TCP_TIME_WAIT;
	return TCP_CLOSED;
}

/* ---- the model ---- */

static bool fin_in_order(const struct model *m, const struct model *peer)
{
	return m->fin && (m->data || !peer->len);
}

static void model_opening(struct model *m, const struct tcp_hdr *th)
{
	if (m->state == TCP_SYN_SENT && th->flags & SYN)
		m->state = th->flags & ACK ? TCP_ESTABLISHED : TCP_SYN_RECEIVED;
	else if (m->state == TCP_SYN_RECEIVED && th->flags & ACK)
		m->state = TCP_ESTABLISHED;
}

/* Figure 5 below ESTABLISHED: what has happened says where it is. */
static void model_closing(struct model *m, const struct model *peer)
{
	bool fin = fin_in_order(m, peer);

	if (m->state < TCP_ESTABLISHED || m->state == TCP_TIME_WAIT)
		return;
	if (!m->closed)
		m->state = fin ? TCP_CLOSE_WAIT : TCP_ESTABLISHED;
	else if (!m->closed_first)
		m->state = m->fin_acked ? TCP_CLOSED : TCP_LAST_ACK;
	else if (!fin)
		m->state = m->fin_acked ? TCP_FIN_WAIT_2 : TCP_FIN_WAIT_1;
	else
		m->state = m->fin_acked ? TCP_TIME_WAIT : TCP_CLOSING;
}

static void model_input(struct model *m, const struct model *peer, const struct kit_frame *f)
{
	const struct tcp_hdr *th = tcp_of(f);
	uint32_t len = kit_payload(f->bytes);
	uint32_t nxt = peer->iss + 1 + (m->data ? peer->len : 0) + fin_in_order(m, peer);
	uint32_t seq = be32(th->seq), end = seq + len + !!(th->flags & FIN);

	model_opening(m, th);
	/* Not acceptable segments change nothing. */
	if (m->state < TCP_ESTABLISHED || th->flags & SYN ||
	    (end == seq ? seq_lt(seq, nxt) : seq_leq(end, nxt)))
		return;
	m->fin_acked |= m->closed && be32(th->ack) == m->iss + 1 + m->len + 1;
	m->data |= len != 0;
	m->fin |= !!(th->flags & FIN);
	model_closing(m, peer);
}

static void compare(const struct world *w)
{
	for (int i = 0; i < 2 && !w->unmodelled; i++)
		if (state_of(&w->s[i]) != w->s[i].m.state)
			fail_msg("run %u, step %u: side %d is in state %d, not %d", w->runs,
				 w->steps, i, state_of(&w->s[i]), w->s[i].m.state);
}

/* ---- a run ---- */

static struct kit_frame *first_of(struct side *s)
{
	return s->head == s->tail ? NULL : &s->q[s->head % FRAMES];
}

static void drop(struct side *s)
{
	free(first_of(s)->bytes);
	s->head++;
}

static void deliver(struct world *w, int from)
{
	struct side *a = &w->s[from], *b = &w->s[!from];
	struct kit_frame f = *first_of(a);

	a->head++;
	model_input(&b->m, &a->m, &f);
	kit_inject(b->k, f.bytes, f.len);
	free(f.bytes);
}

static void deliver_arp(struct world *w)
{
	for (int i = 0; i < 2; i++)
		while (w->s[i].n_arp) {
			struct kit_frame f = w->s[i].arp[--w->s[i].n_arp];

			kit_inject(w->s[!i].k, f.bytes, f.len);
			free(f.bytes);
			i = 0;
		}
}

static void deliver_all(struct world *w)
{
	deliver_arp(w);
	while (first_of(&w->s[0]) || first_of(&w->s[1]))
		deliver(w, first_of(&w->s[0]) ? 0 : 1);
}

static void until(struct world *w, uint64_t at)
{
	kit_advance_to(w->s[0].k, at);
	kit_advance_to(w->s[1].k, at);
}

static void let_time_pass(struct world *w)
{
	uint64_t now = w->s[0].k->now;
	uint64_t a = engine_next(w->s[0].k->e, now), b = engine_next(w->s[1].k->e, now);

	until(w, min_of(a, b));
}

enum move {
	DELIVER_0,
	DELIVER_1,
	LOSE_0,
	LOSE_1,
	ACT,
};

static unsigned int options_now(struct world *w, enum move out[5])
{
	unsigned int n = 0;

	deliver_arp(w);
	for (int i = 0; i < 2; i++)
		if (first_of(&w->s[i]))
			out[n++] = i ? DELIVER_1 : DELIVER_0;
	for (int i = 0; i < 2 && !w->lost; i++)
		if (first_of(&w->s[i]))
			out[n++] = i ? LOSE_1 : LOSE_0;
	if (w->act)
		out[n++] = ACT;
	return n;
}

static void step(struct world *w, enum move o)
{
	void (*act)(struct world *w) = w->act;

	switch (o) {
	case DELIVER_0:
	case DELIVER_1:
		deliver(w, o == DELIVER_1);
		break;
	case LOSE_0:
	case LOSE_1:
		w->lost = true;
		drop(&w->s[o == LOSE_1]);
		break;
	case ACT:
		w->act = NULL;
		act(w);
		break;
	}
	compare(w);
}

/* All choices of one run, as far as they are given; first ones after that. */
static void run_choices(struct world *w, bool (*done)(const struct world *w))
{
	uint64_t end = w->s[0].k->now + 30 * SEC;
	enum move o[5];
	unsigned int n;

	for (w->steps = 0; (n = options_now(w, o)) || !done(w);) {
		if (!n) {
			let_time_pass(w);
			if (w->s[0].k->now >= end)
				fail_msg("run %u, step %u: still in states %d and %d", w->runs,
					 w->steps, w->s[0].m.state, w->s[1].m.state);
			continue;
		}
		assert_true(w->steps < DEPTH);
		if (w->steps == w->depth)
			w->choice[w->depth++] = 0;
		w->options[w->steps] = n;
		step(w, o[w->choice[w->steps++]]);
	}
}

/* The next run's choices; false: that was the last. */
static bool next_run(struct world *w)
{
	w->depth = w->steps;
	while (w->depth && w->choice[w->depth - 1] + 1 == w->options[w->depth - 1])
		w->depth--;
	if (!w->depth)
		return false;
	w->choice[w->depth - 1]++;
	return true;
}

/* ---- the two engines ---- */

static void world_begin(struct world *w, struct kit *left)
{
	struct kit *right = kit_new();

	memset(w, 0, sizeof(*w));
	kit_host(right->addrs[0].addr, RIGHT);
	right->conf.n_addresses = 1;
	right->cap[0].mac[5] ^= 0x40;
	for (unsigned int i = 0; i < sizeof(right->conf.secret); i++)
		right->conf.secret[i] ^= 0x5a;
	w->s[0] = (struct side){.k = left, .p = kit_peer(left)};
	w->s[1] = (struct side){.k = right, .p = kit_peer(right)};
	kit_host(w->s[0].p->addr, RIGHT);
	kit_host(w->s[1].p->addr, KIT_SERVER_HOST);
	for (int i = 0; i < 2; i++) {
		w->s[i].k->sink = capture;
		w->s[i].k->sink_arg = &w->s[i];
	}
}

static void world_end(struct world *w)
{
	for (int i = 0; i < 2; i++) {
		while (first_of(&w->s[i]))
			drop(&w->s[i]);
		w->s[i].k->sink = NULL;
	}
	kit_close(w->s[1].k);
}

/* Both open at the same time, with ports that were not used before. */
static void open_both(struct world *w)
{
	uint16_t port = (uint16_t)(2000 + w->runs % 60000);

	w->lost = false;
	for (int i = 0; i < 2; i++) {
		struct side *s = &w->s[i];

		kit_app_init(&s->p->app, s->k);
		s->p->app.half_open_on_eof = true;
		s->p->port = port;
		s->m = (struct model){.state = TCP_SYN_SENT};
		assert_int_equal(kit_connect_from(s->p, LISTENER_ANY, port), 0);
	}
	deliver_arp(w);
}

static void abort_both(struct world *w)
{
	for (int i = 0; i < 2; i++) {
		struct side *s = &w->s[i];

		s->k->sink = NULL;
		if (s->p->app.pending)
			kit_app_abort(s->p);
		kit_drain(s->k);
		s->k->sink = capture;
	}
}

static bool is_open(const struct world *w)
{
	return w->s[0].m.state == TCP_ESTABLISHED && w->s[1].m.state == TCP_ESTABLISHED;
}

static bool is_closed(const struct world *w)
{
	return w->s[0].m.state == TCP_TIME_WAIT ?
		w->s[1].m.state == TCP_TIME_WAIT || w->s[1].m.state == TCP_CLOSED :
		w->s[0].m.state == TCP_CLOSED && w->s[1].m.state == TCP_TIME_WAIT;
}

static void close_side(struct world *w, int i)
{
	struct side *s = &w->s[i];

	s->m.closed = true;
	s->m.closed_first = !fin_in_order(&s->m, &w->s[!i].m);
	model_closing(&s->m, &w->s[!i].m);
	kit_app_shutdown(s->p);
}

static void close_right(struct world *w)
{
	close_side(w, 1);
}

static void close_left(struct world *w)
{
	close_side(w, 0);
}

static struct world *world(struct kit *left)
{
	struct world *w = malloc(sizeof(*w));

	world_begin(w, left);
	return w;
}

static void finish(struct world *w, unsigned int least)
{
	assert_true(w->runs >= least);
	world_end(w);
	free(w);
}

static void T_19_simultaneous_open(void **state)
{
	struct world *w = world(*state);

	do {
		open_both(w);
		run_choices(w, is_open);
		assert_int_equal(w->s[0].p->app.opens, 1);
		assert_int_equal(w->s[1].p->app.opens, 1);
		/* The numbers are right: bytes go both ways. */
		kit_app_send(w->s[0].p, DATA);
		kit_app_send(w->s[1].p, DATA);
		deliver_all(w);
		assert_int_equal(w->s[0].p->app.rx, DATA);
		assert_int_equal(w->s[1].p->app.rx, DATA);
		abort_both(w);
		w->runs++;
	} while (next_run(w));
	finish(w, 30);
}

static void ended_well(const struct side *s, uint32_t received)
{
	assert_int_equal(s->p->app.opens, 1);
	assert_int_equal(s->p->app.closes, 1);
	assert_int_equal(s->p->app.eofs, 1);
	assert_int_equal(s->p->app.why, PIER_CLOSE_NORMAL);
	assert_int_equal(s->p->app.rx, received);
}

/* Each side may have data in flight before its FIN: the left closes at once, the right at any time. */
static void close_in_all_orders(struct kit *k, uint32_t left, uint32_t right, unsigned int least)
{
	struct world *w = world(k);

	do {
		w->act = NULL;
		open_both(w);
		deliver_all(w);
		compare(w);
		w->s[0].m.len = left;
		w->s[1].m.len = right;
		if (left)
			kit_app_send(w->s[0].p, left);
		if (right)
			kit_app_send(w->s[1].p, right);
		close_left(w);
		w->act = close_right;
		run_choices(w, is_closed);
		ended_well(&w->s[0], right);
		ended_well(&w->s[1], left);
		w->runs++;
	} while (next_run(w));
	finish(w, least);
}

static void T_19_simultaneous_close(void **state)
{
	close_in_all_orders(*state, 0, 0, 20);
}

static void T_19_simultaneous_close_with_data(void **state)
{
	close_in_all_orders(*state, DATA, DATA, 100);
}

static void T_19_simultaneous_close_data_one_way(void **state)
{
	close_in_all_orders(*state, DATA, 0, 50);
}

static void shut_left(struct world *w)
{
	kit_app_shutdown(w->s[0].p);
}

static bool gone(const struct world *w)
{
	for (int i = 0; i < 2; i++) {
		enum tcp_state st = state_of(&w->s[i]);

		if (w->s[i].p->app.pending || (st != TCP_CLOSED && st != TCP_TIME_WAIT))
			return false;
	}
	return true;
}

/* The left closes at any time from SYN-SENT on, the right when it hears of that. */
static void T_19_close_during_simultaneous_open(void **state)
{
	struct world *w = world(*state);

	do {
		open_both(w);
		w->s[1].p->app.half_open_on_eof = false;
		w->unmodelled = true;
		w->act = shut_left;
		run_choices(w, gone);
		ended_well(&w->s[0], 0);
		ended_well(&w->s[1], 0);
		w->runs++;
	} while (next_run(w));
	finish(w, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(T_19_simultaneous_open),
		KIT_TEST(T_19_simultaneous_close),
		KIT_TEST(T_19_simultaneous_close_with_data),
		KIT_TEST(T_19_simultaneous_close_data_one_way),
		KIT_TEST(T_19_close_during_simultaneous_open),
	};

	return KIT_RUN("orders", tests);
}
