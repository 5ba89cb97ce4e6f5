/*
 * Our addresses: the hash that net_local and net_source_ok walk, the subnets we are in, and what is
 * said about an address when it comes into use (RFC 5227).
 *
 * The hash holds each address once per port and each subnet's broadcast address, filled at most to
 * half. Addresses are set at start, nobody outside chooses them, so the hash needs no key.
 *
 * At start all addresses go through five rounds, two seconds apart. An announced address says what
 * it is in the first two. A probed one asks in the first three whether it has an owner, and comes
 * into use with the fourth, announced then and in the last, which is done again until all workers know.
 */
#include "internal.h"

#define ROUND_US    (2 * US_PER_SEC)
#define ROUNDS      5
#define ROUND_USE   3
#define ROUND_BATCH 32 /* addresses of a round per tick */

struct net_start {
	uint32_t round;  /* 0..ROUNDS - 1; ROUNDS: done */
	uint32_t cursor; /* next address of this round */
	bool unheard;    /* another worker does not know yet of one that may be used */
	uint64_t due;
};

static uint32_t slots_for(const struct net_conf *c)
{
	return pow2_above(4 * c->n_addrs + 8);
}

static uint32_t mask_of(uint8_t prefix)
{
	return prefix ? be32(UINT32_MAX << (32 - prefix)) : 0;
}

bool addr_conf_ok(const struct net_conf *c)
{
	if (c->n_addrs < 1 || c->n_addrs > 1u << 20)
		return false;
	for (uint32_t i = 0; i < c->n_addrs; i++) {
		const struct net_addr_conf *a = &c->addrs[i];
		uint8_t first = (uint8_t)(be32(a->addr) >> 24);
		bool port = false;

		for (uint32_t k = 0; k < c->n_ports; k++)
			port |= c->ports[k].id == a->port;
		if (!port || a->prefix > 32 || first == 0 || first == 127 || first >= 224)
			return false;
	}
	return true;
}

void addr_layout(struct net *n, struct layout *l)
{
	n->n_addrs = n->conf.n_addrs;
	n->slot_mask = slots_for(&n->conf) - 1;
	n->start = layout_take(l, sizeof(*n->start));
	n->addrs = layout_take(l, n->n_addrs * sizeof(*n->addrs));
	n->slots = layout_take(l, (n->slot_mask + 1) * sizeof(*n->slots));
	n->subnets = layout_take(l, n->n_addrs * sizeof(*n->subnets));
}

/* The first slot with this address on this port, or the empty one where it would go. */
static uint32_t slot_of(const struct net *n, uint16_t port, uint32_t addr)
{
	uint32_t i = net_slot_first(n, addr);

	while (n->slots[i].kind != NET_SLOT_EMPTY &&
	       (n->slots[i].addr != addr || n->slots[i].port != port))
		i = (i + 1) & n->slot_mask;
	return i;
}

/* Subnets are few: a prefix of 31 or 32 bits has no broadcast address, and 32 no neighbours. */
static void subnet_add(struct net *n, uint16_t port, uint32_t addr, uint8_t prefix)
{
	uint32_t mask = mask_of(prefix), slot;

	if (prefix == 32)
		return;
	for (uint32_t i = 0; i < n->n_subnets; i++)
		if (n->subnets[i].port == port && n->subnets[i].mask == mask &&
		    n->subnets[i].net == (addr & mask))
			return;
	n->subnets[n->n_subnets++] = (struct net_subnet){ addr & mask, mask, port };
	if (prefix == 31)
		return;
	slot = slot_of(n, port, addr | ~mask);
	if (n->slots[slot].kind == NET_SLOT_EMPTY)
		n->slots[slot] = (struct net_slot){ addr | ~mask, port, NET_SLOT_BROADCAST, 0 };
}

