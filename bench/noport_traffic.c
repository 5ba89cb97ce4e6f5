/*
 * Traffic through an engine, and the cycles of each call.
 *
 * Time is the engine's only: it moves on by CLOCK_NS for each packet, so that timers are set and run
 * as they would be at that rate, a run does the same each time, and nothing is late because the
 * machine was, or because valgrind is slow.
 *
 * echo, request   a message on each of n connections, in random order; the message of the next round
 *                 acknowledges the answer. With _rest an ACK does at once, so that each message
 *                 meets a connection at rest; the ACKs' cycles are told apart.
 * short           n tuples in turn: a burst holds SYNs, requests and FINs alike, LAG tuples apart. All
 *                 tuples but those 2 * LAG are in TIME-WAIT, and each SYN takes one's place, as it is
 *                 with a load generator that has gone once through its ports. _phases: bursts of one
 *                 kind, to tell what each costs.
 */
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "handlers/handlers.h"
#include "noport.h"
#include "peer.h"
#include "pkt/parse.h"
#include "server.h"
#include "stages.h"
#include "worker/memory.h"

#define CLOCK_NS 500
#define LAG_MAX	 50000u
#define EACH	 (BENCH_BURST / 3)
#define WAVE	 512u
#define OUT_MAX	 (2 * BENCH_BURST)
#define SETTLED	 800000u /* short connections in 1.2 s: timers that were not needed run by then */

enum part { PART_ALL, PART_ACK, PART_SYN, PART_REQUEST, PART_FIN, PARTS };
enum call { CALL_PARSE, CALL_INPUT, CALL_OUTPUT, CALL_TICK, CALLS };

static const char *const part_names[PARTS] = {"all", "ack", "syn", "request", "fin"};
static const char *const call_names[CALLS] = {"parse", "input", "output", "tick"};

struct spent {
	uint64_t call[CALLS], packets;
	struct stage_times stages;
};

struct figures {
	bool used;
	struct bench_series call[CALLS], total, stage[STAGES_N];
};

struct kind {
	const char *name;
	enum peer_kind peer;
	bool rest, plain, phases;
};

static const struct kind kinds[] = {
	{"echo", PEER_ECHO, false, false, false},
	{"echo_rest", PEER_ECHO, true, false, false},
	{"echo_plain", PEER_ECHO, false, true, false},
	{"request", PEER_REQUEST, false, false, false},
	{"request_rest", PEER_REQUEST, true, false, false},
	{"request_plain", PEER_REQUEST, false, true, false},
	{"short", PEER_SHORT, false, false, false},
	{"short_plain", PEER_SHORT, false, true, false},
	{"short_phases", PEER_SHORT, false, false, true},
	{"short_plain_phases", PEER_SHORT, false, true, true},
};
const char noport_kinds[] = "echo, echo_rest, echo_plain, request, request_rest, request_plain, "
			    "short, short_plain, short_phases, short_plain_phases";

struct traffic {
	struct noport *np;
	const struct kind *kind;
	bool v6;
	struct server server;
	struct engine *engine;
	struct counters counters;
	struct worker_memory memory;
	struct peer peer;
	uint32_t *order, n, lag;
	uint64_t pos, end; /* of the order: the next SYN or message, and where the SYNs end */
	uint64_t now_ns;
	bool measure;
	uint64_t received, sent; /* measured packets */
	struct spent spent[PARTS];
	struct figures figures[PARTS];
};

static inline __attribute__((always_inline)) unsigned int
calls(struct traffic *t, struct spent *sp, struct rte_mbuf **in, unsigned int n,
      struct rte_mbuf **out)
{
	static struct pkt_facts facts[BENCH_BURST];
	const uint64_t now = t->now_ns / 1000;
	uint64_t c[CALLS + 1];
	unsigned int sent;
	enum stage s;

