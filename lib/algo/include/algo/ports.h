/*
 * Ephemeral ports (RFC 6056): which local port an active open takes.
 *
 * A counter walks through the range, as in the double-hash algorithm (section 3.3.4): where it begins
 * is a keyed hash of the destination, and destinations share a table of counters by another hash, so
 * that connections to one destination tell nothing about those to others. What is added to it here:
 * the walk is over a keyed permutation of the range, one for each destination, so that the
 * destination itself cannot tell the next port from the last one either. A port comes back only when
 * the walk has been through the whole range.
 *
 * One owner; no allocation. The caller writes the destination (addresses and remote port) to len
 * bytes without padding that could differ.
 */
#ifndef PIER_ALGO_PORTS_H
#define PIER_ALGO_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/siphash.h"

#define PORTS_COUNTERS 1024 /* a power of two; section 3.3.4 has 10 at least */

struct ports {
	struct sip_key key; /* random, of no other use */
	uint32_t next[PORTS_COUNTERS];
};

void ports_init(struct ports *p, const struct sip_key *key);

/*
 * The next port from lo to hi (host order, inclusive, lo <= hi) that usable accepts; 0: it accepted
 * none. Bounded by the range: usable sees each port once at most.
 */
uint16_t ports_pick(struct ports *p, const void *destination, size_t len, uint16_t lo, uint16_t hi,
		    bool (*usable)(void *arg, uint16_t port), void *arg);

#endif
