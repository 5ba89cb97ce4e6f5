/*
 * sink and source: what goes through, at which pace, and how it ends.
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

#define MANY 5

static uint64_t stat_of(const struct fake_host *f, const char *name)
{
	return fake_stat(f->handler, f->settings, name);
}

/* Milliseconds pass, with turns in between. */
static void pass(struct fake_host *const *f, unsigned int n, unsigned int ms)
{
	while (ms--)
		for (unsigned int i = 0; i < n; i++) {
			fake_wait(f[i], US_PER_MS);
			fake_run(f[i]);
		}
}

static void fill(struct fake_host *f, size_t len)
{
	char *zeros = calloc(1, len);

	assert_non_null(zeros);
	fake_input(f, zeros, len);
	free(zeros);
	fake_run(f);
}

static void test_sink_takes_all(void **state)
{
	struct fake_host *f = fake_new(&handler_sink, NULL);

	fill(f, 300000);
	assert_int_equal(f->taken, 300000);
	assert_int_equal(f->timer, 0);
	assert_int_equal(stat_of(f, "bytes"), 300000);
	assert_int_equal(stat_of(f, "connections"), 1);
	fake_fin(f);
	fake_run(f);
	assert_int_equal(f->closes, 1);
	assert_false(f->rst);
	fake_free(f);
}

/* In every stretch of time no more than the pace allows, and over the whole nearly all of it. */
static void check_pace(const char *config, uint64_t rate, uint64_t burst, unsigned int ms)
{
	struct fake_host *f = fake_new(&handler_sink, config);

	f->conn.now = 12345678901;
	fill(f, 2 * (rate * ms / 1000 + burst));
	for (unsigned int t = 1; t <= ms; t++) {
		pass(&f, 1, 1);
		assert_true(f->taken <= burst + rate * t / 1000);
	}
	assert_true(f->taken >= rate * ms / 1000 * 95 / 100);
	assert_int_equal(stat_of(f, "bytes"), f->taken);
	fake_free(f);
}

static void test_sink_pace(void **state)
{
	check_pace("pace=1m", 1 << 20, (1 << 20) / 100, 3000);
	check_pace("pace=1m\npace-burst=64k", 1 << 20, 64 << 10, 3000);
	check_pace("pace=1000", 1000, 1460, 20000);
	check_pace("pace=100m", 100 << 20, 1 << 20, 200);
	check_pace("pace-core=1m", 1 << 20, (1 << 20) / 100, 3000);
	check_pace("pace=10m\npace-core=1m", 1 << 20, (10 << 20) / 100, 3000);
	check_pace("pace=1m\npace-core=10m", 1 << 20, (1 << 20) / 100, 3000);
}

static void test_sink_paced_to_the_end(void **state)
{
	struct fake_host *f = fake_new(&handler_sink, "pace=100k");

	fill(f, 50000);
	fake_fin(f);
	fake_run(f);
	assert_int_equal(f->eofs, 0);
	pass(&f, 1, 600);
	assert_int_equal(f->taken, 50000);
	assert_int_equal(f->closes, 1);
	fake_free(f);
}

static void share(const struct pier_handler *h, const char *config, struct fake_host **f)
{
	f[0] = fake_new_limited(h, config, 1 << 20, 1460);
	for (unsigned int i = 1; i < MANY; i++)
		f[i] = fake_beside(f[0]);
}

static void unshare(struct fake_host **f)
{
	for (unsigned int i = MANY; i-- > 0;)
		fake_free(f[i]);
}

/* Each of several connections has the same part of what all have together. */
static void test_sink_core_pace_is_shared(void **state)
{
	struct fake_host *f[MANY];
	size_t sum = 0;

	share(&handler_sink, "pace-core=1m", f);
	for (unsigned int i = 0; i < MANY; i++)
		fill(f[i], 1 << 20);
	pass(f, MANY, 2000);
	for (unsigned int i = 0; i < MANY; i++) {
		sum += f[i]->taken;
		assert_true(f[i]->taken > (2 << 20) / MANY * 9 / 10);
	}
	assert_true(sum <= (2 << 20) + (1 << 20) / 100 && sum >= (2 << 20) * 95 / 100);
	unshare(f);
}

static void check_stream(const struct fake_host *f)
{
	for (size_t i = 0; i < f->out_len; i++)
		assert_int_equal((uint8_t)f->out[i], i & 0xff);
}

