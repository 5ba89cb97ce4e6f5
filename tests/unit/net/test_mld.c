/* Multicast listener reports in answer to queries (RFC 3810). */
#include "kit6.h"

static const struct a6 routers = {{0xff, 2, [15] = 0x16}};

enum wrong { NOTHING, HOPS, SOURCE, NO_ALERT, LENGTH, SUM };

/* A query for group, or :: for all, from a router. */
static struct rte_mbuf *query_with(struct a6 group, uint16_t max_delay, bool v1, enum wrong how)
{
	static const uint8_t alert[8] = {IP_PROTO_ICMPV6, 0, IP6_OPT_ROUTER_ALERT, 2, 0, 0,
					 IP6_OPT_PADN,	  0};
	const struct a6 src = how == SOURCE ? PEER6 : GATE6,
			dst = ip6_is_unspecified(group.a) ? ALL_NODES6 : group;
	struct mld_query q = {.type = ICMP6_MLD_QUERY, .max_delay = be16(max_delay)};
	size_t len = (v1 ? MLD_QUERY_V1_LEN : MLD_QUERY_LEN) - (how == LENGTH ? 1 : 0);
	uint8_t buf[8 + sizeof(q)];

	memcpy(q.group, &group, 16);
	q.cksum = sum_finish(
		sum_partial(&q, len, sum_pseudo6(src.a, dst.a, IP_PROTO_ICMPV6, (uint32_t)len)));
	q.cksum ^= how == SUM;
	memcpy(buf, alert, 8);
	if (how == NO_ALERT)
		memcpy(buf + 2, (const uint8_t[]){IP6_OPT_PADN, 4, 0, 0, 0, 0}, 6);
	memcpy(buf + 8, &q, len);
	return kit6_ip(src, dst, IP6_NEXT_HOP_BY_HOP, how == HOPS ? 2 : 1, buf, 8 + len);
}

static struct rte_mbuf *query(struct a6 group, uint16_t max_delay)
{
	return query_with(group, max_delay, false, NOTHING);
}

/* A report of n groups; record i's. */
static struct sent6 report(const struct kit *k, uint32_t i, unsigned int n)
{
	struct sent6 s = kit6_sent(k, i);

	assert_int_equal(s.type, ICMP6_MLD_REPORT);
	assert_int_equal(s.hops, 1);
	assert_memory_equal(&s.src, &OUR_LL6, 16);
	assert_memory_equal(&s.dst, &routers, 16);
	assert_int_equal(load_be16(s.msg + 6), n);
	assert_int_equal(s.len, 8 + 20 * n);
	return s;
}

static void expect_record(struct sent6 s, unsigned int i, struct a6 group)
{
	assert_int_equal(s.msg[8 + 20 * i], MLD_IS_EXCLUDE);
	assert_int_equal(load_be16(s.msg + 8 + 20 * i + 2), 0);
	assert_memory_equal(s.msg + 8 + 20 * i + 4, &group, 16);
}

static void start(struct kit *k)
{
	kit6_conf(k);
	kit_start(k);
}

static void all_groups_within_the_delay(void **state)
{
	bool early = false;
	struct sent6 s;
	struct kit k;

	start(&k);
	for (int n = 0; n < 20; n++) {
		kit_in(&k, query(NONE6, 1000));
		kit_run(&k, k.now + SEC / 2);
		early |= k.n_out;
		kit_run(&k, k.now + SEC / 2);
		assert_int_equal(k.n_out, 1);
		s = report(&k, 0, 2);
		expect_record(s, 0, group_of(OUR6));
		expect_record(s, 1, group_of(OUR_LL6));
		kit_out_clear(&k);
		kit_run(&k, k.now + 10 * SEC);
		assert_int_equal(k.n_out, 0);
	}
	assert_true(early); /* not all at the end */
	assert_int_equal(kit_ctr(&k, CTR_MLD_QUERIES_RX), 20);
	/* 0x8800: 8 times 4096 + 2048, in ms */
	kit_in(&k, query(NONE6, 0x8800));
	kit_run(&k, k.now + 49152 * US_PER_MS);
	assert_int_equal(k.n_out, 1);
	kit_stop(&k);
}

static void one_group(void **state)
{
	struct kit k;

	start(&k);
	kit_in(&k, query(group_of(OUR6), 1000));
	kit_run(&k, k.now + SEC);
	assert_int_equal(k.n_out, 1);
	expect_record(report(&k, 0, 1), 0, group_of(OUR6));
	kit_out_clear(&k);
	kit_in(&k, query(group_of(OTHER6), 1000));
	assert_int_equal(kit_ctr(&k, CTR_RX_ICMP_IGNORED), 1);
	kit_run(&k, k.now + 10 * SEC);
	assert_int_equal(k.n_out, 0);
	kit_stop(&k);
}

