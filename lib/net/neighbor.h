/*
 * The cold half of the path table: for each path, who the next hop is and how its MAC address is
 * found out and kept fresh. Shared by neighbor.c, which keeps the entries, and path.c.
 */
#ifndef PIER_NET_NEIGHBOR_H
#define PIER_NET_NEIGHBOR_H

#include "internal.h"

/* A timer queue per duration: entries go to the tail, so each queue is in order of deadline. */
enum neighbor_timer {
	TIMER_ASK,   /* 1 s: a request is out */
	TIMER_DELAY, /* 5 s: stale, is it used? */
	TIMER_REACH, /* 30 s: known to be alive */
	TIMER_MAX,
};

struct neighbor {
	struct rte_mbuf *held; /* waits for the MAC address */
	uint64_t deadline;     /* us, if in a timer queue */
	uint64_t asked;        /* us; last request */
	uint32_t hash_next;    /* in the bucket, or in the list of free entries */
	uint32_t local;        /* our address that asks */
	uint32_t poll_from;    /* ms; when the running poll began; of IPv6: the state that asks for a confirmation */
	uint8_t tries;         /* requests sent since */
	bool polling;          /* resolved, and being asked whether it still is so */
	bool delayed;          /* of IPv6: resolved, and to be asked unless the transport confirms it */
	uint8_t mac[ETH_ADDR_LEN]; /* key of REFLECT entries, else 0 */
};

struct net_neighbors {
	struct neighbor *e;
	uint32_t *buckets;
	struct link *unused;   /* entries without users, longest first; head at n_paths */
	struct link *timer;    /* heads at n_paths + enum neighbor_timer */
	uint32_t bucket_mask;
	uint32_t free;         /* list through hash_next */
	uint32_t last;         /* found last: most SYNs come by one path */
	uint32_t n_held;
};

/* Send a request unless one was sent within a second, and look again in a second. */
void neighbor_ask(struct net *n, uint32_t i, uint64_t now);
/* Begin to verify a resolved entry. */
void neighbor_poll(struct net *n, uint32_t i, uint64_t now);
/* It is due in the time of this queue, or never. */
void neighbor_timer(struct net *n, uint32_t i, enum neighbor_timer t, uint64_t now);
void neighbor_timer_stop(struct net *n, uint32_t i);
/* No answer: forget the MAC address, and the entry with it if nobody needs it. */
void neighbor_lost(struct net *n, uint32_t i);
/* nud.c: a packet goes over entry i, which is STALE; a timer of a resolved IPv6 entry is due. */
void nud_used(struct net *n, uint32_t i, uint64_t now);
void nud_expired(struct net *n, uint32_t i, uint64_t now);
/* Drop the packet that entry i holds, counted. */
void neighbor_unhold(struct net *n, uint32_t i);

#endif
