/*
 * The PROXY protocol before a handler: what it hears, and when; what becomes of streams without a header,
 * with a bad one, and of those that never finish it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/units.h"
#include "fake_host.h"
#include "handlers/handlers.h"
#include "handlers/proxy_front.h"

#define TIMEOUT (3 * US_PER_SEC)
#define V1      "PROXY TCP4 203.0.113.7 198.18.0.9 12345 80\r\n"
#define V2_TLV  "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x17\xcb\x00\x71\x07\xc6\x12\x00\x02\x30\x39\x00\x50" \
		"\x04\x00\x08TLVTLVTL"
#define V2_LOCAL "\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"

/* A handler that writes down what it hears. */
static char heard[2000];
static struct pier_info info;
static bool closes_in_open;
static uint64_t partner; /* another connection, which close reaches for */

static void note(const char *what)
{
	strcat(heard, what);
}

static void spy_open(struct pier_conn *c)
{
	struct pier_conn again;

	note("<open>");
	assert_int_equal(*(uint64_t *)c->ctx, 0);
	*(uint64_t *)c->ctx = 0x1234;
	pier_get_info(c, &info);
	assert_true(pier_get(c, c->id, &again));
	assert_ptr_equal(again.ctx, c->ctx);
	assert_ptr_equal(again.settings, c->settings);
	pier_set_timer(c, 60 * US_PER_SEC);
	if (closes_in_open)
		pier_abort(c);
}

static size_t spy_data(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	size_t total = 0;

	assert_int_equal(*(uint64_t *)c->ctx, 0x1234);
	for (unsigned int i = 0; i < n; i++) {
		strncat(heard, s[i].data, s[i].len);
		total += s[i].len;
	}
	return total;
}

static void spy_timer(struct pier_conn *c)
{
	note("<timer>");
}

static void spy_eof(struct pier_conn *c)
{
	note("<eof>");
	pier_close(c);
}

static bool spy_drain(struct pier_conn *c)
{
	assert_int_equal(*(uint64_t *)c->ctx, 0x1234);
	note("<drain>");
	return true;
}

static void spy_close(struct pier_conn *c, enum pier_close_reason why)
{
	struct pier_conn other;

	assert_int_equal(*(uint64_t *)c->ctx, 0x1234);
	note("<close>");
	if (partner && pier_get(c, partner, &other)) {
		assert_int_equal(*(uint64_t *)other.ctx, 0x1234);
		partner = 0;
		pier_abort(&other);
	}
}

static const struct pier_handler spy = {
	.abi = PIER_HANDLER_ABI, .size = sizeof(struct pier_handler), .name = "spy", .summary = "",
	.ctx_size = 24, .open = spy_open, .data = spy_data, .timer = spy_timer, .eof = spy_eof,
	.close = spy_close, .drain = spy_drain,
};

static struct proxy_front *front;

static struct fake_host *start_behind(const struct pier_handler *h, enum proxy_front_mode mode,
				      size_t slice_len)
{
	heard[0] = '\0';
	memset(&info, 0xee, sizeof(info));
	front = proxy_front_new(h, NULL, mode, TIMEOUT);
	assert_non_null(front);
	return fake_with(proxy_front_handler(front), front, 1 << 20, slice_len);
}

static struct fake_host *start(enum proxy_front_mode mode, size_t slice_len)
{
	return start_behind(&spy, mode, slice_len);
}

static void end(struct fake_host *f)
{
	fake_free(f);
	proxy_front_free(front);
}

static uint64_t stat_of(const char *name)
{
	return fake_stat(proxy_front_handler(front), front, name);
}

static void say(struct fake_host *f, const char *text, size_t len)
{
	fake_input(f, text, len);
	fake_run(f);
}

static void in_pieces(struct fake_host *f, const char *text, size_t len, size_t piece)
{
	for (size_t at = 0; at < len; at += piece)
		say(f, text + at, min_of(piece, len - at));
}

