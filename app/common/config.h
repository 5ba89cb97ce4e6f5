/*
 * The server's configuration: the sections of the file and --set, checked and put together into what
 * the server is started from. Errors are printed as FILE:LINE: KEY: what was expected, all of them;
 * nothing is started before there are none.
 *
 * Control thread only. Handlers must have been registered before: a listener's section takes the
 * keys of [listen], those of [tcp] for its connections, and those of its handler.
 */
#ifndef PIER_APP_CONFIG_H
#define PIER_APP_CONFIG_H

#include <stdio.h>

#include "ctl/config.h"
#include "ctl/listen_spec.h"
#include "ctl/parse.h"
#include "pier/handler.h"
#include "port/port.h"
#include "tcp/chaos.h"
#include "tcp/options.h"

#define PIER_PORTS_MAX     16
#define PIER_ADDRESSES_MAX 256 /* of one port */
#define PIER_MTU_V6	   1280 /* the least of a link that has IPv6 (RFC 8200 section 5) */

enum pier_idle {
	PIER_IDLE_POLL,  /* never sleep: least latency, a whole core */
	PIER_IDLE_SLEEP, /* wait for packets and timers when there is nothing to do */
};

enum pier_placement {
	PIER_PLACEMENT_AUTO, /* by the nodes of CPUs and ports */
	PIER_PLACEMENT_LIST, /* worker i on the ith CPU of [eal] lcores */
};

enum pier_neighbor {
	PIER_NEIGHBOR_RESOLVE,
	PIER_NEIGHBOR_REFLECT,
};

enum pier_huge {
	PIER_HUGE_AUTO,
	PIER_HUGE_YES,
	PIER_HUGE_NO,
};

/* Section [server]. Limits are for the whole server, divided among its workers. */
#define CONNECTIONS_MAX 400000000 /* of all workers, in any state */

struct server_options {
	uint32_t idle;    /* enum pier_idle */
	uint32_t workers; /* 0: one for each lcore */
	uint32_t placement; /* enum pier_placement */
	uint64_t drain, reset_time; /* us */
	bool stats_at_exit;
	bool prefault;
	uint32_t max_connections, max_half_open, max_time_wait, max_orphans;
	uint32_t max_next_hops;
	uint32_t mbufs;   /* 0: as many as the rest needs */
	uint64_t memory, reassembly_memory;
	uint64_t connection_memory; /* where max_connections is 0; 0: of what is free */
	uint32_t rst_rate, icmp_rate; /* per second */
};

/* Section [eal]; used where the command line gives EAL no options. */
struct eal_options {
	char *lcores; /* NULL: the first CPU this process may use */
	uint64_t memory;
	uint32_t huge; /* enum pier_huge */
	char *file_prefix, *log_level;
	char *extra;  /* lines of arguments */
};

/* Section [port N], beside what the port room reads of it. */
struct port_options {
	char *address, *gateway; /* lines of lists */
	uint32_t neighbor; /* enum pier_neighbor */
	uint32_t announce; /* enum engine_announce */
};

/* Section [listen X], beside TCP's and the handler's keys. */
struct listen_options {
	char *handler, *plugin;
	uint32_t backlog;
	uint32_t proxy_protocol; /* enum proxy_front_mode */
	uint64_t proxy_protocol_timeout;
};

struct pier_port {
	unsigned int number; /* N; not DPDK's port id */
	const struct config_section *section;
	struct port_options options;
	struct port_config device;
	struct ip_prefix addresses[PIER_ADDRESSES_MAX];
	unsigned int n_addresses;
	uint32_t gateway;     /* IPv4, network order; 0: none */
	uint8_t gateway6[16]; /* ::, none */
};

/* A handler from a shared object. */
struct pier_plugin {
	void *object; /* dlopen's; NULL: none */
	int fd;
	struct pier_handler handler;
};

struct pier_listener {
	const struct config_section *section;
	struct listen_spec spec;
	struct listen_options options;
	struct tcp_options tcp;
	struct chaos_text chaos_text;
	struct chaos chaos;
	const struct pier_handler *handler; /* of the registry, or plugin's */
	struct pier_plugin plugin;
	void *settings; /* handler->options->size bytes, set up; NULL if it has no options */
	bool set_up;    /* handler->teardown is owed */
	struct proxy_front *front; /* stands before the handler; NULL: nothing does */
};

struct pier_config {
	struct config text;
	struct server_options server;
	struct eal_options eal;
	struct tcp_options tcp;
	struct pier_port *ports;
	struct pier_listener *listeners;
	unsigned int n_ports, n_listeners;
};

/*
 * A section of a program's own, without argument: its defaults, then what the text says. A program that
 * has one needs no [listen].
 */
struct pier_config_extra {
	const struct option_table *table;
	void *base; /* the caller's, to be freed by option_free */
	/* Check it against the rest, when all sections were read without error; may complete c. */
	void (*take)(struct pier_config *c, void *arg, struct config_errors *errors);
	void *arg;
};

extern const struct option_table server_option_table, eal_option_table, app_port_option_table,
	listen_option_table;

/*
 * Read file (NULL: none) and the n assignments of --set, check everything, and run the handlers'
 * setup. extra: NULL, or a section more. On failure prints every error to err and returns false. c is to be freed in both cases.
 */
bool pier_config_load(struct pier_config *c, const char *file, const char *const sets[],
		      unsigned int n, const struct pier_config_extra *extra, FILE *err);

/* The same for the listeners alone: there are none afterwards. */
void pier_config_free_listeners(struct pier_config *c);

/* Whether a port has the address in a network of its own, or a gateway to it. */
bool pier_config_reaches(const struct pier_config *c, const uint8_t addr[16]);

/* Whether the port has an IPv6 address, and one that is link-local. */
bool pier_port_has_v6(const struct pier_port *p);
bool pier_port_has_link_local(const struct pier_port *p);

/* What is to be given the listener's connections: its handler, or what stands before it. */
const struct pier_handler *pier_listener_handler(const struct pier_listener *l);
void *pier_listener_settings(const struct pier_listener *l);

/* Run the handlers' teardown and release everything. No connection may be left. */
void pier_config_free(struct pier_config *c);

/* All keys, for --help; all keys as Markdown, for the README. */
void pier_config_help(FILE *to);
void pier_config_reference(FILE *to);

#endif
