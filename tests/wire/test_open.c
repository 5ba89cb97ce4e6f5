/*
 * Opening: LISTEN, SYN-RECEIVED and the ISN.
 * Rows: ISN-01 OPN-01 OPN-05 OPN-06 OPN-10 OPN-11 OPN-12 OPN-13 OPN-14 OPN-17 OPN-20 OPN-21 OPN-22
 * OPN-23 OPN-25 RTO-01.
 */
#include "kit.h"
#include "tcp/tcp.h"

static void OPN_01_passive_open(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	kit_syn(p);
	kit_synack(p);
	assert_int_equal(kit_usage(k).half_open, 1);
	assert_int_equal(p->app.opens, 0);
	p->win = 1000;
	p->app.on_open = 5000;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.opens, 1);
	assert_int_equal(kit_usage(k).connections, 1);
	assert_int_equal(kit_usage(k).half_open, 0);
	/* SND.WND comes from that ACK. */
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
	kit_quiet(k);
}

static void OPN_05_listen_answers_ack_only(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	send_seg(p, .flags = RST, .seq = 5);
	kit_quiet(k);
	send_seg(p, .flags = RST | ACK, .seq = 5, .ack = 7);
	kit_quiet(k);
	send_seg(p, .flags = FIN, .seq = 5);
	kit_quiet(k);
	send_seg(p, .flags = PSH, .seq = 5, .len = 10);
	kit_quiet(k);
	send_seg(p, .flags = ACK, .seq = 5, .ack = 777);
	expect(p, .flags = RST, .seq = 777);
	send_seg(p, .flags = SYN | ACK, .seq = 5, .ack = 778);
	expect(p, .flags = RST, .seq = 778);
	kit_silence(k, 3 * SEC);
	assert_int_equal(kit_usage(k).half_open, 0);
}

static void OPN_06_data_on_syn(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	uint8_t data[100];

	for (unsigned int i = 0; i < sizeof(data); i++)
		data[i] = kit_pattern(i);
	send_seg(p, .flags = SYN, .len = 100, .data = data, .opts = {.flags = TCP_OPTS_MSS, .mss = 1460});
	kit_synack(p);
	assert_int_equal(p->app.opens, 0);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.rx, 0);
	send_seg(p, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 100);
	assert_int_equal(p->app.rx, 100);
}

static void OPN_10_bad_ack_in_syn_received(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	kit_syn(p);
	kit_synack(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 5);
	expect(p, .flags = RST, .seq = 5);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 0);
	expect(p, .flags = RST, .seq = 0);
	assert_int_equal(kit_usage(k).half_open, 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.opens, 1);
	kit_quiet(k);
}

static void OPN_11_duplicate_syn(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	kit_syn(p);
	kit_synack(p);
	for (int i = 0; i < 4; i++) {
		kit_advance(k, 20 * MS);
		kit_syn(p);
		expect(p, .flags = SYN | ACK, .seq = 0, .ack = 1);
		kit_quiet(k);
	}
	assert_int_equal(kit_usage(k).half_open, 1);
	/* The retransmission is not put off. */
	kit_advance_to(k, KIT_T0 + 1001 * MS);
	expect(p, .flags = SYN | ACK, .seq = 0, .ack = 1);
	kit_quiet(k);
}

static void OPN_12_other_syn_in_syn_received(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	uint32_t far = 900000000;

	kit_syn(p);
	kit_synack(p);
	send_seg(p, .flags = SYN, .seq = far, .opts = {.flags = TCP_OPTS_MSS, .mss = 1460});
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = RST, .seq = 1);
	kit_quiet(k);
	assert_int_equal(kit_usage(k).half_open, 0);
	p->isn += far;
	kit_syn(p);
	kit_synack(p);
}

static void OPN_12_syn_in_window_returns_to_listen(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	kit_syn(p);
	kit_synack(p);
	send_seg(p, .flags = SYN, .seq = 100, .opts = {.flags = TCP_OPTS_MSS, .mss = 1460});
	kit_drain(k);
	assert_int_equal(kit_usage(k).half_open, 0);
	assert_int_equal(p->app.opens, 0);
}