static void test_source_sends_and_ends(void **state)
{
	static const size_t rooms[] = {1, 7, 1460, 70000, 1 << 20};

	for (size_t i = 0; i < ARRAY_SIZE(rooms); i++) {
		struct fake_host *f = fake_new_limited(&handler_source, "bytes=200000", rooms[i],
						       1460);

		fake_run(f);
		assert_int_equal(f->out_len, 200000);
		check_stream(f);
		assert_true(f->shut);
		assert_int_equal(f->closes, 0);
		fill(f, 10); /* what comes behind does no harm */
		fake_fin(f);
		fake_run(f);
		assert_int_equal(f->closes, 1);
		assert_false(f->rst);
		assert_int_equal(stat_of(f, "bytes"), 200000);
		assert_int_equal(stat_of(f, "completed"), 1);
		fake_free(f);
	}
}

/* One that never closes is not waited for for ever. */
static void test_source_lingers_for_a_while(void **state)
{
	struct fake_host *f = fake_new(&handler_source, "bytes=10");

	fake_run(f);
	fake_wait(f, US_PER_SEC);
	assert_int_equal(f->closes, 0);
	fake_wait(f, 2 * US_PER_SEC);
	assert_int_equal(f->closes, 1);
	fake_free(f);
}

static void test_source_after_the_peers_fin(void **state)
{
	struct fake_host *f = fake_new_limited(&handler_source, "bytes=1000", 100, 1460);

	fake_fin(f);
	fake_turn(f);
	assert_int_equal(f->eofs, 1);
	assert_int_equal(f->closes, 0);
	fake_run(f);
	assert_int_equal(f->out_len, 1000);
	assert_int_equal(f->closes, 1);
	fake_free(f);

	f = fake_new_limited(&handler_source, NULL, 100, 1460); /* without end: till then */
	fake_fin(f);
	fake_turn(f);
	assert_int_equal(f->closes, 1);
	fake_free(f);
}

static void test_source_pace(void **state)
{
	struct fake_host *f = fake_new(&handler_source, "pace=1m\nbytes=2m");
	const uint64_t rate = 1 << 20;

	for (unsigned int t = 1; t < 1990; t++) {
		pass(&f, 1, 1);
		assert_true(f->out_len <= rate / 100 + rate * t / 1000);
		assert_true(f->out_len + 2 * (rate / 100) >= rate * t / 1000);
	}
	pass(&f, 1, 100);
	assert_int_equal(f->out_len, 2 << 20);
	assert_true(f->shut);
	check_stream(f);
	fake_free(f);
}

/* A reader that takes nothing takes no turn away from the others. */
static void test_source_core_pace_is_shared(void **state)
{
	struct fake_host *f[MANY];
	size_t sum = 0;

	share(&handler_source, "pace-core=1m", f);
	f[0]->rate = 0;
	f[0]->capacity = f[0]->queued + 10;
	pass(f, MANY, 2000);
	for (unsigned int i = 0; i < MANY; i++) {
		sum += f[i]->out_len;
		assert_true(!i || f[i]->out_len > (2 << 20) / (MANY - 1) * 9 / 10);
	}
	assert_true(f[0]->out_len < 30000);
	assert_true(sum <= (2 << 20) + (1 << 20) / 50 && sum >= (2 << 20) * 95 / 100);
	unshare(f);
}

static void test_source_patterns(void **state)
{
	struct fake_host *a = fake_new(&handler_source, "pattern=random\nseed=3\nbytes=100000");
	struct fake_host *b = fake_new(&handler_source, "pattern=random\nseed=3\nbytes=100000");
	struct fake_host *c = fake_new(&handler_source, "pattern=random\nseed=4\nbytes=100000");
	struct fake_host *z = fake_new(&handler_source, "pattern=zero\nbytes=100000");

	fake_run(a), fake_run(b), fake_run(c), fake_run(z);
	assert_int_equal(a->out_len, 100000);
	assert_memory_equal(a->out, b->out, 100000);
	assert_memory_not_equal(a->out, c->out, 100000);
	assert_memory_equal(a->out, a->out + 65536, 100000 - 65536);
	assert_memory_not_equal(a->out, a->out + 256, 256);
	for (size_t i = 0; i < z->out_len; i++)
		assert_int_equal(z->out[i], 0);
	fake_free(a), fake_free(b), fake_free(c), fake_free(z);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sink_takes_all),
		cmocka_unit_test(test_sink_pace),
		cmocka_unit_test(test_sink_paced_to_the_end),
		cmocka_unit_test(test_sink_core_pace_is_shared),
		cmocka_unit_test(test_source_sends_and_ends),
		cmocka_unit_test(test_source_lingers_for_a_while),
		cmocka_unit_test(test_source_after_the_peers_fin),
		cmocka_unit_test(test_source_pace),
		cmocka_unit_test(test_source_core_pace_is_shared),
		cmocka_unit_test(test_source_patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
