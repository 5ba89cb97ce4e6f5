/*
 * The worker over net_ring, which hands each mbuf itself to the other end: two piers with a ring pair
 * between them, and one pier with the test at the other end.
 *
 * One thread is everybody's loop. Time is the worker's own clock, so nothing here depends on a timer.
 * Every test ends with both workers' books in order and the pools full.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <rte_eal.h>
#include <rte_ethdev.h>

#include "base/units.h"
#include "flow/tuple.h"
#include "handlers/handlers.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/sum.h"
#include "wire/tcp.h"
#include "worker/worker.h"

#define ADDR_A BE32(0xc6120002u) /* 198.18.0.2, serves */
#define ADDR_B BE32(0xc6120001u)
#define ECHO   7
#define CLIENT 5000
#define L4     (ETH_HDR_LEN + IP4_HDR_LEN)
#define TURNS  100

static char err[256];

/* One end of the pair: a port, and a worker on it. */
struct end {
	struct port port;
	struct engine_port engine_port;
	struct engine_address address;
	struct worker *worker;
};

struct pair {
	struct port_pools pools;
	struct listener listener;
	struct end a, b;
};

static void open_port(struct pair *p, struct end *e, char *name)
{
	static char pair[] = "wire";
	struct port_config c;

	option_defaults(&port_option_table, &c);
	c.ring_pair = pair;
	c.device = name;
	assert_true(port_open(&c, 1, false, &p->pools, &e->port, err, sizeof(err)));
	assert_int_equal(e->port.cap.tx_mode, PKT_TX_GIVES_AWAY);
	port_link_poll(&e->port);
}

static void start_worker(struct pair *p, struct end *e, uint32_t addr, enum engine_neighbor how)
{
	struct worker_port wp = {.port = &e->port};
	struct worker_config c = {.id = e == &p->b, .node = -1, .ports = &wp, .n_ports = 1};

	e->engine_port = (struct engine_port){.id = e->port.id, .cap = &e->port.cap,
					      .neighbor = how};
	e->address = (struct engine_address){.port = e->port.id, .prefix = 24};
	flow_addr_v4(e->address.addr, addr);
	c.engine = (struct engine_config){
		.ports = &e->engine_port, .n_ports = 1, .addresses = &e->address, .n_addresses = 1,
		.max_connections = 16, .max_half_open = 16, .max_time_wait = 16,
		.block_bytes = 2 * MIB, .max_paths = 16, .max_neighbors = 16,
		.reassembly_bytes = 64 * KIB, .rst_rate = 1000, .icmp_rate = 1000,
		.time_wait_us = US_PER_SEC, .pool = p->pools.data, .indirect = p->pools.indirect,
	};
	e->worker = worker_create(&c, err, sizeof(err));
	assert_non_null(e->worker);
}

static void listen_echo(struct pair *p)
{
	struct worker_msg m = {.op = WORKER_OP_LISTEN, .listener = &p->listener};

	option_defaults(&tcp_option_table, &p->listener.tcp);
	p->listener.handler = &handler_echo;
	p->listener.local = LISTENER_ANY;
	p->listener.port_lo = p->listener.port_hi = ECHO;
	listener_prepare(&p->listener);
	assert_true(worker_request(p->a.worker, &m));
	assert_true(m.version >= 0);
}

static void pair_open(struct pair *p)
{
	const struct port_pools_config c = {.name = "ring", .n_data = 4095, .n_indirect = 255,
					    .mtu = 1500, .socket = SOCKET_ID_ANY};
	static char a[] = "wirea", b[] = "wireb";

	memset(p, 0, sizeof(*p));
	assert_true(port_pools_create(&c, &p->pools, err, sizeof(err)));
	open_port(p, &p->a, a);
	open_port(p, &p->b, b);
}

static void end_close(struct end *e)
{
	struct worker_msg m = {.op = WORKER_OP_AUDIT};

	if (e->worker) {
		assert_true(worker_request(e->worker, &m));
		if (m.audit)
			fail_msg("%s", m.audit);
		worker_destroy(e->worker);
	}
	port_close(&e->port);
}

