/*
 * See frames.h.
 */
#include "frames.h"

#include <string.h>

#include "base/compiler.h"
#include "wire/arp.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/icmp6.h"
#include "wire/ip4.h"
#include "wire/sum.h"

#define L4 (ETH_HDR_LEN + IP4_HDR_LEN)

static struct rte_mbuf *frame(struct rte_mempool *mp, const struct frames_flow *f, uint16_t type,
			      uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(mp);
	struct eth_hdr *eth;

	assert(m);
	m->data_len = len;
	m->pkt_len = len;
	eth = rte_pktmbuf_mtod(m, struct eth_hdr *);
	memset(eth, 0, len);
	eth_copy(eth->dst, f->to_mac);
	eth_copy(eth->src, f->mac);
	eth->type = be16(type);
	return m;
}

static uint8_t *ip_frame(struct rte_mempool *mp, const struct frames_flow *f, uint8_t proto,
			 uint16_t l4_len, struct rte_mbuf **m)
{
	struct ip4_hdr *ip;

	*m = frame(mp, f, ETH_TYPE_IP4, L4 + l4_len);
	ip = rte_pktmbuf_mtod_offset(*m, struct ip4_hdr *, ETH_HDR_LEN);
	*ip = (struct ip4_hdr){.ver_ihl = IP4_VER_IHL, .total_len = be16(IP4_HDR_LEN + l4_len),
			       .ttl = 64, .proto = proto, .saddr = f->addr, .daddr = SERVER_ADDR};
	ip->cksum = sum_finish(sum_header(ip, IP4_HDR_LEN));
	return (uint8_t *)(ip + 1);
}

struct rte_mbuf *frames_tcp(struct rte_mempool *mp, const struct frames_flow *f, uint8_t flags,
			    const void *payload, uint16_t len)
{
	const uint16_t l4 = TCP_HDR_LEN + len;
	struct rte_mbuf *m;
	struct tcp_hdr *th = (struct tcp_hdr *)ip_frame(mp, f, IP_PROTO_TCP, l4, &m);

	*th = (struct tcp_hdr){.sport = be16(f->port), .dport = be16(f->to_port),
			       .seq = be32(f->seq), .ack = flags & TCP_ACK ? be32(f->ack) : 0,
			       .doff = tcp_doff(TCP_HDR_LEN), .flags = flags, .window = 0xffff};
	if (len)
		memcpy(th + 1, payload, len);
	th->cksum = sum_finish(
		sum_partial(th, l4, sum_pseudo4(f->addr, SERVER_ADDR, IP_PROTO_TCP, l4)));
	return m;
}

void frames_addr6(uint8_t to[16], const struct frames_flow *f)
{
	memcpy(to, SERVER_ADDR6, 12);
	memcpy(to + 12, &f->addr, sizeof(f->addr));
}

/* An IPv6 packet of len octets, and where they begin. */
static uint8_t *ip6_frame(struct rte_mempool *mp, const struct frames_flow *f, uint8_t next, uint16_t len,
			  struct rte_mbuf **m)
{
	struct ipv6_hdr *ip;

	*m = frame(mp, f, ETH_TYPE_IP6, ETH_HDR_LEN + IP6_HDR_LEN + len);
	ip = rte_pktmbuf_mtod_offset(*m, struct ipv6_hdr *, ETH_HDR_LEN);
	ip->ver_class_flow = ip6_first_word(0, 0);
	ip->payload_len = be16(len);
	ip->next = next;
	ip->hop_limit = ND_HOP_LIMIT;
	frames_addr6(ip->saddr, f);
	ip6_copy(ip->daddr, SERVER_ADDR6);
	return (uint8_t *)(ip + 1);
}

static uint16_t sum6(const struct frames_flow *f, const void *p, uint16_t len, uint8_t proto)
{
	uint8_t from[16];

	frames_addr6(from, f);
	return sum_finish(sum_partial(p, len, sum_pseudo6(from, SERVER_ADDR6, proto, len)));
}

struct rte_mbuf *frames_tcp6(struct rte_mempool *mp, const struct frames_flow *f, uint8_t flags, bool ext)
{
	const uint8_t options[8] = {IP_PROTO_TCP, 0, IP6_OPT_PADN, 4};
	struct rte_mbuf *m;
	struct tcp_hdr *th;
	uint8_t *p = ip6_frame(mp, f, ext ? IP6_NEXT_DEST_OPTS : IP_PROTO_TCP, TCP_HDR_LEN + (ext ? 8 : 0), &m);

	if (ext)
		memcpy(p, options, sizeof(options));
	th = (struct tcp_hdr *)(p + (ext ? sizeof(options) : 0));
	*th = (struct tcp_hdr){.sport = be16(f->port), .dport = be16(f->to_port), .seq = be32(f->seq),
			       .ack = flags & TCP_ACK ? be32(f->ack) : 0, .doff = tcp_doff(TCP_HDR_LEN),
			       .flags = flags, .window = 0xffff};
	th->cksum = sum6(f, th, TCP_HDR_LEN, IP_PROTO_TCP);
	return m;
}

struct rte_mbuf *frames_solicit(struct rte_mempool *mp, const struct frames_flow *f)
{
	struct rte_mbuf *m;
	struct nd_msg *nd = (struct nd_msg *)ip6_frame(mp, f, IP_PROTO_ICMPV6, ND_MSG_LEN + 8, &m);
	struct nd_opt_mac *opt = (struct nd_opt_mac *)(nd + 1);

	nd->type = ICMP6_NEIGHBOR_SOLICIT;
	ip6_copy(nd->target, SERVER_ADDR6);
	*opt = (struct nd_opt_mac){.type = ND_OPT_SOURCE_MAC, .len = 1};
	eth_copy(opt->mac, f->mac);
	nd->cksum = sum6(f, nd, ND_MSG_LEN + 8, IP_PROTO_ICMPV6);
	return m;
}

