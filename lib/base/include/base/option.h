/*
 * Option tables: how a room says what can be configured in it.
 *
 * A table names a section and lists its options: key, type, range, default, help, and where in the
 * room's own struct the value goes. Whoever reads a configuration works over such tables and knows
 * no room; --help and the README's reference are generated from them.
 *
 * Pure libc, any thread, not for the data path. Values of type OPTION_STRING and OPTION_LIST are
 * allocated and belong to the struct; option_free releases them.
 */
#ifndef PIER_BASE_OPTION_H
#define PIER_BASE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum option_type {
	OPTION_BOOL,     /* bool:     yes no on off true false 1 0 */
	OPTION_U32,      /* uint32_t: decimal or 0x hexadecimal */
	OPTION_U64,      /* uint64_t: the same */
	OPTION_SIZE,     /* uint64_t: bytes; suffix k m g (binary) */
	OPTION_COUNT,    /* uint64_t: how many; suffix k m g (thousands) */
	OPTION_DURATION, /* uint64_t: microseconds; suffix us ms s m h d, required but for 0; "inf" */
	OPTION_ENUM,     /* uint32_t: index of the word in names, a NULL-ended array */
	OPTION_STRING,   /* char *:   as it stands, "" is NULL */
	OPTION_LIST,     /* char *:   as OPTION_STRING; the key may be repeated, values joined by '\n' */
};

#define DURATION_INF UINT64_MAX

struct option {
	const char *key;
	enum option_type type;
	size_t offset;            /* of the value in the room's struct */
	uint64_t min, max;        /* inclusive, in the value's unit; both 0: no bound */
	const char *const *names; /* OPTION_ENUM only */
	const char *def;          /* default, spelled as a user would; NULL: zero */
	const char *help;         /* one line, no full stop at its end */
};

struct option_table {
	const char *section; /* as in "[tcp]"; "listen" and "port" take an argument after a space */
	const char *help;
	const struct option *options;
	size_t n;
	size_t size; /* of the struct the values go to */
};

/*
 * Parse text into *value of the option's type. On failure returns false and writes to err what was
 * expected ("expected a duration from 5ms to 1s, such as 200ms"); the value is untouched.
 */
bool option_parse(const struct option *o, void *base, const char *text, char *err, size_t errlen);

/* Write the value, spelled so that option_parse reads it back; returns buf. */
const char *option_format(const struct option *o, const void *base, char *buf, size_t len);

/* Write what the option accepts, in words, for messages and help; returns buf. */
const char *option_expect(const struct option *o, char *buf, size_t len);

/* Set every value of the table to its default. The defaults themselves must parse (asserted). */
void option_defaults(const struct option_table *t, void *base);

/* The option of that key, or NULL. */
const struct option *option_find(const struct option_table *t, const char *key);

/* Release the values the table's options own and set them to NULL. */
void option_free(const struct option_table *t, void *base);

/* Copy from into to (t->size bytes), owned values duplicated. */
void option_copy(const struct option_table *t, void *to, const void *from);

#ifdef __cplusplus
}
#endif

#endif
