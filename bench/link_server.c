/*
 * The server's side: pier's worker with its engine, or a loop that swaps addresses and sends the
 * packet back, which is the least a server can do.
 *
 * The loop is worker_run's without rest: its turns are timed, and those that moved packets are the
 * server's work. Two readings of the clock a turn are in it.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/units.h"
#include "handlers/handlers.h"
#include "link.h"
#include "port/poller.h"
#include "server.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/tcp.h"
#include "worker/worker.h"

#define SAMPLE_S 0.02

/* A handler that takes longer: the one it is made from, and the cycles that it waits. */
static struct pier_handler slow;
static const struct pier_handler *slow_of;
static uint64_t slow_cycles, slow_every, slow_count;

struct pier {
	struct server server;
	struct worker *worker;
};

double link_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static size_t slow_data(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	const uint64_t start = rte_rdtsc();

	if (++slow_count % slow_every == 0)
		while (rte_rdtsc() - start < slow_cycles)
			;
	return slow_of->data(c, s, n);
}

static const struct pier_handler *handler_for(const struct link_options *o)
{
	static const struct pier_handler *const handlers[] = {
		[SERVE_ECHO] = &handler_echo, [SERVE_HTTP] = &handler_http,
		[SERVE_SHORT] = &handler_http, [SERVE_DISCARD] = &handler_discard,
		[SERVE_CHARGEN] = &handler_chargen};

	if (o->work == 0)
		return handlers[o->serve];
	slow_of = handlers[o->serve];
	slow = *slow_of;
	slow.data = slow_data;
	slow_every = max_of(o->work_every, 1u);
	slow_cycles = (uint64_t)(o->work * (double)rte_get_tsc_hz() / 1e9);
	return &slow;
}

void link_server_init(struct link_server *s)
{
	const struct link_options *o = s->opt;
	const char *settings[] = {"body-size", NULL, "requests",
				  o->serve == SERVE_SHORT ? "1" : "0", NULL};
	const uint32_t n = o->room;
	struct server_plan plan = {.connections = n, .working = n, .port = s->port->id,
				   .half_open = max_of(n, 4096u), .time_wait = max_of(n, 4096u)};
	struct worker_port wp = {.port = s->port};
	struct worker_config cfg = {.node = -1, .prefault = true, .ports = &wp, .n_ports = 1};
	struct worker_msg msg = {.op = WORKER_OP_LISTEN};
	char body[16], err[256];
	struct pier *p;

	if (link_gaps(o)) {
		s->gaps = calloc(1, sizeof(*s->gaps));
		if (!s->gaps)
			bench_die("no memory");
	}
	if (o->serve >= SERVE_MACSWAP)
		return;
	snprintf(body, sizeof(body), "%u", o->body);
	settings[1] = body;
	plan.handler = handler_for(o);
	if (o->serve == SERVE_HTTP || o->serve == SERVE_SHORT) {
		plan.settings = settings;
		plan.body = o->body;
	}
	s->own = p = calloc(1, sizeof(*p));
	if (!p)
		bench_die("no memory");
	server_init(&p->server, &plan, &s->port->cap, s->pools);
	p->server.listener.tcp.rto_min = 200 * US_PER_MS;
	cfg.engine = p->server.config;
	p->worker = worker_create(&cfg, err, sizeof(err));
	if (!p->worker)
		bench_die("%s", err);
	msg.listener = &p->server.listener;
	if (!worker_request(p->worker, &msg) || msg.version < 0)
		bench_die("the worker does not listen");
}

static void swap(struct rte_mbuf *m, bool tuple)
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
	if (!tuple)
		return;
	ip->saddr = ip->daddr;
	ip->daddr = addr;
	th->sport = th->dport;
	th->dport = port;
}

static unsigned int swap_turn(struct link_server *s, struct link_sample *at)
{
	struct rte_mbuf *pkts[WORKER_BURST];
	unsigned int n, sent;

	port_poller_pass();
	n = rte_eth_rx_burst(s->port->id, 0, pkts, WORKER_BURST);
	if (n == 0)
		return 0;
	for (unsigned int i = 0; i < n; i++)
		swap(pkts[i], s->opt->serve == SERVE_5TSWAP);
	sent = rte_eth_tx_burst(s->port->id, 0, pkts, n);
	rte_pktmbuf_free_bulk(pkts + sent, n - sent);
	at->rx += n;
	at->tx += sent;
	return n;
}

static void take_sample(struct link_server *s, struct link_sample *at)
{
	const struct pier *p = s->own;
	struct counters c;

	at->t = link_now();
	if (p) {
		worker_snapshot(p->worker, &c);
		at->rx = c.v[CTR_RX_PACKETS];
		at->tx = c.v[CTR_TX_PACKETS];
	}
	if (s->n_samples < LINK_SAMPLES)
		s->samples[s->n_samples++] = *at;
}

/* A burst has come, or none: what was before it was no work, what is now is. */
static uint16_t received(uint16_t port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n,
			 uint16_t max, void *arg)
{
	struct link_server *s = arg;

	gaps_waited(s->gaps, rte_rdtsc(), n);
	return n;
}

static void note_gaps(struct link_server *s)
{
	gaps_start(s->gaps, s->opt->memif != NULL);
	if (!rte_eth_add_rx_callback(s->port->id, 0, received, s))
		bench_die("the port takes no callback");
}

int link_serve(void *server)
{
	struct link_server *s = server;
	const struct pier *p = s->own;
	const uint64_t every = (uint64_t)(SAMPLE_S * (double)rte_get_tsc_hz());
	uint64_t start = rte_rdtsc(), next = start, end;
	struct link_sample at = {0};

	s->waited = bench_waited();
	s->ran = link_now();
	if (s->gaps)
		note_gaps(s);
	port_poller_begin();
	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		const unsigned int moved = p ? worker_turn(p->worker) : swap_turn(s, &at);

		end = rte_rdtsc();
		if (moved)
			at.busy += end - start;
		if (s->gaps)
			gaps_worked(s->gaps, end);
		start = end;
		if (unlikely(end >= next)) {
			take_sample(s, &at);
			next = end + every;
			start = rte_rdtsc();
		}
	}
	port_poller_end();
	take_sample(s, &at);
	s->waited = bench_waited() - s->waited;
	s->ran = link_now() - s->ran;
	return 0;
}

void link_server_print(struct link_server *s)
{
	struct pier *p = s->own;
	struct counters c;

	printf("  \"samples\": [");
	for (unsigned int i = 0; i < s->n_samples; i++)
		printf("%s[%.6f, %lu, %lu, %lu]", i ? ", " : "", s->samples[i].t,
		       s->samples[i].busy, s->samples[i].rx, s->samples[i].tx);
	printf("],\n  \"counters\": {");
	if (p) {
		const char *sep = "";

		worker_snapshot(p->worker, &c);
		for (unsigned int i = 0; i < CTR_MAX; i++) {
			if (!c.v[i])
				continue;
			printf("%s\"%s\": %lu", sep, counter_info[i].name, c.v[i]);
			sep = ", ";
		}
		worker_destroy(p->worker);
		server_free(&p->server);
		free(p);
	}
	printf("},\n  \"server_waited\": %.5f,\n", s->waited / s->ran);
	if (s->gaps)
		gaps_print("server_stopped", s->gaps);
	if (s->gaps && s->opt->gaps)
		gaps_write(s->gaps, s->opt->gaps);
	free(s->gaps);
}
