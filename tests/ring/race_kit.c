/*
 * See race_kit.h.
 *
 * ThreadSanitizer does not see into DPDK's libraries, so that the two ways on which packets pass
 * through them are told to it here: a pool's by a mempool handler that is ours (a mutex each pool), a
 * ring's by callbacks around its bursts (an edge each ring). Nothing else is told, nothing of pier's
 * is suppressed: our own rings speak for themselves.
 */
#include "race_kit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "wire/arp.h"
#include "wire/ip4.h"
#include "worker/place.h"

#define ROUNDS   12
#define TOGETHER 16

#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
#else
#define __tsan_acquire(addr) ((void)(addr))
#define __tsan_release(addr) ((void)(addr))
#endif

/* ---- a pool ---- */

struct stack {
	pthread_mutex_t lock;
	unsigned int n;
	void *obj[];
};

static int stack_alloc(struct rte_mempool *mp)
{
	struct stack *s = calloc(1, sizeof(*s) + mp->size * sizeof(void *));

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	mp->pool_data = s;
	return 0;
}

static void stack_free(struct rte_mempool *mp)
{
	free(mp->pool_data);
}

static int stack_put(struct rte_mempool *mp, void *const *obj, unsigned int n)
{
	struct stack *s = mp->pool_data;

	pthread_mutex_lock(&s->lock);
	memcpy(s->obj + s->n, obj, n * sizeof(*obj));
	s->n += n;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int stack_get(struct rte_mempool *mp, void **obj, unsigned int n)
{
	struct stack *s = mp->pool_data;
	int rc = -ENOBUFS;

	pthread_mutex_lock(&s->lock);
	if (s->n >= n) {
		s->n -= n;
		memcpy(obj, s->obj + s->n, n * sizeof(*obj));
		rc = 0;
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static unsigned int stack_count(const struct rte_mempool *mp)
{
	return ((struct stack *)mp->pool_data)->n;
}

static const struct rte_mempool_ops stack_ops = {
	.name = "race", .alloc = stack_alloc, .free = stack_free, .enqueue = stack_put,
	.dequeue = stack_get, .get_count = stack_count,
};

/* ---- a ring: the edge of each lies where its number is ---- */

static char edges[2][2]; /* [from the far end][queue] */

static uint16_t before_tx(uint16_t port, uint16_t queue, struct rte_mbuf *pkts[], uint16_t n,
			  void *edge)
{
	if (n)
		__tsan_release(edge);
	return n;
}

static uint16_t after_rx(uint16_t port, uint16_t queue, struct rte_mbuf *pkts[], uint16_t n,
			 uint16_t max, void *edge)
{
	if (n)
		__tsan_acquire(edge);
	return n;
}

static void add_edges(struct team_kit *k)
{
	for (uint16_t q = 0; q < 2; q++) {
		assert_non_null(rte_eth_add_tx_callback(k->far.id, q, before_tx, &edges[1][q]));
		assert_non_null(rte_eth_add_rx_callback(k->near.id, q, after_rx, &edges[1][q]));
		assert_non_null(rte_eth_add_tx_callback(k->near.id, q, before_tx, &edges[0][q]));
		assert_non_null(rte_eth_add_rx_callback(k->far.id, q, after_rx, &edges[0][q]));
	}
}

/* ---- the traffic ---- */

static void pieces(struct team_kit *k, struct frames_flow *f, unsigned int q)
{
	static const char text[48] = "two pieces";
	struct rte_mempool *mp = k->pools[0].data;
	struct rte_mbuf *whole = frames_tcp(mp, f, TCP_ACK, text, sizeof(text));
	char back[64];
	uint8_t flags;

	team_send(k, q, frames_fragment(mp, whole, f->port, 0, 32));
	team_send(k, !q, frames_fragment(mp, whole, f->port, 32, (uint16_t)(whole->pkt_len - 34)));
	rte_pktmbuf_free(whole);
	f->seq += sizeof(text);
	assert_int_equal(team_expect(k, f, &flags, back, sizeof(back)), sizeof(text));
}

static void conversation(struct team_kit *k, int owner, unsigned int q)
{
	struct frames_flow f = team_flow(k, owner);

	team_send(k, q, frames_arp(k->pools[0].data, &f, ARP_OP_REQUEST));
	team_handshake(k, &f, q);
	team_echo(k, &f, q);
	pieces(k, &f, q);
	team_send(k, q, frames_too_big(k->pools[0].data, &f, f.ack + 99, 576, 552));
	team_echo(k, &f, !q);
	team_finish(k, &f, q);
}

/* The echoes of both, in whatever order they come. */
static void collect(struct team_kit *k, struct frames_flow f[TEAM_N])
{
	unsigned int got = 0;

	for (unsigned int i = 0; i < 100000 && got != (1u << TEAM_N) - 1; i++) {
		const struct tcp_hdr *th;
		uint16_t len;
		struct rte_mbuf *m = team_wait(k, &th, &len);

		for (unsigned int w = 0; th && len && w < TEAM_N; w++)
			if (th->dport == be16(f[w].port)) {
				f[w].ack = be32(th->seq) + len;
				got |= 1u << w;
			}
		rte_pktmbuf_free(m);
	}
	assert_int_equal(got, (1u << TEAM_N) - 1);
}

/*
 * Both workers at the same time: each has its segment before either has answered. One after the other
 * they would be in order by way of this thread, whose packets both wait for, and whatever they shared
 * would look as if it had been handed over.
 */
static void together(struct team_kit *k)
{
	static const char text[] = "at once";
	struct frames_flow f[TEAM_N];

	for (unsigned int w = 0; w < TEAM_N; w++) {
		f[w] = team_flow(k, (int)w);
		team_handshake(k, &f[w], w % k->queues);
	}
	for (unsigned int i = 0; i < TOGETHER; i++) {
		for (unsigned int w = 0; w < TEAM_N; w++) {
			team_send(k, w % k->queues,
				  frames_tcp(k->pools[0].data, &f[w], TCP_ACK, text, sizeof(text)));
			f[w].seq += sizeof(text);
		}
		collect(k, f);
	}
	for (unsigned int w = 0; w < TEAM_N; w++)
		team_finish(k, &f[w], w % k->queues);
}

void race_converse(const struct team_kit_config *cfg)
{
	struct worker_msg stop = {.op = WORKER_OP_STOP};
	static struct team_kit k;
	unsigned int lcore, w = 0;

	team_open(&k, cfg);
	if (k.queues == 2)
		add_edges(&k);
	k.threads = true;
	RTE_LCORE_FOREACH_WORKER(lcore)
		if (w < TEAM_N)
			assert_int_equal(rte_eal_remote_launch(worker_run, k.worker[w++], lcore), 0);
	assert_int_equal(w, TEAM_N);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		conversation(&k, i & 1, i >> 1 & 1 && k.queues == 2);
		team_usage(&k, i & 1);
		assert_true(team_counted_all(&k, CTR_RX_PACKETS) > 0);
	}
	together(&k);
	for (w = 0; w < TEAM_N; w++)
		assert_true(worker_request(k.worker[w], &stop));
	rte_eal_mp_wait_lcore();
	assert_int_equal(team_counted_all(&k, CTR_CONN_CLOSED), ROUNDS + TEAM_N);
	assert_true(team_counted_all(&k, CTR_HANDOVER_PACKETS) > ROUNDS);
	k.threads = false;
	team_close(&k);
}

int race_eal(void **state)
{
	static char args[][32] = {"test",	    "--no-huge", "--no-pci",
				  "--no-shconf",    "--no-telemetry", "-m", "256",
				  "--mbuf-pool-ops-name=race", ""};
	char *argv[ARRAY_SIZE(args) + 1] = {NULL};
	unsigned int cpus[PLACE_CPUS_MAX];
	const unsigned int n = place_allowed(cpus, PLACE_CPUS_MAX);

	snprintf(args[ARRAY_SIZE(args) - 1], sizeof(args[0]), "--lcores=0@%u,1@%u,2@%u", cpus[n - 1],
		 cpus[0], cpus[n - 1]);
	for (size_t i = 0; i < ARRAY_SIZE(args); i++)
		argv[i] = args[i];
	return rte_mempool_register_ops(&stack_ops) < 0 ||
	       rte_eal_init(ARRAY_SIZE(args), argv) < 0;
}
