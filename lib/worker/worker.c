/*
 * A worker's life: its memory, its engine, its end; and reading its counters.
 */
#include <string.h>

#include <rte_cycles.h>
#include <rte_malloc.h>

#include "base/units.h"
#include "room.h"

static void take_ports(struct worker *w, const struct worker_config *cfg)
{
	for (unsigned int i = 0; i < cfg->n_ports; i++) {
		const struct worker_port *p = &cfg->ports[i];

		if (p->rxq != WORKER_NO_QUEUE)
			w->rx[w->n_rx++] = (struct worker_rx){.port = p->port, .rxq = p->rxq};
		if (p->txq != WORKER_NO_QUEUE)
			w->queues[w->n_queues++] =
				(struct worker_queue){.port = p->port, .txq = p->txq};
	}
}

static void fill(struct worker *w, const struct worker_config *cfg)
{
	w->id = cfg->id;
	w->memory.node = cfg->node;
	w->memory.prefault = cfg->prefault;
	w->refused_us = cfg->refused_us ? cfg->refused_us : WORKER_REFUSED_US;
	w->sleep.epoll = w->sleep.wake = -1;
	if (cfg->team)
		team_join(cfg->team, w);
	else
		take_ports(w, cfg);
	for (unsigned int i = 0; i < w->n_queues; i++)
		w->queues[i].mtu = port_mtu(w->queues[i].port);
	worker_clock_init(&w->clock, rte_get_tsc_hz(), cfg->since_boot ? 0 : rte_rdtsc());
	w->now = worker_clock_us(&w->clock, rte_rdtsc());
}

/* Addresses are announced, and asked for, by one worker a port. */
static void share_ports(const struct worker_config *cfg, struct engine_config *e,
			struct engine_port ports[ENGINE_PORTS_MAX])
{
	static const enum engine_announce awaited[] = {
		[ENGINE_ANNOUNCE_OFF] = ENGINE_ANNOUNCE_OFF,
		[ENGINE_ANNOUNCE] = ENGINE_ANNOUNCE_AWAIT6,
		[ENGINE_ANNOUNCE_PROBE] = ENGINE_ANNOUNCE_AWAIT,
	};
	const struct worker_team *t = cfg->team;

	for (unsigned int i = 0; i < e->n_ports; i++) {
		ports[i] = e->ports[i];
		if (t->port[t->place[ports[i].id]].home == cfg->id)
			continue;
		ports[i].announce = awaited[ports[i].announce];
	}
	e->ports = ports;
	e->workers = (uint16_t)t->n;
}

static uint64_t ticks(void)
{
	return rte_rdtsc();
}

static bool create_engine(struct worker *w, const struct worker_config *cfg, char *err,
			  size_t errlen)
{
	struct engine_config e = cfg->engine;
	struct engine_port ports[ENGINE_PORTS_MAX];

	if (cfg->team)
		share_ports(cfg, &e, ports);
	if (cfg->team)
		e.peers = &w->peers;
	e.worker = cfg->id;
	e.counters = &w->counters;
	e.alloc = worker_alloc;
	e.alloc_arg = &w->memory;
	e.ticks = ticks;
	e.ticks_per_us = max_of(rte_get_tsc_hz() / US_PER_SEC, 1ull);
	w->engine = engine_create(&e, w->now, err, errlen);
	explicit_bzero(e.secret, sizeof(e.secret));
	return w->engine;
}

static void release(struct worker *w)
{
	worker_rings_free(w);
	worker_sleep_free(w);
	worker_memory_free(&w->memory);
	rte_free(w);
}

static bool ports_fit(const struct worker_config *cfg)
{
	unsigned int tx = 0;

	if (cfg->team)
		return true;
	for (unsigned int i = 0; i < cfg->n_ports; i++)
		tx += cfg->ports[i].txq != WORKER_NO_QUEUE;
	return tx <= ENGINE_PORTS_MAX && cfg->n_ports <= WORKER_PORTS_MAX;
}

struct worker *worker_create(const struct worker_config *cfg, char *err, size_t errlen)
{
	struct worker *w;

	if (!ports_fit(cfg)) {
		snprintf(err, errlen, "worker %u: at most %u ports with %u queues are possible",
			 cfg->id, ENGINE_PORTS_MAX, WORKER_PORTS_MAX);
		return NULL;
	}
	w = rte_zmalloc_socket("worker", sizeof(*w), CACHE_LINE, cfg->node);
	if (!w) {
		snprintf(err, errlen, "worker %u: EAL has no memory on node %d left", cfg->id,
			 cfg->node);
		return NULL;
	}
	fill(w, cfg);
	if (worker_rings_create(w, err, errlen) &&
	    worker_sleep_init(w, cfg->idle == WORKER_SLEEP, err, errlen) &&
	    create_engine(w, cfg, err, errlen))
		return w;
	release(w);
	return NULL;
}

void worker_destroy(struct worker *w)
{
	engine_destroy(w->engine, w->now);
	for (unsigned int i = 0; i < w->n_queues; i++)
		rte_pktmbuf_free_bulk(w->queues[i].pkts, w->queues[i].n);
	release(w);
}

void worker_set_hook(struct worker *w, const struct worker_hook *hook)
{
	w->hook = *hook;
}

void worker_snapshot(const struct worker *w, struct counters *out)
{
	for (unsigned int i = 0; i < CTR_MAX; i++)
		out->v[i] = __atomic_load_n(&w->counters.v[i], __ATOMIC_RELAXED);
}

bool worker_running(const struct worker *w)
{
	return __atomic_load_n(&w->state, __ATOMIC_ACQUIRE) == WORKER_RUNNING;
}

const struct worker_memory *worker_memory(const struct worker *w)
{
	return &w->memory;
}
