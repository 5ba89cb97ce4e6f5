/*
 * Far and fat, and many. Scaled down to what a test may take: three wraps of the sequence space where
 * a day's transfer has many, and thousands of connections where there may be millions; bench/ has the
 * large numbers. ROWS_FULL=1 has 100 GB, and ten times the connections per second for a minute.
 */
#include "host.h"
#include "rows.h"

#ifdef SIM_FEWER
#define FAT_BYTES (500 * MB)
#define IDLE      500
#define CHURN     (2 * SEC)
#else
#define FAT_BYTES (8700 * MB)
#define IDLE      10000
#define CHURN     (20 * SEC)
#endif
#define FAT_RATE  10e9
#define FAT_RTT   (100 * MS)
#define SETTLE    (70 * SEC)  /* TIME-WAIT, and retransmissions before it */
#define IDLE_FOR  (10 * SEC + rows_churn() + SETTLE)
#define ECHO_MAX  20000

static struct sim sim;

/* ---- far and fat ---- */

static uint64_t open_at, open_bytes;

/* The sender's numbers begin a megabyte before they wrap. */
static void set_fat(struct sim *s, const struct row *r)
{
	sim_path(s, FAT_RATE, FAT_RTT, 0);
	s->check_every = 1 << 16;
	for (unsigned int i = 0; i < 2; i++) {
		s->host[i].tcp.rcvbuf = 384 * MIB;
		s->host[i].tcp.sndbuf = 384 * MIB;
		s->host[i].conf.block_bytes = 256 * MIB;
	}
	sim_wrap_isn(s, CLIENT, 1 * MB);
}

static void watch_open(struct sim *s, void *arg)
{
	const struct end *e = &s->flow[0].end[SERVER];

	if (!open_at && e->rx >= s->flow[0].end[CLIENT].total / 3 * 2) {
		open_at = s->wire.now;
		open_bytes = e->rx;
	}
}

/*
 * The rate is that of the last third. Of so little, most goes while the window is still opening: in full it
 * is to be 90 % of the link's.
 */
static void long_fat_path(void **state)
{
	const struct row r = {.bytes = {rows_full() ? 100000 * MB : FAT_BYTES, 0}, .setup = set_fat};
	const struct end *e = &sim.flow[0].end[SERVER];
	double rate;

	row_begin(&sim, &r, 1);
	open_at = 0;
	sim.watch = watch_open;
	sim_run(&sim);
	rate = (double)(e->rx - open_bytes) * 8 * SEC / (double)(e->last_rx_at - open_at);
	print_message("10 Gbit/s and 100 ms: %.1f GB in %.1f s, %.2f Gbit/s in the last third\n",
		      (double)e->rx / 1e9, (double)(e->last_rx_at - sim.begin) / SEC, rate / 1e9);
	assert_true(rate >= (rows_full() ? 0.9 : 0.5) * FAT_RATE);
}

/* ---- many ---- */

/* A client: sends so many bytes and wants them back, or says nothing for a time. */
struct visitor {
	uint32_t total, rx;
	bool idle, opened, closed;
};

static struct {
	struct visitor *v;
	unsigned int n, max, idle;
	unsigned int opened, closed, aborted, refused;
} churn;
static uint8_t echo_pattern[ECHO_MAX];

static uint64_t rows_churn(void)
{
	return rows_full() ? 3 * CHURN : CHURN;
}

static bool is_client(const struct pier_conn *c)
{
	return ((const struct host *)c->settings)->id == CLIENT;
}

static struct visitor *visitor_of(struct pier_conn *c)
{
	return *(struct visitor **)c->ctx;
}

static void visit_open(struct pier_conn *c)
{
	struct visitor *v;

	churn.opened++;
	if (!is_client(c))
		return;
	v = visitor_of(c);
	v->opened = true;
	if (v->idle)
		pier_set_timer(c, IDLE_FOR + wire_range(&sim.wire, 0, SEC));
	else
		pier_send_static(c, echo_pattern, v->total);
}

/* One in a hundred pieces ends in a reset, by whoever got it. */
static size_t visit_data(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	struct visitor *v = visitor_of(c);
	size_t all = 0, took;

	for (unsigned int i = 0; i < n; i++) {
		if (!is_client(c)) {
			took = pier_send(c, s[i].data, s[i].len);
			all += took;
			if (took < s[i].len)
				break;
			continue;
		}
		if (v->rx + s[i].len > v->total ||
		    memcmp(s[i].data, echo_pattern + v->rx, s[i].len) != 0)
			sim_fail(&sim, "a client got what it had not sent");
		v->rx += s[i].len;
		all += s[i].len;
	}
	if (wire_chance(&sim.wire, 0.01)) {
		churn.aborted++;
		pier_abort(c);
	} else if (is_client(c) && v->rx == v->total) {
		pier_close(c);
	}
	return all;
}

static void visit_writable(struct pier_conn *c, size_t room)
{
	pier_resume(c);
}

static void visit_end(struct pier_conn *c)
{
	pier_close(c);
}

static void visit_close(struct pier_conn *c, enum pier_close_reason why)
{
	struct visitor *v = visitor_of(c);

	churn.closed++;
	if (!is_client(c))
		return;
	if (v->closed || (why == PIER_CLOSE_NORMAL && v->opened && v->rx != v->total))
		sim_fail(&sim, "a client closed with %u of %u bytes", v->rx, v->total);
	v->closed = true;
	churn.refused += !v->opened;
}

