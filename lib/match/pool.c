/*
 * Pools of blocks, one a thread, behind Hyperscan's allocator hooks.
 *
 * Streams of a database are all of one size, compressed ones of a few: a list of free blocks for each
 * size, cut from chunks. A block knows its class by a word before it. Sizes are 16 bytes apart, from 4 KB
 * on a quarter of a power of two. The pools are the process's: the hooks carry no argument. Their memory
 * goes when the last database does: then no stream is left.
 */
#include "match/pool.h"

#include <assert.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/units.h"
#include "room.h"

#define GRAIN   16u
#define SMALL   256u /* classes of GRAIN, 2 GRAIN ... SMALL * GRAIN bytes, head included */
#define CLASSES (SMALL + 64u)
#define CHUNK   (256 * KIB)
#define HEAD    8u   /* before each block, at 8 of 16 bytes */

struct block {
	struct block *next; /* while free */
};

static_assert(HEAD == sizeof(uint64_t), "the word before a block");

struct chunk {
	struct chunk *next;
	size_t size;
};

static_assert(sizeof(struct chunk) % GRAIN == 0, "blocks are aligned behind it");

struct pool {
	struct block *free[CLASSES];
	struct chunk *chunks;
	char *at, *end; /* what is left of the newest */
} __attribute__((aligned(64)));

static struct pool pools[MATCH_CORES_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int users;
static int threads;

__thread int match_thread_id = -1;

int match_thread(void)
{
	if (match_thread_id < 0) {
		int id = __atomic_load_n(&threads, __ATOMIC_RELAXED);

		while (id < MATCH_CORES_MAX &&
		       !__atomic_compare_exchange_n(&threads, &id, id + 1, false, __ATOMIC_RELAXED,
						    __ATOMIC_RELAXED))
			;
		if (id < MATCH_CORES_MAX)
			match_thread_id = id;
	}
	return match_thread_id;
}

/* Head included. */
static size_t size_of(unsigned int class)
{
	size_t power;

	if (class < SMALL)
		return (class + 1) * GRAIN;
	class -= SMALL;
	power = (size_t)SMALL * GRAIN << (class / 4);
	return power + power / 4 * (class % 4 + 1);
}

static unsigned int class_of(size_t size)
{
	unsigned int class;

	if (size > SIZE_MAX / 4)
		return CLASSES;
	size += HEAD;
	if (size <= (size_t)SMALL * GRAIN)
		return (unsigned int)((size - 1) / GRAIN);
	for (class = SMALL; class < CLASSES && size_of(class) < size; class++)
		;
	return class;
}

size_t match_pool_bytes(size_t size)
{
	const unsigned int class = class_of(size);

	return class < CLASSES ? size_of(class) : SIZE_MAX / 4;
}

static bool grow(struct pool *p, size_t want)
{
	size_t size = want + GRAIN + HEAD > CHUNK ? want + GRAIN + HEAD : CHUNK;
	struct chunk *c = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (c == MAP_FAILED)
		return false;
	*c = (struct chunk){p->chunks, size};
	p->chunks = c;
	p->at = (char *)c + sizeof(*c) + HEAD;
	p->end = (char *)c + size;
	return true;
}

void *match_pool_alloc(size_t size)
{
	const unsigned int class = class_of(size);
	const int id = match_thread();
	struct block *b;
	struct pool *p;

	if (class == CLASSES || id < 0)
		return NULL;
	p = &pools[id];
	b = p->free[class];
	if (b) {
		p->free[class] = b->next;
		return b;
	}
	size = size_of(class);
	if ((size_t)(p->end - p->at) < size && !grow(p, size))
		return NULL;
	*(uint64_t *)p->at = class;
	b = (struct block *)(p->at + HEAD);
	p->at += size;
	return b;
}

void match_pool_free(void *block)
{
	struct block *b = block;
	struct pool *p = &pools[match_thread_id];
	unsigned int class;

	if (!b)
		return;
	class = (unsigned int)*(uint64_t *)((char *)b - HEAD);
	b->next = p->free[class];
	p->free[class] = b;
}

void match_pools_use(void)
{
	pthread_mutex_lock(&lock);
	if (!users++)
		hs_set_stream_allocator(match_pool_alloc, match_pool_free);
	pthread_mutex_unlock(&lock);
}

void match_pools_unuse(void)
{
	pthread_mutex_lock(&lock);
	if (!--users)
		for (unsigned int i = 0; i < MATCH_CORES_MAX; i++) {
			struct chunk *c = pools[i].chunks, *next;

			for (; c; c = next) {
				next = c->next;
				munmap(c, c->size);
			}
			pools[i] = (struct pool){0};
		}
	pthread_mutex_unlock(&lock);
}
