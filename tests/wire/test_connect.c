/*
 * Active opens: SYN-SENT and its answers, retransmission, and what a connection is after it.
 * Crossing SYNs are in test_crossing.c.
 */
#include "kit.h"

#include <errno.h>

#define SECOND_PORT 7000

static void refused(struct kit_peer *p)
{
	assert_int_equal(p->app.opens, 0);
	assert_int_equal(p->app.failed, 1);
	assert_int_equal(p->app.why, PIER_CLOSE_REFUSED);
	assert_int_equal(kit_usage(p->k).connections, 0);
}

static void OPN_02_active_open(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	struct seg syn;

	p->offer = OFFER_ALL;
	p->app.on_open = 5000;
	syn = kit_connect(p);
	assert_int_equal(syn.flags, SYN);
	assert_int_equal(syn.win, 65535);
	assert_int_equal(syn.mss, 1460);
	assert_int_equal(p->app.opens, 0);
	assert_int_equal(kit_usage(k).connections, 1);
	p->win = 1000;
	kit_accept(p);
	assert_int_equal(p->app.opens, 1);
	/* SND.WND, not scaled, comes from the SYN-ACK; the ACK of that rides on the data. */
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
	kit_silence(k, 150 * MS);
	/* SND.WL1 and WL2: a segment from before the SYN-ACK does not set the window. */
	p->win = 7;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1001);
	expect(p, .flags = ACK, .seq = 1001, .ack = 1, .len = 7 << p->ws);
	kit_quiet(k);
}

static void OPN_02_the_third_segment(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	kit_active(p);
	kit_silence(k, 3 * SEC);
	assert_int_equal(kit_ctr(k, CTR_CONN_OPENED), 1);
	assert_int_equal(kit_ctr(k, CTR_SYN_SENT), 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	assert_int_equal(p->app.rx, 100);
}

static void OPN_07_bad_ack(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	kit_connect(p);
	send_seg(p, .flags = SYN | ACK, .seq = 0, .ack = 0);
	expect(p, .flags = RST, .seq = 0);
	send_seg(p, .flags = SYN | ACK, .seq = 0, .ack = 2);
	expect(p, .flags = RST, .seq = 2);
	send_seg(p, .flags = ACK, .seq = 0, .ack = 2);
	expect(p, .flags = RST, .seq = 2);
	kit_quiet(k);
	assert_int_equal(kit_usage(k).connections, 1);
	kit_accept(p);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.opens, 1);
}

static void OPN_08_resets_in_syn_sent(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	kit_connect(p);
	send_seg(p, .flags = RST, .seq = 0);
	send_seg(p, .flags = RST | ACK, .seq = 0, .ack = 0);
	send_seg(p, .flags = RST | ACK, .seq = 0, .ack = 2);
	kit_silence(k, 900 * MS);
	assert_int_equal(p->app.failed, 0);
	send_seg(p, .flags = RST | ACK, .seq = 0, .ack = 1);
	refused(p);
	assert_int_equal(kit_ctr(k, CTR_CONN_REFUSED), 1);
	kit_silence(k, 3 * SEC);
}

static void RST_03_bad_ack_with_reset_in_syn_sent(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	static const uint32_t acks[] = {0, 2, 1000, 0x80000000u};

	kit_connect(p);
	for (unsigned int i = 0; i < ARRAY_SIZE(acks); i++) {
		send_seg(p, .flags = RST, .seq = 5);
		send_seg(p, .flags = RST | ACK, .seq = 5, .ack = acks[i]);
		send_seg(p, .flags = RST | SYN | ACK, .seq = 5, .ack = acks[i]);
		kit_quiet(k);
	}
	assert_int_equal(p->app.failed, 0);
	kit_accept(p);
	assert_int_equal(p->app.opens, 1);
	kit_drain(k);
}

