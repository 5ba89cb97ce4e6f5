/*
 * The connection table: from a tuple's 64-bit hash to {type, index} of a record.
 *
 * A bucket is one cache line of 12 slots, each a one-byte tag of the hash and the entry. Where indexes
 * are small, the bits of an entry that they leave hold more of the hash: a tag alone sends one lookup in 25
 * of what is not there to a record, with those of a hundred million it is one in 200. An entry
 * lies in one of two buckets; either follows from the other and the tag, so that an insertion can
 * move entries aside without reading a record (partial-key cuckoo hashing). A bucket knows how many
 * of its entries had to go to their second bucket: a lookup reads a second line only where that is
 * not zero. At load 0.85 a connection costs 6.3 bytes.
 *
 * The table sees no record and compares no tuple. It offers the entries that may belong to a hash
 * (the right one, and by chance of the tag a wrong one now and then); the caller compares. Two
 * entries may have the same hash. An entry stays valid when the table moves it, so a lookup made
 * early in a burst is a good hint later on; version tells whether anything changed since.
 *
 * One owner: a table and its cursors belong to one thread, no locks, no atomics. Nothing here
 * allocates. Every call's work is bounded, as its comment says.
 */
#ifndef PIER_FLOW_TABLE_H
#define PIER_FLOW_TABLE_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/compiler.h"

#define FLOW_SLOTS       12
#define FLOW_INDEX_BITS  30
#define FLOW_INDEX_MAX   ((1u << FLOW_INDEX_BITS) - 1)
#define FLOW_ENTRIES_MAX (1u << FLOW_INDEX_BITS)

/* What kind of record an entry points to. No entry has type 0. */
enum flow_type {
	FLOW_HALF_OPEN = 1,
	FLOW_CONN,
	FLOW_TIME_WAIT,
};

#define FLOW_NONE 0u /* not an entry */

static inline uint32_t flow_entry(enum flow_type type, uint32_t index)
{
	return (uint32_t)type << FLOW_INDEX_BITS | index;
}

static inline enum flow_type flow_entry_type(uint32_t entry)
{
	return (enum flow_type)(entry >> FLOW_INDEX_BITS);
}

static inline uint32_t flow_entry_index(uint32_t entry)
{
	return entry & FLOW_INDEX_MAX;
}

struct flow_bucket {
	alignas(CACHE_LINE) uint8_t tag[FLOW_SLOTS]; /* 0: the slot is free */
	uint16_t displaced; /* entries whose first bucket this is and that lie in their second */
	uint16_t second;    /* bit per slot: the entry's second bucket is this one */
	uint32_t entry[FLOW_SLOTS];
};

static_assert(sizeof(struct flow_bucket) == CACHE_LINE, "a bucket is one cache line");
static_assert(offsetof(struct flow_bucket, entry) == 16, "tags and counts are one SSE register");

/* Read as you like; written by the calls below only. */
struct flow_table {
	struct flow_bucket *buckets;
	uint32_t n_buckets; /* even */
	uint32_t spare;     /* bits of an entry above its index and below its type: of the hash */
	uint32_t count;     /* entries */
	uint32_t displaced; /* of them, those in their second bucket */
	uint32_t max_depth;  /* longest chain of moves that made room in two full buckets */
	uint32_t max_search; /* most buckets that one search for room has read */
	uint64_t version;    /* grows with every change */
};

/* Where a lookup stands; valid until the table changes. */
struct flow_cursor {
	const struct flow_bucket *bucket;
	uint32_t mask; /* slots of bucket still to offer */
	uint32_t more; /* of the hash: what the entry has in the table's spare bits */
	uint8_t tag;
	uint8_t slot;  /* of bucket: the candidate offered last */
	bool last;     /* the other bucket has been read, or need not be */
};

/*
 * Bytes of memory for n_entries at load 0.85 or less: whole cache lines, an even number of them, so
 * that the two buckets of an entry always differ. 0 if n_entries is 0 or beyond FLOW_ENTRIES_MAX.
 */
size_t flow_table_bytes(uint32_t n_entries);

/*
 * An empty table in mem: flow_table_bytes(n_entries) bytes, the caller's, zeroed, and not touched here,
 * so that they are committed bucket by bucket as connections come. No entry may have an index above
 * index_max, at most FLOW_INDEX_MAX. 0, or -EINVAL: n_entries or index_max out of range or mem not aligned to
 * a cache line.
 */
int flow_table_init(struct flow_table *t, void *mem, uint32_t n_entries, uint32_t index_max);

