/*
 * Databases: compile errors at their place, the cache, streams over any cuts, rest, memory, counters.
 */
#include "kit.h"

#include <stdlib.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "match/pool.h"
#include "match/stream.h"

static void refuse(const char *text, const char *want)
{
	char err[300] = "";

	assert_null(open_text(text, NULL, 0, err, sizeof(err)));
	if (strncmp(err, want, strlen(want)))
		fail_msg("%s, expected %s", err, want);
}

/* Hyperscan's own words, at the rule's line, and the column where it says "at index". */
static void test_compile_errors(void **state)
{
	refuse("1:/ok/\n\n22:/ab(cd/i\n", "f:3:7: rule 22: Missing close parenthesis");
	refuse("1:/*a/", "f:1:4: rule 1: ");
	refuse("1:/a/\n2:/1 & 33/C", "f:2:8: rule 2: there is no rule 33");
	refuse("1:/a(?=b)/", "f:1:");
}

struct found {
	unsigned int n;
	struct {
		unsigned int rule;
		uint64_t to;
	} at[100];
	unsigned int stop_after;
};

static int note(unsigned int id, unsigned long long from, unsigned long long to, unsigned int flags,
		void *arg)
{
	struct found *f = arg;

	assert_true(f->n < 100);
	f->at[f->n].rule = id;
	f->at[f->n++].to = to;
	return f->n == f->stop_after;
}

static void test_ids_are_places(void **state)
{
	struct match_db *db = must_open("900:/abc/\n5:/xyz/\n7:/900 & 5/C\n", NULL, 0);
	struct match_core *core = match_core(db);
	struct match_stream s = {0};
	struct found f = {0};

	for (const char *p = "..abc..xyz"; *p; p++)
		assert_int_equal(match_scan(core, &s, p, 1, note, &f), MATCH_SCANNED);
	assert_int_equal(f.at[0].rule, 0);
	assert_int_equal(f.at[0].to, 5);
	match_end(core, &s, note, &f);
	assert_int_equal(f.n, 3);
	assert_int_equal(f.at[1].to, 10);
	assert_int_equal(f.at[1].rule + f.at[2].rule, 3);
	assert_int_equal(core->bytes, 0);
	assert_int_equal(core->streams, 0);
	match_db_close(db);
}

/* Compressed in the middle of a pattern, it goes on; dropped, it begins anew. */
static void test_rest(void **state)
{
	char text[4000];
	size_t len = (size_t)sprintf(text, "0:/ab{20,900}c.{30,600}d/s\n");
	struct match_core *core;
	struct match_db *db;
	struct match_stream s = {0};
	struct found f = {0};
	uint64_t open_bytes;
	char b[100];

	for (int i = 1; i < 50; i++) /* so that there is something to compress */
		len += (size_t)sprintf(text + len, "%d:/%d[xy].{40,%d}z/s\n", i, i, 700 + i);
	db = must_open(text, NULL, 0);
	core = match_core(db);
	memset(b, 'b', sizeof(b));
	match_scan(core, &s, "a", 1, note, &f);
	match_scan(core, &s, b, 100, note, &f);
	open_bytes = core->bytes;
	match_pack(core, &s);
	assert_true(s.state & MATCH_PACKED);
	assert_true(core->bytes < open_bytes);
	assert_int_equal(core->streams, 0);
	match_pack(core, &s); /* is nothing */
	match_scan(core, &s, "c", 1, note, &f);
	assert_false(s.state & MATCH_PACKED);
	assert_int_equal(core->bytes, open_bytes);
	match_scan(core, &s, b, 40, note, &f);
	match_scan(core, &s, "d", 1, note, &f);
	assert_int_equal(f.n, 1);
	assert_int_equal(f.at[0].to, 143);
	match_drop(core, &s);
	assert_int_equal(core->bytes, 0);
	match_scan(core, &s, b, 40, note, &f);
	match_scan(core, &s, "d", 1, note, &f);
	assert_int_equal(f.n, 1);
	assert_int_equal(s.base, 143);
	assert_int_equal(s.scanned, 184);
	match_pack(core, &s);
	match_end(core, &s, NULL, NULL);
	assert_int_equal(core->bytes, 0);
	match_db_close(db);
}

