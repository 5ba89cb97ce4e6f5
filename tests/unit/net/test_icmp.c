/* ICMP, closed UDP ports, unknown protocols: L2-13 to L2-15, L2-20, ICM-07. */
#include "net_kit.h"

static uint8_t data[2000];

static void fill(void)
{
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31 + 7);
}

static const struct ip4_hdr *out_ip(const struct kit *k, uint32_t i)
{
	const struct ip4_hdr *ip = rte_pktmbuf_mtod_offset(k->out[i], struct ip4_hdr *, 14);

	assert_int_equal(sum_fold(sum_header(ip, 20)), 0xffff);
	assert_int_equal(ip->saddr, OUR);
	assert_memory_equal(rte_pktmbuf_mtod(k->out[i], uint8_t *), peer_mac, 6);
	assert_memory_equal(rte_pktmbuf_mtod(k->out[i], uint8_t *) + 6, kit_mac, 6);
	return ip;
}

static void L2_13_echo_every_size(void **state)
{
	uint8_t buf[2000], want[2000];
	struct kit k;

	fill();
	kit_conf(&k);
	kit_start(&k);
	for (size_t len = 0; len <= 1472; len++) {
		size_t n = kit_icmp(buf, ICMP_ECHO_REQUEST, 0, 0x12345678, data, len);

		kit_icmp(want, ICMP_ECHO_REPLY, 0, 0x12345678, data, len);
		kit_in(&k, kit_ip(PEER, OUR, IP_PROTO_ICMP, 5, 0, 0xb8, buf, n));
		assert_int_equal(k.n_out, 1);
		assert_int_equal(k.out[0]->pkt_len, max_of(34 + n, (size_t)60));
		assert_int_equal(out_ip(&k, 0)->daddr, PEER);
		assert_int_equal(out_ip(&k, 0)->tos, 0xb8);
		assert_int_equal(be16(out_ip(&k, 0)->total_len), 20 + n);
		assert_memory_equal(rte_pktmbuf_mtod_offset(k.out[0], uint8_t *, 34), want, n);
		kit_out_clear(&k);
	}
	assert_int_equal(kit_ctr(&k, CTR_ICMP_ECHO_RX), 1473);
	kit_stop(&k);
}

/* 2,960 bytes in two fragments come back in two, and join to the same bytes. */
static void echo_in_fragments(void **state)
{
	uint8_t big[8 + 2952], got[8 + 2952];
	struct pkt_facts f;
	struct rte_mbuf *m;
	struct kit k;

	fill();
	kit_conf(&k);
	kit_start(&k);
	memset(big, 0x5a, sizeof(big));
	kit_icmp(big, ICMP_ECHO_REQUEST, 0, 99, big + 8, sizeof(big) - 8);
	assert_null(kit_in(&k, kit_ip(PEER, OUR, 1, 77, 185, 0, big + 1480, 1480)));
	m = kit_in(&k, kit_ip(PEER, OUR, 1, 77, IP4_MF, 0, big, 1480));
	assert_non_null(m);
	pkt_parse_one(m, &f, 0, &k.pp[0]);
	assert_int_equal(f.kind, PKT_ICMP);
	net_input(&k.net, m, &f, k.now);
	assert_int_equal(k.n_out, 2);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(be16(out_ip(&k, i)->frag), i ? 185 : IP4_MF);
		assert_int_equal(be16(out_ip(&k, i)->id), 77);
		assert_int_equal(k.out[i]->nb_segs, 1);
		assert_int_equal(k.out[i]->pkt_len, 1514);
		memcpy(got + i * 1480, rte_pktmbuf_mtod_offset(k.out[i], uint8_t *, 34), 1480);
	}
	assert_int_equal(got[0], ICMP_ECHO_REPLY);
	assert_int_equal(sum_fold(sum_partial(got, sizeof(got), 0)), 0xffff);
	assert_memory_equal(got + 4, big + 4, sizeof(got) - 4);
	kit_stop(&k);
}

