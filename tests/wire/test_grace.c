/*
 * Grace: the deadline of a connection at work, if it is not near, waits for some milliseconds before it gets an
 * entry in the wheel. One that is over by then leaves nothing behind; none comes late for it.
 */
#include "inside.h"

#define GRACE (65 * MS) /* its turn has come, wherever in a millisecond it began */

static struct tcp *tcp_of(const struct kit *k)
{
	return (struct tcp *)(uintptr_t)engine_tcp(k->e);
}

static struct tcp_conn *record_of(const struct kit_peer *p)
{
	return &tcp_of(p->k)->conn[(uint32_t)p->app.id];
}

static bool in_grace(const struct kit_peer *p)
{
	const struct tcp_conn *c = record_of(p);

	return c->block && delay_holds(&tcp_of(p->k)->grace, tcp_work_of(tcp_of(p->k), c)->grace,
				       (uint32_t)p->app.id);
}

/* Connections in the line, but for places taken back. */
static uint32_t in_line(const struct kit *k)
{
	const struct delay *line = &tcp_of(k)->grace;
	uint32_t n = 0;

	for (uint32_t i = 0; i < delay_count(line); i++)
		n += delay_at(line, i)->number != 0;
	return n;
}

/* A setting of its own keeps the block, so that the handler's timer is that of a connection at work. */
static void keep_block(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	pier_set_timeouts(c, 90 * SEC, 200 * SEC);
}

static struct kit_peer *at_work(struct kit *k)
{
	struct kit_peer *p = kit_est(k);

	kit_app_call(p, keep_block, 0);
	return p;
}

/* 64 bytes come back; they are acknowledged so much later. */
static void echo_once(struct kit_peer *p, unsigned int nth, uint64_t ack_after)
{
	const uint32_t at = 1 + 64 * nth;

	send_seg(p, .flags = ACK | PSH, .seq = at, .ack = at, .len = 64);
	expect(p, .flags = ACK | PSH, .seq = at, .ack = at + 64, .len = 64);
	kit_silence(p->k, ack_after);
	send_seg(p, .flags = ACK, .seq = at + 64, .ack = at + 64);
	kit_quiet(p->k);
}

/* An echo server's connection that has been silent for so long that its entry lies far ahead. */
static struct kit_peer *at_rest(struct kit *k)
{
	struct kit_peer *p;

	k->tcp.keepalive = true;
	p = kit_est(k);
	p->app.echo = true;
	do
		kit_silence(k, 100 * SEC);
	while (seq_lt(record_of(p)->wheel_at, tcp_of(k)->now_ms + 40000));
	assert_false(in_grace(p));
	return p;
}

/* Its ACK comes in time: the wheel is as it was, and the entry that was there is the valid one. */
static void an_echo_leaves_no_entry(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = at_rest(k);
	const struct tcp_conn before = *record_of(p);
	const uint64_t entries = wheel_count(&tcp_of(k)->wheel);

	for (unsigned int i = 0; i < 20; i++) {
		echo_once(p, i, i % 4 * 20 * MS);
		kit_silence(k, 300 * MS);
		assert_int_equal(wheel_count(&tcp_of(k)->wheel), entries);
		assert_int_equal(record_of(p)->wheel_at, before.wheel_at);
		assert_int_equal(record_of(p)->wheel_slot, before.wheel_slot);
		assert_int_equal(in_line(k), 0);
	}
}

/* It does not: then there is an entry, and the retransmission comes when it should. */
static void what_still_waits_gets_an_entry(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = at_rest(k);
	const uint32_t far = record_of(p)->wheel_at;

	echo_once(p, 0, MS);
	kit_silence(k, 50 * MS);
	send_seg(p, .flags = ACK | PSH, .seq = 65, .ack = 65, .len = 64);
	expect(p, .flags = ACK | PSH, .seq = 65, .ack = 129, .len = 64);
	assert_true(in_grace(p));
	assert_int_equal(record_of(p)->wheel_at, far);
	kit_silence(k, GRACE);
	assert_false(in_grace(p));
	assert_int_equal(record_of(p)->wheel_at, record_of(p)->deadline);
	kit_silence(k, (record_of(p)->deadline - tcp_of(k)->now_ms - 1) * MS);
	kit_advance(k, MS);
	expect(p, .flags = ACK | PSH, .seq = 65, .ack = 129, .len = 64);
	send_seg(p, .flags = ACK, .seq = 129, .ack = 129);
}

/* Its ACK cannot come in time: the wheel is where it goes at once. */
static void a_distant_peer_has_none(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	kit_syn(p);
	kit_synack(p);
	kit_advance(k, 70 * MS);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	p->app.echo = true;
	send_seg(p, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 64);
	expect(p, .flags = ACK | PSH, .seq = 1, .ack = 65, .len = 64);
	assert_false(in_grace(p));
	assert_int_equal(record_of(p)->wheel_at, record_of(p)->deadline);
	send_seg(p, .flags = ACK, .seq = 65, .ack = 65);
}

