/*
 * What the http handler sends: see http_reply.h.
 *
 * A head is a finished text but for the date, whose place is known and whose length never changes:
 * sending one is a copy. The body, generated or read from a file, is one block of memory that all
 * connections of all workers send from by reference.
 */
#include "http_reply.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "date.h"

#define BODY_MAX (1ull << 30)
#define AT(field) offsetof(struct http_settings, field)

static const struct option options[] = {
	{ "body-size", OPTION_SIZE, AT(body_size), 0, BODY_MAX, NULL, "64",
	  "size of the generated response body; not used if file is given" },
	{ "file", OPTION_STRING, AT(file), 0, 0, NULL, NULL,
	  "file whose content is the response body; read at start" },
	{ "status", OPTION_U32, AT(status), 200, 599, NULL, "200",
	  "status code of the response; with 204 and 304 there is no body" },
	{ "content-type", OPTION_STRING, AT(content_type), 0, 0, NULL, "text/plain",
	  "media type of the response body; empty: none is sent" },
	{ "max-head", OPTION_SIZE, AT(max_head), 64, 1 << 20, NULL, "8k",
	  "longest request head accepted" },
	{ "requests", OPTION_U32, AT(requests), 0, UINT32_MAX, NULL, "0",
	  "close after this many requests on a connection; 0: never" },
	{ "server", OPTION_BOOL, AT(server), 0, 0, NULL, "yes",
	  "send a Server field" },
};

const struct option_table http_options = {
	.section = "listen",
	.help = "Settings of the http handler",
	.options = options,
	.n = sizeof(options) / sizeof(options[0]),
	.size = sizeof(struct http_settings),
};

/* RFC 9110 section 15; a code not in the list is sent with an empty phrase (RFC 9112 section 4). */
static const char *reason(uint32_t status)
{
	static const struct {
		uint32_t status;
		const char *phrase;
	} known[] = {
		{ 200, "OK" }, { 201, "Created" }, { 202, "Accepted" }, { 204, "No Content" },
		{ 301, "Moved Permanently" }, { 302, "Found" }, { 303, "See Other" },
		{ 304, "Not Modified" }, { 307, "Temporary Redirect" },
		{ 308, "Permanent Redirect" }, { 400, "Bad Request" }, { 401, "Unauthorized" },
		{ 403, "Forbidden" }, { 404, "Not Found" }, { 405, "Method Not Allowed" },
		{ 410, "Gone" }, { 414, "URI Too Long" }, { 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" }, { 500, "Internal Server Error" },
		{ 501, "Not Implemented" }, { 502, "Bad Gateway" },
		{ 503, "Service Unavailable" }, { 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].status == status)
			return known[i].phrase;
	}
	return "";
}

/* RFC 9110 section 6.4.1. */
static bool has_body(uint32_t status)
{
	return status != 204 && status != 304;
}

/* Append to the head. A head that would overflow is marked by a head_len of its full size. */
static void __attribute__((format(printf, 2, 3)))
append(struct http_reply *r, const char *format, ...)
{
	size_t room = sizeof(r->head) - r->head_len;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(r->head + r->head_len, room, format, args);
	va_end(args);
	r->head_len += (uint16_t)(n >= 0 && (size_t)n < room ? (size_t)n : room);
}

/*
 * Write a head around the body that was set in the reply. Returns false if it does not fit, which
 * only a long content type can bring about. A length goes with every status that may have a body
 * (RFC 9110 section 8.6).
 */
static bool make_head(const struct http_settings *s, struct http_reply *r, uint32_t status,
		      const char *type, const char *fields)
{
	append(r, "HTTP/1.1 %u %s\r\n", status, reason(status));
	if (s->server)
		append(r, "Server: pier\r\n");
	append(r, "Date: ");
	r->date_at = r->head_len;
	append(r, "%*s\r\n", DATE_HTTP_LEN, "");
	if (has_body(status) && type)
		append(r, "Content-Type: %s\r\n", type);
	if (has_body(status))
		append(r, "Content-Length: %llu\r\n", (unsigned long long)r->body_len);
	append(r, "%s\r\n", fields);
	return r->head_len < sizeof(r->head);
}

/* A response that says what was wrong, in words too. */
static bool make_error(struct http_settings *s, enum http_reply_id id, uint32_t status,
		       const char *fields)
{
	struct http_reply *r = &s->reply[id];

	r->body_len = (uint64_t)snprintf(r->text, sizeof(r->text), "%u %s\n", status,
					 reason(status));
	r->body = r->text;
	return make_head(s, r, status, "text/plain", fields);
}

