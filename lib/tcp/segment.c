/*
 * Segments onto the wire: header, options, checksum, and the answers that belong to no connection.
 */
#include <string.h>

#include "push.h"
#include "wire/eth.h"
#include "wire/tcp_opt.h"

/* The options of seg, whatever they are; returns how many words. */
static unsigned int options(uint32_t opt[PKT_OPT_WORDS], const struct tcp_seg *seg)
{
	uint8_t *p = (uint8_t *)opt;
	unsigned int n = 0;

	if (seg->syn)
		return tcp_opt_emit_syn(p, seg->syn) / 4;
	if (seg->agreed & TCP_AGREED_TS)
		n = tcp_opt_emit_ts(p, seg->tsval, seg->tsecr);
	if (seg->sack_n)
		n += tcp_opt_emit_sack(p + n, seg->sack, seg->sack_n);
	return n / 4;
}

/* One with other options than timestamps, or that may be fragmented. */
static __attribute__((noinline)) void finish_any(struct tcp *t, struct rte_mbuf *m,
						 const struct flow_tuple *tuple, uint32_t path,
						 const struct tcp_seg *seg, uint8_t ttl,
						 uint16_t payload_sum)
{
	const unsigned int l2_len = t->net->paths[path].l2_len;
	uint32_t opt[PKT_OPT_WORDS];
	const unsigned int words = options(opt, seg);

	tcp_seg_push_with(t, m, tuple, path, seg, ttl, payload_sum, opt, words);
	if (unlikely(seg->fragment) && m->pkt_len > IP4_MTU_MIN + l2_len) {
		net_allow_fragments(t->net, m, path, tuple->local, tuple->remote, t->now);
		pkt_ip_finish(m, l2_len);
		pkt_offload(m, net_path_port(t->net, path), l2_len, IP4_HDR_LEN, TCP_HDR_LEN + 4 * words);
	}
}

void tcp_seg_finish(struct tcp *t, struct rte_mbuf *m, const struct flow_tuple *tuple,
		    uint32_t path, const struct tcp_seg *seg, uint8_t ttl, uint16_t payload_sum)
{
	if (likely(SHORTCUT(OPTIONS) && !seg->syn && !seg->sack_n && !seg->fragment))
		tcp_seg_push(t, m, tuple, path, seg, ttl, payload_sum);
	else if (!seg->syn || seg->fragment ||
		 !tcp_seg_push_syn(t, m, tuple, path, seg, ttl, seg->syn))
		finish_any(t, m, tuple, path, seg, ttl, payload_sum);
}

void tcp_seg_emit(struct tcp *t, struct rte_mbuf *m, const struct flow_tuple *tuple, uint32_t path,
		  const struct tcp_seg *seg, uint8_t ttl)
{
	tcp_seg_finish(t, m, tuple, path, seg, ttl, 0);
	tcp_seg_leave(t, m, path);
}

void tcp_reset_emit(struct tcp *t, const struct tcp_conn *c, struct rte_mbuf *m, struct tcp_seg *seg)
{
	seg->flags = TCP_RST | TCP_ACK;
	seg->seq = c->snd_nxt; /* never rewound; beyond it are only a closed window's probes */
	count(t->ctr, CTR_TX_RSTS);
	count(t->ctr, CTR_CONN_RESET_TX);
	tcp_seg_emit(t, m, &c->tuple, c->path, seg, tcp_setting(t, c, ttl));
}

bool tcp_reset_at_rest(struct tcp *t, const struct tcp_conn *c)
{
	struct rte_mbuf *m = tcp_reset_due(c) ? pkt_alloc_last(t->pool) : NULL;
	struct tcp_seg seg = {.ack = c->rcv_nxt, .window = c->rcv_wnd, .dscp = c->dscp,
			      .fragment = c->flags & TCP_F_FRAGMENT, .agreed = c->flags & TCP_F_AGREED,
			      .tsecr = c->ts_recent};

	if (!m) {
		count_add(t->ctr, CTR_TX_NO_MBUF, tcp_reset_due(c));
		return !tcp_reset_due(c);
	}
	if (seg.agreed & TCP_AGREED_TS)
		seg.tsval = tcp_ts_now(t, tcp_ts_offset(t, &c->tuple));
	tcp_reset_emit(t, c, m, &seg);
	return true;
}

