/*
 * Timers: what a connection waits for, and what happens when that time has come.
 *
 * A connection's deadline is the earliest of its retransmission (or persist, override, FIN-WAIT-2)
 * timer, delayed ACK, keep-alive and handler's timer. deadline.c keeps it.
 */
#include "pmtu.h"
#include "timer.h"
#include "tcp/connect.h"
#include "tcp/deadline.h"
#include "tcp/policy.h"
#include "tcp/share.h"

#define SWEEP_MAX   1024 /* records in one tick */
#define NO_BLOCK_MS 64u  /* a deadline came, and no block was left: tried again after */
#define OVERRIDE_MIN_US (100 * US_PER_MS) /* RFC 9293 section 3.8.6.2.1 */
#define OVERRIDE_MAX_US (1000 * US_PER_MS)

uint64_t tcp_rto(const struct tcp *t, const struct tcp_conn *c)
{
	return tcp_rto_by(tcp_opts_of(t, c), c, tcp_work_of(t, c));
}

static void earliest(bool *any, uint32_t *best, uint32_t at)
{
	if (!*any || seq_lt(at, *best))
		*best = at;
	*any = true;
}

static uint32_t keepalive_at(const struct tcp *t, const struct tcp_conn *c)
{
	uint32_t from = c->last_rx;

	if (unlikely(c->flags & TCP_F_OWN)) {
		const struct tcp_own *own = &tcp_work_of(t, c)->own;

		if (own->keepalive_late && t->now_ms - own->keepalive_from < t->now_ms - from)
			from = own->keepalive_from;
	}
	return from + 1 + ms_of(tcp_setting(t, c, keepalive_idle)) +
	       c->probes * ms_of(tcp_setting(t, c, keepalive_intvl));
}

/* Both FINs are through in TIME-WAIT: the peer is gone, though the handler may still be reading. */
static bool keepalive_on(const struct tcp_conn *c, const struct tcp_work *w)
{
	return c->flags & TCP_F_KEEPALIVE && c->state >= TCP_ESTABLISHED &&
	       c->state != TCP_TIME_WAIT &&
	       (!w || (w->snd_una == c->snd_nxt && w->timer == TCP_TIMER_NONE));
}

static void rare_deadlines(const struct tcp *t, const struct tcp_conn *c, const struct tcp_work *w,
			   bool *any, uint32_t *at)
{
	uint32_t limit;

	if (tcp_policy_at(t, c, w, &limit))
		earliest(any, at, limit);
	if (c->flags & TCP_F_SLOW && tcp_chaos_at(t, c, &limit))
		earliest(any, at, limit);
}

/* Of all that may be waited for it is what guards the data in flight, and nothing else. */
static inline bool only_flight(const struct tcp_conn *c, const struct tcp_work *w)
{
	return w->timer != TCP_TIMER_NONE && w->snd_una != c->snd_nxt &&
	       !(w->delack | w->measuring | w->burst_wait | w->watched) &&
	       !(c->flags & (TCP_F_TIMER | TCP_F_STALLED | TCP_F_SLOW));
}

void tcp_timer_update(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	bool any = false;
	uint32_t at = 0;

	if (c->state == TCP_CLOSED)
		return;
	if (w && only_flight(c, w)) {
		tcp_deadline_set(t, c, w, w->timer_at);
		return;
	}
	if (w && w->timer != TCP_TIMER_NONE)
		earliest(&any, &at, w->timer_at);
	if (w && w->delack)
		earliest(&any, &at, w->delack_at);
	if (w && w->measuring)
		earliest(&any, &at, w->round_ms);
	if (w && w->burst_wait)
		earliest(&any, &at, t->now_ms + 1);
	if (w && w->snd_una == c->snd_nxt && seq_gt(w->linger_at, t->now_ms))
		earliest(&any, &at, w->linger_at);
	if (c->flags & TCP_F_TIMER)
		earliest(&any, &at, c->handler_deadline);
	if (keepalive_on(c, w))
		earliest(&any, &at, keepalive_at(t, c));
	if (w && unlikely(c->flags & (TCP_F_STALLED | TCP_F_SLOW) || w->watched))
		rare_deadlines(t, c, w, &any, &at);
	if (any)
		tcp_deadline_set(t, c, w, at);
	else
		c->flags &= ~(uint32_t)TCP_F_WHEEL;
}

uint32_t tcp_timer_due(const struct tcp *t, uint64_t delay_us)
{
	return tcp_due(t, delay_us);
}

static void set(const struct tcp *t, struct tcp_work *w, enum tcp_timer kind, uint64_t delay_us)
{
	w->timer = kind;
	w->timer_at = tcp_timer_due(t, delay_us);
}

void tcp_timer_arm(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, enum tcp_timer kind,
		   uint64_t delay_us)
{
	set(t, w, kind, delay_us);
	tcp_timer_update(t, c, w);
}

