/*
 * A client: simple, but all of TCP that a transfer needs. Slow start and halving, fast retransmit,
 * timeout with backoff and go-back-N, reassembly, SACK blocks, delayed or immediate ACKs. Written
 * from the RFCs alone, so that it does not share the engine's mistakes.
 */
#include "peers.h"

#define RTO_FIRST (1 * SEC)
#define RTO_MAX   (8 * SEC)
#define DELACK    (40 * MS)

static void transmit(struct client *c, const struct seg *g)
{
	static uint8_t buf[10000];
	struct party *s = c->party;
	struct frame *f = wire_frame(&s->wire);

	c->p->win = (uint16_t)min_of(c->buffer >> (c->p->ws_agreed ? c->p->ws : 0), 0xffffu);
	f->len = kit_build(c->p, g, buf);
	f->to = ENGINE;
	s->wire.now = s->k->now;
	memcpy(f->bytes, buf, f->len);
	kit_pcap_write(s->k->now, buf, f->len);
	wire_send(&s->wire, f);
}

/* The runs of received bytes above rcv_nxt: the newest first, then upwards. */
static void fill_sack(struct client *c, struct seg *g)
{
	unsigned int max = c->p->ts ? 3 : 4, n = 0;
	uint32_t end = c->total + 1, at = c->rcv_nxt;

	if (!c->p->sack_agreed)
		return;
	if (seq_gt(c->newest, c->rcv_nxt) && c->newest < end && c->have[c->newest]) {
		uint32_t l = c->newest, r = c->newest;

		while (l > c->rcv_nxt && c->have[l - 1])
			l--;
		while (r < end && c->have[r])
			r++;
		g->sack[n++] = (struct tcp_sack_block){l, r};
	}
	while (at < end && n < max) {
		uint32_t l;

		while (at < end && !c->have[at])
			at++;
		for (l = at; at < end && c->have[at]; at++)
			;
		if (at > l && !(n && g->sack[0].left == l))
			g->sack[n++] = (struct tcp_sack_block){l, at};
	}
	g->opts.sack_n = (uint8_t)n;
}

static void send_ack(struct client *c)
{
	struct seg g = {.flags = ACK, .seq = c->nxt, .ack = c->rcv_nxt};

	fill_sack(c, &g);
	c->unacked = 0;
	c->ack_timer = UINT64_MAX;
	transmit(c, &g);
}

/* The end of what may be sent: data, and the FIN if it may go. */
static uint32_t limit(const struct client *c)
{
	bool fin = c->end == END_FIN_EARLY ||
		   (c->end == END_FIN_LATE && c->rcv_nxt >= c->total + 1);

	return c->total + 1 + fin;
}

static void send_at(struct client *c, uint32_t seq)
{
	uint32_t data_end = c->total + 1;
	uint32_t room = c->p->mss - (c->p->ts ? TCP_OPT_TS_SPACE : 0);
	uint32_t len = seq < data_end ? min_of(room, data_end - seq) : 0;
	struct seg g = {.flags = ACK, .seq = seq, .ack = c->rcv_nxt};
	uint32_t edge;

	edge = max_of(c->una + c->rwnd, seq + 1); /* at least a probe's octet */
	g.len = len = min_of(len, edge - seq);
	if (seq + len == data_end) {
		g.flags |= PSH;
		if (limit(c) > data_end)
			g.flags |= FIN;
	}
	if (g.flags & FIN)
		c->fin_sent = true;
	c->unacked = 0;
	c->ack_timer = UINT64_MAX;
	transmit(c, &g);
	c->nxt = seq_max(c->nxt, seq + len + (g.flags & FIN ? 1 : 0));
}

static void arm(struct client *c)
{
	c->timer = c->party->k->now + min_of(c->rto << c->tries, RTO_MAX);
}

static void pump(struct client *c)
{
	uint32_t window = min_of(c->cwnd, c->rwnd);
	uint32_t end = min_of(limit(c), c->una + window);

	if (!c->connected || c->done)
		return;
	while (c->nxt < end)
		send_at(c, c->nxt);
	if (c->una < limit(c)) {
		if (c->timer == UINT64_MAX)
			arm(c);
	} else {
		c->timer = UINT64_MAX;
	}
}

void client_start(struct client *c)
{
	struct tcp_opts o = {.flags = TCP_OPTS_MSS, .mss = c->p->mss, .wscale = c->p->ws,
			     .tsval = c->p->ts_base + ms_of(c->party->k->now)};

	if (c->p->offer & OFFER_TS)
		o.flags |= TCP_OPTS_TS;
	if (c->p->offer & OFFER_SACK)
		o.flags |= TCP_OPTS_SACK_OK;
	if (c->p->offer & OFFER_WS)
		o.flags |= TCP_OPTS_WSCALE;
	c->rto = RTO_FIRST;
	c->cwnd = 10 * c->p->mss;
	c->una = c->nxt = c->rcv_nxt = 0;
	c->ack_timer = UINT64_MAX;
	arm(c);
	transmit(c, &(struct seg){.flags = SYN, .opts = o});
}

