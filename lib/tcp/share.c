/*
 * Received mbufs are the worker's, and slow handlers and peers hold them. A connection may hold three
 * times as many as it leaves of the share (tcp_share_window), the open part of its window included:
 * however many are slow, some are left, and one that reads and holds none is offered them at once.
 *
 * A window that is being filled is counted as if it were full (tcp.promised): should all handlers stop
 * reading, there is room for what their peers may have sent already. Not counted are the windows of
 * connections that receive little, a full segment in a round trip at most. They are offered an equal
 * part of the share, two segments of the largest MTU at least, until they receive more: an edge that
 * cannot gain a segment does not move. What is left uncovered: two segments each when connections are
 * many, what those were offered that opened when they were few, and windows that grew while much came in
 * and were not used up when that ended. Were these counted too, a few idle connections with wide windows
 * would leave no window to all others.
 *
 * So more may come at once than there is room for. The share is open to all up to held_open: what is behind
 * it has an mbuf for each connection, of as many as half the share, and is not promised to anyone. An eighth more
 * is for windows that were promised all the same. Then come a connection's first mbufs, and what passes: data
 * of handlers that read, which is gone with the burst. What others send is dropped, although it lies in their
 * windows (rx_mbuf_share), out-of-order data first. With three sixteenths more than the share it ends for all;
 * what a device's ring needs lies behind.
 *
 * A window that had to stay small is opened as soon as a quarter of the share is free again; the peer
 * need not probe for it.
 *
 * Of connections with out-of-order data the fattest is to be found: a list for each number of bits of
 * that count, so that one of the fattest is found without looking at more than FAT_LOOK connections,
 * and moving a connection costs the same whatever it holds.
 */
#include "tcp/window.h"

#define FAT_LOOK 16
#define FAIR_SEGMENTS 2u
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

/* Out of the reserve, for one whose handler reads: in it are only such, each for as long as a burst. */
static uint64_t reserve_window(const struct tcp *t, const struct tcp_work *w)
{
	uint64_t used = max_of(t->held, tcp_share_narrow(t)), end = tcp_share_end(t), least = TCP_HELD_LEAST;

	if (!tcp_share_passes(w) || end <= used)
		return 0;
	if (w->measuring)
		least = max_of((end - used) / 8, least);
	else
		least -= min_of(least, (uint64_t)w->held);
	return min_of(end - used, least) * t->mbuf_octets;
}

uint64_t tcp_share_window(const struct tcp *t, const struct tcp_work *w)
{
	uint64_t all = t->held_open * t->mbuf_octets, own = (uint64_t)w->held * t->mbuf_octets;
	uint64_t others = t->held * t->mbuf_octets - own + t->promised - w->promised, room;

	room = all > others ? (all - others) / 4 * 3 : 0;
	room = room > own ? room - own : 0;
	return w->rcvq.n ? room : max_of(room, reserve_window(t, w));
}

void tcp_share_divide(struct tcp *t)
{
	uint64_t n = t->conn_pool.used + t->half_open + 1, all;

	if (!t->held_max) {
		t->held_open = UINT64_MAX;
		return;
	}
	t->held_open = t->held_max - min_of(n, t->held_max / 2);
	all = min_of(t->held_open * t->mbuf_octets / n, GIB);
	t->fair_window = max_of((uint32_t)all, t->fair_least);
}

void tcp_share_mtu(struct tcp *t, uint32_t mtu)
{
	const uint32_t least = FAIR_SEGMENTS * (max_of(mtu, 1500u) - IP4_HDR_LEN - TCP_HDR_LEN); /* IPv6's are smaller */

	t->fair_least = max_of(t->fair_least, least);
	tcp_share_divide(t);
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

/* One whose own mbufs are what keeps its window small stays in the list, and nothing is done for it. */
void tcp_share_tick(struct tcp *t)
{
	uint32_t next = t->pinched;

	for (unsigned int i = 0; i < OPEN_MAX && next && tcp_share_eased(t); i++) {
		struct tcp_conn *c = &t->conn[next];
		struct tcp_work *w = tcp_work_of(t, c);

		next = w->pinch_next;
		tcp_unpinch(t, w);
		if (c->state == TCP_CLOSED)
			continue;
		tcp_window_update(t, c, w);
		if (c->flags & TCP_F_WANT_WRITABLE && tcp_send_room(t, c, w))
			tcp_ready(t, c, w, TCP_EV_WRITABLE);
		else if (!w->pinched)
			tcp_ready(t, c, w, 0);
	}
}
