/*
 * Closing and TIME-WAIT.
 * Rows: CLS-01..CLS-18.
 */
#include "kit.h"

static void CLS_01_reasons_differ(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k), *q = kit_plain(k), *r = kit_plain(k);

	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.eofs, 1);
	assert_int_equal(p->app.why, PIER_CLOSE_NORMAL);
	send_seg(q, .flags = RST, .seq = 1);
	assert_int_equal(q->app.eofs, 0);
	assert_int_equal(q->app.why, PIER_CLOSE_RESET);
	send_seg(p, .flags = ACK, .seq = 2, .ack = 2);
	kit_app_send(r, 10);
	kit_advance(k, 200 * SEC);
	assert_int_equal(r->app.closes, 1);
	assert_int_equal(r->app.why, PIER_CLOSE_TIMEOUT);
}

static struct kit_peer *active_close(struct kit *k, bool ts)
{
	struct kit_peer *p = ts ? kit_est(k) : kit_plain(k);

	kit_app_close(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 2);
	kit_quiet(k);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p, .flags = ACK, .seq = 2, .ack = 2);
	assert_int_equal(kit_usage(k).time_wait, 1);
	return p;
}

static void CLS_02_active_close(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = active_close(k, false);

	assert_int_equal(p->app.closes, 1);
	assert_int_equal(p->app.why, PIER_CLOSE_NORMAL);
	kit_silence(k, 3 * SEC);
}

static void CLS_03_passive_close(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	p->app.half_open_on_eof = true;
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 2);
	kit_app_close(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	send_seg(p, .flags = ACK, .seq = 2, .ack = 2);
	kit_quiet(k);
	assert_int_equal(kit_usage(k).time_wait, 0);
	send_seg(p, .flags = ACK, .seq = 2, .ack = 2);
	expect(p, .flags = RST, .seq = 2);
}

static void CLS_03_fin_answers_fin_in_one_segment(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	kit_quiet(k);
}

static void CLS_04_simultaneous_close(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	kit_app_close(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	expect(p, .flags = ACK, .seq = 2, .ack = 2);
	assert_int_equal(kit_usage(k).time_wait, 0);
	send_seg(p, .flags = ACK, .seq = 2, .ack = 2);
	kit_quiet(k);
	assert_int_equal(kit_usage(k).time_wait, 1);
}

static void CLS_05_fin_with_the_ack_of_ours(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	kit_app_close(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p, .flags = ACK, .seq = 2, .ack = 2);
	assert_int_equal(kit_usage(k).time_wait, 1);
}

static void CLS_06_receiving_after_shutdown(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);
	uint32_t seq = 1;

	kit_app_shutdown(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	for (int i = 0; i < 720; i++, seq += 1460) {
		send_seg(p, .flags = ACK, .seq = seq, .ack = i < 300 ? 1 : 2, .len = 1460);
		while (kit_has(k)) /* FIN-WAIT-1 may send its FIN again */
			assert_int_equal(kit_take(p).ack, seq + 1460);
	}
	assert_int_equal(p->app.rx, 720 * 1460);
	send_seg(p, .flags = FIN | ACK, .seq = seq, .ack = 2);
	assert_int_equal(p->app.eofs, 1);
	assert_int_equal(kit_usage(k).time_wait, 1);
}

static void CLS_06_sending_in_close_wait(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);
	uint32_t una = 1;

	p->app.half_open_on_eof = true;
	p->app.on_eof = MIB;
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	while (kit_has(k)) {
		while (kit_has(k)) {
			struct seg g = kit_take(p);

			assert_int_equal(g.ack, 2);
			assert_int_equal(g.seq, una);
			una += g.len;
		}
		send_seg(p, .flags = ACK, .seq = 2, .ack = una);
	}
	assert_int_equal(una, 1 + MIB);
}

static void CLS_07_close_with_unread_data(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	p->app.take = 0;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	kit_app_close(p);
	expect(p, .flags = RST | ACK, .seq = 1, .ack = 11);
	kit_silence(k, 3 * SEC);
	assert_int_equal(p->app.closes, 1);
}

/* In FIN-WAIT-1, before and after the FIN is acknowledged. */
static void CLS_07_data_after_close(void **s)
{
	for (int acked = 0; acked < 2; acked++) {
		struct kit *k = kit_new();
		struct kit_peer *p = kit_plain(k);

		kit_app_close(p);
		expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
		if (acked)
			send_seg(p, .flags = ACK, .seq = 1, .ack = 2); /* FIN-WAIT-2 */
		kit_quiet(k);
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1u + (uint32_t)acked, .len = 10);
		assert_true(kit_take(p).flags & RST);
		kit_silence(k, 3 * SEC);
		assert_int_equal(p->app.closes, 1);
		assert_int_equal(p->app.rx, 0);
		kit_close(k);
	}
}

