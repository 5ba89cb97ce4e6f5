/*
 * Headers: checksums in software and by the port, reserved bits, the window field, split frames.
 * Rows: HDR-01 HDR-03 HDR-07 HDR-08 HDR-10 HDR-13 L2-17.
 */
#include "kit.h"

#include <rte_mempool.h>

/* ---- the same bytes whoever sums ---- */

#define TRACE_MAX 64

struct trace {
	unsigned int n;
	uint32_t len[TRACE_MAX];
	uint8_t bytes[TRACE_MAX][1600];
};

static void record(void *arg, struct kit_frame *f)
{
	struct trace *t = arg;

	assert_true(t->n < TRACE_MAX && f->len <= sizeof(t->bytes[0]));
	t->len[t->n] = f->len;
	memcpy(t->bytes[t->n++], f->bytes, f->len);
}

/* Every kind of segment, with and without options, from copied and from referenced payload. */
static void all_kinds(struct kit *k, struct kit_peer *p, bool statics)
{
	static const uint32_t lens[] = {1, 2, 1447, 1448};
	uint32_t una = 1;

	p->app.statics = statics;
	kit_syn(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(lens); i++) {
		kit_app_send(p, lens[i]);
		una += lens[i];
		send_seg(p, .flags = ACK, .seq = 1, .ack = una);
	}
	send_seg(p, .flags = ACK, .seq = 11, .ack = una, .len = 10); /* a hole: SACK */
	kit_app_shutdown(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = una + 1);
	kit_app_abort(p);
}

static void run_traced(struct trace *t, uint8_t offload)
{
	struct kit *k = kit_new();

	t->n = 0;
	k->cap[0].flags |= offload;
	for (unsigned int i = 0; i < 4; i++) {
		struct kit_peer *p = kit_peer(k);

		p->offer = i & 1 ? OFFER_ALL : 0;
		p->ts = p->sack_agreed = p->ws_agreed = i & 1;
		p->iss_known = false;
		k->sink = NULL;
		kit_syn(p); /* to learn the ISS */
		kit_synack(p);
		send_seg(p, .flags = RST, .seq = 1);
		k->sink = record;
		k->sink_arg = t;
		all_kinds(k, p, i & 2);
	}
	struct kit_peer *r = kit_peer(k);

	r->dport = 4444;
	send_seg(r, .flags = SYN); /* RST,ACK */
	send_seg(r, .flags = ACK, .seq = 1, .ack = 77);
	kit_close(k);
}

/* Each sum right (checked again here, the sink's frames are not), and the same bytes. */
static void HDR_01_offload_on_and_off(void **s)
{
	static const uint8_t modes[] = {PKT_TX_TCP_CSUM, PKT_TX_IP_CSUM,
					PKT_TX_IP_CSUM | PKT_TX_TCP_CSUM};
	static struct trace soft, hard;

	run_traced(&soft, 0);
	assert_true(soft.n >= 4 * 8 + 2);
	for (unsigned int i = 0; i < soft.n; i++) {
		assert_true(kit_sum_ok(soft.bytes[i]));
	}
	for (unsigned int m = 0; m < ARRAY_SIZE(modes); m++) {
		run_traced(&hard, modes[m]);
		assert_int_equal(hard.n, soft.n);
		for (unsigned int i = 0; i < soft.n; i++) {
			assert_int_equal(hard.len[i], soft.len[i]);
			assert_memory_equal(hard.bytes[i], soft.bytes[i], soft.len[i]);
		}
	}
}

static void HDR_03_what_the_port_says(void **s)
{
	static const struct {
		uint64_t flag;
		bool good, bad;
	} cases[] = {
		{RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN, true, false},
		{RTE_MBUF_F_RX_L4_CKSUM_BAD, false, false},
		{RTE_MBUF_F_RX_L4_CKSUM_GOOD, true, true},
		{RTE_MBUF_F_RX_L4_CKSUM_NONE, true, true},
	};
	struct kit *k = *s;
	uint64_t dropped = 0;

	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		bool bad = i & 1, takes = bad ? cases[i / 2].bad : cases[i / 2].good;
		struct kit_peer *p;

		k->rx_flags = 0;
		p = kit_plain(k);
		k->rx_flags = cases[i / 2].flag;
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .bad_sum = bad);
		assert_int_equal(p->app.rx, takes ? 10 : 0);
		dropped += !takes;
		assert_int_equal(kit_ctr(k, CTR_RX_CSUM_BAD), dropped);
		k->rx_flags = 0;
		send_seg(p, .flags = RST, .seq = takes ? 11 : 1);
		kit_drain(k);
	}
}

