/*
 * Listeners: their versions, what a change of configuration leaves behind, and openings that find no
 * room; SYN-RECEIVED under repetition. Rows: OPN-11 OPN-15 DOS-07 T-18 TS-11, BLD-01 for its part
 * of SYN-RECEIVED.
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

/* ---- no room ---- */

#define CLIENTS 1000
#define ROOM    128

/* A client that tries again each second until its request was answered, then closes. */
enum stage { ASKING, CONNECTED, SERVED, CLOSED, FAILED };

struct crowd {
	struct kit *k;
	struct kit_peer *p[CLIENTS];
	enum stage stage[CLIENTS];
	uint32_t n[FAILED + 1];
};

static struct crowd crowd;

static void crowd_set(unsigned int i, enum stage st)
{
	crowd.n[crowd.stage[i]]--;
	crowd.n[st]++;
	crowd.stage[i] = st;
}

/* What came for the clients: SYN-ACKs, answers, FINs, RSTs. */
static void crowd_hear(void)
{
	struct kit_frame *f;

	while ((f = kit_frame_next(crowd.k))) {
		const struct tcp_hdr *th = kit_tcp(f->bytes);
		unsigned int i = be16(th->dport) - crowd.p[0]->port;
		struct seg g;

		assert_true(i < CLIENTS);
		g = kit_parse(crowd.p[i], f);
		if (g.flags & RST)
			crowd_set(i, FAILED);
		else if (g.flags & SYN && crowd.stage[i] == ASKING)
			crowd_set(i, CONNECTED);
		else if (!(g.flags & SYN) && g.ack == 11 && crowd.stage[i] == CONNECTED)
			crowd_set(i, SERVED);
	}
}

static void crowd_speak(bool leave)
{
	for (unsigned int i = 0; i < CLIENTS; i++) {
		struct kit_peer *p = crowd.p[i];

		if (crowd.stage[i] == ASKING) {
			kit_syn(p);
		} else if (crowd.stage[i] == CONNECTED) {
			send_seg(p, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 10);
		} else if (crowd.stage[i] == SERVED && leave) {
			send_seg(p, .flags = RST, .seq = 11);
			crowd_set(i, CLOSED);
		}
		crowd_hear();
	}
}

/* All at once; for ten seconds nobody leaves; then those who were served do, each second. */
static void crowd_run(struct kit *k)
{
	crowd = (struct crowd){.k = k, .n = {CLIENTS}};
	for (unsigned int i = 0; i < CLIENTS; i++) {
		crowd.p[i] = kit_peer(k);
		crowd.p[i]->app.on_data = 1;
	}
	for (unsigned int sec = 0; sec < 100 && crowd.n[CLOSED] + crowd.n[FAILED] < CLIENTS; sec++) {
		crowd_speak(sec >= 10);
		assert_true(kit_usage(k).connections <= ROOM);
		assert_true(kit_usage(k).half_open <= k->conf.max_half_open);
		if (sec == 9)
			assert_int_equal(kit_usage(k).connections, ROOM);
		kit_advance(k, SEC);
		crowd_hear();
	}
}

/*
 * Handlers open at once here, so what an application that does not accept is elsewhere, is no room
 * for a connection: ROOM records, and 1000 clients. What is beyond is held, within the half-open
 * records there are, or dropped; all are served when room comes.
 */
static void DOS_07_all_recover(void **s)
{
	static const uint32_t half[] = {CLIENTS + 200, 64};
	static const enum tcp_cookies modes[] = {TCP_COOKIES_AUTO, TCP_COOKIES_NEVER};

	for (unsigned int i = 0; i < ARRAY_SIZE(half); i++) {
		for (unsigned int j = 0; j < ARRAY_SIZE(modes); j++) {
			struct kit *k = i + j ? kit_new() : *s;

			k->conf.max_connections = ROOM;
			k->conf.max_half_open = half[i];
			k->tcp.syn_cookies = modes[j];
			crowd_run(k);
			assert_int_equal(crowd.n[CLOSED], CLIENTS);
			assert_int_equal(kit_usage(k).half_open, 0);
			if (!j)
				assert_true(kit_ctr(k, CTR_HANDSHAKES_HELD) > 0);
			if (i + j)
				kit_close(k);
		}
	}
}

