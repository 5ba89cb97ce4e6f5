/*
 * Timestamps (RFC 7323), and clocks and sequence numbers at their wraps.
 * Rows: TS-01 TS-03 TS-04 TS-07 TS-08 TS-10 T-12 T-13 T-14 T-15 T-29 SEQ-01.
 */
#include "kit.h"

#define DAY (86400 * SEC)

static void op_srtt(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	struct pier_info info;

	pier_get_info(c, &info);
	*(uint32_t *)(uintptr_t)arg = info.srtt_us;
}

static uint32_t srtt(struct kit_peer *p)
{
	uint32_t us;

	kit_app_call(p, op_srtt, (uintptr_t)&us);
	return us;
}

/* A segment with exactly these timestamps, zeros too. */
static void send_ts(struct kit_peer *p, struct seg s, uint32_t val, uint32_t ecr)
{
	uint8_t opt[TCP_OPT_TS_SPACE];

	tcp_opt_emit_ts(opt, val, ecr);
	s.raw = opt;
	s.raw_len = sizeof(opt);
	kit_send_seg(p, &s);
}

static uint32_t clock_of(const struct kit_peer *p)
{
	return p->ts_base + ms_of(p->k->now);
}

/* Everything that waits carries timestamps, or nothing does. */
static void all_ts(struct kit_peer *p, bool ts)
{
	assert_true(kit_has(p->k));
	while (kit_has(p->k)) {
		struct seg g = kit_take(p);

		assert_int_equal(!!(g.opts.flags & TCP_OPTS_TS), ts);
	}
}

/* Data, duplicate ACKs, retransmissions, window probes, keep-alives, FIN, ACKs of TIME-WAIT. */
static void whole_life(struct kit *k, bool ts)
{
	struct kit_peer *p = kit_peer(k);

	p->offer = ts ? OFFER_TS : 0;
	kit_syn(p);
	assert_int_equal(!!(kit_synack(p).opts.flags & TCP_OPTS_TS), ts);
	kit_advance(k, 1100 * MS);
	assert_int_equal(!!(kit_synack(p).opts.flags & TCP_OPTS_TS), ts);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_app_send(p, 3000);
	all_ts(p, ts);
	kit_advance(k, 4 * SEC);
	all_ts(p, ts);
	p->win = 0;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 3001);
	kit_drain(k);
	kit_app_send(p, 1);
	kit_advance(k, 10 * SEC);
	all_ts(p, ts); /* window probes */
	p->win = 65535;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 3002);
	kit_drain(k);
	send_seg(p, .flags = ACK, .seq = 101, .ack = 3002, .len = 100);
	all_ts(p, ts);
	kit_advance(k, 7201 * SEC);
	all_ts(p, ts); /* keep-alive */
	send_seg(p, .flags = ACK, .seq = 1, .ack = 3002, .len = 100);
	kit_drain(k);
	send_seg(p, .flags = SYN, .seq = 1);
	all_ts(p, ts);
	kit_app_close(p);
	all_ts(p, ts);
	send_seg(p, .flags = FIN | ACK, .seq = 201, .ack = 3003);
	all_ts(p, ts);
	send_seg(p, .flags = FIN | ACK, .seq = 201, .ack = 3003);
	all_ts(p, ts); /* from TIME-WAIT */
}

static void TS_01_over_a_whole_connection(void **s)
{
	struct kit *k = *s;

	k->tcp.keepalive = true;
	whole_life(k, true);
	whole_life(k, false);
}

static void TS_04_offsets_and_reopening(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k), *q = kit_est(k), *r = kit_est(k);
	uint32_t first = p->ts_recent;

	/* Unrelated: neighbours in port, at one instant. */
	assert_true(q->ts_recent - first + 100000 > 200000);
	assert_true(r->ts_recent - q->ts_recent + 100000 > 200000);
	assert_true(r->ts_recent - q->ts_recent != q->ts_recent - first);
	send_seg(p, .flags = RST, .seq = 1);
	kit_advance(k, 3 * SEC);
	kit_open(p);
	assert_int_equal(p->ts_recent - first, 3000);
	kit_advance(k, 100 * SEC);
	kit_app_send(p, 1);
	assert_int_equal(kit_take(p).opts.tsval - first, 103000);
}

