/*
 * The wheel under its intended user: records with one deadline each, of which one entry is valid,
 * against the plain list of their deadlines. T-29: clocks that wrap, stand still and go back.
 */
#include "kit.h"

#include "algo/wheel.h"
#include "base/seq.h"

#define RECORDS 3000u
#define ENTRIES 200000u

struct record {
	uint32_t deadline;
	uint32_t slot; /* 0: no timer */
	uint32_t prefetched;
};

struct user {
	struct wheel w;
	void *mem;
	uint32_t now;       /* the clock passed to wheel_advance */
	uint32_t seen;      /* the latest it has been */
	uint32_t last_tick; /* of the last entry fired */
	bool in_order;      /* run timers at their tick, not when the clock has passed them */
	uint64_t seed;
	uint64_t fired, dead, early, calls, again;
	struct record rec[RECORDS];
};

static struct user *user_new(uint32_t start, size_t entries, uint64_t seed)
{
	struct user *u = calloc(1, sizeof(*u));
	size_t bytes = wheel_bytes(entries);

	u->mem = aligned_alloc(CACHE_LINE, bytes);
	memset(u->mem, 0xa5, bytes);
	wheel_init(&u->w, u->mem, bytes, start);
	u->now = start;
	u->seen = start;
	u->last_tick = start;
	u->seed = seed;
	return u;
}

static void user_free(struct user *u)
{
	free(u->mem);
	free(u);
}

/* As a timer is set: an earlier deadline inserts anew, a later one only changes the record. */
static void set(struct user *u, uint32_t id, uint32_t deadline)
{
	struct record *r = &u->rec[id];

	if (r->slot && seq_geq(deadline, r->deadline)) {
		r->deadline = deadline;
		return;
	}
	r->slot = wheel_insert(&u->w, id, deadline);
	r->deadline = seq_gt(deadline, wheel_tick(&u->w)) ? deadline : wheel_tick(&u->w) + 1;
	assert_int_not_equal(r->slot, 0);
	assert_true(r->slot < 1u << 24);
}

/* Spread over all levels: a random number of random bits. */
static uint32_t distance(struct user *u)
{
	return rnd(&u->seed) >> (2 + rnd_below(&u->seed, 30));
}

static void fire(void *arg, uint32_t entry, uint32_t slot)
{
	struct user *u = arg;
	struct record *r;

	assert_true(entry < RECORDS);
	r = &u->rec[entry];
	assert_true(seq_leq(u->last_tick, wheel_tick(&u->w)));
	assert_true(seq_leq(wheel_tick(&u->w), u->seen));
	u->last_tick = wheel_tick(&u->w);
	u->calls++;
	if (r->slot != slot) {
		u->dead++;
		return;
	}
	if (seq_gt(r->deadline, u->in_order ? wheel_tick(&u->w) : u->seen)) {
		u->early++;
		r->slot = wheel_insert(&u->w, entry, r->deadline);
		assert_int_not_equal(r->slot, 0);
		assert_int_not_equal(r->slot, slot);
		return;
	}
	r->slot = 0;
	u->fired++;
	if (rnd(&u->seed) % 4 == 0) {
		uint32_t d = wheel_tick(&u->w) + distance(u) - rnd_below(&u->seed, 3);

		u->again++;
		set(u, entry, d);
		assert_int_not_equal(r->slot, slot);
	}
}

/* With nothing left over, no deadline up to the clock is pending, and next is not after any. */
static void check_none_late(struct user *u)
{
	uint64_t next = wheel_next(&u->w);

	for (uint32_t i = 0; i < RECORDS; i++) {
		if (u->rec[i].slot == 0)
			continue;
		assert_true(seq_gt(u->rec[i].deadline, u->now));
		assert_true(next != WHEEL_NONE);
		assert_true(seq_leq((uint32_t)next, u->rec[i].deadline));
	}
	if (next != WHEEL_NONE)
		assert_true(seq_gt((uint32_t)next, u->now));
}

static void advance(struct user *u, uint32_t by, unsigned int budget)
{
	uint64_t calls = u->calls;
	unsigned int n;

	u->now += by;
	u->seen = seq_max(u->seen, u->now);
	n = wheel_advance(&u->w, u->now, budget, fire, u);
	assert_int_equal(u->calls - calls, n);
	assert_true(n <= budget);
	if (n < budget)
		check_none_late(u);
}

