/*
 * The control connection of an iperf3 test: it takes the test through its steps, and tells the streams by
 * the session's phase. See handlers/iperf3_msg.h for the order of messages.
 *
 * What goes wrong is told to the client by an error number of iperf3's own (SERVER_ERROR), after which the
 * streams are reset and what the client still sends is read and thrown away: a RST would overtake the error.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "iperf3_session.h"

#define US            1000000ull
#define JOIN_POLL_US  1000
#define RUN_POLL_US   (100 * 1000)
#define LINGER_US     (2 * US)
#define INTERVAL_US   US
#define LATE_US       (5 * US) /* without a byte of those that are waited for */

static const struct iperf3_settings *settings(const struct pier_conn *c)
{
	return c->settings;
}

/* ---- what is sent ---- */

static void flush(struct pier_conn *c, struct iperf3_ctl *ctl)
{
	while (ctl->out_at < ctl->out_len) {
		size_t n = pier_send(c, ctl->out + ctl->out_at, ctl->out_len - ctl->out_at);

		if (!n)
			return;
		ctl->out_at += n;
	}
	ctl->out_at = ctl->out_len = 0;
	if (ctl->step == STEP_OVER && !ctl->shut) {
		ctl->shut = true;
		pier_shutdown(c);
	}
}

static void say(struct pier_conn *c, struct iperf3_ctl *ctl, const void *data, size_t len)
{
	char *out = realloc(ctl->out, ctl->out_len + len);

	if (!out) {
		pier_abort(c);
		return;
	}
	ctl->out = out;
	memcpy(out + ctl->out_len, data, len);
	ctl->out_len += len;
	flush(c, ctl);
}

static void say_state(struct pier_conn *c, struct iperf3_ctl *ctl, enum iperf3_state state)
{
	const int8_t octet = (int8_t)state;

	say(c, ctl, &octet, 1);
}

static void step(struct pier_conn *c, struct iperf3_ctl *ctl, enum iperf3_step next, uint64_t timeout)
{
	ctl->step = next;
	ctl->deadline = c->now + timeout;
	pier_set_timer(c, timeout);
}

/* The streams end, and FIN goes behind what was said. */
static void over(struct pier_conn *c, struct iperf3_session *s, enum iperf3_phase phase)
{
	if (s->ctl.step == STEP_OVER)
		return;
	iperf3_phase_set(s, phase);
	step(c, &s->ctl, STEP_OVER, LINGER_US);
	flush(c, &s->ctl);
}

static void fail(struct pier_conn *c, struct iperf3_session *s, enum iperf3_error error)
{
	const uint8_t text[9] = {(uint8_t)IPERF3_SERVER_ERROR, 0, 0, (uint8_t)(error >> 8), (uint8_t)error};

	s->ctl.failed = true;
	iperf3_count(settings(c), COUNT_FAILED, 1);
	say(c, &s->ctl, text, sizeof(text));
	over(c, s, PHASE_ABORTED);
}

void iperf3_deny(struct pier_conn *c, struct iperf3_conn *x)
{
	const int8_t octet = IPERF3_ACCESS_DENIED;

	iperf3_count(settings(c), COUNT_DENIED, 1);
	x->kind = KIND_OVER;
	pier_send(c, &octet, 1);
	pier_shutdown(c);
	pier_set_timer(c, LINGER_US);
}

void iperf3_ctl_open(struct pier_conn *c, struct iperf3_conn *x)
{
	x->s = iperf3_session_take(settings(c)->table, x->cookie);
	if (!x->s) {
		iperf3_deny(c, x);
		return;
	}
	x->kind = KIND_CONTROL;
	pier_set_nodelay(c, true);
	step(c, &x->s->ctl, STEP_PARAMS, settings(c)->setup_timeout);
	say_state(c, &x->s->ctl, IPERF3_PARAM_EXCHANGE);
}

/* ---- the steps ---- */

/*
 * -w: what this listener may not have its streams may not have either, and as with iperf3's own server that
 * is an error. What is less than the least is the least.
 */
static bool window_ok(struct pier_conn *c, struct iperf3_params *p)
{
	if (!p->window)
		return true;
	p->window = max_of(p->window, (uint32_t)PIER_BUFFER_MIN);
	return pier_set_buffers(c, p->window, p->window) && pier_set_buffers(c, 0, 0);
}

