/*
 * A glance at a frame as it was received, before any of it is checked: what may be refused without being parsed.
 * Of an IP header what lies behind it depends on is looked at, of a TCP header the flags; no checksum is verified,
 * and what the device found wrong is left to pkt_parse_burst, as is whatever the glance does not understand.
 *
 * Worker thread; O(1), the frame is not changed.
 */
#ifndef PIER_PKT_GLANCE_H
#define PIER_PKT_GLANCE_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "base/address.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/tcp.h"

/* Where a SYN goes to: the address, IPv4 as ::ffff:a.b.c.d, and the port in host order. */
struct pkt_syn {
	uint8_t daddr[16];
	uint16_t dport;
};

/* The device found a sum wrong, or took something away. Of a sum that is not there yet it says neither good nor bad: NONE. */
static inline bool pkt_is_odd(const struct rte_mbuf *m)
{
	return m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED ||
	       (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_BAD ||
	       (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_BAD;
}

static inline bool pkt_opens(const struct tcp_hdr *th)
{
	return (th->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
}

/* The same of IPv6, directly behind its header: what is behind others is the parser's. */
static inline bool pkt_is_syn6(const struct rte_mbuf *m, struct pkt_syn *s)
{
	const struct eth_hdr *eth = rte_pktmbuf_mtod(m, const struct eth_hdr *);
	const struct ipv6_hdr *ip = (const struct ipv6_hdr *)(eth + 1);
	const struct tcp_hdr *th = (const struct tcp_hdr *)(ip + 1);

	if (unlikely(m->data_len < ETH_HDR_LEN + IP6_HDR_LEN + TCP_HDR_LEN || eth->type != BE16(ETH_TYPE_IP6) ||
		     eth_is_group(eth->dst) || pkt_is_odd(m) || ip6_version(ip) != IP6_VERSION ||
		     ip->next != IP_PROTO_TCP || ip6_is_mapped(ip->saddr) || ip6_is_mapped(ip->daddr)))
		return false;
	ip6_copy(s->daddr, ip->daddr);
	s->dport = be16(th->dport);
	return pkt_opens(th);
}

/* Whether m is a SYN without ACK, RST and FIN to one station, in one datagram. RFC 9293 section 3.1. */
static inline bool pkt_is_syn(const struct rte_mbuf *m, struct pkt_syn *s)
{
	const struct eth_hdr *eth = rte_pktmbuf_mtod(m, const struct eth_hdr *);
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(eth + 1);
	const struct tcp_hdr *th;
	unsigned int hlen;

	if (unlikely(m->data_len < ETH_HDR_LEN + IP4_HDR_LEN + TCP_HDR_LEN))
		return false;
	if (unlikely(eth->type != BE16(ETH_TYPE_IP4)))
		return pkt_is_syn6(m, s);
	hlen = ip4_hdr_len(ip);
	th = (const struct tcp_hdr *)((const uint8_t *)ip + hlen);
	if (unlikely(eth_is_group(eth->dst) || pkt_is_odd(m) || ip->ver_ihl >> 4 != 4 || hlen < IP4_HDR_LEN ||
		     ip->proto != IP_PROTO_TCP || ip->frag & BE16(IP4_MF | IP4_OFFSET_MASK) ||
		     m->data_len < ETH_HDR_LEN + hlen + TCP_HDR_LEN))
		return false;
	address_from_v4(s->daddr, ip->daddr);
	s->dport = be16(th->dport);
	return pkt_opens(th);
}

#endif
