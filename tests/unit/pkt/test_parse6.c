/*
 * IPv6 from the frame to the facts: rows HDR-05 and IP-09 to IP-15 as far as they are the parser's.
 */
#include "kit6.h"

#include "base/counter.h"
#include "pkt/parse.h"
#include "wire/ip6.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_fields, balanced),
	};

	return cmocka_run_group_tests(tests, start, kit_stop);
}
