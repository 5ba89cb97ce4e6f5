/*
 * Segments from templates: only what differs is written, and only that is summed.
 */
#include "peer.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "kit.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/sum.h"
#include "wire/tcp.h"
#include "wire/tcp_opt.h"

#define SEQ_0	 0x10000000u
#define WSCALE	 7
#define DATE	 "\r\nDate: "
#define DATE_LEN 29 /* RFC 9110 section 5.6.7 */

static_assert(PEER_HEADERS == ETH_HDR_LEN + IP6_HDR_LEN + TCP_HDR_LEN + TCP_OPT_TS_SPACE,
	      "timestamps are the only option");

/* fd00:10::1/64 and fd00:10::/64, whose last word is the IPv4 address of the same client. */
static const uint8_t server6[IP6_ADDR_LEN] = PEER_SERVER6, clients6[IP6_ADDR_LEN] = {0xfd, 0, 0, 0x10};

static struct ip4_hdr *ip_of(uint8_t *frame)
{
	return (struct ip4_hdr *)(frame + ETH_HDR_LEN);
}

static struct ipv6_hdr *ip6_of(uint8_t *frame)
{
	return (struct ipv6_hdr *)(frame + ETH_HDR_LEN);
}

static struct tcp_hdr *tcp_of(const struct peer *p, uint8_t *frame)
{
	return (struct tcp_hdr *)(frame + p->l4);
}

/* Whether the first 8 bytes of the payload say which message it is. */
static bool marked(const struct peer *p)
{
	return p->cfg.kind == PEER_ECHO || p->cfg.kind == PEER_FORWARD;
}

static void make_payload(struct peer *p)
{
	const struct peer_config *c = &p->cfg;

	if (c->len > PEER_JUMBO - (c->plain ? 0 : TCP_OPT_TS_SPACE) - (p->l4 - ETH_HDR_LEN - IP4_HDR_LEN) || c->len == 0 ||
	    (marked(p) && c->len < 8))
		bench_die("a payload of %u bytes cannot be sent", c->len);
	for (unsigned int i = 0; i < c->len; i++)
		p->payload[i] = (uint8_t)(i * 37 + 1);
	if (c->payload)
		memcpy(p->payload, c->payload, c->len);
	if (marked(p))
		memset(p->payload, 0, 8);
	p->payload_sum = sum_partial(p->payload, c->len, 0);
}

static void move(struct peer_conn *c, enum peer_state to)
{
	c->state = to;
	c->epoch++;
}

static void make_ip4(struct peer *p, struct ip4_hdr *ip)
{
	*ip = (struct ip4_hdr){.ver_ihl = IP4_VER_IHL, .frag = be16(IP4_DF), .ttl = 64,
			       .proto = IP_PROTO_TCP, .daddr = be32(PEER_SERVER)};
	p->ip_sum = sum_header(ip, IP4_HDR_LEN);
	p->tcp_sum = sum_pseudo4(0, ip->daddr, IP_PROTO_TCP, 0);
}

static void make_ip6(struct peer *p, struct ipv6_hdr *ip)
{
	*ip = (struct ipv6_hdr){.ver_class_flow = ip6_first_word(0, 0), .next = IP_PROTO_TCP, .hop_limit = 64};
	ip6_copy(ip->saddr, clients6);
	ip6_copy(ip->daddr, server6);
	p->tcp_sum = sum_pseudo6(ip->saddr, ip->daddr, IP_PROTO_TCP, 0);
}

