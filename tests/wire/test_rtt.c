/*
 * What is measured, what is doubted, what is sent again: RTT samples, R1, resegmentation.
 * Rows: RTO-03 RTO-05 TS-03 TS-06 RTX-03 RTX-10.
 */
#include "kit.h"

#define about(v, want) assert_in_range(v, (want) - 3 * MS, (want) + 3 * MS)

/* Open with a handshake that takes us: the first sample, if it is one. */
static struct kit_peer *open_rtt(struct kit *k, unsigned int offer, uint64_t us)
{
	struct kit_peer *p = kit_peer(k);

	p->offer = offer;
	kit_syn(p);
	kit_synack(p);
	kit_advance(k, us);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	return p;
}

/* The next frame, whenever it comes, must be a segment of the 10 bytes at seq. */
static struct seg wait_for(struct kit_peer *p, uint32_t seq)
{
	while (!kit_has(p->k))
		kit_advance(p->k, MS);
	return expect(p, .flags = ACK, .seq = seq, .ack = 1, .len = 10);
}

/* Send 10 bytes; how long until they are sent again. */
static uint64_t rto_of(struct kit_peer *p, uint32_t seq)
{
	uint64_t t = p->k->now;

	kit_app_send(p, 10);
	wait_for(p, seq);
	return wait_for(p, seq).at - t;
}

/* RFC 6298 section 2, in another arithmetic than the engine's. */
static double rto_reference(const uint32_t *sample, unsigned int n)
{
	double srtt = sample[0], var = sample[0] / 2.0;

	for (unsigned int i = 1; i < n; i++) {
		double r = sample[i], err = srtt > r ? srtt - r : r - srtt;

		var = 0.75 * var + 0.25 * err;
		srtt = 0.875 * srtt + 0.125 * r;
	}
	return srtt + (4 * var > 200 * MS ? 4 * var : 200 * MS);
}

static void RTO_03_reference(void **s)
{
	static const unsigned int lengths[] = {1, 2, 3, 10, 100};
	uint32_t sample[100] = {250 * MS}, x = 12345;
	struct kit *k = *s;

	for (unsigned int i = 1; i < 100; i++) {
		x = x * 1664525 + 1013904223;
		sample[i] = 100 * MS + x % (300 * MS);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct kit_peer *p = open_rtt(k, 0, sample[0]);
		uint32_t seq = 1;

		for (unsigned int j = 1; j < lengths[i]; j++, seq += 10) {
			kit_app_send(p, 10);
			expect(p, .flags = ACK, .seq = seq, .ack = 1, .len = 10);
			kit_advance(k, sample[j]);
			kit_quiet(k);
			send_seg(p, .flags = ACK, .seq = 1, .ack = seq + 10);
		}
		about(rto_of(p, seq), (uint64_t)rto_reference(sample, lengths[i]));
		send_seg(p, .flags = RST, .seq = 1);
	}
}

static void RTO_05_no_sample_of_a_retransmission(void **s)
{
	static const uint64_t after[] = {5 * MS, 100 * MS, 400 * MS};
	struct kit *k = *s;

	for (unsigned int i = 0; i < ARRAY_SIZE(after); i++) {
		struct kit_peer *p = open_rtt(k, 0, 100 * MS); /* RTO 300 ms */

		about(rto_of(p, 1), 300 * MS);
		kit_advance(k, after[i]);
		kit_quiet(k);
		send_seg(p, .flags = ACK, .seq = 1, .ack = 11);
		about(rto_of(p, 11), 600 * MS); /* backed off, else as before */
		send_seg(p, .flags = RST, .seq = 1);
	}
}

/* Which of the two copies is echoed, and what 100 ms and that sample make. */
/* Nor from a SYN-ACK that was sent again because the SYN came again, just before the timer. */
static void RTO_05_nor_of_a_syn_ack_asked_for_again(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	kit_syn(p);
	kit_synack(p);
	kit_advance(k, 990 * MS);
	kit_syn(p);
	kit_synack(p);
	kit_advance(k, 8 * MS);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	about(rto_of(p, 1), SEC);
}

