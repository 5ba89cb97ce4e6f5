/*
 * HyStart++ (RFC 9406): its rules one by one, and slow start over a modelled bottleneck (CC-19).
 */
#include "kit.h"

#include "algo/cc.h"

#define MSS 1448u
#define MS  1000u

static struct cc fresh(void)
{
	struct cc c = {.set = {.abc_limit = 2}};

	cc_cubic.init(&c, MSS, 10 * MSS);
	return c;
}

static void ack(struct cc *c, uint32_t bytes, uint32_t rtt, uint32_t una, uint32_t nxt)
{
	struct cc_ack a = {.acked = bytes, .rtt_us = rtt, .srtt_us = rtt, .una = una, .nxt = nxt,
			   .cwnd_limited = true, .now = 1000000};

	cc_cubic.on_ack(c, &a);
}

/* A round of n samples, each ACK of bytes; the last one acknowledges what the round began with. */
static void round_of(struct cc *c, uint32_t *una, unsigned int n, uint32_t bytes, uint32_t rtt)
{
	uint32_t end = *una + n * bytes;

	while (*una != end) {
		*una += bytes;
		ack(c, bytes, rtt, *una, end + n * bytes);
	}
}

/* Two rounds, so that there is one to compare with. */
static struct cc two_rounds(uint32_t *una, uint32_t rtt)
{
	struct cc c = fresh();

	*una = 0xffffff00;
	ack(&c, MSS, rtt, *una, *una + 20 * MSS);
	round_of(&c, una, 20, MSS, rtt);
	assert_int_equal(c.cwnd, 31 * MSS);
	return c;
}

static void test_unpaced_limit(void **state)
{
	struct cc c = fresh();

	ack(&c, 4 * MSS, 0, 1, 2);
	assert_int_equal(c.cwnd, 14 * MSS);
	ack(&c, 16 * MSS, 0, 1, 2);
	assert_int_equal(c.cwnd, 22 * MSS);
	for (uint32_t i = 0; i < MSS; i++)
		ack(&c, 1, 0, 1, 2);
	assert_int_equal(c.cwnd, 23 * MSS);
	cc_cubic.on_rto(&c, 20 * MSS, true, 1);
	ack(&c, 4 * MSS, 0, 1, 2);
	assert_int_equal(c.cwnd, 2 * MSS);
}

/* last + clamp(last / 8, 4 ms, 16 ms), and the eighth sample decides. */
static void test_threshold(void **state)
{
	static const uint32_t last[] = {10 * MS, 40 * MS, 80 * MS, 400 * MS};
	static const uint32_t more[] = {4 * MS, 5 * MS, 10 * MS, 16 * MS};
	uint32_t una;

	for (unsigned int i = 0; i < ARRAY_SIZE(last); i++) {
		struct cc c = two_rounds(&una, last[i]);

		for (int j = 0; j < 7; j++)
			ack(&c, MSS, last[i] + more[i], una + 1, una);
		assert_int_equal(c.hystart.css_rounds, 0);
		ack(&c, MSS, last[i] + more[i], una + 1, una);
		assert_int_equal(c.hystart.css_rounds, 5);
		c = two_rounds(&una, last[i]);
		for (int j = 0; j < 100; j++)
			ack(&c, MSS, last[i] + more[i] - 1, una + 1, una);
		assert_int_equal(c.hystart.css_rounds, 0);
		assert_int_equal(c.ssthresh, CC_SSTHRESH_NONE);
	}
}

/* One sample below is enough, ACKs without a sample are none. */
static void test_least_sample(void **state)
{
	uint32_t una;
	struct cc c = two_rounds(&una, 40 * MS);

	ack(&c, MSS, 44 * MS, una + 1, una);
	for (int j = 0; j < 100; j++)
		ack(&c, MSS, j % 2 ? 0 : 60 * MS, una + 1, una);
	assert_int_equal(c.hystart.css_rounds, 0);
	c = two_rounds(&una, 40 * MS);
	for (int j = 0; j < 100; j++)
		ack(&c, MSS, 0, una + 1, una);
	assert_int_equal(c.hystart.css_rounds, 0);
}

