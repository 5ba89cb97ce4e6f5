/*
 * When what was written leaves: full segments, the pushed tail, holding back, dropping.
 * Rows: PSH-01..PSH-03 API-05.
 */
#include "kit.h"

static void PSH_02_more_then_push(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	kit_app_cork(p, true);
	for (unsigned int i = 0; i < 10; i++)
		kit_app_send(p, 100);
	kit_quiet(k);
	kit_app_cork(p, false);
	expect(p, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 1000);
	kit_quiet(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1001, .len = 10); /* no PSH: readable at once */
	assert_int_equal(p->app.rx, 10);
}

/* What is held back does not stay for ever, and closing sends it. */
static void PSH_02_held_back_not_for_ever(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);

	kit_app_cork(p, true);
	kit_app_send(p, 1500);
	assert_false(expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1460).flags & PSH);
	kit_quiet(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1461);
	kit_quiet(k);
	kit_advance(k, 1100 * MS);
	expect(p, .flags = ACK | PSH, .seq = 1461, .ack = 1, .len = 40);
	kit_drain(k); /* the probe of a tail that nobody acknowledges */
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1501);
	kit_app_send(p, 10);
	kit_quiet(k);
	kit_app_close(p);
	expect(p, .flags = FIN | PSH | ACK, .seq = 1501, .ack = 1, .len = 10);
}

static void PSH_03_a_mebibyte_in_sevens(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	unsigned int full = 0, all = 0;
	uint32_t una = 1;

	k->tcp.sndbuf = 2 * MIB;
	p = kit_plain(k);
	p->app.piece = 7;
	kit_app_send(p, MIB);
	for (unsigned int i = 0; i < 10000 && una < 1 + MIB; i++) {
		for (; kit_has(k); all++) {
			struct seg g = kit_take(p);

			una += g.len;
			full += g.len == 1460;
		}
		kit_advance(k, MS); /* a burst's rest leaves a millisecond later */
		if (!kit_has(k))
			send_seg(p, .flags = ACK, .seq = 1, .ack = una);
	}
	assert_int_equal(una, 1 + MIB);
	assert_true(full * 100 >= all * 99);
}

static void API_05_flush(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	uint32_t at = 1;

	p->win = 0;
	kit_open(p);
	kit_app_send(p, 100000);
	kit_quiet(k);
	kit_advance(k, 5 * SEC); /* probed with the first octet, which the peer may have */
	kit_drain(k);
	kit_app_flush(p);
	p->app.want = p->app.tx = 1;
	kit_app_send(p, 50);
	p->win = 65535;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	while (kit_has(k)) {
		struct seg g = kit_take(p);

		assert_int_equal(g.seq, at);
		at += g.len;
	}
	assert_int_equal(at, 52);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 52);
	kit_silence(k, 5 * SEC);
	kit_app_flush(p); /* nothing is queued */
	kit_app_close(p);
	expect(p, .flags = FIN | ACK, .seq = 52, .ack = 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(PSH_02_held_back_not_for_ever),
		KIT_TEST(PSH_02_more_then_push),
		KIT_TEST(PSH_03_a_mebibyte_in_sevens),
		KIT_TEST(API_05_flush),
	};

	return KIT_RUN("push", tests);
}
