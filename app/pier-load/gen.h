/*
 * The generator: what one worker does of a run, as a hook in its loop (worker.h) and as the handler of
 * the connections it opens.
 *
 * A connection is a slot: taken from the free ones when a connection is due, given back when its
 * close was heard. A request has the time it was due, from which its latency counts: with a schedule
 * that is the schedule's, whether a connection was free then or not; without one it is the time it was
 * sent. In mode short a request is due when its connection is.
 *
 * Phases: our addresses come into use, next hops are asked for, connections are opened, the rate grows and
 * warms up, then for so long everything counts; then nothing new begins, and what is under way may end.
 * Nothing here allocates after gen_create, and what a turn does is bounded.
 *
 * Thread: the worker's, but for gen_create, gen_destroy, gen_order and gen_phase, the control thread's.
 */
#ifndef PIER_LOAD_GEN_H
#define PIER_LOAD_GEN_H

#include <rte_cycles.h>

#include "engine/engine.h"
#include "options.h"
#include "response.h"
#include "schedule.h"
#include "stats.h"
#include "target.h"

/* What all workers share; not changed while they run. */
struct gen_plan {
	const struct load_options *o;
	struct target *targets;
	uint32_t n_targets;
	uint32_t n_addresses; /* of targets: the first so many have different ones */
	uint32_t *sources[2], n_sources[2]; /* of IPv4, of IPv6: places of our addresses in the engine's list */
	struct tcp_options tcp;
	uint64_t hz;       /* ticks a second */
	uint64_t timeout;  /* ticks */
	uint32_t requests; /* of a connection, UINT32_MAX: no limit */
	/* What is sent: copies times one request, or the pattern of bulk, twice. */
	char *request;
	size_t request_len, copies;
	size_t response_len; /* echo, rr */
	unsigned int workers;
};

enum slot_state {
	SLOT_FREE,
	SLOT_CONNECTING,
	SLOT_OPEN,
	SLOT_CLOSING, /* nothing more is asked: the server's FIN is waited for */
};

struct slot {
	uint64_t id;      /* the connection's */
	uint64_t start;   /* when it was due */
	uint64_t since;   /* last progress, while something is waited for */
	uint64_t tx_left; /* bytes of what was asked that TCP has not taken; bulk: taken */
	uint64_t acked;   /* bytes that were acknowledged when it was last looked at, and 1; 0: never */
	uint64_t rx;      /* echo, rr: bytes of the message being received; bulk: of all */
	uint32_t asked, answered; /* requests */
	struct response response;
	uint8_t state;      /* enum slot_state */
	bool first;         /* of the oldest request's answer, a byte has come */
	bool ready;         /* in the ring of those that may be asked, also if it is not open any more */
	bool hurt;          /* an error was counted */
	bool served;        /* a connection of this slot has ended in order */
};

enum gen_phase {
	GEN_WAITING, /* for the order, and for our addresses */
	GEN_PRIMING,   /* one connection for each address, so that no other waits for ARP */
	GEN_OPENING,   /* until all connections are there, but in mode short */
	GEN_SETTLING,  /* ramp of a rate, and warm-up */
	GEN_MEASURING,
	GEN_FINISHING, /* what is under way may end */
	GEN_DONE,
};

/* Slot numbers, first in, first out; room for every slot. */
struct slot_ring {
	uint32_t *slot;
	uint32_t head, n;
};

/*
 * When requests were due that a server which closes in order left unanswered, as it may, behind the one that it
 * answered last (RFC 9112, 9.3.2): with a schedule they are asked again, before what is due by it. What is under
 * way and what is here are together never more than depth for each slot, for which there is room.
 */
struct again {
	uint64_t *due;
	size_t head, n, room;
};

struct gen {
	const struct gen_plan *plan;
	uint32_t n_slots;
	unsigned int worker;

	int order; /* enum gen_phase: what the control thread wants at least; atomic */
	int phase; /* enum gen_phase; atomic */
	bool fresh; /* stamp was taken in this turn */
	bool worked; /* the last turn did something by itself */
	bool rested; /* the loop may have slept since it */
	bool blocked; /* at the last turn's end starts were due and no connection was free */
	uint64_t stamp;  /* ticks */
	uint64_t last;   /* the stamp of the turn before */
	uint64_t begun, settled; /* the origins of opens and of asks; ticks, as what follows */
	uint64_t from, end;      /* of the time that counts */
	uint64_t limit;          /* of GEN_FINISHING */

