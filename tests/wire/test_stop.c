/*
 * A server that stops: every peer hears of it, however many there are, and whatever they need to be told with is
 * waited for; a drain goes on as far as there are blocks for it.
 */
#include "kit.h"

#define MANY 1090 /* more than fit into a port's queue */
#define CTL  1    /* the kit's own connection, by which the application is made to act */

/* n connections, every second with timestamps, every fifth with data that nobody acknowledged. */
static void crowd(struct kit *k, struct kit_peer **p, unsigned int n)
{
	k->unchecked = true;
	k->conf.max_connections = n + CTL + 1;
	k->conf.max_half_open = 64;
	k->conf.max_time_wait = n;
	for (unsigned int i = 0; i < n; i++) {
		p[i] = i % 2 ? kit_est(k) : kit_plain(k);
		if (i % 5)
			continue;
		kit_app_send(p[i], 10);
		expect(p[i], .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	}
}

static void expect_reset(struct kit_peer *p, unsigned int i)
{
	struct seg g = expect(p, .flags = RST | ACK, .seq = i % 5 ? 1 : 11, .ack = 1);

	assert_int_equal(g.opts.flags, p->ts ? TCP_OPTS_TS : 0);
	assert_int_equal(p->app.closes, 1);
	assert_int_equal(p->app.why, PIER_CLOSE_SHUTDOWN);
}

/* One call does what there is room for in the port's queue, and no more is lost by calling again. */
static void all_are_reset_as_there_is_room(void **s)
{
	static struct kit_peer *p[MANY];
	struct kit *k = *s;
	struct kit_peer *half;
	unsigned int calls = 0;

	crowd(k, p, MANY);
	half = kit_peer(k);
	kit_syn(half);
	kit_synack(half);
	assert_false(engine_abort(k->e, k->now, UINT32_MAX));
	assert_false(engine_abort(k->e, k->now, UINT32_MAX));
	assert_in_range(engine_left(k->e).packets, 256, 1024);
	assert_int_equal(engine_left(k->e).connections + engine_left(k->e).half_open +
			 engine_left(k->e).packets, MANY + CTL + 1);
	assert_null(engine_audit(k->e));
	for (; !engine_abort(k->e, k->now, 100); calls++) {
		kit_turn(k);
		assert_null(engine_check(k->e));
	}
	assert_in_range(calls, 2, MANY / 100);
	kit_turn(k);
	expect(half, .flags = RST | ACK, .seq = 1, .ack = 1);
	for (unsigned int i = 0; i < MANY; i++)
		expect_reset(p[i], i);
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_TX_RSTS), MANY + CTL + 1);
	assert_int_equal(kit_ctr(k, CTR_CONN_RESET_TX), MANY + CTL);
	assert_int_equal(kit_ctr(k, CTR_TX_QUEUE_FULL), 0);
	assert_int_equal(kit_usage(k).connections + kit_usage(k).half_open + kit_usage(k).block_bytes, 0);
}

/* At most so many records a call. */
static void an_abort_is_bounded(void **s)
{
	static struct kit_peer *p[100];
	struct kit *k = *s;

	crowd(k, p, 100);
	for (uint64_t left = 100 + CTL, now; left; left = now) {
		assert_int_equal(engine_abort(k->e, k->now, 10), left < 10);
		now = engine_left(k->e).connections;
		assert_in_range(left - now, 1, 10);
	}
	kit_turn(k);
	for (unsigned int i = 0; i < 100; i++)
		expect_reset(p[i], i);
}

/* All blocks are others': a connection at rest is told without one. */
static void no_block_is_needed(void **s)
{
	static struct kit_peer *p[30];
	struct kit *k = *s;

	crowd(k, p, 30);
	kit_fail_slab = 1;
	assert_true(engine_abort(k->e, k->now, UINT32_MAX));
	kit_fail_slab = 0;
	kit_turn(k);
	for (unsigned int i = 0; i < 30; i++)
		expect_reset(p[i], i);
	assert_int_equal(kit_ctr(k, CTR_BLOCKS_EXHAUSTED), 0);
}

/* Mbufs are waited for. */
static void mbufs_are_waited_for(void **s)
{
	static struct kit_peer *p[50];
	struct kit *k = *s;

	crowd(k, p, 50);
	kit_fail_mbufs = 1;
	for (unsigned int i = 0; i < 3; i++) {
		assert_false(engine_abort(k->e, k->now, UINT32_MAX));
		kit_turn(k);
	}
	assert_true(engine_left(k->e).connections > 0);
	assert_int_equal(kit_ctr(k, CTR_TX_RSTS) + engine_left(k->e).connections, 50 + CTL);
	kit_fail_mbufs = 0;
	assert_true(engine_abort(k->e, k->now, UINT32_MAX));
	kit_turn(k);
	for (unsigned int i = 0; i < 50; i++)
		expect_reset(p[i], i);
	kit_quiet(k);
}