/* A state that is as small as its compressed form stays as it is. */
static void test_rest_of_little(void **state)
{
	struct match_db *db = must_open("1:/abc/\n", NULL, 0);
	struct match_core *core = match_core(db);
	struct match_stream s = {0};
	struct found f = {0};
	uint64_t open_bytes;

	match_scan(core, &s, "ab", 2, note, &f);
	open_bytes = core->bytes;
	match_pack(core, &s);
	assert_false(s.state & MATCH_PACKED);
	assert_int_equal(core->bytes, open_bytes);
	match_scan(core, &s, "c", 1, note, &f);
	assert_int_equal(f.n, 1);
	match_end(core, &s, NULL, NULL);
	match_db_close(db);
}

/* Other memory of connections counts like streams, and is bounded with them. */
static void test_other_memory(void **state)
{
	struct match_db *db = must_open("1:/abc/\n", NULL, 1000);
	struct match_core *core = match_core(db);
	void *p = match_take(core, 500);

	assert_non_null(p);
	assert_int_equal(core->bytes, match_pool_bytes(500));
	assert_null(match_take(core, 500));
	assert_int_equal(core->no_memory, 1);
	match_give(core, p, 500);
	match_give(core, NULL, 500);
	assert_int_equal(core->bytes, 0);
	match_db_close(db);
}

static void test_stopped(void **state)
{
	struct match_db *db = must_open("1:/a/\n", NULL, 0);
	struct match_core *core = match_core(db);
	struct found f = {.stop_after = 2};
	struct match_stream s = {0};

	assert_int_equal(match_scan(core, &s, "aaaa", 4, note, &f), MATCH_STOPPED);
	assert_int_equal(f.n, 2);
	match_end(core, &s, NULL, NULL);
	match_db_close(db);
}

static void test_memory(void **state)
{
	struct match_db *db = must_open("1:/abc/\n", NULL, 1), *other = must_open("1:/abc/\n", NULL, 0);
	struct match_core *core = match_core(db);
	struct match_stream s = {0};
	struct match_usage use;

	assert_int_equal(match_scan(core, &s, "abc", 3, note, NULL), MATCH_NO_MEMORY);
	match_usage(db, &use);
	assert_int_equal(use.no_memory, 1);
	assert_int_equal(s.state, 0);
	match_db_close(db);
	/* The pools are still in use by the other. */
	match_pool_free(match_pool_alloc(100));
	match_db_close(other);
}

static void test_pool(void **state)
{
	struct match_db *db = must_open("1:/abc/\n", NULL, 0);
	uint8_t *p[200];

	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < 200; i++) {
			p[i] = match_pool_alloc(1 + i * i * 17);
			assert_non_null(p[i]);
			assert_int_equal((uintptr_t)p[i] % 16, 0);
			memset(p[i], (int)i, 1 + i * i * 17);
		}
		for (size_t i = 0; i < 200; i++) {
			assert_int_equal(p[i][0], i);
			assert_int_equal(p[i][i * i * 17], i);
			match_pool_free(p[i]);
		}
	}
	match_pool_free(NULL);
	p[0] = match_pool_alloc(1001);
	match_pool_free(p[0]);
	assert_ptr_equal(match_pool_alloc(1016), p[0]); /* of one size, last in first out */
	assert_int_equal(match_pool_bytes(1001), 1024);
	assert_int_equal(match_pool_bytes(0), 16);
	assert_int_equal(match_pool_bytes(4088), 4096);
	assert_int_equal(match_pool_bytes(4089), 5120);
	assert_int_equal(match_pool_bytes(5000), 5120);
	assert_null(match_pool_alloc(SIZE_MAX / 2));
	match_db_close(db);
}

