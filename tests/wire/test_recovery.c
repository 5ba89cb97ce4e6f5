/*
 * What a loss does to the congestion window: proportional rate reduction, one reduction for a
 * window, and taking it back when nothing had been lost.
 */
#include "inside.h"

#define RTT (40 * MS)

static uint32_t pipe_of(struct flow *f)
{
	struct tcp_conn *c;
	struct tcp_work *w = inside(f, &c);

	return tcp_pipe(c, w) / f->mss;
}

static void CC_10_as_many_leave_as_the_ratio_says(void **s)
{
	struct kit *k = *s;
	struct flow f;
	unsigned int sent = 0, again, d = 0;
	uint32_t fs;

	use_cc(k, "newreno");
	f = flow_of_20(k, OFFER_ALL, RTT, 100);
	kit_advance(k, RTT);
	flow_sack(&f, 10, 11, 12);
	flow_sack(&f, 10, 11, 13);
	assert_int_equal(flow_new(&f), 2); /* limited transmit: 22 in flight, 2 of them SACKed */
	fs = 22 - 2;
	for (uint32_t i = 14; i <= 29; i++) { /* then the pipe has come down to ssthresh */
		flow_sack(&f, 10, 11, i);
		sent += flow_any(&f, &again);
		assert_int_equal(again, ++d == 1);
		assert_int_equal(sent, (d * 10 + fs - 1) / fs);
	}
	assert_in_range(pipe_of(&f), 9, 12);
	kit_advance(k, RTT);
	flow_ack(&f, 32);
	assert_in_range(inside_cwnd(&f), 10, 11);
	assert_int_equal(kit_ctr(k, CTR_FAST_RECOVERIES), 1);
}

/* An ACK that delivers nothing releases nothing. */
static void CC_10_nothing_for_nothing(void **s)
{
	struct kit *k = *s;
	struct flow f;

	use_cc(k, "newreno");
	f = flow_of_20(k, OFFER_ALL, RTT, 100);
	kit_advance(k, RTT);
	flow_sack(&f, 10, 11, 14);
	kit_drain(k);
	for (int i = 0; i < 10; i++)
		flow_sack(&f, 10, 11, 14);
	kit_quiet(k);
}

static bool first_15_of_20(struct model *m, uint32_t segment)
{
	return segment >= 10 && segment < 25 && m->copies[segment] == 1;
}

static void CC_11_first_15_of_20(void **s)
{
	struct kit *k = *s;
	static struct model m;
	struct flow f;
	unsigned int out = 0, delivered = 0;

	use_cc(k, "newreno");
	f = flow_open(k, OFFER_ALL, RTT);
	m = (struct model){.f = &f, .lost = first_15_of_20};
	kit_app_send(f.p, 200 * f.mss);
	while (m.cum < 25) {
		bool recovering = kit_ctr(k, CTR_FAST_RECOVERIES);
		uint32_t cum = m.cum;
		unsigned int n;

		assert_true(model_step(&m));
		n = model_take(&m);
		if (!recovering)
			continue;
		delivered++;
		out += n;
		assert_true(n <= 1 + (m.cum > cum)); /* what was delivered, and one when it is safe */
		assert_true(out <= 2 * delivered + 1);
	}
	assert_int_equal(m.retransmissions, 15);
	assert_int_equal(kit_ctr(k, CTR_FAST_RECOVERIES), 1);
	assert_int_equal(kit_ctr(k, CTR_RTO_FIRED), 0);
	while (inside(&f, &(struct tcp_conn *){NULL})->recovery)
		assert_true(model_step(&m));
	assert_in_range(inside_cwnd(&f), 9, 11); /* ssthresh: half of what was in flight */
}

/* 5 of 20, and of one of them the retransmission too. */
static bool five_and_one_again(struct model *m, uint32_t segment)
{
	return (segment >= 10 && segment <= 18 && segment % 2 == 0 && m->copies[segment] == 1) ||
	       (segment == 14 && m->copies[segment] == 2);
}

