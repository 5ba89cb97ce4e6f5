/*
 * Loss: the scoreboard of what is in flight (flight.c), who decides that something is lost (rack.c
 * with SACK, recover.c without), and what follows from that (recover.c).
 *
 * One ACK is first read into a struct tcp_acked by flight.c's functions, then judged by
 * tcp_loss_detect. All of it is for the worker's thread.
 */
#ifndef PIER_TCP_LOSS_H
#define PIER_TCP_LOSS_H

#include "tcp/tcp.h"

#define TCP_MAX_ACK_DELAY_US (200 * US_PER_MS) /* RFC 8985 section 7.2 */
#define TCP_PTO_WITHOUT_RTT  US_PER_SEC

#define TCP_MARKS_AGE (1u << 29) /* SND.UNA moved so far: marks of past events are brought along */

/* What one ACK told. Bytes, us, or ms where said. */
struct tcp_acked {
	uint32_t acked;     /* SND.UNA moved by */
	uint32_t delivered; /* newly known to have arrived, cumulatively or by SACK */
	uint32_t sacked;    /* of these by SACK */
	uint32_t sample_us; /* round trip of a byte sent once, 0: none */
	uint32_t echo_ms;   /* our clock when the segment left that TSecr echoes */
	bool echo;          /* echo_ms is valid */
	bool sack;          /* the connection has SACK */
	bool ambiguous;     /* it echoes a first copy, and answers the second, or may do so */
	bool dup;           /* a duplicate ACK, RFC 5681 section 2 */
	bool first_copy;    /* something sent once, before the last loss event, has arrived */
	bool dsack;         /* the first block is a D-SACK, RFC 2883 section 4 */
	struct tcp_sack_block dsack_block;
};

/* ---- the scoreboard (flight.c) ---- */

static inline struct tcp_flight *tcp_flight_at(const struct tcp *t, struct tcp_work *w, uint32_t i)
{
	return vec_at(&w->flight, &t->slab, w->flight_inline, sizeof(struct tcp_flight), i);
}

/* What the network holds, RFC 6675 section 4. */
uint32_t tcp_pipe(const struct tcp_conn *c, const struct tcp_work *w);

/* Index of the first range that ends above seq. O(log n). */
uint32_t tcp_flight_find(const struct tcp *t, struct tcp_work *w, uint32_t seq);

/* Make seq the start of a range, if it lies inside of one. False: no memory, nothing changed. */
bool tcp_flight_split(struct tcp *t, struct tcp_work *w, uint32_t seq);

/* New data left; the same again. */
void tcp_flight_sent(struct tcp *t, const struct tcp_conn *c, struct tcp_work *w, uint32_t seq,
		     uint32_t end);
void tcp_flight_again(struct tcp *t, const struct tcp_conn *c, struct tcp_work *w, uint32_t seq,
		      uint32_t end);

/* us since the range left; 0 for what is noted a little later than that. */
uint32_t tcp_flight_age(const struct tcp *t, const struct tcp_flight *f);

/* Everything below ack has arrived. */
void tcp_flight_acked(struct tcp *t, struct tcp_work *w, uint32_t ack, struct tcp_acked *a);

/* These blocks of an ACK have arrived; what is not plausible is left out (RFC 2018, RFC 6675). */
void tcp_flight_sack(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
		     const struct tcp_sack_block *b, unsigned int n, uint32_t ack,
		     struct tcp_acked *a);

/*
 * Mark a range lost: output sends it again, as far as cwnd allows, before anything new. False: it
 * was marked, or has arrived. That alone is no congestion event.
 */
bool tcp_flight_mark_lost(struct tcp_work *w, struct tcp_flight *f);
void tcp_flight_unmark_lost(struct tcp *t, struct tcp_work *w);

/* Forget every SACK. */
void tcp_flight_reneged(struct tcp *t, struct tcp_work *w);

/* The first lost range, or NULL. */
struct tcp_flight *tcp_flight_lost(struct tcp *t, struct tcp_work *w);

/* ---- RACK-TLP (rack.c), RFC 8985: connections with SACK ---- */

/*
 * Mark what is lost by now, and set w->reo_at for what may be. Returns whether something was marked
 * that the window has not been reduced for. O(ranges up to the latest delivery).
 */
bool tcp_rack_detect(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

/* At a timeout: SND.UNA and what is old enough. */
void tcp_rack_timeout(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

/* Whether a loss at f is news: sent after the last reduction. */
bool tcp_loss_is_new(const struct tcp_work *w, const struct tcp_flight *f);

/* Whether what is in flight has a tail loss probe, where something is, and nothing of it was lost or SACKed. */
static inline bool tcp_tlp_if_calm(const struct tcp_conn *c, const struct tcp_work *w)
{
	return c->flags & TCP_AGREED_SACK && !w->tlp_spent;
}

/* The same in any state. Section 7.2. */
static inline bool tcp_tlp_wanted(const struct tcp_conn *c, const struct tcp_work *w)
{
	return tcp_tlp_if_calm(c, w) && c->snd_nxt != w->snd_una && !w->sacked && !w->ptb_mtu &&
	       !(w->recovery | w->rto_recovery);
}

/* us until it. */
static inline uint64_t tcp_tlp_after(const struct tcp_conn *c, const struct tcp_work *w)
{
	const uint64_t pto = w->rtt.srtt_us ? 2ull * w->rtt.srtt_us : TCP_PTO_WITHOUT_RTT;

	return w->flight.n == 1 && c->snd_nxt - w->snd_una <= c->snd_mss ?
		pto + TCP_MAX_ACK_DELAY_US : pto;
}

/* The same, 0: none now. */
static inline uint64_t tcp_tlp_delay(const struct tcp_conn *c, const struct tcp_work *w)
{
	return tcp_tlp_wanted(c, w) ? tcp_tlp_after(c, w) : 0;
}

/* The probe left. Section 7.3. */
void tcp_tlp_sent(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, bool again);

/* Section 7.4: true if the ACK shows that the probe repaired a loss. */
bool tcp_tlp_acked(struct tcp *t, struct tcp_work *w, const struct tcp_acked *a);

/* ---- what follows (recover.c) ---- */

/* After an ACK was read: losses, recovery, growth. */
void tcp_loss_detect(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, struct tcp_acked *a);

/* The retransmission timer expired: RFC 6298 (5.4), RFC 5682, RFC 8985 section 6.3. */
void tcp_rto_expired(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

/* The reordering timer expired. */
void tcp_reo_expired(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);

/* Data left: new or again. */
void tcp_recovery_sent(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, uint32_t len,
		       bool again);

#endif
