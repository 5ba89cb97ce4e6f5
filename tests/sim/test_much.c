/*
 * What many connections may hold, at the size that the rows name (crowd.h): data out of order, and
 * streams of tiny segments. What a segment may cost is counted in steps, never timed.
 *
 * Rows: DOS-02 DOS-04 DOS-13.
 */
#include "crowd.h"

#define WINDOW (4 * MIB)

/* What a client knows of its connection. Its own numbers begin at 0. */
struct mate {
	uint32_t iss, seq, edge, una;
};

static struct mate *mates;
static uint32_t n_mates;

static void note_mate(const struct ip4_hdr *ip, const struct tcp_hdr *th, uint32_t payload)
{
	struct mate *m = &mates[be32(ip->daddr) & 0xffffff];

	if (th->flags & RST)
		fail_msg("client %u was reset", (unsigned int)(m - mates));
	if (th->flags & SYN)
		m->iss = be32(th->seq);
	m->una = seq_max(m->una, be32(th->ack));
	m->edge = seq_max(m->edge, be32(th->ack) + ((uint32_t)be16(th->window)
						      << (th->flags & SYN ? 0 : 7)));
}

/* Clients from on and before to open; they offer o, whose window scale is 7. */
static void open_mates(uint32_t from, uint32_t to, const struct tcp_opts *o)
{
	many.seen = note_mate;
	for (uint32_t i = from; i < to; i++) {
		crowd_from(i, KIT_PORT, (struct seg){.flags = SYN, .seq = 0}, 65535, o);
		if (many.n)
			crowd_turn();
		crowd_from(i, KIT_PORT, (struct seg){.flags = ACK, .seq = 1, .ack = mates[i].iss + 1}, 512,
			   NULL);
		mates[i].seq = 1;
	}
	crowd_turn();
}

static struct kit *mates_begin(enum deed deed, uint32_t n)
{
	struct kit *k = crowd(deed);

	n_mates = n;
	mates = calloc(n, sizeof(*mates));
	assert_non_null(mates);
	k->conf.max_connections = n + 16;
	k->conf.block_bytes = 256 * MIB;
	return k;
}

static void mates_end(struct kit *k)
{
	many.deed = REST;
	many.seen = NULL;
	crowd_end(k);
	free(mates);
}

/* Octets from seq on, of client i. */
static void send_at(uint32_t i, uint32_t seq, uint32_t len)
{
	crowd_from(i, KIT_PORT, (struct seg){.flags = ACK, .seq = seq, .len = len, .ack = mates[i].iss + 1},
		   512, NULL);
}

/* ---- DOS-02 ---- */

/* Of a window: one octet behind the gap of 999 that RCV.NXT is at. */
#define ODD(j) (1000 + 2 * (j))

static const struct tcp_opts scaled = {.flags = TCP_OPTS_MSS | TCP_OPTS_SACK_OK | TCP_OPTS_WSCALE,
				       .mss = 1460, .wscale = 7};

/*
 * A thousand connections, 10^5 segments a second: one octet at odd offsets. The first has a window of
 * 4 MiB and is sent every odd one of it; the others, whose part of the memory is a hundredth of that, 600
 * each. All stay within their caps, and data in order is taken from each.
 *
 * To place a segment and to report what it did takes at most 20 binary searches among the 256 ranges that a
 * connection may have, 9 steps each; beside that it moves 255 ranges of 32 octets at most, and looks at 16
 * connections for the fattest. So no segment costs more than that, however many there are.
 */
static void DOS_02_a_thousand_connections(void **state)
{
	enum { CONNS = MANY(1000) < 20 ? 20 : MANY(1000), EACH = 600, SHARE = 4000, SEARCHES = 20, STEPS = 9 };
	const uint32_t odds = MANY(WINDOW / 2 - 500), beside = odds / (CONNS * EACH);
	struct kit *k = mates_begin(REST, CONNS);
	uint64_t before = 0, most = 0, segments = 0;

	k->tcp.rcvbuf = WINDOW;
	k->conf.mbuf_share = SHARE;
	crowd_start(k);
	open_mates(0, CONNS, &scaled);
	/* The first acknowledged segment that is not a SYN says how wide the window is. */
	assert_true(mates[0].edge != 0);
	for (uint32_t j = 0; j < odds; j++) {
		send_at(0, ODD(j), 1);
		segments++;
		if (j % max_of(beside, 1u) == 0 && j / max_of(beside, 1u) < CONNS * EACH) {
			const uint32_t nth = j / max_of(beside, 1u);

			send_at(nth % CONNS, ODD(nth / CONNS), 1);
			segments++;
		}
		if (many.n >= BURST - 2) {
			const uint32_t in_turn = many.n;
			uint64_t steps;

			crowd_turn();
			crowd_pass(10 * BURST);
			steps = kit_ctr(k, CTR_OOO_STEPS) - before;
			before += steps;
			most = max_of(most, (steps + in_turn - 1) / in_turn);
			assert_true(most <= SEARCHES * STEPS);
			assert_true(kit_usage(k).mbufs_held <= SHARE / 2 + BURST);
		}
	}
	crowd_turn();
	print_message("%u connections, %" PRIu64 " segments: %.1f steps each, at most %" PRIu64
		      " in a burst; %" PRIu64 " ranges evicted\n", (unsigned int)CONNS, segments,
		      (double)kit_ctr(k, CTR_OOO_STEPS) / (double)segments, most,
		      kit_ctr(k, CTR_OOO_EVICTED));
	assert_true(kit_ctr(k, CTR_OOO_EVICTED) > 0);
	for (uint32_t i = 0; i < CONNS; i++)
		send_at(i, 1, 999);
	crowd_turn();
	assert_true(many.octets >= CONNS * 999);
	mates_end(k);
}

