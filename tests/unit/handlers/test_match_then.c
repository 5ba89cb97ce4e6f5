/*
 * match in front of another handler: from the stream's start, behind the match, and looking on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_host.h"
#include "handlers/handlers.h"
#include "pier/registry.h"

static char rules_path[] = "/tmp/pier_match_XXXXXX";

/* A handler that writes down what it hears. */
struct spy {
	const char *last_words; /* on drain; NULL: it has none, and does not mind */
	char heard[20000];
};

static struct spy spy;

static void spy_note(const char *what)
{
	strcat(spy.heard, what);
}

static void spy_open(struct pier_conn *c)
{
	struct pier_conn again;

	spy_note("<open>");
	*(uint64_t *)c->ctx = 0x1234;
	assert_ptr_equal(c->settings, NULL);
	assert_true(pier_get(c, c->id, &again));
	assert_ptr_equal(again.ctx, c->ctx);
	assert_ptr_equal(again.calls, c->calls);
	pier_send(c, "hi ", 3);
	pier_set_timer(c, 5000000);
}

static size_t spy_data(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	size_t total = 0;

	assert_int_equal(*(uint64_t *)c->ctx, 0x1234);
	for (unsigned int i = 0; i < n; i++) {
		strncat(spy.heard, s[i].data, s[i].len);
		total += s[i].len;
	}
	return pier_send_slices(c, s, n) < total ? 0 : total;
}

static void spy_timer(struct pier_conn *c)
{
	spy_note("<timer>");
}

static void spy_eof(struct pier_conn *c)
{
	spy_note("<eof>");
	pier_close(c);
}

static void spy_close(struct pier_conn *c, enum pier_close_reason why)
{
	assert_int_equal(*(uint64_t *)c->ctx, 0x1234);
	spy_note("<close>");
}

static bool spy_drain(struct pier_conn *c)
{
	assert_int_equal(*(uint64_t *)c->ctx, 0x1234);
	spy_note("<drain>");
	if (spy.last_words)
		pier_send(c, spy.last_words, strlen(spy.last_words));
	return spy.last_words != NULL;
}

static const struct pier_handler handler_spy = {
	.abi = PIER_HANDLER_ABI, .size = sizeof(struct pier_handler), .name = "spy", .summary = "",
	.ctx_size = 24, .open = spy_open, .data = spy_data, .timer = spy_timer, .eof = spy_eof,
	.close = spy_close, .drain = spy_drain,
};

static int set_up(void **state)
{
	static const char text[] = "1:/GET /\n2:/evil/\n3:/secret/\n";
	int fd = mkstemp(rules_path);

	if (handlers_register() || handler_register(&handler_spy))
		return 1;
	return fd < 0 || write(fd, text, sizeof(text) - 1) < 0 || close(fd);
}

static int tear_down(void **state)
{
	return unlink(rules_path);
}

static struct fake_host *start(const char *config)
{
	char all[1000];

	memset(&spy, 0, sizeof(spy));
	snprintf(all, sizeof(all), "rules=%s\n%s", rules_path, config);
	return fake_new(&handler_match, all);
}

static void say(struct fake_host *f, const char *text)
{
	f->conn.now++;
	fake_input(f, text, strlen(text));
	fake_run(f);
}

/* The handler hears the stream from its first byte, though it came in pieces before the match. */
static void test_from_start(void **state)
{
	struct fake_host *f = start("then=spy\naction=1 then");

	say(f, "..G");
	say(f, "ET");
	assert_string_equal(spy.heard, "");
	assert_int_equal(f->taken, 0);
	say(f, " / evil");
	assert_string_equal(spy.heard, "<open>..GET / evil");
	assert_string_equal(f->out, "hi ..GET / evil");
	say(f, " more");
	assert_string_equal(spy.heard, "<open>..GET / evil more");
	fake_fin(f);
	fake_run(f);
	assert_string_equal(spy.heard, "<open>..GET / evil more<eof><close>");
	fake_free(f);
}

static void test_from_match(void **state)
{
	struct fake_host *f = start("then=spy\nthen-from=match\naction=1 then\naction=2 answer no.");

	say(f, "evil..G");
	assert_string_equal(f->out, "no.");
	assert_int_equal(f->taken, 7);
	say(f, "ET behind");
	assert_string_equal(spy.heard, "<open>behind");
	assert_string_equal(f->out, "no.hi behind");
	fake_free(f);
	assert_string_equal(spy.heard, "<open>behind<close>");
}

/* It serves from the beginning; the rules look on, in both directions, and may end it. */
static void test_from_open(void **state)
{
	struct fake_host *f = start("then=spy\nthen-from=open\naction=2 close\naction=1 then\n"
				    "direction=both\naction=3 tag leak");

	assert_string_equal(spy.heard, "<open>");
	say(f, "a sec");
	say(f, "ret");
	assert_string_equal(spy.heard, "<open>a secret");
	fake_wait(f, 5000000);
	assert_string_equal(spy.heard, "<open>a secret<timer>");
	say(f, " GET evil");
	assert_true(f->shut);
	assert_int_equal(f->closes, 0);
	fake_fin(f);
	fake_run(f);
	assert_int_equal(f->closes, 1);
	assert_non_null(strstr(spy.heard, "<close>"));
	assert_null(strstr(spy.heard, "<eof>"));
	fake_free(f);
}

