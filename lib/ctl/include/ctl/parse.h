/*
 * Text into the compound values that configurations hold: CPU lists and IPv4 addresses and
 * prefixes. On failure each function writes to err what was expected. Pure; any thread.
 */
#ifndef PIER_CTL_PARSE_H
#define PIER_CTL_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPU_ID_MAX 1023u

/* An address and how many of its bits name the network. */
struct ipv4_prefix {
	uint32_t addr; /* network order, host part kept */
	uint32_t len;  /* 0 to 32 */
};

/*
 * CPU numbers and ranges, "0-3,8", in the order given, none twice. Writes at most max of them to
 * cpus and returns how many, or -1.
 */
int cpu_list_parse(const char *text, unsigned int *cpus, unsigned int max, char *err,
		   size_t errlen);

/* "198.18.0.2" to network order. */
bool ipv4_parse(const char *text, uint32_t *addr, char *err, size_t errlen);

/* "198.18.0.2/24". */
bool ipv4_prefix_parse(const char *text, struct ipv4_prefix *prefix, char *err, size_t errlen);

/*
 * Prefixes separated by commas, blanks or line ends, or ranges of them, "198.18.0.2-198.18.0.9/24"; none
 * is an error. Writes at most max of them
 * and returns how many, or -1.
 */
int ipv4_prefix_list_parse(const char *text, struct ipv4_prefix *prefixes, unsigned int max,
			   char *err, size_t errlen);

/* The netmask of a prefix length, network order. */
uint32_t ipv4_netmask(uint32_t len);

#endif
