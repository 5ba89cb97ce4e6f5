/*
 * What differs by family: a run has IPv4 or, with KIT_IP=6, IPv6. Written with wire/ only, as seg.c is.
 *
 * The link's MTU is 20 octets more with IPv6, so that TCP's segments are as long and a script has one
 * number for both; kit_mtu says the same of any other. Tests about the MTU itself set it.
 */
#include "kit.h"

#define L3 ETH_HDR_LEN

bool kit_v6(void)
{
	static int v6 = -1;

	if (v6 < 0) {
		const char *ip = getenv("KIT_IP");

		v6 = ip && strcmp(ip, "6") == 0;
	}
	return v6;
}

void kit_v4(uint8_t to[16], uint32_t addr)
{
	memset(to, 0, 10);
	memset(to + 10, 0xff, 2);
	memcpy(to + 12, &addr, 4);
}

void kit_host(uint8_t to[16], unsigned int n)
{
	static const uint8_t net[16] = {0xfd, 0, 0, 0x18};

	if (!kit_v6()) {
		kit_v4(to, be32((198u << 24 | 18 << 16) + n));
		return;
	}
	memcpy(to, net, 16);
	store_be32(to + 12, n);
}

void kit_far(uint8_t to[16], unsigned int n)
{
	static const uint8_t net[16] = {0x20, 0x01, 0x0d, 0xb8};

	if (!kit_v6()) {
		kit_v4(to, be32((203u << 24 | 113 << 8) + n));
		return;
	}
	memcpy(to, net, 16);
	store_be32(to + 12, n);
}

bool kit_is_far(const uint8_t addr[16])
{
	return kit_is_v4(addr) ? addr[12] != 198 : addr[0] == 0x20;
}

bool kit_same(const uint8_t a[16], const uint8_t b[16])
{
	return memcmp(a, b, 16) == 0;
}

static bool take_v4(const uint8_t *frame, struct kit_ip *to)
{
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(frame + L3);

	*to = (struct kit_ip){.hdr_len = IP4_HDR_LEN, .l4_len = be16(ip->total_len) - IP4_HDR_LEN,
			      .proto = ip->proto, .tos = ip->tos, .ttl = ip->ttl,
			      .id = be16(ip->id), .frag = be16(ip->frag)};
	kit_v4(to->saddr, ip->saddr);
	kit_v4(to->daddr, ip->daddr);
	return true;
}

static bool take_v6(const uint8_t *frame, struct kit_ip *to)
{
	const struct ipv6_hdr *ip = (const struct ipv6_hdr *)(frame + L3);

	*to = (struct kit_ip){.hdr_len = IP6_HDR_LEN, .l4_len = be16(ip->payload_len),
			      .proto = ip->next, .tos = ip6_class(ip), .ttl = ip->hop_limit,
			      .label = ip6_label(ip), .frag = IP4_DF};
	memcpy(to->saddr, ip->saddr, 16);
	memcpy(to->daddr, ip->daddr, 16);
	return true;
}

bool kit_take_ip(const uint8_t *frame, struct kit_ip *to)
{
	bool known = false;

	if (load_be16(frame + 12) == ETH_TYPE_IP4)
		known = take_v4(frame, to);
	else if (load_be16(frame + 12) == ETH_TYPE_IP6)
		known = take_v6(frame, to);
	if (known)
		to->l4 = frame + L3 + to->hdr_len;
	return known;
}

const struct tcp_hdr *kit_tcp(const uint8_t *frame)
{
	struct kit_ip ip;

	return kit_take_ip(frame, &ip) && ip.proto == IP_PROTO_TCP ? (const struct tcp_hdr *)ip.l4 : NULL;
}

uint32_t kit_payload(const uint8_t *frame)
{
	struct kit_ip ip;

	assert_true(kit_take_ip(frame, &ip));
	return ip.l4_len - tcp_hdr_len((const struct tcp_hdr *)ip.l4);
}

void kit_set_addrs(uint8_t *frame, const uint8_t saddr[16], const uint8_t daddr[16])
{
	const unsigned int len = kit_v6() ? 16 : 4;
	uint8_t *to = frame + L3 + (kit_v6() ? 8 : 12);

	if (saddr)
		memcpy(to, saddr + 16 - len, len);
	if (daddr)
		memcpy(to + len, daddr + 16 - len, len);
}

