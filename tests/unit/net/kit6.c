#include "kit6.h"

const struct a6 OUR6 = {{0xfd, 0, 0, 0x18, [15] = 2}}, OUR_LL6 = {{0xfe, 0x80, [15] = 1}};
const struct a6 PEER6 = {{0xfd, 0, 0, 0x18, [15] = 0x77}}, PEER_LL6 = {{0xfe, 0x80, [15] = 0x77}};
const struct a6 OTHER6 = {{0xfd, 0, 0, 0x18, [15] = 0x78}}, GATE6 = {{0xfe, 0x80, [15] = 0xfe}};
const struct a6 FAR6 = {{0x20, 1, 0xd, 0xb8, [15] = 9}}, NONE6;
const struct a6 ALL_NODES6 = {{0xff, 2, [15] = 1}}, ALL_ROUTERS6 = {{0xff, 2, [15] = 2}};

struct a6 a6_of(uint16_t n)
{
	struct a6 a = OUR6;

	store_be16(a.a + 14, n);
	return a;
}

bool a6_equal(struct a6 a, struct a6 b)
{
	return !memcmp(&a, &b, sizeof(a));
}

struct a6 group_of(struct a6 a)
{
	struct a6 g;

	ip6_solicited_node(g.a, a.a);
	return g;
}

void kit6_conf(struct kit *k)
{
	kit_conf(k);
	k->addrs[0] = (struct net_addr_conf){.port = 0, .prefix = 64};
	ip6_copy(k->addrs[0].addr, OUR6.a);
	k->addrs[1] = (struct net_addr_conf){.port = 0, .prefix = 64};
	ip6_copy(k->addrs[1].addr, OUR_LL6.a);
	k->conf.n_addrs = 2;
	k->ports[0].gateway = 0;
	ip6_copy(k->ports[0].gateway6, GATE6.a);
}

struct rte_mbuf *kit6_ip(struct a6 src, struct a6 dst, uint8_t next, uint8_t hops,
			 const void *payload, size_t len)
{
	uint8_t buf[IP6_HDR_LEN + 2000], group[6];
	struct ipv6_hdr ip = {.ver_class_flow = ip6_first_word(0, 0),
			      .payload_len = be16((uint16_t)len),
			      .next = next,
			      .hop_limit = hops};

	assert_true(len <= 2000);
	ip6_copy(ip.saddr, src.a);
	ip6_copy(ip.daddr, dst.a);
	memcpy(buf, &ip, sizeof(ip));
	memcpy(buf + sizeof(ip), payload, len);
	ip6_group_mac(group, dst.a);
	return kit_frame(buf, sizeof(ip) + len, ip6_is_multicast(dst.a) ? group : kit_mac, peer_mac,
			 ETH_TYPE_IP6);
}

struct rte_mbuf *kit6_icmp(struct a6 src, struct a6 dst, uint8_t hops, uint8_t type, uint8_t code,
			   const void *body, size_t len)
{
	uint8_t buf[2000] = {type, code};
	uint16_t sum;

	assert_true(len + 4 <= sizeof(buf));
	memcpy(buf + 4, body, len);
	sum = sum_finish(sum_partial(
		buf, len + 4, sum_pseudo6(src.a, dst.a, IP_PROTO_ICMPV6, (uint32_t)len + 4)));
	memcpy(buf + 2, &sum, sizeof(sum));
	return kit6_ip(src, dst, IP_PROTO_ICMPV6, hops, buf, len + 4);
}

static struct rte_mbuf *nd(struct a6 src, struct a6 dst, uint8_t type, uint8_t flags,
			   struct a6 target, uint8_t option, const uint8_t *mac)
{
	uint8_t body[28] = {flags};

	memcpy(body + 4, &target, 16);
	body[20] = option;
	body[21] = 1;
	if (mac)
		memcpy(body + 22, mac, 6);
	return kit6_icmp(src, dst, 255, type, 0, body, mac ? 28 : 20);
}

struct rte_mbuf *kit6_ns(struct a6 src, struct a6 dst, struct a6 target, const uint8_t *mac)
{
	return nd(src, dst, ICMP6_NEIGHBOR_SOLICIT, 0, target, ND_OPT_SOURCE_MAC, mac);
}

