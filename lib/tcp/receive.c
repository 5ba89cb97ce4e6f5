/*
 * Payload and FIN (RFC 9293 section 3.10.7.4, steps 7 and 8): what a segment brings is cut to what is
 * new and in the window; in order it goes to the receive queue (rcvq.c), else to the out-of-order
 * queue (ooo.c), and the sender is told, by the rules of RFC 5681, 2018 and 2883.
 */
#include "rcv.h"

/* The next part of the packet as a slice of at most *left bytes from *skip on; false: done. */
static bool next_slice(struct rte_mbuf **m, uint32_t *skip, uint32_t *left, struct slice *s)
{
	struct rte_mbuf *seg;

	while ((seg = *m)) {
		if (likely(seg->nb_segs == 1)) {
			*m = NULL;
		} else {
			*m = seg->next;
			if (*m)
				(*m)->nb_segs = seg->nb_segs - 1;
			seg->next = NULL;
			seg->nb_segs = 1;
		}
		if (*left == 0 || seg->data_len <= *skip) {
			*skip -= min_of(*skip, (uint32_t)seg->data_len);
			rte_pktmbuf_free_seg(seg);
			continue;
		}
		s->data = rte_pktmbuf_mtod_offset(seg, const uint8_t *, *skip);
		s->len = min_of(seg->data_len - *skip, *left);
		s->owner = seg;
		s->kind = SLICE_MBUF;
		s->flags = 0;
		*left -= s->len;
		*skip = 0;
		return true;
	}
	return false;
}

/* What arrived, trimmed to what is new and in the window. */
struct piece {
	uint32_t seq, len; /* of the payload to keep */
	uint32_t skip;     /* where it starts in the frame */
	bool whole;        /* nothing was trimmed */
};

static void set_sum(struct slice *s, const struct piece *p, const struct pkt_facts *f)
{
	if (p->whole && f->flags & PKT_F_SUM && s->len == p->len) {
		s->sum = (uint16_t)f->payload_sum;
		s->flags = SLICE_SUM;
	}
}

static void advance(struct tcp *t, struct tcp_conn *c, uint32_t n)
{
	c->rcv_nxt += n;
	count_add(t->ctr, CTR_RX_PAYLOAD_BYTES, n);
}

static void take_in_order(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
			  struct rte_mbuf *m, const struct piece *p, const struct pkt_facts *f)
{
	uint32_t skip = p->skip, left = p->len;
	struct slice s = {.seq = p->seq};

	while (next_slice(&m, &skip, &left, &s)) {
		set_sum(&s, p, f);
		rcvq_append(t, w, &s);
		advance(t, c, s.len);
		s.seq += s.len;
	}
}

/*
 * A slice that begins at RCV.NXT while there are out-of-order ranges: what lies before the first is
 * in order, and so is then the range; what lies beyond that goes on in the same way. False if a
 * part could not be kept.
 */
static bool fill_gap(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, struct slice *s)
{
	uint32_t end = s->seq + s->len;

	for (;;) {
		struct tcp_sack_block first = {end, end};
		struct rte_mbuf *copy = NULL;
		struct slice part = *s;
		bool beyond = ooo_overlap(t, w, s->seq, end, &first) && first.right != end;

		slice_trim_back(&part, first.left - s->seq);
		if (beyond) {
			copy = rcv_copy(t, part.data, part.len);
			part.owner = copy ? copy : s->owner;
			part.data = copy ? copy->buf_addr : s->data;
		}
		rcvq_append(t, w, &part);
		advance(t, c, part.len);
		ooo_promote(t, c, w);
		if (!copy)
			return !beyond;
		slice_trim_front(s, c->rcv_nxt - s->seq);
	}
}

/* Any slice in the window, in order or not, when there is a gap. */
static bool take_slice(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, struct slice *s)
{
	if (seq_leq(s->seq + s->len, c->rcv_nxt)) {
		rte_pktmbuf_free_seg(s->owner);
		return true;
	}
	if (seq_lt(s->seq, c->rcv_nxt))
		slice_trim_front(s, c->rcv_nxt - s->seq);
	if (s->seq == c->rcv_nxt)
		return fill_gap(t, c, w, s);
	s->owner->data_off = (uint16_t)(s->data - (const uint8_t *)s->owner->buf_addr);
	s->owner->data_len = (uint16_t)s->len;
	return ooo_insert(t, w, s->owner, s->seq);
}

