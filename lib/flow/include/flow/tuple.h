/*
 * A flow's name: the 4-tuple as it stands in every record, and its keyed hash.
 *
 * The hash places connections in the table, so a client that could predict it could fill two
 * buckets on purpose. It is keyed with random bits that never leave the process: AES rounds where
 * the CPU has them, SipHash-1-3 elsewhere. The choice is made when compiling, so all parts of one
 * program need the same instruction set.
 *
 * Pure; any thread; constant time and work.
 */
#ifndef PIER_FLOW_TUPLE_H
#define PIER_FLOW_TUPLE_H

#include <string.h>
#ifdef __AES__
#include <immintrin.h>
#endif

#include "base/address.h"
#include "base/compiler.h"
#include "base/siphash.h"

/* Zero what you do not know: all 24 bytes are compared and hashed. */
struct flow_tuple {
	alignas(8) uint8_t remote[16]; /* IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2) */
	uint16_t remote_port;          /* network order */
	uint16_t local_port;           /* network order */
	uint32_t local;                /* index of the local address */
};

static_assert(sizeof(struct flow_tuple) == 24, "a tuple is 24 bytes without padding");
static_assert(offsetof(struct flow_tuple, remote_port) == 16, "ports follow the address");

/* Fill from the operating system's generator, once; SipHash uses the first 128 bits. */
struct flow_key {
	alignas(CACHE_LINE) uint64_t k[8];
};

/* Write the IPv4 address be (network order) to out as an IPv4-mapped IPv6 address. */
static inline void flow_addr_v4(uint8_t out[16], uint32_t be)
{
	address_from_v4(out, be);
}

static inline bool flow_tuple_equal(const struct flow_tuple *a, const struct flow_tuple *b)
{
	uint64_t x[3], y[3];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2])) == 0;
}

static inline uint64_t flow_hash_sip(const struct flow_key *key, const struct flow_tuple *t)
{
	const struct sip_key k = {{key->k[0], key->k[1]}};

	return siphash13(&k, t, sizeof(*t));
}

#ifdef __AES__
/*
 * The address goes in, two rounds, ports and local address go in, two rounds, and both halves are
 * folded. For two addresses to differ, after two rounds, by just what the last eight bytes can
 * cancel, at least five S-boxes have to comply: for the best pair of differences, one key in 2^30.
 * A difference in the last eight bytes alone can leave a column of the state untouched, but never
 * the fold of two columns.
 */
static inline uint64_t flow_hash_aes(const struct flow_key *key, const struct flow_tuple *t)
{
	const __m128i *k = (const __m128i *)key->k;
	__m128i x, y;

	memcpy(&x, t->remote, 16);
	y = _mm_loadl_epi64((const __m128i *)((const uint8_t *)t + 16));
	x = _mm_aesenc_si128(_mm_xor_si128(x, _mm_load_si128(k)), _mm_load_si128(k + 1));
	x = _mm_aesenc_si128(x, _mm_xor_si128(y, _mm_load_si128(k + 2)));
	x = _mm_aesenc_si128(x, _mm_load_si128(k + 3));
	x = _mm_aesenc_si128(x, _mm_load_si128(k + 1));
	return (uint64_t)_mm_cvtsi128_si64(_mm_xor_si128(x, _mm_unpackhi_epi64(x, x)));
}
#endif

/* The 64-bit hash the table takes. */
static inline uint64_t flow_hash(const struct flow_key *key, const struct flow_tuple *t)
{
#ifdef __AES__
	return flow_hash_aes(key, t);
#else
	return flow_hash_sip(key, t);
#endif
}

#endif
