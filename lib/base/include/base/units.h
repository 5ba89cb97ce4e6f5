/*
 * Units. Time inside the engine is a uint64_t count of microseconds since any origin ("us", the
 * argument is called now); what a record keeps of it is a 32-bit count of milliseconds ("ms" or
 * "tick"), compared with base/seq.h because it wraps every 49.7 days.
 */
#ifndef PIER_BASE_UNITS_H
#define PIER_BASE_UNITS_H

#include <stdint.h>

#define US_PER_MS  1000ull
#define US_PER_SEC 1000000ull
#define MS_PER_SEC 1000u

#define KIB 1024ull
#define MIB (1024ull * KIB)
#define GIB (1024ull * MIB)

static inline uint32_t ms_of(uint64_t us)
{
	return (uint32_t)(us / US_PER_MS);
}

#endif
