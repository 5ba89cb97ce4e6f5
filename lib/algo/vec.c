/*
 * The moves of a vec: to the start of its storage, to larger storage, and aside for an insertion
 * or a removal in the middle.
 */
#include "algo/vec.h"

/* Move the elements to the start of the storage. */
static void vec_compact(struct vec *v, struct slab *s, void *inl, size_t esize)
{
	char *base = vec_base(v, s, inl);

	memmove(base, base + v->head * esize, v->n * esize);
	v->head = 0;
}

/* Move the elements to an object of twice the size, or out of the inline buffer. */
static bool vec_grow(struct vec *v, struct slab *s, void *inl, size_t esize)
{
	unsigned int order = v->mem ? v->order + 1u : slab_order((v->n + 1) * esize);
	uint32_t mem;

	if (order > SLAB_ORDER_MAX)
		return false;
	mem = slab_alloc(s, order);
	if (mem == 0)
		return false;
	if (v->n)
		memcpy(slab_ptr(s, mem), vec_at(v, s, inl, esize, 0), v->n * esize);
	if (v->mem)
		slab_free(s, v->mem, v->order);
	v->mem = mem;
	v->order = (uint8_t)order;
	v->head = 0;
	return true;
}

bool vec_make_room(struct vec *v, struct slab *s, void *inl, uint32_t inl_cap, size_t esize)
{
	uint32_t cap = vec_cap(v, inl_cap, esize);
	/* Inline elements are few: any place in front is taken before growing. */
	uint32_t enough = v->mem ? max_of(cap / 2, 1u) : 1;

	if (v->head < enough) {
		if (vec_grow(v, s, inl, esize))
			return true;
		if (v->head == 0 || v->head < cap / 8)
			return false;
	}
	vec_compact(v, s, inl, esize);
	return true;
}

void *vec_insert(struct vec *v, struct slab *s, void *inl, uint32_t inl_cap, size_t esize,
		 uint32_t i)
{
	bool end_room = v->head + v->n < vec_cap(v, inl_cap, esize);
	char *at;

	if (v->head && (i < v->n - i || !end_room)) {
		v->head--;
		v->n++;
		at = vec_at(v, s, inl, esize, 0);
		memmove(at, at + esize, i * esize);
		return at + i * esize;
	}
	if (!vec_push(v, s, inl, inl_cap, esize))
		return NULL;
	at = vec_at(v, s, inl, esize, i);
	memmove(at + esize, at, (v->n - 1 - i) * esize);
	return at;
}

void vec_remove(struct vec *v, struct slab *s, void *inl, size_t esize, uint32_t i, uint32_t k)
{
	uint32_t behind = v->n - i - k;
	char *front = vec_at(v, s, inl, esize, 0);

	if (i < behind) {
		memmove(front + k * esize, front, i * esize);
		vec_pop_front(v, s, k);
		return;
	}
	memmove(front + i * esize, front + (i + k) * esize, behind * esize);
	v->n -= k;
	if (v->n == 0)
		vec_clear(v, s);
}
