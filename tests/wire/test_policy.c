/*
 * Peers that keep memory: closed windows, slow readers, vanished peers. What is said of a hundred
 * thousand connections is shown with some hundreds, against limits as much smaller.
 * Rows: DOS-05 DOS-06 DOS-09.
 */
#include "kit.h"
#include "tcp/tcp.h"

#define MANY 200u

/* Asks for n bytes and lets none of them come. */
static struct kit_peer *stall(struct kit *k, uint64_t n)
{
	struct kit_peer *p = kit_peer(k);

	kit_drain(k);
	kit_syn(p);
	kit_synack(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	p->app.on_data = n;
	p->win = 0;
	send_seg(p, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 16);
	return p;
}

/* A client like any other is served. */
static struct kit_peer *serve(struct kit *k)
{
	struct kit_peer *p = kit_peer(k);

	kit_drain(k);
	kit_syn(p);
	while (kit_has(k) && !p->iss_known) {
		const struct kit_frame *f = kit_frame_next(k);
		const struct tcp_hdr *th = kit_tcp(f->bytes);

		if (be16(th->dport) == p->port)
			kit_parse(p, f);
	}
	assert_true(p->iss_known);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.opens, 1);
	p->app.on_data = 1000;
	kit_drain(k);
	send_seg(p, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 16);
	expect(p, .flags = ACK | PSH, .seq = 1, .ack = 17, .len = 1000);
	send_seg(p, .flags = ACK, .seq = 17, .ack = 1001);
	return p;
}

/*
 * Stall one peer after the other until memory is short: none is reset before. Then each newcomer is
 * served, and those go that have stalled longest, in their order.
 */
static void oldest_first(struct kit *k, uint64_t answer, unsigned int least, unsigned int most)
{
	struct kit_peer *p[KIT_PEERS];
	unsigned int n = 0, gone = 0;

	k->unchecked = true;
	do {
		assert_true(n < most);
		p[n++] = stall(k, answer);
		kit_advance(k, 10 * MS);
		if (!kit_ctr(k, CTR_STALLED_RESET))
			assert_int_equal(kit_usage(k).stalled, n);
	} while (!kit_ctr(k, CTR_STALLED_RESET));
	assert_true(n > least);
	for (unsigned int i = 0; i < 20; i++) {
		serve(k);
		kit_advance(k, MS);
	}
	gone = (unsigned int)kit_ctr(k, CTR_STALLED_RESET);
	assert_in_range(gone, 1, 60);
	for (unsigned int i = 0; i < n; i++) {
		assert_int_equal(p[i]->app.closes, i < gone);
		if (i < gone)
			assert_int_equal(p[i]->app.why, PIER_CLOSE_PRESSURE);
	}
	assert_int_equal(kit_usage(k).stalled, n - gone);
	assert_int_equal(kit_ctr(k, CTR_RX_SYN_NO_CONN), 0);
	assert_int_equal(kit_ctr(k, CTR_BLOCKS_EXHAUSTED), 0);
}

static void DOS_05_records_run_short(void **s)
{
	struct kit *k = *s;

	k->conf.max_connections = 256;
	oldest_first(k, 1000, 230, 256);
}

static void DOS_05_blocks_run_short(void **s)
{
	struct kit *k = *s;

	k->conf.max_connections = 1000;
	oldest_first(k, 16000, 150, 256); /* of 4 MB */
}

/* The RST is one that the peer takes, and nothing follows it. */
static void DOS_05_the_reset(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p, *q;

	k->conf.max_connections = 32;
	p = stall(k, 1000);
	for (int i = 0; i < 29; i++)
		stall(k, 1000);
	kit_advance(k, 100 * MS);
	kit_drain(k);
	assert_int_equal(p->app.closes, 0);
	q = kit_peer(k);
	kit_syn(q);
	kit_synack(q);
	send_seg(q, .flags = ACK, .seq = 1, .ack = 1);
	expect(p, .flags = RST | ACK, .seq = 1, .ack = 17);
	kit_quiet(k);
	assert_int_equal(kit_usage(k).connections, 30);
}

/* A shrunk window with data in flight is a closed one too; an open one is none. */
static void DOS_05_what_is_counted(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k), *q = kit_plain(k);

	kit_app_send(p, 20000);
	kit_app_send(q, 20000);
	kit_drain(k);
	assert_int_equal(kit_usage(k).stalled, 0);
	p->win = 0;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1461);
	assert_int_equal(kit_usage(k).stalled, 1);
	p->win = 60000;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 2921);
	assert_int_equal(kit_usage(k).stalled, 0);
	q->win = 0; /* everything acknowledged, but more to send */
	send_seg(q, .flags = ACK, .seq = 1, .ack = 14601);
	assert_int_equal(kit_usage(k).stalled, 1);
	send_seg(q, .flags = RST, .seq = 1);
	assert_int_equal(kit_usage(k).stalled, 0);
}

