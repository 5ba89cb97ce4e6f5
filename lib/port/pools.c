/*
 * Mempools: one of packets, one of mbufs without data room for references to payload. Counted
 * exactly, so that "nothing was leaked" can be asserted when a run ends.
 */
#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include "room.h"

#define POOL_CACHE 256u

/* Headroom and a frame with two VLAN tags, in whole cache lines, at least what DPDK uses itself. */
static uint16_t data_room(uint32_t mtu)
{
	const uint32_t n = RTE_PKTMBUF_HEADROOM + RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN + mtu +
			   RTE_ETHER_CRC_LEN;

	return RTE_ALIGN_CEIL(max_of(n, (uint32_t)PORT_DATA_ROOM), CACHE_LINE);
}

uint32_t port_mbuf_bytes(uint32_t mtu)
{
	const uint32_t object = sizeof(struct rte_mbuf) + data_room(mtu);

	return rte_mempool_calc_obj_size(object, 0, NULL);
}

uint32_t port_ref_bytes(void)
{
	return rte_mempool_calc_obj_size(sizeof(struct rte_mbuf), 0, NULL);
}

/* A cache may hold half as much again as its size: it must not hold a small pool's all. */
static unsigned int cache_size(unsigned int n)
{
	return min_of(POOL_CACHE, n / 8);
}

bool port_pools_create(const struct port_pools_config *cfg, struct port_pools *out, char *err,
		       size_t errlen)
{
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "%.20s_data", cfg->name);
	out->data = rte_pktmbuf_pool_create(name, cfg->n_data, cache_size(cfg->n_data), 0,
					    data_room(cfg->mtu), cfg->socket);
	if (!out->data)
		return port_fail(err, errlen,
				 "no memory for %u mbufs of %u bytes (%s): give EAL more (-m, "
				 "hugepages) or ask for fewer",
				 cfg->n_data, port_mbuf_bytes(cfg->mtu), rte_strerror(rte_errno));
	snprintf(name, sizeof(name), "%.20s_ref", cfg->name);
	out->indirect = rte_pktmbuf_pool_create(name, cfg->n_indirect, cache_size(cfg->n_indirect),
						0, 0, cfg->socket);
	if (!out->indirect) {
		rte_mempool_free(out->data);
		out->data = NULL;
		return port_fail(err, errlen,
				 "no memory for %u mbufs for references (%s): give EAL "
				 "more (-m, hugepages) or ask for fewer",
				 cfg->n_indirect, rte_strerror(rte_errno));
	}
	return true;
}

unsigned int port_pools_in_use(const struct port_pools *p)
{
	return rte_mempool_in_use_count(p->data) + rte_mempool_in_use_count(p->indirect);
}

unsigned int port_pools_destroy(struct port_pools *p)
{
	const unsigned int left = port_pools_in_use(p);

	rte_mempool_free(p->data);
	rte_mempool_free(p->indirect);
	p->data = p->indirect = NULL;
	return left;
}
