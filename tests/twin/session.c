/*
 * A session: what the engines are, who is there, and what happens step by step, all drawn from the seed.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "algo/cc.h"
#include "handlers/handlers.h"
#include "twin.h"

static const struct {
	uint16_t port;
	const struct pier_handler *handler;
} services[TWIN_LISTENERS] = {
	{80, &handler_http}, {7, &handler_echo}, {9, &handler_discard}, {19, &handler_chargen}, {1000, &app_handler},
};

static const char *const requests[] = {
	"GET / HTTP/1.1\r\nHost: twin\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: twin\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: twin\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: twin\r\nConnection: close\r\n\r\n",
	"GET / HTTP/1.0\r\n\r\n",
	"GET /bytes/3000 HTTP/1.1\r\nHost: twin\r\n\r\n",
	"HEAD / HTTP/1.1\r\nHost: twin\r\n\r\n",
	"POST /up HTTP/1.1\r\nHost: twin\r\nContent-Length: 20\r\n\r\n01234567890123456789",
	"GET /delay/7 HTTP/1.1\r\nHost: twin\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: twin\r\nX: y\r\n\r\nGET /status/404 HTTP/1.1\r\nHost: twin\r\n\r\n",
	"NONSENSE\r\n\r\n",
};

/* ---- what the engines are ---- */

/* Settings of http: of a few kinds, made once. */
static void *http_settings(struct rng *r)
{
	static const struct {
		const char *key, *value;
	} kinds[4] = {{"requests", "1"}, {"requests", "0"}, {"body-size", "700"}, {"body-size", "5000"}};
	static void *made[ARRAY_SIZE(kinds)];
	const struct option_table *table = handler_http.options;
	const unsigned int i = below(r, ARRAY_SIZE(kinds));
	char err[256];

	if (!made[i]) {
		made[i] = calloc(1, table->size);
		option_defaults(table, made[i]);
		if (!option_parse(option_find(table, kinds[i].key), made[i], kinds[i].value, err, sizeof(err)) ||
		    !handler_http.setup(made[i], err, sizeof(err)))
			abort();
	}
	return made[i];
}

static void draw_options(struct rng *r, struct tcp_options *o)
{
	static const uint64_t bufs[] = {65535, 65535, 262144, 1 << 20, 16384, 4096};

	option_defaults(&tcp_option_table, o);
	o->rcvbuf_initial = PICK(r, bufs);
	o->rcvbuf = PICK(r, bufs);
	o->sndbuf = chance(r, 600) ? 1 << 20 : PICK(r, bufs);
	o->congestion = below(r, 2);
	o->nagle = chance(r, 100);
	o->delack = chance(r, 700) ? 40 * MS : between(r, 1, 300) * MS;
	o->burst = chance(r, 700) ? 64 : between(r, 2, 8);
	o->rto_min = chance(r, 700) ? 200 * MS : between(r, 5, 1000) * MS;
	o->abe = chance(r, 200);
	o->abc_limit = between(r, 1, 2);
	o->timestamps = chance(r, 900);
	o->sack = chance(r, 900);
	o->window_scale = chance(r, 900);
	o->keepalive = chance(r, 150);
	o->keepalive_idle = between(r, 1, 60) * SEC;
	o->fin_wait2 = between(r, 1, 60) * SEC;
	o->persist_timeout = chance(r, 100) ? between(r, 1, 60) * SEC : o->persist_timeout;
	o->min_progress = chance(r, 50) ? between(r, 100, 100000) : 0;
	o->syn_cookies = chance(r, 60) ? TCP_COOKIES_ALWAYS : TCP_COOKIES_AUTO;
	o->dscp = chance(r, 100) ? below(r, 64) : 0;
}

/* Few faults, but for all: what they make of a connection is not to matter. */
static void draw_chaos(struct rng *r, struct chaos *set)
{
	static const enum chaos_kind kinds[] = {CHAOS_WINDOW, CHAOS_RESET_AFTER, CHAOS_RESET_TIME, CHAOS_HALF_CLOSE,
						CHAOS_DUPLICATE, CHAOS_REORDER, CHAOS_SHRINK, CHAOS_BAD_TCP_SUM};
	static const uint64_t values[] = {3000, 20000, 200 * MS, 50 * MS, 5, 4, 6, 7};
	const unsigned int i = below(r, ARRAY_SIZE(kinds));

	*set = (struct chaos){.seed = rng_next(r), .kinds = 1u << kinds[i]};
	set->fault[kinds[i]].share = chance(r, 500) ? CHAOS_MILLION : CHAOS_MILLION / 2;
	set->fault[kinds[i]].value = values[i];
}

