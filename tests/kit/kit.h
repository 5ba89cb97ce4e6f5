/*
 * The kit: an engine with a fake clock, a scripted peer that speaks in segments, and a scripted
 * handler that stands for the application. What the tests in wire/ and sim/ are written in.
 *
 * A test gets a fresh struct kit (KIT_TEST), may change its configuration, and starts it with the
 * first kit_peer. Sequence numbers are relative to the two ISNs: the peer's SYN is 0 and its first
 * byte 1; so it is for the engine, once its SYN-ACK was seen. Payload is a fixed pattern of the
 * stream's offset, both ways, so that every byte is checked without a test saying so.
 *
 * Every frame the engine sends is checked in full (addresses, lengths, both checksums, DF, padding,
 * options where they are allowed) and then waits in a queue for kit_expect. Time stands still but in
 * kit_advance. After each test everything is reset, time runs until TIME-WAIT is over, and then no
 * record, block, mbuf or unpaired open callback may be left.
 *
 * A run is of one family: IPv4, or IPv6 with KIT_IP=6 in the environment. Addresses are 16 bytes, IPv4 as
 * ::ffff:a.b.c.d; kit_host and kit_far give those of the run's family, and what else differs has a name
 * here too (ip.c). KIT_OFFLOAD=1: the port sums what is sent.
 *
 * KIT_PCAP=file writes all frames of a run to file. KIT_T0=us is where the clock starts, so that the
 * same tests can run across its wraps; KIT_SKEW=us makes it go back by so much between the engine's
 * calls of one turn, as the clocks of two cores do.
 */
#ifndef PIER_TESTS_KIT_H
#define PIER_TESTS_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/seq.h"
#include "base/units.h"
#include "engine/engine.h"
#include "pkt/parse.h"
#include "wire/arp.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/icmp6.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/sum.h"
#include "wire/tcp.h"
#include "wire/tcp_opt.h"

#define V4(a, b, c, d) BE32((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

/* The same hosts, of IPv4 and of the run's family: for kit_host. */
#define KIT_SERVER V4(198, 18, 0, KIT_SERVER_HOST)
#define KIT_SECOND V4(198, 18, 0, KIT_SECOND_HOST)
#define KIT_CLIENT V4(198, 18, 0, KIT_CLIENT_HOST)
#define KIT_CLIENT_HOST 1
#define KIT_SERVER_HOST 2
#define KIT_SECOND_HOST 3 /* the engine's other address */
#define KIT_T0     kit_t0()
#define KIT_PEERS  1100
#define KIT_MBUFS  8191
#define KIT_RESERVE 32 /* of these, what each engine keeps in reserve */
#define KIT_PORT   80 /* where kit_start listens */

#define MS US_PER_MS
#define SEC US_PER_SEC

/* Short names, as they read well in a script. */
enum {
	FIN = TCP_FIN,
	SYN = TCP_SYN,
	RST = TCP_RST,
	PSH = TCP_PSH,
	ACK = TCP_ACK,
	URG = TCP_URG,
	ECE = TCP_ECE,
	CWR = TCP_CWR,
};

extern const uint8_t kit_mac[6], kit_peer_mac[6];
extern struct rte_mempool *kit_mp, *kit_indirect;

struct kit;
struct kit_peer;

/*
 * The application's side of one peer's connections. The first part is set by the test, before the
 * event it concerns; the second is what happened.
 */
struct kit_app {
	struct kit *k;
	bool echo;             /* send back what arrives */
	bool half_open_on_eof; /* do nothing at EOF; otherwise pier_close */
	bool any;              /* what arrives is not the pattern */
	bool statics;          /* send with pier_send_static (below KIT_STATIC bytes) */
	uint64_t take;         /* bytes that may still be consumed; UINT64_MAX: all */
	uint64_t on_open;      /* bytes to send at open */
	uint64_t on_data;      /* bytes to send for each data callback */
	uint64_t on_eof;
	bool close_on_open, abort_on_open, close_on_data, abort_on_data, shutdown_on_open;
	uint64_t timer_on_open; /* us */
	uint64_t piece;         /* send in calls of so many bytes; 0: 4096 */

