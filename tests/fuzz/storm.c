/*
 * A storm of segments: seeded random traffic from peers that are half sane, over connections in every
 * state, in bursts and alone, while the application does random things too.
 *
 * What is checked is what must hold whatever arrives: the engine's books balance after every step,
 * memory stays bounded, and at the end of each seed nothing is left (kit_close). Run under the
 * sanitizers for the rest. storm [--seeds N] [--from S]; one seed is replayed by --from S --seeds 1.
 */
#include "kit.h"

#define STORM_PEERS 8
#define STORM_ACTIVE 6 /* peers from here on are servers: the engine opens */
#define STORM_STEPS 400

static uint64_t n_seeds = 1000, first_seed = 1;

static uint64_t rnd_state;

/* SplitMix64: small, and the same everywhere. */
static uint64_t rnd(uint64_t below)
{
	uint64_t z = rnd_state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (z ^ z >> 31) % below;
}

static uint32_t near(uint32_t base)
{
	static const uint32_t off[] = {0, 0, 0, 0, 1, 1460, 3000, 65535, 0x40000000, 0x80000000};
	uint32_t d = off[rnd(ARRAY_SIZE(off))] + rnd(3);

	return rnd(4) ? base + d : base - d;
}

/* What the peer believes: the engine's last ACK and the end of its data, learnt from its frames. */
struct belief {
	uint32_t snd, rcv;
};

