/*
 * What two CPUs of this machine do with loops that share nothing and know nothing of packets: the
 * measure for what two workers can do.
 *
 *   alu     four chains of multiplications in registers: two threads of one core would share its units,
 *           and two CPUs that the host takes time or clock from are slower together
 *   cache   reads at random in 256 KiB, each after the other: a core's own caches
 *   memory  the same in 64 MiB, eight at a time: what all cores share, last-level cache and memory
 */
#ifndef BENCH_CONTROL_H
#define BENCH_CONTROL_H

#include "kit.h"

enum control { CONTROL_ALU, CONTROL_CACHE, CONTROL_MEMORY, CONTROLS };

extern const char *const control_names[CONTROLS];

/*
 * Steps a second of n loops (1, or 2) at once for so many cycles, the second on the next lcore.
 * Ends the program if there is no memory.
 */
double control_rate(enum control which, unsigned int n, uint64_t cycles);

#endif
