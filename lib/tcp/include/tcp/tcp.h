/*
 * TCP of one worker: its records, and what moves them.
 *
 * Segments come in through tcp_input, one at a time within a burst; nothing here calls a handler.
 * What a handler must hear is noted as event bits in the connection's hot block, and the connection
 * is put once on the ready list. What has to leave is noted by putting it on its port's output list;
 * tcp_output builds segments when the engine asks. Stateless answers, and the ACKs that each
 * out-of-order segment must have of its own, are built at once and emitted.
 *
 * Every function is for the worker's thread. The clock is t->now, set by the engine before any call.
 */
#ifndef PIER_TCP_H
#define PIER_TCP_H

#include "algo/bucket.h"
#include "algo/cookie.h"
#include "algo/delay.h"
#include "algo/ports.h"
#include "algo/rtt.h"
#include "algo/slab.h"
#include "algo/wheel.h"
#include "base/counter.h"
#include "base/seq.h"
#include "base/siphash.h"
#include "base/units.h"
#include "flow/table.h"
#include "net/net.h"
#include "pkt/build.h"
#include "pkt/facts.h"
#include "pkt/pool.h"
#include "tcp/listener.h"
#include "tcp/record.h"
#include "tcp/segment.h"
#include "tcp/tuple.h"
#include "wire/tcp.h"
#include "wire/tcp_opt.h"

#define TCP_PORTS_MAX   16
#define TCP_BURST_ACKS  16 /* immediate ACKs of a connection in one burst */
#define TCP_QUICK_ACKS  16 /* segments acknowledged one by one after one out of place */
#define TCP_BLOCK_ORDER 4  /* 64 << 4: the hot block's slab class */
#define TCP_BLOCK_BYTES (SLAB_UNIT << TCP_BLOCK_ORDER)
#define TCP_LIST_END    UINT32_MAX
#define TCP_RANGES_MAX  256 /* out-of-order ranges of a connection */
#define TCP_SHOWN_MAX   64  /* slices in one data callback */
#define TCP_FAT_LISTS   33

static_assert(sizeof(struct tcp_work) <= 64 << TCP_BLOCK_ORDER, "a hot block fits its class");

/* A listener version as this worker counts it. It is free when it is closed and has no users. */
struct tcp_version {
	const struct listener *listener; /* NULL: free */
	uint64_t users;                  /* connections, half-open ones included */
	uint32_t half_open;
	uint16_t generation;             /* tells the versions apart that had this place */
	bool open;                       /* takes new connections */
	bool client;                     /* takes no SYN: for active opens only */
	bool apart;                      /* its handler's contexts have a place of their own ... */
	uint8_t ctx_order;               /* ... of that size, in the slab */
	bool inside;                     /* or are in the records; neither: it has none */
};

/* Connections with something to do, through ready_next or out_next of their blocks. */
struct tcp_list {
	uint32_t head;
	struct tcp_work *last; /* of one that has any */
};

#define TCP_REFUSE_ALL 256 /* SYNs, see tcp.refused */

struct tcp_seg;

/* A pool of records: fresh ones are handed out in order, so untouched memory stays untouched. */
struct tcp_pool {
	uint32_t max, fresh, free, used; /* index 0 is never used */
};

struct tcp {
	uint64_t now;    /* us */
	uint32_t now_ms;
	bool within_ms;  /* now is not the begin of that millisecond */
	uint16_t worker;
	/* What few SYNs meet; unusual: any of it. */
	union {
		struct {
			bool pressure; /* more comes than can be carried */
			bool draining;
			bool chaos; /* a listener misbehaves on purpose */
		};
		uint32_t unusual;
	};
	uint16_t refused, refusing; /* of TCP_REFUSE_ALL, under pressure; the remainder so far */

	struct counters *ctr;
	struct net *net;
	struct pkt_pool *pool;
	const struct pkt_port *port[TCP_PORTS_MAX];
	void (*emit)(void *arg, uint16_t port, struct rte_mbuf *m); /* takes m */
	void *emit_arg;

	struct flow_table table;
	struct flow_key flow_key;
	struct slab slab;
	struct tcp_shared shared;
	struct wheel wheel;
	struct tcp_conn *conn;
	union tcp_small *small;
	struct tcp_pool conn_pool, small_pool;

