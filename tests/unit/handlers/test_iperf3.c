/*
 * The iperf3 handler, its client played by the test: the steps of a test, cut anywhere; what it makes of bad
 * messages, of clients and streams that vanish, of too many of either; what it counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <malloc.h>

#include "base/units.h"
#include "fake_host.h"
#include "handlers/handlers.h"
#include "handlers/iperf3_msg.h"

#define S  1000000u
#define MS 1000u
#define HOSTS 16

/* A listener, and its connections in the order in which they were made. */
static struct fake_host *host[HOSTS];
static unsigned int hosts;

static struct fake_host *connect_more(void)
{
	assert_true(hosts > 0 && hosts < HOSTS);
	host[hosts] = fake_beside(host[0]);
	host[hosts]->conn.now = host[0]->conn.now;
	return host[hosts++];
}

/* The first connection is nobody's: it holds the listener. */
static void listen_with(const char *config)
{
	host[0] = fake_new(&handler_iperf3, config);
	hosts = 1;
}

static void done(void)
{
	while (hosts)
		fake_free(host[--hosts]);
}

/* Everybody's time, a millisecond a turn. */
static void pass(uint64_t us)
{
	for (; us; us -= us < MS ? us : MS)
		for (unsigned int i = 0; i < hosts; i++) {
			fake_wait(host[i], us < MS ? us : MS);
			if (!host[i]->closes)
				fake_turn(host[i]);
		}
}

/* All clients' cookies end in their number. */
static const char *cookie(unsigned int test)
{
	static char text[IPERF3_COOKIE];

	snprintf(text, sizeof(text), "abcdefghijklmnopqrstuvwxyz2345674%03u", test);
	return text;
}

static void say(struct fake_host *f, const void *data, size_t len)
{
	fake_input(f, data, len);
	for (int i = 0; i < 4; i++)
		fake_turn(f);
}

static void say_state(struct fake_host *f, int state)
{
	const char octet = (char)state;

	say(f, &octet, 1);
}

static size_t framed(char *to, const char *json, size_t announced)
{
	const size_t len = strlen(json);

	for (int i = 0; i < 4; i++)
		to[i] = (char)(announced >> (24 - 8 * i));
	memcpy(to + 4, json, len);
	return len + 4;
}

static void say_json(struct fake_host *f, const char *json)
{
	char text[4096];

	say(f, text, framed(text, json, strlen(json)));
}

/* All that was sent since the last call. */
static void hear(struct fake_host *f, const char *want, size_t len)
{
	assert_int_equal(f->out_len, len);
	assert_memory_equal(f->out, want, len);
	f->out_len = 0;
	f->runs_n = 0;
}

#define HEAR(f, want) hear(f, want, sizeof(want) - 1)

static void hear_error(struct fake_host *f, enum iperf3_error error)
{
	const char want[9] = {IPERF3_SERVER_ERROR, 0, 0, 0, (char)error};

	hear(f, want, sizeof(want));
}

static struct fake_host *control(unsigned int test, const char *params)
{
	struct fake_host *f = connect_more();

	say(f, cookie(test), IPERF3_COOKIE);
	HEAR(f, "\x09");
	say_json(f, params);
	return f;
}

static struct fake_host *stream(unsigned int test)
{
	struct fake_host *f = connect_more();

	say(f, cookie(test), IPERF3_COOKIE);
	return f;
}

/* A test of one stream that runs. */
static struct fake_host *running(unsigned int test, const char *params, struct fake_host **data)
{
	struct fake_host *f = control(test, params);

	HEAR(f, "\x0a");
	*data = stream(test);
	pass(3 * MS);
	HEAR(f, "\x01\x02");
	return f;
}

#define PARAMS  "{\"tcp\":true,\"time\":10,\"parallel\":1,\"len\":1000}"
#define REVERSE "{\"tcp\":true,\"time\":10,\"parallel\":1,\"len\":1000,\"reverse\":true}"
#define RESULTS_OF(bytes)                                                                          \
	"{\"cpu_util_total\":1,\"cpu_util_user\":1,\"cpu_util_system\":0,"                          \
	"\"sender_has_retransmits\":18446744073709551615,\"streams\":[{\"id\":1,\"bytes\":" bytes "," \
	"\"retransmits\":18446744073709551615,\"jitter\":0,\"errors\":0,\"packets\":0}]}"
