/*
 * See run.h.
 */
#include "run.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/compiler.h"
#include "base/units.h"
#include "report.h"

#define LINK_SECONDS 10
#define POLL_NS	     20000000

static unsigned int workers_of(const struct server *s)
{
	return s->n_workers;
}

static struct worker *worker_of(const struct server *s, unsigned int i)
{
	return s->workers[i];
}

bool load_run_prepare(struct load_run *r, struct server *s)
{
	struct gen_plan *plan = &r->plan->gen;
	const uint64_t n = r->plan->o.connections;

	r->n = plan->workers = workers_of(s);
	plan->hz = rte_get_tsc_hz();
	plan->timeout = (uint64_t)((double)r->plan->o.timeout / 1e6 * (double)plan->hz);
	plan->tcp = s->config->tcp;
	if (n < r->n) {
		fprintf(stderr, "pier-load: connections: expected at least %u, one a worker\n", r->n);
		return false;
	}
	for (unsigned int i = 0; i < r->n; i++) {
		struct worker_hook hook = {gen_turn, gen_next, NULL};

		r->gens[i] = gen_create(plan, i, (uint32_t)(n / r->n + (i < n % r->n)));
		if (!r->gens[i]) {
			fprintf(stderr, "pier-load: connections: no memory for %llu\n",
				(unsigned long long)n);
			return false;
		}
		hook.arg = r->gens[i];
		worker_set_hook(worker_of(s, i), &hook);
	}
	return true;
}

void load_run_signals(sigset_t *set)
{
	struct sigaction hup;

	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	if (!sigaction(SIGHUP, NULL, &hup) && hup.sa_handler != SIG_IGN)
		sigaddset(set, SIGHUP);
}

/* Wait so long, or until a signal comes: true. */
static bool pause_for(uint64_t ns)
{
	const struct timespec ts = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
	sigset_t set;

	load_run_signals(&set);
	return sigtimedwait(&set, NULL, &ts) > 0;
}

static bool links_up(const struct server *s)
{
	for (unsigned int i = 0; i < s->n_ports; i++)
		if (!port_link_up(&s->ports[i]))
			return false;
	return true;
}

/* A peer of memif, or the other end of a cable, may come later. */
static bool wait_links(struct load_run *r, const struct server *s)
{
	for (uint64_t ns = 0; !links_up(s); ns += POLL_NS) {
		if (ns >= LINK_SECONDS * 1000000000ull) {
			fprintf(stderr, "pier-load: a port's link is down, for %d seconds now\n",
				LINK_SECONDS);
			r->no_link = true;
			return false;
		}
		if (pause_for(POLL_NS)) {
			r->early = true;
			return false;
		}
	}
	return true;
}

static enum gen_phase phase_of_all(const struct load_run *r)
{
	enum gen_phase least = GEN_DONE;

	for (unsigned int i = 0; i < r->n; i++)
		least = min_of(least, gen_phase(r->gens[i]));
	return least;
}

static void order_all(struct load_run *r, enum gen_phase phase)
{
	for (unsigned int i = 0; i < r->n; i++)
		gen_order(r->gens[i], phase);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void counts_of_all(const struct load_run *r, struct load_counts *c, uint64_t *open)
{
	memset(c, 0, sizeof(*c));
	*open = 0;
	for (unsigned int i = 0; i < r->n; i++) {
		load_counts_add(c, &r->gens[i]->c);
		*open += __atomic_load_n(&r->gens[i]->n_open, __ATOMIC_RELAXED);
	}
}

/* A line each second, until all is done; a second signal is the server's. */
static void watch(struct load_run *r, struct server *s)
{
	const uint64_t begin = now_ns();
	uint64_t seconds = 1, open;
	struct load_counts last = {0}, now;

	while (phase_of_all(r) != GEN_DONE) {
		if (pause_for(POLL_NS) && !r->early) {
			r->early = true;
			order_all(r, GEN_FINISHING);
		}
		if (now_ns() - begin < seconds * 1000000000)
			continue;
		counts_of_all(r, &now, &open);
		if (!r->plan->o.quiet)
			report_line(r->out, seconds, phase_of_all(r), open, &last, &now);
		last = now;
		seconds++;
		server_look_for_clashes(s);
	}
}

void load_run_supervise(struct server *s)
{
	struct load_run *r = s->program;

	if (!wait_links(r, s))
		return;
	order_all(r, GEN_OPENING);
	watch(r, s);
}

static double wanted_rate(const struct load_options *o)
{
	if (o->mode == LOAD_SHORT)
		return (double)o->cps;
	return load_mode_requests(o->mode) ? (double)o->rps : 0;
}

/* Where no rate is set each error of a connection costs it a rest. */
static double rested(const struct load_result *r, const struct load_options *o)
{
	const uint64_t rests = load_counts_errors(&r->counted) - r->counted.error[LOAD_ERR_status];

	if (o->cps || r->seconds <= 0)
		return 0;
	return (double)rests * GEN_REST_MS / 1000 / (r->seconds * (double)o->connections);
}

void load_run_collect(struct load_run *r)
{
	struct load_result *out = &r->result;

	memset(out, 0, sizeof(*out));
	out->hz = (double)r->plan->gen.hz;
	out->early = r->early;
	out->wanted = wanted_rate(&r->plan->o);
	for (unsigned int i = 0; i < r->n; i++) {
		const struct gen *g = r->gens[i];

		load_counts_add(&out->counted, &g->at_end);
		load_counts_subtract(&out->counted, &g->at_start);
		load_counts_add(&out->total, &g->c);
		hist_merge(&out->times.connect, &g->t.connect);
		hist_merge(&out->times.first, &g->t.first);
		hist_merge(&out->times.complete, &g->t.complete);
		out->unfinished += g->unfinished;
		out->open += g->open_at_end;
		if (g->end > g->from && g->from != UINT64_MAX)
			out->seconds += (double)(g->end - g->from) / out->hz / r->n;
	}
	out->rested = rested(out, &r->plan->o);
	out->asks = load_mode_requests(r->plan->o.mode);
	out->held = r->plan->o.mode == LOAD_HOLD && out->open == r->plan->o.connections &&
		    !load_counts_errors(&out->counted);
}

void load_run_free(struct load_run *r)
{
	for (unsigned int i = 0; i < r->n; i++)
		gen_destroy(r->gens[i]);
}
