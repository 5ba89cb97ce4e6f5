/*
 * The handlers that come with pier. Each is a file of its own and sees nothing but the handler API,
 * as a handler built out of the tree would.
 */
#ifndef HANDLERS_HANDLERS_H
#define HANDLERS_HANDLERS_H

#include "pier/handler.h"

extern const struct pier_handler handler_echo;    /* RFC 862 */
extern const struct pier_handler handler_discard; /* RFC 863 */
extern const struct pier_handler handler_chargen; /* RFC 864 */
extern const struct pier_handler handler_daytime; /* RFC 867 */
extern const struct pier_handler handler_http;    /* RFC 9110, 9112 */
extern const struct pier_handler handler_proxy;   /* to another address */
extern const struct pier_handler handler_rr;      /* request and response */
extern const struct pier_handler handler_sink;    /* bulk in */
extern const struct pier_handler handler_source;  /* bulk out */
extern const struct pier_handler handler_iperf3;
extern const struct pier_handler handler_match;   /* built where there is Hyperscan */

/*
 * Register all of them (pier/registry.h). Returns NULL, or what was wrong with the first that was
 * refused; those before it stay registered. Control thread, once, before workers start.
 */
const char *handlers_register(void);

#endif
