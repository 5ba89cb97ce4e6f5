/*
 * The fake host: see fake_host.h.
 */
#include "fake_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/option.h"

#define TURNS_MAX 10000000
#define OFFER_MAX 64 /* slices in one call of data() */

int64_t fake_clock = 784111777; /* the example of RFC 9110 section 5.6.7 */

/* Takes the place of libc's in the whole program. */
int clock_gettime(clockid_t id, struct timespec *ts)
{
	*ts = (struct timespec){ .tv_sec = (time_t)fake_clock };
	return 0;
}

/* A received block, and who holds it: the host while a callback runs, then the handler. */
struct block {
	unsigned int refs;
	char data[];
};

static unsigned int blocks_alive;
static struct fake_host *hosts; /* the newest first */
static uint64_t last_id;

static void block_release(void *owner)
{
	struct block *b = owner;

	assert_true(b->refs > 0);
	if (--b->refs == 0) {
		free(b);
		blocks_alive--;
	}
}

static void block_hold(void *owner)
{
	((struct block *)owner)->refs++;
}

static struct fake_host *host(struct pier_conn *c)
{
	return c->host;
}

static size_t fake_room(struct pier_conn *c)
{
	struct fake_host *f = host(c);

	return f->shut ? 0 : f->capacity - f->queued;
}

static size_t fake_send(struct pier_conn *c, const void *data, size_t len)
{
	struct fake_host *f = host(c);
	size_t n = len < fake_room(c) ? len : fake_room(c);

	f->sends++;
	if (f->out_len + n >= f->out_size) {
		f->out_size = 2 * (f->out_len + n + 1);
		f->out = realloc(f->out, f->out_size);
		assert_non_null(f->out);
	}
	if (n)
		memcpy(f->out + f->out_len, data, n);
	f->out_len += n;
	f->out[f->out_len] = 0;
	f->queued += n;
	if (n < len)
		f->want_writable = true;
	return n;
}

/* Asserts that bytes with a known sum are those it was made of. */
static size_t fake_send_summed(struct pier_conn *c, const void *data, size_t len, uint32_t *sum)
{
	uint32_t now = (uint32_t)len;

	for (size_t i = 0; i < len; i++)
		now = now * 31 + ((const uint8_t *)data)[i];
	now |= 1;
	if (*sum)
		assert_int_equal(*sum, now);
	*sum = now;
	return fake_send(c, data, len);
}

static size_t fake_send_static(struct pier_conn *c, const void *data, size_t len)
{
	struct fake_host *f = host(c);
	size_t at = f->out_len, n = fake_send(c, data, len);

	if (f->runs_n == f->runs_size) {
		f->runs_size = 2 * f->runs_size + 16;
		f->runs = realloc(f->runs, f->runs_size * sizeof(*f->runs));
		assert_non_null(f->runs);
	}
	f->runs[f->runs_n++] = (struct static_run){ data, n, at };
	return n;
}

static size_t fake_send_slices(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	size_t total = 0, sent;

	for (unsigned int i = 0; i < n; i++) {
		sent = fake_send(c, s[i].data, s[i].len);
		total += sent;
		if (sent < s[i].len)
			break;
	}
	return total;
}

static void fake_want_writable(struct pier_conn *c)
{
	host(c)->want_writable = true;
}

static void fake_resume(struct pier_conn *c)
{
	host(c)->resumed = true;
}

static void fake_shutdown(struct pier_conn *c)
{
	host(c)->shut = true;
}

static void fake_close(struct pier_conn *c)
{
	host(c)->shut = host(c)->closing = true;
}

static void fake_abort(struct pier_conn *c)
{
	host(c)->rst = host(c)->aborted = true;
	host(c)->queued = 0;
	fake_close(c);
}

static void fake_set_timer(struct pier_conn *c, uint64_t delay_us)
{
	host(c)->timer = delay_us ? c->now + delay_us : 0;
}

static void fake_info(struct pier_conn *c, struct pier_info *info)
{
	*info = host(c)->info;
}

static bool fake_tcp_info(struct pier_conn *c, struct pier_tcp_info *info, size_t size)
{
	struct pier_tcp_info full = {
		.retransmits = host(c)->retransmits,
		.queued = host(c)->queued,
		.congestion = "cubic",
	};

	memcpy(info, &full, size);
	return true;
}

