/*
 * Hyperscan through TCP against Hyperscan alone: the same bytes, in the same pieces, by the same rules,
 * once as segments of connections that the match handler serves, once in a bare loop of hs_scan_stream
 * over as many streams.
 *
 * One thread on one CPU, runs of all in turn. Of TCP everything is counted but the peer: parsing, input
 * with the handler, output of the ACKs, timers. handler is the part between the readings around the
 * callbacks. A port verifies checksums, or (soft) pier does. The last shape is what a port with LRO hands
 * over: 44 segments of one connection as one packet. Rules come from a fixed seed.
 *
 * Then what a connection takes of memory, and the longest turn that bad rules and a bad client can cause.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hs.h>

#include "base/units.h"
#include "handlers/handlers.h"
#include "kit.h"
#include "match/db.h"
#include "match/pool.h"
#include "match/stream.h"
#include "peer.h"
#include "pkt/parse.h"
#include "server.h"
#include "wire/be.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "worker/memory.h"

#define CONNS   8u
#define WINDOW  512u
#define JUMBO   8948 /* payload of a segment with timestamps in a packet of 9,000 bytes */
#define LINKS   44u  /* of 1,448 bytes: what a first window lets into one packet */
#define PACKETS BENCH_BURST
#define PIECES  (CONNS * LINKS)

/* How the bytes come. */
struct shape {
	const char *name;
	uint16_t len;       /* of each mbuf's payload */
	unsigned int links; /* mbufs of a packet */
	unsigned int each;  /* packets of each connection in a burst */
};

static const struct shape shapes[] = {
	{"64", 64, 1, PACKETS / CONNS},		{"512", 512, 1, PACKETS / CONNS},
	{"1448", 1448, 1, PACKETS / CONNS},	{"8948", JUMBO, 1, PACKETS / CONNS},
	{"44x1448", 1448, LINKS, 1},
};

static const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 1};
static const struct pkt_port cap = {.mac = {2, 0, 0, 0, 0, 2}, .mtu = 9000,
				    .copy_below = PKT_COPY_BELOW, .flags = PKT_TX_MULTI_SEG,
				    .tx_mode = PKT_TX_COPIES};
static struct bench_options opt;
static struct port_pools pools, jumbo;
static char folder[] = "/tmp/pier_bench_match_XXXXXX";
static uint8_t payload[JUMBO];
static uint64_t matches; /* of the bare loop */

/* ---- rules and bytes ---- */

static void word(FILE *f, uint64_t *seed, unsigned int len)
{
	for (unsigned int i = 0; i < len; i++)
		fputc('a' + (int)(bench_random(seed) % 26), f);
}

/* Literals, literals with character classes, and with bounded repeats, by thirds. */
static void write_many(FILE *f, unsigned int n)
{
	uint64_t seed = 88172645463325252ull;

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
}

static void write_class(FILE *f, unsigned int n)
{
	fputs("0:/[a-f]{3}[g-p]{2}[q-z]{3}/\n", f);
}

static void write_repeat(FILE *f, unsigned int n)
{
	fputs("0:/[aeiou]{2}.{5,30}[xyz]{2}q/\n", f);
}

static const struct rule_set {
	const char *name;
	unsigned int n;
	void (*write)(FILE *f, unsigned int n);
} sets[] = {
	{"rules_1", 1, write_many},	 {"rules_1_class", 1, write_class},
	{"rules_1_repeat", 1, write_repeat}, {"rules_100", 100, write_many},
	{"rules_2000", 2000, write_many},
};

static void path_of(const char *name, char *path, size_t len)
{
	snprintf(path, len, "%s/%s", folder, name);
}

static void write_rules(const char *path, const struct rule_set *set)
{
	FILE *f = fopen(path, "w");

	if (!f)
		bench_die("cannot write %s", path);
	set->write(f, set->n);
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
	uint8_t *bytes; /* pieces as many as a burst has, for those do not lie in one place */
	size_t stride;
};

static void bare_open(struct bare *b, const char *path, const struct shape *shape)
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
	b->stride = (shape->len + 127u) / 64 * 64;
	b->bytes = malloc(PIECES * b->stride);
	for (unsigned int i = 0; b->bytes && i < PIECES; i++)
		memcpy(b->bytes + i * b->stride, payload, shape->len);
}