static void connect_input(struct client *c, const struct seg *g)
{
	if ((g->flags & (SYN | ACK)) != (SYN | ACK) || g->ack != 1)
		return;
	c->p->ts = g->opts.flags & TCP_OPTS_TS;
	c->p->sack_agreed = g->opts.flags & TCP_OPTS_SACK_OK;
	c->p->ws_agreed = g->opts.flags & TCP_OPTS_WSCALE;
	c->p->peer_ws = c->p->ws_agreed ? g->opts.wscale : 0;
	c->connected = true;
	c->una = c->nxt = c->rcv_nxt = 1;
	c->rwnd = g->win;
	c->tries = 0;
	c->timer = UINT64_MAX;
	send_ack(c);
	pump(c);
}

static void ack_input(struct client *c, const struct seg *g)
{
	party_check(g->ack <= c->total + 2);
	if (g->ack > c->una) {
		c->cwnd += min_of(g->ack - c->una, (uint32_t)c->p->mss);
		c->una = g->ack;
		c->nxt = max_of(c->nxt, c->una);
		c->tries = c->dups = 0;
		c->timer = UINT64_MAX;
	} else if (g->ack == c->una && c->nxt > c->una && !g->len && ++c->dups == 3) {
		c->cwnd = max_of(c->cwnd / 2, 2u * c->p->mss);
		send_at(c, c->una);
	}
	if (g->ack == c->una)
		c->rwnd = (uint32_t)g->win << c->p->peer_ws;
}

static void data_input(struct client *c, const struct seg *g)
{
	uint32_t end = g->seq + g->len;
	bool fin = g->flags & FIN, plain = g->seq == c->rcv_nxt;

	if (!g->len && !fin)
		return;
	party_check(end <= c->total + 1);
	party_check(end <= c->rcv_nxt + c->buffer + (1u << c->p->ws) + 1); /* and a probe's octet */
	for (uint32_t i = g->seq; i < end; i++)
		c->have[i] = 1;
	if (g->len && g->seq > c->rcv_nxt)
		c->newest = g->seq;
	if (fin) {
		party_check(end == c->total + 1);
		c->fin_received = true;
	}
	while (c->rcv_nxt < c->total + 1 && c->have[c->rcv_nxt])
		c->rcv_nxt++;
	if (c->fin_received && c->rcv_nxt == c->total + 1)
		c->rcv_nxt++;
	if (plain && c->delayed_acks && ++c->unacked < 2 && !fin) {
		c->ack_timer = min_of(c->ack_timer, c->party->k->now + DELACK);
		return;
	}
	send_ack(c);
}

/* Again and again: it may be lost, and the engine may have taken more than we know of. */
static void send_reset(struct client *c, uint32_t seq)
{
	c->timer = c->party->k->now + RTO_FIRST;
	transmit(c, &(struct seg){.flags = RST, .seq = seq});
}

void client_input(struct client *c, const struct seg *g)
{
	if (g->flags & RST) {
		/* The engine knows nothing of it any more: only right when both are through. */
		party_check(c->done || (c->end == END_FIN_EARLY && c->una == c->total + 2) ||
			  (c->rcv_nxt == c->total + 2));
		return;
	}
	if (!c->connected) {
		connect_input(c, g);
		return;
	}
	if (g->flags & SYN) {
		send_ack(c);
		return;
	}
	if (c->done) {
		if (c->end == END_RESET)
			send_reset(c, g->ack);
		else if (g->len || g->flags & FIN)
			send_ack(c);
		return;
	}
	ack_input(c, g);
	data_input(c, g);
	if (c->end == END_RESET && c->rcv_nxt > c->total / 2) {
		c->done = true;
		c->ack_timer = UINT64_MAX;
		send_reset(c, g->ack);
		return;
	}
	pump(c);
	if (c->rcv_nxt == c->total + 2 && c->una == c->total + 2) {
		c->done = true;
		c->timer = UINT64_MAX;
	}
}

uint64_t client_next(const struct client *c)
{
	return min_of(c->timer, c->ack_timer);
}

void client_timer(struct client *c)
{
	uint64_t now = c->party->k->now;

	if (c->ack_timer <= now)
		send_ack(c);
	if (c->timer > now)
		return;
	if (c->done) {
		c->timer = UINT64_MAX;
		if (c->end == END_RESET && !c->p->app.closes)
			send_reset(c, c->una);
		return;
	}
	if (c->tries < 6)
		c->tries++;
	if (!c->connected) {
		unsigned int tries = c->tries;

		client_start(c);
		c->tries = tries;
		arm(c);
		return;
	}
	arm(c);
	c->cwnd = 2 * c->p->mss;
	c->dups = 0;
	c->nxt = c->una; /* go back */
	send_at(c, c->una);
}

void client_free(struct client *c)
{
	free(c->have);
}
