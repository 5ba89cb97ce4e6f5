/*
 * Dates in words: see date.h. Written digit by digit, as strftime follows the locale and is slow.
 */
#include "date.h"

#include <string.h>
#include <time.h>

static const char *const day_name[] = {
	"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
};

static const char *const month_name[] = {
	"January", "February", "March", "April", "May", "June",
	"July", "August", "September", "October", "November", "December",
};

static struct tm split(int64_t sec)
{
	time_t t = (time_t)sec;
	struct tm tm;

	gmtime_r(&t, &tm);
	return tm;
}

static char *put(char *to, const char *text, size_t len)
{
	memcpy(to, text, len);
	return to + len;
}

static char *put_number(char *to, int value, int digits)
{
	for (int i = digits - 1; i >= 0; i--, value /= 10)
		to[i] = (char)('0' + value % 10);
	return to + digits;
}

static char *put_clock(char *to, const struct tm *tm)
{
	to = put_number(to, tm->tm_hour, 2);
	*to++ = ':';
	to = put_number(to, tm->tm_min, 2);
	*to++ = ':';
	return put_number(to, tm->tm_sec, 2);
}

void date_http(char *to, int64_t sec)
{
	struct tm tm = split(sec);

	to = put(to, day_name[tm.tm_wday], 3);
	to = put(to, ", ", 2);
	to = put_number(to, tm.tm_mday, 2);
	*to++ = ' ';
	to = put(to, month_name[tm.tm_mon], 3);
	*to++ = ' ';
	to = put_number(to, tm.tm_year + 1900, 4);
	*to++ = ' ';
	to = put_clock(to, &tm);
	put(to, " GMT", 4);
}

unsigned int date_daytime(char *to, int64_t sec)
{
	struct tm tm = split(sec);
	char *from = to;

	to = put(to, day_name[tm.tm_wday], strlen(day_name[tm.tm_wday]));
	to = put(to, ", ", 2);
	to = put(to, month_name[tm.tm_mon], strlen(month_name[tm.tm_mon]));
	*to++ = ' ';
	to = put_number(to, tm.tm_mday, tm.tm_mday < 10 ? 1 : 2);
	to = put(to, ", ", 2);
	to = put_number(to, tm.tm_year + 1900, 4);
	*to++ = ' ';
	to = put_clock(to, &tm);
	to = put(to, "-UTC\r\n", 6);
	return (unsigned int)(to - from);
}

int date_month(uint32_t word)
{
	for (int i = 0; i < 12; i++) {
		const char *name = month_name[i];
		uint32_t w = (uint32_t)(name[0] | 0x20) << 16 | (uint32_t)name[1] << 8 | (uint32_t)name[2];

		if (w == word)
			return i + 1;
	}
	return 0;
}

bool date_seconds(const struct date_parts *d, int64_t *sec)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	const bool leap = d->year % 4 == 0 && (d->year % 100 || d->year % 400 == 0);
	struct tm tm = { .tm_year = d->year - 1900, .tm_mon = d->month - 1, .tm_mday = d->day,
			 .tm_hour = d->hour, .tm_min = d->min, .tm_sec = d->sec };

	if (d->year < 1583 || d->year > 9999 || d->month < 1 || d->month > 12 || d->hour > 23 ||
	    d->min > 59 || d->sec > 60)
		return false;
	if (d->day < 1 || d->day > days[d->month - 1] + (d->month == 2 && leap))
		return false;
	*sec = timegm(&tm);
	return true;
}

int64_t date_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME_COARSE, &ts);
	return ts.tv_sec;
}
