/*
 * What a database is known again by, where its copies lie, and that nothing of it stays: each part of the
 * cache's key, files that are not what they say, nodes, mappings.
 *
 * Hyperscan's version, the CPU and the nodes are what the functions below say: they take the place of
 * the libraries' own.
 */
#include "kit.h"

#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <numa.h>

#include "base/compiler.h"
#include "base/siphash.h"
#include "match/pool.h"
#include "match/stream.h"

static const char *version; /* NULL: its own */
static unsigned int other_tune, two_nodes, here;
static unsigned long long other_features;
static void *placed[2];

const char *hs_version(void)
{
	const char *(*own)(void) = (const char *(*)(void))dlsym(RTLD_NEXT, "hs_version");

	return version ? version : own();
}

hs_error_t hs_populate_platform(hs_platform_info_t *p)
{
	hs_error_t (*own)(hs_platform_info_t *) =
		(hs_error_t(*)(hs_platform_info_t *))dlsym(RTLD_NEXT, "hs_populate_platform");
	hs_error_t e = own(p);

	p->tune ^= other_tune;
	p->cpu_features ^= other_features;
	return e;
}

int numa_available(void)
{
	return two_nodes ? 0 : -1;
}

int numa_bitmask_isbitset(const struct bitmask *b, unsigned int node)
{
	return node < 2;
}

void numa_tonode_memory(void *start, size_t size, int node)
{
	placed[node] = start;
}

int getcpu(unsigned int *cpu, unsigned int *node)
{
	*node = here;
	return 0;
}

static int note(unsigned int id, unsigned long long from, unsigned long long to, unsigned int flags,
		void *arg)
{
	++*(unsigned int *)arg;
	return 0;
}

/* Whether the rules come from the cache; they find what the first of them means in any case. */
static bool cached(const char *text, const char *dir)
{
	struct match_db *db = must_open(text, dir, 0);
	struct match_stream s = {0};
	bool hit = db->from_cache;
	unsigned int n = 0;

	match_scan(match_core(db), &s, "..abcdef", 8, note, &n);
	match_end(match_core(db), &s, NULL, NULL);
	assert_int_equal(n, 1);
	match_db_close(db);
	return hit;
}

static void make_folder(char *dir)
{
	strcpy(dir, "/tmp/pier_hs_XXXXXX");
	assert_non_null(mkdtemp(dir));
}

