/*
 * The engine as a neighbour of IPv6: neighbour discovery, and TCP to a next hop that has to be
 * asked for first. Rows: L2-07 L2-10 L2-11 L2-12 L2-18.
 */
#include "packet6.h"

static const uint8_t other_mac[6] = {0x02, 0, 0, 0, 0, 0x77};

/* An NS, or an NA with flags, about target; mac NULL: without an option. */
static inline void send_nd(struct kit *k, uint8_t type, uint8_t flags, const uint8_t *src,
			   const uint8_t *dst, const uint8_t *target, const uint8_t *mac)
{
	uint8_t msg[32] = {
		type, [4] = flags,
		[24] = type == ICMP6_NEIGHBOR_SOLICIT ? ND_OPT_SOURCE_MAC : ND_OPT_TARGET_MAC, 1};

	memcpy(msg + 8, target, 16);
	if (mac)
		eth_copy(msg + 26, mac);
	send_icmp(k, src, dst, 255, msg, mac ? 32 : 24);
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

static void L2_10_a_transfer_from_the_peer(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	begin(k);
	k->ports[0].neighbor = ENGINE_NEIGHBOR_RESOLVE;
	p = kit_peer(k);
	send_nd(k, ICMP6_NEIGHBOR_SOLICIT, 0, client, group, server, kit_peer_mac);
	kit_drain(k);
	kit_open(p);
	for (uint32_t at = 1; at < 300 * 1000; at += 1000) {
		send_seg(p, .flags = ACK, .seq = at, .ack = 1, .len = 1000);
		kit_app_read(p, 1000);
		kit_advance(k, SEC);
		expect(p, .flags = ACK, .seq = 1, .ack = at + 1000);
		kit_quiet(k); /* nobody is asked */
	}
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
	send_nd(k, ICMP6_NEIGHBOR_ADVERT, ND_SOLICITED | ND_OVERRIDE, client, server, client,
		kit_peer_mac);
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
	send_nd(k, ICMP6_NEIGHBOR_ADVERT, ND_SOLICITED | ND_OVERRIDE, client, server, client,
		kit_peer_mac);
	expect(p, .flags = ACK, .seq = at, .ack = 1, .len = 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = at + 1);
	kit_quiet(k);
}

/* Nobody gets an answer from an address that is tentative; and what it says when it no longer is.
 */
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
		struct engine_clash clash;
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
			send_nd(k, ICMP6_NEIGHBOR_ADVERT, ND_OVERRIDE, server, all_nodes, server,
				other_mac);
		assert_int_equal(kit_ctr(k, CTR_ND_CONFLICTS), 1);
		assert_true(engine_clash(k->e, 0, &clash));
		assert_false(clash.used);
		kit_silence(k, 60 * SEC);
		kit_syn(p);
		send_nd(k, ICMP6_NEIGHBOR_SOLICIT, 0, client, group, server, kit_peer_mac);
		kit_silence(k, 3 * SEC);
		kit_close(k);
	}
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST6(L2_07_solicitations),
		KIT_TEST6(L2_10_a_transfer_from_the_peer),
		KIT_TEST6(L2_10_a_transfer_and_a_silent_peer),
		KIT_TEST6(L2_11_L2_12_an_address_comes_into_use),
		KIT_TEST6(L2_11_an_address_with_an_owner_is_not_used),
		KIT_TEST6(L2_18_flood_of_neighbors),
	};

	return KIT_RUN("nd", tests);
}
