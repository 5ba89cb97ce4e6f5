/*
 * The parser, rows HDR-03, HDR-04, HDR-06, HDR-07, HDR-10, IP-01, IP-03, IP-04, L2-16, L2-19 and
 * the option rows as they reach the facts. Frames lie in heap buffers of exactly their length.
 */
#include "kit.h"

#include "base/counter.h"
#include "pkt/parse.h"
#include "wire/arp.h"
#include "wire/ip4.h"

static struct rte_mempool *pool;
static struct pkt_port port;

static int start(void **state)
{
	if (kit_start(state) < 0)
		return -1;
	pool = kit_pool("frames", 255, KIT_BUF);
	memcpy(port.mac, kit_mac, 6);
	return 0;
}

static int balanced(void **state)
{
	assert_int_equal(rte_mempool_avail_count(pool), 255);
	port.flags = 0;
	return 0;
}

static struct pkt_facts parse_cut(const uint8_t *frame, uint32_t len, uint64_t ol_flags,
				  const uint32_t *cuts, unsigned n_cuts)
{
	struct rte_mbuf *m = kit_chain(pool, frame, len, cuts, n_cuts);
	struct pkt_facts f;

	m->ol_flags |= ol_flags;
	memset(&f, 0xa5, sizeof(f));
	pkt_parse_one(m, &f, 3, &port);
	rte_pktmbuf_free(m);
	return f;
}

static struct pkt_facts parse(const struct kit_frame *k)
{
	return parse_cut(k->buf, k->len, 0, NULL, 0);
}

static void expect_drop(const struct kit_frame *k, enum counter reason)
{
	struct pkt_facts f = parse(k);

	assert_int_equal(f.kind, PKT_DROP);
	assert_int_equal(f.reason, reason);
}

static const uint8_t some_payload[64] = "The quick brown fox jumps over the lazy dog, thirteen";
static const uint8_t ts_opt[12] = {1, 1, 8, 10, 0, 0, 1, 0, 0xff, 0, 0, 2};

static struct kit_frame data_frame(unsigned payload_len)
{
	struct kit_frame k = {.tcp_opt = ts_opt,
			      .tcp_opt_len = 12,
			      .payload = some_payload,
			      .payload_len = payload_len};

	kit_frame_make(&k);
	return k;
}

