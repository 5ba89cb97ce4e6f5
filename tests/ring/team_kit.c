/*
 * See team_kit.h.
 */
#include "team_kit.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_launch.h>

#include "base/units.h"
#include "flow/tuple.h"
#include "handlers/handlers.h"
#include "wire/eth.h"

static char err[256];
static struct team_kit *open_kit; /* NULL: none */

uint64_t team_random(void)
{
	static uint64_t seed;
	uint64_t z = seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* The library's calls resolve to this: keys of ports differ from each other, but not from run to run. */
ssize_t getrandom(void *buf, size_t len, unsigned int flags)
{
	uint8_t *p = buf;

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)team_random();
	return (ssize_t)len;
}

static void open_port(struct team_kit *k, const struct team_kit_config *cfg, struct port *p,
		      char *name)
{
	const struct port_pools *pools[TEAM_MAX];
	static char pair[] = "team";
	struct port_config c;

	option_defaults(&port_option_table, &c);
	for (unsigned int w = 0; w < k->n; w++)
		pools[w] = &k->pools[w];
	c.ring_pair = pair;
	c.device = name;
	c.queues = k->queues;
	c.steering = cfg->steering;
	if (!port_open_pools(&c, k->n, false, pools, k->n, p, err, sizeof(err)))
		fail_msg("%s", err);
	k->n_ports++;
	port_link_poll(p);
}

static void create_pools(struct team_kit *k)
{
	char name[16];
	struct port_pools_config c = {.name = name, .n_data = 4095, .n_indirect = 255,
				      .mtu = 1500, .socket = SOCKET_ID_ANY};

	for (unsigned int w = 0; w < k->n; w++) {
		snprintf(name, sizeof(name), "t%u", w);
		assert_true(port_pools_create(&c, &k->pools[w], err, sizeof(err)));
	}
}

static void create_worker(struct team_kit *k, const struct team_kit_config *cfg, unsigned int w)
{
	struct worker_config c = {.id = (uint16_t)w, .node = -1, .team = k->team,
				  .idle = cfg->idle};
	struct worker_msg m = {.op = WORKER_OP_LISTEN, .listener = &k->listener};

	c.engine = (struct engine_config){
		.ports = &k->engine_port, .n_ports = 1, .addresses = &k->address, .n_addresses = 1,
		.max_connections = 64, .max_half_open = 64, .max_time_wait = 64,
		.block_bytes = 2 * MIB, .max_paths = 64, .max_neighbors = 64,
		.reassembly_bytes = 64 * KIB, .rst_rate = 1000, .icmp_rate = 1000,
		.time_wait_us = US_PER_SEC, .pool = k->pools[w].data,
		.indirect = k->pools[w].indirect,
	};
	k->worker[w] = worker_create(&c, err, sizeof(err));
	if (!k->worker[w])
		fail_msg("%s", err);
	assert_true(worker_request(k->worker[w], &m));
	assert_true(m.version >= 0);
}

void team_open(struct team_kit *k, const struct team_kit_config *cfg)
{
	static char near[] = "teama", far[] = "teamb";
	struct port *ports[1] = {&k->near};
	struct worker_team_config t = {.ports = ports, .n_ports = 1,
				       .ring_size = cfg->ring_size,
				       .sleepy = cfg->idle == WORKER_SLEEP};

	memset(k, 0, sizeof(*k));
	open_kit = k;
	if (cfg->owners)
		t.owners = &cfg->owners;
	t.n = k->n = cfg->workers ? cfg->workers : TEAM_N;
	k->queues = cfg->queues ? cfg->queues : k->n;
	k->next_port = 10000;
	create_pools(k);
	open_port(k, cfg, &k->near, near);
	open_port(k, cfg, &k->far, far);
	if (cfg->port)
		cfg->port(&k->near);
	k->engine_port = (struct engine_port){.id = k->near.id, .cap = &k->near.cap,
					      .neighbor = cfg->neighbor,
					      .announce = cfg->announce};
	k->address = (struct engine_address){.port = k->near.id, .prefix = 24};
	flow_addr_v4(k->address.addr, SERVER_ADDR);
	if (cfg->v6) {
		k->address.prefix = 64;
		memcpy(k->address.addr, SERVER_ADDR6, 16);
	}
	option_defaults(&tcp_option_table, &k->listener.tcp);
	k->listener.handler = cfg->handler ? cfg->handler : &handler_echo;
	k->listener.local = LISTENER_ANY;
	k->listener.port_lo = k->listener.port_hi = TEAM_ECHO;
	listener_prepare(&k->listener);
	k->team = worker_team_create(&t, err, sizeof(err));
	if (!k->team)
		fail_msg("%s", err);
	for (unsigned int w = 0; w < k->n; w++)
		create_worker(k, cfg, w);
}

