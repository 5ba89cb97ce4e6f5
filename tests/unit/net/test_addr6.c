/* IPv6 addresses: ours, those of others, and which speaks to whom. IP-02, OPN-19, OPN-20. */
#include "kit6.h"

static const struct a6 loopback = {{[15] = 1}}, second = {{0xfd, 0, 0, 0x19, [15] = 2}};
static const struct a6 second_ll = {{0xfe, 0x80, [15] = 3}};

/* Port 1 has fd00:19::2/64 and fe80::3/64, and no gateway; port 0 10.0.0.1/24 beside. */
static void start(struct kit *k)
{
	static struct net_addr_conf addrs[5];

	kit6_conf(k);
	memcpy(addrs, k->addrs, 2 * sizeof(*addrs));
	addrs[2] = (struct net_addr_conf){.port = 1, .prefix = 64};
	ip6_copy(addrs[2].addr, second.a);
	addrs[3] = (struct net_addr_conf){.port = 1, .prefix = 64};
	ip6_copy(addrs[3].addr, second_ll.a);
	addrs[4] = (struct net_addr_conf){.port = 0, .prefix = 24};
	address_from_v4(addrs[4].addr, OUR);
	k->conf.addrs = addrs;
	k->conf.n_addrs = 5;
	k->conf.n_ports = 2;
	kit_start(k);
}

static void IP_02_strong_host(void **state)
{
	struct a6 near = OUR6;
	uint8_t our4[16];
	struct kit k;

	start(&k);
	address_from_v4(our4, OUR);
	assert_int_equal(net_local(&k.net, 0, OUR6.a), 0);
	assert_int_equal(net_local(&k.net, 0, OUR_LL6.a), 1);
	assert_int_equal(net_local(&k.net, 1, second.a), 2);
	assert_int_equal(net_local(&k.net, 1, second_ll.a), 3);
	assert_int_equal(net_local(&k.net, 0, our4), 4);
	assert_int_equal(net_local(&k.net, 1, OUR6.a), -1);
	assert_int_equal(net_local(&k.net, 0, second.a), -1);
	assert_int_equal(net_local(&k.net, 1, OUR_LL6.a), -1);
	for (int bit = 0; bit < 128; bit++) {
		near.a[bit / 8] ^= 1 << bit % 8;
		assert_int_equal(net_local(&k.net, 0, near.a), -1);
		near.a[bit / 8] ^= 1 << bit % 8;
	}
	/* A group is no address. */
	assert_int_equal(net_local(&k.net, 0, group_of(OUR6).a), -1);
	kit_stop(&k);
}

static void OPN_19_OPN_20_sources_and_destinations(void **state)
{
	const struct a6 bad[] = {NONE6, loopback, ALL_NODES6, group_of(PEER6), {{0xff}},
				 OUR6,	OUR_LL6,  second,     second_ll};
	const struct a6 good[] = {PEER6, PEER_LL6,     FAR6,
				  GATE6, {{[15] = 2}}, {{0xfe, 0xff, [15] = 1}}};
	struct pkt_facts f = {.flags = PKT_F_V6};
	struct kit k;

	start(&k);
	memcpy(f.daddr, &OUR6, 16);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		memcpy(f.saddr, &bad[i], 16);
		assert_false(net_source_ok(&k.net, &f));
		assert_false(net_accept(&k.net, &f));
		assert_int_equal(f.reason, CTR_RX_BAD_SRC);
		assert_false(net_destination_ok(&k.net, bad[i].a));
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		memcpy(f.saddr, &good[i], 16);
		assert_true(net_accept(&k.net, &f));
		assert_true(net_destination_ok(&k.net, good[i].a));
	}
	memcpy(f.daddr, &ALL_NODES6, 16);
	assert_false(net_accept(&k.net, &f));
	assert_int_equal(f.reason, CTR_RX_NOT_UNICAST);
	memcpy(f.daddr, &OTHER6, 16);
	assert_false(net_accept(&k.net, &f));
	assert_int_equal(f.reason, CTR_RX_NOT_LOCAL);
	memcpy(f.daddr, &OUR6, 16);
	f.flags |= PKT_F_L2_BROADCAST;
	assert_false(net_accept(&k.net, &f));
	assert_int_equal(f.reason, CTR_RX_NOT_UNICAST);
	kit_stop(&k);
}

