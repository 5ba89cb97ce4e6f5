/*
 * The kit of net in IPv6: the port has fd00:18::2/64 and fe80::1/64, and a gateway, and asks for
 * neighbours. Packets of a peer, and what was sent as neighbour discovery reads it, all of it
 * checked.
 */
#ifndef PIER_TESTS_NET_KIT6_H
#define PIER_TESTS_NET_KIT6_H

#include "net_kit.h"
#include "wire/icmp6.h"

struct a6 {
	uint8_t a[16];
};

extern const struct a6 OUR6, OUR_LL6, PEER6, PEER_LL6, OTHER6, GATE6, FAR6, NONE6, ALL_NODES6,
	ALL_ROUTERS6;

/*
 * Their MAC addresses, as groups have them, or the port's; and the peer's as it says it in an
 * option.
 */
enum { OUR6_LOCAL, OUR_LL6_LOCAL };

/* fd00:18::n */
struct a6 a6_of(uint16_t n);
struct a6 group_of(struct a6 a);

void kit6_conf(struct kit *k);

/*
 * A packet from the peer's MAC address: to the group's, or the port's. ext: extension headers,
 * already in payload.
 */
struct rte_mbuf *kit6_ip(struct a6 src, struct a6 dst, uint8_t next, uint8_t hops,
			 const void *payload, size_t len);
/* An ICMPv6 message with a right checksum, of len bytes behind the first four. */
struct rte_mbuf *kit6_icmp(struct a6 src, struct a6 dst, uint8_t hops, uint8_t type, uint8_t code,
			   const void *body, size_t len);
/* mac NULL: without the option. */
struct rte_mbuf *kit6_ns(struct a6 src, struct a6 dst, struct a6 target, const uint8_t *mac);
struct rte_mbuf *kit6_na(struct a6 src, struct a6 dst, struct a6 target, uint8_t flags,
			 const uint8_t *mac);

/* Frame i: of ICMPv6, its length, checksum and MAC addresses right. */
struct sent6 {
	struct a6 src, dst;
	const uint8_t *eth_dst;
	uint8_t hops, type, code;
	const uint8_t *msg;
	size_t len;
};
struct sent6 kit6_sent(const struct kit *k, uint32_t i);
/* The same of NS and NA: those that are sent have the target's option, or the source's. */
void kit6_expect_ns(const struct kit *k, uint32_t i, struct a6 src, struct a6 dst,
		    struct a6 target);
void kit6_expect_na(const struct kit *k, uint32_t i, struct a6 src, struct a6 dst, uint8_t flags);

int32_t kit6_path(struct kit *k, struct a6 remote);
bool a6_equal(struct a6 a, struct a6 b);

#endif
