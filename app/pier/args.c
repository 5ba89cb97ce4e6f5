/*
 * pier's own options, by getopt_long.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"

enum {
	ARG_CHECK = 256,
	ARG_SET,
	ARG_REFERENCE,
	ARG_STATS,
};

static const struct {
	const char *option, *help;
} usage_lines[] = {
	{"-c, --config FILE", "read this configuration"},
	{"--set SECTION.KEY=VALUE", "set a key, over the file's; may be repeated"},
	{"--check", "check the configuration and what it needs, start nothing"},
	{"--stats-at-exit", "print every counter that is not zero at the end"},
	{"--print-reference", "print all keys of the configuration as Markdown"},
	{"-h, --help", "print this and all keys of the configuration"},
	{"-V, --version", "print the version"},
};

void pier_usage(FILE *to)
{
	fputs("usage: pier [EAL options --] [options]\n\n", to);
	for (size_t i = 0; i < sizeof(usage_lines) / sizeof(*usage_lines); i++)
		fprintf(to, "  %-24s %s\n", usage_lines[i].option, usage_lines[i].help);
	fputs("\nA configuration with errors ends pier with exit code 2.\n", to);
}

/* Take one option; false: getopt has said what is wrong with it. */
static bool take(struct pier_args *args, int option)
{
	switch (option) {
	case 'c':
		args->file = optarg;
		return true;
	case 'h':
		return args->help = true;
	case 'V':
		return args->version = true;
	case ARG_CHECK:
		return args->check = true;
	case ARG_REFERENCE:
		return args->print_reference = true;
	case ARG_STATS:
		return args->stats_at_exit = true;
	case ARG_SET:
		args->sets[args->n_sets++] = optarg;
		return true;
	}
	return false;
}

static bool parse_own(struct pier_args *args, int argc, char **argv)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, ARG_CHECK},
		{"set", required_argument, NULL, ARG_SET},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{"print-reference", no_argument, NULL, ARG_REFERENCE},
		{"stats-at-exit", no_argument, NULL, ARG_STATS},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "c:hV", longs, NULL)) != -1)
		if (!take(args, option))
			return false;
	if (optind == argc)
		return true;
	fprintf(stderr, "%s: %s: expected an option; see --help\n", argv[0], argv[optind]);
	return false;
}

bool pier_args_parse(struct pier_args *args, int argc, char **argv)
{
	int own_argc = argc;
	char **own;
	bool ok;

	*args = (struct pier_args){.eal_argc = 1, .eal_argv = argv};
	args->sets = calloc((size_t)argc + 1, sizeof(*args->sets));
	own = calloc((size_t)argc + 1, sizeof(*own));
	if (!args->sets || !own)
		abort();
	for (int i = 1; i < argc && !args->has_eal; i++)
		if (!strcmp(argv[i], "--")) {
			args->has_eal = true;
			args->eal_argc = i;
			own_argc = argc - i;
		}
	own[0] = argv[0];
	for (int i = 1; i < own_argc; i++)
		own[i] = argv[argc - own_argc + i];
	ok = parse_own(args, own_argc, own);
	free(own);
	return ok;
}

void pier_args_free(struct pier_args *args)
{
	free(args->sets);
	*args = (struct pier_args){0};
}
