/*
 * Explicit congestion notification, RFC 3168.
 * Rows: ECN-01..ECN-07 T-27 HDR-07 HDR-12 IP-11.
 */
#include "algo/cc.h"
#include "kit.h"

#define ECT0 IP_ECN_ECT0
#define CE   IP_ECN_CE

static struct kit_peer *open_ecn(struct kit *k, unsigned int offer)
{
	struct kit_peer *p = kit_peer(k);

	p->offer = offer | OFFER_ECN;
	kit_open(p);
	return p;
}

static void ECN_01_passive_open(void **s)
{
	static const uint8_t asks[] = {0, ECE, CWR, ECE | CWR};
	struct kit *k = *s;

	for (unsigned int i = 0; i < ARRAY_SIZE(asks); i++) {
		struct kit_peer *p = kit_peer(k);
		uint8_t answer = asks[i] == (ECE | CWR) ? ECE : 0;
		struct seg g;

		send_seg(p, .flags = SYN | asks[i]);
		g = expect(p, .flags = SYN | ACK | answer, .seq = 0, .ack = 1);
		assert_int_equal(g.tos, 0);
		p->app.on_open = 10;
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
		g = expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
		assert_int_equal(g.tos, answer ? ECT0 : 0);
	}
}

static void ECN_01_switched_off(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	k->tcp.ecn = false;
	p = kit_peer(k);
	send_seg(p, .flags = SYN | ECE | CWR);
	expect(p, .flags = SYN | ACK, .seq = 0, .ack = 1);
}

/* The peer gave ECN up and sent its SYN again without: RFC 3168 section 6.1.1.1. */
static void ECN_01_syn_again_without(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	send_seg(p, .flags = SYN | ECE | CWR);
	expect(p, .flags = SYN | ACK | ECE, .seq = 0, .ack = 1);
	send_seg(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .seq = 0, .ack = 1);
	p->app.on_open = 10;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10).tos, 0);
}

/* The SYN-ACK's flags, and the codepoint that data then has. */
static void answered_by(struct kit *k, uint8_t flags, uint8_t tos)
{
	struct kit_peer *p = kit_peer(k);
	struct seg g;

	p->app.on_open = 10;
	g = kit_connect(p);
	assert_int_equal(g.flags, SYN | ECE | CWR);
	assert_int_equal(g.tos, 0);
	send_seg(p, .flags = SYN | ACK | flags, .seq = 0, .ack = 1, .opts = kit_answer_opts(p));
	while (kit_has(k)) {
		g = kit_take(p);
		assert_int_equal(g.tos, g.len ? tos : 0);
	}
	assert_int_equal(g.len, 10);
	send_seg(p, .flags = RST, .seq = 1);
}

static void ECN_02_active_open(void **s)
{
	struct kit *k = *s;

	k->tcp.ecn_connect = true;
	answered_by(k, ECE, ECT0);
	answered_by(k, 0, 0);
	answered_by(k, ECE | CWR, 0); /* reflected */
	answered_by(k, CWR, 0);
}

static void ECN_02_syn_lost_or_refused(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p, *q;
	struct seg g;

	k->tcp.ecn_connect = true;
	p = kit_peer(k);
	p->app.on_open = 10;
	assert_int_equal(kit_connect(p).flags, SYN | ECE | CWR);
	kit_advance(k, 1100 * MS);
	assert_int_equal(kit_take_syn(p).flags, SYN);
	send_seg(p, .flags = SYN | ACK | ECE, .seq = 0, .ack = 1, .opts = kit_answer_opts(p));
	while (kit_has(k)) {
		g = kit_take(p);
		assert_int_equal(g.tos, 0);
	}
	assert_int_equal(g.len, 10);
	send_seg(p, .flags = RST, .seq = 1);
	q = kit_peer(k);
	assert_int_equal(kit_connect(q).flags, SYN | ECE | CWR);
	send_seg(q, .flags = RST | ACK, .seq = 0, .ack = 1);
	assert_int_equal(kit_take_syn(q).flags, SYN);
	assert_int_equal(q->app.failed, 0);
	send_seg(q, .flags = RST | ACK, .seq = 0, .ack = 1);
	assert_int_equal(q->app.failed, 1);
	assert_int_equal(q->app.why, PIER_CLOSE_REFUSED);
	kit_quiet(k);
}