static void L2_13_L2_20_echo_refused(void **state)
{
	uint8_t buf[200];
	size_t n = kit_icmp(buf, ICMP_ECHO_REQUEST, 0, 1, data, 56);
	struct kit k;

	kit_conf(&k);
	k.conf.echo_rate = k.conf.echo_burst = 5;
	kit_start(&k);
	kit_in(&k, kit_ip(PEER, V4(10, 0, 0, 255), 1, 0, 0, 0, buf, n));
	kit_in(&k, kit_ip(PEER, V4(224, 0, 0, 1), 1, 0, 0, 0, buf, n));
	kit_in_bcast(&k, kit_ip(PEER, OUR, 1, 0, 0, 0, buf, n));
	assert_int_equal(kit_ctr(&k, CTR_RX_NOT_UNICAST), 3);
	kit_in(&k, kit_ip(PEER, OTHER, 1, 0, 0, 0, buf, n));
	assert_int_equal(kit_ctr(&k, CTR_RX_NOT_LOCAL), 1);
	kit_in(&k, kit_ip(OUR, OUR, 1, 0, 0, 0, buf, n));
	assert_int_equal(kit_ctr(&k, CTR_RX_BAD_SRC), 1);
	buf[20] ^= 1;
	kit_in(&k, kit_ip(PEER, OUR, 1, 0, 0, 0, buf, n));
	assert_int_equal(kit_ctr(&k, CTR_RX_ICMP_BAD), 1);
	for (int type = 0; type < 256; type++) {
		if (type == 8 || type == 3 || type == 11 || type == 12)
			continue;
		n = kit_icmp(buf, (uint8_t)type, 0, 1, data, 56);
		kit_in(&k, kit_ip(PEER, OUR, 1, 0, 0, 0, buf, n));
	}
	assert_int_equal(kit_ctr(&k, CTR_RX_ICMP_IGNORED), 252);
	assert_int_equal(k.n_out, 0);
	n = kit_icmp(buf, ICMP_ECHO_REQUEST, 0, 1, data, 56);
	for (int i = 0; i < 100; i++)
		kit_in(&k, kit_ip(PEER, OUR, 1, 0, 0, 0, buf, n));
	assert_int_equal(k.n_out, 5);
	assert_int_equal(kit_ctr(&k, CTR_RX_ICMP_RATE), 95);
	kit_stop(&k);
}

/* A million in a second. */
static void L2_13_echo_rate(void **state)
{
	uint8_t buf[200];
	size_t n = kit_icmp(buf, ICMP_ECHO_REQUEST, 0, 1, data, 56);
	struct kit k;

	kit_conf(&k);
	kit_start(&k);
	for (uint32_t i = 0; i < 1000000; i++) {
		k.now = T0 + i;
		kit_in(&k, kit_ip(PEER, OUR, 1, 0, 0, 0, buf, n));
	}
	assert_in_range(k.n_out, k.conf.echo_rate, k.conf.echo_rate + k.conf.echo_burst);
	assert_int_equal(kit_ctr(&k, CTR_RX_ICMP_RATE), 1000000 - k.n_out);
	kit_stop(&k);
}

static size_t udp(uint8_t *buf, uint32_t src, uint32_t dst, size_t len, bool with_sum)
{
	struct udp_hdr h = { .sport = BE16(1000), .dport = BE16(53), .len = be16(8 + len) };

	memcpy(buf + 8, data, len);
	memcpy(buf, &h, 8);
	if (with_sum) {
		h.cksum = sum_finish(sum_add(sum_pseudo4(src, dst, 17, 8 + len),
					     sum_partial(buf, 8 + len, 0)));
		memcpy(buf, &h, 8);
	}
	return 8 + len;
}

