/*
 * The scripted handler. Its callbacks follow what struct kit_app says and note what happened.
 *
 * A test acts between packets too ("the application writes 100 bytes now"), which the handler API
 * allows in a callback only. So a control connection stands by: one byte on it runs its data
 * callback, which reaches the other connection with pier_get. Its own frames are kept from the test.
 */
#include "kit.h"

#define CTL_PORT 9

static uint8_t statics[KIT_STATIC];

/* The pattern, as far as somebody needs it. */
static void fill_statics(uint64_t to)
{
	static uint64_t known;

	for (; known < to; known++)
		statics[known] = kit_pattern(known);
}

static struct kit_app *app_of(struct pier_conn *c)
{
	return *(struct kit_app **)c->ctx;
}

static void push(struct pier_conn *c, struct kit_app *a)
{
	uint8_t buf[4096];

	while (a->tx < a->want) {
		uint64_t n = min_of(a->want - a->tx, a->piece ? a->piece : sizeof(buf));
		size_t took;

		if (a->statics) {
			n = min_of(a->want, (uint64_t)KIT_STATIC) - a->tx;
			fill_statics(a->tx + n);
			took = pier_send_static(c, statics + a->tx, n);
		} else {
			for (uint64_t i = 0; i < n; i++)
				buf[i] = kit_pattern(a->tx + i);
			took = pier_send(c, buf, n);
		}
		a->tx += took;
		if (took < n)
			break;
	}
}

static void app_send(struct pier_conn *c, struct kit_app *a, uint64_t n)
{
	a->want += n;
	push(c, a);
}

void kit_app_reset(struct kit_app *a)
{
	a->rx = a->tx = a->want = a->waiting = 0;
	a->at_eof = false;
}

static void on_open(struct pier_conn *c)
{
	struct kit *k = (struct kit *)(uintptr_t)c->settings;
	struct kit_app *a = app_of(c); /* of an active open already */
	struct pier_info info;

	pier_get_info(c, &info);
	for (unsigned int i = 0; i < k->n_peers && !a; i++)
		if (k->peers[i]->port == info.remote_port &&
		    kit_same(k->peers[i]->addr, info.remote_addr))
			a = &k->peers[i]->app;
	assert_non_null(a);
	*(struct kit_app **)c->ctx = a;
	assert_false(a->is_open);
	a->is_open = true;
	a->opens++;
	assert_int_equal(a->opens, a->closes + 1);
	a->id = c->id;
	if (!a->pending)
		kit_app_reset(a);
	if (a->timer_on_open)
		pier_set_timer(c, a->timer_on_open);
	if (a->on_open)
		app_send(c, a, a->on_open);
	if (a->shutdown_on_open)
		pier_shutdown(c);
	if (a->close_on_open)
		pier_close(c);
	if (a->abort_on_open)
		pier_abort(c);
}

static void check_pattern(const struct kit_app *a, const struct pier_slice *s, unsigned int n)
{
	uint64_t at = a->rx;

	for (unsigned int i = 0; i < n; i++)
		for (uint32_t j = 0; j < s[i].len; j++, at++)
			if (((const uint8_t *)s[i].data)[j] != kit_pattern(at))
				fail_msg("byte %llu of the stream is wrong",
					 (unsigned long long)at);
}

static size_t total_of(const struct pier_slice *s, unsigned int n)
{
	size_t sum = 0;

	for (unsigned int i = 0; i < n; i++)
		sum += s[i].len;
	return sum;
}

static size_t on_data(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	struct kit_app *a = app_of(c);
	struct kit *k = a->k;
	size_t total = total_of(s, n), took = min_of((uint64_t)total, a->take);

	if (k->ctl && a == &k->ctl->app) {
		struct pier_conn other;

		if (k->op && pier_get(c, k->target->app.id, &other))
			k->op(&other, &k->target->app, k->op_arg);
		return total;
	}
	a->datas++;
	if (!a->any)
		check_pattern(a, s, n);
	if (a->echo) {
		took = pier_send_slices(c, s, n);
		if (took < total)
			pier_want_writable(c);
	}
	if (a->take != UINT64_MAX)
		a->take -= took;
	a->rx += took;
	a->waiting = total - took;
	if (a->on_data)
		app_send(c, a, a->on_data);
	if (a->close_on_data)
		pier_close(c);
	if (a->abort_on_data)
		pier_abort(c);
	return took;
}

static void on_writable(struct pier_conn *c, size_t room)
{
	struct kit_app *a = app_of(c);

	assert_true(room > 0);
	a->writables++;
	push(c, a);
	if (a->echo)
		pier_resume(c);
}

static void on_eof(struct pier_conn *c)
{
	struct kit_app *a = app_of(c);

	assert_false(a->at_eof);
	a->at_eof = true;
	a->eofs++;
	if (a->on_eof)
		app_send(c, a, a->on_eof);
	if (!a->half_open_on_eof)
		pier_close(c);
}

static void on_close(struct pier_conn *c, enum pier_close_reason why)
{
	struct kit_app *a = app_of(c);

	if (a->is_open)
		a->closes++;
	else
		a->failed++;
	a->is_open = a->pending = false;
	assert_int_equal(a->closes, a->opens);
	assert_true(a->failed <= a->connects);
	a->why = why;
	*(struct kit_app **)c->ctx = NULL;
}