static void DOS_05_no_pressure_none_aborted(void **s)
{
	struct kit *k = *s;
	uint64_t end;

	k->conf.max_connections = 256;
	for (unsigned int i = 0; i < 100; i++)
		stall(k, 1000);
	assert_int_equal(kit_usage(k).stalled, 100);
	for (end = k->now + 600 * SEC; k->now < end; ) {
		kit_advance(k, 20 * SEC);
		kit_drain(k);
		for (unsigned int i = 0; i < 100; i++)
			send_seg(k->peers[i], .flags = ACK, .seq = 17, .ack = 1);
	}
	assert_int_equal(kit_usage(k).stalled, 100);
	assert_int_equal(kit_usage(k).connections, 100);
}

static void DOS_05_persist_timeout(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p, *q;
	uint64_t start;

	p = stall(k, 1000); /* without the limit */
	k->tcp.persist_timeout = 100 * SEC;
	kit_listen(k, 81, LISTENER_ANY);
	q = kit_peer(k);
	q->dport = 81;
	kit_open(q);
	q->app.on_data = 1000;
	q->win = 0;
	send_seg(q, .flags = ACK, .seq = 1, .ack = 1, .len = 16);
	start = k->now;
	while (k->now < start + 99 * SEC) {
		kit_advance(k, SEC);
		kit_drain(k);
		send_seg(p, .flags = ACK, .seq = 17, .ack = 1);
		send_seg(q, .flags = ACK, .seq = 17, .ack = 1);
	}
	assert_int_equal(q->app.closes, 0);
	kit_drain(k);
	kit_advance(k, SEC + 2 * MS);
	while (kit_has(k) && q->app.why != PIER_CLOSE_STALLED)
		kit_take(p);
	assert_int_equal(q->app.closes, 1);
	assert_int_equal(q->app.why, PIER_CLOSE_STALLED);
	assert_int_equal(kit_ctr(k, CTR_CONN_STALLED), 1);
	expect(q, .flags = RST | ACK, .seq = 1, .ack = 17);
	assert_int_equal(p->app.closes, 0);
}

/* A window that opens in between begins the time anew. */
static void DOS_05_persist_timeout_begins_anew(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	k->tcp.persist_timeout = 100 * SEC;
	p = stall(k, 20000);
	kit_advance(k, 90 * SEC);
	p->win = 2000;
	send_seg(p, .flags = ACK, .seq = 17, .ack = 1);
	p->win = 0;
	send_seg(p, .flags = ACK, .seq = 17, .ack = 1461);
	kit_advance(k, 90 * SEC);
	assert_int_equal(p->app.closes, 0);
	kit_advance(k, 11 * SEC);
	assert_int_equal(p->app.why, PIER_CLOSE_STALLED);
}

/* Takes what comes, and offers 1 to 10 octets in turn, 20 times a second, for us. */
static uint32_t slow_reader(struct kit_peer *p, uint64_t us)
{
	struct kit *k = p->k;
	uint64_t end = k->now + us, last = 0;
	uint32_t una = 1, sent = 0, n = 0;

	while (k->now < end && !p->app.closes) {
		for (; kit_has(k); n++) {
			struct seg g = kit_take(p);

			if (g.flags & RST)
				return n;
			assert_true(g.len <= 10);
			if (!g.len)
				continue;
			/* The override's least delay, 0.1 s: RTO is more here. */
			assert_true(!last || g.at - last >= 100 * MS);
			last = g.at;
			una = g.seq + g.len;
		}
		p->win = (uint16_t)(1 + sent++ % 10);
		send_seg(p, .flags = ACK, .seq = 1, .ack = una);
		kit_advance(k, 50 * MS);
	}
	return n;
}

static struct kit_peer *begin_slow(struct kit *k)
{
	struct kit_peer *p = kit_peer(k);

	p->win = 8000;
	kit_open(p);
	p->win = 0;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_app_send(p, 50000);
	kit_quiet(k);
	return p;
}

static void DOS_06_one_segment_an_override(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = begin_slow(k);
	uint32_t n = slow_reader(p, 300 * SEC);

	assert_in_range(n, 300, 300 * 5 + 1);
	assert_int_equal(p->app.closes, 0);
}

static void DOS_06_too_little_progress(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	uint64_t start;

	k->tcp.min_progress = 10000;
	p = begin_slow(k);
	start = k->now;
	slow_reader(p, 59 * SEC);
	assert_int_equal(p->app.closes, 0);
	slow_reader(p, 2 * SEC);
	assert_int_equal(p->app.closes, 1);
	assert_int_equal(p->app.why, PIER_CLOSE_SLOW);
	assert_in_range(k->now - start, 60 * SEC, 60 * SEC + 100 * MS);
	assert_int_equal(kit_ctr(k, CTR_CONN_SLOW), 1);
}

