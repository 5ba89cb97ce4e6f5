/* Paths and neighbours: L2-06, L2-18, RTX-03, IP-05. */
#include "net_kit.h"

static int32_t path_from(struct kit *k, uint32_t remote, const uint8_t *mac)
{
	uint8_t r[16];

	kit_map(r, remote);
	return net_path_for(&k->net, 0, 0, r, mac, k->now);
}

static int32_t path_to(struct kit *k, uint32_t remote)
{
	return path_from(k, remote, peer_mac);
}

/* A frame of ours to remote over path i, its TCP header 20 bytes of id. */
static struct rte_mbuf *segment(struct kit *k, uint32_t i, uint32_t remote, uint8_t id)
{
	struct rte_mbuf *m = pkt_alloc(&k->pool);
	struct flow_tuple flow = {.local = 0};

	assert_non_null(m);
	memset(rte_pktmbuf_append(m, 20), id, 20);
	kit_map(flow.remote, remote);
	net_push(&k->net, i, m, &flow, (struct net_ip){ IP_PROTO_TCP, 0x28, 63, 20 });
	pkt_ip_finish(m, ETH_HDR_LEN);
	return m;
}

static void next_hops(void **state)
{
	struct kit k;
	int32_t i;

	kit_conf(&k);
	kit_start(&k);
	i = path_to(&k, FAR);
	assert_int_equal(net_v4_of(k.net.paths[i].next_hop), GATE);
	assert_int_equal(path_to(&k, V4(8, 8, 8, 8)), i);
	assert_int_equal(net_v4_of(k.net.paths[path_to(&k, PEER)].next_hop), PEER);
	assert_int_not_equal(path_to(&k, PEER), path_to(&k, OTHER));
	assert_int_equal(net_path_port(&k.net, i), &k.pp[0]);
	kit_stop(&k);

	kit_conf(&k);
	k.ports[0].gateway = 0;
	kit_start(&k);
	assert_int_equal(path_to(&k, FAR), -1);
	kit_stop(&k);
}

static void reflect(void **state)
{
	static const uint8_t group[6] = { 1 };
	struct kit k;
	int32_t i, j;

	kit_conf(&k);
	k.ports[0].neighbor = NET_REFLECT;
	kit_start(&k);
	i = path_from(&k, FAR, peer_mac);
	j = path_from(&k, FAR, other_mac);
	assert_int_not_equal(i, j);
	assert_int_equal(path_from(&k, PEER, peer_mac), i);
	assert_true(net_path_ready(&k.net, i));
	assert_memory_equal(k.net.paths[i].l2, peer_mac, 6);
	assert_memory_equal(k.net.paths[j].l2, other_mac, 6);
	assert_int_equal(path_from(&k, FAR, group), -1);
	kit_in(&k, kit_arp(ARP_OP_REQUEST, other_mac, OTHER, OUR));
	assert_int_equal(k.n_out, 1); /* answered, not learnt */
	kit_out_clear(&k);
	assert_false(net_path_ready(&k.net, path_from(&k, OTHER, NULL)));
	kit_stop(&k);
}

/*
 * The path that was found last, and has users, is another's as soon as address family, port or MAC address is; and is what
 * it was when its users have gone.
 */
