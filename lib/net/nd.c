/*
 * Neighbor Discovery for IPv6 (RFC 4861): solicitations answered and sent, advertisements taken in.
 * How an address comes into use is in announce.c, what becomes of a neighbour in nud.c.
 *
 * A message is read once into a struct nd_heard, after all that RFC 4861 sections 7.1.1 and 7.1.2
 * and RFC 6980 ask of it. The answer goes out in the packet that asked. Our addresses are never
 * given up: a conflict is counted, and answered by one advertisement per 10 s.
 */
#include "internal.h"

#define DEFEND_US (10 * US_PER_SEC)
#define ND_LEN	  (ND_MSG_LEN + sizeof(struct nd_opt_mac))
#define HEAD_LEN  (ETH_HDR_LEN + IP6_HDR_LEN)

static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};
static const uint8_t all_routers[16] = {0xff, 0x02, [15] = 2};
static const uint8_t unspecified[16];

/* What a valid message says. */
struct nd_heard {
	uint8_t type, flags;
	bool has_mac; /* a link-layer address option of the kind that the type may have */
	uint8_t mac[ETH_ADDR_LEN];
	uint8_t from[ETH_ADDR_LEN]; /* the frame's source */
	uint8_t target[16];
};

/* ---- Sending ---- */

/*
 * Where a message goes to and what it says; dst_mac NULL: the group's. option 0: without a
 * link-layer address.
 */
struct nd_said {
	const uint8_t *saddr, *daddr, *dst_mac, *target;
	uint8_t type, flags, option;
};

static uint16_t nd_len(const struct nd_said *s)
{
	return s->option ? ND_LEN : ND_MSG_LEN;
}

static void nd_write(struct rte_mbuf *m, const uint8_t *own_mac, const struct nd_said *s)
{
	struct nd_msg h = {.type = s->type, .flags = s->flags};
	struct nd_opt_mac opt = {.type = s->option, .len = 1};
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *), *msg = p + HEAD_LEN, group[ETH_ADDR_LEN];

	if (!s->dst_mac)
		ip6_group_mac(group, s->daddr);
	net_eth_write(p, s->dst_mac ? s->dst_mac : group, own_mac, ETH_TYPE_IP6);
	net_ip6_plain(p + ETH_HDR_LEN, s->saddr, s->daddr, IP_PROTO_ICMPV6, ND_HOP_LIMIT, 0,
		      nd_len(s));
	ip6_copy(h.target, s->target);
	eth_copy(opt.mac, own_mac);
	memcpy(msg, &h, sizeof(h));
	if (s->option)
		memcpy(msg + sizeof(h), &opt, sizeof(opt));
	h.cksum = sum_finish(sum_partial(
		msg, nd_len(s), sum_pseudo6(s->saddr, s->daddr, IP_PROTO_ICMPV6, nd_len(s))));
	memcpy(msg + offsetof(struct nd_msg, cksum), &h.cksum, sizeof(h.cksum));
}

static void nd_send(struct net *n, uint16_t port, const struct nd_said *s)
{
	struct rte_mbuf *m = pkt_alloc_last(n->conf.pool);

	if (!m) {
		count(n->counters, CTR_TX_NO_MBUF);
		return;
	}
	m->data_len = (uint16_t)(HEAD_LEN + nd_len(s));
	m->pkt_len = m->data_len;
	nd_write(m, net_port(n, port)->port->mac, s);
	count(n->counters, CTR_ND_TX);
	net_emit(n, port, m);
}

void nd_ask(struct net *n, uint32_t local, const uint8_t target[16], const uint8_t *dst_mac)
{
	const uint16_t port = n->addrs[local].port;
	const int32_t from = addr_speaker(n, port, local, target);
	struct nd_said s = {
		.dst_mac = dst_mac,
		.target = target,
		.type = ICMP6_NEIGHBOR_SOLICIT,
		.option = ND_OPT_SOURCE_MAC,
	};
	uint8_t group[16];

	if (from < 0)
		return;
	ip6_solicited_node(group, target);
	s.saddr = n->addrs[from].ip;
	s.daddr = dst_mac ? target : group;
	nd_send(n, port, &s);
}

void nd_probe(struct net *n, uint32_t local)
{
	const struct net_addr *own = &n->addrs[local];
	uint8_t group[16];

	ip6_solicited_node(group, own->ip);
	nd_send(n, own->port,
		&(struct nd_said){.saddr = unspecified,
				  .daddr = group,
				  .target = own->ip,
				  .type = ICMP6_NEIGHBOR_SOLICIT});
}

