/*
 * Request and response: a request of so many bytes is answered by so many, after a time.
 *
 * How long a request is, and its response, is fixed by the settings or said by the client:
 *
 *	framing = fixed   request-size bytes ask, response-size bytes answer
 *	framing = length  a request is a length, then as many bytes; so is the response, whose length is
 *	                  response-size
 *	framing = ask     a request is its length, the length of the response that is wanted, then as
 *	                  many bytes as the first says; the response is bare bytes
 *
 * Lengths are 32 bits in network order and do not count themselves. A length beyond max-request or
 * max-response is counted, and the connection reset.
 *
 * The time from the request's last byte to the response is drawn for each request. Requests may be
 * pipelined, up to outstanding of them; what comes behind stays unread, so the window closes. Answers
 * leave in the order of the requests: one that is due earlier than the one before it waits for it. Times
 * are kept to the millisecond, never early.
 *
 * Times are random but repeat: they depend on the seed and on how many connections this worker's
 * listener had before this one.
 */
#include <math.h>
#include <stdio.h>

#include "base/option.h"
#include "base/seq.h"
#include "base/units.h"
#include "handlers/handlers.h"
#include "per_core.h"
#include "random.h"

#define BLOCK       (64u << 10)
#define OUTSTANDING 24
#define DELAY_MAX   (86400 * US_PER_SEC)
#define LINGER_US   (2 * US_PER_SEC)
#define HEADER_MAX  8

#define RR_COUNTS(X) \
	X(connections) X(requests) X(responses) X(request_bytes) X(response_bytes) X(bad_lengths) \
	X(delay_us)

struct rr_core {
	CORE_FIELDS(RR_COUNTS)
};

enum rr_framing { FRAMING_FIXED, FRAMING_LENGTH, FRAMING_ASK };
enum rr_distribution { DELAY_FIXED, DELAY_UNIFORM, DELAY_EXPONENTIAL, DELAY_PARETO };

struct rr_settings {
	uint64_t request, response, max_request, max_response;
	uint64_t delay, delay_max, seed;
	uint32_t framing, distribution; /* enum rr_framing, rr_distribution */
	uint32_t shape;                 /* of pareto, hundredths */
	uint32_t outstanding, requests;
	/* Made by rr_setup. */
	char *block;
	struct rr_core *core;
};

/* A request that was read whole and is not answered whole. */
struct rr_request {
	uint32_t due; /* ms, as base/units.h has it */
	uint32_t len; /* of the response, its header included */
};

struct rr_conn {
	struct rr_request q[OUTSTANDING]; /* a ring */
	uint64_t random;
	uint32_t sent;     /* of the response at the head */
	uint32_t left;     /* bytes of the request to come, behind the header */
	uint32_t answer;   /* length of its response */
	uint32_t requests; /* read so far */
	uint8_t header[HEADER_MAX];
	uint8_t head, n;   /* of q */
	uint8_t header_n;
	bool in_body, eof, shut;
};
static_assert(sizeof(struct rr_conn) <= 256, "what a connection costs");

static uint64_t draw(const struct rr_settings *set, struct rr_conn *k)
{
	double us = (double)set->delay;

	switch (set->distribution) {
	case DELAY_FIXED:
		return set->delay;
	case DELAY_UNIFORM:
		return set->delay + random_next(&k->random) % (set->delay_max - set->delay + 1);
	case DELAY_EXPONENTIAL:
		us *= -log(random_unit(&k->random));
		break;
	case DELAY_PARETO:
		us *= exp(-log(random_unit(&k->random)) * 100 / set->shape);
		break;
	}
	return us < (double)set->delay_max ? (uint64_t)us : set->delay_max;
}

