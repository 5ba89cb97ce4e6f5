/*
 * Cycles without a port: parsing, the connection table, and traffic through the engine
 * (noport_traffic.c).
 *
 * One thread on one CPU. Only the calls named in a figure lie between the readings of the time-stamp
 * counter, taken around bursts of 32; the peer that makes the packets works outside of them. Packets
 * are therefore warm in the cache when their turn comes, as they are where a NIC writes to it.
 *
 * The same objects are linked twice: bench_noport, and bench_stages, which has a mark around each
 * stage (stages.h).
 */
#include "noport.h"

#include <stdlib.h>
#include <string.h>

#include "peer.h"
#include "pkt/parse.h"
#include "server.h"
#include "stages.h"
#include "worker/memory.h"

#define PACKETS	    256
#define EAL_MIB_QUICK 64 /* of EAL's memory, where few mbufs are needed */
#define EAL_MIB	      512
#define PER_TEN_M   (8ull << 30) /* bytes that ten million connections and their peer take */

static const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 1};
const struct pkt_port noport_cap = {.mac = {2, 0, 0, 0, 0, 2}, .mtu = 1500,
				    .copy_below = PKT_COPY_BELOW, .flags = PKT_TX_MULTI_SEG,
				    .tx_mode = PKT_TX_COPIES};

static const char *const quick_set[] = {"parse", "lookup_1k", "lookup_1m", "echo_rest_1k",
					"echo_1k", "request_1k", "short_1k", NULL};
static const char *const full_set[] = {
	"parse", "refuse", "refuse_parsed", "lookup_1k", "lookup_1m", "lookup_10m",
	"echo_1k", "echo_100k", "echo_rest_1k", "echo_rest_1m", "echo_rest_10m",
	"request_1k", "request_1m", "request_rest_10m", "request_plain_1k",
	"short_1k", "short_1m", "short_10m", "short_plain_1k", "short_phases_1k",
	"parse6", "echo6_1k", "request6_1k", "request_plain6_1k", "short6_1k", NULL};

void noport_take(struct noport *np, struct rte_mbuf **pkts, unsigned int n)
{
	if (rte_pktmbuf_alloc_bulk(np->pools.data, pkts, n))
		bench_die("no mbufs left");
}

static void parse_once(struct rte_mbuf **pkts, unsigned int rounds, struct bench_series *s)
{
	static struct pkt_facts facts[BENCH_BURST];
	const uint64_t start = rte_rdtsc();

	for (unsigned int r = 0; r < rounds; r++)
		for (unsigned int i = 0; i < PACKETS; i += BENCH_BURST)
			pkt_parse_burst(pkts + i, facts, BENCH_BURST, 0, &noport_cap);
	bench_add(s, (double)(rte_rdtsc() - start) / ((double)rounds * PACKETS));
	for (unsigned int i = 0; i < BENCH_BURST; i++)
		if (facts[i].kind != PKT_TCP || facts[i].payload_len != BENCH_MESSAGE)
			bench_die("the parser does not take the peer's segments: reason %u",
				  facts[i].reason);
}

static void parse(struct noport *np, const char *name, bool v6)
{
	struct peer_config pc = {.kind = PEER_ECHO, .n = PACKETS, .port = SERVER_PORT,
				 .v6 = v6, .len = BENCH_MESSAGE};
	struct rte_mbuf *pkts[PACKETS];
	struct bench_series s = {0};
	struct peer peer;

	memcpy(pc.mac, peer_mac, sizeof(pc.mac));
	memcpy(pc.server_mac, noport_cap.mac, sizeof(pc.server_mac));
	noport_take(np, pkts, PACKETS);
	peer_init(&peer, &pc);
	for (unsigned int i = 0; i < PACKETS; i++)
		peer_stray(&peer, i, pkts[i]);
	for (unsigned int r = 0; r < np->opt.runs; r++)
		parse_once(pkts, np->opt.instructions ? 4 : 200, &s);
	peer_free(&peer);
	rte_pktmbuf_free_bulk(pkts, PACKETS);
	bench_print(name, &s, "");
}

/* "short_plain_1k" is "short_plain" and 1000; without a count it is 1000 too. */
static uint32_t split(const char *name, char *kind, size_t len)
{
	const char *last = strrchr(name, '_'), *digits = last ? last + 1 : "";
	char *end;
	unsigned long n = strtoul(digits, &end, 10);

	if (end == digits) {
		snprintf(kind, len, "%s", name);
		return 1000;
	}
	snprintf(kind, len, "%.*s", (int)(last - name), name);
	if (*end == 'k')
		n *= 1000;
	else if (*end == 'm')
		n *= 1000000;
	return (uint32_t)min_of(n, 100000000ul);
}

static bool fits(const char *name, uint32_t n)
{
	if (worker_memory_available() >= PER_TEN_M / 10000000 * n)
		return true;
	fprintf(stderr, "%s: not run: needs about %llu MB\n", name,
		PER_TEN_M / 10000000 * n >> 20);
	return false;
}

static void run(struct noport *np, const char *name, bool first)
{
	char kind[64];
	const uint32_t n = split(name, kind, sizeof(kind));

	if (!fits(name, n))
		return;
	if (!first)
		printf("  ,\n");
	if (!strcmp(kind, "parse") || !strcmp(kind, "parse6"))
		parse(np, kind, !strcmp(kind, "parse6"));
	else if (!strcmp(kind, "refuse") || !strcmp(kind, "refuse_parsed"))
		noport_refuse(np, name, !strcmp(kind, "refuse"));
	else if (!strcmp(kind, "lookup"))
		noport_lookup(np, name, n);
	else if (!noport_traffic(np, name, kind, n))
		bench_die("no scenario %s: there are parse, parse6, refuse, refuse_parsed, lookup, %s, each with a count "
			  "behind (short_1k, lookup_10m), these with a 6 before it over IPv6 (short6_1k)", name, noport_kinds);
}

int main(int argc, char **argv)
{
	static struct noport np;
	const char *const *names;
	bool huge, large;

	np.opt.cores = 1;
	bench_options(&np.opt, argc, argv);
	names = np.opt.names[0] ? np.opt.names : np.opt.quick ? quick_set : full_set;
	large = !np.opt.quick;
	huge = bench_eal(&np.opt, large ? EAL_MIB : EAL_MIB_QUICK);
	bench_pools(&np.pools, NOPORT_MBUFS + (large ? NOPORT_WAITING / 3 * 5 : 0));
	np.mark = stages_calibrate();
	printf("{\n  \"bench\": \"%s\", \"tsc_hz\": %lu, \"packets_in_huge_pages\": %s, "
	       "\"mark_cycles\": %.1f,\n", stages_on ? "stages" : "noport", rte_get_tsc_hz(),
	       huge ? "true" : "false", np.mark);
	for (unsigned int i = 0; names[i]; i++)
		run(&np, names[i], i == 0);
	printf("}\n");
	if (port_pools_destroy(&np.pools))
		bench_die("mbufs were lost");
	return rte_eal_cleanup() ? 1 : 0;
}
