/*
 * Echo over a link, against the most that the link gives.
 *
 * Two CPUs, one process, a pair of ring ports. On one CPU the server's loop, on the other the peer.
 * Server and limit take turns on the same link in one run:
 *
 *   echo    pier: worker and engine; the peer (peer.c) keeps one message of 64 bytes on its way in
 *           each of FLIGHT connections, checks each echo, and answers it with the next message.
 *   5tswap  what testpmd's forwarding mode of that name does: swap MAC addresses, IP addresses and
 *           ports in place, no TCP, no look at the checksums; FLIGHT packets of the same size, which
 *           the other CPU returns as they are.
 *
 * The 5tswap here is our own loop in the place of the worker's, so that link, mbufs and peer's CPU
 * are the same; it is not the testpmd binary. "server_cycles" are those of turns that moved packets,
 * by packets received: what a packet costs the server, whoever of the two was the slower.
 */
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "kit.h"
#include "peer.h"
#include "server.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/sum.h"
#include "wire/tcp.h"
#include "worker/worker.h"

#define FLIGHT   512
#define OPENING  64 /* handshakes at a time */
#define MBUFS    16384
#define PATIENCE 5  /* seconds without a packet that mean the link is stuck */

struct link {
	struct port near, far; /* the server's end, the peer's */
	struct port_pools pools;
	struct server server;
	struct worker *worker;
	struct peer peer;
	int stop; /* atomic */
	uint64_t cycles, packets; /* of the server's CPU, read when it stopped */
};

struct figures {
	struct bench_series rate, cycles;
};

static bool stopping(const struct link *l)
{
	return __atomic_load_n(&l->stop, __ATOMIC_RELAXED);
}

static int serve_pier(void *arg)
{
	struct link *l = arg;

	while (!stopping(l)) {
		const uint64_t start = rte_rdtsc();

		if (worker_turn(l->worker))
			l->cycles += rte_rdtsc() - start;
	}
	return 0;
}

static void swap(struct rte_mbuf *m)
{
	struct eth_hdr *eth = rte_pktmbuf_mtod(m, struct eth_hdr *);
	struct ip4_hdr *ip = (struct ip4_hdr *)(eth + 1);
	struct tcp_hdr *th = (struct tcp_hdr *)((uint8_t *)ip + ip4_hdr_len(ip));
	const uint32_t addr = ip->saddr;
	const uint16_t port = th->sport;
	uint8_t mac[ETH_ADDR_LEN];

	eth_copy(mac, eth->src);
	eth_copy(eth->src, eth->dst);
	eth_copy(eth->dst, mac);
	ip->saddr = ip->daddr;
	ip->daddr = addr;
	th->sport = th->dport;
	th->dport = port;
}

/* Send, or free what the port does not take. */
static void send_burst(uint16_t port, struct rte_mbuf **pkts, unsigned int n)
{
	const unsigned int sent = rte_eth_tx_burst(port, 0, pkts, n);

	rte_pktmbuf_free_bulk(pkts + sent, n - sent);
}

static int serve_swap(void *arg)
{
	struct rte_mbuf *pkts[WORKER_BURST];
	struct link *l = arg;

	while (!stopping(l)) {
		const uint64_t start = rte_rdtsc();
		const unsigned int n = rte_eth_rx_burst(l->near.id, 0, pkts, WORKER_BURST);

		if (n == 0)
			continue;
		for (unsigned int i = 0; i < n; i++)
			swap(pkts[i]);
		send_burst(l->near.id, pkts, n);
		l->packets += n;
		l->cycles += rte_rdtsc() - start;
	}
	return 0;
}

static void serve(struct link *l, lcore_function_t *loop)
{
	l->stop = 0;
	l->cycles = l->packets = 0;
	if (rte_eal_remote_launch(loop, l, rte_get_next_lcore(-1, 1, 0)))
		bench_die("the server's CPU does not start");
}

static void serve_end(struct link *l)
{
	__atomic_store_n(&l->stop, 1, __ATOMIC_RELAXED);
	rte_eal_mp_wait_lcore();
}

/* What the peer does with a burst it received; returns how many of pkts are to be sent. */
typedef unsigned int peer_fn(struct link *l, struct rte_mbuf **pkts, unsigned int n);

static unsigned int converse(struct link *l, struct rte_mbuf **pkts, unsigned int n)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (likely(peer_input(&l->peer, pkts[i])))
			pkts[kept++] = pkts[i];
		else
			rte_pktmbuf_free(pkts[i]);
	}
	return kept;
}

