/*
 * A segment's tuple, out of its facts. Pure; O(1).
 */
#ifndef PIER_TCP_TUPLE_H
#define PIER_TCP_TUPLE_H

#include "flow/tuple.h"
#include "pkt/facts.h"
#include "wire/be.h"

/*
 * Ports and local address as they stand in a tuple. Hash and comparison read them as one word: from memory they
 * would wait for the smaller stores.
 */
static inline uint64_t tcp_tuple_rest(const struct pkt_facts *f)
{
	return (uint64_t)f->local << 32 | load32(&f->sport);
}

static_assert(offsetof(struct pkt_facts, dport) == offsetof(struct pkt_facts, sport) + 2,
	      "both ports are one word, as they are stored");

static inline void tcp_tuple_of(const struct pkt_facts *f, struct flow_tuple *tuple)
{
	const uint64_t rest = tcp_tuple_rest(f);

	memcpy(tuple->remote, f->saddr, 16);
	memcpy((uint8_t *)tuple + 16, &rest, sizeof(rest));
}

/* Whether tuple is that of f. */
static inline bool tcp_tuple_is(const struct pkt_facts *f, const struct flow_tuple *tuple)
{
	uint64_t a[2], b[3];

	memcpy(a, f->saddr, sizeof(a));
	memcpy(b, tuple, sizeof(b));
	return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (tcp_tuple_rest(f) ^ b[2])) == 0;
}

#endif
