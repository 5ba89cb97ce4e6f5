/*
 * Parsing of IPv6 packets: see pkt/parse.h for what is checked and what is promised.
 *
 * What has no extension headers is read through the contiguous bytes that all headers of IPv4 are read through.
 * Extension headers may be longer than those, so that each is read where it lies, a few octets at a time, up to the
 * end that the payload length says. How many headers and options are looked at is bounded (RFC 8504 section 5.3).
 */
#include "parse6.h"
#include "plain.h"
#include "segment.h"
#include "wire/eth.h"
#include "wire/icmp6.h"
#include "wire/ip6.h"
#include "wire/udp.h"

#define HEADERS_MAX 8 /* extension headers of a packet */
#define OPTIONS_MAX 8 /* options of a header, padding not counted */
#define PADDING_MAX 7 /* octets of padding in a row: to align what follows no more are needed */

/* The walk over the headers. All offsets count from the start of the frame. */
struct chain {
	const struct rte_mbuf *m;
	unsigned off;     /* of the header that comes next */
	unsigned end;     /* of the packet */
	unsigned next_at; /* of the octet that says which it is */
	unsigned headers; /* extension headers so far */
	uint8_t next;     /* which it is */
};

/* len octets of the packet, where they are or in buf; that they are there the caller knows, and that they are some. */
static inline const void *peek(const struct chain *c, unsigned off, unsigned len, void *buf)
{
	return rte_pktmbuf_read(c->m, off, len, buf);
}

static inline unsigned left(const struct chain *c)
{
	return c->end - c->off;
}

static uint8_t octet(const struct chain *c, unsigned off)
{
	uint8_t buf;

	return *(const uint8_t *)peek(c, off, 1, &buf);
}

/* Beyond a header of len octets, which begins with the number of the next. */
static void advance(struct chain *c, unsigned len)
{
	c->next = octet(c, c->off);
	c->next_at = c->off;
	c->off += len;
	c->headers++;
}

/* Length of the header that is next, one of those that say it; 0: it is not there as a whole. */
static unsigned ext_len(const struct chain *c)
{
	struct ipv6_ext copy;
	unsigned len;

	if (left(c) < IP6_FRAGMENT_LEN) /* the shortest of all */
		return 0;
	if (c->next == IP6_NEXT_FRAGMENT)
		return IP6_FRAGMENT_LEN;
	len = ip6_ext_len(peek(c, c->off, sizeof(copy), &copy));
	return len <= left(c) ? len : 0;
}

static bool is_extension(uint8_t next)
{
	return next == IP6_NEXT_HOP_BY_HOP || next == IP6_NEXT_DEST_OPTS || next == IP6_NEXT_ROUTING ||
	       next == IP6_NEXT_FRAGMENT;
}

/* Go on to what is no extension header, whatever those say. False: it is not there, or too far away. */
static bool skip(struct chain *c)
{
	unsigned len;

	while (is_extension(c->next)) {
		len = ext_len(c);
		if (!len || c->headers > 2 * HEADERS_MAX)
			return false;
		advance(c, len);
	}
	return true;
}

/* Whether the upper-layer header, which is next, is there as a whole (RFC 7112 section 3). Unknown ones are. */
static bool upper_is_whole(const struct chain *c)
{
	unsigned doff;

	switch (c->next) {
	case IP_PROTO_TCP:
		if (left(c) < TCP_HDR_LEN)
			return false;
		doff = (octet(c, c->off + offsetof(struct tcp_hdr, doff)) >> 4) * 4u;
		return left(c) >= doff;
	case IP_PROTO_UDP:
		return left(c) >= UDP_HDR_LEN;
	case IP_PROTO_ICMPV6:
		return left(c) >= offsetof(struct icmp6_hdr, rest);
	default:
		return true;
	}
}

/* Of errors nobody is told errors (RFC 4443 section 2.4 (e.1)). c: from where on it can be seen. */
static bool is_error(struct chain c)
{
	return skip(&c) && c.next == IP_PROTO_ICMPV6 && left(&c) && octet(&c, c.off) < ICMP6_INFO;
}

