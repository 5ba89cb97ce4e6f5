/*
 * The engine as a neighbour of IPv6: neighbour discovery, ICMPv6, and TCP to a next hop that has to be asked for first.
 * Rows: L2-07 L2-10 L2-11 L2-12 L2-13 L2-14 L2-15 L2-18 L2-20 ICM-07.
 */
#include "kit.h"
#include "wire/icmp6.h"
#include "wire/udp.h"

static const uint8_t other_mac[6] = {0x02, 0, 0, 0, 0, 0x77};
static const uint8_t none[16], all_nodes[16] = {0xff, 2, [15] = 1}, all_routers[16] = {0xff, 2, [15] = 2};
static uint8_t server[16], second[16], client[16], group[16];

static void begin(struct kit *k)
{
	kit_host(server, KIT_SERVER_HOST);
	kit_host(second, KIT_SECOND_HOST);
	kit_host(client, KIT_CLIENT_HOST);
	ip6_solicited_node(group, server);
}

/* ---- Packets ---- */

struct packet {
	const uint8_t *src, *dst, *mac; /* the sender's MAC address; NULL: the peer's */
	uint8_t proto, hops;
	const void *data;
	uint16_t len;
};

/* The frame's length, without padding. */
static uint32_t build(uint8_t *buf, const struct packet *p)
{
	struct kit_ip ip = {.l4_len = p->len, .ttl = p->hops ? p->hops : 64, .proto = p->proto};

	if (ip6_is_multicast(p->dst))
		ip6_group_mac(buf, p->dst);
	else
		eth_copy(buf, kit_mac);
	eth_copy(buf + 6, p->mac ? p->mac : kit_peer_mac);
	store_be16(buf + 12, ETH_TYPE_IP6);
	memcpy(ip.saddr, p->src, 16);
	memcpy(ip.daddr, p->dst, 16);
	kit_put_ip(buf + ETH_HDR_LEN, &ip);
	memcpy(buf + ETH_HDR_LEN + IP6_HDR_LEN, p->data, p->len);
	return ETH_HDR_LEN + IP6_HDR_LEN + p->len;
}

static void send_packet(struct kit *k, const struct packet *p)
{
	uint8_t buf[2000];

	kit_inject(k, buf, build(buf, p));
}

/* msg is ICMPv6 without its checksum. */
static void send_icmp(struct kit *k, const uint8_t *src, const uint8_t *dst, uint8_t hops, uint8_t *msg, uint16_t len)
{
	uint16_t sum;

	msg[2] = msg[3] = 0;
	sum = sum_finish(sum_partial(msg, len, sum_pseudo6(src, dst, IP_PROTO_ICMPV6, len)));
	memcpy(msg + 2, &sum, sizeof(sum));
	send_packet(k, &(struct packet){.src = src, .dst = dst, .proto = IP_PROTO_ICMPV6, .hops = hops,
					.data = msg, .len = len});
}

/* An NS, or an NA with flags, about target; mac NULL: without an option. */
static void send_nd(struct kit *k, uint8_t type, uint8_t flags, const uint8_t *src, const uint8_t *dst,
		    const uint8_t *target, const uint8_t *mac)
{
	uint8_t msg[32] = {type, [4] = flags, [24] = type == ICMP6_NEIGHBOR_SOLICIT ? ND_OPT_SOURCE_MAC :
									      ND_OPT_TARGET_MAC, 1};

	memcpy(msg + 8, target, 16);
	if (mac)
		eth_copy(msg + 26, mac);
	send_icmp(k, src, dst, 255, msg, mac ? 32 : 24);
}

/* What the engine sent: ICMPv6 with a right checksum. */
struct taken {
	struct kit_frame *f;
	struct kit_ip ip;
	const uint8_t *msg;
};

static struct taken take_icmp(struct kit *k)
{
	struct taken t = {.f = kit_frame_next(k)};

	assert_non_null(t.f);
	assert_true(kit_take_ip(t.f->bytes, &t.ip));
	assert_int_equal(t.ip.proto, IP_PROTO_ICMPV6);
	t.msg = t.ip.l4;
	assert_int_equal(sum_fold(sum_partial(t.msg, t.ip.l4_len, sum_pseudo6(t.ip.saddr, t.ip.daddr, IP_PROTO_ICMPV6,
									      t.ip.l4_len))), 0xffff);
	return t;
}