static void CC_09_one_reduction_for_a_window(void **s)
{
	struct kit *k = *s;
	static struct model m;
	struct flow f;
	struct tcp_conn *c;

	use_cc(k, "newreno");
	f = flow_open(k, OFFER_ALL, RTT);
	m = (struct model){.f = &f, .lost = five_and_one_again};
	kit_app_send(f.p, 300 * f.mss);
	while (m.copies[14] < 3) {
		assert_true(model_step(&m));
		model_take(&m);
		if (m.copies[18] == 2 && m.copies[14] == 2)
			assert_int_equal(inside(&f, &c)->cc.ssthresh / f.mss, 10);
	}
	assert_int_equal(m.retransmissions, 6);
	assert_in_range(inside(&f, &c)->cc.ssthresh / f.mss, 4, 6);
	assert_int_equal(kit_ctr(k, CTR_RTO_FIRED), 0);
}

/* 5 lost, and 5 others of the same window marked: before those, among them, behind them. */
static uint32_t first_mark;

static bool five_marked(struct model *m, uint32_t segment)
{
	return segment >= first_mark && segment < first_mark + 10 && segment % 2;
}

/* ssthresh in segments when the window's losses are repaired, and its reductions. */
static void CC_09_drops_and_marks_in_one_window(void **s)
{
	static const uint32_t marks[] = {11, 15, 19};

	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(marks); i++) {
		struct kit *k = kit_new();
		static struct model m;
		struct tcp_conn *c;
		struct flow f;

		use_cc(k, i % 2 ? "cubic" : "newreno");
		k->tcp.abe = false;
		first_mark = marks[i / 2];
		f = flow_open(k, OFFER_ALL | OFFER_ECN, RTT);
		m = (struct model){.f = &f, .lost = five_and_one_again, .marked = five_marked};
		kit_app_send(f.p, 300 * f.mss);
		while (m.copies[14] < 3) {
			assert_true(model_step(&m));
			model_take(&m);
			if (m.copies[18] == 2 && m.copies[14] == 2) {
				assert_in_range(inside(&f, &c)->cc.ssthresh / f.mss,
						i % 2 ? 13 : 9, i % 2 ? 14 : 10);
				assert_true(kit_ctr(k, CTR_ECN_REDUCTIONS) <= 1);
			}
		}
		assert_int_equal(m.retransmissions, 6);
		assert_in_range(inside(&f, &c)->cc.ssthresh / f.mss, 4, i % 2 ? 10 : 6);
		assert_int_equal(kit_ctr(k, CTR_RTO_FIRED), 0);
		kit_close(k);
	}
}

/* FlightSize 20: three timeouts of one segment, and ssthresh stays. */
static void CC_05_three_timeouts(void **s)
{
	for (unsigned int i = 0; i < 4; i++) {
		struct kit *k = kit_new();
		struct tcp_conn *c;
		struct flow f;

		use_cc(k, i % 2 ? "cubic" : "newreno");
		k->tcp.pmtu_floor = kit_mtu(1500); /* the size stays as it is */
		f = flow_of_20(k, i < 2 ? OFFER_TS | OFFER_WS : OFFER_ALL, RTT, 100);
		for (uint64_t n = 1; n <= 3; n++) {
			while (kit_ctr(k, CTR_RTO_FIRED) < n) {
				kit_advance(k, MS);
				kit_drain(k);
			}
			assert_int_equal(inside(&f, &c)->cc.ssthresh / f.mss, i % 2 ? 14 : 10);
			assert_int_equal(inside(&f, &c)->cc.cwnd, f.mss);
		}
		kit_close(k);
	}
}