static void draw_port(struct rng *r, struct side *s)
{
	static const uint16_t below_sizes[] = {PKT_COPY_BELOW, PKT_COPY_BELOW, 1, 200, 1400, 9000};
	static const uint8_t modes[] = {PKT_TX_COPIES, PKT_TX_COPIES, PKT_TX_HOLDS, PKT_TX_GIVES_AWAY};

	s->cap = (struct pkt_port){.mac = {2, 0, 0, 0, 0, 2}, .mtu = chance(r, 800) ? 1500 : 1400,
				   .copy_below = PICK(r, below_sizes), .tx_mode = PICK(r, modes),
				   .flags = chance(r, 800) ? PKT_TX_MULTI_SEG : 0};
	if (chance(r, 400))
		s->cap.flags |= PKT_TX_IP_CSUM | PKT_TX_TCP_CSUM;
	s->late = chance(r, 500);
	s->port = (struct engine_port){
		.neighbor = chance(r, 700) ? ENGINE_NEIGHBOR_REFLECT : ENGINE_NEIGHBOR_RESOLVE,
	};
	s->cap.mtu += s->tw->v6 ? IP6_HDR_LEN - IP4_HDR_LEN : 0; /* segments are as long */
	s->addr = (struct engine_address){.prefix = s->tw->v6 ? 64 : 24};
	twin_host(s->tw, s->addr.addr, TWIN_SERVER);
}

static void draw_side(struct twin *tw, struct side *s)
{
	struct rng *r = &tw->r;

	draw_port(r, s);
	s->little = chance(r, 100);
	s->conf = (struct engine_config){
		.max_connections = chance(r, 900) ? 32 : 3, .max_half_open = 8, .max_time_wait = 8,
		.max_orphans = chance(r, 100) ? 1 : 0, .time_wait_us = 60 * SEC,
		.block_bytes = s->little ? 256 * KIB : 16 * MIB,
		.max_paths = 16, .max_neighbors = 16, .reassembly_bytes = 64 * KIB,
		.rst_rate = 1000, .icmp_rate = 100,
		.mbuf_share = chance(r, 250) ? between(r, 32, chance(r, 500) ? 48 : 256) : 0,
	};
	for (unsigned int i = 0; i < sizeof(s->conf.secret); i++)
		s->conf.secret[i] = (uint8_t)rng_next(r);
	for (unsigned int i = 0; i < TWIN_LISTENERS; i++) {
		struct listener *l = &s->listener[i];

		*l = (struct listener){.handler = services[i].handler, .local = LISTENER_ANY,
				       .port_lo = services[i].port, .port_hi = services[i].port};
		draw_options(r, &l->tcp);
		if (l->handler == &handler_http)
			l->settings = http_settings(r);
		else if (l->handler == &app_handler)
			l->settings = s;
		if (chance(r, 40)) {
			draw_chaos(r, &s->chaos[i]);
			l->chaos = &s->chaos[i];
			engine_misbehave(l);
		}
	}
}

static void draw_clients(struct twin *tw)
{
	struct rng *r = &tw->r;
	const unsigned int only = chance(r, 600) ? below(r, TWIN_LISTENERS + 1) : TWIN_LISTENERS;

	tw->n_clients = between(r, 1, TWIN_CLIENTS);
	for (unsigned int i = 0; i < tw->n_clients; i++) {
		struct client *c = &tw->client[i];
		unsigned int service = only < TWIN_LISTENERS ? only : below(r, TWIN_LISTENERS);

		*c = (struct client){.tw = tw, .i = i, .dport = services[service].port};
		c->text = service == 0 ? PICK(r, requests) : NULL;
		c->text_len = c->text ? (uint32_t)strlen(c->text) : 0;
		client_draw(c);
	}
}

static void draw(struct twin *tw)
{
	static const uint32_t odds[] = {0, 10, 30, 100, 300}, losses[] = {0, 0, 20, 100, 300},
			      fars[] = {5, 20, 100, 300};
	static const uint64_t starts[] = {1000 * SEC, 1000 * SEC, 4289967296, 4294962296000};
	struct rng *r = &tw->r;

	tw->start = tw->now = PICK(r, starts) + below(r, 100000);
	tw->odd = PICK(r, odds);
	tw->loss = PICK(r, losses);
	tw->far = PICK(r, fars);
	tw->narrow = chance(r, 150);
	tw->vouched = chance(r, 400);
	tw->n_burst = tw->step = 0;
	for (int i = 0; i < 2; i++) {
		struct rng same = *r;

		draw_side(tw, &tw->side[i]);
		if (i == 0)
			*r = same;
	}
	draw_clients(tw);
}

