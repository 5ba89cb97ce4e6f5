/*
 * The match handler's insides, shared by its files: match.c (callbacks), match_scan.c (scanning),
 * match_act.c (what a match does), match_inner.c (the handler behind it), match_options.c (settings).
 */
#ifndef HANDLERS_MATCH_CONN_H
#define HANDLERS_MATCH_CONN_H

#include <assert.h>

#include "base/compiler.h"
#include "base/option.h"
#include "handlers/handlers.h"
#include "match/db.h"
#include "match/stream.h"

#define TAGS_MAX  64
#define HOLD_MAX  16384u  /* bytes kept for the handler that may take over */
#define LINGER_US (2 * 1000 * 1000)

enum match_action {
	ACT_COUNT, ACT_REPORT, ACT_ANSWER, ACT_TAG,
	/* These end the scanning where they match. */
	ACT_CLOSE, ACT_RESET, ACT_THEN,
};

enum match_dir { DIR_IN, DIR_OUT, DIR_BOTH };
enum match_reply { REPLY_NOTHING, REPLY_ECHO };
enum match_from { FROM_START, FROM_MATCH, FROM_OPEN };
enum match_rest { REST_COMPRESS, REST_DROP, REST_KEEP };

/* Counts of a core behind those of the rules. */
enum match_extra { EXTRA_STOPPED, EXTRA_SKIPPED, EXTRA_OVERFLOW, EXTRA_DEFERRED, EXTRA_TAGS };

struct match_body {
	char *text;
	size_t len;
};

/* What a rule does; at the rule's place. */
struct match_rule_act {
	uint8_t action; /* enum match_action */
	uint8_t dirs;   /* 1 << DIR_IN, 1 << DIR_OUT */
	uint8_t tag;
	bool looks_ahead; /* match_rule_looks_ahead */
	uint32_t body;
	uint32_t max, slot; /* matches on a connection, and where they are counted; 0: no bound */
	uint64_t depth;     /* 0: no bound */
};

struct match_settings {
	char *rules, *cache, *actions, *bounds;
	uint32_t direction; /* enum match_dir */
	uint64_t depth, scan_turn, scan_time, stream_memory;
	uint32_t max_matches, matches_turn;
	uint32_t reply, rest; /* enum match_reply, match_rest */
	uint64_t rest_after;
	char *then, *then_options;
	uint32_t then_from; /* enum match_from */
	uint64_t then_wait;

	/* From here on made by match_setup. */
	struct match_db *db;
	uint64_t scan_ticks; /* scan_time; 0: no limit */
	struct match_rule_act *act;
	struct match_body *bodies;
	uint32_t n_bodies, n_slots;
	char *tags[TAGS_MAX];
	uint32_t n_tags;
	const struct pier_handler *inner;
	void *inner_settings;
	bool inner_set_up;
};

extern const struct option_table match_options;
bool match_setup(void *settings, char *err, size_t errlen);
void match_teardown(void *settings);
void match_stats(const void *settings, pier_stat *add, void *arg);

enum match_phase {
	PHASE_PLAIN, /* match itself answers */
	PHASE_HOLD,  /* nothing is consumed: a handler may want it from the start */
	PHASE_INNER, /* another handler serves */
	PHASE_LINGER, /* FIN is sent, what comes is thrown away */
	PHASE_GONE,  /* closed or reset: nothing more is to be done */
};

/* An answer or report that waits to be sent. */
struct match_pending {
	uint32_t rule;
	uint64_t to;
};

struct match_queue {
	uint32_t n, room, at;
	size_t sent; /* of the one at at */
	struct match_pending e[];
};

#define QUEUE_MAX 4096 /* answers that wait on one connection */

/* Matches at the end of what was scanned, of rules that look ahead: they may be reported once more. */
struct match_late {
	uint32_t n, room;
	struct {
		uint64_t to;
		uint32_t rule;
		uint8_t dir;
	} e[];
};

/* What few connections need. */
struct match_more {
	struct match_queue *queue;
	struct match_late *late;
	uint32_t *slots; /* matches of bounded rules */
};

