/*
 * Cycles per packet without a port: parsing, the connection table, and the engine with an echo.
 *
 * One thread on one CPU. Only the calls named in a figure lie between the readings of the time-stamp
 * counter, taken around bursts of 32; the peer that makes the packets works outside of them. Packets
 * are therefore warm in the cache when their turn comes, as they are where a NIC writes to it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "flow/table.h"
#include "flow/tuple.h"
#include "kit.h"
#include "peer.h"
#include "pkt/parse.h"
#include "server.h"
#include "wire/be.h"
#include "worker/memory.h"

#define PACKETS   256
#define RECORD    128 /* bytes of a connection at rest */
#define MBUFS     4096
#define MILLION   1000000u
#define WAITING   100000u /* connections whose echo waits for its ACK: each keeps an mbuf */

static const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 1};
static const struct pkt_port cap = {.mac = {2, 0, 0, 0, 0, 2}, .mtu = 1500,
				    .copy_below = PKT_COPY_BELOW, .flags = PKT_TX_MULTI_SEG,
				    .tx_mode = PKT_TX_COPIES};

static struct bench_options opt;
static struct port_pools pools;

static void take(struct rte_mbuf **pkts, unsigned int n)
{
	if (rte_pktmbuf_alloc_bulk(pools.data, pkts, n))
		bench_die("no mbufs left");
}

static void parse_once(struct rte_mbuf **pkts, unsigned int rounds, struct bench_series *s)
{
	static struct pkt_facts facts[BENCH_BURST];
	const uint64_t start = rte_rdtsc();

	for (unsigned int r = 0; r < rounds; r++)
		for (unsigned int i = 0; i < PACKETS; i += BENCH_BURST)
			pkt_parse_burst(pkts + i, facts, BENCH_BURST, 0, &cap);
	bench_add(s, (double)(rte_rdtsc() - start) / ((double)rounds * PACKETS));
	for (unsigned int i = 0; i < BENCH_BURST; i++)
		if (facts[i].kind != PKT_TCP || facts[i].payload_len != PEER_MESSAGE)
			bench_die("the parser does not take the peer's segments: reason %u",
				  facts[i].reason);
}

static void parse(void)
{
	struct rte_mbuf *pkts[PACKETS];
	struct bench_series s = {0};
	struct peer peer;

	take(pkts, PACKETS);
	peer_init(&peer, PACKETS, SERVER_PORT, peer_mac, cap.mac);
	for (unsigned int i = 0; i < PACKETS; i++)
		peer_message(&peer, i, pkts[i]);
	for (unsigned int r = 0; r < opt.runs; r++)
		parse_once(pkts, opt.instructions ? 4 : 2000, &s);
	peer_free(&peer);
	rte_pktmbuf_free_bulk(pkts, PACKETS);
	bench_print("parse", &s, ",");
}

/* The table alone, and records of which only the tuple matters here. */
struct lookup {
	struct flow_key key;
	struct flow_table table;
	struct worker_memory memory;
	uint8_t *records;
	uint32_t n;
};

static struct flow_tuple *record(const struct lookup *l, uint32_t i)
{
	return (struct flow_tuple *)(l->records + (size_t)i * RECORD);
}

static struct flow_tuple tuple(uint32_t i)
{
	struct flow_tuple t = {.remote_port = be16((uint16_t)(PEER_PORT_LOW + i % PEER_PORTS)),
			       .local_port = BE16(SERVER_PORT)};

	flow_addr_v4(t.remote, be32(PEER_CLIENTS + i / PEER_PORTS));
	return t;
}

static void lookup_init(struct lookup *l, uint32_t n)
{
	const size_t bytes = flow_table_bytes(n);
	void *mem;

	*l = (struct lookup){.memory.node = -1, .n = n};
	for (unsigned int i = 0; i < ARRAY_SIZE(l->key.k); i++)
		l->key.k[i] = 0x9e3779b97f4a7c15ull * (i + 1);
	mem = worker_alloc(&l->memory, bytes, "table");
	l->records = worker_alloc(&l->memory, (size_t)n * RECORD, "records");
	if (!mem || !l->records || flow_table_init(&l->table, mem, n))
		bench_die("no memory for a table of %u", n);
	for (uint32_t i = 0; i < n; i++) {
		*record(l, i) = tuple(i);
		if (flow_table_insert(&l->table, flow_hash(&l->key, record(l, i)),
				      flow_entry(FLOW_CONN, i)))
			bench_die("the table of %u is full at %u", n, i);
	}
}

