/*
 * Memory that is short: the receive buffer that grows, mbufs that slow handlers keep, allocations that
 * fail.
 * Rows: WND-15 WND-16 DOS-01 DOS-12 DOS-13.
 */
#include "kit.h"
#include "tcp/tcp.h"

/* 1 Gbit/s over 100 ms, a sender that doubles from ten segments, within the window it sees. */
static void WND_15_a_gigabit_over_100_ms(void **s)
{
	enum { BDP = 12500000 };
	struct kit *k = *s;
	struct tcp_options defaults;
	struct kit_peer *p;
	uint32_t seq = 1, edge, cwnd = 10 * 1448, got = 0;

	option_defaults(&tcp_option_table, &defaults);
	k->tcp.rcvbuf = defaults.rcvbuf;
	k->tcp.rcvbuf_initial = defaults.rcvbuf_initial;
	p = kit_peer(k);
	p->offer = OFFER_ALL;
	kit_syn(p);
	edge = 1 + kit_synack(p).win;
	kit_advance(k, 100 * MS);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	for (unsigned int round = 1; round <= 11; round++) {
		uint32_t may = min_of(cwnd, edge - seq), from = seq, new = edge;

		may = min_of(may, (uint32_t)BDP);
		for (unsigned int slot = 0; slot < 100; slot++) {
			uint32_t upto = from + (uint32_t)((uint64_t)may * (slot + 1) / 100);

			while (upto - seq >= 1448 || (slot == 99 && upto != seq)) {
				uint32_t n = min_of(upto - seq, 1448u);

				send_seg(p, .flags = ACK, .seq = seq, .ack = 1, .len = n,
					 .tsecr = p->ts_recent ? p->ts_recent - 100 : 0);
				seq += n;
			}
			kit_advance(k, MS);
			while (kit_has(k)) {
				struct seg g = kit_take(p);
				uint32_t e = g.ack + ((uint32_t)g.win << p->peer_ws);

				assert_true(seq_geq(e + (1u << p->peer_ws), new));
				new = seq_max(new, e);
				assert_true(e - g.ack <= defaults.rcvbuf);
			}
		}
		edge = new;
		got = seq - from;
		cwnd *= 2;
	}
	assert_true(got >= BDP / 10 * 9);
	assert_int_equal(p->app.rx, seq - 1);
	assert_true(kit_usage(k).mbufs_held < 100);
}

/* A small transfer leaves the buffer as it is. */
static void WND_15_only_with_delivery(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	k->tcp.rcvbuf = 4 * MIB;
	k->tcp.rcvbuf_initial = 32 * KIB;
	p = kit_est(k);
	for (uint32_t i = 0; i < 50; i++) {
		send_seg(p, .flags = ACK, .seq = 1 + 1000 * i, .ack = 1, .len = 1000);
		kit_advance(k, 150 * MS);
		while (kit_has(k))
			assert_true(kit_take(p).win << p->peer_ws <= 32 * 1024);
	}
	assert_int_equal(p->app.rx, 50000);
}

static void WND_16_DOS_01_one_octet_segments(void **s)
{
	struct kit *k = *s;
	uint32_t buf = rte_pktmbuf_data_room_size(kit_mp);
	struct kit_peer *p = kit_plain(k);

	p->app.take = 0;
	for (uint32_t i = 1; i < 65535; i++) { /* behind a gap first */
		if (i % 64 == 1)
			kit_burst_begin(k);
		send_seg(p, .flags = ACK, .seq = 1 + i, .ack = 1, .len = 1);
		if (i % 64 == 0 || i == 65534)
			kit_burst_end(k);
		kit_drain(k);
	}
	assert_true(kit_usage(k).mbufs_held * buf <= 2 * 65535 + buf);
	assert_int_equal(kit_ctr(k, CTR_OOO_EVICTED), 0);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1);
	assert_int_equal(expect(p, .flags = ACK, .seq = 1, .ack = 65536).win, 0);
	assert_true(kit_usage(k).mbufs_held * buf <= 2 * 65535 + buf);
	kit_app_read(p, UINT64_MAX);
	assert_int_equal(p->app.rx, 65535);
}

