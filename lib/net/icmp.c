/*
 * ICMP (RFC 792), and the UDP and unknown protocols that cause it.
 *
 * An echo reply is the request with its headers exchanged; a request that came in fragments is
 * answered in fragments, one per received mbuf, under the request's own ID, which its sender has
 * made unique. Errors quote the packet up to 576 bytes in all, in the packet that asked. Answers go
 * back to the MAC address they were asked from. Errors share one token bucket, echo has its own.
 *
 * What others report about our packets is checked for its length and handed on.
 */
#include "internal.h"

#define TTL       64
#define ERROR_MAX 576
#define QUOTE_MAX (ERROR_MAX - IP4_HDR_LEN - ICMP_HDR_LEN)
#define HEAD_LEN  (ETH_HDR_LEN + IP4_HDR_LEN)

/* Who an answer goes to, read before the packet is overwritten. */
struct back {
	const struct pkt_port *pp;
	uint8_t mac[ETH_ADDR_LEN];
	uint8_t tos;
	uint16_t id;           /* network order */
	uint32_t saddr, daddr; /* network order, of the answer */
};

static bool back_read(struct net *n, const struct rte_mbuf *m, uint16_t l3_off, uint16_t port,
		      struct back *b)
{
	uint8_t buf[ETH_HDR_LEN + IP4_HDR_LEN];
	const uint8_t *p = rte_pktmbuf_read(m, 0, sizeof(buf), buf);
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(p + l3_off);
	const struct net_port_conf *pc = net_port(n, port);

	if (!pc || !p || l3_off != ETH_HDR_LEN || eth_is_group(p + ETH_ADDR_LEN))
		return false;
	b->pp = pc->port;
	eth_copy(b->mac, p + ETH_ADDR_LEN);
	b->tos = ip->tos;
	b->id = ip->id;
	b->saddr = ip->daddr;
	b->daddr = ip->saddr;
	return true;
}

/*
 * Prepend the headers of an answer to m, which begins with ICMP and has HEAD_LEN bytes of headroom.
 * frag: the IPv4 fragment field, host order.
 */
static void back_push(const struct back *b, struct rte_mbuf *m, uint8_t tos, uint16_t frag)
{
	uint16_t len = (uint16_t)(m->pkt_len + IP4_HDR_LEN);
	struct ip4_hdr *ip;
	uint8_t *p;

	m->data_off -= HEAD_LEN;
	m->data_len += HEAD_LEN;
	m->pkt_len += HEAD_LEN;
	p = rte_pktmbuf_mtod(m, uint8_t *);
	ip = (struct ip4_hdr *)(p + ETH_HDR_LEN);
	net_eth_write(p, b->mac, b->pp->mac, ETH_TYPE_IP4);
	net_ip4_write(p + ETH_HDR_LEN, b->saddr, b->daddr, len, IP_PROTO_ICMP, tos, TTL);
	if (frag != IP4_DF) {
		ip->frag = be16(frag);
		ip->id = b->id;
	}
	pkt_ip_finish(m, ETH_HDR_LEN);
	m->ol_flags &= RTE_MBUF_F_EXTERNAL;
	m->tx_offload = 0;
}

/* Whether the reply can go out in m's own buffers, and in fragments if it has to. */
static bool echo_fits(const struct rte_mbuf *m, bool fragments, uint16_t mtu)
{
	for (const struct rte_mbuf *s = m; s; s = s->next) {
		if (rte_mbuf_refcnt_read(s) != 1 || RTE_MBUF_CLONED(s))
			return false;
		if (fragments && ((s->next && s->data_len % 8) || s->data_len == 0 ||
				  s->data_off < HEAD_LEN || s->data_len + IP4_HDR_LEN > mtu))
			return false;
	}
	return m->data_len >= ICMP_HDR_LEN && m->data_off >= HEAD_LEN;
}

