/*
 * Parsing of a burst: see pkt/parse.h for what is checked and what is promised.
 *
 * All headers are read through one pointer to contiguous bytes. That is the frame itself when its
 * headers lie in the first segment, which is nearly always; otherwise a copy of the first
 * PKT_HDR_MAX bytes on the stack. Only checksums look at the rest of the frame.
 */
#include <string.h>

#include "parse6.h"
#include "plain.h"
#include "segment.h"
#include "base/counter.h"
#include "base/shortcut.h"
#include "pkt/parse.h"
#include "wire/arp.h"
#include "wire/icmp.h"
#include "wire/ip4.h"
#include "wire/sum.h"
#include "wire/udp.h"

/*
 * All that is written by the parser. By lines: at once, some compilers would call upon "rep stos", which takes longer
 * to begin than this does.
 */
static inline void clear(struct pkt_facts *f)
{
	static_assert(offsetof(struct pkt_facts, daddr) == CACHE_LINE, "the second line begins here");
	memset(f, 0, offsetof(struct pkt_facts, unused3));
	memset(f->daddr, 0, offsetof(struct pkt_facts, hash) - CACHE_LINE);
}

uint16_t pkt_sum(const struct rte_mbuf *m, uint32_t off, uint32_t len)
{
	uint32_t sum = 0;
	bool odd = false;

	while (off >= m->data_len && m->next) {
		off -= m->data_len;
		m = m->next;
	}
	while (len) {
		uint32_t here = min_of(len, m->data_len - off);
		const uint8_t *p = rte_pktmbuf_mtod_offset(m, const uint8_t *, off);

		sum = sum_combine(sum, sum_partial(p, here, 0), odd);
		odd ^= here & 1;
		len -= here;
		off = 0;
		m = m->next;
	}
	return sum_fold(sum);
}

unsigned pkt_sack_blocks(const struct rte_mbuf *m, const struct pkt_facts *f,
			 struct tcp_sack_block *out)
{
	uint8_t buf[8 * TCP_SACK_MAX];
	const uint8_t *p = rte_pktmbuf_read(m, f->sack_off, 8u * f->sack_n, buf);

	for (unsigned i = 0; i < f->sack_n; i++)
		out[i] = tcp_sack_load(p, i);
	return f->sack_n;
}

/* CTR_MAX when the options are well-formed and harmless, else the reason to drop (IP-03, IP-04). */
static enum counter ip4_check_options(const uint8_t *opt, unsigned len)
{
	unsigned i = 0;

	while (i < len && opt[i] != IP4_OPT_EOL) {
		if (opt[i] == IP4_OPT_NOP) {
			i++;
			continue;
		}
		if (len - i < 2 || opt[i + 1] < 2 || opt[i + 1] > len - i)
			return CTR_RX_IP_BAD;
		if (opt[i] == IP4_OPT_LSRR || opt[i] == IP4_OPT_SSRR)
			return CTR_RX_IP_SOURCE_ROUTE;
		i += opt[i + 1];
	}
	return CTR_MAX;
}

/* CTR_MAX when the header may be used. ip: contiguous, frame: bytes from the header on. */
static inline enum counter ip4_check(const struct rte_mbuf *m, const struct ip4_hdr *ip, uint32_t frame,
				     unsigned hlen)
{
	uint64_t cksum = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
	unsigned total = be16(ip->total_len);

	if (unlikely(hlen < IP4_HDR_LEN || total < hlen))
		return CTR_RX_IP_BAD;
	if (unlikely(total > frame))
		return CTR_RX_IP_CUT;
	if (unlikely(cksum == RTE_MBUF_F_RX_IP_CKSUM_BAD))
		return CTR_RX_IP_CSUM_BAD;
	if (likely(hlen == IP4_HDR_LEN))
		return cksum == RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN &&
		       !sum_is_good(sum_header64(ip, IP4_HDR_LEN)) ? CTR_RX_IP_CSUM_BAD : CTR_MAX;
	if (cksum == RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN && !sum_is_good(sum_header64(ip, hlen)))
		return CTR_RX_IP_CSUM_BAD;
	return ip4_check_options((const uint8_t *)ip + IP4_HDR_LEN, hlen - IP4_HDR_LEN);
}

static __attribute__((noinline)) void parse_udp(const uint8_t *h, struct pkt_facts *f)
{
	const struct udp_hdr *uh = (const struct udp_hdr *)(h + f->l4_off);

	if (f->l4_len < UDP_HDR_LEN) {
		drop(f, CTR_RX_UDP_BAD);
		return;
	}
	f->kind = PKT_UDP;
	f->sport = uh->sport;
	f->dport = uh->dport;
	f->payload_off = f->l4_off + UDP_HDR_LEN;
	f->payload_len = f->l4_len - UDP_HDR_LEN;
}

