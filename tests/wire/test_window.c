/*
 * Windows and pushing: zero windows, probes, silly windows, Nagle.
 * Rows: SEQ-02 SEQ-04 WND-01 WND-02 WND-03 WND-06..WND-13 PSH-01 PSH-03..PSH-06.
 */
#include "kit.h"

/* A peer whose 4096 bytes of the engine's buffer are full. */
static struct kit_peer *closed(struct kit *k)
{
	struct kit_peer *p;

	k->tcp.rcvbuf = 4096;
	p = kit_plain(k);
	p->app.take = 0;
	for (uint32_t i = 0; i < 4; i++)
		send_seg(p, .flags = ACK, .seq = 1 + 1024 * i, .ack = 1, .len = 1024);
	while (kit_has(k)) {
		struct seg g = kit_take(p);

		/* WND-01: the right edge stays where it is. */
		assert_int_equal(g.ack + g.win, 4097);
	}
	kit_advance(k, 100 * MS);
	kit_drain(k);
	return p;
}

static void SEQ_02_empty_segment_to_a_closed_window(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = closed(k);

	kit_app_send(p, 200);
	expect(p, .flags = ACK, .seq = 1, .ack = 4097, .len = 200);
	send_seg(p, .flags = ACK, .seq = 4098, .ack = 201);
	assert_int_equal(expect(p, .flags = ACK, .seq = 201, .ack = 4097).win, 0);
	send_seg(p, .flags = ACK, .seq = 4097, .ack = 201);
	kit_silence(k, 5 * SEC);
}

static void SEQ_04_data_to_a_closed_window(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = closed(k);

	kit_app_send(p, 200);
	kit_drain(k);
	send_seg(p, .flags = ACK, .seq = 4097, .ack = 201, .len = 1);
	assert_int_equal(expect(p, .flags = ACK, .seq = 201, .ack = 4097).win, 0);
	kit_silence(k, 5 * SEC); /* its acknowledgment counted */
	kit_app_read(p, UINT64_MAX);
	assert_int_equal(p->app.rx, 4096);
}

static void SEQ_07_reset_at_a_closed_window(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = closed(k);

	send_seg(p, .flags = RST, .seq = 4097);
	assert_int_equal(p->app.why, PIER_CLOSE_RESET);
	kit_quiet(k);
}

static void WND_09_every_probe_is_answered(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = closed(k);

	for (int i = 0; i < 3; i++) {
		send_seg(p, .flags = ACK, .seq = 4097, .ack = 1, .len = 1);
		assert_int_equal(expect(p, .flags = ACK, .seq = 1, .ack = 4097).win, 0);
	}
	kit_quiet(k);
	kit_app_read(p, UINT64_MAX);
	assert_int_equal(p->app.rx, 4096);
}

static void WND_11_no_silly_updates(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = closed(k);
	unsigned int n = 0;

	while (!kit_has(k)) {
		kit_app_read(p, 1);
		assert_true(++n <= 1500);
	}
	assert_in_range(n, 1448, 1500);
	assert_int_equal(kit_take(p).win, n);
}

/* The row's numbers: 16 KiB, and a segment of 1448 octets. */
static void WND_11_one_octet_at_a_time(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	uint32_t seq = 1, n = 0;
	struct seg g;

	k->tcp.rcvbuf = 16384;
	p = kit_est(k);
	p->app.take = 0;
	for (; seq < 16385; seq += 1024)
		send_seg(p, .flags = ACK, .seq = seq, .ack = 1, .len = 1024);
	kit_advance(k, 100 * MS);
	kit_drain(k);
	for (; !kit_has(k); n++) {
		kit_app_read(p, 1);
		assert_true(n <= 1500);
	}
	g = kit_take(p);
	assert_in_range(n, 1448, 1460);
	assert_true((uint32_t)g.win << p->peer_ws >= 1448);
	assert_true((uint32_t)g.win << p->peer_ws <= n);
}

static void WND_12_32_kib_at_once(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	uint32_t seq = 1;
	uint64_t t;
	struct seg g;

	k->tcp.rcvbuf = 32768;
	p = kit_plain(k);
	p->app.take = 0;
	for (; seq < 32769; seq += 1024)
		send_seg(p, .flags = ACK, .seq = seq, .ack = 1, .len = 1024);
	kit_advance(k, 100 * MS);
	kit_drain(k);
	t = k->now;
	kit_app_read(p, UINT64_MAX);
	g = expect(p, .flags = ACK, .seq = 1, .ack = 32769);
	assert_int_equal(g.win, 32768);
	assert_int_equal(g.at, t);
	kit_quiet(k);
}

