/*
 * Below TCP: which packets are for us, by which path an answer leaves, and the protocols that a host
 * speaks for itself: ARP, ICMP, IPv4 reassembly.
 *
 * One struct net per worker, touched by no other. It does no I/O and reads no clock: packets come in
 * by net_input and net_reassemble, time as an argument in us, and what it sends goes to conf->emit.
 * All memory is given at init and bounded by the sizes in the configuration.
 *
 * The engine's way through it: net_accept on each parsed packet; fragments to net_reassemble; ARP,
 * ICMP, UDP and unknown protocols to net_input; net_path_for at a SYN, net_push for each segment and
 * net_hold for those whose path is not ready; net_tick when net_next says so.
 */
#ifndef PIER_NET_NET_H
#define PIER_NET_NET_H

#include <string.h>

#include <rte_mbuf.h>

#include "base/address.h"
#include "base/counter.h"
#include "base/siphash.h"
#include "base/units.h"
#include "flow/tuple.h"
#include "net/path.h"
#include "pkt/facts.h"
#include "pkt/pool.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/sum.h"

#define NET_PORTS_MAX 16

struct net_frags;
struct net_neighbors;
struct net_ids;
struct net_limits;
struct net_mld;
struct net_pmtus;
struct net_start;

enum net_neighbor_mode {
	NET_RESOLVE, /* next hops by ARP */
	NET_REFLECT, /* answers go to the MAC address the SYN came from; nothing is asked or learnt */
};

enum net_announce {
	NET_ANNOUNCE_OFF,    /* nothing is said unasked */
	NET_ANNOUNCE,        /* two gratuitous ARPs, 2 s apart, at start (RFC 5227 section 2.3); of IPv6 as PROBE */
	NET_ANNOUNCE_PROBE,  /* three probes first; an address with an owner is not used (2.1). IPv6: RFC 4862 section 5.4 */
	NET_ANNOUNCE_AWAIT,  /* another worker probes: not used until net_hear says that it may be */
	NET_ANNOUNCE_AWAIT6, /* it announces: the same, but only of IPv6 addresses */
};

/* What an ICMP error says, of either family. */
enum net_error_kind {
	NET_ERROR_UNREACHABLE, /* for another reason than those below */
	NET_ERROR_NET,         /* no route */
	NET_ERROR_HOST,
	NET_ERROR_PROTOCOL,
	NET_ERROR_PORT,
	NET_ERROR_SOURCE_ROUTE,
	NET_ERROR_PROHIBITED,  /* ICMPv6 type 1 code 1 */
	NET_ERROR_TOO_BIG,     /* mtu says for what */
	NET_ERROR_TIME_EXCEEDED,
	NET_ERROR_PARAMETER,
};

/*
 * ICMP as others report it about a packet of ours, RFC 792 and RFC 1191, RFC 4443. Valid only in the length
 * and the addresses: whether the sequence number is plausible is for the transport to say.
 */
struct net_icmp_error {
	uint8_t kind;       /* enum net_error_kind */
	uint8_t type, code; /* of ICMP or, where remote is IPv6, of ICMPv6 */
	uint16_t mtu;       /* TOO_BIG: next-hop MTU, host order, 0 if not given */
	uint16_t len;       /* of our packet, as its IP header says */
	uint16_t port;      /* where it arrived */
	uint16_t lport, rport; /* network order */
	uint32_t local;     /* index of our address */
	uint32_t seq;       /* host order */
	uint8_t remote[16]; /* IPv4 as ::ffff:a.b.c.d */
};

/* The MTU between a local and a remote address, as ICMP reported it. */
struct net_pmtu {
	uint16_t mtu;
	bool fragment;   /* it is smaller even: packets of this size must be let be fragmented */
	uint32_t learnt; /* s */
};

enum net_news_kind {
	NET_NEWS_NEIGHBOR,  /* next_hop of port has the address mac */
	NET_NEWS_PMTU,      /* pmtu is the path MTU from local to remote, for age */
	NET_NEWS_ADDR_USED, /* the probed address local has no other owner */
	NET_NEWS_ADDR_GONE, /* it has one */
	NET_NEWS_ERROR,     /* an ICMP error about one of the hearer's connections; not told by net */
};

