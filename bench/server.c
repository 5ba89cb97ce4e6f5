/*
 * One configuration for all programs, so that their figures belong together.
 */
#include "server.h"

#include <string.h>

#include "base/units.h"
#include "flow/tuple.h"
#include "handlers/handlers.h"
#include "peer.h"
#include "wire/be.h"

static void fill_listener(struct listener *l)
{
	option_defaults(&tcp_option_table, &l->tcp);
	/* A round over a million connections may last longer than the usual least timeout. */
	l->tcp.rto_min = US_PER_SEC;
	l->tcp.nagle = handler_echo.nagle;
	l->handler = &handler_echo;
	l->local = LISTENER_ANY;
	l->port_lo = l->port_hi = SERVER_PORT;
	listener_prepare(l);
}

void server_init(struct server *s, uint32_t n, uint16_t port, const struct pkt_port *cap,
		 const struct port_pools *pools)
{
	struct engine_config *c = &s->config;
	struct engine_contract contract;

	memset(s, 0, sizeof(*s));
	s->port = (struct engine_port){.id = port, .cap = cap, .neighbor = ENGINE_NEIGHBOR_REFLECT};
	s->address = (struct engine_address){.port = port, .prefix = 8};
	flow_addr_v4(s->address.addr, be32(PEER_SERVER));
	*c = (struct engine_config){
		.ports = &s->port, .n_ports = 1, .addresses = &s->address, .n_addresses = 1,
		.max_connections = n, .max_half_open = 4096, .max_time_wait = 4096,
		.block_bytes = 16 * MIB, .max_paths = 16, .max_neighbors = 16,
		.reassembly_bytes = 64 * KIB, .rst_rate = 1000, .icmp_rate = 1000,
		.time_wait_us = 60 * US_PER_SEC,
		.pool = pools->data, .indirect = pools->indirect,
	};
	for (unsigned int i = 0; i < sizeof(c->secret); i++)
		c->secret[i] = (uint8_t)(i * 73 + 11);
	engine_size(c, &contract);
	c->block_bytes += (uint64_t)n * contract.block * 9 / 8;
	fill_listener(&s->listener);
}

uint64_t server_bytes(const struct server *s)
{
	struct engine_contract contract;

	engine_size(&s->config, &contract);
	return contract.total;
}
