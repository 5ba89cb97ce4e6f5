/*
 * Ethernet II framing (RFC 894). Fields in network order.
 */
#ifndef PIER_WIRE_ETH_H
#define PIER_WIRE_ETH_H

#include "base/compiler.h"
#include "wire/be.h"

#define ETH_ADDR_LEN  6
#define ETH_HDR_LEN   14
#define ETH_MIN_FRAME 60 /* without the frame check sequence */

/* EtherTypes, host order. */
#define ETH_TYPE_IP4  0x0800
#define ETH_TYPE_ARP  0x0806
#define ETH_TYPE_VLAN 0x8100
#define ETH_TYPE_QINQ 0x88a8
#define ETH_TYPE_IP6  0x86dd

#define ETH_TAG_LEN  4 /* of 802.1Q, before the EtherType, whose place it takes */
#define ETH_VID_MASK 0x0fff

struct eth_hdr {
	uint8_t dst[ETH_ADDR_LEN];
	uint8_t src[ETH_ADDR_LEN];
	uint16_t type; /* be */
} __attribute__((packed));

static_assert(sizeof(struct eth_hdr) == ETH_HDR_LEN, "Ethernet header is 14 bytes");

static inline bool eth_is_group(const uint8_t *addr)
{
	return addr[0] & 1;
}

static inline bool eth_is_broadcast(const uint8_t *addr)
{
	return load32(addr) == 0xffffffffu && load16(addr + 4) == 0xffff;
}

static inline bool eth_is_zero(const uint8_t *addr)
{
	return load32(addr) == 0 && load16(addr + 4) == 0;
}

static inline bool eth_equal(const uint8_t *a, const uint8_t *b)
{
	return load32(a) == load32(b) && load16(a + 4) == load16(b + 4);
}

static inline void eth_copy(uint8_t *to, const uint8_t *from)
{
	memcpy(to, from, ETH_ADDR_LEN);
}

#endif
