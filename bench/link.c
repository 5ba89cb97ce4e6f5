/*
 * Server and client over a link, one run: what is served, how the client talks, how long. bench/run
 * starts it again and again, takes turns between what is compared, and works out the figures.
 *
 * One process and a pair of ring ports (--ring): the server's loop on the second CPU, the client on the
 * first. Two processes and a memif (--memif SOCKET, with and without --client): one CPU each; what
 * serves may as well be another program on the same socket. memif copies packets in both directions.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "link.h"

#define MBUFS	       16384
#define MBUFS_TOLERANT 65536
#define EAL_MIB	       128
#define EAL_MIB_TOLERANT 320
#define LINK_UP_S      10
#define SETTLE_US      300000 /* until the other end has seen that the link is up */

static const char *const serves[] = {"echo", "http", "short", "discard", "chargen", "macswap", "5tswap"};
static const char *const kinds[] = {"echo", "request", "short", "push", "pull", "forward"};
static const enum serve serve_for[] = {SERVE_ECHO, SERVE_HTTP, SERVE_SHORT, SERVE_DISCARD,
				       SERVE_CHARGEN, SERVE_5TSWAP};
static struct link_server server;

static void __attribute__((noreturn)) usage(void)
{
	fprintf(stderr, "usage: bench_link (--ring | --memif SOCKET [--client]) [--kind KIND] "
		"[--serve WHAT] [--connections N] [--room N] [--flight N] [--window N] [--body BYTES] "
		"[--message BYTES] [--plain] [--tolerant] [--linger] [--seconds S] [--warm S] [--rate R] "
		"[--work NS] [--work-every N] [--gaps FILE]\n"
		"KIND: echo request short push pull forward\n"
		"WHAT: echo http short discard chargen macswap 5tswap\n");
	exit(2);
}

static int choose(const char *text, const char *const *names, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (!strcmp(text, names[i]))
			return (int)i;
	usage();
}

static double number(const char *text)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end || v < 0 || v > 1e9)
		usage();
	return v;
}

static void defaults(struct link_options *o, bool served)
{
	if (!served)
		o->serve = serve_for[o->kind];
	if (!o->connections)
		o->connections = o->kind == PEER_SHORT ? 60000 :
				 o->kind == PEER_PUSH || o->kind == PEER_PULL ? 16 : LINK_FLIGHT;
	o->room = o->room ? o->room : o->connections;
	o->flight = min_of(o->flight, o->connections);
	if (!o->ring == !o->memif || (o->client && !o->memif))
		usage();
}

enum { RING, MEMIF, CLIENT, KIND, SERVE, PLAIN, TOLERANT, LINGER, GAPS, NUMBERS };

static const struct {
	const char *name;
	unsigned int what;   /* NUMBERS: a number, at the offset */
	size_t offset;
	bool real;           /* a double, else an unsigned int */
} arguments[] = {
	{"--ring", RING, 0, false},
	{"--memif", MEMIF, 0, false},
	{"--client", CLIENT, 0, false},
	{"--kind", KIND, 0, false},
	{"--serve", SERVE, 0, false},
	{"--plain", PLAIN, 0, false},
	{"--tolerant", TOLERANT, 0, false},
	{"--linger", LINGER, 0, false},
	{"--gaps", GAPS, 0, false},
	{"--connections", NUMBERS, offsetof(struct link_options, connections), false},
	{"--room", NUMBERS, offsetof(struct link_options, room), false},
	{"--flight", NUMBERS, offsetof(struct link_options, flight), false},
	{"--window", NUMBERS, offsetof(struct link_options, window), false},
	{"--body", NUMBERS, offsetof(struct link_options, body), false},
	{"--message", NUMBERS, offsetof(struct link_options, message), false},
	{"--seconds", NUMBERS, offsetof(struct link_options, seconds), true},
	{"--warm", NUMBERS, offsetof(struct link_options, warm), true},
	{"--rate", NUMBERS, offsetof(struct link_options, rate), true},
	{"--work", NUMBERS, offsetof(struct link_options, work), true},
	{"--work-every", NUMBERS, offsetof(struct link_options, work_every), false},
};

static void set_number(struct link_options *o, unsigned int a, const char *text)
{
	char *at = (char *)o + arguments[a].offset;

	if (arguments[a].real)
		*(double *)(void *)at = number(text);
	else
		*(unsigned int *)(void *)at = (unsigned int)number(text);
}

static unsigned int find(const char *text)
{
	for (unsigned int a = 0; a < ARRAY_SIZE(arguments); a++)
		if (!strcmp(text, arguments[a].name))
			return a;
	usage();
}