	c[0] = rte_rdtsc();
	s = stage_enter(STAGE_PARSE);
	pkt_parse_burst(in, facts, n, 0, &noport_cap);
	stage_enter(STAGE_STEER);
	c[1] = rte_rdtsc();
	engine_input(t->engine, in, facts, n, now);
	stage_enter(STAGE_OUTPUT);
	c[2] = rte_rdtsc();
	sent = engine_output(t->engine, 0, out, OUT_MAX, now);
	stage_enter(STAGE_TICK);
	c[3] = rte_rdtsc();
	engine_tick(t->engine, now, 256);
	stage_leave(s);
	c[4] = rte_rdtsc();
	for (unsigned int i = 0; i < CALLS; i++)
		sp->call[i] += c[i + 1] - c[i];
	return sent;
}

/* Its name is known to bench/run: callgrind collects in here. */
__attribute__((noinline)) static unsigned int measured(struct traffic *t, struct spent *sp,
						       struct rte_mbuf **in, unsigned int n,
						       struct rte_mbuf **out)
{
	unsigned int sent;

	if (!stages_on)
		return calls(t, sp, in, n, out);
	stages_begin();
	sent = calls(t, sp, in, n, out);
	stages_end(&sp->stages);
	return sent;
}

__attribute__((noinline)) static unsigned int unmeasured(struct traffic *t, struct rte_mbuf **in,
							 unsigned int n, struct rte_mbuf **out)
{
	struct spent sp;

	return calls(t, &sp, in, n, out);
}

static void deliver(struct traffic *t, enum part part, struct rte_mbuf **in, unsigned int n);

/* What the peer says to the server's packets; ACKs, where it has to, go in at once. */
static void answers(struct traffic *t, struct rte_mbuf **out, unsigned int sent)
{
	const bool acks = t->kind->peer != PEER_SHORT;
	unsigned int kept = 0;

	for (unsigned int k = 0; k < sent; k++) {
		uint32_t i = 0;
		const enum peer_event e = peer_take(&t->peer, out[k], &i);

		if (e == PEER_ERROR)
			bench_die("%s: %s", t->kind->name, t->peer.error);
		if (acks && (e == PEER_OPENED || (e == PEER_REPLY && t->kind->rest))) {
			rte_pktmbuf_free(out[k]->next);
			out[k]->next = NULL;
			peer_ack(&t->peer, i, out[k]);
			out[kept++] = out[k];
		} else {
			rte_pktmbuf_free(out[k]);
		}
	}
	for (unsigned int k = 0; k < kept; k += BENCH_BURST)
		deliver(t, PART_ACK, out + k, min_of(kept - k, (unsigned int)BENCH_BURST));
}

static void deliver(struct traffic *t, enum part part, struct rte_mbuf **in, unsigned int n)
{
	struct rte_mbuf *out[OUT_MAX];
	unsigned int sent;

	t->now_ns += n * CLOCK_NS;
	t->peer.tick = (uint32_t)(t->now_ns / 1000000 + 1);
	if (t->measure) {
		sent = measured(t, &t->spent[part], in, n, out);
		t->spent[part].packets += n;
		t->received += n;
		t->sent += sent;
	} else {
		sent = unmeasured(t, in, n, out);
	}
	answers(t, out, sent);
}

/* The next packets of n connections, as one burst. */
static void feed(struct traffic *t, enum part part, const uint32_t *at, unsigned int n)
{
	struct rte_mbuf *in[BENCH_BURST];

	if (n == 0)
		return;
	noport_take(t->np, in, n);
	for (unsigned int k = 0; k < n; k++)
		peer_next(&t->peer, at[k], in[k]);
	deliver(t, part, in, n);
}

static uint32_t at_pos(const struct traffic *t, uint64_t pos)
{
	return t->order[pos % t->n];
}

static void shuffle(struct traffic *t, uint64_t *seed)
{
	for (uint32_t i = t->n - 1; i > 0; i--) {
		const uint32_t j = (uint32_t)(bench_random(seed) % (i + 1));
		const uint32_t x = t->order[i];

		t->order[i] = t->order[j];
		t->order[j] = x;
	}
}

/* What the engine dropped, in words, for the line that ends the program. */
static const char *dropped(const struct traffic *t)
{
	static char text[512];
	size_t used = 0;

	for (unsigned int i = 0; i < CTR_TX_DROPS_END && used < sizeof(text); i++)
		if (t->counters.v[i])
			used += (size_t)snprintf(text + used, sizeof(text) - used, "; %lu %s",
						 t->counters.v[i], counter_info[i].name);
	return used ? text : "; nothing was dropped";
}

