/*
 * Timeouts, keep-alive, congestion control.
 * Rows: RTO-02 RTO-04 RTO-06..RTO-09 RTX-04 RTX-08 KA-01..KA-04 CC-05 CC-06 CC-07.
 */
#include "kit.h"

/* Open with a handshake that takes us: the first sample. */
static struct kit_peer *open_rtt(struct kit *k, unsigned int offer, uint64_t us)
{
	struct kit_peer *p = kit_peer(k);

	p->offer = offer;
	kit_syn(p);
	kit_synack(p);
	kit_advance(k, us);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	return p;
}

#define about(v, want) assert_in_range(v, (want) - 3 * MS, (want) + 3 * MS)

static void RTO_02_first_sample(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = open_rtt(k, 0, 500 * MS);
	uint64_t t = k->now;

	kit_app_send(p, 10);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	kit_advance(k, 2 * SEC);
	about(expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10).at - t, 1500 * MS);
}

static uint64_t settled_rto(struct kit *k, uint64_t rtt)
{
	struct kit_peer *p = open_rtt(k, 0, rtt);
	uint64_t t, at;

	for (uint32_t i = 0; i < 200; i++) {
		kit_app_send(p, 10);
		kit_drain(k);
		kit_advance(k, rtt);
		kit_quiet(k);
		send_seg(p, .flags = ACK, .seq = 1, .ack = 11 + 10 * i);
	}
	t = k->now;
	kit_app_send(p, 10);
	kit_drain(k);
	while (!kit_has(k))
		kit_advance(k, MS);
	at = kit_take(p).at;
	send_seg(p, .flags = RST, .seq = 1);
	return at - t;
}

static void RTO_04_margin(void **s)
{
	struct kit *k = *s;

	about(settled_rto(k, 10 * MS), 210 * MS);
	about(settled_rto(k, 300 * MS), 500 * MS);
}

static void RTO_06_restarts_on_new_data_acked(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = open_rtt(k, 0, 100 * MS); /* RTO 300 ms */
	uint64_t t;

	kit_app_send(p, 10);
	kit_app_send(p, 10);
	kit_drain(k);
	kit_advance(k, 290 * MS);
	kit_quiet(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 11);
	t = k->now;
	kit_advance(k, 2 * SEC);
	assert_true(expect(p, .flags = ACK, .seq = 11, .ack = 1, .len = 10).at - t >= 300 * MS);
	kit_drain(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 21);
	kit_silence(k, 10 * SEC);
}

static void RTO_07_backoff(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	uint64_t last, wait = 300 * MS;

	k->tcp.pmtu_floor = kit_mtu(1500); /* the size stays as it is */
	p = open_rtt(k, 0, 100 * MS);
	last = k->now;

	kit_app_send(p, 5 * 1460);
	kit_drain(k);
	for (int i = 0; i < 5; i++, wait *= 2) {
		struct seg g;

		kit_advance_to(k, last + wait + 5 * MS);
		g = expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1460);
		about(g.at - last, wait);
		kit_quiet(k);
		last = g.at;
	}
}

static void RTO_08_three_seconds_after_a_lost_synack(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	uint64_t t;

	kit_syn(p);
	kit_synack(p);
	kit_advance(k, 1100 * MS);
	expect(p, .flags = SYN | ACK, .seq = 0, .ack = 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	t = k->now;
	kit_app_send(p, 10);
	kit_drain(k);
	kit_advance(k, 5 * SEC);
	about(expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10).at - t, 3 * SEC);
}

static void RTO_09_backoff_stays_until_new_data(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = open_rtt(k, 0, 100 * MS);
	uint64_t t;

	kit_app_send(p, 10);
	kit_advance(k, (300 + 600 + 1200 + 2400) * MS + 20 * MS);
	kit_drain(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 11); /* of a retransmission: says nothing */
	t = k->now;
	kit_app_send(p, 10);
	kit_drain(k);
	kit_advance(k, 4700 * MS);
	kit_quiet(k);
	kit_advance(k, 200 * MS);
	about(expect(p, .flags = ACK, .seq = 11, .ack = 1, .len = 10).at - t, 4800 * MS);
}