static unsigned int reflect(struct link *l, struct rte_mbuf **pkts, unsigned int n)
{
	return n;
}

static unsigned int discard(struct link *l, struct rte_mbuf **pkts, unsigned int n)
{
	rte_pktmbuf_free_bulk(pkts, n);
	return 0;
}

/* One burst at the peer's end. Returns packets received. */
static unsigned int peer_turn(struct link *l, peer_fn *fn)
{
	struct rte_mbuf *pkts[WORKER_BURST];
	const unsigned int n = rte_eth_rx_burst(l->far.id, 0, pkts, WORKER_BURST);

	if (n == 0)
		return 0;
	l->peer.tick = (uint32_t)(rte_rdtsc() / (rte_get_tsc_hz() / 1000));
	send_burst(l->far.id, pkts, fn(l, pkts, n));
	return n;
}

/* The peer's CPU, for so many cycles. Returns packets received. */
static uint64_t peer_run(struct link *l, peer_fn *fn, uint64_t cycles)
{
	const uint64_t start = rte_rdtsc();
	uint64_t n = 0;

	while (rte_rdtsc() - start < cycles)
		n += peer_turn(l, fn);
	return n;
}

/* Until the peer has received n packets: the last ones under way. */
static void peer_finish(struct link *l, peer_fn *fn, unsigned int n)
{
	const uint64_t limit = PATIENCE * rte_get_tsc_hz(), start = rte_rdtsc();
	unsigned int got = 0;

	while (got < n) {
		got += peer_turn(l, fn);
		if (rte_rdtsc() - start > limit)
			bench_die("%u of the last %u packets came back, %lu errors", got, n,
				  l->peer.errors);
	}
}

static void take(struct link *l, struct rte_mbuf **pkts, unsigned int n)
{
	if (rte_pktmbuf_alloc_bulk(l->pools.data, pkts, n))
		bench_die("no mbufs left");
}

static void open_all(struct link *l)
{
	const uint64_t limit = PATIENCE * rte_get_tsc_hz();
	uint64_t last = rte_rdtsc();
	struct rte_mbuf *m;
	uint32_t i = 0;

	l->peer.talk = false;
	while (l->peer.established < l->peer.n) {
		if (i < l->peer.n && i - l->peer.established < OPENING) {
			take(l, &m, 1);
			peer_syn(&l->peer, i++, m);
			send_burst(l->far.id, &m, 1);
		}
		if (peer_turn(l, converse))
			last = rte_rdtsc();
		else if (rte_rdtsc() - last > limit)
			bench_die("%lu of %u connections opened, %lu errors", l->peer.established,
				  l->peer.n, l->peer.errors);
	}
}

static void setup(struct link *l)
{
	struct worker_port wp = {.port = &l->near};
	struct worker_config cfg = {.node = -1, .ports = &wp, .n_ports = 1};
	static char pair[] = "bench", near[] = "bencha", far[] = "benchb";
	struct worker_msg msg = {.op = WORKER_OP_LISTEN};
	struct port_config pc;
	char err[256];

	bench_pools(&l->pools, MBUFS);
	option_defaults(&port_option_table, &pc);
	pc.ring_pair = pair;
	pc.device = near;
	if (!port_open(&pc, 1, false, &l->pools, &l->near, err, sizeof(err)))
		bench_die("%s", err);
	pc.device = far;
	if (!port_open(&pc, 1, false, &l->pools, &l->far, err, sizeof(err)))
		bench_die("%s", err);
	port_link_poll(&l->near);
	server_init(&l->server, FLIGHT, l->near.id, &l->near.cap, &l->pools);
	cfg.engine = l->server.config;
	l->worker = worker_create(&cfg, err, sizeof(err));
	if (!l->worker)
		bench_die("%s", err);
	msg.listener = &l->server.listener;
	if (!worker_request(l->worker, &msg) || msg.version < 0)
		bench_die("the worker does not listen");
	peer_init(&l->peer, FLIGHT, SERVER_PORT, l->far.cap.mac, l->near.cap.mac);
}

static uint64_t server_packets(const struct link *l)
{
	struct counters c;

	worker_snapshot(l->worker, &c);
	return c.v[CTR_RX_PACKETS];
}

