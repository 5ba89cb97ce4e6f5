/*
 * The client's side: closed loop, in which `flight` connections each always wait for an answer, or
 * open loop, in which a message or a connection is due every 1/rate seconds whatever the server does.
 * In the open loop latency counts from when a unit was due, not from when it could be sent, so that a
 * slow server cannot hide its latency by holding the client up.
 *
 * Strict, the client ends the program at the first packet it did not expect. Tolerant, for more load
 * than the server can carry, it sends again what was not answered within RTO, up to TRIES times, and
 * then forgets the connection, which counts as failed.
 */
#include <stdlib.h>
#include <string.h>

#include "algo/hist.h"
#include "link.h"
#include "port/poller.h"
#include "server.h"

#define PENDING	  4096 /* packets that wait for room in the link */
#define OVERFLOW  1024 /* of them; a tolerant client drops more */
#define OPENING	  64   /* handshakes at a time */
#define RTO_S	  0.2
#define TRIES	  3
#define ANSWERED  (1u << 22) /* packets that were answered within RTO: all that a link of 20 M/s takes in it */
#define PATIENCE  5    /* seconds */
#define WINDOW_US 256  /* in which nobody was stopped, or which is left out */
#define MARK	  4    /* packets of a client's piece */

struct again {
	uint32_t i, epoch, tries;
	uint64_t due;
};

/* A unit: when it was due since the start, in 256 cycles, and how many cycles later it was done. */
struct entry {
	uint32_t due, latency;
};

/* What is counted from the start; a run is the difference of two. */
struct tally {
	uint64_t units, begun, failed, resent, link_full;
	uint64_t tx, rx, busy, stream_bytes, unexpected;
};

struct client {
	const struct link_options *o;
	struct peer peer;
	uint16_t port;
	struct rte_mempool *pool;
	struct rte_mbuf *pending[PENDING];
	unsigned int n_pending;
	bool opening, running, measuring;
	uint64_t now, hz;
	uint64_t interval_fp, next_due_fp; /* cycles << 8 */
	uint64_t *started;    /* when each connection's unit was due */
	uint32_t *idle;       /* ring of connections that may start a unit */
	uint32_t idle_head, idle_n;
	struct again *again;  /* ring: one of each connection, and those that were answered */
	uint64_t again_head, again_tail;
	uint32_t again_size;
	struct tally t;
	uint64_t unsent, turns;
	struct hist latency; /* cycles */
	struct gaps *gaps;   /* NULL: not noted */
	struct entry *log;   /* of all units, for those of undisturbed windows */
	size_t logged, log_size, not_logged;
	uint64_t log_start;
};

static void record(struct client *c, uint32_t i)
{
	const uint64_t took = c->now - c->started[i];

	c->t.units++;
	if (!c->measuring)
		return;
	hist_add(&c->latency, took);
	if (!c->gaps || c->started[i] < c->log_start)
		return;
	if (c->logged < c->log_size)
		c->log[c->logged++] = (struct entry){(uint32_t)((c->started[i] - c->log_start) >> 8),
						     (uint32_t)min_of(took, (uint64_t)UINT32_MAX)};
	else
		c->not_logged++;
}

/* A piece of the client's ends, with work for so many packets. */
static void mark(struct client *c, uint64_t now, unsigned int packets)
{
	if (c->gaps)
		gaps_waited(c->gaps, now, packets);
}

static void flush(struct client *c)
{
	unsigned int sent = 0, n, want;

	while (sent < c->n_pending) {
		want = min_of(c->n_pending - sent, (unsigned int)BENCH_BURST);
		n = rte_eth_tx_burst(c->port, 0, c->pending + sent, (uint16_t)want);
		sent += n;
		if (n < want)
			break;
	}
	c->t.tx += sent;
	c->n_pending -= sent;
	memmove(c->pending, c->pending + sent, c->n_pending * sizeof(c->pending[0]));
}