static struct taken expect_icmp(struct kit *k, uint8_t type, uint8_t code, const uint8_t *src, const uint8_t *dst)
{
	struct taken t = take_icmp(k);

	assert_int_equal(t.msg[0], type);
	assert_int_equal(t.msg[1], code);
	assert_memory_equal(t.ip.saddr, src, 16);
	assert_memory_equal(t.ip.daddr, dst, 16);
	return t;
}

static void expect_na(struct kit *k, uint8_t flags, const uint8_t *of, const uint8_t *dst)
{
	struct taken t = expect_icmp(k, ICMP6_NEIGHBOR_ADVERT, 0, of, dst);

	assert_int_equal(t.ip.ttl, 255);
	assert_int_equal(t.msg[4], flags);
	assert_memory_equal(t.msg + 8, of, 16);
	assert_int_equal(t.ip.l4_len, 32);
	assert_int_equal(t.msg[24], ND_OPT_TARGET_MAC);
	assert_memory_equal(t.msg + 26, kit_mac, 6);
}

/* Of multicast listening, behind Router Alert. */
static void take_report(struct kit *k)
{
	struct kit_frame *f = kit_frame_next(k);
	struct kit_ip ip;

	assert_non_null(f);
	assert_true(kit_take_ip(f->bytes, &ip));
	assert_int_equal(ip.proto, IP6_NEXT_HOP_BY_HOP);
	assert_int_equal(ip.ttl, 1);
	assert_int_equal(ip.l4[8], ICMP6_MLD_REPORT);
	assert_memory_equal(ip.l4 + 8 + 8 + 4, group, 16);
}

/* By unicast, if unicast. */
static void expect_ns(struct kit *k, const uint8_t *target, bool unicast)
{
	uint8_t to[16];
	struct taken t;

	ip6_solicited_node(to, target);
	t = expect_icmp(k, ICMP6_NEIGHBOR_SOLICIT, 0, server, unicast ? target : to);
	assert_int_equal(t.ip.ttl, 255);
	assert_memory_equal(t.msg + 8, target, 16);
	assert_int_equal(t.msg[24], ND_OPT_SOURCE_MAC);
	assert_memory_equal(t.msg + 26, kit_mac, 6);
}

/* ---- Neighbour discovery ---- */

static void L2_07_solicitations(void **s)
{
	struct kit *k = *s;

	begin(k);
	kit_start(k);
	send_nd(k, ICMP6_NEIGHBOR_SOLICIT, 0, client, group, server, kit_peer_mac);
	expect_na(k, ND_SOLICITED | ND_OVERRIDE, server, client);
	send_nd(k, ICMP6_NEIGHBOR_SOLICIT, 0, client, server, server, NULL);
	expect_na(k, ND_SOLICITED | ND_OVERRIDE, server, client);
	send_nd(k, ICMP6_NEIGHBOR_SOLICIT, 0, none, group, server, NULL);
	expect_na(k, ND_OVERRIDE, server, all_nodes);
	kit_quiet(k);
}