	uint64_t id;
	bool at_eof;
	unsigned int troubles[16]; /* by enum pier_trouble */
	unsigned int opens, closes, eofs, timers, datas, writables;
	unsigned int connects; /* active opens, failed ones included */
	unsigned int failed;   /* of these ended without open */
	bool is_open, pending; /* pending: an active open, until its close */
	enum pier_close_reason why;
	uint64_t rx;           /* bytes consumed */
	uint64_t waiting;      /* offered and not consumed, at the last callback */
	uint64_t want, tx;     /* bytes to send, and accepted so far */
	unsigned int urgents;  /* urgent callbacks, of listeners with kit.urgent */
	uint64_t urgent_left;  /* at the last of them, or kit_app_urgent_left */
};

#define KIT_STATIC (1u << 26)

/* A segment, sent or received. Numbers relative; len bytes of the pattern are its payload. */
struct seg {
	uint8_t flags;
	uint32_t seq, ack, len;
	uint16_t win; /* of a received segment, as on the wire */

	/* To be sent; received: what opts says. */
	struct tcp_opts opts;
	struct tcp_sack_block sack[TCP_SACK_MAX];

	/* Only to be sent. */
	uint32_t tsval, tsecr;   /* 0: the peer's clock, and the last TSval it saw */
	bool no_ts;              /* although negotiated */
	const uint8_t *raw;      /* options as they are, instead of any other; multiple of 4 */
	unsigned int raw_len;
	const void *data;        /* payload instead of the pattern */
	bool bad_sum;
	uint16_t urg;
	uint8_t reserved;        /* bits of the header that must be zero */

	uint8_t tos, ttl;        /* sent: ttl 0 is 64 */

	/* Only of received segments. */
	uint64_t at;             /* when it was sent */
	uint16_t mss;
	uint16_t ip_id, ip_frag; /* host order; of IPv6 0 and IP4_DF: no router makes fragments */
	uint32_t label;          /* of IPv6 */
};

enum kit_offer {
	OFFER_TS = 1 << 0,
	OFFER_SACK = 1 << 1,
	OFFER_WS = 1 << 2,
	OFFER_ALL = 7,
	OFFER_NO_MSS = 1 << 3,
	OFFER_ECN = 1 << 4,
};

/* The flow label that the engine's last segment had, and of which connection it was. */
struct kit_label {
	uint8_t addrs[32];
	uint32_t ports, label;
};

/* The other end of one 4-tuple. */
struct kit_peer {
	struct kit *k;
	uint8_t addr[16], server[16];
	uint16_t port, dport;  /* host order */
	uint32_t isn, iss;     /* iss: the engine's, once known */
	bool iss_known;
	unsigned int offer;    /* enum kit_offer, for kit_syn */
	uint16_t mss;
	uint8_t ws;            /* shift offered */
	uint16_t win;          /* window field of what is sent */
	bool may_fragment;     /* packets to it may come without DF */
	bool ts;               /* timestamps agreed on */
	bool sack_agreed, ws_agreed;
	uint8_t peer_ws;       /* the engine's shift */
	uint32_t ts_base, ts_recent;
	uint32_t last_ack, last_win; /* of the engine's last segment, as on the wire */
	struct kit_label label;
	struct kit_app app;
};

/* A frame that the engine sent. */
struct kit_frame {
	uint64_t at;
	uint16_t port;
	uint32_t len;
	uint8_t *bytes;
};

struct kit {
	struct engine *e;
	struct engine_config conf;
	struct engine_port ports[2];
	struct pkt_port cap[2];
	struct engine_address addrs[4];
	bool urgent;            /* listeners have an urgent callback */
	struct tcp_options tcp; /* of the listeners made after a change; rcvbuf 65535 */
	struct counters ctr;
	uint64_t now, skew;

	struct listener listeners[8];
	int versions[8];
	unsigned int n_listeners;
	struct kit_peer *peers[KIT_PEERS];
	unsigned int n_peers;

	struct kit_frame *queue;
	uint32_t q_head, q_tail, q_size;
	/* Instead of the queue, if set: frames of TCP go here. */
	void (*sink)(void *arg, struct kit_frame *f);
	void *sink_arg;

	struct rte_mbuf *burst[ENGINE_BURST_MAX];
	unsigned int n_burst;
	bool bursting;
	bool glance; /* bursts go through engine_refuse first, as a worker's do under pressure */
	uint64_t injected;
	uint64_t acks, updates; /* empty ACKs; of them those that only open the window */
	bool unchecked;    /* no look at every connection after each turn: there are many */
	uint64_t rx_flags; /* ol_flags of what arrives: what the port says of its checksums */