/* cwnd 100 and more, but 10 in flight: these are what counts. */
static void CC_05_flight_and_not_cwnd(void **s)
{
	for (unsigned int i = 0; i < 4; i++) {
		bool cubic = i % 2, timeout = i / 2;
		struct kit *k = kit_new();
		struct tcp_conn *c;
		struct flow f;

		use_cc(k, cubic ? "cubic" : "newreno");
		k->tcp.burst = 1000;
		f = flow_open(k, OFFER_ALL, RTT);
		for (int round = 0; round < 4; round++) {
			kit_app_send(f.p, (10u << round) * f.mss);
			flow_new(&f);
			kit_advance(k, RTT);
			while (f.una < f.sent)
				flow_ack(&f, f.una + 1);
		}
		assert_true(inside_cwnd(&f) >= 100);
		kit_app_send(f.p, 10 * f.mss);
		assert_int_equal(flow_new(&f), 10);
		kit_advance(k, RTT);
		if (!timeout)
			flow_sack(&f, f.una, f.una + 1, f.sent);
		while (timeout && !kit_ctr(k, CTR_RTO_FIRED))
			kit_advance(k, MS);
		assert_int_equal(inside(&f, &c)->cc.ssthresh / f.mss, cubic ? 7 : 5);
		kit_close(k);
	}
}

/* 20 in flight, the first lost, no SACK: what each duplicate ACK does. */
static void CC_06_as_the_rfc_says(void **s)
{
	struct kit *k = *s;
	struct flow f;
	struct tcp_conn *c;

	use_cc(k, "newreno");
	f = flow_of_20(k, OFFER_TS | OFFER_WS, RTT, 100);
	kit_advance(k, RTT);
	for (unsigned int n = 1; n <= 19; n++) {
		flow_ack(&f, 10);
		if (n <= 2) {
			assert_int_equal(flow_new(&f), 1); /* limited transmit */
		} else if (n == 3) {
			flow_expect(&f, 10);
			kit_quiet(k);
			assert_int_equal(inside(&f, &c)->cc.ssthresh / f.mss, 10);
		} else { /* ssthresh + n is more than the 22 in flight */
			assert_int_equal(flow_new(&f), 10 + n > 22);
		}
	}
	kit_advance(k, RTT);
	flow_ack(&f, 32);
	assert_int_equal(inside_cwnd(&f), 10);
	assert_int_equal(kit_ctr(k, CTR_TX_RETRANSMITS), 1);
}

/* An ACK of 4 segments, of a flight that filled the window; 1,460 ACKs of one octet each. */
static void CC_03_slow_start_on_the_wire(void **s)
{
	static const struct {
		const char *name;
		uint32_t limit, grows;
	} cases[] = {{"newreno", 1, 1}, {"newreno", 2, 2}, {"cubic", 1, 4}};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct kit *k = kit_new();
		struct flow f;

		use_cc(k, cases[i].name);
		k->tcp.abc_limit = cases[i].limit;
		f = flow_open(k, OFFER_WS, RTT);
		kit_app_send(f.p, 1000 * f.mss);
		assert_int_equal(flow_new(&f), 10);
		kit_advance(k, RTT);
		flow_ack(&f, 4);
		assert_int_equal(inside_cwnd(&f), 10 + cases[i].grows);
		flow_new(&f);
		for (uint32_t n = 1; n <= f.mss; n++)
			send_seg(f.p, .flags = ACK, .seq = 1, .ack = at(&f, 4) + n);
		assert_int_equal(inside_cwnd(&f), 11 + cases[i].grows);
		f.una = 5;
		kit_drain(k);
		while (!kit_ctr(k, CTR_RTO_FIRED))
			kit_advance(k, MS);
		kit_drain(k);
		assert_int_equal(inside_cwnd(&f), 1);
		flow_ack(&f, 9);
		assert_int_equal(inside_cwnd(&f), 2);
		kit_close(k);
	}
}

