/*
 * The retransmission timer over whole traces (RFC 6298), and what the end of patience does.
 */
#include "inside.h"

#define about(v, want) assert_in_range(v, (want) - 3 * MS, (want) + 3 * MS)

/* What is sent next, whenever. */
static struct seg wait_any(struct kit_peer *p)
{
	while (!kit_has(p->k))
		kit_advance(p->k, MS);
	return kit_take(p);
}

/* Send 10 bytes at seq; how long until they are sent again. */
static uint64_t rto_of(struct kit_peer *p, uint32_t seq)
{
	uint64_t t = p->k->now;

	kit_app_send(p, 10);
	assert_int_equal(wait_any(p).seq, seq);
	assert_int_equal(wait_any(p).seq, seq);
	return p->k->now - t;
}

/*
 * Eight full segments at once, acknowledged one by one: a sample each, and gains divided by
 * ceil(FlightSize / (2 SMSS)).
 */
static void RTO_03_several_samples_a_round_trip(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_open(k, 0, 250 * MS);
	double srtt = 250 * MS, var = 125 * MS;
	uint32_t x = 99, end;

	for (int round = 0; round < 12; round++) {
		uint32_t sample = 100 * MS;

		kit_app_send(f.p, 8 * f.mss);
		assert_int_equal(flow_new(&f), 8);
		for (uint32_t i = 0; i < 8; i++) {
			double n = (8 - i + 1) / 2, step, err;

			x = x * 1664525 + 1013904223;
			step = (x >> 8) % (20 * MS);
			kit_advance(k, (uint32_t)step + (i ? 0 : 100 * MS));
			sample += (uint32_t)step;
			flow_ack(&f, f.una + 1);
			err = srtt > sample ? srtt - sample : sample - srtt;
			var += (err - var) / (4 * n);
			srtt += (sample - srtt) / (8 * n);
		}
	}
	end = at(&f, f.una);
	about(rto_of(f.p, end), (uint64_t)(srtt + max_of(4 * var, 200.0 * MS)));
}

static uint64_t after_1000_samples(struct kit *k, uint64_t rtt)
{
	struct kit_peer *p = kit_peer(k);
	uint32_t seq = 1;
	uint64_t us;

	p->offer = 0;
	kit_syn(p);
	kit_synack(p);
	kit_advance(k, rtt);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	for (int i = 0; i < 1000; i++, seq += 10) {
		kit_app_send(p, 10);
		expect(p, .flags = ACK, .seq = seq, .ack = 1, .len = 10);
		kit_advance(k, rtt);
		kit_quiet(k);
		send_seg(p, .flags = ACK, .seq = 1, .ack = seq + 10);
	}
	us = rto_of(p, seq);
	send_seg(p, .flags = RST, .seq = 1);
	return us;
}

static void RTO_04_thousand_samples(void **s)
{
	struct kit *k = *s;

	about(after_1000_samples(k, 10 * MS), 210 * MS);
	about(after_1000_samples(k, 300 * MS), 500 * MS);
}

static void RTO_04_as_the_rfc_says(void **s)
{
	struct kit *k = *s;

	k->tcp.rto_literal = true;
	about(after_1000_samples(k, 10 * MS), 1000 * MS);
}

/* 60 s, and no more. */
static void RTO_04_RTO_07_ceiling(void **s)
{
	struct kit *k = *s;
	struct flow f;
	uint64_t last, gap = 0;

	k->tcp.r2 = k->tcp.user_timeout = DURATION_INF;
	f = flow_open(k, 0, 100 * MS);
	kit_app_send(f.p, 100);
	last = wait_any(f.p).at;
	for (int i = 0; i < 12; i++) {
		uint64_t t = wait_any(f.p).at, want = min_of(300 * MS << i, 60 * SEC);

		gap = t - last;
		about(gap, want);
		last = t;
	}
	assert_true(gap >= 60 * SEC - 3 * MS);
}

