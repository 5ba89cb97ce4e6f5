/*
 * Serving: each worker on its lcore, the main one among them; the control thread waits for the signal
 * that ends it.
 *
 * The end: refuse the new, let the open connections end for as long as [server] drain says, reset
 * the rest, as fast as the ports take it and within reset-time, take the books. A second signal ends the
 * waiting.
 */
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <rte_launch.h>
#include <rte_lcore.h>

#include "base/compiler.h"
#include "base/units.h"
#include "server.h"

#define POLL_NS	  20000000
#define LINGER_NS 200000000 /* a port that is closed forgets what it took and has not sent; a NIC needs far less */

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

bool server_ask(struct server *s, unsigned int w, struct worker_msg *m)
{
	if (!s->deaf && !worker_request(s->workers[w], m))
		s->deaf = true;
	return !s->deaf;
}

static bool order(struct server *s, enum worker_op op)
{
	for (unsigned int w = 0; w < s->n_workers; w++) {
		struct worker_msg m = {.op = op};

		server_ask(s, w, &m);
	}
	return !s->deaf;
}

static void add_usage(struct engine_usage *sum, const struct engine_usage *one)
{
	sum->connections += one->connections;
	sum->half_open += one->half_open;
	sum->time_wait += one->time_wait;
	sum->opening += one->opening;
	sum->block_bytes += one->block_bytes;
	sum->timers += one->timers;
	sum->mbufs_held += one->mbufs_held;
	sum->stalled += one->stalled;
	sum->orphans += one->orphans;
	sum->listeners += one->listeners;
}

static bool take_usage(struct server *s)
{
	struct engine_usage sum = {0};

	for (unsigned int w = 0; w < s->n_workers; w++) {
		struct worker_msg m = {.op = WORKER_OP_USAGE};

		if (!server_ask(s, w, &m))
			return false;
		add_usage(&sum, &m.usage);
	}
	s->usage = sum;
	return true;
}

static bool take_left(struct server *s, struct worker_left *sum)
{
	*sum = (struct worker_left){0};
	for (unsigned int w = 0; w < s->n_workers; w++) {
		struct worker_msg m = {.op = WORKER_OP_LEFT};

		if (!server_ask(s, w, &m))
			return false;
		sum->connections += m.left.connections;
		sum->packets += m.left.packets;
		sum->untold += m.left.untold;
		sum->dropped += m.left.dropped;
		sum->telling |= m.left.telling;
	}
	return true;
}

/* True: a signal came. */
static bool pause_or_signal(void)
{
	const struct timespec pause = {.tv_nsec = POLL_NS};
	sigset_t set;

	stop_signals(&set);
	return sigtimedwait(&set, NULL, &pause) > 0;
}

/* Wait until no connection is open, a signal came or time is up. */
static void wait_drained(struct server *s, struct worker_left *left)
{
	const uint64_t end = now_us() + s->config->server.drain;

	while (take_left(s, left) && left->connections && now_us() < end)
		if (pause_or_signal())
			return;
}

static bool order_abort(struct server *s, uint64_t us)
{
	for (unsigned int w = 0; w < s->n_workers; w++) {
		struct worker_msg m = {.op = WORKER_OP_ABORT, .us = us};

		server_ask(s, w, &m);
	}
	return !s->deaf;
}

/* The workers keep to the time themselves; a signal ends it at once. */
static void wait_told(struct server *s, struct worker_left *left)
{
	while (take_left(s, left) && left->telling)
		if (pause_or_signal())
			order_abort(s, 0);
}

static uint64_t counted(const struct server *s, enum counter which)
{
	struct counters one;
	uint64_t n = 0;

	for (unsigned int w = 0; w < s->n_workers; w++) {
		worker_snapshot(s->workers[w], &one);
		n += one.v[which];
	}
	return n;
}

/* before: what had been dropped for each reason. */
static void print_untold(const struct server *s, const struct worker_left *left,
			 const uint64_t before[CTR_MAX])
{
	static const enum counter why[] = {CTR_TX_LINK_DOWN, CTR_TX_NO_NEIGHBOR, CTR_TX_REFUSED,
					   CTR_TX_QUEUE_FULL};
	uint64_t n;

	if (!left->untold && !left->dropped)
		return;
	printf("%s: not all peers were told:", PROGRAM);
	if (left->untold)
		printf(" %llu were not reset, no port took more within reset-time;",
		       (unsigned long long)left->untold);
	for (size_t i = 0; i < ARRAY_SIZE(why); i++) {
		n = counted(s, why[i]) - before[why[i]];
		if (n)
			printf(" %llu packets did not leave, %s;", (unsigned long long)n,
			       counter_info[why[i]].help);
	}
	printf(" these peers keep their connections until they notice\n");
}

