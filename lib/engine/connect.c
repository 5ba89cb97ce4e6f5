/*
 * Active opens: what a request asks for is checked and completed here (source address, local port,
 * path), before anything is sent; what follows is TCP's.
 */
#include <errno.h>
#include <string.h>

#include "engine_priv.h"
#include "tcp/connect.h"

#define TIME_WAIT_REST_MS 1000 /* until the timestamp clock has surely moved: RFC 6191 section 2 */

/* A tuple to be completed by a port, and what stands under it in TIME-WAIT. */
struct choice {
	struct tcp *t;
	const struct engine *e;
	struct flow_tuple tuple;
	struct tcp_time_wait *old; /* NULL: nothing */
	bool timestamps;           /* the new connection will offer them */
};

static bool may_reuse(const struct choice *ch, const struct tcp_time_wait *tw)
{
	uint32_t entered = tw->expiry - ch->t->time_wait_ms;

	return ch->timestamps && tw->agreed & TCP_AGREED_TS && !tw->replacing &&
	       ch->t->now_ms - entered >= TIME_WAIT_REST_MS;
}

/* Whether a connection may take ch's tuple; sets old. */
static bool tuple_free(struct choice *ch)
{
	struct tcp *t = ch->t;
	uint32_t entry = tcp_entry_of(t, &ch->tuple, flow_hash(&t->flow_key, &ch->tuple));

	ch->old = NULL;
	if (entry == FLOW_NONE)
		return true;
	if (flow_entry_type(entry) != FLOW_TIME_WAIT)
		return false;
	ch->old = &t->small[flow_entry_index(entry)].tw;
	return may_reuse(ch, ch->old);
}

/* Where several workers share the addresses, the answers have to come to this one. */
static bool comes_home(const struct choice *ch)
{
	const struct engine_peers *p = ch->e->peers;
	const struct net_addr *own = &ch->e->net.addrs[ch->tuple.local];

	if (likely(!p))
		return true;
	return p->comes_home(p->arg, own->port, ch->tuple.remote, own->ip, ch->tuple.remote_port,
			     ch->tuple.local_port);
}

/* A port that listens is left to its listener. */
static bool port_usable(void *arg, uint16_t port)
{
	struct choice *ch = arg;

	ch->tuple.local_port = be16(port);
	return comes_home(ch) && tcp_listener_find(ch->t, ch->tuple.local, port) < 0 &&
	       tuple_free(ch);
}

static int choose_port(struct choice *ch, const struct engine_connect *req,
		       const struct tcp_options *o)
{
	uint32_t lo = min_of(o->port_low, o->port_high), hi = max_of(o->port_low, o->port_high);

	if (req->local_port) {
		ch->tuple.local_port = be16(req->local_port);
		if (!comes_home(ch))
			return -EADDRNOTAVAIL;
		if (tuple_free(ch))
			return 0;
		return ch->old ? -EAGAIN : -EADDRINUSE;
	}
	ch->tuple.local_port = 0;
	if (!ports_pick(&ch->t->ports, &ch->tuple, sizeof(ch->tuple), (uint16_t)lo, (uint16_t)hi,
			port_usable, ch))
		return -EADDRNOTAVAIL;
	return 0;
}

/* Once, before the first SYN, and for the connection's life (RFC 9293 section 3.9.1.1). */
static int choose_local(struct choice *ch, const struct net *n, const struct engine_connect *req)
{
	int32_t local;

	if (req->local != LISTENER_ANY) {
		ch->tuple.local = req->local;
		if (!net_local_ok(n, req->local))
			return -EADDRNOTAVAIL;
		return n->addrs[req->local].v6 == !net_v4_mapped(req->remote) ? 0 : -ENETUNREACH;
	}
	local = net_source_for(n, req->remote);
	ch->tuple.local = (uint32_t)local;
	return local < 0 ? -ENETUNREACH : 0;
}

