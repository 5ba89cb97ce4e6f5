/*
 * The size of segments follows the path: with ICMP, with forged ICMP, and without ICMP.
 */
#include "kit.h"

/* Open, all options, and n full segments of 1448 bytes in flight, from seq 1. */
static struct kit_peer *bulk(struct kit *k, unsigned int n)
{
	struct kit_peer *p = kit_est(k);

	kit_app_send(p, n * 1448);
	for (unsigned int i = 0; i < n; i++)
		expect(p, .flags = ACK, .seq = 1 + i * 1448, .ack = 1, .len = 1448);
	return p;
}

/* The largest segment that waits; all are taken. */
static uint32_t largest(struct kit_peer *p)
{
	uint32_t max = 0;

	while (kit_has(p->k))
		max = max_of(max, kit_take(p).len);
	return max;
}

/* Send 20,000 bytes on a new connection; the largest segment of the first flight. */
static uint32_t next_connection(struct kit *k)
{
	struct kit_peer *p = kit_est(k);
	uint32_t len;

	p->may_fragment = true;
	kit_app_send(p, 20000);
	len = largest(p);
	send_seg(p, .flags = RST, .seq = 1);
	return len;
}

static void PMT_02_resent_once_without_a_reduction(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = bulk(k, 10);
	uint32_t at = 1, n = 0;

	for (unsigned int i = 0; i < 10; i++)
		kit_too_big(p, kit_mtu(1400), 1 + i * 1448, kit_mtu(1500));
	/* An initial window of ten segments stays ten; the rest follows as these are acknowledged. */
	while (kit_has(k)) {
		struct seg g = kit_take(p);

		assert_int_equal(g.seq, at);
		assert_int_equal(g.len, 1348);
		at += g.len;
		n++;
	}
	assert_int_equal(n, 10);
	assert_int_equal(kit_ctr(k, CTR_PMTU_LOWERED), 1);
	assert_int_equal(kit_ctr(k, CTR_RX_ICMP_MTU), 9);
	while (at < 14481) {
		send_seg(p, .flags = ACK, .seq = 1, .ack = at);
		while (kit_has(k)) {
			struct seg g = kit_take(p);

			assert_int_equal(g.seq, at);
			at += g.len;
		}
	}
	assert_int_equal(at, 14481);
	send_seg(p, .flags = ACK, .seq = 1, .ack = at);
	assert_int_equal(kit_ctr(k, CTR_TX_RETRANSMITS), 11);
	assert_int_equal(kit_ctr(k, CTR_FAST_RECOVERIES), 0);
	assert_int_equal(kit_ctr(k, CTR_RTO_FIRED), 0);
}

static void PMT_03_never_below_the_floor(void **s)
{
	static const uint16_t mtus[] = {40, 68, 296, 551, 552};
	struct kit *k = *s;

	for (unsigned int i = 0; i < ARRAY_SIZE(mtus); i++) {
		struct kit_peer *p = kit_peer(k);
		uint16_t last = 0;

		p->offer = OFFER_ALL;
		kit_host(p->addr, 10 + i);
		p->may_fragment = true;
		kit_open(p);
		kit_app_send(p, 3 * 1448);
		assert_int_equal(largest(p), 1448);
		kit_too_big(p, mtus[i], 1, 1500);
		for (unsigned int j = 0; kit_has(k); j++) {
			struct seg g = kit_take(p);

			assert_true(g.len <= 500);
			assert_true(j || g.len == 500);
			assert_int_equal(g.ip_frag, mtus[i] < 552 ? 0 : IP4_DF);
			assert_true(mtus[i] == 552 || g.ip_id != last);
			last = g.ip_id;
		}
		send_seg(p, .flags = RST, .seq = 1);
	}
}

/* RFC 8201 section 4: of IPv6 every path takes 1280, and who says less is not heard. */
static void PMT_03_icmpv6_below_1280(void **s)
{
	static const uint16_t mtus[] = {0, 40, 68, 552, 1000, 1279, 1280};
	struct kit *k = *s;

	for (unsigned int i = 0; i < ARRAY_SIZE(mtus); i++) {
		struct kit_peer *p = kit_peer(k);

		p->offer = OFFER_ALL;
		kit_host(p->addr, 10 + i);
		kit_open(p);
		kit_app_send(p, 3 * 1448);
		assert_int_equal(largest(p), 1448);
		kit_too_big(p, mtus[i], 1, kit_mtu(1500));
		if (mtus[i] < 1280)
			kit_quiet(k);
		else
			assert_int_equal(largest(p), 1280 - 72);
		kit_app_send(p, 1448);
		assert_true(largest(p) == (mtus[i] < 1280 ? 1448 : 1280 - 72));
		send_seg(p, .flags = RST, .seq = 1);
	}
	assert_int_equal(kit_ctr(k, CTR_PMTU_LOWERED), 1);
}

