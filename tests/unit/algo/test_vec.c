/*
 * The vec against a plain array, over element sizes and inline capacities; its storage's coming and
 * going; and the bound on moving.
 */
#include "kit.h"

#include "algo/vec.h"

#define REGION ((size_t)64 * SLAB_PAGE)
#define REF_MAX 6000u

struct fixture {
	struct slab s;
	void *region, *book;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->region = sparse_map(REGION);
	f->book = malloc(slab_bookkeeping(REGION));
	slab_init(&f->s, f->region, REGION, f->book);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	munmap(f->region, REGION);
	free(f->book);
	free(f);
	return 0;
}

/* A vec of one kind with its model: element i has the bytes of ref[i], repeated. */
struct subject {
	struct vec v;
	char inl[16 * 40];
	uint32_t inl_cap;
	size_t esize;
	uint32_t ref[REF_MAX];
	uint32_t n;
};

static void fill(const struct subject *t, void *slot, uint32_t value)
{
	for (size_t i = 0; i < t->esize; i += 4)
		memcpy((char *)slot + i, &value, 4);
}

static void compare(struct subject *t, const struct slab *s)
{
	assert_int_equal(t->v.n, t->n);
	for (uint32_t i = 0; i < t->n; i++) {
		const char *e = vec_at(&t->v, s, t->inl, t->esize, i);

		for (size_t b = 0; b < t->esize; b += 4)
			assert_memory_equal(e + b, &t->ref[i], 4);
	}
	if (t->n == 0) {
		assert_int_equal(t->v.mem, 0);
		assert_int_equal(slab_used(s), 0);
	}
}

static void do_insert(struct subject *t, struct slab *s, uint32_t i, uint32_t value)
{
	void *slot = i == t->n && value % 2
			     ? vec_push(&t->v, s, t->inl, t->inl_cap, t->esize)
			     : vec_insert(&t->v, s, t->inl, t->inl_cap, t->esize, i);

	assert_non_null(slot);
	fill(t, slot, value);
	memmove(&t->ref[i + 1], &t->ref[i], (t->n - i) * 4);
	t->ref[i] = value;
	t->n++;
}

static void do_remove(struct subject *t, struct slab *s, uint32_t i, uint32_t k)
{
	if (i == 0 && k % 2)
		vec_pop_front(&t->v, s, k);
	else
		vec_remove(&t->v, s, t->inl, t->esize, i, k);
	memmove(&t->ref[i], &t->ref[i + k], (t->n - i - k) * 4);
	t->n -= k;
}

static void walk(struct slab *s, size_t esize, uint32_t inl_cap, uint64_t seed)
{
	struct subject *t = calloc(1, sizeof(*t));

	t->esize = esize;
	t->inl_cap = inl_cap;
	for (uint32_t step = 0; step < 6000; step++) {
		uint32_t grow = step / 300 % 2 ? 35 : 60;
		bool ends = step / 1000 % 2; /* as a queue, else anywhere */

		if (t->n == 0 || (rnd_below(&seed, 100) < grow && t->n < REF_MAX - 1)) {
			bool last = ends || rnd(&seed) % 4 == 0;
			uint32_t i = last ? t->n : rnd_below(&seed, t->n + 1);

			do_insert(t, s, i, rnd(&seed));
		} else {
			uint32_t i = ends || rnd(&seed) % 4 == 0 ? 0 : rnd_below(&seed, t->n);
			uint32_t k = 1 + rnd_below(&seed, min_of(t->n - i, 3u));

			do_remove(t, s, i, k);
		}
		if (t->n < 64 || step % 16 == 0)
			compare(t, s);
		if (rnd(&seed) % 2000 == 0) {
			vec_clear(&t->v, s);
			t->n = 0;
			compare(t, s);
		}
	}
	vec_clear(&t->v, s);
	assert_int_equal(slab_used(s), 0);
	free(t);
}

static void test_random(void **state)
{
	static const size_t esizes[] = { 4, 8, 12, 24, 40 };
	static const uint32_t caps[] = { 0, 1, 2, 5, 16 };
	struct fixture *f = *state;

	for (unsigned int e = 0; e < ARRAY_SIZE(esizes); e++)
		for (unsigned int c = 0; c < ARRAY_SIZE(caps); c++)
			walk(&f->s, esizes[e], caps[c], 1 + e * 10 + c);
}

/* Inline until it is full, then one object, then, once empty, inline again. */
static void test_inline_first(void **state)
{
	struct fixture *f = *state;
	struct vec v = { 0 };
	uint64_t inl[4];

	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 4; i++)
			assert_ptr_equal(vec_push(&v, &f->s, inl, 4, 8), &inl[i]);
		assert_int_equal(slab_used(&f->s), 0);
		assert_non_null(vec_push(&v, &f->s, inl, 4, 8));
		assert_int_equal(slab_used(&f->s), 64);
		vec_pop_front(&v, &f->s, 4);
		assert_int_equal(slab_used(&f->s), 64);
		vec_pop_front(&v, &f->s, 1);
		assert_int_equal(slab_used(&f->s), 0);
	}
	/* A queue that never holds more than the inline buffer never allocates. */
	for (uint64_t i = 0; i < 100; i++) {
		*(uint64_t *)vec_push(&v, &f->s, inl, 4, 8) = i;
		if (v.n == 4)
			vec_pop_front(&v, &f->s, 1);
		assert_int_equal(v.mem, 0);
	}
	assert_int_equal(*(uint64_t *)vec_at(&v, &f->s, inl, 8, 0), 97);
}

