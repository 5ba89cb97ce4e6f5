/*
 * iperf3's server: the iperf3 client measures TCP against pier as against its own server.
 *
 * A connection begins with a cookie. One that no test awaits opens a control connection (iperf3_ctl.c), one that
 * a test awaits is a data stream of that test, on whatever worker its addresses and ports took it to. Data
 * that comes is counted and thrown away; what is sent is a constant buffer, by reference. Several tests run at
 * a time, up to max-tests.
 *
 * A stream learns of its test's phases by looking: at each callback, and by a timer, each millisecond before
 * the test and when it is paced, each POLL_US while it runs.
 */
#include <stdio.h>
#include <string.h>

#include "iperf3_session.h"

#define US        1000000ull
#define MS        1000
#define POLL_US   (10 * MS)
#define RATE_MAX  (1ull << 43) /* octets a second: products with microseconds stay within 64 bits */
#define FILL_MAX  8 /* sends of IPERF3_PAYLOAD at most in one callback */

static const struct iperf3_settings *settings(const struct pier_conn *c)
{
	return c->settings;
}

/* ---- data streams ---- */

static struct iperf3_stream *line_of(const struct iperf3_conn *x)
{
	return &x->s->stream[x->index];
}

/* Octets that may leave until now by the rate that was asked for; whole units. */
static uint64_t due(const struct pier_conn *c, const struct iperf3_conn *x)
{
	const uint64_t us = c->now - x->began;
	const uint64_t octets = us / US * x->rate + us % US * x->rate / US;

	return (octets / x->unit + 1) * x->unit - x->bytes;
}

static void fill(struct pier_conn *c, struct iperf3_conn *x)
{
	const char *payload = settings(c)->table->payload[x->s->params.repeating];
	uint64_t left = x->rate ? due(c, x) : UINT64_MAX;
	size_t want, sent = 0;

	for (int i = 0; i < FILL_MAX && left; i++) {
		want = min_of((uint64_t)(IPERF3_PAYLOAD - x->at), left);
		sent = pier_send_static(c, payload + x->at, want);
		x->at = (uint32_t)((x->at + sent) % IPERF3_PAYLOAD);
		x->bytes += sent;
		left -= sent;
		if (sent < want)
			break;
	}
	if (left && sent == want)
		pier_want_writable(c);
	share_put(&line_of(x)->bytes, x->bytes);
}

/* What its TCP counted, where the control connection can see it. */
static void tell(struct pier_conn *c, struct iperf3_conn *x)
{
	struct pier_tcp_info info;

	if (x->sends && pier_get_tcp_info(c, &info))
		share_put(&line_of(x)->retransmits, info.retransmits);
}

static void begin(struct pier_conn *c, struct iperf3_conn *x)
{
	const struct iperf3_params *p = &x->s->params;

	x->running = true;
	x->sends = x->s->share[x->index].sends;
	x->bytes = 0;
	x->began = c->now;
	x->rate = min_of((p->rate + 7) / 8, RATE_MAX);
	x->unit = p->block * (p->burst ? p->burst : 1);
	x->at = 0;
	if (p->nodelay)
		pier_set_nodelay(c, true);
	if (p->tos)
		pier_set_dscp(c, p->tos >> 2);
	tell(c, x);
}

/* See where the test is, and do what that asks for. */
static enum iperf3_phase look(struct pier_conn *c, struct iperf3_conn *x)
{
	const enum iperf3_phase phase = iperf3_phase(x->s);

	if ((phase == PHASE_RUN || phase == PHASE_ENDED) && !x->running)
		begin(c, x);
	if (phase == PHASE_ABORTED)
		pier_abort(c);
	else if (phase == PHASE_CLOSED || (phase == PHASE_ENDED && x->sends))
		pier_close(c);
	return phase;
}

static void stream_timer(struct pier_conn *c, struct iperf3_conn *x)
{
	const bool idle = !x->running;

	pier_set_timer(c, !x->running || x->rate ? MS : POLL_US);
	tell(c, x);
	if (look(c, x) == PHASE_RUN && x->sends && (idle || x->rate))
		fill(c, x);
	if (idle && x->running)
		pier_set_timer(c, x->sends && x->rate ? MS : POLL_US);
}

