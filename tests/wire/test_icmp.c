/*
 * ICMP errors: which connection they reach, what they may do, what the application hears; and the
 * trouble that comes without ICMP.
 */
#include "kit.h"

#define HOST_UNREACHABLE PIER_TROUBLE_HOST_UNREACHABLE

/* Something in flight: 100 bytes. */
static struct kit_peer *sending(struct kit *k)
{
	struct kit_peer *p = kit_est(k);

	kit_app_send(p, 100);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	return p;
}

/* An error of a type and code, of ICMP and of ICMPv6. */
struct error {
	uint8_t type, code, type6, code6;
};

static const struct error host_unreachable = {ICMP_UNREACHABLE, ICMP_UNREACH_HOST, ICMP6_UNREACHABLE,
					      ICMP6_UNREACH_ADDR};
static const struct error port_unreachable = {ICMP_UNREACHABLE, ICMP_UNREACH_PORT, ICMP6_UNREACHABLE,
					      ICMP6_UNREACH_PORT};
static const struct error time_exceeded = {ICMP_TIME_EXCEEDED, ICMP_EXCEEDED_TTL, ICMP6_TIME_EXCEEDED,
					   ICMP6_EXCEEDED_HOPS};
/* RFC 9293 section 3.9.2.2, RFC 5927 section 5.2. */
static const struct error hard[] = {
	{ICMP_UNREACHABLE, ICMP_UNREACH_PROTO, ICMP6_UNREACHABLE, ICMP6_UNREACH_ADMIN},
	{ICMP_UNREACHABLE, ICMP_UNREACH_PORT, ICMP6_UNREACHABLE, ICMP6_UNREACH_PORT},
};

static void tell(struct kit_peer *p, const struct error *e, uint32_t seq, uint16_t len)
{
	kit_icmp(p, kit_v6() ? e->type6 : e->type, kit_v6() ? e->code6 : e->code, 0, seq, len);
}

static void about_host(struct kit_peer *p, uint32_t seq)
{
	tell(p, &host_unreachable, seq, 152);
}

static unsigned int all_troubles(const struct kit_peer *p)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(p->app.troubles); i++)
		n += p->app.troubles[i];
	return n;
}

/* The connection works, both ways. */
static void check_alive(struct kit_peer *p, uint32_t peer_at)
{
	struct seg g;

	send_seg(p, .flags = ACK, .seq = peer_at, .ack = 101, .len = 10);
	assert_int_equal(p->app.rx, peer_at + 9);
	kit_drain(p->k);
	kit_app_send(p, 50);
	g = kit_take(p);
	assert_int_equal(g.seq, 101);
	assert_int_equal(g.len, 50);
	assert_int_equal(p->app.closes, 0);
}

static void ICM_01_only_the_connection_it_names(void **s)
{
	struct kit *k = *s;
	struct kit_peer *a = sending(k), *b = sending(k), other;

	about_host(a, 1);
	assert_int_equal(a->app.troubles[HOST_UNREACHABLE], 1);
	assert_int_equal(all_troubles(a), 1);
	assert_int_equal(all_troubles(b), 0);
	assert_int_equal(kit_ctr(k, CTR_RX_ICMP_NO_CONN), 0);

	/* Each part of the name counts. */
	other = *a;
	other.port = 9999;
	about_host(&other, 1);
	other = *a;
	other.dport = 81;
	about_host(&other, 1);
	other = *a;
	kit_host(other.addr, 9);
	about_host(&other, 1);
	other = *a;
	kit_host(other.server, KIT_SECOND_HOST);
	about_host(&other, 1);
	assert_int_equal(kit_ctr(k, CTR_RX_ICMP_NO_CONN), 4);
	assert_int_equal(all_troubles(a) + all_troubles(b), 1);
	kit_quiet(k);
}

static void ICM_02_source_quench(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);
	unsigned int n = 0;

	/* A window of ten segments, and eleven after one is acknowledged: nothing was cut. */
	kit_app_send(p, 100000);
	kit_icmp(p, ICMP_SOURCE_QUENCH, 0, 0, 1, 1500);
	while (kit_has(k))
		n += kit_take(p).len == 1448;
	assert_int_equal(n, 10);
	kit_icmp(p, ICMP_SOURCE_QUENCH, 0, 0, 1, 1500);
	kit_quiet(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1449);
	for (n = 0; kit_has(k); n++)
		kit_take(p);
	assert_int_equal(n, 2);
	assert_int_equal(all_troubles(p), 0);
	assert_int_equal(kit_ctr(k, CTR_RX_ICMP_IGNORED), 2);
}

