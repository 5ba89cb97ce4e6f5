/*
 * The IPv4 header (RFC 791). Fields in network order.
 */
#ifndef PIER_WIRE_IP4_H
#define PIER_WIRE_IP4_H

#include "base/compiler.h"
#include "wire/be.h"

#define IP4_HDR_LEN     20
#define IP4_HDR_LEN_MAX 60
#define IP4_MTU_MIN     68   /* every path takes packets of this size: RFC 791 section 3.2 */
#define IP4_VER_IHL     0x45 /* version 4, no options */

/* Protocol numbers. */
#define IP_PROTO_ICMP 1
#define IP_PROTO_TCP  6
#define IP_PROTO_UDP  17

/* In struct ip4_hdr.frag, host order. */
#define IP4_DF          0x4000
#define IP4_MF          0x2000
#define IP4_OFFSET_MASK 0x1fff /* units of 8 octets */

/* ECN codepoints in tos (RFC 3168 section 5). */
#define IP_ECN_MASK    0x03
#define IP_ECN_NOT_ECT 0x00
#define IP_ECN_ECT1    0x01
#define IP_ECN_ECT0    0x02
#define IP_ECN_CE      0x03

/* Options (RFC 791 section 3.1). */
#define IP4_OPT_EOL  0
#define IP4_OPT_NOP  1
#define IP4_OPT_LSRR 131
#define IP4_OPT_SSRR 137

struct ip4_hdr {
	uint8_t ver_ihl;
	uint8_t tos;
	uint16_t total_len; /* be */
	uint16_t id;        /* be */
	uint16_t frag;      /* be: flags and offset */
	uint8_t ttl;
	uint8_t proto;
	uint16_t cksum; /* as sum_finish makes it */
	uint32_t saddr; /* be */
	uint32_t daddr; /* be */
} __attribute__((packed));

static_assert(sizeof(struct ip4_hdr) == IP4_HDR_LEN, "IPv4 header is 20 bytes");

/* Header length in bytes, as the IHL field says. */
static inline unsigned ip4_hdr_len(const struct ip4_hdr *ip)
{
	return (ip->ver_ihl & 0x0f) * 4u;
}

#endif
