/*
 * A storm of segments: seeded random traffic from peers that are half sane, over connections in every
 * state, in bursts and alone, while the application does random things too.
 *
 * What is checked is what must hold whatever arrives: the engine's books balance after every step,
 * memory stays bounded, and at the end of each seed nothing is left (kit_close). Run under the
 * sanitizers for the rest. storm [--seeds N] [--from S]; one seed is replayed by --from S --seeds 1.
 */
#include "kit.h"

#define STORM_PEERS 6
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
		const struct tcp_hdr *th = (const void *)(f->bytes + 34);

		if (f->len < 54 || f->bytes[23] != IP_PROTO_TCP)
			continue;
		for (unsigned int i = 0; i < n; i++) {
			struct kit_peer *p = peers[i];

			if (be16(th->dport) != p->port)
				continue;
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
					SYN | ACK, FIN, 0, URG | ACK, SYN | FIN, 0xff, ACK | ECE};
	uint8_t f = rnd(8) ? ACK : flags[rnd(ARRAY_SIZE(flags))];
	struct seg s = {.flags = f, .seq = rnd(3) ? b->snd : near(b->snd),
			.ack = rnd(4) ? b->rcv : near(b->rcv),
			.len = rnd(2) ? 0 : rnd(4) ? rnd(1400) : 1 + rnd(3)};

	/* A connection begins at sequence number 0: the pattern says so. */
	if (f == SYN)
		s.seq = s.len = 0;
	/* The pattern does not run on across the first byte. */
	if (seq_lt(s.seq, 1) && seq_gt(s.seq + s.len, 1))
		s.len = 0;
	p->win = rnd(5) ? 65535 : rnd(3000);
	if (rnd(20) == 0)
		s.no_ts = true;
	if (rnd(20) == 0)
		s.tsval = (uint32_t)rnd(1ull << 32);
	if (rnd(40) == 0)
		s.bad_sum = true;
	if (rnd(3) == 0 && p->sack_agreed && !(f & SYN)) {
		s.opts.flags = TCP_OPTS_SACK;
		s.opts.sack_n = 1 + rnd(2);
		for (unsigned int i = 0; i < s.opts.sack_n; i++) {
			s.sack[i].left = near(b->rcv);
			s.sack[i].right = s.sack[i].left + rnd(5000);
		}
	}
	kit_send_seg(p, &s);
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

	switch (rnd(12)) {
	case 0:
		kit_advance(k, rnd(4) ? rnd(50 * MS) : rnd(5 * SEC));
		break;
	case 1:
		kit_syn(peers[i]);
		b[i].snd = 1;
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

static void one_seed(uint64_t seed)
{
	struct kit *k = kit_new();
	struct kit_peer *peers[STORM_PEERS];
	struct belief b[STORM_PEERS] = {{0}};

	rnd_state = seed * 0x2545f4914f6cdd1dull;
	k->tcp.rcvbuf = 2048 << rnd(8);
	k->tcp.sndbuf = 2048 << rnd(8);
	k->tcp.nagle = rnd(2);
	k->tcp.keepalive = rnd(2);
	if (rnd(3) == 0)
		k->conf.mbuf_share = 20;
	for (unsigned int i = 0; i < STORM_PEERS; i++) {
		peers[i] = kit_peer(k);
		peers[i]->offer = rnd(OFFER_ALL + 1);
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
