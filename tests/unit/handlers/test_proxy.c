/*
 * proxy: what passes between the two sides, and how either one's end reaches the other.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/units.h"
#include "fake_host.h"
#include "handlers/handlers.h"

#define UP "upstream=10.0.0.7:80\n"

/* A client and its upstream connection, which has answered. */
struct pair {
	struct fake_host *client, *up;
};

static uint64_t stat_of(const struct fake_host *f, const char *name)
{
	return fake_stat(f->handler, f->settings, name);
}

static struct pair dial(const char *config, size_t capacity, size_t slice_len)
{
	struct pair p;

	p.client = fake_new_limited(&handler_proxy, config, capacity, slice_len);
	p.up = fake_opened(0);
	return p;
}

static struct pair joined(const char *config)
{
	struct pair p = dial(config, 1 << 20, 1460);

	fake_answer(p.up);
	fake_run_all();
	return p;
}

static void hang_up(struct pair p)
{
	struct fake_host *f;

	while ((f = fake_opened(0)))
		fake_free(f);
	fake_free(p.client);
}

/* len bytes that differ from one place to the next. */
static char *bytes(size_t len, unsigned int seed)
{
	char *b = malloc(len + 1);

	assert_non_null(b);
	for (size_t i = 0; i < len; i++)
		b[i] = (char)(i * 7 + i / 251 + seed);
	return b;
}

static void test_passes_both_ways(void **state)
{
	struct pair p = joined(UP);
	char *b = bytes(100000, 1);

	assert_int_equal(p.up->to.remote_port, 80);
	assert_memory_equal(p.up->to.remote_addr + 12, "\x0a\0\0\x07", 4);
	fake_input(p.client, b, 60000);
	fake_input(p.up, b, 100000);
	fake_run_all();
	assert_int_equal(p.up->out_len, 60000);
	assert_memory_equal(p.up->out, b, 60000);
	assert_int_equal(p.client->out_len, 100000);
	assert_memory_equal(p.client->out, b, 100000);
	assert_int_equal(stat_of(p.client, "bytes_up"), 60000);
	assert_int_equal(stat_of(p.client, "bytes_down"), 100000);
	assert_int_equal(stat_of(p.client, "connections"), 1);
	assert_int_equal(stat_of(p.client, "connected"), 1);
	free(b);
	hang_up(p);
}

static void test_upstream_of_either_family(void **state)
{
	static const uint8_t six[16] = {0xfd, 0, [15] = 7}, four[16] = {[10] = 0xff, 0xff, 10, 0, 0, 7};
	struct pair p = dial("upstream=[fd00::7]:8080 10.0.0.7:81", 1 << 20, 1460);
	struct pier_target t;

	assert_memory_equal(p.up->to.remote_addr, six, 16);
	assert_int_equal(p.up->to.remote_port, 8080);
	assert_true(handler_proxy.target(p.client->settings, 1, &t));
	assert_memory_equal(t.addr, four, 16);
	assert_int_equal(t.port, 81);
	hang_up(p);
}

static void test_waits_for_the_answer(void **state)
{
	struct pair p = dial(UP, 1 << 20, 1460);

	fake_input(p.client, "hello", 5);
	fake_run_all();
	assert_int_equal(p.client->taken, 0);
	assert_int_equal(p.up->out_len, 0);
	assert_int_equal(stat_of(p.client, "connected"), 0);
	fake_answer(p.up);
	fake_run_all();
	assert_string_equal(p.up->out, "hello");
	assert_int_equal(p.client->taken, 5);
	hang_up(p);
}

/* from's bytes pile up before a to that takes 1,000, and go on as it reads. */
static void check_pressure(struct fake_host *from, struct fake_host *to)
{
	char *b = bytes(30000, 2);

	to->capacity = 1000;
	to->rate = 0;
	fake_input(from, b, 30000);
	fake_run_all();
	assert_int_equal(from->taken, 1000);
	assert_int_equal(from->rx_len, 29000);
	assert_int_equal(to->out_len, 1000);
	fake_input(from, b, 10); /* news does not help */
	fake_run_all();
	assert_int_equal(from->taken, 1000);
	to->rate = 300;
	while (to->out_len < 10000) {
		fake_turn(to);
		fake_turn(from);
		assert_int_equal(from->taken, to->out_len);
		assert_true(to->queued <= 1000);
	}
	fake_run_all();
	assert_int_equal(to->out_len, 30010);
	assert_memory_equal(to->out, b, 30000);
	free(b);
}