static void pair_close(struct pair *p)
{
	end_close(&p->a);
	end_close(&p->b);
	assert_int_equal(port_pools_destroy(&p->pools), 0);
}

static uint64_t counted(const struct end *e, enum counter id)
{
	struct counters c;

	worker_snapshot(e->worker, &c);
	return c.v[id];
}

static struct engine_usage usage(const struct end *e)
{
	struct worker_msg m = {.op = WORKER_OP_USAGE};

	assert_true(worker_request(e->worker, &m));
	return m.usage;
}

/* Put a segment of B's address on the ring to A. */
static void inject(struct pair *p, uint8_t flags, uint32_t seq, uint32_t ack, const void *payload,
		   uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(p->pools.data);
	const uint16_t l4 = TCP_HDR_LEN + len;
	struct ip4_hdr *ip;
	struct tcp_hdr *th;
	uint8_t *b;

	assert_non_null(m);
	b = rte_pktmbuf_mtod(m, uint8_t *);
	m->data_len = L4 + l4;
	m->pkt_len = m->data_len;
	eth_copy(b, p->a.port.cap.mac);
	eth_copy(b + ETH_ADDR_LEN, p->b.port.cap.mac);
	((struct eth_hdr *)b)->type = BE16(ETH_TYPE_IP4);
	ip = (struct ip4_hdr *)(b + ETH_HDR_LEN);
	*ip = (struct ip4_hdr){.ver_ihl = IP4_VER_IHL, .total_len = be16(IP4_HDR_LEN + l4),
			       .frag = BE16(IP4_DF), .ttl = 64, .proto = IP_PROTO_TCP,
			       .saddr = ADDR_B, .daddr = ADDR_A};
	ip->cksum = sum_finish(sum_header(ip, IP4_HDR_LEN));
	th = (struct tcp_hdr *)(b + L4);
	*th = (struct tcp_hdr){.sport = BE16(CLIENT), .dport = BE16(ECHO), .seq = be32(seq),
			       .ack = be32(ack), .doff = tcp_doff(TCP_HDR_LEN), .flags = flags,
			       .window = 0xffff};
	if (len)
		memcpy(th + 1, payload, len);
	th->cksum = sum_finish(sum_partial(th, l4,
					   sum_pseudo4(ADDR_B, ADDR_A, IP_PROTO_TCP, l4)));
	assert_int_equal(rte_eth_tx_burst(p->b.port.id, 0, &m, 1), 1);
}

/* The next segment from A, its checksum right, into th and payload; returns the payload's length. */
static uint16_t receive(struct pair *p, struct tcp_hdr *th, uint8_t *payload, size_t room)
{
	struct rte_mbuf *m = NULL;
	const struct ip4_hdr *ip;
	uint16_t l4, off;
	uint8_t *b;

	for (unsigned int i = 0; i < TURNS && !rte_eth_rx_burst(p->b.port.id, 0, &m, 1); i++)
		worker_turn(p->a.worker);
	assert_non_null(m);
	assert_int_equal(m->nb_segs, 1);
	b = rte_pktmbuf_mtod(m, uint8_t *);
	ip = (const struct ip4_hdr *)(b + ETH_HDR_LEN);
	assert_true(eth_equal(b, p->b.port.cap.mac));
	assert_int_equal(ip->daddr, ADDR_B);
	l4 = be16(ip->total_len) - IP4_HDR_LEN;
	assert_int_equal(sum_fold(sum_partial(b + L4, l4, sum_pseudo4(ip->saddr, ip->daddr,
								     IP_PROTO_TCP, l4))),
			 0xffff);
	memcpy(th, b + L4, sizeof(*th));
	off = tcp_hdr_len(th);
	assert_in_range(l4 - off, 0, room);
	memcpy(payload, b + L4 + off, l4 - off);
	rte_pktmbuf_free(m);
	return l4 - off;
}

