/*
 * The handlers known by name. Filled once at start by whoever composes the program, then only read.
 */
#ifndef PIER_REGISTRY_H
#define PIER_REGISTRY_H

#include "pier/handler.h"

#define HANDLER_MAX 64

/*
 * Add a handler: the table is copied, what it points to must outlive the registry. One that is shorter
 * than this pier's gets no later callbacks. Returns NULL, or what is wrong with it (ABI version, size,
 * a name taken, no room). Control thread, before workers start.
 */
const char *handler_register(const struct pier_handler *h);

/*
 * Copy a handler's table to its full length, for one that is used without the registry. Returns NULL, or
 * what is wrong with it, as above but for the name being taken.
 */
const char *handler_adopt(const struct pier_handler *h, struct pier_handler *copy);

/* The handler of that name, or NULL. */
const struct pier_handler *handler_find(const char *name);

/* The i-th registered handler, or NULL past the last. */
const struct pier_handler *handler_at(unsigned int i);

#endif
