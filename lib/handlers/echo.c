/*
 * Echo (RFC 862): what comes in goes out.
 *
 * It keeps nothing. What does not fit into the send queue is left unconsumed, so the receive window
 * closes when the peer does not read its echo; data is called with the rest after writable.
 */
#include "handlers/handlers.h"

static size_t echo_data(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	return pier_send_slices(c, s, n);
}

static void echo_writable(struct pier_conn *c, size_t room)
{
	pier_resume(c);
}

/* Every byte was consumed before this, so every byte was accepted for sending. */
static void echo_eof(struct pier_conn *c)
{
	pier_close(c);
}

const struct pier_handler handler_echo = {
	.abi = PIER_HANDLER_ABI,
	.size = sizeof(struct pier_handler),
	.name = "echo",
	.summary = "send back what is received (RFC 862)",
	.data = echo_data,
	.writable = echo_writable,
	.eof = echo_eof,
};
