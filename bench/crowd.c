/*
 * A crowd: as many connections to a running pier as it has room for, from a client that remembers
 * next to nothing of them, so that the server's memory is what sets the limit. Every handshake and
 * every request is real; what a segment needs to be answered is in the segment itself:
 *
 *   SYN-ACK        the tuple names the connection, its ISN is a hash of that name: ACK
 *   probe's ACK    a keep-alive probe (RFC 9293 section 3.8.4) of a connection at rest has the server say
 *                  SND.NXT and RCV.NXT: that is all the request has to know
 *   answer         is compared with what that connection's request must have been: ACK
 *
 * Two bits a connection tell who is established and who was answered. They are for counting, so that
 * none counts twice, and for sending again what was lost on the way.
 *
 * Connection i comes from 10.1.0.0 + i / PEER_PORTS, port PEER_PORT_LOW + i % PEER_PORTS, all of them
 * by one MAC address: the server needs `neighbor = reflect`.
 *
 * After each phase a line of JSON; then it goes on answering until a line comes in on standard input,
 * so that whoever started it can look at the server in peace. At the input's end it goes on at once.
 *
 * The line "told" begins a last phase: the server is about to stop, and every connection that is open is to hear of
 * it by RST. A third bit counts them.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_ethdev.h>

#include "kit.h"
#include "peer.h"
#include "port/poller.h"
#include "server.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/sum.h"
#include "wire/tcp.h"
#include "wire/tcp_opt.h"

#define MBUFS	    8192
#define FLIGHT	    512
#define EAL_MIB	    64
#define LINK_UP_S   10
#define SETTLE_US   300000 /* until the other end has seen that the link is up */
#define PENDING	    4096   /* packets that wait for room in the link */
#define STALL_S	    0.5    /* nothing comes: what is under way is lost */
#define GIVE_UP_S   5
#define SILENT_S    60
#define LOOK	    4096   /* turns between two looks at standard input */
#define L4	    (ETH_HDR_LEN + IP4_HDR_LEN)
#define WSCALE	    7
#define CLIENTS_MAX ((0x0b000000u - PEER_CLIENTS) * (uint64_t)PEER_PORTS)

struct crowd {
	uint32_t n, flight, requests;
	uint64_t salt;
	uint16_t port;
	struct rte_mempool *pool;
	uint8_t mac[ETH_ADDR_LEN], server_mac[ETH_ADDR_LEN];
	struct rte_mbuf *pending[PENDING];
	unsigned int n_pending;
	uint64_t *open, *answered, *told; /* a bit a connection */
	uint32_t n_told, n_open;
	uint32_t *asked;	   /* those that are to send a request; NULL while opening */
	uint32_t under_way, done, next, want;
	uint32_t tick;		   /* timestamps: ms */
	uint64_t heard, hz;	   /* when something came last */
	uint64_t passes, lost, resets, fins, wrong, strange;
};

static double seconds(void)
{
	return (double)rte_rdtsc() / (double)rte_get_tsc_hz();
}

static bool bit(const uint64_t *bits, uint32_t i)
{
	return bits[i / 64] >> i % 64 & 1;
}

