/*
 * IPv6, out of the way of IPv4: for pkt_parse_burst.
 */
#ifndef PIER_PKT_PARSE6_H
#define PIER_PKT_PARSE6_H

#include <rte_mbuf.h>

#include "pkt/facts.h"

/*
 * A frame with the type of IPv6. f: cleared, its flags as the Ethernet header says. h: the frame's first
 * min(pkt_len, PKT_HDR_MAX) bytes, contiguous; what lies behind them is read where it is.
 */
void pkt_parse6(const struct rte_mbuf *m, const uint8_t *h, struct pkt_facts *f);

#endif
