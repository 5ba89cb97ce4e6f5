/*
 * Sequence numbers (RFC 9293 section 3.4): comparisons modulo 2^32. Also used for timestamps
 * (RFC 7323 section 5.2) and for 32-bit clock ticks.
 *
 * a comes before b iff 0 < b - a < 2^31. Two numbers exactly 2^31 apart come before neither, so
 * that no pair is "before" in both directions; nothing here subtracts in a signed type.
 */
#ifndef PIER_BASE_SEQ_H
#define PIER_BASE_SEQ_H

#include <stdbool.h>
#include <stdint.h>

static inline bool seq_lt(uint32_t a, uint32_t b)
{
	return (uint32_t)(b - a) - 1u < 0x7fffffffu;
}

static inline bool seq_leq(uint32_t a, uint32_t b)
{
	return (uint32_t)(b - a) < 0x80000000u;
}

static inline bool seq_gt(uint32_t a, uint32_t b)
{
	return seq_lt(b, a);
}

static inline bool seq_geq(uint32_t a, uint32_t b)
{
	return seq_leq(b, a);
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
	return seq_lt(a, b) ? b : a;
}

static inline uint32_t seq_min(uint32_t a, uint32_t b)
{
	return seq_lt(b, a) ? b : a;
}

#endif
