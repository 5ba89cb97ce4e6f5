/*
 * Character generator (RFC 864): lines of 72 printable characters, each line beginning one
 * character later than the one before, until the peer closes. What comes in is thrown away.
 *
 * There are 95 printable characters, so the stream repeats after 95 lines: one constant block, sent
 * by reference. The context is the position in it.
 */
#include <assert.h>

#include "handlers/handlers.h"

/* The i-th character of line k, and lines made of it. */
#define CH(k, i)  ' ' + ((k) + (i)) % 95
#define CH4(k, i) CH(k, i), CH(k, (i) + 1), CH(k, (i) + 2), CH(k, (i) + 3)
#define CH24(k, i) \
	CH4(k, i), CH4(k, (i) + 4), CH4(k, (i) + 8), CH4(k, (i) + 12), CH4(k, (i) + 16), \
	CH4(k, (i) + 20)
#define LINE(k)    CH24(k, 0), CH24(k, 24), CH24(k, 48), '\r', '\n'
#define LINES5(k)  LINE(k), LINE((k) + 1), LINE((k) + 2), LINE((k) + 3), LINE((k) + 4)
#define LINES19(k) \
	LINES5(k), LINES5((k) + 5), LINES5((k) + 10), LINE((k) + 15), LINE((k) + 16), \
	LINE((k) + 17), LINE((k) + 18)

static const char block[] = { LINES19(0), LINES19(19), LINES19(38), LINES19(57), LINES19(76) };
static_assert(sizeof(block) == 95 * 74, "95 lines of 72 characters and CRLF");

#define BLOCKS_MAX 16 /* in one callback */

struct chargen {
	uint64_t at; /* in block */
};

static void chargen_fill(struct pier_conn *c)
{
	struct chargen *g = c->ctx;
	size_t want, sent;

	for (int i = 0; i < BLOCKS_MAX; i++) {
		want = sizeof(block) - g->at;
		sent = pier_send_static(c, block + g->at, want);
		if (sent < want) {
			g->at += sent;
			return;
		}
		g->at = 0;
	}
	pier_want_writable(c);
}

static void chargen_writable(struct pier_conn *c, size_t room)
{
	chargen_fill(c);
}

const struct pier_handler handler_chargen = {
	.abi = PIER_HANDLER_ABI,
	.size = sizeof(struct pier_handler),
	.name = "chargen",
	.summary = "send characters without end (RFC 864)",
	.ctx_size = sizeof(struct chargen),
	.open = chargen_fill,
	.writable = chargen_writable,
};