/* As the engine does it: a pass for the hashes, one for the buckets, one for the records. */
static unsigned int lookup_burst(const struct lookup *l, const struct flow_tuple *tuples)
{
	struct flow_cursor cursor[BENCH_BURST];
	uint32_t entry[BENCH_BURST];
	uint64_t hash[BENCH_BURST];
	unsigned int found = 0;

	for (unsigned int i = 0; i < BENCH_BURST; i++) {
		hash[i] = flow_hash(&l->key, &tuples[i]);
		flow_table_prefetch(&l->table, hash[i]);
	}
	for (unsigned int i = 0; i < BENCH_BURST; i++) {
		entry[i] = flow_table_first(&l->table, hash[i], &cursor[i]);
		if (entry[i] != FLOW_NONE)
			prefetch(record(l, flow_entry_index(entry[i])));
	}
	for (unsigned int i = 0; i < BENCH_BURST; i++) {
		while (entry[i] != FLOW_NONE &&
		       !flow_tuple_equal(record(l, flow_entry_index(entry[i])), &tuples[i]))
			entry[i] = flow_table_next(&l->table, &cursor[i]);
		found += entry[i] != FLOW_NONE;
	}
	return found;
}

static void lookup(uint32_t n, const char *name)
{
	const unsigned int bursts = opt.instructions ? 32 : 16384;
	struct flow_tuple tuples[BENCH_BURST];
	struct bench_series s = {0};
	uint64_t seed = 88172645463325252ull;
	struct lookup l;

	lookup_init(&l, n);
	for (unsigned int r = 0; r < opt.runs; r++) {
		uint64_t cycles = 0;

		for (unsigned int b = 0; b < bursts; b++) {
			uint64_t start;

			for (unsigned int i = 0; i < BENCH_BURST; i++)
				tuples[i] = tuple((uint32_t)(bench_random(&seed) % n));
			start = rte_rdtsc();
			if (lookup_burst(&l, tuples) != BENCH_BURST)
				bench_die("a connection of %u was not found", n);
			cycles += rte_rdtsc() - start;
		}
		bench_add(&s, (double)cycles / ((double)bursts * BENCH_BURST));
	}
	worker_memory_free(&l.memory);
	bench_print(name, &s, ",");
}

/* An engine, its peer, and the cycles of each call. */
struct echo {
	struct server server;
	struct engine *engine;
	struct counters counters;
	struct worker_memory memory;
	struct peer peer;
	uint32_t *order;
	bool rest; /* echoes are acknowledged at once, off the clock: messages meet connections at rest */
	uint64_t start;                /* of the clock */
	uint64_t parse, input, output, tick; /* cycles */
};

static uint64_t clock_us(const struct echo *e)
{
	return (rte_rdtsc() - e->start) / (rte_get_tsc_hz() / US_PER_SEC);
}

static void echo_init(struct echo *e, uint32_t n)
{
	char err[256];

	memset(e, 0, sizeof(*e));
	e->memory.node = -1;
	e->start = rte_rdtsc();
	server_init(&e->server, n, 0, &cap, &pools);
	e->server.config.counters = &e->counters;
	e->server.config.alloc = worker_alloc;
	e->server.config.alloc_arg = &e->memory;
	e->engine = engine_create(&e->server.config, 0, err, sizeof(err));
	if (!e->engine)
		bench_die("no engine for %u connections: %s", n, err);
	if (engine_listen(e->engine, &e->server.listener) < 0)
		bench_die("the engine does not listen");
	peer_init(&e->peer, n, SERVER_PORT, peer_mac, cap.mac);
	e->order = malloc(n * sizeof(*e->order));
	if (!e->order)
		bench_die("no memory for the order of %u connections", n);
	for (uint32_t i = 0; i < n; i++)
		e->order[i] = i;
}

