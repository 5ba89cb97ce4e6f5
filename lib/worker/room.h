/*
 * The worker's insides, shared by its files: the loop, its idleness, its requests.
 */
#ifndef PIER_WORKER_ROOM_H
#define PIER_WORKER_ROOM_H

#include <rte_ring.h>

#include "flow/steer.h"
#include "hand.h"
#include "pkt/parse.h"
#include "worker/clock.h"
#include "worker/overload.h"
#include "worker/worker.h"

enum worker_state {
	WORKER_STOPPED,
	WORKER_BORROWED, /* the control thread carries out a request itself */
	WORKER_RUNNING,
};

/* What is done with a queue's packets between parsing and the engine. */
enum worker_steer {
	STEER_NOT,     /* all are ours */
	STEER_SOFT,    /* the owner is computed */
	STEER_PROVING, /* the port should have computed it: not seen often enough yet */
	STEER_RSS,     /* it has */
	STEER_ARRIVAL, /* ours, unless they strayed */
};

struct worker_rx {
	struct port *port;
	uint16_t rxq;
	uint8_t steer;	  /* enum worker_steer */
	uint8_t place;	  /* of the port, in the team */
	uint16_t doubt;	  /* enum pkt_flag: of TCP segments those that the port's hash may not be of */
	uint32_t agreed;  /* STEER_PROVING: packets seen that are ours */
};

/* Where a port's packets go, and what it has not taken yet. */
struct worker_queue {
	struct port *port;
	uint16_t txq;
	uint16_t mtu;	  /* the port's, as the engine knows it */
	uint16_t n_relays;
	uint16_t relay_to; /* the worker that relay leads to */
	struct rte_ring *relay;	  /* no queue here: to the worker that has one */
	struct rte_ring **relays; /* from workers that have none */
	uint16_t n;	  /* packets waiting in pkts, oldest first */
	uint32_t refused; /* us in which the port took nothing */
	uint64_t refused_at; /* the last turn of them; 0: it took something */
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

/* The end, from WORKER_OP_ABORT on. */
struct worker_end {
	bool telling;	  /* resets are on their way */
	uint64_t until;	  /* when they have to be */
	uint64_t sent;	  /* packets the ports had taken by then */
	uint64_t turn;	  /* when the last turn was */
	uint64_t stalled; /* turns since the last one left, in microseconds */
	uint64_t dropped; /* packets that had not left before */
	uint64_t untold;  /* peers that had no reset, for want of time */
};

struct worker {
	struct engine *engine;
	struct worker_clock clock;
	uint64_t now, turns, link_at;
	struct overload overload;
	bool pressure; /* the engine knows of it */
	uint32_t refused_us;
	bool stop;
	unsigned int n_rx, n_queues;
	struct worker_team *team; /* NULL: alone */
	struct worker_rx rx[WORKER_PORTS_MAX];
	struct worker_queue queues[ENGINE_PORTS_MAX];
	struct engine_peers peers;
	struct worker_sleep sleep;
	struct rte_ring *requests, *replies;
	uint64_t seq; /* the control thread's */
	int state;    /* enum worker_state, atomic */
	uint16_t id;
	struct worker_hook hook;
	struct worker_end end;
	struct worker_memory memory;
	struct pkt_facts facts[WORKER_BURST];
	struct counters counters;
};

/* One port of a team. */
struct team_port {
	struct port *port;
	uint16_t home; /* worker that owns queue 0: ARP is its */
	uint16_t n_queues;
	uint16_t owner[PORT_QUEUES_MAX];
	uint16_t tx[WORKERS_MAX];	      /* the worker whose queue each sends by */
	struct rte_ring *relay[WORKERS_MAX];  /* from each that has none; NULL */
	struct rte_ring *relays[WORKERS_MAX]; /* the same by who they lead to */
	uint16_t first_relay[WORKERS_MAX + 1]; /* into relays */
	struct steer map;
};

/* Written where a worker goes to sleep, read where something is handed over to it. */
struct team_bell {
	alignas(HAND_APART) int asleep;
	int fd;
};

struct worker_team {
	unsigned int n, n_ports;
	bool sleepy;
	uint32_t ring_size;
	struct hand_ring *ring[WORKERS_MAX][WORKERS_MAX]; /* [to][from] */
	uint8_t place[RTE_MAX_ETHPORTS];
	struct worker_memory memory[WORKERS_MAX];
	struct team_port port[ENGINE_PORTS_MAX];
	struct team_bell bell[WORKERS_MAX];
	alignas(HAND_APART) unsigned int flushed; /* workers that have, when all stop */
};

/* team.c: give w its queues, and its engine the means to reach the others. */
void team_join(struct worker_team *t, struct worker *w);

/* steer.c */

/*
 * Keep those of n packets and their facts that are w's, in order, and hand over the others. Returns
 * how many stay.
 */
unsigned int worker_steer(struct worker *w, struct worker_rx *q, struct rte_mbuf **pkts,
			  unsigned int n);

/* Take what others have handed over. Returns packets and news. */
unsigned int worker_hear(struct worker *w, bool *full);

/* Whether others have handed something over that was not taken yet. */
bool worker_waits(const struct worker *w);

/* Something was put into a ring to worker to: wake it if it sleeps. */
void worker_ring_bell(struct worker *w, unsigned int to);

extern const struct engine_peers worker_peers; /* without arg */

/* Called after a turn that moved nothing; sleeps when they have gone on for long enough. */
void worker_rest(struct worker *w);

/* Called after a turn that moved packets. */
static inline void worker_woke(struct worker *w)
{
	w->sleep.idle = false;
}

/* end.c */

/* Begin to reset what is left, within us microseconds. */
void worker_end_begin(struct worker *w, uint64_t us);

/* A step of it in each turn. Returns how much there is to do yet. */
unsigned int worker_end_turn(struct worker *w);

/* What is left to see to, and who was not told. */
void worker_end_left(const struct worker *w, struct worker_left *out);

/* The worker's loop is over: send what is left of what it had to send. */
void worker_flush(struct worker *w);

/* loop.c: fill a queue's room from the engine, and offer it to the port. Returns what left. */
unsigned int worker_transmit(struct worker *w, struct worker_queue *q);

bool worker_sleep_init(struct worker *w, bool wanted, char *err, size_t errlen);
void worker_sleep_free(struct worker *w);

/* Carry out the requests that wait, bounded by the ring's size. */
void worker_serve(struct worker *w);

bool worker_rings_create(struct worker *w, char *err, size_t errlen);
void worker_rings_free(struct worker *w);

#endif
