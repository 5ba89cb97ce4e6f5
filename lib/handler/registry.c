/*
 * The list of handlers, in the order of registration.
 *
 * A handler that was built when the table was shorter has none of the later callbacks: the list
 * holds a copy of each table, full length, the end of a short one empty.
 */
#include <string.h>

#include "pier/registry.h"

#define SIZE_FIRST offsetof(struct pier_handler, urgent) /* of the API's first version */

static struct pier_handler handlers[HANDLER_MAX];
static unsigned int handler_count;

const char *handler_adopt(const struct pier_handler *h, struct pier_handler *copy)
{
	if (h->abi != PIER_HANDLER_ABI)
		return "built for another version of pier's handler API";
	if (h->size < SIZE_FIRST)
		return "handler struct is too short";
	if (h->size > sizeof(*h))
		return "handler struct is longer than this pier's: built for a newer pier";
	if (!h->name || !*h->name)
		return "handler has no name";
	if (!h->summary)
		return "handler has no summary";
	memset(copy, 0, sizeof(*copy));
	memcpy(copy, h, h->size);
	copy->size = sizeof(*copy);
	return NULL;
}

const char *handler_register(const struct pier_handler *h)
{
	struct pier_handler copy;
	const char *error = handler_adopt(h, &copy);

	if (error)
		return error;
	if (handler_find(h->name))
		return "a handler of that name exists";
	if (handler_count == HANDLER_MAX)
		return "too many handlers";
	handlers[handler_count++] = copy;
	return NULL;
}

const struct pier_handler *handler_find(const char *name)
{
	for (unsigned int i = 0; i < handler_count; i++)
		if (!strcmp(handlers[i].name, name))
			return &handlers[i];
	return NULL;
}

const struct pier_handler *handler_at(unsigned int i)
{
	return i < handler_count ? &handlers[i] : NULL;
}
