/*
 * Reset: no connection, in each state, blind attacks; bad headers and sums.
 * Rows: HDR-01 HDR-02 HDR-04 HDR-06 RST-01..RST-07 BLD-01 BLD-02 BLD-03 BLD-04 BLD-05 IP-02.
 */
#include "kit.h"

static struct kit_peer *nowhere(struct kit *k)
{
	struct kit_peer *p = kit_peer(k);

	p->dport = 4444;
	return p;
}

static void RST_01_closed_port_without_ack(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = nowhere(k);
	struct seg g;

	send_seg(p, .flags = SYN);
	g = expect(p, .flags = RST | ACK, .seq = 0, .ack = 1);
	assert_int_equal(g.win, 0);
	send_seg(p, .flags = SYN, .len = 10);
	expect(p, .flags = RST | ACK, .seq = 0, .ack = 11);
	send_seg(p, .flags = SYN | FIN);
	expect(p, .flags = RST | ACK, .seq = 0, .ack = 2);
	kit_quiet(k);
}

static void RST_02_closed_port_with_ack(void **s)
{
	static const uint8_t flags[] = {ACK, SYN | ACK, FIN | ACK};
	struct kit *k = *s;
	struct kit_peer *p = nowhere(k);

	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
		send_seg(p, .flags = flags[i], .seq = 9, .ack = 12345);
		expect(p, .flags = RST, .seq = 12345);
	}
	kit_quiet(k);
}

static void RST_03_no_reset_for_a_reset(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = nowhere(k), *q = kit_peer(k);

	send_seg(p, .flags = RST, .seq = 1);
	send_seg(p, .flags = RST | ACK, .seq = 1, .ack = 5);
	send_seg(q, .flags = RST, .seq = 1);
	send_seg(q, .flags = RST | ACK, .seq = 1, .ack = 5);
	kit_silence(k, 3 * SEC);
}

/* What brings a fresh connection to a state, and what S then sends and has received. */
struct place {
	const char *name;
	void (*go)(struct kit_peer *p);
	uint32_t seq, ack; /* of S's challenge ACK */
	bool app_hears;    /* a reset is told */
};

static void to_established(struct kit_peer *p)
{
}

static void to_fin_wait_1(struct kit_peer *p)
{
	kit_app_shutdown(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
}

static void to_fin_wait_2(struct kit_peer *p)
{
	to_fin_wait_1(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 2);
}

static void to_close_wait(struct kit_peer *p)
{
	p->app.half_open_on_eof = true;
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 2);
}

static void to_closing(struct kit_peer *p)
{
	to_fin_wait_1(p);
	p->app.half_open_on_eof = true;
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	expect(p, .flags = ACK, .seq = 2, .ack = 2);
}

static void to_last_ack(struct kit_peer *p)
{
	to_close_wait(p);
	kit_app_shutdown(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
}

static const struct place places[] = {
	{"ESTABLISHED", to_established, 1, 1, true},
	{"FIN-WAIT-1", to_fin_wait_1, 2, 1, true},
	{"FIN-WAIT-2", to_fin_wait_2, 2, 1, true},
	{"CLOSE-WAIT", to_close_wait, 1, 2, true},
	{"CLOSING", to_closing, 2, 2, false},
	{"LAST-ACK", to_last_ack, 2, 2, false},
};

static struct kit_peer *at(struct kit *k, const struct place *pl)
{
	struct kit_peer *p = kit_plain(k);

	pl->go(p);
	kit_quiet(k);
	return p;
}

static void RST_04_bad_segments_are_answered_by_ack(void **s)
{
	struct kit *k = *s;

	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		const struct place *pl = &places[i];
		struct kit_peer *p = at(k, pl);

		send_seg(p, .flags = ACK, .seq = pl->ack, .ack = pl->seq + 1);
		expect(p, .flags = ACK, .seq = pl->seq, .ack = pl->ack);
		send_seg(p, .flags = ACK, .seq = pl->ack - 1000, .ack = pl->seq, .len = 10);
		expect(p, .flags = ACK, .seq = pl->seq, .ack = pl->ack);
		assert_int_equal(p->app.closes, 0);
		send_seg(p, .flags = RST, .seq = pl->ack);
		kit_quiet(k);
	}
}

