/*
 * A host: an engine, its memory, and the port under it. The port takes mbufs as the capability says
 * (copies them, holds them for a while, or gives them away, and then the bytes are overwritten, for
 * the engine must not need them any more) and computes or verifies checksums where it promised to.
 */
#include <sys/mman.h>

#include <rte_mempool.h>

#include "host.h"
#include "kit.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/sum.h"
#include "wire/tcp.h"

#define POOL_MBUFS  16383
#define TURNS_MAX   (1u << 21) /* without time passing: a full buffer may be read octet by octet */
#define GIVEN_AWAY  0x5a

static struct rte_mempool *pools[2], *indirects[2];
static struct rte_mempool *cut_pool, *cut_indirect; /* of ports that cut segments */

void host_start(void)
{
	char name[16];

	if (!kit_eal("256"))
		exit(2);
	for (int i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "host%d", i);
		pools[i] = rte_pktmbuf_pool_create(name, POOL_MBUFS, 0, 0,
						   RTE_PKTMBUF_HEADROOM + 2048, 0);
		snprintf(name, sizeof(name), "ref%d", i);
		indirects[i] = rte_pktmbuf_pool_create(name, POOL_MBUFS, 0, 0, 0, 0);
		if (!pools[i] || !indirects[i]) {
			fprintf(stderr, "no memory for mbufs\n");
			exit(2);
		}
	}
	cut_pool = rte_pktmbuf_pool_create("cut", KIT_SEGMENTS, 0, 0, RTE_PKTMBUF_HEADROOM + 2048, 0);
	cut_indirect = rte_pktmbuf_pool_create("cutref", 4 * KIT_SEGMENTS, 0, 0, 0, 0);
	if (!cut_pool || !cut_indirect) {
		fprintf(stderr, "no memory for mbufs\n");
		exit(2);
	}
}

/* Zeroed by the kernel when it is touched: an engine is made for each seed. */
static void *give_memory(void *arg, size_t bytes, const char *what)
{
	struct host *h = arg;
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED || h->n_mem == ARRAY_SIZE(h->mem))
		return NULL;
	h->mem[h->n_mem].at = p;
	h->mem[h->n_mem++].bytes = bytes;
	return p;
}

void host_init(struct host *h, struct sim *s, unsigned int id)
{
	*h = (struct host){.s = s, .id = id, .handler = &sim_handler};
	h->cap = (struct pkt_port){.mac = {2, 0, 0, 0, 0, (uint8_t)(1 + id)}, .mtu = 1500,
				   .copy_below = PKT_COPY_BELOW, .flags = PKT_TX_MULTI_SEG};
	h->port = (struct engine_port){.cap = &h->cap, .neighbor = ENGINE_NEIGHBOR_RESOLVE};
	h->addr = (struct engine_address){.prefix = 24};
	flow_addr_v4(h->addr.addr, host_address(id));
	option_defaults(&tcp_option_table, &h->tcp);
	h->conf = (struct engine_config){
		.counters = &h->ctr, .ports = &h->port, .n_ports = 1,
		.addresses = &h->addr, .n_addresses = 1,
		.max_connections = 64, .max_half_open = 64, .max_time_wait = 64,
		.time_wait_us = 60 * US_PER_SEC, .block_bytes = 64 * MIB,
		.max_paths = 16, .max_neighbors = 16, .reassembly_bytes = 256 * KIB,
		.rst_rate = 1000, .icmp_rate = 100,
		.pool = pools[id], .indirect = indirects[id],
		.alloc = give_memory, .alloc_arg = h,
	};
	for (unsigned int i = 0; i < sizeof(h->conf.secret); i++)
		h->conf.secret[i] = (uint8_t)wire_rnd(&s->wire);
}

void host_v6(struct host *h)
{
	h->addr = (struct engine_address){.prefix = 64, .addr = {0xfd, 0, 0, 0x18, [15] = (uint8_t)(1 + h->id)}};
}

