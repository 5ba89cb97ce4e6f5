/*
 * The connection table against a plain model: whatever was inserted is offered, nothing else is in
 * it, and the books of each bucket are right. All randomness has a fixed seed.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "flow/table.h"

static uint64_t seed;

static uint64_t rnd(void)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static struct flow_table *table_new(uint32_t n_entries, uint32_t index_max)
{
	struct flow_table *t = malloc(sizeof(*t));
	void *mem = aligned_alloc(CACHE_LINE, flow_table_bytes(n_entries));

	memset(mem, 0, flow_table_bytes(n_entries));
	assert_int_equal(flow_table_init(t, mem, n_entries, index_max), 0);
	return t;
}

static void table_free(struct flow_table *t)
{
	free(t->buckets);
	free(t);
}

/* A burst's way to begin finds what flow_table_first finds, and peek what follows. */
static void check_begin(const struct flow_table *t, uint64_t hash)
{
	struct flow_cursor a, b;
	uint32_t first = flow_table_first(t, hash, &a), entry;

	if (!flow_table_begin(t, flow_table_line(t, hash), hash, &b, &entry)) {
		assert_true(t->buckets[flow_table_bucket(t, hash)].displaced);
		entry = flow_table_next(t, &b);
	}
	assert_int_equal(entry, first);
	entry = flow_table_peek(t, &b);
	first = flow_table_next(t, &a);
	if (entry != FLOW_NONE)
		assert_int_equal(entry, first);
	assert_int_equal(flow_table_next(t, &b), first);
}

/* How often a lookup of hash offers entry. */
static unsigned int offers(const struct flow_table *t, uint64_t hash, uint32_t entry)
{
	struct flow_cursor c;
	unsigned int n = 0, all = 0;

	check_begin(t, hash);
	for (uint32_t e = flow_table_first(t, hash, &c); e != FLOW_NONE;
	     e = flow_table_next(t, &c)) {
		n += e == entry;
		assert_true(++all <= 2 * FLOW_SLOTS);
	}
	return n;
}

/* The model: what is in the table, by index of the entry. */
struct model {
	struct flow_table *t;
	uint64_t *hash;
	uint32_t *entry; /* FLOW_NONE: not in the table */
	uint32_t *seen;
	uint32_t size, live;
};

/* Of a table that may have any index, its entries have no spare bits; see model_new. */
static struct model *model_wide(uint32_t n_entries, uint32_t size)
{
	struct model *m = calloc(1, sizeof(*m));

	m->t = table_new(n_entries, FLOW_INDEX_MAX);
	m->size = size;
	m->hash = calloc(size, sizeof(*m->hash));
	m->entry = calloc(size, sizeof(*m->entry));
	m->seen = calloc(size, sizeof(*m->seen));
	return m;
}

/* size indexes and no more: what they leave of an entry is of the hash. */
static struct model *model_new(uint32_t n_entries, uint32_t size)
{
	struct model *m = model_wide(n_entries, size);

	assert_int_equal(flow_table_init(m->t, m->t->buckets, n_entries, size - 1), 0);
	assert_true(m->t->spare);
	return m;
}

static void model_free(struct model *m)
{
	table_free(m->t);
	free(m->hash);
	free(m->entry);
	free(m->seen);
	free(m);
}

static int model_insert(struct model *m, uint64_t hash, uint32_t index)
{
	const uint32_t entry = flow_entry((enum flow_type)(1 + rnd() % 3), index);
	const int ret = flow_table_insert(m->t, hash, entry);

	if (ret == 0) {
		m->hash[index] = hash;
		m->entry[index] = entry;
		m->live++;
	}
	return ret;
}

static void model_remove(struct model *m, uint32_t index)
{
	assert_true(flow_table_remove(m->t, m->hash[index], m->entry[index]));
	m->entry[index] = FLOW_NONE;
	m->live--;
}

static void model_visit(void *arg, uint32_t entry)
{
	struct model *m = arg;
	const uint32_t index = flow_entry_index(entry);

	assert_true(index < m->size);
	assert_int_equal(m->entry[index], entry);
	m->seen[index]++;
}

