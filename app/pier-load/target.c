/*
 * See target.h.
 */
#include "target.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/parse.h"

struct range {
	uint32_t first, last; /* addresses, host order */
	uint32_t low, high;   /* ports */
};

static bool fail(char *err, size_t errlen, const char *why, const char *text)
{
	snprintf(err, errlen, "%s, not \"%s\"", why, text);
	return false;
}

static bool looks_like_v6(const char *text)
{
	const char *colon = strchr(text, ':');

	return *text == '[' || (colon && strchr(colon + 1, ':'));
}

static bool parse_address(const char *text, uint32_t *addr, char *err, size_t errlen)
{
	char why[128];
	uint32_t v;

	if (!ipv4_parse(text, &v, why, sizeof(why)))
		return fail(err, errlen,
			    "expected ADDRESS[-ADDRESS][:PORT[-PORT]] with IPv4 addresses", text);
	*addr = ntohl(v);
	if (*addr >> 24 == 0 || *addr >> 24 == 127 || *addr >> 24 >= 224)
		return fail(err, errlen, "expected the address of another host", text);
	return true;
}

static bool parse_port(const char *text, uint32_t *port, char *err, size_t errlen)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || v < 1 || v > 65535)
		return fail(err, errlen, "expected a port from 1 to 65535", text);
	*port = (uint32_t)v;
	return true;
}

/* "A" or "A-B" in place, each by parse; a range that goes down is refused. */
static bool parse_pair(char *text, bool (*parse)(const char *, uint32_t *, char *, size_t),
		       uint32_t *first, uint32_t *last, char *err, size_t errlen)
{
	char *dash = strchr(text, '-');

	if (dash)
		*dash = '\0';
	if (!parse(text, first, err, errlen))
		return false;
	*last = *first;
	if (!dash)
		return true;
	if (!parse(dash + 1, last, err, errlen))
		return false;
	*dash = '-';
	return *first <= *last ||
	       fail(err, errlen, "expected a range that begins with the lower end", text);
}

static bool parse_range(char *text, uint16_t port, struct range *r, char *err, size_t errlen)
{
	char *colon;

	if (looks_like_v6(text))
		return fail(err, errlen, "expected an IPv4 address: there is no IPv6 here yet",
			    text);
	colon = strchr(text, ':');
	r->low = r->high = port;
	if (colon) {
		*colon = '\0';
		if (!parse_pair(colon + 1, parse_port, &r->low, &r->high, err, errlen))
			return false;
	}
	return parse_pair(text, parse_address, &r->first, &r->last, err, errlen);
}

static bool add_range(struct target **list, int *n, const struct range *r, char *err, size_t errlen)
{
	const uint64_t addrs = (uint64_t)r->last - r->first + 1, ports = r->high - r->low + 1;

	if ((uint64_t)*n + addrs * ports > TARGETS_MAX) {
		snprintf(err, errlen, "expected at most %d servers, addresses times ports",
			 TARGETS_MAX);
		return false;
	}
	*list = reallocarray(*list, (size_t)*n + addrs * ports, sizeof(**list));
	if (!*list)
		abort();
	for (uint32_t port = r->low; port <= r->high; port++)
		for (uint64_t a = r->first; a <= r->last; a++)
			(*list)[(*n)++] = (struct target){htonl((uint32_t)a), (uint16_t)port};
	return true;
}

uint32_t targets_addresses(const struct target *t, uint32_t n)
{
	uint32_t i = 1;

	while (i < n && t[i].port == t[0].port && t[i].addr != t[0].addr)
		i++;
	return i;
}

int targets_parse(const char *text, uint16_t port, struct target **out, char *err, size_t errlen)
{
	char *copy = strdup(text), *word, *save = NULL;
	struct target *list = NULL;
	bool ok = true;
	struct range r;
	int n = 0;

	if (!copy)
		abort();
	for (word = strtok_r(copy, ", \t\n", &save); word && ok;
	     word = strtok_r(NULL, ", \t\n", &save))
		ok = parse_range(word, port, &r, err, errlen) &&
		     add_range(&list, &n, &r, err, errlen);
	if (ok && !n)
		ok = fail(err, errlen, "expected a server, such as 198.18.0.2:80", text);
	free(copy);
	if (!ok) {
		free(list);
		return -1;
	}
	*out = list;
	return n;
}

void walk_init(struct walk *w, uint32_t n_targets, uint32_t n_sources, uint16_t low, uint16_t high,
	       uint64_t start)
{
	*w = (struct walk){.n_targets = n_targets, .n_sources = n_sources, .low = low, .high = high};
	w->next.port = (uint16_t)(low + start % ((uint64_t)high - low + 1));
}