void kit_set_ttl(uint8_t *frame, uint8_t ttl)
{
	frame[L3 + (kit_v6() ? 7 : 8)] = ttl;
}

void kit_set_l4_len(uint8_t *frame, uint16_t len)
{
	if (kit_v6()) {
		store_be16(frame + L3 + 4, len);
		return;
	}
	store_be16(frame + L3 + 2, IP4_HDR_LEN + len);
	memset(frame + L3 + 10, 0, 2);
	store_be16(frame + L3 + 10, be16(sum_finish(sum_partial(frame + L3, IP4_HDR_LEN, 0))));
}

/* Sum of the pseudo-header, whose addresses are those of the header. */
static uint32_t pseudo(const uint8_t *frame, uint8_t proto, uint32_t len)
{
	if (load_be16(frame + 12) == ETH_TYPE_IP4)
		return sum_partial(frame + L3 + 12, 8, (uint32_t)be16(proto) + be16((uint16_t)len));
	return sum_partial(frame + L3 + 8, 32, (uint32_t)be16(proto) + be16((uint16_t)len));
}

bool kit_sum_ok(const uint8_t *frame)
{
	struct kit_ip ip;

	if (!kit_take_ip(frame, &ip))
		return false;
	if (load_be16(frame + 12) == ETH_TYPE_IP4 &&
	    sum_fold(sum_partial(frame + L3, IP4_HDR_LEN, 0)) != 0xffff)
		return false;
	return sum_fold(sum_partial(ip.l4, ip.l4_len, pseudo(frame, ip.proto, ip.l4_len))) == 0xffff;
}

/* Of IPv4, options included. */
static void sums_v4(uint8_t *frame)
{
	struct ip4_hdr *ip = (struct ip4_hdr *)(frame + L3);
	unsigned int ihl = ip4_hdr_len(ip), len = be16(ip->total_len) - ihl;
	uint8_t *th = frame + L3 + ihl;

	ip->cksum = 0;
	ip->cksum = sum_finish(sum_partial(ip, ihl, 0));
	memset(th + 16, 0, 2);
	store_be16(th + 16, be16(sum_finish(sum_partial(th, len, pseudo(frame, IP_PROTO_TCP, len)))));
}

void kit_sums(uint8_t *frame)
{
	struct ipv6_hdr *ip = (struct ipv6_hdr *)(frame + L3);
	uint8_t *th = frame + L3 + IP6_HDR_LEN;
	uint32_t len;

	if (load_be16(frame + 12) == ETH_TYPE_IP4) {
		sums_v4(frame);
		return;
	}
	len = be16(ip->payload_len);
	memset(th + 16, 0, 2);
	store_be16(th + 16, be16(sum_finish(sum_partial(th, len, pseudo(frame, IP_PROTO_TCP, len)))));
}

void kit_icmp6_sum(uint8_t *frame)
{
	struct ipv6_hdr *ip = (struct ipv6_hdr *)(frame + L3);
	struct icmp6_hdr *h = (struct icmp6_hdr *)(ip + 1);
	uint32_t len = be16(ip->payload_len);

	h->cksum = 0;
	h->cksum = sum_finish(sum_partial(h, len, pseudo(frame, IP_PROTO_ICMPV6, len)));
}

unsigned int kit_put_ip(uint8_t *l3, const struct kit_ip *ip)
{
	if (kit_is_v4(ip->daddr)) {
		struct ip4_hdr v4 = {.ver_ihl = IP4_VER_IHL, .tos = ip->tos, .frag = be16(ip->frag),
				     .total_len = be16((uint16_t)(IP4_HDR_LEN + ip->l4_len)),
				     .id = be16(ip->id), .ttl = ip->ttl, .proto = ip->proto};

		memcpy(&v4.saddr, ip->saddr + 12, 4);
		memcpy(&v4.daddr, ip->daddr + 12, 4);
		v4.cksum = sum_finish(sum_partial(&v4, IP4_HDR_LEN, 0));
		memcpy(l3, &v4, IP4_HDR_LEN);
		return IP4_HDR_LEN;
	}
	struct ipv6_hdr v6 = {.ver_class_flow = ip6_first_word(ip->tos, ip->label),
			     .payload_len = be16((uint16_t)ip->l4_len), .next = ip->proto,
			     .hop_limit = ip->ttl};

	memcpy(v6.saddr, ip->saddr, 16);
	memcpy(v6.daddr, ip->daddr, 16);
	memcpy(l3, &v6, IP6_HDR_LEN);
	return IP6_HDR_LEN;
}