/* ---- DOS-04 ---- */

static uint32_t longest;
static uint64_t data_segments, data_octets;

static void note_lengths(const struct ip4_hdr *ip, const struct tcp_hdr *th, uint32_t payload)
{
	struct mate *m = &mates[be32(ip->daddr) & 0xffffff];

	note_mate(ip, th, payload);
	if (!payload)
		return;
	data_segments++;
	data_octets += payload;
	longest = max_of(longest, payload);
	if (seq_leq(m->una, be32(th->seq) + payload))
		m->una = be32(th->seq) + payload; /* here: of the engine's octets */
}

/* Octets of blocks when n connections with 16 MiB to send have a window of 64 KiB in flight each. */
static uint64_t memory_of(uint16_t mss, uint32_t n)
{
	const struct tcp_opts o = {.flags = TCP_OPTS_MSS, .mss = mss};
	struct kit *k = mates_begin(STREAM, n);
	uint64_t bytes;
	uint32_t acked;

	longest = 0;
	data_segments = data_octets = 0;
	k->tcp.sndbuf = 16 * MIB;
	k->tcp.burst = 65535;
	kit_congestion(k, "newreno");
	crowd_start(k);
	many.seen = note_lengths;
	for (uint32_t i = 0; i < n; i++) {
		crowd_from(i, KIT_PORT, (struct seg){.flags = SYN, .seq = 0}, 65535, &o);
		crowd_turn();
		mates[i].una = mates[i].iss + 1;
		crowd_from(i, KIT_PORT, (struct seg){.flags = ACK, .seq = 1, .ack = mates[i].una}, 65535, NULL);
		acked = mates[i].una;
		for (unsigned int round = 0; round < 20; round++) { /* slow start, to the window */
			crowd_turn();
			crowd_pass(100);
			if (mates[i].una - acked >= 65000)
				break;
			for (uint32_t to = mates[i].una; acked != to;) {
				acked = seq_min(acked + 2 * max_of(mss, 64), to);
				crowd_from(i, KIT_PORT, (struct seg){.flags = ACK, .seq = 1, .ack = acked},
					   65535, NULL);
			}
		}
		crowd_turn();
	}
	bytes = kit_usage(k).block_bytes;
	print_message("MSS %u, %u connections: %" PRIu64 " octets of blocks each, %" PRIu64 " segments of %"
		      PRIu64 " octets\n", mss, n, bytes / n, data_segments, data_octets / data_segments);
	mates_end(k);
	return bytes;
}

/*
 * 10^3 connections write 16 MiB each to a peer whose MSS is 48. The floor is 64 octets, and each segment
 * has as many; a connection keeps its block, and what it has queued and in flight as ranges: no more than
 * with full segments, however many there are.
 */
static void DOS_04_a_thousand_connections(void **state)
{
	const uint32_t n = MANY(1000);
	uint64_t full = memory_of(1460, n), tiny = memory_of(48, n);

	assert_int_equal(longest, 64);
	assert_true(data_segments <= data_octets / 64 + n * 10);
	assert_true(data_octets >= n * 65000ull);
	assert_true(tiny <= n * (1024 + 2 * 4096ull));
	assert_true(tiny <= full + n * 4096ull);
}

/* ---- DOS-13 ---- */