/*
 * What probes and retransmissions have kept from going out yet: a step takes OUT_MAX packets, and in the
 * first round over a million connections the timers still believe in the round trip of the handshake.
 */
static void settle(struct traffic *t)
{
	const bool measure = t->measure;
	struct rte_mbuf *out[OUT_MAX];
	unsigned int sent;

	t->measure = false;
	while ((sent = unmeasured(t, NULL, 0, out)) != 0)
		answers(t, out, sent);
	t->measure = measure;
}

static void open_all(struct traffic *t)
{
	uint32_t at[BENCH_BURST];
	unsigned int n;

	for (uint32_t i = 0; i < t->n; i += n) {
		n = min_of(t->n - i, (uint32_t)BENCH_BURST);
		for (unsigned int k = 0; k < n; k++)
			at[k] = i + k;
		feed(t, PART_ALL, at, n);
	}
	if (t->peer.opened != t->n || t->counters.v[CTR_CONN_OPENED] != t->n)
		bench_die("%lu of %u connections open at the peer, %lu at the server%s",
			  t->peer.opened, t->n, t->counters.v[CTR_CONN_OPENED], dropped(t));
}

static uint64_t messages(struct traffic *t, uint64_t units)
{
	const uint64_t before = t->peer.replies;
	uint32_t at[BENCH_BURST];
	uint64_t done;
	unsigned int n;

	for (done = 0; done < units; done += n) {
		n = (unsigned int)min_of(units - done, (uint64_t)BENCH_BURST);
		for (unsigned int k = 0; k < n; k++)
			at[k] = at_pos(t, t->pos++);
		feed(t, PART_ALL, at, n);
	}
	if (t->peer.replies - before != done)
		settle(t);
	if (t->peer.replies - before != done)
		bench_die("%lu of %lu messages were answered%s", t->peer.replies - before, done,
			  dropped(t));
	return done;
}

/* SYNs at pos, requests LAG behind it, FINs as much again: one burst. */
static void mixed_step(struct traffic *t)
{
	uint32_t at[3 * EACH];
	unsigned int n = 0;

	for (unsigned int j = 0; j < EACH; j++) {
		for (uint64_t behind = 0; behind <= 2ull * t->lag; behind += t->lag) {
			const uint64_t x = t->pos + j - behind;

			if (t->pos + j >= behind && x < t->end)
				at[n++] = at_pos(t, x);
		}
	}
	t->pos += EACH;
	feed(t, PART_ALL, at, n);
}

static uint64_t shorts(struct traffic *t, uint64_t units)
{
	const uint64_t before = t->peer.done;

	for (uint64_t done = 0; done < units; done += EACH)
		mixed_step(t);
	return t->peer.done - before;
}

static void phase(struct traffic *t, enum part part, uint64_t from)
{
	uint32_t at[BENCH_BURST];

	for (uint32_t i = 0; i < WAVE; i += BENCH_BURST) {
		for (unsigned int k = 0; k < BENCH_BURST; k++)
			at[k] = at_pos(t, from + i + k);
		feed(t, part, at, BENCH_BURST);
	}
}

static uint64_t phases(struct traffic *t, uint64_t units)
{
	const uint64_t before = t->peer.done;

	for (uint64_t done = 0; done < units; done += WAVE) {
		phase(t, PART_SYN, t->pos);
		phase(t, PART_REQUEST, t->pos);
		phase(t, PART_FIN, t->pos);
		t->pos += WAVE;
	}
	return t->peer.done - before;
}

static uint64_t pass(struct traffic *t, uint64_t units)
{
	if (t->kind->peer != PEER_SHORT)
		return messages(t, units);
	return t->kind->phases ? phases(t, units) : shorts(t, units);
}

