/*
 * The telemetry commands. The mutex keeps ctl_telemetry_stop from pulling the provider away from
 * under a reply; it is no business of the data path.
 */
#include <errno.h>
#include <pthread.h>
#include <rte_telemetry.h>
#include <rte_version.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "ctl/telemetry.h"
#include "number.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const struct ctl_provider *current;

static_assert(CTR_MAX <= RTE_TEL_MAX_DICT_ENTRIES, "all counters fit into one reply");

void ctl_dict_u64(struct rte_tel_data *dict, const char *name, uint64_t value)
{
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
	rte_tel_data_add_dict_uint(dict, name, value);
#else
	rte_tel_data_add_dict_u64(dict, name, value);
#endif
}

void ctl_dict_string(struct rte_tel_data *dict, const char *name, const char *text)
{
	char cut[RTE_TEL_MAX_STRING_LEN];

	snprintf(cut, sizeof(cut), "%s", text);
	rte_tel_data_add_dict_string(dict, name, cut);
}

/* A parameter that is absent, or a number up to max. */
static bool optional_number(const char *params, unsigned int max, unsigned int *value)
{
	return !params || !*params || (parse_uint(&params, max, value) && !*params);
}

static void reply_stats(const struct ctl_provider *p, const char *params, struct rte_tel_data *d)
{
	struct counters sum = {0}, one = {0};
	unsigned int from = 0, to = p->workers;
	char err[64];

	if (params && *params) {
		if (!p->workers || !optional_number(params, p->workers - 1, &from)) {
			snprintf(err, sizeof(err), "expected a worker's number, less than %u",
				 p->workers);
			ctl_dict_string(d, "error", err);
			return;
		}
		to = from + 1;
	}
	for (unsigned int w = from; w < to; w++) {
		p->stats(p->arg, w, &one);
		for (unsigned int i = 0; i < CTR_MAX; i++)
			sum.v[i] += one.v[i];
	}
	for (unsigned int i = 0; i < CTR_MAX; i++)
		ctl_dict_u64(d, counter_info[i].name, sum.v[i]);
}

static void reply_info(const struct ctl_provider *p, const char *params, struct rte_tel_data *d)
{
	p->info(p->arg, d);
}

static void reply_contract(const struct ctl_provider *p, const char *params,
			   struct rte_tel_data *d)
{
	p->contract(p->arg, d);
}

/* Keyed by number: DPDK 22.11 holds dictionaries within a dictionary, not within an array. */
static void add_listeners(const struct ctl_provider *p, unsigned int from, struct rte_tel_data *d)
{
	char number[16];

	for (unsigned int i = from; i - from < CTL_LISTENERS_PAGE; i++) {
		struct rte_tel_data *entry = rte_tel_data_alloc();

		if (!entry)
			return;
		rte_tel_data_start_dict(entry);
		snprintf(number, sizeof(number), "%u", i);
		if (!p->listener(p->arg, i, entry) ||
		    rte_tel_data_add_dict_container(d, number, entry, 0) < 0) {
			rte_tel_data_free(entry);
			return;
		}
	}
}

static void reply_listeners(const struct ctl_provider *p, const char *params,
			    struct rte_tel_data *d)
{
	unsigned int from = 0;

	if (optional_number(params, UINT16_MAX, &from))
		add_listeners(p, from, d);
	else
		ctl_dict_string(d, "error", "expected the number of a listener");
}

/* A page of a handler's statistics. */
struct page {
	struct rte_tel_data *d;
	unsigned int from, i;
};

static void add_to_page(void *to, const char *name, uint64_t value)
{
	struct page *p = to;

	if (p->i >= p->from && p->i - p->from < CTL_STATS_PAGE)
		ctl_dict_u64(p->d, name, value);
	p->i++;
}

