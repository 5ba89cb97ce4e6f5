/*
 * The headers of ICMP answers. They go back to the MAC address they were asked from, and from the
 * address that was asked.
 */
#include "answer.h"

#define TTL 64

static void read4(const struct ip4_hdr *ip, struct answer *a)
{
	a->v6 = false;
	a->class = ip->tos;
	a->id = ip->id;
	address_from_v4(a->saddr, ip->daddr);
	address_from_v4(a->daddr, ip->saddr);
}

/*
 * A request that was put together has lost its ID: the answer's fragments get one that nobody can
 * guess.
 */
static void read6(struct net *n, const struct ipv6_hdr *ip, struct answer *a)
{
	const uint64_t nth = n->answers6++;

	a->v6 = true;
	a->class = ip6_class(ip);
	a->id = (uint32_t)siphash13(&n->conf.key, &nth, sizeof(nth));
	ip6_copy(a->saddr, ip->daddr);
	ip6_copy(a->daddr, ip->saddr);
}

bool answer_read(struct net *n, const struct rte_mbuf *m, uint16_t l3_off, uint16_t port,
		 struct answer *a)
{
	uint8_t buf[ETH_HDR_LEN + IP6_HDR_LEN];
	const uint32_t len = min_of(m->pkt_len, (uint32_t)sizeof(buf));
	const uint8_t *p = rte_pktmbuf_read(m, 0, len, buf);
	const struct net_port_conf *pc = net_port(n, port);

	if (!pc || !p || l3_off != ETH_HDR_LEN || len < ETH_HDR_LEN + IP4_HDR_LEN ||
	    eth_is_group(p + ETH_ADDR_LEN))
		return false;
	if (load_be16(p + 2 * ETH_ADDR_LEN) == ETH_TYPE_IP4)
		read4((const struct ip4_hdr *)(p + l3_off), a);
	else if (len == sizeof(buf))
		read6(n, (const struct ipv6_hdr *)(p + l3_off), a);
	else
		return false;
	a->pp = pc->port;
	eth_copy(a->mac, p + ETH_ADDR_LEN);
	return true;
}

static uint8_t *push(const struct answer *a, struct rte_mbuf *m, bool fragment)
{
	const uint16_t head = answer_head(a, fragment);
	uint8_t *p;

	m->data_off -= head;
	m->data_len += head;
	m->pkt_len += head;
	m->ol_flags &= RTE_MBUF_F_EXTERNAL;
	m->tx_offload = 0;
	p = rte_pktmbuf_mtod(m, uint8_t *);
	net_eth_write(p, a->mac, a->pp->mac, a->v6 ? ETH_TYPE_IP6 : ETH_TYPE_IP4);
	return p + ETH_HDR_LEN;
}

static void push4(const struct answer *a, struct rte_mbuf *m, uint8_t class, bool fragment,
		  uint16_t frag)
{
	uint8_t *p = push(a, m, fragment);
	struct ip4_hdr *ip = (struct ip4_hdr *)p;

	net_ip4_write(p, net_v4_of(a->saddr), net_v4_of(a->daddr),
		      (uint16_t)(m->pkt_len - ETH_HDR_LEN), IP_PROTO_ICMP, class, TTL);
	if (fragment) {
		ip->frag = be16(frag);
		ip->id = (uint16_t)a->id;
	}
	pkt_ip_finish(m, ETH_HDR_LEN);
}

static void push6(const struct answer *a, struct rte_mbuf *m, uint8_t class, bool fragment,
		  uint16_t frag)
{
	const struct ipv6_fragment h = {.next = IP_PROTO_ICMPV6, .frag = be16(frag), .id = a->id};
	uint8_t *p = push(a, m, fragment);

	net_ip6_plain(p, a->saddr, a->daddr, fragment ? IP6_NEXT_FRAGMENT : IP_PROTO_ICMPV6, TTL,
		      class, (uint16_t)(m->pkt_len - ETH_HDR_LEN - IP6_HDR_LEN));
	if (fragment)
		memcpy(p + IP6_HDR_LEN, &h, sizeof(h));
}

void answer_push(const struct answer *a, struct rte_mbuf *m, uint8_t class)
{
	if (a->v6)
		push6(a, m, class, false, 0);
	else
		push4(a, m, class, false, 0);
}

void answer_push_fragment(const struct answer *a, struct rte_mbuf *m, uint32_t off, bool more)
{
	if (a->v6)
		push6(a, m, a->class, true, (uint16_t)off | (more ? IP6_MF : 0));
	else
		push4(a, m, a->class, true, (uint16_t)(off / 8) | (more ? IP4_MF : 0));
}