static void echo_send(struct net *n, struct rte_mbuf *m, const struct back *b, uint16_t port,
		      bool fragments)
{
	uint32_t off = 0;

	if (!fragments) {
		back_push(b, m, b->tos, IP4_DF);
		net_emit(n, port, m);
		return;
	}
	while (m) {
		struct rte_mbuf *next = m->next;
		uint16_t len = m->data_len;

		m->next = NULL;
		m->nb_segs = 1;
		m->pkt_len = len;
		back_push(b, m, b->tos, (uint16_t)(off / 8) | (next ? IP4_MF : 0));
		net_emit(n, port, m);
		off += len;
		m = next;
	}
}

/* RFC 1122 section 3.2.2.6. IPv4 options are not returned. */
static void echo_input(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f, uint64_t now)
{
	struct icmp_hdr *h;
	struct back b;
	uint16_t was, mtu;
	bool fragments;

	if (!back_read(n, m, f->l3_off, f->port, &b) || !rte_pktmbuf_adj(m, f->l4_off) ||
	    rte_pktmbuf_trim(m, (uint16_t)(m->pkt_len - f->l4_len)) != 0) {
		net_drop(n, m, CTR_RX_ICMP_IGNORED);
		return;
	}
	mtu = pkt_port_mtu(b.pp);
	fragments = m->nb_segs > 1 &&
		    (m->pkt_len + IP4_HDR_LEN > mtu || !(b.pp->flags & PKT_TX_MULTI_SEG));
	if (!echo_fits(m, fragments, mtu)) {
		net_drop(n, m, CTR_RX_ICMP_IGNORED);
		return;
	}
	if (!bucket_take(&n->limits->echo, now)) {
		net_drop(n, m, CTR_RX_ICMP_RATE);
		return;
	}
	h = rte_pktmbuf_mtod(m, struct icmp_hdr *);
	was = load16(h);
	h->type = ICMP_ECHO_REPLY;
	h->cksum = sum_update16(h->cksum, was, load16(h));
	count(n->counters, CTR_ICMP_ECHO_RX);
	echo_send(n, m, &b, f->port, fragments);
}

/*
 * The embedded headers of an error (RFC 792): what we sent had no IPv4 options and was no fragment,
 * so all else is forged or not ours. False and why it is dropped.
 */
static bool error_parse(const struct net *n, const uint8_t *p, uint16_t len,
			const struct pkt_facts *f, struct net_icmp_error *err, enum counter *why)
{
	const struct icmp_hdr *h = (const struct icmp_hdr *)p;
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(p + ICMP_HDR_LEN);
	const uint8_t *tcp = (const uint8_t *)(ip + 1);
	int32_t local;

	*why = CTR_RX_ICMP_BAD;
	if (len < ICMP_HDR_LEN + IP4_HDR_LEN + 8 || ip->ver_ihl != IP4_VER_IHL ||
	    be16(ip->total_len) < IP4_HDR_LEN + 8 || ip->frag & BE16(IP4_MF | IP4_OFFSET_MASK))
		return false;
	*why = CTR_RX_ICMP_IGNORED;
	local = addr_find4(n, f->port, ip->saddr);
	if (ip->proto != IP_PROTO_TCP || local < 0)
		return false;
	*err = (struct net_icmp_error){
		.type = h->type, .code = h->code, .port = f->port, .local = (uint32_t)local,
		.lport = load16(tcp), .rport = load16(tcp + 2), .seq = load_be32(tcp + 4),
		.len = be16(ip->total_len),
		.remote = { [10] = 0xff, [11] = 0xff },
	};
	if (h->type == ICMP_UNREACHABLE && h->code == ICMP_UNREACH_FRAG_NEEDED)
		err->mtu = be16(h->mtu);
	memcpy(err->remote + 12, &ip->daddr, sizeof(ip->daddr));
	return true;
}

static void error_input(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f)
{
	uint8_t buf[ICMP_HDR_LEN + IP4_HDR_LEN + 8];
	uint16_t len = min_of(f->l4_len, (uint16_t)sizeof(buf));
	const uint8_t *p = rte_pktmbuf_read(m, f->l4_off, len, buf);
	struct net_icmp_error err;
	enum counter why;

	if (!error_parse(n, p, len, f, &err, &why)) {
		net_drop(n, m, why);
		return;
	}
	count(n->counters, CTR_ICMP_ERRORS_RX);
	if (!n->conf.icmp_error) {
		net_drop(n, m, CTR_RX_ICMP_IGNORED);
		return;
	}
	n->conf.icmp_error(n->conf.arg, &err);
	pkt_recycle(n->conf.pool, m);
}

