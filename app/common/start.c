/*
 * Starting, from EAL to listeners that the worker knows.
 */
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>

#include "base/units.h"
#include "server.h"

#define ERR_LEN 512

static bool fail(const char *why)
{
	fprintf(stderr, "pier: %s\n", why);
	return false;
}

static bool start_eal(struct server *s)
{
	struct pier_eal_argv *v = s->eal;

	if (rte_eal_init(v->argc, v->argv) < 0) {
		fprintf(stderr, "pier: EAL does not start (%s); its messages are above\n",
			rte_strerror(rte_errno));
		return false;
	}
	s->eal_up = true;
	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return fail("expected to be EAL's primary process: leave out --proc-type");
	if (rte_lcore_count() > 1)
		printf("pier: lcore %u serves, the other %u do nothing\n", rte_get_main_lcore(),
		       rte_lcore_count() - 1);
	return true;
}

static void fill_addresses(struct server *s, const struct pier_port *p, uint16_t id)
{
	for (unsigned int i = 0; i < p->n_addresses; i++) {
		struct engine_address *a = &s->addresses[s->n_addresses++];

		*a = (struct engine_address){.port = id, .prefix = (uint8_t)p->addresses[i].len};
		a->addr[10] = a->addr[11] = 0xff;
		memcpy(a->addr + 12, &p->addresses[i].addr, 4);
	}
}

static bool open_port(struct server *s, const struct pier_port *p)
{
	struct port *port = &s->ports[s->n_ports];
	char err[ERR_LEN];

	if (!port_open(&p->device, 1, s->config->server.idle == PIER_IDLE_SLEEP, &s->pools, port,
		       err, sizeof(err))) {
		fprintf(stderr, "pier: [port %u]: %s\n", p->number, err);
		return false;
	}
	s->engine_ports[s->n_ports++] = (struct engine_port){
		.id = port->id,
		.cap = &port->cap,
		.gateway = p->gateway,
		.neighbor = p->options.neighbor == PIER_NEIGHBOR_REFLECT ? ENGINE_NEIGHBOR_REFLECT
									 : ENGINE_NEIGHBOR_RESOLVE,
		.announce = p->options.announce,
	};
	fill_addresses(s, p, port->id);
	port_plan_print(port, stdout);
	if (port->id < ENGINE_PORTS_MAX)
		return true;
	return fail("EAL has too many ports: give it only those that pier is to use (-a)");
}

static bool open_ports(struct server *s)
{
	const struct pier_config *c = s->config;
	unsigned int n = 0;

	for (unsigned int i = 0; i < c->n_ports; i++)
		n += c->ports[i].n_addresses;
	s->addresses = calloc(n + 1, sizeof(*s->addresses));
	if (!s->addresses)
		abort();
	for (unsigned int i = 0; i < c->n_ports; i++)
		if (!open_port(s, &c->ports[i]))
			return false;
	return true;
}

static bool create_worker(struct server *s)
{
	struct worker_port ports[PIER_PORTS_MAX];
	struct worker_config cfg = {
		.node = (int)rte_socket_id(),
		.idle = s->config->server.idle == PIER_IDLE_SLEEP ? WORKER_SLEEP : WORKER_POLL,
		.ports = ports,
		.n_ports = s->n_ports,
		.since_boot = s->lasting,
	};
	char err[ERR_LEN];

	for (unsigned int i = 0; i < s->n_ports; i++)
		ports[i] = (struct worker_port){.port = &s->ports[i]};
	cfg.engine = s->plan.engine;
	cfg.engine.ports = s->engine_ports;
	cfg.engine.n_ports = s->n_ports;
	cfg.engine.addresses = s->addresses;
	cfg.engine.n_addresses = s->n_addresses;
	cfg.engine.pool = s->pools.data;
	cfg.engine.indirect = s->pools.indirect;
	if (!server_secret(s->lasting, cfg.engine.secret))
		return fail("the system has no random numbers");
	s->worker = worker_create(&cfg, err, sizeof(err));
	explicit_bzero(cfg.engine.secret, sizeof(cfg.engine.secret));
	return s->worker || fail(err);
}

/* The place of an address among those of the engine. */
static uint32_t local_index(const struct server *s, uint32_t addr)
{
	for (unsigned int i = 0; addr && i < s->n_addresses; i++)
		if (!memcmp(s->addresses[i].addr + 12, &addr, 4))
			return i;
	return LISTENER_ANY;
}

static bool listen_on(struct server *s, const struct pier_listener *from, struct listener *l)
{
	struct worker_msg m = {.op = WORKER_OP_LISTEN, .listener = l};
	char text[LISTEN_SPEC_LEN];

	*l = (struct listener){
		.handler = from->handler,
		.settings = from->settings,
		.tcp = from->tcp,
		.local = local_index(s, from->spec.addr),
		.port_lo = from->spec.first,
		.port_hi = from->spec.last,
		.backlog = from->options.backlog,
	};
	listener_prepare(l);
	if (!worker_request(s->worker, &m) || m.version < 0)
		return fail("too many listeners");
	s->versions[s->n_listeners++] = m.version;
	printf("listen %s: %s\n", listen_spec_format(&from->spec, text, sizeof(text)),
	       from->handler->name);
	return true;
}

static bool install_listeners(struct server *s)
{
	const struct pier_config *c = s->config;

	s->listeners = calloc(c->n_listeners + 1, sizeof(*s->listeners));
	s->versions = calloc(c->n_listeners + 1, sizeof(*s->versions));
	if (!s->listeners || !s->versions)
		abort();
	for (unsigned int i = 0; i < c->n_listeners; i++)
		if (!listen_on(s, &c->listeners[i], &s->listeners[i]))
			return false;
	return true;
}

bool server_start(struct server *s)
{
	char err[ERR_LEN];

	if (!start_eal(s))
		return false;
	if (!port_pools_create(&s->plan.pools, &s->pools, err, sizeof(err)))
		return fail(err);
	return open_ports(s) && create_worker(s) && install_listeners(s) &&
	       server_telemetry_start(s);
}
