/*
 * Floods and crowds at the size that the rows name: one engine, and clients that are numbers, not
 * connections of their own. A client is known by its address, 10.0.0.0 and its number; what it sends is
 * written into a template, what the engine sends is looked at and forgotten. Time is virtual, and goes on
 * between bursts by as much as the rate says.
 *
 * Under a sanitizer a hundredth of it.
 */
#ifndef PIER_TESTS_SIM_CROWD_H
#define PIER_TESTS_SIM_CROWD_H

#include "kit.h"

#ifdef SIM_FEWER
#define MANY(n) ((n) / 100)
#else
#define MANY(n) (n)
#endif
#define BURST   64u
#define TICK    256 /* timers in a turn */
#define MEMORY  64 /* regions of an engine */
#define REQUEST 16u /* octets, of which a client asks */
#define ANSWER  1000u

/* What the handler does. */
enum deed { REST, CLOSE_ON_OPEN, ANSWER_ON_DATA, STREAM };

struct crowd {
	struct kit *k;
	enum deed deed;
	uint32_t sleepers;        /* clients of a lower number are not read */
	struct rte_mempool *pool; /* of what comes in */
	uint8_t frame[128];
	struct rte_mbuf *burst[BURST];
	unsigned int n;
	void (*seen)(const struct ip4_hdr *ip, const struct tcp_hdr *th, uint32_t payload);
	uint64_t octets_in, octets_out, frames_out;
	/* Of clients, by number from base on. */
	uint32_t base, iss[BURST];
	uint64_t opens, closes, octets; /* callbacks; octets: read */
	uint32_t last_closed;
	bool in_order;                  /* closes were those of 0, 1, 2, ... */
	struct { void *at; size_t bytes; } mem[MEMORY];
	unsigned int n_mem;
};

extern struct crowd many;

extern const struct tcp_opts crowd_all_options, crowd_mss_only;

/* A kit whose configuration may be changed until crowd_start. */
struct kit *crowd(enum deed deed);
void crowd_start(struct kit *k);
/* Nothing is left, and no mbuf is missing. */
void crowd_end(struct kit *k);

/* What has come is taken in, and all that is due leaves. */
void crowd_turn(void);
void crowd_pass(uint64_t us);
/* A segment of client i; a SYN has options o, another one none. A full burst is taken in. */
void crowd_from(uint32_t i, uint16_t dport, struct seg s, uint16_t win, const struct tcp_opts *o);
/* Takes the ISNs of SYN-ACKs to the clients from many.base on. */
void crowd_note_iss(const struct ip4_hdr *ip, const struct tcp_hdr *th, uint32_t payload);
/* A burst of clients opens; their third segment carries len octets, and that window. */
void crowd_open(uint32_t base, uint32_t len, uint16_t win);

#endif
