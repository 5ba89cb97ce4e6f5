/*
 * Options, MSS, window scale, timestamps.
 * Rows: OPT-01..OPT-11 OPT-13 WS-01 WS-02 WS-03 TS-01..TS-10.
 */
#include "kit.h"

/* Handshake with these options on the SYN, then the length of the first full segment. */
static uint32_t first_segment(struct kit *k, const uint8_t *opt, unsigned int len)
{
	struct kit_peer *p = kit_peer(k);

	send_seg(p, .flags = SYN, .raw = opt, .raw_len = len);
	kit_synack(p);
	p->app.on_open = 20000;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	return kit_take(p).len;
}

#define FIRST(k, ...)                                                                              \
	({                                                                                         \
		static const uint8_t o_[] = {__VA_ARGS__};                                         \
		uint32_t len_ = first_segment(k, o_, sizeof(o_));                                  \
                                                                                                   \
		kit_drain(k);                                                                      \
		len_;                                                                              \
	})

static void OPT_01_eol_nop_mss(void **s)
{
	assert_int_equal(FIRST(*s, 1, 1, 2, 4, 1000 >> 8, 1000 & 255, 0, 0), 1000);
}

static void OPT_02_options_on_any_segment(void **s)
{
	/* NOP, an unknown kind, TS of nobody, EOL. */
	static const uint8_t opt[36] = {1, 253, 6, 1, 2, 3, 4, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8,
					1, 1, 254, 4, 0, 0, 0};
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k), *q = kit_plain(k);

	p->app.half_open_on_eof = true;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .raw = opt, .raw_len = 36);
	assert_int_equal(p->app.rx, 10);
	send_seg(p, .flags = ACK, .seq = 11, .ack = 1, .raw = opt, .raw_len = 36);
	send_seg(p, .flags = FIN | ACK, .seq = 11, .ack = 1, .raw = opt, .raw_len = 36);
	assert_int_equal(p->app.eofs, 1);
	send_seg(q, .flags = RST, .seq = 1, .raw = opt, .raw_len = 36);
	assert_int_equal(q->app.closes, 1);
}

static void OPT_03_unknown_kinds_are_skipped(void **s)
{
	assert_int_equal(FIRST(*s, 253, 6, 2, 4, 0, 1, 2, 4, 700 >> 8, 700 & 255, 1, 1), 700);
}

static void OPT_04_illegal_lengths(void **s)
{
	static const uint8_t kinds[] = {2, 3, 4, 5, 8};
	static const uint8_t right[] = {4, 3, 2, 255, 10};
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (unsigned int len = 0; len < 256; len++) {
			uint8_t opt[12] = {kinds[i], (uint8_t)len, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
			uint64_t before = kit_ctr(k, CTR_RX_BAD_OPT);
			struct seg g;

			if (len == right[i])
				continue;
			send_seg(p, .flags = SYN, .raw = opt, .raw_len = 12);
			g = kit_synack(p);
			assert_int_equal(g.opts.flags, TCP_OPTS_MSS);
			if (!(kinds[i] == TCP_OPT_SACK && len >= 2 && len <= 12))
				assert_int_equal(kit_ctr(k, CTR_RX_BAD_OPT), before + 1);
			send_seg(p, .flags = RST, .seq = 1);
			kit_quiet(k);
		}
	}
}

static void OPT_04_illegal_lengths_on_data(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);
	uint32_t seq = 1;

	for (unsigned int len = 0; len < 256; len++, seq += 3) {
		uint8_t opt[8] = {8, (uint8_t)len, 5, 0, 0, 0, 0, 0};

		send_seg(p, .flags = ACK, .seq = seq, .ack = 1, .len = 3, .raw = opt, .raw_len = 8);
		assert_int_equal(p->app.rx, seq + 2);
	}
}

