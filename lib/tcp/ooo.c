/*
 * The out-of-order queue: ranges of payload behind a gap, sorted, apart from each other, each with its
 * octets in a chain (rcv.h). A range is found by binary search; data that continues one is linked to
 * it, a gap that closes joins two, and when RCV.NXT reaches the first, its chain goes to the receive
 * queue as it is: a window of thousands of segments behind one loss is one range.
 *
 * The first copy of an octet wins: what arrives is cut to what is missing. A segment that fills several
 * gaps leaves copies in all but the last.
 *
 * Three caps: ranges of a connection, the buffers it holds, and the buffers of all out-of-order
 * queues. Over a cap the highest range goes first, over the last that of the fattest connection
 * (share.c). The peer has it reported and must send it again, RFC 2018 section 8.
 */
#include <string.h>

#include "rcv.h"

static struct tcp_run *run_at(const struct tcp *t, struct tcp_work *w, uint32_t i)
{
	return vec_at(&w->ooo, &t->slab, w->ooo_inline, sizeof(struct tcp_run), i);
}

/* The first range that ends at seq or behind it. */
static uint32_t run_find(const struct tcp *t, struct tcp_work *w, uint32_t seq)
{
	uint32_t lo = 0, hi = w->ooo.n, steps = 0;

	for (; lo < hi; steps++) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (seq_lt(run_at(t, w, mid)->end, seq))
			lo = mid + 1;
		else
			hi = mid;
	}
	count_add(t->ctr, CTR_OOO_STEPS, steps);
	return lo;
}

static void trim_front(struct rte_mbuf *m, uint32_t n)
{
	m->data_off += (uint16_t)n;
	m->data_len -= (uint16_t)n;
}

static void discard(struct tcp *t, struct tcp_work *w, struct rte_mbuf *m)
{
	rcv_release(t, w, m);
	pkt_recycle(t->pool, m);
}

static void note_links(struct tcp *t, struct tcp_work *w, uint32_t before, uint32_t after)
{
	t->ooo_held += (uint64_t)after - before;
	w->ooo_held += after - before;
}

static void run_remove(struct tcp *t, struct tcp_work *w, uint32_t i)
{
	vec_remove(&w->ooo, &t->slab, w->ooo_inline, sizeof(struct tcp_run), i, 1);
}

/* Range i has reached the next one. */
static void join_next(struct tcp *t, struct tcp_work *w, uint32_t i)
{
	struct tcp_run *r = run_at(t, w, i), *next;
	uint32_t before;

	if (i + 1 >= w->ooo.n)
		return;
	next = run_at(t, w, i + 1);
	if (r->end != next->seq)
		return;
	before = r->links + next->links;
	r->links = before;
	r->end = next->end;
	rcv_chain_join(t, w, &r->chain, &next->chain, &r->links);
	note_links(t, w, before, r->links);
	run_remove(t, w, i + 1);
}

static void run_append(struct tcp *t, struct tcp_work *w, uint32_t i, struct rte_mbuf *m)
{
	struct tcp_run *r = run_at(t, w, i);
	uint32_t before = r->links;

	r->end += m->data_len;
	rcv_chain_append(t, w, &r->chain, m, &r->links);
	note_links(t, w, before, r->links);
	join_next(t, w, i);
}

static void run_prepend(struct tcp *t, struct tcp_work *w, uint32_t i, struct rte_mbuf *m)
{
	struct tcp_run *r = run_at(t, w, i);
	uint32_t before = r->links;

	r->seq -= m->data_len;
	rcv_chain_prepend(t, w, &r->chain, m, &r->links);
	note_links(t, w, before, r->links);
}

static bool run_new(struct tcp *t, struct tcp_work *w, uint32_t i, struct rte_mbuf *m, uint32_t seq)
{
	struct tcp_run *r = vec_insert(&w->ooo, &t->slab, w->ooo_inline, WORK_RUNS, sizeof(*r), i);

	if (unlikely(!r)) {
		discard(t, w, m);
		return false;
	}
	m->next = NULL;
	*r = (struct tcp_run){.seq = seq, .end = seq + m->data_len, .chain = {m, m}, .links = 1};
	note_links(t, w, 0, 1);
	return true;
}

