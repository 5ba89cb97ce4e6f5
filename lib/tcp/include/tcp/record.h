/*
 * The records: what is remembered of a connection.
 *
 * Three types stand behind one table, the tuple first in each: a half-open connection and one in
 * TIME-WAIT take 64 bytes, a connection 128. A connection at rest (everything acknowledged, no ACK
 * owed, nothing queued) is its record and nothing else; at work it has a hot block attached
 * (struct tcp_work), which goes back when the work is done. Outside the engine a connection is
 * named {worker, generation, index}, never by pointer.
 *
 * At rest the following hold, and are what attaching a block starts from: SND.UNA = SND.NXT =
 * SND.MAX, SND.WL2 = SND.NXT, Last.ACK.sent = RCV.NXT.
 */
#ifndef PIER_TCP_RECORD_H
#define PIER_TCP_RECORD_H

#include "algo/cc.h"
#include "algo/prr.h"
#include "algo/rack.h"
#include "algo/rtt.h"
#include "algo/vec.h"
#include "flow/table.h"
#include "flow/tuple.h"
#include "pkt/slice.h"

/* RFC 9293 section 3.3.2. LISTEN and CLOSED have no record; HALF and TIME-WAIT have small ones. */
enum tcp_state {
	TCP_CLOSED, /* gone for the peer; the record waits for its close callback */
	TCP_SYN_SENT,
	TCP_SYN_RECEIVED,
	TCP_ESTABLISHED,
	TCP_FIN_WAIT_1,
	TCP_FIN_WAIT_2,
	TCP_CLOSE_WAIT,
	TCP_CLOSING,
	TCP_LAST_ACK,
	TCP_TIME_WAIT,
};

/* Options agreed on in the handshake; the same bits in all records. */
enum tcp_agreed {
	TCP_AGREED_TS = 1 << 0,
	TCP_AGREED_SACK = 1 << 1,
	TCP_AGREED_WS = 1 << 2,
	TCP_AGREED_ECN = 1 << 3,
};

enum tcp_conn_flag {
	TCP_F_AGREED = 15,          /* enum tcp_agreed */
	TCP_F_OPEN = 1 << 4,        /* the handler has seen open and not yet close */
	TCP_F_ORPHAN = 1 << 5,      /* the handler closed: what arrives now is answered by RST */
	TCP_F_FIN_QUEUED = 1 << 6,  /* FIN stands behind the last queued byte */
	TCP_F_FIN_SENT = 1 << 7,    /* SND.NXT covers it */
	TCP_F_FIN_RECEIVED = 1 << 8,
	TCP_F_EOF_TOLD = 1 << 9,
	TCP_F_NAGLE = 1 << 10,
	TCP_F_WANT_WRITABLE = 1 << 11,
	TCP_F_TS_STALE = 1 << 12,   /* TS.Recent is older than 24 days: RFC 7323 section 5.5 */
	TCP_F_RTO_3S = 1 << 13,     /* the SYN-ACK was resent: RFC 6298 (5.7) */
	TCP_F_IDLE_RESTART = 1 << 14,
	TCP_F_KEEPALIVE = 1 << 15,
	TCP_F_TIMER = 1 << 16,      /* handler_deadline is set */
	TCP_F_WHEEL = 1 << 17,      /* deadline is set */
	TCP_F_CHALLENGED = 1 << 18, /* an ACK was owed to nothing since challenge, and sent */
	TCP_F_KEPT = 1 << 22,       /* and one to a keep-alive */
	TCP_F_NO_TROUBLE = 1 << 23, /* the handler does not want to hear of soft errors */
	TCP_F_FRAGMENT = 1 << 24,   /* the path is smaller than we go: packets without DF */
	TCP_F_SLOW = 1 << 19,       /* leave the fast path: misbehaviour, tracing, tampering */
	TCP_F_ACTIVE = 1 << 20,     /* opened from this side */
	TCP_F_CORK = 1 << 21,       /* the handler has more to send: full segments only */
	TCP_F_ECN_ECHO = 1 << 25,   /* CE was received and no CWR since: ACKs carry ECE */
	TCP_F_ECN_CWR = 1 << 26,    /* the next new data carries CWR */
	TCP_F_OWN = 1 << 27,        /* tcp_work.own stands for the listener's options */
	TCP_F_STALLED = 1 << 28,    /* in tcp_policy.stalled: something waits for a closed window */
	TCP_F_COUNTS = 1 << 30,     /* the handler asks for counts: the block stays */
	TCP_F_LINGERS = 1 << 29,    /* in tcp_policy.orphans: closed here, not all acknowledged */
};

