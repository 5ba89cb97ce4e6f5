/*
 * ICMPv6 of the engine: echo, errors about what it does not take, and errors about its own packets
 * that are none. Rows: L2-13 L2-14 L2-15 L2-20 ICM-07.
 */
#include "packet6.h"
#include "wire/udp.h"

static void L2_13_echo(void **s)
{
	static const uint16_t lens[] = {0, 1, 55, 56, 1000, 1452};
	struct kit *k = *s;

	begin(k);
	kit_start(k);
	for (unsigned int i = 0; i < ARRAY_SIZE(lens); i++) {
		const uint16_t len = ICMP6_HDR_LEN + lens[i];
		uint8_t msg[1500];
		struct taken t;

		for (unsigned int j = 0; j < len; j++)
			msg[j] = kit_pattern(j);
		msg[0] = ICMP6_ECHO_REQUEST;
		msg[1] = 0;
		send_icmp(k, client, second, 64, msg, len);
		t = expect_icmp(k, ICMP6_ECHO_REPLY, 0, second, client);
		assert_int_equal(t.ip.l4_len, len);
		assert_memory_equal(t.msg + 4, msg + 4, len - 4u);
		send_icmp(k, client, all_nodes, 64, msg, len);
		send_icmp(k, client, group, 64, msg, len);
		kit_quiet(k);
	}
}

static void L2_13_echo_is_limited(void **s)
{
	uint8_t msg[8] = {ICMP6_ECHO_REQUEST};
	struct kit *k = *s;
	unsigned int frames = 0;

	begin(k);
	kit_start(k);
	k->sink = forget;
	k->sink_arg = &frames;
	for (unsigned int i = 0; i < 50000; i++) {
		k->now = KIT_T0 + i; /* a million a second */
		send_icmp(k, client, server, 64, msg, sizeof(msg));
	}
	assert_in_range(frames, 1, 50000 / 10 + 10000 + 1);
	assert_int_equal(kit_ctr(k, CTR_RX_ICMP_RATE), 50000 - frames);
	k->sink = NULL;
}

/* A datagram to a port that nobody listens at, with its checksum. */
static void udp_probe(uint8_t udp[8], const uint8_t *src, const uint8_t *dst)
{
	static const uint8_t header[8] = {0x40, 0, 0x50, 0, 0, 8};
	uint16_t sum;

	memcpy(udp, header, 8);
	sum = sum_finish(sum_partial(udp, 8, sum_pseudo6(src, dst, IP_PROTO_UDP, 8)));
	memcpy(udp + 6, &sum, 2);
}

static void send_probe(struct kit *k, const uint8_t *src, const uint8_t *dst, uint8_t proto)
{
	uint8_t udp[8];

	udp_probe(udp, src, dst);
	send_packet(
		k, &(struct packet){.src = src, .dst = dst, .proto = proto, .data = udp, .len = 8});
}

/* UDP and an unknown protocol, each of which is answered where nothing forbids it. */
static const uint8_t answered[] = {IP_PROTO_UDP, 253};

static void L2_14_unreachable(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	struct taken t;
	uint8_t udp[8];

	begin(k);
	kit_start(k);
	send_probe(k, client, server, IP_PROTO_UDP);
	t = expect_icmp(k, ICMP6_UNREACHABLE, ICMP6_UNREACH_PORT, server, client);
	assert_int_equal(t.ip.l4_len, 8 + 48);
	udp_probe(udp, client, server);
	assert_memory_equal(t.msg + 48, udp, 8);
	send_probe(k, client, server, 253);
	t = expect_icmp(k, ICMP6_PARAM_PROBLEM, ICMP6_PROBLEM_NEXT, server, client);
	assert_int_equal(load_be32(t.msg + 4), 6);
	p = kit_peer(k);
	p->dport = 4444; /* TCP says it by RST */
	kit_syn(p);
	expect(p, .flags = RST | ACK, .seq = 0, .ack = 1);
	kit_quiet(k);
}

static void L2_15_L2_20_what_gets_no_error(void **s)
{
	static const uint8_t loopback[16] = {[15] = 1};
	const uint8_t *to[] = {all_nodes, all_routers, group};
	const uint8_t *from[] = {none, loopback, all_nodes, server, second};
	uint8_t buf[2000], udp[8];
	struct kit *k = *s;

	begin(k);
	kit_start(k);
	for (unsigned int i = 0; i < ARRAY_SIZE(answered); i++) {
		struct packet p = {
			.src = client, .dst = server, .proto = answered[i], .data = udp, .len = 8};

		for (unsigned int j = 0; j < ARRAY_SIZE(to); j++)
			send_probe(k, client, to[j], answered[i]);
		for (unsigned int j = 0; j < ARRAY_SIZE(from); j++)
			send_probe(k, from[j], server, answered[i]);
		udp_probe(udp, client, server);
		for (unsigned int j = 0; j < 3; j++) { /* frames to all, to many, from many */
			uint32_t len = build(buf, &p);

			memset(buf + (j == 2 ? 6 : 0), j == 0 ? 0xff : 0x01, 6);
			kit_inject(k, buf, len);
		}
	}
	/* About errors, whatever they quote. */
	for (uint8_t type = 1; type < ICMP6_INFO; type++) {
		uint8_t err[8 + IP6_HDR_LEN + 8] = {type, 1};

		build(buf, &(struct packet){.src = server,
					    .dst = client,
					    .proto = IP_PROTO_UDP,
					    .data = udp,
					    .len = 8});
		memcpy(err + 8, buf + ETH_HDR_LEN, IP6_HDR_LEN + 8);
		send_icmp(k, client, server, 64, err, sizeof(err));
		send_icmp(k, client, server, 64, err, 20);
	}
	kit_silence(k, 70 * SEC);
	assert_int_equal(kit_ctr(k, CTR_ICMP_ERRORS_TX), 0);
	send_probe(k, client, server, IP_PROTO_UDP); /* and it would have been answered */
	expect_icmp(k, ICMP6_UNREACHABLE, ICMP6_UNREACH_PORT, server, client);
}

