/*
 * When a poller was stopped from outside, by its kernel or by the host of a virtual machine.
 *
 * A poller says when each piece of its turn ends. A long piece counts as a gap in two cases only,
 * which nothing that a server does itself brings about:
 *   - it was a piece without work, or with a client's for a few packets: from the end of a server's
 *     turn to its next burst. A server's work, from the burst to the end of the turn, never counts;
 *   - in any piece, the thread was off its CPU for that long: by the kernel's clock against the
 *     thread's CPU time, which goes on however long the work takes.
 * What the host takes from a server at work is therefore not told from work, and stays in.
 */
#ifndef BENCH_GAPS_H
#define BENCH_GAPS_H

#include "kit.h"

#define GAPS_MAX 65536

struct gap {
	uint64_t from, to; /* time-stamp counter */
};

/* Of one poller. */
struct gaps {
	uint64_t mark, limit, per_packet, refresh, refresh_at;
	uint64_t wall, cpu;	 /* ns: CLOCK_MONOTONIC_RAW and CPU time when last read */
	uint64_t waited, worked; /* cycles in pieces of each kind */
	uint64_t long_waits, long_works,
		off_cpu;       /* above the limit; off_cpu: of both, with the CPU taken away */
	uint64_t longest_work; /* of those that are no gap */
	uint64_t dropped;      /* gaps that had no room: the rest is not known */
	unsigned int n;
	struct gap gap[GAPS_MAX];
};

/* Of the calling thread, which polls from now on. copies: its link takes time for each packet. */
void gaps_start(struct gaps *g, bool copies);

void gaps_long(struct gaps *g, uint64_t now, bool waiting);
void gaps_refresh(struct gaps *g, uint64_t now);

/* A piece ends now that had no work of the server in it, with that many packets handed over by the
 * link. */
static inline void gaps_waited(struct gaps *g, uint64_t now, unsigned int packets)
{
	const uint64_t took = now - g->mark;

	g->waited += took;
	if (unlikely(took > g->limit + packets * g->per_packet))
		gaps_long(g, now, true);
	else if (unlikely(now > g->refresh_at))
		gaps_refresh(g, now);
	g->mark = now;
}

/* A piece of work ends now. */
static inline void gaps_worked(struct gaps *g, uint64_t now)
{
	const uint64_t took = now - g->mark;

	g->worked += took;
	if (unlikely(took > g->limit))
		gaps_long(g, now, false);
	g->mark = now;
}

/* As members of a JSON object under a name, with a comma. */
void gaps_print(const char *name, const struct gaps *g);

/* For the poller of another process. Ends the program if it cannot. */
void gaps_write(const struct gaps *g, const char *path);
void gaps_read(struct gaps *g, const char *path);

/*
 * Mark the windows, n of `window` cycles from `start`, that a gap of g touches or that begin before
 * its backlog is surely gone: GAPS_RECOVERY times as long as it was. What is marked depends on the
 * gaps alone.
 */
#define GAPS_RECOVERY 10
void gaps_mark(const struct gaps *g, uint64_t start, uint64_t window, uint8_t *marked, size_t n);

#endif