/* There is no more time: nothing is sent, all is given back, and the peers that were not told are counted. */
static void abandoned_without_a_word(void **s)
{
	static struct kit_peer *p[40];
	struct kit *k = *s;
	struct kit_peer *half, *closing;

	crowd(k, p, 40);
	closing = p[2];
	send_seg(closing, .flags = FIN | ACK, .seq = 1, .ack = 1);
	expect(closing, .flags = FIN | ACK, .seq = 1, .ack = 2); /* LAST-ACK: the peer knows */
	half = kit_peer(k);
	kit_syn(half);
	kit_synack(half);
	assert_int_equal(engine_abandon(k->e, k->now), 39 + CTL + 1);
	assert_int_equal(engine_left(k->e).connections + engine_left(k->e).half_open, 0);
	kit_turn(k);
	kit_quiet(k);
	for (unsigned int i = 0; i < 40; i++)
		assert_int_equal(p[i]->app.closes, 1);
	assert_int_equal(half->app.opens, 0);
	assert_int_equal(kit_ctr(k, CTR_TX_RSTS), 0);
	assert_int_equal(kit_usage(k).block_bytes + kit_usage(k).mbufs_held, 0);
}

/* Answer each FIN by the peer's own; returns how many came. */
static unsigned int answer_fins(struct kit *k)
{
	unsigned int fins = 0;

	while (kit_has(k)) {
		struct kit_frame *f = kit_frame_next(k);
		struct kit_peer *p = k->peers[be16(kit_tcp(f->bytes)->dport) - k->peers[0]->port];
		struct seg g = kit_parse(p, f);

		assert_int_equal(g.seq, g.flags & FIN ? 1 : 2);
		if (!(g.flags & FIN))
			continue;
		send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
		fins++;
	}
	return fins;
}

/* 128 blocks for 400 connections: a FIN needs one, and who finds none is closed when there is one again. */
static void a_drain_waits_for_blocks(void **s)
{
	struct kit *k = *s;
	unsigned int fins;

	k->conf.block_bytes = SLAB_PAGE;
	k->unchecked = true;
	k->conf.max_connections = k->conf.max_time_wait = 400;
	for (unsigned int i = 0; i < 400; i++)
		kit_plain(k);
	engine_drain(k->e, k->now);
	kit_turn(k);
	assert_true(engine_next(k->e, k->now) > k->now); /* it does not spin */
	kit_advance(k, 10 * MS);
	assert_int_equal(kit_usage(k).connections, 400);
	for (fins = 0; fins < 400; kit_advance(k, 2 * MS))
		fins += answer_fins(k);
	assert_int_equal(fins, 400);
	for (unsigned int i = 0; i < 400; i++) {
		assert_int_equal(k->peers[i]->app.closes, 1);
		assert_int_equal(k->peers[i]->app.why, PIER_CLOSE_SHUTDOWN);
	}
	assert_int_equal(kit_usage(k).connections, 0);
	assert_int_equal(kit_ctr(k, CTR_BLOCKS_EXHAUSTED), 0);
	assert_int_equal(kit_ctr(k, CTR_TX_RSTS), 0);
	answer_fins(k);
}

/* A drain and what it left undone: the abort begins anew, none is told twice. */
static void a_drain_is_cut_short(void **s)
{
	static struct kit_peer *p[400];
	struct kit *k = *s;
	unsigned int fins = 0;

	k->conf.block_bytes = SLAB_PAGE;
	k->unchecked = true;
	k->conf.max_connections = k->conf.max_time_wait = 400;
	for (unsigned int i = 0; i < 400; i++)
		p[i] = kit_plain(k);
	engine_drain(k->e, k->now);
	kit_turn(k);
	for (; kit_has(k); fins++)
		expect(p[fins], .flags = FIN | ACK, .seq = 1, .ack = 1);
	assert_in_range(fins, 1, 128);
	assert_true(engine_abort(k->e, k->now, UINT32_MAX));
	kit_turn(k);
	for (unsigned int i = 0; i < 400; i++)
		expect(p[i], .flags = RST | ACK, .seq = i < fins ? 2 : 1, .ack = 1);
	kit_silence(k, SEC);
	assert_int_equal(kit_usage(k).connections, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(all_are_reset_as_there_is_room),
		KIT_TEST(an_abort_is_bounded),
		KIT_TEST(no_block_is_needed),
		KIT_TEST(mbufs_are_waited_for),
		KIT_TEST(abandoned_without_a_word),
		KIT_TEST(a_drain_waits_for_blocks),
		KIT_TEST(a_drain_is_cut_short),
	};

	return KIT_RUN("stop", tests);
}