/* A quarter of the growth, five rounds with the one it began in, then congestion avoidance. */
static void test_css(void **state)
{
	uint32_t una, cwnd;
	struct cc c = two_rounds(&una, 40 * MS);

	for (int r = 1; r <= 5; r++) {
		assert_int_equal(c.ssthresh, CC_SSTHRESH_NONE);
		cwnd = c.cwnd;
		round_of(&c, &una, 20, MSS, 50 * MS);
		/* In the first the growth is slower from the ninth ACK on. */
		assert_int_equal(c.cwnd - cwnd, r == 1 ? 8 * MSS + 12 * (MSS / 4) : 20 * (MSS / 4));
	}
	assert_int_equal(c.ssthresh, c.cwnd);
	assert_false(cc_in_slow_start(&c));
}

static void test_false_alarm(void **state)
{
	uint32_t una, cwnd;
	struct cc c = two_rounds(&una, 40 * MS);

	round_of(&c, &una, 20, MSS, 50 * MS);
	round_of(&c, &una, 20, MSS, 50 * MS);
	assert_int_equal(c.hystart.css_rounds, 3);
	round_of(&c, &una, 20, MSS, 49 * MS);
	assert_int_equal(c.hystart.css_rounds, 0);
	cwnd = c.cwnd;
	round_of(&c, &una, 20, MSS, 49 * MS);
	assert_int_equal(c.cwnd - cwnd, 20 * MSS);
	/* And it may be raised again. */
	round_of(&c, &una, 20, MSS, 60 * MS);
	assert_int_equal(c.hystart.css_rounds, 4);
}

/* One round is short by chance: the next is compared with those before, for as long as they are four. */
static void CC_19_a_short_round_by_chance(void **state)
{
	uint32_t una;
	struct cc c = two_rounds(&una, 40 * MS);

	round_of(&c, &una, 20, MSS, 30 * MS);
	round_of(&c, &una, 20, MSS, 40 * MS);
	assert_int_equal(c.hystart.css_rounds, 0);
	for (int r = 0; r < 4; r++)
		round_of(&c, &una, 20, MSS, 30 * MS);
	assert_int_equal(c.hystart.css_rounds, 0);
	round_of(&c, &una, 20, MSS, 40 * MS);
	assert_int_equal(c.hystart.css_rounds, 4);
}

/* A round trip of twice the path's: the queue is as large as the path, no reason to go on. */
static void test_css_ends_early(void **state)
{
	uint32_t una;
	struct cc c = two_rounds(&una, 40 * MS);

	round_of(&c, &una, 20, MSS, 79 * MS);
	assert_int_equal(c.ssthresh, CC_SSTHRESH_NONE);
	round_of(&c, &una, 20, MSS, 80 * MS);
	assert_int_equal(c.ssthresh, c.cwnd);
}

/* Later slow starts have L = abc-limit, and no HyStart++. */
static void test_only_the_first(void **state)
{
	struct cc c = fresh();
	uint32_t una = 1;

	cc_cubic.on_loss(&c, 100 * MSS, 1);
	cc_cubic.on_idle(&c, 10 * MSS);
	ack(&c, 4 * MSS, 40 * MS, una, una + 10 * MSS);
	assert_int_equal(c.cwnd, 12 * MSS);
	for (int r = 0; r < 4; r++)
		round_of(&c, &una, 10, MSS, 40 * MS << r);
	assert_int_equal(c.ssthresh, 70 * MSS);
	assert_int_equal(c.hystart.css_rounds, 0);
}

/*
 * Bulk data over a bottleneck: FIFO of room packets, a fixed delay, ACKs of two segments. The
 * packets' departures are known when they are sent, so one pass over them is the whole simulation.
 */
