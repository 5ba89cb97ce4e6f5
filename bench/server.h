/*
 * The server that is measured: pier's engine with one listener, echo, and the memory it needs for a
 * given number of connections.
 */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include "engine/engine.h"
#include "port/port.h"

#define SERVER_PORT 7

struct server {
	struct engine_config config;
	struct engine_port port;
	struct engine_address address;
	struct listener listener;
};

/*
 * Fill in everything but what a worker fills in: PEER_SERVER on the port, answers to the MAC address
 * a connection came from, and room for n connections of which each has unacknowledged data. s and cap
 * must outlive what is made from s->config.
 */
void server_init(struct server *s, uint32_t n, uint16_t port, const struct pkt_port *cap,
		 const struct port_pools *pools);

/* Bytes of the memory contract, without EAL's. */
uint64_t server_bytes(const struct server *s);

#endif
