/*
 * Two engines alike, but one takes every shortcut (base/shortcut.h) and the other none. A session, drawn from a seed,
 * gives both the same packets, the same time and the same application; what they send, count, tell the application
 * and remember has to be the same after every step.
 */
#ifndef PIER_TESTS_TWIN_H
#define PIER_TESTS_TWIN_H

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "base/seq.h"
#include "base/shortcut.h"
#include "base/units.h"
#include "engine/engine.h"
#include "pier/handler.h"
#include "tcp/tcp.h"

#define MS  US_PER_MS
#define SEC US_PER_SEC
#define DAY (86400 * SEC)

#define TWIN_CLIENTS   6
#define TWIN_LISTENERS 5
#define TWIN_OUT_MAX   64   /* packets of one engine_output */
#define TWIN_FRAME_MAX 1600
#define TWIN_EVENTS    512
#define TWIN_HELD      16
#define TWIN_SERVER    2    /* hosts of 198.18.0.0/24, or of fd00:18::/64 */
#define TWIN_CLIENT    0x10 /* and those that follow */
#define TWIN_ROUTER    (TWIN_CLIENT + 200)

/* ---- chance (main.c) ---- */

struct rng {
	uint64_t s;
};

uint64_t rng_next(struct rng *r);

/* 0 to n - 1; 0 for n = 0. */
static inline uint32_t below(struct rng *r, uint32_t n)
{
	return n ? (uint32_t)(rng_next(r) >> 32) % n : 0;
}

static inline uint32_t between(struct rng *r, uint32_t lo, uint32_t hi)
{
	return lo + below(r, hi - lo + 1);
}

/* In so many of 1000 cases. */
static inline bool chance(struct rng *r, uint32_t of_1000)
{
	return below(r, 1000) < of_1000;
}

#define PICK(r, list) ((list)[below(r, ARRAY_SIZE(list))])

/* ---- one of the two (side.c) ---- */

struct frame {
	uint32_t len;
	uint64_t flags; /* of the mbuf: what the port is to fill in */
	uint64_t tx;    /* lengths of its headers */
	uint8_t bytes[TWIN_FRAME_MAX];
};

/* What a handler was told. */
struct event {
	const char *what;
	uint64_t id, a, b;
};

/* The application's side of a connection, by the client's port; see app.c. */
struct app {
	struct rng r;
	uint64_t taken, left, sent, want;
	bool eof, holding;
	void *held; /* a buffer that it keeps */
};

struct side {
	struct twin *tw;
	unsigned int mask; /* shortcuts */
	bool little;       /* memory for queues: what they take decides how much is sent, and shared bytes take less */
	struct engine *e;
	struct counters ctr;
	struct pkt_port cap;
	bool late; /* what the port copies waits for that */
	struct engine_port port;
	struct engine_address addr;
	struct engine_config conf;
	struct listener listener[TWIN_LISTENERS];
	struct chaos chaos[TWIN_LISTENERS];
	struct {
		void *at;
		size_t bytes;
	} mem[64];
	unsigned int n_mem;
	struct frame out[TWIN_OUT_MAX];
	unsigned int n_out;
	struct event event[TWIN_EVENTS];
	unsigned int n_event;
	struct app app[TWIN_CLIENTS];
	struct rte_mbuf *held[TWIN_HELD];
	struct frame held_copy[TWIN_HELD];
	unsigned int held_next, before; /* mbufs in use at first */
};

void sides_start(void); /* EAL and pools */
void side_open(struct side *s);
const char *side_close(struct side *s); /* what is wrong, or NULL */
void side_input(struct side *s, const struct frame *f, const uint32_t *cut, unsigned int n);
void side_output(struct side *s, unsigned int max);
void side_tick(struct side *s);
void side_turn(const struct side *s); /* from here on it is its turn */
void side_event(struct side *s, const char *what, uint64_t id, uint64_t a, uint64_t b);
struct side *side_of(const struct pier_conn *c);

/* ---- the application (app.c) ---- */

extern const struct pier_handler app_handler;
struct app *app_of(struct pier_conn *c);
/* What an application may do at any time, to the connection with that index, if it is open. */
void app_poke(struct side *s, uint32_t index, uint32_t what, uint32_t arg);

/* ---- the other end (client.c) ---- */

struct range {
	uint32_t left, right;
};

#define CLIENT_RANGES 4

struct client {
	struct twin *tw;
	unsigned int i;
	uint8_t addr[16];
	uint16_t port, dport;
	const char *text; /* what the stream repeats; NULL: a pattern */
	uint32_t text_len;
	/* Offered, then agreed on. */
	bool ts, sack, scale, ecn, no_mss;
	uint16_t mss;
	uint8_t shift, peer_shift;

	bool syn_sent, up, fin_sent, fin_seen, gone;
	uint32_t isn, iss;
	uint32_t una, nxt;       /* of what is sent here */
	uint32_t edge;           /* as far as the engine's window goes */
	uint32_t rcv_nxt, acked; /* what has come, and what was acknowledged of it */
	struct range ooo[CLIENT_RANGES];
	unsigned int n_ooo;
	uint32_t win;            /* bytes */
	uint32_t ts_base, ts_recent;
	bool ece;
};

/* A segment to be built; zero is the usual. */
struct segment {
	uint32_t seq, ack, len;
	uint32_t win;
	uint16_t urg;
	uint8_t flags, dscp, ce;
	bool no_ts, any_ts;
	int32_t ts_off, echo_off;
	struct range sack[4];
	unsigned int n_sack;
};

void client_draw(struct client *c); /* a connection, the next on its port or the first */
uint32_t client_mss(const struct client *c);
/* As it should be: everything acknowledged, len bytes from nxt on. */
struct segment client_next(const struct client *c, uint32_t len);
void client_syn(struct client *c, bool again);
void client_send(struct client *c, const struct segment *seg);
/* What the engine sent. */
void client_take(struct twin *tw, const struct frame *f);
void client_too_big(struct client *c, uint16_t mtu);
void client_arp(struct twin *tw, const struct frame *f);
/* A host's address, of the session's family. */
void twin_host(const struct twin *tw, uint8_t to[16], unsigned int host);

/* ---- a session (session.c) ---- */

struct twin {
	uint64_t seed, now, start;
	struct rng r;
	struct side side[2];
	struct client client[TWIN_CLIENTS];
	unsigned int n_clients;
	/* What waits to be input, one burst. */
	struct frame burst[ENGINE_BURST_MAX];
	uint32_t cut[ENGINE_BURST_MAX]; /* so long is the first mbuf; 0: there is one */
	unsigned int n_burst;
	uint32_t odd, loss, far; /* of 1000: strange segments, lost ones, long waits */
	bool narrow, vouched;    /* the port has little room; it checks sums */
	bool v6;                 /* of odd seeds */
	unsigned int step;
	uint64_t packets_in, packets_out; /* of all sessions */
	jmp_buf failed;
	bool verbose;
};

/* False: the two differ, and it was said how. */
bool twin_run(struct twin *tw, uint64_t seed);
void twin_turn(struct twin *tw);

/* ---- what has to be the same (compare.c) ---- */

void compare_frames(struct twin *tw);
void compare_state(struct twin *tw);
void __attribute__((noreturn, format(printf, 2, 3))) differ(struct twin *tw, const char *how, ...);
void show_frame(const char *who, const struct frame *f);

#endif
