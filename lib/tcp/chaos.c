/*
 * Misbehaviour on purpose (tcp/chaos.h): the draw, what the handshake does, and what happens to the
 * segments and timers of a connection that was hit.
 *
 * Each connection has struct tcp_chaos in the slab. Output limits the send window before segments are
 * built, for pace and for what may still go, and tampers with the finished packets after; so nothing
 * else knows of it, and what TCP remembers of a segment is what it meant to send. SYN-ACKs, RSTs and the
 * ACKs that out-of-order data causes at once do not pass here and are as they should be.
 */
#include <string.h>

#include "base/siphash.h"
#include "pkt/parse.h"
#include "tcp/deadline.h"
#include "tcp/policy.h"
#include "tcp/window.h"
#include "wire/ip4.h"

#define BIT(kind) (1u << CHAOS_##kind)
#define GARBAGE_BYTE 0xa5
#define CHAOS_HELD_US (10 * US_PER_MS) /* a segment, for the next one */

static_assert(CHAOS_KINDS_N <= 32, "kinds are bits");

uint32_t chaos_draw(const struct chaos *set, const struct flow_tuple *tuple, uint32_t local)
{
	struct {
		uint8_t remote[16];
		uint32_t local;
		uint16_t remote_port, local_port;
	} flow = {.local = local, .remote_port = tuple->remote_port, .local_port = tuple->local_port};
	uint32_t hit = 0;

	memcpy(flow.remote, tuple->remote, sizeof(flow.remote));
	for (unsigned int k = 0; k < CHAOS_KINDS_N; k++) {
		const struct sip_key key = {{set->seed, k}};
		uint64_t drawn;

		if (!(set->kinds & 1u << k))
			continue;
		drawn = (siphash24(&key, &flow, sizeof(flow)) >> 32) * CHAOS_MILLION >> 32;
		if (drawn < set->fault[k].share)
			hit |= 1u << k;
	}
	return hit;
}

static const struct chaos *set_of(const struct tcp *t, const struct tcp_conn *c)
{
	return t->version[c->version].listener->chaos;
}

static const struct chaos_fault *fault_of(const struct tcp *t, const struct tcp_conn *c,
					  enum chaos_kind k)
{
	return &set_of(t, c)->fault[k];
}

static struct tcp_chaos *state_of(const struct tcp *t, const struct tcp_conn *c)
{
	return slab_ptr(&t->slab, tcp_work_of(t, c)->chaos);
}

static uint32_t draw_for(const struct tcp *t, const struct chaos *set, const struct flow_tuple *tuple)
{
	return chaos_draw(set, tuple, t->net->addrs[tuple->local].addr);
}

/* ---- the handshake ---- */

bool tcp_chaos_syn(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, const struct listener *l)
{
	const uint64_t how = l->chaos->fault[CHAOS_REFUSE].value;
	struct flow_tuple tuple;

	tcp_tuple_of(f, &tuple);
	if (!(l->chaos->kinds & BIT(REFUSE)) || !(draw_for(t, l->chaos, &tuple) & BIT(REFUSE)))
		return false;
	if (how == CHAOS_RST) {
		count(t->ctr, CTR_CHAOS_REFUSED_RST);
		tcp_reset_reply_as(t, m, f, CTR_RX_CHAOS_REFUSED, (uint8_t)l->tcp.dscp,
				   (uint8_t)l->tcp.ttl);
	} else if (how == CHAOS_DROP) {
		count(t->ctr, CTR_CHAOS_REFUSED_DROP);
		tcp_drop(t, m, CTR_RX_CHAOS_REFUSED);
	} else {
		count(t->ctr, CTR_CHAOS_REFUSED_ICMP);
		net_unreachable(t->net, m, f, (uint8_t)(how - CHAOS_ICMP), CTR_RX_CHAOS_REFUSED,
				t->now);
	}
	return true;
}

static void delay(struct tcp *t, struct tcp_half *h, const struct listener *l)
{
	count(t->ctr, CTR_CHAOS_SYNACKS_DELAYED);
	h->deadline = tcp_timer_due(t, l->chaos->fault[CHAOS_SYNACK_DELAY].value);
	h->wheel_slot = tcp_wheel_insert(t, flow_entry(FLOW_HALF_OPEN, tcp_small_index(t, h)),
					 h->deadline);
}