struct tcp_conn {
	struct flow_tuple tuple;
	uint32_t path : 24;
	uint32_t state : 4; /* enum tcp_state */
	uint32_t backoff : 4;
	uint32_t flags; /* enum tcp_conn_flag */
	uint32_t snd_nxt, rcv_nxt, snd_wl1, ts_recent;
	uint16_t snd_wnd, rcv_wnd, max_snd_wnd; /* as on the wire: shift by the scale */
	uint8_t snd_wscale : 4, rcv_wscale : 4;
	uint8_t dscp;
	uint32_t block; /* slab index of struct tcp_work, 0: at rest */
	uint16_t mss_max : 15;  /* snd_mss as the handshake left it; the path may need less */
	uint16_t mss_acked : 1; /* at rest: a segment of snd_mss has gone through */
	uint16_t pmtu_at;       /* low bits of the clock in s: path got smaller, or larger was tried */

	uint64_t cwnd : 20, ssthresh : 20, w_max : 20; /* segments */
	uint64_t reordering : 1, reo_mult : 3;                          /* of RACK */
	uint16_t srtt, rttvar, min_rtt;                                 /* rtt_pack */
	uint16_t snd_mss, rcv_mss;
	uint16_t version, generation;
	uint8_t probes;    /* keep-alive or window probes, or retransmissions, unanswered */
	uint8_t rx_dscp;   /* of the last acceptable segment */
	uint32_t last_rx;  /* ms */
	uint32_t deadline; /* ms; valid with TCP_F_WHEEL */
	uint32_t wheel_slot : 24;  /* where the valid entry is, 0: nowhere; of a free record too */
	uint32_t rcvbuf_shift : 3; /* doublings of the receive buffer; 7: it is the largest */
	uint32_t reo_persist : 5;  /* recoveries until the reordering window narrows */
	uint32_t handler_deadline; /* ms; valid with TCP_F_TIMER */
	uint32_t challenge;        /* ms; valid with TCP_F_CHALLENGED or TCP_F_KEPT */
	uint64_t ctx;              /* handler context: itself, or a slab index */
	union {
		uint32_t next_free; /* of a free record */
		uint32_t last_sent; /* ms: data or FIN; of one at rest */
	};
	uint32_t wheel_at; /* ms: when the valid entry is due; after deadline only with tcp_work.grace */
};

static_assert(sizeof(struct tcp_conn) == 128, "a connection at rest is two cache lines");
static_assert(offsetof(struct tcp_conn, block) < CACHE_LINE, "in the line that lookup touches");

/* SYN-RECEIVED of a passive open. No mbuf, no handler memory. */
struct tcp_half {
	struct flow_tuple tuple;
	uint32_t iss, irs;
	uint32_t path : 24;
	uint32_t retries : 4;
	uint32_t agreed : 4;
	uint32_t ts_recent;
	uint32_t sent;       /* low 32 bits of the clock in us, at the first SYN-ACK */
	uint32_t deadline;   /* ms */
	uint32_t wheel_slot; /* where the valid entry is, never after deadline; of a free record too */
	uint16_t version, snd_mss, rcv_wnd, challenge;
	uint8_t snd_wscale : 4, rcv_wscale : 4;
	uint8_t dscp;
	uint8_t reused : 1; /* its tuple's place in the table is a TIME-WAIT entry's, which it is to replace */
	uint8_t held : 1;   /* complete, but there was no room for a connection */
	uint8_t again : 1;  /* a repeated SYN had the SYN-ACK sent again: which one is acknowledged? */
	uint8_t late : 1;   /* its SYN-ACK is held back on purpose and not sent yet */
	uint8_t kind; /* enum flow_type; 0: free */
};