/* Run until no record has a timer; nothing may be lost, and every chunk comes back. */
static void drain(struct user *u)
{
	uint32_t chunks = 0;

	for (uint32_t i = 0; i < RECORDS; i++)
		if (u->rec[i].slot && seq_gt(u->rec[i].deadline, u->now + (1u << 16)))
			set(u, i, u->now + rnd_below(&u->seed, 1u << 16));
	while (wheel_next(&u->w) != WHEEL_NONE) {
		uint32_t to = (uint32_t)wheel_next(&u->w);

		advance(u, seq_gt(to, u->now) ? to - u->now : 0, 1000);
		for (uint32_t i = 0; u->again && i < RECORDS; i++)
			if (u->rec[i].slot && seq_gt(u->rec[i].deadline, u->now + (1u << 20)))
				set(u, i, u->now + 1);
	}
	for (uint32_t i = 0; i < RECORDS; i++)
		assert_int_equal(u->rec[i].slot, 0);
	assert_int_equal(wheel_count(&u->w), 0);
	for (uint32_t c = u->w.free; c; c = ((struct wheel_chunk *)u->mem)[c - 1].next)
		chunks++;
	assert_int_equal(chunks, u->w.fresh - 1);
}

static void walk(uint32_t start, bool in_order, uint64_t seed)
{
	struct user *u = user_new(start, ENTRIES, seed);

	u->in_order = in_order;
	for (uint32_t step = 0; step < 6000; step++) {
		uint32_t id = rnd_below(&u->seed, RECORDS), op = rnd_below(&u->seed, 100);

		for (uint32_t k = rnd_below(&u->seed, 8); k; k--) {
			id = rnd_below(&u->seed, RECORDS);
			set(u, id, u->now + distance(u) - rnd_below(&u->seed, 3));
		}
		if (op < 5)
			u->rec[id].slot = 0; /* cancelled: its entry is dead */
		if (op < 50)
			advance(u, rnd_below(&u->seed, 3), 1 + rnd_below(&u->seed, 5));
		else if (op < 60)
			advance(u, 0, 4);
		else if (op < 70)
			advance(u, (uint32_t)-1, 1000);
		else if (op < 98)
			advance(u, rnd_below(&u->seed, 1000), 1 + rnd_below(&u->seed, 200));
		else
			advance(u, rnd_below(&u->seed, 1u << rnd_below(&u->seed, 28)), 100000);
		if (op >= 60 && op < 70)
			u->now++;
		assert_true(wheel_count(&u->w) <= ENTRIES);
	}
	assert_true(u->fired > 5000 && u->dead > 100 && u->early > 1000 && u->again > 1000);
	drain(u);
	user_free(u);
}

static void test_random(void **state)
{
	for (uint64_t seed = 1; seed <= 4; seed++) {
		walk(0, seed % 2, seed);
		walk(UINT32_MAX - 4, seed % 2, seed + 10);
		walk((uint32_t)(seed * 0x9e3779b9u), seed % 2, seed + 20);
	}
}

/* Every distance near a power of 256 from awkward ticks fires exactly on time, tick by tick. */
static void test_exact_tick(void **state)
{
	static const uint32_t starts[] = { 0, 1, 255, 256, 0xfffe, 0xffffff, 0xffffffff, 0xfffffffb,
					   0x7fffffff, 0x12345678 };
	static const uint32_t dists[] = { 1, 2, 254, 255, 256, 257, 511, 512, 65534, 65535, 65536,
					  65537, 0xffffff, 0x1000000, 0x1000001, 0x7ffffffe };

	for (unsigned int s = 0; s < ARRAY_SIZE(starts); s++) {
		for (unsigned int d = 0; d < ARRAY_SIZE(dists); d++) {
			struct user *u = user_new(starts[s], 100, 1);
			uint32_t due = starts[s] + dists[d];

			u->seed = 4; /* its first number does not arm the timer again */
			set(u, 0, due);
			advance(u, dists[d] - 1, 100);
			assert_int_equal(u->fired, 0);
			assert_int_equal(wheel_next(&u->w), due);
			advance(u, 1, 100);
			assert_int_equal(u->fired, 1);
			assert_true(u->calls <= WHEEL_LEVELS);
			user_free(u);
		}
	}
}

