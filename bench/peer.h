/*
 * The client of the figures: many TCP connections, made as cheaply as a client can be made that still
 * checks everything it gets back, so that the server is what is measured. It is no TCP: it expects a
 * link that loses and reorders nothing, keeps 24 bytes a connection, and calls whatever else it sees
 * an error; where it is told to be tolerant, it counts what it did not expect, and its user may have
 * a packet sent again.
 *
 * A connection sends one payload, the same each time, and waits for the answer:
 *   echo      the payload, byte for byte; its first 8 bytes differ from one message to the next
 *   request   an answer as the first one was, byte for byte but for an HTTP date
 *   short     the same, and FIN with the answer: three packets each way, as dperf's client has them:
 *             SYN, ACK with the request, ACK with FIN
 *   push      the payload again and again, window of them unacknowledged; nothing comes back but ACKs
 *   pull      nothing; it takes what comes, and acknowledges every second segment
 *   forward   the payload, in a packet that comes back as it is but for addresses and ports: no TCP
 *
 * Like the engine it does no I/O: packets in, packets out, in mbufs of the caller. One thread.
 *
 * Connection i comes from 10.1.0.0 + i / PEER_PORTS, port PEER_PORT_LOW + i % PEER_PORTS, so that an
 * answer names its connection and there is no table to look it up in; of IPv6 from fd00:10::a01:0 + i / PEER_PORTS.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <rte_mbuf.h>

#include "base/compiler.h"

#define PEER_SERVER    0x0a000001u /* 10.0.0.1/8, host order */
#define PEER_SERVER6   {0xfd, 0, 0, 0x10, [15] = 1} /* /64 */
#define PEER_CLIENTS   0x0a010000u
#define PEER_PORT_LOW  1024u
#define PEER_PORTS     60000u
#define PEER_HEADERS   86 /* Ethernet, IPv6, TCP with timestamps */
#define PEER_PAYLOAD   1460
#define PEER_JUMBO     8960 /* what fits into a packet of 9,000 bytes */

enum peer_kind { PEER_ECHO, PEER_REQUEST, PEER_SHORT, PEER_PUSH, PEER_PULL, PEER_FORWARD };

struct peer_config {
	enum peer_kind kind;
	uint32_t n;            /* connections */
	uint16_t port;         /* the server's, host order */
	bool v6;               /* over IPv6; not forward */
	bool plain;            /* no timestamps, SACK or window scale, as dperf's client has none */
	const void *payload;   /* NULL: bytes of our own */
	uint16_t len;          /* 8 at least for echo */
	bool tolerant;         /* not all is lost if a packet is */
	uint32_t window;       /* segments under way: push's, and what pull allows */
	uint32_t check_every;  /* packets of which one has its TCP checksum verified: a power of 2 */
	uint8_t mac[6], server_mac[6];
};

enum peer_state {
	PEER_CLOSED,   /* a SYN is next */
	PEER_SYN_SENT,
	PEER_OPEN,     /* the payload is next */
	PEER_WAITING,
	PEER_FIN_DUE,  /* the server closed: our FIN is next */
	PEER_CLOSING,
	PEER_STREAM,   /* push and pull */
};

struct peer_conn {
	uint32_t snd_nxt, rcv_nxt;
	uint32_t ts_recent;
	uint32_t state; /* enum peer_state */
	uint32_t epoch; /* grows whenever state changes */
	uint32_t acked; /* push: the server's last ACK; pull: segments not acknowledged */
};

enum peer_event {
	PEER_ERROR,   /* counted, and the first is described in error */
	PEER_NOTHING, /* fine, and nothing is to be sent */
	PEER_OPENED,  /* SYN-ACK: the payload may be sent, or an ACK */
	PEER_REPLY,   /* the next payload may be sent, or an ACK */
	PEER_FIN,     /* answer complete and FIN: ours is to be sent */
	PEER_DONE,    /* closed on both sides: the next SYN may be sent */
	PEER_STALE,   /* tolerant: of a connection that was given up; an RST is due */
	PEER_CREDIT,  /* push: peer_credit has changed. pull: an ACK is due */
};

struct peer {
	struct peer_config cfg;
	struct peer_conn *conns;
	uint32_t tick;     /* ms, for timestamps; the caller moves it */
	uint64_t opened, replies, done, errors;
	uint64_t unexpected; /* sent again by the server; of a tolerant peer, all that is wrong */
	uint64_t stream_bytes; /* push: acknowledged; pull: received in order */
	uint64_t received, verified;
	uint32_t l4, headers_len, tcp_len; /* l4: where the TCP header begins */
	uint32_t ip_sum, tcp_sum, payload_sum; /* of what is the same in all packets; tcp_sum with the pseudo-header */
	uint8_t headers[PEER_HEADERS];
	uint8_t payload[PEER_JUMBO];
	uint8_t reply[2048]; /* the first; empty: none yet */
	uint32_t reply_len, date_at, date_len;
	char error[128];
};

/* Ends the program if there is no memory or the configuration is none. */
void peer_init(struct peer *p, const struct peer_config *cfg);
void peer_free(struct peer *p);

/* Take a packet of the server, which stays the caller's; *i becomes its connection. */
enum peer_event peer_take(struct peer *p, struct rte_mbuf *m, uint32_t *i);

/* Write what connection i sends next by its state into m, whose content is lost. */
void peer_next(struct peer *p, uint32_t i, struct rte_mbuf *m);

/* Write an ACK of all that connection i has received. */
void peer_ack(struct peer *p, uint32_t i, struct rte_mbuf *m);

/* Write over m, a packet of the server that is PEER_STALE, the RST that answers it (RFC 9293 3.10.7.1). */
void peer_reset(struct peer *p, uint32_t i, struct rte_mbuf *m);

/* Write again what connection i waits for an answer to; false: it waits for none. */
bool peer_again(struct peer *p, uint32_t i, struct rte_mbuf *m);

/* Give connection i up: its next packet is a SYN. */
void peer_forget(struct peer *p, uint32_t i);

/* push: segments that peer_next may write now. */
uint32_t peer_credit(const struct peer *p, uint32_t i);

/* Write a TCP packet of connection i that no server's state will like: for links without a TCP. */
void peer_stray(struct peer *p, uint32_t i, struct rte_mbuf *m);

#endif
