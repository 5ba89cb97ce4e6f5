/*
 * Lossy transfers to a receiver that keeps its own account, octet by octet: windows that close in the
 * middle, ACKs inside of segments, and what may leave at all.
 */
#include "inside.h"

#define RTT (40 * MS)

/* ---- WND-14 ---- */

static bool the_first(struct model *m, uint32_t segment)
{
	return segment == m->f->una && m->copies[segment] == 1 && segment > 0 && segment % 10 == 0;
}

/* Segments 1 to 50 of 100 arrive: behind the first one's copy new data goes, far beyond cwnd. */
static void WND_14_beyond_una_and_cwnd(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_open(k, OFFER_ALL, RTT);
	struct tcp_conn *c = NULL;
	uint32_t again = 0, fresh = 0;

	kit_app_send(f.p, 10 * f.mss);
	assert_int_equal(flow_new(&f), 10);
	kit_advance(k, RTT);
	inside(&f, &c)->cc.cwnd = 100 * f.mss;
	flow_ack(&f, 10);
	f.p->win = 2000; /* of 128 octets */
	send_seg(f.p, .flags = ACK, .seq = 1, .ack = at(&f, 10));
	kit_app_send(f.p, 300 * f.mss);
	if (inside(&f, &c)->cc.cwnd < 100 * f.mss)
		inside(&f, &c)->cc.cwnd = 100 * f.mss;
	for (int i = 0; i < 5; i++) {
		flow_new(&f);
		kit_advance(k, MS);
	}
	assert_in_range(f.sent, 110, 120);
	kit_advance(k, RTT - 10 * MS);
	for (uint32_t n = 12; n <= 61; n++) {
		uint32_t old;

		flow_sack(&f, 10, 11, n);
		fresh += flow_any(&f, &old) - old;
		again += old;
		assert_true(inside(&f, &c)->cc.cwnd <= 120 * f.mss);
		assert_true(tcp_pipe(c, inside(&f, &c)) <= inside(&f, &c)->cc.cwnd + f.mss);
	}
	assert_int_equal(again, 1);
	assert_true(fresh > 5);
	assert_int_equal(inside(&f, &c)->snd_una - f.p->iss, at(&f, 10));
	assert_true(f.sent - f.una > inside(&f, &c)->cc.cwnd / f.mss);
}

/* New data, as it leaves: inside the window, and not before there was room. */
static bool watch(struct model *m, uint32_t segment)
{
	struct flow *f = m->f;
	struct tcp_conn *c = NULL;
	struct tcp_work *w = inside(f, &c);

	if (m->copies[segment] == 1) {
		assert_true(at(f, segment + 1) <= at(f, f->una) + (f->p->win << f->p->ws));
		if (w && !w->tlp_out && !w->frto)
			assert_true(tcp_pipe(c, w) <= w->cc.cwnd + f->mss);
	}
	return the_first(m, segment) || (segment % 17 == 3 && m->copies[segment] == 1);
}

static void WND_14_over_a_trace(void **s)
{
	static const char *const names[] = {"newreno", "cubic"};
	static struct model m;

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		for (uint16_t win = 10; win < 700; win = (uint16_t)(win * 4)) {
			struct kit *k = kit_new();
			struct flow f;

			use_cc(k, names[i]);
			f = flow_open(k, OFFER_ALL, RTT);
			f.p->win = (uint16_t)(win * 1448 / 128 + 1);
			m = (struct model){.f = &f, .lost = watch};
			flow_ack(&f, 0);
			kit_app_send(f.p, 600 * f.mss);
			for (int j = 0; m.cum < 600 && j < 5000; j++) {
				if (!model_step(&m))
					kit_advance(k, 10 * MS);
				model_take(&m);
			}
			assert_int_equal(m.cum, 600);
			kit_close(k);
		}
}

/* ---- a receiver of octets ---- */

#define TOTAL (120 * 1448)
#define WINDOW (20 * 1448)