/* The block stays for a setting of the connection's own. */
static void keep_block(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	pier_set_timeouts(c, 90 * SEC, 200 * SEC);
}

/* What a client knows that sends as fast as it may. */
struct eager {
	struct kit_peer *p;
	uint32_t seq, una, edge, read; /* read: of the echo */
};

static void hear(struct kit *k, struct eager *e, unsigned int n)
{
	while (kit_has(k)) {
		struct kit_frame *f = kit_frame_next(k);
		uint16_t port = be16(kit_tcp(f->bytes)->dport);

		for (unsigned int i = 0; i < n; i++) {
			struct seg g;

			if (e[i].p->port != port)
				continue;
			g = kit_parse(e[i].p, f);
			e[i].edge = seq_max(e[i].edge, g.ack + ((uint32_t)g.win << e[i].p->peer_ws));
			e[i].una = seq_max(e[i].una, g.ack);
			if (g.seq == e[i].read)
				e[i].read += g.len;
		}
	}
}

/* Up to n bytes, within the window; whether any. */
static bool push(struct eager *e, uint32_t n)
{
	uint32_t end = seq_min(e->edge, e->seq + n), from = e->seq;

	while (seq_lt(e->seq, end)) {
		uint32_t len = min_of(end - e->seq, 1448u);

		send_seg(e->p, .flags = ACK, .seq = e->seq, .ack = e->read, .len = len);
		e->seq += len;
	}
	return e->seq != from;
}

/* A peer of k that sends as soon as it is open. */
static void eager_open(struct kit *k, struct eager *e, uint16_t win)
{
	*e = (struct eager){.p = kit_peer(k), .seq = 1, .una = 1, .read = 1};
	e->p->offer = OFFER_ALL;
	e->p->win = win;
	kit_syn(e->p);
	e->edge = 1 + kit_synack(e->p).win;
	send_seg(e->p, .flags = ACK, .seq = 1, .ack = 1);
}

/* All send what their windows let them, until none does; nothing that a window allowed is refused. */
static void fill_up(struct kit *k, struct eager *e, unsigned int n, uint32_t share)
{
	bool any = true;

	for (unsigned int round = 0; any; round++) {
		assert_true(round < 1000);
		any = false;
		for (unsigned int i = 0; i < n; i++)
			any |= push(&e[i], 8 * 1448);
		kit_advance(k, MS);
		hear(k, e, n);
		assert_true(kit_usage(k).mbufs_held <= share + share / 8);
	}
	kit_advance(k, 100 * MS); /* ACKs that were delayed */
	hear(k, e, n);
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(e[i].una, e[i].seq);
	assert_int_equal(kit_ctr(k, CTR_RX_MBUF_SHARE) + kit_ctr(k, CTR_RX_OOO_FULL), 0);
}

/* One of the n reads again, and one is new: both get on as if there were no others. */
static void two_get_on(struct kit *k, struct eager *e, unsigned int n)
{
	eager_open(k, &e[n], 65535);
	e[n].p->app.echo = true;
	e[0].p->win = 65535;
	if (!e[0].p->app.echo)
		kit_app_read(e[0].p, UINT64_MAX);
	for (unsigned int round = 0; round < 200; round++) {
		for (unsigned int i = 0; i <= n; i += n) {
			send_seg(e[i].p, .flags = ACK, .seq = e[i].seq, .ack = e[i].read);
			push(&e[i], 16 * 1448);
		}
		kit_advance(k, MS);
		hear(k, e, n + 1);
	}
	assert_true(e[0].una > 1 + 500000);
	assert_true(e[n].read > 1 + 500000);
	assert_int_equal(kit_ctr(k, CTR_RX_MBUF_SHARE), 0);
}

/* Clients that send to echo and never read: what is kept waits in send queues too. */
static void DOS_13_clients_that_never_read(void **s)
{
	enum { SLOW = 40, SHARE = 2000 };
	static struct eager e[SLOW + 1];
	struct kit *k = *s;

	k->conf.mbuf_share = SHARE;
	k->conf.block_bytes = 8 * MIB;
	k->tcp.rcvbuf = 256 * KIB;
	k->tcp.sndbuf = 256 * KIB;
	for (unsigned int i = 0; i < SLOW; i++) {
		eager_open(k, &e[i], 0);
		e[i].p->app.echo = true;
	}
	fill_up(k, e, SLOW, SHARE);
	two_get_on(k, e, SLOW);
}

