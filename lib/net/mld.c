/*
 * Multicast Listener Discovery, version 2 (RFC 3810): routers, and switches that listen to them,
 * learn which groups are wanted where. Ours are the solicited-node groups of our addresses; all
 * nodes' needs no report.
 *
 * A group is reported when it is asked whether its address has an owner, and again when it is in
 * use (section 6.1). A query is answered after a random time within what it allows: one for a
 * single group by its record, unless more is pending already; then, and to one for all, all groups
 * go in as few packets as they fit into, one in each call of the clock. So whatever is asked, one
 * answer is pending for each port. Who asks by version 1 is answered by that, a packet for each
 * group (section 8). Reports come from the port's link-local address, or from none while that is
 * tentative.
 */
#include "base/siphash.h"
#include "internal.h"

#define ALL	 UINT32_MAX
#define HEAD_LEN (ETH_HDR_LEN + IP6_HDR_LEN + sizeof(alert))
#define RECORDS_MAX                                                                                \
	((IP6_MTU_MIN - IP6_HDR_LEN - sizeof(alert) - sizeof(struct mld_report)) /                 \
	 sizeof(struct mld_record))
#define REPORTS_MAX 16	 /* of version 1 in one call */
#define SCAN	    1024 /* addresses looked at in one call */

/* Hop-by-Hop Options: Router Alert for MLD (RFC 2711), padded. */
static const uint8_t alert[8] = {IP_PROTO_ICMPV6, 0, IP6_OPT_ROUTER_ALERT, 2, 0, 0,
				 IP6_OPT_PADN,	  0};
static const uint8_t all_routers[16] = {0xff, 0x02, [15] = 0x16};
static const uint8_t unspecified[16];

/* The answer that a port owes. */
struct mld_port {
	uint64_t due;	 /* UINT64_MAX: none */
	uint32_t only;	 /* the address whose group was asked for, or ALL */
	uint32_t cursor; /* the next address to be looked at */
	bool v1;	 /* somebody asked who knows no other version */
};

struct net_mld {
	struct mld_port port[NET_PORTS_MAX];
	uint32_t link_local[NET_PORTS_MAX]; /* index of an address, or NONE */
	uint64_t drawn;			    /* random delays */
};

void mld_layout(struct net *n, struct layout *l)
{
	n->mld = layout_take(l, sizeof(*n->mld));
}

static uint32_t place_of(const struct net *n, uint16_t port)
{
	return (uint32_t)(net_port(n, port) - n->ports);
}

void mld_init(struct net *n)
{
	*n->mld = (struct net_mld){0};
	for (uint32_t p = 0; p < NET_PORTS_MAX; p++) {
		n->mld->port[p].due = UINT64_MAX;
		n->mld->link_local[p] = NONE;
	}
	for (uint32_t i = n->n_addrs; i-- > 0;)
		if (n->addrs[i].v6 && ip6_is_link_local(n->addrs[i].ip))
			n->mld->link_local[place_of(n, n->addrs[i].port)] = i;
}

static const uint8_t *source(const struct net *n, uint16_t port)
{
	const uint32_t i = n->mld->link_local[place_of(n, port)];

	return i != NONE && net_local_ok(n, i) ? n->addrs[i].ip : unspecified;
}

/* A message of len bytes, which are 0, behind room for its headers. */
static struct rte_mbuf *mld_begin(struct net *n, uint16_t len)
{
	struct rte_mbuf *m = pkt_alloc_last(n->conf.pool);

	if (!m) {
		count(n->counters, CTR_TX_NO_MBUF);
		return NULL;
	}
	m->data_len = HEAD_LEN + len;
	memset(rte_pktmbuf_mtod_offset(m, uint8_t *, HEAD_LEN), 0, len);
	return m;
}

/* Headers and checksum of such a message, which goes to group. */
static void mld_send(struct net *n, uint16_t port, struct rte_mbuf *m, const uint8_t group[16])
{
	const uint16_t len = m->data_len - HEAD_LEN;
	const uint8_t *saddr = source(n, port);
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *), *msg = p + HEAD_LEN, mac[ETH_ADDR_LEN];
	uint16_t sum =
		sum_finish(sum_partial(msg, len, sum_pseudo6(saddr, group, IP_PROTO_ICMPV6, len)));

	m->pkt_len = m->data_len;
	ip6_group_mac(mac, group);
	net_eth_write(p, mac, net_port(n, port)->port->mac, ETH_TYPE_IP6);
	net_ip6_plain(p + ETH_HDR_LEN, saddr, group, IP6_NEXT_HOP_BY_HOP, 1, 0,
		      (uint16_t)(sizeof(alert) + len));
	memcpy(p + ETH_HDR_LEN + IP6_HDR_LEN, alert, sizeof(alert));
	memcpy(msg + offsetof(struct mld_report, cksum), &sum, sizeof(sum));
	count(n->counters, CTR_MLD_REPORTS_TX);
	net_emit(n, port, m);
}

static struct rte_mbuf *report_begin(struct net *n)
{
	return mld_begin(n, sizeof(struct mld_report));
}

static void report_add(struct rte_mbuf *m, const uint8_t ip[16], uint8_t type)
{
	struct mld_report *report = rte_pktmbuf_mtod_offset(m, struct mld_report *, HEAD_LEN);
	struct mld_record r = {.type = type};

	ip6_solicited_node(r.group, ip);
	memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len), &r, sizeof(r));
	m->data_len += sizeof(r);
	report->type = ICMP6_MLD_REPORT;
	report->records = be16(be16(report->records) + 1);
}

void mld_join(struct net *n, uint32_t local)
{
	struct rte_mbuf *m = report_begin(n);

	if (!m)
		return;
	report_add(m, n->addrs[local].ip, MLD_TO_EXCLUDE);
	mld_send(n, n->addrs[local].port, m, all_routers);
}