/* 20 in flight, nothing lost, but everything late; no timestamps to tell. */
static void RK_13_a_stall_is_no_loss(void **s)
{
	struct kit *k = *s;
	struct flow f;
	unsigned int n, again, old = 0;
	uint32_t before;

	use_cc(k, "newreno");
	f = flow_of_20(k, OFFER_SACK | OFFER_WS, RTT, 100);
	before = inside_cwnd(&f);
	kit_advance(k, RTT + 330 * MS); /* RTO at 240 ms, the probe at 80 ms */
	while (kit_has(k)) {
		flow_any(&f, &again);
		old += again;
	}
	assert_int_equal(old, 1); /* the probe was new data */
	assert_int_equal(kit_ctr(k, CTR_RTO_FIRED), 1);
	assert_int_equal(kit_ctr(k, CTR_TLP_PROBES), 1);
	assert_int_equal(inside_cwnd(&f), 1);
	flow_ack(&f, 12);
	n = flow_any(&f, &again);
	assert_int_equal(n, 2);
	assert_int_equal(again, 0);
	flow_ack(&f, 14);
	flow_any(&f, &again);
	assert_int_equal(again, 0);
	assert_true(inside_cwnd(&f) >= before);
	assert_int_equal(kit_ctr(k, CTR_SPURIOUS_RECOVERIES), 1);
	flow_ack(&f, 30);
	flow_any(&f, &again);
	assert_int_equal(again, 0);
}

static void RK_13_a_true_timeout(void **s)
{
	struct kit *k = *s;
	struct flow f;
	unsigned int again;

	use_cc(k, "newreno");
	f = flow_of_20(k, OFFER_SACK | OFFER_WS, RTT, 100);
	kit_advance(k, RTT + 330 * MS);
	flow_any(&f, &again);
	assert_int_equal(again, 1);
	flow_ack(&f, 11); /* the retransmission; 11 is lost too */
	assert_int_equal(flow_new(&f), 2);
	flow_sack(&f, 11, f.sent - 2, f.sent); /* the two new ones */
	flow_any(&f, &again);
	assert_true(again >= 1);
	assert_in_range(inside_cwnd(&f), 1, 3);
	assert_int_equal(kit_ctr(k, CTR_SPURIOUS_RECOVERIES), 0);
}

/* What the first ACK covers beyond the retransmission proves nothing: two new segments are to tell. */
static void RK_13_not_by_the_first_ack(void **s)
{
	struct kit *k = *s;
	struct flow f;
	unsigned int n, again;

	use_cc(k, "newreno");
	f = flow_of_20(k, OFFER_SACK | OFFER_WS, RTT, 100);
	while (!kit_ctr(k, CTR_RTO_FIRED))
		kit_advance(k, MS);
	flow_any(&f, &again);
	flow_ack(&f, 15);
	assert_int_equal(kit_ctr(k, CTR_SPURIOUS_RECOVERIES), 0);
	assert_int_equal(inside_cwnd(&f), 2);
	assert_int_equal(flow_new(&f), 2);
	flow_sack(&f, 15, f.sent - 2, f.sent); /* only what is new */
	n = flow_any(&f, &again);
	assert_int_equal(n, again);
	assert_in_range(again, 1, 3);
	assert_in_range(inside_cwnd(&f), 1, 3);
	flow_ack(&f, 20); /* what was not sent again comes now: too late to count */
	assert_int_equal(kit_ctr(k, CTR_SPURIOUS_RECOVERIES), 0);
}

/* The second may be a SACK of what was sent once and before the timeout. */
static void RK_13_by_a_block(void **s)
{
	struct kit *k = *s;
	struct flow f;
	unsigned int again;
	uint32_t before;

	use_cc(k, "newreno");
	f = flow_of_20(k, OFFER_SACK | OFFER_WS, RTT, 100);
	before = inside_cwnd(&f);
	while (!kit_ctr(k, CTR_RTO_FIRED))
		kit_advance(k, MS);
	flow_any(&f, &again);
	flow_ack(&f, 11);
	assert_int_equal(flow_new(&f), 2);
	flow_sack(&f, 11, 15, 16);
	assert_int_equal(kit_ctr(k, CTR_SPURIOUS_RECOVERIES), 1);
	assert_true(inside_cwnd(&f) >= before);
}