static void restart_rto(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	const struct tcp_options *o = tcp_opts_of(t, c);

	w->rto_at = tcp_due(t, rtt_backoff(tcp_rto_by(o, c, w), c->backoff, o->rto_max));
}

static void arm_loss(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	tcp_timer_earliest(w, tcp_tlp_wanted(c, w));
}

static bool guards_flight(const struct tcp_work *w)
{
	return w->timer == TCP_TIMER_RTO || w->timer == TCP_TIMER_TLP || w->timer == TCP_TIMER_REO;
}

void tcp_timer_acked(struct tcp_conn *c, struct tcp_work *w, bool restart)
{
	w->timer_restart |= restart;
	if (w->snd_una == c->snd_nxt && guards_flight(w))
		w->timer = TCP_TIMER_NONE;
}

void tcp_timer_sent(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, bool head_again)
{
	/* Not for the holes of NewReno: RFC 6582 section 3.2, the impatient variant. */
	if ((head_again && !(w->recovery && w->partial)) || !guards_flight(w))
		restart_rto(t, c, w);
	w->timer_restart = 0;
	w->tlp_at = tcp_timer_due(t, tcp_tlp_delay(c, w));
}

static void set_persist(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	set(t, w, TCP_TIMER_PERSIST,
	    rtt_backoff(tcp_rto(t, c), c->probes, tcp_opts_of(t, c)->persist_max));
}

static void rearm(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, bool restart)
{
	enum tcp_timer old = w->timer;
	uint64_t wait;

	if (w->snd_una != c->snd_nxt) {
		if (restart) {
			restart_rto(t, c, w);
			w->tlp_at = tcp_timer_due(t, tcp_tlp_delay(c, w));
		}
		arm_loss(t, c, w);
		return;
	}
	if (unlikely(w->ecn_wait)) {
		if (old != TCP_TIMER_ECN) {
			restart_rto(t, c, w);
			w->timer = TCP_TIMER_ECN;
			w->timer_at = w->rto_at;
		}
		return;
	}
	if (tcp_unsent(c, w) && seq_leq(w->snd_una + w->snd_wnd, c->snd_nxt)) {
		if (old != TCP_TIMER_PERSIST) {
			c->probes = 0;
			w->progress = t->now_ms;
			set_persist(t, c, w);
		}
		return;
	}
	if (tcp_unsent(c, w) && !w->on_out) {
		if (old != TCP_TIMER_OVERRIDE) {
			wait = max_of(tcp_rto(t, c), OVERRIDE_MIN_US);
			wait = min_of(wait, OVERRIDE_MAX_US);
			set(t, w, TCP_TIMER_OVERRIDE, wait);
		}
		return;
	}
	if (c->state == TCP_FIN_WAIT_2 && c->flags & TCP_F_ORPHAN) {
		if (old != TCP_TIMER_FIN_WAIT2)
			set(t, w, TCP_TIMER_FIN_WAIT2, tcp_opts_of(t, c)->fin_wait2);
		return;
	}
	w->timer = TCP_TIMER_NONE;
}

void tcp_timer_rearm(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, bool restart)
{
	bool persist = w->timer == TCP_TIMER_PERSIST;

	if (c->state == TCP_CLOSED || w->timer == TCP_TIMER_SYN)
		return;
	rearm(t, c, w, restart || w->timer_restart);
	w->timer_restart = 0;
	if (persist && w->timer != TCP_TIMER_PERSIST)
		c->probes = 0;
	tcp_timer_update(t, c, w);
	tcp_policy(t, c, w);
}

static void give_up(struct tcp *t, struct tcp_conn *c, enum pier_close_reason why)
{
	count(t->ctr, CTR_CONN_TIMEOUT);
	tcp_close_now(t, c, why);
}

/* Silent for too long, by R2 or the user timeout, the shorter one: given up, and true. */
static bool too_long(struct tcp *t, struct tcp_conn *c, uint32_t since)
{
	uint64_t r2 = tcp_setting(t, c, r2), user = tcp_setting(t, c, user_timeout);
	uint64_t limit = min_of(r2, user);

	if (limit == DURATION_INF || (uint64_t)(t->now_ms - since) * US_PER_MS < limit)
		return false;
	give_up(t, c, user < r2 ? PIER_CLOSE_USER_TIMEOUT : PIER_CLOSE_TIMEOUT);
	return true;
}

static void retransmit_due(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	count(t->ctr, CTR_RTO_FIRED);
	if (too_long(t, c, w->progress))
		return;
	tcp_rto_expired(t, c, w);
	tcp_pmtu_timeout(t, c, w);
	if (c->backoff < 15)
		c->backoff++;
	tcp_retransmitting(t, c, w);
	restart_rto(t, c, w);
	arm_loss(t, c, w);
	tcp_want_output(t, c, w);
}

/*
 * Section 7.3 of RFC 8985: after the probe only the retransmission timer runs. It goes on as it was
 * (RFC 6298 (5.1)) where that leaves the probe's ACK two round trips, and begins anew where not.
 */