/* Every kind on data: taken without the option, and counted. */
static void OPT_04_each_kind_on_data(void **s)
{
	static const uint8_t kinds[] = {2, 3, 4, 5, 8};
	static const uint8_t right[] = {4, 3, 2, 10, 10};
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);
	uint32_t seq = 1;

	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (unsigned int len = 0; len < 256; len++, seq += 3) {
			uint8_t opt[12] = {kinds[i], (uint8_t)len, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
			uint64_t before = kit_ctr(k, CTR_RX_BAD_OPT);

			send_seg(p, .flags = ACK, .seq = seq, .ack = 1, .len = 3, .raw = opt,
				 .raw_len = 12);
			assert_int_equal(p->app.rx, seq + 2);
			assert_int_equal(kit_ctr(k, CTR_RX_BAD_OPT), before + (len != right[i]));
		}
	}
	kit_drain(k);
}

/* Timestamps, SACK and window scale behind 0 to 3 NOPs. */
static void OPT_05_all_kinds_at_any_alignment(void **s)
{
	struct kit *k = *s;

	for (unsigned int pad = 0; pad < 4; pad++) {
		struct kit_peer *p = kit_peer(k);
		uint8_t opt[40] = {1, 1, 1};
		uint8_t *at = opt + pad;
		unsigned int again;
		struct seg g;

		memcpy(at, (uint8_t[]){8, 10, 0, 0, 1, 0, 0, 0, 0, 0, 4, 2, 3, 3, 7, 2, 4, 3, 0x20}, 19);
		send_seg(p, .flags = SYN, .raw = opt, .raw_len = 24);
		g = kit_synack(p);
		assert_int_equal(g.opts.flags, TCP_OPTS_TS | TCP_OPTS_SACK_OK | TCP_OPTS_WSCALE |
				 TCP_OPTS_MSS);
		assert_int_equal(g.opts.tsecr, 0x100);
		p->win = 100; /* of 128 */
		p->app.on_open = 20000;
		memset(opt, 1, sizeof(opt));
		tcp_opt_emit_ts(opt + 4, 0x101, p->ts_recent);
		memmove(opt + pad, opt + 6, 10);
		memset(opt + pad + 10, 1, 16 - pad);
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .raw = opt, .raw_len = 16);
		for (uint32_t n = 0; n < 7880; n += 788) /* ten segments of 800 less 12 */
			expect(p, .flags = ACK, .seq = 1 + n, .ack = 1, .len = 788);
		kit_quiet(k);
		/* Three of ten are missing at the front, by SACK. */
		memset(opt, 1, sizeof(opt));
		memcpy(opt + pad, (uint8_t[]){5, 10}, 2);
		store_be32(opt + pad + 2, p->iss + 1 + 3 * 788);
		store_be32(opt + pad + 6, p->iss + 1 + 7880);
		tcp_opt_emit_ts(opt + 16, 0x102, p->ts_recent);
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .raw = opt, .raw_len = 28);
		kit_advance(k, 5 * MS);
		for (again = 0; kit_has(k);)
			again += kit_take(p).seq == 1;
		assert_int_equal(again, 1);
		send_seg(p, .flags = RST, .seq = 1);
	}
}

static void OPT_05_any_alignment(void **s)
{
	struct kit *k = *s;

	assert_int_equal(FIRST(k, 2, 4, 3, 0x20, 1, 1, 1, 1), 0x320);
	assert_int_equal(FIRST(k, 1, 2, 4, 3, 0x20, 1, 1, 1), 0x320);
	assert_int_equal(FIRST(k, 1, 1, 2, 4, 3, 0x20, 1, 1), 0x320);
	assert_int_equal(FIRST(k, 1, 1, 1, 2, 4, 3, 0x20, 1), 0x320);
}

static void OPT_06_nothing_after_eol(void **s)
{
	assert_int_equal(FIRST(*s, 0, 2, 4, 0, 100, 0, 0, 0), kit_default_mss());
}

static void OPT_07_mss_both_ways(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	k->cap[0].mtu = 1500;
	p = kit_peer(k);
	p->mss = 900;
	kit_syn(p);
	assert_int_equal(kit_synack(p).mss, kit_mss(1500));
	p->app.on_open = 9000;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	while (kit_has(k))
		assert_int_equal(kit_take(p).len, 900);
}