static uint32_t be32_at(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static unsigned int header_size(const struct rr_settings *set)
{
	return set->framing * 4;
}

static uint32_t response_header(const struct rr_settings *set)
{
	return set->framing == FRAMING_LENGTH ? 4 : 0;
}

static struct rr_request *at(struct rr_conn *k, unsigned int i)
{
	return &k->q[(k->head + i) % OUTSTANDING];
}

/* The request is here, whole. */
static void take(struct pier_conn *c, struct rr_conn *k)
{
	const struct rr_settings *set = c->settings;
	struct rr_core *core = per_core(set->core, c);
	uint64_t delay = draw(set, k);
	uint32_t due = ms_of(delay ? c->now + delay + US_PER_MS - 1 : c->now);

	if (k->n && seq_lt(due, at(k, k->n - 1u)->due))
		due = at(k, k->n - 1u)->due;
	*at(k, k->n++) = (struct rr_request){due, response_header(set) + k->answer};
	k->requests++;
	k->in_body = false;
	k->header_n = 0;
	core_count(&core->requests, 1);
	core_count(&core->delay_us, delay);
}

/* The header is complete. False: it asks for too much. */
static bool begin_body(const struct rr_settings *set, struct rr_conn *k)
{
	k->left = set->framing == FRAMING_FIXED ? (uint32_t)set->request : be32_at(k->header);
	k->answer = set->framing == FRAMING_ASK ? be32_at(k->header + 4) : (uint32_t)set->response;
	k->in_body = true;
	return k->left <= set->max_request && k->answer <= set->max_response;
}

static bool may_read(const struct rr_settings *set, const struct rr_conn *k)
{
	return k->n < set->outstanding && (!set->requests || k->requests < set->requests);
}

/* Read as far as requests may be outstanding. Returns the bytes read; bad: a length was too large. */
static size_t read_requests(struct pier_conn *c, struct rr_conn *k, const uint8_t *p, size_t len,
			    bool *bad)
{
	const struct rr_settings *set = c->settings;
	const unsigned int header = header_size(set);
	size_t done = 0, n;

	while (done < len && may_read(set, k)) {
		if (!k->in_body) {
			n = min_of(len - done, (size_t)(header - k->header_n));
			memcpy(k->header + k->header_n, p + done, n);
			k->header_n += (uint8_t)n;
			done += n;
			if (k->header_n < header)
				break;
			*bad = !begin_body(set, k);
			if (*bad)
				break;
		}
		n = min_of(len - done, (size_t)k->left);
		k->left -= (uint32_t)n;
		done += n;
		if (!k->left)
			take(c, k);
	}
	return done;
}

/* Send what is left of the response at the head. Returns whether all of it was accepted. */
static bool send_head(struct pier_conn *c, struct rr_conn *k)
{
	const struct rr_settings *set = c->settings;
	struct rr_core *core = per_core(set->core, c);
	const struct rr_request *r = at(k, 0);
	const uint32_t skip = response_header(set), body = r->len - skip;
	const uint8_t header[4] = {(uint8_t)(body >> 24), (uint8_t)(body >> 16), (uint8_t)(body >> 8),
				   (uint8_t)body};
	size_t want, got;
	uint32_t at_block;

	while (k->sent < r->len) {
		if (k->sent < skip) {
			want = skip - k->sent;
			got = pier_send(c, header + k->sent, want);
		} else {
			at_block = (k->sent - skip) % BLOCK;
			want = min_of(r->len - k->sent, BLOCK - at_block);
			got = pier_send_static(c, set->block + at_block, want);
		}
		k->sent += (uint32_t)got;
		core_count(&core->response_bytes, got);
		if (got < want)
			return false;
	}
	core_count(&core->responses, 1);
	k->sent = 0;
	k->head = (k->head + 1) % OUTSTANDING;
	k->n--;
	return true;
}

/*
 * The last answer is on its way. A close would answer what still comes by a RST, which can overtake
 * it: FIN goes, and the client has its time to close.
 */
static void finish(struct pier_conn *c, struct rr_conn *k)
{
	if (k->eof) {
		pier_close(c);
		return;
	}
	k->shut = true;
	pier_shutdown(c);
	pier_set_timer(c, LINGER_US);
}

/* Answer what is due, and wait for the next. Returns whether anything was answered. */
static bool answer(struct pier_conn *c, struct rr_conn *k)
{
	const struct rr_settings *set = c->settings;
	bool any = false;

	while (k->n && seq_leq(at(k, 0)->due, ms_of(c->now))) {
		if (!send_head(c, k))
			return any; /* writable goes on */
		any = true;
	}
	if (k->n)
		pier_set_timer(c, (at(k, 0)->due - ms_of(c->now)) * US_PER_MS - c->now % US_PER_MS);
	else if (k->eof || (set->requests && k->requests >= set->requests))
		finish(c, k);
	return any;
}

static size_t rr_data(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	const struct rr_settings *set = c->settings;
	struct rr_core *core = per_core(set->core, c);
	struct rr_conn *k = c->ctx;
	size_t total = 0, taken = 0, got;
	bool bad = false;

	for (unsigned int i = 0; i < n; i++)
		total += s[i].len;
	if (k->shut)
		return total;
	for (unsigned int i = 0; i < n && !bad; i++) {
		got = read_requests(c, k, s[i].data, s[i].len, &bad);
		taken += got;
		if (got < s[i].len)
			break;
	}
	core_count(&core->request_bytes, taken);
	if (bad) {
		core_count(&core->bad_lengths, 1);
		pier_abort(c);
		return taken;
	}
	/* What was left for want of room in the queue is read once there is some. */
	if (k->n && answer(c, k) && (taken < total || k->shut))
		pier_resume(c);
	return taken;
}

static void go_on(struct pier_conn *c)
{
	struct rr_conn *k = c->ctx;

	if (k->n && answer(c, k))
		pier_resume(c);
}

static void rr_writable(struct pier_conn *c, size_t room)
{
	go_on(c);
}

static void rr_timer(struct pier_conn *c)
{
	struct rr_conn *k = c->ctx;

	if (k->shut)
		pier_close(c);
	else
		go_on(c);
}

/* What was asked is answered first. */
static void rr_eof(struct pier_conn *c)
{
	struct rr_conn *k = c->ctx;

	k->eof = true;
	if (!k->n)
		pier_close(c);
}

static void rr_open(struct pier_conn *c)
{
	const struct rr_settings *set = c->settings;
	struct rr_core *core = per_core(set->core, c);
	struct rr_conn *k = c->ctx;

	k->random = random_sequence(set->seed, (uint64_t)pier_worker(c) << 48 | core->connections);
	core_count(&core->connections, 1);
}

static const char *unfit(const struct rr_settings *set)
{
	if (set->framing == FRAMING_FIXED && set->request > set->max_request)
		return "request-size: expected at most max-request";
	if (set->framing != FRAMING_ASK && set->response > set->max_response)
		return "response-size: expected at most max-response";
	if (set->distribution != DELAY_FIXED && set->delay > set->delay_max)
		return "delay: expected at most delay-max";
	return NULL;
}

static void rr_teardown(void *settings)
{
	struct rr_settings *set = settings;

	free(set->core);
	free(set->block);
	set->core = NULL;
	set->block = NULL;
}

static bool rr_setup(void *settings, char *err, size_t errlen)
{
	struct rr_settings *set = settings;
	const char *wrong = unfit(set);

	if (!wrong) {
		set->core = per_core_new(sizeof(*set->core));
		set->block = malloc(BLOCK);
		if (!set->core || !set->block) {
			rr_teardown(set);
			wrong = "no memory";
		}
	}
	if (wrong) {
		snprintf(err, errlen, "%s", wrong);
		return false;
	}
	for (uint32_t i = 0; i < BLOCK; i++)
		set->block[i] = (char)('a' + i % 26);
	return true;
}

static void rr_stats(const void *settings, pier_stat *add, void *arg)
{
	const struct rr_settings *set = settings;

	CORE_STATS(RR_COUNTS, set->core, add, arg);
}

static const char *const framing_words[] = {"fixed", "length", "ask", NULL};
static const char *const distribution_words[] = {"fixed", "uniform", "exponential", "pareto", NULL};

#define AT(field) offsetof(struct rr_settings, field)
static const struct option options[] = {
	{"framing", OPTION_ENUM, AT(framing), 0, 0, framing_words, "fixed",
	 "how a request says where it ends: fixed by request-size; its length before it, and one before "
	 "the response; or its length and that of the response that is wanted"},
	{"request-size", OPTION_SIZE, AT(request), 1, UINT32_MAX, NULL, "1",
	 "bytes of a request, with framing = fixed"},
	{"response-size", OPTION_SIZE, AT(response), 0, UINT32_MAX - 4, NULL, "1",
	 "bytes of a response, but with framing = ask"},
	{"max-request", OPTION_SIZE, AT(max_request), 0, UINT32_MAX, NULL, "1m",
	 "a longer request is an error"},
	{"max-response", OPTION_SIZE, AT(max_response), 0, UINT32_MAX - 4, NULL, "16m",
	 "a longer response is refused"},
	{"delay-distribution", OPTION_ENUM, AT(distribution), 0, 0, distribution_words, "fixed",
	 "of the times between requests and their responses"},
	{"delay", OPTION_DURATION, AT(delay), 0, DELAY_MAX, NULL, "0",
	 "this time; uniform and pareto: the least; exponential: the mean"},
	{"delay-max", OPTION_DURATION, AT(delay_max), 0, DELAY_MAX, NULL, "1s",
	 "the longest time, but with fixed; longer ones are cut to it"},
	{"delay-shape", OPTION_U32, AT(shape), 1, 100000, NULL, "150",
	 "of pareto, in hundredths: the smaller, the more long times; the mean is finite from 101 on"},
	{"seed", OPTION_U64, AT(seed), 0, 0, NULL, "1",
	 "of what is random; the same seed, the same times"},
	{"outstanding", OPTION_U32, AT(outstanding), 1, OUTSTANDING, NULL, "24",
	 "requests of a connection that wait for their responses; what follows stays unread"},
	{"requests", OPTION_U32, AT(requests), 0, UINT32_MAX, NULL, "0",
	 "close after this many responses on a connection; 0: never"},
};

static const struct option_table rr_options = {
	"listen", "Settings of the rr handler", options, ARRAY_SIZE(options),
	sizeof(struct rr_settings),
};

const struct pier_handler handler_rr = {
	.abi = PIER_HANDLER_ABI,
	.size = sizeof(struct pier_handler),
	.name = "rr",
	.summary = "answer requests of so many bytes by so many, after a time",
	.ctx_size = sizeof(struct rr_conn),
	.options = &rr_options,
	.setup = rr_setup,
	.teardown = rr_teardown,
	.open = rr_open,
	.data = rr_data,
	.writable = rr_writable,
	.eof = rr_eof,
	.timer = rr_timer,
	.stats = rr_stats,
};
