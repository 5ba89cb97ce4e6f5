/*
 * Sections and keys, errors, --set, and the way from text to structs. Reading files is ini.c.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config_build.h"
#include "nearest.h"

static __attribute__((format(printf, 4, 5))) void error_add(struct config_errors *errors,
							    const char *place, const char *subject,
							    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	config_verror(errors, place, subject, fmt, ap);
	va_end(ap);
}

void config_verror(struct config_errors *errors, const char *place, const char *subject,
		   const char *fmt, va_list ap)
{
	char *text;
	size_t used;

	if (errors->n++ >= CONFIG_ERRORS_MAX)
		return;
	text = errors->text[errors->n - 1];
	snprintf(text, CONFIG_ERROR_LEN, "%s%s%s%s", place, *place ? ": " : "", subject,
		 *subject ? ": " : "");
	used = strlen(text);
	vsnprintf(text + used, CONFIG_ERROR_LEN - used, fmt, ap);
	for (; *text; text++)
		if (iscntrl((unsigned char)*text))
			*text = '?';
}

/* "[name argument]", for messages. */
static const char *section_title(const struct config_section *s, char *buf, size_t len)
{
	snprintf(buf, len, "[%s%s%s]", s->name, s->argument ? " " : "",
		 s->argument ? s->argument : "");
	return buf;
}

/* Where a key or section was given: file and line, or the --set it came from. */
static const char *place_of(const struct config_section *s, const struct config_key *k, char *buf,
			    size_t len)
{
	unsigned int line = k ? k->line : s->line;

	if (line)
		snprintf(buf, len, "%s:%u", s->file, line);
	else
		snprintf(buf, len, "--set %s%s%s%s%s", s->name, s->argument ? " " : "",
			 s->argument ? s->argument : "", k ? "." : "", k ? k->key : "");
	return buf;
}

static const struct config_key *last_key(const struct config_section *s, const char *key)
{
	for (unsigned int i = s->n; i > 0; i--)
		if (!strcmp(s->keys[i - 1].key, key))
			return &s->keys[i - 1];
	return NULL;
}

void config_error(struct config_errors *errors, const struct config_section *s, const char *key,
		  const char *fmt, ...)
{
	const struct config_key *k = s && key ? last_key(s, key) : NULL;
	char place[CONFIG_ERROR_LEN / 2] = "", title[CONFIG_ERROR_LEN / 4] = "";
	const char *subject = key ? key : title;
	va_list ap;

	if (s) {
		place_of(s, k, place, sizeof(place));
		section_title(s, title, sizeof(title));
		if (k ? !k->line : !key && !s->line)
			subject = ""; /* --set names it already */
	}
	va_start(ap, fmt);
	config_verror(errors, place, subject, fmt, ap);
	va_end(ap);
}

void config_error_in(struct config_errors *errors, const struct config_section *s, const char *key,
		     const char *part, const char *text)
{
	const struct config_key *k = last_key(s, key);
	char place[CONFIG_ERROR_LEN / 2];

	for (unsigned int i = s->n; i > 0; i--)
		if (!strcmp(s->keys[i - 1].key, key) && strstr(s->keys[i - 1].value, part)) {
			k = &s->keys[i - 1];
			break;
		}
	place_of(s, k, place, sizeof(place));
	error_add(errors, place, k && !k->line ? "" : key, "%s", text);
}

void config_errors_print(const struct config_errors *errors, FILE *to)
{
	for (unsigned int i = 0; i < errors->n && i < CONFIG_ERRORS_MAX; i++)
		fprintf(to, "%s\n", errors->text[i]);
	if (errors->n > CONFIG_ERRORS_MAX)
		fprintf(to, "and %u more\n", errors->n - CONFIG_ERRORS_MAX);
}

static char *copy_string(const char *s)
{
	char *copy = strdup(s);

	if (!copy)
		abort();
	return copy;
}

static struct config_section *find(const struct config *c, const char *name, const char *argument)
{
	for (unsigned int i = 0; i < c->n; i++) {
		struct config_section *s = &c->sections[i];

		if (!strcmp(s->name, name) && !s->argument == !argument &&
		    (!argument || !strcmp(s->argument, argument)))
			return s;
	}
	return NULL;
}

const struct config_section *config_find(const struct config *c, const char *name,
					 const char *argument)
{
	return find(c, name, argument);
}

const char *config_value(const struct config_section *s, const char *key)
{
	const struct config_key *k = last_key(s, key);

	return k ? k->value : NULL;
}

/* Split "name argument" in place at the first run of blanks. Returns the argument or NULL. */
static char *split_title(char *title)
{
	char *argument = title + strcspn(title, " \t");

	if (!*argument)
		return NULL;
	*argument++ = '\0';
	return argument + strspn(argument, " \t");
}

static bool check_kind(const char *name, const char *argument, const char *place,
		       const struct config_kind *kinds, unsigned int n,
		       struct config_errors *errors)
{
	struct nearest nearest = {0};

	for (unsigned int i = 0; i < n; i++) {
		if (strcmp(kinds[i].name, name)) {
			nearest_offer(&nearest, name, kinds[i].name);
			continue;
		}
		if (!argument == !kinds[i].argument)
			return true;
		if (argument)
			error_add(errors, place, "", "[%s %s]: expected [%s], without argument",
				  name, argument, name);
		else
			error_add(errors, place, "", "[%s]: expected an argument, as in [%s %s]",
				  name, name, kinds[i].argument);
		return false;
	}
	if (nearest.word)
		error_add(errors, place, "", "unknown section [%s]; did you mean [%s]?", name,
			  nearest.word);
	else
		error_add(errors, place, "", "unknown section [%s]; the reference lists them",
			  name);
	return false;
}

