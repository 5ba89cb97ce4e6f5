/*
 * Building packets: see pkt/build.h for the order of things and the rules of copy and reference.
 *
 * A builder walks the slices once. Copies go into the tail room of the last data mbuf while that is
 * the chain's last segment; a reference, or a full mbuf, starts the next segment.
 */
#include <string.h>

#include "pkt/build.h"
#include "wire/ip4.h"
#include "wire/sum.h"

struct builder {
	struct pkt_pool *pool;
	struct rte_mbuf *head, *tail;
	uint32_t copy_below; /* UINT32_MAX: copy everything */
	uint32_t sum;
	bool need_sum, linear;
	bool tail_ours; /* tail is a data mbuf of ours: bytes may be appended */
};

static void chain(struct builder *b, struct rte_mbuf *m)
{
	b->tail->next = m;
	b->tail = m;
	b->head->nb_segs++;
}

static void grow(struct builder *b, uint32_t len)
{
	b->tail->data_len += (uint16_t)len;
	b->head->pkt_len += len;
}

/* Copy len bytes to dst, which lies at offset b->head->pkt_len of the payload. */
static void copy_bytes(struct builder *b, uint8_t *dst, const uint8_t *src, uint32_t len,
		       bool sum_known)
{
	if (b->need_sum && !sum_known)
		b->sum = sum_combine(b->sum, sum_copy(dst, src, len), b->head->pkt_len & 1);
	else
		memcpy(dst, src, len);
}

static bool build_copy(struct builder *b, const uint8_t *p, uint32_t len, bool sum_known)
{
	while (len) {
		uint32_t room = b->tail_ours ? rte_pktmbuf_tailroom(b->tail) : 0;
		uint32_t n = min_of(room, len);

		if (n == 0) {
			struct rte_mbuf *m = b->linear ? NULL : pkt_alloc(b->pool);

			if (unlikely(!m))
				return false;
			m->data_off = 0; /* only the first segment gets headers */
			chain(b, m);
			b->tail_ours = true;
			continue;
		}
		copy_bytes(b, rte_pktmbuf_mtod_offset(b->tail, uint8_t *, b->tail->data_len), p, n,
			   sum_known);
		grow(b, n);
		p += n;
		len -= n;
	}
	return true;
}

static bool build_attach(struct builder *b, struct rte_mbuf *owner, const uint8_t *p, uint32_t len,
			 bool sum_known)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(b->pool->indirect);

	if (unlikely(!m))
		return false;
	rte_pktmbuf_attach(m, owner);
	m->data_off = (uint16_t)(p - (const uint8_t *)m->buf_addr);
	m->data_len = 0;
	m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL; /* not what was received */
	chain(b, m);
	b->tail_ours = false;
	if (b->need_sum && !sum_known)
		b->sum = sum_combine(b->sum, sum_partial(p, len, 0), b->head->pkt_len & 1);
	grow(b, len);
	return true;
}

/* Add len bytes of s from skip on. */
static bool build_slice(struct builder *b, const struct slice *s, uint32_t skip, uint32_t len)
{
	bool sum_known = b->need_sum && (s->flags & SLICE_SUM) && len == s->len;

	if (sum_known)
		b->sum = sum_combine(b->sum, s->sum, b->head->pkt_len & 1);
	if (len >= b->copy_below && s->owner &&
	    likely(build_attach(b, s->owner, s->data + skip, len, sum_known)))
		return true;
	return build_copy(b, s->data + skip, len, sum_known);
}

static uint32_t copy_below(const struct pkt_pool *pool, const struct pkt_port *pp)
{
	if (!(pp->flags & PKT_TX_MULTI_SEG) || pp->tx_mode == PKT_TX_GIVES_AWAY || !pool->indirect)
		return UINT32_MAX;
	return max_of((uint32_t)pp->copy_below, (uint32_t)PKT_COPY_ALWAYS);
}

struct rte_mbuf *pkt_build(struct pkt_pool *pool, const struct pkt_port *pp,
			   const struct slice *slices, unsigned n, uint32_t skip, uint32_t len,
			   uint16_t *sum)
{
	struct builder b = {
		.pool = pool,
		.head = pkt_alloc(pool),
		.copy_below = copy_below(pool, pp),
		.need_sum = sum != NULL,
		.linear = !(pp->flags & PKT_TX_MULTI_SEG),
		.tail_ours = true,
	};

	if (unlikely(!b.head))
		return NULL;
	b.tail = b.head;
	for (unsigned i = 0; i < n && len; i++, skip = 0) {
		uint32_t part = min_of(slices[i].len - skip, len);

		if (unlikely(!build_slice(&b, &slices[i], skip, part))) {
			rte_pktmbuf_free(b.head);
			return NULL;
		}
		len -= part;
	}
	if (sum)
		*sum = sum_fold(b.sum);
	return b.head;
}

uint32_t pkt_chain_fit(const struct pkt_pool *pool, const struct pkt_port *pp, const struct slice *slices,
		       unsigned n, uint32_t skip, uint32_t len)
{
	const uint32_t below = copy_below(pool, pp);
	uint32_t room = pool->buf_len - RTE_PKTMBUF_HEADROOM, left = len;
	unsigned mbufs = 1;

	for (unsigned i = 0; i < n && left; i++, skip = 0) {
		const uint32_t part = min_of(slices[i].len - skip, left);
		const bool attached = part >= below && slices[i].owner;
		uint32_t copy = attached ? 0 : part;

		for (; copy > room; room = pool->buf_len) {
			if (mbufs == pp->tso_mbufs)
				return len - left + part - copy + room;
			copy -= room;
			mbufs++;
		}
		room = attached ? 0 : room - copy;
		if (attached && mbufs++ == pp->tso_mbufs)
			break;
		left -= part;
	}
	return len - left;
}

void pkt_ip_finish(struct rte_mbuf *m, unsigned ip_off)
{
	struct ip4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct ip4_hdr *, ip_off);

	ip->cksum = 0;
	ip->cksum = sum_finish(sum_header(ip, ip4_hdr_len(ip)));
}