static void OPN_13_data_and_fin_on_the_third_segment(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	p->app.half_open_on_eof = true;
	kit_syn(p);
	kit_synack(p);
	send_seg(p, .flags = FIN | PSH | ACK, .seq = 1, .ack = 1, .len = 5);
	assert_int_equal(p->app.opens, 1);
	assert_int_equal(p->app.rx, 5);
	assert_int_equal(p->app.eofs, 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 7);
	kit_quiet(k);
	kit_app_send(p, 100); /* CLOSE-WAIT: this side may still send, and close by LAST-ACK */
	expect(p, .flags = ACK, .seq = 1, .ack = 7, .len = 100);
	send_seg(p, .flags = ACK, .seq = 7, .ack = 101);
	kit_app_close(p);
	expect(p, .flags = FIN | ACK, .seq = 101, .ack = 7);
	send_seg(p, .flags = ACK, .seq = 7, .ack = 102);
	kit_quiet(k);
	assert_int_equal(p->app.closes, 1);
}

static void OPN_14_synack_backoff(void **s)
{
	static const unsigned int at[] = {1, 3, 7, 15, 31};
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	kit_syn(p);
	kit_synack(p);
	for (unsigned int i = 0; i < ARRAY_SIZE(at); i++) {
		kit_advance_to(k, KIT_T0 + at[i] * SEC - MS);
		kit_quiet(k);
		kit_advance(k, 3 * MS);
		expect(p, .flags = SYN | ACK, .seq = 0, .ack = 1);
	}
	kit_advance_to(k, KIT_T0 + 63 * SEC - 2 * MS);
	assert_int_equal(kit_usage(k).half_open, 1);
	kit_advance(k, 10 * MS);
	assert_int_equal(kit_usage(k).half_open, 0);
	assert_int_equal(kit_ctr(k, CTR_HALF_OPEN_EXPIRED), 1);
	assert_int_equal(p->app.opens, 0);
	kit_silence(k, 3 * SEC);
}

static void RTO_01_synack_after_one_second(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	struct seg g;

	kit_syn(p);
	kit_synack(p);
	kit_advance(k, 1500 * MS);
	g = expect(p, .flags = SYN | ACK, .seq = 0, .ack = 1);
	assert_in_range(g.at, KIT_T0 + 1 * SEC, KIT_T0 + 1 * SEC + 2 * MS);
}