/* Each entry lies in a bucket of its hash and is marked so, and the counts are of what is there. */
static void audit_buckets(const struct model *m)
{
	const struct flow_table *t = m->t;
	uint32_t *displaced = calloc(t->n_buckets, sizeof(*displaced));
	uint32_t all = 0;

	for (uint32_t b = 0; b < t->n_buckets; b++) {
		for (unsigned int slot = 0; slot < FLOW_SLOTS; slot++) {
			const struct flow_bucket *bucket = &t->buckets[b];
			const bool second = bucket->second >> slot & 1;
			uint64_t hash;
			uint32_t b1;

			if (!bucket->tag[slot]) {
				assert_false(second);
				continue;
			}
			hash = m->hash[flow_entry_index(bucket->entry[slot]) & ~t->spare];
			b1 = flow_table_bucket(t, hash);
			assert_int_equal(bucket->tag[slot], flow_table_tag(hash));
			assert_int_equal(bucket->entry[slot] & t->spare, flow_table_more(t, hash));
			assert_int_equal(
				second ? flow_table_alternate(t, b1, bucket->tag[slot]) : b1, b);
			displaced[b1] += second;
			all += second;
		}
		assert_int_equal(t->buckets[b].second >> FLOW_SLOTS, 0);
	}
	for (uint32_t b = 0; b < t->n_buckets; b++)
		assert_int_equal(t->buckets[b].displaced, displaced[b]);
	assert_int_equal(t->displaced, all);
	free(displaced);
}

static void audit(struct model *m)
{
	uint32_t cursor = 0;

	memset(m->seen, 0, m->size * sizeof(*m->seen));
	while (flow_table_walk(m->t, &cursor, 5, model_visit, m))
		;
	for (uint32_t i = 0; i < m->size; i++) {
		assert_int_equal(m->seen[i], m->entry[i] != FLOW_NONE);
		if (m->entry[i] != FLOW_NONE)
			assert_int_equal(offers(m->t, m->hash[i], m->entry[i]), 1);
	}
	assert_int_equal(flow_table_count(m->t), m->live);
	audit_buckets(m);
}

static void test_entry_types(void **state)
{
	static const enum flow_type types[] = {FLOW_HALF_OPEN, FLOW_CONN, FLOW_TIME_WAIT};
	static const uint32_t indices[] = {0, 1, 0x12345678, FLOW_INDEX_MAX};
	struct flow_table *t = table_new(100, FLOW_INDEX_MAX);

	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
		for (unsigned int j = 0; j < ARRAY_SIZE(indices); j++) {
			const uint32_t e = flow_entry(types[i], indices[j]);

			assert_int_equal(flow_entry_type(e), types[i]);
			assert_int_equal(flow_entry_index(e), indices[j]);
			assert_int_not_equal(e, FLOW_NONE);
			assert_int_equal(flow_table_insert(t, 42, e), 0);
		}
	}
	/* one index, three types: three entries, removed one by one */
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
		for (unsigned int j = 0; j < ARRAY_SIZE(indices); j++) {
			const uint32_t e = flow_entry(types[i], indices[j]);

			assert_int_equal(offers(t, 42, e), 1);
			assert_true(flow_table_remove(t, 42, e));
			assert_int_equal(offers(t, 42, e), 0);
		}
	}
	assert_int_equal(flow_table_count(t), 0);
	table_free(t);
}