/* The knob: a completed handshake without room is reset. */
static void DOS_07_reset(void **s)
{
	struct kit *k = *s;

	k->conf.max_connections = ROOM;
	k->conf.max_half_open = CLIENTS;
	k->tcp.overflow = TCP_OVERFLOW_RESET;
	k->conf.rst_rate = 100000;
	crowd_run(k);
	assert_int_equal(kit_ctr(k, CTR_HANDSHAKES_HELD), 0);
	assert_int_equal(crowd.n[CLOSED] + crowd.n[FAILED], CLIENTS);
	assert_true(crowd.n[FAILED] > CLIENTS / 2);
	assert_true(crowd.n[CLOSED] >= ROOM);
}

/* Not records but blocks run out. The handshake is held, its SYN-ACK sent again. */
static void DOS_07_no_block(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p[300], *last;
	unsigned int n = 0;

	k->conf.block_bytes = 128 * 1024;
	k->conf.max_connections = 1000;
	k->conf.max_half_open = 100;
	do {
		last = p[n++] = kit_peer(k);
		last->app.statics = true; /* not copied, and not acknowledged: a block each */
		last->app.on_open = 1;
		kit_syn(last);
		kit_synack(last);
		send_seg(last, .flags = ACK, .seq = 1, .ack = 1);
		kit_drain(k);
	} while (last->app.opens && n < 300);
	assert_true(n < 300);
	assert_int_equal(kit_ctr(k, CTR_HANDSHAKES_HELD), 1);
	assert_int_equal(kit_usage(k).half_open, 1);
	send_seg(p[0], .flags = RST, .seq = 1);
	send_seg(p[1], .flags = RST, .seq = 1);
	kit_advance(k, 1100 * MS);
	send_seg(last, .flags = ACK, .seq = 1, .ack = 1); /* of the SYN-ACK that came again */
	assert_int_equal(last->app.opens, 1);
	assert_int_equal(kit_ctr(k, CTR_SYNACK_RETRANSMITS), 1);
	assert_int_equal(kit_usage(k).half_open, 0);
}

/* ---- SYN-RECEIVED ---- */

/*
 * 60 clients in a table of ten buckets, so that many share one; each sends its SYN, all of them
 * again, and then another one with a new ISN, interleaved.
 */
static void T_18_openings_do_not_mix(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p[60];
	uint32_t iss[60];

	k->conf.max_half_open = 80;
	k->conf.max_time_wait = 1;
	k->conf.max_connections = 64;
	k->conf.max_paths = 4;
	for (unsigned int i = 0; i < 60; i++)
		p[i] = kit_peer(k);
	for (unsigned int round = 0; round < 2; round++) {
		kit_burst_begin(k);
		for (unsigned int i = 0; i < 60; i++)
			kit_syn(p[i]);
		kit_burst_end(k);
		for (unsigned int i = 0; i < 60; i++) {
			kit_synack(p[i]); /* acknowledges its own ISN + 1 */
			if (round)
				assert_int_equal(p[i]->iss, iss[i]);
			iss[i] = p[i]->iss;
		}
		assert_int_equal(kit_usage(k).half_open, 60);
	}
	kit_burst_begin(k);
	for (unsigned int i = 0; i < 60; i++)
		send_seg(p[i], .flags = SYN, .seq = 900000000,
			 .opts = {.flags = TCP_OPTS_MSS, .mss = 1460});
	kit_burst_end(k);
	for (unsigned int i = 0; i < 60; i++)
		expect(p[i], .flags = ACK, .seq = 1, .ack = 1);
	for (unsigned int i = 0; i < 60; i++) {
		if (i % 2) {
			send_seg(p[i], .flags = ACK, .seq = 1, .ack = 1, .len = 7);
			assert_int_equal(p[i]->app.rx, 7);
			continue;
		}
		send_seg(p[i], .flags = RST, .seq = 1);
		p[i]->isn += 900000000;
		kit_syn(p[i]);
		kit_synack(p[i]);
	}
	assert_int_equal(kit_usage(k).half_open, 30);
	assert_int_equal(kit_usage(k).connections, 30);
}