static void OPN_17_listener_bound_to_an_address(void **s)
{
	struct kit *k = *s;
	struct kit_peer *a = kit_peer(k), *b = kit_peer(k), *c = kit_peer(k);

	kit_listen(k, 81, 0);
	a->dport = b->dport = 81;
	kit_host(b->server, KIT_SECOND_HOST);
	kit_open(a);
	kit_syn(b);
	kit_expect_seg(b, &(struct seg){.flags = RST | ACK, .seq = 0 - b->iss, .ack = 1}, __FILE__,
		       __LINE__);
	/* Unbound: any own address, and it stays. */
	kit_host(c->server, KIT_SECOND_HOST);
	kit_open(c);
	kit_app_send(c, 10);
	expect(c, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
}

static void impossible_sources(struct kit *k)
{
	static const uint32_t four[] = {
		V4(0, 0, 0, 0), V4(0, 1, 2, 3), V4(127, 0, 0, 1), V4(224, 0, 0, 1), V4(240, 0, 0, 1),
		V4(255, 255, 255, 255), V4(198, 18, 0, 255), KIT_SERVER, KIT_SECOND,
	};
	static const uint8_t six[][16] = {
		{0}, {[15] = 1}, {0xff, 0x02, [15] = 1}, {0xff, 0x0e, [15] = 1},
		{[10] = 0xff, 0xff, 198, 18, 0, 1},
		{0xfd, 0, 0, 0x18, [15] = KIT_SERVER_HOST}, {0xfd, 0, 0, 0x18, [15] = KIT_SECOND_HOST},
	};
	struct kit_peer *p = kit_peer(k);
	const uint64_t before = kit_ctr(k, CTR_RX_BAD_SRC);

	for (unsigned int i = 0; i < (kit_v6() ? ARRAY_SIZE(six) : ARRAY_SIZE(four)); i++) {
		if (kit_v6())
			memcpy(p->addr, six[i], 16);
		else
			kit_v4(p->addr, four[i]);
		kit_syn(p);
		kit_quiet(k);
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
		kit_quiet(k);
		assert_int_equal(kit_ctr(k, CTR_RX_BAD_SRC), before + 2 * (i + 1));
	}
}

static void OPN_20_impossible_sources(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	impossible_sources(k);
	kit_open(kit_peer(k)); /* from now on its address of ours is remembered, and sources are looked at later */
	impossible_sources(k);
	engine_pressure(k->e, true, ENGINE_REFUSE_ALL);
	impossible_sources(k);
	engine_pressure(k->e, false, 0);
	p->port = 80; /* LAND: both ends the same */
	kit_host(p->addr, KIT_SERVER_HOST);
	kit_syn(p);
	kit_silence(k, 3 * SEC);
	assert_int_equal(kit_usage(k).half_open, 0);
}

static void OPN_21_not_unicast(void **s)
{
	static const uint32_t four[] = {V4(198, 18, 0, 255), V4(255, 255, 255, 255), V4(224, 0, 0, 1)};
	static const uint8_t six[][16] = {{0xff, 0x02, [15] = 1}, {0xff, 0x05, [15] = 1},
					  {0xff, 0x02, [11] = 1, 0xff, [15] = KIT_SERVER_HOST}};
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	uint8_t buf[10000];
	uint32_t len;

	for (unsigned int i = 0; i < ARRAY_SIZE(four); i++) {
		if (kit_v6())
			memcpy(p->server, six[i], 16);
		else
			kit_v4(p->server, four[i]);
		kit_syn(p);
		kit_quiet(k);
	}
	kit_host(p->server, KIT_SERVER_HOST);
	len = kit_build(p, &(struct seg){.flags = SYN}, buf);
	memset(buf, 0xff, 6);
	kit_inject(k, buf, len);
	kit_silence(k, 3 * SEC);
	assert_int_equal(kit_ctr(k, CTR_RX_NOT_UNICAST), 4);
	assert_int_equal(kit_usage(k).half_open, 0);
}

static void OPN_22_half_open_recovery(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	send_seg(p, .flags = SYN, .seq = 400, .opts = {.flags = TCP_OPTS_MSS, .mss = 1460});
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.closes, 0);
	send_seg(p, .flags = RST, .seq = 1);
	assert_int_equal(p->app.closes, 1);
	assert_int_equal(p->app.why, PIER_CLOSE_RESET);
	kit_quiet(k);
	/* Data to what is gone. */
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	expect(p, .flags = RST, .seq = 1);
	p->isn += 400;
	kit_open(p);
	assert_int_equal(p->app.opens, 2);
}

static void OPN_23_port_zero(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	p->port = 0;
	kit_syn(p);
	p->port = 40000;
	p->dport = 0;
	kit_syn(p);
	kit_silence(k, 3 * SEC);
	assert_int_equal(kit_ctr(k, CTR_RX_PORT_ZERO), 2);
}

static void OPN_25_out_of_order_data_completes(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	kit_syn(p);
	kit_synack(p);
	send_seg(p, .flags = ACK | PSH, .seq = 101, .ack = 1, .len = 100);
	assert_int_equal(p->app.opens, 1);
	assert_int_equal(p->app.rx, 0);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 100);
	assert_int_equal(p->app.rx, 200);
	expect(p, .flags = ACK, .seq = 1, .ack = 201);
}

static void OPN_25_fin_completes(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	p->app.half_open_on_eof = true;
	kit_syn(p);
	kit_synack(p);
	send_seg(p, .flags = ACK | FIN, .seq = 11, .ack = 1);
	assert_int_equal(p->app.opens, 1);
	assert_int_equal(p->app.eofs, 0);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	assert_int_equal(p->app.rx, 10);
	assert_int_equal(p->app.eofs, 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 12);
}

static void ISN_01_clock_of_4_microseconds(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	uint32_t first;

	kit_syn(p);
	kit_synack(p);
	first = p->iss;
	send_seg(p, .flags = RST, .seq = 1);
	kit_advance(k, SEC);
	kit_syn(p);
	kit_synack(p);
	assert_in_range(p->iss - first, 247500, 252500);
}

