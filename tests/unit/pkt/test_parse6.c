/*
 * IPv6 from the frame to the facts: rows HDR-05 and IP-09 to IP-15 as far as they are the parser's.
 */
#include "kit6.h"

#include "base/counter.h"
#include "pkt/parse.h"
#include "wire/ip6.h"

#define PADDING 7 /* octets of padding in a row that are taken */

static struct rte_mempool *pool;
static struct pkt_port port;
static struct kit6_frame k;

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
	return 0;
}

static struct pkt_facts parse_cut(uint32_t len, uint64_t ol_flags, const uint32_t *cuts, unsigned n_cuts)
{
	struct rte_mbuf *m = kit_chain(pool, k.buf, len, cuts, n_cuts);
	struct pkt_facts f;

	m->ol_flags |= ol_flags;
	memset(&f, 0xa5, sizeof(f));
	pkt_parse_one(m, &f, 3, &port);
	rte_pktmbuf_free(m);
	return f;
}

static struct pkt_facts parse(void)
{
	return parse_cut(k.len, 0, NULL, 0);
}

static const uint8_t ts_opt[12] = {1, 1, 8, 10, 0, 0, 1, 0, 0xff, 0, 0, 2};

static void test_fields(void **state)
{
	struct pkt_facts f;

	kit6_begin(&k);
	store_be32(k.buf + KIT6_L3, 0x6bbabcde);
	kit6_tcp(&k, 0x10 | 0x20 | 0x40, ts_opt, 12, 51);
	f = parse();
	assert_int_equal(f.kind, PKT_TCP);
	assert_int_equal(f.port, 3);
	assert_int_equal(f.flags, PKT_F_V6 | PKT_F_TS | PKT_F_SUM | PKT_F_CE);
	assert_int_equal(f.tcp_flags, 0x10 | 0x20 | 0x40);
	assert_int_equal(f.l3_off, 14);
	assert_int_equal(f.l4_off, 54);
	assert_int_equal(f.l4_len, 32 + 51);
	assert_int_equal(f.payload_off, 86);
	assert_int_equal(f.payload_len, 51);
	assert_int_equal(f.seq, 0xfffffff0);
	assert_int_equal(f.ack, 0x12345678);
	assert_int_equal(f.window, 0xfffe);
	assert_int_equal(f.urg, 0x0203);
	assert_int_equal(f.tsval, 0x100);
	assert_int_equal(f.tsecr, 0xff000002);
	assert_int_equal(be16(f.sport), 4096);
	assert_int_equal(be16(f.dport), 80);
	assert_int_equal(f.dscp, 0xbb >> 2);
	assert_int_equal(f.proto, 6);
	assert_int_equal(be16((uint16_t)f.payload_sum), kit_sum(k.buf + 86, 51, 0));
	assert_memory_equal(f.saddr, kit6_saddr, 16);
	assert_memory_equal(f.daddr, kit6_daddr, 16);
}


static const uint8_t pad8[8] = {[2] = 1, [3] = 4}; /* options that are one of padding; or routing, left 4 */
static const uint8_t route0[8] = {0};              /* routing of type 0, no segments left */

static void dest_opts(void)
{
	kit6_add(&k, IP6_NEXT_DEST_OPTS, pad8, 8);
}

/* A Fragment header: offset in octets and IP6_MF. */
static void fragment(uint16_t off)
{
	uint8_t fh[8] = {0, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef};

	store_be16(fh + 2, off);
	kit6_add(&k, IP6_NEXT_FRAGMENT, fh, 8);
}

/* Options of that number of octets altogether, all 0, which is of padding each. */
static uint8_t *options(uint8_t number, uint32_t len)
{
	static const uint8_t zero[IP6_EXT_MAX];
	uint8_t *p = k.buf + k.len;

	kit6_add(&k, number, zero, len);
	p[1] = (uint8_t)(len / 8 - 1);
	return p + 2;
}

static void syn(void)
{
	kit6_tcp(&k, 2, NULL, 0, 0);
}

static void expect_drop(enum counter reason)
{
	struct pkt_facts f = parse();

	assert_int_equal(f.kind, PKT_DROP);
	assert_int_equal(f.reason, reason);
}

static struct pkt_facts expect_problem(unsigned code, unsigned ptr, enum counter reason)
{
	struct pkt_facts f = parse();

