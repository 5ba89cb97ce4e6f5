/*
 * Segments onto the wire, and the answers that belong to no connection (segment.c). For the worker's thread.
 */
#ifndef PIER_TCP_SEGMENT_H
#define PIER_TCP_SEGMENT_H

#include <rte_mbuf.h>

#include "base/counter.h"
#include "flow/tuple.h"
#include "pkt/facts.h"
#include "tcp/record.h"
#include "wire/tcp_opt.h"

struct tcp;

/* What a segment of a connection says. */
struct tcp_seg {
	uint32_t seq, ack;
	uint16_t window, urg;
	uint8_t flags;
	uint8_t dscp, ecn;     /* ecn: the codepoint in the IP header */
	uint32_t tsval, tsecr;
	bool fragment;       /* may be fragmented on the way */
	unsigned int agreed; /* TCP_AGREED_TS: carry timestamps */
	unsigned int sack_n;
	struct tcp_sack_block sack[4];
	const struct tcp_opts *syn; /* options of a SYN-ACK instead */
};

/*
 * Prepend headers to m (which holds the payload), finish checksums, pad. The path must be known.
 * ttl 64 unless a listener says otherwise.
 */
void tcp_seg_finish(struct tcp *t, struct rte_mbuf *m, const struct flow_tuple *tuple,
		    uint32_t path, const struct tcp_seg *seg, uint8_t ttl, uint16_t payload_sum);

/* The same, and hand it to emit or, if the next hop is unknown, to net. */
void tcp_seg_emit(struct tcp *t, struct rte_mbuf *m, const struct flow_tuple *tuple, uint32_t path,
		  const struct tcp_seg *seg, uint8_t ttl);

/* Make seg, that says all but this, the connection's RST in m, and emit it. */
void tcp_reset_emit(struct tcp *t, const struct tcp_conn *c, struct rte_mbuf *m, struct tcp_seg *seg);

/*
 * Answer the segment that f describes with seg, in its own mbuf, to the frame's sender, by the way
 * it came: a stranger's packet must not cost a path entry or an ARP request. Consumes m. False if
 * there was no mbuf (counted).
 */
bool tcp_seg_answer(struct tcp *t, struct rte_mbuf *m, const struct pkt_facts *f,
		    const struct tcp_seg *seg, uint8_t ttl);

/*
 * Answer a segment that belongs to no connection with RST, in its own mbuf, under the RST limit.
 * Consumes m. RFC 9293 section 3.10.7.1.
 */
void tcp_reset_reply(struct tcp *t, struct rte_mbuf *m, const struct pkt_facts *f,
		     enum counter reason);

/* The same for a segment to a listener or connection, which says how it marks its packets. */
void tcp_reset_reply_as(struct tcp *t, struct rte_mbuf *m, const struct pkt_facts *f,
			enum counter reason, uint8_t dscp, uint8_t ttl);

/*
 * Answer with RST a segment to a connection that ends by it. There is one for each connection, and
 * without it the peer keeps what it has to send until it gives up: the RST limit is not asked.
 * Consumes m.
 */
void tcp_reset_conn_reply(struct tcp *t, const struct tcp_conn *c, struct rte_mbuf *m,
			  const struct pkt_facts *f, enum counter reason);

/* Make an empty packet of m: no payload, one segment. NULL if that cannot be; m is consumed. */
struct rte_mbuf *tcp_reuse(struct tcp *t, struct rte_mbuf *m);

#endif