bool pkt_is_icmp6_error(const struct rte_mbuf *m)
{
	struct ipv6_hdr copy;
	const struct ipv6_hdr *ip = rte_pktmbuf_read(m, ETH_HDR_LEN, sizeof(copy), &copy);
	const struct chain c = {.m = m, .off = ETH_HDR_LEN + IP6_HDR_LEN, .end = m->pkt_len, .next = ip->next};

	return is_error(c);
}

/* Drop, and have the source be told: of the octet at `at`, which lies at the header that is next or before. */
static void problem(const struct chain *c, struct pkt_facts *f, uint8_t code, unsigned at, enum counter reason)
{
	drop(f, reason);
	if (is_error(*c))
		return;
	f->kind = PKT_PROBLEM;
	f->problem_code = code;
	f->problem_ptr = (uint16_t)(at - ETH_HDR_LEN);
}

/* An option that we do not know, as all are that do more than pad (RFC 8200 section 4.2). True: never mind. */
static bool option(const struct chain *c, struct pkt_facts *f, uint8_t type, unsigned at)
{
	switch (type & IP6_OPT_ACT_MASK) {
	case IP6_OPT_SKIP:
		return true;
	case IP6_OPT_DROP:
		drop(f, CTR_RX_IP6_OPTION);
		return false;
	case IP6_OPT_TELL_ALWAYS:
		f->flags |= PKT_F_PROBLEM_ALWAYS;
		break;
	}
	problem(c, f, ICMP6_PROBLEM_OPTION, at, CTR_RX_IP6_OPTION);
	return false;
}

/* The options of the header that is next, len octets long. False, and the facts say why: it is not to be used. */
static bool options(const struct chain *c, struct pkt_facts *f, unsigned len)
{
	const unsigned end = c->off + len;
	unsigned at = c->off + sizeof(struct ipv6_ext), n = 0, padding = 0, olen;
	uint8_t type;

	for (; at < end; at += olen) {
		type = octet(c, at);
		olen = 1;
		if (type != IP6_OPT_PAD1)
			olen = end - at < 2 ? UINT8_MAX + 2u : octet(c, at + 1) + 2u;
		padding = type <= IP6_OPT_PADN ? padding + olen : 0;
		n += type > IP6_OPT_PADN;
		if (olen > end - at || padding > PADDING_MAX || n > OPTIONS_MAX) {
			drop(f, CTR_RX_IP6_EXT);
			return false;
		}
		if (type > IP6_OPT_PADN && !option(c, f, type, at))
			return false;
	}
	return true;
}

/* RFC 8200 section 4.4: we know no type of routing. RFC 5095. */
static bool routing(const struct chain *c, struct pkt_facts *f)
{
	if (octet(c, c->off + offsetof(struct ipv6_routing, left)) == 0)
		return true;
	problem(c, f, ICMP6_PROBLEM_FIELD, c->off + offsetof(struct ipv6_routing, type), CTR_RX_IP6_ROUTE);
	return false;
}

/*
 * What a fragment that is not the first may not be. Nobody is told, whatever RFC 8200 section 4.5 would have: as of IPv4
 * (RFC 1122 section 3.2.2).
 */
static bool later_is_bad(const struct chain *c, unsigned len, unsigned frag)
{
	return !len || (frag & IP6_MF && len % 8) ||
	       c->off - ETH_HDR_LEN - IP6_HDR_LEN + (frag & IP6_OFFSET_MASK) + len > UINT16_MAX;
}

/* The first fragment, its header next, of len octets: whole octets of eight, and all headers (RFC 7112 section 5). */
static void check_first(const struct chain *c, struct pkt_facts *f, unsigned len)
{
	struct chain inner = *c;

	advance(&inner, IP6_FRAGMENT_LEN);
	if (!len)
		drop(f, CTR_RX_FRAG_BAD);
	else if (len % 8)
		problem(&inner, f, ICMP6_PROBLEM_FIELD, ETH_HDR_LEN + offsetof(struct ipv6_hdr, payload_len),
			CTR_RX_FRAG_BAD);
	else if (!skip(&inner) || !upper_is_whole(&inner))
		problem(&inner, f, ICMP6_PROBLEM_CHAIN, ETH_HDR_LEN, CTR_RX_FRAG_BAD);
}

