/*
 * Sink: takes what comes, at a pace if asked to, and counts it; the peer's FIN ends it.
 *
 * A paced sink leaves unconsumed what it may not take yet, so its receive window closes and the peer
 * slows down: a reader that is slow, not a path that loses. Without a pace no byte is held up, and no
 * payload is touched either way.
 */
#include <stdio.h>

#include "base/option.h"
#include "handlers/handlers.h"
#include "pace.h"
#include "per_core.h"

#define SINK_COUNTS(X) X(connections) X(bytes)

struct sink_core {
	uint64_t next; /* of the shared pace */
	CORE_FIELDS(SINK_COUNTS)
};

struct sink_settings {
	struct pace_options pace;
	struct sink_core *core;
};

struct sink_conn {
	struct pace_conn pace;
};

static void sink_open(struct pier_conn *c)
{
	const struct sink_settings *set = c->settings;

	core_count(&per_core(set->core, c)->connections, 1);
}

static size_t sink_data(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	const struct sink_settings *set = c->settings;
	struct sink_core *core = per_core(set->core, c);
	struct sink_conn *k = c->ctx;
	uint64_t total = 0, taken = 0, may;

	for (unsigned int i = 0; i < n; i++)
		total += s[i].len;
	while (taken < total && (may = pace_ask(c, &k->pace, &core->next, &set->pace, total - taken))) {
		pace_used(&k->pace, may);
		taken += may;
	}
	core_count(&core->bytes, taken);
	return taken;
}

static void sink_timer(struct pier_conn *c)
{
	struct sink_conn *k = c->ctx;

	pace_due(&k->pace);
	pier_resume(c);
}

static bool sink_setup(void *settings, char *err, size_t errlen)
{
	struct sink_settings *set = settings;

	set->core = per_core_new(sizeof(*set->core));
	if (!set->core)
		snprintf(err, errlen, "no memory");
	return set->core != NULL;
}

static void sink_teardown(void *settings)
{
	struct sink_settings *set = settings;

	free(set->core);
	set->core = NULL;
}

static void sink_stats(const void *settings, pier_stat *add, void *arg)
{
	const struct sink_settings *set = settings;

	CORE_STATS(SINK_COUNTS, set->core, add, arg);
}

static const struct option options[] = {
	PACE_OPTIONS(sink_settings, pace),
};

static const struct option_table sink_options = {
	"listen", "Settings of the sink handler", options, ARRAY_SIZE(options),
	sizeof(struct sink_settings),
};

const struct pier_handler handler_sink = {
	.abi = PIER_HANDLER_ABI,
	.size = sizeof(struct pier_handler),
	.name = "sink",
	.summary = "take what comes and count it, at a pace if asked to",
	.ctx_size = sizeof(struct sink_conn),
	.options = &sink_options,
	.setup = sink_setup,
	.teardown = sink_teardown,
	.open = sink_open,
	.data = sink_data,
	.timer = sink_timer,
	.stats = sink_stats,
};