/*
 * A repeated ACK comes first, or there is nothing new to send, or no window for it, or too little of one, or
 * data brings a block that no duplicate ACK would: as any timeout.
 */
static void RK_13_where_it_is_not_tried(void **s)
{
	for (int i = 0; i < 5; i++) {
		struct kit *k = kit_new();
		struct flow f;
		unsigned int again;
		uint32_t seq = 1;

		use_cc(k, "newreno");
		f = flow_of_20(k, OFFER_SACK | OFFER_WS, RTT, i == 1 ? 0 : 100);
		while (!kit_ctr(k, CTR_RTO_FIRED))
			kit_advance(k, MS);
		flow_any(&f, &again);
		if (i == 0) {
			flow_sack(&f, 10, 29, 30);
			kit_drain(k);
		} else if (i == 4) {
			send_seg(f.p, .flags = ACK, .seq = 1, .ack = at(&f, 10), .len = 100,
				 .opts.sack_n = 1, .sack = {{at(&f, 29), at(&f, 30)}});
			seq += 100;
			kit_drain(k);
		} else if (i >= 2) {
			f.p->win = (uint16_t)(((f.sent - 11) * f.mss + (i == 3 ? 1000 : 0)) >> f.p->ws);
		}
		send_seg(f.p, .flags = ACK, .seq = seq, .ack = at(&f, 11));
		flow_any(&f, &again);
		if (!again)
			fail_msg("case %d", i);
		send_seg(f.p, .flags = ACK, .seq = seq, .ack = at(&f, 18)); /* 13 and on: sent once */
		assert_int_equal(kit_ctr(k, CTR_SPURIOUS_RECOVERIES), 0);
		assert_true(inside_cwnd(&f) <= 5);
		f.p->win = 0xffff;
		kit_close(k);
	}
}

/* Recovery was under way: the timeout is not questioned. */
static void RK_13_not_when_recovering(void **s)
{
	struct kit *k = *s;
	struct flow f;
	unsigned int again;

	use_cc(k, "newreno");
	f = flow_of_20(k, OFFER_SACK | OFFER_WS, RTT, 100);
	kit_advance(k, RTT);
	flow_sack(&f, 10, 11, 14);
	kit_advance(k, 300 * MS);
	flow_any(&f, &again);
	assert_int_equal(kit_ctr(k, CTR_RTO_FIRED), 1);
	flow_sack(&f, 11, 11, 14);
	flow_ack(&f, 15);
	assert_int_equal(kit_ctr(k, CTR_SPURIOUS_RECOVERIES), 0);
}

/* The same stall with timestamps: the first ACK already echoes an old one. */
static void CC_20_a_delay_of_two_timeouts(void **s)
{
	struct kit *k = *s;
	struct flow f;
	unsigned int again;
	uint32_t before, echo;

	f = flow_of_20(k, OFFER_ALL, RTT, 100);
	echo = f.p->ts_recent;
	before = inside_cwnd(&f);
	kit_advance(k, 2 * 320 * MS);
	flow_any(&f, &again);
	assert_true(kit_ctr(k, CTR_RTO_FIRED) >= 1);
	send_seg(f.p, .flags = ACK, .seq = 1, .ack = at(&f, 12), .tsecr = echo);
	assert_true(inside_cwnd(&f) >= before);
	flow_any(&f, &again);
	assert_int_equal(again, 0);
	assert_int_equal(kit_ctr(k, CTR_SPURIOUS_RECOVERIES), 1);
}

