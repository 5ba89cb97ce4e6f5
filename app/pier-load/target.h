/*
 * Who is connected to: servers as text, and the walk over tuples of source address, local port and
 * server.
 */
#ifndef PIER_LOAD_TARGET_H
#define PIER_LOAD_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TARGETS_MAX 65536

struct target {
	uint8_t addr[16]; /* as in base/address.h */
	uint16_t port;    /* host order */
	bool v6;
};

/*
 * "198.18.0.2:80", "198.18.0.2-198.18.0.9:80-89,198.18.1.1", "[fd00:18::2]-[fd00:18::9]:80", and without a port
 * "fd00:18::2". port: where none is given. Returns the
 * number and *out, to be freed, each server once in the order given with ports going round slowest; or
 * -1 and in err what was expected.
 */
int targets_parse(const char *text, uint16_t port, struct target **out, char *err, size_t errlen);

/* How many of the n > 0 targets stand in front that have different addresses. */
uint32_t targets_addresses(const struct target *t, uint32_t n);

/* Ends of a connection to be opened. */
struct tuple {
	uint32_t target; /* index */
	uint32_t source; /* what the family's list says */
	uint16_t port;   /* local, host order */
};

/* Our ends of one family. */
struct walk_ends {
	const uint32_t *sources; /* names of addresses, by which the engine knows them */
	uint32_t n, at;
	uint16_t port; /* local */
};

/*
 * All tuples in turn: the server changes fastest, then the source address, then the local port, so that
 * a tuple comes back as late as possible and load is spread evenly. A server is asked from addresses of its
 * own family: each has its own source and port, and both go on when all servers had their turn.
 */
struct walk {
	const struct target *targets;
	uint32_t n_targets, target;
	uint16_t low, high; /* local ports */
	struct walk_ends ends[2]; /* IPv4, IPv6 */
};

/* n sources of each family: one at least where targets are of it. start: any number, for where the ports begin. */
void walk_init(struct walk *w, const struct target *targets, uint32_t n_targets, const uint32_t *const sources[2],
	       const uint32_t n[2], uint16_t low, uint16_t high, uint64_t start);

static inline void walk_on(const struct walk *w, struct walk_ends *e)
{
	if (++e->at < e->n)
		return;
	e->at = 0;
	e->port = e->port == w->high ? w->low : (uint16_t)(e->port + 1);
}

static inline struct tuple walk_next(struct walk *w)
{
	const struct walk_ends *e = &w->ends[w->targets[w->target].v6];
	const struct tuple t = {w->target, e->sources[e->at], e->port};

	if (++w->target < w->n_targets)
		return t;
	w->target = 0;
	walk_on(w, &w->ends[0]);
	walk_on(w, &w->ends[1]);
	return t;
}

#endif