static void OPN_09_no_syn_no_effect(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	kit_connect(p);
	send_seg(p, .flags = FIN | ACK, .seq = 0, .ack = 1);
	send_seg(p, .flags = ACK, .seq = 0, .ack = 1);
	send_seg(p, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 10);
	send_seg(p, .flags = FIN, .seq = 1);
	kit_silence(k, 900 * MS);
	assert_int_equal(kit_ctr(k, CTR_RX_SYN_SENT), 4);
	assert_int_equal(p->app.opens + p->app.failed, 0);
	kit_accept(p);
	assert_int_equal(p->app.opens, 1);
	kit_drain(k);
}

static void OPN_09_data_and_fin_on_the_synack(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	uint8_t data[10];

	p->app.half_open_on_eof = true;
	for (unsigned int i = 0; i < sizeof(data); i++)
		data[i] = kit_pattern(i);
	kit_connect(p);
	send_seg(p, .flags = SYN | ACK | FIN, .seq = 0, .ack = 1, .len = 10, .data = data,
		 .opts = kit_answer_opts(p));
	assert_int_equal(p->app.opens, 1);
	assert_int_equal(p->app.rx, 10);
	assert_int_equal(p->app.eofs, 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 12);
	kit_quiet(k);
	/* CLOSE-WAIT: it can still send. */
	kit_app_send(p, 5);
	expect(p, .flags = ACK, .seq = 1, .ack = 12, .len = 5);
}

static void CLS_12_fin_in_syn_sent(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k), *q = kit_peer(k);

	kit_connect(p);
	send_seg(p, .flags = FIN | ACK, .seq = 0, .ack = 1);
	kit_silence(k, 900 * MS);
	assert_int_equal(p->app.eofs + p->app.failed + p->app.opens, 0);
	q->dport = 81; /* CLOSED */
	send_seg(q, .flags = FIN | ACK, .seq = 9, .ack = 77);
	expect(q, .flags = RST, .seq = 77);
	kit_quiet(k);
}

static void CLS_09_close_in_syn_sent(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k), *q = kit_peer(k);

	kit_connect(p);
	kit_app_close(p);
	kit_quiet(k);
	assert_int_equal(p->app.failed, 1);
	assert_int_equal(p->app.why, PIER_CLOSE_NORMAL);
	kit_accept(p);
	expect(p, .flags = RST, .seq = 1);
	kit_silence(k, 3 * SEC);
	/* In LISTEN. */
	engine_unlisten(k->e, k->versions[0]);
	kit_silence(k, SEC);
	kit_syn(q);
	q->iss = 0;
	q->iss_known = true;
	expect(q, .flags = RST | ACK, .seq = 0, .ack = 1);
}

static void RST_07_abort_in_syn_sent(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	kit_connect(p);
	kit_app_abort(p);
	kit_silence(k, 3 * SEC);
	assert_int_equal(p->app.why, PIER_CLOSE_ABORT);
	assert_int_equal(p->app.failed, 1);
}

static void OPN_16_listen_on_a_connecting_port(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k), *q = kit_peer(k), *r = kit_peer(k);

	assert_int_equal(kit_connect_from(p, LISTENER_ANY, SECOND_PORT), 0);
	kit_arp(k);
	kit_take_syn(p);
	assert_int_equal(kit_connect_from(q, LISTENER_ANY, SECOND_PORT), 0);
	kit_take_syn(q);
	send_seg(q, .flags = SYN, .seq = 0, .opts = {.flags = TCP_OPTS_MSS, .mss = 1460});
	expect(q, .flags = SYN | ACK, .seq = 0, .ack = 1); /* SYN-RECEIVED */
	kit_listen(k, SECOND_PORT, LISTENER_ANY);
	kit_host(r->addr, 9);
	r->dport = SECOND_PORT;
	kit_open(r);
	/* And both go on. */
	kit_accept(p);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	send_seg(q, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.opens + q->app.opens, 2);
}