/* ---- what was sent ---- */

/* RFC 6437 section 3: one label for each connection, and never none. */
static void check_label(struct kit_peer *p, const struct kit_ip *ip)
{
	struct kit_label now = {.label = ip->label, .ports = (uint32_t)p->port << 16 | p->dport};

	assert_true(ip->label != 0);
	memcpy(now.addrs, p->server, 16);
	memcpy(now.addrs + 16, p->addr, 16);
	if (p->label.ports == now.ports && memcmp(p->label.addrs, now.addrs, sizeof(now.addrs)) == 0)
		assert_int_equal(ip->label, p->label.label);
	p->label = now;
}

static void check_v4(const struct kit_peer *p, const uint8_t *frame, const struct kit_ip *ip)
{
	assert_int_equal(frame[L3], IP4_VER_IHL);
	if (!p->may_fragment || ip->frag)
		assert_int_equal(ip->frag, IP4_DF);
	assert_int_equal(sum_fold(sum_partial(frame + L3, IP4_HDR_LEN, 0)), 0xffff);
}

void kit_check_ip(struct kit_peer *p, const struct kit_frame *f, const struct kit_ip *ip)
{
	const struct eth_hdr *eth = (const struct eth_hdr *)f->bytes;
	uint32_t len = ip->hdr_len + ip->l4_len;

	assert_true(f->len >= ETH_MIN_FRAME);
	assert_memory_equal(eth->dst, kit_peer_mac, 6);
	assert_memory_equal(eth->src, p->k->cap[f->port].mac, 6);
	assert_int_equal(ip->proto, IP_PROTO_TCP); /* of IPv6: no other header stands before it */
	if (kit_is_v4(p->addr)) {
		assert_int_equal(eth->type, BE16(ETH_TYPE_IP4));
		check_v4(p, f->bytes, ip);
	} else {
		assert_int_equal(eth->type, BE16(ETH_TYPE_IP6));
		assert_int_equal(f->bytes[L3] >> 4, IP6_VERSION);
		check_label(p, ip);
	}
	assert_true(len <= p->k->cap[f->port].mtu);
	assert_true(L3 + len <= f->len);
	assert_true(L3 + len == f->len || f->len == ETH_MIN_FRAME);
	for (uint32_t i = L3 + len; i < f->len; i++)
		assert_int_equal(f->bytes[i], 0);
	assert_memory_equal(ip->saddr, p->server, 16);
	assert_memory_equal(ip->daddr, p->addr, 16);
	assert_true(kit_sum_ok(f->bytes));
}

