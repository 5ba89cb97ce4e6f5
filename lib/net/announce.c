/*
 * How our addresses come into use, and are made known: by ARP (RFC 5227), or of IPv6 by neighbour
 * discovery (RFC 4862 section 5.4; RFC 4861 section 7.2.6; RFC 9131).
 *
 * At start all addresses go through rounds. An IPv4 address that is announced says what it is in
 * the first two of five, two seconds apart; one that is probed asks in the first three whether it
 * has an owner, and comes into use with the fourth, announced then and in the last.
 *
 * An IPv6 address asks in the first of four rounds, a second apart, and its group is joined; until
 * the second it is tentative: it receives nothing, and says nothing. Then it is in use, and is
 * announced to all nodes three times, to the routers once. (RFC 4862 would have a host wait for up
 * to a second before it begins, lest many that are switched on at once speak at once: servers are
 * few, and each second of theirs counts.)
 *
 * The last round is done again until all workers know what may be used.
 */
#include "internal.h"

#define ROUND_BATCH 32 /* addresses of a round per tick */
#define ROUND_USE   3  /* of IPv4: from where on a probed address is in use */

enum { FAMILY_4, FAMILY_6, FAMILIES };

struct net_start {
	uint32_t round;	 /* as many as there are: done */
	uint32_t cursor; /* next address of this round */
	bool unheard;	 /* another worker does not know yet of one that may be used */
	uint64_t due;
};

static bool round4(struct net *n, uint32_t i, uint8_t announce, uint32_t round);
static bool round6(struct net *n, uint32_t i, uint8_t announce, uint32_t round);

/* What address i has to do in a round. False: it has to be done again. */
static const struct {
	bool (*step)(struct net *n, uint32_t i, uint8_t announce, uint32_t round);
	uint64_t gap;
	uint32_t rounds;
} families[FAMILIES] = {
	[FAMILY_4] = {round4, 2 * US_PER_SEC, 5},
	[FAMILY_6] = {round6, US_PER_SEC, 4},
};

void announce_layout(struct net *n, struct layout *l)
{
	n->start = layout_take(l, FAMILIES * sizeof(*n->start));
}

void announce_init(struct net *n, uint64_t now)
{
	for (int family = 0; family < FAMILIES; family++)
		n->start[family] = (struct net_start){.round = families[family].rounds, .due = now};
	for (uint32_t i = 0; i < n->n_addrs; i++) {
		const uint8_t announce = net_port(n, n->addrs[i].port)->announce;

		if (announce == NET_ANNOUNCE || announce == NET_ANNOUNCE_PROBE)
			n->start[n->addrs[i].v6 ? FAMILY_6 : FAMILY_4].round = 0;
	}
}

bool announce_awaited(const struct net *n, uint32_t i)
{
	const uint8_t announce = net_port(n, n->addrs[i].port)->announce;

	if (n->addrs[i].v6)
		return announce != NET_ANNOUNCE_OFF;
	return announce == NET_ANNOUNCE_PROBE || announce == NET_ANNOUNCE_AWAIT;
}

static bool in_use(struct net *n, uint32_t i)
{
	return net_tell(n, &(struct net_news){.kind = NET_NEWS_ADDR_USED, .local = i});
}

static bool round4(struct net *n, uint32_t i, uint8_t announce, uint32_t round)
{
	if (announce == NET_ANNOUNCE && round < 2)
		arp_send(n, i, n->addrs[i].addr, NULL, ARP_ANNOUNCE);
	if (announce != NET_ANNOUNCE_PROBE)
		return true;
	if (round < ROUND_USE) {
		arp_send(n, i, n->addrs[i].addr, NULL, ARP_PROBE);
		return true;
	}
	addr_use(n, i);
	arp_send(n, i, n->addrs[i].addr, NULL, ARP_ANNOUNCE);
	return in_use(n, i);
}

static bool round6(struct net *n, uint32_t i, uint8_t announce, uint32_t round)
{
	if (announce != NET_ANNOUNCE && announce != NET_ANNOUNCE_PROBE)
		return true;
	if (round == 0 || round == 2)
		mld_join(n, i); /* again when there is a link-local address to do it from */
	if (round == 0) {
		nd_probe(n, i);
		return true;
	}
	addr_use(n, i);
	nd_announce(n, i, false);
	if (round == 1 && !ip6_is_link_local(n->addrs[i].ip))
		nd_announce(n, i, true);
	return in_use(n, i);
}

static void tick(struct net *n, int family, uint64_t now)
{
	struct net_start *st = &n->start[family];
	const uint32_t rounds = families[family].rounds;
	uint32_t end;

	if (st->round == rounds || now < st->due)
		return;
	end = min_of(st->cursor + ROUND_BATCH, n->n_addrs);
	for (uint32_t i = st->cursor; i < end; i++) {
		const uint8_t announce = net_port(n, n->addrs[i].port)->announce;

		if (n->addrs[i].v6 == (family == FAMILY_6) && !addr_gone(n, i))
			st->unheard |= !families[family].step(n, i, announce, st->round);
	}
	st->cursor = end;
	if (st->cursor == n->n_addrs) {
		st->cursor = 0;
		st->round += st->round < rounds - 1 || !st->unheard;
		st->unheard = false;
		st->due = now + families[family].gap;
	}
}

void announce_tick(struct net *n, uint64_t now)
{
	for (int family = 0; family < FAMILIES; family++)
		tick(n, family, now);
}

uint64_t announce_next(const struct net *n)
{
	uint64_t next = UINT64_MAX;

	for (int family = 0; family < FAMILIES; family++)
		if (n->start[family].round < families[family].rounds)
			next = min_of(next, n->start[family].due);
	return next;
}