/* A segment of an echo's client that acknowledges nothing. */
static void push_unread(struct kit *k, struct eager *e)
{
	push(e, 1448);
	hear(k, e, 1);
	e->read = 1;
}

/*
 * Many are open, and two have mbufs: what these may be offered is less than two segments, though there is room in the
 * share. So it stays until they have less: nothing is to be done, and the engine rests.
 */
static void small_windows_at_rest(void **s)
{
	enum { MANY = 20, SHARE = 32 };
	static struct eager e[MANY];
	struct kit *k = *s;

	k->conf.mbuf_share = SHARE;
	for (unsigned int i = 0; i < MANY; i++) {
		eager_open(k, &e[i], 40);
		e[i].p->app.echo = true;
	}
	for (unsigned int i = 0; i < 6; i++)
		push_unread(k, &e[MANY - 1]);
	for (unsigned int i = 0; i < 3; i++)
		push_unread(k, &e[MANY - 2]);
	kit_advance(k, SEC); /* much comes in no more */
	hear(k, e, MANY);
	push_unread(k, &e[MANY - 1]);
	assert_in_range(kit_usage(k).mbufs_held, 4, SHARE * 3 / 4 - 1);
	assert_true(engine_tcp(k->e)->pinched);
	kit_advance(k, 10 * MS);
	engine_tick(k->e, k->now, 256);
	assert_true(engine_next(k->e, k->now) > k->now);
}

/* Handlers that keep up, with windows that have grown, until all stop at once. */
static void DOS_13_all_stop_reading(void **s)
{
	enum { SLOW = 60, SHARE = 3000 };
	static struct eager e[SLOW + 1];
	struct kit *k = *s;
	uint64_t widest = 0;

	k->conf.mbuf_share = SHARE;
	k->conf.block_bytes = 8 * MIB;
	k->tcp.rcvbuf = 4 * MIB;
	k->tcp.rcvbuf_initial = 64 * KIB;
	for (unsigned int i = 0; i < SLOW; i++)
		eager_open(k, &e[i], 65535);
	for (unsigned int round = 0; round < 30; round++) {
		for (unsigned int i = 0; i < SLOW; i++)
			push(&e[i], (i < 2 ? 40 : 4) * 1448);
		kit_advance(k, MS);
		hear(k, e, SLOW);
	}
	for (unsigned int i = 0; i < SLOW; i++) {
		widest = max_of(widest, (uint64_t)(e[i].edge - e[i].una));
		e[i].p->app.take = 0;
	}
	assert_true(widest > 65535);
	fill_up(k, e, SLOW, SHARE);
	two_get_on(k, e, SLOW);
}

/* A thousand that are told nothing of each other, and fill the windows they begin with. */
static void DOS_13_a_thousand_at_once(void **s)
{
	enum { SLOW = 1000, SHARE = 4000 };
	static struct eager e[SLOW + 1];
	struct kit *k = *s;

	k->unchecked = true;
	k->conf.mbuf_share = SHARE;
	k->conf.max_connections = SLOW + 2;
	k->conf.block_bytes = 8 * MIB;
	k->tcp.rcvbuf = 256 * KIB;
	for (unsigned int i = 0; i < SLOW; i++) {
		eager_open(k, &e[i], 65535);
		e[i].p->app.take = 0;
	}
	fill_up(k, e, SLOW, SHARE);
	two_get_on(k, e, SLOW);
}

/*
 * Clients of echo, so many that the first segments which each has in its send queue are share and reserve together:
 * nothing would come in for anybody. Those that have stalled longest go, and a new one is served.
 */
