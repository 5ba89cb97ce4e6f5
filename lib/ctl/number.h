/*
 * Decimal digits into a number: no sign, no blanks, nothing that strtoul would also take.
 */
#ifndef PIER_CTL_NUMBER_H
#define PIER_CTL_NUMBER_H

#include <ctype.h>
#include <stdbool.h>

/* The number at *text, at most max; *text is moved behind it. False: no digit, or too large. */
static inline bool parse_uint(const char **text, unsigned int max, unsigned int *value)
{
	unsigned long long v = 0;
	const char *p = *text;

	while (isdigit((unsigned char)*p) && v <= max)
		v = v * 10 + (unsigned int)(*p++ - '0');
	if (p == *text || v > max)
		return false;
	*text = p;
	*value = (unsigned int)v;
	return true;
}

#endif
