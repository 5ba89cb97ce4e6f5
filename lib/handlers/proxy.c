/*
 * Proxy: each connection is joined with one that pier opens to an upstream; what comes on either side
 * leaves on the other.
 *
 * Received slices are sent on by reference, with the sums that were verified, and no more of them
 * is consumed than the other side's send queue takes: what a slow reader leaves closes its sender's window.
 * In flight between the two are at most one receive buffer and one send queue each way.
 * FIN is passed on behind the last byte, each way by itself, and RST is passed on at once.
 *
 * Both connections are of this listener, so the handler hears both; a context knows the other by its id,
 * and forgets it when that one closes. Nothing is read from a client before its upstream answers.
 */
#include <stdio.h>

#include "base/address.h"
#include "base/option.h"
#include "base/units.h"
#include "handlers/handlers.h"
#include "handlers/proxy_header.h"
#include "per_core.h"

#define UPSTREAMS_MAX 64
#define LINGER_US     (2 * US_PER_SEC)

#define PROXY_COUNTS(X) \
	X(connections) X(connected) X(refused) X(unreachable) X(connect_timeouts) X(idle_timeouts) \
	X(resets_passed) X(bytes_up) X(bytes_down)

struct proxy_core {
	uint64_t turn; /* which upstream is next */
	CORE_FIELDS(PROXY_COUNTS)
};

enum proxy_failure { FAILURE_RESET, FAILURE_CLOSE };
enum proxy_send { SEND_OFF, SEND_V1, SEND_V2 };

struct proxy_upstream {
	uint8_t addr[16];
	uint16_t port;
};

struct proxy_settings {
	char *upstream;
	uint64_t connect_timeout, idle_timeout;
	uint32_t failure, send_proxy; /* enum proxy_failure, proxy_send */
	/* Made by proxy_setup. */
	struct proxy_upstream up[UPSTREAMS_MAX];
	uint32_t n_up;
	struct proxy_core *core;
};

struct proxy_conn {
	uint64_t other;  /* first: what pier_connect sets; 0: there is none (any more) */
	uint64_t used_at;
	uint16_t tries;  /* upstreams asked so far, of a client */
	bool upstream;   /* this is the one that was opened */
	bool open;       /* bytes may pass to it */
	bool eof;        /* its peer has sent FIN */
	bool lingers;    /* a client that has no upstream: what comes is thrown away */
};

static struct proxy_core *core_of(const struct pier_conn *c)
{
	const struct proxy_settings *set = c->settings;

	return per_core(set->core, c);
}

/* The other side, if there is one. */
static struct proxy_conn *other_of(struct pier_conn *c, struct pier_conn *o)
{
	const struct proxy_conn *k = c->ctx;

	return k->other && pier_get(c, k->other, o) ? o->ctx : NULL;
}

/* Neither will tell the other anything any more. */
static void part(struct proxy_conn *k, struct proxy_conn *o)
{
	k->other = 0;
	if (o)
		o->other = 0;
}

/* ---- connecting ---- */

static void give_up(struct pier_conn *c, struct proxy_conn *k)
{
	const struct proxy_settings *set = c->settings;

	if (set->failure == FAILURE_RESET) {
		pier_abort(c);
		return;
	}
	/* A close with bytes unread would be a RST: they are read, for a while. */
	if (k->eof) {
		pier_close(c);
		return;
	}
	k->lingers = true;
	pier_shutdown(c);
	pier_set_timer(c, LINGER_US);
	pier_resume(c);
}

/* The next upstream that can be tried at all; without one the client is given up. */
static void join(struct pier_conn *c, struct proxy_conn *k)
{
	const struct proxy_settings *set = c->settings;
	struct proxy_core *core = core_of(c);
	struct pier_connect to = {.ctx = c->id};
	struct pier_conn o;
	uint64_t id;

	while (k->tries < set->n_up) {
		const struct proxy_upstream *u = &set->up[core->turn++ % set->n_up];

		k->tries++;
		memcpy(to.remote_addr, u->addr, sizeof(to.remote_addr));
		to.remote_port = u->port;
		if (pier_connect(c, &to, &id) < 0 || !pier_get(c, id, &o)) {
			core_count(&core->unreachable, 1);
			continue;
		}
		((struct proxy_conn *)o.ctx)->upstream = true;
		k->other = id;
		if (set->connect_timeout)
			pier_set_timer(&o, set->connect_timeout);
		return;
	}
	give_up(c, k);
}

static void expect_idle(struct pier_conn *c, uint64_t since)
{
	const struct proxy_settings *set = c->settings;

	if (set->idle_timeout)
		pier_set_timer(c, max_of(since + set->idle_timeout, c->now + 1) - c->now);
}

