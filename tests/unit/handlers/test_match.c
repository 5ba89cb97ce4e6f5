/*
 * match alone: what rules do, bounds, rest, and the streams' memory.
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

/* The clock of scan-time, in place of the real one: a reading takes so long. */
static uint64_t ticks, ticks_each;

uint64_t match_ticks(void);
uint64_t match_ticks_per_us(void);

uint64_t match_ticks(void)
{
	return ticks += ticks_each;
}

uint64_t match_ticks_per_us(void)
{
	return 1000;
}

static char rules_path[] = "/tmp/pier_match_XXXXXX";

static int make_rules(void **state)
{
	static const char text[] = "1:/one/\n2:/two/\n3:/end$/\n4:/x/\n5:/a.{0,200}z/s\n6:/q|qq$/m\n";
	int fd = mkstemp(rules_path);

	return fd < 0 || write(fd, text, sizeof(text) - 1) < 0 || close(fd);
}

static int remove_rules(void **state)
{
	return unlink(rules_path);
}

/* Each test in a time of its own: what a worker may scan in a turn, one after another shares. */
static void move_on(struct fake_host *f)
{
	static uint64_t begin;

	f->conn.now = begin += 100000000;
}

static struct fake_host *start(const char *config)
{
	struct fake_host *f;
	char all[1000];

	snprintf(all, sizeof(all), "rules=%s\n%s", rules_path, config);
	f = fake_new(&handler_match, all);
	move_on(f);
	return f;
}

static void say(struct fake_host *f, const char *text)
{
	f->conn.now++;
	fake_input(f, text, strlen(text));
	fake_run(f);
}

/* What has not been counted yet is not listed. */
static uint64_t stat_of(const struct fake_host *f, const char *name)
{
	const uint64_t value = fake_stat(&handler_match, f->settings, name);

	return value == UINT64_MAX ? 0 : value;
}

static void refuse(const char *config, const char *want)
{
	char all[1000], err[400] = "";
	void *settings;

	snprintf(all, sizeof(all), "rules=%s\n%s", rules_path, config);
	settings = fake_settings(&handler_match, all);
	assert_false(handler_match.setup(settings, err, sizeof(err)));
	if (!strstr(err, want))
		fail_msg("%s, expected %s", err, want);
	fake_settings_free(&handler_match, settings);
}

static void test_counts(void **state)
{
	struct fake_host *f = start("");

	say(f, "one two o");
	say(f, "n");
	say(f, "e");
	assert_int_equal(stat_of(f, "rule_1"), 2);
	assert_int_equal(stat_of(f, "rule_2"), 1);
	assert_int_equal(stat_of(f, "rule_4"), 0);
	assert_int_equal(stat_of(f, "rules"), 6);
	assert_int_equal(stat_of(f, "streams_open"), 1);
	assert_int_equal(f->out_len, 0);
	assert_int_equal(f->taken, 11);
	fake_fin(f);
	fake_run(f);
	assert_int_equal(f->closes, 1);
	assert_int_equal(stat_of(f, "streams_open"), 0);
	assert_int_equal(stat_of(f, "stream_bytes"), 0);
	fake_free(f);
}

/* At each offset where it ends, whatever the cuts; at the end of data only at the end. */
static void test_reports(void **state)
{
	struct fake_host *f = start("action=* report");

	say(f, "..one..tw");
	say(f, "o end e");
	assert_string_equal(f->out, "1 5\n2 10\n");
	say(f, "nd");
	fake_fin(f);
	fake_run(f);
	assert_string_equal(f->out, "1 5\n2 10\n3 18\n");
	assert_int_equal(f->closes, 1);
	fake_free(f);
}

/*
 * A match that is known only by what follows, in the next segment or at the end of data, is the same match
 * as one that was reported already: once, as in a block.
 */
static void test_matches_once(void **state)
{
	struct fake_host *f = start("action=* report\nreply=nothing");

	say(f, "qq");
	assert_string_equal(f->out, "6 1\n6 2\n");
	say(f, "\n");
	assert_string_equal(f->out, "6 1\n6 2\n");
	say(f, "q\n");
	fake_fin(f);
	fake_run(f);
	assert_string_equal(f->out, "6 1\n6 2\n6 4\n");
	assert_int_equal(stat_of(f, "rule_6"), 3);
	assert_int_equal(stat_of(f, "stream_bytes"), 0);
	fake_free(f);
}

