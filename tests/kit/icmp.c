/*
 * A router on the way that has something to say about the engine's packets.
 */
#include "kit.h"

#define ROUTER_HOST 254

/* The IP header and the first 8 bytes of TCP, as a packet of len bytes to p at seq began; returns the length. */
static unsigned int quote(const struct kit_peer *p, uint8_t *to, uint32_t seq, uint16_t len)
{
	struct kit_ip ip = {.l4_len = len - kit_l3_len(), .frag = IP4_DF, .ttl = 63,
			    .label = p->label.label, .proto = IP_PROTO_TCP};
	unsigned int at;

	memcpy(ip.saddr, p->server, 16);
	memcpy(ip.daddr, p->addr, 16);
	at = kit_put_ip(to, &ip);
	store_be16(to + at, p->dport);
	store_be16(to + at + 2, p->port);
	store_be32(to + at + 4, p->iss + seq);
	return at + 8;
}

static void icmp6(struct kit_peer *p, uint8_t type, uint8_t code, uint32_t mtu, uint32_t seq, uint16_t len)
{
	uint8_t buf[ETH_HDR_LEN + 2 * IP6_HDR_LEN + ICMP6_HDR_LEN + 8] = {0};
	struct icmp6_hdr *h = (struct icmp6_hdr *)(buf + ETH_HDR_LEN + IP6_HDR_LEN);
	struct kit_ip ip = {.l4_len = sizeof(buf) - ETH_HDR_LEN - IP6_HDR_LEN, .ttl = 255,
			    .proto = IP_PROTO_ICMPV6};

	eth_copy(buf, kit_mac);
	eth_copy(buf + 6, kit_peer_mac);
	store_be16(buf + 12, ETH_TYPE_IP6);
	kit_host(ip.saddr, ROUTER_HOST);
	memcpy(ip.daddr, p->server, 16);
	kit_put_ip(buf + ETH_HDR_LEN, &ip);
	*h = (struct icmp6_hdr){.type = type, .code = code, .mtu = be32(mtu)};
	quote(p, (uint8_t *)(h + 1), seq, len);
	kit_icmp6_sum(buf);
	kit_inject(p->k, buf, sizeof(buf));
}

static void icmp4(struct kit_peer *p, uint8_t type, uint8_t code, uint16_t mtu, uint32_t seq, uint16_t len)
{
	uint8_t buf[ETH_HDR_LEN + 2 * IP4_HDR_LEN + ICMP_HDR_LEN + 8] = {0};
	struct icmp_hdr *h = (struct icmp_hdr *)(buf + ETH_HDR_LEN + IP4_HDR_LEN);
	struct kit_ip ip = {.l4_len = sizeof(buf) - ETH_HDR_LEN - IP4_HDR_LEN, .ttl = 255,
			    .proto = IP_PROTO_ICMP};

	eth_copy(buf, kit_mac);
	eth_copy(buf + 6, kit_peer_mac);
	store_be16(buf + 12, ETH_TYPE_IP4);
	kit_host(ip.saddr, ROUTER_HOST);
	memcpy(ip.daddr, p->server, 16);
	kit_put_ip(buf + ETH_HDR_LEN, &ip);
	*h = (struct icmp_hdr){.type = type, .code = code, .mtu = be16(mtu)};
	h->cksum = sum_finish(sum_partial(h, ICMP_HDR_LEN + quote(p, (uint8_t *)(h + 1), seq, len), 0));
	kit_inject(p->k, buf, sizeof(buf));
}

void kit_icmp(struct kit_peer *p, uint8_t type, uint8_t code, uint16_t mtu, uint32_t seq,
	      uint16_t len)
{
	if (kit_v6())
		icmp6(p, type, code, mtu, seq, len);
	else
		icmp4(p, type, code, mtu, seq, len);
}

void kit_too_big(struct kit_peer *p, uint16_t mtu, uint32_t seq, uint16_t len)
{
	if (kit_v6())
		icmp6(p, ICMP6_TOO_BIG, 0, mtu, seq, len);
	else
		icmp4(p, ICMP_UNREACHABLE, ICMP_UNREACH_FRAG_NEEDED, mtu, seq, len);
}