static void test_pressure(void **state)
{
	struct pair p = joined(UP);

	check_pressure(p.client, p.up);
	hang_up(p);
	p = joined(UP);
	check_pressure(p.up, p.client);
	assert_int_equal(stat_of(p.client, "bytes_down"), 30010);
	hang_up(p);
}

/* first ends its half behind bytes that wait; the other half goes on till its own end. */
static void check_half_close(struct fake_host *first, struct fake_host *second)
{
	char *b = bytes(5000, 3);

	second->capacity = 1000;
	second->rate = 0;
	fake_input(first, b, 5000);
	fake_fin(first);
	fake_run_all();
	assert_false(second->shut);
	second->rate = 1000;
	fake_run_all();
	assert_int_equal(second->out_len, 5000);
	assert_true(second->shut);
	assert_int_equal(second->closes, 0);
	assert_false(first->shut);
	fake_input(second, b, 5000);
	fake_run_all();
	assert_int_equal(first->out_len, 5000);
	assert_int_equal(first->closes, 0);
	fake_fin(second);
	fake_run_all();
	assert_int_equal(first->closes, 1);
	assert_int_equal(second->closes, 1);
	assert_false(first->rst || second->rst);
	free(b);
}

static void test_half_close(void **state)
{
	struct pair p = joined(UP);

	check_half_close(p.client, p.up);
	hang_up(p);
	p = joined(UP);
	check_half_close(p.up, p.client);
	hang_up(p);
}

static void test_fin_before_the_answer(void **state)
{
	struct pair p = dial(UP, 1 << 20, 1460);

	fake_fin(p.client);
	fake_run_all();
	assert_int_equal(p.client->eofs, 1);
	assert_false(p.up->shut);
	fake_answer(p.up);
	fake_run_all();
	assert_true(p.up->shut);
	fake_input(p.up, "bye", 3);
	fake_fin(p.up);
	fake_run_all();
	assert_string_equal(p.client->out, "bye");
	assert_int_equal(p.client->closes, 1);
	assert_false(p.client->rst);
	hang_up(p);
}

static void test_resets_pass(void **state)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct pair p = joined(UP);
		struct fake_host *one = i ? p.up : p.client, *two = i ? p.client : p.up;

		fake_input(two, "left unread", 11);
		fake_end(one, PIER_CLOSE_RESET);
		fake_run_all();
		assert_true(two->aborted);
		assert_int_equal(two->closes, 1);
		assert_int_equal(stat_of(p.client, "resets_passed"), 1);
		hang_up(p);
	}
}

/* One that falls silent is no RST of its peer's, but the other side gets one. */
static void test_ends_pass(void **state)
{
	static const struct {
		enum pier_close_reason why;
		bool abort;
	} ends[] = {
		{PIER_CLOSE_TIMEOUT, true}, {PIER_CLOSE_KEEPALIVE, true}, {PIER_CLOSE_STALLED, true},
		{PIER_CLOSE_PRESSURE, true}, {PIER_CLOSE_SHUTDOWN, false}, {PIER_CLOSE_NORMAL, false},
	};

	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(ends); i++) {
		struct pair p = joined(UP);
		struct fake_host *one = i % 2 ? p.up : p.client, *two = i % 2 ? p.client : p.up;

		fake_end(one, ends[i / 2].why);
		fake_run_all();
		assert_int_equal(two->aborted, ends[i / 2].abort);
		assert_int_equal(two->closes, 1);
		assert_int_equal(stat_of(p.client, "resets_passed"), 0);
		hang_up(p);
	}
}

