/*
 * Receiving: acceptability, reassembly, when and how to acknowledge, SACK blocks sent.
 * Rows: SEQ-03 SEQ-05 SEQ-06 ACK-01..ACK-10 SCK-01..SCK-04 WND-16 KA-05 PSH-02.
 */
#include "kit.h"
#include "tcp/tcp.h"

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
	/* The last octet alone is new. */
	send_seg(p, .flags = ACK, .seq = 21, .ack = 1, .len = 11);
	assert_int_equal(p->app.rx, 31);
	expect(p, .flags = ACK, .seq = 1, .ack = 32);
	/* Nothing is but the FIN; one segment, one ACK. */
	send_seg(p, .flags = ACK | FIN, .seq = 21, .ack = 1, .len = 11);
	expect(p, .flags = ACK, .seq = 1, .ack = 33);
	kit_silence(k, SEC);
	assert_int_equal(p->app.eofs, 1);
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
	assert_true(expect(p, .flags = ACK, .seq = 1, .ack = 101).at - t <= 499 * MS);
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
	kit_silence(k, SEC);
	assert_int_equal(kit_ctr(k, CTR_DELAYED_ACKS), 0);
}

/* By the full path as well: the connection is half-closed. */
static void ACK_02_after_our_fin(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_in_state(k, &kit_states[2]);

	for (uint32_t i = 0; i < 6; i++) {
		send_seg(p, .flags = ACK, .seq = 1 + 100 * i, .ack = 2, .len = 100);
		if (i % 2)
			expect(p, .flags = ACK, .seq = 2, .ack = 101 + 100 * i);
		kit_quiet(k);
		kit_advance(k, MS);
	}
	kit_silence(k, SEC);
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

/* n segments of 1000 octets, each in a burst of its own, from seq on: which of them were acknowledged at once. */
static uint32_t acked_at_once(struct kit_peer *p, uint32_t seq, unsigned int n)
{
	uint32_t which = 0;

	for (unsigned int i = 0; i < n; i++, seq += 1000) {
		send_seg(p, .flags = ACK, .seq = seq, .ack = 1, .len = 1000);
		if (kit_has(p->k)) {
			expect(p, .flags = ACK, .seq = 1, .ack = seq + 1000);
			which |= 1u << i;
		}
		kit_quiet(p->k);
	}
	return which;
}

/*
 * Where one segment was out of place or came twice, the next 16 are acknowledged one by one, that in the gap
 * among them: the path loses ACKs as well, and the sender's window is small. Then it is every second again.
 */
static void one_by_one_after_a_loss(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	k->conf.mbuf_share = 1000; /* what comes in is measured: no rest between two segments */
	p = kit_plain(k);
	assert_int_equal(acked_at_once(p, 1, 4), 0xa);
	send_seg(p, .flags = ACK, .seq = 5001, .ack = 1, .len = 1000);
	expect(p, .flags = ACK, .seq = 1, .ack = 4001);
	send_seg(p, .flags = ACK, .seq = 4001, .ack = 1, .len = 1000);
	expect(p, .flags = ACK, .seq = 1, .ack = 6001);
	assert_int_equal(acked_at_once(p, 6001, 19), 0x57fff);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
	expect(p, .flags = ACK, .seq = 1, .ack = 25001);
	assert_int_equal(acked_at_once(p, 25001, 20), 0xaffff);
	kit_silence(k, SEC);
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

/* However many there are in a burst, the ACKs are a few. */
static void ACK_10_bounded(void **s)
{
	struct kit *k = *s;

	for (int sack = 0; sack < 2; sack++) {
		struct kit_peer *p = sack ? kit_est(k) : kit_plain(k);
		unsigned int n = 0;

		for (int again = 0; again < 2; again++) {
			kit_burst_begin(k);
			for (uint32_t i = 1; i <= 60; i++)
				send_seg(p, .flags = ACK, .seq = 1 + 100 * i, .ack = 1, .len = 100);
			kit_burst_end(k);
			for (n = 0; kit_has(k); n++)
				assert_int_equal(kit_take(p).ack, 1);
			assert_in_range(n, 3, 32);
		}
	}
}

/* Transfers of every kind at once; what is counted, tests/kit sees in all tests. */
static void ACK_05_no_more_acks_than_segments(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p, *q;
	uint64_t acks;

	k->tcp.rcvbuf = 8192;
	p = kit_est(k);
	q = kit_plain(k);
	acks = kit_acks(k);
	p->app.take = 0;
	for (uint32_t i = 0; i < 200; i++) {
		uint32_t at = 1 + i * 700, gap = i % 7 == 3 ? 100 : 0;

		if (i % 9 == 0)
			kit_app_read(p, 6000);
		if (i % 3 == 0)
			kit_burst_begin(k);
		send_seg(p, .flags = ACK, .seq = at + gap, .ack = 1, .len = 1000 - gap);
		send_seg(q, .flags = ACK, .seq = 1 + i / 4 * 100, .ack = 1, .len = 100);
		if (i % 3 == 2)
			kit_burst_end(k);
		if (!k->bursting)
			kit_advance(k, i % 11 * 5 * MS);
	}
	kit_burst_end(k);
	kit_app_read(p, UINT64_MAX);
	kit_advance(k, SEC);
	kit_drain(k);
	assert_true(kit_acks(k) - acks > 50);
	assert_true(kit_acks(k) <= k->injected + k->updates);
	assert_true(k->updates > 0);
}

static void SCK_01_foreign_blocks_are_ignored(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	struct seg g;

	p->offer = OFFER_TS | OFFER_WS;
	kit_syn(p);
	g = kit_synack(p);
	assert_false(g.opts.flags & TCP_OPTS_SACK_OK);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_app_send(p, 14480);
	for (unsigned int i = 0; i < 10; i++)
		expect(p, .flags = ACK, .seq = 1 + 1448 * i, .ack = 1, .len = 1448);
	/* All but the first, so it is said: with SACK one of these would mark nine. */
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .opts.sack_n = 1, .sack = {{1449, 14481}});
	kit_advance(k, 10 * MS);
	kit_quiet(k);
	for (uint32_t i = 1; i <= engine_tcp(k->e)->conn_pool.fresh; i++) {
		const struct tcp_conn *c = &engine_tcp(k->e)->conn[i];

		if (c->state == TCP_ESTABLISHED && c->block)
			assert_int_equal(tcp_work_of(engine_tcp(k->e), c)->sacked, 0);
	}
	send_seg(p, .flags = ACK, .seq = 101, .ack = 14481, .len = 100);
	assert_int_equal(expect(p, .flags = ACK, .seq = 14481, .ack = 1).opts.sack_n, 0);
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

struct arrival {
	uint32_t from, to, ack; /* to: behind the last octet */
	uint32_t block[6];      /* pairs, 0: no more */
};

/* What arrives and what is sent, in the RFC's numbers; the first octet is `first`. */
static void replay(struct kit *k, uint32_t first, const struct arrival *a, unsigned int n)
{
	struct kit_peer *p = kit_peer(k);

	p->offer = OFFER_SACK;
	kit_open(p);
	for (unsigned int i = 0; i < n; i++) {
		struct seg g;
		unsigned int b = 0;

		send_seg(p, .flags = ACK, .seq = a[i].from - first + 1, .ack = 1,
			 .len = a[i].to - a[i].from);
		if (!kit_has(k))
			kit_advance(k, 50 * MS);
		g = expect(p, .flags = ACK, .seq = 1, .ack = a[i].ack - first + 1);
		for (; b < 3 && a[i].block[2 * b]; b++) {
			assert_true(b < g.opts.sack_n);
			assert_int_equal(g.sack[b].left + first - 1, a[i].block[2 * b]);
			assert_int_equal(g.sack[b].right + first - 1, a[i].block[2 * b + 1]);
		}
		assert_int_equal(g.opts.sack_n, b);
	}
	kit_quiet(k);
}

/* RFC 2883 sections 4.1 and 4.2, each with one segment more: then the duplicate is not said again. */
static void SCK_04_examples_of_the_rfc(void **s)
{
	static const struct arrival one[] = {
		{3000, 3500, 3500, {0}}, {3500, 4000, 4000, {0}},
		{3000, 3500, 4000, {3000, 3500}}, {4000, 4500, 4500, {0}},
	};
	static const struct arrival two[] = {
		{3000, 3500, 3500, {0}}, {3500, 4000, 4000, {0}},
		{4500, 5000, 4000, {4500, 5000}},
		{3000, 3500, 4000, {3000, 3500, 4500, 5000}},
		{5000, 5500, 4000, {4500, 5500}},
	};
	static const struct arrival three[] = {
		{3500, 4000, 4000, {0}}, {4500, 5000, 4000, {4500, 5000}},
		{5000, 5500, 4000, {4500, 5500}},
		{5000, 5500, 4000, {5000, 5500, 4500, 5500}},
		{5500, 6000, 4000, {4500, 6000}},
	};
	static const struct arrival four[] = {
		{500, 1000, 1000, {0}}, {2000, 2500, 1000, {2000, 2500}},
		{1000, 1500, 1500, {2000, 2500}}, {1000, 2000, 2500, {1000, 1500}},
		{2500, 3000, 3000, {0}},
	};
	static const struct arrival five[] = {
		{500, 1000, 1000, {0}}, {3000, 3500, 1000, {3000, 3500}},
		{1000, 1500, 1500, {3000, 3500}}, {2000, 2500, 1500, {2000, 2500, 3000, 3500}},
		{1000, 2500, 2500, {1000, 1500, 3000, 3500}}, {3500, 4000, 2500, {3000, 4000}},
	};
	static const struct arrival six[] = {
		{500, 1000, 1000, {0}}, {3500, 4000, 1000, {3500, 4000}},
		{1500, 2000, 1000, {1500, 2000, 3500, 4000}},
		{2500, 3000, 1000, {2500, 3000, 1500, 2000, 3500, 4000}},
		{1500, 3000, 1000, {1500, 2000, 1500, 3000, 3500, 4000}},
		{4000, 4500, 1000, {3500, 4500, 1500, 3000}},
	};
	struct kit *k = *s;

	replay(k, 3000, one, ARRAY_SIZE(one));
	replay(k, 3000, two, ARRAY_SIZE(two));
	replay(k, 3500, three, ARRAY_SIZE(three));
	replay(k, 500, four, ARRAY_SIZE(four));
	replay(k, 500, five, ARRAY_SIZE(five));
	replay(k, 500, six, ARRAY_SIZE(six));
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

/* One octet looks like a keep-alive, but a sender has to know that its tail had not been lost. */
static void SCK_04_KA_05_dsack_of_one_octet(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);

	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1);
	kit_advance(k, SEC);
	expect(p, .flags = ACK, .seq = 1, .ack = 2);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1);
	BLOCKS(expect(p, .flags = ACK, .seq = 1, .ack = 2), 1, 1, 2);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 2);
	assert_int_equal(p->app.rx, 1);
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
	for (uint32_t i = 0; i < 65535;) {
		kit_burst_begin(k);
		for (unsigned int n = 0; n < 16 && i < 65535; n++, i++)
			send_seg(p, .flags = ACK, .seq = 1 + i, .ack = 1, .len = 1);
		kit_burst_end(k);
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
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	kit_advance(k, 75 * SEC);
	expect(p, .flags = ACK, .seq = 1, .ack = 11);
	send_seg(p, .flags = ACK, .seq = 10, .ack = 1, .len = 1, .data = "?");
	expect(p, .flags = ACK, .seq = 1, .ack = 11);
	send_seg(p, .flags = ACK, .seq = 10, .ack = 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 11);
	assert_int_equal(p->app.datas, 1);
	assert_int_equal(p->app.rx, 10);
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
		KIT_TEST(ACK_02_after_our_fin),
		KIT_TEST(ACK_03_after_the_burst),
		KIT_TEST(ACK_04_holes_at_once),
		KIT_TEST(one_by_one_after_a_loss),
		KIT_TEST(ACK_06_any_order),
		KIT_TEST(ACK_07_acknowledging_the_unsent),
		KIT_TEST(ACK_08_no_ack_of_an_ack),
		KIT_TEST(ACK_09_on_the_answer),
		KIT_TEST(ACK_10_one_for_each_out_of_order),
		KIT_TEST(ACK_10_one_dsack_for_each_duplicate),
		KIT_TEST(ACK_05_no_more_acks_than_segments),
		KIT_TEST(ACK_10_bounded),
		KIT_TEST(SCK_01_only_if_agreed),
		KIT_TEST(SCK_01_foreign_blocks_are_ignored),
		KIT_TEST(SCK_02_case_2),
		KIT_TEST(SCK_02_case_3),
		KIT_TEST(SCK_03_newest_three_blocks),
		KIT_TEST(SCK_04_examples_of_the_rfc),
		KIT_TEST(SCK_04_dsack_below_the_ack),
		KIT_TEST(SCK_04_KA_05_dsack_of_one_octet),
		KIT_TEST(SCK_04_dsack_above_the_ack),
		KIT_TEST(WND_16_tiny_segments),
		KIT_TEST(KA_05_keepalive_of_the_peer),
		KIT_TEST(PSH_02_delivery_needs_no_push),
		KIT_TEST(URG_04_urgent_data_in_line),
	};

	return KIT_RUN("ack", tests);
}
