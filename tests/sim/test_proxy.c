/*
 * The proxy between a client and a server that share a host, over a link that loses, reorders and doubles
 * in all four directions: every byte arrives in order both ways, with readers that stop for a while and
 * small buffers, so that windows close from end to end; FIN comes through, and nothing is left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "handlers/handlers.h"
#include "sim.h"

#define UPSTREAM 81
#define CONNS    8
#define SEEDS    20
#define BYTES    60000
#define WITHIN   (4 * 16384) /* two buffers on the way, and two at the ends */

/* One end of a stream, on the client's connection and on the server's; they know each other by number. */
struct half {
	uint64_t sent, got;
	bool shut, eof, closed;
	enum pier_close_reason why;
};

static struct sim sim;
static struct half half[2][CONNS]; /* of the client, of the server */
static uint32_t accepted, farthest;

static uint8_t byte_at(unsigned int side, unsigned int i, uint64_t at)
{
	return (uint8_t)(at * 7 + at / 251 + side * 99 + i);
}

static void write_some(struct pier_conn *c, size_t room)
{
	const uint64_t who = *(uint64_t *)c->ctx - 1;
	struct half *h = &half[who / CONNS][who % CONNS];
	uint8_t text[3000];
	size_t n = min_of((size_t)wire_range(&sim.wire, 1, sizeof(text)), (size_t)(BYTES - h->sent));

	if (h->shut)
		return;
	for (size_t i = 0; i < n; i++)
		text[i] = byte_at(who / CONNS, who % CONNS, h->sent + i);
	h->sent += pier_send(c, text, n);
	if (h->sent < BYTES) {
		pier_want_writable(c);
		return;
	}
	h->shut = true;
	pier_shutdown(c);
}

static void end_open(struct pier_conn *c)
{
	if (!*(uint64_t *)c->ctx)
		*(uint64_t *)c->ctx = 1 + CONNS + accepted++;
	write_some(c, 0);
}

/* Reads come to a halt now and then. Which client's stream it is, its first byte says. */
static size_t end_data(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	const uint64_t who = *(uint64_t *)c->ctx - 1;
	struct half *h = &half[who / CONNS][who % CONNS];
	size_t total = 0;

	if (wire_chance(&sim.wire, 0.2)) {
		pier_set_timer(c, wire_range(&sim.wire, 1, 400) * US_PER_MS);
		return 0;
	}
	for (unsigned int i = 0; i < n; i++) {
		const uint8_t *p = s[i].data;
		/* The other end's number is the difference of the first bytes. */
		static uint8_t salt[2][CONNS];

		for (uint32_t j = 0; j < s[i].len; j++, h->got++) {
			uint8_t zero = byte_at(!(who / CONNS), 0, h->got);

			if (!h->got)
				salt[who / CONNS][who % CONNS] = (uint8_t)(p[j] - zero);
			if ((uint8_t)(p[j] - zero) != salt[who / CONNS][who % CONNS])
				sim_fail(&sim, "end %u: byte %u is wrong", (unsigned int)who,
					 (unsigned int)h->got);
		}
		total += s[i].len;
	}
	return total;
}

static void end_timer(struct pier_conn *c)
{
	pier_resume(c);
}

static void end_eof(struct pier_conn *c)
{
	const uint64_t who = *(uint64_t *)c->ctx - 1;
	struct half *h = &half[who / CONNS][who % CONNS];

	h->eof = true;
	if (h->shut)
		pier_close(c);
}

static void end_close(struct pier_conn *c, enum pier_close_reason why)
{
	const uint64_t who = *(uint64_t *)c->ctx - 1;

	half[who / CONNS][who % CONNS].closed = true;
	half[who / CONNS][who % CONNS].why = why;
}

static const struct pier_handler end = {
	.abi = PIER_HANDLER_ABI, .size = sizeof(struct pier_handler), .name = "end", .summary = "",
	.ctx_size = sizeof(uint64_t), .open = end_open, .data = end_data, .writable = write_some,
	.timer = end_timer, .eof = end_eof, .close = end_close,
};

static void *make_settings(void)
{
	void *settings = calloc(1, handler_proxy.options->size);
	char err[200];

	option_defaults(handler_proxy.options, settings);
	if (!option_parse(option_find(handler_proxy.options, "upstream"), settings, "198.18.0.1:81",
			  err, sizeof(err)) ||
	    !handler_proxy.setup(settings, err, sizeof(err)))
		fail_msg("%s", err);
	return settings;
}

/* What has left one end and not reached the other is bounded by the buffers. */
static void watch(struct sim *s, void *arg)
{
	uint64_t sent[2] = {0}, got[2] = {0};

	for (unsigned int i = 0; i < 2 * CONNS; i++) {
		sent[i / CONNS] += half[i / CONNS][i % CONNS].sent;
		got[i / CONNS] += half[i / CONNS][i % CONNS].got;
	}
	for (unsigned int side = 0; side < 2; side++)
		farthest = max_of(farthest, (uint32_t)(sent[side] - got[!side]));
}

static void run(uint64_t seed, void *settings)
{
	struct host *a = &sim.host[CLIENT], *b = &sim.host[SERVER];
	struct listener upstream;

	memset(half, 0, sizeof(half));
	accepted = 0;
	sim_init(&sim, seed);
	a->handler = &end;
	b->handler = &handler_proxy;
	b->settings = settings;
	for (int i = 0; i < 2; i++) {
		struct link_conf *c = &sim.wire.link[i].conf;

		sim.host[i].tcp.rcvbuf_initial = sim.host[i].tcp.rcvbuf = 16384;
		sim.host[i].tcp.sndbuf = 16384;
		c->loss = 0.02;
		c->reorder = 0.1;
		c->late = 30 * US_PER_MS;
		c->duplicate = 0.02;
	}
	sim.watch = watch;
	sim_open(&sim);
	upstream = a->listener;
	upstream.port_lo = upstream.port_hi = UPSTREAM;
	assert_true(engine_listen(a->e, &upstream) >= 0);
	for (unsigned int i = 0; i < CONNS; i++) {
		struct engine_connect req = {.remote_port = SIM_PORT, .local = 0, .version = a->version,
					     .local_port = (uint16_t)(SIM_LOCAL + i), .ctx = 1 + i};
		uint64_t id;

		flow_addr_v4(req.remote, be32(0xc6120002));
		assert_int_equal(engine_connect(a->e, &req, sim.wire.now, &id), 0);
	}
	a->busy = true;
	sim_run(&sim);
	for (unsigned int i = 0; i < 2 * CONNS; i++) {
		const struct half *h = &half[i / CONNS][i % CONNS];

		if (!h->closed || h->why != PIER_CLOSE_NORMAL || !h->eof || h->got != BYTES)
			sim_fail(&sim, "end %u: %u bytes came, closed for %d", i,
				 (unsigned int)h->got, h->why);
	}
}

static void every_byte_both_ways(void **state)
{
	void *settings = make_settings();
	const char *one = getenv("SEED");

	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		run(one ? strtoull(one, NULL, 0) : seed, settings);
	assert_true(farthest <= CONNS * WITHIN);
	assert_true(farthest > CONNS * WITHIN / 4); /* windows did close */
	handler_proxy.teardown(settings);
	option_free(handler_proxy.options, settings);
	free(settings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_byte_both_ways)};

	sim_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
