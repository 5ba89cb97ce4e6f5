/*
 * A record's entry in the timing wheel outlives the connection and serves the next one: where connections
 * come and go there is one for each record, and deadlines earlier and later than what was left are kept.
 */
#include "inside.h"

#define ROUNDS 100

static struct tcp *tcp_of(const struct kit *k)
{
	return (struct tcp *)(uintptr_t)engine_tcp(k->e);
}

static uint64_t entries(const struct kit *k)
{
	return wheel_count(&tcp_of(k)->wheel);
}

/* The record's entry in the wheel: of the connection, or left by it. */
static bool has_entry(const struct kit_peer *p)
{
	return tcp_of(p->k)->conn[(uint32_t)p->app.id].wheel_slot != 0;
}

static void abort_it(struct kit_peer *p)
{
	kit_app_abort(p);
	kit_drain(p->k);
	assert_int_equal(tcp_of(p->k)->conn[(uint32_t)p->app.id].state, TCP_CLOSED);
}

/* Closed by the engine's side, so that TIME-WAIT is here. */
static void close_it(struct kit_peer *p)
{
	kit_app_close(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p, .flags = ACK, .seq = 2, .ack = 2);
}

/* A connection on the same record as the one before, of which an entry was left or not. */
static struct kit_peer *next_user(struct kit *k, const struct kit_peer *before, bool left)
{
	struct kit_peer *p;

	assert_int_equal(has_entry(before), left);
	p = kit_est(k);
	assert_int_equal((uint32_t)p->app.id, (uint32_t)before->app.id);
	return p;
}

static void one_entry_a_record(void **s)
{
	struct kit *k = *s;
	uint64_t first;

	k->conf.max_time_wait = 2 * ROUNDS;
	close_it(kit_est(k));
	first = entries(k);
	for (unsigned int i = 0; i < ROUNDS; i++)
		close_it(kit_est(k));
	assert_in_range(entries(k), 1, first + 4); /* 4: where the clock goes back, a deadline is earlier */
	assert_int_equal(kit_usage(k).time_wait, ROUNDS + 1);
}

static void what_is_left_is_no_timer(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);

	kit_app_timer(p, 20 * MS);
	assert_true(kit_usage(k).timers > 0);
	abort_it(p);
	assert_true(has_entry(p));
	assert_int_equal(kit_usage(k).timers, 0);
	kit_silence(k, 2 * SEC);
	assert_false(has_entry(p));
	assert_int_equal(p->app.timers, 0);
}

static void an_earlier_deadline(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);

	kit_app_timer(p, 50 * MS);
	abort_it(p);
	p = next_user(k, p, true);
	kit_app_timer(p, 20 * MS);
	kit_advance(k, 25 * MS);
	assert_int_equal(p->app.timers, 1);
	kit_advance(k, SEC);
	assert_int_equal(p->app.timers, 1);
}

static void a_later_deadline(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);

	kit_app_timer(p, 20 * MS);
	abort_it(p);
	p = next_user(k, p, true);
	kit_app_timer(p, 50 * MS);
	kit_advance(k, 45 * MS);
	assert_int_equal(p->app.timers, 0);
	kit_advance(k, 10 * MS);
	assert_int_equal(p->app.timers, 1);
	kit_advance(k, SEC);
	assert_int_equal(p->app.timers, 1);
}

/* The next user has none, until what was left has run out. */
static void no_deadline(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);

	kit_app_timer(p, 20 * MS);
	abort_it(p);
	p = next_user(k, p, true);
	kit_silence(k, SEC);
	assert_int_equal(p->app.timers, 0);
	kit_app_timer(p, 20 * MS);
	kit_advance(k, 25 * MS);
	assert_int_equal(p->app.timers, 1);
}

/* What was left ran out while nobody had the record. */
static void nothing_is_left(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);

	kit_app_timer(p, 20 * MS);
	abort_it(p);
	kit_silence(k, 2 * SEC);
	p = next_user(k, p, false);
	kit_app_timer(p, 20 * MS);
	kit_advance(k, 25 * MS);
	assert_int_equal(p->app.timers, 1);
}