#define RESULTS RESULTS_OF("0")

/* What the server's results say; the state that follows them was sent. */
static struct iperf3_results *results(struct fake_host *f)
{
	static struct iperf3_results r;
	size_t len;

	assert_true(f->out_len > 5);
	len = (size_t)(uint8_t)f->out[2] << 8 | (uint8_t)f->out[3];
	assert_int_equal(f->out_len, len + 5);
	assert_int_equal(f->out[len + 4], IPERF3_DISPLAY_RESULTS);
	assert_int_equal(iperf3_results_read(f->out + 4, len, &r), IPERF3_OK);
	f->out_len = 0;
	return &r;
}

static struct iperf3_results *finish(struct fake_host *f)
{
	struct iperf3_results *r;

	say_state(f, IPERF3_TEST_END);
	HEAR(f, "\x0d");
	say_json(f, RESULTS);
	r = results(f);
	say_state(f, IPERF3_DONE);
	assert_true(f->shut);
	fake_fin(f);
	fake_turn(f);
	assert_int_equal(f->closes, 1);
	assert_false(f->rst);
	return r;
}

static uint64_t stat_of(const char *name)
{
	return fake_stat(&handler_iperf3, host[0]->settings, name);
}

static void test_forward(void **state)
{
	static char data[5000];
	struct fake_host *f, *d;
	struct iperf3_results *r;

	listen_with(NULL);
	f = running(1, PARAMS, &d);
	assert_true(f->nodelay);
	say(d, data, 5000);
	say(d, data, 123);
	pass(2 * S);
	r = finish(f);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->stream[0].id, 1);
	assert_int_equal(r->stream[0].bytes, 5123);
	assert_true(r->stream[0].seconds > 1.99 && r->stream[0].seconds < 2.01);
	assert_false(r->sends);
	assert_int_equal(r->stream[0].retransmits, -1);
	pass(20 * MS); /* the stream learns of it */
	assert_int_equal(d->closes, 1);
	assert_int_equal(d->out_len, 0);
	assert_int_equal(stat_of("tests"), 1);
	assert_int_equal(stat_of("streams"), 1);
	assert_int_equal(stat_of("received_bytes"), 5123);
	assert_int_equal(stat_of("tests_failed") + stat_of("tests_vanished") + stat_of("denied"), 0);
	assert_int_equal(stat_of("tests_open"), 0);
	done();
}

/* The client's words cut in two at each octet, and octet by octet. */
static void test_cut_anywhere(void **state)
{
	char all[2048];
	size_t head, len, cuts;

	memcpy(all, cookie(7), IPERF3_COOKIE);
	head = IPERF3_COOKIE + framed(all + IPERF3_COOKIE, PARAMS, strlen(PARAMS));
	all[head] = IPERF3_TEST_END;
	len = head + 1 + framed(all + head + 1, RESULTS, strlen(RESULTS));
	all[len++] = IPERF3_DONE;
	for (size_t cut = 0; cut <= len; cut++) {
		struct fake_host *f, *d = NULL;

		listen_with(NULL);
		f = connect_more();
		cuts = 0;
		for (size_t at = 0; at < len;) {
			size_t n = cut == 0 ? 1 : at < cut ? cut - at : len - at;

			if (at < head && at + n > head)
				n = head - at; /* a client waits for its streams */
			if (at == head) {
				d = stream(7);
				pass(3 * MS);
			}
			say(f, all + at, n);
			at += n;
			cuts++;
		}
		assert_non_null(d);
		assert_true(cuts >= 2);
		assert_int_equal(f->out[0], IPERF3_PARAM_EXCHANGE);
		assert_memory_equal(f->out + 1, "\x0a\x01\x02\x0d", 4);
		assert_int_equal(f->out[f->out_len - 1], IPERF3_DISPLAY_RESULTS);
		assert_true(f->shut);
		pass(20 * MS);
		assert_int_equal(d->closes, 1);
		assert_int_equal(stat_of("tests_failed"), 0);
		done();
	}
}