static void PMT_04_plateaus(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = bulk(k, 3);

	kit_too_big(p, 0, 1, 1500);
	assert_int_equal(largest(p), 1492 - 52);
	kit_too_big(p, 0, 1449, 1500); /* of the same flight: it tells nothing new */
	kit_quiet(k);
	kit_too_big(p, 0, 1, 1492);
	assert_int_equal(largest(p), 1006 - 52);
}

static void PMT_05_never_raised(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = bulk(k, 3);

	kit_too_big(p, kit_mtu(9000), 1, kit_mtu(1500));
	kit_too_big(p, kit_mtu(1500), 1, kit_mtu(1500));
	kit_quiet(k);
	kit_too_big(p, kit_mtu(1400), 1, kit_mtu(1500));
	assert_int_equal(largest(p), 1348);
	kit_too_big(p, kit_mtu(1450), 1, kit_mtu(1500));
	kit_too_big(p, kit_mtu(9000), 1, kit_mtu(1500));
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_RX_ICMP_MTU), 4);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 3 * 1448 + 1);
	kit_app_send(p, 20000);
	assert_int_equal(largest(p), 1348);
	assert_int_equal(next_connection(k), 1348);
}

static void PMT_06_data_that_goes_through_proves_it_wrong(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = bulk(k, 2);
	uint32_t at = 2 * 1448 + 1;

	send_seg(p, .flags = ACK, .seq = 1, .ack = at);
	for (int i = 0; i < 5; i++) {
		kit_app_send(p, 2 * 1448);
		assert_int_equal(largest(p), 1448);
		kit_too_big(p, kit_mtu(1300), at, kit_mtu(1500));
		kit_quiet(k);
		at += 2 * 1448;
		send_seg(p, .flags = ACK, .seq = 1, .ack = at);
	}
	assert_int_equal(kit_ctr(k, CTR_PMTU_DEFERRED), 5);
	assert_int_equal(kit_ctr(k, CTR_PMTU_LOWERED), 0);
	/* The last was forgotten: a timeout changes nothing. */
	kit_app_send(p, 1448);
	assert_int_equal(largest(p), 1448);
	while (!kit_ctr(k, CTR_RTO_FIRED))
		kit_advance(k, MS);
	assert_int_equal(largest(p), 1448);
	send_seg(p, .flags = ACK, .seq = 1, .ack = at + 1448);
	assert_int_equal(kit_ctr(k, CTR_PMTU_LOWERED), 0);
}

/* It is enough that the segment it names went through. */
static void PMT_06_more_is_in_flight(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = bulk(k, 2);
	uint32_t at = 2 * 1448 + 1;

	send_seg(p, .flags = ACK, .seq = 1, .ack = at);
	kit_app_send(p, 4 * 1448);
	assert_int_equal(largest(p), 1448);
	kit_too_big(p, kit_mtu(1300), at, kit_mtu(1500));
	send_seg(p, .flags = ACK, .seq = 1, .ack = at + 1448);
	while (!kit_ctr(k, CTR_RTO_FIRED)) {
		kit_drain(k);
		kit_advance(k, MS);
	}
	assert_int_equal(largest(p), 1448);
	assert_int_equal(kit_ctr(k, CTR_PMTU_LOWERED), 0);
}

static void PMT_06_a_timeout_proves_it_right(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = bulk(k, 2);
	uint32_t at = 2 * 1448 + 1;

	send_seg(p, .flags = ACK, .seq = 1, .ack = at);
	kit_app_send(p, 10 * 1448);
	assert_int_equal(largest(p), 1448);
	kit_too_big(p, kit_mtu(1300), at, kit_mtu(1500));
	kit_quiet(k);
	while (!kit_ctr(k, CTR_RTO_FIRED)) {
		kit_drain(k); /* a tail loss probe */
		kit_advance(k, MS);
	}
	assert_int_equal(kit_take(p).len, 1300 - 52);
	kit_drain(k);
	assert_int_equal(kit_ctr(k, CTR_PMTU_LOWERED), 1);
	assert_int_equal(next_connection(k), 1300 - 52);
}

