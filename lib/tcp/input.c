/*
 * A segment's way to its record, and the checks of RFC 9293 section 3.10.7.4 in their order: timestamp,
 * RST, SYN, sequence number, ACK; then the acknowledgment and the payload. RFC 5961 and RFC 7323
 * decide where they say more.
 */
#include "fast.h"
#include "base/shortcut.h"
#include "tcp/connect.h"
#include "tcp/ecn.h"

#define COPY_AHEAD  (1u << 20) /* ticks: at 1 ms 17 minutes, more than the largest timeout */
#define ALIVE_AHEAD (1u << 26) /* 18 hours; with TCP_STALE_MS less than half the space */

/* Does the record that entry names carry this tuple? */
static bool entry_is(const struct tcp *t, uint32_t entry, const struct flow_tuple *tuple)
{
	uint32_t i = flow_entry_index(entry);

	if (flow_entry_type(entry) == FLOW_CONN)
		return flow_tuple_equal(&t->conn[i].tuple, tuple) &&
		       t->conn[i].state != TCP_CLOSED;
	return flow_tuple_equal(&t->small[i].tuple, tuple) &&
	       t->small[i].half.kind == flow_entry_type(entry);
}

uint32_t tcp_entry_of(const struct tcp *t, const struct flow_tuple *tuple, uint64_t hash)
{
	struct flow_cursor cur;
	uint32_t entry;

	for (entry = flow_table_first(&t->table, hash, &cur); entry != FLOW_NONE;
	     entry = flow_table_next(&t->table, &cur))
		if (entry_is(t, entry, tuple))
			return entry;
	return FLOW_NONE;
}

/* The hint is no connection of f's: is it f's record all the same? */
static inline bool hint_is(const struct tcp *t, const struct pkt_facts *f)
{
	const union tcp_small *s;

	if (!SHORTCUT(HINT) || f->entry == FLOW_NONE || flow_entry_type(f->entry) == FLOW_CONN)
		return false;
	s = &t->small[flow_entry_index(f->entry)];
	return s->half.kind == flow_entry_type(f->entry) && tcp_tuple_is(f, &s->tuple);
}

static uint32_t look_up(const struct tcp *t, const struct pkt_facts *f)
{
	struct flow_tuple tuple;

	tcp_tuple_of(f, &tuple);
	return tcp_entry_of(t, &tuple, f->hash);
}

/* It has no record. */
static __attribute__((noinline)) void input_elsewhere(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f)
{
	int version;

	if (unlikely(!net_source_ok(t->net, f))) { /* see net_again */
		tcp_drop(t, m, CTR_RX_BAD_SRC);
		return;
	}
	version = tcp_listener_find(t, f->local, be16(f->dport));
	if (version >= 0)
		tcp_listen_input(t, m, f, version);
	else
		tcp_reset_reply(t, m, f, CTR_RX_CLOSED_PORT);
}

/* f->entry is its record's. */
static inline void input_by_entry(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f)
{
	const uint32_t i = flow_entry_index(f->entry);

	switch (f->entry == FLOW_NONE ? 0 : flow_entry_type(f->entry)) {
	case FLOW_CONN:
		tcp_conn_input(t, m, f, &t->conn[i]);
		break;
	case FLOW_HALF_OPEN:
		tcp_half_input(t, m, f, &t->small[i].half);
		break;
	case FLOW_TIME_WAIT:
		tcp_time_wait_input(t, m, f, &t->small[i].tw);
		break;
	default:
		input_elsewhere(t, m, f);
	}
}

static __attribute__((noinline)) void input_looked_up(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f)
{
	f->entry = look_up(t, f);
	input_by_entry(t, m, f);
}

/* Of what is usual nothing needs to be kept: each way goes on in another function. */
void tcp_input_any(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f)
{
	if (hint_is(t, f))
		input_by_entry(t, m, f);
	else
		input_looked_up(t, m, f);
}

static uint32_t window_of(const struct tcp_conn *c, const struct tcp_work *w)
{
	return seq_gt(w->rcv_adv, c->rcv_nxt) ? w->rcv_adv - c->rcv_nxt : 0;
}

/* RFC 7323 section 5.3: older than the last, and the last is not too old to say so. */
static bool paws_rejects(const struct tcp *t, const struct tcp_conn *c,
			 const struct pkt_facts *f)
{
	return c->flags & TCP_AGREED_TS && f->flags & PKT_F_TS && seq_lt(f->tsval, c->ts_recent) &&
	       !tcp_ts_stale(t, c);
}

/* RFC 5961 section 3.2: exactly RCV.NXT resets, elsewhere in the window is challenged. */
static void rst_input(struct tcp *t, struct rte_mbuf *m, const struct pkt_facts *f,
		      struct tcp_conn *c, struct tcp_work *w)
{
	bool refused = c->state == TCP_SYN_RECEIVED;

