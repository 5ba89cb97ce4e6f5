/*
 * Making an engine: its memory laid out by the contract, its rooms initialised, its listeners.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine_priv.h"
#include "tcp/deadline.h"
#include "tcp/share.h"

#define LOAD_WHEEL 4 /* entries per record, dead ones included; the region is sparse */
#define NET_HELD   1024
#define RST_BURST  1000
#define ECHO_RATE  100000
#define GENERATIONS 32768 /* of versions in one place: with it a version number is an int */
#define NET_PMTUS  4096 /* 32 bytes each */

static uint32_t table_entries(const struct engine_config *cfg)
{
	return cfg->max_connections + cfg->max_half_open + cfg->max_time_wait;
}

static uint32_t small_records(const struct engine_config *cfg)
{
	return cfg->max_half_open + cfg->max_time_wait;
}

static uint64_t round_up(uint64_t v, uint64_t to)
{
	return (v + to - 1) / to * to;
}

/* The first page of a slab is never handed out. */
static uint64_t block_region(const struct engine_config *cfg)
{
	return round_up(cfg->block_bytes, SLAB_PAGE) + SLAB_PAGE;
}

static_assert((int)ENGINE_ANNOUNCE_OFF == (int)NET_ANNOUNCE_OFF &&
	      (int)ENGINE_ANNOUNCE == (int)NET_ANNOUNCE &&
	      (int)ENGINE_ANNOUNCE_PROBE == (int)NET_ANNOUNCE_PROBE &&
	      (int)ENGINE_ANNOUNCE_AWAIT == (int)NET_ANNOUNCE_AWAIT &&
	      (int)ENGINE_ANNOUNCE_AWAIT6 == (int)NET_ANNOUNCE_AWAIT6, "handed on as it is");

static void net_config(const struct engine_config *cfg, struct net_conf *conf,
		       struct net_port_conf *ports, struct net_addr_conf *addrs)
{
	for (unsigned int i = 0; i < cfg->n_ports; i++)
		ports[i] = (struct net_port_conf){
			.id = cfg->ports[i].id,
			.neighbor = cfg->ports[i].neighbor == ENGINE_NEIGHBOR_REFLECT ?
				NET_REFLECT : NET_RESOLVE,
			.announce = (uint8_t)cfg->ports[i].announce,
			.gateway = cfg->ports[i].gateway,
			.port = cfg->ports[i].cap,
		};
	for (unsigned int i = 0; i < cfg->n_ports; i++)
		memcpy(ports[i].gateway6, cfg->ports[i].gateway6, sizeof(ports[i].gateway6));
	for (unsigned int i = 0; i < cfg->n_addresses; i++) {
		addrs[i] = (struct net_addr_conf){
			.port = cfg->addresses[i].port,
			.prefix = cfg->addresses[i].prefix,
		};
		memcpy(addrs[i].addr, cfg->addresses[i].addr, sizeof(addrs[i].addr));
	}
	*conf = (struct net_conf){
		.ports = ports,
		.n_ports = cfg->n_ports,
		.addrs = addrs,
		.n_addrs = cfg->n_addresses,
		.paths = max_of(cfg->max_paths, cfg->max_neighbors),
		.held = NET_HELD,
		.pmtu_entries = NET_PMTUS,
		.worker = cfg->worker,
		.workers = cfg->workers,
		.icmp_rate = cfg->icmp_rate,
		.icmp_burst = cfg->icmp_rate / 2,
		.echo_rate = ECHO_RATE,
		.echo_burst = ECHO_RATE / 10,
		.frag_entries = max_of((uint32_t)(cfg->reassembly_bytes / 16384), 16u),
		.frag_source_entries = 16,
		.frag_bytes = cfg->reassembly_bytes,
		.frag_source_bytes = cfg->reassembly_bytes / 4,
	};
}

