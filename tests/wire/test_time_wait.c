/*
 * TIME-WAIT: what it answers, what replaces it, how many there may be.
 * Rows: CLS-13 CLS-14 CLS-15 CLS-16 DOS-08 ISN-04, BLD-02 for its part of TIME-WAIT.
 */
#include "inside.h"

/* A connection that this side closed first, in TIME-WAIT from now on: SND.NXT and RCV.NXT are 2. */
static struct kit_peer *close_first(struct kit_peer *p)
{
	p->app.close_on_open = true;
	kit_syn(p);
	kit_synack(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p, .flags = ACK, .seq = 2, .ack = 2);
	p->app.close_on_open = false;
	return p;
}

static struct kit_peer *waiting(struct kit *k, bool ts)
{
	struct kit_peer *p = kit_peer(k);

	p->offer = ts ? OFFER_ALL : 0;
	return close_first(p);
}

static const struct tcp_opts mss_only = {.flags = TCP_OPTS_MSS, .mss = 1460};

static void gone(struct kit *k, struct kit_peer *p)
{
	assert_int_equal(kit_usage(k).time_wait, 0);
	send_seg(p, .flags = ACK, .seq = 2, .ack = 2);
	expect(p, .flags = RST, .seq = 2);
}

static void CLS_13_what_is_answered_and_what_restarts(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = waiting(k, false), *q;
	uint64_t start = k->now;

	kit_advance_to(k, start + 10 * SEC);
	send_seg(p, .flags = ACK, .seq = 2, .ack = 2);
	kit_quiet(k);
	send_seg(p, .flags = ACK, .seq = 3, .ack = 2);
	expect(p, .flags = ACK, .seq = 2, .ack = 2);
	send_seg(p, .flags = ACK, .seq = 3, .ack = 2); /* throttled */
	kit_quiet(k);
	kit_advance(k, SEC);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 2, .len = 1); /* old data */
	expect(p, .flags = ACK, .seq = 2, .ack = 2);
	kit_advance(k, SEC);
	send_seg(p, .flags = FIN | ACK, .seq = 2 - 100, .ack = 2, .len = 10); /* not that FIN */
	expect(p, .flags = ACK, .seq = 2, .ack = 2);
	kit_advance_to(k, start + 60 * SEC - 10 * MS);
	assert_int_equal(kit_usage(k).time_wait, 1);
	kit_advance_to(k, start + 60 * SEC + 10 * MS);
	gone(k, p);

	q = waiting(k, false);
	start = k->now;
	kit_advance_to(k, start + 50 * SEC);
	send_seg(q, .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(q, .flags = ACK, .seq = 2, .ack = 2);
	kit_advance_to(k, start + 110 * SEC - 10 * MS);
	assert_int_equal(kit_usage(k).time_wait, 1);
	kit_advance_to(k, start + 110 * SEC + 10 * MS);
	gone(k, q);
}

/* The FIN's second copy has a later timestamp; the ACK echoes that one. Older segments are PAWS's. */
static void timestamps_in_time_wait(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = waiting(k, true);
	uint32_t first = p->ts_base + ms_of(k->now);
	struct seg g;

	kit_advance(k, 10 * SEC);
	g = (send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 2),
	     expect(p, .flags = ACK, .seq = 2, .ack = 2));
	assert_int_equal(g.opts.tsecr, first + 10000);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 2, .no_ts = true);
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_RX_NO_TS), 1);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 2, .tsval = first);
	g = expect(p, .flags = ACK, .seq = 2, .ack = 2);
	assert_int_equal(g.opts.tsecr, first + 10000);
	assert_int_equal(kit_ctr(k, CTR_RX_PAWS), 1);
	/* A RST is not checked, and leaves no timestamp behind. */
	send_seg(p, .flags = RST, .seq = 2, .tsval = first + (1u << 30));
	kit_quiet(k);
	p->isn -= 5000;
	kit_advance(k, MS);
	kit_syn(p);
	kit_synack(p);
}

