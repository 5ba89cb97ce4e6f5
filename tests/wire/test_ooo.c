/*
 * Out-of-order data: every order, the reports, the caps.
 * Rows: ACK-06 CLS-10 CLS-11 SCK-02 SCK-03 SCK-04 SCK-08 DOS-02.
 */
#include "kit.h"

/* All 40320 orders of 8 segments that overlap. The second copy of an octet would be seen: it is wrong. */
static void ACK_06_every_order_of_eight(void **s)
{
	static const struct {
		uint32_t seq, len;
	} seg[] = {{0, 10}, {5, 10}, {10, 15}, {20, 2}, {21, 20}, {40, 6}, {44, 9}, {30, 25}};
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	for (unsigned int code = 0; code < 40320; code++) {
		unsigned int left[8] = {0, 1, 2, 3, 4, 5, 6, 7}, c = code;

		kit_burst_begin(k);
		for (unsigned int n = 8; n > 0; n--) {
			unsigned int i = c % n;

			c /= n;
			send_seg(p, .flags = ACK, .seq = 1 + code * 55 + seg[left[i]].seq, .ack = 1,
				 .len = seg[left[i]].len);
			left[i] = left[n - 1];
		}
		kit_burst_end(k);
		assert_int_equal(p->app.rx, (code + 1) * 55);
		kit_drain(k);
	}
	assert_int_equal(kit_usage(k).mbufs_held, 0);
}

/* The first copy of an octet wins, whichever way the gap is filled. */
static void ACK_06_first_copy_wins(void **s)
{
	static const uint8_t wrong[60];
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	send_seg(p, .flags = ACK, .seq = 21, .ack = 1, .len = 10);
	send_seg(p, .flags = ACK, .seq = 41, .ack = 1, .len = 10);
	send_seg(p, .flags = ACK, .seq = 21, .ack = 1, .len = 10, .data = wrong);
	send_seg(p, .flags = ACK, .seq = 31, .ack = 1, .len = 5);
	send_seg(p, .flags = ACK, .seq = 25, .ack = 1, .len = 10, .data = wrong);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 60);
	assert_int_equal(p->app.rx, 60);
}

static void CLS_11_fin_ahead_of_a_thousand(void **s)
{
	struct kit *k = *s;

	for (unsigned int order = 0; order < 2; order++) {
		struct kit_peer *p = kit_plain(k);

		p->app.half_open_on_eof = true;
		send_seg(p, .flags = FIN | ACK, .seq = 1001, .ack = 1);
		expect(p, .flags = ACK, .seq = 1, .ack = 1);
		for (uint32_t i = 0; i < 10; i++) {
			uint32_t at = order ? 9 - i : i;

			assert_int_equal(p->app.eofs, 0);
			send_seg(p, .flags = ACK, .seq = 1 + 100 * at, .ack = 1, .len = 100);
		}
		assert_int_equal(p->app.eofs, 1);
		assert_int_equal(p->app.rx, 1000);
		kit_advance(k, 100 * MS);
		while (kit_has(k))
			if (kit_take(p).ack == 1002)
				assert_false(kit_has(k));
	}
}

/* CLOSE-WAIT, and before it: what lies beyond a FIN is not taken. */
static void CLS_10_nothing_beyond_the_fin(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	p->app.half_open_on_eof = true;
	send_seg(p, .flags = FIN | ACK, .seq = 11, .ack = 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = ACK, .seq = 5, .ack = 1, .len = 30); /* across a FIN that waits */
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	assert_int_equal(p->app.rx, 10);
	assert_int_equal(p->app.eofs, 1);
	kit_drain(k);
	send_seg(p, .flags = ACK | URG, .seq = 12, .ack = 1, .len = 10, .urg = 5);
	expect(p, .flags = ACK, .seq = 1, .ack = 12);
	assert_int_equal(p->app.rx, 10);
}

static void blocks_are(const struct seg *g, uint32_t ack, uint32_t left, uint32_t right, uint32_t left2, uint32_t right2)
{
	const unsigned int n = !!left + !!left2;

	assert_int_equal(g->ack, ack);
	assert_int_equal(g->opts.sack_n, n);
	if (n > 0) {
		assert_int_equal(g->sack[0].left, left);
		assert_int_equal(g->sack[0].right, right);
	}
	if (n > 1) {
		assert_int_equal(g->sack[1].left, left2);
		assert_int_equal(g->sack[1].right, right2);
	}
}

/*
 * A FIN has a number (RFC 9293 section 3.4), and is reported: a kernel takes a segment whose FIN is not in the
 * block for one that was lost.
 */