/* False if a part could not be kept: the sender has not been told of it and will send it again. */
static bool take_with_gap(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
			  struct rte_mbuf *m, const struct piece *p)
{
	uint32_t skip = p->skip, left = p->len;
	struct slice s = {.seq = p->seq};
	bool all = true;

	while (next_slice(&m, &skip, &left, &s)) {
		uint32_t next = s.seq + s.len;

		all &= take_slice(t, c, w, &s);
		s.seq = next;
	}
	ooo_trim(t, c, w);
	return all;
}

static void ack_soon(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	w->quick = TCP_QUICK_ACKS;
	if (w->burst_acks < TCP_BURST_ACKS) {
		w->burst_acks++;
		count(t->ctr, CTR_TX_DUP_ACKS);
		if (tcp_ack_now(t, c, w))
			return;
	}
	w->ack_now = 1;
	tcp_want_output(t, c, w);
}

static void note_duplicate(struct tcp_work *w, uint32_t left, uint32_t right)
{
	w->dsack_start = left;
	w->dsack_end = right;
}

/*
 * What the out-of-order queue has already of a segment is reported once, if it does not begin with
 * older duplicates: RFC 2883 section 4.2.
 */
static void note_ooo_duplicate(const struct tcp *t, const struct tcp_conn *c, struct tcp_work *w,
			       const struct piece *p)
{
	struct tcp_sack_block b;

	if (c->flags & TCP_AGREED_SACK && w->dsack_start == w->dsack_end &&
	    ooo_overlap(t, w, p->seq, p->seq + p->len, &b))
		note_duplicate(w, b.left, b.right);
}

static void take_out_of_order(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
			      struct rte_mbuf *m, const struct piece *p)
{
	struct tcp_sack_block b;

	note_ooo_duplicate(t, c, w, p);
	take_with_gap(t, c, w, m, p);
	if (ooo_overlap(t, w, p->seq, p->seq + p->len, &b)) {
		count(t->ctr, CTR_RX_OUT_OF_ORDER);
		ooo_newest(t, w, p->seq);
	} else {
		count(t->ctr, CTR_RX_OOO_FULL);
	}
	ack_soon(t, c, w);
}

/* RFC 9293 section 3.10.7.4, eighth: RCV.NXT has reached the FIN. */
static void fin_input(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	c->rcv_nxt++;
	c->flags |= TCP_F_FIN_RECEIVED;
	w->fin_held = 0;
	if (unlikely(w->urgent_in))
		tcp_urgent_fin(w, c->rcv_nxt - 1);
	w->ack_now = 1;
	tcp_ready(t, c, w, TCP_EV_EOF);
	switch (c->state) {
	case TCP_ESTABLISHED:
		c->state = TCP_CLOSE_WAIT;
		break;
	case TCP_FIN_WAIT_1:
		c->state = TCP_CLOSING;
		break;
	case TCP_FIN_WAIT_2:
		/* Leaves for TIME-WAIT when the handler has read all: tcp_finish. */
		c->state = TCP_TIME_WAIT;
		break;
	default:
		break;
	}
}

/*
 * One ACK a burst, or every second segment across bursts (RFC 9293 section 3.8.6.3). Where segments are lost
 * ACKs are too, and a window is small: then each segment, or what was left of a window would wait for the
 * delayed ACK, and the loss of the one ACK of a round would be a timeout.
 */
static void ack_policy(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, bool filled)
{
	if (w->segs_unacked < UINT8_MAX)
		w->segs_unacked++;
	if (filled || w->quick || w->segs_unacked >= 2) {
		w->quick -= w->quick > 0;
		w->ack_now = 1;
	} else if (!w->delack) {
		w->delack = 1;
		w->delack_at = t->now_ms + ms_of(tcp_opts_of(t, c)->delack);
	}
}

/* Where the peer's data may end: at its FIN, if that is known. */
static uint32_t data_edge(const struct tcp_work *w)
{
	return w->fin_held ? seq_min(w->rcv_adv, w->fin_seq) : w->rcv_adv;
}

static void trim(struct tcp_conn *c, struct tcp_work *w, const struct pkt_facts *f,
		 struct piece *p)
{
	uint32_t edge = data_edge(w);