static void test_answers(void **state)
{
	struct fake_host *f = start("action=1 answer yes\\r\\n\naction=2 answer \\x4e\\\\o");

	say(f, "one");
	assert_string_equal(f->out, "yes\r\n");
	say(f, "twoone");
	assert_string_equal(f->out, "yes\r\nN\\oyes\r\n");
	assert_int_equal(f->runs_n, 3); /* bodies are not copied */
	fake_free(f);
}

static void test_answer_file(void **state)
{
	char config[200];
	struct fake_host *f;

	snprintf(config, sizeof(config), "action=1 answer @%s", rules_path);
	f = start(config);
	say(f, "one");
	assert_int_equal(strncmp(f->out, "1:/one/\n2:", 10), 0);
	fake_free(f);
}

/* Answers that the peer does not read close its window, and come all when it does. */
static void test_answers_wait(void **state)
{
	char all[200];
	struct fake_host *f;

	snprintf(all, sizeof(all), "rules=%s\naction=4 answer 12345678", rules_path);
	f = fake_new_limited(&handler_match, all, 20, 4);
	move_on(f);
	f->rate = 0;
	say(f, "xxxxxxxxxxxx");
	assert_int_equal(f->out_len, 20);
	assert_true(f->rx_len > 0);
	f->rate = 3;
	fake_run(f);
	assert_int_equal(f->out_len, 12 * 8);
	assert_int_equal(f->rx_len, 0);
	fake_fin(f);
	fake_run(f);
	assert_int_equal(f->closes, 1);
	assert_false(f->rst);
	fake_free(f);
}

/* So many answers to one who reads none that they are not kept. */
static void test_answers_overflow(void **state)
{
	char all[200], *many = malloc(100001);
	struct fake_host *f;

	snprintf(all, sizeof(all), "rules=%s\naction=4 report\nmatches-turn=1000000", rules_path);
	f = fake_new_limited(&handler_match, all, 20, 100000);
	move_on(f);
	memset(many, 'x', 100000);
	many[100000] = 0;
	say(f, many);
	assert_true(f->rst);
	assert_int_equal(stat_of(f, "answers_overflowed"), 1);
	free(many);
	fake_free(f);
}

static void test_close(void **state)
{
	struct fake_host *f = start("action=1 answer bye\naction=2 close");

	say(f, "one two one");
	assert_string_equal(f->out, "bye"); /* what came before */
	assert_int_equal(stat_of(f, "rule_1"), 1); /* and nothing behind it is scanned */
	assert_true(f->shut);
	assert_int_equal(f->closes, 0); /* the peer's FIN may be under way, or more data */
	say(f, "more");
	assert_false(f->rst);
	fake_fin(f);
	fake_run(f);
	assert_int_equal(f->closes, 1);
	assert_false(f->rst);
	fake_free(f);

	f = start("action=2 close");
	say(f, "two");
	fake_wait(f, 3000000);
	assert_int_equal(f->closes, 1);
	fake_free(f);
}

static void test_reset(void **state)
{
	struct fake_host *f = start("action=2 reset");

	say(f, "one tw");
	assert_false(f->rst);
	say(f, "o");
	assert_true(f->rst);
	assert_int_equal(f->closes, 1);
	fake_free(f);
}

/* Connections are counted, not matches. */
static void test_tag(void **state)
{
	struct fake_host *f = start("action=1 tag web\naction=2 tag other\naction=4 tag web");

	say(f, "one one x");
	assert_int_equal(stat_of(f, "tag_web"), 1);
	assert_int_equal(stat_of(f, "tag_other"), 0);
	fake_free(f);
}

static void test_later_lines_override(void **state)
{
	struct fake_host *f = start("action=* report\naction=1,3-5 count");

	say(f, "one two x");
	assert_string_equal(f->out, "2 7\n");
	fake_free(f);
}

static void test_depth(void **state)
{
	struct fake_host *f = start("action=* report\ndepth=10");

	say(f, "one......o");
	say(f, "neone");
	assert_string_equal(f->out, "1 3\n");
	assert_int_equal(stat_of(f, "streams_open"), 0);
	assert_int_equal(f->rx_len, 0);
	fake_free(f);
}

static void test_bounds(void **state)
{
	struct fake_host *f = start("action=* report\nbound=1 max-matches=2\nbound=2 depth=8\n"
				    "bound=4 direction=out");

	say(f, "oneoneone x");
	say(f, "two");
	assert_string_equal(f->out, "1 3\n1 6\n");
	fake_free(f);
	f = start("action=* report\nbound=2 depth=6"); /* its last byte included */
	say(f, "twotwotwo");
	assert_string_equal(f->out, "2 3\n2 6\n");
	fake_free(f);
	f = start("action=* report\nbound=2 depth=8");
	say(f, "twotwotwo");
	assert_string_equal(f->out, "2 3\n2 6\n");
	fake_free(f);
}

