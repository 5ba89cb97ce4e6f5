/*
 * SipHash, the keyed pseudo-random function behind initial sequence numbers, timestamp offsets and
 * cookies (2-4, RFC 6528) and, where the CPU has no AES, the connection table (1-3).
 *
 * Pure; any thread; time grows with len.
 */
#ifndef PIER_BASE_SIPHASH_H
#define PIER_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/* 128 bits from the operating system's generator. One key serves one purpose. */
struct sip_key {
	uint64_t k[2];
};

uint64_t siphash24(const struct sip_key *key, const void *data, size_t len);
uint64_t siphash13(const struct sip_key *key, const void *data, size_t len);

#endif
