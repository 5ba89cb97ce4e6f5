/* ARP and addresses: L2-01 to L2-05, L2-17, IP-02, OPN-20. */
#include "net_kit.h"

static void L2_01_request_is_answered(void **state)
{
	struct kit k;
	const struct arp_pkt *a;
	const uint8_t *p;

	kit_conf(&k);
	kit_start(&k);
	kit_in(&k, kit_arp(ARP_OP_REQUEST, peer_mac, PEER, OUR));
	assert_int_equal(k.n_out, 1);
	a = kit_out_arp(&k, 0);
	p = rte_pktmbuf_mtod(k.out[0], const uint8_t *);
	assert_memory_equal(p, peer_mac, 6); /* by unicast */
	assert_memory_equal(p + 6, kit_mac, 6);
	assert_int_equal(be16(a->op), ARP_OP_REPLY);
	assert_memory_equal(a->sha, kit_mac, 6);
	assert_memory_equal(a->tha, peer_mac, 6);
	assert_int_equal(a->spa, OUR);
	assert_int_equal(a->tpa, PEER);
	assert_int_equal(k.out[0]->pkt_len, 60);
	for (int i = 42; i < 60; i++)
		assert_int_equal(p[i], 0);
	kit_in(&k, kit_arp(ARP_OP_REQUEST, peer_mac, 0, OUR)); /* a probe */
	assert_int_equal(k.n_out, 2);
	assert_int_equal(kit_out_arp(&k, 1)->tpa, 0);
	kit_in(&k, kit_arp(ARP_OP_REQUEST, peer_mac, PEER, OTHER));
	assert_int_equal(k.n_out, 2);
	assert_int_equal(kit_ctr(&k, CTR_ARP_REQUESTS_RX), 2);
	assert_int_equal(kit_ctr(&k, CTR_RX_ARP_IGNORED), 1);
	kit_stop(&k);
}

static int32_t path_to(struct kit *k, uint32_t remote)
{
	uint8_t r[16];

	kit_map(r, remote);
	return net_path_for(&k->net, 0, 0, r, peer_mac, k->now);
}

static void L2_02_merge_rules(void **state)
{
	struct kit k;
	int32_t i;

	kit_conf(&k);
	kit_start(&k);
	/* Gratuitous from an unknown: nothing is learnt. */
	kit_in(&k, kit_arp(ARP_OP_REQUEST, peer_mac, PEER, PEER));
	i = path_to(&k, PEER);
	assert_false(net_path_ready(&k.net, i));
	/* From a known one: its address is, whatever the operation. */
	kit_in(&k, kit_arp(9, peer_mac, PEER, PEER));
	assert_true(net_path_ready(&k.net, i));
	assert_memory_equal(k.net.paths[i].l2, peer_mac, 6);
	kit_in(&k, kit_arp(ARP_OP_REQUEST, other_mac, PEER, PEER));
	assert_memory_equal(k.net.paths[i].l2, other_mac, 6);
	/* A request to us makes an entry. */
	kit_in(&k, kit_arp(ARP_OP_REQUEST, other_mac, OTHER, OUR));
	i = path_to(&k, OTHER);
	assert_true(net_path_ready(&k.net, i));
	assert_memory_equal(k.net.paths[i].l2, other_mac, 6);
	/* But not for a sender that is not on the link. */
	kit_in(&k, kit_arp(ARP_OP_REQUEST, other_mac, FAR, OUR));
	assert_false(net_path_ready(&k.net, path_to(&k, FAR)));
	kit_stop(&k);
}

