/*
 * SYN floods and SYN cookies.
 * Rows: SYN-01 SYN-02 SYN-03 SYN-04 SYN-05 SYN-06 SYN-07 SYN-08 T-16 T-17.
 *
 * A flood comes from 10.0.0.0/8; what the engine sends there is counted, the rest is kept.
 * FLOOD_SYNS=n sets how many SYNs a flood has.
 */
#include "kit.h"

#define FLOOD_GAP 64 /* us between bursts of 64: 1 Mpps */
#define KEPT      64

struct flood {
	struct kit *k;
	uint8_t frame[128];
	uint32_t len;
	uint64_t syns, octets_in;
	uint64_t answers, octets_out;
	struct kit_frame kept[KEPT];
	unsigned int n_kept;
};

static struct flood fl;

static unsigned int flood_size(unsigned int usual)
{
	const char *env = getenv("FLOOD_SYNS");

	return env ? (unsigned int)strtoul(env, NULL, 10) : usual;
}

static void on_frame(void *arg, struct kit_frame *f)
{
	struct kit_ip ip;

	assert_true(kit_take_ip(f->bytes, &ip));
	if (kit_is_far(ip.daddr)) {
		fl.answers++;
		fl.octets_out += ip.hdr_len + ip.l4_len;
		return;
	}
	assert_true(fl.n_kept < KEPT);
	fl.kept[fl.n_kept] = *f;
	fl.kept[fl.n_kept].bytes = malloc(f->len);
	memcpy(fl.kept[fl.n_kept++].bytes, f->bytes, f->len);
}

/* SYNs to port, with the options of o. */
static void flood_begin(struct kit *k, uint16_t port, const struct tcp_opts *o)
{
	struct kit_peer p = {.k = k, .dport = port, .win = 65535};
	const struct seg s = {.flags = SYN, .opts = *o};

	kit_host(p.server, KIT_SERVER_HOST);
	fl = (struct flood){.k = k};
	fl.len = kit_build(&p, &s, (uint8_t *)memset(fl.frame, 0, sizeof(fl.frame)));
	k->sink = on_frame;
}

static void flood_burst(unsigned int n)
{
	struct tcp_hdr *th = (struct tcp_hdr *)(fl.frame + kit_l4());
	uint8_t from[16];

	kit_burst_begin(fl.k);
	for (unsigned int i = 0; i < n; i++) {
		kit_far(from, (unsigned int)(fl.syns & 0xffffff));
		kit_set_addrs(fl.frame, from, NULL);
		th->sport = be16((uint16_t)(1024 + fl.syns % 60000));
		th->seq = (uint32_t)(fl.syns * 2654435761u);
		kit_sums(fl.frame);
		kit_inject(fl.k, fl.frame, fl.len);
		fl.syns++;
		fl.octets_in += fl.len - ETH_HDR_LEN;
	}
	fl.k->now += FLOOD_GAP;
	kit_burst_end(fl.k);
}

static void flood_run(unsigned int n)
{
	for (; n > 64; n -= 64)
		flood_burst(64);
	flood_burst(n);
}

static void flood_end(void)
{
	fl.k->sink = NULL;
}

static const struct tcp_opts plain = {.flags = TCP_OPTS_MSS, .mss = 1460};
static const struct tcp_opts full = {.flags = TCP_OPTS_MSS | TCP_OPTS_TS | TCP_OPTS_SACK_OK |
					      TCP_OPTS_WSCALE,
				     .mss = 1460, .wscale = 7, .tsval = 1};

/* A listener on port that answers by cookie as mode says. */
static int listen_as(struct kit *k, uint16_t port, enum tcp_cookies mode, uint32_t backlog)
{
	struct listener *l = &k->listeners[k->n_listeners];

	kit_start(k);
	l = &k->listeners[k->n_listeners];
	*l = (struct listener){.handler = &kit_handler, .settings = k, .tcp = k->tcp,
			       .local = LISTENER_ANY, .port_lo = port, .port_hi = port,
			       .backlog = backlog};
	l->tcp.syn_cookies = mode;
	listener_prepare(l);
	k->versions[k->n_listeners] = engine_listen(k->e, l);
	assert_true(k->versions[k->n_listeners] >= 0);
	return k->versions[k->n_listeners++];
}

/* A peer of that listener. */
static struct kit_peer *peer_of(struct kit *k, uint16_t port, unsigned int offer)
{
	struct kit_peer *p = kit_peer(k);

	p->dport = port;
	p->offer = offer;
	return p;
}

/* The SYN-ACK, whatever it offers; learnt from. */
static struct seg synack(struct kit_peer *p)
{
	struct seg g;

