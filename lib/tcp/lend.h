/*
 * Sending in place: a received mbuf whose payload is to leave as it is, an echo's, becomes the packet.
 */
#ifndef PIER_TCP_LEND_H
#define PIER_TCP_LEND_H

#include "base/shortcut.h"
#include "pmtu.h"
#include "tcp/tcp.h"
#include "wire/sum.h"

/*
 * The mbuf that a slice lies in can be its packet, with our headers where the peer's were: the port copies, nobody
 * else has a reference, and there is room. The slice keeps its own, for sending it again.
 */
static inline bool may_lend(const struct tcp_conn *c, const struct net_path *p, const struct slice *s)
{
	const struct rte_mbuf *m = s->owner;

	return SHORTCUT(LEND) && p->pp->tx_mode == PKT_TX_COPIES && rte_mbuf_refcnt_read(m) == 1 &&
	       RTE_MBUF_DIRECT(m) && s->len >= PKT_COPY_ALWAYS && !(c->flags & TCP_AGREED_ECN) &&
	       s->data - (const uint8_t *)m->buf_addr >= (ptrdiff_t)(p->l2_len + tcp_headers(c, p));
}

/* Its sum alone, where it stays. */
static inline uint16_t sum_of(const struct pkt_port *pp, const struct slice *s)
{
	if (likely(s->flags & SLICE_SUM))
		return s->sum;
	return pkt_needs_sum(pp) ? sum_fold(sum_partial(s->data, s->len, 0)) : 0;
}

#endif