void nd_announce(struct net *n, uint32_t local, bool to_routers)
{
	const struct net_addr *own = &n->addrs[local];

	nd_send(n, own->port,
		&(struct nd_said){.saddr = own->ip,
				  .daddr = to_routers ? all_routers : all_nodes,
				  .target = own->ip,
				  .type = ICMP6_NEIGHBOR_ADVERT,
				  .flags = to_routers ? 0 : ND_OVERRIDE,
				  .option = ND_OPT_TARGET_MAC});
}

/* ---- Receiving ---- */

/* All options have a length, and lie in the message; the one of this kind is kept. */
static bool read_options(const struct rte_mbuf *m, uint32_t off, uint32_t end, uint8_t kind,
			 struct nd_heard *h)
{
	struct nd_opt_mac copy;

	while (off < end) {
		const struct nd_opt_mac *o = rte_pktmbuf_read(m, off, sizeof(copy), &copy);

		if (end - off < sizeof(copy) || !o || !o->len || o->len * 8u > end - off)
			return false;
		if (o->type == kind) {
			if (o->len != 1 || eth_is_group(o->mac) || eth_is_zero(o->mac))
				return false;
			h->has_mac = true;
			eth_copy(h->mac, o->mac);
		}
		off += o->len * 8u;
	}
	return true;
}

/*
 * RFC 4861 sections 7.1.1 and 7.1.2, RFC 6980 section 5. The checksum is known to be right. A target is what entries of
 * the neighbour table are found by: IPv4's and those of REFLECT, which have no host's address, are not to be.
 */
static bool nd_read(const struct rte_mbuf *m, const struct pkt_facts *f, struct nd_heard *h)
{
	uint8_t head[HEAD_LEN];
	struct nd_msg copy;
	const uint8_t *p = rte_pktmbuf_read(m, 0, sizeof(head), head);
	const struct nd_msg *msg = rte_pktmbuf_read(m, f->l4_off, sizeof(copy), &copy);
	bool solicits;

	if (!p || !msg || f->l4_len < ND_MSG_LEN || f->flags & PKT_F_FRAGMENTED || msg->code != 0 ||
	    p[f->l3_off + offsetof(struct ipv6_hdr, hop_limit)] != ND_HOP_LIMIT ||
	    !net_v6_unicast(msg->target))
		return false;
	*h = (struct nd_heard){.type = msg->type, .flags = msg->flags};
	eth_copy(h->from, p + ETH_ADDR_LEN);
	ip6_copy(h->target, msg->target);
	solicits = h->type == ICMP6_NEIGHBOR_SOLICIT;
	if (!read_options(m, f->l4_off + ND_MSG_LEN, f->l4_off + f->l4_len,
			  solicits ? ND_OPT_SOURCE_MAC : ND_OPT_TARGET_MAC, h))
		return false;
	if (solicits && ip6_is_unspecified(f->saddr))
		return ip6_is_multicast(f->daddr) && !h->has_mac;
	if (!net_v6_unicast(f->saddr))
		return false;
	return solicits || !ip6_is_multicast(f->daddr) || !(h->flags & ND_SOLICITED);
}

/* Somebody else says that he has, or would like to have, address i. */
static void nd_conflict(struct net *n, uint32_t i, const struct nd_heard *h, uint64_t now)
{
	struct net_addr *own = &n->addrs[i];

	count(n->counters, CTR_ND_CONFLICTS);
	if (addr_claimed(n, i, h->from))
		return;
	if (own->defended && now - own->defended < DEFEND_US)
		return;
	own->defended = max_of(now, (uint64_t)1);
	nd_announce(n, i, false);
}

/*
 * What a solicitation's source says of itself (RFC 4861 section 7.2.3): known again, or new and to
 * us.
 */
static void learn_source(struct net *n, const struct net_port_conf *port, const uint8_t addr[16],
			 const uint8_t *mac, uint32_t target, uint64_t now)
{
	int32_t i = neighbor_find(n, port->id, addr, NULL);

	if (i < 0 && target != NONE && port->neighbor == NET_RESOLVE &&
	    (ip6_is_link_local(addr) || addr_on_link(n, port->id, addr)))
		i = neighbor_add(n, port, addr, NULL, target);
	if (i >= 0)
		nud_source(n, (uint32_t)i, mac, now);
}

/* An advertisement. False: it concerns nobody here. */
static bool learn_target(struct net *n, const struct net_port_conf *port, const uint8_t addr[16],
			 uint8_t flags, const uint8_t *mac, uint64_t now)
{
	int32_t i = neighbor_find(n, port->id, addr, NULL);

	return i >= 0 && nud_advert(n, (uint32_t)i, flags, mac, now);
}

