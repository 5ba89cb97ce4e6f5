/*
 * For programs; see report.h.
 */
#include "report.h"

#include <math.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "base/compiler.h"
#include "base/units.h"

static void number(cJSON *to, const char *name, double v)
{
	cJSON_AddNumberToObject(to, name, v);
}

static void add_settings(cJSON *to, const struct load_plan *p)
{
	const struct load_options *o = &p->o;

	cJSON_AddStringToObject(to, "mode", load_mode_words[o->mode]);
	cJSON_AddStringToObject(to, "target", o->target);
	number(to, "workers", p->gen.workers);
	number(to, "connections", (double)o->connections);
	number(to, "depth", o->depth);
	number(to, "cps_wanted", (double)o->cps);
	number(to, "rps_wanted", (double)o->rps);
	number(to, "request_bytes", (double)p->gen.request_len);
}

static void add_counts(cJSON *to, const char *name, const struct load_counts *c)
{
	cJSON *object = cJSON_AddObjectToObject(to, name);

	number(object, "connects", (double)c->connects);
	number(object, "opened", (double)c->opened);
	number(object, "closed", (double)c->closed);
	number(object, "requests", (double)c->requests);
	number(object, "responses", (double)c->responses);
	number(object, "failed", (double)c->failed);
	number(object, "again", (double)c->again);
	number(object, "rx_bytes", (double)c->rx_bytes);
	number(object, "tx_bytes", (double)c->tx_bytes);
	number(object, "errors", (double)load_counts_errors(c));
}

static void add_rates(cJSON *to, const struct load_result *r)
{
	static const char *const names[] = {"cps", "rps", "rx.bps", "tx.bps"};
	static const char *const keys[] = {"cps", "rps", "rx_bps", "tx_bps"};
	struct metric m;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (metric_find(names[i], strlen(names[i]), &m))
			number(to, keys[i], metric_value(&m, r));
}

static void add_errors(cJSON *to, const struct load_counts *c)
{
	cJSON *object = cJSON_AddObjectToObject(to, "errors");

	for (unsigned int i = 0; i < LOAD_ERRS; i++)
		number(object, load_error_names[i], (double)c->error[i]);
}

static void add_latency(cJSON *to, const char *name, const struct hist *h, double hz)
{
	static const struct {
		const char *name;
		double q;
	} points[] = {{"p50", 0.5},	{"p90", 0.9},	    {"p99", 0.99},
		      {"p99.9", 0.999}, {"p99.99", 0.9999}, {"max", 1}};
	cJSON *object = cJSON_AddObjectToObject(to, name);

	number(object, "n", (double)h->n);
	if (!h->n)
		return;
	number(object, "mean", 1e6 * hist_mean(h) / hz);
	for (size_t i = 0; i < ARRAY_SIZE(points); i++)
		number(object, points[i].name, 1e6 * (double)hist_quantile(h, points[i].q) / hz);
}

static void add_limit(cJSON *to, const struct load_result *r)
{
	cJSON *object = cJSON_AddObjectToObject(to, "limit");

	cJSON_AddStringToObject(object, "bound", load_bound_words[load_bound(r)]);
	number(object, "busy", load_busy(r));
	number(object, "packets_per_burst", load_burst(r));
	number(object, "turns", (double)r->counted.turns);
	number(object, "late", (double)r->counted.late);
	number(object, "port_waits", (double)r->counted.port_waits);
	number(object, "cycles", (double)r->counted.busy_ticks);
}

static void add_expects(cJSON *to, const struct load_plan *p, const struct load_result *r)
{
	cJSON *list = cJSON_AddArrayToObject(to, "expected");

	for (unsigned int i = 0; i < p->n_expects; i++) {
		cJSON *object = cJSON_CreateObject();
		double is;

		cJSON_AddItemToArray(list, object);
		cJSON_AddStringToObject(object, "text", p->expects[i].text);
		cJSON_AddBoolToObject(object, "holds", expect_holds(&p->expects[i], r, &is));
		if (isnan(is))
			cJSON_AddNullToObject(object, "is");
		else
			number(object, "is", is);
	}
}

bool report_json(FILE *to, const struct load_plan *p, const struct load_result *r)
{
	cJSON *root = cJSON_CreateObject(), *latency;
	char *text;
	bool ok;

	add_settings(root, p);
	number(root, "seconds", r->seconds);
	cJSON_AddBoolToObject(root, "early", r->early);
	add_rates(root, r);
	number(root, "open", (double)r->open);
	number(root, "unfinished", (double)r->unfinished);
	add_counts(root, "counted", &r->counted);
	add_counts(root, "total", &r->total);
	add_errors(root, &r->total);
	latency = cJSON_AddObjectToObject(root, "latency_us");
	add_latency(latency, "connect", &r->times.connect, r->hz);
	add_latency(latency, "first", &r->times.first, r->hz);
	add_latency(latency, "complete", &r->times.complete, r->hz);
	add_limit(root, r);
	add_expects(root, p, r);
	text = cJSON_Print(root);
	ok = text && fprintf(to, "%s\n", text) > 0 && !fflush(to);
	free(text);
	cJSON_Delete(root);
	return ok;
}
