/*
 * SYN cookies (RFC 4987 section 3.6 and appendix A): a SYN-ACK that stands for no memory. What the
 * SYN said is in the initial sequence number and, with timestamps, in the low bits of TSval; the
 * ACK that completes the handshake brings both back.
 *
 * The 32 bits of a cookie are 26 of a SipHash-2-4 over everything that must be the same when it
 * comes back, one that says whether the SYN had timestamps, three of an index of cookie_mss, and
 * the lowest two of the period of 64 s it was made in. It is good in that period and the next; the
 * two periods after it is known as expired. A number made up at random is good with p = 2^-27: half
 * of the periods it can name are old.
 *
 * Each period has a key of its own, kept for as long as its cookies can be told; it comes from a
 * chain in which the next is a one-way function of the last, and new random bits may be put into
 * the chain at any time. So rotation never touches a cookie that is out.
 *
 * Pure; one thread; O(1). Time is in microseconds from any origin and does not go back.
 */
#ifndef PIER_ALGO_COOKIE_H
#define PIER_ALGO_COOKIE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/siphash.h"
#include "base/units.h"

#define COOKIE_PERIOD_US (64 * US_PER_SEC)
#define COOKIE_FLOW_LEN  24 /* bytes that name a flow */
#define COOKIE_KEYS      4
#define COOKIE_MSS_N     8

/* Common MSS of today: the floor, the IPv4 default, IPv6's least, tunnels, PPPoE, Ethernet of both families, jumbo of IPv6. */
extern const uint16_t cookie_mss[COOKIE_MSS_N];

/* The low bits of TSval: a window scale, 15 for none, and two flags. */
#define COOKIE_WS_NONE    15u
#define COOKIE_WS_MASK    15u
#define COOKIE_SACK       (1u << 4)
#define COOKIE_ECN        (1u << 5)
#define COOKIE_TSVAL_MASK 63u

#define COOKIE_SPENT (1u << 14) /* flows */

struct cookie_jar {
	struct sip_key key[COOKIE_KEYS]; /* of period p in [p % 4] */
	struct sip_key next;             /* what the next period's key is made of */
	uint32_t period;                 /* the newest that has a key */
	uint32_t last;                   /* when the last cookie was made */
	bool any;                        /* last is valid */
	uint32_t spent[COOKIE_SPENT];    /* of ended connections, see cookie_spend; 0: none */
};

/* What a cookie vouches for. */
struct cookie_facts {
	uint8_t flow[COOKIE_FLOW_LEN]; /* both addresses and ports, as the caller writes them */
	uint32_t isn;                  /* of the peer */
	uint16_t mss;                  /* offered; from cookie_check: the largest entry not above */
	uint8_t scale;                 /* our own window scale, which the SYN-ACK said */
	uint8_t options;               /* COOKIE_WS_MASK | COOKIE_SACK | COOKIE_ECN; only with ts */
	bool ts;
};

enum cookie_verdict {
	COOKIE_GOOD,
	COOKIE_EXPIRED, /* we made it, but more than two periods ago */
	COOKIE_BAD,
};

/* key: from the system's random generator, for this use alone. */
void cookie_init(struct cookie_jar *j, const struct sip_key *key, uint64_t now);

/* The keys of the periods to come are made of this one. */
void cookie_rekey(struct cookie_jar *j, const struct sip_key *key);

/* The initial sequence number that says f. */
uint32_t cookie_make(struct cookie_jar *j, const struct cookie_facts *f, uint64_t now);

/* Whether one was made in this period or the last, so that an ACK can carry a good one. */
bool cookie_awaited(const struct cookie_jar *j, uint64_t now);

/*
 * A connection has ended, while cookies are out: what its peer sent before it knew, a retransmission or data
 * that crossed our RST, may carry the very cookie that opened it, and is not to open another that delivers
 * the same octets once more. hash: the flow's, 64 keyed bits. As many are remembered as there is room for; a later
 * one takes the place of an earlier.
 */
static inline void cookie_spend(struct cookie_jar *j, uint64_t hash)
{
	j->spent[hash % COOKIE_SPENT] = (uint32_t)(hash >> 32) | 1;
}

/* Whether the cookies of this flow are spent. */
static inline bool cookie_spent(const struct cookie_jar *j, uint64_t hash)
{
	return j->spent[hash % COOKIE_SPENT] == ((uint32_t)(hash >> 32) | 1);
}

/* The flow asks for a new one. */
static inline void cookie_renew(struct cookie_jar *j, uint64_t hash)
{
	if (cookie_spent(j, hash))
		j->spent[hash % COOKIE_SPENT] = 0;
}

/*
 * Whether cookie is one for f, of which flow, isn and scale are given, and options from TSecr if the
 * segment has timestamps (0 otherwise). Fills mss and ts unless COOKIE_BAD. One SipHash.
 */
enum cookie_verdict cookie_check(struct cookie_jar *j, uint32_t cookie, struct cookie_facts *f,
				 uint64_t now);

/* A TSval that says options and is not ahead of the clock, at most 127 ticks behind. */
static inline uint32_t cookie_tsval(uint32_t clock, uint8_t options)
{
	uint32_t v = (clock & ~COOKIE_TSVAL_MASK) | options;

	return (clock & COOKIE_TSVAL_MASK) < options ? v - (COOKIE_TSVAL_MASK + 1) : v;
}

#endif
