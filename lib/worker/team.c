/*
 * Making a team: who gets which queue, the steering tables of each port, the rings.
 */
#include <errno.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "room.h"

#define RETA_SIZE  512	/* entries, where the port has no table of its own */
#define RELAY_SIZE 512	/* packets from a worker to another's transmit queue */
#define SLOTS	   4096 /* of all rings to one worker, where nobody says otherwise */
#define SLOTS_MIN  64
#define SLOTS_MAX  1024

static bool fail(char *err, size_t errlen, const char *what)
{
	snprintf(err, errlen, "several workers: %s", what);
	return false;
}

static uint16_t owner_by(const struct worker_team_config *cfg, unsigned int p, unsigned int q)
{
	if (cfg->owners)
		return cfg->owners[p][q % cfg->n];
	return worker_team_owner(cfg->n, p, q);
}

/*
 * RETA entries go to the workers in turn: with a queue for each worker to the queues in turn, which
 * is what the port's own table then says; with fewer each worker owns flows all the same.
 */
static bool make_map(struct worker_team *t, struct team_port *p, char *err, size_t errlen)
{
	uint16_t worker[STEER_RETA_MAX], queue[STEER_RETA_MAX];
	const bool rss = p->port->plan.steering == PORT_STEER_RSS;
	const uint32_t n = rss ? p->port->reta_size : RETA_SIZE;

	for (uint32_t i = 0; i < n; i++) {
		queue[i] = (uint16_t)(i % p->n_queues);
		worker[i] = p->n_queues < t->n ? (uint16_t)(i % t->n) : p->owner[queue[i]];
	}
	if (rss && !port_reta_set(p->port, queue, err, errlen))
		/* it works without, at the price of a hand-over */
		fprintf(stderr, "%s: %s\n", program_invocation_short_name, err);
	if (steer_init(&p->map, p->port->rss_key, worker, n))
		return fail(err, errlen, "an indirection table has an impossible size");
	return true;
}

