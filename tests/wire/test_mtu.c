/*
 * The MTU of a port, and DF on all that leaves through it.
 */
#include "kit.h"

/* That by which segments are as long as with IPv4 by mtu. */
static void set_mtu(struct kit *k, uint16_t mtu)
{
	k->cap[0].mtu = kit_mtu(mtu);
	engine_port_mtu(k->e, 0);
}

static uint16_t mss_of_next_synack(struct kit *k)
{
	struct kit_peer *p = kit_peer(k);
	struct seg g;

	kit_syn(p);
	g = kit_synack(p);
	send_seg(p, .flags = RST, .seq = 1);
	return g.mss;
}

static void OPT_12_mss_follows_the_port(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k), *q;

	kit_app_send(p, 1448);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1448);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1449);
	assert_int_equal(mss_of_next_synack(k), 1460);
	set_mtu(k, 1400);
	assert_int_equal(mss_of_next_synack(k), 1360);
	engine_pressure(k->e, true, 0); /* by cookie */
	assert_int_equal(mss_of_next_synack(k), 1360);
	engine_pressure(k->e, false, 0);
	q = kit_peer(k);
	assert_int_equal(kit_connect(q).mss, 1360);
	send_seg(q, .flags = RST | ACK, .ack = 1);

	/* The connection from before follows. */
	kit_app_send(p, 4000);
	expect(p, .flags = ACK, .seq = 1449, .ack = 1, .len = 1348);
	kit_drain(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 5449);
	set_mtu(k, 1500);
	assert_int_equal(mss_of_next_synack(k), 1460);
}

/* Alone and with nothing in flight, too, a segment is no larger than the path has become. */
static void OPT_12_the_only_segment(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);

	set_mtu(k, 1400);
	kit_app_send(p, 1348);
	expect(p, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 1348);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1349);
	kit_app_send(p, 1349);
	expect(p, .flags = ACK, .seq = 1349, .ack = 1, .len = 1348);
	expect(p, .flags = PSH | ACK, .seq = 2697, .ack = 1, .len = 1);
}

/* What was in flight at the old size goes again at the new one. */
static void OPT_12_flight_of_the_old_size(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);
	uint32_t una = 1;

	kit_app_send(p, 5 * 1448);
	kit_drain(k);
	set_mtu(k, 1400);
	while (una < 5 * 1448 + 1) {
		kit_advance(k, 10 * MS);
		while (kit_has(k)) {
			struct seg g = kit_take(p);

			assert_in_range(g.len, 1, 1348);
			if (g.seq <= una)
				una = max_of(una, g.seq + g.len);
		}
		send_seg(p, .flags = ACK, .seq = 1, .ack = una);
	}
}

struct seen {
	unsigned int flags; /* of any segment */
	uint32_t top;       /* the highest end of one */
};

/* Take all that waits: DF set, MF clear, offset 0; of IPv6 no Fragment header (kit_parse). */
static unsigned int whole(struct kit_peer *p, struct seen *seen)
{
	unsigned int n = 0;

	for (; kit_has(p->k); n++) {
		struct seg g = kit_take(p);

		assert_int_equal(g.ip_frag, IP4_DF);
		seen->flags |= g.flags;
		seen->top = seq_max(seen->top, g.seq + g.len);
	}
	return n;
}

static void advance_until(struct kit_peer *p, enum counter c, uint64_t n, struct seen *seen)
{
	for (unsigned int i = 0; kit_ctr(p->k, c) < n; i++) {
		if (i >= 20000)
			fail_msg("%s stays at %llu", counter_info[c].name, (unsigned long long)n);
		kit_advance(p->k, 10 * MS);
		whole(p, seen);
	}
}