static void DOS_05_DOS_13_the_stalled_hold_all(void **s)
{
	enum { SLOW = 60, SHARE = 128, END = SHARE + SHARE / 8 + SHARE / 16, ROUNDS = 100 };
	static struct eager e[SLOW + 1];
	struct kit *k = *s;
	unsigned int gone;

	k->conf.mbuf_share = SHARE;
	k->conf.max_connections = 2 * SLOW;
	k->conf.block_bytes = 8 * MIB;
	for (unsigned int i = 0; i < SLOW; i++) {
		eager_open(k, &e[i], 0);
		e[i].p->app.echo = true;
	}
	for (unsigned int i = 0; i < SLOW; i++)
		push(&e[i], 8 * 1448);
	kit_advance(k, 100 * MS);
	hear(k, e, SLOW);
	assert_in_range(kit_usage(k).mbufs_held, SHARE, END - 1);
	eager_open(k, &e[SLOW], 65535);
	e[SLOW].p->app.echo = true;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		send_seg(e[SLOW].p, .flags = ACK, .seq = e[SLOW].seq, .ack = e[SLOW].read);
		push(&e[SLOW], 1448);
		kit_advance(k, MS);
		hear(k, e, SLOW + 1);
	}
	assert_int_equal(e[SLOW].read, 1 + ROUNDS * 1448);
	gone = (unsigned int)kit_ctr(k, CTR_STALLED_RESET);
	assert_in_range(gone, 1, SLOW / 3);
	assert_int_equal(kit_usage(k).stalled, SLOW - gone);
	for (unsigned int i = 0; i < SLOW; i++)
		assert_int_equal(e[i].p->app.closes, i < gone);
	assert_int_equal(e[0].p->app.why, PIER_CLOSE_PRESSURE);
}

/* Octets of a peer's stream that were not acknowledged, in segments of an MSS; what comes back is read. */
static void send_unacked(struct kit *k, struct eager *e, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		for (uint32_t at = e[i].una; at != e[i].seq;) {
			const uint32_t len = min_of(e[i].seq - at, 1448u);

			send_seg(e[i].p, .flags = ACK, .seq = at, .ack = e[i].read, .len = len);
			at += len;
		}
	hear(k, e, n);
}

/*
 * More peers than the share has mbufs, of handlers that read nothing, use the two segments that each was
 * offered: what is beyond share and reserve is dropped, not acknowledged, and taken when it is sent again.
 */
static void a_share_that_is_spent(void **s)
{
	enum { SLOW = 60, GONE = 8, SHARE = 32, EACH = 2 * 1448 };
	static struct eager e[SLOW];
	struct kit *k = *s;
	uint32_t short_of = 0, both = 0;
	uint64_t dropped;

	k->conf.mbuf_share = SHARE;
	for (unsigned int i = 0; i < SLOW; i++) {
		eager_open(k, &e[i], 65535);
		e[i].p->app.take = 0;
		assert_true(e[i].edge - e[i].seq >= EACH);
	}
	for (unsigned int i = 0; i < SLOW; i++)
		assert_true(push(&e[i], EACH));
	kit_advance(k, 100 * MS); /* delayed ACKs */
	hear(k, e, SLOW);
	dropped = kit_ctr(k, CTR_RX_MBUF_SHARE);
	assert_true(dropped > 0);
	assert_int_equal(kit_ctr(k, CTR_RX_OUT_OF_WINDOW), 0);
	for (unsigned int i = 0; i < SLOW; i++)
		short_of += (e[i].seq - e[i].una + 1447) / 1448;
	assert_int_equal(short_of, dropped);
	/* Behind the open part and an eighth are first segments: where a handler has left one, the second is refused. */
	for (unsigned int i = 0; i < SLOW; i++)
		both += e[i].una == e[i].seq;
	assert_in_range(both, 1, SHARE / 2 + SHARE / 8); /* two lie in one mbuf */
	/* It stays so for as long as nobody reads. */
	send_unacked(k, e, SLOW);
	assert_true(kit_ctr(k, CTR_RX_MBUF_SHARE) > dropped);
	assert_true(kit_usage(k).mbufs_held <= SHARE + SHARE / 8 + SHARE / 16);
	dropped = kit_ctr(k, CTR_RX_MBUF_SHARE);
	/* Some go, and the others read: what was dropped has room, and is taken in its place. */
	for (unsigned int i = 0; i < GONE; i++)
		send_seg(e[i].p, .flags = RST, .seq = e[i].una);
	for (unsigned int i = GONE; i < SLOW; i++)
		kit_app_read(e[i].p, UINT64_MAX);
	send_unacked(k, e + GONE, SLOW - GONE);
	kit_advance(k, 100 * MS);
	hear(k, e, SLOW);
	assert_int_equal(kit_ctr(k, CTR_RX_MBUF_SHARE), dropped);
	for (unsigned int i = GONE; i < SLOW; i++) {
		assert_int_equal(e[i].una, e[i].seq);
		assert_int_equal(e[i].p->app.rx, EACH);
	}
	assert_int_equal(kit_usage(k).mbufs_held, 0);
}