static void close_ports(struct team_kit *k)
{
	if (k->n_ports > 0)
		port_close(&k->near);
	if (k->n_ports > 1)
		port_close(&k->far);
}

static void stop_threads(struct team_kit *k)
{
	struct worker_msg stop = {.op = WORKER_OP_STOP};

	for (unsigned int w = 0; w < k->n; w++)
		if (worker_running(k->worker[w]))
			worker_request(k->worker[w], &stop);
	rte_eal_mp_wait_lcore();
}

void team_close(struct team_kit *k)
{
	for (unsigned int w = 0; w < k->n; w++) {
		struct worker_msg m = {.op = WORKER_OP_AUDIT};

		assert_true(worker_request(k->worker[w], &m));
		if (m.audit)
			fail_msg("worker %u: %s", w, m.audit);
	}
	for (unsigned int w = 0; w < k->n; w++) {
		worker_destroy(k->worker[w]);
		k->worker[w] = NULL;
	}
	worker_team_destroy(k->team);
	open_kit = NULL;
	close_ports(k);
	for (unsigned int w = 0; w < k->n; w++)
		assert_int_equal(port_pools_destroy(&k->pools[w]), 0);
}

int team_teardown(void **state)
{
	struct team_kit *k = open_kit;

	if (!k)
		return 0;
	open_kit = NULL;
	if (k->threads)
		stop_threads(k);
	for (unsigned int w = 0; w < k->n; w++)
		if (k->worker[w])
			worker_destroy(k->worker[w]);
	if (k->team)
		worker_team_destroy(k->team);
	close_ports(k);
	for (unsigned int w = 0; w < k->n; w++)
		if (k->pools[w].data)
			port_pools_destroy(&k->pools[w]);
	return 0;
}

struct frames_flow team_flow(struct team_kit *k, int owner)
{
	struct frames_flow f = {.addr = BE32(0xc6120001u), .to_port = TEAM_ECHO, .seq = 1000};

	eth_copy(f.mac, k->far.cap.mac);
	eth_copy(f.to_mac, k->near.cap.mac);
	do
		f.port = (uint16_t)k->next_port++;
	while (owner >= 0 && worker_team_flow(k->team, 0, f.addr, SERVER_ADDR, be16(f.port),
					      BE16(TEAM_ECHO)) != owner);
	return f;
}

void team_send(struct team_kit *k, unsigned int q, struct rte_mbuf *m)
{
	assert_int_equal(rte_eth_tx_burst(k->far.id, (uint16_t)q, &m, 1), 1);
}

void team_turns(struct team_kit *k, unsigned int n)
{
	const struct timespec pause = {.tv_nsec = 200000};

	for (unsigned int i = 0; i < n; i++) {
		for (unsigned int w = 0; w < k->n && !k->threads; w++)
			worker_turn(k->worker[w]);
		if (k->threads)
			nanosleep(&pause, NULL);
	}
}

struct rte_mbuf *team_take(struct team_kit *k, unsigned int *q)
{
	struct rte_mbuf *m;

	for (*q = 0; *q < k->far.plan.queues; ++*q)
		if (rte_eth_rx_burst(k->far.id, (uint16_t)*q, &m, 1))
			return m;
	return NULL;
}

struct rte_mbuf *team_wait(struct team_kit *k, const struct tcp_hdr **th, uint16_t *len)
{
	unsigned int q;
	struct rte_mbuf *m = team_take(k, &q);

	*len = 0;
	*th = m ? frames_tcp_of(m, len) : NULL;
	if (!m)
		team_turns(k, 1);
	return m;
}

