/*
 * The sender's scoreboard: which SACK blocks are believed, what a D-SACK is, a peer that forgets.
 */
#include "inside.h"

#define RTT (40 * MS)

static uint32_t sacked_of(struct flow *f)
{
	struct tcp_conn *c = NULL;

	return inside(f, &c)->sacked;
}

static unsigned int mult_of(struct flow *f)
{
	struct tcp_conn *c = NULL;
	const struct tcp_work *w = inside(f, &c);

	return w ? w->rack.mult : c->reo_mult;
}

static void SCK_06_what_a_d_sack_is(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_of_20(k, OFFER_ALL, RTT, 0);

	kit_advance(k, RTT);
	flow_ack(&f, 20);
	/* An older ACK that comes late: its block is below SND.UNA, but above its own number. */
	send_seg(f.p, .flags = ACK, .seq = 1, .ack = at(&f, 12), .opts.sack_n = 1,
		 .sack = {{at(&f, 14), at(&f, 16)}});
	assert_int_equal(mult_of(&f), 1);
	/* Below its own number: a duplicate. */
	send_seg(f.p, .flags = ACK, .seq = 1, .ack = at(&f, 20), .opts.sack_n = 1,
		 .sack = {{at(&f, 14), at(&f, 15)}});
	assert_int_equal(mult_of(&f), 2);
}

/* Above its own number, but inside of the second block. */
static void SCK_06_within_the_second_block(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_of_20(k, OFFER_ALL, RTT, 0);

	kit_advance(k, RTT);
	flow_sack2(&f, 10, 14, 15, 16, 18);
	assert_int_equal(mult_of(&f), 1);
	flow_sack2(&f, 10, 16, 17, 14, 19);
	assert_int_equal(mult_of(&f), 2);
}

/* All that decides it: where the first block lies to the ACK's own number, and to the second block. */
static void SCK_06_at_the_edges(void **s)
{
	static const struct {
		uint32_t ack, l1, r1, l2, r2;
		bool dsack;
	} cases[] = {
		{20, 18, 20, 0, 0, true},    /* up to the number */
		{20, 18, 21, 0, 0, false},   /* across it */
		{20, 20, 22, 0, 0, false},   /* from it on */
		{20, 19, 18, 0, 0, false},   /* turned around */
		{20, 18, 18, 0, 0, false},   /* nothing */
		{20, 14, 16, 24, 26, true},  /* whatever the second says */
		{10, 14, 15, 14, 19, true},  /* the second's left edge */
		{10, 18, 19, 14, 19, true},  /* its right */
		{10, 14, 19, 14, 19, true},  /* all of it */
		{10, 13, 15, 14, 19, false}, /* not all within */
		{10, 18, 20, 14, 19, false},
		{10, 20, 21, 14, 19, false}, /* beside it */
		{10, 16, 15, 14, 19, false}, /* turned around */
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct kit *k = kit_new();
		struct flow f = flow_of_20(k, OFFER_ALL, RTT, 0);

		kit_advance(k, RTT);
		if (cases[i].ack > 10)
			flow_ack(&f, cases[i].ack);
		if (cases[i].r2)
			flow_sack2(&f, cases[i].ack, cases[i].l1, cases[i].r1, cases[i].l2,
				   cases[i].r2);
		else
			flow_sack(&f, cases[i].ack, cases[i].l1, cases[i].r1);
		if (mult_of(&f) != 1u + cases[i].dsack)
			fail_msg("case %u", i);
		kit_close(k);
	}
}