	if (unlikely(c->state == TCP_TIME_WAIT)) {
		/* The handler is still reading; RFC 1337 section 3 as in a TIME-WAIT record. */
		tcp_drop(t, m, CTR_RX_RST_IGNORED);
	} else if (f->seq == c->rcv_nxt) {
		count(t->ctr, refused ? CTR_CONN_REFUSED : CTR_CONN_RESET_RX);
		pkt_recycle(t->pool, m);
		tcp_close_now(t, c, refused ? PIER_CLOSE_REFUSED : PIER_CLOSE_RESET);
	} else if (seq_gt(f->seq, c->rcv_nxt) && seq_lt(f->seq, c->rcv_nxt + window_of(c, w))) {
		count(t->ctr, CTR_RX_RST_IN_WINDOW);
		tcp_challenge_ack(t, c, m, true);
	} else {
		tcp_drop(t, m, CTR_RX_RST_IGNORED);
	}
}

/* RFC 9293 section 3.4, table 5; the right edge itself counts for empty segments. */
static bool acceptable(const struct tcp_conn *c, const struct tcp_work *w,
		       const struct pkt_facts *f)
{
	uint32_t wnd = window_of(c, w), len = f->payload_len + !!(f->tcp_flags & TCP_FIN);
	uint32_t last = f->seq + len - 1, edge = c->rcv_nxt + wnd;

	if (len == 0)
		return wnd ? seq_geq(f->seq, c->rcv_nxt) && seq_leq(f->seq, edge) :
			     f->seq == c->rcv_nxt;
	if (wnd == 0)
		return false;
	return (seq_geq(f->seq, c->rcv_nxt) && seq_lt(f->seq, edge)) ||
	       (seq_geq(last, c->rcv_nxt) && seq_lt(last, edge));
}

static bool ack_in_range(const struct tcp_conn *c, const struct tcp_work *w,
			 const struct pkt_facts *f)
{
	return seq_leq(f->ack, w->snd_max) && seq_geq(f->ack, w->snd_una - w->max_snd_wnd);
}

/*
 * RFC 9293 appendix A.2: both windows have opened while both sides probed. Each has taken an octet that
 * the other does not count as sent, so that every ACK lies one octet before what is expected; if that
 * of the probe were not taken from it, the two would answer each other for ever.
 */
static bool probe_taken(const struct tcp_conn *c, const struct tcp_work *w,
			const struct pkt_facts *f)
{
	return f->tcp_flags & TCP_ACK && seq_gt(f->ack, c->snd_nxt) && seq_leq(f->ack, w->snd_max);
}

/* RFC 7323 section 4.3: what the next segment echoes. */
static void update_ts_recent(const struct tcp *t, struct tcp_conn *c, const struct tcp_work *w,
			     const struct pkt_facts *f)
{
	if (!(c->flags & TCP_AGREED_TS) || !(f->flags & PKT_F_TS))
		return;
	if (seq_gt(f->seq, w->last_ack_sent))
		return;
	if (seq_geq(f->tsval, c->ts_recent) || tcp_ts_stale(t, c)) {
		c->ts_recent = f->tsval;
		c->flags &= ~(uint32_t)TCP_F_TS_STALE;
	}
}

/*
 * Data that was received before, sent again because its ACK was lost: the ACK of the copy echoes the copy,
 * or the sender takes its own timeouts for a round trip, and the next one lasts as long as all of them.
 * RFC 7323 section 5.3 does not record the TSval of what is not acceptable, and nor is it here: it is
 * in this ACK only, and one far ahead is not that of a copy.
 */
static void answer_copy(struct tcp *t, struct rte_mbuf *m, const struct pkt_facts *f, struct tcp_conn *c)
{
	const uint32_t recent = c->ts_recent;

	if (c->flags & TCP_AGREED_TS && f->flags & PKT_F_TS && f->tsval - recent < COPY_AHEAD)
		c->ts_recent = f->tsval;
	tcp_challenge_ack(t, c, m, false);
	c->ts_recent = recent;
}

/*
 * Something was heard of the peer, but no segment that TS.Recent is taken from. How old that is is
 * told by last_rx, which therefore must not run ahead of it: those who are kept alive so for weeks
 * would be shut out by PAWS then.
 */
static void heard(const struct tcp *t, struct tcp_conn *c, const struct pkt_facts *f)
{
	if (!(c->flags & TCP_AGREED_TS) || f->tsval - c->ts_recent < ALIVE_AHEAD)
		c->last_rx = t->now_ms;
}

/*
 * Not acceptable: answered by an ACK, throttled if it carries nothing (RFC 5961 section 7), what looks
 * like a keep-alive for itself. At a closed window the ACK field of a probe still counts.
 */
