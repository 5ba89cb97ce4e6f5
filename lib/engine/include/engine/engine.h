/*
 * The engine: one worker's TCP stack as a machine that is handed packets and time and hands packets
 * back. It does no I/O, reads no clock, has no globals, starts no thread and logs nothing.
 *
 * All calls are for the one thread that owns the engine, except engine_size, which is pure. now is
 * in microseconds, from any origin, and should not go back (a step back is taken as no step).
 *
 * A turn of the owner's loop:
 *      n = rte_eth_rx_burst(); pkt_parse_burst(); engine_input();
 *      for each port: n = engine_output(); rte_eth_tx_burst();
 *      engine_tick(); and once in a while the control ring.
 */
#ifndef PIER_ENGINE_H
#define PIER_ENGINE_H

#include <rte_mbuf.h>

#include "base/counter.h"
#include "net/net.h"
#include "pkt/cap.h"
#include "pkt/facts.h"
#include "tcp/listener.h"

#define ENGINE_PORTS_MAX     16
#define ENGINE_BURST_MAX     64    /* packets in one engine_input */
#define ENGINE_LISTENERS_MAX 65536 /* versions alive at once */

struct engine;
struct tcp;

enum engine_neighbor {
	ENGINE_NEIGHBOR_RESOLVE, /* ARP */
	ENGINE_NEIGHBOR_REFLECT, /* answer to the frame's source MAC, for peers that answer no ARP */
};

/* What is said of a port's addresses at start (RFC 5227; of IPv6 RFC 4862 section 5.4 and RFC 4861 section 7.2.6). */
enum engine_announce {
	ENGINE_ANNOUNCE_OFF,    /* nothing: they are in use at once */
	ENGINE_ANNOUNCE,        /* IPv4: two gratuitous ARPs, 2 s apart; IPv6: as PROBE, which takes a second */
	ENGINE_ANNOUNCE_PROBE,  /* three probes before, IPv6 one; an address with an owner is not used */
	ENGINE_ANNOUNCE_AWAIT,  /* another worker probes: not used until its news come */
	ENGINE_ANNOUNCE_AWAIT6, /* another announces: the same, but of IPv6 only */
};

/*
 * The other engines, where several share addresses: each flow is one worker's, and each worker has
 * tables of its own. Called from inside of the engine's calls, none of it on the way of a segment
 * that arrives whole at its owner.
 */
struct engine_peers {
	void *arg;
	/* m, a segment completed from fragments: true if it is another worker's, and m is gone. */
	bool (*pass_segment)(void *arg, struct rte_mbuf *m, struct pkt_facts *f);
	/* An ICMP error: true if it is about another worker's connection, and was passed on. */
	bool (*pass_error)(void *arg, const struct net_icmp_error *err);
	/* News that all others are to hear by engine_hear; false: one of them will not. */
	bool (*tell)(void *arg, const struct net_news *news);
	/*
	 * Whether what the peer answers comes back to this worker: remote, the peer's port and ours,
	 * in network order; local is our address.
	 */
	bool (*comes_home)(void *arg, uint16_t port, const uint8_t remote[16],
			   const uint8_t local[16], uint16_t remote_port, uint16_t local_port);
};

/* An address of a port. Its place in engine_config.addresses is its "local index". */
struct engine_address {
	uint16_t port;      /* DPDK port id */
	uint8_t prefix;     /* length, 0..32, of IPv6 0..128 */
	uint8_t addr[16];   /* IPv4 as ::ffff:a.b.c.d */
};

struct engine_port {
	uint16_t id;                /* DPDK port id, < ENGINE_PORTS_MAX */
	const struct pkt_port *cap; /* outlives the engine */
	uint32_t gateway;           /* IPv4, network order, 0: none */
	uint8_t gateway6[16];       /* IPv6, all 0: none */
	enum engine_neighbor neighbor;
	enum engine_announce announce;
};

struct engine_config {
	uint16_t worker;             /* goes into connection ids */
	uint16_t workers;            /* how many share the addresses; 0: one */
	const struct engine_peers *peers; /* the others; outlives the engine. NULL: there are none */
	struct counters *counters;   /* this worker's block; outlives the engine */
	const struct engine_port *ports;
	unsigned int n_ports;
	const struct engine_address *addresses;
	unsigned int n_addresses;

