/*
 * IPv6 headers as they are sent, and those of answers that have no path, of either family.
 *
 * A flow label names a connection and direction for as long as it lasts, to whoever spreads flows over paths: it is a keyed
 * hash of addresses, ports and protocol, so that nobody learns anything from it (RFC 6437 section 3).
 */
#include "internal.h"

static uint32_t flow_label(const struct net *n, const uint8_t saddr[16], const uint8_t daddr[16],
			   struct net_ip ip)
{
	uint8_t key[44] = "IPv6 fl";
	uint32_t label;

	key[7] = ip.proto;
	ip6_copy(key + 8, saddr);
	ip6_copy(key + 24, daddr);
	memcpy(key + 40, ip.ports, 2 * sizeof(*ip.ports));
	label = (uint32_t)siphash13(&n->conf.key, key, sizeof(key)) & IP6_FLOW_MASK;
	return label ? label : 1; /* 0 means that there is none */
}

uint64_t net_ip6_write(const struct net *n, uint8_t *p, const uint8_t saddr[16], const uint8_t daddr[16],
		       struct net_ip ip)
{
	struct ipv6_hdr h = {
		.ver_class_flow = ip6_first_word(ip.dscp_ecn, flow_label(n, saddr, daddr, ip)),
		.payload_len = be16(ip.l4_len),
		.next = ip.proto,
		.hop_limit = ip.ttl,
	};

	ip6_copy(h.saddr, saddr);
	ip6_copy(h.daddr, daddr);
	memcpy(p, &h, sizeof(h));
	return net_pseudo6(saddr, daddr);
}

struct net_written net_write6(const struct net *n, struct net_path *p, uint8_t *l4, uint32_t local,
			      const uint8_t remote[16], const struct net_ip *ip)
{
	const unsigned l2_len = p->l2_len;
	uint8_t *l3 = l4 - IP6_HDR_LEN;

	p->used = 1;
	memcpy(l3 - l2_len, p->l2, l2_len);
	return (struct net_written){net_ip6_write(n, l3, n->addrs[local].ip, remote, *ip), l2_len + IP6_HDR_LEN};
}

uint64_t net_answer_pseudo(const struct pkt_facts *f)
{
	if (f->flags & PKT_F_V6)
		return net_pseudo6(f->daddr, f->saddr);
	return (uint64_t)net_v4_of(f->daddr) + net_v4_of(f->saddr);
}

void net_push_answer(const struct net *n, struct rte_mbuf *m, const struct pkt_facts *f, const uint8_t peer[6],
		     struct net_ip ip)
{
	const bool v6 = f->flags & PKT_F_V6;
	const uint16_t head = ETH_HDR_LEN + (v6 ? IP6_HDR_LEN : IP4_HDR_LEN);
	uint8_t *l2, *l3;

	m->data_off -= head;
	m->data_len += head;
	m->pkt_len += head;
	l2 = rte_pktmbuf_mtod(m, uint8_t *);
	l3 = l2 + ETH_HDR_LEN;
	if (v6)
		net_ip6_write(n, l3, f->daddr, f->saddr, ip);
	else
		net_ip4_write(l3, net_v4_of(f->daddr), net_v4_of(f->saddr), IP4_HDR_LEN + ip.l4_len, ip.proto,
			      ip.dscp_ecn, ip.ttl);
	net_eth_write(l2, peer, net_port(n, f->port)->port->mac, v6 ? ETH_TYPE_IP6 : ETH_TYPE_IP4);
}
