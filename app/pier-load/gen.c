/*
 * Slots, what is due, and the turn; see gen.h.
 */
#include "gen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

#define OPENS_MAX   32   /* of a turn */
#define ASKS_MAX    64
#define SCANS_MAX   64
#define TRIES	    64   /* tuples for each worker, until one is free and ours */
#define OPENING_MAX 1024 /* connections being opened at a time, where no rate is set */

void ring_push(struct slot_ring *r, uint32_t n_slots, uint32_t slot)
{
	uint32_t at = r->head + r->n++;

	r->slot[at >= n_slots ? at - n_slots : at] = slot;
}

uint32_t ring_pop(struct slot_ring *r, uint32_t n_slots)
{
	const uint32_t slot = r->slot[r->head];

	r->head = r->head + 1 == n_slots ? 0 : r->head + 1;
	r->n--;
	return slot;
}

uint64_t again_pop(struct again *a)
{
	const uint64_t due = a->due[a->head];

	a->head = a->head + 1 == a->room ? 0 : a->head + 1;
	a->n--;
	return due;
}

static void again_push(struct again *a, uint64_t due)
{
	const size_t at = a->head + a->n++;

	a->due[at >= a->room ? at - a->room : at] = due;
}

struct gen *gen_create(const struct gen_plan *plan, unsigned int worker, uint32_t share)
{
	const struct load_options *o = plan->o;
	struct gen *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->plan = plan;
	g->worker = worker;
	g->n_slots = g->n_free = share;
	g->version = -1;
	g->from = g->end = UINT64_MAX;
	g->slots = calloc(share + 1, sizeof(*g->slots));
	g->due = calloc((size_t)share * o->depth + 1, sizeof(*g->due));
	g->free = calloc(share + 1, sizeof(*g->free));
	if (o->rps && o->depth > 1)
		g->again.room = (size_t)share * o->depth;
	g->again.due = calloc(g->again.room + 1, sizeof(*g->again.due));
	g->ready.slot = calloc(share + 1, sizeof(uint32_t));
	g->rests.slot = calloc(share + 1, sizeof(uint32_t));
	if (!g->slots || !g->due || !g->free || !g->again.due || !g->ready.slot || !g->rests.slot) {
		gen_destroy(g);
		return NULL;
	}
	for (uint32_t i = 0; i < share; i++)
		g->free[i] = share - 1 - i;
	g->listener = (struct listener){
		.handler = load_mode_requests(o->mode) || o->mode == LOAD_HOLD ? &client_handler
									       : &bulk_handler,
		.settings = g,
		.tcp = plan->tcp,
	};
	listener_prepare(&g->listener);
	walk_init(&g->walk, plan->targets, plan->n_targets, (const uint32_t *const *)plan->sources, plan->n_sources,
		  plan->tcp.port_low, plan->tcp.port_high, rte_rdtsc() / 1024);
	return g;
}

void gen_destroy(struct gen *g)
{
	if (!g)
		return;
	free(g->slots);
	free(g->due);
	free(g->free);
	free(g->again.due);
	free(g->ready.slot);
	free(g->rests.slot);
	free(g);
}

void gen_order(struct gen *g, enum gen_phase phase)
{
	__atomic_store_n(&g->order, phase, __ATOMIC_RELEASE);
}

enum gen_phase gen_phase(const struct gen *g)
{
	return __atomic_load_n(&g->phase, __ATOMIC_ACQUIRE);
}

/* ---- slots ---- */

struct slot *gen_opened(struct pier_conn *pc, struct gen **gp)
{
	struct slot *s = slot_of(pc, gp);
	struct gen *g = *gp;
	const uint64_t now = gen_now(g);

	s->state = SLOT_OPEN;
	s->since = now;
	g->c.opened++;
	g->n_connecting--;
	g->n_open++;
	g->n_there += !s->served;
	if (!gen_short(g) || gen_counts(g, s->start))
		hist_add(&g->t.connect, now - s->start);
	return s;
}