static void TS_07_before_and_after_the_wrap(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	p->offer = OFFER_ALL;
	p->ts_base = 0xfffffff0u - ms_of(k->now);
	kit_open(p);
	send_ts(p, (struct seg){.flags = ACK, .seq = 1, .ack = 1, .len = 10}, 0xffffffef,
		p->ts_recent);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.rx, 0);
	assert_int_equal(kit_ctr(k, CTR_RX_PAWS), 1);
	/* Old and in no window besides: PAWS is asked first. */
	send_ts(p, (struct seg){.flags = ACK, .seq = 1000000, .ack = 1, .len = 10}, 0xffffffef,
		p->ts_recent);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(kit_ctr(k, CTR_RX_PAWS), 2);
	assert_int_equal(kit_ctr(k, CTR_RX_OUT_OF_WINDOW), 0);
	send_ts(p, (struct seg){.flags = ACK, .seq = 1, .ack = 1, .len = 10}, 0xffffffff,
		p->ts_recent);
	assert_int_equal(p->app.rx, 10);
	kit_advance(k, 100 * MS);
	assert_int_equal(expect(p, .flags = ACK, .seq = 1, .ack = 11).opts.tsecr, 0xffffffff);
	send_ts(p, (struct seg){.flags = ACK, .seq = 11, .ack = 1, .len = 10}, 0, p->ts_recent);
	assert_int_equal(p->app.rx, 20);
	kit_advance(k, 100 * MS);
	assert_int_equal(expect(p, .flags = ACK, .seq = 1, .ack = 21).opts.tsecr, 0);
	send_ts(p, (struct seg){.flags = ACK, .seq = 21, .ack = 1, .len = 10}, 0xffffffff,
		p->ts_recent);
	assert_int_equal(p->app.rx, 20);
	expect(p, .flags = ACK, .seq = 1, .ack = 21);
}

static void TS_08_reset_changes_nothing(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k), *q = kit_est(k);

	/* In the window, with a TSval of the future: challenged, and TS.Recent stays. */
	send_seg(p, .flags = RST, .seq = 100, .tsval = clock_of(p) + (1u << 30));
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	assert_int_equal(p->app.rx, 10);
	kit_advance(k, 100 * MS);
	kit_drain(k);
	send_seg(p, .flags = RST, .seq = 11, .tsval = clock_of(p) - 1000);
	assert_int_equal(p->app.closes, 1);
	assert_int_equal(p->app.why, PIER_CLOSE_RESET);
	send_seg(q, .flags = RST, .seq = 1, .no_ts = true);
	assert_int_equal(q->app.closes, 1);
}

/* Idle for so long, then a segment that is 2^30 too old; whether it was taken, and is remembered. */
static void after_idle(uint64_t t0, uint64_t idle, bool accepted)
{
	struct kit *k = kit_new();
	struct kit_peer *p;
	uint32_t val;

	k->now = t0;
	p = kit_est(k);
	val = clock_of(p) - (1u << 30);
	kit_advance(k, idle);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .tsval = val);
	assert_int_equal(p->app.rx, accepted ? 10 : 0);
	assert_int_equal(kit_ctr(k, CTR_RX_PAWS), !accepted);
	kit_advance(k, 100 * MS);
	kit_drain(k);
	if (accepted) { /* and recorded: what is older still is refused */
		send_seg(p, .flags = ACK, .seq = 11, .ack = 1, .len = 10, .tsval = val - 1);
		assert_int_equal(p->app.rx, 10);
		assert_int_equal(kit_take(p).opts.tsecr, val);
		send_seg(p, .flags = ACK, .seq = 11, .ack = 1, .len = 10, .tsval = val);
		assert_int_equal(p->app.rx, 20);
	}
	kit_close(k);
}

