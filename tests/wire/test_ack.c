/*
 * Receiving: acceptability, reassembly, when and how to acknowledge, SACK blocks sent.
 * Rows: SEQ-03 SEQ-05 SEQ-06 ACK-01..ACK-10 SCK-01..SCK-04 WND-16 KA-05 PSH-02.
 */
#include "kit.h"

static void SEQ_03_empty_segments_at_the_edges(void **s)
{
	static const struct {
		uint32_t seq;
		bool ok;
	} cases[] = {{0, false}, {65535, true}, {65536, true}, {65537, false}};
	struct kit *k = *s;

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct kit_peer *p = kit_plain(k);

		kit_app_send(p, 100);
		expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
		send_seg(p, .flags = ACK, .seq = cases[i].seq, .ack = 101);
		if (!cases[i].ok)
			expect(p, .flags = ACK, .seq = 101, .ack = 1);
		kit_quiet(k);
		kit_advance(k, 5 * SEC);
		assert_int_equal(kit_has(k), !cases[i].ok); /* it was not acknowledged: sent again */
		kit_drain(k);
		send_seg(p, .flags = RST, .seq = 1);
	}
}

static void SEQ_05_parts_of_a_segment(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	p->app.half_open_on_eof = true;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	kit_advance(k, 100 * MS);
	expect(p, .flags = ACK, .seq = 1, .ack = 11);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 30);
	assert_int_equal(p->app.rx, 30);
	kit_advance(k, 100 * MS);
	expect(p, .flags = ACK, .seq = 1, .ack = 31);
}

static void SEQ_05_beyond_the_right_edge(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);
	uint32_t edge = 1 + 65535, seq = 1;

	p->app.half_open_on_eof = true;
	p->app.take = 0;
	while (edge - 5 - seq) {
		uint32_t n = min_of(edge - 5 - seq, 1460u);

		send_seg(p, .flags = ACK, .seq = seq, .ack = 1, .len = n);
		seq += n;
	}
	send_seg(p, .flags = ACK | FIN, .seq = edge - 5, .ack = 1, .len = 10);
	kit_advance(k, SEC);
	kit_drain(k);
	assert_int_equal(p->app.eofs, 0);
	kit_app_read(p, UINT64_MAX);
	assert_int_equal(p->app.rx, 65535);
	assert_int_equal(p->app.eofs, 0);
}

static void SEQ_06_far_outside(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	send_seg(p, .flags = ACK, .seq = 1 - (1u << 30), .ack = 1, .len = 10);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = RST, .seq = 1 - (1u << 30));
	kit_silence(k, 3 * SEC);
	assert_int_equal(p->app.closes, 0);
}

static void ACK_01_delayed(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	kit_advance(k, 39 * MS);
	kit_quiet(k);
	kit_advance(k, 3 * MS);
	expect(p, .flags = ACK, .seq = 1, .ack = 101);
	kit_silence(k, 3 * SEC);
}

/* A buffer beyond what the field can say is no window update waiting to be sent. */
static void ACK_01_delayed_with_a_large_buffer(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	k->tcp.rcvbuf = 256 * KIB;
	p = kit_plain(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	kit_advance(k, 39 * MS);
	kit_quiet(k);
	kit_advance(k, 3 * MS);
	expect(p, .flags = ACK, .seq = 1, .ack = 101);
	kit_silence(k, 3 * SEC);
}

static void ACK_01_delayed_at_most(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	uint64_t t;

	k->tcp.delack = 499 * MS;
	p = kit_plain(k);
	t = k->now;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	kit_advance(k, SEC);
	assert_true(expect(p, .flags = ACK, .seq = 1, .ack = 101).at - t <= 500 * MS);
}

static void ACK_02_every_second_segment(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);
	uint32_t seq = 1;

	for (uint32_t len = 1, i = 1; len <= 8; len *= 2, i++) {
		send_seg(p, .flags = ACK, .seq = seq, .ack = 1, .len = len);
		seq += len;
		if (i % 2 == 0)
			expect(p, .flags = ACK, .seq = 1, .ack = seq);
		kit_quiet(k);
		kit_advance(k, MS);
	}
	for (int i = 0; i < 10; i++) {
		kit_burst_begin(k);
		send_seg(p, .flags = ACK, .seq = seq, .ack = 1, .len = 1440);
		send_seg(p, .flags = ACK, .seq = seq + 1440, .ack = 1, .len = 1440);
		kit_burst_end(k);
		seq += 2880;
		expect(p, .flags = ACK, .seq = 1, .ack = seq);
		kit_quiet(k);
	}
}

