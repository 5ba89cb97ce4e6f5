/*
 * Hyperscan through TCP against Hyperscan alone: the same bytes, in the same pieces, by the same rules,
 * once as segments of connections that the match handler serves, once in a bare loop of hs_scan_stream
 * over as many streams.
 *
 * One thread on one CPU, runs of both in turn. Of TCP everything is counted but the peer: parsing, input
 * with the handler, output of the ACKs, timers. handler is the part between the readings around the
 * callbacks. Rules are literals, character classes and bounded repeats by thirds, from a fixed seed.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hs.h>

#include "base/units.h"
#include "handlers/handlers.h"
#include "kit.h"
#include "match/rules.h"
#include "peer.h"
#include "pkt/parse.h"
#include "server.h"
#include "worker/memory.h"

#define CONNS   8u
#define WINDOW  64u
#define LARGE   1448 /* what a segment with timestamps holds */
#define SMALL   64

static const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 1};
static const struct pkt_port cap = {.mac = {2, 0, 0, 0, 0, 2}, .mtu = 1500,
				    .copy_below = PKT_COPY_BELOW, .flags = PKT_TX_MULTI_SEG,
				    .tx_mode = PKT_TX_COPIES};
static struct bench_options opt;
static struct port_pools pools;
static char folder[] = "/tmp/pier_bench_match_XXXXXX";
static uint8_t payload[LARGE];
static uint64_t matches; /* of the bare loop */

static void word(FILE *f, uint64_t *seed, unsigned int len)
{
	for (unsigned int i = 0; i < len; i++)
		fputc('a' + (int)(bench_random(seed) % 26), f);
}

static void write_rules(const char *path, unsigned int n)
{
	uint64_t seed = 88172645463325252ull;
	FILE *f = fopen(path, "w");

	if (!f)
		bench_die("cannot write %s", path);
	for (unsigned int i = 0; i < n; i++) {
		fprintf(f, "%u:/", i);
		word(f, &seed, 6);
		if (i % 3 == 1)
			fputs("[0-9a-f]+[g-m]", f);
		if (i % 3 == 2)
			fputs(".{2,20}x", f);
		word(f, &seed, 3);
		fputs("/\n", f);
	}
	fclose(f);
}

/* Words and blanks, in which rules begin to match now and then. */
static void make_payload(void)
{
	uint64_t seed = 1234567;

	for (unsigned int i = 0; i < sizeof(payload); i++)
		payload[i] = bench_random(&seed) % 6 ? (uint8_t)('a' + bench_random(&seed) % 26) : ' ';
}

/* ---- the bare loop ---- */

struct bare {
	hs_database_t *db;
	hs_scratch_t *scratch;
	hs_stream_t *stream[CONNS];
};

static void bare_open(struct bare *b, const char *path)
{
	struct match_rules r;
	hs_compile_error_t *e;
	char err[200];
	const char **expr;
	unsigned int *id;

	if (!match_rules_load(&r, path, err, sizeof(err)))
		bench_die("%s", err);
	expr = calloc(r.n, sizeof(*expr));
	id = calloc(r.n, sizeof(*id));
	for (uint32_t i = 0; i < r.n; i++) {
		expr[i] = r.rule[i].expr;
		id[i] = i;
	}
	if (hs_compile_multi(expr, NULL, id, r.n, HS_MODE_STREAM, NULL, &b->db, &e) != HS_SUCCESS)
		bench_die("%s", e->message);
	b->scratch = NULL;
	if (hs_alloc_scratch(b->db, &b->scratch) != HS_SUCCESS)
		bench_die("no memory for scratch");
	for (unsigned int i = 0; i < CONNS; i++)
		if (hs_open_stream(b->db, 0, &b->stream[i]) != HS_SUCCESS)
			bench_die("no memory for a stream");
	free(expr);
	free(id);
	match_rules_free(&r);
}

static void bare_close(struct bare *b)
{
	for (unsigned int i = 0; i < CONNS; i++)
		hs_close_stream(b->stream[i], NULL, NULL, NULL);
	hs_free_scratch(b->scratch);
	hs_free_database(b->db);
}

static int on_match(unsigned int id, unsigned long long from, unsigned long long to,
		    unsigned int flags, void *arg)
{
	matches++;
	return 0;
}

static double bare_run(struct bare *b, unsigned int len, unsigned int bursts)
{
	const uint64_t start = rte_rdtsc();

	for (unsigned int r = 0; r < bursts; r++)
		for (unsigned int i = 0; i < BENCH_BURST; i++)
			hs_scan_stream(b->stream[i % CONNS], (const char *)payload, len, 0, b->scratch,
				       on_match, NULL);
	return (double)(rte_rdtsc() - start) / bursts / BENCH_BURST;
}

/* ---- through TCP ---- */

struct served {
	struct server server;
	struct engine *engine;
	struct counters counters;
	struct worker_memory memory;
	struct peer peer;
	uint64_t start, cycles;
};

static uint64_t ticks(void)
{
	return rte_rdtsc();
}