static void test_max_matches(void **state)
{
	struct fake_host *f = start("action=* report\nmax-matches=3");

	say(f, "xx");
	say(f, "xxxx");
	assert_string_equal(f->out, "4 1\n4 2\n4 3\n");
	assert_int_equal(stat_of(f, "streams_open"), 0);
	fake_free(f);
}

static void test_echo_both_directions(void **state)
{
	struct fake_host *f = start("reply=echo\ndirection=both");

	say(f, "one t");
	say(f, "wo");
	assert_string_equal(f->out, "one two");
	assert_int_equal(stat_of(f, "rule_1"), 2);
	assert_int_equal(stat_of(f, "rule_2"), 2);
	assert_int_equal(stat_of(f, "streams_open"), 2);
	fake_free(f);
	f = start("reply=echo\ndirection=out\naction=2 reset");
	say(f, "one");
	assert_int_equal(stat_of(f, "rule_1"), 1);
	assert_false(f->rst);
	say(f, "two");
	assert_true(f->rst);
	fake_free(f);
	f = start("reply=echo");
	say(f, "one");
	assert_string_equal(f->out, "one");
	assert_int_equal(stat_of(f, "rule_1"), 1);
	fake_free(f);
}

/*
 * Not more than scan-turn in one turn; what waits closes the window and comes later, complete. A turn
 * is over when the one that waited has its next, or time has moved.
 */
static void test_scan_turn(void **state)
{
	char *text = malloc(5001);
	struct fake_host *f = start("action=2 report\nscan-turn=1k");
	size_t before;

	memset(text, '.', 5000);
	memcpy(text + 1022, "two", 3);
	memcpy(text + 4997, "two", 3);
	text[5000] = 0;
	fake_input(f, text, 5000);
	fake_turn(f);
	assert_int_equal(f->taken, 1024);
	for (int i = 0; i < 4; i++) {
		before = f->taken;
		f->conn.now += i & 1;
		fake_turn(f);
		assert_true(f->taken - before <= 1024);
	}
	assert_int_equal(f->taken, 5000);
	assert_string_equal(f->out, "2 1025\n2 5000\n");
	assert_true(stat_of(f, "scans_deferred") >= 4);
	free(text);
	fake_free(f);
}

/* What one connection takes of the turn, the other does not have. */
static void test_scan_turn_is_shared(void **state)
{
	struct fake_host *f = start("scan-turn=1k"), *g;
	char *text = malloc(1001), all[200];

	snprintf(all, sizeof(all), "rules=%s\nscan-turn=1k", rules_path);
	g = fake_new(&handler_match, all);
	g->conn.id = 2;
	g->conn.now = f->conn.now;
	memset(text, '.', 1000);
	fake_input(f, text, 1000);
	fake_input(g, text, 1000);
	fake_turn(f);
	fake_turn(g);
	assert_int_equal(f->taken, 1000);
	assert_int_equal(g->taken, 24);
	fake_input(f, text, 100);
	fake_turn(f);
	assert_int_equal(f->taken, 1000); /* g was the first to wait */
	fake_turn(g);
	assert_int_equal(g->taken, 1000);
	fake_run(f);
	assert_int_equal(f->taken, 1100);
	free(text);
	fake_free(f);
	fake_free(g);
}

/*
 * Not longer than scan-time, whatever bytes cost: here a reading of the clock, one for 1,024 bytes, finds
 * 400 us gone. The rest comes later, complete.
 */
