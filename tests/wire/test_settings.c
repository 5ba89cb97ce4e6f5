/*
 * What a listener or one connection sets: codepoint, TTL, keep-alive, the two timeouts; and what the
 * application is told at the end.
 * Rows: API-02 API-03 API-04 KA-01..KA-04 RTX-04 RTX-08 CLS-01 CLS-17 CLS-18.
 */
#include "kit.h"
#include "tcp/tcp.h"

#define HOUR (3600 * SEC)

static void op_dscp(struct pier_conn *c, struct kit_app *a, uint64_t dscp)
{
	assert_true(pier_set_dscp(c, (unsigned int)dscp));
}

static void op_check_dscp(struct pier_conn *c, struct kit_app *a, uint64_t dscp)
{
	assert_int_equal(pier_received_dscp(c), dscp);
}

static void op_ttl(struct pier_conn *c, struct kit_app *a, uint64_t ttl)
{
	assert_true(pier_set_ttl(c, (unsigned int)ttl));
}

static void op_timeouts(struct pier_conn *c, struct kit_app *a, uint64_t both)
{
	const uint64_t *v = (const uint64_t *)(uintptr_t)both;

	assert_true(pier_set_timeouts(c, v[0], v[1]));
}

static void op_keepalive(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	const struct pier_keepalive *want = (const struct pier_keepalive *)(uintptr_t)arg;
	struct pier_keepalive is;

	assert_true(pier_set_keepalive(c, want));
	pier_get_keepalive(c, &is);
	assert_true(is.on == want->on && is.garbage == want->garbage && is.count == want->count &&
		    is.idle_us == want->idle_us && is.interval_us == want->interval_us);
}

static void set_keepalive(struct kit_peer *p, const struct pier_keepalive *k)
{
	kit_app_call(p, op_keepalive, (uintptr_t)k);
}

static void set_timeouts(struct kit_peer *p, uint64_t r2, uint64_t user)
{
	uint64_t v[2] = {r2, user};

	kit_app_call(p, op_timeouts, (uintptr_t)v);
}

/* Take everything that waits: at least one frame, all with this TOS octet. */
static void all_tos(struct kit_peer *p, uint8_t tos)
{
	assert_true(kit_has(p->k));
	while (kit_has(p->k))
		assert_int_equal(kit_take(p).tos, tos);
}

/* A life in which every kind of segment is sent; ECN stays the engine's. */
static void life(struct kit *k, uint8_t tos, bool change)
{
	struct kit_peer *p = kit_peer(k);

	p->offer = OFFER_ALL;
	p->app.half_open_on_eof = true;
	kit_syn(p);
	assert_int_equal(kit_synack(p).tos, tos);
	kit_advance(k, 1500 * MS); /* the SYN-ACK again */
	all_tos(p, tos);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	if (change) {
		tos = 10 << 2;
		kit_app_call(p, op_dscp, 10);
	}
	kit_app_send(p, 3000);
	all_tos(p, tos);
	kit_advance(k, 5 * SEC); /* retransmissions */
	all_tos(p, tos);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 3001);
	kit_drain(k);
	send_seg(p, .flags = ACK, .seq = 101, .ack = 3001, .len = 100); /* duplicate ACK */
	all_tos(p, tos);
	send_seg(p, .flags = SYN, .seq = 1); /* challenge ACK */
	all_tos(p, tos);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 3001, .len = 100);
	kit_drain(k);
	send_seg(p, .flags = FIN | ACK, .seq = 101, .ack = 3001, .len = 100);
	all_tos(p, tos);
	kit_advance(k, 7300 * SEC); /* keep-alive */
	all_tos(p, tos);
	send_seg(p, .flags = ACK, .seq = 202, .ack = 3001);
	kit_app_abort(p);
	all_tos(p, tos);
}

