/*
 * Initial sequence numbers (RFC 6528 section 3; RFC 9293 3.4.1): a keyed hash of the connection's
 * tuple, so that nobody outside can guess them, and a clock, so that a new incarnation starts above
 * the last one.
 *
 * Pure; any thread. The caller writes the tuple (addresses and ports) to len bytes without padding
 * that could differ.
 */
#ifndef PIER_ALGO_ISN_H
#define PIER_ALGO_ISN_H

#include <stddef.h>
#include <stdint.h>

#include "base/siphash.h"

/* ISN = M + F(tuple): M goes up once every 4 us, F is SipHash-2-4. */
static inline uint32_t isn_make(const struct sip_key *key, const void *tuple, size_t len,
				uint64_t now_us)
{
	return (uint32_t)(now_us / 4) + (uint32_t)siphash24(key, tuple, len);
}

#endif
