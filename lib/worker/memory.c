/*
 * Memory for records, blocks and tables. Touched at random, it wants huge pages: reserved ones if
 * the node has enough free, else 4 KB pages that the kernel may join. Its own mapping, because
 * EAL's memory without hugepages is never joined.
 */
#include <numa.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/compiler.h"
#include "base/units.h"
#include "worker/contract.h"
#include "worker/memory.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

#define HUGE_PAGE (2 * MIB)
#define HUGE_MIN  MIB /* below, a huge page would mostly be empty */

/* The number in the first line of a file that starts with key ("" : in a file of one number). */
static uint64_t read_number(const char *path, const char *key)
{
	const size_t len = strlen(key);
	uint64_t n = 0;
	char line[128];
	FILE *f = fopen(path, "r");

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, key, len) == 0) {
			n = strtoull(line + len, NULL, 10);
			break;
		}
	fclose(f);
	return n;
}

/* Bytes in free pages of kb KB. */
static uint64_t pages_free(int node, unsigned int kb)
{
	char path[128];

	if (node < 0)
		snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%ukB/free_hugepages", kb);
	else
		snprintf(path, sizeof(path),
			 "/sys/devices/system/node/node%d/hugepages/hugepages-%ukB/free_hugepages", node, kb);
	return read_number(path, "") * kb * KIB;
}

static uint64_t huge_free(int node)
{
	return pages_free(node, HUGE_PAGE / KIB);
}

uint64_t worker_memory_available(void)
{
	const uint64_t kb = read_number("/proc/meminfo", "MemAvailable:");

	return kb ? kb * KIB + huge_free(-1) : 0;
}

/* Memory of a node that can be had without swapping: free, or a file's that can be read again. */
static uint64_t node_pages(unsigned int node)
{
	static const char *const what[] = {"MemFree:", "Active(file):", "Inactive(file):", "SReclaimable:"};
	char path[96], key[64];
	uint64_t kb = 0;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/meminfo", node);
	for (size_t i = 0; i < ARRAY_SIZE(what); i++) {
		snprintf(key, sizeof(key), "Node %u %s", node, what[i]);
		kb += read_number(path, key);
	}
	return kb * KIB;
}

/*
 * The kernel says what is available of the machine only (MemAvailable: some of that, less what it keeps for itself):
 * the nodes share it as they have what it is made of.
 */
void contract_supply_read(struct contract_supply *s)
{
	uint64_t sum = 0;

	memset(s, 0, sizeof(*s));
	s->all.pages = read_number("/proc/meminfo", "MemAvailable:") * KIB;
	s->all.huge = s->all.pages ? huge_free(-1) : 0;
	s->all.giant = pages_free(-1, GIB / KIB);
	if (numa_available() < 0)
		return;
	s->n_nodes = min_of((unsigned int)numa_max_node() + 1, (unsigned int)PLACE_NODES_MAX);
	for (unsigned int i = 0; i < s->n_nodes; i++) {
		s->node[i].pages = node_pages(i);
		s->node[i].huge = huge_free((int)i);
		s->node[i].giant = pages_free((int)i, GIB / KIB);
		sum += s->node[i].pages;
	}
	for (unsigned int i = 0; i < s->n_nodes; i++)
		s->node[i].pages = (uint64_t)((double)s->node[i].pages * s->all.pages / max_of(sum, 1ull));
}

static void *map(size_t bytes, int flags)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1,
		       0);

	return p == MAP_FAILED ? NULL : p;
}

/* Lazily committed, beginning on a huge page's boundary so that the kernel can use huge pages. */
static void *map_lazy(size_t bytes)
{
	uint8_t *p = map(bytes + HUGE_PAGE, MAP_NORESERVE), *start;

	if (!p)
		return NULL;
	start = (uint8_t *)(((uintptr_t)p + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
	if (start > p)
		munmap(p, start - p);
	if (start < p + HUGE_PAGE)
		munmap(start + bytes, p + HUGE_PAGE - start);
	if (bytes >= HUGE_MIN)
		madvise(start, bytes, MADV_HUGEPAGE);
	return start;
}

/* Every page, also where the kernel does not know of MADV_POPULATE_WRITE. */
static void commit(void *start, size_t len)
{
	volatile uint8_t *p = start;

	if (madvise(start, len, MADV_POPULATE_WRITE) == 0)
		return;
	for (size_t i = 0; i < len; i += 4096)
		p[i] = 0;
}

void *worker_alloc(void *arg, size_t bytes, const char *what)
{
	struct worker_memory *m = arg;
	const size_t huge = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	size_t len = huge;
	void *p = NULL;

	if (m->n == WORKER_REGIONS_MAX || bytes == 0 || bytes > SIZE_MAX / 2)
		return NULL;
	if (bytes >= HUGE_MIN && huge_free(m->node) >= huge)
		p = map(huge, MAP_HUGETLB);
	if (p) {
		m->huge += huge;
	} else {
		len = (bytes + 4095) / 4096 * 4096;
		p = map_lazy(len);
	}
	if (!p)
		return NULL;
	madvise(p, len, MADV_DONTDUMP);
	if (m->node >= 0 && numa_available() >= 0)
		numa_tonode_memory(p, len, m->node);
	if (m->prefault)
		commit(p, len);
	m->regions[m->n++] = (struct worker_region){p, len};
	m->bytes += len;
	return p;
}

void worker_memory_free(struct worker_memory *m)
{
	while (m->n > 0) {
		m->n--;
		munmap(m->regions[m->n].start, m->regions[m->n].bytes);
	}
	m->bytes = m->huge = 0;
}