static void CLS_14_resets(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = waiting(k, false);
	uint64_t start = k->now;

	for (uint32_t seq = 1; seq < 4; seq++) {
		send_seg(p, .flags = RST, .seq = seq);
		send_seg(p, .flags = RST | ACK, .seq = seq, .ack = 2);
		kit_quiet(k);
	}
	kit_advance_to(k, start + 59 * SEC);
	assert_int_equal(kit_usage(k).time_wait, 1);
	kit_advance_to(k, start + 61 * SEC);
	assert_int_equal(kit_usage(k).time_wait, 0);
}

/* A new SYN, seq above the old connection's numbers, is answered by a record: learnt from. */
static void reopen(struct kit_peer *p, uint32_t seq)
{
	uint32_t old = p->iss + 2;

	p->isn += seq;
	kit_syn(p);
	kit_synack(p);
	assert_true(seq_gt(p->iss, old));
}

static void CLS_15_reset_brings_it_back(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = waiting(k, false);
	uint64_t start = k->now;

	for (uint32_t seq = 2; seq > 0; seq--) {
		kit_advance(k, SEC);
		send_seg(p, .flags = SYN, .seq = seq, .opts = mss_only);
		expect(p, .flags = ACK, .seq = 2, .ack = 2);
		send_seg(p, .flags = SYN, .seq = seq, .opts = mss_only); /* throttled */
		kit_quiet(k);
	}
	kit_advance_to(k, start + 30 * SEC);
	reopen(p, 3);
	assert_int_equal(kit_usage(k).half_open, 1);
	assert_int_equal(kit_usage(k).time_wait, 1);
	send_seg(p, .flags = RST, .seq = 1);
	assert_int_equal(kit_usage(k).half_open, 0);
	/* The entry answers again, with its own numbers, and ends when it would have. */
	p->isn -= 3;
	send_seg(p, .flags = RST, .seq = 2);
	kit_quiet(k);
	send_seg(p, .flags = SYN, .seq = 1, .opts = mss_only);
	assert_int_equal(kit_take(p).ack, 2);
	assert_int_equal(p->app.opens, 1);
	kit_advance_to(k, start + 60 * SEC - 10 * MS);
	assert_int_equal(kit_usage(k).time_wait, 1);
	kit_advance_to(k, start + 60 * SEC + 10 * MS);
	assert_int_equal(kit_usage(k).time_wait, 0);
	assert_int_equal(kit_ctr(k, CTR_TIME_WAIT_REUSED), 0);
}

static void CLS_15_accepted_also_in_a_flood(void **s)
{
	static const enum tcp_cookies modes[] = {TCP_COOKIES_AUTO, TCP_COOKIES_ALWAYS};

	for (unsigned int i = 0; i < ARRAY_SIZE(modes); i++) {
		struct kit *k = i ? kit_new() : *s;
		struct kit_peer *p, *q;
		uint64_t cookies;

		p = waiting(k, false);
		k->listeners[0].tcp.syn_cookies = modes[i];
		for (unsigned int j = 0; j < 30; j++) {
			q = kit_peer(k);
			kit_syn(q);
		}
		kit_drain(k);
		cookies = kit_ctr(k, CTR_COOKIES_SENT);
		assert_in_range(cookies, 16, 30);
		reopen(p, 3);
		assert_int_equal(kit_ctr(k, CTR_COOKIES_SENT), cookies);
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
		assert_int_equal(p->app.opens, 2);
		assert_int_equal(kit_usage(k).time_wait, 0);
		assert_int_equal(kit_ctr(k, CTR_TIME_WAIT_REUSED), 1);
		if (i)
			kit_close(k);
	}
}

/* The entry's time runs on, and may end first; or the handshake is given up; or the cap is hit. */
static void handshake_and_entry_end_in_any_order(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p, *q;

	k->conf.max_time_wait = 1;
	p = waiting(k, false);
	kit_advance(k, 50 * SEC);
	reopen(p, 3);
	kit_advance(k, 10 * SEC + 10 * MS);
	kit_drain(k);
	assert_int_equal(kit_usage(k).time_wait, 0);
	assert_int_equal(kit_usage(k).half_open, 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.opens, 2);
	send_seg(p, .flags = RST, .seq = 1);

	close_first(p);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p, .flags = ACK, .seq = 2, .ack = 2);
	reopen(p, 3);
	kit_advance(k, 70 * SEC);
	kit_drain(k);
	assert_int_equal(kit_usage(k).half_open, 0);
	assert_int_equal(kit_usage(k).time_wait, 0);

	close_first(p);
	reopen(p, 3);
	q = kit_peer(k);
	close_first(q); /* at the cap: p's entry goes, its handshake stays */
	assert_int_equal(kit_usage(k).time_wait, 1);
	assert_int_equal(kit_usage(k).half_open, 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 5);
	assert_int_equal(p->app.rx, 5);
}

