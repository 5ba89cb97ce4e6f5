/*
 * The key of the hash, and the indirection table of a port that steers by itself.
 *
 * What was programmed is read back: a driver that takes a table and keeps another would send flows to
 * workers that do not own them. Whether packets follow it is for the workers to see.
 */
#include <string.h>
#include <sys/random.h>

#include <rte_errno.h>

#include "room.h"

#define GROUPS	 (PORT_RETA_MAX / RTE_ETH_RETA_GROUP_SIZE)
#define LOW_BITS 6    /* of the hash, which tell 64 workers apart */
#define PORTS_AT 64   /* where an IPv4 tuple has its ports: bits */
#define PORTS6_AT 256 /* and an IPv6 tuple */
#define TRIES	 10000 /* not even one of them will do: the numbers are not random */

/* The `low` lowest bits of the hash as bit i of the tuple flips them: Toeplitz is linear. */
static unsigned int flips(const uint8_t *key, unsigned int i, unsigned int low)
{
	unsigned int v = 0;

	for (unsigned int bit = i + 32 - low; bit < i + 32; bit++)
		v = v << 1 | (key[bit / 8] >> (7 - bit % 8) & 1);
	return v;
}

/* Whether `run` bits of the tuple, from i on, make each value of these. */
static bool make_all(const uint8_t *key, unsigned int i, unsigned int run, unsigned int low)
{
	uint64_t made = 1, more;
	unsigned int n = 0;

	for (unsigned int end = i + run; i < end; i++) {
		more = made;
		for (unsigned int v = 0; v < 1u << low; v++)
			if (made >> v & 1)
				more |= 1ull << (v ^ flips(key, i, low));
		made = more;
	}
	for (unsigned int v = 0; v < 1u << low; v++)
		n += made >> v & 1;
	return n == 1u << low;
}

static bool port_bits_make_all(const uint8_t *key, unsigned int at, unsigned int low)
{
	const unsigned int run = low + PORT_KEY_SPARE;

	for (unsigned int i = at; i + run <= at + 16; i++)
		if (!make_all(key, i, run, low))
			return false;
	return true;
}

/* Of a tuple whose ports are there. */
static bool ports_spread(const uint8_t *key, unsigned int at)
{
	for (unsigned int low = 1; low <= LOW_BITS; low++)
		if (!port_bits_make_all(key, at, low) || !port_bits_make_all(key, at + 16, low))
			return false;
	return true;
}

bool port_key_spreads(const uint8_t *key, size_t len)
{
	return ports_spread(key, PORTS_AT) && (len < PORT_RSS_KEY_MIN6 || ports_spread(key, PORTS6_AT));
}

/* One key in fifteen will do, of those for both families one in two hundred. */
bool port_key_draw(uint8_t *key, size_t len)
{
	for (unsigned int tries = 0; tries < TRIES; tries++) {
		/* Not interrupted and never short: that few octets come at once. */
		if (getrandom(key, len, 0) != (ssize_t)len)
			return false;
		if (len < PORT_RSS_KEY_MIN || port_key_spreads(key, len))
			return true;
	}
	return false;
}

bool port_rss(const struct rte_eth_dev_info *info, uint64_t rss_hf, uint8_t key[PORT_RSS_KEY_MAX],
	      struct rte_eth_rss_conf *conf)
{
	*conf = (struct rte_eth_rss_conf){.rss_hf = rss_hf};
	if (!info->hash_key_size)
		return true;
	if (!port_key_draw(key, info->hash_key_size))
		return false;
	conf->rss_key = key;
	conf->rss_key_len = info->hash_key_size;
	return true;
}

static bool refuse(struct port *p, char *err, size_t errlen, const char *what, int rc)
{
	p->plan.steering = PORT_STEER_SOFTWARE;
	return port_fail(err, errlen, "%s %s (%s): steering in software", p->name, what,
			 rte_strerror(-rc));
}

/* A driver may have its own opinion of the key; the one in use counts. */
static bool key_read(struct port *p)
{
	uint8_t key[PORT_RSS_KEY_MAX] = {0};
	struct rte_eth_rss_conf conf = {.rss_key = key, .rss_key_len = sizeof(key)};

	if (rte_eth_dev_rss_hash_conf_get(p->id, &conf) || !conf.rss_key ||
	    !(conf.rss_hf & RTE_ETH_RSS_NONFRAG_IPV4_TCP))
		return false;
	memcpy(p->rss_key, key, sizeof(key));
	p->plan.rss_hf &= conf.rss_hf;
	return true;
}

static void mask_all(struct rte_eth_rss_reta_entry64 *r, uint16_t size)
{
	memset(r, 0, GROUPS * sizeof(*r));
	for (uint16_t i = 0; i < size; i++)
		r[i / RTE_ETH_RETA_GROUP_SIZE].mask |= 1ull << i % RTE_ETH_RETA_GROUP_SIZE;
}

bool port_reta_set(struct port *p, const uint16_t *queue, char *err, size_t errlen)
{
	struct rte_eth_rss_reta_entry64 want[GROUPS], have[GROUPS];
	int rc;

	mask_all(want, p->reta_size);
	mask_all(have, p->reta_size);
	for (uint16_t i = 0; i < p->reta_size; i++)
		want[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] = queue[i];
	rc = rte_eth_dev_rss_reta_update(p->id, want, p->reta_size);
	if (rc)
		return refuse(p, err, errlen, "does not take an indirection table", rc);
	rc = rte_eth_dev_rss_reta_query(p->id, have, p->reta_size);
	if (rc)
		return refuse(p, err, errlen, "does not tell its indirection table", rc);
	for (uint16_t i = 0; i < p->reta_size; i++)
		if (have[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] != queue[i])
			return refuse(p, err, errlen, "keeps another indirection table", -EINVAL);
	if (!key_read(p))
		return refuse(p, err, errlen, "does not tell its RSS key", -ENOTSUP);
	return true;
}