/* A window scale on data changes nothing either. */
static void OPT_08_scale_stays(void **s)
{
	static const uint8_t opt[] = {2, 4, 0, 100, 1, 3, 3, 14, 1, 1, 4, 2};
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	uint32_t sent = 0;

	p->offer = OFFER_WS;
	p->ws = 2;
	p->win = 1000; /* 4000 */
	kit_open(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .raw = opt, .raw_len = 12);
	assert_int_equal(p->app.rx, 10);
	kit_app_send(p, 100000);
	for (int i = 0; kit_has(k); i++) {
		struct seg g = kit_take(p);

		assert_int_equal(g.len, i < 2 ? 1460 : 1080);
		sent += g.len;
	}
	assert_in_range(sent, 2920, 4000);
	kit_advance(k, SEC);
	kit_drain(k);
}

/* kit_parse refuses kinds 2, 3, 4 on all that is no SYN; here they arrive. */
static void OPT_08_syn_options_elsewhere(void **s)
{
	static const uint8_t opt[] = {2, 4, 0, 100, 1, 3, 3, 14};
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .raw = opt, .raw_len = 8);
	kit_app_send(p, 4000);
	assert_int_equal(kit_take(p).len, 1460);
}

static void OPT_09_no_mss_option(void **s)
{
	assert_int_equal(first_segment(*s, NULL, 0), kit_default_mss());
}

static void OPT_10_options_come_out_of_the_segment(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k), *plain = kit_plain(k);

	kit_app_send(p, 3000);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1448);
	expect(p, .flags = ACK, .seq = 1449, .ack = 1, .len = 1448);
	kit_drain(k);
	kit_app_send(plain, 3000);
	expect(plain, .flags = ACK, .seq = 1, .ack = 1, .len = 1460);
}

static void OPT_10_sack_blocks_too(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);

	send_seg(p, .flags = ACK, .seq = 101, .ack = 1, .len = 100);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_app_send(p, 10000);
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(expect(p, .flags = ACK, .seq = 1 + 1436 * i, .ack = 1,
					.len = 1436).opts.sack_n, 1);
	kit_drain(k);
}

static void OPT_11_mss_sent_is_the_mtu(void **s)
{
	static const uint16_t mtus[] = {1280, 1500, 9000};

	for (unsigned int i = 0; i < ARRAY_SIZE(mtus); i++) {
		struct kit *k = kit_new();
		struct kit_peer *p;

		k->cap[0].mtu = mtus[i];
		p = kit_peer(k);
		p->offer = OFFER_ALL;
		kit_syn(p);
		assert_int_equal(kit_synack(p).mss, kit_mss(mtus[i]));
		kit_close(k);
	}
}

static void OPT_13_tiny_mss(void **s)
{
	static const uint16_t mss[] = {0, 1, 12, 40, 48, 63, 64, 128};
	struct kit *k = *s;

	for (unsigned int i = 0; i < ARRAY_SIZE(mss); i++) {
		struct kit_peer *p = kit_peer(k);

		p->offer = OFFER_ALL;
		p->mss = mss[i];
		p->app.on_open = 300;
		kit_syn(p);
		kit_synack(p);
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
		/* The MSS counts the timestamps, which take 12 of it. */
		assert_int_equal(kit_take(p).len, max_of(mss[i], 64) - 12);
		kit_drain(k);
	}
}

/* With three SACK blocks in it a segment still has payload; tiny segments do not multiply records. */
static void OPT_13_tiny_mss_full_of_options(void **s)
{
	static const uint16_t mss[] = {0, 1, 12, 40, 48, 63, 64, 128};
	struct kit *k = *s;

	for (unsigned int i = 0; i < ARRAY_SIZE(mss); i++) {
		struct kit_peer *p = kit_peer(k);
		uint64_t n;

		p->offer = OFFER_ALL;
		p->mss = mss[i];
		kit_open(p);
		for (uint32_t j = 1; j < 4; j++)
			send_seg(p, .flags = ACK, .seq = 1 + 200 * j, .ack = 1, .len = 100);
		kit_drain(k);
		kit_app_send(p, k->tcp.sndbuf);
		for (n = 0; kit_has(k); n++)
			assert_int_equal(kit_take(p).len, max_of(mss[i], 64) - 12 - 28);
		assert_in_range(n, 1, k->tcp.sndbuf / 24);
		send_seg(p, .flags = RST, .seq = 1);
	}
}