/* 10000 octets in 60 s are enough for 10000, one less is not. */
static void DOS_06_the_limit(void **s)
{
	struct kit *k = *s;

	k->tcp.min_progress = 10000;
	for (uint32_t less = 0; less < 2; less++) {
		struct kit_peer *p = kit_plain(k);

		kit_app_send(p, 50000);
		kit_drain(k);
		kit_advance(k, 30 * SEC);
		send_seg(p, .flags = ACK, .seq = 1, .ack = 10001 - less);
		kit_advance(k, 31 * SEC);
		assert_int_equal(p->app.closes, less);
		if (less)
			assert_int_equal(p->app.why, PIER_CLOSE_SLOW);
		kit_drain(k);
		send_seg(p, .flags = RST, .seq = 1);
	}
}

/* Nothing to send is no lack of progress, however long. */
static void DOS_06_an_idle_connection_stays(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	k->tcp.min_progress = 10000;
	p = kit_plain(k);
	kit_app_send(p, 100);
	kit_drain(k);
	kit_advance(k, 50 * SEC);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 101);
	kit_drain(k);
	kit_silence(k, 600 * SEC);
	assert_int_equal(p->app.closes, 0);
}

/* The nth goes to FIN-WAIT-1, LAST-ACK or CLOSING, and then no more; reset: the one that goes for it. */
static struct kit_peer *vanish(struct kit *k, unsigned int nth, struct kit_peer *reset)
{
	struct kit_peer *p = kit_peer(k);

	p->app.close_on_open = nth % 3 != 1;
	kit_syn(p);
	kit_synack(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	if (nth % 3 == 1)
		send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = nth % 3 == 1 ? 2 : 1);
	if (reset) /* nth and it are in one state */
		expect(reset, .flags = RST | ACK, .seq = 2, .ack = nth % 3 ? 2 : 1);
	if (nth % 3 == 2) {
		send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
		expect(p, .flags = ACK, .seq = 2, .ack = 2);
	}
	kit_quiet(k);
	return p;
}

static void DOS_09_orphans_are_capped(void **s)
{
	enum { CAP = 30 };
	struct kit *k = *s;
	struct kit_peer *p[MANY];

	k->conf.max_orphans = CAP;
	k->conf.max_connections = MANY;
	for (unsigned int i = 0; i < MANY; i++) {
		p[i] = vanish(k, i, i >= CAP ? p[i - CAP] : NULL);
		assert_int_equal(kit_usage(k).orphans, min_of(i + 1, (unsigned int)CAP));
		assert_int_equal(kit_usage(k).connections, min_of(i + 1, (unsigned int)CAP));
	}
	assert_int_equal(kit_ctr(k, CTR_ORPHANS_RESET), MANY - CAP);
	/* One that answers is none any more; others make no room for it. */
	send_seg(p[MANY - 2], .flags = ACK, .seq = 1, .ack = 2);
	assert_int_equal(kit_usage(k).orphans, CAP - 1);
	vanish(k, 0, NULL);
	assert_int_equal(kit_ctr(k, CTR_ORPHANS_RESET), MANY - CAP);
}

/* What a handler still holds is no orphan, whatever its state; nor is a connection in FIN-WAIT-2. */
static void DOS_09_who_is_an_orphan(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p[2], *q;

	k->conf.max_orphans = 1;
	for (int i = 0; i < 2; i++) {
		p[i] = kit_plain(k);
		kit_app_shutdown(p[i]);
		expect(p[i], .flags = FIN | ACK, .seq = 1, .ack = 1);
	}
	assert_int_equal(kit_usage(k).orphans, 0);
	q = vanish(k, 0, NULL);
	assert_int_equal(kit_usage(k).orphans, 1);
	send_seg(q, .flags = ACK, .seq = 1, .ack = 2);
	assert_int_equal(kit_usage(k).orphans, 0);
	vanish(k, 0, NULL);
	kit_quiet(k);
	assert_int_equal(p[0]->app.closes + p[1]->app.closes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(DOS_05_records_run_short),
		KIT_TEST(DOS_05_blocks_run_short),
		KIT_TEST(DOS_05_the_reset),
		KIT_TEST(DOS_05_what_is_counted),
		KIT_TEST(DOS_05_no_pressure_none_aborted),
		KIT_TEST(DOS_05_persist_timeout),
		KIT_TEST(DOS_05_persist_timeout_begins_anew),
		KIT_TEST(DOS_06_one_segment_an_override),
		KIT_TEST(DOS_06_too_little_progress),
		KIT_TEST(DOS_06_the_limit),
		KIT_TEST(DOS_06_an_idle_connection_stays),
		KIT_TEST(DOS_09_orphans_are_capped),
		KIT_TEST(DOS_09_who_is_an_orphan),
	};

	return KIT_RUN("policy", tests);
}