static void ACK_03_after_the_burst(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);
	unsigned int n = 0;
	uint32_t last = 0;

	kit_burst_begin(k);
	for (uint32_t i = 0; i < 32; i++)
		send_seg(p, .flags = ACK, .seq = 1 + 1000 * i, .ack = 1, .len = 1000);
	kit_burst_end(k);
	for (; kit_has(k); n++)
		last = kit_take(p).ack;
	assert_in_range(n, 1, 16);
	assert_int_equal(last, 32001);
	assert_int_equal(p->app.datas, 1);
}

static void ACK_04_holes_at_once(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);
	struct seg g;

	send_seg(p, .flags = ACK, .seq = 101, .ack = 1, .len = 100);
	g = expect(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(g.opts.sack_n, 1);
	assert_int_equal(g.sack[0].left, 101);
	assert_int_equal(g.sack[0].right, 201);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 50);
	g = expect(p, .flags = ACK, .seq = 1, .ack = 51);
	assert_int_equal(g.opts.sack_n, 1);
	send_seg(p, .flags = ACK, .seq = 51, .ack = 1, .len = 50);
	g = expect(p, .flags = ACK, .seq = 1, .ack = 201);
	assert_int_equal(g.opts.sack_n, 0);
	assert_int_equal(p->app.rx, 200);
}

/* All orders of 6 overlapping segments. */
static void ACK_06_any_order(void **s)
{
	static const struct {
		uint32_t seq, len;
	} seg[] = {{1, 100}, {51, 100}, {101, 150}, {201, 20}, {211, 200}, {401, 60}};
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	for (unsigned int code = 0; code < 720; code++) {
		unsigned int left[6] = {0, 1, 2, 3, 4, 5}, c = code;

		for (unsigned int n = 6; n > 0; n--) {
			unsigned int i = c % n;

			c /= n;
			send_seg(p, .flags = ACK, .seq = code * 460 + seg[left[i]].seq, .ack = 1,
				 .len = seg[left[i]].len);
			left[i] = left[n - 1];
		}
		assert_int_equal(p->app.rx, (code + 1) * 460);
		kit_drain(k);
	}
}

static void ACK_07_acknowledging_the_unsent(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	send_seg(p, .flags = ACK, .seq = 1, .ack = 2, .len = 10);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.rx, 0);
	send_seg(p, .flags = PSH, .seq = 1, .len = 10);
	kit_silence(k, 3 * SEC);
	assert_int_equal(p->app.rx, 0);
	assert_int_equal(kit_ctr(k, CTR_RX_NO_ACK), 1);
}

static void ACK_08_no_ack_of_an_ack(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	for (int i = 0; i < 1000; i++)
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_silence(k, 3 * SEC);
}

static void ACK_09_on_the_answer(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);
	struct seg g;

	p->app.echo = true;
	for (uint32_t i = 0; i < 5; i++) {
		send_seg(p, .flags = PSH | ACK, .seq = 1 + 100 * i, .ack = 1 + 100 * i, .len = 100);
		g = expect(p, .flags = PSH | ACK, .seq = 1 + 100 * i, .ack = 101 + 100 * i,
			   .len = 100);
		kit_quiet(k);
	}
	send_seg(p, .flags = ACK, .seq = 501, .ack = 501);
	kit_silence(k, 3 * SEC);
	assert_true(g.opts.flags & TCP_OPTS_TS);
}

