/*
 * Time by the hundred million: the timing wheel with idle connections in it, and TIME-WAIT at a million a
 * second.
 *
 *   COUNT             the wheel. COUNT records with a deadline each, as keep-alive leaves it: at random in
 *                     the second of two hours. Cycles to insert; of a tick before the first slot is due,
 *                     nearly all of the first hour; of an entry from there to its expiry, all its ways
 *                     from level to level included. A record here is its deadline and slot, 8 bytes.
 *   time_wait_COUNT   COUNT connections with http, one request each, closed by the server, a million a
 *                     second of the engine's time: so many are in TIME-WAIT after a minute, and none after
 *                     another. Cycles a connection, all calls of the engine's summed, for the first and the
 *                     last tenth; cycles a record that goes; bytes each, by the contract and of the process.
 *
 * A tick is one call, as the worker makes it, with its budget of 256.
 */
#include <stdlib.h>
#include <string.h>

#include "algo/wheel.h"
#include "base/seq.h"
#include "base/units.h"
#include "handlers/handlers.h"
#include "kit.h"
#include "peer.h"
#include "pkt/parse.h"
#include "server.h"
#include "worker/memory.h"

#define EAL_MIB	  64
#define MBUFS	  8192
#define BUDGET	  256
#define HOUR_MS	  (3600u * 1000)
#define WAVE	  (8 * BENCH_BURST)
#define MINUTE_US (60 * US_PER_SEC)
#define TENTHS	  10

struct timed {
	uint32_t deadline, slot;
};

struct crowd {
	struct wheel wheel;
	struct timed *records;
	uint64_t expired, moved;
};

static void bring(void *arg, uint32_t entry)
{
	prefetch_write(&((struct crowd *)arg)->records[entry]);
}

/* As tcp/timer.c does it. */
static void fire(void *arg, uint32_t entry, uint32_t slot)
{
	struct crowd *c = arg;
	struct timed *r = &c->records[entry];

	if (r->slot != slot)
		bench_die("an entry in a slot that its record does not know");
	if (seq_gt(r->deadline, wheel_tick(&c->wheel))) {
		r->slot = wheel_insert(&c->wheel, entry, r->deadline);
		c->moved++;
	} else {
		r->slot = 0;
		c->expired++;
	}
}

static void insert_all(struct crowd *c, uint32_t n)
{
	uint64_t seed = 88172645463325252ull;

	for (uint32_t i = 0; i < n; i++) {
		struct timed *r = &c->records[i];

		r->deadline = HOUR_MS + 1 + (uint32_t)(bench_random(&seed) % HOUR_MS);
		r->slot = wheel_insert(&c->wheel, i, r->deadline);
		if (!r->slot)
			bench_die("the wheel has no room for %u entries", n);
	}
}

/* Every tick up to the last; returns how many had more entries than one call's budget. */
static uint32_t ticks(struct crowd *c, uint32_t from, uint32_t to)
{
	uint32_t late = 0;

	for (uint32_t now = from; now <= to; now++) {
		unsigned int n = wheel_advance(&c->wheel, now, BUDGET, fire, c);

		late += n == BUDGET;
		while (n == BUDGET)
			n = wheel_advance(&c->wheel, now, BUDGET, fire, c);
	}
	return late;
}

static void *need(struct worker_memory *m, size_t bytes, const char *what)
{
	void *p = worker_alloc(m, bytes, what);

	if (!p)
		bench_die("no memory for %s", what);
	return p;
}

