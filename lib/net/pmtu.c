/*
 * What ICMP taught about paths (RFC 1191 section 5): the MTU between one of our addresses and a
 * remote one, so that a connection that starts need not find out again what another has.
 *
 * The table is bounded and keyed by what comes from outside, so it is a set-associative cache under
 * a keyed hash: a full set gives up the entry that was learnt longest ago, and nothing ever grows.
 * Only connections that start read it. Losing an entry costs one of them a round trip.
 *
 * Entries age by being read: the reader says how old is too old, and nobody sweeps.
 */
#include "base/seq.h"
#include "internal.h"

#define WAYS 4

struct pmtu_entry {
	uint8_t remote[16];
	uint32_t local;
	uint32_t learnt; /* s */
	uint16_t mtu;    /* 0: empty */
	uint8_t fragment;
	uint8_t spare[5];
};

static_assert(sizeof(struct pmtu_entry) == 32, "a set is two cache lines");

struct net_pmtus {
	struct pmtu_entry *e;
	uint32_t set_mask;
	bool any; /* something was ever learnt */
};

static uint32_t sets_for(const struct net_conf *c)
{
	return pow2_above((c->pmtu_entries + WAYS - 1) / WAYS);
}

void pmtu_layout(struct net *n, struct layout *l)
{
	uint32_t sets = sets_for(&n->conf);

	n->pmtus = layout_take(l, sizeof(*n->pmtus));
	struct pmtu_entry *e = layout_take(l, (size_t)sets * WAYS * sizeof(*e));

	if (!l->base)
		return;
	*n->pmtus = (struct net_pmtus){ .e = e, .set_mask = sets - 1 };
	memset(e, 0, (size_t)sets * WAYS * sizeof(*e));
}

static struct pmtu_entry *set_of(const struct net *n, uint32_t local, const uint8_t remote[16])
{
	uint8_t key[20];
	uint32_t set;

	memcpy(key, remote, 16);
	memcpy(key + 16, &local, sizeof(local));
	set = (uint32_t)siphash13(&n->conf.key, key, sizeof(key)) & n->pmtus->set_mask;
	return &n->pmtus->e[set * WAYS];
}

static uint32_t seconds(uint64_t now)
{
	return (uint32_t)(now / US_PER_SEC);
}

static bool fresh(const struct pmtu_entry *e, uint64_t now, uint64_t age)
{
	return (uint64_t)(seconds(now) - e->learnt) * US_PER_SEC < age;
}

static struct pmtu_entry *entry_find(struct pmtu_entry *set, uint32_t local,
				     const uint8_t remote[16])
{
	for (uint32_t i = 0; i < WAYS; i++)
		if (set[i].mtu && set[i].local == local && !memcmp(set[i].remote, remote, 16))
			return &set[i];
	return NULL;
}

/* An empty entry of the set, or the one learnt longest ago. */
static struct pmtu_entry *entry_free(struct net *n, struct pmtu_entry *set)
{
	struct pmtu_entry *oldest = set;

	for (uint32_t i = 0; i < WAYS; i++) {
		if (!set[i].mtu)
			return &set[i];
		if (seq_lt(set[i].learnt, oldest->learnt))
			oldest = &set[i];
	}
	count(n->counters, CTR_PMTU_EVICTED);
	return oldest;
}

/* False if it is no news. */
static bool learn(struct net *n, uint32_t local, const uint8_t remote[16],
		  const struct net_pmtu *pmtu, uint64_t now, uint64_t age)
{
	struct pmtu_entry *set = set_of(n, local, remote), *e = entry_find(set, local, remote);

	if (e && fresh(e, now, age) &&
	    (e->mtu < pmtu->mtu || (e->mtu == pmtu->mtu && e->fragment > pmtu->fragment)))
		return false;
	if (!e)
		e = entry_free(n, set);
	*e = (struct pmtu_entry){ .local = local, .learnt = seconds(now), .mtu = pmtu->mtu,
				  .fragment = pmtu->fragment };
	memcpy(e->remote, remote, 16);
	n->pmtus->any = true;
	return true;
}

void net_pmtu_learn(struct net *n, uint32_t local, const uint8_t remote[16],
		    const struct net_pmtu *pmtu, uint64_t now, uint64_t age)
{
	struct net_news news = { .kind = NET_NEWS_PMTU, .local = local, .pmtu = *pmtu, .age = age };

	if (!learn(n, local, remote, pmtu, now, age))
		return;
	memcpy(news.remote, remote, sizeof(news.remote));
	net_tell(n, &news);
}

void pmtu_hear(struct net *n, const struct net_news *news, uint64_t now)
{
	learn(n, news->local, news->remote, &news->pmtu, now, news->age);
}

bool net_pmtu_find(const struct net *n, uint32_t local, const uint8_t remote[16], uint64_t now,
		   uint64_t age, struct net_pmtu *pmtu)
{
	const struct pmtu_entry *e;

	if (likely(!n->pmtus->any))
		return false;
	e = entry_find(set_of(n, local, remote), local, remote);
	if (!e || !fresh(e, now, age))
		return false;
	*pmtu = (struct net_pmtu){ .mtu = e->mtu, .fragment = e->fragment, .learnt = e->learnt };
	return true;
}

uint32_t net_pmtu_count(const struct net *n)
{
	uint32_t used = 0;

	for (uint32_t i = 0; i < (n->pmtus->set_mask + 1) * WAYS; i++)
		used += n->pmtus->e[i].mtu != 0;
	return used;
}

/* RFC 1191 section 7.1: where MTUs lie in practice. */
uint16_t net_pmtu_plateau(uint32_t len)
{
	static const uint16_t plateaus[] = { 65535, 32000, 17914, 8166, 4352, 2002,
					     1492, 1006, 508, 296, 68 };

	for (uint32_t i = 0; i < ARRAY_SIZE(plateaus); i++)
		if (plateaus[i] < len)
			return plateaus[i];
	return 68;
}