static void remove_folder(const char *dir)
{
	char path[400];

	while (files_in(dir, path, sizeof(path)))
		assert_int_equal(remove(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

/* Rules that differ in one thing each: none is taken for another. */
static void test_every_part_of_a_rule_is_in_the_key(void **state)
{
	static const char *const rules[] = {
		"1:/abc/\n",
		"2:/abc/\n",
		"1:/abcd/\n",
		"1:/abc/i\n",
		"1:/abc/L\n",
		"1:/abc.*/H{min_offset=2}\n",
		"1:/abc.*/H{min_offset=3}\n",
		"1:/abc/{max_offset=5}\n",
		"1:/abc/{max_offset=6}\n",
		"1:/abcd?e?/H{min_length=4}\n",
		"1:/abcd?e?/H{min_length=5}\n",
		"1:/abcdxf/{edit_distance=1}\n",
		"1:/abcdxf/{hamming_distance=1}\n",
		"1:/abcdxf/{hamming_distance=2}\n",
		"1:/abc/\n2:/x/\n",
		"1:/abc/\n2:/y/\n",
		"1:/abc/\n2:/y/\n3:/z/\n",
	};
	char dir[40], path[400];

	make_folder(dir);
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		assert_false(cached(rules[i], dir));
		assert_int_equal(files_in(dir, path, sizeof(path)), i + 1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		assert_true(cached(rules[i], dir));
	remove_folder(dir);
}

static void test_version_and_cpu_are_in_the_key(void **state)
{
	char dir[40];

	make_folder(dir);
	assert_false(cached("1:/abc/\n", dir));
	version = "5.0.0 of another day";
	assert_false(cached("1:/abc/\n", dir));
	assert_true(cached("1:/abc/\n", dir));
	version = NULL;
	assert_true(cached("1:/abc/\n", dir));
	other_tune = 1;
	assert_false(cached("1:/abc/\n", dir));
	other_tune = 0;
	other_features = HS_CPU_FEATURES_AVX2;
	assert_false(cached("1:/abc/\n", dir));
	other_features = 0;
	assert_true(cached("1:/abc/\n", dir));
	remove_folder(dir);
}

static void append_octet(const char *path)
{
	FILE *f = fopen(path, "a");

	assert_non_null(f);
	fputc(0, f);
	assert_int_equal(fclose(f), 0);
}

static void test_longer_than_it_says(void **state)
{
	char dir[40], path[400];

	make_folder(dir);
	assert_false(cached("1:/abc/\n", dir));
	assert_int_equal(files_in(dir, path, sizeof(path)), 1);
	append_octet(path);
	assert_false(cached("1:/abc/\n", dir));
	assert_true(cached("1:/abc/\n", dir));
	remove_folder(dir);
}

/* A whole file, its sum right, whose database Hyperscan does not take: compiled anew. */
static void test_not_a_database(void **state)
{
	struct {
		char magic[24], key[32];
		uint64_t len, sum;
	} head;
	static const struct sip_key key = {{0x70696572, 0x6d61746368}};
	char dir[40], path[400], junk[100];
	FILE *f;

	make_folder(dir);
	assert_false(cached("1:/abc/\n", dir));
	assert_int_equal(files_in(dir, path, sizeof(path)), 1);
	f = fopen(path, "r+");
	assert_non_null(f);
	assert_int_equal(fread(&head, sizeof(head), 1, f), 1);
	memset(junk, 'x', sizeof(junk));
	head.len = sizeof(junk);
	head.sum = siphash24(&key, junk, sizeof(junk));
	rewind(f);
	assert_int_equal(fwrite(&head, sizeof(head), 1, f), 1);
	assert_int_equal(fwrite(junk, sizeof(junk), 1, f), 1);
	assert_int_equal(ftruncate(fileno(f), (off_t)(sizeof(head) + sizeof(junk))), 0);
	assert_int_equal(fclose(f), 0);
	assert_false(cached("1:/abc/\n", dir));
	assert_true(cached("1:/abc/\n", dir));
	remove_folder(dir);
}

/* What cannot take its place in the folder leaves nothing there. */
static void test_nothing_half_written_stays(void **state)
{
	char dir[40], path[400], last[400];
	struct match_db *db;

	make_folder(dir);
	assert_false(cached("1:/abc/\n", dir));
	assert_int_equal(files_in(dir, path, sizeof(path)), 1);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	db = must_open("1:/abc/\n", dir, 0);
	assert_non_null(strstr(db->note, "the database is not kept in"));
	match_db_close(db);
	assert_int_equal(files_in(dir, last, sizeof(last)), 1);
	assert_string_equal(last, path);
	remove_folder(dir);
}

/* Whether something is mapped there; p is on its first page. */
static bool is_mapped(const void *p)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	return !msync((void *)((uintptr_t)p & ~(page - 1)), page, MS_ASYNC) || errno != ENOMEM;
}

static void test_nothing_stays_mapped(void **state)
{
	struct match_db *db = must_open("1:/abc/\n", NULL, 0), *other = must_open("1:/abc/\n", NULL, 0);
	const void *copy = db->node[0], *chunk = match_pool_alloc(100);

	assert_true(is_mapped(copy));
	assert_true(is_mapped(chunk));
	match_db_close(db);
	assert_false(is_mapped(copy));
	assert_true(is_mapped(chunk)); /* the other's streams may lie there */
	copy = other->node[0];
	match_db_close(other);
	assert_false(is_mapped(copy));
	assert_false(is_mapped(chunk));
}

/* Each node has a copy of its own, and a core scans with its node's. */
static void test_nodes(void **state)
{
	struct match_db *db;
	const void *copies[2];

	two_nodes = 1;
	for (here = 0; here < 2; here++) {
		db = must_open("1:/abc/\n", NULL, 0);
		for (int i = 0; i < 2; i++) {
			copies[i] = db->node[i];
			assert_non_null(copies[i]);
			assert_ptr_equal(placed[i], copies[i]);
		}
		assert_null(db->node[2]);
		assert_ptr_not_equal(copies[0], copies[1]);
		assert_ptr_equal(match_core(db)->db, copies[here]);
		match_db_close(db);
		assert_false(is_mapped(copies[0]));
		assert_false(is_mapped(copies[1]));
	}
	here = 5; /* a CPU without memory of its own */
	db = must_open("1:/abc/\n", NULL, 0);
	assert_ptr_equal(match_core(db)->db, db->node[0]);
	match_db_close(db);
	two_nodes = here = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_part_of_a_rule_is_in_the_key),
		cmocka_unit_test(test_version_and_cpu_are_in_the_key),
		cmocka_unit_test(test_longer_than_it_says),
		cmocka_unit_test(test_not_a_database),
		cmocka_unit_test(test_nothing_half_written_stays),
		cmocka_unit_test(test_nothing_stays_mapped),
		cmocka_unit_test(test_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
