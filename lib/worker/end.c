/*
 * A worker's end: each peer that is left is told by RST, as fast as the ports take them, and the last packets leave
 * before the loop does.
 *
 * A port that takes nothing is waited for, but not for ever: STALL after the last packet left, or when the time
 * is up that the request allowed, what is left goes without a word, and is counted. The other end of a link may be
 * a virtual machine that has no CPU for a second or two. That of this worker may be away, too: of the time between
 * two turns no more counts than a turn may take.
 */
#include <rte_cycles.h>

#include "base/units.h"
#include "room.h"

#define STEP	    1024 /* records a turn */
#define STALL	    (3 * US_PER_SEC)
#define TURN_MOST   (10 * US_PER_MS)
#define FLUSH_TURNS 256
#define FLUSH_WAIT  US_PER_SEC /* for the other workers */

/* Packets that were built and did not leave. */
static uint64_t dropped(const struct worker *w)
{
	const uint64_t *v = w->counters.v;

	return v[CTR_TX_NO_NEIGHBOR] + v[CTR_TX_REFUSED] + v[CTR_TX_LINK_DOWN] + v[CTR_TX_QUEUE_FULL];
}

static uint64_t waiting(const struct worker *w)
{
	uint64_t n = engine_left(w->engine).packets;

	for (unsigned int i = 0; i < w->n_queues; i++) {
		n += w->queues[i].n;
		if (w->queues[i].relay)
			n += rte_ring_count(w->queues[i].relay);
	}
	return n;
}

void worker_end_begin(struct worker *w, uint64_t us)
{
	if (!w->end.telling)
		w->end = (struct worker_end){.telling = true, .dropped = dropped(w), .turn = w->now};
	w->end.until = w->now + us;
}

/* No more time for what the ports have not taken either. */
static void throw_away(struct worker *w)
{
	struct rte_mbuf *pkts[WORKER_BURST];
	unsigned int n;

	for (unsigned int i = 0; i < w->n_queues; i++) {
		struct worker_queue *q = &w->queues[i];

		count_add(&w->counters, CTR_TX_REFUSED, q->n);
		rte_pktmbuf_free_bulk(q->pkts, q->n);
		q->n = q->refused = 0;
		while ((n = engine_output(w->engine, q->port->id, pkts, WORKER_BURST, w->now))) {
			count_add(&w->counters, CTR_TX_REFUSED, n);
			rte_pktmbuf_free_bulk(pkts, n);
		}
	}
}

static void give_up(struct worker *w)
{
	w->end.untold += engine_abandon(w->engine, w->now);
	count_add(&w->counters, CTR_CONN_UNTOLD, w->end.untold);
	throw_away(w);
	w->end.telling = false;
}

unsigned int worker_end_turn(struct worker *w)
{
	struct worker_end *end = &w->end;
	const uint64_t sent = w->counters.v[CTR_TX_PACKETS] + w->counters.v[CTR_RELAYED_PACKETS];

	end->stalled = sent != end->sent ? 0 : end->stalled + min_of(w->now - end->turn, TURN_MOST);
	end->sent = sent;
	end->turn = w->now;
	if (w->now >= end->until || end->stalled >= STALL)
		give_up(w);
	else if (engine_abort(w->engine, w->now, STEP) && !waiting(w))
		end->telling = false;
	return 1;
}

void worker_end_left(const struct worker *w, struct worker_left *out)
{
	const struct engine_left left = engine_left(w->engine);

	*out = (struct worker_left){
		.connections = left.connections + left.half_open,
		.packets = waiting(w),
		.telling = w->end.telling,
		.untold = w->end.untold,
		.dropped = dropped(w) - w->end.dropped,
	};
}

static void flush_turns(struct worker *w)
{
	for (unsigned int t = 0; t < FLUSH_TURNS; t++)
		for (unsigned int i = 0; i < w->n_queues; i++)
			worker_transmit(w, &w->queues[i]);
}

/* What one sends by another's queue the other has to send: nobody leaves before all have flushed. */
void worker_flush(struct worker *w)
{
	struct worker_team *t = w->team;
	uint64_t start = w->now;
	unsigned int all;

	flush_turns(w);
	if (!t)
		return;
	all = __atomic_fetch_add(&t->flushed, 1, __ATOMIC_ACQ_REL) / t->n * t->n + t->n;
	while (__atomic_load_n(&t->flushed, __ATOMIC_ACQUIRE) < all &&
	       w->now - start < FLUSH_WAIT) {
		flush_turns(w);
		w->now = worker_clock_us(&w->clock, rte_rdtsc());
	}
	flush_turns(w);
}
