/*
 * The slab against a map of who owns which 64 bytes, and its promises: nothing touched before it is
 * handed out, LIFO, pages returned, all of the region but its first page usable.
 */
#include "kit.h"

#include "algo/slab.h"

#define PAGES  64u
#define REGION ((size_t)PAGES * SLAB_PAGE)
#define UNITS  (REGION / SLAB_UNIT)
#define USABLE ((uint64_t)(PAGES - 1) * SLAB_PAGE)

struct fixture {
	struct slab s;
	void *region, *book;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->region = sparse_map(REGION);
	f->book = sparse_map(slab_bookkeeping(REGION));
	slab_init(&f->s, f->region, REGION, f->book);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	munmap(f->region, REGION);
	munmap(f->book, slab_bookkeeping(REGION));
	free(f);
	return 0;
}

static void test_order(void **state)
{
	assert_int_equal(slab_order(1), 0);
	assert_int_equal(slab_order(64), 0);
	assert_int_equal(slab_order(65), 1);
	assert_int_equal(slab_order(128), 1);
	assert_int_equal(slab_order(129), 2);
	assert_int_equal(slab_order(128 * 1024), SLAB_ORDER_MAX);
	assert_true(slab_order(128 * 1024 + 1) > SLAB_ORDER_MAX);
	assert_int_equal(SLAB_UNIT << SLAB_ORDER_MAX, 128 * 1024);
}

/* Allocation alone touches no memory of the region, and what is freed touches one page of it. */
static void test_sparse(void **state)
{
	struct fixture *f = *state;
	uint32_t idx = 0;

	assert_int_equal(sparse_touched(f->region, REGION), 0);
	assert_int_equal(sparse_touched(f->book, slab_bookkeeping(REGION)), 0);
	for (unsigned int order = 0; order < SLAB_ORDERS; order++)
		for (int i = 0; i < 3; i++)
			idx = slab_alloc(&f->s, order);
	assert_int_not_equal(idx, 0);
	assert_int_equal(sparse_touched(f->region, REGION), 0);
	idx = slab_alloc(&f->s, 0);
	slab_free(&f->s, idx, 0);
	assert_int_equal(sparse_touched(f->region, REGION), 1);
}

/* 256 GB: the last index fits, no memory is touched, bookkeeping only as far as pages are used. */
static void test_largest_region(void **state)
{
	size_t bytes = (size_t)256 << 30;
	char *region = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			    -1, 0);
	void *book = sparse_map(slab_bookkeeping(bytes));
	uint32_t n = 0, idx, last = 0;
	struct slab s;

	assert_ptr_not_equal(region, MAP_FAILED);
	slab_init(&s, region, bytes, book);
	assert_int_equal(slab_available(&s), bytes - SLAB_PAGE);
	for (; n < 1000; n++)
		last = slab_alloc(&s, SLAB_ORDER_MAX);
	assert_true(sparse_touched(book, slab_bookkeeping(bytes)) <= 4);
	while ((idx = slab_alloc(&s, SLAB_ORDER_MAX)) != 0) {
		assert_true(idx > last);
		last = idx;
		n++;
	}
	assert_int_equal(n, (bytes >> SLAB_PAGE_SHIFT) - 1);
	assert_ptr_equal(slab_ptr(&s, last), region + bytes - SLAB_PAGE);
	munmap(region, bytes);
	munmap(book, slab_bookkeeping(bytes));
}

static void test_exhaustion(void **state)
{
	struct fixture *f = *state;
	uint32_t *got = malloc(UNITS * sizeof(*got));

	assert_int_equal(slab_available(&f->s), USABLE);
	for (unsigned int order = 0; order < SLAB_ORDERS; order++) {
		uint32_t n = 0;

		while ((got[n] = slab_alloc(&f->s, order)) != 0)
			n++;
		assert_int_equal((uint64_t)n * (SLAB_UNIT << order), USABLE);
		assert_int_equal(slab_used(&f->s), USABLE);
		assert_int_equal(slab_available(&f->s), 0);
		for (uint32_t i = 0; i < n; i++)
			slab_free(&f->s, got[i], order);
		assert_int_equal(slab_used(&f->s), 0);
		assert_int_equal(slab_available(&f->s), USABLE);
	}
	free(got);
}

static void test_lifo(void **state)
{
	struct fixture *f = *state;
	uint32_t a = slab_alloc(&f->s, 2), b = slab_alloc(&f->s, 2), c = slab_alloc(&f->s, 2);
	uint32_t keep[2 * SLAB_PAGE / 256];

	slab_free(&f->s, b, 2);
	slab_free(&f->s, a, 2);
	assert_int_equal(slab_alloc(&f->s, 2), a);
	assert_int_equal(slab_alloc(&f->s, 2), b);
	/* Across pages: the page freed to last comes first, full ones included. */
	for (unsigned int i = 0; i < ARRAY_SIZE(keep); i++)
		keep[i] = slab_alloc(&f->s, 2);
	slab_free(&f->s, keep[0], 2);
	slab_free(&f->s, keep[ARRAY_SIZE(keep) - 1], 2);
	slab_free(&f->s, c, 2);
	assert_int_equal(slab_alloc(&f->s, 2), c);
	/* Also when it had free objects before. */
	slab_free(&f->s, keep[ARRAY_SIZE(keep) - 2], 2);
	assert_int_equal(slab_alloc(&f->s, 2), keep[ARRAY_SIZE(keep) - 2]);
}

