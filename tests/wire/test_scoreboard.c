/*
 * Peers that want much work for little: tiny segments, and SACK blocks that cut the scoreboard into
 * crumbs or join all of it. What an ACK may cost is counted in ranges, the only thing of which there can
 * be many: finding one is a binary search, marking walks those of the block, of which one is left then,
 * and an insertion moves at most half of them, 16 octets each. A block cuts out no piece below
 * the least segment, and all ranges lie in one object of 128 KiB at most.
 */
#include <time.h>

#include "inside.h"

/* The clock does not wrap, and no sanitizer looks on. */
#if defined(__SANITIZE_ADDRESS__) || defined(SIM_FEWER)
#define WHOLE false
#else
#define WHOLE (!getenv("KIT_T0"))
#endif
#define RTT   (40 * MS)
#define LEAST 52 /* payload of a segment of min_snd_mss */
#define RANGES_MAX (128 * KIB / sizeof(struct tcp_flight))

/* A peer that has what it says it has, octet by octet. */
struct octets {
	struct flow f;
	uint32_t n, cum; /* of the stream, and in order */
	uint8_t *have;
	struct tcp_conn *c;
};

static struct tcp_work *work_of(struct octets *o)
{
	return inside(&o->f, &o->c);
}

/* n octets for a peer of that MSS, all of them in flight, and none received. */
static void begin(struct octets *o, struct kit *k, uint16_t mss, uint32_t n)
{
	*o = (struct octets){.n = n, .have = calloc(n + 1, 1)};
	k->unchecked = true;
	k->tcp.sndbuf = n + 4 * MIB;
	k->tcp.burst = 65535;
	k->conf.block_bytes = 32 * MIB;
	use_cc(k, "newreno");
	o->f = (struct flow){.k = k, .p = kit_peer(k), .rtt = RTT, .mss = max_of(mss, 64) - 12};
	o->f.p->offer = OFFER_ALL;
	o->f.p->mss = mss;
	o->f.p->ws = 13;
	kit_syn(o->f.p);
	kit_synack(o->f.p);
	kit_advance(k, RTT);
	o->f.p->win = 20000;
	send_seg(o->f.p, .flags = ACK, .seq = 1, .ack = 1);
	o->f.p->app.statics = n > 8 * MIB; /* a queue takes 16 MiB of copies */
	kit_app_send(o->f.p, n);
	assert_int_equal(o->f.p->app.tx, n);
	work_of(o)->cc.cwnd = n + 16 * MIB;
	send_seg(o->f.p, .flags = ACK, .seq = 1, .ack = 1);
	for (int i = 0; i < 100 && o->c->snd_nxt != work_of(o)->snd_end; i++) {
		kit_drain(k);
		kit_advance(k, MS);
	}
	kit_drain(k);
	assert_int_equal(o->c->snd_nxt - work_of(o)->snd_una, n);
}

static void receive(struct octets *o)
{
	while (kit_has(o->f.k)) {
		struct seg g = kit_take(o->f.p);

		memset(o->have + g.seq - 1, 1, g.len);
	}
	while (o->have[o->cum])
		o->cum++;
}

/* From here on nothing is lost: all of it arrives, and what is sent again is right. */
static void complete(struct octets *o)
{
	for (int i = 0; o->cum < o->n; i++) {
		assert_true(i < 100000);
		receive(o);
		send_seg(o->f.p, .flags = ACK, .seq = 1, .ack = 1 + o->cum);
		if (!kit_has(o->f.k))
			kit_advance(o->f.k, 5 * MS);
	}
	send_seg(o->f.p, .flags = ACK, .seq = 1, .ack = 1 + o->n);
	kit_drain(o->f.k);
	kit_silence(o->f.k, 10 * SEC);
	assert_int_equal(o->f.p->app.closes, 0);
	free(o->have);
}

/* Three blocks of len octets, every step octets from offset at on; returns what was newly marked. */
static uint32_t three(struct octets *o, uint32_t at, uint32_t len, uint32_t step)
{
	struct seg s = {.flags = ACK, .seq = 1, .ack = 1 + o->cum, .opts.sack_n = 3};
	uint32_t before = work_of(o)->sacked;

	for (uint32_t i = 0; i < 3; i++) {
		s.sack[i] = (struct tcp_sack_block){1 + at + i * step, 1 + at + i * step + len};
		memset(o->have + at + i * step, 1, len);
	}
	kit_send_seg(o->f.p, &s);
	return work_of(o)->sacked - before;
}

/*
 * 64 MiB of segments of MSS 48 in flight, 1.29 million of them, joined to one range; 4 MB, which are more
 * than 16 bits count, where the clock wraps and under a sanitizer.
 */
static void T_01_one_range_of_all(void **s)
{
	struct octets o;
	uint32_t n, step;

	begin(&o, *s, 48, WHOLE ? 64 * MIB / LEAST * LEAST : 70000 * LEAST);
	n = work_of(&o)->flight.n;
	step = o.n / 100;
	for (uint32_t i = 2; i < 100; i += 2) /* every second hundredth, the rest, all of it */
		send_seg(o.f.p, .flags = ACK, .seq = 1, .ack = 1, .opts.sack_n = 1,
			 .sack = {{1 + i * step, 1 + (i + 1) * step}});
	assert_int_equal(work_of(&o)->sacked, 49 * step);
	/* What recovery sends again in one turn is one range too, however many segments. */
	assert_true(work_of(&o)->flight.n <= n + 4 * 50);
	for (uint32_t i = 1; i < 100; i += 2)
		send_seg(o.f.p, .flags = ACK, .seq = 1, .ack = 1, .opts.sack_n = 1,
			 .sack = {{1 + i * step, 1 + (i + 1) * step}});
	send_seg(o.f.p, .flags = ACK, .seq = 1, .ack = 1, .opts.sack_n = 1,
		 .sack = {{1 + 104, 1 + o.n}});
	assert_int_equal(work_of(&o)->sacked, o.n - 104);
	assert_in_range(work_of(&o)->flight.n, 2, 3);
	memset(o.have + 104, 1, o.n - 104);
	complete(&o);
}

