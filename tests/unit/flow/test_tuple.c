/*
 * Tuples and their keyed hashes: both hashes are held to the same statistics, with fixed seeds.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "flow/tuple.h"

typedef uint64_t hash_fn(const struct flow_key *key, const struct flow_tuple *t);

/* Every hash that this build has. */
static hash_fn *const hashes[] = {
	flow_hash_sip,
#ifdef __AES__
	flow_hash_aes,
#endif
};

static uint64_t seed;

static uint64_t rnd(void)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static void rnd_fill(void *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)p)[i] = (uint8_t)rnd();
}

/* A client of 198.18/15 as a tester would make it: few addresses, many ports. */
static struct flow_tuple client(uint32_t host, uint16_t port)
{
	struct flow_tuple t = {.remote_port = htons(port), .local_port = htons(80)};

	flow_addr_v4(t.remote, htonl(0xc6120000u + host));
	return t;
}

static void test_addr_v4(void **state)
{
	static const uint8_t want[16] = {[10] = 0xff, 0xff, 198, 18, 0, 1};
	uint8_t got[16];

	memset(got, 0xaa, sizeof(got));
	flow_addr_v4(got, htonl(0xc6120001u));
	assert_memory_equal(got, want, 16);
}

static void test_equal(void **state)
{
	struct flow_tuple a, b;

	seed = 3;
	rnd_fill(&a, sizeof(a));
	b = a;
	assert_true(flow_tuple_equal(&a, &b));
	for (unsigned int bit = 0; bit < 8 * sizeof(a); bit++) {
		b = a;
		((uint8_t *)&b)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(flow_tuple_equal(&a, &b));
		assert_false(flow_tuple_equal(&b, &a));
	}
}

static void test_sip_is_siphash13(void **state)
{
	struct flow_key key;
	struct flow_tuple t;
	struct sip_key sip;

	seed = 4;
	for (int i = 0; i < 100; i++) {
		rnd_fill(&key, sizeof(key));
		rnd_fill(&t, sizeof(t));
		memcpy(&sip, &key, sizeof(sip));
		assert_true(flow_hash_sip(&key, &t) == siphash13(&sip, &t, sizeof(t)));
	}
}

static void test_default(void **state)
{
	struct flow_key key;
	struct flow_tuple t;

	seed = 5;
	rnd_fill(&key, sizeof(key));
	rnd_fill(&t, sizeof(t));
	assert_true(flow_hash(&key, &t) == hashes[ARRAY_SIZE(hashes) - 1](&key, &t));
}

/* Each input bit flips each output bit about half of the time. */
static void avalanche(hash_fn *hash, unsigned int samples)
{
	static uint32_t flips[192][64];
	struct flow_key key;
	struct flow_tuple t;

	memset(flips, 0, sizeof(flips));
	for (unsigned int n = 0; n < samples; n++) {
		uint64_t h;

		rnd_fill(&key, sizeof(key));
		rnd_fill(&t, sizeof(t));
		h = hash(&key, &t);
		for (unsigned int in = 0; in < 192; in++) {
			uint8_t *byte = (uint8_t *)&t + in / 8;
			uint64_t d;

			*byte ^= (uint8_t)(1u << in % 8);
			d = h ^ hash(&key, &t);
			*byte ^= (uint8_t)(1u << in % 8);
			for (unsigned int out = 0; out < 64; out++)
				flips[in][out] += d >> out & 1;
		}
	}
	for (unsigned int in = 0; in < 192; in++)
		for (unsigned int out = 0; out < 64; out++)
			assert_in_range(flips[in][out], samples * 43 / 100, samples * 57 / 100);
}

static void test_avalanche(void **state)
{
	seed = 6;
	for (unsigned int i = 0; i < ARRAY_SIZE(hashes); i++)
		avalanche(hashes[i], 2048);
}

static int compare_u64(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Tuples that differ little: no two hashes are equal, and their parts spread like random ones. */
static void test_spread(void **state)
{
	const unsigned int hosts = 16, ports = 16384, n = hosts * ports, cells = 4096;
	uint64_t *h = malloc(n * sizeof(*h));
	uint32_t *cell = malloc(cells * sizeof(*cell));
	struct flow_key key;

	seed = 7;
	rnd_fill(&key, sizeof(key));
	for (unsigned int f = 0; f < ARRAY_SIZE(hashes); f++) {
		for (unsigned int i = 0; i < n; i++) {
			struct flow_tuple t = client(i / ports, (uint16_t)(1024 + i % ports));

			h[i] = hashes[f](&key, &t);
		}
		for (unsigned int shift = 0; shift <= 52; shift += 4) {
			double chi2 = 0;

			memset(cell, 0, cells * sizeof(*cell));
			for (unsigned int i = 0; i < n; i++)
				cell[h[i] >> shift & (cells - 1)]++;
			for (unsigned int i = 0; i < cells; i++)
				chi2 += (cell[i] - 64.0) * (cell[i] - 64.0) / 64.0;
			/* mean 4095, standard deviation 90 */
			assert_in_range((uint64_t)chi2, 4095 - 540, 4095 + 540);
		}
		qsort(h, n, sizeof(*h), compare_u64);
		for (unsigned int i = 1; i < n; i++)
			assert_true(h[i] != h[i - 1]);
	}
	free(h);
	free(cell);
}

/* What collides in 16 bits under one key does not under another, more than chance has it. */
static void test_key_matters(void **state)
{
	struct flow_key a, b;

	seed = 8;
	rnd_fill(&a, sizeof(a));
	rnd_fill(&b, sizeof(b));
	for (unsigned int f = 0; f < ARRAY_SIZE(hashes); f++) {
		const struct flow_tuple first = client(0, 1);
		unsigned int under_a = 0, under_both = 0;

		for (uint32_t i = 1; i < 1u << 19; i++) {
			const struct flow_tuple t = client(i >> 16, (uint16_t)i);

			if ((hashes[f](&a, &t) ^ hashes[f](&a, &first)) >> 52)
				continue;
			under_a++;
			under_both += (hashes[f](&b, &t) ^ hashes[f](&b, &first)) >> 52 == 0;
		}
		assert_in_range(under_a, 64, 192);
		assert_in_range(under_both, 0, 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addr_v4),   cmocka_unit_test(test_equal),
		cmocka_unit_test(test_default),   cmocka_unit_test(test_sip_is_siphash13),
		cmocka_unit_test(test_avalanche), cmocka_unit_test(test_spread),
		cmocka_unit_test(test_key_matters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
