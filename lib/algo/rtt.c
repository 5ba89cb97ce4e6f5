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

/* value + (goal - value) / (k << shift), rounded away from value; k is nearly always 1. */
static inline uint32_t approach(uint32_t value, uint32_t goal, unsigned int shift, uint64_t k)
{
	uint64_t gap = goal >= value ? goal - value : value - goal, step;

	if (likely(k == 1))
		step = (gap + (1u << shift) - 1) >> shift;
	else
		step = (gap + (k << shift) - 1) / (k << shift);
	return goal >= value ? value + (uint32_t)step : value - (uint32_t)step;
}

void rtt_sample(struct rtt *r, uint32_t sample_us, uint32_t samples_per_rtt)
{
	uint64_t k = max_of(samples_per_rtt, 1u);
	uint32_t sample = max_of(sample_us, 1u), err;

	if (r->srtt_us == 0) {
		r->srtt_us = sample;
		r->rttvar_us = sample / 2;
		r->min_rtt_us = sample;
		return;
	}
	err = r->srtt_us > sample ? r->srtt_us - sample : sample - r->srtt_us;
	r->rttvar_us = approach(r->rttvar_us, err, 2, k);
	r->srtt_us = approach(r->srtt_us, sample, 3, k);
	r->min_rtt_us = min_of(r->min_rtt_us, sample);
}

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