/* At rest in between: what went through is not forgotten. */
static void PMT_06_after_a_rest(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = bulk(k, 2);

	send_seg(p, .flags = ACK, .seq = 1, .ack = 2 * 1448 + 1);
	kit_advance(k, 60 * SEC);
	kit_app_send(p, 1448);
	assert_int_equal(largest(p), 1448);
	kit_too_big(p, kit_mtu(1300), 2 * 1448 + 1, kit_mtu(1500));
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_PMTU_DEFERRED), 1);
}

static void PMT_07_tried_larger_after_ten_minutes(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = bulk(k, 3);
	uint64_t t = k->now;
	uint32_t at = 3 * 1448 + 1;

	kit_too_big(p, kit_mtu(1400), 1, kit_mtu(1500));
	assert_int_equal(largest(p), 1348);
	send_seg(p, .flags = ACK, .seq = 1, .ack = at);
	for (uint32_t i = 0; i < 11; i++) {
		kit_advance_to(k, t + i * 59 * SEC);
		kit_app_send(p, 3000);
		assert_int_equal(largest(p), 1348);
		at += 3000;
		send_seg(p, .flags = ACK, .seq = 1, .ack = at);
		if (i % 5 == 0)
			assert_int_equal(next_connection(k), 1348);
	}
	kit_advance_to(k, t + 600 * SEC);
	kit_app_send(p, 3000);
	assert_int_equal(largest(p), 1448);
	assert_int_equal(kit_ctr(k, CTR_PMTU_RAISED), 1);
	assert_int_equal(next_connection(k), 1448);
	/* Still too big: once more, and no more than once. */
	kit_too_big(p, kit_mtu(1400), at, kit_mtu(1500));
	assert_int_equal(largest(p), 1348);
}

/* Whoever was silent for hours, or days, is not to wait again. */
static void a_path_that_got_smaller_long_ago(void **s)
{
	static const unsigned int hours[] = {1, 9, 13, 18, 19, 24, 36, 37, 73};

	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(hours); i++) {
		struct kit *k = kit_new();
		uint32_t at = 3 * 1448 + 1;
		struct kit_peer *p;

		if (i % 2)
			k->tcp.pmtu_age = 43200 * SEC;
		p = bulk(k, 3);
		kit_too_big(p, kit_mtu(1400), 1, kit_mtu(1500));
		assert_int_equal(largest(p), 1348);
		send_seg(p, .flags = ACK, .seq = 1, .ack = at);
		for (unsigned int h = 0; h < hours[i / 2]; h++)
			kit_advance(k, 3600 * SEC);
		kit_app_send(p, 3000);
		assert_int_equal(largest(p), i % 2 && hours[i / 2] < 12 ? 1348 : 1448);
		kit_close(k);
	}
}

/* What a receiver has: all below next, and one range beyond, empty: none. */
struct receiver {
	uint32_t next, left, right;
	unsigned int early; /* segments since the last ACK that were not the next one */
};

static void receive(struct receiver *r, const struct seg *g)
{
	if (g->seq <= r->next) {
		r->next = max_of(r->next, g->seq + g->len);
	} else {
		r->early++;
		r->left = r->left ? min_of(r->left, g->seq) : g->seq;
		r->right = max_of(r->right, g->seq + g->len);
	}
	if (r->next >= r->left) {
		r->next = max_of(r->next, r->right);
		r->left = r->right = 0;
	}
}

/* One ACK for each segment that came early, and one if there is more than was had. */
static void acknowledge(struct receiver *r, struct kit_peer *p, uint32_t had)
{
	unsigned int n = r->early + (r->next != had);

	r->early = 0;
	while (n--)
		send_seg(p, .flags = ACK, .seq = 1, .ack = r->next,
			 .opts.sack_n = p->sack_agreed && r->left, .sack = {{r->left, r->right}});
}

