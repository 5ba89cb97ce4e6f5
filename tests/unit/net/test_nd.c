/* Neighbour discovery: L2-07 to L2-10, L2-18. What is said at start is test_announce6.c. */
#include "kit6.h"

static void L2_07_solicitations_are_answered(void **state)
{
	const struct a6 to[] = {group_of(OUR6), OUR6};
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
	struct rte_mbuf *m =
		kit_frame(payload, sizeof(payload), (const uint8_t[6]){0}, kit_mac, ETH_TYPE_IP6);

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

/* ---- L2-08 ---- */

enum {
	HOPS,
	SUM,
	CODE,
	SHORT,
	OPTION_ZERO,
	OPTION_LONG,
	OTHER_ZERO,
	OTHER_LONG,
	GROUP_TARGET,
	GROUP_MAC,
	FRAGMENT,
	VIOLATIONS
};

/* An NS or NA from the peer, wrong in one way. */
static struct rte_mbuf *wrong(uint8_t type, int how)
{
	uint8_t buf[8 + 32] = {[8] = type};
	const struct a6 dst = type == ICMP6_NEIGHBOR_SOLICIT ? group_of(OUR6) : OUR6;
	struct a6 target = type == ICMP6_NEIGHBOR_SOLICIT ? OUR6 : PEER6;
	uint8_t *msg = buf + 8, *option = msg + 24;
	size_t len = how == SHORT ? 23 : 32;
	uint16_t sum;

	if (how == GROUP_TARGET)
		target = group_of(target);
	if (how == CODE)
		msg[1] = 1;
	if (type == ICMP6_NEIGHBOR_ADVERT)
		msg[4] = ND_SOLICITED | ND_OVERRIDE;
	memcpy(msg + 8, &target, 16);
	option[0] = type == ICMP6_NEIGHBOR_SOLICIT ? ND_OPT_SOURCE_MAC : ND_OPT_TARGET_MAC;
	if (how == OTHER_ZERO || how == OTHER_LONG)
		option[0] = 99;
	option[1] = how == OPTION_ZERO || how == OTHER_ZERO   ? 0
		    : how == OPTION_LONG || how == OTHER_LONG ? 2
							      : 1;
	memcpy(option + 2, peer_mac, 6);
	option[2] |= how == GROUP_MAC;
	sum = sum_finish(
		sum_partial(msg, len, sum_pseudo6(PEER6.a, dst.a, IP_PROTO_ICMPV6, (uint32_t)len)));
	memcpy(msg + 2, &sum, sizeof(sum));
	if (how == SUM)
		msg[2] ^= 1;
	if (how == FRAGMENT) {
		buf[0] = IP_PROTO_ICMPV6; /* offset 0, and no more */
		return kit6_ip(PEER6, dst, IP6_NEXT_FRAGMENT, 255, buf, 8 + len);
	}
	return kit6_ip(PEER6, dst, IP_PROTO_ICMPV6, how == HOPS ? 254 : 255, msg, len);
}

static void ignored(struct kit *k, struct rte_mbuf *m, uint32_t nth)
{
	assert_null(kit_in(k, m));
	assert_int_equal(k->n_out, 0);
	assert_int_equal(kit_ctr(k, CTR_RX_ND_BAD) + kit_ctr(k, CTR_RX_ICMP_BAD), nth);
	assert_int_equal(k->net.paths[kit6_path(k, PEER6)].state, NET_PATH_INCOMPLETE);
}

static void L2_08_what_fails_a_check_is_ignored(void **state)
{
	static const uint8_t types[] = {ICMP6_NEIGHBOR_SOLICIT, ICMP6_NEIGHBOR_ADVERT};
	uint32_t nth = 0;
	struct kit k;

	kit6_conf(&k);
	kit_start(&k);
	for (size_t t = 0; t < ARRAY_SIZE(types); t++)
		for (int how = 0; how < VIOLATIONS; how++)
			ignored(&k, wrong(types[t], how), ++nth);
	ignored(&k, kit6_ns(NONE6, group_of(OUR6), OUR6, peer_mac), ++nth);
	ignored(&k, kit6_ns(NONE6, OUR6, OUR6, NULL), ++nth);
	ignored(&k, kit6_na(PEER6, ALL_NODES6, PEER6, ND_SOLICITED | ND_OVERRIDE, peer_mac), ++nth);
	ignored(&k, kit6_na(NONE6, ALL_NODES6, PEER6, ND_OVERRIDE, peer_mac), ++nth);
	/* Nothing wrong. */
	assert_null(kit_in(&k, wrong(ICMP6_NEIGHBOR_SOLICIT, VIOLATIONS)));
	assert_int_equal(k.n_out, 1);
	assert_null(kit_in(&k, wrong(ICMP6_NEIGHBOR_ADVERT, VIOLATIONS)));
	assert_true(net_path_ready(&k.net, kit6_path(&k, PEER6)));
	kit_stop(&k);
}

/* ---- L2-09, L2-10 ---- */

enum nud { INCOMPLETE, STALE, REACHABLE, DELAY, PROBE, NUD_STATES };

static void solicit(struct kit *k, const uint8_t *mac)
{
	kit_in(k, kit6_ns(PEER6, OUR6, OUR6, mac));
	kit_out_clear(k);
}

static void send(struct kit *k, int32_t i)
{
	net_hold(&k->net, i, held(), k->now);
}

static int32_t bring_to(struct kit *k, enum nud state)
{
	int32_t i = kit6_path(k, PEER6);

	net_path_get(&k->net, i);
	if (state == REACHABLE)
		kit_in(k, kit6_na(PEER6, OUR6, PEER6, ND_SOLICITED | ND_OVERRIDE, peer_mac));
	if (state == STALE || state == DELAY || state == PROBE)
		solicit(k, peer_mac);
	if (state == DELAY || state == PROBE)
		send(k, i);
	if (state == PROBE)
		kit_run(k, k->now + 5 * SEC);
	kit_out_clear(k);
	return i;
}

/* What state i is in, by what it does next: which ends it. */
static enum nud state_of(struct kit *k, int32_t i)
{
	if (k->net.paths[i].state == NET_PATH_INCOMPLETE)
		return INCOMPLETE;
	if (k->net.paths[i].state == NET_PATH_STALE)
		return STALE;
	kit_out_clear(k);
	kit_run(k, k->now + SEC);
	if (k->n_out)
		return PROBE;
	kit_run(k, k->now + 5 * SEC);
	return k->n_out ? DELAY : REACHABLE;
}

static void advertise(enum nud was, bool override, bool solicited, bool other)
{
	const uint8_t flags = (override ? ND_OVERRIDE : 0) | (solicited ? ND_SOLICITED : 0);
	const uint8_t *mac = other ? other_mac : peer_mac;
	enum nud want = was;
	bool taken = true;
	struct kit k;
	int32_t i;

	kit6_conf(&k);
	kit_start(&k);
	i = bring_to(&k, was);
	assert_int_equal(kit_ctr(&k, CTR_ND_ADVERTS_RX), was == REACHABLE);
	kit_in(&k, kit6_na(PEER6, OUR6, PEER6, flags, mac));
	if (was == INCOMPLETE) {
		want = solicited ? REACHABLE : STALE;
	} else if (other && !override) {
		taken = false;
		want = was == REACHABLE ? STALE : was;
	} else if (solicited) {
		want = REACHABLE;
	} else if (other) {
		want = STALE;
	}
	assert_memory_equal(k.net.paths[i].l2, taken ? mac : peer_mac, 6);
	assert_int_equal(state_of(&k, i), want);
	kit_stop(&k);
}

static void L2_09_what_an_advertisement_does(void **state)
{
	struct kit k;

	for (int was = 0; was < NUD_STATES; was++)
		for (int bits = 0; bits < 8; bits++)
			advertise(was, bits & 1, bits & 2, bits & 4);
	/* Of whom nothing was to be known, nothing is learnt. */
	kit6_conf(&k);
	kit_start(&k);
	kit_in(&k, kit6_na(PEER6, OUR6, PEER6, ND_SOLICITED | ND_OVERRIDE, peer_mac));
	assert_int_equal(kit_ctr(&k, CTR_RX_ND_IGNORED), 1);
	assert_int_equal(k.net.paths[kit6_path(&k, PEER6)].state, NET_PATH_INCOMPLETE);
	/* An answer that does not say where. */
	kit_in(&k, kit6_na(PEER6, OUR6, PEER6, ND_SOLICITED | ND_OVERRIDE, NULL));
	assert_int_equal(k.net.paths[kit6_path(&k, PEER6)].state, NET_PATH_INCOMPLETE);
	kit_stop(&k);
}

/* A known neighbour's advertisement need not say where it is. */
static void L2_09_without_an_address(void **state)
{
	struct kit k;
	int32_t i;

	kit6_conf(&k);
	kit_start(&k);
	i = bring_to(&k, PROBE);
	kit_in(&k, kit6_na(PEER6, OUR6, PEER6, ND_SOLICITED, NULL));
	assert_memory_equal(k.net.paths[i].l2, peer_mac, 6);
	assert_int_equal(state_of(&k, i), REACHABLE);
	kit_stop(&k);
}

/* RFC 4861 section 7.2.3. */
static void a_solicitation_tells_of_its_source(void **state)
{
	for (int was = 0; was < NUD_STATES; was++)
		for (int other = 0; other < 2; other++) {
			const uint8_t *mac = other ? other_mac : peer_mac;
			struct kit k;
			int32_t i;

			kit6_conf(&k);
			kit_start(&k);
			i = bring_to(&k, was);
			solicit(&k, mac);
			assert_memory_equal(k.net.paths[i].l2, mac, 6);
			assert_int_equal(state_of(&k, i), was == INCOMPLETE || other ? STALE : was);
			kit_stop(&k);
		}
}

static void expect_probe(struct kit *k, uint32_t nth, uint64_t at)
{
	kit_run(k, at - 1);
	assert_int_equal(k->n_out, nth);
	kit_run(k, at);
	assert_int_equal(k->n_out, nth + 1);
	kit6_expect_ns(k, nth, OUR6, PEER6, PEER6);
	assert_memory_equal(kit6_sent(k, nth).eth_dst, peer_mac, 6);
}

static void L2_10_a_silent_neighbour_is_given_up(void **state)
{
	struct kit k;
	uint64_t first;
	int32_t i;

	kit6_conf(&k);
	kit_start(&k);
	i = bring_to(&k, REACHABLE);
	kit_run(&k, T0 + 30 * SEC - 1);
	assert_true(net_path_ready(&k.net, i));
	kit_run(&k, T0 + 30 * SEC);
	assert_int_equal(k.net.paths[i].state, NET_PATH_STALE);
	kit_run(&k, T0 + 300 * SEC); /* as long as nobody sends */
	assert_int_equal(k.n_out, 0);
	first = k.now;
	send(&k, i); /* at once, to where it was */
	send(&k, i);
	assert_true(net_path_ready(&k.net, i));
	assert_int_equal(k.n_out, 2);
	assert_memory_equal(rte_pktmbuf_mtod(k.out[0], uint8_t *), peer_mac, 6);
	for (uint32_t nth = 0; nth < 3; nth++)
		expect_probe(&k, 2 + nth, first + (5 + nth) * SEC);
	kit_run(&k, first + 8 * SEC - 1);
	assert_true(net_path_ready(&k.net, i));
	kit_run(&k, first + 8 * SEC);
	assert_int_equal(k.net.paths[i].state, NET_PATH_INCOMPLETE);
	kit_run(&k, first + 100 * SEC);
	assert_int_equal(k.n_out, 5);
	kit_stop(&k);
}

/* A packet and its acknowledgement, each 100 ms. */
static void L2_10_a_transfer_asks_nobody(void **state)
{
	struct kit k;
	int32_t i;

	kit6_conf(&k);
	kit_start(&k);
	i = bring_to(&k, STALE);
	for (int n = 0; n < 3000; n++) {
		if (!net_path_ready(&k.net, i))
			send(&k, i);
		net_confirm(&k.net, i, (uint32_t)(k.now / US_PER_MS));
		kit_run(&k, k.now + SEC / 10);
	}
	assert_int_equal(k.n_out, 1); /* the packet that began it */
	assert_true(net_path_ready(&k.net, i));
	/* What was confirmed last holds for 30 s, and up to a second. */
	kit_run(&k, k.now + 29 * SEC);
	assert_true(net_path_ready(&k.net, i));
	kit_run(&k, k.now + 2 * SEC);
	assert_int_equal(k.net.paths[i].state, NET_PATH_STALE);
	/* One that was confirmed since is not asked. */
	kit_run(&k, k.now + 60 * SEC);
	net_confirm(&k.net, i, (uint32_t)(k.now / US_PER_MS));
	kit_run(&k, k.now + 10 * SEC);
	send(&k, i);
	assert_int_equal(k.n_out, 2);
	assert_int_equal(state_of(&k, i), REACHABLE);
	kit_stop(&k);
	/* But what was confirmed before it became doubtful does not count. */
	kit6_conf(&k);
	kit_start(&k);
	i = bring_to(&k, REACHABLE);
	kit_in(&k, kit6_na(PEER6, OUR6, PEER6, ND_SOLICITED, other_mac));
	assert_int_equal(k.net.paths[i].state, NET_PATH_STALE);
	send(&k, i);
	assert_int_equal(state_of(&k, i), DELAY);
	kit_stop(&k);
}

static void L2_10_confirmed_while_doubted(void **state)
{
	for (int was = DELAY; was <= PROBE; was++) {
		struct kit k;
		int32_t i;

		kit6_conf(&k);
		kit_start(&k);
		i = bring_to(&k, was);
		net_confirm(&k.net, i, (uint32_t)(k.now / US_PER_MS) + 1);
		kit_run(&k, k.now + 5 * SEC);
		assert_int_equal(k.n_out, 0);
		assert_int_equal(state_of(&k, i), REACHABLE);
		kit_stop(&k);
	}
}

/* The transport has had no answer for long. */
static void doubt(void **state)
{
	struct kit k;
	int32_t i;

	kit6_conf(&k);
	kit_start(&k);
	i = bring_to(&k, REACHABLE);
	kit_run(&k, k.now + 3 * SEC);
	net_advise(&k.net, i, k.now);
	assert_int_equal(k.n_out, 1);
	kit6_expect_ns(&k, 0, OUR6, PEER6, PEER6);
	kit_in(&k, kit6_na(PEER6, OUR6, PEER6, ND_SOLICITED, peer_mac));
	kit_run(&k, k.now + 29 * SEC);
	assert_int_equal(k.n_out, 1);
	/* What was known before is no answer. */
	net_advise(&k.net, i, k.now);
	kit_run(&k, k.now + 3 * SEC);
	assert_int_equal(k.n_out, 4);
	assert_int_equal(k.net.paths[i].state, NET_PATH_INCOMPLETE);
	kit_stop(&k);
}

/*
 * The MAC address is another, and is taken; what was under way to the one before is confirmed, and then nothing is. It is
 * asked when it was to be, and not 30 s later: the transport doubts but once.
 */
static void doubt_in_delay(void **state)
{
	struct kit k;
	int32_t i;

	kit6_conf(&k);
	kit_start(&k);
	i = bring_to(&k, DELAY);
	net_confirm(&k.net, i, (uint32_t)(k.now / US_PER_MS) + 1);
	kit_run(&k, k.now + SEC);
	net_advise(&k.net, i, k.now);
	assert_int_equal(k.n_out, 0);
	kit_run(&k, k.now + 4 * SEC);
	assert_int_equal(k.n_out, 1);
	kit6_expect_ns(&k, 0, OUR6, PEER6, PEER6);
	kit_run(&k, k.now + 3 * SEC);
	assert_int_equal(k.net.paths[i].state, NET_PATH_INCOMPLETE);
	kit_stop(&k);
}

/* ---- L2-18 ---- */

static void L2_18_a_flood_evicts_what_is_unused(void **state)
{
	struct kit k;
	int32_t i, gate;

	kit6_conf(&k);
	kit_start(&k);
	i = bring_to(&k, REACHABLE);
	gate = kit6_path(&k, FAR6);
	assert_memory_equal(k.net.paths[gate].next_hop, GATE6.a, 16);
	for (uint32_t n = 1; n <= 100000; n++) {
		struct a6 from = PEER6;

		store_be32(from.a + 8, n);
		kit_in(&k, kit6_ns(from, OUR6, OUR6, other_mac));
		kit_out_clear(&k);
	}
	assert_int_equal(kit_ctr(&k, CTR_NEIGHBOR_EVICTED), 100000 - (64 - 2));
	assert_int_equal(kit6_path(&k, PEER6), i);
	assert_int_equal(kit6_path(&k, FAR6), gate);
	assert_memory_equal(k.net.paths[i].l2, peer_mac, 6);
	assert_true(net_path_ready(&k.net, i));
	kit_stop(&k);
}

/* A port that reflects neither asks nor learns, and answers. */
static void reflection(void **state)
{
	struct kit k;
	int32_t i, j;

	kit6_conf(&k);
	k.ports[0].neighbor = NET_REFLECT;
	kit_start(&k);
	i = kit6_path(&k, PEER6);
	assert_int_equal(k.net.paths[i].state, NET_PATH_REFLECT);
	assert_int_equal(load_be16(k.net.paths[i].l2 + 12), ETH_TYPE_IP6);
	j = kit6_path(&k, FAR6);
	assert_int_equal(i, j);
	kit_in(&k, kit6_ns(PEER6, OUR6, OUR6, other_mac));
	assert_int_equal(k.n_out, 1);
	assert_memory_equal(k.net.paths[i].l2, peer_mac, 6);
	kit_stop(&k);
}

/*
 * What is no address of a host names no neighbour. A target of :: or ::ffff:0:0 is what the entries of REFLECT are found
 * by, of either family: the one that was found last would be another's. IPv4's neighbours are ARP's.
 */
static void an_advertisement_names_a_host(void **state)
{
	static const struct a6 hop4 = {{[10] = 0xff, [11] = 0xff}};
	struct a6 peer4;
	struct kit k;
	int32_t i;

	for (int how = 0; how < 3; how++) {
		const struct a6 *target = how == 0 ? &NONE6 : how == 1 ? &hop4 : &peer4;

		kit6_conf(&k);
		k.addrs[2] = (struct net_addr_conf){.port = 0, .prefix = 24};
		address_from_v4(k.addrs[2].addr, OUR);
		address_from_v4(peer4.a, PEER);
		k.conf.n_addrs = 3;
		k.ports[0].neighbor = how == 2 ? NET_RESOLVE : NET_REFLECT;
		kit_start(&k);
		if (how == 2)
			kit_in(&k, kit_arp(ARP_OP_REQUEST, peer_mac, PEER, OUR));
		for (int twice = 0; twice < 2; twice++) /* then it is the one that was found last */
			i = how ? net_path_for(&k.net, 0, 2, peer4.a, peer_mac, k.now) : kit6_path(&k, PEER6);
		assert_int_equal(k.net.paths[i].state, how == 2 ? NET_PATH_RESOLVED : NET_PATH_REFLECT);
		kit_in(&k, kit6_na(PEER6, OUR6, *target, ND_SOLICITED | ND_OVERRIDE, other_mac));
		assert_int_equal(k.net.paths[i].state, how == 2 ? NET_PATH_RESOLVED : NET_PATH_REFLECT);
		assert_memory_equal(k.net.paths[i].l2, peer_mac, 6);
		assert_int_equal(kit_ctr(&k, CTR_RX_ND_BAD), 1);
		kit_stop(&k);
	}
}

/* What another worker hears, and tells. */
static struct net_news told;
static unsigned int n_told;

static bool tell(void *arg, const struct net_news *news)
{
	told = *news;
	n_told++;
	return true;
}

static void workers_tell_each_other(void **state)
{
	struct kit k, other;
	int32_t i;

	kit6_conf(&k);
	k.conf.tell = tell;
	kit_start(&k);
	n_told = 0;
	kit_in(&k, kit6_ns(PEER6, OUR6, OUR6, peer_mac));
	assert_int_equal(n_told, 1);
	kit6_conf(&other);
	kit_start(&other);
	net_hear(&other.net, &told, other.now);
	i = kit6_path(&other, PEER6);
	assert_int_equal(other.net.paths[i].state, NET_PATH_STALE);
	assert_memory_equal(other.net.paths[i].l2, peer_mac, 6);
	kit_in(&k, kit6_na(PEER6, OUR6, PEER6, ND_SOLICITED | ND_OVERRIDE, other_mac));
	assert_int_equal(n_told, 2);
	net_hear(&other.net, &told, other.now);
	assert_memory_equal(other.net.paths[i].l2, other_mac, 6);
	assert_int_equal(state_of(&other, i), REACHABLE);
	net_fini(&other.net);
	kit_out_clear(&other);
	free(other.mem);
	kit_stop(&k);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(L2_07_solicitations_are_answered),
		cmocka_unit_test(resolution),
		cmocka_unit_test(L2_08_what_fails_a_check_is_ignored),
		cmocka_unit_test(L2_09_what_an_advertisement_does),
		cmocka_unit_test(L2_09_without_an_address),
		cmocka_unit_test(a_solicitation_tells_of_its_source),
		cmocka_unit_test(L2_10_a_silent_neighbour_is_given_up),
		cmocka_unit_test(L2_10_a_transfer_asks_nobody),
		cmocka_unit_test(L2_10_confirmed_while_doubted),
		cmocka_unit_test(doubt),
		cmocka_unit_test(doubt_in_delay),
		cmocka_unit_test(L2_18_a_flood_evicts_what_is_unused),
		cmocka_unit_test(reflection),
		cmocka_unit_test(an_advertisement_names_a_host),
		cmocka_unit_test(workers_tell_each_other),
	};

	if (kit_main(argc, argv))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