	p->iss_known = false;
	g = kit_take(p);
	assert_int_equal(g.flags & (SYN | ACK | RST | FIN), SYN | ACK);
	assert_int_equal(g.ack, 1);
	p->ts = g.opts.flags & TCP_OPTS_TS;
	p->sack_agreed = g.opts.flags & TCP_OPTS_SACK_OK;
	p->ws_agreed = g.opts.flags & TCP_OPTS_WSCALE;
	p->peer_ws = p->ws_agreed ? g.opts.wscale : 0;
	return g;
}

/* ---- floods ---- */

/*
 * 10^5 SYNs instead of 10^7, against caps of 1024 and, for the listener on port 81, 100.
 */
static void SYN_01_memory_is_capped(void **s)
{
	static const unsigned int caps[] = {1024, 100};
	const unsigned int n = flood_size(100000);
	struct kit *k = *s;
	struct engine_contract c;
	unsigned int regions;

	k->conf.max_half_open = 1024;
	k->conf.max_connections = 2000;
	listen_as(k, 81, TCP_COOKIES_AUTO, 100);
	regions = k->n_mem;
	engine_size(&k->conf, &c);
	assert_true(c.small_records <= (1024ull + k->conf.max_time_wait + 1) * 160);
	for (unsigned int i = 0; i < ARRAY_SIZE(caps); i++) {
		uint64_t resent = kit_ctr(k, CTR_SYNACK_RETRANSMITS);

		flood_begin(k, (uint16_t)(KIT_PORT + i), &plain);
		for (unsigned int done = 0; done < n; done += 64) {
			flood_burst(64);
			assert_true(kit_usage(k).half_open <= caps[i]);
		}
		assert_true(kit_usage(k).half_open >= caps[i] * 7 / 8);
		assert_int_equal(kit_usage(k).block_bytes, 0);
		assert_int_equal(kit_usage(k).timers, kit_usage(k).half_open);
		assert_int_equal(rte_mempool_avail_count(kit_mp), KIT_MBUFS - KIT_RESERVE);
		assert_int_equal(k->n_mem, regions);
		resent = kit_ctr(k, CTR_SYNACK_RETRANSMITS) - resent;
		assert_int_equal(fl.answers, fl.syns + resent);
		kit_advance(k, 70 * SEC);
		assert_int_equal(kit_usage(k).half_open, 0);
		flood_end();
	}
}

/* Without cookies the cap holds too; what is beyond it is dropped and counted. */
static void cap_without_cookies(void **s)
{
	struct kit *k = *s;

	k->tcp.syn_cookies = TCP_COOKIES_NEVER;
	kit_start(k);
	flood_begin(k, KIT_PORT, &plain);
	flood_run(1000);
	assert_int_equal(kit_usage(k).half_open, 16);
	assert_int_equal(kit_ctr(k, CTR_RX_SYN_BACKLOG), 984);
	assert_int_equal(kit_ctr(k, CTR_COOKIES_SENT), 0);
	flood_end();
}

static struct kit_peer *by_port(struct kit *k, const struct kit_frame *f)
{
	const struct tcp_hdr *th = kit_tcp(f->bytes);

	for (unsigned int i = 0; i < k->n_peers; i++)
		if (k->peers[i]->port == be16(th->dport))
			return k->peers[i];
	fail();
	return NULL;
}

/* The real ones complete with what came for them; returns the longest wait. */
static uint64_t answer_kept(struct kit *k, const uint64_t *asked)
{
	unsigned int n = fl.n_kept;
	uint64_t longest = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct kit_peer *p = by_port(k, &fl.kept[i]);
		struct seg g = kit_parse(p, &fl.kept[i]);

		free(fl.kept[i].bytes);
		if (g.flags == ACK)
			continue; /* of the data below */
		longest = max_of(longest, fl.kept[i].at - asked[p->port - 40000]);
		assert_int_equal(g.flags, SYN | ACK);
		assert_int_equal(g.ack, 1);
		assert_int_equal(g.opts.flags & 15, TCP_OPTS_MSS | TCP_OPTS_TS | TCP_OPTS_WSCALE |
						     TCP_OPTS_SACK_OK);
		p->ts = true;
		send_seg(p, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 10);
	}
	fl.n_kept -= n;
	memmove(fl.kept, fl.kept + n, fl.n_kept * sizeof(fl.kept[0]));
	return longest;
}

/*
 * 1 Mpps of spoofed SYNs and 1000 connects a second for a tenth of a second. Every one succeeds, and
 * its SYN-ACK leaves in the turn that the SYN came in, with all that it offered.
 */