static void take_params(struct pier_conn *c, struct iperf3_session *s)
{
	struct iperf3_ctl *ctl = &s->ctl;
	enum iperf3_error error = iperf3_params_read(ctl->frame.text, ctl->frame.len, &s->params);

	iperf3_frame_free(&ctl->frame);
	if (!error && !window_ok(c, &s->params))
		error = IPERF3_E_BUFFER_SET;
	if (!error && !iperf3_session_size(s, s->params.parallel * (s->params.both ? 2 : 1)))
		error = IPERF3_E_NEW_TEST;
	if (error) {
		fail(c, s, error);
		return;
	}
	if (s->params.server_output)
		iperf3_report_begin(c, s);
	step(c, ctl, STEP_STREAMS, settings(c)->setup_timeout);
	pier_set_timer(c, JOIN_POLL_US);
	iperf3_phase_set(s, PHASE_CREATE);
	say_state(c, ctl, IPERF3_CREATE_STREAMS);
}

/* CPU time of the process so far: a worker that polls uses all of its CPU, whatever it does. */
static void cpu_now(uint64_t *user, uint64_t *sys)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	*user = (uint64_t)use.ru_utime.tv_sec * US + (uint64_t)use.ru_utime.tv_usec;
	*sys = (uint64_t)use.ru_stime.tv_sec * US + (uint64_t)use.ru_stime.tv_usec;
}

static void run(struct pier_conn *c, struct iperf3_session *s)
{
	static const int8_t start[] = {IPERF3_TEST_START, IPERF3_TEST_RUNNING};
	struct iperf3_ctl *ctl = &s->ctl;

	iperf3_session_order(s);
	iperf3_count(settings(c), COUNT_TESTS, 1);
	iperf3_count(settings(c), COUNT_STREAMS, s->n);
	ctl->counted = true;
	ctl->step = STEP_RUN;
	ctl->moved = 0;
	ctl->began = ctl->idle_since = ctl->interval_at = ctl->cpu_from = c->now;
	ctl->omit_at = s->params.omit_s ? c->now + s->params.omit_s * US : 0;
	ctl->deadline = UINT64_MAX;
	if (s->params.time_s)
		ctl->deadline = c->now + (s->params.time_s + s->params.omit_s) * US + settings(c)->setup_timeout;
	cpu_now(&ctl->cpu_user, &ctl->cpu_system);
	iperf3_phase_set(s, PHASE_RUN);
	pier_set_timer(c, RUN_POLL_US);
	say(c, ctl, start, sizeof(start));
}

/* Counting begins again: what came before does not count, on either side. */
static void end_omit(struct pier_conn *c, struct iperf3_session *s)
{
	struct iperf3_ctl *ctl = &s->ctl;

	for (uint32_t i = 0; i < s->n; i++) {
		s->share[i].skip = s->share[i].at = share_get(&s->stream[i].bytes);
		s->share[i].skip_again = share_get(&s->stream[i].retransmits);
	}
	ctl->omit_at = 0;
	ctl->began = ctl->interval_at = c->now;
}

/* What a test moved, once: as it ends, or ends before its time. */
static void sum_up(struct pier_conn *c, struct iperf3_session *s)
{
	if (s->ctl.summed || !s->ctl.began)
		return;
	s->ctl.summed = true;
	for (uint32_t i = 0; i < s->n; i++)
		iperf3_count(settings(c), s->share[i].sends ? COUNT_SENT : COUNT_RECEIVED,
			     share_get(&s->stream[i].bytes) - s->share[i].skip);
}

/* What streams have moved until now, and when it was last more than before. */
static void note_moved(struct pier_conn *c, struct iperf3_session *s)
{
	uint64_t moved = 0;

	for (uint32_t i = 0; i < s->n; i++)
		moved += share_get(&s->stream[i].bytes);
	if (moved != s->ctl.moved)
		s->ctl.idle_since = c->now;
	s->ctl.moved = moved;
}