static void test_fields(void **state)
{
	struct kit_frame k = {.tcp_opt = ts_opt,
			      .tcp_opt_len = 12,
			      .payload = some_payload,
			      .payload_len = 51,
			      .tos = 46 << 2 | IP_ECN_CE,
			      .tcp_flags = TCP_ACK | TCP_URG | TCP_ECE};
	struct pkt_facts f;

	kit_frame_make(&k);
	f = parse(&k);
	assert_int_equal(f.kind, PKT_TCP);
	assert_int_equal(f.port, 3);
	assert_int_equal(f.flags, PKT_F_TS | PKT_F_SUM | PKT_F_CE);
	assert_int_equal(f.tcp_flags, TCP_ACK | TCP_URG | TCP_ECE);
	assert_int_equal(f.l3_off, 14);
	assert_int_equal(f.l4_off, 34);
	assert_int_equal(f.l4_len, 32 + 51);
	assert_int_equal(f.payload_off, 66);
	assert_int_equal(f.payload_len, 51);
	assert_int_equal(f.seq, 0xfffffff0);
	assert_int_equal(f.ack, 0x12345678);
	assert_int_equal(f.window, 0xfffe);
	assert_int_equal(f.urg, 0x0203);
	assert_int_equal(f.tsval, 0x100);
	assert_int_equal(f.tsecr, 0xff000002);
	assert_int_equal(be16(f.sport), 4096);
	assert_int_equal(be16(f.dport), 80);
	assert_int_equal(f.dscp, 46);
	assert_int_equal(f.proto, 6);
	assert_int_equal(be16((uint16_t)f.payload_sum), kit_sum(some_payload, 51, 0));
	assert_memory_equal(f.saddr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x01", 16);
	assert_memory_equal(f.daddr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\x07", 16);
}

static void test_syn_options(void **state)
{
	static const uint8_t opt[20] = {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0,
					0, 9, 0,    0,    0, 0, 1, 3,  3, 7};
	struct kit_frame k = {.tcp_opt = opt, .tcp_opt_len = 20, .tcp_flags = TCP_SYN};
	struct pkt_facts f;

	kit_frame_make(&k);
	k.buf[34 + 12] |= 0x0f; /* HDR-07: reserved bits are ignored */
	kit_frame_sums(&k);
	f = parse(&k);
	assert_int_equal(f.kind, PKT_TCP);
	assert_int_equal(f.flags,
			 PKT_F_TS | PKT_F_MSS | PKT_F_WSCALE | PKT_F_SACK_OK | PKT_F_SUM);
	assert_int_equal(f.mss, 1460);
	assert_int_equal(f.wscale, 7);
	assert_int_equal(f.tsval, 9);
	k.buf[54 + 17] = 8; /* window scale becomes a timestamp of length 3 */
	kit_frame_sums(&k);
	f = parse(&k);
	assert_int_equal(f.kind, PKT_TCP);
	assert_int_equal(f.flags,
			 PKT_F_TS | PKT_F_MSS | PKT_F_SACK_OK | PKT_F_SUM | PKT_F_BAD_OPT);
}

/* In all that the parser writes. */
static void same_facts(const struct pkt_facts *a, const struct pkt_facts *b)
{
	assert_memory_equal(a, b, offsetof(struct pkt_facts, unused3));
	assert_memory_equal(a->daddr, b->daddr, offsetof(struct pkt_facts, hash) - offsetof(struct pkt_facts, daddr));
}

/* HDR-10: IP options, timestamps and SACK, cut at every offset and pair of offsets. */
static void test_split(void **state)
{
	static const uint8_t ip_opt[8] = {148, 4, 0, 0, 1, 1, 1, 0};
	static const uint8_t opt[32] = {1, 1, 8, 10, 0, 0, 1, 0, 0, 0, 0, 2, 1, 1, 5, 18,
					0, 0, 1, 1,  0, 0, 2, 2, 0, 0, 3, 3, 0, 0, 4, 4};
	struct kit_frame k = {.ip_opt = ip_opt,
			      .ip_opt_len = 8,
			      .tcp_opt = opt,
			      .tcp_opt_len = 32,
			      .payload = some_payload,
			      .payload_len = 51};
	struct pkt_facts whole;

	kit_frame_make(&k);
	whole = parse(&k);
	assert_int_equal(whole.kind, PKT_TCP);
	assert_int_equal(whole.flags, PKT_F_TS | PKT_F_SACK | PKT_F_SUM);
	for (uint32_t a = 1; a < k.len; a++) {
		for (uint32_t b = a; b < k.len; b++) { /* a == b: an empty segment between */
			struct tcp_sack_block blocks[TCP_SACK_MAX];
			uint32_t cuts[] = {a, b};
			struct rte_mbuf *m = kit_chain(pool, k.buf, k.len, cuts, 2);
			struct pkt_facts f;

			pkt_parse_one(m, &f, 3, &port);
			same_facts(&f, &whole);
			assert_int_equal(pkt_sack_blocks(m, &f, blocks), 2);
			assert_int_equal(blocks[0].left, 0x101);
			assert_int_equal(blocks[0].right, 0x202);
			assert_int_equal(blocks[1].left, 0x303);
			assert_int_equal(blocks[1].right, 0x404);
			rte_pktmbuf_free(m);
		}
	}
}

static void test_sum_range(void **state)
{
	uint8_t b[97];

	kit_fill(b, sizeof(b));
	for (unsigned i = 0; i < 20000; i++) {
		uint32_t a = kit_rnd() % 97, c = a + kit_rnd() % (98 - a);
		uint32_t off = kit_rnd() % 98, len = kit_rnd() % (98 - off);
		uint32_t cuts[] = {a, c};
		struct rte_mbuf *m = kit_chain(pool, b, sizeof(b), cuts, 2);

		assert_int_equal(be16(pkt_sum(m, off, len)), kit_sum(b + off, len, 0));
		rte_pktmbuf_free(m);
	}
}

/* And the same for the IPv4 header. */
static void HDR_03_rx_flags(void **state)
{
	static const struct {
		uint64_t flag;
		bool takes_good, takes_bad, sums;
	} l4[] = {
		{RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN, true, false, true},
		{RTE_MBUF_F_RX_L4_CKSUM_BAD, false, false, false},
		{RTE_MBUF_F_RX_L4_CKSUM_GOOD, true, true, false},
		{RTE_MBUF_F_RX_L4_CKSUM_NONE, true, true, false},
	}, ip[] = {
		{RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN, true, false, true},
		{RTE_MBUF_F_RX_IP_CKSUM_BAD, false, false, true},
		{RTE_MBUF_F_RX_IP_CKSUM_GOOD, true, true, true},
		{RTE_MBUF_F_RX_IP_CKSUM_NONE, true, true, true},
	};

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(l4); i++) {
		bool bad = i & 1, take = bad ? l4[i / 2].takes_bad : l4[i / 2].takes_good;
		struct kit_frame k = data_frame(51);
		struct pkt_facts f;

		k.buf[70] ^= bad ? 0x40 : 0;
		f = parse_cut(k.buf, k.len, l4[i / 2].flag, NULL, 0);
		assert_int_equal(f.kind, take ? PKT_TCP : PKT_DROP);
		assert_int_equal(f.reason, take ? 0 : CTR_RX_CSUM_BAD);
		assert_int_equal(!!(f.flags & PKT_F_SUM), take && l4[i / 2].sums);
		assert_int_equal(!!(f.flags & PKT_F_CSUM_NONE),
				 l4[i / 2].flag == RTE_MBUF_F_RX_L4_CKSUM_NONE);
		k = data_frame(51);
		take = bad ? ip[i / 2].takes_bad : ip[i / 2].takes_good;
		k.buf[14 + 8] ^= bad ? 0x40 : 0; /* TTL: not in the pseudo-header */
		f = parse_cut(k.buf, k.len, ip[i / 2].flag, NULL, 0);
		assert_int_equal(f.kind, take ? PKT_TCP : PKT_DROP);
		assert_int_equal(f.reason, take ? 0 : CTR_RX_IP_CSUM_BAD);
	}
}

/* No single flipped bit of header or payload gets through. */
static void HDR_02_flipped_bits(void **state)
{
	struct kit_frame k = data_frame(33);

	for (uint32_t bit = 34 * 8; bit < k.len * 8; bit++) {
		k.buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(parse(&k).kind, PKT_DROP);
		k.buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(parse(&k).kind, PKT_TCP);
}

static void test_partial_sum(void **state)
{
	struct kit_frame k = data_frame(51);

	store_be16(k.buf + 34 + 16, kit_sum(k.buf + 26, 8, 6 + 32 + 51));
	expect_drop(&k, CTR_RX_CSUM_PARTIAL);
	k.buf[34 + 16] ^= 1;
	expect_drop(&k, CTR_RX_CSUM_BAD);
}

static void test_padding(void **state) /* HDR-04, L2-17 */
{
	struct kit_frame k = {.payload = some_payload, .payload_len = 1};
	struct pkt_facts f;

	kit_frame_make(&k);
	memset(k.buf + k.len, 0xaa, 60 - k.len);
	k.len = 60;
	f = parse(&k);
	assert_int_equal(f.kind, PKT_TCP);
	assert_int_equal(f.payload_len, 1);
	assert_int_equal(f.l4_len, 21);
	for (uint32_t cut = 1; cut < 60; cut++) {
		struct pkt_facts g = parse_cut(k.buf, k.len, 0, &cut, 1);

		same_facts(&g, &f);
	}
}

static void HDR_06_tcp_lengths(void **state)
{
	for (unsigned len = 0; len < 20; len++) {
		struct kit_frame k = {0};

		kit_frame_make(&k);
		store_be16(k.buf + 16, (uint16_t)(20 + len));
		kit_ip_sum(&k);
		k.len = 34 + len; /* no padding: the header is not there */
		expect_drop(&k, CTR_RX_BAD_HDR);
		k.len = 54;
		expect_drop(&k, CTR_RX_BAD_HDR);
	}
	for (unsigned payload = 0; payload <= 40; payload++) {
		for (unsigned doff = 0; doff < 16; doff++) {
			struct kit_frame k = {.payload = some_payload, .payload_len = payload};

			kit_frame_make(&k);
			k.buf[34 + 12] = (uint8_t)(doff << 4);
			kit_frame_sums(&k);
			if (doff < 5 || doff * 4 > 20 + payload)
				expect_drop(&k, CTR_RX_BAD_HDR);
			else
				assert_int_equal(parse(&k).payload_len, 20 + payload - doff * 4);
		}
	}
}

static void test_port_zero(void **state)
{
	struct kit_frame k = data_frame(1);

	store_be16(k.buf + 34, 0);
	expect_drop(&k, CTR_RX_CSUM_BAD);
	kit_frame_sums(&k);
	expect_drop(&k, CTR_RX_PORT_ZERO);
	k = data_frame(1);
	store_be16(k.buf + 36, 0);
	kit_frame_sums(&k);
	expect_drop(&k, CTR_RX_PORT_ZERO);
}

static void IP_01_ip_header(void **state)
{
	struct kit_frame k;

	for (unsigned ver_ihl = 0; ver_ihl < 256; ver_ihl++) {
		if (ver_ihl >> 4 == 4 && (ver_ihl & 15) >= 5)
			continue;
		k = data_frame(51);
		k.buf[14] = (uint8_t)ver_ihl;
		expect_drop(&k, CTR_RX_IP_BAD);
	}
	for (unsigned total = 0; total < 20; total++) {
		k = data_frame(51);
		store_be16(k.buf + 16, (uint16_t)total);
		kit_ip_sum(&k);
		expect_drop(&k, CTR_RX_IP_BAD);
	}
	k = data_frame(51);
	k.buf[14] = 0x4f; /* 60 bytes of header in a total of 59 */
	store_be16(k.buf + 16, 59);
	expect_drop(&k, CTR_RX_IP_BAD);
	k = data_frame(51);
	store_be16(k.buf + 16, (uint16_t)(k.len - 14 + 1));
	kit_ip_sum(&k);
	expect_drop(&k, CTR_RX_IP_CUT);
	k = data_frame(51);
	k.buf[14 + 10] ^= 1;
	expect_drop(&k, CTR_RX_IP_CSUM_BAD);
}

/* Every prefix of a frame is dropped, for the right reason, and nothing beyond it is read. */
static void L2_19_truncated(void **state)
{
	struct kit_frame k = data_frame(51);
	uint32_t len = k.len;

	for (k.len = 0; k.len < len; k.len++) {
		expect_drop(&k, k.len < 34 ? CTR_RX_RUNT : CTR_RX_IP_CUT);
		for (uint32_t cut = 1; cut < k.len; cut++) {
			struct pkt_facts f = parse_cut(k.buf, k.len, 0, &cut, 1);

			assert_int_equal(f.reason, k.len < 34 ? CTR_RX_RUNT : CTR_RX_IP_CUT);
		}
	}
}

static void IP_03_ip_options(void **state)
{
	static const uint8_t types[] = {7, 68, 82, 130, 136, 148, 0x9e, IP4_OPT_LSRR, IP4_OPT_SSRR};
	uint8_t opt[40];

	for (unsigned t = 0; t < sizeof(types); t++) {
		for (unsigned len = 0; len < 256; len++) {
			for (unsigned space = 4; space <= 40; space += 12) {
				struct kit_frame k = {.ip_opt = opt,
						      .ip_opt_len = space,
						      .payload = some_payload,
						      .payload_len = 9};

				memset(opt, IP4_OPT_NOP, sizeof(opt));
				opt[1] = types[t];
				opt[2] = (uint8_t)len;
				kit_frame_make(&k);
				if (len < 2 || len > space - 1)
					expect_drop(&k, CTR_RX_IP_BAD);
				else if (types[t] == IP4_OPT_LSRR || types[t] == IP4_OPT_SSRR)
					expect_drop(&k, CTR_RX_IP_SOURCE_ROUTE);
				else
					assert_int_equal(parse(&k).payload_off, 54 + space);
			}
		}
	}
	memset(opt, IP4_OPT_NOP, sizeof(opt));
	opt[3] = 7; /* a type as the last octet has no length */
	struct kit_frame k = {.ip_opt = opt, .ip_opt_len = 4};
	kit_frame_make(&k);
	expect_drop(&k, CTR_RX_IP_BAD);
	opt[2] = IP4_OPT_EOL; /* what follows the end of the list is not looked at */
	kit_frame_make(&k);
	assert_int_equal(parse(&k).kind, PKT_TCP);
}

static void L2_19_link_layer(void **state)
{
	struct kit_frame k = data_frame(51);
	struct pkt_facts f;

	for (unsigned i = 0; i < 6; i++) {
		k.buf[i] ^= 0x80;
		expect_drop(&k, CTR_RX_FOREIGN_MAC);
		port.flags = PKT_RX_ANY_MAC;
		f = parse(&k);
		assert_int_equal(f.kind, PKT_TCP);
		assert_int_equal(f.flags & PKT_F_L2_BROADCAST, 0);
		port.flags = 0;
		k.buf[i] ^= 0x80;
	}
	k.buf[0] |= 1;
	f = parse(&k);
	assert_int_equal(f.kind, PKT_TCP);
	assert_true(f.flags & PKT_F_L2_BROADCAST);
	k = data_frame(51);
	store_be16(k.buf + 12, 0x8100);
	expect_drop(&k, CTR_RX_VLAN);
	store_be16(k.buf + 12, 0x88a8);
	expect_drop(&k, CTR_RX_VLAN);
	store_be16(k.buf + 12, 0x86dc);
	expect_drop(&k, CTR_RX_L3_UNKNOWN);
	store_be16(k.buf + 12, ETH_TYPE_IP6); /* and an IPv4 header */
	expect_drop(&k, CTR_RX_IP_BAD);
}

/* k with tags in front of its EtherType, stripped: of which the port took the first away. */
static struct pkt_facts parse_tagged(const struct kit_frame *k, const uint16_t *tags, unsigned n,
				     uint64_t stripped, const uint32_t *cut)
{
	uint8_t buf[256];
	struct pkt_facts f;
	struct rte_mbuf *m;
	uint8_t *p = buf + 2 * ETH_ADDR_LEN;

	memcpy(buf, k->buf, 2 * ETH_ADDR_LEN);
	for (unsigned i = stripped != 0; i < n; i++, p += 4) {
		store_be16(p, ETH_TYPE_VLAN);
		store_be16(p + 2, tags[i]);
	}
	memcpy(p, k->buf + 2 * ETH_ADDR_LEN, k->len - 2 * ETH_ADDR_LEN);
	m = kit_chain(pool, buf, (uint32_t)(p - buf) + k->len - 2 * ETH_ADDR_LEN, cut, cut != NULL);
	m->ol_flags |= stripped;
	m->vlan_tci = stripped ? tags[0] : 0;
	pkt_parse_one(m, &f, 3, &port);
	if (f.kind == PKT_TCP) {
		uint8_t copy[256];

		assert_int_equal(m->pkt_len, k->len);
		assert_memory_equal(rte_pktmbuf_read(m, 0, m->pkt_len, copy), k->buf, k->len);
	}
	rte_pktmbuf_free(m);
	return f;
}

#define STRIPPED (RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED)

/* No VLAN is configured: a frame has no tag, or one that says a priority alone. */
static void L2_16_tags(void **state)
{
	static const uint16_t priority[] = {0, 0xe000, 0x1000}, vlan[] = {1, 5, 0xe005, 4095};
	const struct kit_frame k = data_frame(51);

	for (unsigned i = 0; i < 2; i++) {
		const uint64_t stripped = i ? STRIPPED : 0;

		for (unsigned j = 0; j < ARRAY_SIZE(priority); j++) {
			const uint16_t twice[] = {priority[j], 0}, inner[] = {priority[j], 7};
			struct pkt_facts f = parse_tagged(&k, &priority[j], 1, stripped, NULL);

			assert_int_equal(f.kind, PKT_TCP);
			assert_int_equal(f.payload_len, 51);
			assert_int_equal(f.l3_off, ETH_HDR_LEN);
			assert_int_equal(parse_tagged(&k, twice, 2, stripped, NULL).reason,
					 CTR_RX_VLAN);
			assert_int_equal(parse_tagged(&k, inner, 2, stripped, NULL).reason,
					 CTR_RX_VLAN);
		}
		for (unsigned j = 0; j < ARRAY_SIZE(vlan); j++) {
			const uint16_t outer[] = {vlan[j], 0};

			assert_int_equal(parse_tagged(&k, &vlan[j], 1, stripped, NULL).reason,
					 CTR_RX_VLAN);
			assert_int_equal(parse_tagged(&k, outer, 2, stripped, NULL).reason,
					 CTR_RX_VLAN);
		}
	}
	assert_int_equal(
		parse_tagged(&k, priority, 1, STRIPPED | RTE_MBUF_F_RX_QINQ_STRIPPED, NULL).reason,
		CTR_RX_VLAN);
	for (uint32_t cut = 1; cut < k.len; cut++)
		assert_int_equal(parse_tagged(&k, priority, 1, 0, &cut).kind, PKT_TCP);
}

/* The packet of another as well is not changed. */
static void a_tag_that_somebody_else_sees(void **state)
{
	struct kit_frame k = data_frame(51);
	struct pkt_facts f;
	struct rte_mbuf *m;

	store_be16(k.buf + 12, ETH_TYPE_VLAN);
	store_be16(k.buf + 14, 0);
	m = kit_chain(pool, k.buf, k.len, NULL, 0);
	rte_mbuf_refcnt_set(m, 2);
	pkt_parse_one(m, &f, 3, &port);
	assert_int_equal(f.reason, CTR_RX_VLAN);
	assert_int_equal(m->pkt_len, k.len);
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), k.buf, k.len);
	rte_mbuf_refcnt_set(m, 1);
	rte_pktmbuf_free(m);
}