/* What is echoed is summed anew: the field that came was never filled in. */
static void HDR_13_unfilled_field_is_not_used(void **s)
{
	struct kit *k = *s;
	uint32_t lens[] = {1, 10, 500, 899, 901, 1447};

	for (unsigned int i = 0; i < ARRAY_SIZE(lens); i++) {
		struct kit_peer *p = kit_plain(k);

		p->app.echo = true;
		k->rx_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE;
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = lens[i], .bad_sum = true);
		k->rx_flags = 0;
		expect(p, .flags = ACK, .seq = 1, .ack = 1 + lens[i], .len = lens[i]);
	}
}

static void HDR_07_reserved_bits(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	uint8_t buf[10000];
	uint32_t len;

	p->app.echo = true;
	len = kit_build(p, &(struct seg){.flags = SYN, .opts = {.flags = TCP_OPTS_MSS, .mss = 1460}},
			buf);
	buf[kit_l4() + 12] |= 0x0f;
	kit_sums(buf);
	kit_inject(k, buf, len);
	kit_synack(p); /* kit_parse: what is sent has zeros there */
	len = kit_build(p, &(struct seg){.flags = ACK | PSH, .seq = 1, .ack = 1, .len = 10}, buf);
	buf[kit_l4() + 12] |= 0x0f;
	kit_sums(buf);
	kit_inject(k, buf, len);
	expect(p, .flags = ACK, .seq = 1, .ack = 11, .len = 10);
	kit_quiet(k);
}

/* Take all that was sent, acknowledge it in one burst; returns how much was in flight. */
static uint32_t one_round(struct kit_peer *p, uint32_t *una)
{
	uint32_t end = *una, flight, step;

	while (kit_has(p->k)) {
		struct seg g = kit_take(p);

		assert_int_equal(g.seq, end);
		end += g.len;
	}
	kit_advance(p->k, 20 * MS);
	flight = end - *una;
	step = max_of(flight / 32, 1448u);
	kit_burst_begin(p->k);
	while (*una != end) {
		*una += min_of(end - *una, step);
		send_seg(p, .flags = ACK, .seq = 1, .ack = *una);
	}
	kit_burst_end(p->k);
	return flight;
}

static void window_is_filled(struct kit *k, struct kit_peer *p, uint64_t window)
{
	uint32_t una = 1, flight = 0, most = 0;
	const uint64_t total = 4 << 20;

	kit_app_send(p, total);
	for (unsigned int i = 0; una < 1 + total; i++) {
		flight = one_round(p, &una);
		assert_true(flight > 0);
		assert_true(flight <= window);
		most = max_of(most, flight);
		assert_true(i < 500);
	}
	/* The window was what held it back, but for a segment that did not fit. */
	if (window < total / 4)
		assert_true(most > window - 1460);
	else
		assert_true(most > 200 * KIB);
	kit_quiet(k);
}

static void HDR_08_window_is_unsigned(void **s)
{
	static const uint16_t fields[] = {0x8000, 0xffff};
	struct kit *k = *s;
	struct kit_peer *p;

	k->tcp.sndbuf = 8 << 20;
	k->conf.block_bytes = 32 * MIB;
	for (unsigned int i = 0; i < ARRAY_SIZE(fields); i++) {
		p = kit_peer(k);
		p->win = fields[i];
		p->app.statics = false;
		kit_open(p);
		window_is_filled(k, p, fields[i]);
	}
	p = kit_peer(k);
	p->offer = OFFER_ALL;
	p->ws = 14;
	kit_open(p); /* 0xffff << 14: a gigabyte */
	window_is_filled(k, p, 0xffffull << 14);
}

/* Split anywhere, the same bytes are delivered and acknowledged. */
static void cut_and_send(struct kit *k, struct kit_peer *p, uint32_t *seq, const uint32_t *cuts,
			 unsigned int n)
{
	const uint32_t size = 33;
	uint8_t buf[10000];
	uint32_t len = kit_build(p, &(struct seg){.flags = ACK | PSH, .seq = *seq, .ack = *seq,
						  .len = size}, buf);

	kit_inject_cut(k, buf, len, cuts, n);
	expect(p, .flags = ACK | PSH, .seq = *seq, .ack = *seq + size, .len = size);
	*seq += size;
	assert_int_equal(p->app.rx, *seq - 1);
}

static void HDR_10_split_anywhere(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);
	const uint32_t len = kit_l4() + 32 + 33;
	uint32_t seq = 1;

	p->app.echo = true;
	cut_and_send(k, p, &seq, NULL, 0);
	for (uint32_t a = 1; a < len; a++) {
		cut_and_send(k, p, &seq, &a, 1);
		for (uint32_t b = a + 1; b < len; b++)
			cut_and_send(k, p, &seq, (uint32_t[]){a, b}, 2);
	}
	kit_quiet(k);
}

