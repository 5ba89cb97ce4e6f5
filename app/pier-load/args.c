/*
 * See args.h: getopt_long over the program's own options and the keys of the configuration.
 */
#include "args.h"

#include <getopt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keys.h"

enum {
	ARG_CHECK = 256,
	ARG_SET,
	ARG_REFERENCE,
	ARG_KEYS, /* and up: the keys */
};

static const struct {
	const char *option, *help;
} usage_lines[] = {
	{"-c, --config FILE", "read this configuration first"},
	{"--set SECTION.KEY=VALUE", "set a key that has no option here"},
	{"--check", "check the configuration and what it needs, start nothing"},
	{"--print-reference", "print the keys of [load] as Markdown"},
	{"-h, --help", "print this"},
	{"-V, --version", "print the version"},
};

static const struct option own_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"check", no_argument, NULL, ARG_CHECK},
	{"set", required_argument, NULL, ARG_SET},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{"print-reference", no_argument, NULL, ARG_REFERENCE},
};

#define OWN (sizeof(own_options) / sizeof(*own_options))

void load_usage(FILE *to)
{
	fputs("usage: pier-load [EAL options --] [options] MODE TARGET\n\n"
	      "  pier-load --device net_af_packet0,iface=load0 --address 198.18.0.2/24 http 198.18.0.1:80\n\n", to);
	load_modes_usage(to);
	fputs("\nTARGET: ADDRESS[-ADDRESS][:PORT[-PORT]], several separated by commas; an IPv6 ADDRESS with\na port in brackets: "
	      "[fd00:18::2]:80. Names are not looked up.\n\n", to);
	for (size_t i = 0; i < sizeof(usage_lines) / sizeof(*usage_lines); i++)
		fprintf(to, "  %-24s %s\n", usage_lines[i].option, usage_lines[i].help);
	load_keys_usage(to);
}

/* To be freed. */
static struct option *make_options(void)
{
	struct option *all;
	unsigned int n = 0;
	bool flag;

	while (load_key(n, &flag))
		n++;
	all = calloc(OWN + n + 1, sizeof(*all));
	if (!all)
		abort();
	memcpy(all, own_options, sizeof(own_options));
	for (unsigned int i = 0; i < n; i++) {
		const char *name = load_key(i, &flag);

		all[OWN + i] = (struct option){name, flag ? optional_argument : required_argument,
					       NULL, ARG_KEYS + (int)i};
	}
	return all;
}

static bool add_set(struct load_args *a, char *text)
{
	if (!text)
		return false;
	a->sets = reallocarray(a->sets, a->n_sets + 1, sizeof(*a->sets));
	if (!a->sets)
		abort();
	a->sets[a->n_sets++] = text;
	return true;
}

static bool take(struct load_args *a, int option)
{
	switch (option) {
	case 'c':
		a->file = optarg;
		return true;
	case 'h':
		return a->help = true;
	case 'V':
		return a->version = true;
	case ARG_CHECK:
		return a->check = true;
	case ARG_REFERENCE:
		return a->print_reference = true;
	case ARG_SET:
		return add_set(a, strdup(optarg));
	}
	return option >= ARG_KEYS &&
	       add_set(a, load_key_assignment((unsigned int)(option - ARG_KEYS), optarg));
}

/* MODE TARGET, each of which the configuration may have instead. */
static bool take_words(struct load_args *a, int n, char **words)
{
	if (n > 2) {
		fprintf(stderr, "pier-load: %s: expected MODE and TARGET only; see --help\n",
			words[2]);
		return false;
	}
	for (int i = 0; i < n; i++)
		if (!add_set(a, load_word_assignment((unsigned int)i, words[i])))
			return false;
	return true;
}

static bool parse_own(struct load_args *a, int argc, char **argv)
{
	struct option *options = make_options();
	int option;
	bool ok = true;

	while (ok && (option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1)
		ok = take(a, option);
	free(options);
	return ok && take_words(a, argc - optind, argv + optind);
}

bool load_args_parse(struct load_args *a, int argc, char **argv)
{
	int from = 0;
	char **own;
	bool ok;

	*a = (struct load_args){.eal_argc = 1, .eal_argv = argv};
	for (int i = 1; i < argc && !from; i++)
		if (!strcmp(argv[i], "--"))
			from = a->eal_argc = i;
	own = calloc((size_t)argc + 1, sizeof(*own));
	if (!own)
		abort();
	own[0] = argv[0];
	for (int i = from + 1; i < argc; i++)
		own[i - from] = argv[i];
	ok = parse_own(a, argc - from, own);
	free(own);
	return ok;
}

void load_args_free(struct load_args *a)
{
	for (unsigned int i = 0; i < a->n_sets; i++)
		free((void *)(uintptr_t)a->sets[i]);
	free(a->sets);
	*a = (struct load_args){0};
}
