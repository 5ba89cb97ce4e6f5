/* Reassembly: IP-06, IP-07, IP-08, IP-11. */
#include "net_kit.h"

#define PROTO 200

static uint8_t data[2000];

/* Bytes [from, to) of data, as a fragment with more to come unless last. */
static struct rte_mbuf *piece(struct kit *k, uint32_t src, uint16_t id, uint32_t from, uint32_t to,
			      bool last, uint8_t tos)
{
	return kit_in(k, kit_ip(src, OUR, PROTO, id, (uint16_t)(from / 8) | (last ? 0 : IP4_MF), tos,
				data + from, to - from));
}

static void whole(struct kit *k, struct rte_mbuf *m, uint32_t len)
{
	uint8_t buf[2000];
	const struct ip4_hdr *ip;
	struct pkt_facts f;

	assert_non_null(m);
	ip = rte_pktmbuf_mtod_offset(m, const struct ip4_hdr *, 14);
	assert_int_equal(ip->frag, 0);
	assert_int_equal(be16(ip->total_len), 20 + len);
	assert_int_equal(sum_fold(sum_header(ip, 20)), 0xffff);
	assert_int_equal(m->pkt_len, 34 + len);
	rte_mbuf_sanity_check(m, 1);
	assert_memory_equal(rte_pktmbuf_read(m, 34, len, buf), data, len);
	pkt_parse_one(m, &f, 0, &k->pp[0]);
	assert_int_equal(f.kind, PKT_OTHER);
	assert_int_equal(f.l4_len, len);
	rte_pktmbuf_free(m);
}

static void start(struct kit *k)
{
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i ^ i >> 8);
	kit_conf(k);
	kit_start(k);
}

static void any_order(void **state)
{
	static const uint8_t cut[] = { 0, 8, 16, 40, 48, 53 }; /* five fragments */
	struct kit k;
	uint16_t id = 0;

	start(&k);
	for (int p = 0; p < 3125; p++) { /* all sequences of five digits; permutations are used */
		int order[5], seen = 0, rest = p;
		struct rte_mbuf *m = NULL;

		for (int i = 0; i < 5; i++, rest /= 5) {
			order[i] = rest % 5;
			seen |= 1 << order[i];
		}
		if (seen != 31)
			continue;
		id++;
		for (int i = 0; i < 5; i++) {
			assert_null(m);
			m = piece(&k, PEER, id, cut[order[i]], cut[order[i] + 1], order[i] == 4, 0);
		}
		whole(&k, m, 53);
	}
	assert_int_equal(kit_ctr(&k, CTR_RX_REASSEMBLED), 120);
	assert_int_equal(kit_ctr(&k, CTR_RX_FRAGMENTS), 600);
	assert_true(net_next(&k.net) == UINT64_MAX);
	kit_stop(&k);
}

/* A TCP segment of eight bytes a fragment, its options beyond the first. */
static void tcp_header_split(void **state)
{
	uint8_t seg[40] = { 0x10, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0xa0, 2, 0xff, 0xff };
	struct pkt_facts f;
	struct rte_mbuf *m = NULL;
	struct kit k;

	start(&k);
	memset(seg + 20, 1, 20);
	memcpy(seg + 32, (uint8_t[]){ 2, 4, 5, 0xb4 }, 4);
	store_be16(seg + 16, 0);
	memcpy(seg + 16, &(uint16_t){ sum_finish(sum_add(sum_pseudo4(PEER, OUR, 6, 40),
							 sum_partial(seg, 40, 0))) }, 2);
	for (int i = 4; i >= 0; i--) {
		assert_null(m);
		m = kit_in(&k, kit_ip(PEER, OUR, 6, 3, (uint16_t)i | (i < 4 ? IP4_MF : 0), 0,
				      seg + 8 * i, 8));
	}
	assert_non_null(m);
	pkt_parse_one(m, &f, 0, &k.pp[0]);
	assert_int_equal(f.kind, PKT_TCP);
	assert_int_equal(f.mss, 1460);
	rte_pktmbuf_free(m);
	kit_stop(&k);
}

static void IP_08_overlap_discards(void **state)
{
	struct kit k;

	start(&k);
	for (int order = 0; order < 2; order++) {
		uint16_t id = (uint16_t)(10 + order);

		if (order == 0)
			assert_null(piece(&k, PEER, id, 0, 16, false, 0));
		assert_null(piece(&k, PEER, id, 8, 24, false, 0));
		if (order == 1)
			assert_null(piece(&k, PEER, id, 0, 16, false, 0));
		assert_null(piece(&k, PEER, id, 24, 30, true, 0));
		/* Even what would now complete it. */
		assert_null(piece(&k, PEER, id, 0, 16, false, 0));
		assert_null(piece(&k, PEER, id, 16, 24, false, 0));
		assert_null(piece(&k, PEER, id, 24, 30, true, 0));
	}
	assert_int_equal(kit_ctr(&k, CTR_RX_FRAG_BAD), 12);
	kit_run(&k, k.now + 61 * SEC);
	assert_int_equal(k.n_out, 0); /* silently */
	whole(&k, (piece(&k, PEER, 10, 0, 16, false, 0), piece(&k, PEER, 10, 16, 30, true, 0)), 30);
	kit_stop(&k);
}