	uint32_t max_connections;    /* established and closing */
	uint32_t max_half_open;
	uint32_t max_time_wait;
	uint32_t max_orphans;        /* closed here, not all acknowledged; 0: no limit */
	uint64_t time_wait_us;       /* 2 MSL, RFC 9293 section 3.6.1 */
	uint64_t block_bytes;        /* hot blocks, queues' overflow: a connection at work */
	uint32_t max_paths, max_neighbors;
	uint64_t reassembly_bytes;
	uint32_t rst_rate, icmp_rate; /* per second */

	struct rte_mempool *pool;     /* for packets built here: 2176 bytes of data room or more */
	struct rte_mempool *indirect; /* mbufs without data room, for references to payload */
	uint32_t mbuf_share;          /* received mbufs that connections may hold at most; 0: no limit */

	/*
	 * Memory for the engine's life: zeroed, cache-line aligned, may be committed lazily. Called
	 * by engine_create only; what names the use ("records"). NULL: engine_create fails.
	 */
	void *(*alloc)(void *arg, size_t bytes, const char *what);
	void *alloc_arg;

	/*
	 * A fast counter, read before and after the callbacks of a burst for the statistics, and its
	 * rate. NULL: not wanted; nothing else depends on it.
	 */
	uint64_t (*ticks)(void);
	uint64_t ticks_per_us;

	uint8_t secret[64];           /* from the system's random generator; copied */
};

/*
 * What a configuration costs: the memory contract. Bytes. An idle connection takes
 * per_idle_connection, and a block more if it has set a TTL, keep-alive or timeout of its own.
 */
struct engine_contract {
	uint64_t records, small_records, table, wheel, blocks, fixed, total;
	double per_idle_connection;   /* record + table share + wheel share */
	double per_time_wait;
	uint32_t block;               /* one hot block */
	uint32_t max_blocks;
};

void engine_size(const struct engine_config *cfg, struct engine_contract *out);

/* NULL on failure: err says which part of the configuration cannot be had. */
struct engine *engine_create(const struct engine_config *cfg, uint64_t now, char *err,
			     size_t errlen);

/*
 * Reset what is left without sending, run the outstanding close callbacks, give back every mbuf. The
 * memory from alloc is the caller's to free.
 */
void engine_destroy(struct engine *e, uint64_t now);

/*
 * Listener versions. l is immutable and the caller's; the engine knows it from engine_listen until
 * the version is closed and its last connection is gone, which may be long after. Then the version
 * is free by itself, its number means nothing any more, and engine_listener_users says 0: only then
 * may the caller free l. Each call walks all versions; they are for configuration, not for traffic.
 *
 * engine_listen opens a version for new connections (RFC 9293 section 3.9.1.1). It never alters
 * another one: -EADDRINUSE if an open version has one of its ports on the same local address, or on
 * any address as l itself; -ENOSPC when the table of versions is full. An address of its own goes
 * before any address. Returns the version's number.
 */
int engine_listen(struct engine *e, const struct listener *l);

/*
 * l->chaos is set, and l stays where it is from now on: put what the faults need before its handler. Before
 * listener_prepare. Faults that begin with the handshake turn SYN cookies off.
 */
void engine_misbehave(struct listener *l);

/*
 * A change of configuration: l takes the place of an open version in one step, so that no SYN is
 * refused between them. Connections keep the version they were opened under. Returns the number of
 * the new version; on failure (-ENOENT: version is not open; or as engine_listen) nothing changed.
 */
int engine_relisten(struct engine *e, int version, const struct listener *l);

/* Take no new connections. Nothing if the version is gone. */
void engine_unlisten(struct engine *e, int version);

/* Connections that name the version, half-open ones included, and 1 if it is open; 0: it is gone. */
uint64_t engine_listener_users(const struct engine *e, int version);

/*
 * A version that takes no SYN: handler, settings and TCP options of active opens; its addresses and
 * ports mean nothing. Ended by engine_unlisten, and l must stay as with engine_listen. Returns the
 * version number, or -ENOSPC when the table of versions is full.
 */
int engine_client(struct engine *e, const struct listener *l);