bool tcp_chaos_half(struct tcp *t, struct tcp_half *half, const struct listener *l)
{
	const uint32_t hit = draw_for(t, l->chaos, &half->tuple);

	if (hit & BIT(WINDOW)) {
		half->rcv_wscale = 0; /* a scaled window cannot be that small */
		half->rcv_wnd = (uint16_t)min_of(l->chaos->fault[CHAOS_WINDOW].value,
						 (uint64_t)half->rcv_wnd);
	}
	half->late = (hit & BIT(SYNACK_DELAY)) != 0;
	if (half->late)
		delay(t, half, l);
	return half->late;
}

/* ---- a connection ---- */

static void arm(const struct tcp *t, struct tcp_chaos *s, enum chaos_kind k, uint32_t *at,
		uint64_t delay_us)
{
	s->timers |= 1u << k;
	*at = tcp_timer_due(t, delay_us);
}

static void count_kind(struct tcp *t, const struct tcp_chaos *s, uint32_t kind, enum counter ctr)
{
	if (s->kinds & kind)
		count(t->ctr, ctr);
}

bool tcp_chaos_begin(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	const struct chaos *set = set_of(t, c);
	uint32_t hit = draw_for(t, set, &c->tuple) & ~(BIT(REFUSE) | BIT(SYNACK_DELAY));
	struct tcp_chaos *s;

	if (!hit) {
		c->flags &= ~(uint32_t)TCP_F_SLOW;
		return true;
	}
	w->chaos = slab_alloc(&t->slab, slab_order(sizeof(*s)));
	if (!w->chaos)
		return false;
	s = state_of(t, c);
	*s = (struct tcp_chaos){.kinds = hit, .iss = c->snd_nxt - 1, .irs = c->rcv_nxt - 1};
	s->read_left = (uint32_t)set->fault[CHAOS_SLOW_READ].value;
	s->write_left = (uint32_t)set->fault[CHAOS_SLOW_WRITE].value;
	s->gone = (hit & BIT(SILENT)) != 0;
	if (hit & BIT(WINDOW)) {
		w->rcvbuf = w->rcv_adv - c->rcv_nxt;
		w->growing = 0;
	}
	if (hit & BIT(RESET_TIME))
		arm(t, s, CHAOS_RESET_TIME, &s->reset_at, set->fault[CHAOS_RESET_TIME].value);
	if (hit & BIT(HALF_CLOSE))
		arm(t, s, CHAOS_HALF_CLOSE, &s->half_at, set->fault[CHAOS_HALF_CLOSE].value);
	count_kind(t, s, BIT(SILENT), CTR_CHAOS_SILENT);
	count_kind(t, s, BIT(WINDOW), CTR_CHAOS_WINDOWS);
	count_kind(t, s, BIT(SLOW_READ), CTR_CHAOS_SLOW_READERS);
	count_kind(t, s, BIT(SLOW_WRITE), CTR_CHAOS_SLOW_WRITERS);
	return true;
}

void tcp_chaos_end(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_work *w = tcp_work_of(t, c);

	if (!w->chaos)
		return;
	if (state_of(t, c)->behind)
		pkt_recycle(t->pool, state_of(t, c)->behind);
	slab_free(&t->slab, w->chaos, slab_order(sizeof(struct tcp_chaos)));
	w->chaos = 0;
}

bool tcp_chaos_gone(const struct tcp *t, const struct tcp_conn *c)
{
	return state_of(t, c)->gone;
}

static void reset(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	tcp_send_reset_always(t, c, w);
	tcp_close_now(t, c, PIER_CLOSE_ABORT);
}

/* Octets of payload, both ways together, that have gone. */
static uint64_t moved(const struct tcp_conn *c, const struct tcp_chaos *s)
{
	return (uint64_t)(c->snd_nxt - s->iss - 1 - !!(c->flags & TCP_F_FIN_SENT)) +
	       (c->rcv_nxt - s->irs - 1 - !!(c->flags & TCP_F_FIN_RECEIVED));
}

bool tcp_chaos_spent(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	const struct tcp_chaos *s = state_of(t, c);

	if (!(s->kinds & BIT(RESET_AFTER)) ||
	    moved(c, s) < fault_of(t, c, CHAOS_RESET_AFTER)->value)
		return false;
	count(t->ctr, CTR_CHAOS_RESETS_OCTETS);
	reset(t, c, w);
	return true;
}

/* ---- time ---- */

static void earliest(const struct tcp_chaos *s, uint32_t kind, uint32_t at, bool *any, uint32_t *best)
{
	if (!(s->timers & kind))
		return;
	if (!*any || seq_lt(at, *best))
		*best = at;
	*any = true;
}