static __attribute__((noinline)) void parse_icmp(struct pkt_facts *f)
{
	if (f->l4_len < ICMP_HDR_LEN) {
		drop(f, CTR_RX_ICMP_BAD);
		return;
	}
	f->kind = PKT_ICMP;
	f->payload_off = f->l4_off + ICMP_HDR_LEN;
	f->payload_len = f->l4_len - ICMP_HDR_LEN;
}

/* A packet with an IPv4 header of hlen bytes. */
static inline __attribute__((always_inline)) void
parse_datagram(const struct rte_mbuf *m, const uint8_t *h, struct pkt_facts *f, unsigned hlen)
{
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(h + ETH_HDR_LEN);
	const enum counter reason = ip4_check(m, ip, m->pkt_len - ETH_HDR_LEN, hlen);
	const unsigned l4_off = ETH_HDR_LEN + hlen;
	unsigned l4_len;

	if (unlikely(reason != CTR_MAX)) {
		drop(f, reason);
		return;
	}
	l4_len = be16(ip->total_len) - hlen;
	f->l3_off = ETH_HDR_LEN;
	f->l4_off = (uint16_t)l4_off;
	f->l4_len = (uint16_t)l4_len;
	f->proto = ip->proto;
	f->dscp = ip->tos >> 2;
	if ((ip->tos & IP_ECN_MASK) == IP_ECN_CE)
		f->flags |= PKT_F_CE;
	plain_map(f->saddr, ip->saddr);
	plain_map(f->daddr, ip->daddr);
	if (unlikely(ip->frag & BE16(IP4_MF | IP4_OFFSET_MASK)))
		f->kind = PKT_FRAGMENT;
	else if (likely(ip->proto == IP_PROTO_TCP))
		parse_tcp(m, (const struct tcp_hdr *)(h + l4_off), (uint64_t)ip->saddr + ip->daddr, f, l4_off, l4_len);
	else if (ip->proto == IP_PROTO_UDP)
		parse_udp(h, f);
	else if (ip->proto == IP_PROTO_ICMP)
		parse_icmp(f);
	else
		f->kind = PKT_OTHER;
}

/* With options: once more, out of the way of those without. */
static __attribute__((noinline)) void parse_ip4_options(const struct rte_mbuf *m, const uint8_t *h,
							struct pkt_facts *f)
{
	parse_datagram(m, h, f, ip4_hdr_len((const struct ip4_hdr *)(h + ETH_HDR_LEN)));
}

static void parse_ip4(const struct rte_mbuf *m, const uint8_t *h, struct pkt_facts *f)
{
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(h + ETH_HDR_LEN);

	if (unlikely(m->pkt_len < ETH_HDR_LEN + IP4_HDR_LEN))
		drop(f, CTR_RX_RUNT);
	else if (likely(ip->ver_ihl == IP4_VER_IHL))
		parse_datagram(m, h, f, IP4_HDR_LEN);
	else if (ip->ver_ihl >> 4 == 4)
		parse_ip4_options(m, h, f);
	else
		drop(f, CTR_RX_IP_BAD);
}

/* h: the frame's first min(pkt_len, PKT_HDR_MAX) bytes, contiguous. */
static void parse_frame(const struct rte_mbuf *m, const uint8_t *h, struct pkt_facts *f,
			const struct pkt_port *pp)
{
	const struct eth_hdr *eth = (const struct eth_hdr *)h;

	if (unlikely(m->pkt_len < ETH_HDR_LEN)) {
		drop(f, CTR_RX_RUNT);
		return;
	}
	if (unlikely(eth_is_group(eth->dst))) {
		f->flags |= PKT_F_L2_BROADCAST;
	} else if (unlikely(!eth_equal(eth->dst, pp->mac) && !(pp->flags & PKT_RX_ANY_MAC))) {
		drop(f, CTR_RX_FOREIGN_MAC);
		return;
	}
	if (unlikely(m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED &&
		     (m->ol_flags & RTE_MBUF_F_RX_QINQ_STRIPPED || m->vlan_tci & ETH_VID_MASK))) {
		drop(f, CTR_RX_VLAN);
		return;
	}
	switch (eth->type) {
	case BE16(ETH_TYPE_IP4):
		parse_ip4(m, h, f);
		break;
	case BE16(ETH_TYPE_IP6):
		pkt_parse6(m, h, f);
		break;
	case BE16(ETH_TYPE_ARP):
		f->l3_off = ETH_HDR_LEN;
		if (m->pkt_len < ETH_HDR_LEN + sizeof(struct arp_pkt))
			drop(f, CTR_RX_RUNT);
		else
			f->kind = PKT_ARP;
		break;
	case BE16(ETH_TYPE_VLAN):
	case BE16(ETH_TYPE_QINQ):
		drop(f, CTR_RX_VLAN);
		break;
	default:
		drop(f, CTR_RX_L3_UNKNOWN);
	}
}

