/*
 * The simulator: two engines, a client and a server, and a wire between them, in virtual time. Frames
 * go from mbuf to bytes to mbuf, so each engine has memory of its own. The same seed gives the same
 * run, frame by frame.
 *
 * A run: sim_init, set what is not to be the default (hosts, links, flows, actions), sim_run. Both ends
 * of a flow send the bytes of a pattern and check every byte that arrives; the oracles (oracle.c) look
 * at the engines and at every frame while it runs, and at what is left at the end. What they find ends
 * the process with the seed, unless sim.quiet collects it (rows).
 */
#ifndef PIER_TESTS_SIM_H
#define PIER_TESTS_SIM_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "base/units.h"
#include "engine/engine.h"
#include "link.h"
#include "pkt/parse.h"
#include "tcp/tcp.h"

#define SIM_FLOWS   8
#define SIM_ACTIONS 16
#define SIM_PORT    80
#define SIM_LOCAL   40000 /* flow i is from this port + i */
#define SIM_T0      (1000 * US_PER_SEC)
#define SIM_HELD    64    /* mbufs that a port which holds them has in its ring */

enum { CLIENT, SERVER };

struct sim;
struct flow;

/* When an end of a flow sends its FIN. */
enum sim_fin {
	FIN_WHEN_SENT, /* as soon as everything was written: half-close */
	FIN_AT_EOF,    /* and the peer's FIN was read */
};

/* One end of a flow: what its application does, and what happened. */
struct end {
	struct flow *flow;
	unsigned int side;
	/* Set before the run. */
	uint64_t total;              /* bytes to send */
	uint32_t write_lo, write_hi; /* bytes in one write */
	uint64_t write_gap;          /* us between writes, 0: none */
	uint32_t read_lo, read_hi;   /* bytes in one read; read_gap 0: whatever there is */
	uint64_t read_gap;
	enum sim_fin fin;
	uint64_t abort_at;           /* reset when so many bytes came; UINT64_MAX: never */
	bool copies;                 /* pier_send, not pier_send_static */
	bool nodelay;

	uint64_t id;
	unsigned int opens, closes;
	bool eof, shut, aborted, reading;
	enum pier_close_reason why;
	uint64_t tx, rx;             /* bytes written and read */
	uint64_t opened_at, closed_at, last_rx_at, write_at, read_at;
	/* Of the oracle. */
	uint32_t una;
	uint64_t progress;           /* us */
	bool edge_known;
	uint32_t edge, ack;          /* highest announced */
	uint8_t shift;
};

struct flow {
	struct sim *s;
	unsigned int index;
	struct end end[2]; /* CLIENT, SERVER */
	uint64_t start;    /* us from the run's begin */
	bool connecting;
	bool other;        /* opened with the client's other congestion control */
	uint64_t salt;     /* of its pattern */
};

struct host {
	struct sim *s;
	unsigned int id;
	struct engine *e;
	struct engine_config conf;
	struct engine_port port;
	struct pkt_port cap;
	struct engine_address addr;
	struct tcp_options tcp;
	const struct pier_handler *handler;
	void *settings; /* NULL: the host itself */
	struct listener listener, other; /* other: of a client, for flows that say so */
	uint32_t other_congestion;
	struct counters ctr;
	int version, other_version;
	bool rx_vouched; /* the port verifies sums and says so */
	bool busy;       /* something arrived in this instant */
	struct rte_mbuf *burst[ENGINE_BURST_MAX];
	unsigned int n_burst;
	struct rte_mbuf *held[SIM_HELD]; /* the ring of a port that holds mbufs */
	struct frame *held_copy[SIM_HELD];
	unsigned int held_next;
	struct { void *at; size_t bytes; } mem[64];
	unsigned int n_mem;
	uint64_t mbufs_max, blocks_max;
};

/* Something that happens to the run at a time. */
struct action {
	uint64_t at; /* us from the begin */
	void (*run)(struct sim *s, uint64_t arg);
	uint64_t arg;
};

struct sim {
	uint64_t seed;
	bool v6;             /* the hosts speak IPv6 */
	uint64_t begin;      /* us, when it started */
	struct wire wire;
	struct host host[2];
	struct flow flow[SIM_FLOWS];
	unsigned int n_flows;
	struct action action[SIM_ACTIONS];
	unsigned int n_actions, next_action;
	uint64_t check_every;  /* events between looks at the connections' invariants */
	uint64_t events;
	uint64_t deadline;     /* us from the begin: the run must be over */
	uint64_t link_up_at;   /* stalls count from here */
	uint64_t stall_ms;     /* longest pause seen */
	bool no_stall_check;
	/* Called after each event, if set. */
	void (*watch)(struct sim *s, void *arg);
	void *watch_arg;
};

/* ---- world.c: life, hosts, time ---- */

/* EAL and pools, once. Exits on failure. */
void sim_start(void);
/* Hosts, links and options as by default: 100 Mbit/s, 40 ms, one BDP of queue; no flows. */
void sim_init(struct sim *s, uint64_t seed);
/* Another flow, 1 MB each way. A run without flows is its handlers' own: only engine_check looks at it. */
struct flow *sim_flow(struct sim *s);
/* At a time after the begin; in order. */
void sim_at(struct sim *s, uint64_t at, void (*run)(struct sim *s, uint64_t arg), uint64_t arg);
/* Begin when the first flow's ISN at a side is that far before its wrap, or little less. */
void sim_wrap_isn(struct sim *s, unsigned int side, uint32_t before);
/* Make the engines; sim_run does it if it was not done. */
void sim_open(struct sim *s);
/* Run until all flows are over, then until TIME-WAIT is; check, and free everything. */
void sim_run(struct sim *s);
/* The same in parts: one event; false: nothing will happen any more. */
bool sim_step(struct sim *s);
bool sim_finished(const struct sim *s);
/* End it where it is: no flow needs to be over, but no mbuf may be lost. */
void sim_close(struct sim *s);
uint64_t sim_elapsed(const struct sim *s);
/* Both directions of the path. */
void sim_path(struct sim *s, double bits_per_s, uint64_t rtt, uint32_t queue);

/* ---- app.c ---- */

extern const struct pier_handler sim_handler;
void app_start(void); /* the pattern */
/* The engine's connection of an end, NULL: not open. */
struct tcp_conn *end_conn(const struct end *e);
bool end_over(const struct end *e);

/* ---- oracle.c ---- */

_Noreturn void sim_fail(const struct sim *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void oracle_event(struct sim *s);
/* A host sent f. */
void oracle_frame(struct sim *s, const struct host *h, const struct frame *f);
/* All flows are over; what they delivered. */
void oracle_flows(struct sim *s);
/* TIME-WAIT is over: nothing is left. */
void oracle_end(struct sim *s);
void sim_describe(const struct sim *s, FILE *out);

/* ---- draw.c ---- */

/* Everything about a run from its seed. */
void sim_draw(struct sim *s, uint64_t seed);

#endif
