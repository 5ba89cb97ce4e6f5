/*
 * Segments from templates: only what differs is written, and only that is summed.
 */
#include "peer.h"

#include <stdlib.h>
#include <string.h>

#include "kit.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/sum.h"
#include "wire/tcp.h"
#include "wire/tcp_opt.h"

#define L4      (ETH_HDR_LEN + IP4_HDR_LEN)
#define TCP_LEN (TCP_HDR_LEN + TCP_OPT_TS_SPACE)
#define SEQ_0   0x10000000u

static_assert(PEER_HEADERS == L4 + TCP_LEN, "timestamps are the only option");

static struct ip4_hdr *ip_of(uint8_t *frame)
{
	return (struct ip4_hdr *)(frame + ETH_HDR_LEN);
}

static struct tcp_hdr *tcp_of(uint8_t *frame)
{
	return (struct tcp_hdr *)(frame + L4);
}

void peer_init(struct peer *p, uint32_t n, uint16_t port, const uint8_t mac[6],
	       const uint8_t server_mac[6])
{
	struct eth_hdr *eth = (struct eth_hdr *)p->headers;
	struct ip4_hdr *ip = ip_of(p->headers);
	struct tcp_hdr *th = tcp_of(p->headers);

	*p = (struct peer){.n = n, .port = port, .talk = true, .tick = 1};
	p->conns = calloc(n, sizeof(*p->conns));
	if (!p->conns)
		bench_die("no memory for %u connections of the peer", n);
	eth_copy(eth->dst, server_mac);
	eth_copy(eth->src, mac);
	eth->type = be16(ETH_TYPE_IP4);
	*ip = (struct ip4_hdr){.ver_ihl = IP4_VER_IHL, .frag = be16(IP4_DF), .ttl = 64,
			       .proto = IP_PROTO_TCP, .daddr = be32(PEER_SERVER)};
	*th = (struct tcp_hdr){.dport = be16(port), .doff = tcp_doff(TCP_LEN), .window = 0xffff};
	tcp_opt_emit_ts(p->headers + L4 + TCP_HDR_LEN, 0, 0);
	for (unsigned int i = 8; i < PEER_MESSAGE; i++)
		p->message[i] = (uint8_t)(i * 37 + 1);
	p->ip_sum = sum_header(ip, IP4_HDR_LEN);
	p->tcp_sum = sum_header(th, TCP_LEN);
	p->message_sum = sum_partial(p->message, PEER_MESSAGE, 0);
}

void peer_free(struct peer *p)
{
	free(p->conns);
	p->conns = NULL;
}

static uint32_t client_addr(uint32_t i)
{
	return be32(PEER_CLIENTS + i / PEER_PORTS);
}

static uint16_t client_port(uint32_t i)
{
	return be16((uint16_t)(PEER_PORT_LOW + i % PEER_PORTS));
}

/* The headers of a segment of l4_len bytes, checksum over all but the payload in *sum. */
static uint8_t *start(struct peer *p, uint32_t i, struct rte_mbuf *m, uint8_t flags,
		      uint16_t l4_len, uint32_t *sum)
{
	const struct peer_conn *c = &p->conns[i];
	const uint16_t len = (uint16_t)(IP4_HDR_LEN + l4_len);
	struct ip4_hdr *ip;
	struct tcp_hdr *th;
	uint8_t *b, *ts;

	rte_pktmbuf_reset(m);
	m->data_len = (uint16_t)(ETH_HDR_LEN + len);
	m->pkt_len = m->data_len;
	b = rte_pktmbuf_mtod(m, uint8_t *);
	memcpy(b, p->headers, PEER_HEADERS);
	ip = ip_of(b);
	th = tcp_of(b);
	ts = b + L4 + TCP_HDR_LEN;
	ip->total_len = be16(len);
	ip->saddr = client_addr(i);
	ip->cksum = sum_finish(sum_fold64((uint64_t)p->ip_sum + ip->total_len + ip->saddr));
	th->sport = client_port(i);
	th->seq = be32(c->snd_nxt);
	th->ack = be32(c->rcv_nxt);
	th->flags = flags;
	store_be32(ts + 4, p->tick);
	store_be32(ts + 8, c->ts_recent);
	*sum = sum_fold64((uint64_t)p->tcp_sum + th->sport + th->seq + th->ack + load32(ts + 4) +
			  load32(ts + 8) + ((uint32_t)flags << 8) +
			  sum_pseudo4(ip->saddr, ip->daddr, IP_PROTO_TCP, l4_len));
	return b;
}