static void test_reverse(void **state)
{
	struct fake_host *f, *d;
	struct iperf3_results *r;
	size_t sent;

	listen_with(NULL);
	f = running(1, REVERSE, &d);
	pass(10 * MS);
	assert_true(d->out_len > 100000);
	assert_true(d->runs_n > 0); /* by reference */
	d->retransmits = 42;
	pass(20 * MS);
	say_state(f, IPERF3_TEST_END);
	sent = d->out_len;
	pass(20 * MS);
	assert_int_equal(d->out_len, sent);
	assert_int_equal(d->closes, 1);
	assert_false(d->rst);
	HEAR(f, "\x0d");
	say_json(f, RESULTS);
	r = results(f);
	assert_int_equal(r->stream[0].bytes, sent);
	assert_true(r->sends);
	assert_int_equal(r->stream[0].retransmits, 42);
	done();
}

/* Streams are numbered as the client opened them; the later half is sent by the server. */
static void test_both_directions(void **state)
{
	struct fake_host *f, *d[4];
	struct iperf3_results *r;
	static char data[100];

	listen_with(NULL);
	f = control(1, "{\"tcp\":true,\"time\":1,\"parallel\":2,\"len\":1000,\"bidirectional\":true,"
		       "\"nodelay\":true,\"TOS\":40}");
	HEAR(f, "\x0a");
	for (int i = 0; i < 4; i++)
		d[i] = connect_more();
	for (int i = 3; i >= 0; i--) /* as other workers might see them */
		say(d[i], cookie(1), IPERF3_COOKIE);
	pass(3 * MS);
	HEAR(f, "\x01\x02");
	pass(3 * MS);
	for (int i = 0; i < 2; i++)
		say(d[i], data, 10 + (size_t)i);
	assert_int_equal(d[0]->out_len + d[1]->out_len, 0);
	assert_true(d[2]->out_len > 0 && d[3]->out_len > 0);
	assert_true(d[0]->nodelay && d[3]->nodelay);
	assert_int_equal(d[3]->dscp, 10);
	r = finish(f);
	assert_int_equal(r->n, 4);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(r->stream[i].id, i ? i + 2 : 1);
	assert_int_equal(r->stream[0].bytes, 10);
	assert_int_equal(r->stream[1].bytes, 11);
	assert_true(r->stream[2].bytes > 1000 && r->stream[3].bytes > 1000);
	assert_int_equal(r->stream[0].retransmits, -1);
	assert_int_equal(r->stream[3].retransmits, 0);
	done();
}

static void test_omit(void **state)
{
	struct fake_host *f, *d;
	struct iperf3_results *r;
	static char data[1000];

	listen_with(NULL);
	f = running(1, "{\"tcp\":true,\"time\":2,\"omit\":1,\"parallel\":1,\"len\":1000}", &d);
	say(d, data, 1000);
	pass(S + 10 * MS);
	say(d, data, 77);
	pass(2 * S);
	r = finish(f);
	assert_int_equal(r->stream[0].bytes, 77);
	assert_true(r->stream[0].seconds > 1.99 && r->stream[0].seconds < 2.02);
	done();
}

#define AMOUNT "{\"tcp\":true,\"num\":9000,\"parallel\":1,\"len\":1000,\"get_server_output\":1}"

/* The end of a test by an amount overtakes what is still in the client's socket: that is waited for. */
static void test_amount_arrives_late(void **state)
{
	static char data[5000];
	struct fake_host *f, *d;
	struct iperf3_results *r;

	listen_with(NULL);
	f = running(1, AMOUNT, &d);
	say(d, data, 1000);
	pass(S);
	say_state(f, IPERF3_TEST_END);
	HEAR(f, "\x0d");
	say(d, data, 3000);
	say_json(f, RESULTS_OF("9000"));
	pass(S);
	assert_int_equal(f->out_len, 0);
	say(d, data, 5000);
	pass(2 * MS);
	assert_non_null(strstr(f->out + 4, "8.79 KBytes"));
	r = results(f);
	assert_int_equal(r->stream[0].bytes, 9000);
	assert_true(r->stream[0].seconds > 1.99 && r->stream[0].seconds < 2.02);
	say_state(f, IPERF3_DONE);
	pass(20 * MS);
	assert_int_equal(d->closes, 1);
	assert_int_equal(stat_of("received_bytes"), 9000);
	assert_int_equal(stat_of("tests_failed") + stat_of("tests_vanished"), 0);
	done();
}

