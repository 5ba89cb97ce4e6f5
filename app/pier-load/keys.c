/*
 * See keys.h.
 */
#include "keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "config.h"
#include "ctl/help.h"
#include "options.h"
#include "result.h"

static const struct {
	const char *help;
} modes[LOAD_MODES] = {
	[LOAD_HTTP] = {"GET over connections that stay, with --depth pipelined"},
	[LOAD_SHORT] = {"one GET a connection; --cps connections a second"},
	[LOAD_ECHO] = {"messages of --size that come back"},
	[LOAD_RR] = {"messages of --size, each answered by --response-size bytes"},
	[LOAD_UP] = {"as many bytes to the server as it takes, or --bytes a connection"},
	[LOAD_DOWN] = {"as many bytes from the server as it sends, or --bytes a connection"},
	[LOAD_BOTH] = {"to a server that echoes, and back"},
	[LOAD_HOLD] = {"connections that are opened, at --cps, and held"},
};

/* Sections whose keys are options, in the order in which they are looked for. */
static const struct {
	const char *prefix;
	const struct option_table *table;
} sections[] = {
	{"load", &load_option_table},    {"port 0", &app_port_option_table},
	{"port 0", &port_option_table},  {"eal", &eal_option_table},
	{"tcp", &tcp_option_table},
};

struct key {
	const char *prefix;
	const struct option_table *table;
	const struct option *option;
};

/* The ith of all keys that no section before has, or false. */
static bool find(unsigned int i, struct key *k)
{
	for (size_t s = 0; s < ARRAY_SIZE(sections); s++)
		for (size_t j = 0; j < sections[s].table->n; j++) {
			const struct option *o = &sections[s].table->options[j];
			bool before = false;

			for (size_t t = 0; t < s && !before; t++)
				before = option_find(sections[t].table, o->key);
			if (before || i--)
				continue;
			*k = (struct key){sections[s].prefix, sections[s].table, o};
			return true;
		}
	return false;
}

const char *load_key(unsigned int i, bool *flag)
{
	struct key k;

	if (!find(i, &k))
		return NULL;
	*flag = k.option->type == OPTION_BOOL;
	return k.option->key;
}

/* "10" or "0.5": seconds. */
static bool is_seconds(const char *value, double *seconds)
{
	char *end;

	if (strspn(value, "0123456789.") != strlen(value) || !*value)
		return false;
	*seconds = strtod(value, &end);
	return !*end;
}

/*
 * Whether the option takes the value; text that it would own is checked where it is used. Text is
 * not empty here: --expect "$EXPECT" must not expect nothing.
 */
static bool check_value(const struct key *k, const char *name, const char *value)
{
	void *scratch = calloc(1, k->table->size);
	char err[512];
	bool ok;

	if (!scratch)
		abort();
	snprintf(err, sizeof(err), "expected %s, not nothing",
		 k->option->type == OPTION_LIST ? "a value" : "text");
	ok = (*value || (k->option->type != OPTION_STRING && k->option->type != OPTION_LIST)) &&
	     option_parse(k->option, scratch, value, err, sizeof(err));
	if (!ok)
		fprintf(stderr, "pier-load: %s: %s\n", name, err);
	option_free(k->table, scratch);
	free(scratch);
	return ok;
}

static char *assignment(const struct key *k, const char *name, const char *value)
{
	char text[64], *set = NULL;
	double seconds;

	if (!value)
		value = "yes";
	if (k->option->type == OPTION_DURATION && is_seconds(value, &seconds)) {
		snprintf(text, sizeof(text), "%.0fus", seconds * 1e6);
		value = text;
	}
	if (!check_value(k, name, value))
		return NULL;
	if (asprintf(&set, "%s.%s=%s", k->prefix, k->option->key, value) < 0)
		abort();
	return set;
}

char *load_key_assignment(unsigned int i, const char *value)
{
	char name[64];
	struct key k;

	if (!find(i, &k))
		return NULL;
	snprintf(name, sizeof(name), "--%s", k.option->key);
	return assignment(&k, name, value);
}

char *load_word_assignment(unsigned int i, const char *value)
{
	const char *const name = i ? "target" : "mode";
	const struct key k = {"load", &load_option_table, option_find(&load_option_table, name)};

	return assignment(&k, *value ? value : i ? "TARGET" : "MODE", value);
}

void load_modes_usage(FILE *to)
{
	for (unsigned int i = 0; i < LOAD_MODES; i++)
		fprintf(to, "  %-24s %s\n", load_mode_words[i], modes[i].help);
}

void load_keys_usage(FILE *to)
{
	fputs("\nEach key below is an option, too: --connections 100. So are those of [port 0] "
	      "(--device, --address, --gateway), [eal] (--lcores) and [tcp]; see pier --help.\n\n",
	      to);
	ctl_help(to, (const struct option_table *const[]){&load_option_table}, 1);
	fprintf(to, "\nMetrics for --expect: %s\n", metric_names());
}

void load_keys_reference(FILE *to)
{
	fputs("| Mode | What connections do |\n|---|---|\n", to);
	for (unsigned int i = 0; i < LOAD_MODES; i++)
		fprintf(to, "| `%s` | %s |\n", load_mode_words[i], modes[i].help);
	fputc('\n', to);
	ctl_reference(to, (const struct option_table *const[]){&load_option_table}, 1);
	fputs("\n| Error | What it counts |\n|---|---|\n", to);
	for (unsigned int i = 0; i < LOAD_ERRS; i++)
		fprintf(to, "| `%s` | %s |\n", load_error_names[i], load_error_helps[i]);
}

