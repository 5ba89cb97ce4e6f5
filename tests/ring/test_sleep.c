/*
 * A worker that is about to sleep, while something is handed over to it: whoever does that sees it awake and
 * rings no bell, so it has to look once more, into each ring, after it has said that it sleeps.
 *
 * It runs in this thread. Just before it says so it asks its hook for its next deadline, and there the other
 * worker takes its turn. What waits for descriptors, ppoll(), is answered here and sees whether the ring was
 * empty. A second thread ends both.
 */
#include "team_kit.h"

#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>

#include "base/units.h"

static struct {
	struct team_kit k;
	unsigned int sleeper, other;
	enum counter taken;	  /* of the sleeper, when it has seen to it */
	bool handed, seen, overslept;
	sem_t done;
} s;

static bool waits(void)
{
	return s.handed && !team_counted(&s.k, s.sleeper, s.taken);
}

int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *limit, const sigset_t *mask)
{
	s.overslept |= waits();
	return ((__typeof__(&ppoll))dlsym(RTLD_NEXT, "ppoll"))(fds, n, limit, mask);
}

/* The sleeper has nothing to do, and goes to sleep next. */
static uint64_t hand_over(void *arg, uint64_t now)
{
	if (!s.handed) {
		worker_turn(s.k.worker[s.other]);
		s.handed = true;
	} else if (!waits() && !s.seen) {
		s.seen = true;
		sem_post(&s.done);
	}
	return UINT64_MAX;
}

static unsigned int nothing(void *arg, struct engine *e, uint64_t now, unsigned int received)
{
	return 0;
}

static void *run(void *w)
{
	worker_run(w);
	return NULL;
}

static void *end(void *arg)
{
	pthread_t runner;
	struct worker_msg stop = {.op = WORKER_OP_STOP};

	while (sem_wait(&s.done))
		; /* a signal */
	/* Each waits at its end for the other. */
	pthread_create(&runner, NULL, run, s.k.worker[s.other]);
	while (!worker_running(s.k.worker[s.other]))
		sched_yield();
	for (unsigned int w = 0; w < TEAM_N; w++)
		worker_request(s.k.worker[w], &stop);
	pthread_join(runner, NULL);
	return NULL;
}

static void falls_asleep(unsigned int sleeper, enum counter taken)
{
	const struct worker_hook hook = {nothing, hand_over, NULL};
	pthread_t ender;

	s.sleeper = sleeper;
	s.other = !sleeper;
	s.taken = taken;
	s.handed = s.seen = s.overslept = false;
	assert_int_equal(sem_init(&s.done, 0, 0), 0);
	worker_set_hook(s.k.worker[sleeper], &hook);
	assert_int_equal(pthread_create(&ender, NULL, end, NULL), 0);
	worker_run(s.k.worker[sleeper]);
	pthread_join(ender, NULL);
	sem_destroy(&s.done);
	assert_true(s.handed && s.seen);
	assert_false(s.overslept);
}

static void a_packet_for_it(void **state)
{
	struct frames_flow f;

	team_open(&s.k, &(const struct team_kit_config){.neighbor = ENGINE_NEIGHBOR_REFLECT,
							.idle = WORKER_SLEEP});
	f = team_flow(&s.k, 1);
	team_send(&s.k, 0, frames_tcp(s.k.pools[0].data, &f, TCP_RST, NULL, 0));
	falls_asleep(1, CTR_RX_LISTEN_RST);
	assert_int_equal(team_counted(&s.k, 0, CTR_HANDOVER_PACKETS), 1);
	team_close(&s.k);
}

static void a_packet_to_send(void **state)
{
	struct frames_flow f;
	struct rte_mbuf *m;
	unsigned int q;

	team_open(&s.k, &(const struct team_kit_config){.queues = 1, .idle = WORKER_SLEEP,
							.neighbor = ENGINE_NEIGHBOR_REFLECT});
	f = team_flow(&s.k, 1);
	team_send(&s.k, 0, frames_tcp(s.k.pools[0].data, &f, TCP_ACK, NULL, 0));
	worker_turn(s.k.worker[0]); /* to the one without a queue */
	falls_asleep(0, CTR_TX_PACKETS);
	assert_int_equal(team_counted(&s.k, 1, CTR_RELAYED_PACKETS), 1);
	m = team_take(&s.k, &q);
	assert_non_null(m);
	rte_pktmbuf_free(m);
	team_close(&s.k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEAM_TEST(a_packet_for_it),
		TEAM_TEST(a_packet_to_send),
	};

	return cmocka_run_group_tests(tests, team_eal, team_eal_end);
}