static void RTO_05_timestamps_tell(void **s)
{
	struct kit *k = *s;

	for (int copy = 0; copy < 2; copy++) {
		struct kit_peer *p = open_rtt(k, OFFER_TS, 100 * MS);
		const uint32_t sample[] = {100 * MS, copy ? 20 * MS : 320 * MS};
		uint32_t tsval[2];

		kit_app_send(p, 10);
		for (int i = 0; i < 2; i++)
			tsval[i] = wait_for(p, 1).opts.tsval;
		kit_advance(k, 20 * MS);
		send_seg(p, .flags = ACK, .seq = 1, .ack = 11, .tsecr = tsval[copy]);
		about(rto_of(p, 11), (uint64_t)rto_reference(sample, 2));
		send_seg(p, .flags = RST, .seq = 1);
	}
}

/*
 * The ACK of the first copy is lost, that of the second echoes the first: it is no sample, and the
 * timeout stays backed off until there is one.
 */
static void RTO_05_RK_07_the_echo_of_a_lost_ack(void **s)
{
	static const unsigned int offers[] = {OFFER_TS, OFFER_TS | OFFER_SACK};
	struct kit *k = *s;

	for (unsigned int i = 0; i < ARRAY_SIZE(offers); i++) {
		struct kit_peer *p = open_rtt(k, offers[i], 100 * MS); /* RTO 300 ms */
		uint32_t first;

		kit_app_send(p, 10);
		first = wait_for(p, 1).opts.tsval;
		wait_for(p, 1);
		kit_advance(k, 100 * MS);
		kit_drain(k);
		if (offers[i] == OFFER_TS)
			send_seg(p, .flags = ACK, .seq = 1, .ack = 11, .tsecr = first);
		else
			send_seg(p, .flags = ACK, .seq = 1, .ack = 11, .tsecr = first,
				 .opts.sack_n = 1, .sack = {{1, 11}});
		assert_int_equal(kit_ctr(k, CTR_SPURIOUS_RECOVERIES), 0);
		/* With SACK the second copy was a probe, which backs nothing off. */
		about(rto_of(p, 11), offers[i] == OFFER_TS ? 600 * MS : 300 * MS);
		send_seg(p, .flags = RST, .seq = 1);
		kit_drain(k);
	}
}

static void TS_03_echo_of_a_syn(void **s)
{
	static const uint8_t opt[] = {2, 4, 5, 0xb4, 1, 1, 8, 10, 0, 0, 0, 1, 255, 255, 255, 255};
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	p->offer = OFFER_TS;
	send_seg(p, .flags = SYN, .raw = opt, .raw_len = sizeof(opt));
	assert_int_equal(kit_synack(p).opts.tsecr, 1);
	kit_advance(k, 100 * MS);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .tsval = 101);
	about(rto_of(p, 1), 300 * MS); /* the handshake's 100 ms and nothing else */
}

static void TS_06_duplicates_measure_nothing(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = open_rtt(k, OFFER_TS, 100 * MS);
	uint64_t t = k->now, at;
	struct seg g;

	kit_app_send(p, 10);
	g = wait_for(p, 1);
	for (int i = 0; i < 2; i++) {
		kit_advance(k, 125 * MS);
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .tsecr = g.opts.tsval);
	}
	at = wait_for(p, 1).at;
	about(at - t, 300 * MS);
	about(wait_for(p, 1).at - at, 600 * MS);
}

static bool is_asked_for(const struct kit_peer *p, const struct kit_frame *f)
{
	uint8_t who[16];

	if (!kit_asks(f))
		return false;
	kit_asked(f, who);
	assert_memory_equal(who, p->addr, 16);
	return true;
}

