/*
 * From rules to databases on every node, through the serialised form: it is what the cache holds, and
 * what is copied to the nodes.
 *
 * Hyperscan gets a rule's place as its id, so that a match is an index, without a search. Combinations
 * name other rules in their expression: the ids there are replaced by places too.
 */
#include "match/db.h"

#include <numa.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "match/pool.h"
#include "room.h"

#define SOME 64 /* what a compressed stream may be larger than an open one */

/* What hs_compile_ext_multi takes. */
struct source {
	const char **expr;
	char **made; /* expressions that are ours to free, or NULL */
	unsigned int *flags, *id;
	hs_expr_ext_t *ext;
	const hs_expr_ext_t **exts;
	unsigned int n, mode;
};

static void *array(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		abort();
	return p;
}

static void source_free(struct source *s)
{
	for (unsigned int i = 0; i < s->n; i++)
		free(s->made[i]);
	free(s->made);
	free(s->expr);
	free(s->flags);
	free(s->id);
	free(s->ext);
	free(s->exts);
}

static bool say(const struct match_rules *r, uint32_t i, uint32_t offset, const char *what, char *err,
		size_t errlen)
{
	snprintf(err, errlen, "%s:%u:%u: rule %u: %s", r->file, r->rule[i].line,
		 r->rule[i].column + offset, r->rule[i].id, what);
	return false;
}

/* A combination with places for ids. */
static bool rewrite(const struct match_rules *r, uint32_t i, char **out, char *err, size_t errlen)
{
	const char *at = r->rule[i].expr;
	char what[64], *end;
	size_t len;
	FILE *f = open_memstream(out, &len);
	bool ok = true;

	if (!f)
		abort();
	while (*at && ok) {
		unsigned long long id;
		int64_t place;

		if (*at < '0' || *at > '9') {
			fputc(*at++, f);
			continue;
		}
		id = strtoull(at, &end, 10);
		place = id <= UINT32_MAX ? match_rules_find(r, (uint32_t)id) : -1;
		snprintf(what, sizeof(what), "there is no rule %llu", id);
		ok = place >= 0 || say(r, i, (uint32_t)(at - r->rule[i].expr), what, err, errlen);
		fprintf(f, "%lld", (long long)place);
		at = end;
	}
	fclose(f);
	return ok;
}

static void fill_bounds(const struct match_rule *u, hs_expr_ext_t *x)
{
	*x = (hs_expr_ext_t){
		.flags = u->bounds,
		.min_offset = u->min_offset,
		.max_offset = u->max_offset,
		.min_length = u->min_length,
		.edit_distance = u->edit_distance,
		.hamming_distance = u->hamming_distance,
	};
}

static bool source_make(struct source *s, const struct match_rules *r, char *err, size_t errlen)
{
	*s = (struct source){
		.expr = array(r->n, sizeof(*s->expr)),
		.made = array(r->n, sizeof(*s->made)),
		.flags = array(r->n, sizeof(*s->flags)),
		.id = array(r->n, sizeof(*s->id)),
		.ext = array(r->n, sizeof(*s->ext)),
		.exts = array(r->n, sizeof(*s->exts)),
		.n = r->n,
		.mode = HS_MODE_STREAM,
	};
	for (uint32_t i = 0; i < r->n; i++) {
		const struct match_rule *u = &r->rule[i];

		if (u->flags & HS_FLAG_COMBINATION && !rewrite(r, i, &s->made[i], err, errlen))
			return false;
		s->expr[i] = s->made[i] ? s->made[i] : u->expr;
		s->flags[i] = u->flags;
		s->id[i] = i;
		fill_bounds(u, &s->ext[i]);
		s->exts[i] = u->bounds ? &s->ext[i] : NULL;
		if (u->flags & HS_FLAG_SOM_LEFTMOST)
			s->mode |= HS_MODE_SOM_HORIZON_LARGE;
	}
	return true;
}

/* Hyperscan tells a position only in words: "... at index 7." */
static void explain(const struct match_rules *r, const hs_compile_error_t *e, char *err,
		    size_t errlen)
{
	const char *index = strstr(e->message, "at index ");
	uint32_t offset = index ? (uint32_t)strtoul(index + 9, NULL, 10) : 0;

	if (e->expression >= 0 && (uint32_t)e->expression < r->n)
		say(r, (uint32_t)e->expression, offset, e->message, err, errlen);
	else
		snprintf(err, errlen, "%s: %s", r->file, e->message);
}

static bool compile(const struct match_rules *r, const struct source *s, struct match_image *image,
		    char *err, size_t errlen)
{
	hs_compile_error_t *e = NULL;
	hs_database_t *db = NULL;
	bool ok;

	if (hs_compile_ext_multi(s->expr, s->flags, s->id, s->exts, s->n, s->mode, NULL, &db, &e) !=
	    HS_SUCCESS) {
		explain(r, e, err, errlen);
		hs_free_compile_error(e);
		return false;
	}
	ok = hs_serialize_database(db, &image->bytes, &image->len) == HS_SUCCESS;
	if (!ok)
		snprintf(err, errlen, "%s: no memory for the database", r->file);
	hs_free_database(db);
	return ok;
}

static hs_database_t *copy_to(const struct match_image *image, size_t size, int node)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (node >= 0)
		numa_tonode_memory(p, size, node);
	if (hs_deserialize_database_at(image->bytes, image->len, p) == HS_SUCCESS)
		return p;
	munmap(p, size);
	return NULL;
}