static void RTO_06_ack_just_before(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_open(k, 0, 100 * MS); /* RTO 300 ms */
	uint64_t t;

	kit_app_send(f.p, 2 * f.mss);
	assert_int_equal(flow_new(&f), 2);
	kit_advance(k, 299 * MS);
	kit_quiet(k);
	flow_ack(&f, 1);
	t = k->now;
	assert_int_equal(wait_any(f.p).seq, at(&f, 1));
	about(k->now - t, 474 * MS); /* of 100 ms and 299 ms */
	flow_ack(&f, 2);
	kit_silence(k, 100 * SEC); /* stopped */
	t = k->now;
	kit_app_send(f.p, 10); /* started by data, from idle; still backed off */
	kit_drain(k);
	kit_advance(k, 299 * MS);
	kit_quiet(k);
}

static bool one_in_five(struct model *m, uint32_t segment)
{
	uint32_t x = (segment * 2654435761u) ^ (m->copies[segment] * 40503u * 65537u);

	x ^= x >> 15;
	x *= 2246822519u;
	return (x >> 13) % 5 == 0;
}

/* A transfer over a path that loses: how often the timer resent, each time after a full RTO. */
static unsigned int trace(struct kit *k, unsigned int offer, uint64_t rtt)
{
	static struct model m;
	struct flow f = flow_open(k, offer, rtt);
	const struct tcp *t = engine_tcp(k->e);
	unsigned int checked = 0;

	m = (struct model){.f = &f, .lost = one_in_five};
	kit_app_send(f.p, 150 * f.mss);
	for (model_take(&m); m.cum < 150; model_take(&m)) {
		struct tcp_conn *c;
		struct tcp_work *w = inside(&f, &c);
		uint64_t fired = kit_ctr(k, CTR_RTO_FIRED), last = m.last[m.cum], rto, next;

		assert_non_null(w);
		rto = rtt_backoff(tcp_rto(t, c), c->backoff, k->tcp.rto_max);
		next = k->now + MS;
		if (m.head != m.tail && m.queue[m.head].at < next)
			next = max_of(m.queue[m.head].at, k->now);
		kit_advance_to(k, next);
		if (kit_ctr(k, CTR_RTO_FIRED) != fired) {
			assert_true(k->now - last >= rto);
			checked++;
		}
		if (m.head != m.tail && m.queue[m.head].at <= k->now)
			model_ack(&m, m.queue[m.head++].segment);
	}
	send_seg(f.p, .flags = RST, .seq = 1);
	kit_drain(k);
	return checked;
}

static void RTO_06_never_before_its_time(void **s)
{
	static const uint64_t rtts[] = {2 * MS, 40 * MS, 130 * MS, 300 * MS};
	struct kit *k = *s;
	unsigned int checked = 0;

	k->tcp.pmtu_floor = kit_mtu(1500);
	for (unsigned int i = 0; i < ARRAY_SIZE(rtts); i++) {
		checked += trace(k, OFFER_ALL, rtts[i]);
		checked += trace(k, OFFER_SACK, rtts[i]);
	}
	assert_true(checked >= 10);
}

/* With SACK a probe comes first, of the last segment; the timer's own resends are as without. */
static void RTO_07_backoff_with_sack(void **s)
{
	struct kit *k = *s;
	struct flow f;
	uint64_t last, wait = 240 * MS;

	k->tcp.pmtu_floor = kit_mtu(1500); /* the size stays as it is */
	f = flow_open(k, OFFER_ALL, 40 * MS);
	kit_app_send(f.p, 5 * f.mss);
	last = k->now;
	assert_int_equal(flow_new(&f), 5);
	assert_int_equal(wait_any(f.p).seq, at(&f, 4));
	for (int i = 0; i < 5; i++, wait *= 2) {
		struct seg g = wait_any(f.p);

		assert_int_equal(g.seq, at(&f, 0));
		assert_int_equal(g.len, f.mss);
		about(g.at - last, wait);
		kit_quiet(k);
		last = g.at;
	}
}

