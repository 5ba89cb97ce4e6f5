/*
 * Whether more comes than a worker can carry, and what share of the SYNs it refuses for that. Pure: it is
 * told the time and what was counted.
 *
 * A port that has more each time it is asked may just have clients that wait for nothing but us: that is a
 * worker at work. Where packets are lost besides, it is not being kept up with. The port then drops what
 * comes last, be it a SYN or the last segment of a connection that has cost nearly all its work, so that
 * less and less is ever finished. So from then on the queue is kept from standing by refusing SYNs: what is
 * refused is new connections, early and cheaply, and those that were taken end.
 *
 * After OVERLOAD_RUN full bursts in a row the next ones lose nearly all of their SYNs. That keeps the
 * queue short where a connection's next packets follow at once. Where they come a round trip later there is
 * a share besides, of all SYNs, that follows what the queue does over milliseconds, so that what is let in
 * is no more than what can be carried then. One SYN in OVERLOAD_LEAST is let in whatever comes: the losses
 * may be the path's.
 *
 * A millisecond in which every burst was full is a standing one. Overload begins with OVERLOAD_ENTER_MS such in
 * a row, with losses. In it each standing millisecond with losses refuses more, each other one less (much
 * slower where the queue stands and nothing is lost, which is a worker at work again); it ends when nothing was
 * refused for OVERLOAD_LEAVE_MS.
 *
 * Thread: the worker's.
 */
#ifndef PIER_WORKER_OVERLOAD_H
#define PIER_WORKER_OVERLOAD_H

#include <stdbool.h>
#include <stdint.h>

#define OVERLOAD_ALL	  65536u /* refused: every SYN */
#define OVERLOAD_LEAST	  64	 /* one SYN in so many is not */
#define OVERLOAD_MOST	  (OVERLOAD_ALL - OVERLOAD_ALL / OVERLOAD_LEAST)
#define OVERLOAD_RUN	  2	 /* an eighth of a ring of 1,024 packets; a batch of one client's is less */
#define OVERLOAD_ENTER_MS 32
#define OVERLOAD_LEAVE_MS 100

/* What was counted at a time. */
struct overload_mark {
	uint64_t at; /* us */
	uint64_t packets, repeats;
};

struct overload {
	bool on;
	bool rested;	       /* a burst since the last look was not full */
	uint32_t refused;      /* of OVERLOAD_ALL, in any burst */
	uint32_t run;	       /* turns with a full burst, in a row */
	uint32_t standing_ms;  /* in a row */
	uint32_t untroubled_ms; /* on, and nothing refused; in a row */
	uint64_t look_at;      /* us */
	struct overload_mark older, newer;
};

/*
 * After each turn: whether a burst was full. Every millisecond of now (us) also packets, received so far,
 * and repeats, how many of both sides' were sent again: overload_look. True: time for that.
 */
static inline bool overload_turn(struct overload *o, uint64_t now, bool full)
{
	o->rested |= !full;
	o->run = full ? o->run + 1 : 0;
	return now >= o->look_at;
}

void overload_look(struct overload *o, uint64_t now, uint64_t packets, uint64_t repeats);

/* Under overload: how many of the SYNs of the next turn, of OVERLOAD_ALL. */
static inline uint32_t overload_refused(const struct overload *o)
{
	return o->run >= OVERLOAD_RUN ? OVERLOAD_MOST : o->refused;
}

#endif