static void SCK_02_a_fin_is_reported(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);
	struct seg g;

	p->app.half_open_on_eof = true;
	send_seg(p, .flags = ACK, .seq = 51, .ack = 1, .len = 10);
	g = kit_take(p);
	blocks_are(&g, 1, 51, 61, 0, 0);
	send_seg(p, .flags = FIN | ACK, .seq = 101, .ack = 1); /* alone, and the newest */
	g = kit_take(p);
	blocks_are(&g, 1, 101, 102, 51, 61);
	send_seg(p, .flags = ACK, .seq = 51, .ack = 1, .len = 10);
	g = kit_take(p);
	assert_int_equal(g.opts.sack_n, 3);
	assert_int_equal(g.sack[2].left, 101);
	assert_int_equal(g.sack[2].right, 102);
	send_seg(p, .flags = ACK, .seq = 91, .ack = 1, .len = 10); /* up to it */
	g = kit_take(p);
	blocks_are(&g, 1, 91, 102, 51, 61);
	send_seg(p, .flags = FIN | ACK, .seq = 101, .ack = 1); /* again */
	g = kit_take(p);
	blocks_are(&g, 1, 91, 102, 51, 61);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 50);
	g = kit_take(p);
	blocks_are(&g, 61, 91, 102, 0, 0);
	send_seg(p, .flags = ACK, .seq = 61, .ack = 1, .len = 30);
	g = kit_take(p);
	blocks_are(&g, 102, 0, 0, 0, 0);
	assert_int_equal(p->app.rx, 100);
	assert_int_equal(p->app.eofs, 1);
}

/* With its data, as it comes at the end of an upload whose last segment but one is lost. */
static void SCK_02_a_fin_with_data_is_reported(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);
	struct seg g;

	p->app.half_open_on_eof = true;
	send_seg(p, .flags = FIN | ACK, .seq = 101, .ack = 1, .len = 50);
	g = kit_take(p);
	blocks_are(&g, 1, 101, 152, 0, 0);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	g = kit_take(p);
	blocks_are(&g, 152, 0, 0, 0, 0);
	assert_int_equal(p->app.rx, 150);
	assert_int_equal(p->app.eofs, 1);
}

/* Ten holes, timestamps: the three newest in each ACK, so each block in three of them. */
static void SCK_03_each_block_three_times(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);
	unsigned int seen[13] = {0};

	for (uint32_t i = 1; i <= 12; i++) {
		struct seg g;

		send_seg(p, .flags = ACK, .seq = 1 + 200 * i, .ack = 1, .len = 100);
		g = expect(p, .flags = ACK, .seq = 1, .ack = 1);
		assert_int_equal(g.opts.sack_n, min_of(i, 3u));
		for (uint32_t j = 0; j < g.opts.sack_n; j++) {
			assert_int_equal(g.sack[j].left, 1 + 200 * (i - j));
			assert_int_equal(g.sack[j].right, 101 + 200 * (i - j));
			seen[i - j]++;
		}
	}
	for (unsigned int i = 1; i <= 10; i++)
		assert_int_equal(seen[i], 3);
}

static void SCK_08_what_was_reported_is_kept(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	k->tcp.rcvbuf = 256 * KIB;
	p = kit_est(k);
	for (uint32_t i = 1; i < 50; i++)
		send_seg(p, .flags = ACK, .seq = 1 + 1000 * i, .ack = 1, .len = 1000);
	kit_drain(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
	assert_int_equal(expect(p, .flags = ACK, .seq = 1, .ack = 50001).opts.sack_n, 0);
	kit_quiet(k);
	assert_int_equal(p->app.rx, 50000);
}

/* A window of 4 MiB behind one loss: 2900 segments stay, and their gap closes at once. */
static void ACK_06_one_loss_in_four_mebibytes(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	uint32_t seq = 1449;

	k->tcp.rcvbuf = 4 * MIB;
	p = kit_est(k);
	p->app.take = 0; /* opens the whole window with the first segments */
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 0);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	kit_advance(k, SEC);
	kit_drain(k);
	p->app.take = UINT64_MAX;
	seq = 101 + 1448;
	for (uint32_t i = 0; i < 2890; i++, seq += 1448) {
		send_seg(p, .flags = ACK, .seq = seq, .ack = 1, .len = 1448);
		kit_drain(k);
	}
	assert_int_equal(kit_ctr(k, CTR_OOO_EVICTED), 0);
	assert_int_equal(kit_ctr(k, CTR_RX_OOO_FULL), 0);
	send_seg(p, .flags = ACK, .seq = 101, .ack = 1, .len = 1448);
	assert_int_equal(expect(p, .flags = ACK, .seq = 1, .ack = seq).opts.sack_n, 0);
	assert_int_equal(p->app.rx, seq - 1);
	assert_int_equal(kit_usage(k).mbufs_held, 0);
}