static void OPN_18_source_address(void **s)
{
	static const uint8_t other_mac[6] = {0x02, 0, 0, 0, 0, 0x77};
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k), *q = kit_peer(k);
	struct kit_frame *f;

	kit_active(p);
	kit_host(q->server, KIT_SECOND_HOST);
	assert_int_equal(kit_connect_from(q, 1, 0), 0);
	kit_take_syn(q); /* each frame's source is checked */
	kit_accept(q);
	expect(q, .flags = ACK, .seq = 1, .ack = 1);
	/* The next hop is another from now on; the source stays. */
	kit_ask(k, other_mac, p->addr, p->server);
	kit_drain(k);
	for (int i = 0; i < 2; i++) {
		struct kit_peer *x = i ? q : p;

		kit_app_send(x, 10);
		f = kit_frame_next(k);
		assert_non_null(f);
		assert_memory_equal(f->bytes, other_mac, 6);
		eth_copy(f->bytes, kit_peer_mac);
		assert_int_equal(kit_parse(x, f).len, 10);
	}
}

static void OPN_19_destinations(void **s)
{
	static const uint8_t six[][16] = {
		{0xff, 0x02, [15] = 1}, {0xff, 0x0e, [15] = 1}, {0}, {[15] = 1},
		{0xfd, 0, 0, 0x18, [15] = KIT_SERVER_HOST}, {0xfd, 0, 0, 0x18, [15] = KIT_SECOND_HOST},
	};
	static const uint32_t four[] = {
		V4(255, 255, 255, 255), V4(198, 18, 0, 255), V4(224, 0, 0, 1), V4(0, 0, 0, 0),
		V4(0, 1, 2, 3), V4(127, 0, 0, 1), V4(240, 0, 0, 1), KIT_SERVER, KIT_SECOND,
	};
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	for (unsigned int i = 0; i < (kit_v6() ? ARRAY_SIZE(six) : ARRAY_SIZE(four)); i++) {
		if (kit_v6())
			memcpy(p->addr, six[i], 16);
		else
			kit_v4(p->addr, four[i]);
		assert_int_equal(kit_connect_from(p, LISTENER_ANY, 0), -EINVAL);
	}
	/* Of a family that no address here is of. */
	if (kit_v6())
		kit_v4(p->addr, KIT_CLIENT);
	else
		memcpy(p->addr, (uint8_t[16]){0xfd, 0, 0, 0x18, [15] = 1}, 16);
	assert_int_equal(kit_connect_from(p, LISTENER_ANY, 0), -ENETUNREACH);
	kit_far(p->addr, 1); /* no gateway */
	assert_int_equal(kit_connect_from(p, LISTENER_ANY, 0), -ENETUNREACH);
	kit_host(p->addr, KIT_CLIENT_HOST);
	assert_int_equal(kit_connect_from(p, 7, 0), -EADDRNOTAVAIL);
	kit_silence(k, 3 * SEC);
	assert_int_equal(kit_usage(k).connections, 0);
	assert_int_equal(kit_ctr(k, CTR_SYN_SENT), 0);
}

static void OPN_23_connect_to_port_zero(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	p->port = 0;
	assert_int_equal(kit_connect_from(p, LISTENER_ANY, 0), -EINVAL);
	kit_silence(k, 3 * SEC);
	p->port = 40000;
	kit_connect(p);
	assert_in_range(p->dport, 49152, 65535);
}

static void RTX_06_black_hole(void **s)
{
	static const unsigned int at[] = {0, 1, 3, 7, 15, 31, 63, 123};
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	uint64_t first = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(at); i++) {
		struct seg g;

		if (i == 0) {
			g = kit_connect(p);
			first = g.at;
		} else {
			kit_advance_to(k, first + at[i] * SEC - MS);
			kit_drain(k); /* ARP asks for the silent peer */
			kit_advance(k, 4 * MS);
			kit_arp(k);
			g = expect(p, .flags = SYN, .seq = 0);
			kit_drain(k);
		}
		assert_in_range(g.at, first + at[i] * SEC, first + at[i] * SEC + 3 * MS);
	}
	kit_advance_to(k, first + 180 * SEC - 1);
	assert_int_equal(p->app.failed, 0);
	kit_advance(k, 10 * MS);
	assert_int_equal(p->app.failed, 1);
	assert_int_equal(p->app.why, PIER_CLOSE_TIMEOUT);
	assert_int_equal(kit_ctr(k, CTR_SYN_RETRANSMITS), ARRAY_SIZE(at) - 1);
	assert_int_equal(kit_usage(k).connections, 0);
}