/* The clock in ms wraps after 49.7 days, somewhere in the idle time or not. */
static void TS_10_whatever_the_clock(void **s)
{
	static const uint64_t starts[] = {
		1000 * SEC, (1ull << 32) - 5 * SEC, (1ull << 32) * MS - 12 * DAY,
		(1ull << 32) * MS - 24 * DAY, (1ull << 32) * MS - 5 * SEC,
		(1ull << 31) * MS - 3 * DAY,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(starts); i++) {
		after_idle(starts[i], 23 * DAY, false);
		after_idle(starts[i], 24 * DAY + SEC, true);
	}
	after_idle(starts[0], 50 * DAY, true); /* by subtraction that is seven hours */
	after_idle(starts[2], 73 * DAY, true);
}

static void T_12_echoes_that_cannot_be(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);
	uint32_t before = srtt(p), una = 1;

	for (int i = 0; i < 8; i++, una += 10) {
		uint32_t val, echo;

		kit_app_send(p, 10);
		val = kit_take(p).opts.tsval;
		kit_advance(k, 40 * MS);
		kit_drain(k);
		/* Nothing, the future, before the first transmission, the truth. */
		echo = i % 4 == 0 ? 0 : i % 4 == 1 ? val + 1000000 : i % 4 == 2 ? val - 60000 : val;
		send_ts(p, (struct seg){.flags = ACK, .seq = 1, .ack = una + 10}, clock_of(p),
			echo);
		if (i % 4 == 3)
			assert_true(srtt(p) > before);
		else
			assert_int_equal(srtt(p), before);
		before = srtt(p);
	}
}

/*
 * The edges of what can be true, of an ACK without payload and with it: sent late in a millisecond and
 * acknowledged early in the next one but some, and an echo a little too old, or of the time to come.
 */
static void T_12_edges_of_the_truth(void **s)
{
	static const struct {
		uint32_t late, rtt; /* us */
		int32_t off;        /* of the echo, ms */
		bool taken;
	} cases[] = {
		{0, 200, 0, true}, {900, 200, 0, true}, {900, 1200, 0, true},
		{0, 40 * MS, -1, true}, {0, 40 * MS, -2, false}, {0, 40 * MS, -1000, false},
		{0, 40 * MS, 40, true}, {0, 40 * MS, 41, false},
	};

	for (unsigned int i = 0; i < 3 * ARRAY_SIZE(cases); i++) {
		const unsigned int at = i / 3, how = i % 3; /* empty, with payload, of three segments */
		struct kit *k = kit_new();
		struct kit_peer *p = kit_peer(k);
		uint32_t before, val, len = how == 1 ? 10 : 0, n = how == 2 ? 3 * 1448 : 10;

		p->offer = OFFER_ALL;
		kit_syn(p);
		kit_synack(p);
		kit_advance(k, 100 * MS);
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
		before = srtt(p);
		assert_in_range(before, 100 * MS, 101 * MS);
		kit_advance_to(k, (k->now / MS + 1) * MS + cases[at].late);
		kit_app_send(p, n);
		val = kit_take(p).opts.tsval;
		kit_drain(k);
		kit_advance(k, cases[at].rtt);
		send_ts(p, (struct seg){.flags = ACK, .seq = 1, .ack = 1 + n, .len = len},
			clock_of(p), val + (uint32_t)cases[at].off);
		if (cases[at].taken)
			assert_in_range(srtt(p), 1, before - 1);
		else
			assert_int_equal(srtt(p), before);
		kit_close(k);
	}
}