/* The same peers where the window's unit is larger than two segments: what each is offered is not rounded to none. */
static void a_fair_window_in_large_units(void **s)
{
	enum { MANY = 60, EACH = 2 * 1448 };
	static struct eager e[MANY];
	struct kit *k = *s;

	k->conf.mbuf_share = 32;
	k->tcp.rcvbuf = GIB;
	for (unsigned int i = 0; i < MANY; i++) {
		eager_open(k, &e[i], 65535);
		assert_true(e[i].p->peer_ws == 14);
		assert_true(e[i].edge - e[i].seq >= EACH);
	}
	for (unsigned int round = 0; round < 20; round++)
		for (unsigned int i = 0; i < MANY; i++) {
			assert_true(push(&e[i], EACH));
			kit_advance(k, 100 * MS);
			hear(k, e, MANY);
			assert_int_equal(e[i].una, e[i].seq);
		}
	assert_int_equal(kit_ctr(k, CTR_RX_MBUF_SHARE), 0);
}

/*
 * Handlers that read nothing have nearly all: what is left is less than such a unit, and goes to
 * the one that reads all the same.
 */
static void a_reader_in_large_units(void **s)
{
	enum { SLOW = 60 };
	static const uint32_t share[] = {128, 512, 2048};
	static struct eager e[SLOW + 1];

	for (unsigned int i = 0; i < ARRAY_SIZE(share); i++) {
		struct kit *k = kit_new();

		k->conf.mbuf_share = share[i];
		k->tcp.rcvbuf = GIB;
		for (unsigned int n = 0; n < SLOW; n++) {
			eager_open(k, &e[n], 65535);
			e[n].p->app.take = 0;
		}
		for (unsigned int round = 0; round < 40; round++) {
			for (unsigned int n = 0; n < SLOW; n++)
				push(&e[n], 8 * 1448);
			kit_advance(k, MS);
			hear(k, e, SLOW);
		}
		eager_open(k, &e[SLOW], 65535);
		for (unsigned int round = 0; round < 100; round++) {
			push(&e[SLOW], 16 * 1448);
			kit_advance(k, MS);
			hear(k, e, SLOW + 1);
		}
		assert_true(e[SLOW].una > 1000000);
		kit_close(k);
	}
}

/*
 * The same peers where segments may be of 9,000 octets, however small theirs are: two of those is what each is
 * offered, or no edge would ever gain what it takes to be moved. And no window is in the list of those that the share
 * keeps small, whose blocks stay.
 */
static void large_segments(struct kit *k)
{
	enum { MANY = 100, EACH = 1000 };
	static struct eager e[MANY];

	for (unsigned int i = 0; i < MANY; i++)
		eager_open(k, &e[i], 65535);
	for (unsigned int round = 0; round < 40; round++)
		for (unsigned int i = 0; i < MANY; i++) {
			assert_true(e[i].edge - e[i].seq >= EACH);
			assert_true(push(&e[i], EACH));
			kit_advance(k, 100 * MS);
			hear(k, e, MANY);
			assert_int_equal(e[i].una, e[i].seq);
		}
	assert_int_equal(kit_ctr(k, CTR_RX_MBUF_SHARE), 0);
	assert_int_equal(engine_tcp(k->e)->pinched, 0);
	assert_int_equal(kit_usage(k).block_bytes, 0);
}

static void a_fair_window_of_large_segments(void **s)
{
	struct kit *k = *s;

	k->conf.mbuf_share = 32;
	k->conf.max_connections = 100;
	k->cap[0].mtu = kit_mtu(9000);
	large_segments(k);
}