static void RTO_01_syn_after_one_second(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	struct seg first = kit_connect(p), again;

	kit_advance(k, 1500 * MS);
	again = expect(p, .flags = SYN, .seq = 0);
	assert_in_range(again.at - first.at, SEC, SEC + 2 * MS);
	kit_quiet(k);
}

/* SYN lost n times; returns the data segments that leave at once. */
static unsigned int flight_after(struct kit *k, unsigned int n)
{
	struct kit_peer *p = kit_peer(k);
	unsigned int sent = 0;

	kit_connect(p);
	for (unsigned int i = 0; i < n; i++) {
		kit_advance(k, (1u << i) * SEC + 3 * MS);
		kit_arp(k);
		expect(p, .flags = SYN, .seq = 0);
	}
	p->app.on_open = 100000;
	kit_accept(p);
	kit_arp(k);
	while (kit_has(k))
		sent += kit_take(p).len == p->mss;
	kit_app_abort(p);
	kit_drain(k);
	return sent;
}

static void CC_02_syn_sent_again(void **s)
{
	struct kit *k = *s;

	assert_int_equal(flight_after(k, 0), 10);
	assert_int_equal(flight_after(k, 1), 10);
	assert_int_equal(flight_after(k, 2), 1);
	assert_int_equal(flight_after(k, 3), 1);
}

static void RTO_08_three_seconds_after_a_lost_syn(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	struct seg a, b;

	kit_connect(p);
	kit_advance(k, SEC + 3 * MS);
	expect(p, .flags = SYN, .seq = 0);
	kit_accept(p);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_app_send(p, 100);
	a = expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	kit_advance(k, 3500 * MS);
	b = expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	assert_in_range(b.at - a.at, 3 * SEC, 3 * SEC + 3 * MS);
}

/* The SYN's round trip is a sample if it was sent once and its next hop was known. */
static void RTO_02_sample_of_the_syn(void **s)
{
	struct kit *k = *s;
	struct kit_peer *first = kit_peer(k), *p = kit_peer(k);
	struct seg a, b;

	kit_active(first);
	kit_connect(p);
	kit_advance(k, 100 * MS);
	kit_accept(p);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_app_send(p, 100);
	a = expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	kit_advance(k, 900 * MS);
	b = expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	/* SRTT 100 ms, RTTVAR 50 ms: 300 ms. */
	assert_in_range(b.at - a.at, 298 * MS, 303 * MS);
}

static void TS_03_syn_and_its_echo(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	struct seg syn;

	p->offer = OFFER_ALL;
	syn = kit_connect(p);
	assert_true(syn.opts.flags & TCP_OPTS_TS);
	assert_int_equal(syn.opts.tsecr, 0);
	/* A crossing SYN with an echo that its missing ACK makes void. */
	send_seg(p, .flags = SYN, .seq = 0,
		 .opts = {.flags = TCP_OPTS_MSS | TCP_OPTS_TS, .mss = 1460,
			  .tsval = p->ts_base + ms_of(k->now), .tsecr = 0xffffffff});
	expect(p, .flags = SYN | ACK, .seq = 0, .ack = 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.opens, 1);
	kit_app_send(p, 1);
	syn = expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1);
	assert_true(syn.opts.flags & TCP_OPTS_TS);
	/* No sample yet: the timeout is the initial one. */
	kit_silence(k, 990 * MS);
	kit_advance(k, 20 * MS);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1);
}

