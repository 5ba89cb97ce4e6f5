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

/* mbufs that the ports' descriptors take; a ring pair's rings hold them in both directions. */
static uint32_t port_mbufs(const struct pier_config *c)
{
	uint32_t n = 0;

	for (unsigned int i = 0; i < c->n_ports; i++) {
		const struct port_config *p = &c->ports[i].device;
		const uint32_t queues = p->queues ? p->queues : 1;

		n += queues * (min_of(p->rx_desc, (uint32_t)DESC_MAX) +
			       min_of(p->tx_desc, (uint32_t)DESC_MAX));
	}
	return n;
}

static void plan_pools(struct server_plan *plan, const struct pier_config *c)
{
	const uint32_t devices = port_mbufs(c), mtu = largest_mtu(c);
	const uint32_t frags = (uint32_t)(c->server.reassembly_memory / port_mbuf_bytes(mtu));
	uint32_t n = c->server.mbufs, spare;

	if (!n)
		n = devices + frags + MBUFS_BUILT + MBUFS_HELD;
	spare = n > devices + frags ? n - devices - frags : 0;
	plan->pools = (struct port_pools_config){
		.name = "pier",
		.n_data = n,
		.n_indirect = max_of(spare / 2, 1024u),
		.mtu = mtu,
		.socket = SOCKET_ID_ANY,
	};
	plan->engine.mbuf_share = max_of(spare * 3 / 4, 1u);
	plan->eal_bytes = (uint64_t)plan->pools.n_data * port_mbuf_bytes(mtu) +
			  (uint64_t)plan->pools.n_indirect * port_ref_bytes();
}

void server_plan_make(struct server_plan *plan, const struct pier_config *c)
{
	const struct server_options *o = &c->server;

	*plan = (struct server_plan){
		.engine = {
			.max_connections = o->max_connections,
			.max_half_open = o->max_half_open,
			.max_time_wait = o->max_time_wait,
			.max_orphans = o->max_orphans,
			.time_wait_us = 2 * c->tcp.msl,
			.block_bytes = o->memory,
			.max_paths = o->max_next_hops,
			.max_neighbors = o->max_next_hops,
			.reassembly_bytes = o->reassembly_memory,
			.rst_rate = o->rst_rate,
			.icmp_rate = o->icmp_rate,
		},
	};
	plan_pools(plan, c);
}