static void unacceptable(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f,
			 struct tcp_conn *c, struct tcp_work *w)
{
	bool keepalive = f->seq == c->rcv_nxt - 1 && f->payload_len <= 1 &&
			 !(f->tcp_flags & TCP_FIN);
	bool empty = !f->payload_len && !(f->tcp_flags & TCP_FIN);
	bool old = f->payload_len && seq_leq(f->seq + f->payload_len, c->rcv_nxt);

	if (f->seq == c->rcv_nxt && f->tcp_flags & TCP_ACK && ack_in_range(c, w, f)) {
		if (unlikely(f->tcp_flags & TCP_URG))
			tcp_urgent_input(t, c, w, f);
		update_ts_recent(t, c, w, f);
		c->last_rx = t->now_ms;
		tcp_ack_input(t, c, w, m, f);
		count(t->ctr, CTR_RX_WINDOW_PROBES);
		if (c->state == TCP_CLOSED) {
			pkt_recycle(t->pool, m);
			return;
		}
	} else if (keepalive && probe_taken(c, w, f)) {
		heard(t, c, f);
		tcp_ack_input(t, c, w, m, f);
	} else if (keepalive) {
		heard(t, c, f);
		count(t->ctr, CTR_RX_KEEPALIVES);
	}
	if (old && c->flags & TCP_AGREED_SACK) { /* a keep-alive's octet may be a tail loss probe */
		w->dsack_start = f->seq;
		w->dsack_end = f->seq + f->payload_len;
	}
	count(t->ctr, old ? CTR_RX_OLD_DATA : CTR_RX_OUT_OF_WINDOW);
	if (old) {
		w->quick = TCP_QUICK_ACKS;
		answer_copy(t, m, f, c);
	} else if (empty && keepalive) {
		tcp_keepalive_ack(t, c, m);
	} else {
		tcp_challenge_ack(t, c, m, empty);
	}
}

/* Everything before the ACK field; true if the segment goes on. */
static bool checks(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, struct tcp_conn *c,
		   struct tcp_work *w)
{
	uint8_t flags = f->tcp_flags;
	bool empty = !f->payload_len && !(flags & TCP_FIN);

	if (flags & TCP_RST) {
		rst_input(t, m, f, c, w);
		return false;
	}
	if (unlikely(flags & TCP_SYN && w->syn)) {
		tcp_crossing_input(t, m, f, c, w);
		return false;
	}
	if (flags & TCP_SYN) {
		count(t->ctr, CTR_RX_SYN_IN_CONN);
		tcp_challenge_ack(t, c, m, true);
		return false;
	}
	if (unlikely(c->flags & TCP_AGREED_TS && !(f->flags & PKT_F_TS))) {
		tcp_drop(t, m, CTR_RX_NO_TS);
		return false;
	}
	if (unlikely(paws_rejects(t, c, f))) {
		count(t->ctr, CTR_RX_PAWS);
		tcp_challenge_ack(t, c, m, empty);
		return false;
	}
	if (unlikely(!acceptable(c, w, f))) {
		unacceptable(t, m, f, c, w);
		return false;
	}
	if (unlikely(!(flags & TCP_ACK))) {
		tcp_drop(t, m, CTR_RX_NO_ACK);
		return false;
	}
	if (unlikely(w->syn) && !tcp_syn_acked(t, m, f, c, w))
		return false;
	if (unlikely(!ack_in_range(c, w, f))) {
		count(t->ctr, CTR_RX_BAD_ACK);
		tcp_challenge_ack(t, c, m, empty);
		return false;
	}
	return true;
}

void tcp_conn_input_any(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, struct tcp_conn *c,
			struct tcp_work *w)
{
	tcp_ready(t, c, w, 0);
	if (unlikely(c->state == TCP_SYN_SENT)) {
		tcp_syn_sent_input(t, m, f, c, w);
		return;
	}
	if (!checks(t, m, f, c, w))
		return;
	update_ts_recent(t, c, w, f);
	if (unlikely(tcp_ecn_news(c, f)))
		tcp_ecn_received(t, c, f);
	c->last_rx = t->now_ms;
	c->rx_dscp = f->dscp;
	if (w->timer != TCP_TIMER_PERSIST)
		c->probes = 0;
	tcp_ack_input(t, c, w, m, f);
	if (unlikely(f->tcp_flags & TCP_URG) && c->state != TCP_CLOSED)
		tcp_urgent_input(t, c, w, f);
	if (c->state == TCP_CLOSED)
		pkt_recycle(t->pool, m);
	else if (f->payload_len || f->tcp_flags & TCP_FIN)
		tcp_data_input(t, c, w, m, f);
	else
		pkt_recycle(t->pool, m);
}