static void RTX_04_r2(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	k->tcp.r2 = 5 * SEC;
	p = kit_plain(k);
	kit_app_send(p, 10);
	kit_advance(k, 4900 * MS);
	assert_int_equal(p->app.closes, 0);
	kit_advance(k, 5 * SEC);
	assert_int_equal(p->app.why, PIER_CLOSE_TIMEOUT);
	assert_int_equal(p->app.closes, 1);
}

static void RTX_04_r2_for_ever(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	k->tcp.r2 = k->tcp.user_timeout = DURATION_INF;
	p = kit_plain(k);
	kit_app_send(p, 10);
	kit_advance(k, 24 * 3600 * SEC);
	assert_int_equal(p->app.closes, 0);
}

static void RTX_08_user_timeout(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	k->tcp.user_timeout = 30 * SEC;
	p = kit_plain(k);
	kit_app_send(p, 10);
	kit_advance(k, 29 * SEC);
	assert_int_equal(p->app.closes, 0);
	kit_advance(k, 30 * SEC);
	assert_int_equal(p->app.why, PIER_CLOSE_USER_TIMEOUT);
	assert_int_equal(p->app.closes, 1);
}

static void KA_01_off_by_default(void **s)
{
	struct kit *k = *s;

	kit_plain(k);
	kit_silence(k, 24 * 3600 * SEC);
}

static void KA_03_KA_04_probes(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	uint64_t t;

	k->tcp.keepalive = true;
	p = kit_plain(k);
	t = k->now;
	kit_advance_to(k, t + 7199 * SEC);
	kit_quiet(k);
	for (unsigned int i = 0; i < 9; i++) {
		kit_advance_to(k, t + (7201 + 75 * i) * SEC);
		expect(p, .flags = ACK, .seq = 0, .ack = 1);
		kit_quiet(k);
	}
	assert_int_equal(p->app.closes, 0);
	kit_advance(k, 76 * SEC);
	assert_int_equal(p->app.why, PIER_CLOSE_KEEPALIVE);
	assert_int_equal(p->app.closes, 1);
}

static void KA_02_KA_03_an_answer_starts_anew(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	k->tcp.keepalive = true;
	p = kit_plain(k);
	kit_advance(k, 7100 * SEC);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_silence(k, 7199 * SEC);
	kit_advance(k, (1 + 8 * 75 + 1) * SEC);
	for (int i = 0; i < 9; i++)
		expect(p, .flags = ACK, .seq = 0, .ack = 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_silence(k, 7199 * SEC);
	assert_int_equal(p->app.closes, 0);
}

/* Take all that waits; the end of it. */
static uint32_t take_all(struct kit_peer *p, uint32_t end, unsigned int *n)
{
	for (*n = 0; kit_has(p->k); ++*n) {
		struct seg g = kit_take(p);

		assert_int_equal(g.seq, end);
		end += g.len;
	}
	return end;
}

static void CC_06_CC_07_fast_retransmit(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	uint32_t end;
	unsigned int n;

	kit_congestion(k, "newreno");
	p = open_rtt(k, 0, 10 * MS);
	kit_app_send(p, 1 << 20);
	end = take_all(p, 1, &n);
	kit_advance(k, 10 * MS);
	for (int i = 0; i < 2; i++) {
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
		expect(p, .flags = ACK, .seq = end, .ack = 1, .len = 1460);
		kit_quiet(k);
		end += 1460;
	}
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1460);
	kit_quiet(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = end); /* all arrived: 12 in flight, now half */
	take_all(p, end, &n);
	assert_int_equal(n, 5);
	assert_int_equal(kit_ctr(k, CTR_FAST_RECOVERIES), 1);
}

static void CC_06_what_is_no_duplicate(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = open_rtt(k, 0, 10 * MS);

	kit_app_send(p, 14600);
	kit_drain(k);
	for (uint16_t i = 0; i < 5; i++) {
		p->win -= 1;
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	}
	for (uint32_t i = 0; i < 5; i++)
		send_seg(p, .flags = ACK, .seq = 1 + 10 * i, .ack = 1, .len = 10);
	while (kit_has(k))
		assert_int_equal(kit_take(p).len, 0);
}

