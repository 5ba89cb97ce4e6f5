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
	fprintf(stderr, "%s: %s\n", PROGRAM, why);
	return false;
}

/* Two at a time under one name are what EAL has no word for. */
static bool eal_failed(const struct server *s)
{
	const char *prefix = s->config->eal.file_prefix;

	if (s->eal->made && prefix && server_files_locked(prefix))
		return server_refuse(s, stderr, "eal", "file-prefix", "another process runs under the name \"%s\": "
				     "stop that one, or choose another name", prefix);
	fprintf(stderr, "%s: EAL does not start%s%s%s; its messages are above\n", PROGRAM, rte_errno ? " (" : "",
		rte_errno ? rte_strerror(rte_errno) : "", rte_errno ? ")" : "");
	return false;
}

static bool start_eal(struct server *s)
{
	struct pier_eal_argv *v = s->eal;

	if (rte_eal_init(v->argc, v->argv) < 0)
		return eal_failed(s);
	s->eal_up = true;
	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return fail("expected to be EAL's primary process: leave out --proc-type");
	return true;
}

/* EAL given on the command line: how many lcores there are is known only now. */
static bool place(struct server *s)
{
	if (!s->eal->made) {
		if (!server_place_lcores(s, stderr))
			return false;
		contract_supply_read(&s->supply);
		server_plan_make(&s->plan, s->config, &s->place, &s->supply, s->eal);
		if (!server_check_contract(s, stderr))
			return false;
		place_print(&s->place, stdout);
		place_warn(&s->machine, &s->place, stdout);
	}
	for (unsigned int w = 0; w < s->place.n; w++)
		s->lcores[w] = s->place.worker[w].cpu;
	if (rte_lcore_count() > s->place.n)
		printf("%s: %u of the %u lcores do nothing\n", PROGRAM, rte_lcore_count() - s->place.n,
		       rte_lcore_count());
	return true;
}

/* EAL puts its memory outside of huge pages anywhere: it is moved. */
static void place_chunk(struct rte_mempool *mp, void *arg, struct rte_mempool_memhdr *hdr,
			unsigned int i)
{
	place_memory(hdr->addr, hdr->len, *(const int *)arg);
}

static bool create_pools(struct server *s)
{
	struct port_pools_config cfg = s->plan.pools;
	char name[32], err[ERR_LEN];

	cfg.name = name;
	for (unsigned int w = 0; w < s->plan.workers; w++) {
		int node = s->place.worker[w].node;

		snprintf(name, sizeof(name), "pier_%u", w);
		cfg.socket = rte_eal_has_hugepages() && node >= 0 ? node : SOCKET_ID_ANY;
		if (!port_pools_create(&cfg, &s->pools[w], err, sizeof(err)))
			return fail(err);
		if (rte_eal_has_hugepages())
			continue;
		rte_mempool_mem_iter(s->pools[w].data, place_chunk, &node);
		rte_mempool_mem_iter(s->pools[w].indirect, place_chunk, &node);
	}
	return true;
}

static void add_address(struct server *s, uint16_t port, const uint8_t addr[16], uint32_t prefix)
{
	struct engine_address *a = &s->addresses[s->n_addresses++];

	*a = (struct engine_address){.port = port, .prefix = (uint8_t)prefix};
	memcpy(a->addr, addr, sizeof(a->addr));
}

/* fe80::/64 and the MAC address (RFC 4291 appendix A), where the configuration gives none. */
static void add_link_local(struct server *s, const struct pier_port *p, const struct port *port)
{
	const uint8_t *m = port->cap.mac;
	const uint8_t addr[16] = {0xfe, 0x80, [8] = m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]};

	if (pier_port_has_v6(p) && !pier_port_has_link_local(p))
		add_address(s, port->id, addr, 64);
}

const uint8_t *server_link_local(const struct server *s, uint16_t port)
{
	for (unsigned int i = 0; i < s->n_addresses; i++)
		if (s->addresses[i].port == port && address_kind(s->addresses[i].addr) == ADDRESS_LINK_LOCAL)
			return s->addresses[i].addr;
	return NULL;
}

/* In the order of the configuration, where a program finds each at its place; what nobody gave comes last. */
static void add_addresses(struct server *s)
{
	const struct pier_config *c = s->config;

	for (unsigned int i = 0; i < c->n_ports; i++)
		for (unsigned int k = 0; k < c->ports[i].n_addresses; k++)
			add_address(s, s->ports[i].id, c->ports[i].addresses[k].addr, c->ports[i].addresses[k].len);
	for (unsigned int i = 0; i < c->n_ports; i++)
		add_link_local(s, &c->ports[i], &s->ports[i]);
}

static bool has_room_for_v6(const struct pier_port *p, const struct port *port)
{
	if (!pier_port_has_v6(p) || port->cap.mtu >= PIER_MTU_V6)
		return true;
	fprintf(stderr, "%s: [port %u]: its mtu is %u, and IPv6 takes %d at least: set mtu, or give it no IPv6 "
		"address\n", PROGRAM, p->number, port->cap.mtu, PIER_MTU_V6);
	return false;
}