/*
 * What the handler took is a segment, or one octet less: the right edge follows it with the next ACK, or is not
 * worth being moved.
 */
static void edge_moves_by_a_whole_segment(void **s)
{
	struct kit *k = *s;

	k->tcp.rcvbuf = 16384;
	for (uint32_t less = 0; less < 2; less++) {
		struct kit_peer *p = kit_plain(k);
		const uint32_t len = 1460 - less;

		send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = len);
		kit_advance(k, SEC);
		assert_int_equal(expect(p, .flags = ACK, .seq = 1, .ack = 1 + len).win,
				 less ? 16384 - len : 16384);
	}
}

static void set_buffer(struct pier_conn *c, struct kit_app *a, uint64_t bytes)
{
	assert_true(pier_set_buffers(c, bytes, 0));
}

/* What was announced before stays open, and then the window is the small one. */
static void WND_01_a_buffer_that_shrinks(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);
	uint32_t edge = 1 + 65535, seq = 1;

	kit_app_call(p, set_buffer, PIER_BUFFER_MIN);
	for (unsigned int i = 0; i < 200; i++) {
		uint32_t len = min_of(1 + i * 37 % 1460, edge - seq);

		send_seg(p, .flags = ACK, .seq = seq, .ack = 1, .len = len);
		seq += len;
		kit_advance(k, 50 * MS);
		while (kit_has(k)) {
			struct seg g = kit_take(p);

			assert_true(g.ack + g.win >= edge);
			edge = g.ack + g.win;
		}
		assert_true(edge <= max_of(seq + PIER_BUFFER_MIN, 1u + 65535));
	}
	assert_int_equal(p->app.rx, seq - 1);
}

/* A handler that reads a little at a time, segments of all sizes, and a share that becomes small. */
static void WND_01_edge_of_a_slow_reader(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p, *other;
	uint32_t edge = 1 + 65408, seq = 1, rnd = 12345, other_seq = 1;

	k->conf.mbuf_share = 300;
	k->tcp.rcvbuf = 4 * MIB;
	p = kit_est(k);
	other = kit_est(k);
	p->app.take = other->app.take = 0;
	assert_int_equal(p->peer_ws, 7);
	for (unsigned int i = 0; i < 3000; i++) {
		uint32_t len;

		rnd = rnd * 1664525 + 1013904223;
		len = rnd % 3 ? 1 + (rnd >> 8) % 1448 : 1;
		if (seq_leq(seq + len, edge)) {
			send_seg(p, .flags = ACK, .seq = seq, .ack = 1, .len = len);
			seq += len;
		}
		if (i % 10 == 0)
			send_seg(other, .flags = ACK, .seq = other_seq, .ack = 1, .len = 1);
		other_seq += i % 10 == 0;
		if (i % 5 == 4)
			kit_app_read(p, i > 1500 ? 700 : 3000);
		kit_advance(k, MS);
		while (kit_has(k)) {
			struct kit_frame *f = kit_frame_next(k);
			struct seg g;
			uint32_t e;

			if (be16(kit_tcp(f->bytes)->dport) != p->port)
				continue;
			g = kit_parse(p, f);
			e = g.ack + ((uint32_t)g.win << 7);
			assert_true(seq_gt(e + 128, edge));
			edge = seq_max(edge, e);
		}
	}
	assert_true(seq > 100000);
}

static void WND_12_update_at_once(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = closed(k);
	uint64_t t = k->now;
	struct seg g;

	kit_app_read(p, UINT64_MAX);
	g = expect(p, .flags = ACK, .seq = 1, .ack = 4097);
	assert_int_equal(g.win, 4096);
	assert_int_equal(g.at, t);
}

/* RFC 7323 appendix F: what one ACK allowed stays allowed, whatever the rounding of the next. */
static void WND_02_rounding_takes_nothing_back(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	uint32_t edge = 0, seq = 1;
	struct seg g;

	k->tcp.rcvbuf = 4 * MIB;
	p = kit_peer(k);
	p->offer = OFFER_WS | OFFER_SACK;
	p->app.take = 0;
	kit_syn(p);
	kit_synack(p);
	assert_int_equal(p->peer_ws, 7);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	for (; seq < 300; seq++) {
		send_seg(p, .flags = ACK, .seq = seq, .ack = 1, .len = 1);
		for (; kit_has(k); edge = max_of(edge, g.ack + ((uint32_t)g.win << 7)))
			g = kit_take(p);
	}
	assert_true(edge > 1 * MIB);
	kit_advance(k, 100 * MS);
	kit_drain(k);
	send_seg(p, .flags = ACK, .seq = edge - 100, .ack = 1, .len = 100);
	g = expect(p, .flags = ACK, .seq = 1, .ack = seq);
	assert_int_equal(g.opts.sack_n, 1);
	assert_int_equal(g.sack[0].left, edge - 100);
	assert_int_equal(g.sack[0].right, edge);
}