static void on_timer(struct pier_conn *c)
{
	app_of(c)->timers++;
}

static void on_trouble(struct pier_conn *c, enum pier_trouble what)
{
	app_of(c)->troubles[what]++;
}

const struct pier_handler kit_handler = {
	.abi = PIER_HANDLER_ABI,
	.size = sizeof(struct pier_handler),
	.name = "script",
	.summary = "does what a test says",
	.ctx_size = sizeof(struct kit_app *),
	.open = on_open,
	.data = on_data,
	.writable = on_writable,
	.eof = on_eof,
	.close = on_close,
	.timer = on_timer,
	.trouble = on_trouble,
};

static void on_urgent(struct pier_conn *c)
{
	struct kit_app *a = app_of(c);

	a->urgents++;
	a->urgent_left = pier_urgent_left(c);
}

const struct pier_handler kit_urgent_handler = {
	.abi = PIER_HANDLER_ABI,
	.size = sizeof(struct pier_handler),
	.name = "urgent",
	.summary = "does what a test says, and hears of urgent data",
	.ctx_size = sizeof(struct kit_app *),
	.open = on_open,
	.data = on_data,
	.writable = on_writable,
	.eof = on_eof,
	.close = on_close,
	.timer = on_timer,
	.urgent = on_urgent,
};

void kit_app_init(struct kit_app *a, struct kit *k)
{
	*a = (struct kit_app){.k = k, .take = UINT64_MAX};
}

void kit_app_call(struct kit_peer *p, void (*op)(struct pier_conn *, struct kit_app *, uint64_t),
		  uint64_t arg)
{
	struct kit *k = p->k;

	if (!k->ctl) {
		struct kit_peer *ctl = kit_peer(k);
		static const uint8_t mss[4] = {TCP_OPT_MSS, 4, 5, 0xb4};

		kit_listen(k, CTL_PORT, LISTENER_ANY);
		ctl->dport = CTL_PORT;
		k->ctl = ctl;
		send_seg(ctl, .flags = SYN, .raw = mss, .raw_len = 4);
		send_seg(ctl, .flags = ACK, .seq = 1, .ack = 1);
		assert_int_equal(ctl->app.opens, 1);
	}
	k->target = p;
	k->op = op;
	k->op_arg = arg;
	send_seg(k->ctl, .flags = ACK | PSH, .seq = 1 + (uint32_t)k->ctl->app.want, .ack = 1,
		 .len = 1);
	k->ctl->app.want++;
	k->op = NULL;
	kit_turn(k);
}

static void op_close(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	pier_close(c);
}

static void op_shutdown(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	pier_shutdown(c);
}

static void op_abort(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	pier_abort(c);
}

static void op_read(struct pier_conn *c, struct kit_app *a, uint64_t n)
{
	a->take = n;
	pier_resume(c);
}

static void op_nodelay(struct pier_conn *c, struct kit_app *a, uint64_t on)
{
	pier_set_nodelay(c, on);
}

static void op_timer(struct pier_conn *c, struct kit_app *a, uint64_t us)
{
	pier_set_timer(c, us);
}

void kit_app_send(struct kit_peer *p, uint64_t n)
{
	kit_app_call(p, app_send, n);
}

void kit_app_close(struct kit_peer *p)
{
	kit_app_call(p, op_close, 0);
}

void kit_app_shutdown(struct kit_peer *p)
{
	kit_app_call(p, op_shutdown, 0);
}

void kit_app_abort(struct kit_peer *p)
{
	kit_app_call(p, op_abort, 0);
}

void kit_app_read(struct kit_peer *p, uint64_t n)
{
	kit_app_call(p, op_read, n);
}

void kit_app_nodelay(struct kit_peer *p, bool on)
{
	kit_app_call(p, op_nodelay, on);
}

void kit_app_timer(struct kit_peer *p, uint64_t us)
{
	kit_app_call(p, op_timer, us);
}

static void op_send_urgent(struct pier_conn *c, struct kit_app *a, uint64_t n)
{
	uint8_t *buf = malloc(n);

	for (uint64_t i = 0; i < n; i++)
		buf[i] = kit_pattern(a->tx + i);
	assert_int_equal(pier_send_urgent(c, buf, n), n);
	a->want += n;
	a->tx += n;
	free(buf);
}

static void op_urgent_left(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	a->urgent_left = pier_urgent_left(c);
}

static void op_cork(struct pier_conn *c, struct kit_app *a, uint64_t on)
{
	pier_cork(c, on);
}

static void op_flush(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	pier_flush(c);
}

void kit_app_send_urgent(struct kit_peer *p, uint64_t n)
{
	kit_app_call(p, op_send_urgent, n);
}

uint64_t kit_app_urgent_left(struct kit_peer *p)
{
	kit_app_call(p, op_urgent_left, 0);
	return p->app.urgent_left;
}

void kit_app_cork(struct kit_peer *p, bool on)
{
	kit_app_call(p, op_cork, on);
}

void kit_app_flush(struct kit_peer *p)
{
	kit_app_call(p, op_flush, 0);
}