static void L2_15_errors_share_a_bucket(void **s)
{
	struct kit *k = *s;
	unsigned int frames = 0;

	begin(k);
	kit_start(k);
	k->sink = forget;
	k->sink_arg = &frames;
	for (unsigned int i = 0; i < 100000; i++) {
		k->now = KIT_T0 + i * 10ull;
		send_probe(k, client, server, answered[i & 1]);
	}
	/* icmp-rate, and its burst once. */
	assert_in_range(frames, k->conf.icmp_rate, k->conf.icmp_rate * 3 / 2 + 1);
	assert_int_equal(kit_ctr(k, CTR_TX_ICMP_RATE), 100000 - frames);
	k->sink = NULL;
}

static void L2_20_sums_and_types(void **s)
{
	struct kit *k = *s;
	uint8_t msg[16], udp[8];
	uint32_t bad = 0;

	begin(k);
	kit_start(k);
	for (unsigned int bit = 0; bit < 128; bit++) {
		uint8_t buf[200];
		uint16_t sum;
		uint32_t len;

		memset(msg, 0, sizeof(msg));
		msg[0] = ICMP6_ECHO_REQUEST;
		sum = sum_finish(
			sum_partial(msg, 16, sum_pseudo6(client, server, IP_PROTO_ICMPV6, 16)));
		memcpy(msg + 2, &sum, 2);
		len = build(buf, &(struct packet){.src = client,
						  .dst = server,
						  .proto = IP_PROTO_ICMPV6,
						  .data = msg,
						  .len = 16});
		buf[len - 16 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		kit_inject(k, buf, len);
		assert_int_equal(kit_ctr(k, CTR_RX_ICMP_BAD), bit + 1);
	}
	for (unsigned int bit = 0; bit <= 64;
	     bit++) { /* also none at all, which IPv6 does not allow */
		udp_probe(udp, client, server);
		if (bit < 64)
			udp[bit / 8] ^= (uint8_t)(1 << bit % 8);
		else
			udp[6] = udp[7] = 0;
		send_packet(k, &(struct packet){.src = client,
						.dst = server,
						.proto = IP_PROTO_UDP,
						.data = udp,
						.len = 8});
		assert_int_equal(kit_ctr(k, CTR_RX_UDP_BAD), ++bad);
	}
	for (unsigned int type = 0; type < 256; type++) {
		memset(msg, 0, sizeof(msg));
		msg[0] = (uint8_t)type;
		if (type != ICMP6_ECHO_REQUEST)
			send_icmp(k, client, server, 64, msg, sizeof(msg));
	}
	kit_silence(k, 3 * SEC);
	assert_int_equal(counter_rx_dropped(&k->ctr), k->injected);
}

/* The quoted packet cut at each octet, lies in it, and what is no TCP of ours. */
static void ICM_07_cut_and_lying_quotes(void **s)
{
	static const struct {
		uint8_t at, v;
	} lies[] = {{0, 0x40},
		    {0, 0x50},
		    {4, 0},
		    {6, IP6_NEXT_HOP_BY_HOP},
		    {6, IP6_NEXT_FRAGMENT},
		    {6, IP_PROTO_ICMPV6},
		    {6, IP_PROTO_UDP},
		    {8, 0xff},
		    {23, 0x77}};
	struct kit *k = *s;
	struct kit_peer *p;

	begin(k);
	p = kit_est(k);
	kit_app_send(p, 100);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	for (unsigned int i = 0; i < 48 + ARRAY_SIZE(lies); i++) {
		uint8_t err[8 + 48] = {ICMP6_UNREACHABLE, ICMP6_UNREACH_ADDR};
		struct kit_ip ip = {.l4_len = 132, .ttl = 9, .proto = IP_PROTO_TCP};
		uint8_t *q = err + 8;

		memcpy(ip.saddr, p->server, 16);
		memcpy(ip.daddr, p->addr, 16);
		kit_put_ip(q, &ip);
		store_be16(q + 40, p->dport);
		store_be16(q + 42, p->port);
		store_be32(q + 44, p->iss + 1);
		if (i >= 48) {
			q[lies[i - 48].at] = lies[i - 48].v;
			if (lies[i - 48].at == 4)
				q[5] = 7;
		}
		send_icmp(k, client, p->server, 64, err, (uint16_t)(8 + min_of(i, 48u)));
		assert_int_equal(kit_ctr(k, CTR_RX_ICMP_BAD) + kit_ctr(k, CTR_RX_ICMP_IGNORED),
				 i + 1);
		assert_int_equal(p->app.troubles[PIER_TROUBLE_HOST_UNREACHABLE], 0);
	}
	kit_quiet(k);
	kit_icmp(p, ICMP6_UNREACHABLE, ICMP6_UNREACH_ADDR, 0, 1, 172); /* and one that does not */
	assert_int_equal(p->app.troubles[PIER_TROUBLE_HOST_UNREACHABLE], 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 101);
	kit_quiet(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST6(L2_13_echo),
		KIT_TEST6(L2_13_echo_is_limited),
		KIT_TEST6(L2_14_unreachable),
		KIT_TEST6(L2_15_L2_20_what_gets_no_error),
		KIT_TEST6(L2_15_errors_share_a_bucket),
		KIT_TEST6(L2_20_sums_and_types),
		KIT_TEST6(ICM_07_cut_and_lying_quotes),
	};

	return KIT_RUN("icmp6", tests);
}