static bool introduce(struct pier_conn *up, struct pier_conn *client)
{
	const struct proxy_settings *set = up->settings;
	uint8_t header[PROXY_SEND_MAX];
	struct pier_info info;
	size_t n;

	if (set->send_proxy == SEND_OFF)
		return true;
	pier_get_info(client, &info);
	n = set->send_proxy == SEND_V1 ? proxy_header_v1(header, &info)
				       : proxy_header_v2(header, &info);
	return pier_send(up, header, n) == n;
}

/* The upstream has answered. */
static void joined(struct pier_conn *c, struct proxy_conn *k)
{
	struct pier_conn client;
	struct proxy_conn *o = other_of(c, &client);

	pier_set_timer(c, 0);
	if (!o || !introduce(c, &client)) {
		pier_abort(c); /* and then the client */
		return;
	}
	core_count(&core_of(c)->connected, 1);
	k->open = o->open = true;
	k->used_at = o->used_at = c->now;
	expect_idle(&client, c->now);
	if (o->eof)
		pier_shutdown(c);
	pier_resume(&client);
}

static void proxy_open(struct pier_conn *c)
{
	struct proxy_conn *k = c->ctx;

	if (k->upstream) {
		joined(c, k);
		return;
	}
	core_count(&core_of(c)->connections, 1);
	join(c, k);
}

/* ---- passing on ---- */

static size_t proxy_data(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	struct proxy_conn *k = c->ctx, *o;
	struct pier_conn other;
	size_t total = 0, took;

	if (unlikely(k->lingers)) {
		for (unsigned int i = 0; i < n; i++)
			total += s[i].len;
		return total;
	}
	o = other_of(c, &other);
	if (!o || !k->open)
		return 0;
	k->used_at = c->now;
	took = pier_send_slices(&other, s, n); /* short: its writable goes on */
	core_count(k->upstream ? &core_of(c)->bytes_down : &core_of(c)->bytes_up, took);
	return took;
}

/* There is room here for what waits on the other side. */
static void proxy_writable(struct pier_conn *c, size_t room)
{
	struct pier_conn other;

	if (other_of(c, &other))
		pier_resume(&other);
}

static void proxy_eof(struct pier_conn *c)
{
	struct proxy_conn *k = c->ctx, *o;
	struct pier_conn other;

	k->eof = true;
	if (k->lingers) {
		pier_close(c);
		return;
	}
	o = other_of(c, &other);
	if (!o || !k->open)
		return; /* the FIN follows when the upstream has answered */
	if (!o->eof) {
		pier_shutdown(&other);
		return;
	}
	part(k, o);
	pier_close(&other);
	pier_close(c);
}

/* ---- ending ---- */

/* An upstream that never answered: the next one is asked. */
static void failed(struct pier_conn *client, struct proxy_conn *o, enum pier_close_reason why)
{
	struct proxy_core *core = core_of(client);

	if (why == PIER_CLOSE_SHUTDOWN) {
		pier_close(client);
		return;
	}
	core_count(why == PIER_CLOSE_REFUSED ? &core->refused : &core->unreachable, 1);
	join(client, o);
}

static void proxy_close(struct pier_conn *c, enum pier_close_reason why)
{
	struct proxy_conn *k = c->ctx, *o;
	struct pier_conn other;

	o = other_of(c, &other);
	if (!o)
		return;
	part(k, o);
	if (k->upstream && !k->open) {
		failed(&other, o, why);
	} else if (why == PIER_CLOSE_NORMAL || why == PIER_CLOSE_SHUTDOWN || !k->open) {
		pier_close(&other); /* an attempt to connect is given up */
	} else {
		core_count(&core_of(c)->resets_passed, why == PIER_CLOSE_RESET);
		pier_abort(&other);
	}
}

/* An upstream's timer is for its answer, a client's for silence on both sides. */
static void proxy_timer(struct pier_conn *c)
{
	const struct proxy_settings *set = c->settings;
	struct proxy_conn *k = c->ctx, *o;
	struct pier_conn other;
	uint64_t used;

	o = other_of(c, &other);
	if (k->lingers) {
		pier_close(c);
	} else if (k->upstream && o && !k->open) {
		core_count(&core_of(c)->connect_timeouts, 1);
		part(k, o);
		pier_close(c);
		join(&other, o);
	} else if (!k->upstream && o) {
		used = max_of(k->used_at, o->used_at);
		if (c->now - used < set->idle_timeout) {
			expect_idle(c, used);
			return;
		}
		core_count(&core_of(c)->idle_timeouts, 1);
		part(k, o);
		pier_abort(&other);
		pier_abort(c);
	}
}