	uint32_t half_open, max_half_open;
	uint32_t time_wait, max_time_wait;
	uint32_t half_free; /* free small records that were half-open */
	uint32_t tw_head, tw_tail;
	uint32_t tw_ahead, tw_lead; /* what is asked for before its turn; so many places from the head */
	uint32_t time_wait_ms; /* 2 MSL, the same for all: the queue is in order of expiry */

	struct tcp_policy policy;
	struct tcp_list ready;
	struct tcp_list out[TCP_PORTS_MAX];
	uint32_t sweep_pos, sweep_ms; /* of tcp_stale_sweep */
	uint32_t rescue_pos;          /* of tcp_timer_rescue */
	bool rescue;                  /* the wheel was full: some record has no entry */
	uint32_t working;             /* blocks attached */
	uint64_t held, held_max;      /* mbufs that queues keep, and their share; 0: no limit */
	uint64_t held_open;           /* up to here each may hold what its window allows; see share.c */
	uint64_t promised;            /* octets of open windows that are being filled; see share.c */
	uint32_t mbuf_octets;         /* payload that each mbuf kept has, at least */
	uint32_t fair_window, fair_least; /* octets: an equal part of the share for each connection */

	struct flow_key ts_key;
	struct sip_key isn_key;
	struct ports ports; /* local ports of active opens */
	uint64_t rcv_grown, rcv_budget; /* bytes that receive buffers grew, and may */
	uint32_t pinched;             /* a list of connections, 0: none */
	uint64_t retry_at;            /* us: no mbuf was left, output waits until then */
	uint64_t ooo_held, ooo_max;   /* mbufs of all out-of-order queues, and their cap */
	uint32_t fat[TCP_FAT_LISTS];  /* connections by ooo_held: [n] has n bits; see share.c */

	struct bucket rst_bucket;
	uint16_t next_generation;

	struct tcp_version *version;  /* ENGINE_LISTENERS_MAX */
	uint16_t *any_port;           /* 65536: version + 1 that listens on any address, 0: none */
	uint16_t *specific;           /* versions bound to one address */
	uint32_t n_specific, n_versions;

	struct delay grace; /* records whose deadline may be over before it needs the wheel; see deadline.c */
	struct cookie_jar cookies; /* last: large, and seldom touched */
};

/* ---- records (conn.c) ---- */

static inline struct tcp_work *tcp_work_of(const struct tcp *t, const struct tcp_conn *c)
{
	return slab_ptr(&t->slab, c->block);
}

static inline uint32_t tcp_index(const struct tcp *t, const struct tcp_conn *c)
{
	return (uint32_t)(c - t->conn);
}

static inline const struct tcp_options *tcp_opts_of(const struct tcp *t, const struct tcp_conn *c)
{
	return &t->version[c->version].listener->tcp;
}

static inline uint64_t tcp_conn_id(const struct tcp *t, const struct tcp_conn *c)
{
	return (uint64_t)t->worker << 48 | (uint64_t)c->generation << 32 | tcp_index(t, c);
}

/* An option of struct tcp_own: the connection's or, as nearly always, its listener's. */
#define tcp_setting(t, c, name)                                                                    \
	(unlikely((c)->flags & TCP_F_OWN) ? tcp_work_of(t, c)->own.name : tcp_opts_of(t, c)->name)

/* Octets of its send queue. */
static inline uint64_t tcp_sndbuf(const struct tcp *t, const struct tcp_conn *c)
{
	if (unlikely(c->flags & TCP_F_OWN) && tcp_work_of(t, c)->own.sndbuf)
		return tcp_work_of(t, c)->own.sndbuf;
	return tcp_opts_of(t, c)->sndbuf;
}

/* The congestion control of its listener. */
static inline const struct cc_ops *tcp_cc(const struct tcp *t, const struct tcp_conn *c)
{
	return cc_algorithms[tcp_opts_of(t, c)->congestion];
}

/* The connection of that id, or NULL if it is gone. */
struct tcp_conn *tcp_conn_of_id(const struct tcp *t, uint64_t id);

/* A record that is in no list and no table, flags and state zero; NULL at the limit. */
struct tcp_conn *tcp_conn_alloc(struct tcp *t);

/*
 * Give back the record, its block, context and queues. Its entry stays in the wheel for the record's next
 * user: where connections come and go each record has one, not each connection.
 */
void tcp_conn_free(struct tcp *t, struct tcp_conn *c);