/* A file that was shorter than the time: the stream sees the end before it has seen the beginning. */
static void test_file_arrives_late(void **state)
{
	static char data[1000];
	struct fake_host *f, *d;

	listen_with(NULL);
	f = control(1, PARAMS);
	HEAR(f, "\x0a");
	d = stream(1);
	for (int i = 0; i < 3 && !f->out_len; i++) { /* without a turn of the stream's */
		fake_wait(f, MS);
		fake_turn(f);
	}
	HEAR(f, "\x01\x02");
	say_state(f, IPERF3_TEST_END);
	HEAR(f, "\x0d");
	say(d, data, 1000);
	say_json(f, RESULTS_OF("1000"));
	assert_int_equal(results(f)->stream[0].bytes, 1000);
	done();
}

/* What a time has ended is not waited for, nor what does not come, nor a stream that is gone. */
static void test_not_waited_for(void **state)
{
	static char data[1000];
	struct fake_host *f, *d;

	listen_with(NULL);
	f = running(1, PARAMS, &d);
	pass(10 * S + 10 * MS);
	say_state(f, IPERF3_TEST_END);
	HEAR(f, "\x0d");
	say(d, data, 1000);
	say_json(f, RESULTS_OF("1000"));
	assert_int_equal(results(f)->stream[0].bytes, 0);
	f = running(2, AMOUNT, &d);
	say_state(f, IPERF3_TEST_END);
	HEAR(f, "\x0d");
	say_json(f, RESULTS_OF("9007199254740992"));
	pass(4 * S);
	say(d, data, 1000);
	pass(4 * S);
	assert_int_equal(f->out_len, 0);
	pass(2 * S);
	assert_int_equal(results(f)->stream[0].bytes, 1000);
	f = running(3, AMOUNT, &d);
	say_state(f, IPERF3_TEST_END);
	HEAR(f, "\x0d");
	say_json(f, RESULTS_OF("9000"));
	fake_fin(d);
	pass(2 * MS);
	assert_int_equal(results(f)->stream[0].bytes, 0);
	f = running(4, AMOUNT, &d);
	say_state(f, IPERF3_TEST_END);
	HEAR(f, "\x0d");
	say_json(f, RESULTS_OF("9000"));
	say_state(f, IPERF3_CLIENT_TERMINATE);
	pass(20 * MS);
	assert_int_equal(d->closes, 1);
	done();
}

static void test_paced(void **state)
{
	struct fake_host *f, *d;

	listen_with(NULL);
	f = running(1, "{\"tcp\":true,\"time\":10,\"parallel\":1,\"len\":1000,\"reverse\":true,"
		       "\"bandwidth\":800000}", &d);
	pass(2 * S);
	assert_in_range(d->out_len, 195000, 201000); /* 100,000 octets a second */
	assert_int_equal(d->out_len % 1000, 0);
	finish(f);
	done();
}

static void test_server_output(void **state)
{
	struct fake_host *f, *d;
	static char data[2048];

	listen_with(NULL);
	f = running(1, "{\"tcp\":true,\"time\":3,\"parallel\":1,\"len\":1000,\"get_server_output\":1}", &d);
	say(d, data, 2048);
	pass(2500 * MS);
	say_state(f, IPERF3_TEST_END);
	HEAR(f, "\x0d");
	say_json(f, RESULTS);
	assert_non_null(strstr(f->out + 4, "server_output_text"));
	assert_non_null(strstr(f->out + 4, "2.00 KBytes"));
	assert_non_null(strstr(f->out + 4, "receiver"));
	results(f);
	done();
}