/* The books of what was received, or of what was sent, are closed. */
static void close_books(struct iperf3_session *s, bool sends)
{
	for (uint32_t i = 0; i < s->n; i++) {
		struct iperf3_share *share = &s->share[i];

		if (share->sends != sends)
			continue;
		share->result.bytes = share_get(&s->stream[i].bytes) - share->skip;
		share->result.seconds = s->ctl.seconds;
	}
}

static void last_interval(struct iperf3_session *s)
{
	const double from = (double)(s->ctl.interval_at - s->ctl.began) / US;

	if (s->params.server_output && s->ctl.seconds > from)
		iperf3_report_interval(s, from, s->ctl.seconds);
}

/* -n, -k, and a file that was read to its end: not the time says that the client is done. */
static bool by_amount(const struct pier_conn *c, const struct iperf3_session *s)
{
	return !s->params.omit_s && (!s->params.time_s || c->now - s->ctl.began < s->params.time_s * US);
}

/*
 * The end of a test overtakes what the client's socket has not got rid of. Where time ended it that is not
 * counted; of an amount nothing must be missing.
 */
static void end_test(struct pier_conn *c, struct iperf3_session *s)
{
	struct iperf3_ctl *ctl = &s->ctl;

	ctl->seconds = (double)(c->now - ctl->began) / US;
	ctl->late = by_amount(c, s);
	note_moved(c, s);
	close_books(s, true);
	close_books(s, false);
	if (!ctl->late) {
		last_interval(s);
		sum_up(c, s);
	}
	iperf3_phase_set(s, PHASE_ENDED);
	step(c, ctl, STEP_RESULTS, settings(c)->setup_timeout);
	say_state(c, ctl, IPERF3_EXCHANGE_RESULTS);
}

static void own_results(struct pier_conn *c, struct iperf3_session *s, struct iperf3_results *r)
{
	struct iperf3_ctl *ctl = &s->ctl;
	const double wall = (double)(c->now - ctl->cpu_from) / 100;
	uint64_t user, sys;

	memset(r, 0, sizeof(*r));
	cpu_now(&user, &sys);
	if (wall > 0) {
		r->cpu_user = (double)(user - ctl->cpu_user) / wall;
		r->cpu_system = (double)(sys - ctl->cpu_system) / wall;
	}
	r->cpu_total = r->cpu_user + r->cpu_system;
	r->n = s->n;
	for (uint32_t i = 0; i < s->n; i++) {
		struct iperf3_share *share = &s->share[i];

		if (share->sends)
			share->result.retransmits =
				share_get(&s->stream[i].retransmits) - share->skip_again;
		r->sends |= share->sends;
		r->stream[share->rank] = share->result;
	}
}

/* All that the client says it has sent is here, as far as its streams are. */
static bool arrived(const struct iperf3_session *s, const struct iperf3_results *r)
{
	for (uint32_t i = 0; i < s->n; i++) {
		const struct iperf3_share *share = &s->share[i];
		const uint64_t bytes = share_get(&s->stream[i].bytes);

		if (share->sends || share_get(&s->stream[i].fate) != FATE_NONE)
			continue;
		for (uint32_t k = 0; k < r->n; k++)
			if (r->stream[k].id == share->result.id && bytes < r->stream[k].bytes)
				return false;
	}
	return true;
}

/* The client's results are here, and so is what it sent: r is freed. */
static void answer(struct pier_conn *c, struct iperf3_session *s, struct iperf3_results *r)
{
	struct iperf3_ctl *ctl = &s->ctl;
	struct pier_tcp_info info;
	char *text;
	size_t len;

	if (ctl->late) {
		ctl->seconds = max_of(ctl->seconds, (double)(ctl->idle_since - ctl->began) / US);
		close_books(s, false);
		last_interval(s);
		sum_up(c, s);
	}
	own_results(c, s, r);
	pier_get_tcp_info(c, &info);
	r->congestion = info.congestion;
	if (s->params.server_output) {
		iperf3_report_end(s);
		r->output = ctl->report.at;
	}
	text = iperf3_results_write(r, &len);
	free(r);
	if (!text) {
		fail(c, s, IPERF3_E_NEW_TEST);
		return;
	}
	say(c, ctl, text, len);
	free(text);
	step(c, ctl, STEP_DISPLAY, settings(c)->setup_timeout);
	say_state(c, ctl, IPERF3_DISPLAY_RESULTS);
}

