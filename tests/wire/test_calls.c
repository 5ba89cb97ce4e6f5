/*
 * Each call of the handler API in each state: what it returns, and how many frames leave for it. The
 * table below is the statement (RFC 9293 sections 3.10.1 to 3.10.5); where a call has no effect in a
 * state, nothing is sent.
 * Row: API-06.
 */
#include "kit.h"

#include <errno.h>

#define IN_USE (-EADDRINUSE)
#define GONE   (-999) /* pier_get no longer finds the connection: nothing to call */
#define PORT   7000

enum { SYN_SENT, SYN_RECEIVED, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK,
       TIME_WAIT, CLOSED, STATES };

static int got;
static struct kit_peer *object; /* of a call that another connection makes */

static void call_send(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	uint8_t b[10];

	for (unsigned int i = 0; i < sizeof(b); i++)
		b[i] = kit_pattern(i);
	got = (int)pier_send(c, b, sizeof(b));
}

static void call_send_summed(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	uint8_t b[10];
	uint32_t sum = 0;

	for (unsigned int i = 0; i < sizeof(b); i++)
		b[i] = kit_pattern(i);
	got = (int)pier_send_summed(c, b, sizeof(b), &sum);
}

static void call_send_static(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	static uint8_t b[10];

	for (unsigned int i = 0; i < sizeof(b); i++)
		b[i] = kit_pattern(i);
	got = (int)pier_send_static(c, b, sizeof(b));
}

static void call_send_slices(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	static uint8_t b[10];
	const struct pier_slice s = {b, sizeof(b), NULL};

	for (unsigned int i = 0; i < sizeof(b); i++)
		b[i] = kit_pattern(i);
	got = (int)pier_send_slices(c, &s, 1);
}

static void call_room(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	got = pier_room(c) > 0;
}

/* RECEIVE: nothing is there, and past EOF nothing comes; got counts the data callbacks. */
static void call_resume(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	pier_resume(c);
	got = (int)a->datas;
}

static void call_want_writable(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	pier_want_writable(c);
	got = 0;
}

static void call_shutdown(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	pier_shutdown(c);
	got = 0;
}

static void call_close(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	pier_close(c);
	got = 0;
}

static void call_abort(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	pier_abort(c);
	got = 0;
}

static void call_set_timer(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	pier_set_timer(c, 1000000);
	got = 0;
}

static void call_set_nodelay(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	pier_set_nodelay(c, true);
	got = 0;
}

static void call_set_dscp(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	got = pier_set_dscp(c, 10);
}

static void call_set_ttl(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	got = pier_set_ttl(c, 7);
}

/* OPEN of the object's 4-tuple, by a connection that stands by. */
static void call_open(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	struct pier_connect to = {.remote_port = object->port, .local_port = PORT,
				  .ctx = (uintptr_t)&object->app};
	uint64_t id = 0;

	memcpy(to.remote_addr, object->addr, 16);
	got = pier_connect(c, &to, &id);
	if (got)
		return;
	object->app.id = id;
	object->app.pending = true;
	object->app.connects++;
}

struct call {
	const char *name;
	void (*op)(struct pier_conn *c, struct kit_app *a, uint64_t arg);
	int result[STATES], frames[STATES];
};

/*                        SYN-SENT  ESTAB.  FIN-WAIT-2  CLOSING   TIME-WAIT
 *                             SYN-RCVD  FIN-WAIT-1  CLOSE-WAIT  LAST-ACK  CLOSED                 */
