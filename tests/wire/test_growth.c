/*
 * The congestion window as a peer sees it, with each algorithm: where it begins, what idleness and
 * timeouts leave of it, and that no option does without it. Rows: CC-01 CC-09 CC-12 RTX-02.
 */
#include "inside.h"

#define MSS 1460u
#define RTT (10 * MS)

/* All that waits, new data from end on; how many segments. */
static unsigned int take_new(struct kit_peer *p, uint32_t *end)
{
	unsigned int n = 0;

	for (; kit_has(p->k); n++) {
		struct seg g = kit_take(p);

		assert_int_equal(g.seq, *end);
		*end += g.len;
	}
	return n;
}

/* A megabyte is ready when the handshake ends; what comes before any ACK of it. */
static unsigned int first_flight(struct kit *k, uint16_t mss)
{
	struct kit_peer *p;
	uint32_t end = 1;
	unsigned int n;

	k->cap[0].mtu = kit_mtu(9000);
	p = kit_peer(k);
	p->mss = mss;
	p->win = 65535;
	p->app.statics = true;
	p->app.on_open = 1 << 20;
	kit_syn(p);
	kit_synack(p);
	kit_advance(k, RTT);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	n = take_new(p, &end);
	assert_int_equal(end, 1 + n * mss);
	kit_silence(k, 150 * MS);
	return n;
}

static void CC_01_initial_window(void **s)
{
	static const struct {
		uint16_t mss;
		unsigned int segments;
	} cases[] = {{1460, 10}, {8960, 2}, {536, 10}, {2190, 6}};

	for (uint32_t i = 0; cc_names[i]; i++) {
		for (unsigned int j = 0; j < ARRAY_SIZE(cases); j++) {
			struct kit *k = kit_new();

			k->tcp.congestion = i;
			assert_int_equal(first_flight(k, cases[j].mss), cases[j].segments);
			kit_close(k);
		}
	}
}

/* Acknowledge all up to end, a segment an ACK; what new data that releases. */
static unsigned int ack_all(struct kit_peer *p, uint32_t una, uint32_t *end)
{
	uint32_t to = *end;
	unsigned int n = 0;

	kit_advance(p->k, RTT);
	while (una != to) {
		una = min_of(una + MSS, to);
		send_seg(p, .flags = ACK, .seq = 1 + p->app.rx, .ack = una);
		n += take_new(p, end);
	}
	return n;
}

/* A connection whose window has grown to 160 segments, all acknowledged. */
static struct kit_peer *grown(struct kit *k, uint32_t congestion, uint32_t *end)
{
	uint32_t una = 1;
	struct kit_peer *p;

	k->tcp.congestion = congestion;
	k->tcp.burst = 1000;
	k->tcp.sndbuf = 4 * MIB;
	k->conf.block_bytes = 16 * MIB;
	p = kit_peer(k);
	p->offer = OFFER_WS;
	p->ws = 7;
	p->win = 65535;
	kit_open(p);
	kit_app_send(p, 150 * MSS);
	*end = 1;
	assert_int_equal(take_new(p, end), 10);
	for (unsigned int n = 20; n <= 80; n *= 2) {
		uint32_t from = una;

		una = *end;
		assert_int_equal(ack_all(p, from, end), n);
	}
	assert_int_equal(ack_all(p, una, end), 0);
	return p;
}

static void CC_12_idle(void **s)
{
	for (uint32_t i = 0; cc_names[i]; i++) {
		for (unsigned int idle = 0; idle < 2; idle++) {
			struct kit *k = kit_new();
			uint32_t end;
			struct kit_peer *p = grown(k, i, &end);

			kit_advance(k, idle ? 430 * MS : 100 * MS); /* the RTO is 210 to 215 ms */
			kit_app_send(p, 1 << 20);
			assert_int_equal(take_new(p, &end), idle ? 10 : 160);
			kit_close(k);
		}
	}
}

/* What the peer says meanwhile does not count, nor that it speaks just before. */
static void CC_12_idle_but_receiving(void **s)
{
	for (uint32_t i = 0; cc_names[i]; i++) {
		struct kit *k = kit_new();
		uint32_t end;
		struct kit_peer *p = grown(k, i, &end);

		for (uint32_t j = 0; j < 20; j++) {
			kit_advance(k, 100 * MS);
			send_seg(p, .flags = ACK, .seq = 1 + 10 * j, .ack = end, .len = 10);
			kit_advance(k, 50 * MS);
			kit_drain(k); /* its ACK */
		}
		p->app.on_data = 1 << 20;
		send_seg(p, .flags = ACK, .seq = 201, .ack = end, .len = 10);
		assert_int_equal(take_new(p, &end), 10);
		kit_close(k);
	}
}

/* The next time that something leaves, with how many segments; 0: nothing in three minutes. */
static uint64_t next_sending(struct kit_peer *p, unsigned int *n)
{
	uint64_t at = 0;

	for (int i = 0; i < 180 * 100 && !kit_has(p->k); i++)
		kit_advance(p->k, 10 * MS);
	for (*n = 0; kit_has(p->k); ++*n)
		at = kit_take(p).at;
	return at;
}

/*
 * Slow start from at most ten segments, one segment at each timeout, and timeouts that double. A
 * peer without SACK, so that no loss probe comes between.
 */
