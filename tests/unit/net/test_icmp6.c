/* ICMPv6: L2-13 to L2-15, L2-20, ICM-03, ICM-04, ICM-07, PMT-03. */
#include "kit6.h"

static uint8_t pattern[2000];

static void start(struct kit *k)
{
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 7 + 3);
	kit6_conf(k);
	kit_start(k);
}

/* ---- L2-13 ---- */

static void L2_13_echo_of_every_length(void **state)
{
	struct kit k;

	start(&k);
	for (size_t len = 0; len <= 1500 - 48; len++) {
		struct sent6 s;

		kit_in(&k, kit6_icmp(PEER6, OUR6, 1, ICMP6_ECHO_REQUEST, 0, pattern, 4 + len));
		assert_int_equal(k.n_out, 1);
		s = kit6_sent(&k, 0);
		assert_int_equal(s.type, ICMP6_ECHO_REPLY);
		assert_int_equal(s.hops, 64);
		assert_memory_equal(&s.src, &OUR6, 16);
		assert_memory_equal(&s.dst, &PEER6, 16);
		assert_memory_equal(s.eth_dst, peer_mac, 6);
		assert_int_equal(s.len, 8 + len);
		assert_memory_equal(s.msg + 4, pattern, 4 + len);
		kit_out_clear(&k);
		k.now += US_PER_MS;
	}
	/* The address that was asked answers. */
	kit_in(&k, kit6_icmp(PEER_LL6, OUR_LL6, 64, ICMP6_ECHO_REQUEST, 0, pattern, 4));
	assert_true(a6_equal(kit6_sent(&k, 0).src, OUR_LL6));
	kit_stop(&k);
}

static void L2_13_groups_and_floods_are_not_answered(void **state)
{
	const struct a6 groups[] = {ALL_NODES6, group_of(OUR6), group_of(OTHER6)};
	struct kit k;

	start(&k);
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		kit_in(&k, kit6_icmp(PEER6, groups[i], 64, ICMP6_ECHO_REQUEST, 0, pattern, 8));
	kit_in_bcast(&k, kit6_icmp(PEER6, OUR6, 64, ICMP6_ECHO_REQUEST, 0, pattern, 8));
	assert_int_equal(k.n_out, 0);
	assert_int_equal(kit_ctr(&k, CTR_RX_NOT_UNICAST), 4);
	for (int i = 0; i < 3000; i++)
		kit_in(&k, kit6_icmp(PEER6, OUR6, 64, ICMP6_ECHO_REQUEST, 0, pattern, 8));
	assert_int_equal(k.n_out, 2000);
	assert_int_equal(kit_ctr(&k, CTR_RX_ICMP_RATE), 1000);
	kit_stop(&k);
}

/* In pieces of these lengths of payload, the last the rest. */
static struct rte_mbuf *pieces(struct kit *k, const uint8_t *msg, size_t len, size_t piece,
			       uint32_t id)
{
	struct rte_mbuf *whole = NULL;

	for (size_t off = 0; off < len; off += piece) {
		const size_t n = min_of(piece, len - off);
		struct ipv6_fragment h = {
			.next = IP_PROTO_ICMPV6,
			.id = be32(id),
			.frag = be16((uint16_t)(off | (off + n < len ? IP6_MF : 0)))};
		uint8_t buf[8 + 1500];

		memcpy(buf, &h, sizeof(h));
		memcpy(buf + 8, msg + off, n);
		whole = kit_in(k, kit6_ip(PEER6, OUR6, IP6_NEXT_FRAGMENT, 64, buf, 8 + n));
	}
	return whole;
}

