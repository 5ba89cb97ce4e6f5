/* Reassembly of IPv6: IP-06, IP-07, IP-08, IP-10, IP-11. */
#include "net_kit.h"
#include "wire/icmp6.h"

#define PROTO 17

static uint8_t data[3000];
static const uint8_t our[16] = {0xfd, 0, 0, 0x18, [15] = 2}, peer[16] = {0xfd, 0, 0, 0x18, [15] = 1},
		     other[16] = {0xfd, 0, 0, 0x18, [15] = 7};

static void start(struct kit *k)
{
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i ^ i >> 8);
	kit_conf(k);
	k->addrs[1] = (struct net_addr_conf){.port = 0, .prefix = 64};
	memcpy(k->addrs[1].addr, our, 16);
	k->conf.n_addrs = 2;
	kit_start(k);
}

/* What is before the Fragment header: none, Destination Options, or an atomic Fragment header before those. */
enum before {
	NOTHING,
	OPTIONS,
	ATOMIC,
};

static const uint8_t dest[8] = {IP6_NEXT_FRAGMENT, 0, 1, 4}, atomic[8] = {IP6_NEXT_DEST_OPTS, 0, 0, 0, 9, 9, 9, 9};

/* An IPv6 packet with len octets of data from `from` on, a fragment; next: what its Fragment header says. */
static struct rte_mbuf *frame(const uint8_t src[16], enum before before, uint8_t next, uint32_t id, uint16_t frag,
			      uint8_t class, const uint8_t *p, size_t len)
{
	uint8_t buf[2100], *at = buf + IP6_HDR_LEN;
	struct ipv6_hdr ip = {.ver_class_flow = ip6_first_word(class, 0xabcde), .hop_limit = 64};
	struct ipv6_fragment fh = {.next = next, .frag = be16(frag), .id = be32(id)};

	ip6_copy(ip.saddr, src);
	ip6_copy(ip.daddr, our);
	ip.next = before == NOTHING ? IP6_NEXT_FRAGMENT : before == OPTIONS ? IP6_NEXT_DEST_OPTS : IP6_NEXT_FRAGMENT;
	if (before == ATOMIC) {
		memcpy(at, atomic, 8);
		at += 8;
	}
	if (before != NOTHING) {
		memcpy(at, dest, 8);
		at += 8;
	}
	memcpy(at, &fh, sizeof(fh));
	memcpy(at + sizeof(fh), p, len);
	at += sizeof(fh) + len;
	ip.payload_len = be16((uint16_t)(at - buf - IP6_HDR_LEN));
	memcpy(buf, &ip, sizeof(ip));
	return kit_frame(buf, (size_t)(at - buf), kit_mac, peer_mac, ETH_TYPE_IP6);
}

static struct rte_mbuf *piece_of(struct kit *k, const uint8_t src[16], uint32_t id, uint32_t from, uint32_t to,
				 bool last, uint8_t class)
{
	return kit_in(k, frame(src, OPTIONS, PROTO, id, (uint16_t)(from | (last ? 0 : IP6_MF)), class, data + from,
			       to - from));
}

static struct rte_mbuf *piece(struct kit *k, uint32_t id, uint32_t from, uint32_t to, bool last)
{
	return piece_of(k, peer, id, from, to, last, 0);
}

/* m is the datagram with len octets of data behind these headers. */
static void whole_behind(struct kit *k, struct rte_mbuf *m, enum before before, uint32_t len)
{
	const uint32_t head = before == NOTHING ? 0 : before == OPTIONS ? 8 : 16;
	uint8_t buf[3000];
	const struct ipv6_hdr *ip;
	struct pkt_facts f;

	assert_non_null(m);
	ip = rte_pktmbuf_mtod_offset(m, const struct ipv6_hdr *, 14);
	assert_int_equal(be16(ip->payload_len), head + len);
	assert_int_equal(ip6_version(ip), 6);
	assert_int_equal(ip->hop_limit, 64);
	assert_memory_equal(ip->saddr, peer, 16);
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), kit_mac, 6);
	assert_int_equal(m->pkt_len, 54 + head + len);
	rte_mbuf_sanity_check(m, 1);
	assert_memory_equal(rte_pktmbuf_read(m, 54 + head, len, buf), data, len);
	pkt_parse_one(m, &f, 0, &k->pp[0]);
	assert_int_equal(f.kind, PKT_UDP);
	assert_int_equal(f.l4_off, 54 + head);
	assert_int_equal(f.l4_len, len);
	assert_int_equal(f.flags & PKT_F_FRAGMENTED, before == ATOMIC ? PKT_F_FRAGMENTED : 0);
	rte_pktmbuf_free(m);
}

