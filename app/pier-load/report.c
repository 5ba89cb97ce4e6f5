/*
 * For people; see report.h.
 */
#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/compiler.h"
#include "base/units.h"

/* v with three digits that count, at least one before the point. */
static const char *scaled(double v, const char *suffix, char buf[REPORT_LEN])
{
	const int decimals = v >= 100 || v <= 0 ? 0 : v >= 10 ? 1 : 2;

	snprintf(buf, REPORT_LEN, "%.*f%s", decimals, v, suffix);
	return buf;
}

const char *report_number(double v, char buf[REPORT_LEN])
{
	if (v < 1000) {
		snprintf(buf, REPORT_LEN, v == floor(v) ? "%.0f" : v >= 100 ? "%.0f" : "%.1f", v);
		return buf;
	}
	if (v < 999500)
		return scaled(v / 1e3, "k", buf);
	return v < 999500000 ? scaled(v / 1e6, "M", buf) : scaled(v / 1e9, "G", buf);
}

const char *report_time(double seconds, char buf[REPORT_LEN])
{
	if (isnan(seconds))
		snprintf(buf, REPORT_LEN, "-");
	else if (seconds < 0.9995e-6)
		snprintf(buf, REPORT_LEN, "%.0fns", seconds * 1e9);
	else if (seconds < 0.9995e-3)
		scaled(seconds * 1e6, "us", buf);
	else if (seconds < 0.9995)
		scaled(seconds * 1e3, "ms", buf);
	else
		scaled(seconds, "s", buf);
	return buf;
}

void report_line(FILE *to, uint64_t second, enum gen_phase phase, uint64_t open,
		 const struct load_counts *last, const struct load_counts *now)
{
	static const char *const words[] = {"waiting", "asking", "opening", "warming", "measuring",
					    "finishing", "done"};
	char a[REPORT_LEN], b[REPORT_LEN], c[REPORT_LEN], d[REPORT_LEN], e[REPORT_LEN];

	fprintf(to,
		"%4" PRIu64 "s %-9s  open %s  conn/s %s  req/s %s  in %sbit/s  out %sbit/s  errors "
		"%" PRIu64 "\n",
		second, words[phase], report_number((double)open, a),
		report_number((double)(now->opened - last->opened), b),
		report_number((double)(now->responses - last->responses), c),
		report_number(8.0 * (double)(now->rx_bytes - last->rx_bytes), d),
		report_number(8.0 * (double)(now->tx_bytes - last->tx_bytes), e),
		load_counts_errors(now));
}

static double per_second(const struct load_result *r, uint64_t n)
{
	return r->seconds > 0 ? (double)n / r->seconds : 0;
}

static void print_latency(FILE *to, const char *name, const struct hist *h, double hz)
{
	static const double q[] = {0.5, 0.9, 0.99, 0.999, 0.9999, 1};
	char buf[REPORT_LEN];

	fprintf(to, "  %-14s", name);
	if (!h->n) {
		fputs("     none\n", to);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(q); i++)
		fprintf(to, " %9s", report_time((double)hist_quantile(h, q[i]) / hz, buf));
	fprintf(to, " %9s\n", report_time(hist_mean(h) / hz, buf));
}

static void print_latencies(FILE *to, const struct load_plan *p, const struct load_result *r)
{
	fprintf(to, "  %-14s %9s %9s %9s %9s %9s %9s %9s\n", "latency", "p50", "p90", "p99", "p99.9",
		"p99.99", "max", "mean");
	print_latency(to, "connect", &r->times.connect, r->hz);
	if (load_mode_requests(p->o.mode) || r->times.first.n)
		print_latency(to, "first byte", &r->times.first, r->hz);
	if (load_mode_requests(p->o.mode) || r->times.complete.n)
		print_latency(to, "complete", &r->times.complete, r->hz);
}