static void WS_01_scaling_needs_both(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k), *q;
	struct seg g;

	kit_syn(p);
	g = kit_synack(p);
	assert_false(g.opts.flags & TCP_OPTS_WSCALE);
	assert_int_equal(g.win, 65535);
	p->win = 1000;
	p->app.on_open = 5000;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
	kit_quiet(k);
	q = kit_peer(k);
	q->offer = OFFER_WS;
	kit_syn(q);
	assert_true(kit_synack(q).opts.flags & TCP_OPTS_WSCALE);
}

static void WS_02_syn_windows_are_not_scaled(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	uint32_t una = 1;

	k->tcp.rcvbuf = 256 * KIB; /* shift 3 */
	p = kit_peer(k);
	p->offer = OFFER_WS;
	p->win = 10;
	p->ws = 7;
	kit_syn(p);
	assert_in_range(kit_synack(p).win, 65535 - 7, 65535);
	p->app.on_open = 5000;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	while (kit_has(k))
		una += kit_take(p).len;
	assert_int_equal(una, 1 + 10 * 128);
}

/* Of SYN and final ACK the same field: 1000 octets, then 128000; and what the engine says in a RST. */
static void WS_02_scaled_from_the_third_segment_on(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	uint32_t una = 1, end = 1, most = 0;

	k->tcp.rcvbuf = 256 * KIB; /* shift 3 */
	p = kit_peer(k);
	p->offer = OFFER_WS;
	p->ws = 7;
	p->win = 1000;
	kit_syn(p);
	kit_synack(p);
	p->app.on_open = 900000;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	for (int i = 0; i < 12; i++, una = end) {
		for (int j = 0; j < 40; j++) { /* bursts are bounded */
			while (kit_has(k)) {
				struct seg g = kit_take(p);

				assert_in_range((uint32_t)g.win << 3, 200 * KIB, 256 * KIB);
				end = g.seq + g.len;
			}
			kit_advance(k, MS);
		}
		most = max_of(most, end - una);
		send_seg(p, .flags = ACK, .seq = 1, .ack = end);
	}
	assert_in_range(most, 128000 - 1459, 128000);
	kit_drain(k);
	kit_app_abort(p);
	assert_in_range((uint32_t)expect(p, .flags = RST | ACK, .seq = end, .ack = 1).win << 3,
			200 * KIB, 256 * KIB);
}

static void WS_03_shift_beyond_14(void **s)
{
	static const uint8_t shifts[] = {15, 31, 255};
	struct kit *k = *s;

	for (unsigned int i = 0; i < ARRAY_SIZE(shifts); i++) {
		struct kit_peer *p = kit_peer(k);
		uint32_t una = 1, end = 1, most = 0;

		p->offer = OFFER_WS;
		p->ws = shifts[i];
		p->win = 1;
		p->app.on_open = 100000;
		kit_syn(p);
		kit_synack(p);
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
		for (int j = 0; j < 10; j++, una = end) {
			while (kit_has(k))
				end += kit_take(p).len;
			most = max_of(most, end - una);
			send_seg(p, .flags = ACK, .seq = 1, .ack = end);
		}
		/* One unit of the window, whole segments. */
		assert_int_equal(most, 16384 / 1460 * 1460);
		send_seg(p, .flags = RST, .seq = 1);
		assert_int_equal(kit_ctr(k, CTR_RX_WSCALE_HIGH), i + 1);
	}
}

