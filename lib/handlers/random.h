/*
 * Pseudo-random numbers that a seed repeats (SplitMix64: a counter in steps of an odd constant, its
 * bits mixed). The state is the counter. Not for secrets.
 */
#ifndef HANDLERS_RANDOM_H
#define HANDLERS_RANDOM_H

#include <stdint.h>

#define RANDOM_STEP 0x9e3779b97f4a7c15ull

static inline uint64_t random_mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static inline uint64_t random_next(uint64_t *state)
{
	return random_mix(*state += RANDOM_STEP);
}

/* Above 0, up to 1: fit for a logarithm. */
static inline double random_unit(uint64_t *state)
{
	return (double)((random_next(state) >> 11) + 1) * 0x1p-53;
}

/* The state of the nth of a number of sequences under one seed. */
static inline uint64_t random_sequence(uint64_t seed, uint64_t n)
{
	return random_mix(random_mix(seed + RANDOM_STEP) ^ (n + 1) * RANDOM_STEP);
}

#endif
