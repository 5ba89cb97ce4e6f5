/*
 * An application that does all that one may, by chance, and notes what it was told. What chance says depends on the
 * connection and on what happened to it, and so is the same for both engines as long as they are the same.
 */
#include "twin.h"

#define PIECE 20000

static uint8_t bulk[1 << 16];

struct side *side_of(const struct pier_conn *c)
{
	return (struct side *)(uintptr_t)c->settings;
}

struct app *app_of(struct pier_conn *c)
{
	return *(struct app **)c->ctx;
}

static void note(struct pier_conn *c, const char *what, uint64_t a, uint64_t b)
{
	side_event(side_of(c), what, c->id, a, b);
}

static void fill_bulk(void)
{
	static bool done;

	for (unsigned int i = 0; i < sizeof(bulk) && !done; i++)
		bulk[i] = (uint8_t)(i * 7 + (i >> 8));
	done = true;
}

/* By one of the ways there are. */
static size_t send_some(struct pier_conn *c, struct app *a, size_t n)
{
	static uint32_t sum[2][PIECE + 1]; /* of the first bytes of bulk, so many */
	const uint8_t *from = bulk + (a->sent & 0x7fff);

	n = n < PIECE ? n : PIECE;
	switch (below(&a->r, 4)) {
	case 0:
		return pier_send_static(c, from, n);
	case 1:
		return pier_send_summed(c, bulk, n, &sum[side_of(c) != side_of(c)->tw->side][n]);
	default:
		return pier_send(c, from, n);
	}
}

static void push(struct pier_conn *c, struct app *a)
{
	size_t n, took;

	while (a->sent < a->want) {
		n = a->want - a->sent < PIECE ? a->want - a->sent : PIECE;
		took = send_some(c, a, n);
		a->sent += took;
		if (took < n)
			break;
	}
}

static uint32_t some_length(struct rng *r)
{
	static const uint32_t most[] = {1, 20, 100, 500, 1000, 1460, 1460, 3000, 10000, 40000};

	return 1 + below(r, PICK(r, most));
}

/* What may be done to any connection, its handler's business aside. */
static void set_something(struct side *s, struct pier_conn *c, struct rng *r)
{
	struct pier_keepalive k;
	struct pier_tcp_info info;

	switch (below(r, 9)) {
	case 0:
		pier_set_nodelay(c, chance(r, 500));
		break;
	case 1:
		pier_set_ttl(c, between(r, 60, 64));
		break;
	case 2:
		pier_set_dscp(c, below(r, 64));
		break;
	case 3:
		pier_get_keepalive(c, &k);
		k.on = chance(r, 700);
		k.idle_us = between(r, 1, 20) * SEC;
		pier_set_keepalive(c, &k);
		break;
	case 4:
		pier_set_timeouts(c, PIER_FOREVER, between(r, 5, 100) * SEC);
		break;
	case 5:
		pier_set_mss(c, between(r, 400, 1460));
		break;
	case 6:
		pier_set_buffers(c, chance(r, 500) ? between(r, 4096, 60000) : 0,
				 chance(r, 500) ? between(r, 4096, 60000) : 0);
		break;
	case 7:
		pier_get_tcp_info(c, &info);
		side_event(s, "info", c->id, info.srtt_us | (uint64_t)info.cwnd << 32, info.queued);
		break;
	default:
		pier_set_trouble(c, chance(r, 500));
	}
}

/* What only its handler may do. */
static void act(struct pier_conn *c, struct app *a, struct rng *r)
{
	switch (below(r, 16)) {
	case 0:
		pier_cork(c, chance(r, 400));
		break;
	case 1:
		pier_set_timer(c, between(r, 0, 300) * MS);
		break;
	case 2:
		pier_want_writable(c);
		break;
	case 3:
		a->holding = !a->holding;
		pier_resume(c);
		break;
	case 4:
		if (chance(r, 300))
			pier_shutdown(c);
		break;
	case 5:
		if (chance(r, 300))
			pier_close(c);
		break;
	case 6:
		if (chance(r, 100))
			pier_abort(c);
		break;
	case 7:
		if (chance(r, 300))
			pier_flush(c);
		break;
	case 8:
		if (chance(r, 300))
			pier_send_urgent(c, bulk, between(r, 1, 10));
		break;
	case 9:
		set_something(side_of(c), c, r);
		break;
	default:
		a->want += some_length(r);
		push(c, a);
	}
}