static void test_scan_time(void **state)
{
	struct fake_host *f = start("action=2 report\nscan-time=1ms\nscan-turn=1m");
	char *text = malloc(20001);
	size_t before, most = 0;
	unsigned int turns = 0;

	memset(text, '.', 20000);
	memcpy(text + 3000, "two", 3);
	memcpy(text + 19997, "two", 3);
	text[20000] = 0;
	ticks_each = 400000;
	fake_input(f, text, 20000);
	for (; f->rx_len && turns < 100; turns++) {
		before = f->taken;
		f->conn.now++;
		fake_turn(f);
		if (turns) /* by then it is known what bytes cost */
			most = f->taken - before > most ? f->taken - before : most;
	}
	assert_int_equal(f->taken, 20000);
	assert_in_range(turns, 5, 20);
	assert_in_range(most, 1024, 3 * 1460); /* slices: the clock is read after each */
	assert_string_equal(f->out, "2 3003\n2 20000\n");
	assert_in_range(stat_of(f, "scans_deferred"), 2, turns - 1);
	fake_free(f);

	/* The same bytes where they cost little: one turn, when what was dear is forgotten. */
	ticks_each = 10;
	f = start("action=2 report\nscan-time=1ms\nscan-turn=1m");
	for (int i = 0; i < 40; i++) {
		f->conn.now++;
		fake_input(f, text, 20000);
		fake_run(f);
	}
	memset(text, '.', 20000);
	before = f->taken;
	f->conn.now++;
	fake_input(f, text, 20000);
	fake_turn(f);
	assert_int_equal(f->taken - before, 20000);
	ticks_each = 0;
	free(text);
	fake_free(f);
}

/* What was sent cannot wait: the pieces are small, but all of it is scanned. */
static void test_scan_time_of_what_is_sent(void **state)
{
	struct fake_host *f = start("reply=echo\ndirection=out\nscan-time=1ms\nscan-turn=1m");
	char *text = malloc(9001);

	for (int i = 0; i < 9000; i++)
		text[i] = i % 10 < 3 ? "two"[i % 10] : '.';
	text[9000] = 0;
	ticks_each = 400000;
	fake_input(f, text, 9000);
	fake_run(f);
	assert_int_equal(f->out_len, 9000);
	assert_memory_equal(f->out, text, 9000);
	assert_int_equal(stat_of(f, "rule_2"), 900);
	ticks_each = 0;
	free(text);
	fake_free(f);
}

/*
 * The bound of a turn, for many connections with more than it can take, rules that all match at each byte,
 * and both directions scanned: scan-turn bytes come in, twice matches-turn matches are told of.
 */
static void test_turn_of_many(void **state)
{
	enum { MANY = 50, EACH = 8000 };
	struct fake_host *f[MANY];
	char *text = malloc(EACH + 1), all[200];
	uint64_t bytes = 0, matches = 0, more;

	snprintf(all, sizeof(all), "rules=%s\nscan-turn=16k\nmatches-turn=10000", rules_path);
	memset(text, 'x', EACH);
	text[EACH] = 0;
	for (unsigned int i = 0; i < MANY; i++) {
		f[i] = fake_new(&handler_match, all);
		f[i]->conn.id = 100 + i;
		fake_input(f[i], text, EACH);
	}
	for (unsigned int pass = 0; pass < 60; pass++) {
		uint64_t took = 0, told = 0;

		for (unsigned int i = 0; i < MANY; i++) {
			f[i]->conn.now = 7000000000 + pass;
			took -= f[i]->taken;
			fake_turn(f[i]);
			took += f[i]->taken;
			more = stat_of(f[i], "rule_4");
			told += more;
		}
		assert_true(took <= 16384);
		assert_true(told - matches <= 20000);
		bytes += took;
		matches = told;
	}
	assert_int_equal(bytes, (uint64_t)MANY * EACH);
	for (unsigned int i = 0; i < MANY; i++)
		fake_free(f[i]);
	free(text);
}

/* Matches of one connection after the other count together; the one behind them waits for the next turn. */
static void test_matches_turn_is_shared(void **state)
{
	struct fake_host *f[3];
	char text[61], all[200];

	memset(text, 'x', 60);
	text[60] = 0;
	snprintf(all, sizeof(all), "rules=%s\nmatches-turn=100", rules_path);
	for (unsigned int i = 0; i < 3; i++) {
		f[i] = fake_new(&handler_match, all);
		f[i]->conn.now = 8000000000;
		fake_input(f[i], text, 60);
	}
	for (unsigned int i = 0; i < 3; i++)
		fake_turn(f[i]);
	assert_int_equal(f[0]->taken, 60);
	assert_int_equal(f[1]->taken, 60);
	assert_int_equal(f[2]->taken, 0);
	assert_int_equal(stat_of(f[2], "scans_stopped"), 0);
	f[2]->conn.now++;
	fake_turn(f[2]);
	assert_int_equal(f[2]->taken, 60);
	assert_int_equal(stat_of(f[2], "rule_4"), 60);
	for (unsigned int i = 0; i < 3; i++)
		fake_free(f[i]);
}

