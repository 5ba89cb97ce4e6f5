/*
 * The UDP header (RFC 768). Fields in network order.
 */
#ifndef PIER_WIRE_UDP_H
#define PIER_WIRE_UDP_H

#include "base/compiler.h"
#include "wire/be.h"

#define UDP_HDR_LEN 8

struct udp_hdr {
	uint16_t sport; /* be */
	uint16_t dport; /* be */
	uint16_t len;   /* be: header and payload */
	uint16_t cksum; /* as sum_finish makes it; 0: none, a computed 0 is sent as 0xffff */
} __attribute__((packed));

static_assert(sizeof(struct udp_hdr) == UDP_HDR_LEN, "UDP header is 8 bytes");

#endif
