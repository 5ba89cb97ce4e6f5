/*
 * Loss by time (RFC 8985): what is taken for lost and when, and the probe for the tail of a flight.
 */
#include "inside.h"

#define RTT (40 * MS)

static void RK_01_a_round_trip_of_40_us(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_open(k, OFFER_ALL, 40);

	kit_app_send(f.p, 4 * f.mss);
	assert_int_equal(flow_new(&f), 4);
	kit_advance(k, 40);
	flow_sack(&f, 0, 1, 2);
	flow_sack(&f, 0, 1, 3);
	kit_quiet(k);
	flow_sack(&f, 0, 1, 4);
	flow_expect(&f, 0);
	kit_advance(k, 40);
	flow_ack(&f, 4);
	assert_int_equal(kit_ctr(k, CTR_RTO_FIRED), 0);
}

static void RK_02_lost_after_the_reordering_window(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_open(k, OFFER_ALL, RTT);

	kit_app_send(f.p, 3 * f.mss);
	assert_int_equal(flow_new(&f), 3);
	kit_advance(k, RTT);
	flow_sack(&f, 0, 2, 3);
	kit_advance(k, 9 * MS);
	kit_quiet(k);
	kit_advance(k, 3 * MS); /* least round trip / 4 */
	flow_expect(&f, 0);
	flow_expect(&f, 1);
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_RTO_FIRED), 0);
}

/* What was waited for has come: the wait is not for what is sent then. */
static void a_wait_is_over_with_its_flight(void **s)
{
	for (uint32_t n = 1; n < 4; n++) {
		struct kit *k = kit_new();
		struct flow f = flow_open(k, OFFER_TS | OFFER_SACK, RTT);
		struct tcp_conn *c;

		f.p->win = (uint16_t)(10 * f.mss);
		flow_ack(&f, 0);
		kit_app_send(f.p, (10 + n) * f.mss);
		assert_int_equal(flow_new(&f), 10);
		kit_advance(k, RTT);
		flow_sack(&f, 0, 9, 10);
		assert_int_equal(inside(&f, &c)->timer, TCP_TIMER_REO);
		kit_advance(k, MS);
		flow_ack(&f, 10);
		assert_int_equal(flow_new(&f), n);
		assert_int_equal(inside(&f, &c)->timer, TCP_TIMER_TLP);
		kit_close(k);
	}
}

/* Sent later and delivered: what was sent in the same burst but behind it is not lost. */
static void RK_02_ties_go_by_sequence_number(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_open(k, OFFER_ALL, RTT);

	kit_app_send(f.p, 10 * f.mss);
	flow_new(&f);
	kit_advance(k, RTT);
	flow_sack(&f, 0, 1, 4);
	flow_expect(&f, 0);
	kit_advance(k, 30 * MS);
	kit_quiet(k);
}

/* The first segment of a flight comes last, without having been sent again. */
static void reorder_once(struct flow *f)
{
	uint32_t una = f->una;

	kit_app_send(f->p, 2 * f->mss);
	flow_new(f);
	kit_advance(f->k, RTT);
	flow_sack(f, una, una + 1, una + 2);
	kit_advance(f->k, 2 * MS);
	flow_ack(f, una + 2);
	kit_quiet(f->k);
}

static void RK_03_three_sacked_and_no_reordering_known(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_open(k, OFFER_ALL, RTT);

	kit_app_send(f.p, 4 * f.mss);
	flow_new(&f);
	kit_advance(k, RTT);
	flow_sack(&f, 0, 1, 4);
	flow_expect(&f, 0);
}

/* Two are not enough, and then a third is: in three ACKs, or in two. */
static void RK_03_two_are_not_enough(void **s)
{
	for (int i = 0; i < 2; i++) {
		struct kit *k = kit_new();
		struct flow f = flow_open(k, OFFER_ALL, RTT);

		kit_app_send(f.p, 6 * f.mss);
		flow_new(&f);
		kit_advance(k, RTT);
		if (i)
			flow_sack(&f, 0, 1, 2);
		flow_sack(&f, 0, 1, 3);
		kit_advance(k, 9 * MS);
		kit_quiet(k);
		flow_sack(&f, 0, 1, 4);
		flow_expect(&f, 0);
		kit_quiet(k);
		kit_close(k);
	}
}