/* Another than m, which is given back. */
static __attribute__((noinline)) struct rte_mbuf *instead_of(struct tcp *t, struct rte_mbuf *m)
{
	pkt_recycle(t->pool, m);
	m = pkt_alloc_last(t->pool);
	if (unlikely(!m))
		count(t->ctr, CTR_TX_NO_MBUF);
	return m;
}

struct rte_mbuf *tcp_reuse(struct tcp *t, struct rte_mbuf *m)
{
	if (unlikely(m->nb_segs != 1 || !RTE_MBUF_DIRECT(m) || rte_mbuf_refcnt_read(m) != 1 ||
		     m->buf_len < t->pool->buf_len))
		return instead_of(t, m);
	rte_pktmbuf_reset(m);
	return m;
}

static uint32_t segment_length(const struct pkt_facts *f)
{
	return f->payload_len + !!(f->tcp_flags & TCP_SYN) + !!(f->tcp_flags & TCP_FIN);
}

bool tcp_seg_answer(struct tcp *t, struct rte_mbuf *m, const struct pkt_facts *f,
		    const struct tcp_seg *seg, uint8_t ttl)
{
	const struct pkt_port *pp = t->port[f->port];
	struct pkt_tcp h = {.pseudo = net_answer_pseudo(f), .sport = f->dport, .dport = f->sport,
			    .seq = seg->seq, .ack = seg->ack, .window = seg->window, .urg = seg->urg,
			    .flags = seg->flags};
	struct net_ip ip = {.proto = IP_PROTO_TCP, .dscp_ecn = (uint8_t)(seg->dscp << 2), .ttl = ttl};
	uint32_t opt[PKT_OPT_WORDS];
	uint8_t peer[6];

	memcpy(peer, rte_pktmbuf_mtod_offset(m, uint8_t *, 6), 6);
	m = tcp_reuse(t, m);
	if (!m)
		return false;
	ip.l4_len = (uint16_t)pkt_push_tcp(m, pp, &h, opt, options(opt, seg));
	net_push_answer(t->net, m, f, peer, ip);
	pkt_offload(m, pp, ETH_HDR_LEN, m->pkt_len - ETH_HDR_LEN - ip.l4_len, ip.l4_len);
	pkt_pad(m);
	t->emit(t->emit_arg, f->port, m);
	return true;
}

/* RFC 7323 section 5.2: a RST in answer to a segment with timestamps echoes its TSval. */
static void reset_reply(struct tcp *t, struct rte_mbuf *m, const struct pkt_facts *f, uint8_t dscp,
			uint8_t ttl)
{
	struct tcp_seg seg = {.flags = TCP_RST, .dscp = dscp};

	if (f->tcp_flags & TCP_ACK) {
		seg.seq = f->ack;
	} else {
		seg.ack = f->seq + segment_length(f);
		seg.flags |= TCP_ACK;
	}
	if (f->flags & PKT_F_TS) {
		seg.agreed = TCP_AGREED_TS;
		seg.tsecr = f->tsval;
	}
	if (tcp_seg_answer(t, m, f, &seg, ttl))
		count(t->ctr, CTR_TX_RSTS);
}

void tcp_reset_reply_as(struct tcp *t, struct rte_mbuf *m, const struct pkt_facts *f,
			enum counter reason, uint8_t dscp, uint8_t ttl)
{
	count(t->ctr, reason);
	if (f->tcp_flags & TCP_RST)
		pkt_recycle(t->pool, m);
	else if (!bucket_take(&t->rst_bucket, t->now))
		tcp_drop(t, m, CTR_TX_RST_RATE);
	else
		reset_reply(t, m, f, dscp, ttl);
}

void tcp_reset_conn_reply(struct tcp *t, const struct tcp_conn *c, struct rte_mbuf *m,
			  const struct pkt_facts *f, enum counter reason)
{
	count(t->ctr, reason);
	reset_reply(t, m, f, c->dscp, tcp_setting(t, c, ttl));
}

void tcp_reset_reply(struct tcp *t, struct rte_mbuf *m, const struct pkt_facts *f,
		     enum counter reason)
{
	tcp_reset_reply_as(t, m, f, reason, 0, 64);
}