static void L2_13_a_request_in_fragments(void **state)
{
	uint8_t msg[4000] = {ICMP6_ECHO_REQUEST}, back[4000];
	struct pkt_facts f;
	struct rte_mbuf *m;
	size_t got = 0;
	uint32_t id = 0;
	uint16_t sum;
	struct kit k;

	start(&k);
	for (size_t i = 4; i < sizeof(msg); i++)
		msg[i] = (uint8_t)(i * 11);
	sum = sum_finish(sum_partial(msg, sizeof(msg),
				     sum_pseudo6(PEER6.a, OUR6.a, IP_PROTO_ICMPV6, sizeof(msg))));
	memcpy(msg + 2, &sum, 2);
	m = pieces(&k, msg, sizeof(msg), 1448, 77);
	assert_non_null(m);
	pkt_parse_one(m, &f, 0, &k.pp[0]);
	f.flags |= PKT_F_FRAGMENTED;
	net_input(&k.net, m, &f, k.now);
	assert_int_equal(k.n_out, 3);
	for (uint32_t i = 0; i < k.n_out; i++) {
		const uint8_t *p = rte_pktmbuf_mtod(k.out[i], const uint8_t *);
		const struct ipv6_hdr *ip = (const struct ipv6_hdr *)(p + ETH_HDR_LEN);
		const struct ipv6_fragment *h = (const struct ipv6_fragment *)(ip + 1);
		const size_t len = be16(ip->payload_len) - sizeof(*h);

		assert_true(k.out[i]->pkt_len <= 1514);
		assert_int_equal(ip->next, IP6_NEXT_FRAGMENT);
		assert_int_equal(h->next, IP_PROTO_ICMPV6);
		assert_memory_equal(ip->saddr, OUR6.a, 16);
		assert_memory_equal(ip->daddr, PEER6.a, 16);
		assert_int_equal(be16(h->frag) & IP6_OFFSET_MASK, got);
		assert_int_equal(be16(h->frag) & IP6_MF, i < 2);
		assert_true(i == 0 || h->id == id);
		id = h->id;
		memcpy(back + got, h + 1, len);
		got += len;
	}
	assert_int_equal(got, sizeof(msg));
	assert_int_equal(back[0], ICMP6_ECHO_REPLY);
	assert_memory_equal(back + 4, msg + 4, sizeof(msg) - 4);
	assert_int_equal(
		sum_fold(sum_partial(back, got,
				     sum_pseudo6(OUR6.a, PEER6.a, IP_PROTO_ICMPV6, (uint32_t)got))),
		0xffff);
	kit_stop(&k);
}

/* ---- L2-14, L2-15, L2-20 ---- */

static struct rte_mbuf *udp(struct a6 src, struct a6 dst, size_t len, bool with_sum, bool good)
{
	uint8_t buf[UDP_HDR_LEN + 1400] = {0};
	struct udp_hdr *h = (struct udp_hdr *)buf;

	h->sport = be16(1000);
	h->dport = be16(53);
	h->len = be16((uint16_t)(UDP_HDR_LEN + len));
	memcpy(buf + UDP_HDR_LEN, pattern, len);
	if (with_sum)
		h->cksum = sum_finish(sum_partial(
			buf, UDP_HDR_LEN + len,
			sum_pseudo6(src.a, dst.a, IP_PROTO_UDP, (uint32_t)(UDP_HDR_LEN + len))));
	h->cksum ^= !good;
	return kit6_ip(src, dst, IP_PROTO_UDP, 64, buf, UDP_HDR_LEN + len);
}

static void L2_14_udp_is_told(void **state)
{
	static const size_t lens[] = {0, 1, 100, 1232 - 48, 1232 - 47, 1400};
	struct kit k;

	start(&k);
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		struct rte_mbuf *m = udp(PEER6, OUR6, lens[i], true, true);
		uint8_t sent[2000];
		struct sent6 s;
		size_t quoted = min_of(lens[i] + 48, (size_t)(1280 - 48));

		memcpy(sent, rte_pktmbuf_mtod(m, uint8_t *), m->data_len);
		kit_in(&k, m);
		assert_int_equal(k.n_out, 1);
		s = kit6_sent(&k, 0);
		assert_int_equal(s.type, ICMP6_UNREACHABLE);
		assert_int_equal(s.code, ICMP6_UNREACH_PORT);
		assert_true(a6_equal(s.src, OUR6) && a6_equal(s.dst, PEER6));
		assert_int_equal(load32(s.msg + 4), 0);
		assert_int_equal(s.len, 8 + quoted);
		assert_memory_equal(s.msg + 8, sent + ETH_HDR_LEN, quoted);
		kit_out_clear(&k);
	}
	assert_int_equal(kit_ctr(&k, CTR_RX_UDP_CLOSED), ARRAY_SIZE(lens));
	kit_stop(&k);
}

/* An unknown protocol, an unknown option. */
static struct rte_mbuf *problem(struct a6 src, struct a6 dst, uint8_t option)
{
	const uint8_t ext[] = {IP_PROTO_UDP, 0, option, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0};

	return option ? kit6_ip(src, dst, IP6_NEXT_DEST_OPTS, 64, ext, sizeof(ext))
		      : kit6_ip(src, dst, 253, 64, ext, sizeof(ext));
}

static void expect_problem(struct kit *k, struct a6 src, uint8_t code, uint32_t pointer)
{
	struct sent6 s;

	assert_int_equal(k->n_out, 1);
	s = kit6_sent(k, 0);
	assert_int_equal(s.type, ICMP6_PARAM_PROBLEM);
	assert_int_equal(s.code, code);
	assert_int_equal(load_be32(s.msg + 4), pointer);
	assert_true(a6_equal(s.src, src) && a6_equal(s.dst, PEER6));
	kit_out_clear(k);
}