struct engine_connect {
	uint8_t remote[16];   /* IPv4 as ::ffff:a.b.c.d */
	uint16_t remote_port; /* host order */
	uint32_t local;       /* index of the source address, or LISTENER_ANY: chosen by route */
	uint16_t local_port;  /* host order; 0: chosen by RFC 6056 from the version's range */
	int version;          /* from engine_client, engine_listen or engine_relisten */
	uint64_t ctx;         /* the first 8 bytes of the handler's context */
};

/*
 * Open a connection (RFC 9293 section 3.10.1): its SYN leaves with the next engine_output, or when
 * the next hop's address is known. *id is then its name for pier_get, and of each successful call
 * the version's handler hears close once: after open, if it came to that, else with the reason
 * PIER_CLOSE_REFUSED (the peer's RST) or PIER_CLOSE_TIMEOUT (no answer within syn-r2).
 *
 * Returns 0, or, with nothing sent and nothing kept:
 *   -EINVAL        remote is not a unicast address of another host, or remote_port or version is bad
 *   -EADDRNOTAVAIL local is no address in use, or every local port of the range is taken, or the
 *                  peer's answers to local_port would come to another worker
 *   -EADDRINUSE    there is a connection of these four already
 *   -EAGAIN        there is one in TIME-WAIT, too young to be reused: later it may (RFC 6191)
 *   -ENETUNREACH   no route, or all paths are in use
 *   -ENOMEM        no record, block or room in the table
 *   -ESHUTDOWN     the engine drains
 * Bounded by the number of ports in the range. May be called from inside a handler's callback.
 */
int engine_connect(struct engine *e, const struct engine_connect *req, uint64_t now, uint64_t *id);

/* Whether local, an address's index, may be connected from: not one still asked for, or that another host has. */
bool engine_local_ok(const struct engine *e, uint32_t local);

/* An address of ours that another host claims, too, as this engine heard it. */
struct engine_clash {
	uint32_t local; /* its index */
	uint8_t mac[6]; /* who did so last */
	bool used;      /* by us nevertheless; else it is not ours any more */
};

/* The first of them whose index is from or more. False: there is none. */
bool engine_clash(const struct engine *e, uint32_t from, struct engine_clash *clash);

struct pier_conn;

/*
 * A connection as its handler's callbacks see it, for the engine's owner: the calls of pier/handler.h
 * may be made on it, outside of callbacks too, until any engine_* call but this one. What they cause
 * (close callbacks, output) comes with engine_settle, which must follow them in the same turn. False: id
 * names no connection any more.
 */
bool engine_get(struct engine *e, uint64_t id, uint64_t now, struct pier_conn *c);

/* Carry out what calls on connections of engine_get ask for. Bounded by the number of these. */
void engine_settle(struct engine *e, uint64_t now);

/* Consumes the n mbufs; facts as pkt_parse_burst filled them, changed freely. Bounded by n. */
void engine_input(struct engine *e, struct rte_mbuf **pkts, struct pkt_facts *facts,
		  unsigned int n, uint64_t now);

/*
 * Whether there is a record of f's segment, or of the segment that err is about: for a worker that has
 * to find out whose it is. f is complete, as pkt_parse_burst filled it. O(1).
 */
bool engine_has(const struct engine *e, const struct pkt_facts *f);
bool engine_has_error(const struct engine *e, const struct net_icmp_error *err);

/* The local address with this index, IPv4 as ::ffff:a.b.c.d. */
void engine_local_addr(const struct engine *e, uint32_t local, uint8_t out[16]);

/* News of another worker, an ICMP error passed on among them. Bounded. */
void engine_hear(struct engine *e, const struct net_news *news, uint64_t now);

/*
 * Build at most max packets for the port and give them away in pkts; returns how many. What is not
 * pulled stays unsent and unstamped. For a port with PKT_TX_TSO some may be of several segments
 * (RTE_MBUF_F_TX_TCP_SEG): rte_eth_tx_prepare comes before rte_eth_tx_burst then, once for each packet. Bounded by max
 * and the listener's burst.
 */
unsigned int engine_output(struct engine *e, uint16_t port, struct rte_mbuf **pkts,
			   unsigned int max, uint64_t now);

/* Run due timers, at most budget of them; the others run in the next call, in order. */
void engine_tick(struct engine *e, uint64_t now, unsigned int budget);

