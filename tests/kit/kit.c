/*
 * The world of a test: EAL and pools once, then an engine, a clock, a wire.
 */
#include "kit.h"

#include "algo/cc.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mempool.h>

#define TURNS_MAX 1000 /* of the engine without time passing: more means that it never rests */

const uint8_t kit_mac[6] = {0x02, 0, 0, 0, 0, 0x02};
const uint8_t kit_peer_mac[6] = {0x02, 0, 0, 0, 0, 0x01};
struct rte_mempool *kit_mp, *kit_indirect;
static unsigned int alive; /* kits: all share the pools */

bool kit_eal(const char *mib)
{
	static char args[][16] = {"test", "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry",
				  "--log-level=*:4", "--lcores", "0", "-m", ""};
	static char *argv[ARRAY_SIZE(args)];

	for (unsigned int i = 0; i < ARRAY_SIZE(args); i++)
		argv[i] = args[i];
	snprintf(args[ARRAY_SIZE(args) - 1], sizeof(args[0]), "%s", mib);
	if (rte_eal_init(ARRAY_SIZE(argv), argv) >= 0)
		return true;
	fprintf(stderr, "EAL: %s\n", rte_strerror(rte_errno));
	return false;
}

int kit_main_start(void)
{
	if (kit_mp)
		return 0;
	if (!kit_eal("128"))
		return -1;
	/* No caches: what is available is counted exactly. */
	kit_mp = rte_pktmbuf_pool_create_by_ops("kit", KIT_MBUFS, 0, 0, RTE_PKTMBUF_HEADROOM + 9216,
						0, KIT_MEMPOOL_OPS);
	kit_indirect = rte_pktmbuf_pool_create_by_ops("kit_ref", KIT_MBUFS, 0, 0, 0, 0,
						      KIT_MEMPOOL_OPS);
	if (getenv("KIT_PCAP"))
		kit_pcap_open(getenv("KIT_PCAP"));
	return kit_mp && kit_indirect ? 0 : -1;
}

int kit_group_setup(void **state)
{
	return kit_main_start();
}

char kit_only_v4, kit_only_v6;

int kit_run(const char *name, const struct CMUnitTest *tests, size_t n)
{
	struct CMUnitTest *own = calloc(n, sizeof(*own));
	size_t m = 0;
	int failed;

	for (size_t i = 0; own && i < n; i++)
		if (tests[i].initial_state != (kit_v6() ? &kit_only_v4 : &kit_only_v6))
			own[m++] = tests[i];
	failed = _cmocka_run_group_tests(name, own, m, kit_group_setup, NULL);
	free(own);
	return failed;
}

int kit_setup(void **state)
{
	*state = kit_new();
	return 0;
}

int kit_teardown(void **state)
{
	kit_close(*state);
	return 0;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *v = getenv(name);

	return v ? strtoull(v, NULL, 10) : otherwise;
}

uint64_t kit_t0(void)
{
	return from_environment("KIT_T0", 1000 * US_PER_SEC);
}

