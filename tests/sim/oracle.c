/*
 * The oracles: what must hold of every run, whatever the path did.
 *
 * While it runs: each frame keeps the rules that a peer relies on (nothing beyond the window it was
 * offered; an acknowledgment and a window's right edge that never go back); the invariants of the
 * connections (engine_check); memory within its bounds; and no stall: no longer than 3 s, or twice the
 * current timeout, without new acknowledgment while the link is up, data is pending and its reader
 * reads. At the end: all bytes in both directions, EOF and a normal close on both sides, and nothing
 * left: no record, block, timer or mbuf.
 */
#include <stdarg.h>

#include "sim.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/tcp.h"

#define STALL_US (3 * US_PER_SEC)
#define SLICE    128 /* bytes a queued mbuf stands for at least, once small ones were joined */

_Noreturn void sim_fail(const struct sim *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "seed %" PRIu64 ", %" PRIu64 " us: ", s->seed, sim_elapsed(s));
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	sim_describe(s, stderr);
	exit(1);
}

/* ---- frames ---- */

/* RFC 7323 section 2.4: scaling may round the right edge down, but not more. */
static void check_edge(struct sim *s, struct end *e, const struct tcp_hdr *th, unsigned int shift)
{
	uint32_t ack = be32(th->ack), edge = ack + ((uint32_t)be16(th->window) << shift);

	if (!e->edge_known) {
		e->edge = edge;
		e->ack = ack;
		e->edge_known = true;
		return;
	}
	if (seq_lt(ack, e->ack))
		sim_fail(s, "flow %u: host %u takes back an acknowledgment", e->flow->index, e->side);
	if (seq_lt(edge, e->edge - (1u << shift) + 1))
		sim_fail(s, "flow %u: host %u moves its window's right edge back by %u",
			 e->flow->index, e->side, e->edge - edge);
	e->ack = ack;
	e->edge = seq_max(e->edge, edge);
}

void oracle_frame(struct sim *s, const struct host *h, const struct frame *f)
{
	const struct tcp_hdr *th = (const void *)(f->bytes + frame_l4(f));
	int payload = frame_payload(f);
	const struct tcp_conn *c;
	struct end *e, *peer;
	unsigned int i;

	if (payload < 0 || th->flags & TCP_RST || !s->n_flows)
		return;
	i = be16(h->id == CLIENT ? th->sport : th->dport) - SIM_LOCAL;
	if (i >= s->n_flows)
		sim_fail(s, "host %u sent to a port that nobody has", h->id);
	e = &s->flow[i].end[h->id];
	peer = &s->flow[i].end[!h->id];
	c = end_conn(e);
	if (th->flags & TCP_ACK && c && c->state >= TCP_ESTABLISHED)
		check_edge(s, e, th, th->flags & TCP_SYN ? 0 : c->rcv_wscale);
	if (payload && peer->edge_known &&
	    seq_gt(be32(th->seq) + (uint32_t)payload, peer->edge + 1))
		sim_fail(s, "flow %u: host %u sends %u bytes beyond the window", i, h->id,
			 be32(th->seq) + (uint32_t)payload - peer->edge);
}

/* ---- progress ---- */

static bool is_down(const struct sim *s)
{
	return s->wire.link[0].conf.down || s->wire.link[1].conf.down;
}

static bool unread(const struct sim *s, const struct end *e)
{
	const struct tcp_conn *c = end_conn(e);

	return c && c->block && tcp_work_of(engine_tcp(s->host[e->side].e), c)->rcvq.n;
}

/*
 * The timeouts up to the current one, which double as far as they may, and the first once more, for what put it
 * off; the tail-loss probe before it comes on top (RFC 8985 section 7.2).
 */
static uint64_t patience(const struct tcp *t, const struct tcp_conn *c)
{
	const struct tcp_work *w = tcp_work_of(t, c);
	unsigned int backoff = w->timer == TCP_TIMER_PERSIST ? c->probes : c->backoff;
	uint64_t all = tcp_rto(t, c);

	for (unsigned int i = 0; i <= backoff; i++)
		all += rtt_backoff(tcp_rto(t, c), i, tcp_opts_of(t, c)->rto_max);
	return max_of(STALL_US, all) + 2ull * w->rtt.srtt_us;
}

