/*
 * Neighbours: entries in a bounded hash table, resolved by ARP or, of IPv6, by neighbour discovery, and verified while in
 * use: those of IPv6 as nud.c says.
 *
 * A resolved entry of IPv4 counts as alive for 30 s after an ARP packet of its own or the transport's last
 * confirmation. Then, if output has used it, the next hop is asked by unicast three times, a second
 * apart, and by broadcast three times; without a reply the entry is unresolved again (RFC 1122
 * section 2.3.2.1). A stale entry that nobody uses is left in peace: it is looked at every 5 s while
 * it has users, and by neighbor_watch when a new one comes.
 *
 * All keys but our own addresses come from outside, so the hash is keyed. An entry is found, made,
 * evicted and timed in constant time.
 */
#include "base/seq.h"
#include "neighbor.h"

#define ALIVE_MS     (30 * MS_PER_SEC)
#define ASK_GAP_US   US_PER_SEC
#define UNICAST_MAX  3 /* polls before they are broadcast */
#define POLL_MAX     6
#define REQUEST_MAX  3 /* unanswered requests until the held packet is dropped */
#define TICK_BATCH   64

static const uint64_t timer_us[TIMER_MAX] = {
	[TIMER_ASK] = ASK_GAP_US,
	[TIMER_DELAY] = 5 * US_PER_SEC,
	[TIMER_REACH] = 30 * US_PER_SEC,
};

const uint8_t NO_HOP4[16] = { [10] = 0xff, [11] = 0xff }, NO_HOP6[16];

static uint32_t bucket_of(const struct net *n, uint16_t port, const uint8_t next_hop[16], const uint8_t *mac)
{
	struct {
		uint8_t next_hop[16];
		uint16_t port;
		uint8_t mac[ETH_ADDR_LEN];
	} key = { .port = port };

	static_assert(sizeof(key) == 24, "no padding in what is hashed");
	memcpy(key.next_hop, next_hop, sizeof(key.next_hop));
	if (mac)
		eth_copy(key.mac, mac);
	return (uint32_t)siphash13(&n->conf.key, &key, sizeof(key)) & n->neighbors->bucket_mask;
}

static bool entry_is(const struct net *n, uint32_t i, uint16_t port, const uint8_t next_hop[16],
		     const uint8_t *mac)
{
	const struct net_path *p = &n->paths[i];

	if (p->port != port || memcmp(p->next_hop, next_hop, 16) || p->state == NET_PATH_FREE)
		return false;
	return !mac || eth_equal(n->neighbors->e[i].mac, mac);
}

void neighbor_layout(struct net *n, struct layout *l)
{
	uint32_t count = n->conf.paths, buckets = pow2_above(count);

	n->n_paths = count;
	n->paths = layout_take(l, count * sizeof(*n->paths));
	n->neighbors = layout_take(l, sizeof(*n->neighbors));
	struct neighbor *e = layout_take(l, count * sizeof(*e));
	uint32_t *b = layout_take(l, buckets * sizeof(*b));
	struct link *unused = layout_take(l, (count + 1) * sizeof(*unused));
	struct link *timer = layout_take(l, (count + TIMER_MAX) * sizeof(*timer));

	if (!l->base)
		return;
	*n->neighbors = (struct net_neighbors){
		.e = e, .buckets = b, .unused = unused, .timer = timer,
		.bucket_mask = buckets - 1, .last = NONE, .free = NONE,
	};
}

/* The first address of the port and family asks for its gateway. */
static void gateway_init(struct net *n, const struct net_port_conf *port, const uint8_t gateway[16])
{
	const bool v6 = !net_v4_mapped(gateway);
	uint32_t local = 0;
	int32_t i;

	for (uint32_t k = 0; k < n->n_addrs; k++)
		if (n->addrs[k].port == port->id && n->addrs[k].v6 == v6) {
			local = k;
			break;
		}
	i = neighbor_add(n, port, gateway, NULL, local);
	n->paths[i].pinned = 1;
	n->paths[i].users = 1;
	link_out(n->neighbors->unused, (uint32_t)i);
}

void neighbor_init(struct net *n)
{
	struct net_neighbors *nb = n->neighbors;

	memset(nb->e, 0, n->n_paths * sizeof(*nb->e));
	memset(nb->buckets, 0xff, (nb->bucket_mask + 1) * sizeof(*nb->buckets));
	memset(n->paths, 0, n->n_paths * sizeof(*n->paths));
	for (uint32_t i = n->n_paths; i-- > 0;) {
		link_clear(nb->unused, i);
		link_clear(nb->timer, i);
		nb->e[i].hash_next = nb->free;
		nb->free = i;
	}
	link_clear(nb->unused, n->n_paths);
	for (uint32_t t = 0; t < TIMER_MAX; t++)
		link_clear(nb->timer, n->n_paths + t);
	for (uint32_t k = 0; k < n->n_ports; k++) {
		const struct net_port_conf *port = &n->ports[k];
		uint8_t gateway[16];

		if (port->neighbor != NET_RESOLVE)
			continue;
		address_from_v4(gateway, port->gateway);
		if (port->gateway)
			gateway_init(n, port, gateway);
		if (memcmp(port->gateway6, NO_HOP6, 16))
			gateway_init(n, port, port->gateway6);
	}
}