static void test_arp(void **state)
{
	struct kit_frame k = {0};
	struct pkt_facts f;

	kit_frame_make(&k);
	memset(k.buf, 0xff, 6);
	store_be16(k.buf + 12, 0x0806);
	k.len = 14 + sizeof(struct arp_pkt);
	f = parse(&k);
	assert_int_equal(f.kind, PKT_ARP);
	assert_int_equal(f.l3_off, 14);
	assert_int_equal(f.flags, PKT_F_L2_BROADCAST);
	k.len--;
	expect_drop(&k, CTR_RX_RUNT);
}

static void test_other_protocols(void **state)
{
	struct kit_frame k = data_frame(51);
	struct pkt_facts f;

	k.buf[14 + 9] = IP_PROTO_UDP;
	kit_ip_sum(&k);
	f = parse(&k);
	assert_int_equal(f.kind, PKT_UDP);
	assert_int_equal(be16(f.sport), 4096);
	assert_int_equal(be16(f.dport), 80);
	assert_int_equal(f.payload_len, 32 + 51 - 8);
	k.buf[14 + 9] = IP_PROTO_ICMP;
	kit_ip_sum(&k);
	f = parse(&k);
	assert_int_equal(f.kind, PKT_ICMP);
	assert_int_equal(f.payload_off, 42);
	assert_int_equal(f.l4_len, 32 + 51);
	k.buf[14 + 9] = 253;
	kit_ip_sum(&k);
	f = parse(&k);
	assert_int_equal(f.kind, PKT_OTHER);
	assert_int_equal(f.proto, 253);
	for (unsigned len = 0; len < 8; len++) {
		k = data_frame(0);
		k.len = 34 + len;
		store_be16(k.buf + 16, (uint16_t)(20 + len));
		k.buf[14 + 9] = IP_PROTO_UDP;
		kit_ip_sum(&k);
		expect_drop(&k, CTR_RX_UDP_BAD);
		k.buf[14 + 9] = IP_PROTO_ICMP;
		kit_ip_sum(&k);
		expect_drop(&k, CTR_RX_ICMP_BAD);
	}
}