static void WS_03_own_shift_follows_the_buffer(void **s)
{
	static const struct {
		uint64_t buf;
		uint8_t shift;
	} cases[] = {{65535, 0}, {65536, 1}, {1 << 20, 5}, {1 << 30, 14}};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct kit *k = kit_new();
		struct kit_peer *p;
		struct seg g;

		k->tcp.rcvbuf = cases[i].buf;
		p = kit_peer(k);
		p->offer = OFFER_WS;
		kit_syn(p);
		g = kit_synack(p);
		assert_true(g.opts.flags & TCP_OPTS_WSCALE);
		assert_int_equal(g.opts.wscale, cases[i].shift);
		kit_close(k);
	}
}

static struct seg with_ts(struct seg g)
{
	assert_true(g.opts.flags & TCP_OPTS_TS);
	return g;
}

static void TS_01_on_every_segment_once_agreed(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	k->tcp.keepalive = true;
	p = kit_est(k);
	assert_true(p->ts);
	kit_app_send(p, 10);
	with_ts(expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10));
	kit_advance(k, 3 * SEC);
	with_ts(expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10));
	kit_drain(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 11);
	kit_advance(k, 7201 * SEC);
	with_ts(expect(p, .flags = ACK, .seq = 10, .ack = 1));
	send_seg(p, .flags = ACK, .seq = 1, .ack = 11);
	kit_app_close(p);
	with_ts(expect(p, .flags = FIN | ACK, .seq = 11, .ack = 1));
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 12);
	with_ts(expect(p, .flags = ACK, .seq = 12, .ack = 2));
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 12);
	with_ts(expect(p, .flags = ACK, .seq = 12, .ack = 2));
}

static void TS_01_never_unless_offered(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	kit_app_send(p, 10);
	assert_int_equal(expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10).opts.flags, 0);
}

static void TS_02_missing_timestamps(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k), *q = kit_plain(k);

	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .no_ts = true);
	kit_silence(k, 3 * SEC);
	assert_int_equal(p->app.rx, 0);
	assert_int_equal(kit_ctr(k, CTR_RX_NO_TS), 1);
	send_seg(p, .flags = SYN, .seq = 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = RST, .seq = 1, .no_ts = true);
	assert_int_equal(p->app.closes, 1);
	send_seg(q, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .tsval = 5, .tsecr = 5);
	assert_int_equal(q->app.rx, 10);
}

static void TS_04_clock(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k), *q = kit_est(k);
	uint32_t a, b;

	assert_true(p->ts_recent != q->ts_recent);
	kit_app_send(p, 1);
	a = expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1).opts.tsval;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 2);
	kit_advance(k, 10 * SEC);
	kit_app_send(p, 1);
	b = expect(p, .flags = ACK, .seq = 2, .ack = 1, .len = 1).opts.tsval;
	assert_int_equal(b - a, 10000);
}

static void TS_05_ts_recent_of_a_delayed_ack(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);
	uint32_t t = p->ts_base + ms_of(k->now) + 1;
	struct seg g;

	kit_burst_begin(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .tsval = t);
	send_seg(p, .flags = ACK, .seq = 11, .ack = 1, .len = 10, .tsval = t + 1);
	send_seg(p, .flags = ACK, .seq = 21, .ack = 1, .len = 10, .tsval = t + 2);
	kit_burst_end(k);
	g = expect(p, .flags = ACK, .seq = 1, .ack = 31);
	assert_int_equal(g.opts.tsecr, t);
}

static void TS_05_ts_recent_across_a_hole(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);
	uint32_t t = p->ts_base + ms_of(k->now) + 1;

	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .tsval = t);
	kit_advance(k, 100 * MS);
	assert_int_equal(expect(p, .flags = ACK, .seq = 1, .ack = 11).opts.tsecr, t);
	send_seg(p, .flags = ACK, .seq = 21, .ack = 1, .len = 10, .tsval = t + 2);
	assert_int_equal(expect(p, .flags = ACK, .seq = 1, .ack = 11).opts.tsecr, t);
	send_seg(p, .flags = ACK, .seq = 11, .ack = 1, .len = 10, .tsval = t + 1);
	assert_int_equal(expect(p, .flags = ACK, .seq = 1, .ack = 31).opts.tsecr, t + 1);
}

