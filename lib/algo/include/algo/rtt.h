/*
 * Round-trip time and retransmission timeout (RFC 6298), in microseconds, and the 16-bit form in
 * which a connection at rest keeps them.
 *
 * Pure functions of numbers, any thread, O(1). Which segments may be sampled (Karn), and when a
 * backed-off timeout is forgotten, is the caller's business.
 */
#ifndef PIER_ALGO_RTT_H
#define PIER_ALGO_RTT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/units.h"

struct rtt {
	uint32_t srtt_us; /* 0: no sample yet */
	uint32_t rttvar_us;
	uint32_t min_rtt_us; /* smallest sample */
};

#define RTT_GRANULARITY   (1 * US_PER_MS)
#define RTT_LITERAL_FLOOR (1 * US_PER_SEC) /* RFC 6298 (2.4) */

struct rtt_limits {
	uint64_t rto_initial; /* us, until the first sample (RFC 6298 (2.1)) */
	uint64_t rto_min;     /* us, least share of the variance term */
	uint64_t rto_max;     /* us, ceiling, also of the backed-off timeout (2.5) */
	bool literal;         /* RFC 6298 (2.3), (2.4) to the letter: the floor of the sum is 1 s */
};

/* value + (goal - value) / (k << shift), rounded away from value; k is nearly always 1. */
static inline uint32_t rtt_approach(uint32_t value, uint32_t goal, unsigned int shift, uint64_t k)
{
	uint64_t gap = goal >= value ? goal - value : value - goal, step;

	if (likely(k == 1))
		step = (gap + (1u << shift) - 1) >> shift;
	else
		step = (gap + (k << shift) - 1) / (k << shift);
	return goal >= value ? value + (uint32_t)step : value - (uint32_t)step;
}

/*
 * Take one measurement, sample_us (0 counts as 1). RFC 6298 (2.2), (2.3). samples_per_rtt is how
 * many measurements one round trip brings, ceil(FlightSize / (2 * SMSS)); the gains are divided by
 * it (RFC 7323 Appendix G), 0 counts as 1. Each value moves by at least 1 us towards its goal, so
 * that a small gain cannot freeze it.
 */
static inline void rtt_sample(struct rtt *r, uint32_t sample_us, uint32_t samples_per_rtt)
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
	r->rttvar_us = rtt_approach(r->rttvar_us, err, 2, k);
	r->srtt_us = rtt_approach(r->srtt_us, sample, 3, k);
	r->min_rtt_us = min_of(r->min_rtt_us, sample);
}

/*
 * The retransmission timeout in us, not backed off: SRTT + max(rto_min, 4 * RTTVAR), so that a peer
 * that delays its ACK by less than rto_min is never timed out; with l->literal
 * max(1 s, SRTT + max(G, 4 * RTTVAR)), G = 1 ms. At most rto_max.
 */
static inline uint64_t rtt_rto(const struct rtt *r, const struct rtt_limits *l)
{
	uint64_t var = 4 * (uint64_t)r->rttvar_us, rto;

	if (r->srtt_us == 0) {
		rto = l->rto_initial;
	} else if (l->literal) {
		rto = r->srtt_us + max_of(var, RTT_GRANULARITY);
		rto = max_of(rto, RTT_LITERAL_FLOOR);
	} else {
		rto = r->srtt_us + max_of(var, l->rto_min);
	}
	return min_of(rto, l->rto_max);
}

/* rto doubled count times, at most max (RFC 6298 (5.5), (2.5)). Any count. */
static inline uint64_t rtt_backoff(uint64_t rto, unsigned int count, uint64_t max)
{
	if (count >= 64 || rto > max >> count)
		return max;
	return rto << count;
}

/*
 * A time in us as a float of 5 bits of exponent and 11 of mantissa: exact below 4,096 us, else the
 * nearest, off by less than 0.025 %. 0 stays 0. Times above 4,294 s become the largest.
 */
uint16_t rtt_pack(uint32_t us);

/* Its inverse. rtt_pack(rtt_unpack(x)) == x for every x that rtt_pack returns. */
uint32_t rtt_unpack(uint16_t f);

#endif