static void whole(struct kit *k, struct rte_mbuf *m, uint32_t len)
{
	whole_behind(k, m, OPTIONS, len);
}

static void any_order(void **state)
{
	static const uint8_t cut[] = {0, 8, 16, 40, 48, 53};
	struct kit k;
	uint32_t id = 0;

	start(&k);
	for (int p = 0; p < 3125; p++) {
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
			m = piece(&k, id, cut[order[i]], cut[order[i] + 1], order[i] == 4);
		}
		whole(&k, m, 53);
	}
	assert_int_equal(kit_ctr(&k, CTR_RX_REASSEMBLED), 120);
	assert_int_equal(kit_ctr(&k, CTR_RX_FRAGMENTS), 600);
	assert_true(net_next(&k.net) == UINT64_MAX);
	kit_stop(&k);
}

/* The header before the Fragment header, whichever that is, names what followed; of the first fragment alone. */
static void next_header_is_corrected(void **state)
{
	struct kit k;

	start(&k);
	for (int first = NOTHING; first <= ATOMIC; first++)
		for (int second = NOTHING; second <= ATOMIC; second++) {
			struct rte_mbuf *m;

			assert_null(kit_in(&k, frame(peer, second, 253, 5, 16, 0, data + 16, 9)));
			m = kit_in(&k, frame(peer, first, PROTO, 5, IP6_MF, 0, data, 16));
			whole_behind(&k, m, first, 25);
		}
	kit_stop(&k);
}

static void IP_08_overlap_discards(void **state)
{
	struct kit k;

	start(&k);
	for (uint32_t order = 0; order < 2; order++) {
		uint32_t id = 10 + order;

		if (order == 0)
			assert_null(piece(&k, id, 0, 16, false));
		assert_null(piece(&k, id, 8, 24, false));
		if (order == 1)
			assert_null(piece(&k, id, 0, 16, false));
		assert_null(piece(&k, id, 24, 30, true));
		/* Even what would now complete it. */
		assert_null(piece(&k, id, 0, 16, false));
		assert_null(piece(&k, id, 16, 24, false));
		assert_null(piece(&k, id, 24, 30, true));
	}
	assert_int_equal(kit_ctr(&k, CTR_RX_FRAG_BAD), 12);
	kit_run(&k, k.now + 61 * SEC);
	assert_int_equal(k.n_out, 0); /* silently */
	whole(&k, (piece(&k, 10, 0, 16, false), piece(&k, 10, 16, 30, true)), 30);
	kit_stop(&k);
}

static void IP_08_duplicates(void **state)
{
	struct kit k;

	start(&k);
	assert_null(piece(&k, 1, 0, 16, false));
	assert_null(piece(&k, 1, 0, 16, false));
	assert_null(piece(&k, 1, 32, 40, true));
	assert_null(piece(&k, 1, 32, 40, true));
	whole(&k, piece(&k, 1, 16, 32, false), 40);
	assert_int_equal(kit_ctr(&k, CTR_RX_FRAG_DUP), 2);
	kit_stop(&k);
}

/* Source, destination and all 32 bits of the identification; not what the fragments say is next. */
static void keys_differ(void **state)
{
	struct kit k;

	start(&k);
	assert_null(piece(&k, 1, 0, 16, false));
	assert_null(piece_of(&k, other, 1, 16, 24, true, 0));
	assert_null(piece(&k, 0x10001, 16, 24, true));
	assert_null(piece(&k, 0x1000001, 16, 24, true));
	assert_null(kit_in(&k, kit_ip(PEER, OUR, PROTO, 1, 2, 0, data + 16, 8)));
	whole(&k, piece(&k, 1, 16, 24, true), 24);
	kit_stop(&k);
}

