/*
 * See target.h.
 */
#include "target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/compiler.h"

struct range {
	uint8_t first[16], last[16]; /* addresses */
	uint32_t low, high;          /* ports */
};

static bool fail(char *err, size_t errlen, const char *why, const char *text)
{
	snprintf(err, errlen, "%s, not \"%s\"", why, text);
	return false;
}

/* ---- addresses ---- */

/* One end of a range at the front of *text: as a port may follow, or, without ports, bare. */
static bool take_address(const char **text, bool bare, uint8_t addr[16], const char **why)
{
	const size_t len = strcspn(*text, "-");

	if (!bare)
		return address_take(text, addr, why);
	if (!address_parse(*text, len, addr, why))
		return false;
	*text += len;
	return true;
}

static const char *check_range(const struct range *r)
{
	const enum address_kind kinds[] = {address_kind(r->first), address_kind(r->last)};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i] != ADDRESS_UNICAST && kinds[i] != ADDRESS_LINK_LOCAL)
			return "expected the address of another host";
	if (address_is_v4(r->first) != address_is_v4(r->last))
		return "expected a range of one family";
	if (memcmp(r->first, r->last, sizeof(r->last)) > 0)
		return "expected a range that begins with the lower end";
	return NULL;
}

/* "A", "A-B", at the front of *text. */
static bool take_addresses(const char **text, struct range *r, const char **why)
{
	const char *at = *text;
	const bool bare = address_is_bare_v6(at) && !strchr(at, '[');

	if (!take_address(&at, bare, r->first, why))
		return false;
	memcpy(r->last, r->first, sizeof(r->last));
	if (*at == '-') {
		at++;
		if (!take_address(&at, bare, r->last, why))
			return false;
	}
	*text = at;
	*why = check_range(r);
	return !*why;
}

/* ---- ports ---- */

static bool parse_port(const char *text, uint32_t *port, char *err, size_t errlen)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || v < 1 || v > 65535)
		return fail(err, errlen, "expected a port from 1 to 65535", text);
	*port = (uint32_t)v;
	return true;
}

/* "P" or "P-Q", in place; a range that goes down is refused. */
static bool parse_ports(char *text, struct range *r, char *err, size_t errlen)
{
	char *dash = strchr(text, '-');

	if (dash)
		*dash = '\0';
	if (!parse_port(text, &r->low, err, errlen))
		return false;
	r->high = r->low;
	if (!dash)
		return true;
	if (!parse_port(dash + 1, &r->high, err, errlen))
		return false;
	*dash = '-';
	return r->low <= r->high ||
	       fail(err, errlen, "expected a range that begins with the lower end", text);
}

/* ---- both ---- */

static bool parse_range(char *text, uint16_t port, struct range *r, char *err, size_t errlen)
{
	static const char expected[] = "expected ADDRESS[-ADDRESS][:PORT[-PORT]], IPv6 with a port in brackets";
	const char *at = text, *why;

	if (!take_addresses(&at, r, &why))
		return fail(err, errlen, why ? why : expected, text);
	r->low = r->high = port;
	if (!*at)
		return true;
	if (*at != ':')
		return fail(err, errlen, expected, text);
	return parse_ports(text + (at + 1 - text), r, err, errlen);
}

static bool add_range(struct target **list, int *n, const struct range *r, char *err, size_t errlen)
{
	const uint64_t addrs = min_of(address_distance(r->first, r->last), (uint64_t)TARGETS_MAX) + 1;
	const uint64_t ports = r->high - r->low + 1;
	struct target t = {.v6 = !address_is_v4(r->first)};

	if ((uint64_t)*n + addrs * ports > TARGETS_MAX) {
		snprintf(err, errlen, "expected at most %d servers, addresses times ports",
			 TARGETS_MAX);
		return false;
	}
	*list = reallocarray(*list, (size_t)*n + addrs * ports, sizeof(**list));
	if (!*list)
		abort();
	for (uint32_t port = r->low; port <= r->high; port++) {
		t.port = (uint16_t)port;
		memcpy(t.addr, r->first, sizeof(t.addr));
		for (uint64_t i = 0; i < addrs; i++, address_add(t.addr, 1))
			(*list)[(*n)++] = t;
	}
	return true;
}

uint32_t targets_addresses(const struct target *t, uint32_t n)
{
	uint32_t i = 1;

	while (i < n && t[i].port == t[0].port && !address_equal(t[i].addr, t[0].addr))
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
		ok = fail(err, errlen, "expected a server, such as 198.18.0.2:80 or [fd00:18::2]:80", text);
	free(copy);
	if (!ok) {
		free(list);
		return -1;
	}
	*out = list;
	return n;
}

void walk_init(struct walk *w, const struct target *targets, uint32_t n_targets, const uint32_t *const sources[2],
	       const uint32_t n[2], uint16_t low, uint16_t high, uint64_t start)
{
	*w = (struct walk){.targets = targets, .n_targets = n_targets, .low = low, .high = high};
	for (unsigned int i = 0; i < 2; i++)
		w->ends[i] = (struct walk_ends){
			.sources = sources[i],
			.n = n[i],
			.port = (uint16_t)(low + start % ((uint64_t)high - low + 1)),
		};
}
