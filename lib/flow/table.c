/*
 * The connection table's changes. Lookup is inline in the header.
 *
 * An insertion takes a free slot of the first bucket, or one that a guest there can leave because
 * its own first bucket has room again, else a free slot of the second. If there is none it
 * searches, breadth first, the buckets that the entries of both could go to, and those of their
 * entries in turn. The search only reads, ahead of itself by prefetch; entries move once a free
 * slot is found, from the far end back, so a failed insertion leaves no trace.
 */
#include <errno.h>

#include "base/shortcut.h"
#include "flow/table.h"

#define SEARCH_MAX 256 /* buckets: two moves deep, more only in tables of a few buckets */
#define LOAD_NUM   17  /* load 17/20 = 0.85 */
#define LOAD_DEN   20
#define NO_PARENT  UINT16_MAX
#define TAG_BITS   16 /* of the hash, the lowest */

/* A bucket to look for room in; it was reached through an entry of another. */
struct node {
	uint32_t bucket;
	uint16_t parent; /* index of a node */
	uint16_t slot;   /* in the parent's bucket: the entry that could move here */
};

static uint32_t buckets_for(uint32_t n_entries)
{
	const uint64_t per = FLOW_SLOTS * LOAD_NUM;

	if (n_entries == 0 || n_entries > FLOW_ENTRIES_MAX)
		return 0;
	return (uint32_t)((n_entries * (uint64_t)LOAD_DEN + per - 1) / per + 1) & ~1u;
}

size_t flow_table_bytes(uint32_t n_entries)
{
	return buckets_for(n_entries) * sizeof(struct flow_bucket);
}

/* Bits of an entry that no index up to index_max uses, but not those that make the tag. */
static uint32_t spare_bits(uint32_t index_max)
{
	unsigned int used = TAG_BITS;

	while (index_max >> used)
		used++;
	return FLOW_INDEX_MAX & ~((1u << used) - 1);
}

int flow_table_init(struct flow_table *t, void *mem, uint32_t n_entries, uint32_t index_max)
{
	if (!flow_table_bytes(n_entries) || index_max > FLOW_INDEX_MAX || !mem ||
	    (uintptr_t)mem % CACHE_LINE)
		return -EINVAL;
	*t = (struct flow_table){
		.buckets = mem, .n_buckets = buckets_for(n_entries), .spare = spare_bits(index_max)};
	return 0;
}

/* Put an entry into a free slot of bucket b, which is its second bucket or not. */
static void slot_set(struct flow_table *t, uint32_t b, unsigned int slot, uint8_t tag,
		     uint32_t entry, bool second)
{
	struct flow_bucket *bucket = &t->buckets[b];

	bucket->tag[slot] = tag;
	bucket->entry[slot] = entry;
	if (second) {
		bucket->second |= (uint16_t)(1u << slot);
		t->buckets[flow_table_alternate(t, b, tag)].displaced++;
		t->displaced++;
	}
}

static void slot_clear(struct flow_table *t, uint32_t b, unsigned int slot)
{
	struct flow_bucket *bucket = &t->buckets[b];

	if (bucket->second & 1u << slot) {
		bucket->second &= (uint16_t)~(1u << slot);
		t->buckets[flow_table_alternate(t, b, bucket->tag[slot])].displaced--;
		t->displaced--;
	}
	bucket->tag[slot] = 0;
	bucket->entry[slot] = FLOW_NONE;
}

/* A free slot of bucket b, or -1. */
static int slot_free(const struct flow_table *t, uint32_t b)
{
	const uint32_t m = flow_match(&t->buckets[b], 0);

	return m ? __builtin_ctz(m) : -1;
}

/* Whether bucket b lies on the way from a root to node i: moving through it twice leads nowhere. */
static bool on_path(const struct node *nodes, uint16_t i, uint32_t b)
{
	for (; i != NO_PARENT; i = nodes[i].parent)
		if (nodes[i].bucket == b)
			return true;
	return false;
}

/* Add to the n nodes the buckets that the entries of node i's bucket could move to. */
static uint16_t expand(const struct flow_table *t, struct node *nodes, uint16_t n, uint16_t i)
{
	const uint32_t from = nodes[i].bucket;

	for (uint16_t slot = 0; slot < FLOW_SLOTS && n < SEARCH_MAX; slot++) {
		const uint32_t b = flow_table_alternate(t, from, t->buckets[from].tag[slot]);

		if (on_path(nodes, i, b))
			continue;
		prefetch_write(&t->buckets[b]);
		nodes[n++] = (struct node){.bucket = b, .parent = i, .slot = slot};
	}
	return n;
}

/* Find a node with a free slot, the roots b[0] and b[1] first; its index, or -1. */
static int search(struct flow_table *t, struct node *nodes, const uint32_t b[2])
{
	uint16_t n = 2, i;

	nodes[0] = (struct node){.bucket = b[0], .parent = NO_PARENT};
	nodes[1] = (struct node){.bucket = b[1], .parent = NO_PARENT};
	for (i = 0; i < n && slot_free(t, nodes[i].bucket) < 0; i++)
		n = expand(t, nodes, n, i);
	t->max_search = max_of(t->max_search, i < n ? i + 1u : n);
	return i < n ? i : -1;
}

/* Move the entry in slot of bucket from to its other bucket, which has a free slot. */
static void move_entry(struct flow_table *t, uint32_t from, unsigned int slot, uint32_t to)
{
	const struct flow_bucket *b = &t->buckets[from];
	const uint8_t tag = b->tag[slot];
	const uint32_t entry = b->entry[slot];
	const bool second = b->second & 1u << slot;

	slot_clear(t, from, slot);
	slot_set(t, to, (unsigned int)slot_free(t, to), tag, entry, !second);
}