	assert_int_equal(f.kind, PKT_PROBLEM);
	assert_int_equal(f.problem_code, code);
	assert_int_equal(f.problem_ptr, ptr);
	assert_int_equal(f.reason, reason);
	assert_true(f.flags & PKT_F_V6);
	assert_int_equal(f.l3_off, 14);
	assert_memory_equal(f.saddr, kit6_saddr, 16);
	return f;
}

static void expect_tcp(unsigned l4_off)
{
	struct pkt_facts f = parse();

	assert_int_equal(f.kind, PKT_TCP);
	assert_int_equal(f.l4_off, l4_off);
	assert_int_equal(f.l4_off + f.l4_len, k.len);
	assert_int_equal(f.proto, 6);
	assert_int_equal(f.problem_code | f.problem_ptr, 0);
}

static void test_base_header(void **state)
{
	for (unsigned v = 0; v < 16; v++) {
		kit6_begin(&k);
		syn();
		k.buf[14] = (uint8_t)(v << 4);
		if (v == 6)
			expect_tcp(54);
		else
			expect_drop(CTR_RX_IP_BAD);
	}
	kit6_begin(&k);
	syn();
	for (uint32_t len = 14; len < k.len; len++) { /* cut anywhere */
		struct pkt_facts f = parse_cut(len, 0, NULL, 0);

		assert_int_equal(f.kind, PKT_DROP);
		assert_int_equal(f.reason, len < 54 ? CTR_RX_RUNT : CTR_RX_IP_CUT);
	}
	store_be16(k.buf + 18, 21);
	expect_drop(CTR_RX_IP_CUT);
	store_be16(k.buf + 18, 0xffff);
	expect_drop(CTR_RX_IP_CUT);
	store_be16(k.buf + 18, 0); /* as of a jumbogram */
	expect_drop(CTR_RX_BAD_HDR);
}

/* What is beyond the payload length is padding, and not of the segment. */
static void test_padding(void **state)
{
	struct pkt_facts f;

	kit6_begin(&k);
	dest_opts();
	kit6_tcp(&k, 0x10, NULL, 0, 3);
	memset(k.buf + k.len, 0xa5, 6);
	f = parse_cut(k.len + 6, 0, NULL, 0);
	assert_int_equal(f.kind, PKT_TCP);
	assert_int_equal(f.payload_len, 3);
	assert_int_equal(be16((uint16_t)f.payload_sum), kit_sum(k.buf + k.len - 3, 3, 0));
}

/* They would be taken for IPv4: RFC 4942 section 2.2. */
static void test_mapped_addresses(void **state)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	for (unsigned at = 22; at <= 38; at += 16) {
		kit6_begin(&k);
		memcpy(k.buf + at, mapped, 12);
		syn();
		expect_drop(CTR_RX_BAD_SRC);
		k.buf[at + 11] = 0;
		kit6_sum(&k, 54, 16, 6);
		expect_tcp(54);
	}
}

static void test_checksum(void **state)
{
	static const uint64_t good = RTE_MBUF_F_RX_L4_CKSUM_GOOD, bad = RTE_MBUF_F_RX_L4_CKSUM_BAD,
			      none = RTE_MBUF_F_RX_L4_CKSUM_NONE;

	for (unsigned ext = 0; ext < 2; ext++) {
		kit6_begin(&k);
		if (ext)
			dest_opts();
		kit6_tcp(&k, 0x18, ts_opt, 12, 100);
		for (uint32_t at = 22; at < k.len; at++) {
			if (ext && at >= 54 && at < 62)
				continue; /* not covered */
			k.buf[at] ^= 1;
			assert_int_equal(parse().kind, PKT_DROP);
			assert_int_equal(parse_cut(k.len, bad, NULL, 0).kind, PKT_DROP);
			k.buf[at] ^= 1;
		}
		k.buf[k.len - 1] ^= 1;
		assert_int_equal(parse().reason, CTR_RX_CSUM_BAD);
		assert_int_equal(parse_cut(k.len, good, NULL, 0).flags & ~PKT_F_EXT, PKT_F_V6 | PKT_F_TS);
		assert_int_equal(parse_cut(k.len, none, NULL, 0).flags & ~PKT_F_EXT,
				 PKT_F_V6 | PKT_F_TS | PKT_F_CSUM_NONE);
		/* The sender's device was to do the rest. */
		store_be16(k.buf + 54 + 8 * ext + 16, kit_sum(k.buf + 22, 32, 6 + 132));
		expect_drop(CTR_RX_CSUM_PARTIAL);
	}
}

