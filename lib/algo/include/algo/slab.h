/*
 * One worker's memory for everything whose size is not fixed: blocks, queues, ranges.
 *
 * A slab is an allocator over one region given by the caller. Objects have sizes 64 << order bytes,
 * order 0 (64 bytes) to SLAB_ORDER_MAX (128 KB). The region is cut into pages of 128 KB; a page is
 * assigned to a class (an order) when one is needed, and returned as soon as its last object is
 * free, so that memory wanders between the classes. Within a class the page freed to last is used
 * first, and within a page the object freed last, so that the lines handed out are warm.
 *
 * The region may be sparse: memory that was never handed out is never touched. What the slab must
 * remember of a page lies in the bookkeeping array, of which only the entries of pages in use are
 * touched. A freed object's first four bytes hold the index of the next free one.
 *
 * Objects are named by index: their offset from the region's start in units of 64 bytes, which
 * reaches 256 GB. Index 0 means none: the first page of the region is never handed out. An object
 * is aligned to its size relative to the region's start.
 *
 * One thread. Every call is O(1). The slab owns nothing: the caller gives and takes back the region
 * and the bookkeeping.
 */
#ifndef PIER_ALGO_SLAB_H
#define PIER_ALGO_SLAB_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define SLAB_UNIT_SHIFT 6
#define SLAB_PAGE_SHIFT 17
#define SLAB_UNIT       (1u << SLAB_UNIT_SHIFT)
#define SLAB_PAGE       (1u << SLAB_PAGE_SHIFT)
#define SLAB_PAGE_UNITS (1u << (SLAB_PAGE_SHIFT - SLAB_UNIT_SHIFT))
#define SLAB_ORDERS     (SLAB_PAGE_SHIFT - SLAB_UNIT_SHIFT + 1u)
#define SLAB_ORDER_MAX  (SLAB_ORDERS - 1u)

/* What is known of one page. Lists name pages by number; 0 (never in use) ends them. */
struct slab_page {
	uint32_t prev, next;  /* pages of this class that have a free object, or returned pages */
	uint32_t free;        /* index of the object freed last, 0: none */
	uint16_t used;        /* objects handed out now */
	uint16_t fresh : 12;  /* objects handed out at least once: those above are untouched */
	uint16_t order : 4;
};
static_assert(sizeof(struct slab_page) == 16, "bookkeeping is 16 bytes for every 128 KB");

struct slab {
	char *base;
	struct slab_page *pages;
	uint64_t used;                 /* bytes handed out */
	uint32_t n_pages;              /* of the region, the first included */
	uint32_t n_free;               /* pages that belong to no class */
	uint32_t fresh;                /* first page that never belonged to a class */
	uint32_t returned;             /* LIFO list of pages that did */
	uint32_t partial[SLAB_ORDERS]; /* per class, the pages with a free object */
};

/* Bytes of bookkeeping for a region of that many bytes. */
size_t slab_bookkeeping(size_t bytes);

/*
 * Make a slab over bytes (at most 256 GB; whole pages of it are used) at base, aligned to
 * CACHE_LINE, with slab_bookkeeping(bytes) at bookkeeping, aligned to 16. Touches neither.
 */
void slab_init(struct slab *s, void *base, size_t bytes, void *bookkeeping);

/* The object's memory; idx must not be 0. */
static inline void *slab_ptr(const struct slab *s, uint32_t idx)
{
	return s->base + ((size_t)idx << SLAB_UNIT_SHIFT);
}

/*
 * Hand out an object of 64 << order bytes, order at most SLAB_ORDER_MAX. Returns its index, 0 when
 * there is no room. Its content is undefined. The caller owns it until slab_free.
 */
uint32_t slab_alloc(struct slab *s, unsigned int order);

/* slab_free where a page ends or changes its list. */
void slab_free_page(struct slab *s, uint32_t idx, unsigned int order);

/* Take back an object got by slab_alloc with the same order. */
static inline void slab_free(struct slab *s, uint32_t idx, unsigned int order)
{
	const uint32_t p = idx / SLAB_PAGE_UNITS;
	struct slab_page *pg = &s->pages[p];

	if (unlikely(s->partial[order] != p || pg->used == 1)) {
		slab_free_page(s, idx, order);
		return;
	}
	assert(p != 0 && pg->order == order && pg->used != 0);
	*(uint32_t *)slab_ptr(s, idx) = pg->free;
	pg->free = idx;
	pg->used--;
	s->used -= (uint64_t)SLAB_UNIT << order;
}

/* Bytes in objects handed out. */
static inline uint64_t slab_used(const struct slab *s)
{
	return s->used;
}

/* Bytes in pages that belong to no class: what can be handed out more, whatever the class. */
static inline uint64_t slab_available(const struct slab *s)
{
	return (uint64_t)s->n_free << SLAB_PAGE_SHIFT;
}

/* The order of the smallest object that holds bytes; above SLAB_ORDER_MAX if none does. */
static inline unsigned int slab_order(size_t bytes)
{
	if (bytes <= SLAB_UNIT)
		return 0;
	return (unsigned int)(64 - __builtin_clzll(bytes - 1)) - SLAB_UNIT_SHIFT;
}

#endif
