/*
 * TIME-WAIT (RFC 9293 section 3.6.1): 64 bytes that remember a connection's last numbers for twice
 * the maximum segment lifetime.
 *
 * All stay equally long, so they stand in one queue in the order they entered and only the head is
 * ever looked at; a retransmitted FIN moves its record to the end. At the cap the oldest goes. A RST
 * is ignored (RFC 1337); a SYN that is provably newer opens a new connection (RFC 6191).
 */
#include "open.h"

#define CHALLENGE_MS 500
#define LEAD         8 /* records */

static void queue_append(struct tcp *t, struct tcp_time_wait *tw)
{
	uint32_t i = tcp_small_index(t, tw);

	tw->expiry = t->now_ms + t->time_wait_ms;
	tw->next = 0;
	tw->prev = t->tw_tail;
	if (t->tw_tail)
		t->small[t->tw_tail].tw.next = i;
	else
		t->tw_head = i;
	t->tw_tail = i;
}

static void queue_remove(struct tcp *t, struct tcp_time_wait *tw)
{
	if (tw->prev)
		t->small[tw->prev].tw.next = tw->next;
	else
		t->tw_head = tw->next;
	if (tw->next)
		t->small[tw->next].tw.prev = tw->prev;
	else
		t->tw_tail = tw->prev;
	if (t->tw_ahead == tcp_small_index(t, tw)) {
		t->tw_ahead = tw->next;
		t->tw_lead = 0;
	}
}

void tcp_time_wait_replace(struct tcp *t, struct tcp_time_wait *tw, uint64_t hash, uint32_t entry)
{
	uint32_t own = flow_entry(FLOW_TIME_WAIT, tcp_small_index(t, tw));

	queue_remove(t, tw);
	if (entry == FLOW_NONE)
		flow_table_remove(&t->table, hash, own);
	else
		flow_table_replace(&t->table, hash, own, entry);
	net_path_put(t->net, tw->path);
	t->time_wait--;
	tcp_small_free(t, (union tcp_small *)tw);
}

void tcp_time_wait_free(struct tcp *t, struct tcp_time_wait *tw)
{
	uint32_t entry = FLOW_NONE;

	if (tw->replacing) {
		t->small[tw->half].half.reused = 0;
		entry = flow_entry(FLOW_HALF_OPEN, tw->half);
	}
	tcp_time_wait_replace(t, tw, flow_hash(&t->flow_key, &tw->tuple), entry);
}

/*
 * The first went. Those behind it have not been looked at for long: tw_ahead is the one some places behind
 * the first whose bucket, and whose successor's record, are asked for now.
 */
static void look_ahead(struct tcp *t)
{
	const struct tcp_time_wait *tw;

	if (t->tw_lead)
		t->tw_lead--;
	if (unlikely(!t->tw_ahead)) {
		t->tw_ahead = t->tw_head;
		t->tw_lead = 0;
	}
	while (t->tw_ahead && t->tw_lead < LEAD) {
		tw = &t->small[t->tw_ahead].tw;
		flow_table_prefetch(&t->table, flow_hash(&t->flow_key, &tw->tuple));
		if (tw->next)
			prefetch_write(&t->small[tw->next]);
		t->tw_ahead = tw->next;
		t->tw_lead++;
	}
}

void tcp_time_wait_tick(struct tcp *t, unsigned int budget)
{
	while (t->tw_head && budget--) {
		struct tcp_time_wait *tw = &t->small[t->tw_head].tw;

		if (seq_gt(tw->expiry, t->now_ms))
			break;
		tcp_time_wait_free(t, tw);
		look_ahead(t);
	}
}

static union tcp_small *take_record(struct tcp *t)
{
	union tcp_small *s = NULL;

	if (t->time_wait < t->max_time_wait)
		s = tcp_small_alloc(t, FLOW_TIME_WAIT);
	if (!s && t->tw_head) {
		count(t->ctr, CTR_TIME_WAIT_RECYCLED);
		tcp_time_wait_free(t, &t->small[t->tw_head].tw);
		look_ahead(t);
		s = tcp_small_alloc(t, FLOW_TIME_WAIT);
	}
	return s;
}

void tcp_enter_time_wait(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	union tcp_small *s = take_record(t);

	count(t->ctr, CTR_CONN_CLOSED);
	if (likely(s)) {
		struct tcp_time_wait *tw = &s->tw;

		*tw = (struct tcp_time_wait){
			.kind = FLOW_TIME_WAIT,
			.tuple = c->tuple,
			.snd_nxt = c->snd_nxt,
			.rcv_nxt = c->rcv_nxt,
			.path = c->path,
			.agreed = c->flags & TCP_F_AGREED,
			.rcv_wscale = c->rcv_wscale,
			.ts_recent = c->ts_recent,
			.rcv_wnd = (uint16_t)min_of((w->rcv_adv - c->rcv_nxt) >> c->rcv_wscale,
						    0xffffu),
			.dscp = c->dscp,
			.ttl = tcp_setting(t, c, ttl),
		};
		flow_table_replace(&t->table, flow_hash(&t->flow_key, &c->tuple),
				   flow_entry(FLOW_CONN, tcp_index(t, c)),
				   flow_entry(FLOW_TIME_WAIT, tcp_small_index(t, tw)));
		net_path_get(t->net, tw->path);
		queue_append(t, tw);
		t->time_wait++;
		count(t->ctr, CTR_TIME_WAIT_ENTERED);
		tcp_close_unhashed(t, c, PIER_CLOSE_NORMAL);
		return;
	}
	tcp_close_now(t, c, PIER_CLOSE_NORMAL);
}