static void CLS_16_twelve_cases(void **s)
{
	enum { LATER, SAME, EARLIER, NONE };
	static const struct {
		bool old_ts;
		int ts;
		bool above, accept;
	} cases[] = {
		{true, LATER, true, true},    {true, LATER, false, true},
		{true, SAME, true, true},     {true, SAME, false, false},
		{true, EARLIER, true, false}, {true, EARLIER, false, false},
		{true, NONE, true, true},     {true, NONE, false, false},
		{false, LATER, true, true},   {false, LATER, false, true},
		{false, NONE, true, true},    {false, NONE, false, false},
	};
	struct kit *k = *s;

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct kit_peer *p = waiting(k, cases[i].old_ts);
		uint32_t last = p->ts_base + ms_of(k->now), seq = cases[i].above ? 3 : 2;
		struct tcp_opts o = mss_only;
		struct seg g;

		if (cases[i].ts != NONE)
			o.flags |= TCP_OPTS_TS;
		o.tsval = cases[i].ts == LATER ? last + 1 : cases[i].ts == SAME ? last : last - 1;
		send_seg(p, .flags = SYN, .seq = seq, .opts = o);
		g = kit_take(p);
		if (cases[i].accept) {
			assert_int_equal(g.flags, SYN | ACK);
			assert_int_equal(g.ack, seq + 1);
			assert_true(seq_gt(g.seq, 2));
		} else {
			assert_int_equal(g.flags, ACK);
			assert_int_equal(g.seq, 2);
			assert_int_equal(g.ack, 2);
			send_seg(p, .flags = SYN, .seq = seq, .opts = o);
			kit_quiet(k); /* throttled */
		}
		kit_advance(k, 10 * MS);
	}
}

static void BLD_02_syn_ack_in_time_wait(void **s)
{
	static const uint32_t at[] = {2, 102, 0x40000000};
	struct kit *k = *s;
	struct kit_peer *p = waiting(k, false);

	for (unsigned int i = 0; i < ARRAY_SIZE(at); i++) {
		kit_advance(k, SEC);
		send_seg(p, .flags = SYN | ACK, .seq = at[i], .ack = 2);
		expect(p, .flags = ACK, .seq = 2, .ack = 2);
		send_seg(p, .flags = SYN | ACK, .seq = at[i], .ack = 2);
		kit_quiet(k);
	}
	assert_int_equal(kit_usage(k).time_wait, 1);
}