/* The peer reads slowly: results wait for room. */
static void test_results_wait_for_room(void **state)
{
	struct fake_host *f, *d;

	listen_with(NULL);
	f = running(1, PARAMS, &d);
	say_state(f, IPERF3_TEST_END);
	HEAR(f, "\x0d");
	f->queued = 0;
	f->capacity = 10;
	f->rate = 7;
	say_json(f, RESULTS);
	assert_true(f->out_len < 100);
	fake_run(f);
	results(f);
	done();
}

static void test_bad_messages(void **state)
{
	static const struct {
		const char *json;
		enum iperf3_error error;
	} cases[] = {
		{"{", IPERF3_E_RECV_PARAMS},
		{"7", IPERF3_E_RECV_PARAMS},
		{"{\"tcp\":true}x", IPERF3_E_RECV_PARAMS},
		{"{\"udp\":true}", IPERF3_E_PROTOCOL},
		{"{\"sctp\":true}", IPERF3_E_NO_SCTP},
		{"{\"tcp\":true,\"parallel\":129}", IPERF3_E_STREAMS},
		{"{\"tcp\":true,\"parallel\":0}", IPERF3_E_STREAMS},
		{"{\"tcp\":true,\"parallel\":\"1\"}", IPERF3_E_STREAMS},
		{"{\"tcp\":true,\"time\":86401}", IPERF3_E_DURATION},
		{"{\"tcp\":true,\"time\":-1}", IPERF3_E_DURATION},
		{"{\"tcp\":true,\"omit\":601}", IPERF3_E_OMIT},
		{"{\"tcp\":true,\"len\":0}", IPERF3_E_BLOCK_SIZE},
		{"{\"tcp\":true,\"len\":1048577}", IPERF3_E_BLOCK_SIZE},
		{"{\"tcp\":true,\"window\":536870913}", IPERF3_E_BUFFER_SIZE},
		{"{\"tcp\":true,\"MSS\":9217}", IPERF3_E_MSS},
		{"{\"tcp\":true,\"burst\":1001}", IPERF3_E_BURST},
		{"{\"tcp\":true,\"TOS\":256}", IPERF3_E_TOS},
		{"{\"tcp\":true,\"num\":1e999}", IPERF3_E_RECV_PARAMS},
		{"{\"tcp\":true,\"server_affinity\":1}", IPERF3_E_AFFINITY},
		{"{\"tcp\":true,\"reverse\":true,\"bidirectional\":true}", IPERF3_E_DIRECTIONS},
	};
	unsigned int n = sizeof(cases) / sizeof(cases[0]);
	struct fake_host *f;

	for (unsigned int i = 0; i < n; i++) {
		listen_with("max-tests=1");
		f = control(i, cases[i].json);
		hear_error(f, cases[i].error);
		assert_true(f->shut);
		say(f, "more of it", 10); /* no RST overtakes the error */
		assert_false(f->rst);
		assert_int_equal(f->closes, 0);
		pass(2 * S + 5 * MS); /* a client that does not close */
		assert_int_equal(f->closes, 1);
		assert_int_equal(stat_of("tests_failed"), 1);
		assert_int_equal(stat_of("tests_open"), 0);
		done();
	}
}

static void test_oversized(void **state)
{
	static const size_t sizes[] = {0, IPERF3_PARAMS_MAX + 1, 0xffffffff};
	char head[4];

	for (int i = 0; i < 3; i++) {
		struct fake_host *f, *d;

		listen_with(NULL);
		f = connect_more();
		say(f, cookie(1), IPERF3_COOKIE);
		HEAR(f, "\x09");
		framed(head, "", sizes[i]);
		say(f, head, 4);
		hear_error(f, IPERF3_E_RECV_PARAMS);
		f = running(2, PARAMS, &d);
		say_state(f, IPERF3_TEST_END);
		HEAR(f, "\x0d");
		framed(head, "", i == 1 ? IPERF3_RESULTS_MAX + 1 : sizes[i]);
		say(f, head, 4);
		hear_error(f, IPERF3_E_RECV_RESULTS);
		done();
	}
}

static void test_wrong_state(void **state)
{
	static const int states[] = {0, 3, IPERF3_PARAM_EXCHANGE, IPERF3_DISPLAY_RESULTS, -2, 127};
	struct fake_host *f, *d;

	for (int i = 0; i < 6; i++) {
		listen_with(NULL);
		f = running(1, PARAMS, &d);
		say_state(f, states[i]);
		hear_error(f, IPERF3_E_MESSAGE);
		pass(20 * MS);
		assert_true(d->rst && d->closes == 1);
		done();
	}
}