static void TS_07_paws(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	uint32_t t = 0xfffffff0;

	p->offer = OFFER_ALL;
	p->ts_base = t - ms_of(k->now);
	kit_open(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .tsval = t - 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.rx, 0);
	assert_int_equal(kit_ctr(k, CTR_RX_PAWS), 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .tsval = 0xffffffff);
	assert_int_equal(p->app.rx, 10);
	send_seg(p, .flags = ACK, .seq = 11, .ack = 1, .len = 10, .tsval = 1); /* past the wrap */
	assert_int_equal(p->app.rx, 20);
}

static void TS_08_reset_is_exempt(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);

	send_seg(p, .flags = RST, .seq = 1, .tsval = p->ts_base + ms_of(k->now) - 1000);
	assert_int_equal(p->app.closes, 1);
}

static void TS_09_queued_data_is_not_checked_again(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);
	uint32_t t = p->ts_base + ms_of(k->now) + 1;

	for (uint32_t i = 2; i < 10; i++)
		send_seg(p, .flags = ACK, .seq = 1 + 10 * i, .ack = 1, .len = 10, .tsval = t);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 20, .tsval = t + 1);
	assert_int_equal(p->app.rx, 100);
}

static void TS_10_stale_after_24_days(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k), *q = kit_est(k);
	uint32_t t = p->ts_base + ms_of(k->now);

	kit_advance(k, 23 * 86400 * SEC);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .tsval = t - (1u << 30));
	assert_int_equal(p->app.rx, 0);
	kit_advance(k, 1 * 86400 * SEC + 2 * SEC);
	send_seg(q, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .tsval = t - (1u << 30));
	assert_int_equal(q->app.rx, 10);
	send_seg(q, .flags = ACK, .seq = 11, .ack = 1, .len = 10, .tsval = t - (1u << 30) - 1);
	assert_int_equal(q->app.rx, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(OPT_01_eol_nop_mss),
		KIT_TEST(OPT_02_options_on_any_segment),
		KIT_TEST(OPT_03_unknown_kinds_are_skipped),
		KIT_TEST(OPT_04_illegal_lengths),
		KIT_TEST(OPT_04_illegal_lengths_on_data),
		KIT_TEST(OPT_04_each_kind_on_data),
		KIT_TEST(OPT_05_any_alignment),
		KIT_TEST(OPT_05_all_kinds_at_any_alignment),
		KIT_TEST(OPT_06_nothing_after_eol),
		KIT_TEST(OPT_07_mss_both_ways),
		KIT_TEST(OPT_08_syn_options_elsewhere),
		KIT_TEST(OPT_08_scale_stays),
		KIT_TEST(OPT_09_no_mss_option),
		KIT_TEST(OPT_10_options_come_out_of_the_segment),
		KIT_TEST(OPT_10_sack_blocks_too),
		KIT_TEST(OPT_11_mss_sent_is_the_mtu),
		KIT_TEST(OPT_13_tiny_mss),
		KIT_TEST(OPT_13_tiny_mss_full_of_options),
		KIT_TEST(WS_01_scaling_needs_both),
		KIT_TEST(WS_02_syn_windows_are_not_scaled),
		KIT_TEST(WS_02_scaled_from_the_third_segment_on),
		KIT_TEST(WS_03_shift_beyond_14),
		KIT_TEST(WS_03_own_shift_follows_the_buffer),
		KIT_TEST(TS_01_on_every_segment_once_agreed),
		KIT_TEST(TS_01_never_unless_offered),
		KIT_TEST(TS_02_missing_timestamps),
		KIT_TEST(TS_04_clock),
		KIT_TEST(TS_05_ts_recent_of_a_delayed_ack),
		KIT_TEST(TS_05_ts_recent_across_a_hole),
		KIT_TEST(TS_07_paws),
		KIT_TEST(TS_08_reset_is_exempt),
		KIT_TEST(TS_09_queued_data_is_not_checked_again),
		KIT_TEST(TS_10_stale_after_24_days),
	};

	return KIT_RUN("options", tests);
}