static void reflect_again(void **state)
{
	static const uint8_t peer[16] = { 0xfd, [15] = 1 };
	struct kit k;
	int32_t i, other[3];
	uint8_t r[16];

	kit_conf(&k);
	k.conf.n_ports = 2;
	k.conf.n_addrs = 3;
	k.conf.paths = 4;
	k.ports[0].gateway = 0;
	k.ports[0].neighbor = k.ports[1].neighbor = NET_REFLECT;
	k.addrs[1] = (struct net_addr_conf){ .port = 0, .prefix = 64, .addr = { 0xfd, [15] = 2 } };
	k.addrs[2] = (struct net_addr_conf){ .port = 1, .prefix = 24 };
	address_from_v4(k.addrs[2].addr, V4(10, 9, 0, 1));
	kit_start(&k);
	i = path_from(&k, FAR, peer_mac);
	net_path_get(&k.net, (uint32_t)i);
	for (unsigned n = 0; n < ARRAY_SIZE(other); n++) {
		assert_int_equal(path_from(&k, PEER, peer_mac), i);
		kit_map(r, FAR);
		if (n == 0)
			other[n] = path_from(&k, FAR, other_mac);
		else
			other[n] = net_path_for(&k.net, n == 1 ? 1 : 0, n == 1 ? 2 : 1, n == 1 ? r : peer, peer_mac, k.now);
		assert_int_not_equal(other[n], i);
		for (unsigned m = 0; m < n; m++)
			assert_int_not_equal(other[n], other[m]);
		assert_int_equal(path_from(&k, FAR, NULL), -1); /* to none is a gateway */
	}
	assert_true(k.net.paths[other[2]].v6);
	net_path_put(&k.net, (uint32_t)i);
	assert_int_equal(path_from(&k, FAR, other_mac), other[0]);
	assert_int_equal(path_from(&k, FAR, peer_mac), i);
	net_path_get(&k.net, (uint32_t)other[0]);
	net_path_put(&k.net, (uint32_t)other[0]);
	assert_int_equal(path_from(&k, FAR, peer_mac), i);
	/* That is the youngest without users now: the others go first. */
	for (uint8_t n = 1; n < 4; n++)
		path_from(&k, FAR, (const uint8_t[6]){ 2, 9, 9, 9, 9, n });
	assert_memory_equal(k.net.paths[i].l2, peer_mac, 6);
	assert_int_equal(path_from(&k, FAR, peer_mac), i);
	kit_stop(&k);
}

static void header(void **state)
{
	struct kit k;
	struct rte_mbuf *m;
	const uint8_t *p;
	const struct ip4_hdr *ip;
	int32_t i;

	kit_conf(&k);
	kit_start(&k);
	kit_in(&k, kit_arp(ARP_OP_REQUEST, peer_mac, PEER, OUR));
	i = path_to(&k, PEER);
	m = segment(&k, i, PEER, 7);
	p = rte_pktmbuf_mtod(m, const uint8_t *);
	ip = (const struct ip4_hdr *)(p + 14);
	assert_int_equal(m->pkt_len, 54);
	assert_memory_equal(p, peer_mac, 6);
	assert_memory_equal(p + 6, kit_mac, 6);
	assert_int_equal(load_be16(p + 12), ETH_TYPE_IP4);
	assert_int_equal(ip->ver_ihl, 0x45);
	assert_int_equal(ip->tos, 0x28);
	assert_int_equal(be16(ip->total_len), 40);
	assert_int_equal(ip->id, 0);
	assert_int_equal(be16(ip->frag), IP4_DF);
	assert_int_equal(ip->ttl, 63);
	assert_int_equal(ip->proto, IP_PROTO_TCP);
	assert_int_equal(ip->saddr, OUR);
	assert_int_equal(ip->daddr, PEER);
	assert_int_equal(sum_fold(sum_header(ip, 20)), 0xffff);
	assert_int_equal(p[34], 7);
	rte_pktmbuf_free(m);
	kit_stop(&k);
}

static void L2_06_latest_is_held(void **state)
{
	struct kit k;
	int32_t i;

	kit_conf(&k);
	kit_start(&k);
	i = path_to(&k, PEER);
	net_path_get(&k.net, i);
	for (int n = 0; n < 1000; n++) {
		kit_run(&k, k.now + 2 * US_PER_MS - 1);
		net_hold(&k.net, i, segment(&k, i, PEER, (uint8_t)n), k.now);
	}
	assert_int_equal(k.n_out, 2); /* two seconds, two requests */
	assert_int_equal(kit_out_arp(&k, 0)->tpa, PEER);
	assert_int_equal(kit_out_arp(&k, 0)->spa, OUR);
	assert_true(eth_is_broadcast(rte_pktmbuf_mtod(k.out[0], uint8_t *)));
	assert_int_equal(kit_ctr(&k, CTR_TX_NO_NEIGHBOR), 999);
	kit_in(&k, kit_arp(ARP_OP_REPLY, peer_mac, PEER, OUR));
	assert_int_equal(kit_ctr(&k, CTR_ARP_REPLIES_RX), 1);
	assert_int_equal(k.n_out, 3);
	assert_memory_equal(rte_pktmbuf_mtod(k.out[2], uint8_t *), peer_mac, 6);
	assert_int_equal(rte_pktmbuf_mtod(k.out[2], uint8_t *)[34], 999 & 0xff);
	net_hold(&k.net, i, segment(&k, i, PEER, 1), k.now); /* ready: goes at once */
	assert_int_equal(k.n_out, 4);
	assert_memory_equal(rte_pktmbuf_mtod(k.out[3], uint8_t *), peer_mac, 6);
	net_path_put(&k.net, i);
	kit_stop(&k);
}

