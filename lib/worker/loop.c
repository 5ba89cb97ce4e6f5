/*
 * The poll loop, and what a packet meets between port and engine.
 */
#include <string.h>

#include <rte_cycles.h>
#include <rte_pause.h>

#include "base/units.h"
#include "port/poller.h"
#include "room.h"

#define TICK_BUDGET   256 /* timers a tick */
#define TICK_TURNS    4   /* of a busy worker: far less than a timer's millisecond */
#define CONTROL_TURNS 64
#define LINK_US	      (100 * US_PER_MS)
#define REFUSED_TURN_MOST US_PER_MS

/* What either side had to send again: the sign that packets are lost because of us. */
static uint64_t repeats(const struct worker *w)
{
	const uint64_t *v = w->counters.v;

	return v[CTR_SYNACK_RETRANSMITS] + v[CTR_TX_RETRANSMITS] + v[CTR_RX_OLD_DATA] +
	       v[CTR_RX_SYN_IN_CONN];
}

static void pressure(struct worker *w, bool full)
{
	struct overload *o = &w->overload;

	if (likely(!overload_turn(o, w->now, full)))
		return;
	overload_look(o, w->now, w->counters.v[CTR_RX_PACKETS], repeats(w));
	if (unlikely(o->on != w->pressure))
		engine_pressure(w->engine, w->pressure = o->on, 0);
}

/* How many of the SYNs of a turn are refused, those that other workers hand over among them. */
static void refuse(struct worker *w)
{
	engine_pressure(w->engine, true,
			overload_refused(&w->overload) / (OVERLOAD_ALL / ENGINE_REFUSE_ALL));
}

static uint64_t length(struct rte_mbuf *const *pkts, unsigned int n)
{
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < n; i++)
		bytes += pkts[i]->pkt_len;
	return bytes;
}

/* One burst from port to engine. With more workers, steering stands between parsing and input. */
static unsigned int receive(struct worker *w, struct worker_rx *q)
{
	struct rte_mbuf *pkts[WORKER_BURST];
	const unsigned int n = rte_eth_rx_burst(q->port->id, q->rxq, pkts, WORKER_BURST);
	unsigned int ours = n;

	if (n == 0)
		return 0;
	/* Whatever was said when it was last asked: the answers need not be lost. */
	if (unlikely(!port_link_up(q->port)) && q->rxq == 0)
		port_link_poll(q->port);
	count_add(&w->counters, CTR_RX_PACKETS, n);
	count_add(&w->counters, CTR_RX_BYTES, length(pkts, n));
	if (unlikely(w->pressure) && (q->steer == STEER_NOT || q->steer == STEER_RSS))
		ours = engine_refuse(w->engine, q->port->id, pkts, n);
	pkt_parse_burst(pkts, w->facts, ours, q->port->id, &q->port->cap);
	if (q->steer != STEER_NOT)
		ours = worker_steer(w, q, pkts, ours);
	engine_input(w->engine, pkts, w->facts, ours, w->now);
	return n;
}

/* The first n packets of the queue left it, to the port or to nowhere. */
static void forget(struct worker_queue *q, unsigned int n)
{
	q->n -= n;
	q->refused = 0;
	q->refused_at = 0;
	memmove(q->pkts, q->pkts + n, q->n * sizeof(q->pkts[0]));
}

static void drop(struct worker *w, struct worker_queue *q, unsigned int n, enum counter why)
{
	rte_pktmbuf_free_bulk(q->pkts, n);
	count_add(&w->counters, why, n);
	forget(q, n);
}

/* What others send by our queue: up to max of it, each ring in turn first. */
static unsigned int relayed(struct worker *w, struct worker_queue *q, unsigned int n,
			    unsigned int max)
{
	const unsigned int before = n, end = n + max;

	for (unsigned int i = 0; i < q->n_relays && n < end; i++)
		n += rte_ring_sc_dequeue_burst(q->relays[(w->turns + i) % q->n_relays],
					       (void **)(q->pkts + n), end - n, NULL);
	return n - before;
}

/* No queue here: to the worker that has one, as much as its ring has room for. */
static unsigned int relay(struct worker *w, struct worker_queue *q)
{
	struct rte_mbuf *pkts[WORKER_BURST];
	const unsigned int room = rte_ring_free_count(q->relay);
	unsigned int n = engine_output(w->engine, q->port->id, pkts,
				       min_of(room, (unsigned int)WORKER_BURST), w->now);

	if (n == 0)
		return 0;
	rte_ring_sp_enqueue_bulk(q->relay, (void **)pkts, n, NULL);
	count_add(&w->counters, CTR_RELAYED_PACKETS, n);
	worker_ring_bell(w, q->relay_to);
	return n;
}

/* The engine's packets into the queue's room; where others send by it, half of that is theirs. */
static unsigned int fill(struct worker *w, struct worker_queue *q)
{
	unsigned int n = q->n;

	if (unlikely(q->n_relays))
		n += relayed(w, q, n, (WORKER_BURST - n + 1) / 2);
	n += engine_output(w->engine, q->port->id, q->pkts + n, WORKER_BURST - n, w->now);
	if (unlikely(q->n_relays && n < WORKER_BURST))
		n += relayed(w, q, n, WORKER_BURST - n);
	return n;
}