/* Each comes with the ACK of one segment more: that counts, and the board is as it was. */
static void SCK_05_nothing_of_it_is_noted(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_of_20(k, OFFER_ALL, RTT, 0);
	const struct tcp_sack_block bad[] = {
		{at(&f, 25), at(&f, 20)},              /* reversed */
		{at(&f, 25), at(&f, 25)},              /* empty */
		{at(&f, 28), at(&f, 30) + 1},          /* above SND.MAX */
		{at(&f, 30), at(&f, 31)},
		{at(&f, 15) - 1, at(&f, 25)},          /* from below SND.UNA, 15 by then */
		{at(&f, 5), at(&f, 25)},
		{at(&f, 17), at(&f, 25)},              /* from SND.UNA on */
		{at(&f, 3), at(&f, 5)},
		{at(&f, 25), at(&f, 25) + 0x80000000u}, /* across half of the space */
		{at(&f, 25), at(&f, 25) + 0x80001000u},
		{at(&f, 25) - 0x80001000u, at(&f, 26)},
	};
	struct tcp_conn *c = NULL;

	kit_advance(k, RTT);
	for (uint32_t i = 0; i < ARRAY_SIZE(bad); i++) {
		f.una = 11 + i;
		send_seg(f.p, .flags = ACK, .seq = 1, .ack = at(&f, f.una), .opts.sack_n = 1,
			 .sack = {bad[i]});
		assert_int_equal(inside(&f, &c)->snd_una - f.p->iss, at(&f, f.una));
		assert_int_equal(sacked_of(&f), 0);
		assert_int_equal(inside(&f, &c)->flight.n, 1);
	}
	for (uint32_t i = 0; i < 2; i++) { /* of an older ACK: above its number, and not above SND.UNA */
		send_seg(f.p, .flags = ACK, .seq = 1, .ack = at(&f, 15), .opts.sack_n = 1,
			 .sack = {{at(&f, i ? f.una : 18), at(&f, 25)}});
		assert_int_equal(sacked_of(&f), 0);
		assert_int_equal(inside(&f, &c)->flight.n, 1);
	}
	flow_sack(&f, f.una, 29, 30); /* up to SND.MAX */
	assert_int_equal(sacked_of(&f), f.mss);
	assert_int_equal(inside(&f, &c)->flight.n, 2);
	flow_sack(&f, f.una, f.una + 1, f.una + 2);
	assert_int_equal(sacked_of(&f), 2 * f.mss);
}

/* What a peer may have said so far, by segments. */
struct board {
	bool sacked[64];
	uint32_t una;
};

static uint32_t board_bytes(const struct board *b, const struct flow *f)
{
	uint32_t n = 0;

	for (uint32_t i = b->una; i < f->sent; i++)
		n += b->sacked[i];
	return n * f->mss;
}

static void board_sack(struct board *b, const struct flow *f, uint32_t left, uint32_t right)
{
	if (left <= b->una || left >= right || right > f->sent)
		return;
	for (uint32_t i = left; i < right; i++)
		b->sacked[i] = true;
}

static uint32_t random_of(uint64_t *seed, uint32_t n)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*seed >> 33) % n;
}

/* Blocks of any kind, ACKs old and new, in any order; one reduction of the model at each step. */
static void scoreboard_run(uint64_t seed)
{
	struct kit *k = kit_new();
	struct flow f = flow_of_20(k, OFFER_ALL, RTT, 0);
	struct board b = {.una = 10};
	struct tcp_conn *c = NULL;
	struct tcp_work *w;

	kit_advance(k, RTT);
	for (int i = 0; i < 40 && b.una < 30; i++) {
		uint32_t l1 = 5 + random_of(&seed, 30), r1 = 5 + random_of(&seed, 30);
		uint32_t l2 = 5 + random_of(&seed, 30), r2 = l2 + random_of(&seed, 4);
		uint32_t ack = random_of(&seed, 4) ? b.una : 10 + random_of(&seed, 20);

		if (ack > b.una && !random_of(&seed, 3))
			b.una = ack;
		else
			ack = min_of(ack, b.una);
		flow_sack2(&f, ack, l1, r1, l2, r2);
		if (l1 > ack)
			board_sack(&b, &f, l1, r1);
		if (l2 > ack)
			board_sack(&b, &f, l2, r2);
		w = inside(&f, &c);
		if (!w)
			break;
		assert_int_equal(w->snd_una - f.p->iss, at(&f, b.una));
		assert_int_equal(w->sacked, board_bytes(&b, &f));
		assert_true(w->sacked + w->lost <= c->snd_nxt - w->snd_una);
		assert_true(tcp_pipe(c, w) == c->snd_nxt - w->snd_una - w->sacked - w->lost);
	}
	kit_close(k);
}