static void test_client_leaves_early(void **state)
{
	struct pair p = dial(UP, 1 << 20, 1460);

	fake_end(p.client, PIER_CLOSE_RESET);
	fake_run_all();
	assert_int_equal(p.up->closes, 1);
	assert_int_equal(p.up->opens, 0);
	assert_int_equal(stat_of(p.client, "resets_passed"), 0);
	assert_int_equal(stat_of(p.client, "unreachable"), 0);
	hang_up(p);
}

/* Upstreams in their turn: refused, silent for TCP's time, silent for ours, and then one answers. */
static void test_next_stands_in(void **state)
{
	struct pair p = dial("upstream=10.0.0.1:81 10.0.0.2:82 10.0.0.3:83, 10.0.0.4:84", 1 << 20, 1460);
	struct fake_host *up;

	fake_input(p.client, "hello", 5);
	fake_end(fake_opened(0), PIER_CLOSE_REFUSED);
	fake_end(fake_opened(1), PIER_CLOSE_TIMEOUT);
	up = fake_opened(2);
	assert_int_equal(up->to.remote_port, 83);
	fake_wait_all(5 * US_PER_SEC - US_PER_MS);
	assert_int_equal(up->closes, 0);
	fake_wait_all(US_PER_MS);
	assert_int_equal(up->closes, 1);
	assert_null(fake_opened(4));
	up = fake_opened(3);
	assert_int_equal(up->to.remote_port, 84);
	fake_answer(up);
	fake_run_all();
	assert_int_equal(up->timer, 0);
	assert_string_equal(up->out, "hello");
	assert_int_equal(stat_of(p.client, "refused"), 1);
	assert_int_equal(stat_of(p.client, "unreachable"), 1);
	assert_int_equal(stat_of(p.client, "connect_timeouts"), 1);
	assert_int_equal(stat_of(p.client, "connected"), 1);
	hang_up(p);
}

static void test_upstreams_take_turns(void **state)
{
	struct pair p = joined("upstream=10.0.0.1:81 10.0.0.2:82 10.0.0.3:83");
	struct fake_host *more[5];

	for (unsigned int i = 0; i < ARRAY_SIZE(more); i++) {
		more[i] = fake_beside(p.client);
		assert_int_equal(fake_opened(i + 1)->to.remote_port, 81 + (i + 1) % 3);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(more); i++)
		fake_free(more[i]);
	hang_up(p);
}

static void test_nobody_answers(void **state)
{
	struct pair p = dial("upstream=10.0.0.1:81 10.0.0.2:82", 1 << 20, 1460);

	fake_end(fake_opened(0), PIER_CLOSE_REFUSED);
	assert_false(p.client->aborted);
	fake_end(fake_opened(1), PIER_CLOSE_REFUSED);
	fake_run_all();
	assert_true(p.client->aborted);
	assert_null(fake_opened(2));
	assert_int_equal(stat_of(p.client, "refused"), 2);
	hang_up(p);
}

static void test_server_stops_while_connecting(void **state)
{
	struct pair p = dial("upstream=10.0.0.1:81 10.0.0.2:82", 1 << 20, 1460);

	fake_end(p.up, PIER_CLOSE_SHUTDOWN);
	fake_run_all();
	assert_null(fake_opened(1));
	assert_int_equal(p.client->closes, 1);
	assert_false(p.client->aborted);
	hang_up(p);
}

static void test_connect_without_limit(void **state)
{
	struct pair p = dial(UP "connect-timeout=0", 1 << 20, 1460);

	assert_int_equal(p.up->timer, 0);
	hang_up(p);
}

/* FIN, and what comes is read till the client's FIN, or for two seconds. */
static void check_linger(bool fin, bool before)
{
	struct pair p = dial(UP "on-failure=close", 1 << 20, 1460);

	fake_input(p.client, "hello", 5);
	if (before)
		fake_input(p.client, " again", 6);
	fake_end(p.up, PIER_CLOSE_REFUSED);
	fake_run_all();
	assert_true(p.client->shut);
	assert_int_equal(p.client->rx_len, 0);
	assert_int_equal(p.client->closes, 0);
	fake_input(p.client, "more", 4);
	if (fin)
		fake_fin(p.client);
	fake_run_all();
	assert_int_equal(p.client->closes, fin);
	fake_wait_all(2 * US_PER_SEC);
	assert_int_equal(p.client->closes, 1);
	assert_false(p.client->rst);
	hang_up(p);
}

