/*
 * HTTP responses as a client has to see them: where each one begins and ends (RFC 9112 section 6), its
 * status, and whether it is well formed. The body is counted, not kept.
 *
 * A server sends the same head again and again: the last head that was read is remembered, and a head
 * that is equal to it, byte for byte, needs no more than the comparison.
 *
 * Pure: bytes in, no allocation; a struct response per connection, a struct response_heads for all of
 * one thread.
 */
#ifndef PIER_LOAD_RESPONSE_H
#define PIER_LOAD_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESPONSE_HEAD_MAX 8192

enum response_state {
	RESPONSE_HEAD,       /* before or inside of the head */
	RESPONSE_BODY,       /* left bytes to come */
	RESPONSE_CHUNK_SIZE, /* in a line with a chunk's size */
	RESPONSE_CHUNK,      /* left bytes, CR LF behind them included, then the next size */
	RESPONSE_TRAILER,    /* lines behind the last chunk, left bytes in this one so far */
	RESPONSE_TO_END,     /* the body lasts until the server closes */
};

/* Zeroed before the first response of a connection. */
struct response {
	uint64_t left;
	uint64_t body;   /* bytes of the body so far */
	uint16_t status; /* of the response being read, or read last */
	uint8_t state;   /* enum response_state */
	bool close;      /* the server has said that it will close */
	bool digit;      /* of a chunk's size, one was seen */
	bool extension;  /* ... and its end */
};

/* What a head says. */
struct response_head {
	uint32_t len;
	uint16_t status;
	uint8_t state;
	bool close;
	uint64_t left;
};

/* Zeroed before use. */
struct response_heads {
	struct response_head last;
	char text[RESPONSE_HEAD_MAX];  /* of last */
	char split[RESPONSE_HEAD_MAX]; /* a head in several slices */
};

enum response_result {
	RESPONSE_MORE, /* all bytes used, the response goes on */
	RESPONSE_DONE, /* it ended behind *used bytes */
	RESPONSE_BAD,  /* this is no HTTP response */
};

/*
 * Read from len bytes, of which the first may be the first of a response; stops at a response's end.
 * A head has to come in one piece: with RESPONSE_MORE and *used < len an incomplete head begins there,
 * to be shown again with more behind it.
 */
enum response_result response_read(struct response *r, struct response_heads *h, const char *data,
				   size_t len, size_t *used);

/* The server has closed. Whether that ends a response in order. */
bool response_ends(const struct response *r);

#endif