struct rte_mbuf *kit6_na(struct a6 src, struct a6 dst, struct a6 target, uint8_t flags,
			 const uint8_t *mac)
{
	return nd(src, dst, ICMP6_NEIGHBOR_ADVERT, flags, target, ND_OPT_TARGET_MAC, mac);
}

struct sent6 kit6_sent(const struct kit *k, uint32_t i)
{
	const uint8_t *p, *l4;
	const struct ipv6_hdr *ip;
	struct sent6 s;
	size_t len;
	uint8_t group[6];

	assert_true(i < k->n_out && i < OUT_MAX);
	p = rte_pktmbuf_mtod(k->out[i], const uint8_t *);
	ip = (const struct ipv6_hdr *)(p + ETH_HDR_LEN);
	assert_int_equal(load_be16(p + 12), ETH_TYPE_IP6);
	assert_memory_equal(p + 6, kit_mac, 6);
	assert_int_equal(ip6_version(ip), 6);
	assert_int_equal(k->out[i]->pkt_len, ETH_HDR_LEN + IP6_HDR_LEN + be16(ip->payload_len));
	s = (struct sent6){.eth_dst = p, .hops = ip->hop_limit};
	memcpy(&s.src, ip->saddr, 16);
	memcpy(&s.dst, ip->daddr, 16);
	l4 = (const uint8_t *)(ip + 1);
	len = be16(ip->payload_len);
	if (ip->next == IP6_NEXT_HOP_BY_HOP) { /* of MLD */
		static const uint8_t alert[8] = {IP_PROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0};

		assert_memory_equal(l4, alert, sizeof(alert));
		l4 += sizeof(alert);
		len -= sizeof(alert);
	} else {
		assert_int_equal(ip->next, IP_PROTO_ICMPV6);
	}
	assert_int_equal(sum_fold(sum_partial(l4, len,
					      sum_pseudo6(ip->saddr, ip->daddr, IP_PROTO_ICMPV6,
							  (uint32_t)len))),
			 0xffff);
	ip6_group_mac(group, ip->daddr);
	if (ip6_is_multicast(ip->daddr))
		assert_memory_equal(p, group, 6);
	s.type = l4[0];
	s.code = l4[1];
	s.msg = l4;
	s.len = len;
	return s;
}

static void expect_nd(struct sent6 s, uint8_t type, struct a6 src, struct a6 dst, struct a6 target,
		      uint8_t option)
{
	assert_int_equal(s.type, type);
	assert_int_equal(s.code, 0);
	assert_int_equal(s.hops, 255);
	assert_memory_equal(&s.src, &src, 16);
	assert_memory_equal(&s.dst, &dst, 16);
	assert_memory_equal(s.msg + 8, &target, 16);
	assert_int_equal(s.len, option ? 32 : 24);
	if (!option)
		return;
	assert_int_equal(s.msg[24], option);
	assert_int_equal(s.msg[25], 1);
	assert_memory_equal(s.msg + 26, kit_mac, 6);
}

void kit6_expect_ns(const struct kit *k, uint32_t i, struct a6 src, struct a6 dst, struct a6 target)
{
	expect_nd(kit6_sent(k, i), ICMP6_NEIGHBOR_SOLICIT, src, dst, target,
		  ip6_is_unspecified(src.a) ? 0 : ND_OPT_SOURCE_MAC);
}

void kit6_expect_na(const struct kit *k, uint32_t i, struct a6 src, struct a6 dst, uint8_t flags)
{
	struct sent6 s = kit6_sent(k, i);

	expect_nd(s, ICMP6_NEIGHBOR_ADVERT, src, dst, src, ND_OPT_TARGET_MAC);
	assert_int_equal(s.msg[4], flags);
}

int32_t kit6_path(struct kit *k, struct a6 remote)
{
	const uint32_t local = ip6_is_link_local(remote.a) ? OUR_LL6_LOCAL : OUR6_LOCAL;

	return net_path_for(&k->net, 0, local, remote.a, peer_mac, k->now);
}