/* Reordering taken for loss, told by D-SACK for all that was sent again; also after the recovery. */
static void CC_20_everything_sent_again_was_duplicate(void **s)
{
	for (int late = 0; late < 2; late++) {
		struct kit *k = kit_new();
		struct flow f;
		uint32_t before;
		unsigned int again;

		f = flow_of_20(k, OFFER_SACK | OFFER_WS, RTT, 0);
		before = inside_cwnd(&f);
		kit_advance(k, RTT);
		flow_sack(&f, 10, 11, 14);
		flow_expect(&f, 10);
		assert_true(inside_cwnd(&f) < before);
		flow_ack(&f, late ? 30 : 20);
		kit_advance(k, RTT);
		flow_sack(&f, late ? 30 : 20, 10, 11);
		assert_true(inside_cwnd(&f) >= before);
		flow_any(&f, &again);
		assert_int_equal(again, 0);
		assert_int_equal(kit_ctr(k, CTR_SPURIOUS_RECOVERIES), 1);
		kit_close(k);
	}
}

static void CC_20_one_of_two_was_lost(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_of_20(k, OFFER_SACK | OFFER_WS, RTT, 0);
	uint32_t before = inside_cwnd(&f);
	unsigned int again;

	kit_advance(k, RTT);
	flow_sack(&f, 10, 12, 20);
	flow_any(&f, &again);
	assert_int_equal(again, 2);
	kit_advance(k, RTT);
	flow_sack(&f, 30, 10, 11);
	assert_true(inside_cwnd(&f) < before);
	assert_int_equal(kit_ctr(k, CTR_SPURIOUS_RECOVERIES), 0);
}

static void CC_21_an_ack_of_200_segments(void **s)
{
	struct kit *k = *s;
	struct flow f;
	unsigned int n, burst = 0;
	uint64_t last = 0;

	use_cc(k, "newreno");
	k->tcp.sndbuf = 4 << 20;
	f = flow_open(k, OFFER_ALL, RTT);
	kit_app_send(f.p, 2000 * f.mss);
	for (flow_new(&f); f.sent - f.una < 200;) {
		uint32_t end = f.sent;

		kit_advance(k, RTT);
		while (f.una < end)
			flow_ack(&f, f.una + 1);
		kit_advance(k, 5 * MS);
		flow_new(&f);
	}
	kit_advance(k, RTT);
	flow_ack(&f, f.sent);
	for (n = 0; n < 200;) {
		uint64_t when;

		if (!kit_has(k)) {
			kit_advance(k, MS);
			assert_true(kit_has(k));
		}
		when = kit_take(f.p).at;
		burst = when == last ? burst + 1 : 1;
		last = when;
		assert_true(burst <= 64);
		n++;
	}
}

/* How large the window is after that many honest round trips of 10 segments, or attacked ones. */
static uint32_t after_rounds(void (*answer)(struct flow *f, uint32_t to))
{
	struct kit *k = kit_new();
	struct flow f;
	uint32_t n;

	use_cc(k, "newreno");
	k->tcp.sndbuf = 8 << 20;
	f = flow_open(k, OFFER_SACK | OFFER_WS, RTT);
	kit_app_send(f.p, 3000 * f.mss);
	for (int round = 0; round < 4; round++) {
		uint32_t end;

		while (kit_has(k))
			f.sent = max_of(f.sent, (kit_take(f.p).seq - 1) / f.mss + 1);
		end = f.sent;
		kit_advance(k, RTT);
		while (f.una < end)
			answer(&f, f.una + 1);
		kit_advance(k, 3 * MS);
	}
	n = inside_cwnd(&f);
	kit_close(k);
	return n;
}

static void answer_honestly(struct flow *f, uint32_t to)
{
	flow_ack(f, to);
}

static void answer_in_pieces(struct flow *f, uint32_t to)
{
	for (uint32_t i = 1; i < 20; i++)
		send_seg(f->p, .flags = ACK, .seq = 1, .ack = at(f, f->una) + i * f->mss / 20);
	flow_ack(f, to);
}

static void answer_with_duplicates(struct flow *f, uint32_t to)
{
	flow_ack(f, to);
	flow_ack(f, to);
	flow_ack(f, to);
}

