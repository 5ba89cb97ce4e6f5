/*
 * ARP (RFC 826), with what RFC 5227 says about two hosts with one address.
 *
 * A packet is read once into a copy, wherever it lies; the reply goes out in the packet that asked.
 * Who asks for us is remembered, others are only brought up to date if known already. Our addresses
 * are never given up: a conflict is counted and answered by one announcement per 10 s.
 */
#include "internal.h"

#define DEFEND_US (10 * US_PER_SEC)

static const uint8_t to_all[ETH_ADDR_LEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t to_none[ETH_ADDR_LEN];

static void arp_write(struct rte_mbuf *m, const uint8_t *eth_dst, uint16_t op, const uint8_t *sha,
		      uint32_t spa, const uint8_t *tha, uint32_t tpa)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
	struct arp_pkt a = {
		.htype = be16(ARP_HTYPE_ETHERNET), .ptype = be16(ETH_TYPE_IP4), .hlen = 6, .plen = 4,
		.op = be16(op), .spa = spa, .tpa = tpa,
	};

	eth_copy(a.sha, sha);
	eth_copy(a.tha, tha);
	net_eth_write(p, eth_dst, sha, ETH_TYPE_ARP);
	memcpy(p + ETH_HDR_LEN, &a, sizeof(a));
}

void arp_send(struct net *n, uint32_t local, uint32_t addr, const uint8_t *dst,
	      enum arp_purpose why)
{
	const struct net_addr *own = &n->addrs[local];
	const uint8_t *mac = net_port(n, own->port)->port->mac;
	struct rte_mbuf *m = pkt_alloc_last(n->conf.pool);

	if (!m) {
		count(n->counters, CTR_TX_NO_MBUF);
		return;
	}
	m->data_len = ETH_HDR_LEN + sizeof(struct arp_pkt);
	m->pkt_len = m->data_len;
	arp_write(m, dst ? dst : to_all, ARP_OP_REQUEST, mac, why == ARP_PROBE ? 0 : own->addr,
		  to_none, addr);
	count(n->counters, CTR_ARP_TX);
	net_emit(n, own->port, m);
}

/* What no honest ARP packet says; a sender of 0 is a probe. */
static bool arp_valid(const struct net *n, const struct arp_pkt *a)
{
	uint8_t first = ((const uint8_t *)&a->spa)[0];

	return a->htype == BE16(ARP_HTYPE_ETHERNET) && a->ptype == BE16(ETH_TYPE_IP4) &&
	       a->hlen == ETH_ADDR_LEN && a->plen == 4 && !eth_is_group(a->sha) &&
	       !eth_is_zero(a->sha) && first < 224 && first != 127 &&
	       (first != 0 || a->spa == 0) && !addr_broadcast(n, a->spa);
}

/* Somebody else says that he has, or would like to have, address i. */
static void arp_conflict(struct net *n, uint32_t i, const uint8_t *mac, uint64_t now)
{
	struct net_addr *own = &n->addrs[i];

	count(n->counters, CTR_ARP_CONFLICTS);
	if (addr_claimed(n, i, mac))
		return;
	if (own->defended && now - own->defended < DEFEND_US)
		return;
	own->defended = max_of(now, (uint64_t)1);
	arp_send(n, i, own->addr, NULL, ARP_ANNOUNCE);
}

/* RFC 826: an existing entry first, whatever the operation; a new one only if we are the target. */
static bool merge(struct net *n, const struct net_port_conf *port, const uint8_t spa[16],
		  const uint8_t *sha, int32_t target, uint64_t now)
{
	int32_t i = neighbor_find(n, port->id, spa, NULL);

	if (i < 0 && target >= 0 && port->neighbor == NET_RESOLVE && addr_on_link(n, port->id, spa))
		i = neighbor_add(n, port, spa, NULL, (uint32_t)target);
	if (i < 0)
		return false;
	neighbor_resolved(n, (uint32_t)i, sha, now);
	return true;
}

/* Any worker may be the one that asked, or have connections there: all are told. */
static bool arp_merge(struct net *n, const struct net_port_conf *port, const struct arp_pkt *a,
		      int32_t target, uint64_t now)
{
	struct net_news news = {
		.kind = NET_NEWS_NEIGHBOR, .port = port->id,
		.local = target < 0 ? NONE : (uint32_t)target,
	};

	address_from_v4(news.next_hop, a->spa);
	eth_copy(news.mac, a->sha);
	net_tell(n, &news);
	return merge(n, port, news.next_hop, a->sha, target, now);
}

void arp_hear(struct net *n, const struct net_news *news, uint64_t now)
{
	const struct net_port_conf *port = net_port(n, news->port);

	if (port)
		merge(n, port, news->next_hop, news->mac, (int32_t)news->local, now);
}

static void arp_reply(struct net *n, struct rte_mbuf *m, const struct net_port_conf *port,
		      const struct arp_pkt *a)
{
	count(n->counters, CTR_ARP_REQUESTS_RX);
	m = net_answer(n, m, ETH_HDR_LEN + sizeof(*a));
	if (!m)
		return;
	arp_write(m, a->sha, ARP_OP_REPLY, port->port->mac, a->tpa, a->sha, a->spa);
	count(n->counters, CTR_ARP_TX);
	net_emit(n, port->id, m);
}

void arp_input(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f, uint64_t now)
{
	const struct net_port_conf *port = net_port(n, f->port);
	struct arp_pkt copy;
	const struct arp_pkt *a = rte_pktmbuf_read(m, f->l3_off, sizeof(copy), &copy);
	int32_t target, claimed;
	bool merged = false;

	if (!a || !port || !arp_valid(n, a)) {
		net_drop(n, m, CTR_RX_ARP_BAD);
		return;
	}
	memmove(&copy, a, sizeof(copy));
	if (eth_equal(copy.sha, port->port->mac)) { /* our own, come back */
		net_drop(n, m, CTR_RX_ARP_IGNORED);
		return;
	}
	target = addr_find4(n, f->port, copy.tpa);
	claimed = copy.spa ? addr_find4(n, f->port, copy.spa) : -1;
	if (claimed < 0 && copy.spa == 0 && target >= 0 && addr_tentative(n, (uint32_t)target))
		claimed = target; /* two hosts probe one address */
	if (claimed >= 0)
		arp_conflict(n, (uint32_t)claimed, copy.sha, now);
	if (target >= 0 && addr_find4(n, f->port, copy.tpa) < 0)
		target = -1; /* just given up */
	if (target >= 0 && addr_tentative(n, (uint32_t)target))
		target = -1;
	if (copy.spa && claimed < 0)
		merged = arp_merge(n, port, &copy, target, now);
	if (copy.op == BE16(ARP_OP_REQUEST) && target >= 0 && claimed < 0) {
		arp_reply(n, m, port, &copy);
		return;
	}
	if (copy.op == BE16(ARP_OP_REPLY) && merged) {
		count(n->counters, CTR_ARP_REPLIES_RX);
		pkt_recycle(n->conf.pool, m);
		return;
	}
	net_drop(n, m, CTR_RX_ARP_IGNORED);
}
