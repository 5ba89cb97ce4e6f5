/*
 * What the compiler offers beyond C, under one spelling, and the sizes of the machine.
 */
#ifndef PIER_BASE_COMPILER_H
#define PIER_BASE_COMPILER_H

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_LINE 64

#ifndef likely /* DPDK has them too */
#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

/*
 * Of no effect that gcc knows of: it leaves out the call of a function that does nothing else and was not inlined
 * at once. The empty statement is an effect.
 */
#define prefetch_as(p, write)                                                                      \
	do {                                                                                       \
		__builtin_prefetch((p), (write), 3);                                               \
		__asm__ volatile("");                                                              \
	} while (0)
#define prefetch(p)       prefetch_as(p, 0)
#define prefetch_write(p) prefetch_as(p, 1)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define min_of(a, b)                                                                               \
	({                                                                                         \
		__typeof__(a) a_ = (a);                                                            \
		__typeof__(b) b_ = (b);                                                            \
		a_ < b_ ? a_ : b_;                                                                 \
	})
#define max_of(a, b)                                                                               \
	({                                                                                         \
		__typeof__(a) a_ = (a);                                                            \
		__typeof__(b) b_ = (b);                                                            \
		a_ > b_ ? a_ : b_;                                                                 \
	})

#endif
