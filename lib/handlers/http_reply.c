/*
 * What the http handler sends: see http_reply.h.
 *
 * A head is a finished text but for the date, whose place is known and whose length never changes:
 * sending one is a copy. The bodies, generated or read from files, are memory that all connections
 * of all workers send from by reference.
 */
#include "http_store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/siphash.h"
#include "date.h"

#define BODY_MAX (1ull << 30)
#define AT(field) offsetof(struct http_settings, field)

static const struct option options[] = {
	{ "body-size", OPTION_SIZE, AT(body_size), 0, BODY_MAX, NULL, "64",
	  "size of the generated response body; not used if file is given" },
	{ "file", OPTION_STRING, AT(file), 0, 0, NULL, NULL,
	  "file whose content is the response body; read at start and at reload" },
	{ "root", OPTION_STRING, AT(root), 0, 0, NULL, NULL,
	  "directory whose files are served by their paths; read into memory at start and at reload; links and names with a dot in front are left out" },
	{ "root-memory", OPTION_SIZE, AT(root_memory), 4096, 1ull << 40, NULL, "256m",
	  "memory that the files of root may take" },
	{ "status", OPTION_U32, AT(status), 200, 599, NULL, "200",
	  "status code of the response; with 204 and 304 there is no body; not used if root is given" },
	{ "content-type", OPTION_STRING, AT(content_type), 0, 0, NULL, "text/plain",
	  "media type of the response body; empty: none is sent; files of root have that of their suffix" },
	{ "max-head", OPTION_SIZE, AT(max_head), 64, 1 << 20, NULL, "8k",
	  "longest request head accepted" },
	{ "max-body", OPTION_SIZE, AT(max_body), 0, 1ull << 50, NULL, "0",
	  "longest request body accepted, else 413; 0: any" },
	{ "uploads", OPTION_BOOL, AT(uploads), 0, 0, NULL, "yes",
	  "answer POST and PUT, to any target, with the number of bytes received, which are thrown away; no: 405" },
	{ "test-paths", OPTION_BOOL, AT(test_paths), 0, 0, NULL, "yes",
	  "answer /bytes/N with N bytes, /status/CODE with that status, /delay/MS and /delay/MS/PATH after that time" },
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

const char *http_reason(uint32_t status)
{
	static const struct {
		uint32_t status;
		const char *phrase;
	} known[] = {
		{ 200, "OK" }, { 201, "Created" }, { 202, "Accepted" }, { 204, "No Content" },
		{ 205, "Reset Content" }, { 206, "Partial Content" },
		{ 300, "Multiple Choices" }, { 301, "Moved Permanently" }, { 302, "Found" },
		{ 303, "See Other" }, { 304, "Not Modified" }, { 307, "Temporary Redirect" },
		{ 308, "Permanent Redirect" }, { 400, "Bad Request" }, { 401, "Unauthorized" },
		{ 402, "Payment Required" }, { 403, "Forbidden" }, { 404, "Not Found" },
		{ 405, "Method Not Allowed" }, { 406, "Not Acceptable" },
		{ 407, "Proxy Authentication Required" }, { 408, "Request Timeout" },
		{ 409, "Conflict" }, { 410, "Gone" }, { 411, "Length Required" },
		{ 412, "Precondition Failed" }, { 413, "Content Too Large" },
		{ 414, "URI Too Long" }, { 415, "Unsupported Media Type" },
		{ 416, "Range Not Satisfiable" }, { 417, "Expectation Failed" },
		{ 421, "Misdirected Request" }, { 422, "Unprocessable Content" },
		{ 425, "Too Early" }, { 426, "Upgrade Required" },
		{ 428, "Precondition Required" }, { 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 451, "Unavailable For Legal Reasons" }, { 500, "Internal Server Error" },
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

bool http_has_body(uint32_t status)
{
	return status != 204 && status != 304;
}

/* A head as it grows. One that would overflow has a len of its full size. */
struct head {
	size_t len, date_at;
	char text[HTTP_HEAD_MAX];
};

static void __attribute__((format(printf, 2, 3)))
append(struct head *h, const char *format, ...)
{
	size_t room = sizeof(h->text) - h->len;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(h->text + h->len, room, format, args);
	va_end(args);
	h->len += n >= 0 && (size_t)n < room ? (size_t)n : room;
}

static void begin_head(const struct http_settings *s, struct head *h, uint32_t status)
{
	append(h, "HTTP/1.1 %u %s\r\n", status, http_reason(status));
	if (s->server)
		append(h, "Server: pier\r\n");
	append(h, "Date: ");
	h->date_at = h->len;
	append(h, "%*s\r\n", DATE_HTTP_LEN, "");
}

/* A reply of this head, with a copy of a short body behind it; or without, and the caller sets it. */
static bool make_reply(struct http_reply *r, const struct head *h, const char *words)
{
	size_t len = words ? strlen(words) : 0;

	if (h->len >= sizeof(h->text))
		return false;
	r->head = malloc(h->len + len + 1);
	if (!r->head)
		return false;
	memcpy(r->head, h->text, h->len);
	memcpy(r->head + h->len, words ? words : "", len + 1);
	r->head_len = (uint16_t)h->len;
	r->date_at = (uint16_t)h->date_at;
	r->body = r->head + h->len;
	r->body_len = len;
	return true;
}

#define CLOSE "Connection: close\r\n"
#define KEEP  "Connection: keep-alive\r\n"
static const char *const connection[HTTP_MODES] = {
	[HTTP_KEEP] = "", [HTTP_KEEP_10] = KEEP, [HTTP_CLOSE] = CLOSE,
};

/* A response that says what was wrong, in words too. */
static bool make_error(const struct http_settings *s, struct http_reply *r, uint32_t status,
		       const char *fields, enum http_mode mode)
{
	struct head h = { 0 };
	char words[64];

	snprintf(words, sizeof(words), "%u %s\n", status, http_reason(status));
	begin_head(s, &h, status);
	append(&h, "Content-Type: text/plain\r\nContent-Length: %zu\r\n%s%s\r\n", strlen(words),
	       fields, connection[mode]);
	return make_reply(r, &h, words);
}

/* A length goes with every status that may have a body (RFC 9110 section 8.6). */
bool http_file_replies(const struct http_settings *s, struct http_file *f, uint32_t status,
		       const char *fields)
{
	for (int mode = 0; mode < HTTP_MODES; mode++) {
		struct head h = { 0 };

		begin_head(s, &h, status);
		if (http_has_body(status) && f->type)
			append(&h, "Content-Type: %s\r\n", f->type);
		if (f->valid.etag_len)
			append(&h, "Last-Modified: %s\r\nETag: \"%s\"\r\nAccept-Ranges: bytes\r\n",
			       f->valid.modified, f->valid.etag);
		if (http_has_body(status))
			append(&h, "Content-Length: %llu\r\n", (unsigned long long)f->len);
		append(&h, "%s%s\r\n", fields, connection[mode]);
		if (!make_reply(&f->whole[mode], &h, NULL))
			return false;
		f->whole[mode].body = f->body;
		f->whole[mode].body_len = f->len;
	}
	return true;
}

void http_file_free(struct http_file *f)
{
	for (int mode = 0; mode < HTTP_MODES; mode++) {
		free(f->whole[mode].head);
		f->whole[mode].head = NULL;
	}
}

/* The same bytes have the same tag on every server; it is not meant to withstand an attack. */
void http_file_validate(struct http_file *f, int64_t mtime)
{
	static const struct sip_key key = { { 0x7069657220687474, 0x7020657461672031 } };
	struct http_validators *v = &f->valid;
	int64_t now = date_now();

	snprintf(v->etag, sizeof(v->etag), "%016llx",
		 (unsigned long long)siphash13(&key, f->body, f->len));
	v->etag_len = (uint8_t)strlen(v->etag);
	v->mtime = mtime < 0 ? 0 : mtime > now ? now : mtime; /* RFC 9110 section 8.8.2.1 */
	date_http(v->modified, v->mtime);
}

static bool make_replies(struct http_settings *s)
{
	static const uint16_t errors[HTTP_ERRORS] = {
		[HTTP_400] = 400, [HTTP_413] = 413, [HTTP_414] = 414, [HTTP_417] = 417,
		[HTTP_431] = 431, [HTTP_501] = 501, [HTTP_505] = 505,
	};
	const char *allow = s->uploads ? "Allow: GET, HEAD, POST, PUT\r\n" : "Allow: GET, HEAD\r\n";
	struct head go_on = { 0 };
	bool ok = true;

	append(&go_on, "HTTP/1.1 100 Continue\r\n\r\n");
	ok = make_reply(&s->go_on, &go_on, NULL);
	for (int i = 0; i < HTTP_ERRORS; i++)
		ok = ok && make_error(s, &s->error[i], errors[i], "", HTTP_CLOSE);
	for (int mode = 0; mode < HTTP_MODES; mode++)
		ok = ok && make_error(s, &s->refused[mode], 405, allow, (enum http_mode)mode) &&
		     make_error(s, &s->unknown[mode], 501, "", (enum http_mode)mode);
	return ok;
}

/* A pattern in which a lost or doubled segment shows: lines of 64 bytes, numbered. */
static bool make_page(struct http_settings *s)
{
	s->page = malloc(HTTP_PAGE + 1); /* a NUL behind each line, where the next one begins */
	for (uint32_t i = 0; s->page && i < HTTP_PAGE / 64; i++)
		snprintf(s->page + i * 64, 65,
			 "pier %04u 0123456789 ABCDEFGHIJKLMNOPQRSTUVWXYZ abcdefghijklmno\n", i);
	return s->page;
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
		snprintf(err, errlen, "body-size: no memory for a body of %llu bytes",
			 (unsigned long long)s->body_size);
		return false;
	}
	for (i = 0; i < s->body_size; i++)
		s->body[i] = line[i % 64];
	if (i)
		s->body[i - 1] = '\n';
	s->plain.len = s->body_size;
	return true;
}

bool http_read_all(int fd, char *to, size_t len)
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
		snprintf(err, errlen, "file: %s is not a regular file", s->file);
		return false;
	}
	if ((uint64_t)st.st_size > BODY_MAX) {
		snprintf(err, errlen, "file: %s is larger than 1g", s->file);
		return false;
	}
	s->body = malloc((size_t)st.st_size + 1);
	if (!s->body || !http_read_all(fd, s->body, (size_t)st.st_size)) {
		snprintf(err, errlen, "file: cannot read %s: %s", s->file, strerror(errno));
		return false;
	}
	s->plain.len = (uint64_t)st.st_size;
	s->plain.body = s->body;
	if (s->status == 200)
		http_file_validate(&s->plain, st.st_mtime);
	return true;
}