/* ECT(0) is on what was never sent before, and on nothing else. Returns the highest end. */
static uint32_t classify(struct kit_peer *p, uint32_t *max, unsigned int *ect, unsigned int *bare)
{
	while (kit_has(p->k)) {
		struct seg g = kit_take(p);
		bool fresh = g.len && seq_geq(g.seq, *max);

		assert_int_equal(g.tos, fresh ? ECT0 : 0);
		assert_true(fresh || !(g.flags & CWR));
		*ect += fresh;
		*bare += !fresh;
		if (g.len)
			*max = seq_max(*max, g.seq + g.len);
	}
	return *max;
}

static void lossy_transfer(struct kit *k, unsigned int offer)
{
	struct kit_peer *p = open_ecn(k, offer);
	uint32_t max = 1, una = 1;
	unsigned int ect = 0, bare = 0;

	kit_app_send(p, 200000);
	classify(p, &max, &ect, &bare);
	for (unsigned int round = 0; una < 200001; round++) {
		uint32_t from = una, to = classify(p, &max, &ect, &bare);

		if (to == una) { /* a timeout */
			kit_advance(k, 100 * MS);
			continue;
		}
		if (round % 3 == 1) { /* one segment was lost: three duplicates */
			for (int i = 0; i < 3 && to - una > 4 * 1460; i++)
				send_seg(p, .flags = ACK, .seq = 1, .ack = una,
					 .opts.sack_n = p->sack_agreed,
					 .sack = {{una + 1460, una + (2 + (unsigned int)i) * 1460}});
			classify(p, &max, &ect, &bare);
		} else if (round % 7 == 5) {
			kit_advance(k, 3 * SEC);
			classify(p, &max, &ect, &bare);
		}
		una = to;
		send_seg(p, .flags = round % 4 ? ACK : ACK | ECE, .seq = 1, .ack = una);
		assert_true(una > from);
	}
	assert_true(ect > 100 && bare > 5);
}

static void ECN_03_only_new_data(void **s)
{
	lossy_transfer(*s, 0);
	lossy_transfer(*s, OFFER_SACK);
}

/* Probes of a closed window, their octet sent later in a segment, keep-alives, FIN, RST, ACKs. */
static void ECN_03_never_on_control(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p, *q;

	k->tcp.keepalive = true;
	p = open_ecn(k, 0);
	p->win = 0;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	kit_advance(k, 100 * MS);
	assert_int_equal(expect(p, .flags = ACK, .seq = 1, .ack = 11).tos, 0);
	kit_app_send(p, 5);
	kit_advance(k, 2 * SEC);
	while (kit_has(k))
		assert_int_equal(expect(p, .flags = ACK, .seq = 1, .ack = 11, .len = 1).tos, 0);
	p->win = 65535;
	send_seg(p, .flags = ACK, .seq = 11, .ack = 1);
	assert_int_equal(expect(p, .flags = ACK, .seq = 1, .ack = 11, .len = 5).tos, 0);
	send_seg(p, .flags = ACK, .seq = 11, .ack = 6);
	kit_advance(k, 7201 * SEC);
	assert_int_equal(expect(p, .flags = ACK, .seq = 5, .ack = 11).tos, 0);
	send_seg(p, .flags = ACK, .seq = 11, .ack = 6);
	kit_app_close(p);
	assert_int_equal(expect(p, .flags = FIN | ACK, .seq = 6, .ack = 11).tos, 0);
	q = open_ecn(k, 0);
	kit_app_abort(q);
	assert_int_equal(expect(q, .flags = RST | ACK, .seq = 1, .ack = 1).tos, 0);
}

/* ECE on the ACKs 3 to 8, and from 12. */
static void ECN_04_echo_until_cwr(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	k->tcp.delack = 1 * MS;
	p = open_ecn(k, 0);
	for (uint32_t i = 1; i <= 20; i++) {
		bool ece = (i >= 3 && i <= 8) || i >= 12;

		send_seg(p, .flags = i == 9 ? ACK | CWR : ACK, .seq = 10 * i - 9, .ack = 1,
			 .len = 10, .tos = i == 3 || i == 12 ? CE : ECT0);
		kit_advance(k, 2 * MS);
		expect(p, .flags = ece ? ACK | ECE : ACK, .seq = 1, .ack = 10 * i + 1);
		kit_quiet(k);
	}
	assert_int_equal(kit_ctr(k, CTR_RX_ECN_MARKS), 2);
}