static void SCK_09_T_20_as_a_model_has_it(void **s)
{
	for (uint64_t seed = 1; seed <= 200; seed++)
		scoreboard_run(seed);
}

static void T_20_blocks_across_the_edges(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_of_20(k, OFFER_ALL, RTT, 0);

	kit_advance(k, RTT);
	flow_ack(&f, 15);
	flow_sack(&f, 15, 12, 18); /* straddles SND.UNA */
	assert_int_equal(sacked_of(&f), 0);
	flow_sack(&f, 15, 25, 40); /* beyond SND.MAX */
	assert_int_equal(sacked_of(&f), 0);
	flow_sack2(&f, 15, 35, 36, 34, 38);
	assert_int_equal(sacked_of(&f), 0);
	flow_sack(&f, 15, 17, 18);
	assert_int_equal(sacked_of(&f), f.mss);
}

/* SACKed, then forgotten: acknowledged up to there and no further. */
static void SCK_10_T_21_a_peer_that_forgets(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_open(k, OFFER_ALL, RTT);
	bool seen[10] = {false};
	uint32_t cum = 1;

	kit_app_send(f.p, 10 * f.mss);
	assert_int_equal(flow_new(&f), 10);
	kit_advance(k, RTT);
	flow_sack(&f, 0, 1, 10);
	flow_expect(&f, 0);
	kit_advance(k, RTT);
	flow_ack(&f, 1); /* the hole is filled, and everything behind it is gone */
	for (int i = 0; i < 200 && cum < 10; i++) {
		kit_advance(k, RTT);
		while (kit_has(k)) {
			uint32_t n = (kit_take(f.p).seq - 1) / f.mss;

			assert_in_range(n, 1, 9);
			seen[n] = true;
		}
		while (cum < 10 && seen[cum])
			cum++;
		flow_ack(&f, cum);
	}
	assert_int_equal(cum, 10);
	assert_int_equal(f.p->app.tx, 10 * f.mss);
}

static void SCK_11_blocks_of_an_older_ack(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_of_20(k, OFFER_ALL, RTT, 0);

	kit_advance(k, RTT);
	flow_ack(&f, 15);
	flow_sack2(&f, 12, 20, 21, 25, 26);
	assert_int_equal(sacked_of(&f), 2 * f.mss);
}

static bool first_copy_of_10(struct model *m, uint32_t segment)
{
	return segment == 10 && m->copies[segment] == 1;
}

static void SCK_07_one_of_50(void **s)
{
	struct kit *k = *s;
	static struct model m;
	struct flow f = flow_open(k, OFFER_ALL, RTT);
	struct tcp_conn *c = NULL;

	m = (struct model){.f = &f, .lost = first_copy_of_10};
	kit_app_send(f.p, 60 * f.mss);
	while (m.cum < 60) {
		assert_true(model_step(&m));
		model_take(&m);
		if (inside(&f, &c)) /* what is kept to be sent again is what is not acknowledged */
			assert_true(inside(&f, &c)->sndq.n == 0 ||
				    inside(&f, &c)->snd_end - inside(&f, &c)->snd_una ==
				    (60 - m.cum) * f.mss);
	}
	assert_int_equal(m.retransmissions, 1);
	assert_int_equal(m.copies[10], 2);
}

/* A round trip of 40 ms, and segments as small as the handler's writes. */
static struct kit_peer *open_40ms(struct kit *k, uint16_t mss)
{
	struct kit_peer *p = kit_peer(k);