struct far {
	struct flow f;
	struct {
		uint64_t at;
		uint32_t seq, len;
	} queue[4096];
	uint32_t head, tail, cum, edge, sent, acks;
	uint8_t have[TOTAL + 1];
	bool frozen; /* nothing is read: the edge stays */
};

static void far_take(struct far *r)
{
	while (kit_has(r->f.k)) {
		struct seg g = kit_take(r->f.p);

		if (!g.len || r->sent++ % 7 == 3)
			continue;
		assert_true(r->tail < ARRAY_SIZE(r->queue));
		r->queue[r->tail].at = g.at + RTT;
		r->queue[r->tail].seq = g.seq - 1;
		r->queue[r->tail++].len = g.len;
	}
}

static void far_ack(struct far *r, uint32_t seq, uint32_t len)
{
	struct seg s = {.flags = ACK, .seq = 1};

	if (seq + len <= r->edge)
		memset(r->have + seq, 1, len);
	while (r->have[r->cum])
		r->cum++;
	if (!r->frozen)
		r->edge = max_of(r->edge, r->cum + WINDOW);
	s.ack = 1 + r->cum;
	if (seq > r->cum && r->have[seq]) {
		s.opts.sack_n = 1;
		s.sack[0] = (struct tcp_sack_block){1 + seq, 1 + seq + len};
	}
	r->f.p->win = (uint16_t)(r->edge - r->cum);
	r->acks++;
	kit_send_seg(r->f.p, &s);
}

/* Of the timers at most one is ever set, being one field: here, that it is the right one. */
static void right_timer(struct far *r)
{
	struct tcp_conn *c = NULL;
	struct tcp_work *w = inside(&r->f, &c);

	if (!w)
		return;
	if (w->snd_una != c->snd_nxt)
		assert_in_range(w->timer, TCP_TIMER_RTO, TCP_TIMER_REO);
	else if (w->snd_end != c->snd_nxt && !w->snd_wnd)
		assert_int_equal(w->timer, TCP_TIMER_PERSIST);
	else if (w->snd_end != c->snd_nxt && !w->burst_wait)
		assert_in_range(w->timer, TCP_TIMER_PERSIST, TCP_TIMER_OVERRIDE);
}

static void close_at(struct far *r, uint32_t point)
{
	struct kit *k = kit_new();
	uint64_t closed = 0;

	memset(r, 0, sizeof(*r));
	r->edge = WINDOW;
	r->f = (struct flow){.k = k, .p = kit_peer(k), .mss = 1448};
	r->f.p->offer = OFFER_ALL;
	r->f.p->ws = 0;
	r->f.p->win = WINDOW;
	kit_syn(r->f.p);
	kit_synack(r->f.p);
	kit_advance(k, RTT);
	send_seg(r->f.p, .flags = ACK, .seq = 1, .ack = 1);
	kit_app_send(r->f.p, TOTAL);
	for (int i = 0; r->cum < TOTAL; i++) {
		assert_true(i < 50000);
		far_take(r);
		right_timer(r);
		if (r->acks == point && !closed) {
			r->frozen = true;
			closed = k->now;
		}
		if (r->frozen && k->now > closed + 20 * SEC) {
			assert_int_equal(r->cum, r->edge);
			r->frozen = false; /* and the segment that says so is lost */
		}
		if (r->head == r->tail) {
			kit_advance(k, 10 * MS);
			continue;
		}
		kit_advance_to(k, max_of(k->now, r->queue[r->head].at));
		r->head++;
		far_ack(r, r->queue[r->head - 1].seq, r->queue[r->head - 1].len);
	}
	assert_true(closed && !r->frozen);
	assert_int_equal(r->f.p->app.closes, 0);
	kit_close(k);
}

static void T_09_closed_at_each_of_50_points(void **s)
{
	struct far *r = malloc(sizeof(*r));

	for (uint32_t point = 1; point <= 50; point++)
		close_at(r, point);
	free(r);
}

