/*
 * Facts: what one pass over a burst finds out about each packet, so that nobody parses twice.
 *
 * They lie in an array beside the mbufs, not in them. Addresses and ports are in network order as
 * on the wire; sequence numbers, window and timestamps in host order. payload_sum is the partial
 * ones'-complement sum of the payload, known when the checksum was verified here: a payload that is
 * sent on is not summed again (never set when the port vouched for the checksum).
 */
#ifndef PIER_PKT_FACTS_H
#define PIER_PKT_FACTS_H

#include "base/compiler.h"

/* What kind of packet it is, and so who handles it. */
enum pkt_kind {
	PKT_DROP, /* not to be used; facts.reason says why and the parser has not counted it */
	PKT_TCP,  /* complete TCP segment, all checks of header and checksum passed */
	PKT_UDP,
	PKT_ICMP,     /* with PKT_F_V6: ICMPv6 */
	PKT_ARP,
	PKT_FRAGMENT, /* of a datagram: l3 fields valid, nothing beyond; of IPv6 l4_off is where the Fragment header
		       * lies, l4_len counts from there */
	PKT_OTHER,    /* IPv4 with another protocol */
	PKT_PROBLEM,  /* IPv6, not to be used: to be answered by "parameter problem" of problem_code, pointing at
		       * problem_ptr, as far as its addresses allow an answer; reason as for PKT_DROP, not counted */
};

enum pkt_flag {
	PKT_F_V6 = 1 << 0,           /* addresses are IPv6's, never mapped ones */
	PKT_F_L2_BROADCAST = 1 << 1, /* the frame's destination was a group address */
	PKT_F_TS = 1 << 2,           /* timestamps option present, tsval and tsecr valid */
	PKT_F_MSS = 1 << 3,
	PKT_F_WSCALE = 1 << 4,
	PKT_F_SACK_OK = 1 << 5,      /* SACK-permitted */
	PKT_F_SACK = 1 << 6,         /* SACK blocks at sack_off, sack_n of them */
	PKT_F_BAD_OPT = 1 << 7,      /* an option was malformed; what came before it is valid */
	PKT_F_SUM = 1 << 8,          /* payload_sum is valid */
	PKT_F_CE = 1 << 9,           /* ECN codepoint CE */
	PKT_F_CSUM_NONE = 1 << 10,   /* data vouched for, the checksum field itself is not filled */
	PKT_F_FRAGMENTED = 1 << 11,  /* IPv6: a Fragment header is there, or it was put together from fragments */
	PKT_F_PROBLEM_ALWAYS = 1 << 12, /* PKT_PROBLEM: answered although the destination is multicast */
	PKT_F_EXT = 1 << 13,         /* IPv6: extension headers are there, which a device's RSS may not see through */
	PKT_F_ND = 1 << 14,          /* PKT_ICMP: Neighbor Discovery or Multicast Listener Discovery, by its type */
};

/*
 * In the order in which the parser writes them for the usual segment: in a few wide stores. First what is mostly the
 * same for all, then the header's numbers, what there is of the segment; and the tuple.
 */
struct pkt_facts {
	alignas(CACHE_LINE) uint8_t kind; /* enum pkt_kind */
	uint8_t proto, dscp;
	uint8_t wscale;
	uint16_t flags;                   /* enum pkt_flag */
	uint16_t reason;                  /* enum counter, for PKT_DROP and PKT_PROBLEM */
	uint16_t l3_off, l4_off;          /* from the start of the frame */
	uint16_t payload_off;
	uint16_t mss;
	uint16_t sack_off;                /* of the first block's left edge, from frame start */
	uint16_t port;                    /* where it arrived */
	uint8_t sack_n;
	uint8_t problem_code;             /* of PKT_PROBLEM, as of ICMPv6 type 4; else 0 */
	uint16_t problem_ptr;             /* from the IPv6 header's first octet; else 0 */
	uint32_t tsecr, tsval;

	uint32_t seq, ack;
	uint32_t window;                  /* unscaled */
	uint16_t urg;                     /* urgent pointer */
	uint8_t tcp_flags;                /* as on the wire: CWR ECE URG ACK PSH RST SYN FIN */
	uint8_t unused2;                  /* 0 */

	uint32_t payload_sum;             /* folded to 16 bits, as if the payload began even */
	uint16_t payload_len;
	uint16_t l4_len;                  /* TCP/UDP/ICMP length by the IP header, IPv6's extension headers not in it */
	uint8_t unused3[8];               /* not written by the parser */

	alignas(CACHE_LINE) uint8_t daddr[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint8_t saddr[16];
	uint16_t sport, dport;            /* network order */
	uint32_t local;                   /* index of the destination address, filled by the engine */
	uint64_t hash;                    /* of the tuple; not written by the parser */
	uint32_t entry;                   /* lookup hint; not written by the parser */
	uint32_t unused4[3];
};

static_assert(sizeof(struct pkt_facts) == 2 * CACHE_LINE, "facts are two cache lines");

#endif
