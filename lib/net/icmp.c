/*
 * ICMP (RFC 792), and the UDP and unknown protocols that cause it.
 *
 * Errors quote the packet up to 576 bytes in all, in the packet that asked. They share one token bucket with those of
 * IPv6.
 *
 * What others report about our packets is checked for its length and handed on.
 */
#include "answer.h"

#define ERROR_MAX 576
#define QUOTE_MAX (ERROR_MAX - IP4_HDR_LEN - ICMP_HDR_LEN)

static enum net_error_kind kind_of(const struct icmp_hdr *h)
{
	static const uint8_t unreachable[] = {
		[ICMP_UNREACH_NET] = NET_ERROR_NET,
		[ICMP_UNREACH_HOST] = NET_ERROR_HOST,
		[ICMP_UNREACH_PROTO] = NET_ERROR_PROTOCOL,
		[ICMP_UNREACH_PORT] = NET_ERROR_PORT,
		[ICMP_UNREACH_FRAG_NEEDED] = NET_ERROR_TOO_BIG,
		[ICMP_UNREACH_SRC_ROUTE] = NET_ERROR_SOURCE_ROUTE,
	};

	if (h->type == ICMP_TIME_EXCEEDED)
		return NET_ERROR_TIME_EXCEEDED;
	if (h->type == ICMP_PARAM_PROBLEM)
		return NET_ERROR_PARAMETER;
	return h->code < ARRAY_SIZE(unreachable) ? unreachable[h->code] : NET_ERROR_UNREACHABLE;
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
		.kind = (uint8_t)kind_of(h), .type = h->type, .code = h->code, .port = f->port, .local = (uint32_t)local,
		.lport = load16(tcp), .rport = load16(tcp + 2), .seq = load_be32(tcp + 4),
		.len = be16(ip->total_len),
		.remote = { [10] = 0xff, [11] = 0xff },
	};
	if (err->kind == NET_ERROR_TOO_BIG)
		err->mtu = be16(h->mtu);
	memcpy(err->remote + 12, &ip->daddr, sizeof(ip->daddr));
	return true;
}

void icmp_report(struct net *n, struct rte_mbuf *m, const struct net_icmp_error *err)
{
	count(n->counters, CTR_ICMP_ERRORS_RX);
	if (!n->conf.icmp_error) {
		net_drop(n, m, CTR_RX_ICMP_IGNORED);
		return;
	}
	n->conf.icmp_error(n->conf.arg, err);
	pkt_recycle(n->conf.pool, m);
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
	icmp_report(n, m, &err);
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

/* The pseudo-header's sum, of either family. */
static uint32_t udp_pseudo(const struct pkt_facts *f, uint16_t len)
{
	if (f->flags & PKT_F_V6)
		return sum_pseudo6(f->saddr, f->daddr, IP_PROTO_UDP, len);
	return sum_pseudo4(net_v4_of(f->saddr), net_v4_of(f->daddr), IP_PROTO_UDP, len);
}

/*
 * RFC 1122 section 4.1.3.4; over IPv6 there has to be a checksum (RFC 8200 section 8.1). What the port says about it
 * counts as for TCP.
 */
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
	if (h->cksum == 0)
		return !(f->flags & PKT_F_V6);
	if (state != RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN)
		return true;
	return sum_fold(sum_add(udp_pseudo(f, len), pkt_sum(m, f->l4_off, len))) == 0xffff;
}

void udp_input(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f, uint64_t now)
{
	if (!udp_valid(m, f)) {
		net_drop(n, m, CTR_RX_UDP_BAD);
		return;
	}
	net_unreachable(n, m, f, ICMP_UNREACH_PORT, CTR_RX_UDP_CLOSED, now);
}

/* RFC 1122 section 3.2.2 says what must not be answered; the callers have seen to all of it. */
void icmp_refuse(struct net *n, struct rte_mbuf *m, uint16_t l3_off, uint16_t port, uint8_t type,
		 uint8_t code, enum counter reason, uint64_t now)
{
	uint8_t quote[QUOTE_MAX];
	uint16_t len = (uint16_t)min_of(m->pkt_len - l3_off, (uint32_t)QUOTE_MAX);
	const uint8_t *p = rte_pktmbuf_read(m, l3_off, len, quote);
	struct icmp_hdr *h;
	struct answer a;

	count(n->counters, reason);
	if (!p || !answer_read(n, m, l3_off, port, &a)) {
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
	answer_push(&a, m, 0);
	count(n->counters, CTR_ICMP_ERRORS_TX);
	net_emit(n, port, m);
}

/* What IPv6 calls it. */
static uint8_t code6(uint8_t code)
{
	static const uint8_t codes[] = {
		[ICMP_UNREACH_NET] = ICMP6_UNREACH_ROUTE,
		[ICMP_UNREACH_HOST] = ICMP6_UNREACH_ADDR,
		[ICMP_UNREACH_PROTO] = ICMP6_UNREACH_ADMIN,
		[ICMP_UNREACH_PORT] = ICMP6_UNREACH_PORT,
	};

	return code < ARRAY_SIZE(codes) ? codes[code] : ICMP6_UNREACH_ADMIN;
}

void net_unreachable(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f, uint8_t code,
		     enum counter reason, uint64_t now)
{
	if (f->flags & PKT_F_V6 && code == ICMP_UNREACH_PROTO)
		icmp6_refuse(n, m, f, ICMP6_PARAM_PROBLEM, ICMP6_PROBLEM_NEXT, offsetof(struct ipv6_hdr, next), reason,
			     now);
	else if (f->flags & PKT_F_V6)
		icmp6_refuse(n, m, f, ICMP6_UNREACHABLE, code6(code), 0, reason, now);
	else
		icmp_refuse(n, m, f->l3_off, f->port, ICMP_UNREACHABLE, code, reason, now);
}