static void OPN_04_reset_of_a_half_open_connection(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	kit_syn(p);
	kit_synack(p);
	send_seg(p, .flags = RST, .seq = 1);
	kit_silence(k, 3 * SEC);
	assert_int_equal(p->app.opens, 0);
	kit_open(p);
}

/* The first connection of an engine with that secret, the same tuple and the same clock each time. */
static uint32_t first_isn(uint8_t salt, struct kit **kit)
{
	struct kit *k = kit_new();
	struct kit_peer *p;

	for (unsigned int i = 0; i < sizeof(k->conf.secret); i++)
		k->conf.secret[i] = (uint8_t)(i * 29 + salt);
	p = kit_peer(k);
	kit_syn(p);
	kit_synack(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	*kit = k;
	return p->iss;
}

/* Whether any 8 bytes in a row of one are in the other. */
static bool shares(const void *key, size_t key_len, const void *in, size_t len)
{
	for (size_t i = 0; i + 8 <= key_len; i++)
		if (memmem(in, len, (const uint8_t *)key + i, 8))
			return true;
	return false;
}

/* What the engine says of itself, to any caller. */
static void says_no_key(struct kit *k)
{
	const struct tcp *t = engine_tcp(k->e);
	struct engine_usage usage = kit_usage(k);
	struct engine_contract contract;
	const struct {
		const void *at;
		size_t len;
	} keys[] = {{k->conf.secret, sizeof(k->conf.secret)},
		    {&t->isn_key, sizeof(t->isn_key)}, {&t->ts_key, sizeof(t->ts_key)}};

	engine_size(&k->conf, &contract);
	for (unsigned int i = 0; i < ARRAY_SIZE(keys); i++) {
		assert_false(shares(keys[i].at, keys[i].len, &usage, sizeof(usage)));
		assert_false(shares(keys[i].at, keys[i].len, &contract, sizeof(contract)));
		assert_false(shares(keys[i].at, keys[i].len, &k->ctr, sizeof(k->ctr)));
	}
	/* Nor is the secret itself kept, of which the keys are made. */
	assert_false(shares(k->conf.secret, sizeof(k->conf.secret), t, sizeof(*t)));
	assert_null(engine_audit(k->e));
}

static void ISN_03_two_starts(void **s)
{
	struct kit *k[3];
	uint32_t one = first_isn(1, &k[0]), two = first_isn(2, &k[1]), again = first_isn(1, &k[2]);

	assert_int_equal(one, again); /* nothing else differs */
	assert_int_not_equal(one, two);
	for (unsigned int i = 0; i < ARRAY_SIZE(k); i++) {
		says_no_key(k[i]);
		kit_close(k[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(OPN_01_passive_open),
		KIT_TEST(OPN_04_reset_of_a_half_open_connection),
		KIT_TEST(OPN_05_listen_answers_ack_only),
		KIT_TEST(OPN_06_data_on_syn),
		KIT_TEST(OPN_10_bad_ack_in_syn_received),
		KIT_TEST(OPN_11_duplicate_syn),
		KIT_TEST(OPN_12_other_syn_in_syn_received),
		KIT_TEST(OPN_12_syn_in_window_returns_to_listen),
		KIT_TEST(OPN_13_data_and_fin_on_the_third_segment),
		KIT_TEST(OPN_14_synack_backoff),
		KIT_TEST(RTO_01_synack_after_one_second),
		KIT_TEST(OPN_17_listener_bound_to_an_address),
		KIT_TEST(OPN_20_impossible_sources),
		KIT_TEST(OPN_21_not_unicast),
		KIT_TEST(OPN_22_half_open_recovery),
		KIT_TEST(OPN_23_port_zero),
		KIT_TEST(OPN_25_out_of_order_data_completes),
		KIT_TEST(OPN_25_fin_completes),
		KIT_TEST(ISN_01_clock_of_4_microseconds),
		cmocka_unit_test(ISN_03_two_starts),
	};

	return KIT_RUN("open", tests);
}