/* Free a slot in one of two full buckets by moving entries along: 0 or 1, which, or -1. */
static int make_room(struct flow_table *t, const uint32_t b[2])
{
	struct node nodes[SEARCH_MAX];
	int i = search(t, nodes, b);
	uint32_t depth = 0;

	if (i < 0)
		return -1;
	for (; nodes[i].parent != NO_PARENT; i = nodes[i].parent, depth++)
		move_entry(t, nodes[nodes[i].parent].bucket, nodes[i].slot, nodes[i].bucket);
	t->max_depth = max_of(t->max_depth, depth);
	return i;
}

/*
 * Send one guest of full bucket b, an entry in its second bucket, back to its first, if one has
 * room by now. Without this the guests add up: where entries come and go at load 0.85, a quarter
 * of them ends up in second buckets instead of a tenth.
 */
static bool send_home(struct flow_table *t, uint32_t b)
{
	const struct flow_bucket *bucket = &t->buckets[b];
	uint32_t home[FLOW_SLOTS] = {0}, m;

	for (m = bucket->second; m; m &= m - 1) {
		const int slot = __builtin_ctz(m);

		home[slot] = flow_table_alternate(t, b, bucket->tag[slot]);
		prefetch_write(&t->buckets[home[slot]]);
	}
	for (m = bucket->second; m; m &= m - 1) {
		const int slot = __builtin_ctz(m);

		if (slot_free(t, home[slot]) >= 0) {
			move_entry(t, b, (unsigned int)slot, home[slot]);
			return true;
		}
	}
	return false;
}

int flow_table_insert(struct flow_table *t, uint64_t hash, uint32_t entry)
{
	const uint8_t tag = flow_table_tag(hash);
	const uint32_t b1 = flow_table_bucket(t, hash);
	const uint32_t b[2] = {b1, flow_table_alternate(t, b1, tag)};
	int which = 0, slot;

	assert(flow_entry_type(entry) != 0 && !(entry & t->spare));
	if (slot_free(t, b[0]) < 0 && !send_home(t, b[0]))
		which = slot_free(t, b[1]) >= 0 ? 1 : make_room(t, b);
	if (unlikely(which < 0))
		return -ENOSPC;
	slot = slot_free(t, b[which]);
	if (slot < 0) /* which says otherwise; the compiler cannot know */
		__builtin_unreachable();
	slot_set(t, b[which], (unsigned int)slot, tag, entry | flow_table_more(t, hash), which == 1);
	t->count++;
	t->version++;
	return 0;
}

/* The entry's slot, if it is in the first bucket of hash. */
static inline uint32_t *slot_of(const struct flow_table *t, uint64_t hash, uint32_t entry)
{
	struct flow_bucket *b = &t->buckets[flow_table_bucket(t, hash)];
	const uint32_t m = flow_candidates(b, flow_table_tag(hash), entry | flow_table_more(t, hash),
					   UINT32_MAX) & ~(uint32_t)b->second;

	return likely(m) ? &b->entry[__builtin_ctz(m)] : NULL;
}

/* Or in the second; NULL: in neither. */
static __attribute__((noinline)) uint32_t *slot_beyond(const struct flow_table *t, uint64_t hash,
						       uint32_t entry)
{
	struct flow_cursor c;
	uint32_t e = flow_table_first(t, hash, &c);

	while (e != entry && e != FLOW_NONE)
		e = flow_table_next(t, &c);
	return e == FLOW_NONE ? NULL : &t->buckets[c.bucket - t->buckets].entry[c.slot];
}

/* Find exactly this entry under hash; NULL if it is not there. */
static inline uint32_t *locate(const struct flow_table *t, uint64_t hash, uint32_t entry)
{
	uint32_t *at = SHORTCUT(TABLE) ? slot_of(t, hash, entry) : NULL;

	return likely(at) ? at : slot_beyond(t, hash, entry);
}

bool flow_table_remove(struct flow_table *t, uint64_t hash, uint32_t entry)
{
	uint32_t *at = locate(t, hash, entry);
	size_t b, slot;

	if (!at)
		return false;
	b = (size_t)((char *)at - (char *)t->buckets) / sizeof(struct flow_bucket);
	slot = (size_t)(at - t->buckets[b].entry);
	slot_clear(t, (uint32_t)b, (unsigned int)slot);
	t->count--;
	t->version++;
	return true;
}

static __attribute__((noinline)) bool replace_beyond(struct flow_table *t, uint64_t hash, uint32_t old_entry,
						     uint32_t new_entry)
{
	uint32_t *at = slot_beyond(t, hash, old_entry);

	if (!at)
		return false;
	*at = new_entry | flow_table_more(t, hash);
	t->version++;
	return true;
}

bool flow_table_replace(struct flow_table *t, uint64_t hash, uint32_t old_entry, uint32_t new_entry)
{
	uint32_t *at = SHORTCUT(TABLE) ? slot_of(t, hash, old_entry) : NULL;

	assert(flow_entry_type(new_entry) != 0 && !(new_entry & t->spare));
	if (unlikely(!at))
		return replace_beyond(t, hash, old_entry, new_entry);
	*at = new_entry | flow_table_more(t, hash);
	t->version++;
	return true;
}

bool flow_table_walk(const struct flow_table *t, uint32_t *cursor, uint32_t n,
		     void (*visit)(void *arg, uint32_t entry), void *arg)
{
	for (; n > 0 && *cursor < t->n_buckets; n--, (*cursor)++) {
		const struct flow_bucket *b = &t->buckets[*cursor];

		for (unsigned int slot = 0; slot < FLOW_SLOTS; slot++)
			if (b->tag[slot])
				visit(arg, b->entry[slot] & ~t->spare);
	}
	return *cursor < t->n_buckets;
}
