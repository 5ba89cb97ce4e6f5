/*
 * Packets of IPv6 that are no TCP, for the tests that send such and take what comes back.
 */
#ifndef PIER_TESTS_PACKET6_H
#define PIER_TESTS_PACKET6_H

#include "kit.h"
#include "wire/icmp6.h"

static const uint8_t none[16], all_nodes[16] = {0xff, 2, [15] = 1},
			       all_routers[16] = {0xff, 2, [15] = 2};
/* Of the run: addresses of the kit's hosts, and the group in which the server is asked for. */
static uint8_t server[16], second[16], client[16], group[16];

static inline void begin(struct kit *k)
{
	kit_host(server, KIT_SERVER_HOST);
	kit_host(second, KIT_SECOND_HOST);
	kit_host(client, KIT_CLIENT_HOST);
	ip6_solicited_node(group, server);
}

struct packet {
	const uint8_t *src, *dst, *mac; /* the sender's MAC address; NULL: the peer's */
	uint8_t proto, hops;
	const void *data;
	uint16_t len;
};

/* The frame's length, without padding. */
static inline uint32_t build(uint8_t *buf, const struct packet *p)
{
	struct kit_ip ip = {.l4_len = p->len, .ttl = p->hops ? p->hops : 64, .proto = p->proto};

	if (ip6_is_multicast(p->dst))
		ip6_group_mac(buf, p->dst);
	else
		eth_copy(buf, kit_mac);
	eth_copy(buf + 6, p->mac ? p->mac : kit_peer_mac);
	store_be16(buf + 12, ETH_TYPE_IP6);
	memcpy(ip.saddr, p->src, 16);
	memcpy(ip.daddr, p->dst, 16);
	kit_put_ip(buf + ETH_HDR_LEN, &ip);
	memcpy(buf + ETH_HDR_LEN + IP6_HDR_LEN, p->data, p->len);
	return ETH_HDR_LEN + IP6_HDR_LEN + p->len;
}

static inline void send_packet(struct kit *k, const struct packet *p)
{
	uint8_t buf[2000];

	kit_inject(k, buf, build(buf, p));
}

/* msg is ICMPv6 without its checksum. */
static inline void send_icmp(struct kit *k, const uint8_t *src, const uint8_t *dst, uint8_t hops,
			     uint8_t *msg, uint16_t len)
{
	uint16_t sum;

	msg[2] = msg[3] = 0;
	sum = sum_finish(sum_partial(msg, len, sum_pseudo6(src, dst, IP_PROTO_ICMPV6, len)));
	memcpy(msg + 2, &sum, sizeof(sum));
	send_packet(k, &(struct packet){.src = src,
					.dst = dst,
					.proto = IP_PROTO_ICMPV6,
					.hops = hops,
					.data = msg,
					.len = len});
}

/* What the engine sent: ICMPv6 with a right checksum. */
struct taken {
	struct kit_frame *f;
	struct kit_ip ip;
	const uint8_t *msg;
};

static inline struct taken take_icmp(struct kit *k)
{
	struct taken t = {.f = kit_frame_next(k)};

	assert_non_null(t.f);
	assert_true(kit_take_ip(t.f->bytes, &t.ip));
	assert_int_equal(t.ip.proto, IP_PROTO_ICMPV6);
	t.msg = t.ip.l4;
	assert_int_equal(sum_fold(sum_partial(t.msg, t.ip.l4_len,
					      sum_pseudo6(t.ip.saddr, t.ip.daddr, IP_PROTO_ICMPV6,
							  t.ip.l4_len))),
			 0xffff);
	return t;
}

static inline struct taken expect_icmp(struct kit *k, uint8_t type, uint8_t code,
				       const uint8_t *src, const uint8_t *dst)
{
	struct taken t = take_icmp(k);

	assert_int_equal(t.msg[0], type);
	assert_int_equal(t.msg[1], code);
	assert_memory_equal(t.ip.saddr, src, 16);
	assert_memory_equal(t.ip.daddr, dst, 16);
	return t;
}

static inline void forget(void *arg, struct kit_frame *f)
{
	++*(unsigned int *)arg;
}

#endif
