#include <rte_eal.h>
#include <rte_mempool.h>

#include "net_kit.h"

struct rte_mempool *kit_mp;
const uint8_t kit_mac[6] = { 2, 0, 0, 0, 0, 1 };
const uint8_t peer_mac[6] = { 2, 0, 0, 0, 0, 2 };
const uint8_t other_mac[6] = { 2, 0, 0, 0, 0, 3 };

#define MBUFS 4095

int kit_main(int argc, char **argv)
{
	char *args[] = { argv[0], (char[]){ "--no-huge" }, (char[]){ "--no-pci" },
			 (char[]){ "--no-shconf" }, (char[]){ "--no-telemetry" },
			 (char[]){ "-m" }, (char[]){ "64" }, NULL };

	if (rte_eal_init(7, args) < 0)
		return 1;
	kit_mp = rte_pktmbuf_pool_create("net", MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	return kit_mp ? 0 : 1;
}

static void emit(void *arg, uint16_t port, struct rte_mbuf *m)
{
	struct kit *k = arg;

	assert_true(m->pkt_len >= ETH_MIN_FRAME);
	if (k->n_out < OUT_MAX) {
		k->out[k->n_out] = m;
		k->out_port[k->n_out] = port;
	} else {
		rte_pktmbuf_free(m);
	}
	k->n_out++;
}

static void icmp_error(void *arg, const struct net_icmp_error *err)
{
	struct kit *k = arg;

	k->error = *err;
	k->n_errors++;
}

void kit_conf(struct kit *k)
{
	memset(k, 0, sizeof(*k));
	for (int i = 0; i < 2; i++) {
		k->pp[i] = (struct pkt_port){ .mtu = 1500, .flags = PKT_TX_MULTI_SEG };
		memcpy(k->pp[i].mac, kit_mac, 6);
		k->ports[i] = (struct net_port_conf){ .id = i, .port = &k->pp[i] };
	}
	k->ports[0].gateway = GATE;
	k->addrs[0] = (struct net_addr_conf){ .port = 0, .prefix = 24, };
	address_from_v4(k->addrs[0].addr, OUR);
	k->conf = (struct net_conf){
		.ports = k->ports, .n_ports = 1, .addrs = k->addrs, .n_addrs = 1,
		.paths = 64, .held = 8, .icmp_rate = 100, .icmp_burst = 10,
		.echo_rate = 10000, .echo_burst = 2000,
		.frag_entries = 64, .frag_source_entries = 8,
		.frag_bytes = 1 * MIB, .frag_source_bytes = 256 * KIB,
		.key = { { 1, 2 } }, .pool = &k->pool, .emit = emit, .icmp_error = icmp_error,
		.arg = k,
	};
	k->now = T0;
}

void kit_start(struct kit *k)
{
	size_t bytes = net_bytes(&k->conf);

	assert_true(bytes > 0);
	pkt_pool_init(&k->pool, kit_mp, NULL);
	k->mem = aligned_alloc(CACHE_LINE, bytes);
	assert_non_null(k->mem);
	memset(k->mem, 0xa5, bytes);
	assert_true(net_init(&k->net, &k->conf, &k->counters, k->mem, k->now));
}

void kit_out_clear(struct kit *k)
{
	for (uint32_t i = 0; i < k->n_out && i < OUT_MAX; i++)
		rte_pktmbuf_free(k->out[i]);
	k->n_out = 0;
}

void kit_stop(struct kit *k)
{
	net_fini(&k->net);
	kit_out_clear(k);
	pkt_pool_drain(&k->pool);
	free(k->mem);
	assert_int_equal(rte_mempool_avail_count(kit_mp), MBUFS);
}

struct rte_mbuf *kit_frame(const void *l3, size_t len, const uint8_t *dst, const uint8_t *src,
			   uint16_t type)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(kit_mp);
	struct eth_hdr eth = { .type = be16(type) };
	size_t frame = ETH_HDR_LEN + len;
	uint8_t *p;

	assert_non_null(m);
	p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)max_of(frame, (size_t)ETH_MIN_FRAME));
	assert_non_null(p);
	memset(p, 0xa5, m->data_len); /* padding that must not come back */
	eth_copy(eth.dst, dst);
	eth_copy(eth.src, src);
	memcpy(p, &eth, sizeof(eth));
	memcpy(p + ETH_HDR_LEN, l3, len);
	return m;
}

