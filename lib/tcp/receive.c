/*
 * Payload and FIN (RFC 9293 section 3.10.7.4, steps 7 and 8): in order to the receive queue, out of
 * order to a sorted list without overlaps (the first copy of a byte wins), and what to say of both.
 *
 * A short payload is copied behind the last one where that one's buffer has room and is ours alone,
 * so that a window full of tiny segments costs no more than twice its bytes.
 */
#include <string.h>

#include "tcp/tcp.h"

#define COMPACT_BELOW 512 /* payloads shorter than this are worth a copy */

static struct slice *ooo_at(const struct tcp *t, struct tcp_work *w, uint32_t i)
{
	return vec_at(&w->ooo, &t->slab, NULL, sizeof(struct slice), i);
}

/* Append s to last's buffer if that is possible; true: s is consumed. */
static bool compact(struct tcp *t, struct slice *last, struct slice *s)
{
	struct rte_mbuf *m = last->owner;
	uint8_t *end = (uint8_t *)(uintptr_t)last->data + last->len;
	const uint8_t *limit = (const uint8_t *)m->buf_addr + m->buf_len;

	if (s->len >= COMPACT_BELOW || last->seq + last->len != s->seq || !RTE_MBUF_DIRECT(m) ||
	    rte_mbuf_refcnt_read(m) != 1 || end + s->len > limit)
		return false;
	memcpy(end, s->data, s->len);
	last->len += s->len;
	last->flags &= ~SLICE_SUM;
	pkt_recycle(t->pool, s->owner);
	return true;
}

static bool rcvq_append(struct tcp *t, struct tcp_work *w, struct slice *s)
{
	struct slice *q;

	if (w->rcvq.n) {
		q = vec_at(&w->rcvq, &t->slab, w->rcvq_inline, sizeof(*q), w->rcvq.n - 1);
		if (compact(t, q, s))
			return true;
	}
	q = vec_push(&w->rcvq, &t->slab, w->rcvq_inline, WORK_SLICES, sizeof(*q));
	if (unlikely(!q))
		return false;
	*q = *s;
	t->held++;
	return true;
}

/* The next segment of the chain as a slice of at most *left bytes from *skip on; NULL: done. */
static struct rte_mbuf *next_slice(struct rte_mbuf **m, uint32_t *skip, uint32_t *left,
				   struct slice *s)
{
	struct rte_mbuf *seg;

	while ((seg = *m)) {
		*m = seg->next;
		seg->next = NULL;
		seg->nb_segs = 1;
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
		return seg;
	}
	return NULL;
}