void peer_init(struct peer *p, const struct peer_config *cfg)
{
	struct eth_hdr *eth = (struct eth_hdr *)p->headers;
	struct tcp_hdr *th;

	*p = (struct peer){.cfg = *cfg, .tick = 1, .l4 = ETH_HDR_LEN + (cfg->v6 ? IP6_HDR_LEN : IP4_HDR_LEN)};
	p->cfg.check_every = max_of(cfg->check_every, 1u);
	p->conns = bench_pages(cfg->n * sizeof(*p->conns));
	for (uint32_t i = 0; i < cfg->n; i++)
		p->conns[i].snd_nxt = SEQ_0 + i * 4096;
	p->tcp_len = TCP_HDR_LEN + (cfg->plain ? 0 : TCP_OPT_TS_SPACE);
	p->headers_len = p->l4 + p->tcp_len;
	eth_copy(eth->dst, cfg->server_mac);
	eth_copy(eth->src, cfg->mac);
	eth->type = be16(cfg->v6 ? ETH_TYPE_IP6 : ETH_TYPE_IP4);
	if (cfg->v6)
		make_ip6(p, ip6_of(p->headers));
	else
		make_ip4(p, ip_of(p->headers));
	th = tcp_of(p, p->headers);
	*th = (struct tcp_hdr){.dport = be16(cfg->port), .doff = tcp_doff(p->tcp_len),
			       .window = 0xffff};
	if (cfg->kind == PEER_PULL)
		th->window = be16((uint16_t)(cfg->window * PEER_PAYLOAD >> (cfg->plain ? 0 : WSCALE)));
	if (!cfg->plain)
		tcp_opt_emit_ts((uint8_t *)(th + 1), 0, 0);
	p->tcp_sum = sum_add(p->tcp_sum, sum_header(th, p->tcp_len));
	make_payload(p);
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

/* Length and source of an IP header. Returns what the source adds to the pseudo-header's sum. */
static uint32_t write_ip(const struct peer *p, uint32_t i, uint8_t *b, uint32_t l4_len)
{
	const uint32_t client = client_addr(i);
	struct ip4_hdr *ip = ip_of(b);

	if (p->cfg.v6) {
		ip6_of(b)->payload_len = be16((uint16_t)l4_len);
		memcpy(ip6_of(b)->saddr + 12, &client, sizeof(client));
		return client;
	}
	ip->total_len = be16((uint16_t)(IP4_HDR_LEN + l4_len));
	ip->saddr = client;
	ip->cksum = sum_finish(sum_fold64((uint64_t)p->ip_sum + ip->total_len + client));
	return client;
}

/* The headers of a segment, checksum over all but the payload in *sum. */
static uint8_t *start(struct peer *p, uint32_t i, struct rte_mbuf *m, uint8_t flags,
		      uint32_t payload, uint32_t *sum)
{
	const uint32_t l4_len = p->tcp_len + payload;
	const struct peer_conn *c = &p->conns[i];
	struct tcp_hdr *th;
	uint64_t rest;
	uint8_t *b;

	rte_pktmbuf_reset(m);
	m->data_len = (uint16_t)(p->l4 + l4_len);
	m->pkt_len = m->data_len;
	b = rte_pktmbuf_mtod(m, uint8_t *);
	memcpy(b, p->headers, PEER_HEADERS);
	rest = (uint64_t)write_ip(p, i, b, l4_len) + be16((uint16_t)l4_len);
	th = tcp_of(p, b);
	th->sport = client_port(i);
	th->seq = be32(c->snd_nxt);
	th->ack = be32(c->rcv_nxt);
	th->flags = flags;
	if (!p->cfg.plain) {
		store_be32((uint8_t *)(th + 1) + 4, p->tick);
		store_be32((uint8_t *)(th + 1) + 8, c->ts_recent);
		rest += (uint64_t)be32(p->tick) + be32(c->ts_recent);
	}
	*sum = sum_fold64(rest + p->tcp_sum + th->sport + th->seq + th->ack + ((uint32_t)flags << 8));
	return b;
}

/* Of TCP over the addresses of the packet at b: of the pseudo-header. */
static uint32_t pseudo(const struct peer *p, const uint8_t *b, uint16_t l4_len)
{
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(b + ETH_HDR_LEN);
	const struct ipv6_hdr *ip6 = (const struct ipv6_hdr *)(b + ETH_HDR_LEN);

	return p->cfg.v6 ? sum_pseudo6(ip6->saddr, ip6->daddr, IP_PROTO_TCP, l4_len) :
			   sum_pseudo4(ip->saddr, ip->daddr, IP_PROTO_TCP, l4_len);
}

static void write_syn(struct peer *p, uint32_t i, struct rte_mbuf *m)
{
	const struct tcp_opts o = {.mss = p->cfg.v6 ? 1440 : 1460, .wscale = WSCALE, .tsval = p->tick,
				   .flags = p->cfg.plain ? TCP_OPTS_MSS :
					    TCP_OPTS_MSS | TCP_OPTS_WSCALE | TCP_OPTS_SACK_OK |
						    TCP_OPTS_TS};
	struct peer_conn *c = &p->conns[i];
	struct tcp_hdr *th;
	unsigned int len;
	uint32_t sum;
	uint8_t *b;

	c->rcv_nxt = c->ts_recent = 0;
	b = start(p, i, m, TCP_SYN, 0, &sum);
	th = tcp_of(p, b);
	len = TCP_HDR_LEN + tcp_opt_emit_syn((uint8_t *)(th + 1), &o);
	th->doff = tcp_doff(len);
	write_ip(p, i, b, len);
	th->cksum = 0;
	th->cksum = sum_finish(sum_partial(th, len, pseudo(p, b, (uint16_t)len)));
	m->data_len = (uint16_t)(p->l4 + len);
	m->pkt_len = m->data_len;
	c->snd_nxt++;
}

static void stamp(uint32_t to[2], uint32_t i, uint32_t seq)
{
	to[0] = i;
	to[1] = seq;
}

static void write_payload(struct peer *p, uint32_t i, struct rte_mbuf *m)
{
	struct peer_conn *c = &p->conns[i];
	uint32_t sum, mark[2];
	uint8_t *b = start(p, i, m, TCP_ACK | TCP_PSH, p->cfg.len, &sum);

	memcpy(b + p->headers_len, p->payload, p->cfg.len);
	sum = sum_fold64((uint64_t)sum + p->payload_sum);
	if (marked(p)) {
		stamp(mark, i, c->snd_nxt);
		memcpy(b + p->headers_len, mark, sizeof(mark));
		sum = sum_fold64((uint64_t)sum + mark[0] + mark[1]);
	}
	tcp_of(p, b)->cksum = sum_finish(sum);
	c->snd_nxt += p->cfg.len;
}

static void write_bare(struct peer *p, uint32_t i, struct rte_mbuf *m, uint8_t flags)
{
	uint32_t sum;
	uint8_t *b = start(p, i, m, flags, 0, &sum);

	tcp_of(p, b)->cksum = sum_finish(sum);
}

void peer_ack(struct peer *p, uint32_t i, struct rte_mbuf *m)
{
	write_bare(p, i, m, TCP_ACK);
}

void peer_reset(struct peer *p, uint32_t i, struct rte_mbuf *m)
{
	struct peer_conn *c = &p->conns[i];
	const uint32_t snd_nxt = c->snd_nxt;

	c->snd_nxt = be32(tcp_of(p, rte_pktmbuf_mtod(m, uint8_t *))->ack);
	write_bare(p, i, m, TCP_RST);
	c->snd_nxt = snd_nxt;
}

void peer_stray(struct peer *p, uint32_t i, struct rte_mbuf *m)
{
	struct peer_conn *c = &p->conns[i];

	write_payload(p, i, m);
	c->snd_nxt -= p->cfg.len;
}

void peer_next(struct peer *p, uint32_t i, struct rte_mbuf *m)
{
	struct peer_conn *c = &p->conns[i];

	switch (c->state) {
	case PEER_CLOSED:
		if (p->cfg.kind == PEER_FORWARD) {
			peer_stray(p, i, m);
			break;
		}
		c->snd_nxt += 0x10000; /* beyond what TIME-WAIT remembers */
		write_syn(p, i, m);
		move(c, PEER_SYN_SENT);
		break;
	case PEER_OPEN:
		write_payload(p, i, m);
		move(c, PEER_WAITING);
		break;
	case PEER_FIN_DUE:
		write_bare(p, i, m, TCP_ACK | TCP_FIN);
		c->snd_nxt++;
		move(c, PEER_CLOSING);
		break;
	case PEER_STREAM:
		write_payload(p, i, m);
		break;
	default:
		bench_die("connection %u has no answer in state %u (%lu errors: %s)", i, c->state,
			  p->errors, p->error);
	}
}

bool peer_again(struct peer *p, uint32_t i, struct rte_mbuf *m)
{
	struct peer_conn *c = &p->conns[i];

	switch (c->state) {
	case PEER_SYN_SENT:
		c->snd_nxt--;
		write_syn(p, i, m);
		return true;
	case PEER_WAITING:
		c->snd_nxt -= p->cfg.len;
		write_payload(p, i, m);
		return true;
	case PEER_CLOSING:
		c->snd_nxt--;
		write_bare(p, i, m, TCP_ACK | TCP_FIN);
		c->snd_nxt++;
		return true;
	default:
		return false;
	}
}

void peer_forget(struct peer *p, uint32_t i)
{
	p->conns[i].snd_nxt += 0x10000;
	move(&p->conns[i], PEER_CLOSED);
}

uint32_t peer_credit(const struct peer *p, uint32_t i)
{
	const struct peer_conn *c = &p->conns[i];
	const uint32_t flight = (c->snd_nxt - c->acked) / p->cfg.len;

	return flight < p->cfg.window ? p->cfg.window - flight : 0;
}

/* What a tolerant peer expects sooner or later. */
static enum peer_event error(struct peer *p, const char *fmt, ...)
{
	va_list ap;

	if (p->cfg.tolerant) {
		p->unexpected++;
		return PEER_NOTHING;
	}
	if (p->errors++ == 0) {
		va_start(ap, fmt);
		vsnprintf(p->error, sizeof(p->error), fmt, ap);
		va_end(ap);
	}
	return PEER_ERROR;
}

/* Whether the bytes are those of the message sent last. */
static bool is_echo(const struct peer *p, uint32_t i, const uint8_t *b, uint32_t len)
{
	uint32_t mark[2];

	stamp(mark, i, p->conns[i].snd_nxt - p->cfg.len);
	return len == p->cfg.len && memcmp(b, mark, sizeof(mark)) == 0 &&
	       memcmp(b + 8, p->payload + 8, len - 8) == 0;
}

static bool first_reply(struct peer *p, const uint8_t *b, uint32_t len)
{
	static const char ok[] = "HTTP/1.1 200 ";
	const uint8_t *date;

	if (len > sizeof(p->reply) || len < sizeof(ok) || memcmp(b, ok, sizeof(ok) - 1))
		return false;
	memcpy(p->reply, b, len);
	p->reply_len = len;
	date = memmem(b, len, DATE, sizeof(DATE) - 1);
	if (date && date + sizeof(DATE) - 1 + DATE_LEN <= b + len) {
		p->date_at = (uint32_t)(date - b) + sizeof(DATE) - 1;
		p->date_len = DATE_LEN;
	}
	return true;
}

static bool is_reply(struct peer *p, uint32_t i, const uint8_t *b, uint32_t len)
{
	const uint32_t after = p->date_at + p->date_len;

	if (p->cfg.kind == PEER_ECHO)
		return is_echo(p, i, b, len);
	if (unlikely(p->reply_len == 0))
		return first_reply(p, b, len);
	return len == p->reply_len && memcmp(b, p->reply, p->date_at) == 0 &&
	       memcmp(b + after, p->reply + after, len - after) == 0;
}

static enum peer_event handshake(struct peer *p, uint32_t i, const struct tcp_hdr *th)
{
	struct peer_conn *c = &p->conns[i];
	struct tcp_opts o;

	if (th->flags != (TCP_SYN | TCP_ACK) || c->state != PEER_SYN_SENT ||
	    be32(th->ack) != c->snd_nxt)
		return error(p, "flags %#x in state %u", th->flags, c->state);
	tcp_opt_parse_full((const uint8_t *)th + TCP_HDR_LEN, tcp_hdr_len(th) - TCP_HDR_LEN, true,
			   &o);
	if (!(o.flags & TCP_OPTS_TS) != p->cfg.plain)
		return error(p, "a SYN-ACK's timestamps are not as agreed");
	c->ts_recent = o.tsval;
	c->rcv_nxt = be32(th->seq) + 1;
	c->acked = p->cfg.kind == PEER_PUSH ? c->snd_nxt : 0;
	move(c, p->cfg.kind == PEER_PUSH || p->cfg.kind == PEER_PULL ? PEER_STREAM : PEER_OPEN);
	p->opened++;
	return PEER_OPENED;
}

/* A segment of an open connection, in order. */
static enum peer_event segment(struct peer *p, uint32_t i, const uint8_t *payload, uint32_t len,
			       uint8_t flags)
{
	struct peer_conn *c = &p->conns[i];
	const bool fin = flags & TCP_FIN;

	if (unlikely((len || fin) && c->state != PEER_WAITING))
		return error(p, "%u bytes, flags %#x in state %u", len, flags, c->state);
	if (len) {
		if (unlikely(!is_reply(p, i, payload, len)))
			return error(p, "%u bytes that are not the answer", len);
		c->rcv_nxt += len;
		p->replies++;
		if (p->cfg.kind != PEER_SHORT && !fin) {
			move(c, PEER_OPEN);
			return PEER_REPLY;
		}
	}
	if (fin) {
		if (unlikely(p->cfg.kind != PEER_SHORT))
			return error(p, "FIN in state %u", c->state);
		c->rcv_nxt++;
		move(c, PEER_FIN_DUE);
		return PEER_FIN;
	}
	if (c->state == PEER_CLOSING) {
		move(c, PEER_CLOSED);
		p->done++;
		return PEER_DONE;
	}
	return PEER_NOTHING;
}

static enum peer_event stream(struct peer *p, struct peer_conn *c, const struct tcp_hdr *th,
			      uint32_t len)
{
	const uint32_t ack = be32(th->ack);

	if (unlikely((int32_t)(c->snd_nxt - ack) < 0 || th->flags & TCP_FIN))
		return error(p, "acknowledges %d beyond what was sent", (int)(ack - c->snd_nxt));
	if (p->cfg.kind == PEER_PULL) {
		if (len == 0)
			return PEER_NOTHING;
		c->rcv_nxt += len;
		p->replies++;
		p->stream_bytes += len;
		if (c->acked++ == 0)
			return PEER_NOTHING;
		c->acked = 0;
		return PEER_CREDIT;
	}
	if (unlikely(len))
		return error(p, "%u bytes where none are wanted", len);
	if ((int32_t)(ack - c->acked) <= 0)
		return PEER_NOTHING;
	p->stream_bytes += ack - c->acked;
	c->acked = ack;
	return PEER_CREDIT;
}

/* A packet of ours that was only forwarded, whatever became of its addresses and ports. */
static enum peer_event forwarded(struct peer *p, const uint8_t *b, uint32_t pkt_len, uint32_t *at)
{
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(b + ETH_HDR_LEN);
	const uint32_t i = load32(b + p->headers_len);

	p->received++;
	if (unlikely(pkt_len != p->headers_len + p->cfg.len || i >= p->cfg.n ||
		     (ip->saddr != client_addr(i) && ip->daddr != client_addr(i)) ||
		     memcmp(b + p->headers_len + 8, p->payload + 8, p->cfg.len - 8)))
		return error(p, "a packet of %u bytes that is not one of ours", pkt_len);
	*at = i;
	p->replies++;
	return PEER_REPLY;
}

/* All checksums, over the whole packet, of which l4_len octets are TCP's. */
static bool sums_ok(const struct peer *p, const uint8_t *b, uint16_t l4_len)
{
	return (p->cfg.v6 || sum_finish(sum_header(b + ETH_HDR_LEN, IP4_HDR_LEN)) == 0) &&
	       sum_finish(sum_partial(b + p->l4, l4_len, pseudo(p, b, l4_len))) == 0;
}

/* Of a packet of ours by its IP header: TCP's length, and the client's address, as of IPv4. False: it is none. */
static bool read_ip(const struct peer *p, const uint8_t *b, uint32_t len, uint32_t *l4_len, uint32_t *client)
{
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(b + ETH_HDR_LEN);
	const struct ipv6_hdr *ip6 = (const struct ipv6_hdr *)(b + ETH_HDR_LEN);

	if (unlikely(len < p->l4 + TCP_HDR_LEN ||
		     ((const struct eth_hdr *)b)->type != BE16(p->cfg.v6 ? ETH_TYPE_IP6 : ETH_TYPE_IP4)))
		return false;
	if (p->cfg.v6) {
		*l4_len = be16(ip6->payload_len);
		*client = load_be32(ip6->daddr + 12);
		return ip6->next == IP_PROTO_TCP && !memcmp(ip6->daddr, clients6, 12);
	}
	*l4_len = be16(ip->total_len) - IP4_HDR_LEN;
	*client = be32(ip->daddr);
	return ip->proto == IP_PROTO_TCP;
}

/* What the server sent again, because one of the two was held up: counted, and no error. */
static bool is_old(const struct peer_conn *c, const struct tcp_hdr *th, uint32_t len)
{
	const uint32_t end = be32(th->seq) + len + (th->flags & TCP_FIN ? 1 : 0);

	return be32(th->seq) != c->rcv_nxt && (int32_t)(end - c->rcv_nxt) <= 0;
}

/* The server has a connection that the client does not know any more. */
static bool is_stale(const struct peer_conn *c, const struct tcp_hdr *th)
{
	return !(th->flags & TCP_RST) &&
	       (c->state == PEER_CLOSED ||
		(c->state == PEER_SYN_SENT && be32(th->ack) != c->snd_nxt));
}

enum peer_event peer_take(struct peer *p, struct rte_mbuf *m, uint32_t *at)
{
	uint8_t linear[2048];
	const uint8_t *b = rte_pktmbuf_read(m, 0, m->pkt_len, linear);
	const struct tcp_hdr *th = (const struct tcp_hdr *)(b + p->l4);
	uint32_t i, len, l4_len, client;
	struct peer_conn *c;

	if (p->cfg.kind == PEER_FORWARD)
		return forwarded(p, b, m->pkt_len, at);
	if (unlikely(!read_ip(p, b, m->pkt_len, &l4_len, &client)))
		return error(p, "a packet of %u bytes that is not TCP", m->pkt_len);
	i = (client - PEER_CLIENTS) * PEER_PORTS + be16(th->dport) - PEER_PORT_LOW;
	if (unlikely(i >= p->cfg.n))
		return error(p, "a packet to no connection of ours");
	*at = i;
	c = &p->conns[i];
	if ((p->received++ & (p->cfg.check_every - 1)) == 0) {
		p->verified++;
		if (!sums_ok(p, b, (uint16_t)l4_len))
			return error(p, "a bad checksum");
	}
	if (unlikely(p->cfg.tolerant && is_stale(c, th))) {
		p->unexpected++;
		return PEER_STALE;
	}
	if (th->flags & (TCP_SYN | TCP_RST))
		return handshake(p, i, th);
	if (unlikely(!(th->flags & TCP_ACK) ||
		     (be32(th->ack) != c->snd_nxt && c->state != PEER_STREAM)))
		return error(p, "acknowledges %d beyond what was sent, state %u",
			     (int)(be32(th->ack) - c->snd_nxt), c->state);
	if (unlikely(is_old(c, th, l4_len - tcp_hdr_len(th)))) {
		p->unexpected++;
		return p->cfg.kind == PEER_PULL ? PEER_CREDIT : PEER_NOTHING;
	}
	if (unlikely(tcp_hdr_len(th) != p->tcp_len || be32(th->seq) != c->rcv_nxt))
		return error(p, "a segment at %u of what is next, %u bytes of header, state %u",
			     be32(th->seq) - c->rcv_nxt, tcp_hdr_len(th), c->state);
	if (!p->cfg.plain)
		c->ts_recent = load_be32((const uint8_t *)(th + 1) + 4);
	len = l4_len - p->tcp_len;
	if (c->state == PEER_STREAM)
		return stream(p, c, th, len);
	return segment(p, i, b + p->headers_len, len, th->flags);
}
