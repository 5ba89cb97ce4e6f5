/*
 * An engine serving echo to clients that were written apart from it. What must hold of each seed:
 * every byte comes back as it was sent, every connection ends in time, memory stays bounded while it
 * runs, and nothing is left after it.
 *
 *      sim_peers                       the seeds of the test suite
 *      sim_peers --seed S [--pcap F]   one seed again, with what it was
 *      sim_peers --seeds N --from S    more of them
 */
#include <inttypes.h>

#include <rte_mempool.h>

#include "peers.h"

#define SEEDS       300
#define CLIENTS_MAX 8
#define TIME_MAX    (3600 * SEC)

static uint64_t seed;

void party_fail(const char *what)
{
	fprintf(stderr, "seed %" PRIu64 ": %s\n", seed, what);
	exit(1);
}

static void make_link(struct wire *w, struct link_conf *c)
{
	static const double speeds[] = {1e6, 1e7, 1e8, 1e9, 1e10};
	static const uint64_t delays[] = {20, 500, 5000, 20000, 100000};

	*c = (struct link_conf){.bits_per_s = speeds[wire_range(w, 0, 4)],
				.delay = delays[wire_range(w, 0, 4)],
				.queue = (uint32_t)wire_range(w, 10, 200) * 1500};
	c->jitter = wire_chance(w, 0.5) ? 0 : c->delay / 4;
	c->late = 2 * c->delay + 1000;
	if (wire_chance(w, 0.3))
		return;
	c->loss = (double)wire_range(w, 0, 500) / 10000;
	c->reorder = wire_chance(w, 0.5) ? (double)wire_range(w, 0, 500) / 10000 : 0;
	c->duplicate = wire_chance(w, 0.5) ? (double)wire_range(w, 0, 300) / 10000 : 0;
	c->corrupt = wire_chance(w, 0.5) ? (double)wire_range(w, 0, 200) / 10000 : 0;
}

static void make_client(struct party *s, struct client *c)
{
	static const uint16_t mss[] = {216, 536, 1000, 1448, 1460};
	static const uint32_t sizes[] = {1, 100, 3000, 50000, 300000};

	c->party = s;
	c->p = kit_peer(s->k);
	c->p->offer = (unsigned int)wire_range(&s->wire, 0, 7);
	c->p->mss = mss[wire_range(&s->wire, 0, 4)];
	c->p->ws = (uint8_t)wire_range(&s->wire, 0, 7);
	c->p->isn = (uint32_t)wire_rnd(&s->wire);
	c->p->ts_base = (uint32_t)wire_rnd(&s->wire);
	c->p->app.echo = true;
	c->total = (uint32_t)wire_range(&s->wire, 1, sizes[wire_range(&s->wire, 0, 4)]);
	c->end = wire_chance(&s->wire, 0.1) ? END_RESET : (enum client_end)wire_range(&s->wire, 0, 1);
	c->delayed_acks = wire_chance(&s->wire, 0.5);
	c->buffer = (uint32_t)wire_range(&s->wire, 2000, 65535) << (wire_chance(&s->wire, 0.5) ? 0 : 2);
	if (!(c->p->offer & OFFER_WS))
		c->buffer = min_of(c->buffer, 65535u);
	c->buffer = c->buffer >> c->p->ws << c->p->ws;
	c->have = calloc(1, c->total + 2);
}