static void tlp_due(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	w->tlp_send = 1;
	w->tlp_spent = 1;
	w->tlp_late = seq_leq(w->rto_at, tcp_timer_due(t, 2ull * w->rtt.srtt_us));
	if (w->tlp_late)
		restart_rto(t, c, w);
	arm_loss(t, c, w);
	tcp_want_output(t, c, w);
}

static void reo_due(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	tcp_reo_expired(t, c, w);
	arm_loss(t, c, w);
	tcp_want_output(t, c, w);
}

static void persist_due(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	uint32_t since = seq_max(c->last_rx, w->progress);

	if (c->probes && too_long(t, c, since))
		return;
	if (c->probes < UINT8_MAX)
		c->probes++;
	w->probe = 1;
	set_persist(t, c, w);
	tcp_want_output(t, c, w);
}

static void keepalive_due(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	if (c->probes >= tcp_setting(t, c, keepalive_count)) {
		give_up(t, c, PIER_CLOSE_KEEPALIVE);
		return;
	}
	c->probes++;
	w->keepalive_probe = 1;
	tcp_want_output(t, c, w);
}

static void main_timer_due(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	enum tcp_timer kind = w->timer;

	w->timer = TCP_TIMER_NONE;
	switch (kind) {
	case TCP_TIMER_RTO:
		retransmit_due(t, c, w);
		break;
	case TCP_TIMER_TLP:
		tlp_due(t, c, w);
		break;
	case TCP_TIMER_REO:
		reo_due(t, c, w);
		break;
	case TCP_TIMER_PERSIST:
		persist_due(t, c, w);
		break;
	case TCP_TIMER_OVERRIDE:
		w->override = 1;
		tcp_want_output(t, c, w);
		break;
	case TCP_TIMER_ECN:
		w->ecn_wait = 0;
		tcp_want_output(t, c, w);
		break;
	case TCP_TIMER_FIN_WAIT2:
		give_up(t, c, PIER_CLOSE_TIMEOUT);
		break;
	case TCP_TIMER_SYN:
		tcp_syn_timer(t, c, w);
		break;
	case TCP_TIMER_NONE:
		break;
	}
}

static void rare_due(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	tcp_policy_due(t, c, w);
	if (c->flags & TCP_F_SLOW && c->state != TCP_CLOSED)
		tcp_chaos_due(t, c, w);
}

void tcp_timer_expire(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_work *w;
	bool keepalive = keepalive_on(c, c->block ? tcp_work_of(t, c) : NULL) &&
			 seq_leq(keepalive_at(t, c), t->now_ms);

	if (!c->block && !keepalive && !(c->flags & TCP_F_TIMER)) {
		tcp_timer_update(t, c, NULL);
		return;
	}
	w = tcp_attach(t, c);
	if (!w) {
		tcp_deadline_set(t, c, NULL, t->now_ms + NO_BLOCK_MS);
		return;
	}
	if (w->delack && seq_leq(w->delack_at, t->now_ms)) {
		count(t->ctr, CTR_DELAYED_ACKS);
		w->ack_now = 1;
		w->delack = 0;
		tcp_want_output(t, c, w);
	}
	if (w->burst_wait) {
		w->burst_wait = 0;
		tcp_want_output(t, c, w);
	}
	if (w->measuring && seq_leq(w->round_ms, t->now_ms)) {
		w->measuring = 0;
		tcp_share_promise(t, c, w);
	}
	if (c->flags & TCP_F_TIMER && seq_leq(c->handler_deadline, t->now_ms)) {
		c->flags &= ~(uint32_t)TCP_F_TIMER;
		tcp_ready(t, c, w, TCP_EV_TIMER);
	}
	if (keepalive)
		keepalive_due(t, c, w);
	if (w->timer != TCP_TIMER_NONE && seq_leq(w->timer_at, t->now_ms))
		main_timer_due(t, c, w);
	if (unlikely(c->flags & (TCP_F_STALLED | TCP_F_SLOW) || w->watched))
		rare_due(t, c, w);
	tcp_ready(t, c, w, 0);
	tcp_timer_update(t, c, w);
}

void tcp_stale_sweep(struct tcp *t)
{
	uint64_t n = t->conn_pool.fresh, todo = (t->now_ms - t->sweep_ms) * n / TCP_SWEEP_MS;

	if (!todo)
		return;
	t->sweep_ms = t->now_ms;
	for (todo = min_of(todo, (uint64_t)SWEEP_MAX); todo; todo--) {
		struct tcp_conn *c = &t->conn[++t->sweep_pos];

		if (t->now_ms - c->last_rx >= TCP_STALE_MS)
			c->flags |= TCP_F_TS_STALE;
		tcp_pmtu_age(t, c);
		if (t->sweep_pos >= n)
			t->sweep_pos = 0;
	}
}
