/*
 * ICMP for IPv4 (RFC 792; next-hop MTU: RFC 1191 section 4). Fields in network order.
 */
#ifndef PIER_WIRE_ICMP_H
#define PIER_WIRE_ICMP_H

#include "base/compiler.h"
#include "wire/be.h"

#define ICMP_HDR_LEN 8

/* Types. */
#define ICMP_ECHO_REPLY    0
#define ICMP_UNREACHABLE   3
#define ICMP_SOURCE_QUENCH 4
#define ICMP_REDIRECT      5
#define ICMP_ECHO_REQUEST  8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAM_PROBLEM 12

/* Codes of ICMP_UNREACHABLE. */
#define ICMP_UNREACH_NET         0
#define ICMP_UNREACH_HOST        1
#define ICMP_UNREACH_PROTO       2
#define ICMP_UNREACH_PORT        3
#define ICMP_UNREACH_FRAG_NEEDED 4
#define ICMP_UNREACH_SRC_ROUTE   5
#define ICMP_UNREACH_ADMIN       13 /* RFC 1812 section 5.2.7.1 */

/* Codes of ICMP_TIME_EXCEEDED. */
#define ICMP_EXCEEDED_TTL        0
#define ICMP_EXCEEDED_REASSEMBLY 1

struct icmp_hdr {
	uint8_t type;
	uint8_t code;
	uint16_t cksum; /* as sum_finish makes it, over the ICMP message */
	union {
		struct {
			uint16_t id, seq; /* be: echo */
		};
		struct {
			uint16_t unused, mtu; /* be: fragmentation needed */
		};
		uint32_t rest;
	};
} __attribute__((packed));

static_assert(sizeof(struct icmp_hdr) == ICMP_HDR_LEN, "ICMP header is 8 bytes");

#endif
