/*
 * The command line: pier [EAL options --] [pier options]. Without "--" all options are pier's.
 */
#ifndef PIER_APP_ARGS_H
#define PIER_APP_ARGS_H

#include <stdbool.h>
#include <stdio.h>

struct pier_args {
	const char *file;        /* -c */
	const char **sets;       /* --set, in order; the strings are argv's */
	unsigned int n_sets;
	bool check, help, version, print_reference, stats_at_exit;
	bool has_eal;            /* "--" was given: what stands before it is EAL's alone */
	int eal_argc;            /* arguments before "--", the program's name first */
	char **eal_argv;         /* argv itself */
};

/* Returns false after saying on stderr what was expected. args is to be freed in both cases. */
bool pier_args_parse(struct pier_args *args, int argc, char **argv);
void pier_args_free(struct pier_args *args);

/* Print how to call pier, without the configuration's keys. */
void pier_usage(FILE *to);

#endif
