/*
 * The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
 *
 * A partial sum is a 32-bit ones'-complement sum of 16-bit words as they lie in memory; sums of
 * pieces can be added in any order (sum_add), as long as each piece began at an even offset of the
 * whole (sum_combine turns a piece that did not). sum_fold makes 16 bits of it, sum_finish the value
 * of a checksum field, stored as it is, without change of byte order.
 *
 * Pure; any thread; any alignment; any length, an odd last byte counts as if a zero followed it.
 * Time grows with len. Nothing outside [p, p + len) is read.
 */
#ifndef PIER_WIRE_SUM_H
#define PIER_WIRE_SUM_H

#include "base/compiler.h"
#include "wire/be.h"

/* Partial sum of len bytes, added to the partial sum `sum`. */
uint32_t sum_partial(const void *p, size_t len, uint32_t sum);

/* Copy len bytes that do not overlap, and return their partial sum: one pass over memory. */
uint32_t sum_copy(void *dst, const void *src, size_t len);

/* The halves added to themselves exchanged: the carry of the lower goes into the upper, which is the sum. */
static inline uint16_t sum_fold(uint32_t sum)
{
	return (uint16_t)((sum + (sum << 16 | sum >> 16)) >> 16);
}

static inline uint32_t sum_fold64(uint64_t sum)
{
	return (uint32_t)((sum + (sum << 32 | sum >> 32)) >> 32);
}

/* The value of the checksum field. A receiver's sum over everything folds to 0xffff. */
static inline uint16_t sum_finish(uint32_t sum)
{
	return (uint16_t)~sum_fold(sum);
}

/* The same of words of 32 bits that were added up in 64. */
static inline uint16_t sum_finish64(uint64_t sum)
{
	return sum_finish(sum_fold64(sum));
}

static inline uint32_t sum_add(uint32_t a, uint32_t b)
{
	uint64_t s = (uint64_t)a + b;

	return (uint32_t)(s + (s >> 32));
}

/* a, and b of a piece that lies at an odd or even offset from where a begins. */
static inline uint32_t sum_combine(uint32_t a, uint32_t b, bool odd)
{
	return sum_add(a, odd ? __builtin_bswap16(sum_fold(b)) : b);
}

/*
 * Partial sum of a header of len bytes, a multiple of 4, inline, in 64 bits: words of 8 bytes are added
 * with what they carry. May be added to others of its kind as sum_add64 does.
 */
static inline uint64_t sum_add64(uint64_t a, uint64_t b)
{
	a += b;
	return a + (a < b);
}

/*
 * One chain of additions where there are those with carry. The compiler does not make one of C, or of its builtins one
 * that leaves the sum in memory; what is read like this, address sanitizers do not see, so not with them. The sum is
 * written before the last word is read: no register of an address may be its own.
 */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__clang__)
#define SUM_CHAIN
struct sum_word {
	uint64_t v;
} __attribute__((packed, may_alias));
#endif

static inline uint64_t sum_add1(uint64_t a, const uint8_t *b)
{
#ifdef SUM_CHAIN
	__asm__("add %1, %0\n\tadc $0, %0" : "+r"(a) : "m"(*(const struct sum_word *)b) : "cc");
	return a;
#else
	return sum_add64(a, load64(b));
#endif
}

static inline uint64_t sum_add2(uint64_t a, const uint8_t *b)
{
#ifdef SUM_CHAIN
	const struct sum_word *w = (const struct sum_word *)b;

	__asm__("add %1, %0\n\tadc %2, %0\n\tadc $0, %0" : "+&r"(a) : "m"(w[0]), "m"(w[1]) : "cc");
	return a;
#else
	return sum_add1(sum_add1(a, b), b + 8);
#endif
}

static inline uint64_t sum_add4(uint64_t a, const uint8_t *b)
{
#ifdef SUM_CHAIN
	const struct sum_word *w = (const struct sum_word *)b;

	__asm__("add %1, %0\n\tadc %2, %0\n\tadc %3, %0\n\tadc %4, %0\n\tadc $0, %0"
		: "+&r"(a) : "m"(w[0]), "m"(w[1]), "m"(w[2]), "m"(w[3]) : "cc");
	return a;
#else
	return sum_add2(sum_add2(a, b), b + 16);
#endif
}

