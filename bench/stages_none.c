/*
 * In bench_noport nothing is marked.
 */
#include "stages.h"

const bool stages_on = false;