void peer_syn(struct peer *p, uint32_t i, struct rte_mbuf *m)
{
	const struct tcp_opts o = {.mss = 1460, .wscale = 7, .tsval = p->tick,
				   .flags = TCP_OPTS_MSS | TCP_OPTS_WSCALE | TCP_OPTS_SACK_OK |
					    TCP_OPTS_TS};
	struct peer_conn *c = &p->conns[i];
	struct tcp_hdr *th;
	unsigned int len;
	uint32_t sum;
	uint8_t *b;

	*c = (struct peer_conn){.snd_nxt = SEQ_0 + i * 4096};
	b = start(p, i, m, TCP_SYN, TCP_LEN, &sum);
	th = tcp_of(b);
	len = TCP_HDR_LEN + tcp_opt_emit_syn(b + L4 + TCP_HDR_LEN, &o);
	th->doff = tcp_doff(len);
	ip_of(b)->total_len = be16((uint16_t)(IP4_HDR_LEN + len));
	ip_of(b)->cksum = 0;
	ip_of(b)->cksum = sum_finish(sum_header(ip_of(b), IP4_HDR_LEN));
	th->cksum = 0;
	sum = sum_pseudo4(ip_of(b)->saddr, ip_of(b)->daddr, IP_PROTO_TCP, (uint16_t)len);
	th->cksum = sum_finish(sum_partial(th, len, sum));
	m->data_len = (uint16_t)(L4 + len);
	m->pkt_len = m->data_len;
	c->snd_nxt++;
}

void peer_message(struct peer *p, uint32_t i, struct rte_mbuf *m)
{
	struct peer_conn *c = &p->conns[i];
	const uint32_t stamp[2] = {i, c->snd_nxt};
	uint32_t sum;
	uint8_t *b = start(p, i, m, TCP_ACK | TCP_PSH, TCP_LEN + PEER_MESSAGE, &sum);

	memcpy(b + PEER_HEADERS, p->message, PEER_MESSAGE);
	memcpy(b + PEER_HEADERS, stamp, sizeof(stamp));
	sum = sum_fold64((uint64_t)sum + p->message_sum + stamp[0] + stamp[1]);
	tcp_of(b)->cksum = sum_finish(sum);
	c->snd_nxt += PEER_MESSAGE;
}

static bool error(struct peer *p)
{
	p->errors++;
	return false;
}

/* The connection's answer, in m. */
static bool answer(struct peer *p, uint32_t i, struct rte_mbuf *m)
{
	uint32_t sum;
	uint8_t *b;

	if (likely(p->talk)) {
		peer_message(p, i, m);
		return true;
	}
	b = start(p, i, m, TCP_ACK, TCP_LEN, &sum);
	tcp_of(b)->cksum = sum_finish(sum);
	return true;
}

/* Whether the bytes are those of the message sent last. */
static bool is_echo(const struct peer *p, uint32_t i, const uint8_t *payload)
{
	const uint32_t stamp[2] = {i, p->conns[i].snd_nxt - PEER_MESSAGE};

	return memcmp(payload, stamp, sizeof(stamp)) == 0 &&
	       memcmp(payload + 8, p->message + 8, PEER_MESSAGE - 8) == 0;
}

static bool handshake(struct peer *p, uint32_t i, struct rte_mbuf *m, const struct tcp_hdr *th)
{
	struct peer_conn *c = &p->conns[i];
	struct tcp_opts o;

	if (th->flags != (TCP_SYN | TCP_ACK) || c->open)
		return error(p);
	tcp_opt_parse_full((const uint8_t *)th + TCP_HDR_LEN, tcp_hdr_len(th) - TCP_HDR_LEN, true,
			   &o);
	if (!(o.flags & TCP_OPTS_TS))
		return error(p);
	c->ts_recent = o.tsval;
	c->rcv_nxt = be32(th->seq) + 1;
	c->open = 1;
	p->established++;
	return answer(p, i, m);
}

uint16_t peer_payload(struct rte_mbuf *m)
{
	uint8_t *b = rte_pktmbuf_mtod(m, uint8_t *);

	return (uint16_t)(be16(ip_of(b)->total_len) - IP4_HDR_LEN - tcp_hdr_len(tcp_of(b)));
}

bool peer_input(struct peer *p, struct rte_mbuf *m)
{
	uint8_t *b = rte_pktmbuf_mtod(m, uint8_t *);
	const struct ip4_hdr *ip = ip_of(b);
	const struct tcp_hdr *th = tcp_of(b);
	const uint32_t i = (be32(ip->daddr) - PEER_CLIENTS) * PEER_PORTS + be16(th->dport) -
			   PEER_PORT_LOW;
	struct peer_conn *c = &p->conns[i];
	uint16_t len;

	if (unlikely(m->nb_segs != 1 || m->data_len < L4 + TCP_LEN || ip->proto != IP_PROTO_TCP ||
		     i >= p->n || be32(th->ack) != c->snd_nxt))
		return error(p);
	if (unlikely(th->flags & (TCP_SYN | TCP_RST | TCP_FIN)))
		return handshake(p, i, m, th);
	c->ts_recent = load_be32(b + L4 + TCP_HDR_LEN + 4);
	len = peer_payload(m);
	if (unlikely(len == 0))
		return false;
	if (unlikely(len != PEER_MESSAGE || tcp_hdr_len(th) != TCP_LEN ||
		     be32(th->seq) != c->rcv_nxt || !is_echo(p, i, b + PEER_HEADERS)))
		return error(p);
	c->rcv_nxt += PEER_MESSAGE;
	p->echoed++;
	return answer(p, i, m);
}
