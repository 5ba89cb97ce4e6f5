/*
 * Where a worker's mbufs come from: answers go out in the packet that asked.
 *
 * A fully consumed input mbuf goes on a small LIFO and is the next one given out: its lines are
 * warm, and neither free nor allocation touches the mempool. At the end of a turn what was not
 * needed goes back in bulk. Mbufs on the LIFO may stem from any receive pool; only those whose
 * buffer is as large as our own pool's are kept.
 *
 * When the mempool is empty, because receiving and handlers have it all, a few in reserve are for what
 * sets it free again: ACKs, RSTs, retransmissions, ARP and ICMP. Those are taken by pkt_alloc_last,
 * new data by pkt_alloc, which leaves the reserve alone.
 *
 * One per worker, that worker's thread only. All calls bounded.
 */
#ifndef PIER_PKT_POOL_H
#define PIER_PKT_POOL_H

#include <rte_mbuf.h>

#include "base/compiler.h"

#define PKT_POOL_LIFO 64 /* recycled mbufs kept within a turn */
#define PKT_POOL_KEEP 8  /* and from one turn to the next */
#define PKT_POOL_RESERVE 32 /* at most; of a small mempool 1/64 */

struct pkt_pool {
	struct rte_mempool *mp;       /* data mbufs; not owned */
	struct rte_mempool *indirect; /* mbufs without buffer, for references; may be NULL */
	unsigned n;
	uint16_t buf_len; /* of mp's mbufs */
	struct rte_mbuf *lifo[PKT_POOL_LIFO];
	unsigned n_reserve, reserve_max;
	struct rte_mbuf *reserve[PKT_POOL_RESERVE];
};

/* mp needs at least RTE_PKTMBUF_HEADROOM plus a full frame of data room. */
void pkt_pool_init(struct pkt_pool *pool, struct rte_mempool *mp, struct rte_mempool *indirect);

/* Keep a reserve from now on. */
void pkt_pool_keep_reserve(struct pkt_pool *pool);

/* One of the reserve onto the LIFO; false: there is none. */
bool pkt_pool_dip(struct pkt_pool *pool);

/* Fill up the reserve, give back all but PKT_POOL_KEEP mbufs: at the end of each turn. */
void pkt_pool_trim(struct pkt_pool *pool);

/* Give back everything: before the mempools are freed. */
void pkt_pool_drain(struct pkt_pool *pool);

/* An mbuf that nobody else refers to, its fields still to be set by pkt_begin; NULL when there is none. */
static inline struct rte_mbuf *pkt_take(struct pkt_pool *pool)
{
	return likely(pool->n > 0) ? pool->lifo[--pool->n] : rte_mbuf_raw_alloc(pool->mp);
}

/* Make m one plain packet of len bytes, which begins at data_off: each field is written once. */
static inline void pkt_begin(struct rte_mbuf *m, uint16_t data_off, uint16_t len)
{
	m->data_off = data_off;
	m->nb_segs = 1;
	m->port = RTE_MBUF_PORT_INVALID;
	m->ol_flags &= RTE_MBUF_F_EXTERNAL;
	m->packet_type = 0;
	m->pkt_len = len;
	m->data_len = len;
	m->vlan_tci = 0;
	m->vlan_tci_outer = 0;
	m->next = NULL;
	m->tx_offload = 0;
}

/* An empty mbuf with default headroom, refcnt 1, no flags; NULL when there is none. */
static inline struct rte_mbuf *pkt_alloc(struct pkt_pool *pool)
{
	struct rte_mbuf *m;

	if (likely(pool->n > 0)) {
		m = pool->lifo[--pool->n];
		rte_pktmbuf_reset(m);
		return m;
	}
	return rte_pktmbuf_alloc(pool->mp);
}

/* The same, out of the reserve if need be: for what is small, and frees memory or keeps peers going. */
static inline struct rte_mbuf *pkt_alloc_last(struct pkt_pool *pool)
{
	struct rte_mbuf *m = pkt_alloc(pool);

	if (unlikely(!m) && pkt_pool_dip(pool))
		m = pkt_alloc(pool);
	return m;
}

/* rte_pktmbuf_free, out of the way of the callers' code. */
void pkt_free(struct rte_mbuf *m);

/*
 * Takes over the caller's reference to m (a whole packet, any chain): keeps it if it is one plain
 * mbuf that nobody else refers to, frees it otherwise.
 */
static inline __attribute__((always_inline)) void pkt_recycle(struct pkt_pool *pool, struct rte_mbuf *m)
{
	if (likely(pool->n < PKT_POOL_LIFO && RTE_MBUF_DIRECT(m) && m->nb_segs == 1 &&
		   rte_mbuf_refcnt_read(m) == 1 && m->buf_len >= pool->buf_len))
		pool->lifo[pool->n++] = m;
	else
		pkt_free(m);
}

#endif