static void wheel(const char *name, uint32_t n)
{
	struct crowd *c = aligned_alloc(CACHE_LINE, (sizeof(*c) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
	struct worker_memory memory = {.node = -1, .prefault = true};
	const size_t bytes = wheel_bytes(n);
	uint64_t at[4];
	uint32_t late, busy;

	if (!c)
		bench_die("no memory");
	memset(c, 0, sizeof(*c));
	wheel_init(&c->wheel, need(&memory, bytes, "the wheel"), bytes, 0);
	wheel_set_prefetch(&c->wheel, bring);
	c->records = need(&memory, (size_t)n * sizeof(*c->records), "records");
	at[0] = rte_rdtsc();
	insert_all(c, n);
	busy = (uint32_t)wheel_next(&c->wheel);
	if (busy < 2 || busy > HOUR_MS + 1)
		bench_die("the first slot is due at %u", busy);
	at[1] = rte_rdtsc();
	ticks(c, 1, busy - 1);
	at[2] = rte_rdtsc();
	if (c->expired || c->moved)
		bench_die("%lu entries fired before their time", c->expired + c->moved);
	late = ticks(c, busy, 2 * HOUR_MS);
	at[3] = rte_rdtsc();
	if (c->expired != n || wheel_count(&c->wheel))
		bench_die("%lu of %u entries expired", c->expired, n);
	printf("  \"%s\": {\"entries\": %u, \"insert_cycles\": %.1f, \"idle_ticks\": %u, "
	       "\"idle_tick_cycles\": %.2f, "
	       "\"expiry_cycles\": %.1f, \"moves\": %.2f, \"ticks_over_budget\": %u, "
	       "\"bytes\": %.2f},\n", name, n, (double)(at[1] - at[0]) / n, busy - 1,
	       (double)(at[2] - at[1]) / (busy - 1), (double)(at[3] - at[2]) / n,
	       (double)c->moved / n, late,
	       (double)(c->wheel.fresh - 1) * sizeof(struct wheel_chunk) / n);
	fflush(stdout);
	worker_memory_free(&memory);
	free(c);
}

static const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 1};
static const struct pkt_port cap = {.mac = {2, 0, 0, 0, 0, 2}, .mtu = 1500,
				    .copy_below = PKT_COPY_BELOW, .flags = PKT_TX_MULTI_SEG,
				    .tx_mode = PKT_TX_COPIES};

struct closing {
	struct port_pools *pools;
	struct server server;
	struct engine *engine;
	struct counters counters;
	struct worker_memory memory;
	struct peer peer;
	uint64_t now_ns, cycles;
};

static uint64_t process_bytes(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	unsigned long kb, sum = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %lu", &kb) == 1 || sscanf(line, "HugetlbPages: %lu", &kb) == 1)
			sum += kb;
	if (f)
		fclose(f);
	return sum * KIB;
}

static uint64_t waiting(const struct closing *c)
{
	struct engine_usage u;

	engine_usage(c->engine, &u);
	return u.time_wait;
}

static void setup(struct closing *c, uint32_t n)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n";
	static const char *const settings[] = {"body-size", "64", "requests", "1", NULL};
	const struct server_plan plan = {.handler = &handler_http, .settings = settings,
					 .connections = 2 * WAVE, .working = 2 * WAVE,
					 .half_open = 2 * WAVE, .time_wait = n};
	struct peer_config pc = {.kind = PEER_SHORT, .n = n, .port = SERVER_PORT, .payload = request,
				 .len = sizeof(request) - 1, .check_every = 64};
	char err[256];

	memcpy(pc.mac, peer_mac, sizeof(pc.mac));
	memcpy(pc.server_mac, cap.mac, sizeof(pc.server_mac));
	c->memory.node = -1;
	server_init(&c->server, &plan, &cap, c->pools);
	c->server.config.counters = &c->counters;
	c->server.config.alloc = worker_alloc;
	c->server.config.alloc_arg = &c->memory;
	c->engine = engine_create(&c->server.config, 0, err, sizeof(err));
	if (!c->engine)
		bench_die("no engine for %u connections in TIME-WAIT: %s", n, err);
	if (engine_listen(c->engine, &c->server.listener) < 0)
		bench_die("the engine does not listen");
	peer_init(&c->peer, &pc);
}

/* One burst in, its answers to the peer. */
static void burst(struct closing *c, uint32_t from)
{
	static struct pkt_facts facts[BENCH_BURST];
	struct rte_mbuf *in[BENCH_BURST], *out[2 * BENCH_BURST];
	const uint64_t now = c->now_ns / 1000;
	unsigned int sent;
	uint64_t start;
	uint32_t i;

	if (rte_pktmbuf_alloc_bulk(c->pools->data, in, BENCH_BURST))
		bench_die("no mbufs left");
	for (unsigned int k = 0; k < BENCH_BURST; k++)
		peer_next(&c->peer, from + k, in[k]);
	start = rte_rdtsc();
	pkt_parse_burst(in, facts, BENCH_BURST, 0, &cap);
	engine_input(c->engine, in, facts, BENCH_BURST, now);
	sent = engine_output(c->engine, 0, out, 2 * BENCH_BURST, now);
	engine_tick(c->engine, now, BUDGET);
	c->cycles += rte_rdtsc() - start;
	for (unsigned int k = 0; k < sent; k++)
		if (peer_take(&c->peer, out[k], &i) == PEER_ERROR)
			bench_die("the peer: %s", c->peer.error);
	rte_pktmbuf_free_bulk(out, sent);
}

/* Connections from..to, a million a second; returns cycles each. */
static double close_all(struct closing *c, uint32_t from, uint32_t to)
{
	c->cycles = 0;
	for (uint32_t w = from; w < to; w += WAVE) {
		for (unsigned int phase = 0; phase < 3; phase++) {
			for (uint32_t i = 0; i < WAVE; i += BENCH_BURST) {
				burst(c, w + i);
				c->now_ns += BENCH_BURST * 1000 / 3;
				c->peer.tick = (uint32_t)(c->now_ns / 1000000 + 1);
			}
		}
	}
	return (double)c->cycles / (to - from);
}

