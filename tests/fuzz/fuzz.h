/*
 * What a fuzz target defines: libFuzzer calls it, and so does replay.c.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Run one input. Returns 0; a failure aborts. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