static void RST_05_valid_reset_in_each_state(void **s)
{
	struct kit *k = *s;

	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		const struct place *pl = &places[i];
		struct kit_peer *p = at(k, pl);
		uint64_t left = kit_usage(k).connections;

		send_seg(p, .flags = RST, .seq = pl->ack);
		kit_quiet(k);
		assert_int_equal(p->app.closes, 1);
		if (pl->app_hears)
			assert_int_equal(p->app.why, PIER_CLOSE_RESET);
		assert_int_equal(kit_usage(k).connections, left - 1);
	}
}

static void RST_06_reset_with_payload(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	send_seg(p, .flags = RST, .seq = 1, .len = 20);
	assert_int_equal(p->app.closes, 1);
	assert_int_equal(p->app.rx, 0);
	assert_int_equal(p->app.datas, 0);
	kit_quiet(k);
}

static void RST_07_abort(void **s)
{
	static const unsigned int sends[] = {0, 1, 2, 3};
	struct kit *k = *s;

	for (unsigned int i = 0; i < ARRAY_SIZE(sends); i++) {
		const struct place *pl = &places[sends[i]];
		struct kit_peer *p = at(k, pl);

		kit_app_abort(p);
		expect(p, .flags = RST | ACK, .seq = pl->seq, .ack = pl->ack);
		kit_quiet(k);
		assert_int_equal(p->app.why, PIER_CLOSE_ABORT);
	}
	for (unsigned int i = 4; i < ARRAY_SIZE(places); i++) {
		struct kit_peer *p = at(k, &places[i]);

		kit_app_abort(p);
		kit_quiet(k);
		assert_int_equal(p->app.closes, 1);
	}
}

static void RST_07_abort_with_data_in_flight(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);
	struct seg g;

	kit_app_send(p, 2000);
	kit_drain(k);
	kit_advance(k, 5 * SEC); /* several timeouts */
	kit_drain(k);
	kit_app_abort(p);
	g = expect(p, .flags = RST | ACK, .seq = 2001, .ack = 1);
	assert_true(g.opts.flags & TCP_OPTS_TS);
	kit_silence(k, 3 * SEC);
}

static void RST_07_data_after_close(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	kit_app_close(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 2);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 2, .len = 10);
	expect(p, .flags = RST, .seq = 2);
	kit_silence(k, 3 * SEC);
}

/* Rows of the window edge: a plain connection has 65535 bytes of it. */
static void BLD_01_reset_by_sequence(void **s)
{
	static const struct {
		int64_t off;
		bool challenged, resets;
	} cases[] = {{-1, false, false}, {1, true, false}, {65534, true, false},
		     {65535, false, false}, {0, false, true}};
	static const uint8_t flags[] = {RST, RST | ACK};
	struct kit *k = *s;

	for (unsigned int f = 0; f < ARRAY_SIZE(flags); f++) {
		struct kit_peer *p = kit_plain(k);

		for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
			kit_advance(k, SEC);
			send_seg(p, .flags = flags[f], .seq = (uint32_t)(1 + cases[i].off),
				 .ack = f ? 99 : 0);
			if (cases[i].challenged)
				expect(p, .flags = ACK, .seq = 1, .ack = 1);
			kit_quiet(k);
			assert_int_equal(p->app.closes, cases[i].resets);
		}
	}
}

static void BLD_01_reset_in_syn_received(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	kit_syn(p);
	kit_synack(p);
	send_seg(p, .flags = RST, .seq = 0);
	kit_quiet(k);
	send_seg(p, .flags = RST, .seq = 2);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = RST, .seq = 1 + 65535);
	kit_quiet(k);
	assert_int_equal(kit_usage(k).half_open, 1);
	send_seg(p, .flags = RST | ACK, .seq = 1, .ack = 77);
	assert_int_equal(kit_usage(k).half_open, 0);
	kit_quiet(k);
}

