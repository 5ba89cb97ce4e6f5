/*
 * What a listener listens on, as the argument of its section says it:
 *
 *	80   8000-8999   198.18.0.2:80   198.18.0.2:8000-8010   [fd00:18::2]:80   [fd00:18::2]:8000-8010
 *
 * Without an address, with 0.0.0.0 or [::], it is every local address of both families. Pure; any thread.
 */
#ifndef PIER_CTL_LISTEN_SPEC_H
#define PIER_CTL_LISTEN_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

struct listen_spec {
	uint8_t addr[16];     /* as in base/address.h; all zero: every local address */
	uint16_t first, last; /* ports, host order, inclusive */
};

/* On failure returns false and writes to err what was expected, or why it is refused. */
bool listen_spec_parse(const char *text, struct listen_spec *spec, char *err, size_t errlen);

/*
 * Whether the two claim the same address and port. A listener on one address and one on every
 * address do not: the specific one takes what is for its address.
 */
bool listen_spec_overlap(const struct listen_spec *a, const struct listen_spec *b);

/* Whether it is on every local address. */
bool listen_spec_any(const struct listen_spec *spec);

/* Long enough for any listen_spec in text. */
#define LISTEN_SPEC_LEN (ADDRESS_PORT_TEXT + 8)

/* Write spec as listen_spec_parse reads it; returns buf. */
const char *listen_spec_format(const struct listen_spec *spec, char *buf, size_t len);

#endif