/* Any worker may be the one that asked, or have connections there: all are told. */
static void tell(struct net *n, const struct net_port_conf *port, const uint8_t addr[16],
		 const struct nd_heard *h, uint32_t local)
{
	struct net_news news = {
		.kind = NET_NEWS_NEIGHBOR,
		.port = port->id,
		.local = local,
		.nd = h->type,
		.nd_flags = h->flags,
		.nd_mac = h->has_mac,
	};

	ip6_copy(news.next_hop, addr);
	eth_copy(news.mac, h->mac);
	net_tell(n, &news);
}

void nd_hear(struct net *n, const struct net_news *news, uint64_t now)
{
	const struct net_port_conf *port = net_port(n, news->port);

	if (!port)
		return;
	if (news->nd == ICMP6_NEIGHBOR_SOLICIT)
		learn_source(n, port, news->next_hop, news->mac, news->local, now);
	else
		learn_target(n, port, news->next_hop, news->nd_flags,
			     news->nd_mac ? news->mac : NULL, now);
}

/* RFC 4861 section 7.2.4: to who asked, or, if that is somebody who looks for an owner, to all. */
static void answer(struct net *n, struct rte_mbuf *m, const struct net_port_conf *port,
		   const struct pkt_facts *f, const struct nd_heard *h)
{
	const bool to_all = ip6_is_unspecified(f->saddr);
	const struct nd_said s = {
		.saddr = h->target,
		.daddr = to_all ? all_nodes : f->saddr,
		.target = h->target,
		.dst_mac = to_all	? NULL
			   : h->has_mac ? h->mac
					: h->from,
		.type = ICMP6_NEIGHBOR_ADVERT,
		.flags = ND_OVERRIDE | (to_all ? 0 : ND_SOLICITED),
		.option = ND_OPT_TARGET_MAC,
	};

	count(n->counters, CTR_ND_SOLICITS_RX);
	m = net_answer(n, m, (uint16_t)(HEAD_LEN + nd_len(&s)));
	if (!m)
		return;
	nd_write(m, port->port->mac, &s);
	count(n->counters, CTR_ND_TX);
	net_emit(n, port->id, m);
}

/* Whether the message was sent to where one about target is: to us, to our group, or to all nodes.
 */
static bool is_for(const struct net *n, const struct pkt_facts *f, const uint8_t target[16])
{
	uint8_t group[16];

	ip6_solicited_node(group, target);
	return addr_find(n, f->port, f->daddr) >= 0 || ip6_equal(f->daddr, group) ||
	       ip6_equal(f->daddr, all_nodes);
}

/* True: to be answered. */
static bool solicited(struct net *n, const struct net_port_conf *port, const struct pkt_facts *f,
		      const struct nd_heard *h, uint64_t now)
{
	const int32_t target = addr_find(n, f->port, h->target),
		      claimed = addr_find(n, f->port, f->saddr);
	const bool probes = ip6_is_unspecified(f->saddr);
	bool tentative;

	if (claimed >= 0)
		nd_conflict(n, (uint32_t)claimed, h, now);
	if (target < 0 || claimed >= 0 || !is_for(n, f, h->target))
		return false;
	tentative = addr_tentative(n, (uint32_t)target);
	if (tentative && probes)
		nd_conflict(n, (uint32_t)target, h, now); /* two hosts probe one address */
	if (tentative)
		return false;
	if (h->has_mac) {
		tell(n, port, f->saddr, h, (uint32_t)target);
		learn_source(n, port, f->saddr, h->mac, (uint32_t)target, now);
	}
	return true;
}

/* True: used. */
static bool advertised(struct net *n, const struct net_port_conf *port, const struct pkt_facts *f,
		       const struct nd_heard *h, uint64_t now)
{
	const int32_t own = addr_find(n, f->port, h->target);

	if (own >= 0) {
		nd_conflict(n, (uint32_t)own, h, now);
		return false;
	}
	tell(n, port, h->target, h, NONE);
	return learn_target(n, port, h->target, h->flags, h->has_mac ? h->mac : NULL, now);
}

void nd_input(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f, uint64_t now)
{
	const struct net_port_conf *port = net_port(n, f->port);
	struct nd_heard h;

	if (!port || !nd_read(m, f, &h)) {
		net_drop(n, m, CTR_RX_ND_BAD);
		return;
	}
	if (eth_equal(h.from, port->port->mac)) { /* our own, come back */
		net_drop(n, m, CTR_RX_ND_IGNORED);
		return;
	}
	if (h.type == ICMP6_NEIGHBOR_SOLICIT && solicited(n, port, f, &h, now)) {
		answer(n, m, port, f, &h);
		return;
	}
	if (h.type == ICMP6_NEIGHBOR_ADVERT && advertised(n, port, f, &h, now)) {
		count(n->counters, CTR_ND_ADVERTS_RX);
		pkt_recycle(n->conf.pool, m);
		return;
	}
	net_drop(n, m, CTR_RX_ND_IGNORED);
}
