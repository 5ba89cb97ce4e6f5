/*
 * Parsing of IPv6 packets. See pkt/parse.h for what is checked and what is promised.
 */
#include "parse6.h"
#include "segment.h"
#include "wire/eth.h"
#include "wire/ip6.h"

/* CTR_MAX when the header may be used. frame: bytes from the header on. */
static enum counter check(const struct ipv6_hdr *ip, uint32_t frame)
{
	if (unlikely(ip6_version(ip) != IP6_VERSION))
		return CTR_RX_IP_BAD;
	if (unlikely(IP6_HDR_LEN + (uint32_t)be16(ip->payload_len) > frame))
		return CTR_RX_IP_CUT;
	/* They would be taken for IPv4 (RFC 4942 section 2.2). */
	if (unlikely(ip6_is_mapped(ip->saddr) || ip6_is_mapped(ip->daddr)))
		return CTR_RX_BAD_SRC;
	return CTR_MAX;
}

void pkt_parse6(const struct rte_mbuf *m, const uint8_t *h, struct pkt_facts *f)
{
	const struct ipv6_hdr *ip = (const struct ipv6_hdr *)(h + ETH_HDR_LEN);
	const unsigned l4_off = ETH_HDR_LEN + IP6_HDR_LEN;
	enum counter reason;
	uint8_t class;

	if (unlikely(m->pkt_len < ETH_HDR_LEN + IP6_HDR_LEN)) {
		drop(f, CTR_RX_RUNT);
		return;
	}
	reason = check(ip, m->pkt_len - ETH_HDR_LEN);
	if (unlikely(reason != CTR_MAX)) {
		drop(f, reason);
		return;
	}
	class = ip6_class(ip);
	f->flags |= PKT_F_V6;
	f->l3_off = ETH_HDR_LEN;
	f->l4_off = l4_off;
	f->l4_len = be16(ip->payload_len);
	f->proto = ip->next;
	f->dscp = class >> 2;
	if ((class & IP_ECN_MASK) == IP_ECN_CE)
		f->flags |= PKT_F_CE;
	ip6_copy(f->saddr, ip->saddr);
	ip6_copy(f->daddr, ip->daddr);
	if (likely(ip->next == IP_PROTO_TCP))
		parse_tcp(m, (const struct tcp_hdr *)(h + l4_off), sum_fold64(sum_addrs6(ip->saddr)), f, l4_off,
			  be16(ip->payload_len));
	else
		drop(f, CTR_RX_PROTO_UNKNOWN);
}