static void SYN_02_real_clients_in_a_flood(void **s)
{
	const unsigned int n = flood_size(100000);
	struct kit *k = *s;
	uint64_t asked[KIT_PEERS] = {0}, longest = 0;
	unsigned int real = 0;

	k->conf.max_connections = 1000;
	k->conf.max_half_open = 256;
	kit_start(k);
	/* Below the mark: an ordinary record. */
	kit_plain(k);
	assert_int_equal(kit_ctr(k, CTR_COOKIES_SENT), 0);
	flood_begin(k, KIT_PORT, &full);
	for (unsigned int i = 0; fl.syns < n && real < 1000; i++) {
		flood_burst(64);
		if (i % 16 == 15) {
			struct kit_peer *p = peer_of(k, KIT_PORT, OFFER_ALL);

			asked[p->port - 40000] = k->now;
			kit_syn(p);
			real++;
		}
		longest = max_of(longest, answer_kept(k, asked));
	}
	while (fl.n_kept)
		answer_kept(k, asked);
	assert_true(longest <= 10 * MS);
	for (unsigned int i = 1; i <= real; i++) {
		assert_int_equal(k->peers[i]->app.opens, 1);
		assert_int_equal(k->peers[i]->app.rx, 10);
	}
	assert_true(real >= 90);
	assert_in_range(kit_usage(k).half_open, 256 * 7 / 8, 256);
	assert_true(kit_ctr(k, CTR_COOKIES_ACCEPTED) >= real - 40);
	assert_int_equal(kit_ctr(k, CTR_SYN_RECEIVED) + kit_ctr(k, CTR_COOKIES_SENT),
			 fl.syns + real + 1);
	/* When the flood is over and its records are gone, records serve again. */
	for (unsigned int i = 0; i < 70; i++) {
		kit_advance(k, SEC);
		answer_kept(k, asked);
	}
	flood_end();
	real = (unsigned int)kit_ctr(k, CTR_COOKIES_SENT);
	kit_plain(k);
	assert_int_equal(kit_ctr(k, CTR_COOKIES_SENT), real);
}

/* Bare SYNs of 40 octets and full ones of 60; 20,000 of each, and all that time brings after. */
static void SYN_07_no_amplification(void **s)
{
	static const struct tcp_opts bare = {.flags = 0};
	const struct tcp_opts *offers[] = {&bare, &full};
	struct kit *k = *s;

	kit_start(k);
	for (unsigned int i = 0; i < ARRAY_SIZE(offers); i++) {
		uint64_t sent = kit_ctr(k, CTR_COOKIES_SENT), resent;

		flood_begin(k, KIT_PORT, offers[i]);
		flood_run(20000);
		assert_int_equal(fl.answers, fl.syns);
		sent = kit_ctr(k, CTR_COOKIES_SENT) - sent;
		assert_true(sent >= 20000 - 16);
		resent = kit_ctr(k, CTR_SYNACK_RETRANSMITS);
		kit_advance(k, 300 * SEC);
		resent = kit_ctr(k, CTR_SYNACK_RETRANSMITS) - resent;
		/* Sent again are those of records: five times each. */
		assert_int_equal(resent, 5 * (fl.syns - sent));
		assert_int_equal(fl.answers, fl.syns + resent);
		assert_true(fl.octets_out * 2 <= fl.octets_in * 3);
		flood_end();
	}
}

/* Cookies, and where there are none to be, nothing; of all SYNs the share that is refused. */
static void refuses_evenly(struct kit *k)
{
	struct kit_peer *p;

	listen_as(k, 81, TCP_COOKIES_NEVER, 0);
	engine_pressure(k->e, true, 0);
	p = peer_of(k, KIT_PORT, OFFER_ALL);
	kit_open(p);
	assert_int_equal(kit_ctr(k, CTR_COOKIES_ACCEPTED), 1);
	p = peer_of(k, 81, OFFER_ALL);
	kit_syn(p);
	kit_silence(k, 3 * SEC);
	assert_int_equal(kit_ctr(k, CTR_RX_SYN_PRESSURE), 1);
	engine_pressure(k->e, true, ENGINE_REFUSE_ALL);
	p = peer_of(k, KIT_PORT, OFFER_ALL);
	kit_syn(p);
	kit_silence(k, 3 * SEC);
	assert_int_equal(kit_ctr(k, CTR_RX_SYN_PRESSURE), 2);
	engine_pressure(k->e, true, ENGINE_REFUSE_ALL / 4 * 3);
	for (int i = 1; i <= 32; i++) {
		p = peer_of(k, KIT_PORT, OFFER_ALL);
		kit_syn(p);
		assert_int_equal(kit_ctr(k, CTR_RX_SYN_PRESSURE), 2 + i - (i + 3) / 4);
		assert_int_equal(kit_has(k), i % 4 == 1);
		kit_drain(k);
	}
	engine_pressure(k->e, false, ENGINE_REFUSE_ALL);
	kit_open(p);
	assert_int_equal(kit_ctr(k, CTR_COOKIES_SENT), 1 + 8);
	assert_int_equal(kit_ctr(k, CTR_SYN_RECEIVED), 1);
}