/* The server stops: who waits for the upstream, or for its answer, is not at rest, whatever TCP says. */
static bool proxy_drain(struct pier_conn *c)
{
	const struct proxy_conn *k = c->ctx, *o, *client;
	struct pier_conn other;

	if (k->lingers)
		return true;
	o = other_of(c, &other);
	if (!o)
		return false;
	if (!k->open || k->eof || o->eof)
		return true;
	client = k->upstream ? o : k;
	return client->used_at > (k->upstream ? k : o)->used_at;
}

/* ---- settings ---- */

static bool refuse(char *err, size_t errlen, const char *what, const char *text)
{
	snprintf(err, errlen, "upstream: %s%s%s%s", what, text ? ", not \"" : "", text ? text : "",
		 text ? "\"" : "");
	return false;
}

static bool take_upstreams(struct proxy_settings *set, char *err, size_t errlen)
{
	static const char blanks[] = " \t\n,", expected[] = "expected ADDRESS:PORT such as 198.18.0.1:80 or "
							      "[fd00:18::1]:80";
	char *copy = strdup(set->upstream ? set->upstream : ""), *rest = copy, *one;
	bool ok = copy != NULL;

	set->n_up = 0;
	while (ok && (one = strtok_r(rest, blanks, &rest))) {
		struct proxy_upstream *u = &set->up[set->n_up];
		const char *why;

		if (set->n_up == UPSTREAMS_MAX)
			ok = refuse(err, errlen, "more than 64", NULL);
		else if (!address_port_parse(one, u->addr, &u->port, &why))
			ok = refuse(err, errlen, why ? why : expected, one);
		else
			set->n_up++;
	}
	free(copy);
	if (ok && !set->n_up)
		ok = refuse(err, errlen, "is missing; expected ADDRESS:PORT such as 198.18.0.1:80 or [fd00:18::1]:80",
			    NULL);
	return ok;
}

static bool proxy_setup(void *settings, char *err, size_t errlen)
{
	struct proxy_settings *set = settings;

	if (!take_upstreams(set, err, errlen))
		return false;
	set->core = per_core_new(sizeof(*set->core));
	if (!set->core)
		return refuse(err, errlen, "no memory", NULL);
	return true;
}

static void proxy_teardown(void *settings)
{
	struct proxy_settings *set = settings;

	free(set->core);
	set->core = NULL;
}

static void proxy_stats(const void *settings, pier_stat *add, void *arg)
{
	const struct proxy_settings *set = settings;

	CORE_STATS(PROXY_COUNTS, set->core, add, arg);
}

static bool proxy_target(const void *settings, unsigned int i, struct pier_target *t)
{
	const struct proxy_settings *set = settings;

	if (i >= set->n_up)
		return false;
	t->key = "upstream";
	memcpy(t->addr, set->up[i].addr, sizeof(t->addr));
	t->port = set->up[i].port;
	return true;
}

static const char *const failure_words[] = {"reset", "close", NULL};
static const char *const send_words[] = {"off", "v1", "v2", NULL};

#define AT(field) offsetof(struct proxy_settings, field)
static const struct option options[] = {
	{"upstream", OPTION_LIST, AT(upstream), 0, 0, NULL, NULL,
	 "where to connect, ADDRESS:PORT, of either family; several take turns, and stand in for one that does not answer"},
	{"connect-timeout", OPTION_DURATION, AT(connect_timeout), 0, 3600 * US_PER_SEC, NULL, "5s",
	 "for an upstream to answer before the next one is asked; 0: as long as TCP tries"},
	{"idle-timeout", OPTION_DURATION, AT(idle_timeout), 0, 86400 * 30 * US_PER_SEC, NULL, "1h",
	 "without a byte from either side, until both are reset; 0: never"},
	{"on-failure", OPTION_ENUM, AT(failure), 0, 0, failure_words, "reset",
	 "what a client gets when no upstream answers: RST, or FIN"},
	{"send-proxy", OPTION_ENUM, AT(send_proxy), 0, 0, send_words, "off",
	 "tell upstreams who the client is by a header of the PROXY protocol, of this version"},
};

static const struct option_table proxy_options = {
	"listen", "Settings of the proxy handler", options, ARRAY_SIZE(options),
	sizeof(struct proxy_settings),
};

const struct pier_handler handler_proxy = {
	.abi = PIER_HANDLER_ABI,
	.size = sizeof(struct pier_handler),
	.name = "proxy",
	.summary = "pass connections on to another address",
	.ctx_size = sizeof(struct proxy_conn),
	.options = &proxy_options,
	.setup = proxy_setup,
	.teardown = proxy_teardown,
	.open = proxy_open,
	.data = proxy_data,
	.writable = proxy_writable,
	.eof = proxy_eof,
	.close = proxy_close,
	.timer = proxy_timer,
	.stats = proxy_stats,
	.drain = proxy_drain,
	.target = proxy_target,
};