/* A path of 1,200 bytes, or 1,300 of IPv6, that says nothing; the time from the first segment to its ACK. */
static void black_hole(struct kit *k, unsigned int offer, uint64_t rtt, uint32_t bytes)
{
	struct kit_peer *p = kit_peer(k);
	struct receiver r = {.next = 1};
	uint64_t t, first = 0, rto = rtt + max_of(200 * MS, 2 * rtt);
	uint64_t holes = kit_ctr(k, CTR_PMTU_BLACK_HOLES);

	p->offer = offer;
	kit_host(p->addr, 10 + k->n_peers);
	kit_syn(p);
	kit_synack(p);
	kit_advance(k, rtt);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_app_send(p, bytes);
	t = k->now;
	while (r.next <= bytes) {
		uint32_t had = r.next;

		assert_true(k->now - t < 10 * SEC);
		while (kit_has(k)) {
			struct seg g = kit_take(p);

			if (g.len + (p->ts ? 12 : 0) <= kit_mss(kit_v6() ? 1300 : 1200))
				receive(&r, &g);
		}
		if (r.next != had || r.early) {
			kit_advance(k, rtt);
			if (!first)
				first = k->now;
			acknowledge(&r, p, had);
		} else {
			kit_advance(k, MS);
		}
	}
	assert_true(first - t <= 3 * rto + rtt + 10 * MS);
	assert_int_equal(kit_ctr(k, CTR_PMTU_BLACK_HOLES), holes + 1);
	send_seg(p, .flags = RST, .seq = 1);
}

static void black_holes(struct kit *k, unsigned int offer)
{
	static const uint64_t rtts[] = {1 * MS, 10 * MS, 50 * MS, 100 * MS, 180 * MS, 400 * MS};

	for (unsigned int i = 0; i < ARRAY_SIZE(rtts); i++) {
		black_hole(k, offer, rtts[i], 30000);
		black_hole(k, offer, rtts[i], 5000);
		black_hole(k, offer, rtts[i], offer & OFFER_TS ? 1448 : 1460);
	}
}

static void PMT_08_a_silent_router(void **s)
{
	black_holes(*s, 0);
}

static void PMT_08_with_sack(void **s)
{
	black_holes(*s, OFFER_ALL);
	black_holes(*s, OFFER_SACK);
}

/* A loss and a probe lost too are no silent router: the segment that times out keeps its size. */
static void a_probe_is_no_timeout(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	p->offer = OFFER_ALL;
	kit_syn(p);
	kit_synack(p);
	kit_advance(k, 40 * MS);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_app_send(p, 5 * 1448);
	kit_drain(k);
	while (!kit_ctr(k, CTR_TLP_PROBES))
		kit_advance(k, MS);
	expect(p, .flags = ACK, .seq = 1 + 4 * 1448, .ack = 1, .len = 1448);
	while (!kit_ctr(k, CTR_RTO_FIRED))
		kit_advance(k, MS);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1448);
}

static void PMT_08_down_to_the_floor(void **s)
{
	static const uint32_t four[] = {1448, 972, 500, 500, 500}, six[] = {1448, 1208, 1208, 1208, 1208};
	const uint32_t *lens = kit_v6() ? six : four;
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	p->offer = OFFER_TS;
	kit_open(p);
	kit_app_send(p, 3 * 1448);
	kit_drain(k);
	for (unsigned int i = 0; i < ARRAY_SIZE(four); i++) {
		while (!kit_has(k))
			kit_advance(k, MS);
		assert_int_equal(kit_take(p).len, lens[i]);
		kit_quiet(k);
	}
}

/* What is guessed: RFC 4821 section 7.2. */
static uint32_t guess(void)
{
	return kit_mss(kit_v6() ? 1280 : 1024) - 12;
}

/* A bulk sender whose size was guessed, and small windows, so that it has always more. */
static struct receiver guessed(struct kit *k, struct kit_peer *p)
{
	struct receiver r = {.next = 10 * 1448 + 1};

	kit_app_send(p, 20000000);
	while (!kit_ctr(k, CTR_PMTU_BLACK_HOLES)) {
		kit_drain(k);
		kit_advance(k, MS);
	}
	kit_drain(k);
	p->win = 8 * 1448 >> 7;
	send_seg(p, .flags = ACK, .seq = 1, .ack = r.next);
	return r;
}

/*
 * For so many seconds each segment not larger than that arrives and is acknowledged 10 ms later. Returns
 * how many were larger than the guess.
 */