static void L2_03_bad_arp(void **state)
{
	static const uint8_t group[6] = { 3, 0, 0, 0, 0, 1 }, zero[6];
	struct kit k;
	uint8_t *a;
	struct rte_mbuf *m;
	static const struct { int off; uint8_t v; } change[] = {
		{ 1, 6 }, { 2, 0x86 }, { 4, 8 }, { 5, 16 },
	};

	kit_conf(&k);
	kit_start(&k);
	for (size_t i = 0; i < ARRAY_SIZE(change); i++) {
		m = kit_arp(ARP_OP_REQUEST, peer_mac, PEER, OUR);
		a = rte_pktmbuf_mtod_offset(m, uint8_t *, ETH_HDR_LEN);
		a[change[i].off] = change[i].v;
		kit_in(&k, m);
	}
	kit_in(&k, kit_arp(ARP_OP_REQUEST, group, PEER, OUR));
	kit_in(&k, kit_arp(ARP_OP_REQUEST, zero, PEER, OUR));
	kit_in(&k, kit_arp(ARP_OP_REQUEST, peer_mac, V4(224, 0, 0, 1), OUR));
	kit_in(&k, kit_arp(ARP_OP_REQUEST, peer_mac, V4(255, 255, 255, 255), OUR));
	kit_in(&k, kit_arp(ARP_OP_REQUEST, peer_mac, V4(10, 0, 0, 255), OUR));
	kit_in(&k, kit_arp(ARP_OP_REQUEST, peer_mac, V4(127, 0, 0, 1), OUR));
	assert_int_equal(kit_ctr(&k, CTR_RX_ARP_BAD), 10);
	assert_int_equal(k.n_out, 0);
	assert_false(net_path_ready(&k.net, path_to(&k, PEER)));
	kit_stop(&k);
}

static void announced_twice(void **state)
{
	struct kit k;

	kit_conf(&k);
	k.ports[0].announce = NET_ANNOUNCE;
	kit_start(&k);
	kit_run(&k, T0);
	assert_int_equal(k.n_out, 1);
	assert_int_equal(kit_out_arp(&k, 0)->spa, OUR);
	assert_int_equal(kit_out_arp(&k, 0)->tpa, OUR);
	kit_run(&k, T0 + 2 * SEC - 1);
	assert_int_equal(k.n_out, 1);
	kit_run(&k, T0 + 2 * SEC);
	assert_int_equal(k.n_out, 2);
	kit_run(&k, T0 + 100 * SEC);
	assert_int_equal(k.n_out, 2);
	assert_true(net_next(&k.net) == UINT64_MAX);
	kit_stop(&k);
}

static void probed_before_use(void **state)
{
	uint8_t our[16];
	struct kit k;

	kit_map(our, OUR);
	kit_conf(&k);
	k.ports[0].announce = NET_ANNOUNCE_PROBE;
	kit_start(&k);
	kit_run(&k, T0 + 5 * SEC);
	assert_int_equal(k.n_out, 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(kit_out_arp(&k, i)->spa, 0);
		assert_int_equal(kit_out_arp(&k, i)->tpa, OUR);
	}
	assert_int_equal(net_local(&k.net, 0, our), -1);
	kit_in(&k, kit_arp(ARP_OP_REQUEST, peer_mac, PEER, OUR));
	assert_int_equal(k.n_out, 3); /* not ours yet */
	kit_run(&k, T0 + 20 * SEC);
	assert_int_equal(k.n_out, 5);
	assert_int_equal(kit_out_arp(&k, 4)->spa, OUR);
	assert_int_equal(net_local(&k.net, 0, our), 0);
	kit_stop(&k);
}

static unsigned int deaf, told;

static bool tell(void *arg, const struct net_news *news)
{
	assert_int_equal(news->kind, NET_NEWS_ADDR_USED);
	told++;
	return !deaf || !deaf--;
}

/* A worker that could not be told twice would never serve the address: the last round goes on until it is. */
static void told_until_all_have_heard(void **state)
{
	struct kit k;

	for (unsigned int n = 0; n < 6; n++) {
		const unsigned int times = max_of(n + 1, 2u);

		kit_conf(&k);
		k.ports[0].announce = NET_ANNOUNCE_PROBE;
		k.conf.tell = tell;
		kit_start(&k);
		deaf = n;
		told = 0;
		kit_run(&k, T0 + 60 * SEC);
		assert_int_equal(told, times);
		assert_int_equal(k.n_out, 3 + times); /* each time announced, too */
		kit_stop(&k);
	}
}

static void probe_finds_owner(void **state)
{
	uint8_t our[16];
	struct kit k;

	kit_map(our, OUR);
	for (int probe = 0; probe < 2; probe++) {
		kit_conf(&k);
		k.ports[0].announce = NET_ANNOUNCE_PROBE;
		kit_start(&k);
		kit_run(&k, T0 + 3 * SEC);
		if (probe)
			kit_in(&k, kit_arp(ARP_OP_REQUEST, peer_mac, 0, OUR));
		else
			kit_in(&k, kit_arp(ARP_OP_REPLY, peer_mac, OUR, OUR));
		assert_int_equal(kit_ctr(&k, CTR_ARP_CONFLICTS), 1);
		kit_run(&k, T0 + 20 * SEC);
		assert_int_equal(k.n_out, 2); /* silent since */
		assert_int_equal(net_local(&k.net, 0, our), -1);
		kit_stop(&k);
	}
}

