/*
 * The identification of IPv4 packets that may be fragmented on their way (RFC 6864 section 4.3): it
 * must not be used twice between two addresses within the time a packet lives, two minutes. All
 * others carry 0.
 *
 * There are far more pairs of addresses than could be remembered, so pairs share counters, by a
 * keyed hash, and each pair sees the counter through a permutation of its own: for one pair values
 * are distinct as long as the counter's are, and tell nothing about the other pairs. A counter may
 * advance by an eighth of its range in a seventh of two minutes, so that the same value comes up
 * again after two minutes at the earliest; beyond that there is no identification to be had.
 *
 * Workers serve the same pairs: each has a share of the 16 bits, its number standing on top.
 */
#include "internal.h"

#define COUNTERS   1024
#define LIFETIME_S 120
#define WINDOWS    8 /* of equal share, of which WINDOWS - 1 cover LIFETIME_S */
#define WINDOW_S   ((LIFETIME_S + WINDOWS - 2) / (WINDOWS - 1))

static_assert(WINDOW_S * (WINDOWS - 1) >= LIFETIME_S, "a value rests for a packet's lifetime");

struct id_counter {
	uint32_t window; /* of WINDOW_S */
	uint16_t used;   /* in it */
	uint16_t next;
};

struct net_ids {
	struct id_counter c[COUNTERS];
	unsigned int bits; /* of the counter */
	uint16_t top;      /* this worker's number, above them */
};

void ip_id_layout(struct net *n, struct layout *l)
{
	n->ids = layout_take(l, sizeof(*n->ids));
}

void ip_id_init(struct net *n)
{
	uint32_t workers = max_of(n->conf.workers, (uint16_t)1);

	memset(n->ids, 0, sizeof(*n->ids));
	n->ids->bits = 16;
	while (pow2_above(workers) > 1u << (16 - n->ids->bits))
		n->ids->bits--;
	n->ids->top = (uint16_t)(n->conf.worker << n->ids->bits);
}

/* A permutation of the numbers of `bits` bits, chosen by key. */
static uint32_t permute(uint32_t v, unsigned int bits, uint64_t key)
{
	uint32_t mask = (1u << bits) - 1, half = bits / 2;

	for (int round = 0; round < 4; round++, key >>= 16) {
		v = (v * ((uint32_t)key | 1) + (uint32_t)(key >> 8)) & mask;
		v ^= v >> half;
	}
	return v & mask;
}

/* Count one packet; false: the counter has gone as far as it may in this window. */
static bool take(struct net_ids *ids, struct id_counter *c, uint64_t now, uint32_t *value)
{
	uint32_t window = (uint32_t)(now / (WINDOW_S * US_PER_SEC));

	if (c->window != window) {
		c->window = window;
		c->used = 0;
	}
	if (c->used >= (1u << ids->bits) / WINDOWS)
		return false;
	c->used++;
	*value = c->next++ & ((1u << ids->bits) - 1);
	return true;
}

bool net_ip_id(struct net *n, uint32_t local, const uint8_t remote[16], uint64_t now, uint16_t *id)
{
	uint8_t key[24] = "IPv4";
	uint32_t value;
	uint64_t h;

	memcpy(key + 4, remote, 16);
	memcpy(key + 20, &local, sizeof(local));
	h = siphash13(&n->conf.key, key, sizeof(key));
	if (!take(n->ids, &n->ids->c[h % COUNTERS], now, &value)) {
		count(n->counters, CTR_IP_ID_SPENT);
		return false;
	}
	*id = n->ids->top | (uint16_t)permute(value, n->ids->bits, h);
	return true;
}

void net_allow_fragments(struct net *n, struct rte_mbuf *m, uint32_t path, uint32_t local,
			 const uint8_t remote[16], uint64_t now)
{
	struct ip4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct ip4_hdr *, n->paths[path].l2_len);
	uint16_t id;

	if (!net_ip_id(n, local, remote, now, &id))
		return;
	ip->id = be16(id);
	ip->frag = 0;
}
