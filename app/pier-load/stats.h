/*
 * What a generator counts: by one worker, read by the control thread, each number whole.
 */
#ifndef PIER_LOAD_STATS_H
#define PIER_LOAD_STATS_H

#include "algo/hist.h"

/* X(name, help): why a connection or request came to nothing. */
#define LOAD_ERRORS(X)                                                                             \
	X(refused, "the server answered a SYN by RST")                                             \
	X(connect_timeout, "a SYN was not answered within timeout")                                \
	X(unreachable, "no route, or ICMP said so")                                                \
	X(reset, "the server reset an established connection")                                     \
	X(timeout, "no answer, or no more of one, within timeout")                                 \
	X(short, "the server closed before its answer was complete")                               \
	X(wrong, "an answer that does not follow its protocol, or is too long")                    \
	X(status, "an HTTP status other than expected; the connection goes on")                    \
	X(mismatch, "bytes came back other than they were sent")                                   \
	X(not_closed, "the server did not close the connection within timeout")                    \
	X(no_port, "no local port was free")                                                       \
	X(no_memory, "no room for a connection")                                                   \
	X(other, "the connection ended for another reason")

enum load_error {
#define X(name, help) LOAD_ERR_##name,
	LOAD_ERRORS(X)
#undef X
	LOAD_ERRS,
};

extern const char *const load_error_names[LOAD_ERRS], *const load_error_helps[LOAD_ERRS];

/* X(name): counts since the start. */
#define LOAD_COUNTS(X)                                                                             \
	X(connects)   /* connections asked for */                                                  \
	X(port_waits) /* put off: the local ports that were tried are in TIME-WAIT */              \
	X(opened)     /* established */                                                            \
	X(closed)     /* of these ended, however */                                                \
	X(requests)   /* sent */                                                                   \
	X(responses)  /* complete and right; bulk: connections that moved all their bytes */       \
	X(failed)     /* requests that will have no answer */                                      \
	X(again)      /* requests that a server which closed in order has left, and that are asked again */ \
	X(rx_bytes)   /* payload */                                                                \
	X(tx_bytes)   /* payload taken by TCP */                                                   \
	X(turns)      /* of the worker's loop */                                                   \
	X(busy_turns)                                                                              \
	X(received) /* packets, in busy turns */                                                   \
	X(ticks)    /* time in all turns, and in busy ones */                                      \
	X(busy_ticks)                                                                              \
	X(late) /* starts that were due 1 ms before and more, though a connection was free */

struct load_counts {
#define X(name) uint64_t name;
	LOAD_COUNTS(X)
#undef X
	uint64_t error[LOAD_ERRS];
};

/* Latencies in ticks. */
struct load_times {
	struct hist connect, first, complete;
};

/* to += from; from may be in use by its worker. */
void load_counts_add(struct load_counts *to, const struct load_counts *from);
/* to -= from */
void load_counts_subtract(struct load_counts *to, const struct load_counts *from);
uint64_t load_counts_errors(const struct load_counts *c);

#endif
