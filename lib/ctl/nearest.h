/*
 * Which of several words a misspelt one most likely meant.
 */
#ifndef PIER_CTL_NEAREST_H
#define PIER_CTL_NEAREST_H

#include <stddef.h>

/*
 * Edit distance of two words: insertions, deletions, replacements and swaps of neighbours. Words of
 * 64 characters or more count as infinitely far apart.
 */
unsigned int edit_distance(const char *a, const char *b);

/* The best candidate so far. Zeroed before use. */
struct nearest {
	const char *word;
	unsigned int distance;
};

/* Offer one more candidate for word; it is kept if it is near enough and nearer than the last. */
void nearest_offer(struct nearest *n, const char *word, const char *candidate);

#endif
