/*
 * The memory contract on machines that nobody here has: one, two, four and eight nodes, of which one has less than
 * its workers need; and what there is room for.
 */
#include "kit.h"

#include <string.h>

#include "base/units.h"
#include "fake_engine.h"
#include "flow/table.h"
#include "worker/contract.h"

static struct contract_supply s;
static struct place_plan plan;
static struct engine_config cfg;
static struct contract_eal eal;
static char err[640];

/* nodes with 10 GiB each, a worker on each in turn; an engine takes 1 GiB and 1 KiB a connection. */
static void machine(unsigned int nodes, unsigned int workers)
{
	memset(&s, 0, sizeof(s));
	memset(&plan, 0, sizeof(plan));
	s.n_nodes = nodes;
	for (unsigned int i = 0; i < nodes; i++)
		s.node[i] = (struct contract_memory){.pages = 8 * GIB, .huge = 2 * GIB};
	s.all = (struct contract_memory){.pages = nodes * 8 * GIB, .huge = nodes * 2 * GIB};
	plan.n = workers;
	for (unsigned int w = 0; w < workers; w++)
		plan.worker[w].node = plan.worker[w].cpu_node = (int)(w % nodes);
	cfg = (struct engine_config){.max_connections = 1024 * 1024, .max_half_open = 1, .max_time_wait = 1};
	eal = (struct contract_eal){0};
	fake.size = GIB;
	fake.each = KIB;
}

/* Less memory on one node, and on the whole machine. */
static void shrink(unsigned int node, uint64_t bytes)
{
	s.all.pages -= s.node[node].pages - bytes;
	s.node[node].pages = bytes;
	s.all.huge -= s.node[node].huge;
	s.node[node].huge = 0;
}

static bool fits(void)
{
	return contract_fits(&s, &plan, &cfg, &eal, err, sizeof(err));
}

static void refused(const char *where, const char *who, const char *need, const char *has)
{
	assert_false(fits());
	for (unsigned int i = 0; i < 4; i++) {
		const char *want = (const char *[]){where, who, need, has}[i];

		if (!strstr(err, want))
			fail_msg("no \"%s\" in \"%s\"", want, err);
	}
}

/* On each machine: each node in turn is the one that is too small, to the byte, though the machine has plenty. */
static void the_node_that_is_too_small(void **state)
{
	char where[32];

	for (unsigned int nodes = 2; nodes <= 8; nodes *= 2)
		for (unsigned int i = 0; i < nodes; i++) {
			machine(nodes, 2 * nodes); /* two a node: 4 GiB */
			assert_true(fits());
			shrink(i, 4 * GIB);
			assert_true(fits());
			shrink(i, 4 * GIB - 1);
			assert_true(s.all.pages + s.all.huge > 4 * GIB * nodes);
			snprintf(where, sizeof(where), "fit on node %u: ", i);
			refused(where, "need 4096 MiB", "1048576 connections each", "has 4096 MiB");
		}
}

/* Who is there, what they would have room for, and both ways out. */
static void the_refusal_says_what_to_do(void **state)
{
	machine(4, 10); /* node 1: workers 1, 5 and 9 */
	shrink(1, 4 * GIB + 512 * MIB);
	refused("does not fit on node 1", "workers 1, 5 and 9 need 6144 MiB", "the node has 4608 MiB",
		"max-connections = 5242880 fits"); /* 10 times half a GiB */
	assert_non_null(strstr(err, "fewer workers there"));
	cfg.max_connections = 524288;
	assert_true(fits());
	cfg.max_connections++;
	assert_false(fits());
	machine(4, 4);
	shrink(2, GIB - 1);
	refused("node 2: worker 2 needs", "has 1024 MiB", "too little for any connection", "fewer workers there");
	machine(8, 64);
	fake.each = 0;
	shrink(7, 8 * GIB - 1);
	assert_false(fits());
	assert_non_null(strstr(err, "workers 7, 15, 23, 31, 39, 47, 55 and 63 "));
}

/* One node is the machine. Nobody knows what there is: enough. */
static void one_node(void **state)
{
	machine(1, 4);
	assert_true(fits());
	shrink(0, 6 * GIB);
	refused("the memory contract does not fit: ", "4 workers need 8192 MiB", "6144 MiB are available",
		"max-connections = 2097152 fits");
	assert_null(strstr(err, "node"));
	s.n_nodes = 0; /* no libnuma, the same */
	refused("does not fit: ", "4 workers", "8192 MiB", "6144 MiB");
	s.all = (struct contract_memory){0};
	assert_true(fits());
	assert_true(contract_share(&s, &plan, &eal) == UINT64_MAX);
	machine(2, 2);
	s.node[1] = s.all = (struct contract_memory){0};
	assert_true(fits());
}

/* Workers that nobody knows the node of are counted for the machine. Nodes without workers do not matter. */
static void no_node(void **state)
{
	machine(2, 8);
	for (unsigned int w = 0; w < 8; w++)
		plan.worker[w].node = -1;
	assert_true(fits());
	shrink(0, GIB);
	assert_false(fits());
	assert_null(strstr(err, "on node"));
	machine(4, 4);
	for (unsigned int w = 0; w < 4; w++)
		plan.worker[w].node = 3;
	shrink(0, 0);
	shrink(1, 1);
	assert_true(fits());
	assert_true(contract_share(&s, &plan, &eal) == 10 * GIB / 4);
}

