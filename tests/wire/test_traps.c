/*
 * Traps that stacks have fallen into: callbacks that end the connection they are called for, FIN behind a
 * closed window, windows that shrink, floods of segments that belong to nothing.
 * Rows: DOS-15 T-07 T-08 T-31 WND-04 WND-05 WND-17.
 */
#include "kit.h"
#include "tcp/tcp.h"

/* ---- T-31 ---- */

enum { ON_DATA, ON_EOF, ON_CLOSE, ON_TIMER, EVENTS };
enum { ABORT, CLOSE, RELISTEN, ACTIONS };

static struct {
	struct kit *k;
	struct listener l[2];
	unsigned int event, action, opens, closes, acted, version_at;
	int version;
	uint64_t last_id;
} script;

static void act(struct pier_conn *c, unsigned int event)
{
	if (event != script.event)
		return;
	script.acted++;
	if (script.action == ABORT)
		pier_abort(c);
	if (script.action == CLOSE)
		pier_close(c);
	if (script.action == RELISTEN) {
		script.version_at ^= 1;
		script.version = engine_relisten(script.k->e, script.version,
						 &script.l[script.version_at]);
		assert_true(script.version >= 0);
	}
}

static void on_open(struct pier_conn *c)
{
	script.opens++;
	script.last_id = c->id;
	pier_set_timer(c, 10 * MS);
}

static size_t on_data(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	size_t sum = 0;

	for (unsigned int i = 0; i < n; i++)
		sum += s[i].len;
	pier_send_slices(c, s, n);
	act(c, ON_DATA);
	return sum;
}

static void on_eof(struct pier_conn *c)
{
	act(c, ON_EOF);
}

static void on_close(struct pier_conn *c, enum pier_close_reason why)
{
	script.closes++;
	act(c, ON_CLOSE);
}

static void on_timer(struct pier_conn *c)
{
	act(c, ON_TIMER);
}

static const struct pier_handler acting = {
	.abi = PIER_HANDLER_ABI,
	.size = sizeof(struct pier_handler),
	.name = "acting",
	.ctx_size = 200,
	.open = on_open,
	.data = on_data,
	.eof = on_eof,
	.close = on_close,
	.timer = on_timer,
};

static void hello(struct kit_peer *p)
{
	p->iss_known = false;
	kit_drain(p->k);
	kit_syn(p);
	kit_synack(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_drain(p->k);
}

/* Data, FIN and RST as named, all in one burst, in which the timer is due too. */
static void one_burst(struct kit *k, const char *what)
{
	struct kit_peer *p = kit_peer(k);
	unsigned int opens = script.opens;
	bool data = false, fin = false;

	p->dport = 81;
	hello(p);
	assert_int_equal(script.opens, opens + 1);
	k->now += 11 * MS; /* no turn before the burst */
	kit_burst_begin(k);
	for (; *what; what++) {
		data |= *what == 'D';
		fin |= *what == 'F';
		if (*what == 'D')
			send_seg(p, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 10);
		else if (*what == 'F')
			send_seg(p, .flags = FIN | ACK, .seq = 11, .ack = 1);
		else
			send_seg(p, .flags = RST, .seq = data ? 11 + fin : 1);
	}
	kit_burst_end(k);
	kit_drain(k);
	/* The tuple again, while what was of the old one may still be in the wheel. */
	p->isn += 100000;
	kit_advance(k, 600 * MS);
	send_seg(p, .flags = RST, .seq = 1u - 100000);
	send_seg(p, .flags = RST, .seq = 11u - 100000);
	send_seg(p, .flags = RST, .seq = 12u - 100000);
	hello(p);
	send_seg(p, .flags = RST, .seq = 1);
	kit_advance(k, 100 * SEC);
	kit_drain(k);
	assert_int_equal(script.opens, script.closes);
}

static void T_31_callbacks_end_it_all(void **s)
{
	static const char *const bursts[] = {"", "D", "F", "R", "DF", "FD", "DR", "RD", "FR", "RF",
					     "DFR", "DRF", "FDR", "FRD", "RDF", "RFD"};
	struct kit *k = *s;

	kit_start(k);
	memset(&script, 0, sizeof(script));
	script.k = k;
	for (int i = 0; i < 2; i++) {
		script.l[i] = (struct listener){.handler = &acting, .settings = k, .tcp = k->tcp,
						.local = LISTENER_ANY, .port_lo = 81, .port_hi = 81};
		listener_prepare(&script.l[i]);
	}
	script.version = engine_listen(k->e, &script.l[0]);
	for (unsigned int event = 0; event < EVENTS; event++)
		for (script.action = 0; script.action < ACTIONS; script.action++) {
			script.event = event;
			script.acted = 0;
			for (unsigned int i = 0; i < ARRAY_SIZE(bursts); i++)
				one_burst(k, bursts[i]);
			assert_true(script.acted > 1);
		}
	engine_unlisten(k->e, script.version);
}

/* The timer and data, without what ends the connection: then the timer's callback does run. */
static void T_31_timer_and_data(void **s)
{
	struct kit *k = *s;

	kit_start(k);
	memset(&script, 0, sizeof(script));
	script.k = k;
	script.event = ON_TIMER;
	for (int i = 0; i < 2; i++) {
		script.l[i] = (struct listener){.handler = &acting, .settings = k, .tcp = k->tcp,
						.local = LISTENER_ANY, .port_lo = 81, .port_hi = 81};
		listener_prepare(&script.l[i]);
	}
	script.version = engine_listen(k->e, &script.l[0]);
	for (script.action = 0; script.action < ACTIONS; script.action++) {
		struct kit_peer *p = kit_peer(k);

		p->dport = 81;
		hello(p);
		script.acted = 0;
		k->now += 11 * MS;
		send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 10);
		kit_drain(k);
		assert_int_equal(script.acted, 1);
		p->isn += 100000;
		kit_advance(k, 300 * SEC);
		kit_drain(k);
		send_seg(p, .flags = RST, .seq = 12 - 100000);
	}
	engine_unlisten(k->e, script.version);
}