void host_open(struct host *h)
{
	char err[256] = "";

	h->e = engine_create(&h->conf, h->s->wire.now, err, sizeof(err));
	if (!h->e)
		sim_fail(h->s, "engine_create: %s", err);
	h->listener = (struct listener){.handler = h->handler,
					.settings = h->settings ? h->settings : h, .tcp = h->tcp,
					.local = LISTENER_ANY, .port_lo = SIM_PORT,
					.port_hi = SIM_PORT};
	listener_prepare(&h->listener);
	h->version = h->id == SERVER ? engine_listen(h->e, &h->listener) :
				       engine_client(h->e, &h->listener);
	h->other = h->listener;
	h->other.tcp.congestion = h->other_congestion;
	h->other_version = h->id == CLIENT ? engine_client(h->e, &h->other) : 0;
	if (h->version < 0 || h->other_version < 0)
		sim_fail(h->s, "no listener");
}

/* ---- the port ---- */

/* The sums that the engine left to the port. */
static void fill_sums(struct frame *f, uint64_t flags)
{
	struct ip4_hdr *ip = (struct ip4_hdr *)(f->bytes + ETH_HDR_LEN);
	struct tcp_hdr *th = (struct tcp_hdr *)(f->bytes + frame_l4(f));

	if ((flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM)
		th->cksum = sum_finish(sum_partial(th, frame_l4_len(f), 0)); /* the field holds the pseudo sum */
	if (flags & RTE_MBUF_F_TX_IP_CKSUM)
		ip->cksum = sum_finish(sum_header(ip, IP4_HDR_LEN));
}

static void release_held(struct host *h, unsigned int i)
{
	struct rte_mbuf *m = h->held[i];
	uint32_t at = 0;

	if (!m)
		return;
	for (struct rte_mbuf *seg = m; seg; at += seg->data_len, seg = seg->next)
		if (memcmp(h->held_copy[i]->bytes + at, rte_pktmbuf_mtod(seg, void *),
			   seg->data_len) != 0)
			sim_fail(h->s, "host %u: a packet changed while the port held it", h->id);
	wire_drop(&h->s->wire, h->held_copy[i]);
	rte_pktmbuf_free(m);
	h->held[i] = NULL;
}

/* Held until the ring has gone round. */
static void hold(struct host *h, struct rte_mbuf *m, const struct frame *f)
{
	unsigned int i = h->held_next++ % SIM_HELD;

	release_held(h, i);
	h->held[i] = m;
	h->held_copy[i] = wire_frame(&h->s->wire);
	memcpy(h->held_copy[i]->bytes, f->bytes, f->len);
}

static void give_away(struct rte_mbuf *m)
{
	for (struct rte_mbuf *seg = m; seg; seg = seg->next)
		memset(rte_pktmbuf_mtod(seg, void *), GIVEN_AWAY, seg->data_len);
	rte_pktmbuf_free(m);
}

static void take_segment(struct host *h, struct rte_mbuf *m)
{
	struct frame *f = wire_frame(&h->s->wire);
	uint64_t flags = m->ol_flags;

	f->len = 0;
	f->to = !h->id;
	if (m->pkt_len > FRAME_MAX || m->pkt_len > h->cap.mtu + ETH_HDR_LEN + 0u)
		if (m->pkt_len > ETH_MIN_FRAME)
			sim_fail(h->s, "host %u sent a frame of %u bytes", h->id, m->pkt_len);
	for (struct rte_mbuf *seg = m; seg; f->len += seg->data_len, seg = seg->next)
		memcpy(f->bytes + f->len, rte_pktmbuf_mtod(seg, void *), seg->data_len);
	if (f->len != m->pkt_len)
		sim_fail(h->s, "host %u: a packet's lengths do not add up", h->id);
	if (h->cap.tx_mode == PKT_TX_GIVES_AWAY)
		give_away(m);
	else if (h->cap.tx_mode == PKT_TX_HOLDS)
		hold(h, m, f);
	else
		rte_pktmbuf_free(m);
	fill_sums(f, flags);
	kit_pcap_write(h->s->wire.now, f->bytes, f->len);
	oracle_frame(h->s, h, f);
	wire_send(&h->s->wire, f);
}

static void take(struct host *h, struct rte_mbuf *m)
{
	struct rte_mbuf *segments[KIT_SEGMENTS];
	unsigned int n;

	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG &&
	    (!(h->cap.flags & PKT_TX_TSO) || m->nb_segs > h->cap.tso_mbufs))
		sim_fail(h->s, "host %u: %u mbufs for a port to cut, which takes %u", h->id, m->nb_segs,
			 h->cap.tso_mbufs);
	n = kit_cut_segments(m, cut_pool, cut_indirect, segments);
	for (unsigned int i = 0; i < n; i++)
		take_segment(h, segments[i]);
}

