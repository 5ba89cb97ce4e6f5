/*
 * Serving: the main lcore is the worker, the control thread waits for the signal that ends it.
 *
 * The end: refuse the new, let the open connections end for as long as [server] drain says, reset
 * the rest, take the books. A second signal ends the waiting.
 */
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <rte_lcore.h>

#include "base/units.h"
#include "server.h"

#define POLL_NS 20000000

static void stop_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * US_PER_SEC + (uint64_t)ts.tv_nsec / 1000;
}

static bool ask(struct server *s, struct worker_msg *m)
{
	if (!s->deaf && !worker_request(s->worker, m))
		s->deaf = true;
	return !s->deaf;
}

static bool order(struct server *s, enum worker_op op)
{
	struct worker_msg m = {.op = op};

	return ask(s, &m);
}

static bool take_usage(struct server *s)
{
	struct worker_msg m = {.op = WORKER_OP_USAGE};

	if (!ask(s, &m))
		return false;
	s->usage = m.usage;
	return true;
}

/* Wait until no connection is open, a signal came or time is up. */
static void wait_drained(struct server *s)
{
	const struct timespec pause = {.tv_nsec = POLL_NS};
	const uint64_t end = now_us() + s->config->server.drain;
	sigset_t set;

	stop_signals(&set);
	while (take_usage(s) && (s->usage.connections || s->usage.half_open) && now_us() < end)
		if (sigtimedwait(&set, NULL, &pause) > 0)
			return;
}

static void drain(struct server *s)
{
	if (!order(s, WORKER_OP_DRAIN))
		return;
	wait_drained(s);
	if (s->usage.connections || s->usage.half_open) {
		printf("pier: %llu connections did not end in time and are reset\n",
		       (unsigned long long)(s->usage.connections + s->usage.half_open));
		order(s, WORKER_OP_ABORT);
	}
}

/* With every connection gone, each listener is nobody's and the engine's books are zero. */
static void take_books(struct server *s)
{
	struct worker_msg m;

	for (unsigned int i = 0; i < s->n_listeners; i++) {
		m = (struct worker_msg){.op = WORKER_OP_UNLISTEN, .version = s->versions[i]};
		ask(s, &m);
		m = (struct worker_msg){.op = WORKER_OP_USERS, .version = s->versions[i]};
		if (ask(s, &m))
			s->users += m.users;
	}
	m = (struct worker_msg){.op = WORKER_OP_AUDIT};
	if (ask(s, &m))
		s->audit = m.audit;
	take_usage(s);
}

static void wait_signal(void)
{
	sigset_t set;
	int sig;

	stop_signals(&set);
	while (sigwait(&set, &sig))
		;
	printf("pier: %s: stopping\n", sig == SIGINT ? "SIGINT" : "SIGTERM");
}

static void *control(void *arg)
{
	struct server *s = arg;

	if (s->supervise)
		s->supervise(s);
	else
		wait_signal();
	drain(s);
	take_books(s);
	order(s, WORKER_OP_STOP);
	if (s->deaf) {
		fprintf(stderr, "pier: the worker does not answer; giving up\n");
		_exit(PIER_LEAKED);
	}
	return NULL;
}

/* net_tap's signal has to reach the worker, and nobody else. */
static void unblock_port_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (int sig = SIGRTMIN; sig <= SIGRTMAX; sig++)
		sigaddset(&set, sig);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

bool server_serve(struct server *s)
{
	int rc = rte_ctrl_thread_create(&s->control, "pier-control", NULL, control, s);

	if (rc) {
		fprintf(stderr, "pier: cannot create the control thread (error %d)\n", -rc);
		return false;
	}
	printf("pier: serving on %u port%s\n", s->n_ports, s->n_ports == 1 ? "" : "s");
	fflush(stdout);
	unblock_port_signals();
	worker_run(s->worker);
	port_block_signals();
	pthread_join(s->control, NULL);
	return true;
}