static void check_progress(struct sim *s, struct end *e)
{
	const struct tcp *t = engine_tcp(s->host[e->side].e);
	const struct tcp_conn *c = end_conn(e);
	const struct tcp_work *w = c && c->block ? tcp_work_of(t, c) : NULL;
	bool pending = w && c->state >= TCP_ESTABLISHED &&
		       (w->snd_una != c->snd_nxt || seq_lt(c->snd_nxt, w->snd_end) ||
			(c->flags & (TCP_F_FIN_QUEUED | TCP_F_FIN_SENT)) == TCP_F_FIN_QUEUED);
	uint64_t waited = s->wire.now - max_of(e->progress, s->link_up_at), ms = ms_of(waited);

	if (pending && w->snd_una == e->una && !is_down(s) &&
	    !unread(s, &e->flow->end[!e->side])) {
		if (waited > patience(t, c) && !s->no_stall_check)
			sim_fail(s, "flow %u: host %u has stalled for %" PRIu64 " ms", e->flow->index,
				 e->side, ms);
		s->stall_ms = max_of(s->stall_ms, ms);
		return;
	}
	if (w)
		e->una = w->snd_una;
	e->progress = s->wire.now;
}

static void check_memory(struct sim *s, struct host *h)
{
	struct engine_usage u;

	engine_usage(h->e, &u);
	h->mbufs_max = max_of(h->mbufs_max, u.mbufs_held);
	h->blocks_max = max_of(h->blocks_max, u.block_bytes);
	if (u.mbufs_held > s->n_flows * ((h->tcp.rcvbuf + h->tcp.sndbuf) / SLICE + 64))
		sim_fail(s, "host %u keeps %" PRIu64 " mbufs", h->id, u.mbufs_held);
	if (u.block_bytes > h->conf.block_bytes || u.connections + u.half_open > s->n_flows)
		sim_fail(s, "host %u: %" PRIu64 " bytes of blocks, %" PRIu64 " connections", h->id,
			 u.block_bytes, u.connections + u.half_open);
}

void oracle_event(struct sim *s)
{
	for (unsigned int i = 0; i < s->n_flows; i++)
		for (unsigned int side = 0; side < 2; side++)
			check_progress(s, &s->flow[i].end[side]);
	if (s->events % s->check_every)
		return;
	for (unsigned int i = 0; i < 2; i++) {
		const char *wrong = engine_check(s->host[i].e);

		if (wrong)
			sim_fail(s, "host %u: %s", i, wrong);
		if (s->n_flows)
			check_memory(s, &s->host[i]);
	}
}

/* ---- the end ---- */

void oracle_flows(struct sim *s)
{
	for (unsigned int i = 0; i < s->n_flows; i++) {
		const struct flow *f = &s->flow[i];
		bool reset = f->end[0].aborted || f->end[1].aborted;

		for (unsigned int side = 0; side < 2; side++) {
			const struct end *e = &f->end[side];

			if (e->opens != 1)
				sim_fail(s, "flow %u: host %u never opened", i, side);
			if (reset)
				continue;
			if (e->rx != f->end[!side].total || !e->eof)
				sim_fail(s, "flow %u: host %u read %" PRIu64 " of %" PRIu64 " bytes%s",
					 i, side, e->rx, f->end[!side].total,
					 e->eof ? "" : " and no EOF");
			if (e->why != PIER_CLOSE_NORMAL)
				sim_fail(s, "flow %u: host %u closed for reason %d", i, side, e->why);
		}
	}
}

void oracle_end(struct sim *s)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct host *h = &s->host[i];
		const char *wrong = engine_check(h->e);
		struct engine_usage u;

		engine_usage(h->e, &u);
		if (wrong)
			sim_fail(s, "host %u: %s", i, wrong);
		if (u.connections || u.half_open || u.time_wait)
			sim_fail(s, "host %u: %" PRIu64 " connections, %" PRIu64 " half-open and %"
				 PRIu64 " in TIME-WAIT are left", i, u.connections, u.half_open,
				 u.time_wait);
		if (u.block_bytes || u.timers || u.mbufs_held)
			sim_fail(s, "host %u: %" PRIu64 " bytes of blocks, %" PRIu64 " timers, %" PRIu64
				 " mbufs are left", i, u.block_bytes, u.timers, u.mbufs_held);
	}
}

/* ---- words ---- */

