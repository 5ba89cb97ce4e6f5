/*
 * The recycler's slow side: set up, the reserve, and giving back. See pkt/pool.h.
 */
#include "pkt/pool.h"

void pkt_pool_init(struct pkt_pool *pool, struct rte_mempool *mp, struct rte_mempool *indirect)
{
	*pool = (struct pkt_pool){
		.mp = mp,
		.indirect = indirect,
		.buf_len = rte_pktmbuf_data_room_size(mp),
	};
}

/* The oldest go, the newest are the warmest. */
static void pool_shrink(struct pkt_pool *pool, unsigned keep)
{
	unsigned give = pool->n - keep;

	rte_pktmbuf_free_bulk(pool->lifo, give);
	for (unsigned i = 0; i < keep; i++)
		pool->lifo[i] = pool->lifo[give + i];
	pool->n = keep;
}

static void restock(struct pkt_pool *pool)
{
	while (pool->n_reserve < pool->reserve_max) {
		struct rte_mbuf *m = pkt_alloc(pool);

		if (!m)
			break;
		pool->reserve[pool->n_reserve++] = m;
	}
}

void pkt_pool_keep_reserve(struct pkt_pool *pool)
{
	pool->reserve_max = min_of(pool->mp->size / 64, (unsigned)PKT_POOL_RESERVE);
	restock(pool);
}

bool pkt_pool_dip(struct pkt_pool *pool)
{
	if (!pool->n_reserve || pool->n == PKT_POOL_LIFO)
		return false;
	pool->lifo[pool->n++] = pool->reserve[--pool->n_reserve];
	return true;
}

void pkt_pool_trim(struct pkt_pool *pool)
{
	if (unlikely(pool->n_reserve < pool->reserve_max))
		restock(pool);
	if (pool->n > PKT_POOL_KEEP)
		pool_shrink(pool, PKT_POOL_KEEP);
}

void pkt_pool_drain(struct pkt_pool *pool)
{
	pool_shrink(pool, 0);
	rte_pktmbuf_free_bulk(pool->reserve, pool->n_reserve);
	pool->n_reserve = pool->reserve_max = 0;
}

void pkt_free(struct rte_mbuf *m)
{
	rte_pktmbuf_free(m);
}