static void test_fragments(void **state)
{
	static const struct {
		uint16_t frag;
		bool is;
	} cases[] = {{0x4000, false}, {0x8000, false}, {0, false},     {0x2000, true},
		     {0x6000, true},  {0x0001, true},  {0x3fff, true}, {0x1000, true}};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct kit_frame k = data_frame(51);
		struct pkt_facts f;

		store_be16(k.buf + 14 + 6, cases[i].frag);
		kit_ip_sum(&k);
		f = parse(&k);
		assert_int_equal(f.kind, cases[i].is ? PKT_FRAGMENT : PKT_TCP);
		assert_int_equal(f.l4_off, 34);
		assert_int_equal(f.l4_len, 32 + 51);
		assert_int_equal(f.proto, IP_PROTO_TCP);
	}
}

static void test_burst(void **state)
{
	struct kit_frame k[9];
	struct rte_mbuf *pkts[9];
	struct pkt_facts facts[10];

	for (unsigned i = 0; i < 9; i++) {
		k[i] = data_frame(i * 5);
		if (i % 3 == 2)
			k[i].buf[1] ^= 1;
		pkts[i] = kit_chain(pool, k[i].buf, k[i].len, NULL, 0);
	}
	for (unsigned n = 0; n <= 9; n++) {
		memset(facts, 0xa5, sizeof(facts));
		pkt_parse_burst(pkts, facts, n, 3, &port);
		for (unsigned i = 0; i < n; i++) {
			struct pkt_facts f = parse(&k[i]);

			same_facts(&facts[i], &f);
			assert_int_equal(f.kind, i % 3 == 2 ? PKT_DROP : PKT_TCP);
		}
		assert_int_equal(facts[n].kind, 0xa5);
	}
	for (unsigned i = 0; i < 9; i++)
		rte_pktmbuf_free(pkts[i]);
}

