/* The cache of path MTUs, and IPv4 identifications. */
#include "net_kit.h"

#define ENTRIES 256
#define AGE     (600 * SEC)

static void remote_of(uint8_t to[16], uint32_t i)
{
	kit_map(to, be32(0x0a000000 + i));
}

static void PMT_11_a_million_reports(void **state)
{
	struct net_pmtu p = { .mtu = 1400 }, got;
	uint8_t to[16];
	struct kit k;

	kit_conf(&k);
	k.conf.pmtu_entries = ENTRIES;
	kit_start(&k);
	for (uint32_t i = 0; i < 1000000; i++) {
		remote_of(to, i);
		p.mtu = (uint16_t)(600 + i % 800);
		net_pmtu_learn(&k.net, i % 2, to, &p, k.now + i, AGE);
		assert_true(net_pmtu_find(&k.net, i % 2, to, k.now + i, AGE, &got));
		assert_int_equal(got.mtu, p.mtu);
	}
	assert_int_equal(net_pmtu_count(&k.net), ENTRIES);
	assert_int_equal(kit_ctr(&k, CTR_PMTU_EVICTED), 1000000 - ENTRIES);
	/* The key is both addresses. */
	assert_false(net_pmtu_find(&k.net, 0, to, k.now + 999999, AGE, &got));
	kit_stop(&k);
}

static void ages_and_never_raises(void **state)
{
	struct net_pmtu low = { .mtu = 1000 }, high = { .mtu = 1400 }, got;
	uint8_t to[16];
	struct kit k;

	kit_conf(&k);
	k.conf.pmtu_entries = ENTRIES;
	kit_start(&k);
	remote_of(to, 1);
	net_pmtu_learn(&k.net, 0, to, &low, k.now, AGE);
	net_pmtu_learn(&k.net, 0, to, &high, k.now + SEC, AGE);
	assert_true(net_pmtu_find(&k.net, 0, to, k.now + AGE - SEC, AGE, &got));
	assert_int_equal(got.mtu, 1000);
	assert_false(net_pmtu_find(&k.net, 0, to, k.now + AGE, AGE, &got));
	net_pmtu_learn(&k.net, 0, to, &high, k.now + AGE, AGE);
	assert_true(net_pmtu_find(&k.net, 0, to, k.now + AGE, AGE, &got));
	assert_int_equal(got.mtu, 1400);
	kit_stop(&k);
}

static void PMT_04_next_lower_plateau(void **state)
{
	static const uint16_t p[] = { 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68 };
	uint32_t len = 65535;

	for (size_t i = 0; i < ARRAY_SIZE(p); len = p[i++])
		assert_int_equal(net_pmtu_plateau(len), p[i]);
	assert_int_equal(net_pmtu_plateau(68), 68);
	assert_int_equal(net_pmtu_plateau(1500), 1492);
}

/* As many as can be had, for ten minutes: none within two minutes of its like, on two workers. */
static void IP_05_no_id_twice_in_two_minutes(void **state)
{
	static uint64_t last[65536];
	uint8_t to[16];
	uint16_t id;

	memset(last, 0, sizeof(last));
	remote_of(to, 7);
	for (uint16_t w = 0; w < 2; w++) {
		uint32_t n = 0;
		struct kit k;

		kit_conf(&k);
		k.conf.worker = w;
		k.conf.workers = 2;
		kit_start(&k);
		for (uint64_t t = T0; t < T0 + 600 * SEC; t += 1000) {
			if (!net_ip_id(&k.net, 0, to, t, &id))
				continue;
			n++;
			assert_true(!last[id] || (t > last[id] && t - last[id] >= 120 * SEC));
			last[id] = t;
		}
		assert_true(n > 100000);
		assert_int_equal(kit_ctr(&k, CTR_IP_ID_SPENT), 600000 - n);
		kit_stop(&k);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(PMT_11_a_million_reports),
		cmocka_unit_test(ages_and_never_raises),
		cmocka_unit_test(PMT_04_next_lower_plateau),
		cmocka_unit_test(IP_05_no_id_twice_in_two_minutes),
	};

	if (kit_main(argc, argv))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