/* Buffers full of rubbish: none of it leaves as padding (kit_parse looks at every frame). */
static void L2_17_padding_is_zero(void **s)
{
	static struct rte_mbuf *all[KIT_MBUFS];
	struct kit *k = *s;
	struct kit_peer *p;
	struct kit_frame *f;

	assert_int_equal(rte_pktmbuf_alloc_bulk(kit_mp, all, KIT_MBUFS), 0);
	for (unsigned int i = 0; i < KIT_MBUFS; i++)
		memset(all[i]->buf_addr, 0xa5, all[i]->buf_len);
	rte_pktmbuf_free_bulk(all, KIT_MBUFS);
	p = kit_plain(k);
	/* In the mbuf that asked, in a fresh one, and behind what came in padded with rubbish. */
	send_seg(p, .flags = ACK, .seq = 1 - 10, .ack = 1, .len = 5);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	kit_advance(k, 100 * MS);
	kit_app_send(p, 1);
	for (unsigned int i = 0; i < 3; i++) {
		static const uint8_t zero[6];

		f = kit_frame_next(k);
		assert_non_null(f);
		assert_int_equal(f->len, 60);
		if (i < 2)
			assert_memory_equal(f->bytes + 54, zero, 6);
		else
			assert_memory_equal(f->bytes + 55, zero, 5);
	}
	kit_quiet(k);
}

/* ---- RFC 6437: kit_parse looks at every segment, and fails when a connection's label is not what it was ---- */

static uint32_t label_of(struct kit_peer *p)
{
	const uint32_t label = p->label.label;

	assert_true(label > 0 && label <= IP6_FLOW_MASK);
	return label;
}

/* SYN-ACK, data, data sent again, FIN, the answer of TIME-WAIT, and the RST of one that is not there any more. */
static void a_life_of_one_label(struct kit *k, struct kit_peer *p)
{
	uint32_t label, una = 1;

	kit_open(p);
	label = label_of(p);
	kit_app_send(p, 100000);
	for (unsigned int i = 0; una < 100001; i++) {
		assert_true(i < 1000);
		if (!kit_has(k) || i == 3) /* lost */
			kit_advance(k, 500 * MS);
		while (kit_has(k)) {
			const struct seg g = kit_take(p);

			assert_int_equal(g.label, label);
			una = g.seq == una ? una + g.len : una;
		}
		send_seg(p, .flags = ACK, .seq = 1, .ack = una);
	}
	assert_true(kit_ctr(k, CTR_TX_RETRANSMITS) > 0);
	kit_app_close(p);
	expect(p, .flags = FIN | ACK, .seq = una, .ack = 1);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = una + 1);
	expect(p, .flags = ACK, .seq = una + 1, .ack = 2);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = una + 1);
	assert_int_equal(kit_take(p).label, label);
	kit_advance(k, 61 * SEC);
	send_seg(p, .flags = ACK, .seq = 2, .ack = una + 1);
	assert_int_equal(kit_take(p).flags, RST);
	assert_int_equal(label_of(p), label);
}

static void IP_16_one_flow_label(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	p->offer = OFFER_ALL;
	a_life_of_one_label(k, p);
	engine_pressure(k->e, true, 0); /* by cookie */
	p = kit_peer(k);
	a_life_of_one_label(k, p);
	engine_pressure(k->e, false, 0);
	p = kit_peer(k);
	kit_active(p); /* SYN and ACK */
	kit_app_abort(p);
	assert_int_equal(kit_take(p).flags, RST | ACK);
}

/* Each connection has its own, and nobody can say which without the key. */
static void IP_16_labels_differ(void **s)
{
	enum { N = 50 };
	struct kit *k = *s, *other = kit_new();
	unsigned int same = 0, guessed = 0;
	uint32_t label[N];

	memset(other->conf.secret, 0x5a, sizeof(other->conf.secret));
	for (unsigned int i = 0; i < N; i++) {
		label[i] = label_of(kit_plain(k));
		for (unsigned int j = 0; j < i; j++)
			same += label[i] == label[j];
		guessed += label[i] == label_of(kit_plain(other));
	}
	assert_true(same <= 1 && guessed <= 1); /* of a million values */
	kit_close(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(HDR_01_offload_on_and_off),
		KIT_TEST(HDR_03_what_the_port_says),
		KIT_TEST(HDR_07_reserved_bits),
		KIT_TEST(HDR_08_window_is_unsigned),
		KIT_TEST(HDR_10_split_anywhere),
		KIT_TEST(HDR_13_unfilled_field_is_not_used),
		KIT_TEST4(L2_17_padding_is_zero),
		KIT_TEST6(IP_16_one_flow_label),
		KIT_TEST6(IP_16_labels_differ),
	};

	return KIT_RUN("header", tests);
}