void gen_error(struct gen *g, struct slot *s, enum load_error why)
{
	if (s->hurt)
		return;
	s->hurt = true;
	g->c.error[why]++;
}

uint64_t gen_lapse_open(struct gen *g, uint64_t due, uint64_t n)
{
	const uint64_t age = gen_now(g) - due;

	if (gen_short(g) && !gen_counts(g, due))
		return 0;
	hist_add_n(&g->t.connect, age, n);
	if (!gen_short(g))
		return 0;
	hist_add_n(&g->t.first, age, n);
	hist_add_n(&g->t.complete, age, n);
	return n;
}

uint64_t gen_lapse_ask(struct gen *g, uint64_t due, uint64_t n)
{
	const uint64_t age = gen_now(g) - due;

	if (!gen_counts(g, due))
		return 0;
	hist_add_n(&g->t.first, age, n);
	hist_add_n(&g->t.complete, age, n);
	return n;
}

uint64_t gen_lapse(struct gen *g, const struct slot *s)
{
	const uint64_t now = gen_now(g);
	uint64_t n = 0;

	if (!load_mode_requests(g->plan->o->mode))
		return 0;
	for (uint32_t k = s->answered; k < s->asked; k++) {
		const uint64_t due = *gen_due(g, s, k);

		if (!gen_counts(g, due))
			continue;
		if (k != s->answered || !s->first)
			hist_add(&g->t.first, now - due);
		hist_add(&g->t.complete, now - due);
		n++;
	}
	return n;
}

/*
 * Requests of a connection that ends will have no answer. Who waited in vain waited at least for so
 * long: a server that does not answer must not look better for its requests being given up. At the
 * end of the run they are unfinished.
 */
static void give_up_requests(struct gen *g, struct slot *s, bool in_vain)
{
	const uint32_t n = s->asked - s->answered;

	if (in_vain)
		gen_lapse(g, s);
	if (g->phase != GEN_DONE)
		g->c.failed += n;
	g->in_flight -= n;
	s->answered = s->asked;
}

/* The server has closed in order, without an answer to them: that is no error, and they are asked again. */
static void leave_requests(struct gen *g, struct slot *s)
{
	const uint32_t n = s->asked - s->answered;

	if (gen_going(g)) {
		g->c.again += n;
		for (uint32_t k = s->answered; g->again.room && k < s->asked; k++)
			again_push(&g->again, *gen_due(g, s, k));
	} else {
		g->unfinished += gen_lapse(g, s);
	}
	g->in_flight -= n;
	s->answered = s->asked;
}

void gen_fail(struct gen *g, struct pier_conn *pc, struct slot *s, enum load_error why)
{
	gen_error(g, s, why);
	give_up_requests(g, s, why == LOAD_ERR_timeout);
	pier_abort(pc);
}

static enum load_error error_of(const struct slot *s, enum pier_close_reason why)
{
	const bool connecting = s->state == SLOT_CONNECTING;

	switch (why) {
	case PIER_CLOSE_REFUSED:
		return LOAD_ERR_refused;
	case PIER_CLOSE_RESET:
		return LOAD_ERR_reset;
	case PIER_CLOSE_TIMEOUT:
	case PIER_CLOSE_USER_TIMEOUT:
		return connecting ? LOAD_ERR_connect_timeout : LOAD_ERR_timeout;
	case PIER_CLOSE_KEEPALIVE:
	case PIER_CLOSE_STALLED:
		return LOAD_ERR_timeout;
	default:
		return LOAD_ERR_other;
	}
}

/* Where no rate is set, what failed must not be tried again at once: that would be a flood. */
static void give_back(struct gen *g, struct slot *s, bool failed)
{
	const uint32_t i = (uint32_t)(s - g->slots);

	s->state = SLOT_FREE;
	if (failed && !g->plan->o->cps) {
		s->since = gen_now(g) + gen_ticks(g, GEN_REST_MS * US_PER_MS);
		ring_push(&g->rests, g->n_slots, i);
	} else {
		g->free[g->n_free++] = i;
	}
}

