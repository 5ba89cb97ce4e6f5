/*
 * Runs seeds.
 *
 *      sim                            the seeds of the test suite
 *      sim --seeds N --from S         others
 *      sim --seed S [--pcap FILE]     one again, frame by frame the same, with what it was
 *
 * Odd seeds are of IPv6, even ones of IPv4.
 */
#include "kit.h"
#include "sim.h"

#ifdef SIM_FEWER
#define SEEDS 200
#else
#define SEEDS 1000
#endif

static struct sim sim;

static void usage(void)
{
	fprintf(stderr, "sim [--seed S | --seeds N --from S] [--pcap FILE]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	uint64_t from = 1, n = SEEDS, bytes = 0, cut = 0;
	bool verbose = false;

	for (int i = 1; i < argc; i += 2) {
		uint64_t v = i + 1 < argc ? strtoull(argv[i + 1], NULL, 0) : 0;

		if (i + 1 == argc)
			usage();
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
			usage();
		}
	}
	sim_start();
	for (uint64_t seed = from; seed < from + n; seed++) {
		sim_draw(&sim, seed);
		sim_run(&sim);
		for (int i = 0; i < 2; i++) {
			bytes += sim.wire.link[i].stats.payload;
			cut += sim.host[i].ctr.v[CTR_TX_TSO];
		}
		if (verbose)
			sim_describe(&sim, stdout);
	}
	printf("%" PRIu64 " seeds from %" PRIu64 " passed, %" PRIu64 " bytes, %" PRIu64
	       " packets cut into segments by the ports\n",
	       n, from, bytes, cut);
	return n >= SEEDS && !cut;
}