static void no_reply(void **state)
{
	struct kit k;
	int32_t i;

	kit_conf(&k);
	kit_start(&k);
	i = path_to(&k, PEER);
	net_hold(&k.net, i, segment(&k, i, PEER, 1), k.now);
	kit_run(&k, T0 + 60 * SEC);
	assert_int_equal(k.n_out, 3);
	assert_int_equal(kit_ctr(&k, CTR_TX_NO_NEIGHBOR), 1);
	assert_true(net_next(&k.net) == UINT64_MAX);
	net_hold(&k.net, i, segment(&k, i, PEER, 2), k.now); /* a new packet asks again */
	assert_int_equal(k.n_out, 4);
	kit_stop(&k);
	assert_int_equal(kit_ctr(&k, CTR_TX_NO_NEIGHBOR), 2);
}

static void L2_06_held_is_bounded(void **state)
{
	struct kit k;

	kit_conf(&k);
	kit_start(&k);
	for (uint32_t h = 2; h < 22; h++) {
		int32_t i = path_to(&k, V4(10, 0, 0, h));

		net_hold(&k.net, i, segment(&k, i, V4(10, 0, 0, h), 1), k.now);
	}
	assert_int_equal(kit_ctr(&k, CTR_TX_NO_NEIGHBOR), 12); /* 20 less the cap of 8 */
	kit_stop(&k);
}

/* A resolved path to PEER with one user. */
static int32_t resolved(struct kit *k)
{
	int32_t i;

	kit_in(k, kit_arp(ARP_OP_REQUEST, peer_mac, PEER, OUR));
	kit_out_clear(k);
	i = path_to(k, PEER);
	net_path_get(&k->net, i);
	return i;
}

static void L2_06_ageing(void **state)
{
	struct kit k;
	int32_t i;

	kit_conf(&k);
	kit_start(&k);
	i = resolved(&k);
	kit_run(&k, T0 + 100 * SEC); /* idle: in peace */
	assert_int_equal(k.n_out, 0);
	rte_pktmbuf_free(segment(&k, i, PEER, 1));
	kit_run(&k, k.now + 5 * SEC); /* used: polled by unicast */
	assert_int_equal(k.n_out, 1);
	assert_memory_equal(rte_pktmbuf_mtod(k.out[0], uint8_t *), peer_mac, 6);
	kit_in(&k, kit_arp(ARP_OP_REPLY, peer_mac, PEER, OUR));
	kit_run(&k, k.now + 29 * SEC);
	assert_int_equal(k.n_out, 1);
	rte_pktmbuf_free(segment(&k, i, PEER, 1));
	kit_run(&k, k.now + 60 * SEC); /* no reply this time: 3 unicast, 3 to all, unresolved */
	assert_int_equal(k.n_out, 7);
	for (int n = 1; n < 7; n++)
		assert_int_equal(eth_is_broadcast(rte_pktmbuf_mtod(k.out[n], uint8_t *)), n > 3);
	assert_false(net_path_ready(&k.net, i));
	net_path_put(&k.net, i);
	kit_stop(&k);
}

static void progress_confirms(void **state)
{
	struct kit k;
	int32_t i;

	kit_conf(&k);
	kit_start(&k);
	i = resolved(&k);
	for (int s = 0; s < 600; s++) {
		rte_pktmbuf_free(segment(&k, i, PEER, 1));
		kit_run(&k, k.now + SEC);
		net_confirm(&k.net, i, ms_of(k.now));
	}
	assert_int_equal(k.n_out, 0);
	net_path_put(&k.net, i);
	kit_stop(&k);
}