static void test_failure_closes(void **state)
{
	struct pair p;

	check_linger(true, false);
	check_linger(false, true);
	p = dial(UP "on-failure=close", 1 << 20, 1460);
	fake_fin(p.client); /* then there is nothing to wait for */
	fake_run_all();
	fake_end(p.up, PIER_CLOSE_REFUSED);
	fake_run_all();
	assert_int_equal(p.client->closes, 1);
	assert_false(p.client->rst);
	hang_up(p);
}

/* No way to any: the client is given up in its open. One more becomes reachable: it is asked. */
static void test_no_way(void **state)
{
	struct pair p = dial("upstream=10.0.0.1:81 10.0.0.2:82 10.0.0.3:83", 1 << 20, 1460);

	p.client->connect_error = -ENETUNREACH;
	fake_end(p.up, PIER_CLOSE_REFUSED);
	fake_run_all();
	assert_null(fake_opened(1));
	assert_true(p.client->aborted);
	assert_int_equal(stat_of(p.client, "unreachable"), 2);
	assert_int_equal(stat_of(p.client, "refused"), 1);
	hang_up(p);
}

static void test_idle(void **state)
{
	struct pair p = joined(UP "idle-timeout=10s");

	for (unsigned int i = 0; i < 5; i++) { /* a byte of either does for both */
		fake_wait_all(9 * US_PER_SEC);
		fake_input(i % 2 ? p.up : p.client, "x", 1);
		fake_run_all();
		assert_int_equal(p.client->closes, 0);
	}
	fake_wait_all(9 * US_PER_SEC);
	assert_int_equal(p.client->closes, 0);
	fake_wait_all(US_PER_SEC);
	assert_true(p.client->aborted && p.up->aborted);
	assert_int_equal(stat_of(p.client, "idle_timeouts"), 1);
	assert_int_equal(stat_of(p.client, "resets_passed"), 0);
	hang_up(p);

	p = joined(UP "idle-timeout=0");
	assert_int_equal(p.client->timer, 0);
	hang_up(p);
}

static void addresses(struct fake_host *client)
{
	static const uint8_t remote[] = {192, 0, 2, 1}, local[] = {198, 18, 0, 2};
	struct pier_info *i = &client->info;

	i->remote_addr[10] = i->remote_addr[11] = i->local_addr[10] = i->local_addr[11] = 0xff;
	memcpy(i->remote_addr + 12, remote, 4);
	memcpy(i->local_addr + 12, local, 4);
	i->remote_port = 12345;
	i->local_port = 8080;
}

static void addresses6(struct fake_host *client)
{
	static const uint8_t remote[16] = {0x20, 1, 0xd, 0xb8, [15] = 1}, local[16] = {0xfd, 0, 0, 0x18, [15] = 2};
	struct pier_info *i = &client->info;

	memcpy(i->remote_addr, remote, sizeof(remote));
	memcpy(i->local_addr, local, sizeof(local));
	i->remote_port = 12345;
	i->local_port = 8080;
}

static void check_introduction(const char *config, void (*set)(struct fake_host *), const char *header,
			       size_t len)
{
	struct pair p = dial(config, 1 << 20, 1460);

	set(p.client);
	fake_input(p.client, "hello", 5);
	fake_answer(p.up);
	fake_run_all();
	assert_int_equal(p.up->out_len, len + 5);
	assert_memory_equal(p.up->out, header, len);
	assert_string_equal(p.up->out + len, "hello");
	assert_int_equal(stat_of(p.client, "bytes_up"), 5);
	hang_up(p);

	p = dial(config, 1 << 20, 1460); /* no room for it: neither side is left alone */
	p.up->capacity = len - 1;
	set(p.client);
	fake_answer(p.up);
	fake_run_all();
	assert_true(p.up->aborted && p.client->aborted);
	assert_int_equal(stat_of(p.client, "connected"), 0);
	hang_up(p);
}

