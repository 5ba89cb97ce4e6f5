/*
 * EAL's arguments: where its huge pages come from.
 */
#include <mntent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/units.h"
#include "eal_argv.h"

#define NOBODY 65534

/* With 1 GB of huge pages free, where 256 MB are asked for. */
static bool has(const char *word)
{
	const struct pier_config config = {.eal = {.memory = 256 * MIB, .huge = PIER_HUGE_AUTO}};
	const struct place_plan place = {.n = 1};
	const struct contract_supply supply = {.all.huge = GIB, .node[0].huge = GIB, .n_nodes = 1};
	char program[] = "pier", *argv[] = {program, NULL};
	struct pier_eal_argv v;
	bool found = false;

	pier_eal_argv_make(&v, 1, argv, &config, &place, &supply);
	assert_true(v.huge);
	for (int i = 1; i < v.argc; i++)
		found |= !strcmp(v.argv[i], word);
	pier_eal_argv_free(&v);
	return found;
}

/* How many hugetlbfs there are, and how many of these this user may write to. */
static unsigned int mounted(unsigned int *writable)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	unsigned int n = 0;

	*writable = 0;
	while (f && (m = getmntent(f))) {
		if (strcmp(m->mnt_type, "hugetlbfs"))
			continue;
		n++;
		*writable += !access(m->mnt_dir, W_OK);
	}
	if (f)
		endmntent(f);
	return n;
}

static void files_where_they_may_be_made(void **state)
{
	unsigned int writable, n = mounted(&writable);

	assert_int_equal(has("--in-memory"), !n || writable < n);
	assert_false(has("--no-huge"));
}

/* The same of a user who may not: EAL makes no files then, instead of failing. */
static void an_ordinary_user(void **state)
{
	unsigned int writable, n = mounted(&writable);
	int status;
	pid_t pid;

	if (!n || getuid())
		skip();
	pid = fork();
	if (!pid) {
		if (setgid(NOBODY) || setuid(NOBODY))
			_exit(2);
		mounted(&writable);
		_exit(has("--in-memory") != (writable < n));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_where_they_may_be_made),
		cmocka_unit_test(an_ordinary_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
