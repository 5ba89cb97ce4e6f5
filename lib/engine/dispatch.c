/*
 * The ready pass: after a burst went through TCP, every connection with news has its handler's
 * callbacks run once, and is then left in order: output asked for, timer set, block returned if
 * the connection came to rest, record freed if it is over.
 *
 * What a callback causes for its own connection (resume, writable) runs in the next pass, so a pass
 * ends.
 */
#include "base/shortcut.h"
#include "engine_priv.h"
#include "tcp/rcvq.h"
#include "tcp/window.h"

static const struct pier_handler *handler_of(const struct engine *e, const struct tcp_conn *c)
{
	return e->tcp.version[c->version].listener->handler;
}

static bool open_for(const struct tcp_conn *c)
{
	return c->flags & TCP_F_OPEN && !(c->flags & TCP_F_ORPHAN) && c->state != TCP_CLOSED;
}

void engine_detach_handler(struct engine *e, struct tcp_conn *c, enum pier_close_reason why)
{
	const struct pier_handler *h = handler_of(e, c);
	struct pier_conn pc;

	if (!(c->flags & TCP_F_OPEN))
		return;
	c->flags &= ~(uint32_t)(TCP_F_OPEN | TCP_F_TIMER | TCP_F_WANT_WRITABLE);
	c->flags |= TCP_F_ORPHAN;
	if (!h->close)
		return;
	engine_conn_handle(e, c, &pc);
	h->close(&pc, why);
}

void engine_reap(struct engine *e, struct tcp_conn *c)
{
	struct tcp_work *w = tcp_work_of(&e->tcp, c);

	engine_detach_handler(e, c, w->close_reason);
	if (!w->on_ready && !w->on_out)
		tcp_conn_free(&e->tcp, c);
}

/*
 * One data callback of a queue that is not empty; returns whether all that was shown was consumed and there is
 * more. Inline: it has one caller, once for each message.
 */
static inline __attribute__((always_inline)) bool
show(struct engine *e, struct tcp_conn *c, struct tcp_work *w, const struct pier_handler *h,
     struct pier_conn *pc)
{
	struct pier_slice s[TCP_SHOWN_MAX];
	const struct slice *q = vec_at(&w->rcvq, &e->tcp.slab, w->rcvq_inline, sizeof(*q), 0);
	unsigned int n = min_of(w->rcvq.n, (uint32_t)TCP_SHOWN_MAX), i = 0;
	size_t total = 0, used;

	e->shown = q;
	e->n_shown = n;
	do {
		s[i] = (struct pier_slice){q[i].data, q[i].len, q[i].owner};
		total += q[i].len;
	} while (unlikely(++i < n));
	used = likely(h->data) ? min_of(h->data(pc, s, n), total) : total;
	e->n_shown = 0;
	if (c->state == TCP_CLOSED)
		return false;
	tcp_rcvq_consume(&e->tcp, w, (uint32_t)used);
	return unlikely(w->rcvq.n) && used == total;
}

static inline __attribute__((always_inline)) void
run_data(struct engine *e, struct tcp_conn *c, struct tcp_work *w, const struct pier_handler *h,
	 struct pier_conn *pc)
{
	if (likely(w->rcvq.n))
		while (show(e, c, w, h, pc) && open_for(c))
			;
	if (unlikely(c->state == TCP_CLOSED))
		return;
	if (unlikely(w->rcvq.n))
		tcp_rcvq_left(&e->tcp, w);
	if (!(c->flags & TCP_F_ORPHAN))
		tcp_window_update(&e->tcp, c, w);
}

static __attribute__((noinline)) void run_data_again(struct engine *e, struct tcp_conn *c,
						     struct tcp_work *w, const struct pier_handler *h,
						     struct pier_conn *pc)
{
	run_data(e, c, w, h, pc);
}

/* There may be no room any more: data() ran in between. Then the wish stays. */
static void run_writable(struct engine *e, struct tcp_conn *c, struct tcp_work *w,
			 const struct pier_handler *h, struct pier_conn *pc)
{
	size_t room = tcp_send_room(&e->tcp, c, w);

	if (!(c->flags & TCP_F_WANT_WRITABLE) || !room)
		return;
	c->flags &= ~(uint32_t)TCP_F_WANT_WRITABLE;
	if (h->writable)
		h->writable(pc, room);
	if (open_for(c) && w->rcvq.n)
		run_data_again(e, c, w, h, pc);
}

static void run_eof(struct engine *e, struct tcp_conn *c, const struct pier_handler *h,
		    struct pier_conn *pc)
{
	c->flags |= TCP_F_EOF_TOLD;
	if (h->eof)
		h->eof(pc);
	else
		pier_close(pc);
}

/* Each kind once, however often it was reported. */
static void run_trouble(struct tcp_conn *c, struct tcp_work *w, const struct pier_handler *h,
			struct pier_conn *pc)
{
	unsigned int kinds = w->trouble;

