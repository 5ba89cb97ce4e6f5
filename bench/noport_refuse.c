/*
 * What it costs to refuse a SYN under overload: by engine_refuse before it is parsed, as a worker does where a flow's
 * packets come by its own queue, and by engine_input, as where other workers hand them over.
 */
#include <stdlib.h>
#include <string.h>

#include "handlers/handlers.h"
#include "noport.h"
#include "peer.h"
#include "pkt/parse.h"
#include "server.h"
#include "worker/memory.h"

#define TUPLES	 4096u
#define BURSTS	 512 /* a run */

struct refuse {
	struct noport *np;
	struct server server;
	struct engine *engine;
	struct counters counters;
	struct worker_memory memory;
	struct peer peer;
	uint32_t pos;
};

static void setup(struct refuse *r, struct noport *np)
{
	struct server_plan plan = {.handler = &handler_discard, .connections = 1024, .working = 1024,
				   .half_open = 1024, .time_wait = 1024};
	struct peer_config pc = {.kind = PEER_SHORT, .n = TUPLES, .port = SERVER_PORT, .len = 1,
				 .mac = {2, 0, 0, 0, 0, 1}, .check_every = 1};
	char err[256];

	*r = (struct refuse){.np = np, .memory.node = -1};
	memcpy(pc.server_mac, noport_cap.mac, sizeof(pc.server_mac));
	server_init(&r->server, &plan, &noport_cap, &np->pools);
	r->server.config.counters = &r->counters;
	r->server.config.alloc = worker_alloc;
	r->server.config.alloc_arg = &r->memory;
	r->engine = engine_create(&r->server.config, 0, err, sizeof(err));
	if (!r->engine)
		bench_die("no engine: %s", err);
	if (engine_listen(r->engine, &r->server.listener) < 0)
		bench_die("the engine does not listen");
	engine_pressure(r->engine, true, ENGINE_REFUSE_ALL);
	peer_init(&r->peer, &pc);
}

/* One burst's cycles. */
static uint64_t burst(struct refuse *r, bool glance)
{
	static struct pkt_facts facts[BENCH_BURST];
	struct rte_mbuf *in[BENCH_BURST];
	unsigned int n = BENCH_BURST;
	uint64_t start;

	noport_take(r->np, in, n);
	for (unsigned int i = 0; i < n; i++, r->pos++) {
		peer_forget(&r->peer, r->pos % TUPLES);
		peer_next(&r->peer, r->pos % TUPLES, in[i]);
	}
	start = rte_rdtsc();
	if (glance)
		n = engine_refuse(r->engine, 0, in, n);
	pkt_parse_burst(in, facts, n, 0, &noport_cap);
	engine_input(r->engine, in, facts, n, 1);
	return rte_rdtsc() - start;
}

void noport_refuse(struct noport *np, const char *name, bool glance)
{
	struct refuse *r = aligned_alloc(CACHE_LINE, sizeof(*r));
	struct bench_series s = {0};
	uint64_t bursts = 0;

	if (!r)
		bench_die("no memory");
	setup(r, np);
	for (unsigned int k = 0; k < np->opt.runs; k++) {
		uint64_t cycles = 0;

		for (unsigned int i = 0; i < BURSTS; i++, bursts++)
			cycles += burst(r, glance);
		bench_add(&s, (double)cycles / (BURSTS * BENCH_BURST));
	}
	if (r->counters.v[CTR_RX_SYN_PRESSURE] != bursts * BENCH_BURST)
		bench_die("%lu of %lu SYNs were refused", r->counters.v[CTR_RX_SYN_PRESSURE], bursts * BENCH_BURST);
	bench_print(name, &s, "");
	engine_destroy(r->engine, 1);
	server_free(&r->server);
	worker_memory_free(&r->memory);
	peer_free(&r->peer);
	free(r);
}