static void L2_14_problems_are_told(void **state)
{
	struct kit k;

	start(&k);
	kit_in(&k, problem(PEER6, OUR6, 0));
	expect_problem(&k, OUR6, ICMP6_PROBLEM_NEXT, 6);
	assert_int_equal(kit_ctr(&k, CTR_RX_PROTO_UNKNOWN), 1);
	kit_in(&k, problem(PEER6, OUR6, 0x80 | 30));
	expect_problem(&k, OUR6, ICMP6_PROBLEM_OPTION, 42);
	kit_in(&k, problem(PEER6, OUR6, 0xc0 | 30));
	expect_problem(&k, OUR6, ICMP6_PROBLEM_OPTION, 42);
	/* To a group that we listen to, if the option says so: from one of our own addresses. */
	kit_in(&k, problem(PEER6, group_of(OUR6), 0x80 | 30));
	expect_problem(&k, OUR6, ICMP6_PROBLEM_OPTION, 42);
	kit_in(&k, problem(PEER6, ALL_NODES6, 0x80 | 30));
	expect_problem(&k, OUR6, ICMP6_PROBLEM_OPTION, 42);
	kit_stop(&k);
}

static void L2_15_L2_20_of_these_nobody_is_told(void **state)
{
	struct kit k;

	start(&k);
	kit_in(&k, problem(PEER6, OTHER6, 0));
	kit_in(&k, problem(PEER6, group_of(OTHER6), 0x80 | 30)); /* not ours */
	kit_in(&k, problem(NONE6, OUR6, 0));
	kit_in(&k, problem(NONE6, ALL_NODES6, 0x80 | 30));
	kit_in(&k, problem(ALL_NODES6, OUR6, 0));
	kit_in(&k, problem(OUR6, OUR6, 0));
	kit_in_bcast(&k, problem(PEER6, OUR6, 0));
	kit_in(&k, udp(PEER6, ALL_NODES6, 4, true, true));
	kit_in(&k, udp(NONE6, OUR6, 4, true, true));
	kit_in_bcast(&k, udp(PEER6, OUR6, 4, true, true));
	assert_int_equal(k.n_out, 0);
	/* Checksums come first, and over IPv6 there is always one. */
	kit_in(&k, udp(PEER6, OUR6, 4, true, false));
	kit_in(&k, udp(PEER6, OUR6, 4, false, true));
	assert_int_equal(kit_ctr(&k, CTR_RX_UDP_BAD), 2);
	for (int type = 0; type < 256; type++) {
		struct rte_mbuf *m = kit6_icmp(PEER6, OUR6, 64, (uint8_t)type, 0, pattern, 60);

		*rte_pktmbuf_mtod_offset(m, uint8_t *, 60) ^= 0x10;
		kit_in(&k, m);
	}
	assert_int_equal(kit_ctr(&k, CTR_RX_ICMP_BAD), 256);
	/* Types that nobody knows, replies, and what is no host's business. */
	for (int type = 0; type < 256; type++)
		if (type != ICMP6_ECHO_REQUEST)
			kit_in(&k, kit6_icmp(PEER6, OUR6, 64, (uint8_t)type, 0, pattern, 60));
	assert_int_equal(k.n_out, 0);
	assert_int_equal(k.n_errors, 0);
	kit_stop(&k);
}

static void L2_15_errors_share_a_bucket(void **state)
{
	struct kit k;

	start(&k);
	for (int i = 0; i < 1000; i++)
		kit_in(&k, i & 1 ? problem(PEER6, OUR6, 0) : udp(PEER6, OUR6, 4, true, true));
	assert_int_equal(k.n_out, 10);
	k.now += SEC;
	kit_out_clear(&k);
	for (int i = 0; i < 1000; i++)
		kit_in(&k, udp(PEER6, OUR6, 4, true, true));
	assert_int_equal(k.n_out, 10);
	kit_stop(&k);
}

/* ---- ICM-03, ICM-04, ICM-07, PMT-03 ---- */

/* An error about a segment of ours, whose quotation is len bytes long. */
static struct rte_mbuf *error(uint8_t type, uint8_t code, uint32_t rest, struct a6 src,
			      uint8_t next, size_t len)
{
	uint8_t body[4 + 40 + 20] = {0};
	struct ipv6_hdr ip = {.ver_class_flow = ip6_first_word(0, 7),
			      .payload_len = be16(1000),
			      .next = next,
			      .hop_limit = 3};

	rest = be32(rest);
	memcpy(body, &rest, 4);
	ip6_copy(ip.saddr, src.a);
	ip6_copy(ip.daddr, PEER6.a);
	memcpy(body + 4, &ip, sizeof(ip));
	store_be16(body + 44, 80);
	store_be16(body + 46, 4000);
	store_be32(body + 48, 0x12345678);
	return kit6_icmp(FAR6, OUR6, 64, type, code, body, 4 + len);
}

