/*
 * HTTP responses: framing, status, what is refused, and that it does not matter how they are cut.
 */
#include "kit.h"

#include "response.h"

static struct response_heads heads;

/* What came of a stream: the responses that ended, and how it ended itself. */
struct seen {
	unsigned int n;
	uint16_t status[16];
	uint64_t body[16];
	bool bad;
	struct response last;
};

/*
 * Read text, shown in pieces of step bytes; what is not used is shown again with the next piece, as a
 * connection does.
 */
static struct seen feed(const char *text, size_t len, size_t step)
{
	struct seen seen = {0};
	size_t from = 0, to = 0, used;

	memset(&heads, 0, sizeof(heads));
	while (to < len && !seen.bad) {
		enum response_result r = RESPONSE_DONE;

		to = to + step < len ? to + step : len;
		while (r == RESPONSE_DONE && from < to) {
			r = response_read(&seen.last, &heads, text + from, to - from, &used);
			assert_true(used <= to - from);
			from += r == RESPONSE_BAD ? 0 : used;
			if (r == RESPONSE_DONE) {
				seen.status[seen.n] = seen.last.status;
				seen.body[seen.n++] = seen.last.body;
			}
			seen.bad = r == RESPONSE_BAD;
		}
	}
	return seen;
}

/* The same in all cuts. */
static struct seen read_all(const char *text)
{
	const size_t len = strlen(text);
	struct seen whole = feed(text, len, len);

	for (size_t step = 1; step < len; step++) {
		struct seen cut = feed(text, len, step);

		assert_int_equal(cut.n, whole.n);
		assert_int_equal(cut.bad, whole.bad);
		assert_memory_equal(cut.status, whole.status, sizeof(cut.status));
		assert_memory_equal(cut.body, whole.body, sizeof(cut.body));
	}
	return whole;
}

static void content_length(void **state)
{
	struct seen s = read_all("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: x\r\n\r\nhello"
				 "HTTP/1.1 404 Not Found\r\ncontent-length:3\r\n\r\nabc"
				 "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");

	assert_int_equal(s.n, 3);
	assert_int_equal(s.status[0], 200);
	assert_int_equal(s.body[0], 5);
	assert_int_equal(s.status[1], 404);
	assert_int_equal(s.body[1], 3);
	assert_int_equal(s.body[2], 0);
	assert_false(s.last.close);
}

/* A head that equals the last is not parsed again: the count is right all the same. */
static void same_head_again(void **state)
{
	char text[4096] = "";

	for (int i = 0; i < 10; i++)
		strcat(text, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	assert_int_equal(read_all(text).n, 10);
	strcat(text, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok!");
	assert_int_equal(feed(text, strlen(text), 4096).body[10], 3);
}

static void chunked(void **state)
{
	struct seen s = read_all("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				 "5\r\nhello\r\n1A;x=y\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n"
				 "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\nContent-Length: 7\r\n\r\n"
				 "1\r\nx\r\n0\r\nTrailer: 1\r\nOther: 2\r\n\r\n"
				 "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n1\ny\n0\n\n"
				 "HTTP/1.1 204 No Content\r\n\r\n");

	assert_int_equal(s.n, 4);
	assert_int_equal(s.body[0], 31);
	assert_int_equal(s.body[1], 1);
	assert_int_equal(s.body[2], 1);
	assert_int_equal(s.status[3], 204);
}

/* RFC 9112 section 6.3: no body whatever the fields say; an interim response is none, 101 is one. */
static void without_body(void **state)
{
	struct seen s = read_all("HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n"
				 "HTTP/1.1 100 Continue\r\n\r\n"
				 "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
				 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n");

	assert_int_equal(s.n, 3);
	assert_int_equal(s.status[0], 304);
	assert_int_equal(s.status[1], 200);
	assert_int_equal(s.status[2], 101);
}

static void until_the_end(void **state)
{
	struct seen s = read_all("HTTP/1.0 200 OK\r\n\r\nany number of bytes");

	assert_int_equal(s.n, 0);
	assert_false(s.bad);
	assert_true(response_ends(&s.last));
	assert_true(s.last.close);
	assert_int_equal(s.last.body, 19);
	s = read_all("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort");
	assert_false(response_ends(&s.last));
}

static void connection_field(void **state)
{
	assert_true(read_all("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n").last.close);
	assert_true(read_all("HTTP/1.1 200 OK\r\nConnection: a, close\r\nContent-Length: 0\r\n\r\n").last.close);
	assert_false(read_all("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n").last.close);
	assert_false(read_all("HTTP/1.1 200 OK\r\nConnection: closed\r\nContent-Length: 0\r\n\r\n").last.close);
}

static void refused(void **state)
{
	static const char *const bad[] = {
		"HTTP/2.0 200 OK\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\n\r\n",
		"SSH-2.0-OpenSSH_9.2\r\n\r\n",
		"\r\n\r\n",
		"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
		"HTTP/1.1 200 OK\r\n: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\rX0\r\n\r\n",
		"220 mail.example.com ready\r\n",
		"HTTP/2",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_true(read_all(bad[i]).bad);
}

/* A head without end is given up; one that just fits is not. */
static void long_heads(void **state)
{
	static char text[RESPONSE_HEAD_MAX + 64];
	const char *const front = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ";

	memset(text, 'x', sizeof(text));
	memcpy(text, front, strlen(front));
	assert_true(feed(text, RESPONSE_HEAD_MAX, 1000).bad);
	assert_false(feed(text, RESPONSE_HEAD_MAX - 1, 1000).bad);
	memcpy(text + RESPONSE_HEAD_MAX - 4, "\r\n\r\n", 4);
	assert_int_equal(feed(text, RESPONSE_HEAD_MAX, 1000).n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_length),   cmocka_unit_test(same_head_again),
		cmocka_unit_test(chunked),	    cmocka_unit_test(without_body),
		cmocka_unit_test(until_the_end),    cmocka_unit_test(connection_field),
		cmocka_unit_test(refused),	    cmocka_unit_test(long_heads),
	};

	return cmocka_run_group_tests_name("load_response", tests, NULL, NULL);
}
