/* How IPv6 addresses come into use: L2-11, L2-12. */
#include "kit6.h"

static const int modes[] = {NET_ANNOUNCE, NET_ANNOUNCE_PROBE};

static struct net_news told[16];
static unsigned int n_told, deaf;

static bool tell(void *arg, const struct net_news *news)
{
	assert_true(n_told < ARRAY_SIZE(told));
	told[n_told++] = *news;
	return !deaf || !deaf--;
}

static void start(struct kit *k, int mode)
{
	kit6_conf(k);
	k->ports[0].announce = (uint8_t)mode;
	k->conf.tell = tell;
	n_told = 0;
	kit_start(k);
}

/* A report of one group joined, from this address. */
static void expect_join(const struct kit *k, uint32_t i, struct a6 src, struct a6 group)
{
	static const struct a6 routers = {{0xff, 2, [15] = 0x16}};
	struct sent6 s = kit6_sent(k, i);

	assert_int_equal(s.type, ICMP6_MLD_REPORT);
	assert_int_equal(s.hops, 1);
	assert_memory_equal(&s.src, &src, 16);
	assert_memory_equal(&s.dst, &routers, 16);
	assert_int_equal(s.len, 8 + 20);
	assert_int_equal(load_be16(s.msg + 6), 1);
	assert_int_equal(s.msg[8], MLD_TO_EXCLUDE);
	assert_int_equal(load_be16(s.msg + 10), 0);
	assert_memory_equal(s.msg + 12, &group, 16);
}

static void tentative(struct kit *k)
{
	const uint32_t sent = k->n_out;

	assert_int_equal(net_local(&k->net, 0, OUR6.a), -1);
	assert_false(net_local_ok(&k->net, OUR6_LOCAL));
	assert_int_equal(net_source_for(&k->net, PEER6.a), -1);
	kit_in(k, kit6_ns(PEER6, group_of(OUR6), OUR6, peer_mac)); /* where is it? */
	kit_in(k, kit6_icmp(PEER6, OUR6, 64, ICMP6_ECHO_REQUEST, 0, "data", 4));
	assert_int_equal(k->n_out, sent);
}

static void L2_11_L2_12_asked_for_then_announced(void **state)
{
	for (size_t mode = 0; mode < ARRAY_SIZE(modes); mode++) {
		struct kit k;

		start(&k, modes[mode]);
		kit_run(&k, T0);
		assert_int_equal(k.n_out, 4);
		expect_join(&k, 0, NONE6, group_of(OUR6));
		kit6_expect_ns(&k, 1, NONE6, group_of(OUR6), OUR6);
		expect_join(&k, 2, NONE6, group_of(OUR_LL6));
		kit6_expect_ns(&k, 3, NONE6, group_of(OUR_LL6), OUR_LL6);
		tentative(&k);
		kit_run(&k, T0 + SEC - 1);
		tentative(&k);
		kit_out_clear(&k);
		kit_run(&k, T0 + SEC);
		assert_int_equal(net_local(&k.net, 0, OUR6.a), OUR6_LOCAL);
		assert_int_equal(net_local(&k.net, 0, OUR_LL6.a), OUR_LL6_LOCAL);
		assert_int_equal(k.n_out, 3);
		kit6_expect_na(&k, 0, OUR6, ALL_NODES6, ND_OVERRIDE);
		kit6_expect_na(&k, 1, OUR6, ALL_ROUTERS6, 0);
		kit6_expect_na(&k, 2, OUR_LL6, ALL_NODES6, ND_OVERRIDE);
		kit_out_clear(&k);
		kit_run(&k, T0 + 2 * SEC - 1);
		assert_int_equal(k.n_out, 0);
		kit_run(&k, T0 + 2 * SEC);
		assert_int_equal(k.n_out, 4);
		expect_join(&k, 0, OUR_LL6, group_of(OUR6));
		kit6_expect_na(&k, 1, OUR6, ALL_NODES6, ND_OVERRIDE);
		expect_join(&k, 2, OUR_LL6, group_of(OUR_LL6));
		kit6_expect_na(&k, 3, OUR_LL6, ALL_NODES6, ND_OVERRIDE);
		kit_out_clear(&k);
		kit_run(&k, T0 + 3 * SEC - 1);
		assert_int_equal(k.n_out, 0);
		kit_run(&k, T0 + 3 * SEC);
		assert_int_equal(k.n_out, 2);
		kit6_expect_na(&k, 0, OUR6, ALL_NODES6, ND_OVERRIDE);
		kit6_expect_na(&k, 1, OUR_LL6, ALL_NODES6, ND_OVERRIDE);
		kit_out_clear(&k);
		kit_run(&k, T0 + 1000 * SEC);
		assert_int_equal(k.n_out, 0);
		assert_true(net_next(&k.net) == UINT64_MAX);
		assert_int_equal(told[0].kind, NET_NEWS_ADDR_USED);
		assert_int_equal(told[0].local, OUR6_LOCAL);
		kit_stop(&k);
	}
}

/* What is heard of the address in the second in which nobody has it. */
static struct rte_mbuf *claim(int how)
{
	struct rte_mbuf *m;

	switch (how) {
	case 0:
		return kit6_na(OUR6, ALL_NODES6, OUR6, ND_OVERRIDE, peer_mac); /* its owner */
	case 1:
		return kit6_ns(NONE6, group_of(OUR6), OUR6, NULL); /* who wants it, too */
	case 2:
		m = kit6_ns(NONE6, group_of(OUR6), OUR6, NULL); /* we, heard again */
		eth_copy(rte_pktmbuf_mtod_offset(m, uint8_t *, 6), kit_mac);
		return m;
	default:
		return kit6_ns(PEER6, group_of(OUR6), OUR6, peer_mac); /* who looks for it */
	}
}

