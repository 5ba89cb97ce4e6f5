/*
 * Daytime (RFC 867): one line with the date and time, in UTC, then close. What comes in is thrown
 * away. The context is the time of the open, so that a line sent in pieces is one line.
 */
#include "date.h"
#include "handlers/handlers.h"

struct daytime {
	uint32_t sec; /* Unix time */
	uint32_t sent;
};

static void daytime_send(struct pier_conn *c, size_t room)
{
	struct daytime *d = c->ctx;
	char line[DATE_DAYTIME_MAX];
	uint32_t len = date_daytime(line, d->sec);

	d->sent += (uint32_t)pier_send(c, line + d->sent, len - d->sent);
	if (d->sent == len)
		pier_close(c);
}

static void daytime_open(struct pier_conn *c)
{
	struct daytime *d = c->ctx;

	d->sec = (uint32_t)date_now();
	daytime_send(c, 0);
}

/* The peer may close its side before it has read the line; the line closes ours. */
static void daytime_eof(struct pier_conn *c)
{
}

const struct pier_handler handler_daytime = {
	.abi = PIER_HANDLER_ABI,
	.size = sizeof(struct pier_handler),
	.name = "daytime",
	.summary = "send the date and time, and close (RFC 867)",
	.ctx_size = sizeof(struct daytime),
	.open = daytime_open,
	.writable = daytime_send,
	.eof = daytime_eof,
};
