/*
 * A client of both engines: it builds segments, sends them, and reads what came. What it knows of its connection
 * is what a TCP would; whether it acts as one is for the session to say.
 */
#include <stdlib.h>

#include "kit.h"
#include "twin.h"

static const uint8_t client_mac[6] = {2, 0, 0, 0, 0, 1};

void twin_host(const struct twin *tw, uint8_t to[16], unsigned int host)
{
	static const uint8_t net[16] = {0xfd, 0, 0, 0x18};

	if (!tw->v6) {
		kit_v4(to, be32(198u << 24 | 18 << 16 | host));
		return;
	}
	memcpy(to, net, sizeof(net));
	to[15] = (uint8_t)host;
}

static uint32_t l4_of(const struct twin *tw)
{
	return ETH_HDR_LEN + (tw->v6 ? IP6_HDR_LEN : IP4_HDR_LEN);
}

uint32_t client_mss(const struct client *c)
{
	return c->ts ? 1448 : 1460;
}

struct segment client_next(const struct client *c, uint32_t len)
{
	return (struct segment){.seq = c->nxt, .ack = c->rcv_nxt, .len = len, .win = c->win,
				.flags = len ? TCP_ACK | TCP_PSH : TCP_ACK};
}

void client_draw(struct client *c)
{
	static const uint16_t sizes[] = {1460, 1460, 1460, 1460, 1400, 536, 100, 9000};
	struct twin *tw = c->tw;
	struct rng *r = &tw->r;
	const bool again = c->port && chance(r, 300);

	*c = (struct client){.tw = tw, .i = c->i, .port = c->port, .dport = c->dport, .text = c->text,
			     .text_len = c->text_len, .isn = c->isn, .nxt = c->nxt, .ts_base = c->ts_base};
	twin_host(tw, c->addr, TWIN_CLIENT + c->i);
	if (!again)
		c->port = (uint16_t)(c->port ? c->port + 0u + TWIN_CLIENTS : 40002u + c->i); /* 40002 is 0 of 6 */
	if (again)
		c->isn = c->nxt + 100000;
	else
		c->isn = chance(r, 200) ? -between(r, 1, 5000) : (uint32_t)rng_next(r);
	c->ts = chance(r, 600);
	c->sack = chance(r, 700);
	c->scale = chance(r, 700);
	c->ecn = chance(r, 150);
	c->no_mss = chance(r, 30);
	c->mss = PICK(r, sizes);
	c->shift = c->scale ? (uint8_t)below(r, 9) : 0;
	c->win = chance(r, 800) ? 65535u << c->shift : between(r, 500, 20000);
	if (!again)
		c->ts_base = chance(r, 200) ? -between(r, 1, 3000) : (uint32_t)rng_next(r);
	c->nxt = c->una = c->isn;
}

static struct frame *new_frame(struct twin *tw, uint32_t len)
{
	struct frame *f = &tw->burst[tw->n_burst];

	if (tw->n_burst == ENGINE_BURST_MAX)
		abort();
	tw->cut[tw->n_burst++] = chance(&tw->r, 15) ? between(&tw->r, 60, 200) : 0;
	memset(f->bytes, 0, l4_of(tw) + 60);
	f->len = len;
	f->flags = tw->vouched ? RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD : 0;
	eth_copy(f->bytes, tw->side[0].cap.mac);
	eth_copy(f->bytes + 6, client_mac);
	store_be16(f->bytes + 12, tw->v6 ? ETH_TYPE_IP6 : ETH_TYPE_IP4);
	return f;
}

static void put_ip(const struct twin *tw, struct frame *f, const uint8_t from[16], uint8_t tos, uint8_t proto)
{
	struct kit_ip ip = {.l4_len = f->len - l4_of(tw), .tos = tos, .ttl = 64, .proto = proto, .frag = IP4_DF};

	memcpy(ip.saddr, from, 16);
	twin_host(tw, ip.daddr, TWIN_SERVER);
	kit_put_ip(f->bytes + ETH_HDR_LEN, &ip);
}

static uint8_t byte_at(const struct client *c, uint32_t seq)
{
	const uint32_t at = seq - c->isn - 1;

	return c->text ? (uint8_t)c->text[at % c->text_len] : (uint8_t)(at * 11 + (at >> 8));
}

static uint32_t ts_now(const struct client *c)
{
	return c->ts_base + ms_of(c->tw->now);
}