static void IP_08_duplicates(void **state)
{
	struct kit k;

	start(&k);
	assert_null(piece(&k, PEER, 1, 0, 16, false, 0));
	assert_null(piece(&k, PEER, 1, 0, 16, false, 0));
	assert_null(piece(&k, PEER, 1, 32, 40, true, 0));
	assert_null(piece(&k, PEER, 1, 32, 40, true, 0));
	whole(&k, piece(&k, PEER, 1, 16, 32, false, 0), 40);
	assert_int_equal(kit_ctr(&k, CTR_RX_FRAG_DUP), 2);
	kit_stop(&k);
}

static void keys_differ(void **state)
{
	struct kit k;

	start(&k);
	assert_null(piece(&k, PEER, 1, 0, 16, false, 0));
	assert_null(piece(&k, OTHER, 1, 16, 24, true, 0));
	assert_null(piece(&k, PEER, 2, 16, 24, true, 0));
	assert_null(kit_in(&k, kit_ip(PEER, OUR, PROTO + 1, 1, 2, 0, data + 16, 8)));
	whole(&k, piece(&k, PEER, 1, 16, 24, true, 0), 24);
	kit_stop(&k);
}

static void malformed(void **state)
{
	struct kit k;

	start(&k);
	assert_null(kit_in(&k, kit_ip(PEER, OUR, PROTO, 1, IP4_MF, 0, data, 12)));
	assert_null(kit_in(&k, kit_ip(PEER, OUR, PROTO, 1, 0x1fff, 0, data, 8)));
	assert_null(kit_in(&k, kit_ip(PEER, OUR, PROTO, 1, 5, 0, data, 0)));
	assert_int_equal(kit_ctr(&k, CTR_RX_FRAG_BAD), 3);
	/* Two ends that contradict each other, and data beyond the end. */
	piece(&k, PEER, 2, 16, 24, true, 0);
	piece(&k, PEER, 2, 24, 32, true, 0);
	piece(&k, PEER, 3, 16, 24, true, 0);
	piece(&k, PEER, 3, 24, 32, false, 0);
	piece(&k, PEER, 4, 24, 32, false, 0);
	piece(&k, PEER, 4, 16, 24, true, 0);
	assert_int_equal(kit_ctr(&k, CTR_RX_FRAG_BAD), 9);
	/* Not for us, or from nobody. */
	assert_null(kit_in(&k, kit_ip(PEER, OTHER, PROTO, 9, IP4_MF, 0, data, 8)));
	assert_null(kit_in(&k, kit_ip(V4(127, 0, 0, 1), OUR, PROTO, 9, IP4_MF, 0, data, 8)));
	assert_int_equal(kit_ctr(&k, CTR_RX_NOT_LOCAL), 1);
	assert_int_equal(kit_ctr(&k, CTR_RX_BAD_SRC), 1);
	kit_stop(&k);
}

static void IP_07_timeout(void **state)
{
	const struct icmp_hdr *h;
	struct kit k;

	start(&k);
	piece(&k, PEER, 1, 8, 16, false, 0); /* offset 0 never came: silence */
	k.now += SEC;
	piece(&k, PEER, 2, 0, 16, false, 0);
	piece(&k, PEER, 2, 24, 32, true, 0);
	kit_run(&k, T0 + 60 * SEC);
	assert_int_equal(kit_ctr(&k, CTR_RX_FRAG_TIMEOUT), 1);
	assert_int_equal(k.n_out, 0);
	kit_run(&k, T0 + 61 * SEC - 1);
	assert_int_equal(k.n_out, 0);
	kit_run(&k, T0 + 61 * SEC);
	assert_int_equal(kit_ctr(&k, CTR_RX_FRAG_TIMEOUT), 3);
	assert_int_equal(k.n_out, 1);
	h = rte_pktmbuf_mtod_offset(k.out[0], const struct icmp_hdr *, 34);
	assert_int_equal(h->type, ICMP_TIME_EXCEEDED);
	assert_int_equal(h->code, ICMP_EXCEEDED_REASSEMBLY);
	assert_memory_equal((const uint8_t *)h + 28, data, 16);
	assert_true(net_next(&k.net) == UINT64_MAX);
	kit_stop(&k);
}

/* RFC 1122 section 3.2.2: no error is answered by one, nor is what may be one. */
static void no_error_about_errors(void **state)
{
	struct kit k;

	start(&k);
	for (unsigned int type = 0; type < 20; type++) {
		uint8_t icmp[8] = {(uint8_t)type};

		kit_in(&k, kit_ip(PEER, OUR, IP_PROTO_ICMP, 1, IP4_MF, 0, icmp, 8));
		kit_run(&k, k.now + 61 * SEC);
		assert_int_equal(k.n_out, type == ICMP_ECHO_REQUEST || type == ICMP_ECHO_REPLY);
		kit_out_clear(&k);
	}
	assert_int_equal(kit_ctr(&k, CTR_RX_FRAG_TIMEOUT), 20);
	kit_stop(&k);
}