static void sources_are_chosen(void **state)
{
	struct a6 near_second = second;
	uint8_t v4[16];
	struct kit k;

	near_second.a[15] = 9;
	start(&k);
	assert_int_equal(net_source_for(&k.net, PEER6.a), 0);
	assert_int_equal(net_source_for(&k.net, near_second.a), 2);
	assert_int_equal(net_source_for(&k.net, PEER_LL6.a), 1);
	assert_int_equal(net_source_for(&k.net, FAR6.a), 0); /* by the gateway, never from fe80:: */
	address_from_v4(v4, PEER);
	assert_int_equal(net_source_for(&k.net, v4), 4);
	address_from_v4(v4, FAR);
	assert_int_equal(net_source_for(&k.net, v4), -1); /* a gateway of the other family */
	kit_stop(&k);
}

static void no_way_from_a_link_to_elsewhere(void **state)
{
	struct kit k;

	kit6_conf(&k);
	k.addrs[0].prefix = 128; /* alone */
	k.conf.n_addrs = 1;
	kit_start(&k);
	assert_int_equal(net_source_for(&k.net, PEER_LL6.a), -1);
	assert_int_equal(net_source_for(&k.net, FAR6.a), 0);
	kit_stop(&k);
	kit6_conf(&k);
	memcpy(&k.addrs[0], &k.addrs[1], sizeof(k.addrs[0]));
	k.conf.n_addrs = 1;
	kit_start(&k);
	assert_int_equal(net_source_for(&k.net, FAR6.a), -1);
	assert_int_equal(net_source_for(&k.net, PEER_LL6.a), 0);
	kit_stop(&k);
}

static void next_hops(void **state)
{
	struct kit k;
	int32_t i;

	start(&k);
	i = kit6_path(&k, PEER6);
	assert_memory_equal(k.net.paths[i].next_hop, PEER6.a, 16);
	assert_int_equal(k.net.paths[i].l3_len, IP6_HDR_LEN);
	i = kit6_path(&k, PEER_LL6);
	assert_memory_equal(k.net.paths[i].next_hop, PEER_LL6.a, 16);
	i = kit6_path(&k, FAR6);
	assert_memory_equal(k.net.paths[i].next_hop, GATE6.a, 16);
	assert_int_equal(net_path_for(&k.net, 1, 2, FAR6.a, peer_mac, k.now),
			 -1); /* port 1 has no gateway */
	kit_stop(&k);
}

/* The gateway is asked by an address that may speak; one on the link by its own. */
static void the_gateway_is_asked(void **state)
{
	static const uint8_t payload[46];
	struct kit k;

	kit6_conf(&k);
	k.ports[0].announce = NET_ANNOUNCE_AWAIT6;
	kit_start(&k);
	net_hold(&k.net, kit6_path(&k, FAR6),
		 kit_frame(payload, 46, other_mac, kit_mac, ETH_TYPE_IP6), k.now);
	assert_int_equal(k.n_out, 0); /* none may yet */
	net_hear(&k.net, &(struct net_news){.kind = NET_NEWS_ADDR_USED, .local = OUR_LL6_LOCAL},
		 k.now);
	kit_run(&k, k.now + SEC);
	assert_int_equal(k.n_out, 1);
	kit6_expect_ns(&k, 0, OUR_LL6, group_of(GATE6), GATE6);
	kit_in(&k,
	       kit6_na(GATE6, OUR_LL6, GATE6, ND_SOLICITED | ND_ROUTER | ND_OVERRIDE, peer_mac));
	assert_int_equal(k.n_out, 2);
	assert_memory_equal(rte_pktmbuf_mtod(k.out[1], uint8_t *), peer_mac, 6);
	kit_stop(&k);
}

