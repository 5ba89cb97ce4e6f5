/*
 * What can be configured of TCP: once in [tcp], and again in a [listen] section for that listener.
 * Durations are microseconds, sizes bytes.
 */
#ifndef PIER_TCP_OPTIONS_H
#define PIER_TCP_OPTIONS_H

#include "base/option.h"

enum tcp_cookies {
	TCP_COOKIES_AUTO,   /* past the high-water mark of half-open records, and under overload */
	TCP_COOKIES_ALWAYS,
	TCP_COOKIES_NEVER,
};

enum tcp_overflow {
	TCP_OVERFLOW_HOLD,  /* stay half-open, or be dropped: the peer tries again */
	TCP_OVERFLOW_RESET,
};

struct tcp_options {
	uint64_t rto_initial, rto_min, rto_max; /* RFC 6298 sections 2.1, 2.4, 2.5 */
	bool rto_literal;                       /* RTO = max(rto_min, SRTT + 4 RTTVAR) */
	uint32_t synack_retries;
	uint32_t syn_cookies;   /* enum tcp_cookies */
	uint32_t overflow;      /* enum tcp_overflow: a complete handshake without room */
	uint64_t syn_r2;        /* give an active open up after this long, section 3.8.3 */
	uint32_t port_low, port_high; /* of active opens' local ports, RFC 6056 section 3.2 */
	uint32_t r1;            /* retransmissions before the path is doubted, section 3.8.3 */
	uint64_t r2;            /* give up after this long without progress */
	uint64_t user_timeout;  /* section 3.9.1.1 */
	uint64_t delack;        /* section 3.8.6.3 */
	uint64_t persist_max;   /* section 3.8.6.1 */
	uint64_t persist_timeout; /* of one closed window, RFC 6429 section 4 */
	uint64_t min_progress;  /* octets in 60 s that a peer must acknowledge, 0: any */
	uint64_t msl;           /* half of TIME-WAIT; for the engine as a whole, not a listener's */
	uint64_t fin_wait2;     /* how long a closed connection waits for the peer's FIN */
	bool keepalive;
	uint64_t keepalive_idle, keepalive_intvl;
	uint32_t keepalive_count;
	bool keepalive_garbage;
	uint64_t challenge_ack; /* one challenge ACK in this time, RFC 5961 section 7 */
	uint32_t burst;         /* segments that leave back to back at most */
	uint32_t congestion;    /* index of cc_names */
	uint32_t abc_limit;     /* L, RFC 3465 sections 2.2 and 2.3 */
	bool abe;               /* RFC 8511 */
	uint64_t rcvbuf, rcvbuf_initial; /* the most, and what a connection begins with */
	uint64_t sndbuf;
	uint32_t min_snd_mss;
	uint32_t pmtu_floor;    /* no path is taken to be smaller; RFC 1191 section 3 */
	uint64_t pmtu_age;      /* a smaller path is tried larger after this, section 6.3 */
	bool timestamps, sack, window_scale;
	bool ecn, ecn_connect;
	bool nagle;
	uint32_t ttl, dscp;
};

extern const struct option_table tcp_option_table; /* section "tcp" */

#endif