static void test_page_return(void **state)
{
	struct fixture *f = *state;
	uint32_t *got = malloc(UNITS * sizeof(*got)), n = 0, freed = 0, page, big;

	while ((got[n] = slab_alloc(&f->s, 0)) != 0)
		n++;
	assert_int_equal(slab_alloc(&f->s, SLAB_ORDER_MAX), 0);
	page = got[n / 2] / 2048;
	for (uint32_t i = 0; i < n; i++) {
		if (got[i] / 2048 != page)
			continue;
		assert_int_equal(slab_available(&f->s), 0);
		slab_free(&f->s, got[i], 0);
		freed++;
	}
	assert_int_equal(freed, 2048);
	assert_int_equal(slab_available(&f->s), SLAB_PAGE);
	big = slab_alloc(&f->s, SLAB_ORDER_MAX);
	assert_int_equal(big, page * 2048);
	assert_int_equal(slab_alloc(&f->s, SLAB_ORDER_MAX), 0);
	assert_int_equal(slab_alloc(&f->s, 0), 0);
	free(got);
}

struct object {
	uint32_t idx;
	uint32_t order;
	uint64_t canary;
};

static void mark(struct fixture *f, const struct object *o)
{
	char *p = slab_ptr(&f->s, o->idx);

	memcpy(p, &o->canary, 8);
	memcpy(p + (SLAB_UNIT << o->order) - 8, &o->canary, 8);
}

static void check(struct fixture *f, const struct object *o)
{
	const char *p = slab_ptr(&f->s, o->idx);

	assert_memory_equal(p, &o->canary, 8);
	assert_memory_equal(p + (SLAB_UNIT << o->order) - 8, &o->canary, 8);
}

static void own(unsigned char *map, const struct object *o, unsigned char was, unsigned char is)
{
	for (uint32_t u = o->idx; u < o->idx + (1u << o->order); u++) {
		assert_int_equal(map[u], was);
		map[u] = is;
	}
}

/* Phases of growing and shrinking, with a preferred order each, so that pages change class. */
static void test_random(void **state)
{
	struct fixture *f = *state;
	unsigned char *map = calloc(1, UNITS + (1u << SLAB_ORDER_MAX));
	struct object *live = malloc(UNITS * sizeof(*live));
	uint64_t seed = 42, used = 0, full = 0;
	uint32_t n = 0;

	for (uint32_t step = 0; step < 400000; step++) {
		uint32_t phase = step / 20000, favour = phase / 2 * 5 % SLAB_ORDERS;

		if (rnd_below(&seed, 100) < (phase % 2 ? 30 : 70) || n == 0) {
			struct object *o = &live[n];

			o->order = rnd(&seed) % 4 ? favour : rnd_below(&seed, SLAB_ORDERS);
			o->canary = (uint64_t)rnd(&seed) << 32 | step;
			o->idx = slab_alloc(&f->s, o->order);
			if (o->idx == 0) {
				assert_true(slab_available(&f->s) == 0);
				full++;
				continue;
			}
			assert_true(o->idx >= SLAB_PAGE / SLAB_UNIT && o->idx < UNITS);
			assert_int_equal(o->idx % (1u << o->order), 0);
			own(map, o, 0, 1);
			mark(f, o);
			used += SLAB_UNIT << o->order;
			n++;
		} else {
			uint32_t i = rnd_below(&seed, n);

			check(f, &live[i]);
			own(map, &live[i], 1, 0);
			slab_free(&f->s, live[i].idx, live[i].order);
			used -= SLAB_UNIT << live[i].order;
			live[i] = live[--n];
		}
		assert_int_equal(slab_used(&f->s), used);
		assert_true(used + slab_available(&f->s) <= USABLE);
	}
	assert_true(full > 100);
	while (n--) {
		check(f, &live[n]);
		slab_free(&f->s, live[n].idx, live[n].order);
	}
	assert_int_equal(slab_used(&f->s), 0);
	assert_int_equal(slab_available(&f->s), USABLE);
	free(map);
	free(live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test_setup_teardown(test_sparse, setup, teardown),
		cmocka_unit_test(test_largest_region),
		cmocka_unit_test_setup_teardown(test_exhaustion, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lifo, setup, teardown),
		cmocka_unit_test_setup_teardown(test_page_return, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
	};

	return cmocka_run_group_tests_name("slab", tests, NULL, NULL);
}
