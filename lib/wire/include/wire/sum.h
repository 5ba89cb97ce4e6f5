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

static inline uint64_t sum_header64(const void *p, unsigned len)
{
	const uint8_t *b = p;
	uint64_t sum = len & 4 ? load32(b + len - 4) : 0;

	for (unsigned i = 0; i + 8 <= len; i += 8)
		sum = sum_add64(sum, load64(b + i));
	return sum;
}

/* Whether everything, its checksum included, sums up as it should: to 0xffff, once folded. */
static inline bool sum_is_good(uint64_t sum)
{
	return sum && sum % 0xffff == 0;
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
