/*
 * What a second worker brings, and what steering costs.
 *
 * Each CPU has a lane: a worker, and its peer in the same loop, over a pair of ring ports with a queue
 * a lane. So a lane needs nobody else, and two lanes on two CPUs should do twice as much. Echoes of 64
 * bytes, 256 connections a lane, one message under way in each; checked as in bench_link.
 *
 *   one       one worker that has the port for itself: no steering
 *   steered   the same lane as one of two of a team whose other half stands still: all its packets are
 *             its own, and each is hashed to find that out
 *   apart     two lanes that share nothing, not even the port: what the machine gives
 *   home      a team of two, each packet on its owner's queue
 *   away      a team of two, each packet on the other's queue: all are handed over, and each comes from
 *             the other CPU by the link as well, so a packet changes CPUs twice in a round
 *
 * A figure is packets that the peers received a second, and cycles of all lanes by packet. In the same
 * rounds the loops of control.h run on one CPU and on both: two workers cannot do better than those.
 */
#include <string.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "control.h"
#include "handlers/handlers.h"
#include "kit.h"
#include "peer.h"
#include "server.h"
#include "wire/be.h"
#include "worker/worker.h"

#define LANES	 2
#define FLIGHT	 256
#define CONNS	 4096 /* from which each lane takes those of its worker */
#define MBUFS	 8191

enum mode { ONE, STEERED, APART, HOME, AWAY, MODES };

static const char *const names[MODES] = {"one", "steered", "apart", "home", "away"};

struct lane {
	struct port *far;
	uint16_t rxq, txq; /* of the peer */
	struct server server;
	struct worker *worker;
	struct peer peer;
	uint32_t conn[FLIGHT];
	uint64_t run_for, received, cycles;
	bool talk;
};

struct bed {
	enum mode mode;
	unsigned int lanes, active; /* workers; those of them that run */
	struct port near[LANES], far[LANES];
	unsigned int ports;
	struct port_pools pools[LANES];
	struct worker_team *team;
	struct lane lane[LANES];
};

static void open_end(struct bed *b, struct port *p, unsigned int pair, char end, uint32_t queues)
{
	const struct port_pools *of[LANES] = {&b->pools[b->ports == 1 ? 0 : pair], &b->pools[LANES - 1]};
	char ring[8], name[12], err[256];
	struct port_config c;

	option_defaults(&port_option_table, &c);
	snprintf(ring, sizeof(ring), "wb%u", pair);
	snprintf(name, sizeof(name), "%s%c", ring, end);
	c.ring_pair = ring;
	c.device = name;
	c.queues = queues;
	if (!port_open_pools(&c, queues, false, of, queues, p, err, sizeof(err)))
		bench_die("%s", err);
	port_link_poll(p);
}

static void open_ports(struct bed *b)
{
	const uint32_t queues = b->mode == ONE || b->mode == APART ? 1 : LANES;

	b->ports = b->mode == APART ? LANES : 1;
	for (unsigned int p = 0; p < b->ports; p++) {
		open_end(b, &b->near[p], p, 'a', queues);
		open_end(b, &b->far[p], p, 'b', queues);
	}
}

static void make_team(struct bed *b)
{
	struct port *ports[1] = {&b->near[0]};
	struct worker_team_config t = {.n = LANES, .ports = ports, .n_ports = 1};
	char err[256];

	if (b->mode == ONE || b->mode == APART)
		return;
	b->team = worker_team_create(&t, err, sizeof(err));
	if (!b->team)
		bench_die("%s", err);
}

static void make_worker(struct bed *b, unsigned int i)
{
	const unsigned int port = b->mode == APART ? i : 0;
	struct server_plan plan = {.handler = &handler_echo, .connections = CONNS,
				   .working = FLIGHT, .half_open = 4096, .time_wait = 4096,
				   .port = b->near[port].id};
	struct worker_port wp = {.port = &b->near[port]};
	struct worker_config cfg = {.id = (uint16_t)i, .node = -1, .team = b->team, .ports = &wp,
				    .n_ports = 1};
	struct worker_msg msg = {.op = WORKER_OP_LISTEN};
	struct lane *l = &b->lane[i];
	char err[256];

	server_init(&l->server, &plan, &b->near[port].cap, &b->pools[i]);
	cfg.engine = l->server.config;
	l->worker = worker_create(&cfg, err, sizeof(err));
	if (!l->worker)
		bench_die("%s", err);
	msg.listener = &l->server.listener;
	if (!worker_request(l->worker, &msg) || msg.version < 0)
		bench_die("the worker does not listen");
	l->far = &b->far[port];
	l->rxq = b->mode == APART ? 0 : (uint16_t)i;
	l->txq = b->mode == AWAY ? (uint16_t)!i : l->rxq;
}