static void bare_close(struct bare *b)
{
	for (unsigned int i = 0; i < CONNS; i++)
		hs_close_stream(b->stream[i], NULL, NULL, NULL);
	hs_free_scratch(b->scratch);
	hs_free_database(b->db);
	free(b->bytes);
}

static int on_match(unsigned int id, unsigned long long from, unsigned long long to,
		    unsigned int flags, void *arg)
{
	matches++;
	return 0;
}

/* Cycles a packet; in the handler's order, connection by connection. */
static double bare_run(struct bare *b, const struct shape *shape, unsigned int bursts)
{
	const unsigned int each = shape->each * shape->links;
	const uint64_t start = rte_rdtsc();

	for (unsigned int r = 0; r < bursts; r++)
		for (unsigned int i = 0; i < CONNS * each; i++)
			hs_scan_stream(b->stream[i / each], (const char *)b->bytes + i * b->stride,
				       shape->len, 0, b->scratch, on_match, NULL);
	return (double)(rte_rdtsc() - start) / bursts / CONNS / shape->each;
}

/* ---- through TCP ---- */

struct served {
	struct server server;
	struct engine *engine;
	struct counters counters;
	struct worker_memory memory;
	struct peer peer;
	const struct shape *shape;
	bool vouched; /* the port verified the checksums, and says so */
	uint64_t start, cycles;
};

static uint64_t ticks(void)
{
	return rte_rdtsc();
}

/* scan_turn NULL: the default. */
static void served_open(struct served *s, const char *path, const struct shape *shape,
			const uint8_t *bytes, const char *scan_turn)
{
	const char *const settings[] = {"rules", path, "cache", folder,
					scan_turn ? "scan-turn" : NULL, scan_turn, NULL};
	const struct port_pools *from = shape->len > 2000 ? &jumbo : &pools;
	const struct server_plan plan = {.handler = &handler_match, .settings = settings,
					 .connections = 64, .working = 64, .half_open = 64,
					 .time_wait = 64};
	struct peer_config peer = {.kind = PEER_PUSH, .n = CONNS, .port = SERVER_PORT,
				   .payload = bytes, .len = shape->len, .window = WINDOW,
				   .check_every = 1024};
	char err[256];

	memset(s, 0, sizeof(*s));
	s->memory.node = -1;
	s->start = rte_rdtsc();
	s->shape = shape;
	server_init(&s->server, &plan, &cap, from);
	s->server.listener.tcp.rcvbuf_initial = 4 * MIB;
	listener_prepare(&s->server.listener);
	s->server.config.mbuf_share = 0; /* the peer looks at no window, and each burst is gone with the turn */
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

	if (rte_pktmbuf_alloc_bulk(s->server.config.pool, pkts, n))
		bench_die("no mbufs left");
	for (uint32_t i = 0; i < CONNS; i++)
		peer_next(&s->peer, i, pkts[i]);
	while (n)
		turn(s, pkts, &n);
	if (s->counters.v[CTR_CONN_OPENED] != CONNS)
		bench_die("%lu of %u connections are open", s->counters.v[CTR_CONN_OPENED], CONNS);
}

/* What connection i sends next, a packet of the shape, as the port hands it over. */
static struct rte_mbuf *packet(struct served *s, uint32_t i)
{
	const unsigned int n = s->shape->links;
	struct rte_mbuf *m[LINKS];
	struct ip4_hdr *ip;

	if (rte_pktmbuf_alloc_bulk(s->server.config.pool, m, n))
		bench_die("no mbufs left");
	for (unsigned int k = 0; k < n; k++) {
		peer_next(&s->peer, i, m[k]);
		if (k == 0)
			continue;
		rte_pktmbuf_adj(m[k], (uint16_t)s->peer.headers_len);
		m[k - 1]->next = m[k];
		m[0]->nb_segs++;
		m[0]->pkt_len += m[k]->data_len;
	}
	ip = rte_pktmbuf_mtod_offset(m[0], struct ip4_hdr *, ETH_HDR_LEN);
	ip->total_len = be16((uint16_t)(m[0]->pkt_len - ETH_HDR_LEN));
	if (s->vouched)
		m[0]->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	return m[0];
}

