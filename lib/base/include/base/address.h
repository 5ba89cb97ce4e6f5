/*
 * Addresses of both families and their text: 16 bytes in network order, IPv4 as ::ffff:a.b.c.d (RFC 4291
 * section 2.5.5.2), so that one comparison does for both. Everything that reads or writes an address as
 * text does it here: what is typed in one place is understood in all, and printed as RFC 5952 says.
 * Pure; any thread.
 */
#ifndef PIER_BASE_ADDRESS_H
#define PIER_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ADDRESS_TEXT	  46		      /* the longest, with its NUL */
#define ADDRESS_PORT_TEXT (ADDRESS_TEXT + 8) /* the same in brackets, and a port */

enum address_kind {
	ADDRESS_UNSPECIFIED, /* ::, and 0.0.0.0/8 (RFC 1122 section 3.2.1.3) */
	ADDRESS_LOOPBACK,    /* ::1, 127.0.0.0/8 */
	ADDRESS_MULTICAST,   /* ff00::/8, 224.0.0.0 and above */
	ADDRESS_LINK_LOCAL,  /* fe80::/10: means one link; 169.254.0.0/16 is as any other of IPv4 */
	ADDRESS_UNICAST,
};

/* The IPv4 address be, in network order. */
static inline void address_from_v4(uint8_t addr[16], uint32_t be)
{
	memset(addr, 0, 10);
	memset(addr + 10, 0xff, 2);
	memcpy(addr + 12, &be, sizeof(be));
}

static inline bool address_is_v4(const uint8_t addr[16])
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	return !memcmp(addr, mapped, sizeof(mapped));
}

/* In network order; of an IPv4 address only. */
static inline uint32_t address_v4(const uint8_t addr[16])
{
	uint32_t be;

	memcpy(&be, addr + 12, sizeof(be));
	return be;
}

static inline bool address_equal(const uint8_t a[16], const uint8_t b[16])
{
	return !memcmp(a, b, 16);
}

/* Bits of all 16 bytes before those of the family: a prefix length of len is that of addr plus this. */
static inline unsigned int address_bits_before(const uint8_t addr[16])
{
	return address_is_v4(addr) ? 96 : 0;
}

enum address_kind address_kind(const uint8_t addr[16]);

/* Whether the first bits of a and b, of all 128, are the same. */
bool address_same_net(const uint8_t a[16], const uint8_t b[16], unsigned int bits);

/* Whether all bits behind the first are value, 0 or 1. Of no bits that holds. */
bool address_rest_is(const uint8_t addr[16], unsigned int bits, bool value);

/* b - a for a <= b as numbers; UINT64_MAX if it is that or more. */
uint64_t address_distance(const uint8_t a[16], const uint8_t b[16]);

/* a + n, as numbers. */
void address_add(uint8_t a[16], uint64_t n);

/*
 * The len bytes at text as an address, nothing before or behind it. False: *why is what was expected
 * instead, for what is often mistaken (a zone, brackets, IPv4 inside IPv6), or NULL.
 */
bool address_parse(const char *text, size_t len, uint8_t addr[16], const char **why);

/*
 * The address that a port may follow, at the front of *text: IPv6 in brackets. *text is moved behind it.
 * False: as address_parse.
 */
bool address_take(const char **text, uint8_t addr[16], const char **why);

/* Whether the text can only begin by IPv6 without brackets. */
bool address_is_bare_v6(const char *text);

/* "198.18.0.2:80", "[fd00:18::2]:80", whole; port in host order, not 0. False: as address_parse. */
bool address_port_parse(const char *text, uint8_t addr[16], uint16_t *port, const char **why);

/* As text; return buf. */
const char *address_format(const uint8_t addr[16], char buf[ADDRESS_TEXT]);
const char *address_host_format(const uint8_t addr[16], char buf[ADDRESS_PORT_TEXT]); /* IPv6 in brackets */
const char *address_port_format(const uint8_t addr[16], uint16_t port, char buf[ADDRESS_PORT_TEXT]);

#endif