void addr_init(struct net *n, uint64_t now)
{
	bool any = false;

	n->last.port = UINT32_MAX;
	memset(n->slots, 0, (n->slot_mask + 1) * sizeof(*n->slots));
	for (uint32_t i = 0; i < n->n_addrs; i++) {
		const struct net_addr_conf *a = &n->conf.addrs[i];
		uint8_t announce = net_port(n, a->port)->announce;
		uint32_t slot = slot_of(n, a->port, a->addr);

		n->addrs[i] = (struct net_addr){
			.addr = a->addr, .mask = mask_of(a->prefix), .port = a->port, .slot = slot,
		};
		n->slots[slot] = (struct net_slot){
			a->addr, a->port,
			announce >= NET_ANNOUNCE_PROBE ? NET_SLOT_TENTATIVE : NET_SLOT_LOCAL, i,
		};
		any |= announce == NET_ANNOUNCE || announce == NET_ANNOUNCE_PROBE;
	}
	for (uint32_t i = 0; i < n->n_addrs; i++)
		subnet_add(n, n->addrs[i].port, n->addrs[i].addr, n->conf.addrs[i].prefix);
	*n->start = (struct net_start){ .round = any ? 0 : ROUNDS, .due = now };
}

int32_t addr_find(const struct net *n, uint16_t port, uint32_t addr)
{
	const struct net_slot *s = &n->slots[slot_of(n, port, addr)];

	return s->kind == NET_SLOT_LOCAL || s->kind == NET_SLOT_TENTATIVE ? (int32_t)s->index : -1;
}

bool addr_tentative(const struct net *n, uint32_t index)
{
	return n->slots[n->addrs[index].slot].kind == NET_SLOT_TENTATIVE;
}

void addr_give_up(struct net *n, uint32_t index)
{
	n->slots[n->addrs[index].slot].kind = NET_SLOT_GONE;
	n->slots[n->addrs[index].slot].addr = 0;
	n->last.port = UINT32_MAX;
}

void addr_use(struct net *n, uint32_t index)
{
	if (addr_tentative(n, index))
		n->slots[n->addrs[index].slot].kind = NET_SLOT_LOCAL;
}

bool addr_on_link(const struct net *n, uint16_t port, uint32_t addr)
{
	for (uint32_t i = 0; i < n->n_subnets; i++)
		if (n->subnets[i].port == port && (addr & n->subnets[i].mask) == n->subnets[i].net)
			return true;
	return false;
}

bool addr_broadcast(const struct net *n, uint32_t addr)
{
	for (uint32_t i = net_slot_first(n, addr); n->slots[i].kind != NET_SLOT_EMPTY;
	     i = (i + 1) & n->slot_mask)
		if (n->slots[i].addr == addr && n->slots[i].kind == NET_SLOT_BROADCAST)
			return true;
	return addr == UINT32_MAX;
}

enum counter net_refusal(const struct net *n, const struct pkt_facts *f)
{
	if (f->flags & PKT_F_L2_BROADCAST || f->daddr[12] >= 224 ||
	    addr_broadcast(n, net_v4_of(f->daddr)))
		return CTR_RX_NOT_UNICAST;
	return CTR_RX_NOT_LOCAL;
}

/* What address i has to do in this round. False: it has to be done again. */
static bool round_step(struct net *n, uint32_t i, uint32_t round)
{
	struct net_slot *s = &n->slots[n->addrs[i].slot];
	uint8_t announce = net_port(n, n->addrs[i].port)->announce;

	if (s->kind == NET_SLOT_GONE)
		return true;
	if (announce == NET_ANNOUNCE && round < 2)
		arp_send(n, i, n->addrs[i].addr, NULL, ARP_ANNOUNCE);
	if (announce != NET_ANNOUNCE_PROBE)
		return true;
	if (round < ROUND_USE) {
		arp_send(n, i, n->addrs[i].addr, NULL, ARP_PROBE);
		return true;
	}
	s->kind = NET_SLOT_LOCAL;
	arp_send(n, i, n->addrs[i].addr, NULL, ARP_ANNOUNCE);
	return net_tell(n, &(struct net_news){ .kind = NET_NEWS_ADDR_USED, .local = i });
}

void addr_tick(struct net *n, uint64_t now)
{
	struct net_start *st = n->start;
	uint32_t end;

	if (st->round == ROUNDS || now < st->due)
		return;
	end = min_of(st->cursor + ROUND_BATCH, n->n_addrs);
	while (st->cursor < end)
		st->unheard |= !round_step(n, st->cursor++, st->round);
	if (st->cursor == n->n_addrs) {
		st->cursor = 0;
		st->round += st->round < ROUNDS - 1 || !st->unheard;
		st->unheard = false;
		st->due = now + ROUND_US;
	}
}

uint64_t addr_next(const struct net *n)
{
	return n->start->round == ROUNDS ? UINT64_MAX : n->start->due;
}