static void L2_05_conflict_is_defended(void **state)
{
	struct kit k;

	kit_conf(&k);
	kit_start(&k);
	for (int i = 0; i < 100; i++) {
		kit_in(&k, kit_arp(i & 1 ? ARP_OP_REQUEST : ARP_OP_REPLY, peer_mac, OUR, OUR));
		k.now += SEC / 10;
	}
	assert_int_equal(kit_ctr(&k, CTR_ARP_CONFLICTS), 100);
	assert_int_equal(k.n_out, 1);
	assert_int_equal(kit_out_arp(&k, 0)->spa, OUR);
	kit_in(&k, kit_arp(ARP_OP_REQUEST, peer_mac, OUR, OUR));
	assert_int_equal(k.n_out, 2);
	/* Our own packet come back is no conflict. */
	kit_in(&k, kit_arp(ARP_OP_REQUEST, kit_mac, OUR, OUR));
	assert_int_equal(kit_ctr(&k, CTR_ARP_CONFLICTS), 101);
	kit_stop(&k);
}

static void IP_02_strong_host(void **state)
{
	struct kit k;
	uint8_t a[16], b[16];

	kit_conf(&k);
	k.conf.n_ports = 2;
	k.conf.n_addrs = 2;
	k.addrs[1] = (struct net_addr_conf){ .port = 1, .prefix = 24, };
	address_from_v4(k.addrs[1].addr, V4(10, 0, 1, 1));
	kit_start(&k);
	kit_map(a, OUR);
	kit_map(b, V4(10, 0, 1, 1));
	assert_int_equal(net_local(&k.net, 0, a), 0);
	assert_int_equal(net_local(&k.net, 1, b), 1);
	assert_int_equal(net_local(&k.net, 0, b), -1);
	assert_int_equal(net_local(&k.net, 1, a), -1);
	a[0] = 1; /* not IPv4 */
	assert_int_equal(net_local(&k.net, 0, a), -1);
	kit_stop(&k);
}

static void thousands_of_addresses(void **state)
{
	enum { N = 5000 };
	struct net_addr_conf *addrs = calloc(N, sizeof(*addrs));
	struct kit k;
	uint8_t a[16];

	assert_non_null(addrs);
	for (uint32_t i = 0; i < N; i++) {
		addrs[i].prefix = 32;
		address_from_v4(addrs[i].addr, be32(0x0a010000u + i * 3));
	}
	kit_conf(&k);
	k.conf.addrs = addrs;
	k.conf.n_addrs = N;
	kit_start(&k);
	for (uint32_t i = 0; i < 3 * N; i++) {
		kit_map(a, be32(0x0a010000u + i));
		assert_int_equal(net_local(&k.net, 0, a), i % 3 ? -1 : (int32_t)(i / 3));
	}
	kit_stop(&k);
	free(addrs);
}

/* What was remembered of f holds for the very address and port, and not for a group's frame. */
static void again(struct net *n, struct pkt_facts *f)
{
	uint32_t local = 7;

	assert_false(net_again(n, f, &local));
	net_remember(n, f);
	assert_true(net_again(n, f, &local));
	assert_int_equal(local, f->local);
	f->flags = PKT_F_L2_BROADCAST;
	assert_false(net_again(n, f, &local));
	f->flags = 0;
	f->port++;
	assert_false(net_again(n, f, &local));
	f->port--;
	for (unsigned int i = 0; i < sizeof(f->daddr); i++) {
		f->daddr[i] ^= 1;
		assert_false(net_again(n, f, &local));
		f->daddr[i] ^= 1;
	}
	net_hear(n, &(struct net_news){.kind = NET_NEWS_ADDR_GONE, .local = f->local}, 0);
	assert_false(net_again(n, f, &local));
}