/* Three small segments are three, though together they are not one of full size. */
static void RK_03_three_small_ones(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_open(k, OFFER_ALL, RTT);

	kit_app_nodelay(f.p, true);
	for (int i = 0; i < 5; i++)
		kit_app_send(f.p, 100);
	kit_drain(k);
	kit_advance(k, RTT);
	for (uint32_t i = 2; i <= 4; i++) {
		kit_quiet(k);
		send_seg(f.p, .flags = ACK, .seq = 1, .ack = 1, .opts.sack_n = 1,
			 .sack = {{101, 1 + 100 * i}});
	}
	expect(f.p, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	kit_quiet(k);
}

/* Whether a segment was found to be lost, be it sent again since or not. */
static bool found_lost(const struct flow *f, uint32_t segment)
{
	const struct tcp *t = engine_tcp(f->k->e);
	struct tcp_conn *c = NULL;
	struct tcp_work *w = inside(f, &c);
	uint32_t i = tcp_flight_find(t, w, f->p->iss + at(f, segment));

	return tcp_flight_at(t, w, i)->flags & (FLIGHT_LOST | FLIGHT_RETX);
}

/* In a recovery one segment behind the next hole is enough: two are SACKed in all. */
static void RK_03_in_recovery_it_does_not_wait(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_of_20(k, OFFER_ALL, RTT, 0);

	kit_advance(k, RTT);
	flow_sack(&f, 10, 11, 12);
	kit_advance(k, 12 * MS);
	flow_expect(&f, 10);
	assert_false(found_lost(&f, 12));
	flow_sack2(&f, 10, 13, 14, 11, 12);
	assert_true(found_lost(&f, 12));
	assert_false(found_lost(&f, 14));
	kit_drain(k);
}

/* Nor behind a timeout: of the two new segments that try it out, the first is lost as the second is there. */
static void RK_03_after_a_timeout_it_does_not_wait(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_of_20(k, OFFER_SACK | OFFER_WS, RTT, 100);
	unsigned int again;
	uint32_t last;

	while (!kit_ctr(k, CTR_RTO_FIRED))
		kit_advance(k, MS);
	flow_any(&f, &again);
	flow_ack(&f, 11);
	assert_int_equal(flow_new(&f), 2);
	last = f.sent - 1;
	kit_advance(k, RTT);
	assert_false(found_lost(&f, last - 1));
	flow_sack(&f, 11, last, last + 1);
	assert_true(found_lost(&f, last - 1));
	kit_drain(k);
}

static void RK_03_after_reordering_it_waits(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_open(k, OFFER_ALL, RTT);

	reorder_once(&f);
	kit_app_send(f.p, 4 * f.mss);
	flow_new(&f);
	kit_advance(k, RTT);
	flow_sack(&f, 2, 3, 6);
	kit_advance(k, 9 * MS);
	kit_quiet(k);
	kit_advance(k, 3 * MS);
	flow_expect(&f, 2);
}

/* A flight of 10 whose first segment is late by that much; how many were sent again for nothing. */
static unsigned int late_round(struct flow *f, uint64_t late)
{
	uint32_t una = f->una;
	unsigned int again, n = 0;

	kit_app_send(f->p, 10 * f->mss);
	kit_advance(f->k, 1 * MS);
	assert_int_equal(flow_any(f, &again), 10);
	assert_int_equal(again, 0);
	kit_advance(f->k, RTT);
	flow_sack(f, una, una + 1, una + 10);
	kit_advance(f->k, late);
	while (kit_has(f->k)) {
		flow_any(f, &again);
		n += again;
	}
	flow_ack(f, una + 10);
	kit_advance(f->k, RTT - late);
	for (unsigned int i = 0; i < n; i++)
		flow_sack(f, una + 10, una, una + 1); /* D-SACK */
	kit_advance(f->k, RTT);
	return n;
}

/* Slow start and more, to a window of 10 segments again. */
static void grow_again(struct flow *f)
{
	unsigned int again;

	kit_app_send(f->p, 100 * f->mss);
	for (uint32_t end = f->sent + 100; f->una < end;) {
		flow_any(f, &again);
		assert_int_equal(again, 0);
		kit_advance(f->k, RTT);
		for (uint32_t sent = f->sent; f->una < sent;)
			flow_ack(f, f->una + 1);
	}
	kit_drain(f->k);
}

/* A flight of 10 whose first segment is lost. */
static void clean_recovery(struct flow *f)
{
	uint32_t una;
	unsigned int again;

	grow_again(f);
	una = f->una;
	kit_app_send(f->p, 10 * f->mss);
	kit_advance(f->k, 1 * MS);
	flow_any(f, &again);
	kit_advance(f->k, RTT);
	flow_sack(f, una, una + 1, una + 10);
	kit_advance(f->k, 45 * MS);
	flow_any(f, &again);
	assert_true(again >= 1);
	kit_advance(f->k, RTT);
	send_seg(f->p, .flags = ACK, .seq = 1, .ack = at(f, una + 10));
	f->una = una + 10;
	kit_advance(f->k, RTT);
}

static void RK_04_window_follows_dsack(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_open(k, OFFER_SACK | OFFER_WS, RTT);
	unsigned int rounds = 0;

	while (late_round(&f, RTT / 2))
		assert_true(++rounds <= 4);
	assert_true(rounds >= 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(late_round(&f, RTT / 2), 0);
	for (int i = 0; i < 16; i++)
		clean_recovery(&f);
	grow_again(&f);
	assert_true(late_round(&f, RTT / 2) > 0);
}

static bool first_two_copies_of_10(struct model *m, uint32_t segment)
{
	return segment == 10 && m->copies[segment] <= 2;
}

static void RK_05_a_lost_retransmission(void **s)
{
	struct kit *k = *s;
	static struct model m;
	struct flow f;
	uint64_t first = 0;

	use_cc(k, "newreno");
	f = flow_open(k, OFFER_ALL, RTT);
	m = (struct model){.f = &f, .lost = first_two_copies_of_10};
	kit_app_send(f.p, 300 * f.mss);
	while (m.copies[10] < 3) {
		assert_true(model_step(&m));
		model_take(&m);
		if (m.copies[10] == 2)
			first = m.last[10];
	}
	assert_true(m.last[10] - first <= 2 * RTT + RTT / 4);
	assert_int_equal(m.retransmissions, 2);
	assert_int_equal(kit_ctr(k, CTR_RTO_FIRED), 0);
}

static void RK_06_a_timeout_spares_what_is_young(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_open(k, OFFER_SACK | OFFER_WS, RTT); /* RTO 240 ms */

	kit_app_send(f.p, 10);
	expect(f.p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	kit_advance(k, 242 * MS);
	expect(f.p, .flags = ACK, .seq = 1, .ack = 1, .len = 10); /* the probe, in place of the RTO */
	kit_advance(k, 237 * MS);
	kit_quiet(k);
	kit_app_send(f.p, 2 * f.mss);
	expect(f.p, .flags = ACK, .seq = 11, .ack = 1, .len = f.mss);
	expect(f.p, .flags = ACK, .seq = 11 + f.mss, .ack = 1, .len = f.mss);
	kit_advance(k, 4 * MS);
	assert_int_equal(kit_ctr(k, CTR_RTO_FIRED), 1);
	assert_int_equal(kit_take(f.p).seq, 1);
	kit_quiet(k);
}

static void RK_08_as_congestion_control_allows(void **s)
{
	struct kit *k = *s;
	struct flow f;

	use_cc(k, "newreno");
	f = flow_open(k, OFFER_ALL, RTT);
	kit_app_send(f.p, 300 * f.mss);
	flow_new(&f);
	while (f.sent - f.una < 60) {
		uint32_t end = f.sent;

		kit_advance(k, RTT);
		while (f.una < end)
			flow_ack(&f, f.una + 1);
		flow_new(&f);
	}
	kit_advance(k, RTT);
	flow_sack(&f, f.una, f.sent - 3, f.sent - 2);
	flow_sack(&f, f.una, f.sent - 3, f.sent - 1);
	while (kit_has(k))
		kit_take(f.p); /* two new ones, for the two delivered */
	flow_sack(&f, f.una, f.sent - 3, f.sent); /* 50 and more are lost; one was delivered */
	flow_expect(&f, f.una);
	kit_quiet(k);
}

static void RK_09_probe_after_two_round_trips(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_open(k, OFFER_ALL, RTT);
	uint64_t t;

	kit_app_send(f.p, 5 * f.mss);
	assert_int_equal(flow_new(&f), 5);
	t = k->now;
	kit_advance(k, 79 * MS);
	kit_quiet(k);
	kit_advance(k, 4 * MS);
	assert_in_range(flow_expect(&f, 4).at - t, 80 * MS, 82 * MS);
	assert_int_equal(kit_ctr(k, CTR_TLP_PROBES), 1);
	kit_quiet(k);
}

static void RK_09_one_segment_may_have_its_ack_delayed(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_open(k, OFFER_ALL, RTT); /* RTO 240 ms, 2 SRTT + 200 ms are more */
	uint64_t t;

	kit_app_send(f.p, f.mss);
	assert_int_equal(flow_new(&f), 1);
	t = k->now;
	kit_advance(k, 238 * MS);
	kit_quiet(k);
	kit_advance(k, 4 * MS);
	assert_in_range(flow_expect(&f, 0).at - t, 240 * MS, 242 * MS);
	assert_int_equal(kit_ctr(k, CTR_TLP_PROBES), 1);
	assert_int_equal(kit_ctr(k, CTR_RTO_FIRED), 0);
	kit_advance(k, 236 * MS);
	kit_quiet(k);
	kit_advance(k, 6 * MS);
	assert_int_equal(kit_take(f.p).seq, at(&f, 0)); /* smaller: two full ones were lost */
	assert_int_equal(kit_ctr(k, CTR_RTO_FIRED), 1);
}

/* Before the first sample: 1 s. */
static void RK_09_without_a_round_trip(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	uint64_t t;

	p->offer = OFFER_SACK;
	kit_syn(p);
	kit_synack(p);
	kit_advance(k, 1500 * MS);
	kit_drain(k); /* the SYN-ACK again: no sample */
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_app_send(p, 3 * 1460);
	kit_drain(k);
	t = k->now;
	kit_advance(k, 995 * MS);
	kit_quiet(k);
	kit_advance(k, 10 * MS);
	assert_in_range(kit_take(p).at - t, 1000 * MS, 1002 * MS);
	assert_int_equal(kit_ctr(k, CTR_TLP_PROBES), 1);
}

static void RK_09_not_with_something_sacked(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_open(k, OFFER_ALL, RTT);

	kit_app_send(f.p, 5 * f.mss);
	flow_new(&f);
	kit_advance(k, RTT);
	flow_sack(&f, 0, 1, 5);
	flow_expect(&f, 0); /* recovery */
	kit_advance(k, 150 * MS);
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_TLP_PROBES), 0);
}

static void RK_10_new_data_first(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_open(k, OFFER_ALL, RTT);

	kit_app_send(f.p, 20 * f.mss);
	assert_int_equal(flow_new(&f), 10);
	kit_advance(k, 83 * MS);
	assert_int_equal(flow_new(&f), 1); /* beyond cwnd */
	assert_int_equal(kit_ctr(k, CTR_TLP_PROBES), 1);
}

static void RK_10_one_probe_and_then_the_timeout(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_open(k, OFFER_ALL, RTT);
	uint64_t first = k->now;

	kit_app_send(f.p, 5 * f.mss);
	flow_new(&f);
	kit_advance(k, 83 * MS);
	flow_expect(&f, 4);
	kit_advance_to(k, first + 238 * MS); /* the timer was not put off */
	kit_quiet(k);
	kit_advance(k, 6 * MS);
	flow_expect(&f, 0);
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_TLP_PROBES), 1);
	assert_int_equal(kit_ctr(k, CTR_RTO_FIRED), 1);
}

