/*
 * Edit distance by three rows of the usual table (the third for swaps).
 */
#include <limits.h>
#include <string.h>

#include "base/compiler.h"
#include "nearest.h"

#define WORD_MAX 64

unsigned int edit_distance(const char *a, const char *b)
{
	unsigned int rows[3][WORD_MAX + 1];
	unsigned int *before = rows[0], *last = rows[1], *row = rows[2], *swap;
	size_t la = strlen(a), lb = strlen(b);

	if (la >= WORD_MAX || lb >= WORD_MAX)
		return UINT_MAX;
	for (size_t j = 0; j <= lb; j++)
		last[j] = (unsigned int)j;
	for (size_t i = 1; i <= la; i++) {
		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= lb; j++) {
			row[j] = last[j - 1] + (a[i - 1] != b[j - 1]);
			row[j] = min_of(row[j], last[j] + 1);
			row[j] = min_of(row[j], row[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = min_of(row[j], before[j - 2] + 1);
		}
		swap = before;
		before = last;
		last = row;
		row = swap;
	}
	return last[lb];
}

void nearest_offer(struct nearest *n, const char *word, const char *candidate)
{
	unsigned int d = edit_distance(word, candidate);

	if (d > 1 + strlen(word) / 5 || (n->word && d >= n->distance))
		return;
	n->word = candidate;
	n->distance = d;
}