/* A timer after so many ms, set when one 100 ms ahead has been in the line for so long: not a tick late. */
static void on_time_after(unsigned int waited, unsigned int delay)
{
	struct kit *k = kit_new();
	struct kit_peer *p = at_work(k);

	kit_app_timer(p, 100 * MS);
	kit_advance(k, waited * MS);
	kit_app_timer(p, delay * MS);
	kit_advance(k, delay * MS);
	assert_int_equal(p->app.timers, 0);
	kit_advance(k, MS);
	assert_int_equal(p->app.timers, 1);
	kit_silence(k, 200 * MS);
	assert_int_equal(p->app.timers, 1);
	kit_close(k);
}

static void no_timer_is_late(void **s)
{
	static const unsigned int waited[] = {0, 1, 40, 63, 64, 65, 80};
	static const unsigned int delay[] = {1, 2, 23, 24, 62, 63, 64, 65, 66, 90};

	for (unsigned int i = 0; i < ARRAY_SIZE(waited); i++)
		for (unsigned int n = 0; n < ARRAY_SIZE(delay); n++)
			on_time_after(waited[i], delay[n]);
}

/* There is nothing else to wake up for: the engine asks for the end of the grace. */
static void the_engine_asks_for_its_turn(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = at_work(k);

	kit_silence(k, 10 * SEC);
	assert_int_equal(wheel_count(&tcp_of(k)->wheel), 0);
	kit_app_timer(p, 200 * MS);
	assert_true(in_grace(p));
	assert_true(engine_next(k->e, k->now) <= k->now + GRACE);
	kit_advance(k, GRACE);
	assert_false(in_grace(p));
}

/* What goes before its turn leaves nothing behind, and a later deadline takes no second place. */
static void one_place_a_connection(void **s)
{
	struct kit *k = *s;

	for (unsigned int i = 0; i < 30; i++) {
		struct kit_peer *p = at_work(k);

		for (unsigned int n = 0; n < 10; n++) {
			kit_app_timer(p, (100 + n) * MS);
			assert_true(in_grace(p));
			assert_in_range(in_line(k), 1, 2); /* kit.ctl may owe an ACK */
		}
		kit_app_abort(p);
		kit_drain(k);
		assert_in_range(in_line(k), 0, 1);
		assert_int_equal(record_of(p)->wheel_slot, 0);
	}
}

/* No room: the first one's turn is now, and the last one has its place. Both are on time. */
static void a_full_line(void **s)
{
	struct kit *k = *s;
	struct kit_peer *a = at_work(k), *b = at_work(k);

	kit_advance(k, SEC);
	kit_app_timer(a, 120 * MS);
	assert_int_equal(delay_at(&tcp_of(k)->grace, 0)->number, (uint32_t)a->app.id);
	while (!delay_full(&tcp_of(k)->grace))
		delay_take_back(&tcp_of(k)->grace,
				delay_put(&tcp_of(k)->grace, 1, tcp_of(k)->now_ms + 5));
	kit_turn(k);
	assert_true(in_grace(a));
	kit_app_timer(b, 110 * MS);
	assert_false(in_grace(a));
	assert_int_equal(record_of(a)->wheel_at, record_of(a)->deadline);
	assert_true(in_grace(b));
	kit_advance(k, 110 * MS);
	assert_int_equal(a->app.timers + b->app.timers, 0);
	kit_advance(k, MS);
	assert_int_equal(b->app.timers, 1);
	kit_advance(k, 9 * MS);
	assert_int_equal(a->app.timers, 0);
	kit_advance(k, MS);
	assert_int_equal(a->app.timers, 1);
}

/* A tick takes no more of them than it may. */
static void a_tick_is_bounded(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p[6];
	uint32_t n;

	for (unsigned int i = 0; i < ARRAY_SIZE(p); i++) {
		p[i] = at_work(k);
		kit_app_timer(p[i], 100 * MS);
	}
	assert_true(in_line(k) >= ARRAY_SIZE(p));
	n = delay_count(&tcp_of(k)->grace);
	k->now += 70 * MS;
	engine_tick(k->e, k->now, 4);
	assert_int_equal(delay_count(&tcp_of(k)->grace), n - 4);
	engine_tick(k->e, k->now, 256);
	assert_int_equal(in_line(k), 0);
	kit_advance(k, 32 * MS);
	for (unsigned int i = 0; i < ARRAY_SIZE(p); i++)
		assert_int_equal(p[i]->app.timers, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(an_echo_leaves_no_entry),
		KIT_TEST(what_still_waits_gets_an_entry),
		KIT_TEST(a_distant_peer_has_none),
		cmocka_unit_test(no_timer_is_late),
		KIT_TEST(the_engine_asks_for_its_turn),
		KIT_TEST(one_place_a_connection),
		KIT_TEST(a_full_line),
		KIT_TEST(a_tick_is_bounded),
	};

	return KIT_RUN("grace", tests);
}
