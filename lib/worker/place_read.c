/*
 * What machine this is, by libnuma and sysfs, and putting memory where the plan says.
 */
#include <numa.h>
#include <numaif.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "worker/place.h"

#define UNKNOWN INT32_MIN

static int read_int(const char *fmt, unsigned int id, const char *device)
{
	char path[160];
	int value = UNKNOWN;
	FILE *f;

	if (device)
		snprintf(path, sizeof(path), fmt, device);
	else
		snprintf(path, sizeof(path), fmt, id);
	f = fopen(path, "re");
	if (f && fscanf(f, "%d", &value) != 1)
		value = UNKNOWN;
	if (f)
		fclose(f);
	return value;
}

/* Hyperthreads share package and core id; where sysfs says nothing each CPU is a core. */
struct place_cpu place_read_cpu(unsigned int id)
{
	const int core = read_int("/sys/devices/system/cpu/cpu%u/topology/core_id", id, NULL);
	const int package =
		read_int("/sys/devices/system/cpu/cpu%u/topology/physical_package_id", id, NULL);
	struct place_cpu c = {.id = (uint16_t)id, .core = (uint16_t)id, .node = -1};

	if (core >= 0)
		c.core = (uint16_t)(max_of(package, 0) << 10 | (core & 0x3ff));
	if (numa_available() >= 0)
		c.node = (int16_t)numa_node_of_cpu((int)id);
	return c;
}

static void read_nodes(struct place_machine *m)
{
	const int nodes = numa_available() < 0 ? 0 : numa_max_node() + 1;

	m->n_nodes = min_of((unsigned int)nodes, (unsigned int)PLACE_NODES_MAX);
	for (unsigned int a = 0; a < m->n_nodes; a++) {
		m->memory[a] = numa_node_size64((int)a, NULL) > 0;
		for (unsigned int b = 0; b < m->n_nodes; b++) {
			const int d = numa_distance((int)a, (int)b);

			m->distance[a][b] = (uint8_t)(d > 0 && d < 256 ? d : PLACE_LOCAL);
		}
	}
}

void place_read(struct place_machine *m, const unsigned int *ids, unsigned int n)
{
	memset(m, 0, sizeof(*m));
	read_nodes(m);
	for (unsigned int i = 0; i < n && i < PLACE_CPUS_MAX; i++)
		m->cpu[m->n_cpus++] = place_read_cpu(ids[i]);
}

/* As EAL asks. */
bool place_has_cpu(unsigned int id)
{
	char path[80];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/topology/core_id", id);
	return access(path, F_OK) == 0;
}

unsigned int place_allowed(unsigned int *ids, unsigned int max)
{
	unsigned int n = 0;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 0;
	for (unsigned int cpu = 0; cpu < CPU_SETSIZE && n < max; cpu++)
		if (CPU_ISSET(cpu, &set))
			ids[n++] = cpu;
	return n;
}

int place_pci_node(const char *device)
{
	char full[32];
	int node;

	if (!strchr(device, ':') || strchr(device, '/') || strlen(device) > 12)
		return -1;
	snprintf(full, sizeof(full), "%s%s", strlen(device) < 12 ? "0000:" : "", device);
	node = read_int("/sys/bus/pci/devices/%s/numa_node", 0, full);
	return node < 0 ? -1 : node;
}

void place_memory(void *start, size_t bytes, int node)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	const uintptr_t from = ((uintptr_t)start + page - 1) / page * page;
	const uintptr_t to = ((uintptr_t)start + bytes) / page * page;
	unsigned long mask[PLACE_NODES_MAX / (8 * sizeof(unsigned long))] = {0};

	if (node < 0 || node >= PLACE_NODES_MAX || to <= from || numa_available() < 0)
		return;
	mask[(unsigned int)node / (8 * sizeof(unsigned long))] |=
		1ul << (unsigned int)node % (8 * sizeof(unsigned long));
	/* A wish: where the node is full the rest lies elsewhere, and nothing fails. */
	if (mbind((void *)from, to - from, MPOL_PREFERRED, mask, PLACE_NODES_MAX + 1, MPOL_MF_MOVE))
		return;
}
