/*
 * What the tests of net share: a struct net on one port, 10.0.0.1/24 with gateway 10.0.0.254 unless
 * told otherwise, its packets and what it emitted. After each test every mbuf must be back.
 */
#ifndef PIER_TESTS_NET_KIT_H
#define PIER_TESTS_NET_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/net.h"
#include "pkt/build.h"
#include "pkt/parse.h"
#include "wire/arp.h"
#include "wire/icmp.h"
#include "wire/sum.h"
#include "wire/udp.h"

#define V4(a, b, c, d) BE32((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))
#define OUR    V4(10, 0, 0, 1)
#define PEER   V4(10, 0, 0, 2)
#define OTHER  V4(10, 0, 0, 3)
#define GATE   V4(10, 0, 0, 254)
#define FAR    V4(192, 0, 2, 7)
#define SEC    US_PER_SEC
#define T0     (1000 * SEC)
#define OUT_MAX 64

struct kit {
	struct net net;
	struct net_conf conf;
	struct net_port_conf ports[2];
	struct net_addr_conf addrs[4];
	struct pkt_port pp[2];
	struct counters counters;
	struct pkt_pool pool;
	void *mem;
	struct rte_mbuf *out[OUT_MAX]; /* emitted; beyond OUT_MAX only counted */
	uint16_t out_port[OUT_MAX];
	uint32_t n_out;
	uint32_t n_errors;
	struct net_icmp_error error;
	uint64_t now;
};

extern struct rte_mempool *kit_mp;
extern const uint8_t kit_mac[6], peer_mac[6], other_mac[6];

/* EAL and the mempool; for main. */
int kit_main(int argc, char **argv);
/* The defaults; change conf and what it points to, then kit_start. */
void kit_conf(struct kit *k);
void kit_start(struct kit *k);
/* Free everything and assert that no mbuf is missing. */
void kit_stop(struct kit *k);
void kit_out_clear(struct kit *k);

struct rte_mbuf *kit_frame(const void *l3, size_t len, const uint8_t *dst, const uint8_t *src,
			   uint16_t type);
/* An IPv4 packet; frag is the field in host order. */
struct rte_mbuf *kit_ip(uint32_t src, uint32_t dst, uint8_t proto, uint16_t id, uint16_t frag,
			uint8_t tos, const void *payload, size_t len);
struct rte_mbuf *kit_arp(uint16_t op, const uint8_t *sha, uint32_t spa, uint32_t tpa);
/* Parse and hand to net_input or net_reassemble, as the engine does; the datagram, if complete. */
struct rte_mbuf *kit_in(struct kit *k, struct rte_mbuf *m);
struct rte_mbuf *kit_in_bcast(struct kit *k, struct rte_mbuf *m);
/* Let time pass, with a tick whenever net wants one. */
void kit_run(struct kit *k, uint64_t until);
/* ICMP message with a right checksum into buf; returns its length. */
size_t kit_icmp(uint8_t *buf, uint8_t type, uint8_t code, uint32_t rest, const void *data,
		size_t len);
void kit_map(uint8_t to[16], uint32_t addr);
uint64_t kit_ctr(const struct kit *k, enum counter c);
const struct arp_pkt *kit_out_arp(const struct kit *k, uint32_t i);

#endif
