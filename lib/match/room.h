/*
 * The match room's insides.
 */
#ifndef PIER_MATCH_ROOM_H
#define PIER_MATCH_ROOM_H

#include "match/db.h"
#include "match/rules.h"

/* A line, without its end and without blanks around it, and what was found in it. */
struct match_line {
	const char *text;
	size_t len;
	struct match_rule rule; /* expr is not set */
	size_t expr_len;        /* from rule.column - 1 on */
	uint32_t column;        /* of the error */
	char error[160];
};

/* False: error and column say what is wrong. */
bool match_line_parse(struct match_line *l);

/* ---- cache.c: control thread ---- */

/* A serialised database, malloced. */
struct match_image {
	char *bytes;
	size_t len;
};

/* 128 bits of everything that the database depends on, in hexadecimal. */
#define MATCH_KEY_LEN 32
bool match_key(const struct match_rules *r, unsigned int mode, char key[MATCH_KEY_LEN + 1]);

/* False: there is none, or it is not what was stored. */
bool match_cache_load(const char *dir, const char key[MATCH_KEY_LEN + 1], struct match_image *image);

/*
 * Takes the place of an older one in one step. False: why says what failed. *wrong: nothing can be kept in dir at
 * all. One that is full is nobody's mistake.
 */
bool match_cache_store(const char *dir, const char key[MATCH_KEY_LEN + 1],
		       const struct match_image *image, bool *wrong, char *why, size_t len);

/* ---- pool.c ---- */

/* From the first database on streams come from pools; with the last the pools' memory goes. */
void match_pools_use(void);
void match_pools_unuse(void);

/* This thread's number, below MATCH_CORES_MAX; -1: there were too many threads. */
int match_thread(void);

#endif
