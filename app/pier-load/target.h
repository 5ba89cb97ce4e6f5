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
	uint32_t addr; /* IPv4, network order */
	uint16_t port; /* host order */
};

/*
 * "198.18.0.2:80", "198.18.0.2-198.18.0.9:80-89,198.18.1.1". port: where none is given. Returns the
 * number and *out, to be freed, each server once in the order given with ports going round slowest; or
 * -1 and in err what was expected.
 */
int targets_parse(const char *text, uint16_t port, struct target **out, char *err, size_t errlen);

/* How many of the n > 0 targets stand in front that have different addresses. */
uint32_t targets_addresses(const struct target *t, uint32_t n);

/* Ends of a connection to be opened. */
struct tuple {
	uint32_t target, source; /* indices */
	uint16_t port;           /* local, host order */
};

/*
 * All tuples in turn: the server changes fastest, then the source address, then the local port, so that
 * a tuple comes back as late as possible and load is spread evenly.
 */
struct walk {
	uint32_t n_targets, n_sources;
	uint16_t low, high; /* local ports */
	struct tuple next;
};

/* start: any number, for where the ports begin. */
void walk_init(struct walk *w, uint32_t n_targets, uint32_t n_sources, uint16_t low, uint16_t high,
	       uint64_t start);

static inline struct tuple walk_next(struct walk *w)
{
	const struct tuple t = w->next;

	if (++w->next.target < w->n_targets)
		return t;
	w->next.target = 0;
	if (++w->next.source < w->n_sources)
		return t;
	w->next.source = 0;
	w->next.port = w->next.port == w->high ? w->low : (uint16_t)(w->next.port + 1);
	return t;
}

#endif
