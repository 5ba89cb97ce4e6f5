/*
 * Handler calls about the stream beyond sending and taking bytes: urgent data, holding small segments
 * back while more is to come, dropping what was not sent.
 */
#include "engine_priv.h"

static struct tcp_conn *conn_of(struct pier_conn *pc)
{
	struct engine *e = pc->host;

	return &e->tcp.conn[(uint32_t)pc->id];
}

/* The block of a connection that is open both here and there, or NULL. */
static struct tcp_work *work_of(struct pier_conn *pc)
{
	struct engine *e = pc->host;
	struct tcp_conn *c = conn_of(pc);

	return c->state == TCP_CLOSED ? NULL : tcp_attach(&e->tcp, c);
}

size_t engine_send_urgent(struct pier_conn *pc, const void *data, size_t len)
{
	size_t n = pier_send(pc, data, len);

	if (n)
		tcp_urgent_queued(work_of(pc));
	return n;
}

size_t engine_urgent_left(struct pier_conn *pc)
{
	const struct engine *e = pc->host;
	const struct tcp_conn *c = conn_of(pc);

	return c->block ? tcp_urgent_left(tcp_work_of(&e->tcp, c)) : 0;
}

void engine_cork(struct pier_conn *pc, bool on)
{
	struct engine *e = pc->host;
	struct tcp_conn *c = conn_of(pc);
	struct tcp_work *w = work_of(pc);

	if (!w)
		return;
	if (on)
		c->flags |= TCP_F_CORK;
	else
		c->flags &= ~(uint32_t)TCP_F_CORK;
	tcp_ready(&e->tcp, c, w, 0);
}

void engine_flush(struct pier_conn *pc)
{
	struct engine *e = pc->host;
	struct tcp_conn *c = conn_of(pc);
	struct tcp_work *w = work_of(pc);

	if (!w)
		return;
	tcp_send_flush(&e->tcp, c, w);
	tcp_ready(&e->tcp, c, w, 0);
}