static void put_segment(struct client *c, const struct segment *s, const uint8_t *opt, unsigned int opt_len)
{
	const uint32_t len = s->len, win = s->flags & TCP_SYN ? s->win : s->win >> c->shift, l4 = l4_of(c->tw);
	struct frame *f = new_frame(c->tw, l4 + TCP_HDR_LEN + opt_len + len);
	uint8_t *data = f->bytes + l4 + TCP_HDR_LEN + opt_len;

	put_ip(c->tw, f, c->addr, (uint8_t)(s->dscp << 2 | s->ce), IP_PROTO_TCP);
	*(struct tcp_hdr *)(f->bytes + l4) = (struct tcp_hdr){
		.sport = be16(c->port), .dport = be16(c->dport), .seq = be32(s->seq),
		.ack = s->flags & TCP_ACK ? be32(s->ack) : 0, .doff = tcp_doff(TCP_HDR_LEN + opt_len),
		.flags = s->flags, .window = be16((uint16_t)(win < 65535 ? win : 65535)), .urg = be16(s->urg),
	};
	memcpy(f->bytes + l4 + TCP_HDR_LEN, opt, opt_len);
	for (uint32_t i = 0; i < len; i++)
		data[i] = byte_at(c, s->seq + i);
	kit_sums(f->bytes);
	if (c->tw->verbose)
		show_frame("to", f);
}

void client_syn(struct client *c, bool again)
{
	struct tcp_opts o = {.tsval = ts_now(c), .mss = c->mss, .wscale = c->shift};
	struct segment s = {.seq = c->isn, .win = min_of(c->win, 65535u), .flags = TCP_SYN};
	uint8_t opt[40];

	o.flags = (c->no_mss ? 0 : TCP_OPTS_MSS) | (c->ts ? TCP_OPTS_TS : 0) |
		  (c->sack ? TCP_OPTS_SACK_OK : 0) | (c->scale ? TCP_OPTS_WSCALE : 0);
	if (c->ecn && !again)
		s.flags |= TCP_ECE | TCP_CWR;
	c->syn_sent = true;
	put_segment(c, &s, opt, tcp_opt_emit_syn(opt, &o));
}

void client_send(struct client *c, const struct segment *s)
{
	struct tcp_sack_block b[4];
	uint32_t end = s->seq + s->len + !!(s->flags & TCP_FIN);
	unsigned int n = 0;
	uint8_t opt[40];

	if ((c->ts && !s->no_ts) || s->any_ts)
		n = tcp_opt_emit_ts(opt, ts_now(c) + (uint32_t)s->ts_off, c->ts_recent + (uint32_t)s->echo_off);
	for (unsigned int i = 0; i < s->n_sack; i++)
		b[i] = (struct tcp_sack_block){s->sack[i].left, s->sack[i].right};
	if (s->n_sack)
		n += tcp_opt_emit_sack(opt + n, b, s->n_sack);
	put_segment(c, s, opt, n);
	if (s->flags & TCP_RST)
		return;
	if (seq_gt(end, c->nxt))
		c->nxt = end;
	if (s->flags & TCP_ACK && seq_gt(s->ack, c->acked) && seq_leq(s->ack, c->rcv_nxt))
		c->acked = s->ack;
}

/* ---- what comes ---- */

static void take_synack(struct client *c, const struct tcp_hdr *th, const struct tcp_opts *o)
{
	if (c->up || !c->syn_sent || be32(th->ack) != c->isn + 1)
		return;
	c->up = true;
	c->iss = be32(th->seq);
	c->rcv_nxt = c->acked = c->iss + 1;
	c->nxt = c->una = c->isn + 1;
	c->ts = o->flags & TCP_OPTS_TS;
	c->sack = o->flags & TCP_OPTS_SACK_OK;
	c->scale = o->flags & TCP_OPTS_WSCALE;
	c->shift = c->scale ? c->shift : 0;
	c->peer_shift = c->scale ? o->wscale : 0;
	c->ecn = (th->flags & (TCP_ECE | TCP_CWR)) == TCP_ECE;
	c->edge = c->nxt + be16(th->window);
}

static void forget_range(struct client *c, unsigned int i)
{
	c->ooo[i] = c->ooo[--c->n_ooo];
}