static void *give_memory(void *arg, size_t bytes, const char *what)
{
	struct kit *k = arg;
	size_t size = (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	void *p = aligned_alloc(CACHE_LINE, size);

	assert_true(k->n_mem < ARRAY_SIZE(k->mem));
	assert_non_null(p);
	memset(p, 0, size);
	k->mem[k->n_mem++] = p;
	return p;
}

static uint8_t offload(void)
{
	if (!from_environment("KIT_OFFLOAD", 0))
		return 0;
	return kit_v6() ? PKT_TX_TCP_CSUM : PKT_TX_TCP_CSUM | PKT_TX_IP_CSUM;
}

struct kit *kit_new(void)
{
	struct kit *k = aligned_alloc(alignof(struct kit), sizeof(*k)); /* of its counters */

	alive++;
	memset(k, 0, sizeof(*k));
	for (int i = 0; i < 2; i++) {
		k->cap[i] = (struct pkt_port){.mtu = kit_mtu(1500), .id = (uint16_t)i,
					      .copy_below = PKT_COPY_BELOW,
					      .flags = PKT_TX_MULTI_SEG | offload()};
		memcpy(k->cap[i].mac, kit_mac, 6);
		k->ports[i] = (struct engine_port){.id = (uint16_t)i, .cap = &k->cap[i],
						   .neighbor = ENGINE_NEIGHBOR_REFLECT};
	}
	for (unsigned int i = 0; i < 2; i++) {
		k->addrs[i] = (struct engine_address){.prefix = kit_v6() ? 64 : 24};
		kit_host(k->addrs[i].addr, i ? KIT_SECOND_HOST : KIT_SERVER_HOST);
	}
	k->conf = (struct engine_config){
		.counters = &k->ctr, .ports = k->ports, .n_ports = 1,
		.addresses = k->addrs, .n_addresses = 2,
		.max_connections = 64, .max_half_open = 16, .max_time_wait = 16,
		.time_wait_us = 60 * SEC,
		.block_bytes = 4 * MIB, .max_paths = 16, .max_neighbors = 16,
		.reassembly_bytes = 256 * KIB, .rst_rate = 1000, .icmp_rate = 100,
		.pool = kit_mp, .indirect = kit_indirect,
		.alloc = give_memory, .alloc_arg = k,
	};
	for (unsigned int i = 0; i < sizeof(k->conf.secret); i++)
		k->conf.secret[i] = (uint8_t)(i * 37 + 11);
	option_defaults(&tcp_option_table, &k->tcp);
	k->tcp.rcvbuf_initial = GIB; /* that is, rcvbuf */
	k->tcp.rcvbuf = 65535; /* the window of the SYN-ACK: no update is due after it */
	k->now = KIT_T0;
	k->skew = from_environment("KIT_SKEW", 0);
	return k;
}

void kit_congestion(struct kit *k, const char *name)
{
	for (k->tcp.congestion = 0; cc_names[k->tcp.congestion]; k->tcp.congestion++)
		if (strcmp(cc_names[k->tcp.congestion], name) == 0)
			return;
	fail_msg("no congestion control named %s", name);
}

int kit_listen(struct kit *k, uint16_t port, uint32_t local)
{
	struct listener *l = &k->listeners[k->n_listeners];

	assert_true(k->n_listeners < ARRAY_SIZE(k->listeners));
	*l = (struct listener){.handler = k->urgent ? &kit_urgent_handler : &kit_handler,
			       .settings = k, .tcp = k->tcp,
			       .local = local, .port_lo = port, .port_hi = port};
	listener_prepare(l);
	k->versions[k->n_listeners] = engine_listen(k->e, l);
	assert_true(k->versions[k->n_listeners] >= 0);
	return k->versions[k->n_listeners++];
}

void kit_start(struct kit *k)
{
	char err[256] = "";

	if (k->e)
		return;
	k->e = engine_create(&k->conf, k->now, err, sizeof(err));
	if (!k->e)
		fail_msg("engine_create: %s", err);
	if (!k->n_listeners)
		kit_listen(k, KIT_PORT, LISTENER_ANY);
}

/* ---- frames out ---- */

static bool is_ctl(const struct kit *k, const uint8_t *b)
{
	const struct tcp_hdr *th = k->ctl ? kit_tcp(b) : NULL;

	return th && th->dport == be16(k->ctl->port) && th->sport == be16(k->ctl->dport);
}

static void keep_frame(struct kit *k, struct kit_frame *f)
{
	if (k->q_tail == k->q_size) {
		if (k->q_head > 0) {
			memmove(k->queue, k->queue + k->q_head,
				(k->q_tail - k->q_head) * sizeof(*k->queue));
			k->q_tail -= k->q_head;
			k->q_head = 0;
		}
		if (k->q_tail == k->q_size) {
			k->q_size = k->q_size ? 2 * k->q_size : 64;
			k->queue = realloc(k->queue, k->q_size * sizeof(*k->queue));
			assert_non_null(k->queue);
		}
	}
	k->queue[k->q_tail++] = *f;
}

/* RFC 5681 section 4.2: what is sent for each segment received, see check_counted. */
static void count_ack(struct kit *k, const uint8_t *b)
{
	const struct tcp_hdr *th;
	struct kit_ip ip;
	bool pure;

	if (!kit_take_ip(b, &ip) || ip.proto != IP_PROTO_TCP)
		return;
	th = (const struct tcp_hdr *)ip.l4;
	pure = (th->flags & (SYN | FIN | RST | ACK)) == ACK && ip.l4_len == tcp_hdr_len(th);
	k->acks += pure;
	for (unsigned int i = 0; i < k->n_peers; i++) {
		struct kit_peer *p = k->peers[i];

		if (p->port != be16(th->dport) || !kit_same(p->addr, ip.daddr))
			continue;
		k->updates += pure && p->last_ack == be32(th->ack) && be16(th->window) > p->last_win;
		p->last_ack = be32(th->ack);
		p->last_win = be16(th->window);
		return;
	}
}

static void take_segment(struct kit *k, uint16_t port, struct rte_mbuf *m)
{
	struct kit_frame f = {.at = k->now, .port = port, .len = m->pkt_len,
			      .bytes = malloc(m->pkt_len)};
	uint32_t at = 0;

	rte_mbuf_sanity_check(m, 1);
	for (struct rte_mbuf *s = m; s; at += s->data_len, s = s->next)
		memcpy(f.bytes + at, rte_pktmbuf_mtod(s, void *), s->data_len);
	assert_int_equal(at, m->pkt_len);
	kit_nic_finish(m, f.bytes, f.len);
	rte_pktmbuf_free(m);
	kit_pcap_write(f.at, f.bytes, f.len);
	count_ack(k, f.bytes);
	if (is_ctl(k, f.bytes)) {
		if (!k->ctl->iss_known)
			kit_parse(k->ctl, &f);
		free(f.bytes);
	} else if (k->sink) {
		k->sink(k->sink_arg, &f);
		free(f.bytes);
	} else {
		keep_frame(k, &f);
	}
}

static void take_frame(struct kit *k, uint16_t port, struct rte_mbuf *m)
{
	struct rte_mbuf *segments[KIT_SEGMENTS];
	const bool whole = m->ol_flags & RTE_MBUF_F_TX_TCP_SEG;
	unsigned int n;

	if (whole)
		assert_true(k->cap[port].flags & PKT_TX_TSO && m->nb_segs <= k->cap[port].tso_mbufs);
	n = kit_cut_segments(m, kit_mp, kit_indirect, segments);
	for (unsigned int i = 0; i < n; i++)
		take_segment(k, port, segments[i]);
}

static unsigned int pull(struct kit *k)
{
	struct rte_mbuf *out[32];
	unsigned int all = 0, n;

	for (unsigned int port = 0; port < k->conf.n_ports; port++) {
		do {
			n = engine_output(k->e, (uint16_t)port, out, ARRAY_SIZE(out),
					  all ? k->now - k->skew : k->now);
			assert_true(n <= ARRAY_SIZE(out));
			for (unsigned int i = 0; i < n; i++)
				take_frame(k, (uint16_t)port, out[i]);
			all += n;
			assert_true(all < 100000);
		} while (n);
	}
	return all;
}

static void check_engine(const struct kit *k)
{
	const char *wrong = engine_check(k->e);

	if (wrong)
		fail_msg("the engine: %s", wrong);
}

void kit_turn(struct kit *k)
{
	struct pkt_facts facts[ENGINE_BURST_MAX];
	unsigned int turns = 0;

	kit_wire_keep(NULL);
	if (k->n_burst) {
		if (k->glance)
			k->n_burst = engine_refuse(k->e, 0, k->burst, k->n_burst);
		pkt_parse_burst(k->burst, facts, k->n_burst, 0, &k->cap[0]);
		engine_input(k->e, k->burst, facts, k->n_burst, k->now);
		k->n_burst = 0;
	}
	do {
		pull(k);
		engine_tick(k->e, k->now - k->skew, 256);
		assert_true(turns++ < TURNS_MAX);
	} while (pull(k) || engine_next(k->e, k->now) <= k->now);
	if (!k->unchecked)
		check_engine(k);
}

void kit_advance_to(struct kit *k, uint64_t at)
{
	while (k->now < at) {
		uint64_t next = engine_next(k->e, k->now);

		assert_true(next > k->now);
		k->now = min_of(next, at);
		kit_turn(k);
	}
}

void kit_advance(struct kit *k, uint64_t us)
{
	kit_advance_to(k, k->now + us);
}

void kit_inject(struct kit *k, const void *frame, uint32_t len)
{
	kit_inject_cut(k, frame, len, NULL, 0);
}

void kit_inject_cut(struct kit *k, const void *frame, uint32_t len, const uint32_t *cuts,
		    unsigned int n)
{
	struct rte_mbuf *m = NULL;

	for (unsigned int i = 0; i <= n; i++) {
		uint32_t from = i ? cuts[i - 1] : 0, to = i < n ? cuts[i] : len;
		struct rte_mbuf *seg = kit_wire_mbuf();

		assert_non_null(seg);
		assert_true(from <= to && to - from <= rte_pktmbuf_tailroom(seg));
		memcpy(rte_pktmbuf_append(seg, (uint16_t)(to - from)), (const uint8_t *)frame + from,
		       to - from);
		if (m)
			assert_int_equal(rte_pktmbuf_chain(m, seg), 0);
		else
			m = seg;
	}
	m->ol_flags |= k->rx_flags;
	kit_pcap_write(k->now, frame, len);
	assert_true(k->n_burst < ENGINE_BURST_MAX);
	k->injected++;
	kit_wire_keep(m);
	k->burst[k->n_burst++] = m;
	if (!k->bursting)
		kit_turn(k);
}

void kit_burst_begin(struct kit *k)
{
	k->bursting = true;
}

void kit_burst_end(struct kit *k)
{
	k->bursting = false;
	kit_turn(k);
}

struct kit_frame *kit_frame_next(struct kit *k)
{
	static struct kit_frame last;

	if (k->q_head == k->q_tail)
		return NULL;
	free(last.bytes);
	last = k->queue[k->q_head++];
	return &last;
}

bool kit_has(struct kit *k)
{
	return k->q_head != k->q_tail;
}

void kit_quiet(struct kit *k)
{
	const struct kit_frame *f = kit_frame_next(k);

	if (!f)
		return;
	for (uint32_t i = 0; i < f->len && i < 90; i++)
		print_error("%02x%s", f->bytes[i], i % 16 == 15 ? "\n" : " ");
	fail_msg("a frame of %u bytes was sent that should not have been", f->len);
}

void kit_silence(struct kit *k, uint64_t us)
{
	kit_quiet(k);
	kit_advance(k, us);
	kit_quiet(k);
}

void kit_drain(struct kit *k)
{
	while (kit_frame_next(k))
		;
}

uint64_t kit_acks(const struct kit *k)
{
	return k->acks - kit_ctr(k, CTR_TX_KEEPALIVES);
}

uint64_t kit_ctr(const struct kit *k, enum counter c)
{
	return k->ctr.v[c];
}

struct engine_usage kit_usage(const struct kit *k)
{
	struct engine_usage u;

	engine_usage(k->e, &u);
	return u;
}

/* ---- the end ---- */

static void check_counted(struct kit *k)
{
	assert_true(counter_rx_dropped(&k->ctr) <= k->injected);
	assert_true(kit_acks(k) <= k->injected + k->updates);
}

static void end_engine(struct kit *k)
{
	struct engine_usage u;

	check_engine(k);
	for (unsigned int i = 0; i < k->n_listeners; i++)
		engine_unlisten(k->e, k->versions[i]);
	if (!engine_abort(k->e, k->now, UINT32_MAX))
		engine_abandon(k->e, k->now);
	kit_turn(k);
	kit_advance(k, 200 * SEC);
	check_engine(k);
	check_counted(k);
	u = kit_usage(k);
	assert_int_equal(u.connections, 0);
	assert_int_equal(u.half_open, 0);
	assert_int_equal(u.time_wait, 0);
	assert_int_equal(u.block_bytes, 0);
	assert_int_equal(u.mbufs_held, 0);
	for (unsigned int i = 0; i < k->n_listeners; i++)
		assert_int_equal(engine_listener_users(k->e, k->versions[i]), 0);
	engine_destroy(k->e, k->now);
}

void kit_close(struct kit *k)
{
	if (k->e)
		end_engine(k);
	kit_drain(k);
	for (unsigned int i = 0; i < k->n_peers; i++) {
		assert_int_equal(k->peers[i]->app.opens, k->peers[i]->app.closes);
		assert_int_equal(k->peers[i]->app.pending, 0);
		free(k->peers[i]);
	}
	for (unsigned int i = 0; i < k->n_mem; i++)
		free(k->mem[i]);
	free(k->queue);
	free(k);
	if (--alive)
		return;
	assert_int_equal(rte_mempool_avail_count(kit_mp), KIT_MBUFS);
	assert_int_equal(rte_mempool_avail_count(kit_indirect), KIT_MBUFS);
}