/*
 * Attach a hot block to a new connection, whose record says nothing yet of round trips, congestion and losses: its
 * congestion control is to be initialised. NULL: none left, counted.
 */
struct tcp_work *tcp_attach_first(struct tcp *t, struct tcp_conn *c);

/* Attach a hot block to a connection at rest; NULL: none left, counted. */
struct tcp_work *tcp_attach_block(struct tcp *t, struct tcp_conn *c);

/* The same, or the block that is attached. */
static inline struct tcp_work *tcp_attach(struct tcp *t, struct tcp_conn *c)
{
	return likely(c->block) ? tcp_work_of(t, c) : tcp_attach_block(t, c);
}

/* Give the block back if the connection is at rest. */
void tcp_settle(struct tcp *t, struct tcp_conn *c);

/* Take the connection out of the table: the peer reaches it no more. Once. */
void tcp_unhash(struct tcp *t, struct tcp_conn *c);

/*
 * The connection is over for the peer: unhash, note close for the handler. Record and queues go at
 * the end of the ready pass: a callback that is running may still look at received data.
 */
void tcp_close_now(struct tcp *t, struct tcp_conn *c, enum pier_close_reason why);
/* The same of one whose place in the table is another's already. */
void tcp_close_unhashed(struct tcp *t, struct tcp_conn *c, enum pier_close_reason why);

/*
 * At the end of a ready pass: a connection whose peer and handler are both done leaves, to TIME-WAIT
 * or for good. Before that it stays, because the handler may not have read everything.
 */