static unsigned int carry(struct kit *k, struct kit_peer *p, struct receiver *r, uint32_t largest,
			  unsigned int seconds)
{
	uint64_t end = k->now + seconds * SEC;
	unsigned int larger = 0;

	while (k->now < end) {
		uint32_t had = r->next;

		while (kit_has(k)) {
			struct seg g = kit_take(p);

			larger += g.len > guess();
			if (g.len <= largest)
				receive(r, &g);
		}
		kit_advance(k, 10 * MS);
		acknowledge(r, p, had);
	}
	return larger;
}

/* Mere loss: within a second one larger segment goes through, and the size is as it was. */
static void a_wrong_guess_is_found_out(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);
	struct receiver r = guessed(k, p);

	carry(k, p, &r, 1448, 1);
	assert_int_equal(kit_ctr(k, CTR_PMTU_RAISED), 1);
	assert_true(carry(k, p, &r, 1448, 1) > 100);
	assert_int_equal(kit_ctr(k, CTR_PMTU_RAISED), 1);
	assert_int_equal(kit_ctr(k, CTR_PMTU_BLACK_HOLES), 1);
	send_seg(p, .flags = RST, .seq = 1);
}

/* A silent router indeed: larger segments are tried after 1, 2, 4, 8 whole seconds, one a time. */
static void a_right_guess_is_kept(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);
	struct receiver r = guessed(k, p);
	uint64_t rtos = kit_ctr(k, CTR_RTO_FIRED);

	assert_int_equal(carry(k, p, &r, guess(), 17), 4);
	assert_int_equal(kit_ctr(k, CTR_PMTU_RAISED), 0);
	assert_int_equal(kit_ctr(k, CTR_PMTU_BLACK_HOLES), 1);
	assert_int_equal(kit_ctr(k, CTR_RTO_FIRED), rtos);
	assert_true(r.next > 2000000);
	send_seg(p, .flags = RST, .seq = 1);
}

static void PMT_10_an_initial_window_stays_ten_segments(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);
	const uint16_t mtu = kit_v6() ? 1280 : 576;
	uint32_t at = 1, n;

	kit_app_send(p, 50000);
	for (n = 0; kit_has(k); n++)
		assert_int_equal(kit_take(p).len, 1460);
	assert_int_equal(n, 10);
	kit_too_big(p, mtu, 1, kit_mtu(1500));
	for (n = 0; kit_has(k); n++) {
		struct seg g = kit_take(p);

		assert_int_equal(g.seq, at);
		assert_true(g.len <= kit_mss(mtu));
		at += g.len;
	}
	assert_in_range(n, 1, 10);
	kit_silence(k, 190 * MS); /* less than the timeout, more than a round trip */
	/* What was queued and what was in flight, in segments of the new size. */
	for (uint32_t una = at; una < 50001; una = at) {
		send_seg(p, .flags = ACK, .seq = 1, .ack = una);
		for (n = 0; kit_has(k); n++) {
			struct seg g = kit_take(p);

			assert_int_equal(g.seq, at);
			assert_true(g.len <= kit_mss(mtu));
			at += g.len;
		}
		assert_true(n > 0);
	}
}

static void forged_reports_concern_one_connection(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = bulk(k, 1), *other = kit_peer(k);

	other->offer = OFFER_ALL;
	kit_host(other->addr, 9);
	kit_open(other);
	for (uint32_t i = 0; i < 20000; i++)
		kit_too_big(p, (uint16_t)(70 + i % 1400), 1 + i % 1448, 1500);
	p->may_fragment = true;
	kit_drain(k);
	kit_app_send(other, 10000);
	assert_int_equal(largest(other), 1448);
}

static void T_05_tiny_segments_make_progress(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	uint32_t una = 1, rounds = 0;

	k->tcp.pmtu_floor = 68;
	p = bulk(k, 5);
	p->may_fragment = true;
	/* Three holes: 28 octets of SACK beside 12 of timestamps. */
	for (uint32_t i = 0; i < 3; i++)
		send_seg(p, .flags = ACK, .seq = 101 + i * 200, .ack = 1, .len = 100);
	kit_drain(k);
	kit_too_big(p, kit_mtu(40), 1, kit_mtu(1500));
	while (una < 5 * 1448 + 1) {
		uint32_t max = una;

		assert_true(rounds++ < 1000);
		while (kit_has(k)) {
			struct seg g = kit_take(p);

			assert_in_range(g.len, 1, 16);
			assert_true(g.seq + g.len <= 5 * 1448 + 1);
			if (g.seq <= max)
				max = max_of(max, g.seq + g.len);
		}
		if (max == una) {
			kit_advance(k, 10 * MS);
			continue;
		}
		una = max;
		send_seg(p, .flags = ACK, .seq = 1, .ack = una);
	}
}