/* Connections that lane i's worker owns. */
static void choose(struct bed *b, unsigned int i)
{
	unsigned int n = 0;

	for (uint32_t c = 0; c < CONNS && n < FLIGHT; c++) {
		const uint32_t addr = be32(PEER_CLIENTS + c / PEER_PORTS);
		const uint16_t port = be16((uint16_t)(PEER_PORT_LOW + c % PEER_PORTS));

		if (!b->team || worker_team_flow(b->team, 0, addr, be32(PEER_SERVER), port,
						 be16(SERVER_PORT)) == (int)i)
			b->lane[i].conn[n++] = c;
	}
	if (n < FLIGHT)
		bench_die("too few connections of worker %u", i);
}

static void make_peer(struct bed *b, unsigned int i)
{
	const unsigned int port = b->mode == APART ? i : 0;
	struct peer_config c = {.kind = PEER_ECHO, .n = CONNS, .port = SERVER_PORT,
				.len = BENCH_MESSAGE, .check_every = 16};

	memcpy(c.mac, b->far[port].cap.mac, 6);
	memcpy(c.server_mac, b->near[port].cap.mac, 6);
	peer_init(&b->lane[i].peer, &c);
	choose(b, i);
}

static void set_up(struct bed *b, enum mode mode)
{
	memset(b, 0, sizeof(*b));
	b->mode = mode;
	b->lanes = mode == ONE ? 1 : LANES;
	b->active = mode == ONE || mode == STEERED ? 1 : LANES;
	for (unsigned int i = 0; i < LANES; i++) {
		const struct port_pools_config c = {.name = i ? "lane1" : "lane0", .n_data = MBUFS,
						    .n_indirect = 1023, .mtu = 1500,
						    .socket = SOCKET_ID_ANY};
		char err[256];

		if (!port_pools_create(&c, &b->pools[i], err, sizeof(err)))
			bench_die("%s", err);
	}
	open_ports(b);
	make_team(b);
	for (unsigned int i = 0; i < b->lanes; i++) {
		make_worker(b, i);
		make_peer(b, i);
	}
}

static void tear_down(struct bed *b)
{
	for (unsigned int i = 0; i < b->lanes; i++) {
		worker_destroy(b->lane[i].worker);
		server_free(&b->lane[i].server);
		peer_free(&b->lane[i].peer);
	}
	if (b->team)
		worker_team_destroy(b->team);
	for (unsigned int p = 0; p < b->ports; p++) {
		port_close(&b->near[p]);
		port_close(&b->far[p]);
	}
	for (unsigned int i = 0; i < LANES; i++)
		if (port_pools_destroy(&b->pools[i]))
			bench_die("mbufs were lost");
}

static void send_all(const struct lane *l, struct rte_mbuf **pkts, unsigned int n)
{
	if (rte_eth_tx_burst(l->far->id, l->txq, pkts, (uint16_t)n) != n)
		bench_die("the ring is full");
}

/* One turn of the peer: each answer makes its connection's next packet. Returns packets received. */
static unsigned int peer_turn(struct lane *l)
{
	struct rte_mbuf *pkts[BENCH_BURST], *out[BENCH_BURST];
	const unsigned int n = rte_eth_rx_burst(l->far->id, l->rxq, pkts, BENCH_BURST);
	unsigned int sent = 0;
	uint32_t i;

	if (n == 0)
		return 0;
	l->peer.tick = (uint32_t)(rte_rdtsc() / (rte_get_tsc_hz() / 1000));
	for (unsigned int k = 0; k < n; k++) {
		const enum peer_event e = peer_take(&l->peer, pkts[k], &i);

		if (e == PEER_ERROR)
			bench_die("the peer: %s", l->peer.error);
		if (l->talk && (e == PEER_OPENED || e == PEER_REPLY)) {
			peer_next(&l->peer, i, pkts[k]);
			out[sent++] = pkts[k];
		} else if (e == PEER_OPENED || e == PEER_REPLY) {
			peer_ack(&l->peer, i, pkts[k]);
			out[sent++] = pkts[k];
		} else {
			rte_pktmbuf_free(pkts[k]);
		}
	}
	if (sent)
		send_all(l, out, sent);
	return n;
}

static int run_lane(void *arg)
{
	struct lane *l = arg;
	const uint64_t start = rte_rdtsc();

	l->received = 0;
	do {
		worker_turn(l->worker);
		l->received += peer_turn(l);
		l->cycles = rte_rdtsc() - start;
	} while (l->cycles < l->run_for);
	return 0;
}

/* All lanes for so many cycles, the first one here. */
static void run(struct bed *b, uint64_t cycles)
{
	for (unsigned int i = 0; i < b->active; i++)
		b->lane[i].run_for = cycles;
	if (b->active > 1 &&
	    rte_eal_remote_launch(run_lane, &b->lane[1], rte_get_next_lcore(-1, 1, 0)))
		bench_die("the second CPU does not start");
	run_lane(&b->lane[0]);
	rte_eal_mp_wait_lcore();
}