static void ICM_03_soft_errors_are_told(void **s)
{
	struct {
		uint8_t type, code, what;
	} four[] = {
		{ICMP_UNREACHABLE, ICMP_UNREACH_NET, PIER_TROUBLE_NET_UNREACHABLE},
		{ICMP_UNREACHABLE, ICMP_UNREACH_HOST, PIER_TROUBLE_HOST_UNREACHABLE},
		{ICMP_UNREACHABLE, ICMP_UNREACH_SRC_ROUTE, PIER_TROUBLE_SOURCE_ROUTE},
		{ICMP_UNREACHABLE, 13, PIER_TROUBLE_UNREACHABLE},
		{ICMP_TIME_EXCEEDED, ICMP_EXCEEDED_TTL, PIER_TROUBLE_TIME_EXCEEDED},
		{ICMP_TIME_EXCEEDED, ICMP_EXCEEDED_REASSEMBLY, PIER_TROUBLE_TIME_EXCEEDED},
		{ICMP_PARAM_PROBLEM, 0, PIER_TROUBLE_PARAMETER},
		{ICMP_PARAM_PROBLEM, 1, PIER_TROUBLE_PARAMETER},
	}, six[] = {
		{ICMP6_UNREACHABLE, ICMP6_UNREACH_ROUTE, PIER_TROUBLE_NET_UNREACHABLE},
		{ICMP6_UNREACHABLE, ICMP6_UNREACH_SCOPE, PIER_TROUBLE_UNREACHABLE},
		{ICMP6_UNREACHABLE, ICMP6_UNREACH_ADDR, PIER_TROUBLE_HOST_UNREACHABLE},
		{ICMP6_UNREACHABLE, ICMP6_UNREACH_REJECT, PIER_TROUBLE_UNREACHABLE},
		{ICMP6_TIME_EXCEEDED, ICMP6_EXCEEDED_HOPS, PIER_TROUBLE_TIME_EXCEEDED},
		{ICMP6_TIME_EXCEEDED, ICMP6_EXCEEDED_REASSEMBLY, PIER_TROUBLE_TIME_EXCEEDED},
		{ICMP6_PARAM_PROBLEM, ICMP6_PROBLEM_FIELD, PIER_TROUBLE_PARAMETER},
		{ICMP6_PARAM_PROBLEM, ICMP6_PROBLEM_NEXT, PIER_TROUBLE_PARAMETER},
		{ICMP6_PARAM_PROBLEM, ICMP6_PROBLEM_OPTION, PIER_TROUBLE_PARAMETER},
	}, *cases = kit_v6() ? six : four;
	struct kit *k = *s;

	for (unsigned int i = 0; i < (kit_v6() ? ARRAY_SIZE(six) : ARRAY_SIZE(four)); i++) {
		struct kit_peer *p = sending(k);

		kit_icmp(p, cases[i].type, cases[i].code, 0, 1, 152);
		assert_int_equal(p->app.troubles[cases[i].what], 1);
		assert_int_equal(all_troubles(p), 1);
		kit_quiet(k);
		check_alive(p, 1);
		send_seg(p, .flags = RST, .seq = 11);
	}
}

static void ICM_04_hard_errors_refuse_an_open(void **s)
{
	struct kit *k = *s;

	for (unsigned int i = 0; i < ARRAY_SIZE(hard); i++) {
		struct kit_peer *p = kit_peer(k);

		kit_connect(p);
		tell(p, &hard[i], 1, 60);
		tell(p, &hard[i], UINT32_MAX, 60);
		assert_int_equal(p->app.failed, 0);
		tell(p, &hard[i], 0, 60);
		assert_int_equal(p->app.failed, 1);
		assert_int_equal(p->app.why, PIER_CLOSE_REFUSED);
		kit_silence(k, 10 * SEC);
	}
}

/* SYN-RECEIVED by crossing SYNs: still refused; of a passive open: not. */
static void ICM_04_hard_errors_when_syns_have_crossed(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	for (unsigned int i = 0; i < ARRAY_SIZE(hard); i++) {
		p = kit_peer(k);
		kit_connect(p);
		send_seg(p, .flags = SYN, .seq = 0);
		expect(p, .flags = SYN | ACK, .seq = 0, .ack = 1);
		tell(p, &hard[i], UINT32_MAX, 60);
		assert_int_equal(p->app.failed, 0);
		tell(p, &hard[i], 0, 60);
		assert_int_equal(p->app.failed, 1);
		assert_int_equal(p->app.why, PIER_CLOSE_REFUSED);
		kit_silence(k, 10 * SEC);

		p = kit_peer(k);
		kit_syn(p);
		kit_synack(p);
		tell(p, &hard[i], 0, 60);
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
		assert_int_equal(p->app.opens, 1);
	}
}

static void ICM_06_a_soft_error_does_not_stop_an_open(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	kit_connect(p);
	about_host(p, 0);
	assert_int_equal(p->app.failed, 0);
	assert_int_equal(p->app.troubles[HOST_UNREACHABLE], 1);
	kit_accept(p);
	assert_int_equal(p->app.opens, 1);
	kit_drain(k);
}

