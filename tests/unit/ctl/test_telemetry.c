/*
 * The telemetry commands over DPDK's real socket: EAL is started without huge pages, and the replies
 * are read as any client of the socket would read them.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>
#include <rte_eal.h>

#include "ctl/telemetry.h"

#define REPLY_MAX 16384 /* what DPDK's clients receive at most */

static char runtime_dir[] = "/tmp/test_telemetry.XXXXXX", reply[REPLY_MAX + 1];
static unsigned int listeners = 2;
static int client;

static uint64_t value_of(unsigned int worker, unsigned int counter)
{
	return UINT64_MAX / 4 - 1000 * worker - counter; /* as many digits as there can be */
}

static void stats(void *arg, unsigned int worker, struct counters *out)
{
	for (unsigned int i = 0; i < CTR_MAX; i++)
		out->v[i] = value_of(worker, i);
}

static void info(void *arg, struct rte_tel_data *dict)
{
	char longer[200];

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	ctl_dict_string(dict, "version", arg);
	ctl_dict_string(dict, "long", longer);
}

static void contract(void *arg, struct rte_tel_data *dict)
{
	ctl_dict_u64(dict, "bytes", 144);
}

static bool handler_stats(void *arg, unsigned int i,
			  void (*add)(void *to, const char *name, uint64_t value), void *to)
{
	char name[16];

	for (uint64_t k = 0; i < listeners && k < 250; k++) {
		snprintf(name, sizeof(name), "stat_%u", (unsigned int)k);
		add(to, name, i);
	}
	return i < listeners;
}

static unsigned int reloads;

static bool reload(void *arg)
{
	return reloads++ == 0;
}

static bool listener(void *arg, unsigned int i, struct rte_tel_data *dict)
{
	if (i >= listeners)
		return false;
	ctl_dict_string(dict, "listen", "198.168.100.200:10000-20000");
	ctl_dict_string(dict, "handler", "handler_with_a_long_name");
	ctl_dict_u64(dict, "number", i);
	ctl_dict_u64(dict, "connections", UINT64_MAX);
	ctl_dict_u64(dict, "accepted", UINT64_MAX);
	return true;
}

static struct ctl_provider provider = {
	.arg = (void *)(uintptr_t)"0.1.0",
	.workers = 3,
	.stats = stats,
	.info = info,
	.contract = contract,
	.listener = listener,
	.handler_stats = handler_stats,
	.reload = reload,
};

/* Send a command; the reply, a NUL behind it, is in reply. */
static const char *ask(const char *command)
{
	ssize_t n;

	assert_int_equal(send(client, command, strlen(command), 0), strlen(command));
	n = recv(client, reply, REPLY_MAX, 0);
	assert_in_range(n, 1, REPLY_MAX - 1);
	reply[n] = '\0';
	return reply;
}

static void expect_counters(const char *command, uint64_t (*value)(unsigned int))
{
	char member[128];
	const char *p = ask(command);

	assert_memory_equal(p, "{\"/pier/stats\":{", 16);
	for (unsigned int i = 0; i < CTR_MAX; i++) {
		snprintf(member, sizeof(member), "\"%s\":%" PRIu64 "%s", counter_info[i].name,
			 value(i), i + 1 < CTR_MAX ? "," : "}}");
		p = strstr(p, member);
		assert_non_null(p);
	}
	assert_int_equal(strlen(p), strlen(member));
}

static uint64_t sum_of(unsigned int counter)
{
	return value_of(0, counter) + value_of(1, counter) + value_of(2, counter);
}

static uint64_t second_of(unsigned int counter)
{
	return value_of(1, counter);
}

static void test_stats(void **state)
{
	static const char *const bad[] = {"/pier/stats,3", "/pier/stats,x", "/pier/stats,-1",
					  "/pier/stats,1x"};

	expect_counters("/pier/stats", sum_of);
	expect_counters("/pier/stats,1", second_of);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_string_equal(ask(bad[i]), "{\"/pier/stats\":{\"error\":\"expected a worker's "
						 "number, less than 3\"}}");
}

static void test_help(void **state)
{
	char command[128], expected[512];

	for (unsigned int i = 0; i < CTR_MAX; i++) {
		snprintf(command, sizeof(command), "/pier/help,%s", counter_info[i].name);
		snprintf(expected, sizeof(expected), "{\"/pier/help\":{\"%s\":\"%s\"}}",
			 counter_info[i].name, counter_info[i].help);
		assert_string_equal(ask(command), expected);
	}
	assert_non_null(strstr(ask("/pier/help"), "[\"rx_runt\","));
	assert_non_null(strstr(reply, counter_info[CTR_MAX - 1].name));
	assert_non_null(strstr(ask("/pier/help,foo"), "\"error\":\"expected a counter's name"));
}