static void test_matches_turn(void **state)
{
	struct fake_host *f = start("matches-turn=10");

	say(f, "xxxxxxxxxxxxxxxxxxxxxxxx");
	assert_int_equal(stat_of(f, "rule_4"), 9);
	assert_int_equal(stat_of(f, "scans_stopped"), 1);
	say(f, "one");
	assert_int_equal(stat_of(f, "rule_1"), 0);
	assert_int_equal(f->rx_len, 0); /* it is read all the same */
	fake_free(f);
}

/* The state of a resting stream is small, or gone; patterns go on, or do not. */
static void test_rest(void **state)
{
	static const char *const words[] = {"compress", "drop", "keep"};
	char config[100];
	struct fake_host *f;
	uint64_t bytes;

	for (int i = 0; i < 3; i++) {
		snprintf(config, sizeof(config), "action=5 report\nrest=%s\nrest-after=500ms", words[i]);
		f = start(config);
		say(f, "a....");
		bytes = stat_of(f, "stream_bytes");
		fake_wait(f, 400000);
		say(f, ".");
		fake_wait(f, 400000);
		assert_int_equal(stat_of(f, "streams_open"), 1);
		fake_wait(f, 200000);
		assert_int_equal(stat_of(f, "streams_open"), i == 2);
		if (i == 0)
			assert_in_range(stat_of(f, "stream_bytes"), 1, bytes - 1);
		else
			assert_int_equal(stat_of(f, "stream_bytes"), i == 1 ? 0 : bytes);
		say(f, "z");
		assert_string_equal(f->out, i == 1 ? "" : "5 7\n");
		say(f, "az"); /* offsets count from the connection's start */
		assert_non_null(strstr(f->out, "5 9\n"));
		fake_wait(f, 600000);
		fake_free(f);
	}
}

static void test_stream_memory(void **state)
{
	struct fake_host *f = start("stream-memory=1");

	say(f, "one");
	assert_int_equal(stat_of(f, "rule_1"), 0);
	assert_int_equal(stat_of(f, "streams_skipped"), 1);
	assert_int_equal(f->rx_len, 0);
	fake_free(f);
}

static void test_refused(void **state)
{
	char err[300];
	void *s = fake_settings(&handler_match, "");

	assert_false(handler_match.setup(s, err, sizeof(err)));
	assert_string_equal(err, "rules: expected a rule file");
	fake_settings_free(&handler_match, s);
	refuse("rules=/none/such", "cannot read /none/such");
	refuse("cache=/none/such", "cache: the database is not kept in /none/such: No such file or directory");
	refuse("cache=/dev/null", "cache: the database is not kept in /dev/null: Not a directory");
	refuse("action=nonsense", "action \"nonsense\": expected * or rules such as 1-5,9");
	refuse("action=1", "expected a blank after the rules");
	refuse("action=1,99 count", "there is no rule 99");
	refuse("action=1 explode", "expected count, report, answer, tag, close, reset or then");
	refuse("action=1 close now", "expected nothing after the action");
	refuse("action=1 answer", "expected something to answer");
	refuse("action=1 answer a\\q", "expected \\n, \\r");
	refuse("action=1 answer @/none", "cannot read /none");
	refuse("action=1 tag a b", "expected a tag of letters");
	refuse("action=1 then", "expected then = HANDLER, too");
	refuse("bound=1 depth", "expected KEY=VALUE");
	refuse("bound=1 deep=1", "no such key: deep");
	refuse("bound=1 depth=x", "bound: depth: expected a size");
	refuse("then=none", "then: expected another handler, not \"none\"");
	refuse("then=match", "then: expected another handler, not \"match\"");
	refuse("then-option=body-size=1", "then: expected another handler");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_reports),
		cmocka_unit_test(test_matches_once),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_answer_file),
		cmocka_unit_test(test_answers_wait),
		cmocka_unit_test(test_answers_overflow),
		cmocka_unit_test(test_close),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_tag),
		cmocka_unit_test(test_later_lines_override),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_max_matches),
		cmocka_unit_test(test_echo_both_directions),
		cmocka_unit_test(test_scan_turn),
		cmocka_unit_test(test_scan_turn_is_shared),
		cmocka_unit_test(test_scan_time),
		cmocka_unit_test(test_scan_time_of_what_is_sent),
		cmocka_unit_test(test_turn_of_many),
		cmocka_unit_test(test_matches_turn_is_shared),
		cmocka_unit_test(test_matches_turn),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_stream_memory),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, make_rules, remove_rules);
}
