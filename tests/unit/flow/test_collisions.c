/*
 * An attacker who knows every hash but the table's key: tuples that collide in all 32 bits of the Toeplitz
 * hash that NICs compute with the key everybody leaves as it is.
 * Row: DOS-10.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "flow/table.h"
#include "flow/tuple.h"

#define FREE_BITS 48 /* of a tuple: remote address and port */
#define MANY      100000u

/* The key of the RSS specification. */
static const uint8_t default_key[40] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static uint32_t key_window(unsigned int at)
{
	uint32_t w = 0;

	for (unsigned int i = at; i < at + 32; i++)
		w = w << 1 | (default_key[i / 8] >> (7 - i % 8) & 1u);
	return w;
}

/* Of source address, destination address, source port, destination port, in this order. */
static uint32_t toeplitz(uint32_t saddr, uint32_t daddr, uint16_t sport, uint16_t dport)
{
	const uint64_t in[2] = {(uint64_t)saddr << 32 | daddr, (uint64_t)sport << 16 | dport};
	uint32_t h = 0;

	for (unsigned int i = 0; i < 64; i++)
		if (in[0] >> (63 - i) & 1)
			h ^= key_window(i);
	for (unsigned int i = 0; i < 32; i++)
		if (in[1] >> (31 - i) & 1)
			h ^= key_window(64 + i);
	return h;
}

static uint32_t part(uint64_t x)
{
	return toeplitz((uint32_t)(x >> 16), 0, (uint16_t)x, 0);
}

/* The hash is linear: by elimination, the changes of address and port that leave it as it is. */
static unsigned int find_kernel(uint64_t kernel[FREE_BITS])
{
	uint64_t by_bit[32] = {0};
	unsigned int n = 0;

	for (unsigned int i = 0; i < FREE_BITS; i++) {
		uint64_t x = 1ull << i;
		uint32_t h;

		while ((h = part(x)) && by_bit[31 - __builtin_clz(h)])
			x ^= by_bit[31 - __builtin_clz(h)];
		if (h)
			by_bit[31 - __builtin_clz(h)] = x;
		else
			kernel[n++] = x;
	}
	return n;
}

/* The nth of 65536 tuples for each local address. */
static struct flow_tuple tuple_of(const uint64_t *kernel, uint32_t n, uint32_t *rss)
{
	uint64_t x = 0xc6336401ull << 16 | 40000;
	struct flow_tuple t = {.local = n >> 16, .local_port = 80};

	for (unsigned int i = 0; i < 16; i++)
		if (n >> i & 1)
			x ^= kernel[i];
	flow_addr_v4(t.remote, __builtin_bswap32((uint32_t)(x >> 16)));
	t.remote_port = (uint16_t)x;
	*rss = toeplitz((uint32_t)(x >> 16), 0xc6120002, (uint16_t)x, 80);
	return t;
}

static void fill(uint64_t (*hash)(const struct flow_key *, const struct flow_tuple *), uint64_t k)
{
	struct flow_key key;
	struct flow_table t;
	struct flow_cursor cur;
	uint64_t kernel[FREE_BITS];
	uint32_t rss, first = 0, most = 0;
	void *mem = aligned_alloc(CACHE_LINE, flow_table_bytes(MANY));

	for (unsigned int i = 0; i < 8; i++)
		key.k[i] = (k + i + 1) * 0x9e3779b97f4a7c15ull;
	memset(mem, 0, flow_table_bytes(MANY));
	assert_int_equal(flow_table_init(&t, mem, MANY, MANY), 0);
	assert_true(find_kernel(kernel) >= 16);
	for (uint32_t i = 0; i < MANY; i++) {
		struct flow_tuple u = tuple_of(kernel, i, &rss);

		first = i ? first : rss;
		assert_int_equal(rss, first);
		assert_int_equal(flow_table_insert(&t, hash(&key, &u), flow_entry(FLOW_CONN, i)), 0);
	}
	for (uint32_t i = 0; i < MANY; i++) {
		struct flow_tuple u = tuple_of(kernel, i, &rss);
		uint64_t h = hash(&key, &u);
		uint32_t e = flow_table_first(&t, h, &cur), n = 1;

		for (; e != flow_entry(FLOW_CONN, i); n++) {
			assert_int_not_equal(e, FLOW_NONE);
			e = flow_table_next(&t, &cur);
		}
		most = n > most ? n : most;
	}
	assert_in_range(most, 1, 12);
	assert_in_range(flow_table_max_depth(&t), 0, 2);
	assert_true(t.max_search <= 256);
	free(mem);
}

/* As the table sees them they are as good as any: no lookup compares more than a few. */
static void DOS_10_tuples_that_collide_elsewhere(void **state)
{
	for (uint64_t k = 1; k < 3; k++) {
		fill(flow_hash, k);
		fill(flow_hash_sip, k);
	}
}

static uint64_t unkeyed(const struct flow_key *key, const struct flow_tuple *t)
{
	return 0x1234567890abcdefull;
}

/* What they would do to a table with the port's hash, and that the depth shows it. */
static void test_without_a_key(void **state)
{
	void *mem = aligned_alloc(CACHE_LINE, flow_table_bytes(1000));
	struct flow_table t;
	uint32_t n = 0;

	memset(mem, 0, flow_table_bytes(1000));
	assert_int_equal(flow_table_init(&t, mem, 1000, 1000), 0);
	while (n < 1000 && !flow_table_insert(&t, unkeyed(NULL, NULL), flow_entry(FLOW_CONN, n)))
		n++;
	assert_int_equal(n, 24);
	free(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(DOS_10_tuples_that_collide_elsewhere),
		cmocka_unit_test(test_without_a_key),
	};

	return cmocka_run_group_tests_name("collisions", tests, NULL, NULL);
}
