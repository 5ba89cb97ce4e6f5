/*
 * ARP for IPv4 over Ethernet (RFC 826). Fields in network order.
 */
#ifndef PIER_WIRE_ARP_H
#define PIER_WIRE_ARP_H

#include "base/compiler.h"
#include "wire/eth.h"

/* Host order. */
#define ARP_HTYPE_ETHERNET 1
#define ARP_OP_REQUEST     1
#define ARP_OP_REPLY       2

struct arp_pkt {
	uint16_t htype; /* be: ARP_HTYPE_ETHERNET */
	uint16_t ptype; /* be: ETH_TYPE_IP4 */
	uint8_t hlen;   /* 6 */
	uint8_t plen;   /* 4 */
	uint16_t op;    /* be */
	uint8_t sha[ETH_ADDR_LEN];
	uint32_t spa; /* be */
	uint8_t tha[ETH_ADDR_LEN];
	uint32_t tpa; /* be */
} __attribute__((packed));

static_assert(sizeof(struct arp_pkt) == 28, "an ARP packet for IPv4 is 28 bytes");

#endif