/*
 * What one worker has learnt and others that share its addresses are told, since each has tables of
 * its own. A message by value: no pointers.
 */
struct net_news {
	uint8_t kind; /* enum net_news_kind */
	uint8_t mac[6];
	uint16_t port;
	uint32_t local;    /* index of our address; of NEIGHBOR: the one that asks for it */
	uint8_t next_hop[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint8_t nd, nd_flags; /* NEIGHBOR of IPv6: the type of the message, and its flags */
	bool nd_mac;          /* mac is given */
	union {
		struct {
			uint8_t remote[16];
			struct net_pmtu pmtu;
			uint64_t age; /* us */
		};
		struct net_icmp_error error;
	};
};

struct net_port_conf {
	uint16_t id;
	uint8_t neighbor;  /* enum net_neighbor_mode */
	uint8_t announce;  /* enum net_announce; on one worker only, where several share the port */
	uint32_t gateway;  /* IPv4, network order; 0: none */
	uint8_t gateway6[16]; /* all 0: none */
	const struct pkt_port *port;
};

struct net_addr_conf {
	uint16_t port;
	uint8_t prefix;    /* 0..32; of IPv6 0..128 */
	uint8_t addr[16];  /* IPv4 as ::ffff:a.b.c.d */
};

struct net_conf {
	const struct net_port_conf *ports;
	uint32_t n_ports;  /* up to NET_PORTS_MAX */
	const struct net_addr_conf *addrs;
	uint32_t n_addrs;
	uint32_t paths;               /* next hops known at a time: more than ports, and than gateways; below NET_PATH_MAX */
	uint32_t pmtu_entries;        /* path MTUs remembered at a time */
	uint16_t worker, workers;     /* which of how many that send from the same addresses */
	uint32_t held;                /* packets waiting for a next hop, over all paths */
	uint32_t icmp_rate, icmp_burst; /* ICMP errors sent, per second */
	uint32_t echo_rate, echo_burst; /* echo replies, per second */
	uint32_t frag_entries, frag_source_entries; /* datagrams under reassembly */
	uint64_t frag_bytes, frag_source_bytes;     /* buffers, as allocated, that they may keep */
	struct sip_key key;           /* random; keeps others from choosing hash collisions */
	struct pkt_pool *pool;        /* the worker's: packets that answer nothing, and freed ones */
	/* Takes m, a complete frame for port. Called from net_input, _tick, _hold, _advise. */
	void (*emit)(void *arg, uint16_t port, struct rte_mbuf *m);
	/*
	 * Called for each valid ICMP error about TCP; counts why it was not used, if so. NULL: they
	 * are counted rx_icmp_ignored.
	 */
	void (*icmp_error)(void *arg, const struct net_icmp_error *err);
	/* Tell the other workers; false: not all of them can take it now. NULL: there are none. */
	bool (*tell)(void *arg, const struct net_news *news);
	void *arg;
};

struct net_addr {
	union {
		uint8_t ip[16];    /* IPv4 as ::ffff:a.b.c.d */
		struct {
			uint32_t mapped[3];
			uint32_t addr; /* of IPv4: network order */
		};
	};
	uint64_t defended; /* us; when the address was last defended, 0 never */
	uint32_t slot;     /* in the address hash */
	uint16_t port;
	uint8_t bits;      /* of the prefix: of IPv4 with 96 more */
	uint8_t v6;
};

static_assert(sizeof(struct net_addr) == 32, "an index is shifted");

/* That another host claims an address of ours, for whoever is to be told. */
struct net_clash {
	uint8_t mac[6];            /* who did so last */
	bool claimed, given_up;    /* at all; while we asked whether it has an owner, so that it was not used */
};

/* What a slot of the address hash says about an address. */
enum net_slot_kind {
	NET_SLOT_EMPTY,
	NET_SLOT_LOCAL,
	NET_SLOT_BROADCAST, /* of a subnet we are in */
	NET_SLOT_TENTATIVE, /* ours, being probed */
	NET_SLOT_GROUP,     /* IPv6: in which addresses of ours are asked for; index is the first's */
	NET_SLOT_GONE,      /* was tentative, found in use by another host; ip is all 0 */
};

struct net_slot {
	uint64_t ip[2]; /* as in the facts */
	uint16_t port;
	uint16_t kind; /* enum net_slot_kind */
	uint32_t index;
};

/* A distinct on-link prefix of a port: of IPv4 with 96 bits more. */
struct net_subnet {
	uint8_t net[16];
	uint16_t port;
	uint16_t bits;
};

/* The address of ours that the last packet was for: most are for the same. */
struct net_last {
	uint64_t daddr[2]; /* as in the facts */
	uint32_t port;     /* UINT32_MAX: none */
	uint32_t local;
};

/* All but what the inline functions below touch is net's own. */
struct net {
	struct net_path *paths;
	struct net_addr *addrs;
	struct net_slot *slots;
	uint32_t slot_mask, n_addrs, n_paths, n_subnets;
	struct counters *counters;
	struct net_subnet *subnets;
	struct net_neighbors *neighbors;
	struct net_frags *frags;
	struct net_pmtus *pmtus;
	struct net_ids *ids;
	struct net_limits *limits;
	struct net_start *start;
	struct net_mld *mld;
	uint64_t answers6;
	struct net_last last;
	uint32_t n_ports;
	struct net_conf conf;
	struct net_port_conf ports[NET_PORTS_MAX];
	struct flow_key label_key; /* of flow labels alone: what is on the wire tells of no other key */
	struct net_clash *clashes; /* by address */
};

/* Bytes that net_init wants for this configuration, cache line aligned; 0: out of range. */
size_t net_bytes(const struct net_conf *conf);

/*
 * Prepare n. conf is copied, but for the ports' struct pkt_port, which stay where they are, like
 * counters. mem has net_bytes(conf) bytes and outlives n. False: the configuration is out of range.
 */
bool net_init(struct net *n, const struct net_conf *conf, struct counters *counters, void *mem,
	      uint64_t now);

/* Free the packets that n holds; mem is the caller's again. */
void net_fini(struct net *n);

/*
 * Consume m, an ARP, ICMP, UDP or OTHER packet with its facts, and count why it was not used if it
 * was not. Answers are built in m and emitted. Not for TCP and fragments. Bounded by m's length.
 */
void net_input(struct net *n, struct rte_mbuf *m, struct pkt_facts *f, uint64_t now);

/*
 * Take m, a fragment. Returns the datagram that it completes, a chain whose first segment has the
 * Ethernet and the corrected IPv4 header, to be parsed as if it had just arrived; or NULL. RFC 1122
 * section 3.3.2; RFC 8200 section 4.5 and RFC 5722 for overlaps; RFC 3168 section 5.3 for ECN.
 * Bounded by the caps per source.
 */
struct rte_mbuf *net_reassemble(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f,
				uint64_t now);

/*
 * Do what is due: ARP retries, ageing, announcements, reassembly timeouts. Bounded: what is left
 * stays due and net_next says so.
 */
void net_tick(struct net *n, uint64_t now);

/* Another worker's news, NET_NEWS_ERROR aside. What is told is not told on. Bounded. */
void net_hear(struct net *n, const struct net_news *news, uint64_t now);

/* When net_tick wants to be called, us; UINT64_MAX: never. */
uint64_t net_next(const struct net *n);

static inline bool net_v4_mapped(const uint8_t a[16])
{
	return address_is_v4(a);
}

static inline uint32_t net_v4_of(const uint8_t a[16])
{
	return address_v4(a);
}

/*
 * An address as two words: of such as are set at start nobody outside chooses the hash. The octets in which those of a
 * network differ are the highest of a word, and a product hands on only to what is higher: its upper half comes down
 * before it is multiplied again.
 */
static inline uint32_t net_slot_first(const struct net *n, const uint64_t ip[2])
{
	uint64_t x = (ip[1] ^ ip[0] * 0xbf58476d1ce4e5b9ull) * 0x9e3779b97f4a7c15ull;

	x ^= x >> 32;
	return (uint32_t)((x * 0x9e3779b97f4a7c15ull) >> 32) & n->slot_mask;
}

/*
 * The first slot with the address from slot i on, whatever the port; the empty one behind, if there is none.
 */
static inline const struct net_slot *net_slot_at(const struct net *n, const uint64_t ip[2], uint32_t *i)
{
	const struct net_slot *s = &n->slots[*i];

	for (; s->kind != NET_SLOT_EMPTY && (s->ip[1] != ip[1] || s->ip[0] != ip[0]); s = &n->slots[*i])
		*i = (*i + 1) & n->slot_mask;
	return s;
}

/*
 * Index of daddr among the addresses of port, -1 if it is none (strong host model, RFC 1122 section
 * 3.3.4.2). Any thread of the worker; O(1) for one address as for thousands.
 */
static inline int32_t net_local(const struct net *n, uint16_t port, const uint8_t daddr[16])
{
	uint64_t ip[2];
	uint32_t i;

	memcpy(ip, daddr, sizeof(ip));
	for (i = net_slot_first(n, ip);; i = (i + 1) & n->slot_mask) {
		const struct net_slot *s = net_slot_at(n, ip, &i);

		if (s->kind == NET_SLOT_EMPTY)
			return -1;
		if (s->port == port && s->kind == NET_SLOT_LOCAL)
			return (int32_t)s->index;
	}
}

/* Whether a is an IPv6 address of one host somewhere: not unspecified, loopback, multicast or IPv4. RFC 4291 section 2. */
bool net_v6_unicast(const uint8_t a[16]);

/*
 * False for an address that no other host can have: 0/8, 127/8, class D and E, a broadcast address or
 * an own one, whatever the port (RFC 1122 section 3.2.1.3; the last is the LAND attack); of IPv6 what is not
 * net_v6_unicast or an own one. O(1).
 */
static inline bool net_foreign(const struct net *n, const uint8_t a[16])
{
	uint64_t ip[2];
	uint32_t i;

	if (unlikely(!net_v4_mapped(a))) {
		if (!net_v6_unicast(a))
			return false;
	} else if (unlikely(a[12] == 0 || a[12] == 127 || a[12] >= 224)) {
		return false;
	}
	memcpy(ip, a, sizeof(ip));
	i = net_slot_first(n, ip);
	return likely(net_slot_at(n, ip, &i)->kind == NET_SLOT_EMPTY);
}

/* The same of f's source. */
static inline bool net_source_ok(const struct net *n, const struct pkt_facts *f)
{
	return net_foreign(n, f->saddr);
}

/*
 * Answer m, which is for us and asks for one, by ICMP "unreachable" of that code, under the ICMP limit.
 * Consumes m and counts reason.
 */
void net_unreachable(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f, uint8_t code,
		     enum counter reason, uint64_t now);

/* Why net_accept refused f: RX_NOT_UNICAST for broadcast and multicast, else RX_NOT_LOCAL. */
enum counter net_refusal(const struct net *n, const struct pkt_facts *f);

/*
 * True if f, of an IP packet, comes from a possible source and is for an address of its port:
 * f->local is then set. Else f->reason is, and nothing is counted. O(1).
 */
static inline bool net_accept(const struct net *n, struct pkt_facts *f)
{
	int32_t local = net_local(n, f->port, f->daddr);

	if (unlikely(!net_source_ok(n, f))) {
		f->reason = CTR_RX_BAD_SRC;
		return false;
	}
	if (unlikely(local < 0 || f->flags & PKT_F_L2_BROADCAST)) {
		f->reason = net_refusal(n, f);
		return false;
	}
	f->local = (uint32_t)local;
	return true;
}

/* What net_accept took f for holds for the next one, if that is for the same address. */
static inline void net_remember(struct net *n, const struct pkt_facts *f)
{
	memcpy(n->last.daddr, f->daddr, sizeof(n->last.daddr));
	n->last.port = f->port;
	n->last.local = f->local;
}

/*
 * Whether f, a TCP segment, is for the address that was remembered, and *local is its index. Of its source nothing is
 * said. Of a record that is there it is known: it was made with a source that is possible, and what is possible stays
 * so. Of anything else net_source_ok has to be asked. False: net_accept knows. O(1).
 */
static inline bool net_again(const struct net *n, const struct pkt_facts *f, uint32_t *local)
{
	uint64_t daddr[2];

	memcpy(daddr, f->daddr, sizeof(daddr));
	*local = n->last.local;
	return daddr[1] == n->last.daddr[1] && daddr[0] == n->last.daddr[0] && f->port == n->last.port &&
	       !(f->flags & PKT_F_L2_BROADCAST);
}

/*
 * Whether remote is an address that a connection can be opened to (RFC 9293 section 3.9.1.1):
 * not unspecified, loopback, multicast, broadcast or class E, and not one of our own, which no frame
 * comes back to.
 */
bool net_destination_ok(const struct net *n, const uint8_t remote[16]);

/*
 * The local address, as an index, that a connection to remote is opened from (RFC 1122 section
 * 3.3.4.3): one in remote's subnet, else the first of a port with a gateway to its family; -1: no route. Between link-local
 * addresses of IPv6 and others there is none (RFC 6724 section 5).
 * In proportion to the number of addresses.
 */
int32_t net_source_for(const struct net *n, const uint8_t remote[16]);

/* Whether local is the index of an address in use: not one still being probed, or given up. */
bool net_local_ok(const struct net *n, uint32_t local);

/*
 * Remember the path MTU that was reported now. A lower one that is not older than age stays: a report
 * never raises it (RFC 1191 section 3). Evicts when there is no room. Worker thread; O(1).
 */
void net_pmtu_learn(struct net *n, uint32_t local, const uint8_t remote[16],
		    const struct net_pmtu *pmtu, uint64_t now, uint64_t age);

/* What is known and not older than age, in us. RFC 1191 section 6.3. O(1). */
bool net_pmtu_find(const struct net *n, uint32_t local, const uint8_t remote[16], uint64_t now,
		   uint64_t age, struct net_pmtu *pmtu);

/* Entries in use; at most pmtu_entries, rounded up to a power of two. */
uint32_t net_pmtu_count(const struct net *n);

/* The next lower plateau of RFC 1191 section 7.1, for a packet of len bytes that was too big. */
uint16_t net_pmtu_plateau(uint32_t len);

static inline bool net_path_ready(const struct net *n, uint32_t path)
{
	return n->paths[path].state >= NET_PATH_RESOLVED;
}

/* Take a reference: the path is not evicted until the matching net_path_put. O(1). */
static inline void net_path_get(struct net *n, uint32_t path)
{
	if (unlikely(n->paths[path].users++ == 0))
		net_path_used(n, path);
}

static inline void net_path_put(struct net *n, uint32_t path)
{
	if (unlikely(--n->paths[path].users == 0))
		net_path_unused(n, path);
}

/* The transport made progress over path: its next hop is alive (RFC 1122 section 2.3.2.1). */
static inline void net_confirm(struct net *n, uint32_t path, uint32_t now_ms)
{
	n->paths[path].confirmed = now_ms;
}

/*
 * Write an IPv4 header of 20 bytes, checksum included. DF is set, so the ID need not tell packets
 * apart and is 0: it tells nobody how many were sent (RFC 6864 section 4.1).
 */
static inline void net_ip4_write(uint8_t *p, uint32_t saddr, uint32_t daddr, uint16_t total_len,
				 uint8_t proto, uint8_t tos, uint8_t ttl)
{
	uint32_t w[3] = {
		be32((uint32_t)IP4_VER_IHL << 24 | (uint32_t)tos << 16 | total_len),
		BE32(IP4_DF),
		be32((uint32_t)ttl << 24 | (uint32_t)proto << 16),
	};

	w[2] |= (uint32_t)sum_finish64((uint64_t)w[0] + w[1] + w[2] + saddr + daddr) << 16;
	store64(p, (uint64_t)w[1] << 32 | w[0]);
	store64(p + 8, (uint64_t)saddr << 32 | w[2]);
	store32(p + 16, daddr);
}

/* What an IP header says beside its addresses. */
struct net_ip {
	uint8_t proto;
	uint8_t dscp_ecn; /* the former TOS octet, or the traffic class */
	uint8_t ttl;      /* or the hop limit */
	uint16_t l4_len;  /* of the transport header with its payload */
};

/* What net_write wrote. */
struct net_written {
	uint64_t pseudo; /* both addresses, as pkt_tcp has them */
	unsigned int len; /* of Ethernet and IP header */
};

/* An IPv6 header's second word, network order. */
static inline uint32_t net_ip6_second(struct net_ip ip)
{
	return be32((uint32_t)ip.l4_len << 16 | (uint32_t)ip.proto << 8 | ip.ttl);
}

/* Two IPv6 addresses added up. */
static inline uint64_t net_pseudo6(const uint8_t a[16], const uint8_t b[16])
{
	return sum_words(sum_words(0, a, 2), b, 2);
}

/* net_write of an IPv6 path, with the header's first two words but for the flow label. */
struct net_written net_write6(const struct net *n, struct net_path *p, uint8_t *l4, const struct flow_tuple *flow,
			      uint32_t first, uint32_t second);

/*
 * Write the IP header and the Ethernet header of path p, for a segment of that connection of ours, so that they end at
 * l4. There is room for NET_L2_MAX + p->l3_len bytes. An IPv6 header's flow label is a keyed hash of flow: each connection
 * and direction has one, for as long as it lasts (RFC 6437 section 3). See net_push.
 */
static inline __attribute__((always_inline)) struct net_written
net_write(const struct net *n, struct net_path *p, uint8_t *l4, const struct flow_tuple *flow, struct net_ip ip)
{
	const struct net_addr *own = &n->addrs[flow->local];
	const uint8_t l2_len = p->l2_len;
	const uint32_t saddr = own->addr, daddr = net_v4_of(flow->remote);
	uint8_t *l2 = l4 - IP4_HDR_LEN - l2_len;

	if (unlikely(p->v6))
		return net_write6(n, p, l4, flow, ip6_first_word(ip.dscp_ecn, 0), net_ip6_second(ip));
	p->used = 1;
	memcpy(l2, p->l2, NET_L2_MAX); /* constant length: what is beyond l2_len is overwritten */
	net_ip4_write(l2 + l2_len, saddr, daddr, IP4_HDR_LEN + ip.l4_len, ip.proto, ip.dscp_ecn, ip.ttl);
	return (struct net_written){(uint64_t)saddr + daddr, l2_len + IP4_HDR_LEN};
}

/*
 * Prepend the IP and the Ethernet header to m, whose first byte is that of the transport header
 * and whose headroom has p->l3_len + NET_L2_MAX bytes. The IPv4 checksum is complete; pkt_offload, with
 * net_path_port, takes it out again where the port fills it in. Worker thread; O(1).
 */
static inline void net_push(const struct net *n, uint32_t path, struct rte_mbuf *m,
			    const struct flow_tuple *flow, struct net_ip ip)
{
	const struct net_written w = net_write(n, &n->paths[path], rte_pktmbuf_mtod(m, uint8_t *), flow, ip);

	m->data_off -= w.len;
	m->data_len += w.len;
	m->pkt_len += w.len;
}

/*
 * The headers of an answer to f, a TCP segment for f->local, which came from peer's MAC address and is to go back there: as
 * net_push, without a path.
 */
void net_push_answer(const struct net *n, struct rte_mbuf *m, const struct pkt_facts *f, const uint8_t peer[6],
			 struct net_ip ip);

/* The addresses of an answer to f, added up as pkt_tcp has them. */
uint64_t net_answer_pseudo(const struct pkt_facts *f);

/*
 * After net_push: the packet may be fragmented on its way. DF is cleared and the ID is one that was
 * not used to this address for two minutes; when there is none left, counted ip_id_spent, the packet
 * stays as it is. RFC 6864 section 4.3. Worker thread; O(1).
 */
void net_allow_fragments(struct net *n, struct rte_mbuf *m, uint32_t path, uint32_t local,
			 const uint8_t remote[16], uint64_t now);

/* The ID that net_allow_fragments would give; false: none left. */
bool net_ip_id(struct net *n, uint32_t local, const uint8_t remote[16], uint64_t now, uint16_t *id);

/* The port of a path, for pkt_build, pkt_push_tcp and pkt_offload. */
static inline const struct pkt_port *net_path_port(const struct net *n, uint32_t path)
{
	return n->paths[path].pp;
}

#endif