static void sources(void **state)
{
	static const uint32_t bad[] = {
		V4(0, 0, 0, 0), V4(0, 1, 2, 3), V4(127, 0, 0, 1), V4(127, 255, 0, 1),
		V4(224, 0, 0, 1), V4(239, 1, 1, 1), V4(240, 0, 0, 1), V4(255, 255, 255, 255),
		V4(10, 0, 0, 255), OUR, V4(10, 0, 1, 1), V4(10, 0, 1, 255),
	};
	static const uint32_t good[] = { PEER, FAR, V4(1, 0, 0, 0), V4(223, 255, 255, 255),
					 V4(126, 0, 0, 1), V4(128, 0, 0, 1) };
	struct pkt_facts f = { 0 };
	struct kit k;

	kit_conf(&k);
	k.conf.n_ports = 2;
	k.conf.n_addrs = 2;
	k.addrs[1] = (struct net_addr_conf){ .port = 1, .prefix = 24, };
	address_from_v4(k.addrs[1].addr, V4(10, 0, 1, 1));
	kit_start(&k);
	kit_map(f.daddr, OUR);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		kit_map(f.saddr, bad[i]);
		assert_false(net_source_ok(&k.net, &f));
		assert_false(net_accept(&k.net, &f));
		assert_int_equal(f.reason, CTR_RX_BAD_SRC);
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		kit_map(f.saddr, good[i]);
		assert_true(net_source_ok(&k.net, &f));
		assert_true(net_accept(&k.net, &f));
	}
	kit_map(f.daddr, V4(10, 0, 0, 255));
	assert_false(net_accept(&k.net, &f));
	assert_int_equal(f.reason, CTR_RX_NOT_UNICAST);
	kit_map(f.daddr, V4(224, 0, 0, 1));
	assert_false(net_accept(&k.net, &f));
	assert_int_equal(f.reason, CTR_RX_NOT_UNICAST);
	kit_map(f.daddr, OTHER);
	assert_false(net_accept(&k.net, &f));
	assert_int_equal(f.reason, CTR_RX_NOT_LOCAL);
	kit_map(f.daddr, OUR);
	f.flags = PKT_F_L2_BROADCAST;
	assert_false(net_accept(&k.net, &f));
	assert_int_equal(f.reason, CTR_RX_NOT_UNICAST);
	f.flags = 0;
	assert_true(net_accept(&k.net, &f));
	again(&k.net, &f);
	kit_stop(&k);
}

static void bad_configurations(void **state)
{
	struct kit k;

	kit_conf(&k);
	assert_true(net_bytes(&k.conf) > 0);
	k.addrs[0].prefix = 33;
	assert_int_equal(net_bytes(&k.conf), 0);
	kit_conf(&k);
	k.addrs[0].port = 5;
	assert_int_equal(net_bytes(&k.conf), 0);
	kit_conf(&k);
	address_from_v4(k.addrs[0].addr, V4(224, 0, 0, 1));
	assert_int_equal(net_bytes(&k.conf), 0);
	kit_conf(&k);
	k.conf.paths = NET_PATH_MAX;
	assert_int_equal(net_bytes(&k.conf), 0);
	/* Gateways are never evicted, and are not all there may be. */
	kit_conf(&k);
	k.ports[0].gateway = GATE;
	k.ports[0].gateway6[0] = 0xfd;
	k.conf.paths = 2;
	assert_int_equal(net_bytes(&k.conf), 0);
	k.conf.paths = 3;
	assert_true(net_bytes(&k.conf) > 0);
	kit_conf(&k);
	k.conf.n_ports = NET_PORTS_MAX + 1;
	assert_int_equal(net_bytes(&k.conf), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(L2_01_request_is_answered),
		cmocka_unit_test(L2_02_merge_rules),
		cmocka_unit_test(L2_03_bad_arp),
		cmocka_unit_test(announced_twice),
		cmocka_unit_test(probed_before_use),
		cmocka_unit_test(told_until_all_have_heard),
		cmocka_unit_test(probe_finds_owner),
		cmocka_unit_test(L2_05_conflict_is_defended),
		cmocka_unit_test(IP_02_strong_host),
		cmocka_unit_test(thousands_of_addresses),
		cmocka_unit_test(sources),
		cmocka_unit_test(bad_configurations),
	};

	if (kit_main(argc, argv))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