/* Taken back with data in flight, the window is no reason to probe: what is in flight may be lost. */
static void T_09_shut_over_a_flight(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_open(k, OFFER_ALL, RTT);
	struct tcp_conn *c = NULL;

	kit_app_send(f.p, 30 * f.mss);
	assert_int_equal(flow_new(&f), 10);
	kit_advance(k, RTT);
	f.p->win = 0;
	flow_ack(&f, 2);
	assert_in_range(inside(&f, &c)->timer, TCP_TIMER_RTO, TCP_TIMER_REO);
	flow_ack(&f, 10);
	assert_int_equal(inside(&f, &c)->timer, TCP_TIMER_PERSIST);
	f.p->win = 65535;
	flow_ack(&f, 10);
	assert_in_range(inside(&f, &c)->timer, TCP_TIMER_RTO, TCP_TIMER_REO);
	assert_true(flow_new(&f) >= 10);
}

/* ACKs that keep the window closed come all the time: the probe comes when it is due. */
static void T_09_a_probe_is_not_put_off(void **s)
{
	struct kit *k = *s;
	struct flow f = flow_open(k, OFFER_ALL, RTT);
	unsigned int waits = 0;

	kit_app_send(f.p, 30 * f.mss);
	assert_int_equal(flow_new(&f), 10);
	kit_advance(k, RTT);
	f.p->win = 0;
	flow_ack(&f, 10);
	for (; !kit_has(k); waits++) {
		assert_true(waits < 60);
		kit_advance(k, 10 * MS);
		if (!kit_has(k))
			flow_ack(&f, 10);
	}
	assert_true(waits > 10);
	assert_int_equal(kit_take(f.p).seq, at(&f, 10));
}

/*
 * What is echoed lies in the mbufs it came in, which are overwritten once they are free. Each octet at an
 * odd place is acknowledged, and every fifth segment is lost: what is sent again begins inside of mbufs.
 */
static void odd_octets(struct kit *k)
{
	enum { N = 30000 };
	struct kit_peer *p = kit_est(k);
	uint8_t *have = calloc(N + 1, 1);
	uint32_t una = 0, cum = 0, n = 0, odd = 0;

	k->unchecked = true;
	kit_poison = true;
	p->app.echo = true;
	kit_burst_begin(k);
	for (uint32_t i = 0; i < N; i += 1000)
		send_seg(p, .flags = ACK, .seq = 1 + i, .ack = 1, .len = 1000);
	kit_burst_end(k);
	for (int i = 0; una < N; i++) {
		assert_true(i < 100000);
		while (kit_has(k)) {
			struct seg g = kit_take(p); /* its octets are looked at */

			if (!g.len || n++ % 5 == 2)
				continue;
			memset(have + g.seq - 1, 1, g.len);
			odd += g.seq % 2 == 0;
		}
		while (have[cum])
			cum++;
		if (una == cum) {
			kit_advance(k, 10 * MS);
			continue;
		}
		una = min_of((una + 2) | 1, cum);
		send_seg(p, .flags = ACK, .seq = 1 + N, .ack = 1 + una);
		if (una % 700 == 1)
			kit_advance(k, 500 * MS); /* a timeout, here */
	}
	assert_true(odd > 10);
	assert_true(kit_ctr(k, CTR_TX_RETRANSMITS) > 10);
	kit_poison = false;
	free(have);
}

static void T_23_every_odd_octet(void **s)
{
	odd_octets(*s);
}

/* What the port was to cut is lost in parts and acknowledged in parts. */
static void T_23_every_odd_octet_tso(void **s)
{
	struct kit *k = *s;

	k->cap[0].flags |= PKT_TX_TSO | PKT_TX_TCP_CSUM;
	k->cap[0].tso_mbufs = 64;
	odd_octets(k);
	assert_true(kit_ctr(k, CTR_TX_TSO) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(WND_14_beyond_una_and_cwnd),
		KIT_TEST(WND_14_over_a_trace),
		KIT_TEST(T_09_closed_at_each_of_50_points),
		KIT_TEST(T_09_shut_over_a_flight),
		KIT_TEST(T_09_a_probe_is_not_put_off),
		KIT_TEST(T_23_every_odd_octet),
		KIT_TEST(T_23_every_odd_octet_tso),
	};

	return KIT_RUN("lossy", tests);
}