static void put(struct client *c, struct rte_mbuf *m)
{
	if (unlikely(c->n_pending >= (c->o->tolerant ? OVERFLOW : PENDING))) {
		if (!c->o->tolerant)
			bench_die("the link takes nothing: %u packets wait", c->n_pending);
		rte_pktmbuf_free(m);
		c->t.link_full++;
		return;
	}
	c->pending[c->n_pending++] = m;
}

static struct rte_mbuf *take(struct client *c)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(c->pool);

	if (!m)
		bench_die("no mbufs left");
	return m;
}

static void remember(struct client *c, uint32_t i, uint32_t tries)
{
	if (!c->o->tolerant)
		return;
	if (c->again_tail - c->again_head == c->again_size)
		bench_die("more than %u packets wait for their timeouts", c->again_size);
	c->again[c->again_tail++ % c->again_size] = (struct again){
		i, c->peer.conns[i].epoch, tries, c->now + (uint64_t)(RTO_S * (double)c->hz)};
}

/* The connection's next packet, in m or a new mbuf. */
static void next(struct client *c, uint32_t i, struct rte_mbuf *m)
{
	m = m ? m : take(c);
	peer_next(&c->peer, i, m);
	put(c, m);
	remember(c, i, 1);
}

static void push_idle(struct client *c, uint32_t i)
{
	c->idle[(c->idle_head + c->idle_n++) % c->o->connections] = i;
}

static uint32_t pop_idle(struct client *c)
{
	const uint32_t i = c->idle[c->idle_head];

	c->idle_head = (c->idle_head + 1) % c->o->connections;
	c->idle_n--;
	return i;
}

static void begin(struct client *c, uint32_t i, uint64_t due, struct rte_mbuf *m)
{
	c->started[i] = due;
	c->t.begun++;
	next(c, i, m);
}

static void stream_on(struct client *c, uint32_t i, struct rte_mbuf *m)
{
	if (c->o->kind == PEER_PULL) {
		peer_ack(&c->peer, i, m);
		put(c, m);
		return;
	}
	for (uint32_t n = c->running ? peer_credit(&c->peer, i) : 0; n; n--) {
		m = m ? m : take(c);
		peer_next(&c->peer, i, m);
		put(c, m);
		m = NULL;
	}
	rte_pktmbuf_free(m);
}

/* A unit has ended: in the closed loop another begins at once. */
static void ended(struct client *c, uint32_t i, struct rte_mbuf *m)
{
	record(c, i);
	push_idle(c, i);
	if (c->o->rate > 0 || !c->running) {
		rte_pktmbuf_free(m);
		return;
	}
	begin(c, pop_idle(c), c->now, m);
}

static void take_one(struct client *c, struct rte_mbuf *m)
{
	uint32_t i = 0;

	switch (peer_take(&c->peer, m, &i)) {
	case PEER_OPENED:
		if (c->o->kind == PEER_SHORT) {
			next(c, i, m);
			break;
		}
		peer_ack(&c->peer, i, m);
		put(c, m);
		push_idle(c, i);
		break;
	case PEER_REPLY:
	case PEER_DONE:
		ended(c, i, m);
		break;
	case PEER_FIN:
		next(c, i, m);
		break;
	case PEER_CREDIT:
		stream_on(c, i, m);
		break;
	case PEER_ERROR:
		bench_die("the client: %s", c->peer.error);
	case PEER_STALE:
		peer_reset(&c->peer, i, m);
		put(c, m);
		break;
	case PEER_NOTHING:
		rte_pktmbuf_free(m);
		break;
	}
}

static void begin_due(struct client *c)
{
	for (unsigned int n = 0; n < BENCH_BURST && c->next_due_fp >> 8 <= c->now; n++) {
		if (!c->idle_n || (!c->o->tolerant && c->n_pending >= OVERFLOW))
			return;
		begin(c, pop_idle(c), c->next_due_fp >> 8, NULL);
		c->next_due_fp += c->interval_fp;
		if (c->gaps && n % MARK == MARK - 1)
			gaps_waited(c->gaps, rte_rdtsc(), MARK);
	}
}