	p->offer = OFFER_ALL;
	p->mss = mss;
	kit_syn(p);
	kit_synack(p);
	kit_advance(k, 40 * MS);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_app_nodelay(p, true);
	return p;
}

/* The engine sent these octets, and nothing else; what is lost of them is sent again by RACK. */
static void again_without_timeout(struct kit_peer *p, uint32_t seq, uint32_t len)
{
	struct kit *k = p->k;

	kit_advance(k, 20 * MS);
	expect(p, .flags = ACK, .seq = seq, .ack = 1, .len = len);
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_RTO_FIRED) + kit_ctr(k, CTR_TLP_PROBES), 0);
}

/* Segments of a few octets that left in one instant: each has a fate of its own. */
static void SCK_07_RK_02_small_segments(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = open_40ms(k, 1460);

	for (unsigned int i = 0; i < 3; i++) {
		kit_app_send(p, 10);
		expect(p, .flags = ACK, .seq = 1 + i * 10, .ack = 1, .len = 10);
	}
	kit_advance(k, 40 * MS);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 11, .opts.sack_n = 1, .sack = {{21, 31}});
	again_without_timeout(p, 11, 10);
	kit_app_send(p, 10);
	expect(p, .flags = ACK, .seq = 31, .ack = 1, .len = 10);
	/* Neither is what left for the second time joined to what did not. */
	kit_advance(k, 40 * MS);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 11, .opts.sack_n = 1, .sack = {{21, 41}});
	again_without_timeout(p, 11, 10);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 41);
	kit_quiet(k);
}

/* A full segment, and the few octets behind it in the same turn: the first is lost. */
static void SCK_07_RK_02_a_short_tail(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = open_40ms(k, 1460);

	kit_app_send(p, 1448 + 10);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1448);
	expect(p, .flags = ACK, .seq = 1449, .ack = 1, .len = 10);
	kit_advance(k, 40 * MS);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .opts.sack_n = 1, .sack = {{1449, 1459}});
	again_without_timeout(p, 1, 1448);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1459);
	kit_quiet(k);
}

/* The least MSS, with timestamps 52 octets: a segment is the least that is told apart. */
static void SCK_07_RK_02_the_least_mss(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = open_40ms(k, 48);

	kit_app_send(p, 5 * 52);
	for (unsigned int i = 0; i < 5; i++)
		expect(p, .flags = ACK, .seq = 1 + i * 52, .ack = 1, .len = 52);
	kit_advance(k, 40 * MS);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .opts.sack_n = 1, .sack = {{53, 105}});
	again_without_timeout(p, 1, 52);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 261);
	kit_quiet(k);
}

/* Small segments that are all lost go again in one, and the FIN with them. */
static void RTO_07_small_segments_again_in_one(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	kit_app_nodelay(p, true);
	for (unsigned int i = 0; i < 3; i++)
		kit_app_send(p, 10);
	kit_app_shutdown(p);
	kit_drain(k);
	while (!kit_has(k))
		kit_advance(k, MS);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 30);
	kit_quiet(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 32);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 32);
	expect(p, .flags = ACK, .seq = 32, .ack = 2);
	kit_quiet(k);
}

