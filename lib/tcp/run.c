/*
 * Several segments at once: what a sender of bulk does. Where a queue has more than the next full segment and the
 * windows take them, nothing differs between one and the next but its place in the stream. So what may leave is
 * asked once, and once noted; the payload is built slice by slice, the queue searched once.
 *
 * It is the full path (output.c) with nothing decided that is not decided alike for each of them: new data, full
 * segments, no PSH, no FIN, no probe. What is left then, the last one above all, is the full path's.
 *
 * A port that cuts packets into segments itself (TSO) gets several in one. On the wire that is the same, and nothing
 * else here knows of it: what is in flight are ranges, and what is sent again is built anew.
 */
#include "lend.h"
#include "out.h"
#include "pmtu.h"
#include "push.h"
#include "base/shortcut.h"

#define UNUSUAL                                                                                    \
	(TCP_F_FIN_SENT | TCP_F_SLOW | TCP_F_STALLED | TCP_F_FRAGMENT | TCP_AGREED_ECN)

/* How many: of what is queued all but the last octet, as far as both windows reach. */
static uint32_t how_many(const struct tcp_conn *c, const struct tcp_work *w)
{
	const uint32_t edge = w->snd_una + w->snd_wnd, pipe = tcp_pipe(c, w);
	uint32_t bytes;

	if (!seq_gt(w->snd_end, c->snd_nxt) || !seq_gt(edge, c->snd_nxt) || pipe >= w->cc.cwnd)
		return 0;
	bytes = min_of(w->snd_end - c->snd_nxt - 1, edge - c->snd_nxt);
	bytes = min_of(bytes, w->cc.cwnd - pipe);
	return bytes < 2u * c->snd_mss ? 0 : bytes / c->snd_mss;
}

static bool may_run(const struct tcp_conn *c, const struct tcp_work *w)
{
	return SHORTCUT(RUN) && tcp_is_calm(w) && !(c->flags & UNUSUAL) && c->state >= TCP_ESTABLISHED &&
	       !sack_due(c, w) && !w->syn_due && !w->urgent_out;
}

/* A whole slice in the mbuf that it came in. */
static inline struct rte_mbuf *lend(const struct pkt_port *pp, const struct slice *s, uint16_t *sum)
{
	struct rte_mbuf *m = s->owner;

	rte_mbuf_refcnt_set(m, 2);
	pkt_begin(m, (uint16_t)(s->data - (const uint8_t *)m->buf_addr), (uint16_t)s->len);
	*sum = sum_of(pp, s);
	return m;
}

/* len bytes from skip on of the n slices at s: copied at once where they lie in one that is not an mbuf's. */
static inline struct rte_mbuf *build(struct tcp *t, const struct pkt_port *pp, const struct slice *s,
				     unsigned int n, uint32_t skip, uint32_t len, uint16_t *sum)
{
	const bool need = pkt_needs_sum(pp), known = s->flags & SLICE_SUM && len == s->len;
	struct rte_mbuf *m;
	uint8_t *to;

	*sum = 0;
	if (s->owner || known || skip + len > s->len || RTE_PKTMBUF_HEADROOM + len > t->pool->buf_len)
		return pkt_build(t->pool, pp, s, n, skip, len, need ? sum : NULL);
	m = pkt_take(t->pool);
	if (unlikely(!m))
		return NULL;
	pkt_begin(m, RTE_PKTMBUF_HEADROOM, (uint16_t)len);
	to = rte_pktmbuf_mtod(m, uint8_t *);
	if (need)
		*sum = sum_fold(sum_copy(to, s->data + skip, len));
	else
		memcpy(to, s->data + skip, len);
	return m;
}

/* What output.c notes of each, of n segments of len bytes. */
static void run_sent(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, unsigned int n, uint32_t len)
{
	const uint32_t seq = c->snd_nxt, end = seq + n * len;

	count_add(t->ctr, CTR_TX_PAYLOAD_BYTES, n * len);
	w->last_sent = t->now_ms;
	w->burst_left -= n;
	if (seq == w->snd_una)
		first_in_flight(t, c, w);
	tcp_flight_sent(t, c, w, seq, end);
	tcp_pmtu_sent(w, len, seq + len);
	c->snd_nxt = end;
	w->snd_max = seq_max(w->snd_max, end);
	if (cc_is_limited(&w->cc, end - w->snd_una))
		w->limited_end = end;
	tcp_timer_sent(t, c, w, false);
	ack_sent(c, w);
}

/* Where the next segment's payload begins. */
struct place {
	const struct slice *s;
	unsigned int left; /* slices from s on */
	uint32_t skip;	   /* bytes of s */
};

/* How many of want segments of len bytes may be in the next packet. */
static inline uint32_t per_packet(const struct tcp *t, const struct pkt_port *pp, const struct place *at,
				  uint32_t len, uint32_t want)
{
	uint32_t most;

	if (likely(!(pp->flags & PKT_TX_TSO)))
		return 1;
	most = min_of(want, PKT_TSO_BYTES / len);
	return max_of(pkt_chain_fit(t->pool, pp, at->s, at->left, at->skip, most * len) / len, 1u);
}

/* The next packet, of k segments. */
static inline struct rte_mbuf *next_packet(struct tcp *t, struct tcp_conn *c, const struct net_path *p,
					   const struct place *at, uint32_t len, uint32_t k,
					   const struct tcp_seg *seg)
{
	struct rte_mbuf *m;
	uint16_t sum;

	if (k == 1 && at->s->owner && !at->skip && len == at->s->len && may_lend(c, p, at->s))
		m = lend(p->pp, at->s, &sum);
	else
		m = build(t, p->pp, at->s, at->left, at->skip, k * len, &sum);
	if (unlikely(!m))
		return NULL;
	tcp_seg_push(t, m, &c->tuple, c->path, seg, ttl_of(t, c), sum);
	if (unlikely(k > 1)) {
		pkt_segmented(m, (uint16_t)len);
		count(t->ctr, CTR_TX_TSO);
	}
	return m;
}

unsigned int tcp_run_output(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, struct rte_mbuf **pkts,
			    unsigned int max)
{
	const struct net_path *p = &t->net->paths[c->path];
	const uint32_t len = c->snd_mss, want = may_run(c, w) ? how_many(c, w) : 0;
	uint32_t left, i, k;
	struct tcp_seg seg;
	struct place at;
	unsigned int n = 0;

	if (!want || burst_spent(t, c, w))
		return 0;
	left = min_of(want, (uint32_t)w->burst_left);
	seg_common(t, c, w, &seg);
	seg.seq = c->snd_nxt;
	i = tcp_queue_find(t, &w->sndq, w->sndq_inline, seg.seq);
	at.s = vec_at(&w->sndq, &t->slab, w->sndq_inline, sizeof(*at.s), i);
	at.left = w->sndq.n - i;
	at.skip = seg.seq - at.s->seq;
	for (; n < max && left; n++, left -= k, seg.seq += k * len, at.skip += k * len) {
		for (; at.skip >= at.s->len; at.s++, at.left--)
			at.skip -= at.s->len;
		k = per_packet(t, p->pp, &at, len, left);
		pkts[n] = next_packet(t, c, p, &at, len, k, &seg);
		if (unlikely(!pkts[n]))
			break;
	}
	if (likely(n))
		run_sent(t, c, w, (seg.seq - c->snd_nxt) / len, len);
	return n;
}