static void describe_link(const struct link *l, unsigned int to, FILE *out)
{
	const struct link_conf *c = &l->conf;
	const struct link_stats *n = &l->stats;

	fprintf(out, "to host %u: %.0f bit/s, %" PRIu64 " us, jitter %" PRIu64 "%s, queue %u, mark %u, "
		"loss %.4f, acks %.4f, burst %.4f/%.4f/%.2f, late %.4f by %" PRIu64
		", twice %.4f, damaged %.4f, mtu %u%s, thin %u, clump %" PRIu64 ", poll %" PRIu64 "\n",
		to, c->bits_per_s, c->delay, c->jitter, c->exponential ? " exponential" : "", c->queue,
		c->mark, c->loss, c->ack_loss, c->to_bad, c->to_good, c->bad_loss, c->reorder, c->late,
		c->duplicate, c->corrupt, c->mtu, c->icmp ? " with ICMP" : "", c->thin, c->clump, c->poll);
	fprintf(out, "   frames %" PRIu64 ", lost %" PRIu64 ", overflow %" PRIu64 ", too long %" PRIu64
		", late %" PRIu64 ", doubled %" PRIu64 ", damaged %" PRIu64 ", marked %" PRIu64
		", thinned %" PRIu64 "; backlog %" PRIu64 "\n", n->frames, n->lost, n->overflow,
		n->too_long, n->late, n->doubled, n->damaged, n->marked, n->thinned, n->backlog_max);
}

static void describe_host(const struct host *h, FILE *out)
{
	const struct tcp_options *o = &h->tcp;

	fprintf(out, "host %u: mtu %u, tx %u, flags %u, copy below %u, vouched %d; buffers %" PRIu64 "/%"
		PRIu64 ", ts %d, sack %d, ws %d, nagle %d, cc %s; share %u; most mbufs %" PRIu64
		", blocks %" PRIu64 "\n  ", h->id, h->cap.mtu, h->cap.tx_mode, h->cap.flags,
		h->cap.copy_below, h->rx_vouched, o->rcvbuf, o->sndbuf, o->timestamps, o->sack,
		o->window_scale, o->nagle, cc_names[o->congestion], h->conf.mbuf_share, h->mbufs_max,
		h->blocks_max);
	for (unsigned int i = 0; i < CTR_MAX; i++)
		if (h->ctr.v[i])
			fprintf(out, " %s %" PRIu64, counter_info[i].name, h->ctr.v[i]);
	fputc('\n', out);
}

static void describe_end(const struct sim *s, const struct end *e, FILE *out)
{
	const struct tcp *t = s->host[e->side].e ? engine_tcp(s->host[e->side].e) : NULL;
	const struct tcp_conn *c = t ? end_conn(e) : NULL;
	const struct tcp_work *w;

	fprintf(out, "   host %u: sends %" PRIu64 " in %u..%u every %" PRIu64 " us, reads %u..%u every %"
		PRIu64 " us, fin %d; wrote %" PRIu64 ", read %" PRIu64 "%s%s%s\n", e->side, e->total,
		e->write_lo, e->write_hi, e->write_gap, e->read_lo, e->read_hi, e->read_gap, e->fin,
		e->tx, e->rx, e->eof ? ", EOF" : "", e->shut ? ", shut" : "",
		e->closes ? ", closed" : "");
	if (!c || !c->block)
		return;
	w = tcp_work_of(t, c);
	fprintf(out, "      state %u, una %u, nxt +%u, end +%u, wnd %u, cwnd %u, ssthresh %u, sacked %u, "
		"lost %u, ranges %u, timer %u, backoff %u, mss %u; rcv_nxt %u, adv +%u, ooo %u\n",
		c->state, w->snd_una, c->snd_nxt - w->snd_una, w->snd_end - w->snd_una, w->snd_wnd,
		w->cc.cwnd, w->cc.ssthresh, w->sacked, w->lost, w->flight.n, w->timer, c->backoff,
		c->snd_mss, c->rcv_nxt, w->rcv_adv - c->rcv_nxt, w->ooo.n);
}

void sim_describe(const struct sim *s, FILE *out)
{
	fprintf(out, "IPv%d, began at %" PRIu64 " us, took %" PRIu64 ", %" PRIu64 " events\n", s->v6 ? 6 : 4, s->begin,
		sim_elapsed(s), s->events);
	for (unsigned int i = 0; i < 2; i++)
		describe_link(&s->wire.link[i], i, out);
	for (unsigned int i = 0; i < 2; i++)
		describe_host(&s->host[i], out);
	for (unsigned int i = 0; i < s->n_flows; i++) {
		fprintf(out, "flow %u, from %" PRIu64 " us\n", i, s->flow[i].start);
		for (unsigned int side = 0; side < 2; side++)
			describe_end(s, &s->flow[i].end[side], out);
	}
}