	p->seq = f->seq;
	p->len = f->payload_len;
	p->skip = f->payload_off;
	p->whole = true;
	if (seq_lt(p->seq, c->rcv_nxt)) {
		uint32_t cut = min_of(c->rcv_nxt - p->seq, p->len);

		if (cut && c->flags & TCP_AGREED_SACK)
			note_duplicate(w, p->seq, p->seq + cut);
		p->seq += cut;
		p->skip += cut;
		p->len -= cut;
		p->whole = false;
	}
	if (seq_gt(p->seq + p->len, edge)) {
		p->len = seq_lt(p->seq, edge) ? edge - p->seq : 0;
		p->whole = false;
	}
}

/*
 * A FIN in the window. If there is data from beyond it, the peer contradicts itself: in order the FIN
 * counts, else the data.
 */
static void hold_fin(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
		     const struct pkt_facts *f)
{
	uint32_t fin_seq = f->seq + f->payload_len;

	if (w->fin_held || seq_lt(fin_seq, c->rcv_nxt) || seq_gt(fin_seq, w->rcv_adv))
		return;
	if (unlikely(seq_gt(ooo_end(t, w, fin_seq), fin_seq))) {
		if (seq_gt(f->seq, c->rcv_nxt))
			return;
		ooo_drop(t, w);
	}
	w->fin_held = 1;
	w->fin_seq = fin_seq;
}

/* RCV.NXT is where the peer's FIN stands. */
static bool fin_reached(const struct tcp_conn *c, const struct tcp_work *w)
{
	return w->fin_held && c->rcv_nxt == w->fin_seq;
}

static void take_payload(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
			 struct rte_mbuf *m, const struct pkt_facts *f, const struct piece *p)
{
	bool had_hole = w->ooo.n || w->fin_held;

	if (p->len == 0) {
		if (f->payload_len) {
			tcp_drop(t, m, CTR_RX_OLD_DATA);
			if (!fin_reached(c, w)) /* its ACK says that, too */
				ack_soon(t, c, w);
		} else {
			pkt_recycle(t->pool, m);
		}
	} else if (unlikely(tcp_share_refuses(t, w)) &&
		   (p->seq != c->rcv_nxt || !ooo_evict(t))) {
		tcp_drop(t, m, CTR_RX_MBUF_SHARE);
	} else if (p->seq != c->rcv_nxt) {
		take_out_of_order(t, c, w, m, p);
	} else if (unlikely(had_hole && w->ooo.n)) {
		note_ooo_duplicate(t, c, w, p);
		take_with_gap(t, c, w, m, p);
		tcp_ready(t, c, w, TCP_EV_DATA);
		ack_policy(t, c, w, true);
	} else {
		take_in_order(t, c, w, m, p, f);
		if (w->growing && f->flags & PKT_F_TS)
			tcp_rcv_rtt(t, w, f->tsecr);
		tcp_ready(t, c, w, TCP_EV_DATA);
		/* More than a segment can hold is several that the port joined. */
		ack_policy(t, c, w, had_hole || !p->whole || p->len > c->rcv_mss);
	}
}

void tcp_data_input(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, struct rte_mbuf *m,
		    struct pkt_facts *f)
{
	struct piece p;

	if (c->flags & TCP_F_FIN_RECEIVED) {
		/* LAST-ACK, and it was acknowledged: there is nothing left that could answer. */
		if (c->state == TCP_LAST_ACK && w->snd_una == c->snd_nxt) {
			tcp_drop(t, m, CTR_RX_AFTER_FIN);
			return;
		}
		count(t->ctr, CTR_RX_AFTER_FIN);
		tcp_challenge_ack(t, c, m, false);
		return;
	}
	if (f->tcp_flags & TCP_FIN) {
		if (unlikely(c->flags & TCP_F_SLOW) && tcp_chaos_deaf(t, c)) {
			f->tcp_flags &= (uint8_t)~TCP_FIN;
			if (!f->payload_len) {
				tcp_drop(t, m, CTR_RX_CHAOS_FIN);
				return;
			}
		} else {
			hold_fin(t, c, w, f);
		}
	}
	trim(c, w, f, &p);
	if (unlikely(c->flags & TCP_F_ORPHAN && p.len)) {
		count(t->ctr, CTR_CONN_RESET_TX);
		tcp_reset_conn_reply(t, c, m, f, CTR_RX_AFTER_CLOSE);
		tcp_close_now(t, c, PIER_CLOSE_ABORT);
		return;
	}
	take_payload(t, c, w, m, f, &p);
	if (fin_reached(c, w)) {
		fin_input(t, c, w);
	} else if (f->tcp_flags & TCP_FIN && !f->payload_len) {
		ooo_newest(t, w, f->seq);
		ack_soon(t, c, w);
	}
}