static void RTO_09_new_data_ends_it(void **s)
{
	struct kit *k = *s;

	for (int fresh = 0; fresh < 2; fresh++) {
		struct flow f = flow_open(k, 0, 100 * MS);
		uint64_t t;

		kit_app_send(f.p, 10);
		for (int i = 0; i < 5; i++) /* the first and four backoffs */
			assert_int_equal(wait_any(f.p).seq, 1);
		send_seg(f.p, .flags = ACK, .seq = 1, .ack = 11);
		if (!fresh) {
			about(rto_of(f.p, 11), 16 * 300 * MS);
		} else {
			kit_app_send(f.p, 10);
			assert_int_equal(wait_any(f.p).seq, 11);
			kit_advance(k, 100 * MS);
			send_seg(f.p, .flags = ACK, .seq = 1, .ack = 21);
			about(rto_of(f.p, 21), 300 * MS);
		}
		t = k->now;
		send_seg(f.p, .flags = RST, .seq = 1);
		assert_int_equal(k->now, t);
	}
}

/* A timestamp tells the copies apart: the sample ends the backoff at once. */
static void RTO_09_a_timestamp_ends_it(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_open(k, OFFER_TS, 100 * MS);

	kit_app_send(f.p, 10);
	for (int i = 0; i < 5; i++)
		assert_int_equal(wait_any(f.p).seq, 1);
	kit_advance(k, 100 * MS);
	send_seg(f.p, .flags = ACK, .seq = 1, .ack = 11);
	about(rto_of(f.p, 11), 300 * MS);
}

/* R1: the next hop is asked for. R2, 100 s: the connection is given up and forgotten. */
static void RTX_03_both_thresholds(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	struct kit_frame *fr;
	unsigned int segments = 0, asked_after = 0;
	uint64_t t, asked_at = 0, third = 0, open;

	k->ports[0].neighbor = ENGINE_NEIGHBOR_RESOLVE;
	p = kit_peer(k);
	kit_connect_from(p, LISTENER_ANY, 0);
	kit_arp(k);
	kit_take_syn(p);
	kit_accept(p);
	kit_drain(k);
	t = k->now;
	kit_app_send(p, 10);
	open = kit_usage(k).connections;
	while (!p->app.closes && k->now - t < 200 * SEC) {
		while ((fr = kit_frame_next(k))) {
			if (!kit_asks(fr)) {
				third = ++segments == 4 ? fr->at : third;
			} else if (!asked_at) {
				asked_at = fr->at;
				asked_after = segments;
			}
		}
		kit_advance(k, 10 * MS);
	}
	assert_in_range(asked_after, 3, 4); /* with the third retransmission */
	assert_true(third && asked_at - third <= MS);
	assert_in_range(k->now - t, 100 * SEC, 161 * SEC);
	assert_int_equal(p->app.closes, 1);
	assert_int_equal(p->app.why, PIER_CLOSE_TIMEOUT);
	kit_advance(k, MS);
	assert_int_equal(kit_usage(k).connections, open - 1); /* the kit has one of its own */
	kit_drain(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(RTO_03_several_samples_a_round_trip),
		KIT_TEST(RTO_04_thousand_samples),
		KIT_TEST(RTO_04_as_the_rfc_says),
		KIT_TEST(RTO_04_RTO_07_ceiling),
		KIT_TEST(RTO_06_ack_just_before),
		KIT_TEST(RTO_06_never_before_its_time),
		KIT_TEST(RTO_07_backoff_with_sack),
		KIT_TEST(RTO_09_new_data_ends_it),
		KIT_TEST(RTO_09_a_timestamp_ends_it),
		KIT_TEST(RTX_03_both_thresholds),
	};

	return KIT_RUN("rto", tests);
}