/* A turn: n packets in, what the engine has to say out. Returns packets in out. */
static unsigned int turn(struct echo *e, struct rte_mbuf **in, unsigned int n,
			 struct rte_mbuf **out, unsigned int max)
{
	static struct pkt_facts facts[BENCH_BURST];
	const uint64_t now = clock_us(e);
	uint64_t t[5];
	unsigned int sent;

	t[0] = rte_rdtsc();
	pkt_parse_burst(in, facts, n, 0, &cap);
	t[1] = rte_rdtsc();
	engine_input(e->engine, in, facts, n, now);
	t[2] = rte_rdtsc();
	sent = engine_output(e->engine, 0, out, max, now);
	t[3] = rte_rdtsc();
	engine_tick(e->engine, now, 256);
	t[4] = rte_rdtsc();
	e->parse += t[1] - t[0];
	e->input += t[2] - t[1];
	e->output += t[3] - t[2];
	e->tick += t[4] - t[3];
	return sent;
}

/* Give the answers to the peer; its own answers go back into pkts. Returns how many. */
static unsigned int to_peer(struct echo *e, struct rte_mbuf **pkts, unsigned int n)
{
	unsigned int kept = 0;

	e->peer.tick = (uint32_t)(1 + clock_us(e) / 1000);
	for (unsigned int i = 0; i < n; i++) {
		if (peer_input(&e->peer, pkts[i]))
			pkts[kept++] = pkts[i];
		else
			rte_pktmbuf_free(pkts[i]);
	}
	return kept;
}

static void echo_open(struct echo *e)
{
	struct rte_mbuf *in[BENCH_BURST], *out[2 * BENCH_BURST];
	unsigned int n;

	e->peer.talk = false;
	for (uint32_t i = 0; i < e->peer.n; i += n) {
		n = min_of(e->peer.n - i, (uint32_t)BENCH_BURST);
		take(in, n);
		e->peer.tick = (uint32_t)(1 + clock_us(e) / 1000);
		for (unsigned int k = 0; k < n; k++)
			peer_syn(&e->peer, i + k, in[k]);
		n = to_peer(e, out, turn(e, in, n, out, ARRAY_SIZE(out)));
		if (n == 0)
			break;
		to_peer(e, out + n, turn(e, out, n, out + n, BENCH_BURST));
	}
	if (e->peer.established != e->peer.n || e->counters.v[CTR_CONN_OPENED] != e->peer.n)
		bench_die("%lu of %u connections open at the peer, %lu at the server",
			  e->peer.established, e->peer.n, e->counters.v[CTR_CONN_OPENED]);
}

static void shuffle(struct echo *e, uint64_t *seed)
{
	for (uint32_t i = e->peer.n - 1; i > 0; i--) {
		const uint32_t j = (uint32_t)(bench_random(seed) % (i + 1));
		const uint32_t x = e->order[i];

		e->order[i] = e->order[j];
		e->order[j] = x;
	}
}

/* Have the ACKs among the n packets of the peer taken in, off the clock. */
static void settle(struct echo *e, struct rte_mbuf **acks, unsigned int n)
{
	struct rte_mbuf *out[BENCH_BURST];
	const uint64_t parse_cycles = e->parse, input = e->input, output = e->output,
		       tick = e->tick;

	if (turn(e, acks, n, out, ARRAY_SIZE(out)))
		bench_die("the engine answered an ACK");
	e->parse = parse_cycles;
	e->input = input;
	e->output = output;
	e->tick = tick;
}

/* One message on each connection, answered; the next acknowledges the answer, or an ACK does. */
static void echo_round(struct echo *e)
{
	struct rte_mbuf *in[BENCH_BURST], *out[2 * BENCH_BURST];
	unsigned int n, sent;

	for (uint32_t i = 0; i < e->peer.n; i += n) {
		n = min_of(e->peer.n - i, (uint32_t)BENCH_BURST);
		take(in, n);
		e->peer.tick = (uint32_t)(1 + clock_us(e) / 1000);
		for (unsigned int k = 0; k < n; k++)
			peer_message(&e->peer, e->order[i + k], in[k]);
		sent = turn(e, in, n, out, ARRAY_SIZE(out));
		sent = to_peer(e, out, sent);
		if (e->rest)
			settle(e, out, sent);
		else
			rte_pktmbuf_free_bulk(out, sent);
	}
}