static void BLD_02_syn_in_each_state(void **s)
{
	static const uint32_t off[] = {0, 100, 0x40000000};
	struct kit *k = *s;

	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		const struct place *pl = &places[i];
		struct kit_peer *p = at(k, pl);

		for (unsigned int j = 0; j < ARRAY_SIZE(off); j++) {
			kit_advance(k, 600 * MS);
			kit_drain(k);
			send_seg(p, .flags = SYN, .seq = pl->ack + off[j]);
			expect(p, .flags = ACK, .seq = pl->seq, .ack = pl->ack);
			kit_advance(k, 600 * MS);
			kit_drain(k);
			send_seg(p, .flags = SYN | ACK, .seq = pl->ack + off[j], .ack = pl->seq);
			expect(p, .flags = ACK, .seq = pl->seq, .ack = pl->ack);
		}
		assert_int_equal(p->app.closes, 0);
		send_seg(p, .flags = RST, .seq = pl->ack);
	}
}

static void BLD_03_old_acknowledgment(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	p->win = 2000;
	kit_open(p);
	kit_app_send(p, 8000);
	for (uint32_t una = 1; una < 8001;) {
		una += kit_take(p).len;
		send_seg(p, .flags = ACK, .seq = 1, .ack = una);
	}
	kit_quiet(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 8001 - 2000 - 1, .len = 10);
	expect(p, .flags = ACK, .seq = 8001, .ack = 1);
	assert_int_equal(p->app.rx, 0);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 8001 - 2000, .len = 10);
	assert_int_equal(p->app.rx, 10);
}

static void BLD_04_largest_window_counts(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	kit_app_send(p, 8000);
	kit_drain(k);
	p->win = 1000;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 8001);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	assert_int_equal(p->app.rx, 10);
}

static void BLD_05_challenges_are_throttled(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k), *q = kit_plain(k);
	unsigned int n = 0;

	for (int i = 0; i < 1000; i++) {
		send_seg(p, .flags = RST, .seq = 100);
		kit_advance(k, MS);
		while (kit_has(k)) {
			expect(p, .flags = ACK, .seq = 1, .ack = 1);
			n++;
		}
	}
	assert_in_range(n, 1, 3);
	send_seg(q, .flags = RST, .seq = 100);
	expect(q, .flags = ACK, .seq = 1, .ack = 1);
}

static void BLD_05_old_data_is_always_answered(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	kit_advance(k, SEC);
	kit_drain(k);
	for (int i = 0; i < 100; i++) {
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
		expect(p, .flags = ACK, .seq = 1, .ack = 11);
	}
}

static void HDR_02_bad_checksum(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k), *q;

	send_seg(p, .flags = SYN, .bad_sum = true);
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_RX_CSUM_BAD), 1);
	assert_int_equal(kit_usage(k).half_open, 0);
	q = kit_plain(k);
	send_seg(q, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .bad_sum = true);
	send_seg(q, .flags = RST, .seq = 1, .bad_sum = true);
	p->dport = 4444;
	send_seg(p, .flags = SYN, .bad_sum = true);
	kit_silence(k, 3 * SEC);
	assert_int_equal(kit_ctr(k, CTR_RX_CSUM_BAD), 4);
	assert_int_equal(q->app.rx, 0);
	assert_int_equal(q->app.closes, 0);
	send_seg(q, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	assert_int_equal(q->app.rx, 10);
}

/* kit_parse sums each of these. */
static void HDR_01_checksums_of_all_lengths(void **s)
{
	static const uint32_t lens[] = {1, 2, 3, 899, 900, 901, 1447, 1448};
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);
	uint32_t at_seq = 1;

	for (unsigned int st = 0; st < 2; st++) {
		p->app.statics = st;
		for (unsigned int i = 0; i < ARRAY_SIZE(lens); i++) {
			kit_app_send(p, lens[i]);
			expect(p, .flags = ACK, .seq = at_seq, .ack = 1, .len = lens[i]);
			at_seq += lens[i];
			send_seg(p, .flags = ACK, .seq = 1, .ack = at_seq);
		}
	}
	kit_app_close(p);
	expect(p, .flags = FIN | ACK, .seq = at_seq, .ack = 1);
}