	w->trouble = 0;
	for (unsigned int what = 0; kinds >> what; what++)
		if (kinds >> what & 1 && h->trouble && open_for(c) &&
		    !(c->flags & TCP_F_NO_TROUBLE))
			h->trouble(pc, what);
}

/* What comes before data, and what comes after it: not in every pass. */
static __attribute__((noinline)) void run_before(struct engine *e, struct tcp_conn *c,
						 const struct pier_handler *h, struct pier_conn *pc,
						 unsigned int events)
{
	if (events & TCP_EV_OPEN && c->state != TCP_CLOSED && !(c->flags & TCP_F_ORPHAN)) {
		c->flags |= TCP_F_OPEN;
		if (h->open)
			h->open(pc);
	}
	if (events & TCP_EV_URGENT && open_for(c) && h->urgent)
		h->urgent(pc);
}

static __attribute__((noinline)) void run_after(struct engine *e, struct tcp_conn *c, struct tcp_work *w,
						const struct pier_handler *h, struct pier_conn *pc,
						unsigned int events)
{
	if (events & TCP_EV_WRITABLE && open_for(c))
		run_writable(e, c, w, h, pc);
	if (events & TCP_EV_TIMER && open_for(c) && h->timer)
		h->timer(pc);
	if (events & TCP_EV_TROUBLE)
		run_trouble(c, w, h, pc);
}

/* The peer has sent its FIN, and the handler was not told. */
static inline bool eof_due(const struct tcp_conn *c)
{
	const uint32_t mask = TCP_F_OPEN | TCP_F_ORPHAN | TCP_F_FIN_RECEIVED | TCP_F_EOF_TOLD;

	return (c->flags & mask) == (TCP_F_OPEN | TCP_F_FIN_RECEIVED) && c->state != TCP_CLOSED;
}

static __attribute__((noinline)) void run_any(struct engine *e, struct tcp_conn *c, struct tcp_work *w)
{
	const struct pier_handler *h = handler_of(e, c);
	unsigned int events = w->events;
	struct pier_conn pc;

	w->events = 0;
	if (unlikely(c->state < TCP_ESTABLISHED))
		events &= TCP_EV_TIMER | TCP_EV_TROUBLE; /* the rest follows open, or nothing does */
	engine_conn_handle(e, c, &pc);
	if (unlikely(events & (TCP_EV_OPEN | TCP_EV_URGENT)))
		run_before(e, c, h, &pc, events);
	if (events & TCP_EV_DATA && open_for(c))
		run_data(e, c, w, h, &pc);
	if (unlikely(events & (TCP_EV_WRITABLE | TCP_EV_TIMER | TCP_EV_TROUBLE)))
		run_after(e, c, w, h, &pc, events);
	if (unlikely(eof_due(c)) && !w->rcvq.n)
		run_eof(e, c, h, &pc);
}

/* The handler has closed, and hears of nothing any more. Trouble that there was has to be forgotten, though. */
static inline bool nobody_listens(const struct tcp_conn *c, const struct tcp_work *w)
{
	return SHORTCUT(CLOSED) && c->flags & TCP_F_ORPHAN && !(w->events & TCP_EV_TROUBLE);
}

static __attribute__((noinline)) void run_events(struct engine *e, struct tcp_conn *c, struct tcp_work *w)
{
	if (nobody_listens(c, w))
		w->events = 0;
	else
		run_any(e, c, w);
}

/*
 * run_events of one message in one slice, where nothing else is new and both sides keep the connection open. False:
 * it is another case, and nothing was done.
 */
static inline __attribute__((always_inline)) bool run_message(struct engine *e, struct tcp_conn *c,
							      struct tcp_work *w)
{
	const struct pier_handler *h = handler_of(e, c);
	const struct slice *q;
	struct pier_slice s;
	struct pier_conn pc;
	size_t used;

	if (!SHORTCUT(MESSAGE) || w->events != TCP_EV_DATA || c->state < TCP_ESTABLISHED || !tcp_rcvq_is_alone(w) || !h->data ||
	    (c->flags & (TCP_F_OPEN | TCP_F_ORPHAN | TCP_F_FIN_RECEIVED)) != TCP_F_OPEN)
		return false;
	w->events = 0;
	engine_conn_handle(e, c, &pc);
	q = w->rcvq_inline + w->rcvq.head; /* elsewhere head counts other storage's */
	s = (struct pier_slice){q->data, q->len, q->owner};
	e->shown = q;
	e->n_shown = 1;
	used = h->data(&pc, &s, 1);
	e->n_shown = 0;
	if (unlikely(c->state == TCP_CLOSED))
		return true;
	if (likely(used >= s.len)) { /* nothing is added to the queue of an open connection meanwhile */
		tcp_rcvq_consume_one(&e->tcp, w, (uint32_t)s.len);
	} else {
		tcp_rcvq_consume_any(&e->tcp, w, (uint32_t)used);
		tcp_rcvq_left(&e->tcp, w);
	}
	if (likely(!(c->flags & TCP_F_ORPHAN)))
		tcp_window_update(&e->tcp, c, w);
	return true;
}

