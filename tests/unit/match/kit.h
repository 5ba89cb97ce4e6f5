/*
 * Databases from text, and what a cache's folder holds.
 */
#ifndef TEST_MATCH_KIT_H
#define TEST_MATCH_KIT_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "match/db.h"

static inline struct match_db *open_text(const char *text, const char *cache, uint64_t memory, char *err,
				  size_t errlen)
{
	struct match_rules r;

	if (!match_rules_parse(&r, text, strlen(text), "f", err, errlen))
		fail_msg("%s", err);
	return match_db_open(&r, cache, memory, 1, err, errlen);
}

static inline struct match_db *must_open(const char *text, const char *cache, uint64_t memory)
{
	char err[300] = "";
	struct match_db *db = open_text(text, cache, memory, err, sizeof(err));

	if (!db)
		fail_msg("%s", err);
	return db;
}

/* Files in dir, hidden ones too; the last one's path. */
static inline unsigned int files_in(const char *dir, char *path, size_t len)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	unsigned int n = 0;

	assert_non_null(d);
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) {
			snprintf(path, len, "%s/%s", dir, e->d_name);
			n++;
		}
	closedir(d);
	return n;
}

#endif