static void bad_configurations(void **state)
{
	const struct a6 bad[] = {NONE6, loopback, ALL_NODES6};
	struct kit k;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		kit6_conf(&k);
		assert_true(net_bytes(&k.conf) > 0);
		memcpy(k.addrs[0].addr, &bad[i], 16);
		assert_int_equal(net_bytes(&k.conf), 0);
	}
	kit6_conf(&k);
	k.addrs[0].prefix = 129;
	assert_int_equal(net_bytes(&k.conf), 0);
}

/* A network of IPv6 that is large enough to hold the addresses by which IPv4's are written holds none of IPv4. */
static void a_network_is_of_one_family(void **state)
{
	static const struct a6 large = {{0x20, [15] = 1}};
	uint8_t far4[16], gate4[16];
	struct kit k;
	int32_t i;

	kit6_conf(&k);
	k.addrs[0].prefix = 2;
	ip6_copy(k.addrs[0].addr, large.a);
	k.addrs[2] = (struct net_addr_conf){.port = 0, .prefix = 24};
	address_from_v4(k.addrs[2].addr, OUR);
	k.conf.n_addrs = 3;
	k.ports[0].gateway = GATE;
	kit_start(&k);
	address_from_v4(far4, FAR);
	address_from_v4(gate4, GATE);
	i = net_path_for(&k.net, 0, 2, far4, peer_mac, k.now);
	assert_memory_equal(k.net.paths[i].next_hop, gate4, 16);
	kit_stop(&k);
}

/* How many slots each address is looked for in, at most: a few, whatever in them is the same. */
static uint32_t longest_walk(const struct net *n)
{
	uint32_t longest = 0;

	for (uint32_t i = 0; i < n->n_addrs; i++) {
		uint64_t ip[2];

		memcpy(ip, n->addrs[i].ip, sizeof(ip));
		longest = max_of(longest, (n->addrs[i].slot - net_slot_first(n, ip)) & n->slot_mask);
	}
	return longest;
}

/* By hosts of a network, by networks, and by both; of IPv4 by hosts and by networks of 256. */
static void thousands_are_found_as_one_is(void **state)
{
	static struct net_addr_conf addrs[4096];
	struct kit k;

	for (int how = 0; how < 5; how++) {
		kit6_conf(&k);
		for (uint32_t i = 0; i < ARRAY_SIZE(addrs); i++) {
			struct net_addr_conf *a = &addrs[i];

			*a = (struct net_addr_conf){.port = 0, .prefix = how < 3 ? 128 : 32};
			ip6_copy(a->addr, OUR6.a);
			if (how == 0)
				store_be16(a->addr + 14, (uint16_t)(i + 1));
			else if (how == 1)
				store_be16(a->addr + 6, (uint16_t)i);
			else if (how == 2)
				store_be32(a->addr + 8, i >> 6), store_be32(a->addr + 12, (i & 63) + 1);
			else
				address_from_v4(a->addr, be32((10u << 24) + 1 + i * (how == 3 ? 1 : 256)));
		}
		k.conf.addrs = addrs;
		k.conf.n_addrs = ARRAY_SIZE(addrs);
		kit_start(&k);
		assert_in_range(longest_walk(&k.net), 0, 16);
		assert_int_equal(net_local(&k.net, 0, addrs[77].addr), 77);
		kit_stop(&k);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(IP_02_strong_host),
		cmocka_unit_test(OPN_19_OPN_20_sources_and_destinations),
		cmocka_unit_test(sources_are_chosen),
		cmocka_unit_test(no_way_from_a_link_to_elsewhere),
		cmocka_unit_test(next_hops),
		cmocka_unit_test(the_gateway_is_asked),
		cmocka_unit_test(bad_configurations),
		cmocka_unit_test(a_network_is_of_one_family),
		cmocka_unit_test(thousands_are_found_as_one_is),
	};

	if (kit_main(argc, argv))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