/*
 * The port took nothing: for too long, so that it may be the first packet that it does not take? A port whose other end
 * stands for some milliseconds loses nothing by that. Nor does the time count in which it was us who stood.
 */
static bool is_stuck(struct worker *w, struct worker_queue *q)
{
	if (q->refused_at)
		q->refused += min_of(w->now - q->refused_at, (uint64_t)REFUSED_TURN_MOST);
	q->refused_at = w->now;
	return q->refused >= w->refused_us;
}

/*
 * What drivers want to be done with packets of several segments before they get them, once; what one finds wrong with
 * a packet is its end. Those of the n from the place from on are new. Returns how many there are now.
 */
static __attribute__((noinline)) unsigned int prepare(struct worker *w, struct worker_queue *q, unsigned int from,
						      unsigned int n)
{
	while ((from += rte_eth_tx_prepare(q->port->id, q->txq, q->pkts + from, (uint16_t)(n - from))) < n) {
		rte_pktmbuf_free(q->pkts[from]);
		count(&w->counters, CTR_TX_UNPREPARED);
		n--;
		memmove(q->pkts + from, q->pkts + from + 1, (n - from) * sizeof(q->pkts[0]));
	}
	return n;
}

unsigned int worker_transmit(struct worker *w, struct worker_queue *q)
{
	unsigned int n, sent;
	uint64_t bytes;

	if (unlikely(q->relay))
		return relay(w, q);
	n = fill(w, q);
	if (unlikely(q->port->cap.flags & PKT_TX_TSO))
		n = prepare(w, q, q->n, n);
	q->n = n;
	if (n == 0)
		return 0;
	if (unlikely(!port_link_up(q->port))) {
		drop(w, q, n, CTR_TX_LINK_DOWN);
		return n;
	}
	bytes = length(q->pkts, n);
	sent = rte_eth_tx_burst(q->port->id, q->txq, q->pkts, n);
	if (likely(sent)) {
		count_add(&w->counters, CTR_TX_PACKETS, sent);
		count_add(&w->counters, CTR_TX_BYTES, bytes - length(q->pkts + sent, n - sent));
		forget(q, sent);
	} else if (unlikely(is_stuck(w, q)) && !w->end.telling) {
		drop(w, q, 1, CTR_TX_REFUSED);
	}
	return sent;
}

/* The owner of queue 0 asks the device; each worker tells its engine what has changed. */
static void look_at_port(struct worker *w, struct worker_queue *q)
{
	uint16_t mtu;

	mtu = port_mtu(q->port);
	if (unlikely(mtu != q->mtu)) {
		q->mtu = mtu;
		engine_port_mtu(w->engine, q->port->id);
	}
}

static void control(struct worker *w)
{
	worker_serve(w);
	if (w->now < w->link_at)
		return;
	w->link_at = w->now + LINK_US;
	for (unsigned int i = 0; i < w->n_rx; i++)
		if (w->rx[i].rxq == 0)
			port_link_poll(w->rx[i].port);
	for (unsigned int i = 0; i < w->n_queues; i++)
		look_at_port(w, &w->queues[i]);
}

unsigned int worker_turn(struct worker *w)
{
	unsigned int n, moved = 0;
	bool full = false;

	port_poller_pass();
	w->now = worker_clock_us(&w->clock, rte_rdtsc());
	if (unlikely(w->pressure))
		refuse(w);
	for (unsigned int i = 0; i < w->n_rx; i++) {
		n = receive(w, &w->rx[i]);
		full |= n == WORKER_BURST;
		moved += n;
	}
	if (unlikely(w->team))
		moved += worker_hear(w, &full);
	pressure(w, full);
	if (w->hook.turn)
		moved += w->hook.turn(w->hook.arg, w->engine, w->now, moved);
	if (unlikely(w->end.telling))
		moved += worker_end_turn(w);
	for (unsigned int i = 0; i < w->n_queues; i++)
		moved += worker_transmit(w, &w->queues[i]);
	if (!moved || w->turns % TICK_TURNS == 0)
		engine_tick(w->engine, w->now, TICK_BUDGET);
	if (w->turns++ % CONTROL_TURNS == 0)
		control(w);
	return moved;
}

static void enter(struct worker *w)
{
	int from = WORKER_STOPPED;

	while (!__atomic_compare_exchange_n(&w->state, &from, WORKER_RUNNING, false,
					    __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		from = WORKER_STOPPED;
		rte_pause();
	}
}

int worker_run(void *arg)
{
	struct worker *w = arg;

	enter(w);
	port_poller_begin();
	while (!w->stop || w->end.telling) {
		if (worker_turn(w))
			worker_woke(w);
		else
			worker_rest(w);
	}
	worker_flush(w);
	port_poller_end();
	w->stop = false;
	__atomic_store_n(&w->state, WORKER_STOPPED, __ATOMIC_RELEASE);
	return 0;
}