/* The life of a connection keeps its place, and each step is one change of the version. */
static void test_life(void **state)
{
	const uint32_t half = flow_entry(FLOW_HALF_OPEN, 7), conn = flow_entry(FLOW_CONN, 9),
		       wait = flow_entry(FLOW_TIME_WAIT, 3);
	struct flow_table *t = table_new(1000, FLOW_INDEX_MAX);
	struct flow_cursor c;

	assert_int_equal(t->version, 0);
	assert_int_equal(flow_table_first(t, 5, &c), FLOW_NONE);
	assert_int_equal(flow_table_insert(t, 5, half), 0);
	assert_int_equal(t->version, 1);
	assert_false(flow_table_replace(t, 5, conn, wait));
	assert_false(flow_table_replace(t, 6ull << 60, half, conn));
	assert_false(flow_table_remove(t, 5, conn));
	assert_false(flow_table_remove(t, 6ull << 60, half));
	assert_int_equal(t->version, 1);
	assert_true(flow_table_replace(t, 5, half, conn));
	assert_int_equal(t->version, 2);
	assert_true(flow_table_replace(t, 5, conn, wait));
	assert_int_equal(flow_table_first(t, 5, &c), wait);
	assert_int_equal(flow_table_next(t, &c), FLOW_NONE);
	assert_int_equal(flow_table_next(t, &c), FLOW_NONE);
	assert_int_equal(flow_table_count(t), 1);
	assert_true(flow_table_remove(t, 5, wait));
	assert_int_equal(t->version, 4);
	assert_int_equal(flow_table_first(t, 5, &c), FLOW_NONE);
	assert_false(flow_table_remove(t, 5, wait));
	assert_int_equal(t->version, 4);
	table_free(t);
}

static void walk_expects(void *arg, uint32_t entry)
{
	assert_int_equal(entry, flow_entry(FLOW_CONN, 0));
}

static void test_sizes(void **state)
{
	alignas(CACHE_LINE) uint8_t mem[256] = {0};
	struct flow_table t;

	assert_int_equal(flow_table_bytes(0), 0);
	assert_int_equal(flow_table_bytes(FLOW_ENTRIES_MAX + 1), 0);
	for (uint32_t n = 1; n < 20000; n++) {
		const uint64_t lines = flow_table_bytes(n) / CACHE_LINE;

		assert_int_equal(flow_table_bytes(n) % (2 * CACHE_LINE), 0);
		assert_true(lines >= 2 && n * 100ull <= lines * FLOW_SLOTS * 85);
		assert_true(n * 100ull > (lines - 2) * FLOW_SLOTS * 85);
	}
	assert_true(flow_table_bytes(FLOW_ENTRIES_MAX) * 100 <= FLOW_ENTRIES_MAX * 628ull);
	assert_int_equal(flow_table_bytes(20), 128);
	assert_int_equal(flow_table_init(&t, mem, 20, 20), 0);
	assert_int_equal(flow_table_init(&t, mem, 0, 20), -EINVAL);
	assert_int_equal(flow_table_init(&t, NULL, 20, 20), -EINVAL);
	assert_int_equal(flow_table_init(&t, mem + 8, 20, 20), -EINVAL);
	assert_int_equal(flow_table_init(&t, mem, FLOW_ENTRIES_MAX + 1, 20), -EINVAL);
	assert_int_equal(flow_table_init(&t, mem, 20, FLOW_INDEX_MAX + 1), -EINVAL);
}

/* What is of the hash in an entry leaves all of its index and its type, and takes nothing of the tag. */
static void test_spare_bits(void **state)
{
	alignas(CACHE_LINE) uint8_t mem[256];

	for (unsigned int bits = 0; bits <= FLOW_INDEX_BITS; bits++) {
		const uint32_t max = (uint32_t)((1ull << bits) - 1);
		const uint32_t used = bits < 16 ? 16 : bits, e = flow_entry(FLOW_TIME_WAIT, max);
		const uint64_t hash = 0xfedcba98ffffffffull;
		struct flow_cursor c;
		struct flow_table t;
		uint32_t seen = 0;

		memset(mem, 0, sizeof(mem));
		assert_int_equal(flow_table_init(&t, mem, 20, max), 0);
		assert_int_equal(t.spare, FLOW_INDEX_MAX >> used << used);
		assert_int_equal(flow_table_more(&t, hash), t.spare);
		assert_int_equal(flow_table_insert(&t, hash, e), 0);
		assert_int_equal(flow_table_first(&t, hash, &c), e);
		/* The same tag and bucket: it is another's where a bit of those that are kept differs. */
		for (unsigned int b = 16; b < 32; b++) {
			const bool kept = b >= used && b < FLOW_INDEX_BITS;

			assert_int_equal(flow_table_first(&t, hash ^ 1ull << b, &c), kept ? FLOW_NONE : e);
			assert_int_equal(flow_table_remove(&t, hash ^ 1ull << b, e), !kept);
			if (!kept)
				assert_int_equal(flow_table_insert(&t, hash, e), 0);
		}
		assert_true(flow_table_replace(&t, hash, e, flow_entry(FLOW_CONN, 0)));
		assert_int_equal(flow_table_first(&t, hash, &c), flow_entry(FLOW_CONN, 0));
		assert_false(flow_table_walk(&t, &seen, 2, walk_expects, NULL));
	}
}

