/*
 * IPv6, out of the way of IPv4: for pkt_parse_burst.
 */
#ifndef PIER_PKT_PARSE6_H
#define PIER_PKT_PARSE6_H

#include <rte_mbuf.h>

#include "pkt/facts.h"

struct plain;

/*
 * Of the packets from pkts up to end, one at least, parse those that come first, as long as they are usual frames of IPv6
 * (plain.h), and all right. Returns how many, and did nothing to the others. ahead: as of plain_ahead.
 */
unsigned pkt_parse_plain6(const struct plain *p, struct rte_mbuf *const *pkts, struct rte_mbuf *const *ahead,
			  struct rte_mbuf *const *end, struct pkt_facts *facts, uint16_t port);

/*
 * A frame with the type of IPv6. f: cleared, its flags as the Ethernet header says. h: the frame's first
 * min(pkt_len, PKT_HDR_MAX) bytes, contiguous; what lies behind them is read where it is.
 */
void pkt_parse6(const struct rte_mbuf *m, const uint8_t *h, struct pkt_facts *f);

#endif