/* What is sent is looked at too: nothing of it leaves where a rule resets. */
static void test_out_reset(void **state)
{
	struct fake_host *f = start("then=spy\nthen-from=open\ndirection=out\naction=3 reset");

	say(f, "sec");
	assert_false(f->rst);
	say(f, "ret");
	assert_true(f->rst);
	assert_int_equal(f->closes, 1);
	fake_free(f);
}

/* The server stops: the handler behind is asked, in its own terms; before there is one nobody is. */
static void test_drain(void **state)
{
	struct fake_host *f = start("then=spy\naction=1 then");

	fake_drain(f);
	assert_int_equal(f->closes, 1);
	assert_int_equal(f->why, PIER_CLOSE_SHUTDOWN);
	assert_string_equal(spy.heard, "");
	fake_free(f);

	f = start("then=spy\nthen-from=open");
	fake_run(f);
	fake_drain(f);
	assert_string_equal(spy.heard, "<open><drain><close>");
	assert_int_equal(f->why, PIER_CLOSE_SHUTDOWN);
	fake_free(f);

	f = start("then=spy\nthen-from=open");
	spy.last_words = "bye";
	fake_run(f);
	fake_drain(f);
	fake_run(f);
	assert_string_equal(spy.heard, "<open><drain>");
	assert_string_equal(f->out, "hi bye");
	assert_int_equal(f->closes, 0);
	fake_free(f);
}

/* Last words are looked at as others are: what a rule finds in them is done at once. */
static void test_drain_and_a_rule(void **state)
{
	struct fake_host *f = start("then=spy\nthen-from=open\ndirection=out\naction=3 reset");

	spy.last_words = "a secret";
	fake_run(f);
	fake_drain(f);
	assert_true(f->aborted);
	fake_run(f);
	assert_int_equal(f->closes, 1);
	assert_int_equal(f->why, PIER_CLOSE_ABORT);
	fake_free(f);

	f = start("then=spy\nthen-from=open\ndirection=out\naction=3 close");
	spy.last_words = "a secret";
	fake_run(f);
	fake_drain(f);
	assert_true(f->shut);
	assert_int_equal(f->closes, 0);
	fake_fin(f);
	fake_run(f);
	assert_int_equal(f->why, PIER_CLOSE_NORMAL);
	fake_free(f);
}

/* No rule decides: for 16k, for a time, or at the end of data; then match itself reads it. */
static void test_nobody_decides(void **state)
{
	struct fake_host *f = start("then=spy\naction=1 then\nthen-wait=1s");
	char *much = malloc(20001);

	say(f, "nothing");
	fake_fin(f);
	fake_run(f);
	assert_int_equal(f->closes, 0);
	fake_wait(f, 1000000);
	fake_run(f);
	assert_int_equal(f->closes, 1);
	assert_false(f->rst);
	fake_free(f);
	assert_string_equal(spy.heard, "");
	f = start("then=spy\naction=1 then");
	memset(much, '.', 20000);
	much[20000] = 0;
	say(f, much);
	assert_int_equal(f->taken, 20000);
	say(f, "GET "); /* too late for the start, and a rule that decides gives it what there is */
	assert_string_equal(spy.heard, "<open>GET ");
	fake_free(f);
	free(much);
}

/* A whole HTTP request that came in single bytes is answered by http, with a setting of ours. */
static void test_http(void **state)
{
	struct fake_host *f = start("then=http\nthen-option=body-size = 5\naction=1 then\n"
				    "then-option=server=no");
	static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

	for (const char *p = request; *p; p++) {
		f->conn.now++;
		fake_input(f, p, 1);
		fake_run(f);
	}
	assert_non_null(strstr(f->out, "HTTP/1.1 200 OK\r\n"));
	assert_non_null(strstr(f->out, "Content-Length: 5\r\n\r\npier"));
	assert_null(strstr(f->out, "Server"));
	say(f, "x\r\n\r\n");
	assert_non_null(strstr(f->out, "HTTP/1.1 400 "));
	fake_free(f);
}

static void test_inner_refused(void **state)
{
	char all[300], err[300] = "";
	static const struct {
		const char *option, *want;
	} t[] = {{"then-option=no-such=1", "then-option: no such key: no-such"},
		 {"then-option=body-size=x", "then-option: body-size: expected a size"},
		 {"then-option=file=/none", "/none"}};

	for (size_t i = 0; i < 3; i++) {
		void *s;

		snprintf(all, sizeof(all), "rules=%s\nthen=http\n%s", rules_path, t[i].option);
		s = fake_settings(&handler_match, all);
		assert_false(handler_match.setup(s, err, sizeof(err)));
		assert_non_null(strstr(err, t[i].want));
		fake_settings_free(&handler_match, s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_start),
		cmocka_unit_test(test_from_match),
		cmocka_unit_test(test_from_open),
		cmocka_unit_test(test_out_reset),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_drain_and_a_rule),
		cmocka_unit_test(test_nobody_decides),
		cmocka_unit_test(test_http),
		cmocka_unit_test(test_inner_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
