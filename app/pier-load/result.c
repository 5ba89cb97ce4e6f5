/*
 * See result.h.
 */
#include "result.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

#define IDLE_ENOUGH 0.05 /* of the time: who has that much left is not the limit */
#define BURST_FULL  16.0 /* packets of a burst on average: there were always more waiting */
#define RATE_NEAR   0.99

const char *const load_bound_words[] = {"schedule", "client", "server",  "unclear",
					"ports",    "errors", "nothing"};
const char *const load_bound_texts[] = {
	"what was asked for was reached",
	"client-bound: pier-load had no time left, the server may be able to do more",
	"server-bound: pier-load had time left and waited for the server, or for the path to it",
	"unclear: pier-load had little time left, but found few packets at a time",
	"client-bound: local ports were in TIME-WAIT; give more addresses, servers or ports",
	"errors: too much failed for the rates to be what the server can do, see above",
	"nothing counted: the run ended before",
};

enum {
	M_ERRORS, M_ERROR, M_CONNECTS, M_OPENED, M_OPEN, M_REQUESTS, M_RESPONSES, M_FAILED,
	M_UNFINISHED, M_CPS, M_RPS, M_RX_BPS, M_TX_BPS, M_BUSY, M_CONNECT, M_FIRST, M_COMPLETE,
};

static const struct {
	const char *name;
	unsigned int id;
	enum metric_kind kind;
} metrics[] = {
	{"errors", M_ERRORS, METRIC_COUNT},       {"connects", M_CONNECTS, METRIC_COUNT},
	{"opened", M_OPENED, METRIC_COUNT},       {"open", M_OPEN, METRIC_COUNT},
	{"requests", M_REQUESTS, METRIC_COUNT},   {"responses", M_RESPONSES, METRIC_COUNT},
	{"failed", M_FAILED, METRIC_COUNT},       {"unfinished", M_UNFINISHED, METRIC_COUNT},
	{"cps", M_CPS, METRIC_RATE},              {"rps", M_RPS, METRIC_RATE},
	{"rx.bps", M_RX_BPS, METRIC_RATE},        {"tx.bps", M_TX_BPS, METRIC_RATE},
	{"busy", M_BUSY, METRIC_SHARE},
};

static const struct {
	const char *name;
	unsigned int id;
} latencies[] = {{"connect.", M_CONNECT}, {"first.", M_FIRST}, {"complete.", M_COMPLETE}};

const char *metric_names(void)
{
	return "errors, errors.KIND, connects, opened, open, requests, responses, failed, "
	       "unfinished, cps, rps, rx.bps, tx.bps, busy, or connect, first or complete and .mean, "
	       ".max or .pNN";
}

/* mean, max, p99.9 */
static bool find_quantile(const char *name, size_t len, double *q)
{
	char text[16], *end;

	if (len >= sizeof(text))
		return false;
	memcpy(text, name, len);
	text[len] = '\0';
	*q = !strcmp(text, "mean") ? -1 : 1;
	if (!strcmp(text, "mean") || !strcmp(text, "max"))
		return true;
	if (text[0] != 'p' || text[1] < '0' || text[1] > '9')
		return false;
	*q = strtod(text + 1, &end) / 100;
	return !*end && *q <= 1;
}

static bool is_word(const char *name, size_t len, const char *word)
{
	return len == strlen(word) && !memcmp(name, word, len);
}

bool metric_find(const char *name, size_t len, struct metric *m)
{
	*m = (struct metric){0};
	for (size_t i = 0; i < ARRAY_SIZE(metrics); i++)
		if (is_word(name, len, metrics[i].name)) {
			m->id = metrics[i].id;
			m->kind = metrics[i].kind;
			return true;
		}
	for (unsigned int i = 0; i < LOAD_ERRS && len > 7 && !memcmp(name, "errors.", 7); i++)
		if (is_word(name + 7, len - 7, load_error_names[i])) {
			*m = (struct metric){.id = M_ERROR, .error = i, .kind = METRIC_COUNT};
			return true;
		}
	for (size_t i = 0; i < ARRAY_SIZE(latencies); i++) {
		const size_t n = strlen(latencies[i].name);

		if (len <= n || memcmp(name, latencies[i].name, n))
			continue;
		m->id = latencies[i].id;
		m->kind = METRIC_TIME;
		return find_quantile(name + n, len - n, &m->quantile);
	}
	return false;
}