/* The count of retransmissions goes on: the entry ends at 63 s whatever SYNs came. */
static void OPN_11_the_same_synack_and_the_same_end(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	struct seg first, g;
	uint64_t start = k->now;
	uint32_t iss;

	p->offer = OFFER_ALL;
	kit_syn(p);
	first = kit_synack(p);
	iss = p->iss;
	for (unsigned int i = 0; i < 4; i++) {
		kit_advance(k, 25 * MS);
		kit_syn(p);
		g = kit_synack(p);
		kit_quiet(k);
		assert_int_equal(p->iss, iss);
		assert_int_equal(g.opts.flags, first.opts.flags);
		assert_int_equal(g.opts.wscale, first.opts.wscale);
		assert_int_equal(g.mss, first.mss);
		assert_int_equal(g.win, first.win);
		assert_int_equal(kit_usage(k).half_open, 1);
	}
	for (unsigned int sec = 5; sec < 60; sec += 5) {
		kit_advance_to(k, start + sec * SEC);
		kit_drain(k);
		kit_syn(p);
		expect(p, .flags = SYN | ACK, .seq = 0, .ack = 1);
	}
	kit_advance_to(k, start + 63 * SEC - 10 * MS);
	assert_int_equal(kit_usage(k).half_open, 1);
	kit_advance_to(k, start + 63 * SEC + 10 * MS);
	assert_int_equal(kit_usage(k).half_open, 0);
	assert_int_equal(kit_ctr(k, CTR_SYNACK_RETRANSMITS), 5);
	assert_int_equal(p->app.opens, 0);
}

/* RST and RST,ACK with a good and a bad ACK, at five places of the window of 65535. */
static void BLD_01_syn_received(void **s)
{
	static const struct {
		uint32_t seq;
		bool challenged, resets;
	} cases[] = {{0, false, false}, {2, true, false}, {65535, true, false},
		     {65536, false, false}, {1, false, true}};
	static const struct {
		uint8_t flags;
		uint32_t ack;
	} kinds[] = {{RST, 0}, {RST | ACK, 1}, {RST | ACK, 77}};
	struct kit *k = *s;

	for (unsigned int f = 0; f < ARRAY_SIZE(kinds); f++) {
		struct kit_peer *p = kit_peer(k);

		kit_syn(p);
		kit_synack(p);
		for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
			kit_advance(k, 501 * MS);
			kit_drain(k); /* SYN-ACKs */
			send_seg(p, .flags = kinds[f].flags, .seq = cases[i].seq,
				 .ack = kinds[f].ack);
			if (cases[i].challenged)
				expect(p, .flags = ACK, .seq = 1, .ack = 1);
			kit_quiet(k);
			assert_int_equal(kit_usage(k).half_open, !cases[i].resets);
		}
		assert_int_equal(p->app.opens, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(OPN_15_listening_twice),
		KIT_TEST(a_closed_listener_lives_as_long_as_its_connections),
		KIT_TEST(changes_leave_nothing_behind),
		KIT_TEST(TS_11_reset_echoes_the_timestamp),
		KIT_TEST(DOS_07_all_recover),
		KIT_TEST(DOS_07_reset),
		KIT_TEST(DOS_07_no_block),
		KIT_TEST(T_18_openings_do_not_mix),
		KIT_TEST(OPN_11_the_same_synack_and_the_same_end),
		KIT_TEST(BLD_01_syn_received),
	};

	return KIT_RUN("listen", tests);
}