/* However many connections end so at once: a peer that heard nothing would send until it gives up. */
static void CLS_07_no_limit_to_resets_of_connections(void **s)
{
	enum { MANY = 30 };
	struct kit *k = *s;

	k->conf.rst_rate = 10;
	for (int i = 0; i < MANY; i++) {
		struct kit_peer *p = kit_plain(k);

		kit_app_close(p);
		expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
		expect(p, .flags = RST, .seq = 1);
	}
	assert_int_equal(kit_ctr(k, CTR_TX_RST_RATE), 0);
}

/* The second call finds the connection closed already: it does nothing. */
static void close_twice(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	pier_close(c);
	pier_close(c);
}

static void CLS_08_fin_behind_all_data(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);
	uint32_t una = 1, fins = 0;

	kit_app_send(p, 100000);
	kit_app_call(p, close_twice, 0);
	for (int i = 0; i < 1000 && una < 100001; i++) {
		while (kit_has(k)) {
			struct seg g = kit_take(p);

			assert_int_equal(g.seq, una);
			una += g.len;
			if (g.flags & FIN) {
				fins++;
				assert_int_equal(una, 100001);
				assert_true(g.len > 0);
			}
		}
		send_seg(p, .flags = ACK, .seq = 1, .ack = una);
	}
	assert_int_equal(fins, 1);
	/* The FIN was lost: it alone comes again, at the same place, when the timer says. */
	for (uint64_t gap = 0, last = 0, i = 0; i < 3; i++) {
		uint64_t at;

		while (!kit_has(k))
			kit_advance(k, MS);
		at = expect(p, .flags = FIN | ACK, .seq = 100001, .ack = 1).at;
		if (gap)
			assert_in_range(at - last, 2 * gap - 5 * MS, 2 * gap + 5 * MS);
		gap = last ? at - last : 0;
		last = at;
	}
	send_seg(p, .flags = ACK, .seq = 1, .ack = 100002);
	kit_silence(k, 3 * SEC);
}

/* A handler knows a connection from its handshake's last segment on: the earliest close there is. */
static void CLS_09_close_in_the_open_callback(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	p->app.close_on_open = true;
	kit_syn(p);
	kit_synack(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	kit_quiet(k);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 1); /* FIN-WAIT-1: now CLOSING */
	expect(p, .flags = ACK, .seq = 2, .ack = 2);
	send_seg(p, .flags = ACK, .seq = 2, .ack = 2);
	kit_quiet(k);
	assert_int_equal(kit_usage(k).time_wait, 1);
}

static void CLS_10_data_beyond_the_fin(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	p->app.half_open_on_eof = true;
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 2);
	send_seg(p, .flags = ACK, .seq = 2, .ack = 1, .len = 10);
	expect(p, .flags = ACK, .seq = 1, .ack = 2);
	assert_int_equal(p->app.rx, 0);
}

static void CLS_11_early_fin(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	p->app.half_open_on_eof = true;
	send_seg(p, .flags = FIN | ACK, .seq = 1001, .ack = 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.eofs, 0);
	send_seg(p, .flags = ACK, .seq = 501, .ack = 1, .len = 500);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.eofs, 0);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 500);
	assert_int_equal(p->app.rx, 1000);
	assert_int_equal(p->app.eofs, 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 1002);
}

static void CLS_12_fin_to_listen(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 9);
	expect(p, .flags = RST, .seq = 9);
	kit_silence(k, 3 * SEC);
}

static void CLS_13_time_wait_ends(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = active_close(k, false);

	kit_advance(k, 59 * SEC);
	assert_int_equal(kit_usage(k).time_wait, 1);
	kit_advance(k, 2 * SEC);
	assert_int_equal(kit_usage(k).time_wait, 0);
	send_seg(p, .flags = ACK, .seq = 2, .ack = 2);
	expect(p, .flags = RST, .seq = 2);
}

static void CLS_13_fin_restarts_time_wait(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = active_close(k, false);

	kit_advance(k, 50 * SEC);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p, .flags = ACK, .seq = 2, .ack = 2);
	kit_advance(k, 59 * SEC);
	assert_int_equal(kit_usage(k).time_wait, 1);
	kit_advance(k, 2 * SEC);
	assert_int_equal(kit_usage(k).time_wait, 0);
}

static void CLS_13_other_segments_in_time_wait(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = active_close(k, false);

	kit_advance(k, 10 * SEC);
	send_seg(p, .flags = ACK, .seq = 2, .ack = 2);
	kit_quiet(k);
	send_seg(p, .flags = ACK, .seq = 3, .ack = 2);
	expect(p, .flags = ACK, .seq = 2, .ack = 2);
	kit_advance(k, SEC);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 2, .len = 1);
	expect(p, .flags = ACK, .seq = 2, .ack = 2);
	kit_advance(k, 50 * SEC);
	assert_int_equal(kit_usage(k).time_wait, 0);
}