static void add_run(struct traffic *t, uint64_t units)
{
	for (unsigned int p = 0; p < PARTS; p++) {
		struct figures *f = &t->figures[p];
		const struct spent *sp = &t->spent[p];
		double total = 0;

		if (!sp->packets)
			continue;
		f->used = true;
		for (unsigned int c = 0; c < CALLS; c++) {
			bench_add(&f->call[c], (double)sp->call[c] / (double)units);
			total += (double)sp->call[c] / (double)units;
		}
		bench_add(&f->total, total);
		for (unsigned int s = STAGE_PARSE; s < STAGES_N; s++)
			if (sp->stages.entries[s])
				bench_add(&f->stage[s],
					  stage_cycles(&sp->stages, s) / (double)units);
	}
	memset(t->spent, 0, sizeof(t->spent));
}

static void setup(struct traffic *t, struct noport *np, const struct kind *kind, bool v6, uint32_t n)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: 10.0.0.1\r\nUser-Agent: bench\r\n\r\n";
	const bool shorts_only = kind->peer == PEER_SHORT;
	char body[16];
	const char *settings[] = {"body-size", body, "requests", shorts_only ? "1" : "0", NULL};
	struct peer_config pc = {.kind = kind->peer, .n = n, .port = SERVER_PORT, .plain = kind->plain, .v6 = v6,
				 .mac = {2, 0, 0, 0, 0, 1}, .check_every = 1, .len = (uint16_t)np->opt.message};
	struct server_plan plan = {.handler = &handler_echo, .connections = n,
				   .working = kind->rest ? WAVE : n, .half_open = 4096,
				   .time_wait = 4096};
	char err[256];

	snprintf(body, sizeof(body), "%u", np->opt.body);
	memcpy(pc.server_mac, noport_cap.mac, sizeof(pc.server_mac));
	*t = (struct traffic){.np = np, .kind = kind, .v6 = v6, .n = n, .end = UINT64_MAX, .memory.node = -1};
	t->lag = min_of(n / 4, LAG_MAX) / EACH * EACH;
	if (kind->peer != PEER_ECHO) {
		pc.payload = request;
		pc.len = sizeof(request) - 1;
		plan.handler = &handler_http;
		plan.settings = settings;
		plan.body = np->opt.body;
	}
	if (shorts_only) {
		plan.connections = plan.working = 4 * t->lag + 4 * WAVE;
		plan.half_open = 4 * t->lag + 4 * WAVE;
		plan.time_wait = n;
	}
	plan.handler = stages_handler(plan.handler);
	server_init(&t->server, &plan, &noport_cap, &np->pools);
	t->server.config.counters = &t->counters;
	t->server.config.alloc = worker_alloc;
	t->server.config.alloc_arg = &t->memory;
	t->engine = engine_create(&t->server.config, 0, err, sizeof(err));
	if (!t->engine)
		bench_die("no engine for %u connections: %s", n, err);
	if (engine_listen(t->engine, &t->server.listener) < 0)
		bench_die("the engine does not listen");
	peer_init(&t->peer, &pc);
	t->order = bench_pages(n * sizeof(*t->order));
	for (uint32_t i = 0; i < n; i++)
		t->order[i] = i;
}

static void finish(struct traffic *t)
{
	const char *wrong = engine_audit(t->engine);

	if (wrong)
		bench_die("the engine's books: %s", wrong);
	engine_destroy(t->engine, t->now_ns / 1000);
	server_free(&t->server);
	worker_memory_free(&t->memory);
	peer_free(&t->peer);
	free(t->order);
}

static void print_part(const struct traffic *t, enum part p)
{
	const struct figures *f = &t->figures[p];
	unsigned int c;

	if (!f->used)
		return;
	if (p != PART_ALL)
		printf("  \"%s\": {\n", part_names[p]);
	if (stages_on) {
		for (unsigned int s = STAGE_PARSE; s < STAGES_N; s++)
			if (f->stage[s].n)
				bench_print(stage_names[s], &f->stage[s], ",");
	} else {
		for (c = 0; c < CALLS; c++)
			bench_print(call_names[c], &f->call[c], ",");
	}
	bench_print(stages_on ? "total_with_marks" : "total", &f->total, p == PART_ALL ? "," : "");
	if (p != PART_ALL)
		printf("  },\n");
}

