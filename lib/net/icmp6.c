/*
 * ICMPv6 (RFC 4443): what arrives and to whom it goes, and the errors. Neighbour discovery and
 * multicast listener discovery are messages of it with rules of their own (nd.c, mld.c): they come
 * to groups, and from no address.
 *
 * Errors quote as much of the packet as the smallest MTU of a path allows, in the packet that
 * asked, and share their token bucket with those of IPv4. What others report about our packets is
 * checked for its length and handed on.
 */
#include "answer.h"

#define QUOTE_MAX (IP6_MTU_MIN - IP6_HDR_LEN - ICMP6_HDR_LEN)
#define QUOTE_MIN (IP6_HDR_LEN + 8) /* of a TCP segment: ports and SEQ */

/* ---- Errors that arrive ---- */

static enum net_error_kind kind_of(const struct icmp6_hdr *h)
{
	static const uint8_t unreachable[] = {
		[ICMP6_UNREACH_ROUTE] = NET_ERROR_NET,
		[ICMP6_UNREACH_ADMIN] = NET_ERROR_PROHIBITED,
		[ICMP6_UNREACH_SCOPE] = NET_ERROR_UNREACHABLE,
		[ICMP6_UNREACH_ADDR] = NET_ERROR_HOST,
		[ICMP6_UNREACH_PORT] = NET_ERROR_PORT,
	};

	switch (h->type) {
	case ICMP6_TOO_BIG:
		return NET_ERROR_TOO_BIG;
	case ICMP6_TIME_EXCEEDED:
		return NET_ERROR_TIME_EXCEEDED;
	case ICMP6_PARAM_PROBLEM:
		return NET_ERROR_PARAMETER;
	default:
		return h->code < ARRAY_SIZE(unreachable) ? unreachable[h->code]
							 : NET_ERROR_UNREACHABLE;
	}
}

/*
 * The embedded headers: what we sent had no extension headers, so all else is forged or not ours. A
 * path's MTU below what IPv6 asks of all links is not believed (RFC 8201 section 4). False and why
 * it is dropped.
 */
static bool error_parse(const struct net *n, const uint8_t *p, uint16_t len,
			const struct pkt_facts *f, struct net_icmp_error *err, enum counter *why)
{
	const struct icmp6_hdr *h = (const struct icmp6_hdr *)p;
	const struct ipv6_hdr *ip = (const struct ipv6_hdr *)(h + 1);
	const uint8_t *tcp = (const uint8_t *)(ip + 1);
	int32_t local;

	*why = CTR_RX_ICMP_BAD;
	if (len < ICMP6_HDR_LEN + QUOTE_MIN || ip6_version(ip) != IP6_VERSION ||
	    be16(ip->payload_len) < 8)
		return false;
	*why = CTR_RX_ICMP_IGNORED;
	local = addr_find(n, f->port, ip->saddr);
	if (ip->next != IP_PROTO_TCP || local < 0 ||
	    (h->type == ICMP6_TOO_BIG && be32(h->mtu) < IP6_MTU_MIN))
		return false;
	*err = (struct net_icmp_error){
		.kind = (uint8_t)kind_of(h),
		.type = h->type,
		.code = h->code,
		.port = f->port,
		.local = (uint32_t)local,
		.lport = load16(tcp),
		.rport = load16(tcp + 2),
		.seq = load_be32(tcp + 4),
		.len = (uint16_t)min_of((uint32_t)be16(ip->payload_len) + IP6_HDR_LEN,
					(uint32_t)UINT16_MAX),
	};
	if (h->type == ICMP6_TOO_BIG)
		err->mtu = (uint16_t)min_of(be32(h->mtu), (uint32_t)UINT16_MAX);
	ip6_copy(err->remote, ip->daddr);
	return true;
}

