/*
 * IPv6 headers as they are sent, and those of answers that have no path, of either family.
 *
 * A flow label names a connection and direction for as long as it lasts, to whoever spreads flows over paths: it is a hash
 * of the tuple by a key of its own, so that nobody can say whose it is (RFC 6437 section 3). With the key of labels known,
 * by what 20 bits of a few AES rounds tell, labels could be said beforehand, and nothing else: it comes out of net's by
 * SipHash-2-4, and the table has another.
 */
#include "internal.h"

void ip6_init(struct net *n)
{
	uint8_t text[] = "IPv6 flow label 0";

	for (unsigned int i = 0; i < ARRAY_SIZE(n->label_key.k); i++, text[sizeof(text) - 2]++)
		n->label_key.k[i] = siphash24(&n->conf.key, text, sizeof(text));
}

/* Network order. */
static inline uint32_t flow_label(const struct net *n, const struct flow_tuple *flow)
{
	const uint32_t label = (uint32_t)flow_hash(&n->label_key, flow) & BE32(IP6_FLOW_MASK);

	return label ? label : BE32(1); /* 0 means that there is none */
}

/* The header, of which the first word is without its label. Returns the sum of the addresses. */
static inline uint64_t write_header(const struct net *n, uint8_t *p, const struct flow_tuple *flow, uint32_t first,
				    uint32_t second)
{
	const uint8_t *own = n->addrs[flow->local].ip;

	store32(p, first | flow_label(n, flow));
	store32(p + 4, second);
	ip6_copy(p + offsetof(struct ipv6_hdr, saddr), own);
	ip6_copy(p + offsetof(struct ipv6_hdr, daddr), flow->remote);
	return net_pseudo6(own, flow->remote);
}

struct net_written net_write6(const struct net *n, struct net_path *p, uint8_t *l4, const struct flow_tuple *flow,
			      uint32_t first, uint32_t second)
{
	const uint8_t l2_len = p->l2_len;
	uint8_t *l3 = l4 - IP6_HDR_LEN;

	p->used = 1;
	memcpy(l3 - l2_len, p->l2, NET_L2_MAX); /* constant length: what is beyond l2_len is overwritten */
	return (struct net_written){write_header(n, l3, flow, first, second), l2_len + IP6_HDR_LEN};
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
	struct flow_tuple flow = {.remote_port = f->sport, .local_port = f->dport, .local = f->local};
	const bool v6 = f->flags & PKT_F_V6;
	const uint16_t head = ETH_HDR_LEN + (v6 ? IP6_HDR_LEN : IP4_HDR_LEN);
	uint8_t *l2, *l3;

	m->data_off -= head;
	m->data_len += head;
	m->pkt_len += head;
	l2 = rte_pktmbuf_mtod(m, uint8_t *);
	l3 = l2 + ETH_HDR_LEN;
	memcpy(flow.remote, f->saddr, sizeof(flow.remote));
	if (v6)
		write_header(n, l3, &flow, ip6_first_word(ip.dscp_ecn, 0), net_ip6_second(ip));
	else
		net_ip4_write(l3, net_v4_of(f->daddr), net_v4_of(f->saddr), IP4_HDR_LEN + ip.l4_len, ip.proto,
			      ip.dscp_ecn, ip.ttl);
	net_eth_write(l2, peer, net_port(n, f->port)->port->mac, v6 ? ETH_TYPE_IP6 : ETH_TYPE_IP4);
}