/* One of those that an ACK covers is marked; the echo also rides on data, and outlives rest. */
static void ECN_04_delayed_ack_and_data(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = open_ecn(k, 0);

	kit_burst_begin(k);
	for (uint32_t i = 0; i < 3; i++)
		send_seg(p, .flags = ACK, .seq = 1 + 10 * i, .ack = 1, .len = 10,
			 .tos = i == 1 ? CE : ECT0);
	kit_burst_end(k);
	expect(p, .flags = ACK | ECE, .seq = 1, .ack = 31);
	kit_advance(k, 10 * SEC);
	assert_int_equal(kit_usage(k).block_bytes, 0);
	kit_app_send(p, 10);
	assert_int_equal(expect(p, .flags = ACK | ECE, .seq = 1, .ack = 31, .len = 10).tos, ECT0);
	send_seg(p, .flags = ACK, .seq = 31, .ack = 11);
	/* A segment with both begins anew. */
	send_seg(p, .flags = ACK | CWR, .seq = 31, .ack = 11, .len = 10, .tos = CE);
	kit_advance(k, 100 * MS);
	expect(p, .flags = ACK | ECE, .seq = 11, .ack = 41);
}

static void ECN_06_one_segment_waits(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = open_ecn(k, 0);
	unsigned int n = 0, rounds = 0;
	uint32_t end = 1;
	struct seg g;
	uint64_t at;

	kit_app_send(p, 400000);
	while (n != 1) {
		assert_true(rounds++ < 20);
		for (n = 0; kit_has(k); n++) {
			g = kit_take(p);
			end = g.seq + g.len;
		}
		kit_advance(k, 10 * MS);
		send_seg(p, .flags = ACK | ECE, .seq = 1, .ack = end);
	}
	/* That was an echo for the one segment of a window of one. The timeout is 210 ms or so. */
	at = k->now;
	kit_silence(k, 200 * MS);
	kit_advance(k, 100 * MS);
	g = expect(p, .flags = ACK | CWR, .seq = end, .ack = 1, .len = 1460);
	assert_in_range(g.at - at, 200 * MS, 300 * MS);
	kit_quiet(k);
	/* Without an echo the window opens again. */
	end += 1460;
	send_seg(p, .flags = ACK, .seq = 1, .ack = end);
	assert_true(kit_has(k));
	kit_drain(k);
}

static void ECN_07_marks_that_do_not_count(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = open_ecn(k, 0), *plain = kit_plain(k);

	send_seg(p, .flags = ACK, .seq = 100001, .ack = 1, .len = 10, .tos = CE);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .tos = ECT0);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .tos = CE); /* has it already */
	expect(p, .flags = ACK, .seq = 1, .ack = 11);
	kit_advance(k, 100 * MS);
	kit_drain(k);
	send_seg(p, .flags = ACK, .seq = 11, .ack = 1, .tos = CE);
	send_seg(p, .flags = SYN, .seq = 11, .tos = CE);
	expect(p, .flags = ACK, .seq = 1, .ack = 11);
	p->app.half_open_on_eof = true;
	send_seg(p, .flags = FIN | ACK, .seq = 11, .ack = 1, .tos = CE);
	expect(p, .flags = ACK, .seq = 1, .ack = 12);
	send_seg(plain, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .tos = CE);
	kit_advance(k, 100 * MS);
	expect(plain, .flags = ACK, .seq = 1, .ack = 11);
	assert_int_equal(kit_ctr(k, CTR_RX_ECN_MARKS), 0);
}

/* Bytes that may be in flight: all that is sent when nothing is acknowledged. */
static uint32_t window_now(struct kit_peer *p, uint32_t una, uint32_t *end)
{
	while (kit_has(p->k)) {
		struct seg g = kit_take(p);

		*end = seq_max(*end, g.seq + g.len);
	}
	return *end - una;
}

