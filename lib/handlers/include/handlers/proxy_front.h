/*
 * proxy-protocol = accept | require on a listener, whatever its handler: a handler that stands before
 * it, takes the header off the stream, and tells the one behind whose connection it is.
 *
 * The one behind is opened when the header is complete, and hears nothing before. It sees a
 * connection whose pier_get_info gives the addresses of the header. A listener without one has nothing
 * standing before its handler, and pays nothing.
 */
#ifndef HANDLERS_PROXY_FRONT_H
#define HANDLERS_PROXY_FRONT_H

#include "pier/handler.h"

enum proxy_front_mode {
	PROXY_FRONT_OFF,
	PROXY_FRONT_ACCEPT,  /* a stream without a header is served as it is */
	PROXY_FRONT_REQUIRE, /* and reset */
};

struct proxy_front;

/*
 * Stand before a handler that is set up. timeout_us: for a header to come; 0: for ever. settings are the
 * handler's. Returns NULL without memory. Control thread; to be freed after the last connection, before
 * the handler's teardown.
 */
struct proxy_front *proxy_front_new(const struct pier_handler *inner, const void *settings,
				    enum proxy_front_mode mode, uint64_t timeout_us);
void proxy_front_free(struct proxy_front *f);

/* The handler to be given connections; its settings are f. Its stats give the inner one's too. */
const struct pier_handler *proxy_front_handler(const struct proxy_front *f);

#endif
