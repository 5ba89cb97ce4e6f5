/*
 * SipHash-c-d by Aumasson and Bernstein, for any c and d known at compile time.
 */
#include <string.h>

#include "base/compiler.h"
#include "base/siphash.h"

#define TUPLE_LEN 24 /* of a connection, which nearly all is asked for */

static inline uint64_t rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] = rotl(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] = rotl(v[2], 32);
}

static inline __attribute__((always_inline)) uint64_t
sip(const struct sip_key *key, const void *data, size_t len, int c, int d)
{
	const unsigned char *p = data;
	uint64_t v[4] = {
		key->k[0] ^ 0x736f6d6570736575ull, key->k[1] ^ 0x646f72616e646f6dull,
		key->k[0] ^ 0x6c7967656e657261ull, key->k[1] ^ 0x7465646279746573ull,
	};
	uint64_t last = (uint64_t)len << 56, m;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&m, p, 8);
		v[3] ^= m;
		for (int i = 0; i < c; i++)
			sip_round(v);
		v[0] ^= m;
	}
	for (size_t i = 0; i < len; i++)
		last |= (uint64_t)p[i] << (8 * i);
	v[3] ^= last;
	for (int i = 0; i < c; i++)
		sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int i = 0; i < d; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t siphash24(const struct sip_key *key, const void *data, size_t len)
{
	if (likely(len == TUPLE_LEN)) /* without loops */
		return sip(key, data, TUPLE_LEN, 2, 4);
	return sip(key, data, len, 2, 4);
}

uint64_t siphash13(const struct sip_key *key, const void *data, size_t len)
{
	if (likely(len == TUPLE_LEN))
		return sip(key, data, TUPLE_LEN, 1, 3);
	return sip(key, data, len, 1, 3);
}