static bool fake_get(struct pier_conn *from, uint64_t id, struct pier_conn *c)
{
	for (struct fake_host *f = hosts; f; f = f->next)
		if (f->conn.id == id && !f->closes) {
			*c = f->conn;
			c->now = from->now;
			return true;
		}
	return false;
}

static int fake_connect(struct pier_conn *from, const struct pier_connect *to, uint64_t *id);

static void fake_set_nodelay(struct pier_conn *c, bool on)
{
	host(c)->nodelay = on;
}

static bool fake_set_dscp(struct pier_conn *c, unsigned int dscp)
{
	host(c)->dscp = dscp;
	return true;
}

static bool fake_set_buffers(struct pier_conn *c, size_t rcv, size_t snd)
{
	struct fake_host *f = host(c);

	if (f->buffer_max && (rcv > f->buffer_max || snd > f->buffer_max))
		return false;
	f->rcvbuf = rcv;
	f->sndbuf = snd;
	return true;
}

static bool fake_set_mss(struct pier_conn *c, unsigned int mss)
{
	host(c)->mss = mss;
	return true;
}

static const struct pier_calls calls = {
	.send = fake_send,
	.send_summed = fake_send_summed,
	.send_static = fake_send_static,
	.send_slices = fake_send_slices,
	.room = fake_room,
	.want_writable = fake_want_writable,
	.resume = fake_resume,
	.shutdown = fake_shutdown,
	.close = fake_close,
	.abort = fake_abort,
	.set_timer = fake_set_timer,
	.hold = block_hold,
	.release = block_release,
	.info = fake_info,
	.get = fake_get,
	.connect = fake_connect,
	.set_nodelay = fake_set_nodelay,
	.set_dscp = fake_set_dscp,
	.tcp_info = fake_tcp_info,
	.set_buffers = fake_set_buffers,
	.set_mss = fake_set_mss,
};

void *fake_settings(const struct pier_handler *handler, const char *config)
{
	char *copy, *line, *value, *rest, err[200];
	void *settings;

	if (!handler->options)
		return NULL;
	settings = calloc(1, handler->options->size);
	assert_non_null(settings);
	option_defaults(handler->options, settings);
	copy = rest = strdup(config ? config : "");
	while ((line = strsep(&rest, "\n"))) {
		if (!*line)
			continue;
		value = strchr(line, '=');
		assert_non_null(value);
		*value++ = 0;
		assert_non_null(option_find(handler->options, line));
		if (!option_parse(option_find(handler->options, line), settings, value, err,
				  sizeof(err)))
			fail_msg("%s: %s", line, err);
	}
	free(copy);
	return settings;
}

void fake_settings_free(const struct pier_handler *handler, void *settings)
{
	if (!settings)
		return;
	option_free(handler->options, settings);
	free(settings);
}

static void end(struct fake_host *f, enum pier_close_reason why)
{
	f->closes++;
	f->timer = 0;
	f->why = why;
	if (f->handler->close)
		f->handler->close(&f->conn, why);
}

/* close is called once, when the callback that asked for it has returned. */
static bool end_callback(struct fake_host *f)
{
	if (!f->closing || f->closes)
		return false;
	if (f->rx_len && !f->pending)
		f->rst = true;
	end(f, f->aborted ? PIER_CLOSE_ABORT : PIER_CLOSE_NORMAL);
	return true;
}

static struct fake_host *make(const struct pier_handler *handler, void *settings, bool lent,
			      size_t capacity, size_t slice_len)
{
	struct fake_host *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->handler = handler;
	f->settings = settings;
	f->lent = lent;
	f->capacity = f->rate = capacity;
	f->slice_len = slice_len;
	f->out_size = 1;
	f->out = calloc(1, 1);
	f->conn.calls = &calls;
	f->conn.host = f;
	f->conn.id = ++last_id;
	f->conn.ctx = handler->ctx_size ? calloc(1, handler->ctx_size) : NULL;
	f->conn.settings = f->settings;
	f->conn.now = 1000;
	f->next = hosts;
	hosts = f;
	return f;
}