static void CC_05_after_a_timeout(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = open_rtt(k, 0, 10 * MS);
	unsigned int n;

	kit_app_send(p, 1 << 20);
	take_all(p, 1, &n);
	kit_advance(k, 215 * MS);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1460);
	kit_quiet(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1461); /* cwnd 1 -> 2; new data first: F-RTO */
	expect(p, .flags = ACK, .seq = 14601, .ack = 1, .len = 1460);
	expect(p, .flags = ACK, .seq = 16061, .ack = 1, .len = 1460);
	kit_quiet(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1461); /* a true timeout */
	expect(p, .flags = ACK, .seq = 1461, .ack = 1, .len = 1460);
	kit_quiet(k);
}

static void SCK_07_one_hole_one_retransmission(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = open_rtt(k, OFFER_SACK, 10 * MS);
	unsigned int again = 0;

	kit_app_send(p, 14600);
	kit_drain(k);
	kit_advance(k, 10 * MS);
	for (uint32_t i = 2; i <= 10; i++) {
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .opts.sack_n = 1,
			 .sack = {{1461, 1 + 1460 * i}});
		while (kit_has(k)) {
			assert_int_equal(kit_take(p).seq, 1);
			again++;
		}
	}
	assert_int_equal(again, 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 14601);
	kit_silence(k, 5 * SEC);
}

static void SCK_05_impossible_blocks(void **s)
{
	static const struct tcp_sack_block bad[] = {{3000, 2000}, {2000, 2000}, {2000, 20000},
						    {0x80000000u, 0x80001000u}, {2000, 0x80001000u}};
	struct kit *k = *s;
	struct kit_peer *p = open_rtt(k, OFFER_SACK, 10 * MS);

	kit_app_send(p, 14600);
	kit_drain(k);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .opts.sack_n = 1, .sack = {bad[i]});
	kit_quiet(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 14601, .opts.sack_n = 1, .sack = {bad[2]});
	kit_silence(k, 5 * SEC);
}

static struct pier_tcp_info told;

static void op_tell(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	assert_true(pier_get_tcp_info(c, &told));
}

/* Of what the handler is told: the count stays while the connection rests in between. */
static void counts_are_the_handlers_to_read(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = open_rtt(k, 0, 10 * MS);

	kit_app_call(p, op_tell, 0);
	assert_int_equal(told.retransmits, 0);
	assert_int_equal(told.queued, 0);
	assert_int_equal(told.srtt_us, 10 * MS);
	assert_string_equal(told.congestion, "cubic");
	for (uint32_t i = 1; i <= 3; i++) {
		kit_app_send(p, 10);
		kit_drain(k);
		kit_app_call(p, op_tell, 0);
		assert_int_equal(told.queued, 10);
		while (!kit_has(k)) /* the probe, or the timeout */
			kit_advance(k, MS);
		kit_drain(k);
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1 + 10 * i);
		kit_advance(k, 2 * SEC);
		kit_app_call(p, op_tell, 0);
		assert_int_equal(told.retransmits, i);
		assert_int_equal(told.queued, 0);
	}
	send_seg(p, .flags = RST, .seq = 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(RTO_02_first_sample),
		KIT_TEST(RTO_04_margin),
		KIT_TEST(RTO_06_restarts_on_new_data_acked),
		KIT_TEST(RTO_07_backoff),
		KIT_TEST(RTO_08_three_seconds_after_a_lost_synack),
		KIT_TEST(RTO_09_backoff_stays_until_new_data),
		KIT_TEST(RTX_04_r2),
		KIT_TEST(RTX_04_r2_for_ever),
		KIT_TEST(RTX_08_user_timeout),
		KIT_TEST(KA_01_off_by_default),
		KIT_TEST(KA_03_KA_04_probes),
		KIT_TEST(KA_02_KA_03_an_answer_starts_anew),
		KIT_TEST(CC_05_after_a_timeout),
		KIT_TEST(CC_06_CC_07_fast_retransmit),
		KIT_TEST(CC_06_what_is_no_duplicate),
		KIT_TEST(SCK_05_impossible_blocks),
		KIT_TEST(SCK_07_one_hole_one_retransmission),
		KIT_TEST(counts_are_the_handlers_to_read),
	};

	return KIT_RUN("retransmit", tests);
}
