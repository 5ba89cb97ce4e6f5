/*
 * What the benchmark programs share: EAL, cycles, medians, and JSON on standard output.
 */
#ifndef BENCH_KIT_H
#define BENCH_KIT_H

#include <stdio.h>

#include <rte_cycles.h>
#include <rte_mempool.h>

#include "base/compiler.h"
#include "port/port.h"

#define BENCH_RUNS_MAX 128
#define BENCH_NAMES_MAX 32
#define BENCH_BURST    32
#define BENCH_MESSAGE  64 /* bytes of an echo's payload */

struct bench_options {
	unsigned int runs;  /* 5 at least */
	bool quick;         /* shorter runs, smaller tables */
	bool instructions;  /* one run, little of it: for callgrind, which counts, not measures */
	unsigned int cores; /* lcores wanted */
	unsigned int body;  /* bytes of an HTTP body */
	unsigned int message; /* bytes of an echo's payload */
	const char *names[BENCH_NAMES_MAX + 1]; /* what to run; none: a set of the program's own */
};

/* One figure: the values of several runs. */
struct bench_series {
	unsigned int n;
	double v[BENCH_RUNS_MAX];
};

/*
 * Read the command line: --quick, --instructions, --runs N, --body BYTES, --message BYTES, and names.
 * Ends the program with a usage text and status 2 if it is wrong.
 */
void bench_options(struct bench_options *o, int argc, char **argv);

/*
 * Start EAL on the first o->cores CPUs this process may use, with memory_mib of memory: in huge
 * pages if that many are free, else in small ones. Nothing is left in the file system. Returns
 * whether it took huge pages.
 */
bool bench_eal(const struct bench_options *o, unsigned int memory_mib);

/*
 * The end of a program that had bench_eal(): its exit status. memif: EAL's memory is left to the end
 * of the process, for the driver leaves a socket with the interrupt thread, which rte_eal_cleanup()
 * does not end, in memory that it takes away (as app/common/stop.c has it).
 */
int bench_end(bool memif);

/* Both pools, or the end of the program. */
void bench_pools(struct port_pools *pools, unsigned int n);

/* Ends the program with status 1. */
void bench_die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/*
 * Zeroed memory on huge pages, as far as the kernel gives them; free() it. For what the client knows of
 * each of many connections: in small pages its walks through page tables would push those of what is
 * measured out of the caches, on the CPU that both use. Ends the program if there is none.
 */
void *bench_pages(size_t bytes);

/* Seconds that the calling thread waited for a CPU in its life; 0 where the kernel does not say. */
double bench_waited(void);

/* xorshift64: the same order in each run. */
uint64_t bench_random(uint64_t *state);

void bench_add(struct bench_series *s, double v);
double bench_median(const struct bench_series *s);

/*
 * "name": {"median": , "mean": , "min": , "max": , "low": , "high": , "runs": n}, followed by end; low and high
 * are the 10th and the 90th percentile.
 */
void bench_print(const char *name, const struct bench_series *s, const char *end);

#endif
