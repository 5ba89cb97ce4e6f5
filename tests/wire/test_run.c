/*
 * Several full segments of new data leave in one run (tcp/run.c): on the wire nothing tells them from segments that
 * were decided one by one.
 */
#include "kit.h"

#define MSS 1448

static struct kit_peer *open_peer(struct kit *k)
{
	struct kit_peer *p = kit_peer(k);

	p->offer = OFFER_ALL;
	p->mss = 1460;
	p->win = 65535;
	kit_open(p);
	return p;
}

/* n of them from seq on; the last one with these flags, the others with an ACK alone. */
static void expect_run(struct kit_peer *p, uint32_t seq, unsigned int n, uint8_t last)
{
	for (unsigned int i = 0; i < n; i++) {
		const struct seg s = kit_take(p);

		assert_int_equal(s.seq, seq + i * MSS);
		assert_int_equal(s.len, MSS);
		assert_int_equal(s.flags, i + 1 < n ? ACK : last);
	}
	kit_quiet(p->k);
}

/* What empties the queue is pushed, however full it is. */
static void the_last_one_is_pushed(void **state)
{
	struct kit_peer *p = open_peer(*state);

	for (unsigned int statics = 0; statics < 2; statics++) {
		const uint32_t at = 1 + statics * 6 * MSS;

		p->app.statics = statics;
		kit_app_send(p, 6 * MSS);
		expect_run(p, at, 6, ACK | PSH);
		send_seg(p, .flags = ACK, .seq = 1, .ack = at + 6 * MSS);
	}
}

static void the_fin_goes_with_the_last_one(void **state)
{
	struct kit_peer *p = open_peer(*state);

	p->app.close_on_data = true;
	p->app.on_data = 6 * MSS;
	send_seg(p, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 10);
	expect_run(p, 1, 6, ACK | PSH | FIN);
}

/* RFC 7661 section 4.4.2: so many back to back, the others later. */
static void no_more_than_a_burst(void **state)
{
	struct kit *k = *state;
	struct kit_peer *p;

	k->tcp.burst = 4;
	p = open_peer(k);
	kit_app_send(p, 9 * MSS);
	expect_run(p, 1, 4, ACK);
	kit_advance(k, 5 * MS);
	expect_run(p, 1 + 4 * MSS, 5, ACK | PSH);
}

/* As far as the peer's window reaches, and not beyond it. */
static void as_far_as_the_window(void **state)
{
	struct kit *k = *state;
	struct kit_peer *p = kit_peer(k);

	p->mss = 1460;
	p->win = 5 * 1460 + 700;
	kit_open(p);
	kit_app_send(p, 9 * 1460);
	for (unsigned int i = 0; i < 5; i++)
		expect(p, .flags = ACK, .seq = 1 + i * 1460, .ack = 1, .len = 1460);
	kit_quiet(k);
}

/* RFC 2018 section 4: as long as there is a gap each segment tells of what lies behind it. */
static void all_tell_of_a_gap(void **state)
{
	struct kit *k = *state;
	struct kit_peer *p = open_peer(k);
	unsigned int n = 0;

	send_seg(p, .flags = ACK, .seq = 1001, .ack = 1, .len = 100);
	kit_drain(k);
	kit_app_send(p, 6 * MSS);
	for (; kit_has(k); n++) {
		const struct seg s = kit_take(p);

		assert_int_equal(s.opts.sack_n, 1);
		assert_int_equal(s.sack[0].left, 1001);
		assert_int_equal(s.sack[0].right, 1101);
	}
	assert_int_equal(n, 7); /* the blocks take room */
}

/* RFC 9293 section 3.8.5: up to the urgent data's end each segment says where that is. */
static void all_tell_of_urgent_data(void **state)
{
	struct kit *k = *state;
	struct kit_peer *p = open_peer(k);

	kit_app_send_urgent(p, 6 * MSS);
	for (uint32_t i = 0; i < 6; i++) {
		const struct seg s = kit_take(p);

		assert_int_equal(s.seq, 1 + i * MSS);
		assert_true(s.flags & URG);
		assert_int_equal(s.urg, (6 - i) * MSS);
	}
	kit_quiet(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(the_last_one_is_pushed), KIT_TEST(the_fin_goes_with_the_last_one),
		KIT_TEST(no_more_than_a_burst),	  KIT_TEST(as_far_as_the_window),
		KIT_TEST(all_tell_of_a_gap),	  KIT_TEST(all_tell_of_urgent_data),
	};

	return KIT_RUN("run", tests);
}