static void reply_handler(const struct ctl_provider *p, const char *params, struct rte_tel_data *d)
{
	struct page page = {.d = d};
	unsigned int which = 0;
	bool ok = params && *params && parse_uint(&params, UINT16_MAX, &which);

	if (ok && *params == ',') {
		params++;
		ok = parse_uint(&params, UINT32_MAX, &page.from);
	}
	if (!ok || *params)
		ctl_dict_string(d, "error", "expected the number of a listener, and of the first to show");
	else if (!p->handler_stats || !p->handler_stats(p->arg, which, add_to_page, &page))
		ctl_dict_string(d, "error", "there is no such listener");
}

static void reply_reload(const struct ctl_provider *p, const char *params, struct rte_tel_data *d)
{
	if (p->reload && p->reload(p->arg))
		ctl_dict_string(d, "reload", "asked for; see reloads and reload_failures in /pier/info");
	else
		ctl_dict_string(d, "error", "nothing to reload");
}

/* Start the reply as a dictionary and let fill fill it, if there is a provider. */
static int reply_dict(void (*fill)(const struct ctl_provider *, const char *, struct rte_tel_data *),
		      const char *params, struct rte_tel_data *d)
{
	rte_tel_data_start_dict(d);
	pthread_mutex_lock(&lock);
	if (current)
		fill(current, params, d);
	else
		ctl_dict_string(d, "error", "pier is not running");
	pthread_mutex_unlock(&lock);
	return 0;
}

static int on_stats(const char *cmd, const char *params, struct rte_tel_data *d)
{
	return reply_dict(reply_stats, params, d);
}

static int on_info(const char *cmd, const char *params, struct rte_tel_data *d)
{
	return reply_dict(reply_info, params, d);
}

static int on_contract(const char *cmd, const char *params, struct rte_tel_data *d)
{
	return reply_dict(reply_contract, params, d);
}

static int on_listeners(const char *cmd, const char *params, struct rte_tel_data *d)
{
	return reply_dict(reply_listeners, params, d);
}

static int on_handler(const char *cmd, const char *params, struct rte_tel_data *d)
{
	return reply_dict(reply_handler, params, d);
}

static int on_reload(const char *cmd, const char *params, struct rte_tel_data *d)
{
	return reply_dict(reply_reload, params, d);
}

static int on_help(const char *cmd, const char *params, struct rte_tel_data *d)
{
	if (!params || !*params) {
		rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
		for (unsigned int i = 0; i < CTR_MAX; i++)
			rte_tel_data_add_array_string(d, counter_info[i].name);
		return 0;
	}
	rte_tel_data_start_dict(d);
	for (unsigned int i = 0; i < CTR_MAX; i++)
		if (!strcmp(params, counter_info[i].name)) {
			ctl_dict_string(d, params, counter_info[i].help);
			return 0;
		}
	ctl_dict_string(d, "error", "expected a counter's name, as /pier/stats has it");
	return 0;
}

int ctl_telemetry_start(const struct ctl_provider *provider)
{
	static const struct {
		const char *name;
		telemetry_cb reply;
		const char *help;
	} commands[] = {
		{"/pier/stats", on_stats, "pier: all counters. Parameter: a worker's number"},
		{"/pier/help", on_help, "pier: what a counter counts. Parameter: its name"},
		{"/pier/info", on_info, "pier: version, workers, ports"},
		{"/pier/contract", on_contract, "pier: memory per connection, and room"},
		{"/pier/handler", on_handler,
		 "pier: what a listener's handler counted. Parameters: listener, first to show"},
		{"/pier/reload", on_reload, "pier: read the configuration again"},
		{"/pier/listeners", on_listeners, "pier: listeners. Parameter: the first to show"},
	};
	int ret = 0;

	pthread_mutex_lock(&lock);
	current = provider;
	pthread_mutex_unlock(&lock);
	for (size_t i = 0; i < ARRAY_SIZE(commands) && !ret; i++)
		ret = rte_telemetry_register_cmd(commands[i].name, commands[i].reply,
						 commands[i].help);
	return ret;
}

void ctl_telemetry_stop(void)
{
	pthread_mutex_lock(&lock);
	current = NULL;
	pthread_mutex_unlock(&lock);
}
