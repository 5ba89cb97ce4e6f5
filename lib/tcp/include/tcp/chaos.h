/*
 * Misbehaviour on purpose: what a listener does to its connections so that clients, and what stands between,
 * can be tested against a bad server.
 *
 * A fault is a key of a [listen] section, chaos-..., and stands beside any handler. Which connections it
 * hits is drawn once for each, from the seed, the fault and the two addresses and ports: the same client
 * port meets the same fate again, whatever else goes on, and faults are drawn independently.
 *
 * Nothing of it costs a connection without faults more than the flag TCP_F_SLOW, which is in the fast
 * path's guard anyway, and what the handshake asks of its listener. A connection with faults keeps its hot
 * block, and 64 bytes beside it, for as long as it lives. Each fault is counted when it happens.
 */
#ifndef PIER_TCP_CHAOS_H
#define PIER_TCP_CHAOS_H

#include "base/option.h"
#include "tcp/record.h"

/* What the value of a fault's key is. */
enum chaos_form {
	CHAOS_YES,    /* nothing but yes */
	CHAOS_HOW,    /* enum chaos_how */
	CHAOS_OCTETS,
	CHAOS_TIME,
	CHAOS_NTH,    /* every nth segment */
	CHAOS_PACE,   /* octets/time */
};

/* NAME, key, form, least and most, value where only a share is given, help. */
#define CHAOS_KINDS(X)                                                                             \
	X(REFUSE, "chaos-refuse", HOW, 0, 0, "rst",                                                \
	  "refuse a SYN: rst, drop (silence), or ICMP icmp-net, icmp-host, icmp-proto, icmp-port, "  \
	  "icmp-admin")                                                                            \
	X(SYNACK_DELAY, "chaos-synack-delay", TIME, 1000, 60000000, "3s",                          \
	  "send the SYN-ACK so much later")                                                        \
	X(SILENT, "chaos-silent", YES, 0, 0, "yes",                                                \
	  "accept, take what comes, and say nothing: the handler never sees the connection")        \
	X(WINDOW, "chaos-window", OCTETS, 0, 65535, "0",                                           \
	  "never offer a larger receive window; 0 is a closed one from the SYN-ACK on")            \
	X(SLOW_READ, "chaos-slow-read", PACE, 0, 0, "1/1s",                                        \
	  "let the handler read so many octets in each such time; the window closes behind it")    \
	X(SLOW_WRITE, "chaos-slow-write", PACE, 0, 0, "1/1s",                                      \
	  "send so many octets in each such time, in segments as small")                           \
	X(RESET_AFTER, "chaos-reset-after", OCTETS, 0, 1ull << 30, "64k",                          \
	  "send RST once so many octets of payload went in both directions together")              \
	X(RESET_TIME, "chaos-reset-time", TIME, 0, 86400000000, "5s",                              \
	  "send RST so long after the handshake")                                                  \
	X(HALF_CLOSE, "chaos-half-close", TIME, 0, 86400000000, "0",                               \
	  "send FIN so long after the handshake, whatever the handler has left to say, and go on reading") \
	X(NEVER_CLOSE, "chaos-never-close", TIME, 1000, 86400000000, "inf",                        \
	  "never send the FIN that the handler asks for; RST after so long, or with inf never")    \
	X(IGNORE_FIN, "chaos-ignore-fin", YES, 0, 0, "yes",                                        \
	  "neither acknowledge nor heed the client's FIN")                                         \
	X(GARBAGE, "chaos-garbage", OCTETS, 1, 65535, "100",                                       \
	  "send so many octets of garbage, one segment at most, right behind the own FIN")         \
	X(BAD_TCP_SUM, "chaos-bad-tcp-sum", NTH, 1, 1000000, "10",                                 \
	  "send every nth segment with a wrong TCP checksum")                                      \
	X(BAD_IP_SUM, "chaos-bad-ip-sum", NTH, 1, 1000000, "10",                                   \
	  "send every nth segment with a wrong IP header checksum; IPv6 has none")                 \
	X(DUPLICATE, "chaos-duplicate", NTH, 1, 1000000, "10", "send every nth segment twice")     \
	X(REORDER, "chaos-reorder", NTH, 1, 1000000, "10",                                         \
	  "send every nth segment behind the one after it, or 10 ms late where none follows")      \
	X(SHRINK, "chaos-shrink-window", NTH, 1, 1000000, "10",                                    \
	  "say half the receive window in every nth segment: its right edge moves left")

enum chaos_kind {
#define X(NAME, key, form, lo, hi, def, help) CHAOS_##NAME,
	CHAOS_KINDS(X)
#undef X
	CHAOS_KINDS_N
};

