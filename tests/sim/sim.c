/*
 * Runs seeds. What must hold of each: every byte comes back as it was sent, every connection ends in
 * time, memory stays bounded while it runs, and nothing is left after it.
 *
 *      sim                       the seeds of the test suite
 *      sim --seed S [--pcap F]   one seed again, with what it was
 *      sim --seeds N --from S    more of them
 */
#include <inttypes.h>

#include <rte_mempool.h>

#include "sim.h"

#define SEEDS       300
#define CLIENTS_MAX 8
#define TIME_MAX    (3600 * SEC)

static uint64_t seed;

void sim_fail(const char *what)
{
	fprintf(stderr, "seed %" PRIu64 ": %s\n", seed, what);
	exit(1);
}

/* splitmix64 */
uint64_t sim_rnd(struct sim *s)
{
	uint64_t z = s->rng += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

uint64_t sim_range(struct sim *s, uint64_t lo, uint64_t hi)
{
	return lo + sim_rnd(s) % (hi - lo + 1);
}

bool sim_chance(struct sim *s, uint32_t per_10000)
{
	return per_10000 && sim_rnd(s) % 10000 < per_10000;
}

static void make_link(struct sim *s, struct link *l)
{
	static const uint64_t speeds[] = {1000000, 10000000, 100000000, 1000000000, 10000000000};
	static const uint64_t delays[] = {20, 500, 5000, 20000, 100000};

	l->conf.bits_per_s = speeds[sim_range(s, 0, 4)];
	l->conf.delay = delays[sim_range(s, 0, 4)];
	l->conf.jitter = sim_chance(s, 5000) ? 0 : l->conf.delay / 4;
	l->conf.queue = (uint32_t)sim_range(s, 10, 200);
	if (sim_chance(s, 3000))
		return;
	l->conf.loss = (uint32_t)sim_range(s, 0, 500);
	l->conf.reorder = sim_chance(s, 5000) ? (uint32_t)sim_range(s, 0, 500) : 0;
	l->conf.duplicate = sim_chance(s, 5000) ? (uint32_t)sim_range(s, 0, 300) : 0;
	l->conf.corrupt = sim_chance(s, 5000) ? (uint32_t)sim_range(s, 0, 200) : 0;
}

static void make_client(struct sim *s, struct client *c)
{
	static const uint16_t mss[] = {216, 536, 1000, 1448, 1460};
	static const uint32_t sizes[] = {1, 100, 3000, 50000, 300000};

	c->sim = s;
	c->p = kit_peer(s->k);
	c->p->offer = (unsigned int)sim_range(s, 0, 7);
	c->p->mss = mss[sim_range(s, 0, 4)];
	c->p->ws = (uint8_t)sim_range(s, 0, 7);
	c->p->isn = (uint32_t)sim_rnd(s);
	c->p->ts_base = (uint32_t)sim_rnd(s);
	c->p->app.echo = true;
	c->total = (uint32_t)sim_range(s, 1, sizes[sim_range(s, 0, 4)]);
	c->end = sim_chance(s, 1000) ? END_RESET : (enum client_end)sim_range(s, 0, 1);
	c->delayed_acks = sim_chance(s, 5000);
	c->buffer = (uint32_t)sim_range(s, 2000, 65535) << (sim_chance(s, 5000) ? 0 : 2);
	if (!(c->p->offer & OFFER_WS))
		c->buffer = min_of(c->buffer, 65535u);
	c->buffer = c->buffer >> c->p->ws << c->p->ws;
	c->have = calloc(1, c->total + 2);
}

static void to_wire(void *arg, struct kit_frame *f)
{
	struct sim *s = arg;

	link_send(s, &s->down, f->bytes, f->len, false);
}

/* A damaged frame is dropped here as a NIC or a stack would drop it. */
static bool sound(const uint8_t *frame, uint32_t len)
{
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(frame + ETH_HDR_LEN);
	uint16_t l4 = (uint16_t)(be16(ip->total_len) - IP4_HDR_LEN);

	return sum_fold(sum_partial(ip, IP4_HDR_LEN, 0)) == 0xffff &&
	       (uint32_t)l4 + IP4_HDR_LEN + ETH_HDR_LEN <= len &&
	       sum_fold(sum_partial(ip + 1, l4, sum_pseudo4(ip->saddr, ip->daddr, IP_PROTO_TCP,
							    l4))) == 0xffff;
}

static void arrive(struct sim *s, struct event *e)
{
	const struct tcp_hdr *th = (const struct tcp_hdr *)(e->frame + ETH_HDR_LEN + IP4_HDR_LEN);
	struct kit_frame f = {.at = s->k->now, .len = e->len, .bytes = e->frame};

	if (e->to_engine) {
		kit_inject(s->k, e->frame, e->len);
	} else if (sound(e->frame, e->len)) {
		for (unsigned int i = 0; i < s->n_clients; i++) {
			struct client *c = &s->clients[i];
			uint32_t recent = c->p->ts_recent;
			struct seg g;

			if (be16(th->dport) != c->p->port)
				continue;
			if (!c->connected && th->flags & RST)
				continue;
			g = kit_parse(c->p, &f);
			if (c->connected && g.opts.flags & TCP_OPTS_TS && seq_gt(g.seq, c->rcv_nxt))
				c->p->ts_recent = recent; /* RFC 7323 section 4.3 */
			client_input(c, &g);
		}
	}
	free(e->frame);
}

static bool finished(const struct sim *s)
{
	for (unsigned int i = 0; i < s->n_clients; i++)
		if (!s->clients[i].done || s->clients[i].p->app.closes == 0)
			return false;
	return true;
}

static uint64_t next_time(const struct sim *s)
{
	uint64_t at = min_of(link_next(s), engine_next(s->k->e, s->k->now));

	for (unsigned int i = 0; i < s->n_clients; i++)
		at = min_of(at, client_next(&s->clients[i]));
	return at;
}

static void check_memory(const struct sim *s)
{
	struct engine_usage u = kit_usage(s->k);
	uint64_t per_conn = (s->k->tcp.rcvbuf + s->k->tcp.sndbuf) / 128 + 64;

	sim_check(u.mbufs_held <= s->n_clients * per_conn);
	sim_check(u.block_bytes <= s->k->conf.block_bytes);
	sim_check(u.connections + u.half_open <= s->n_clients);
	if (engine_audit(s->k->e))
		sim_fail(engine_audit(s->k->e));
}

static void run(struct sim *s)
{
	struct kit *k = s->k;
	unsigned int steps = 0;

	for (unsigned int i = 0; i < s->n_clients; i++)
		client_start(&s->clients[i]);
	while (!finished(s)) {
		uint64_t at = next_time(s);

		sim_check(at != UINT64_MAX);
		sim_check(at < KIT_T0 + TIME_MAX);
		kit_advance_to(k, at);
		while (link_next(s) <= k->now) {
			struct event e = link_pop(s);

			arrive(s, &e);
		}
		for (unsigned int i = 0; i < s->n_clients; i++)
			if (client_next(&s->clients[i]) <= k->now)
				client_timer(&s->clients[i]);
		if (steps++ % 256 == 0)
			check_memory(s);
	}
}

static void check_end(const struct sim *s)
{
	for (unsigned int i = 0; i < s->n_clients; i++) {
		const struct client *c = &s->clients[i];

		if (c->end == END_RESET)
			continue;
		sim_check(c->p->app.opens == 1);
		sim_check(c->p->app.rx == c->total);
		sim_check(c->p->app.why == PIER_CLOSE_NORMAL);
	}
}

static void describe(const struct sim *s)
{
	const struct link *l[] = {&s->up, &s->down};

	for (int i = 0; i < 2; i++)
		printf("%s: %" PRIu64 " bit/s, %" PRIu64 "+%" PRIu64 " us, queue %u; frames %" PRIu64
		       ", lost %" PRIu64 ", late %" PRIu64 ", doubled %" PRIu64 ", damaged %" PRIu64
		       "\n", i ? "down" : "up", l[i]->conf.bits_per_s, l[i]->conf.delay,
		       l[i]->conf.jitter, l[i]->conf.queue, l[i]->sent, l[i]->lost, l[i]->late,
		       l[i]->doubled, l[i]->damaged);
	for (unsigned int i = 0; i < s->n_clients; i++) {
		const struct client *c = &s->clients[i];

		printf("client %u: %u bytes, end %d, offer %u, mss %u, window %u, una %u, nxt %u, "
		       "rcv_nxt %u, done %d; took %" PRIu64 ", left %" PRIu64 "\n", i, c->total, c->end, c->p->offer, c->p->mss,
		       c->buffer, c->una, c->nxt, c->rcv_nxt, c->done, c->p->app.rx, c->p->app.waiting);
	}
	printf("took %" PRIu64 " us\n", (uint64_t)(s->k->now - KIT_T0));
}

static struct sim *current;
static bool verbose;

static void say_seed(void)
{
	if (!current)
		return;
	fprintf(stderr, "failed: sim --seed %" PRIu64 "\n", seed);
	describe(current);
}

static void one_seed(void)
{
	struct sim s = {.rng = seed};
	struct client clients[CLIENTS_MAX] = {0};
	struct kit *k = kit_new();

	s.k = k;
	s.clients = clients;
	current = &s;
	k->tcp.sndbuf = sim_range(&s, 16 * KIB, 256 * KIB);
	k->tcp.rcvbuf = sim_range(&s, 4096, 128 * KIB);
	k->tcp.nagle = sim_chance(&s, 3000);
	if (sim_chance(&s, 3000))
		k->cap[0].tx_mode = PKT_TX_GIVES_AWAY;
	k->cap[0].copy_below = (uint16_t)sim_range(&s, 0, 2000);
	if (sim_chance(&s, 3000))
		k->cap[0].flags = 0;
	k->sink = to_wire;
	k->sink_arg = &s;
	make_link(&s, &s.up);
	make_link(&s, &s.down);
	s.n_clients = (unsigned int)sim_range(&s, 1, CLIENTS_MAX);
	for (unsigned int i = 0; i < s.n_clients; i++)
		make_client(&s, &clients[i]);
	run(&s);
	check_end(&s);
	if (verbose)
		describe(&s);
	while (s.n_events)
		free(link_pop(&s).frame);
	kit_close(k);
	current = NULL;
	for (unsigned int i = 0; i < s.n_clients; i++)
		client_free(&clients[i]);
	free(s.heap);
}

int main(int argc, char **argv)
{
	uint64_t from = 1, n = SEEDS;

	for (int i = 1; i + 1 < argc; i += 2) {
		uint64_t v = strtoull(argv[i + 1], NULL, 0);

		if (!strcmp(argv[i], "--seed")) {
			from = v;
			n = 1;
			verbose = true;
		} else if (!strcmp(argv[i], "--seeds")) {
			n = v;
		} else if (!strcmp(argv[i], "--from")) {
			from = v;
		} else if (!strcmp(argv[i], "--pcap")) {
			kit_pcap_open(argv[i + 1]);
		} else {
			fprintf(stderr, "sim [--seed S | --seeds N --from S] [--pcap FILE]\n");
			return 2;
		}
	}
	if (kit_main_start())
		return 1;
	atexit(say_seed);
	for (seed = from; seed < from + n; seed++)
		one_seed();
	printf("%" PRIu64 " seeds from %" PRIu64 " passed\n", n, from);
	return 0;
}