static void print_errors(FILE *to, const struct load_result *r)
{
	const char *comma = "";

	fprintf(to, "  %-14s ", "errors");
	for (unsigned int i = 0; i < LOAD_ERRS; i++) {
		if (!r->total.error[i])
			continue;
		fprintf(to, "%s%" PRIu64 " %s", comma, r->total.error[i], load_error_names[i]);
		comma = ", ";
	}
	fputs(*comma ? "\n" : "none\n", to);
	if (r->total.failed || r->unfinished)
		fprintf(to, "  %-14s %" PRIu64 " requests failed, %" PRIu64 " more had no answer yet at the end\n",
			"unanswered", r->total.failed, r->unfinished);
	if (r->total.again)
		fprintf(to, "  %-14s %" PRIu64 " requests, behind answers with which the server closed\n", "asked again",
			r->total.again);
}

static void print_limit(FILE *to, const struct load_result *r)
{
	fprintf(to, "  %-14s %s (busy %.0f %%, %.1f packets a burst", "limit",
		load_bound_texts[load_bound(r)], 100 * load_busy(r), load_burst(r));
	if (r->counted.late)
		fprintf(to, ", %" PRIu64 " starts late by 1 ms or more", r->counted.late);
	if (r->counted.port_waits)
		fprintf(to, ", %" PRIu64 " starts put off for a local port", r->counted.port_waits);
	fputs(")\n", to);
}

static void print_plan(FILE *to, const struct load_plan *p, const struct load_result *r)
{
	char a[REPORT_LEN], b[REPORT_LEN];

	fprintf(to, "\n%s to %s: %s connections, %.3g s counted%s", load_mode_words[p->o.mode],
		p->o.target, report_number((double)p->o.connections, a), r->seconds,
		r->early ? " (ended by a signal)" : "");
	if (p->o.depth > 1)
		fprintf(to, ", depth %u", p->o.depth);
	if (p->o.cps)
		fprintf(to, ", %s connections/s asked for", report_number((double)p->o.cps, a));
	if (p->o.rps)
		fprintf(to, ", %s requests/s asked for", report_number((double)p->o.rps, b));
	if (load_mode_requests(p->o.mode) && !(r->wanted > 0))
		fputs(", closed loop", to);
	fputc('\n', to);
}

void report_summary(FILE *to, const struct load_plan *p, const struct load_result *r)
{
	const struct load_counts *c = &r->counted;
	char a[REPORT_LEN], b[REPORT_LEN];

	print_plan(to, p, r);
	fprintf(to,
		"  %-14s %" PRIu64 " opened, %" PRIu64 " of them while it counted, %s/s; %" PRIu64
		" at the end\n",
		"connections", r->total.opened, c->opened,
		report_number(per_second(r, c->opened), a), r->open);
	if (p->o.mode != LOAD_HOLD)
		fprintf(to, "  %-14s %" PRIu64 ", %s/s\n",
			load_mode_requests(p->o.mode) ? "answers" : "transfers", c->responses,
			report_number(per_second(r, c->responses), a));
	fprintf(to, "  %-14s in %sbit/s, out %sbit/s\n", "payload",
		report_number(8 * per_second(r, c->rx_bytes), a),
		report_number(8 * per_second(r, c->tx_bytes), b));
	print_latencies(to, p, r);
	print_errors(to, r);
	print_limit(to, r);
}

static const char *as_text(const struct metric *m, double v, char buf[REPORT_LEN])
{
	if (m->kind == METRIC_TIME)
		return report_time(v, buf);
	if (m->kind == METRIC_SHARE) {
		snprintf(buf, REPORT_LEN, "%.1f %%", 100 * v);
		return buf;
	}
	if (m->kind == METRIC_RATE)
		return report_number(v, buf);
	snprintf(buf, REPORT_LEN, "%.0f", v);
	return buf;
}

bool report_expects(FILE *to, const struct load_plan *p, const struct load_result *r)
{
	char buf[REPORT_LEN];
	bool all = true;
	double is;

	for (unsigned int i = 0; i < p->n_expects; i++) {
		const struct expect *e = &p->expects[i];
		const bool holds = expect_holds(e, r, &is);

		all &= holds;
		fprintf(to, "  %-14s %s: %s", "expected", e->text, holds ? "yes" : "NO");
		if (!holds)
			fprintf(to, ", it is %s", isnan(is) ? "nothing" : as_text(&e->metric, is, buf));
		fputc('\n', to);
	}
	return all;
}
