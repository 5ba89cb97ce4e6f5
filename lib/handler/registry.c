/*
 * The list of handlers, in the order of registration.
 */
#include <string.h>

#include "pier/registry.h"

static const struct pier_handler *handlers[HANDLER_MAX];
static unsigned int handler_count;

const char *handler_register(const struct pier_handler *h)
{
	if (h->abi != PIER_HANDLER_ABI)
		return "built for another version of pier's handler API";
	if (h->size != sizeof(*h))
		return "handler struct has another size than this pier's";
	if (!h->name || !*h->name)
		return "handler has no name";
	if (handler_find(h->name))
		return "a handler of that name exists";
	if (handler_count == HANDLER_MAX)
		return "too many handlers";
	handlers[handler_count++] = h;
	return NULL;
}

const struct pier_handler *handler_find(const char *name)
{
	for (unsigned int i = 0; i < handler_count; i++)
		if (!strcmp(handlers[i]->name, name))
			return handlers[i];
	return NULL;
}

const struct pier_handler *handler_at(unsigned int i)
{
	return i < handler_count ? handlers[i] : NULL;
}
