/*
 * The worker: one thread, one engine, and the loop that moves packets between ports and engine.
 *
 * A turn receives a burst from each of its queues, parses it, gives it to the engine, pulls what
 * the engine has to send and sends it. What a port does not take stays with the worker, one burst
 * and not more, so that the engine knows of it only as missing room. Between turns: due timers,
 * bounded; every few turns requests from the control thread. Nothing else writes what a worker
 * owns.
 *
 * Thread: worker_create, worker_destroy and worker_request belong to one control thread,
 * worker_snapshot to any, worker_run to the worker's.
 */
#ifndef PIER_WORKER_H
#define PIER_WORKER_H

#include "engine/engine.h"
#include "port/port.h"
#include "worker/memory.h"
#include "worker/team.h"

#define WORKER_BURST	      64
#define WORKER_REFUSED_US     100000 /* default: longer than who empties a virtual port stands, as a rule */

struct worker;

enum worker_idle {
	WORKER_POLL,  /* spin: shortest latency, a whole core */
	WORKER_SLEEP, /* wait for packets; up to 1 ms late where a port cannot wake the worker */
};

#define WORKER_NO_QUEUE UINT16_MAX
#define WORKER_PORTS_MAX (2 * PORT_QUEUES_MAX)

/* A pair of queues; or one of them, the other being WORKER_NO_QUEUE. One txq a port. */
struct worker_port {
	struct port *port; /* outlives the worker; the owner of queue 0 polls its link */
	uint16_t rxq, txq;
};

struct worker_config {
	uint16_t id;
	int node; /* NUMA node for its memory, or -1 */
	enum worker_idle idle;
	bool prefault;	 /* commit all memory at the start: no page is missing when it is first touched */
	bool since_boot; /* time begins at the counter's 0, not at the start */
	struct worker_team *team; /* NULL: it has its ports for itself. Else id is its place there */
	const struct worker_port *ports; /* copied; at most WORKER_PORTS_MAX. With a team: not used */
	unsigned int n_ports;
	uint32_t refused_us;	     /* a packet that is refused for so long is dropped; 0: default */
	struct engine_config engine; /* worker(s), peers, counters, alloc, alloc_arg are filled here */
};

/* NULL on failure with the reason in err. The worker does not run yet. */
struct worker *worker_create(const struct worker_config *cfg, char *err, size_t errlen);

/*
 * Work of the program's own in each turn, on the worker's thread: after what was received went through
 * the engine, before what the engine has to send leaves. It has to be bounded, as a handler.
 */
struct worker_hook {
	/* received: packets of this turn. Returns how much it did; 0: nothing. */
	unsigned int (*turn)(void *arg, struct engine *e, uint64_t now, unsigned int received);
	/* When turn has something to do by itself, in microseconds, as engine_next. NULL: never. */
	uint64_t (*next)(void *arg, uint64_t now);
	void *arg;
};

/* Control thread, while the worker does not run. */
void worker_set_hook(struct worker *w, const struct worker_hook *hook);

/*
 * The loop: an lcore function, arg is the worker. Returns 0 after WORKER_OP_STOP, when the resets of
 * WORKER_OP_ABORT are over and what the engine had to send by then was sent, in a bounded time.
 */
int worker_run(void *arg);

/* One turn without sleeping, for a caller that is the loop itself. Returns packets moved. */
unsigned int worker_turn(struct worker *w);

/* Destroy the engine and free all it held. Not while worker_run runs. */
void worker_destroy(struct worker *w);

enum worker_op {
	WORKER_OP_LISTEN,   /* listener: in. version: out, or what engine_listen failed with */
	WORKER_OP_RELISTEN, /* listener, version: in. version: out, as with engine_relisten */
	WORKER_OP_UNLISTEN, /* version: in */
	WORKER_OP_USERS,    /* version: in. users: out; 0: the listener may be freed */
	WORKER_OP_DRAIN,    /* refuse the new, close the rest in order */
	WORKER_OP_ABORT,    /* us: in. Begin to reset what is left, see worker_left; again: with another time */
	WORKER_OP_LEFT,	    /* left: out, O(1) */
	WORKER_OP_CLASH,    /* clash.local: in, where to look from. found, clash: out, see engine_clash */
	WORKER_OP_USAGE,    /* usage: out; looks at every record */
	WORKER_OP_AUDIT,    /* audit: out, NULL or what is wrong; the same */
	WORKER_OP_STOP,
};

/*
 * What a worker that stops has still to see to. After WORKER_OP_ABORT each turn resets as many as find room, until
 * none is left and every packet is the port's; or until the request's time is over, or no port took anything for
 * a second: then the rest goes without a word.
 */
struct worker_left {
	uint64_t connections; /* half-open ones included */
	uint64_t packets;     /* that no port has taken yet */
	uint64_t untold;      /* peers that were not reset for want of time; counted as conn_untold */
	uint64_t dropped;     /* packets that did not leave since the resets began: the tx_* counters say why */
	bool telling;
};

struct worker_msg {
	uint32_t op; /* enum worker_op */
	int32_t version;
	uint64_t seq; /* the worker's own */
	const struct listener *listener;
	uint64_t us, users;
	const char *audit;
	struct worker_left left;
	struct engine_clash clash;
	uint32_t found;
	struct engine_usage usage;
};

static_assert(sizeof(struct worker_msg) % 4 == 0, "messages travel by value in an rte_ring");

/*
 * Have the worker carry out msg, at the end of one of its turns, and wait for the answer in msg, a few
 * minutes at most: in some of which a handler may hang, or a virtual CPU be away. Usage and audit look at
 * every record and are for a worker whose clients are gone. A worker that does not run is served by the
 * caller's thread; WORKER_OP_STOP is nothing to it, and it can be run afterwards. False: no answer in
 * time; msg is untouched, the request may still be carried out.
 */
bool worker_request(struct worker *w, struct worker_msg *msg);

/* Copy its counters: each whole, a turn old at most. */
void worker_snapshot(const struct worker *w, struct counters *out);

bool worker_running(const struct worker *w);
const struct worker_memory *worker_memory(const struct worker *w);

#endif
