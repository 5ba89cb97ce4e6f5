/*
 * How large everything becomes: from the configuration's limits to the engine's and the pools'.
 */
#include "base/units.h"
#include "server.h"

#define MBUFS_HELD  16384 /* received ones that connections may refer to, where memory allows */
#define MBUFS_BUILT 6144  /* being built, on their way, in caches */
#define DESC_MAX    8192

static uint32_t largest_mtu(const struct pier_config *c)
{
	uint32_t mtu = 1500;

	for (unsigned int i = 0; i < c->n_ports; i++)
		mtu = max_of(mtu, c->ports[i].device.mtu);
	return mtu;
}

/*
 * mbufs that the descriptors of a worker's queues take, one queue a port, and more where a port has
 * more queues than workers; a ring pair's rings hold them in both directions.
 */
static uint32_t port_mbufs(const struct pier_config *c, unsigned int workers)
{
	uint32_t n = 0;

	for (unsigned int i = 0; i < c->n_ports; i++) {
		const struct port_config *p = &c->ports[i].device;
		const uint32_t queues = (max_of(p->queues, workers) + workers - 1) / workers;

		n += queues * (min_of(p->rx_desc, (uint32_t)DESC_MAX) +
			       min_of(p->tx_desc, (uint32_t)DESC_MAX));
	}
	return n;
}

/* A worker's share of what is for all of them: nothing of it is lost by rounding. */
static uint64_t share(uint64_t all, unsigned int workers)
{
	return (all + workers - 1) / workers;
}

static void plan_pools(struct server_plan *plan, const struct pier_config *c)
{
	const uint32_t devices = port_mbufs(c, plan->workers), mtu = largest_mtu(c);
	const uint32_t frags = (uint32_t)(plan->engine.reassembly_bytes / port_mbuf_bytes(mtu));
	uint32_t n = (uint32_t)share(c->server.mbufs, plan->workers), spare;

	if (!n)
		n = devices + frags + MBUFS_BUILT + (uint32_t)share(MBUFS_HELD, plan->workers);
	spare = n > devices + frags ? n - devices - frags : 0;
	plan->pools = (struct port_pools_config){
		.n_data = n,
		.n_indirect = max_of(spare / 2, 1024u),
		.mtu = mtu,
		.socket = SOCKET_ID_ANY,
	};
	plan->engine.mbuf_share = max_of(spare * 3 / 4, 1u);
	plan->eal_bytes = ((uint64_t)plan->pools.n_data * port_mbuf_bytes(mtu) +
			   (uint64_t)plan->pools.n_indirect * port_ref_bytes()) * plan->workers;
}

/*
 * As many connections as there is memory for on the node that has the least for each worker: all have as many.
 * A tenth is left for what nobody counts. A worker for which nothing is left has one: it is refused with what it
 * needs, see server_check.
 */
static void size_connections(struct server_plan *plan, const struct server_options *o,
			     const struct place_plan *place, const struct contract_supply *supply)
{
	uint64_t each = contract_share(supply, place, &plan->eal);
	uint32_t room;

	if (o->connection_memory)
		each = o->connection_memory / plan->workers;
	else
		each = each == UINT64_MAX ? 0 : each / 10 * 9;
	room = contract_room(&plan->engine, each);
	room = min_of(room, (uint32_t)(CONNECTIONS_MAX / plan->workers));
	plan->engine.max_connections = max_of(room, 1u);
	plan->starved = !room;
	plan->share = each;
}

void server_plan_make(struct server_plan *plan, const struct pier_config *c, const struct place_plan *place,
		      const struct contract_supply *supply, const struct pier_eal_argv *eal)
{
	const struct server_options *o = &c->server;
	const unsigned int workers = place->n;

	*plan = (struct server_plan){
		.workers = workers,
		.engine = {
			.max_connections = (uint32_t)share(o->max_connections, workers),
			.max_half_open = (uint32_t)share(o->max_half_open, workers),
			.max_time_wait = (uint32_t)share(o->max_time_wait, workers),
			.max_orphans = (uint32_t)share(o->max_orphans, workers),
			.time_wait_us = 2 * c->tcp.msl,
			.block_bytes = max_of(share(o->memory, workers), (uint64_t)MIB),
			.max_paths = o->max_next_hops + 2 * c->n_ports, /* beside the gateways of both families */
			.max_neighbors = o->max_next_hops,
			.reassembly_bytes = max_of(share(o->reassembly_memory, workers), 64 * KIB),
			.rst_rate = (uint32_t)share(o->rst_rate, workers),
			.icmp_rate = (uint32_t)share(o->icmp_rate, workers),
		},
	};
	plan_pools(plan, c);
	if (eal->made)
		plan->eal = (struct contract_eal){
			.each = (eal->huge ? c->eal.memory : plan->eal_bytes) / workers,
			.huge = eal->huge,
		};
	if (!o->max_connections)
		size_connections(plan, o, place, supply);
}