/* Not a number where there is none, so that nothing is expected of it and found. */
static double latency(const struct hist *h, double q, double hz)
{
	if (!h->n)
		return (double)NAN;
	return (q < 0 ? hist_mean(h) : (double)hist_quantile(h, q)) / hz;
}

static double per_second(const struct load_result *r, uint64_t n)
{
	return r->seconds > 0 ? (double)n / r->seconds : 0;
}

double metric_value(const struct metric *m, const struct load_result *r)
{
	switch (m->id) {
	case M_ERRORS:
		return (double)load_counts_errors(&r->total);
	case M_ERROR:
		return (double)r->total.error[m->error];
	case M_CONNECTS:
		return (double)r->total.connects;
	case M_OPENED:
		return (double)r->total.opened;
	case M_OPEN:
		return (double)r->open;
	case M_REQUESTS:
		return (double)r->total.requests;
	case M_RESPONSES:
		return (double)r->total.responses;
	case M_FAILED:
		return (double)r->total.failed;
	case M_UNFINISHED:
		return (double)r->unfinished;
	case M_CPS:
		return per_second(r, r->counted.opened);
	case M_RPS:
		return per_second(r, r->counted.responses);
	case M_RX_BPS:
		return 8 * per_second(r, r->counted.rx_bytes);
	case M_TX_BPS:
		return 8 * per_second(r, r->counted.tx_bytes);
	case M_BUSY:
		return load_busy(r);
	case M_CONNECT:
		return latency(&r->times.connect, m->quantile, r->hz);
	case M_FIRST:
		return latency(&r->times.first, m->quantile, r->hz);
	default:
		return latency(&r->times.complete, m->quantile, r->hz);
	}
}

double load_busy(const struct load_result *r)
{
	return r->counted.ticks ? (double)r->counted.busy_ticks / (double)r->counted.ticks : 0;
}

double load_burst(const struct load_result *r)
{
	return r->counted.busy_turns
		       ? (double)r->counted.received / (double)r->counted.busy_turns : 0;
}

/*
 * More failed than was answered; what is given up after timeout may all be before or behind the time that counted, then
 * since the start. Or connections did mostly nothing but rest, each after an error.
 */
static bool errors_prevail(const struct load_result *r)
{
	const uint64_t errors = load_counts_errors(&r->counted);

	return errors - r->counted.error[LOAD_ERR_status] > r->counted.responses + r->open ||
	       r->counted.error[LOAD_ERR_status] > r->counted.responses || r->rested > 0.5 ||
	       ((r->asks || !r->open) && !r->total.responses && load_counts_errors(&r->total));
}

enum load_bound load_bound(const struct load_result *r)
{
	if (r->seconds <= 0)
		return LOAD_BOUND_NOTHING;
	if (r->held)
		return LOAD_BOUND_SCHEDULE;
	if (r->wanted > 0 && per_second(r, r->counted.responses) >= r->wanted * RATE_NEAR)
		return LOAD_BOUND_SCHEDULE;
	if (r->counted.port_waits)
		return LOAD_BOUND_PORTS;
	if (errors_prevail(r))
		return LOAD_BOUND_ERRORS;
	if (load_busy(r) <= 1 - IDLE_ENOUGH)
		return LOAD_BOUND_SERVER;
	return load_burst(r) >= BURST_FULL ? LOAD_BOUND_CLIENT : LOAD_BOUND_UNCLEAR;
}