static void control_holds(struct kit *k)
{
	struct kit_peer *p = kit_peer(k);
	uint64_t at, last, wait = 0;
	unsigned int n, again = 0;
	uint32_t end = 1, una;

	p->win = 65535;
	kit_syn(p);
	kit_synack(p);
	kit_advance(k, RTT);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_app_send(p, 1 << 20);
	kit_advance(k, RTT); /* option burst: not all at once */
	assert_in_range(take_new(p, &end), 1, 10);
	una = end;
	last = k->now;
	send_seg(p, .flags = ACK, .seq = 1, .ack = una);
	kit_advance(k, 2 * RTT);
	assert_in_range(take_new(p, &end), 1, 20);
	while (again < 4 && (at = next_sending(p, &n)) != 0) {
		assert_int_equal(n, 1);
		if (again++)
			assert_true(at - last + 20 * MS >= min_of(2 * wait, 60 * SEC));
		wait = at - last;
		last = at;
	}
	if (again < 4)
		return; /* the option's user gives up before that */
	send_seg(p, .flags = ACK, .seq = 1, .ack = una + MSS);
	next_sending(p, &n);
	assert_in_range(n, 1, 2);
}

/* Set one option to its i-th value of interest; false: there are no more. */
static bool turn_knob(const struct option *o, struct tcp_options *to, unsigned int i)
{
	static const char *const words[] = {"no", "yes"}, *const times[] = {"1s", "10m", "inf"};
	char *at = (char *)to + o->offset, err[128];

	switch (o->type) {
	case OPTION_BOOL:
		return i < 2 && option_parse(o, to, words[i], err, sizeof(err));
	case OPTION_ENUM:
		return o->names[i] && option_parse(o, to, o->names[i], err, sizeof(err));
	case OPTION_U32:
		*(uint32_t *)at = (uint32_t)(i ? o->max : o->min);
		return i < 2;
	default:
		if (!o->max)
			return i < 3 && option_parse(o, to, times[i], err, sizeof(err));
		*(uint64_t *)at = i ? o->max : o->min;
		return i < 2;
	}
}

static void RTX_02_each_algorithm_and_every_knob(void **s)
{
	unsigned int runs = 0;

	for (size_t i = 0; i < tcp_option_table.n; i++) {
		const struct option *o = &tcp_option_table.options[i];
		struct kit *k;

		for (unsigned int j = 0;; j++) {
			k = kit_new();
			if (!turn_knob(o, &k->tcp, j))
				break;
			control_holds(k);
			kit_close(k);
			runs++;
		}
		kit_close(k);
	}
	assert_true(runs >= 2 * tcp_option_table.n);
}

/* A connection with abe on takes ECE at ten segments as a reduction to eight. */
static void test_abe_is_an_option(void **s)
{
	static const unsigned int after[] = {5, 8};

	for (unsigned int abe = 0; abe < 2; abe++) {
		struct kit *k = kit_new();
		struct kit_peer *p;
		uint32_t end = 1;

		kit_congestion(k, "newreno");
		k->tcp.abe = abe;
		p = kit_peer(k);
		p->offer = OFFER_ECN;
		kit_open(p);
		kit_app_send(p, 1 << 20);
		assert_int_equal(take_new(p, &end), 10);
		kit_advance(k, RTT);
		send_seg(p, .flags = ACK | ECE, .seq = 1, .ack = end);
		assert_int_equal(take_new(p, &end), after[abe]);
		kit_close(k);
	}
}

/*
 * Slow start ends with a part of the 20 segments in flight, in tenths, and then it turns out that nine of
 * them are lost. What a loss would leave at most, 0.7, has answered it; more has not. All of it is sent
 * again either way.
 */
static void CC_09_slow_start_that_overran_the_path(void **s)
{
	static const struct {
		uint32_t tenths;
		bool answered;
	} cases[] = {{6, true}, {7, true}, {8, false}};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct kit *k = kit_new();
		struct flow f = flow_of_20(k, OFFER_ALL, 40 * MS, 100);
		const uint32_t now = (uint32_t)k->now + 40 * MS, window = 2 * cases[i].tenths;
		struct tcp_conn *c = NULL;
		unsigned int again, sent;

		kit_advance(k, 40 * MS);
		/* A train of 40 ms that fills the path with four fifths of the window. */
		inside(&f, &c)->cc.hystart = (struct cc_hystart){
			.css_rounds = 5, .full = true, .begun = true, .round_end = c->snd_nxt,
			.path_min = 40 * MS, .ack_us = now, .train_us = now - 40 * MS,
			.train = window * f.mss * 4 / 5 - f.mss};
		flow_ack(&f, 11);
		kit_quiet(k);
		assert_int_equal(inside_cwnd(&f), window);
		flow_sack(&f, 11, 20, 30);
		sent = flow_any(&f, &again);
		assert_int_equal(kit_ctr(k, CTR_FAST_RECOVERIES), !cases[i].answered);
		assert_int_equal((inside(&f, &c)->cc.ssthresh + f.mss / 2) / f.mss,
				 cases[i].answered ? window : window * 7 / 10);
		if (cases[i].answered) {
			assert_int_equal(again, 9);
			assert_in_range(sent, window - 1, window);
		}
		for (uint32_t at = 12; at <= 20; at++) {
			kit_advance(k, 2 * MS);
			flow_ack(&f, at);
			again += flow_any(&f, &sent) ? sent : 0;
		}
		assert_true(again >= 9);
		kit_close(k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(CC_01_initial_window),
		cmocka_unit_test(CC_12_idle),
		cmocka_unit_test(CC_12_idle_but_receiving),
		cmocka_unit_test(RTX_02_each_algorithm_and_every_knob),
		cmocka_unit_test(test_abe_is_an_option),
		cmocka_unit_test(CC_09_slow_start_that_overran_the_path),
	};

	return KIT_RUN("growth", tests);
}
