/*
 * CPU lists and IPv4 addresses from text.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "ctl/parse.h"
#include "number.h"

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

bool ipv4_parse(const char *text, uint32_t *addr, char *err, size_t errlen)
{
	struct in_addr in;

	if (inet_pton(AF_INET, text, &in) == 1) {
		*addr = in.s_addr;
		return true;
	}
	if (strchr(text, ':'))
		return refuse(err, errlen,
			      "IPv6 is not supported in this version; "
			      "expected an IPv4 address, such as 198.18.0.1");
	return refuse(err, errlen, "expected an IPv4 address, such as 198.18.0.1");
}

bool ipv4_prefix_parse(const char *text, struct ipv4_prefix *prefix, char *err, size_t errlen)
{
	const char *slash = strchr(text, '/'), *digits = slash ? slash + 1 : "";
	char addr[INET_ADDRSTRLEN];
	struct ipv4_prefix p;

	if (strchr(text, ':'))
		return refuse(err, errlen,
			      "IPv6 is not supported in this version; expected an IPv4 address "
			      "with its prefix length, such as 198.18.0.2/24");
	if (slash && (size_t)(slash - text) < sizeof(addr)) {
		memcpy(addr, text, (size_t)(slash - text));
		addr[slash - text] = '\0';
		if (inet_pton(AF_INET, addr, &p.addr) == 1 && parse_uint(&digits, 32, &p.len) &&
		    !*digits) {
			*prefix = p;
			return true;
		}
	}
	return refuse(err, errlen,
		      "expected an IPv4 address with its prefix length, such as 198.18.0.2/24");
}

/* "A/24" or "A-B/24": the first prefix, and how many addresses there are; 0: refused. */
static uint32_t parse_range(char *item, struct ipv4_prefix *first, char *err, size_t errlen)
{
	char *dash = strchr(item, '-'), *slash = strchr(item, '/'), text[64];
	struct ipv4_prefix last;

	if (!dash || !slash || dash > slash)
		return ipv4_prefix_parse(item, first, err, errlen);
	*dash = '\0';
	snprintf(text, sizeof(text), "%s%s", item, slash);
	if (!ipv4_prefix_parse(text, first, err, errlen) ||
	    !ipv4_prefix_parse(dash + 1, &last, err, errlen))
		return 0;
	if (ntohl(first->addr) <= ntohl(last.addr))
		return min_of(ntohl(last.addr) - ntohl(first->addr), UINT32_MAX - 1) + 1;
	refuse(err, errlen, "expected a range of addresses that begins with the lowest");
	return 0;
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

int ipv4_prefix_list_parse(const char *text, struct ipv4_prefix *prefixes, unsigned int max,
			   char *err, size_t errlen)
{
	struct ipv4_prefix first;
	unsigned int n = 0;
	uint32_t count;
	char item[64];

	for (text += strspn(text, blanks); *text || !n; text = behind_separator(text)) {
		size_t len = strcspn(text, separators);

		if (!len && *text) {
			refuse(err, errlen, "expected an address before and behind each comma");
			return -1;
		}
		snprintf(item, sizeof(item), "%.*s", (int)len, text);
		count = parse_range(item, &first, err, errlen);
		if (!count)
			return -1;
		if (count > max - n) {
			refuse(err, errlen, "expected at most %u addresses", max);
			return -1;
		}
		for (uint32_t i = 0; i < count; i++)
			prefixes[n++] = (struct ipv4_prefix){htonl(ntohl(first.addr) + i), first.len};
		text += len;
	}
	return (int)n;
}

uint32_t ipv4_netmask(uint32_t len)
{
	return len ? htonl(UINT32_MAX << (32 - len)) : 0;
}