/* Ten ACKs with an echo in one window; one reduction, one CWR, nothing sent again. */
static void ten_echoes(struct kit *k, uint32_t congestion, uint32_t after)
{
	struct kit_peer *p;
	unsigned int cwrs = 0;
	uint32_t end = 1;

	k->tcp.congestion = congestion;
	p = open_ecn(k, 0);
	kit_app_send(p, 100000);
	assert_int_equal(window_now(p, 1, &end), 10 * 1460);
	kit_advance(k, 10 * MS);
	for (uint32_t i = 1; i <= 10; i++) {
		send_seg(p, .flags = ACK | ECE, .seq = 1, .ack = 1 + i * 1460);
		while (kit_has(k)) {
			struct seg g = expect(p, .flags = cwrs ? ACK : ACK | CWR, .seq = end,
					      .ack = 1, .len = 1460);

			assert_int_equal(g.tos, ECT0);
			cwrs += !!(g.flags & CWR);
			end += g.len;
		}
	}
	assert_int_equal(cwrs, 1);
	assert_int_equal(kit_ctr(k, CTR_ECN_REDUCTIONS), 1);
	assert_int_equal(kit_ctr(k, CTR_TX_RETRANSMITS), 0);
	assert_int_equal((end - 1 - 10 * 1460) / 1460, after);
	/* Of the next window an echo counts again. */
	send_seg(p, .flags = ACK | ECE, .seq = 1, .ack = end);
	assert_int_equal(kit_ctr(k, CTR_ECN_REDUCTIONS), 2);
	kit_drain(k);
}

static void ECN_05_one_reduction_a_window(void **s)
{
	for (uint32_t i = 0; cc_names[i]; i++) {
		struct kit *k = kit_new();

		ten_echoes(k, i, strcmp(cc_names[i], "cubic") ? 5 : 7);
		kit_close(k);
	}
}

static void T_27_what_must_not_happen(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	uint32_t end = 1;
	struct seg g;

	send_seg(p, .flags = SYN | ECE | CWR, .tos = CE,
		 .opts = {.flags = TCP_OPTS_MSS, .mss = 1460});
	g = expect(p, .flags = SYN | ACK | ECE, .seq = 0, .ack = 1);
	assert_int_equal(g.tos, 0);
	kit_advance(k, 1100 * MS); /* the SYN-ACK again */
	assert_int_equal(expect(p, .flags = SYN | ACK | ECE, .seq = 0, .ack = 1).tos, 0);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	/* The latch is not cleared by an ACK without CWR. */
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .tos = CE);
	kit_advance(k, 100 * MS);
	expect(p, .flags = ACK | ECE, .seq = 1, .ack = 11);
	send_seg(p, .flags = ACK, .seq = 11, .ack = 1);
	send_seg(p, .flags = ACK, .seq = 11, .ack = 1, .len = 10, .tos = ECT0);
	kit_advance(k, 100 * MS);
	expect(p, .flags = ACK | ECE, .seq = 1, .ack = 21);
	/* ECE and CWR of a SYN in the connection say nothing of congestion. */
	kit_app_send(p, 100000);
	assert_int_equal(window_now(p, 1, &end), 14600);
	send_seg(p, .flags = SYN | ECE | CWR, .seq = 0);
	expect(p, .flags = ACK | ECE, .seq = 14601, .ack = 21);
	assert_int_equal(kit_ctr(k, CTR_ECN_REDUCTIONS), 0);
	/* CWR waits for new data: what is sent again has none. */
	send_seg(p, .flags = ACK | ECE, .seq = 21, .ack = 1461);
	assert_int_equal(kit_ctr(k, CTR_ECN_REDUCTIONS), 1);
	kit_drain(k);
	kit_advance(k, 3 * SEC);
	assert_true(kit_has(k));
	while (kit_has(k)) {
		g = kit_take(p);
		assert_false(g.flags & CWR);
		assert_int_equal(g.tos, 0);
	}
	send_seg(p, .flags = ACK, .seq = 21, .ack = end);
	g = kit_take(p);
	assert_int_equal(g.seq, end);
	assert_true(g.flags & CWR);
	assert_int_equal(g.tos, ECT0);
	assert_false(kit_take(p).flags & CWR);
	kit_drain(k);
}

static void HDR_07_reserved_bits(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	/* The kit refuses reserved bits in what the engine sends. */
	send_seg(p, .flags = SYN, .reserved = 0x0f);
	expect(p, .flags = SYN | ACK, .seq = 0, .ack = 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .reserved = 0x0f);
	assert_int_equal(p->app.opens, 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .reserved = 0x0f);
	assert_int_equal(p->app.rx, 10);
	kit_advance(k, 100 * MS);
	expect(p, .flags = ACK, .seq = 1, .ack = 11);
	send_seg(p, .flags = RST, .seq = 11, .reserved = 0x0f);
	assert_int_equal(p->app.closes, 1);
}