/* A report of version 1: to the group itself (RFC 2710 section 3). */
static void report_v1(struct net *n, uint16_t port, const uint8_t ip[16])
{
	struct rte_mbuf *m = mld_begin(n, MLD_QUERY_V1_LEN);
	struct mld_query *msg;
	uint8_t group[16];

	if (!m)
		return;
	ip6_solicited_node(group, ip);
	msg = rte_pktmbuf_mtod_offset(m, struct mld_query *, HEAD_LEN);
	msg->type = ICMP6_MLD_REPORT_V1;
	ip6_copy(msg->group, group);
	mld_send(n, port, m, group);
}

/* Of addresses that share a group one reports it. */
static bool first_of_group(const struct net *n, uint16_t port, uint32_t i)
{
	uint8_t group[16];

	if (!n->addrs[i].v6 || n->addrs[i].port != port)
		return false;
	ip6_solicited_node(group, n->addrs[i].ip);
	return addr_of_group(n, port, group) == (int32_t)i;
}

/* Some of what the port owes: false, there is more. */
static bool answer(struct net *n, uint16_t port, struct mld_port *p)
{
	const uint32_t end = p->only == ALL ? min_of(p->cursor + SCAN, n->n_addrs) : p->only + 1;
	const uint32_t max = p->v1 ? REPORTS_MAX : RECORDS_MAX;
	uint32_t i = p->only == ALL ? p->cursor : p->only, groups = 0;
	struct rte_mbuf *m = p->v1 ? NULL : report_begin(n);

	for (; (m || p->v1) && i < end && groups < max; i++) {
		if (!first_of_group(n, port, i))
			continue;
		groups++;
		if (p->v1)
			report_v1(n, port, n->addrs[i].ip);
		else
			report_add(m, n->addrs[i].ip, MLD_IS_EXCLUDE);
	}
	if (m && groups)
		mld_send(n, port, m, all_routers);
	else if (m)
		pkt_recycle(n->conf.pool, m);
	p->cursor = i;
	return (!m && !p->v1) || p->only != ALL || i >= n->n_addrs;
}

void mld_tick(struct net *n, uint64_t now)
{
	for (uint32_t k = 0; k < n->n_ports; k++) {
		struct mld_port *p = &n->mld->port[k];

		if (p->due <= now && answer(n, n->ports[k].id, p))
			p->due = UINT64_MAX;
	}
}

uint64_t mld_next(const struct net *n)
{
	uint64_t next = UINT64_MAX;

	for (uint32_t k = 0; k < n->n_ports; k++)
		next = min_of(next, n->mld->port[k].due);
	return next;
}

/* RFC 3810 section 6.2: sent by a router of this link, and by what knows the protocol. */
static bool query_valid(const struct rte_mbuf *m, const struct pkt_facts *f)
{
	uint8_t buf[HEAD_LEN];
	const uint8_t *p = rte_pktmbuf_read(m, 0, sizeof(buf), buf), *ip = p + f->l3_off,
		      *ext = ip + IP6_HDR_LEN;

	if (!p || f->l4_off < HEAD_LEN || f->flags & PKT_F_FRAGMENTED)
		return false;
	if (f->l4_len != MLD_QUERY_V1_LEN && f->l4_len < MLD_QUERY_LEN)
		return false;
	if (ip[offsetof(struct ipv6_hdr, next)] != IP6_NEXT_HOP_BY_HOP ||
	    ip[offsetof(struct ipv6_hdr, hop_limit)] != 1)
		return false;
	for (unsigned int at = 2; at + 4 <= sizeof(alert);) {
		if (ext[at] == IP6_OPT_ROUTER_ALERT)
			return ip6_is_link_local(f->saddr) && load16(ext + at + 2) == 0;
		at += ext[at] == IP6_OPT_PAD1 ? 1 : ext[at + 1] + 2u;
	}
	return false;
}

/* What is owed until then stays owed, and no later. */
static void owe(struct net *n, uint32_t place, uint32_t only, bool v1, uint32_t within_ms,
		uint64_t now)
{
	const uint64_t draw = siphash13(&n->conf.key, &(uint64_t[2]){n->mld->drawn++, place},
					2 * sizeof(uint64_t));
	const uint64_t due = now + draw % (within_ms * US_PER_MS + 1);
	struct mld_port *p = &n->mld->port[place];

	p->v1 = v1 || (p->v1 && p->due != UINT64_MAX);
	p->only = p->due == UINT64_MAX || p->only == only ? only : ALL;
	p->due = min_of(p->due, due);
	p->cursor = 0;
}

void mld_input(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f, uint64_t now)
{
	const struct net_port_conf *port = net_port(n, f->port);
	struct mld_query copy;
	const struct mld_query *q = rte_pktmbuf_read(m, f->l4_off, MLD_QUERY_V1_LEN, &copy);
	const bool v1 = f->l4_len == MLD_QUERY_V1_LEN;
	int32_t only = (int32_t)ALL;

	if (!q || !port || !query_valid(m, f)) {
		net_drop(n, m, CTR_RX_ICMP_BAD);
		return;
	}
	if (!ip6_is_unspecified(q->group))
		only = addr_of_group(n, f->port, q->group);
	if (!ip6_is_unspecified(q->group) && only < 0) {
		net_drop(n, m, CTR_RX_ICMP_IGNORED);
		return;
	}
	count(n->counters, CTR_MLD_QUERIES_RX);
	owe(n, (uint32_t)(port - n->ports), (uint32_t)only, v1,
	    v1 ? be16(q->max_delay) : mld_delay(be16(q->max_delay)), now);
	pkt_recycle(n->conf.pool, m);
}
