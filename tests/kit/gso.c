/*
 * What a port with TSO does: cuts a packet into segments; of IPv4 by DPDK's own library for it, which knows no IPv6.
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

	if (m->ol_flags & RTE_MBUF_F_TX_IPV6)
		store_be16(rte_pktmbuf_mtod_offset(m, uint8_t *, m->l2_len + 4u), (uint16_t)(m->pkt_len - at));
	else if (!(m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM))
		pkt_ip_finish(m, m->l2_len);
	th->cksum = sum_fold((uint32_t)th->cksum + be16((uint16_t)(m->pkt_len - at)));
}

/* Segment i: the packet's headers, and of its payload what is at its place. */
static struct rte_mbuf *segment(const struct rte_mbuf *m, struct rte_mempool *mp, uint32_t hdr, uint32_t i)
{
	const uint32_t from = hdr + i * m->tso_segsz, len = min_of(m->pkt_len - from, m->tso_segsz + 0u);
	struct rte_mbuf *to = rte_pktmbuf_alloc(mp);
	const uint8_t *bytes;
	struct tcp_hdr *th;
	uint8_t *p;

	assert_non_null(to);
	p = (uint8_t *)rte_pktmbuf_append(to, (uint16_t)(hdr + len));
	assert_non_null(p);
	bytes = rte_pktmbuf_read(m, 0, hdr, p);
	if (bytes != p)
		memcpy(p, bytes, hdr);
	bytes = rte_pktmbuf_read(m, from, len, p + hdr);
	if (bytes != p + hdr)
		memcpy(p + hdr, bytes, len);
	th = (struct tcp_hdr *)(p + m->l2_len + m->l3_len);
	th->seq = be32(be32(th->seq) + i * m->tso_segsz);
	if (from + len < m->pkt_len)
		th->flags &= (uint8_t)~(TCP_FIN | TCP_PSH);
	to->ol_flags = m->ol_flags & ~(RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL);
	to->tx_offload = m->tx_offload;
	return to;
}

static int cut_v6(const struct rte_mbuf *m, struct rte_mempool *mp, struct rte_mbuf *out[KIT_SEGMENTS])
{
	const uint32_t hdr = m->l2_len + m->l3_len + m->l4_len;
	uint32_t n = (m->pkt_len - hdr + m->tso_segsz - 1) / m->tso_segsz;

	assert_int_equal(m->l3_len, IP6_HDR_LEN);
	assert_true(n <= KIT_SEGMENTS);
	for (uint32_t i = 0; i < n; i++)
		out[i] = segment(m, mp, hdr, i);
	return (int)n;
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
	n = m->ol_flags & RTE_MBUF_F_TX_IPV6 ? cut_v6(m, mp, out) : rte_gso_segment(m, &gso, out, KIT_SEGMENTS);
	assert_true(n > 1);
	for (int i = 0; i < n; i++)
		add_length(out[i]);
	rte_pktmbuf_free(m);
	return (unsigned int)n;
}
