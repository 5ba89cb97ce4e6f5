/*
 * The slab's pages. A page is in one of four states: never used (its number is at least s->fresh),
 * returned (on the list s->returned), partial (on its class's list) or full (on no list).
 */
#include "algo/slab.h"

size_t slab_bookkeeping(size_t bytes)
{
	return (bytes >> SLAB_PAGE_SHIFT) * sizeof(struct slab_page);
}

void slab_init(struct slab *s, void *base, size_t bytes, void *bookkeeping)
{
	size_t n = bytes >> SLAB_PAGE_SHIFT;

	assert((uintptr_t)base % CACHE_LINE == 0 && (uintptr_t)bookkeeping % 16 == 0);
	assert(n <= (UINT64_C(1) << 32) / SLAB_PAGE_UNITS);
	*s = (struct slab){
		.base = base,
		.pages = bookkeeping,
		.n_pages = (uint32_t)n,
		.n_free = n ? (uint32_t)n - 1 : 0,
		.fresh = 1,
	};
}

static void partial_push(struct slab *s, unsigned int order, uint32_t p)
{
	uint32_t head = s->partial[order];

	s->pages[p].prev = 0;
	s->pages[p].next = head;
	if (head)
		s->pages[head].prev = p;
	s->partial[order] = p;
}

static void partial_remove(struct slab *s, unsigned int order, uint32_t p)
{
	const struct slab_page *pg = &s->pages[p];

	if (pg->prev)
		s->pages[pg->prev].next = pg->next;
	else
		s->partial[order] = pg->next;
	if (pg->next)
		s->pages[pg->next].prev = pg->prev;
}

/* Assign a page to the class; returns its number, 0 if there is none left. */
static uint32_t page_take(struct slab *s, unsigned int order)
{
	uint32_t p = s->returned;

	if (p)
		s->returned = s->pages[p].next;
	else if (s->fresh < s->n_pages)
		p = s->fresh++;
	else
		return 0;
	s->n_free--;
	s->pages[p] = (struct slab_page){ .order = order & 0xf };
	partial_push(s, order, p);
	return p;
}

static __attribute__((noinline)) uint32_t alloc_of_new_page(struct slab *s, unsigned int order)
{
	return page_take(s, order) ? slab_alloc(s, order) : 0;
}

/* The page's last object, idx, has been handed out. */
static __attribute__((noinline)) uint32_t page_full(struct slab *s, unsigned int order, uint32_t p, uint32_t idx)
{
	partial_remove(s, order, p);
	return idx;
}

/* Nothing is kept over a call: what is rare ends in another function. */
uint32_t slab_alloc(struct slab *s, unsigned int order)
{
	uint32_t per_page = SLAB_PAGE_UNITS >> order, p, idx;
	struct slab_page *pg;

	assert(order <= SLAB_ORDER_MAX);
	p = s->partial[order];
	if (unlikely(p == 0))
		return alloc_of_new_page(s, order);
	pg = &s->pages[p];
	if (pg->free) {
		idx = pg->free;
		pg->free = *(const uint32_t *)slab_ptr(s, idx);
	} else {
		idx = p * SLAB_PAGE_UNITS + ((uint32_t)pg->fresh << order);
		pg->fresh++;
	}
	s->used += (uint64_t)SLAB_UNIT << order;
	if (unlikely(++pg->used == per_page))
		return page_full(s, order, p, idx);
	return idx;
}

void slab_free_page(struct slab *s, uint32_t idx, unsigned int order)
{
	uint32_t p = idx / SLAB_PAGE_UNITS;
	struct slab_page *pg = &s->pages[p];
	bool full = pg->used == SLAB_PAGE_UNITS >> order;

	assert(p != 0 && p < s->fresh && pg->order == order && pg->used != 0);
	assert((idx & ((1u << order) - 1)) == 0);
	s->used -= (uint64_t)SLAB_UNIT << order;
	if (--pg->used == 0) {
		if (!full)
			partial_remove(s, order, p);
		pg->next = s->returned;
		s->returned = p;
		s->n_free++;
		return;
	}
	*(uint32_t *)slab_ptr(s, idx) = pg->free;
	pg->free = idx;
	if (s->partial[order] == p)
		return;
	if (!full)
		partial_remove(s, order, p);
	partial_push(s, order, p);
}