static void test_bad_results(void **state)
{
	static const char *const bad[] = {
		"{}",
		"[]",
		("{\"cpu_util_total\":1,\"cpu_util_user\":1,\"cpu_util_system\":0,"
		 "\"sender_has_retransmits\":0,\"streams\":[{\"id\":1}]}"),
	};
	struct fake_host *f, *d;

	for (int i = 0; i < 3; i++) {
		listen_with(NULL);
		f = running(1, PARAMS, &d);
		say_state(f, IPERF3_TEST_END);
		HEAR(f, "\x0d");
		say_json(f, bad[i]);
		hear_error(f, IPERF3_E_RECV_RESULTS);
		done();
	}
}

/* The client goes in the middle, in each of the ways it can. */
static void test_vanish(void **state)
{
	struct fake_host *f, *d;

	for (int how = 0; how < 3; how++) {
		listen_with("max-tests=1");
		f = running(1, how ? REVERSE : PARAMS, &d);
		if (!how)
			say(d, "12345", 5);
		assert_int_equal(stat_of("received_bytes") + stat_of("sent_bytes"), 0);
		if (how == 0) {
			fake_fin(f);
			fake_turn(f);
		} else if (how == 1) {
			f->closes++;
			handler_iperf3.close(&f->conn, PIER_CLOSE_RESET);
		} else {
			say_state(f, IPERF3_CLIENT_TERMINATE);
			fake_fin(f);
			fake_turn(f);
		}
		assert_int_equal(stat_of("tests_open"), 1); /* the stream does not know yet */
		pass(20 * MS);
		assert_true(d->rst && d->closes == 1);
		assert_int_equal(stat_of("tests_open"), 0);
		assert_int_equal(stat_of("received_bytes"), how ? 0 : 5); /* what it moved counts all the same */
		assert_true(how ? stat_of("sent_bytes") : !stat_of("sent_bytes"));
		if (how == 1)
			assert_int_equal(stat_of("tests_vanished"), 1);
		f = running(2, PARAMS, &d); /* its place is free */
		finish(f);
		done();
	}
}

/* A control connection is given up in each of its steps. */
static void test_silence(void **state)
{
	struct fake_host *f, *d;

	listen_with("setup-timeout=5s\nidle-timeout=7s\nmax-tests=1");
	f = connect_more();
	say(f, cookie(1), 36);
	pass(5 * S + 10 * MS);
	assert_int_equal(f->closes, 1);
	f = connect_more();
	say(f, cookie(1), IPERF3_COOKIE);
	HEAR(f, "\x09");
	pass(5 * S + 10 * MS);
	hear_error(f, IPERF3_E_IDLE);
	pass(2 * S + 10 * MS);
	f = control(2, PARAMS);
	HEAR(f, "\x0a");
	pass(5 * S + 10 * MS);
	hear_error(f, IPERF3_E_ACCEPT);
	pass(2 * S + 10 * MS);
	f = running(3, PARAMS, &d);
	pass(6 * S);
	say(d, "x", 1);
	pass(6 * S);
	assert_int_equal(f->out_len, 0);
	pass(S + 200 * MS);
	hear_error(f, IPERF3_E_IDLE);
	pass(2 * S + 10 * MS);
	assert_int_equal(d->closes, 1);
	f = running(4, PARAMS, &d);
	for (int i = 0; i < 3; i++) { /* past the end that it asked for itself: 10 s and 5 */
		pass(5 * S);
		say(d, "x", 1);
	}
	pass(200 * MS);
	hear_error(f, IPERF3_E_IDLE);
	assert_int_equal(stat_of("tests_failed"), 4);
	done();
}