static void advice(void **state)
{
	struct kit k;
	int32_t i;

	kit_conf(&k);
	kit_start(&k);
	i = resolved(&k);
	net_advise(&k.net, i, k.now);
	net_advise(&k.net, i, k.now);
	assert_int_equal(k.n_out, 1);
	assert_memory_equal(rte_pktmbuf_mtod(k.out[0], uint8_t *), peer_mac, 6);
	kit_run(&k, k.now + 3 * SEC);
	assert_int_equal(k.n_out, 4);
	assert_true(eth_is_broadcast(rte_pktmbuf_mtod(k.out[3], uint8_t *)));
	assert_true(net_path_ready(&k.net, i));
	kit_in(&k, kit_arp(ARP_OP_REPLY, other_mac, PEER, OUR)); /* it moved */
	assert_memory_equal(k.net.paths[i].l2, other_mac, 6);
	kit_run(&k, k.now + 20 * SEC);
	assert_int_equal(k.n_out, 4);
	net_advise(&k.net, i, k.now);
	assert_int_equal(k.n_out, 5);
	k.now += US_PER_MS;
	net_confirm(&k.net, i, ms_of(k.now)); /* progress ends it */
	kit_run(&k, k.now + 20 * SEC);
	assert_int_equal(k.n_out, 5);
	net_path_put(&k.net, i);
	kit_stop(&k);
}

/* One request a second, whatever the reason to ask. */
static void L2_06_never_twice_a_second(void **state)
{
	struct kit k;
	int32_t i;

	kit_conf(&k);
	kit_start(&k);
	i = path_to(&k, PEER);
	net_path_get(&k.net, i);
	net_hold(&k.net, i, segment(&k, i, PEER, 1), k.now);
	kit_in(&k, kit_arp(ARP_OP_REPLY, peer_mac, PEER, OUR));
	assert_int_equal(k.n_out, 2);
	k.now += SEC - 1;
	net_advise(&k.net, i, k.now);
	assert_int_equal(k.n_out, 2);
	kit_run(&k, k.now + SEC);
	assert_int_equal(k.n_out, 3);
	net_path_put(&k.net, i);
	kit_stop(&k);
}

static void L2_18_flood(void **state)
{
	struct kit k;
	int32_t gate, used;
	uint32_t ready = 0;

	kit_conf(&k);
	k.addrs[0].prefix = 8;
	k.ports[0].gateway = V4(10, 255, 0, 1);
	kit_start(&k);
	gate = path_to(&k, FAR);
	kit_in(&k, kit_arp(ARP_OP_REQUEST, other_mac, V4(10, 255, 0, 1), OUR));
	used = resolved(&k);
	for (uint32_t n = 0; n < 1000000; n++) {
		uint8_t mac[6] = { 2, 1, 0, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n };

		kit_in(&k, kit_arp(ARP_OP_REQUEST, mac, be32(0x0a010000u + n), OUR));
		kit_out_clear(&k);
	}
	assert_int_equal(kit_ctr(&k, CTR_NEIGHBOR_EVICTED), 1000000 - (64 - 2));
	for (uint32_t i = 0; i < k.net.n_paths; i++)
		ready += net_path_ready(&k.net, i);
	assert_int_equal(ready, 64);
	assert_int_equal(path_to(&k, FAR), gate);
	assert_memory_equal(k.net.paths[gate].l2, other_mac, 6);
	assert_int_equal(path_to(&k, PEER), used);
	assert_memory_equal(k.net.paths[used].l2, peer_mac, 6);
	net_path_put(&k.net, used);
	kit_run(&k, k.now + 200 * SEC);
	kit_stop(&k);
}

static void all_in_use(void **state)
{
	struct kit k;
	int32_t first, i;

	kit_conf(&k);
	k.ports[0].gateway = 0;
	kit_start(&k);
	for (uint32_t h = 2; h < 2 + 64; h++) {
		i = path_to(&k, V4(10, 0, 0, h));
		assert_true(i >= 0);
		net_path_get(&k.net, i);
	}
	assert_int_equal(path_to(&k, V4(10, 0, 0, 100)), -1);
	first = path_to(&k, PEER);
	net_path_put(&k.net, first);
	assert_int_equal(path_to(&k, V4(10, 0, 0, 100)), first);
	assert_int_equal(path_to(&k, PEER), first); /* and back: 100 had no users */
	kit_stop(&k);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(next_hops),
		cmocka_unit_test(reflect),
		cmocka_unit_test(reflect_again),
		cmocka_unit_test(header),
		cmocka_unit_test(L2_06_latest_is_held),
		cmocka_unit_test(no_reply),
		cmocka_unit_test(L2_06_held_is_bounded),
		cmocka_unit_test(L2_06_ageing),
		cmocka_unit_test(progress_confirms),
		cmocka_unit_test(advice),
		cmocka_unit_test(L2_06_never_twice_a_second),
		cmocka_unit_test(L2_18_flood),
		cmocka_unit_test(all_in_use),
	};

	if (kit_main(argc, argv))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
