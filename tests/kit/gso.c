/*
 * What a port with TSO does: cuts a packet into segments, by DPDK's own library for it.
 */
#include <rte_ethdev.h>
#include <rte_gso.h>

#include "kit.h"
#include "pkt/build.h"

/* As the device does: the lengths are new, in the IPv4 header's sum and in the pseudo-header's, which had none. */
static void add_length(struct rte_mbuf *m)
{
	const uint32_t at = m->l2_len + m->l3_len;
	struct tcp_hdr *th = rte_pktmbuf_mtod_offset(m, struct tcp_hdr *, at);

	if (!(m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM))
		pkt_ip_finish(m, m->l2_len);
	th->cksum = sum_fold((uint32_t)th->cksum + be16((uint16_t)(m->pkt_len - at)));
}

unsigned int kit_cut_segments(struct rte_mbuf *m, struct rte_mempool *mp, struct rte_mempool *indirect,
			      struct rte_mbuf *out[KIT_SEGMENTS])
{
	const struct rte_gso_ctx gso = {
		.direct_pool = mp,
		.indirect_pool = indirect,
		.flag = RTE_GSO_FLAG_IPID_FIXED,
		.gso_types = RTE_ETH_TX_OFFLOAD_TCP_TSO,
		.gso_size = (uint16_t)(m->l2_len + m->l3_len + m->l4_len + m->tso_segsz),
	};
	int n;

	if (!(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG)) {
		out[0] = m;
		return 1;
	}
	assert_true(m->tso_segsz && m->pkt_len > gso.gso_size && m->pkt_len <= UINT16_MAX);
	n = rte_gso_segment(m, &gso, out, KIT_SEGMENTS);
	assert_true(n > 1);
	for (int i = 0; i < n; i++)
		add_length(out[i]);
	rte_pktmbuf_free(m);
	return (unsigned int)n;
}