bool tcp_chaos_at(const struct tcp *t, const struct tcp_conn *c, uint32_t *at)
{
	const struct tcp_chaos *s = state_of(t, c);
	bool any = false;

	earliest(s, BIT(SLOW_READ), s->read_at, &any, at);
	earliest(s, BIT(SLOW_WRITE), s->write_at, &any, at);
	earliest(s, BIT(RESET_TIME), s->reset_at, &any, at);
	earliest(s, BIT(HALF_CLOSE), s->half_at, &any, at);
	earliest(s, BIT(NEVER_CLOSE), s->end_at, &any, at);
	earliest(s, BIT(REORDER), s->held_at, &any, at);
	return any;
}

/* Its time has come; it does not come again by itself. */
static bool due(const struct tcp *t, struct tcp_chaos *s, uint32_t kind, uint32_t at)
{
	if (!(s->timers & kind) || seq_gt(at, t->now_ms))
		return false;
	s->timers &= ~kind;
	return true;
}

void tcp_chaos_due(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	struct tcp_chaos *s = state_of(t, c);

	if (due(t, s, BIT(RESET_TIME), s->reset_at) || due(t, s, BIT(NEVER_CLOSE), s->end_at)) {
		count(t->ctr, CTR_CHAOS_RESETS_TIME);
		reset(t, c, w);
		return;
	}
	if (due(t, s, BIT(HALF_CLOSE), s->half_at) && !(c->flags & TCP_F_FIN_QUEUED)) {
		count(t->ctr, CTR_CHAOS_HALF_CLOSES);
		tcp_shutdown(t, c, w);
	}
	if (due(t, s, BIT(SLOW_READ), s->read_at)) {
		s->read_left = (uint32_t)fault_of(t, c, CHAOS_SLOW_READ)->value;
		tcp_ready(t, c, w, TCP_EV_DATA);
	}
	if (due(t, s, BIT(SLOW_WRITE), s->write_at)) {
		s->write_left = (uint32_t)fault_of(t, c, CHAOS_SLOW_WRITE)->value;
		tcp_want_output(t, c, w);
	}
	if (due(t, s, BIT(REORDER), s->held_at)) {
		s->overdue = 1;
		tcp_want_output(t, c, w);
	}
}

/* ---- closing ---- */

bool tcp_chaos_deaf(struct tcp *t, const struct tcp_conn *c)
{
	if (!(state_of(t, c)->kinds & BIT(IGNORE_FIN)))
		return false;
	count(t->ctr, CTR_CHAOS_FINS_IGNORED);
	return true;
}

bool tcp_chaos_holds_fin(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	const uint64_t limit = fault_of(t, c, CHAOS_NEVER_CLOSE)->value;
	struct tcp_chaos *s = state_of(t, c);

	if (!(s->kinds & BIT(NEVER_CLOSE)) || t->draining)
		return false;
	if (s->held)
		return true;
	s->held = 1;
	count(t->ctr, CTR_CHAOS_CLOSES_HELD);
	if (limit != DURATION_INF) {
		arm(t, s, CHAOS_NEVER_CLOSE, &s->end_at, limit);
		tcp_timer_update(t, c, w);
	}
	return true;
}

/* ---- reading ---- */

size_t tcp_chaos_may_read(struct tcp *t, const struct tcp_conn *c, size_t total)
{
	const struct tcp_chaos *s = state_of(t, c);

	return s->kinds & BIT(SLOW_READ) ? min_of(total, (size_t)s->read_left) : total;
}

void tcp_chaos_read(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, size_t used)
{
	struct tcp_chaos *s = state_of(t, c);

	if (!(s->kinds & BIT(SLOW_READ)))
		return;
	s->read_left -= (uint32_t)used;
	if (s->timers & BIT(SLOW_READ) || s->read_left)
		return;
	arm(t, s, CHAOS_SLOW_READ, &s->read_at, fault_of(t, c, CHAOS_SLOW_READ)->per);
	tcp_timer_update(t, c, w);
}

/* ---- sending ---- */

void tcp_chaos_before(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, struct tcp_chaos_turn *was,
		      unsigned int *max)
{
	struct tcp_chaos *s = state_of(t, c);
	const uint32_t wnd = w->snd_wnd, flight = c->snd_nxt - w->snd_una;
	const uint64_t limit = fault_of(t, c, CHAOS_RESET_AFTER)->value;
	uint64_t may = UINT32_MAX;

	*was = (struct tcp_chaos_turn){wnd, c->snd_nxt};
	*max -= s->behind && *max;
	if (s->kinds & BIT(DUPLICATE))
		*max -= *max / 2;
	if (s->kinds & BIT(SLOW_WRITE))
		may = s->write_left;
	if (s->kinds & BIT(RESET_AFTER))
		may = min_of(may, limit > moved(c, s) ? limit - moved(c, s) : 0);
	if (flight + may < wnd)
		w->snd_wnd = (uint32_t)(flight + may);
	if (may >= c->snd_mss) /* whole segments, and the rest by the next call */
		*max = (unsigned int)min_of((uint64_t)*max, may / c->snd_mss);
	else if (may)
		w->override = 1; /* a small segment is what is wanted */
}