/* T-29: every tick over the wrap, from 2^32 - 5; timers at each of them, none early, none late. */
static void test_wrap(void **state)
{
	struct user *u = user_new(UINT32_MAX - 4, 1000, 1);

	for (uint32_t i = 0; i < 600; i++)
		u->rec[i].slot = wheel_insert(&u->w, i, u->now + 1 + i);
	for (uint32_t i = 0; i < 600; i++)
		u->rec[i].deadline = UINT32_MAX - 4 + 1 + i;
	for (uint32_t i = 0; i < 600; i++) {
		uint32_t slot;

		u->now--;
		advance(u, 0, 1000); /* the clock goes back by one: nothing happens */
		u->now++;
		slot = u->rec[i].slot;
		assert_int_not_equal(slot, 0);
		advance(u, 1, 1000);
		assert_true(u->rec[i].slot == 0 || seq_gt(u->rec[i].deadline, u->now));
		if (i + 1 < 600)
			assert_int_equal(u->rec[i + 1].deadline, u->now + 1);
	}
	user_free(u);
}

static void fire_count(void *arg, uint32_t entry, uint32_t slot)
{
	++*(unsigned int *)arg;
}

/* Past and present deadlines go to the next tick, also from within fire. */
static void test_past(void **state)
{
	struct user *u = user_new(1000, 1000, 1);
	unsigned int n = 0;

	wheel_insert(&u->w, 1, 1000);
	wheel_insert(&u->w, 2, 999);
	wheel_insert(&u->w, 3, 1000u - 0x7fffffff);
	assert_int_equal(wheel_next(&u->w), 1001);
	assert_int_equal(wheel_advance(&u->w, 1000, 10, fire_count, &n), 0);
	assert_int_equal(wheel_advance(&u->w, 1001, 10, fire_count, &n), 3);
	assert_int_equal(n, 3);
	assert_true(wheel_next(&u->w) == WHEEL_NONE);
	user_free(u);
}

/* An empty wheel follows the clock, for longer than half its circle too. */
static void test_idle(void **state)
{
	struct user *u = user_new(0, 1000, 1);
	uint32_t now = 0, calls = 0;

	for (int i = 0; i < 7; i++) {
		now += 1u << 30;
		assert_int_equal(wheel_advance(&u->w, now, 1, fire_count, &calls), 0);
		assert_int_equal(wheel_tick(&u->w), now);
	}
	wheel_insert(&u->w, 1, now - 1000);
	assert_int_equal(wheel_next(&u->w), now + 1);
	wheel_insert(&u->w, 2, now + (1u << 30));
	now += (1u << 30) + 5;
	assert_true(wheel_advance(&u->w, now, 10, fire_count, &calls) < 10);
	assert_int_equal(wheel_count(&u->w), 0);
	assert_int_equal(calls, 2);
	user_free(u);
}

struct loop {
	struct wheel w;
	unsigned int runs;
};

static void fire_again(void *arg, uint32_t entry, uint32_t slot)
{
	struct loop *l = arg;
	uint32_t again = wheel_insert(&l->w, entry, wheel_tick(&l->w));

	l->runs++;
	assert_int_not_equal(again, 0);
	assert_int_not_equal(again, slot);
}

/* An entry that is inserted again for "now" each time runs once a tick, over every boundary. */
static void test_insert_in_fire(void **state)
{
	const uint32_t start = UINT32_MAX - 70000;
	size_t bytes = wheel_bytes(1);
	struct loop *l = calloc(1, sizeof(*l));
	void *mem = aligned_alloc(CACHE_LINE, bytes);

	wheel_init(&l->w, mem, bytes, start);
	wheel_insert(&l->w, 7, start);
	for (uint32_t i = 1; i <= 140000; i++) {
		assert_int_equal(wheel_advance(&l->w, start + i, 10, fire_again, l), 1);
		assert_int_equal(l->runs, i);
	}
	assert_int_equal(wheel_advance(&l->w, start + 140500, 10000, fire_again, l), 500);
	free(mem);
	free(l);
}