/* The pseudo-header has the transport's number, not that of the header behind the IPv6 header. */
static void HDR_05_the_sum_behind_extension_headers(void **state)
{
	kit6_begin(&k);
	dest_opts();
	syn();
	expect_tcp(62);
	kit6_sum(&k, 62, 16, IP6_NEXT_DEST_OPTS);
	expect_drop(CTR_RX_CSUM_BAD);
}

static void same_facts(const struct pkt_facts *a, const struct pkt_facts *b)
{
	assert_memory_equal(a, b, offsetof(struct pkt_facts, unused3));
	assert_memory_equal(a->daddr, b->daddr, offsetof(struct pkt_facts, hash) - offsetof(struct pkt_facts, daddr));
}

/* Cut at every pair of offsets, the facts are the same. */
static void test_split(void **state)
{
	static const uint8_t opt[32] = {1, 1, 8, 10, 0, 0, 1, 0, 0, 0, 0, 2, 1, 1, 5, 18,
					0, 0, 1, 1,  0, 0, 2, 2, 0, 0, 3, 3, 0, 0, 4, 4};

	for (unsigned ext = 0; ext < 2; ext++) {
		struct pkt_facts whole;

		kit6_begin(&k);
		if (ext) {
			kit6_add(&k, IP6_NEXT_HOP_BY_HOP, pad8, 8);
			kit6_add(&k, IP6_NEXT_ROUTING, route0, 8);
			fragment(0);
			options(IP6_NEXT_DEST_OPTS, 40)[0] = 0x3e;
			k.buf[k.len - 37] = 36; /* one of 36 octets */
		}
		kit6_tcp(&k, 0x18, opt, 32, 51);
		whole = parse();
		assert_int_equal(whole.kind, PKT_TCP);
		assert_int_equal(whole.sack_n, 2);
		for (uint32_t a = 1; a < k.len; a++)
			for (uint32_t b = a; b < k.len; b++) {
				uint32_t cuts[] = {a, b};
				struct pkt_facts f = parse_cut(k.len, 0, cuts, 2);

				same_facts(&f, &whole);
			}
	}
}

static void test_other_protocols(void **state)
{
	static const uint8_t udp[11] = {0x12, 0x34, 0, 53, 0, 11}, echo[9] = {128, 0, 0, 0, 1, 2, 3, 4, 5};

	for (unsigned ext = 0; ext < 3; ext++) {
		struct pkt_facts f;
		unsigned l4 = 54 + 8 * ext;

		for (uint32_t len = 1; len <= sizeof(udp); len++) {
			kit6_begin(&k);
			for (unsigned i = 0; i < ext; i++)
				dest_opts();
			kit6_add(&k, 17, udp, len);
			if (len < 8) {
				expect_drop(CTR_RX_UDP_BAD);
				continue;
			}
			f = parse();
			assert_int_equal(f.kind, PKT_UDP);
			assert_int_equal(f.flags, PKT_F_V6 | (ext ? PKT_F_EXT : 0));
			assert_int_equal(f.l4_off, l4);
			assert_int_equal(f.l4_len, len);
			assert_int_equal(f.payload_off, l4 + 8);
			assert_int_equal(f.payload_len, len - 8);
			assert_int_equal(be16(f.sport), 0x1234);
			assert_int_equal(be16(f.dport), 53);
			assert_int_equal(f.proto, 17);
		}
		for (uint32_t len = 1; len <= sizeof(echo); len++) {
			kit6_begin(&k);
			for (unsigned i = 0; i < ext; i++)
				dest_opts();
			kit6_add(&k, IP_PROTO_ICMPV6, echo, len);
			if (len < 8) {
				expect_drop(CTR_RX_ICMP_BAD);
				continue;
			}
			f = parse();
			assert_int_equal(f.kind, PKT_ICMP);
			assert_int_equal(f.flags, PKT_F_V6 | (ext ? PKT_F_EXT : 0));
			assert_int_equal(f.l4_off, l4);
			assert_int_equal(f.payload_off, l4 + 8);
			assert_int_equal(f.payload_len, len - 8);
			assert_int_equal(f.proto, 58);
		}
	}
	for (unsigned type = 0; type < 256; type++) { /* Neighbor and Multicast Listener Discovery */
		uint8_t icmp[8] = {(uint8_t)type};

		kit6_begin(&k);
		kit6_add(&k, IP_PROTO_ICMPV6, icmp, sizeof(icmp));
		assert_int_equal(parse().kind, PKT_ICMP);
		assert_int_equal(parse().flags, PKT_F_V6 | ((type >= 130 && type <= 137) || type == 143 ? PKT_F_ND : 0));
	}
	kit6_begin(&k); /* nothing, said and unsaid */
	expect_drop(CTR_RX_PROTO_UNKNOWN);
	kit6_add(&k, IP6_NEXT_NONE, udp, sizeof(udp));
	expect_drop(CTR_RX_PROTO_UNKNOWN);
	for (unsigned next = 0; next < 256; next++) {
		if (next == 6 || next == 17 || next == 58 || next == 59 || next == 0 || next == 43 || next == 44 ||
		    next == 60)
			continue;
		kit6_begin(&k);
		kit6_add(&k, (uint8_t)next, udp, sizeof(udp));
		expect_problem(1, 6, CTR_RX_PROTO_UNKNOWN);
		kit6_begin(&k);
		dest_opts();
		dest_opts();
		kit6_add(&k, (uint8_t)next, NULL, 0);
		expect_problem(1, 48, CTR_RX_PROTO_UNKNOWN);
	}
}

