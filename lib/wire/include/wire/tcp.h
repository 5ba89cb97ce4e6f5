/*
 * The TCP header (RFC 9293 section 3.1). Fields in network order. For options see wire/tcp_opt.h.
 */
#ifndef PIER_WIRE_TCP_H
#define PIER_WIRE_TCP_H

#include "base/compiler.h"
#include "wire/be.h"

#define TCP_HDR_LEN     20
#define TCP_HDR_LEN_MAX 60
#define TCP_OPT_LEN_MAX 40

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20
#define TCP_ECE 0x40
#define TCP_CWR 0x80

struct tcp_hdr {
	uint16_t sport;  /* be */
	uint16_t dport;  /* be */
	uint32_t seq;    /* be */
	uint32_t ack;    /* be */
	uint8_t doff;    /* data offset in 32-bit words << 4, reserved bits below */
	uint8_t flags;   /* TCP_FIN .. TCP_CWR */
	uint16_t window; /* be */
	uint16_t cksum;  /* as sum_finish makes it */
	uint16_t urg;    /* be */
} __attribute__((packed));

static_assert(sizeof(struct tcp_hdr) == TCP_HDR_LEN, "TCP header is 20 bytes");

/* Header length in bytes, as the Data Offset says. */
static inline unsigned tcp_hdr_len(const struct tcp_hdr *th)
{
	return (th->doff >> 4) * 4u;
}

/* The doff octet for a header of len bytes, len a multiple of 4 from 20 to 60. */
static inline uint8_t tcp_doff(unsigned len)
{
	return (uint8_t)(len << 2);
}

#endif