static bool open_port(struct server *s, const struct pier_port *p)
{
	struct port *port = &s->ports[s->n_ports];
	const struct port_pools *pools[WORKERS_MAX];
	const unsigned int n = s->plan.workers;
	char err[ERR_LEN];

	for (unsigned int q = 0; q < n; q++)
		pools[q] = &s->pools[s->place.owner[s->n_ports][q]];
	if (!port_open_pools(&p->device, n, s->config->server.idle == PIER_IDLE_SLEEP, pools, n, port,
			     err, sizeof(err))) {
		fprintf(stderr, "%s: [port %u]: %s\n", PROGRAM, p->number, err);
		return false;
	}
	s->engine_ports[s->n_ports] = (struct engine_port){
		.id = port->id,
		.cap = &port->cap,
		.gateway = p->gateway,
		.neighbor = p->options.neighbor == PIER_NEIGHBOR_REFLECT ? ENGINE_NEIGHBOR_REFLECT
									 : ENGINE_NEIGHBOR_RESOLVE,
		.announce = p->options.announce,
	};
	memcpy(s->engine_ports[s->n_ports++].gateway6, p->gateway6, sizeof(p->gateway6));
	if (pier_port_has_v6(p))
		port_take_groups(port);
	if (port->id >= ENGINE_PORTS_MAX)
		return fail("EAL has too many ports: give it only those that pier is to use (-a)");
	return has_room_for_v6(p, port);
}

static bool open_ports(struct server *s)
{
	const struct pier_config *c = s->config;
	unsigned int n = 0;

	for (unsigned int i = 0; i < c->n_ports; i++)
		n += c->ports[i].n_addresses + 1; /* a link-local one */
	s->addresses = calloc(n + 1, sizeof(*s->addresses));
	s->clashes = calloc(n + 1, sizeof(*s->clashes));
	if (!s->addresses || !s->clashes)
		abort();
	for (unsigned int i = 0; i < c->n_ports; i++)
		if (!open_port(s, &c->ports[i]))
			return false;
	add_addresses(s);
	return true;
}

static bool create_team(struct server *s)
{
	const uint16_t *owners[PIER_PORTS_MAX];
	struct port *ports[PIER_PORTS_MAX];
	int nodes[WORKERS_MAX];
	struct worker_team_config cfg = {
		.n = s->plan.workers,
		.sleepy = s->config->server.idle == PIER_IDLE_SLEEP,
		.ports = ports,
		.n_ports = s->n_ports,
		.nodes = nodes,
		.owners = owners,
	};
	char err[ERR_LEN];

	for (unsigned int i = 0; i < s->n_ports; i++) {
		ports[i] = &s->ports[i];
		owners[i] = s->place.owner[i];
	}
	for (unsigned int w = 0; w < cfg.n; w++)
		nodes[w] = s->place.worker[w].node;
	s->team = worker_team_create(&cfg, err, sizeof(err));
	return s->team || fail(err);
}

/* A worker alone polls all there is. */
static unsigned int own_ports(struct server *s, struct worker_port *out)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->n_ports; i++)
		for (uint16_t q = 0; q < s->ports[i].plan.queues; q++)
			out[n++] = (struct worker_port){&s->ports[i], q, q ? WORKER_NO_QUEUE : 0};
	return n;
}

static bool create_worker(struct server *s, unsigned int w)
{
	static struct worker_port ports[PIER_PORTS_MAX * PORT_QUEUES_MAX];
	struct worker_config cfg = {
		.id = (uint16_t)w,
		.node = s->place.worker[w].node,
		.idle = s->config->server.idle == PIER_IDLE_SLEEP ? WORKER_SLEEP : WORKER_POLL,
		.team = s->team,
		.ports = ports,
		.prefault = s->config->server.prefault,
		.since_boot = s->lasting,
	};
	char err[ERR_LEN];

	if (!s->team)
		cfg.n_ports = own_ports(s, ports);
	cfg.engine = s->plan.engine;
	cfg.engine.ports = s->engine_ports;
	cfg.engine.n_ports = s->n_ports;
	cfg.engine.addresses = s->addresses;
	cfg.engine.n_addresses = s->n_addresses;
	cfg.engine.pool = s->pools[w].data;
	cfg.engine.indirect = s->pools[w].indirect;
	if (!server_secret(s->lasting, cfg.engine.secret))
		return fail("the system has no random numbers");
	s->workers[w] = worker_create(&cfg, err, sizeof(err));
	explicit_bzero(cfg.engine.secret, sizeof(cfg.engine.secret));
	s->n_workers += s->workers[w] != NULL;
	return s->workers[w] || fail(err);
}

/* Behind the team, which may have changed the steering. */
static void print_ports(const struct server *s)
{
	char text[ADDRESS_TEXT];

	for (unsigned int i = 0; i < s->n_ports; i++) {
		const uint8_t *addr = server_link_local(s, s->ports[i].id);

		port_plan_print(&s->ports[i], stdout);
		if (addr)
			printf("port %u: link-local address %s\n", s->ports[i].id, address_format(addr, text));
	}
}

static bool create_workers(struct server *s)
{
	if (s->plan.workers > 1 && !create_team(s))
		return false;
	print_ports(s);
	for (unsigned int w = 0; w < s->plan.workers; w++)
		if (!create_worker(s, w))
			return false;
	return true;
}

bool server_start(struct server *s)
{
	return start_eal(s) && place(s) && create_pools(s) && open_ports(s) && create_workers(s) &&
	       server_listen(s) && server_telemetry_start(s);
}