static void pressure_refuses_evenly(void **s)
{
	refuses_evenly(*s);
}

static void a_glance_refuses_evenly(void **s)
{
	struct kit *k = *s;

	k->glance = true;
	refuses_evenly(k);
}

/* The port says of each segment that its sum is still to be filled in: virtio does, of what its own host sends. */
static void a_glance_refuses_what_has_no_sum(void **s)
{
	struct kit *k = *s;

	k->glance = true;
	k->rx_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE;
	refuses_evenly(k);
}

/* What has a connection counts as what has none, and is not answered; a closed port answers as ever. */
static void refuses_before_it_looks(struct kit *k)
{
	struct kit_peer *p = kit_peer(k), *q;

	kit_open(p);
	kit_app_send(p, 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1);
	engine_pressure(k->e, true, ENGINE_REFUSE_ALL);
	send_seg(p, .flags = SYN, .seq = 1);
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_RX_SYN_PRESSURE), 1);
	assert_int_equal(kit_ctr(k, CTR_RX_SYN_IN_CONN), 0);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 2);
	kit_app_send(p, 3);
	expect(p, .flags = ACK, .seq = 2, .ack = 1, .len = 3);
	q = peer_of(k, 4242, 0);
	kit_syn(q);
	expect(q, .flags = RST | ACK, .seq = 0, .ack = 1);
	assert_int_equal(kit_ctr(k, CTR_RX_CLOSED_PORT), 1);
	assert_int_equal(kit_ctr(k, CTR_RX_SYN_PRESSURE), 1);
	send_seg(p, .flags = FIN | SYN, .seq = 1);
	kit_drain(k);
	q = peer_of(k, KIT_PORT, 0);
	kit_host(q->server, 77); /* not ours */
	kit_syn(q);
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_RX_NOT_LOCAL), 1);
	assert_int_equal(kit_ctr(k, CTR_RX_SYN_PRESSURE), 1);
}

static void pressure_refuses_before_it_looks(void **s)
{
	refuses_before_it_looks(*s);
}

static void a_glance_refuses_before_it_looks(void **s)
{
	struct kit *k = *s;

	k->glance = true;
	refuses_before_it_looks(k);
}

/* Of a burst only SYNs are taken out, the others keep their order; what was seen is not asked again, what comes then is. */
static void a_glance_takes_out_of_a_burst(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k), *q[8];

	kit_open(p);
	k->glance = true;
	engine_pressure(k->e, true, ENGINE_REFUSE_ALL / 2);
	kit_burst_begin(k);
	for (unsigned int i = 0; i < ARRAY_SIZE(q); i++) {
		q[i] = peer_of(k, KIT_PORT, OFFER_ALL);
		kit_syn(q[i]);
		send_seg(p, .flags = ACK, .seq = 1 + i, .ack = 1, .len = 1);
	}
	kit_burst_end(k);
	assert_int_equal(kit_ctr(k, CTR_RX_SYN_PRESSURE), 4);
	assert_int_equal(kit_ctr(k, CTR_COOKIES_SENT), 4);
	assert_int_equal(p->app.rx, 8);
	assert_int_equal(kit_ctr(k, CTR_RX_OUT_OF_ORDER), 0);
	kit_drain(k);
	/* All of it refused: the next burst, which nobody has looked at, is asked all the same. */
	engine_pressure(k->e, true, ENGINE_REFUSE_ALL);
	kit_syn(q[0]);
	assert_int_equal(kit_ctr(k, CTR_RX_SYN_PRESSURE), 5);
	k->glance = false;
	kit_syn(q[1]);
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_RX_SYN_PRESSURE), 6);
}

/* ---- life of a cookie ---- */

/* A listener's next SYN is answered by cookie: ACKs are tested. */
static void bait(struct kit *k)
{
	struct kit_peer *p = peer_of(k, 81, 0);

	kit_syn(p);
	synack(p);
}