static void ACK_10_one_for_each_out_of_order(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	kit_burst_begin(k);
	for (uint32_t i = 1; i < 4; i++)
		send_seg(p, .flags = ACK, .seq = 1 + 100 * i, .ack = 1, .len = 100);
	kit_burst_end(k);
	for (int i = 0; i < 3; i++)
		expect(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_quiet(k);
}

static void ACK_10_one_dsack_for_each_duplicate(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);

	for (uint32_t i = 0; i < 4; i++)
		send_seg(p, .flags = ACK, .seq = 1 + 100 * i, .ack = 1, .len = 100);
	kit_drain(k);
	kit_burst_begin(k);
	for (uint32_t i = 0; i < 3; i++)
		send_seg(p, .flags = ACK, .seq = 1 + 100 * i, .ack = 1, .len = 100);
	kit_burst_end(k);
	for (uint32_t i = 0; i < 3; i++) {
		struct seg g = expect(p, .flags = ACK, .seq = 1, .ack = 401);

		assert_int_equal(g.opts.sack_n, 1);
		assert_int_equal(g.sack[0].left, 1 + 100 * i);
		assert_int_equal(g.sack[0].right, 101 + 100 * i);
	}
	kit_quiet(k);
}

static void SCK_01_only_if_agreed(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	assert_false(p->sack_agreed);
	send_seg(p, .flags = ACK, .seq = 101, .ack = 1, .len = 100);
	assert_int_equal(expect(p, .flags = ACK, .seq = 1, .ack = 1).opts.flags, 0);
}

static void check_blocks(struct seg g, unsigned int n, const uint32_t *b)
{
	assert_int_equal(g.opts.sack_n, n);
	for (unsigned int i = 0; i < n; i++) {
		assert_int_equal(g.sack[i].left, b[2 * i]);
		assert_int_equal(g.sack[i].right, b[2 * i + 1]);
	}
}

#define BLOCKS(g, n, ...) check_blocks(g, n, (const uint32_t[]){__VA_ARGS__})

/* RFC 2018 section 7, case 2: the first of 8 segments is lost. */
static void SCK_02_case_2(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);

	for (uint32_t i = 1; i < 8; i++) {
		send_seg(p, .flags = ACK, .seq = 1 + 500 * i, .ack = 1, .len = 500);
		BLOCKS(expect(p, .flags = ACK, .seq = 1, .ack = 1), 1, 501, 501 + 500 * i);
	}
}

/* Case 3: the 2nd, 4th, 6th and 8th are lost, then the 4th and the 2nd arrive. */
static void SCK_02_case_3(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	p->offer = OFFER_SACK;
	kit_open(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 500);
	kit_advance(k, 50 * MS);
	expect(p, .flags = ACK, .seq = 1, .ack = 501);
	send_seg(p, .flags = ACK, .seq = 1001, .ack = 1, .len = 500);
	BLOCKS(expect(p, .flags = ACK, .seq = 1, .ack = 501), 1, 1001, 1501);
	send_seg(p, .flags = ACK, .seq = 2001, .ack = 1, .len = 500);
	BLOCKS(expect(p, .flags = ACK, .seq = 1, .ack = 501), 2, 2001, 2501, 1001, 1501);
	send_seg(p, .flags = ACK, .seq = 3001, .ack = 1, .len = 500);
	BLOCKS(expect(p, .flags = ACK, .seq = 1, .ack = 501), 3, 3001, 3501, 2001, 2501, 1001, 1501);
	send_seg(p, .flags = ACK, .seq = 1501, .ack = 1, .len = 500);
	BLOCKS(expect(p, .flags = ACK, .seq = 1, .ack = 501), 2, 1001, 2501, 3001, 3501);
	send_seg(p, .flags = ACK, .seq = 501, .ack = 1, .len = 500);
	BLOCKS(expect(p, .flags = ACK, .seq = 1, .ack = 2501), 1, 3001, 3501);
}

static void SCK_03_newest_three_blocks(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);

	for (uint32_t i = 1; i <= 10; i++) {
		struct seg g;

		send_seg(p, .flags = ACK, .seq = 1 + 200 * i, .ack = 1, .len = 100);
		g = expect(p, .flags = ACK, .seq = 1, .ack = 1);
		assert_int_equal(g.opts.sack_n, min_of(i, 3u));
		for (uint32_t j = 0; j < g.opts.sack_n; j++) {
			assert_int_equal(g.sack[j].left, 1 + 200 * (i - j));
			assert_int_equal(g.sack[j].right, 101 + 200 * (i - j));
		}
	}
}