static void TS_04_offset_of_a_tuple(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k), *q = kit_peer(k);
	uint32_t a, b, c;

	p->offer = q->offer = OFFER_ALL;
	assert_int_equal(kit_connect_from(p, LISTENER_ANY, SECOND_PORT), 0);
	kit_arp(k);
	a = kit_take_syn(p).opts.tsval;
	assert_int_equal(kit_connect_from(q, LISTENER_ANY, SECOND_PORT), 0);
	b = kit_take_syn(q).opts.tsval;
	assert_true(a - b > 1000 && b - a > 1000);
	kit_accept(p);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_app_shutdown(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	kit_advance(k, 500 * MS);
	kit_drain(k);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	kit_drain(k);
	assert_int_equal(kit_usage(k).time_wait, 1);
	/* TIME-WAIT is left alone for a second, then its tuple may open again, above all before. */
	assert_int_equal(kit_connect_from(p, LISTENER_ANY, SECOND_PORT), -EAGAIN);
	kit_quiet(k);
	kit_advance(k, SEC);
	kit_drain(k);
	c = p->iss;
	assert_int_equal(kit_connect_from(p, LISTENER_ANY, SECOND_PORT), 0);
	b = kit_take_syn(p).opts.tsval;
	assert_in_range(b - a, 1500, 2600);
	assert_true(seq_gt(p->iss, c + 2));
	assert_int_equal(kit_usage(k).time_wait, 0);
}

/* The owner's own calls, outside of callbacks: they come into force with engine_settle. */
static void owner_calls(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	static uint8_t request[7];
	struct pier_conn c;

	for (unsigned int i = 0; i < sizeof(request); i++)
		request[i] = kit_pattern(i);
	kit_active(p);
	assert_true(engine_get(k->e, p->app.id, k->now, &c));
	assert_int_equal(c.id, p->app.id);
	assert_int_equal(pier_send_static(&c, request, 7), 7);
	engine_settle(k->e, k->now);
	kit_turn(k);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 7);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 8);
	assert_true(engine_get(k->e, p->app.id, k->now, &c));
	pier_abort(&c);
	assert_int_equal(p->app.closes, 0);
	engine_settle(k->e, k->now);
	assert_int_equal(p->app.closes, 1);
	kit_turn(k);
	expect(p, .flags = RST | ACK, .seq = 8, .ack = 1);
	assert_false(engine_get(k->e, p->app.id, k->now, &c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(OPN_02_active_open),
		KIT_TEST(OPN_02_the_third_segment),
		KIT_TEST(OPN_07_bad_ack),
		KIT_TEST(OPN_08_resets_in_syn_sent),
		KIT_TEST(RST_03_bad_ack_with_reset_in_syn_sent),
		KIT_TEST(OPN_09_no_syn_no_effect),
		KIT_TEST(OPN_09_data_and_fin_on_the_synack),
		KIT_TEST(CLS_12_fin_in_syn_sent),
		KIT_TEST(CLS_09_close_in_syn_sent),
		KIT_TEST(RST_07_abort_in_syn_sent),
		KIT_TEST(OPN_16_listen_on_a_connecting_port),
		KIT_TEST(OPN_18_source_address),
		KIT_TEST(OPN_19_destinations),
		KIT_TEST(OPN_23_connect_to_port_zero),
		KIT_TEST(RTX_06_black_hole),
		KIT_TEST(RTO_01_syn_after_one_second),
		KIT_TEST(CC_02_syn_sent_again),
		KIT_TEST(RTO_08_three_seconds_after_a_lost_syn),
		KIT_TEST(RTO_02_sample_of_the_syn),
		KIT_TEST(TS_03_syn_and_its_echo),
		KIT_TEST(TS_04_offset_of_a_tuple),
		KIT_TEST(owner_calls),
	};

	return KIT_RUN("connect", tests);
}
