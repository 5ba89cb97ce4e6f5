/*
 * Stopping: everything that was started is given back, and what was not is named.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>

#include "server.h"

static void print_stats(const struct server *s)
{
	struct counters c = {0}, one;

	for (unsigned int w = 0; w < s->n_workers; w++) {
		worker_snapshot(s->workers[w], &one);
		for (unsigned int i = 0; i < CTR_MAX; i++)
			c.v[i] += one.v[i];
	}
	for (unsigned int i = 0; i < CTR_MAX; i++)
		if (c.v[i])
			printf("%-24s %12" PRIu64 "  %s\n", counter_info[i].name, c.v[i],
			       counter_info[i].help);
}

static void print_stat(void *arg, const char *name, uint64_t value)
{
	const char *where = arg;

	if (value)
		printf("%-24s %12" PRIu64 "  [listen %s]\n", name, value, where);
}

/* What handlers have counted, of the listeners that serve. */
static void print_handler_stats(const struct server *s)
{
	for (unsigned int i = 0; i < s->n_listeners; i++) {
		const struct pier_listener *l = &s->serving->listeners[i];

		if (pier_listener_handler(l)->stats)
			pier_listener_handler(l)->stats(pier_listener_settings(l), print_stat,
							l->section->argument);
	}
}

static bool balanced(const struct server *s, unsigned int mbufs)
{
	const struct engine_usage *u = &s->usage;

	return !u->connections && !u->half_open && !u->block_bytes && !u->mbufs_held &&
	       !u->timers && !u->listeners && !s->users && !s->audit && !mbufs;
}

static void print_books(const struct server *s, unsigned int mbufs)
{
	const struct engine_usage *u = &s->usage;

	fprintf(stderr,
		"%s: the books do not balance: %" PRIu64 " connections, %" PRIu64
		" half-open, %" PRIu64 " bytes of blocks, %" PRIu64 " timers, %" PRIu64
		" mbufs held, %" PRIu64 " listeners with %" PRIu64 " users, %u mbufs not given back", PROGRAM,
		u->connections, u->half_open, u->block_bytes, u->timers, u->mbufs_held,
		u->listeners, s->users, mbufs);
	fprintf(stderr, "%s%s\n", s->audit ? "; " : "", s->audit ? s->audit : "");
}

static unsigned int give_back(struct server *s)
{
	unsigned int left = 0;

	for (unsigned int w = 0; w < s->n_workers; w++)
		worker_destroy(s->workers[w]);
	if (s->team)
		worker_team_destroy(s->team);
	while (s->n_ports)
		port_close(&s->ports[--s->n_ports]);
	for (unsigned int w = 0; w < s->plan.workers; w++)
		if (s->pools[w].data)
			left += port_pools_destroy(&s->pools[w]);
	server_old_free(s);
	free(s->addresses);
	free(s->clashes);
	free(s->listeners);
	free(s->versions);
	return left;
}

/*
 * The driver of a memif does not unregister its listening socket when the port is closed: the interrupt thread still
 * has it, in EAL's memory. rte_eal_cleanup() takes that memory away and does not end the thread: then it is the
 * process's end that gives all back.
 */
static bool has_memif(const struct server *s)
{
	for (unsigned int i = 0; i < s->n_ports; i++)
		if (!strcmp(s->ports[i].driver, "net_memif"))
			return true;
	return false;
}

static void stop_eal(struct server *s, bool clean)
{
	char dir[256];

	snprintf(dir, sizeof(dir), "%s", rte_eal_get_runtime_dir());
	if (clean)
		rte_eal_cleanup();
	if (s->eal->made)
		server_files_remove(s->config, s->eal, dir);
}

enum pier_exit server_stop(struct server *s)
{
	const bool memif = has_memif(s);
	unsigned int mbufs;
	bool ok;

	server_telemetry_stop();
	if (s->n_workers && s->stats_at_exit)
		print_stats(s);
	if (s->n_workers && s->stats_at_exit)
		print_handler_stats(s);
	mbufs = give_back(s);
	ok = balanced(s, mbufs);
	if (!ok)
		print_books(s, mbufs);
	if (s->eal_up)
		stop_eal(s, !memif);
	return ok ? PIER_OK : PIER_LEAKED;
}