/* Who is left is reset, and who could not be is told of here. */
static void reset_rest(struct server *s, struct worker_left *left)
{
	const struct timespec linger = {.tv_nsec = LINGER_NS};
	uint64_t before[CTR_MAX];

	printf("%s: %llu connections did not end in time and are reset\n", PROGRAM,
	       (unsigned long long)left->connections);
	fflush(stdout);
	for (unsigned int i = 0; i < CTR_MAX; i++)
		before[i] = counted(s, i);
	if (!order_abort(s, s->config->server.reset_time))
		return;
	wait_told(s, left);
	nanosleep(&linger, NULL);
	print_untold(s, left, before);
}

static void drain(struct server *s)
{
	struct worker_left left;

	if (!order(s, WORKER_OP_DRAIN))
		return;
	wait_drained(s, &left);
	if (left.connections && !s->deaf)
		reset_rest(s, &left);
}

static void count_users(struct server *s, unsigned int w, int version)
{
	struct worker_msg m = {.op = WORKER_OP_USERS, .version = version};

	if (version >= 0 && server_ask(s, w, &m))
		s->users += m.users;
}

static void take_listeners(struct server *s, unsigned int w)
{
	struct worker_msg m;

	for (unsigned int i = 0; i < s->n_listeners; i++) {
		const int version = s->versions[i * s->plan.workers + w];

		m = (struct worker_msg){.op = WORKER_OP_UNLISTEN, .version = version};
		server_ask(s, w, &m);
		count_users(s, w, version);
	}
	for (const struct server_old *o = s->old; o; o = o->next)
		for (unsigned int i = 0; i < o->n; i++)
			count_users(s, w, o->versions[i * s->plan.workers + w]);
}

/* With every connection gone, each listener is nobody's and the engines' books are zero. */
static void take_books(struct server *s)
{
	for (unsigned int w = 0; w < s->n_workers; w++) {
		struct worker_msg m = {.op = WORKER_OP_AUDIT};

		take_listeners(s, w);
		if (server_ask(s, w, &m) && m.audit)
			s->audit = m.audit;
	}
	take_usage(s);
}

/* SIGHUP reloads. Each second what is old is looked at, and what other hosts have said. */
static void wait_signal(struct server *s)
{
	const struct timespec second = {.tv_sec = 1};
	sigset_t set;
	int sig;

	stop_signals(&set);
	sigaddset(&set, SIGHUP);
	for (;;) {
		server_reap(s);
		server_look_for_clashes(s);
		sig = sigtimedwait(&set, NULL, &second);
		if (sig == SIGHUP && s->source)
			server_reload(s);
		else if (sig == SIGINT || sig == SIGTERM)
			break;
	}
	order(s, WORKER_OP_DRAIN); /* whoever reads that it stops finds that it takes nothing new */
	printf("%s: %s: stopping\n", PROGRAM, sig == SIGINT ? "SIGINT" : "SIGTERM");
}

/*
 * A signal may have come while all was being started. Who does not run yet would take the order to stop for
 * done, and then run without anybody to stop it.
 */
static void wait_running(const struct server *s)
{
	const struct timespec pause = {.tv_nsec = 100000};

	for (unsigned int w = 0; w < s->n_workers; w++)
		while (!worker_running(s->workers[w]))
			nanosleep(&pause, NULL);
}

static void *control(void *arg)
{
	struct server *s = arg;

	wait_running(s);
	if (s->supervise)
		s->supervise(s);
	else
		wait_signal(s);
	drain(s);
	take_books(s);
	order(s, WORKER_OP_STOP);
	if (s->deaf) {
		fprintf(stderr, "%s: a worker does not answer; giving up\n", PROGRAM);
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

static int work(void *arg)
{
	unblock_port_signals();
	worker_run(arg);
	port_block_signals();
	return 0;
}

/* The worker of the main lcore is the caller's, if there is one. */
static struct worker *launch(struct server *s)
{
	struct worker *own = NULL;

	for (unsigned int w = 0; w < s->n_workers; w++) {
		if (s->lcores[w] == rte_get_main_lcore())
			own = s->workers[w];
		else
			rte_eal_remote_launch(work, s->workers[w], s->lcores[w]);
	}
	return own;
}

bool server_serve(struct server *s)
{
	struct worker *own;
	int rc = rte_ctrl_thread_create(&s->control, "pier-control", NULL, control, s);

	if (rc) {
		fprintf(stderr, "%s: cannot create the control thread (error %d)\n", PROGRAM, -rc);
		return false;
	}
	printf("%s: %u worker%s serving on %u port%s\n", PROGRAM, s->n_workers,
	       s->n_workers == 1 ? "" : "s", s->n_ports, s->n_ports == 1 ? "" : "s");
	fflush(stdout);
	own = launch(s);
	if (own)
		work(own);
	pthread_join(s->control, NULL);
	rte_eal_mp_wait_lcore();
	return true;
}
