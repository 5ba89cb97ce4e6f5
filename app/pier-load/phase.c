/*
 * The phases of a run, see gen.h: when one ends, and what of its requests counts in the end.
 */
#include "gen.h"

#include <string.h>

#include "base/compiler.h"
#include "base/units.h"

#define CLAIM_MS   8000 /* for our addresses to come into use: of IPv6 a second, by announce = probe six */
#define PRIME_MS   1000
#define PRIMES_MAX 64
#define GRACE_MS   1000 /* for what is under way at the end */
#define LAPSES_MAX (1 << 20) /* of a backlog: what is more is counted by as many at a time as are needed */

static void enter(struct gen *g, enum gen_phase phase)
{
	__atomic_store_n(&g->phase, phase, __ATOMIC_RELEASE);
}

static double share_of(const struct gen *g, uint64_t rate)
{
	return (double)rate / g->plan->workers;
}

static double phase_of(const struct gen *g)
{
	return (double)g->worker / g->plan->workers;
}

/* An address that another host has never comes into use: then its connections fail, and say so. */
static bool addresses_ready(struct gen *g)
{
	const struct gen_plan *p = g->plan;

	if (!g->ordered)
		g->ordered = g->stamp;
	for (unsigned int family = 0; family < 2; family++)
		while (g->awaited[family] < p->n_sources[family]) {
			if (!engine_local_ok(g->e, p->sources[family][g->awaited[family]]))
				return g->stamp - g->ordered > gen_ticks(g, CLAIM_MS * US_PER_MS);
			g->awaited[family]++;
		}
	return true;
}

/*
 * Few packets wait for a next hop to be known: a thousand SYNs at once would be sent again a second on. So
 * first comes a connection to each address, and when these have their answers one from each other address
 * of ours, for which the other end has to ask as well.
 */
static void prime_one(struct gen *g)
{
	const struct gen_plan *p = g->plan;
	struct walk *w = &g->walk;
	uint32_t family;

	w->target = g->primes++ % p->n_addresses;
	family = p->targets[w->target].v6;
	w->ends[family].at = g->primed[family]++ % p->n_sources[family];
}

static void prime(struct gen *g, uint32_t to, uint64_t now)
{
	struct walk *w = &g->walk;

	to = min_of(to, g->primes + PRIMES_MAX);
	while (g->primes < to && g->n_free) {
		prime_one(g);
		gen_open(g, g->stamp, now);
	}
	w->target = w->ends[0].at = w->ends[1].at = 0;
	g->begun = g->stamp;
}

static void prime_first(struct gen *g, uint64_t now)
{
	g->version = engine_client(g->e, &g->listener);
	g->begun = g->scan_at = g->stamp;
	prime(g, g->plan->n_addresses, now);
	enter(g, GEN_PRIMING);
}

/* How many connections it takes until one came from each address whose family a server has. */
static uint32_t primes_wanted(const struct gen *g)
{
	const struct gen_plan *p = g->plan;
	uint32_t had[2] = {0, 0}, rounds = 0;

	for (uint32_t i = 0; i < p->n_addresses; i++)
		had[p->targets[i].v6]++;
	for (unsigned int family = 0; family < 2; family++)
		if (had[family])
			rounds = max_of(rounds, (p->n_sources[family] + had[family] - 1) / had[family]);
	return rounds > 1 ? rounds * p->n_addresses : 0;
}

/* False: nothing is left to prime, or there is no slot for it. */
static bool prime_on(struct gen *g, uint64_t now)
{
	const uint32_t before = g->primes, wanted = primes_wanted(g);

	if (wanted <= before || before >= 2 * PRIMES_MAX)
		return false;
	prime(g, wanted, now);
	return g->primes > before;
}

static bool primed(const struct gen *g)
{
	return !g->n_connecting || g->stamp - g->begun > gen_ticks(g, PRIME_MS * US_PER_MS);
}

static void begin(struct gen *g)
{
	const struct load_options *o = g->plan->o;

	memset(&g->t, 0, sizeof(g->t));
	g->begun = g->scan_at = g->stamp;
	schedule_init(&g->opens, share_of(g, o->cps), (double)o->ramp / 1e6, phase_of(g),
		      (double)g->plan->hz);
	enter(g, GEN_OPENING);
}

/*
 * In mode short there is nothing to wait for; else all connections, of which some may have served already, but not for
 * ever: where the server takes none, one or the other is always under way again.
 */