static void send_ack(struct tcp *t, struct tcp_time_wait *tw, struct rte_mbuf *m)
{
	struct tcp_seg seg = {.seq = tw->snd_nxt, .ack = tw->rcv_nxt, .window = tw->rcv_wnd,
			      .flags = TCP_ACK, .dscp = tw->dscp, .tsecr = tw->ts_recent,
			      .agreed = tw->agreed};

	m = tcp_reuse(t, m);
	if (!m)
		return;
	if (tw->agreed & TCP_AGREED_TS)
		seg.tsval = tcp_ts_now(t, tcp_ts_offset(t, &tw->tuple));
	count(t->ctr, CTR_TX_ACKS);
	tcp_seg_emit(t, m, &tw->tuple, tw->path, &seg, tw->ttl);
}

static void challenge(struct tcp *t, struct tcp_time_wait *tw, struct rte_mbuf *m)
{
	if (tw->challenged && t->now_ms - tw->challenge < CHALLENGE_MS) {
		tcp_drop(t, m, CTR_TX_CHALLENGE_RATE);
		return;
	}
	tw->challenged = 1;
	tw->challenge = t->now_ms;
	send_ack(t, tw, m);
}

/* RFC 6191 section 2 and, where no timestamp decides, RFC 9293 section 3.6.1. */
static bool syn_is_newer(const struct tcp_time_wait *tw, const struct pkt_facts *f)
{
	bool old_ts = tw->agreed & TCP_AGREED_TS, new_ts = f->flags & PKT_F_TS;

	if (old_ts && new_ts)
		return seq_gt(f->tsval, tw->ts_recent) ||
		       (f->tsval == tw->ts_recent && seq_gt(f->seq, tw->rcv_nxt));
	if (!old_ts && new_ts)
		return true;
	return seq_gt(f->seq, tw->rcv_nxt);
}

static __attribute__((noinline)) void time_wait_syn(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f,
						    struct tcp_time_wait *tw)
{
	int version = tcp_listener_find(t, f->local, be16(f->dport));

	if (version < 0 || f->tcp_flags & (TCP_ACK | TCP_FIN) || !syn_is_newer(tw, f)) {
		count(t->ctr, CTR_RX_TIME_WAIT);
		challenge(t, tw, m);
		return;
	}
	tcp_syn_input(t, m, f, version, tw);
}

/* RFC 7323 sections 3.2 and 5.3; true if the segment goes on. */
static bool timestamp_ok(struct tcp *t, struct rte_mbuf *m, const struct pkt_facts *f,
			 struct tcp_time_wait *tw)
{
	if (!(tw->agreed & TCP_AGREED_TS))
		return true;
	if (!(f->flags & PKT_F_TS)) {
		tcp_drop(t, m, CTR_RX_NO_TS);
		return false;
	}
	if (seq_lt(f->tsval, tw->ts_recent)) {
		count(t->ctr, CTR_RX_PAWS);
		challenge(t, tw, m);
		return false;
	}
	return true;
}

/* The peer's FIN again: it has not had our ACK. TIME-WAIT starts anew. */
static void fin_again(struct tcp *t, struct rte_mbuf *m, const struct pkt_facts *f,
		      struct tcp_time_wait *tw)
{
	if (tw->agreed & TCP_AGREED_TS)
		tw->ts_recent = f->tsval;
	queue_remove(t, tw);
	queue_append(t, tw);
	count(t->ctr, CTR_RX_TIME_WAIT);
	send_ack(t, tw, m);
}

/* Neither SYN nor RST. */
static __attribute__((noinline)) void time_wait_other(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f,
						      struct tcp_time_wait *tw)
{
	bool fin = f->tcp_flags & TCP_FIN;

	if (!timestamp_ok(t, m, f, tw)) {
		return;
	} else if (fin && f->seq + f->payload_len + 1 == tw->rcv_nxt) {
		fin_again(t, m, f, tw);
	} else if (!(f->tcp_flags & TCP_ACK) ||
		   (f->seq == tw->rcv_nxt && seq_leq(f->ack, tw->snd_nxt) && !f->payload_len &&
		    !fin)) {
		tcp_drop(t, m, CTR_RX_TIME_WAIT);
	} else {
		count(t->ctr, CTR_RX_TIME_WAIT);
		challenge(t, tw, m);
	}
}

void tcp_time_wait_input(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f,
			 struct tcp_time_wait *tw)
{
	if (unlikely(tw->replacing))
		tcp_half_input(t, m, f, &t->small[tw->half].half);
	else if (f->tcp_flags & TCP_RST)
		tcp_drop(t, m, CTR_RX_RST_IGNORED);
	else if (f->tcp_flags & TCP_SYN)
		time_wait_syn(t, m, f, tw);
	else
		time_wait_other(t, m, f, tw);
}
