/*
 * The responses of the http handler, made once for each listener version: the settings, the heads
 * and the bodies. Workers only read them. What depends on the request is made when it is asked for.
 */
#ifndef HANDLERS_HTTP_REPLY_H
#define HANDLERS_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/option.h"
#include "handlers/http_parse.h"

#define HTTP_HEAD_MAX 512        /* bytes of a response's head */
#define HTTP_PAGE     (64u << 10) /* what /bytes/N repeats */

/*
 * Responses come in threes: for a client that takes a connection to be kept, for one that must be told
 * so (HTTP/1.0), and for the last on its connection.
 */
enum http_mode { HTTP_KEEP, HTTP_KEEP_10, HTTP_CLOSE, HTTP_MODES };

struct http_reply {
	uint16_t head_len;
	uint16_t date_at;  /* where in head the date goes; 0: nowhere */
	char *head;        /* its own; short bodies lie behind it */
	const char *body;
	uint64_t body_len;
};

/* Something a target names. Two cache lines of what requests for it read, and more. */
struct http_file {
	struct http_reply whole[HTTP_MODES]; /* the response without range or condition */
	struct http_validators valid;
	const char *type;
	const char *body;
	uint64_t len;
};

/* Errors after which the connection ends. */
enum http_error {
	HTTP_400, HTTP_413, HTTP_414, HTTP_417, HTTP_431, HTTP_501, HTTP_505,
	HTTP_ERRORS,
};

struct http_store;

struct http_settings {
	uint64_t body_size;
	char *file;
	char *root;
	uint64_t root_memory;
	uint32_t status;
	char *content_type;
	uint64_t max_head;
	uint64_t max_body;
	uint32_t requests;
	bool server;
	bool uploads;
	bool test_paths;

	/* From here on made by http_setup. */
	uint64_t serial;         /* no other settings of this process have it */
	struct http_rules rules;
	struct http_site site;
	struct http_file plain;  /* the one response of a listener without a directory */
	struct http_store *store;
	char *body;              /* of plain */
	char *page;              /* HTTP_PAGE bytes */
	struct http_reply refused[HTTP_MODES]; /* 405 */
	struct http_reply unknown[HTTP_MODES]; /* 501 */
	struct http_reply error[HTTP_ERRORS];
	struct http_reply go_on; /* 100 */
};

extern const struct option_table http_options;

/* As in struct pier_handler. */
bool http_setup(void *settings, char *err, size_t errlen);
void http_teardown(void *settings);

/* RFC 9110 sections 15 and 6.4.1. An unknown code's phrase is empty (RFC 9112 section 4). */
const char *http_reason(uint32_t status);
bool http_has_body(uint32_t status);

/* What http_setup and http_store_load share: the responses of a file whose body and type are set. */
bool http_file_replies(const struct http_settings *s, struct http_file *f, uint32_t status,
		       const char *fields);
void http_file_free(struct http_file *f);

/* Set entity tag and date of a file by its contents and its time of modification. */
void http_file_validate(struct http_file *f, int64_t mtime);

#endif
