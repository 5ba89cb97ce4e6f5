/*
 * Text into the compound values that configurations hold: CPU lists, and addresses and
 * prefixes of both families. On failure each function writes to err what was expected. Pure; any thread.
 */
#ifndef PIER_CTL_PARSE_H
#define PIER_CTL_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

#define CPU_ID_MAX 1023u

/* An address and how many of its bits name the network. */
struct ip_prefix {
	uint8_t addr[16]; /* as in base/address.h, host part kept */
	uint32_t len;     /* of its family's bits: 0 to 32, or 0 to 128 */
};

/*
 * CPU numbers and ranges, "0-3,8", in the order given, none twice. Writes at most max of them to
 * cpus and returns how many, or -1.
 */
int cpu_list_parse(const char *text, unsigned int *cpus, unsigned int max, char *err,
		   size_t errlen);

/* "198.18.0.2", "fd00:18::2". */
bool ip_parse(const char *text, uint8_t addr[16], char *err, size_t errlen);

/* "198.18.0.2/24", "fd00:18::2/64". */
bool ip_prefix_parse(const char *text, struct ip_prefix *prefix, char *err, size_t errlen);

/* Whether the address is in the network. */
bool ip_prefix_holds(const struct ip_prefix *prefix, const uint8_t addr[16]);

/*
 * Prefixes separated by commas, blanks or line ends, or ranges of them, "198.18.0.2-198.18.0.9/24"; none
 * is an error. Writes at most max of them
 * and returns how many, or -1.
 */
int ip_prefix_list_parse(const char *text, struct ip_prefix *prefixes, unsigned int max,
			 char *err, size_t errlen);

/* The same of addresses without prefix length, and without ranges. */
int ip_list_parse(const char *text, uint8_t (*addrs)[16], unsigned int max, char *err, size_t errlen);

#endif