static void test_introduces_the_client(void **state)
{
	static const char v1[] = "PROXY TCP4 192.0.2.1 198.18.0.2 12345 8080\r\n";
	static const char v2[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x12\0\x02\x30\x39\x1f\x90";

	static const char six1[] = "PROXY TCP6 2001:db8::1 fd00:18::2 12345 8080\r\n";
	static const char six2[] = "\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
				   "\xfd\0\0\x18\0\0\0\0\0\0\0\0\0\0\0\x02\x30\x39\x1f\x90";

	check_introduction(UP "send-proxy=v1", addresses, v1, sizeof(v1) - 1);
	check_introduction(UP "send-proxy=v2", addresses, v2, sizeof(v2) - 1);
	check_introduction(UP "send-proxy=v1", addresses6, six1, sizeof(six1) - 1);
	check_introduction(UP "send-proxy=v2", addresses6, six2, sizeof(six2) - 1);
}

/* The server stops: who waits for an answer gets it, who rests is closed. */
static void test_drain(void **state)
{
	struct pair p = joined(UP);

	fake_drain(p.client);
	fake_run_all();
	assert_int_equal(p.client->closes, 1);
	assert_int_equal(p.up->closes, 1);
	assert_false(p.up->rst || p.client->rst);
	hang_up(p);

	p = joined(UP);
	fake_wait_all(1000);
	fake_input(p.client, "request", 7);
	fake_run_all();
	fake_drain(p.client);
	fake_drain(p.up);
	fake_run_all();
	assert_int_equal(p.client->closes + p.up->closes, 0);
	fake_wait_all(1000);
	fake_input(p.up, "answer", 6);
	fake_run_all();
	fake_drain(p.up);
	fake_run_all();
	assert_string_equal(p.client->out, "answer");
	assert_int_equal(p.client->closes, 1);
	assert_int_equal(p.up->closes, 1);
	assert_false(p.up->rst || p.client->rst);
	hang_up(p);
}

static void test_drain_of_what_is_half_closed(void **state)
{
	struct pair p = joined(UP);

	fake_fin(p.client);
	fake_run_all();
	fake_drain(p.client);
	fake_drain(p.up);
	fake_run_all();
	assert_int_equal(p.client->closes + p.up->closes, 0);
	fake_input(p.up, "answer", 6);
	fake_fin(p.up);
	fake_run_all();
	assert_string_equal(p.client->out, "answer");
	assert_int_equal(p.client->closes, 1);
	hang_up(p);

	p = dial(UP, 1 << 20, 1460); /* before the answer */
	fake_drain(p.client);
	assert_int_equal(p.client->closes, 0);
	hang_up(p);
}

/* Sizes at random on both sides, both ways at once: every byte, in order, and both ends. */
static void test_any_sizes(void **state)
{
	for (unsigned int seed = 0; seed < 200; seed++) {
		struct pair p = dial(UP, 1 + (seed * 7919u) % 5000, 1 + (seed * 104729u) % 1500);
		const size_t up = (seed * 31337u) % 40000, down = (seed * 611953u) % 40000;
		char *a = bytes(up, seed), *b = bytes(down, seed + 1);

		p.client->rate = 1 + (seed * 17u) % 700;
		p.up->rate = 1 + (seed * 23u) % 900;
		fake_input(p.client, a, up / 2);
		fake_answer(p.up);
		fake_input(p.up, b, down);
		fake_fin(p.up);
		for (unsigned int i = 0; i < seed % 5; i++)
			fake_turn(i % 2 ? p.up : p.client);
		fake_input(p.client, a + up / 2, up - up / 2);
		fake_fin(p.client);
		fake_run_all();
		assert_int_equal(p.up->out_len, up);
		assert_memory_equal(p.up->out, a, up);
		assert_int_equal(p.client->out_len, down);
		assert_memory_equal(p.client->out, b, down);
		assert_int_equal(p.client->closes, 1);
		assert_int_equal(p.up->closes, 1);
		assert_false(p.client->rst || p.up->rst);
		free(a);
		free(b);
		hang_up(p);
	}
}

static void test_settings_are_checked(void **state)
{
	static const struct {
		const char *config, *error;
	} bad[] = {
		{NULL, "upstream: is missing; expected ADDRESS:PORT such as 198.18.0.1:80 or [fd00:18::1]:80"},
		{"upstream=10.0.0.1", "upstream: expected ADDRESS:PORT such as 198.18.0.1:80 or [fd00:18::1]:80, not \"10.0.0.1\""},
		{"upstream=10.0.0.1:0", "upstream: expected ADDRESS:PORT such as 198.18.0.1:80 or [fd00:18::1]:80, not \"10.0.0.1:0\""},
		{"upstream=10.0.0.1:65536", "upstream: expected ADDRESS:PORT such as 198.18.0.1:80 or [fd00:18::1]:80, not "
					    "\"10.0.0.1:65536\""},
		{"upstream=10.0.0.1:80 host:80", "upstream: expected ADDRESS:PORT such as 198.18.0.1:80 or [fd00:18::1]:80, not "
						 "\"host:80\""},
		{"upstream=fd00::1:80", "upstream: expected an IPv6 address in brackets, as in [fd00:18::2]:80, not "
					"\"fd00::1:80\""},
		{"upstream=[fe80::1%eth0]:80", "upstream: expected an address without a zone, such as fe80::1, not \"[fe80::1%eth0]:80\""},
		{"upstream=[fd00::1]:0", "upstream: expected ADDRESS:PORT such as 198.18.0.1:80 or [fd00:18::1]:80, not "
					 "\"[fd00::1]:0\""},
		{"upstream=10.0.0.1:80x", "upstream: expected ADDRESS:PORT such as 198.18.0.1:80 or [fd00:18::1]:80, not \"10.0.0.1:80x\""},
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		void *set = fake_settings(&handler_proxy, bad[i].config);
		char err[200] = "";

		assert_false(handler_proxy.setup(set, err, sizeof(err)));
		assert_string_equal(err, bad[i].error);
		fake_settings_free(&handler_proxy, set);
	}
}

/* All that may be connected to is told, for who checks that none is pier itself. */
static void test_targets(void **state)
{
	struct fake_host *f = fake_new(&handler_proxy, "upstream=10.0.0.1:81 10.0.0.2:82");
	struct pier_target t;

	for (unsigned int i = 0; i < 2; i++) {
		assert_true(handler_proxy.target(f->settings, i, &t));
		assert_string_equal(t.key, "upstream");
		assert_int_equal(t.port, 81 + i);
		assert_int_equal(t.addr[15], 1 + i);
		assert_int_equal(t.addr[11], 0xff);
	}
	assert_false(handler_proxy.target(f->settings, 2, &t));
	fake_free(fake_opened(0));
	fake_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passes_both_ways),
		cmocka_unit_test(test_upstream_of_either_family),
		cmocka_unit_test(test_waits_for_the_answer),
		cmocka_unit_test(test_pressure),
		cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_fin_before_the_answer),
		cmocka_unit_test(test_resets_pass),
		cmocka_unit_test(test_ends_pass),
		cmocka_unit_test(test_client_leaves_early),
		cmocka_unit_test(test_next_stands_in),
		cmocka_unit_test(test_upstreams_take_turns),
		cmocka_unit_test(test_nobody_answers),
		cmocka_unit_test(test_server_stops_while_connecting),
		cmocka_unit_test(test_connect_without_limit),
		cmocka_unit_test(test_failure_closes),
		cmocka_unit_test(test_no_way),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_introduces_the_client),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_drain_of_what_is_half_closed),
		cmocka_unit_test(test_any_sizes),
		cmocka_unit_test(test_settings_are_checked),
		cmocka_unit_test(test_targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