/* Nothing but ticks, one each 32 us, until no record waits; returns cycles a record. */
static double expire(struct closing *c, uint32_t n)
{
	const uint64_t end = c->now_ns / 1000 + MINUTE_US + US_PER_SEC, start = rte_rdtsc();
	uint64_t cycles;

	for (uint64_t now = c->now_ns / 1000; now < end; now += BENCH_BURST)
		engine_tick(c->engine, now, BUDGET);
	cycles = rte_rdtsc() - start;
	c->now_ns = end * 1000;
	if (waiting(c))
		bench_die("%lu records of %u are still in TIME-WAIT", waiting(c), n);
	return (double)cycles / n;
}

static void tear_down(struct closing *c)
{
	const char *wrong = engine_audit(c->engine);

	for (unsigned int i = 0; i < CTR_TX_DROPS_END; i++)
		if (c->counters.v[i])
			bench_die("%lu packets dropped as %s", c->counters.v[i], counter_info[i].name);
	if (wrong)
		bench_die("the engine's books: %s", wrong);
	engine_destroy(c->engine, c->now_ns / 1000);
	server_free(&c->server);
	worker_memory_free(&c->memory);
	peer_free(&c->peer);
	free(c);
}

static void time_wait(struct port_pools *pools, const char *name, uint32_t n)
{
	struct closing *c = aligned_alloc(CACHE_LINE, (sizeof(*c) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
	struct engine_contract contract;
	uint64_t empty, held;
	double first, last, gone;
	uint32_t tenth;

	n = n / (TENTHS * WAVE) * (TENTHS * WAVE);
	tenth = n / TENTHS;
	if (!c || !n)
		bench_die("%s: at least %u connections", name, TENTHS * WAVE);
	memset(c, 0, sizeof(*c));
	c->pools = pools;
	setup(c, n);
	empty = process_bytes();
	first = close_all(c, 0, tenth);
	close_all(c, tenth, n - tenth);
	last = close_all(c, n - tenth, n);
	held = waiting(c);
	if (c->counters.v[CTR_TIME_WAIT_ENTERED] != n || c->counters.v[CTR_TIME_WAIT_RECYCLED])
		bench_die("%lu of %u connections entered TIME-WAIT", c->counters.v[CTR_TIME_WAIT_ENTERED], n);
	empty = process_bytes() - empty;
	engine_size(&c->server.config, &contract);
	gone = expire(c, n);
	printf("  \"%s\": {\"connections\": %u, \"held\": %lu, \"first_cycles\": %.1f, "
	       "\"last_cycles\": %.1f, \"expiry_cycles\": %.1f, \"contract_bytes\": %.1f, "
	       "\"process_bytes\": %.1f},\n", name, n, held, first, last, gone, contract.per_time_wait,
	       (double)empty / (double)held);
	fflush(stdout);
	tear_down(c);
}

/* "1k", "10m" */
static uint32_t number(const char *name, const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	n *= *end == 'k' ? 1000 : *end == 'm' ? 1000000 : 1;
	if (end == text || n == 0 || n > 100000000)
		bench_die("%s: expected a number of entries, as 1k or 10m, up to 100m, or time_wait_ and "
			  "one of connections", name);
	return (uint32_t)n;
}

int main(int argc, char **argv)
{
	static const char *const all[] = {"1m", "10m", "100m", "time_wait_60m", NULL};
	static const char *const quick[] = {"1m", "time_wait_1m", NULL};
	static const char prefix[] = "time_wait_";
	static struct bench_options o;
	const char *const *names;
	struct port_pools pools;

	o.cores = 1;
	bench_options(&o, argc, argv);
	names = o.names[0] ? o.names : o.quick ? quick : all;
	bench_eal(&o, EAL_MIB);
	bench_pools(&pools, MBUFS);
	printf("{\n");
	for (unsigned int i = 0; names[i]; i++) {
		if (!strncmp(names[i], prefix, sizeof(prefix) - 1))
			time_wait(&pools, names[i], number(names[i], names[i] + sizeof(prefix) - 1));
		else
			wheel(names[i], number(names[i], names[i]));
	}
	printf("  \"bench\": \"wheel\", \"tsc_hz\": %lu\n}\n", rte_get_tsc_hz());
	if (port_pools_destroy(&pools))
		bench_die("mbufs were lost");
	return rte_eal_cleanup() ? 1 : 0;
}
