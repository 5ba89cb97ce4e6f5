/*
 * Memory of streams: one pool a thread, of blocks of like size. Hyperscan's allocator hooks lead here.
 * A block is given back on the thread that took it. Memory stays with the pool until the last database
 * is closed. Constant time but for a new chunk (mmap) now and then.
 */
#ifndef PIER_MATCH_POOL_H
#define PIER_MATCH_POOL_H

#include <stddef.h>

/* Not zeroed, aligned to 16. NULL: no memory, or no database is open. */
void *match_pool_alloc(size_t size);
void match_pool_free(void *block);

/* What a block of that size takes of memory. */
size_t match_pool_bytes(size_t size);

#endif
