/*
 * One configuration for all programs, so that their figures belong together.
 */
#include "server.h"

#include <stdlib.h>
#include <string.h>

#include "algo/slab.h"
#include "base/units.h"
#include "flow/tuple.h"
#include "kit.h"
#include "peer.h"
#include "wire/be.h"

static void fill_settings(struct listener *l, const char *const *pairs)
{
	const struct option_table *table = l->handler->options;
	char err[256] = "";

	if (!table)
		return;
	l->settings = calloc(1, table->size);
	if (!l->settings)
		bench_die("no memory");
	option_defaults(table, l->settings);
	for (; pairs && *pairs; pairs += 2) {
		const struct option *o = option_find(table, pairs[0]);

		if (!o || !option_parse(o, l->settings, pairs[1], err, sizeof(err)))
			bench_die("%s = %s: %s", pairs[0], pairs[1], o ? err : "no such key");
	}
	if (l->handler->setup && !l->handler->setup(l->settings, err, sizeof(err)))
		bench_die("%s", err);
}

static void fill_listener(struct listener *l, const struct server_plan *plan)
{
	option_defaults(&tcp_option_table, &l->tcp);
	/* A round over a million connections may last longer than the usual least timeout. */
	l->tcp.rto_min = US_PER_SEC;
	l->tcp.nagle = plan->handler->nagle;
	l->handler = plan->handler;
	l->local = LISTENER_ANY;
	l->port_lo = l->port_hi = SERVER_PORT;
	fill_settings(l, plan->settings);
	listener_prepare(l);
}

/* As the pool of blocks gives it out. */
static uint64_t pool_bytes(size_t bytes)
{
	return (uint64_t)SLAB_UNIT << slab_order(bytes);
}

/* Of the pool, beside the blocks: contexts of more than the record's 8 bytes, and answers on their way. */
static uint64_t beside_blocks(const struct server_plan *plan)
{
	const uint32_t ctx = plan->handler->ctx_size;
	uint64_t bytes = 0;

	if (ctx > sizeof(uint64_t))
		bytes += plan->connections * pool_bytes(ctx);
	if (plan->body)
		bytes += plan->working * pool_bytes(SERVER_HEAD + plan->body);
	return bytes;
}

void server_init(struct server *s, const struct server_plan *plan, const struct pkt_port *cap,
		 const struct port_pools *pools)
{
	struct engine_config *c = &s->config;
	struct engine_contract contract;

	memset(s, 0, sizeof(*s));
	s->port = (struct engine_port){.id = plan->port, .cap = cap,
				       .neighbor = ENGINE_NEIGHBOR_REFLECT};
	s->address[0] = (struct engine_address){.port = plan->port, .prefix = 8};
	flow_addr_v4(s->address[0].addr, be32(PEER_SERVER));
	s->address[1] = (struct engine_address){.port = plan->port, .prefix = 64,
						.addr = PEER_SERVER6};
	*c = (struct engine_config){
		.ports = &s->port, .n_ports = 1, .addresses = s->address, .n_addresses = ARRAY_SIZE(s->address),
		.max_connections = plan->connections, .max_half_open = plan->half_open,
		.max_time_wait = plan->time_wait,
		.block_bytes = 16 * MIB, .max_paths = 16, .max_neighbors = 16,
		.reassembly_bytes = 64 * KIB, .rst_rate = 1000, .icmp_rate = 1000,
		.time_wait_us = 60 * US_PER_SEC,
		.pool = pools->data, .indirect = pools->indirect,
		.mbuf_share = pools->data->size / 4 * 3,
	};
	for (unsigned int i = 0; i < sizeof(c->secret); i++)
		c->secret[i] = (uint8_t)(i * 73 + 11);
	engine_size(c, &contract);
	/* An eighth of the pool is for blocks alone: a queue that has something gets none of it. */
	c->block_bytes += ((uint64_t)plan->working * contract.block + beside_blocks(plan)) * 5 / 4;
	fill_listener(&s->listener, plan);
}

void server_free(struct server *s)
{
	struct listener *l = &s->listener;

	if (!l->settings)
		return;
	if (l->handler->teardown)
		l->handler->teardown(l->settings);
	option_free(l->handler->options, l->settings);
	free(l->settings);
	l->settings = NULL;
}