static void CLS_14_reset_in_time_wait(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = active_close(k, false);

	send_seg(p, .flags = RST, .seq = 2);
	kit_quiet(k);
	assert_int_equal(kit_usage(k).time_wait, 1);
}

static void CLS_15_syn_in_time_wait(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = active_close(k, false);
	uint32_t old = p->iss + 2;

	send_seg(p, .flags = SYN, .seq = 2, .opts = {.flags = TCP_OPTS_MSS, .mss = 1460});
	expect(p, .flags = ACK, .seq = 2, .ack = 2);
	kit_advance(k, SEC);
	send_seg(p, .flags = SYN, .seq = 1, .opts = {.flags = TCP_OPTS_MSS, .mss = 1460});
	expect(p, .flags = ACK, .seq = 2, .ack = 2);
	p->isn += 3;
	kit_syn(p);
	kit_synack(p);
	assert_true(p->iss - old < 0x80000000u && p->iss != old);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.opens, 2);
}

static void CLS_16_syn_with_timestamps_in_time_wait(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = active_close(k, true);
	uint32_t now = p->ts_base + ms_of(k->now);
	struct tcp_opts o = {.flags = TCP_OPTS_MSS | TCP_OPTS_TS, .mss = 1460};

	o.tsval = now - 1;
	send_seg(p, .flags = SYN, .seq = 1000, .opts = o);
	expect(p, .flags = ACK, .seq = 2, .ack = 2);
	kit_advance(k, SEC);
	o.tsval = now;
	send_seg(p, .flags = SYN, .seq = 1, .opts = o);
	expect(p, .flags = ACK, .seq = 2, .ack = 2);
	kit_advance(k, SEC);
	p->isn -= 5000; /* a lower sequence number, but a later timestamp */
	kit_syn(p);
	kit_synack(p);
}

static void CLS_17_fin_wait_2_of_a_closed_handler(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k), *q = kit_plain(k);

	kit_app_close(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 2);
	kit_app_shutdown(q);
	expect(q, .flags = FIN | ACK, .seq = 1, .ack = 1);
	send_seg(q, .flags = ACK, .seq = 1, .ack = 2);
	kit_advance(k, 59 * SEC);
	assert_int_equal(kit_usage(k).connections, 3); /* and the kit's own */
	kit_advance(k, 2 * SEC);
	assert_int_equal(kit_usage(k).connections, 2);
	kit_advance(k, 540 * SEC);
	assert_int_equal(q->app.closes, 0);
}

static void CLS_18_last_ack_gives_up(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	kit_advance(k, 90 * SEC);
	assert_int_equal(kit_usage(k).connections, 1);
	for (int i = 0; i < 6; i++)
		expect(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	kit_advance(k, 100 * SEC);
	assert_int_equal(kit_usage(k).connections, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(CLS_01_reasons_differ),
		KIT_TEST(CLS_02_active_close),
		KIT_TEST(CLS_03_passive_close),
		KIT_TEST(CLS_03_fin_answers_fin_in_one_segment),
		KIT_TEST(CLS_04_simultaneous_close),
		KIT_TEST(CLS_05_fin_with_the_ack_of_ours),
		KIT_TEST(CLS_06_receiving_after_shutdown),
		KIT_TEST(CLS_06_sending_in_close_wait),
		KIT_TEST(CLS_07_close_with_unread_data),
		KIT_TEST(CLS_07_data_after_close),
		KIT_TEST(CLS_07_no_limit_to_resets_of_connections),
		KIT_TEST(CLS_08_fin_behind_all_data),
		KIT_TEST(CLS_09_close_in_the_open_callback),
		KIT_TEST(CLS_10_data_beyond_the_fin),
		KIT_TEST(CLS_11_early_fin),
		KIT_TEST(CLS_12_fin_to_listen),
		KIT_TEST(CLS_13_time_wait_ends),
		KIT_TEST(CLS_13_fin_restarts_time_wait),
		KIT_TEST(CLS_13_other_segments_in_time_wait),
		KIT_TEST(CLS_14_reset_in_time_wait),
		KIT_TEST(CLS_15_syn_in_time_wait),
		KIT_TEST(CLS_16_syn_with_timestamps_in_time_wait),
		KIT_TEST(CLS_17_fin_wait_2_of_a_closed_handler),
		KIT_TEST(CLS_18_last_ack_gives_up),
	};

	return KIT_RUN("close", tests);
}
