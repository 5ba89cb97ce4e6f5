/*
 * The planner on machines that nobody here has: one, two, four and eight nodes, hyperthreads, a node
 * without memory, CPUs that the user names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "worker/place.h"

static struct place_machine m;
static struct place_plan plan;
static char err[256];

/*
 * nodes of `cores` cores each, with `threads` hyperthreads a core, numbered as Linux does: first one
 * thread of every core, then the others. Distance 10 at home, 21 to the neighbour, 31 beyond.
 */
static void machine(unsigned int nodes, unsigned int cores, unsigned int threads)
{
	memset(&m, 0, sizeof(m));
	m.n_nodes = nodes;
	for (unsigned int a = 0; a < nodes; a++) {
		m.memory[a] = true;
		for (unsigned int b = 0; b < nodes; b++)
			m.distance[a][b] = a == b ? 10 : (a ^ b) == 1 ? 21 : 31;
	}
	for (unsigned int t = 0; t < threads; t++)
		for (unsigned int c = 0; c < nodes * cores; c++)
			m.cpu[m.n_cpus++] = (struct place_cpu){
				.id = (uint16_t)(t * nodes * cores + c),
				.core = (uint16_t)c,
				.node = (int16_t)(c / cores)};
}

static void make(unsigned int workers, bool list, const struct place_port *ports, unsigned int n)
{
	const struct place_request r = {.workers = workers, .list = list, .ports = ports,
					.n_ports = n};

	if (!place_plan(&m, &r, &plan, err, sizeof(err)))
		fail_msg("%s", err);
	assert_int_equal(plan.n, workers);
	for (unsigned int w = 0; w < workers; w++)
		for (unsigned int v = 0; v < w; v++)
			assert_int_not_equal(plan.worker[v].cpu, plan.worker[w].cpu);
	/* Each port's queues go round all workers before one has a second. */
	for (unsigned int p = 0; p < n; p++) {
		uint64_t seen = 0;

		for (unsigned int q = 0; q < workers; q++)
			seen |= 1ull << plan.owner[p][q];
		assert_true(seen == (workers == 64 ? UINT64_MAX : (1ull << workers) - 1));
	}
}

static unsigned int on_node(int node)
{
	unsigned int n = 0;

	for (unsigned int w = 0; w < plan.n; w++)
		n += plan.worker[w].cpu_node == node;
	return n;
}

static unsigned int warnings(char *text, size_t len)
{
	FILE *f = fmemopen(text, len, "w");
	unsigned int n = place_warn(&m, &plan, f);

	fclose(f);
	return n;
}

static void one_node(void **state)
{
	const struct place_port tap = {.node = -1};
	char text[2048] = "";

	machine(1, 4, 1);
	make(1, false, &tap, 1);
	assert_int_equal(plan.worker[0].cpu, 0);
	make(4, false, &tap, 1);
	for (unsigned int w = 0; w < 4; w++) {
		assert_int_equal(plan.worker[w].cpu, w);
		assert_int_equal(plan.worker[w].node, 0);
		assert_int_equal(plan.owner[0][w], w);
	}
	assert_int_equal(warnings(text, sizeof(text)), 0);
	assert_false(place_plan(&m, &(struct place_request){.workers = 5}, &plan, err, sizeof(err)));
	assert_non_null(strstr(err, "there are 4"));
	assert_false(place_plan(&m, &(struct place_request){.workers = 0}, &plan, err, sizeof(err)));
}

/* Cores before hyperthreads; and when they have to share one, it is said. */
static void hyperthreads(void **state)
{
	char text[2048] = "";

	machine(1, 4, 2);
	make(4, false, NULL, 0);
	for (unsigned int w = 0; w < 4; w++)
		for (unsigned int v = 0; v < w; v++)
			assert_int_not_equal(plan.worker[v].core, plan.worker[w].core);
	assert_int_equal(warnings(text, sizeof(text)), 0);
	make(5, false, NULL, 0);
	assert_int_equal(plan.worker[4].cpu, 4);
	assert_int_equal(warnings(text, sizeof(text)), 1);
	assert_non_null(strstr(text, "workers 0 and 4 share a core"));
	machine(1, 1, 2);
	make(2, false, NULL, 0);
	assert_int_equal(warnings(text, sizeof(text)), 1);
}

/* A free core on the other node is better than half a core on the port's. */
static void two_nodes(void **state)
{
	const struct place_port nic = {.node = 1};
	char text[4096] = "";

	machine(2, 4, 2);
	make(3, false, &nic, 1);
	assert_int_equal(on_node(1), 3);
	assert_int_equal(plan.worker[0].node, 1);
	assert_int_equal(warnings(text, sizeof(text)), 0);
	make(6, false, &nic, 1);
	assert_int_equal(on_node(1), 4);
	assert_int_equal(on_node(0), 2);
	assert_int_equal(plan.worker[5].node, 0);
	for (unsigned int q = 0; q < 4; q++) /* the first queues are the near ones' */
		assert_int_equal(plan.worker[plan.owner[0][q]].cpu_node, 1);
	assert_int_equal(warnings(text, sizeof(text)), 2);
	assert_non_null(strstr(text, "2.1 times"));
	assert_non_null(strstr(text, "node 1"));
}