static bool has_node(int node)
{
	return numa_available() < 0 ? node == 0
				    : numa_bitmask_isbitset(numa_all_nodes_ptr, (unsigned int)node);
}

/* Everything that a database needs beside its rules. */
static bool load(struct match_db *db, const struct match_image *image)
{
	const hs_database_t *any = NULL;

	if (hs_serialized_database_size(image->bytes, image->len, &db->node_size) != HS_SUCCESS)
		return false;
	for (int i = 0; i < MATCH_NODES_MAX; i++) {
		if (!has_node(i))
			continue;
		db->node[i] = copy_to(image, db->node_size, numa_available() < 0 ? -1 : i);
		if (!db->node[i])
			return false;
		any = db->node[i];
	}
	return any && hs_stream_size(any, &db->stream_size) == HS_SUCCESS &&
	       hs_alloc_scratch(any, &db->scratch) == HS_SUCCESS;
}

static void unload(struct match_db *db)
{
	for (int i = 0; i < MATCH_NODES_MAX; i++)
		if (db->node[i])
			munmap(db->node[i], db->node_size);
	memset(db->node, 0, sizeof(db->node));
	hs_free_scratch(db->scratch);
	db->scratch = NULL;
}

static bool from_cache(struct match_db *db, const char *cache, const char *key)
{
	struct match_image image;

	if (!match_cache_load(cache, key, &image))
		return false;
	db->from_cache = load(db, &image);
	if (!db->from_cache)
		unload(db);
	free(image.bytes);
	return db->from_cache;
}

static bool fill(struct match_db *db, const char *cache, char *err, size_t errlen)
{
	struct match_image image = {0};
	char key[MATCH_KEY_LEN + 1];
	struct source s;
	bool ok = source_make(&s, &db->rules, err, errlen);

	if (ok && cache && !match_key(&db->rules, s.mode, key))
		cache = NULL;
	if (ok && (!cache || !from_cache(db, cache, key))) {
		ok = compile(&db->rules, &s, &image, err, errlen);
		if (ok && cache)
			match_cache_store(cache, key, &image, &db->cache_wrong, db->note, sizeof(db->note));
		if (ok && !load(db, &image)) {
			snprintf(err, errlen, "%s: no memory for the database", db->rules.file);
			ok = false;
		}
	}
	free(image.bytes);
	source_free(&s);
	return ok;
}

struct match_db *match_db_open(struct match_rules *r, const char *cache, uint64_t memory,
			       uint32_t extra_counts, char *err, size_t errlen)
{
	struct match_db *db = array(1, sizeof(*db));

	db->rules = *r;
	*r = (struct match_rules){0};
	db->memory = memory;
	db->n_counts = db->rules.n + extra_counts;
	match_pools_use();
	if (fill(db, cache, err, errlen))
		return db;
	match_db_close(db);
	return NULL;
}

static void core_free(struct match_core *core)
{
	if (!core)
		return;
	hs_free_scratch(core->scratch);
	free(core->packed);
	free(core->count);
	free(core);
}

void match_db_close(struct match_db *db)
{
	for (int i = 0; i < MATCH_CORES_MAX; i++)
		core_free(db->core[i]);
	unload(db);
	match_rules_free(&db->rules);
	free(db);
	match_pools_unuse();
}

/* The copy on this CPU's node; a node that has none of its own uses another's. */
static const hs_database_t *nearest(const struct match_db *db)
{
	unsigned int node = 0;

	if (getcpu(NULL, &node) == 0 && node < MATCH_NODES_MAX && db->node[node])
		return db->node[node];
	for (node = 0; !db->node[node]; node++)
		;
	return db->node[node];
}

struct match_core *match_core_make(struct match_db *db)
{
	const int id = match_thread();
	struct match_core *core;

	if (id < 0 || db->core[id])
		return id < 0 ? NULL : db->core[id];
	core = calloc(1, sizeof(*core));
	if (!core)
		return NULL;
	core->db = nearest(db);
	core->memory = db->memory;
	core->stream_bytes = match_pool_bytes(db->stream_size);
	core->packed_size = db->stream_size + SOME;
	core->packed = malloc(core->packed_size);
	core->count = calloc(db->n_counts, sizeof(*core->count));
	if (!core->packed || !core->count ||
	    hs_clone_scratch(db->scratch, &core->scratch) != HS_SUCCESS) {
		core_free(core);
		return NULL;
	}
	__atomic_store_n(&db->core[id], core, __ATOMIC_RELEASE);
	return core;
}

static const struct match_core *core_at(const struct match_db *db, int i)
{
	return __atomic_load_n(&db->core[i], __ATOMIC_ACQUIRE);
}

uint64_t match_count(const struct match_db *db, uint32_t i)
{
	const struct match_core *core;
	uint64_t sum = 0;

	for (int k = 0; k < MATCH_CORES_MAX; k++)
		if ((core = core_at(db, k)))
			sum += __atomic_load_n(&core->count[i], __ATOMIC_RELAXED);
	return sum;
}

void match_usage(const struct match_db *db, struct match_usage *out)
{
	const struct match_core *core;

	*out = (struct match_usage){0};
	for (int k = 0; k < MATCH_CORES_MAX; k++)
		if ((core = core_at(db, k))) {
			out->bytes += __atomic_load_n(&core->bytes, __ATOMIC_RELAXED);
			out->streams += __atomic_load_n(&core->streams, __ATOMIC_RELAXED);
			out->no_memory += __atomic_load_n(&core->no_memory, __ATOMIC_RELAXED);
		}
}
