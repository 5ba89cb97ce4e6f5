/*
 * A glance says that a frame is a SYN only if the parser does, of every frame that differs from one in an octet, is cut
 * anywhere, or of which the device says something.
 */
#include "kit6.h"

#include "base/counter.h"
#include "pkt/glance.h"
#include "pkt/parse.h"

static struct rte_mempool *pool;
static struct pkt_port port = {.flags = PKT_RX_ANY_MAC};
static const uint8_t ip_opt[4] = {1, 1, 1, 0}, mss[4] = {2, 4, 5, 0xb4};

static int start(void **state)
{
	if (kit_start(state) < 0)
		return -1;
	pool = kit_pool("frames", 255, KIT_BUF);
	return 0;
}

static int balanced(void **state)
{
	assert_int_equal(rte_mempool_avail_count(pool), 255);
	return 0;
}

static struct kit_frame syn(unsigned int ip_opt_len)
{
	struct kit_frame k = {.tcp_flags = TCP_SYN, .tcp_opt = mss, .tcp_opt_len = sizeof(mss),
			      .ip_opt = ip_opt, .ip_opt_len = ip_opt_len};

	kit_frame_make(&k);
	return k;
}

/* As the parser has it: sums aside, which a glance does not verify. */
static bool is_syn(const struct pkt_facts *f)
{
	return f->kind == PKT_TCP && !(f->flags & PKT_F_L2_BROADCAST) &&
	       (f->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
}

/* What both say of a frame whose sums are said to be good. Returns what the glance says. */
static bool compare_octets(const uint8_t *buf, uint32_t len, uint64_t ol_flags)
{
	struct rte_mbuf *m = kit_chain(pool, buf, len, NULL, 0);
	struct pkt_facts f;
	struct pkt_syn s;
	bool said;

	m->ol_flags |= ol_flags ? ol_flags : RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	pkt_parse_one(m, &f, 0, &port);
	said = pkt_is_syn(m, &s);
	if (is_syn(&f))
		assert_true(said);
	if (said && is_syn(&f)) {
		assert_memory_equal(s.daddr, f.daddr, 16);
		assert_int_equal(s.dport, be16(f.dport));
	}
	/* Not parsed as one all the same: cut, a header that is none, or a port that is 0. */
	if (said && !is_syn(&f)) {
		assert_int_equal(f.kind, PKT_DROP);
		assert_in_set(f.reason, ((LargestIntegralType[]){CTR_RX_IP_BAD, CTR_RX_IP_CUT, CTR_RX_BAD_HDR, CTR_RX_PORT_ZERO,
							 CTR_RX_IP_SOURCE_ROUTE}), 5);
	}
	rte_pktmbuf_free(m);
	return said;
}

static bool compare(const struct kit_frame *k, uint32_t len, uint64_t ol_flags)
{
	return compare_octets(k->buf, len, ol_flags);
}

/* The same of IPv6: the parser agrees on every octet, and on every length. */
static void of_ipv6_as_the_parser(void **state)
{
	static struct kit6_frame k, other;
	unsigned int syns = 0;
	struct pkt_facts f;
	struct rte_mbuf *m;
	struct pkt_syn s;

	kit6_begin(&k);
	kit6_tcp(&k, TCP_SYN, mss, sizeof(mss), 3);
	assert_true(compare_octets(k.buf, k.len, 0));
	for (uint32_t at = 0; at < k.len; at++)
		for (unsigned int v = 0; v < 256; v++) {
			other = k;
			other.buf[at] = (uint8_t)v;
			syns += compare_octets(other.buf, other.len, 0);
		}
	assert_in_range(syns, 12000, 20000);
	for (uint32_t len = 1; len < k.len; len++)
		assert_int_equal(compare_octets(k.buf, len, 0), len >= 74);
	assert_false(compare_octets(k.buf, k.len, RTE_MBUF_F_RX_L4_CKSUM_BAD));
	for (unsigned int v = 0; v < 16; v++) {
		other = k;
		other.buf[14] = (uint8_t)(v << 4);
		assert_int_equal(compare_octets(other.buf, other.len, 0), v == 6);
	}
	for (unsigned int at = 22; at <= 38; at += 16) { /* not taken for IPv4 */
		other = k;
		memcpy(other.buf + at, (uint8_t[]){0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 7}, 16);
		assert_false(compare_octets(other.buf, other.len, 0));
	}
	kit6_begin(&other); /* what is behind other headers the parser finds */
	kit6_add(&other, 60, "\0\0\1\4\0\0\0", 8);
	kit6_tcp(&other, TCP_SYN, NULL, 0, 0);
	m = kit_chain(pool, other.buf, other.len, NULL, 0);
	pkt_parse_one(m, &f, 0, &port);
	assert_true(is_syn(&f));
	assert_false(pkt_is_syn(m, &s));
	rte_pktmbuf_free(m);
}

static void a_syn_is_one(void **state)
{
	for (unsigned int opt = 0; opt <= sizeof(ip_opt); opt += sizeof(ip_opt)) {
		struct kit_frame k = syn(opt);

		assert_true(compare(&k, k.len, 0));
	}
}

/* A header that is shorter than any, or of another version. */
static void a_header_that_is_none(void **state)
{
	static const uint8_t first[] = {0x40, 0x44, 0x05, 0x35, 0x55, 0x65, 0xf5};

	for (unsigned int i = 0; i < sizeof(first); i++) {
		struct kit_frame k = syn(0);

		k.buf[14] = first[i];
		for (unsigned int at = 14 + 13; at < k.len; at++) /* SYN, wherever the flags are taken to be */
			k.buf[at] = at == 14 + 16 + 13 || at == 14 + 13 || at == 14 + 20 + 13 ? TCP_SYN : k.buf[at];
		assert_false(compare(&k, k.len, 0));
	}
}

static void every_octet_as_the_parser(void **state)
{
	unsigned int syns = 0, others = 0;

	for (unsigned int opt = 0; opt <= sizeof(ip_opt); opt += sizeof(ip_opt)) {
		const struct kit_frame k = syn(opt);

		for (uint32_t at = 0; at < k.len; at++) {
			for (unsigned int v = 0; v < 256; v++) {
				struct kit_frame other = k;

				other.buf[at] = (uint8_t)v;
				if (compare(&other, other.len, 0))
					syns++;
				else
					others++;
			}
		}
	}
	assert_true(syns > 5000 && others > 1000);
}

static void cut_anywhere(void **state)
{
	for (unsigned int opt = 0; opt <= sizeof(ip_opt); opt += sizeof(ip_opt)) {
		const struct kit_frame k = syn(opt);

		for (uint32_t len = 1; len < k.len; len++)
			compare(&k, len, 0);
		assert_false(compare(&k, 14 + 20 + opt + 19, 0));
	}
}

/* What the device found wrong, or took away, is the parser's to count. */
static void the_device_says_no(void **state)
{
	struct kit_frame k = syn(0);
	struct rte_mbuf *m = kit_chain(pool, k.buf, k.len, NULL, 0);
	struct pkt_syn s;

	assert_false(compare(&k, k.len, RTE_MBUF_F_RX_IP_CKSUM_BAD));
	assert_false(compare(&k, k.len, RTE_MBUF_F_RX_L4_CKSUM_BAD));
	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED; /* which VLAN is not looked at */
	assert_false(pkt_is_syn(m, &s));
	rte_pktmbuf_free(m);
}

/* A sum that is not there yet, as between guests of one host, is none that is wrong. */
static void the_device_says_neither(void **state)
{
	struct kit_frame k = syn(0);

	assert_true(compare(&k, k.len, RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_NONE));
	assert_true(compare(&k, k.len, RTE_MBUF_F_RX_IP_CKSUM_NONE | RTE_MBUF_F_RX_L4_CKSUM_NONE));
}

/* Headers that are not all in the first segment are the parser's. */
static void split_headers_are_left(void **state)
{
	const struct kit_frame k = syn(0);

	for (uint32_t cut = 1; cut < 14 + 20 + 20; cut++) {
		struct rte_mbuf *m = kit_chain(pool, k.buf, k.len, &cut, 1);
		struct pkt_syn s;

		assert_false(pkt_is_syn(m, &s));
		rte_pktmbuf_free(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_syn_is_one, balanced),
		cmocka_unit_test_teardown(of_ipv6_as_the_parser, balanced),
		cmocka_unit_test_teardown(a_header_that_is_none, balanced),
		cmocka_unit_test_teardown(every_octet_as_the_parser, balanced),
		cmocka_unit_test_teardown(cut_anywhere, balanced),
		cmocka_unit_test_teardown(the_device_says_no, balanced),
		cmocka_unit_test_teardown(the_device_says_neither, balanced),
		cmocka_unit_test_teardown(split_headers_are_left, balanced),
	};

	return cmocka_run_group_tests(tests, start, kit_stop);
}
