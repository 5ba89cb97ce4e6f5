/*
 * The whole of net: its memory, the way of a packet to its protocol, and the clock.
 */
#include "internal.h"

/* Paths that are never evicted. */
static uint32_t gateways(const struct net_conf *c)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->n_ports; i++)
		n += (c->ports[i].gateway != 0) + !ip6_is_unspecified(c->ports[i].gateway6);
	return n;
}

static bool conf_ok(const struct net_conf *c)
{
	return c->n_ports >= 1 && c->n_ports <= NET_PORTS_MAX && c->paths > max_of(c->n_ports, gateways(c)) &&
	       c->paths < NET_PATH_MAX && c->pool && c->emit && addr_conf_ok(c) && frag_conf_ok(c);
}

static void layout_all(struct net *n, struct layout *l)
{
	n->limits = layout_take(l, sizeof(*n->limits));
	addr_layout(n, l);
	announce_layout(n, l);
	mld_layout(n, l);
	neighbor_layout(n, l);
	frag_layout(n, l);
	pmtu_layout(n, l);
	ip_id_layout(n, l);
}

size_t net_bytes(const struct net_conf *conf)
{
	struct net n = { .conf = *conf };
	struct layout l = { 0 };

	if (!conf_ok(conf))
		return 0;
	layout_all(&n, &l);
	return l.used;
}

bool net_init(struct net *n, const struct net_conf *conf, struct counters *counters, void *mem,
	      uint64_t now)
{
	struct layout l = { .base = mem };

	if (!conf_ok(conf))
		return false;
	memset(n, 0, sizeof(*n));
	n->conf = *conf;
	n->counters = counters;
	n->n_ports = conf->n_ports;
	memcpy(n->ports, conf->ports, conf->n_ports * sizeof(*conf->ports));
	layout_all(n, &l);
	bucket_init(&n->limits->icmp, conf->icmp_rate, conf->icmp_burst);
	bucket_init(&n->limits->echo, conf->echo_rate, conf->echo_burst);
	addr_init(n);
	announce_init(n, now);
	mld_init(n);
	neighbor_init(n);
	frag_init(n);
	ip_id_init(n);
	ip6_init(n);
	n->conf.ports = n->ports;
	n->conf.addrs = NULL; /* the caller's; n->addrs has what is needed */
	return true;
}

void net_fini(struct net *n)
{
	neighbor_fini(n);
	frag_fini(n);
}

const struct net_port_conf *net_port(const struct net *n, uint16_t id)
{
	for (uint32_t i = 0; i < n->n_ports; i++)
		if (n->ports[i].id == id)
			return &n->ports[i];
	return NULL;
}

void net_drop(struct net *n, struct rte_mbuf *m, enum counter reason)
{
	count(n->counters, reason);
	pkt_recycle(n->conf.pool, m);
}

void net_emit(struct net *n, uint16_t port, struct rte_mbuf *m)
{
	if (!pkt_pad(m)) {
		net_drop(n, m, CTR_TX_NO_MBUF);
		return;
	}
	n->conf.emit(n->conf.arg, port, m);
}

struct rte_mbuf *net_answer(struct net *n, struct rte_mbuf *m, uint16_t len)
{
	bool own = RTE_MBUF_DIRECT(m) && m->nb_segs == 1 && rte_mbuf_refcnt_read(m) == 1 &&
		   m->buf_len >= RTE_PKTMBUF_HEADROOM + max_of(len, ETH_MIN_FRAME);

	if (unlikely(!own)) {
		pkt_recycle(n->conf.pool, m);
		m = pkt_alloc_last(n->conf.pool);
		if (!m) {
			count(n->counters, CTR_TX_NO_MBUF);
			return NULL;
		}
	}
	rte_pktmbuf_reset(m);
	m->data_len = len;
	m->pkt_len = len;
	return m;
}

void net_input(struct net *n, struct rte_mbuf *m, struct pkt_facts *f, uint64_t now)
{
	if (f->kind == PKT_ARP) {
		arp_input(n, m, f, now);
		return;
	}
	if (f->kind == PKT_ICMP && f->flags & PKT_F_V6) {
		icmp6_input(n, m, f, now);
		return;
	}
	if (f->kind == PKT_PROBLEM) {
		icmp6_problem(n, m, f, now);
		return;
	}
	if (!net_accept(n, f)) {
		net_drop(n, m, f->reason);
		return;
	}
	switch (f->kind) {
	case PKT_ICMP:
		icmp_input(n, m, f, now);
		break;
	case PKT_UDP:
		udp_input(n, m, f, now);
		break;
	default:
		icmp_refuse(n, m, f->l3_off, f->port, ICMP_UNREACHABLE, ICMP_UNREACH_PROTO,
			    CTR_RX_PROTO_UNKNOWN, now);
		break;
	}
}

void net_hear(struct net *n, const struct net_news *news, uint64_t now)
{
	switch ((enum net_news_kind)news->kind) {
	case NET_NEWS_NEIGHBOR:
		if (net_v4_mapped(news->next_hop))
			arp_hear(n, news, now);
		else
			nd_hear(n, news, now);
		break;
	case NET_NEWS_PMTU:
		pmtu_hear(n, news, now);
		break;
	case NET_NEWS_ADDR_USED:
		addr_use(n, news->local);
		break;
	case NET_NEWS_ADDR_GONE:
		addr_give_up(n, news->local);
		break;
	case NET_NEWS_ERROR:
		break;
	}
}

void net_tick(struct net *n, uint64_t now)
{
	announce_tick(n, now);
	mld_tick(n, now);
	neighbor_tick(n, now);
	frag_tick(n, now);
}

uint64_t net_next(const struct net *n)
{
	uint64_t next = min_of(announce_next(n), neighbor_next(n));
	uint64_t frags = frag_next(n), groups = mld_next(n);

	next = min_of(next, groups);
	return min_of(next, frags);
}