struct rte_mbuf *frames_too_big6(struct rte_mempool *mp, const struct frames_flow *f, uint32_t seq, uint16_t len,
				 uint16_t mtu)
{
	const uint16_t size = ICMP6_HDR_LEN + IP6_HDR_LEN + 8;
	struct rte_mbuf *m;
	struct icmp6_hdr *h = (struct icmp6_hdr *)ip6_frame(mp, f, IP_PROTO_ICMPV6, size, &m);
	struct ipv6_hdr *ip = (struct ipv6_hdr *)(h + 1);
	uint8_t *tcp = (uint8_t *)(ip + 1);

	h->type = ICMP6_TOO_BIG;
	h->mtu = be32(mtu);
	ip->ver_class_flow = ip6_first_word(0, 0);
	ip->payload_len = be16(len - IP6_HDR_LEN);
	ip->next = IP_PROTO_TCP;
	ip6_copy(ip->saddr, SERVER_ADDR6);
	frames_addr6(ip->daddr, f);
	store_be16(tcp, f->to_port);
	store_be16(tcp + 2, f->port);
	store_be32(tcp + 4, seq);
	h->cksum = sum6(f, h, size, IP_PROTO_ICMPV6);
	return m;
}

struct rte_mbuf *frames_fragment(struct rte_mempool *mp, const struct rte_mbuf *m, uint16_t id,
				 uint16_t from, uint16_t to)
{
	const bool last = m->pkt_len == (uint32_t)L4 + to;
	struct rte_mbuf *part = rte_pktmbuf_alloc(mp);
	uint8_t *p;
	struct ip4_hdr *ip;

	assert(part);
	part->data_len = (uint16_t)(L4 + to - from);
	part->pkt_len = part->data_len;
	p = rte_pktmbuf_mtod(part, uint8_t *);
	memcpy(p, rte_pktmbuf_mtod(m, void *), L4);
	memcpy(p + L4, rte_pktmbuf_mtod_offset(m, void *, L4 + from), to - from);
	ip = (struct ip4_hdr *)(p + ETH_HDR_LEN);
	ip->id = be16(id);
	ip->total_len = be16(IP4_HDR_LEN + to - from);
	ip->frag = be16((uint16_t)(from / 8 | (last ? 0 : IP4_MF)));
	ip->cksum = 0;
	ip->cksum = sum_finish(sum_header(ip, IP4_HDR_LEN));
	return part;
}

struct rte_mbuf *frames_too_big(struct rte_mempool *mp, const struct frames_flow *f, uint32_t seq,
				uint16_t len, uint16_t mtu)
{
	const uint16_t l4 = ICMP_HDR_LEN + IP4_HDR_LEN + 8;
	struct rte_mbuf *m;
	uint8_t *p = ip_frame(mp, f, IP_PROTO_ICMP, l4, &m);
	struct icmp_hdr *h = (struct icmp_hdr *)p;
	struct ip4_hdr *ip = (struct ip4_hdr *)(p + ICMP_HDR_LEN);
	const uint16_t ports[2] = {be16(f->to_port), be16(f->port)};

	h->type = ICMP_UNREACHABLE;
	h->code = ICMP_UNREACH_FRAG_NEEDED;
	h->mtu = be16(mtu);
	*ip = (struct ip4_hdr){.ver_ihl = IP4_VER_IHL, .total_len = be16(len),
			       .frag = be16(IP4_DF), .ttl = 60, .proto = IP_PROTO_TCP,
			       .saddr = SERVER_ADDR, .daddr = f->addr};
	ip->cksum = sum_finish(sum_header(ip, IP4_HDR_LEN));
	memcpy(ip + 1, ports, sizeof(ports));
	seq = be32(seq);
	memcpy((uint8_t *)(ip + 1) + 4, &seq, sizeof(seq));
	h->cksum = sum_finish(sum_partial(h, l4, 0));
	return m;
}

struct rte_mbuf *frames_arp(struct rte_mempool *mp, const struct frames_flow *f, uint16_t op)
{
	struct rte_mbuf *m = frame(mp, f, ETH_TYPE_ARP, ETH_HDR_LEN + sizeof(struct arp_pkt));
	struct arp_pkt *a = rte_pktmbuf_mtod_offset(m, struct arp_pkt *, ETH_HDR_LEN);

	*a = (struct arp_pkt){.htype = BE16(ARP_HTYPE_ETHERNET), .ptype = BE16(ETH_TYPE_IP4),
			      .hlen = 6, .plen = 4, .op = be16(op), .spa = f->addr,
			      .tpa = SERVER_ADDR};
	eth_copy(a->sha, f->mac);
	return m;
}

const struct tcp_hdr *frames_tcp_of(const struct rte_mbuf *m, uint16_t *payload)
{
	const struct ip4_hdr *ip = rte_pktmbuf_mtod_offset(m, const struct ip4_hdr *, ETH_HDR_LEN);
	const struct tcp_hdr *th = (const struct tcp_hdr *)(ip + 1);
	const uint16_t l4 = be16(ip->total_len) - IP4_HDR_LEN;

	if (ip->ver_ihl != IP4_VER_IHL || ip->proto != IP_PROTO_TCP ||
	    rte_pktmbuf_mtod(m, const struct eth_hdr *)->type != BE16(ETH_TYPE_IP4))
		return NULL;
	if (sum_fold(sum_partial(th, l4, sum_pseudo4(ip->saddr, ip->daddr, IP_PROTO_TCP, l4))) !=
	    0xffff)
		return NULL;
	*payload = l4 - tcp_hdr_len(th);
	return th;
}
