/*
 * What the room's files share: devices by name, and the sentence of an error.
 */
#ifndef PIER_PORT_ROOM_H
#define PIER_PORT_ROOM_H

#include <stdarg.h>
#include <string.h>

#include "port/port.h"

#define PAIR_NAME_MAX 12 /* of a ring-pair's name: what fits into a ring's with the rest of it */

static inline bool starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* Write the sentence, return false: "return port_fail(err, errlen, ...)". */
bool port_fail(char *err, size_t errlen, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Find or create the device of cfg and own it; fills id, name, ring_pair and created of p. On
 * failure there is nothing to put back.
 */
bool device_get(const struct port_config *cfg, unsigned int queues, struct port *p, char *err,
		size_t errlen);

/* Remove the socket that an earlier process, which ended without doing so, left where the device makes its own. */
void device_clear(const char *device);

/* The opposite: stop and close the device, remove what device_get created. */
void device_put(struct port *p);

#endif
