/*
 * Building packets: payload from slices into an mbuf (chain), then checksums and padding.
 *
 * The order for a segment: pkt_build; push TCP, IPv4 and Ethernet header with rte_pktmbuf_prepend
 * (the first segment has RTE_PKTMBUF_HEADROOM for them); fill them; pkt_tcp_finish; pkt_pad.
 *
 * Payload is copied or referenced, whichever costs less: a part shorter than the port's copy_below
 * is copied, a longer one that lies in an mbuf is attached as an indirect mbuf. Static bytes are
 * always copied: they lie in ordinary memory, which a device may not reach. Everything is copied
 * when the port sends no chains, gives its mbufs away, or the pool has no indirect mbufs.
 *
 * Sums come from the slices where those know them, else from the copy itself: payload is never read
 * only to sum it, except when it is referenced and its slice brings no sum.
 *
 * Worker thread; bounded by the segment's bytes.
 */
#ifndef PIER_PKT_BUILD_H
#define PIER_PKT_BUILD_H

#include <rte_mbuf.h>

#include "pkt/cap.h"
#include "pkt/pool.h"
#include "pkt/slice.h"

/* Whatever copy_below says, less than this is copied: pkt_pad never has to pad what is shared. */
#define PKT_COPY_ALWAYS 64

/*
 * An mbuf with len bytes of payload: those that follow the first `skip` bytes of slices[0..n), which
 * must hold skip + len bytes, skip < slices[0].len. len 0 gives an empty mbuf. The slices are not
 * changed; references are taken for what is attached. If sum is not NULL, *sum becomes the folded
 * partial sum of the payload. A slice's own sum is used when the whole slice is.
 *
 * NULL when mbufs ran out, or when the packet has to be linear and is longer than an mbuf: nothing is
 * leaked and *sum is undefined.
 */
struct rte_mbuf *pkt_build(struct pkt_pool *pool, const struct pkt_port *pp,
			   const struct slice *slices, unsigned n, uint32_t skip, uint32_t len,
			   uint16_t *sum);

/* Whether pkt_tcp_finish will want the payload's sum for this port. */
static inline bool pkt_needs_sum(const struct pkt_port *pp)
{
	return !(pp->flags & PKT_TX_TCP_CSUM);
}

/*
 * Fill both checksum fields of an otherwise complete segment, or the offload fields where the port
 * computes them. m starts with l2_len bytes of link header, 20 of IPv4, l4_len of TCP header, all in
 * the first segment. payload_sum is pkt_build's and read only if pkt_needs_sum. RFC 9293 section 3.1.
 */
void pkt_tcp_finish(struct rte_mbuf *m, const struct pkt_port *pp, unsigned l2_len,
		    unsigned l4_len, uint16_t payload_sum);

/*
 * Fill the IPv4 header checksum only, in software: for ICMP and what else is rare. ip_off is the
 * header's offset in the first segment, which holds it entirely, options included.
 */
void pkt_ip_finish(struct rte_mbuf *m, unsigned ip_off);

/*
 * Pad a frame with zeros to 60 bytes (RFC 894). The last segment must be our own; false, and m as it
 * was, when it has no room.
 */
bool pkt_pad(struct rte_mbuf *m);

#endif