/* First and second bucket at the ends of the range and anywhere in it, for any size of table. */
static void test_buckets(void **state)
{
	static const uint32_t sizes[] = {2, 4, 6, 10, 98, 9804, 65536, 1u << 24, 105268788};

	seed = 11;
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		const struct flow_table t = {.n_buckets = sizes[i]};

		assert_int_equal(flow_table_bucket(&t, 0), 0);
		assert_int_equal(flow_table_bucket(&t, UINT64_MAX), sizes[i] - 1);
		for (unsigned int n = 0; n < 2000; n++) {
			const uint32_t b = n == 0   ? 0
					   : n == 1 ? sizes[i] - 1
						    : flow_table_bucket(&t, rnd());

			for (unsigned int tag = 1; tag < 256; tag += n < 2 ? 1 : 17) {
				const uint32_t a = flow_table_alternate(&t, b, (uint8_t)tag);

				assert_true(a < sizes[i] && a != b);
				assert_int_equal(flow_table_alternate(&t, a, (uint8_t)tag), b);
			}
		}
	}
}

/* All 255 tags occur, as often as one another, and never 0. */
static void test_tags(void **state)
{
	uint32_t n[256] = {0};

	for (uint64_t h = 0; h < 65536; h++)
		n[flow_table_tag(0xdeadbeef00000000ull | h)]++;
	assert_int_equal(n[0], 0);
	for (unsigned int i = 1; i < 256; i++)
		assert_in_range(n[i], 257, 258);
}

/* Those of the slots in mask, whose tag is tag, that have in their spare bits what slot has. */
static void candidates_agree(const struct flow_bucket *b, uint8_t tag, uint32_t mask, unsigned int slot)
{
	const uint32_t spare = 0x3f030000, more = b->entry[slot] & spare;
	uint32_t want = 0;

	for (unsigned int i = 0; i < FLOW_SLOTS; i++)
		if (mask >> i & 1 && (b->entry[i] & spare) == more)
			want |= 1u << i;
	assert_int_equal(flow_candidates(b, tag, more, spare), want);
	assert_int_equal(flow_candidates_portable(b, tag, more, spare), want);
	assert_int_equal(flow_candidates(b, tag, 0, 0), mask);
	assert_int_equal(flow_candidates_portable(b, tag, 0, 0), mask);
}

static void test_match_forms_agree(void **state)
{
	struct flow_bucket b;

	seed = 12;
	for (unsigned int n = 0; n < 2000; n++) {
		const uint64_t few = rnd() % 3 ? 0x0303030303030303ull : ~0ull;

		for (unsigned int i = 0; i < sizeof(b); i += 8) {
			const uint64_t r = rnd() & few;

			memcpy((uint8_t *)&b + i, &r, 8);
		}
		for (unsigned int tag = 0; tag < 256; tag++) {
			uint32_t want = 0;

			for (unsigned int i = 0; i < FLOW_SLOTS; i++)
				if (b.tag[i] == tag)
					want |= 1u << i;
			assert_int_equal(flow_match(&b, (uint8_t)tag), want);
			assert_int_equal(flow_match_portable(&b, (uint8_t)tag), want);
#ifdef __SSE2__
			assert_int_equal(flow_match_sse2(&b, (uint8_t)tag), want);
#endif
			candidates_agree(&b, (uint8_t)tag, want, n % FLOW_SLOTS);
		}
	}
}