/* Each worker without a queue sends by the queue of another, in turn. */
static bool make_relays(struct worker_team *t, struct team_port *p, char *err, size_t errlen)
{
	char name[RTE_RING_NAMESIZE];
	unsigned int n = 0;

	for (unsigned int w = 0; w < t->n; w++) {
		p->tx[w] = p->owner[w % p->n_queues];
		for (unsigned int q = 0; q < p->n_queues; q++)
			if (p->owner[q] == w)
				p->tx[w] = (uint16_t)w;
		if (p->tx[w] == w)
			continue;
		snprintf(name, sizeof(name), "relay_%u_%u", p->port->id, w);
		p->relay[w] = rte_ring_create(name, RELAY_SIZE, t->memory[p->tx[w]].node,
					      RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
		if (!p->relay[w])
			return fail(err, errlen, rte_strerror(rte_errno));
	}
	for (unsigned int to = 0; to < t->n; to++) {
		p->first_relay[to] = (uint16_t)n;
		for (unsigned int w = 0; w < t->n; w++)
			if (p->relay[w] && p->tx[w] == to)
				p->relays[n++] = p->relay[w];
	}
	p->first_relay[t->n] = (uint16_t)n;
	return true;
}

static bool make_port(struct worker_team *t, const struct worker_team_config *cfg, unsigned int i,
		      char *err, size_t errlen)
{
	struct team_port *p = &t->port[i];

	p->port = cfg->ports[i];
	p->n_queues = p->port->plan.queues;
	for (unsigned int q = 0; q < p->n_queues; q++)
		p->owner[q] = owner_by(cfg, i, q);
	p->home = p->owner[0];
	t->place[p->port->id] = (uint8_t)i;
	return make_map(t, p, err, errlen) && make_relays(t, p, err, errlen);
}

/* The rings to one worker lie together, on its node. */
static bool make_rings(struct worker_team *t, unsigned int to, char *err, size_t errlen)
{
	const size_t one = (hand_bytes(t->ring_size) + HAND_APART - 1) / HAND_APART * HAND_APART;
	uint8_t *mem = worker_alloc(&t->memory[to], one * (t->n - 1), "hand-over rings");

	if (!mem)
		return fail(err, errlen, "no memory for the rings between them");
	for (unsigned int from = 0; from < t->n; from++) {
		if (from == to)
			continue;
		t->ring[to][from] = (struct hand_ring *)mem;
		hand_init(t->ring[to][from], t->ring_size);
		mem += one;
	}
	return true;
}

static uint32_t ring_size(unsigned int n)
{
	uint32_t size = SLOTS_MAX;

	while (size > SLOTS_MIN && size * n > SLOTS)
		size /= 2;
	return size;
}

static bool check(const struct worker_team_config *cfg, char *err, size_t errlen)
{
	if (cfg->n < 2 || cfg->n > WORKERS_MAX)
		return fail(err, errlen, "expected 2 to 64 of them");
	if (cfg->n_ports > ENGINE_PORTS_MAX)
		return fail(err, errlen, "too many ports");
	if (cfg->ring_size & (cfg->ring_size - 1))
		return fail(err, errlen, "rings have a power of two of slots");
	return true;
}

struct worker_team *worker_team_create(const struct worker_team_config *cfg, char *err,
				       size_t errlen)
{
	struct worker_team *t;
	bool ok = check(cfg, err, errlen);

	if (!ok)
		return NULL;
	t = rte_zmalloc("worker_team", sizeof(*t), HAND_APART);
	if (!t) {
		fail(err, errlen, "EAL has no memory left");
		return NULL;
	}
	t->n = cfg->n;
	t->n_ports = cfg->n_ports;
	t->sleepy = cfg->sleepy;
	t->ring_size = cfg->ring_size ? cfg->ring_size : ring_size(cfg->n);
	for (unsigned int w = 0; w < t->n; w++)
		t->memory[w].node = cfg->nodes ? cfg->nodes[w] : -1;
	for (unsigned int i = 0; i < t->n_ports && ok; i++)
		ok = make_port(t, cfg, i, err, errlen);
	for (unsigned int w = 0; w < t->n && ok; w++)
		ok = make_rings(t, w, err, errlen);
	if (ok)
		return t;
	worker_team_destroy(t);
	return NULL;
}

static void empty_relay(struct rte_ring *r)
{
	struct rte_mbuf *m;

	while (r && rte_ring_sc_dequeue(r, (void **)&m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(r);
}

static void empty_ring(struct hand_ring *r)
{
	union hand_slot *s;
	uint32_t n;

	while (r && (n = hand_ready(r, &s, r->size))) {
		for (uint32_t i = 0; i < n; i++)
			rte_pktmbuf_free(hand_mbuf(&s[i]));
		hand_done(r, n);
	}
}

void worker_team_destroy(struct worker_team *t)
{
	for (unsigned int to = 0; to < t->n; to++)
		for (unsigned int from = 0; from < t->n; from++)
			empty_ring(t->ring[to][from]);
	for (unsigned int i = 0; i < t->n_ports; i++)
		for (unsigned int w = 0; w < t->n; w++)
			empty_relay(t->port[i].relay[w]);
	for (unsigned int w = 0; w < t->n; w++)
		worker_memory_free(&t->memory[w]);
	rte_free(t);
}

int worker_team_flow(const struct worker_team *t, unsigned int p, uint32_t saddr, uint32_t daddr,
		     uint16_t sport, uint16_t dport)
{
	uint8_t from[16], to[16];

	flow_addr_v4(from, saddr);
	flow_addr_v4(to, daddr);
	return worker_team_tuple(t, p, from, to, sport, dport);
}

int worker_team_tuple(const struct worker_team *t, unsigned int p, const uint8_t saddr[16],
		      const uint8_t daddr[16], uint16_t sport, uint16_t dport)
{
	const struct steer *map = &t->port[p].map;

	if (t->port[p].port->plan.steering == PORT_STEER_ARRIVAL)
		return -1;
	return steer_worker(map, steer_hash(map, saddr, daddr, sport, dport));
}

uint64_t worker_team_bytes(const struct worker_team *t)
{
	uint64_t n = sizeof(*t);

	for (unsigned int w = 0; w < t->n; w++)
		n += t->memory[w].bytes;
	return n;
}

static enum worker_steer steer_by(const struct team_port *p)
{
	switch (p->port->plan.steering) {
	case PORT_STEER_RSS:
		return STEER_PROVING;
	case PORT_STEER_ARRIVAL:
		return STEER_ARRIVAL;
	default:
		return STEER_SOFT;
	}
}

/* Extension headers most devices do not see through, and of IPv6 some do not hash the ports. */
static uint16_t doubt(const struct port *p)
{
	return p->plan.rss_hf & RTE_ETH_RSS_NONFRAG_IPV6_TCP ? PKT_F_EXT : PKT_F_V6;
}

static void join_port(struct worker_team *t, struct worker *w, unsigned int i)
{
	struct team_port *p = &t->port[i];
	struct worker_queue *tx = &w->queues[w->n_queues++];

	tx->port = p->port;
	tx->txq = WORKER_NO_QUEUE;
	tx->relay = p->relay[w->id];
	tx->relay_to = p->tx[w->id];
	tx->relays = &p->relays[p->first_relay[w->id]];
	tx->n_relays = p->first_relay[w->id + 1] - p->first_relay[w->id];
	for (uint16_t q = 0; q < p->n_queues; q++) {
		if (p->owner[q] != w->id)
			continue;
		if (tx->txq == WORKER_NO_QUEUE)
			tx->txq = q;
		w->rx[w->n_rx++] = (struct worker_rx){.port = p->port, .rxq = q,
						      .steer = (uint8_t)steer_by(p),
						      .place = (uint8_t)i,
						      .doubt = doubt(p->port)};
	}
}

void team_join(struct worker_team *t, struct worker *w)
{
	w->team = t;
	for (unsigned int i = 0; i < t->n_ports; i++)
		join_port(t, w, i);
	w->peers = worker_peers;
	w->peers.arg = w;
}