/*
 * The Fragment header, which is next (RFC 8200 section 4.5). True: it is of a packet that is whole, and taken for
 * itself (RFC 6946). False, and the facts say what it is.
 */
static bool fragment(const struct chain *c, struct pkt_facts *f)
{
	struct ipv6_fragment copy;
	const struct ipv6_fragment *fh = peek(c, c->off, IP6_FRAGMENT_LEN, &copy);
	const unsigned len = left(c) - IP6_FRAGMENT_LEN, frag = be16(fh->frag);

	f->flags |= PKT_F_FRAGMENTED;
	if (!(frag & (IP6_OFFSET_MASK | IP6_MF)))
		return true;
	f->kind = PKT_FRAGMENT;
	f->l4_off = (uint16_t)c->off;
	f->l4_len = (uint16_t)left(c);
	f->proto = fh->next;
	if (!(frag & IP6_OFFSET_MASK))
		check_first(c, f, len);
	else if (later_is_bad(c, len, frag))
		drop(f, CTR_RX_FRAG_BAD);
	return false;
}

/* The extension header that is next. False, and the facts say what the packet is. */
static bool extension(struct chain *c, struct pkt_facts *f)
{
	const unsigned len = ext_len(c);
	bool on = false;

	if (c->next == IP6_NEXT_HOP_BY_HOP && c->headers)
		problem(c, f, ICMP6_PROBLEM_NEXT, c->next_at, CTR_RX_IP6_EXT);
	else if (!len || c->headers == HEADERS_MAX)
		drop(f, CTR_RX_IP6_EXT);
	else if (c->next == IP6_NEXT_ROUTING)
		on = routing(c, f);
	else if (c->next == IP6_NEXT_FRAGMENT)
		on = fragment(c, f);
	else
		on = options(c, f, len);
	if (on)
		advance(c, len);
	return on;
}

static void upper_tcp(const struct chain *c, struct pkt_facts *f)
{
	uint8_t buf[TCP_HDR_LEN_MAX];

	if (left(c) < TCP_HDR_LEN) {
		drop(f, CTR_RX_BAD_HDR);
		return;
	}
	parse_any_segment(c->m, peek(c, c->off, min_of(left(c), (unsigned)TCP_HDR_LEN_MAX), buf),
			  sum_fold(sum_pseudo6(f->saddr, f->daddr, 0, 0)), f);
}

static void upper_udp(const struct chain *c, struct pkt_facts *f)
{
	struct udp_hdr copy;
	const struct udp_hdr *uh;

	if (left(c) < UDP_HDR_LEN) {
		drop(f, CTR_RX_UDP_BAD);
		return;
	}
	uh = peek(c, c->off, sizeof(copy), &copy);
	f->kind = PKT_UDP;
	f->sport = uh->sport;
	f->dport = uh->dport;
	f->payload_off = (uint16_t)(c->off + UDP_HDR_LEN);
	f->payload_len = (uint16_t)(left(c) - UDP_HDR_LEN);
}

static void upper_icmp(const struct chain *c, struct pkt_facts *f)
{
	uint8_t type;

	if (left(c) < ICMP6_HDR_LEN) {
		drop(f, CTR_RX_ICMP_BAD);
		return;
	}
	type = octet(c, c->off);
	if ((type >= ICMP6_MLD_QUERY && type <= ICMP6_REDIRECT) || type == ICMP6_MLD_REPORT)
		f->flags |= PKT_F_ND;
	f->kind = PKT_ICMP;
	f->payload_off = (uint16_t)(c->off + ICMP6_HDR_LEN);
	f->payload_len = (uint16_t)(left(c) - ICMP6_HDR_LEN);
}