void neighbor_unhold(struct net *n, uint32_t i)
{
	struct neighbor *e = &n->neighbors->e[i];

	if (!e->held)
		return;
	net_drop(n, e->held, CTR_TX_NO_NEIGHBOR);
	e->held = NULL;
	n->neighbors->n_held--;
}

void neighbor_fini(struct net *n)
{
	for (uint32_t i = 0; i < n->n_paths; i++)
		neighbor_unhold(n, i);
}

int32_t neighbor_find(const struct net *n, uint16_t port, const uint8_t next_hop[16], const uint8_t *mac)
{
	struct net_neighbors *nb = n->neighbors;

	if (nb->last != NONE && entry_is(n, nb->last, port, next_hop, mac))
		return (int32_t)nb->last;
	for (uint32_t i = nb->buckets[bucket_of(n, port, next_hop, mac)]; i != NONE;
	     i = nb->e[i].hash_next)
		if (entry_is(n, i, port, next_hop, mac)) {
			nb->last = i;
			return (int32_t)i;
		}
	return -1;
}

/* Take entry i, without users, out of everything. */
static void entry_free(struct net *n, uint32_t i)
{
	struct net_neighbors *nb = n->neighbors;
	struct net_path *p = &n->paths[i];
	const uint8_t *mac = p->state == NET_PATH_REFLECT ? nb->e[i].mac : NULL;
	uint32_t *at = &nb->buckets[bucket_of(n, p->port, p->next_hop, mac)];

	neighbor_unhold(n, i);
	while (*at != i)
		at = &nb->e[*at].hash_next;
	*at = nb->e[i].hash_next;
	link_out(nb->unused, i);
	link_out(nb->timer, i);
	p->state = NET_PATH_FREE;
	nb->e[i].hash_next = nb->free;
	nb->free = i;
}

int32_t neighbor_add(struct net *n, const struct net_port_conf *port, const uint8_t next_hop[16],
		     const uint8_t *mac, uint32_t local)
{
	struct net_neighbors *nb = n->neighbors;
	const bool v6 = !net_v4_mapped(next_hop);
	uint32_t i, *bucket;

	if (nb->free == NONE) {
		if (link_empty(nb->unused, n->n_paths))
			return -1;
		entry_free(n, nb->unused[n->n_paths].next);
		count(n->counters, CTR_NEIGHBOR_EVICTED);
	}
	i = nb->free;
	nb->free = nb->e[i].hash_next;
	bucket = &nb->buckets[bucket_of(n, port->id, next_hop, mac)];
	nb->e[i] = (struct neighbor){ .hash_next = *bucket, .local = local };
	*bucket = i;
	n->paths[i] = (struct net_path){
		.state = mac ? NET_PATH_REFLECT : NET_PATH_INCOMPLETE,
		.l2_len = ETH_HDR_LEN,
		.l3_len = v6 ? IP6_HDR_LEN : IP4_HDR_LEN,
		.v6 = v6,
		.port = port->id,
		.pp = port->port,
		.mtu = pkt_port_mtu(port->port),
	};
	memcpy(n->paths[i].next_hop, next_hop, 16);
	if (mac)
		eth_copy(nb->e[i].mac, mac);
	net_eth_write(n->paths[i].l2, nb->e[i].mac, port->port->mac, v6 ? ETH_TYPE_IP6 : ETH_TYPE_IP4);
	link_tail(nb->unused, n->n_paths, i);
	return (int32_t)i;
}

void neighbor_timer(struct net *n, uint32_t i, enum neighbor_timer t, uint64_t now)
{
	link_out(n->neighbors->timer, i);
	link_tail(n->neighbors->timer, n->n_paths + t, i);
	n->neighbors->e[i].deadline = now + timer_us[t];
}

void neighbor_timer_stop(struct net *n, uint32_t i)
{
	link_out(n->neighbors->timer, i);
}

static void request(struct net *n, const struct net_path *p, uint32_t local, bool unicast)
{
	const uint8_t *mac = unicast ? p->l2 : NULL;

	if (p->v6)
		nd_ask(n, local, p->next_hop, mac);
	else
		arp_send(n, local, net_v4_of(p->next_hop), mac, ARP_ASK);
}