void gen_closed(struct pier_conn *pc, enum pier_close_reason why)
{
	struct gen *g;
	struct slot *s = slot_of(pc, &g);
	const bool connecting = s->state == SLOT_CONNECTING;
	const bool waits = connecting || s->asked != s->answered;
	const bool in_order = why == PIER_CLOSE_NORMAL || why == PIER_CLOSE_SHUTDOWN ||
			      why == PIER_CLOSE_ABORT || g->phase == GEN_DONE ||
			      (!gen_going(g) && !waits);
	const enum load_error err = in_order ? LOAD_ERRS : error_of(s, why);

	/* Who waits for nothing but the server's end gets it by RST too. */
	if (!in_order && !(why == PIER_CLOSE_RESET && gen_leaves(s)))
		gen_error(g, s, err);
	if (err == LOAD_ERR_connect_timeout)
		gen_lapse_open(g, s->start, 1);
	if (gen_leaves(s) && g->phase != GEN_DONE && (in_order || why == PIER_CLOSE_RESET))
		leave_requests(g, s);
	give_up_requests(g, s, err == LOAD_ERR_timeout);
	if (connecting)
		g->n_connecting--;
	else
		g->n_open--;
	g->c.closed += !connecting;
	if (!connecting && !s->hurt)
		s->served = true;
	else
		g->n_there -= !connecting && !s->served;
	give_back(g, s, connecting || s->hurt);
}

void gen_trouble(struct pier_conn *pc, enum pier_trouble what)
{
	struct gen *g;
	struct slot *s = slot_of(pc, &g);

	if (s->state != SLOT_CONNECTING || what > PIER_TROUBLE_UNREACHABLE)
		return;
	gen_error(g, s, LOAD_ERR_unreachable);
	pier_close(pc);
}

static enum load_error error_of_connect(int err)
{
	switch (-err) {
	case EAGAIN:
	case EADDRINUSE:
	case EADDRNOTAVAIL:
		return LOAD_ERR_no_port;
	case ENOMEM:
		return LOAD_ERR_no_memory;
	case ENETUNREACH:
	case EINVAL:
		return LOAD_ERR_unreachable;
	default:
		return LOAD_ERR_other;
	}
}

static int try_tuple(struct gen *g, uint64_t ctx, uint64_t now, uint64_t *id)
{
	const struct tuple t = walk_next(&g->walk);
	const struct target *to = &g->plan->targets[t.target];
	struct engine_connect req = {
		.remote_port = to->port,
		.local = t.source,
		.local_port = t.port,
		.version = g->version,
		.ctx = ctx,
	};

	memcpy(req.remote, to->addr, sizeof(req.remote));
	return engine_connect(g->e, &req, now, id);
}

bool gen_open(struct gen *g, uint64_t due, uint64_t now)
{
	const uint32_t i = g->free[--g->n_free];
	struct slot *s = &g->slots[i];
	unsigned int tries = TRIES * g->plan->workers;
	bool later = false;
	int err;

	/* A connection that ended in the ring left its slot there. */
	*s = (struct slot){.state = SLOT_CONNECTING, .start = due, .ready = s->ready, .served = s->served};
	do {
		err = try_tuple(g, i, now, &s->id);
		later |= err == -EAGAIN;
	} while ((err == -EADDRINUSE || err == -EADDRNOTAVAIL || err == -EAGAIN) && --tries);
	/* A port that rests comes free by itself; where no rate is set, that is soon enough. */
	if (err && later && !g->plan->o->cps) {
		g->c.port_waits++;
		give_back(g, s, true);
		return false;
	}
	g->c.connects++;
	if (!err) {
		g->n_connecting++;
		return true;
	}
	gen_error(g, s, error_of_connect(err));
	give_back(g, s, true);
	return false;
}

/* ---- what is due ---- */