static void ICM_04_hard_errors_are_soft_when_established(void **s)
{
	const uint8_t what[] = {kit_v6() ? PIER_TROUBLE_UNREACHABLE : PIER_TROUBLE_PROTOCOL_UNREACHABLE,
				PIER_TROUBLE_PORT_UNREACHABLE};
	struct kit *k = *s;

	for (unsigned int i = 0; i < ARRAY_SIZE(hard); i++) {
		struct kit_peer *p = sending(k);

		tell(p, &hard[i], 1, 152);
		assert_int_equal(p->app.troubles[what[i]], 1);
		kit_quiet(k);
		check_alive(p, 1);
	}
}

static void ICM_05_only_what_is_in_flight(void **s)
{
	static const uint32_t outside[] = {0, 101, 102, 1u << 31, UINT32_MAX - 1000};
	struct kit *k = *s;
	struct kit_peer *p = sending(k);

	for (unsigned int i = 0; i < ARRAY_SIZE(outside); i++) {
		about_host(p, outside[i]);
		assert_int_equal(kit_ctr(k, CTR_RX_ICMP_SEQ), 2 * i + 1);
		kit_too_big(p, 1300, outside[i], 1500);
		assert_int_equal(kit_ctr(k, CTR_RX_ICMP_SEQ), 2 * i + 2);
	}
	assert_int_equal(all_troubles(p), 0);
	assert_int_equal(kit_ctr(k, CTR_PMTU_LOWERED), 0);
	about_host(p, 100);
	assert_int_equal(p->app.troubles[HOST_UNREACHABLE], 1);
	kit_quiet(k);

	/* At rest nothing is in flight. */
	send_seg(p, .flags = ACK, .seq = 1, .ack = 101);
	about_host(p, 100);
	about_host(p, 101);
	assert_int_equal(kit_ctr(k, CTR_RX_ICMP_SEQ), 12);
	assert_int_equal(all_troubles(p), 1);
}

