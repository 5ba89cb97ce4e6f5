/*
 * A clock for what scanning costs: the time-stamp counter, as Hyperscan is there on x86 only. Any thread.
 */
#ifndef PIER_MATCH_CLOCK_H
#define PIER_MATCH_CLOCK_H

#include <stdint.h>

/* Some 20 cycles. */
uint64_t match_ticks(void);

/* Measured at the first call, which takes 2 ms: control thread. */
uint64_t match_ticks_per_us(void);

#endif
