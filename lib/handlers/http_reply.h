/*
 * The responses of the http handler, made once for each listener version: the settings, the heads
 * and the body. Workers only read them.
 */
#ifndef HANDLERS_HTTP_REPLY_H
#define HANDLERS_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/option.h"

#define HTTP_HEAD_MAX 512 /* bytes of a response's head */

/*
 * Which response. The first six come in threes: for a client that takes a connection to be kept,
 * for one that must be told so (HTTP/1.0), and for the last on its connection.
 */
enum http_reply_id {
	REPLY_NONE,
	REPLY_OK_KEEP, REPLY_OK_KEEP_10, REPLY_OK_CLOSE,
	REPLY_405_KEEP, REPLY_405_KEEP_10, REPLY_405_CLOSE,
	REPLY_400, REPLY_414, REPLY_431, REPLY_501, REPLY_505,
	REPLY_CONTINUE,
	REPLY_N,
};

struct http_reply {
	uint16_t head_len;
	uint16_t date_at; /* where in head the date goes; 0: nowhere */
	const char *body;
	uint64_t body_len;
	char head[HTTP_HEAD_MAX];
	char text[40]; /* the body of an error */
};

struct http_settings {
	uint64_t body_size;
	char *file;
	uint32_t status;
	char *content_type;
	uint64_t max_head;
	uint32_t requests;
	bool server;

	/* From here on made by http_setup. */
	uint64_t serial; /* no other settings of this process have it */
	char *body;
	uint64_t body_len;
	struct http_reply reply[REPLY_N];
};

extern const struct option_table http_options;

/* As in struct pier_handler. */
bool http_setup(void *settings, char *err, size_t errlen);
void http_teardown(void *settings);

#endif