/* A SYN in B's name: A asks for B by ARP, B answers, A's SYN-ACK reaches B, which knows nothing. */
static void pier_to_pier(void **state)
{
	struct pair p;

	pair_open(&p);
	start_worker(&p, &p.a, ADDR_A, ENGINE_NEIGHBOR_RESOLVE);
	start_worker(&p, &p.b, ADDR_B, ENGINE_NEIGHBOR_RESOLVE);
	listen_echo(&p);
	inject(&p, TCP_SYN, 1000, 0, NULL, 0);
	for (unsigned int i = 0; i < TURNS; i++) {
		worker_turn(p.a.worker);
		worker_turn(p.b.worker);
	}
	assert_int_equal(counted(&p.b, CTR_ARP_REQUESTS_RX), 1);
	assert_int_equal(counted(&p.a, CTR_ARP_REPLIES_RX), 1);
	assert_int_equal(counted(&p.a, CTR_TX_SYNACKS), 1);
	assert_int_equal(counted(&p.b, CTR_RX_CLOSED_PORT), 1);
	assert_int_equal(counted(&p.b, CTR_TX_RSTS), 1);
	assert_int_equal(counted(&p.a, CTR_HALF_OPEN_RESET), 1);
	assert_int_equal(usage(&p.a).half_open, 0);
	/* Each packet that one sent the other received, and the SYN. */
	assert_int_equal(counted(&p.b, CTR_RX_PACKETS), counted(&p.a, CTR_TX_PACKETS));
	assert_int_equal(counted(&p.a, CTR_RX_PACKETS), counted(&p.b, CTR_TX_PACKETS) + 1);
	pair_close(&p);
}

/* A whole connection: open, one echo, whose mbuf the peer may scribble on, close. */
static void echo(void **state)
{
	static const char hello[] = "hello through a ring";
	uint8_t payload[64];
	struct tcp_hdr th;
	struct pair p;
	uint32_t iss;

	pair_open(&p);
	start_worker(&p, &p.a, ADDR_A, ENGINE_NEIGHBOR_REFLECT);
	listen_echo(&p);
	inject(&p, TCP_SYN, 1000, 0, NULL, 0);
	assert_int_equal(receive(&p, &th, payload, sizeof(payload)), 0);
	assert_int_equal(th.flags, TCP_SYN | TCP_ACK);
	assert_int_equal(be32(th.ack), 1001);
	iss = be32(th.seq);
	inject(&p, TCP_ACK, 1001, iss + 1, NULL, 0);
	inject(&p, TCP_ACK | TCP_PSH, 1001, iss + 1, hello, sizeof(hello));
	assert_int_equal(receive(&p, &th, payload, sizeof(payload)), sizeof(hello));
	assert_memory_equal(payload, hello, sizeof(hello));
	assert_int_equal(be32(th.seq), iss + 1);
	assert_int_equal(be32(th.ack), 1001 + sizeof(hello));
	assert_int_equal(usage(&p.a).connections, 1);
	inject(&p, TCP_ACK | TCP_FIN, 1001 + sizeof(hello), iss + 1 + sizeof(hello), NULL, 0);
	assert_int_equal(receive(&p, &th, payload, sizeof(payload)), 0);
	assert_int_equal(th.flags & ~TCP_PSH, TCP_FIN | TCP_ACK);
	assert_int_equal(be32(th.ack), 1001 + sizeof(hello) + 1);
	inject(&p, TCP_ACK, 1001 + sizeof(hello) + 1, iss + 1 + sizeof(hello) + 1, NULL, 0);
	for (unsigned int i = 0; i < TURNS; i++)
		worker_turn(p.a.worker);
	assert_int_equal(usage(&p.a).connections, 0);
	assert_int_equal(usage(&p.a).block_bytes, 0);
	assert_int_equal(counted(&p.a, CTR_CONN_CLOSED), 1);
	pair_close(&p);
}

static int eal(void **state)
{
	static char args[][24] = {"test", "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry",
				  "-m", "128"};
	char *argv[ARRAY_SIZE(args) + 1] = {NULL};

	for (size_t i = 0; i < ARRAY_SIZE(args); i++)
		argv[i] = args[i];
	return rte_eal_init(ARRAY_SIZE(args), argv) < 0;
}

static int eal_end(void **state)
{
	return rte_eal_cleanup();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pier_to_pier),
		cmocka_unit_test(echo),
	};

	return cmocka_run_group_tests(tests, eal, eal_end);
}