static void answer_too_early(struct flow *f, uint32_t to)
{
	send_seg(f->p, .flags = ACK, .seq = 1, .ack = at(f, f->sent + 1000)); /* never sent */
	flow_ack(f, to);
}

static void DOS_16_dishonest_receivers_gain_nothing(void **s)
{
	uint32_t honest = after_rounds(answer_honestly);

	assert_true(honest > 20);
	assert_true(after_rounds(answer_in_pieces) <= honest + 1);
	assert_true(after_rounds(answer_with_duplicates) <= honest + 1);
	assert_true(after_rounds(answer_too_early) <= honest + 1);
}

/* A loss, then a hundred round trips whose window is all used: cwnd by what was acknowledged, not by ACKs. */
static uint32_t after_a_loss(const char *cc, void (*answer)(struct flow *f, uint32_t to))
{
	struct kit *k = kit_new();
	struct flow f;
	uint32_t n, end;

	use_cc(k, cc);
	k->unchecked = true;
	k->tcp.sndbuf = 1 << 20;
	k->tcp.burst = 1000;
	f = flow_open(k, OFFER_SACK | OFFER_WS, RTT);
	kit_app_send(f.p, 10000 * f.mss);
	flow_new(&f);
	kit_advance(k, RTT);
	flow_sack(&f, 0, 1, 10);
	flow_expect(&f, 0);
	for (int round = 0; round < 100; round++) {
		while (kit_has(k)) {
			struct seg g = kit_take(f.p); /* an ACK, where it was answered too early */

			if (g.len)
				f.sent = max_of(f.sent, (g.seq - 1) / f.mss + 1);
		}
		end = f.sent;
		kit_advance(k, RTT);
		while (f.una < end)
			answer(&f, f.una + 1);
	}
	assert_int_equal(kit_ctr(k, CTR_RTO_FIRED), 0);
	n = inside_cwnd(&f);
	kit_close(k);
	return n;
}

static void DOS_16_for_a_hundred_round_trips(void **s)
{
	for (unsigned int i = 0; cc_names[i]; i++) {
		uint32_t honest = after_a_loss(cc_names[i], answer_honestly);

		assert_true(honest > 50);
		assert_true(after_a_loss(cc_names[i], answer_in_pieces) <= honest + 1);
		assert_true(after_a_loss(cc_names[i], answer_with_duplicates) <= honest + 1);
		assert_true(after_a_loss(cc_names[i], answer_too_early) <= honest + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(CC_10_as_many_leave_as_the_ratio_says),
		KIT_TEST(CC_10_nothing_for_nothing),
		KIT_TEST(CC_11_first_15_of_20),
		KIT_TEST(CC_09_one_reduction_for_a_window),
		cmocka_unit_test(CC_09_drops_and_marks_in_one_window),
		cmocka_unit_test(CC_05_three_timeouts),
		cmocka_unit_test(CC_05_flight_and_not_cwnd),
		KIT_TEST(CC_06_as_the_rfc_says),
		cmocka_unit_test(CC_03_slow_start_on_the_wire),
		KIT_TEST(RK_13_a_stall_is_no_loss),
		KIT_TEST(RK_13_a_true_timeout),
		KIT_TEST(RK_13_not_by_the_first_ack),
		KIT_TEST(RK_13_by_a_block),
		cmocka_unit_test(RK_13_where_it_is_not_tried),
		KIT_TEST(RK_13_not_when_recovering),
		KIT_TEST(CC_20_a_delay_of_two_timeouts),
		KIT_TEST(CC_20_everything_sent_again_was_duplicate),
		KIT_TEST(CC_20_one_of_two_was_lost),
		KIT_TEST(CC_21_an_ack_of_200_segments),
		KIT_TEST(DOS_16_dishonest_receivers_gain_nothing),
		cmocka_unit_test(DOS_16_for_a_hundred_round_trips),
	};

	return KIT_RUN("recovery", tests);
}
