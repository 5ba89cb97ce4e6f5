/*
 * Listener arguments: [address:]port[-port].
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "ctl/listen_spec.h"
#include "number.h"

static const char expected[] =
	"expected [ADDRESS:]PORT[-PORT], such as 80, 8000-8999 or 198.18.0.2:80";

static bool refuse(char *err, size_t errlen, const char *why)
{
	snprintf(err, errlen, "%s", why);
	return false;
}

/* Addresses that no packet to a listener can have as its destination. */
static bool is_unicast(uint32_t addr)
{
	return ntohl(addr) >> 24 < 224 && (!addr || ntohl(addr) >> 24 > 0);
}

static bool parse_address(const char *text, size_t len, struct listen_spec *spec, char *err,
			  size_t errlen)
{
	char addr[INET_ADDRSTRLEN];

	if (len >= sizeof(addr))
		return refuse(err, errlen, expected);
	memcpy(addr, text, len);
	addr[len] = '\0';
	if (inet_pton(AF_INET, addr, &spec->addr) != 1)
		return refuse(err, errlen, expected);
	if (!is_unicast(spec->addr))
		return refuse(err, errlen, "TCP listens on unicast addresses only (RFC 9293)");
	return true;
}

static bool parse_ports(const char *text, struct listen_spec *spec, char *err, size_t errlen)
{
	unsigned int first, last;

	if (!parse_uint(&text, UINT16_MAX, &first))
		return refuse(err, errlen, expected);
	last = first;
	if (*text == '-') {
		text++;
		if (!parse_uint(&text, UINT16_MAX, &last))
			return refuse(err, errlen, expected);
	}
	if (*text)
		return refuse(err, errlen, expected);
	if (!first)
		return refuse(err, errlen,
			      "port 0 is reserved (RFC 6335): no client can ask for it; "
			      "expected ports from 1 to 65535");
	if (last < first)
		return refuse(err, errlen, "the range ends before it begins");
	spec->first = (uint16_t)first;
	spec->last = (uint16_t)last;
	return true;
}

bool listen_spec_parse(const char *text, struct listen_spec *spec, char *err, size_t errlen)
{
	const char *colon = strchr(text, ':');
	struct listen_spec s = {0};

	if (*text == '[' || (colon && strchr(colon + 1, ':')))
		return refuse(err, errlen,
			      "IPv6 is not supported in this version; "
			      "expected an IPv4 address, such as 198.18.0.2:80");
	if (colon && !parse_address(text, (size_t)(colon - text), &s, err, errlen))
		return false;
	if (!parse_ports(colon ? colon + 1 : text, &s, err, errlen))
		return false;
	*spec = s;
	return true;
}

bool listen_spec_overlap(const struct listen_spec *a, const struct listen_spec *b)
{
	return a->addr == b->addr && a->first <= b->last && b->first <= a->last;
}

const char *listen_spec_format(const struct listen_spec *spec, char *buf, size_t len)
{
	char addr[INET_ADDRSTRLEN] = "", range[8] = "";

	if (spec->addr)
		inet_ntop(AF_INET, &spec->addr, addr, sizeof(addr));
	if (spec->last != spec->first)
		snprintf(range, sizeof(range), "-%u", spec->last);
	snprintf(buf, len, "%s%s%u%s", addr, *addr ? ":" : "", spec->first, range);
	return buf;
}