static void RTX_03_next_hop_is_asked_for(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	unsigned int sent = 0, asked = 0;
	uint64_t third = 0;

	k->ports[0].neighbor = ENGINE_NEIGHBOR_RESOLVE;
	p = kit_peer(k);
	p->app.on_open = 10;
	kit_syn(p);
	assert_true(is_asked_for(p, kit_frame_next(k)));
	kit_answer(k, p->addr, p->server);
	kit_synack(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	while (!asked && sent < 10) {
		struct kit_frame *f;

		while ((f = kit_frame_next(k))) {
			if (is_asked_for(p, f)) {
				asked++;
				third = f->at;
			} else {
				sent++;
			}
		}
		kit_advance(k, MS);
	}
	assert_int_equal(asked, 1);
	assert_int_equal(sent, 1 + 3);
	assert_true(k->now - third <= 2 * MS);
}

/*
 * ACKs inside of segments, and a timeout after each: what is sent again starts where no segment
 * did. The kit checks every byte of every copy.
 */
static void copies_are_alike(struct kit *k, bool statics)
{
	struct kit_peer *p = open_rtt(k, 0, 10 * MS);
	uint32_t una = 1, again = 0;

	p->app.statics = statics;
	for (uint64_t n = 1; n < 5000; n = 3 * n + 1)
		kit_app_send(p, n);
	kit_app_send(p, 5000);
	kit_drain(k);
	for (; una + 701 < p->app.want; una += 701) {
		send_seg(p, .flags = ACK, .seq = 1, .ack = una + 701);
		kit_drain(k);
		while (!kit_has(k))
			kit_advance(k, 10 * MS);
		for (uint32_t at = una + 701; kit_has(k);) {
			struct seg g = kit_take(p);

			assert_int_equal(g.seq, at);
			assert_true(g.len > 0);
			at += g.len;
			again++;
		}
	}
	assert_true(again >= 10);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1 + (uint32_t)p->app.want);
	kit_silence(k, 5 * SEC);
}

static void RTX_10_copies_are_alike(void **s)
{
	copies_are_alike(*s, false);
	copies_are_alike(*s, true);
}

static uint32_t srtt;

static void op_srtt(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	struct pier_info info;

	pier_get_info(c, &info);
	srtt = info.srtt_us;
}

/* The ACK of a FIN gives a sample like any other, as long as there is somebody to whom more may come. */
static void the_ack_of_a_fin(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = open_rtt(k, OFFER_ALL, 20 * MS);

	kit_app_shutdown(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	kit_advance(k, 100 * MS);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 2);
	kit_app_call(p, op_srtt, 0);
	about(srtt, 30 * MS);
}

/*
 * Then no time at all passes, and a copy goes out behind higher segments: it, and what leaves with
 * it, is noted as sent a little later. Its acknowledgment has not come before.
 */
static void a_round_trip_of_nothing(void **s)
{
	static const unsigned int offers[] = {OFFER_SACK, OFFER_ALL};

	for (unsigned int i = 0; i < ARRAY_SIZE(offers); i++) {
		struct kit *k = kit_new();
		struct kit_peer *p = open_rtt(k, offers[i], 40);
		const uint32_t mss = offers[i] & OFFER_TS ? 1448 : 1460;
		uint64_t sent;

		kit_app_send(p, 20 * mss);
		kit_drain(k);
		kit_advance(k, 40);
		for (uint32_t right = 2; right <= 5; right++) /* new data, and then the lost */
			send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .opts.sack_n = 1,
				 .sack = {{1 + mss, 1 + right * mss}});
		kit_drain(k);
		for (uint32_t n = 10; n <= 20; n++)
			send_seg(p, .flags = ACK, .seq = 1, .ack = 1 + n * mss);
		kit_drain(k);
		kit_app_call(p, op_srtt, 0);
		assert_in_range(srtt, 1, 40);
		sent = k->now;
		kit_app_send(p, 10);
		expect(p, .flags = ACK, .seq = 1 + 20 * mss, .ack = 1, .len = 10);
		kit_advance(k, SEC);
		assert_in_range(kit_take(p).at - sent, 0, 202 * MS);
		kit_drain(k);
		kit_close(k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(RTO_03_reference),
		KIT_TEST(RTO_05_no_sample_of_a_retransmission),
		KIT_TEST(RTO_05_nor_of_a_syn_ack_asked_for_again),
		KIT_TEST(RTO_05_timestamps_tell),
		KIT_TEST(RTO_05_RK_07_the_echo_of_a_lost_ack),
		KIT_TEST(TS_03_echo_of_a_syn),
		KIT_TEST(TS_06_duplicates_measure_nothing),
		KIT_TEST(RTX_03_next_hop_is_asked_for),
		KIT_TEST(RTX_10_copies_are_alike),
		KIT_TEST(the_ack_of_a_fin),
		cmocka_unit_test(a_round_trip_of_nothing),
	};

	return KIT_RUN("rtt", tests);
}