/* How many of the slots may be in use, where the number grows over the ramp. */
static uint32_t slots_now(const struct gen *g)
{
	const uint64_t ramp = gen_ticks(g, g->plan->o->ramp), gone = g->stamp - g->begun;

	if (g->plan->o->cps || g->plan->o->rps || gone >= ramp)
		return g->n_slots;
	return (uint32_t)((double)g->n_slots * (double)gone / (double)ramp) + 1;
}

static void wake_rested(struct gen *g)
{
	while (g->rests.n && g->slots[g->rests.slot[g->rests.head]].since <= g->stamp)
		g->free[g->n_free++] = ring_pop(&g->rests, g->n_slots);
}

static void note_late(struct gen *g, uint64_t due)
{
	g->c.late += !g->blocked && g->stamp - due > g->plan->hz / 1000;
}

/* Connections by their schedule; in all modes but short a start without a free slot is no start. */
static unsigned int open_scheduled(struct gen *g, uint64_t now)
{
	unsigned int n = 0;
	uint64_t due;

	while (n < OPENS_MAX && (g->n_free || !gen_short(g)) &&
	       schedule_take(&g->opens, g->stamp - g->begun, &due)) {
		n++;
		if (!g->n_free)
			continue;
		note_late(g, g->begun + due);
		gen_open(g, g->begun + due, now);
	}
	return n;
}

static unsigned int open_free(struct gen *g, uint64_t now)
{
	const uint32_t used = g->n_connecting + g->n_open, most = slots_now(g);
	const uint32_t opening = gen_short(g) ? UINT32_MAX : OPENING_MAX;
	unsigned int n = 0;

	while (n < OPENS_MAX && g->n_free && used + n < most && g->n_connecting < opening) {
		n++;
		if (!gen_open(g, g->stamp, now))
			break;
	}
	return n;
}

static unsigned int open_due(struct gen *g, uint64_t now)
{
	if (unlikely(g->rests.n))
		wake_rested(g);
	if (g->plan->o->cps)
		return open_scheduled(g, now);
	return g->n_free ? open_free(g, now) : 0;
}

/* The next connection that may be asked; false: there is none. */
static bool next_ready(struct gen *g, uint64_t now, struct pier_conn *pc, struct slot **s)
{
	while (g->ready.n) {
		*s = &g->slots[ring_pop(&g->ready, g->n_slots)];
		(*s)->ready = false;
		if ((*s)->state == SLOT_OPEN && engine_get(g->e, (*s)->id, now, pc))
			return true;
	}
	return false;
}

static bool asks_wait(const struct gen *g, uint64_t at)
{
	return g->again.n || g->asks.next <= at;
}

/* When the next request was due, of those that wait. */
static uint64_t take_ask(struct gen *g, uint64_t at)
{
	uint64_t due = 0;

	if (unlikely(g->again.n))
		return again_pop(&g->again);
	schedule_take(&g->asks, at, &due);
	due += g->settled;
	note_late(g, due);
	return due;
}

static unsigned int ask_due(struct gen *g, uint64_t now)
{
	const uint64_t at = g->stamp - g->settled;
	struct pier_conn pc;
	struct slot *s;
	unsigned int n = 0;

	while (n < ASKS_MAX && asks_wait(g, at) && next_ready(g, now, &pc, &s)) {
		client_ask(g, &pc, s, 1, take_ask(g, at));
		g->asked_outside = true;
		n++;
	}
	return n;
}

/* ---- what takes too long ---- */

/* What TCP has of ours goes out, if slowly: it may take nothing more for long, and yet nobody stands still. */
static bool moves(const struct gen *g, struct slot *s, struct pier_conn *pc)
{
	const bool bulk = !load_mode_requests(g->plan->o->mode);
	const uint64_t taken = bulk ? s->tx_left : s->asked * (uint64_t)g->plan->request_len - s->tx_left;
	const uint64_t before = s->acked;
	struct pier_tcp_info info;

	if (!pier_get_tcp_info(pc, &info) || !info.queued)
		return false;
	s->acked = taken - info.queued + 1;
	return before && s->acked > before;
}