static const struct pier_handler visit_handler = {
	.abi = PIER_HANDLER_ABI,
	.size = sizeof(struct pier_handler),
	.name = "visit",
	.summary = "echo and its clients",
	.ctx_size = sizeof(struct visitor *),
	.open = visit_open,
	.data = visit_data,
	.writable = visit_writable,
	.eof = visit_end,
	.close = visit_close,
	.timer = visit_end,
};

static void connect_one(struct sim *s, bool idle)
{
	struct host *h = &s->host[CLIENT];
	struct visitor *v = &churn.v[churn.n++];
	struct engine_connect req = {.remote_port = SIM_PORT, .version = h->version,
				     .ctx = (uintptr_t)v};
	uint64_t id;

	flow_addr_v4(req.remote, host_address(SERVER));
	*v = (struct visitor){.idle = idle};
	if (!idle)
		v->total = (uint32_t)wire_range(&s->wire, 1, ECHO_MAX);
	if (engine_connect(h->e, &req, s->wire.now, &id) < 0)
		sim_fail(s, "engine_connect failed");
	h->busy = true;
}

static void again(struct sim *s, uint64_t after)
{
	s->action[0].at += after;
	s->next_action = 0;
}

/* Every millisecond some, until there are enough of each kind. */
static void open_idle(struct sim *s, uint64_t each)
{
	for (uint64_t i = 0; i < each && churn.n < churn.idle; i++)
		connect_one(s, true);
	if (churn.n < churn.idle)
		again(s, MS);
}

static void open_busy(struct sim *s, uint64_t each)
{
	for (uint64_t i = 0; i < each && churn.n < churn.max; i++)
		connect_one(s, false);
	if (churn.n < churn.max)
		again(s, MS);
}

static void run_until(uint64_t at)
{
	while (sim_elapsed(&sim) < at && sim_step(&sim))
		;
}

static void set_churn(struct sim *s)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct host *h = &s->host[i];

		h->handler = &visit_handler;
		h->conf.max_connections = churn.idle + 40000;
		h->conf.max_half_open = 16384;
		h->conf.max_time_wait = churn.max + 1000;
		h->conf.block_bytes = 256 * MIB;
		h->conf.rst_rate = 100000;
		h->tcp.port_low = 1024;
		h->tcp.keepalive = true; /* a reset may be lost */
		h->tcp.keepalive_idle = 10 * SEC;
		h->tcp.keepalive_intvl = SEC;
	}
	sim_path(s, 1e9, 10 * MS, 0);
	s->wire.link[0].conf.loss = s->wire.link[1].conf.loss = 0.01;
	s->check_every = 1 << 18;
}

static void same_counts(const struct engine_usage *a, const struct engine_usage *b)
{
	assert_int_equal(a->connections, b->connections);
	assert_int_equal(a->half_open, b->half_open);
	assert_int_equal(a->time_wait, b->time_wait);
	assert_int_equal(a->block_bytes, b->block_bytes);
	assert_int_equal(a->timers, b->timers);
	assert_int_equal(a->mbufs_held, b->mbufs_held);
}

/* Idle ones are there, others come and go, 1 % is lost: then it is as it was before, and at last nothing. */
static void SIM_12_churn_beside_idle_connections(void **state)
{
	const uint64_t each = 1;
	struct engine_usage before[2], after[2];

	churn.idle = IDLE;
	churn.max = churn.idle + (unsigned int)(rows_churn() / MS * each);
	churn.v = calloc(churn.max, sizeof(*churn.v));
	for (unsigned int i = 0; i < ECHO_MAX; i++)
		echo_pattern[i] = (uint8_t)(i * 7 + i / 251);
	sim_init(&sim, 1);
	set_churn(&sim);
	sim_at(&sim, MS, open_idle, IDLE / 500);
	sim_open(&sim);
	run_until(10 * SEC);
	for (unsigned int i = 0; i < 2; i++)
		engine_usage(sim.host[i].e, &before[i]);
	assert_int_equal(before[CLIENT].connections, churn.idle);
	assert_int_equal(before[SERVER].connections, churn.idle);
	sim.n_actions = sim.next_action = 0;
	sim_at(&sim, sim_elapsed(&sim), open_busy, each);
	run_until(10 * SEC + rows_churn() + SETTLE - SEC);
	assert_int_equal(churn.n, churn.max);
	for (unsigned int i = 0; i < 2; i++) {
		engine_usage(sim.host[i].e, &after[i]);
		same_counts(&before[i], &after[i]);
	}
	run_until(10 * SEC + rows_churn() + 3 * SETTLE);
	print_message("%u idle, %u come and gone, %u reset, %u never opened\n", churn.idle,
		      churn.max - churn.idle, churn.aborted, churn.refused);
	for (unsigned int i = 0; i < churn.max; i++)
		assert_true(churn.v[i].closed);
	assert_true(churn.aborted > 0);
	assert_int_equal(churn.closed, churn.opened + churn.refused);
	oracle_end(&sim);
	sim_close(&sim);
	free(churn.v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW_TEST(long_fat_path),
		ROW_TEST(SIM_12_churn_beside_idle_connections),
	};

	return cmocka_run_group_tests(tests, rows_setup, NULL);
}
