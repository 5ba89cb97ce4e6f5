/*
 * The engine as a neighbour: ARP, ICMP, and TCP to a next hop that must be asked for first.
 * Rows: L2-01 L2-04 L2-05 L2-06 L2-13 L2-14 L2-15 L2-18 L2-19 L2-20.
 */
#include "kit.h"
#include "wire/udp.h"

static const uint8_t other_mac[6] = {0x02, 0, 0, 0, 0, 0x77};

static void send_arp_from(struct kit *k, const uint8_t *sha, uint16_t op, uint32_t spa,
			  uint32_t tpa)
{
	uint8_t buf[60] = {0};
	struct arp_pkt *a = (struct arp_pkt *)(buf + ETH_HDR_LEN);

	memset(buf, 0xff, 6);
	eth_copy(buf + 6, sha);
	store_be16(buf + 12, ETH_TYPE_ARP);
	*a = (struct arp_pkt){.htype = BE16(ARP_HTYPE_ETHERNET), .ptype = BE16(ETH_TYPE_IP4),
			      .hlen = 6, .plen = 4, .op = be16(op), .spa = spa, .tpa = tpa};
	eth_copy(a->sha, sha);
	kit_inject(k, buf, sizeof(buf));
}

static void send_arp(struct kit *k, uint16_t op, uint32_t spa, uint32_t tpa)
{
	send_arp_from(k, kit_peer_mac, op, spa, tpa);
}

static const struct arp_pkt *take_arp(struct kit *k)
{
	struct kit_frame *f = kit_frame_next(k);

	assert_non_null(f);
	assert_int_equal(load_be16(f->bytes + 12), ETH_TYPE_ARP);
	return (const struct arp_pkt *)(f->bytes + ETH_HDR_LEN);
}

static void L2_01_requests_for_own_addresses(void **s)
{
	static const uint32_t from[] = {KIT_CLIENT, 0};
	struct kit *k = *s;

	kit_start(k);
	for (int i = 0; i < 2; i++) {
		const struct arp_pkt *a;

		send_arp(k, ARP_OP_REQUEST, from[i], KIT_SERVER);
		a = take_arp(k);
		assert_int_equal(a->op, BE16(ARP_OP_REPLY));
		assert_memory_equal(a->sha, kit_mac, 6);
		assert_int_equal(a->spa, KIT_SERVER);
	}
	send_arp(k, ARP_OP_REQUEST, KIT_CLIENT, V4(198, 18, 0, 77));
	kit_quiet(k);
}

static void L2_06_synack_waits_for_the_next_hop(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	const struct arp_pkt *a;

	k->ports[0].neighbor = ENGINE_NEIGHBOR_RESOLVE;
	p = kit_peer(k);
	kit_syn(p);
	a = take_arp(k);
	assert_int_equal(a->op, BE16(ARP_OP_REQUEST));
	assert_int_equal(a->tpa, KIT_CLIENT);
	kit_quiet(k);
	send_arp(k, ARP_OP_REPLY, KIT_CLIENT, KIT_SERVER);
	kit_synack(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.opens, 1);
}

/* ---- RFC 5227 ---- */

static void next_arp(struct kit *k, uint64_t at, uint32_t spa)
{
	const struct arp_pkt *a;

	if (k->now < at) {
		kit_advance_to(k, at - 1);
		kit_quiet(k);
		kit_advance(k, 1);
	}
	a = take_arp(k);
	assert_int_equal(a->op, BE16(ARP_OP_REQUEST));
	assert_int_equal(a->spa, spa);
	assert_int_equal(a->tpa, KIT_SERVER);
	assert_memory_equal(a->sha, kit_mac, 6);
	kit_quiet(k);
}

static void L2_04_probed_then_announced(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	uint64_t t0 = k->now;

	k->conf.n_addresses = 1;
	k->ports[0].announce = ENGINE_ANNOUNCE_PROBE;
	p = kit_peer(k);
	kit_turn(k);
	for (unsigned int i = 0; i < 3; i++)
		next_arp(k, t0 + 2 * i * SEC, 0);
	kit_syn(p); /* not in use yet */
	send_arp(k, ARP_OP_REQUEST, KIT_CLIENT, KIT_SERVER);
	kit_quiet(k);
	next_arp(k, t0 + 6 * SEC, KIT_SERVER);
	kit_open(p);
	next_arp(k, t0 + 8 * SEC, KIT_SERVER);
	kit_silence(k, 100 * SEC);
}

