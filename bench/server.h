/*
 * The server that is measured: pier's engine with one listener, and the memory it needs for a given
 * number of connections.
 */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include "engine/engine.h"
#include "port/port.h"

#define SERVER_PORT 7
#define SERVER_HEAD 128 /* bytes of an HTTP answer before its body, at most */

struct server_plan {
	const struct pier_handler *handler;
	const char *const *settings; /* key, value, ..., NULL; NULL: the defaults */
	uint32_t connections;        /* established */
	uint32_t working;            /* of them, those that have unacknowledged data at a time */
	uint32_t half_open, time_wait;
	uint32_t body;               /* of an HTTP answer: its copy waits for the ACK; 0: none */
	uint16_t port;               /* DPDK port id */
};

struct server {
	struct engine_config config;
	struct engine_port port;
	struct engine_address address[2]; /* PEER_SERVER, and fd00:10::1 */
	struct listener listener;
};

/*
 * Fill in everything but what a worker fills in: PEER_SERVER on the port, answers to the MAC address
 * a connection came from. s and cap must outlive what is made from s->config. Ends the program if
 * the settings are not the handler's.
 */
void server_init(struct server *s, const struct server_plan *plan, const struct pkt_port *cap,
		 const struct port_pools *pools);

/* When the engine is gone. */
void server_free(struct server *s);

#endif
