/*
 * Two workers, or up to four, on one end of a ring pair, the test at the other: one thread is everybody's loop, so
 * each test decides which packet arrives on which queue, and who runs when.
 */
#ifndef TEST_RING_TEAM_KIT_H
#define TEST_RING_TEAM_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frames.h"
#include "worker/worker.h"

#define TEAM_N	  2
#define TEAM_MAX  4
#define TEAM_ECHO 7

struct team_kit {
	struct port_pools pools[TEAM_MAX];
	struct port near, far;
	unsigned int n, n_ports, queues; /* n: workers */
	struct engine_port engine_port;
	struct engine_address address;
	struct listener listener;
	struct worker_team *team;
	struct worker *worker[TEAM_MAX];
	unsigned int next_port;
	bool threads; /* the workers run by themselves */
};

struct team_kit_config {
	uint32_t workers;  /* 0: TEAM_N */
	uint32_t queues;   /* of the ring; 0: one for each */
	uint32_t steering; /* enum port_steering */
	enum engine_neighbor neighbor;
	enum engine_announce announce;
	uint32_t ring_size;
	const uint16_t *owners; /* workers in the order in which they get queues; NULL: in turn */
	enum worker_idle idle;
	const struct pier_handler *handler; /* NULL: echo */
	bool v6; /* the address is SERVER_ADDR6, instead */
	/* Change the open port before the team sees it; NULL. */
	void (*port)(struct port *p);
};

void team_open(struct team_kit *k, const struct team_kit_config *cfg);
/* Audits every worker, destroys all, and asserts that nothing is left. */
void team_close(struct team_kit *k);
/*
 * cmocka's teardown of each test: what a test that failed left open is closed, and one failure stays
 * one. The kit outlives the test: it is static.
 */
int team_teardown(void **state);
#define TEAM_TEST(f) cmocka_unit_test_teardown(f, team_teardown)

/* Random numbers, the same in each run; ports' RSS keys are made of them, too. */
uint64_t team_random(void);

/* A peer whose flow worker `owner` owns: address and port chosen so. */
struct frames_flow team_flow(struct team_kit *k, int owner);

/* Put m on the wire for queue q. */
void team_send(struct team_kit *k, unsigned int q, struct rte_mbuf *m);

/* Turns of all workers; where they run by themselves, time for them. */
void team_turns(struct team_kit *k, unsigned int n);

/* Take what came back on any queue; NULL: nothing. *q: the queue. The caller frees it. */
struct rte_mbuf *team_take(struct team_kit *k, unsigned int *q);
/* The same, its TCP header (NULL: it has none) and octets; where nothing has come, NULL after a turn. */
struct rte_mbuf *team_wait(struct team_kit *k, const struct tcp_hdr **th, uint16_t *len);

/* Take and free what is there; the second until in three turns nothing came, returns how many were TCP. */
void team_take_all(struct team_kit *k);
unsigned int team_drain(struct team_kit *k);

/*
 * The next segment to f: updates f->ack, returns the payload's length, which is copied to buf. Fails
 * the test if none comes. *flags: the header's.
 */
uint16_t team_expect(struct team_kit *k, struct frames_flow *f, uint8_t *flags, void *buf,
		     size_t room);

/* Open a connection with all its segments on queue q; and say something, which must come back. */
void team_handshake(struct team_kit *k, struct frames_flow *f, unsigned int q);
void team_echo(struct team_kit *k, struct frames_flow *f, unsigned int q);
void team_finish(struct team_kit *k, struct frames_flow *f, unsigned int q);

uint64_t team_counted(const struct team_kit *k, unsigned int w, enum counter id);
uint64_t team_counted_all(const struct team_kit *k, enum counter id);
struct engine_usage team_usage(struct team_kit *k, unsigned int w);

int team_eal(void **state);
int team_eal_end(void **state);

#endif
