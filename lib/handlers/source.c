/*
 * Source: sends as soon as a client has connected, so many bytes and then FIN, or without end, at a
 * pace if asked to. What comes in is thrown away.
 *
 * The stream is one block of 64 KiB again and again, sent by reference: byte i of a connection is byte
 * i modulo 65536 of the block, so a client can check what it got. A paced source asks for its turn
 * only when there is room, so that a slow reader takes no turn away from the others of its core.
 */
#include <stdio.h>

#include "base/option.h"
#include "handlers/handlers.h"
#include "pace.h"
#include "per_core.h"
#include "random.h"

#define BLOCK     (64u << 10)
#define PIECES    16 /* sent in one callback */
#define LINGER_US (2 * US_PER_SEC)

#define SOURCE_COUNTS(X) X(connections) X(bytes) X(completed)

struct source_core {
	uint64_t next; /* of the shared pace */
	CORE_FIELDS(SOURCE_COUNTS)
};

enum source_pattern { PATTERN_COUNT, PATTERN_ZERO, PATTERN_RANDOM };

struct source_settings {
	struct pace_options pace;
	uint64_t bytes, seed;
	uint32_t pattern; /* enum source_pattern */
	uint8_t *block;   /* made by source_setup */
	struct source_core *core;
};

struct source_conn {
	uint64_t sent;
	struct pace_conn pace;
	bool eof, shut;
};

/*
 * All is sent. A close would answer what still comes by a RST, which can overtake the data: FIN goes,
 * and the client has its time to close.
 */
static void finish(struct pier_conn *c, struct source_conn *k)
{
	const struct source_settings *set = c->settings;

	core_count(&per_core(set->core, c)->completed, 1);
	if (k->eof) {
		pier_close(c);
		return;
	}
	k->shut = true;
	pier_shutdown(c);
	pier_set_timer(c, LINGER_US);
}

/* Returns whether there may be more to send in this callback. */
static bool send_piece(struct pier_conn *c, struct source_conn *k)
{
	const struct source_settings *set = c->settings;
	struct source_core *core = per_core(set->core, c);
	const uint32_t at = k->sent % BLOCK;
	uint64_t want = min_of((uint64_t)pier_room(c), (uint64_t)PACE_PIECE_MAX), sent;

	if (set->bytes)
		want = min_of(want, set->bytes - k->sent);
	if (!want) {
		pier_want_writable(c);
		return false;
	}
	want = pace_ask(c, &k->pace, &core->next, &set->pace, want);
	if (!want)
		return false; /* the timer goes on */
	want = min_of(want, (uint64_t)(BLOCK - at));
	sent = pier_send_static(c, set->block + at, want);
	pace_used(&k->pace, sent);
	k->sent += sent;
	core_count(&core->bytes, sent);
	return sent == want;
}

static void fill(struct pier_conn *c)
{
	const struct source_settings *set = c->settings;
	struct source_conn *k = c->ctx;

	if (k->shut || k->pace.waits)
		return;
	for (int i = 0; i < PIECES; i++) {
		if (!send_piece(c, k))
			return;
		if (k->sent == set->bytes) {
			finish(c, k);
			return;
		}
	}
	pier_want_writable(c);
}

static void source_open(struct pier_conn *c)
{
	const struct source_settings *set = c->settings;

	core_count(&per_core(set->core, c)->connections, 1);
	fill(c);
}

static void source_writable(struct pier_conn *c, size_t room)
{
	fill(c);
}

/* A client may shut its side at once and read on, but not for ever. */
static void source_eof(struct pier_conn *c)
{
	const struct source_settings *set = c->settings;
	struct source_conn *k = c->ctx;

	k->eof = true;
	if (k->shut || !set->bytes)
		pier_close(c);
}

static void source_timer(struct pier_conn *c)
{
	struct source_conn *k = c->ctx;

	if (k->shut) {
		pier_close(c);
		return;
	}
	pace_due(&k->pace);
	fill(c);
}

static void source_teardown(void *settings)
{
	struct source_settings *set = settings;

	free(set->core);
	free(set->block);
	set->core = NULL;
	set->block = NULL;
}

static bool source_setup(void *settings, char *err, size_t errlen)
{
	struct source_settings *set = settings;
	uint64_t state = random_sequence(set->seed, 0);

	set->core = per_core_new(sizeof(*set->core));
	set->block = malloc(BLOCK);
	if (!set->core || !set->block) {
		source_teardown(set);
		snprintf(err, errlen, "no memory");
		return false;
	}
	for (uint32_t i = 0; i < BLOCK; i++)
		set->block[i] = set->pattern == PATTERN_ZERO	? 0
				: set->pattern == PATTERN_COUNT ? (uint8_t)i
								: (uint8_t)random_next(&state);
	return true;
}

static void source_stats(const void *settings, pier_stat *add, void *arg)
{
	const struct source_settings *set = settings;

	CORE_STATS(SOURCE_COUNTS, set->core, add, arg);
}

static const char *const pattern_words[] = {"count", "zero", "random", NULL};

#define AT(field) offsetof(struct source_settings, field)
static const struct option options[] = {
	{"bytes", OPTION_SIZE, AT(bytes), 0, 1ull << 50, NULL, "0",
	 "bytes to send, then FIN; 0: without end"},
	PACE_OPTIONS(source_settings, pace),
	{"pattern", OPTION_ENUM, AT(pattern), 0, 0, pattern_words, "count",
	 "what is sent: bytes that count up, zeros, or random bytes; the stream repeats every 64 KiB"},
	{"seed", OPTION_U64, AT(seed), 0, 0, NULL, "1",
	 "of what is random; the same seed, the same bytes"},
};

static const struct option_table source_options = {
	"listen", "Settings of the source handler", options,
	ARRAY_SIZE(options), sizeof(struct source_settings),
};

const struct pier_handler handler_source = {
	.abi = PIER_HANDLER_ABI,
	.size = sizeof(struct pier_handler),
	.name = "source",
	.summary = "send bytes in bulk, so many or without end, at a pace if asked to",
	.ctx_size = sizeof(struct source_conn),
	.options = &source_options,
	.setup = source_setup,
	.teardown = source_teardown,
	.open = source_open,
	.writable = source_writable,
	.eof = source_eof,
	.timer = source_timer,
	.stats = source_stats,
};