/* With queues for the near ones only, the far ones poll nothing there, and there is no warning. */
static void few_queues(void **state)
{
	const struct place_port nic = {.node = 1, .queues = 4};
	char text[1024] = "";

	machine(2, 4, 1);
	make(6, false, &nic, 1);
	assert_int_equal(warnings(text, sizeof(text)), 0);
}

/* A port on each of two nodes: each gets its workers, and its queues go there first. */
static void four_nodes(void **state)
{
	const struct place_port ports[] = {{.node = 3}, {.node = 1}};

	machine(4, 8, 2);
	make(8, false, ports, 2);
	assert_int_equal(on_node(3), 4);
	assert_int_equal(on_node(1), 4);
	for (unsigned int q = 0; q < 4; q++) {
		assert_int_equal(plan.worker[plan.owner[0][q]].cpu_node, 3);
		assert_int_equal(plan.worker[plan.owner[1][q]].cpu_node, 1);
	}
}

/* Two ports on one node and one on another: two workers for one. */
static void eight_nodes(void **state)
{
	const struct place_port ports[] = {{.node = 5}, {.node = 5}, {.node = 2}};

	machine(8, 16, 2);
	make(12, false, ports, 3);
	assert_int_equal(on_node(5), 8);
	assert_int_equal(on_node(2), 4);
	make(64, false, ports, 3);
	assert_int_equal(on_node(5), 16);
	assert_int_equal(on_node(2), 16);
	assert_int_equal(on_node(4) + on_node(3), 32); /* the neighbours of 5 and 2, at 21 */
}

static void node_without_memory(void **state)
{
	const struct place_port nic = {.node = 1};
	char text[1024] = "";

	machine(2, 2, 1);
	m.memory[1] = false;
	make(2, false, &nic, 1);
	assert_int_equal(plan.worker[0].cpu_node, 1);
	assert_int_equal(plan.worker[0].node, 0);
	assert_int_equal(warnings(text, sizeof(text)), 2);
	assert_non_null(strstr(text, "has no memory"));
}

/* The next best memory is the nearest, not the first. */
static void nearest_memory(void **state)
{
	machine(4, 2, 1);
	m.memory[2] = false;
	make(8, false, NULL, 0);
	for (unsigned int w = 0; w < 8; w++)
		assert_int_equal(plan.worker[w].node,
				 plan.worker[w].cpu_node == 2 ? 3 : plan.worker[w].cpu_node);
}

/* Queues go to who has the fewest; and where all have as many, not every port's first is the same one's. */
static void queues_of_several_ports(void **state)
{
	const struct place_port all[] = {{.node = 0}, {.node = 0}};
	const struct place_port few[] = {{.node = 0, .queues = 2}, {.node = 0, .queues = 1}};

	machine(1, 4, 1);
	make(4, false, all, 2);
	assert_int_equal(plan.owner[0][0], 0);
	assert_int_equal(plan.owner[1][0], 1);
	make(4, false, few, 2);
	assert_int_equal(plan.owner[0][0], 0);
	assert_int_equal(plan.owner[0][1], 1);
	assert_int_equal(plan.owner[1][0], 2);
	make(1, false, few, 2); /* a worker has one queue of a port */
	assert_int_equal(plan.port_queues[0], 1);
}

/* placement = list: the user's order, whatever it costs. */
static void as_listed(void **state)
{
	const struct place_port nic = {.node = 0};
	char text[1024] = "";

	machine(2, 2, 1);
	m.cpu[0] = (struct place_cpu){.id = 3, .core = 3, .node = 1};
	m.cpu[1] = (struct place_cpu){.id = 0, .core = 0, .node = 0};
	m.n_cpus = 2;
	make(2, true, &nic, 1);
	assert_int_equal(plan.worker[0].cpu, 3);
	assert_int_equal(plan.worker[1].cpu, 0);
	assert_int_equal(plan.owner[0][0], 1); /* queues still go to the near one first */
	assert_int_equal(warnings(text, sizeof(text)), 1);
	assert_non_null(strstr(text, "worker 0 on CPU 3"));
}

/* This machine: it has CPUs, and memory can be put onto node 0 without harm. */
static void this_machine(void **state)
{
	static uint8_t pages[1 << 20];
	unsigned int cpus[PLACE_CPUS_MAX];
	const unsigned int n = place_allowed(cpus, PLACE_CPUS_MAX);

	assert_true(n >= 1);
	place_read(&m, cpus, n);
	assert_int_equal(m.n_cpus, n);
	assert_int_equal(m.cpu[n - 1].id, cpus[n - 1]);
	make(1, false, NULL, 0);
	memset(pages, 0x5a, sizeof(pages));
	place_memory(pages + 100, sizeof(pages) - 200, 0);
	for (size_t i = 0; i < sizeof(pages); i++)
		assert_int_equal(pages[i], 0x5a);
	assert_int_equal(place_pci_node("net_tap0"), -1);
	assert_int_equal(place_pci_node("ffff:ff:1f.7"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_node),
		cmocka_unit_test(hyperthreads),
		cmocka_unit_test(two_nodes),
		cmocka_unit_test(few_queues),
		cmocka_unit_test(four_nodes),
		cmocka_unit_test(eight_nodes),
		cmocka_unit_test(node_without_memory),
		cmocka_unit_test(nearest_memory),
		cmocka_unit_test(queues_of_several_ports),
		cmocka_unit_test(as_listed),
		cmocka_unit_test(this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