/* Cap 1000 and 2000 closes in a second, a hundredth of the row's numbers. */
static void DOS_08_oldest_recycled_at_the_cap(void **s)
{
	struct kit *k = *s;
	const uint16_t port = 10000;
	struct kit_peer *p, *q;

	k->conf.max_time_wait = 1000;
	p = kit_peer(k);
	for (unsigned int i = 0; i < 2000; i++) {
		p->port = (uint16_t)(port + i);
		close_first(p);
		assert_int_equal(p->app.opens, i + 1);
		assert_int_equal(kit_usage(k).time_wait, min_of(i + 1, 1000u));
		kit_advance(k, 500);
	}
	assert_int_equal(kit_ctr(k, CTR_TIME_WAIT_RECYCLED), 1000);
	assert_int_equal(kit_ctr(k, CTR_TIME_WAIT_ENTERED), 2000);
	/* An entry that is there applies the rules for its SYN; one that was recycled is no more. */
	q = p;
	send_seg(q, .flags = SYN, .seq = 2, .opts = mss_only);
	expect(q, .flags = ACK, .seq = 2, .ack = 2);
	reopen(q, 3);
	send_seg(q, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(q->app.opens, 2001);
	send_seg(q, .flags = RST, .seq = 1);
	q->port = port;
	kit_syn(q);
	kit_synack(q);
	send_seg(q, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(q->app.opens, 2002);
	assert_int_equal(kit_ctr(k, CTR_TIME_WAIT_REUSED), 1);
}

/*
 * New keys, one after the other: whatever they bring, a reused tuple's number goes up. What other
 * keys hold together stays: a connection is found, and its timestamps go on.
 */
static void ISN_04_rekey_and_reuse(void **s)
{
	struct kit *k = *s;
	struct kit_peer *live = kit_est(k), *p = waiting(k, false);
	uint32_t tsval = live->ts_recent;
	unsigned int jumps = 0;
	uint8_t secret[64];

	for (unsigned int i = 0; i < 64; i++) {
		uint32_t old = p->iss;

		for (unsigned int j = 0; j < sizeof(secret); j++)
			secret[j] = kit_pattern(64 * i + j);
		engine_rekey(k->e, secret);
		reopen(p, 3);
		/* By more than the clock and what is added: the key is another. */
		jumps += p->iss - old > 1000000;
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
		send_seg(p, .flags = RST, .seq = 1);
		close_first(p);
	}
	assert_true(jumps > 10);
	kit_advance(k, 10 * MS);
	kit_app_send(live, 1);
	assert_int_equal(expect(live, .flags = ACK, .seq = 1, .ack = 1, .len = 1).opts.tsval,
			 tsval + 10);
}

#define PORTS 60000

/* What the table keeps of the tuple of p with that port; and the port. */
static uint64_t mark(const struct kit_peer *p, uint32_t port)
{
	const struct tcp *t = engine_tcp(p->k->e);
	struct flow_tuple tuple = {.remote_port = be16((uint16_t)port), .local_port = be16(p->dport)};
	uint64_t hash;

	memcpy(tuple.remote, p->addr, 16);
	hash = flow_hash(&t->flow_key, &tuple);
	return (uint64_t)flow_table_bucket(&t->table, hash) << 48 | (uint64_t)flow_table_more(&t->table, hash) << 8 |
	       (uint64_t)flow_table_tag(hash) << 16 | port;
}

static int by_mark(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Two tuples of which the table keeps the same: who looks for the second meets the first one's entry. */
static void each_replaces_its_own(void **s)
{
	static uint64_t marks[PORTS];
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k), *q = kit_peer(k);
	unsigned int i = 0;

	for (uint32_t port = 0; port < PORTS; port++)
		marks[port] = mark(p, port + 1);
	qsort(marks, PORTS, sizeof(marks[0]), by_mark);
	while (i < PORTS - 2 && marks[i] >> 16 != marks[i + 1] >> 16)
		i++;
	assert_int_equal(marks[i] >> 16, marks[i + 1] >> 16);
	p->port = (uint16_t)marks[i];
	q->port = (uint16_t)marks[i + 1];
	close_first(p);
	close_first(q);
	for (unsigned int n = 1; n <= 2; n++) {
		struct kit_peer *r = n == 1 ? q : p, *other = n == 1 ? p : q;

		reopen(r, 3);
		send_seg(r, .flags = ACK, .seq = 1, .ack = 1);
		assert_int_equal(kit_ctr(k, CTR_TIME_WAIT_REUSED), n);
		assert_int_equal(kit_usage(k).time_wait, 2 - n);
		send_seg(other, .flags = ACK | FIN, .seq = n == 1 ? 1 : 2, .ack = n == 1 ? 2 : 1);
		kit_drain(k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(CLS_13_what_is_answered_and_what_restarts),
		KIT_TEST(timestamps_in_time_wait),
		KIT_TEST(CLS_14_resets),
		KIT_TEST(CLS_15_reset_brings_it_back),
		KIT_TEST(CLS_15_accepted_also_in_a_flood),
		KIT_TEST(handshake_and_entry_end_in_any_order),
		KIT_TEST(CLS_16_twelve_cases),
		KIT_TEST(BLD_02_syn_ack_in_time_wait),
		KIT_TEST(DOS_08_oldest_recycled_at_the_cap),
		KIT_TEST(ISN_04_rekey_and_reuse),
		KIT_TEST(each_replaces_its_own),
	};

	return KIT_RUN("time_wait", tests);
}
