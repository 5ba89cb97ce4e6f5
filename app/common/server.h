/*
 * The running server: what was started, in the order it was started in, so that it can be undone.
 *
 * The lcores that the user names, or placement chose, are those that serve, EAL's main lcore among
 * them: one CPU is enough for one worker. A control thread waits for signals and talks to the workers
 * by messages. All that a worker has is its own: an engine, packet pools, a share of the limits.
 */
#ifndef PIER_APP_SERVER_H
#define PIER_APP_SERVER_H

#include <errno.h>
#include <pthread.h>

#include "config.h"
#include "eal_argv.h"
#include "worker/contract.h"
#include "worker/place.h"
#include "worker/worker.h"

/* Messages begin with it: these files are pier's and pier-load's. */
#define PROGRAM program_invocation_short_name

enum pier_exit {
	PIER_OK,
	PIER_FAILED,  /* something could not be started */
	PIER_REFUSED, /* the configuration or the command line is wrong; nothing was started */
	PIER_LEAKED,  /* the books do not balance at the end */
};

/* What the configuration comes to, before there are devices. */
struct server_plan {
	unsigned int workers;
	struct engine_config engine; /* each worker's; without ports, secret and pools */
	struct port_pools_config pools; /* each worker's; without name and node */
	bool starved; /* max-connections = 0, and there is memory for none */
	uint64_t share; /* bytes of each worker that max-connections = 0 came to */
	uint64_t eal_bytes; /* what all pools take of EAL's memory */
	struct contract_eal eal; /* what EAL takes for each worker: in huge pages all that it was given */
};

/* Listeners that a reload has replaced, until their last connection is over. */
struct server_old {
	struct server_old *next;
	struct pier_config *config;
	struct listener *listeners;
	int *versions; /* as in struct server */
	unsigned int n;
};

/* What configuration to read again. */
struct server_source {
	const char *file; /* NULL: none */
	const char *const *sets;
	unsigned int n;
};

/* What is known of other hosts that claim one of our addresses. */
struct server_clash {
	bool there;
	struct engine_clash clash; /* the latest */
};

struct server {
	struct pier_config *config;
	struct pier_config *serving; /* whose listeners serve: config, or the one loaded last */
	struct pier_eal_argv *eal;
	struct server_plan plan;
	struct place_machine machine;
	struct place_plan place;
	struct contract_supply supply; /* what memory there is */
	bool stats_at_exit;
	bool lasting; /* timestamps and ISNs go on from one run to the next, see secret.c */
	bool eal_up;

	struct port_pools pools[WORKERS_MAX];
	struct port ports[PIER_PORTS_MAX];
	struct engine_port engine_ports[PIER_PORTS_MAX];
	struct engine_address *addresses;
	struct server_clash *clashes; /* by address; under lock */
	uint64_t conflicts;	      /* that were counted when clashes were looked for */
	unsigned int n_ports, n_addresses;
	struct worker_team *team; /* NULL: one worker */
	struct worker *workers[WORKERS_MAX];
	unsigned int lcores[WORKERS_MAX];
	unsigned int n_workers; /* that were created */
	struct listener *listeners; /* as many as the configuration has */
	int *versions; /* of listener i and worker w, in place i * plan.workers + w */
	unsigned int n_listeners;

	const struct server_source *source; /* NULL: SIGHUP reloads nothing */
	struct server_old *old;
	pthread_mutex_t lock; /* serving, listeners, versions, old: read by the telemetry thread */
	unsigned int reloads, reload_failures;

	/*
	 * Instead of waiting for a signal, on the control thread: when it returns, the server stops.
	 * NULL: SIGINT or SIGTERM ends it.
	 */
	void (*supervise)(struct server *s);
	void *program; /* supervise's own */

	pthread_t control;
	struct engine_usage usage; /* of all workers: the last, when the server stops */
	const char *audit;
	uint64_t users; /* connections that still name a listener */
	bool deaf;	/* a worker did not answer */
};

/* ---- check.c: how what is wrong is told ---- */

/*
 * "FILE:LINE: KEY: what is wrong" about a key of a section that exists once, or "[SECTION]: KEY: ..." where the
 * configuration does not name it. Returns false.
 */
