/*
 * SYNs that are refused under overload, before they are parsed. What is refused costs what another connection then
 * does not get, and clients send it again: so it is to cost as little as it can.
 */
#include "engine_priv.h"
#include "pkt/glance.h"

#define PREFETCH_AHEAD 4

static bool is_refused(struct engine *e, uint16_t port, const struct rte_mbuf *m)
{
	struct pkt_syn syn;
	int32_t local;

	if (!pkt_is_syn(m, &syn))
		return false;
	local = net_local(&e->net, port, syn.daddr);
	return local >= 0 && tcp_refuses(&e->tcp, (uint32_t)local, syn.dport);
}

unsigned int engine_refuse(struct engine *e, uint16_t port, struct rte_mbuf **pkts, unsigned int n)
{
	unsigned int kept = 0;

	if (!e->tcp.refused)
		return n;
	e->refused = true;
	for (unsigned int i = 0; i < n && i < PREFETCH_AHEAD; i++)
		prefetch(rte_pktmbuf_mtod(pkts[i], const void *));
	for (unsigned int i = 0; i < n; i++) {
		if (i + PREFETCH_AHEAD < n)
			prefetch(rte_pktmbuf_mtod(pkts[i + PREFETCH_AHEAD], const void *));
		if (is_refused(e, port, pkts[i]))
			pkt_recycle(&e->pool, pkts[i]);
		else
			pkts[kept++] = pkts[i];
	}
	count_add(e->tcp.ctr, CTR_RX_SYN_PRESSURE, n - kept);
	return kept;
}