static void a_fair_window_when_segments_become_large(void **s)
{
	struct kit *k = *s;

	k->conf.mbuf_share = 32;
	k->conf.max_connections = 100;
	kit_start(k);
	k->cap[0].mtu = kit_mtu(9000);
	engine_port_mtu(k->e, 0);
	large_segments(k);
}

/* All that the engine has sent to this peer has arrived, and what was queued goes on. */
static void ack_all(struct kit *k, struct eager *e)
{
	const struct tcp *t = engine_tcp(k->e);
	uint32_t i = 1;

	while (t->conn[i].tuple.remote_port != be16(e->p->port))
		i++;
	e->p->win = 65535;
	for (unsigned int round = 0; round < 8; round++) {
		send_seg(e->p, .flags = ACK, .seq = e->seq, .ack = t->conn[i].snd_nxt - e->p->iss);
		hear(k, e, 1);
	}
}

/*
 * Clients of echo read late, and all windows are small for it. When they have read, and are silent,
 * no room is kept for them, though they keep their blocks for something else: it is the others'.
 */
static void what_was_acknowledged_is_promised_nothing(void **s)
{
	enum { MANY = 8, SHARE = 48 };
	static struct eager e[MANY];
	struct kit *k = *s;
	const struct tcp *t;

	k->conf.mbuf_share = SHARE;
	for (unsigned int i = 0; i < MANY; i++) {
		eager_open(k, &e[i], 40);
		e[i].p->app.echo = true;
		if (i % 2)
			kit_app_call(e[i].p, keep_block, 0);
	}
	t = engine_tcp(k->e);
	for (unsigned int n = 0; n < 12 * MANY; n++)
		push_unread(k, &e[n % MANY]);
	kit_advance(k, 100 * MS); /* much comes in no more */
	kit_drain(k);
	assert_true(t->held > SHARE / 2 && t->promised > 0 && t->pinched);
	for (unsigned int i = 0; i < MANY; i++)
		ack_all(k, &e[i]);
	kit_advance(k, SEC);
	kit_drain(k);
	assert_int_equal(t->held, 0);
	assert_int_equal(t->promised, 0);
	assert_int_equal(t->pinched, 0);
}

/* Behind its FIN nothing comes, though what came before may lie there: no room is kept for it. */
static void what_has_ended_is_promised_nothing(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	k->conf.mbuf_share = 200;
	p = kit_est(k);
	p->app.take = 0;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1448);
	kit_advance(k, 100 * MS);
	assert_true(engine_tcp(k->e)->promised > 0);
	send_seg(p, .flags = FIN | ACK, .seq = 1449, .ack = 1);
	assert_int_equal(engine_tcp(k->e)->promised, 0);
	assert_int_equal(kit_usage(k).mbufs_held, 1);
	kit_drain(k);
}

/* All mbufs are where they were: with the engine for use, or in the mempool. */
static void pool_is_whole(struct kit *k)
{
	const struct pkt_pool *pool = engine_tcp(k->e)->pool;

	assert_int_equal(rte_mempool_avail_count(kit_mp) + pool->n + pool->n_reserve, KIT_MBUFS);
	assert_int_equal(pool->n_reserve, KIT_RESERVE);
	assert_int_equal(rte_mempool_avail_count(kit_indirect), KIT_MBUFS);
	assert_int_equal(kit_usage(k).mbufs_held, 0);
}

/* A sender as simple as can be: from the first byte not acknowledged, again. */
static void send_again(struct eager *e, uint32_t end)
{
	for (uint32_t at = e->una; at < e->una + 4 * 1448 && at < end;) {
		uint32_t n = min_of(end - at, 1448u);

		send_seg(e->p, .flags = ACK, .seq = at, .ack = e->read, .len = n);
		at += n;
	}
}