static void test_stream_lost(void **state)
{
	struct fake_host *f, *d;

	for (int reverse = 0; reverse < 2; reverse++) {
		listen_with(NULL);
		f = running(1, reverse ? REVERSE : PARAMS, &d);
		pass(50 * MS);
		d->closes++;
		handler_iperf3.close(&d->conn, PIER_CLOSE_RESET);
		pass(250 * MS);
		hear_error(f, reverse ? IPERF3_E_STREAM_WRITE : IPERF3_E_STREAM_READ);
		done();
	}
	listen_with(NULL); /* one that was closed is no error: the client says what it means */
	f = running(1, PARAMS, &d);
	pass(5 * MS);
	fake_fin(d);
	pass(300 * MS);
	assert_int_equal(d->closes, 1);
	assert_int_equal(f->out_len, 0);
	finish(f);
	done();
}

static void test_several_tests(void **state)
{
	struct fake_host *f[3], *d[3], *late;

	listen_with("max-tests=2");
	for (unsigned int i = 0; i < 2; i++)
		f[i] = running(i, PARAMS, &d[i]);
	f[2] = connect_more();
	say(f[2], cookie(2), IPERF3_COOKIE);
	HEAR(f[2], "\xff");
	assert_true(f[2]->shut);
	late = stream(1); /* one too many */
	HEAR(late, "\xff");
	assert_int_equal(stat_of("denied"), 2);
	for (unsigned int i = 0; i < 2; i++) {
		say(d[i], "xx", i + 1);
		assert_int_equal(finish(f[i])->stream[0].bytes, i + 1);
	}
	pass(20 * MS);
	f[2] = running(2, PARAMS, &d[2]);
	finish(f[2]);
	pass(20 * MS);
	assert_int_equal(stat_of("tests"), 3);
	assert_int_equal(stat_of("tests_open"), 0);
	done();
}

/* -w and -M are the streams', and the control connection goes on with what it had. */
static void test_window_and_mss(void **state)
{
	struct fake_host *f, *d;

	listen_with(NULL);
	f = running(1, "{\"tcp\":true,\"time\":10,\"window\":65536,\"MSS\":500}", &d);
	assert_int_equal(d->rcvbuf, 65536);
	assert_int_equal(d->sndbuf, 65536);
	assert_int_equal(d->mss, 500);
	assert_int_equal(f->rcvbuf + f->sndbuf + f->mss, 0);
	finish(f);
	f = running(2, "{\"tcp\":true,\"time\":10,\"window\":1}", &d);
	assert_int_equal(d->rcvbuf, 2048);
	assert_int_equal(d->mss, 0);
	finish(f);
	f = connect_more();
	f->buffer_max = 65536;
	say(f, cookie(3), IPERF3_COOKIE);
	HEAR(f, "\x09");
	say_json(f, "{\"tcp\":true,\"window\":65537}");
	hear_error(f, IPERF3_E_BUFFER_SET);
	done();
}

/* What was there for the control connection is spent when the second of two streams comes. */
static void test_window_of_a_stream(void **state)
{
	struct fake_host *f, *d[2];

	listen_with(NULL);
	f = control(1, "{\"tcp\":true,\"time\":10,\"window\":65536,\"parallel\":2}");
	HEAR(f, "\x0a");
	d[0] = stream(1);
	d[1] = connect_more();
	d[1]->buffer_max = 65535;
	say(d[1], cookie(1), IPERF3_COOKIE);
	pass(3 * MS);
	hear_error(f, IPERF3_E_BUFFER_SET);
	assert_int_equal(d[0]->rcvbuf, 65536);
	pass(200 * MS);
	assert_true(d[0]->aborted && d[1]->aborted);
	assert_int_equal(stat_of("tests_failed"), 1);
	assert_int_equal(stat_of("tests"), 0);
	done();
}

/* A stream that comes to the next version of the listener. */
static struct fake_host *stream_after_reload(unsigned int test)
{
	struct fake_host *f = host[hosts++] = fake_new(&handler_iperf3, NULL);

	f->conn.now = host[0]->conn.now;
	say(f, cookie(test), IPERF3_COOKIE);
	return f;
}