/* What ACKs with octets at odd offsets came to: the most ranges that there were beside those before. */
static uint32_t odd_octets(struct kit *k, uint32_t n, uint32_t acks)
{
	struct octets o;
	uint32_t before, most = 0;
	struct timespec from, to;

	begin(&o, k, 48, n);
	before = work_of(&o)->flight.n;
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (uint32_t i = 0, at = 1; i < acks; i++, at += 6) {
		if (at + 5 >= n)
			at = 1;
		assert_int_equal(three(&o, at, 1, 2), 0);
		most = max_of(most, work_of(&o)->flight.n);
		assert_true(most <= before + 2); /* a timeout cuts off the first segment */
		kit_drain(k); /* what is sent again is lost again */
		if (WHOLE)
			kit_advance(k, 10);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	print_message("%u octets in flight: %u ranges, and at most %u while %u ACKs told of three octets each; "
		      "%.0f ns an ACK with all that the test does\n", n, before, most, acks,
		      ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / acks);
	complete(&o);
	return most - before;
}

/*
 * What an ACK costs is a number of binary searches among the ranges, and a walk over all of them. No block
 * of one octet ever makes one, whatever is around it: with 10^6 segments in flight, 10^5 ACKs in a second
 * find as few as with 10^3.
 */
static void DOS_03_T_02_T_01_octets_at_odd_offsets(void **s)
{
	struct kit *k = kit_new();
	uint32_t few = odd_octets(k, 1000 * LEAST, 1000 * LEAST / 6), many;

	kit_close(k);
	k = kit_new();
	many = odd_octets(k, WHOLE ? 1000000 * LEAST : 166000, WHOLE ? 100000 : 166000 / 6);
	kit_close(k);
	assert_true(many <= few + 2);
}

/*
 * The smallest blocks that are taken, as far apart as they must be: two ranges for each, and in the end
 * as many as one object holds. The blocks beyond that are not believed, and nothing is lost by it.
 */
static void DOS_03_the_smallest_pieces(void **s)
{
	struct octets o;
	uint32_t marked = 0, most = 0, refused = 0;

	begin(&o, *s, 48, 1000000);
	for (uint32_t at = LEAST; at + 7 * LEAST < o.n; at += 6 * LEAST) {
		uint32_t fresh = three(&o, at, LEAST, 2 * LEAST);

		kit_drain(o.f.k); /* lost again */
		marked += fresh;
		refused += !fresh;
		assert_int_equal(work_of(&o)->sacked, marked);
		most = max_of(most, work_of(&o)->flight.n);
		assert_true(work_of(&o)->flight.n <= RANGES_MAX);
	}
	assert_true(most > RANGES_MAX * 3 / 4);
	assert_true(most <= o.n / LEAST);
	assert_true(refused > 0);
	complete(&o);
}

/* Octets of blocks that n connections with 16 MiB to send take, each with one window in flight. */
static uint64_t memory_of(uint16_t mss, uint32_t n)
{
	struct kit *k = kit_new();
	uint64_t bytes;

	k->unchecked = true;
	k->tcp.sndbuf = 64 * KIB;
	k->conf.block_bytes = 32 * MIB;
	k->conf.max_connections = n + 2;
	for (uint32_t i = 0; i < n; i++) {
		struct kit_peer *p = kit_peer(k);
		struct flow f = {.k = k, .p = p};
		struct tcp_conn *c = NULL;

		p->mss = mss;
		p->offer = OFFER_ALL;
		p->app.on_open = 16 * MIB;
		kit_syn(p);
		kit_synack(p);
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
		inside(&f, &c)->cc.cwnd = MIB;
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
		for (int j = 0; j < 10; j++) {
			kit_drain(k);
			kit_advance(k, 10);
		}
		kit_drain(k);
		assert_in_range(p->app.tx, 64 * KIB - 4096, 64 * KIB);
		/* What is queued are pieces of up to 4096 octets, in flight ranges: never segments. */
		assert_in_range(inside(&f, &c)->sndq.n, 1, 64 * KIB / 1024);
		assert_in_range(inside(&f, &c)->flight.n, 1, 64);
	}
	bytes = kit_usage(k).block_bytes;
	for (uint32_t i = 0; i < n; i++)
		send_seg(k->peers[i], .flags = RST, .seq = 1);
	kit_drain(k);
	kit_close(k);
	return bytes;
}

/* 100 connections: the block, the buffer and its slices; with the smallest MSS as with the largest. */
static void DOS_04_memory_of_tiny_segments(void **s)
{
	uint64_t tiny = memory_of(48, 100), full = memory_of(1460, 100);

	assert_true(tiny <= 100 * (1024 + 64 * KIB * 5 / 4 + 4096));
	assert_true(tiny <= full + 100 * 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(T_01_one_range_of_all),
		KIT_TEST(DOS_03_T_02_T_01_octets_at_odd_offsets),
		KIT_TEST(DOS_03_the_smallest_pieces),
		KIT_TEST(DOS_04_memory_of_tiny_segments),
	};

	return KIT_RUN("scoreboard", tests);
}