static_assert(sizeof(struct tcp_half) <= 64, "a half-open connection is one cache line");

/* TIME-WAIT (RFC 9293 section 3.6.1): in a queue ordered by expiry, not on the wheel. */
struct tcp_time_wait {
	struct flow_tuple tuple;
	uint32_t snd_nxt, rcv_nxt;
	uint32_t path : 24;
	uint32_t agreed : 3; /* but ECN */
	uint32_t challenged : 1; /* challenge is valid */
	uint32_t rcv_wscale : 4;
	uint32_t ts_recent;
	uint32_t expiry;     /* ms */
	uint32_t next, prev; /* indexes in the pool, 0: none */
	union {
		uint32_t challenge; /* ms of the last ACK */
		uint32_t half;      /* if replacing: that handshake's record in the pool */
	};
	uint32_t spare : 23;
	uint32_t replacing : 1; /* a handshake that is to replace it is under way */
	uint32_t ttl : 8;
	uint16_t rcv_wnd;
	uint8_t dscp;
	uint8_t kind; /* enum flow_type */
};

static_assert(sizeof(struct tcp_time_wait) <= 64, "a TIME-WAIT record is one cache line");

/* One pool holds both, and a free list through next. */
union tcp_small {
	struct flow_tuple tuple;
	struct tcp_half half;
	struct tcp_time_wait tw;
	struct {
		uint8_t unused[56];
		uint32_t next; /* before kind, which stays zero */
		uint32_t zero;
	} free;
};

static_assert(sizeof(union tcp_small) == 64, "one cache line");
static_assert(offsetof(struct tcp_half, kind) == offsetof(struct tcp_time_wait, kind) &&
	      offsetof(struct tcp_half, kind) == 63, "a stale wheel entry must see the kind");

/*
 * Bytes in flight that share a fate: sent at one time, and in the same state. They own no packets:
 * a retransmission is built from the send queue again, whatever its size is by then.
 */
struct tcp_flight {
	uint32_t seq, end;
	uint32_t sent;  /* low 32 bits of the clock in us */
	uint8_t flags;
	uint8_t count;  /* transmissions after the first */
	uint16_t spare;
};

enum tcp_flight_flag {
	FLIGHT_LOST = 1 << 0,   /* judged lost and not sent again since */
	FLIGHT_SACKED = 1 << 1,
	FLIGHT_RETX = 1 << 2,   /* was sent more than once: no round-trip sample (Karn) */
	FLIGHT_TIMED = 1 << 3,  /* was sent again by the retransmission timer */
};

static_assert(sizeof(struct tcp_flight) == 16, "four a cache line");

/* Received payload without gaps: mbufs linked through next, whose data is that payload only. */
struct tcp_chain {
	struct rte_mbuf *head, *tail;
};

/* A range that arrived out of order. */
struct tcp_run {
	uint32_t seq, end;
	struct tcp_chain chain;
	uint32_t links; /* of the chain */
	uint32_t spare;
};

static_assert(sizeof(struct tcp_run) == 32, "two a cache line");

enum tcp_event {
	TCP_EV_OPEN = 1 << 0,
	TCP_EV_DATA = 1 << 1,
	TCP_EV_WRITABLE = 1 << 2,
	TCP_EV_EOF = 1 << 3,
	TCP_EV_TIMER = 1 << 4,
	TCP_EV_CLOSE = 1 << 5,
	TCP_EV_TROUBLE = 1 << 6,
	TCP_EV_URGENT = 1 << 7,
};

