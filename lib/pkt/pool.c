/*
 * The recycler's slow side: set up, and giving back. See pkt/pool.h.
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

void pkt_pool_trim(struct pkt_pool *pool)
{
	if (pool->n > PKT_POOL_KEEP)
		pool_shrink(pool, PKT_POOL_KEEP);
}

void pkt_pool_drain(struct pkt_pool *pool)
{
	pool_shrink(pool, 0);
}
