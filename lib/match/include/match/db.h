/*
 * A compiled rule set: one copy of the database on each NUMA node, and what each core needs of its
 * own to scan with it: scratch memory and counters. Scanning is stream.h.
 *
 * Opened and closed on the control thread; compiling takes as long as Hyperscan takes, seconds for
 * thousands of rules, hence the cache. A database is read only once it is open, but for the part of
 * each core, which only that core's thread writes.
 */
#ifndef PIER_MATCH_DB_H
#define PIER_MATCH_DB_H

#include <hs.h>

#include "match/rules.h"

#define MATCH_CORES_MAX 128 /* threads that may scan */
#define MATCH_NODES_MAX 8

/* What one thread has of a database. */
struct match_core {
	const hs_database_t *db; /* on its node */
	hs_scratch_t *scratch;
	char *packed;       /* where a stream is compressed: packed_size bytes */
	size_t packed_size;
	size_t stream_bytes; /* what an open stream takes */
	uint64_t memory;    /* bytes of connections that it may hold; 0: no limit */
	uint64_t bytes;     /* of streams, open and compressed, and what else connections took */
	uint64_t streams;   /* of them open */
	uint64_t no_memory; /* streams, and other memory, that could not be had */
	uint64_t *count;    /* n_counts, of whoever scans: matches by rule, and more */
};

struct match_db {
	struct match_rules rules;
	hs_database_t *node[MATCH_NODES_MAX]; /* NULL: no such node */
	size_t node_size;
	hs_scratch_t *scratch;                /* cores clone it */
	size_t stream_size;
	uint64_t memory;                      /* bytes of connections on a core; 0: no limit */
	uint32_t n_counts;
	bool from_cache;
	char note[256];                       /* why the cache was not written; "": it was */
	bool cache_wrong;                     /* ... and will not be: it is no folder, or not ours */
	struct match_core *core[MATCH_CORES_MAX];
};

/*
 * Compile r, which becomes the database's, or load it from the folder cache (NULL: none) if it holds
 * what these rules compile to with this Hyperscan on this CPU. NULL: err says what is wrong, as
 * FILE:LINE:COLUMN: where a rule is. r is released in both cases.
 *
 * Whoever can write to the folder can run code here: a database is trusted as a program is.
 */
struct match_db *match_db_open(struct match_rules *r, const char *cache, uint64_t memory,
			       uint32_t extra_counts, char *err, size_t errlen);

/* No stream of it may be left. Control thread. */
void match_db_close(struct match_db *db);

/* Allocate this thread's part of db: once for each, from match_core. NULL: no memory. */
struct match_core *match_core_make(struct match_db *db);

extern __thread int match_thread_id; /* -1: none yet */

/* This thread's part of db, or NULL: no memory for it. Constant time but for the first call. */
static inline struct match_core *match_core(struct match_db *db)
{
	if (match_thread_id >= 0 && db->core[match_thread_id])
		return db->core[match_thread_id];
	return match_core_make(db);
}

/* Sum of a count over the cores; any thread. i < rules.n + extra_counts. */
uint64_t match_count(const struct match_db *db, uint32_t i);

/* Sums of bytes, streams and no_memory; any thread. */
struct match_usage {
	uint64_t bytes, streams, no_memory;
};
void match_usage(const struct match_db *db, struct match_usage *out);

#endif
