/*
 * RFC 6298 in integers.
 */
#include "algo/rtt.h"
#include "base/compiler.h"
#include "base/units.h"

#define MANTISSA_BITS 11u
#define MANTISSA_ONE  (1u << MANTISSA_BITS)
#define EXPONENT_MAX  (32u - MANTISSA_BITS) /* of 32-bit numbers; the exponent 0 has no shift */
#define FLOAT_MAX     (uint16_t)(EXPONENT_MAX << MANTISSA_BITS | (MANTISSA_ONE - 1))

/*
 * Exponent e and mantissa m are m for e = 0, else (2048 + m) << (e - 1): counted up, the 16 bits go
 * through the values in order, so that a carry out of the mantissa is right by itself.
 */
uint16_t rtt_pack(uint32_t us)
{
	uint32_t shift, f;

	if (us < 2 * MANTISSA_ONE)
		return (uint16_t)us;
	shift = 31u - (uint32_t)__builtin_clz(us) - MANTISSA_BITS;
	f = (shift << MANTISSA_BITS) + (us >> shift) + (us >> (shift - 1) & 1);
	return (uint16_t)min_of(f, (uint32_t)FLOAT_MAX);
}

uint32_t rtt_unpack(uint16_t f)
{
	uint32_t v = min_of(f, FLOAT_MAX), e = v >> MANTISSA_BITS;

	if (e == 0)
		return v;
	return ((v & (MANTISSA_ONE - 1)) | MANTISSA_ONE) << (e - 1);
}
