/*
 * Rule files, in the format of Hyperscan's own tools: a rule a line,
 *
 *	ID:/REGEX/FLAGS{BOUNDS}
 *
 * ID is a number, once in a file. REGEX ends at the line's last slash. FLAGS are letters: i caseless,
 * s dot matches line feeds, m multi-line, H once a stream, V may match the empty string, 8 UTF-8,
 * W Unicode properties, P prefilter, L leftmost start, C combination of rules ("1 & !2"), Q quiet.
 * BOUNDS, which may be missing: min_offset=, max_offset=, min_length=, edit_distance=,
 * hamming_distance=, separated by commas. Empty lines and lines that begin with # are nothing.
 *
 * Control thread only; work grows with the text. A struct match_rules owns all it points to.
 */
#ifndef PIER_MATCH_RULES_H
#define PIER_MATCH_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MATCH_RULES_MAX 1000000u
#define MATCH_FILE_MAX  (64u << 20) /* a file is smaller, in bytes */

struct match_rule {
	uint32_t id;
	uint32_t line, column; /* of the expression's first byte, from 1 */
	uint32_t flags;        /* HS_FLAG_ */
	char *expr;            /* as the file has it */
	uint64_t bounds;       /* HS_EXT_FLAG_: which of the following are set */
	uint64_t min_offset, max_offset, min_length;
	uint32_t edit_distance, hamming_distance;
};

struct match_rules {
	char *file; /* its name, for messages */
	struct match_rule *rule; /* in the order of the file */
	uint32_t n;
	uint32_t *by_id; /* places in rule, by ascending id */
};

/*
 * Parse a text; file is its name in messages. False: err says FILE:LINE:COLUMN: what is wrong, and
 * r is empty.
 */
bool match_rules_parse(struct match_rules *r, const char *text, size_t len, const char *file,
		       char *err, size_t errlen);

/* The same for the file at path. */
bool match_rules_load(struct match_rules *r, const char *path, char *err, size_t errlen);

/* A file's content, malloced; NULL: err says why. */
char *match_file_read(const char *path, size_t *len, char *err, size_t errlen);

/*
 * Whether a match may depend on what follows it: $, \b, \B, \z, \Z. Such a one is known only when more was
 * scanned, or at the end of data; where the expression has another way to match there too, Hyperscan
 * reports it twice in a stream and once in a block. True for some that do not depend, too.
 */
bool match_rule_looks_ahead(const struct match_rule *u);

/* The place in rule of that id, or -1. */
int64_t match_rules_find(const struct match_rules *r, uint32_t id);

void match_rules_free(struct match_rules *r);

#endif