bool server_refuse(const struct server *s, FILE *err, const char *section, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* ---- place.c ---- */

/*
 * Before EAL, s->config being there: how many workers there will be and where they run, EAL's
 * arguments (argc and argv are the program's name and what the command line has for it), and how large
 * everything becomes. False after saying on err what does not do; eal is to be freed in both cases.
 * With EAL options of the user's own, places are known only when EAL runs: then server_place_lcores.
 */
bool server_prepare(struct server *s, struct pier_eal_argv *eal, int argc, char **argv, FILE *err);
bool server_place_lcores(struct server *s, FILE *err);

/* ---- plan.c: pure ---- */

/* place: of n workers, each on its node or on -1. What EAL takes by options of the user's own is not counted. */
void server_plan_make(struct server_plan *plan, const struct pier_config *c, const struct place_plan *place,
		      const struct contract_supply *supply, const struct pier_eal_argv *eal);

/* ---- check.c: the same; what start.c asks again where places are known late ---- */

bool server_check_contract(const struct server *s, FILE *err);

/* ---- check.c: control thread, before EAL ---- */

/*
 * Everything that can be known to be wrong before something is started: devices, memory, huge
 * pages. Prints each mistake with its fix to err, and the memory contract to out if that is given.
 * Returns whether there was none.
 */
bool server_check(const struct server *s, FILE *out, FILE *err);

/* ---- start.c: main thread ---- */

/*
 * EAL, pools, ports, worker, listeners; prints what was decided. False after saying on stderr what
 * failed; server_stop undoes what was started in both cases.
 */
bool server_start(struct server *s);

/* The port's link-local address, the configuration's or one made of its MAC address; NULL: it has no IPv6. */
const uint8_t *server_link_local(const struct server *s, uint16_t port);

/* ---- listen.c: the same ---- */

bool server_listen(struct server *s);

/* What the worker is told of a listener. */
void server_listener_fill(const struct server *s, const struct pier_listener *from,
			  struct listener *l);

/* ---- reload.c: control thread ---- */

/*
 * Read the configuration again and let its listeners take the place of those that serve: new
 * connections are the new ones', open connections stay with the old ones. Sections other than [listen]
 * and [tcp] take effect at the next start. Errors are printed and change nothing.
 */
void server_reload(struct server *s);

/* Release old listeners whose connections are over. Returns whether any are left. */
bool server_reap(struct server *s);

/* Without a look at connections: the engine is gone. */
void server_old_free(struct server *s);

/* ---- clash.c: control thread ---- */

/* Say, once for each, which addresses of ours other hosts claim. Cheap where nothing has happened. */
void server_look_for_clashes(struct server *s);

/* Any thread, under lock: how many of the port's there are; one of them with its rival is written to last. */
unsigned int server_clashes(const struct server *s, uint16_t port, char *last, size_t len);

/* ---- serve.c: main thread ---- */

/* Ask a worker. False: it does not answer, or another did not earlier. */
bool server_ask(struct server *s, unsigned int w, struct worker_msg *m);

/* Serve until SIGINT or SIGTERM. Both must be blocked in all threads. False: it did not start. */
bool server_serve(struct server *s);

/* ---- stop.c: main thread, after server_serve ---- */

/* Undo server_start and audit. Returns PIER_OK, or PIER_LEAKED after printing the numbers. */
enum pier_exit server_stop(struct server *s);

/* ---- secret.c ---- */

#define SERVER_SECRET 64 /* bytes */

/* False: the system has no random numbers. */
bool server_secret(bool lasting, uint8_t secret[SERVER_SECRET]);

/* ---- files.c ---- */

/* Remove what EAL left behind under the file prefix that [eal] gave it. */
void server_files_remove(const struct pier_config *c, const struct pier_eal_argv *eal,
			 const char *runtime_dir);

/* Whether a process runs under this file prefix. */
bool server_files_locked(const char *prefix);

/* The same as server_files_remove, for processes that were killed, of programs whose file prefix is base and their process id. */
void server_files_remove_dead(const char *base);

/* ---- telemetry.c ---- */

bool server_telemetry_start(struct server *s);
void server_telemetry_stop(void);

#endif
