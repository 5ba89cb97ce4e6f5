/*
 * A connection in each of the synchronized states (RFC 9293 section 3.3.2), brought there from
 * ESTABLISHED by what the peer sends and the application does.
 */
#include "kit.h"

static void to_established(struct kit_peer *p)
{
}

static void to_fin_wait_1(struct kit_peer *p)
{
	kit_app_shutdown(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
}

static void to_fin_wait_2(struct kit_peer *p)
{
	to_fin_wait_1(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 2);
}

static void to_close_wait(struct kit_peer *p)
{
	p->app.half_open_on_eof = true;
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 2);
}

static void to_closing(struct kit_peer *p)
{
	to_fin_wait_1(p);
	p->app.half_open_on_eof = true;
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	expect(p, .flags = ACK, .seq = 2, .ack = 2);
}

static void to_last_ack(struct kit_peer *p)
{
	to_close_wait(p);
	kit_app_shutdown(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
}

static void to_time_wait(struct kit_peer *p)
{
	to_fin_wait_2(p);
	send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p, .flags = ACK, .seq = 2, .ack = 2);
	assert_int_equal(p->app.closes, 1);
}

const struct kit_state kit_states[KIT_STATES] = {
	{"ESTABLISHED", to_established, 1, 1, true},
	{"FIN-WAIT-1", to_fin_wait_1, 2, 1, true},
	{"FIN-WAIT-2", to_fin_wait_2, 2, 1, true},
	{"CLOSE-WAIT", to_close_wait, 1, 2, true},
	{"CLOSING", to_closing, 2, 2, false},
	{"LAST-ACK", to_last_ack, 2, 2, false},
	{"TIME-WAIT", to_time_wait, 2, 2, false},
};

struct kit_peer *kit_in_state(struct kit *k, const struct kit_state *st)
{
	struct kit_peer *p = kit_plain(k);

	st->go(p);
	kit_quiet(k);
	return p;
}