static void set_context(struct tcp *t, struct tcp_conn *c, uint64_t ctx)
{
	uint32_t size = t->version[c->version].listener->handler->ctx_size;

	if (size)
		memcpy(tcp_ctx(t, c), &ctx, min_of(size, (uint32_t)sizeof(ctx)));
}

static int begin(struct engine *e, struct choice *ch, int version,
		 const struct engine_connect *req, uint64_t *id)
{
	struct tcp *t = &e->tcp;
	int32_t path = net_path_for(&e->net, e->net.addrs[ch->tuple.local].port, ch->tuple.local,
				    req->remote, NULL, t->now);
	struct tcp_conn *c;

	if (path < 0)
		return -ENETUNREACH;
	c = tcp_connect(t, &ch->tuple, (uint32_t)path, version,
			ch->old ? ch->old->snd_nxt : 0, ch->old);
	if (!c)
		return -ENOMEM;
	if (ch->old) {
		count(t->ctr, CTR_TIME_WAIT_REUSED);
		tcp_time_wait_free(t, ch->old);
	}
	set_context(t, c, req->ctx);
	*id = tcp_conn_id(t, c);
	return 0;
}

static int connect_by(struct engine *e, const struct tcp_version *v,
		      const struct engine_connect *req, uint64_t *id)
{
	const struct tcp_options *o = &v->listener->tcp;
	struct choice ch = {.t = &e->tcp, .e = e, .timestamps = o->timestamps};
	int err;

	if (e->tcp.draining)
		return -ESHUTDOWN;
	if (!req->remote_port || !net_destination_ok(&e->net, req->remote))
		return -EINVAL;
	memcpy(ch.tuple.remote, req->remote, sizeof(ch.tuple.remote));
	ch.tuple.remote_port = be16(req->remote_port);
	err = choose_local(&ch, &e->net, req);
	if (!err)
		err = choose_port(&ch, req, o);
	return err ? err : begin(e, &ch, (int)(v - e->tcp.version), req, id);
}

int engine_connect(struct engine *e, const struct engine_connect *req, uint64_t now, uint64_t *id)
{
	const struct tcp_version *v = engine_version_of(&e->tcp, req->version);

	engine_set_time(e, now);
	if (!v || !v->open)
		return -EINVAL;
	return connect_by(e, v, req, id);
}

bool engine_local_ok(const struct engine *e, uint32_t local)
{
	return net_local_ok(&e->net, local);
}

bool engine_clash(const struct engine *e, uint32_t from, struct engine_clash *clash)
{
	for (uint32_t i = from; i < e->net.n_addrs; i++) {
		const struct net_clash *c = &e->net.clashes[i];

		if (!c->claimed)
			continue;
		*clash = (struct engine_clash){.local = i, .used = !c->given_up};
		memcpy(clash->mac, c->mac, sizeof(clash->mac));
		return true;
	}
	return false;
}

/* The index of a local address as a handler names it; -1: it is none of ours. */
static int64_t local_index(const struct net *n, const uint8_t addr[16])
{
	static const uint8_t any[16];

	if (memcmp(addr, any, sizeof(any)) == 0)
		return LISTENER_ANY;
	for (uint32_t i = 0; i < n->n_addrs; i++)
		if (!memcmp(n->addrs[i].ip, addr, sizeof(n->addrs[i].ip)))
			return i;
	return -1;
}

int engine_call_connect(struct pier_conn *from, const struct pier_connect *to, uint64_t *id)
{
	struct engine *e = from->host;
	const struct tcp_conn *c = &e->tcp.conn[(uint32_t)from->id];
	int64_t local = local_index(&e->net, to->local_addr);
	int err;
	struct engine_connect req = {
		.remote_port = to->remote_port,
		.local = (uint32_t)local,
		.local_port = to->local_port,
		.ctx = to->ctx,
	};

	if (local < 0)
		return -EADDRNOTAVAIL;
	memcpy(req.remote, to->remote_addr, sizeof(req.remote));
	err = connect_by(e, &e->tcp.version[c->version], &req, id);
	return err == -EAGAIN ? -EADDRINUSE : err;
}