/* Duplicate ACKs release new data only as they bring news; cwnd is 4. */
static void CC_07_with_sack(void **s)
{
	struct kit *k = *s;
	struct flow f = {.k = k, .p = kit_peer(k), .mss = 1460, .rtt = RTT};

	use_cc(k, "newreno");
	f.p->offer = OFFER_SACK | OFFER_WS;
	kit_syn(f.p);
	kit_synack(f.p);
	kit_advance(k, 3500 * MS); /* the SYN-ACK twice more: the initial window is one segment */
	kit_drain(k);
	send_seg(f.p, .flags = ACK, .seq = 1, .ack = 1);
	kit_app_send(f.p, 100 * f.mss);
	assert_int_equal(flow_new(&f), 1);
	for (uint32_t end = 1; f.sent - f.una < 4; end = f.sent) {
		kit_advance(k, RTT);
		while (f.una < end && f.sent - f.una < 4) {
			flow_ack(&f, f.una + 1);
			flow_new(&f);
		}
	}
	assert_int_equal(inside_cwnd(&f), 4);
	kit_advance(k, RTT);
	flow_sack(&f, f.una, f.una + 1, f.una + 2);
	assert_int_equal(flow_new(&f), 1);
	flow_sack(&f, f.una, f.una + 1, f.una + 2); /* no news */
	flow_sack(&f, f.una, f.una + 1, f.una + 2);
	kit_quiet(k);
	flow_sack(&f, f.una, f.una + 1, f.una + 3);
	assert_int_equal(flow_new(&f), 1);
	assert_int_equal(inside_cwnd(&f), 4);
	flow_sack(&f, f.una, f.una + 1, f.una + 4);
	flow_expect(&f, f.una);
}

/* The first copy is acknowledged a millisecond after the second was sent. */
static void RK_07_round_trip_of_the_first_copy(void **s)
{
	for (int ts = 0; ts < 2; ts++) {
		struct kit *k = kit_new();
		struct flow f = flow_of_20(k, ts ? OFFER_ALL : OFFER_SACK, RTT, 0);
		uint32_t echo = f.p->ts_recent, rack, srtt;
		struct tcp_conn *c = NULL;

		kit_advance(k, RTT);
		flow_sack(&f, 10, 11, 14);
		flow_expect(&f, 10);
		rack = inside(&f, &c)->rack.rtt_us;
		srtt = inside(&f, &c)->rtt.srtt_us;
		kit_advance(k, MS);
		send_seg(f.p, .flags = ACK, .seq = 1, .ack = at(&f, 14), .tsecr = ts ? echo : 0);
		assert_in_range(rack, RTT - 2, RTT + 2);
		/* undone, and nothing is known; or what was known before */
		assert_true(!inside(&f, &c)->rack.rtt_us || inside(&f, &c)->rack.rtt_us == rack);
		if (ts) /* a true sample, of 41 ms */
			assert_in_range(inside(&f, &c)->rtt.srtt_us, srtt, srtt + MS);
		else
			assert_int_equal(inside(&f, &c)->rtt.srtt_us, srtt);
		kit_close(k);
	}
}

static bool now_and_then(struct model *m, uint32_t segment)
{
	return m->copies[segment] <= 1 + (segment % 21 == 0) && segment % 7 == 3;
}

/* Of the retransmission, probe, reordering and window timers never two, and never none. */
static void RK_12_one_timer_at_a_time(void **s)
{
	struct kit *k = *s;
	static struct model m;
	struct flow f = flow_open(k, OFFER_ALL, RTT);
	unsigned int kinds[8] = {0};
	struct tcp_conn *c = NULL;

	m = (struct model){.f = &f, .lost = now_and_then};
	kit_app_send(f.p, 300 * f.mss);
	for (int i = 0; m.cum < 300 && i < 3000; i++) {
		if (!model_step(&m))
			kit_advance(k, 10 * MS);
		if (!inside(&f, &c))
			continue;
		kinds[inside(&f, &c)->timer]++;
		if (inside(&f, &c)->snd_una != c->snd_nxt)
			assert_in_range(inside(&f, &c)->timer, TCP_TIMER_RTO, TCP_TIMER_REO);
	}
	assert_int_equal(m.cum, 300);
	assert_true(kinds[TCP_TIMER_RTO] && kinds[TCP_TIMER_TLP]);
}