/* Most timeouts are of packets that were answered: they are not among a turn's few. */
static void send_again(struct client *c)
{
	for (unsigned int n = 0; n < BENCH_BURST && c->again_head != c->again_tail;) {
		const struct again a = c->again[c->again_head % c->again_size];
		struct rte_mbuf *m;

		if (a.due > c->now)
			return;
		c->again_head++;
		if (c->peer.conns[a.i].epoch != a.epoch)
			continue;
		n++;
		if (a.tries == TRIES) {
			peer_forget(&c->peer, a.i);
			c->t.failed++;
			push_idle(c, a.i);
			continue;
		}
		m = take(c);
		if (!peer_again(&c->peer, a.i, m)) {
			rte_pktmbuf_free(m);
			continue;
		}
		c->t.resent++;
		put(c, m);
		remember(c, a.i, a.tries + 1);
	}
}

static unsigned int receive(struct client *c)
{
	struct rte_mbuf *pkts[BENCH_BURST];
	const unsigned int n = rte_eth_rx_burst(c->port, 0, pkts, BENCH_BURST);

	c->now = rte_rdtsc();
	c->peer.tick = (uint32_t)(c->now / (c->hz / 1000));
	c->t.rx += n;
	mark(c, c->now, n);
	for (unsigned int k = 0; k < n; k++) {
		take_one(c, pkts[k]);
		if (c->gaps && k % MARK == MARK - 1)
			gaps_waited(c->gaps, rte_rdtsc(), MARK);
	}
	return n;
}

/*
 * A burst of each kind at most, so that the link never waits for one of them. Where it is full it is the last of a
 * turn that finds no room: they take turns at that, as what shares a real link's queue.
 */
static void turn(struct client *c)
{
	const uint64_t tx = c->t.tx, start = rte_rdtsc();
	unsigned int n = 0;

	port_poller_pass();
	c->turns++;
	for (unsigned int k = 0; k < 3; k++) {
		switch ((c->turns + k) % 3) {
		case 0:
			n = receive(c);
			break;
		case 1:
			if (c->o->rate > 0 && c->running)
				begin_due(c);
			break;
		default:
			if (c->o->tolerant)
				send_again(c);
		}
	}
	flush(c);
	if (c->gaps)
		gaps_waited(c->gaps, rte_rdtsc(), MARK + (unsigned int)(c->t.tx - tx));
	if (n || c->t.tx != tx)
		c->t.busy += rte_rdtsc() - start;
}

static void run_for(struct client *c, double seconds)
{
	const uint64_t end = rte_rdtsc() + (uint64_t)(seconds * (double)c->hz);

	while (rte_rdtsc() < end)
		turn(c);
}

/* Open what is to be open before anything is measured, or the end of the program. */
static void open_all(struct client *c)
{
	const uint32_t n = c->o->connections;
	uint64_t last = rte_rdtsc();
	uint32_t i = 0;

	if (c->o->kind == PEER_SHORT || c->o->kind == PEER_FORWARD) {
		for (i = 0; i < n; i++)
			push_idle(c, i);
		return;
	}
	while (c->peer.opened < n) {
		const uint64_t opened = c->peer.opened;

		while (i < n && i - opened < OPENING)
			next(c, i++, NULL);
		turn(c);
		if (c->peer.opened != opened)
			last = rte_rdtsc();
		else if (rte_rdtsc() - last > PATIENCE * c->hz)
			bench_die("%lu of %u connections opened", c->peer.opened, n);
	}
	run_for(c, 0.01);
}