/* A packet that is whole says nothing about fragments of the same identification. */
static void IP_10_atomic_fragments_disturb_nothing(void **state)
{
	struct rte_mbuf *m;
	struct pkt_facts f;
	struct kit k;

	start(&k);
	assert_null(piece(&k, 1, 0, 16, false));
	m = frame(peer, OPTIONS, PROTO, 1, 0, 0, data, 24);
	pkt_parse_one(m, &f, 0, &k.pp[0]);
	assert_int_equal(f.kind, PKT_UDP);
	assert_int_equal(f.flags, PKT_F_V6 | PKT_F_FRAGMENTED | PKT_F_EXT);
	rte_pktmbuf_free(m);
	whole(&k, piece(&k, 1, 16, 24, true), 24);
	assert_int_equal(kit_ctr(&k, CTR_RX_FRAGMENTS), 2);
	kit_stop(&k);
}

static void malformed(void **state)
{
	struct kit k;

	start(&k);
	/* Two ends that contradict each other, and data beyond the end. */
	piece(&k, 2, 16, 24, true);
	piece(&k, 2, 24, 32, true);
	piece(&k, 3, 16, 24, true);
	piece(&k, 3, 24, 32, false);
	piece(&k, 4, 24, 32, false);
	piece(&k, 4, 16, 24, true);
	assert_int_equal(kit_ctr(&k, CTR_RX_FRAG_BAD), 6);
	kit_stop(&k);
}

static void IP_07_timeout(void **state)
{
	static const uint8_t error[16] = {ICMP6_UNREACHABLE};
	const struct icmp6_hdr *h;
	const struct ipv6_hdr *ip;
	struct kit k;
	uint16_t len;

	start(&k);
	piece(&k, 1, 8, 16, false); /* offset 0 never came: silence */
	kit_in(&k, frame(peer, OPTIONS, IP_PROTO_ICMPV6, 3, IP6_MF, 0, error, 16)); /* of an error: silence */
	k.now += SEC;
	piece(&k, 2, 0, 16, false);
	piece(&k, 2, 24, 32, true);
	kit_run(&k, T0 + 60 * SEC);
	assert_int_equal(kit_ctr(&k, CTR_RX_FRAG_TIMEOUT), 2);
	assert_int_equal(k.n_out, 0);
	kit_run(&k, T0 + 61 * SEC - 1);
	assert_int_equal(k.n_out, 0);
	kit_run(&k, T0 + 61 * SEC);
	assert_int_equal(kit_ctr(&k, CTR_RX_FRAG_TIMEOUT), 4);
	assert_int_equal(k.n_out, 1);
	ip = rte_pktmbuf_mtod_offset(k.out[0], const struct ipv6_hdr *, 14);
	assert_int_equal(load_be16(rte_pktmbuf_mtod_offset(k.out[0], uint8_t *, 12)), ETH_TYPE_IP6);
	assert_int_equal(ip->next, IP_PROTO_ICMPV6);
	assert_memory_equal(ip->saddr, our, 16);
	assert_memory_equal(ip->daddr, peer, 16);
	len = be16(ip->payload_len);
	assert_int_equal(len, 8 + 40 + 8 + 8 + 16); /* the first fragment as it came, and no padding */
	h = (const struct icmp6_hdr *)(ip + 1);
	assert_int_equal(h->type, ICMP6_TIME_EXCEEDED);
	assert_int_equal(h->code, ICMP6_EXCEEDED_REASSEMBLY);
	assert_int_equal(h->rest, 0);
	assert_int_equal(sum_fold(sum_partial(h, len, sum_pseudo6(our, peer, IP_PROTO_ICMPV6, len))), 0xffff);
	assert_memory_equal((const uint8_t *)h + 8 + 40, dest, 8);
	assert_memory_equal((const uint8_t *)h + 8 + 56, data, 16);
	assert_true(net_next(&k.net) == UINT64_MAX);
	kit_stop(&k);
}

