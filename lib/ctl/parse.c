/*
 * CPU lists, addresses and their ranges from text.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "ctl/parse.h"
#include "number.h"

#define ITEM_MAX 112 /* a range of the longest addresses, with its NUL */

static const char separators[] = ", \t\n", blanks[] = " \t\n";

static __attribute__((format(printf, 3, 4))) bool refuse(char *err, size_t errlen, const char *fmt,
							 ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, errlen, fmt, ap);
	va_end(ap);
	return false;
}

/* One item of a CPU list, a number or a range; *text is moved behind it. */
static bool cpu_range(const char **text, unsigned int *first, unsigned int *last)
{
	if (!parse_uint(text, CPU_ID_MAX, first))
		return false;
	*last = *first;
	if (**text != '-')
		return true;
	(*text)++;
	return parse_uint(text, CPU_ID_MAX, last) && *last >= *first;
}

static bool cpu_add(unsigned int cpu, unsigned int *cpus, unsigned int *n, unsigned int max,
		    char *err, size_t errlen)
{
	for (unsigned int i = 0; i < *n; i++)
		if (cpus[i] == cpu)
			return refuse(err, errlen, "CPU %u is named twice", cpu);
	if (*n == max)
		return refuse(err, errlen, "expected at most %u CPUs", max);
	cpus[(*n)++] = cpu;
	return true;
}

int cpu_list_parse(const char *text, unsigned int *cpus, unsigned int max, char *err, size_t errlen)
{
	unsigned int n = 0, first, last;

	for (;; text++) {
		text += strspn(text, " \t");
		if (!cpu_range(&text, &first, &last))
			break;
		for (unsigned int cpu = first; cpu <= last; cpu++)
			if (!cpu_add(cpu, cpus, &n, max, err, errlen))
				return -1;
		text += strspn(text, " \t");
		if (!*text)
			return (int)n;
		if (*text != ',')
			break;
	}
	refuse(err, errlen, "expected CPU numbers from 0 to %u and ranges, such as 0-3,8",
	       CPU_ID_MAX);
	return -1;
}

static const char want_address[] = "expected an address, such as 198.18.0.1 or fd00:18::1";
static const char want_prefix[] =
	"expected an address with its prefix length, such as 198.18.0.2/24 or fd00:18::2/64";

bool ip_parse(const char *text, uint8_t addr[16], char *err, size_t errlen)
{
	const char *why;

	return address_parse(text, strlen(text), addr, &why) ||
	       refuse(err, errlen, "%s, not \"%s\"", why ? why : want_address, text);
}

bool ip_prefix_parse(const char *text, struct ip_prefix *prefix, char *err, size_t errlen)
{
	const char *slash = strchr(text, '/'), *digits = slash ? slash + 1 : "", *why = NULL;
	struct ip_prefix p;

	if (!address_parse(text, slash ? (size_t)(slash - text) : strlen(text), p.addr, &why))
		return refuse(err, errlen, "%s, not \"%s\"", why ? why : want_prefix, text);
	if (!parse_uint(&digits, address_is_v4(p.addr) ? 32 : 128, &p.len) || *digits)
		return refuse(err, errlen, "%s, not \"%s\"", want_prefix, text);
	*prefix = p;
	return true;
}

bool ip_prefix_holds(const struct ip_prefix *prefix, const uint8_t addr[16])
{
	return address_is_v4(addr) == address_is_v4(prefix->addr) &&
	       address_same_net(addr, prefix->addr, address_bits_before(addr) + prefix->len);
}

/* "A/24" or "A-B/24": the first prefix, and how many addresses there are; 0: refused. */
static uint64_t parse_range(char *item, struct ip_prefix *first, char *err, size_t errlen)
{
	char *dash = strchr(item, '-'), *slash = strchr(item, '/'), text[ITEM_MAX];
	struct ip_prefix last;

	if (!dash || !slash || dash > slash)
		return ip_prefix_parse(item, first, err, errlen);
	*dash = '\0';
	snprintf(text, sizeof(text), "%s%s", item, slash);
	if (!ip_prefix_parse(text, first, err, errlen) ||
	    !ip_prefix_parse(dash + 1, &last, err, errlen))
		return 0;
	*dash = '-';
	if (address_is_v4(first->addr) != address_is_v4(last.addr))
		return refuse(err, errlen, "expected a range of one family, not \"%s\"", item);
	if (memcmp(first->addr, last.addr, sizeof(last.addr)) > 0)
		return refuse(err, errlen, "expected a range of addresses that begins with the lowest, not \"%s\"",
			      item);
	return min_of(address_distance(first->addr, last.addr), UINT64_MAX - 1) + 1;
}

/* The next item: behind blanks, a comma, or a comma among blanks; behind a comma there has to be one. */
static const char *behind_separator(const char *text)
{
	const char *next = text + strspn(text, blanks);

	if (*next != ',')
		return next;
	next += 1 + strspn(next + 1, blanks);
	return *next ? next : text + strspn(text, blanks);
}

/* The item at *text, which is moved behind it. False: there is none. */
static bool next_item(const char **text, char item[ITEM_MAX])
{
	size_t len = strcspn(*text, separators);

	snprintf(item, ITEM_MAX, "%.*s", (int)min_of(len, (size_t)ITEM_MAX), *text);
	*text += len;
	return len;
}

int ip_prefix_list_parse(const char *text, struct ip_prefix *prefixes, unsigned int max,
			 char *err, size_t errlen)
{
	struct ip_prefix first;
	unsigned int n = 0;
	uint64_t count;
	char item[ITEM_MAX];

	for (text += strspn(text, blanks); *text || !n; text = behind_separator(text)) {
		if (!next_item(&text, item) && *text) {
			refuse(err, errlen, "expected an address before and behind each comma");
			return -1;
		}
		count = parse_range(item, &first, err, errlen);
		if (!count)
			return -1;
		if (count > max - n) {
			refuse(err, errlen, "expected at most %u addresses", max);
			return -1;
		}
		for (uint64_t i = 0; i < count; i++, address_add(first.addr, 1))
			prefixes[n++] = first;
	}
	return (int)n;
}

int ip_list_parse(const char *text, uint8_t (*addrs)[16], unsigned int max, char *err, size_t errlen)
{
	unsigned int n = 0;
	char item[ITEM_MAX];

	for (text += strspn(text, blanks); *text || !n; text = behind_separator(text)) {
		if (!next_item(&text, item) && *text) {
			refuse(err, errlen, "expected an address before and behind each comma");
			return -1;
		}
		if (n == max) {
			refuse(err, errlen, "expected at most %u addresses", max);
			return -1;
		}
		if (!ip_parse(item, addrs[n++], err, errlen))
			return -1;
	}
	return (int)n;
}
