/*
 * A hand-over ring: packets with their facts, and news, from one worker to another.
 *
 * One producer, one consumer, no lock, bounded: what does not fit is the producer's to drop and
 * count. A slot has the size of the facts of a packet, whose place for the hash, which the engine
 * computes anew, holds the mbuf; so the consumer gives the engine the very slots, in one burst.
 * The facts are two lines to copy; to parse again is more (`parse` of bench_noport), and sums the
 * payload a second time.
 *
 * Each side writes its index once per burst and remembers the last it has seen of the other's, so
 * that an index's line moves between the CPUs once per burst, not once per packet.
 */
#ifndef PIER_WORKER_HAND_H
#define PIER_WORKER_HAND_H

#include "net/net.h"
#include "pkt/facts.h"

#define HAND_APART 128 /* bytes: CPUs fetch lines in pairs */

/*
 * A packet: facts, with mbuf in facts.hash and hops in facts.entry. News: hash is 0; entry is hops,
 * too. hops: workers that may still be asked whether the flow is theirs; HAND_OWNED: none is asked.
 */
union hand_slot {
	struct pkt_facts facts;
	struct net_news news;
};

static_assert(sizeof(union hand_slot) == sizeof(struct pkt_facts), "facts are what fills a slot");
static_assert(sizeof(struct net_news) <= offsetof(struct pkt_facts, hash),
	      "news leave room for the mbuf's place");

#define HAND_OWNED UINT32_MAX

struct hand_ring {
	alignas(HAND_APART) uint32_t tail; /* the producer's, published */
	uint32_t fill;			   /* its own: filled, and not all published */
	uint32_t head_seen;
	alignas(HAND_APART) uint32_t head; /* the consumer's, published */
	uint32_t tail_seen;
	alignas(HAND_APART) uint32_t size; /* a power of two; read only */
	alignas(HAND_APART) union hand_slot slot[];
};

static inline size_t hand_bytes(uint32_t size)
{
	return sizeof(struct hand_ring) + size * sizeof(union hand_slot);
}

/* ring is zeroed memory of hand_bytes(size). */
static inline void hand_init(struct hand_ring *r, uint32_t size)
{
	r->size = size;
}

/* Producer: the next free slot, or NULL. It counts as filled. */
static inline union hand_slot *hand_fill(struct hand_ring *r)
{
	if (unlikely(r->fill - r->head_seen == r->size)) {
		r->head_seen = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE);
		if (r->fill - r->head_seen == r->size)
			return NULL;
	}
	return &r->slot[r->fill++ & (r->size - 1)];
}

/* Producer: let the consumer have what was filled. */
static inline void hand_publish(struct hand_ring *r)
{
	__atomic_store_n(&r->tail, r->fill, __ATOMIC_RELEASE);
}

/* Consumer: slots that lie together from *first on, up to max; 0: none. */
static inline uint32_t hand_ready(struct hand_ring *r, union hand_slot **first, uint32_t max)
{
	const uint32_t at = r->head & (r->size - 1);
	uint32_t n;

	if (r->tail_seen == r->head)
		r->tail_seen = __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);
	*first = &r->slot[at];
	n = min_of(r->tail_seen - r->head, max);
	return min_of(n, r->size - at);
}

/* Consumer: the first n of them are read. */
static inline void hand_done(struct hand_ring *r, uint32_t n)
{
	__atomic_store_n(&r->head, r->head + n, __ATOMIC_RELEASE);
}

/* Consumer: whether hand_ready has seen more than it gave, as at the ring's end. */
static inline bool hand_left(const struct hand_ring *r)
{
	return r->tail_seen != r->head;
}

/* Whether something waits; the consumer's. */
static inline bool hand_waits(const struct hand_ring *r)
{
	return __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE) != r->head;
}

static inline struct rte_mbuf *hand_mbuf(const union hand_slot *s)
{
	return (struct rte_mbuf *)(uintptr_t)s->facts.hash;
}

#endif