/* a, and n words of 8 bytes at p. */
static inline __attribute__((always_inline)) uint64_t sum_words(uint64_t a, const void *p, unsigned n)
{
	const uint8_t *b = p;

	for (; n >= 4; n -= 4, b += 32)
		a = sum_add4(a, b);
	if (n & 2) {
		a = sum_add2(a, b);
		b += 16;
	}
	return n & 1 ? sum_add1(a, b) : a;
}

static inline __attribute__((always_inline)) uint64_t sum_header64(const void *p, unsigned len)
{
	const uint8_t *b = p;

	return sum_words(len & 4 ? load32(b + len - 4) : 0, b, len / 8);
}

/* The last n bytes, 1 to 7, of the 8 that end at p. */
static inline uint64_t sum_last(const uint8_t *end, unsigned n)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return load64(end - 8) >> (64 - 8 * n);
#else
	return load64(end - 8) << (64 - 8 * n);
#endif
}

/* Partial sum of len bytes, less than SUM_SHORT, inline. The 8 that end with the last may be read, also before b. */
#define SUM_SHORT 128
static inline uint64_t sum_short64(const uint8_t *b, size_t len)
{
	const uint8_t *end = b + len;
	uint64_t sum = 0;

	if (len & 64) {
		sum = sum_add4(sum_add4(sum, b), b + 32);
		b += 64;
	}
	if (len & 32) {
		sum = sum_add4(sum, b);
		b += 32;
	}
	if (len & 16) {
		sum = sum_add2(sum, b);
		b += 16;
	}
	if (len & 8)
		sum = sum_add1(sum, b);
	if (len & 7)
		sum = sum_add64(sum, sum_last(end, len & 7));
	return sum;
}

/*
 * Whether everything, its checksum included, sums up as it should: to 0xffff, once folded. Of which not all can be 0,
 * as where it has a protocol's number: a sum is 0 only then. The multiples of 0xffff are those that, times its inverse
 * modulo 2^64, stay small.
 */
static inline bool sum_is_good(uint64_t sum)
{
	const uint64_t inverse = 0xfffefffefffeffff;

	static_assert(0xfffefffefffeffff * 0xffffull == 1, "the inverse");
	return sum * inverse <= UINT64_MAX / 0xffff;
}

/* Partial sum of a header of len bytes, a multiple of 4, inline. */
static inline uint32_t sum_header(const void *p, unsigned len)
{
	return sum_fold64(sum_header64(p, len));
}

/*
 * Partial sum of the IPv4 pseudo-header (RFC 9293 section 3.1): addresses in network order, len of
 * the transport header and payload in bytes, host order.
 */
static inline uint32_t sum_pseudo4(uint32_t saddr_be, uint32_t daddr_be, uint8_t proto,
				   uint16_t len)
{
	return sum_fold64((uint64_t)saddr_be + daddr_be + be16(proto) + be16(len));
}

/* Of two IPv6 addresses, which lie together as in the header, source first: the sum of both. */
static inline uint64_t sum_addrs6(const uint8_t *addrs)
{
	return sum_words(0, addrs, 4);
}

/*
 * The same of the IPv6 pseudo-header (RFC 8200 section 8.1). proto is that of the transport, whatever the IPv6
 * header's next header is.
 */
static inline uint32_t sum_pseudo6(const uint8_t saddr[16], const uint8_t daddr[16], uint8_t proto, uint32_t len)
{
	const uint64_t rest = (uint64_t)be32(len) + be16(proto);

	return sum_fold64(sum_words(sum_words(rest, saddr, 2), daddr, 2));
}

/*
 * The checksum field after one 16-bit word that it covers changed (RFC 1624 equation 3). All three
 * as they lie in memory, and the word at an even offset.
 */
static inline uint16_t sum_update16(uint16_t cksum, uint16_t old, uint16_t now)
{
	return sum_finish((uint32_t)(uint16_t)~cksum + (uint16_t)~old + now);
}

static inline uint16_t sum_update32(uint16_t cksum, uint32_t old, uint32_t now)
{
	return sum_finish(sum_fold64((uint64_t)(uint16_t)~cksum + (uint32_t)~old + now));
}

#endif