static bool all_open(const struct gen *g)
{
	const struct load_options *o = g->plan->o;
	uint64_t most = gen_ticks(g, o->ramp) + g->plan->timeout, open_for = g->stamp - g->begun;

	if (gen_short(g) || (o->mode == LOAD_HOLD ? g->n_open : g->n_there) == g->n_slots)
		return true;
	if (o->cps)
		most += (uint64_t)((double)g->n_slots / share_of(g, o->cps) * (double)g->plan->hz);
	return open_for > most && (!g->n_connecting || open_for - most > g->plan->timeout);
}

/* The ramp was for the connections, unless there is a rate of requests, or one for mode short. */
static void settle(struct gen *g)
{
	const struct load_options *o = g->plan->o;
	const bool rate = o->rps && load_mode_requests(o->mode) && !gen_short(g);
	const uint64_t ramp = rate || gen_short(g) ? o->ramp : 0;

	g->settled = g->stamp;
	if (rate)
		schedule_init(&g->asks, share_of(g, o->rps), (double)o->ramp / 1e6, phase_of(g),
			      (double)g->plan->hz);
	else
		schedule_init(&g->asks, 0, 0, 0, 1);
	g->from = g->stamp + gen_ticks(g, ramp + o->warmup);
	g->end = g->from + gen_ticks(g, o->duration);
	enter(g, GEN_SETTLING);
}

static void measure(struct gen *g)
{
	load_counts_add(&g->at_start, &g->c);
	enter(g, GEN_MEASURING);
}

/*
 * What was due and could not begin is as old now as it is: a server that answers nothing must not
 * look better for it.
 */
static void count_backlog(struct gen *g)
{
	struct schedule *s = g->asks.interval > 0 ? &g->asks : &g->opens;
	const uint64_t origin = s == &g->asks ? g->settled : g->begun;
	uint64_t n, step, due;

	while (g->again.n)
		g->unfinished += gen_lapse_ask(g, again_pop(&g->again), 1);
	if (s == &g->opens && !gen_short(g))
		return;
	n = schedule_backlog(s, g->stamp - origin);
	for (step = n / LAPSES_MAX + 1; n; n -= step) {
		step = min_of(step, n);
		due = origin + schedule_due(s, s->taken + step / 2);
		s->taken += step;
		g->unfinished += gen_short(g) ? gen_lapse_open(g, due, step) : gen_lapse_ask(g, due, step);
	}
}

/* Of mode short also what is still being connected. */
static void count_unfinished(struct gen *g)
{
	for (struct slot *s = g->slots; s < g->slots + g->n_slots; s++) {
		if (s->state != SLOT_FREE)
			g->unfinished += gen_lapse(g, s);
		if (gen_short(g) && s->state == SLOT_CONNECTING)
			g->unfinished += gen_lapse_open(g, s->start, 1);
	}
}

static void finish(struct gen *g)
{
	g->end = min_of(g->end, g->stamp);
	if (g->phase != GEN_MEASURING) /* ended before anything counted */
		load_counts_add(&g->at_start, &g->c);
	load_counts_add(&g->at_end, &g->c);
	g->open_at_end = g->n_open;
	g->limit = g->stamp + min_of(g->plan->timeout, gen_ticks(g, GRACE_MS * US_PER_MS));
	if (load_mode_requests(g->plan->o->mode))
		count_backlog(g);
	enter(g, GEN_FINISHING);
}

static void done(struct gen *g)
{
	if (load_mode_requests(g->plan->o->mode))
		count_unfinished(g);
	engine_unlisten(g->e, g->version);
	enter(g, GEN_DONE);
}

static bool nothing_under_way(const struct gen *g)
{
	return !load_mode_requests(g->plan->o->mode) ||
	       (!g->in_flight && (!gen_short(g) || !g->n_connecting));
}

void gen_advance(struct gen *g, uint64_t now)
{
	const enum gen_phase order = __atomic_load_n(&g->order, __ATOMIC_ACQUIRE);

	if (unlikely(g->phase == GEN_WAITING)) {
		if (order == GEN_OPENING && addresses_ready(g))
			prime_first(g, now);
		else if (order >= GEN_FINISHING)
			enter(g, GEN_DONE);
		return;
	}
	if (g->phase == GEN_PRIMING && primed(g) && !prime_on(g, now))
		begin(g);
	if (g->phase == GEN_OPENING && all_open(g))
		settle(g);
	if (g->phase == GEN_SETTLING && g->stamp >= g->from)
		measure(g);
	if (gen_going(g) && (order >= GEN_FINISHING || g->stamp >= g->end))
		finish(g);
	if (g->phase == GEN_FINISHING && (nothing_under_way(g) || g->stamp >= g->limit))
		done(g);
}
