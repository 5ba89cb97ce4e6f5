/*
 * What the files of net share: the tables behind struct net and the calls between topics. Nothing
 * here is public.
 */
#ifndef PIER_NET_INTERNAL_H
#define PIER_NET_INTERNAL_H

#include "algo/bucket.h"
#include "net/net.h"
#include "pkt/build.h"
#include "pkt/parse.h"
#include "wire/arp.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/icmp6.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/sum.h"
#include "wire/udp.h"

#define NONE UINT32_MAX

/* Memory is laid out by the same code twice: without base to learn the size, then in earnest. */
struct layout {
	uint8_t *base;
	size_t used;
};

static inline void *layout_take(struct layout *l, size_t bytes)
{
	void *p = l->base ? l->base + l->used : NULL;

	l->used += (bytes + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
	return p;
}

/*
 * Doubly linked lists of indices: circular, the heads are elements behind the last entry. An entry
 * in no list points at itself.
 */
struct link {
	uint32_t prev, next;
};

static inline void link_clear(struct link *l, uint32_t i)
{
	l[i].prev = l[i].next = i;
}

static inline bool link_empty(const struct link *l, uint32_t i)
{
	return l[i].next == i;
}

static inline void link_out(struct link *l, uint32_t i)
{
	l[l[i].prev].next = l[i].next;
	l[l[i].next].prev = l[i].prev;
	link_clear(l, i);
}

/* To the tail of head's list; i must be in none. */
static inline void link_tail(struct link *l, uint32_t head, uint32_t i)
{
	l[i].prev = l[head].prev;
	l[i].next = head;
	l[l[head].prev].next = i;
	l[head].prev = i;
}

struct net_limits {
	struct bucket icmp, echo;
};

/* Smallest power of two that is at least v. */
static inline uint32_t pow2_above(uint32_t v)
{
	uint32_t p = 1;

	while (p < v)
		p *= 2;
	return p;
}

/* net.c */
const struct net_port_conf *net_port(const struct net *n, uint16_t id);
/* Count why m was not used and give it back. */
void net_drop(struct net *n, struct rte_mbuf *m, enum counter reason);
/* Pad m and give it to the owner's queue. */
void net_emit(struct net *n, uint16_t port, struct rte_mbuf *m);
/* Tell the other workers, if there are any: false if one has not heard it. */
static inline bool net_tell(struct net *n, const struct net_news *news)
{
	return !n->conf.tell || n->conf.tell(n->conf.arg, news);
}

/*
 * Make m, a received packet whose content was read, an empty one of len bytes; or exchange it if it
 * is shared or too small. NULL: no mbuf left, counted; m is gone either way.
 */
struct rte_mbuf *net_answer(struct net *n, struct rte_mbuf *m, uint16_t len);
static inline void net_eth_write(uint8_t *p, const uint8_t *dst, const uint8_t *src, uint16_t type)
{
	eth_copy(p, dst);
	eth_copy(p + ETH_ADDR_LEN, src);
	store_be16(p + 2 * ETH_ADDR_LEN, type);
}

static inline void net_ip6_plain(uint8_t *p, const uint8_t saddr[16], const uint8_t daddr[16], uint8_t next,
				 uint8_t hop_limit, uint8_t class, uint16_t len)
{
	struct ipv6_hdr ip = {
		.ver_class_flow = ip6_first_word(class, 0), .payload_len = be16(len), .next = next,
		.hop_limit = hop_limit,
	};

	ip6_copy(ip.saddr, saddr);
	ip6_copy(ip.daddr, daddr);
	memcpy(p, &ip, sizeof(ip));
}

/* addr.c */
bool addr_conf_ok(const struct net_conf *c);
void addr_layout(struct net *n, struct layout *l);
void addr_init(struct net *n);
/* Index of port's address, tentative ones included; -1. */
int32_t addr_find(const struct net *n, uint16_t port, const uint8_t addr[16]);
/* The same of an IPv4 address, network order. */
int32_t addr_find4(const struct net *n, uint16_t port, uint32_t addr);
bool addr_tentative(const struct net *n, uint32_t index);
bool addr_gone(const struct net *n, uint32_t index);
/* The probed address has another owner, or none. */
void addr_give_up(struct net *n, uint32_t index);

/* Another host, mac, claims the address. True: it was tentative, and is given up. */
bool addr_claimed(struct net *n, uint32_t index, const uint8_t *mac);
void addr_use(struct net *n, uint32_t index);
/* Whether addr is in a subnet of port. */
bool addr_on_link(const struct net *n, uint16_t port, const uint8_t addr[16]);
bool addr_broadcast(const struct net *n, uint32_t addr); /* IPv4 */
/* The first address of port whose solicited-node group this is; -1: none. */
int32_t addr_of_group(const struct net *n, uint16_t port, const uint8_t group[16]);
/* Whether port listens to the IPv6 group: one of an address's, or that of all nodes. */
bool addr_in_group(const struct net *n, uint16_t port, const uint8_t group[16]);
/*
 * The IPv6 address of port that speaks to remote where no connection says it: local, if it is in use; else the first of
 * remote's scope, or of all. -1: none may speak yet. local may be NONE. In proportion to the number of addresses, unless it
 * is local.
 */
int32_t addr_speaker(const struct net *n, uint16_t port, uint32_t local, const uint8_t remote[16]);

/* announce.c */
void announce_layout(struct net *n, struct layout *l);
void announce_init(struct net *n, uint64_t now);
/* Whether address i is not to be used before something has been asked, or heard. */
bool announce_awaited(const struct net *n, uint32_t i);
void announce_tick(struct net *n, uint64_t now);
uint64_t announce_next(const struct net *n);

/* arp.c */
enum arp_purpose {
	ARP_ASK,      /* where is addr? */
	ARP_PROBE,    /* is anybody addr? */
	ARP_ANNOUNCE, /* we are addr */
};
void arp_input(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f, uint64_t now);
void arp_hear(struct net *n, const struct net_news *news, uint64_t now);
/* Send a request from local address index local about addr, to the MAC dst or, if NULL, to all. */
void arp_send(struct net *n, uint32_t local, uint32_t addr, const uint8_t *dst,
	      enum arp_purpose why);

/* nd.c */
void nd_input(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f, uint64_t now);
void nd_hear(struct net *n, const struct net_news *news, uint64_t now);
/* Ask, from local address index local or another of its port, where target is: by its group, or the MAC dst_mac. */
void nd_ask(struct net *n, uint32_t local, const uint8_t target[16], const uint8_t *dst_mac);
/* Ask whether anybody else has the address. */
void nd_probe(struct net *n, uint32_t local);
/* Say whose it is: to all nodes, or all routers, which then know it if they did not. RFC 9131 section 6.1.2. */
void nd_announce(struct net *n, uint32_t local, bool to_routers);

/* mld.c */
void mld_layout(struct net *n, struct layout *l);
void mld_init(struct net *n);
/* Report the group of an address. */
void mld_join(struct net *n, uint32_t local);
void mld_input(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f, uint64_t now);
void mld_tick(struct net *n, uint64_t now);
uint64_t mld_next(const struct net *n);

/* neighbor.c */
void neighbor_layout(struct net *n, struct layout *l);
void neighbor_init(struct net *n);
void neighbor_fini(struct net *n);
/*
 * The path to next_hop on port, or -1. mac of REFLECT entries, else NULL; next_hop is then NO_HOP4 or NO_HOP6, which say
 * the family.
 */
extern const uint8_t NO_HOP4[16], NO_HOP6[16];
int32_t neighbor_find(const struct net *n, uint16_t port, const uint8_t next_hop[16], const uint8_t *mac);
/* Make one, evicting an unused one if need be; -1: no room. */
int32_t neighbor_add(struct net *n, const struct net_port_conf *port, const uint8_t next_hop[16],
		     const uint8_t *mac, uint32_t local);
/* The next hop has this MAC address. */
void neighbor_resolved(struct net *n, uint32_t i, const uint8_t *mac, uint64_t now);
/* An entry is about to be used: it is not the longest unused, and its age is looked after. */
void neighbor_watch(struct net *n, uint32_t i, uint64_t now);
void neighbor_tick(struct net *n, uint64_t now);
uint64_t neighbor_next(const struct net *n);

/* nud.c */
/* The source of a solicitation says its MAC address. */
void nud_source(struct net *n, uint32_t i, const uint8_t *mac, uint64_t now);
/* An advertisement of entry i, with its flags (ND_SOLICITED, ND_OVERRIDE); mac may be NULL. False: ignored. */
bool nud_advert(struct net *n, uint32_t i, uint8_t flags, const uint8_t *mac, uint64_t now);

/* echo.c */
void echo_input(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f, uint64_t now);

/* icmp.c */
/* Hand on what others say of our packets. Takes m. */
void icmp_report(struct net *n, struct rte_mbuf *m, const struct net_icmp_error *err);
void icmp_input(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f, uint64_t now);
void udp_input(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f, uint64_t now);
/*
 * Answer m, a datagram for one of our addresses from a possible source, with an ICMP error. Takes m
 * and counts it under reason.
 */
void icmp_refuse(struct net *n, struct rte_mbuf *m, uint16_t l3_off, uint16_t port, uint8_t type,
		 uint8_t code, enum counter reason, uint64_t now);

/* icmp6.c */
void icmp6_input(struct net *n, struct rte_mbuf *m, struct pkt_facts *f, uint64_t now);
/* A packet that the parser found to be answered by "parameter problem". */
void icmp6_problem(struct net *n, struct rte_mbuf *m, struct pkt_facts *f, uint64_t now);
/*
 * Answer m, an IPv6 packet for one of our addresses from a possible source, with an ICMPv6 error; param is what follows the
 * checksum: the pointer, the MTU, or 0. Takes m and counts it under reason. RFC 4443 section 2.4: what must not be
 * answered the caller has seen to, but for multicast destinations, which only some errors answer.
 */
void icmp6_refuse(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f, uint8_t type, uint8_t code,
		  uint32_t param, enum counter reason, uint64_t now);

/* pmtu.c */
void pmtu_layout(struct net *n, struct layout *l);
void pmtu_hear(struct net *n, const struct net_news *news, uint64_t now);

/* ip_id.c */
void ip_id_layout(struct net *n, struct layout *l);
void ip_id_init(struct net *n);

/* ip6.c */
void ip6_init(struct net *n);

/* frag.c */
bool frag_conf_ok(const struct net_conf *c);
void frag_layout(struct net *n, struct layout *l);
void frag_init(struct net *n);
void frag_fini(struct net *n);
void frag_tick(struct net *n, uint64_t now);
uint64_t frag_next(const struct net *n);

#endif