/* Data lost, sent again and probed for; a closed window; keep-alive; FIN, lost too; TIME-WAIT. */
static void a_life(struct kit *k, unsigned int offer, struct seen *seen)
{
	struct kit_peer *p = kit_peer(k);
	uint32_t end = 1 + 20000;

	seen->top = 0;
	p->offer = offer;
	kit_syn(p);
	assert_int_equal(kit_synack(p).ip_frag, IP4_DF);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_app_send(p, 20000);
	assert_true(whole(p, seen) > 5);
	advance_until(p, CTR_RTO_FIRED, kit_ctr(k, CTR_RTO_FIRED) + 3, seen);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1461);
	whole(p, seen);
	while (seen->top < end) {
		send_seg(p, .flags = ACK, .seq = 1, .ack = seen->top);
		whole(p, seen);
	}
	kit_app_send(p, 8000);
	send_seg(p, .flags = ACK, .seq = 1, .ack = end);
	whole(p, seen);
	for (uint32_t i = 1; i < 5; i++) /* fast retransmit */
		send_seg(p, .flags = ACK, .seq = 1, .ack = end, .opts.sack_n = 1,
			 .sack = {{end + 1460, end + 1460 + 1000 * i}});
	assert_true(whole(p, seen) > 0);
	for (end += 8000; seen->top < end;) {
		send_seg(p, .flags = ACK, .seq = 1, .ack = seen->top);
		whole(p, seen);
	}
	p->win = 0;
	send_seg(p, .flags = ACK, .seq = 1, .ack = end);
	kit_app_send(p, 1000);
	for (int i = 0; i < 3; i++) {
		advance_until(p, CTR_TX_WINDOW_PROBES, kit_ctr(k, CTR_TX_WINDOW_PROBES) + 1, seen);
		send_seg(p, .flags = ACK, .seq = 1, .ack = end);
	}
	p->win = 65535;
	send_seg(p, .flags = ACK, .seq = 1, .ack = end);
	assert_true(whole(p, seen) > 0);
	end += 1000;
	send_seg(p, .flags = ACK, .seq = 1, .ack = end);
	send_seg(p, .flags = ACK, .seq = 1000, .ack = end, .len = 100); /* out of order */
	send_seg(p, .flags = ACK, .seq = 1, .ack = end, .len = 999);
	send_seg(p, .flags = SYN, .seq = 1);
	assert_true(whole(p, seen) >= 3);
	kit_advance(k, 7300 * SEC);
	assert_true(whole(p, seen) > 0);
	kit_app_close(p);
	advance_until(p, CTR_RTO_FIRED, kit_ctr(k, CTR_RTO_FIRED) + 2, seen);
	send_seg(p, .flags = FIN | ACK, .seq = 1100, .ack = end + 1);
	send_seg(p, .flags = FIN | ACK, .seq = 1100, .ack = end + 1);
	assert_true(whole(p, seen) > 0);
}

static void PMT_01_every_packet_is_whole(void **s)
{
	static const unsigned int offers[] = {0, OFFER_ALL, OFFER_SACK | OFFER_WS};
	struct kit *k = *s;
	struct kit_peer *p;
	struct seen seen = {0};

	k->tcp.keepalive = true;
	for (unsigned int i = 0; i < ARRAY_SIZE(offers); i++)
		a_life(k, offers[i], &seen);
	assert_int_equal(seen.flags & (FIN | ACK | PSH), FIN | ACK | PSH);
	assert_true(kit_ctr(k, CTR_TLP_PROBES) > 0);
	assert_true(kit_ctr(k, CTR_FAST_RECOVERIES) > 0);

	p = kit_plain(k);
	kit_app_abort(p);
	assert_int_equal(whole(p, &seen), 1);
	p = kit_peer(k);
	p->dport = 81; /* closed */
	send_seg(p, .flags = SYN);
	assert_int_equal(whole(p, &seen), 1);
	p = kit_peer(k);
	assert_int_equal(kit_connect(p).ip_frag, IP4_DF);
	kit_advance(k, 1100 * MS);
	assert_int_equal(kit_take_syn(p).ip_frag, IP4_DF);
	send_seg(p, .flags = RST | ACK, .ack = 1);
	engine_pressure(k->e, true, 0);
	p = kit_peer(k);
	kit_syn(p);
	assert_int_equal(kit_synack(p).ip_frag, IP4_DF);
	assert_true(seen.flags & RST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(OPT_12_mss_follows_the_port),
		KIT_TEST(OPT_12_the_only_segment),
		KIT_TEST(OPT_12_flight_of_the_old_size),
		KIT_TEST(PMT_01_every_packet_is_whole),
	};

	return KIT_RUN("mtu", tests);
}
