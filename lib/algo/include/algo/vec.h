/*
 * A deque of elements of one size, which lie one after the other in memory: the queues and range
 * lists of a connection. The first few live in a buffer beside the vec ("inline"), which costs no
 * allocation; more move to one slab object that doubles as needed, up to the largest class. When
 * the last element goes, the object is returned and the inline buffer is used again.
 *
 * The vec is 16 bytes and knows neither element size, inline buffer nor slab: each call gets them,
 * always the same for one vec. Zeroed is empty. An element moves in any call that adds or removes:
 * pointers do not outlive the next such call.
 *
 * Elements are taken from the front by moving head. When the end of the storage is reached, the
 * elements are moved to its start if at least half of it is free there, else the storage grows:
 * vec_push and vec_pop_front are O(1), amortised. Where it cannot grow, an eighth free at the
 * front is enough to move; with less vec_push fails, lest each push move everything.
 *
 * One thread (the slab's).
 */
#ifndef PIER_ALGO_VEC_H
#define PIER_ALGO_VEC_H

#include <string.h>

#include "algo/slab.h"

struct vec {
	uint32_t mem;  /* slab index, 0: inline */
	uint32_t head; /* position of the first element in the storage */
	uint32_t n;    /* elements */
	uint8_t order; /* of mem */
};
static_assert(sizeof(struct vec) == 16, "a block holds several");

/* The start of the storage. */
static inline char *vec_base(const struct vec *v, const struct slab *s, void *inl)
{
	return v->mem ? slab_ptr(s, v->mem) : inl;
}

/* Elements the present storage holds. */
static inline uint32_t vec_cap(const struct vec *v, uint32_t inl_cap, size_t esize)
{
	return v->mem ? (uint32_t)(((size_t)SLAB_UNIT << v->order) / esize) : inl_cap;
}

/* Element i, i < v->n. */
static inline void *vec_at(const struct vec *v, const struct slab *s, void *inl, size_t esize,
			   uint32_t i)
{
	return vec_base(v, s, inl) + (size_t)(v->head + i) * esize;
}

/*
 * Make place at the end, by moving or growing. Returns false, and changes nothing, if the slab is
 * exhausted or the vec would pass the largest class. Amortised O(1) a push; vec_push calls it.
 */
bool vec_make_room(struct vec *v, struct slab *s, void *inl, uint32_t inl_cap, size_t esize);

/*
 * Append one element; returns its uninitialised slot, or NULL (the vec unchanged) if the slab is
 * exhausted or the vec would pass the largest class.
 */
static inline void *vec_push(struct vec *v, struct slab *s, void *inl, uint32_t inl_cap,
			     size_t esize)
{
	if (unlikely(v->head + v->n >= vec_cap(v, inl_cap, esize)) &&
	    !vec_make_room(v, s, inl, inl_cap, esize))
		return NULL;
	return vec_at(v, s, inl, esize, v->n++);
}

/* Remove all elements and return the storage. */
static inline void vec_clear(struct vec *v, struct slab *s)
{
	if (v->mem)
		slab_free(s, v->mem, v->order);
	v->mem = 0;
	v->head = 0;
	v->n = 0;
}

/* Remove the first k elements, k <= v->n. */
static inline void vec_pop_front(struct vec *v, struct slab *s, uint32_t k)
{
	v->head += k;
	v->n -= k;
	if (v->n == 0)
		vec_clear(v, s);
}

/*
 * Make a slot before element i (i <= v->n: at the end), moving the smaller side where its end has
 * room. Returns the uninitialised slot, or NULL as vec_push does. O(elements on the moved side).
 */
void *vec_insert(struct vec *v, struct slab *s, void *inl, uint32_t inl_cap, size_t esize,
		 uint32_t i);

/* Remove elements i to i + k - 1, moving the smaller side. O(elements on that side). */
void vec_remove(struct vec *v, struct slab *s, void *inl, size_t esize, uint32_t i, uint32_t k);

#endif
