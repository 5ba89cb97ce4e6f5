/*
 * Losses chosen one by one, and how long it takes to repair them; and what happens to a path while a
 * transfer is under way.
 */
#include "rows.h"

#define CHOSEN    64
#define ACK_DELAY (200 * MS) /* max_ack_delay, RFC 8985 section 7.2 */

/* Data segments by their order on the link: which are lost, and what became of them. */
struct chooser {
	struct sim *s;
	uint32_t first;            /* relative sequence numbers begin here */
	bool any;
	uint64_t seen;             /* first transmissions */
	uint32_t top;              /* highest end of a segment */
	uint64_t from;             /* in the order of first transmissions */
	uint64_t mask;             /* which of those from `from` on are lost */
	unsigned int times;        /* how often each is */
	uint32_t lost[CHOSEN];     /* their sequence numbers */
	unsigned int hits[CHOSEN]; /* how often lost so far */
	unsigned int n;
	uint64_t first_sent, first_again, last_again; /* us */
	uint64_t probe_at;         /* the first repetition of anything */
};

static bool choose(void *arg, const struct frame *f)
{
	struct chooser *c = arg;
	const struct tcp_hdr *th = (const void *)(f->bytes + 34);
	uint32_t seq = be32(th->seq), end = seq + (uint32_t)frame_payload(f);
	uint64_t now = c->s->wire.now;

	if (!c->any) {
		c->any = true;
		c->top = seq;
		c->first_sent = now;
	}
	for (unsigned int i = 0; i < c->n; i++) {
		if (c->lost[i] != seq)
			continue;
		c->first_again = c->first_again ? c->first_again : now;
		c->last_again = now;
		return c->hits[i] < c->times && ++c->hits[i];
	}
	if (!seq_gt(end, c->top))
		return false;
	c->top = end;
	if (c->seen++ < c->from || c->seen > c->from + 64 || !(c->mask >> (c->seen - 1 - c->from) & 1))
		return false;
	c->lost[c->n] = seq;
	c->hits[c->n++] = 1;
	return true;
}

/*
 * Ten segments, and 380 ms later one more, which shows what became of the window; the client
 * keeps the connection open for three.
 */
static void set_response(struct sim *s, const struct row *r)
{
	struct end *client = &s->flow[0].end[CLIENT], *server = &s->flow[0].end[SERVER];

	client->write_lo = client->write_hi = 1;
	client->write_gap = 3 * SEC;
	server->write_lo = server->write_hi = 10 * MSS;
	server->write_gap = 380 * MS;
	server->fin = FIN_AT_EOF;
}

static struct sim sim;

/* Ten segments, the last k lost: by when is the last octet acknowledged? */
static void tail(unsigned int k)
{
	const struct row r = {.bytes = {2, 11 * MSS}, .setup = set_response};
	struct chooser c = {.s = &sim, .from = 10 - k, .mask = (1u << k) - 1, .times = 1};
	const struct host *h = &sim.host[SERVER];
	uint64_t acked = 0, delack, repair;
	uint32_t cwnd = 0, top = 0;

	row_begin(&sim, &r, k);
	delack = sim.host[CLIENT].tcp.delack;
	sim.wire.link[CLIENT].pick = choose;
	sim.wire.link[CLIENT].pick_arg = &c;
	sim_open(&sim);
	while (sim_elapsed(&sim) < 1500 * MS && sim_step(&sim)) {
		const struct tcp_conn *conn = end_conn(&sim.flow[0].end[SERVER]);
		const struct tcp_work *w = conn && conn->block ?
			tcp_work_of(engine_tcp(h->e), conn) : NULL;

		if (!conn)
			continue;
		cwnd = w ? w->cc.cwnd / MSS : conn->cwnd;
		top = max_of(top, cwnd);
		if (!acked && sim.flow[0].end[SERVER].tx == 10 * MSS &&
		    (!w || w->snd_una == w->snd_end))
			acked = sim.wire.now;
	}
	sim_run(&sim);
	repair = acked - c.first_again;
	print_message("last %u of 10 lost: acknowledged %.1f ms after the first was sent, probe at %.1f, "
		      "%" PRIu64 " timeouts, %" PRIu64 " recoveries, cwnd %u to %u\n", k,
		      (double)(acked - c.first_sent) / MS, (double)(c.first_again - c.first_sent) / MS,
		      h->ctr.v[CTR_RTO_FIRED], h->ctr.v[CTR_FAST_RECOVERIES], top, cwnd);
	assert_int_equal(c.n, k);
	assert_true(repair <= (k == 1 ? 1 : 2) * RTT + delack + 2 * MS);
	assert_true(acked - c.first_sent <= (k == 1 ? 4 * RTT + 3 * ACK_DELAY : 5 * RTT + ACK_DELAY) +
					     2 * MS);
	assert_int_equal(h->ctr.v[CTR_RTO_FIRED], 0);
	/* One reduction: by the probe's own finding, or by the recovery that its SACK begins. */
	assert_int_equal(h->ctr.v[CTR_FAST_RECOVERIES], k > 1);
	assert_true(cwnd < top);
}

