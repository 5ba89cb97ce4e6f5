/*
 * How a config is built up, shared by the reader of files (ini.c) and --set (config.c).
 */
#ifndef PIER_CTL_CONFIG_BUILD_H
#define PIER_CTL_CONFIG_BUILD_H

#include <stdarg.h>

#include "ctl/config.h"

/*
 * The section that title, "name" or "name argument", stands for; title is cut up. From a file
 * (line > 0) it must be new, from --set (line 0) it may exist. NULL: not allowed, reported as found
 * at place.
 */
struct config_section *config_section_add(struct config *c, char *title, unsigned int line,
					  const char *place, const struct config_kind *kinds,
					  unsigned int n, struct config_errors *errors);

/* Append a key; both strings are copied. */
void config_key_add(struct config_section *s, const char *key, const char *value,
		    unsigned int line);

/* Record "place: subject: ..."; an empty place or subject is left out. */
void config_verror(struct config_errors *errors, const char *place, const char *subject,
		   const char *fmt, va_list ap) __attribute__((format(printf, 4, 0)));

#endif
