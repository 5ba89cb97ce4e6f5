/*
 * Received mbufs are the worker's, and slow handlers and peers hold them. A connection may hold as many
 * as are left of the share (tcp_share_left): however many are slow, some are left, and one that reads
 * and holds none is offered them at once. A window that had to stay small for it is opened as soon as
 * a quarter of the share is free again; the peer need not probe for it.
 *
 * Of connections with out-of-order data the fattest is to be found. A list for each number of bits of that count, so that one of the fattest is found without looking at
 * more than FAT_LOOK connections, and moving a connection costs the same whatever it holds.
 */
#include "tcp/tcp.h"

#define FAT_LOOK 16
#define OPEN_MAX 64 /* windows in one tick */

static struct tcp_work *work_at(const struct tcp *t, uint32_t conn)
{
	return tcp_work_of(t, &t->conn[conn]);
}

static void fat_unlink(struct tcp *t, struct tcp_work *w)
{
	if (w->fat_prev)
		work_at(t, w->fat_prev)->fat_next = w->fat_next;
	else
		t->fat[w->fat_list] = w->fat_next;
	if (w->fat_next)
		work_at(t, w->fat_next)->fat_prev = w->fat_prev;
}

static void fat_link(struct tcp *t, struct tcp_work *w, uint32_t list)
{
	w->fat_prev = 0;
	w->fat_next = t->fat[list];
	if (w->fat_next)
		work_at(t, w->fat_next)->fat_prev = w->conn;
	t->fat[list] = w->conn;
}

void tcp_fatness(struct tcp *t, struct tcp_work *w)
{
	uint32_t list = w->ooo_held ? 32 - (uint32_t)__builtin_clz(w->ooo_held) : 0;

	if (list == w->fat_list)
		return;
	if (w->fat_list)
		fat_unlink(t, w);
	if (list)
		fat_link(t, w, list);
	w->fat_list = list;
}

struct tcp_work *tcp_fattest(const struct tcp *t)
{
	struct tcp_work *best = NULL;
	uint32_t list = TCP_FAT_LISTS - 1, looked = 0;

	while (list && !t->fat[list])
		list--;
	for (uint32_t i = list ? t->fat[list] : 0; i && looked < FAT_LOOK; looked++) {
		struct tcp_work *w = work_at(t, i);

		if (!best || w->ooo_held > best->ooo_held)
			best = w;
		i = w->fat_next;
	}
	return best;
}

void tcp_pinch(struct tcp *t, struct tcp_work *w)
{
	if (w->pinched)
		return;
	w->pinched = 1;
	w->pinch_prev = 0;
	w->pinch_next = t->pinched;
	if (w->pinch_next)
		work_at(t, w->pinch_next)->pinch_prev = w->conn;
	t->pinched = w->conn;
}

void tcp_unpinch(struct tcp *t, struct tcp_work *w)
{
	if (!w->pinched)
		return;
	w->pinched = 0;
	if (w->pinch_prev)
		work_at(t, w->pinch_prev)->pinch_next = w->pinch_next;
	else
		t->pinched = w->pinch_next;
	if (w->pinch_next)
		work_at(t, w->pinch_next)->pinch_prev = w->pinch_prev;
}

void tcp_share_tick(struct tcp *t)
{
	for (unsigned int i = 0; i < OPEN_MAX && tcp_share_eased(t); i++) {
		struct tcp_conn *c = &t->conn[t->pinched];
		struct tcp_work *w = tcp_work_of(t, c);

		tcp_unpinch(t, w);
		if (c->state == TCP_CLOSED)
			continue;
		tcp_window_update(t, c, w);
		tcp_ready(t, c, w, c->flags & TCP_F_WANT_WRITABLE ? TCP_EV_WRITABLE : 0);
	}
}
