/*
 * iperf3's messages: see handlers/iperf3_msg.h. JSON is cJSON's business.
 */
#include "handlers/iperf3_msg.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

/* Limits of iperf3's own command line. */
#define TIME_MAX   86400
#define OMIT_MAX   600
#define BLOCK_MAX  (1024 * 1024)
#define WINDOW_MAX (512 * 1024 * 1024)
#define MSS_MAX    (9 * 1024)
#define BURST_MAX  1000
#define WHOLE_MAX  9007199254740992.0 /* 2^53: what a JSON number holds exactly */

/* Parsed text; NULL if it is no JSON object, or something follows it. */
static cJSON *parse(const char *text, size_t len)
{
	const char *end = NULL;
	cJSON *j = cJSON_ParseWithLengthOpts(text, len, &end, false);
	size_t rest = j ? len - (size_t)(end - text) : 0;

	for (; rest && strchr(" \t\r\n", *end); end++) /* a final 0 is blank to strchr, and to iperf3 */
		rest--;
	if (j && (rest || !cJSON_IsObject(j))) {
		cJSON_Delete(j);
		j = NULL;
	}
	return j;
}

/* A number that may be left out: *out stays. False: it is there, and no whole number up to max. */
static bool whole(const cJSON *j, const char *key, double max, uint64_t *out)
{
	const cJSON *v = cJSON_GetObjectItem(j, key);

	if (!v)
		return true;
	if (!cJSON_IsNumber(v) || !(v->valuedouble >= 0 && v->valuedouble <= max))
		return false;
	*out = (uint64_t)v->valuedouble;
	return true;
}

/* iperf3 writes true or 1, and nothing for false. */
static bool flag(const cJSON *j, const char *key)
{
	const cJSON *v = cJSON_GetObjectItem(j, key);

	return cJSON_IsTrue(v) || (cJSON_IsNumber(v) && v->valuedouble != 0);
}

struct field {
	const char *key;
	double max;
	enum iperf3_error error;
	size_t offset; /* of a uint32_t */
};

#define FIELD(key, max, error, name) {key, max, error, offsetof(struct iperf3_params, name)}

static const struct field fields[] = {
	FIELD("parallel", IPERF3_PARALLEL, IPERF3_E_STREAMS, parallel),
	FIELD("time", TIME_MAX, IPERF3_E_DURATION, time_s),
	FIELD("omit", OMIT_MAX, IPERF3_E_OMIT, omit_s),
	FIELD("len", BLOCK_MAX, IPERF3_E_BLOCK_SIZE, block),
	FIELD("window", WINDOW_MAX, IPERF3_E_BUFFER_SIZE, window),
	FIELD("MSS", MSS_MAX, IPERF3_E_MSS, mss),
	FIELD("burst", BURST_MAX, IPERF3_E_BURST, burst),
	FIELD("TOS", 255, IPERF3_E_TOS, tos),
};

static enum iperf3_error read_numbers(const cJSON *j, struct iperf3_params *p)
{
	uint64_t v, pace = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		uint32_t *to = (uint32_t *)((char *)p + fields[i].offset);

		v = *to;
		if (!whole(j, fields[i].key, fields[i].max, &v))
			return fields[i].error;
		*to = (uint32_t)v;
	}
	if (!p->parallel)
		return IPERF3_E_STREAMS;
	if (!p->block)
		return IPERF3_E_BLOCK_SIZE;
	if (!whole(j, "num", WHOLE_MAX, &p->bytes) || !whole(j, "blockcount", WHOLE_MAX, &p->blocks) ||
	    !whole(j, "bandwidth", WHOLE_MAX, &p->rate) || !whole(j, "fqrate", WHOLE_MAX, &pace))
		return IPERF3_E_RECV_PARAMS;
	if (pace && (!p->rate || pace < p->rate))
		p->rate = pace;
	return IPERF3_OK;
}

static enum iperf3_error read_words(const cJSON *j, struct iperf3_params *p)
{
	if (flag(j, "udp"))
		return IPERF3_E_PROTOCOL;
	if (flag(j, "sctp"))
		return IPERF3_E_NO_SCTP;
	if (cJSON_GetObjectItem(j, "server_affinity"))
		return IPERF3_E_AFFINITY;
	p->reverse = flag(j, "reverse");
	p->both = flag(j, "bidirectional");
	p->nodelay = flag(j, "nodelay");
	p->repeating = flag(j, "repeating_payload");
	p->server_output = flag(j, "get_server_output");
	return p->reverse && p->both ? IPERF3_E_DIRECTIONS : IPERF3_OK;
}

enum iperf3_error iperf3_params_read(const char *text, size_t len, struct iperf3_params *out)
{
	enum iperf3_error error;
	cJSON *j = parse(text, len);

	*out = (struct iperf3_params){.parallel = 1, .block = 128 * 1024};
	if (!j)
		return IPERF3_E_RECV_PARAMS;
	error = read_words(j, out);
	if (!error)
		error = read_numbers(j, out);
	cJSON_Delete(j);
	return error;
}

/* A number that has to be there. */
static bool must(const cJSON *j, const char *key, double *out)
{
	const cJSON *v = cJSON_GetObjectItem(j, key);

	if (!cJSON_IsNumber(v))
		return false;
	*out = v->valuedouble;
	return true;
}

/* A count; a client without one writes -1, some of them as 18446744073709551615. */
static bool known(double v)
{
	return v >= 0 && v <= WHOLE_MAX;
}