/* Both sides closed; the ACKs of TIME-WAIT, and a RST for data after the close. */
static void endings(struct kit *k, uint8_t tos)
{
	struct kit_peer *p = kit_plain(k), *q = kit_plain(k), *r = kit_peer(k);

	kit_app_close(p);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	all_tos(p, tos);
	kit_app_close(q);
	send_seg(q, .flags = ACK, .seq = 1, .ack = 2, .len = 10);
	all_tos(q, tos);
	kit_syn(r);
	kit_synack(r);
	send_seg(r, .flags = ACK, .seq = 1, .ack = 1000); /* refused in SYN-RECEIVED */
	all_tos(r, tos);
	send_seg(r, .flags = RST, .seq = 1);
}

static void API_02_dscp_on_every_segment(void **s)
{
	struct kit *k = *s;

	k->tcp.dscp = 46;
	k->tcp.keepalive = true;
	life(k, 46 << 2, false);
	endings(k, 46 << 2);
	life(k, 46 << 2, true);
}

static void refuse(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	struct pier_keepalive none = {.on = true};

	assert_false(pier_set_dscp(c, 64)); /* the ECN bits are not the application's */
	assert_false(pier_set_dscp(c, 0xb9));
	assert_false(pier_set_ttl(c, 0));
	assert_false(pier_set_ttl(c, 256));
	assert_false(pier_set_keepalive(c, &none));
	assert_false(pier_set_timeouts(c, 0, PIER_FOREVER));
	assert_false(pier_set_buffers(c, 2047, 0));
	assert_false(pier_set_buffers(c, 0, 2047));
	assert_false(pier_set_buffers(c, a->k->tcp.rcvbuf + 1, 0));
	assert_false(pier_set_buffers(c, 0, a->k->tcp.sndbuf + 1));
	assert_false(pier_set_mss(c, 63));
	pier_abort(c);
	assert_false(pier_set_buffers(c, 4096, 4096));
	assert_false(pier_set_mss(c, 500));
	assert_false(pier_set_dscp(c, 1));
	assert_false(pier_set_ttl(c, 1));
	assert_false(pier_set_timeouts(c, 1, 1));
}

static void API_02_values_out_of_range(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	p->offer = OFFER_ECN;
	kit_open(p);
	kit_app_call(p, op_dscp, 63);
	kit_app_send(p, 10);
	assert_int_equal(kit_take(p).tos, 63 << 2 | IP_ECN_ECT0);
	kit_app_call(p, refuse, 0);
	assert_int_equal(kit_take(p).tos, 63 << 2);
}

static void API_03_constant_and_reported(void **s)
{
	static const uint8_t in[] = {0, 46, 10, 63, 1};
	struct kit *k = *s;
	struct kit_peer *p;
	uint32_t seq = 1;

	k->tcp.dscp = 18;
	p = kit_plain(k);
	for (unsigned int i = 0; i < ARRAY_SIZE(in); i++, seq += 10) {
		send_seg(p, .flags = ACK, .seq = seq, .ack = 1, .len = 10,
			 .tos = (uint8_t)(in[i] << 2));
		kit_app_call(p, op_check_dscp, in[i]);
		kit_advance(k, 10 * SEC); /* and at rest */
		assert_int_equal(kit_usage(k).block_bytes, 0);
		kit_app_call(p, op_check_dscp, in[i]);
		all_tos(p, 18 << 2);
	}
	/* A stranger's segment, outside the window, says nothing. */
	send_seg(p, .flags = ACK, .seq = seq + 1000000, .ack = 1, .len = 10, .tos = 5 << 2);
	kit_drain(k);
	kit_app_call(p, op_check_dscp, 1);
}

static void all_ttl(struct kit_peer *p, uint8_t ttl)
{
	assert_true(kit_has(p->k));
	while (kit_has(p->k))
		assert_int_equal(kit_take(p).ttl, ttl);
}

static void inject_with_ttl(struct kit_peer *p, const struct seg *s, uint8_t ttl)
{
	uint8_t buf[10000];
	uint32_t len = kit_build(p, s, buf);

	kit_set_ttl(buf, ttl);
	kit_sums(buf);
	kit_inject(p->k, buf, len);
}