/* ---- FIN ---- */

/* Both the FIN alone and the FIN behind an octet, behind a closed window. */
static void T_08_fin_behind_a_closed_window(void **s)
{
	struct kit *k = *s;

	for (uint32_t unsent = 0; unsent < 2; unsent++) {
		struct kit_peer *p = kit_plain(k);
		uint64_t gap = 0, last = 0;
		uint32_t una = 1;

		p->win = 0;
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
		if (unsent)
			kit_app_send(p, 1);
		kit_app_close(p);
		kit_quiet(k);
		for (int i = 0; i < 6; i++) {
			struct seg g;
			uint64_t start = k->now;

			while (!kit_has(k)) {
				kit_advance(k, MS);
				assert_true(k->now < start + 60 * SEC);
			}
			g = expect(p, .flags = unsent ? ACK : FIN | ACK, .seq = 1, .ack = 1,
				   .len = unsent);
			kit_quiet(k);
			if (last && gap)
				assert_in_range(g.at - last, 2 * gap - 5 * MS, 2 * gap + 5 * MS);
			gap = last ? g.at - last : 0;
			last = g.at;
			send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
		}
		p->win = 1000;
		send_seg(p, .flags = ACK, .seq = 1, .ack = una);
		kit_advance(k, 2 * gap + 10 * MS);
		una = 1 + unsent + 1;
		assert_true(kit_take(p).flags & FIN);
		send_seg(p, .flags = ACK, .seq = 1, .ack = una);
		kit_drain(k);
		send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = una);
		expect(p, .flags = ACK, .seq = una, .ack = 2);
	}
	assert_int_equal(kit_usage(k).time_wait, 2);
}

/* FIN and the last data lost; the data alone is acknowledged: the FIN comes alone, at its place. */
static void T_07_fin_is_no_data(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	p->app.half_open_on_eof = true;
	kit_app_send(p, 1000);
	kit_app_close(p);
	kit_drain(k); /* lost, however it was cut */
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1001);
	kit_advance(k, 3 * SEC);
	expect(p, .flags = FIN | ACK, .seq = 1001, .ack = 1);
	while (kit_has(k))
		expect(p, .flags = FIN | ACK, .seq = 1001, .ack = 1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1002);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 1002);
	expect(p, .flags = ACK, .seq = 1002, .ack = 2);
	kit_quiet(k);
	assert_int_equal(kit_usage(k).block_bytes, 0);
	assert_int_equal(kit_usage(k).time_wait, 1);
}

/* ---- windows that shrink ---- */

static struct kit_peer *shrunk(struct kit *k, uint16_t win, uint32_t *end)
{
	struct kit_peer *p = kit_plain(k);

	kit_app_send(p, 20000);
	for (*end = 1; kit_has(k); )
		*end += kit_take(p).len;
	assert_true(*end > 10000);
	p->win = win;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_quiet(k);
	return p;
}

static void beyond_the_edge_once(struct kit *k, uint16_t win)
{
	uint32_t end, times[32] = {0}, n = 0;
	struct kit_peer *p = shrunk(k, win, &end);

	kit_advance(k, 60 * SEC);
	while (kit_has(k)) {
		struct seg g = kit_take(p);

		n++;
		assert_true(g.seq + g.len <= end);
		for (uint32_t at = g.seq; at < g.seq + g.len; at += 500)
			if (at > win && at / 500 < 32)
				assert_true(++times[at / 500] <= 2);
		if (n > 1) /* a tail loss probe or the first timeout may go further, once */
			assert_true(g.seq == 1 && g.len <= win);
	}
	assert_true(n > 5);
	send_seg(p, .flags = RST, .seq = 1);
}

/* The second is smaller than what a black hole makes of segments. */
static void WND_04_beyond_the_edge_once(void **s)
{
	beyond_the_edge_once(*s, 1000);
	beyond_the_edge_once(*s, 300);
}