static void test_order(void **state)
{
	kit6_begin(&k);
	dest_opts();
	kit6_add(&k, IP6_NEXT_ROUTING, route0, 8);
	dest_opts();
	syn();
	expect_tcp(78);
	kit6_begin(&k);
	kit6_add(&k, IP6_NEXT_HOP_BY_HOP, pad8, 8);
	dest_opts();
	dest_opts();
	syn();
	expect_tcp(78);
	kit6_begin(&k);
	dest_opts();
	kit6_add(&k, IP6_NEXT_HOP_BY_HOP, pad8, 8);
	syn();
	expect_problem(1, 40, CTR_RX_IP6_EXT);
	kit6_begin(&k);
	kit6_add(&k, IP6_NEXT_HOP_BY_HOP, pad8, 8);
	kit6_add(&k, IP6_NEXT_HOP_BY_HOP, pad8, 8);
	syn();
	expect_problem(1, 40, CTR_RX_IP6_EXT);
	kit6_begin(&k);
	fragment(0);
	kit6_add(&k, IP6_NEXT_HOP_BY_HOP, NULL, 0);
	expect_problem(1, 40, CTR_RX_IP6_EXT);
}

/* Every type of an option, in both headers, first and behind another. */
static void test_options(void **state)
{
	for (unsigned round = 0; round < 4; round++)
		for (unsigned type = 2; type < 256; type++) {
			unsigned ptr = round & 1 ? 46 : 42;
			struct pkt_facts f;
			uint8_t *o;

			kit6_begin(&k);
			o = options(round & 2 ? IP6_NEXT_HOP_BY_HOP : IP6_NEXT_DEST_OPTS, 16);
			if (round & 1) {
				memcpy(o, "\x1e\x02\0\0", 4);
				o += 4;
			}
			o[0] = (uint8_t)type;
			o[1] = round & 1 ? 4 : 8;
			syn();
			switch (type >> 6) {
			case 0:
				expect_tcp(70);
				break;
			case 1:
				expect_drop(CTR_RX_IP6_OPTION);
				break;
			default:
				f = expect_problem(2, ptr, CTR_RX_IP6_OPTION);
				assert_int_equal(f.flags, PKT_F_V6 | PKT_F_EXT | (type >> 6 == 2 ? PKT_F_PROBLEM_ALWAYS : 0));
			}
		}
}

/* An option may end with its header, and not behind it. */
static void test_options_cut(void **state)
{
	for (unsigned len = 0; len < 256; len++) {
		uint8_t *o;

		kit6_begin(&k);
		o = options(IP6_NEXT_DEST_OPTS, 16);
		o[0] = 0x3e;
		o[1] = (uint8_t)len;
		syn();
		if (len > 12)
			expect_drop(CTR_RX_IP6_EXT);
		else if (len >= 12 - PADDING)
			expect_tcp(70);
	}
	kit6_begin(&k);
	options(IP6_NEXT_DEST_OPTS, 8)[5] = 0x3e; /* of which there is no length */
	syn();
	expect_drop(CTR_RX_IP6_EXT);
}

