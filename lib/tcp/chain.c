/*
 * Chains of received payload: see rcv.h. Every step is O(1) in links; bytes are copied only where two
 * neighbours end up in one buffer, at most a buffer's worth.
 */
#include <string.h>

#include "rcv.h"

static bool ours_alone(const struct rte_mbuf *m)
{
	return RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1;
}

uint8_t *rcv_absorb(struct rte_mbuf *m, uint8_t *data, uint32_t len, const uint8_t *more,
		    uint32_t n)
{
	uint8_t *buf = m->buf_addr;

	if (len + n > m->buf_len || !ours_alone(m))
		return NULL;
	if (data + len + n > buf + m->buf_len)
		data = memmove(buf, data, len);
	memcpy(data + len, more, n);
	return data;
}

/* b follows a: copy b into a's buffer. b is then to be given back. */
static bool absorb(struct rte_mbuf *a, const struct rte_mbuf *b)
{
	uint8_t *data = rcv_absorb(a, rte_pktmbuf_mtod(a, uint8_t *), a->data_len,
				   rte_pktmbuf_mtod(b, const uint8_t *), b->data_len);

	if (!data)
		return false;
	a->data_off = (uint16_t)(data - (uint8_t *)a->buf_addr);
	a->data_len += b->data_len;
	return true;
}

/* a comes before b: copy a in front of b's data, if there is room. a is then to be given back. */
static bool absorb_front(struct rte_mbuf *b, const struct rte_mbuf *a)
{
	if (b->data_off < a->data_len || !ours_alone(b))
		return false;
	b->data_off -= a->data_len;
	b->data_len += a->data_len;
	memcpy(rte_pktmbuf_mtod(b, void *), rte_pktmbuf_mtod(a, const void *), a->data_len);
	return true;
}

static void give_back(struct tcp *t, struct tcp_work *w, struct rte_mbuf *m)
{
	rcv_release(t, w, m);
	m->next = NULL;
	pkt_recycle(t->pool, m);
}

void rcv_chain_append(struct tcp *t, struct tcp_work *w, struct tcp_chain *to, struct rte_mbuf *m,
		      uint32_t *links)
{
	if (to->tail && absorb(to->tail, m)) {
		give_back(t, w, m);
		return;
	}
	m->next = NULL;
	if (to->tail)
		to->tail->next = m;
	else
		to->head = m;
	to->tail = m;
	++*links;
}

void rcv_chain_prepend(struct tcp *t, struct tcp_work *w, struct tcp_chain *to, struct rte_mbuf *m,
		       uint32_t *links)
{
	struct tcp_chain one = {m, m};

	if (absorb_front(to->head, m)) {
		give_back(t, w, m);
		return;
	}
	m->next = NULL;
	++*links;
	rcv_chain_join(t, w, &one, to, links);
	*to = one;
}

void rcv_chain_join(struct tcp *t, struct tcp_work *w, struct tcp_chain *to, struct tcp_chain *more,
		    uint32_t *links)
{
	struct rte_mbuf *first = more->head;

	if (first && to->tail && absorb(to->tail, first)) {
		more->head = first->next;
		give_back(t, w, first);
		--*links;
	}
	if (more->head) {
		if (to->tail)
			to->tail->next = more->head;
		else
			to->head = more->head;
		to->tail = more->tail;
	}
	*more = (struct tcp_chain){0};
}

struct rte_mbuf *rcv_chain_pop(struct tcp_chain *from)
{
	struct rte_mbuf *m = from->head;

	from->head = m->next;
	if (!from->head)
		from->tail = NULL;
	m->next = NULL;
	return m;
}

void rcv_chain_drop(struct tcp *t, struct tcp_work *w, struct tcp_chain *c)
{
	while (c->head)
		give_back(t, w, rcv_chain_pop(c));
}

struct rte_mbuf *rcv_copy(struct tcp *t, const uint8_t *p, uint32_t n)
{
	struct rte_mbuf *m = pkt_alloc(t->pool);

	if (unlikely(!m))
		return NULL;
	if (unlikely(n > m->buf_len)) {
		pkt_recycle(t->pool, m);
		return NULL;
	}
	m->data_off = 0;
	m->data_len = (uint16_t)n;
	memcpy(m->buf_addr, p, n);
	return m;
}