static void pay_pace(struct tcp *t, struct tcp_conn *c, struct tcp_chaos *s, uint32_t nxt)
{
	if (!(s->kinds & BIT(SLOW_WRITE)))
		return;
	s->write_left -= min_of(c->snd_nxt - nxt, s->write_left);
	if (!s->write_left && !(s->timers & BIT(SLOW_WRITE)))
		arm(t, s, CHAOS_SLOW_WRITE, &s->write_at, fault_of(t, c, CHAOS_SLOW_WRITE)->per);
}

/* Where the TCP header of a finished packet is. */
static uint32_t l4_of(const struct tcp *t, const struct tcp_conn *c)
{
	const struct net_path *p = &t->net->paths[c->path];

	return p->l2_len + p->l3_len;
}

static struct tcp_hdr *tcp_of(const struct tcp *t, const struct tcp_conn *c, struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, struct tcp_hdr *, l4_of(t, c));
}

/* Of its TCP header and payload; padding is not counted. */
static uint32_t l4_len_of(const struct tcp *t, const struct tcp_conn *c, struct rte_mbuf *m)
{
	const struct net_path *p = &t->net->paths[c->path];

	if (p->v6)
		return be16(rte_pktmbuf_mtod_offset(m, struct ipv6_hdr *, p->l2_len)->payload_len);
	return be16(rte_pktmbuf_mtod_offset(m, struct ip4_hdr *, p->l2_len)->total_len) - IP4_HDR_LEN;
}