static void WND_05_answered_for_an_hour(void **s)
{
	struct kit *k = *s;
	uint32_t end;
	struct kit_peer *p = shrunk(k, 0, &end);
	uint64_t until = k->now + 3600 * SEC;
	unsigned int n = 0;

	while (k->now < until) {
		kit_advance(k, 500 * MS);
		for (; kit_has(k); n++) {
			kit_drain(k);
			send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
		}
	}
	assert_true(n > 50);
	assert_int_equal(p->app.closes, 0);
	p->win = 60000;
	send_seg(p, .flags = ACK, .seq = 1, .ack = end);
	assert_true(kit_has(k));
}

static void WND_17_acks_that_the_peer_takes(void **s)
{
	struct kit *k = *s;
	uint32_t end;
	struct kit_peer *p = shrunk(k, 1000, &end), *q;
	struct seg g;

	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	kit_advance(k, 50 * MS);
	g = kit_take(p);
	assert_int_equal(g.ack, 101);
	assert_int_equal(g.len, 0);
	assert_in_range(g.seq, 1, 1001);
	kit_advance(k, 30 * MS);
	kit_drain(k);
	/* Both probe closed windows: a probe's octet does not move SND.NXT. */
	k->tcp.rcvbuf = 4096;
	kit_listen(k, 82, LISTENER_ANY);
	q = kit_peer(k);
	q->dport = 82;
	q->app.take = 0;
	kit_open(q);
	for (uint32_t i = 0; i < 4; i++)
		send_seg(q, .flags = ACK, .seq = 1 + 1024 * i, .ack = 1, .len = 1024);
	q->win = 0;
	send_seg(q, .flags = ACK, .seq = 4097, .ack = 1);
	kit_app_send(q, 3000);
	kit_advance(k, 100 * MS);
	send_seg(p, .flags = RST, .seq = 101);
	kit_drain(k);
	for (int i = 0; i < 3; i++) {
		uint64_t start = k->now;

		while (!kit_has(k) && k->now < start + 10 * SEC)
			kit_advance(k, MS);
		expect(q, .flags = ACK, .seq = 1, .ack = 4097, .len = 1);
		send_seg(q, .flags = ACK, .seq = 4097, .ack = 1, .len = 1);
		assert_int_equal(expect(q, .flags = ACK, .seq = 1, .ack = 4097).win, 0);
		kit_quiet(k);
	}
	kit_app_read(q, UINT64_MAX);
	expect(q, .flags = ACK, .seq = 1, .ack = 4097);
	q->win = 4000;
	send_seg(q, .flags = ACK, .seq = 4097, .ack = 1);
	expect(q, .flags = ACK, .seq = 1, .ack = 4097, .len = 1460);
}

/* ---- floods of what belongs to nothing ---- */

/* 200 segments to closed ports each millisecond, and a transfer beside them. */
static void DOS_15_scan_beside_a_transfer(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k), *scan = kit_peer(k);
	uint32_t una = 1, rsts = 0;

	k->unchecked = true;
	kit_host(scan->server, KIT_SECOND_HOST);
	kit_app_send(p, 100000);
	for (uint32_t round = 0; round < 50; round++) {
		for (uint32_t i = 0; i < 200; i++) {
			uint32_t before = rsts;

			scan->dport = (uint16_t)(1024 + i);
			send_seg(scan, .flags = SYN, .seq = 0);
			while (kit_has(k)) {
				struct kit_frame *f = kit_frame_next(k);

				if (be16(kit_tcp(f->bytes)->dport) != scan->port) {
					struct seg g = kit_parse(p, f);

					if (g.seq == una)
						una += g.len;
					continue;
				}
				rsts++;
				assert_true(kit_tcp(f->bytes)->flags & RST);
				assert_true(f->len <= kit_l4() + 26 + 80);
			}
			assert_true(rsts - before <= 1);
		}
		send_seg(p, .flags = ACK, .seq = 1, .ack = una);
		kit_advance(k, MS);
	}
	assert_in_range(rsts, 1000, 1000 + 50);
	assert_int_equal(kit_ctr(k, CTR_TX_RST_RATE), 50 * 200 - rsts);
	assert_int_equal(kit_ctr(k, CTR_TX_RETRANSMITS), 0);
	assert_int_equal(una, 100001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(T_31_callbacks_end_it_all),
		KIT_TEST(T_31_timer_and_data),
		KIT_TEST(T_08_fin_behind_a_closed_window),
		KIT_TEST(T_07_fin_is_no_data),
		KIT_TEST(WND_04_beyond_the_edge_once),
		KIT_TEST(WND_05_answered_for_an_hour),
		KIT_TEST(WND_17_acks_that_the_peer_takes),
		KIT_TEST(DOS_15_scan_beside_a_transfer),
	};

	return KIT_RUN("traps", tests);
}
