/*
 * A message to the handler, by the ready pass's short way: what it must not be taken for. Each of these has one
 * message in one slice, and something that happened in the same burst, or a handler that is not asked.
 */
#include "kit.h"

/* Reset behind it: it is not shown. */
static void reset_behind_it(void **state)
{
	struct kit *k = *state;
	struct kit_peer *p = kit_est(k);

	kit_burst_begin(k);
	send_seg(p, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 10);
	send_seg(p, .flags = RST, .seq = 11);
	kit_burst_end(k);
	assert_int_equal(p->app.datas, 0);
	assert_int_equal(p->app.closes, 1);
	assert_int_equal(p->app.why, PIER_CLOSE_RESET);
	kit_quiet(k);
}

static void close_it(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	pier_close(c);
}

static void nothing(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
}

/* Another connection's callback has closed it meanwhile: it is not shown, and the peer hears of it. */
static void closed_meanwhile(void **state)
{
	struct kit *k = *state;
	struct kit_peer *p = kit_est(k);

	kit_app_call(p, nothing, 0);
	kit_burst_begin(k);
	k->op = close_it;
	send_seg(k->ctl, .flags = ACK | PSH, .seq = 1 + (uint32_t)k->ctl->app.want++, .ack = 1, .len = 1);
	send_seg(p, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 10);
	kit_burst_end(k);
	k->op = NULL;
	assert_int_equal(p->app.datas, 0);
	assert_int_equal(p->app.closes, 1);
	assert_true(kit_take(p).flags & RST);
}

/* The handler has no data callback: what comes is thrown away, and acknowledged. */
static void nobody_listens(void **state)
{
	static struct pier_handler deaf;
	struct kit *k = *state;
	struct kit_peer *p = kit_peer(k);

	deaf = kit_handler;
	deaf.data = NULL;
	k->listeners[0].handler = &deaf;
	kit_syn(p);
	kit_synack(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 10);
	send_seg(p, .flags = ACK | PSH, .seq = 11, .ack = 1, .len = 10);
	expect(p, .flags = ACK, .seq = 1, .ack = 21);
	assert_int_equal(p->app.opens, 1);
	assert_int_equal(p->app.datas, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(reset_behind_it),
		KIT_TEST(closed_meanwhile),
		KIT_TEST(nobody_listens),
	};

	return KIT_RUN("message", tests);
}