static void begin(struct bed *b, unsigned int i)
{
	struct lane *l = &b->lane[i];
	struct rte_mbuf *m;

	l->talk = true;
	for (unsigned int c = 0; c < FLIGHT; c++) {
		m = rte_pktmbuf_alloc(b->pools[i].data);
		if (!m)
			bench_die("no mbufs");
		peer_next(&l->peer, l->conn[c], m);
		send_all(l, &m, 1);
	}
}

static uint64_t counted(const struct bed *b, enum counter id)
{
	struct counters c;
	uint64_t n = 0;

	for (unsigned int i = 0; i < b->lanes; i++) {
		worker_snapshot(b->lane[i].worker, &c);
		n += c.v[id];
	}
	return n;
}

/* No message is under way any more, so that nothing is sent again by the server while others run. */
static void finish(struct bed *b, uint64_t hz)
{
	for (unsigned int i = 0; i < b->active; i++)
		b->lane[i].talk = false;
	run(b, hz / 20);
	if (counted(b, CTR_TX_RETRANSMITS) || counted(b, CTR_RX_HANDOVER_FULL))
		bench_die("%s: the link lost packets", names[b->mode]);
	if ((counted(b, CTR_HANDOVER_PACKETS) != 0) != (b->mode == AWAY))
		bench_die("%s: packets went another way than meant", names[b->mode]);
}

static void measure(enum mode mode, bool quick, struct bench_series *pps,
		    struct bench_series *cycles)
{
	const uint64_t hz = rte_get_tsc_hz();
	static struct bed b;
	double rate = 0, spent = 0, packets = 0;

	set_up(&b, mode);
	for (unsigned int i = 0; i < b.active; i++)
		begin(&b, i);
	run(&b, hz / 10);
	run(&b, quick ? hz / 10 : hz / 2);
	for (unsigned int i = 0; i < b.active; i++) {
		const struct lane *l = &b.lane[i];

		rate += (double)l->received * (double)hz / (double)l->cycles;
		spent += (double)l->cycles;
		packets += (double)l->received;
	}
	finish(&b, hz);
	bench_add(pps, rate);
	bench_add(cycles, spent / packets);
	tear_down(&b);
}

static void measure_control(enum control which, bool quick, struct bench_series *ratio)
{
	const uint64_t cycles = rte_get_tsc_hz() / (quick ? 20 : 5);
	double one, two;

	control_rate(which, 2, cycles / 8);
	one = control_rate(which, 1, cycles);
	two = control_rate(which, 2, cycles);
	bench_add(ratio, two / one);
}

static void print_ratio(const char *name, const struct bench_series *a, const struct bench_series *b,
			const char *end)
{
	struct bench_series r = {0};

	for (unsigned int i = 0; i < a->n; i++)
		bench_add(&r, a->v[i] / b->v[i]);
	bench_print(name, &r, end);
}

int main(int argc, char **argv)
{
	static struct bench_series pps[MODES], cycles[MODES], control[CONTROLS];
	struct bench_options opt = {.cores = 2};
	char name[48];
	bool huge;

	bench_options(&opt, argc, argv);
	huge = bench_eal(&opt, 128);
	for (unsigned int r = 0; r < opt.runs; r++) {
		for (enum mode m = 0; m < MODES; m++)
			measure(m, opt.quick, &pps[m], &cycles[m]);
		for (enum control c = 0; c < CONTROLS; c++)
			measure_control(c, opt.quick, &control[c]);
	}
	printf("{\n  \"bench\": \"workers\", \"tsc_hz\": %lu, \"packets_in_huge_pages\": %s,\n",
	       rte_get_tsc_hz(), huge ? "true" : "false");
	for (enum mode m = 0; m < MODES; m++) {
		snprintf(name, sizeof(name), "%s_pps", names[m]);
		bench_print(name, &pps[m], ",");
		snprintf(name, sizeof(name), "%s_cycles", names[m]);
		bench_print(name, &cycles[m], ",");
	}
	for (enum control c = 0; c < CONTROLS; c++) {
		snprintf(name, sizeof(name), "control_%s_two_to_one", control_names[c]);
		bench_print(name, &control[c], ",");
	}
	print_ratio("two_to_one", &pps[HOME], &pps[ONE], ",");
	print_ratio("apart_to_one", &pps[APART], &pps[ONE], ",");
	print_ratio("two_to_apart", &pps[HOME], &pps[APART], ",");
	print_ratio("away_to_home", &pps[AWAY], &pps[HOME], "");
	printf("}\n");
	return rte_eal_cleanup() ? 1 : 0;
}