/* RFC 9293 section 3.6.1: closed with data unread, or more to come behind it. */
static void close_unread(struct engine *e, struct tcp_conn *c, struct tcp_work *w)
{
	if (!(c->flags & TCP_F_ORPHAN) || !w->rcvq.n)
		return;
	c->state = c->state == TCP_LAST_ACK ? TCP_CLOSE_WAIT : c->state;
	tcp_send_reset(&e->tcp, c, w);
	tcp_close_now(&e->tcp, c, PIER_CLOSE_ABORT);
}

void engine_drain_conn(struct engine *e, struct tcp_conn *c)
{
	const struct pier_handler *h = e->tcp.version[c->version].listener->handler;
	const struct tcp_work *w = c->block ? tcp_work_of(&e->tcp, c) : NULL;
	struct pier_conn pc;

	if (!open_for(c) || c->flags & TCP_F_WANT_WRITABLE ||
	    (w && (w->sndq.n || w->rcvq.n || w->events)))
		return;
	engine_conn_handle(e, c, &pc);
	if (h->drain && h->drain(&pc))
		return;
	pier_close(&pc);
	engine_detach_handler(e, c, PIER_CLOSE_SHUTDOWN);
}

/* Of an open connection that both sides keep open there is nothing to conclude. */
static inline bool may_conclude(const struct engine *e, const struct tcp_conn *c)
{
	return c->flags & (TCP_F_ORPHAN | TCP_F_FIN_RECEIVED) || unlikely(e->tcp.draining);
}

/* What is over for both sides ends: it is gone when this pass is through with it, not in the next one. */
static void conclude(struct engine *e, struct tcp_conn *c, struct tcp_work *w)
{
	const bool listed = w->on_ready;

	w->on_ready = 1;
	if (unlikely(e->tcp.draining))
		engine_drain_conn(e, c);
	if (c->state != TCP_CLOSED && c->flags & TCP_F_OPEN && c->flags & TCP_F_ORPHAN)
		engine_detach_handler(e, c, PIER_CLOSE_NORMAL);
	if (c->state != TCP_CLOSED)
		close_unread(e, c, w);
	if (c->state >= TCP_LAST_ACK) /* before it is nothing to finish */
		tcp_finish(&e->tcp, c, w);
	w->on_ready = listed;
	if (unlikely(w->events && !listed) && c->state != TCP_CLOSED)
		tcp_ready(&e->tcp, c, w, 0);
}

static void leave(struct engine *e, struct tcp_conn *c, struct tcp_work *w)
{
	struct tcp *t = &e->tcp;

	w->burst_acks = 0;
	if (may_conclude(e, c))
		conclude(e, c, w);
	if (c->state == TCP_CLOSED) {
		engine_reap(e, c);
		return;
	}
	if (tcp_has_output(c, w))
		tcp_want_output(t, c, w);
	if (!w->on_out || w->snd_una != c->snd_nxt)
		tcp_timer_rearm(t, c, w, false);
	if (!w->on_out) /* else it is not at rest */
		tcp_settle(t, c);
}

/*
 * leave() follows: what a callback asks for its own connection, but for further callbacks, needs no
 * second place in the list.
 */
static void run_callbacks(struct engine *e, struct tcp_conn *c, struct tcp_work *w)
{
	w->on_ready = 1;
	if (!run_message(e, c, w))
		run_events(e, c, w);
	w->on_ready = 0;
	if (unlikely(w->events))
		tcp_ready(&e->tcp, c, w, 0);
}

static void run_ready(struct engine *e)
{
	struct tcp *t = &e->tcp;
	struct tcp_list run = t->ready;
	struct tcp_conn *c;

	t->ready = (struct tcp_list){.head = TCP_LIST_END};
	while ((c = tcp_list_pop(t, &run, true))) {
		struct tcp_work *w = tcp_work_of(t, c);

		if (w->events)
			run_callbacks(e, c, w);
		leave(e, c, w);
	}
}

static void note_time(struct engine *e, uint64_t ticks)
{
	struct counters *ctr = e->tcp.ctr;
	const uint64_t unit = 100 * e->ticks_per_us;

	count(ctr, CTR_HANDLER_PASSES);
	count_add(ctr, CTR_HANDLER_TICKS, ticks);
	if (likely(ticks <= unit))
		return;
	count(ctr, CTR_HANDLER_100US);
	if (ticks > 10 * unit)
		count(ctr, CTR_HANDLER_1MS);
	if (ticks > 100 * unit)
		count(ctr, CTR_HANDLER_10MS);
}

void engine_run_ready(struct engine *e)
{
	uint64_t start;

	if (e->tcp.ready.head == TCP_LIST_END)
		return;
	if (!e->ticks) {
		run_ready(e);
		return;
	}
	start = e->ticks();
	run_ready(e);
	note_time(e, e->ticks() - start);
}