/* An echo of 4 MB with allocations failing for five seconds in the middle of it. */
static void through_a_famine(struct kit *k, unsigned int mbufs, unsigned int slab)
{
	const uint32_t end = 1 + 4000000;
	uint64_t begin = k->now, from = begin + SEC, to = from + 5 * SEC, failed;
	struct eager e = {.seq = 1, .una = 1, .edge = 1 + 65535, .read = 1};
	uint32_t before = 0, after = 0;

	e.p = kit_est(k);
	e.p->app.echo = true;
	failed = kit_ctr(k, CTR_TX_NO_MBUF) + kit_ctr(k, CTR_BLOCKS_EXHAUSTED);
	while (e.read < end) {
		bool famine = k->now >= from && k->now < to;

		assert_true(k->now < begin + 200 * SEC);
		before = k->now <= from ? e.read : before;
		after = k->now <= to ? e.read : after;
		kit_fail_mbufs = famine ? mbufs : 0;
		kit_fail_slab = famine ? slab : 0;
		send_again(&e, end);
		kit_advance(k, 10 * MS);
		hear(k, &e, 1);
		send_seg(e.p, .flags = ACK, .seq = e.una, .ack = e.read);
	}
	kit_fail_mbufs = kit_fail_slab = 0;
	assert_in_range(before, 2, end - 1); /* it was under way, and it was not over */
	assert_true(after < end - 1000);
	if (mbufs > 1)
		assert_true(after > before);
	failed = kit_ctr(k, CTR_TX_NO_MBUF) + kit_ctr(k, CTR_BLOCKS_EXHAUSTED) - failed;
	assert_true(failed > 100);
	send_seg(e.p, .flags = RST, .seq = e.una);
	kit_drain(k);
	assert_int_equal(kit_usage(k).connections, 1 - !k->ctl);
	pool_is_whole(k);
}

static void DOS_12_every_allocation_fails(void **s)
{
	through_a_famine(*s, 1, 1);
}

static void DOS_12_every_second_allocation_fails(void **s)
{
	through_a_famine(*s, 2, 2);
}

/* A RST, an ACK, an ARP reply and a retransmission, when new data finds no mbuf. */
static void DOS_12_the_reserve(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k), *q = kit_plain(k), *stranger = kit_peer(k);
	struct kit_frame *f;
	struct seg g = {.len = 1};
	uint32_t seq = 1;
	uint64_t from;

	stranger->dport = 4444;
	kit_app_send(p, 100);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	from = k->now;
	q->app.on_data = 1000;
	kit_fail_mbufs = 1;
	for (; g.len; seq += 2000) { /* until its answers find no mbuf: they are acknowledged */
		assert_true(seq < 20 * 2000);
		kit_burst_begin(k);
		send_seg(q, .flags = ACK, .seq = seq, .ack = 1, .len = 1000);
		send_seg(q, .flags = ACK, .seq = seq + 1000, .ack = 1, .len = 1000);
		kit_burst_end(k);
		g = kit_take(q);
		assert_int_equal(g.ack, seq + 2000);
		kit_drain(k);
	}
	send_seg(stranger, .flags = SYN, .seq = 0);
	expect(stranger, .flags = RST | ACK, .seq = 0, .ack = 1);
	kit_ask(k, kit_peer_mac, p->addr, p->server);
	f = kit_frame_next(k);
	assert_non_null(f);
	assert_null(kit_tcp(f->bytes));
	kit_quiet(k);
	do {
		while (!kit_has(k))
			kit_advance(k, MS);
		f = kit_frame_next(k);
		assert_true(k->now < from + 2 * SEC);
	} while (be16(kit_tcp(f->bytes)->dport) != p->port);
	assert_int_equal(kit_parse(p, f).len, 100);
	kit_fail_mbufs = 0;
	kit_advance(k, 10 * MS);
	send_seg(p, .flags = RST, .seq = 1);
	send_seg(q, .flags = RST, .seq = 1);
	kit_drain(k);
	kit_advance(k, MS);
	pool_is_whole(k);
}