static uint64_t net_memory(const struct engine_config *cfg)
{
	struct net_port_conf ports[ENGINE_PORTS_MAX];
	struct net_addr_conf addrs[cfg->n_addresses + 1];
	struct net_conf conf;

	net_config(cfg, &conf, ports, addrs);
	return net_bytes(&conf);
}

void engine_size(const struct engine_config *cfg, struct engine_contract *out)
{
	uint64_t entries = table_entries(cfg);

	memset(out, 0, sizeof(*out));
	out->records = (cfg->max_connections + 1ull) * sizeof(struct tcp_conn);
	out->small_records = (small_records(cfg) + 1ull) * sizeof(union tcp_small);
	out->table = flow_table_bytes(entries);
	out->wheel = wheel_bytes(cfg->max_connections + (size_t)cfg->max_half_open);
	out->blocks = block_region(cfg);
	out->fixed = sizeof(struct engine) + net_memory(cfg) + slab_bookkeeping(out->blocks) +
		     ENGINE_LISTENERS_MAX * (sizeof(struct tcp_version) + 4) +
		     cfg->n_ports * sizeof(struct engine_queue);
	out->total = out->records + out->small_records + out->table + out->wheel + out->blocks +
		     out->fixed;
	out->per_idle_connection = sizeof(struct tcp_conn) + (double)out->table / entries +
		(double)sizeof(struct wheel_chunk) / WHEEL_CHUNK_ENTRIES / 0.8;
	out->per_time_wait = sizeof(union tcp_small) + (double)out->table / entries;
	out->block = SLAB_UNIT << TCP_BLOCK_ORDER;
	out->max_blocks = (uint32_t)(cfg->block_bytes / out->block);
}

static bool fail(char *err, size_t errlen, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, errlen, fmt, ap);
	va_end(ap);
	return false;
}

static void *take(const struct engine_config *cfg, size_t bytes, const char *what, bool *ok,
		  char *err, size_t errlen)
{
	void *p = *ok ? cfg->alloc(cfg->alloc_arg, bytes, what) : NULL;

	if (*ok && !p)
		*ok = fail(err, errlen, "no memory for %s: %zu bytes", what, bytes);
	return p;
}

static __attribute__((noinline)) void queue_full(struct engine *e, struct rte_mbuf *m)
{
	count(e->tcp.ctr, CTR_TX_QUEUE_FULL);
	rte_pktmbuf_free(m);
}

static void engine_emit(void *arg, uint16_t port, struct rte_mbuf *m)
{
	struct engine *e = arg;
	struct engine_queue *q = e->queue[port];

	if (unlikely(q->tail - q->head == ENGINE_QUEUE))
		queue_full(e, m);
	else
		q->pkt[q->tail++ & (ENGINE_QUEUE - 1)] = m;
}

static void engine_icmp_error(void *arg, const struct net_icmp_error *err)
{
	struct engine *e = arg;

	if (!e->peers || !e->peers->pass_error(e->peers->arg, err))
		tcp_icmp_error(&e->tcp, err);
}

static bool engine_tell(void *arg, const struct net_news *news)
{
	struct engine *e = arg;

	return e->peers->tell(e->peers->arg, news);
}

static bool check(const struct engine_config *cfg, char *err, size_t errlen)
{
	if (cfg->n_ports == 0 || cfg->n_ports > ENGINE_PORTS_MAX)
		return fail(err, errlen, "%u ports: expected 1 to %d", cfg->n_ports,
			    ENGINE_PORTS_MAX);
	for (unsigned int i = 0; i < cfg->n_ports; i++)
		if (cfg->ports[i].id >= ENGINE_PORTS_MAX)
			return fail(err, errlen, "port id %u: expected less than %d",
				    cfg->ports[i].id, ENGINE_PORTS_MAX);
	if (!cfg->max_connections || !cfg->max_half_open ||
	    (uint64_t)cfg->max_connections + small_records(cfg) >= FLOW_ENTRIES_MAX)
		return fail(err, errlen, "connection limits out of range");
	if (cfg->block_bytes < SLAB_PAGE)
		return fail(err, errlen, "memory for blocks: at least %u bytes", SLAB_PAGE);
	return true;
}

