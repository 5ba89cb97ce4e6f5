/*
 * Discard (RFC 863): what comes in is thrown away, nothing goes out; the peer's FIN ends it.
 *
 * That is what pier does for a handler without callbacks, so this one has none: no byte of a
 * received payload is touched.
 */
#include "handlers/handlers.h"

const struct pier_handler handler_discard = {
	.abi = PIER_HANDLER_ABI,
	.size = sizeof(struct pier_handler),
	.name = "discard",
	.summary = "throw away what is received (RFC 863)",
};