struct echo_series {
	struct bench_series parse, input, output, tick, total;
};

static void echo_run(struct echo *e, unsigned int rounds, uint64_t *seed, struct echo_series *s)
{
	const uint64_t before = e->peer.echoed;
	double packets;

	e->parse = e->input = e->output = e->tick = 0;
	for (unsigned int r = 0; r < rounds; r++) {
		shuffle(e, seed);
		echo_round(e);
	}
	packets = (double)(e->peer.echoed - before);
	if (packets != (double)rounds * e->peer.n || e->peer.errors)
		bench_die("%.0f of %.0f messages came back, %lu errors", packets,
			  (double)rounds * e->peer.n, e->peer.errors);
	bench_add(&s->parse, (double)e->parse / packets);
	bench_add(&s->input, (double)e->input / packets);
	bench_add(&s->output, (double)e->output / packets);
	bench_add(&s->tick, (double)e->tick / packets);
	bench_add(&s->total, (double)(e->parse + e->input + e->output + e->tick) / packets);
}

static void echo_print(const struct echo *e, const char *name, const struct echo_series *s,
		       const char *end)
{
	struct engine_contract c;

	engine_size(&e->server.config, &c);
	printf("  \"%s\": {\n", name);
	printf("  \"retransmissions\": %lu, \"idle_bytes_per_connection\": %.1f,\n",
	       e->counters.v[CTR_TX_RETRANSMITS], c.per_idle_connection);
	bench_print("parse", &s->parse, ",");
	bench_print("input", &s->input, ",");
	bench_print("output", &s->output, ",");
	bench_print("tick", &s->tick, ",");
	bench_print("total", &s->total, "");
	printf("  }%s\n", end);
}

static void echo(uint32_t n, bool rest, const char *name, const char *end)
{
	const unsigned int packets = opt.instructions ? n : opt.quick ? 200000 : 1000000;
	const unsigned int rounds = max_of(packets / n, 1u);
	uint64_t seed = 88172645463325252ull;
	struct echo_series s = {0};
	struct echo *e = aligned_alloc(CACHE_LINE, sizeof(*e));
	const char *wrong;

	if (!e)
		bench_die("no memory");
	echo_init(e, n);
	echo_open(e);
	e->rest = rest;
	echo_round(e); /* touches every block and settles the table */
	for (unsigned int r = 0; r < opt.runs; r++)
		echo_run(e, rounds, &seed, &s);
	echo_print(e, name, &s, end);
	wrong = engine_audit(e->engine);
	if (wrong)
		bench_die("the engine's books: %s", wrong);
	engine_destroy(e->engine, clock_us(e));
	worker_memory_free(&e->memory);
	peer_free(&e->peer);
	free(e->order);
	free(e);
}

static void lookups(void)
{
	lookup(1000, "lookup_1k");
	if (!opt.instructions)
		lookup(MILLION, "lookup_1m");
	if (!opt.quick && worker_memory_available() > 20ull * MILLION * (RECORD + 8))
		lookup(10 * MILLION, "lookup_10m");
}

static void echoes(void)
{
	if (!opt.quick) {
		echo(WAITING, false, "echo_100k", ",");
		echo(WAITING, true, "echo_rest_100k", ",");
		echo(MILLION, true, "echo_rest_1m", ",");
	}
	echo(1000, true, "echo_rest_1k", ",");
	echo(1000, false, "echo_1k", "");
}

int main(int argc, char **argv)
{
	bool huge;

	opt.cores = 1;
	bench_options(&opt, argc, argv);
	huge = bench_eal(&opt, opt.quick ? 64 : 512);
	bench_pools(&pools, MBUFS + (opt.quick ? 0 : WAITING));
	printf("{\n  \"bench\": \"noport\", \"tsc_hz\": %lu, \"packets_in_huge_pages\": %s,\n",
	       rte_get_tsc_hz(), huge ? "true" : "false");
	parse();
	lookups();
	echoes();
	printf("}\n");
	if (port_pools_destroy(&pools))
		bench_die("mbufs were lost");
	return rte_eal_cleanup() ? 1 : 0;
}