/* Each connection's part of a burst, as far as it is acknowledged. Returns the packets. */
static unsigned int burst(struct served *s)
{
	struct rte_mbuf *pkts[PACKETS];
	unsigned int n = 0, sent;

	for (unsigned int k = 0; k < s->shape->each; k++)
		for (uint32_t i = 0; i < CONNS; i++)
			if (peer_credit(&s->peer, i) >= s->shape->links)
				pkts[n++] = packet(s, i);
	sent = n;
	turn(s, pkts, &n);
	if (s->peer.errors)
		bench_die("%s", s->peer.error);
	return sent;
}

/* Cycles a packet. */
static double served_run(struct served *s, unsigned int bursts, bool vouched)
{
	s->cycles = 0;
	s->vouched = vouched;
	for (unsigned int r = 0; r < bursts; r++)
		if (burst(s) != CONNS * s->shape->each)
			bench_die("a connection does not acknowledge");
	return (double)s->cycles / bursts / CONNS / s->shape->each;
}

static void served_close(struct served *s)
{
	engine_destroy(s->engine, 0);
	worker_memory_free(&s->memory);
	peer_free(&s->peer);
	server_free(&s->server);
}

/* ---- figures ---- */

struct row {
	struct bench_series bare, tcp, soft, handler, ratio, soft_ratio, extra;
};

static void run_once(struct row *row, struct served *s, struct bare *b, unsigned int bursts)
{
	const uint64_t before = s->counters.v[CTR_HANDLER_TICKS];
	const double alone = bare_run(b, s->shape, bursts), served = served_run(s, bursts, true);

	bench_add(&row->bare, alone);
	bench_add(&row->tcp, served);
	bench_add(&row->handler, (double)(s->counters.v[CTR_HANDLER_TICKS] - before) / bursts / CONNS /
		  s->shape->each);
	bench_add(&row->ratio, alone / served);
	bench_add(&row->extra, served - alone);
	if (s->shape->links > 1) /* a port that joins segments has verified them */
		return;
	bench_add(&row->soft, served_run(s, bursts, false));
	bench_add(&row->soft_ratio, alone / row->soft.v[row->soft.n - 1]);
}

static void print_row(const char *name, const struct row *row)
{
	printf("\"%s\": {", name);
	bench_print("bare_cycles", &row->bare, ",");
	bench_print("tcp_cycles", &row->tcp, ",");
	bench_print("handler_cycles", &row->handler, ",");
	bench_print("bare_to_tcp", &row->ratio, ",");
	if (row->soft.n) {
		bench_print("soft_cycles", &row->soft, ",");
		bench_print("bare_to_soft", &row->soft_ratio, ",");
	}
	bench_print("cost_cycles", &row->extra, "");
	puts("},");
}

static bool wanted(const char *name)
{
	bool any = !opt.names[0];

	for (unsigned int i = 0; opt.names[i]; i++)
		any |= !strcmp(opt.names[i], name);
	return any;
}

static void compare(const struct rule_set *set, const struct shape *shape)
{
	const double work = opt.quick ? 1e6 : 8e6; /* cycles of a sample */
	static struct served s;
	struct row row = {0};
	unsigned int bursts;
	char path[64], name[64];
	struct bare b;

	snprintf(name, sizeof(name), "%s_bytes_%s", set->name, shape->name);
	if (!wanted(name))
		return;
	path_of(set->name, path, sizeof(path));
	served_open(&s, path, shape, payload, "1m");
	bare_open(&b, path, shape); /* streams of both from the match room's pools, which are there by now */
	handshakes(&s);
	bursts = 1 + (unsigned int)(work / (served_run(&s, 20, true) * CONNS * shape->each));
	for (unsigned int r = 0; r < opt.runs; r++)
		run_once(&row, &s, &b, bursts);
	print_row(name, &row);
	bare_close(&b);
	served_close(&s);
}

/* ---- memory ---- */

static int count_match(unsigned int id, unsigned long long from, unsigned long long to,
		       unsigned int flags, void *arg)
{
	return 0;
}

static double held(const struct match_db *db, unsigned int n)
{
	struct match_usage use;

	match_usage(db, &use);
	return (double)use.bytes / n;
}

