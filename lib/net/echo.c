/*
 * Echo, by ICMP (RFC 1122 section 3.2.2.6) and ICMPv6 (RFC 4443 section 4.2).
 *
 * A reply is the request with its headers exchanged, without options and extension headers; a
 * request that came in fragments is answered in fragments, one per received mbuf, where it does not
 * fit into one packet: of IPv4 under the request's own ID, which its sender has made unique.
 * Replies have a token bucket of their own.
 */
#include "answer.h"

static_assert(sizeof(struct icmp_hdr) == sizeof(struct icmp6_hdr) &&
		      offsetof(struct icmp_hdr, cksum) == offsetof(struct icmp6_hdr, cksum),
	      "the same to an echo");

/* Whether the reply can go out in m's own buffers, and in fragments if it has to. */
static bool fits(const struct rte_mbuf *m, const struct answer *a, bool fragments, uint16_t mtu)
{
	const uint16_t head = answer_head(a, fragments);

	for (const struct rte_mbuf *s = m; s; s = s->next) {
		if (rte_mbuf_refcnt_read(s) != 1 || RTE_MBUF_CLONED(s))
			return false;
		if (fragments && ((s->next && s->data_len % 8) || s->data_len == 0 ||
				  s->data_off < head || s->data_len + head - ETH_HDR_LEN > mtu))
			return false;
	}
	return m->data_len >= ICMP_HDR_LEN && m->data_off >= head;
}

static void send(struct net *n, struct rte_mbuf *m, const struct answer *a, uint16_t port,
		 bool fragments)
{
	uint32_t off = 0;

	if (!fragments) {
		answer_push(a, m, a->class);
		net_emit(n, port, m);
		return;
	}
	while (m) {
		struct rte_mbuf *next = m->next;
		uint16_t len = m->data_len;

		m->next = NULL;
		m->nb_segs = 1;
		m->pkt_len = len;
		answer_push_fragment(a, m, off, next != NULL);
		net_emit(n, port, m);
		off += len;
		m = next;
	}
}

void echo_input(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f, uint64_t now)
{
	struct icmp_hdr *h;
	struct answer a;
	uint16_t was, mtu;
	bool fragments;

	if (!answer_read(n, m, f->l3_off, f->port, &a) || !rte_pktmbuf_adj(m, f->l4_off) ||
	    rte_pktmbuf_trim(m, (uint16_t)(m->pkt_len - f->l4_len)) != 0) {
		net_drop(n, m, CTR_RX_ICMP_IGNORED);
		return;
	}
	mtu = pkt_port_mtu(a.pp);
	fragments = m->nb_segs > 1 && (m->pkt_len + answer_head(&a, false) - ETH_HDR_LEN > mtu ||
				       !(a.pp->flags & PKT_TX_MULTI_SEG));
	if (!fits(m, &a, fragments, mtu)) {
		net_drop(n, m, CTR_RX_ICMP_IGNORED);
		return;
	}
	if (!bucket_take(&n->limits->echo, now)) {
		net_drop(n, m, CTR_RX_ICMP_RATE);
		return;
	}
	h = rte_pktmbuf_mtod(m, struct icmp_hdr *);
	was = load16(h);
	h->type = a.v6 ? ICMP6_ECHO_REPLY : ICMP_ECHO_REPLY;
	h->cksum = sum_update16(h->cksum, was, load16(h));
	count(n->counters, CTR_ICMP_ECHO_RX);
	send(n, m, &a, f->port, fragments);
}