#define PACKETS 40000
#define WIRE    (MSS + 66u)

struct bottleneck {
	struct cc c;
	uint64_t *sent, *gone; /* us * 1000 */
	uint32_t n, acked, drops;
	uint64_t now;
};

static void send_allowed(struct bottleneck *b, uint64_t ser, uint32_t room)
{
	while ((b->n - b->acked + 1) * MSS <= b->c.cwnd && b->n < PACKETS) {
		uint64_t last = b->n ? b->gone[b->n - 1] : 0, from = max_of(last, b->now);

		if ((from - b->now) / (ser ? ser : 1) > room)
			b->drops++;
		b->sent[b->n] = b->now;
		b->gone[b->n++] = from + ser;
	}
}

/* Until slow start ends or something is lost; jitter in us. */
static struct bottleneck slow_start(uint64_t ser, uint32_t room, uint32_t delay, uint32_t jitter)
{
	struct bottleneck b = {.c = fresh(), .sent = malloc(PACKETS * 8), .gone = malloc(PACKETS * 8)};
	uint64_t seed = 7;

	send_allowed(&b, ser, room);
	while (b.acked + 2 <= b.n && cc_in_slow_start(&b.c) && !b.drops && b.n < PACKETS) {
		uint64_t at = b.gone[b.acked + 1] + delay * 1000ull;

		if (jitter)
			at += rnd_below(&seed, jitter * 1000);
		b.now = max_of(b.now, at);
		b.acked += 2;
		ack(&b.c, 2 * MSS, (uint32_t)((at - b.sent[b.acked - 1]) / 1000), b.acked * MSS,
		    b.n * MSS);
		send_allowed(&b, ser, room);
	}
	free(b.sent);
	free(b.gone);
	return b;
}

#define SER (WIRE * 80ull)        /* ns at 100 Mbit/s */
#define BDP (500000u / WIRE)      /* of 40 ms, packets */

static void CC_19_slow_start_ends_without_loss(void **state)
{
	for (uint32_t delay = 38; delay <= 42; delay++) {
		struct bottleneck b = slow_start(SER, 4 * BDP, delay * MS, 0);

		assert_int_equal(b.drops, 0);
		assert_false(cc_in_slow_start(&b.c));
		assert_true(b.c.cwnd > BDP * MSS);
		assert_int_equal(b.c.cwnd, b.c.ssthresh);
	}
}

/* Without HyStart++ the same path loses: the test above could fail. */
static void test_the_queue_would_overflow(void **state)
{
	struct bottleneck b = {.c = fresh()};

	b.c.ssthresh--; /* not the first slow start */
	b.c.set.abc_limit = 2;
	b.sent = malloc(PACKETS * 8);
	b.gone = malloc(PACKETS * 8);
	send_allowed(&b, SER, 4 * BDP);
	while (!b.drops && b.n < PACKETS) {
		b.now = b.gone[b.acked + 1] + 40 * MS * 1000ull;
		b.acked += 2;
		ack(&b.c, 2 * MSS, (uint32_t)((b.now - b.sent[b.acked - 1]) / 1000), b.acked * MSS,
		    b.n * MSS);
		send_allowed(&b, SER, 4 * BDP);
	}
	free(b.sent);
	free(b.gone);
	assert_true(b.drops > 0);
}

/* Up to 2 ms more now and then: a path that never fills keeps slow start; one that does ends it. */
static void CC_19_jitter_is_no_queue(void **state)
{
	struct bottleneck b = slow_start(0, UINT32_MAX, 40 * MS, 2 * MS);

	assert_true(cc_in_slow_start(&b.c));
	assert_int_equal(b.c.hystart.css_rounds, 0);
	assert_true(b.c.cwnd > 5000 * MSS);
	b = slow_start(SER, 4 * BDP, 40 * MS, 2 * MS);
	assert_int_equal(b.drops, 0);
	assert_true(b.c.ssthresh > BDP * MSS && b.c.ssthresh != CC_SSTHRESH_NONE);
}