/* The gap that begins at seq, in which m's data begins, and where it ends. */
struct gap {
	uint32_t i;     /* the range before it if joins_left, else the one behind it */
	uint32_t end;
	bool joins_left, closed; /* closed: there is a range at end */
};

static struct gap gap_at(const struct tcp *t, struct tcp_work *w, uint32_t i, uint32_t seq,
			 uint32_t data_end)
{
	struct gap g = {.i = i, .end = data_end};
	uint32_t behind;

	g.joins_left = i < w->ooo.n && run_at(t, w, i)->end == seq;
	behind = i + g.joins_left;
	if (behind < w->ooo.n && seq_leq(run_at(t, w, behind)->seq, data_end)) {
		g.end = run_at(t, w, behind)->seq;
		g.closed = true;
	}
	return g;
}

static bool fill(struct tcp *t, struct tcp_work *w, const struct gap *g, struct rte_mbuf *m,
		 uint32_t seq)
{
	if (g->joins_left)
		run_append(t, w, g->i, m);
	else if (g->closed)
		run_prepend(t, w, g->i, m);
	else
		return run_new(t, w, g->i, m, seq);
	return true;
}

bool ooo_insert(struct tcp *t, struct tcp_work *w, struct rte_mbuf *m, uint32_t seq)
{
	uint32_t end = seq + m->data_len, i = run_find(t, w, seq), known;
	bool whole = true;

	rcv_hold(t, w, m);
	for (;;) {
		struct rte_mbuf *part;
		struct gap g;

		if (i < w->ooo.n && seq_leq(run_at(t, w, i)->seq, seq)) {
			known = run_at(t, w, i)->end;
			if (seq_leq(end, known)) {
				discard(t, w, m);
				return whole;
			}
			trim_front(m, known - seq);
			seq = known;
		}
		g = gap_at(t, w, i, seq, end);
		known = g.closed ? run_at(t, w, g.i + g.joins_left)->end : end;
		if (seq_leq(end, known)) {
			m->data_len = (uint16_t)(g.end - seq);
			return fill(t, w, &g, m, seq) && whole;
		}
		part = rcv_copy(t, rte_pktmbuf_mtod(m, const uint8_t *), g.end - seq);
		if (likely(part)) {
			rcv_hold(t, w, part);
			fill(t, w, &g, part, seq);
		} else {
			whole = false;
		}
		trim_front(m, g.end - seq);
		seq = g.end;
		i = g.i + (g.joins_left && !part);
	}
}

bool ooo_promote(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	struct tcp_run *r;

	if (!w->ooo.n)
		return false;
	r = run_at(t, w, 0);
	if (r->seq != c->rcv_nxt)
		return false;
	count_add(t->ctr, CTR_RX_PAYLOAD_BYTES, r->end - r->seq);
	c->rcv_nxt = r->end;
	note_links(t, w, r->links, 0);
	rcvq_append_chain(t, w, &r->chain);
	run_remove(t, w, 0);
	tcp_fatness(t, w);
	return true;
}

static void drop_last(struct tcp *t, struct tcp_work *w)
{
	struct tcp_run *r = run_at(t, w, w->ooo.n - 1);

	count(t->ctr, CTR_OOO_EVICTED);
	note_links(t, w, r->links, 0);
	rcv_chain_drop(t, w, &r->chain);
	run_remove(t, w, w->ooo.n - 1);
	tcp_fatness(t, w);
}

/*
 * What the receive buffer takes at most, at the true size of the buffers: twice its octets, or as
 * many buffers as it has full segments, and one more.
 */
static uint64_t charge_cap(const struct tcp *t, const struct tcp_conn *c)
{
	uint64_t buf = tcp_opts_of(t, c)->rcvbuf; /* its own is not larger */

	return max_of(2 * buf, buf / c->rcv_mss * t->pool->buf_len) + t->pool->buf_len;
}

void ooo_trim(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	tcp_fatness(t, w);
	while (w->ooo.n && (w->ooo.n > TCP_RANGES_MAX || w->rcv_charge > charge_cap(t, c)))
		drop_last(t, w);
	while (t->ooo_held > t->ooo_max)
		drop_last(t, tcp_fattest(t));
}

bool ooo_evict(struct tcp *t)
{
	struct tcp_work *w = tcp_fattest(t);

	if (!w)
		return false;
	drop_last(t, w);
	return true;
}