/* Connections that have brought much and then rest: each gave its block back a round trip later. */
static void blocks_come_back(void **s)
{
	enum { MANY = 60, EACH = 1000000 };
	static struct eager e[MANY];
	struct kit *k = *s;
	bool any = true;

	k->conf.mbuf_share = 6000;
	k->tcp.rcvbuf = 4 * MIB;
	k->tcp.rcvbuf_initial = 64 * KIB;
	for (unsigned int i = 0; i < MANY; i++)
		eager_open(k, &e[i], 65535);
	for (unsigned int round = 0; any; round++) {
		assert_true(round < 2000);
		any = false;
		for (unsigned int i = 0; i < MANY; i++)
			if (e[i].seq < 1 + EACH)
				any |= push(&e[i], min_of(1 + EACH - e[i].seq, 32u * 1448));
		kit_advance(k, MS);
		hear(k, e, MANY);
	}
	assert_true(engine_tcp(k->e)->rcv_grown > 0);
	assert_true(kit_usage(k).block_bytes > 0); /* while the round lasts */
	kit_advance(k, 200 * MS);
	for (unsigned int i = 0; i < MANY; i++)
		assert_int_equal(e[i].p->app.rx, EACH);
	assert_int_equal(kit_usage(k).block_bytes, 0);
	assert_int_equal(engine_tcp(k->e)->promised, 0);
	for (unsigned int i = 0; i < MANY; i++)
		send_seg(e[i].p, .flags = RST, .seq = 1 + EACH);
	assert_int_equal(engine_tcp(k->e)->rcv_grown, 0);
}

/* Nothing is queued, so no ACK will say that there is memory again, and the handler wants to send. */
static void who_found_no_memory_is_told(void **s)
{
	enum { MANY = 600 };
	struct kit *k = *s;
	struct kit_peer *p = NULL;
	unsigned int n;

	k->unchecked = true;
	k->conf.block_bytes = MIB;
	for (n = 0; n < MANY; n++) {
		p = kit_peer(k);
		p->win = 0;
		kit_syn(p);
		kit_synack(p);
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
		kit_app_send(p, MIB);
		if (!p->app.tx)
			break;
	}
	assert_in_range(n, 8, MANY - 1);
	kit_advance(k, 100 * MS);
	assert_int_equal(p->app.tx, 0);
	for (unsigned int i = 0; i < n; i++)
		send_seg(k->peers[i], .flags = RST, .seq = 1);
	kit_drain(k);
	kit_advance(k, 10 * MS);
	assert_true(p->app.tx > 0);
	kit_drain(k);
}

/* All that buffers grew is what the worker has for it, however fast one peer is. */
static void buffers_grow_within_the_budget(void **s)
{
	struct kit *k = *s;
	const struct tcp *t;
	static struct eager e;

	k->conf.mbuf_share = 64;
	k->tcp.rcvbuf = 4 * MIB;
	k->tcp.rcvbuf_initial = 16 * KIB;
	eager_open(k, &e, 65535);
	t = engine_tcp(k->e);
	for (unsigned int round = 0; round < 200; round++) {
		push(&e, 64 * 1448);
		kit_advance(k, MS);
		hear(k, &e, 1);
		assert_true(t->rcv_grown <= t->rcv_budget);
	}
	assert_true(t->rcv_grown > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(WND_15_a_gigabit_over_100_ms),
		KIT_TEST(WND_15_only_with_delivery),
		KIT_TEST(WND_16_DOS_01_one_octet_segments),
		KIT_TEST(blocks_come_back),
		KIT_TEST(who_found_no_memory_is_told),
		KIT_TEST(buffers_grow_within_the_budget),
		KIT_TEST(DOS_12_the_reserve),
		KIT_TEST(DOS_12_every_allocation_fails),
		KIT_TEST(DOS_12_every_second_allocation_fails),
		KIT_TEST(DOS_13_clients_that_never_read),
		KIT_TEST(small_windows_at_rest),
		KIT_TEST(DOS_13_all_stop_reading),
		KIT_TEST(DOS_13_a_thousand_at_once),
		KIT_TEST(DOS_05_DOS_13_the_stalled_hold_all),
		KIT_TEST(a_share_that_is_spent),
		KIT_TEST(what_has_ended_is_promised_nothing),
		KIT_TEST(what_was_acknowledged_is_promised_nothing),
		KIT_TEST(a_fair_window_in_large_units),
		cmocka_unit_test(a_reader_in_large_units),
		KIT_TEST(a_fair_window_of_large_segments),
		KIT_TEST(a_fair_window_when_segments_become_large),
	};

	return KIT_RUN("memory", tests);
}
