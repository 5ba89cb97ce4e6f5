/*
 * See base/address.h.
 */
#include <arpa/inet.h>
#include <stdio.h>

#include "base/address.h"

static enum address_kind kind_of_v4(uint8_t first)
{
	if (!first)
		return ADDRESS_UNSPECIFIED;
	if (first == 127)
		return ADDRESS_LOOPBACK;
	return first >= 224 ? ADDRESS_MULTICAST : ADDRESS_UNICAST;
}

enum address_kind address_kind(const uint8_t addr[16])
{
	static const uint8_t any[16];

	if (address_is_v4(addr))
		return kind_of_v4(addr[12]);
	if (addr[0] == 0xff)
		return ADDRESS_MULTICAST;
	if (addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80)
		return ADDRESS_LINK_LOCAL;
	if (address_same_net(addr, any, 127))
		return addr[15] ? ADDRESS_LOOPBACK : ADDRESS_UNSPECIFIED;
	return ADDRESS_UNICAST;
}

/* Of the bits of byte i those before the first `bits` of the address. */
static uint8_t mask_at(unsigned int i, unsigned int bits)
{
	if (bits >= 8 * i + 8)
		return 0xff;
	return bits <= 8 * i ? 0 : (uint8_t)(0xff << (8 * i + 8 - bits));
}

bool address_same_net(const uint8_t a[16], const uint8_t b[16], unsigned int bits)
{
	const unsigned int whole = bits / 8, rest = bits % 8;

	return !memcmp(a, b, whole) && (!rest || !((a[whole] ^ b[whole]) >> (8 - rest)));
}

bool address_rest_is(const uint8_t addr[16], unsigned int bits, bool value)
{
	for (unsigned int i = 0; i < 16; i++)
		if ((addr[i] ^ (value ? 0xff : 0)) & (uint8_t)~mask_at(i, bits))
			return false;
	return true;
}

/* ---- as numbers ---- */

static uint64_t half_of(const uint8_t *p)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

static void half_to(uint8_t *p, uint64_t v)
{
	for (unsigned int i = 8; i; v >>= 8)
		p[--i] = (uint8_t)v;
}

uint64_t address_distance(const uint8_t a[16], const uint8_t b[16])
{
	const uint64_t low = half_of(b + 8) - half_of(a + 8);
	const uint64_t high = half_of(b) - half_of(a) - (half_of(b + 8) < half_of(a + 8));

	return high ? UINT64_MAX : low;
}

void address_add(uint8_t a[16], uint64_t n)
{
	const uint64_t low = half_of(a + 8) + n;

	half_to(a, half_of(a) + (low < n));
	half_to(a + 8, low);
}

/* ---- from text ---- */

static bool refuse(const char **why, const char *text)
{
	*why = text;
	return false;
}

bool address_is_bare_v6(const char *text)
{
	const size_t len = strcspn(text, "[");
	const char *colon = memchr(text, ':', len);

	return colon && memchr(colon + 1, ':', len - (size_t)(colon + 1 - text));
}

bool address_parse(const char *text, size_t len, uint8_t addr[16], const char **why)
{
	char copy[ADDRESS_TEXT];
	uint8_t v6[16];
	uint32_t v4;

	*why = NULL;
	if (memchr(text, '%', len))
		return refuse(why, "expected an address without a zone, such as fe80::1");
	if (len && *text == '[')
		return refuse(why, "expected an address without brackets");
	if (len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (strlen(copy) != len)
		return false;
	if (inet_pton(AF_INET, copy, &v4) == 1) {
		address_from_v4(addr, v4);
		return true;
	}
	if (inet_pton(AF_INET6, copy, v6) != 1)
		return false;
	if (address_is_v4(v6))
		return refuse(why, "expected IPv4 written as 198.18.0.2");
	memcpy(addr, v6, sizeof(v6));
	return true;
}

static bool take_in_brackets(const char **text, uint8_t addr[16], const char **why)
{
	const char *end = strchr(*text, ']');
	uint8_t a[16];

	if (!end)
		return refuse(why, "expected ] behind the address, as in [fd00:18::2]:80");
	if (!address_parse(*text + 1, (size_t)(end - *text) - 1, a, why))
		return false;
	if (address_is_v4(a))
		return refuse(why, "expected IPv4 without brackets, as in 198.18.0.2:80");
	memcpy(addr, a, sizeof(a));
	*text = end + 1;
	return true;
}

bool address_take(const char **text, uint8_t addr[16], const char **why)
{
	const size_t len = strcspn(*text, ":-");

	if (**text == '[')
		return take_in_brackets(text, addr, why);
	if (address_is_bare_v6(*text))
		return refuse(why, "expected an IPv6 address in brackets, as in [fd00:18::2]:80");
	if (!address_parse(*text, len, addr, why))
		return false;
	*text += len;
	return true;
}

bool address_port_parse(const char *text, uint8_t addr[16], uint16_t *port, const char **why)
{
	uint8_t a[16];
	uint32_t v = 0;

	if (!address_take(&text, a, why))
		return false;
	*why = NULL;
	if (*text++ != ':' || !*text)
		return false;
	for (; *text >= '0' && *text <= '9' && v <= UINT16_MAX; text++)
		v = v * 10 + (uint32_t)(*text - '0');
	if (*text || !v || v > UINT16_MAX)
		return false;
	memcpy(addr, a, sizeof(a));
	*port = (uint16_t)v;
	return true;
}

/* ---- to text ---- */

const char *address_format(const uint8_t addr[16], char buf[ADDRESS_TEXT])
{
	const bool v4 = address_is_v4(addr);

	inet_ntop(v4 ? AF_INET : AF_INET6, addr + (v4 ? 12 : 0), buf, ADDRESS_TEXT);
	return buf;
}

const char *address_host_format(const uint8_t addr[16], char buf[ADDRESS_PORT_TEXT])
{
	const bool v4 = address_is_v4(addr);
	char text[ADDRESS_TEXT];

	snprintf(buf, ADDRESS_PORT_TEXT, "%s%s%s", v4 ? "" : "[", address_format(addr, text), v4 ? "" : "]");
	return buf;
}

const char *address_port_format(const uint8_t addr[16], uint16_t port, char buf[ADDRESS_PORT_TEXT])
{
	char host[ADDRESS_PORT_TEXT];

	address_host_format(addr, host);
	snprintf(buf, ADDRESS_PORT_TEXT, "%.*s:%u", ADDRESS_TEXT + 1, host, port);
	return buf;
}
