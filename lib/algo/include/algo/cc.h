/*
 * Congestion control: how much may be outstanding, decided from numbers alone.
 *
 * An algorithm is a table of functions over struct cc. Windows are in bytes. TCP tells what
 * happened and obeys cwnd; which segments are lost and what is sent again is TCP's recovery code.
 * During fast recovery without SACK that code moves cwnd by the helpers below (RFC 5681 3.2,
 * RFC 6582); with PRR it does not use cwnd until on_exit_recovery.
 *
 * A connection at rest remembers cwnd, ssthresh and w_max and forgets everything else: a struct cc
 * that is zero but for these, mss and set continues from there. CUBIC's epoch and HyStart++'s round
 * begin anew then.
 *
 * No clock, no I/O; the worker's thread; each call O(1).
 */
#ifndef PIER_ALGO_CC_H
#define PIER_ALGO_CC_H

#include "base/compiler.h"

#define CC_SSTHRESH_NONE UINT32_MAX    /* no loss yet */
#define CC_CWND_MAX      (1u << 30)    /* the largest window TCP can announce (RFC 7323 2.3) */

/* What a user chose; nothing here changes it. */
struct cc_settings {
	uint8_t abc_limit; /* L of RFC 3465: SMSS an ACK may add in slow start; 0 is 1 */
	bool abe;          /* ECE reduces less than loss (RFC 8511) */
};

/* HyStart++ (RFC 9406 4.2). Round-trip times in us, 0: none yet. */
struct cc_hystart {
	uint32_t round_end; /* SND.NXT when the round began */
	uint32_t round_min; /* least sample of this round, 0: none yet */
	uint32_t mins[4];   /* of those before, the last one first */
	uint32_t last_min;  /* the largest of these, 0: none */
	uint32_t path_min;  /* before conservative slow start, and what made it begin */
	uint32_t css_min;
	uint32_t ack_us;    /* low 32 bits of the clock at the last ACK, and at the first of its train */
	uint32_t train_us;
	uint32_t train;     /* bytes that it acknowledged after its first ACK */
	bool full;          /* in this round a train took half a round-trip time */
	bool was_full;      /* in the one before */
	uint8_t samples;    /* of this round, counted to 255 */
	uint8_t css_rounds; /* of conservative slow start left, 0: not in it */
	bool begun;         /* round_end is valid */
};

/* A stage of congestion avoidance (RFC 9438 4.1.2). Windows in bytes, times in us. */
struct cc_cubic {
	uint64_t epoch;    /* its begin, moved on by the time in which cwnd did not limit */
	uint64_t updated;  /* when cwnd was last reckoned */
	double k;          /* seconds */
	double w_est;      /* the window Reno would have */
	double fraction;   /* of a byte that cwnd does not show */
	uint32_t prior;    /* cwnd before the last reduction, 0: unknown */
	bool running;      /* the above is valid */
	bool paused;       /* since updated, cwnd did not limit */
	bool emptied;      /* at updated nothing was left in flight */
};

struct cc {
	uint32_t cwnd;     /* bytes */
	uint32_t ssthresh; /* bytes, CC_SSTHRESH_NONE at first */
	uint32_t w_max;    /* bytes: cwnd at the last reduction, 0: none */
	uint32_t mss;      /* SMSS: payload of a full segment, bytes */
	uint32_t acked;    /* bytes acknowledged since cwnd last grew in congestion avoidance */
	struct cc_settings set;
	bool after_rto;    /* in the slow start that follows a retransmission timeout */
	union {            /* all zero: neither has begun */
		struct cc_hystart hystart; /* in the initial slow start, before any reduction */
		struct cc_cubic cubic;     /* after it */
	};
};
static_assert(sizeof(struct cc) <= 2 * CACHE_LINE, "part of a hot block");

/*
 * What an algorithm leaves of the flight, in percent, when it answers loss at its mildest (RFC 9438 4.6).
 * Where slow start ends with less than that, what is lost of that flight was answered.
 */
#define CC_BETA_MOST 70

/* What one ACK told. */
struct cc_ack {
	uint32_t acked;            /* bytes newly delivered, cumulatively or by SACK */
	uint32_t rtt_us;           /* the sample this ACK gave, 0: none */
	uint32_t una, nxt;         /* SND.UNA after this ACK, and SND.NXT: rounds are told by them */
	uint32_t flight_before;    /* bytes outstanding before this ACK */
	bool cwnd_limited;         /* cc_is_limited held when the data now acknowledged was sent */
	uint64_t now;              /* us */
	uint32_t srtt_us;          /* 0: unknown */
	uint32_t min_rtt_us;       /* 0: unknown */
	bool after_rto_slow_start; /* what a timeout found in flight is not all acknowledged yet */
};