/* ---- the engines' turns ---- */

static bool pull(struct twin *tw)
{
	const unsigned int max = tw->narrow ? between(&tw->r, 1, 4) : TWIN_OUT_MAX;

	for (int i = 0; i < 2; i++)
		side_output(&tw->side[i], max);
	compare_frames(tw);
	for (unsigned int i = 0; i < tw->side[0].n_out; i++)
		client_take(tw, &tw->side[0].out[i]);
	return tw->side[0].n_out;
}

static void input(struct twin *tw)
{
	const unsigned int n = tw->n_burst;

	tw->packets_in += n;
	for (int i = 0; i < 2; i++)
		side_input(&tw->side[i], tw->burst, tw->cut, n);
	tw->n_burst = 0;
	compare_state(tw);
}

void twin_turn(struct twin *tw)
{
	unsigned int turns = 0;
	bool more;

	do {
		if (tw->n_burst)
			input(tw);
		if (chance(&tw->r, 300))
			tw->now += below(&tw->r, 10);
		more = pull(tw);
		for (int i = 0; i < 2; i++)
			side_tick(&tw->side[i]);
		compare_state(tw);
		if (turns++ > 2000)
			differ(tw, "they never rest");
	} while (more || tw->n_burst || engine_next(tw->side[0].e, tw->now) <= tw->now ||
		 engine_next(tw->side[1].e, tw->now) <= tw->now);
}

static void wait_for(struct twin *tw, uint64_t us)
{
	const uint64_t until = tw->now + us;

	while (tw->now < until) {
		const uint64_t a = engine_next(tw->side[0].e, tw->now), b = engine_next(tw->side[1].e, tw->now);

		tw->now = min_of(a, b);
		tw->now = min_of(tw->now, until);
		twin_turn(tw);
	}
}

/* ---- what happens ---- */

static uint32_t room_of(const struct client *c)
{
	return seq_gt(c->edge, c->nxt) ? c->edge - c->nxt : 0;
}

/* How much comes next: a request, or whatever; what the window takes. */
static uint32_t some_data(struct client *c)
{
	struct rng *r = &c->tw->r;
	uint32_t len, at = c->nxt - c->isn - 1;

	if (c->text && !chance(r, 100))
		len = (c->text_len - at % c->text_len) + (chance(r, 100) ? c->text_len : 0);
	else
		len = chance(r, 400) ? client_mss(c) : between(r, 1, chance(r, 500) ? 50 : 1460);
	len = min_of(len, client_mss(c));
	return min_of(len, room_of(c));
}

/* Acknowledge no more than a part of what came. */
static void ack_less(struct client *c, struct segment *s)
{
	s->ack = c->acked + below(&c->tw->r, c->rcv_nxt - c->acked + 1);
}

static void add_sacks(struct client *c, struct segment *s)
{
	if (!c->sack || s->ack != c->rcv_nxt)
		return;
	s->n_sack = min_of(c->n_ooo, c->ts ? 3u : 4u);
	memcpy(s->sack, c->ooo, s->n_sack * sizeof(*s->sack));
}

/* As a TCP would. */
static void usual(struct client *c)
{
	struct rng *r = &c->tw->r;
	struct segment s = client_next(c, 0);
	unsigned int n = 1;

	switch (below(r, 20)) {
	case 0 ... 9:
		s.len = some_data(c);
		break;
	case 10 ... 12:
		n = between(r, 2, 8);
		break;
	case 13:
		if (chance(r, 300))
			s.flags |= TCP_FIN;
		s.len = chance(r, 500) ? some_data(c) : 0;
		break;
	case 14: /* sent again, from somewhere on */
		if (seq_gt(c->nxt, c->una)) {
			s.seq = c->una;
			s.len = min_of(c->nxt - c->una - c->fin_sent, client_mss(c));
			if (c->fin_sent && s.seq + s.len + 1 == c->nxt)
				s.flags |= TCP_FIN;
		}
		break;
	case 15:
		ack_less(c, &s);
		s.len = chance(r, 500) ? some_data(c) : 0;
		break;
	default:
		break; /* an ACK */
	}
	if (c->fin_sent && s.seq == c->nxt)
		s.len = 0, s.flags &= (uint8_t)~TCP_FIN;
	if (s.len)
		s.flags |= TCP_PSH;
	c->fin_sent |= !!(s.flags & TCP_FIN);
	add_sacks(c, &s);
	if (c->ece && chance(r, 900))
		s.flags |= TCP_ECE;
	if (n == 1) {
		client_send(c, &s);
		return;
	}
	for (; n && !c->fin_sent; n--) {
		s = client_next(c, min_of(client_mss(c), room_of(c)));
		if (!s.len)
			break;
		s.flags = n == 1 ? TCP_ACK | TCP_PSH : TCP_ACK;
		client_send(c, &s);
	}
}