static void half_open_and_time_wait_do_not_listen(void **s)
{
	struct kit *k = *s;
	struct kit_peer *half = kit_peer(k), *p = kit_est(k);

	kit_syn(half);
	kit_synack(half);
	tell(half, &port_unreachable, 0, 60);
	assert_int_equal(kit_ctr(k, CTR_RX_ICMP_IGNORED), 1);
	send_seg(half, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(half->app.opens, 1);

	kit_app_close(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p, .flags = ACK, .seq = 2, .ack = 2);
	assert_int_equal(kit_usage(k).time_wait, 1);
	about_host(p, 1);
	assert_int_equal(kit_ctr(k, CTR_RX_ICMP_IGNORED), 2);
	assert_int_equal(kit_usage(k).time_wait, 1);
	kit_quiet(k);
}

/* The quoted packet cut at each octet, lies in it, and what is no TCP of ours. */
static void ICM_07_cut_and_lying_quotes(void **s)
{
	static const struct {
		uint8_t at, v;
	} lies[] = {{0, 0x55}, {0, 0x44}, {0, 0x46}, {0, 0x4f}, {0, 0x65}, {3, 27}, {6, 0x20},
		    {7, 1}, {9, IP_PROTO_ICMP}, {9, IP_PROTO_UDP}, {12, 11}};
	uint8_t buf[ETH_HDR_LEN + IP4_HDR_LEN + ICMP_HDR_LEN + 60] = {0};
	struct kit *k = *s;
	struct kit_peer *p = sending(k);
	struct ip4_hdr *ip = (struct ip4_hdr *)(buf + ETH_HDR_LEN);
	struct icmp_hdr *h = (struct icmp_hdr *)(ip + 1);
	uint8_t *q = (uint8_t *)(h + 1);

	for (unsigned int i = 0; i < 60 + ARRAY_SIZE(lies); i++) {
		/* Up to 27 octets of a good quote; from 28 on of one with options (0x4a: 40). */
		uint16_t len = i < 60 ? (uint16_t)i : 60;
		struct ip4_hdr in = {.ver_ihl = i < 28 || i >= 60 ? IP4_VER_IHL : 0x4a,
				     .total_len = BE16(152), .frag = BE16(IP4_DF), .ttl = 9,
				     .proto = IP_PROTO_TCP, .saddr = KIT_SERVER, .daddr = KIT_CLIENT};

		memset(q, 0, 60);
		memcpy(q, &in, sizeof(in));
		store_be16(q + 20, p->dport);
		store_be16(q + 22, p->port);
		store_be32(q + 24, p->iss + 1);
		if (i >= 60)
			q[lies[i - 60].at] = lies[i - 60].v;
		eth_copy(buf, kit_mac);
		eth_copy(buf + 6, kit_peer_mac);
		store_be16(buf + 12, ETH_TYPE_IP4);
		*ip = (struct ip4_hdr){.ver_ihl = IP4_VER_IHL,
				       .total_len = be16(IP4_HDR_LEN + ICMP_HDR_LEN + len),
				       .ttl = 64, .proto = IP_PROTO_ICMP,
				       .saddr = KIT_CLIENT, .daddr = KIT_SERVER};
		ip->cksum = sum_finish(sum_partial(ip, IP4_HDR_LEN, 0));
		*h = (struct icmp_hdr){.type = ICMP_UNREACHABLE, .code = ICMP_UNREACH_HOST};
		h->cksum = sum_finish(sum_partial(h, ICMP_HDR_LEN + len, 0));
		kit_inject(k, buf, max_of(ETH_HDR_LEN + IP4_HDR_LEN + ICMP_HDR_LEN + len,
					  ETH_MIN_FRAME));
		assert_int_equal(kit_ctr(k, CTR_RX_ICMP_BAD) + kit_ctr(k, CTR_RX_ICMP_IGNORED),
				 i + 1);
	}
	assert_int_equal(all_troubles(p), 0);
	kit_quiet(k);
	check_alive(p, 1);
}

static void set_trouble(struct pier_conn *c, struct kit_app *a, uint64_t on)
{
	pier_set_trouble(c, on);
}

/* ICMP and too many retransmissions; and not for who does not want to hear. */
static void API_01_trouble_can_be_turned_off(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = sending(k), *deaf = sending(k);

	kit_app_call(deaf, set_trouble, false);
	about_host(p, 1);
	about_host(deaf, 1);
	tell(deaf, &port_unreachable, 1, 152);
	assert_int_equal(p->app.troubles[HOST_UNREACHABLE], 1);
	kit_advance(k, 10 * SEC);
	kit_drain(k);
	assert_int_equal(p->app.troubles[PIER_TROUBLE_RETRANSMISSION], 1);
	assert_int_equal(all_troubles(deaf), 0);
	check_alive(deaf, 1);
	kit_app_call(deaf, set_trouble, true);
	about_host(deaf, 101);
	assert_int_equal(deaf->app.troubles[HOST_UNREACHABLE], 1);
}

/* In one burst: told once, after it, and not from inside it. */
static void trouble_is_told_once_a_burst(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = sending(k);

	kit_burst_begin(k);
	about_host(p, 1);
	about_host(p, 1);
	tell(p, &time_exceeded, 50, 152);
	assert_int_equal(all_troubles(p), 0);
	kit_burst_end(k);
	assert_int_equal(p->app.troubles[HOST_UNREACHABLE], 1);
	assert_int_equal(p->app.troubles[PIER_TROUBLE_TIME_EXCEEDED], 1);

	/* The connection ends in the burst that has bad news: close is the last it hears. */
	kit_burst_begin(k);
	about_host(p, 1);
	send_seg(p, .flags = RST, .seq = 1);
	kit_burst_end(k);
	assert_int_equal(all_troubles(p), 2);
	assert_int_equal(p->app.closes, 1);
}

static void RTX_05_trouble_before_the_end(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = sending(k);
	unsigned int sent = 0;
	uint64_t t = k->now;

	while (!p->app.troubles[PIER_TROUBLE_RETRANSMISSION]) {
		kit_advance(k, MS);
		while (kit_has(k))
			sent += kit_take(p).len == 100;
		assert_true(k->now - t < 10 * SEC);
	}
	assert_int_equal(sent, 3);
	assert_int_equal(all_troubles(p), 1);
	kit_advance_to(k, t + 100 * SEC - MS);
	assert_int_equal(p->app.closes, 0);
	kit_advance(k, 100 * SEC);
	assert_int_equal(p->app.closes, 1);
	assert_int_equal(p->app.why, PIER_CLOSE_TIMEOUT);
	assert_int_equal(all_troubles(p), 1);
	kit_drain(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(ICM_01_only_the_connection_it_names),
		KIT_TEST4(ICM_02_source_quench),
		KIT_TEST(ICM_03_soft_errors_are_told),
		KIT_TEST(ICM_04_hard_errors_refuse_an_open),
		KIT_TEST(ICM_04_hard_errors_when_syns_have_crossed),
		KIT_TEST(ICM_06_a_soft_error_does_not_stop_an_open),
		KIT_TEST(ICM_04_hard_errors_are_soft_when_established),
		KIT_TEST(ICM_05_only_what_is_in_flight),
		KIT_TEST(half_open_and_time_wait_do_not_listen),
		KIT_TEST4(ICM_07_cut_and_lying_quotes),
		KIT_TEST(API_01_trouble_can_be_turned_off),
		KIT_TEST(trouble_is_told_once_a_burst),
		KIT_TEST(RTX_05_trouble_before_the_end),
	};

	return KIT_RUN("icmp", tests);
}