/* A kilobyte a second, for ten minutes; then the peer says nothing. */
static void L2_10_a_transfer_and_a_silent_peer(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	uint32_t at = 1;
	uint64_t first;

	begin(k);
	k->ports[0].neighbor = ENGINE_NEIGHBOR_RESOLVE;
	p = kit_peer(k);
	kit_syn(p);
	expect_ns(k, client, false);
	kit_quiet(k);
	send_nd(k, ICMP6_NEIGHBOR_ADVERT, ND_SOLICITED | ND_OVERRIDE, client, server, client, kit_peer_mac);
	kit_synack(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	for (unsigned int i = 0; i < 600; i++, at += 1000) {
		kit_app_send(p, 1000);
		expect(p, .flags = ACK, .seq = at, .ack = 1, .len = 1000);
		send_seg(p, .flags = ACK, .seq = 1, .ack = at + 1000);
		kit_advance(k, SEC);
		kit_quiet(k); /* nobody is asked */
	}
	kit_silence(k, 60 * SEC);
	first = k->now;
	kit_app_send(p, 1);
	expect(p, .flags = ACK, .seq = at, .ack = 1, .len = 1);
	for (unsigned int n = 0; n < 3; n++) {
		while (!kit_has(k) || !kit_asks(&k->queue[k->q_head])) {
			if (kit_has(k))
				kit_take(p); /* once more */
			else
				kit_advance(k, MS);
		}
		assert_int_equal(k->now - first, (5 + n) * SEC);
		expect_ns(k, client, true);
	}
	kit_drain(k);
	kit_advance_to(k, first + 8 * SEC - MS);
	while (kit_has(k))
		assert_false(kit_asks(kit_frame_next(k)));
	/* It is given up: what is sent again asks all. */
	while (!kit_has(k) || !kit_asks(&k->queue[k->q_head])) {
		assert_false(kit_has(k));
		kit_advance(k, MS);
		assert_true(k->now - first < 60 * SEC);
	}
	expect_ns(k, client, false);
	send_nd(k, ICMP6_NEIGHBOR_ADVERT, ND_SOLICITED | ND_OVERRIDE, client, server, client, kit_peer_mac);
	expect(p, .flags = ACK, .seq = at, .ack = 1, .len = 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = at + 1);
	kit_quiet(k);
}

/* Nobody gets an answer from an address that is tentative; and what it says when it no longer is. */
static void L2_11_L2_12_an_address_comes_into_use(void **s)
{
	static const enum engine_announce modes[] = {ENGINE_ANNOUNCE, ENGINE_ANNOUNCE_PROBE};

	for (unsigned int i = 0; i < ARRAY_SIZE(modes); i++) {
		struct kit *k = kit_new();
		struct kit_peer *p;
		uint64_t t0 = k->now;
		struct taken t;

		begin(k);
		k->conf.n_addresses = 1;
		k->ports[0].announce = modes[i];
		p = kit_peer(k);
		kit_turn(k);
		take_report(k);
		t = expect_icmp(k, ICMP6_NEIGHBOR_SOLICIT, 0, none, group);
		assert_int_equal(t.ip.l4_len, 24);
		kit_syn(p);
		send_nd(k, ICMP6_NEIGHBOR_SOLICIT, 0, client, group, server, kit_peer_mac);
		kit_advance_to(k, t0 + SEC - 1);
		kit_quiet(k);
		kit_advance(k, 1);
		expect_na(k, ND_OVERRIDE, server, all_nodes);
		expect_na(k, 0, server, all_routers);
		kit_open(p);
		kit_advance_to(k, t0 + 2 * SEC);
		take_report(k);
		expect_na(k, ND_OVERRIDE, server, all_nodes);
		kit_advance_to(k, t0 + 3 * SEC);
		expect_na(k, ND_OVERRIDE, server, all_nodes);
		kit_silence(k, 100 * SEC);
		kit_close(k);
	}
}

/* Its owner's advertisement, or somebody who wants it as well. */
static void L2_11_an_address_with_an_owner_is_not_used(void **s)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct kit *k = kit_new();
		struct kit_peer *p;

		begin(k);
		k->conf.n_addresses = 1;
		k->ports[0].announce = ENGINE_ANNOUNCE;
		p = kit_peer(k);
		kit_turn(k);
		kit_advance(k, SEC / 2);
		kit_drain(k);
		if (i)
			send_nd(k, ICMP6_NEIGHBOR_SOLICIT, 0, none, group, server, NULL);
		else
			send_nd(k, ICMP6_NEIGHBOR_ADVERT, ND_OVERRIDE, server, all_nodes, server, other_mac);
		assert_int_equal(kit_ctr(k, CTR_ND_CONFLICTS), 1);
		kit_silence(k, 60 * SEC);
		kit_syn(p);
		send_nd(k, ICMP6_NEIGHBOR_SOLICIT, 0, client, group, server, kit_peer_mac);
		kit_silence(k, 3 * SEC);
		kit_close(k);
	}
}

static void forget(void *arg, struct kit_frame *f)
{
	++*(unsigned int *)arg;
}

