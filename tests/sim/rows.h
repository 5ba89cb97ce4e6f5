/*
 * Acceptance of whole transfers. The path unless a test says otherwise: 100 Mbit/s of IP packets,
 * 40 ms, MTU 1500, a drop-tail queue of one bandwidth-delay product in both directions, receive
 * buffer 4 MiB, CUBIC.
 *
 * Each test says what it does by default; ROWS_FULL=1 in the environment runs the whole: 20 seeds,
 * both directions. Each prints its figures.
 */
#ifndef PIER_TESTS_SIM_ROWS_H
#define PIER_TESTS_SIM_ROWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim.h"

#define MS   US_PER_MS
#define SEC  US_PER_SEC
#define MB   1000000ull
#define RATE 100e6
#define RTT  (40 * MS)
#define MSS  1448

/* What a transfer came to. */
struct figures {
	double seconds;         /* from SYN to the last byte read */
	double goodput;         /* payload bit/s over that */
	uint64_t retransmits, rtos, recoveries, undone, probes, segments;
	uint64_t lost;          /* by the link, for whatever reason */
	uint64_t burst;         /* most frames sent in one event */
	uint64_t stall_ms;
};

struct row {
	uint64_t bytes[2];      /* that the client and the server send */
	void (*setup)(struct sim *s, const struct row *r);
	double p;               /* for setup */
	uint64_t us, n;
};

int rows_setup(void **state);
bool rows_full(void);
/* quick or, in full, all. */
unsigned int rows_seeds(unsigned int quick);
/* A queue that is never full: what is sent again then is not slow start's overrun. */
void row_wide(struct sim *s);
/* One run; the figures of what `from` sends. */
struct figures row_run(const struct row *r, uint64_t seed, unsigned int from);
void row_begin(struct sim *s, const struct row *r, uint64_t seed);
/* The figures of a finished or interrupted run. */
struct figures row_figures(const struct sim *s, unsigned int from);
double median(double *v, unsigned int n);
/* T_ref of an ideal CUBIC sender: RFC 9438 section 5.1's response function. */
double t_ref(uint64_t bytes, double p);

#define ROW_TEST(f) cmocka_unit_test(f)

#endif
