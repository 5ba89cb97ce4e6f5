/*
 * A host's life, for world.c.
 */
#ifndef PIER_TESTS_SIM_HOST_H
#define PIER_TESTS_SIM_HOST_H

#include "sim.h"

/* 198.18.0.1 and .2, network order. */
static inline uint32_t host_address(unsigned int id)
{
	return be32(0xc6120001 + id);
}

/* EAL and the pools, once; exits on failure. */
void host_start(void);
/* As by default; may be changed until host_open. */
void host_init(struct host *h, struct sim *s, unsigned int id);
/* Of IPv6: fd00:18::1 and ::2. */
void host_v6(struct host *h);
void host_open(struct host *h);
/* A frame arrives; seen in the next host_turn. */
void host_receive(struct host *h, const struct frame *f);
/* Input what arrived, and run the engine until it has nothing to do at this time. */
void host_turn(struct host *h);
/* Destroy the engine; every mbuf must be back. */
void host_close(struct host *h);

#endif