static void test_routing(void **state)
{
	for (unsigned type = 0; type < 256; type++) {
		uint8_t r[24] = {0, 2, (uint8_t)type, 0};

		kit6_begin(&k);
		dest_opts();
		kit6_add(&k, IP6_NEXT_ROUTING, r, sizeof(r));
		syn();
		expect_tcp(86);
		for (unsigned left = 1; left < 256; left += 127) {
			k.buf[62 + 3] = (uint8_t)left;
			expect_problem(0, 50, CTR_RX_IP6_ROUTE);
		}
	}
}

/* Headers, and options of each, up to eight; padding up to seven octets in a row. */
static void IP_15_chains_are_bounded(void **state)
{
	for (unsigned n = 1; n <= 200; n++) {
		kit6_begin(&k);
		for (unsigned i = 0; i < n; i++)
			dest_opts();
		syn();
		if (n <= 8)
			expect_tcp(54 + 8 * n);
		else
			expect_drop(CTR_RX_IP6_EXT);
	}
	for (unsigned n = 1; n <= 200; n++) {
		uint8_t *o;

		kit6_begin(&k);
		o = options(IP6_NEXT_DEST_OPTS, 8 * (n / 2 + 1));
		for (unsigned i = 0; i < n; i++)
			memcpy(o + 4 * i, "\x1e\x02\0\0", 4);
		memset(o + 4 * n, 0, 8 * (n / 2 + 1) - 2 - 4 * n);
		syn();
		if (n <= 8)
			expect_tcp(54 + 8 * (n / 2 + 1));
		else
			expect_drop(CTR_RX_IP6_EXT);
	}
	for (unsigned n = 0; n <= 64; n++) { /* so much padding, by octets and, from two on, at once */
		for (unsigned at_once = 0; at_once <= (n >= 2); at_once++) {
			uint8_t *o;

			kit6_begin(&k);
			o = options(IP6_NEXT_DEST_OPTS, 128);
			if (at_once)
				memcpy(o, (uint8_t[]){1, (uint8_t)(n - 2)}, 2);
			memcpy(o + n, (uint8_t[]){0x1e, (uint8_t)(124 - n)}, 2);
			syn();
			if (n <= PADDING)
				expect_tcp(182);
			else
				expect_drop(CTR_RX_IP6_EXT);
		}
	}
}

/* Every length that a header may say, and what there is of it. */
static void IP_15_lengths_never_wrap(void **state)
{
	static const uint8_t number[] = {IP6_NEXT_HOP_BY_HOP, IP6_NEXT_DEST_OPTS, IP6_NEXT_ROUTING};

	for (unsigned i = 0; i < ARRAY_SIZE(number); i++)
		for (unsigned len = 0; len < 256; len++) {
			kit6_begin(&k);
			options(number[i], 64);
			memset(k.buf + 56, 0, 62);
			if (number[i] != IP6_NEXT_ROUTING)
				for (unsigned at = 56; at < 118; at += 62)
					memcpy(k.buf + at, (uint8_t[]){0x1e, (uint8_t)min_of(60u, len * 8 + 4)}, 2);
			k.buf[55] = (uint8_t)len;
			k.buf[54] = IP6_NEXT_DEST_OPTS; /* and 0 and 0 behind */
			for (uint32_t cut = 54; cut <= k.len; cut++) {
				struct pkt_facts f;

				store_be16(k.buf + 18, (uint16_t)(cut - 54));
				f = parse_cut(cut, 0, NULL, 0);
				assert_true(f.kind == PKT_DROP || f.kind == PKT_PROBLEM);
				if (54 + 8 * (len + 1) > cut) {
					assert_int_equal(f.kind, PKT_DROP);
					assert_int_equal(f.reason, CTR_RX_IP6_EXT);
				}
			}
		}
}