struct cc_ops {
	const char *name;
	/*
	 * A new connection; iw from cc_initial_window, or 1 mss (RFC 6928 2). c->set is read, and
	 * stays as it was; all else is overwritten.
	 */
	void (*init)(struct cc *c, uint32_t mss, uint32_t iw);
	/* New data was acknowledged outside fast recovery. */
	void (*on_ack)(struct cc *c, const struct cc_ack *ack);
	/* A loss was detected, once per window of data: sets ssthresh, and cwnd to it. flight is
	 * FlightSize without the segments that limited transmit added (RFC 5681 3.2 step 2). */
	void (*on_loss)(struct cc *c, uint32_t flight, uint64_t now);
	/*
	 * ECE, once per window of data (RFC 3168 6.1.2): as on_loss, but cwnd may go down to one
	 * SMSS, and never goes up. With set.abe the reduction is RFC 8511's.
	 */
	void (*on_ecn)(struct cc *c, uint32_t flight, uint64_t now);
	/* The retransmission timer expired; first: not yet for this segment (RFC 5681 3.1). */
	void (*on_rto)(struct cc *c, uint32_t flight, bool first, uint64_t now);
	/* Fast recovery is over: cwnd becomes ssthresh. */
	void (*on_exit_recovery)(struct cc *c, uint64_t now);
	/* About to send after nothing was sent for more than one RTO (RFC 5681 4.1). */
	void (*on_idle)(struct cc *c, uint32_t iw);
	/*
	 * The last reduction was for nothing: before is a copy of c from just before it. Nothing
	 * gets smaller by this (RFC 4015, RFC 9438 4.9).
	 */
	void (*on_undo)(struct cc *c, const struct cc *before, uint64_t now);
	/* The path's MTU changed. */
	void (*on_mss)(struct cc *c, uint32_t mss);
};

/* What "congestion" in a configuration names: NULL-ended words, and their algorithms. */
extern const char *const cc_names[];
extern const struct cc_ops *const cc_algorithms[];

/* CUBIC (RFC 9438) with HyStart++ in the first slow start (RFC 9406). */
extern const struct cc_ops cc_cubic;

/* Reno with byte counting (RFC 5681, RFC 3465), for RFC 6582 recovery. */
extern const struct cc_ops cc_newreno;

/* The initial window in bytes: min(10 * MSS, max(2 * MSS, 14600)) (RFC 6928 2). */
static inline uint32_t cc_initial_window(uint32_t mss)
{
	uint32_t least = max_of(2 * mss, 14600u);

	return min_of(10 * mss, least);
}

static inline bool cc_in_slow_start(const struct cc *c)
{
	return c->cwnd < c->ssthresh;
}

#define CC_HYSTART_RTT_MIN 4000u /* us: of shorter paths nothing is told but what the next round is compared with */
#define CC_HYSTART_PAUSE   16    /* of the round-trip time: a longer gap ends a train of ACKs */

/*
 * What the next round is compared with: the least round-trip time of the last, and of three before. Number by
 * number, each kept before its place is written: to read at once what was stored in pieces waits for all of the
 * stores, and this is once a request.
 */
static inline void cc_hystart_refer(struct cc_hystart *h, uint32_t newest)
{
	uint32_t most = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(h->mins); i++) {
		uint32_t older = h->mins[i];

		h->mins[i] = newest;
		most = max_of(most, newest);
		newest = older;
	}
	h->last_min = most;
}

/*
 * on_ack of what comes for each of a server's answers: rtt_us long ago acked bytes were sent, which is all that was
 * in flight, to a peer nearby, and cwnd was not the limit. In the first slow start all that changes is that a round
 * of one sample is over. False: it is not so simple, nothing was done.
 */
static inline bool cc_ack_alone(struct cc *c, uint32_t acked, uint32_t rtt_us, uint32_t nxt, uint32_t now,
				uint32_t min_rtt_us)
{
	struct cc_hystart *h = &c->hystart;

	if (c->ssthresh != CC_SSTHRESH_NONE || min_rtt_us >= CC_HYSTART_RTT_MIN || !h->begun ||
	    h->samples || h->full | h->was_full | h->css_rounds)
		return false;
	if (now - h->ack_us > min_rtt_us / CC_HYSTART_PAUSE) {
		h->train_us = now;
		h->train = 0;
	} else {
		h->train += acked;
	}
	h->ack_us = now;
	h->round_end = nxt;
	cc_hystart_refer(h, rtt_us);
	return true;
}

/*
 * Whether cwnd, and not the application or the peer's window, limits the sender that now has flight
 * bytes outstanding. To be asked after sending; the answer belongs into the cc_ack that
 * acknowledges what was sent (RFC 7661 4.4, RFC 2861 3).
 */
static inline bool cc_is_limited(const struct cc *c, uint32_t flight)
{
	if (cc_in_slow_start(c))
		return flight >= c->cwnd / 2;
	return (uint64_t)flight + c->mss >= c->cwnd;
}

/* Fast retransmit was sent, after on_loss: cwnd = ssthresh + 3 SMSS (RFC 5681 3.2 step 3). */
static inline void cc_enter_recovery(struct cc *c)
{
	c->cwnd = c->ssthresh + 3 * c->mss;
}

/* One more duplicate ACK during fast recovery (RFC 5681 3.2 step 4). */
static inline void cc_inflate(struct cc *c)
{
	c->cwnd = min_of(c->cwnd + c->mss, CC_CWND_MAX);
}

/* A partial ACK for that many bytes (RFC 6582 3.2 step 3); at least one SMSS remains. */
static inline void cc_deflate(struct cc *c, uint32_t acked)
{
	c->cwnd -= min_of(c->cwnd, acked);
	if (acked >= c->mss)
		c->cwnd += c->mss;
	c->cwnd = max_of(c->cwnd, c->mss);
}

#endif
