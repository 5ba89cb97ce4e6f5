/*
 * Fragments of IPv4 (RFC 791, RFC 1122 section 3.3.2).
 */
#include "frag.h"

bool frag4_read(const struct rte_mbuf *m, const struct pkt_facts *f, struct frag_hdr *h)
{
	const struct ip4_hdr *ip = rte_pktmbuf_mtod_offset(m, const struct ip4_hdr *, f->l3_off);
	uint16_t frag;

	/* Headers split over segments: no port delivers that, and joining relies on it. */
	if (m->data_len < f->l4_off)
		return false;
	frag = be16(ip->frag);
	*h = (struct frag_hdr){
		.id = ip->id, .port = f->port, .off = (uint16_t)((frag & IP4_OFFSET_MASK) * 8),
		.len = f->l4_len, .hlen = (uint16_t)ip4_hdr_len(ip), .fixed = (uint16_t)ip4_hdr_len(ip),
		.proto = ip->proto, .ecn = ip->tos & IP_ECN_MASK, .more = frag & IP4_MF,
	};
	return true;
}

void frag4_finish(struct rte_mbuf *m, const struct frag_whole *w)
{
	struct ip4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct ip4_hdr *, ETH_HDR_LEN);

	ip->total_len = be16((uint16_t)(w->hlen + w->total));
	ip->frag = 0;
	if (w->ce)
		ip->tos |= IP_ECN_CE;
	pkt_ip_finish(m, ETH_HDR_LEN);
	m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD;
}

/* Whether m, a first fragment, which has 8 octets at least, is of an ICMP message that is no query. */
static bool is_error(const struct rte_mbuf *m)
{
	const struct ip4_hdr *ip = rte_pktmbuf_mtod_offset(m, const struct ip4_hdr *, ETH_HDR_LEN);
	uint8_t copy;
	const uint8_t *type = rte_pktmbuf_read(m, ETH_HDR_LEN + ip4_hdr_len(ip), 1, &copy);

	return ip->proto == IP_PROTO_ICMP && *type != ICMP_ECHO_REQUEST && *type != ICMP_ECHO_REPLY;
}

/* RFC 792 type 11 code 1; nothing about an error (RFC 1122 section 3.2.2). */
void frag4_tell(struct net *n, struct rte_mbuf *m, uint16_t port, uint64_t now)
{
	if (is_error(m)) {
		net_drop(n, m, CTR_RX_FRAG_TIMEOUT);
		return;
	}
	icmp_refuse(n, m, ETH_HDR_LEN, port, ICMP_TIME_EXCEEDED, ICMP_EXCEEDED_REASSEMBLY, CTR_RX_FRAG_TIMEOUT,
		    now);
}
