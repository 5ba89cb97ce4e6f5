/*
 * Reset: no connection, in each state; bad headers and sums.
 * Rows: HDR-01 HDR-02 HDR-04 HDR-06 RST-01..RST-07.
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
	static const struct {
		uint8_t flags;
		uint32_t len, ack;
	} cases[] = {{SYN, 0, 1}, {SYN, 10, 11}, {SYN | FIN, 0, 2}, {FIN, 10, 11}, {0, 0, 0}};
	struct kit *k = *s;
	struct kit_peer *p = nowhere(k);

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct seg g;

		/* kit_parse: addresses and ports are exchanged. */
		send_seg(p, .flags = cases[i].flags, .len = cases[i].len);
		g = expect(p, .flags = RST | ACK, .seq = 0, .ack = cases[i].ack);
		assert_int_equal(g.win, 0);
		assert_int_equal(g.opts.flags, 0);
	}
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
	struct kit_peer *p = nowhere(k), *q = kit_peer(k), *r = kit_peer(k);

	r->port = 5001;
	kit_connect(r);
	send_seg(r, .flags = RST | ACK, .seq = 1, .ack = 0);  /* not of the SYN */
	send_seg(r, .flags = RST | ACK, .seq = 1, .ack = 77);
	send_seg(r, .flags = RST, .seq = 1);
	kit_quiet(k);
	assert_int_equal(r->app.closes, 0);
	kit_accept(r);
	expect(r, .flags = ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = RST, .seq = 1);
	send_seg(p, .flags = RST | ACK, .seq = 1, .ack = 5);
	send_seg(q, .flags = RST, .seq = 1);
	send_seg(q, .flags = RST | ACK, .seq = 1, .ack = 5);
	kit_silence(k, 3 * SEC);
}

static void RST_04_bad_segments_are_answered_by_ack(void **s)
{
	struct kit *k = *s;

	for (unsigned int i = 0; i < KIT_STATES; i++) {
		const struct kit_state *st = &kit_states[i];
		struct kit_peer *p = kit_in_state(k, st);
		struct engine_usage before = kit_usage(k), after;

		send_seg(p, .flags = ACK, .seq = st->ack, .ack = st->seq + 1);
		expect(p, .flags = ACK, .seq = st->seq, .ack = st->ack);
		kit_advance(k, 600 * MS);
		kit_drain(k);
		send_seg(p, .flags = ACK, .seq = st->ack - 1000, .ack = st->seq, .len = 10);
		expect(p, .flags = ACK, .seq = st->seq, .ack = st->ack);
		after = kit_usage(k);
		assert_int_equal(after.connections, before.connections);
		assert_int_equal(after.time_wait, before.time_wait);
		assert_int_equal(p->app.closes, i == KIT_STATES - 1);
		send_seg(p, .flags = RST, .seq = st->ack);
		kit_quiet(k);
	}
}

static void RST_05_valid_reset_in_each_state(void **s)
{
	struct kit *k = *s;

	for (unsigned int i = 0; i < KIT_STATES; i++) {
		const struct kit_state *st = &kit_states[i];
		struct kit_peer *p = kit_in_state(k, st);
		uint64_t left = kit_usage(k).connections;

		send_seg(p, .flags = RST, .seq = st->ack);
		kit_quiet(k);
		assert_int_equal(p->app.closes, 1);
		if (st->app_hears)
			assert_int_equal(p->app.why, PIER_CLOSE_RESET);
		if (i < KIT_CONN_STATES)
			assert_int_equal(kit_usage(k).connections, left - 1);
		else
			assert_int_equal(kit_usage(k).time_wait, 1); /* as RFC 1337 has it */
	}
}

