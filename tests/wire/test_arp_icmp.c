/*
 * The engine as a neighbour: ARP, ICMP, and TCP to a next hop that must be asked for first.
 * Rows: L2-01 L2-06 L2-13 L2-14.
 */
#include "kit.h"

static void send_arp(struct kit *k, uint16_t op, uint32_t spa, uint32_t tpa)
{
	uint8_t buf[60] = {0};
	struct arp_pkt *a = (struct arp_pkt *)(buf + ETH_HDR_LEN);

	memset(buf, 0xff, 6);
	eth_copy(buf + 6, kit_peer_mac);
	store_be16(buf + 12, ETH_TYPE_ARP);
	*a = (struct arp_pkt){.htype = BE16(ARP_HTYPE_ETHERNET), .ptype = BE16(ETH_TYPE_IP4),
			      .hlen = 6, .plen = 4, .op = be16(op), .spa = spa, .tpa = tpa};
	eth_copy(a->sha, kit_peer_mac);
	kit_inject(k, buf, sizeof(buf));
}

static const struct arp_pkt *take_arp(struct kit *k)
{
	struct kit_frame *f = kit_frame_next(k);

	assert_non_null(f);
	assert_int_equal(load_be16(f->bytes + 12), ETH_TYPE_ARP);
	return (const struct arp_pkt *)(f->bytes + ETH_HDR_LEN);
}

static void L2_01_requests_for_own_addresses(void **s)
{
	static const uint32_t from[] = {KIT_CLIENT, 0};
	struct kit *k = *s;

	kit_start(k);
	for (int i = 0; i < 2; i++) {
		const struct arp_pkt *a;

		send_arp(k, ARP_OP_REQUEST, from[i], KIT_SERVER);
		a = take_arp(k);
		assert_int_equal(a->op, BE16(ARP_OP_REPLY));
		assert_memory_equal(a->sha, kit_mac, 6);
		assert_int_equal(a->spa, KIT_SERVER);
	}
	send_arp(k, ARP_OP_REQUEST, KIT_CLIENT, V4(198, 18, 0, 77));
	kit_quiet(k);
}

static void L2_06_synack_waits_for_the_next_hop(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	const struct arp_pkt *a;

	k->ports[0].neighbor = ENGINE_NEIGHBOR_RESOLVE;
	p = kit_peer(k);
	kit_syn(p);
	a = take_arp(k);
	assert_int_equal(a->op, BE16(ARP_OP_REQUEST));
	assert_int_equal(a->tpa, KIT_CLIENT);
	kit_quiet(k);
	send_arp(k, ARP_OP_REPLY, KIT_CLIENT, KIT_SERVER);
	kit_synack(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.opens, 1);
}

/* An IPv4 packet of the client. */
static void send_ip(struct kit *k, uint8_t proto, const void *data, uint16_t len)
{
	uint8_t buf[2000] = {0};
	struct ip4_hdr *ip = (struct ip4_hdr *)(buf + ETH_HDR_LEN);

	eth_copy(buf, kit_mac);
	eth_copy(buf + 6, kit_peer_mac);
	store_be16(buf + 12, ETH_TYPE_IP4);
	*ip = (struct ip4_hdr){.ver_ihl = IP4_VER_IHL, .total_len = be16(IP4_HDR_LEN + len),
			       .ttl = 64, .proto = proto, .saddr = KIT_CLIENT,
			       .daddr = KIT_SERVER};
	ip->cksum = sum_finish(sum_partial(ip, IP4_HDR_LEN, 0));
	memcpy(ip + 1, data, len);
	kit_inject(k, buf, max_of(ETH_HDR_LEN + IP4_HDR_LEN + len, ETH_MIN_FRAME));
}

static const struct icmp_hdr *take_icmp(struct kit *k, uint16_t len)
{
	struct kit_frame *f = kit_frame_next(k);
	const struct ip4_hdr *ip;

	assert_non_null(f);
	ip = (const struct ip4_hdr *)(f->bytes + ETH_HDR_LEN);
	assert_int_equal(ip->proto, IP_PROTO_ICMP);
	assert_int_equal(ip->saddr, KIT_SERVER);
	assert_int_equal(ip->daddr, KIT_CLIENT);
	if (len)
		assert_int_equal(be16(ip->total_len), IP4_HDR_LEN + len);
	assert_int_equal(sum_fold(sum_partial(ip + 1, be16(ip->total_len) - IP4_HDR_LEN, 0)),
			 0xffff);
	return (const struct icmp_hdr *)(ip + 1);
}

static void L2_13_echo(void **s)
{
	static const uint16_t lens[] = {0, 1, 55, 56, 1000, 1472};
	struct kit *k = *s;

	kit_start(k);
	for (unsigned int i = 0; i < ARRAY_SIZE(lens); i++) {
		uint16_t len = ICMP_HDR_LEN + lens[i];
		uint8_t msg[1500];
		struct icmp_hdr *h = (struct icmp_hdr *)msg;
		const struct icmp_hdr *r;

		for (unsigned int j = 0; j < len; j++)
			msg[j] = kit_pattern(j);
		h->type = ICMP_ECHO_REQUEST;
		h->code = 0;
		h->cksum = 0;
		h->cksum = sum_finish(sum_partial(msg, len, 0));
		send_ip(k, IP_PROTO_ICMP, msg, len);
		r = take_icmp(k, len);
		assert_int_equal(r->type, ICMP_ECHO_REPLY);
		assert_memory_equal((const uint8_t *)r + 4, msg + 4, len - 4);
	}
}

static void L2_14_unreachable(void **s)
{
	static const uint8_t udp[8] = {0x40, 0, 0x50, 0, 0, 8, 0, 0};
	struct kit *k = *s;
	const struct icmp_hdr *r;

	kit_start(k);
	send_ip(k, IP_PROTO_UDP, udp, 8);
	r = take_icmp(k, 0);
	assert_int_equal(r->type, ICMP_UNREACHABLE);
	assert_int_equal(r->code, ICMP_UNREACH_PORT);
	send_ip(k, 253, udp, 8);
	assert_int_equal(take_icmp(k, 0)->code, ICMP_UNREACH_PROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(L2_01_requests_for_own_addresses),
		KIT_TEST(L2_06_synack_waits_for_the_next_hop),
		KIT_TEST(L2_13_echo),
		KIT_TEST(L2_14_unreachable),
	};

	return cmocka_run_group_tests_name("arp_icmp", tests, kit_group_setup, NULL);
}
