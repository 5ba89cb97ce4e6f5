/*
 * An engine serving echo, clients that were written apart from it, some of them with vices, and a
 * link between, all from one seed and in virtual time.
 */
#ifndef PIER_TESTS_PEERS_H
#define PIER_TESTS_PEERS_H

#include "kit.h"
#include "link.h"

#define ENGINE 1

struct party;

enum client_end {
	END_FIN_EARLY, /* FIN with the last byte */
	END_FIN_LATE,  /* FIN when everything came back */
	END_RESET,     /* RST half way */
	END_MAX,
};

/* A client: sends total bytes of the pattern and takes them back. */
struct client {
	struct party *party;
	struct kit_peer *p;
	uint32_t total;
	enum client_end end;
	bool connected, done, fin_sent, fin_received, got_any;
	uint32_t una, nxt;      /* of our sequence space: SYN 0, data from 1, FIN total + 1 */
	uint32_t rwnd;          /* bytes the engine takes */
	uint32_t cwnd;          /* bytes */
	unsigned int dups, tries;
	uint64_t rto, timer;    /* timer: when, UINT64_MAX: off */
	uint64_t ack_timer;
	bool delayed_acks;
	unsigned int unacked;
	uint32_t rcv_nxt;       /* of the engine's space */
	uint32_t newest;        /* last out-of-order arrival */
	uint8_t *have;          /* received, by offset */
	uint32_t buffer;        /* receive window */
};

struct party {
	struct kit *k;
	struct wire wire; /* link[ENGINE] leads to the engine, link[!ENGINE] from it */
	struct client *clients;
	unsigned int n_clients;
};

void party_fail(const char *what);
#define party_check(c) ((c) ? (void)0 : party_fail(#c))

/* ---- peer.c ---- */
void client_start(struct client *c);
void client_input(struct client *c, const struct seg *g);
uint64_t client_next(const struct client *c);
void client_timer(struct client *c);
void client_free(struct client *c);

#endif
