/*
 * The command line: pier-load [EAL options --] [options] MODE TARGET. Each key of [load], and of the
 * sections [port 0], [eal] and [tcp] what no other has, is an option; all of them end as assignments to
 * the configuration. A duration may be a plain number there, of seconds.
 */
#ifndef PIER_LOAD_ARGS_H
#define PIER_LOAD_ARGS_H

#include <stdbool.h>
#include <stdio.h>

struct load_args {
	const char *file;  /* -c */
	const char **sets; /* "section.key=value"; owned */
	unsigned int n_sets;
	bool check, help, version, print_reference;
	int eal_argc; /* arguments before "--", the program's name first */
	char **eal_argv;
};

/* Returns false after saying on stderr what was expected. a is to be freed in both cases. */
bool load_args_parse(struct load_args *a, int argc, char **argv);
void load_args_free(struct load_args *a);

void load_usage(FILE *to);

#endif