static void IP_11_ecn(void **state)
{
	struct rte_mbuf *m;
	struct kit k;

	start(&k);
	piece_of(&k, peer, 1, 0, 8, false, 0xb8 | IP_ECN_ECT0);
	m = piece_of(&k, peer, 1, 8, 16, true, 0xb8 | IP_ECN_CE);
	assert_int_equal(ip6_class(rte_pktmbuf_mtod_offset(m, struct ipv6_hdr *, 14)), 0xb8 | IP_ECN_CE);
	assert_int_equal(ip6_label(rte_pktmbuf_mtod_offset(m, struct ipv6_hdr *, 14)), 0xabcde);
	whole(&k, m, 16);
	piece_of(&k, peer, 2, 0, 8, false, 0);
	assert_null(piece_of(&k, peer, 2, 8, 16, true, IP_ECN_CE));
	assert_int_equal(kit_ctr(&k, CTR_RX_FRAG_BAD), 2);
	piece_of(&k, peer, 3, 0, 8, false, IP_ECN_ECT0);
	m = piece_of(&k, peer, 3, 8, 16, true, IP_ECN_ECT0);
	assert_int_equal(ip6_class(rte_pktmbuf_mtod_offset(m, struct ipv6_hdr *, 14)), IP_ECN_ECT0);
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
	uint8_t src[16] = {0xfd, 0, 0, 0x19};
	struct kit k;

	start(&k);
	for (uint32_t i = 0; i < 100000; i++) /* one source */
		assert_null(piece_of(&k, other, i, 0, 8, false, 0));
	assert_int_equal(in_use(&k), 8);
	piece(&k, 1, 0, 8, false);
	whole(&k, piece(&k, 1, 8, 16, true), 16);
	for (uint32_t i = 0; i < 100000; i++) { /* as many */
		store_be32(src + 8, i);
		assert_null(piece_of(&k, src, 1, 0, 8, false, 0));
	}
	assert_int_equal(in_use(&k), 64);
	piece(&k, 7, 0, 8, false);
	whole(&k, piece(&k, 7, 8, 16, true), 16);
	kit_run(&k, k.now + 61 * SEC);
	kit_out_clear(&k);
	assert_int_equal(in_use(&k), 0);
	kit_stop(&k);
}

/* 65,535 octets behind the IPv6 header, and one more, which only the first fragment's own headers make. */
static void IP_07_longest(void **state)
{
	uint8_t block[1480] = {0};
	struct rte_mbuf *m = NULL;
	struct kit k;

	start(&k);
	for (int before = NOTHING; before <= OPTIONS; before++) {
		for (uint32_t off = 0; off < 65120; off += 1480) {
			assert_null(m);
			m = kit_in(&k, frame(peer, off ? NOTHING : before, PROTO, 1, (uint16_t)(off | IP6_MF), 0, block,
					     1480));
		}
		m = kit_in(&k, frame(peer, NOTHING, PROTO, 1, 65120, 0, block, 65535 - 65120));
		if (before == NOTHING) {
			assert_non_null(m);
			assert_int_equal(m->pkt_len, 54 + 65535);
			rte_pktmbuf_free(m);
			m = NULL;
		}
	}
	assert_null(m);
	assert_int_equal(kit_ctr(&k, CTR_RX_FRAG_BAD), 45);
	kit_stop(&k);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order),
		cmocka_unit_test(next_header_is_corrected),
		cmocka_unit_test(IP_08_overlap_discards),
		cmocka_unit_test(IP_08_duplicates),
		cmocka_unit_test(keys_differ),
		cmocka_unit_test(IP_10_atomic_fragments_disturb_nothing),
		cmocka_unit_test(malformed),
		cmocka_unit_test(IP_07_timeout),
		cmocka_unit_test(IP_11_ecn),
		cmocka_unit_test(IP_07_flood),
		cmocka_unit_test(IP_07_longest),
	};

	if (kit_main(argc, argv))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