static void test_dictionaries(void **state)
{
	const char *p = ask("/pier/info"), *x = strstr(p, "\"long\":\"x");

	assert_non_null(strstr(p, "\"version\":\"0.1.0\""));
	assert_non_null(x);
	assert_int_equal(strspn(x + 8, "x"), 127);
	assert_string_equal(ask("/pier/contract"), "{\"/pier/contract\":{\"bytes\":144}}");
}

static unsigned int count_members(const char *text, const char *what)
{
	unsigned int n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

static void test_listeners(void **state)
{
	assert_int_equal(count_members(ask("/pier/listeners"), "\"number\":"), 2);
	assert_non_null(strstr(reply, "\"1\":{\"listen\":\"198.168.100.200:10000-20000\","));
	assert_string_equal(ask("/pier/listeners,2"), "{\"/pier/listeners\":{}}");
	assert_non_null(strstr(ask("/pier/listeners,x"), "\"error\":"));
	listeners = 100;
	assert_int_equal(count_members(ask("/pier/listeners"), "\"number\":"), CTL_LISTENERS_PAGE);
	assert_string_equal(reply + strlen(reply) - 3, "}}}");
	assert_int_equal(count_members(ask("/pier/listeners,64"), "\"number\":"), 36);
	assert_non_null(strstr(reply, "\"99\":{\"listen\""));
}

/* A page of them, and the next. */
static void test_handler(void **state)
{
	static const char *const bad[] = {"", ",", ",x", ",1x", ",1,", ",1,x", ",1,2,3", ",-1", ",99999"};
	char command[40];

	assert_int_equal(count_members(ask("/pier/handler,1"), "\"stat_"), CTL_STATS_PAGE);
	assert_non_null(strstr(ask("/pier/handler,1"), "\"stat_0\":1"));
	assert_int_equal(count_members(ask("/pier/handler,1,200"), "\"stat_"), 50);
	assert_non_null(strstr(ask("/pier/handler,1,249"), "{\"stat_249\":1}"));
	assert_string_equal(ask("/pier/handler,1,250"), "{\"/pier/handler\":{}}");
	assert_non_null(strstr(ask("/pier/handler,100"), "there is no such listener"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(command, sizeof(command), "/pier/handler%s", bad[i]);
		assert_non_null(strstr(ask(command), "\"error\":\"expected the number of a listener"));
	}
}

static void test_reload(void **state)
{
	assert_non_null(strstr(ask("/pier/reload"), "\"reload\":\"asked for"));
	assert_non_null(strstr(ask("/pier/reload"), "\"error\":\"nothing to reload"));
}

static void test_stop(void **state)
{
	ctl_telemetry_stop();
	assert_string_equal(ask("/pier/stats"),
			    "{\"/pier/stats\":{\"error\":\"pier is not running\"}}");
	assert_string_equal(ask("/pier/listeners"),
			    "{\"/pier/listeners\":{\"error\":\"pier is not running\"}}");
}

static int connect_client(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/dpdk_telemetry.v2",
		 rte_eal_get_runtime_dir());
	if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		return -1;
	return recv(fd, reply, REPLY_MAX, 0) > 0 ? fd : -1; /* the greeting */
}

static int start(void **state)
{
	static char arg[][24] = {"test_telemetry", "--no-huge", "--no-pci", "-m", "32",
				 "--file-prefix=telemetry", "--log-level=error"};
	char *argv[ARRAY_SIZE(arg)];

	for (size_t i = 0; i < ARRAY_SIZE(arg); i++)
		argv[i] = arg[i];
	if (!mkdtemp(runtime_dir) || setenv("RUNTIME_DIRECTORY", runtime_dir, 1) < 0 ||
	    rte_eal_init(ARRAY_SIZE(arg), argv) < 0 || ctl_telemetry_start(&provider) < 0)
		return -1;
	client = connect_client();
	return client < 0 ? -1 : 0;
}

static int stop(void **state)
{
	char command[64];

	close(client);
	rte_eal_cleanup();
	snprintf(command, sizeof(command), "rm -rf %s", runtime_dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stats),     cmocka_unit_test(test_help),
		cmocka_unit_test(test_dictionaries), cmocka_unit_test(test_listeners),
		cmocka_unit_test(test_handler), cmocka_unit_test(test_reload),
		cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
