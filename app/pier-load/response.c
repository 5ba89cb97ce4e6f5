/*
 * See response.h. Only what frames a message is read of a head: status, Content-Length,
 * Transfer-Encoding, Connection.
 */
#include "response.h"

#include <string.h>
#include <strings.h>

#include "base/compiler.h"

/* The end of the head in len bytes, behind its empty line; 0: not there. */
static size_t head_end(const char *data, size_t len)
{
	const char *p = data, *end = data + len;

	while ((p = memchr(p, '\n', (size_t)(end - p)))) {
		p++;
		if (p < end && *p == '\n')
			return (size_t)(p + 1 - data);
		if (end - p >= 2 && p[0] == '\r' && p[1] == '\n')
			return (size_t)(p + 2 - data);
	}
	return 0;
}

/* Whether it may become a status line: who speaks something else may never end a head. */
static bool begins(const char *data, size_t len)
{
	return !memcmp(data, "HTTP/1.", min_of(len, (size_t)7));
}

/* "HTTP/1.1 200 OK" */
static bool status_line(const char *line, size_t len, struct response_head *h)
{
	if (len < 12 || memcmp(line, "HTTP/1.", 7) || line[8] != ' ')
		return false;
	if (line[7] != '0' && line[7] != '1')
		return false;
	h->close = line[7] == '0';
	h->status = 0;
	for (int i = 9; i < 12; i++) {
		if (line[i] < '0' || line[i] > '9')
			return false;
		h->status = (uint16_t)(h->status * 10 + (line[i] - '0'));
	}
	return h->status >= 100 && (len == 12 || line[12] == ' ');
}

static bool number(const char *s, size_t len, uint64_t *n)
{
	*n = 0;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9' || *n > (UINT64_MAX - 9) / 10)
			return false;
		*n = *n * 10 + (uint64_t)(s[i] - '0');
	}
	return len;
}

static bool is(const char *s, size_t len, const char *word)
{
	return len == strlen(word) && !strncasecmp(s, word, len);
}

/* Whether a list, "a, b", has the word. */
static bool lists(const char *s, size_t len, const char *word)
{
	const char *end = s + len;

	while (s < end) {
		const char *comma = memchr(s, ',', (size_t)(end - s));
		const char *stop = comma ? comma : end, *next = comma ? comma + 1 : end;

		while (s < stop && (*s == ' ' || *s == '\t'))
			s++;
		while (stop > s && (stop[-1] == ' ' || stop[-1] == '\t'))
			stop--;
		if (is(s, (size_t)(stop - s), word))
			return true;
		s = next;
	}
	return false;
}

/* One field; framing is what has been found so far. */
static bool field(const char *line, size_t len, struct response_head *h)
{
	const char *colon = memchr(line, ':', len), *value;
	const size_t name = colon ? (size_t)(colon - line) : 0;
	uint64_t n;
	size_t vlen;

	if (!name)
		return false;
	value = colon + 1;
	vlen = len - name - 1;
	while (vlen && (*value == ' ' || *value == '\t'))
		value++, vlen--;
	while (vlen && (value[vlen - 1] == ' ' || value[vlen - 1] == '\t'))
		vlen--;
	if (is(line, name, "content-length")) {
		if (!number(value, vlen, &n) || (h->state == RESPONSE_BODY && h->left != n))
			return false;
		if (h->state == RESPONSE_TO_END) {
			h->state = RESPONSE_BODY;
			h->left = n;
		}
	} else if (is(line, name, "transfer-encoding")) {
		if (lists(value, vlen, "chunked"))
			h->state = RESPONSE_CHUNK_SIZE;
	} else if (is(line, name, "connection")) {
		if (lists(value, vlen, "close"))
			h->close = true;
		else if (lists(value, vlen, "keep-alive"))
			h->close = false;
	}
	return true;
}

/* RFC 9112 section 6.3: these have no body, whatever their fields say. */
static bool bodiless(uint16_t status)
{
	return status < 200 || status == 204 || status == 304;
}

static bool parse_head(const char *data, size_t len, struct response_head *h)
{
	const char *line = data, *end = data + len, *lf;
	bool first = true;

	*h = (struct response_head){.len = (uint32_t)len, .state = RESPONSE_TO_END};
	while ((lf = memchr(line, '\n', (size_t)(end - line)))) {
		size_t n = (size_t)(lf - line);

		if (n && line[n - 1] == '\r')
			n--;
		if (first ? !status_line(line, n, h) : n && !field(line, n, h))
			return false;
		first = false;
		line = lf + 1;
	}
	if (bodiless(h->status)) {
		h->state = RESPONSE_BODY;
		h->left = 0;
	} else if (h->state == RESPONSE_CHUNK_SIZE) {
		h->left = 0;
	}
	return true;
}