struct match_conn {
	struct match_inner *inner; /* first: what pier_connect sets of a new connection's context */
	struct match_stream stream[2]; /* DIR_IN, DIR_OUT */
	struct match_more *more; /* NULL: nothing of it */
	uint64_t consumed, tags;
	uint64_t used_at, hold_until;
	uint64_t verdict_at; /* where the rule with the verdict ended, in bytes */
	uint32_t matches;  /* as far as max-matches is concerned */
	uint32_t ahead;    /* bytes scanned that are not consumed */
	uint8_t phase, verdict; /* enum match_phase, match_action */
	bool over[2];      /* a direction's scanning has ended */
	bool ending, eof, armed;
};

static_assert(sizeof(struct match_conn) <= 128, "contexts take powers of two");

/* A handler behind match on one connection; its context is in line. */
struct match_inner {
	struct match_conn *m;
	const struct pier_calls *calls; /* pier's */
	const struct match_settings *settings;
	void *outer_ctx;
	uint64_t due; /* its timer; 0: none */
	bool opened;
	alignas(16) uint8_t ctx[];
};

/* ---- match_scan.c ---- */

/*
 * Scan the slices of a direction where they lie, but for their first skip bytes, within this turn's
 * bounds. Returns the bytes, skip included, that were looked at or need not be: all but what waits
 * for the next turn, or for answers that are to leave first. What was sent does not wait: see
 * match_turn_room.
 */
size_t match_look(struct pier_conn *c, struct match_conn *m, enum match_dir dir,
		  const struct pier_slice *s, unsigned int n, size_t skip);

/* The direction has ended: matches at the end of data. */
void match_look_end(struct pier_conn *c, struct match_conn *m, enum match_dir dir);

/* A callback begins, or the connection ends: a turn may be over with it. */
void match_turn_begin(const struct pier_conn *c);

/* Bytes that match_look would take in this turn, as far as can be foreseen. */
uint64_t match_turn_room(const struct pier_conn *c);

/* Send, and look at what was sent. fixed: data stays unchanged as long as the listener lives. */
size_t match_emit(struct pier_conn *c, struct match_conn *m, const void *data, size_t len, bool fixed);

/* Answers wait to be sent. */
static inline bool match_waits(const struct match_conn *m)
{
	return m->more && m->more->queue;
}

/* Send what waits. Returns whether nothing waits any more. */
bool match_flush(struct pier_conn *c, struct match_conn *m);

/* Give all memory back but that of the handler behind. */
void match_release(const struct pier_conn *c, struct match_conn *m);

/* ---- match_act.c ---- */

/* One call of Hyperscan. */
struct match_pass {
	const struct match_settings *set;
	struct match_core *core;
	struct match_conn *m;
	uint64_t base;       /* bytes before the stream's first */
	uint64_t start, end; /* what is scanned, as offsets in the connection's bytes */
	uint32_t matches;
	enum match_dir dir;
};

/* Hyperscan's callback; arg is a struct match_pass. */
int match_found(unsigned int rule, unsigned long long from, unsigned long long to, unsigned int flags,
		void *arg);

static inline uint64_t *match_extra(const struct match_pass *s, enum match_extra which)
{
	return &s->core->count[s->set->db->rules.n + which];
}

/* ---- match_inner.c ---- */

/* The handler behind match as it sees the connection; in is m->inner. */
struct pier_conn match_wrap(const struct pier_conn *c, struct match_inner *in);

/* Let it serve from now on. False: no memory. */
bool match_inner_open(struct pier_conn *c, struct match_conn *m);
void match_inner_close(struct pier_conn *c, struct match_conn *m, enum pier_close_reason why);

/* ---- match.c ---- */

/* Set the connection's one timer to the earliest of what waits for it. */
void match_arm(struct pier_conn *c, struct match_conn *m);

static inline bool match_looks(const struct match_settings *set, enum match_dir dir)
{
	return set->direction == DIR_BOTH || set->direction == (uint32_t)dir;
}

#endif
