/*
 * Listeners: their versions, what a change of configuration leaves behind, and openings that find no
 * room. Rows: OPN-15 DOS-07 ISN-04 TS-11.
 */
#include <errno.h>

#include "kit.h"

static struct listener other(struct kit *k, uint16_t lo, uint16_t hi, uint32_t local)
{
	struct listener l = {.handler = &kit_handler, .settings = k, .tcp = k->tcp, .local = local,
			     .port_lo = lo, .port_hi = hi};

	listener_prepare(&l);
	return l;
}

static void OPN_15_listening_twice(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k), *q;
	struct listener l = other(k, KIT_PORT, KIT_PORT, LISTENER_ANY);
	uint64_t users = engine_listener_users(k->e, k->versions[0]);

	assert_int_equal(engine_listen(k->e, &l), -EADDRINUSE);
	l = other(k, KIT_PORT - 10, KIT_PORT + 10, LISTENER_ANY);
	assert_int_equal(engine_listen(k->e, &l), -EADDRINUSE);
	assert_int_equal(engine_listener_users(k->e, k->versions[0]), users);
	assert_int_equal(kit_usage(k).listeners, 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	assert_int_equal(p->app.rx, 100);
	kit_app_send(p, 100);
	expect(p, .flags = ACK, .seq = 1, .ack = 101, .len = 100);
	q = kit_plain(k);
	send_seg(q, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	assert_int_equal(q->app.rx, 10);
	/* Another port, and an address of its own, are other places. */
	l = other(k, KIT_PORT, KIT_PORT, 1);
	users = (uint64_t)engine_listen(k->e, &l);
	assert_true((int)users >= 0);
	engine_unlisten(k->e, (int)users);
}

static void a_closed_listener_lives_as_long_as_its_connections(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k), *q = kit_peer(k);
	struct listener l = other(k, KIT_PORT, KIT_PORT, LISTENER_ANY);
	int old = k->versions[0], next;

	kit_syn(q);
	kit_synack(q);
	assert_int_equal(engine_listener_users(k->e, old), 3);
	engine_unlisten(k->e, old);
	assert_int_equal(engine_listener_users(k->e, old), 2);
	kit_peer(k);
	kit_syn(k->peers[2]);
	expect(k->peers[2], .flags = RST | ACK, .seq = 0, .ack = 1);
	/* The half-open one may still complete: it was opened under that version. */
	send_seg(q, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(q->app.opens, 1);
	send_seg(p, .flags = RST, .seq = 1);
	assert_int_equal(engine_listener_users(k->e, old), 1);
	send_seg(q, .flags = RST, .seq = 1);
	assert_int_equal(engine_listener_users(k->e, old), 0);
	assert_int_equal(kit_usage(k).listeners, 0);
	/* Its number is nobody's now, whoever has its place. */
	next = engine_listen(k->e, &l);
	assert_int_not_equal(next, old);
	engine_unlisten(k->e, old);
	assert_int_equal(engine_listener_users(k->e, old), 0);
	assert_int_equal(engine_listener_users(k->e, next), 1);
	kit_open(k->peers[2]);
	send_seg(k->peers[2], .flags = RST, .seq = 1);
	engine_unlisten(k->e, next);
	assert_int_equal(kit_usage(k).listeners, 0);
}

/* A thousand changes under connections that come and go: as many versions as have users. */
static void changes_leave_nothing_behind(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p[4];
	struct listener l[1001];
	int version;

	kit_start(k);
	version = k->versions[0];
	for (unsigned int i = 0; i < 4; i++)
		p[i] = kit_peer(k);
	for (unsigned int i = 0; i < 1000; i++) {
		struct kit_peer *q = p[i % 4];
		int next;

		l[i] = other(k, KIT_PORT, KIT_PORT, LISTENER_ANY);
		next = engine_relisten(k->e, version, &l[i]);
		assert_true(next >= 0 && next != version);
		assert_int_equal(engine_relisten(k->e, version, &l[i]), -ENOENT);
		version = next;
		if (q->app.opens > q->app.closes)
			send_seg(q, .flags = RST, .seq = 1);
		kit_open(q);
		assert_true(kit_usage(k).listeners <= 5);
	}
	/* A change to a place that somebody else has is refused, and changes nothing. */
	k->versions[0] = version;
	l[1000] = other(k, 81, 81, LISTENER_ANY);
	version = engine_listen(k->e, &l[1000]);
	l[999].port_hi = 81;
	assert_int_equal(engine_relisten(k->e, k->versions[0], &l[999]), -EADDRINUSE);
	l[999].port_hi = KIT_PORT;
	engine_unlisten(k->e, version);
	for (unsigned int i = 0; i < 4; i++)
		send_seg(p[i], .flags = RST, .seq = 1);
	assert_int_equal(kit_usage(k).listeners, 1);
	engine_unlisten(k->e, k->versions[0]);
	assert_int_equal(kit_usage(k).listeners, 0);
}

static void TS_11_reset_echoes_the_timestamp(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k), *q = kit_est(k);
	struct seg g;

	p->dport = 4444;
	send_seg(p, .flags = SYN, .opts = {.flags = TCP_OPTS_TS, .tsval = 77});
	g = expect(p, .flags = RST | ACK, .seq = 0, .ack = 1);
	assert_true(g.opts.flags & TCP_OPTS_TS);
	assert_int_equal(g.opts.tsval, 0);
	assert_int_equal(g.opts.tsecr, 77);
	send_seg(p, .flags = ACK, .seq = 5, .ack = 9, .tsval = 78);
	g = expect(p, .flags = RST, .seq = 9);
	assert_true(g.opts.flags & TCP_OPTS_TS);
	assert_int_equal(g.opts.tsecr, 78);
	send_seg(p, .flags = SYN);
	g = expect(p, .flags = RST | ACK, .seq = 0, .ack = 1);
	assert_false(g.opts.flags & TCP_OPTS_TS);
	kit_app_abort(q);
	g = expect(q, .flags = RST | ACK, .seq = 1, .ack = 1);
	assert_true(g.opts.flags & TCP_OPTS_TS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(OPN_15_listening_twice),
		KIT_TEST(a_closed_listener_lives_as_long_as_its_connections),
		KIT_TEST(changes_leave_nothing_behind),
		KIT_TEST(TS_11_reset_echoes_the_timestamp),
	};

	return cmocka_run_group_tests_name("listen", tests, kit_group_setup, NULL);
}
