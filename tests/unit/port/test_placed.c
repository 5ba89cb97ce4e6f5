/*
 * Memory goes to the node of its worker: what the kernel is asked, on a machine of as many nodes as you like.
 * libnuma's calls are answered here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <numa.h>
#include <numaif.h>

#include "base/compiler.h"
#include "base/units.h"
#include "worker/memory.h"
#include "worker/place.h"

static struct {
	bool none; /* a kernel without NUMA */
	unsigned int calls;
	uint8_t *start;
	size_t len;
	unsigned long mask[PLACE_NODES_MAX / 64 + 1];
	int node;
	unsigned int touched; /* pages that were there already */
} asked;

int numa_available(void)
{
	return asked.none ? -1 : 0;
}

long mbind(void *start, unsigned long len, int mode, const unsigned long *mask, unsigned long max,
	   unsigned int flags)
{
	assert_int_equal(mode, MPOL_PREFERRED);
	assert_int_equal(flags, MPOL_MF_MOVE); /* what lies elsewhere already comes, too */
	assert_in_range(max, PLACE_NODES_MAX, PLACE_NODES_MAX + 1);
	asked.calls++;
	asked.start = start;
	asked.len = len;
	memcpy(asked.mask, mask, PLACE_NODES_MAX / 8);
	return -1; /* a wish that is not granted is no error */
}

void numa_tonode_memory(void *start, size_t len, int node)
{
	static unsigned char there[64 * MIB / 4096];

	assert_in_range(len, 1, 64 * MIB);
	assert_int_equal(mincore(start, len, there), 0);
	for (size_t i = 0; i < len / 4096; i++)
		asked.touched += there[i] & 1;
	asked.calls++;
	asked.start = start;
	asked.len = len;
	asked.node = node;
}

static void ask(uint8_t *start, size_t bytes, int node)
{
	memset(&asked, 0, sizeof(asked));
	place_memory(start, bytes, node);
}

/* The whole pages of it, to one node; and nothing where there is no page or no node. */
static void chunks_of_a_pool(void **state)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *mem = mmap(NULL, 8 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(mem, MAP_FAILED);
	for (int node = 0; node < PLACE_NODES_MAX; node++) {
		ask(mem + 100, 4 * page, node);
		assert_int_equal(asked.calls, 1);
		assert_ptr_equal(asked.start, mem + page);
		assert_int_equal(asked.len, 3 * page);
		for (int i = 0; i < PLACE_NODES_MAX; i++)
			assert_int_equal(asked.mask[i / 64] >> i % 64 & 1, i == node);
	}
	ask(mem, 8 * page, 1);
	assert_ptr_equal(asked.start, mem);
	assert_int_equal(asked.len, 8 * page);
	ask(mem + 1, 2 * page - 2, 1);
	assert_int_equal(asked.calls, 0);
	ask(mem, page, -1);
	assert_int_equal(asked.calls, 0);
	ask(mem, page, PLACE_NODES_MAX);
	assert_int_equal(asked.calls, 0);
	memset(&asked, 0, sizeof(asked));
	asked.none = true;
	place_memory(mem, page, 0);
	assert_int_equal(asked.calls, 0);
	munmap(mem, 8 * page);
}

static void allocate(int node, size_t bytes, bool prefault, bool none)
{
	struct worker_memory m = {.node = node, .prefault = prefault};
	uint8_t *p;

	memset(&asked, 0, sizeof(asked));
	asked.none = none;
	p = worker_alloc(&m, bytes, "something");
	assert_non_null(p);
	assert_int_equal(asked.calls, node >= 0 && !none);
	if (asked.calls) {
		assert_ptr_equal(asked.start, p);
		assert_true(asked.len >= bytes);
		assert_int_equal(asked.node, node);
		assert_int_equal(asked.touched, 0);
	}
	p[0] = p[bytes - 1] = 1;
	worker_memory_free(&m);
}

/* Records, blocks and tables of a worker: before the first page is touched. */
static void memory_of_a_worker(void **state)
{
	static const size_t sizes[] = {100, 300000, 5 * MIB};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		for (unsigned int how = 0; how < 4; how++)
			for (int node = -1; node < 3; node++)
				allocate(node, sizes[i], how & 1, how & 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_of_a_pool),
		cmocka_unit_test(memory_of_a_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
