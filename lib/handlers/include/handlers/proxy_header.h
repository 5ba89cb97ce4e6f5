/*
 * The header of the PROXY protocol, versions 1 (text) and 2 (binary), as its published specification
 * has it: read from a stream, and written. A proxy puts it before all bytes of a connection, to say
 * whose connection it is.
 *
 * Pure: no allocation, no clock, no globals; any thread, one at a time per struct. What a stream reads as
 * does not depend on how it was split: tests/fuzz checks it.
 */
#ifndef HANDLERS_PROXY_HEADER_H
#define HANDLERS_PROXY_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pier/handler.h"

#define PROXY_HEAD_MAX 107 /* bytes that proxy_header_read wants in one piece */
#define PROXY_SEND_MAX 107 /* of what proxy_header_v1 and _v2 write */

enum proxy_event {
	PROXY_MORE, /* it goes on behind what was read */
	PROXY_DONE, /* complete and right */
	PROXY_NONE, /* the stream does not begin with one; nothing was read */
	PROXY_BAD,  /* it begins with one that is not right */
};

/* Zeroed before the first call. Addresses and ports as in struct pier_info. */
struct proxy_header {
	uint8_t source[16], destination[16];
	uint16_t source_port, destination_port;
	/* The rest is the reader's, and of a good header whether it said these, and its version. */
	uint16_t skip;      /* bytes between the head and the TLVs */
	uint16_t tlv_left;
	uint32_t left, crc, said;
	uint8_t version;    /* 1, 2 */
	uint8_t tlv_at, tlv_type;
	bool addresses;     /* not with LOCAL, UNKNOWN, and what is not a stream over IP */
	bool in_tlvs, opaque, has_crc;
};

/*
 * Read on. data are len bytes from the first that was not read: while that is the stream's first, all there
 * are or PROXY_HEAD_MAX of them, in one piece. Returns how many were read.
 *
 * TLVs are skipped, their lengths checked; of them the CRC-32c is verified.
 */
size_t proxy_header_read(struct proxy_header *h, const uint8_t *data, size_t len,
			 enum proxy_event *event);

/* Write the header that says what info says: the remote end is the source. Returns its length. */
size_t proxy_header_v1(uint8_t to[PROXY_SEND_MAX], const struct pier_info *info);
size_t proxy_header_v2(uint8_t to[PROXY_SEND_MAX], const struct pier_info *info);

#endif