static void WND_03_shrinking(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);
	uint32_t end = 1;

	kit_app_send(p, 20000);
	while (kit_has(k))
		end += kit_take(p).len;
	p->win = 1000;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1461);
	kit_advance(k, 100 * MS);
	kit_quiet(k);
	p->win = 65535;
	send_seg(p, .flags = ACK, .seq = 1, .ack = end);
	while (end < 20001) {
		assert_int_equal(kit_has(k), 1);
		while (kit_has(k)) {
			struct seg g = kit_take(p);

			assert_int_equal(g.seq, end);
			end += g.len;
		}
		send_seg(p, .flags = ACK, .seq = 1, .ack = end);
	}
}

static void WND_06_closed_window_is_probed(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	p->win = 0;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_app_send(p, 3000);
	kit_quiet(k);
	kit_advance(k, 2 * SEC);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1);
	kit_drain(k);
	p->win = 5000;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 2);
	expect(p, .flags = ACK, .seq = 2, .ack = 1, .len = 1460);
}

static void WND_07_probes_back_off(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	uint64_t start, last, gap = 0;

	kit_syn(p);
	kit_synack(p);
	kit_advance(k, 100 * MS); /* the first sample: RTO 300 ms */
	p->win = 0;
	p->app.on_open = 3000;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	start = last = k->now;
	for (int i = 0; i < 14; i++) {
		struct seg g;

		while (!kit_has(k))
			kit_advance(k, MS);
		g = expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1);
		if (i == 0)
			assert_in_range(g.at - start, 298 * MS, 305 * MS);
		else
			assert_in_range(g.at - last, min_of(2 * gap, 60 * SEC) - 5 * MS,
					min_of(2 * gap, 60 * SEC) + 5 * MS);
		gap = g.at - last;
		last = g.at;
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	}
	assert_in_range(gap, 60 * SEC - 5 * MS, 60 * SEC + 5 * MS);
}

static void WND_08_open_while_probes_are_answered(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);
	uint64_t end = k->now + 24 * 3600 * SEC;

	p->win = 0;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_app_send(p, 3000);
	while (k->now < end) {
		kit_advance(k, SEC);
		if (kit_has(k))
			send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
		kit_drain(k);
	}
	assert_int_equal(p->app.closes, 0);
	kit_advance(k, 250 * SEC);
	assert_int_equal(p->app.closes, 1);
	assert_int_equal(p->app.why, PIER_CLOSE_TIMEOUT);
}

static void WND_10_no_silly_segments(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	struct seg g;

	p->win = 8000;
	kit_open(p);
	kit_app_send(p, 50000);
	kit_drain(k);
	p->win = 100;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1 + 5 * 1460);
	kit_drain(k);
	kit_advance(k, 50 * MS);
	kit_quiet(k);
	kit_advance(k, 1200 * MS);
	g = kit_take(p);
	assert_int_equal(g.len, 100);
	assert_int_equal(g.seq, 1 + 5 * 1460);
}

/* Half of the largest window, where that is less than a segment. */
static void WND_10_half_of_a_small_window(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	p->win = 2000;
	kit_open(p);
	kit_app_send(p, 50000);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1460);
	kit_quiet(k);
	for (p->win = 99; p->win < 1000; p->win += 100) {
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1461);
		kit_quiet(k);
	}
	p->win = 1000;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1461);
	expect(p, .flags = ACK, .seq = 1461, .ack = 1, .len = 1000);
}

static void WND_13_old_segments_set_no_window(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	kit_app_send(p, 1000);
	kit_drain(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	p->win = 2920;
	send_seg(p, .flags = ACK, .seq = 11, .ack = 1001);
	kit_drain(k);
	p->win = 60000;
	send_seg(p, .flags = ACK, .seq = 11, .ack = 901); /* older ack */
	kit_drain(k);
	kit_app_send(p, 5000);
	expect(p, .flags = ACK, .seq = 1001, .ack = 11, .len = 1460);
	expect(p, .flags = ACK, .seq = 2461, .ack = 11, .len = 1460);
	kit_quiet(k);
}

static void PSH_01_on_the_last_segment(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);

	kit_app_send(p, 3000);
	assert_false(expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1448).flags & PSH);
	assert_false(expect(p, .flags = ACK, .seq = 1449, .ack = 1, .len = 1448).flags & PSH);
	expect(p, .flags = PSH | ACK, .seq = 2897, .ack = 1, .len = 104);
	kit_quiet(k);
}

