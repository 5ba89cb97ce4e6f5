/*
 * The MSS of both sides (RFC 9293 section 3.7.1, RFC 6691). Pure; O(1).
 */
#ifndef PIER_TCP_MSS_H
#define PIER_TCP_MSS_H

#include "tcp/tcp.h"

/* Of a peer that says none. */
#define TCP_MSS_DEFAULT_V4 536
#define TCP_MSS_DEFAULT_V6 1220

/* What a segment on path p carries beside its fixed headers: the MSS we send. */
static inline uint32_t tcp_path_mss(const struct net_path *p)
{
	return (uint32_t)p->mtu - p->l3_len - TCP_HDR_LEN;
}

/* The peer's, as its SYN or SYN-ACK f says or is to be taken without. */
static inline uint32_t tcp_peer_mss(const struct pkt_facts *f)
{
	if (likely(f->flags & PKT_F_MSS))
		return f->mss;
	return f->flags & PKT_F_V6 ? TCP_MSS_DEFAULT_V6 : TCP_MSS_DEFAULT_V4;
}

#endif