void tcp_finish(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

static inline void *tcp_ctx(struct tcp *t, struct tcp_conn *c)
{
	const struct tcp_version *v = &t->version[c->version];

	if (v->apart)
		return slab_ptr(&t->slab, (uint32_t)c->ctx);
	return v->inside ? &c->ctx : NULL;
}

bool tcp_ctx_alloc(struct tcp *t, struct tcp_conn *c);

/*
 * A record of that kind, its content undefined; but of one to be half-open wheel_slot is valid, and deadline
 * where that is not 0. NULL at the limit.
 */
union tcp_small *tcp_small_alloc(struct tcp *t, enum flow_type kind);
void tcp_small_free(struct tcp *t, union tcp_small *s);

static inline uint32_t tcp_small_index(const struct tcp *t, const void *s)
{
	return (uint32_t)((const union tcp_small *)s - t->small);
}

/*
 * Check the connection's invariants, between calls of the engine: NULL, or what is wrong. For tests:
 * time in proportion to what the connection has queued and in flight. (check.c)
 */
const char *tcp_check(const struct tcp *t, const struct tcp_conn *c);

/* ready: through ready_next, else out_next. */
static inline void tcp_list_push(struct tcp_list *l, bool ready, struct tcp_work *w)
{
	if (ready)
		w->ready_next = TCP_LIST_END;
	else
		w->out_next = TCP_LIST_END;
	if (l->head == TCP_LIST_END)
		l->head = w->conn;
	else if (ready)
		l->last->ready_next = w->conn;
	else
		l->last->out_next = w->conn;
	l->last = w;
}

/* The first, or NULL if there is none. */
static inline struct tcp_conn *tcp_list_pop(struct tcp *t, struct tcp_list *l, bool ready)
{
	struct tcp_conn *c;
	struct tcp_work *w;

	if (l->head == TCP_LIST_END)
		return NULL;
	c = &t->conn[l->head];
	w = tcp_work_of(t, c);
	l->head = ready ? w->ready_next : w->out_next;
	if (ready)
		w->on_ready = 0;
	else
		w->on_out = 0;
	return c;
}

/* Put on the ready list with these events. Needs a block. */
static inline void tcp_ready(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, unsigned int events)
{
	w->events |= events;
	if (w->on_ready)
		return;
	w->on_ready = 1;
	tcp_list_push(&t->ready, true, w);
}

/* Put on its port's output list. */
static inline void tcp_want_output(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	if (w->on_out || c->state == TCP_CLOSED)
		return;
	w->on_out = 1;
	tcp_list_push(&t->out[t->net->paths[c->path].port], false, w);
}

/* ---- listeners (listen.c) ---- */

/* The version that takes a SYN to this local address and port (host order), or -1. */
int tcp_listener_find(const struct tcp *t, uint32_t local, uint16_t port);

/* One user less. The last one of a closed version frees it. */
static inline void tcp_version_put(struct tcp *t, uint32_t version)
{
	struct tcp_version *v = &t->version[version];

	if (unlikely(!--v->users && !v->open))
		v->listener = NULL;
}

/*
 * Under overload, before its record is looked for: whether a SYN to this local address and port (host order) is for a
 * listener, and one of those that are refused, evenly so many of TCP_REFUSE_ALL as tcp.refused says. Where a listener
 * has faults on purpose these come first, and tcp_syn_input refuses. A SYN to a record that is there may be among
 * them: as if lost.
 */
bool tcp_refuses(struct tcp *t, uint32_t local, uint16_t port);

static inline bool tcp_syn_refused(struct tcp *t, const struct pkt_facts *f)
{
	return (f->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN &&
	       tcp_refuses(t, f->local, be16(f->dport));
}

/* A SYN, or anything else, to a listener; consumes m. */
void tcp_listen_input(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, int version);

/* A segment for a half-open record; consumes m. */
void tcp_half_input(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, struct tcp_half *h);
void tcp_half_timer(struct tcp *t, struct tcp_half *h);
/* Tell its peer by RST that there will be no connection; the record stays. False: no mbuf. */
bool tcp_half_reset(struct tcp *t, const struct tcp_half *h);
/* Give the record up; a TIME-WAIT entry that it was to replace goes on. */
void tcp_half_free(struct tcp *t, struct tcp_half *h);

/* ---- input ---- */

/* The entry of the record with this tuple, or FLOW_NONE. */
uint32_t tcp_entry_of(const struct tcp *t, const struct flow_tuple *tuple, uint64_t hash);

/*
 * One segment, all checks of header and checksum passed, f->local, f->hash filled, f->entry the hint
 * of the lookup pass, or FLOW_NONE. Consumes m. Whether its source is possible is seen to where there is no record.
 */
void tcp_input(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f);

/* A segment for a connection; consumes m. RFC 9293 section 3.10.7.4. */
void tcp_conn_input(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, struct tcp_conn *c);

/* Drop m for a reason. */
static inline void tcp_drop(struct tcp *t, struct rte_mbuf *m, enum counter reason)
{
	count(t->ctr, reason);
	pkt_recycle(t->pool, m);
}

/* The acknowledgment a segment carries, checked before: RFC 9293 section 3.10.7.4 step 5. */
void tcp_ack_input(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, struct rte_mbuf *m,
		   const struct pkt_facts *f);

/*
 * The payload and FIN of a segment, in the window at least in part; consumes m. Returns false if it
 * was not used (counted).
 */
void tcp_data_input(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, struct rte_mbuf *m,
		    struct pkt_facts *f);

/* Blocks to report, D-SACK first; at most max. RFC 2018, 2883. */
unsigned int tcp_sack_report(const struct tcp *t, struct tcp_work *w, uint32_t rcv_nxt,
			     struct tcp_sack_block *out, unsigned int max);

/* ---- a connection's own settings (settings.c) ---- */

struct tcp_own tcp_own_get(const struct tcp *t, const struct tcp_conn *c);
/* From now on; running timers follow. */
void tcp_own_set(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, const struct tcp_own *own);

/* No segment has more payload from now on (pmtu.c). */
void tcp_set_mss(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, uint32_t mss);

/* What is in flight and not SACKed goes again, by no fault of the network: no congestion event. */
void tcp_flight_resend(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

/* ---- errors from the network (icmp.c) ---- */

/* A valid ICMP error about TCP; counted if it is not used. RFC 9293 section 3.9.2.2. */
void tcp_icmp_error(struct tcp *t, const struct net_icmp_error *err);

/* Let the handler know, if it wants to, from the ready list. Once for each kind. */
void tcp_trouble(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, enum pier_trouble what);

/*
 * The retransmission timer expired. At R1, when the head goes out for the r1-th time again, the next
 * hop is asked for and the handler told (RFC 9293 section 3.8.3).
 */
void tcp_retransmitting(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);
void tcp_r1_reached(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

/* ---- urgent data (urgent.c), RFC 9293 section 3.8.5 ---- */

struct tcp_seg;
void tcp_urgent_input(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
		      const struct pkt_facts *f);
/* Octets before the mark that the handler has not taken. */
uint32_t tcp_urgent_left(const struct tcp_work *w);
/* The last byte queued is the last urgent one. */
void tcp_urgent_queued(struct tcp_work *w);
/* Flag and pointer of a segment, whose place is known. */
void tcp_urgent_mark(struct tcp_work *w, struct tcp_seg *seg);
/* No data comes behind the peer's FIN at seq. */
void tcp_urgent_fin(struct tcp_work *w, uint32_t seq);

/* ---- queues (queue.c, rcvq.c; tcp/rcvq.h has more) ---- */

/* FIN behind everything that was queued: CLOSE, RFC 9293 section 3.10.4. Once. */
static inline void tcp_shutdown(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	c->flags |= TCP_F_FIN_QUEUED;
	c->flags &= ~(uint32_t)TCP_F_WANT_WRITABLE;
	/* Before ESTABLISHED a FIN waits for it, but one with nothing before it. */
	if (c->state == TCP_CLOSE_WAIT)
		c->state = TCP_LAST_ACK;
	else if (c->state == TCP_ESTABLISHED || (c->state == TCP_SYN_RECEIVED && !w->sndq.n))
		c->state = TCP_FIN_WAIT_1;
	tcp_ready(t, c, w, 0);
}

/* Append to the send queue; each returns the bytes taken, bounded by the room. */
size_t tcp_send_copy(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, const void *data, size_t len);
/* The same; *sum: 0, or TCP_SUM_KNOWN and the sum of all of data, as it is left; above it a shared piece's number. */
size_t tcp_send_summed(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, const void *data,
		       size_t len, uint32_t *sum);
size_t tcp_send_static(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, const void *data,
		       size_t len);
/* The slice stays the caller's; a reference is taken where that is cheaper than a copy. */
size_t tcp_send_slice(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
		      const struct slice *s);
/* Drop what was queued and never sent: FLUSH, RFC 9293 section 3.9.1.7. */
void tcp_send_flush(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);
size_t tcp_send_room(const struct tcp *t, const struct tcp_conn *c, const struct tcp_work *w);
void tcp_sndq_acked(struct tcp *t, struct tcp_work *w, uint32_t una);
/* Slice index that holds seq. */
uint32_t tcp_queue_find(const struct tcp *t, const struct vec *q, const struct slice *inl,
			uint32_t seq);
/* The handler will not take more for now: what is left is packed. */
void tcp_rcvq_left(struct tcp *t, struct tcp_work *w);
void tcp_queues_drop_any(struct tcp *t, struct tcp_work *w);

/* Before the block goes back: what the queues still have goes. As a rule they have nothing. */
static inline void tcp_queues_drop(struct tcp *t, struct tcp_work *w)
{
	if (unlikely(w->sndq.n | w->rcvq.n | w->flight.n | w->ooo.n | w->sndq.mem | w->rcvq.mem |
		     w->flight.mem | w->ooo.mem | w->ooo_held || w->rcv_more.head))
		tcp_queues_drop_any(t, w);
}

/* ---- the receive window (window.c; tcp/window.h has more) ---- */

/* The receive buffer of a connection, in bytes: what it began with, doubled as often as it grew. */
uint32_t tcp_rcvbuf(const struct tcp *t, const struct tcp_conn *c);
/* By how much it grew: the connection's part of tcp.rcv_grown. */
uint32_t tcp_rcvbuf_grown(const struct tcp *t, const struct tcp_conn *c);
/* Its own, 0: the listener's; in range. False: they do not fit into the worker's budget. */
bool tcp_set_buffers(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, uint32_t rcv, uint32_t snd);

/* ---- output ---- */

/* Segments of one connection, at most max; *more if it could send on. */
unsigned int tcp_output(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
			struct rte_mbuf **pkts, unsigned int max, bool *more);

/*
 * tcp_output of one segment that carries all that is queued, if nothing about it is unusual: it is in flight then,
 * and nothing more is to be done. NULL: nothing was done. (fast.c)
 */
struct rte_mbuf *tcp_fast_output(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

/* RFC 5681 section 4.1: after an idle time, before data leaves, the window is what a new connection has. */
void tcp_check_idle(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

/* Whether there is something that tcp_output may have to send: it decides whether now. */
static inline bool tcp_has_output(const struct tcp_conn *c, const struct tcp_work *w)
{
	return w->ack_now || seq_lt(c->snd_nxt, w->snd_end) || w->lost ||
	       (c->flags & (TCP_F_FIN_QUEUED | TCP_F_FIN_SENT)) == TCP_F_FIN_QUEUED ||
	       w->keepalive_probe || w->probe || w->tlp_send || w->syn_due;
}

/* Build and emit an ACK at once. False: no mbuf (the ACK stays owed). */
bool tcp_ack_now(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

/* ACK of RFC 5961: throttled per connection. Consumes m. */
void tcp_challenge_ack(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m, bool throttle);
/* The answer to an empty segment at RCV.NXT - 1, throttled too, but no challenge is in its way. */
void tcp_keepalive_ack(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m);

/*
 * Whether ABORT in c's state is told to the peer by RST (RFC 9293 section 3.10.5). A FIN that still waits
 * behind data is queued in CLOSE-WAIT by section 3.10.4: for the RFC, CLOSING and LAST-ACK begin when it
 * was sent.
 */
static inline bool tcp_reset_due(const struct tcp_conn *c)
{
	if (c->state == TCP_CLOSING || c->state == TCP_LAST_ACK)
		return !(c->flags & TCP_F_FIN_SENT);
	return c->state != TCP_SYN_SENT && c->state < TCP_TIME_WAIT;
}

/* RST for an existing connection (ABORT): seq SND.MAX, if one is due. False: one is, and there is no mbuf. */
bool tcp_send_reset(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);
/* The same for one without block: all there is to say is in the record. */
bool tcp_reset_at_rest(struct tcp *t, const struct tcp_conn *c);

/* ---- timers (timer.c) ---- */

/* The earliest of the connection's timers is its deadline. */
void tcp_timer_update(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);
void tcp_timer_arm(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, enum tcp_timer kind,
		   uint64_t delay_us);
/*
 * An ACK was taken in. Timers follow in tcp_timer_rearm, once a turn: restart is remembered, and nothing
 * guards what is no longer in flight.
 */
void tcp_timer_acked(struct tcp_conn *c, struct tcp_work *w, bool restart);
/* Choose the timer that the state of the send queue calls for. */
void tcp_timer_rearm(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, bool restart);
/* Data left: the probe's timer begins again; at SND.UNA the retransmission timer too. */
void tcp_timer_sent(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, bool head_again);
/* The tick, in ms, at which a delay in us from now has passed. */
uint32_t tcp_timer_due(const struct tcp *t, uint64_t delay_us);
/* The retransmission timeout in us, not backed off. The connection has its block. */
uint64_t tcp_rto(const struct tcp *t, const struct tcp_conn *c);

/*
 * Mark the records whose TS.Recent is older than 24 days (RFC 7323 section 5.5), and see to it that
 * other times of long ago stay so: a walk once an hour, some in each tick, long before the clock
 * wraps. Until then tcp_ts_stale says it by subtraction.
 */
void tcp_stale_sweep(struct tcp *t);

#define TCP_SWEEP_MS (3600u * 1000)
#define TCP_STALE_MS (24u * 24 * TCP_SWEEP_MS)

static inline bool tcp_ts_stale(const struct tcp *t, const struct tcp_conn *c)
{
	return c->flags & TCP_F_TS_STALE || t->now_ms - c->last_rx >= TCP_STALE_MS;
}

/* ---- TIME-WAIT (time_wait.c) ---- */

/* Replace the connection's record by a TIME-WAIT record; the connection itself is then over. */
void tcp_enter_time_wait(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);
void tcp_time_wait_input(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f,
			 struct tcp_time_wait *tw);
/* Free what has expired, at most budget. */
void tcp_time_wait_tick(struct tcp *t, unsigned int budget);
/* The entry is over; a handshake that was to replace it goes on. */
void tcp_time_wait_free(struct tcp *t, struct tcp_time_wait *tw);

/* Timestamp clock of RFC 7323: ms and a keyed offset. */
static inline uint32_t tcp_ts_now(const struct tcp *t, uint32_t offset)
{
	return t->now_ms + offset;
}

/*
 * RFC 7323 section 5.4: a keyed hash, under a key of its own, that is made again whenever a connection
 * goes to work. It hides how long the host is up and lets no connection be told from another; the ISN,
 * which is what keeps strangers out, has SipHash-2-4 (algo/isn.h).
 */
static inline uint32_t tcp_ts_offset(const struct tcp *t, const struct flow_tuple *tuple)
{
	return (uint32_t)flow_hash(&t->ts_key, tuple);
}

#endif