static void PSH_03_full_segments(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);
	unsigned int full = 0, all = 0;
	uint32_t una = 1;

	for (int i = 0; i < 10000; i++)
		kit_app_send(p, 7);
	for (int i = 0; i < 1000 && una < 70001; i++) {
		while (kit_has(k)) {
			struct seg g = kit_take(p);

			una += g.len;
			if (i) {
				full += g.len == 1460;
				all++;
			}
		}
		send_seg(p, .flags = ACK, .seq = 1, .ack = una);
	}
	assert_int_equal(una, 70001);
	assert_in_range(full, all - 2, all);
}

static void PSH_04_nagle(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	k->tcp.nagle = true;
	p = kit_plain(k);
	kit_app_send(p, 10);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	kit_advance(k, MS);
	kit_app_send(p, 10);
	kit_quiet(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 11);
	expect(p, .flags = ACK, .seq = 11, .ack = 1, .len = 10);
}

static void PSH_05_nagle_off(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	kit_app_send(p, 10);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	kit_app_send(p, 10);
	expect(p, .flags = ACK, .seq = 11, .ack = 1, .len = 10);
}

static void PSH_06_close_and_nodelay_flush(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p, *q;

	k->tcp.nagle = true;
	p = kit_plain(k);
	q = kit_plain(k);
	kit_app_send(p, 10);
	kit_app_send(q, 10);
	kit_drain(k);
	kit_app_send(p, 10);
	kit_app_send(q, 10);
	kit_quiet(k);
	kit_app_close(p);
	expect(p, .flags = FIN | PSH | ACK, .seq = 11, .ack = 1, .len = 10);
	kit_app_nodelay(q, true);
	expect(q, .flags = ACK, .seq = 11, .ack = 1, .len = 10);
}

/*
 * WND-13 where nothing else is unusual: an ACK has overtaken the segment before it, which brings data, or a FIN, in
 * order. The window is the ACK's.
 */
static void overtaken(struct kit *k, uint8_t flags, uint32_t len)
{
	struct kit_peer *p = kit_plain(k);

	p->app.half_open_on_eof = true;
	p->win = 2000;
	send_seg(p, .flags = ACK, .seq = 1 + len + !!(flags & FIN), .ack = 1);
	p->win = 65535;
	send_seg(p, .flags = flags, .seq = 1, .ack = 1, .len = len);
	kit_app_send(p, 5000);
	while (kit_has(k)) {
		struct seg g = kit_take(p);

		assert_true(g.seq + g.len <= 1 + 2000);
	}
}

static void overtaken_by_an_ack(void **s)
{
	overtaken(*s, ACK, 100);
	overtaken(*s, FIN | ACK, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(SEQ_02_empty_segment_to_a_closed_window),
		KIT_TEST(SEQ_04_data_to_a_closed_window),
		KIT_TEST(SEQ_07_reset_at_a_closed_window),
		KIT_TEST(WND_02_rounding_takes_nothing_back),
		KIT_TEST(WND_03_shrinking),
		KIT_TEST(WND_06_closed_window_is_probed),
		KIT_TEST(WND_07_probes_back_off),
		KIT_TEST(WND_08_open_while_probes_are_answered),
		KIT_TEST(WND_09_every_probe_is_answered),
		KIT_TEST(WND_10_no_silly_segments),
		KIT_TEST(WND_10_half_of_a_small_window),
		KIT_TEST(WND_11_no_silly_updates),
		KIT_TEST(WND_11_one_octet_at_a_time),
		KIT_TEST(WND_12_update_at_once),
		KIT_TEST(WND_12_32_kib_at_once),
		KIT_TEST(edge_moves_by_a_whole_segment),
		KIT_TEST(WND_01_edge_of_a_slow_reader),
		KIT_TEST(WND_01_a_buffer_that_shrinks),
		KIT_TEST(WND_13_old_segments_set_no_window),
		KIT_TEST(overtaken_by_an_ack),
		KIT_TEST(PSH_01_on_the_last_segment),
		KIT_TEST(PSH_03_full_segments),
		KIT_TEST(PSH_04_nagle),
		KIT_TEST(PSH_05_nagle_off),
		KIT_TEST(PSH_06_close_and_nodelay_flush),
	};

	return KIT_RUN("window", tests);
}