/* However it is cut, the handler hears what is behind it, and whose connection it is. */
static void test_header_never_reaches_the_handler(void **state)
{
	static const uint8_t from[16] = {[10] = 0xff, 0xff, 203, 0, 113, 7};
	static const struct {
		const char *text;
		size_t len;
	} headers[] = {{V1, sizeof(V1) - 1}, {V2_TLV, sizeof(V2_TLV) - 1}};

	for (size_t i = 0; i < 2; i++)
		for (size_t piece = 1; piece < 60; piece++) {
			struct fake_host *f = start(PROXY_FRONT_ACCEPT + i, piece % 7 + 1);
			char all[200];

			memcpy(all, headers[i].text, headers[i].len);
			memcpy(all + headers[i].len, "hello", 5);
			in_pieces(f, all, headers[i].len - 1, piece);
			assert_string_equal(heard, "");
			in_pieces(f, all + headers[i].len - 1, 6, piece);
			assert_string_equal(heard, "<open>hello");
			assert_memory_equal(info.remote_addr, from, 16);
			assert_int_equal(info.remote_port, 12345);
			assert_int_equal(info.local_port, 80);
			assert_int_equal(stat_of("proxy_headers"), 1);
			fake_wait(f, 61 * US_PER_SEC);
			fake_fin(f);
			fake_run(f);
			assert_string_equal(heard, "<open>hello<timer><eof><close>");
			end(f);
		}
}

static void test_local(void **state)
{
	struct fake_host *f = start(PROXY_FRONT_REQUIRE, 1460);

	say(f, V2_LOCAL, sizeof(V2_LOCAL) - 1);
	assert_string_equal(heard, "<open>");
	assert_int_equal(info.remote_port, 0); /* the connection's own */
	assert_int_equal(stat_of("proxy_local"), 1);
	end(f);
}

/* A server that stops asks the handler, once that has the connection. */
static void test_drain(void **state)
{
	struct fake_host *f = start(PROXY_FRONT_REQUIRE, 1460);

	assert_false(f->handler->drain(&f->conn));
	assert_string_equal(heard, "");
	say(f, V1, sizeof(V1) - 1);
	assert_true(f->handler->drain(&f->conn));
	assert_string_equal(heard, "<open><drain>");
	end(f);
}

static void test_bad_is_reset(void **state)
{
	static const char bad[] = "PROXY TCP4 203.0.113.7 198.18.0.9 12345\r\nGET /";

	for (int mode = PROXY_FRONT_ACCEPT; mode <= PROXY_FRONT_REQUIRE; mode++) {
		struct fake_host *f = start(mode, 10);

		say(f, bad, sizeof(bad) - 1);
		assert_true(f->rst);
		assert_int_equal(f->closes, 1);
		assert_string_equal(heard, "");
		assert_int_equal(stat_of("proxy_bad"), 1);
		end(f);
	}
}

static void test_without_one(void **state)
{
	struct fake_host *f = start(PROXY_FRONT_ACCEPT, 3);

	in_pieces(f, "PROXIMA", 7, 1);
	assert_string_equal(heard, "<open>PROXIMA");
	assert_int_equal(info.remote_port, 0);
	assert_int_equal(stat_of("proxy_none"), 1);
	end(f);

	f = start(PROXY_FRONT_REQUIRE, 3);
	say(f, "PRO", 3);
	assert_false(f->rst);
	say(f, "X", 1);
	say(f, "I", 1);
	assert_true(f->rst);
	assert_string_equal(heard, "");
	assert_int_equal(stat_of("proxy_missing"), 1);
	end(f);
}