/* One thing that is not as it should be. */
static void twist(struct client *c, struct segment *s)
{
	struct rng *r = &c->tw->r;

	switch (below(r, 24)) {
	case 0: /* a gap */
		s->seq += between(r, 1, 3000);
		break;
	case 1: /* in part, or all of it, old */
		s->seq -= between(r, 1, min_of(3000u, c->nxt - c->isn));
		break;
	case 2:
		s->ack += between(r, 1, 5000);
		break;
	case 3:
		s->ack -= between(r, 1, 5000);
		break;
	case 4:
		s->ts_off = chance(r, 500) ? -(int32_t)between(r, 1, 5000) : (int32_t)between(r, 1, 5000);
		break;
	case 5:
		s->echo_off = (int32_t)between(r, 1, chance(r, 500) ? 50 : 5000);
		s->echo_off = chance(r, 700) ? -s->echo_off : s->echo_off;
		break;
	case 6:
		s->no_ts = c->ts;
		s->any_ts = !c->ts;
		break;
	case 7:
		s->flags ^= (uint8_t)(1u << below(r, 8));
		break;
	case 8:
		s->flags = chance(r, 500) ? TCP_RST : TCP_RST | TCP_ACK;
		s->seq += chance(r, 500) ? 0 : between(r, 1, 100);
		break;
	case 9:
		c->win = chance(r, 400) ? 0 : between(r, 1, 65535u << c->shift);
		s->win = c->win;
		break;
	case 10:
		s->win = below(r, 3000);
		break;
	case 11: { /* SACK of what may have come, or not */
		const uint32_t left = c->rcv_nxt + below(r, 3000);

		s->n_sack = 1;
		s->sack[0] = (struct range){left, left + below(r, 3000)};
		break;
	}
	case 12: /* D-SACK */
		s->n_sack = 1;
		s->sack[0] = (struct range){s->ack - between(r, 1, 1460), s->ack};
		break;
	case 13:
		s->ce = 3;
		break;
	case 14:
		s->ce = 2;
		s->flags |= chance(r, 500) ? TCP_CWR : TCP_ECE;
		break;
	case 15:
		s->flags |= TCP_URG;
		s->urg = (uint16_t)between(r, 0, 2000);
		break;
	case 16:
		s->dscp = (uint8_t)below(r, 64);
		break;
	case 17: /* up to the edge of the window, or beyond */
		s->len = chance(r, 600) ? room_of(c) + below(r, 3) : between(r, 0, 1460);
		break;
	case 18:
		s->flags |= TCP_FIN;
		break;
	case 19:
		c->win = 65535u << c->shift;
		s->win = c->win;
		break;
	case 20:
		s->flags &= (uint8_t)~TCP_ACK;
		break;
	case 21:
		s->seq = c->rcv_nxt;
		break;
	case 22:
		s->ack = c->rcv_nxt + 1; /* a probe's octet, or our FIN's */
		break;
	default:
		s->ack -= 1;
	}
}

static void strange(struct client *c)
{
	struct rng *r = &c->tw->r;
	struct segment s = client_next(c, chance(r, 600) ? some_data(c) : 0);

	do {
		twist(c, &s);
	} while (chance(r, 300));
	if (s.flags & TCP_SYN)
		s.len = 0;
	if (!c->sack && !chance(r, 100))
		s.n_sack = 0;
	s.len = min_of(s.len, client_mss(c) - (s.n_sack ? 36 : 0));
	c->fin_sent |= s.flags & TCP_FIN && seq_geq(s.seq + s.len + 1, c->nxt);
	client_send(c, &s);
	if (chance(r, 150))
		client_send(c, &s);
}

