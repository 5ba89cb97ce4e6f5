/*
 * A segment's tuple, out of its facts. Pure; O(1).
 */
#ifndef PIER_TCP_TUPLE_H
#define PIER_TCP_TUPLE_H

#include "flow/tuple.h"
#include "pkt/facts.h"
#include "wire/be.h"

/* Source, ports and local address stand in the facts as in a tuple. */
static_assert(offsetof(struct pkt_facts, sport) - offsetof(struct pkt_facts, saddr) ==
		      offsetof(struct flow_tuple, remote_port) - offsetof(struct flow_tuple, remote) &&
	      offsetof(struct pkt_facts, dport) - offsetof(struct pkt_facts, saddr) ==
		      offsetof(struct flow_tuple, local_port) - offsetof(struct flow_tuple, remote) &&
	      offsetof(struct pkt_facts, local) - offsetof(struct pkt_facts, saddr) ==
		      offsetof(struct flow_tuple, local) - offsetof(struct flow_tuple, remote),
	      "one is copied to the other");

static inline void tcp_tuple_of(const struct pkt_facts *f, struct flow_tuple *tuple)
{
	memcpy(tuple, f->saddr, sizeof(*tuple));
}

/*
 * Set f's local address, and make the tuple. Ports and local address are stored as one word, since comparisons read
 * them so a little later: they would wait for smaller stores.
 */
static inline void tcp_tuple_make(struct pkt_facts *f, uint32_t local, struct flow_tuple *tuple)
{
	const uint64_t ports = load32(&f->sport);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	const uint64_t rest = (uint64_t)local << 32 | ports;
#else
	const uint64_t rest = ports << 32 | local;
#endif

	store64(&f->sport, rest);
	memcpy(tuple->remote, f->saddr, sizeof(tuple->remote));
	store64((uint8_t *)tuple + sizeof(tuple->remote), rest);
}

/* Whether tuple is that of f. */
static inline bool tcp_tuple_is(const struct pkt_facts *f, const struct flow_tuple *tuple)
{
	const uint8_t *a = f->saddr, *b = (const uint8_t *)tuple;

	return ((load64(a) ^ load64(b)) | (load64(a + 8) ^ load64(b + 8)) | (load64(a + 16) ^ load64(b + 16))) == 0;
}

#endif