static struct fake_host *start(const struct pier_handler *handler, void *settings, bool lent,
			       size_t capacity, size_t slice_len)
{
	struct fake_host *f = make(handler, settings, lent, capacity, slice_len);

	f->opens++;
	if (handler->open)
		handler->open(&f->conn);
	end_callback(f);
	return f;
}

static int fake_connect(struct pier_conn *from, const struct pier_connect *to, uint64_t *id)
{
	struct fake_host *by = host(from), *f;

	if (by->connect_error)
		return by->connect_error;
	f = make(by->handler, by->settings, true, by->capacity, by->slice_len);
	f->pending = true;
	f->to = *to;
	f->conn.now = from->now;
	if (f->conn.ctx)
		memcpy(f->conn.ctx, &to->ctx, f->handler->ctx_size < sizeof(to->ctx)
		       ? f->handler->ctx_size : sizeof(to->ctx));
	*id = f->conn.id;
	return 0;
}

struct fake_host *fake_opened(unsigned int n)
{
	unsigned int all = 0;

	for (struct fake_host *f = hosts; f; f = f->next)
		all += f->to.remote_port != 0;
	for (struct fake_host *f = hosts; f; f = f->next)
		if (f->to.remote_port && --all == n)
			return f;
	return NULL;
}

void fake_answer(struct fake_host *f)
{
	assert_true(f->pending && !f->closes);
	f->pending = false;
	f->opens++;
	if (f->handler->open)
		f->handler->open(&f->conn);
	end_callback(f);
}

void fake_end(struct fake_host *f, enum pier_close_reason why)
{
	assert_int_equal(f->closes, 0);
	f->shut = true;
	f->queued = f->rx_len = 0;
	end(f, why);
}

void fake_drain(struct fake_host *f)
{
	if (f->closes || f->closing || f->want_writable || f->queued || f->rx_len)
		return;
	if (f->handler->drain && f->handler->drain(&f->conn))
		return;
	pier_close(&f->conn);
	end(f, PIER_CLOSE_SHUTDOWN);
}

struct fake_host *fake_new_limited(const struct pier_handler *handler, const char *config,
				   size_t capacity, size_t slice_len)
{
	void *settings = fake_settings(handler, config);
	char err[200] = "";

	if (handler->setup && !handler->setup(settings, err, sizeof(err)))
		fail_msg("setup: %s", err);
	return start(handler, settings, false, capacity, slice_len);
}

struct fake_host *fake_with(const struct pier_handler *handler, void *settings, size_t capacity,
			    size_t slice_len)
{
	return start(handler, settings, true, capacity, slice_len);
}

struct fake_host *fake_beside(const struct fake_host *f)
{
	return start(f->handler, f->settings, true, f->capacity, f->slice_len);
}

struct fake_host *fake_new(const struct pier_handler *handler, const char *config)
{
	return fake_new_limited(handler, config, 1 << 20, 1460);
}

void fake_input(struct fake_host *f, const void *data, size_t len)
{
	assert_false(f->fin);
	if (f->closes) {
		f->rst |= len > 0;
		return;
	}
	f->rx = realloc(f->rx, f->rx_len + len + 1);
	assert_non_null(f->rx);
	memcpy(f->rx + f->rx_len, data, len);
	f->rx_len += len;
	f->news = true;
}

void fake_fin(struct fake_host *f)
{
	f->fin = true;
}

/* Offer what is there, in slices, and as a receive buffer would no more than so many at a time. */
static void deliver(struct fake_host *f)
{
	size_t offered = f->rx_len < OFFER_MAX * f->slice_len ? f->rx_len : OFFER_MAX * f->slice_len;
	size_t n = (offered + f->slice_len - 1) / f->slice_len, taken = offered, len;
	struct pier_slice *s = calloc(n, sizeof(*s));
	struct block *b;

	assert_non_null(s);
	for (size_t i = 0; i < n; i++) {
		len = i + 1 < n ? f->slice_len : offered - i * f->slice_len;
		b = malloc(sizeof(*b) + len);
		assert_non_null(b);
		b->refs = 1;
		blocks_alive++;
		memcpy(b->data, f->rx + i * f->slice_len, len);
		s[i] = (struct pier_slice){ b->data, (uint32_t)len, b };
	}
	f->datas++;
	if (f->handler->data)
		taken = f->handler->data(&f->conn, s, (unsigned int)n);
	assert_true(taken <= offered);
	for (size_t i = 0; i < n; i++)
		block_release(s[i].owner);
	free(s);
	f->taken += taken;
	f->rx_len -= taken;
	f->news |= taken == offered && f->rx_len;
	memmove(f->rx, f->rx + taken, f->rx_len);
}

