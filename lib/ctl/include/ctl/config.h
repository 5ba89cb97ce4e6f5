/*
 * Configuration: INI text as a list of sections, and its values put into structs by option tables.
 *
 *	[tcp]
 *	idle-timeout = 5m        ; a comment
 *	[listen 80]
 *	handler = http
 *
 * A section is a name and, for some names, an argument. Names are those of the kinds that the
 * caller hands in; keys are those of the option tables it applies: nothing here knows a room. A
 * section may be repeated with another argument, not with the same. A key may be repeated only
 * where its option is a list.
 *
 * Whoever writes a configuration gets all mistakes at once: every function records what it finds in
 * a struct config_errors and goes on. A message names file and line (or --set), the key, and
 * what was expected.
 *
 * Control thread only; work grows with the size of the text. All strings belong to the config.
 */
#ifndef PIER_CTL_CONFIG_H
#define PIER_CTL_CONFIG_H

#include <stdbool.h>
#include <stdio.h>

#include "base/option.h"

struct config_key {
	char *key, *value;
	unsigned int line; /* 0: from --set */
};

struct config_section {
	char *name, *argument; /* argument: NULL where the kind takes none */
	const char *file;      /* belongs to the config */
	unsigned int line;     /* 0: from --set */
	struct config_key *keys;
	unsigned int n;
};

/* Zeroed before use; in the order of the text, then of --set. */
struct config {
	struct config_section *sections;
	unsigned int n;
	char *file;
};

/* A section name that exists. argument: what follows it, as messages put it ("N"); NULL: nothing. */
struct config_kind {
	const char *name;
	const char *argument;
};

#define CONFIG_ERRORS_MAX 20
#define CONFIG_ERROR_LEN  512

/* Zeroed before use. n counts all errors; the first CONFIG_ERRORS_MAX are kept. */
struct config_errors {
	unsigned int n;
	char text[CONFIG_ERRORS_MAX][CONFIG_ERROR_LEN];
};

/*
 * Read the file at path (or an open stream, called file in messages) into an empty config. Returns
 * whether no error was found. Lines may have up to 197 characters, comments any number.
 */
bool config_read(struct config *c, const char *path, const struct config_kind *kinds,
		 unsigned int n, struct config_errors *errors);
bool config_read_stream(struct config *c, FILE *stream, const char *file,
			const struct config_kind *kinds, unsigned int n,
			struct config_errors *errors);

/*
 * Take "section.key=value" as --set gives it, split at the last dot before the first equals sign, so
 * that arguments may contain dots ("listen 198.18.0.2:80.backlog=64"). Overrides what the text says
 * about that key; repeated for a list, the values of --set add up. Adds the section if needed.
 * Pointers to sections are invalid afterwards. Returns whether no error was found.
 */
bool config_set(struct config *c, const char *assignment, const struct config_kind *kinds,
		unsigned int n, struct config_errors *errors);

/* The section of that name and argument (NULL: without), or NULL. */
const struct config_section *config_find(const struct config *c, const char *name,
					 const char *argument);

/* What the section last says about key, or NULL. */
const char *config_value(const struct config_section *s, const char *key);

/*
 * Put the section's values into structs: a key goes to the first of the n tables that has it, into
 * the struct at the same place in bases. What the section does not name stays as it is, so the
 * caller sets defaults first. Reports unknown keys, with the nearest that exists, bad values and
 * repeated keys; returns whether there were none.
 */
bool config_apply(const struct config_section *s, const struct option_table *const tables[],
		  void *const bases[], unsigned int n, struct config_errors *errors);

/*
 * Record an error about a key of the section, or with key NULL about the section, or with section
 * NULL about no place in particular.
 */
void config_error(struct config_errors *errors, const struct config_section *s, const char *key,
		  const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/*
 * Record an error about the value of a key that may be repeated: at the last line of it whose value has
 * part in it, or else at its last.
 */
void config_error_in(struct config_errors *errors, const struct config_section *s, const char *key,
		     const char *part, const char *text);

/* Print the errors kept, one a line, and how many there are beyond. */
void config_errors_print(const struct config_errors *errors, FILE *to);

/* Release everything the config owns and zero it. */
void config_free(struct config *c);

#endif
