/*
 * Our addresses: the hash that net_local and net_source_ok walk, and the subnets we are in.
 *
 * The hash holds each address once per port, each IPv4 subnet's broadcast address, and the group in which an IPv6 address
 * is asked for; it is filled at most to half. Addresses are set at start, nobody outside chooses them, so the hash needs
 * no key.
 */
#include "internal.h"

static uint32_t slots_for(const struct net_conf *c)
{
	return pow2_above(4 * c->n_addrs + 8);
}

/* Of the 128 bits that an IPv4 address has with its mapping. */
static uint8_t bits_of(const struct net_addr_conf *a)
{
	return net_v4_mapped(a->addr) ? a->prefix + 96 : a->prefix;
}

bool net_v6_unicast(const uint8_t a[16])
{
	return !ip6_is_multicast(a) && !ip6_is_unspecified(a) && !ip6_is_loopback(a) && !ip6_is_mapped(a);
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
	n->addrs = layout_take(l, n->n_addrs * sizeof(*n->addrs));
	n->slots = layout_take(l, (n->slot_mask + 1) * sizeof(*n->slots));
	n->subnets = layout_take(l, n->n_addrs * sizeof(*n->subnets));
	n->clashes = layout_take(l, n->n_addrs * sizeof(*n->clashes));
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
		if (s->port == a->port && s->bits == a->bits && address_same_net(s->net, a->ip, a->bits))
			return;
	*s = (struct net_subnet){ .port = a->port, .bits = a->bits };
	memcpy(s->net, a->ip, sizeof(s->net));
	n->n_subnets++;
	broadcast_add(n, a);
}

/* The group in which an IPv6 address is asked for; several may share it. */
static void group_add(struct net *n, uint32_t i)
{
	uint8_t group[16];
	uint32_t slot;

	ip6_solicited_node(group, n->addrs[i].ip);
	slot = slot_of(n, n->addrs[i].port, group);
	if (n->slots[slot].kind == NET_SLOT_EMPTY)
		slot_set(n, slot, group, n->addrs[i].port, NET_SLOT_GROUP, i);
}

void addr_init(struct net *n)
{
	n->last.port = UINT32_MAX;
	memset(n->slots, 0, (n->slot_mask + 1) * sizeof(*n->slots));
	memset(n->clashes, 0, n->n_addrs * sizeof(*n->clashes));
	for (uint32_t i = 0; i < n->n_addrs; i++) {
		const struct net_addr_conf *a = &n->conf.addrs[i];
		uint32_t slot = slot_of(n, a->port, a->addr);

		n->addrs[i] = (struct net_addr){ .bits = bits_of(a), .port = a->port, .slot = slot,
						 .v6 = !net_v4_mapped(a->addr) };
		memcpy(n->addrs[i].ip, a->addr, sizeof(a->addr));
		slot_set(n, slot, a->addr, a->port, announce_awaited(n, i) ? NET_SLOT_TENTATIVE : NET_SLOT_LOCAL, i);
	}
	for (uint32_t i = 0; i < n->n_addrs; i++) {
		subnet_add(n, &n->addrs[i]);
		if (n->addrs[i].v6)
			group_add(n, i);
	}
}

int32_t addr_find(const struct net *n, uint16_t port, const uint8_t addr[16])
{
	const struct net_slot *s = &n->slots[slot_of(n, port, addr)];

	return s->kind == NET_SLOT_LOCAL || s->kind == NET_SLOT_TENTATIVE ? (int32_t)s->index : -1;
}

int32_t addr_find4(const struct net *n, uint16_t port, uint32_t addr)
{
	uint8_t ip[16];

	address_from_v4(ip, addr);
	return addr_find(n, port, ip);
}

bool addr_tentative(const struct net *n, uint32_t index)
{
	return n->slots[n->addrs[index].slot].kind == NET_SLOT_TENTATIVE;
}

bool addr_gone(const struct net *n, uint32_t index)
{
	return n->slots[n->addrs[index].slot].kind == NET_SLOT_GONE;
}

void addr_give_up(struct net *n, uint32_t index)
{
	n->slots[n->addrs[index].slot].kind = NET_SLOT_GONE;
	memset(n->slots[n->addrs[index].slot].ip, 0, sizeof(n->slots->ip));
	n->last.port = UINT32_MAX;
}

bool addr_claimed(struct net *n, uint32_t index, const uint8_t *mac)
{
	struct net_clash *c = &n->clashes[index];

	eth_copy(c->mac, mac);
	c->claimed = true;
	if (!addr_tentative(n, index))
		return false;
	c->given_up = true;
	addr_give_up(n, index);
	net_tell(n, &(struct net_news){.kind = NET_NEWS_ADDR_GONE, .local = index});
	return true;
}

void addr_use(struct net *n, uint32_t index)
{
	if (addr_tentative(n, index))
		n->slots[n->addrs[index].slot].kind = NET_SLOT_LOCAL;
}

bool addr_on_link(const struct net *n, uint16_t port, const uint8_t addr[16])
{
	for (const struct net_subnet *s = n->subnets; s < n->subnets + n->n_subnets; s++)
		if (s->port == port && address_same_net(addr, s->net, s->bits) &&
		    (s->bits >= 96 || !net_v4_mapped(addr))) /* of IPv6, whatever its first bits are */
			return true;
	return false;
}

int32_t addr_of_group(const struct net *n, uint16_t port, const uint8_t group[16])
{
	const struct net_slot *s = &n->slots[slot_of(n, port, group)];

	return s->kind == NET_SLOT_GROUP ? (int32_t)s->index : -1;
}

bool addr_in_group(const struct net *n, uint16_t port, const uint8_t group[16])
{
	static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };

	return ip6_equal(group, all_nodes) || addr_of_group(n, port, group) >= 0;
}

int32_t addr_speaker(const struct net *n, uint16_t port, uint32_t local, const uint8_t remote[16])
{
	int32_t found = -1;

	if (local != NONE && net_local_ok(n, local))
		return (int32_t)local;
	for (uint32_t i = 0; i < n->n_addrs; i++) {
		const struct net_addr *a = &n->addrs[i];

		if (!a->v6 || a->port != port || !net_local_ok(n, i))
			continue;
		if (ip6_is_link_local(a->ip) == ip6_is_link_local(remote))
			return (int32_t)i;
		if (found < 0)
			found = (int32_t)i;
	}
	return found;
}

bool addr_broadcast(const struct net *n, uint32_t addr)
{
	uint64_t ip[2];
	uint8_t a[16];

	address_from_v4(a, addr);
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