static void test_fragments(void **state)
{
	struct pkt_facts f;

	kit6_begin(&k);
	dest_opts();
	fragment(8 | IP6_MF);
	kit6_add(&k, 6, "0123456789abcdef", 16);
	f = parse();
	assert_int_equal(f.kind, PKT_FRAGMENT);
	assert_int_equal(f.flags, PKT_F_V6 | PKT_F_FRAGMENTED | PKT_F_EXT);
	assert_int_equal(f.l3_off, 14);
	assert_int_equal(f.l4_off, 62);
	assert_int_equal(f.l4_len, 24);
	assert_int_equal(f.proto, 6);
	/* All but the last are of whole octets of eight: the payload length is pointed at. */
	kit6_begin(&k);
	dest_opts();
	fragment(0 | IP6_MF);
	kit6_add(&k, 6, "0123456789abcdef", 15);
	expect_problem(0, 4, CTR_RX_FRAG_BAD);
	/* But of those behind the first nobody is told, nor of an error. */
	store_be16(k.buf + 64, 8 | IP6_MF);
	expect_drop(CTR_RX_FRAG_BAD);
	store_be16(k.buf + 64, 8);
	assert_int_equal(parse().kind, PKT_FRAGMENT);
	kit6_begin(&k);
	fragment(0 | IP6_MF);
	kit6_add(&k, IP_PROTO_ICMPV6, "\1\2\3\4\5\6", 7);
	expect_drop(CTR_RX_FRAG_BAD);
	/* The last octet of the whole is the 65535th. */
	kit6_begin(&k);
	dest_opts();
	fragment(65512);
	kit6_add(&k, 6, "0123456789abcdef", 15);
	assert_int_equal(parse().kind, PKT_FRAGMENT);
	kit6_begin(&k);
	dest_opts();
	fragment(65512);
	kit6_add(&k, 6, "0123456789abcdef", 16);
	expect_drop(CTR_RX_FRAG_BAD);
	/* Nothing in it, or no whole header. */
	kit6_begin(&k);
	fragment(8);
	expect_drop(CTR_RX_FRAG_BAD);
	for (unsigned len = 0; len < 8; len++) {
		kit6_begin(&k);
		kit6_add(&k, IP6_NEXT_FRAGMENT, "\6\0\0\1abcd", len);
		expect_drop(CTR_RX_IP6_EXT);
	}
}

/* Of each protocol what is its header, behind others too. */
static void IP_09_first_fragments_have_all_headers(void **state)
{
	static const struct {
		uint8_t number;
		uint32_t whole;
	} upper[] = {{6, 40}, {17, 8}, {58, 8}};
	static const uint8_t th[48] = {0x10, 0, 0, 80, [12] = 9 << 4, 2}; /* 36 octets long */

	for (unsigned i = 0; i < ARRAY_SIZE(upper); i++)
		for (uint32_t len = 8; len <= 48; len += 8) {
			uint8_t first[48];

			memcpy(first, th, sizeof(th));
			if (i == 2)
				first[0] = 128;
			kit6_begin(&k);
			fragment(IP6_MF);
			dest_opts();
			kit6_add(&k, upper[i].number, first, len);
			if (len < upper[i].whole)
				expect_problem(3, 0, CTR_RX_FRAG_BAD);
			else
				assert_int_equal(parse().kind, PKT_FRAGMENT);
		}
	kit6_begin(&k); /* extension headers that are not all there */
	fragment(IP6_MF);
	options(IP6_NEXT_DEST_OPTS, 24);
	k.buf[63] = 3;
	expect_problem(3, 0, CTR_RX_FRAG_BAD);
	k.buf[63] = 2;
	k.buf[62] = 253; /* one that is not known is, as far as can be said */
	assert_int_equal(parse().kind, PKT_FRAGMENT);
	k.buf[62] = 6;
	expect_problem(3, 0, CTR_RX_FRAG_BAD);
}

/* A packet that is whole is processed like one without the header, and bears a mark (RFC 6980). */
static void test_atomic(void **state)
{
	struct pkt_facts f;

	for (unsigned reserved = 0; reserved < 8; reserved += 2) {
		kit6_begin(&k);
		dest_opts();
		fragment((uint16_t)reserved);
		dest_opts();
		kit6_tcp(&k, 0x18, NULL, 0, 5);
		f = parse();
		assert_int_equal(f.kind, PKT_TCP);
		assert_int_equal(f.flags, PKT_F_V6 | PKT_F_SUM | PKT_F_FRAGMENTED | PKT_F_EXT);
		assert_int_equal(f.l4_off, 78);
		assert_int_equal(f.payload_len, 5);
	}
}

