/*
 * The IPv6 header and its extension headers (RFC 8200), and what an address says about itself
 * (RFC 4291). Fields in network order. The structs are ipv6_*, since netinet/ip6.h, which comes with
 * DPDK's headers, has ip6_hdr, ip6_ext and macros for their members.
 */
#ifndef PIER_WIRE_IP6_H
#define PIER_WIRE_IP6_H

#include <stdbool.h>

#include "base/compiler.h"
#include "wire/be.h"

#define IP6_HDR_LEN  40
#define IP6_ADDR_LEN 16
#define IP6_MTU_MIN  1280 /* every link takes packets of this size: RFC 8200 section 5 */
#define IP6_VERSION  6

/* Next header numbers: the protocols are those of IPv4, but for ICMPv6. */
#define IP6_NEXT_HOP_BY_HOP 0
#define IP6_NEXT_ROUTING    43
#define IP6_NEXT_FRAGMENT   44
#define IP6_NEXT_ESP        50
#define IP6_NEXT_AH         51
#define IP6_NEXT_NONE       59
#define IP6_NEXT_DEST_OPTS  60
#define IP_PROTO_ICMPV6     58

/* In the first word of struct ipv6_hdr, host order. */
#define IP6_VERSION_SHIFT 28
#define IP6_CLASS_SHIFT   20
#define IP6_FLOW_MASK     0xfffffu

struct ipv6_hdr {
	uint32_t ver_class_flow; /* be: version, traffic class (DSCP and ECN), flow label */
	uint16_t payload_len;    /* be: all behind this header */
	uint8_t next;
	uint8_t hop_limit;
	uint8_t saddr[IP6_ADDR_LEN];
	uint8_t daddr[IP6_ADDR_LEN];
} __attribute__((packed));

static_assert(sizeof(struct ipv6_hdr) == IP6_HDR_LEN, "IPv6 header is 40 bytes");

/* What Hop-by-Hop Options, Destination Options and Routing begin with. */
struct ipv6_ext {
	uint8_t next;
	uint8_t len; /* units of 8 octets, the first 8 not counted */
} __attribute__((packed));

#define IP6_EXT_MAX 2048 /* the longest that len can say */

/* Of Routing headers the first octets (RFC 8200 section 4.4). */
struct ipv6_routing {
	uint8_t next, len;
	uint8_t type;
	uint8_t left; /* segments left */
} __attribute__((packed));

/* The Fragment header (RFC 8200 section 4.5). */
struct ipv6_fragment {
	uint8_t next;
	uint8_t reserved;
	uint16_t frag; /* be: offset in octets, whose three lowest bits are others; IP6_MF */
	uint32_t id;   /* be */
} __attribute__((packed));

#define IP6_FRAGMENT_LEN 8
#define IP6_MF           0x0001
#define IP6_OFFSET_MASK  0xfff8 /* as octets */

static_assert(sizeof(struct ipv6_fragment) == IP6_FRAGMENT_LEN, "Fragment header is 8 bytes");

/* Options of Hop-by-Hop and Destination Options (RFC 8200 section 4.2). */
#define IP6_OPT_PAD1         0 /* one octet, without a length */
#define IP6_OPT_PADN         1
#define IP6_OPT_ROUTER_ALERT 5 /* RFC 2711 */

/* What is to be done by one who does not know the option: the type's two highest bits. */
#define IP6_OPT_ACT_MASK     0xc0
#define IP6_OPT_SKIP         0x00
#define IP6_OPT_DROP         0x40
#define IP6_OPT_TELL_ALWAYS  0x80 /* drop, and tell the source */
#define IP6_OPT_TELL         0xc0 /* the same, unless the destination is multicast */

/* Header length in bytes, as the length field says. */
static inline unsigned ip6_ext_len(const struct ipv6_ext *x)
{
	return (x->len + 1u) * 8;
}

static inline uint8_t ip6_version(const struct ipv6_hdr *ip)
{
	return (uint8_t)(be32(ip->ver_class_flow) >> IP6_VERSION_SHIFT);
}

/* DSCP and ECN, as the TOS octet of IPv4. */
static inline uint8_t ip6_class(const struct ipv6_hdr *ip)
{
	return (uint8_t)(be32(ip->ver_class_flow) >> IP6_CLASS_SHIFT);
}

static inline uint32_t ip6_label(const struct ipv6_hdr *ip)
{
	return be32(ip->ver_class_flow) & IP6_FLOW_MASK;
}

/* The first word of a header, network order. */
static inline uint32_t ip6_first_word(uint8_t class, uint32_t flow)
{
	return be32((uint32_t)IP6_VERSION << IP6_VERSION_SHIFT |
		    (uint32_t)class << IP6_CLASS_SHIFT | (flow & IP6_FLOW_MASK));
}

static inline bool ip6_equal(const uint8_t *a, const uint8_t *b)
{
	return ((load64(a) ^ load64(b)) | (load64(a + 8) ^ load64(b + 8))) == 0;
}

static inline void ip6_copy(uint8_t *to, const uint8_t *from)
{
	memcpy(to, from, IP6_ADDR_LEN);
}

static inline bool ip6_is_multicast(const uint8_t *a)
{
	return a[0] == 0xff;
}

/* :: */
static inline bool ip6_is_unspecified(const uint8_t *a)
{
	return (load64(a) | load64(a + 8)) == 0;
}

/* ::1 */
static inline bool ip6_is_loopback(const uint8_t *a)
{
	return load64(a) == 0 && load32(a + 8) == 0 && load32(a + 12) == BE32(1);
}

/* fe80::/10 */
static inline bool ip6_is_link_local(const uint8_t *a)
{
	return a[0] == 0xfe && (a[1] & 0xc0) == 0x80;
}

/* ::ffff:0:0/96, by which IPv4 addresses are written inside of pier, and which no packet bears. */
static inline bool ip6_is_mapped(const uint8_t *a)
{
	return load64(a) == 0 && load32(a + 8) == BE32(0xffff);
}

/* ff02::1:ffXX:XXXX of a unicast address (RFC 4291 section 2.7.1). */
static inline void ip6_solicited_node(uint8_t to[IP6_ADDR_LEN], const uint8_t *a)
{
	static const uint8_t prefix[13] = {0xff, 0x02, [11] = 0x01, [12] = 0xff};

	memcpy(to, prefix, sizeof(prefix));
	memcpy(to + 13, a + 13, 3);
}

/* The Ethernet address of a multicast group: 33:33 and its last four octets (RFC 2464 section 7). */
static inline void ip6_group_mac(uint8_t to[6], const uint8_t *group)
{
	to[0] = to[1] = 0x33;
	memcpy(to + 2, group + 12, 4);
}

#endif