/* One step of the random test: insert, remove, replace in place or by another record. */
static void random_step(struct model *m, uint64_t hashes)
{
	const uint32_t i = (uint32_t)(rnd() % m->size), j = (uint32_t)(rnd() % m->size);
	const uint64_t version = m->t->version;
	uint64_t hash = rnd();

	if (hashes && rnd() % 2) /* one of a few, so that equal hashes meet */
		hash = (rnd() % hashes) * 0x9e3779b97f4a7c15ull;
	if (m->entry[i] == FLOW_NONE) {
		const int ret = model_insert(m, hash, i);

		assert_true(ret == 0 || (hashes && ret == -ENOSPC));
		assert_int_equal(m->t->version, version + (ret == 0));
	} else if (rnd() % 2) {
		model_remove(m, i);
		assert_int_equal(m->t->version, version + 1);
	} else {
		const uint32_t to = m->entry[j] == FLOW_NONE ? j : i;
		const uint32_t entry = flow_entry((enum flow_type)(1 + rnd() % 3), to);

		assert_true(flow_table_replace(m->t, m->hash[i], m->entry[i], entry));
		m->hash[to] = m->hash[i];
		m->entry[i] = FLOW_NONE;
		m->entry[to] = entry;
		assert_int_equal(offers(m->t, m->hash[to], entry), 1);
		assert_int_equal(m->t->version, version + 1);
	}
}

static void test_random_ops(void **state)
{
	static const struct {
		uint32_t n_entries, size, ops;
		uint64_t hashes;
	} runs[] = {
		{20, 40, 20000, 5},        {100, 180, 40000, 20},   {1000, 1500, 100000, 0},
		{1000, 1900, 100000, 100}, {4000, 6300, 200000, 0},
	};

	for (unsigned int r = 0; r < ARRAY_SIZE(runs); r++) {
		struct model *m = model_new(runs[r].n_entries, runs[r].size);

		seed = 1000 + r;
		for (uint32_t n = 0; n < runs[r].ops; n++) {
			random_step(m, runs[r].hashes);
			if (n % 2000 == 0)
				audit(m);
		}
		for (uint32_t i = 0; i < m->size; i++)
			if (m->entry[i] != FLOW_NONE)
				model_remove(m, i);
		audit(m);
		model_free(m);
	}
}

/* A table holds what it was sized for, and goes on holding it while connections come and go. */
static void test_sized_load(void **state)
{
	const uint32_t n = 100000;

	for (uint64_t s = 0; s < 20; s++) {
		struct model *m = model_new(n, n);

		seed = s << 32;
		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(model_insert(m, rnd(), i), 0);
		for (uint32_t k = 0; k < n; k++) {
			const uint32_t i = (uint32_t)(rnd() % n);

			model_remove(m, i);
			assert_int_equal(model_insert(m, rnd(), i), 0);
		}
		if (s < 2)
			audit(m);
		model_free(m);
	}
}

static void test_sized_load_small(void **state)
{
	for (uint32_t n = 1; n <= 1200; n += n < 100 ? 1 : 37) {
		for (uint64_t s = 0; s < 20; s++) {
			struct model *m = model_new(n, n);

			seed = s << 32 | n;
			for (uint32_t i = 0; i < n; i++)
				assert_int_equal(model_insert(m, rnd(), i), 0);
			audit(m);
			model_free(m);
		}
	}
}

/* Displacement fills 0.95 of the slots, and a full table says so and still finds everything. */
static void test_overload(void **state)
{
	const uint32_t n = 100000;

	for (uint64_t s = 0; s < 5; s++) {
		struct model *m = model_new(n, 2 * n);
		const uint32_t slots = m->t->n_buckets * FLOW_SLOTS;
		uint32_t i = 0, depth, at95;

		seed = s;
		for (; i < slots * 95ull / 100; i++)
			assert_int_equal(model_insert(m, rnd(), i), 0);
		depth = flow_table_max_depth(m->t);
		at95 = m->t->max_search;
		assert_in_range(depth, 1, 2);
		audit(m);
		for (; i < slots && model_insert(m, rnd(), i) == 0; i++)
			;
		print_message("full at load %.4f; at 0.95 moved <= %u, read <= %u, "
			      "%.3f displaced\n", (double)m->live / slots, depth, at95,
			      (double)m->t->displaced / m->live);
		assert_true(m->t->max_search <= 256);
		audit(m);
		model_free(m);
	}
}