/* How many segments leave at once for plenty of data. */
static unsigned int window(struct flow *f)
{
	kit_app_send(f->p, 100 * f->mss);
	return flow_new(f);
}

static void RK_11_a_repaired_loss_is_a_loss(void **s)
{
	struct kit *k = *s;
	struct flow f;

	use_cc(k, "newreno");
	f = flow_open(k, OFFER_ALL, RTT);
	kit_app_send(f.p, 10 * f.mss);
	flow_new(&f);
	kit_advance(k, RTT);
	flow_ack(&f, 9); /* the last is lost */
	kit_advance(k, 242 * MS);
	flow_expect(&f, 9);
	kit_advance(k, RTT);
	flow_ack(&f, 10);
	assert_true(window(&f) < 10);
	kit_advance(k, RTT);
	flow_ack(&f, f.sent);
	assert_int_equal(kit_ctr(k, CTR_RTO_FIRED), 0);
}

/* Without timestamps the ACK beyond the probe says it. */
static void RK_11_without_timestamps(void **s)
{
	struct kit *k = *s;
	struct flow f;
	unsigned int n, again;

	use_cc(k, "newreno");
	f = flow_open(k, OFFER_SACK | OFFER_WS, RTT);
	kit_app_send(f.p, 10 * f.mss);
	flow_new(&f);
	kit_advance(k, RTT);
	flow_ack(&f, 9);
	kit_advance(k, 242 * MS);
	flow_expect(&f, 9);
	kit_advance(k, RTT);
	flow_ack(&f, 10);
	n = window(&f);
	assert_true(n >= 10);
	kit_advance(k, RTT);
	flow_ack(&f, 11);
	flow_any(&f, &again);
	assert_true(f.sent - f.una < n);
}