struct rte_mbuf *kit_ip(uint32_t src, uint32_t dst, uint8_t proto, uint16_t id, uint16_t frag,
			uint8_t tos, const void *payload, size_t len)
{
	uint8_t buf[IP4_HDR_LEN + 2000];
	struct ip4_hdr ip = {
		.ver_ihl = IP4_VER_IHL, .tos = tos, .total_len = be16((uint16_t)(20 + len)),
		.id = be16(id), .frag = be16(frag), .ttl = 64, .proto = proto, .saddr = src,
		.daddr = dst,
	};

	assert_true(len <= 2000);
	ip.cksum = sum_finish(sum_header(&ip, sizeof(ip)));
	memcpy(buf, &ip, sizeof(ip));
	memcpy(buf + sizeof(ip), payload, len);
	return kit_frame(buf, sizeof(ip) + len, kit_mac, peer_mac, ETH_TYPE_IP4);
}

struct rte_mbuf *kit_arp(uint16_t op, const uint8_t *sha, uint32_t spa, uint32_t tpa)
{
	static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 };
	struct arp_pkt a = {
		.htype = BE16(1), .ptype = BE16(ETH_TYPE_IP4), .hlen = 6, .plen = 4, .op = be16(op),
		.spa = spa, .tpa = tpa,
	};

	eth_copy(a.sha, sha);
	return kit_frame(&a, sizeof(a), op == ARP_OP_REQUEST ? all : kit_mac, sha, ETH_TYPE_ARP);
}

struct rte_mbuf *kit_in(struct kit *k, struct rte_mbuf *m)
{
	struct pkt_facts f;

	pkt_parse_one(m, &f, 0, &k->pp[0]);
	assert_int_not_equal(f.kind, PKT_DROP);
	assert_int_not_equal(f.kind, PKT_TCP);
	if (f.kind == PKT_FRAGMENT)
		return net_reassemble(&k->net, m, &f, k->now);
	net_input(&k->net, m, &f, k->now);
	return NULL;
}

struct rte_mbuf *kit_in_bcast(struct kit *k, struct rte_mbuf *m)
{
	memset(rte_pktmbuf_mtod(m, uint8_t *), 0xff, 6);
	return kit_in(k, m);
}

void kit_run(struct kit *k, uint64_t until)
{
	uint64_t next;

	while ((next = net_next(&k->net)) <= until) {
		k->now = max_of(k->now, next);
		net_tick(&k->net, k->now);
	}
	k->now = until;
}

size_t kit_icmp(uint8_t *buf, uint8_t type, uint8_t code, uint32_t rest, const void *data,
		size_t len)
{
	struct icmp_hdr h = { .type = type, .code = code };

	h.rest = rest;
	memcpy(buf, &h, sizeof(h));
	memcpy(buf + sizeof(h), data, len);
	h.cksum = sum_finish(sum_partial(buf, sizeof(h) + len, 0));
	memcpy(buf, &h, sizeof(h));
	return sizeof(h) + len;
}

void kit_map(uint8_t to[16], uint32_t addr)
{
	memset(to, 0, 10);
	to[10] = to[11] = 0xff;
	memcpy(to + 12, &addr, 4);
}

uint64_t kit_ctr(const struct kit *k, enum counter c)
{
	return k->counters.v[c];
}

const struct arp_pkt *kit_out_arp(const struct kit *k, uint32_t i)
{
	assert_true(i < k->n_out && i < OUT_MAX);
	assert_int_equal(rte_pktmbuf_mtod(k->out[i], struct eth_hdr *)->type, be16(ETH_TYPE_ARP));
	return rte_pktmbuf_mtod_offset(k->out[i], const struct arp_pkt *, ETH_HDR_LEN);
}
