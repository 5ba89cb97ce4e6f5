/*
 * --help and the reference, from option tables.
 */
#include <string.h>

#include "ctl/help.h"

/* What the option accepts, without the example that messages end with. */
static const char *value_words(const struct option *o, char *buf, size_t len)
{
	char *example;

	option_expect(o, buf, len);
	example = strstr(buf, ", such as ");
	if (example)
		*example = '\0';
	return buf;
}

/* The default as a user would spell it; NULL: nothing, as for a text that is not set. */
static const char *default_words(const struct option *o)
{
	if (o->def)
		return *o->def ? o->def : NULL;
	switch (o->type) {
	case OPTION_BOOL:
		return "no";
	case OPTION_ENUM:
		return o->names[0];
	case OPTION_U32:
	case OPTION_U64:
	case OPTION_COUNT:
	case OPTION_SIZE:
	case OPTION_DURATION:
		return "0";
	case OPTION_STRING:
	case OPTION_LIST:
		break;
	}
	return NULL;
}

/* Tables of one section that follow each other share its heading. */
static bool begins_section(const struct option_table *const tables[], unsigned int i)
{
	return !i || strcmp(tables[i]->section, tables[i - 1]->section);
}

void ctl_help(FILE *to, const struct option_table *const tables[], unsigned int n)
{
	char words[512];

	for (unsigned int i = 0; i < n; i++) {
		const struct option_table *t = tables[i];

		if (begins_section(tables, i))
			fprintf(to, "%s[%s]\n", i ? "\n" : "", t->section);
		fprintf(to, " %s:\n", t->help);
		for (size_t j = 0; j < t->n; j++) {
			const struct option *o = &t->options[j];

			fprintf(to, "  %-21s %s\n", o->key, o->help);
			fprintf(to, "  %-21s %s", "", value_words(o, words, sizeof(words)));
			if (default_words(o))
				fprintf(to, "; default %s", default_words(o));
			fputc('\n', to);
		}
	}
}

/* Print a cell of a Markdown table: a bar within it would end it. */
static void cell(FILE *to, const char *text, const char *quote)
{
	fprintf(to, " %s", quote);
	for (; *text; text++) {
		if (*text == '|')
			fputc('\\', to);
		fputc(*text, to);
	}
	fprintf(to, "%s |", quote);
}

void ctl_reference(FILE *to, const struct option_table *const tables[], unsigned int n)
{
	char words[512];

	for (unsigned int i = 0; i < n; i++) {
		const struct option_table *t = tables[i];

		if (i)
			fputc('\n', to);
		if (begins_section(tables, i))
			fprintf(to, "### `[%s]`\n\n", t->section);
		fprintf(to, "%s.\n", t->help);
		if (!t->n)
			continue;
		fputs("\n| Key | Value | Default | Meaning |\n|---|---|---|---|\n", to);
		for (size_t j = 0; j < t->n; j++) {
			const struct option *o = &t->options[j];
			const char *def = default_words(o);

			fputc('|', to);
			cell(to, o->key, "`");
			cell(to, value_words(o, words, sizeof(words)), "");
			cell(to, def ? def : "-", def ? "`" : "");
			cell(to, o->help, "");
			fputc('\n', to);
		}
	}
}