static bool load_body(struct http_settings *s, char *err, size_t errlen)
{
	int fd = open(s->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool ok;

	if (fd < 0) {
		snprintf(err, errlen, "file: cannot open %s: %s", s->file, strerror(errno));
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

static bool make_plain(struct http_settings *s, char *err, size_t errlen)
{
	s->plain.type = s->content_type;
	if (http_has_body(s->status) &&
	    !(s->file ? load_body(s, err, errlen) : make_body(s, err, errlen)))
		return false;
	s->plain.body = s->body;
	if (http_file_replies(s, &s->plain, s->status, ""))
		return true;
	snprintf(err, errlen, "content-type: too long: a response head holds %d bytes",
		 HTTP_HEAD_MAX);
	return false;
}

/* The paths that there are. */
static bool make_site(struct http_settings *s, char *err, size_t errlen)
{
	struct http_store *store = s->root ? http_store_load(s, err, errlen) : calloc(1, sizeof(*store));
	bool ok = true;

	s->store = store;
	if (!store)
		return false;
	if (s->test_paths)
		ok = http_store_add(store, "bytes/", HTTP_BYTES, NULL) &&
		     http_store_add(store, "delay/", HTTP_DELAY, NULL) &&
		     http_store_add(store, "status/", HTTP_STATUS, NULL);
	if (!ok)
		return false;
	if (store->n_keys)
		qsort(store->keys, store->n_keys, sizeof(*store->keys), http_key_order);
	s->site = (struct http_site){ store->keys, store->n_keys, s->root, &s->plain.valid };
	return true;
}

/* Requests mean the same to all listeners that have no paths of their own and no limit. */
static void make_rules(struct http_settings *s)
{
	s->rules.max_head = (uint32_t)s->max_head;
	s->rules.max_body = s->max_body;
	s->rules.site = &s->site;
	s->rules.key = s->test_paths ? 1 : 2;
	if (s->root || s->file || s->max_body)
		s->rules.key = 2 + s->serial;
}

static bool check(const struct http_settings *s, char *err, size_t errlen)
{
	if (s->content_type && !is_field_value(s->content_type)) {
		snprintf(err, errlen, "content-type: holds a control character");
		return false;
	}
	if (s->root && s->file) {
		snprintf(err, errlen, "root: root and file: expected one of them");
		return false;
	}
	return true;
}

bool http_setup(void *settings, char *err, size_t errlen)
{
	static uint64_t serial; /* the control thread's */
	struct http_settings *s = settings;
	bool ok;

	s->serial = ++serial;
	memset(&s->plain, 0, sizeof(s->plain));
	memset(s->error, 0, sizeof(s->error));
	memset(s->refused, 0, sizeof(s->refused));
	memset(s->unknown, 0, sizeof(s->unknown));
	memset(&s->go_on, 0, sizeof(s->go_on));
	s->body = s->page = NULL;
	s->store = NULL;
	make_rules(s);
	snprintf(err, errlen, "no memory");
	ok = check(s, err, errlen) && make_plain(s, err, errlen) && make_site(s, err, errlen) &&
	     make_page(s) && make_replies(s);
	if (!ok)
		http_teardown(s);
	return ok;
}

void http_teardown(void *settings)
{
	struct http_settings *s = settings;

	http_file_free(&s->plain);
	for (int i = 0; i < HTTP_ERRORS; i++)
		free(s->error[i].head);
	for (int mode = 0; mode < HTTP_MODES; mode++) {
		free(s->refused[mode].head);
		free(s->unknown[mode].head);
	}
	free(s->go_on.head);
	http_store_free(s->store);
	free(s->body);
	free(s->page);
	s->body = s->page = NULL;
	s->store = NULL;
}
