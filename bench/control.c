/*
 * The loops. Each lane has memory of its own; it is written once, before the clock starts.
 */
#include "control.h"

#include <stdlib.h>

#include <rte_launch.h>
#include <rte_lcore.h>

#include "base/units.h"

#define LANES	    2
#define STEPS	    4096
#define CHAINS	    8
#define CACHE_BYTES (256 * KIB)
#define MEMORY_BYTES (64 * MIB)

const char *const control_names[CONTROLS] = {"alu", "cache", "memory"};

struct loop {
	enum control which;
	uint32_t *next; /* of each line, the line that is read after it */
	uint32_t lines;
	uint64_t run_for, cycles, steps, result;
};

static uint64_t alu(uint64_t seed)
{
	uint64_t a = seed | 1, b = a + 2, c = a + 4, d = a + 6;

	for (unsigned int i = 0; i < STEPS; i++) {
		a *= 0x9e3779b97f4a7c15u;
		b *= 0xbf58476d1ce4e5b9u;
		c *= 0x94d049bb133111ebu;
		d *= 0xd6e8feb86659fd93u;
		__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
	}
	return a ^ b ^ c ^ d;
}

/* chains reads at a time, each of which says where its next one is. */
static inline __attribute__((always_inline)) uint64_t chase(const struct loop *l, uint64_t seed,
							    unsigned int chains)
{
	uint32_t at[CHAINS];

	for (unsigned int k = 0; k < chains; k++)
		at[k] = (uint32_t)((seed + (uint64_t)l->lines * k / chains) % l->lines);
	for (unsigned int i = 0; i < STEPS / chains; i++)
		for (unsigned int k = 0; k < chains; k++)
			at[k] = l->next[(size_t)at[k] * (CACHE_LINE / 4)];
	return at[0] ^ at[chains - 1];
}

static int run(void *arg)
{
	struct loop *l = arg;
	const uint64_t start = rte_rdtsc();

	l->steps = 0;
	do {
		const uint64_t seed = l->result;

		if (l->which == CONTROL_ALU)
			l->result += alu(seed);
		else if (l->which == CONTROL_CACHE)
			l->result += chase(l, seed, 1);
		else
			l->result += chase(l, seed, CHAINS);
		l->steps += STEPS;
		l->cycles = rte_rdtsc() - start;
	} while (l->cycles < l->run_for);
	return 0;
}

/* One circle through all lines, in random order (Sattolo's shuffle). */
static void prepare(struct loop *l, size_t bytes, uint64_t seed)
{
	const size_t step = CACHE_LINE / 4;

	l->next = bench_pages(bytes);
	l->lines = (uint32_t)(bytes / CACHE_LINE);
	for (uint32_t i = 0; i < l->lines; i++)
		l->next[i * step] = i;
	for (uint32_t i = l->lines - 1; i > 0; i--) {
		const uint32_t j = (uint32_t)(bench_random(&seed) % i), x = l->next[i * step];

		l->next[i * step] = l->next[j * step];
		l->next[j * step] = x;
	}
}

double control_rate(enum control which, unsigned int n, uint64_t cycles)
{
	static struct {
		alignas(2 * CACHE_LINE) struct loop loop;
	} lane[CONTROLS][LANES];
	double rate = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct loop *l = &lane[which][i].loop;

		l->which = which;
		l->run_for = cycles;
		if (which != CONTROL_ALU && !l->next)
			prepare(l, which == CONTROL_CACHE ? CACHE_BYTES : MEMORY_BYTES, i + 1);
	}
	if (n > 1 && rte_eal_remote_launch(run, &lane[which][1].loop, rte_get_next_lcore(-1, 1, 0)))
		bench_die("the second CPU does not start");
	run(&lane[which][0].loop);
	rte_eal_mp_wait_lcore();
	for (unsigned int i = 0; i < n; i++) {
		const struct loop *l = &lane[which][i].loop;

		rate += (double)l->steps * (double)rte_get_tsc_hz() / (double)l->cycles;
	}
	return rate;
}