static bool turn_writable(struct fake_host *f)
{
	if (!f->want_writable || f->shut || !fake_room(&f->conn))
		return false;
	f->want_writable = false;
	f->writables++;
	if (f->handler->writable)
		f->handler->writable(&f->conn, fake_room(&f->conn));
	return true;
}

static bool turn_data(struct fake_host *f)
{
	bool call = f->rx_len && (f->news || f->resumed);

	f->news = f->resumed = false;
	if (call)
		deliver(f);
	return call;
}

static bool turn_eof(struct fake_host *f)
{
	if (!f->fin || f->rx_len || f->eofs)
		return false;
	f->eofs++;
	if (f->handler->eof)
		f->handler->eof(&f->conn);
	else
		pier_close(&f->conn);
	return true;
}

bool fake_turn(struct fake_host *f)
{
	size_t leave = f->queued < f->rate ? f->queued : f->rate;
	bool busy = leave > 0;

	f->turns++;
	if (f->pending)
		return end_callback(f); /* another's callback gave it up */
	f->queued -= leave;
	if (f->closes)
		return busy;
	busy |= end_callback(f);
	if (f->closes)
		return busy;
	busy |= turn_writable(f);
	busy |= end_callback(f);
	if (!f->closes)
		busy |= turn_data(f);
	busy |= end_callback(f);
	if (!f->closes)
		busy |= turn_eof(f);
	busy |= end_callback(f);
	return busy;
}

void fake_run(struct fake_host *f)
{
	for (int i = 0; fake_turn(f); i++)
		assert_true(i < TURNS_MAX);
}

void fake_run_all(void)
{
	bool busy = true;

	for (int i = 0; busy; i++) {
		assert_true(i < TURNS_MAX);
		busy = false;
		for (struct fake_host *f = hosts; f; f = f->next)
			busy |= fake_turn(f);
	}
}

void fake_wait(struct fake_host *f, uint64_t us)
{
	f->conn.now += us;
	if (!f->timer || f->timer > f->conn.now || f->closes)
		return;
	f->timer = 0;
	if (f->handler->timer)
		f->handler->timer(&f->conn);
	end_callback(f);
}

void fake_wait_all(uint64_t us)
{
	for (struct fake_host *f = hosts; f; f = f->next)
		f->conn.now += us;
	for (struct fake_host *f = hosts; f; f = f->next)
		fake_wait(f, 0);
	fake_run_all();
}

struct stat_query {
	const char *name;
	uint64_t value;
};

static void take_stat(void *arg, const char *name, uint64_t value)
{
	struct stat_query *q = arg;

	if (!strcmp(name, q->name))
		q->value = value;
}

uint64_t fake_stat(const struct pier_handler *handler, const void *settings, const char *name)
{
	struct stat_query q = {name, UINT64_MAX};

	handler->stats(settings, take_stat, &q);
	return q.value;
}

void fake_free(struct fake_host *f)
{
	struct fake_host **at = &hosts;

	if (!f->closes)
		end(f, PIER_CLOSE_SHUTDOWN);
	assert_int_equal(f->closes, 1);
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	assert_int_equal(blocks_alive, 0);
	for (size_t i = 0; i < f->runs_n; i++)
		assert_memory_equal(f->runs[i].data, f->out + f->runs[i].at, f->runs[i].len);
	if (f->handler->teardown && !f->lent)
		f->handler->teardown(f->settings);
	if (!f->lent)
		fake_settings_free(f->handler, f->settings);
	free(f->conn.ctx);
	free(f->runs);
	free(f->rx);
	free(f->out);
	free(f);
}