enum use { USE_ISN, USE_TS, USE_COOKIE, USE_NET, USE_PORT, USE_TABLE };

/* The key of one use: a function of the whole secret that tells nothing of any other key. */
static struct sip_key key_for(const uint8_t secret[64], enum use use, uint64_t nth)
{
	const uint64_t in[2] = {use, nth};
	struct sip_key part[4], key;

	memcpy(part, secret, sizeof(part));
	key.k[0] = siphash24(&part[0], in, sizeof(in)) ^ siphash24(&part[1], in, sizeof(in));
	key.k[1] = siphash24(&part[2], in, sizeof(in)) ^ siphash24(&part[3], in, sizeof(in));
	explicit_bzero(part, sizeof(part));
	return key;
}

static void set_flow_key(struct flow_key *to, const uint8_t secret[64], enum use use)
{
	struct sip_key key;

	for (uint64_t i = 0; i < ARRAY_SIZE(to->k); i += 2) {
		key = key_for(secret, use, i);
		memcpy(&to->k[i], &key, sizeof(key));
	}
	explicit_bzero(&key, sizeof(key));
}

static void set_keys(struct tcp *t, struct net_conf *conf, const uint8_t secret[64])
{
	struct sip_key key;

	t->isn_key = key_for(secret, USE_ISN, 0);
	key = key_for(secret, USE_PORT, 0);
	ports_init(&t->ports, &key);
	conf->key = key_for(secret, USE_NET, 0);
	key = key_for(secret, USE_COOKIE, 0);
	cookie_init(&t->cookies, &key, t->now);
	set_flow_key(&t->flow_key, secret, USE_TABLE);
	set_flow_key(&t->ts_key, secret, USE_TS);
	explicit_bzero(&key, sizeof(key));
}

void engine_rekey(struct engine *e, const uint8_t secret[64])
{
	struct sip_key key = key_for(secret, USE_COOKIE, 0);

	e->tcp.isn_key = key_for(secret, USE_ISN, 0);
	cookie_rekey(&e->tcp.cookies, &key);
	explicit_bzero(&key, sizeof(key));
}

void engine_port_mtu(struct engine *e, uint16_t port)
{
	net_port_mtu(&e->net, port);
	tcp_share_mtu(&e->tcp, pkt_port_mtu(e->tcp.port[port]));
}

static bool init_tables(struct engine *e, const struct engine_config *cfg, uint64_t now, char *err,
			size_t errlen)
{
	struct tcp *t = &e->tcp;
	uint64_t blocks = block_region(cfg);
	size_t wheel = wheel_bytes(((size_t)cfg->max_connections + cfg->max_half_open) *
				   LOAD_WHEEL);
	bool ok = true;
	void *table, *region, *book, *chunks;

	t->conn = take(cfg, (cfg->max_connections + 1ull) * sizeof(*t->conn), "records", &ok, err,
		       errlen);
	t->small = take(cfg, (small_records(cfg) + 1ull) * sizeof(*t->small), "small records", &ok,
			err, errlen);
	table = take(cfg, flow_table_bytes(table_entries(cfg)), "connection table", &ok, err,
		     errlen);
	region = take(cfg, blocks, "blocks", &ok, err, errlen);
	book = take(cfg, slab_bookkeeping(blocks), "block bookkeeping", &ok, err, errlen);
	chunks = take(cfg, wheel, "timing wheel", &ok, err, errlen);
	t->version = take(cfg, ENGINE_LISTENERS_MAX * sizeof(*t->version), "listeners", &ok, err,
			  errlen);
	t->any_port = take(cfg, 65536 * sizeof(*t->any_port), "port map", &ok, err, errlen);
	t->specific = take(cfg, ENGINE_LISTENERS_MAX * sizeof(*t->specific), "listener list", &ok,
			   err, errlen);
	if (!ok)
		return false;
	flow_table_init(&t->table, table, table_entries(cfg),
			max_of(cfg->max_connections, small_records(cfg)));
	slab_init(&t->slab, region, blocks, book);
	wheel_init(&t->wheel, chunks, wheel, ms_of(now));
	wheel_set_prefetch(&t->wheel, tcp_timer_bring);
	return true;
}

