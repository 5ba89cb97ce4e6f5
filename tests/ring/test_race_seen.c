/*
 * The race test can fail: a handler which counts in one word for all workers, without atomics, is
 * what ThreadSanitizer reports, and all that it reports. The same two workers and traffic as
 * test_race.c, in a process of their own, whose report is read here. Made for ThreadSanitizer only:
 * nothing else would see it.
 */
#include "race_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pier/handler.h"

#define REPORT_MAX (256 * 1024)

static uint64_t shared; /* the mistake */

static size_t sharing_data(struct pier_conn *c, const struct pier_slice *slices, unsigned int n)
{
	shared++;
	return pier_send_slices(c, slices, n);
}

static void sharing_eof(struct pier_conn *c)
{
	pier_close(c);
}

static const struct pier_handler sharing = {
	.abi = PIER_HANDLER_ABI,
	.size = sizeof(struct pier_handler),
	.name = "sharing",
	.summary = "echo, and a word that all workers write",
	.data = sharing_data,
	.eof = sharing_eof,
};

static void converse(void **state)
{
	race_converse(&(const struct team_kit_config){.idle = WORKER_POLL, .handler = &sharing});
}

static int share(void)
{
	const struct CMUnitTest tests[] = {TEAM_TEST(converse)};

	return cmocka_run_group_tests(tests, race_eal, team_eal_end);
}

/* This program once more, which makes the mistake; what it says. Returns its status. */
static int run(char *report, size_t room)
{
	char name[] = "/proc/self/exe", arg[] = "share";
	char *const argv[] = {name, arg, NULL};
	size_t len = 0;
	ssize_t n;
	pid_t pid;
	int fd[2], status;

	assert_int_equal(pipe(fd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(fd[1], STDOUT_FILENO);
		dup2(fd[1], STDERR_FILENO);
		close(fd[0]);
		execv(name, argv);
		_exit(127);
	}
	close(fd[1]);
	while ((n = read(fd[0], report + len, room - 1 - len)) > 0)
		len += (size_t)n;
	report[len] = '\0';
	close(fd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static unsigned int times(const char *text, const char *word)
{
	unsigned int n = 0;

	for (; (text = strstr(text, word)); text++)
		n++;
	return n;
}

static void a_shared_word_is_seen(void **state)
{
	char *report = malloc(REPORT_MAX);
	unsigned int races, ours;
	int status;

	assert_non_null(report);
	status = run(report, REPORT_MAX);
	races = times(report, "WARNING: ThreadSanitizer: data race");
	ours = times(report, "SUMMARY: ThreadSanitizer: data race") -
	       times(report, "SUMMARY: ThreadSanitizer: data race (");
	if (!races || races != times(report, "in sharing_data\n") || ours != races)
		print_error("%s\n", report);
	assert_true(races > 0);
	assert_int_equal(times(report, "in sharing_data\n"), races);
	assert_int_equal(ours, races);
	assert_int_equal(times(report, "[  FAILED  ]"), 0); /* all was answered, and yet: */
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 127);
	free(report);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {TEAM_TEST(a_shared_word_is_seen)};

	if (argc == 2 && !strcmp(argv[1], "share"))
		return share();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
