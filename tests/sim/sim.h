/*
 * The simulator: an engine serving echo, clients written here, and a link between them that loses,
 * delays, reorders, doubles and damages, all from one seed and in virtual time. The same seed gives
 * the same run, frame by frame.
 */
#ifndef PIER_TESTS_SIM_H
#define PIER_TESTS_SIM_H

#include "kit.h"

struct sim;

/* A direction of the link. Probabilities in 1/10000. */
struct link_conf {
	uint64_t bits_per_s;
	uint64_t delay, jitter; /* us */
	uint32_t queue;         /* frames waiting at most */
	uint32_t loss, reorder, duplicate, corrupt;
};

struct link {
	struct link_conf conf;
	uint64_t free_at; /* when the wire is idle again */
	uint64_t last_at; /* arrival of the last frame: no overtaking but by reorder */
	uint64_t sent, lost, damaged, doubled, late;
};

enum client_end {
	END_FIN_EARLY, /* FIN with the last byte */
	END_FIN_LATE,  /* FIN when everything came back */
	END_RESET,     /* RST half way */
	END_MAX,
};

/* A client: sends total bytes of the pattern and takes them back. */
struct client {
	struct sim *sim;
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

struct event {
	uint64_t at, order;
	uint8_t *frame;
	uint32_t len;
	bool to_engine;
};

struct sim {
	struct kit *k;
	uint64_t rng;
	struct link up, down; /* up: to the engine */
	struct client *clients;
	unsigned int n_clients;
	struct event *heap;
	uint32_t n_events, max_events;
	uint64_t order;
};

uint64_t sim_rnd(struct sim *s);
uint64_t sim_range(struct sim *s, uint64_t lo, uint64_t hi);
bool sim_chance(struct sim *s, uint32_t per_10000);
void sim_fail(const char *what);
#define sim_check(c) ((c) ? (void)0 : sim_fail(#c))

/* ---- link.c ---- */
void link_send(struct sim *s, struct link *l, const uint8_t *frame, uint32_t len, bool to_engine);
uint64_t link_next(const struct sim *s); /* UINT64_MAX: nothing under way */
struct event link_pop(struct sim *s);

/* ---- peer.c ---- */
void client_start(struct client *c);
void client_input(struct client *c, const struct seg *g);
uint64_t client_next(const struct client *c);
void client_timer(struct client *c);
void client_free(struct client *c);

#endif