/* An answer, a rival's probe, or anything else of it from another MAC address. */
static void L2_04_an_address_with_an_owner_is_not_used(void **s)
{
	static const struct {
		uint16_t op;
		uint32_t spa;
	} heard[] = {{ARP_OP_REPLY, KIT_SERVER}, {ARP_OP_REQUEST, 0}, {ARP_OP_REQUEST, KIT_SERVER}};

	for (unsigned int i = 0; i < ARRAY_SIZE(heard); i++) {
		struct kit *k = kit_new();
		struct engine_clash clash;
		struct kit_peer *p;

		k->conf.n_addresses = 1;
		k->ports[0].announce = ENGINE_ANNOUNCE_PROBE;
		p = kit_peer(k);
		kit_turn(k);
		kit_advance(k, 3 * SEC);
		take_arp(k);
		take_arp(k);
		send_arp_from(k, other_mac, heard[i].op, heard[i].spa, KIT_SERVER);
		assert_int_equal(kit_ctr(k, CTR_ARP_CONFLICTS), 1);
		assert_true(engine_clash(k->e, 0, &clash));
		assert_int_equal(clash.local, 0);
		assert_false(clash.used);
		assert_memory_equal(clash.mac, other_mac, sizeof(clash.mac));
		assert_false(engine_clash(k->e, 1, &clash));
		kit_silence(k, 60 * SEC);
		kit_syn(p);
		send_arp(k, ARP_OP_REQUEST, KIT_CLIENT, KIT_SERVER);
		kit_silence(k, 3 * SEC);
		kit_close(k);
	}
}

static void L2_04_without_probing(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k); /* announcements are off */

	kit_turn(k);
	kit_quiet(k);
	kit_open(p);
	kit_silence(k, 60 * SEC);
}