/* With extension headers, or another protocol than TCP. */
static __attribute__((noinline)) void parse_chain(const struct rte_mbuf *m, struct pkt_facts *f)
{
	struct chain c = {
		.m = m, .off = f->l4_off, .end = (unsigned)f->l4_off + f->l4_len, .next = f->proto,
		.next_at = ETH_HDR_LEN + offsetof(struct ipv6_hdr, next),
	};

	f->flags |= is_extension(c.next) ? PKT_F_EXT : 0;
	while (is_extension(c.next))
		if (!extension(&c, f))
			return;
	f->l4_off = (uint16_t)c.off;
	f->l4_len = (uint16_t)left(&c);
	f->proto = c.next;
	switch (c.next) {
	case IP_PROTO_TCP:
		upper_tcp(&c, f);
		break;
	case IP_PROTO_UDP:
		upper_udp(&c, f);
		break;
	case IP_PROTO_ICMPV6:
		upper_icmp(&c, f);
		break;
	case IP6_NEXT_NONE:
		drop(f, CTR_RX_PROTO_UNKNOWN);
		break;
	default:
		problem(&c, f, ICMP6_PROBLEM_NEXT, c.next_at, CTR_RX_PROTO_UNKNOWN);
	}
}

/* CTR_MAX when the header may be used. frame: bytes from the header on. */
static enum counter check(const struct ipv6_hdr *ip, uint32_t frame)
{
	if (unlikely(ip6_version(ip) != IP6_VERSION))
		return CTR_RX_IP_BAD;
	if (unlikely(IP6_HDR_LEN + (uint32_t)be16(ip->payload_len) > frame))
		return CTR_RX_IP_CUT;
	/* They would be taken for IPv4 (RFC 4942 section 2.2). */
	if (unlikely(ip6_is_mapped(ip->saddr) || ip6_is_mapped(ip->daddr)))
		return CTR_RX_BAD_SRC;
	return CTR_MAX;
}

/* It is none that an IPv4 address can be written as, nor one of a few others. */
static inline bool plain_address(const uint8_t *a)
{
	return load64(a) != 0;
}

static inline __attribute__((always_inline)) bool
parse_plain6(const struct plain *p, const struct rte_mbuf *m, struct pkt_facts *f, uint16_t port)
{
	const uint8_t *h = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct ipv6_hdr *ip = (const struct ipv6_hdr *)(h + ETH_HDR_LEN);

	return is_plain(p, m, h, true) && likely(plain_address(ip->saddr) && plain_address(ip->daddr)) &&
	       likely(plain_segment(m, (const uint8_t *)ip, true, IP6_HDR_LEN + be16(ip->payload_len), f, port));
}

unsigned pkt_parse_plain6(const struct plain *p, struct rte_mbuf *const *pkts, struct rte_mbuf *const *ahead,
			  struct rte_mbuf *const *end, struct pkt_facts *facts, uint16_t port)
{
	struct rte_mbuf *const *const first = pkts;

	while (likely(parse_plain6(p, *pkts, facts, port)) && ++pkts != end) {
		plain_ahead(pkts, ahead);
		facts++;
	}
	return (unsigned)(pkts - first);
}

void pkt_parse6(const struct rte_mbuf *m, const uint8_t *h, struct pkt_facts *f)
{
	const struct ipv6_hdr *ip = (const struct ipv6_hdr *)(h + ETH_HDR_LEN);
	const unsigned l4_off = ETH_HDR_LEN + IP6_HDR_LEN;
	enum counter reason;
	uint8_t class;

	if (unlikely(m->pkt_len < ETH_HDR_LEN + IP6_HDR_LEN)) {
		drop(f, CTR_RX_RUNT);
		return;
	}
	reason = check(ip, m->pkt_len - ETH_HDR_LEN);
	if (unlikely(reason != CTR_MAX)) {
		drop(f, reason);
		return;
	}
	class = ip6_class(ip);
	f->flags |= PKT_F_V6 | ((class & IP_ECN_MASK) == IP_ECN_CE ? PKT_F_CE : 0);
	f->l3_off = ETH_HDR_LEN;
	f->l4_off = l4_off;
	f->l4_len = be16(ip->payload_len);
	f->proto = ip->next;
	f->dscp = class >> 2;
	ip6_copy(f->saddr, ip->saddr);
	ip6_copy(f->daddr, ip->daddr);
	if (likely(ip->next == IP_PROTO_TCP))
		parse_tcp(m, (const struct tcp_hdr *)(h + l4_off), sum_fold64(sum_addrs6(ip->saddr)), f, l4_off,
			  be16(ip->payload_len));
	else
		parse_chain(m, f);
}
