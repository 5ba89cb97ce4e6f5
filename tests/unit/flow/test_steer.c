/*
 * Steering: the published vectors of the RSS specification, and random input against a Toeplitz
 * hash that goes bit by bit.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "flow/steer.h"

static const uint8_t rss_key[STEER_KEY_LEN] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

struct vector {
	const char *saddr;
	uint16_t sport;
	const char *daddr;
	uint16_t dport;
	uint32_t hash;
};

static const struct vector vectors_v4[] = {
	{"66.9.149.187", 2794, "161.142.100.80", 1766, 0x51ccc178},
	{"199.92.111.2", 14230, "65.69.140.83", 4739, 0xc626b0ea},
	{"24.19.198.95", 12898, "12.22.207.184", 38024, 0x5c2b394a},
	{"38.27.205.30", 48228, "209.142.163.6", 2217, 0xafc7327f},
	{"153.39.163.191", 44251, "202.188.127.2", 1303, 0x10e828a2},
};

static const struct vector vectors_v6[] = {
	{"3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766, 0x40207d3d},
	{"3ffe:501:8::260:97ff:fe40:efab", 14230, "ff02::1", 4739, 0xdde51bbf},
	{"3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, "fe80::200:f8ff:fe21:67cf", 38024,
	 0x02d1feef},
};

static uint64_t seed;

static uint64_t rnd(void)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static uint32_t toeplitz_bitwise(const uint8_t *key, const uint8_t *in, unsigned int len)
{
	uint32_t h = 0;

	for (unsigned int i = 0; i < len * 8; i++) {
		if (!(in[i / 8] >> (7 - i % 8) & 1))
			continue;
		for (unsigned int j = 0; j < 32; j++)
			h ^= (uint32_t)(key[(i + j) / 8] >> (7 - (i + j) % 8) & 1) << (31 - j);
	}
	return h;
}

static void test_vectors_v4(void **state)
{
	static const uint16_t reta[1] = {0};
	struct steer s;

	assert_int_equal(steer_init(&s, rss_key, reta, 1), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(vectors_v4); i++) {
		const struct vector *v = &vectors_v4[i];
		uint32_t sa, da;

		assert_int_equal(inet_pton(AF_INET, v->saddr, &sa), 1);
		assert_int_equal(inet_pton(AF_INET, v->daddr, &da), 1);
		assert_int_equal(steer_hash_v4(&s, sa, da, htons(v->sport), htons(v->dport)),
				 v->hash);
	}
}

static void test_vectors_v6(void **state)
{
	static const uint16_t reta[1] = {0};
	struct steer s;

	assert_int_equal(steer_init(&s, rss_key, reta, 1), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(vectors_v6); i++) {
		const struct vector *v = &vectors_v6[i];
		uint8_t sa[16], da[16];

		assert_int_equal(inet_pton(AF_INET6, v->saddr, sa), 1);
		assert_int_equal(inet_pton(AF_INET6, v->daddr, da), 1);
		assert_int_equal(steer_hash_v6(&s, sa, da, htons(v->sport), htons(v->dport)),
				 v->hash);
	}
}

/* By the addresses alone it is known which of both it is. */
static void test_either_family(void **state)
{
	uint8_t from[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1}, to[16] = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 9};
	uint8_t key[STEER_KEY_LEN];
	uint16_t worker = 0;
	struct steer s;
	uint32_t sa, da;

	for (unsigned int i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i * 37 + 11);
	assert_int_equal(steer_init(&s, key, &worker, 1), 0);
	memcpy(&sa, from + 12, 4);
	memcpy(&da, to + 12, 4);
	assert_int_equal(steer_hash(&s, from, to, 1, 2), steer_hash_v4(&s, sa, da, 1, 2));
	for (unsigned int i = 0; i < 12; i++) {
		from[i] ^= 1;
		assert_int_equal(steer_hash(&s, from, to, 1, 2), steer_hash_v6(&s, from, to, 1, 2));
		assert_int_not_equal(steer_hash(&s, from, to, 1, 2), steer_hash_v4(&s, sa, da, 1, 2));
		from[i] ^= 1;
	}
}

static void test_against_bitwise(void **state)
{
	static const uint16_t reta[1] = {0};
	uint8_t key[STEER_KEY_LEN], in[36];
	uint32_t sa, da;
	uint16_t ports[2];
	struct steer s;

	seed = 1;
	for (int round = 0; round < 50; round++) {
		for (unsigned int i = 0; i < sizeof(key); i++)
			key[i] = (uint8_t)rnd();
		assert_int_equal(steer_init(&s, key, reta, 1), 0);
		for (int n = 0; n < 100; n++) {
			for (unsigned int i = 0; i < sizeof(in); i++)
				in[i] = (uint8_t)rnd();
			memcpy(ports, in + 32, 4);
			assert_int_equal(steer_hash_v6(&s, in, in + 16, ports[0], ports[1]),
					 toeplitz_bitwise(key, in, 36));
			memcpy(&sa, in, 4);
			memcpy(&da, in + 4, 4);
			memcpy(ports, in + 8, 4);
			assert_int_equal(steer_hash_v4(&s, sa, da, ports[0], ports[1]),
					 toeplitz_bitwise(key, in, 12));
		}
	}
}

static void test_symmetric_key(void **state)
{
	static const uint16_t reta[1] = {0};
	uint8_t key[STEER_KEY_LEN];
	struct steer s, other;
	bool differs = false;

	for (unsigned int i = 0; i < sizeof(key); i += 2) {
		key[i] = 0x6d;
		key[i + 1] = 0x5a;
	}
	seed = 2;
	assert_int_equal(steer_init(&s, key, reta, 1), 0);
	assert_int_equal(steer_init(&other, rss_key, reta, 1), 0);
	for (int n = 0; n < 1000; n++) {
		uint32_t a = (uint32_t)rnd(), b = (uint32_t)rnd();
		uint16_t p = (uint16_t)rnd(), q = (uint16_t)rnd();

		assert_int_equal(steer_hash_v4(&s, a, b, p, q), steer_hash_v4(&s, b, a, q, p));
		differs |= steer_hash_v4(&other, a, b, p, q) != steer_hash_v4(&other, b, a, q, p);
	}
	assert_true(differs);
}

static void test_reta(void **state)
{
	uint16_t reta[STEER_RETA_MAX * 2];
	struct steer s;

	for (unsigned int i = 0; i < ARRAY_SIZE(reta); i++)
		reta[i] = (uint16_t)(i * 7);
	for (uint32_t n = 1; n <= STEER_RETA_MAX; n *= 2) {
		assert_int_equal(steer_init(&s, rss_key, reta, n), 0);
		for (uint32_t h = 0; h < 4 * n; h++)
			assert_int_equal(steer_worker(&s, 0xabcd0000u + h), h % n * 7);
	}
	assert_int_equal(steer_init(&s, rss_key, reta, 0), -EINVAL);
	assert_int_equal(steer_init(&s, rss_key, reta, 3), -EINVAL);
	assert_int_equal(steer_init(&s, rss_key, reta, 127), -EINVAL);
	assert_int_equal(steer_init(&s, rss_key, reta, STEER_RETA_MAX * 2), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors_v4),
		cmocka_unit_test(test_vectors_v6),
		cmocka_unit_test(test_either_family),
		cmocka_unit_test(test_against_bitwise),
		cmocka_unit_test(test_symmetric_key),
		cmocka_unit_test(test_reta),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
