/*
 * What the parts of bench_noport share.
 */
#ifndef BENCH_NOPORT_H
#define BENCH_NOPORT_H

#include "kit.h"
#include "pkt/cap.h"

#define NOPORT_MBUFS   8192
#define NOPORT_WAITING 100000u /* echoes that may wait for their ACK: each keeps an mbuf */

struct noport {
	struct bench_options opt;
	struct port_pools pools;
	double mark; /* cycles of a mark, 0: there are none */
};

/* A port that copies, has no offloads, and takes chains: memif, TAP. */
extern const struct pkt_port noport_cap;

/* n mbufs, or the end of the program. */
void noport_take(struct noport *np, struct rte_mbuf **pkts, unsigned int n);

/* Print the figure of the table alone. */
void noport_lookup(struct noport *np, const char *name, uint32_t n);

/* Measure and print what a refused SYN costs, by a glance or parsed. */
void noport_refuse(struct noport *np, const char *name, bool glance);

/*
 * Traffic through an engine. kind is the part of a scenario's name before the count: echo, request,
 * short, with _rest, _plain, _phases; a 6 behind it: over IPv6. False: it is none of them.
 */
bool noport_traffic(struct noport *np, const char *name, const char *kind, uint32_t n);

/* The names of what noport_traffic knows, for the usage text. */
extern const char noport_kinds[];

#endif