/* A mempool that has no more than what connections may hold, a device's ring, and bursts under way. */
static struct rte_mempool *tight_pool(uint32_t share, uint32_t ring)
{
	const uint32_t n = share + share / 8 + share / 16 + ring + 4 * BURST + 1024;
	struct rte_mempool *mp = rte_mempool_create_empty(
		"tight", n, sizeof(struct rte_mbuf) + RTE_PKTMBUF_HEADROOM + 2048, 0,
		sizeof(struct rte_pktmbuf_pool_private), SOCKET_ID_ANY, 0);
	struct rte_pktmbuf_pool_private priv = {.mbuf_data_room_size = RTE_PKTMBUF_HEADROOM + 2048};

	assert_non_null(mp);
	assert_int_equal(rte_mempool_set_ops_byname(mp, KIT_MEMPOOL_OPS, NULL), 0);
	rte_pktmbuf_pool_init(mp, &priv);
	assert_int_equal(rte_mempool_populate_anon(mp), n);
	rte_mempool_obj_iter(mp, rte_pktmbuf_init, NULL);
	return mp;
}

/* All send what their windows let them, a segment each in a round, until nothing more is taken of anyone. */
static void fill_all(struct kit *k, uint32_t n, uint32_t most)
{
	uint64_t before = UINT64_MAX;

	for (unsigned int round = 0; before != kit_usage(k).mbufs_held; round++) {
		assert_true(round < 200);
		before = kit_usage(k).mbufs_held;
		for (uint32_t i = 0; i < n; i++) {
			struct mate *m = &mates[i];
			const uint32_t len = min_of(m->edge - m->una, 1460u);

			if (len)
				send_at(i, m->una, len);
			assert_true(kit_usage(k).mbufs_held <= most);
		}
		crowd_turn();
		crowd_pass(50 * MS); /* ACKs that were delayed */
		crowd_turn();
	}
}

/*
 * Octets that one more client brings in 200 ms, a millisecond away, beside n that are not read. A thousand
 * descriptors of a device have each its mbuf at all times.
 */
static uint64_t beside_sleepers(uint32_t n)
{
	enum { SHARE = MANY(36000) < 3600 ? 3600 : 36000, RING = 1024 };
	const uint32_t most = SHARE + SHARE / 8 + SHARE / 16;
	struct kit *k = mates_begin(REST, n + 1);
	struct rte_mempool *mp = tight_pool(SHARE, RING);
	struct rte_mbuf *ring[RING];
	uint64_t octets;

	many.pool = k->conf.pool = mp;
	many.sleepers = n;
	k->conf.mbuf_share = SHARE;
	k->conf.max_half_open = BURST;
	k->tcp.rcvbuf = 256 * KIB;
	crowd_start(k);
	assert_int_equal(rte_pktmbuf_alloc_bulk(mp, ring, RING), 0);
	open_mates(0, n, &scaled);
	fill_all(k, n, most);
	print_message("%u sleep: %u mbufs held of %u, %" PRIu64 " segments dropped\n", n,
		      (unsigned int)kit_usage(k).mbufs_held, (unsigned int)SHARE, kit_ctr(k, CTR_RX_MBUF_SHARE));
	assert_true(!n || kit_usage(k).mbufs_held >= SHARE / 2);
	octets = kit_ctr(k, CTR_RX_MBUF_SHARE);
	open_mates(n, n + 1, &scaled);
	for (unsigned int ms = 0; ms < 200; ms++) {
		struct mate *m = &mates[n];
		const uint32_t edge = m->edge;

		for (unsigned int i = 0; i < 16 && edge - m->seq >= 1460; i++, m->seq += 1460)
			send_at(n, m->seq, 1460);
		crowd_turn();
		crowd_pass(MS);
	}
	assert_int_equal(kit_ctr(k, CTR_RX_MBUF_SHARE), octets); /* of its segments none is dropped */
	octets = many.octets;
	rte_pktmbuf_free_bulk(ring, RING);
	mates_end(k);
	rte_mempool_free(mp);
	return octets;
}

/*
 * 10^4 connections open, then fill the windows that they were offered, and nobody reads. What they hold
 * ends where the reserve for others begins; the ring never lacks an mbuf, and one more client, whose handler
 * reads, is as fast as without them.
 */
static void DOS_13_ten_thousand_that_are_not_read(void **state)
{
	const uint32_t n = MANY(10000);
	uint64_t alone = beside_sleepers(0), beside = beside_sleepers(n);

	print_message("%" PRIu64 " octets alone, %" PRIu64 " beside %u that are not read\n", alone, beside, n);
	assert_true(alone > 200 * 10000);
	assert_true(beside * 100 >= alone * 95);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(DOS_02_a_thousand_connections),
		cmocka_unit_test(DOS_04_a_thousand_connections),
		cmocka_unit_test(DOS_13_ten_thousand_that_are_not_read),
	};

	return cmocka_run_group_tests_name("much", tests, kit_group_setup, NULL);
}