static void API_04_ttl(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p, *q;

	p = kit_plain(k);
	kit_app_send(p, 10);
	all_ttl(p, 64); /* the default */
	send_seg(p, .flags = ACK, .seq = 1, .ack = 11);
	k->tcp.ttl = 7;
	kit_listen(k, 81, LISTENER_ANY);
	p = kit_peer(k);
	p->dport = 81;
	kit_syn(p);
	assert_int_equal(kit_synack(p).ttl, 7);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_app_send(p, 3000);
	all_ttl(p, 7);
	kit_advance(k, 3 * SEC);
	all_ttl(p, 7);
	inject_with_ttl(p, &(struct seg){.flags = ACK, .seq = 1, .ack = 3001, .len = 10}, 1);
	inject_with_ttl(p, &(struct seg){.flags = ACK, .seq = 11, .ack = 3001, .len = 10}, 0);
	assert_int_equal(p->app.rx, 20);
	all_ttl(p, 7);
	kit_app_close(p);
	all_ttl(p, 7);
	send_seg(p, .flags = FIN | ACK, .seq = 21, .ack = 3002);
	all_ttl(p, 7);
	send_seg(p, .flags = FIN | ACK, .seq = 21, .ack = 3002); /* in TIME-WAIT */
	all_ttl(p, 7);
	q = kit_peer(k);
	q->dport = 81;
	send_seg(q, .flags = ACK, .seq = 1, .ack = 1); /* refused by the listener */
	all_ttl(q, 7);
}

static void API_04_ttl_of_one_connection(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	kit_app_call(p, op_ttl, 200);
	kit_app_send(p, 10);
	all_ttl(p, 200);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 11);
	kit_advance(k, 10 * SEC);
	assert_true(kit_usage(k).block_bytes > 0); /* what it set for itself stays in its block */
	send_seg(p, .flags = SYN, .seq = 5000);
	all_ttl(p, 200);
	kit_app_call(p, op_ttl, 64);
	kit_advance(k, 10 * SEC);
	assert_int_equal(kit_usage(k).block_bytes, 0);
}

static const struct pier_keepalive ten_seconds = {
	.on = true, .count = 3, .idle_us = 10 * SEC, .interval_us = 2 * SEC,
};

static void KA_01_per_connection(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k), *q = kit_plain(k);
	struct pier_keepalive set = {.on = true, .count = 9, .idle_us = 7200 * SEC,
				     .interval_us = 75 * SEC};
	uint64_t at;

	kit_silence(k, 24 * HOUR);
	set_keepalive(p, &set);
	at = k->now;
	kit_silence(k, 7200 * SEC - 1);
	kit_advance(k, 3 * MS);
	assert_in_range(expect(p, .flags = ACK, .seq = 0, .ack = 1).at, at + 7200 * SEC,
			at + 7200 * SEC + 2 * MS);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_advance(k, 100 * SEC);
	set_keepalive(p, &ten_seconds);
	at = k->now;
	kit_silence(k, 10 * SEC - 1);
	kit_advance(k, 3 * MS);
	assert_in_range(expect(p, .flags = ACK, .seq = 0, .ack = 1).at, at + 10 * SEC,
			at + 10 * SEC + 2 * MS);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	set = ten_seconds;
	set.on = false;
	set_keepalive(p, &set);
	kit_silence(k, 24 * HOUR);
	assert_int_equal(p->app.closes + q->app.closes, 0);
	/* Its own count and interval end it. */
	set_keepalive(p, &ten_seconds);
	kit_advance(k, 15500 * MS);
	for (int i = 0; i < 3; i++)
		expect(p, .flags = ACK, .seq = 0, .ack = 1);
	assert_int_equal(p->app.closes, 0);
	kit_advance(k, 600 * MS);
	assert_int_equal(p->app.closes, 1);
	assert_int_equal(p->app.why, PIER_CLOSE_KEEPALIVE);
}