/* All the nodes have enough and the machine has not: a limit of another kind. */
static void the_machine_as_a_whole(void **state)
{
	machine(2, 2);
	s.all = (struct contract_memory){.pages = 3 * GIB};
	refused("does not fit: ", "2 workers need 4096 MiB", "3072 MiB are available", "or add memory");
	assert_true(contract_share(&s, &plan, &eal) == 3 * GIB / 2);
}

/* Packets lie there too. In pages of 1 GB, which nobody else takes, they are in nobody's way. */
static void packets_are_counted(void **state)
{
	machine(2, 4);
	shrink(1, 4 * GIB);
	eal.each = MIB;
	refused("on node 1", "need 4098 MiB", "workers 1 and 3", "has 4096 MiB");
	s.node[1].giant = GIB;
	assert_false(fits());
	eal.huge = true;
	assert_true(fits());
	assert_true(contract_share(&s, &plan, &eal) == 2 * GIB);
	s.node[1].giant = 0;
	assert_true(contract_share(&s, &plan, &eal) == 2 * GIB - MIB);
}

/* What each may have is decided by the node with the least for each, and then it fits. */
static void the_share_fits(void **state)
{
	for (unsigned int nodes = 1; nodes <= 8; nodes *= 2)
		for (unsigned int workers = 1; workers <= 3 * nodes; workers++) {
			uint64_t least = UINT64_MAX;

			machine(nodes, workers);
			eal.each = 123 * MIB;
			for (unsigned int i = 0; i < nodes; i++)
				shrink(i, (i * 5 % nodes + 5) * GIB);
			for (unsigned int i = 0; i < min_of(nodes, workers); i++)
				least = min_of(least, (i * 5 % nodes + 5) * GIB /
							      ((workers - i + nodes - 1) / nodes) - 123 * MIB);
			assert_true(contract_share(&s, &plan, &eal) == least);
			cfg.max_connections = contract_room(&cfg, least);
			assert_true(cfg.max_connections > 0);
			assert_true(fits());
			cfg.max_connections += 2;
			assert_false(fits());
		}
	machine(1, 1);
	shrink(0, MIB);
	eal.each = 2 * MIB;
	assert_true(contract_share(&s, &plan, &eal) == 0);
}

/* huge = yes: EAL's pages have to be on each node that has workers. */
static void huge_pages_of_each_node(void **state)
{
	unsigned int node = 77;

	machine(4, 6); /* two on nodes 0 and 1, one on 2 and 3 */
	eal = (struct contract_eal){.each = GIB, .huge = true};
	assert_true(contract_huge_fits(&s, &plan, &eal, &node));
	s.node[3].huge = GIB;
	assert_true(contract_huge_fits(&s, &plan, &eal, &node));
	s.node[1].huge = 2 * GIB - 1;
	assert_false(contract_huge_fits(&s, &plan, &eal, &node));
	assert_int_equal(node, 1);
	s.node[1].giant = GIB;
	assert_true(contract_huge_fits(&s, &plan, &eal, &node));
	s.node[2].huge = 0;
	assert_false(contract_huge_fits(&s, &plan, &eal, &node));
	assert_int_equal(node, 2);
}

/* As many connections as fit, to the byte; not more than the table has entries. */
static void room(void **state)
{
	cfg = (struct engine_config){.max_connections = 7, .max_half_open = 100, .max_time_wait = 1000};
	fake.size = 1000000;
	fake.each = 140;
	assert_int_equal(contract_room(&cfg, 1000000 + 140 * 123456), 123456);
	assert_int_equal(contract_room(&cfg, 1000000 + 140 * 123456 - 1), 123455);
	assert_int_equal(contract_room(&cfg, 1000000 + 139), 0);
	assert_int_equal(contract_room(&cfg, 0), 0);
	assert_int_equal(contract_room(&cfg, UINT64_MAX), FLOW_ENTRIES_MAX - 1101);
}

static void printed(void **state)
{
	const struct port_pools_config pc = {"x", 1000, 500, 1500, 0};
	char text[2048] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	machine(2, 3);
	eal.each = 100 * MIB;
	contract_print(f, &cfg, &pc, 0);
	contract_print_nodes(f, &s, &plan, &cfg, &eal);
	fclose(f);
	assert_non_null(strstr(text, "139.5 bytes"));
	assert_non_null(strstr(text, "1000 mbufs"));
	assert_non_null(strstr(text, "node 0: 2 workers take up to 4096.0 MiB for connections, and 200.0 MiB"));
	assert_non_null(strstr(text, "node 1: 1 worker takes up to 2048.0 MiB"));
}

/* This machine: its nodes share what it has. */
static void this_machine(void **state)
{
	uint64_t pages = 0, huge = 0;

	contract_supply_read(&s);
	assert_true(s.all.pages > MIB);
	for (unsigned int i = 0; i < s.n_nodes; i++) {
		pages += s.node[i].pages;
		huge += s.node[i].huge;
	}
	if (!s.n_nodes)
		return;
	assert_true(pages <= s.all.pages + MIB && pages + MIB >= s.all.pages);
	assert_true(huge <= s.all.huge + GIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_node_that_is_too_small),
		cmocka_unit_test(the_refusal_says_what_to_do),
		cmocka_unit_test(one_node),
		cmocka_unit_test(no_node),
		cmocka_unit_test(the_machine_as_a_whole),
		cmocka_unit_test(packets_are_counted),
		cmocka_unit_test(the_share_fits),
		cmocka_unit_test(huge_pages_of_each_node),
		cmocka_unit_test(room),
		cmocka_unit_test(printed),
		cmocka_unit_test(this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