static bool port_sums(const struct rte_mbuf *m)
{
	return (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM;
}

/* What the port would fill in is filled in here: it would put a wrong sum right. */
static void sum_here(const struct tcp *t, const struct tcp_conn *c, struct rte_mbuf *m)
{
	if (port_sums(m))
		tcp_of(t, c, m)->cksum = sum_finish(pkt_sum(m, l4_of(t, c), l4_len_of(t, c, m)));
	if (m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM)
		pkt_ip_finish(m, t->net->paths[c->path].l2_len);
	m->ol_flags &= ~(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6);
}

static bool nth(const struct tcp *t, const struct tcp_conn *c, const struct tcp_chaos *s,
		enum chaos_kind k, uint32_t number)
{
	return s->kinds & 1u << k && number % fault_of(t, c, k)->value == 0;
}

static void shrink(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m)
{
	struct tcp_hdr *h = tcp_of(t, c, m);
	const uint16_t old = h->window;

	h->window = be16(be16(old) / 2);
	if (!port_sums(m))
		h->cksum = sum_update16(h->cksum, old, h->window);
	count(t->ctr, CTR_CHAOS_SHRUNK);
}

static void spoil(struct tcp *t, struct tcp_conn *c, const struct tcp_chaos *s, struct rte_mbuf *m,
		  uint32_t number)
{
	if (nth(t, c, s, CHAOS_SHRINK, number))
		shrink(t, c, m);
	if (nth(t, c, s, CHAOS_BAD_TCP_SUM, number)) {
		sum_here(t, c, m);
		tcp_of(t, c, m)->cksum ^= BE16(0x0100);
		count(t->ctr, CTR_CHAOS_BAD_TCP_SUMS);
	}
	if (nth(t, c, s, CHAOS_BAD_IP_SUM, number) && !t->net->paths[c->path].v6) { /* IPv6 has none */
		sum_here(t, c, m);
		rte_pktmbuf_mtod_offset(m, struct ip4_hdr *, t->net->paths[c->path].l2_len)->cksum ^= BE16(0x0100);
		count(t->ctr, CTR_CHAOS_BAD_IP_SUMS);
	}
}

/* What an earlier turn held back leaves behind the first of this one, or alone where none will come. */
static unsigned int catch_up(struct tcp *t, struct tcp_chaos *s, struct rte_mbuf **pkts, unsigned int n,
			     unsigned int max)
{
	const unsigned int at = n ? 1 : 0;

	if (!s->behind || n == max || (!n && !s->overdue && max > 1))
		return n;
	memmove(pkts + at + 1, pkts + at, (n - at) * sizeof(*pkts));
	pkts[at] = s->behind;
	s->behind = NULL;
	s->overdue = 0;
	s->timers &= ~BIT(REORDER);
	if (at)
		count(t->ctr, CTR_CHAOS_REORDERED);
	return n + 1;
}

/* The n segments that were made are followed by none in this turn: the last is held back for the next. */
static void hold_back(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, struct tcp_chaos *s,
		      struct rte_mbuf *m)
{
	s->behind = m;
	arm(t, s, CHAOS_REORDER, &s->held_at, CHAOS_HELD_US);
	tcp_timer_update(t, c, w);
}

static unsigned int reorder(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, struct tcp_chaos *s,
			    struct rte_mbuf **pkts, unsigned int n, unsigned int max)
{
	const unsigned int made = n, caught = catch_up(t, s, pkts, n, max) - made;

	n += caught;
	for (unsigned int i = 2 * caught; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		if (!nth(t, c, s, CHAOS_REORDER, s->sent + i - caught + 1))
			continue;
		if (i + 1 == n) {
			if (!s->behind)
				hold_back(t, c, w, s, pkts[--n]);
			break;
		}
		pkts[i] = pkts[i + 1];
		pkts[++i] = m;
		count(t->ctr, CTR_CHAOS_REORDERED);
	}
	return n;
}

static unsigned int duplicate(struct tcp *t, struct tcp_conn *c, const struct tcp_chaos *s,
			      struct rte_mbuf **pkts, unsigned int n, unsigned int made, unsigned int max)
{
	unsigned int of = min_of(n, made);

	for (unsigned int i = 0, k = 1; k <= of && n < max; i++, k++) {
		struct rte_mbuf *copy;

		if (!nth(t, c, s, CHAOS_DUPLICATE, s->sent + k))
			continue;
		copy = rte_pktmbuf_copy(pkts[i], t->pool->mp, 0, UINT32_MAX);
		if (!copy) {
			count(t->ctr, CTR_TX_NO_MBUF);
			break;
		}
		memmove(pkts + i + 2, pkts + i + 1, (n - i - 1) * sizeof(*pkts));
		pkts[++i] = copy;
		n++;
		count(t->ctr, CTR_CHAOS_DUPLICATES);
	}
	return n;
}

/* What nobody may send: data behind the FIN. It goes to the queue of answers, and so behind pkts. */
static void send_garbage(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, struct tcp_chaos *s)
{
	const uint32_t len = (uint32_t)min_of(fault_of(t, c, CHAOS_GARBAGE)->value, (uint64_t)c->snd_mss);
	struct rte_mbuf *m = pkt_alloc(t->pool);
	struct tcp_seg seg = {
		.seq = c->snd_nxt, .ack = c->rcv_nxt, .window = tcp_advertise(t, c, w),
		.flags = TCP_ACK | TCP_PSH, .dscp = c->dscp, .agreed = c->flags & TCP_F_AGREED,
		.tsval = tcp_ts_now(t, w->ts_offset), .tsecr = c->ts_recent,
	};
	uint8_t *p = m ? (uint8_t *)rte_pktmbuf_append(m, (uint16_t)len) : NULL;

	if (!p) {
		if (m)
			pkt_recycle(t->pool, m);
		count(t->ctr, CTR_TX_NO_MBUF);
		return;
	}
	s->garbage = 1;
	memset(p, GARBAGE_BYTE, len);
	count(t->ctr, CTR_CHAOS_GARBAGE);
	tcp_seg_finish(t, m, &c->tuple, c->path, &seg, tcp_setting(t, c, ttl),
		       sum_fold(sum_partial(p, len, 0)));
	if (net_path_ready(t->net, c->path))
		t->emit(t->emit_arg, t->net->paths[c->path].port, m);
	else
		net_hold(t->net, c->path, m, t->now);
}

unsigned int tcp_chaos_after(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
			     const struct tcp_chaos_turn *was, struct rte_mbuf **pkts, unsigned int n,
			     unsigned int max)
{
	struct tcp_chaos *s = state_of(t, c);
	const unsigned int made = n;

	w->snd_wnd = was->wnd;
	w->override = 0;
	pay_pace(t, c, s, was->nxt);
	for (unsigned int i = 0; i < n; i++)
		spoil(t, c, s, pkts[i], s->sent + i + 1);
	if (s->kinds & BIT(REORDER))
		n = reorder(t, c, w, s, pkts, n, max);
	n = duplicate(t, c, s, pkts, n, made, max);
	s->sent += made;
	if (s->kinds & BIT(GARBAGE) && c->flags & TCP_F_FIN_SENT && !s->garbage)
		send_garbage(t, c, w, s);
	tcp_chaos_spent(t, c, w);
	return n;
}