static void KA_01_by_the_listener(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	k->tcp.keepalive = true;
	k->tcp.keepalive_idle = 10 * SEC;
	p = kit_plain(k);
	kit_silence(k, 10 * SEC - 1);
	kit_advance(k, 3 * MS);
	expect(p, .flags = ACK, .seq = 0, .ack = 1);
}

static void KA_02_only_when_idle(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);
	uint32_t seq = 1;

	set_keepalive(p, &ten_seconds);
	kit_app_send(p, 10);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	set_timeouts(p, PIER_FOREVER, PIER_FOREVER);
	kit_advance(k, 60 * SEC);
	while (kit_has(k)) /* unacknowledged data: retransmissions, no probe */
		expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	assert_int_equal(kit_ctr(k, CTR_TX_KEEPALIVES), 0);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 11);
	for (int i = 0; i < 4; i++) { /* data or an ACK a second before: anew */
		kit_silence(k, 9 * SEC);
		send_seg(p, .flags = ACK, .seq = seq, .ack = 11, .len = i & 1 ? 10 : 0);
		seq += i & 1 ? 10 : 0;
		kit_advance(k, 100 * MS);
		kit_drain(k);
	}
	assert_int_equal(kit_ctr(k, CTR_TX_KEEPALIVES), 0);
	kit_advance(k, 10 * SEC);
	expect(p, .flags = ACK, .seq = 10, .ack = seq);
}

static void KA_03_the_ninth_answer(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	k->tcp.keepalive = true;
	p = kit_plain(k);
	kit_advance(k, (7200 + 8 * 75 + 1) * SEC);
	for (int i = 0; i < 9; i++)
		expect(p, .flags = ACK, .seq = 0, .ack = 1);
	kit_quiet(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_silence(k, 7199 * SEC);
	assert_int_equal(p->app.closes, 0);
	kit_advance(k, (1 + 9 * 75 - 1) * SEC);
	assert_int_equal(p->app.closes, 0);
	kit_advance(k, 2 * SEC);
	assert_int_equal(p->app.closes, 1);
	kit_drain(k);
}

/* The payload of a frame, which is not of the stream. */
static uint32_t probe_length(struct kit_peer *p, uint32_t seq)
{
	const struct kit_frame *f = kit_frame_next(p->k);
	const struct tcp_hdr *th = kit_tcp(f->bytes);

	assert_true(kit_sum_ok(f->bytes));
	assert_int_equal(be32(th->seq) - p->iss, seq);
	assert_int_equal(th->flags, ACK);
	return kit_payload(f->bytes);
}

static void KA_04_garbage_octet(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k), *q;
	struct pier_keepalive set = ten_seconds;

	set_keepalive(p, &set);
	kit_advance(k, 10 * SEC + 2 * MS);
	assert_int_equal(probe_length(p, 0), 0);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	set.garbage = true;
	set_keepalive(p, &set);
	kit_advance(k, 10 * SEC + 2 * MS);
	assert_int_equal(probe_length(p, 0), 1);
	send_seg(p, .flags = RST, .seq = 1);
	k->tcp.keepalive = k->tcp.keepalive_garbage = true;
	kit_listen(k, 81, LISTENER_ANY);
	q = kit_peer(k);
	q->dport = 81;
	q->offer = OFFER_ALL;
	kit_open(q);
	kit_advance(k, 7201 * SEC);
	assert_int_equal(probe_length(q, 0), 1);
	send_seg(q, .flags = ACK, .seq = 1, .ack = 1);
	kit_app_send(q, 10);
	expect(q, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
}

static void RTX_04_r2_of_one_connection(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k), *q = kit_plain(k), *r = kit_plain(k);
	uint64_t at = k->now;

	set_timeouts(p, 5 * SEC, 300 * SEC);
	set_timeouts(q, PIER_FOREVER, PIER_FOREVER);
	kit_app_send(p, 10);
	kit_app_send(q, 10);
	kit_app_send(r, 10);
	kit_advance_to(k, at + 4900 * MS);
	assert_int_equal(p->app.closes, 0);
	kit_advance_to(k, at + 5 * SEC + 6500 * MS); /* one backed-off timeout */
	assert_int_equal(p->app.closes, 1);
	assert_int_equal(p->app.why, PIER_CLOSE_TIMEOUT);
	assert_int_equal(r->app.closes, 0); /* the listener's 100 s */
	kit_advance_to(k, at + 24 * HOUR);
	assert_int_equal(r->app.closes, 1);
	assert_int_equal(q->app.closes, 0);
	kit_drain(k);
	send_seg(q, .flags = ACK, .seq = 1, .ack = 11);
	kit_silence(k, HOUR);
	assert_int_equal(q->app.closes, 0);
}