void team_take_all(struct team_kit *k)
{
	struct rte_mbuf *m;
	unsigned int q;

	while ((m = team_take(k, &q)))
		rte_pktmbuf_free(m);
}

unsigned int team_drain(struct team_kit *k)
{
	const struct tcp_hdr *th;
	unsigned int n = 0;
	uint16_t len;

	for (unsigned int idle = 0; idle < 3;) {
		struct rte_mbuf *m = team_wait(k, &th, &len);

		n += th != NULL;
		idle = m ? 0 : idle + 1;
		rte_pktmbuf_free(m);
	}
	return n;
}

uint16_t team_expect(struct team_kit *k, struct frames_flow *f, uint8_t *flags, void *buf,
		     size_t room)
{
	/* Threads that share a CPU, under a sanitizer, may take long. */
	for (unsigned int i = 0; i < (k->threads ? 100000 : 50); i++) {
		const struct tcp_hdr *th;
		uint16_t len;
		struct rte_mbuf *m = team_wait(k, &th, &len);

		if (th && th->dport == be16(f->port)) {
			assert_in_range(len, 0, room);
			if (len)
				memcpy(buf, (const uint8_t *)th + tcp_hdr_len(th), len);
			*flags = th->flags & (uint8_t)~TCP_PSH;
			f->ack = be32(th->seq) + len + !!(th->flags & (TCP_SYN | TCP_FIN));
			rte_pktmbuf_free(m);
			return len;
		}
		rte_pktmbuf_free(m);
	}
	fail_msg("no segment came");
	return 0;
}

void team_handshake(struct team_kit *k, struct frames_flow *f, unsigned int q)
{
	struct rte_mempool *mp = k->pools[0].data;
	uint8_t flags;

	team_send(k, q, frames_tcp(mp, f, TCP_SYN, NULL, 0));
	team_expect(k, f, &flags, NULL, 0);
	assert_int_equal(flags, TCP_SYN | TCP_ACK);
	f->seq++;
	team_send(k, q, frames_tcp(mp, f, TCP_ACK, NULL, 0));
	team_turns(k, 3);
}

void team_echo(struct team_kit *k, struct frames_flow *f, unsigned int q)
{
	static const char hello[] = "is anybody there?";
	char back[64];
	uint8_t flags;

	team_send(k, q, frames_tcp(k->pools[0].data, f, TCP_ACK | TCP_PSH, hello, sizeof(hello)));
	f->seq += sizeof(hello);
	assert_int_equal(team_expect(k, f, &flags, back, sizeof(back)), sizeof(hello));
	assert_memory_equal(back, hello, sizeof(hello));
	assert_int_equal(flags, TCP_ACK);
}

void team_finish(struct team_kit *k, struct frames_flow *f, unsigned int q)
{
	uint8_t flags;

	team_send(k, q, frames_tcp(k->pools[0].data, f, TCP_ACK | TCP_FIN, NULL, 0));
	f->seq++;
	team_expect(k, f, &flags, NULL, 0);
	assert_int_equal(flags, TCP_FIN | TCP_ACK);
	team_send(k, q, frames_tcp(k->pools[0].data, f, TCP_ACK, NULL, 0));
	team_turns(k, 5);
}

uint64_t team_counted(const struct team_kit *k, unsigned int w, enum counter id)
{
	struct counters c;

	worker_snapshot(k->worker[w], &c);
	return c.v[id];
}

uint64_t team_counted_all(const struct team_kit *k, enum counter id)
{
	uint64_t n = 0;

	for (unsigned int w = 0; w < k->n; w++)
		n += team_counted(k, w, id);
	return n;
}

struct engine_usage team_usage(struct team_kit *k, unsigned int w)
{
	struct worker_msg m = {.op = WORKER_OP_USAGE};

	assert_true(worker_request(k->worker[w], &m));
	return m.usage;
}

int team_eal(void **state)
{
	static char args[][24] = {"test", "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry",
				  "-m", "256"};
	char *argv[ARRAY_SIZE(args) + 1] = {NULL};

	for (size_t i = 0; i < ARRAY_SIZE(args); i++)
		argv[i] = args[i];
	return rte_eal_init(ARRAY_SIZE(args), argv) < 0;
}

int team_eal_end(void **state)
{
	return rte_eal_cleanup();
}