static size_t allocated(void)
{
	const struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/*
 * Versions come and go, each made before the one before it ends, and one with a test stays: what is held
 * does not grow. (Under ASan the allocator tells nothing, and this is true of itself.)
 */
static void test_reloads_leave_nothing(void **state)
{
	struct fake_host *version = NULL, *next;
	size_t before = 0;

	listen_with(NULL);
	control(1, PARAMS);
	for (unsigned int i = 0; i < 30; i++) {
		next = fake_new(&handler_iperf3, NULL);
		if (version)
			fake_free(version);
		version = next;
		if (i == 10)
			before = allocated();
	}
	assert_in_range(allocated(), 0, before + 64 * KIB);
	fake_free(version);
	done();
}

/* A reload between a control connection and its streams, which come to the new version of the listener. */
static void test_reload(void **state)
{
	struct fake_host *f, *d[2];

	listen_with(NULL);
	f = control(1, "{\"tcp\":true,\"time\":10,\"parallel\":2}");
	HEAR(f, "\x0a");
	d[0] = stream(1);
	d[1] = stream_after_reload(1);
	assert_int_equal(d[1]->out_len, 0);
	pass(2 * MS);
	HEAR(f, "\x01\x02");
	say(d[0], "x", 1);
	say(d[1], "yy", 2);
	say_state(f, IPERF3_TEST_END);
	HEAR(f, "\x0d");
	say_json(f, RESULTS);
	results(f);
	assert_int_equal(stat_of("received_bytes"), 3);
	done();
}

/* Streams came in the order of their tickets, whichever version took them. */
static void test_reload_order(void **state)
{
	struct fake_host *f, *d[2];

	listen_with(NULL);
	f = control(1, "{\"tcp\":true,\"time\":10,\"bidirectional\":true}");
	HEAR(f, "\x0a");
	d[0] = stream(1); /* the client sends on its first */
	d[1] = stream_after_reload(1);
	pass(2 * MS);
	HEAR(f, "\x01\x02");
	pass(20 * MS);
	assert_int_equal(d[0]->out_len, 0);
	assert_true(d[1]->out_len > 0);
	done();
}

static void test_drain(void **state)
{
	struct fake_host *f, *d, *fresh;

	listen_with(NULL);
	f = running(1, PARAMS, &d);
	fresh = connect_more();
	assert_false(handler_iperf3.drain(&fresh->conn)); /* no cookie yet: pier's to close */
	assert_true(handler_iperf3.drain(&d->conn));
	assert_false(d->closing);
	assert_true(handler_iperf3.drain(&f->conn));
	assert_true(handler_iperf3.drain(&f->conn)); /* says it once */
	HEAR(f, "\x0b");
	pass(20 * MS);
	assert_false(f->shut || d->closing || d->rst); /* not before the client has read why */
	fake_fin(f);
	pass(20 * MS);
	assert_true(d->rst);
	assert_int_equal(stat_of("tests_failed"), 1);
	assert_int_equal(stat_of("tests_vanished"), 0);
	done();
}

/* A client that does not go is not waited for. */
static void test_drain_unheard(void **state)
{
	struct fake_host *f, *d;

	listen_with(NULL);
	f = running(1, PARAMS, &d);
	assert_true(handler_iperf3.drain(&f->conn));
	HEAR(f, "\x0b");
	pass(1900 * MS);
	assert_false(d->rst);
	pass(200 * MS);
	assert_true(f->shut);
	assert_true(d->rst);
	done();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forward),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_reverse),
		cmocka_unit_test(test_both_directions),
		cmocka_unit_test(test_omit),
		cmocka_unit_test(test_amount_arrives_late),
		cmocka_unit_test(test_file_arrives_late),
		cmocka_unit_test(test_not_waited_for),
		cmocka_unit_test(test_paced),
		cmocka_unit_test(test_server_output),
		cmocka_unit_test(test_results_wait_for_room),
		cmocka_unit_test(test_bad_messages),
		cmocka_unit_test(test_oversized),
		cmocka_unit_test(test_wrong_state),
		cmocka_unit_test(test_bad_results),
		cmocka_unit_test(test_vanish),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_stream_lost),
		cmocka_unit_test(test_several_tests),
		cmocka_unit_test(test_window_and_mss),
		cmocka_unit_test(test_window_of_a_stream),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_reload_order),
		cmocka_unit_test(test_reloads_leave_nothing),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_drain_unheard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