/* A budget of one: every entry comes, once, in the order of the ticks, over several advances. */
static void test_budget(void **state)
{
	struct user *u = user_new(50, RECORDS, 4);
	uint32_t calls = 0;

	u->in_order = true;
	for (uint32_t i = 0; i < RECORDS; i++) {
		u->rec[i].deadline = 51 + i % 40;
		u->rec[i].slot = wheel_insert(&u->w, i, u->rec[i].deadline);
	}
	u->now = 90;
	assert_int_equal(wheel_advance(&u->w, 90, 0, fire_count, &calls), 0);
	assert_int_equal(wheel_count(&u->w), RECORDS);
	for (uint32_t i = 0; i < RECORDS; i++) {
		assert_int_equal(wheel_advance(&u->w, 90, 1, fire_count, &calls), 1);
		assert_int_equal(wheel_tick(&u->w), 51 + i / (RECORDS / 40));
		assert_int_equal(wheel_count(&u->w), RECORDS - 1 - i);
		if (i % (RECORDS / 40) != RECORDS / 40 - 1)
			assert_int_equal(wheel_next(&u->w), wheel_tick(&u->w));
	}
	assert_int_equal(calls, RECORDS);
	assert_int_equal(wheel_advance(&u->w, 90, 1, fire_count, &calls), 0);
	user_free(u);
}

/* What a million timers on one tick have done so far. */
struct crowd {
	struct wheel w;
	uint8_t *fired;
	uint32_t total, last, in_call;
};

static void fire_crowd(void *arg, uint32_t entry, uint32_t slot)
{
	struct crowd *c = arg;

	assert_int_equal(c->fired[entry]++, 0);
	assert_true(seq_geq(wheel_tick(&c->w), c->last));
	c->last = wheel_tick(&c->w);
	c->total++;
	c->in_call++;
}

/*
 * A million on one tick, and some before and after it: no call does more than its budget, all fire
 * once, in the order of their ticks, within as many calls as the budget makes necessary; and while
 * they wait the wheel says that it is late. Cancelling is forgetting: no call at all.
 */
static void DOS_14_a_million_on_one_tick(void **state)
{
	enum { ALL = 1000000, SIDE = 100, BUDGET = 256 };
	struct crowd *c = calloc(1, sizeof(*c));
	size_t bytes = wheel_bytes(ALL + 2 * SIDE);
	void *mem = aligned_alloc(CACHE_LINE, bytes);
	uint32_t calls = 0;

	c->fired = calloc(ALL + 2 * SIDE, 1);
	wheel_init(&c->w, mem, bytes, 1000);
	c->last = 1000;
	for (uint32_t i = 0; i < ALL + 2 * SIDE; i++) {
		uint32_t at = i < SIDE ? 1499 : i < ALL + SIDE ? 1500 : 1501;

		assert_int_not_equal(wheel_insert(&c->w, i, at), 0);
	}
	do {
		c->in_call = 0;
		wheel_advance(&c->w, 1600, BUDGET, fire_crowd, c);
		assert_true(c->in_call <= BUDGET);
		calls++;
		if (wheel_count(&c->w))
			assert_true(seq_leq((uint32_t)wheel_next(&c->w), 1600));
	} while (wheel_count(&c->w));
	assert_int_equal(c->total, ALL + 2 * SIDE);
	assert_in_range(calls, 1, (ALL + 2 * SIDE) / BUDGET + 2 + 2000 / BUDGET + 8);
	for (uint32_t i = 0; i < ALL + 2 * SIDE; i++)
		assert_int_equal(c->fired[i], 1);
	free(mem);
	free(c->fired);
	free(c);
}

/* The room promised by wheel_bytes suffices whatever the slots, and one more is refused cleanly. */
static void test_exhaustion(void **state)
{
	struct user *u = user_new(0, 2000, 1);
	unsigned int n = 0, put = 0;

	for (uint32_t i = 0; i < 2000; i++)
		assert_int_not_equal(wheel_insert(&u->w, i, i * 2100000u / 2), 0);
	wheel_advance(&u->w, 2100000000u, UINT32_MAX, fire_count, &n);
	assert_int_equal(n, 2000);
	n = 0;
	while (wheel_insert(&u->w, put, wheel_tick(&u->w) + 5))
		put++;
	assert_int_equal(put, (2000 / 30 + 1024 + 2) * 30);
	assert_int_equal(wheel_count(&u->w), put);
	assert_int_equal(wheel_insert(&u->w, put, wheel_tick(&u->w) + 6), 0);
	wheel_advance(&u->w, wheel_tick(&u->w) + 10, UINT32_MAX, fire_count, &n);
	assert_int_equal(n, put);
	assert_int_not_equal(wheel_insert(&u->w, put, wheel_tick(&u->w) + 6), 0);
	user_free(u);
}