static void learn(struct kit *k, struct kit_peer **peers, struct belief *b, unsigned int n)
{
	struct kit_frame *f;

	while ((f = kit_frame_next(k))) {
		const struct tcp_hdr *th = kit_tcp(f->bytes);

		if (!th)
			continue;
		for (unsigned int i = 0; i < n; i++) {
			struct kit_peer *p = peers[i];

			if (be16(th->dport) != p->port)
				continue;
			if ((th->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
				p->dport = be16(th->sport);
			if (th->flags & TCP_SYN) {
				p->iss = be32(th->seq);
				p->iss_known = true;
			}
			if (th->flags & TCP_ACK)
				b[i].snd = be32(th->ack) - p->isn;
			b[i].rcv = be32(th->seq) - p->iss + !!(th->flags & (TCP_SYN | TCP_FIN));
			if (rnd(2))
				b[i].rcv += rnd(2000);
		}
	}
}

static void random_segment(struct kit_peer *p, const struct belief *b)
{
	static const uint8_t flags[] = {ACK, ACK, ACK, ACK | PSH, ACK | FIN, SYN, RST, RST | ACK,
					SYN | ACK, SYN | ACK, FIN, 0, URG | ACK, SYN | FIN, 0xff,
					ACK | ECE, ACK | ECE, ACK | CWR};
	uint8_t f = rnd(8) ? ACK : flags[rnd(ARRAY_SIZE(flags))];
	struct seg s = {.flags = f, .seq = rnd(3) ? b->snd : near(b->snd),
			.ack = rnd(4) ? b->rcv : near(b->rcv),
			.len = rnd(2) ? 0 : rnd(4) ? rnd(1400) : 1 + rnd(3)};

	/* A connection begins at sequence number 0: the pattern says so. */
	if (f == SYN || (f & SYN && p->app.connects))
		s.seq = s.len = 0;
	if (f == (SYN | ACK) && p->app.connects && rnd(4))
		s.opts = kit_answer_opts(p);
	/* The pattern does not run on across the first byte. */
	if (seq_lt(s.seq, 1) && seq_gt(s.seq + s.len, 1))
		s.len = 0;
	p->win = rnd(5) ? 65535 : rnd(3000);
	if (rnd(20) == 0)
		s.no_ts = true;
	if (rnd(20) == 0)
		s.tsval = (uint32_t)rnd(1ull << 32);
	if (rnd(6) == 0)
		s.tsecr = rnd(2) ? p->ts_recent - (uint32_t)rnd(3000) : (uint32_t)rnd(1ull << 32);
	s.tos = rnd(6) ? 0 : (uint8_t)rnd(256);
	s.urg = rnd(8) ? 0 : (uint16_t)rnd(65536);
	if (s.urg && rnd(2))
		s.flags |= URG;
	if (rnd(40) == 0)
		s.bad_sum = true;
	if (rnd(3) == 0 && p->sack_agreed && !(f & SYN)) {
		s.opts.flags |= TCP_OPTS_SACK;
		s.opts.sack_n = 1 + rnd(2);
		for (unsigned int i = 0; i < s.opts.sack_n; i++) {
			s.sack[i].left = near(b->rcv);
			s.sack[i].right = s.sack[i].left + rnd(5000);
		}
		/* A report of duplicates, true or not. */
		if (rnd(3) == 0) {
			s.sack[0].right = s.ack - rnd(2);
			s.sack[0].left = s.sack[0].right - rnd(3000);
		}
	}
	kit_send_seg(p, &s);
}

/* An error about something that may be in flight. */
static void random_icmp(struct kit_peer *p, const struct belief *b)
{
	static const uint16_t mtu[] = {0, 68, 296, 552, 576, 1280, 1400, 1499, 1500, 9000, 65535};
	static const uint8_t four[] = {3, 3, 3, 3, 11, 12, 4, 5, 8}, six[] = {2, 2, 2, 1, 3, 4, 1, 2, 128};

	if (!p->iss_known)
		return;
	kit_icmp(p, (kit_v6() ? six : four)[rnd(ARRAY_SIZE(four))], rnd(3) ? 4 : rnd(16), mtu[rnd(ARRAY_SIZE(mtu))],
		 near(b->rcv), 40 + rnd(1461));
}

/* Memory runs short, or the port does, for some steps. */
static void random_famine(struct kit *k)
{
	kit_fail_mbufs = rnd(2) ? 0 : 1 + rnd(6);
	kit_fail_slab = rnd(2) ? 0 : 3 + rnd(6); /* less often than there is room */
	engine_pressure(k->e, rnd(3) == 0, rnd(ENGINE_REFUSE_ALL + 1));
	k->glance = rnd(2);
}

static void random_connect(struct kit_peer *p, struct belief *b)
{
	if (p->app.pending || p->app.is_open)
		return;
	if (kit_connect_from(p, LISTENER_ANY, 0) == 0)
		*b = (struct belief){.snd = 0, .rcv = 1};
	kit_arp(p->k);
}

static void random_app(struct kit_peer *p)
{
	struct kit_app *a = &p->app;

	a->echo = rnd(2);
	a->half_open_on_eof = rnd(4) == 0;
	a->take = rnd(3) ? UINT64_MAX : rnd(20000);
	a->on_open = rnd(3) ? 0 : rnd(100000);
	a->on_data = rnd(3) ? 0 : rnd(5000);
	a->close_on_open = rnd(20) == 0;
	a->abort_on_open = rnd(20) == 0;
	a->close_on_data = rnd(15) == 0;
	a->abort_on_data = rnd(15) == 0;
	a->shutdown_on_open = rnd(20) == 0;
	a->timer_on_open = rnd(3) ? 0 : rnd(SEC);
	a->statics = rnd(3) == 0;
}

static void step(struct kit *k, struct kit_peer **peers, struct belief *b)
{
	unsigned int i = rnd(STORM_PEERS), n = 1 + rnd(5);

	switch (rnd(16)) {
	case 0:
		kit_advance(k, rnd(4) ? rnd(50 * MS) : rnd(20) ? rnd(5 * SEC) : rnd(7200 * SEC));
		break;
	case 1:
		if (i >= STORM_ACTIVE) {
			random_connect(peers[i], &b[i]);
			break;
		}
		kit_syn(peers[i]);
		b[i].snd = 1;
		break;
	case 3:
		random_icmp(peers[i], &b[i]);
		break;
	case 4:
		if (rnd(6) == 0)
			random_famine(k);
		break;
	case 2:
		kit_burst_begin(k);
		for (unsigned int j = 0; j < 2 + n * 4; j++) {
			unsigned int to = rnd(3) ? i : rnd(STORM_PEERS);

			random_segment(peers[to], &b[to]);
			b[to].snd += rnd(3) ? 0 : rnd(1400);
		}
		kit_burst_end(k);
		break;
	default:
		random_segment(peers[i], &b[i]);
		break;
	}
	learn(k, peers, b, STORM_PEERS);
}

static void random_conf(struct kit *k)
{
	k->tcp.rcvbuf = 2048 << rnd(8);
	k->tcp.sndbuf = 2048 << rnd(8);
	k->tcp.rcvbuf_initial = rnd(2) ? GIB : 2048;
	k->tcp.nagle = rnd(2);
	k->tcp.keepalive = rnd(2);
	k->tcp.ecn = rnd(2);
	k->tcp.ecn_connect = rnd(2);
	k->tcp.syn_cookies = rnd(3);
	k->tcp.overflow = rnd(2);
	k->tcp.congestion = rnd(2);
	k->tcp.rto_literal = rnd(4) == 0;
	k->tcp.pmtu_floor = rnd(2) ? 552 : 68;
	if (rnd(3) == 0)
		k->tcp.min_progress = 1 + rnd(10000);
	if (rnd(3) == 0)
		k->tcp.persist_timeout = SEC * (1 + rnd(300));
	if (rnd(3) == 0)
		k->conf.mbuf_share = 20;
	if (rnd(3) == 0)
		k->conf.max_orphans = 1 + rnd(3);
	if (rnd(3) == 0)
		k->conf.max_connections = 1 + rnd(6);
	if (rnd(3) == 0)
		k->conf.max_time_wait = 1 + rnd(3);
	if (rnd(3) == 0)
		k->conf.max_half_open = 1 + rnd(3);
	if (rnd(3) == 0)
		k->conf.block_bytes = 128 * KIB;
}

static void one_seed(uint64_t seed)
{
	struct kit *k = kit_new();
	struct kit_peer *peers[STORM_PEERS];
	struct belief b[STORM_PEERS] = {{0}};

	rnd_state = seed * 0x2545f4914f6cdd1dull;
	random_conf(k);
	for (unsigned int i = 0; i < STORM_PEERS; i++) {
		peers[i] = kit_peer(k);
		peers[i]->offer = rnd(OFFER_ALL + 1) | (rnd(2) ? OFFER_ECN : 0);
		peers[i]->may_fragment = true;
		peers[i]->mss = rnd(3) ? peers[i]->mss : rnd(1461);
		peers[i]->sack_agreed = peers[i]->offer & OFFER_SACK;
		peers[i]->ts = peers[i]->offer & OFFER_TS;
		random_app(peers[i]);
	}
	for (unsigned int s = 0; s < STORM_STEPS; s++) {
		const char *wrong;

		step(k, peers, b);
		wrong = engine_audit(k->e);
		if (wrong)
			fail_msg("seed %llu step %u: %s", (unsigned long long)seed, s, wrong);
	}
	kit_fail_mbufs = kit_fail_slab = 0;
	engine_pressure(k->e, false, 0);
	kit_close(k);
}

static void storm(void **state)
{
	for (uint64_t s = first_seed; s < first_seed + n_seeds; s++)
		one_seed(s);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(storm)};

	for (int i = 1; i + 1 < argc; i += 2) {
		uint64_t *to = !strcmp(argv[i], "--seeds") ? &n_seeds : &first_seed;

		*to = strtoull(argv[i + 1], NULL, 10);
	}
	return cmocka_run_group_tests(tests, kit_group_setup, NULL);
}