static void ICM_03_ICM_04_errors_are_told_by_kind(void **state)
{
	static const struct {
		uint8_t type, code;
		enum net_error_kind kind;
	} errors[] = {
		{1, 0, NET_ERROR_NET},		 {1, 1, NET_ERROR_PROHIBITED},
		{1, 2, NET_ERROR_UNREACHABLE},	 {1, 3, NET_ERROR_HOST},
		{1, 4, NET_ERROR_PORT},		 {1, 5, NET_ERROR_UNREACHABLE},
		{1, 6, NET_ERROR_UNREACHABLE},	 {1, 255, NET_ERROR_UNREACHABLE},
		{3, 0, NET_ERROR_TIME_EXCEEDED}, {3, 1, NET_ERROR_TIME_EXCEEDED},
		{4, 0, NET_ERROR_PARAMETER},	 {4, 1, NET_ERROR_PARAMETER},
		{4, 2, NET_ERROR_PARAMETER},	 {2, 0, NET_ERROR_TOO_BIG},
	};
	struct kit k;

	start(&k);
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		kit_in(&k, error(errors[i].type, errors[i].code, 1400, OUR6, IP_PROTO_TCP, 60));
		assert_int_equal(k.n_errors, i + 1);
		assert_int_equal(k.error.kind, errors[i].kind);
		assert_int_equal(k.error.type, errors[i].type);
		assert_int_equal(k.error.code, errors[i].code);
		assert_int_equal(k.error.local, OUR6_LOCAL);
		assert_int_equal(k.error.lport, be16(80));
		assert_int_equal(k.error.rport, be16(4000));
		assert_int_equal(k.error.seq, 0x12345678);
		assert_int_equal(k.error.len, 1040);
		assert_memory_equal(k.error.remote, PEER6.a, 16);
		assert_int_equal(k.error.mtu, errors[i].type == 2 ? 1400 : 0);
	}
	kit_in(&k, error(2, 0, 0x10000, OUR6, IP_PROTO_TCP, 60));
	assert_int_equal(k.error.mtu, 65535);
	assert_int_equal(kit_ctr(&k, CTR_ICMP_ERRORS_RX), ARRAY_SIZE(errors) + 1);
	assert_int_equal(k.n_out, 0);
	kit_stop(&k);
}

static void PMT_03_less_than_every_link_takes(void **state)
{
	static const uint32_t mtus[] = {0, 68, 576, 1000, 1279};
	struct kit k;

	start(&k);
	for (size_t i = 0; i < ARRAY_SIZE(mtus); i++)
		kit_in(&k, error(2, 0, mtus[i], OUR6, IP_PROTO_TCP, 60));
	assert_int_equal(k.n_errors, 0);
	assert_int_equal(kit_ctr(&k, CTR_RX_ICMP_IGNORED), ARRAY_SIZE(mtus));
	kit_in(&k, error(2, 0, 1280, OUR6, IP_PROTO_TCP, 60));
	assert_int_equal(k.error.mtu, 1280);
	kit_stop(&k);
}

static void ICM_07_quotations_that_are_cut_or_lie(void **state)
{
	struct kit k;

	start(&k);
	for (size_t len = 0; len < 48; len++)
		kit_in(&k, error(1, 4, 0, OUR6, IP_PROTO_TCP, len));
	assert_int_equal(k.n_errors, 0);
	assert_int_equal(kit_ctr(&k, CTR_RX_ICMP_BAD), 48);
	kit_in(&k, error(1, 4, 0, OTHER6, IP_PROTO_TCP, 60));
	kit_in(&k, error(1, 4, 0, OUR6, IP_PROTO_UDP, 60));
	kit_in(&k, error(1, 4, 0, OUR6, IP6_NEXT_FRAGMENT, 60));
	kit_in(&k, error(1, 4, 0, OUR6, IP_PROTO_ICMPV6, 60));
	assert_int_equal(k.n_errors, 0);
	assert_int_equal(kit_ctr(&k, CTR_RX_ICMP_IGNORED), 4);
	kit_in(&k, error(1, 4, 0, OUR6, IP_PROTO_TCP, 48));
	assert_int_equal(k.n_errors, 1);
	kit_stop(&k);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(L2_13_echo_of_every_length),
		cmocka_unit_test(L2_13_groups_and_floods_are_not_answered),
		cmocka_unit_test(L2_13_a_request_in_fragments),
		cmocka_unit_test(L2_14_udp_is_told),
		cmocka_unit_test(L2_14_problems_are_told),
		cmocka_unit_test(L2_15_L2_20_of_these_nobody_is_told),
		cmocka_unit_test(L2_15_errors_share_a_bucket),
		cmocka_unit_test(ICM_03_ICM_04_errors_are_told_by_kind),
		cmocka_unit_test(PMT_03_less_than_every_link_takes),
		cmocka_unit_test(ICM_07_quotations_that_are_cut_or_lie),
	};

	if (kit_main(argc, argv))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