/* The peer's clock passes zero, and ours does: neither is "no timestamp". */
static void T_12_zero_is_a_timestamp(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	uint32_t before, val, seq = 1;

	p->offer = OFFER_ALL;
	p->ts_base = 0xfffffff0u - ms_of(k->now);
	kit_open(p);
	for (int i = 0; i < 8; i++, seq += 10) {
		kit_advance(k, 4 * MS);
		send_ts(p, (struct seg){.flags = ACK, .seq = seq, .ack = 1, .len = 10},
			clock_of(p), p->ts_recent);
		assert_int_equal(p->app.rx, seq + 9);
	}
	assert_int_equal(clock_of(p), 16);
	/* Our own clock: a segment leaves at TSval 0, twice, and its echo is a sample. */
	kit_advance(k, 100 * MS);
	kit_drain(k);
	kit_app_send(p, 1);
	val = kit_take(p).opts.tsval;
	send_seg(p, .flags = ACK, .seq = seq, .ack = 2);
	kit_advance(k, (uint64_t)(0u - val) * MS);
	kit_quiet(k);
	before = srtt(p);
	kit_app_send(p, 1);
	assert_int_equal(kit_take(p).opts.tsval, 0);
	kit_advance(k, 900 * MS);
	assert_true(kit_has(k));
	kit_drain(k);
	send_ts(p, (struct seg){.flags = ACK, .seq = seq, .ack = 3}, clock_of(p), 0);
	assert_true(srtt(p) > before + 50 * MS);
}

static void T_13_what_ts_recent_is_taken_from(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k), *q = kit_est(k), *r = kit_est(k);
	uint32_t t = clock_of(p) + 1;

	kit_burst_begin(k);
	for (uint32_t i = 0; i < 3; i++)
		send_seg(p, .flags = ACK, .seq = 1 + 10 * i, .ack = 1, .len = 10, .tsval = t + i);
	kit_burst_end(k);
	assert_int_equal(expect(p, .flags = ACK, .seq = 1, .ack = 31).opts.tsecr, t);
	send_seg(q, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .tsval = t);
	kit_advance(k, 100 * MS);
	assert_int_equal(expect(q, .flags = ACK, .seq = 1, .ack = 11).opts.tsecr, t);
	send_seg(q, .flags = ACK, .seq = 21, .ack = 1, .len = 10, .tsval = t + 2);
	assert_int_equal(expect(q, .flags = ACK, .seq = 1, .ack = 11).opts.tsecr, t);
	send_seg(q, .flags = ACK, .seq = 11, .ack = 1, .len = 10, .tsval = t + 1);
	assert_int_equal(expect(q, .flags = ACK, .seq = 1, .ack = 31).opts.tsecr, t + 1);
	/* Older than what is queued behind the hole, not older than TS.Recent. */
	for (uint32_t i = 1; i < 5; i++)
		send_seg(r, .flags = ACK, .seq = 1 + 10 * i, .ack = 1, .len = 10,
			 .tsval = t + 1000 * i);
	send_seg(r, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .tsval = t);
	assert_int_equal(r->app.rx, 50);
	assert_int_equal(kit_ctr(k, CTR_RX_PAWS), 0);
	kit_drain(k);
}

static void T_14_spoofed_timestamp(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);

	send_seg(p, .flags = ACK, .seq = 1000000, .ack = 1, .len = 10,
		 .tsval = clock_of(p) + (1u << 30));
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = ACK, .seq = 0u - 1000, .ack = 1, .len = 10,
		 .tsval = clock_of(p) + (1u << 30));
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	assert_int_equal(p->app.rx, 10);
	assert_int_equal(kit_ctr(k, CTR_RX_PAWS), 0);
}

static void T_15_syn_and_reset(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);
	uint8_t opt[TCP_OPT_TS_SPACE];

	/* A rebooted peer's SYN: answered, not taken for an old segment; its RST then counts. */
	tcp_opt_emit_ts(opt, clock_of(p) - 100000, 0);
	send_seg(p, .flags = SYN, .seq = 5, .raw = opt, .raw_len = sizeof(opt));
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(kit_ctr(k, CTR_RX_PAWS), 0);
	assert_int_equal(kit_ctr(k, CTR_RX_SYN_IN_CONN), 1);
	send_seg(p, .flags = RST, .seq = 1, .tsval = clock_of(p) - 1000);
	assert_int_equal(p->app.closes, 1);
}