	struct engine *e;
	int version;
	struct listener listener;
	struct walk walk;
	struct schedule opens, asks;
	struct slot *slots;
	uint64_t *due; /* plan->o->depth for each slot */
	uint32_t *free;
	uint32_t n_free, n_connecting, n_open, in_flight;
	uint32_t n_there;        /* slots whose connection is open, or that have served */
	uint64_t ordered;        /* when the run was to begin; ticks, 0: not yet */
	uint32_t awaited[2];     /* sources of each family that are in use; those behind may not be yet */
	uint32_t primes, primed[2]; /* connections opened in GEN_PRIMING, and of each family */
	struct slot_ring ready; /* those that may be asked */
	struct slot_ring rests; /* could not be opened: since is when to try again */
	struct again again;
	uint32_t scanned;
	uint64_t scan_at;
	bool asked_outside; /* in this turn, outside of callbacks */

	struct load_counts c, at_start, at_end;
	struct load_times t;
	uint32_t open_at_end; /* connections, when the time that counts ended */
	uint64_t unfinished; /* due in the time that counts, and not answered at the end */
	struct response_heads heads;
};

/* share: this worker's part of connections. NULL: no memory. */
struct gen *gen_create(const struct gen_plan *plan, unsigned int worker, uint32_t share);
void gen_destroy(struct gen *g);

/* GEN_OPENING begins the run, GEN_FINISHING ends it early. */
void gen_order(struct gen *g, enum gen_phase phase);
enum gen_phase gen_phase(const struct gen *g);

#define GEN_REST_MS 100 /* until an open that failed is tried again, where no rate is set */

/* The hook: struct worker_hook's turn and next, arg is the gen. */
unsigned int gen_turn(void *arg, struct engine *e, uint64_t now, unsigned int received);
uint64_t gen_next(void *arg, uint64_t now);

/* ---- for the parts of the generator: phase.c, client.c, bulk.c ---- */

extern const struct pier_handler client_handler, bulk_handler;

static inline struct slot *slot_of(struct pier_conn *pc, struct gen **g)
{
	*g = (struct gen *)(uintptr_t)pc->settings;
	return &(*g)->slots[*(const uint64_t *)pc->ctx];
}

/* The time of this turn, in ticks. */
static inline uint64_t gen_now(struct gen *g)
{
	if (!g->fresh) {
		g->stamp = rte_rdtsc();
		g->fresh = true;
	}
	return g->stamp;
}

static inline uint64_t gen_ticks(const struct gen *g, uint64_t us)
{
	return (uint64_t)((double)us * (double)g->plan->hz / 1e6);
}

static inline bool gen_short(const struct gen *g)
{
	return g->plan->o->mode == LOAD_SHORT;
}

/* When the kth request of a connection was due. */
static inline uint64_t *gen_due(const struct gen *g, const struct slot *s, uint32_t k)
{
	const uint32_t depth = g->plan->o->depth;

	return &g->due[(size_t)(s - g->slots) * depth + (depth == 1 ? 0 : k % depth)];
}

/* The server has said that it closes, and no byte of a further answer has come. */
static inline bool gen_leaves(const struct slot *s)
{
	return s->state == SLOT_CLOSING && !s->first;
}

/* Whether new things may begin. */
static inline bool gen_going(const struct gen *g)
{
	return g->phase < GEN_FINISHING;
}

/* Whether what was due at that time counts. */
static inline bool gen_counts(const struct gen *g, uint64_t due)
{
	return due >= g->from && due < g->end;
}

/* Of those that are to be asked again, the first; there is one. */
uint64_t again_pop(struct again *a);

void ring_push(struct slot_ring *r, uint32_t n_slots, uint32_t slot);
uint32_t ring_pop(struct slot_ring *r, uint32_t n_slots);

/* phase.c: go on to the next phase where it is time. */
void gen_advance(struct gen *g, uint64_t now);

/* gen.c: open a connection that was due then, in a free slot. False: it could not be begun. */
bool gen_open(struct gen *g, uint64_t due, uint64_t now);

/* gen.c: the open and close of every handler. */
struct slot *gen_opened(struct pier_conn *pc, struct gen **g);
void gen_closed(struct pier_conn *pc, enum pier_close_reason why);
void gen_trouble(struct pier_conn *pc, enum pier_trouble what);

/*
 * gen.c: n connections or requests that were due then, or what is under way on a connection, have no answer and
 * are given up, or the run ends: they are as old as they are now, and so they are in the latencies. Returns how
 * many of them count.
 */
uint64_t gen_lapse_open(struct gen *g, uint64_t due, uint64_t n);
uint64_t gen_lapse_ask(struct gen *g, uint64_t due, uint64_t n);
uint64_t gen_lapse(struct gen *g, const struct slot *s);

/* Count an error, once for a connection. */
void gen_error(struct gen *g, struct slot *s, enum load_error why);

/* The same, and reset the connection. */
void gen_fail(struct gen *g, struct pier_conn *pc, struct slot *s, enum load_error why);

/* client.c: send n more requests, due then. */
void client_ask(struct gen *g, struct pier_conn *pc, struct slot *s, unsigned int n, uint64_t due);

#endif