/*
 * -w and -M. The control connection has seen that the window is allowed, but what is left for windows may not
 * do for all streams. False: this one has the listener's.
 */
static bool size(struct pier_conn *c, const struct iperf3_params *p)
{
	if (p->mss)
		pier_set_mss(c, p->mss);
	return !p->window || pier_set_buffers(c, p->window, p->window);
}

static void join(struct pier_conn *c, struct iperf3_conn *x, struct iperf3_session *s, uint16_t index)
{
	struct iperf3_stream *line = &s->stream[index];
	struct pier_info info;

	x->kind = KIND_STREAM;
	x->s = s;
	x->index = index;
	x->bytes = 0;
	x->rate = 0;
	line->narrow = !size(c, &s->params);
	pier_get_info(c, &info);
	memcpy(line->remote, info.remote_addr, 16);
	memcpy(line->local, info.local_addr, 16);
	line->remote_port = info.remote_port;
	line->local_port = info.local_port;
	line->ticket = x->ticket;
	__atomic_store_n(&line->ready, 1, __ATOMIC_RELEASE);
	pier_set_timer(c, MS);
}

static void stream_input(struct pier_conn *c, struct iperf3_conn *x, size_t len)
{
	const enum iperf3_phase phase = look(c, x);

	if (x->sends || (phase != PHASE_RUN && phase != PHASE_ENDED))
		return;
	x->bytes += len;
	share_put(&line_of(x)->bytes, x->bytes);
}

/* ---- callbacks ---- */

/* All of the cookie is there: what is the connection? */
static void sort(struct pier_conn *c, struct iperf3_conn *x)
{
	struct iperf3_session *s;
	uint16_t index;

	switch (iperf3_session_join(settings(c)->table, x->cookie, &s, &index)) {
	case JOIN_DONE:
		join(c, x, s, index);
		break;
	case JOIN_REFUSED:
		iperf3_deny(c, x);
		break;
	case JOIN_UNKNOWN:
		iperf3_ctl_open(c, x);
	}
}

static void iperf3_open(struct pier_conn *c)
{
	struct iperf3_conn *x = c->ctx;

	x->ticket = __atomic_fetch_add(&settings(c)->table->tickets->next, 1, __ATOMIC_RELAXED);
	pier_set_timer(c, settings(c)->setup_timeout);
}

static void take(struct pier_conn *c, struct iperf3_conn *x, const char *data, size_t len)
{
	size_t n;

	if (x->kind == KIND_NEW) {
		n = min_of(len, (size_t)(IPERF3_COOKIE - x->got));
		memcpy(x->cookie + x->got, data, n);
		x->got += (uint8_t)n;
		data += n;
		len -= n;
		if (x->got == IPERF3_COOKIE)
			sort(c, x);
	}
	if (!len)
		return;
	if (x->kind == KIND_STREAM)
		stream_input(c, x, len);
	else if (x->kind == KIND_CONTROL)
		iperf3_ctl_input(c, x, data, len);
}

static size_t iperf3_data(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	struct iperf3_conn *x = c->ctx;
	size_t total = 0;

	for (unsigned int i = 0; i < n; i++)
		total += s[i].len;
	if (likely(x->kind == KIND_STREAM)) {
		stream_input(c, x, total);
		return total;
	}
	for (unsigned int i = 0; i < n; i++)
		take(c, x, s[i].data, s[i].len);
	return total;
}

static void iperf3_writable(struct pier_conn *c, size_t room)
{
	struct iperf3_conn *x = c->ctx;

	if (x->kind == KIND_CONTROL)
		iperf3_ctl_writable(c, x);
	else if (x->kind == KIND_STREAM && look(c, x) == PHASE_RUN && x->sends)
		fill(c, x);
}

static void iperf3_timer(struct pier_conn *c)
{
	struct iperf3_conn *x = c->ctx;

	if (x->kind == KIND_STREAM)
		stream_timer(c, x);
	else if (x->kind == KIND_CONTROL)
		iperf3_ctl_timer(c, x);
	else
		pier_close(c); /* no cookie came, or the peer does not close */
}