static void init_tcp(struct engine *e, const struct engine_config *cfg, uint64_t now)
{
	struct tcp *t = &e->tcp;

	t->now = now;
	t->now_ms = ms_of(now);
	t->within_ms = now % US_PER_MS != 0;
	t->worker = cfg->worker;
	t->ctr = cfg->counters;
	t->net = &e->net;
	t->pool = &e->pool;
	t->emit = engine_emit;
	t->emit_arg = e;
	t->conn_pool.max = cfg->max_connections;
	t->small_pool.max = small_records(cfg);
	t->max_half_open = cfg->max_half_open;
	t->max_time_wait = cfg->max_time_wait;
	t->policy.max_orphans = cfg->max_orphans;
	t->time_wait_ms = ms_of(cfg->time_wait_us);
	t->held_max = cfg->mbuf_share;
	e->ticks = cfg->ticks;
	e->ticks_per_us = cfg->ticks_per_us;
	t->mbuf_octets = min_of(e->pool.buf_len / 2u, 1448u);
	t->rcv_budget = cfg->mbuf_share ?
		(uint64_t)cfg->mbuf_share * e->pool.buf_len / 2 : UINT64_MAX;
	t->ooo_max = cfg->mbuf_share ? max_of(cfg->mbuf_share / 2, 1u) : UINT64_MAX;
	t->ready = (struct tcp_list){.head = TCP_LIST_END};
	for (unsigned int p = 0; p < TCP_PORTS_MAX; p++)
		t->out[p] = t->ready;
	for (unsigned int i = 0; i < cfg->n_ports; i++) {
		t->port[cfg->ports[i].id] = cfg->ports[i].cap;
		tcp_share_mtu(t, pkt_port_mtu(cfg->ports[i].cap));
	}
	bucket_init(&t->rst_bucket, cfg->rst_rate, min_of(cfg->rst_rate, (uint32_t)RST_BURST));
}

static bool init_net(struct engine *e, const struct engine_config *cfg, uint64_t now, char *err,
		     size_t errlen)
{
	struct net_port_conf ports[ENGINE_PORTS_MAX];
	struct net_addr_conf addrs[cfg->n_addresses + 1];
	struct net_conf conf;
	bool ok = true;
	void *mem;

	net_config(cfg, &conf, ports, addrs);
	conf.pool = &e->pool;
	conf.emit = engine_emit;
	conf.icmp_error = engine_icmp_error;
	conf.tell = cfg->peers ? engine_tell : NULL;
	conf.arg = e;
	if (!net_bytes(&conf))
		return fail(err, errlen, "network limits out of range");
	set_keys(&e->tcp, &conf, cfg->secret);
	mem = take(cfg, net_bytes(&conf), "paths and addresses", &ok, err, errlen);
	for (unsigned int i = 0; i < cfg->n_ports; i++)
		e->queue[cfg->ports[i].id] = take(cfg, sizeof(struct engine_queue),
						  "answer queue", &ok, err, errlen);
	if (ok && !net_init(&e->net, &conf, cfg->counters, mem, now))
		ok = fail(err, errlen, "network configuration out of range");
	explicit_bzero(&conf.key, sizeof(conf.key));
	return ok;
}

struct engine *engine_create(const struct engine_config *cfg, uint64_t now, char *err,
			     size_t errlen)
{
	struct engine *e;
	bool ok = check(cfg, err, errlen);

	e = take(cfg, sizeof(*e), "engine", &ok, err, errlen);
	if (!ok)
		return NULL;
	e->peers = cfg->peers;
	pkt_pool_init(&e->pool, cfg->pool, cfg->indirect);
	init_tcp(e, cfg, now);
	if (!init_tables(e, cfg, now, err, errlen) || !init_net(e, cfg, now, err, errlen))
		return NULL;
	pkt_pool_keep_reserve(&e->pool);
	return e;
}