static void T_15_idle_for_24_days(void **s)
{
	after_idle(KIT_T0, 23 * DAY, false);
	after_idle(KIT_T0, 24 * DAY + SEC, true);
}

/* At least that long, and at most two milliseconds longer. */
static void about(uint64_t is, uint64_t want)
{
	assert_in_range(is, want, want + 2 * MS);
}

/* Retransmissions at 1 RTO each way of the wrap, a delayed ACK, a handler's timer, TIME-WAIT. */
static void timers_at(uint64_t t0, uint64_t skew)
{
	struct kit *k = kit_new();
	struct kit_peer *p, *q;
	uint64_t at;
	uint32_t una = 1;

	k->now = t0;
	k->skew = skew;
	p = kit_plain(k);
	for (int i = 0; i < 40; i++) { /* ten seconds, five before the wrap and five after */
		uint64_t sent = k->now;

		kit_app_send(p, 10);
		expect(p, .flags = ACK, .seq = una, .ack = 1, .len = 10);
		kit_quiet(k);
		if (i % 8 == 4) {
			struct seg g;

			kit_advance(k, 230 * MS);
			g = expect(p, .flags = ACK, .seq = una, .ack = 1, .len = 10);
			assert_in_range(g.at - sent, 200 * MS, 225 * MS);
			kit_quiet(k);
		} else {
			kit_advance(k, 20 * MS);
		}
		una += 10;
		send_seg(p, .flags = ACK, .seq = 1, .ack = una);
		kit_advance_to(k, t0 + 250 * MS * (uint64_t)(i + 1));
		kit_quiet(k);
	}
	q = kit_peer(k);
	kit_close(k);

	k = kit_new(); /* each timer once, set before the wrap and due after it */
	k->now = t0 + 4990 * MS;
	k->skew = skew;
	p = kit_plain(k);
	q = kit_plain(k);
	at = k->now;
	kit_app_timer(p, 50 * MS);
	send_seg(q, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	kit_advance_to(k, at + 50 * MS - 1);
	assert_in_range(expect(q, .flags = ACK, .seq = 1, .ack = 11).at, at + 39 * MS,
			at + 42 * MS);
	assert_int_equal(p->app.timers, 0);
	kit_advance(k, 2 * MS + 1);
	assert_int_equal(p->app.timers, 1);
	kit_close(k);

	k = kit_new();
	k->now = t0;
	k->skew = skew;
	p = kit_plain(k);
	kit_app_close(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p, .flags = ACK, .seq = 2, .ack = 2);
	kit_advance(k, 60 * SEC - 2 * MS);
	assert_int_equal(kit_usage(k).time_wait, 1);
	kit_advance(k, 4 * MS);
	assert_int_equal(kit_usage(k).time_wait, 0);
	q = kit_peer(k); /* SYN-ACKs after 1 s, 3 s, 7 s */
	k->now = k->now - k->now % MS;
	at = k->now;
	kit_syn(q);
	kit_synack(q);
	kit_advance(k, 8 * SEC);
	for (uint64_t after = 1; after <= 7; after = 2 * after + 1)
		about(expect(q, .flags = SYN | ACK, .seq = 0, .ack = 1).at - at, after * SEC);
	kit_quiet(k);
	kit_close(k);
}

static void T_29_clocks_at_their_wraps(void **s)
{
	static const uint64_t starts[] = {(1ull << 32) * MS - 5 * SEC, (1ull << 32) - 5 * SEC,
					  (1ull << 31) * MS - 5 * SEC};

	for (unsigned int i = 0; i < ARRAY_SIZE(starts); i++) {
		timers_at(starts[i], 0);
		timers_at(starts[i], MS);
	}
}

static bool lost(uint64_t *rng)
{
	*rng = *rng * 6364136223846793005ull + 1442695040888963407ull;
	return (*rng >> 33) % 100 == 0;
}

/* Sends total bytes and takes them back; what is out of order it forgets, what is lost it resends. */
static void echo_transfer(struct kit_peer *p, uint32_t total)
{
	struct kit *k = p->k;
	uint32_t una = 1, nxt = 1, rcv = 1, edge = 1 + 65535, quiet = 0;
	uint64_t rng = p->isn;

	while (una <= total || rcv <= total) {
		bool moved = false;

		while (kit_has(k)) {
			struct seg g = kit_take(p);

			if (lost(&rng))
				continue;
			moved = true;
			una = max_of(una, g.ack);
			nxt = max_of(nxt, una);
			edge = max_of(edge, g.ack + ((uint32_t)g.win << p->peer_ws));
			if (g.len && g.seq <= rcv && g.seq + g.len > rcv)
				rcv = g.seq + g.len;
			if (g.len && !lost(&rng))
				send_seg(p, .flags = ACK, .seq = nxt, .ack = rcv);
		}
		while (nxt <= total && nxt < edge && nxt - una < 40000) {
			uint32_t left = min_of(total + 1, edge) - nxt, n = min_of(left, 1400u);

			if (!lost(&rng))
				send_seg(p, .flags = ACK, .seq = nxt, .ack = rcv, .len = n);
			nxt += n;
			moved = true;
		}
		quiet = moved ? 0 : quiet + 1;
		assert_true(quiet < 1000);
		kit_advance(k, moved ? MS : 10 * MS);
		if (quiet % 20 == 19)
			nxt = una;
	}
	assert_int_equal(p->app.rx, total);
	assert_int_equal(rcv, total + 1);
}

/* The ISN follows the clock, 4 us a step: the same tuple later has the one that is wanted. */
static void open_with(struct kit_peer *p, uint32_t iss, uint32_t irs)
{
	struct kit *k = p->k;

	p->isn = irs;
	p->offer = OFFER_TS | OFFER_WS;
	kit_open(p);
	send_seg(p, .flags = RST, .seq = 1);
	kit_advance(k, (uint64_t)(iss - p->iss) * 4);
	kit_open(p);
	assert_int_equal(p->iss, iss);
	p->app.echo = true;
}

static void SEQ_01_four_mebibytes_across_the_wraps(void **s)
{
	static const uint32_t isn[] = {0xffffff00, 0x7fffff00};
	struct kit *k = *s;

	for (unsigned int i = 0; i < 4; i++) {
		struct kit_peer *p = kit_peer(k);

		open_with(p, isn[i & 1], isn[i >> 1]);
		echo_transfer(p, 4 * MIB);
		send_seg(p, .flags = RST, .seq = 4 * MIB + 1);
		assert_int_equal(p->app.closes, 2);
		kit_drain(k);
	}
}

/* Both sequences again, and both edges of Last.ACK.sent, where no short way is taken: behind our FIN. */
static void TS_05_whatever_the_state(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);
	uint32_t t = clock_of(p) + 1;

	kit_app_shutdown(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 2);
	kit_burst_begin(k);
	for (uint32_t i = 0; i < 3; i++)
		send_seg(p, .flags = ACK, .seq = 1 + 10 * i, .ack = 2, .len = 10, .tsval = t + i);
	kit_burst_end(k);
	assert_int_equal(expect(p, .flags = ACK, .seq = 2, .ack = 31).opts.tsecr, t);
	send_seg(p, .flags = ACK, .seq = 31, .ack = 2, .len = 10, .tsval = t + 3);
	kit_advance(k, 100 * MS); /* at the edge */
	assert_int_equal(expect(p, .flags = ACK, .seq = 2, .ack = 41).opts.tsecr, t + 3);
	send_seg(p, .flags = ACK, .seq = 51, .ack = 2, .len = 10, .tsval = t + 5);
	assert_int_equal(expect(p, .flags = ACK, .seq = 2, .ack = 41).opts.tsecr, t + 3);
	send_seg(p, .flags = ACK, .seq = 41, .ack = 2, .len = 10, .tsval = t + 4);
	assert_int_equal(expect(p, .flags = ACK, .seq = 2, .ack = 61).opts.tsecr, t + 4);
	send_seg(p, .flags = ACK, .seq = 51, .ack = 2, .len = 20, .tsval = t + 6); /* before it */
	kit_advance(k, 100 * MS);
	assert_int_equal(expect(p, .flags = ACK, .seq = 2, .ack = 71).opts.tsecr, t + 6);
	send_seg(p, .flags = ACK, .seq = 81, .ack = 2, .tsval = t + 7); /* behind it, and empty */
	send_seg(p, .flags = ACK, .seq = 91, .ack = 2, .len = 10, .tsval = t + 8);
	assert_int_equal(expect(p, .flags = ACK, .seq = 2, .ack = 71).opts.tsecr, t + 6);
	send_seg(p, .flags = ACK, .seq = 71, .ack = 2, .tsval = t + 9); /* not behind it */
	send_seg(p, .flags = ACK, .seq = 111, .ack = 2, .len = 10, .tsval = t + 10);
	assert_int_equal(expect(p, .flags = ACK, .seq = 2, .ack = 71).opts.tsecr, t + 9);
}