struct config_section *config_section_add(struct config *c, char *title, unsigned int line,
					  const char *place, const struct config_kind *kinds,
					  unsigned int n, struct config_errors *errors)
{
	char *argument = split_title(title);
	struct config_section *s;

	if (!check_kind(title, argument, place, kinds, n, errors))
		return NULL;
	s = find(c, title, argument);
	if (s && !line)
		return s;
	if (s) {
		error_add(errors, place, "", "[%s%s%s]: given before, at line %u", title,
			  argument ? " " : "", argument ? argument : "", s->line);
		return NULL;
	}
	c->sections = reallocarray(c->sections, c->n + 1, sizeof(*c->sections));
	if (!c->sections)
		abort();
	s = &c->sections[c->n++];
	*s = (struct config_section){
		.name = copy_string(title),
		.argument = argument ? copy_string(argument) : NULL,
		.file = c->file,
		.line = line,
	};
	return s;
}

void config_key_add(struct config_section *s, const char *key, const char *value, unsigned int line)
{
	s->keys = reallocarray(s->keys, s->n + 1, sizeof(*s->keys));
	if (!s->keys)
		abort();
	s->keys[s->n++] = (struct config_key){copy_string(key), copy_string(value), line};
}

/* Cut blanks off both ends, in place. */
static char *trim(char *s)
{
	size_t n;

	s += strspn(s, " \t");
	for (n = strlen(s); n && strchr(" \t", s[n - 1]); n--)
		s[n - 1] = '\0';
	return s;
}

bool config_set(struct config *c, const char *assignment, const struct config_kind *kinds,
		unsigned int n, struct config_errors *errors)
{
	char *text = copy_string(assignment), *equals = strchr(text, '='), *dot = NULL;
	char place[CONFIG_ERROR_LEN / 2], *title, *key;
	struct config_section *s = NULL;

	snprintf(place, sizeof(place), "--set %s", assignment);
	if (equals) {
		*equals = '\0';
		dot = strrchr(text, '.');
	}
	if (dot)
		*dot = '\0';
	title = trim(text);
	key = dot ? trim(dot + 1) : NULL;
	if (!dot || !*title || !*key)
		error_add(errors, place, "", "expected SECTION.KEY=VALUE");
	else
		s = config_section_add(c, title, 0, place, kinds, n, errors);
	if (s)
		config_key_add(s, key, trim(equals + 1), 0);
	free(text);
	return s;
}

static void unknown_key(const struct config_section *s, const struct config_key *k,
			const char *place, const struct option_table *const tables[],
			unsigned int n, struct config_errors *errors)
{
	struct nearest nearest = {0};
	char title[CONFIG_ERROR_LEN / 4];

	for (unsigned int i = 0; i < n; i++)
		for (size_t j = 0; j < tables[i]->n; j++)
			nearest_offer(&nearest, k->key, tables[i]->options[j].key);
	section_title(s, title, sizeof(title));
	if (nearest.word)
		error_add(errors, place, k->line ? k->key : "",
			  "unknown key in %s; did you mean %s?", title, nearest.word);
	else
		error_add(errors, place, k->line ? k->key : "",
			  "unknown key in %s; the reference lists them", title);
}

/* The key's first appearance in the section from the same source, file or --set. */
static const struct config_key *first_alike(const struct config_section *s,
					    const struct config_key *k)
{
	const struct config_key *first = s->keys;

	while (strcmp(first->key, k->key) || !first->line != !k->line)
		first++;
	return first;
}

static bool apply_key(const struct config_section *s, const struct config_key *k,
		      const struct option *o, void *base, const char *place,
		      struct config_errors *errors)
{
	const struct config_key *first = first_alike(s, k);
	char err[CONFIG_ERROR_LEN / 2];

	if (first != k && k->line && o->type != OPTION_LIST) {
		error_add(errors, place, k->key, "given before, at line %u", first->line);
		return false;
	}
	if (first == k && o->type == OPTION_LIST && !option_parse(o, base, "", err, sizeof(err)))
		abort();
	if (option_parse(o, base, k->value, err, sizeof(err)))
		return true;
	error_add(errors, place, k->line ? k->key : "", "%s, not \"%s\"", err, k->value);
	return false;
}

bool config_apply(const struct config_section *s, const struct option_table *const tables[],
		  void *const bases[], unsigned int n, struct config_errors *errors)
{
	char place[CONFIG_ERROR_LEN / 2];
	bool ok = true;

	for (unsigned int j = 0; j < s->n; j++) {
		const struct config_key *k = &s->keys[j];
		const struct option *o = NULL;
		unsigned int i;

		for (i = 0; i < n; i++) {
			o = option_find(tables[i], k->key);
			if (o)
				break;
		}
		place_of(s, k, place, sizeof(place));
		if (!o) {
			unknown_key(s, k, place, tables, n, errors);
			ok = false;
		} else if (!apply_key(s, k, o, bases[i], place, errors)) {
			ok = false;
		}
	}
	return ok;
}

void config_free(struct config *c)
{
	for (unsigned int i = 0; i < c->n; i++) {
		struct config_section *s = &c->sections[i];

		for (unsigned int j = 0; j < s->n; j++) {
			free(s->keys[j].key);
			free(s->keys[j].value);
		}
		free(s->keys);
		free(s->name);
		free(s->argument);
	}
	free(c->sections);
	free(c->file);
	*c = (struct config){0};
}