/*
 * Add an entry. Same entry twice under one hash is the caller's error and not noticed. 0, or
 * -ENOSPC with the table unchanged: no free slot within reach, as with more than 24 entries of
 * one hash. Mostly one or two cache lines; at worst it reads some 270, most of them
 * prefetched, and moves a few entries.
 */
int flow_table_insert(struct flow_table *t, uint64_t hash, uint32_t entry);

/* Remove exactly this entry. False if it is not there under this hash. Two cache lines at most. */
bool flow_table_remove(struct flow_table *t, uint64_t hash, uint32_t entry);

/*
 * Put new_entry into old_entry's slot: a half-open record became a connection, or that one a
 * TIME-WAIT entry, under the same tuple. False, and nothing changed, if old_entry is not there.
 * Needs no room. Two cache lines at most.
 */
bool flow_table_replace(struct flow_table *t, uint64_t hash, uint32_t old_entry,
			uint32_t new_entry);

/*
 * Offer the entries of up to n buckets from *cursor on (0 to begin) to visit, and move *cursor.
 * True while buckets remain. A change between calls may hide an entry or offer it twice; visit
 * itself must not change the table.
 */
bool flow_table_walk(const struct flow_table *t, uint32_t *cursor, uint32_t n,
		     void (*visit)(void *arg, uint32_t entry), void *arg);

static inline uint32_t flow_table_count(const struct flow_table *t)
{
	return t->count;
}

/* Longest chain of moves so far that made room in two full buckets: 0 while it never came to it. */
static inline uint32_t flow_table_max_depth(const struct flow_table *t)
{
	return t->max_depth;
}

/* Bits 63-32 of the hash choose the first bucket, bits 15-0 the tag, 29-16 what fills spare bits. */
static inline uint32_t flow_table_bucket(const struct flow_table *t, uint64_t hash)
{
	return (uint32_t)((hash >> 32) * t->n_buckets >> 32);
}

static inline uint8_t flow_table_tag(uint64_t hash)
{
	return (uint8_t)(1 + ((hash & 0xffff) * 255 >> 16));
}

static inline uint32_t flow_table_more(const struct flow_table *t, uint64_t hash)
{
	return (uint32_t)hash & t->spare;
}

/*
 * The other bucket of an entry with this tag: b and its result add up to an odd number that the tag
 * scatters over [0, n_buckets), modulo n_buckets. So it is its own inverse, and as n_buckets is
 * even, never b itself.
 */
static inline uint32_t flow_table_alternate(const struct flow_table *t, uint32_t b, uint8_t tag)
{
	uint32_t x = tag * 0x9e3779b1u;
	uint32_t sum;

	x = (x ^ x >> 15) * 0x85ebca77u;
	x ^= x >> 13;
	sum = (uint32_t)((uint64_t)x * t->n_buckets >> 32) | 1;
	return sum >= b ? sum - b : sum + t->n_buckets - b;
}

/* Bit per slot whose tag is tag. The two forms agree; flow_match is the faster one here. */
static inline uint32_t flow_match_portable(const struct flow_bucket *b, uint8_t tag)
{
	uint32_t m = 0;

	for (unsigned int i = 0; i < FLOW_SLOTS; i++)
		m |= (uint32_t)(b->tag[i] == tag) << i;
	return m;
}

#ifdef __SSE2__
static inline uint32_t flow_match_sse2(const struct flow_bucket *b, uint8_t tag)
{
	const __m128i line = _mm_load_si128((const __m128i *)b);
	const __m128i eq = _mm_cmpeq_epi8(line, _mm_set1_epi8((char)tag));

	return (uint32_t)_mm_movemask_epi8(eq) & ((1u << FLOW_SLOTS) - 1);
}
#endif

static inline uint32_t flow_match(const struct flow_bucket *b, uint8_t tag)
{
#ifdef __SSE2__
	return flow_match_sse2(b, tag);
#else
	return flow_match_portable(b, tag);
#endif
}

/*
 * Bit per slot with this tag whose entry's spare bits are more. Without a branch: which slots match is
 * known when the line is there, and what was guessed before would be thrown away with all that follows.
 */
static inline uint32_t flow_candidates_portable(const struct flow_bucket *b, uint8_t tag,
						uint32_t more, uint32_t spare)
{
	uint32_t m = 0;

	for (unsigned int i = 0; i < FLOW_SLOTS; i++)
		m |= (uint32_t)((b->entry[i] & spare) == more) << i;
	return m & flow_match_portable(b, tag);
}

#ifdef __SSE2__
static inline __m128i flow_more_sse2(const struct flow_bucket *b, unsigned int i, __m128i more,
				     __m128i spare)
{
	const __m128i e = _mm_load_si128((const __m128i *)b->entry + i);

	return _mm_cmpeq_epi32(_mm_and_si128(e, spare), more);
}