static void SIM_09_tail_loss(void **state)
{
	for (unsigned int k = 1; k <= 3; k++)
		tail(k);
}

/* Slow start goes on as far as it likes. */
static void set_open(struct sim *s, const struct row *r)
{
	row_wide(s);
	s->host[SERVER].tcp.rcvbuf_initial = 4 * MIB;
}

/* k of fifty in a row, of some eighty in flight, chosen by the seed; each lost `times` times. */
static void burst(uint64_t seed, unsigned int k, unsigned int times)
{
	const struct row r = {.bytes = {2 * MB, 0}, .setup = set_open};
	struct chooser c = {.s = &sim, .from = 70, .times = times};
	const struct counters *n = &sim.host[CLIENT].ctr;
	uint64_t took;

	row_begin(&sim, &r, seed);
	while ((unsigned int)__builtin_popcountll(c.mask) < k)
		c.mask |= 1ull << wire_range(&sim.wire, 0, 49);
	sim.wire.link[SERVER].pick = choose;
	sim.wire.link[SERVER].pick_arg = &c;
	sim_run(&sim);
	took = c.last_again - c.first_again;
	print_message("%u of 50 lost %u times: resent within %.2f RTT, %" PRIu64 " timeouts\n", k, times,
		      (double)took / RTT, n->v[CTR_RTO_FIRED]);
	assert_int_equal(c.n, k);
	assert_int_equal(n->v[CTR_RTO_FIRED], 0);
	assert_true(took <= (1 + times) * RTT + (times - 1) * (RTT / 4 + 2 * MS));
}

/* k from 1 to 25, and by default every fourth; in full each with 20 choices. */
static void SIM_10_burst_loss(void **state)
{
	for (unsigned int k = 1; k <= 25; k += rows_full() ? 1 : 4) {
		for (uint64_t seed = 1; seed <= rows_seeds(1); seed++) {
			burst(seed, k, 1);
			burst(seed, k, 2);
		}
	}
}

/* ---- the path changes ---- */

static uint64_t up_at, resumed_at, rto_then, bytes_then;

static void set_down(struct sim *s, uint64_t down)
{
	const struct tcp *t = engine_tcp(s->host[CLIENT].e);
	const struct tcp_conn *c = end_conn(&s->flow[0].end[CLIENT]);

	s->wire.link[0].conf.down = s->wire.link[1].conf.down = down;
	s->link_up_at = s->wire.now;
	if (!down) {
		up_at = s->wire.now;
		bytes_then = s->flow[0].end[SERVER].rx;
		rto_then = rtt_backoff(tcp_rto(t, c), c->backoff, tcp_opts_of(t, c)->rto_max);
	}
}

static void watch_resume(struct sim *s, void *arg)
{
	if (up_at && !resumed_at && s->flow[0].end[SERVER].rx > bytes_then)
		resumed_at = s->wire.now;
}

static void SIM_11_blackout(void **state)
{
	const struct row r = {.bytes = {20 * MB, 0}};

	up_at = resumed_at = 0;
	row_begin(&sim, &r, 1);
	sim_at(&sim, SEC, set_down, 1);
	sim_at(&sim, 31 * SEC, set_down, 0);
	sim.watch = watch_resume;
	sim_run(&sim);
	print_message("30 s down: resumed %.2f s after, timeout then %.2f s\n",
		      (double)(resumed_at - up_at) / SEC, (double)rto_then / SEC);
	assert_true(resumed_at - up_at <= rto_then + RTT);
}

static void step(struct sim *s, uint64_t delay)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct link_conf c = s->wire.link[i].conf;

		c.delay = delay;
		link_change(&s->wire, i, &c);
	}
}