static void iperf3_eof(struct pier_conn *c)
{
	struct iperf3_conn *x = c->ctx;

	if (x->kind == KIND_CONTROL)
		iperf3_ctl_eof(c, x);
	else
		pier_close(c);
}

/*
 * The server stops: the client is told, and the streams end with the test, not before: one that is reset first
 * would be what the client reports.
 */
static bool iperf3_drain(struct pier_conn *c)
{
	struct iperf3_conn *x = c->ctx;

	if (x->kind == KIND_CONTROL)
		iperf3_ctl_drain(c, x);
	return x->kind == KIND_CONTROL || x->kind == KIND_STREAM;
}

static void stream_close(struct pier_conn *c, struct iperf3_conn *x, enum pier_close_reason why)
{
	const bool lost = why != PIER_CLOSE_NORMAL && why != PIER_CLOSE_ABORT && why != PIER_CLOSE_SHUTDOWN;

	share_put(&line_of(x)->fate, lost ? FATE_LOST : FATE_CLOSED);
	iperf3_session_unref(x->s);
}

static void iperf3_close(struct pier_conn *c, enum pier_close_reason why)
{
	struct iperf3_conn *x = c->ctx;

	if (x->kind == KIND_STREAM)
		stream_close(c, x, why);
	else if (x->kind == KIND_CONTROL)
		iperf3_ctl_close(c, x);
}

/* ---- settings ---- */

#define AT(field) offsetof(struct iperf3_settings, field)

static const struct option options[] = {
	{"max-tests", OPTION_U32, AT(max_tests), 1, 4096, .def = "64",
	 .help = "tests at a time; a client beyond is told that the server is busy"},
	{"setup-timeout", OPTION_DURATION, AT(setup_timeout), 1 * MS * 100, 3600 * US, .def = "30s",
	 .help = "time for each step of a test but its running, for each stream to come, and beyond the time that the client asked for"},
	{"idle-timeout", OPTION_DURATION, AT(idle_timeout), US, 86400 * US, .def = "120s",
	 .help = "a running test in which nothing moves for so long is ended"},
};

static const struct option_table table = {
	.section = "listen",
	.help = "Settings of the iperf3 handler",
	.options = options,
	.n = ARRAY_SIZE(options),
	.size = sizeof(struct iperf3_settings),
};

static bool iperf3_setup(void *at, char *err, size_t errlen)
{
	struct iperf3_settings *set = at;

	set->table = iperf3_table_make(set->max_tests);
	if (!set->table)
		snprintf(err, errlen, "no memory for %u tests", set->max_tests);
	return set->table;
}

static void iperf3_teardown(void *at)
{
	struct iperf3_settings *set = at;

	iperf3_table_free(set->table);
	set->table = NULL;
}

static void iperf3_stats(const void *at, pier_stat *add, void *arg)
{
	static const char *const names[COUNTS] = {"tests", "tests_failed", "tests_vanished", "denied", "streams",
						  "received_bytes", "sent_bytes"};
	const struct iperf3_table *t = ((const struct iperf3_settings *)at)->table;
	uint64_t busy = 0;

	for (int i = 0; i < COUNTS; i++)
		add(arg, names[i], share_get(&t->count[i]));
	for (uint32_t i = 0; i < t->n; i++)
		busy += iperf3_phase(&t->session[i]) != PHASE_FREE;
	add(arg, "tests_open", busy);
}

const struct pier_handler handler_iperf3 = {
	.abi = PIER_HANDLER_ABI,
	.size = sizeof(struct pier_handler),
	.name = "iperf3",
	.summary = "server for the iperf3 client, 3.12 and later, TCP",
	.ctx_size = sizeof(struct iperf3_conn),
	.options = &table,
	.setup = iperf3_setup,
	.teardown = iperf3_teardown,
	.open = iperf3_open,
	.data = iperf3_data,
	.writable = iperf3_writable,
	.eof = iperf3_eof,
	.close = iperf3_close,
	.timer = iperf3_timer,
	.stats = iperf3_stats,
	.drain = iperf3_drain,
};
