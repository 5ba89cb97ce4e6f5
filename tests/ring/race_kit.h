/*
 * Two workers, each on a thread of its own, and their peer on a third: segments of each worker's
 * flows arrive on both queues, with fragments, ICMP errors and ARP among them, while the control side
 * asks for usage and counters.
 */
#ifndef TEST_RING_RACE_KIT_H
#define TEST_RING_RACE_KIT_H

#include "team_kit.h"

/* From start to stop of two workers; asserts that all was answered and nothing is left. */
void race_converse(const struct team_kit_config *cfg);

/* cmocka's group setup, before team_eal_end: EAL with three lcores, and pools that the sanitizer understands. */
int race_eal(void **state);

#endif