enum tcp_timer {
	TCP_TIMER_NONE,
	TCP_TIMER_RTO,
	TCP_TIMER_TLP,      /* tail loss probe, RFC 8985 section 7 */
	TCP_TIMER_REO,      /* reordering window, RFC 8985 section 6.2 */
	TCP_TIMER_PERSIST,  /* closed window */
	TCP_TIMER_OVERRIDE, /* sender's silly-window avoidance, RFC 9293 section 3.8.6.2.1 */
	TCP_TIMER_FIN_WAIT2,
	TCP_TIMER_SYN,      /* of an active open, until its SYN is acknowledged */
	TCP_TIMER_ECN,      /* an echo met a window of one segment: RFC 3168 section 6.1.2 */
};

#define WORK_SLICES  3 /* of each queue inside the block */
#define WORK_FLIGHTS 3
#define WORK_RUNS    2

/* Options that a connection may have for itself, named as those of struct tcp_options. */
struct tcp_own {
	uint64_t r2, user_timeout, keepalive_idle, keepalive_intvl; /* us */
	uint32_t keepalive_count;
	uint32_t keepalive_from; /* ms: idle time begins here, if keepalive_late */
	bool keepalive_late;     /* it was switched on while the connection was idle */
	bool keepalive_garbage;
	uint8_t ttl;
	uint32_t rcvbuf, sndbuf; /* 0: the listener's */
};

/* Connections in an order of time, the oldest first; indexes, 0: none. */
struct tcp_line {
	uint32_t head, tail, n;
};

struct tcp_link {
	uint32_t next, prev;
};

/*
 * The bytes that pier_send_summed sent last, kept once for all connections that send them, as long as one has them
 * queued. They are the same bytes again if word is what it was set to when they were put here.
 */
struct tcp_shared {
	const void *from; /* where the handler has them */
	uint32_t len, word;
	uint32_t mem;     /* as in their slices; 0: there are none */
	uint32_t number;  /* of the last piece, in word */
};

/* What policy.c keeps of a worker. */
struct tcp_policy {
	struct tcp_line stalled, orphans;
	uint32_t max_orphans;   /* 0: no limit */
	uint64_t blocks_lacked; /* CTR_BLOCKS_EXHAUSTED, as it was in the last tick */
};

/*
 * The hot block: a connection at work. What a request and its answer touch comes first; then what repairs
 * losses, grows windows, and is rare. The lines of the first, TCP_HOT, are what the engine asks for ahead of the
 * packet (fast.c is their reader): of the queues the first slice, as nearly always there is no other.
 */