static void RTX_08_of_one_connection(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);
	uint64_t at = k->now;

	set_timeouts(p, PIER_FOREVER, 30 * SEC);
	kit_app_send(p, 100000);
	kit_advance_to(k, at + 29 * SEC);
	assert_int_equal(p->app.closes, 0);
	kit_advance_to(k, at + 30 * SEC + 26 * SEC); /* one backed-off timeout */
	assert_int_equal(p->app.closes, 1);
	assert_int_equal(p->app.why, PIER_CLOSE_USER_TIMEOUT);
	kit_drain(k);
	assert_int_equal(kit_usage(k).connections, 1); /* the kit's own */
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	expect(p, .flags = RST, .seq = 1, .ack = 0);
}

/* FIN, RST, R2, user timeout, keep-alive, the application's own abort, the server's stop. */
static void CLS_01_every_cause(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p[7];

	k->tcp.keepalive_idle = 100 * SEC;
	for (unsigned int i = 0; i < ARRAY_SIZE(p); i++)
		p[i] = kit_plain(k);
	send_seg(p[0], .flags = FIN | ACK, .seq = 1, .ack = 1);
	assert_int_equal(p[0]->app.eofs, 1);
	send_seg(p[1], .flags = RST, .seq = 1);
	set_timeouts(p[2], 10 * SEC, PIER_FOREVER);
	set_timeouts(p[3], PIER_FOREVER, 10 * SEC);
	kit_app_send(p[2], 10);
	kit_app_send(p[3], 10);
	set_keepalive(p[4], &ten_seconds);
	kit_app_abort(p[5]);
	kit_advance(k, 60 * SEC);
	assert_true(engine_abort(k->e, k->now, UINT32_MAX));
	kit_turn(k);
	assert_int_equal(p[0]->app.why, PIER_CLOSE_NORMAL);
	assert_int_equal(p[1]->app.why, PIER_CLOSE_RESET);
	assert_int_equal(p[2]->app.why, PIER_CLOSE_TIMEOUT);
	assert_int_equal(p[3]->app.why, PIER_CLOSE_USER_TIMEOUT);
	assert_int_equal(p[4]->app.why, PIER_CLOSE_KEEPALIVE);
	assert_int_equal(p[5]->app.why, PIER_CLOSE_ABORT);
	assert_int_equal(p[6]->app.why, PIER_CLOSE_SHUTDOWN);
	for (unsigned int i = 0; i < ARRAY_SIZE(p); i++) {
		assert_int_equal(p[i]->app.closes, 1);
		assert_int_equal(p[i]->app.eofs, i == 0);
	}
	kit_drain(k);
}

static void CLS_17_fin_wait_2(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k), *q = kit_plain(k);

	kit_app_close(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 2);
	kit_app_shutdown(q);
	expect(q, .flags = FIN | ACK, .seq = 1, .ack = 1);
	send_seg(q, .flags = ACK, .seq = 1, .ack = 2);
	kit_advance(k, 59900 * MS);
	assert_int_equal(kit_usage(k).connections, 3); /* and the kit's own */
	kit_advance(k, 200 * MS);
	assert_int_equal(kit_usage(k).connections, 2);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 2);
	expect(p, .flags = RST, .seq = 2, .ack = 0);
	kit_silence(k, 540 * SEC);
	assert_int_equal(q->app.closes, 0);
	send_seg(q, .flags = ACK, .seq = 1, .ack = 2, .len = 10);
	assert_int_equal(q->app.rx, 10);
	kit_advance(k, 100 * MS);
	expect(q, .flags = ACK, .seq = 2, .ack = 11);
}