void neighbor_ask(struct net *n, uint32_t i, uint64_t now)
{
	struct neighbor *e = &n->neighbors->e[i];
	bool unicast = e->polling && e->tries < UNICAST_MAX;

	neighbor_timer(n, i, TIMER_ASK, now);
	if (e->asked && now - e->asked < ASK_GAP_US)
		return;
	e->asked = max_of(now, (uint64_t)1);
	e->tries++;
	request(n, &n->paths[i], e->local, unicast);
}

void neighbor_poll(struct net *n, uint32_t i, uint64_t now)
{
	struct neighbor *e = &n->neighbors->e[i];

	e->polling = true;
	e->tries = 0;
	e->poll_from = ms_of(now);
	neighbor_ask(n, i, now);
}

void neighbor_resolved(struct net *n, uint32_t i, const uint8_t *mac, uint64_t now)
{
	struct neighbor *e = &n->neighbors->e[i];
	struct net_path *p = &n->paths[i];
	struct rte_mbuf *m = e->held;

	eth_copy(p->l2, mac);
	p->state = NET_PATH_RESOLVED;
	p->confirmed = ms_of(now);
	p->used = 0;
	e->polling = false;
	e->delayed = false;
	e->tries = 0;
	neighbor_timer(n, i, TIMER_REACH, now);
	if (!m)
		return;
	e->held = NULL;
	n->neighbors->n_held--;
	p->used = 1;
	eth_copy(rte_pktmbuf_mtod(m, uint8_t *), mac);
	net_emit(n, p->port, m);
}

void neighbor_watch(struct net *n, uint32_t i, uint64_t now)
{
	if (!link_empty(n->neighbors->unused, i)) {
		link_out(n->neighbors->unused, i);
		link_tail(n->neighbors->unused, n->n_paths, i);
	}
	if (n->paths[i].state != NET_PATH_RESOLVED || !link_empty(n->neighbors->timer, i))
		return;
	n->paths[i].used = 0;
	neighbor_timer(n, i, TIMER_DELAY, now);
}

void neighbor_lost(struct net *n, uint32_t i)
{
	n->neighbors->e[i].polling = false;
	n->neighbors->e[i].tries = 0;
	if (n->paths[i].users == 0) {
		entry_free(n, i);
		return;
	}
	n->paths[i].state = NET_PATH_INCOMPLETE;
	memset(n->paths[i].l2, 0, ETH_ADDR_LEN);
}

/* An unresolved entry was asked for a second ago. */
static void expire_incomplete(struct net *n, uint32_t i, uint64_t now)
{
	struct neighbor *e = &n->neighbors->e[i];

	if (e->tries >= REQUEST_MAX)
		neighbor_unhold(n, i);
	if (e->held)
		neighbor_ask(n, i, now);
	else
		e->tries = 0;
}

static void expire_resolved(struct net *n, uint32_t i, uint64_t now)
{
	struct neighbor *e = &n->neighbors->e[i];
	struct net_path *p = &n->paths[i];
	bool fresh = ms_of(now) - p->confirmed < ALIVE_MS;

	if (e->polling) {
		if (seq_gt(p->confirmed, e->poll_from)) {
			e->polling = false;
			neighbor_timer(n, i, TIMER_REACH, now);
		} else if (e->tries >= POLL_MAX) {
			neighbor_lost(n, i);
		} else {
			neighbor_ask(n, i, now);
		}
		return;
	}
	if (fresh) {
		neighbor_timer(n, i, TIMER_REACH, now);
		return;
	}
	if (p->used) {
		p->used = 0;
		neighbor_poll(n, i, now);
	} else if (p->users > 0) {
		neighbor_timer(n, i, TIMER_DELAY, now);
	}
}

static void expire(struct net *n, uint32_t i, uint64_t now)
{
	const struct net_path *p = &n->paths[i];

	if (p->state != NET_PATH_RESOLVED)
		expire_incomplete(n, i, now);
	else if (p->v6)
		nud_expired(n, i, now);
	else
		expire_resolved(n, i, now);
}

void neighbor_tick(struct net *n, uint64_t now)
{
	struct net_neighbors *nb = n->neighbors;
	uint32_t budget = TICK_BATCH;

	for (uint32_t t = 0; t < TIMER_MAX; t++) {
		uint32_t head = n->n_paths + t;

		while (budget && !link_empty(nb->timer, head)) {
			uint32_t i = nb->timer[head].next;

			if (nb->e[i].deadline > now)
				break;
			budget--;
			link_out(nb->timer, i);
			expire(n, i, now);
		}
	}
}

uint64_t neighbor_next(const struct net *n)
{
	const struct net_neighbors *nb = n->neighbors;
	uint64_t next = UINT64_MAX;

	for (uint32_t t = 0; t < TIMER_MAX; t++) {
		uint32_t i = nb->timer[n->n_paths + t].next;

		if (i < n->n_paths)
			next = min_of(next, nb->e[i].deadline);
	}
	return next;
}