/*
 * Segments whose ACKs were lost come again, the last one or those before: the sender must not take the time
 * in between for a round trip. Only in their ACKs, and only the timestamp of a copy.
 */
static void TS_05_copies_are_echoed_and_not_recorded(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);
	uint32_t ts = clock_of(p);
	struct seg g;

	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .tsval = ts);
	send_seg(p, .flags = ACK, .seq = 11, .ack = 1, .len = 10, .tsval = ts);
	kit_drain(k);
	for (uint32_t i = 0; i < 2; i++) {
		send_seg(p, .flags = ACK, .seq = 11 - 10 * i, .ack = 1, .len = 10, .tsval = ts + 300 + i);
		g = expect(p, .flags = ACK, .seq = 1, .ack = 21);
		assert_int_equal(g.opts.tsecr, ts + 300 + i);
		send_seg(p, .flags = ACK, .seq = 11 - 10 * i, .ack = 1, .len = 10,
			 .tsval = ts + (1u << 30));
		g = expect(p, .flags = ACK, .seq = 1, .ack = 21);
		assert_int_equal(g.opts.tsecr, ts);
	}
	send_seg(p, .flags = ACK, .seq = 21, .ack = 1, .len = 10, .tsval = ts + 100);
	assert_int_equal(p->app.rx, 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(TS_01_over_a_whole_connection),
		KIT_TEST(TS_04_offsets_and_reopening),
		KIT_TEST(TS_07_before_and_after_the_wrap),
		KIT_TEST(TS_08_reset_changes_nothing),
		cmocka_unit_test(TS_10_whatever_the_clock),
		KIT_TEST(T_12_echoes_that_cannot_be),
		cmocka_unit_test(T_12_edges_of_the_truth),
		KIT_TEST(T_12_zero_is_a_timestamp),
		KIT_TEST(T_13_what_ts_recent_is_taken_from),
		KIT_TEST(T_14_spoofed_timestamp),
		KIT_TEST(T_15_syn_and_reset),
		cmocka_unit_test(T_15_idle_for_24_days),
		cmocka_unit_test(T_29_clocks_at_their_wraps),
		KIT_TEST(SEQ_01_four_mebibytes_across_the_wraps),
		KIT_TEST(TS_05_copies_are_echoed_and_not_recorded),
		KIT_TEST(TS_05_whatever_the_state),
	};

	return KIT_RUN("timestamps", tests);
}