/* [left, right) has come. */
static void take_range(struct client *c, uint32_t left, uint32_t right)
{
	if (seq_leq(left, c->rcv_nxt)) {
		if (seq_gt(right, c->rcv_nxt))
			c->rcv_nxt = right;
		for (unsigned int i = 0; i < c->n_ooo;) {
			if (seq_gt(c->ooo[i].left, c->rcv_nxt)) {
				i++;
				continue;
			}
			if (seq_gt(c->ooo[i].right, c->rcv_nxt))
				c->rcv_nxt = c->ooo[i].right;
			forget_range(c, i);
			i = 0;
		}
		return;
	}
	for (unsigned int i = 0; i < c->n_ooo;) {
		if (seq_lt(c->ooo[i].right, left) || seq_gt(c->ooo[i].left, right)) {
			i++;
			continue;
		}
		if (seq_lt(c->ooo[i].left, left))
			left = c->ooo[i].left;
		if (seq_gt(c->ooo[i].right, right))
			right = c->ooo[i].right;
		forget_range(c, i);
	}
	if (c->n_ooo == CLIENT_RANGES)
		c->n_ooo--; /* it may renege */
	memmove(c->ooo + 1, c->ooo, c->n_ooo * sizeof(*c->ooo));
	c->ooo[0] = (struct range){left, right};
	c->n_ooo++;
}

static void take_tcp(struct client *c, const struct kit_ip *ip, const struct tcp_hdr *th)
{
	const uint32_t hdr = tcp_hdr_len(th), len = ip->l4_len - hdr;
	const uint32_t seq = be32(th->seq), ack = be32(th->ack);
	struct tcp_opts o;

	tcp_opt_parse_full((const uint8_t *)(th + 1), hdr - TCP_HDR_LEN, th->flags & TCP_SYN, &o);
	if (th->flags & TCP_RST) {
		c->gone = true;
		return;
	}
	if (o.flags & TCP_OPTS_TS)
		c->ts_recent = o.tsval;
	if (th->flags & TCP_SYN) {
		take_synack(c, th, &o);
		return;
	}
	if (!c->up)
		return;
	if (seq_gt(ack, c->una) && seq_leq(ack, c->nxt))
		c->una = ack;
	c->edge = ack + ((uint32_t)be16(th->window) << c->peer_shift);
	c->ece |= c->ecn && ip->tos & IP_ECN_MASK && chance(&c->tw->r, 50);
	if (len || th->flags & TCP_FIN)
		take_range(c, seq, seq + len + !!(th->flags & TCP_FIN));
	c->fin_seen |= th->flags & TCP_FIN && seq + len + 1 == c->rcv_nxt;
}

static bool is_solicitation(const struct frame *f)
{
	return load_be16(f->bytes + 12) == ETH_TYPE_IP6 && f->bytes[ETH_HDR_LEN + 6] == IP_PROTO_ICMPV6 &&
	       f->bytes[ETH_HDR_LEN + IP6_HDR_LEN] == ICMP6_NEIGHBOR_SOLICIT;
}

void client_take(struct twin *tw, const struct frame *f)
{
	const struct tcp_hdr *th = kit_tcp(f->bytes);
	struct kit_ip ip;

	if (tw->verbose)
		show_frame("from", f);
	tw->packets_out++;
	if (load_be16(f->bytes + 12) == ETH_TYPE_ARP || is_solicitation(f)) {
		if (!chance(&tw->r, 2 * tw->loss))
			client_arp(tw, f);
		return;
	}
	if (!th || chance(&tw->r, tw->loss))
		return;
	kit_take_ip(f->bytes, &ip);
	for (unsigned int i = 0; i < tw->n_clients; i++)
		if (kit_same(tw->client[i].addr, ip.daddr) && tw->client[i].port == be16(th->dport))
			take_tcp(&tw->client[i], &ip, th);
}

/* ---- beside TCP ---- */

static void advertise(struct twin *tw, const struct frame *f)
{
	const struct nd_msg *ask = (const struct nd_msg *)(f->bytes + l4_of(tw));
	struct frame *to = new_frame(tw, l4_of(tw) + ND_MSG_LEN + 8);
	struct ipv6_hdr *ip = (struct ipv6_hdr *)(to->bytes + ETH_HDR_LEN);
	struct nd_msg *nd = (struct nd_msg *)(ip + 1);
	struct nd_opt_mac *opt = (struct nd_opt_mac *)(nd + 1);

	tw->cut[tw->n_burst - 1] = 0;
	to->flags = 0;
	put_ip(tw, to, ask->target, 0, IP_PROTO_ICMPV6);
	ip->hop_limit = ND_HOP_LIMIT;
	nd->type = ICMP6_NEIGHBOR_ADVERT;
	nd->flags = ND_SOLICITED | ND_OVERRIDE;
	memcpy(nd->target, ask->target, 16);
	*opt = (struct nd_opt_mac){.type = ND_OPT_TARGET_MAC, .len = 1};
	eth_copy(opt->mac, client_mac);
	kit_icmp6_sum(to->bytes);
}

