/*
 * From a command line to a plan: options of all sections, their messages, and what is completed.
 */
#include "kit.h"

#include <stdio.h>
#include <unistd.h>

#include "args.h"
#include "plan.h"

#define WORDS_MAX 32

static struct load_args args;
static struct load_plan plan;
static struct pier_config config;
static char said[4096]; /* on stderr */
static bool loaded;

static void take(struct pier_config *c, void *arg, struct config_errors *errors)
{
	load_plan_make(arg, c, errors);
}

/* Parse the words behind the program's name, and load; stderr goes to said. */
static bool run(const char *line)
{
	struct pier_config_extra extra = {&load_option_table, &plan.o, take, &plan};
	char *copy = strdup(line), *words[WORDS_MAX] = {strdup("pier-load")}, *save = NULL;
	FILE *old = stderr, *to = fmemopen(said, sizeof(said), "w");
	int n = 1;
	bool ok;

	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		words[n++] = strdup(w);
	memset(said, 0, sizeof(said));
	memset(&plan, 0, sizeof(plan));
	stderr = to;
	optind = 0;
	ok = load_args_parse(&args, n, words);
	if (ok) {
		loaded = true;
		ok = pier_config_load(&config, args.file, args.sets, args.n_sets, &extra, to);
	}
	stderr = old;
	fclose(to);
	load_args_free(&args);
	while (n)
		free(words[--n]);
	free(copy);
	return ok;
}

static int tear_down(void **state)
{
	if (loaded)
		pier_config_free(&config);
	load_plan_free(&plan);
	memset(&plan, 0, sizeof(plan));
	loaded = false;
	return 0;
}

#define PORT "--device net_tap0,iface=x --address 198.18.0.1/24 "

static void simple(void **state)
{
	assert_true(run(PORT "http 198.18.0.2:80 --connections 100 --duration 10"));
	assert_int_equal(plan.o.mode, LOAD_HTTP);
	assert_int_equal(plan.o.connections, 100);
	assert_int_equal(plan.o.duration, 10000000);
	assert_int_equal(plan.gen.n_targets, 1);
	assert_int_equal(plan.gen.n_sources[0], 1);
	assert_int_equal(plan.gen.n_sources[1], 0);
	assert_memory_equal(plan.gen.request, "GET / HTTP/1.1\r\nHost: 198.18.0.2\r\n\r\n",
			    plan.gen.request_len);
	assert_string_equal(config.ports[0].device.device, "net_tap0,iface=x");
}

/* Sources of each family at their places in the list of addresses; the Host field in brackets. */
static void both_families(void **state)
{
	assert_true(run("--device net_tap0,iface=x --address 198.18.0.1/24,fd00:18::1/64,198.18.0.3/24 "
			"--gateway fe80::1,198.18.0.9 http [fd00:18::2]:8080,198.18.0.2"));
	assert_int_equal(plan.gen.n_targets, 2);
	assert_int_equal(plan.gen.n_sources[0], 2);
	assert_int_equal(plan.gen.sources[0][1], 2);
	assert_int_equal(plan.gen.n_sources[1], 1);
	assert_int_equal(plan.gen.sources[1][0], 1);
	assert_memory_equal(plan.gen.request, "GET / HTTP/1.1\r\nHost: [fd00:18::2]\r\n\r\n",
			    plan.gen.request_len);
	assert_int_equal(config.ports[0].gateway6[0], 0xfe);
	assert_true(config.ports[0].gateway);
}

/* Options may stand anywhere and be keys of other sections; what was said is not completed. */
static void options_of_sections(void **state)
{
	assert_true(run("short 198.18.0.2 --device net_tap0 --address 198.18.0.1/24,198.18.0.3/24 "
			"--gateway 198.18.0.9 --lcores 1 --timestamps=no --mtu 1400 --cps 2k "
			"--local-port-low 2000 --duration 0.5 --timeout 250ms "
			"--set server.max-connections=777"));
	assert_int_equal(plan.o.cps, 2000);
	assert_int_equal(plan.o.duration, 500000);
	assert_int_equal(plan.o.connections, 2000);
	assert_int_equal(plan.gen.n_sources[0], 2);
	assert_false(config.tcp.timestamps);
	assert_int_equal(config.tcp.port_low, 2000);
	assert_int_equal(config.tcp.syn_r2, 250000);
	assert_int_equal(config.ports[0].device.mtu, 1400);
	assert_int_equal(config.server.max_connections, 777);
	assert_string_equal(config.eal.lcores, "1");
	assert_non_null(memmem(plan.gen.request, plan.gen.request_len, "Connection: close\r\n", 19));
}

static void completed(void **state)
{
	assert_true(run(PORT "echo 198.18.0.2 --connections 200k --verify --depth 5 --size 100"));
	assert_int_equal(plan.gen.targets[0].port, 7);
	assert_int_equal(config.tcp.port_low, 1024);
	assert_true(config.server.max_connections > 200000);
	assert_true(config.server.memory > 200000 * 1000ull);
	assert_true(plan.o.verify);
	assert_int_equal(plan.gen.request_len, 100);
	assert_int_equal(plan.gen.copies, 5);
	assert_memory_equal(plan.gen.request, plan.gen.request + 400, 100);
	assert_non_null(strstr(config.eal.file_prefix, "pier-load-"));
}

static void pattern_twice(void **state)
{
	assert_true(run(PORT "both 198.18.0.2 --bytes 1m"));
	assert_int_equal(plan.gen.copies, 2);
	assert_memory_equal(plan.gen.request, plan.gen.request + plan.gen.request_len,
			    plan.gen.request_len);
	assert_int_equal(plan.o.bytes, 1 << 20);
}