/* FINs at growing distances until R2, then nothing is left. */
static void gives_up(struct kit *k, struct kit_peer *p, uint64_t at)
{
	uint64_t last = 0, gap = 0;
	unsigned int n = 0;

	kit_advance_to(k, at + 90 * SEC);
	assert_int_equal(kit_usage(k).connections, 1 + (k->ctl != NULL));
	kit_advance_to(k, at + 170 * SEC);
	for (; kit_has(k); n++) {
		struct seg g = kit_take(p);

		if (g.flags == ACK)
			continue;
		assert_int_equal(g.flags, FIN | ACK);
		assert_int_equal(g.seq, 1);
		assert_true(!last || g.at - last >= gap);
		gap = last ? g.at - last : 0;
		last = g.at;
	}
	assert_true(n >= 6 && last >= at + 50 * SEC);
	assert_int_equal(kit_usage(k).connections, k->ctl != NULL);
	assert_int_equal(kit_usage(k).block_bytes, 0);
}

static void CLS_18_last_ack_and_closing(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k), *q;
	uint64_t at = k->now;

	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	gives_up(k, p, at); /* LAST-ACK */
	q = kit_plain(k);
	kit_app_close(q);
	at = k->now;
	send_seg(q, .flags = FIN | ACK, .seq = 1, .ack = 1);
	gives_up(k, q, at); /* CLOSING */
}

static void op_buffers(struct pier_conn *c, struct kit_app *a, uint64_t both)
{
	assert_true(pier_set_buffers(c, both & 0xffffffff, both >> 32));
}

static void op_no_buffers(struct pier_conn *c, struct kit_app *a, uint64_t rcv)
{
	assert_false(pier_set_buffers(c, rcv, 0));
}

static void op_mss(struct pier_conn *c, struct kit_app *a, uint64_t mss)
{
	assert_true(pier_set_mss(c, (unsigned int)mss));
}

/* Two segments of 1,024, and the window of their last ACK. */
static uint32_t window_after(struct kit_peer *p, uint32_t *seq)
{
	struct seg g;

	send_seg(p, .flags = ACK, .seq = *seq, .ack = 1, .len = 1024);
	send_seg(p, .flags = ACK, .seq = *seq + 1024, .ack = 1, .len = 1024);
	*seq += 2048;
	kit_advance(p->k, 100 * MS);
	do
		g = kit_take(p);
	while (kit_has(p->k));
	assert_int_equal(g.ack, *seq);
	return (uint32_t)g.win << p->peer_ws;
}

/* The window is what was set, however fast it is read, and what was offered before stays so. */
static void buffers_window(void **s)
{
	struct kit *k = *s;
	uint32_t seq = 1, edge, win;
	struct kit_peer *p;

	k->tcp.rcvbuf = 4 * MIB;
	k->tcp.rcvbuf_initial = 256 * 1024;
	p = kit_est(k);
	win = window_after(p, &seq);
	edge = seq + win;
	kit_app_call(p, op_buffers, 8192);
	kit_drain(k);
	while (seq < edge + 32768) {
		win = window_after(p, &seq);
		assert_false(seq + win < edge - 256);
		if (seq + 8192 < edge)
			assert_in_range(seq + win, edge - 256, edge);
		else
			assert_in_range(win, 8192 - 2048, 8192);
	}
	kit_advance(k, 10 * SEC);
	assert_in_range(window_after(p, &seq), 8192 - 2048, 8192); /* the rest did not change it */
	assert_true(kit_usage(k).block_bytes > 0);
	kit_app_call(p, op_buffers, 0); /* as the listener has it: more at once, and the block goes */
	kit_advance(k, 10 * SEC);
	kit_drain(k);
	assert_int_equal(kit_usage(k).block_bytes, 0);
	assert_true(window_after(p, &seq) > 65536);
}