struct tcp_work {
	uint32_t conn;                /* index of its record */
	uint32_t ready_next, out_next; /* next connection of the list; itself at the end */
	uint16_t events;              /* enum tcp_event */
	uint8_t close_reason;         /* enum pier_close_reason */
	uint8_t on_ready : 1, on_out : 1, ack_now : 1, delack : 1,
		timer_restart : 1,    /* SND.UNA moved: the retransmission timer begins anew */
		tlp_spent : 1,        /* no round-trip sample since the last one */
		growing : 1,          /* rcvbuf may grow */
		measuring : 1;        /* much has come in this round: the block stays */
	/*
	 * Loss, its repair, what would undo it, probes, sizes on trial, gaps, and what a handler left: all of it is 0
	 * while nothing of the kind is under way, and tcp_is_calm is one look at it.
	 */
	union {
		struct {
			uint8_t recovery : 1, probe : 1, keepalive_probe : 1, rto_recovery : 1,
				override : 1, /* the next segment may be small */
				undo : 1,     /* cc_before is from before the last loss event */
				tlp_send : 1, /* a tail loss probe is due */
				tlp_out : 1;  /* one is not accounted for */
			uint8_t ecn_wait : 1, /* no new data before TCP_TIMER_ECN or RTO */
				burst_wait : 1, /* burst_left was spent: on in the next millisecond */
				frto : 2,     /* RFC 5682: 1 SND.UNA was sent again, 2 new data after it */
				syn : 1,      /* active open: SND.UNA is our SYN, not acknowledged yet */
				urgent_in : 1,  /* rcv_up is ahead of what was read */
				urgent_out : 1, /* snd_up is ahead of SND.UNA */
				fin_held : 1; /* fin_seq is valid */
			uint8_t rcv_left : 1; /* the handler left data: what comes is packed */
			uint8_t dup_acks;
			uint8_t quick;        /* so many data segments more are acknowledged one by one */
			uint8_t guesses;      /* 0: snd_mss is no guess; else 1 + larger sizes tried */
			uint16_t ptb_mtu;     /* a report on trial, 0: none */
			uint32_t sacked, lost; /* bytes in flight so marked */
			uint32_t dup_credit;  /* bytes that duplicate ACKs say have left */
			uint32_t ooo_held;    /* mbufs of the out-of-order queue */
		};
		uint64_t unusual[3];
	};
	uint8_t timer;                /* enum tcp_timer */
	uint8_t segs_unacked;         /* data segments since the last ACK sent */
	uint8_t burst_acks;           /* immediate ACKs in this burst */
	uint8_t force_retx : 1,       /* one retransmission whatever cwnd says */
		partial : 1,          /* this recovery has seen a partial ACK */
		tlp_retx : 1,         /* the tail loss probe was a retransmission */
		tlp_late : 1,         /* it took time from the retransmission timer */
		ecn_asked : 1,        /* every SYN so far asked for ECN */
		reo_pending : 1,      /* reo_at is valid */
		pinched : 1,          /* the share keeps its window small: in tcp.pinched */
		watched : 1;          /* watch_end is valid */
	uint8_t syn_due : 1,          /* with syn: it is to be sent, as SYN or SYN-ACK */
		syn_times : 2;        /* how often it was sent; 2: more than once, no sample */
	uint8_t sack_n;
	uint8_t sack_arrivals;        /* ACKs with new SACKs while some are on the scoreboard */
	uint8_t full_timeouts;        /* in a row, of what may be too big */
	uint8_t doubted;              /* R1 was reached since SND.UNA moved */
	uint16_t burst_left;          /* segments that may leave without another ACK */
	uint32_t snd_una, snd_max, snd_end; /* snd_end: behind the last queued byte */
	uint32_t snd_wnd, max_snd_wnd;      /* bytes */
	uint32_t snd_wl2;
	uint32_t rcv_adv;                   /* right edge advertised; never moves left */

	uint32_t last_ack_sent;
	uint32_t rcv_read;                  /* first byte the handler has not consumed */
	uint32_t ts_offset;
	uint32_t timer_at, delack_at;       /* ms */
	uint32_t rto_at, tlp_at;            /* ms; beside timer_at, the earliest of them */
	uint32_t progress;                  /* ms: last time something was acknowledged or begun */
	uint32_t limited_end;               /* data below was sent when cwnd was the limit */
	uint32_t marks;                     /* SND.UNA when past events were last looked at */
	uint32_t burst_ms;
	uint32_t last_sent;                 /* ms */
	uint16_t size_acked;                /* the largest segment known to have gone through */
	uint16_t size_sent;                 /* a larger one on its way, 0: none ... */

	uint32_t size_end;                  /* ... and what acknowledges it */
	uint16_t trouble;                   /* to be told: bits of enum pier_trouble */
	uint32_t dsack_start, dsack_end;    /* to be reported once, equal: none */
	uint32_t stamp, stamp_end;          /* when the last range left, in us, and its end */
	struct rtt rtt;                     /* unpacked: small steps must not be rounded away */
	struct rack rack;
	struct vec sndq, rcvq, flight, ooo;

	uint32_t grace;                     /* its place in tcp.grace, if that holds it */
	uint32_t held;                      /* mbufs that the queues keep */
	uint32_t promised;                  /* octets of the window that tcp.promised has */
	uint32_t rcv_charge;                /* bytes of buffers behind received data */
	uint32_t rcvbuf;                    /* bytes, as grown so far */
	uint32_t rcv_rtt;                   /* us, as the receiver sees it; 0: no sample */
	uint32_t round_at, round_read;      /* a round trip began then (us), with rcv_read there */
	struct slice sndq_inline[WORK_SLICES];