static void served_open(struct served *s, const char *path, uint16_t len)
{
	const char *const settings[] = {"rules", path, "cache", folder, NULL};
	const struct server_plan plan = {.handler = &handler_match, .settings = settings,
					 .connections = 64, .working = 64, .half_open = 64,
					 .time_wait = 64};
	struct peer_config peer = {.kind = PEER_PUSH, .n = CONNS, .port = SERVER_PORT,
				   .payload = payload, .len = len, .window = WINDOW,
				   .check_every = 1024};
	char err[256];

	memset(s, 0, sizeof(*s));
	s->memory.node = -1;
	s->start = rte_rdtsc();
	server_init(&s->server, &plan, &cap, &pools);
	s->server.config.counters = &s->counters;
	s->server.config.alloc = worker_alloc;
	s->server.config.alloc_arg = &s->memory;
	s->server.config.ticks = ticks;
	s->server.config.ticks_per_us = rte_get_tsc_hz() / US_PER_SEC;
	s->engine = engine_create(&s->server.config, 0, err, sizeof(err));
	if (!s->engine || engine_listen(s->engine, &s->server.listener) < 0)
		bench_die("no engine: %s", err);
	memcpy(peer.mac, peer_mac, sizeof(peer.mac));
	memcpy(peer.server_mac, cap.mac, sizeof(peer.server_mac));
	peer_init(&s->peer, &peer);
}

/* n packets in, what comes out to the peer; what that has to say, *n of it, is in pkts again. */
static void turn(struct served *s, struct rte_mbuf **pkts, unsigned int *n)
{
	static struct pkt_facts facts[BENCH_BURST];
	struct rte_mbuf *out[2 * BENCH_BURST];
	const uint64_t now = (rte_rdtsc() - s->start) / (rte_get_tsc_hz() / US_PER_SEC);
	const uint64_t start = rte_rdtsc();
	unsigned int sent, kept = 0;
	uint32_t i;

	pkt_parse_burst(pkts, facts, *n, 0, &cap);
	engine_input(s->engine, pkts, facts, *n, now);
	sent = engine_output(s->engine, 0, out, ARRAY_SIZE(out), now);
	engine_tick(s->engine, now, 256);
	s->cycles += rte_rdtsc() - start;
	s->peer.tick = (uint32_t)(1 + now / 1000);
	for (unsigned int k = 0; k < sent; k++) {
		if (peer_take(&s->peer, out[k], &i) == PEER_OPENED && kept < BENCH_BURST) {
			peer_ack(&s->peer, i, out[k]);
			pkts[kept++] = out[k];
		} else {
			rte_pktmbuf_free(out[k]);
		}
	}
	*n = kept;
}

static void handshakes(struct served *s)
{
	struct rte_mbuf *pkts[BENCH_BURST];
	unsigned int n = CONNS;

	if (rte_pktmbuf_alloc_bulk(pools.data, pkts, n))
		bench_die("no mbufs left");
	for (uint32_t i = 0; i < CONNS; i++)
		peer_next(&s->peer, i, pkts[i]);
	while (n)
		turn(s, pkts, &n);
	if (s->counters.v[CTR_CONN_OPENED] != CONNS)
		bench_die("%lu of %u connections are open", s->counters.v[CTR_CONN_OPENED], CONNS);
}

static double served_run(struct served *s, unsigned int bursts)
{
	struct rte_mbuf *pkts[BENCH_BURST];
	unsigned int n;

	s->cycles = 0;
	for (unsigned int r = 0; r < bursts; r++) {
		n = BENCH_BURST;
		if (rte_pktmbuf_alloc_bulk(pools.data, pkts, n))
			bench_die("no mbufs left");
		for (uint32_t i = 0; i < BENCH_BURST; i++) {
			if (!peer_credit(&s->peer, i % CONNS))
				bench_die("connection %u does not acknowledge", i % CONNS);
			peer_next(&s->peer, i % CONNS, pkts[i]);
		}
		turn(s, pkts, &n);
	}
	if (s->peer.errors)
		bench_die("%s", s->peer.error);
	return (double)s->cycles / bursts / BENCH_BURST;
}

static void served_close(struct served *s)
{
	engine_destroy(s->engine, 0);
	worker_memory_free(&s->memory);
	peer_free(&s->peer);
	server_free(&s->server);
}

/* ---- figures ---- */

static void compare(unsigned int rules, uint16_t len, const char *end)
{
	struct bench_series bare = {0}, tcp = {0}, handler = {0}, ratio = {0};
	const unsigned int bursts = (opt.quick ? 2000u : 20000u) / (len == LARGE ? 10 : 1);
	static struct served s;
	char path[64];
	struct bare b;

	snprintf(path, sizeof(path), "%s/%u.rules", folder, rules);
	write_rules(path, rules);
	served_open(&s, path, len);
	bare_open(&b, path); /* streams of both from the match room's pools, which are there by now */
	handshakes(&s);
	for (unsigned int r = 0; r < opt.runs; r++) {
		const uint64_t before = s.counters.v[CTR_HANDLER_TICKS];
		double alone = bare_run(&b, len, bursts), served = served_run(&s, bursts);

		bench_add(&bare, alone);
		bench_add(&tcp, served);
		bench_add(&handler, (double)(s.counters.v[CTR_HANDLER_TICKS] - before) / bursts / BENCH_BURST);
		bench_add(&ratio, alone / served);
	}
	printf("\"rules_%u_bytes_%u\": {", rules, len);
	bench_print("bare_cycles", &bare, ",");
	bench_print("tcp_cycles", &tcp, ",");
	bench_print("handler_cycles", &handler, ",");
	bench_print("bare_to_tcp", &ratio, "");
	printf("}%s\n", end);
	bare_close(&b);
	served_close(&s);
}

int main(int argc, char **argv)
{
	static const unsigned int rules[] = {1, 100, 2000};
	char command[100];

	opt.cores = 1;
	bench_options(&opt, argc, argv);
	bench_eal(&opt, 128);
	bench_pools(&pools, 4096);
	if (!mkdtemp(folder))
		bench_die("cannot make a folder in /tmp");
	make_payload();
	puts("{");
	for (unsigned int i = 0; i < 3; i++) {
		compare(rules[i], LARGE, ",");
		compare(rules[i], SMALL, i == 2 ? "" : ",");
	}
	puts("}");
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command) != 0;
}
