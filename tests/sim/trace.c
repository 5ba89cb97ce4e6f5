/*
 * The congestion window of a whole engine over time, as CSV on stdout: seconds, cwnd and ssthresh in
 * segments, smoothed round trip in ms, megabits per second acknowledged since the last line. On
 * stderr, as JSON, the mean rate over that of the response function (RFC 9438 section 5.1; for NewReno
 * the square root of 3/2p), taken from the first third on.
 *
 *      sim_trace ALGORITHM PERIOD SECONDS [RATE RTT_MS]
 *
 * One flow over 100 Mbit/s and 50 ms with a queue that is never full; of PERIOD data segments one is
 * lost (0: none, and the queue holds one bandwidth-delay product).
 */
#include <math.h>

#include "sim.h"

#define STEP (100 * US_PER_MS)
#define MSS  1448

static struct sim sim;

static uint64_t lines, last_bytes, third_bytes, seconds;

static void print_line(struct sim *s, uint64_t arg)
{
	const struct flow *f = &s->flow[0];
	const struct tcp *t = engine_tcp(s->host[CLIENT].e);
	const struct tcp_conn *c = end_conn(&f->end[CLIENT]);
	const struct tcp_work *w = c && c->block ? tcp_work_of(t, c) : NULL;
	uint64_t bytes = f->end[SERVER].rx;

	if (w)
		printf("%.1f,%.1f,%.1f,%.1f,%.1f\n", (double)sim_elapsed(s) / 1e6,
		       (double)w->cc.cwnd / MSS,
		       w->cc.ssthresh == CC_SSTHRESH_NONE ? 0 : (double)w->cc.ssthresh / MSS,
		       w->rtt.srtt_us / 1e3, (double)(bytes - last_bytes) * 8 / STEP);
	last_bytes = bytes;
	if (++lines * STEP == seconds * US_PER_SEC / 3 / STEP * STEP)
		third_bytes = bytes;
	s->action[0].at += STEP;
	s->next_action = 0;
}

static void ratio(const struct sim *s, const char *name, double period, double rate, double rtt)
{
	double p = 1 / period, span = (double)seconds - (double)(seconds * US_PER_SEC / 3 / STEP * STEP) / 1e6;
	double mean = (double)(s->flow[0].end[SERVER].rx - third_bytes) * 8 / span;
	double reno = sqrt(1.5 / p);
	double window = !strcmp(name, "cubic") ? fmax(1.054 * pow(rtt / p, 0.75), reno) : reno;
	double theory = window * MSS * 8 / rtt, most = rate * MSS / 1500;

	fprintf(stderr, "{\"algorithm\": \"%s\", \"p\": %g, \"mean_bits_per_s\": %.0f, "
		"\"response_bits_per_s\": %.0f, \"ratio\": %.3f}\n", name, p, mean, theory,
		mean / fmin(theory, most));
}

int main(int argc, char **argv)
{
	double rate = argc > 4 ? atof(argv[4]) : 100e6;
	uint64_t rtt = argc > 5 ? strtoull(argv[5], NULL, 0) * US_PER_MS : 50 * US_PER_MS;
	struct flow *f;
	uint64_t period;
	uint32_t cc = 0;

	if (argc < 4) {
		fprintf(stderr, "sim_trace ALGORITHM PERIOD SECONDS [RATE RTT_MS]\n");
		return 2;
	}
	while (cc_names[cc] && strcmp(cc_names[cc], argv[1]))
		cc++;
	if (!cc_names[cc])
		return 2;
	period = strtoull(argv[2], NULL, 0);
	seconds = strtoull(argv[3], NULL, 0);
	sim_start();
	sim_init(&sim, 1);
	sim_path(&sim, rate, rtt, period ? 0 : (uint32_t)(rate / 8 * (double)rtt / 1e6));
	sim.wire.link[SERVER].conf.period = period;
	for (int i = 0; i < 2; i++) {
		sim.host[i].tcp.rcvbuf = sim.host[i].tcp.sndbuf = 4 * MIB;
		sim.host[i].tcp.congestion = cc;
	}
	f = sim_flow(&sim);
	f->end[CLIENT].total = UINT64_MAX / 2;
	f->end[SERVER].total = 0;
	sim_at(&sim, STEP, print_line, 0);
	sim_open(&sim);
	printf("seconds,cwnd,ssthresh,srtt_ms,mbit_per_s\n");
	while (sim_elapsed(&sim) < seconds * US_PER_SEC && sim_step(&sim))
		;
	if (period)
		ratio(&sim, argv[1], (double)period, rate, (double)rtt / 1e6);
	sim_close(&sim);
	return 0;
}