/* From several points of a period, with and without new keys in between. */
static void SYN_03_lifetime(void **s)
{
	static const unsigned int phase[] = {0, 1, 20, 63};
	struct kit *k = *s;
	uint8_t secret[64];

	listen_as(k, 81, TCP_COOKIES_ALWAYS, 0);
	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(phase); i++) {
		struct kit_peer *p = peer_of(k, 81, OFFER_ALL), *q = peer_of(k, 81, OFFER_ALL);
		uint64_t period = 64 * SEC, rejected, start;

		kit_advance_to(k, (k->now / period + 4) * period + phase[i / 2] * SEC);
		start = k->now;
		kit_syn(p);
		synack(p);
		kit_syn(q);
		synack(q);
		if (i % 2) {
			memset(secret, (int)i, sizeof(secret));
			engine_rekey(k->e, secret);
		}
		kit_advance_to(k, start + 63 * SEC);
		send_seg(p, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 5);
		assert_int_equal(p->app.opens, 1);
		assert_int_equal(p->app.rx, 5);
		send_seg(p, .flags = RST, .seq = 6);
		kit_drain(k);
		kit_advance_to(k, start + 128 * SEC);
		bait(k);
		kit_advance_to(k, start + 129 * SEC);
		rejected = kit_ctr(k, CTR_COOKIES_REJECTED) + kit_ctr(k, CTR_COOKIES_EXPIRED);
		kit_drain(k);
		send_seg(q, .flags = ACK, .seq = 1, .ack = 1);
		expect(q, .flags = RST, .seq = 1);
		assert_int_equal(q->app.opens, 0);
		assert_int_equal(kit_ctr(k, CTR_COOKIES_REJECTED) +
				 kit_ctr(k, CTR_COOKIES_EXPIRED), rejected + 1);
	}
	assert_true(kit_ctr(k, CTR_COOKIES_EXPIRED) > 0);
	assert_int_equal(kit_ctr(k, CTR_COOKIES_ACCEPTED), 2 * ARRAY_SIZE(phase));
}

static uint64_t tested(const struct kit *k)
{
	return kit_ctr(k, CTR_COOKIES_ACCEPTED) + kit_ctr(k, CTR_COOKIES_REJECTED) +
	       kit_ctr(k, CTR_COOKIES_EXPIRED);
}

/* n forged ACKs at this instant; returns the RSTs. */
static uint64_t forge(struct kit_peer *p, unsigned int n)
{
	uint64_t rsts = kit_ctr(p->k, CTR_TX_RSTS);

	for (unsigned int i = 0; i < n; i++) {
		send_seg(p, .flags = ACK, .seq = i * 77777, .ack = i * 99991);
		kit_drain(p->k);
	}
	return kit_ctr(p->k, CTR_TX_RSTS) - rsts;
}

/* Each test of an ACK is one MAC, and is counted as accepted, rejected or expired. */
static void SYN_04_no_cookie_out_none_tested(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k), *q;

	assert_int_equal(forge(p, 3000), 1000);
	assert_int_equal(tested(k), 0);
	assert_int_equal(kit_ctr(k, CTR_TX_RST_RATE), 2000);
	kit_advance(k, SEC);
	assert_int_equal(forge(p, 3000), 1000);
	assert_int_equal(tested(k), 0);
	/* While cookies are out: tested, and still under the limit. */
	listen_as(k, 81, TCP_COOKIES_ALWAYS, 0);
	bait(k);
	kit_advance(k, SEC);
	assert_int_equal(forge(p, 3000), 1000);
	assert_int_equal(tested(k), 3000);
	assert_int_equal(kit_ctr(k, CTR_COOKIES_REJECTED) + kit_ctr(k, CTR_COOKIES_EXPIRED), 3000);
	assert_int_equal(p->app.opens, 0);
	/* SYN,ACK and RST are not even tested then. */
	send_seg(p, .flags = SYN | ACK, .seq = 1, .ack = 1);
	send_seg(p, .flags = RST | ACK, .seq = 1, .ack = 1);
	assert_int_equal(tested(k), 3000);
	/* And two periods later no more. */
	kit_drain(k);
	kit_advance(k, 128 * SEC);
	assert_int_equal(forge(p, 3000), 1000);
	assert_int_equal(tested(k), 3000);
	q = kit_plain(k);
	assert_int_equal(q->app.opens, 1);
}

/*
 * What crossed the RST has the same numbers as the handshake's ACK: it is a cookie that was used. The flow's next
 * SYN gets a new one.
 */
static void SYN_04_a_cookie_opens_once(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	p->dport = 81;
	listen_as(k, 81, TCP_COOKIES_ALWAYS, 0);
	for (unsigned int i = 1; i <= 2; i++) {
		kit_syn(p);
		synack(p);
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
		assert_int_equal(p->app.opens, i);
		kit_app_abort(p);
		expect(p, .flags = RST | ACK, .seq = 1, .ack = 1);
		send_seg(p, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 5);
		expect(p, .flags = RST, .seq = 1);
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
		expect(p, .flags = RST, .seq = 1);
		assert_int_equal(p->app.opens, i);
		assert_int_equal(kit_ctr(k, CTR_COOKIES_ACCEPTED), i);
		kit_quiet(k);
	}
}

/* ---- what is negotiated ---- */