	struct tcp_chain rcv_more;          /* behind rcvq */
	uint32_t edge_seq, edge_at;         /* RCV.NXT there, seen then (us): one window in a round */
	uint32_t round_ms;                  /* the round is over then, if measuring */
	uint32_t fin_seq;                   /* the peer's FIN, when it came early */
	struct slice rcvq_inline[WORK_SLICES];

	struct cc cc;
	struct tcp_flight flight_inline[WORK_FLIGHTS];

	uint32_t recover;                   /* RFC 6582 */
	uint32_t ecn_end;                   /* SND.NXT when an echo, or slow start's end, last reduced cwnd */
	uint32_t lost_from;                 /* nothing below is marked lost */
	uint32_t reduced;                   /* low 32 bits of the clock in us: last loss event, or echo */
	uint32_t reo_at;                    /* ms */
	uint32_t tlp_end, tlp_sent_ms;
	uint32_t frto_end;                  /* new data of RFC 5682 ends here */
	uint32_t undo_una, undo_bytes;      /* SND.UNA at the event; sent again since, not D-SACKed */
	uint32_t undo_ms;                   /* first retransmission after the event */
	uint32_t linger_at;                 /* ms: a late D-SACK may undo until then */
	uint32_t syn_sent;                  /* low 32 bits of the clock in us */
	uint32_t ptb_seq;                   /* the segment that ptb_mtu is about */
	uint32_t sack_start[4];             /* left edges of recently changed ranges, newest first */
	struct prr prr;
	struct tcp_own own;                 /* with TCP_F_OWN */
	uint32_t chaos;                     /* with TCP_F_SLOW: slab index of struct tcp_chaos */
	uint32_t fat_next, fat_prev;        /* neighbours in tcp.fat, connection indexes, 0: none */
	uint32_t fat_list;                  /* 0: in none */
	uint32_t pinch_next, pinch_prev;    /* neighbours in tcp.pinched, 0: none */
	uint32_t rcv_up, snd_up;            /* urgent pointers, RFC 9293 section 3.8.5 */
	struct tcp_link line[2];            /* in tcp_policy.stalled, .orphans */
	uint32_t stall_end, watch_end;      /* ms: limits of persist-timeout and min-progress */
	uint32_t watch_una;                 /* SND.UNA when the time of min-progress began */
	uint32_t sent_again;                /* segments; for the handler, with TCP_F_COUNTS */

	/* Read only after it was written. */
	struct tcp_run ooo_inline[WORK_RUNS];
	struct cc cc_before;                /* with undo */
};

static_assert(offsetof(struct tcp_work, timer) == offsetof(struct tcp_work, unusual) + 24,
	      "all that tcp_is_calm looks at");

static inline bool tcp_is_calm(const struct tcp_work *w)
{
	return !(w->unusual[0] | w->unusual[1] | w->unusual[2]);
}

/* Cache lines of the block, one bit each, and all that stands in them. */
#define TCP_HOT       0x35fu
#define TCP_HOT_LINES 10
/* They have all that stands from one member up to another. */
#define TCP_HOT_ALL(from, to) TCP_HOT_BITS(offsetof(struct tcp_work, from) / CACHE_LINE,               \
					   (offsetof(struct tcp_work, to) - 1) / CACHE_LINE)
#define TCP_HOT_BITS(first, last) (!(~TCP_HOT >> (first) & ((2u << ((last) - (first))) - 1)))
static_assert(offsetof(struct tcp_work, sndq_inline[1]) == 5 * CACHE_LINE &&
	      offsetof(struct tcp_work, rcvq_inline[1]) == 7 * CACHE_LINE &&
	      offsetof(struct tcp_work, flight_inline[0]) + sizeof(struct tcp_flight) <=
		      TCP_HOT_LINES * CACHE_LINE, "what is hot has the fewest lines");
static_assert(TCP_HOT_ALL(conn, sndq_inline[1]) && TCP_HOT_ALL(rcv_more, rcvq_inline[1]) &&
	      TCP_HOT_ALL(cc, flight_inline[1]), "what fast.c reads is asked for");

static_assert(sizeof(struct tcp_work) <= 1000, "the hot block has grown");

#endif