static void start(struct client *c)
{
	c->running = true;
	c->now = rte_rdtsc();
	if (c->o->rate > 0) {
		c->interval_fp = (uint64_t)((double)c->hz * 256 / c->o->rate);
		c->next_due_fp = c->now << 8;
	} else if (c->o->kind == PEER_PUSH) {
		for (uint32_t i = 0; i < c->o->connections; i++)
			stream_on(c, i, NULL);
	} else if (c->o->kind != PEER_PULL) {
		for (unsigned int k = 0; k < c->o->flight; k++) {
			begin(c, pop_idle(c), c->now, NULL);
			if (k % BENCH_BURST == 0)
				turn(c);
		}
	}
}

/* Let what is under way arrive. A pull never ends by itself. */
static void drain(struct client *c)
{
	const uint64_t limit = rte_rdtsc() + PATIENCE * c->hz;
	const bool units = c->o->kind != PEER_PUSH && c->o->kind != PEER_PULL;

	c->running = false;
	run_for(c, 0.05);
	while (units && !c->o->tolerant && c->t.units < c->t.begun) {
		turn(c);
		if (rte_rdtsc() > limit)
			bench_die("%lu of %lu were not answered: packets were lost",
				  c->t.begun - c->t.units, c->t.begun);
	}
}

static void init(struct client *c, const struct link_options *o, struct port *port,
		 const struct port_pools *pools)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: 10.0.0.1\r\nUser-Agent: bench\r\n\r\n";
	struct peer_config pc = {.kind = o->kind, .n = o->connections, .port = SERVER_PORT,
				 .plain = o->plain, .tolerant = o->tolerant, .window = o->window,
				 .check_every = 64, .len = (uint16_t)o->message,
				 .mac = {2, 0, 0, 0, 0, 1}, .server_mac = {2, 0, 0, 0, 0, 2}};

	c->o = o;
	c->port = port->id;
	c->pool = pools->data;
	c->hz = rte_get_tsc_hz();
	if (o->kind == PEER_REQUEST || o->kind == PEER_SHORT) {
		pc.payload = request;
		pc.len = sizeof(request) - 1;
	}
	peer_init(&c->peer, &pc);
	c->again_size = o->connections + ANSWERED;
	c->started = calloc(o->connections, sizeof(*c->started));
	c->idle = calloc(o->connections, sizeof(*c->idle));
	c->again = o->tolerant ? bench_pages(c->again_size * sizeof(*c->again)) : NULL;
	if (!c->started || !c->idle)
		bench_die("no memory for %u connections of the client", o->connections);
	if (!link_gaps(o))
		return;
	c->log_size = (size_t)(o->rate * o->seconds * 1.1) + 100000;
	c->log = bench_pages(c->log_size * sizeof(*c->log));
	c->gaps = calloc(1, sizeof(*c->gaps));
	if (!c->gaps)
		bench_die("no memory");
	gaps_start(c->gaps, true);
}

static struct tally tally(struct client *c)
{
	c->t.stream_bytes = c->peer.stream_bytes;
	c->t.unexpected = c->peer.unexpected;
	return c->t;
}

#define SPAN(what) (b->what - a->what)

static void print_latency(const struct client *c, const char *name, const struct hist *h)
{
	static const double parts[] = {0.5, 0.9, 0.99, 0.999, 1};
	static const char *const names[] = {"p50", "p90", "p99", "p999", "max"};
	const double ns = 1e9 / (double)c->hz;

	printf("\"%s\": {", name);
	for (unsigned int k = 0; k < ARRAY_SIZE(parts); k++)
		printf("\"%s\": %.0f, ", names[k], (double)hist_quantile(h, parts[k]) * ns);
	printf("\"n\": %lu}", h->n);
}