static void test_sparse(void **state)
{
	size_t bytes = (size_t)1 << 32;
	struct wheel *w = malloc(sizeof(*w));
	void *mem = sparse_map(bytes);
	unsigned int n = 0;

	wheel_init(w, mem, bytes, 0);
	assert_int_equal(sparse_touched(mem, bytes), 0);
	for (uint32_t t = 0; t < 100000; t++) {
		for (uint32_t i = 0; i < 40; i++)
			wheel_insert(w, i, t + 3);
		wheel_advance(w, t, 1000, fire_count, &n);
	}
	assert_true(n > 3900000);
	assert_int_equal(sparse_touched(mem, bytes), 1); /* 8 chunks at a time, always the same */
	munmap(mem, bytes);
	free(w);
}

/*
 * What waits costs a tick nothing, however much it is: with a thousand and with a million entries that are
 * due in an hour, no tick before that reads or writes a chunk. They cannot be touched meanwhile: a
 * tick that did would end the test. Then each is fired.
 */
static void test_ticks_touch_nothing(void **state)
{
	static const uint32_t sizes[] = { 1, 1000, 1000000 };

	for (unsigned int s = 0; s < ARRAY_SIZE(sizes); s++) {
		const uint32_t due = 3600u * 1000, n = sizes[s];
		size_t page = (size_t)sysconf(_SC_PAGESIZE);
		size_t bytes = (wheel_bytes(n) + page - 1) / page * page;
		struct user *u = calloc(1, sizeof(*u));
		unsigned int fired = 0;
		uint32_t now = 0;

		u->mem = sparse_map(bytes);
		wheel_init(&u->w, u->mem, bytes, 0);
		for (uint32_t i = 0; i < n; i++)
			assert_int_not_equal(wheel_insert(&u->w, i, due + i % due), 0);
		assert_int_equal(mprotect(u->mem, bytes, PROT_NONE), 0);
		while (seq_lt(++now, (uint32_t)wheel_next(&u->w)))
			assert_int_equal(wheel_advance(&u->w, now, 256, fire_count, &fired), 0);
		assert_true(now > due - 65536 && now <= due);
		assert_int_equal(mprotect(u->mem, bytes, PROT_READ | PROT_WRITE), 0);
		wheel_advance(&u->w, 3 * due, UINT32_MAX, fire_count, &fired);
		assert_int_equal(fired, n);
		munmap(u->mem, bytes);
		free(u);
	}
}

struct hints {
	uint32_t order[500];
	uint32_t brought, fired, total;
};

static void bring(void *arg, uint32_t entry)
{
	struct hints *h = arg;

	h->order[h->brought++] = entry;
}

static void fire_hinted(void *arg, uint32_t entry, uint32_t slot)
{
	struct hints *h = arg;

	assert_true(h->brought >= min_of(h->fired + 9, h->total)); /* this one and eight */
	assert_int_equal(h->order[h->fired++], entry);
}

/* Each entry is hinted once, before it is fired, eight positions ahead within a slot. */
static void test_prefetch(void **state)
{
	for (uint32_t total = 1; total < 500; total++) {
		struct user *u = user_new(0, 1000, 1);
		struct hints h = { .total = total };

		wheel_set_prefetch(&u->w, bring);
		for (uint32_t i = 0; i < total; i++)
			wheel_insert(&u->w, i, 9);
		while (wheel_advance(&u->w, 20, 7, fire_hinted, &h))
			;
		assert_int_equal(h.fired, total);
		assert_int_equal(h.brought, total);
		user_free(u);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),      cmocka_unit_test(test_exact_tick),
		cmocka_unit_test(test_wrap),        cmocka_unit_test(test_past),
		cmocka_unit_test(test_insert_in_fire), cmocka_unit_test(test_budget),
		cmocka_unit_test(DOS_14_a_million_on_one_tick),
		cmocka_unit_test(test_exhaustion),  cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_ticks_touch_nothing),
		cmocka_unit_test(test_prefetch),    cmocka_unit_test(test_idle),
	};

	return cmocka_run_group_tests_name("wheel", tests, NULL, NULL);
}