/* Headers split over segments: parse a copy of them. Out of line, the stack buffer is its alone. */
static __attribute__((noinline)) void parse_split(const struct rte_mbuf *m, struct pkt_facts *f,
						  const struct pkt_port *pp)
{
	uint8_t buf[PKT_HDR_MAX];
	const uint8_t *h = rte_pktmbuf_read(m, 0, min_of(m->pkt_len, (uint32_t)PKT_HDR_MAX), buf);

	parse_frame(m, h, f, pp);
}

/* Of a chain, wherever it is split. */
static uint8_t *octet_at(struct rte_mbuf *m, unsigned at)
{
	for (; at >= m->data_len; m = m->next)
		at -= m->data_len;
	return rte_pktmbuf_mtod_offset(m, uint8_t *, at);
}

static void cut_front(struct rte_mbuf *m, uint16_t len)
{
	m->pkt_len -= len;
	for (uint16_t n; len; len -= n, m = m->next) {
		n = min_of(len, m->data_len);
		m->data_off += n;
		m->data_len -= n;
	}
}

static bool is_ours_alone(const struct rte_mbuf *m)
{
	for (; m; m = m->next)
		if (rte_mbuf_refcnt_read(m) != 1 || RTE_MBUF_CLONED(m))
			return false;
	return true;
}

/*
 * A tag that says a priority and no VLAN (IEEE 802.1Q, VID 0) is taken away: the frame is as one
 * without. What is not ours alone stays as it is, and is dropped.
 */
static void untag(struct rte_mbuf *m)
{
	uint8_t copy[ETH_HDR_LEN + ETH_TAG_LEN];
	const uint8_t *h = rte_pktmbuf_read(m, 0, sizeof(copy), copy);

	if (!h || load_be16(h + ETH_HDR_LEN - 2) != ETH_TYPE_VLAN ||
	    load_be16(h + ETH_HDR_LEN) & ETH_VID_MASK)
		return;
	if (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED || !is_ours_alone(m))
		return;
	for (unsigned i = 2 * ETH_ADDR_LEN; i-- > 0;)
		*octet_at(m, i + ETH_TAG_LEN) = h[i];
	cut_front(m, ETH_TAG_LEN);
}

static __attribute__((noinline)) void parse_other(struct rte_mbuf *m, struct pkt_facts *f,
						  uint16_t port, const struct pkt_port *pp)
{
	untag(m);
	clear(f);
	f->port = port;
	if (likely(m->data_len == m->pkt_len || m->data_len >= PKT_HDR_MAX))
		parse_frame(m, rte_pktmbuf_mtod(m, const uint8_t *), f, pp);
	else
		parse_split(m, f, pp);
}

/* A packet that is no usual frame of IPv4, and of those behind it some. Returns how many of these. */
static __attribute__((noinline)) unsigned
parse_others(const struct plain *p, struct rte_mbuf *const *pkts, struct rte_mbuf *const *ahead,
	     struct rte_mbuf *const *end, struct pkt_facts *facts, uint16_t port)
{
	const unsigned n = SHORTCUT(PLAIN) ? pkt_parse_plain6(p, pkts, ahead, end, facts, port) : 0;

	if (n)
		return n - 1;
	parse_other(*pkts, facts, port, p->pp);
	return 0;
}

/* A usual frame of IPv4. False, and nothing done: it is another. */
static inline __attribute__((always_inline)) bool
parse_plain4(const struct plain *p, const struct rte_mbuf *m, struct pkt_facts *f, uint16_t port)
{
	const uint8_t *h = rte_pktmbuf_mtod(m, const uint8_t *), *l3 = h + ETH_HDR_LEN;

	return is_plain(p, m, h, false) &&
	       likely(plain_segment(m, l3, false, be16(((const struct ip4_hdr *)l3)->total_len), f, port));
}

void pkt_parse_burst(struct rte_mbuf *const *pkts, struct pkt_facts *facts, unsigned n,
		     uint16_t port, const struct pkt_port *pp)
{
	struct rte_mbuf *const *const end = pkts + n;
	struct rte_mbuf *const *const ahead = end - min_of(n, (unsigned)PLAIN_AHEAD);
	struct plain plain;
	unsigned more;

	plain_begin(&plain, pp);
	for (unsigned i = 0; i < n && i < PLAIN_AHEAD; i++)
		prefetch(rte_pktmbuf_mtod(pkts[i], const void *));
	for (; pkts != end; pkts++, facts++) {
		plain_ahead(pkts, ahead);
		if (likely(SHORTCUT(PLAIN) && parse_plain4(&plain, *pkts, facts, port)))
			continue;
		more = parse_others(&plain, pkts, ahead, end, facts, port);
		pkts += more;
		facts += more;
	}
}

void pkt_parse_one(struct rte_mbuf *m, struct pkt_facts *f, uint16_t port,
		   const struct pkt_port *pp)
{
	pkt_parse_burst(&m, f, 1, port, pp);
}