struct seen {
	uint32_t sent, segment;
	bool ts, ect;
	unsigned int sack_n;
	uint16_t win;
};

/*
 * Complete the handshake with a window of a few octets, scaled or not, and see how much of 30,000
 * bytes is sent, how, and what an early byte is answered with.
 */
static struct seen look(struct kit_peer *p, uint16_t win, const struct seg *hello)
{
	struct kit *k = p->k;
	struct seen o = {0};
	struct seg g;

	p->win = win;
	p->app.on_open = 30000;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.opens, 1);
	while (kit_has(k)) {
		g = kit_take(p);
		o.sent += g.len;
		o.segment = max_of(o.segment, g.len);
		o.ts |= !!(g.opts.flags & TCP_OPTS_TS);
		o.ect |= g.tos & IP_ECN_MASK;
		if (p->ts)
			assert_true(g.opts.tsval - hello->opts.tsval < 128);
	}
	send_seg(p, .flags = ACK, .seq = 11, .ack = 1, .len = 1);
	g = kit_take(p);
	o.sack_n = g.opts.sack_n;
	o.win = g.win;
	send_seg(p, .flags = RST, .seq = 1);
	kit_drain(k);
	return o;
}

static void same(const struct seen *a, const struct seen *b)
{
	assert_int_equal(a->sent, b->sent);
	assert_int_equal(a->segment, b->segment);
	assert_int_equal(a->ts, b->ts);
	assert_int_equal(a->ect, b->ect);
	assert_int_equal(a->sack_n, b->sack_n);
	assert_int_equal(a->win, b->win);
}

/* One combination: offered to a record, and to a cookie, which is like plain without timestamps. */
static void compare(struct kit *k, unsigned int offer, uint8_t ws)
{
	struct kit_peer *p = peer_of(k, KIT_PORT, offer & OFFER_TS ? offer : 0);
	struct kit_peer *q = peer_of(k, 81, offer);
	uint16_t win = offer & OFFER_WS ? (uint16_t)(ws < 7 ? 3000 : ws < 14 ? 50 : 1) : 3000;
	struct seen normal, cookie;
	struct seg a, b;

	p->ws = q->ws = ws;
	kit_syn(p);
	a = synack(p);
	kit_syn(q);
	b = synack(q);
	/* Both offer the same; nothing but MSS without timestamps. */
	assert_int_equal(a.flags, b.flags);
	assert_int_equal(a.opts.flags, b.opts.flags);
	assert_int_equal(a.opts.wscale, b.opts.wscale);
	assert_int_equal(a.win, b.win);
	assert_int_equal(a.mss, b.mss);
	if (!(offer & OFFER_TS))
		assert_int_equal(b.opts.flags & 15, TCP_OPTS_MSS);
	normal = look(p, win, &a);
	cookie = look(q, win, &b);
	same(&normal, &cookie);
}

static void SYN_05_options_in_the_timestamp(void **s)
{
	static const int scales[] = {-1, 0, 1, 7, 14};
	static const unsigned int bits[] = {OFFER_SACK, OFFER_ECN, OFFER_TS};
	struct kit *k = *s;

	k->tcp.rcvbuf = 1 << 20; /* a scale of our own that is not 0 */
	k->conf.max_half_open = 64;
	listen_as(k, 81, TCP_COOKIES_ALWAYS, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(scales); i++) {
		for (unsigned int m = 0; m < 8; m++) {
			unsigned int offer = scales[i] < 0 ? 0 : OFFER_WS;

			for (unsigned int b = 0; b < ARRAY_SIZE(bits); b++)
				offer |= m & 1u << b ? bits[b] : 0;
			compare(k, offer, scales[i] < 0 ? 0 : (uint8_t)scales[i]);
			kit_advance(k, 7 * MS); /* other low bits of the clock */
		}
	}
	assert_int_equal(kit_ctr(k, CTR_COOKIES_ACCEPTED), 40);
	assert_int_equal(kit_ctr(k, CTR_SYN_RECEIVED), 40);
}

/* TSval, made of the clock's higher bits, is never ahead of it, at any millisecond. */
static void SYN_05_tsval_is_not_ahead_of_the_clock(void **s)
{
	struct kit *k = *s;

	listen_as(k, 81, TCP_COOKIES_ALWAYS, 0);
	for (unsigned int ms = 0; ms < 130; ms++) {
		struct kit_peer *p = peer_of(k, 81, OFFER_ALL | OFFER_ECN);
		uint32_t hello;
		struct seg g;

		p->ws = ms % 15;
		kit_syn(p);
		hello = synack(p).opts.tsval;
		p->app.on_open = 1;
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
		g = expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1);
		assert_true(g.opts.tsval - hello < 128);
		send_seg(p, .flags = RST, .seq = 1);
		kit_advance(k, MS);
	}
}