/* Damaged frames, whole and cut: the same facts, and nothing in them points outside. */
static void test_random(void **state)
{
	static const uint8_t ip_opt[8] = {148, 4, 0, 0, 1, 1, 1, 0};

	for (unsigned i = 0; i < 60000; i++) {
		struct kit_frame k = {.ip_opt = ip_opt,
				      .ip_opt_len = i & 1 ? 8 : 0,
				      .tcp_opt = ts_opt,
				      .tcp_opt_len = i & 2 ? 12 : 0,
				      .payload = some_payload,
				      .payload_len = kit_rnd() % 60};
		uint64_t ol = kit_rnd() & 1 ? RTE_MBUF_F_RX_L4_CKSUM_GOOD |
						      RTE_MBUF_F_RX_IP_CKSUM_GOOD : 0;
		struct pkt_facts a, b;
		uint32_t cuts[2];

		kit_frame_make(&k);
		for (unsigned n = kit_rnd() % 4; n; n--)
			k.buf[12 + kit_rnd() % (k.len - 12)] = (uint8_t)kit_rnd();
		k.len -= kit_rnd() % 8 == 0 ? kit_rnd() % k.len : 0;
		cuts[0] = kit_rnd() % (k.len + 1);
		cuts[1] = cuts[0] + kit_rnd() % (k.len + 1 - cuts[0]);
		a = parse_cut(k.buf, k.len, ol, NULL, 0);
		b = parse_cut(k.buf, k.len, ol, cuts, 2);
		same_facts(&a, &b);
		if (a.kind == PKT_TCP || a.kind == PKT_UDP || a.kind == PKT_ICMP)
			assert_true((uint32_t)a.payload_off + a.payload_len <= k.len);
		if (a.kind == PKT_TCP && a.flags & PKT_F_SACK)
			assert_true(a.sack_off + 8u * a.sack_n <= a.payload_off);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, balanced)
	const struct CMUnitTest tests[] = {
		TEST(test_fields),	  TEST(test_syn_options),
		TEST(test_split),	  TEST(test_sum_range),
		TEST(HDR_03_rx_flags),	  TEST(HDR_02_flipped_bits),
		TEST(test_partial_sum),	  TEST(test_padding),
		TEST(HDR_06_tcp_lengths), TEST(test_port_zero),
		TEST(IP_01_ip_header),	  TEST(L2_19_truncated),
		TEST(IP_03_ip_options),	  TEST(L2_19_link_layer),
		TEST(L2_16_tags),	  TEST(a_tag_that_somebody_else_sees),
		TEST(test_arp),		  TEST(test_other_protocols),
		TEST(test_fragments),	  TEST(test_burst),
		TEST(test_random),
	};

	return cmocka_run_group_tests(tests, start, kit_stop);
}