/* Looked at from half of the timeout on. */
static void scan_slot(struct gen *g, struct slot *s, uint64_t now)
{
	const uint64_t waited = g->stamp - s->since;
	struct pier_conn pc;

	if (s->state < SLOT_OPEN || (s->asked == s->answered && s->state != SLOT_CLOSING) ||
	    waited < g->plan->timeout / 2 || !engine_get(g->e, s->id, now, &pc))
		return;
	if (moves(g, s, &pc))
		s->since = g->stamp;
	else if (waited < g->plan->timeout)
		return;
	else
		gen_fail(g, &pc, s, s->asked == s->answered ? LOAD_ERR_not_closed : LOAD_ERR_timeout);
	g->asked_outside = true;
}

/* All slots once in a quarter of the timeout, a few a turn. */
static void scan(struct gen *g, uint64_t now)
{
	const double each = (double)g->plan->timeout / 4 / (double)g->n_slots;
	uint32_t n;

	if (g->stamp < g->scan_at)
		return;
	n = (uint32_t)min_of((double)(g->stamp - g->scan_at) / each + 1, (double)SCANS_MAX);
	n = min_of(n, g->n_slots);
	for (uint32_t i = 0; i < n; i++) {
		scan_slot(g, &g->slots[g->scanned], now);
		g->scanned = g->scanned + 1 == g->n_slots ? 0 : g->scanned + 1;
	}
	g->scan_at = max_of(g->scan_at, g->stamp - g->plan->timeout) + (uint64_t)(n * each) + 1;
}

/* ---- the turn ---- */

/*
 * The time since the last turn belongs to that turn: to sending and to receiving this burst. Not where the loop may
 * have slept in between, until a packet came: then most of it is sleep.
 */
static void account(struct gen *g, unsigned int received)
{
	const uint64_t last = g->last;
	const bool rested = g->rested;

	g->rested = false;
	g->last = g->stamp;
	g->c.turns++;
	g->c.ticks += last ? g->stamp - last : 0;
	if (!received && !g->worked)
		return;
	g->c.busy_turns++;
	g->c.received += received;
	g->c.busy_ticks += last && !rested ? g->stamp - last : 0;
}

static bool is_blocked(const struct gen *g)
{
	if (g->asks.interval > 0 && asks_wait(g, g->stamp - g->settled) && !g->ready.n)
		return true;
	return g->opens.interval > 0 && gen_short(g) && !g->n_free;
}

unsigned int gen_turn(void *arg, struct engine *e, uint64_t now, unsigned int received)
{
	struct gen *g = arg;
	unsigned int n = 0;

	g->e = e;
	g->stamp = rte_rdtsc();
	if (unlikely(g->phase == GEN_DONE))
		return 0;
	gen_advance(g, now);
	if (g->phase == GEN_WAITING)
		return 0;
	account(g, received);
	if (gen_going(g)) {
		if (g->phase >= GEN_OPENING)
			n = open_due(g, now);
		if (g->phase >= GEN_SETTLING)
			n += ask_due(g, now);
		g->blocked = is_blocked(g);
	}
	scan(g, now);
	if (g->asked_outside)
		engine_settle(e, now);
	g->asked_outside = g->fresh = false;
	g->worked = n;
	return n;
}

/* For a loop that is about to sleep: until the next start, and often enough to see what is late. */
uint64_t gen_next(void *arg, uint64_t now)
{
	struct gen *g = arg;
	const uint64_t stamp = rte_rdtsc(), us = g->plan->hz / US_PER_SEC;
	uint64_t next = stamp + gen_ticks(g, 5 * US_PER_MS);

	g->rested = true;
	if (g->phase == GEN_DONE)
		return UINT64_MAX;
	if (g->asks.interval > 0 && g->ready.n)
		next = g->again.n ? stamp : min_of(next, g->settled + g->asks.next);
	if (g->opens.interval > 0 && g->n_free)
		next = min_of(next, g->begun + g->opens.next);
	return next <= stamp ? now : now + (next - stamp) / us + 1;
}
