/*
 * What CUBIC and NewReno make of a path with periodic loss, beside what theory says they should.
 *
 * lib/algo's congestion control alone, driven by arithmetic: no engine, no packets, no clock. The
 * path is 100 Mbit/s and 50 ms; a window beyond its product waits in a queue that is never full. The
 * peer acknowledges every second segment, and of 1/p segments one is lost; recovery takes a round
 * trip. The run is deterministic, so its figures need no quiet machine.
 *
 * Writes JSON to stdout: the mean window over that of the response function (RFC 9438 section 5.1,
 * for NewReno the square root of 3/2p). With a directory as argument, also ALGORITHM-P.csv there:
 * time, cwnd, and for CUBIC W_cubic(t) and W_est as the RFC has them, reckoned here from each epoch's
 * begin.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "algo/cc.h"

#define MSS       1448u
#define WIRE_BITS ((MSS + 66) * 8.0)
#define RATE      100e6   /* bit/s */
#define DELAY     50000.0 /* us */
#define LOSSES    400
#define WARM_UP   40 /* losses before the mean begins */
#define SHOWN     6  /* epochs in a CSV */
#define C         0.4
#define BETA      0.7

/* The RFC's numbers of one epoch, in segments and seconds. */
struct formula {
	double w_max, k, begin, cwnd, prior, reno_rtts;
};

struct run {
	const struct cc_ops *ops;
	struct cc c;
	struct formula f;
	double p, now; /* us */
	double area, rtt_area, since;
	uint32_t una;
	unsigned int losses;
	FILE *csv;
	double shown; /* us: the last line */
};

static double segments(const struct run *r)
{
	return (double)r->c.cwnd / MSS;
}

static double rtt_of(const struct run *r)
{
	return fmax(DELAY, segments(r) * WIRE_BITS / RATE * 1e6);
}

static double w_cubic(const struct formula *f, double t)
{
	return C * pow(t - f->k, 3) + f->w_max;
}

/* Reno's window after that many round trips: 3 (1 - beta) / (1 + beta) each, 1 beyond the prior. */
static double w_est(const struct formula *f)
{
	double alpha = 3 * (1 - BETA) / (1 + BETA), slow = (f->prior - f->cwnd) / alpha;

	if (f->reno_rtts <= slow)
		return f->cwnd + alpha * f->reno_rtts;
	return f->prior + f->reno_rtts - slow;
}

static void show(struct run *r)
{
	double t = (r->now - r->f.begin) / 1e6, step = fmax(DELAY, DELAY * 5e-5 / r->p);

	if (!r->csv || r->losses < LOSSES - SHOWN || r->now - r->shown < step)
		return;
	r->shown = r->now;
	fprintf(r->csv, "%.3f,%.2f", (r->now - r->since) / 1e6, segments(r));
	if (r->ops == &cc_cubic)
		fprintf(r->csv, ",%.2f,%.2f", w_cubic(&r->f, t), w_est(&r->f));
	fputc('\n', r->csv);
}

static void pass(struct run *r, double us)
{
	r->area += us * segments(r);
	r->rtt_area += us * rtt_of(r);
	r->now += us;
	r->f.reno_rtts += us / rtt_of(r);
}

static void ack(struct run *r)
{
	uint32_t bytes = min_of(2 * MSS, r->c.cwnd);
	double rtt = rtt_of(r);
	struct cc_ack a = {.acked = bytes, .rtt_us = (uint32_t)rtt, .srtt_us = (uint32_t)rtt,
			   .min_rtt_us = (uint32_t)DELAY, .cwnd_limited = true};

	pass(r, rtt * bytes / r->c.cwnd);
	r->una += bytes;
	a.una = r->una;
	a.nxt = r->una + r->c.cwnd;
	a.now = (uint64_t)r->now;
	a.flight_before = r->c.cwnd;
	r->ops->on_ack(&r->c, &a);
	show(r);
}

/* What the RFC makes of a loss at the present window (sections 4.2, 4.6, 4.7). */
static void epoch(struct run *r)
{
	struct formula *f = &r->f;
	double cwnd = segments(r);

	f->w_max = cwnd < f->w_max ? cwnd * (1 + BETA) / 2 : cwnd;
	f->prior = cwnd;
	f->cwnd = fmax(cwnd * BETA, 2);
	f->k = cbrt(fmax(f->w_max - f->cwnd, 0) / C);
	f->reno_rtts = 0;
}

static void lose(struct run *r)
{
	uint32_t flight = r->c.cwnd;

	epoch(r);
	r->ops->on_loss(&r->c, flight, (uint64_t)r->now);
	pass(r, rtt_of(r));
	r->ops->on_exit_recovery(&r->c, (uint64_t)r->now);
	r->f.begin = r->now;
	r->f.reno_rtts = 0;
	if (++r->losses == WARM_UP || r->losses == LOSSES - SHOWN) {
		if (r->losses == WARM_UP)
			r->area = r->rtt_area = 0;
		r->since = r->now;
	}
}

/* The response functions, in segments; CUBIC's, where Reno's is more, is Reno's. */
static double predicted(const struct run *r, double rtt_s)
{
	double reno = sqrt(1.5 / r->p);
	double cubic = pow(C * (3 + BETA) / (4 * (1 - BETA)), 0.25) * pow(rtt_s / r->p, 0.75);

	return r->ops == &cc_newreno ? reno : fmax(reno, cubic);
}

static FILE *open_csv(const char *dir, const char *name, const char *p)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s-%s.csv", dir, name, p);
	f = fopen(path, "w");
	if (!f) {
		perror(path);
		exit(1);
	}
	fputs(strcmp(name, "cubic") ? "seconds,cwnd\n" : "seconds,cwnd,w_cubic,w_est\n", f);
	return f;
}

static void simulate(const struct cc_ops *ops, const char *p, const char *dir, bool last)
{
	struct run r = {.ops = ops, .p = strtod(p, NULL), .now = 1e6};
	double begin = 0, sent = 0, next = 1 / r.p, rtt, mean, want;

	ops->init(&r.c, MSS, cc_initial_window(MSS));
	r.c.ssthresh = (uint32_t)fmax(2, sqrt(1.5 / r.p)) * MSS;
	if (dir)
		r.csv = open_csv(dir, ops->name, p);
	while (r.losses < LOSSES) {
		ack(&r);
		sent += 2;
		if (sent < next)
			continue;
		next += 1 / r.p;
		lose(&r);
		if (r.losses == WARM_UP)
			begin = r.now;
	}
	if (r.csv)
		fclose(r.csv);
	mean = r.area / (r.now - begin);
	rtt = r.rtt_area / (r.now - begin) / 1e6;
	want = predicted(&r, rtt);
	printf("  {\"algorithm\": \"%s\", \"p\": \"%s\", \"mean_rtt_ms\": %.1f, "
	       "\"mean_window\": %.1f, \"predicted\": %.1f, \"ratio\": %.3f}%s\n",
	       ops->name, p, rtt * 1e3, mean, want, mean / want, last ? "" : ",");
}

int main(int argc, char **argv)
{
	static const char *const losses[] = {"1e-2", "1e-3", "1e-4", "1e-5"};
	const char *dir = argc > 1 ? argv[1] : NULL;

	puts("[");
	for (unsigned int i = 0; i < ARRAY_SIZE(losses); i++) {
		simulate(&cc_cubic, losses[i], dir, false);
		simulate(&cc_newreno, losses[i], dir, i + 1 == ARRAY_SIZE(losses));
	}
	puts("]");
	return 0;
}