static void speak(struct client *c)
{
	struct rng *r = &c->tw->r;
	struct segment s;

	if (c->gone || (c->fin_sent && c->fin_seen && chance(r, 300))) {
		if (chance(r, 500)) {
			s = client_next(c, 0);
			if (c->up)
				client_send(c, &s); /* to whom it may concern */
		}
		client_draw(c);
		return;
	}
	if (!c->up) {
		client_syn(c, c->syn_sent);
		return;
	}
	if (chance(r, c->tw->odd))
		strange(c);
	else
		usual(c);
}

/* Beside segments. */
static void meddle(struct twin *tw)
{
	static const uint16_t mtus[] = {1400, 1200, 600, 576, 300, 68, 0, 1500};
	struct rng *r = &tw->r;
	const struct tcp *t = engine_tcp(tw->side[0].e);
	uint32_t index, what, arg;

	switch (below(r, 8)) {
	case 0 ... 5:
		if (!t->conn_pool.fresh)
			break;
		index = 1 + below(r, t->conn_pool.fresh);
		what = chance(r, 700);
		arg = (uint32_t)rng_next(r);
		for (int i = 0; i < 2; i++) {
			side_turn(&tw->side[i]);
			app_poke(&tw->side[i], index, what, arg);
		}
		compare_state(tw);
		break;
	case 6:
		index = below(r, tw->n_clients);
		arg = PICK(r, mtus);
		if (tw->v6 && chance(r, 700)) /* what is less is not heard */
			arg = between(r, IP6_MTU_MIN, 1520);
		client_too_big(&tw->client[index], (uint16_t)arg);
		break;
	default:
		if (!chance(r, 200))
			break;
		arg = tw->v6 ? between(r, IP6_MTU_MIN, 1520) : between(r, 1000, 1500);
		for (int i = 0; i < 2; i++) {
			side_turn(&tw->side[i]);
			tw->side[i].cap.mtu = (uint16_t)arg;
			engine_port_mtu(tw->side[i].e, 0);
		}
	}
}

/*
 * So long that a clock of 32 bits has gone half round, or all round, and stands where it stood, or nearly: in us or
 * ms. Or TS.Recent is too old.
 */
static uint64_t half_a_clock(struct rng *r)
{
	static const uint64_t rounds[] = {1ull << 31, 1ull << 32, (1ull << 31) * MS, (1ull << 32) * MS};

	return chance(r, 300) ? 25 * DAY : PICK(r, rounds) + below(r, 100 * MS) - 50 * MS;
}

static uint64_t some_time(struct twin *tw)
{
	struct rng *r = &tw->r;

	if (!chance(r, tw->far))
		return chance(r, 700) ? below(r, 300) : below(r, 6 * MS);
	switch (below(r, 12)) {
	case 0 ... 5:
		return between(r, 10, 100) * MS;
	case 6 ... 8:
		return between(r, 100, 1500) * MS;
	case 9:
		return between(r, 1, 10) * SEC;
	case 10:
		return between(r, 10, 130) * SEC;
	default:
		return chance(r, 500) ? half_a_clock(r) : between(r, 1, 600) * MS;
	}
}

static void step(struct twin *tw)
{
	struct rng *r = &tw->r;
	unsigned int n = chance(r, 750) ? 1 : between(r, 1, 6);

	while (n-- && tw->n_burst < ENGINE_BURST_MAX - 20)
		speak(&tw->client[below(r, tw->n_clients)]);
	if (chance(r, 40))
		meddle(tw);
	twin_turn(tw);
	wait_for(tw, some_time(tw));
}

/* Both end, whatever comes of it. */
static const char *finish(struct twin *tw)
{
	const char *a = side_close(&tw->side[0]), *b = side_close(&tw->side[1]);

	return a ? a : b;
}

bool twin_run(struct twin *tw, uint64_t seed)
{
	const char *wrong;
	unsigned int steps;

	tw->seed = seed;
	tw->r = (struct rng){seed * 0x9e3779b97f4a7c15ull};
	tw->v6 = seed % 2;
	draw(tw);
	for (int i = 0; i < 2; i++)
		side_open(&tw->side[i]);
	if (setjmp(tw->failed)) {
		finish(tw);
		return false;
	}
	steps = between(&tw->r, 20, 100);
	for (tw->step = 0; tw->step < steps; tw->step++)
		step(tw);
	compare_state(tw);
	wrong = finish(tw);
	if (wrong)
		printf("seed %" PRIu64 ": %s\n", seed, wrong);
	return !wrong;
}