/* The range that holds seq, or NULL. */
static struct tcp_run *run_of(const struct tcp *t, struct tcp_work *w, uint32_t seq)
{
	uint32_t i = run_find(t, w, seq + 1);

	return i < w->ooo.n && seq_leq(run_at(t, w, i)->seq, seq) ? run_at(t, w, i) : NULL;
}

uint32_t ooo_end(const struct tcp *t, struct tcp_work *w, uint32_t none)
{
	return w->ooo.n ? run_at(t, w, w->ooo.n - 1)->end : none;
}

bool ooo_overlap(const struct tcp *t, struct tcp_work *w, uint32_t seq, uint32_t end,
		 struct tcp_sack_block *b)
{
	uint32_t i = run_find(t, w, seq + 1);
	const struct tcp_run *r;

	if (i == w->ooo.n)
		return false;
	r = run_at(t, w, i);
	if (!seq_lt(r->seq, end))
		return false;
	*b = (struct tcp_sack_block){seq_max(seq, r->seq), seq_min(end, r->end)};
	return true;
}

/*
 * What is reported of where seq is; false: it is not here. The FIN has a number of its own (RFC 9293 section 3.4):
 * a block that ends without it says that the segment that brought it has not come.
 */
static bool block_of(const struct tcp *t, struct tcp_work *w, uint32_t seq, struct tcp_sack_block *b)
{
	const bool fin = w->fin_held && seq == w->fin_seq;
	const struct tcp_run *r = run_of(t, w, seq - fin);

	if (r)
		*b = (struct tcp_sack_block){r->seq, r->end};
	else if (fin)
		*b = (struct tcp_sack_block){seq, seq};
	else
		return false;
	b->right += w->fin_held && b->right == w->fin_seq;
	return true;
}

void ooo_newest(const struct tcp *t, struct tcp_work *w, uint32_t seq)
{
	uint32_t keep[ARRAY_SIZE(w->sack_start)];
	struct tcp_sack_block newest, b;
	unsigned int n = 0;

	if (!block_of(t, w, seq, &newest))
		return;
	keep[n++] = seq;
	for (unsigned int i = 0; i < w->sack_n && n < ARRAY_SIZE(keep); i++)
		if (block_of(t, w, w->sack_start[i], &b) && b.left != newest.left)
			keep[n++] = w->sack_start[i];
	memcpy(w->sack_start, keep, n * sizeof(keep[0]));
	w->sack_n = n;
}

/* Add the block that seq is in to a report unless it is in it. */
static void report(const struct tcp *t, struct tcp_work *w, struct tcp_sack_block *out, unsigned int *n,
		   unsigned int from, uint32_t seq)
{
	struct tcp_sack_block b;

	if (!block_of(t, w, seq, &b))
		return;
	for (unsigned int j = from; j < *n; j++)
		if (out[j].left == b.left)
			return;
	out[(*n)++] = b;
}

unsigned int tcp_sack_report(const struct tcp *t, struct tcp_work *w, uint32_t rcv_nxt,
			     struct tcp_sack_block *out, unsigned int max)
{
	unsigned int n = 0, from = 0;

	if (w->dsack_start != w->dsack_end && n < max) {
		out[n++] = (struct tcp_sack_block){w->dsack_start, w->dsack_end};
		from = 1;
		/* Duplicate data above RCV.NXT is followed by the block that contains it. */
		if (seq_gt(w->dsack_start, rcv_nxt) && n < max)
			report(t, w, out, &n, from, w->dsack_start);
		w->dsack_start = w->dsack_end = 0;
	}
	for (unsigned int i = 0; i < w->sack_n && n < max; i++)
		report(t, w, out, &n, from, w->sack_start[i]);
	/* Room that is left tells the sender where the next holes end. */
	for (uint32_t i = 0; i < w->ooo.n && n < max; i++)
		report(t, w, out, &n, from, run_at(t, w, i)->seq);
	if (w->fin_held && n < max)
		report(t, w, out, &n, from, w->fin_seq);
	return n;
}

void ooo_drop(struct tcp *t, struct tcp_work *w)
{
	for (uint32_t i = 0; i < w->ooo.n; i++)
		rcv_chain_drop(t, w, &run_at(t, w, i)->chain);
	vec_clear(&w->ooo, &t->slab);
	note_links(t, w, w->ooo_held, 0);
	tcp_fatness(t, w);
}