void icmp_input(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f, uint64_t now)
{
	struct icmp_hdr copy;
	const struct icmp_hdr *h = rte_pktmbuf_read(m, f->l4_off, sizeof(copy), &copy);

	if (!h || pkt_sum(m, f->l4_off, f->l4_len) != 0xffff) {
		net_drop(n, m, CTR_RX_ICMP_BAD);
		return;
	}
	switch (h->type) {
	case ICMP_ECHO_REQUEST:
		echo_input(n, m, f, now);
		break;
	case ICMP_UNREACHABLE:
	case ICMP_TIME_EXCEEDED:
	case ICMP_PARAM_PROBLEM:
		error_input(n, m, f);
		break;
	default: /* Source Quench and Redirect too (RFC 6633, RFC 1122 section 3.2.2.2) */
		net_drop(n, m, CTR_RX_ICMP_IGNORED);
		break;
	}
}

/* RFC 1122 section 4.1.3.4. What the port says about the checksum counts as for TCP. */
static bool udp_valid(const struct rte_mbuf *m, const struct pkt_facts *f)
{
	uint64_t state = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	struct udp_hdr copy;
	const struct udp_hdr *h = rte_pktmbuf_read(m, f->l4_off, sizeof(copy), &copy);
	uint16_t len;

	if (!h)
		return false;
	len = be16(h->len);
	if (len < UDP_HDR_LEN || len > f->l4_len || state == RTE_MBUF_F_RX_L4_CKSUM_BAD)
		return false;
	if (h->cksum == 0 || state != RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN)
		return true;
	return sum_fold(sum_add(sum_pseudo4(net_v4_of(f->saddr), net_v4_of(f->daddr),
					    IP_PROTO_UDP, len),
				pkt_sum(m, f->l4_off, len))) == 0xffff;
}

void udp_input(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f, uint64_t now)
{
	if (!udp_valid(m, f)) {
		net_drop(n, m, CTR_RX_UDP_BAD);
		return;
	}
	icmp_refuse(n, m, f->l3_off, f->port, ICMP_UNREACHABLE, ICMP_UNREACH_PORT,
		    CTR_RX_UDP_CLOSED, now);
}

/* RFC 1122 section 3.2.2 says what must not be answered; the callers have seen to all of it. */
void icmp_refuse(struct net *n, struct rte_mbuf *m, uint16_t l3_off, uint16_t port, uint8_t type,
		 uint8_t code, enum counter reason, uint64_t now)
{
	uint8_t quote[QUOTE_MAX];
	uint16_t len = (uint16_t)min_of(m->pkt_len - l3_off, (uint32_t)QUOTE_MAX);
	const uint8_t *p = rte_pktmbuf_read(m, l3_off, len, quote);
	struct icmp_hdr *h;
	struct back b;

	count(n->counters, reason);
	if (!p || !back_read(n, m, l3_off, port, &b)) {
		pkt_recycle(n->conf.pool, m);
		return;
	}
	if (!bucket_take(&n->limits->icmp, now)) {
		net_drop(n, m, CTR_TX_ICMP_RATE);
		return;
	}
	len = min_of(len, load_be16(p + offsetof(struct ip4_hdr, total_len)));
	if (p != quote)
		memcpy(quote, p, len);
	m = net_answer(n, m, ICMP_HDR_LEN + len);
	if (!m)
		return;
	h = rte_pktmbuf_mtod(m, struct icmp_hdr *);
	*h = (struct icmp_hdr){ .type = type, .code = code };
	memcpy(h + 1, quote, len);
	h->cksum = sum_finish(sum_partial(h, ICMP_HDR_LEN + len, 0));
	back_push(&b, m, 0, IP4_DF);
	count(n->counters, CTR_ICMP_ERRORS_TX);
	net_emit(n, port, m);
}

void net_unreachable(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f, uint8_t code,
		     enum counter reason, uint64_t now)
{
	icmp_refuse(n, m, f->l3_off, f->port, ICMP_UNREACHABLE, code, reason, now);
}