/* 24 entries of one hash fit, the next is refused and leaves no trace. */
static void test_equal_hashes(void **state)
{
	struct model *m = model_new(500, 100);
	const size_t bytes = flow_table_bytes(500);
	struct flow_bucket *before = aligned_alloc(CACHE_LINE, bytes);
	const uint64_t hash = 0x8000000000001234ull;
	uint64_t version;

	seed = 13;
	for (uint32_t i = 0; i < 24; i++)
		assert_int_equal(model_insert(m, hash, i), 0);
	audit(m);
	memcpy(before, m->t->buckets, bytes);
	version = m->t->version;
	assert_int_equal(model_insert(m, hash, 24), -ENOSPC);
	assert_memory_equal(before, m->t->buckets, bytes);
	assert_int_equal(m->t->version, version);
	assert_int_equal(flow_table_count(m->t), 24);
	for (uint32_t i = 0; i < 24; i++) { /* any one gone makes room for one */
		model_remove(m, i);
		assert_int_equal(model_insert(m, hash, 24 + i), 0);
		assert_int_equal(model_insert(m, hash, 99), -ENOSPC);
	}
	audit(m);
	free(before);
	model_free(m);
}

/* The slots of a bucket that guests hold belong to other hashes, whatever their tags. */
static void test_swapped_buckets(void **state)
{
	struct model *m = model_new(500, 100);
	const uint64_t a = 0x8000000000001234ull;
	const uint32_t b2 =
		flow_table_alternate(m->t, flow_table_bucket(m->t, a), flow_table_tag(a));
	const uint64_t b = (((uint64_t)b2 << 32) / m->t->n_buckets + 1) << 32 | (uint32_t)a;
	struct flow_cursor c;
	unsigned int n = 0;

	assert_int_equal(flow_table_bucket(m->t, b), b2);
	seed = 17;
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(model_insert(m, a, i), 0);
	assert_int_equal(model_insert(m, b, 20), 0);
	assert_int_equal(flow_table_first(m->t, b, &c), m->entry[20]);
	assert_int_equal(flow_table_next(m->t, &c), FLOW_NONE);
	for (uint32_t e = flow_table_first(m->t, a, &c); e; e = flow_table_next(m->t, &c))
		assert_true(++n <= 20 && flow_entry_index(e) < 20);
	assert_int_equal(n, 20);
	audit(m);
	model_free(m);
}

/* In a loaded table others make way for entries of one hash. */
static void test_equal_hashes_displace(void **state)
{
	struct model *m = model_new(2000, 3000);

	seed = 14;
	for (uint32_t i = 0; i < 1900; i++)
		assert_int_equal(model_insert(m, rnd(), i), 0);
	for (uint32_t i = 0; i < 24; i++)
		assert_int_equal(model_insert(m, 0x123456789abcdefull, 2000 + i), 0);
	assert_int_equal(model_insert(m, 0x123456789abcdefull, 2999), -ENOSPC);
	assert_true(flow_table_max_depth(m->t) >= 1);
	audit(m);
	model_free(m);
}

/* A miss reads the second bucket only where the first says so, and rarely offers anything. */
static void miss(struct model *m, uint32_t offers_min, uint32_t offers_max)
{
	const uint32_t n = m->size, tries = 100000;
	uint32_t second = 0, offered = 0;
	struct flow_cursor c;

	seed = 15;
	for (uint32_t i = 0; i < n / 3; i++)
		assert_int_equal(model_insert(m, rnd(), i), 0);
	for (uint32_t i = 0; i < tries; i++) {
		const uint64_t hash = rnd();
		const struct flow_bucket *b = &m->t->buckets[flow_table_bucket(m->t, hash)];

		if (b->displaced == 0 && flow_table_first(m->t, hash, &c) == FLOW_NONE)
			assert_ptr_equal(c.bucket, b);
		second += b->displaced != 0;
	}
	assert_in_range(second, 0, tries / 1000);
	for (uint32_t i = n / 3; i < n; i++)
		assert_int_equal(model_insert(m, rnd(), i), 0);
	second = 0;
	for (uint32_t i = 0; i < tries; i++) {
		const uint64_t hash = rnd();

		second += m->t->buckets[flow_table_bucket(m->t, hash)].displaced != 0;
		for (uint32_t e = flow_table_first(m->t, hash, &c); e != FLOW_NONE;
		     e = flow_table_next(m->t, &c))
			offered++;
	}
	print_message("load 0.85: %.3f of misses read two lines, %.4f false candidates each\n",
		      (double)second / tries, (double)offered / tries);
	assert_in_range(second, 1, tries * 4 / 10);
	assert_in_range(offered, offers_min, offers_max);
	model_free(m);
}