/*
 * When engine_tick or engine_output has something to do, in microseconds; now if at once,
 * UINT64_MAX if nothing is due. For a loop that wants to sleep.
 */
uint64_t engine_next(const struct engine *e, uint64_t now);

/*
 * More comes than can be carried: of every ENGINE_REFUSE_ALL SYNs so many as refused says are dropped, evenly,
 * and counted as rx_syn_pressure, before anything is looked up for them but their listener: one to a connection
 * that is there may be among them, one to a closed port is not. The others are answered by cookie where the
 * listener allows cookies, else they are dropped too. Not on: refused is ignored.
 */
#define ENGINE_REFUSE_ALL 256
void engine_pressure(struct engine *e, bool on, unsigned int refused);

/*
 * Refuse of a burst as it was received on port what engine_pressure says, the cheapest that can be: by a glance at
 * the headers, before pkt_parse_burst, which is for the rest; so a SYN that is refused may be one that parsing would have
 * dropped. Compacts pkts, returns how many are left. They are to be the next to come to engine_input, be it none, which
 * then refuses none of them; what comes without having been here engine_input refuses itself.
 */
unsigned int engine_refuse(struct engine *e, uint16_t port, struct rte_mbuf **pkts, unsigned int n);

/*
 * The mtu in the cap of port id port has changed. From now on the MSS of a SYN or SYN-ACK says so,
 * and connections send no larger packet (RFC 9293 section 3.7.3); one that was opened over a smaller
 * MTU keeps what its handshake agreed on. Time in proportion to max_paths.
 */
void engine_port_mtu(struct engine *e, uint16_t port);

/*
 * Refuse new connections, reset half-open ones, and close each established one as pier_close does as soon as
 * nothing of it is under way: no data queued either way, no handler waiting to send. The others go on.
 * A bounded part is done here, the rest in engine_tick, as there is room for what has to be sent.
 */
void engine_drain(struct engine *e, uint64_t now);

/*
 * New random bits for initial sequence numbers, at once, and for SYN cookies, from their next period
 * on, so that no cookie becomes worthless (RFC 6528 section 3). A TIME-WAIT entry that is reused
 * still answers with a number above its last. The other keys stay for the engine's life: timestamp
 * offsets and the connection table's places depend on them.
 */
void engine_rekey(struct engine *e, const uint8_t secret[64]);

/* What is in use now. All zero but time_wait and neighbours' packets after a clean drain. */
struct engine_usage {
	uint64_t connections, half_open, time_wait;
	uint64_t opening;     /* of the connections, active opens not yet established */
	uint64_t block_bytes; /* of slab memory in use */
	uint64_t timers;      /* records with a timer; dead entries of the wheel are not counted */
	uint64_t mbufs_held;  /* received mbufs that queues refer to */
	uint64_t stalled;     /* connections whose peer's window is closed to waiting data */
	uint64_t orphans;     /* closed here, and FIN or data before it not acknowledged */
	uint64_t listeners;
};

void engine_usage(const struct engine *e, struct engine_usage *out);

/* What a server that stops has still to see to. O(1). */
struct engine_left {
	uint64_t connections, half_open;
	uint64_t packets; /* finished, waiting for engine_output */
};

struct engine_left engine_left(const struct engine *e);

/*
 * Reset what is left with RST (RFC 9293 section 3.10.5), used when a drain ran out of time: up to max records are
 * looked at, from where the last call stopped, and none is passed over before its RST has an mbuf and
 * room in its port's queue, which engine_output makes. True: that was the last. Bounded by max, close callbacks
 * included.
 */
bool engine_abort(struct engine *e, uint64_t now, unsigned int max);

/*
 * The same for all of them at once and without a word; returns how many peers were not told. For when there
 * is no more time. Bounded by the number of records ever used.
 */
uint64_t engine_abandon(struct engine *e, uint64_t now);

/* Check the books: every record reachable and counted, lists whole. NULL, or what is wrong. */
const char *engine_audit(const struct engine *e);

/*
 * The same, and the invariants of every connection (tcp_check): for tests, between any two calls.
 * Time in proportion to all that is queued.
 */
const char *engine_check(const struct engine *e);

/* The TCP inside, to look at and not to touch: for tests, traces and measurements. */
const struct tcp *engine_tcp(const struct engine *e);

#endif