enum chaos_how { CHAOS_RST, CHAOS_DROP, CHAOS_ICMP }; /* ICMP: with the code added */

#define CHAOS_MILLION 1000000u

/* The keys as they stand in a section. */
struct chaos_text {
	char *value[CHAOS_KINDS_N];
	uint64_t seed;
};

extern const struct option_table chaos_option_table; /* of section "listen" */

/* What a listener does. Immutable once a worker knows it. */
struct chaos {
	uint64_t seed;
	uint32_t kinds; /* bits of enum chaos_kind that have a share at all */
	struct chaos_fault {
		uint32_t share; /* of a million connections */
		uint64_t value; /* how, octets, us, or nth */
		uint64_t per;   /* CHAOS_PACE: us */
	} fault[CHAOS_KINDS_N];
};

/*
 * Read the text. On failure returns false, *key is the key that is wrong, and err says what was expected.
 * Control thread.
 */
bool chaos_parse(const struct chaos_text *text, struct chaos *out, const char **key, char *err,
		 size_t errlen);

struct tcp;
struct pkt_facts;
struct listener;

/* Bits of enum chaos_kind that hit the connection of this tuple; pure. local: its address, network order. */
uint32_t chaos_draw(const struct chaos *set, const struct flow_tuple *tuple, uint32_t local);

/* A SYN to a listener with faults; true: it was refused, and m consumed. */
bool tcp_chaos_syn(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f, const struct listener *l);

/* The half-open record of such a listener's SYN: its window; true: the timer will send the SYN-ACK. */
bool tcp_chaos_half(struct tcp *t, struct tcp_half *half, const struct listener *l);

/*
 * A connection with TCP_F_SLOW was made: draw, and clear the flag if nothing hits it. False: no memory for
 * what hits it.
 */
bool tcp_chaos_begin(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

/* Of a connection with TCP_F_SLOW and a block, all below: its memory goes back. */
void tcp_chaos_end(struct tcp *t, struct tcp_conn *c);

/* The earliest of its deadlines, in ms; false: none. And do what is due. */
bool tcp_chaos_at(const struct tcp *t, const struct tcp_conn *c, uint32_t *at);
void tcp_chaos_due(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

/* What is remembered while segments are built. */
struct tcp_chaos_turn {
	uint32_t wnd, nxt; /* true send window, and SND.NXT before */
};

/*
 * Before segments are built: the send window becomes what pace and octets left allow, *max leaves room for
 * duplicates and for what an earlier turn held back.
 */
void tcp_chaos_before(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, struct tcp_chaos_turn *was,
		      unsigned int *max);

/*
 * After: the window is put back, the n segments are tampered with; no more than max are then there.
 * Returns how many. The connection may be CLOSED then.
 */
unsigned int tcp_chaos_after(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
			     const struct tcp_chaos_turn *was, struct rte_mbuf **pkts, unsigned int n,
			     unsigned int max);

/* The peer's FIN is not heard; counted. */
bool tcp_chaos_deaf(struct tcp *t, const struct tcp_conn *c);

/* A FIN that the handler asks for is not sent; counted once. */
bool tcp_chaos_holds_fin(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

/* Whether the handler knows the connection no more, or never did. */
bool tcp_chaos_gone(const struct tcp *t, const struct tcp_conn *c);

/* So many of total octets may be read now; of them used were, which pays for them. */
size_t tcp_chaos_may_read(struct tcp *t, const struct tcp_conn *c, size_t total);
void tcp_chaos_read(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, size_t used);

/* Reset it if its octets are spent; true: it is CLOSED. */
bool tcp_chaos_spent(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

/* The state of one connection; 64 bytes. */
struct tcp_chaos {
	uint32_t kinds;        /* bits of enum chaos_kind */
	uint32_t timers;       /* of them whose deadline below is valid */
	uint32_t iss, irs;
	uint32_t sent;         /* segments */
	uint32_t read_left, write_left; /* octets */
	uint32_t read_at, write_at, reset_at, half_at, end_at, held_at; /* ms */
	uint8_t held : 1,      /* a FIN was, and counted */
		leaving : 1,   /* pier_close was called: the handler's close is owed */
		gone : 1,      /* the handler has seen close, or never open */
		garbage : 1,   /* was sent */
		overdue : 1;   /* behind is to go now */
	struct rte_mbuf *behind; /* a segment that waits for the next one; one mbuf at most */
};

static_assert(sizeof(struct tcp_chaos) <= 64, "one unit of the slab");

#endif
