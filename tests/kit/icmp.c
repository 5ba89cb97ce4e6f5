/*
 * A router on the way that has something to say about the engine's packets.
 */
#include "kit.h"

#define ROUTER V4(198, 18, 0, 254)
#define QUOTED (IP4_HDR_LEN + 8)

/* IPv4 and the first 8 bytes of TCP, as a packet of len bytes to p at seq began. */
static void quote(const struct kit_peer *p, uint8_t *to, uint32_t seq, uint16_t len)
{
	struct ip4_hdr ip = {.ver_ihl = IP4_VER_IHL, .total_len = be16(len), .frag = BE16(IP4_DF),
			     .ttl = 63, .proto = IP_PROTO_TCP, .saddr = p->server,
			     .daddr = p->addr};

	memcpy(to, &ip, sizeof(ip));
	store_be16(to + 20, p->dport);
	store_be16(to + 22, p->port);
	store_be32(to + 24, p->iss + seq);
}

void kit_icmp(struct kit_peer *p, uint8_t type, uint8_t code, uint16_t mtu, uint32_t seq,
	      uint16_t len)
{
	uint8_t buf[ETH_HDR_LEN + IP4_HDR_LEN + ICMP_HDR_LEN + QUOTED] = {0};
	struct ip4_hdr *ip = (struct ip4_hdr *)(buf + ETH_HDR_LEN);
	struct icmp_hdr *h = (struct icmp_hdr *)(ip + 1);

	eth_copy(buf, kit_mac);
	eth_copy(buf + 6, kit_peer_mac);
	store_be16(buf + 12, ETH_TYPE_IP4);
	*ip = (struct ip4_hdr){.ver_ihl = IP4_VER_IHL,
			       .total_len = be16(sizeof(buf) - ETH_HDR_LEN), .ttl = 255,
			       .proto = IP_PROTO_ICMP, .saddr = ROUTER, .daddr = p->server};
	ip->cksum = sum_finish(sum_partial(ip, IP4_HDR_LEN, 0));
	h->type = type;
	h->code = code;
	h->mtu = be16(mtu);
	quote(p, (uint8_t *)(h + 1), seq, len);
	h->cksum = sum_finish(sum_partial(h, ICMP_HDR_LEN + QUOTED, 0));
	kit_inject(p->k, buf, sizeof(buf));
}

void kit_too_big(struct kit_peer *p, uint16_t mtu, uint32_t seq, uint16_t len)
{
	kit_icmp(p, ICMP_UNREACHABLE, ICMP_UNREACH_FRAG_NEEDED, mtu, seq, len);
}