static unsigned int pull(struct host *h)
{
	struct rte_mbuf *out[32];
	unsigned int all = 0, n;

	do {
		n = engine_output(h->e, 0, out, ARRAY_SIZE(out), h->s->wire.now);
		for (unsigned int i = 0; i < n; i++)
			take(h, out[i]);
		all += n;
	} while (n == ARRAY_SIZE(out));
	return all;
}

/* What a port that verifies sums says of them. */
static uint64_t verdict6(const struct frame *f)
{
	const struct ipv6_hdr *ip = (const void *)(f->bytes + ETH_HDR_LEN);
	const uint32_t len = be16(ip->payload_len);

	if (ip6_version(ip) != IP6_VERSION || ip->next != IP_PROTO_TCP || len < TCP_HDR_LEN ||
	    len + ETH_HDR_LEN + IP6_HDR_LEN > f->len)
		return 0;
	return sum_fold(sum_partial(ip + 1, len, sum_pseudo6(ip->saddr, ip->daddr, IP_PROTO_TCP, len))) == 0xffff ?
		       RTE_MBUF_F_RX_L4_CKSUM_GOOD : RTE_MBUF_F_RX_L4_CKSUM_BAD;
}

static uint64_t verdict(const struct frame *f)
{
	const struct ip4_hdr *ip = (const void *)(f->bytes + ETH_HDR_LEN);
	uint32_t len = be16(ip->total_len);
	uint64_t flags;

	if (load_be16(f->bytes + 12) == ETH_TYPE_IP6)
		return verdict6(f);
	if (load_be16(f->bytes + 12) != ETH_TYPE_IP4 || ip->ver_ihl != IP4_VER_IHL ||
	    ip->proto != IP_PROTO_TCP || len + ETH_HDR_LEN > f->len ||
	    len < IP4_HDR_LEN + TCP_HDR_LEN)
		return 0;
	flags = sum_fold(sum_header(ip, IP4_HDR_LEN)) == 0xffff ? RTE_MBUF_F_RX_IP_CKSUM_GOOD :
								  RTE_MBUF_F_RX_IP_CKSUM_BAD;
	len -= IP4_HDR_LEN;
	if (sum_fold(sum_partial(ip + 1, len, sum_pseudo4(ip->saddr, ip->daddr, IP_PROTO_TCP,
							  (uint16_t)len))) == 0xffff)
		return flags | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	return flags | RTE_MBUF_F_RX_L4_CKSUM_BAD;
}

static void input(struct host *h)
{
	struct pkt_facts facts[ENGINE_BURST_MAX];

	if (!h->n_burst)
		return;
	pkt_parse_burst(h->burst, facts, h->n_burst, 0, &h->cap);
	engine_input(h->e, h->burst, facts, h->n_burst, h->s->wire.now);
	h->n_burst = 0;
}

void host_receive(struct host *h, const struct frame *f)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(h->conf.pool);

	if (!m)
		sim_fail(h->s, "host %u: its mbufs are used up", h->id);
	memcpy(rte_pktmbuf_append(m, (uint16_t)f->len), f->bytes, f->len);
	if (h->rx_vouched)
		m->ol_flags |= verdict(f);
	if (h->n_burst == ENGINE_BURST_MAX)
		input(h);
	h->burst[h->n_burst++] = m;
}

void host_turn(struct host *h)
{
	uint64_t now = h->s->wire.now;
	unsigned int turns = 0;

	input(h);
	do {
		pull(h);
		engine_tick(h->e, now, 256);
		if (++turns > TURNS_MAX)
			sim_fail(h->s, "host %u never comes to rest", h->id);
	} while (pull(h) || engine_next(h->e, now) <= now);
}

void host_close(struct host *h)
{
	unsigned int lost;

	for (unsigned int i = 0; i < SIM_HELD; i++)
		release_held(h, i);
	engine_destroy(h->e, h->s->wire.now);
	for (unsigned int i = 0; i < h->n_mem; i++)
		munmap(h->mem[i].at, h->mem[i].bytes);
	lost = rte_mempool_in_use_count(h->conf.pool) +
	       rte_mempool_in_use_count(h->conf.indirect);
	if (lost)
		sim_fail(h->s, "host %u: %u mbufs are lost", h->id, lost);
}