/* SND.NXT is never rewound: an ACK of what was sent before the timeout is an ACK of sent data. */
static void T_06_all_acknowledged_after_a_timeout(void **s)
{
	struct kit *k = *s;

	for (unsigned int offer = 0; offer <= OFFER_ALL; offer += OFFER_ALL) {
		struct flow f = flow_open(k, offer, RTT);

		kit_app_send(f.p, 10 * f.mss);
		assert_int_equal(flow_new(&f), 10);
		kit_advance(k, 350 * MS);
		kit_drain(k);
		flow_ack(&f, 10);
		kit_silence(k, 5 * SEC);
	}
	assert_true(kit_ctr(k, CTR_RTO_FIRED) >= 1);
	assert_int_equal(kit_ctr(k, CTR_RX_BAD_ACK), 0);
}

static bool every_second(struct model *m, uint32_t segment)
{
	return segment % 2 && m->copies[segment] == 1;
}

static void T_11_loss_of_every_second_segment(void **s)
{
	for (unsigned int offer = 0; offer <= OFFER_ALL; offer += OFFER_SACK) {
		struct kit *k = kit_new();
		static struct model m;
		struct flow f = flow_open(k, offer, 500 * MS);
		struct tcp_conn *c = NULL;

		m = (struct model){.f = &f, .lost = every_second};
		kit_app_send(f.p, 110 * f.mss);
		for (int i = 0; m.cum < 100 && i < 10000; i++)
			if (!model_step(&m))
				kit_advance(k, 50 * MS);
		assert_true(m.cum >= 100);
		assert_in_range(inside(&f, &c) ? inside(&f, &c)->rtt.srtt_us : rtt_unpack(c->srtt),
				450 * MS, 550 * MS);
		kit_close(k);
	}
}

/* Data both ways: what carries data is no duplicate ACK. */
static void T_22_bulk_both_ways_without_loss(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_open(k, OFFER_TS | OFFER_WS, RTT);
	uint32_t seq = 1;

	kit_app_send(f.p, 500 * f.mss);
	for (int round = 0; f.una < 500 && round < 200; round++) {
		while (kit_has(k)) {
			struct seg g = kit_take(f.p);

			if (g.len)
				f.sent = max_of(f.sent, (g.seq - 1) / f.mss + 1);
		}
		kit_advance(k, RTT);
		for (int i = 0; i < 4; i++, seq += 1000) /* before the ACK moves: the old number */
			send_seg(f.p, .flags = ACK, .seq = seq, .ack = at(&f, f.una), .len = 1000);
		while (f.una < f.sent)
			send_seg(f.p, .flags = ACK, .seq = seq, .ack = at(&f, ++f.una));
	}
	assert_int_equal(f.una, 500);
	assert_int_equal(kit_ctr(k, CTR_FAST_RECOVERIES), 0);
	assert_int_equal(kit_ctr(k, CTR_TX_RETRANSMITS), 0);
	assert_int_equal(f.p->app.rx, seq - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(SCK_06_what_a_d_sack_is),
		KIT_TEST(SCK_06_within_the_second_block),
		cmocka_unit_test(SCK_06_at_the_edges),
		KIT_TEST(SCK_05_nothing_of_it_is_noted),
		KIT_TEST(SCK_09_T_20_as_a_model_has_it),
		KIT_TEST(T_20_blocks_across_the_edges),
		KIT_TEST(SCK_10_T_21_a_peer_that_forgets),
		KIT_TEST(SCK_11_blocks_of_an_older_ack),
		KIT_TEST(SCK_07_one_of_50),
		KIT_TEST(SCK_07_RK_02_small_segments),
		KIT_TEST(SCK_07_RK_02_a_short_tail),
		KIT_TEST(SCK_07_RK_02_the_least_mss),
		KIT_TEST(RTO_07_small_segments_again_in_one),
		KIT_TEST(CC_07_with_sack),
		KIT_TEST(RK_07_round_trip_of_the_first_copy),
		KIT_TEST(RK_12_one_timer_at_a_time),
		KIT_TEST(T_06_all_acknowledged_after_a_timeout),
		KIT_TEST(T_11_loss_of_every_second_segment),
		KIT_TEST(T_22_bulk_both_ways_without_loss),
	};

	return KIT_RUN("sack", tests);
}