static void L2_11_one_with_an_owner_is_not_used(void **state)
{
	for (int how = 0; how < 4; how++) {
		const bool gone = how < 2;
		struct kit k;

		start(&k, NET_ANNOUNCE);
		kit_run(&k, T0 + SEC / 2);
		kit_out_clear(&k);
		kit_in(&k, claim(how));
		assert_int_equal(k.n_out, 0);
		assert_int_equal(kit_ctr(&k, CTR_ND_CONFLICTS), gone);
		assert_int_equal(n_told, gone);
		if (gone)
			assert_int_equal(told[0].kind, NET_NEWS_ADDR_GONE);
		kit_run(&k, T0 + 100 * SEC);
		assert_int_equal(net_local(&k.net, 0, OUR6.a), gone ? -1 : OUR6_LOCAL);
		assert_int_equal(net_local(&k.net, 0, OUR_LL6.a), OUR_LL6_LOCAL);
		for (uint32_t i = 0; gone && i < k.n_out; i++)
			assert_false(a6_equal(kit6_sent(&k, i).src, OUR6));
		kit_out_clear(&k);
		kit_in(&k, kit6_ns(PEER6, group_of(OUR6), OUR6, peer_mac));
		assert_int_equal(k.n_out, !gone);
		kit_stop(&k);
	}
}

static void L2_12_nothing_is_said_unasked(void **state)
{
	struct kit k;

	start(&k, NET_ANNOUNCE_OFF);
	assert_int_equal(net_local(&k.net, 0, OUR6.a), OUR6_LOCAL);
	kit_run(&k, T0 + 100 * SEC);
	assert_int_equal(k.n_out, 0);
	kit_in(&k, kit6_ns(NONE6, group_of(OUR6), OUR6, NULL));
	kit6_expect_na(&k, 0, OUR6, ALL_NODES6, ND_OVERRIDE);
	kit_stop(&k);
}

/* Of the addresses of IPv4 one mode speaks, of those of IPv6 both. */
static void L2_11_another_worker_asks(void **state)
{
	static const int waits[] = {NET_ANNOUNCE_AWAIT, NET_ANNOUNCE_AWAIT6};

	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		uint8_t our4[16];
		struct kit k;

		kit6_conf(&k);
		k.ports[0].announce = (uint8_t)waits[i];
		k.conf.n_addrs = 3;
		k.addrs[2] = (struct net_addr_conf){.port = 0, .prefix = 24};
		address_from_v4(our4, OUR);
		memcpy(k.addrs[2].addr, our4, 16);
		kit_start(&k);
		kit_run(&k, T0 + 10 * SEC);
		assert_int_equal(k.n_out, 0);
		assert_int_equal(net_local(&k.net, 0, our4),
				 waits[i] == NET_ANNOUNCE_AWAIT ? -1 : 2);
		tentative(&k);
		net_hear(&k.net,
			 &(struct net_news){.kind = NET_NEWS_ADDR_USED, .local = OUR6_LOCAL},
			 k.now);
		assert_int_equal(net_local(&k.net, 0, OUR6.a), OUR6_LOCAL);
		net_hear(&k.net,
			 &(struct net_news){.kind = NET_NEWS_ADDR_GONE, .local = OUR_LL6_LOCAL},
			 k.now);
		net_hear(&k.net,
			 &(struct net_news){.kind = NET_NEWS_ADDR_USED, .local = OUR_LL6_LOCAL},
			 k.now);
		assert_int_equal(net_local(&k.net, 0, OUR_LL6.a), -1);
		assert_int_equal(net_source_for(&k.net, PEER6.a), OUR6_LOCAL);
		kit_stop(&k);
	}
}

/* A worker that could not be told is told again, with the last round, until it has heard. */
static void told_until_all_have_heard(void **state)
{
	for (unsigned int n = 0; n < 7; n++) {
		struct kit k;

		start(&k, NET_ANNOUNCE);
		k.net.n_addrs = 1;
		deaf = n;
		kit_run(&k, T0 + 60 * SEC);
		assert_int_equal(n_told, max_of(n + 1, 3u));
		kit_stop(&k);
	}
}

/* One that is in use is kept: one advertisement in ten seconds says so. */
static void a_conflict_is_defended(void **state)
{
	struct kit k;

	start(&k, NET_ANNOUNCE_OFF);
	for (int i = 0; i < 100; i++) {
		kit_in(&k, i & 1 ? kit6_na(OUR6, ALL_NODES6, OUR6, ND_OVERRIDE, peer_mac)
				 : kit6_ns(OUR6, group_of(OTHER6), OTHER6, peer_mac));
		k.now += SEC / 10;
	}
	assert_int_equal(kit_ctr(&k, CTR_ND_CONFLICTS), 100);
	assert_int_equal(k.n_out, 1);
	kit6_expect_na(&k, 0, OUR6, ALL_NODES6, ND_OVERRIDE);
	assert_int_equal(net_local(&k.net, 0, OUR6.a), OUR6_LOCAL);
	k.now += 2 * SEC;
	kit_in(&k, kit6_na(OUR6, ALL_NODES6, OUR6, ND_OVERRIDE, peer_mac));
	assert_int_equal(k.n_out, 2);
	kit_stop(&k);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(L2_11_L2_12_asked_for_then_announced),
		cmocka_unit_test(L2_11_one_with_an_owner_is_not_used),
		cmocka_unit_test(L2_12_nothing_is_said_unasked),
		cmocka_unit_test(L2_11_another_worker_asks),
		cmocka_unit_test(told_until_all_have_heard),
		cmocka_unit_test(a_conflict_is_defended),
	};

	if (kit_main(argc, argv))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
