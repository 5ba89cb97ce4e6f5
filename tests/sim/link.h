/*
 * The wire: frames under way, in virtual time, and the links they cross. A link has a bandwidth, a
 * queue in front of it, a distance, and what can go wrong on each. All chance comes from one seed, so
 * a run repeats frame by frame.
 *
 * A frame's way: the middlebox that loses or thins ACKs; the MTU; the queue (drop-tail in bytes, CE
 * marks above a threshold); the transmitter; random and burst loss; delay, jitter, reordering,
 * damage and doubling. Rates are of IP packets: what Ethernet adds is not counted.
 */
#ifndef PIER_TESTS_SIM_LINK_H
#define PIER_TESTS_SIM_LINK_H

#include <stdbool.h>
#include <stdint.h>

#define FRAME_MAX 1600

struct frame {
	struct frame *next;
	uint32_t len;
	uint8_t to;   /* the host it goes to */
	uint8_t hop;  /* the link it crosses */
	uint8_t bytes[FRAME_MAX];
};

/* What a direction does to frames; may change at any time by link_change. */
struct link_conf {
	double bits_per_s;
	uint64_t delay;     /* us */
	uint64_t jitter;    /* us: uniform from 0 to it, or exponential with that mean */
	bool exponential;
	uint32_t queue;     /* bytes that may wait for the transmitter; 0: any number */
	uint32_t mark;      /* ECN-capable packets are marked when more bytes wait; 0: never */
	double loss;        /* probabilities from here, of each frame */
	double to_bad, to_good, bad_loss; /* Gilbert: of entering and leaving the bad state, loss in it */
	double ack_loss;    /* of segments without payload */
	double reorder;     /* of being late by up to late us */
	uint64_t late;
	double duplicate;
	double corrupt;     /* one bit, anywhere */
	uint64_t period;    /* every so many-th data segment is lost; 0: none */
	uint32_t mtu;       /* longer packets are dropped; 0: none is */
	bool icmp;          /* and answered by ICMP fragmentation needed */
	uint32_t thin;      /* of so many ACKs in a row one passes; 0 and 1: all */
	uint64_t clump;     /* us: ACKs leave at multiples of it; 0: at once */
	uint64_t poll;      /* us: the receiver looks at multiples of it; 0: at once */
	uint16_t far_port;  /* a client port whose frames take longer, */
	uint64_t far;       /* by this, us */
	bool down;          /* everything is lost */
};

struct link_stats {
	uint64_t frames, payload;  /* offered; bytes of TCP payload among it */
	uint64_t lost, overflow, too_long, late, doubled, damaged, marked, thinned;
	uint64_t backlog_max;      /* bytes */
};

struct link {
	struct link_conf conf;
	struct link_stats stats;
	double free_ns;     /* when the transmitter is idle again */
	uint64_t last_at;   /* us: arrival of the last frame that kept its place */
	uint64_t last_far;  /* the same of those that take longer */
	uint64_t data;      /* data segments seen, for period */
	bool bad;           /* Gilbert state */
	struct frame *held; /* the last ACK of a run that is being thinned */
	uint32_t run;       /* ACKs in it */
	uint64_t flush_at;  /* us: when it passes all the same; UINT64_MAX: none held */
	/* If set: called for each frame with payload first; true: it is lost. */
	bool (*pick)(void *arg, const struct frame *f);
	void *pick_arg;
};

struct wire_event {
	uint64_t at, order;
	double depart;  /* ns */
	struct frame *f;
};

struct wire {
	uint64_t rng;
	uint64_t now;   /* us */
	struct wire_event *heap;
	uint32_t n, max;
	uint64_t order;
	struct frame *spare;
	struct link link[2];   /* link[h] leads to host h */
	uint64_t router_errors; /* ICMP errors sent */
};

void wire_init(struct wire *w, uint64_t seed, uint64_t now);
void wire_fini(struct wire *w);

/* Random numbers of the run: splitmix64. */
uint64_t wire_rnd(struct wire *w);
uint64_t wire_range(struct wire *w, uint64_t lo, uint64_t hi); /* inclusive */
bool wire_chance(struct wire *w, double p);

/* An empty frame, to be filled and given to wire_send. */
struct frame *wire_frame(struct wire *w);
/* A host sends f to f->to; takes it. */
void wire_send(struct wire *w, struct frame *f);
/* When something arrives, UINT64_MAX: nothing is under way. */
uint64_t wire_next(const struct wire *w);
/* The next frame that has arrived at w->now, or NULL; to be given back with wire_drop. */
struct frame *wire_take(struct wire *w);
void wire_drop(struct wire *w, struct frame *f);
/* The link to host `to` changes now: what waits for its transmitter is sent at the new rate. */
void link_change(struct wire *w, unsigned int to, const struct link_conf *conf);

/* Bytes that wait for the transmitter, or are in it. */
uint64_t link_backlog(const struct wire *w, const struct link *l);

/* Where what IP carries begins in a frame of it, without extension headers, and how long that is, as IP says. */
uint32_t frame_l4(const struct frame *f);
uint32_t frame_l4_len(const struct frame *f);
/* TCP payload bytes of a frame; -1: it is not TCP over IP. */
int frame_payload(const struct frame *f);

#endif