/* Unread, unsent and unacknowledged data goes with the connection, and every mbuf comes back. */
static void RST_05_queues_are_flushed(void **s)
{
	struct kit *k = *s;

	for (unsigned int i = 0; i < 4; i++) { /* the states in which the application hears */
		struct kit_peer *p = kit_peer(k);
		uint32_t seq = 1;

		p->app.take = 0;
		p->win = 1000;
		p->app.on_open = i == 2 ? 0 : 20000; /* more than the window takes */
		p->app.shutdown_on_open = i == 1 || i == 2;
		p->app.half_open_on_eof = true;
		kit_open(p);
		kit_drain(k);
		for (unsigned int j = 0; j < 19; j++, seq += 1000)
			send_seg(p, .flags = ACK, .seq = seq, .ack = i == 2 ? 2 : 1, .len = 1000);
		if (i == 3)
			send_seg(p, .flags = FIN | ACK, .seq = seq, .ack = 1);
		else
			send_seg(p, .flags = ACK, .seq = seq + 1, .ack = i == 2 ? 2 : 1,
				 .len = 1000);
		kit_drain(k);
		assert_true(kit_usage(k).block_bytes > 0);
		send_seg(p, .flags = RST, .seq = seq + (i == 3));
		kit_quiet(k);
		assert_int_equal(p->app.why, PIER_CLOSE_RESET);
		assert_int_equal(kit_usage(k).connections, 0);
		assert_int_equal(kit_usage(k).block_bytes, 0);
		assert_int_equal(kit_usage(k).mbufs_held, 0);
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
		const struct kit_state *pl = &kit_states[sends[i]];
		struct kit_peer *p = kit_in_state(k, pl);

		kit_app_abort(p);
		expect(p, .flags = RST | ACK, .seq = pl->seq, .ack = pl->ack);
		kit_quiet(k);
		assert_int_equal(p->app.why, PIER_CLOSE_ABORT);
	}
	for (unsigned int i = 4; i < KIT_CONN_STATES; i++) {
		struct kit_peer *p = kit_in_state(k, &kit_states[i]);

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

/*
 * A FIN that no window lets out is queued (RFC 9293 section 3.10.4): the peer cannot know that this end is
 * over, whichever FIN was asked for first.
 */
static void RST_07_abort_with_the_fin_unsent(void **s)
{
	struct kit *k = *s;

	for (unsigned int first = 0; first < 2; first++) {
		struct kit_peer *p = kit_plain(k);

		p->app.half_open_on_eof = true;
		p->win = 1460;
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
		kit_app_send(p, 3000);
		if (first)
			kit_app_shutdown(p);
		send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
		if (!first)
			kit_app_shutdown(p);
		kit_drain(k);
		kit_app_abort(p);
		expect(p, .flags = RST | ACK, .seq = 1461, .ack = 2);
		kit_quiet(k);
		assert_int_equal(p->app.closes, 1);
	}
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

	assert_int_equal(len, kit_l4() + 21);
	memset(buf + len, 0xaa, 5);
	kit_inject(k, buf, len + 5);
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
		buf[kit_l4() + 12] = (uint8_t)(doff << 4);
		kit_sums(buf);
		kit_inject(k, buf, len);
		kit_quiet(k);
	}
	for (uint16_t l4 = 0; l4 < 20; l4++) {
		kit_build(p, &g, buf);
		kit_set_l4_len(buf, l4);
		kit_inject(k, buf, kit_l4() + 26);
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

	kit_host(p->server, 77);
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
		KIT_TEST(RST_05_queues_are_flushed),
		KIT_TEST(RST_06_reset_with_payload),
		KIT_TEST(RST_07_abort),
		KIT_TEST(RST_07_abort_with_data_in_flight),
		KIT_TEST(RST_07_abort_with_the_fin_unsent),
		KIT_TEST(RST_07_data_after_close),
		KIT_TEST(HDR_01_checksums_of_all_lengths),
		KIT_TEST(HDR_02_bad_checksum),
		KIT_TEST(HDR_04_padding_is_no_payload),
		KIT_TEST(HDR_06_impossible_header_lengths),
		KIT_TEST(IP_02_not_our_address),
	};

	return KIT_RUN("reset", tests);
}
