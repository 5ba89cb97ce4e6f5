/*
 * Urgent data, both ways: a mark in the stream, never a gap in it.
 * Rows: URG-01..URG-05 SEQ-07 T-26.
 */
#include "kit.h"

static struct kit_peer *hears(struct kit *k)
{
	k->urgent = true;
	return kit_plain(k);
}

static void URG_01_pointer_to_the_octet_behind(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = hears(k);
	struct seg g;

	kit_app_send_urgent(p, 5);
	g = expect(p, .flags = ACK | PSH | URG, .seq = 1, .ack = 1, .len = 5);
	assert_int_equal(g.urg, 5);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 6);
	kit_app_send(p, 10);
	g = expect(p, .flags = ACK, .seq = 6, .ack = 1, .len = 10);
	assert_int_equal(g.urg, 0);
	p->app.take = 0;
	send_seg(p, .flags = ACK | URG, .seq = 1, .ack = 16, .len = 10, .urg = 3);
	assert_int_equal(p->app.urgents, 1);
	assert_int_equal(p->app.urgent_left, 3);
	kit_app_read(p, 2);
	assert_int_equal(kit_app_urgent_left(p), 1);
	kit_app_read(p, 1);
	assert_int_equal(kit_app_urgent_left(p), 0);
	kit_app_read(p, UINT64_MAX);
	assert_int_equal(p->app.rx, 10);
}

static void URG_02_of_any_length(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	uint32_t una = 1, end = 1 + 100000;

	k->tcp.sndbuf = 256 * KIB;
	p = hears(k);
	kit_app_send_urgent(p, 100000);
	kit_app_send(p, 5000);
	while (una < end + 5000) {
		assert_true(kit_has(k));
		while (kit_has(k)) {
			struct seg g = kit_take(p);

			assert_int_equal(g.seq, una);
			assert_int_equal(!!(g.flags & URG), una < end);
			assert_int_equal(g.urg, una < end ? min_of(end - una, 65535u) : 0);
			una += g.len;
		}
		send_seg(p, .flags = ACK, .seq = 1, .ack = una);
	}
}

static void URG_03_told_when_it_advances(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = hears(k);

	p->app.take = 0;
	send_seg(p, .flags = ACK | URG, .seq = 1, .ack = 1, .len = 10, .urg = 10);
	assert_int_equal(p->app.urgents, 1);
	send_seg(p, .flags = ACK | URG, .seq = 11, .ack = 1, .len = 10, .urg = 20);
	assert_int_equal(p->app.urgents, 2);
	send_seg(p, .flags = ACK | URG, .seq = 21, .ack = 1, .len = 10, .urg = 10);
	assert_int_equal(p->app.urgents, 2); /* the same mark */
	for (uint32_t i = 0; i < 30; i++) {
		assert_int_equal(kit_app_urgent_left(p), 30 - i);
		kit_app_read(p, 1);
	}
	assert_int_equal(kit_app_urgent_left(p), 0);
	assert_int_equal(p->app.rx, 30);
}

static void SEQ_07_urgent_at_a_closed_window(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	k->tcp.rcvbuf = 2048;
	p = hears(k);
	p->app.take = 0;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1024);
	send_seg(p, .flags = ACK, .seq = 1025, .ack = 1, .len = 1024);
	kit_advance(k, 100 * MS);
	kit_drain(k);
	send_seg(p, .flags = ACK | URG, .seq = 2049, .ack = 1, .urg = 5);
	kit_quiet(k);
	assert_int_equal(p->app.urgents, 1);
	assert_int_equal(p->app.urgent_left, 2048 + 5);
	send_seg(p, .flags = ACK | URG, .seq = 2049, .ack = 1, .len = 1, .urg = 9);
	assert_int_equal(expect(p, .flags = ACK, .seq = 1, .ack = 2049).win, 0);
	assert_int_equal(p->app.urgents, 2);
	send_seg(p, .flags = RST, .seq = 2049);
	assert_int_equal(p->app.why, PIER_CLOSE_RESET);
}

/* Nothing can be sent, but that there is something urgent can be told: every ACK does. */
static void URG_01_URG_02_told_at_a_closed_window(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = hears(k);
	struct seg g;

	p->win = 0;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_app_send_urgent(p, 5);
	kit_drain(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	send_seg(p, .flags = ACK, .seq = 11, .ack = 1, .len = 10);
	g = expect(p, .flags = ACK | URG, .seq = 1, .ack = 21);
	assert_int_equal(g.urg, 5);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1, .len = 10); /* answered at once */
	g = expect(p, .flags = ACK | URG, .seq = 1, .ack = 21);
	assert_int_equal(g.urg, 5);
	p->win = 65535;
	send_seg(p, .flags = ACK, .seq = 21, .ack = 1);
	g = expect(p, .flags = ACK | PSH | URG, .seq = 1, .ack = 21, .len = 5);
	assert_int_equal(g.urg, 5);
	send_seg(p, .flags = ACK, .seq = 21, .ack = 6);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 6, .len = 10);
	expect(p, .flags = ACK, .seq = 6, .ack = 21);
}