static void take_results(struct pier_conn *c, struct iperf3_session *s)
{
	struct iperf3_results *r = malloc(sizeof(*r));
	struct iperf3_ctl *ctl = &s->ctl;

	if (!r || iperf3_results_read(ctl->frame.text, ctl->frame.len, r)) {
		free(r);
		iperf3_frame_free(&ctl->frame);
		fail(c, s, IPERF3_E_RECV_RESULTS);
		return;
	}
	iperf3_frame_free(&ctl->frame);
	note_moved(c, s);
	if (!ctl->late || arrived(s, r)) {
		answer(c, s, r);
		return;
	}
	ctl->results = r;
	step(c, ctl, STEP_ARRIVE, settings(c)->setup_timeout);
	pier_set_timer(c, JOIN_POLL_US);
}

/* What does not come for LATE_US, or has not come when time is over, is not waited for any longer. */
static void watch_arrival(struct pier_conn *c, struct iperf3_session *s)
{
	struct iperf3_ctl *ctl = &s->ctl;
	struct iperf3_results *r = ctl->results;
	const uint64_t from = ctl->deadline - settings(c)->setup_timeout;

	note_moved(c, s);
	if (!arrived(s, r) && c->now < ctl->deadline && c->now - max_of(ctl->idle_since, from) < LATE_US) {
		pier_set_timer(c, JOIN_POLL_US);
		return;
	}
	ctl->results = NULL;
	answer(c, s, r);
}

static void take_state(struct pier_conn *c, struct iperf3_session *s, int8_t state)
{
	if (state == IPERF3_DONE || state == IPERF3_CLIENT_TERMINATE)
		over(c, s, s->ctl.step == STEP_DISPLAY ? PHASE_CLOSED : PHASE_ABORTED);
	else if (state == IPERF3_TEST_END && s->ctl.step == STEP_RUN)
		end_test(c, s);
	else
		fail(c, s, IPERF3_E_MESSAGE);
}

/* A message that is JSON. Returns the octets taken. */
static size_t take_frame(struct pier_conn *c, struct iperf3_session *s, const char *p, size_t len)
{
	const bool params = s->ctl.step == STEP_PARAMS;
	size_t used;

	switch (iperf3_frame_feed(&s->ctl.frame, p, len, params ? IPERF3_PARAMS_MAX : IPERF3_RESULTS_MAX,
				  &used)) {
	case IPERF3_FRAME_MORE:
		break;
	case IPERF3_FRAME_BAD:
		fail(c, s, params ? IPERF3_E_RECV_PARAMS : IPERF3_E_RECV_RESULTS);
		break;
	case IPERF3_FRAME_WHOLE:
		if (params)
			take_params(c, s);
		else
			take_results(c, s);
	}
	return used;
}

void iperf3_ctl_input(struct pier_conn *c, struct iperf3_conn *x, const void *data, size_t len)
{
	struct iperf3_session *s = x->s;
	const char *p = data;

	while (len && s->ctl.step != STEP_OVER) {
		size_t used = 1;

		if (s->ctl.step == STEP_TOLD)
			return;
		if (s->ctl.step == STEP_PARAMS || s->ctl.step == STEP_RESULTS)
			used = take_frame(c, s, p, len);
		else
			take_state(c, s, (int8_t)*p);
		p += used;
		len -= used;
	}
}

void iperf3_ctl_writable(struct pier_conn *c, struct iperf3_conn *x)
{
	flush(c, &x->s->ctl);
}

/* ---- time ---- */

static enum iperf3_error watch_streams(struct pier_conn *c, struct iperf3_session *s)
{
	struct iperf3_ctl *ctl = &s->ctl;
	bool lost = ctl->lost;

	ctl->lost = false;
	for (uint32_t i = 0; i < s->n; i++) {
		if (share_get(&s->stream[i].fate) != FATE_LOST)
			continue;
		ctl->lost = true;
		if (lost) /* time enough for the client to say why */
			return s->share[i].sends ? IPERF3_E_STREAM_WRITE : IPERF3_E_STREAM_READ;
	}
	note_moved(c, s);
	return c->now - ctl->idle_since >= settings(c)->idle_timeout ? IPERF3_E_IDLE : IPERF3_OK;
}