/* Who asks is answered; the answer waits in the burst. */
void client_arp(struct twin *tw, const struct frame *f)
{
	const struct arp_pkt *ask = (const struct arp_pkt *)(f->bytes + ETH_HDR_LEN);
	struct frame *to;

	if (tw->n_burst > ENGINE_BURST_MAX / 2)
		return;
	if (tw->v6) {
		advertise(tw, f);
		return;
	}
	if (ask->op != BE16(ARP_OP_REQUEST))
		return;
	to = new_frame(tw, ETH_MIN_FRAME);
	tw->cut[tw->n_burst - 1] = 0;
	to->flags = 0;
	store_be16(to->bytes + 12, ETH_TYPE_ARP);
	*(struct arp_pkt *)(to->bytes + ETH_HDR_LEN) = (struct arp_pkt){
		.htype = BE16(ARP_HTYPE_ETHERNET), .ptype = BE16(ETH_TYPE_IP4), .hlen = 6, .plen = 4,
		.op = BE16(ARP_OP_REPLY), .spa = ask->tpa, .tpa = ask->spa,
	};
	eth_copy(to->bytes + ETH_HDR_LEN + 8, client_mac);
	eth_copy(to->bytes + ETH_HDR_LEN + 18, tw->side[0].cap.mac);
}

static void too_big6(struct client *c, uint16_t mtu)
{
	struct frame *f = new_frame(c->tw, l4_of(c->tw) + ICMP6_HDR_LEN + IP6_HDR_LEN + 8);
	struct icmp6_hdr *h = (struct icmp6_hdr *)(f->bytes + l4_of(c->tw));
	struct kit_ip ip = {.l4_len = 1500 - IP4_HDR_LEN, .ttl = 63, .proto = IP_PROTO_TCP};
	uint8_t *th = (uint8_t *)(h + 1) + IP6_HDR_LEN, from[16];

	c->tw->cut[c->tw->n_burst - 1] = 0;
	f->flags = 0;
	twin_host(c->tw, from, TWIN_ROUTER);
	put_ip(c->tw, f, from, 0, IP_PROTO_ICMPV6);
	*h = (struct icmp6_hdr){.type = ICMP6_TOO_BIG, .mtu = be32(mtu)};
	twin_host(c->tw, ip.saddr, TWIN_SERVER);
	memcpy(ip.daddr, c->addr, 16);
	kit_put_ip((uint8_t *)(h + 1), &ip);
	store_be16(th, c->dport);
	store_be16(th + 2, c->port);
	store_be32(th + 4, c->acked);
	kit_icmp6_sum(f->bytes);
}

/* A router says of a packet in flight that it was too big. */
void client_too_big(struct client *c, uint16_t mtu)
{
	struct icmp_hdr *h;
	struct kit_ip ip = {.l4_len = 1500 - IP4_HDR_LEN, .ttl = 63, .proto = IP_PROTO_TCP, .frag = IP4_DF};
	struct frame *f;
	uint8_t *th, from[16];

	if (c->tw->v6) {
		too_big6(c, mtu);
		return;
	}
	f = new_frame(c->tw, l4_of(c->tw) + ICMP_HDR_LEN + IP4_HDR_LEN + 8);
	h = (struct icmp_hdr *)(f->bytes + l4_of(c->tw));
	th = (uint8_t *)(h + 1) + IP4_HDR_LEN;
	c->tw->cut[c->tw->n_burst - 1] = 0;
	f->flags = 0;
	twin_host(c->tw, from, TWIN_ROUTER);
	put_ip(c->tw, f, from, 0, IP_PROTO_ICMP);
	*h = (struct icmp_hdr){.type = ICMP_UNREACHABLE, .code = ICMP_UNREACH_FRAG_NEEDED, .mtu = be16(mtu)};
	twin_host(c->tw, ip.saddr, TWIN_SERVER);
	memcpy(ip.daddr, c->addr, 16);
	kit_put_ip((uint8_t *)(h + 1), &ip);
	store_be16(th, c->dport);
	store_be16(th + 2, c->port);
	store_be32(th + 4, c->acked);
	h->cksum = sum_finish(sum_partial(h, ICMP_HDR_LEN + IP4_HDR_LEN + 8, 0));
}