static void options(struct link_options *o, int argc, char **argv)
{
	bool served = false;

	*o = (struct link_options){.flight = LINK_FLIGHT, .window = 16, .body = BENCH_MESSAGE,
				   .message = BENCH_MESSAGE, .seconds = 1, .warm = 0.2};
	for (int i = 1; i < argc; i++) {
		const unsigned int a = find(argv[i]), what = arguments[a].what;
		const char *value = argv[i + 1];

		if (what == MEMIF || what == KIND || what == SERVE || what >= GAPS) {
			if (!value)
				usage();
			i++;
		}
		switch (what) {
		case RING: o->ring = true; break;
		case MEMIF: o->memif = value; break;
		case CLIENT: o->client = true; break;
		case PLAIN: o->plain = true; break;
		case TOLERANT: o->tolerant = true; break;
		case LINGER: o->linger = true; break;
		case GAPS: o->gaps = value; break;
		case KIND: o->kind = (enum peer_kind)choose(value, kinds, ARRAY_SIZE(kinds)); break;
		case SERVE:
			o->serve = (enum serve)choose(value, serves, ARRAY_SIZE(serves));
			served = true;
			break;
		default: set_number(o, a, value);
		}
	}
	defaults(o, served);
}

static void open_port(struct port *port, struct port_config *pc, const char *mac,
		      const struct port_pools *pools)
{
	char err[256], address[18];

	snprintf(address, sizeof(address), "%s", mac);
	pc->mac = address;
	if (!port_open(pc, 1, false, pools, port, err, sizeof(err)))
		bench_die("%s", err);
}

static void wait_for_link(struct port *port)
{
	const double limit = link_now() + LINK_UP_S;

	do {
		port_link_poll(port);
		if (port_link_up(port)) {
			rte_delay_us_sleep(SETTLE_US);
			return;
		}
		rte_delay_us_sleep(1000);
	} while (link_now() < limit);
	bench_die("the link did not come up within %d s", LINK_UP_S);
}

/* The server's loop on the other CPU has ended when this returns. */
static void stop_ring(const struct link_options *o)
{
	__atomic_store_n(&server.stop, 1, __ATOMIC_RELAXED);
	rte_eal_mp_wait_lcore();
}

static void on_signal(int sig)
{
	__atomic_store_n(&server.stop, 1, __ATOMIC_RELAXED);
}

static void ring(const struct link_options *o, const struct port_pools *pools)
{
	static char pair[] = "bench", near_name[] = "bencha", far_name[] = "benchb";
	static struct port near, far;
	struct port_config pc;

	option_defaults(&port_option_table, &pc);
	pc.ring_pair = pair;
	pc.device = near_name;
	open_port(&near, &pc, "02:00:00:00:00:02", pools);
	pc.device = far_name;
	open_port(&far, &pc, "02:00:00:00:00:01", pools);
	port_link_poll(&near);
	port_link_poll(&far);
	server = (struct link_server){.opt = o, .pools = pools, .port = &near};
	link_server_init(&server);
	if (rte_eal_remote_launch(link_serve, &server, rte_get_next_lcore(-1, 1, 0)))
		bench_die("the server's CPU does not start");
	link_client(o, &far, pools, server.gaps, stop_ring);
	link_server_print(&server);
	port_close(&far);
	port_close(&near);
}

/* Keep the link up until standard input ends: some servers forget what they counted when it goes. */
static void linger(const struct link_options *o)
{
	if (!o->linger)
		return;
	fprintf(stderr, "measured\n");
	while (getchar() != EOF)
		;
}

static void memif(const struct link_options *o, const struct port_pools *pools)
{
	static struct port port;
	struct port_config pc;
	char device[300];

	snprintf(device, sizeof(device), "net_memif0,role=%s,id=0,socket=%s,socket-abstract=no,"
		 "rsize=10,bsize=2048", o->client ? "client" : "server", o->memif);
	option_defaults(&port_option_table, &pc);
	pc.device = device;
	open_port(&port, &pc, o->client ? "02:00:00:00:00:01" : "02:00:00:00:00:02", pools);
	if (o->client) {
		wait_for_link(&port);
		link_client(o, &port, pools, NULL, linger);
	} else {
		server = (struct link_server){.opt = o, .pools = pools, .port = &port};
		link_server_init(&server);
		signal(SIGTERM, on_signal);
		signal(SIGINT, on_signal);
		link_serve(&server);
		link_server_print(&server);
	}
	port_close(&port);
}

int main(int argc, char **argv)
{
	static struct link_options o;
	struct bench_options eal = {0};
	struct port_pools pools;
	bool huge;

	options(&o, argc, argv);
	eal.cores = o.ring ? 2 : 1;
	huge = bench_eal(&eal, o.tolerant ? EAL_MIB_TOLERANT : EAL_MIB);
	bench_pools(&pools, o.tolerant ? MBUFS_TOLERANT : MBUFS);
	printf("{\n");
	if (o.ring)
		ring(&o, &pools);
	else
		memif(&o, &pools);
	printf("  \"kind\": \"%s\", \"serve\": \"%s\", \"connections\": %u, \"plain\": %s,\n",
	       kinds[o.kind], serves[o.serve], o.connections, o.plain ? "true" : "false");
	printf("  \"tsc_hz\": %lu, \"packets_in_huge_pages\": %s, \"mbufs_lost\": %u\n}\n",
	       rte_get_tsc_hz(), huge ? "true" : "false", port_pools_destroy(&pools));
	return bench_end(o.memif != NULL);
}
