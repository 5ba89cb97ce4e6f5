/*
 * Steering in software: which worker owns a flow, by the rule that NICs use for receive-side
 * scaling. The Toeplitz hash of addresses and ports, as they stand in the received packet, indexes
 * an indirection table (RETA) of workers.
 *
 * With the key and the table of a port's hardware it predicts where a packet will land: needed for
 * what the NIC cannot steer (ICMP errors, reassembled fragments), for ports without RSS, and to
 * choose the local port of an active open so that its answers come home.
 *
 * The hash is linear in its input, so it is put together from a table per four bits of input: 24
 * reads of 1.5 KB for IPv4, a quarter of the cache that a table per byte would take.
 *
 * Pure; struct steer is read-only after steer_init, then any thread may read it; constant work.
 */
#ifndef PIER_FLOW_STEER_H
#define PIER_FLOW_STEER_H

#include <endian.h>
#include <string.h>

#include "base/address.h"
#include "base/compiler.h"

#define STEER_KEY_LEN  40
#define STEER_RETA_MAX 2048
#define STEER_WORDS    9 /* 32-bit words of the longest input: two IPv6 addresses and the ports */

struct steer {
	uint32_t part[STEER_WORDS][8][16]; /* hash of input that is 0 but for one nibble */
	uint32_t reta_mask;
	uint16_t reta[STEER_RETA_MAX];
};

/*
 * Prepare for a key and a RETA of n worker numbers; both are copied. 0, or -EINVAL: n is not a
 * power of two, 0 or beyond STEER_RETA_MAX.
 */
int steer_init(struct steer *s, const uint8_t key[STEER_KEY_LEN], const uint16_t *reta, uint32_t n);

/* The share of the hash that 32 bits of input have at word place i. */
static inline uint32_t steer_word(const struct steer *s, unsigned int i, uint32_t be)
{
	const uint32_t w = be32toh(be);
	uint32_t h = 0;

	for (unsigned int n = 0; n < 8; n++)
		h ^= s->part[i][n][w >> (28 - 4 * n) & 15];
	return h;
}

static inline uint32_t steer_ports(const struct steer *s, unsigned int i, uint16_t sport,
				   uint16_t dport)
{
	const uint16_t ports[2] = {sport, dport};
	uint32_t be;

	memcpy(&be, ports, sizeof(be));
	return steer_word(s, i, be);
}

/* RSS hash of an IPv4 packet with ports; all arguments in network order. */
static inline uint32_t steer_hash_v4(const struct steer *s, uint32_t saddr, uint32_t daddr,
				     uint16_t sport, uint16_t dport)
{
	return steer_word(s, 0, saddr) ^ steer_word(s, 1, daddr) ^ steer_ports(s, 2, sport, dport);
}

/* RSS hash of an IPv6 packet with ports; all arguments in network order. */
static inline uint32_t steer_hash_v6(const struct steer *s, const uint8_t saddr[16],
				     const uint8_t daddr[16], uint16_t sport, uint16_t dport)
{
	uint32_t h = steer_ports(s, 8, sport, dport);
	uint32_t be[8];

	memcpy(be, saddr, 16);
	memcpy(be + 4, daddr, 16);
	for (unsigned int i = 0; i < 8; i++)
		h ^= steer_word(s, i, be[i]);
	return h;
}

/* The same of addresses of which IPv4's are ::ffff:a.b.c.d. */
static inline uint32_t steer_hash(const struct steer *s, const uint8_t saddr[16], const uint8_t daddr[16],
				  uint16_t sport, uint16_t dport)
{
	if (unlikely(!address_is_v4(saddr)))
		return steer_hash_v6(s, saddr, daddr, sport, dport);
	return steer_hash_v4(s, address_v4(saddr), address_v4(daddr), sport, dport);
}

/* The worker that owns a hash, computed here or by the NIC. */
static inline uint16_t steer_worker(const struct steer *s, uint32_t hash)
{
	return s->reta[hash & s->reta_mask];
}

#endif
