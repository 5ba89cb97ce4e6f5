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

/* Of the 128 bits that an IPv4 address has with its mapping. */
static uint8_t bits_of(const struct net_addr_conf *a)
{
	return net_v4_mapped(a->addr) ? a->prefix + 96 : a->prefix;
}

bool addr_same_prefix(const uint8_t a[16], const uint8_t b[16], unsigned bits)
{
	const unsigned whole = bits / 8, rest = bits % 8;

	return !memcmp(a, b, whole) && (!rest || !((a[whole] ^ b[whole]) >> (8 - rest)));
}

bool net_v6_unicast(const uint8_t a[16])
{
	static const uint8_t loopback[16] = { [15] = 1 }, none[16];

	return a[0] != 0xff && memcmp(a, none, sizeof(none)) && memcmp(a, loopback, sizeof(loopback)) &&
	       !net_v4_mapped(a);
}

static bool conf_addr_ok(const struct net_addr_conf *a)
{
	if (!net_v4_mapped(a->addr))
		return a->prefix <= 128 && net_v6_unicast(a->addr);
	return a->prefix <= 32 && a->addr[12] != 0 && a->addr[12] != 127 && a->addr[12] < 224;
}

bool addr_conf_ok(const struct net_conf *c)
{
	if (c->n_addrs < 1 || c->n_addrs > 1u << 20)
		return false;
	for (uint32_t i = 0; i < c->n_addrs; i++) {
		bool port = false;

		for (uint32_t k = 0; k < c->n_ports; k++)
			port |= c->ports[k].id == c->addrs[i].port;
		if (!port || !conf_addr_ok(&c->addrs[i]))
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
static uint32_t slot_of(const struct net *n, uint16_t port, const uint8_t addr[16])
{
	uint64_t ip[2];
	uint32_t i;

	memcpy(ip, addr, sizeof(ip));
	i = net_slot_first(n, ip);
	for (const struct net_slot *s = net_slot_at(n, ip, &i); s->kind != NET_SLOT_EMPTY && s->port != port;
	     s = net_slot_at(n, ip, &i))
		i = (i + 1) & n->slot_mask;
	return i;
}

static void slot_set(struct net *n, uint32_t slot, const uint8_t addr[16], uint16_t port, enum net_slot_kind kind,
		     uint32_t index)
{
	struct net_slot *s = &n->slots[slot];

	*s = (struct net_slot){ .port = port, .kind = (uint16_t)kind, .index = index };
	memcpy(s->ip, addr, sizeof(s->ip));
}

/* The last address of an IPv4 subnet; of 31 or 32 bits it is none. */
static void broadcast_add(struct net *n, const struct net_addr *a)
{
	uint8_t last[16];
	uint32_t slot;

	if (a->v6 || a->bits >= 127)
		return;
	memcpy(last, a->ip, sizeof(last));
	for (unsigned bit = a->bits; bit < 128; bit++)
		last[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	slot = slot_of(n, a->port, last);
	if (n->slots[slot].kind == NET_SLOT_EMPTY)
		slot_set(n, slot, last, a->port, NET_SLOT_BROADCAST, 0);
}

/* Subnets are few. A prefix that is a whole address has no neighbours. */
static void subnet_add(struct net *n, const struct net_addr *a)
{
	struct net_subnet *s = n->subnets;

	if (a->bits == 128)
		return;
	for (; s < n->subnets + n->n_subnets; s++)
		if (s->port == a->port && s->bits == a->bits && addr_same_prefix(s->net, a->ip, a->bits))
			return;
	*s = (struct net_subnet){ .port = a->port, .bits = a->bits };
	memcpy(s->net, a->ip, sizeof(s->net));
	n->n_subnets++;
	broadcast_add(n, a);
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

		n->addrs[i] = (struct net_addr){ .bits = bits_of(a), .port = a->port, .slot = slot,
						 .v6 = !net_v4_mapped(a->addr) };
		memcpy(n->addrs[i].ip, a->addr, sizeof(a->addr));
		slot_set(n, slot, a->addr, a->port,
			 announce >= NET_ANNOUNCE_PROBE ? NET_SLOT_TENTATIVE : NET_SLOT_LOCAL, i);
		any |= announce == NET_ANNOUNCE || announce == NET_ANNOUNCE_PROBE;
	}
	for (uint32_t i = 0; i < n->n_addrs; i++)
		subnet_add(n, &n->addrs[i]);
	*n->start = (struct net_start){ .round = any ? 0 : ROUNDS, .due = now };
}

int32_t addr_find(const struct net *n, uint16_t port, const uint8_t addr[16])
{
	const struct net_slot *s = &n->slots[slot_of(n, port, addr)];

	return s->kind == NET_SLOT_LOCAL || s->kind == NET_SLOT_TENTATIVE ? (int32_t)s->index : -1;
}

int32_t addr_find4(const struct net *n, uint16_t port, uint32_t addr)
{
	uint8_t ip[16];

	net_v4_map(ip, addr);
	return addr_find(n, port, ip);
}

bool addr_tentative(const struct net *n, uint32_t index)
{
	return n->slots[n->addrs[index].slot].kind == NET_SLOT_TENTATIVE;
}

void addr_give_up(struct net *n, uint32_t index)
{
	n->slots[n->addrs[index].slot].kind = NET_SLOT_GONE;
	memset(n->slots[n->addrs[index].slot].ip, 0, sizeof(n->slots->ip));
	n->last.port = UINT32_MAX;
}

void addr_use(struct net *n, uint32_t index)
{
	if (addr_tentative(n, index))
		n->slots[n->addrs[index].slot].kind = NET_SLOT_LOCAL;
}

bool addr_on_link(const struct net *n, uint16_t port, const uint8_t addr[16])
{
	for (const struct net_subnet *s = n->subnets; s < n->subnets + n->n_subnets; s++)
		if (s->port == port && addr_same_prefix(addr, s->net, s->bits))
			return true;
	return false;
}

bool addr_broadcast(const struct net *n, uint32_t addr)
{
	uint64_t ip[2];
	uint8_t a[16];

	net_v4_map(a, addr);
	memcpy(ip, a, sizeof(ip));
	for (uint32_t i = net_slot_first(n, ip);; i = (i + 1) & n->slot_mask) {
		const struct net_slot *s = net_slot_at(n, ip, &i);

		if (s->kind == NET_SLOT_EMPTY)
			return addr == UINT32_MAX;
		if (s->kind == NET_SLOT_BROADCAST)
			return true;
	}
}

enum counter net_refusal(const struct net *n, const struct pkt_facts *f)
{
	const bool group = net_v4_mapped(f->daddr) ?
			   f->daddr[12] >= 224 || addr_broadcast(n, net_v4_of(f->daddr)) : f->daddr[0] == 0xff;

	return group || f->flags & PKT_F_L2_BROADCAST ? CTR_RX_NOT_UNICAST : CTR_RX_NOT_LOCAL;
}

/* What address i has to do in this round. False: it has to be done again. */
static bool round_step(struct net *n, uint32_t i, uint32_t round)
{
	struct net_slot *s = &n->slots[n->addrs[i].slot];
	uint8_t announce = net_port(n, n->addrs[i].port)->announce;

	if (s->kind == NET_SLOT_GONE || n->addrs[i].v6)
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