/*
 * What a port joined: two full segments are two, so their ACK does not wait. Eight segments, the
 * fourth marked: the port keeps the mark apart, and only the ACKs from that one on echo it.
 */
static void HDR_12_aggregates(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = open_ecn(k, 0), *q = open_ecn(k, 0);

	send_seg(q, .flags = ACK, .seq = 1, .ack = 1, .len = 2 * 1460, .tos = ECT0);
	expect(q, .flags = ACK, .seq = 1, .ack = 2921);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 3 * 1460, .tos = ECT0);
	expect(p, .flags = ACK, .seq = 1, .ack = 4381);
	send_seg(p, .flags = ACK, .seq = 4381, .ack = 1, .len = 1460, .tos = CE);
	send_seg(p, .flags = ACK, .seq = 5841, .ack = 1, .len = 4 * 1460, .tos = ECT0);
	while (kit_has(k))
		assert_int_equal(kit_take(p).flags, ACK | ECE);
	kit_advance(k, 100 * MS);
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_RX_ECN_MARKS), 1);
}

/* A segment's frame in two fragments with codepoints of their own. */
static void send_fragments(struct kit_peer *p, uint32_t seq, uint16_t id, uint8_t first,
			   uint8_t second)
{
	uint8_t buf[10000], part[1600];
	uint32_t len = kit_build(p, &(struct seg){.flags = ACK, .seq = seq, .ack = 1, .len = 980},
				 buf);
	uint32_t l3 = ETH_HDR_LEN + IP4_HDR_LEN, cut = 504, body = len - l3;

	for (int i = 0; i < 2; i++) {
		struct ip4_hdr *ip = (struct ip4_hdr *)(part + ETH_HDR_LEN);
		uint32_t off = i ? cut : 0, n = i ? body - cut : cut;

		memcpy(part, buf, l3);
		memcpy(part + l3, buf + l3 + off, n);
		ip->total_len = be16((uint16_t)(IP4_HDR_LEN + n));
		ip->id = id;
		ip->frag = be16((uint16_t)(off / 8 | (i ? 0 : IP4_MF)));
		ip->tos = i ? second : first;
		ip->cksum = 0;
		ip->cksum = sum_finish(sum_partial(ip, IP4_HDR_LEN, 0));
		kit_inject(p->k, part, l3 + n);
	}
}

static void IP_11_fragments_with_marks(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = open_ecn(k, 0), *q = open_ecn(k, 0);

	send_fragments(p, 1, 1, ECT0, ECT0);
	kit_advance(k, 100 * MS);
	expect(p, .flags = ACK, .seq = 1, .ack = 981);
	send_fragments(p, 981, 2, 0, CE);
	send_fragments(p, 981, 3, CE, 0);
	kit_silence(k, 100 * MS);
	assert_int_equal(p->app.rx, 980);
	send_fragments(p, 981, 4, ECT0, CE);
	kit_advance(k, 100 * MS);
	expect(p, .flags = ACK | ECE, .seq = 1, .ack = 1961);
	send_fragments(q, 1, 5, CE, ECT0);
	kit_advance(k, 100 * MS);
	expect(q, .flags = ACK | ECE, .seq = 1, .ack = 981);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(ECN_01_passive_open),
		KIT_TEST(ECN_01_switched_off),
		KIT_TEST(ECN_01_syn_again_without),
		KIT_TEST(ECN_02_active_open),
		KIT_TEST(ECN_02_syn_lost_or_refused),
		KIT_TEST(ECN_03_only_new_data),
		KIT_TEST(ECN_03_never_on_control),
		KIT_TEST(ECN_04_echo_until_cwr),
		KIT_TEST(ECN_04_delayed_ack_and_data),
		KIT_TEST(ECN_05_one_reduction_a_window),
		KIT_TEST(ECN_06_one_segment_waits),
		KIT_TEST(ECN_07_marks_that_do_not_count),
		KIT_TEST(T_27_what_must_not_happen),
		KIT_TEST(HDR_07_reserved_bits),
		KIT_TEST(HDR_12_aggregates),
		KIT_TEST4(IP_11_fragments_with_marks),
	};

	return KIT_RUN("ecn", tests);
}
