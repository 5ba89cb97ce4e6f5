/*
 * What telemetry shows of this process.
 */
#include <signal.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_lcore.h>

#include "base/compiler.h"
#include "ctl/telemetry.h"
#include "server.h"

static void stats(void *arg, unsigned int worker, struct counters *out)
{
	const struct server *s = arg;

	worker_snapshot(s->workers[worker], out);
}

static void link_local(const struct server *s, uint16_t port, struct rte_tel_data *dict)
{
	const uint8_t *addr = server_link_local(s, port);
	char name[32], text[ADDRESS_TEXT];

	if (!addr)
		return;
	snprintf(name, sizeof(name), "port_%u_link_local", port);
	ctl_dict_string(dict, name, address_format(addr, text));
}

static void clashes(const struct server *s, uint16_t port, struct rte_tel_data *dict)
{
	char name[32], last[ADDRESS_TEXT + 48];
	const unsigned int n = server_clashes(s, port, last, sizeof(last));

	snprintf(name, sizeof(name), "port_%u_conflicts", port);
	ctl_dict_u64(dict, name, n);
	if (!n)
		return;
	snprintf(name, sizeof(name), "port_%u_conflict", port);
	ctl_dict_string(dict, name, last);
}

static void info(void *arg, struct rte_tel_data *dict)
{
	struct server *s = arg;
	uint64_t replaced = 0;
	char name[32];

	ctl_dict_string(dict, "version", PIER_VERSION);
	ctl_dict_u64(dict, "workers", s->n_workers);
	ctl_dict_u64(dict, "tsc_hz", rte_get_tsc_hz());
	pthread_mutex_lock(&s->lock);
	ctl_dict_u64(dict, "reloads", s->reloads);
	ctl_dict_u64(dict, "reload_failures", s->reload_failures);
	for (const struct server_old *o = s->old; o; o = o->next)
		replaced++;
	ctl_dict_u64(dict, "replaced_in_use", replaced);
	for (unsigned int i = 0; i < s->n_ports; i++)
		clashes(s, s->ports[i].id, dict);
	pthread_mutex_unlock(&s->lock);
	ctl_dict_u64(dict, "main_lcore", rte_get_main_lcore());
	ctl_dict_string(dict, "idle",
			s->config->server.idle == PIER_IDLE_SLEEP ? "sleep" : "poll");
	for (unsigned int i = 0; i < s->n_ports; i++) {
		snprintf(name, sizeof(name), "port_%u", s->ports[i].id);
		ctl_dict_string(dict, name, s->ports[i].name);
		snprintf(name, sizeof(name), "port_%u_steering", s->ports[i].id);
		ctl_dict_string(dict, name, port_steering_name(s->ports[i].plan.steering));
		link_local(s, s->ports[i].id, dict);
	}
	for (unsigned int w = 0; w < s->n_workers; w++) {
		snprintf(name, sizeof(name), "worker_%u_lcore", w);
		ctl_dict_u64(dict, name, s->lcores[w]);
		snprintf(name, sizeof(name), "worker_%u_node", w);
		ctl_dict_u64(dict, name, (uint64_t)max_of(s->place.worker[w].node, 0));
	}
}

/* Of all workers together; what a connection costs is the same for each. */
static void contract(void *arg, struct rte_tel_data *dict)
{
	const struct server *s = arg;
	uint64_t mapped = 0, huge = 0, in_use = 0;
	struct engine_contract c;

	for (unsigned int w = 0; w < s->n_workers; w++) {
		mapped += worker_memory(s->workers[w])->bytes;
		huge += worker_memory(s->workers[w])->huge;
		in_use += port_pools_in_use(&s->pools[w]);
	}
	engine_size(&s->plan.engine, &c);
	ctl_dict_u64(dict, "workers", s->n_workers);
	ctl_dict_u64(dict, "max_connections", (uint64_t)s->plan.engine.max_connections * s->n_workers);
	ctl_dict_u64(dict, "max_half_open", (uint64_t)s->plan.engine.max_half_open * s->n_workers);
	ctl_dict_u64(dict, "max_time_wait", (uint64_t)s->plan.engine.max_time_wait * s->n_workers);
	ctl_dict_u64(dict, "idle_connection_bytes", (uint64_t)(c.per_idle_connection + 0.999));
	ctl_dict_u64(dict, "time_wait_bytes", (uint64_t)(c.per_time_wait + 0.999));
	ctl_dict_u64(dict, "block_bytes", c.block);
	ctl_dict_u64(dict, "max_blocks", (uint64_t)c.max_blocks * s->n_workers);
	ctl_dict_u64(dict, "total_bytes", c.total * s->n_workers);
	ctl_dict_u64(dict, "mapped_bytes", mapped);
	ctl_dict_u64(dict, "huge_page_bytes", huge);
	ctl_dict_u64(dict, "ring_bytes", s->team ? worker_team_bytes(s->team) : 0);
	ctl_dict_u64(dict, "mbufs", (uint64_t)s->plan.pools.n_data * s->n_workers);
	ctl_dict_u64(dict, "mbufs_in_use", in_use);
}

static bool listener(void *arg, unsigned int i, struct rte_tel_data *dict)
{
	struct server *s = arg;
	const struct pier_listener *l;
	char text[LISTEN_SPEC_LEN];
	bool there;

	pthread_mutex_lock(&s->lock);
	there = i < s->n_listeners;
	if (there) {
		l = &s->serving->listeners[i];
		ctl_dict_string(dict, "listen",
				listen_spec_format(&l->spec, text, sizeof(text)));
		ctl_dict_string(dict, "handler", l->handler->name);
		ctl_dict_u64(dict, "version", (uint64_t)s->versions[i * s->plan.workers]);
	}
	pthread_mutex_unlock(&s->lock);
	return there;
}

static bool handler_stats(void *arg, unsigned int i, void (*add)(void *, const char *, uint64_t),
			  void *to)
{
	struct server *s = arg;
	const struct pier_listener *l;
	bool there;

	pthread_mutex_lock(&s->lock);
	there = i < s->n_listeners;
	l = there ? &s->serving->listeners[i] : NULL;
	if (there && pier_listener_handler(l)->stats)
		pier_listener_handler(l)->stats(pier_listener_settings(l), add, to);
	pthread_mutex_unlock(&s->lock);
	return there;
}

/* The control thread takes it as it takes a SIGHUP from outside. */
static bool reload(void *arg)
{
	const struct server *s = arg;

	return s->source && kill(getpid(), SIGHUP) == 0;
}

bool server_telemetry_start(struct server *s)
{
	static struct ctl_provider provider = {
		.stats = stats,
		.info = info,
		.contract = contract,
		.listener = listener,
		.handler_stats = handler_stats,
		.reload = reload,
	};

	provider.arg = s;
	provider.workers = s->n_workers;
	if (ctl_telemetry_start(&provider) == 0)
		return true;
	fprintf(stderr, "%s: cannot register telemetry commands\n", PROGRAM);
	return false;
}

void server_telemetry_stop(void)
{
	ctl_telemetry_stop();
}