/* RFC 4443 section 2.4 (e.1), however many headers are between. */
static void test_no_error_about_errors(void **state)
{
	for (unsigned type = 0; type < 256; type += 1) {
		uint8_t icmp[8] = {(uint8_t)type};

		kit6_begin(&k);
		options(IP6_NEXT_DEST_OPTS, 8)[0] = 0x9e;
		k.buf[57] = 4;
		kit6_add(&k, IP6_NEXT_ROUTING, route0, 8);
		kit6_add(&k, IP_PROTO_ICMPV6, icmp, sizeof(icmp));
		if (type < 128)
			expect_drop(CTR_RX_IP6_OPTION);
		else
			expect_problem(2, 42, CTR_RX_IP6_OPTION);
		kit6_begin(&k);
		kit6_add(&k, IP6_NEXT_ROUTING, (uint8_t[]){0, 0, 0, 1, 0, 0, 0, 0}, 8);
		fragment(IP6_MF);
		kit6_add(&k, IP_PROTO_ICMPV6, icmp, sizeof(icmp));
		if (type < 128)
			expect_drop(CTR_RX_IP6_ROUTE);
		else
			expect_problem(0, 42, CTR_RX_IP6_ROUTE);
	}
}

/* Chains of any headers, of which octets are wrong, cut and split anywhere: nothing is read outside, all agree. */
static void T_25_any_headers(void **state)
{
	static const uint8_t number[] = {0, 43, 44, 60, 60, 60, 6, 17, 58, 59};

	for (unsigned i = 0; i < 100000; i++) {
		uint8_t b[64];
		unsigned n = kit_rnd() % 10;
		struct pkt_facts whole, f;
		uint32_t len, cuts[2];

		kit6_begin(&k);
		while (n--) {
			uint32_t units = kit_rnd() % 4;

			kit_fill(b, sizeof(b));
			b[1] = (uint8_t)units;
			for (unsigned o = 2; kit_rnd() % 8 && o < 8 * units + 8; o++)
				b[o] &= kit_rnd() % 3 ? 1 : 7;
			kit6_add(&k, number[kit_rnd() % ARRAY_SIZE(number)], b, 8 * units + 8);
		}
		kit6_tcp(&k, 0x10, ts_opt, kit_rnd() % 2 * 12, kit_rnd() % 64);
		for (n = kit_rnd() % 4; n; n--)
			k.buf[14 + kit_rnd() % (k.len - 14)] ^= (uint8_t)(1 << kit_rnd() % 8);
		len = kit_rnd() % 4 ? k.len : 14 + kit_rnd() % (k.len - 13);
		if (kit_rnd() % 4 == 0 && len >= 54)
			store_be16(k.buf + 18, (uint16_t)(len - 54));
		whole = parse_cut(len, 0, NULL, 0);
		cuts[0] = kit_rnd() % (len + 1);
		cuts[1] = cuts[0] + kit_rnd() % (len + 1 - cuts[0]);
		f = parse_cut(len, 0, cuts, 2);
		same_facts(&f, &whole);
		if (whole.kind == PKT_DROP || whole.kind == PKT_PROBLEM)
			assert_in_range(whole.reason, 0, CTR_RX_DROPS_END - 1);
		else
			assert_in_range(whole.l4_off + whole.l4_len, 54, len);
		if (whole.kind == PKT_PROBLEM)
			assert_true(whole.problem_ptr < len - 14);
	}
}

#define TEST(f) cmocka_unit_test_teardown(f, balanced)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fields),
		TEST(test_base_header),
		TEST(test_padding),
		TEST(test_mapped_addresses),
		TEST(test_checksum),
		TEST(HDR_05_the_sum_behind_extension_headers),
		TEST(test_split),
		TEST(test_other_protocols),
		TEST(test_order),
		TEST(test_options),
		TEST(test_options_cut),
		TEST(test_routing),
		TEST(IP_15_chains_are_bounded),
		TEST(IP_15_lengths_never_wrap),
		TEST(test_fragments),
		TEST(IP_09_first_fragments_have_all_headers),
		TEST(test_atomic),
		TEST(test_no_error_about_errors),
		TEST(T_25_any_headers),
	};

	return cmocka_run_group_tests(tests, start, kit_stop);
}