/* What a connection takes beside TCP's record: context, stream while it is open, stream at rest. */
static void memory(const struct rule_set *set)
{
	static struct match_stream s[200];
	const unsigned int n = ARRAY_SIZE(s);
	unsigned int context = 8;
	struct match_core *core;
	struct match_db *db;
	struct match_rules r;
	char path[64], err[256];
	double open;

	path_of(set->name, path, sizeof(path));
	if (!match_rules_load(&r, path, err, sizeof(err)) ||
	    !(db = match_db_open(&r, folder, 0, 0, err, sizeof(err))) || !(core = match_core(db)))
		bench_die("%s", err);
	for (unsigned int i = 0; i < n; i++)
		match_scan(core, &s[i], payload, 1000 + 37 * i, count_match, NULL);
	open = held(db, n);
	for (unsigned int i = 0; i < n; i++)
		match_pack(core, &s[i]);
	while (context < handler_match.ctx_size)
		context *= 2;
	printf("\"%s_memory\": {\"context\": %u, \"open\": %.1f, \"resting\": %.1f},\n", set->name, context,
	       open, held(db, n));
	for (unsigned int i = 0; i < n; i++)
		match_end(core, &s[i], NULL, NULL);
	match_db_close(db);
}

/* ---- the longest turn ---- */

/* Each byte is a match of each rule. */
static void write_dense(FILE *f, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		fprintf(f, "%u:/[a-%c]/s\n", i, 'c' + (int)(i % 24));
}

/* Repeats over repeats, all of them under way at each byte. */
static void write_slow(FILE *f, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		fprintf(f, "%u:/[ab]{%u}.{20,%u}[bc].{3,%u}[ca]{4}d/s\n", i, 1 + i % 3, 60 + i, 30 + i % 9);
}

static void abc(uint8_t *bytes)
{
	uint64_t seed = 4711;

	for (unsigned int i = 0; i < JUMBO; i++)
		bytes[i] = (uint8_t)('a' + bench_random(&seed) % 3);
}

/* Turns as long as bounds of a turn let them be: jumbo frames, more than scan-turn in each burst. */
static void stall(const struct rule_set *set)
{
	struct bench_series us = {0};
	static struct served s;
	static uint8_t bytes[JUMBO];
	char path[64];

	if (!wanted(set->name))
		return;
	path_of(set->name, path, sizeof(path));
	write_rules(path, set);
	abc(bytes);
	for (unsigned int r = 0; r < (opt.quick ? 3 : 20); r++) {
		served_open(&s, path, &shapes[3], bytes, NULL);
		handshakes(&s);
		for (unsigned int k = 0; k < 5; k++) {
			s.cycles = 0;
			burst(&s);
			bench_add(&us, (double)s.cycles * 1e6 / (double)rte_get_tsc_hz());
		}
		served_close(&s);
	}
	printf("\"%s\": {", set->name);
	bench_print("turn_us", &us, "");
	puts("},");
}

int main(int argc, char **argv)
{
	static const struct rule_set dense = {"stall_matches", 200, write_dense},
				     slow = {"stall_states", 40, write_slow};
	const struct port_pools_config big = {.name = "jumbo", .n_data = 1024, .n_indirect = 64,
					      .mtu = 9000, .socket = SOCKET_ID_ANY};
	char command[100], path[64], err[256];

	opt.cores = 1;
	bench_options(&opt, argc, argv);
	bench_eal(&opt, 128);
	bench_pools(&pools, 4096);
	if (!port_pools_create(&big, &jumbo, err, sizeof(err)))
		bench_die("%s", err);
	if (!mkdtemp(folder))
		bench_die("cannot make a folder in /tmp");
	make_payload();
	printf("{\"tsc_hz\": %lu,\n", rte_get_tsc_hz());
	for (unsigned int i = 0; i < ARRAY_SIZE(sets); i++) {
		path_of(sets[i].name, path, sizeof(path));
		write_rules(path, &sets[i]);
		memory(&sets[i]);
		for (unsigned int k = 0; k < ARRAY_SIZE(shapes); k++)
			compare(&sets[i], &shapes[k]);
	}
	stall(&dense);
	stall(&slow);
	printf("\"matches_bare\": %lu}\n", matches);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command) != 0;
}
