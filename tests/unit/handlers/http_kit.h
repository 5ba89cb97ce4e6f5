/*
 * What the tests of the http handler share: requests, and responses taken apart.
 */
#ifndef HTTP_KIT_H
#define HTTP_KIT_H

#include "fake_host.h"

#define GET  "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define HEAD "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"

/* One response, taken apart. */
struct response {
	int status;
	const char *head, *body;
	size_t head_len, body_len;
};

/* Whether the head has this line. */
bool http_has(const struct response *r, const char *line);

/* The value of a field, in memory that lasts until the next call; NULL if there is none. */
const char *http_value(const struct response *r, const char *name);

/* Take the next response off *at. head_only: it answers a HEAD. */
struct response http_next(const char **at, bool head_only);

/* The peer sends this text; what follows from it happens. */
void http_say(struct fake_host *f, const char *text);

/*
 * The only response on a new connection, which stays with the caller. Fails if anything was sent
 * behind it.
 */
struct response http_ask(struct fake_host **f, const char *config, const char *request);

/* Dates differ from run to run: cover them. */
void http_mask_dates(char *out);

#endif
