/*
 * Who holds how much: connections with out-of-order data, by how many buffers it takes.
 *
 * A list for each number of bits of that count, so that one of the fattest is found without looking at
 * more than FAT_LOOK connections, and moving a connection costs the same whatever it holds.
 */
#include "tcp/tcp.h"

#define FAT_LOOK 16

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