static void T_05_window_below_the_flight(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = bulk(k, 5);

	/* 1,000 bytes beyond SND.UNA, with 7,240 in flight. */
	p->win = 1000 >> 7;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_app_send(p, 100000);
	kit_quiet(k);
	for (int i = 0; i < 20; i++) {
		kit_advance(k, 500 * MS);
		while (kit_has(k)) {
			struct seg g = kit_take(p);

			assert_true(g.len > 0);
			assert_true(g.seq + g.len <= 5 * 1448 + 1);
		}
	}
}

static void RTX_07_a_new_id_without_df(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = bulk(k, 1);
	uint16_t seen[6];

	/* An atomic datagram: any ID. */
	while (!kit_ctr(k, CTR_RTO_FIRED)) {
		kit_advance(k, MS);
		while (kit_has(k))
			assert_int_equal(kit_take(p).ip_frag, IP4_DF);
	}
	assert_true(kit_ctr(k, CTR_TX_RETRANSMITS) > 0);
	p->may_fragment = true;
	kit_too_big(p, kit_mtu(300), 1, kit_mtu(1500));
	kit_drain(k);
	for (unsigned int i = 0; i < ARRAY_SIZE(seen); i++) {
		struct seg g;

		while (!kit_has(k))
			kit_advance(k, MS);
		g = kit_take(p);
		kit_drain(k);
		assert_true(g.len <= 500);
		assert_int_equal(g.ip_frag, 0);
		seen[i] = g.ip_id;
		for (unsigned int j = 0; j < i; j++)
			assert_int_not_equal(seen[j], seen[i]);
	}
}

static void IP_05_ids_tell_nothing(void **s)
{
	struct kit *k = *s;
	struct kit_peer *a = kit_plain(k), *b = kit_peer(k);
	uint32_t at[2] = {1, 1};

	kit_host(b->addr, 9);
	kit_open(b);
	for (unsigned int n = 0; n < 10000; n++) {
		struct kit_peer *p = n % 3 ? a : b;
		struct seg g;

		kit_app_send(p, 10);
		g = kit_take(p);
		assert_int_equal(g.ip_frag, IP4_DF);
		assert_int_equal(g.ip_id, 0);
		at[p == a] += 10;
		send_seg(p, .flags = ACK, .seq = 1, .ack = at[p == a]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(PMT_02_resent_once_without_a_reduction),
		KIT_TEST4(PMT_03_never_below_the_floor),
		KIT_TEST6(PMT_03_icmpv6_below_1280),
		KIT_TEST4(PMT_04_plateaus),
		KIT_TEST(PMT_05_never_raised),
		KIT_TEST(PMT_06_data_that_goes_through_proves_it_wrong),
		KIT_TEST(PMT_06_more_is_in_flight),
		KIT_TEST(PMT_06_a_timeout_proves_it_right),
		KIT_TEST(PMT_06_after_a_rest),
		KIT_TEST(PMT_07_tried_larger_after_ten_minutes),
		cmocka_unit_test(a_path_that_got_smaller_long_ago),
		KIT_TEST(PMT_08_a_silent_router),
		KIT_TEST(PMT_08_with_sack),
		KIT_TEST(a_probe_is_no_timeout),
		KIT_TEST(PMT_08_down_to_the_floor),
		KIT_TEST(a_wrong_guess_is_found_out),
		KIT_TEST(a_right_guess_is_kept),
		KIT_TEST(PMT_10_an_initial_window_stays_ten_segments),
		KIT_TEST(forged_reports_concern_one_connection),
		KIT_TEST4(T_05_tiny_segments_make_progress),
		KIT_TEST(T_05_window_below_the_flight),
		KIT_TEST4(RTX_07_a_new_id_without_df),
		KIT_TEST4(IP_05_ids_tell_nothing),
	};

	return KIT_RUN("pmtu", tests);
}