/* The latency of units that were due in windows in which nobody was stopped. */
static void print_undisturbed(struct client *c, const struct gaps *server, double seconds)
{
	const uint64_t window = (uint64_t)((double)c->hz * WINDOW_US / 1e6);
	const size_t n = (size_t)(seconds * 1e6 / WINDOW_US);
	struct hist *h = calloc(1, sizeof(*h));
	uint8_t *out = calloc(n + 1, 1);
	size_t kept = 0;

	if (!h || !out)
		bench_die("no memory");
	gaps_mark(c->gaps, c->log_start, window, out, n);
	gaps_mark(server, c->log_start, window, out, n);
	for (size_t i = 0; i < n; i++)
		kept += !out[i];
	for (size_t i = 0; i < c->logged; i++) {
		const uint64_t w = ((uint64_t)c->log[i].due << 8) / window;

		if (w < n && !out[w])
			hist_add(h, c->log[i].latency);
	}
	printf("  \"undisturbed\": {\"windows\": %zu, \"kept\": %.4f, \"not_known\": %zu, ", n,
	       (double)kept / (double)max_of(n, (size_t)1),
	       c->not_logged + c->gaps->dropped + server->dropped);
	print_latency(c, "latency_ns", h);
	printf("},\n");
	gaps_print("client_stopped", c->gaps);
	free(out);
	free(h);
}

static void print(struct client *c, const struct tally *a, const struct tally *b, double seconds)
{
	printf("  \"units\": %lu, \"begun\": %lu, \"failed\": %lu, \"resent\": %lu, \"unsent\": %lu, "
	       "\"link_full\": %lu,\n", SPAN(units), SPAN(begun), SPAN(failed), SPAN(resent),
	       c->unsent, SPAN(link_full));
	printf("  \"client_rx\": %lu, \"client_tx\": %lu, \"stream_bytes\": %lu, \"unexpected\": %lu,\n",
	       SPAN(rx), SPAN(tx), SPAN(stream_bytes), SPAN(unexpected));
	printf("  \"checksums_verified\": %lu, \"payload\": %u, \"reply\": %u,\n",
	       c->peer.verified, c->peer.cfg.len, c->peer.reply_len);
	printf("  \"client_busy\": %.4f,\n  ", (double)SPAN(busy) / (seconds * (double)c->hz));
	print_latency(c, "latency_ns", &c->latency);
	printf(",\n");
}

/* Returns the seconds that it measured. */
static double measure(struct client *c)
{
	struct tally before, after;
	double from, to, waited;

	waited = bench_waited();
	run_for(c, c->o->warm);
	before = tally(c);
	c->measuring = true;
	c->log_start = rte_rdtsc();
	from = link_now();
	run_for(c, c->o->seconds);
	to = link_now();
	c->measuring = false;
	waited = bench_waited() - waited;
	after = tally(c);
	if (c->o->rate > 0 && c->now << 8 > c->next_due_fp)
		c->unsent = ((c->now << 8) - c->next_due_fp) / c->interval_fp;
	drain(c);
	printf("  \"from\": %.6f, \"to\": %.6f, \"client_waited\": %.5f,\n", from, to,
	       waited / (to - from + c->o->warm));
	print(c, &before, &after, to - from);
	return to - from;
}

static void finish(struct client *c, const struct gaps *server, double seconds)
{
	struct gaps *left = NULL;

	if (!c->gaps)
		return;
	if (!server) {
		server = left = calloc(1, sizeof(*left));
		if (!left)
			bench_die("no memory");
		gaps_read(left, c->o->gaps);
	}
	print_undisturbed(c, server, seconds);
	free(left);
	free(c->gaps);
	free(c->log);
}

void link_client(const struct link_options *o, struct port *port, const struct port_pools *pools,
		 const struct gaps *server, void (*measured)(const struct link_options *o))
{
	struct client *c = calloc(1, sizeof(*c));
	double seconds;

	if (!c)
		bench_die("no memory");
	init(c, o, port, pools);
	port_poller_begin();
	open_all(c);
	start(c);
	seconds = measure(c);
	port_poller_end();
	measured(o);
	finish(c, server, seconds);
	rte_pktmbuf_free_bulk(c->pending, c->n_pending);
	peer_free(&c->peer);
	free(c->started);
	free(c->idle);
	free(c->again);
	free(c);
}
