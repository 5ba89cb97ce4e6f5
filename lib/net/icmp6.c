/*
 * ICMPv6 (RFC 4443): the errors that are sent.
 *
 * An error quotes as much of the packet as fits into the MTU that every path has, in the packet that asked, and goes back to
 * the MAC address it came from. Errors share one token bucket with those of ICMP.
 */
#include "internal.h"

#define HOPS      64
#define QUOTE_MAX (IP6_MTU_MIN - IP6_HDR_LEN - ICMP6_HDR_LEN)

void icmp6_push(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f, const uint8_t peer[6])
{
	const uint16_t len = (uint16_t)m->pkt_len;
	struct icmp6_hdr *h = rte_pktmbuf_mtod(m, struct icmp6_hdr *);
	const struct net_ip ip = { .proto = IP_PROTO_ICMPV6, .ttl = HOPS, .l4_len = len };

	h->cksum = 0;
	h->cksum = sum_finish(sum_add(sum_pseudo6(f->daddr, f->saddr, IP_PROTO_ICMPV6, len), pkt_sum(m, 0, len)));
	net_push_answer(n, m, f, peer, ip);
}

void icmp6_refuse(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f, uint8_t type, uint8_t code,
		  uint32_t param, enum counter reason, uint64_t now)
{
	uint8_t quote[QUOTE_MAX], peer[ETH_ADDR_LEN];
	uint16_t len = (uint16_t)min_of(m->pkt_len - f->l3_off, (uint32_t)QUOTE_MAX);
	const uint8_t *p = rte_pktmbuf_read(m, f->l3_off, len, quote), *mac;
	struct icmp6_hdr *h;

	count(n->counters, reason);
	mac = rte_pktmbuf_read(m, ETH_ADDR_LEN, sizeof(peer), peer);
	if (!p || !mac || eth_is_group(mac) || !net_port(n, f->port)) {
		pkt_recycle(n->conf.pool, m);
		return;
	}
	if (!bucket_take(&n->limits->icmp, now)) {
		net_drop(n, m, CTR_TX_ICMP_RATE);
		return;
	}
	len = (uint16_t)min_of((uint32_t)len, IP6_HDR_LEN + (uint32_t)load_be16(p + offsetof(struct ipv6_hdr, payload_len)));
	if (p != quote)
		memcpy(quote, p, len);
	if (mac != peer)
		eth_copy(peer, mac);
	m = net_answer(n, m, ICMP6_HDR_LEN + len);
	if (!m)
		return;
	h = rte_pktmbuf_mtod(m, struct icmp6_hdr *);
	*h = (struct icmp6_hdr){ .type = type, .code = code, .rest = be32(param) };
	memcpy(h + 1, quote, len);
	icmp6_push(n, m, f, peer);
	count(n->counters, CTR_ICMP_ERRORS_TX);
	net_emit(n, f->port, m);
}