/* However many ask, one answer is pending; and it comes in time for each. */
static void questions_share_an_answer(void **state)
{
	struct kit k;

	start(&k);
	for (int n = 0; n < 1000; n++)
		kit_in(&k, query(n % 3 ? group_of(n & 1 ? OUR6 : OUR_LL6) : NONE6, 10000));
	kit_in(&k, query(group_of(OUR6), 0));
	kit_run(&k, k.now);
	assert_int_equal(k.n_out, 1);
	report(&k, 0, 2);
	kit_run(&k, k.now + 60 * SEC);
	assert_int_equal(k.n_out, 1);
	kit_stop(&k);
}

/* By a packet for each group, to the group. */
static void version_1_is_answered_by_version_1(void **state)
{
	const struct a6 own[] = {OUR6, OUR_LL6};
	struct kit k;

	start(&k);
	for (int all = 0; all < 2; all++) {
		kit_in(&k, query_with(all ? NONE6 : group_of(OUR6), 1000, true, NOTHING));
		if (all)
			kit_in(&k, query(NONE6, 1000)); /* who knows more gets no more */
		kit_run(&k, k.now + SEC);
		assert_int_equal(k.n_out, 1 + all);
		for (int i = 0; i <= all; i++) {
			struct sent6 s = kit6_sent(&k, i);
			struct a6 group = group_of(own[i]);

			assert_int_equal(s.type, ICMP6_MLD_REPORT_V1);
			assert_int_equal(s.hops, 1);
			assert_int_equal(s.len, 24);
			assert_memory_equal(&s.src, &OUR_LL6, 16);
			assert_memory_equal(&s.dst, &group, 16);
			assert_memory_equal(s.msg + 8, &group, 16);
		}
		kit_out_clear(&k);
	}
	kit_in(&k, query(NONE6, 1000));
	kit_run(&k, k.now + SEC);
	assert_int_equal(k.n_out, 1);
	report(&k, 0, 2);
	kit_stop(&k);
}

static void invalid_ones_are_ignored(void **state)
{
	struct kit k;

	start(&k);
	for (enum wrong how = HOPS; how <= SUM; how++) {
		kit_in(&k, query_with(NONE6, 0, false, how));
		assert_int_equal(kit_ctr(&k, CTR_RX_ICMP_BAD), how);
	}
	kit_in(&k, kit6_icmp(GATE6, ALL_NODES6, 1, ICMP6_MLD_QUERY, 0, (const uint8_t[24]){0}, 24));
	assert_int_equal(kit_ctr(&k, CTR_RX_ICMP_BAD), SUM + 1);
	kit_run(&k, k.now + 60 * SEC);
	assert_int_equal(k.n_out, 0);
	kit_stop(&k);
}

/* Each group once, in packets that fit. */
static void many_groups(void **state)
{
	enum { N = 2500 };
	struct net_addr_conf *addrs = calloc(N + 1, sizeof(*addrs));
	bool seen[N] = {false};
	unsigned int records = 0;
	struct kit k;

	assert_non_null(addrs);
	kit6_conf(&k);
	for (uint32_t i = 0; i < N; i++) {
		struct a6 a = a6_of((uint16_t)(0x1000 + i));

		addrs[i] = (struct net_addr_conf){.port = 0, .prefix = 64};
		ip6_copy(addrs[i].addr, a.a);
	}
	addrs[N] = k.addrs[1];
	k.conf.addrs = addrs;
	k.conf.n_addrs = N + 1;
	kit_start(&k);
	kit_in(&k, query(NONE6, 1));
	kit_run(&k, k.now + SEC);
	assert_true(k.n_out <= (N + 1) / 61 + 3);
	for (uint32_t i = 0; i < k.n_out; i++) {
		struct sent6 s = kit6_sent(&k, i);
		unsigned int n = load_be16(s.msg + 6);

		assert_int_equal(s.len, 8 + 20 * n);
		assert_true(k.out[i]->pkt_len <= ETH_HDR_LEN + IP6_MTU_MIN);
		for (unsigned int r = 0; r < n; r++, records++) {
			unsigned int at = load_be16(s.msg + 8 + 20 * r + 18) - 0x1000u;

			if (at < N) {
				assert_false(seen[at]);
				seen[at] = true;
			}
		}
	}
	assert_int_equal(records, N + 1);
	kit_stop(&k);
	free(addrs);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_groups_within_the_delay),
		cmocka_unit_test(one_group),
		cmocka_unit_test(questions_share_an_answer),
		cmocka_unit_test(version_1_is_answered_by_version_1),
		cmocka_unit_test(invalid_ones_are_ignored),
		cmocka_unit_test(many_groups),
	};

	if (kit_main(argc, argv))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
