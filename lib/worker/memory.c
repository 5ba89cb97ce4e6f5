/*
 * Memory for records, blocks and tables. Touched at random, it wants huge pages: reserved ones if
 * the node has enough free, else 4 KB pages that the kernel may join. Its own mapping, because
 * EAL's memory without hugepages is never joined.
 */
#include <numa.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/units.h"
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

static uint64_t huge_free(int node)
{
	char path[128];

	if (node < 0)
		return read_number("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "") *
		       HUGE_PAGE;
	snprintf(path, sizeof(path),
		 "/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/free_hugepages", node);
	return read_number(path, "") * HUGE_PAGE;
}

uint64_t worker_memory_available(void)
{
	const uint64_t kb = read_number("/proc/meminfo", "MemAvailable:");

	return kb ? kb * KIB + huge_free(-1) : 0;
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

static double mib(uint64_t bytes)
{
	return (double)bytes / MIB;
}

void worker_contract_print(FILE *f, const struct engine_config *cfg,
			   const struct port_pools_config *pools, int node)
{
	struct engine_contract c;

	engine_size(cfg, &c);
	fprintf(f, "worker %u, node %d: %u connections at %.1f bytes idle, ", cfg->worker, node,
		cfg->max_connections, c.per_idle_connection);
	fprintf(f, "%u half-open, %u in TIME-WAIT at %.1f bytes, %u blocks of %u bytes; ",
		cfg->max_half_open, cfg->max_time_wait, c.per_time_wait, c.max_blocks, c.block);
	fprintf(f,
		"%.1f MiB (records %.1f, small %.1f, table %.1f, wheel %.1f, blocks %.1f, other "
		"%.1f); ",
		mib(c.total), mib(c.records), mib(c.small_records), mib(c.table), mib(c.wheel),
		mib(c.blocks), mib(c.fixed));
	fprintf(f, "%u mbufs of %u bytes and %u references of %u: %.1f MiB of EAL's memory\n",
		pools->n_data, port_mbuf_bytes(pools->mtu), pools->n_indirect, port_ref_bytes(),
		mib((uint64_t)pools->n_data * port_mbuf_bytes(pools->mtu) +
		    (uint64_t)pools->n_indirect * port_ref_bytes()));
}

bool worker_contract_fits(const struct engine_config *cfg, unsigned int n, uint64_t available,
			  char *err, size_t errlen)
{
	struct engine_contract c;
	uint64_t need;

	engine_size(cfg, &c);
	need = c.total * n;
	if (available == 0 || need <= available)
		return true;
	snprintf(err, errlen,
		 "the memory contract does not fit: %u worker%s need %.0f MiB for %u "
		 "connections each, %.0f MiB are available: ask for at most about %.0f connections "
		 "a "
		 "worker with blocks to match, or add memory",
		 n, n == 1 ? "" : "s", mib(need), cfg->max_connections, mib(available),
		 (double)cfg->max_connections * available / need);
	return false;
}

uint32_t worker_contract_room(const struct engine_config *cfg, uint64_t bytes)
{
	const uint64_t beside = (uint64_t)cfg->max_half_open + cfg->max_time_wait + 1;
	uint64_t least = 0, most = beside < FLOW_ENTRIES_MAX ? FLOW_ENTRIES_MAX - beside : 0;
	struct engine_config tried = *cfg;
	struct engine_contract c;

	while (least < most) {
		tried.max_connections = (uint32_t)((least + most + 1) / 2);
		engine_size(&tried, &c);
		if (c.total <= bytes)
			least = tried.max_connections;
		else
			most = tried.max_connections - 1;
	}
	return (uint32_t)least;
}
