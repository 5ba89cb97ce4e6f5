/*
 * ICMPv6 (RFC 4443) and what it carries: Neighbor Discovery (RFC 4861) and Multicast Listener
 * Discovery (RFC 2710, RFC 3810). Fields in network order.
 */
#ifndef PIER_WIRE_ICMP6_H
#define PIER_WIRE_ICMP6_H

#include "base/compiler.h"
#include "wire/be.h"
#include "wire/ip6.h"

#define ICMP6_HDR_LEN 8
#define ICMP6_INFO    0x80 /* types from here on inform, those below are errors */

/* Types. */
#define ICMP6_UNREACHABLE     1
#define ICMP6_TOO_BIG         2
#define ICMP6_TIME_EXCEEDED   3
#define ICMP6_PARAM_PROBLEM   4
#define ICMP6_ECHO_REQUEST    128
#define ICMP6_ECHO_REPLY      129
#define ICMP6_MLD_QUERY       130
#define ICMP6_MLD_REPORT_V1   131
#define ICMP6_MLD_DONE        132
#define ICMP6_ROUTER_SOLICIT  133
#define ICMP6_ROUTER_ADVERT   134
#define ICMP6_NEIGHBOR_SOLICIT 135
#define ICMP6_NEIGHBOR_ADVERT 136
#define ICMP6_REDIRECT        137
#define ICMP6_MLD_REPORT      143 /* version 2 */

/* Codes of ICMP6_UNREACHABLE. */
#define ICMP6_UNREACH_ROUTE  0
#define ICMP6_UNREACH_ADMIN  1
#define ICMP6_UNREACH_SCOPE  2
#define ICMP6_UNREACH_ADDR   3
#define ICMP6_UNREACH_PORT   4
#define ICMP6_UNREACH_POLICY 5
#define ICMP6_UNREACH_REJECT 6

/* Codes of ICMP6_TIME_EXCEEDED. */
#define ICMP6_EXCEEDED_HOPS       0
#define ICMP6_EXCEEDED_REASSEMBLY 1

/* Codes of ICMP6_PARAM_PROBLEM. */
#define ICMP6_PROBLEM_FIELD  0
#define ICMP6_PROBLEM_NEXT   1
#define ICMP6_PROBLEM_OPTION 2
#define ICMP6_PROBLEM_CHAIN  3 /* a first fragment without all headers: RFC 7112 */

struct icmp6_hdr {
	uint8_t type;
	uint8_t code;
	uint16_t cksum; /* as sum_finish makes it, over pseudo-header and ICMPv6 message */
	union {
		struct {
			uint16_t id, seq; /* be: echo */
		};
		uint32_t mtu;     /* be: packet too big */
		uint32_t pointer; /* be: parameter problem */
		uint32_t rest;
	};
} __attribute__((packed));

static_assert(sizeof(struct icmp6_hdr) == ICMP6_HDR_LEN, "ICMPv6 header is 8 bytes");

/* Neighbor Solicitation and Advertisement (RFC 4861 sections 4.3 and 4.4); options follow. */
struct nd_msg {
	uint8_t type;
	uint8_t code;
	uint16_t cksum;
	uint8_t flags; /* of an advertisement: ND_ROUTER .. ND_OVERRIDE */
	uint8_t reserved[3];
	uint8_t target[IP6_ADDR_LEN];
} __attribute__((packed));

#define ND_MSG_LEN   24
#define ND_HOP_LIMIT 255 /* as sent, and as received: it passed no router */

static_assert(sizeof(struct nd_msg) == ND_MSG_LEN, "NS and NA are 24 bytes and options");

#define ND_ROUTER    0x80
#define ND_SOLICITED 0x40
#define ND_OVERRIDE  0x20

/* Options (RFC 4861 section 4.6). */
#define ND_OPT_SOURCE_MAC 1
#define ND_OPT_TARGET_MAC 2
#define ND_OPT_NONCE      14 /* RFC 3971 section 5.3.2, used by RFC 7527 */

struct nd_opt {
	uint8_t type;
	uint8_t len; /* units of 8 octets, with these two; 0 is an error */
} __attribute__((packed));

struct nd_opt_mac {
	uint8_t type;
	uint8_t len; /* 1 */
	uint8_t mac[6];
} __attribute__((packed));

static_assert(sizeof(struct nd_opt_mac) == 8, "a link-layer address option is 8 bytes");

/* An MLD query; version 1 ends behind group (RFC 3810 section 5.1). Sources follow. */
struct mld_query {
	uint8_t type;
	uint8_t code;
	uint16_t cksum;
	uint16_t max_delay; /* be: ms; of version 2 a code from 32768 on, see mld_delay */
	uint16_t reserved;
	uint8_t group[IP6_ADDR_LEN]; /* :: asks for all */
	uint8_t flags;               /* suppress and robustness */
	uint8_t interval;
	uint16_t sources; /* be: how many follow */
} __attribute__((packed));

#define MLD_QUERY_V1_LEN 24
#define MLD_QUERY_LEN    28

static_assert(sizeof(struct mld_query) == MLD_QUERY_LEN, "an MLDv2 query is 28 bytes and sources");
static_assert(offsetof(struct mld_query, flags) == MLD_QUERY_V1_LEN, "of version 1 24");

/* An MLDv2 report (RFC 3810 section 5.2); records follow. */
struct mld_report {
	uint8_t type;
	uint8_t code;
	uint16_t cksum;
	uint16_t reserved;
	uint16_t records; /* be */
} __attribute__((packed));

static_assert(sizeof(struct mld_report) == 8, "an MLDv2 report is 8 bytes and records");

/* Without sources and auxiliary data, as for all sources. */
struct mld_record {
	uint8_t type;
	uint8_t aux_len;
	uint16_t sources; /* be */
	uint8_t group[IP6_ADDR_LEN];
} __attribute__((packed));

static_assert(sizeof(struct mld_record) == 20, "a record is 20 bytes and sources");

#define MLD_IS_EXCLUDE 2 /* answers a query: the group is listened to */
#define MLD_TO_INCLUDE 3 /* with no sources: left */
#define MLD_TO_EXCLUDE 4 /* with no sources: joined */

/* The longest delay of a query's answer in ms (RFC 3810 section 5.1.3). code: max_delay, host order. */
static inline uint32_t mld_delay(uint16_t code)
{
	if (code < 0x8000)
		return code;
	return (uint32_t)(0x1000 | (code & 0x0fff)) << (((code >> 12) & 7) + 3);
}

#endif