static void L2_14_udp_closed(void **state)
{
	static const size_t sizes[] = { 0, 1, 100, 519, 520, 521, 1472 };
	uint8_t buf[2000];
	struct kit k;

	fill();
	kit_conf(&k);
	kit_start(&k);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t n = udp(buf, PEER, OUR, sizes[i], i & 1);
		size_t quote = min_of(20 + n, (size_t)548);
		const struct icmp_hdr *h;
		const struct ip4_hdr *q;

		kit_in(&k, kit_ip(PEER, OUR, 17, 9, 0, 0, buf, n));
		assert_int_equal(k.n_out, 1);
		assert_int_equal(be16(out_ip(&k, 0)->total_len), 28 + quote);
		assert_int_equal(out_ip(&k, 0)->daddr, PEER);
		h = rte_pktmbuf_mtod_offset(k.out[0], const struct icmp_hdr *, 34);
		assert_int_equal(h->type, 3);
		assert_int_equal(h->code, 3);
		assert_int_equal(h->rest, 0);
		assert_int_equal(sum_fold(sum_partial(h, 8 + quote, 0)), 0xffff);
		q = (const struct ip4_hdr *)(h + 1);
		assert_int_equal(q->saddr, PEER);
		assert_int_equal(q->daddr, OUR);
		assert_int_equal(be16(q->id), 9);
		assert_memory_equal(q + 1, buf, quote - 20);
		kit_out_clear(&k);
	}
	assert_int_equal(kit_ctr(&k, CTR_RX_UDP_CLOSED), ARRAY_SIZE(sizes));
	assert_int_equal(kit_ctr(&k, CTR_ICMP_ERRORS_TX), ARRAY_SIZE(sizes));
	kit_stop(&k);
}

static void L2_15_L2_20_no_error_for(void **state)
{
	uint8_t buf[2000];
	size_t n = udp(buf, PEER, OUR, 100, true);
	struct kit k;

	kit_conf(&k);
	kit_start(&k);
	kit_in(&k, kit_ip(PEER, V4(10, 0, 0, 255), 17, 0, 0, 0, buf, n));
	kit_in(&k, kit_ip(PEER, V4(255, 255, 255, 255), 17, 0, 0, 0, buf, n));
	kit_in(&k, kit_ip(PEER, V4(224, 0, 0, 5), 17, 0, 0, 0, buf, n));
	kit_in_bcast(&k, kit_ip(PEER, OUR, 17, 0, 0, 0, buf, n));
	kit_in(&k, kit_ip(V4(127, 0, 0, 1), OUR, 17, 0, 0, 0, buf, n));
	kit_in(&k, kit_ip(V4(10, 0, 0, 255), OUR, 17, 0, 0, 0, buf, n));
	kit_in(&k, kit_ip(PEER, OUR, 17, 0, 10, 0, buf, n)); /* not the first fragment */
	buf[50] ^= 4;
	kit_in(&k, kit_ip(PEER, OUR, 17, 0, 0, 0, buf, n));
	store_be16(buf + 4, 500);
	kit_in(&k, kit_ip(PEER, OUR, 17, 0, 0, 0, buf, n));
	store_be16(buf + 4, 7);
	kit_in(&k, kit_ip(PEER, OUR, 17, 0, 0, 0, buf, n));
	assert_int_equal(kit_ctr(&k, CTR_RX_UDP_BAD), 3);
	kit_run(&k, k.now + 100 * SEC);
	assert_int_equal(k.n_out, 0);
	kit_stop(&k);
}

static void L2_15_errors_share_a_rate(void **state)
{
	uint8_t buf[200];
	size_t n = udp(buf, PEER, OUR, 10, true);
	struct kit k;

	kit_conf(&k);
	kit_start(&k);
	for (int i = 0; i < 100000; i++) { /* one second */
		k.now = T0 + i * 10;
		kit_in(&k, kit_ip(PEER, OUR, i & 1 ? 17 : 253, 0, 0, 0, buf, n));
	}
	assert_in_range(k.n_out, 100, 110);
	assert_int_equal(kit_ctr(&k, CTR_TX_ICMP_RATE), 100000 - k.n_out);
	kit_stop(&k);
}

static void L2_14_protocol_unknown(void **state)
{
	struct kit k;

	kit_conf(&k);
	kit_start(&k);
	kit_in(&k, kit_ip(PEER, OUR, 253, 0, 0, 0, data, 40));
	assert_int_equal(k.n_out, 1);
	assert_int_equal(rte_pktmbuf_mtod(k.out[0], uint8_t *)[34], 3);
	assert_int_equal(rte_pktmbuf_mtod(k.out[0], uint8_t *)[35], 2);
	assert_int_equal(kit_ctr(&k, CTR_RX_PROTO_UNKNOWN), 1);
	kit_stop(&k);
}