static void watch_run(struct pier_conn *c, struct iperf3_session *s)
{
	struct iperf3_ctl *ctl = &s->ctl;
	enum iperf3_error error = watch_streams(c, s);
	uint64_t next = c->now + RUN_POLL_US;

	if (error || c->now >= ctl->deadline) {
		fail(c, s, error ? error : IPERF3_E_IDLE);
		return;
	}
	if (ctl->omit_at && c->now >= ctl->omit_at)
		end_omit(c, s);
	if (s->params.server_output && !ctl->omit_at && c->now - ctl->interval_at >= INTERVAL_US) {
		iperf3_report_interval(s, (double)(ctl->interval_at - ctl->began) / US,
				       (double)(c->now - ctl->began) / US);
		ctl->interval_at = c->now;
	}
	if (ctl->omit_at)
		next = min_of(next, ctl->omit_at);
	pier_set_timer(c, next > c->now ? next - c->now : 1);
}

/* The time for a stream begins anew with each that joins. */
static void watch_joining(struct pier_conn *c, struct iperf3_session *s)
{
	struct iperf3_ctl *ctl = &s->ctl;
	const uint32_t n = iperf3_session_joined(s);

	if (n != ctl->moved)
		ctl->deadline = c->now + settings(c)->setup_timeout;
	ctl->moved = n;
	if (iperf3_session_ready(s) && iperf3_session_narrow(s))
		fail(c, s, IPERF3_E_BUFFER_SET);
	else if (iperf3_session_ready(s))
		run(c, s);
	else if (c->now >= ctl->deadline)
		fail(c, s, IPERF3_E_ACCEPT);
	else
		pier_set_timer(c, JOIN_POLL_US);
}

void iperf3_ctl_timer(struct pier_conn *c, struct iperf3_conn *x)
{
	struct iperf3_session *s = x->s;
	struct iperf3_ctl *ctl = &s->ctl;

	if (ctl->step == STEP_RUN)
		watch_run(c, s);
	else if (ctl->step == STEP_STREAMS)
		watch_joining(c, s);
	else if (ctl->step == STEP_ARRIVE)
		watch_arrival(c, s);
	else if (ctl->step == STEP_OVER && c->now >= ctl->deadline)
		pier_close(c);
	else if (ctl->step == STEP_TOLD && c->now >= ctl->deadline)
		over(c, s, PHASE_ABORTED);
	else if (c->now >= ctl->deadline)
		fail(c, s, IPERF3_E_IDLE);
	else
		pier_set_timer(c, ctl->deadline - c->now);
}

/* Behind IPERF3_DONE, or a client that is gone. */
void iperf3_ctl_eof(struct pier_conn *c, struct iperf3_conn *x)
{
	over(c, x->s, PHASE_ABORTED);
	pier_close(c);
}

/*
 * The server stops. The client is told, and the streams run on until it has gone: one that is reset before
 * the client reads why is all that it reports. Asked again and again; a test that is over lingers for its
 * client's last words.
 */
void iperf3_ctl_drain(struct pier_conn *c, struct iperf3_conn *x)
{
	struct iperf3_session *s = x->s;

	if (s->ctl.step >= STEP_TOLD)
		return;
	s->ctl.failed = true;
	iperf3_count(settings(c), COUNT_FAILED, 1);
	step(c, &s->ctl, STEP_TOLD, LINGER_US);
	say_state(c, &s->ctl, IPERF3_SERVER_TERMINATE);
}

void iperf3_ctl_close(struct pier_conn *c, struct iperf3_conn *x)
{
	struct iperf3_session *s = x->s;

	if (!s->ctl.failed && (s->ctl.step != STEP_OVER || !s->ctl.counted))
		iperf3_count(settings(c), COUNT_VANISHED, 1);
	if (s->ctl.step != STEP_OVER)
		iperf3_phase_set(s, PHASE_ABORTED);
	sum_up(c, s);
	iperf3_frame_free(&s->ctl.frame);
	free(s->ctl.results);
	free(s->ctl.report.at);
	free(s->ctl.out);
	memset(&s->ctl, 0, sizeof(s->ctl));
	iperf3_session_unref(s);
}