static void HDR_04_padding_is_no_payload(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);
	uint8_t buf[10000];
	uint32_t len = kit_build(p, &(struct seg){.flags = ACK, .seq = 1, .ack = 1, .len = 1}, buf);

	assert_int_equal(len, 55);
	memset(buf + len, 0xaa, 5);
	kit_inject(k, buf, 60);
	assert_int_equal(p->app.rx, 1);
	kit_advance(k, 100 * MS);
	expect(p, .flags = ACK, .seq = 1, .ack = 2);
}

static void bad_headers_to(struct kit *k, struct kit_peer *p, uint8_t flags)
{
	uint64_t before = kit_ctr(k, CTR_RX_BAD_HDR);
	struct seg g = {.flags = flags, .seq = 1, .ack = 1};
	uint8_t buf[10000];

	for (unsigned int doff = 0; doff < 16; doff++) {
		uint32_t len = kit_build(p, &g, buf);

		if (doff == 5)
			continue;
		buf[46] = (uint8_t)(doff << 4);
		kit_sums(buf);
		kit_inject(k, buf, len);
		kit_quiet(k);
	}
	for (uint16_t l4 = 0; l4 < 20; l4++) {
		kit_build(p, &g, buf);
		store_be16(buf + 16, 20 + l4);
		memset(buf + 24, 0, 2);
		store_be16(buf + 24, be16(sum_finish(sum_partial(buf + 14, 20, 0))));
		kit_inject(k, buf, 60);
		kit_quiet(k);
	}
	assert_int_equal(kit_ctr(k, CTR_RX_BAD_HDR), before + 35);
}

static void HDR_06_impossible_header_lengths(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k), *q = kit_plain(k), *r = nowhere(k);

	bad_headers_to(k, p, SYN);
	bad_headers_to(k, q, ACK);
	bad_headers_to(k, r, ACK);
	assert_int_equal(kit_usage(k).half_open, 0);
	assert_int_equal(q->app.closes, 0);
}

static void IP_02_not_our_address(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	p->server = V4(198, 18, 0, 77);
	kit_syn(p);
	kit_silence(k, 3 * SEC);
	assert_int_equal(kit_ctr(k, CTR_RX_NOT_LOCAL), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(RST_01_closed_port_without_ack),
		KIT_TEST(RST_02_closed_port_with_ack),
		KIT_TEST(RST_03_no_reset_for_a_reset),
		KIT_TEST(RST_04_bad_segments_are_answered_by_ack),
		KIT_TEST(RST_05_valid_reset_in_each_state),
		KIT_TEST(RST_06_reset_with_payload),
		KIT_TEST(RST_07_abort),
		KIT_TEST(RST_07_abort_with_data_in_flight),
		KIT_TEST(RST_07_data_after_close),
		KIT_TEST(BLD_01_reset_by_sequence),
		KIT_TEST(BLD_01_reset_in_syn_received),
		KIT_TEST(BLD_02_syn_in_each_state),
		KIT_TEST(BLD_03_old_acknowledgment),
		KIT_TEST(BLD_04_largest_window_counts),
		KIT_TEST(BLD_05_challenges_are_throttled),
		KIT_TEST(BLD_05_old_data_is_always_answered),
		KIT_TEST(HDR_01_checksums_of_all_lengths),
		KIT_TEST(HDR_02_bad_checksum),
		KIT_TEST(HDR_04_padding_is_no_payload),
		KIT_TEST(HDR_06_impossible_header_lengths),
		KIT_TEST(IP_02_not_our_address),
	};

	return cmocka_run_group_tests_name("reset", tests, kit_group_setup, NULL);
}