static void set_bit(uint64_t *bits, uint32_t i)
{
	bits[i / 64] |= UINT64_C(1) << i % 64;
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static uint32_t isn(const struct crowd *c, uint32_t i)
{
	return (uint32_t)mix(c->salt + i);
}

/* What connection i asks, and what the answer has to be. */
static void fill_message(const struct crowd *c, uint32_t i, uint8_t out[BENCH_MESSAGE])
{
	for (uint32_t k = 0; k < BENCH_MESSAGE / 8; k++) {
		const uint64_t v = mix(c->salt ^ ((uint64_t)i << 8 | k));

		memcpy(out + 8 * k, &v, 8);
	}
}

static void put(struct crowd *c, struct rte_mbuf *m)
{
	if (c->n_pending == PENDING)
		bench_die("the link takes nothing: %u packets wait", c->n_pending);
	c->pending[c->n_pending++] = m;
}

static void flush(struct crowd *c)
{
	unsigned int sent;

	if (!c->n_pending)
		return;
	sent = rte_eth_tx_burst(c->port, 0, c->pending, (uint16_t)c->n_pending);
	c->n_pending -= sent;
	memmove(c->pending, c->pending + sent, c->n_pending * sizeof(c->pending[0]));
}

/* A segment of connection i; SYN has the options of a handshake, all others a timestamp. */
static void send_segment(struct crowd *c, uint32_t i, uint8_t flags, uint32_t seq, uint32_t ack,
			 uint32_t tsecr, bool message)
{
	const struct tcp_opts syn = {.mss = 1460, .wscale = WSCALE, .tsval = c->tick,
				     .flags = TCP_OPTS_MSS | TCP_OPTS_WSCALE | TCP_OPTS_SACK_OK |
					      TCP_OPTS_TS};
	struct rte_mbuf *m = rte_pktmbuf_alloc(c->pool);
	unsigned int len = TCP_HDR_LEN;
	struct ip4_hdr *ip;
	struct tcp_hdr *th;
	struct eth_hdr *eth;

	if (!m)
		bench_die("no mbufs left");
	eth = rte_pktmbuf_mtod(m, struct eth_hdr *);
	ip = (struct ip4_hdr *)(eth + 1);
	th = (struct tcp_hdr *)(ip + 1);
	len += flags & TCP_SYN ? tcp_opt_emit_syn((uint8_t *)(th + 1), &syn) :
				 tcp_opt_emit_ts((uint8_t *)(th + 1), c->tick, tsecr);
	*th = (struct tcp_hdr){.sport = be16((uint16_t)(PEER_PORT_LOW + i % PEER_PORTS)),
			       .dport = be16(SERVER_PORT), .seq = be32(seq), .ack = be32(ack),
			       .doff = tcp_doff(len), .flags = flags, .window = 0xffff};
	if (message) {
		fill_message(c, i, (uint8_t *)th + len);
		len += BENCH_MESSAGE;
	}
	eth_copy(eth->dst, c->server_mac);
	eth_copy(eth->src, c->mac);
	eth->type = be16(ETH_TYPE_IP4);
	*ip = (struct ip4_hdr){.ver_ihl = IP4_VER_IHL, .frag = be16(IP4_DF), .ttl = 64,
			       .total_len = be16((uint16_t)(IP4_HDR_LEN + len)),
			       .proto = IP_PROTO_TCP, .daddr = be32(PEER_SERVER),
			       .saddr = be32(PEER_CLIENTS + i / PEER_PORTS)};
	ip->cksum = sum_finish(sum_header(ip, IP4_HDR_LEN));
	th->cksum = sum_finish(sum_partial(
		th, len, sum_pseudo4(ip->saddr, ip->daddr, IP_PROTO_TCP, (uint16_t)len)));
	m->data_len = (uint16_t)(L4 + len);
	m->pkt_len = m->data_len;
	put(c, m);
}

static void done_with(struct crowd *c, uint64_t *bits, uint32_t i)
{
	if (bit(bits, i))
		return;
	set_bit(bits, i);
	c->done++;
	c->under_way -= c->under_way > 0;
}

static bool right_answer(const struct crowd *c, uint32_t i, const uint8_t *data, unsigned int len)
{
	uint8_t expected[BENCH_MESSAGE];

	fill_message(c, i, expected);
	return len == sizeof(expected) && !memcmp(data, expected, len);
}

/*
 * Where the server stands is not remembered, but that its RST acknowledges what we sent: that is our ISN's hash, with
 * or without a request.
 */
static void receive_reset(struct crowd *c, uint32_t i, uint8_t flags, uint32_t ack)
{
	const uint32_t first = isn(c, i) + 1;

	c->resets++;
	if (!(flags & TCP_ACK))
		return; /* an answer to a connection that it has not */
	if (ack != first + (bit(c->answered, i) ? BENCH_MESSAGE : 0)) {
		c->strange++;
	} else if (bit(c->open, i) && !bit(c->told, i)) {
		set_bit(c->told, i);
		c->n_told++;
	}
}

/* len bytes of payload behind the header of a segment with both sums right. */
static void receive_segment(struct crowd *c, uint32_t i, const struct tcp_hdr *th, unsigned int len)
{
	const uint8_t *opt = (const uint8_t *)(th + 1), *data = (const uint8_t *)th + tcp_hdr_len(th);
	const uint32_t seq = be32(th->seq), ack = be32(th->ack), first = isn(c, i) + 1;
	struct tcp_opts o;

	tcp_opt_parse(opt, tcp_hdr_len(th) - TCP_HDR_LEN, th->flags & TCP_SYN, &o);
	if (th->flags & TCP_RST) {
		receive_reset(c, i, th->flags, ack);
	} else if (th->flags & TCP_FIN) {
		c->fins++;
	} else if (th->flags & TCP_SYN) {
		if (ack != first) {
			c->strange++;
			return;
		}
		send_segment(c, i, TCP_ACK, first, seq + 1, o.tsval, false);
		done_with(c, c->open, i);
	} else if (len) {
		if (!right_answer(c, i, data, len)) {
			c->wrong++;
			return;
		}
		send_segment(c, i, TCP_ACK, first + BENCH_MESSAGE, seq + len, o.tsval, false);
		done_with(c, c->answered, i);
	} else if (ack == first && c->asked && !bit(c->answered, i)) {
		send_segment(c, i, TCP_ACK | TCP_PSH, first, seq, o.tsval, true);
	}
}

static void receive_packet(struct crowd *c, const struct rte_mbuf *m)
{
	const struct eth_hdr *eth = rte_pktmbuf_mtod(m, const struct eth_hdr *);
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(eth + 1);
	const struct tcp_hdr *th = (const struct tcp_hdr *)(ip + 1);
	unsigned int l4_len;
	uint64_t i;

	if (eth->type != be16(ETH_TYPE_IP4))
		return;
	l4_len = be16(ip->total_len) - IP4_HDR_LEN;
	i = (uint64_t)(be32(ip->daddr) - PEER_CLIENTS) * PEER_PORTS + be16(th->dport) - PEER_PORT_LOW;
	if (m->data_len < L4 + TCP_HDR_LEN || ip->ver_ihl != IP4_VER_IHL || ip->proto != IP_PROTO_TCP ||
	    l4_len + L4 > m->data_len || l4_len < tcp_hdr_len(th) || tcp_hdr_len(th) < TCP_HDR_LEN ||
	    ip->saddr != be32(PEER_SERVER) || i >= c->n ||
	    sum_fold(sum_header(ip, IP4_HDR_LEN)) != 0xffff ||
	    sum_fold(sum_partial(th, l4_len, sum_pseudo4(ip->saddr, ip->daddr, IP_PROTO_TCP,
							 (uint16_t)l4_len))) != 0xffff) {
		c->strange++;
		return;
	}
	receive_segment(c, (uint32_t)i, th, l4_len - tcp_hdr_len(th));
}

static void turn(struct crowd *c)
{
	struct rte_mbuf *pkts[BENCH_BURST];
	const uint64_t now = rte_rdtsc();
	unsigned int n;

	port_poller_pass();
	c->tick = (uint32_t)(now / (c->hz / 1000));
	n = rte_eth_rx_burst(c->port, 0, pkts, BENCH_BURST);
	if (n)
		c->heard = now;
	for (unsigned int i = 0; i < n; i++)
		receive_packet(c, pkts[i]);
	rte_pktmbuf_free_bulk(pkts, n);
	flush(c);
}

/* The nth of this phase begins: a SYN, or a probe that acknowledges nothing new. */
static void begin(struct crowd *c, uint32_t nth)
{
	const uint32_t i = c->asked ? c->asked[nth] : nth;

	if (bit(c->asked ? c->answered : c->open, i))
		return;
	if (c->asked)
		send_segment(c, i, TCP_ACK, isn(c, i), 0, 0, false);
	else
		send_segment(c, i, TCP_SYN, isn(c, i), 0, 0, false);
	c->under_way++;
}

/* All that are not done, again and again, until they are or nothing gets done any more. */
static void run(struct crowd *c)
{
	const uint64_t stall = (uint64_t)(STALL_S * (double)c->hz);
	uint64_t progress = rte_rdtsc();
	uint32_t before = 0;

	c->heard = progress;
	c->next = c->done = c->under_way = 0;
	while (c->done < c->want) {
		for (unsigned int k = 0; k < BENCH_BURST && c->next < c->want &&
					 c->under_way < c->flight && c->n_pending < PENDING / 4; k++)
			begin(c, c->next++);
		turn(c);
		if (c->done != before)
			progress = rte_rdtsc();
		before = c->done;
		if (likely(rte_rdtsc() - c->heard < stall))
			continue;
		if (rte_rdtsc() - progress > GIVE_UP_S * c->hz)
			return;
		c->lost += c->under_way;
		c->under_way = 0;
		c->heard = rte_rdtsc();
		if (c->next == c->want) {
			c->next = 0;
			c->passes++;
		}
	}
}

/* Answer what comes until there is a line on standard input, or its end. Whether it was that word. */
static bool wait_for_line(struct crowd *c, const char *word)
{
	struct pollfd in = {.fd = 0, .events = POLLIN};
	char line[64] = "";

	for (uint64_t k = 1; k % LOOK || poll(&in, 1, 0) == 0; k++)
		turn(c);
	if (!fgets(line, sizeof(line), stdin))
		return false;
	return !strncmp(line, word, strlen(word));
}

/* All hear of the end, or the server has left the link, or is silent for longer than it may take to stop. */
static void run_told(struct crowd *c, struct port *port)
{
	c->heard = rte_rdtsc();
	for (uint64_t k = 1; c->n_told < c->n_open && rte_rdtsc() - c->heard < SILENT_S * c->hz; k++) {
		turn(c);
		if (k % LOOK)
			continue;
		port_link_poll(port);
		if (!port_link_up(port))
			break;
	}
	c->done = c->n_told;
	c->want = c->n_open;
}

static void report(struct crowd *c, const char *phase, double took)
{
	printf("{\"%s\": %u, \"of\": %u, \"seconds\": %.3f, \"sent_again\": %lu, \"passes\": %lu, "
	       "\"resets\": %lu, \"fins\": %lu, \"wrong\": %lu, \"strange\": %lu}\n",
	       phase, c->done, c->want, took, c->lost, c->passes, c->resets, c->fins, c->wrong, c->strange);
	fflush(stdout);
	c->lost = c->passes = 0;
}

/* Connections that are open, each once, at random. */
static void choose(struct crowd *c, uint32_t opened)
{
	uint64_t seed = c->salt | 1, *taken = calloc(c->n / 64 + 1, 8);

	c->want = min_of(c->requests, opened);
	c->asked = malloc(c->want * sizeof(*c->asked) + 1);
	if (!taken || !c->asked)
		bench_die("no memory");
	for (uint32_t k = 0; k < c->want;) {
		const uint32_t i = (uint32_t)((bench_random(&seed) >> 32) * c->n >> 32);

		if (bit(taken, i) || !bit(c->open, i))
			continue;
		set_bit(taken, i);
		c->asked[k++] = i;
	}
	free(taken);
}

static void crowd(struct crowd *c, struct port *port)
{
	double start = seconds();
	bool stops;

	c->open = calloc(c->n / 64 + 1, 8);
	c->answered = calloc(c->n / 64 + 1, 8);
	c->told = calloc(c->n / 64 + 1, 8);
	if (!c->open || !c->answered || !c->told)
		bench_die("no memory");
	c->want = c->n;
	run(c);
	c->n_open = c->done;
	report(c, "opened", seconds() - start);
	stops = wait_for_line(c, "told");
	if (c->requests && !stops) {
		choose(c, c->done);
		start = seconds();
		run(c);
		report(c, "answered", seconds() - start);
		stops = wait_for_line(c, "told");
	}
	if (stops) {
		start = seconds();
		run_told(c, port);
		report(c, "told", seconds() - start);
	}
	free(c->open);
	free(c->answered);
	free(c->told);
	free(c->asked);
}

static void open_port(struct crowd *c, struct port *port, const char *socket,
		      const struct port_pools *pools)
{
	char device[300], err[256], mac[] = "02:00:00:00:00:01";
	const double limit = seconds() + LINK_UP_S;
	struct port_config pc;

	snprintf(device, sizeof(device), "net_memif0,role=client,id=0,socket=%s,socket-abstract=no,"
		 "rsize=10,bsize=2048", socket);
	option_defaults(&port_option_table, &pc);
	pc.device = device;
	pc.mac = mac;
	if (!port_open(&pc, 1, false, pools, port, err, sizeof(err)))
		bench_die("%s", err);
	for (port_link_poll(port); !port_link_up(port); port_link_poll(port)) {
		if (seconds() > limit)
			bench_die("the link did not come up within %d s", LINK_UP_S);
		rte_delay_us_sleep(1000);
	}
	rte_delay_us_sleep(SETTLE_US);
	c->port = port->id;
	c->pool = pools->data;
	c->hz = rte_get_tsc_hz();
	memcpy(c->mac, (const uint8_t[]){2, 0, 0, 0, 0, 1}, sizeof(c->mac));
	memcpy(c->server_mac, (const uint8_t[]){2, 0, 0, 0, 0, 2}, sizeof(c->server_mac));
}

static void __attribute__((noreturn)) usage(void)
{
	fprintf(stderr, "usage: bench_crowd SOCKET CONNECTIONS [REQUESTS [FLIGHT]]\n"
			"FLIGHT: handshakes or requests at a time\n");
	exit(2);
}

static uint32_t number(const char *text, uint64_t max)
{
	char *end;
	const unsigned long long v = strtoull(text, &end, 10);

	if (end == text || *end || v > max)
		usage();
	return (uint32_t)v;
}

int main(int argc, char **argv)
{
	static struct crowd c = {.flight = FLIGHT};
	struct bench_options eal = {.cores = 1};
	static struct port port;
	struct port_pools pools;

	if (argc < 3 || argc > 5)
		usage();
	c.n = number(argv[2], min_of(CLIENTS_MAX, (uint64_t)UINT32_MAX));
	c.requests = argc > 3 ? number(argv[3], c.n) : 0;
	c.flight = argc > 4 ? number(argv[4], PENDING / 2) : c.flight;
	if (!c.n || !c.flight)
		usage();
	bench_eal(&eal, EAL_MIB);
	bench_pools(&pools, MBUFS);
	open_port(&c, &port, argv[1], &pools);
	c.salt = mix(rte_rdtsc());
	port_poller_begin();
	crowd(&c, &port);
	for (unsigned int k = 0; c.n_pending && k < 1000; k++)
		turn(&c);
	port_poller_end();
	port_close(&port);
	if (port_pools_destroy(&pools))
		bench_die("mbufs are missing");
	return bench_end(true);
}
