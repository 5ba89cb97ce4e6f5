/*
 * Paths as the transport sees them: which next hop, who uses it, and what waits for it.
 */
#include "neighbor.h"

static bool has_gateway(const struct net_port_conf *port, bool v6)
{
	return v6 ? !ip6_is_unspecified(port->gateway6) : port->gateway != 0;
}

/*
 * RFC 1122 section 3.3.1.1, RFC 4861 section 5.2: on-link if a prefix of the port says so, else the gateway; false: no
 * route.
 */
static bool next_hop_for(const struct net *n, const struct net_port_conf *port, uint32_t local,
			 const uint8_t remote[16], uint8_t hop[16])
{
	const struct net_addr *own = &n->addrs[local];

	memcpy(hop, remote, 16);
	if (own->v6 && ip6_is_link_local(remote))
		return true;
	if (address_same_net(remote, own->ip, own->bits) || addr_on_link(n, port->id, remote))
		return true;
	if (own->v6)
		memcpy(hop, port->gateway6, 16);
	else
		address_from_v4(hop, port->gateway);
	return has_gateway(port, own->v6);
}

bool net_destination_ok(const struct net *n, const uint8_t remote[16])
{
	return net_foreign(n, remote); /* what can be a source can be a destination */
}

bool net_local_ok(const struct net *n, uint32_t local)
{
	return local < n->n_addrs && n->slots[n->addrs[local].slot].kind == NET_SLOT_LOCAL;
}

int32_t net_source_for(const struct net *n, const uint8_t remote[16])
{
	const bool v6 = !net_v4_mapped(remote), near = v6 && ip6_is_link_local(remote);
	int32_t by_gateway = -1;

	for (uint32_t i = 0; i < n->n_addrs; i++) {
		const struct net_addr *a = &n->addrs[i];
		bool local;

		if (!net_local_ok(n, i) || a->v6 != v6)
			continue;
		local = v6 && ip6_is_link_local(a->ip);
		if (address_same_net(remote, a->ip, a->bits) || (near && local))
			return (int32_t)i;
		if (by_gateway < 0 && !near && !local && has_gateway(net_port(n, a->port), v6))
			by_gateway = (int32_t)i;
	}
	return by_gateway;
}

/* Whatever it takes. */
static __attribute__((noinline)) int32_t path_for_any(struct net *n, uint16_t port, uint32_t local,
						      const uint8_t remote[16], const uint8_t src_mac[6], uint64_t now)
{
	const struct net_port_conf *pc = net_port(n, port);
	const uint8_t *mac = NULL;
	uint8_t next_hop[16];
	int32_t i;

	if (!pc)
		return -1;
	if (pc->neighbor == NET_REFLECT && src_mac) {
		if (eth_is_group(src_mac))
			return -1;
		mac = src_mac;
		memcpy(next_hop, n->addrs[local].v6 ? NO_HOP6 : NO_HOP4, sizeof(next_hop));
	} else if (!next_hop_for(n, pc, local, remote, next_hop)) {
		return -1;
	}
	i = neighbor_find(n, port, next_hop, mac);
	if (i < 0)
		i = neighbor_add(n, pc, next_hop, mac, local);
	if (i >= 0)
		neighbor_watch(n, (uint32_t)i, now);
	return i;
}

/* Most SYNs come by the path that was found last: of one that reflects and has users there is nothing to be seen to. */
int32_t net_path_for(struct net *n, uint16_t port, uint32_t local, const uint8_t remote[16],
		     const uint8_t src_mac[6], uint64_t now)
{
	const uint32_t last = n->neighbors->last;

	if (last != NONE && src_mac) {
		const struct net_path *p = &n->paths[last];

		if (p->state == NET_PATH_REFLECT && p->port == port && p->v6 == n->addrs[local].v6 && p->users &&
		    eth_equal(p->l2, src_mac))
			return (int32_t)last;
	}
	return path_for_any(n, port, local, remote, src_mac, now);
}

void net_path_used(struct net *n, uint32_t path)
{
	link_out(n->neighbors->unused, path);
}

void net_path_unused(struct net *n, uint32_t path)
{
	link_tail(n->neighbors->unused, n->n_paths, path);
}

void net_hold(struct net *n, uint32_t path, struct rte_mbuf *m, uint64_t now)
{
	struct neighbor *e = &n->neighbors->e[path];

	if (n->paths[path].state == NET_PATH_STALE)
		nud_used(n, path, now);
	if (net_path_ready(n, path)) {
		memcpy(rte_pktmbuf_mtod(m, uint8_t *), n->paths[path].l2, ETH_ADDR_LEN);
		net_emit(n, n->paths[path].port, m);
		return;
	}
	neighbor_unhold(n, path);
	if (n->neighbors->n_held >= n->conf.held) {
		net_drop(n, m, CTR_TX_NO_NEIGHBOR);
	} else {
		e->held = m;
		n->neighbors->n_held++;
	}
	if (link_empty(n->neighbors->timer, path))
		neighbor_ask(n, path, now);
}

void net_advise(struct net *n, uint32_t path, uint64_t now)
{
	struct neighbor *e = &n->neighbors->e[path];

	if (n->paths[path].state == NET_PATH_INCOMPLETE) {
		if (link_empty(n->neighbors->timer, path))
			neighbor_ask(n, path, now);
	} else if (n->paths[path].state == NET_PATH_RESOLVED && e->delayed) {
		e->poll_from = ms_of(now); /* it is asked soon, whatever was confirmed before */
	} else if (n->paths[path].state == NET_PATH_RESOLVED && !e->polling) {
		neighbor_poll(n, path, now);
	}
}

void net_port_mtu(struct net *n, uint16_t port)
{
	for (uint32_t i = 0; i < n->n_paths; i++)
		if (n->paths[i].state != NET_PATH_FREE && n->paths[i].port == port)
			n->paths[i].mtu = pkt_port_mtu(n->paths[i].pp);
}