/* Packets a second and cycles a packet of one side, over the given time after a warm-up. */
static void measure(struct link *l, peer_fn *fn, uint64_t cycles, struct figures *f)
{
	uint64_t start, n;

	peer_run(l, fn, cycles / 8);
	start = rte_rdtsc();
	n = peer_run(l, fn, cycles);
	bench_add(&f->rate, (double)n * (double)rte_get_tsc_hz() / (double)(rte_rdtsc() - start));
}

static void run_echo(struct link *l, uint64_t cycles, struct figures *f)
{
	const uint64_t before = server_packets(l);
	struct rte_mbuf *m;

	serve(l, serve_pier);
	if (l->peer.established == 0)
		open_all(l);
	l->peer.talk = true;
	for (uint32_t i = 0; i < FLIGHT; i++) {
		take(l, &m, 1);
		peer_message(&l->peer, i, m);
		send_burst(l->far.id, &m, 1);
	}
	measure(l, converse, cycles, f);
	l->peer.talk = false; /* the last echo is acknowledged alone */
	peer_finish(l, converse, FLIGHT);
	serve_end(l);
	bench_add(&f->cycles, (double)l->cycles / (double)(server_packets(l) - before));
	for (unsigned int i = 0; i < 2 * FLIGHT / WORKER_BURST; i++)
		worker_turn(l->worker); /* the ACKs that were still under way */
	if (l->peer.errors)
		bench_die("the peer saw %lu errors", l->peer.errors);
}

static void run_swap(struct link *l, uint64_t cycles, struct figures *f)
{
	struct peer strangers; /* its segments are never answered, only swapped */
	struct rte_mbuf *m;

	peer_init(&strangers, FLIGHT, SERVER_PORT, l->far.cap.mac, l->near.cap.mac);
	serve(l, serve_swap);
	for (uint32_t i = 0; i < FLIGHT; i++) {
		take(l, &m, 1);
		peer_message(&strangers, i, m);
		send_burst(l->far.id, &m, 1);
	}
	measure(l, reflect, cycles, f);
	peer_finish(l, discard, FLIGHT);
	serve_end(l);
	peer_free(&strangers);
	bench_add(&f->cycles, (double)l->cycles / (double)l->packets);
}

static void finish(struct link *l)
{
	worker_destroy(l->worker);
	peer_free(&l->peer);
	port_close(&l->near);
	port_close(&l->far);
	if (port_pools_destroy(&l->pools))
		bench_die("mbufs were lost");
}

static void print(const struct link *l, bool huge, const struct figures *echo,
		  const struct figures *limit)
{
	struct bench_series ratio = {0}, cycles = {0};
	struct counters c;

	for (unsigned int i = 0; i < echo->rate.n; i++) {
		bench_add(&ratio, echo->rate.v[i] / limit->rate.v[i]);
		bench_add(&cycles, limit->cycles.v[i] / echo->cycles.v[i]);
	}
	worker_snapshot(l->worker, &c);
	printf("{\n  \"bench\": \"ring\", \"tsc_hz\": %lu, \"packets_in_huge_pages\": %s,\n",
	       rte_get_tsc_hz(), huge ? "true" : "false");
	printf("  \"in_flight\": %u, \"payload\": %u, \"messages\": %lu, \"retransmissions\": "
	       "%lu,\n",
	       FLIGHT, PEER_MESSAGE, l->peer.echoed, c.v[CTR_TX_RETRANSMITS]);
	bench_print("echo_pps", &echo->rate, ",");
	bench_print("swap_pps", &limit->rate, ",");
	bench_print("ratio_pps", &ratio, ",");
	bench_print("echo_server_cycles", &echo->cycles, ",");
	bench_print("swap_server_cycles", &limit->cycles, ",");
	bench_print("ratio_server_cycles", &cycles, "");
	printf("}\n");
}

int main(int argc, char **argv)
{
	static struct figures echo, limit;
	struct bench_options opt = {.cores = 2};
	static struct link l;
	uint64_t cycles;
	bool huge;

	bench_options(&opt, argc, argv);
	huge = bench_eal(&opt, 128);
	setup(&l);
	cycles = rte_get_tsc_hz() / (opt.quick ? 10 : 1);
	for (unsigned int r = 0; r < opt.runs; r++) {
		run_echo(&l, cycles, &echo);
		run_swap(&l, cycles, &limit);
	}
	print(&l, huge, &echo, &limit);
	finish(&l);
	return rte_eal_cleanup() ? 1 : 0;
}