static void IP_11_ecn(void **state)
{
	struct rte_mbuf *m;
	struct kit k;

	start(&k);
	piece(&k, PEER, 1, 0, 8, false, 2);
	m = piece(&k, PEER, 1, 8, 16, true, 3);
	assert_int_equal(rte_pktmbuf_mtod_offset(m, struct ip4_hdr *, 14)->tos, 3);
	whole(&k, m, 16);
	piece(&k, PEER, 2, 0, 8, false, 0);
	assert_null(piece(&k, PEER, 2, 8, 16, true, 3));
	assert_int_equal(kit_ctr(&k, CTR_RX_FRAG_BAD), 2);
	piece(&k, PEER, 3, 0, 8, false, 2);
	m = piece(&k, PEER, 3, 8, 16, true, 2);
	assert_int_equal(rte_pktmbuf_mtod_offset(m, struct ip4_hdr *, 14)->tos, 2);
	whole(&k, m, 16);
	kit_stop(&k);
}

static uint32_t in_use(struct kit *k)
{
	pkt_pool_drain(&k->pool);
	return rte_mempool_in_use_count(kit_mp);
}

static void IP_07_flood(void **state)
{
	struct kit k;

	start(&k);
	/* One source: first fragments, never completed. */
	for (uint32_t i = 0; i < 100000; i++)
		assert_null(piece(&k, PEER, (uint16_t)i, 0, 8, false, 0));
	assert_int_equal(in_use(&k), 8); /* its cap of datagrams */
	piece(&k, OTHER, 1, 0, 8, false, 0);
	whole(&k, piece(&k, OTHER, 1, 8, 16, true, 0), 16);
	/* One datagram that wants more bytes than a source may have: it is given up. */
	for (uint32_t i = 0; i < 110; i++)
		assert_null(piece(&k, OTHER, 5, 16 * i + 8, 16 * i + 16, false, 0));
	assert_int_equal(in_use(&k), 8 + 110);
	for (uint32_t i = 110; i < 124; i++)
		assert_null(piece(&k, OTHER, 5, 16 * i + 8, 16 * i + 16, false, 0));
	assert_int_equal(in_use(&k), 8);
	/* All sources: whatever is oldest goes. */
	for (uint32_t i = 0; i < 100000; i++)
		assert_null(piece(&k, be32(0x14000000u + i), 1, 0, 8, false, 0));
	assert_int_equal(in_use(&k), 64);
	piece(&k, PEER, 7, 0, 8, false, 0);
	whole(&k, piece(&k, PEER, 7, 8, 16, true, 0), 16);
	kit_run(&k, k.now + 61 * SEC);
	kit_out_clear(&k);
	assert_int_equal(in_use(&k), 0);
	assert_true(kit_ctr(&k, CTR_RX_FRAG_FULL) > 199000);
	kit_stop(&k);
}

/* The cap over all sources holds in bytes too. */
static void IP_07_bytes_of_all(void **state)
{
	struct kit k;

	kit_conf(&k);
	k.conf.frag_bytes = 64 * KIB;
	kit_start(&k);
	for (uint32_t i = 0; i < 60; i++)
		piece(&k, be32(0x14000000u + i), 1, 0, 8, false, 0);
	assert_in_range(in_use(&k), 20, 64 * KIB / RTE_MBUF_DEFAULT_DATAROOM);
	kit_stop(&k);
}

static void IP_07_longest(void **state)
{
	uint8_t block[1480] = { 0 };
	struct rte_mbuf *m = NULL;
	struct kit k;

	start(&k);
	for (uint32_t off = 0; off < 65120; off += 1480) { /* 44 fragments */
		assert_null(m);
		m = kit_in(&k, kit_ip(PEER, OUR, PROTO, 1, (uint16_t)(off / 8) | IP4_MF, 0, block,
				      1480));
	}
	m = kit_in(&k, kit_ip(PEER, OUR, PROTO, 1, 65120 / 8, 0, block, 65515 - 65120));
	assert_non_null(m);
	assert_int_equal(m->pkt_len, 14 + 65535);
	rte_pktmbuf_free(m);
	assert_null(kit_in(&k, kit_ip(PEER, OUR, PROTO, 2, 65120 / 8, 0, block, 65516 - 65120)));
	assert_int_equal(kit_ctr(&k, CTR_RX_FRAG_BAD), 1);
	kit_stop(&k);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order),
		cmocka_unit_test(tcp_header_split),
		cmocka_unit_test(IP_08_overlap_discards),
		cmocka_unit_test(IP_08_duplicates),
		cmocka_unit_test(keys_differ),
		cmocka_unit_test(malformed),
		cmocka_unit_test(IP_07_timeout),
		cmocka_unit_test(no_error_about_errors),
		cmocka_unit_test(IP_11_ecn),
		cmocka_unit_test(IP_07_flood),
		cmocka_unit_test(IP_07_bytes_of_all),
		cmocka_unit_test(IP_07_longest),
	};

	if (kit_main(argc, argv))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
