/*
 * See stats.h.
 */
#include "stats.h"

#define X(name, help) #name,
const char *const load_error_names[LOAD_ERRS] = {LOAD_ERRORS(X)};
#undef X
#define X(name, help) help,
const char *const load_error_helps[LOAD_ERRS] = {LOAD_ERRORS(X)};
#undef X

#define WORDS (sizeof(struct load_counts) / sizeof(uint64_t))

void load_counts_add(struct load_counts *to, const struct load_counts *from)
{
	uint64_t *a = (uint64_t *)to;
	const uint64_t *b = (const uint64_t *)from;

	for (unsigned int i = 0; i < WORDS; i++)
		a[i] += __atomic_load_n(&b[i], __ATOMIC_RELAXED);
}

void load_counts_subtract(struct load_counts *to, const struct load_counts *from)
{
	uint64_t *a = (uint64_t *)to;
	const uint64_t *b = (const uint64_t *)from;

	for (unsigned int i = 0; i < WORDS; i++)
		a[i] -= b[i];
}

uint64_t load_counts_errors(const struct load_counts *c)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < LOAD_ERRS; i++)
		n += c->error[i];
	return n;
}