static void SIM_11_round_trip_step(void **state)
{
	const struct row r = {.bytes = {20 * MB, 0}};
	struct figures f;

	row_begin(&sim, &r, 1);
	sim_path(&sim, RATE, 10 * MS, (uint32_t)(RATE / 8 * RTT / SEC));
	sim_at(&sim, SEC, step, 200 * MS);
	sim_run(&sim);
	f = row_figures(&sim, CLIENT);
	print_message("RTT 10 to 400 ms: %" PRIu64 " timeouts, %" PRIu64 " undone\n", f.rtos, f.undone);
	assert_true(f.rtos <= 3);
}

static void slow(struct sim *s, uint64_t bits_per_s)
{
	struct link_conf c = s->wire.link[SERVER].conf;

	c.bits_per_s = (double)bits_per_s;
	link_change(&s->wire, SERVER, &c);
}

static void mark_bytes(struct sim *s, uint64_t unused)
{
	bytes_then = s->flow[0].end[SERVER].rx;
	up_at = s->wire.now;
}

static void SIM_11_rate_step(void **state)
{
	const struct row r = {.bytes = {20 * MB, 0}};
	double goodput;

	row_begin(&sim, &r, 1);
	sim_at(&sim, SEC, slow, 5000000);
	sim_at(&sim, 6 * SEC, mark_bytes, 0);
	sim_run(&sim);
	goodput = (double)(20 * MB - bytes_then) * 8 * SEC /
		  (double)(sim.flow[0].end[SERVER].last_rx_at - up_at);
	print_message("100 to 5 Mbit/s: %.2f Mbit/s after 5 s\n", goodput / 1e6);
	assert_true(goodput >= 0.8 * 5e6);
}

/* ---- the path's MTU falls ---- */

/* The receiver's longest pause, and what the sender's timeout and round trip were in it. */
struct pause {
	uint64_t rx, rx_at, longest, rto, srtt;
};

static void set_mtu(struct sim *s, uint64_t mtu)
{
	for (unsigned int i = 0; i < 2; i++)
		s->wire.link[i].conf.mtu = (uint32_t)mtu;
}

static void watch_pause(struct sim *s, void *arg)
{
	const struct tcp *t = engine_tcp(s->host[CLIENT].e);
	const struct tcp_conn *c = end_conn(&s->flow[0].end[CLIENT]);
	const struct end *e = &s->flow[0].end[SERVER];
	struct pause *p = arg;

	if (e->rx == p->rx)
		return;
	if (c && c->block && s->wire.link[0].conf.mtu && s->wire.now - p->rx_at > p->longest) {
		p->longest = s->wire.now - p->rx_at;
		p->rto = tcp_rto(t, c);
		p->srtt = tcp_work_of(t, c)->rtt.srtt_us;
	}
	p->rx = e->rx;
	p->rx_at = s->wire.now;
}

/* From 1500 to 1300 after a second. The router says so, or drops in silence. */
static void SIM_11_mtu_step(void **state)
{
	const struct row r = {.bytes = {20 * MB, 0}};

	for (int icmp = 1; icmp >= 0; icmp--) {
		for (uint64_t seed = 1; seed <= rows_seeds(2); seed++) {
			struct pause p = {0};
			uint64_t most;

			row_begin(&sim, &r, seed);
			sim.watch = watch_pause;
			sim.watch_arg = &p;
			sim.host[SERVER].tcp.delack = MS; /* what comes back takes the path's time */
			sim.wire.link[0].conf.icmp = sim.wire.link[1].conf.icmp = icmp;
			sim_at(&sim, SEC + wire_range(&sim.wire, 0, RTT), set_mtu, 1300);
			sim_run(&sim);
			most = (icmp ? 1 : 3) * p.rto + p.srtt;
			print_message("MTU 1500 to 1300 %s ICMP: nothing for %.0f ms of %.0f, RTO "
				      "%.0f ms\n", icmp ? "with" : "without", (double)p.longest / MS,
				      (double)most / MS, (double)p.rto / MS);
			assert_true(sim.wire.link[SERVER].stats.too_long > 0);
			assert_true(p.longest <= most);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW_TEST(SIM_09_tail_loss),
		ROW_TEST(SIM_10_burst_loss),
		ROW_TEST(SIM_11_blackout),
		ROW_TEST(SIM_11_round_trip_step),
		ROW_TEST(SIM_11_rate_step),
		ROW_TEST(SIM_11_mtu_step),
	};

	return cmocka_run_group_tests(tests, rows_setup, NULL);
}
