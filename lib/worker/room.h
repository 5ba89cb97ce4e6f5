/*
 * The worker's insides, shared by its files: the loop, its idleness, its requests.
 */
#ifndef PIER_WORKER_ROOM_H
#define PIER_WORKER_ROOM_H

#include "pkt/parse.h"
#include "worker/clock.h"
#include "worker/worker.h"

enum worker_state {
	WORKER_STOPPED,
	WORKER_BORROWED, /* the control thread carries out a request itself */
	WORKER_RUNNING,
};

/* A port's queues, and what its port has not taken yet. */
struct worker_queue {
	struct port *port;
	uint16_t rxq, txq;
	uint16_t mtu;	  /* the port's, as the engine knows it */
	uint16_t n;	  /* packets waiting in pkts, oldest first */
	uint32_t refused; /* turns in which the port took nothing */
	struct rte_mbuf *pkts[WORKER_BURST];
};

struct worker_sleep {
	bool wanted;
	bool armed;	 /* the ports were asked to signal packets */
	bool idle;	 /* the last turn moved nothing */
	bool wakeable;	 /* every port has a descriptor to wait on */
	int epoll, wake; /* wake: eventfd, a request is there */
	uint64_t since;	 /* when it became idle */
	uint64_t us;	 /* the next sleep's bound */
};

struct worker {
	struct engine *engine;
	struct worker_clock clock;
	uint64_t now, turns, link_at;
	uint32_t full_turns, calm_turns; /* in a row, see pressure */
	uint32_t refused_turns, pressure_turns;
	unsigned int pressure;
	bool stop;
	unsigned int n_queues;
	struct worker_queue queues[ENGINE_PORTS_MAX];
	struct worker_sleep sleep;
	struct rte_ring *requests, *replies;
	uint64_t seq; /* the control thread's */
	int state;    /* enum worker_state, atomic */
	uint16_t id;
	struct worker_hook hook;
	struct worker_memory memory;
	struct pkt_facts facts[WORKER_BURST];
	struct counters counters;
};

/* Called after a turn that moved nothing; sleeps when they have gone on for long enough. */
void worker_rest(struct worker *w);

/* Called after a turn that moved packets. */
static inline void worker_woke(struct worker *w)
{
	w->sleep.idle = false;
}

bool worker_sleep_init(struct worker *w, bool wanted, char *err, size_t errlen);
void worker_sleep_free(struct worker *w);

/* Carry out the requests that wait, bounded by the ring's size. */
void worker_serve(struct worker *w);

bool worker_rings_create(struct worker *w, char *err, size_t errlen);
void worker_rings_free(struct worker *w);

#endif
