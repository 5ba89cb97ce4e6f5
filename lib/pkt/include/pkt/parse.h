/*
 * Parsing: one pass over a burst, from mbufs to facts. See pkt/facts.h for what is found out.
 *
 * The parser checks what can be checked without knowing addresses, connections or listeners:
 * lengths, header checksums, the TCP checksum, IP options. What fails is PKT_DROP with one reason,
 * which the caller counts; of IPv6 some of it is PKT_PROBLEM, to be answered. It neither changes nor
 * frees an mbuf, never reads outside of its bytes, and takes headers and payload split over segments at
 * any byte. Received padding is cut: payload ends where the IP length says.
 *
 * Checksums follow the receive flags (IPv4 and TCP alike): BAD drops, GOOD and NONE accept, UNKNOWN
 * is verified here. RFC 791, RFC 1122 section 3.2.1, RFC 8200, RFC 9293 section 3.1.
 *
 * Worker thread; no state. Time is bounded by the bytes of the burst.
 */
#ifndef PIER_PKT_PARSE_H
#define PIER_PKT_PARSE_H

#include <rte_mbuf.h>

#include "pkt/cap.h"
#include "pkt/facts.h"
#include "wire/tcp_opt.h"

/* Ethernet, IPv4 and TCP headers with all their options: 14 + 60 + 60 bytes. */
#define PKT_HDR_MAX 134

/* Parse n packets that arrived on `port` into facts[0..n). */
void pkt_parse_burst(struct rte_mbuf *const *pkts, struct pkt_facts *facts, unsigned n,
		     uint16_t port, const struct pkt_port *pp);

/*
 * Parse one packet. For a reassembled datagram: its first segment starts with an Ethernet header
 * and the IP header of the whole (IPv4: length set, fragment field cleared; IPv6: no Fragment header), and
 * ol_flags say RTE_MBUF_F_RX_IP_CKSUM_GOOD (IPv4) and L4 UNKNOWN, so that the TCP checksum is verified.
 */
void pkt_parse_one(struct rte_mbuf *m, struct pkt_facts *f, uint16_t port,
		   const struct pkt_port *pp);

/*
 * Whether m, an IPv6 packet whose header was parsed, whole or the first fragment of one, is an ICMPv6 error, which no
 * error may answer (RFC 4443 section 2.4 (e.1)).
 */
bool pkt_is_icmp6_error(const struct rte_mbuf *m);

/* Folded sum of len bytes from off on, over any chain, as if they began at an even offset. */
uint16_t pkt_sum(const struct rte_mbuf *m, uint32_t off, uint32_t len);

/*
 * The SACK blocks of a segment with PKT_F_SACK, oldest report last as the peer sent them, in host
 * order and not validated. Returns how many, at most TCP_SACK_MAX.
 */
unsigned pkt_sack_blocks(const struct rte_mbuf *m, const struct pkt_facts *f,
			 struct tcp_sack_block *out);

#endif