/* A pointer beyond the FIN ends there, whichever comes first; so does what is left of it. */
static void URG_05_T_26_beyond_the_fin(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = hears(k), *q = kit_plain(k), *r = kit_plain(k);

	p->app.take = q->app.take = 0;
	p->app.half_open_on_eof = q->app.half_open_on_eof = r->app.half_open_on_eof = true;
	send_seg(p, .flags = FIN | ACK | URG, .seq = 1, .ack = 1, .len = 10, .urg = 100);
	assert_int_equal(p->app.urgents, 1);
	assert_int_equal(kit_app_urgent_left(p), 10);
	kit_app_read(p, UINT64_MAX);
	assert_int_equal(kit_app_urgent_left(p), 0);
	assert_int_equal(p->app.rx, 10);

	send_seg(q, .flags = FIN | ACK, .seq = 11, .ack = 1);
	send_seg(q, .flags = ACK | URG, .seq = 1, .ack = 1, .len = 5, .urg = 100);
	assert_int_equal(q->app.urgents, 1);
	assert_int_equal(q->app.urgent_left, 10);
	send_seg(q, .flags = ACK, .seq = 6, .ack = 1, .len = 5);
	kit_app_read(q, UINT64_MAX);
	assert_int_equal(kit_app_urgent_left(q), 0);
	assert_int_equal(q->app.rx, 10);

	send_seg(r, .flags = ACK | URG, .seq = 1, .ack = 1, .urg = 5);
	assert_int_equal(kit_app_urgent_left(r), 5);
	send_seg(r, .flags = FIN | ACK, .seq = 1, .ack = 1);
	assert_int_equal(kit_app_urgent_left(r), 0);
	assert_int_equal(r->app.eofs, 1);
	kit_drain(k);
}

static void URG_04_off_by_default(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	for (uint32_t i = 0; i < 10; i++)
		send_seg(p, .flags = ACK | URG, .seq = 1 + 10 * i, .ack = 1, .len = 10,
			 .urg = (uint16_t)(i * 7));
	assert_int_equal(p->app.rx, 100);
	assert_int_equal(p->app.urgents, 0);
	assert_int_equal(kit_app_urgent_left(p), 0);
}

/* Each pointer with each length, in order and ahead of a gap, across the wrap. */
static void any_pointer(struct kit *k, bool heard)
{
	struct kit_peer *p = kit_peer(k);
	uint32_t seq = 1, mark = 0;

	p->isn = 0xffffffc0u;
	kit_open(p);
	for (uint32_t len = 0; len < 5; len++) {
		const uint16_t up[] = {0, 1, (uint16_t)len, (uint16_t)(len + 1), 65535};

		for (unsigned int i = 0; i < 2 * ARRAY_SIZE(up); i++) {
			uint32_t ahead = i % 2;

			send_seg(p, .flags = ACK | URG, .seq = seq + ahead, .ack = 1, .len = len,
				 .urg = up[i / 2]);
			if (ahead)
				send_seg(p, .flags = ACK | URG, .seq = seq, .ack = 1, .len = 1,
					 .urg = up[i / 2]);
			seq += len + ahead;
			assert_int_equal(p->app.rx, seq - 1);
			if (!heard)
				continue;
			assert_in_range(kit_app_urgent_left(p), 0, 65536);
			if (p->app.urgent_left) { /* the mark never moves back */
				assert_true(seq + p->app.urgent_left >= mark);
				mark = seq + (uint32_t)p->app.urgent_left;
			}
		}
	}
	assert_int_equal(p->app.urgents != 0, heard);
	kit_drain(k);
}

static void URG_05_T_26_any_pointer(void **s)
{
	any_pointer(*s, false);
}

static void URG_05_T_26_any_pointer_heard(void **s)
{
	struct kit *k = *s;

	k->urgent = true;
	any_pointer(k, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(URG_01_pointer_to_the_octet_behind),
		KIT_TEST(URG_02_of_any_length),
		KIT_TEST(URG_03_told_when_it_advances),
		KIT_TEST(SEQ_07_urgent_at_a_closed_window),
		KIT_TEST(URG_01_URG_02_told_at_a_closed_window),
		KIT_TEST(URG_05_T_26_beyond_the_fin),
		KIT_TEST(URG_04_off_by_default),
		KIT_TEST(URG_05_T_26_any_pointer),
		KIT_TEST(URG_05_T_26_any_pointer_heard),
	};

	return KIT_RUN("urgent", tests);
}
