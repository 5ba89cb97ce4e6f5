/*
 * The report of a test as iperf3's own server prints it, for clients that ask by --get-server-output. At most
 * TEXT_MAX octets of it: intervals beyond are left out, and the report says so.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "iperf3_session.h"

#define TEXT_MAX (256 * 1024)

static void put(struct iperf3_text *t, size_t max, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void put(struct iperf3_text *t, size_t max, const char *format, ...)
{
	char line[400], *at;
	va_list args;
	size_t n;

	va_start(args, format);
	n = (size_t)vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	n = min_of(n, sizeof(line) - 1);
	if (t->len + n + 1 > t->size) {
		at = t->len + n + 1 > max ? NULL : realloc(t->at, 2 * (t->len + n + 1));
		if (!at) {
			t->full = true;
			return;
		}
		t->at = at;
		t->size = 2 * (t->len + n + 1);
	}
	memcpy(t->at + t->len, line, n + 1);
	t->len += n;
}

/* A number and its unit as iperf3 has them: three digits, base a step. */
static const char *human(char *buf, size_t len, double v, double base)
{
	static const char units[] = " KMGT";
	unsigned int u = 0;

	for (; v >= base && u < sizeof(units) - 2; u++)
		v /= base;
	snprintf(buf, len, v < 9.995 ? "%4.2f %.*s" : v < 99.95 ? "%4.1f %.*s" : "%4.0f %.*s", v, u ? 1 : 0,
		 &units[u]);
	return buf;
}

/* Bytes in a time, with retransmissions (-1: none are known) and a role. */
static void put_line(struct iperf3_text *t, const char *who, double from, double to, uint64_t bytes,
		     int64_t again, const char *role)
{
	char sum[20], rate[20], count[24] = "";
	const double bits = to > from ? (double)bytes * 8 / (to - from) : 0;

	if (again >= 0)
		snprintf(count, sizeof(count), "%lld", (long long)again);
	put(t, TEXT_MAX, "[%s] %6.2f-%-6.2f sec %sBytes  %sbits/sec  %4s  %s\n", who, from, to,
	    human(sum, sizeof(sum), (double)bytes, 1024), human(rate, sizeof(rate), bits, 1000), count, role);
}

static void put_stream(struct iperf3_session *s, const struct iperf3_share *share, double from, double to,
		       uint64_t bytes, int64_t again, const char *role)
{
	const bool named = s->params.both; /* both directions in one list */
	char who[24];

	snprintf(who, sizeof(who), named ? "%3u][%s" : "%3u", share->result.id, share->sends ? "TX-S" : "RX-S");
	put_line(&s->ctl.report, who, from, to, bytes, again, role);
}

void iperf3_report_begin(struct pier_conn *c, struct iperf3_session *s)
{
	struct pier_info info;
	char text[ADDRESS_TEXT];

	pier_get_info(c, &info);
	put(&s->ctl.report, TEXT_MAX,
	    "-----------------------------------------------------------\n"
	    "Server listening on %u (pier)\n"
	    "-----------------------------------------------------------\n"
	    "Accepted connection from %s, port %u\n",
	    info.local_port, address_format(info.remote_addr, text), info.remote_port);
}

static void put_head(struct iperf3_session *s)
{
	put(&s->ctl.report, TEXT_MAX, "[ ID] Interval           Transfer     Bitrate%s\n",
	    s->params.reverse || s->params.both ? "         Retr" : "");
}

/* Streams in their order: share_of(i) is the i-th's. */
static uint32_t index_of(const struct iperf3_session *s, uint32_t rank)
{
	uint32_t i = 0;

	while (s->share[i].rank != rank)
		i++;
	return i;
}

static void connected(struct iperf3_session *s)
{
	for (uint32_t rank = 0; rank < s->n; rank++) {
		const uint32_t i = index_of(s, rank);
		const struct iperf3_stream *st = &s->stream[i];
		const uint8_t *l = st->local + 12, *r = st->remote + 12;

		put(&s->ctl.report, TEXT_MAX,
		    "[%3u] local %u.%u.%u.%u port %u connected to %u.%u.%u.%u port %u\n",
		    s->share[i].result.id, l[0], l[1], l[2], l[3], st->local_port, r[0], r[1], r[2], r[3],
		    st->remote_port);
	}
	put_head(s);
}

/* With several streams of a direction, their sum. */
static void put_sum(struct iperf3_session *s, bool sends, double from, double to, uint64_t bytes,
		    int64_t again, const char *role)
{
	if (s->params.parallel > 1)
		put_line(&s->ctl.report, s->params.both ? sends ? "SUM][TX-S" : "SUM][RX-S" : "SUM", from, to,
			 bytes, again, role);
}

void iperf3_report_interval(struct iperf3_session *s, double from, double to)
{
	uint64_t sum[2] = {0}, now;

	if (s->ctl.report.full)
		return;
	if (!strstr(s->ctl.report.at ? s->ctl.report.at : "", "[ ID]"))
		connected(s);
	for (uint32_t rank = 0; rank < s->n; rank++) {
		const uint32_t i = index_of(s, rank);
		struct iperf3_share *share = &s->share[i];

		now = share_get(&s->stream[i].bytes);
		put_stream(s, share, from, to, now - share->at, -1, "");
		sum[share->sends] += now - share->at;
		share->at = now;
	}
	for (int sends = 0; sends < 2; sends++)
		if (s->params.both || s->params.reverse == sends)
			put_sum(s, sends, from, to, sum[sends], -1, "");
}

void iperf3_report_end(struct iperf3_session *s)
{
	struct iperf3_text *t = &s->ctl.report;
	uint64_t sum[2] = {0};
	int64_t again = 0;

	if (t->full)
		put(t, 2 * TEXT_MAX, "(intervals that follow are left out)\n");
	t->full = false;
	put(t, 2 * TEXT_MAX, "- - - - - - - - - - - - - - - - - - - - - - - - -\n");
	put_head(s);
	for (uint32_t rank = 0; rank < s->n; rank++) {
		const struct iperf3_share *share = &s->share[index_of(s, rank)];
		const struct iperf3_result *r = &share->result;

		put_stream(s, share, 0, r->seconds, r->bytes, r->retransmits,
			   share->sends ? "sender" : "receiver");
		sum[share->sends] += r->bytes;
		again += share->sends ? r->retransmits : 0;
	}
	for (int sends = 0; sends < 2; sends++)
		if (s->params.both || s->params.reverse == sends)
			put_sum(s, sends, 0, s->ctl.seconds, sum[sends], sends ? again : -1,
				sends ? "sender" : "receiver");
}