static void test_timeout(void **state)
{
	struct fake_host *f = start(PROXY_FRONT_REQUIRE, 1460);

	say(f, V1, 20);
	fake_wait(f, TIMEOUT - 1);
	assert_false(f->rst);
	fake_wait(f, 1);
	assert_true(f->rst);
	assert_string_equal(heard, "");
	assert_int_equal(stat_of("proxy_timeouts"), 1);
	end(f);

	f = start(PROXY_FRONT_ACCEPT, 1460); /* one that speaks later, or never */
	say(f, "PROX", 4);
	fake_wait(f, TIMEOUT);
	fake_run(f);
	assert_string_equal(heard, "<open>PROX");
	end(f);

	f = start(PROXY_FRONT_ACCEPT, 1460); /* in the middle of the TLVs there is no way back */
	say(f, V2_TLV, 30);
	assert_int_equal(f->taken, 30);
	fake_wait(f, TIMEOUT);
	assert_true(f->rst);
	end(f);
}

static void test_fin_instead(void **state)
{
	struct fake_host *f = start(PROXY_FRONT_REQUIRE, 1460);

	fake_fin(f);
	fake_run(f);
	assert_true(f->rst);
	assert_string_equal(heard, "");
	end(f);

	f = start(PROXY_FRONT_ACCEPT, 1460);
	fake_fin(f);
	fake_run(f);
	assert_string_equal(heard, "<open><eof><close>");
	end(f);

	f = start(PROXY_FRONT_REQUIRE, 1460);
	say(f, V1, sizeof(V1) - 1);
	fake_fin(f);
	fake_run(f);
	assert_string_equal(heard, "<open><eof><close>");
	assert_false(f->rst);
	end(f);
}

/* It closed in open: it hears no data. */
static void test_closed_in_open(void **state)
{
	struct fake_host *f = start(PROXY_FRONT_ACCEPT, 1460);

	closes_in_open = true;
	say(f, V1 "hello", sizeof(V1) + 4);
	closes_in_open = false;
	assert_string_equal(heard, "<open><close>");
	end(f);
}

static void test_no_callbacks_behind(void **state)
{
	struct fake_host *f = start_behind(&handler_discard, PROXY_FRONT_ACCEPT, 1460);

	say(f, V1 "hello", sizeof(V1) + 4);
	assert_int_equal(f->taken, sizeof(V1) + 4);
	fake_fin(f);
	fake_run(f);
	assert_int_equal(f->closes, 1);
	assert_false(f->rst);
	end(f);
}

/* In close a handler reaches its other connections, as one that joins two does; not one without a header. */
static void test_reaches_another_in_close(void **state)
{
	struct fake_host *f = start(PROXY_FRONT_REQUIRE, 1460), *other = fake_beside(f), *third = fake_beside(f);

	say(f, V1, sizeof(V1) - 1);
	say(third, V1, sizeof(V1) - 1);
	partner = other->conn.id;
	fake_end(third, PIER_CLOSE_RESET);
	assert_int_equal(partner, other->conn.id); /* the handler knows nothing of it */
	say(other, V1, sizeof(V1) - 1);
	fake_end(f, PIER_CLOSE_RESET);
	assert_int_equal(partner, 0);
	fake_run(other);
	assert_true(other->aborted);
	assert_string_equal(heard, "<open><open><close><open><close><close>");
	fake_free(third);
	fake_free(other);
	end(f);
}

/* All of the handler's answer goes as it does without. */
static void test_echo_behind(void **state)
{
	struct fake_host *f = start_behind(&handler_echo, PROXY_FRONT_ACCEPT, 7);

	f->capacity = f->rate = 5;
	say(f, V1 "hello, and so on", sizeof(V1) + 15);
	assert_string_equal(f->out, "hello, and so on");
	end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header_never_reaches_the_handler),
		cmocka_unit_test(test_local),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_bad_is_reset),
		cmocka_unit_test(test_without_one),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_fin_instead),
		cmocka_unit_test(test_closed_in_open),
		cmocka_unit_test(test_no_callbacks_behind),
		cmocka_unit_test(test_reaches_another_in_close),
		cmocka_unit_test(test_echo_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