/* There is no room in the wheel, and none is needed for what is not before the entry that is there. */
static void a_full_wheel(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);
	uint32_t last = k->conf.max_connections; /* a record never used: its entries are dead */
	struct tcp *t = tcp_of(k);

	kit_app_timer(p, 20 * MS);
	abort_it(p);
	while (wheel_insert(&t->wheel, flow_entry(FLOW_CONN, last), t->now_ms + 20000))
		;
	p = next_user(k, p, true);
	kit_app_timer(p, 50 * MS);
	kit_advance(k, 55 * MS);
	assert_int_equal(p->app.timers, 1);
	assert_int_equal(kit_ctr(k, CTR_WHEEL_FULL), 0);
	abort_it(p);
}

/* ---- half-open ---- */

/* A handshake that ends by RST leaves an entry for a second later; 100 ms pass. */
static void leave_half(struct kit *k)
{
	struct kit_peer *p = kit_peer(k);

	kit_syn(p);
	kit_synack(p);
	send_seg(p, .flags = RST, .seq = 1);
	assert_int_equal(kit_usage(k).half_open, 0);
	assert_true(entries(k) > 0);
	assert_int_equal(kit_usage(k).timers, 0);
	kit_silence(k, 100 * MS);
}

/* A SYN-ACK to this port is sent again after so long. */
static void synack_again(struct kit *k, uint16_t port, uint64_t rto)
{
	struct kit_peer *p = kit_peer(k);

	p->dport = port;
	kit_syn(p);
	kit_synack(p);
	assert_int_equal(tcp_of(k)->small_pool.fresh, 1);
	kit_silence(k, rto - 5 * MS);
	kit_advance(k, 10 * MS);
	expect(p, .flags = SYN | ACK, .seq = 0, .ack = 1);
	send_seg(p, .flags = RST, .seq = 1);
	kit_quiet(k);
}

static void half_open_with(struct kit *k, uint64_t rto)
{
	kit_start(k);
	k->tcp.rto_initial = rto;
	kit_listen(k, KIT_PORT + 1, LISTENER_ANY);
	leave_half(k);
	synack_again(k, KIT_PORT + 1, rto);
	kit_silence(k, 10 * SEC);
}

static void half_open_same(void **s)
{
	half_open_with(*s, SEC);
}

static void half_open_earlier(void **s)
{
	half_open_with(*s, 300 * MS);
}

static void half_open_later(void **s)
{
	half_open_with(*s, 3 * SEC);
}

static void half_open_nobody(void **s)
{
	struct kit *k = *s;

	leave_half(k);
	kit_silence(k, 2 * SEC);
	assert_int_equal(entries(k), 0);
	synack_again(k, KIT_PORT, SEC);
}

/* As many as there may be wait and were half-open: each kind has its own records. */
static void both_kinds_to_the_last_record(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	k->conf.max_half_open = 4;
	k->conf.max_time_wait = 6;
	k->tcp.syn_cookies = TCP_COOKIES_NEVER;
	for (unsigned int i = 0; i < 20; i++) {
		close_it(kit_est(k));
		for (unsigned int n = 0; n < 4; n++) {
			p = kit_peer(k);
			kit_syn(p);
			kit_synack(p);
			assert_int_equal(kit_usage(k).half_open, n + 1);
		}
		kit_advance(k, 300 * MS);
		for (unsigned int n = 0; n < 4; n++)
			send_seg(k->peers[k->n_peers - 4 + n], .flags = RST, .seq = 1);
		assert_int_equal(kit_usage(k).half_open, 0);
		assert_int_equal(kit_usage(k).time_wait, min_of(i + 1, 6u));
	}
	assert_in_range(entries(k), 1, 16);
	assert_int_equal(tcp_of(k)->small_pool.fresh, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(one_entry_a_record),
		KIT_TEST(what_is_left_is_no_timer),
		KIT_TEST(an_earlier_deadline),
		KIT_TEST(a_later_deadline),
		KIT_TEST(no_deadline),
		KIT_TEST(nothing_is_left),
		KIT_TEST(a_full_wheel),
		KIT_TEST(half_open_same),
		KIT_TEST(half_open_earlier),
		KIT_TEST(half_open_later),
		KIT_TEST(half_open_nobody),
		KIT_TEST(both_kinds_to_the_last_record),
	};

	return KIT_RUN("wheel", tests);
}
