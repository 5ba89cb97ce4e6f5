/*
 * Listener arguments: [address:]port[-port].
 */
#include <stdio.h>
#include <string.h>

#include "ctl/listen_spec.h"
#include "number.h"

static const char expected[] =
	"expected [ADDRESS:]PORT[-PORT], such as 80, 8000-8999, 198.18.0.2:80 or [fd00:18::2]:80";
static const uint8_t any[16];

static bool refuse(char *err, size_t errlen, const char *why)
{
	snprintf(err, errlen, "%s", why);
	return false;
}

/* An address that a packet to a listener can have as its destination, or the one that stands for all. */
static bool take_address(const char **text, struct listen_spec *spec, char *err, size_t errlen)
{
	const char *why;

	if (!address_take(text, spec->addr, &why))
		return refuse(err, errlen, why ? why : expected);
	if (*(*text)++ != ':')
		return refuse(err, errlen, expected);
	switch (address_kind(spec->addr)) {
	case ADDRESS_UNSPECIFIED:
		if (!address_is_v4(spec->addr) || !address_v4(spec->addr)) {
			memcpy(spec->addr, any, sizeof(any));
			return true;
		}
		break;
	case ADDRESS_MULTICAST:
		break;
	default:
		return true;
	}
	return refuse(err, errlen, "TCP listens on unicast addresses only (RFC 9293)");
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
	struct listen_spec s = {0};

	if ((*text == '[' || strchr(text, ':')) && !take_address(&text, &s, err, errlen))
		return false;
	if (!parse_ports(text, &s, err, errlen))
		return false;
	*spec = s;
	return true;
}

bool listen_spec_overlap(const struct listen_spec *a, const struct listen_spec *b)
{
	return address_equal(a->addr, b->addr) && a->first <= b->last && b->first <= a->last;
}

bool listen_spec_any(const struct listen_spec *spec)
{
	return address_equal(spec->addr, any);
}

const char *listen_spec_format(const struct listen_spec *spec, char *buf, size_t len)
{
	char host[ADDRESS_PORT_TEXT] = "", range[8] = "";

	if (!listen_spec_any(spec))
		address_host_format(spec->addr, host);
	if (spec->last != spec->first)
		snprintf(range, sizeof(range), "-%u", spec->last);
	snprintf(buf, len, "%s%s%u%s", host, *host ? ":" : "", spec->first, range);
	return buf;
}