static bool same_head(const struct response_heads *h, const char *data, size_t len)
{
	return h->last.len && len >= h->last.len && !memcmp(data, h->text, h->last.len);
}

/* The head at data into r; *used is its length. */
static enum response_result read_head(struct response *r, struct response_heads *h,
				      const char *data, size_t len, size_t *used)
{
	size_t n;

	*used = 0;
	if (unlikely(!same_head(h, data, len))) {
		n = head_end(data, len);
		if (!n || n > RESPONSE_HEAD_MAX)
			return n || len >= RESPONSE_HEAD_MAX || !begins(data, len) ? RESPONSE_BAD
										   : RESPONSE_MORE;
		if (!parse_head(data, n, &h->last)) {
			h->last.len = 0;
			return RESPONSE_BAD;
		}
		memcpy(h->text, data, n);
	}
	r->status = h->last.status;
	r->state = h->last.state;
	r->left = h->last.left;
	r->close |= h->last.close;
	r->body = 0;
	r->digit = r->extension = false;
	*used = h->last.len;
	return RESPONSE_DONE;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of "1a2b;name=value\r\n". */
static bool chunk_size(struct response *r, char c)
{
	const int digit = hex(c);

	if (c == '\n') {
		if (!r->digit)
			return false;
		r->state = r->left ? RESPONSE_CHUNK : RESPONSE_TRAILER;
		r->body += r->left;
		r->left += r->left ? 2 : 0;
		r->digit = r->extension = false;
	} else if (r->extension || c == ';' || c == '\r' || c == ' ' || c == '\t') {
		r->extension = true;
	} else {
		if (digit < 0 || r->left >> 56)
			return false;
		r->digit = true;
		r->left = r->left << 4 | (uint64_t)digit;
	}
	return true;
}

/* One byte behind the last chunk; *end: the empty line is complete. */
static void trailer(struct response *r, char c, bool *end)
{
	if (c == '\n') {
		*end = !r->left;
		r->left = 0;
	} else if (c != '\r') {
		r->left++;
	}
}

/* From *i on, bytes of a chunk, or of the line end behind it, which may be LF alone as everywhere. */
static bool chunk(struct response *r, const char *data, size_t len, size_t *i)
{
	if (r->left > 2) {
		const size_t n = min_of(r->left - 2, len - *i);

		*i += n;
		r->left -= n;
		return true;
	}
	if (r->left == 2 && data[*i] == '\r') {
		r->left--;
		(*i)++;
		return true;
	}
	r->left = 0;
	r->state = RESPONSE_CHUNK_SIZE;
	return data[(*i)++] == '\n';
}

static enum response_result read_chunked(struct response *r, const char *data, size_t len,
					 size_t *used)
{
	size_t i = 0;
	bool end = false;

	while (i < len && !end) {
		if (r->state == RESPONSE_CHUNK) {
			if (!chunk(r, data, len, &i))
				return RESPONSE_BAD;
		} else if (r->state == RESPONSE_TRAILER) {
			trailer(r, data[i++], &end);
		} else if (!chunk_size(r, data[i++])) {
			return RESPONSE_BAD;
		}
	}
	*used += i;
	if (!end)
		return RESPONSE_MORE;
	r->state = RESPONSE_HEAD;
	return RESPONSE_DONE;
}

static enum response_result read_body(struct response *r, const char *data, size_t len,
				      size_t *used)
{
	size_t n = len;

	if (r->state == RESPONSE_CHUNK_SIZE || r->state == RESPONSE_CHUNK ||
	    r->state == RESPONSE_TRAILER)
		return read_chunked(r, data, len, used);
	if (r->state == RESPONSE_BODY)
		n = min_of(r->left, len);
	*used += n;
	r->body += n;
	if (r->state == RESPONSE_TO_END)
		return RESPONSE_MORE;
	r->left -= n;
	if (r->left)
		return RESPONSE_MORE;
	r->state = RESPONSE_HEAD;
	return RESPONSE_DONE;
}

enum response_result response_read(struct response *r, struct response_heads *h, const char *data,
				   size_t len, size_t *used)
{
	enum response_result result;
	size_t head;

	*used = 0;
	for (;;) {
		if (r->state == RESPONSE_HEAD) {
			result = read_head(r, h, data + *used, len - *used, &head);
			if (result != RESPONSE_DONE)
				return result;
			*used += head;
			if (r->status < 200 && r->status != 101) { /* the response proper follows */
				r->state = RESPONSE_HEAD;
				continue;
			}
		}
		return read_body(r, data + *used, len - *used, used);
	}
}

bool response_ends(const struct response *r)
{
	return r->state == RESPONSE_TO_END;
}