static bool read_stream(const cJSON *j, struct iperf3_result *r)
{
	uint64_t id = 0, bytes = 0;
	double again, unused, end = 0;

	if (!cJSON_IsObject(j) || !must(j, "id", &unused) || !must(j, "bytes", &unused) ||
	    !must(j, "retransmits", &again) || !must(j, "jitter", &unused) ||
	    !must(j, "errors", &unused) || !must(j, "packets", &unused))
		return false;
	must(j, "end_time", &end); /* not in old versions */
	if (!whole(j, "id", UINT32_MAX, &id) || !whole(j, "bytes", WHOLE_MAX, &bytes))
		return false;
	*r = (struct iperf3_result){(uint32_t)id, bytes, known(again) ? (int64_t)again : -1, end};
	return true;
}

static bool read_results(const cJSON *j, struct iperf3_results *out)
{
	const cJSON *streams = cJSON_GetObjectItem(j, "streams"), *s;
	double sends;

	if (!must(j, "cpu_util_total", &out->cpu_total) || !must(j, "cpu_util_user", &out->cpu_user) ||
	    !must(j, "cpu_util_system", &out->cpu_system) ||
	    !must(j, "sender_has_retransmits", &sends) || !cJSON_IsArray(streams))
		return false;
	out->sends = known(sends) && sends > 0;
	cJSON_ArrayForEach(s, streams)
		if (out->n == IPERF3_STREAMS || !read_stream(s, &out->stream[out->n++]))
			return false;
	return true;
}

enum iperf3_error iperf3_results_read(const char *text, size_t len, struct iperf3_results *out)
{
	cJSON *j = parse(text, len);
	bool ok;

	memset(out, 0, sizeof(*out));
	ok = j && read_results(j, out);
	cJSON_Delete(j);
	return ok ? IPERF3_OK : IPERF3_E_RECV_RESULTS;
}

static bool write_stream(cJSON *list, const struct iperf3_result *r)
{
	cJSON *j = cJSON_CreateObject();

	if (!cJSON_AddItemToArray(list, j)) {
		cJSON_Delete(j);
		return false;
	}
	return cJSON_AddNumberToObject(j, "id", r->id) &&
	       cJSON_AddNumberToObject(j, "bytes", (double)r->bytes) &&
	       cJSON_AddNumberToObject(j, "retransmits", (double)r->retransmits) &&
	       cJSON_AddNumberToObject(j, "jitter", 0) && cJSON_AddNumberToObject(j, "errors", 0) &&
	       cJSON_AddNumberToObject(j, "omitted_errors", 0) &&
	       cJSON_AddNumberToObject(j, "packets", 0) &&
	       cJSON_AddNumberToObject(j, "omitted_packets", 0) &&
	       cJSON_AddNumberToObject(j, "start_time", 0) &&
	       cJSON_AddNumberToObject(j, "end_time", r->seconds);
}

static bool write_results(cJSON *j, const struct iperf3_results *r)
{
	cJSON *list;

	if (!cJSON_AddNumberToObject(j, "cpu_util_total", r->cpu_total) ||
	    !cJSON_AddNumberToObject(j, "cpu_util_user", r->cpu_user) ||
	    !cJSON_AddNumberToObject(j, "cpu_util_system", r->cpu_system) ||
	    !cJSON_AddNumberToObject(j, "sender_has_retransmits", r->sends ? 1 : -1) ||
	    (r->congestion && !cJSON_AddStringToObject(j, "congestion_used", r->congestion)) ||
	    (r->output && !cJSON_AddStringToObject(j, "server_output_text", r->output)))
		return false;
	list = cJSON_AddArrayToObject(j, "streams");
	for (uint32_t i = 0; list && i < r->n; i++)
		if (!write_stream(list, &r->stream[i]))
			return false;
	return list;
}

/* What cJSON printed, moved to make room for its length. */
static char *frame_of(char *text, size_t *len)
{
	size_t n = strlen(text);
	char *out = realloc(text, n + 4);

	if (!out) {
		free(text);
		return NULL;
	}
	memmove(out + 4, out, n);
	for (int i = 0; i < 4; i++)
		out[i] = (char)(n >> (24 - 8 * i));
	*len = n + 4;
	return out;
}

char *iperf3_results_write(const struct iperf3_results *r, size_t *len)
{
	cJSON *j = cJSON_CreateObject();
	char *text = j && write_results(j, r) ? cJSON_PrintUnformatted(j) : NULL;

	cJSON_Delete(j);
	return text ? frame_of(text, len) : NULL;
}

/* The head is complete: is there to be a message, and room for it? */
static bool begin(struct iperf3_frame *f, uint32_t max)
{
	f->len = (uint32_t)f->head[0] << 24 | (uint32_t)f->head[1] << 16 | (uint32_t)f->head[2] << 8 |
		 f->head[3];
	if (!f->len || f->len > max)
		return false;
	f->text = malloc(f->len);
	return f->text;
}

enum iperf3_frame_event iperf3_frame_feed(struct iperf3_frame *f, const void *data, size_t len, uint32_t max,
					  size_t *used)
{
	const uint8_t *p = data;
	size_t n;

	*used = 0;
	while (f->got < sizeof(f->head)) {
		if (*used == len)
			return IPERF3_FRAME_MORE;
		f->head[f->got++] = p[(*used)++];
		if (f->got == sizeof(f->head) && !begin(f, max))
			return IPERF3_FRAME_BAD;
	}
	if (!f->text)
		return IPERF3_FRAME_BAD;
	n = min_of(len - *used, (size_t)(f->len + sizeof(f->head) - f->got));
	if (n)
		memcpy(f->text + f->got - sizeof(f->head), p + *used, n);
	f->got += (uint32_t)n;
	*used += n;
	return f->got == f->len + sizeof(f->head) ? IPERF3_FRAME_WHOLE : IPERF3_FRAME_MORE;
}

void iperf3_frame_free(struct iperf3_frame *f)
{
	free(f->text);
	*f = (struct iperf3_frame){0};
}