static void test_miss(void **state)
{
	miss(model_wide(100000, 100000), 1000, 5000);
	miss(model_new(100000, 100000), 0, 10);
}

/* Coming and going does not heap up entries in second buckets. */
static void test_churn(void **state)
{
	const uint32_t n = 50000;
	struct model *m = model_new(n, n);
	uint32_t flagged = 0;

	seed = 18;
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(model_insert(m, rnd(), i), 0);
	for (uint32_t k = 0; k < 6 * n; k++) {
		const uint32_t i = (uint32_t)(rnd() % n);

		model_remove(m, i);
		assert_int_equal(model_insert(m, rnd(), i), 0);
	}
	audit(m);
	for (uint32_t b = 0; b < m->t->n_buckets; b++)
		flagged += m->t->buckets[b].displaced != 0;
	print_message("load 0.85 after churn: %.3f displaced, %.3f of buckets need a second line\n",
		      (double)m->t->displaced / n, (double)flagged / m->t->n_buckets);
	assert_in_range(m->t->displaced, n * 2 / 100, n * 13 / 100);
	assert_in_range(flagged, 1, m->t->n_buckets * 55 / 100);
	model_free(m);
}

/* Once all has left nothing is displaced any more, and every miss is one line again. */
static void test_drains(void **state)
{
	struct model *m = model_new(5000, 5500);

	seed = 16;
	for (uint32_t i = 0; i < 5500; i++)
		assert_int_equal(model_insert(m, rnd(), i), 0);
	assert_true(m->t->displaced > 0);
	for (uint32_t i = 0; i < 5500; i++)
		model_remove(m, i);
	audit(m);
	assert_int_equal(m->t->displaced, 0);
	for (uint32_t b = 0; b < m->t->n_buckets; b++)
		for (unsigned int k = 0; k < sizeof(struct flow_bucket); k++)
			assert_int_equal(((const uint8_t *)&m->t->buckets[b])[k], 0);
	model_free(m);
}

static void count_visit(void *arg, uint32_t entry)
{
	++*(uint32_t *)arg;
}

static void test_walk_bounded(void **state)
{
	struct flow_table *t = table_new(1000, FLOW_INDEX_MAX);
	uint32_t cursor = 0, seen = 0, calls = 1;

	assert_true(flow_table_walk(t, &cursor, 0, count_visit, &seen));
	assert_int_equal(cursor, 0);
	assert_int_equal(flow_table_insert(t, 0, flow_entry(FLOW_CONN, 1)), 0);
	assert_int_equal(flow_table_insert(t, UINT64_MAX, flow_entry(FLOW_CONN, 2)), 0);
	assert_true(flow_table_walk(t, &cursor, 1, count_visit, &seen));
	assert_int_equal(cursor, 1);
	assert_int_equal(seen, 1);
	for (; flow_table_walk(t, &cursor, 10, count_visit, &seen); calls++)
		assert_int_equal(seen, 1);
	assert_int_equal(calls, (t->n_buckets - 1 + 9) / 10);
	assert_int_equal(cursor, t->n_buckets);
	assert_int_equal(seen, 2);
	assert_false(flow_table_walk(t, &cursor, 10, count_visit, &seen));
	assert_int_equal(seen, 2);
	table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entry_types),
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_spare_bits),
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_match_forms_agree),
		cmocka_unit_test(test_random_ops),
		cmocka_unit_test(test_sized_load),
		cmocka_unit_test(test_sized_load_small),
		cmocka_unit_test(test_overload),
		cmocka_unit_test(test_equal_hashes),
		cmocka_unit_test(test_swapped_buckets),
		cmocka_unit_test(test_equal_hashes_displace),
		cmocka_unit_test(test_miss),
		cmocka_unit_test(test_churn),
		cmocka_unit_test(test_drains),
		cmocka_unit_test(test_walk_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
