/*
 * Runs sessions.
 *
 *      twin                                  those of the test suite
 *      twin --from S --seeds N               others; --on: past what differs
 *      twin --seed S                         one again, with all its packets
 *      twin --without NAME[,NAME...]         only those shortcuts are left out: which one is it?
 */
#include <inttypes.h>
#include <stdlib.h>

#include "twin.h"

#ifdef TWIN_FEWER
#define SEEDS 300
#else
#define SEEDS 3000
#endif

static const char *const names[SHORTCUT_MAX] = {
	[SHORTCUT_HINT] = "hint", [SHORTCUT_INPUT] = "input", [SHORTCUT_BARE] = "bare",
	[SHORTCUT_OUTPUT] = "output", [SHORTCUT_LEND] = "lend", [SHORTCUT_ACK] = "ack", [SHORTCUT_CC] = "cc",
	[SHORTCUT_RUN] = "run", [SHORTCUT_FIRST] = "first", [SHORTCUT_ATTACH] = "attach",
	[SHORTCUT_OPTIONS] = "options", [SHORTCUT_TABLE] = "table", [SHORTCUT_MEMO] = "memo", [SHORTCUT_PLAIN] = "plain",
	[SHORTCUT_AGAIN] = "again",
	[SHORTCUT_MESSAGE] = "message", [SHORTCUT_CLOSED] = "closed", [SHORTCUT_SHARED] = "shared",
};

/* SplitMix64. */
uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->s += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static void usage(void)
{
	fprintf(stderr, "twin [--seed S | --from S --seeds N [--on]] [--without NAME[,NAME...]]\nNAME:");
	for (unsigned int i = 0; i < SHORTCUT_MAX; i++)
		fprintf(stderr, " %s", names[i]);
	fprintf(stderr, "\n");
	exit(2);
}

static unsigned int mask_of(char *list)
{
	unsigned int mask = 0, i;

	for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
		for (i = 0; i < SHORTCUT_MAX && strcmp(name, names[i]); i++)
			;
		if (i == SHORTCUT_MAX)
			usage();
		mask |= 1u << i;
	}
	return mask;
}

int main(int argc, char **argv)
{
	const unsigned int all = (1u << SHORTCUT_MAX) - 1;
	static struct twin tw;
	uint64_t from = 1, n = SEEDS, bad = 0;
	unsigned int without = all;
	bool on = false;

	for (int i = 1; i < argc; i++) {
		char *v = i + 1 < argc ? argv[i + 1] : NULL;

		if (!strcmp(argv[i], "--on")) {
			on = true;
			continue;
		}
		if (!v)
			usage();
		if (!strcmp(argv[i], "--seed"))
			from = strtoull(v, NULL, 0), n = 1, tw.verbose = true;
		else if (!strcmp(argv[i], "--from"))
			from = strtoull(v, NULL, 0);
		else if (!strcmp(argv[i], "--seeds"))
			n = strtoull(v, NULL, 0);
		else if (!strcmp(argv[i], "--without"))
			without = mask_of(v);
		else
			usage();
		i++;
	}
	sides_start();
	for (int i = 0; i < 2; i++) {
		tw.side[i].tw = &tw;
		tw.side[i].mask = i ? all & ~without : all;
	}
	for (uint64_t seed = from; seed < from + n; seed++) {
		if (twin_run(&tw, seed))
			continue;
		bad++;
		if (!on)
			break;
	}
	printf("%" PRIu64 " sessions from %" PRIu64 ", %" PRIu64 " packets in and %" PRIu64 " out: %" PRIu64
	       " differ\n", n, from, tw.packets_in, tw.packets_out, bad);
	return bad ? 1 : 0;
}
