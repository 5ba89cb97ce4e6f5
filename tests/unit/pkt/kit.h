/*
 * What the packet tests share: EAL without hugepages, frames made octet by octet with a checksum
 * computed the slow way, and mbufs whose segments are heap buffers of exactly their length, so that
 * a sanitizer sees any read outside of them.
 */
#ifndef PIER_TEST_PKT_KIT_H
#define PIER_TEST_PKT_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_mbuf.h>

#include "base/compiler.h"
#include "wire/be.h"

#define KIT_BUF (RTE_PKTMBUF_HEADROOM + 2048)

/* Group setup and teardown. */
int kit_start(void **state);
int kit_stop(void **state);

struct rte_mempool *kit_pool(const char *name, unsigned n, unsigned buf_len);

/* A generator with its own seed: a failure repeats. */
uint32_t kit_rnd(void);
void kit_fill(uint8_t *p, size_t len);

/* RFC 1071 on octets; a number in host order, not complemented. */
uint16_t kit_sum(const uint8_t *p, size_t len, uint32_t start);

/*
 * A chain of mbufs from mp over exact heap copies of frame[0..len), cut at the n_cuts offsets
 * (ascending). ol_flags are 0: every checksum UNKNOWN.
 */
struct rte_mbuf *kit_chain(struct rte_mempool *mp, const uint8_t *frame, uint32_t len,
			   const uint32_t *cuts, unsigned n_cuts);

/* A frame to be made; zero means the usual value. */
struct kit_frame {
	uint8_t buf[2048];
	uint32_t len;
	const uint8_t *ip_opt, *tcp_opt, *payload;
	unsigned ip_opt_len, tcp_opt_len, payload_len;
	uint8_t tos, tcp_flags;
};

extern const uint8_t kit_mac[6];

/* TCP 192.0.2.1:4096 to 198.51.100.7:80, sums filled. */
void kit_frame_make(struct kit_frame *k);

/* Compute both sums again after a change. */
void kit_frame_sums(struct kit_frame *k);
void kit_ip_sum(struct kit_frame *k);

#endif