static bool make_ok(struct http_settings *s, enum http_reply_id id, const char *fields)
{
	struct http_reply *r = &s->reply[id];

	r->body = s->body;
	r->body_len = s->body_len;
	return make_head(s, r, s->status, s->content_type, fields);
}

#define CLOSE "Connection: close\r\n"
#define KEEP  "Connection: keep-alive\r\n"
#define ALLOW "Allow: GET, HEAD\r\n"

static bool make_replies(struct http_settings *s)
{
	memset(s->reply, 0, sizeof(s->reply));
	append(&s->reply[REPLY_CONTINUE], "HTTP/1.1 100 Continue\r\n\r\n");
	return make_ok(s, REPLY_OK_KEEP, "") && make_ok(s, REPLY_OK_KEEP_10, KEEP) &&
	       make_ok(s, REPLY_OK_CLOSE, CLOSE) && make_error(s, REPLY_405_KEEP, 405, ALLOW) &&
	       make_error(s, REPLY_405_KEEP_10, 405, ALLOW KEEP) &&
	       make_error(s, REPLY_405_CLOSE, 405, ALLOW CLOSE) &&
	       make_error(s, REPLY_400, 400, CLOSE) && make_error(s, REPLY_414, 414, CLOSE) &&
	       make_error(s, REPLY_431, 431, CLOSE) && make_error(s, REPLY_501, 501, CLOSE) &&
	       make_error(s, REPLY_505, 505, CLOSE);
}

/* Lines of 63 characters and a line feed, so that a terminal can show it; the end is one too. */
static bool make_body(struct http_settings *s, char *err, size_t errlen)
{
	static const char line[] =
		"pier: 0123456789 ABCDEFGHIJKLMNOPQRSTUVWXYZ abcdefghijklmnopqrs\n";
	uint64_t i;

	static_assert(sizeof(line) - 1 == 64, "a power of two");
	s->body = malloc(s->body_size + 1); /* an empty body is a body */
	if (!s->body) {
		snprintf(err, errlen, "no memory for a body of %llu bytes",
			 (unsigned long long)s->body_size);
		return false;
	}
	for (i = 0; i < s->body_size; i++)
		s->body[i] = line[i % 64];
	if (i)
		s->body[i - 1] = '\n';
	s->body_len = s->body_size;
	return true;
}

/* Read exactly len bytes; a file that shrinks meanwhile is an error. */
static bool read_all(int fd, char *to, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = read(fd, to + done, len - done);
		if (n > 0) {
			done += (size_t)n;
		} else if (n == 0) {
			errno = EIO;
			return false;
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}

static bool load_fd(struct http_settings *s, int fd, char *err, size_t errlen)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		snprintf(err, errlen, "%s is not a regular file", s->file);
		return false;
	}
	if ((uint64_t)st.st_size > BODY_MAX) {
		snprintf(err, errlen, "%s is larger than 1g", s->file);
		return false;
	}
	s->body = malloc((size_t)st.st_size + 1);
	if (!s->body || !read_all(fd, s->body, (size_t)st.st_size)) {
		snprintf(err, errlen, "cannot read %s: %s", s->file, strerror(errno));
		return false;
	}
	s->body_len = (uint64_t)st.st_size;
	return true;
}

static bool load_body(struct http_settings *s, char *err, size_t errlen)
{
	int fd = open(s->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool ok;

	if (fd < 0) {
		snprintf(err, errlen, "cannot open %s: %s", s->file, strerror(errno));
		return false;
	}
	ok = load_fd(s, fd, err, errlen);
	close(fd);
	return ok;
}

/* RFC 9110 section 5.5: no control characters, so that the value stays one line. */
static bool is_field_value(const char *text)
{
	for (; *text; text++) {
		if (((unsigned char)*text < ' ' && *text != '\t') || *text == 0x7f)
			return false;
	}
	return true;
}

bool http_setup(void *settings, char *err, size_t errlen)
{
	static uint64_t serial; /* the control thread's */
	struct http_settings *s = settings;
	bool ok = true;

	s->serial = ++serial;
	s->body = NULL;
	s->body_len = 0;
	if (s->content_type && !is_field_value(s->content_type)) {
		snprintf(err, errlen, "content-type holds a control character");
		return false;
	}
	if (has_body(s->status))
		ok = s->file ? load_body(s, err, errlen) : make_body(s, err, errlen);
	if (ok && !make_replies(s)) {
		snprintf(err, errlen, "content-type is too long: a response head holds %d bytes",
			 HTTP_HEAD_MAX);
		ok = false;
	}
	if (!ok)
		http_teardown(s);
	return ok;
}

void http_teardown(void *settings)
{
	struct http_settings *s = settings;

	free(s->body);
	s->body = NULL;
	s->body_len = 0;
}