static void SYN_06_made_of_the_ack_alone(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	listen_as(k, 81, TCP_COOKIES_ALWAYS, 0);
	p = peer_of(k, 81, OFFER_ALL);
	p->app.half_open_on_eof = true;
	kit_syn(p);
	synack(p);
	assert_int_equal(kit_usage(k).half_open, 0);
	send_seg(p, .flags = FIN | PSH | ACK, .seq = 1, .ack = 1, .len = 100);
	assert_int_equal(p->app.opens, 1);
	assert_int_equal(p->app.rx, 100);
	assert_int_equal(p->app.eofs, 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 102);
	/* CLOSE-WAIT: it can still send, and then closes. */
	kit_app_send(p, 10);
	expect(p, .flags = ACK, .seq = 1, .ack = 102, .len = 10);
	kit_app_close(p);
	expect(p, .flags = FIN | ACK, .seq = 11, .ack = 102);
	send_seg(p, .flags = ACK, .seq = 102, .ack = 12);
	assert_int_equal(p->app.closes, 1);
	kit_silence(k, 3 * SEC);
}

static void SYN_06_largest_mss_not_above_the_offer(void **s)
{
	static const struct {
		uint16_t offered, used;
	} cases[] = {{1460, 1460}, {1459, 1440}, {1400, 1400}, {1399, 1360}, {1000, 536},
		     {536, 536},   {100, 64},	 {50, 64},     {8960, 1460}};
	struct kit *k = *s;

	listen_as(k, 81, TCP_COOKIES_ALWAYS, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct kit_peer *p = peer_of(k, 81, 0);

		p->mss = cases[i].offered;
		p->app.on_open = 5000;
		kit_syn(p);
		synack(p);
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
		expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = cases[i].used);
		send_seg(p, .flags = RST, .seq = 1);
		kit_drain(k);
	}
}

static void see_srtt(struct pier_conn *c, struct kit_app *a, uint64_t want)
{
	struct pier_info info;

	pier_get_info(c, &info);
	assert_int_equal(info.srtt_us, want);
}

/*
 * A cookie says nothing of time: a handshake of 500 ms, begun three times, gives no sample, no small
 * window and no long timeout. Its SYNs share nothing.
 */
static void SYN_08_exempt(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	uint32_t iss;

	listen_as(k, 81, TCP_COOKIES_ALWAYS, 0);
	p = peer_of(k, 81, OFFER_ALL);
	kit_syn(p);
	synack(p);
	iss = p->iss;
	kit_silence(k, 70 * SEC); /* OPN-14: nothing is sent again */
	assert_int_equal(kit_usage(k).half_open, 0);
	p->isn += 12345; /* OPN-12: another SYN is another handshake */
	kit_syn(p);
	synack(p);
	assert_int_not_equal(p->iss, iss);
	for (unsigned int i = 0; i < 3; i++) { /* OPN-11, CC-02 */
		kit_advance(k, 100 * MS);
		kit_syn(p);
		iss = p->iss;
		synack(p);
		assert_int_equal(p->iss, iss);
	}
	kit_advance(k, 500 * MS);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.opens, 1);
	kit_app_call(p, see_srtt, 0);
	kit_app_send(p, 30000);
	for (uint32_t i = 0; i < 10; i++)
		expect(p, .flags = ACK, .seq = 1 + i * 1448, .ack = 1, .len = 1448);
	kit_quiet(k);
}

/* RTO-08: the first timeout is that of a connection whose SYN-ACK was not lost. */
static void SYN_08_first_timeout(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	listen_as(k, 81, TCP_COOKIES_ALWAYS, 0);
	p = peer_of(k, 81, 0);
	for (unsigned int i = 0; i < 3; i++) {
		kit_syn(p);
		synack(p);
		kit_advance(k, SEC);
	}
	p->app.on_open = 100;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	kit_advance(k, 999 * MS);
	kit_quiet(k);
	kit_advance(k, 3 * MS);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
}

/* And the first sample is a real one. */
static void SYN_08_first_sample(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	listen_as(k, 81, TCP_COOKIES_ALWAYS, 0);
	p = peer_of(k, 81, OFFER_ALL);
	kit_syn(p);
	synack(p);
	kit_advance(k, 300 * MS);
	p->app.on_open = 100;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	kit_advance(k, 40 * MS);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 101);
	kit_app_call(p, see_srtt, 40 * MS);
}

/* ---- windows after a cookie ---- */