static void L2_05_conflicts(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);
	struct engine_clash clash;
	uint64_t t0 = k->now;

	assert_false(engine_clash(k->e, 0, &clash));
	p->app.echo = true;
	for (unsigned int i = 0; i < 100; i++) {
		send_arp_from(k, other_mac, i & 1 ? ARP_OP_REQUEST : ARP_OP_REPLY, KIT_SERVER,
			      KIT_SERVER);
		if (i == 0)
			next_arp(k, 0, KIT_SERVER);
		kit_quiet(k);
		kit_advance_to(k, t0 + (i + 1) * SEC / 10);
	}
	assert_int_equal(kit_ctr(k, CTR_ARP_CONFLICTS), 100);
	assert_true(engine_clash(k->e, 0, &clash) && clash.used);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10); /* the address is kept */
	expect(p, .flags = ACK, .seq = 1, .ack = 11, .len = 10);
	send_seg(p, .flags = ACK, .seq = 11, .ack = 11);
	send_arp_from(k, other_mac, ARP_OP_REPLY, KIT_SERVER, KIT_SERVER);
	next_arp(k, 0, KIT_SERVER);
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

	k->addrs[0].prefix = k->addrs[1].prefix = 8;
	k->ports[0].neighbor = ENGINE_NEIGHBOR_RESOLVE;
	k->ports[0].gateway = V4(198, 255, 0, 1);
	p = kit_peer(k);
	far = kit_peer(k);
	kit_v4(far->addr, V4(20, 0, 0, 1));
	p->app.echo = far->app.echo = true;
	send_arp(k, ARP_OP_REQUEST, KIT_CLIENT, KIT_SERVER);
	send_arp(k, ARP_OP_REQUEST, V4(198, 255, 0, 1), KIT_SERVER);
	kit_drain(k);
	kit_open(p);
	k->sink = forget;
	k->sink_arg = &frames;
	for (unsigned int n = 0; n < N; n += 50) {
		kit_burst_begin(k);
		for (unsigned int i = 0; i < 50; i++) {
			uint8_t mac[6] = {0x02, 1, 0, (uint8_t)(n >> 16), (uint8_t)(n >> 8),
					  (uint8_t)(n + i)};

			send_arp_from(k, mac, ARP_OP_REQUEST, be32(0xc6400000u + n + i), KIT_SERVER);
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

/* ---- IPv4 ---- */

/* The headers of an IPv4 packet of the client, with what is behind them; returns its length. */
static uint32_t build_ip(uint8_t *buf, uint8_t proto, const void *data, uint16_t len)
{
	struct ip4_hdr *ip = (struct ip4_hdr *)(buf + ETH_HDR_LEN);

	memset(buf, 0, 2000);
	eth_copy(buf, kit_mac);
	eth_copy(buf + 6, kit_peer_mac);
	store_be16(buf + 12, ETH_TYPE_IP4);
	*ip = (struct ip4_hdr){.ver_ihl = IP4_VER_IHL, .total_len = be16(IP4_HDR_LEN + len),
			       .ttl = 64, .proto = proto, .saddr = KIT_CLIENT,
			       .daddr = KIT_SERVER};
	ip->cksum = sum_finish(sum_partial(ip, IP4_HDR_LEN, 0));
	memcpy(ip + 1, data, len);
	return (uint32_t)max_of(ETH_HDR_LEN + IP4_HDR_LEN + len, ETH_MIN_FRAME);
}

static void ip_sum(uint8_t *buf)
{
	struct ip4_hdr *ip = (struct ip4_hdr *)(buf + ETH_HDR_LEN);

	ip->cksum = 0;
	ip->cksum = sum_finish(sum_partial(ip, IP4_HDR_LEN, 0));
}

static void send_ip(struct kit *k, uint8_t proto, const void *data, uint16_t len)
{
	uint8_t buf[2000];

	kit_inject(k, buf, build_ip(buf, proto, data, len));
}

static const struct icmp_hdr *take_icmp(struct kit *k, uint16_t len)
{
	struct kit_frame *f = kit_frame_next(k);
	const struct ip4_hdr *ip;

	assert_non_null(f);
	ip = (const struct ip4_hdr *)(f->bytes + ETH_HDR_LEN);
	assert_int_equal(ip->proto, IP_PROTO_ICMP);
	assert_int_equal(ip->saddr, KIT_SERVER);
	assert_int_equal(ip->daddr, KIT_CLIENT);
	if (len)
		assert_int_equal(be16(ip->total_len), IP4_HDR_LEN + len);
	assert_int_equal(sum_fold(sum_partial(ip + 1, be16(ip->total_len) - IP4_HDR_LEN, 0)),
			 0xffff);
	return (const struct icmp_hdr *)(ip + 1);
}

static void L2_13_echo(void **s)
{
	static const uint16_t lens[] = {0, 1, 55, 56, 1000, 1472};
	struct kit *k = *s;

	kit_start(k);
	for (unsigned int i = 0; i < ARRAY_SIZE(lens); i++) {
		uint16_t len = ICMP_HDR_LEN + lens[i];
		uint8_t msg[1500];
		struct icmp_hdr *h = (struct icmp_hdr *)msg;
		const struct icmp_hdr *r;

		for (unsigned int j = 0; j < len; j++)
			msg[j] = kit_pattern(j);
		h->type = ICMP_ECHO_REQUEST;
		h->code = 0;
		h->cksum = 0;
		h->cksum = sum_finish(sum_partial(msg, len, 0));
		send_ip(k, IP_PROTO_ICMP, msg, len);
		r = take_icmp(k, len);
		assert_int_equal(r->type, ICMP_ECHO_REPLY);
		assert_memory_equal((const uint8_t *)r + 4, msg + 4, len - 4);
	}
}

static void L2_14_unreachable(void **s)
{
	static const uint8_t udp[8] = {0x40, 0, 0x50, 0, 0, 8, 0, 0};
	struct kit *k = *s;
	const struct icmp_hdr *r;

	kit_start(k);
	send_ip(k, IP_PROTO_UDP, udp, 8);
	r = take_icmp(k, 0);
	assert_int_equal(r->type, ICMP_UNREACHABLE);
	assert_int_equal(r->code, ICMP_UNREACH_PORT);
	send_ip(k, 253, udp, 8);
	assert_int_equal(take_icmp(k, 0)->code, ICMP_UNREACH_PROTO);
	struct kit_peer *p = kit_peer(k);

	p->dport = 4444; /* TCP says it by RST */
	kit_syn(p);
	expect(p, .flags = RST | ACK, .seq = 0, .ack = 1);
	kit_quiet(k);
}

/* UDP and an unknown protocol, each of which is answered where nothing forbids it. */
static const uint8_t udp_probe[8] = {0x40, 0, 0x50, 0, 0, 8, 0, 0};
static const uint8_t answered[] = {IP_PROTO_UDP, 253};

static void L2_15_L2_20_what_gets_no_error(void **s)
{
	static const uint32_t to[] = {V4(198, 18, 0, 255), V4(255, 255, 255, 255), V4(224, 0, 0, 1)};
	static const uint32_t from[] = {0, V4(0, 0, 0, 1), V4(127, 0, 0, 1), V4(224, 0, 0, 1),
					V4(240, 0, 0, 1), V4(255, 255, 255, 255),
					V4(198, 18, 0, 255), KIT_SERVER, KIT_SECOND};
	struct kit *k = *s;
	uint8_t buf[2000];
	uint32_t len;

	kit_start(k);
	for (unsigned int i = 0; i < ARRAY_SIZE(answered); i++) {
		struct ip4_hdr *ip = (struct ip4_hdr *)(buf + ETH_HDR_LEN);

		for (unsigned int j = 0; j < ARRAY_SIZE(to); j++) {
			len = build_ip(buf, answered[i], udp_probe, 8);
			ip->daddr = to[j];
			ip_sum(buf);
			kit_inject(k, buf, len);
		}
		for (unsigned int j = 0; j < ARRAY_SIZE(from); j++) {
			len = build_ip(buf, answered[i], udp_probe, 8);
			ip->saddr = from[j];
			ip_sum(buf);
			kit_inject(k, buf, len);
		}
		for (unsigned int j = 0; j < 3; j++) { /* frames to all, to many, from many */
			len = build_ip(buf, answered[i], udp_probe, 8);
			memset(buf + (j == 2 ? 6 : 0), j == 0 ? 0xff : 0x01, 6);
			kit_inject(k, buf, len);
		}
		for (uint16_t frag = 1; frag < 0x2000; frag += 1000) { /* not the first */
			len = build_ip(buf, answered[i], udp_probe, 8);
			ip->frag = be16(frag);
			ip_sum(buf);
			kit_inject(k, buf, len);
		}
	}
	/* About errors, whatever they quote. */
	for (unsigned int type = 3; type <= 12; type++) {
		uint8_t err[36] = {(uint8_t)type, 1};

		if (type > 5 && type < 11)
			continue;
		build_ip(buf, IP_PROTO_UDP, udp_probe, 8);
		memcpy(err + 8, buf + ETH_HDR_LEN, 28);
		store_be16(err + 2, be16(sum_finish(sum_partial(err, 36, 0))));
		send_ip(k, IP_PROTO_ICMP, err, 36);
		send_ip(k, IP_PROTO_ICMP, err, 20);
	}
	kit_silence(k, 70 * SEC);
	assert_int_equal(kit_ctr(k, CTR_ICMP_ERRORS_TX), 0);
	send_ip(k, IP_PROTO_UDP, udp_probe, 8); /* and it would have been answered */
	assert_int_equal(take_icmp(k, 0)->type, ICMP_UNREACHABLE);
}

static void L2_20_sums_and_types(void **s)
{
	struct kit *k = *s;
	uint8_t udp[16] = {0x40, 0, 0x50, 0, 0, 16, 0x12, 0x34}, icmp[16] = {0};

	kit_start(k);
	send_ip(k, IP_PROTO_UDP, udp, 16);
	assert_int_equal(kit_ctr(k, CTR_RX_UDP_BAD), 1);
	for (unsigned int bit = 0; bit < 128; bit++) {
		memset(icmp, 0, sizeof(icmp));
		icmp[0] = ICMP_ECHO_REQUEST;
		store_be16(icmp + 2, be16(sum_finish(sum_partial(icmp, 16, 0))));
		icmp[bit / 8] ^= (uint8_t)(1 << bit % 8);
		send_ip(k, IP_PROTO_ICMP, icmp, 16);
		assert_int_equal(kit_ctr(k, CTR_RX_ICMP_BAD), bit + 1);
	}
	for (unsigned int type = 0; type < 256; type++) {
		if (type == ICMP_ECHO_REQUEST)
			continue;
		memset(icmp, 0, sizeof(icmp));
		icmp[0] = (uint8_t)type;
		store_be16(icmp + 2, be16(sum_finish(sum_partial(icmp, 16, 0))));
		send_ip(k, IP_PROTO_ICMP, icmp, 16);
	}
	kit_silence(k, 3 * SEC);
	assert_int_equal(counter_rx_dropped(&k->ctr), k->injected);
}

static void L2_15_errors_share_a_bucket(void **s)
{
	struct kit *k = *s;
	unsigned int frames = 0;

	kit_start(k);
	k->sink = forget;
	k->sink_arg = &frames;
	for (unsigned int i = 0; i < 100000; i++) {
		k->now = KIT_T0 + i * 10ull;
		send_ip(k, answered[i & 1], udp_probe, 8);
	}
	/* icmp-rate, and its burst once. */
	assert_in_range(frames, k->conf.icmp_rate, k->conf.icmp_rate * 3 / 2 + 1);
	assert_int_equal(kit_ctr(k, CTR_TX_ICMP_RATE), 100000 - frames);
	k->sink = NULL;
}

static void L2_19_frames_that_are_none(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	uint8_t buf[10000];
	uint32_t len = kit_build(p, &(struct seg){.flags = SYN}, buf);
	unsigned int n = 0;

	for (uint32_t cut = 1; cut < ETH_HDR_LEN + IP4_HDR_LEN; cut++) {
		kit_inject(k, buf, cut);
		assert_int_equal(kit_ctr(k, CTR_RX_RUNT), ++n);
	}
	n = 0;
	for (uint32_t cut = ETH_HDR_LEN + IP4_HDR_LEN; cut < len; cut++) {
		kit_inject(k, buf, cut);
		assert_int_equal(kit_ctr(k, CTR_RX_IP_CUT), ++n);
	}
	n = (unsigned int)kit_ctr(k, CTR_RX_RUNT);
	store_be16(buf + 12, ETH_TYPE_ARP);
	for (uint32_t cut = ETH_HDR_LEN; cut < ETH_HDR_LEN + sizeof(struct arp_pkt); cut++) {
		kit_inject(k, buf, cut);
		assert_int_equal(kit_ctr(k, CTR_RX_RUNT), ++n);
	}
	store_be16(buf + 12, ETH_TYPE_IP4);
	for (unsigned int bit = 0; bit < 48; bit++) {
		if (bit == 0)
			continue; /* a group address */
		kit_build(p, &(struct seg){.flags = SYN}, buf);
		buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
		kit_inject(k, buf, len);
		assert_int_equal(kit_ctr(k, CTR_RX_FOREIGN_MAC), bit);
	}
	for (uint16_t l = 0; l < UDP_HDR_LEN; l++) {
		send_ip(k, IP_PROTO_UDP, udp_probe, l);
		assert_int_equal(kit_ctr(k, CTR_RX_UDP_BAD), l + 1);
	}
	for (uint16_t l = 0; l < ICMP_HDR_LEN; l++) {
		send_ip(k, IP_PROTO_ICMP, udp_probe, l);
		assert_int_equal(kit_ctr(k, CTR_RX_ICMP_BAD), l + 1);
	}
	kit_silence(k, 3 * SEC);
	assert_int_equal(counter_rx_dropped(&k->ctr), k->injected);
	assert_int_equal(kit_usage(k).half_open, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(L2_01_requests_for_own_addresses),
		KIT_TEST(L2_04_probed_then_announced),
		cmocka_unit_test(L2_04_an_address_with_an_owner_is_not_used),
		KIT_TEST(L2_04_without_probing),
		KIT_TEST(L2_05_conflicts),
		KIT_TEST(L2_18_flood_of_neighbors),
		KIT_TEST(L2_15_L2_20_what_gets_no_error),
		KIT_TEST(L2_15_errors_share_a_bucket),
		KIT_TEST(L2_19_frames_that_are_none),
		KIT_TEST(L2_20_sums_and_types),
		KIT_TEST(L2_06_synack_waits_for_the_next_hop),
		KIT_TEST(L2_13_echo),
		KIT_TEST(L2_14_unreachable),
	};

	return KIT_RUN("arp_icmp", tests);
}
