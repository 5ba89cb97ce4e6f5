/*
 * What the acceptance tests are made of.
 */
#include <math.h>

#include "kit.h"
#include "rows.h"

static struct sim sim; /* large */

int rows_setup(void **state)
{
	sim_start();
	if (getenv("KIT_PCAP"))
		kit_pcap_open(getenv("KIT_PCAP"));
	return 0;
}

bool rows_full(void)
{
	return getenv("ROWS_FULL");
}

unsigned int rows_seeds(unsigned int quick)
{
	return rows_full() ? 20 : quick;
}

static void watch_burst(struct sim *s, void *arg)
{
	struct figures *f = arg;
	uint64_t sent = s->wire.link[0].stats.frames + s->wire.link[1].stats.frames;

	f->burst = max_of(f->burst, sent - f->segments);
	f->segments = sent;
}

void row_begin(struct sim *s, const struct row *r, uint64_t seed)
{
	struct flow *f;

	sim_init(s, seed);
	s->check_every = 256;
	for (unsigned int i = 0; i < 2; i++) {
		s->host[i].tcp.rcvbuf = 4 * MIB;
		s->host[i].tcp.sndbuf = 4 * MIB;
	}
	f = sim_flow(s);
	f->end[CLIENT].total = r->bytes[CLIENT];
	f->end[SERVER].total = r->bytes[SERVER];
	if (r->setup)
		r->setup(s, r);
}

void row_wide(struct sim *s)
{
	for (unsigned int i = 0; i < 2; i++)
		s->wire.link[i].conf.queue = 0;
}

struct figures row_figures(const struct sim *s, unsigned int from)
{
	const struct counters *c = &s->host[from].ctr;
	const struct end *e = &s->flow[0].end[!from];

	return (struct figures){
		.seconds = (double)(e->last_rx_at - s->begin) / SEC,
		.goodput = (double)e->rx * 8 * SEC / (double)(e->last_rx_at - s->begin),
		.retransmits = c->v[CTR_TX_RETRANSMITS],
		.rtos = c->v[CTR_RTO_FIRED],
		.recoveries = c->v[CTR_FAST_RECOVERIES],
		.undone = c->v[CTR_SPURIOUS_RECOVERIES],
		.probes = c->v[CTR_TLP_PROBES],
		.segments = s->wire.link[!from].stats.frames,
		.lost = s->wire.link[!from].stats.lost + s->wire.link[!from].stats.overflow,
		.stall_ms = s->stall_ms,
	};
}

struct figures row_run(const struct row *r, uint64_t seed, unsigned int from)
{
	struct figures f, watched = {0};

	row_begin(&sim, r, seed);
	sim.watch = watch_burst;
	sim.watch_arg = &watched;
	sim_run(&sim);
	f = row_figures(&sim, from);
	f.burst = watched.burst;
	return f;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double median(double *v, unsigned int n)
{
	qsort(v, n, sizeof(*v), compare);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

double t_ref(uint64_t bytes, double p)
{
	double rtt = (double)RTT / SEC, b = 0.95 * RATE;

	if (p > 0) {
		double cubic = 1.054 * pow(rtt, 0.75) / pow(p, 0.75), reno = 1.22 / sqrt(p);

		b = min_of(b, MSS * 8 / rtt * fmax(cubic, reno));
	}
	return 10 * rtt + (double)bytes * 8 / b;
}
