/*
 * Several workers on the same ports: which queues each has, how a packet comes to the worker that
 * owns its flow, and the rings between them.
 *
 * A flow belongs to one worker for its whole life. Who that is follows from the port:
 *
 *   RSS       the port's own hash and indirection table, programmed here, put packets on the owner's
 *             queue. Computed here as well for the first packets of a queue, and one of each burst
 *             after: at the first that lies elsewhere the queue is not believed any more, and its
 *             packets are handed over as on a port without RSS.
 *   software  the same hash and table, computed here; packets of others are handed over.
 *   arrival   the queue's worker, on a port which keeps a flow on a queue (net_tap). A segment that
 *             belongs to no connection and opens none is shown to all workers before it is refused,
 *             since it may have strayed.
 *
 * Rings are N by N, one producer and one consumer each, bounded; what finds one full is dropped as
 * rx_handover_full. A worker without a transmit queue on a port sends through the ring of one that has.
 *
 * Neighbours, path MTUs and the state of addresses are kept by each worker and told to the others.
 * ARP is one worker's a port, the owner of queue 0.
 *
 * A team belongs to the control thread; it outlives its workers, and they are all created before the
 * first of them runs.
 */
#ifndef PIER_WORKER_TEAM_H
#define PIER_WORKER_TEAM_H

#include "port/port.h"

#define WORKERS_MAX 64

struct worker_team;

struct worker_team_config {
	unsigned int n; /* workers, 2 to WORKERS_MAX */
	bool sleepy;	/* they are woken when something is handed over */
	struct port *const *ports; /* outlive the team */
	unsigned int n_ports;
	const int *nodes; /* of each worker's memory; NULL: -1 */
	/* owners[port]: the workers in the order in which they get its queues; NULL: see
	 * worker_team_owner. */
	const uint16_t *const *owners;
	uint32_t ring_size; /* slots a ring, a power of two; 0: 4096 by the number of workers, 64 to 1024 */
};

/* NULL on failure with the reason in err. Programs the indirection tables of ports that have one. */
struct worker_team *worker_team_create(const struct worker_team_config *cfg, char *err,
				       size_t errlen);
void worker_team_destroy(struct worker_team *t);

/* Where nobody says otherwise, queue q of the port in place p is worker (q + p) % n's. */
static inline uint16_t worker_team_owner(unsigned int n, unsigned int p, unsigned int q)
{
	return (uint16_t)((q + p) % n);
}

/* The worker that owns an IPv4 flow as the port in place p receives it, in network order; -1: the one it
 * arrives at. Any thread. */
int worker_team_flow(const struct worker_team *t, unsigned int p, uint32_t saddr, uint32_t daddr,
		     uint16_t sport, uint16_t dport);

/* The same of either family: IPv4 as ::ffff:a.b.c.d. */
int worker_team_tuple(const struct worker_team *t, unsigned int p, const uint8_t saddr[16],
		      const uint8_t daddr[16], uint16_t sport, uint16_t dport);

/* Bytes of rings and tables. */
uint64_t worker_team_bytes(const struct worker_team *t);

#endif
