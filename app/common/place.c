/*
 * Where the workers run: the planner of lib/worker, fed with the configuration and this machine.
 */
#include <rte_lcore.h>

#include "base/compiler.h"
#include "server.h"

static bool make(struct server *s, unsigned int workers, FILE *err)
{
	const struct pier_config *c = s->config;
	struct place_port ports[PIER_PORTS_MAX];
	struct place_request r = {
		.workers = workers,
		.list = c->server.placement == PIER_PLACEMENT_LIST,
		.ports = ports,
		.n_ports = c->n_ports,
	};
	char why[256];

	for (unsigned int i = 0; i < c->n_ports; i++) {
		const char *device = c->ports[i].device.device;

		ports[i] = (struct place_port){
			.node = device && !c->ports[i].device.ring_pair ? place_pci_node(device) : -1,
			.queues = c->ports[i].device.queues,
		};
	}
	return place_plan(&s->machine, &r, &s->place, why, sizeof(why)) ||
	       server_refuse(s, err, "server", "workers", "%s", why);
}

static bool place(struct server *s, FILE *err)
{
	const struct pier_config *c = s->config;
	unsigned int cpus[PLACE_CPUS_MAX], workers = c->server.workers;
	char why[256];
	int n;

	if (c->eal.lcores)
		n = cpu_list_parse(c->eal.lcores, cpus, PLACE_CPUS_MAX, why, sizeof(why));
	else
		n = (int)place_allowed(cpus, PLACE_CPUS_MAX);
	if (n < 1)
		return server_refuse(s, err, "eal", "lcores", "%s", c->eal.lcores ? why : "no CPU may be used");
	for (int i = 0; c->eal.lcores && i < n; i++)
		if (!place_has_cpu(cpus[i]))
			return server_refuse(s, err, "eal", "lcores", "this machine has no CPU %u", cpus[i]);
	if (!workers)
		workers = c->eal.lcores ? min_of((unsigned int)n, (unsigned int)WORKERS_MAX) : 1;
	place_read(&s->machine, cpus, (unsigned int)n);
	return make(s, workers, err);
}

/* EAL is given on the command line: as many workers as the configuration says, nobody knows where yet. */
static void somewhere(struct server *s)
{
	const uint32_t asked = min_of(s->config->server.workers, (uint32_t)WORKERS_MAX);

	s->place.n = max_of(asked, 1u);
	for (unsigned int w = 0; w < s->place.n; w++)
		s->place.worker[w] = (struct place_worker){.cpu_node = -1, .node = -1};
}

bool server_prepare(struct server *s, struct pier_eal_argv *eal, int argc, char **argv, FILE *err)
{
	*eal = (struct pier_eal_argv){0};
	s->eal = eal;
	contract_supply_read(&s->supply);
	if (argc == 1 && !place(s, err))
		return false;
	if (argc != 1)
		somewhere(s);
	pier_eal_argv_make(eal, argc, argv, s->config, &s->place, &s->supply);
	server_plan_make(&s->plan, s->config, &s->place, &s->supply, eal);
	return true;
}

/* An lcore is not a CPU where --lcores says so: its number stands for it. */
bool server_place_lcores(struct server *s, FILE *err)
{
	unsigned int lcore, workers = s->config->server.workers;

	place_read(&s->machine, NULL, 0);
	RTE_LCORE_FOREACH(lcore) {
		const int cpu = rte_lcore_to_cpu_id((int)lcore);
		struct place_cpu c = place_read_cpu(cpu < 0 ? lcore : (unsigned int)cpu);

		c.id = (uint16_t)lcore;
		if (s->machine.n_cpus < PLACE_CPUS_MAX)
			s->machine.cpu[s->machine.n_cpus++] = c;
	}
	if (!workers)
		workers = min_of(s->machine.n_cpus, (unsigned int)WORKERS_MAX);
	return make(s, workers, err);
}