/* All samples 2 ms longer from some round on. */
static void CC_19_two_ms_more_is_no_exit(void **state)
{
	uint32_t una;
	struct cc c = two_rounds(&una, 40 * MS);

	for (int r = 0; r < 8; r++)
		round_of(&c, &una, 20, MSS, 42 * MS);
	assert_int_equal(c.hystart.css_rounds, 0);
	assert_int_equal(c.ssthresh, CC_SSTHRESH_NONE);
}

/* The path takes less, or more: rounds begin anew, and end by what is sent from then on. */
static void test_another_mss(void **state)
{
	uint32_t una;
	struct cc c = two_rounds(&una, 40 * MS);

	cc_cubic.on_mss(&c, MSS / 2);
	assert_int_equal(c.ssthresh, CC_SSTHRESH_NONE);
	una = 0xc0000000; /* wherever that is */
	ack(&c, MSS, 40 * MS, una, una + 20 * MSS);
	round_of(&c, &una, 20, MSS, 40 * MS);
	assert_int_equal(c.hystart.css_rounds, 0);
	round_of(&c, &una, 20, MSS, 60 * MS);
	assert_true(c.hystart.css_rounds > 0);
}

/*
 * An ACK of all that was in flight, with and without others in its round, near and far, now and then where
 * cwnd limits: what is said to be simple changes what on_ack would have changed.
 */
static void test_alone_is_on_ack(void **state)
{
	struct cc c = fresh();
	uint32_t una = 7, nxt = 7, rnd = 1;
	uint64_t now = 1000000;
	unsigned int alone = 0, others = 0;

	for (int i = 0; i < 200000; i++) {
		struct cc_ack a = {.min_rtt_us = i % 5000 < 3000 ? 20 : 6 * MS};
		struct cc with = c, before = c;

		rnd = rnd * 1664525 + 1013904223;
		now += rnd >> 28 ? (rnd >> 20) % 40 : 10 * MS;
		a.acked = nxt != una ? nxt - una : 1 + (rnd >> 16) % MSS;
		a.rtt_us = 20 + (rnd >> 24) % (i % 700 < 600 ? 16 : 6 * MS);
		a.una = una += a.acked;
		a.nxt = nxt = una + (rnd >> 8 & 15 ? 0 : MSS);
		a.flight_before = a.acked;
		a.cwnd_limited = !(rnd >> 12 & 255) && c.cwnd < 1000 * MSS;
		a.now = now;
		cc_cubic.on_ack(&c, &a);
		if (a.cwnd_limited || a.nxt != a.una)
			continue;
		if (cc_ack_alone(&with, a.acked, a.rtt_us, a.nxt, (uint32_t)now, a.min_rtt_us)) {
			assert_memory_equal(&with, &c, sizeof(c));
			alone++;
		} else {
			assert_memory_equal(&with, &before, sizeof(c));
			others++;
		}
		if (!cc_in_slow_start(&c))
			c = fresh();
	}
	assert_true(alone > 50000 && others > 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unpaced_limit),
		cmocka_unit_test(test_threshold),
		cmocka_unit_test(test_least_sample),
		cmocka_unit_test(test_css),
		cmocka_unit_test(test_false_alarm),
		cmocka_unit_test(test_css_ends_early),
		cmocka_unit_test(test_only_the_first),
		cmocka_unit_test(CC_19_slow_start_ends_without_loss),
		cmocka_unit_test(test_the_queue_would_overflow),
		cmocka_unit_test(CC_19_jitter_is_no_queue),
		cmocka_unit_test(CC_19_two_ms_more_is_no_exit),
		cmocka_unit_test(CC_19_a_short_round_by_chance),
		cmocka_unit_test(test_another_mss),
		cmocka_unit_test(test_alone_is_on_ack),
	};

	return cmocka_run_group_tests_name("cc_hystart", tests, NULL, NULL);
}
