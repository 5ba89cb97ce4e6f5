/*
 * Where an engine's cycles go, from outside: the linker puts a mark around calls between rooms
 * (-Wl,--wrap), and all time is charged to the stage that was entered last and not yet left. Nothing
 * in lib knows of it.
 *
 * Two programs are linked from the same objects. In bench_noport there are no marks, and stages_on
 * says so; in bench_stages there are, and their own cost, measured at start, is taken off again. A
 * stage whose calls are no longer there (inlined, renamed) is never entered and shows as absent, its
 * cycles in the stage around it.
 */
#ifndef BENCH_STAGES_H
#define BENCH_STAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "pier/handler.h"

/* X(NAME, name). In the order of a packet's way. */
#define STAGES(X)                                                                                  \
	X(REST, rest)       /* between turns: not counted */                                       \
	X(PARSE, parse)     /* pkt_parse_burst */                                                  \
	X(STEER, steer)     /* engine_input's own: address, hash, prefetch */                      \
	X(LOOKUP, lookup)   /* engine_look_ahead: bucket, record and block */                      \
	X(INPUT, input)     /* tcp_input, final lookup included */                                 \
	X(READY, ready)     /* engine_run_ready: who has news, and what is left after it */        \
	X(HANDLER, handler) /* the handler's callbacks and what they send */                       \
	X(OUTPUT, output)   /* engine_output and tcp_output */                                     \
	X(BUILD, build)     /* pkt_build, tcp_seg_finish; fast.c's own is in output */              \
	X(TICK, tick)       /* engine_tick */

enum stage {
#define X(NAME, name) STAGE_##NAME,
	STAGES(X)
#undef X
	STAGES_N
};

extern const char *const stage_names[STAGES_N];

/* Whether this program has marks. */
extern const bool stages_on;

struct stage_times {
	uint64_t cycles[STAGES_N];
	uint64_t entries[STAGES_N];
};

/* Measure what a mark costs. Once. Returns cycles. */
double stages_calibrate(void);

/* Between the two, calls are charged to stages. Adds to *to. */
void stages_begin(void);
void stages_end(struct stage_times *to);

/* By hand, where a call is made from here: returns what stage_leave wants back. */
enum stage stage_enter(enum stage s);
void stage_leave(enum stage before);

/* Cycles of a stage without its marks. */
double stage_cycles(const struct stage_times *t, enum stage s);

/* The same handler with its callbacks marked; itself if there are no marks. One at a time. */
const struct pier_handler *stages_handler(const struct pier_handler *h);

#endif