/* A million senders, one connection on the link and one behind the gateway: both go on. */
static void L2_18_flood_of_neighbors(void **s)
{
	enum { N = 1000000 };
	struct kit *k = *s;
	struct kit_peer *p, *far;
	unsigned int frames = 0;
	uint8_t gateway[16];

	begin(k);
	kit_host(gateway, 0xfe);
	k->ports[0].neighbor = ENGINE_NEIGHBOR_RESOLVE;
	memcpy(k->ports[0].gateway6, gateway, 16);
	p = kit_peer(k);
	far = kit_peer(k);
	kit_far(far->addr, 1);
	p->app.echo = far->app.echo = true;
	send_nd(k, ICMP6_NEIGHBOR_SOLICIT, 0, client, group, server, kit_peer_mac);
	send_nd(k, ICMP6_NEIGHBOR_SOLICIT, 0, gateway, group, server, kit_peer_mac);
	kit_drain(k);
	kit_open(p);
	k->sink = forget;
	k->sink_arg = &frames;
	for (unsigned int n = 0; n < N; n += 50) {
		kit_burst_begin(k);
		for (unsigned int i = 0; i < 50; i++) {
			uint8_t from[16];

			memcpy(from, client, 16);
			store_be32(from + 8, 1 + n + i);
			send_nd(k, ICMP6_NEIGHBOR_SOLICIT, 0, from, group, server, other_mac);
		}
		kit_burst_end(k);
	}
	k->sink = NULL;
	assert_int_equal(frames, N);
	assert_int_equal(kit_ctr(k, CTR_NEIGHBOR_EVICTED), N - (16 - 2));
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	expect(p, .flags = ACK, .seq = 1, .ack = 11, .len = 10);
	kit_open(far); /* nobody has to be asked for */
	send_seg(far, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	expect(far, .flags = ACK, .seq = 1, .ack = 11, .len = 10);
	kit_quiet(k);
}

/* ---- ICMPv6 ---- */

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
	send_packet(k, &(struct packet){.src = src, .dst = dst, .proto = proto, .data = udp, .len = 8});
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
		struct packet p = {.src = client, .dst = server, .proto = answered[i], .data = udp, .len = 8};

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

		build(buf, &(struct packet){.src = server, .dst = client, .proto = IP_PROTO_UDP, .data = udp,
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
		sum = sum_finish(sum_partial(msg, 16, sum_pseudo6(client, server, IP_PROTO_ICMPV6, 16)));
		memcpy(msg + 2, &sum, 2);
		len = build(buf, &(struct packet){.src = client, .dst = server, .proto = IP_PROTO_ICMPV6,
						  .data = msg, .len = 16});
		buf[len - 16 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		kit_inject(k, buf, len);
		assert_int_equal(kit_ctr(k, CTR_RX_ICMP_BAD), bit + 1);
	}
	for (unsigned int bit = 0; bit <= 64; bit++) { /* also none at all, which IPv6 does not allow */
		udp_probe(udp, client, server);
		if (bit < 64)
			udp[bit / 8] ^= (uint8_t)(1 << bit % 8);
		else
			udp[6] = udp[7] = 0;
		send_packet(k, &(struct packet){.src = client, .dst = server, .proto = IP_PROTO_UDP, .data = udp,
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
	} lies[] = {{0, 0x40}, {0, 0x50}, {4, 0}, {6, IP6_NEXT_HOP_BY_HOP}, {6, IP6_NEXT_FRAGMENT},
		    {6, IP_PROTO_ICMPV6}, {6, IP_PROTO_UDP}, {8, 0xff}, {23, 0x77}};
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
		assert_int_equal(kit_ctr(k, CTR_RX_ICMP_BAD) + kit_ctr(k, CTR_RX_ICMP_IGNORED), i + 1);
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
		KIT_TEST6(L2_07_solicitations),
		KIT_TEST6(L2_10_a_transfer_and_a_silent_peer),
		KIT_TEST6(L2_11_L2_12_an_address_comes_into_use),
		KIT_TEST6(L2_11_an_address_with_an_owner_is_not_used),
		KIT_TEST6(L2_18_flood_of_neighbors),
		KIT_TEST6(L2_13_echo),
		KIT_TEST6(L2_13_echo_is_limited),
		KIT_TEST6(L2_14_unreachable),
		KIT_TEST6(L2_15_L2_20_what_gets_no_error),
		KIT_TEST6(L2_15_errors_share_a_bucket),
		KIT_TEST6(L2_20_sums_and_types),
		KIT_TEST6(ICM_07_cut_and_lying_quotes),
	};

	return KIT_RUN("nd", tests);
}