/* Each thread has its own part; anybody may read the sums. */
static void *count_some(void *arg)
{
	struct match_core *core = match_core(arg);

	core->count[0] += 3;
	core->count[1] += 1;
	return NULL;
}

static void test_counts(void **state)
{
	struct match_db *db = must_open("1:/abc/\n", NULL, 0);
	pthread_t t;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_create(&t, NULL, count_some, db), 0);
		pthread_join(t, NULL);
	}
	count_some(db);
	count_some(db);
	assert_int_equal(match_count(db, 0), 12);
	assert_int_equal(match_count(db, 1), 4);
	match_db_close(db);
}

/* ---- the cache ---- */

static bool cached(const char *text, const char *dir)
{
	struct match_db *db = must_open(text, dir, 0);
	struct match_core *core = match_core(db);
	struct match_stream s = {0};
	struct found f = {0};
	bool hit = db->from_cache;

	match_scan(core, &s, "abc", 3, note, &f);
	assert_int_equal(f.n, 1);
	match_end(core, &s, NULL, NULL);
	assert_string_equal(db->note, "");
	match_db_close(db);
	return hit;
}

/* One byte of the file changed, or its end cut off. */
static void spoil(const char *path, long at, bool cut)
{
	FILE *f = fopen(path, "r+");
	int c;

	assert_non_null(f);
	assert_int_equal(fseek(f, at, at < 0 ? SEEK_END : SEEK_SET), 0);
	if (cut) {
		assert_int_equal(ftruncate(fileno(f), ftell(f)), 0);
	} else {
		c = fgetc(f);
		fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
		fputc(c ^ 1, f);
	}
	fclose(f);
}

static void test_cache(void **state)
{
	char dir[] = "/tmp/pier_hs_XXXXXX", sub[64], path[400], other[400];
	static const long at[] = {0, 30, 60, 70, 100, -1};

	assert_non_null(mkdtemp(dir));
	snprintf(sub, sizeof(sub), "%s/new", dir);
	assert_false(cached("1:/abc/\n", sub)); /* makes the folder */
	assert_int_equal(files_in(sub, path, sizeof(path)), 1);
	assert_true(cached("1:/abc/\n", sub));
	assert_true(cached("# the same rule\n1:/abc/", sub));
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		spoil(path, at[i], false);
		assert_false(cached("1:/abc/\n", sub));
		assert_true(cached("1:/abc/\n", sub));
	}
	spoil(path, -5, true);
	assert_false(cached("1:/abc/\n", sub));
	spoil(path, 10, true);
	assert_false(cached("1:/abc/\n", sub));
	assert_true(cached("1:/abc/\n", sub));
	/* Other flags, bounds, ids: another database. The one of other rules is not taken for it. */
	assert_false(cached("1:/abc/i\n", sub));
	assert_false(cached("2:/abc/\n", sub));
	assert_false(cached("1:/abc/{max_offset=3}\n", sub));
	assert_int_equal(files_in(sub, other, sizeof(other)), 4);
	if (strcmp(other, path)) {
		assert_int_equal(rename(other, path), 0);
		assert_false(cached("1:/abc/\n", sub));
	}
	assert_true(cached("1:/abc/\n", sub));
	while (files_in(sub, path, sizeof(path)))
		unlink(path);
	rmdir(sub);
	rmdir(dir);
}

/* A folder that cannot be written costs the next start some time, nothing else. */
static void test_cache_unwritable(void **state)
{
	struct match_db *db = must_open("1:/abc/\n", "/proc/none", 0);

	assert_false(db->from_cache);
	assert_non_null(strstr(db->note, "/proc/none"));
	match_db_close(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compile_errors),
		cmocka_unit_test(test_ids_are_places),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_rest_of_little),
		cmocka_unit_test(test_other_memory),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_cache_unwritable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