static void expectations(void **state)
{
	assert_true(run(PORT "http 198.18.0.2 --expect errors=0 --expect complete.p99<5ms"));
	assert_int_equal(plan.n_expects, 2);
	assert_string_equal(plan.expects[1].text, "complete.p99<5ms");
}

/* What is the default says nothing, in any mode. */
static void defaults_in_any_mode(void **state)
{
	assert_true(run(PORT "up 198.18.0.2 --depth 1 --requests 0 --size 64 --close server --verify=no"));
}

/* Which words, and what is said about them. */
static void mistakes(void **state)
{
	static const struct {
		const char *line, *says;
	} bad[] = {
		{PORT "htp 198.18.0.2", "pier-load: htp: expected http, short, echo"},
		{PORT "http", "target: is missing"},
		{PORT "http 198.18.0.2 198.18.0.3", "198.18.0.3: expected MODE and TARGET only"},
		{PORT "http fd00::2", "target: fd00::2 is IPv6, and no address of [port 0] is: expected --address"},
		{"--device net_tap0 --address fd00::1/64 http 198.18.0.2", "target: 198.18.0.2 is IPv4, and no address"},
		{"--device net_tap0 --address fd00::1/64 http fd00:0::1", "fd00::1 is pier-load's own address"},
		{PORT "http [fd00::2:80", "target: expected ] behind the address, as in [fd00:18::2]:80"},
		{PORT "http 198.18.0.1", "198.18.0.1 is pier-load's own address"},
		{PORT "http 198.18.0.2 --connections many", "--connections: expected a number"},
		{PORT "http 198.18.0.2 --duration 10x", "--duration: expected a duration"},
		{PORT "http 198.18.0.2 --rps=-1", "--rps: expected a number"},
		{PORT "http 198.18.0.2 --nonsense", "nonsense"},
		{PORT "http 198.18.0.2 --mtu 99999", "--mtu: expected a number from 0 to 9600"},
		{PORT "http 198.18.0.2 --expect errors", "expect: expected = != < <= > or >="},
		{PORT "http 198.18.0.2 --path x", "path: expected a path"},
		{PORT "http 198.18.0.2 --header x", "header: expected NAME: VALUE"},
		{PORT "http 198.18.0.2 --status 7", "status: expected 0, or 100 to 599"},
		{PORT "http 198.18.0.2 --verify", "verify: is for the modes echo and both"},
		{PORT "up 198.18.0.2 --rps 5", "rps: is for the modes"},
		{PORT "short 198.18.0.2 --rps 5 --cps 5", "rps or cps, not both"},
		{PORT "short 198.18.0.2 --depth 5", "depth: is for the modes"},
		{PORT "up 198.18.0.2 --requests 5", "requests: is for the modes"},
		{PORT "http 198.18.0.2 --size 5", "size: is for the modes echo and rr"},
		{PORT "echo 198.18.0.2 --response-size 5", "response-size: is for the mode rr"},
		{PORT "http 198.18.0.2 --bytes 5", "bytes: is for the modes up, down and both"},
		{PORT "echo 198.18.0.2 --path /x", "path: is for the modes http and short"},
		{PORT "echo 198.18.0.2 --host x", "host: is for the modes http and short"},
		{PORT "echo 198.18.0.2 --header a:b", "header: is for the modes http and short"},
		{PORT "echo 198.18.0.2 --status 404", "status: is for the modes http and short"},
		{PORT "http 198.18.0.2 --close client", "close: is for the mode short"},
		{PORT "http 198.18.0.2 --host a\tb", "host: expected a name"},
		{PORT "http 198.18.0.2 --expect=", "--expect: expected a value, not nothing"},
		{PORT "http 198.18.0.2 --json=", "--json: expected text, not nothing"},
		{PORT "http 127.0.0.1", "target: expected the address of another host"},
		{PORT "http 224.0.0.1", "target: expected the address of another host"},
		{"--device net_tap0 http 198.18.0.2", "address: is missing"},
		{"http 198.18.0.2", "no port"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_false(run(bad[i].line));
		if (!strstr(said, bad[i].says))
			fail_msg("%s: %s", bad[i].line, said);
		tear_down(NULL);
	}
}

static void eal_options(void **state)
{
	char *words[] = {(char[]){"pier-load"}, (char[]){"-l"}, (char[]){"0"}, (char[]){"--"},
			 (char[]){"hold"}, (char[]){"198.18.0.2"}, NULL};

	optind = 0;
	assert_true(load_args_parse(&args, 6, words));
	assert_int_equal(args.eal_argc, 3);
	assert_int_equal(args.n_sets, 2);
	assert_string_equal(args.sets[0], "load.mode=hold");
	load_args_free(&args);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(simple, tear_down),
		cmocka_unit_test_teardown(both_families, tear_down),
		cmocka_unit_test_teardown(options_of_sections, tear_down),
		cmocka_unit_test_teardown(completed, tear_down),
		cmocka_unit_test_teardown(pattern_twice, tear_down),
		cmocka_unit_test_teardown(expectations, tear_down),
		cmocka_unit_test_teardown(defaults_in_any_mode, tear_down),
		cmocka_unit_test_teardown(mistakes, tear_down),
		cmocka_unit_test(eal_options),
	};

	return cmocka_run_group_tests_name("load_args", tests, NULL, NULL);
}
