/*
 * Active opens: the engine is the client, and a kit_peer is scripted as the server's side. What is
 * the peer's port and address stays so; dport is the engine's port, learnt from its SYN.
 */
#include "kit.h"

static void make_client(struct kit *k)
{
	struct listener *l = &k->listeners[k->n_listeners];

	assert_true(k->n_listeners < ARRAY_SIZE(k->listeners));
	*l = (struct listener){.handler = &kit_handler, .settings = k, .tcp = k->tcp,
			       .local = LISTENER_ANY};
	listener_prepare(l);
	k->client = engine_client(k->e, l);
	assert_true(k->client >= 0);
	k->versions[k->n_listeners++] = k->client;
	k->has_client = true;
}

int kit_connect_from(struct kit_peer *p, uint32_t local, uint16_t port)
{
	struct kit_app *app = &p->app;
	struct engine_connect req = {.remote_port = p->port, .local = local, .local_port = port,
				     .ctx = (uintptr_t)app};
	int err;

	kit_start(p->k);
	if (!p->k->has_client)
		make_client(p->k);
	req.version = p->k->client;
	memcpy(req.remote, p->addr, 16);
	err = engine_connect(p->k->e, &req, p->k->now, &app->id);
	if (!err) {
		assert_false(app->pending);
		app->pending = true;
		app->connects++;
		kit_app_reset(app);
		p->iss_known = false;
		if (port)
			p->dport = port;
	}
	kit_turn(p->k);
	return err;
}

struct seg kit_take_syn(struct kit_peer *p)
{
	const struct tcp_hdr *th;
	struct seg s;
	uint8_t ecn;

	assert_true(kit_has(p->k));
	th = kit_tcp(p->k->queue[p->k->q_head].bytes);
	assert_non_null(th);
	p->dport = be16(th->sport);
	p->iss_known = false;
	ecn = th->flags & (ECE | CWR);
	assert_true(!ecn || p->k->tcp.ecn_connect);
	s = expect(p, .flags = SYN | ecn, .seq = 0);
	assert_true(s.opts.flags & TCP_OPTS_MSS);
	p->ts = p->offer & OFFER_TS && s.opts.flags & TCP_OPTS_TS;
	p->sack_agreed = p->offer & OFFER_SACK && s.opts.flags & TCP_OPTS_SACK_OK;
	p->ws_agreed = p->offer & OFFER_WS && s.opts.flags & TCP_OPTS_WSCALE;
	p->peer_ws = p->ws_agreed ? s.opts.wscale : 0;
	return s;
}

struct seg kit_connect(struct kit_peer *p)
{
	assert_int_equal(kit_connect_from(p, LISTENER_ANY, 0), 0);
	kit_arp(p->k);
	return kit_take_syn(p);
}

struct tcp_opts kit_answer_opts(const struct kit_peer *p)
{
	struct tcp_opts o = {.mss = p->mss, .wscale = p->ws, .tsecr = p->ts_recent,
			     .tsval = p->ts_base + ms_of(p->k->now)};

	if (!(p->offer & OFFER_NO_MSS))
		o.flags |= TCP_OPTS_MSS;
	if (p->ts)
		o.flags |= TCP_OPTS_TS;
	if (p->sack_agreed)
		o.flags |= TCP_OPTS_SACK_OK;
	if (p->ws_agreed)
		o.flags |= TCP_OPTS_WSCALE;
	return o;
}

void kit_accept(struct kit_peer *p)
{
	send_seg(p, .flags = SYN | ACK, .seq = 0, .ack = 1, .opts = kit_answer_opts(p));
}

void kit_active(struct kit_peer *p)
{
	unsigned int opens = p->app.opens;

	kit_connect(p);
	kit_accept(p);
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.opens, opens + 1);
}
