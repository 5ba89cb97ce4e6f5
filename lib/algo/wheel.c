/*
 * The wheel at work. Two facts carry it (base-256 digits of the tick, digit 0 the lowest):
 *
 * - An entry of level i shares all digits above i with the wheel's tick, and its slot is above the
 *   tick's digit i (on level 3: differs from it). So a slot of a lower level is always due before
 *   any slot of a higher one, and when digit i moves on, all levels below i are empty.
 * - The slot being fired was taken off before its tick's digit was reached, so insertions cannot
 *   land in it again, except a full turn of the clock later, which is further than a deadline may
 *   lie ahead.
 */
#include "algo/wheel.h"
#include "base/seq.h"

#define PREFETCH_AHEAD 8u

size_t wheel_bytes(size_t entries)
{
	/* Full chunks, one partly filled in each slot, and the one being fired. */
	size_t chunks = entries / WHEEL_CHUNK_ENTRIES + WHEEL_LEVELS * WHEEL_SLOTS + 2;

	return chunks * sizeof(struct wheel_chunk);
}

void wheel_init(struct wheel *w, void *mem, size_t bytes, uint32_t now)
{
	assert((uintptr_t)mem % CACHE_LINE == 0);
	*w = (struct wheel){
		.chunks = mem,
		.tick = now,
		.fresh = 1,
		.end = (uint32_t)(bytes / sizeof(struct wheel_chunk)) + 1,
	};
}

void wheel_set_prefetch(struct wheel *w, wheel_prefetch_fn *fn)
{
	w->bring = fn;
	w->ahead = w->cur;
}

static struct wheel_chunk *chunk_at(const struct wheel *w, uint32_t c)
{
	return &w->chunks[c - 1];
}

/* Take a chunk and put it at the head of the list *head; false if there is none. */
static bool chunk_take(struct wheel *w, uint32_t *head)
{
	uint32_t c = w->free;
	struct wheel_chunk *ch;

	if (c)
		w->free = chunk_at(w, c)->next;
	else if (w->fresh < w->end)
		c = w->fresh++;
	else
		return false;
	ch = chunk_at(w, c);
	ch->next = *head;
	ch->count = 0;
	*head = c;
	return true;
}

uint32_t wheel_insert(struct wheel *w, uint32_t entry, uint32_t deadline)
{
	uint32_t diff, level, slot, *head;
	struct wheel_chunk *ch;

	if (!seq_gt(deadline, w->tick))
		deadline = w->tick + 1;
	diff = deadline ^ w->tick;
	level = (31u - (uint32_t)__builtin_clz(diff)) / 8;
	slot = deadline >> (8 * level) & (WHEEL_SLOTS - 1);
	head = &w->head[level][slot];

	if (*head == 0 || chunk_at(w, *head)->count == WHEEL_CHUNK_ENTRIES) {
		if (!chunk_take(w, head))
			return 0;
		w->busy[level][slot / 64] |= UINT64_C(1) << (slot % 64);
	}
	ch = chunk_at(w, *head);
	ch->entry[ch->count++] = entry;
	w->count++;
	return (level << 8 | slot) + 1;
}

/* The first set bit at or after from, going round; bits is not all zero. */
static uint32_t first_bit(const uint64_t bits[WHEEL_SLOTS / 64], uint32_t from)
{
	uint32_t word = from / 64;
	uint64_t b = bits[word] & ~UINT64_C(0) << (from % 64);

	while (b == 0) {
		word = (word + 1) % (WHEEL_SLOTS / 64);
		b = bits[word];
	}
	return word * 64 + (uint32_t)__builtin_ctzll(b);
}

/* The lowest level with entries, or WHEEL_LEVELS. */
static uint32_t first_level(const struct wheel *w)
{
	uint32_t level = 0;

	for (; level < WHEEL_LEVELS; level++) {
		const uint64_t *b = w->busy[level];

		if (b[0] | b[1] | b[2] | b[3])
			break;
	}
	return level;
}

/* The slot of that level which is due next, and the tick it is due at. */
static uint32_t next_slot(const struct wheel *w, uint32_t level, uint32_t *tick)
{
	uint32_t shift = 8 * level;
	uint32_t digit = w->tick >> shift & (WHEEL_SLOTS - 1);
	uint32_t slot = first_bit(w->busy[level], (digit + 1) % WHEEL_SLOTS);

	/* Digits above the slot's stay; on level 3 there are none, and the clock wraps. */
	*tick = ((w->tick >> shift & ~(WHEEL_SLOTS - 1)) | slot) << shift;
	return slot;
}

uint64_t wheel_next(const struct wheel *w)
{
	uint32_t level = first_level(w), tick;

	if (w->cur.chunk)
		return w->tick;
	if (level == WHEEL_LEVELS)
		return WHEEL_NONE;
	next_slot(w, level, &tick);
	return tick;
}

/* Move a cursor one entry on; its chunk becomes 0 behind the last. */
static void cursor_step(const struct wheel *w, struct wheel_cursor *c)
{
	const struct wheel_chunk *ch = chunk_at(w, c->chunk);

	if (++c->pos < ch->count)
		return;
	c->chunk = ch->next;
	c->pos = 0;
}

static void prefetch_one(struct wheel *w, void *arg)
{
	const struct wheel_chunk *ch;

	if (w->ahead.chunk == 0)
		return;
	ch = chunk_at(w, w->ahead.chunk);
	if (w->ahead.pos == 0 && ch->next)
		prefetch(chunk_at(w, ch->next));
	w->bring(arg, ch->entry[w->ahead.pos]);
	cursor_step(w, &w->ahead);
}

/* Take off the next slot due up to now and make it the current one; false if there is none. */
static bool take_slot(struct wheel *w, uint32_t now, void *arg)
{
	uint32_t level = first_level(w), slot = 0, tick = now;

	if (!seq_gt(now, w->tick))
		return false;
	if (level < WHEEL_LEVELS)
		slot = next_slot(w, level, &tick);
	if (level == WHEEL_LEVELS || seq_gt(tick, now)) {
		w->tick = now;
		return false;
	}
	w->tick = tick;
	w->slot = (level << 8 | slot) + 1;
	w->cur = (struct wheel_cursor){ .chunk = w->head[level][slot] };
	w->ahead = w->cur;
	w->head[level][slot] = 0;
	w->busy[level][slot / 64] &= ~(UINT64_C(1) << (slot % 64));
	for (unsigned int i = 0; w->bring && i < PREFETCH_AHEAD; i++)
		prefetch_one(w, arg);
	return true;
}

/* Take the next entry off the current slot, and free its chunk after the last of it. */
static uint32_t take_entry(struct wheel *w)
{
	uint32_t c = w->cur.chunk;
	struct wheel_chunk *ch = chunk_at(w, c);
	uint32_t entry = ch->entry[w->cur.pos];

	cursor_step(w, &w->cur);
	w->count--;
	if (w->cur.chunk != c) {
		ch->next = w->free;
		w->free = c;
	}
	return entry;
}

unsigned int wheel_advance(struct wheel *w, uint32_t now, unsigned int budget, wheel_fire_fn *fire,
			   void *arg)
{
	unsigned int n = 0;

	while (n < budget && (w->cur.chunk || take_slot(w, now, arg))) {
		if (w->bring)
			prefetch_one(w, arg);
		fire(arg, take_entry(w), w->slot);
		n++;
	}
	return n;
}