/* WS-02 and WS-03 have tests of their own; here the window after a cookie handshake. */
static void T_16_window_after_a_cookie(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;
	uint32_t una = 1, end = 1;
	struct seg g;

	listen_as(k, 81, TCP_COOKIES_ALWAYS, 0);
	p = peer_of(k, 81, OFFER_ALL);
	p->win = 500;
	p->app.on_open = 300000;
	kit_syn(p);
	synack(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	/* Of 500 unscaled octets no more than one segment would fit. */
	while (end - una <= 64000 - 1448 && end < 250000) {
		while (kit_has(k)) {
			g = kit_take(p);
			end = g.seq + g.len;
			assert_true(end - una <= 64000);
		}
		while (end - una <= 64000 - 1448 && una != end) {
			una += min_of(end - una, 1448u);
			send_seg(p, .flags = ACK, .seq = 1, .ack = una);
		}
	}
	assert_in_range(end - una, 64000 - 1447, 64000);
}

#define BULK 10000000u

/* The server's stream: returns the largest flight. */
static uint32_t download(struct kit_peer *p)
{
	uint32_t una = 1, end = 1, largest = 0;

	kit_app_send(p, BULK);
	while (una < BULK + 1) {
		assert_true(kit_has(p->k));
		while (kit_has(p->k)) {
			struct seg g = kit_take(p);

			end = seq_max(end, g.seq + g.len);
		}
		largest = max_of(largest, end - una);
		una = end;
		send_seg(p, .flags = ACK, .seq = 1, .ack = una);
	}
	return largest;
}

/* The peer's stream, as fast as the windows let it; returns the largest window. */
static uint32_t upload(struct kit_peer *p)
{
	uint32_t at = 1, edge = 1 + 60000, largest = 0;

	while (at < BULK + 1) {
		uint32_t left = min_of(edge - at, BULK + 1 - at), n = min_of(left, 1448u);

		if (n)
			send_seg(p, .flags = ACK, .seq = at, .ack = BULK + 1, .len = n);
		else
			kit_advance(p->k, 50 * MS); /* a delayed ACK */
		at += n;
		while (kit_has(p->k)) {
			struct seg g = kit_take(p);
			uint32_t win = (uint32_t)g.win << p->peer_ws;

			edge = seq_max(edge, g.ack + win);
			largest = max_of(largest, win);
		}
	}
	kit_advance(p->k, 50 * MS);
	kit_drain(p->k);
	return largest;
}

static void T_17_scale_0_is_not_no_scale(void **s)
{
	struct kit *k = *s;

	k->tcp.rcvbuf = 1 << 20;
	listen_as(k, 81, TCP_COOKIES_ALWAYS, 0);
	for (unsigned int ws = 0; ws < 2; ws++) {
		struct kit_peer *p = peer_of(k, 81, OFFER_TS | OFFER_SACK | (ws ? OFFER_WS : 0));
		uint32_t window;
		uint64_t start;

		p->ws = 0;
		kit_syn(p);
		synack(p);
		assert_int_equal(p->ws_agreed, ws);
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
		kit_drain(k);
		start = k->now;
		assert_in_range(download(p), 65535 - 1448, 65535);
		window = upload(p);
		assert_int_equal(p->app.rx, BULK);
		assert_true(ws ? window > 65535 : window <= 65535);
		assert_true(k->now - start < 2 * SEC);
		assert_int_equal(kit_ctr(k, CTR_RTO_FIRED), 0);
		send_seg(p, .flags = RST, .seq = BULK + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(SYN_01_memory_is_capped),
		KIT_TEST(cap_without_cookies),
		KIT_TEST(SYN_02_real_clients_in_a_flood),
		KIT_TEST(SYN_03_lifetime),
		KIT_TEST(SYN_04_no_cookie_out_none_tested),
		KIT_TEST(SYN_04_a_cookie_opens_once),
		KIT_TEST(SYN_05_options_in_the_timestamp),
		KIT_TEST(SYN_05_tsval_is_not_ahead_of_the_clock),
		KIT_TEST(SYN_06_made_of_the_ack_alone),
		KIT_TEST(SYN_06_largest_mss_not_above_the_offer),
		KIT_TEST(SYN_07_no_amplification),
		KIT_TEST(SYN_08_exempt),
		KIT_TEST(SYN_08_first_sample),
		KIT_TEST(SYN_08_first_timeout),
		KIT_TEST(pressure_refuses_evenly),
		KIT_TEST(pressure_refuses_before_it_looks),
		KIT_TEST(a_glance_refuses_evenly),
		KIT_TEST(a_glance_refuses_what_has_no_sum),
		KIT_TEST(a_glance_refuses_before_it_looks),
		KIT_TEST(a_glance_takes_out_of_a_burst),
		KIT_TEST(T_16_window_after_a_cookie),
		KIT_TEST(T_17_scale_0_is_not_no_scale),
	};

	return KIT_RUN("cookie", tests);
}