static uint64_t hash_of(const struct pier_slice *s, unsigned int n)
{
	uint64_t h = 14695981039346656037ull;

	for (unsigned int i = 0; i < n; i++)
		for (uint32_t j = 0; j < s[i].len; j++)
			h = (h ^ ((const uint8_t *)s[i].data)[j]) * 1099511628211ull;
	return h;
}

static size_t total_of(const struct pier_slice *s, unsigned int n)
{
	size_t sum = 0;

	for (unsigned int i = 0; i < n; i++)
		sum += s[i].len;
	return sum;
}

static void let_go(struct pier_conn *c, struct app *a)
{
	if (a->held)
		pier_release(c, a->held);
	a->held = NULL;
}

static void on_open(struct pier_conn *c)
{
	struct side *s = side_of(c);
	struct pier_info info;
	struct app *a;

	fill_bulk();
	pier_get_info(c, &info);
	a = &s->app[info.remote_port % TWIN_CLIENTS];
	*a = (struct app){.r = {s->tw->seed * 31 + info.remote_port + (c->id & 0xffff00000000)},
			  .held = a->held}; /* by the last on this port, if it is not closed yet */
	*(struct app **)c->ctx = a;
	note(c, "open", info.remote_port, info.srtt_us);
	if (chance(&a->r, 150))
		act(c, a, &a->r);
}

static size_t on_data(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	struct app *a = app_of(c);
	size_t all = total_of(s, n), took = all;

	note(c, "data", all, hash_of(s, n));
	if (!a->held && chance(&a->r, 80)) {
		a->held = s[0].owner;
		pier_hold(c, a->held);
	} else if (chance(&a->r, 300)) {
		let_go(c, a);
	}
	if (a->holding)
		took = chance(&a->r, 700) ? 0 : below(&a->r, (uint32_t)all);
	else if (chance(&a->r, 250))
		took = pier_send_slices(c, s, n); /* an echo */
	else if (chance(&a->r, 600))
		a->want += some_length(&a->r);
	push(c, a);
	if (took < all && chance(&a->r, 800))
		pier_set_timer(c, between(&a->r, 1, 50) * MS);
	if (chance(&a->r, 60))
		act(c, a, &a->r);
	a->taken += took;
	return took;
}

static void on_writable(struct pier_conn *c, size_t room)
{
	note(c, "writable", room, 0);
	push(c, app_of(c));
}

static void on_eof(struct pier_conn *c)
{
	struct app *a = app_of(c);

	note(c, "eof", a->taken, 0);
	a->eof = true;
	if (chance(&a->r, 200))
		a->want += some_length(&a->r);
	push(c, a);
	if (!chance(&a->r, 150))
		pier_close(c);
}

static void on_close(struct pier_conn *c, enum pier_close_reason why)
{
	note(c, "close", why, 0);
	let_go(c, app_of(c));
}

static void on_timer(struct pier_conn *c)
{
	struct app *a = app_of(c);

	note(c, "timer", 0, 0);
	a->holding = false;
	pier_resume(c);
	if (a->eof && chance(&a->r, 300))
		pier_close(c);
	else if (chance(&a->r, 200))
		act(c, a, &a->r);
}

static void on_urgent(struct pier_conn *c)
{
	note(c, "urgent", pier_urgent_left(c), 0);
}

static void on_trouble(struct pier_conn *c, enum pier_trouble what)
{
	note(c, "trouble", what, 0);
}

void app_poke(struct side *s, uint32_t index, uint32_t what, uint32_t arg)
{
	const struct tcp *t = engine_tcp(s->e);
	const struct tcp_conn *rec = &t->conn[index];
	struct rng r = {arg};
	struct pier_conn c;

	if (!engine_get(s->e, tcp_conn_id(t, rec), s->tw->now, &c))
		return;
	if (what && c.settings == s)
		act(&c, app_of(&c), &r);
	else
		set_something(s, &c, &r);
	engine_settle(s->e, s->tw->now);
}

const struct pier_handler app_handler = {
	.abi = PIER_HANDLER_ABI,
	.size = sizeof(struct pier_handler),
	.name = "twin",
	.summary = "does what chance says",
	.ctx_size = sizeof(struct app *),
	.open = on_open,
	.data = on_data,
	.writable = on_writable,
	.eof = on_eof,
	.close = on_close,
	.timer = on_timer,
	.urgent = on_urgent,
	.trouble = on_trouble,
};
