/*
 * A segment's headers, all at once: inline, for the places that send most. What they know of the segment the
 * compiler knows as well, and leaves out.
 */
#ifndef PIER_TCP_PUSH_H
#define PIER_TCP_PUSH_H

#include "base/shortcut.h"
#include "tcp/tcp.h"

/*
 * The headers of a segment of len bytes of payload, before it, with these options in words as on the wire; of seg,
 * agreed and what says more is not looked at. Returns how many bytes they are. tcp_seg_done is to follow.
 */
static inline __attribute__((always_inline)) unsigned int
tcp_seg_write(struct tcp *t, struct net_path *p, uint8_t *payload, uint32_t len,
	      const struct flow_tuple *tuple, const struct tcp_seg *seg, uint8_t ttl, uint16_t payload_sum,
	      const uint32_t *opt, unsigned int words)
{
	const unsigned int hdr_len = TCP_HDR_LEN + 4 * words;
	const struct net_ip ip = {.proto = IP_PROTO_TCP,
				  .dscp_ecn = (uint8_t)(seg->dscp << 2 | seg->ecn),
				  .ttl = ttl,
				  .l4_len = (uint16_t)(len + hdr_len)};
	const struct net_written w = net_write(t->net, p, payload - hdr_len, tuple, ip);
	const struct pkt_tcp h = {.pseudo = w.pseudo,
				  .sport = tuple->local_port,
				  .dport = tuple->remote_port,
				  .seq = seg->seq,
				  .ack = seg->ack,
				  .window = seg->window,
				  .urg = seg->urg,
				  .flags = seg->flags,
				  .payload_sum = payload_sum};

	pkt_write_tcp(payload - hdr_len, p->pp, &h, opt, words, ip.l4_len);
	return w.len + hdr_len;
}

/* m is the frame: what the port has to fill in, and padding. */
static inline __attribute__((always_inline)) void
tcp_seg_done(struct rte_mbuf *m, const struct net_path *p, unsigned int words)
{
	pkt_offload(m, p->pp, p->l2_len, p->l3_len, TCP_HDR_LEN + 4 * words);
	pkt_pad(m);
}

/* tcp_seg_finish with these options. */
static inline __attribute__((always_inline)) void
tcp_seg_push_with(struct tcp *t, struct rte_mbuf *m, const struct flow_tuple *tuple, uint32_t path,
		  const struct tcp_seg *seg, uint8_t ttl, uint16_t payload_sum, const uint32_t *opt,
		  unsigned int words)
{
	struct net_path *p = &t->net->paths[path];
	const unsigned int head = tcp_seg_write(t, p, rte_pktmbuf_mtod(m, uint8_t *), m->pkt_len, tuple,
						seg, ttl, payload_sum, opt, words);

	m->data_off -= head;
	m->data_len += head;
	m->pkt_len += head;
	tcp_seg_done(m, p, words);
}

/* seg's timestamps as words. */
#define TCP_TS_WORDS(seg) {BE32(TCP_OPT_TS_HEAD), be32((seg)->tsval), be32((seg)->tsecr)}

/*
 * tcp_seg_finish of a segment that has no options but timestamps and is not to be fragmented on the way: seg's
 * syn, sack_n and fragment are not looked at.
 */
static inline __attribute__((always_inline)) void
tcp_seg_push(struct tcp *t, struct rte_mbuf *m, const struct flow_tuple *tuple, uint32_t path,
	     const struct tcp_seg *seg, uint8_t ttl, uint16_t payload_sum)
{
	const uint32_t ts[] = TCP_TS_WORDS(seg);

	if (likely(seg->agreed & TCP_AGREED_TS))
		tcp_seg_push_with(t, m, tuple, path, seg, ttl, payload_sum, ts, ARRAY_SIZE(ts));
	else
		tcp_seg_push_with(t, m, tuple, path, seg, ttl, payload_sum, NULL, 0);
}

/*
 * tcp_seg_finish of a SYN or SYN-ACK with options o as nearly all have them: the MSS, alone or with the window's
 * scale, or all there are. False: they are others, and nothing was done. seg's syn, sack_n and fragment are not
 * looked at.
 */
static inline __attribute__((always_inline)) bool
tcp_seg_push_syn(struct tcp *t, struct rte_mbuf *m, const struct flow_tuple *tuple, uint32_t path,
		 const struct tcp_seg *seg, uint8_t ttl, const struct tcp_opts *o)
{
	const uint32_t mss = be32(TCP_OPT_MSS << 24 | TCP_OPT_MSS_LEN << 16 | o->mss);
	const uint32_t scale =
		be32(TCP_OPT_NOP << 24 | TCP_OPT_WSCALE << 16 | TCP_OPT_WSCALE_LEN << 8 | o->wscale);
	const uint32_t ts = BE32(TCP_OPT_SACK_OK << 24 | TCP_OPT_SACK_OK_LEN << 16 | TCP_OPT_TS << 8 |
				 TCP_OPT_TS_LEN);
	const uint32_t all[] = {mss, ts, be32(o->tsval), be32(o->tsecr), scale}, few[] = {mss, scale};

	switch (SHORTCUT(OPTIONS) ? o->flags : 0) {
	case TCP_OPTS_MSS | TCP_OPTS_TS | TCP_OPTS_SACK_OK | TCP_OPTS_WSCALE:
		tcp_seg_push_with(t, m, tuple, path, seg, ttl, 0, all, ARRAY_SIZE(all));
		return true;
	case TCP_OPTS_MSS | TCP_OPTS_WSCALE:
		tcp_seg_push_with(t, m, tuple, path, seg, ttl, 0, few, 2);
		return true;
	case TCP_OPTS_MSS:
		tcp_seg_push_with(t, m, tuple, path, seg, ttl, 0, few, 1);
		return true;
	default:
		return false;
	}
}

/* m is finished: to emit or, if the next hop is unknown, to net. */
static inline void tcp_seg_leave(struct tcp *t, struct rte_mbuf *m, uint32_t path)
{
	if (likely(net_path_ready(t->net, path)))
		t->emit(t->emit_arg, t->net->paths[path].port, m);
	else
		net_hold(t->net, path, m, t->now);
}

#endif