static void to_wire(void *arg, struct kit_frame *f)
{
	struct party *s = arg;

	struct frame *g = wire_frame(&s->wire);

	s->wire.now = s->k->now;
	g->len = f->len;
	g->to = !ENGINE;
	memcpy(g->bytes, f->bytes, f->len);
	wire_send(&s->wire, g);
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

static void to_clients(struct party *s, struct frame *f)
{
	const struct tcp_hdr *th = (const void *)(f->bytes + ETH_HDR_LEN + IP4_HDR_LEN);
	struct kit_frame k = {.at = s->k->now, .len = f->len, .bytes = f->bytes};

	for (unsigned int i = 0; i < s->n_clients; i++) {
		struct client *c = &s->clients[i];
		uint32_t recent = c->p->ts_recent;
		struct seg g;

		if (be16(th->dport) != c->p->port || (!c->connected && th->flags & RST))
			continue;
		g = kit_parse(c->p, &k);
		if (c->connected && g.opts.flags & TCP_OPTS_TS && seq_gt(g.seq, c->rcv_nxt))
			c->p->ts_recent = recent; /* RFC 7323 section 4.3 */
		client_input(c, &g);
	}
}

/* The link's frame check would have found damage to what no other sum covers: header and padding. */
static void arrive(struct party *s, struct frame *f)
{
	uint32_t end = ETH_HDR_LEN + load_be16(f->bytes + ETH_HDR_LEN + 2);

	if (end < f->len)
		memset(f->bytes + end, 0, f->len - end);
	memcpy(f->bytes, f->to == ENGINE ? kit_mac : kit_peer_mac, 6);
	memcpy(f->bytes + 6, f->to == ENGINE ? kit_peer_mac : kit_mac, 6);
	store_be16(f->bytes + 12, ETH_TYPE_IP4);
	if (f->to == ENGINE)
		kit_inject(s->k, f->bytes, f->len);
	else if (sound(f->bytes, f->len))
		to_clients(s, f);
	wire_drop(&s->wire, f);
}

static bool finished(const struct party *s)
{
	for (unsigned int i = 0; i < s->n_clients; i++)
		if (!s->clients[i].done || s->clients[i].p->app.closes == 0)
			return false;
	return true;
}

static uint64_t next_time(const struct party *s)
{
	uint64_t at = min_of(wire_next(&s->wire), engine_next(s->k->e, s->k->now));

	for (unsigned int i = 0; i < s->n_clients; i++)
		at = min_of(at, client_next(&s->clients[i]));
	return at;
}

static void check_memory(const struct party *s)
{
	struct engine_usage u = kit_usage(s->k);
	uint64_t per_conn = (s->k->tcp.rcvbuf + s->k->tcp.sndbuf) / 128 + 64;

	party_check(u.mbufs_held <= s->n_clients * per_conn);
	party_check(u.block_bytes <= s->k->conf.block_bytes);
	party_check(u.connections + u.half_open <= s->n_clients);
	if (engine_audit(s->k->e))
		party_fail(engine_audit(s->k->e));
}

static void run(struct party *s)
{
	struct kit *k = s->k;
	unsigned int steps = 0;
	struct frame *f;

	for (unsigned int i = 0; i < s->n_clients; i++)
		client_start(&s->clients[i]);
	while (!finished(s)) {
		uint64_t at = next_time(s);

		party_check(at != UINT64_MAX);
		party_check(at < KIT_T0 + TIME_MAX);
		kit_advance_to(k, at);
		s->wire.now = k->now;
		while ((f = wire_take(&s->wire)))
			arrive(s, f);
		for (unsigned int i = 0; i < s->n_clients; i++)
			if (client_next(&s->clients[i]) <= k->now)
				client_timer(&s->clients[i]);
		if (steps++ % 256 == 0)
			check_memory(s);
	}
}

static void check_end(const struct party *s)
{
	for (unsigned int i = 0; i < s->n_clients; i++) {
		const struct client *c = &s->clients[i];

		if (c->end == END_RESET)
			continue;
		party_check(c->p->app.opens == 1);
		party_check(c->p->app.rx == c->total);
		party_check(c->p->app.why == PIER_CLOSE_NORMAL);
	}
}

static void describe(const struct party *s)
{
	for (int i = 0; i < 2; i++) {
		const struct link_conf *c = &s->wire.link[i].conf;
		const struct link_stats *n = &s->wire.link[i].stats;

		printf("%s: %.0f bit/s, %" PRIu64 "+%" PRIu64 " us, queue %u; frames %" PRIu64
		       ", lost %" PRIu64 "+%" PRIu64 ", late %" PRIu64 ", doubled %" PRIu64
		       ", damaged %" PRIu64 "\n", i == ENGINE ? "up" : "down", c->bits_per_s, c->delay,
		       c->jitter, c->queue, n->frames, n->lost, n->overflow, n->late, n->doubled,
		       n->damaged);
	}
	for (unsigned int i = 0; i < s->n_clients; i++) {
		const struct client *c = &s->clients[i];

		printf("client %u: %u bytes, end %d, offer %u, mss %u, window %u, una %u, nxt %u, "
		       "rcv_nxt %u, done %d; took %" PRIu64 ", left %" PRIu64 "\n", i, c->total, c->end, c->p->offer, c->p->mss,
		       c->buffer, c->una, c->nxt, c->rcv_nxt, c->done, c->p->app.rx, c->p->app.waiting);
	}
	printf("took %" PRIu64 " us\n", (uint64_t)(s->k->now - KIT_T0));
}

static struct party *current;
static bool verbose;

static void say_seed(void)
{
	if (!current)
		return;
	fprintf(stderr, "failed: sim_peers --seed %" PRIu64 "\n", seed);
	describe(current);
}

static void one_seed(void)
{
	struct client clients[CLIENTS_MAX] = {0};
	struct kit *k = kit_new();
	struct party s = {.k = k, .clients = clients};

	wire_init(&s.wire, seed, k->now);
	current = &s;
	k->tcp.sndbuf = wire_range(&s.wire, 16 * KIB, 256 * KIB);
	k->tcp.rcvbuf = wire_range(&s.wire, 4096, 128 * KIB);
	k->tcp.nagle = wire_chance(&s.wire, 0.3);
	if (wire_chance(&s.wire, 0.3))
		k->cap[0].tx_mode = PKT_TX_GIVES_AWAY;
	k->cap[0].copy_below = (uint16_t)wire_range(&s.wire, 0, 2000);
	if (wire_chance(&s.wire, 0.3))
		k->cap[0].flags = 0;
	k->sink = to_wire;
	k->sink_arg = &s;
	make_link(&s.wire, &s.wire.link[0].conf);
	make_link(&s.wire, &s.wire.link[1].conf);
	s.n_clients = (unsigned int)wire_range(&s.wire, 1, CLIENTS_MAX);
	for (unsigned int i = 0; i < s.n_clients; i++)
		make_client(&s, &clients[i]);
	run(&s);
	check_end(&s);
	if (verbose)
		describe(&s);
	kit_close(k);
	wire_fini(&s.wire);
	current = NULL;
	for (unsigned int i = 0; i < s.n_clients; i++)
		client_free(&clients[i]);
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
			fprintf(stderr, "sim_peers [--seed S | --seeds N --from S] [--pcap FILE]\n");
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
