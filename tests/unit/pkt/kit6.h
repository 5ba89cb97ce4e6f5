/*
 * IPv6 frames, made header by header: kit6_begin, any number of kit6_add, kit6_end.
 */
#ifndef PIER_TEST_PKT_KIT6_H
#define PIER_TEST_PKT_KIT6_H

#include "kit.h"

#define KIT6_L3 14
#define KIT6_L4 54

struct kit6_frame {
	uint8_t buf[24 * 1024];
	uint32_t len;
	uint32_t next_at; /* where the Next Header octet of the last header lies */
};

extern const uint8_t kit6_saddr[16], kit6_daddr[16]; /* fd00:18::1 and fd00:18::2 */

/* Ethernet and IPv6 header, with class 0, from kit6_saddr to kit6_daddr, and nothing behind. */
void kit6_begin(struct kit6_frame *k);

/* Behind the last header len octets, a header of that number; the first is to be the Next Header octet. */
void kit6_add(struct kit6_frame *k, uint8_t number, const void *p, uint32_t len);

/* A TCP header, 4096 to 80, with those flags, options and payload; and the payload length, and the checksum. */
void kit6_tcp(struct kit6_frame *k, uint8_t flags, const uint8_t *opt, uint32_t opt_len, uint32_t payload_len);

/* The payload length is what is there. */
void kit6_end(struct kit6_frame *k);

/* Compute the checksum at l4 + at again, as of that protocol. */
void kit6_sum(struct kit6_frame *k, uint32_t l4, uint32_t at, uint8_t proto);

#endif