/* What a router would quote of ours: IPv4 and the first 8 bytes of TCP. */
static void quote_of_ours(uint8_t *q)
{
	struct ip4_hdr ip = { .ver_ihl = IP4_VER_IHL, .total_len = BE16(40), .ttl = 3,
			      .frag = BE16(IP4_DF), .proto = 6, .saddr = OUR, .daddr = FAR };

	memset(q, 0, 60);
	memcpy(q, &ip, sizeof(ip));
	store_be16(q + 20, 80);
	store_be16(q + 22, 4242);
	store_be32(q + 24, 0x01020304);
}

static void error_is_handed_on(void **state)
{
	uint8_t q[60], buf[200], far[16];
	struct kit k;

	kit_conf(&k);
	kit_start(&k);
	quote_of_ours(q);
	kit_in(&k, kit_ip(OTHER, OUR, 1, 0, 0, 0, buf, kit_icmp(buf, 3, 4, BE32(1400), q, 28)));
	assert_int_equal(k.n_errors, 1);
	assert_int_equal(k.error.type, 3);
	assert_int_equal(k.error.code, 4);
	assert_int_equal(k.error.mtu, 1400);
	assert_int_equal(k.error.local, 0);
	assert_int_equal(k.error.lport, BE16(80));
	assert_int_equal(k.error.rport, BE16(4242));
	assert_int_equal(k.error.seq, 0x01020304);
	kit_map(far, FAR);
	assert_memory_equal(k.error.remote, far, 16);
	assert_int_equal(kit_ctr(&k, CTR_ICMP_ERRORS_RX), 1);
	k.net.conf.icmp_error = NULL;
	kit_in(&k, kit_ip(OTHER, OUR, 1, 0, 0, 0, buf, kit_icmp(buf, 11, 0, 0, q, 28)));
	assert_int_equal(k.n_errors, 1);
	assert_int_equal(kit_ctr(&k, CTR_RX_ICMP_IGNORED), 1);
	kit_stop(&k);
}

static void T_25_lying_errors(void **state)
{
	static const struct { uint8_t off, v; } lies[] = {
		{ 0, 0x55 }, { 0, 0x44 }, { 0, 0x46 }, { 0, 0x4f }, { 0, 0x65 }, { 3, 27 },
		{ 6, 0x20 }, { 7, 1 }, { 9, 1 }, { 9, 17 }, { 12, 11 },
	};
	uint8_t q[60], buf[200];
	struct kit k;

	kit_conf(&k);
	kit_start(&k);
	quote_of_ours(q);
	for (size_t len = 0; len < 28; len++)
		kit_in(&k, kit_ip(OTHER, OUR, 1, 0, 0, 0, buf, kit_icmp(buf, 3, 1, 0, q, len)));
	assert_int_equal(kit_ctr(&k, CTR_RX_ICMP_BAD), 28);
	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		quote_of_ours(q);
		q[lies[i].off] = lies[i].v;
		kit_in(&k, kit_ip(OTHER, OUR, 1, 0, 0, 0, buf, kit_icmp(buf, 3, 1, 0, q, 60)));
	}
	assert_int_equal(k.n_errors, 0);
	assert_int_equal(k.n_out, 0);
	for (size_t len = 28; len <= 60; len++) {
		quote_of_ours(q);
		kit_in(&k, kit_ip(OTHER, OUR, 1, 0, 0, 0, buf, kit_icmp(buf, 3, 1, 0, q, len)));
	}
	assert_int_equal(k.n_errors, 33);
	kit_stop(&k);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(L2_13_echo_every_size),
		cmocka_unit_test(echo_in_fragments),
		cmocka_unit_test(L2_13_L2_20_echo_refused),
		cmocka_unit_test(L2_13_echo_rate),
		cmocka_unit_test(L2_14_udp_closed),
		cmocka_unit_test(L2_15_L2_20_no_error_for),
		cmocka_unit_test(L2_15_errors_share_a_rate),
		cmocka_unit_test(L2_14_protocol_unknown),
		cmocka_unit_test(error_is_handed_on),
		cmocka_unit_test(T_25_lying_errors),
	};

	if (kit_main(argc, argv))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