/* A queue that slides with n elements moves them once in at least n / 2 pushes, never each time. */
static void test_moves(void **state)
{
	static const uint32_t lengths[] = { 3, 7, 33, 100, 1000, 2047, 7000, 14335 };
	struct fixture *f = *state;

	for (unsigned int l = 0; l < ARRAY_SIZE(lengths); l++) {
		struct vec v = { 0 };
		uint32_t moves = 0, n = lengths[l];
		uint64_t inl[2];

		for (uint64_t i = 0; i < n; i++)
			*(uint64_t *)vec_push(&v, &f->s, inl, 2, 8) = i;
		for (uint64_t i = n; i < 100 * (uint64_t)n; i++) {
			uint32_t head;
			uint64_t *slot;

			vec_pop_front(&v, &f->s, 1);
			head = v.head;
			slot = vec_push(&v, &f->s, inl, 2, 8);
			assert_non_null(slot);
			*slot = i;
			moves += v.head < head;
			assert_int_equal(*(uint64_t *)vec_at(&v, &f->s, inl, 8, 0), i - n + 1);
		}
		assert_true(moves <= 2 + 99 * 8);
		assert_true(slab_used(&f->s) <= 4 * max_of((uint64_t)n * 8, UINT64_C(64)));
		vec_clear(&v, &f->s);
	}
}

/* Of the largest class all can be used; then an eighth must be free before elements are moved. */
static void test_largest(void **state)
{
	struct fixture *f = *state;
	struct vec v = { 0 };
	uint32_t n = 0, *e;

	while ((e = vec_push(&v, &f->s, NULL, 0, 64)) != NULL)
		*e = n++;
	assert_int_equal(n, 2048);
	assert_int_equal(v.n, 2048);
	assert_null(vec_insert(&v, &f->s, NULL, 0, 64, 1000));
	assert_int_equal(v.n, 2048);
	vec_pop_front(&v, &f->s, 255);
	assert_null(vec_push(&v, &f->s, NULL, 0, 64));
	/* An insertion takes the place in front, near the end too. */
	assert_non_null(vec_insert(&v, &f->s, NULL, 0, 64, v.n - 1));
	vec_remove(&v, &f->s, NULL, 64, v.n - 2, 1);
	assert_non_null(vec_insert(&v, &f->s, NULL, 0, 64, 0));
	vec_pop_front(&v, &f->s, v.n - (2048 - 256));
	e = vec_push(&v, &f->s, NULL, 0, 64);
	assert_non_null(e);
	*e = n;
	for (uint32_t i = 0; i < v.n; i++)
		assert_int_equal(*(uint32_t *)vec_at(&v, &f->s, NULL, 64, i), 256 + i);
	vec_clear(&v, &f->s);
}

/* The smaller side moves: the place of the other side's elements stays. */
static void test_smaller_side(void **state)
{
	struct fixture *f = *state;
	struct vec v = { 0 };
	uint64_t inl[16];

	for (uint64_t i = 0; i < 12; i++)
		*(uint64_t *)vec_push(&v, &f->s, inl, 16, 8) = i;
	vec_remove(&v, &f->s, inl, 8, 9, 2);
	assert_ptr_equal(vec_at(&v, &f->s, inl, 8, 0), &inl[0]);
	vec_remove(&v, &f->s, inl, 8, 1, 2);
	assert_ptr_equal(vec_at(&v, &f->s, inl, 8, 0), &inl[2]);
	assert_ptr_equal(vec_insert(&v, &f->s, inl, 16, 8, 7), &inl[9]);
	assert_ptr_equal(vec_insert(&v, &f->s, inl, 16, 8, 1), &inl[2]);
	assert_ptr_equal(vec_at(&v, &f->s, inl, 8, 0), &inl[1]);
	assert_int_equal(inl[1], 0);
	assert_int_equal(inl[3], 3);
	assert_int_equal(inl[10], 11);
}

/* With the slab full a push fails and changes nothing; a free place in front is used. */
static void test_exhausted(void **state)
{
	struct fixture *f = *state;
	struct vec v = { 0 };
	uint64_t inl[2];

	for (uint64_t i = 0; i < 8; i++)
		*(uint64_t *)vec_push(&v, &f->s, inl, 2, 8) = i;
	for (unsigned int order = SLAB_ORDERS; order-- > 0;)
		while (slab_alloc(&f->s, order))
			;
	assert_null(vec_push(&v, &f->s, inl, 2, 8));
	assert_int_equal(v.n, 8);
	vec_pop_front(&v, &f->s, 1);
	*(uint64_t *)vec_push(&v, &f->s, inl, 2, 8) = 8;
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(*(uint64_t *)vec_at(&v, &f->s, inl, 8, i), i + 1);
	vec_clear(&v, &f->s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
		cmocka_unit_test_setup_teardown(test_inline_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_moves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_largest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_smaller_side, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exhausted, setup, teardown),
	};

	return cmocka_run_group_tests_name("vec", tests, NULL, NULL);
}