static void free_rest(struct rte_mbuf *m)
{
	if (m)
		rte_pktmbuf_free(m);
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

static bool take_in_order(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
			  struct rte_mbuf *m, const struct piece *p, const struct pkt_facts *f)
{
	uint32_t skip = p->skip, left = p->len;
	struct slice s = {.seq = p->seq};

	while (next_slice(&m, &skip, &left, &s)) {
		uint32_t len = s.len;

		set_sum(&s, p, f);
		if (unlikely(!rcvq_append(t, w, &s))) {
			count(t->ctr, CTR_RX_NO_BLOCK);
			rte_pktmbuf_free_seg(s.owner);
			free_rest(m);
			return false;
		}
		c->rcv_nxt += len;
		s.seq += len;
		count_add(t->ctr, CTR_RX_PAYLOAD_BYTES, len);
	}
	return true;
}

/* Out-of-order slices that have become next in order. Returns whether any had. */
static bool pull_ooo(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	uint32_t gone = 0;

	while (gone < w->ooo.n) {
		struct slice s = *ooo_at(t, w, gone);

		if (seq_gt(s.seq, c->rcv_nxt))
			break;
		if (seq_gt(s.seq + s.len, c->rcv_nxt)) {
			if (seq_lt(s.seq, c->rcv_nxt))
				slice_trim_front(&s, c->rcv_nxt - s.seq);
			c->rcv_nxt += s.len;
			count_add(t->ctr, CTR_RX_PAYLOAD_BYTES, s.len);
			t->held--;
			if (unlikely(!rcvq_append(t, w, &s))) {
				t->held++;
				c->rcv_nxt -= s.len;
				break;
			}
		} else {
			tcp_slice_put(t, &s);
		}
		gone++;
	}
	if (gone)
		vec_pop_front(&w->ooo, &t->slab, gone);
	return gone;
}

/* One slice into the sorted list, its overlaps cut away; consumes its reference. */
static bool ooo_insert(struct tcp *t, struct tcp_work *w, struct slice *s)
{
	uint32_t i = tcp_queue_find(t, &w->ooo, NULL, s->seq);
	struct slice *at;

	if (i < w->ooo.n && seq_leq(ooo_at(t, w, i)->seq, s->seq)) {
		uint32_t cut = ooo_at(t, w, i)->seq + ooo_at(t, w, i)->len - s->seq;

		if (cut >= s->len) {
			rte_pktmbuf_free_seg(s->owner);
			return true;
		}
		slice_trim_front(s, cut);
		i++;
	}
	if (i < w->ooo.n && seq_gt(s->seq + s->len, ooo_at(t, w, i)->seq)) {
		struct slice rest = *s;
		uint32_t next = ooo_at(t, w, i)->seq, end = next + ooo_at(t, w, i)->len;

		slice_trim_back(s, next - s->seq);
		if (seq_gt(rest.seq + rest.len, end)) {
			slice_trim_front(&rest, end - rest.seq);
			rte_mbuf_refcnt_update(rest.owner, 1);
			ooo_insert(t, w, &rest);
		}
		if (!s->len) {
			rte_pktmbuf_free_seg(s->owner);
			return true;
		}
	}
	if (i && compact(t, ooo_at(t, w, i - 1), s))
		return true;
	at = w->ooo.n < TCP_RANGES_MAX ?
		vec_insert(&w->ooo, &t->slab, NULL, 0, sizeof(*at), i) : NULL;
	if (unlikely(!at)) {
		rte_pktmbuf_free_seg(s->owner);
		return false;
	}
	*at = *s;
	t->held++;
	return true;
}

/* The run of adjacent slices around seq; false if there is none. */
static bool ooo_run(const struct tcp *t, struct tcp_work *w, uint32_t seq,
		    struct tcp_sack_block *b)
{
	uint32_t i = tcp_queue_find(t, &w->ooo, NULL, seq), j;

	if (i == w->ooo.n || seq_gt(ooo_at(t, w, i)->seq, seq))
		return false;
	for (j = i; j > 0 && ooo_at(t, w, j - 1)->seq + ooo_at(t, w, j - 1)->len ==
			     ooo_at(t, w, j)->seq;
	     j--)
		;
	b->left = ooo_at(t, w, j)->seq;
	for (j = i; j + 1 < w->ooo.n &&
		    ooo_at(t, w, j)->seq + ooo_at(t, w, j)->len == ooo_at(t, w, j + 1)->seq;
	     j++)
		;
	b->right = ooo_at(t, w, j)->seq + ooo_at(t, w, j)->len;
	return true;
}

/* Remember where the newest data went: RFC 2018 section 4 reports that first. */
static void sack_newest(const struct tcp *t, struct tcp_work *w, uint32_t seq)
{
	struct tcp_sack_block newest, b;
	uint32_t keep[ARRAY_SIZE(w->sack_start)];
	unsigned int n = 0;

	if (!ooo_run(t, w, seq, &newest))
		return;
	keep[n++] = seq;
	for (unsigned int i = 0; i < w->sack_n && n < ARRAY_SIZE(keep); i++)
		if (ooo_run(t, w, w->sack_start[i], &b) && b.left != newest.left)
			keep[n++] = w->sack_start[i];
	memcpy(w->sack_start, keep, n * sizeof(keep[0]));
	w->sack_n = n;
}

unsigned int tcp_sack_report(struct tcp *t, struct tcp_work *w, uint32_t rcv_nxt,
			     struct tcp_sack_block *out, unsigned int max)
{
	struct tcp_sack_block b;
	unsigned int n = 0, i, j;

	if (w->dsack_start != w->dsack_end && n < max) {
		out[n++] = (struct tcp_sack_block){w->dsack_start, w->dsack_end};
		/* Duplicate data above RCV.NXT is followed by the block that contains it. */
		if (seq_gt(w->dsack_start, rcv_nxt) && n < max &&
		    ooo_run(t, w, w->dsack_start, &b))
			out[n++] = b;
		w->dsack_start = w->dsack_end = 0;
	}
	for (i = 0; i < w->sack_n && n < max; i++) {
		if (!ooo_run(t, w, w->sack_start[i], &b) || seq_leq(b.right, rcv_nxt))
			continue;
		for (j = 0; j < n && out[j].left != b.left; j++)
			;
		if (j == n || (j == 0 && out[0].right != b.right))
			out[n++] = b;
	}
	return n;
}

static void ack_soon(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
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

/* The part of [seq, seq + len) that the out-of-order list has already: reported once. */
static void note_ooo_duplicate(struct tcp *t, struct tcp_work *w, uint32_t seq, uint32_t end)
{
	uint32_t i = tcp_queue_find(t, &w->ooo, NULL, seq);
	struct slice *s;

	if (i == w->ooo.n)
		return;
	s = ooo_at(t, w, i);
	if (seq_lt(s->seq, end))
		note_duplicate(w, seq_max(seq, s->seq), seq_min(end, s->seq + s->len));
}

static void take_out_of_order(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
			      struct rte_mbuf *m, const struct piece *p)
{
	uint32_t skip = p->skip, left = p->len;
	struct slice s = {.seq = p->seq};
	bool ok = true;

	if (tcp_share_spent(t)) {
		tcp_drop(t, m, CTR_RX_OOO_FULL);
		return;
	}
	count(t->ctr, CTR_RX_OUT_OF_ORDER);
	if (c->flags & TCP_AGREED_SACK)
		note_ooo_duplicate(t, w, p->seq, p->seq + p->len);
	while (next_slice(&m, &skip, &left, &s)) {
		uint32_t next = s.seq + s.len;

		ok &= ooo_insert(t, w, &s);
		s.seq = next;
	}
	if (!ok)
		count(t->ctr, CTR_RX_OOO_FULL);
	sack_newest(t, w, p->seq);
	ack_soon(t, c, w);
}

/* RFC 9293 section 3.10.7.4, eighth: RCV.NXT has reached the FIN. */
static void fin_input(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	c->rcv_nxt++;
	c->flags |= TCP_F_FIN_RECEIVED;
	w->fin_held = 0;
	w->ack_now = 1;
	tcp_want_output(t, c, w);
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

/* One ACK a burst, or every second segment across bursts (RFC 9293 section 3.8.6.3). */
static void ack_policy(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, bool filled)
{
	if (w->segs_unacked < UINT8_MAX)
		w->segs_unacked++;
	if (filled || w->segs_unacked >= 2) {
		w->ack_now = 1;
		tcp_want_output(t, c, w);
	} else if (!w->delack) {
		w->delack = 1;
		w->delack_at = t->now_ms + ms_of(tcp_opts_of(t, c)->delack);
		tcp_timer_update(t, c, w);
	}
}

static void trim(struct tcp_conn *c, struct tcp_work *w, const struct pkt_facts *f,
		 struct piece *p)
{
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
	if (seq_gt(p->seq + p->len, w->rcv_adv)) {
		p->len = seq_lt(p->seq, w->rcv_adv) ? w->rcv_adv - p->seq : 0;
		p->whole = false;
	}
}

static void take_payload(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
			 struct rte_mbuf *m, const struct pkt_facts *f, const struct piece *p)
{
	bool had_hole = w->ooo.n || w->fin_held;

	if (p->len == 0) {
		if (f->payload_len) {
			tcp_drop(t, m, CTR_RX_OLD_DATA);
			ack_soon(t, c, w);
		} else {
			pkt_recycle(t->pool, m);
		}
	} else if (unlikely(tcp_share_spent(t) && w->rcvq.n)) {
		tcp_drop(t, m, CTR_RX_MBUF_SHARE);
	} else if (p->seq != c->rcv_nxt) {
		take_out_of_order(t, c, w, m, p);
	} else {
		/* What was taken before memory ran out stays taken, and the ACK says how much. */
		bool all = take_in_order(t, c, w, m, p, f);

		if (w->ooo.n)
			pull_ooo(t, c, w);
		tcp_ready(t, c, w, TCP_EV_DATA);
		ack_policy(t, c, w, had_hole || !p->whole || !all);
	}
}

void tcp_data_input(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, struct rte_mbuf *m,
		    struct pkt_facts *f)
{
	uint32_t fin_seq = f->seq + f->payload_len;
	bool fin = f->tcp_flags & TCP_FIN && seq_leq(fin_seq, w->rcv_adv);
	struct piece p;

	if (c->flags & TCP_F_FIN_RECEIVED) {
		count(t->ctr, CTR_RX_AFTER_FIN);
		tcp_challenge_ack(t, c, m, false);
		return;
	}
	trim(c, w, f, &p);
	if (unlikely(c->flags & TCP_F_ORPHAN && p.len)) {
		count(t->ctr, CTR_CONN_RESET_TX);
		tcp_reset_reply_as(t, m, f, CTR_RX_AFTER_CLOSE, c->dscp, tcp_setting(t, c, ttl));
		tcp_close_now(t, c, PIER_CLOSE_ABORT);
		return;
	}
	if (fin && !w->fin_held) {
		w->fin_held = 1;
		w->fin_seq = fin_seq;
	}
	take_payload(t, c, w, m, f, &p);
	if (w->fin_held && c->rcv_nxt == w->fin_seq)
		fin_input(t, c, w);
	else if (fin && !f->payload_len)
		ack_soon(t, c, w);
}
