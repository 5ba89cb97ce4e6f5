/*
 * The permutation is a Feistel network over the smallest even number of bits that holds the range,
 * four rounds of SipHash-1-3; what falls outside of the range goes through it again until it falls
 * inside, which for a permutation ends.
 */
#include <string.h>

#include "algo/ports.h"

#define ROUNDS 4

/* What one destination needs, out of its hash. */
struct walk {
	struct sip_key key;
	uint32_t offset, n;
	unsigned int half; /* bits of half a word */
};

void ports_init(struct ports *p, const struct sip_key *key)
{
	memset(p, 0, sizeof(*p));
	p->key = *key;
}

static uint32_t permute_once(const struct walk *w, uint32_t x)
{
	uint32_t mask = (1u << w->half) - 1, left = x >> w->half, right = x & mask;

	for (uint32_t round = 0; round < ROUNDS; round++) {
		const uint32_t in[2] = {round, right};
		uint32_t f = (uint32_t)siphash13(&w->key, in, sizeof(in)) & mask;
		uint32_t old = left;

		left = right;
		right = old ^ f;
	}
	return left << w->half | right;
}

static uint32_t permute(const struct walk *w, uint32_t x)
{
	do {
		x = permute_once(w, x);
	} while (x >= w->n);
	return x;
}

static uint32_t *walk_begin(struct ports *p, struct walk *w, const void *destination, size_t len)
{
	uint64_t hash = siphash24(&p->key, destination, len);
	uint64_t use[3];

	for (uint64_t i = 0; i < 3; i++) {
		const uint64_t in[2] = {hash, i};

		use[i] = siphash24(&p->key, in, sizeof(in));
	}
	w->key = (struct sip_key){{use[0], use[1]}};
	w->offset = (uint32_t)use[2];
	w->half = 1;
	while (1u << 2 * w->half < w->n)
		w->half++;
	return &p->next[use[2] >> 32 & (PORTS_COUNTERS - 1)];
}

uint16_t ports_pick(struct ports *p, const void *destination, size_t len, uint16_t lo, uint16_t hi,
		    bool (*usable)(void *arg, uint16_t port), void *arg)
{
	struct walk w = {.n = (uint32_t)hi - lo + 1};
	uint32_t *next = walk_begin(p, &w, destination, len);
	uint32_t from = w.offset % w.n + *next % w.n;

	for (uint32_t tries = 0; tries < w.n; tries++) {
		uint16_t port = (uint16_t)(lo + permute(&w, (from + tries) % w.n));

		(*next)++;
		if (usable(arg, port))
			return port;
	}
	return 0;
}