static void RK_11_only_the_ack_was_late(void **s)
{
	struct kit *k = *s;
	struct flow f;
	uint32_t echo = 0;

	use_cc(k, "newreno");
	f = flow_open(k, OFFER_ALL, RTT);
	kit_app_send(f.p, 10 * f.mss);
	while (kit_has(k)) {
		echo = kit_take(f.p).opts.tsval;
		f.sent++;
	}
	kit_advance(k, RTT);
	flow_ack(&f, 9);
	kit_advance(k, 242 * MS);
	flow_expect(&f, 9);
	kit_advance(k, 1 * MS);
	send_seg(f.p, .flags = ACK, .seq = 1, .ack = at(&f, 10), .tsecr = echo);
	kit_advance(k, RTT);
	flow_sack(&f, 10, 9, 10); /* D-SACK for the probe */
	assert_true(window(&f) >= 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(RK_01_a_round_trip_of_40_us),
		KIT_TEST(RK_02_lost_after_the_reordering_window),
		KIT_TEST(RK_02_ties_go_by_sequence_number),
		cmocka_unit_test(a_wait_is_over_with_its_flight),
		KIT_TEST(RK_03_three_sacked_and_no_reordering_known),
		cmocka_unit_test(RK_03_two_are_not_enough),
		KIT_TEST(RK_03_three_small_ones),
		KIT_TEST(RK_03_in_recovery_it_does_not_wait),
		KIT_TEST(RK_03_after_a_timeout_it_does_not_wait),
		KIT_TEST(RK_03_after_reordering_it_waits),
		KIT_TEST(RK_04_window_follows_dsack),
		KIT_TEST(RK_05_a_lost_retransmission),
		KIT_TEST(RK_06_a_timeout_spares_what_is_young),
		KIT_TEST(RK_08_as_congestion_control_allows),
		KIT_TEST(RK_09_probe_after_two_round_trips),
		KIT_TEST(RK_09_one_segment_may_have_its_ack_delayed),
		KIT_TEST(RK_09_without_a_round_trip),
		KIT_TEST(RK_09_not_with_something_sacked),
		KIT_TEST(RK_10_new_data_first),
		KIT_TEST(RK_10_one_probe_and_then_the_timeout),
		KIT_TEST(RK_11_a_repaired_loss_is_a_loss),
		KIT_TEST(RK_11_without_timestamps),
		KIT_TEST(RK_11_only_the_ack_was_late),
	};

	return KIT_RUN("rack", tests);
}