/* What a port with checksum offload does: the field has the pseudo-header's sum. */
void kit_nic_finish(const struct rte_mbuf *m, uint8_t *frame, uint32_t len)
{
	uint8_t *l3 = frame + m->l2_len, *tcp = l3 + m->l3_len;
	const bool v6 = m->ol_flags & RTE_MBUF_F_TX_IPV6;

	if (m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) {
		assert_false(v6);
		assert_int_equal(load16(l3 + 10), 0);
		store_be16(l3 + 10, be16(sum_finish(sum_partial(l3, m->l3_len, 0))));
	}
	if ((m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM) {
		uint32_t l4 = v6 ? load_be16(l3 + 4) : load_be16(l3 + 2) - m->l3_len;

		assert_int_equal(m->l3_len, v6 ? IP6_HDR_LEN : IP4_HDR_LEN);
		assert_int_equal(!!(m->ol_flags & RTE_MBUF_F_TX_IPV4), !v6);
		assert_true(m->l2_len + m->l3_len + l4 <= len);
		store_be16(tcp + 16, be16(sum_finish(sum_partial(tcp, l4, 0))));
	}
}

/* ---- neighbours ---- */

bool kit_asks(const struct kit_frame *f)
{
	const uint8_t *b = f->bytes;

	if (load_be16(b + 12) == ETH_TYPE_ARP)
		return load_be16(b + L3 + 6) == ARP_OP_REQUEST;
	return load_be16(b + 12) == ETH_TYPE_IP6 && b[L3 + 6] == IP_PROTO_ICMPV6 &&
	       b[L3 + IP6_HDR_LEN] == ICMP6_NEIGHBOR_SOLICIT;
}

void kit_asked(const struct kit_frame *f, uint8_t addr[16])
{
	assert_true(kit_asks(f));
	if (load_be16(f->bytes + 12) == ETH_TYPE_ARP)
		kit_v4(addr, ((const struct arp_pkt *)(f->bytes + L3))->tpa);
	else
		memcpy(addr, ((const struct nd_msg *)(f->bytes + L3 + IP6_HDR_LEN))->target, 16);
}

static void arp(struct kit *k, uint16_t op, const uint8_t mac[6], uint32_t from, uint32_t to)
{
	uint8_t buf[ETH_MIN_FRAME] = {0};
	struct arp_pkt *a = (struct arp_pkt *)(buf + ETH_HDR_LEN);

	eth_copy(buf, kit_mac);
	eth_copy(buf + 6, mac);
	store_be16(buf + 12, ETH_TYPE_ARP);
	*a = (struct arp_pkt){.htype = BE16(ARP_HTYPE_ETHERNET), .ptype = BE16(ETH_TYPE_IP4),
			      .hlen = 6, .plen = 4, .op = be16(op), .spa = from, .tpa = to};
	eth_copy(a->sha, mac);
	if (op == ARP_OP_REPLY)
		eth_copy(a->tha, kit_mac);
	kit_inject(k, buf, sizeof(buf));
}

/* NS or NA, with the link-layer address of its sender. */
static void discovery(struct kit *k, uint8_t type, const uint8_t mac[6], const uint8_t from[16],
		      const uint8_t to[16])
{
	uint8_t buf[L3 + IP6_HDR_LEN + ND_MSG_LEN + 8] = {0};
	struct nd_msg *nd = (struct nd_msg *)(buf + L3 + IP6_HDR_LEN);
	struct nd_opt_mac *opt = (struct nd_opt_mac *)(nd + 1);
	const bool asks = type == ICMP6_NEIGHBOR_SOLICIT;
	struct kit_ip ip = {.l4_len = ND_MSG_LEN + 8, .proto = IP_PROTO_ICMPV6, .ttl = ND_HOP_LIMIT};

	memcpy(ip.saddr, from, 16);
	memcpy(ip.daddr, to, 16);
	eth_copy(buf, kit_mac);
	eth_copy(buf + 6, mac);
	store_be16(buf + 12, ETH_TYPE_IP6);
	kit_put_ip(buf + L3, &ip);
	nd->type = type;
	nd->flags = asks ? 0 : ND_SOLICITED | ND_OVERRIDE;
	memcpy(nd->target, asks ? to : from, 16);
	opt->type = asks ? ND_OPT_SOURCE_MAC : ND_OPT_TARGET_MAC;
	opt->len = 1;
	eth_copy(opt->mac, mac);
	kit_icmp6_sum(buf);
	kit_inject(k, buf, sizeof(buf));
}

static uint32_t v4_of(const uint8_t addr[16])
{
	uint32_t a;

	memcpy(&a, addr + 12, 4);
	return a;
}

void kit_ask(struct kit *k, const uint8_t mac[6], const uint8_t from[16], const uint8_t to[16])
{
	if (kit_is_v4(to))
		arp(k, ARP_OP_REQUEST, mac, v4_of(from), v4_of(to));
	else
		discovery(k, ICMP6_NEIGHBOR_SOLICIT, mac, from, to);
}

void kit_answer(struct kit *k, const uint8_t from[16], const uint8_t to[16])
{
	if (kit_is_v4(to))
		arp(k, ARP_OP_REPLY, kit_peer_mac, v4_of(from), v4_of(to));
	else
		discovery(k, ICMP6_NEIGHBOR_ADVERT, kit_peer_mac, from, to);
}

void kit_arp(struct kit *k)
{
	while (kit_has(k) && kit_asks(&k->queue[k->q_head])) {
		struct kit_frame *f = kit_frame_next(k);
		uint8_t who[16], from[16];

		kit_asked(f, who);
		if (load_be16(f->bytes + 12) == ETH_TYPE_ARP)
			kit_v4(from, ((const struct arp_pkt *)(f->bytes + L3))->spa);
		else
			memcpy(from, f->bytes + L3 + 8, 16);
		kit_answer(k, who, from);
	}
}