/* A large one at once, not grown into; what grew is given back at the end. */
static void buffers_budget(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p, *q;
	uint32_t seq = 1;
	struct tcp *t;

	k->tcp.rcvbuf = 16 * MIB;
	k->tcp.rcvbuf_initial = 64 * 1024;
	p = kit_est(k);
	t = (struct tcp *)(uintptr_t)engine_tcp(k->e);
	kit_app_call(p, op_buffers, 4 * MIB);
	kit_drain(k);
	assert_in_range(window_after(p, &seq), 4 * MIB - 4096, 4 * MIB);
	assert_int_equal(t->rcv_grown, 4 * MIB - k->tcp.rcvbuf_initial);
	t->rcv_budget = t->rcv_grown;
	q = kit_est(k);
	kit_app_call(q, op_no_buffers, k->tcp.rcvbuf_initial + 1);
	kit_app_call(q, op_buffers, k->tcp.rcvbuf_initial);
	kit_app_abort(p);
	kit_drain(k);
	assert_int_equal(t->rcv_grown, 0);
}

/* What a connection had beyond what it began with is free again when it wants less, and others may have it. */
static void buffers_wanted_less(void **s)
{
	struct kit *k = *s;
	const struct tcp *t;
	struct kit_peer *p, *q;

	k->tcp.rcvbuf = 16 * MIB;
	k->tcp.rcvbuf_initial = 64 * 1024;
	p = kit_est(k);
	q = kit_est(k);
	t = engine_tcp(k->e);
	kit_app_call(p, op_buffers, 4 * MIB);
	kit_app_call(p, op_buffers, MIB);
	assert_int_equal(t->rcv_grown, MIB - k->tcp.rcvbuf_initial);
	kit_app_call(p, op_buffers, 8192);
	assert_int_equal(t->rcv_grown, 0);
	kit_app_call(q, op_buffers, 4 * MIB);
	kit_drain(k);
}

static void buffers_send(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	kit_app_call(p, op_buffers, 3000ull << 32);
	kit_app_send(p, 10000);
	assert_int_equal(p->app.tx, 3000);
	kit_drain(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 3001);
	kit_drain(k);
	assert_int_equal(p->app.tx, 6000);
}

static void mss_of_one_connection(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	kit_app_call(p, op_mss, 500);
	kit_app_send(p, 1200);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 500);
	expect(p, .flags = ACK, .seq = 501, .ack = 1, .len = 500);
	expect(p, .flags = ACK | PSH, .seq = 1001, .ack = 1, .len = 200);
	kit_app_call(p, op_mss, 1000); /* not raised again */
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1201);
	kit_advance(k, 1300 * SEC); /* nor when a path would be tried anew */
	kit_app_send(p, 600);
	expect(p, .flags = ACK, .seq = 1201, .ack = 1, .len = 500);
	expect(p, .flags = ACK | PSH, .seq = 1701, .ack = 1, .len = 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(API_02_dscp_on_every_segment),
		KIT_TEST(API_02_values_out_of_range),
		KIT_TEST(API_03_constant_and_reported),
		KIT_TEST(API_04_ttl),
		KIT_TEST(API_04_ttl_of_one_connection),
		KIT_TEST(KA_01_per_connection),
		KIT_TEST(KA_01_by_the_listener),
		KIT_TEST(KA_02_only_when_idle),
		KIT_TEST(KA_03_the_ninth_answer),
		KIT_TEST(KA_04_garbage_octet),
		KIT_TEST(RTX_04_r2_of_one_connection),
		KIT_TEST(RTX_08_of_one_connection),
		KIT_TEST(CLS_01_every_cause),
		KIT_TEST(CLS_17_fin_wait_2),
		KIT_TEST(CLS_18_last_ack_and_closing),
		KIT_TEST(buffers_window),
		KIT_TEST(buffers_budget),
		KIT_TEST(buffers_wanted_less),
		KIT_TEST(buffers_send),
		KIT_TEST(mss_of_one_connection),
	};

	return KIT_RUN("settings", tests);
}
