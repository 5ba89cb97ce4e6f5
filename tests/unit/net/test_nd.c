/* Neighbour discovery: L2-07 to L2-10, L2-18. What is said at start is test_announce6.c. */
#include "kit6.h"

static const uint8_t third_mac[6] = { 2, 0, 0, 0, 0, 9 };

static void L2_07_solicitations_are_answered(void **state)
{
	const struct a6 to[] = { group_of(OUR6), OUR6 };
	struct kit k;

	kit6_conf(&k);
	kit_start(&k);
	for (int i = 0; i < 2; i++) { /* by the group, by unicast */
		kit_in(&k, kit6_ns(PEER6, to[i], OUR6, peer_mac));
		assert_int_equal(k.n_out, i + 1);
		kit6_expect_na(&k, i, OUR6, PEER6, ND_SOLICITED | ND_OVERRIDE);
		assert_memory_equal(kit6_sent(&k, i).eth_dst, peer_mac, 6);
	}
	kit_in(&k, kit6_ns(PEER6, OUR6, OUR6, NULL)); /* as it may, by unicast */
	kit6_expect_na(&k, 2, OUR6, PEER6, ND_SOLICITED | ND_OVERRIDE);
	assert_memory_equal(kit6_sent(&k, 2).eth_dst, peer_mac, 6);
	kit_in(&k, kit6_ns(PEER_LL6, group_of(OUR_LL6), OUR_LL6, peer_mac));
	kit6_expect_na(&k, 3, OUR_LL6, PEER_LL6, ND_SOLICITED | ND_OVERRIDE);
	/* Whoever looks for an owner. */
	kit_in(&k, kit6_ns(NONE6, group_of(OUR6), OUR6, NULL));
	kit6_expect_na(&k, 4, OUR6, ALL_NODES6, ND_OVERRIDE);
	assert_int_equal(kit_ctr(&k, CTR_ND_SOLICITS_RX), 5);
	/* Others are not asked here. */
	kit_in(&k, kit6_ns(PEER6, group_of(OTHER6), OTHER6, peer_mac));
	kit_in(&k, kit6_ns(NONE6, group_of(OTHER6), OTHER6, NULL));
	kit_in(&k, kit6_ns(PEER6, OTHER6, OUR6, peer_mac));
	assert_int_equal(k.n_out, 5);
	assert_int_equal(kit_ctr(&k, CTR_RX_ND_IGNORED), 3);
	kit_stop(&k);
}

static struct rte_mbuf *held(void)
{
	static const uint8_t payload[46];
	struct rte_mbuf *m = kit_frame(payload, sizeof(payload), (const uint8_t[6]){ 0 }, kit_mac, ETH_TYPE_IP6);

	return m;
}

/* Three times, a second apart, to the group; the latest packet is sent when the answer comes. */
static void resolution(void **state)
{
	struct kit k;
	int32_t i;

	kit6_conf(&k);
	kit_start(&k);
	i = kit6_path(&k, PEER6);
	assert_false(net_path_ready(&k.net, i));
	assert_int_equal(k.net.paths[i].v6, 1);
	net_hold(&k.net, i, held(), k.now);
	net_hold(&k.net, i, held(), k.now);
	assert_int_equal(kit_ctr(&k, CTR_TX_NO_NEIGHBOR), 1);
	assert_int_equal(k.n_out, 1);
	kit6_expect_ns(&k, 0, OUR6, group_of(PEER6), PEER6);
	kit_run(&k, T0 + SEC - 1);
	assert_int_equal(k.n_out, 1);
	kit_run(&k, T0 + SEC);
	kit6_expect_ns(&k, 1, OUR6, group_of(PEER6), PEER6);
	kit_in(&k, kit6_na(PEER6, OUR6, PEER6, ND_SOLICITED | ND_OVERRIDE, peer_mac));
	assert_true(net_path_ready(&k.net, i));
	assert_int_equal(k.n_out, 3);
	assert_memory_equal(rte_pktmbuf_mtod(k.out[2], uint8_t *), peer_mac, 6);
	assert_int_equal(kit_ctr(&k, CTR_ND_ADVERTS_RX), 1);
	kit_out_clear(&k);
	/* Nobody answers. */
	i = kit6_path(&k, OTHER6);
	net_hold(&k.net, i, held(), k.now);
	kit_run(&k, k.now + 20 * SEC);
	assert_int_equal(k.n_out, 3);
	assert_int_equal(kit_ctr(&k, CTR_TX_NO_NEIGHBOR), 2);
	net_hold(&k.net, i, held(), k.now); /* and once more */
	assert_int_equal(k.n_out, 4);
	kit_stop(&k);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(L2_07_solicitations_are_answered),
		cmocka_unit_test(resolution),
	};

	(void)third_mac;
	if (kit_main(argc, argv))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
