/*
 * Misbehaviour that the application would show: a handler that stands before a listener's own and lets
 * through what it is to know. It has no context: connections and settings are the inner one's, and what
 * the misbehaviour remembers is TCP's (tcp/chaos.h). A connection that nothing hits goes straight through.
 */
#include "engine_priv.h"

static struct tcp *tcp_of(const struct pier_conn *pc)
{
	return &((struct engine *)pc->host)->tcp;
}

static struct tcp_conn *conn_of(const struct pier_conn *pc)
{
	return &tcp_of(pc)->conn[(uint32_t)pc->id];
}

static const struct pier_handler *inner_of(const struct pier_conn *pc)
{
	return tcp_of(pc)->version[conn_of(pc)->version].listener->inner;
}

/* NULL: nothing hits it, or the record's block is gone. */
static struct tcp_chaos *state_of(const struct pier_conn *pc)
{
	const struct tcp_conn *c = conn_of(pc);

	if (likely(!(c->flags & TCP_F_SLOW)) || !c->block)
		return NULL;
	return slab_ptr(&tcp_of(pc)->slab, tcp_work_of(tcp_of(pc), c)->chaos);
}

static bool gone(const struct pier_conn *pc)
{
	const struct tcp_chaos *s = state_of(pc);

	return s && (s->gone || s->leaving);
}

/* The handler closed a connection that does not close: it hears close, once its callback is over. */
static void let_go(struct pier_conn *pc)
{
	struct tcp_chaos *s = state_of(pc);

	if (!s || !s->leaving || s->gone)
		return;
	s->gone = 1;
	if (inner_of(pc)->close)
		inner_of(pc)->close(pc, PIER_CLOSE_NORMAL);
}

bool engine_chaos_stays(struct engine *e, struct tcp_conn *c)
{
	struct tcp *t = &e->tcp;
	struct tcp_work *w = tcp_work_of(t, c);
	struct tcp_chaos *s = slab_ptr(&t->slab, w->chaos);

	if (!tcp_chaos_holds_fin(t, c, w))
		return false;
	c->flags &= ~(uint32_t)(TCP_F_TIMER | TCP_F_WANT_WRITABLE);
	if (!s->gone) {
		s->leaving = 1;
		tcp_ready(t, c, w, TCP_EV_TIMER); /* perhaps another connection's callback runs */
	}
	if (w->rcvq.n)
		tcp_ready(t, c, w, TCP_EV_DATA);
	return true;
}

static void on_open(struct pier_conn *pc)
{
	struct tcp *t = tcp_of(pc);
	struct tcp_conn *c = conn_of(pc);

	if (state_of(pc) && tcp_chaos_spent(t, c, tcp_work_of(t, c)))
		state_of(pc)->gone = 1; /* it is over before the handler hears of it */
	if (!gone(pc) && inner_of(pc)->open)
		inner_of(pc)->open(pc);
	let_go(pc);
}

/* The slices that hold the first n octets, the last one cut. */
static unsigned int cut(const struct pier_slice *s, unsigned int n, size_t octets,
			struct pier_slice *out)
{
	unsigned int k = 0;

	for (; k < n && octets; k++) {
		out[k] = s[k];
		out[k].len = (uint32_t)min_of((size_t)s[k].len, octets);
		octets -= out[k].len;
	}
	return k;
}

static size_t read_slowly(struct pier_conn *pc, const struct pier_slice *s, unsigned int n, size_t total)
{
	struct tcp *t = tcp_of(pc);
	struct tcp_conn *c = conn_of(pc);
	struct pier_slice part[TCP_SHOWN_MAX];
	size_t may = tcp_chaos_may_read(t, c, total), used = may;

	if (may && !gone(pc) && inner_of(pc)->data) {
		n = cut(s, n, may, part);
		used = min_of(inner_of(pc)->data(pc, part, n), may);
	}
	if (c->state != TCP_CLOSED)
		tcp_chaos_read(t, c, tcp_work_of(t, c), used);
	return used;
}

static size_t on_data(struct pier_conn *pc, const struct pier_slice *s, unsigned int n)
{
	struct tcp_conn *c = conn_of(pc);
	size_t total = 0, used;

	for (unsigned int i = 0; i < n; i++)
		total += s[i].len;
	if (likely(!state_of(pc)))
		return inner_of(pc)->data ? inner_of(pc)->data(pc, s, n) : total;
	if (tcp_chaos_spent(tcp_of(pc), c, tcp_work_of(tcp_of(pc), c)))
		return total;
	used = read_slowly(pc, s, n, total);
	let_go(pc);
	return used;
}

static void on_writable(struct pier_conn *pc, size_t room)
{
	if (!gone(pc))
		inner_of(pc)->writable(pc, room);
	let_go(pc);
}

static void on_eof(struct pier_conn *pc)
{
	if (gone(pc) || !inner_of(pc)->eof)
		pier_close(pc);
	else
		inner_of(pc)->eof(pc);
	let_go(pc);
}

static void on_close(struct pier_conn *pc, enum pier_close_reason why)
{
	const struct tcp_chaos *s = state_of(pc);

	if (!(s && s->gone) && inner_of(pc)->close)
		inner_of(pc)->close(pc, why);
}

static void on_timer(struct pier_conn *pc)
{
	if (!gone(pc) && inner_of(pc)->timer)
		inner_of(pc)->timer(pc);
	let_go(pc);
}

static void on_urgent(struct pier_conn *pc)
{
	if (!gone(pc))
		inner_of(pc)->urgent(pc);
	let_go(pc);
}

static void on_trouble(struct pier_conn *pc, enum pier_trouble what)
{
	if (!gone(pc))
		inner_of(pc)->trouble(pc, what);
	let_go(pc);
}

void engine_misbehave(struct listener *l)
{
	const uint32_t no_cookie = 1u << CHAOS_SYNACK_DELAY | 1u << CHAOS_WINDOW;
	struct pier_handler *h = &l->outer;

	l->inner = l->handler;
	*h = *l->inner;
	h->open = on_open;
	h->data = on_data;
	h->eof = on_eof;
	h->close = on_close;
	h->timer = on_timer;
	h->writable = h->writable ? on_writable : NULL;
	h->urgent = h->urgent ? on_urgent : NULL;
	h->trouble = h->trouble ? on_trouble : NULL;
	l->handler = h;
	if (l->chaos->kinds & no_cookie)
		l->tcp.syn_cookies = TCP_COOKIES_NEVER;
}