static void print(const struct traffic *t, const char *name, uint64_t units,
		  const struct counters *before)
{
	static const char *const unit[] = {"message", "request", "connection"};
	const struct counters *now = &t->counters;
	struct engine_contract c;

	engine_size(&t->server.config, &c);
	printf("  \"%s\": {\n  \"unit\": \"%s\", \"connections\": %u, \"units\": %lu,\n", name,
	       unit[t->kind->peer], t->n, units);
	printf("  \"ipv6\": %s, \"timestamps_and_sack\": %s, \"payload\": %u, \"reply\": %u,\n",
	       t->v6 ? "true" : "false", t->kind->plain ? "false" : "true", t->peer.cfg.len,
	       t->kind->peer == PEER_ECHO ? t->peer.cfg.len : t->peer.reply_len);
	for (unsigned int p = 0; p < PARTS; p++)
		print_part(t, p);
	printf("  \"packets_in\": %.4f, \"packets_out\": %.4f, \"checksums_verified\": %lu,\n",
	       (double)t->received / (double)units, (double)t->sent / (double)units,
	       t->peer.verified);
	printf("  \"retransmissions\": %lu, \"time_wait_reused\": %lu, "
	       "\"idle_bytes_per_connection\": %.1f, \"block_bytes\": %u\n  }\n",
	       now->v[CTR_TX_RETRANSMITS] - before->v[CTR_TX_RETRANSMITS],
	       now->v[CTR_TIME_WAIT_REUSED] - before->v[CTR_TIME_WAIT_REUSED],
	       c.per_idle_connection, c.block);
}

static void no_drops(const struct traffic *t)
{
	for (unsigned int i = 0; i < CTR_TX_DROPS_END; i++)
		if (t->counters.v[i])
			bench_die("%s: %lu packets dropped as %s", t->kind->name,
				  t->counters.v[i], counter_info[i].name);
}

/* So many that timers have learned the round's length, and each tuple is in TIME-WAIT. */
static void warm_up(struct traffic *t, uint64_t *seed)
{
	shuffle(t, seed);
	if (t->kind->peer != PEER_SHORT) {
		open_all(t);
		for (unsigned int r = 0; r < (t->kind->rest ? 1 : 4); r++)
			messages(t, t->n);
	} else {
		pass(t, 2 * t->lag + (t->np->opt.instructions ? t->n : max_of(t->n, SETTLED)));
	}
}

static void cool_down(struct traffic *t)
{
	t->measure = false;
	t->end = t->pos;
	if (t->kind->peer == PEER_SHORT && !t->kind->phases)
		while (t->pos < t->end + 2 * t->lag)
			mixed_step(t);
	no_drops(t);
}

static void traffic(struct noport *np, const char *name, const struct kind *kind, bool v6, uint32_t n)
{
	const uint64_t units = np->opt.instructions ? 2 * n : np->opt.quick ? 10000 : 20000;
	struct traffic *t = aligned_alloc(CACHE_LINE, sizeof(*t));
	uint64_t seed = 88172645463325252ull, done = 0;
	struct counters before;

	if (!t)
		bench_die("no memory");
	setup(t, np, kind, v6, n);
	warm_up(t, &seed);
	before = t->counters;
	t->measure = true;
	for (unsigned int r = 0; r < np->opt.runs; r++) {
		const uint64_t run = pass(t, units);

		add_run(t, run);
		done += run;
	}
	cool_down(t);
	print(t, name, done, &before);
	finish(t);
	free(t);
}

bool noport_traffic(struct noport *np, const char *name, const char *kind, uint32_t n)
{
	const size_t len = strlen(kind);
	const bool v6 = len && kind[len - 1] == '6';

	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strncmp(kinds[i].name, kind, len - v6) || kinds[i].name[len - v6])
			continue;
		if (n < WAVE)
			bench_die("%s: %u connections at least", name,
				  WAVE);
		if (kinds[i].peer == PEER_ECHO && !kinds[i].rest && n > NOPORT_WAITING)
			bench_die("%s: each waiting echo keeps an mbuf; %u at most", name,
				  NOPORT_WAITING);
		traffic(np, name, &kinds[i], v6, n);
		return true;
	}
	return false;
}