static inline uint32_t flow_candidates_sse2(const struct flow_bucket *b, uint8_t tag, uint32_t more,
					    uint32_t spare)
{
	const __m128i m = _mm_set1_epi32((int)more), s = _mm_set1_epi32((int)spare);
	const __m128i line = _mm_load_si128((const __m128i *)b);
	const __m128i eq = _mm_cmpeq_epi8(line, _mm_set1_epi8((char)tag));
	const __m128i low = _mm_packs_epi32(flow_more_sse2(b, 0, m, s), flow_more_sse2(b, 1, m, s));
	const __m128i high = _mm_packs_epi32(flow_more_sse2(b, 2, m, s), _mm_setzero_si128());

	return (uint32_t)_mm_movemask_epi8(_mm_and_si128(eq, _mm_packs_epi16(low, high)));
}
#endif

static inline uint32_t flow_candidates(const struct flow_bucket *b, uint8_t tag, uint32_t more,
				       uint32_t spare)
{
#ifdef __SSE2__
	return flow_candidates_sse2(b, tag, more, spare);
#else
	return flow_candidates_portable(b, tag, more, spare);
#endif
}

/* The line where a lookup of hash begins. */
static inline const struct flow_bucket *flow_table_line(const struct flow_table *t, uint64_t hash)
{
	return &t->buckets[flow_table_bucket(t, hash)];
}

/* Fetch it. */
static inline void flow_table_prefetch(const struct flow_table *t, uint64_t hash)
{
	prefetch(flow_table_line(t, hash));
}

/* The other bucket of a lookup that stands in its first. */
static inline const struct flow_bucket *flow_table_other(const struct flow_table *t,
							 const struct flow_cursor *c)
{
	return &t->buckets[flow_table_alternate(t, (uint32_t)(c->bucket - t->buckets), c->tag)];
}

/* The next candidate of a lookup, or FLOW_NONE. */
static inline uint32_t flow_table_next(const struct flow_table *t, struct flow_cursor *c)
{
	if (!c->mask) {
		if (c->last)
			return FLOW_NONE;
		c->last = true;
		c->bucket = flow_table_other(t, c);
		c->mask = flow_candidates(c->bucket, c->tag, c->more, t->spare) & c->bucket->second;
		if (!c->mask)
			return FLOW_NONE;
	}
	c->slot = (uint8_t)__builtin_ctz(c->mask);
	c->mask &= c->mask - 1;
	return c->bucket->entry[c->slot] & ~t->spare;
}

/* A lookup's beginning: what hash finds in its first bucket, flow_table_line(), is still to be offered. */
static inline void flow_table_start(const struct flow_table *t, const struct flow_bucket *line, uint64_t hash,
				    struct flow_cursor *c)
{
	c->bucket = line;
	c->tag = flow_table_tag(hash);
	c->more = flow_table_more(t, hash);
	c->mask = flow_candidates(c->bucket, c->tag, c->more, t->spare) &
		  ~(uint32_t)c->bucket->second;
	c->last = c->bucket->displaced == 0;
}

/*
 * Begin a lookup and return the first candidate, FLOW_NONE if there is none. Every entry inserted
 * under hash is offered, once. Reads one cache line, or two; 24 candidates at most.
 */
static inline uint32_t flow_table_first(const struct flow_table *t, uint64_t hash,
					struct flow_cursor *c)
{
	flow_table_start(t, flow_table_line(t, hash), hash, c);
	return flow_table_next(t, c);
}

/* The candidate that flow_table_next would offer next, if it is in the same bucket, or FLOW_NONE. */
static inline uint32_t flow_table_peek(const struct flow_table *t, const struct flow_cursor *c)
{
	return c->mask ? c->bucket->entry[__builtin_ctz(c->mask)] & ~t->spare : FLOW_NONE;
}

/*
 * The same for a burst, whose lookups do not wait for each other: true, and *entry is what
 * flow_table_first returns; or false, if only the second bucket can tell. That one is being fetched:
 * go on with the next lookup, and ask flow_table_next when the burst is through. With one call of
 * flow_table_prefetch for each before it, no line is waited for.
 */
static inline bool flow_table_begin(const struct flow_table *t, const struct flow_bucket *line, uint64_t hash,
				    struct flow_cursor *c, uint32_t *entry)
{
	flow_table_start(t, line, hash, c);
	if (unlikely(!c->mask && !c->last)) {
		prefetch(flow_table_other(t, c));
		return false;
	}
	*entry = flow_table_next(t, c);
	return true;
}

#endif
