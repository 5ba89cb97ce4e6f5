/*
 * What telemetry shows of this process.
 */
#include <arpa/inet.h>

#include <rte_lcore.h>

#include "ctl/telemetry.h"
#include "server.h"

static void stats(void *arg, unsigned int worker, struct counters *out)
{
	const struct server *s = arg;

	worker_snapshot(s->worker, out);
}

static void info(void *arg, struct rte_tel_data *dict)
{
	const struct server *s = arg;
	char name[32];

	ctl_dict_string(dict, "version", PIER_VERSION);
	ctl_dict_u64(dict, "workers", 1);
	ctl_dict_u64(dict, "main_lcore", rte_get_main_lcore());
	ctl_dict_string(dict, "idle",
			s->config->server.idle == PIER_IDLE_SLEEP ? "sleep" : "poll");
	for (unsigned int i = 0; i < s->n_ports; i++) {
		snprintf(name, sizeof(name), "port_%u", s->ports[i].id);
		ctl_dict_string(dict, name, s->ports[i].name);
	}
}

static void contract(void *arg, struct rte_tel_data *dict)
{
	const struct server *s = arg;
	const struct worker_memory *m = worker_memory(s->worker);
	struct engine_contract c;

	engine_size(&s->plan.engine, &c);
	ctl_dict_u64(dict, "max_connections", s->plan.engine.max_connections);
	ctl_dict_u64(dict, "max_half_open", s->plan.engine.max_half_open);
	ctl_dict_u64(dict, "max_time_wait", s->plan.engine.max_time_wait);
	ctl_dict_u64(dict, "idle_connection_bytes", (uint64_t)(c.per_idle_connection + 0.999));
	ctl_dict_u64(dict, "time_wait_bytes", (uint64_t)(c.per_time_wait + 0.999));
	ctl_dict_u64(dict, "block_bytes", c.block);
	ctl_dict_u64(dict, "max_blocks", c.max_blocks);
	ctl_dict_u64(dict, "total_bytes", c.total);
	ctl_dict_u64(dict, "mapped_bytes", m->bytes);
	ctl_dict_u64(dict, "huge_page_bytes", m->huge);
	ctl_dict_u64(dict, "mbufs", s->plan.pools.n_data);
	ctl_dict_u64(dict, "mbufs_in_use", port_pools_in_use(&s->pools));
}

static bool listener(void *arg, unsigned int i, struct rte_tel_data *dict)
{
	const struct server *s = arg;
	const struct pier_listener *l;
	char text[LISTEN_SPEC_LEN];

	if (i >= s->n_listeners)
		return false;
	l = &s->config->listeners[i];
	ctl_dict_string(dict, "listen", listen_spec_format(&l->spec, text, sizeof(text)));
	ctl_dict_string(dict, "handler", l->handler->name);
	ctl_dict_u64(dict, "version", (uint64_t)s->versions[i]);
	return true;
}

bool server_telemetry_start(struct server *s)
{
	static struct ctl_provider provider = {
		.workers = 1,
		.stats = stats,
		.info = info,
		.contract = contract,
		.listener = listener,
	};

	provider.arg = s;
	if (ctl_telemetry_start(&provider) == 0)
		return true;
	fprintf(stderr, "pier: cannot register telemetry commands\n");
	return false;
}

void server_telemetry_stop(void)
{
	ctl_telemetry_stop();
}