	int client;             /* version of kit_connect */
	bool has_client;
	struct kit_peer *ctl;   /* a connection by whose callbacks kit_app_* act */
	struct kit_peer *target;
	void (*op)(struct pier_conn *c, struct kit_app *a, uint64_t arg);
	uint64_t op_arg;

	void *mem[64];
	unsigned int n_mem;
};

/* ---- life (kit.c) ---- */

bool kit_eal(const char *mib); /* on CPU 0, without huge pages, with so much memory */
int kit_main_start(void); /* EAL and pools; 0 or -1 */
int kit_group_setup(void **state);
int kit_setup(void **state);
int kit_teardown(void **state);

/* Run the tests that are there for the run's family, in a process that has nothing else to do. */
int kit_run(const char *name, const struct CMUnitTest *tests, size_t n);

extern char kit_only_v4, kit_only_v6;

#define KIT_TEST(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)
/* Of what only IPv4 has, or only IPv6. */
#define KIT_TEST4(f) {#f, f, kit_setup, kit_teardown, &kit_only_v4}
#define KIT_TEST6(f) {#f, f, kit_setup, kit_teardown, &kit_only_v6}
#define KIT_RUN(name, tests) kit_run(name, tests, ARRAY_SIZE(tests))
#define KIT_MAIN(tests) \
	int main(void) { return KIT_RUN(#tests, tests); }

struct kit *kit_new(void);
uint64_t kit_t0(void);
/* Create the engine and listen on KIT_PORT of any address, unless it was done. */
void kit_start(struct kit *k);
/* Congestion control by name, for listeners made after this; the default is the engine's own. */
void kit_congestion(struct kit *k, const char *name);
/* Listen with k->tcp; local is an address index or LISTENER_ANY. Returns the version. */
int kit_listen(struct kit *k, uint16_t port, uint32_t local);
/* Reset everything, let time pass, check that nothing is left, free. */
void kit_close(struct kit *k);

#define KIT_SEGMENTS 1024 /* of one packet, at most */

/*
 * The segments of a packet that the port was to cut, in place of it; or it alone. (gso.c) Asserts that it was to be
 * cut into two at least. What headers and references are made of comes from mp and indirect.
 */
unsigned int kit_cut_segments(struct rte_mbuf *m, struct rte_mempool *mp, struct rte_mempool *indirect,
			      struct rte_mbuf *out[KIT_SEGMENTS]);

/* ---- time and frames ---- */

/* Input what is pending, and run the engine until it has nothing to do at this time. */
void kit_turn(struct kit *k);
/* Let time pass, with a turn whenever the engine wants one. */
void kit_advance(struct kit *k, uint64_t us);
void kit_advance_to(struct kit *k, uint64_t at);
/* A whole frame arrives; in a burst it waits for the end of it, else a turn runs. */
void kit_inject(struct kit *k, const void *frame, uint32_t len);
/* The same, in a chain of n + 1 mbufs, cut before each of the n offsets. */
void kit_inject_cut(struct kit *k, const void *frame, uint32_t len, const uint32_t *cuts,
		    unsigned int n);
void kit_burst_begin(struct kit *k);
void kit_burst_end(struct kit *k);
/* The oldest frame not taken yet, NULL: none. Valid until the next call; the queue loses it. */
struct kit_frame *kit_frame_next(struct kit *k);
void kit_quiet(struct kit *k);                  /* assert that no frame waits */
void kit_silence(struct kit *k, uint64_t us);   /* none now, and none for that long */
void kit_drain(struct kit *k);                  /* forget what waits */
/* Empty ACKs that were sent, but for keep-alive probes. */
uint64_t kit_acks(const struct kit *k);
uint64_t kit_ctr(const struct kit *k, enum counter c);
struct engine_usage kit_usage(const struct kit *k);

/* ---- what differs by family (ip.c) ---- */

bool kit_v6(void); /* the run is of IPv6 */
/* An address of the run's family: host n of the engine's prefix, or one behind a gateway. */
void kit_host(uint8_t to[16], unsigned int n);
void kit_far(uint8_t to[16], unsigned int n);
/* An IPv4 address in network order as all addresses are. */
void kit_v4(uint8_t to[16], uint32_t addr);
bool kit_is_far(const uint8_t addr[16]);
bool kit_same(const uint8_t a[16], const uint8_t b[16]);

static inline bool kit_is_v4(const uint8_t addr[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(addr, mapped, sizeof(mapped)) == 0;
}

/* Octets of the run's IP header, and where TCP's begins in a frame. */
static inline unsigned int kit_l3_len(void)
{
	return kit_v6() ? IP6_HDR_LEN : IP4_HDR_LEN;
}

static inline unsigned int kit_l4(void)
{
	return ETH_HDR_LEN + kit_l3_len();
}

/* The MSS of an MTU: RFC 9293 section 3.7.1. */
static inline uint16_t kit_mss(uint16_t mtu)
{
	return (uint16_t)(mtu - kit_l3_len() - TCP_HDR_LEN);
}

static inline uint16_t kit_default_mss(void)
{
	return kit_v6() ? 1220 : 536;
}

/* The MTU by which a segment is as long as one of IPv4 by that one. */
static inline uint16_t kit_mtu(uint16_t v4)
{
	return (uint16_t)(v4 + kit_l3_len() - IP4_HDR_LEN);
}

/* An IP header with what follows: l4_len octets at l4. Host order. */
struct kit_ip {
	const uint8_t *l4;
	unsigned int hdr_len;
	uint32_t l4_len, label;
	uint16_t id, frag; /* of IPv4 */
	uint8_t proto, tos, ttl;
	uint8_t saddr[16], daddr[16];
};

/* Of a frame; false: it has none. */
bool kit_take_ip(const uint8_t *frame, struct kit_ip *to);
/* Written at l3, by the family of the destination; returns its length. */
unsigned int kit_put_ip(uint8_t *l3, const struct kit_ip *ip);
/* The TCP header of a frame; NULL: it has none. The octets behind it. */
const struct tcp_hdr *kit_tcp(const uint8_t *frame);
uint32_t kit_payload(const uint8_t *frame);
/* All checksums of a frame of TCP are right. */
bool kit_sum_ok(const uint8_t *frame);
/* Other addresses for a frame of the run's family; NULL: as it is. */
void kit_set_addrs(uint8_t *frame, const uint8_t saddr[16], const uint8_t daddr[16]);
void kit_set_ttl(uint8_t *frame, uint8_t ttl);
/* The length of what follows the IP header, as that says it. */
void kit_set_l4_len(uint8_t *frame, uint16_t len);
/* Recompute the checksums of a frame of TCP, or of ICMPv6. */
void kit_sums(uint8_t *frame);
void kit_icmp6_sum(uint8_t *frame);
/* All that IP says of a segment to p. */
void kit_check_ip(struct kit_peer *p, const struct kit_frame *f, const struct kit_ip *ip);
void kit_nic_finish(const struct rte_mbuf *m, uint8_t *frame, uint32_t len);

/* Whether f asks for a neighbour, by ARP or Neighbor Discovery, and for which. */
bool kit_asks(const struct kit_frame *f);
void kit_asked(const struct kit_frame *f, uint8_t addr[16]);
/* from, at mac, asks for to; or answers it that it is there. */
void kit_ask(struct kit *k, const uint8_t mac[6], const uint8_t from[16], const uint8_t to[16]);
void kit_answer(struct kit *k, const uint8_t from[16], const uint8_t to[16]);
/* Answer the requests that stand first in the queue, if any do. */
void kit_arp(struct kit *k);

/* ---- segments (seg.c) ---- */

uint8_t kit_pattern(uint64_t offset);
/* A new peer with a port and ISN of its own, to KIT_PORT of the engine's first address. */
struct kit_peer *kit_peer(struct kit *k);
/* The frame of a segment; returns its length. buf has 10000 bytes. */
uint32_t kit_build(struct kit_peer *p, const struct seg *s, uint8_t *buf);
/* Check and take apart a frame; the payload must be the pattern if iss is known. */
struct seg kit_parse(struct kit_peer *p, const struct kit_frame *f);
void kit_send_seg(struct kit_peer *p, const struct seg *s);
struct seg kit_expect_seg(struct kit_peer *p, const struct seg *want, const char *file, int line);
/* The next segment, whatever it is. */
struct seg kit_take(struct kit_peer *p);
bool kit_has(struct kit *k);

#define send_seg(p, ...) kit_send_seg(p, &(struct seg){__VA_ARGS__})
/* The next frame is this segment: flags, seq, ack and len. PSH only matters if asked for. */
#define expect(p, ...) kit_expect_seg(p, &(struct seg){__VA_ARGS__}, __FILE__, __LINE__)

/* SYN with what p offers. */
void kit_syn(struct kit_peer *p);
/* SYN-ACK checked and learnt from. */
struct seg kit_synack(struct kit_peer *p);
/* Handshake: the application has seen open, nothing waits. */
void kit_open(struct kit_peer *p);
/* A peer without options but MSS, or with all of them; open. */
struct kit_peer *kit_plain(struct kit *k);
struct kit_peer *kit_est(struct kit *k);

/* ---- active opens: the peer is the server (connect.c) ---- */

/*
 * engine_connect to p, with k->tcp of the first such call; from and port (0: chosen) are the local
 * end. Returns what it returned; p->dport is then the local port, but for an ephemeral one.
 */
int kit_connect_from(struct kit_peer *p, uint32_t local, uint16_t port);
/* The SYN: checked and learnt from. */
struct seg kit_take_syn(struct kit_peer *p);
/* All three, from any address and port, without failure. */
struct seg kit_connect(struct kit_peer *p);
/* Options of a SYN-ACK: what both offer. */
struct tcp_opts kit_answer_opts(const struct kit_peer *p);
/* That SYN-ACK. */
void kit_accept(struct kit_peer *p);
/* kit_connect, and the SYN-ACK and its ACK: the application has seen open, nothing waits. */
void kit_active(struct kit_peer *p);

/* ---- a router on the way (icmp.c) ---- */

/*
 * ICMP, or ICMPv6 with its own types and codes, about a packet of len bytes that went to p, whose payload begins
 * at seq.
 */
void kit_icmp(struct kit_peer *p, uint8_t type, uint8_t code, uint16_t mtu, uint32_t seq,
	      uint16_t len);
/* Packet too big; mtu 0: not said. */
void kit_too_big(struct kit_peer *p, uint16_t mtu, uint32_t seq, uint16_t len);

/* ---- the application (app.c) ---- */

extern const struct pier_handler kit_handler, kit_urgent_handler;
void kit_app_send(struct kit_peer *p, uint64_t n);
void kit_app_close(struct kit_peer *p);
void kit_app_shutdown(struct kit_peer *p);
void kit_app_abort(struct kit_peer *p);
void kit_app_read(struct kit_peer *p, uint64_t n);
void kit_app_nodelay(struct kit_peer *p, bool on);
void kit_app_timer(struct kit_peer *p, uint64_t us);
void kit_app_send_urgent(struct kit_peer *p, uint64_t n);
uint64_t kit_app_urgent_left(struct kit_peer *p);
void kit_app_cork(struct kit_peer *p, bool on);
void kit_app_flush(struct kit_peer *p);

/* ---- memory that runs out (fault.c) ---- */

/*
 * From now on every nth allocation of the engine fails: 1 all, 0 none. Until that is over the frames that
 * arrive are the wire's as well, so that the engine cannot use them again.
 */
extern unsigned int kit_fail_mbufs, kit_fail_slab;
/* What goes back to the mempools is overwritten. */
extern bool kit_poison;
/* An mbuf for a frame on the wire: never fails for these. */
struct rte_mbuf *kit_wire_mbuf(void);
void kit_wire_keep(struct rte_mbuf *m);
/* The operations of the kit's mempools. */
#define KIT_MEMPOOL_OPS "kit"
/* Any other call of the handler API, by a function of the test's. */
void kit_app_call(struct kit_peer *p, void (*op)(struct pier_conn *, struct kit_app *, uint64_t),
		  uint64_t arg);
void kit_app_reset(struct kit_app *a); /* a new connection's streams */
void kit_app_init(struct kit_app *a, struct kit *k);

/* ---- states (states.c) ---- */

struct kit_state {
	const char *name;
	void (*go)(struct kit_peer *p); /* from ESTABLISHED; all that is sent is taken */
	uint32_t seq, ack;              /* of the engine's challenge ACK there */
	bool app_hears;                 /* a reset is told */
};

#define KIT_STATES      7 /* TIME-WAIT is the last */
#define KIT_CONN_STATES 6

extern const struct kit_state kit_states[KIT_STATES];
/* A plain connection in that state. */
struct kit_peer *kit_in_state(struct kit *k, const struct kit_state *st);

/* ---- pcap (pcap.c) ---- */

void kit_pcap_open(const char *file);
void kit_pcap_write(uint64_t at, const uint8_t *frame, uint32_t len);

#endif
