/*
 * Fragments of IPv6 (RFC 8200 section 4.5). What a fragment by itself may not be, the parser has seen to.
 *
 * The headers before the Fragment header of the first fragment become those of the datagram: the Fragment
 * header is taken out, the header before it names what followed, and the payload length is another.
 */
#include "frag.h"

bool frag6_read(const struct rte_mbuf *m, const struct pkt_facts *f, struct frag_hdr *h)
{
	const struct ipv6_fragment *fh;
	uint16_t frag;

	if (m->data_len < f->l4_off + IP6_FRAGMENT_LEN)
		return false; /* as for IPv4 */
	fh = rte_pktmbuf_mtod_offset(m, const struct ipv6_fragment *, f->l4_off);
	frag = be16(fh->frag);
	*h = (struct frag_hdr){
		.id = fh->id, .port = f->port, .off = frag & IP6_OFFSET_MASK,
		.len = f->l4_len - IP6_FRAGMENT_LEN, .more = frag & IP6_MF,
		.hlen = f->l4_off + IP6_FRAGMENT_LEN - ETH_HDR_LEN,
		.fixed = f->l4_off - ETH_HDR_LEN - IP6_HDR_LEN,
		.ecn = ip6_class(rte_pktmbuf_mtod_offset(m, const struct ipv6_hdr *, f->l3_off)) & IP_ECN_MASK,
	};
	return true;
}

/* Where the octet is that names the header at `at`, one of the chain that begins behind the header at p. */
static uint8_t *next_at(uint8_t *p, unsigned at)
{
	uint8_t *next = p + offsetof(struct ipv6_hdr, next);
	unsigned off = IP6_HDR_LEN;

	while (off < at) {
		const unsigned len =
			*next == IP6_NEXT_FRAGMENT ? IP6_FRAGMENT_LEN : ip6_ext_len((const struct ipv6_ext *)(p + off));

		next = p + off;
		off += len;
	}
	return next;
}

void frag6_finish(struct rte_mbuf *m, const struct frag_whole *w)
{
	const unsigned at = w->hlen - IP6_FRAGMENT_LEN;
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *), *p = frame + ETH_HDR_LEN;
	struct ipv6_hdr *ip = (struct ipv6_hdr *)p;

	*next_at(p, at) = ((const struct ipv6_fragment *)(p + at))->next;
	ip->payload_len = be16((uint16_t)(at - IP6_HDR_LEN + w->total));
	if (w->ce)
		ip->ver_class_flow |= be32((uint32_t)IP_ECN_CE << IP6_CLASS_SHIFT);
	memmove(frame + IP6_FRAGMENT_LEN, frame, ETH_HDR_LEN + at);
	rte_pktmbuf_adj(m, IP6_FRAGMENT_LEN);
}

/* RFC 4443 section 3.3 code 1; nothing about an error (section 2.4 (e.1)). */
void frag6_tell(struct net *n, struct rte_mbuf *m, uint16_t port, uint64_t now)
{
	const struct ipv6_hdr *ip = rte_pktmbuf_mtod_offset(m, const struct ipv6_hdr *, ETH_HDR_LEN);
	struct pkt_facts f = {.flags = PKT_F_V6 | PKT_F_FRAGMENTED, .l3_off = ETH_HDR_LEN, .port = port};

	ip6_copy(f.saddr, ip->saddr);
	ip6_copy(f.daddr, ip->daddr);
	if (pkt_is_icmp6_error(m))
		net_drop(n, m, CTR_RX_FRAG_TIMEOUT);
	else
		icmp6_refuse(n, m, &f, ICMP6_TIME_EXCEEDED, ICMP6_EXCEEDED_REASSEMBLY, 0, CTR_RX_FRAG_TIMEOUT, now);
}