/* Which open version takes a SYN; rebuilt on each change, which is rare. */
static void map_listeners(struct tcp *t)
{
	memset(t->any_port, 0, 65536 * sizeof(*t->any_port));
	t->n_specific = 0;
	t->chaos = false;
	for (uint32_t v = 0; v < t->n_versions; v++) {
		const struct listener *l = t->version[v].listener;

		if (!l || !t->version[v].open || t->version[v].client)
			continue;
		t->chaos |= l->chaos != NULL;
		if (l->local != LISTENER_ANY)
			t->specific[t->n_specific++] = v;
		else
			for (uint32_t p = l->port_lo; p <= l->port_hi; p++)
				t->any_port[p] = v + 1;
	}
}

/* Whether SYNs to a are for v as well. */
static bool overlap(const struct tcp_version *v, const struct listener *a)
{
	const struct listener *b = v->listener;

	return v->open && !v->client && a->local == b->local && a->port_lo <= b->port_hi && b->port_lo <= a->port_hi;
}

struct tcp_version *engine_version_of(const struct tcp *t, int version)
{
	uint32_t i = (uint32_t)version % ENGINE_LISTENERS_MAX;

	if (version < 0 || i >= t->n_versions || !t->version[i].listener ||
	    t->version[i].generation != version / ENGINE_LISTENERS_MAX)
		return NULL;
	return &t->version[i];
}

static int add_version(struct tcp *t, const struct listener *l)
{
	const uint32_t ctx = l->handler->ctx_size;
	const bool apart = ctx > sizeof(t->conn->ctx);
	uint16_t gen;
	uint32_t i = 0;

	while (i < t->n_versions && t->version[i].listener)
		i++;
	if (i == ENGINE_LISTENERS_MAX - 1)
		return -ENOSPC;
	if (i == t->n_versions)
		t->n_versions++;
	gen = (t->version[i].generation + 1) % GENERATIONS;
	t->version[i] = (struct tcp_version){.listener = l, .generation = gen, .open = true,
					     .apart = apart, .inside = ctx && !apart,
					     .ctx_order = (uint8_t)(apart ? slab_order(ctx) : 0)};
	return (int)(gen * ENGINE_LISTENERS_MAX + i);
}

static void close_version(struct tcp_version *v)
{
	v->open = false;
	if (!v->users)
		v->listener = NULL;
}

int engine_listen(struct engine *e, const struct listener *l)
{
	struct tcp *t = &e->tcp;
	int version;

	for (uint32_t i = 0; i < t->n_versions; i++)
		if (overlap(&t->version[i], l))
			return -EADDRINUSE;
	version = add_version(t, l);
	map_listeners(t);
	return version;
}

int engine_relisten(struct engine *e, int version, const struct listener *l)
{
	struct tcp *t = &e->tcp;
	struct tcp_version *old = engine_version_of(t, version);
	int next;

	if (!old || !old->open || old->client)
		return -ENOENT;
	for (uint32_t i = 0; i < t->n_versions; i++)
		if (&t->version[i] != old && overlap(&t->version[i], l))
			return -EADDRINUSE;
	next = add_version(t, l);
	if (next < 0)
		return next;
	close_version(old);
	map_listeners(t);
	return next;
}

int engine_client(struct engine *e, const struct listener *l)
{
	int version = add_version(&e->tcp, l);

	if (version >= 0)
		engine_version_of(&e->tcp, version)->client = true;
	return version;
}

void engine_unlisten(struct engine *e, int version)
{
	struct tcp_version *v = engine_version_of(&e->tcp, version);

	if (!v)
		return;
	close_version(v);
	map_listeners(&e->tcp);
}

uint64_t engine_listener_users(const struct engine *e, int version)
{
	const struct tcp_version *v = engine_version_of(&e->tcp, version);

	return v ? v->users + v->open : 0;
}