/*
 * One-octet segments at every odd offset, on many connections: the ranges of each stay within 256, all
 * together within their share, a segment costs no more than a binary search, and data in order is
 * taken all along. The lowest ranges are the ones that stay.
 */
static void DOS_02_every_odd_offset(void **s)
{
	enum { CONNS = 40, SEGS = 600 };
	struct kit *k = *s;
	struct kit_peer *p[CONNS];
	uint64_t steps;

	k->tcp.rcvbuf = 4 * MIB;
	k->conf.max_connections = 64;
	k->conf.mbuf_share = 4000;
	for (unsigned int i = 0; i < CONNS; i++)
		p[i] = kit_est(k);
	for (uint32_t j = 0; j < SEGS; j++)
		for (unsigned int i = 0; i < CONNS; i++) {
			steps = kit_ctr(k, CTR_OOO_STEPS);
			send_seg(p[i], .flags = ACK, .seq = 1000 + 2 * j, .ack = 1, .len = 1);
			kit_drain(k);
			/* placed once, looked up for the reports of it: 9 steps each */
			assert_true(kit_ctr(k, CTR_OOO_STEPS) - steps <= 20 * 9);
			assert_true(kit_usage(k).mbufs_held <= 2000 + 1);
		}
	assert_true(kit_ctr(k, CTR_OOO_EVICTED) > 0);
	for (unsigned int i = 0; i < CONNS; i++) {
		send_seg(p[i], .flags = ACK, .seq = 1, .ack = 1, .len = 999);
		assert_true(p[i]->app.rx >= 999);
		kit_drain(k);
	}
}

static void DOS_02_ranges_of_one(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	k->tcp.rcvbuf = 4 * MIB;
	p = kit_est(k);
	for (uint32_t j = 0; j < 300; j++) {
		send_seg(p, .flags = ACK, .seq = 1001 + 2 * (299 - j), .ack = 1, .len = 1);
		kit_drain(k);
	}
	assert_int_equal(kit_usage(k).mbufs_held, 256);
	assert_int_equal(kit_ctr(k, CTR_OOO_EVICTED), 300 - 256);
	/* The lowest 256 are there: with every other octet from the peer 512 come in order. */
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
	assert_int_equal(p->app.rx, 1001);
	for (uint32_t j = 0; j < 255; j++)
		send_seg(p, .flags = ACK, .seq = 1002 + 2 * j, .ack = 1, .len = 1);
	assert_int_equal(p->app.rx, 1000 + 511);
}

/* The fattest gives way, not the one that has little. */
static void DOS_02_the_fattest_first(void **s)
{
	struct kit *k = *s;
	struct kit_peer *fat, *lean;

	k->tcp.rcvbuf = 4 * MIB;
	k->conf.mbuf_share = 200; /* 100 of them out of order */
	fat = kit_est(k);
	lean = kit_est(k);
	for (uint32_t j = 0; j < 99; j++)
		send_seg(fat, .flags = ACK, .seq = 1001 + 2 * j, .ack = 1, .len = 1);
	for (uint32_t j = 0; j < 10; j++)
		send_seg(lean, .flags = ACK, .seq = 101 + 2 * j, .ack = 1, .len = 1);
	kit_drain(k);
	assert_int_equal(kit_usage(k).mbufs_held, 100);
	send_seg(lean, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	for (uint32_t j = 0; j < 9; j++)
		send_seg(lean, .flags = ACK, .seq = 102 + 2 * j, .ack = 1, .len = 1);
	assert_int_equal(lean->app.rx, 119);
	assert_int_equal(kit_ctr(k, CTR_OOO_EVICTED), 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(ACK_06_every_order_of_eight),
		KIT_TEST(ACK_06_first_copy_wins),
		KIT_TEST(ACK_06_one_loss_in_four_mebibytes),
		KIT_TEST(CLS_10_nothing_beyond_the_fin),
		KIT_TEST(CLS_11_fin_ahead_of_a_thousand),
		KIT_TEST(SCK_02_a_fin_is_reported),
		KIT_TEST(SCK_02_a_fin_with_data_is_reported),
		KIT_TEST(SCK_03_each_block_three_times),
		KIT_TEST(SCK_08_what_was_reported_is_kept),
		KIT_TEST(DOS_02_every_odd_offset),
		KIT_TEST(DOS_02_ranges_of_one),
		KIT_TEST(DOS_02_the_fattest_first),
	};

	return KIT_RUN("ooo", tests);
}
