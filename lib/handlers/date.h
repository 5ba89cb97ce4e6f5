/*
 * Dates in words, always UTC and in English, whatever the locale.
 */
#ifndef HANDLERS_DATE_H
#define HANDLERS_DATE_H

#include <stdbool.h>
#include <stdint.h>

#define DATE_HTTP_LEN 29    /* "Sun, 06 Nov 1994 08:49:37 GMT" */
#define DATE_DAYTIME_MAX 48 /* "Wednesday, September 30, 1982 17:37:43-UTC\r\n" */

/*
 * Write the date of RFC 9110 section 5.6.7, DATE_HTTP_LEN bytes without a NUL. sec is Unix time,
 * in the years 1970 to 9999.
 */
void date_http(char *to, int64_t sec);

/* Write the line of RFC 867; returns its length, at most DATE_DAYTIME_MAX. No NUL. */
unsigned int date_daytime(char *to, int64_t sec);

/* A date taken apart: month from 1, hour to 23; sec may be 60. */
struct date_parts {
	int year, month, day, hour, min, sec;
};

/* The month, from 1, whose three letters, lower case, are the low bytes of word; 0: none. */
int date_month(uint32_t word);

/* Unix time of a date in the years 1583 to 9999. False: there is no such date. */
bool date_seconds(const struct date_parts *d, int64_t *sec);

/* Wall-clock time in seconds. Cheap: a coarse clock, no system call. */
int64_t date_now(void);

#endif