static void error_input(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f)
{
	uint8_t buf[ICMP6_HDR_LEN + QUOTE_MIN];
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

/* ---- What arrives ---- */

/* The messages of a host to a host. */
static void host_input(struct net *n, struct rte_mbuf *m, struct pkt_facts *f, uint8_t type,
		       uint64_t now)
{
	if (!net_accept(n, f)) {
		net_drop(n, m, f->reason);
		return;
	}
	switch (type) {
	case ICMP6_ECHO_REQUEST:
		echo_input(n, m, f, now);
		break;
	case ICMP6_UNREACHABLE:
	case ICMP6_TOO_BIG:
	case ICMP6_TIME_EXCEEDED:
	case ICMP6_PARAM_PROBLEM:
		error_input(n, m, f);
		break;
	default:
		net_drop(n, m, CTR_RX_ICMP_IGNORED);
		break;
	}
}

void icmp6_input(struct net *n, struct rte_mbuf *m, struct pkt_facts *f, uint64_t now)
{
	struct icmp6_hdr copy;
	const struct icmp6_hdr *h = rte_pktmbuf_read(m, f->l4_off, sizeof(copy), &copy);
	uint32_t pseudo = sum_pseudo6(f->saddr, f->daddr, IP_PROTO_ICMPV6, f->l4_len);

	if (!h || f->l4_len < ICMP6_HDR_LEN ||
	    sum_fold(sum_add(pseudo, pkt_sum(m, f->l4_off, f->l4_len))) != 0xffff) {
		net_drop(n, m, CTR_RX_ICMP_BAD);
		return;
	}
	switch (h->type) {
	case ICMP6_NEIGHBOR_SOLICIT:
	case ICMP6_NEIGHBOR_ADVERT:
		nd_input(n, m, f, now);
		break;
	case ICMP6_ROUTER_SOLICIT: /* addresses and gateways are configured, not learnt */
	case ICMP6_ROUTER_ADVERT:
	case ICMP6_REDIRECT:
		net_drop(n, m, CTR_RX_ND_IGNORED);
		break;
	case ICMP6_MLD_QUERY:
		mld_input(n, m, f, now);
		break;
	case ICMP6_MLD_REPORT_V1:
	case ICMP6_MLD_DONE:
	case ICMP6_MLD_REPORT:
		net_drop(n, m, CTR_RX_ICMP_IGNORED);
		break;
	default:
		host_input(n, m, f, h->type, now);
		break;
	}
}

/* ---- Errors that are sent ---- */

/* From whom, if the packet was not for one of our addresses, but for a group: RFC 4443 section 2.2.
 */
static bool from_port(const struct net *n, uint16_t port, struct answer *a)
{
	const int32_t i = addr_speaker(n, port, NONE, a->daddr);

	if (i >= 0)
		ip6_copy(a->saddr, n->addrs[i].ip);
	return i >= 0;
}

void icmp6_refuse(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f, uint8_t type,
		  uint8_t code, uint32_t param, enum counter reason, uint64_t now)
{
	uint8_t quote[QUOTE_MAX];
	uint16_t len = (uint16_t)min_of(m->pkt_len - f->l3_off, (uint32_t)QUOTE_MAX);
	const uint8_t *p = rte_pktmbuf_read(m, f->l3_off, len, quote);
	struct icmp6_hdr h = {.type = type, .code = code, .rest = be32(param)};
	struct answer a;
	uint8_t *to;

	count(n->counters, reason);
	if (!p || !answer_read(n, m, f->l3_off, f->port, &a) ||
	    (ip6_is_multicast(a.saddr) && !from_port(n, f->port, &a))) {
		pkt_recycle(n->conf.pool, m);
		return;
	}
	if (!bucket_take(&n->limits->icmp, now)) {
		net_drop(n, m, CTR_TX_ICMP_RATE);
		return;
	}
	len = (uint16_t)min_of((uint32_t)len,
			       load_be16(p + offsetof(struct ipv6_hdr, payload_len)) +
				       (uint32_t)IP6_HDR_LEN);
	if (p != quote)
		memcpy(quote, p, len);
	m = net_answer(n, m, ICMP6_HDR_LEN + len);
	if (!m)
		return;
	to = rte_pktmbuf_mtod(m, uint8_t *);
	memcpy(to, &h, sizeof(h));
	memcpy(to + sizeof(h), quote, len);
	h.cksum = sum_finish(
		sum_partial(to, sizeof(h) + len,
			    sum_pseudo6(a.saddr, a.daddr, IP_PROTO_ICMPV6, sizeof(h) + len)));
	memcpy(to, &h, sizeof(h));
	answer_push(&a, m, 0);
	count(n->counters, CTR_ICMP_ERRORS_TX);
	net_emit(n, f->port, m);
}

/*
 * RFC 4443 section 2.4 (e): to one of our addresses; what the parser says so of, to a group of ours
 * too.
 */
void icmp6_problem(struct net *n, struct rte_mbuf *m, struct pkt_facts *f, uint64_t now)
{
	const enum counter reason = f->reason;
	const bool always = f->flags & PKT_F_PROBLEM_ALWAYS && ip6_is_multicast(f->daddr) &&
			    net_source_ok(n, f) && addr_in_group(n, f->port, f->daddr);

	if (!always && !net_accept(n, f)) {
		net_drop(n, m, f->reason);
		return;
	}
	icmp6_refuse(n, m, f, ICMP6_PARAM_PROBLEM, f->problem_code, f->problem_ptr, reason, now);
}