static const struct call table[] = {
	{"send", call_send,
	 {10, 10, 10, 0, 0, 10, 0, 0, GONE, GONE}, {0, 0, 1, 0, 0, 1, 0, 0, 0, 0}},
	{"send_summed", call_send_summed,
	 {10, 10, 10, 0, 0, 10, 0, 0, GONE, GONE}, {0, 0, 1, 0, 0, 1, 0, 0, 0, 0}},
	{"send_static", call_send_static,
	 {10, 10, 10, 0, 0, 10, 0, 0, GONE, GONE}, {0, 0, 1, 0, 0, 1, 0, 0, 0, 0}},
	{"send_slices", call_send_slices,
	 {10, 10, 10, 0, 0, 10, 0, 0, GONE, GONE}, {0, 0, 1, 0, 0, 1, 0, 0, 0, 0}},
	{"room", call_room,
	 {1, 1, 1, 0, 0, 1, 0, 0, GONE, GONE}, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
	{"resume", call_resume,
	 {0, 0, 0, 0, 0, 0, 0, 0, GONE, GONE}, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
	{"want_writable", call_want_writable,
	 {0, 0, 0, 0, 0, 0, 0, 0, GONE, GONE}, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
	{"shutdown", call_shutdown,
	 {0, 0, 0, 0, 0, 0, 0, 0, GONE, GONE}, {0, 1, 1, 0, 0, 1, 0, 0, 0, 0}},
	{"close", call_close,
	 {0, 0, 0, 0, 0, 0, 0, 0, GONE, GONE}, {0, 1, 1, 0, 0, 1, 0, 0, 0, 0}},
	{"abort", call_abort,
	 {0, 0, 0, 0, 0, 0, 0, 0, GONE, GONE}, {0, 1, 1, 1, 1, 1, 0, 0, 0, 0}},
	{"set_timer", call_set_timer,
	 {0, 0, 0, 0, 0, 0, 0, 0, GONE, GONE}, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
	{"set_nodelay", call_set_nodelay,
	 {0, 0, 0, 0, 0, 0, 0, 0, GONE, GONE}, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
	{"set_dscp", call_set_dscp,
	 {1, 1, 1, 1, 1, 1, 1, 1, GONE, GONE}, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
	{"set_ttl", call_set_ttl,
	 {1, 1, 1, 1, 1, 1, 1, 1, GONE, GONE}, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
	{"connect to the same", call_open,
	 {IN_USE, IN_USE, IN_USE, IN_USE, IN_USE, IN_USE, IN_USE, IN_USE, IN_USE, 0},
	 {0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
};

static void go(struct kit_peer *p, unsigned int state)
{
	bool fin_first = state == CLOSE_WAIT || state == LAST_ACK || state == CLOSED;

	p->app.half_open_on_eof = true;
	assert_int_equal(kit_connect_from(p, LISTENER_ANY, PORT), 0);
	kit_arp(p->k);
	kit_take_syn(p);
	if (state == SYN_SENT)
		return;
	send_seg(p, .flags = SYN, .seq = 0, .opts = {.flags = TCP_OPTS_MSS, .mss = 1460});
	expect(p, .flags = SYN | ACK, .seq = 0, .ack = 1);
	if (state == SYN_RECEIVED)
		return;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	if (state == ESTABLISHED)
		return;
	if (fin_first) {
		send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
		expect(p, .flags = ACK, .seq = 1, .ack = 2);
		if (state == CLOSE_WAIT)
			return;
	}
	kit_app_shutdown(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = fin_first ? 2 : 1);
	if (state == FIN_WAIT_2)
		send_seg(p, .flags = ACK, .seq = 1, .ack = 2);
	if (state == CLOSING || state == TIME_WAIT)
		send_seg(p, .flags = FIN | ACK, .seq = 1, .ack = state == CLOSING ? 1 : 2);
	if (state == CLOSED)
		send_seg(p, .flags = ACK, .seq = 2, .ack = 2);
	kit_drain(p->k);
}

static unsigned int frames(struct kit *k)
{
	unsigned int n = 0;

	while (kit_frame_next(k))
		n++;
	return n;
}

static void try_call(struct kit *k, struct kit_peer *standby, const struct call *call,
		     unsigned int state)
{
	struct kit_peer *p = object;
	unsigned int n;

	go(p, state);
	kit_quiet(k);
	got = GONE;
	kit_app_call(call->op == call_open ? standby : p, call->op, 0);
	n = frames(k);
	if (got != call->result[state] || n != (unsigned int)call->frames[state])
		fail_msg("%s in state %u: returned %d and sent %u, not %d and %d", call->name,
			 state, got, n, call->result[state], call->frames[state]);
	if (state >= FIN_WAIT_1)
		assert_int_equal(p->app.datas, 0);
	/* The peer resets whatever is left. */
	send_seg(p, .flags = RST | ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = RST, .seq = 2);
	for (int i = 0; i < 61; i++) { /* TIME-WAIT */
		kit_drain(k);
		kit_advance(k, SEC);
		kit_arp(k);
	}
	kit_drain(k);
	assert_false(p->app.pending);
}

static void API_06_each_call_in_each_state(void **s)
{
	struct kit *k = *s;
	struct kit_peer *standby = kit_plain(k), *first = kit_peer(k);

	for (unsigned int i = 0; i < ARRAY_SIZE(table); i++)
		for (unsigned int state = 0; state < STATES; state++) {
			object = k->n_peers < KIT_PEERS - 2 ? kit_peer(k) : first;
			kit_app_init(&object->app, k);
			try_call(k, standby, &table[i], state);
		}
}

/* The connection that a callback opens is a connection like any other, with the context it was given. */
static void a_handler_connects(void **s)
{
	struct kit *k = *s;
	struct kit_peer *standby = kit_plain(k);

	object = kit_peer(k);
	object->app.echo = true;
	kit_app_call(standby, call_open, 0);
	assert_int_equal(got, 0);
	kit_arp(k);
	kit_take_syn(object);
	kit_accept(object);
	expect(object, .flags = ACK, .seq = 1, .ack = 1);
	send_seg(object, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	expect(object, .flags = ACK, .seq = 1, .ack = 101, .len = 100);
	assert_int_equal(object->app.opens, 1);
	send_seg(object, .flags = RST, .seq = 101);
	assert_int_equal(object->app.closes, 1);
	assert_int_equal(standby->app.closes, 0);
}

/* A timer may run before open: a limit of the handler's own for the attempt. */
static void the_timer_runs_before_open(void **s)
{
	struct kit *k = *s;

	object = kit_peer(k);
	kit_connect(object);
	kit_app_timer(object, 200 * MS);
	kit_advance(k, 300 * MS);
	assert_int_equal(object->app.timers, 1);
	assert_int_equal(object->app.opens, 0);
	kit_app_close(object);
	kit_silence(k, 3 * SEC);
	assert_int_equal(object->app.failed, 1);
}

static void draining_ends_attempts(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k), *q = kit_peer(k);

	kit_connect(p);
	assert_int_equal(kit_usage(k).opening, 1);
	engine_drain(k->e, k->now);
	kit_turn(k);
	kit_silence(k, 3 * SEC);
	assert_int_equal(p->app.failed, 1);
	assert_int_equal(p->app.why, PIER_CLOSE_SHUTDOWN);
	assert_int_equal(kit_connect_from(q, LISTENER_ANY, 0), -ESHUTDOWN);
	assert_int_equal(kit_usage(k).opening, 0);
}

static uint32_t word;

static void send_summed(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	static uint8_t b[10000];

	for (unsigned int i = 0; i < sizeof(b); i++)
		b[i] = kit_pattern(i);
	got = (int)pier_send_summed(c, b, arg, &word);
}

static void send_summed_twice(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	send_summed(c, a, arg);
	send_summed(c, a, arg);
}

/* Whether the sums of the next frame are right, which has so much payload. */
static bool next_sum(struct kit *k, uint32_t payload)
{
	const struct kit_frame *f = kit_frame_next(k);

	assert_non_null(f);
	assert_int_equal(kit_payload(f->bytes), payload);
	return kit_sum_ok(f->bytes);
}

/* The word that a handler keeps is the sum of all of its bytes, and they are not summed again. */
static void a_known_sum_is_not_made_again(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_est(k);
	uint32_t first;

	word = 0;
	kit_app_call(p, send_summed, 333);
	assert_int_equal(got, 333);
	assert_true(next_sum(k, 333));
	send_seg(p, .flags = ACK, .seq = 1, .ack = 334);
	first = word;
	assert_int_not_equal(first, 0);
	kit_app_call(p, send_summed_twice, 333); /* one piece behind the other in one buffer */
	assert_true(next_sum(k, 666));
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1000);
	assert_int_equal((uint16_t)word, (uint16_t)first);
	word--;
	kit_app_call(p, send_summed, 333);
	assert_false(next_sum(k, 333));
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1333);
	word = 0;
	kit_app_call(p, send_summed, 10000); /* more than one piece has */
	for (unsigned int i = 0; i < 6; i++)
		assert_true(next_sum(k, 1448));
	assert_true(next_sum(k, 10000 - 6 * 1448));
	assert_int_equal(word, 0);
	kit_drain(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(API_06_each_call_in_each_state),
		KIT_TEST(a_handler_connects),
		KIT_TEST(the_timer_runs_before_open),
		KIT_TEST(draining_ends_attempts),
		KIT_TEST(a_known_sum_is_not_made_again),
	};

	return KIT_RUN("calls", tests);
}
