/*
 * What the ways out (output.c, run.c) have in common: a segment's fields, and what is noted when one has left.
 */
#ifndef PIER_TCP_OUT_H
#define PIER_TCP_OUT_H

#include "tcp/loss.h"
#include "tcp/policy.h"
#include "tcp/window.h"

#define ACK_OPTION_SACKS 3 /* beside timestamps; RFC 2018 section 3 */

/* The peer is to hear what is here beyond RCV.NXT, or came twice. */
static inline bool sack_due(const struct tcp_conn *c, const struct tcp_work *w)
{
	return c->flags & TCP_AGREED_SACK &&
	       (w->ooo.n || w->fin_held || w->dsack_start != w->dsack_end);
}

/* Everything of a segment but its place in the stream; what it acknowledges is then not owed. */
static inline void seg_common(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, struct tcp_seg *seg)
{
	seg->ack = c->rcv_nxt;
	seg->window = tcp_advertise(t, c, w);
	seg->flags = c->flags & TCP_F_ECN_ECHO ? TCP_ACK | TCP_ECE : TCP_ACK;
	seg->fragment = c->flags & TCP_F_FRAGMENT;
	seg->dscp = c->dscp;
	seg->ecn = 0;
	seg->syn = NULL;
	seg->urg = 0;
	seg->sack_n = 0;
	seg->agreed = c->flags & TCP_F_AGREED;
	if (seg->agreed & TCP_AGREED_TS) {
		seg->tsval = tcp_ts_now(t, w->ts_offset);
		seg->tsecr = c->ts_recent;
	}
	if (unlikely(sack_due(c, w)))
		seg->sack_n = tcp_sack_report(t, w, c->rcv_nxt, seg->sack,
					      seg->agreed & TCP_AGREED_TS ? ACK_OPTION_SACKS :
									 TCP_SACK_MAX);
}

static inline void ack_sent(struct tcp_conn *c, struct tcp_work *w)
{
	w->last_ack_sent = c->rcv_nxt;
	w->ack_now = 0;
	w->delack = 0;
	w->segs_unacked = 0;
}

static inline uint8_t ttl_of(const struct tcp *t, const struct tcp_conn *c)
{
	return tcp_setting(t, c, ttl);
}

/*
 * One ACK, or one tick, lets so many segments leave back to back; the others follow in the next
 * millisecond and cwnd stays as it is (RFC 7661 section 4.4.2).
 */
static inline bool burst_spent(const struct tcp *t, const struct tcp_conn *c, struct tcp_work *w)
{
	if (w->burst_ms != t->now_ms) {
		w->burst_ms = t->now_ms;
		w->burst_left = tcp_opts_of(t, c)->burst;
	}
	return !w->burst_left;
}

/*
 * Nothing was in flight: what was delivered before says nothing of what leaves now, and may be so
 * long ago that its time, in 32 bits, looks later.
 */
static inline void first_in_flight(const struct tcp *t, const struct tcp_conn *c, struct tcp_work *w)
{
	w->progress = t->now_ms;
	w->rack.rtt_us = 0;
	w->stamp = (uint32_t)t->now;
	w->stamp_end = c->snd_nxt;
}

/*
 * Full segments of new data, in at most max packets, but for one that would empty the queue: of a connection with nothing
 * unusual about it, and no mbuf is missing. 0: tcp_output's way is the one, with what remains as well. (run.c)
 */
unsigned int tcp_run_output(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, struct rte_mbuf **pkts,
			    unsigned int max);

#endif