static void SCK_04_dsack_below_the_ack(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);

	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 500);
	send_seg(p, .flags = ACK, .seq = 501, .ack = 1, .len = 500);
	expect(p, .flags = ACK, .seq = 1, .ack = 1001);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 500);
	BLOCKS(expect(p, .flags = ACK, .seq = 1, .ack = 1001), 1, 1, 501);
	send_seg(p, .flags = ACK, .seq = 2001, .ack = 1, .len = 500); /* reported once */
	BLOCKS(expect(p, .flags = ACK, .seq = 1, .ack = 1001), 1, 2001, 2501);
	send_seg(p, .flags = ACK, .seq = 501, .ack = 1, .len = 500); /* RFC 2883 example 2 */
	BLOCKS(expect(p, .flags = ACK, .seq = 1, .ack = 1001), 2, 501, 1001, 2001, 2501);
}

static void SCK_04_dsack_above_the_ack(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);

	send_seg(p, .flags = ACK, .seq = 501, .ack = 1, .len = 1000);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = ACK, .seq = 1001, .ack = 1, .len = 500); /* example 3 */
	BLOCKS(expect(p, .flags = ACK, .seq = 1, .ack = 1), 2, 1001, 1501, 501, 1501);
	send_seg(p, .flags = ACK, .seq = 1001, .ack = 1, .len = 1000); /* partial: example 4 */
	BLOCKS(expect(p, .flags = ACK, .seq = 1, .ack = 1), 2, 1001, 1501, 501, 2001);
}

static void WND_16_tiny_segments(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	p->app.take = 0;
	for (uint32_t i = 0; i < 65535; i++) {
		send_seg(p, .flags = ACK, .seq = 1 + i, .ack = 1, .len = 1);
		kit_drain(k);
	}
	assert_true(kit_usage(k).mbufs_held < 100);
	kit_app_read(p, UINT64_MAX);
	assert_int_equal(p->app.rx, 65535);
}

static void KA_05_keepalive_of_the_peer(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	send_seg(p, .flags = ACK, .seq = 0, .ack = 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_advance(k, 75 * SEC);
	send_seg(p, .flags = ACK, .seq = 0, .ack = 1, .len = 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.datas, 0);
	kit_quiet(k);
}

static void PSH_02_delivery_needs_no_push(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	assert_int_equal(p->app.rx, 10);
}

static void URG_04_urgent_data_in_line(void **s)
{
	static const uint16_t up[] = {0, 1, 10, 11, 65535};
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	for (unsigned int i = 0; i < ARRAY_SIZE(up); i++) {
		send_seg(p, .flags = ACK | URG, .seq = 1 + 10 * i, .ack = 1, .len = 10,
			 .urg = up[i]);
		assert_int_equal(p->app.rx, 10 * (i + 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(SEQ_03_empty_segments_at_the_edges),
		KIT_TEST(SEQ_05_parts_of_a_segment),
		KIT_TEST(SEQ_05_beyond_the_right_edge),
		KIT_TEST(SEQ_06_far_outside),
		KIT_TEST(ACK_01_delayed),
		KIT_TEST(ACK_01_delayed_with_a_large_buffer),
		KIT_TEST(ACK_01_delayed_at_most),
		KIT_TEST(ACK_02_every_second_segment),
		KIT_TEST(ACK_03_after_the_burst),
		KIT_TEST(ACK_04_holes_at_once),
		KIT_TEST(ACK_06_any_order),
		KIT_TEST(ACK_07_acknowledging_the_unsent),
		KIT_TEST(ACK_08_no_ack_of_an_ack),
		KIT_TEST(ACK_09_on_the_answer),
		KIT_TEST(ACK_10_one_for_each_out_of_order),
		KIT_TEST(ACK_10_one_dsack_for_each_duplicate),
		KIT_TEST(SCK_01_only_if_agreed),
		KIT_TEST(SCK_02_case_2),
		KIT_TEST(SCK_02_case_3),
		KIT_TEST(SCK_03_newest_three_blocks),
		KIT_TEST(SCK_04_dsack_below_the_ack),
		KIT_TEST(SCK_04_dsack_above_the_ack),
		KIT_TEST(WND_16_tiny_segments),
		KIT_TEST(KA_05_keepalive_of_the_peer),
		KIT_TEST(PSH_02_delivery_needs_no_push),
		KIT_TEST(URG_04_urgent_data_in_line),
	};

	return cmocka_run_group_tests_name("ack", tests, kit_group_setup, NULL);
}
