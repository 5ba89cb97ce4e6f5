/*
 * A listener version: what a port offers, immutable from the moment a worker knows it. A change of
 * configuration makes a new version; connections keep the one they were opened under, and each
 * worker counts its connections per version, so that the last one at zero can be freed.
 */
#ifndef PIER_TCP_LISTENER_H
#define PIER_TCP_LISTENER_H

#include "base/compiler.h"
#include "pier/handler.h"
#include "tcp/chaos.h"
#include "tcp/options.h"

#define LISTENER_ANY UINT32_MAX /* any local address */

struct listener {
	const struct pier_handler *handler;
	void *settings;         /* of handler->options->size bytes, set up; shared, read only */
	struct tcp_options tcp;
	uint32_t local;         /* index of the local address, or LISTENER_ANY */
	uint16_t port_lo, port_hi; /* inclusive, host order */
	uint32_t backlog;       /* half-open connections at most; 0: no limit of its own */
	const struct chaos *chaos; /* faults on purpose; NULL: none */

	/* By listener_prepare. */
	uint8_t rcv_wscale;     /* from rcvbuf */
	uint32_t conn_flags;    /* enum tcp_conn_flag that its connections begin with */

	/* By engine_misbehave, with chaos. */
	const struct pier_handler *inner; /* what handler was */
	struct pier_handler outer;        /* what handler is: it stands before inner */
};

/* Derive what is computed from the options. Once, before any worker sees the listener. */
void listener_prepare(struct listener *l);

/* The window of a SYN or SYN-ACK is not scaled, but the next ones are: no bits that those cannot say. */
static inline uint16_t tcp_first_window(const struct listener *l, unsigned int scale)
{
	const uint64_t buf = min_of(l->tcp.rcvbuf, l->tcp.rcvbuf_initial);

	return (uint16_t)(min_of(buf, 0xffffull) >> scale << scale);
}

#endif
